/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_test: stdio as the container and the client see it. The container is
 * this process or a forked writer at io's pipe ends; the client opens,
 * stalls, closes and comes back at the FIFOs. Data is numbered words, so that
 * a byte lost, repeated or out of place shows where it is.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/child.h"
#include "io.h"
#include "stdio/logger.h"
#include "base/loop.h"

#define MIB (1u << 20)
#define BIG (5 * MIB + 3)

static char dir[64];
static uint8_t *data;		/* BIG bytes */
static bool children;		/* child.c reaps: with logging binaries */

static char *in_dir(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

static char *
in_dir(const char *fmt, ...)
{
	static char text[64][128];
	static unsigned i;
	char *p = text[i++ % 64];
	va_list ap;
	int n;

	n = snprintf(p, sizeof(text[0]), "%s/", dir);
	va_start(ap, fmt);
	vsnprintf(p + n, sizeof(text[0]) - (size_t)n, fmt, ap);
	va_end(ap);
	return p;
}

static unsigned
open_fds(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static struct io *
new_io(const char *in, const char *out, const char *err, bool terminal)
{
	struct io_config c = { .in = in, .out = out, .err = err,
		.terminal = terminal, .id = "c", .exec_id = "e", .ns = "n",
		.uid = geteuid(), .gid = getegid() };
	struct err e;
	struct io *io = io_new(&c, &e);

	ck_assert_msg(io != NULL, "%s", e.msg);
	return io;
}

/* The container's ends, ours now; io's are closed. */
static void
take_ends(struct io *io, int fds[3])
{
	int i;

	io_child_fds(io, fds);
	for (i = 0; i < 3; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
	io_child_done(io);
}

static pid_t
write_in_child(int fd, size_t n)
{
	pid_t pid = fork();
	size_t off = 0;
	ssize_t r;
	int i;

	if (pid)
		return pid;
	/* Nothing but its own pipe may be held open by it. */
	for (i = 3; i < 256; i++) {
		if (i != fd)
			close(i);
	}
	signal(SIGPIPE, SIG_DFL);
	while (off < n) {
		r = write(fd, data + off, n - off < 40000 ? n - off : 40000);
		if (r <= 0)
			_exit(1);
		off += (size_t)r;
	}
	_exit(0);
}

static void
reap_ok(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "the writer ended with %#x", status);
}

/* Turn the loop and read fd until n bytes have come, or its end with n
 * (size_t)-1; compares. Returns the bytes read. */
static size_t
read_through(int fd, size_t from, size_t n)
{
	static uint8_t buf[65536];
	int64_t until = loop_now() + 20 * NS_PER_S;
	size_t got = from;
	ssize_t r;

	while (got - from < n) {
		ck_assert_msg(loop_now() < until, "stuck after %zu bytes",
		    got);
		loop_turn(0);
		r = read(fd, buf, n - (got - from) < sizeof(buf) ?
		    n - (got - from) : sizeof(buf));
		if (r < 0 && errno == EAGAIN) {
			loop_turn(NS_PER_MS);
			continue;
		}
		ck_assert_int_ge(r, 0);
		if (r == 0)
			break;
		ck_assert_msg(memcmp(buf, data + got, (size_t)r) == 0,
		    "wrong bytes after %zu", got);
		got += (size_t)r;
	}
	return got - from;
}

static void
turn_for(int ms)
{
	int64_t until = loop_now() + ms * NS_PER_MS;

	while (loop_now() < until)
		loop_turn(NS_PER_MS);
}

/* What ends elsewhere is seen to end, whenever that is. */
static void
fds_become(unsigned want)
{
	int i;

	for (i = 0; i < 1000 && open_fds() != want; i++)
		turn_for(10);
	ck_assert_uint_eq(open_fds(), want);
}

/* Clients that take their time here are no reason for the tests to. */
#define READ_NS (20 * NS_PER_MS)

/* read() of up to n bytes that are there. */
static size_t
read_some(int fd, size_t n)
{
	static uint8_t buf[8192];
	ssize_t r = read(fd, buf, n);

	return r < 0 ? 0 : (size_t)r;
}

static int drained;

static void
on_drained(void *arg)
{
	(void)arg;
	drained++;
}

static void
wait_drained(int ms)
{
	int64_t until = loop_now() + ms * NS_PER_MS;

	while (!drained && loop_now() < until)
		loop_turn(NS_PER_MS);
	ck_assert_int_eq(drained, 1);
}

static void
setup(void)
{
	struct err e;
	size_t i;

	strcpy(dir, "/tmp/io-test.XXXXXX");
	ck_assert(mkdtemp(dir) != NULL);
	data = malloc(BIG + 4);
	for (i = 0; i < BIG; i += 4)
		memcpy(data + i, &(uint32_t){ (uint32_t)(i * 2654435761u) }, 4);
	ck_assert_int_eq(mkfifo(in_dir("in"), 0600), 0);
	ck_assert_int_eq(mkfifo(in_dir("out"), 0600), 0);
	ck_assert_int_eq(mkfifo(in_dir("err"), 0600), 0);
	ck_assert_int_eq(loop_init(&e), 0);
	if (!freopen("/dev/null", "w", stderr))
		abort();
	drained = 0;
	io_set_bounds(IO_STALL_NS, IO_DRAIN_NS, READ_NS);
}

static void
teardown(void)
{
	char cmd[96];

	loop_turn(0);
	if (children)
		child_close();
	loop_close();
	free(data);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, BIG };

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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	/* stdout is stalled; stderr comes through whole. */
	ck_assert_uint_eq(read_through(re, 0, (size_t)-1), BIG);
	turn_for(50);
	ck_assert_int_eq(loop_turn(50 * NS_PER_MS), 0);
	ck_assert_int_eq(loop_turn(50 * NS_PER_MS), 0);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	for (i = 0; i < 5; i++) {
		got += read_through(r, got, 300001);
		close(r);
		turn_for(30);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	io_drain(io, on_drained, NULL);
	wait_drained(1000);
	turn_for(20);
	ck_assert(!io_finished(io));
	ck_assert_int_eq(loop_turn(20 * NS_PER_MS), 0);
	r = open(in_dir("out"), O_RDONLY | O_NONBLOCK);
	ck_assert_uint_eq(read_through(r, 0, (size_t)-1), 5000);
	turn_for(5);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	io_drain(io, on_drained, NULL);
	wait_drained(1000);
	for (i = 0; i < 4; i++) {
		got += read_through(r, got, 7001);
		turn_for(5);
		ck_assert_int_eq(loop_turn(10 * NS_PER_MS), 0);
		close(r);
		turn_for(5);
		ck_assert_int_eq(loop_turn(10 * NS_PER_MS), 0);
		ck_assert(!io_finished(io));
		r = open(in_dir("out"), O_RDONLY | O_NONBLOCK);
	}
	got += read_through(r, got, (size_t)-1);
	ck_assert_uint_eq(got, 60000);
	ck_assert(io_finished(io));
	close(r);
	turn_for(5);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	turn_for(5);
	pid = fork();
	if (pid == 0) {
		close(r);
		r = open(in_dir("out"), O_RDONLY);
		for (status = 0; read(r, data, 1) == 1;)
			status++;
		_exit(status != 30000);
	}
	turn_for(30);
	close(r);
	while (waitpid(pid, &status, WNOHANG) == 0)
		turn_for(5);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	turn_for(20);
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
	turn_for(5);
	close(fds[1]);
	turn_for(5);
	ck_assert_int_eq(loop_turn(10 * NS_PER_MS), 0);
	ck_assert_int_eq(write(fds[2], "two", 3), 3);
	turn_for(5);
	close(fds[2]);
	turn_for(5);
	ck_assert_int_eq(loop_turn(10 * NS_PER_MS), 0);
	if (r < 0)
		r = open(in_dir("out"), O_RDONLY | O_NONBLOCK);
	turn_for(5);
	ck_assert_int_eq(loop_turn(10 * NS_PER_MS), 0);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	while (!io_finished(io))
		loop_turn(NS_PER_S);
	reap_ok(pid);
	io_free(io);
}
END_TEST

static int open_pty(int *slave);

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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	turn_for(20);
	ck_assert_int_eq(loop_turn(20 * NS_PER_MS), 0);
	got = read_through(m, 0, 300000);
	ck_assert_uint_eq(got, 300000);
	if (_i == 0) {
		got += read_through(m, got, BIG - got);
		ck_assert_uint_eq(got, BIG);
	} else {
		close(m);	/* it hangs up */
		m = -1;
	}
	for (got = 0; waitpid(pid, &status, WNOHANG) == 0; got++) {
		ck_assert_uint_lt(got, 500);
		turn_for(10);
	}
	ck_assert_msg(status == 0, "the writer ended with %#x", status);
	turn_for(5);
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
	for (got = 0; got < 20 * 65536; turn_for(2))
		got += read_through(r, got, 65536);
	ck_assert_uint_eq(read_through(r, got, BIG - got), BIG - got);
	reap_ok(pid);
	ck_assert_int_gt(fcntl(fds[1], F_GETPIPE_SZ), size);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	io_drain(io, on_drained, NULL);
	wait_drained(1000);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	ck_assert(io_finished(io));
	io_drain(io, on_drained, NULL);
	wait_drained(1000);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
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
	turn_for(5);
	close(fds[1]);
	turn_for(5);
	ck_assert(!io_finished(io));
	ck_assert_int_eq(write(fds[2], "two", 3), 3);
	close(fds[2]);
	turn_for(5);
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

/* -- the end -------------------------------------------------------------- */

/* Somebody else holds the pipe: the drain does not wait for that, and what
 * is written later still arrives. */
START_TEST(background_holder)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3];
	unsigned before = open_fds();
	struct io *io = new_io("", in_dir("out"), "", false);
	int64_t t0 = loop_now();
	size_t n;
	char c;

	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], data, 1000), 1000);
	io_drain(io, on_drained, NULL);
	wait_drained(1000);
	ck_assert(loop_now() - t0 < NS_PER_S / 2);
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
	turn_for(5);
	ck_assert_int_eq(loop_turn(20 * NS_PER_MS), 0);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	fds_become(before);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	turn_for(50);
	t0 = loop_now();
	io_drain(io, on_drained, NULL);
	ck_assert_int_eq(drained, 0);
	wait_drained(2000);
	ck_assert(loop_now() - t0 >= 90 * NS_PER_MS);
	ck_assert(loop_now() - t0 < NS_PER_S);
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
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	turn_for(50);
	io_drain(io, on_drained, NULL);
	while (!drained) {
		ck_assert(loop_now() - t0 < 3 * NS_PER_S);
		turn_for(20);
		if (read(r, buf, sizeof(buf)) < 0)
			ck_assert_int_eq(errno, EAGAIN);
	}
	ck_assert(loop_now() - t0 >= 400 * NS_PER_MS);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	io_free(io);
	turn_for(5);
	close(r);
}
END_TEST

