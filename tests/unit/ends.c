/* SPDX-License-Identifier: Apache-2.0 */
/* ends: see ends.h. */
#include "ends.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"

const size_t sizes[SIZES] = { 0, 1, 65535, 65536, 65537, BIG };
uint8_t *data;
static bool children;

unsigned
open_fds(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

struct io *
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

void
take_ends(struct io *io, int fds[3])
{
	int i;

	io_child_fds(io, fds);
	for (i = 0; i < 3; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
	io_child_done(io);
}

void
close_ends(int fds[3])
{
	int i;

	for (i = 0; i < 3; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

pid_t
write_in_child(int fd, size_t n)
{
	size_t off = 0;
	int i, closed[2];
	ssize_t r;
	pid_t pid;

	ck_assert_int_eq(pipe(closed), 0);
	pid = fork();
	if (pid) {
		/* Till then it would be taken for one that reads on. */
		close(closed[1]);
		ck_assert_int_eq(read(closed[0], &i, 1), 0);
		close(closed[0]);
		return pid;
	}
	/* Nothing but its own pipe may be held open by it. */
	for (i = 3; i < 256; i++) {
		if (i != fd && i != closed[1])
			close(i);
	}
	close(closed[1]);
	signal(SIGPIPE, SIG_DFL);
	while (off < n) {
		r = write(fd, data + off, n - off < 40000 ? n - off : 40000);
		if (r <= 0)
			_exit(1);
		off += (size_t)r;
	}
	_exit(0);
}

void
reap_ok(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "the writer ended with %#x", status);
}

size_t
read_through(int fd, size_t from, size_t n)
{
	static uint8_t buf[65536];
	int64_t until = loop_now() + HANG_NS;
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

size_t
read_some(int fd, size_t n)
{
	static uint8_t buf[8192];
	ssize_t r = read(fd, buf, n);

	return r < 0 ? 0 : (size_t)r;
}

int drained;

void
on_drained(void *arg)
{
	(void)arg;
	drained++;
}

void
wait_drained(void)
{
	turn_until(drained);
	ck_assert_int_eq(drained, 1);
}

void
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
	io_set_bounds(NEVER_NS, NEVER_NS, READ_NS);
}

void
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

int
open_pty(int *slave)
{
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), zero = 0;

	ck_assert_int_ge(m, 0);
	ck_assert_int_eq(ioctl(m, _IOW('T', 0x31, int), &zero), 0);
	*slave = ioctl(m, _IO('T', 0x41), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(*slave, 0);
	return m;
}

void
need_children(void)
{
	struct err e;

	ck_assert_int_eq(child_init(NULL, &e), 0);
	children = true;
}
