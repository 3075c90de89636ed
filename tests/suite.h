/* SPDX-License-Identifier: Apache-2.0 */
/* suite: main() of a program of tests. */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>

/*
 * Run what add adds to the one case of the suite of that name: each test in a
 * process of its own, between setup and teardown (NULL: none), for at most that
 * many seconds: a limit for what hangs, no measure.  The exit status.
 */
int suite_run(const char *name, int seconds, void (*setup)(void),
	void (*teardown)(void), void (*add)(TCase *tc));

#endif