/* A client that reads is told the exit when it has read everything. */
START_TEST(drain_until_it_is_read)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK);
	int r2 = open(in_dir("err"), O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = new_io("", in_dir("out"), in_dir("err"), false);

	io_set_bounds(IO_STALL_NS, IO_DRAIN_NS, 10 * NS_PER_S);
	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], data, 5000), 5000);
	ck_assert_int_eq(write(fds[2], data, 3000), 3000);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	io_drain(io, on_drained, NULL);
	turn_for(20);
	ck_assert_uint_eq(read_some(r, 4999), 4999);
	ck_assert_uint_eq(read_some(r2, 3000), 3000);
	turn_for(20);
	ck_assert_int_eq(drained, 0);
	/* The last byte; the end of file need not be read. */
	ck_assert_uint_eq(read_some(r, 1), 1);
	wait_drained(1000);
	ck_assert_int_eq(loop_turn(20 * NS_PER_MS), 0);
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

	io_set_bounds(IO_STALL_NS, IO_DRAIN_NS, _i ? 10 * NS_PER_S :
	    100 * NS_PER_MS);
	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], data, 5000), 5000);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	t0 = loop_now();
	io_drain(io, on_drained, NULL);
	turn_for(20);
	ck_assert_int_eq(drained, 0);
	if (_i)
		close(r);
	wait_drained(1000);
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
	turn_for(20);
	ck_assert_int_eq(drained, 0);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
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
	int i;

	take_ends(io, fds);
	pid = write_in_child(fds[1], BIG);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	turn_for(20);
	io_free(io);
	for (i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
		ck_assert_int_lt(i, 500);
		turn_for(10);
	}
	ck_assert_int_eq(status, 0);
	fds_become(before);
}
END_TEST

