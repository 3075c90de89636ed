/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir: the directory of a test, in which everything is that it makes; so its
 * name is in the command line of all that the test starts.  And what a shim
 * finds there: a fake runsc on the PATH, bundles.  For programs with and without
 * Check; aborts where the machine does not do its part.
 */
#ifndef DIR_H
#define DIR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "tests/files.h"

extern char base[32];		/* of all tests; main makes it */
extern char shim[PATH_MAX];	/* the binary */

/* base, named after the program; removed again after all tests, with the
 * processes and mounts of those that failed and could not tidy up. */
void dir_make_base(const char *name);
void dir_remove_base(void);
/*
 * dir, for a test of the binary that the variable names: FAKE_BIN's runsc is
 * found on the PATH, its rules are in the file faults, its log is in calls;
 * orphans become ours.
 */
void dir_open(const char *variable);
/* What the test has started is killed and taken. */
void dir_close(void);

void sleep_ms(int ms);
/* What is in a directory, less what begins with a dot; 0 if there is none. */
unsigned entries(const char *path);
void remove_tree(const char *path);
/* A bundle whose process is these words of the fake's language, e.g.
 * "\"echo:hi\",\"exit:7\"".  Its path. */
char *make_bundle(const char *id, const char *words, const char *annotations,
	bool terminal);
/* Processes whose command line has where in it; sig, if any, is sent to each. */
unsigned find_processes(const char *where, int sig);
/* What `start` printed, n bytes and a NUL: of a BootstrapResult of version 3 and
 * ttrpc the address and a newline are left.  What is none stays. */
void keep_address(char *out, size_t n);

#endif
