/* SPDX-License-Identifier: Apache-2.0 */
/* child_test: processes that are spawned, adopted, killed and reaped. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/loop.h"

static int exits;
static int last_status;
static int last_errno;
static int signalled;

static void
on_exit_status(struct child *c, int status)
{
	exits++;
	last_status = status;
	last_errno = c->exec_errno;
}

static void
on_signal(int sig)
{
	signalled = sig;
}

static void
wait_exits(int n)
{
	int64_t until = loop_now() + 5 * NS_PER_S;

	while (exits < n && loop_now() < until)
		loop_turn(10 * NS_PER_MS);
	ck_assert_int_eq(exits, n);
}

static void
start(struct child *c, const char *script, const int fds[3])
{
	const char *argv[] = { "sh", "-c", script, NULL };
	struct child_spawn s = { .argv = argv, .fds = { -1, -1, -1 },
		.extra_fds = { -1, -1, -1 } };
	struct err e;

	if (fds)
		memcpy(s.fds, fds, sizeof(s.fds));
	ck_assert_int_eq(child_start(c, &s, on_exit_status, &e), 0);
}

static void
setup(void)
{
	struct err e;

	ck_assert_int_eq(loop_init(&e), 0);
	ck_assert_int_eq(child_init(on_signal, &e), 0);
	exits = 0;
}

static void
teardown(void)
{
	child_close();
	loop_close();
}

START_TEST(statuses)
{
	struct child c;

	start(&c, "exit 7", NULL);
	ck_assert(child_running(&c));
	ck_assert_int_eq(exits, 0);
	wait_exits(1);
	ck_assert(!child_running(&c));
	ck_assert_uint_eq(child_exit_code(last_status), 7);
	start(&c, "kill -9 $$", NULL);
	wait_exits(2);
	ck_assert_uint_eq(child_exit_code(last_status), 137);
	ck_assert_uint_eq(child_exit_code(CHILD_STATUS_UNKNOWN), 255);
	ck_assert_int_eq(last_errno, 0);
}
END_TEST

START_TEST(exec_fails)
{
	const char *argv[] = { "/nonexistent", NULL };
	struct child_spawn s = { .argv = argv, .fds = { -1, -1, -1 },
		.extra_fds = { -1, -1, -1 } };
	struct child c;
	struct err e;

	ck_assert_int_eq(child_start(&c, &s, on_exit_status, &e), 0);
	wait_exits(1);
	ck_assert_int_eq(last_errno, ENOENT);
}
END_TEST

/* Whatever numbers the descriptors have here, they come out as 0 to 5, and
 * nothing else gets through. */
START_TEST(descriptors)
{
	const char *argv[] = { "sh", "-c", "echo out; echo err >&2; "
	    "echo three >&3; echo five >&5; test ! -e /proc/self/fd/4 && "
	    "test ! -e /proc/self/fd/77 && read x && test \"$x\" = in", NULL };
	struct child_spawn s = { .argv = argv, .extra_fds = { -1, -1, -1 } };
	struct child c;
	struct err e;
	int in[2], out[2];
	char text[64];
	ssize_t n;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_eq(dup3(out[1], 77, O_CLOEXEC), 77);
	ck_assert_int_eq(write(in[1], "in\n", 3), 3);
	s.fds[0] = in[0];
	s.fds[1] = out[1];
	s.fds[2] = out[1];
	s.extra_fds[0] = out[1];
	s.extra_fds[2] = out[1];
	ck_assert_int_eq(child_start(&c, &s, on_exit_status, &e), 0);
	wait_exits(1);
	ck_assert_uint_eq(child_exit_code(last_status), 0);
	n = read(out[0], text, sizeof(text));
	ck_assert_int_eq(n, 19);
	ck_assert(memcmp(text, "out\nerr\nthree\nfive\n", 19) == 0);
}
END_TEST

static void
turn_for(int ms)
{
	int64_t until = loop_now() + ms * NS_PER_MS;

	while (loop_now() < until)
		loop_turn(10 * NS_PER_MS);
}

