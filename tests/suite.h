/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suite: main() of a program of tests, and how long a test waits for what must
 * come: so long that only what hangs takes longer, on any machine.  Nothing here
 * is a measure; those are tests/bench's.
 */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>
#include <stddef.h>

#define HANG_S 300		/* a test */
#define HANG_MS 60000		/* one wait of it */

/*
 * Run what add adds to the one case of the suite of that name: each test in a
 * process of its own, between setup and teardown (NULL: none).  The exit
 * status.
 */
int suite_run(const char *name, void (*setup)(void), void (*teardown)(void),
	void (*add)(TCase *tc));

/*
 * Wait until cond holds, for what cannot be read or polled; where it never does,
 * the test hangs and fails.
 */
#define await(cond)							\
	for (int looks_ = 0; !(cond); looks_++)				\
		ck_assert_msg(suite_wait(looks_), "%s: does not come",	\
		    #cond)
/* A moment; false after HANG_MS of them. */
int suite_wait(int looks);

/* Add tests, each to be run once. */
#define suite_add(tc, ...)						\
	suite_add_all((tc), (const TTest *const[]){ __VA_ARGS__, NULL })
void suite_add_all(TCase *tc, const TTest *const *tests);

#endif
