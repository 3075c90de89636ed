/* SPDX-License-Identifier: Apache-2.0 */
/* io_test: what a process writes, as its client sees it: FIFOs, files, devices. */
#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "ends.h"

/* -- outputs -------------------------------------------------------------- */

/* stdout or stderr, every size, a client that reads. */
START_TEST(fifo_sizes)
{
	size_t n = sizes[_i % 6];
	bool err = _i >= 6;
	char *path = in_dir(err ? "err" : "out");
	unsigned before = open_fds();
	int r = open(path, O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = new_io("", err ? "" : path, err ? path : "", false);
	pid_t pid;

	take_ends(io, fds);
	pid = write_in_child(fds[err ? 2 : 1], n);
	close_ends(fds);
	ck_assert_uint_eq(read_through(r, 0, (size_t)-1), n);
	ck_assert(io_finished(io));
	reap_ok(pid);
	io_free(io);
	loop_turn(0);
	close(r);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

/* A client that takes nothing for a while: the other stream goes on, nothing
 * runs meanwhile, and then everything arrives. */
START_TEST(stalled_reader)
{
	int ro = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3];
	int re = open(in_dir("err"), O_RDONLY | O_NONBLOCK);
	struct io *io = new_io("", in_dir("out"), in_dir("err"), false);
	pid_t p1, p2;

	take_ends(io, fds);
	p1 = write_in_child(fds[1], BIG);
	p2 = write_in_child(fds[2], BIG);
	close_ends(fds);
	/* stdout is stalled; stderr comes through whole. */
	ck_assert_uint_eq(read_through(re, 0, (size_t)-1), BIG);
	come_to_rest();
	ck_assert_uint_eq(read_through(ro, 0, (size_t)-1), BIG);
	reap_ok(p1);
	reap_ok(p2);
	io_free(io);
	close(ro);
	close(re);
}
END_TEST

/* A client that dies in mid-stream, and the next one: no byte lost or
 * repeated, and the writer sees no EPIPE. */
START_TEST(restarted_reader)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = new_io("", in_dir("out"), "", false);
	size_t got = 0;
	pid_t pid;
	int i;

	take_ends(io, fds);
	pid = write_in_child(fds[1], BIG);
	close_ends(fds);
	for (i = 0; i < 5; i++) {
		got += read_through(r, got, 300001);
		close(r);
		come_to_rest();
		r = open(in_dir("out"), O_RDONLY | O_NONBLOCK);
	}
	got += read_through(r, got, (size_t)-1);
	ck_assert_uint_eq(got, BIG);
	reap_ok(pid);
	io_free(io);
	close(r);
}
END_TEST

/* Nobody reads until long after the end: what a FIFO holds is kept, and the
 * first who comes gets it and the end of file. */
START_TEST(reader_after_the_end)
{
	struct io *io = new_io("", in_dir("out"), "", false);
	int fds[3], r;

	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], data, 5000), 5000);
	close_ends(fds);
	io_drain(io, on_drained, NULL);
	wait_drained();
	come_to_rest();
	ck_assert(!io_finished(io));
	r = open(in_dir("out"), O_RDONLY | O_NONBLOCK);
	ck_assert_uint_eq(read_through(r, 0, (size_t)-1), 5000);
	come_to_rest();
	ck_assert(io_finished(io));
	io_free(io);
	close(r);
}
END_TEST

/* Clients that die over what is left after the end: the next one gets the
 * rest and then the end of file. Nothing runs while they hesitate. */
START_TEST(restarted_reader_at_the_end)
{
	unsigned before = open_fds();
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3], i;
	struct io *io = new_io("", in_dir("out"), "", false);
	size_t got = 0;

	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], data, 60000), 60000);
	close_ends(fds);
	io_drain(io, on_drained, NULL);
	wait_drained();
	for (i = 0; i < 4; i++) {
		got += read_through(r, got, 7001);
		come_to_rest();
		close(r);
		come_to_rest();
		ck_assert(!io_finished(io));
		r = open(in_dir("out"), O_RDONLY | O_NONBLOCK);
	}
	got += read_through(r, got, (size_t)-1);
	ck_assert_uint_eq(got, 60000);
	ck_assert(io_finished(io));
	close(r);
	come_to_rest();
	/* Let go by itself, before io_free(). */
	ck_assert_uint_le(open_fds(), before + 1);
	io_free(io);
	loop_turn(0);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

/* A client that is in open(2) while the first one stalls and then dies. */
START_TEST(waiting_reader_at_the_end)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3], status;
	struct io *io = new_io("", in_dir("out"), "", false);
	pid_t pid;

	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], data, 30000), 30000);
	close_ends(fds);
	come_to_rest();
	pid = fork();
	if (pid == 0) {
		close(r);
		r = open(in_dir("out"), O_RDONLY);
		for (status = 0; read(r, data, 1) == 1;)
			status++;
		_exit(status != 30000);
	}
	come_to_rest();
	close(r);
	turn_until(waitpid(pid, &status, WNOHANG) == pid);
	ck_assert_int_eq(status, 0);
	io_free(io);
}
END_TEST