/* Nothing happens any more; a terminal's data may be a while on its way
 * through the kernel. */
static void
comes_to_rest(void)
{
	int i;

	for (i = 0; i < 100 && loop_turn(20 * NS_PER_MS) != 0; i++)
		;
	ck_assert_msg(i < 100, "the loop does not come to rest");
}

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
	turn_for(10);
	idle = mallinfo2().uordblks;
	for (i = 0; i < 100; i++) {
		while (write(ends[i][1], block, sizeof(block)) > 0)
			loop_turn(0);
	}
	comes_to_rest();
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
	turn_for(10);
	idle = mallinfo2().uordblks;
	for (i = 0; i < 50; i++) {
		while (write(writers[i], block, sizeof(block)) > 0)
			loop_turn(0);
		while (write(slaves[i], block, sizeof(block)) > 0)
			loop_turn(0);
	}
	comes_to_rest();
	ck_assert_uint_eq(mallinfo2().uordblks, idle);
	for (i = 0; i < 50; i++) {
		io_free(ios[i]);
		close(slaves[i]);
		close(readers[i]);
		close(writers[i]);
	}
}
END_TEST

/* -- stdin ---------------------------------------------------------------- */

/* Every size; the end of file comes from the client's close after CloseIO,
 * given before, in the middle of and after the data. */
