/* SPDX-License-Identifier: Apache-2.0 */
/* suite: see suite.h. */
#include "suite.h"

#include <poll.h>

#define LOOK_MS 2

int
suite_wait(int looks)
{
	poll(NULL, 0, LOOK_MS);
	return looks < HANG_MS / LOOK_MS;
}

void
suite_add_all(TCase *tc, const TTest *const *tests)
{
	for (; *tests; tests++)
		tcase_add_test(tc, *tests);
}

int
suite_run(const char *name, void (*setup)(void), void (*teardown)(void),
    void (*add)(TCase *tc))
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, HANG_S);
	if (setup || teardown)
		tcase_add_checked_fixture(tc, setup, teardown);
	add(tc);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