/* inotify refused, as where its limit is reached: looked at now and then. */
START_TEST(no_inotify)
{
	int fds[3], r, fd;
	struct io *io = new_io("", in_dir("out"), "", false);

	if (unshare(CLONE_NEWUSER) < 0 ||
	    (fd = open("/proc/sys/user/max_inotify_instances", O_WRONLY)) < 0 ||
	    write(fd, "0", 1) != 1) {
		printf("skipped no_inotify: no user namespaces here\n");
		return;
	}
	close(fd);
	ck_assert_int_eq(inotify_init1(0), -1);
	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], data, 100), 100);
	close_ends(fds);
	turn_all();
	r = open(in_dir("out"), O_RDONLY | O_NONBLOCK);
	ck_assert_uint_eq(read_through(r, 0, 100), 100);
	ck_assert_uint_eq(read_through(r, 100, (size_t)-1), 0);
	ck_assert(io_finished(io));
	io_free(io);
	close(r);
}
END_TEST

/* stdout and stderr in one FIFO: the end of one is not the end of it; with a
 * client that stalls, with none, and with one that comes late. */
START_TEST(shared_fifo)
{
	int r = _i ? -1 : open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = new_io("", in_dir("out"), in_dir("out"), false);
	char text[16];

	take_ends(io, fds);
	close(fds[0]);
	ck_assert_int_eq(write(fds[1], "one ", 4), 4);
	come_to_rest();
	close(fds[1]);
	come_to_rest();
	ck_assert_int_eq(write(fds[2], "two", 3), 3);
	come_to_rest();
	close(fds[2]);
	come_to_rest();
	if (r < 0)
		r = open(in_dir("out"), O_RDONLY | O_NONBLOCK);
	come_to_rest();
	ck_assert_int_eq(read(r, text, sizeof(text)), 7);
	ck_assert(memcmp(text, "one two", 7) == 0);
	ck_assert_int_eq(read(r, text, sizeof(text)), 0);
	ck_assert(io_finished(io));
	io_free(io);
	close(r);
}
END_TEST

/* Devices: /dev/null takes everything, a terminal what fits; one that has
 * gone does not take the container's pipe along. */
START_TEST(null_device)
{
	struct io *io = new_io("", "/dev/null", "/dev/null", false);
	int fds[3];
	pid_t pid;

	take_ends(io, fds);
	pid = write_in_child(fds[1], BIG);
	close_ends(fds);
	while (!io_finished(io))
		loop_turn(NS_PER_S);
	reap_ok(pid);
	io_free(io);
}
END_TEST

START_TEST(tty_device)
{
	int m, s, fds[3], status;
	char path[64];
	struct termios t;
	struct io *io;
	size_t got;
	pid_t pid;

	m = open_pty(&s);
	ck_assert_int_eq(tcgetattr(s, &t), 0);
	cfmakeraw(&t);
	ck_assert_int_eq(tcsetattr(s, TCSANOW, &t), 0);
	ck_assert_int_eq(ttyname_r(s, path, sizeof(path)), 0);
	fcntl(m, F_SETFL, O_NONBLOCK);
	io = new_io("", path, "", false);
	take_ends(io, fds);
	pid = write_in_child(fds[1], BIG);
	close_ends(fds);
	come_to_rest();
	got = read_through(m, 0, 300000);
	ck_assert_uint_eq(got, 300000);
	if (_i == 0) {
		got += read_through(m, got, BIG - got);
		ck_assert_uint_eq(got, BIG);
	} else {
		close(m);	/* it hangs up */
		m = -1;
	}
	turn_until(waitpid(pid, &status, WNOHANG) == pid);
	ck_assert_msg(status == 0, "the writer ended with %#x", status);
	come_to_rest();
	ck_assert(io_finished(io));
	io_free(io);
	close(s);
	close(m);
}
END_TEST

/* Pages of pipes are counted for the user: only who writes much gets more. */
START_TEST(pipe_sizes)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = new_io(in_dir("in"), in_dir("out"), "", false);
	int size;
	size_t got;
	pid_t pid;

	take_ends(io, fds);
	size = fcntl(fds[1], F_GETPIPE_SZ);
	ck_assert_int_le(size, 65536);
	ck_assert_int_le(fcntl(fds[0], F_GETPIPE_SZ), 65536);
	ck_assert_int_eq(write(fds[1], data, 1000), 1000);
	ck_assert_uint_eq(read_through(r, 0, 1000), 1000);
	ck_assert_int_eq(fcntl(fds[1], F_GETPIPE_SZ), size);
	pid = write_in_child(fds[1], BIG);
	for (got = 0; got < 20 * 65536; come_to_rest())
		got += read_through(r, got, 65536);
	ck_assert_uint_eq(read_through(r, got, BIG - got), BIG - got);
	reap_ok(pid);
	ck_assert_int_gt(fcntl(fds[1], F_GETPIPE_SZ), size);
	close_ends(fds);
	io_free(io);
	close(r);
}
END_TEST