/* An orphan's pid, told by its parent as a pid file would. */
static pid_t
make_orphan(const char *script)
{
	char text[256], out[32] = "";
	struct child c;
	int fds[2];
	int want = exits + 1;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	snprintf(text, sizeof(text), "( %s ) >&- & echo $!", script);
	start(&c, text, (int[3]){ -1, fds[1], -1 });
	wait_exits(want);
	ck_assert_int_gt(read(fds[0], out, sizeof(out) - 1), 0);
	close(fds[0]);
	close(fds[1]);
	return (pid_t)atoi(out);
}

/* qemu-user knows no subreaper: orphans do not come to us.  valgrind 3.19 knows
 * no pidfd_open(). */
static bool
emulated(void)
{
	if (!getenv("EMULATOR"))
		return false;
	printf("skipped orphans: no subreaper or pidfd_open() in an emulator\n");
	return true;
}

START_TEST(orphan_alive)
{
	struct child c;
	struct err e;
	pid_t pid;

	if (emulated())
		return;
	pid = make_orphan("sleep 0.2; exit 5");
	ck_assert_int_eq(child_adopt(&c, pid, on_exit_status, &e), 0);
	wait_exits(2);
	ck_assert_uint_eq(child_exit_code(last_status), 5);
	/* Killed by us. */
	pid = make_orphan("exec sleep 100");
	ck_assert_int_eq(child_adopt(&c, pid, on_exit_status, &e), 0);
	ck_assert_int_eq(child_kill(&c, SIGTERM), 0);
	wait_exits(4);
	ck_assert_uint_eq(child_exit_code(last_status), 143);
	ck_assert_int_eq(child_kill(&c, SIGTERM), -1);
	ck_assert_int_eq(errno, ESRCH);
}
END_TEST

/* It ended before anybody knew its pid: kept while a hold is taken. */
START_TEST(orphan_dead)
{
	struct child c;
	struct err e;
	pid_t pid;

	if (emulated())
		return;
	child_hold();
	pid = make_orphan("sleep 0.1; exit 6");
	turn_for(300);
	ck_assert_int_eq(child_adopt(&c, pid, on_exit_status, &e), 0);
	ck_assert_int_eq(exits, 1);
	wait_exits(2);
	ck_assert_uint_eq(child_exit_code(last_status), 6);
	/* Forgotten before it is told: nothing. */
	pid = make_orphan("sleep 0.1; exit 6");
	turn_for(300);
	ck_assert_int_eq(child_adopt(&c, pid, on_exit_status, &e), 0);
	child_forget(&c);
	child_release();
	turn_for(20);
	ck_assert_int_eq(exits, 3);
	/* Without a hold there is no record: unknown, and told at once. */
	pid = make_orphan("sleep 0.1; exit 6");
	turn_for(300);
	ck_assert_int_eq(child_adopt(&c, pid, on_exit_status, &e), 0);
	wait_exits(5);
	ck_assert_int_eq(last_status, CHILD_STATUS_UNKNOWN);
}
END_TEST

/* A process that is no child of ours is watched, and can be let go. */
START_TEST(stranger)
{
	struct child c;
	struct err e;

	ck_assert_int_eq(child_adopt(&c, getppid(), on_exit_status, &e), 0);
	ck_assert(child_running(&c));
	loop_turn(10 * NS_PER_MS);
	ck_assert_int_eq(exits, 0);
	child_forget(&c);
	ck_assert(!child_running(&c));
}
END_TEST

START_TEST(many_at_once)
{
	static struct child c[100];
	int i;

	for (i = 0; i < 100; i++)
		start(&c[i], "exit 3", NULL);
	wait_exits(100);
}
END_TEST

START_TEST(signals)
{
	kill(getpid(), SIGUSR1);
	loop_turn(NS_PER_S);
	ck_assert_int_eq(signalled, SIGUSR1);
	kill(getpid(), SIGTERM);
	loop_turn(NS_PER_S);
	ck_assert_int_eq(signalled, SIGTERM);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("child");
	TCase *tc = tcase_create("child");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, statuses);
	tcase_add_test(tc, exec_fails);
	tcase_add_test(tc, descriptors);
	tcase_add_test(tc, orphan_alive);
	tcase_add_test(tc, orphan_dead);
	tcase_add_test(tc, stranger);
	tcase_add_test(tc, many_at_once);
	tcase_add_test(tc, signals);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
