/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tail_test: 13.20: clients that open their FIFO late, as Go's do: open(2) in a
 * thread that waits there for the other side.  Whenever it is opened before
 * io_free(), the client gets what there is and the end of file.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ends.h"

static const char *in, *out;

static void
begin(void)
{
	setup();
	in = in_dir("in");
	out = in_dir("out");
	signal(SIGPIPE, SIG_IGN);
	/* Nobody is to be waited for here but by events. */
	io_set_bounds(NEVER_NS, NEVER_NS, NEVER_NS);
}

/* The container has written text and gone, up to that moment. */
enum { BEFORE_START, WRITTEN, AT_END, DRAINED, MOMENTS };

static const char *const texts[] = { "", "a", "what there is\n" };

static struct io *
open_io(const char *stdin_path, const char *stdout_path, int fds[3])
{
	struct io *io = new_io(stdin_path, stdout_path, "", false);

	take_ends(io, fds);
	return io;
}

/* Nothing of ours may be held open by a client. */
static void
close_others(int keep)
{
	int i;

	for (i = 3; i < 1024; i++) {
		if (i != keep)
			close(i);
	}
}

/*
 * A client that waits in open(2), then reads to the end; it exits with 0 if
 * that was text.  opened becomes readable when it is through open(2).
 */
static pid_t
late_reader(const char *text, int flags, int *opened)
{
	static char buf[256];
	size_t got = 0;
	int p[2], fd;
	ssize_t n;
	pid_t pid;

	ck_assert_int_eq(pipe(p), 0);
	pid = fork();
	if (pid) {
		close(p[1]);
		*opened = p[0];
		return pid;
	}
	close_others(p[1]);
	alarm(60);
	fd = open(out, flags);
	if (write(p[1], "", 1) != 1)
		_exit(1);
	while ((n = read(fd, buf + got, sizeof(buf) - got)) > 0)
		got += (size_t)n;
	_exit(n < 0 || got != strlen(text) || memcmp(buf, text, got) != 0);
}

/* Turn the loop until fd is readable. */
static void
wait_for(int fd)
{
	int64_t since = loop_now();
	char c;

	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (read(fd, &c, 1) != 1) {
		turn_once(since, "it waits in open(2)");
	}
}

static void
ended_well(pid_t pid)
{
	int64_t since = loop_now();
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		turn_once(since, "it hangs");
	}
	ck_assert_msg(status == 0, "the client ended with %#x", status);
}

