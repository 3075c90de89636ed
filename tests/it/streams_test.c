/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streams_test: FIFOs and the exits of their processes, with the real binary
 * against the fake runsc: clients that come late, that do not read, and that
 * read only when all is over.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
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

#include "client.h"
#include "host.h"

#define EXECS 400

static void
make_fifo(const char *name)
{
	ck_assert_int_eq(mkfifo(in_dir("%s", name), 0600), 0);
}

/* -- clients that come late ------------------------------------------------ */

/* A client as Go's are: it waits in open(2), then for the end.  It exits with
 * the number of bytes that it read, at most 100. */
static pid_t
late_reader(const char *path)
{
	pid_t pid = fork();
	char buf[256];
	int i, fd, n = 0;
	ssize_t r;

	if (pid)
		return pid;
	for (i = 3; i < 256; i++)
		close(i);
	alarm(HANG_MS / 1000);
	fd = open(path, O_RDONLY);
	while ((r = read(fd, buf, sizeof(buf))) > 0)
		n += (int)r;
	_exit(r < 0 || n > 100 ? 101 : n);
}

static void
has_read(pid_t pid, int n)
{
	int status = 0;

	await(waitpid(pid, &status, WNOHANG) == pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == n,
	    "the client ended with %#x", status);
}

enum { BEFORE_START, STARTED, EXITED, TOLD, MOMENTS };

/* 13.20: an exec with output and one without; the client opens before Start,
 * while it runs, when it has ended, after TaskExit. */
