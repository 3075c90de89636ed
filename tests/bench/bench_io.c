/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_io: stdout through io.c without a container, beside what splice(2)
 * itself can do on this machine: a producer writes 64 KiB blocks into the
 * pipe, the bytes go to a FIFO, a consumer reads them away.  The middle is
 * io.c on its loop, or a bare loop of poll and splice over descriptors of the
 * same kind and size.  Alternates the two and prints the median of each:
 * MB/s, and the middle's CPU seconds per GiB.
 *
 * usage: bench_io [RUNS [MIB]]
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "io.h"
#include "base/loop.h"

#define BLOCK (64u << 10)
#define RUNS_MAX 99

struct figure {
	double mb_s;
	double cpu_gib;
};

static char fifo[64];

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double
cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Always the same ones on the same processors: where the scheduler puts three
 * processes on two changes the figures by a factor of two from run to run. */
static void
pin(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static pid_t
producer(int fd, size_t mib)
{
	static char block[BLOCK];
	size_t left = mib << 20;
	pid_t pid = fork();

	if (pid)
		return pid;
	pin(0);
	while (left) {
		if (write(fd, block, BLOCK) != BLOCK)
			_exit(1);
		left -= BLOCK;
	}
	_exit(0);
}

static pid_t
consumer(size_t mib)
{
	static char block[BLOCK];
	size_t got = 0;
	pid_t pid = fork();
	ssize_t n;
	int fd;

	if (pid)
		return pid;
	pin(1);
	fd = open(fifo, O_RDONLY);
	while ((n = read(fd, block, BLOCK)) > 0)
		got += (size_t)n;
	_exit(got == mib << 20 ? 0 : 1);
}

static void
reap(pid_t pid, const char *who)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "the %s failed\n", who);
		exit(1);
	}
}

static void
through_io(size_t mib)
{
	struct io_config c = { .out = fifo, .id = "bench", .exec_id = "",
		.ns = "" };
	struct err e;
	struct io *io;
	int fds[3];
	pid_t p, q = consumer(mib);

	io = io_new(&c, &e);
	if (!io) {
		fprintf(stderr, "%s\n", e.msg);
		exit(1);
	}
	io_child_fds(io, fds);
	p = producer(fds[1], mib);
	io_child_done(io);
	while (!io_finished(io))
		loop_turn(-1);
	io_free(io);
	loop_turn(0);
	reap(p, "producer");
	reap(q, "consumer");
}

static void
through_splice(size_t mib)
{
	struct pollfd pf[2];
	pid_t p, q = consumer(mib);
	int fds[2], out;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		die("pipe");
	fcntl(fds[0], F_SETPIPE_SZ, 256 << 10);	/* as io.c has it */
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	p = producer(fds[1], mib);
	close(fds[1]);
	out = open(fifo, O_WRONLY);
	if (out < 0)
		die(fifo);
	fcntl(out, F_SETFL, O_NONBLOCK);
	pf[0] = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	pf[1] = (struct pollfd){ .fd = out, .events = POLLOUT };
	for (;;) {
		n = splice(fds[0], NULL, out, NULL, 1 << 20,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n == 0)
			break;
		if (n < 0 && errno != EAGAIN)
			die("splice");
		if (n < 0) {
			poll(&pf[0], 1, -1);
			poll(&pf[1], 1, -1);
		}
	}
	close(fds[0]);
	close(out);
	reap(p, "producer");
	reap(q, "consumer");
}

static struct figure
measure(void (*through)(size_t mib), size_t mib)
{
	double t = now(), u = cpu();
	struct figure f;

	through(mib);
	f.mb_s = (double)mib * 1.048576 / (now() - t);
	f.cpu_gib = (cpu() - u) * 1024.0 / (double)mib;
	return f;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
print(const char *name, const struct figure *f, int runs)
{
	double mb[RUNS_MAX], gib[RUNS_MAX];
	int i;

	for (i = 0; i < runs; i++) {
		mb[i] = f[i].mb_s;
		gib[i] = f[i].cpu_gib;
	}
	qsort(mb, (size_t)runs, sizeof(mb[0]), by_value);
	qsort(gib, (size_t)runs, sizeof(gib[0]), by_value);
	printf("%-22s %8.0f MB/s (%.0f-%.0f)  %6.3f CPU s/GiB (%.3f-%.3f)\n",
	    name, mb[runs / 2], mb[0], mb[runs - 1], gib[runs / 2], gib[0],
	    gib[runs - 1]);
}

int
main(int argc, char **argv)
{
	int runs = argc > 1 ? atoi(argv[1]) : 7, i;
	size_t mib = argc > 2 ? (size_t)atol(argv[2]) : 2048;
	static struct figure a[RUNS_MAX], b[RUNS_MAX];
	char dir[] = "/tmp/bench-io.XXXXXX";
	struct err e;

	if (runs < 1 || runs > RUNS_MAX || mib < 1 || !mkdtemp(dir) ||
	    loop_init(&e) < 0)
		return 1;
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	if (mkfifo(fifo, 0600) < 0)
		die(fifo);
	pin(1);
	measure(through_io, mib / 4 + 1);	/* warm */
	for (i = 0; i < runs; i++) {
		a[i] = measure(through_io, mib);
		b[i] = measure(through_splice, mib);
	}
	print("io.c", a, runs);
	print("bare splice loop", b, runs);
	unlink(fifo);
	rmdir(dir);
	return 0;
}
