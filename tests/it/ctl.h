/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl: the client, run with the real shim and the fake runsc, for its tests:
 * bundles, command lines, what they print, containers in the background.
 *
 * SHIM and SHIMCTL are the binaries, FAKE_BIN the directory with the fake as
 * `runsc`.  Needs neither root nor network.
 */
#ifndef CTL_H
#define CTL_H

#include <check.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/types.h>

#include "tests/suite.h"
#include "dir.h"

extern char ctl[PATH_MAX];		/* the binary */
extern char out[1 << 20], err[1 << 16];		/* of the last run() */

/* shimctl with these arguments up to NULL and what finds the test's shims;
 * with its standard input from a file of this text, NULL: empty. */
pid_t spawn_va(int in, int out_fd, int err_fd, va_list ap);
pid_t spawn(const char *input, ...);
/* The exit status, or 1000 and the signal. */
int status_of(pid_t pid);
/* The same, and what it printed is in out and err. */
int finish(pid_t pid);
void read_back(const char *path, char *to, size_t cap);
#define run(input, ...) finish(spawn(input, __VA_ARGS__, (char *)NULL))
#define ok(...)								\
	ck_assert_msg(run(NULL, __VA_ARGS__) == 0, "%s", err)
bool says(const char *text, const char *part);
#define ck_says(text, part)						\
	ck_assert_msg(says(text, part), "no \"%s\" in: %s", part, text)
/* A command of the shell, in which $ctl finds the test's shims. */
int shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Wait until a container's status is that; out and err stay. */
void becomes(const char *id, const char *status);
/* Neither a process nor a socket nor a file of the test's. */
void nothing_left(void);
/* A container in the background, with its shim and no stdio. */
void start_container(const char *id, const char *words);
void remove_container(const char *id);
/* The last one. */
void end_container(const char *id);

/* main() of such a program; its exit status. */
int ctl_run(const char *name, void (*add)(TCase *tc));

#endif
