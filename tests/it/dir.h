/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dir: the directory of a test, in which everything is that it makes; so its
 * name is in the command line of all that the test starts.  For programs with
 * and without Check.
 */
#ifndef DIR_H
#define DIR_H

#include <stddef.h>

extern char base[32];		/* of all tests; main makes it */
extern char dir[64];		/* of this test */

void sleep_ms(int ms);
/* A path below dir; one of 64 buffers in turn. */
char *in_dir(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Aborts where it cannot be written. */
void write_text(const char *path, const char *text);
/* The text of a file, "" if there is none; valid until the next call. */
char *read_text(const char *path);
/* What `start` printed, n bytes and a NUL: of a BootstrapResult of version 3 and
 * ttrpc the address and a newline are left.  What is none stays. */
void keep_address(char *out, size_t n);
/* Processes whose command line has where in it; sig, if any, is sent to each. */
unsigned find_processes(const char *where, int sig);

#endif
