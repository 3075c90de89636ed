/* SPDX-License-Identifier: Apache-2.0 */
/* fmt_test: the same text as libc's printf for what fmt.h promises. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fmt.h"
#include "tests/suite.h"

/* Both make the text, also into a buffer that is too small for it. */
#define SAME(...) do {							\
	char a[256], b[256], c[8], d[8];				\
	ck_assert_uint_eq(fmt(a, sizeof(a), __VA_ARGS__),		\
	    (size_t)snprintf(b, sizeof(b), __VA_ARGS__));		\
	ck_assert_str_eq(a, b);						\
	ck_assert_uint_eq(fmt(c, sizeof(c), __VA_ARGS__), strlen(b));	\
	ck_assert_int_ge(snprintf(d, sizeof(d), "%s", b), 0);		\
	ck_assert_str_eq(c, d);						\
} while (0)

START_TEST(strings)
{
	SAME("%s", "");
	SAME("a %s b", "text");
	SAME("%s%s%c%%", "x", "yz", '!');
	SAME("%.3s|%.0s|%.9s", "abcdef", "abc", "abc");
	SAME("%.*s|%.*s|%.*s", 2, "abc", 0, "abc", -1, "abc");
	SAME("%6s|%2s", "abc", "abc");
}
END_TEST

START_TEST(precision_without_nul)
{
	const char raw[3] = { 'a', 'b', 'c' };
	const char *volatile none = NULL;
	char out[8];

	fmt(out, sizeof(out), "%.*s", 3, raw);
	ck_assert_str_eq(out, "abc");
	fmt(out, sizeof(out), "%.*s", 0, none);
	ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(numbers)
{
	SAME("%d %d %d", 0, -1, 42);
	SAME("%d %d", INT_MAX, INT_MIN);
	SAME("%ld %ld", LONG_MAX, LONG_MIN);
	SAME("%lld %lld", LLONG_MAX, LLONG_MIN);
	SAME("%u %lu %llu %zu", UINT_MAX, ULONG_MAX, ULLONG_MAX, SIZE_MAX);
	SAME("%x %#x %08x %04x", 0xbeefu, 0xbeefu, 0xbeefu, 1u);
	SAME("%02lld:%02lld %09ld %4d|%04d|%5d", 3LL, 59LL, 7L, 7, -7, -7);
}
END_TEST

START_TEST(no_room)
{
	char one[1] = { 'x' };

	ck_assert_uint_eq(fmt(NULL, 0, "%s", "abc"), 3);
	ck_assert_uint_eq(fmt(one, 1, "%s", "abc"), 3);
	ck_assert_int_eq(one[0], '\0');
}
END_TEST

START_TEST(allocated)
{
	char *p = fmt_new("%s/%d", "a", 7);

	ck_assert_str_eq(p, "a/7");
	free(p);
}
END_TEST

START_TEST(written)
{
	char out[2048], big[1500];
	int p[2];

	memset(big, 'b', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(fmt_write(p[1], "%s\n", "line"), 0);
	ck_assert_int_eq(read(p[0], out, sizeof(out)), 5);
	ck_assert_int_eq(memcmp(out, "line\n", 5), 0);
	ck_assert_int_eq(fmt_write(p[1], "%s", big), 0);
	ck_assert_int_eq(read(p[0], out, sizeof(out)), 1023);
	close(p[0]);
	close(p[1]);
	ck_assert_int_eq(fmt_write(-1, "x"), -1);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, strings, precision_without_nul, numbers, no_room,
	    allocated, written);
}

int
main(void)
{
	return suite_run("fmt", NULL, NULL, add);
}