START_TEST(stdin_sizes)
{
	size_t n = sizes[_i % 6], got;
	int when = _i / 6, fds[3], w;
	struct io *io = new_io(in_dir("in"), "", "", false);
	pid_t pid;

	take_ends(io, fds);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	w = open(in_dir("in"), O_WRONLY);
	ck_assert_int_ge(w, 0);
	if (when == 0)
		io_close_stdin(io);
	pid = write_in_child(w, n);
	close(w);
	got = 0;
	if (when == 1) {
		got = read_through(fds[0], 0, n / 2);
		io_close_stdin(io);
	}
	if (when == 2) {
		got = read_through(fds[0], 0, n);
		io_close_stdin(io);
	}
	got += read_through(fds[0], got, (size_t)-1);
	ck_assert_uint_eq(got, n);
	reap_ok(pid);
	io_close_stdin(io);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	io_free(io);
}
END_TEST

/* A client that leaves without CloseIO ends nothing: the next one goes on. */
START_TEST(stdin_client_comes_back)
{
	struct io *io = new_io(in_dir("in"), "", "", false);
	char c[8];
	int fds[3], w;

	take_ends(io, fds);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	w = open(in_dir("in"), O_WRONLY);
	ck_assert_int_eq(write(w, "ab", 2), 2);
	close(w);
	turn_for(10);
	ck_assert_int_eq(read(fds[0], c, sizeof(c)), 2);
	ck_assert_int_eq(read(fds[0], c, sizeof(c)), -1);
	ck_assert_int_eq(loop_turn(20 * NS_PER_MS), 0);
	w = open(in_dir("in"), O_WRONLY);
	ck_assert_int_eq(write(w, "cd", 2), 2);
	turn_for(10);
	ck_assert_int_eq(read(fds[0], c, sizeof(c)), 2);
	io_close_stdin(io);
	turn_for(5);
	ck_assert_int_eq(read(fds[0], c, sizeof(c)), -1);
	close(w);
	turn_for(5);
	ck_assert_int_eq(read(fds[0], c, sizeof(c)), 0);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	io_free(io);
}
END_TEST

