/* SPDX-License-Identifier: Apache-2.0 */
/* io_end_test: how the stdio of a process ends, and what it costs until then. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "ends.h"

/* -- the end -------------------------------------------------------------- */

/* Somebody else holds the pipe: the drain does not wait for that, and what
 * is written later still arrives. */
START_TEST(background_holder)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3];
	unsigned before = open_fds();
	struct io *io = new_io("", in_dir("out"), "", false);
	size_t n;
	char c;

	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], data, 1000), 1000);
	io_drain(io, on_drained, NULL);
	wait_drained();
	ck_assert_uint_eq(read_through(r, 0, 1000), 1000);
	ck_assert_int_eq(write(fds[1], data + 1000, 500), 500);
	ck_assert_uint_eq(read_through(r, 1000, 500), 500);
	ck_assert_int_eq(drained, 1);
	io_free(io);
	loop_turn(0);
	/* After that it is dropped: neither EPIPE nor a full pipe. */
	signal(SIGPIPE, SIG_IGN);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	for (n = 0; n < MIB; n += 4096) {
		while (write(fds[1], data, 4096) < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			loop_turn(NS_PER_S);
		}
	}
	ck_assert_int_eq(read(r, &c, 1), 0);
	come_to_rest();
	close_ends(fds);
	turn_until(open_fds() == before);
	close(r);
}
END_TEST

START_TEST(drain_is_bounded)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = new_io("", in_dir("out"), "", false);
	int64_t t0;
	pid_t pid;

	io_set_bounds(100 * NS_PER_MS, 300 * NS_PER_MS, READ_NS);
	take_ends(io, fds);
	pid = write_in_child(fds[1], 500000);
	close_ends(fds);
	come_to_rest();
	t0 = loop_now();
	io_drain(io, on_drained, NULL);
	ck_assert_int_eq(drained, 0);
	wait_drained();
	ck_assert(loop_now() - t0 >= 90 * NS_PER_MS);
	/* It goes on until io_free(). */
	ck_assert_uint_eq(read_through(r, 0, (size_t)-1), 500000);
	reap_ok(pid);
	io_free(io);
	close(r);
}
END_TEST

/* Slow, but not stalled: the second bound. */
START_TEST(drain_of_a_slow_client)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = new_io("", in_dir("out"), "", false);
	static uint8_t buf[8192];
	int64_t t0 = loop_now();
	pid_t pid;

	io_set_bounds(200 * NS_PER_MS, 400 * NS_PER_MS, READ_NS);
	take_ends(io, fds);
	pid = write_in_child(fds[1], 900000);
	close_ends(fds);
	come_to_rest();
	io_drain(io, on_drained, NULL);
	while (!drained) {
		ck_assert(loop_now() - t0 < HANG_NS);
		come_to_rest();
		if (read(r, buf, sizeof(buf)) < 0)
			ck_assert_int_eq(errno, EAGAIN);
	}
	ck_assert(loop_now() - t0 >= 400 * NS_PER_MS);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	io_free(io);
	come_to_rest();
	close(r);
}
END_TEST

/* A client that reads is told the exit when it has read everything. */
START_TEST(drain_until_it_is_read)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK);
	int r2 = open(in_dir("err"), O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = new_io("", in_dir("out"), in_dir("err"), false);

	io_set_bounds(NEVER_NS, NEVER_NS, 10 * NS_PER_S);
	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], data, 5000), 5000);
	ck_assert_int_eq(write(fds[2], data, 3000), 3000);
	close_ends(fds);
	io_drain(io, on_drained, NULL);
	come_to_rest();
	ck_assert_uint_eq(read_some(r, 4999), 4999);
	ck_assert_uint_eq(read_some(r2, 3000), 3000);
	come_to_rest();
	ck_assert_int_eq(drained, 0);
	/* The last byte; the end of file need not be read. */
	ck_assert_uint_eq(read_some(r, 1), 1);
	wait_drained();
	come_to_rest();
	io_free(io);
	close(r);
	close(r2);
}
END_TEST

/* One that leaves instead has no more interest; one that does neither is
 * waited for so long and no longer. */
START_TEST(drain_of_an_idle_client)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = new_io("", in_dir("out"), "", false);
	int64_t t0;

	io_set_bounds(NEVER_NS, NEVER_NS, _i ? 10 * NS_PER_S :
	    100 * NS_PER_MS);
	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], data, 5000), 5000);
	close_ends(fds);
	t0 = loop_now();
	io_drain(io, on_drained, NULL);
	come_to_rest();
	ck_assert_int_eq(drained, 0);
	if (_i)
		close(r);
	wait_drained();
	ck_assert(_i || loop_now() - t0 >= 100 * NS_PER_MS);
	io_free(io);
	if (!_i)
		close(r);
}
END_TEST

