/* SPDX-License-Identifier: Apache-2.0 */
/* save: descriptors, of which the program that is executed gets those that were
 * written down or taken, and no other; the rest is fuzz_save's. */
#include "wire/save.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/suite.h"

struct thing {
	int fd, other;
};

static const struct save_field fields[] = {
	SAVE_OPEN(struct thing, fd), SAVE_OPEN(struct thing, other), SAVE_LAST
};

static struct thing t;
static struct pb_out o;

static bool
is_passed(int fd)
{
	return !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void
setup(void)
{
	t.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	t.other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert(t.fd > STDERR_FILENO && t.other > STDERR_FILENO);
	pb_out_init(&o, NULL, 0);
	save_begin();
}

static void
teardown(void)
{
	close(t.fd);
	close(t.other);
	pb_out_free(&o);
	save_begin();
}

START_TEST(written)
{
	save_put(&o, fields, &t);
	ck_assert(!o.bad);
	ck_assert(!is_passed(t.fd));
	save_pass_fds(true);
	ck_assert(is_passed(t.fd) && is_passed(t.other));
	save_pass_fds(false);
	ck_assert(!is_passed(t.fd) && !is_passed(t.other));
}
END_TEST

/* Nobody could read it, and there would be no way back. */
START_TEST(closed)
{
	close(t.other);
	save_put(&o, fields, &t);
	ck_assert(o.bad);
	t.other = dup(t.fd);
}
END_TEST

/* Who has read a part and goes back hands on what was taken. */
START_TEST(taken)
{
	struct thing in;
	struct err e;

	save_put(&o, fields, &t);
	save_pass_fds(true);
	save_begin();
	save_reader(true);
	ck_assert_int_eq(save_get((struct pb_bytes){ o.p, o.len }, fields,
	    &in, &e), 0);
	ck_assert(in.fd == t.fd && in.other == t.other);
	ck_assert(!is_passed(t.fd) && !is_passed(t.other));
	save_pass_fds(true);
	ck_assert(is_passed(t.fd) && is_passed(t.other));
	save_begin();
	save_pass_fds(false);
	ck_assert(is_passed(t.fd));
	/* Looked at only, they are somebody else's. */
	save_reader(false);
	ck_assert_int_eq(save_get((struct pb_bytes){ o.p, o.len }, fields,
	    &in, &e), 0);
	ck_assert(is_passed(t.fd));
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, written, closed, taken);
}

int
main(void)
{
	return suite_run("save", setup, teardown, add);
}