/* The container closes its stdin: the client gets EPIPE, and no one spins. */
START_TEST(stdin_refused)
{
	struct io *io = new_io(in_dir("in"), "", "", false);
	int fds[3], w;

	signal(SIGPIPE, SIG_IGN);
	take_ends(io, fds);
	w = open(in_dir("in"), O_WRONLY);
	close(fds[0]);
	ck_assert_int_eq(write(w, "ab", 2), 2);
	turn_for(10);
	ck_assert_int_eq(write(w, "ab", 2), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(loop_turn(20 * NS_PER_MS), 0);
	close(w);
	close(fds[1]);
	close(fds[2]);
	io_free(io);
}
END_TEST

/* -- terminals ------------------------------------------------------------ */

/* A pty as runsc makes it; raw, so that bytes stay as they are. */
static int
open_pty(int *slave)
{
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), zero = 0;

	ck_assert_int_ge(m, 0);
	ck_assert_int_eq(ioctl(m, _IOW('T', 0x31, int), &zero), 0);
	*slave = ioctl(m, _IO('T', 0x41), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(*slave, 0);
	return m;
}

START_TEST(terminal)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3], m, s, w;
	struct io *io = new_io(in_dir("in"), in_dir("out"), "", true);
	struct winsize ws;
	struct err e;
	char text[8192];
	size_t n = 0;
	ssize_t k;

	io_child_fds(io, fds);
	ck_assert(fds[0] == -1 && fds[1] == -1 && fds[2] == -1);
	io_child_done(io);
	ck_assert_int_eq(io_resize(io, 80, 24, &e), 0);
	m = open_pty(&s);
	ck_assert_int_eq(io_attach_master(io, m, &e), 0);
	ck_assert_int_eq(ioctl(s, TIOCGWINSZ, &ws), 0);
	ck_assert(ws.ws_col == 80 && ws.ws_row == 24);
	ck_assert_int_eq(io_resize(io, 132, 50, &e), 0);
	ck_assert_int_eq(ioctl(s, TIOCGWINSZ, &ws), 0);
	ck_assert(ws.ws_col == 132 && ws.ws_row == 50);
	w = open(in_dir("in"), O_WRONLY);
	ck_assert_int_eq(write(w, "line\n", 5), 5);
	turn_for(10);
	ck_assert_int_eq(read(s, text, sizeof(text)), 5);
	/* Its echo. */
	ck_assert_int_eq(read(r, text, sizeof(text)), 6);
	/* Closed and opened again: not the end, and nothing spins. */
	close(s);
	turn_for(10);
	ck_assert_int_eq(loop_turn(20 * NS_PER_MS), 0);
	s = ioctl(m, _IO('T', 0x41), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(s, 0);
	/* The tail: written and closed at once. */
	memset(text, 'x', 3000);
	ck_assert_int_eq(write(s, text, 3000), 3000);
	close(s);
	io_drain(io, on_drained, NULL);
	wait_drained(2000);
	while ((k = read(r, text, sizeof(text))) > 0)
		n += (size_t)k;
	ck_assert_int_eq(k, 0);
	ck_assert_uint_eq(n, 3000);
	ck_assert(io_finished(io));
	io_free(io);
	close(w);
	close(r);
}
END_TEST

/* A terminal whose output nobody wants is read all the same, or its
 * process would stop for ever; and nobody types at /dev/null. */
START_TEST(terminal_without_clients)
{
	struct io *io = new_io(_i ? "/dev/null" : "", _i ? "/dev/null" : "",
	    "", true);
	char text[4096];
	size_t n = 0;
	struct err e;
	ssize_t k;
	int m, s;

	io_child_done(io);
	m = open_pty(&s);
	ck_assert_int_eq(io_attach_master(io, m, &e), 0);
	ck_assert_int_ge(fcntl(s, F_SETFL, O_NONBLOCK), 0);
	memset(text, 'x', sizeof(text));
	while (n < 1000000) {
		k = write(s, text, sizeof(text));
		ck_assert(k > 0 || errno == EAGAIN);
		n += k > 0 ? (size_t)k : 0;
		loop_turn(NS_PER_MS);
	}
	close(s);
	io_drain(io, on_drained, NULL);
	wait_drained(2000);
	ck_assert(io_finished(io));
	io_free(io);
}
END_TEST

START_TEST(terminal_never_came)
{
	struct io *io = new_io("", in_dir("out"), "", true);
	int64_t t0 = loop_now();

	io_child_done(io);
	io_drain(io, on_drained, NULL);
	wait_drained(1000);
	ck_assert(loop_now() - t0 < NS_PER_S / 2);
	io_free(io);
}
END_TEST

/* -- logging binaries ----------------------------------------------------- */

static void
need_children(void)
{
	struct err e;

	ck_assert_int_eq(child_init(NULL, &e), 0);
	children = true;
}

static void
make_logger(const char *script)
{
	FILE *f = fopen(in_dir("logger"), "w");

	ck_assert(f != NULL);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	chmod(in_dir("logger"), 0700);
}

static bool
file_has(const char *path, const char *text, int ms)
{
	int64_t until = loop_now() + ms * NS_PER_MS;
	char buf[4096];
	ssize_t n;
	int fd;

	do {
		loop_turn(10 * NS_PER_MS);
		fd = open(path, O_RDONLY);
		n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
		if (fd >= 0)
			close(fd);
		buf[n < 0 ? 0 : n] = '\0';
		if (strstr(buf, text))
			return true;
	} while (loop_now() < until);
	return false;
}