START_TEST(late_client)
{
	int moment = _i % MOMENTS, n = _i / MOMENTS ? 3 : 0;
	struct task_reply t;
	char process[256];
	pid_t pid = 0;

	run("c1", "\"hang\"");
	make_fifo("o");
	snprintf(process, sizeof(process), PROCESS("%s\"wait:%s\",\"exit:3\""),
	    n ? "\"echo:hi\"," : "", in_dir("go"));
	ck_assert_int_eq(task_exec(c, "c1", "e", process, "", in_dir("o"), "",
	    false), 0);
	if (moment == BEFORE_START)
		pid = late_reader(in_dir("o"));
	ck_assert_int_eq(task_start(c, "c1", "e", NULL), 0);
	if (moment == STARTED)
		pid = late_reader(in_dir("o"));
	write_text(in_dir("go"), "");
	ck_assert_int_eq(task_wait(c, "c1", "e", &t), 0);
	ck_assert_uint_eq(t.exit_status, 3);
	if (moment == EXITED)
		pid = late_reader(in_dir("o"));
	ck_assert(sink_wait("TaskExit c1/e 3", HANG_MS));
	if (moment == TOLD)
		pid = late_reader(in_dir("o"));
	has_read(pid, n);
	ck_assert_int_eq(task_delete(c, "c1", "e", NULL), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

/* 13.20: hundreds of execs without output, whose clients come at any time, on a
 * machine that is busy with them; some never come, and nothing is left. */
START_TEST(many_execs)
{
	char name[16], end[32];
	unsigned fds;
	pid_t pid;
	int i;

	run("c1", "\"hang\"");
	fds = count_fds(daemon_pid());
	for (i = 0; i < EXECS; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		snprintf(end, sizeof(end), "TaskExit c1/e%d ", i);
		make_fifo(name);
		pid = i % 4 == 0 ? late_reader(in_dir("%s", name)) : 0;
		run_exec(name, PROCESS("\"exit:3\""), in_dir("%s", name));
		if (i % 4 == 1)
			pid = late_reader(in_dir("%s", name));
		ck_assert(sink_wait(end, HANG_MS));
		if (i % 4 == 2)
			pid = late_reader(in_dir("%s", name));
		if (pid)
			has_read(pid, 0);
		ck_assert_int_eq(task_delete(c, "c1", name, NULL), 0);
		unlink(in_dir("%s", name));
		sink_clear();
	}
	await(count_fds(daemon_pid()) <= fds);
	remove_container("c1");
	shut_down();
}
END_TEST

/* -- clients that do not read ---------------------------------------------- */

/* A FIFO that takes no more. */
static bool
is_full(int fd)
{
	int size = fcntl(fd, F_GETPIPE_SZ), n;

	return ioctl(fd, FIONREAD, &n) == 0 && n >= size;
}

/*
 * 13.4: two containers end, the first with a client of its own that reads
 * nothing, the second with such a client of an exec.  The first waits for it,
 * 5 s; the second does not wait, so is told first.  The exec is told before.
 */
START_TEST(stalled_client_of_an_exec)
{
	const char *text, *exec_exit, *exit1, *exit2;
	int r1, r2;

	make_fifo("o1");
	make_fifo("o2");
	r1 = open(in_dir("o1"), O_RDONLY | O_NONBLOCK);
	r2 = open(in_dir("o2"), O_RDONLY | O_NONBLOCK);
	run("c1", "\"hang\"");
	run_exec("e", _i ? PROCESS("\"fill:1000000\",\"hang\"") :
	    PROCESS("\"fill:70000\",\"exit:4\""), in_dir("o1"));
	ck_assert_int_eq(create("c2", "\"fill:1000000\",\"hang\"",
	    in_dir("o2")), 0);
	ck_assert_int_eq(task_start(c, "c2", "", NULL), 0);
	await(is_full(r1) && is_full(r2));
	ck_assert_int_eq(task_kill(c, "c2", "", SIGKILL, true), 0);
	ck_assert_int_eq(task_kill(c, "c1", "", SIGKILL, true), 0);
	ck_assert(sink_wait("TaskExit c1 137", HANG_MS));
	ck_assert(sink_wait("TaskExit c2 137", HANG_MS));
	text = sink_text();
	exec_exit = strstr(text, _i ? "TaskExit c1/e 137" : "TaskExit c1/e 4");
	exit1 = strstr(text, "TaskExit c1 137");
	exit2 = strstr(text, "TaskExit c2 137");
	ck_assert_msg(exec_exit && exec_exit < exit1 && exit1 < exit2, "%s",
	    text);
	/* What it has written still comes. */
	if (!_i) {
		static char buf[80000];

		ck_assert_uint_eq(read_to_end(r1, buf, sizeof(buf)), 70000);
	}
	ck_assert_int_eq(task_delete(c, "c1", "e", NULL), 0);
	remove_container("c1");
	remove_container("c2");
	close(r1);
	close(r2);
	shut_down();
}
END_TEST

/* 13.21: forty lines of 2 bytes, each by itself, to a client that reads after
 * Delete; the exit waits for nobody, so comes before that of a container whose
 * client keeps it waiting for 5 s. */
START_TEST(short_lines)
{
	char words[2048] = "", *p = words, buf[256];
	const char *text;
	int r1, r2, i;

	for (i = 0; i < 40; i++)
		p += sprintf(p, "\"echo:a\",\"sleep:8\",");
	strcpy(p, "\"exit:2\"");
	make_fifo("o1");
	make_fifo("o2");
	r1 = open(in_dir("o1"), O_RDONLY | O_NONBLOCK);
	r2 = open(in_dir("o2"), O_RDONLY | O_NONBLOCK);
	ck_assert_int_eq(create("c1", words, in_dir("o1")), 0);
	ck_assert_int_eq(create("c2", "\"fill:1000000\",\"hang\"",
	    in_dir("o2")), 0);
	ck_assert_int_eq(task_start(c, "c2", "", NULL), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	await(is_full(r2));
	ck_assert_int_eq(task_kill(c, "c2", "", SIGKILL, true), 0);
	ck_assert(sink_wait("TaskExit c1 2", HANG_MS));
	ck_assert(sink_wait("TaskExit c2 137", HANG_MS));
	text = sink_text();
	ck_assert_msg(strstr(text, "TaskExit c1 2") <
	    strstr(text, "TaskExit c2 137"), "%s", text);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	ck_assert_int_eq(read(r1, buf, sizeof(buf)), 80);
	ck_assert_int_eq(read(r1, buf, sizeof(buf)), 0);
	remove_container("c2");
	close(r1);
	close(r2);
	shut_down();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, many_execs, short_lines);
	tcase_add_loop_test(tc, late_client, 0, 2 * MOMENTS);
	tcase_add_loop_test(tc, stalled_client_of_an_exec, 0, 2);
}

int
main(void)
{
	return host_run("streams", add);
}