/* Nobody ever reads, and there is nothing: not waited for. */
START_TEST(nobody_and_nothing)
{
	struct io *io = new_io("", in_dir("out"), in_dir("err"), false);
	int fds[3];

	take_ends(io, fds);
	close_ends(fds);
	io_drain(io, on_drained, NULL);
	wait_drained();
	ck_assert(io_finished(io));
	io_free(io);
}
END_TEST

START_TEST(null_streams)
{
	unsigned before = open_fds();
	struct io *io = new_io("", "", "", false);
	char c;
	int fds[3];

	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	ck_assert_int_eq(write(fds[2], "x", 1), 1);
	ck_assert_int_eq(read(fds[0], &c, 1), 0);
	close_ends(fds);
	ck_assert(io_finished(io));
	io_drain(io, on_drained, NULL);
	wait_drained();
	io_free(io);
	loop_turn(0);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

static void
compare_file(const char *path, size_t skip, size_t n)
{
	uint8_t *got = malloc(BIG + 64);
	int fd = open(path, O_RDONLY);
	ssize_t r;
	size_t len = 0;

	ck_assert_int_ge(fd, 0);
	while ((r = read(fd, got + len, BIG + 64 - len)) > 0)
		len += (size_t)r;
	close(fd);
	ck_assert_uint_eq(len, skip + n);
	ck_assert(memcmp(got + skip, data, n) == 0);
	free(got);
}

/* A plain file is appended to; file:// makes it, with its directories. */
START_TEST(files)
{
	size_t n = sizes[_i % 6];
	bool uri = _i >= 6;
	char target[160];
	struct io *io;
	pid_t pid;
	int fds[3], fd;

	if (uri) {
		snprintf(target, sizeof(target), "file://%s/a%%20b/log", dir);
	} else {
		snprintf(target, sizeof(target), "%s/log", dir);
		fd = open(target, O_CREAT | O_WRONLY, 0600);
		ck_assert_int_eq(write(fd, "old", 3), 3);
		close(fd);
	}
	io = new_io("", target, "", false);
	take_ends(io, fds);
	pid = write_in_child(fds[1], n);
	close_ends(fds);
	while (!io_finished(io))
		loop_turn(NS_PER_S);
	reap_ok(pid);
	io_free(io);
	compare_file(in_dir(uri ? "a b/log" : "log"), uri ? 0 : 3, n);
}
END_TEST

/* One file for both: one offset, closed when both have ended. */
START_TEST(shared_file)
{
	char *path = in_dir("log"), text[64];
	struct io *io;
	int fds[3], fd;

	close(open(path, O_CREAT | O_WRONLY, 0600));
	io = new_io("", path, path, false);
	take_ends(io, fds);
	close(fds[0]);
	ck_assert_int_eq(write(fds[1], "one ", 4), 4);
	come_to_rest();
	close(fds[1]);
	come_to_rest();
	ck_assert(!io_finished(io));
	ck_assert_int_eq(write(fds[2], "two", 3), 3);
	close(fds[2]);
	come_to_rest();
	ck_assert(io_finished(io));
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 7);
	ck_assert_int_eq(memcmp(text, "one two", 7), 0);
	close(fd);
	io_free(io);
}
END_TEST

START_TEST(bad_targets)
{
	static const struct {
		const char *out;
		int code;
	} t[] = {
		{ "/nonexistent/fifo", ERR_NOT_FOUND },
		{ "/tmp", ERR_INVALID },
		{ "gopher://x/y", ERR_UNIMPLEMENTED },
		{ "file://relative", ERR_INVALID },
		{ "file:///a%zz", ERR_INVALID },
		{ "file:///a%00b", ERR_INVALID },
		{ "binary://x", ERR_INVALID },
	};
	struct io_config c = { .in = "", .err = "", .id = "c", .exec_id = "",
		.ns = "n" };
	unsigned before = open_fds();
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		c.out = t[i].out;
		ck_assert(io_new(&c, &e) == NULL);
		ck_assert_msg(e.code == t[i].code, "%s: %d %s", t[i].out,
		    e.code, e.msg);
	}
	/* A link is not followed. */
	ck_assert_int_eq(symlink(in_dir("out"), in_dir("link")), 0);
	c.out = in_dir("link");
	ck_assert(io_new(&c, &e) == NULL);
	loop_turn(0);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, stalled_reader, restarted_reader, reader_after_the_end,
	    restarted_reader_at_the_end, waiting_reader_at_the_end, no_inotify,
	    null_device, pipe_sizes, nobody_and_nothing, null_streams,
	    shared_file, bad_targets);
	tcase_add_loop_test(tc, fifo_sizes, 0, 12);
	tcase_add_loop_test(tc, shared_fifo, 0, 2);
	tcase_add_loop_test(tc, tty_device, 0, 2);
	tcase_add_loop_test(tc, files, 0, 12);
}

int
main(void)
{
	return suite_run("io", setup, teardown, add);
}