/* A reader at each moment, with each text; it has its end before Delete. */
START_TEST(reader_before_delete)
{
	int moment = _i % MOMENTS, fds[3], opened;
	const char *text = texts[_i / MOMENTS];
	unsigned before = open_fds();
	struct io *io;
	pid_t pid = 0;

	if (moment == BEFORE_START)
		pid = late_reader(text, O_RDONLY, &opened);
	io = open_io("", out, fds);
	ck_assert_int_eq(write(fds[1], text, strlen(text)),
	    (ssize_t)strlen(text));
	turn_all();
	if (moment == WRITTEN)
		pid = late_reader(text, O_RDONLY, &opened);
	close_ends(fds);
	turn_all();
	if (moment == AT_END)
		pid = late_reader(text, O_RDONLY, &opened);
	io_drain(io, on_drained, NULL);
	wait_drained();
	if (moment == DRAINED)
		pid = late_reader(text, O_RDONLY, &opened);
	wait_for(opened);
	ended_well(pid);
	ck_assert(io_finished(io));
	io_free(io);
	turn_all();
	close(opened);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

/* A client in open(2) when Delete comes: it gets its end from that, without a
 * turn of the loop.  O_RDWR, which never waits, is none to wait for. */
START_TEST(reader_at_delete)
{
	const char *text = texts[_i % 3];
	int fds[3], opened, p;
	struct io *io = open_io("", out, fds);
	pid_t pid;
	char c;

	ck_assert_int_eq(write(fds[1], text, strlen(text)),
	    (ssize_t)strlen(text));
	close_ends(fds);
	turn_all();
	io_drain(io, on_drained, NULL);
	wait_drained();
	if (_i / 3) {
		p = open(out, O_RDWR | O_NONBLOCK);
		turn_all();
		io_free(io);
		for (size_t i = 0; i < strlen(text); i++)
			ck_assert_int_eq(read(p, &c, 1), 1);
		close(p);
		return;
	}
	pid = late_reader(text, O_RDONLY, &opened);
	ck_assert_int_eq(read(opened, &c, 1), 1);
	io_free(io);
	ended_well(pid);
	close(opened);
}
END_TEST

/* Nobody ever comes: nothing waits for that, few descriptors are held, none
 * after Delete. */
START_TEST(nobody_comes)
{
	unsigned before = open_fds(), running;
	int fds[3];
	struct io *io = open_io(in, out, fds);

	turn_all();
	running = open_fds() - 3;	/* but for the container's */
	close_ends(fds);
	turn_all();
	io_drain(io, on_drained, NULL);
	turn_all();
	ck_assert_int_eq(drained, 1);
	ck_assert(io_finished(io));
	ck_assert_uint_lt(open_fds(), running);
	turn_all();
	io_free(io);
	turn_all();
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

/* A client that leaves before the end, and the next one, which comes after it:
 * a containerd that was killed and comes back. */
START_TEST(client_comes_back)
{
	int fds[3], r = open(out, O_RDONLY | O_NONBLOCK), opened;
	struct io *io = open_io("", out, fds);
	char buf[8];
	pid_t pid;

	ck_assert_int_eq(write(fds[1], "abc", 3), 3);
	turn_all();
	ck_assert_int_eq(read(r, buf, sizeof(buf)), 3);
	close(r);
	close_ends(fds);
	io_drain(io, on_drained, NULL);
	wait_drained();
	pid = late_reader("", O_RDONLY, &opened);
	wait_for(opened);
	ended_well(pid);
	io_free(io);
	close(opened);
}
END_TEST

/* A terminal that never came. */
START_TEST(terminal)
{
	struct io_config c = { .in = in, .out = out, .terminal = true,
		.id = "c", .exec_id = "", .ns = "n" };
	struct err e;
	struct io *io = io_new(&c, &e);
	int opened;
	pid_t pid;

	io_drain(io, on_drained, NULL);
	wait_drained();
	pid = late_reader("", O_RDONLY, &opened);
	wait_for(opened);
	ended_well(pid);
	io_free(io);
	close(opened);
}
END_TEST

/* No inotify to be had: the FIFO is looked at now and then. */
START_TEST(no_inotify)
{
	static int held[4096];
	int fds[3], opened, n = 0;
	char buf[16];
	struct io *io = open_io("", out, fds);
	pid_t pid;

	while (n < 4096 && (held[n] = inotify_init1(IN_CLOEXEC)) >= 0)
		n++;
	close_ends(fds);
	io_drain(io, on_drained, NULL);
	wait_drained();
	pid = late_reader("", O_RDONLY, &opened);
	wait_for(opened);
	ended_well(pid);
	io_free(io);
	close(opened);
	/* Who reads has all of it before the end is told. */
	drained = 0;
	io = open_io("", out, fds);
	opened = open(out, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_eq(write(fds[1], "tail", 4), 4);
	turn_all();
	close_ends(fds);
	turn_all();
	io_drain(io, on_drained, NULL);
	turn_all();
	ck_assert(!drained);
	ck_assert_int_eq(read(opened, buf, sizeof(buf)), 4);
	wait_drained();
	turn_until(read(opened, buf, sizeof(buf)) == 0);
	close(opened);
	io_free(io);
	while (n)
		close(held[--n]);
}
END_TEST

/* stdin opened late: it does not wait in open(2), and what it writes is
 * refused as soon as the shim knows. */
START_TEST(late_writer)
{
	unsigned before = open_fds();
	int fds[3], p[2], fd, opened;
	static struct io *io;	/* the child has it in reach too: valgrind */
	pid_t pid;

	io = open_io(in, "", fds);
	turn_all();
	close_ends(fds);
	if (_i == 0)
		io_drain(io, on_drained, NULL);
	else
		io_close_stdin(io);
	turn_all();
	ck_assert_int_eq(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		close_others(p[1]);
		alarm(60);
		fd = open(in, O_WRONLY);
		if (write(p[1], "", 1) != 1)
			_exit(1);
		while (write(fd, "x", 1) == 1)
			;
		_exit(errno != EPIPE);
	}
	close(p[1]);
	opened = p[0];
	wait_for(opened);
	ended_well(pid);
	io_free(io);
	turn_all();
	close(opened);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

/* One that is there when the process ends is told at once. */
START_TEST(writer_at_the_end)
{
	int fds[3], w;
	struct io *io = open_io(in, "", fds);

	w = open(in, O_WRONLY | O_NONBLOCK);
	close_ends(fds);
	io_drain(io, on_drained, NULL);
	ck_assert_int_eq(write(w, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
	close(w);
	io_free(io);
}
END_TEST

/* 13.4: what a client does not read is not waited for any longer, and still
 * comes when it is read. */
START_TEST(drain_cut_short)
{
	static char buf[65536];
	int r = open(out, O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = open_io("", out, fds);
	size_t wrote = 0, got = 0;
	ssize_t n;

	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	while ((n = write(fds[1], buf, 1000)) > 0) {
		wrote += (size_t)n;
		turn_all();
	}
	close_ends(fds);
	io_drain_end(io);	/* nothing: it does not drain yet */
	io_drain(io, on_drained, NULL);
	turn_all();
	ck_assert_int_eq(drained, 0);
	io_drain_end(io);
	ck_assert_int_eq(drained, 0);	/* from the loop */
	turn_all();
	io_drain_end(io);
	turn_all();
	ck_assert_int_eq(drained, 1);
	while ((n = read(r, buf, sizeof(buf))) != 0) {
		got += n > 0 ? (size_t)n : 0;
		loop_turn(0);
	}
	ck_assert_uint_eq(got, wrote);
	io_free(io);
	close(r);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, nobody_comes, client_comes_back, terminal, no_inotify,
	    writer_at_the_end, drain_cut_short);
	tcase_add_loop_test(tc, reader_before_delete, 0, 3 * MOMENTS);
	tcase_add_loop_test(tc, reader_at_delete, 0, 6);
	tcase_add_loop_test(tc, late_writer, 0, 2);
}

int
main(void)
{
	return suite_run("tail", begin, teardown, add);
}
