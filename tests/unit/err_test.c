/* SPDX-License-Identifier: Apache-2.0 */
/* err_test: 13.17: the table of errno and gRPC code, row by row; messages. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/suite.h"

static const struct { int err, code; } rows[] = {
	{ ENOENT, ERR_NOT_FOUND }, { ESRCH, ERR_NOT_FOUND },
	{ ENXIO, ERR_NOT_FOUND }, { ENODEV, ERR_NOT_FOUND },
	{ EEXIST, ERR_EXISTS }, { EPERM, ERR_PERMISSION },
	{ EACCES, ERR_PERMISSION }, { EROFS, ERR_PERMISSION },
	{ ENOMEM, ERR_EXHAUSTED }, { EMFILE, ERR_EXHAUSTED },
	{ ENFILE, ERR_EXHAUSTED }, { ENOSPC, ERR_EXHAUSTED },
	{ EDQUOT, ERR_EXHAUSTED }, { EAGAIN, ERR_EXHAUSTED },
	{ ENOBUFS, ERR_EXHAUSTED }, { EUSERS, ERR_EXHAUSTED },
	{ EINVAL, ERR_INVALID }, { ENAMETOOLONG, ERR_INVALID },
	{ E2BIG, ERR_INVALID }, { ENOTDIR, ERR_INVALID },
	{ EISDIR, ERR_INVALID }, { ELOOP, ERR_INVALID },
	{ ENOEXEC, ERR_INVALID }, { ELIBBAD, ERR_INVALID },
	{ EBUSY, ERR_PRECONDITION }, { ENOTEMPTY, ERR_PRECONDITION },
	{ ETXTBSY, ERR_PRECONDITION }, { ETIMEDOUT, ERR_DEADLINE },
	{ ECANCELED, ERR_CANCELED }, { ECONNREFUSED, ERR_UNAVAILABLE },
	{ ECONNRESET, ERR_UNAVAILABLE }, { EPIPE, ERR_UNAVAILABLE },
	{ ENOSYS, ERR_UNIMPLEMENTED }, { EOPNOTSUPP, ERR_UNIMPLEMENTED },
	{ EIO, ERR_INTERNAL },
	/* What is in no row. */
	{ 0, ERR_UNKNOWN }, { EDOM, ERR_UNKNOWN }, { 4096, ERR_UNKNOWN },
	{ -1, ERR_UNKNOWN },
};

START_TEST(codes)
{
	struct err e = { .code = -1 };
	char text[256];

	ck_assert_int_eq(err_code(rows[_i].err), rows[_i].code);
	ck_assert_int_eq(err_errno(&e, rows[_i].err, "open %s", "x"), -1);
	ck_assert_int_eq(e.code, rows[_i].code);
	strcpy(text, "open x: ");
	strcat(text, strerror(rows[_i].err));
	ck_assert_str_eq(e.msg, text);
	errno = rows[_i].err;
	ck_assert_int_eq(err_sys(&e, "%d", 7), -1);
	ck_assert_int_eq(e.code, rows[_i].code);
}
END_TEST

START_TEST(messages)
{
	struct err e;

	ck_assert_int_eq(err_set(&e, ERR_EXISTS, "%s", "b"), -1);
	ck_assert_int_eq(err_prefix(&e, "a%d", 1), -1);
	ck_assert_str_eq(e.msg, "a1: b");
	ck_assert_int_eq(e.code, ERR_EXISTS);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, messages);
	tcase_add_loop_test(tc, codes, 0, sizeof(rows) / sizeof(rows[0]));
}

int
main(void)
{
	return suite_run("err", NULL, NULL, add);
}