START_TEST(free_while_draining)
{
	struct io *io = new_io("", in_dir("out"), "", false);
	int fds[3];

	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], data, 10), 10);
	io_drain(io, on_drained, NULL);
	io_free(io);
	come_to_rest();
	ck_assert_int_eq(drained, 0);
	close_ends(fds);
}
END_TEST

/* Freed before the end with much in the pipe: the writer is neither blocked
 * nor killed. */
START_TEST(free_under_a_writer)
{
	unsigned before = open_fds();
	struct io *io = new_io("", in_dir("out"), "", false);
	int fds[3], status;
	pid_t pid;

	take_ends(io, fds);
	pid = write_in_child(fds[1], BIG);
	close_ends(fds);
	come_to_rest();
	io_free(io);
	turn_until(waitpid(pid, &status, WNOHANG) == pid);
	ck_assert_int_eq(status, 0);
	turn_until(open_fds() == before);
}
END_TEST

/* The memory of 100 stalled streams is that of 100 idle ones. */
START_TEST(stalled_costs_no_memory)
{
	static struct io *ios[100];
	static int ends[100][3], readers[100];
	static uint8_t block[65536];
	size_t idle, stalled;
	int i;

	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(mkfifo(in_dir("f%d", i), 0600), 0);
		readers[i] = open(in_dir("f%d", i), O_RDONLY | O_NONBLOCK);
		ios[i] = new_io("", in_dir("f%d", i), "", false);
		take_ends(ios[i], ends[i]);
		fcntl(ends[i][1], F_SETFL, O_NONBLOCK);
	}
	come_to_rest();
	idle = mallinfo2().uordblks;
	for (i = 0; i < 100; i++) {
		while (write(ends[i][1], block, sizeof(block)) > 0)
			loop_turn(0);
	}
	come_to_rest();
	stalled = mallinfo2().uordblks;
	ck_assert_uint_eq(stalled, idle);
	for (i = 0; i < 100; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
		close(ends[i][2]);
		io_free(ios[i]);
		close(readers[i]);
	}
}
END_TEST

/* The same of terminals, which are copied; both directions. */
START_TEST(stalled_terminals_cost_no_memory)
{
	static struct io *ios[50];
	static int masters[50], slaves[50], readers[50], writers[50];
	static uint8_t block[4096];
	struct termios t;
	size_t idle;
	struct err e;
	int i;

	memset(block, 'x', sizeof(block));
	for (i = 0; i < 50; i++) {
		ck_assert_int_eq(mkfifo(in_dir("f%d", i), 0600), 0);
		ck_assert_int_eq(mkfifo(in_dir("g%d", i), 0600), 0);
		readers[i] = open(in_dir("f%d", i), O_RDONLY | O_NONBLOCK);
		ios[i] = new_io(in_dir("g%d", i), in_dir("f%d", i), "", true);
		writers[i] = open(in_dir("g%d", i), O_WRONLY | O_NONBLOCK);
		masters[i] = open_pty(&slaves[i]);
		/* A line discipline throws away what makes too long a line. */
		ck_assert_int_eq(tcgetattr(slaves[i], &t), 0);
		cfmakeraw(&t);
		ck_assert_int_eq(tcsetattr(slaves[i], TCSANOW, &t), 0);
		fcntl(slaves[i], F_SETFL, O_NONBLOCK);
		ck_assert_int_eq(io_attach_master(ios[i], masters[i], &e), 0);
	}
	come_to_rest();
	idle = mallinfo2().uordblks;
	for (i = 0; i < 50; i++) {
		while (write(writers[i], block, sizeof(block)) > 0)
			loop_turn(0);
		while (write(slaves[i], block, sizeof(block)) > 0)
			loop_turn(0);
	}
	come_to_rest();
	ck_assert_uint_eq(mallinfo2().uordblks, idle);
	for (i = 0; i < 50; i++) {
		io_free(ios[i]);
		close(slaves[i]);
		close(readers[i]);
		close(writers[i]);
	}
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, background_holder, drain_is_bounded,
	    drain_of_a_slow_client, drain_until_it_is_read,
	    free_while_draining, free_under_a_writer, stalled_costs_no_memory,
	    stalled_terminals_cost_no_memory);
	tcase_add_loop_test(tc, drain_of_an_idle_client, 0, 2);
}

int
main(void)
{
	return suite_run("io_end", setup, teardown, add);
}
