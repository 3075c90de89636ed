/* SPDX-License-Identifier: Apache-2.0 */
/* name_test: 13.7: which names and paths are taken from outside. */
#include <check.h>
#include <limits.h>
#include <string.h>

#include "base/name.h"
#include "tests/suite.h"

enum { ID = 1, EXEC = 2, PATH = 4, RELATIVE = 8 };

static const struct {
	const char *text;
	int good_as;
} names[] = {
	{ "", 0 }, { "a", ID | EXEC | RELATIVE },
	{ "web-1.x_2", ID | EXEC | RELATIVE }, { "k8s.io", ID | EXEC | RELATIVE },
	{ ".", EXEC | RELATIVE }, { "..", EXEC }, { "../x", 0 },
	{ "a/../b", 0 }, { "a/..", 0 }, { "/..", 0 }, { "/../x", 0 },
	{ "/", PATH | RELATIVE }, { "/abs", PATH | RELATIVE },
	{ "/a/..b/c..", PATH | RELATIVE }, { "a/b", RELATIVE },
	{ "a--b", EXEC | RELATIVE }, { "-a", EXEC | RELATIVE },
	{ "a.", EXEC | RELATIVE }, { "a b", EXEC | RELATIVE },
	{ "a\nb", 0 }, { "/a\nb", 0 }, { "\x7f", 0 }, { "/a\tb", 0 },
	{ "system.slice:runsc:a", EXEC | RELATIVE },
	{ "\xc3\xa4", EXEC | RELATIVE },
};

START_TEST(table)
{
	const char *s = names[_i].text;
	struct err e = { .code = ERR_OK };
	int is = 0;

	is |= name_check("x", s, &e) == 0 ? ID : 0;
	is |= name_check_exec(s, &e) == 0 ? EXEC : 0;
	is |= name_check_path("x", s, &e) == 0 ? PATH : 0;
	is |= name_check_relative("x", s, &e) == 0 ? RELATIVE : 0;
	ck_assert_msg(is == names[_i].good_as, "\"%s\": %d", s, is);
	ck_assert(is == (ID | EXEC | PATH | RELATIVE) ||
	    (e.code == ERR_INVALID && e.msg[0]));
}
END_TEST

START_TEST(lengths)
{
	static char text[PATH_MAX + 1];
	struct err e;

	memset(text, 'a', NAME_MAX_BYTES);
	ck_assert_int_eq(name_check("x", text, &e), 0);
	ck_assert_int_eq(name_check_exec(text, &e), 0);
	text[NAME_MAX_BYTES] = 'a';
	ck_assert_int_eq(name_check("x", text, &e), -1);
	ck_assert_int_eq(name_check_exec(text, &e), -1);
	memset(text, 'a', PATH_MAX);
	text[0] = '/';
	ck_assert_int_eq(name_check_path("x", text, &e), -1);
	text[PATH_MAX - 1] = '\0';
	ck_assert_int_eq(name_check_path("x", text, &e), 0);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, lengths);
	tcase_add_loop_test(tc, table, 0, sizeof(names) / sizeof(names[0]));
}

int
main(void)
{
	return suite_run("name", NULL, NULL, add);
}