START_TEST(logging_binary)
{
	char uri[256];
	struct io *io;
	int fds[3];

	need_children();
	make_logger("exec 5>&-; cd ${0%/*} || exit 1; "
	    "for a in \"$CONTAINER_ID\" \"$CONTAINER_NAMESPACE\" \"$@\"; "
	    "do printf \"[%s]\" \"$a\"; done >args; "
	    "cat <&3 >got1 & cat <&4 >got2; wait; echo end >ended");
	snprintf(uri, sizeof(uri), "binary://%s/logger?k=v%%20w&flag&k=2#x", dir);
	io = new_io("", uri, "", false);
	take_ends(io, fds);
	close(fds[0]);
	ck_assert_int_eq(write(fds[1], "hello", 5), 5);
	ck_assert_int_eq(write(fds[2], "wrong", 5), 5);
	close(fds[1]);
	close(fds[2]);
	io_drain(io, on_drained, NULL);
	wait_drained(1000);
	io_free(io);
	ck_assert(file_has(in_dir("ended"), "end", 5000));
	ck_assert(file_has(in_dir("args"), "[c][n][k][v w][flag][]", 100));
	ck_assert(file_has(in_dir("got1"), "hello", 100));
	ck_assert(file_has(in_dir("got2"), "wrong", 100));
}
END_TEST

/* Its death neither kills nor blocks the writer. */
START_TEST(logging_binary_dies)
{
	char uri[256];
	struct io *io;
	pid_t pid;
	int fds[3];

	need_children();
	make_logger("exit 3");
	snprintf(uri, sizeof(uri), "binary://%s/logger", dir);
	io = new_io("", uri, "", false);
	take_ends(io, fds);
	pid = write_in_child(fds[1], BIG);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	turn_for(10);
	for (int i = 0; i < 500 && waitpid(pid, NULL, WNOHANG) == 0; i++)
		turn_for(10);
	ck_assert_msg(kill(pid, 0) < 0, "the writer is blocked");
	io_drain(io, on_drained, NULL);
	wait_drained(1000);
	io_free(io);
	turn_for(10);
}
END_TEST

/* The streams that background processes hold are not without number. */
START_TEST(many_are_left)
{
	enum { N = 257 };
	static int ends[N][3];
	unsigned before = open_fds();
	struct io *io;
	int i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < N; i++) {
		io = new_io("", in_dir("out"), "", false);
		take_ends(io, ends[i]);
		close(ends[i][0]);
		close(ends[i][2]);
		io_free(io);
	}
	turn_for(10);
	for (i = 0; i < N; i++) {
		errno = 0;
		ck_assert_int_eq(write(ends[i][1], "x", 1), i ? 1 : -1);
		ck_assert_int_eq(errno, i ? 0 : EPIPE);
		close(ends[i][1]);
	}
	fds_become(before);
}
END_TEST

/* What a background child writes after io_free() is the binary's; after its
 * death it is dropped. */
START_TEST(logging_binary_after_free)
{
	unsigned before;
	char uri[256];
	struct io *io;
	int fds[3], i;

	need_children();
	before = open_fds();
	signal(SIGPIPE, SIG_IGN);
	make_logger("exec 5>&-; cd ${0%/*} || exit 1; cat <&3 >got");
	snprintf(uri, sizeof(uri), "binary-v2://%s/logger", dir);
	logger_set_bounds(NS_PER_S, 300 * NS_PER_MS, 300 * NS_PER_MS);
	io = new_io("", uri, "", false);
	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], "before ", 7), 7);
	io_drain(io, on_drained, NULL);
	wait_drained(1000);
	io_free(io);
	ck_assert_int_eq(write(fds[1], "after", 5), 5);
	ck_assert(file_has(in_dir("got"), "before after", 1000));
	turn_for(700);	/* SIGTERM has come */
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(write(fds[1], data, 4096), 4096);
		loop_turn(0);
	}
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	fds_become(before);
}
END_TEST

/* One that neither reads nor ends nor heeds SIGTERM. */
START_TEST(logging_binary_stubborn)
{
	unsigned before;
	char uri[256];
	struct io *io;
	int64_t t0;
	int fds[3];

	need_children();
	before = open_fds();
	make_logger("trap '' TERM; echo $$ >${0%/*}/pid; while :; do "
	    "sleep 0.05; done");
	snprintf(uri, sizeof(uri), "binary://%s/logger", dir);
	logger_set_bounds(50 * NS_PER_MS, 200 * NS_PER_MS, 300 * NS_PER_MS);
	io = new_io("", uri, "", false);
	take_ends(io, fds);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	ck_assert(file_has(in_dir("pid"), "\n", 2000));
	io_free(io);
	for (t0 = loop_now(); open_fds() > before;) {
		ck_assert(loop_now() - t0 < 5 * NS_PER_S);
		turn_for(10);
	}
	ck_assert(loop_now() - t0 >= 450 * NS_PER_MS);
}
END_TEST

/* A terminal's output, to a binary that lives and to one that dies. */
START_TEST(logging_binary_of_a_terminal)
{
	static char block[4096];
	char uri[256];
	struct err e;
	struct io *io;
	int s, i, k;

	need_children();
	make_logger(_i ? "exit 3" : "exec 5>&-; cd ${0%/*} || exit 1; "
	    "cat <&4 >got2; cat <&3 >got1; echo end >ended");
	snprintf(uri, sizeof(uri), "binary://%s/logger", dir);
	io = new_io("", uri, "", true);
	ck_assert_int_eq(io_attach_master(io, open_pty(&s), &e), 0);
	memset(block, 'x', sizeof(block));
	fcntl(s, F_SETFL, O_NONBLOCK);
	for (i = k = 0; i < 100 * 4096 && k < 2000; k++) {
		ssize_t n = write(s, block, sizeof(block));

		i += n > 0 ? (int)n : 0;
		loop_turn(n > 0 ? 0 : 5 * NS_PER_MS);
	}
	ck_assert_int_ge(i, 100 * 4096);
	close(s);
	io_drain(io, on_drained, NULL);
	wait_drained(2000);
	io_free(io);
	if (_i == 0) {
		ck_assert(file_has(in_dir("ended"), "end", 3000));
		ck_assert(file_has(in_dir("got1"), "xxx", 100));
	}
}
END_TEST

START_TEST(logging_binary_missing)
{
	char uri[256];
	struct io *io;
	int fds[3];

	need_children();
	snprintf(uri, sizeof(uri), "binary://%s/nothing-here", dir);
	io = new_io("", uri, "", false);
	take_ends(io, fds);
	turn_for(50);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	turn_for(10);
	close(fds[0]);
	close(fds[1]);
	close(fds[2]);
	turn_for(10);
	ck_assert_int_eq(loop_turn(20 * NS_PER_MS), 0);
	io_free(io);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("io");
	TCase *tc = tcase_create("io");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, fifo_sizes, 0, 12);
	tcase_add_test(tc, stalled_reader);
	tcase_add_test(tc, restarted_reader);
	tcase_add_test(tc, reader_after_the_end);
	tcase_add_test(tc, restarted_reader_at_the_end);
	tcase_add_test(tc, waiting_reader_at_the_end);
	tcase_add_test(tc, no_inotify);
	tcase_add_loop_test(tc, shared_fifo, 0, 2);
	tcase_add_test(tc, null_device);
	tcase_add_loop_test(tc, tty_device, 0, 2);
	tcase_add_test(tc, pipe_sizes);
	tcase_add_test(tc, nobody_and_nothing);
	tcase_add_test(tc, null_streams);
	tcase_add_loop_test(tc, files, 0, 12);
	tcase_add_test(tc, shared_file);
	tcase_add_test(tc, bad_targets);
	tcase_add_test(tc, background_holder);
	tcase_add_test(tc, drain_is_bounded);
	tcase_add_test(tc, drain_of_a_slow_client);
	tcase_add_test(tc, drain_until_it_is_read);
	tcase_add_loop_test(tc, drain_of_an_idle_client, 0, 2);
	tcase_add_test(tc, free_while_draining);
	tcase_add_test(tc, free_under_a_writer);
	tcase_add_test(tc, stalled_costs_no_memory);
	tcase_add_test(tc, stalled_terminals_cost_no_memory);
	tcase_add_loop_test(tc, stdin_sizes, 0, 18);
	tcase_add_test(tc, stdin_client_comes_back);
	tcase_add_test(tc, stdin_refused);
	tcase_add_test(tc, terminal);
	tcase_add_test(tc, terminal_never_came);
	tcase_add_loop_test(tc, terminal_without_clients, 0, 2);
	tcase_add_test(tc, logging_binary);
	tcase_add_test(tc, logging_binary_dies);
	tcase_add_test(tc, many_are_left);
	tcase_add_test(tc, logging_binary_after_free);
	tcase_add_test(tc, logging_binary_stubborn);
	tcase_add_loop_test(tc, logging_binary_of_a_terminal, 0, 2);
	tcase_add_test(tc, logging_binary_missing);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
