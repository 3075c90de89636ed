/* SPDX-License-Identifier: Apache-2.0 */
/* child_test: processes that are spawned, adopted, killed and reaped. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/loop.h"
#include "gvisor/runsc_left.h"
#include "turns.h"

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
	turn_until(exits >= n);
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

/* It has ended, and has been taken. */
static bool
is_gone(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
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

/* As after a pid file that was written just now. */
static int
adopt(struct child *c, pid_t pid, const struct child_hold *h, struct err *e)
{
	struct timespec ts;
	struct child_origin o = { .hold = h };

	clock_gettime(CLOCK_REALTIME, &ts);
	o.written_ns = (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
	return child_adopt(c, pid, &o, on_exit_status, e);
}

START_TEST(orphan_alive)
{
	struct child_hold h = { 0 };
	struct child c;
	struct err e;
	pid_t pid;

	if (emulated())
		return;
	child_hold(&h);
	pid = make_orphan("sleep 0.2; exit 5");
	ck_assert_int_eq(adopt(&c, pid, &h, &e), 0);
	wait_exits(2);
	ck_assert_uint_eq(child_exit_code(last_status), 5);
	/* Killed by us. */
	pid = make_orphan("exec sleep 100");
	ck_assert_int_eq(adopt(&c, pid, &h, &e), 0);
	ck_assert_int_eq(child_kill(&c, SIGTERM), 0);
	wait_exits(4);
	ck_assert_uint_eq(child_exit_code(last_status), 143);
	ck_assert_int_eq(child_kill(&c, SIGTERM), -1);
	ck_assert_int_eq(errno, ESRCH);
}
END_TEST

/* One that is traced ends for its tracer first, and then for us, with the
 * status that it has. */
START_TEST(traced)
{
	struct child_hold h = { 0 };
	struct child c;
	struct err e;
	struct pollfd p = { .events = POLLIN };
	int up[2], down[2], had, i;
	pid_t pid, tracer;
	char byte;

	if (emulated())
		return;
	child_hold(&h);
	pid = make_orphan("exec sleep 100");
	ck_assert_int_eq(adopt(&c, pid, &h, &e), 0);
	had = exits;
	ck_assert_int_eq(pipe2(up, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(down, O_CLOEXEC), 0);
	tracer = fork();
	if (tracer == 0) {
		close(down[1]);
		if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ||
		    write(up[1], "", 1) != 1)
			_exit(1);
		_exit(read(down[0], &byte, 1) < 0);
	}
	close(up[1]);
	close(down[0]);
	if (read(up[0], &byte, 1) != 1) {
		printf("skipped: traced, since nobody may trace here\n");
		child_kill(&c, SIGKILL);
		goto out;
	}
	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	child_kill(&c, SIGKILL);
	ck_assert_int_eq(poll(&p, 1, 10000), 1);
	close(p.fd);
	for (i = 0; i < 10; i++)
		loop_turn(0);
	ck_assert_int_eq(exits, had);
out:
	close(down[1]);
	wait_exits(had + 1);
	ck_assert_uint_eq(child_exit_code(last_status), 137);
	turn_until(is_gone(tracer));
	close(up[0]);
	child_release(&h);
}
END_TEST

/* It ended before anybody knew its pid: kept while a hold is taken. */
START_TEST(orphan_dead)
{
	struct child_hold h = { 0 };
	struct child c;
	struct err e;
	pid_t pid;

	if (emulated())
		return;
	child_hold(&h);
	pid = make_orphan("sleep 0.1; exit 6");
	turn_until(is_gone(pid));
	ck_assert_int_eq(adopt(&c, pid, &h, &e), 0);
	ck_assert_int_eq(exits, 1);
	wait_exits(2);
	ck_assert_uint_eq(child_exit_code(last_status), 6);
	/* Forgotten before it is told: nothing. */
	pid = make_orphan("sleep 0.1; exit 6");
	turn_until(is_gone(pid));
	ck_assert_int_eq(adopt(&c, pid, &h, &e), 0);
	child_forget(&c);
	child_release(&h);
	come_to_rest();
	ck_assert_int_eq(exits, 3);
	/* Without a hold there is no record. */
	pid = make_orphan("sleep 0.1; exit 6");
	turn_until(is_gone(pid));
	child_hold(&h);
	ck_assert_int_eq(adopt(&c, pid, &h, &e), -1);
	ck_assert_int_eq(e.code, ERR_INTERNAL);
	child_release(&h);
}
END_TEST

/* 13.2: a process that is no descendant of ours is refused, and left alone. */
START_TEST(stranger)
{
	struct child_hold h = { 0 };
	struct child c;
	struct err e;
	pid_t pid = getppid();

	child_hold(&h);
	ck_assert_int_eq(adopt(&c, pid, &h, &e), -1);
	ck_assert_int_eq(e.code, ERR_INTERNAL);
	ck_assert(!child_running(&c));
	ck_assert_int_eq(kill(pid, 0), 0);
	/* Nor is our own, nor one from before the hold. */
	ck_assert_int_eq(adopt(&c, getpid(), &h, &e), -1);
	child_release(&h);
}
END_TEST

/* LeakSanitizer, which _exit() calls, cannot work in a pid namespace. */
static void
leave(int code)
{
	syscall(SYS_exit_group, code);
}

/*
 * An orphan with that number, which the kernel gives because it is told that
 * the one before was the last.  It ends with code, or for -1 not by itself.
 */
static void
make_orphan_of(pid_t pid, int code)
{
	char text[16];
	int status, fd, n;
	pid_t x;

	x = fork();
	if (x == 0) {
		for (n = 0; n < 50; n++) {
			fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY);
			snprintf(text, sizeof(text), "%d", (int)pid - 1);
			if (fd < 0 || write(fd, text, strlen(text)) < 0)
				leave(77);
			close(fd);
			x = fork();
			if (x == 0 && getpid() != pid)
				leave(0);
			if (x == 0 && code < 0)
				pause();
			if (x == 0)
				leave(code);
			if (x == pid)
				leave(0);
			waitpid(x, NULL, 0);
		}
		leave(78);
	}
	ck_assert_int_eq(waitpid(x, &status, 0), x);
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

/* 13.1: a number that the kernel gives again names each time the process that
 * had it when it was written, whatever is kept for whom. */
static void
given_again(void)
{
	struct child_hold slow = { 0 }, h = { 0 };
	struct timespec ts;
	struct child_origin o = { .hold = &slow };
	struct child c;
	struct err e;
	pid_t pid;
	int n = 0;

	child_hold(&slow);	/* a create that hangs */
	pid = make_orphan("sleep 0.1; exit 11");
	clock_gettime(CLOCK_REALTIME, &ts);
	o.written_ns = (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
	turn_until(is_gone(pid));
	n = exits;
	child_hold(&h);
	make_orphan_of(pid, -1);
	/* It lives: the exit that was kept is another's. */
	ck_assert_int_eq(adopt(&c, pid, &h, &e), 0);
	come_to_rest();
	ck_assert_int_eq(exits, n);
	ck_assert_int_eq(child_kill(&c, SIGKILL), 0);
	wait_exits(++n);
	ck_assert_uint_eq(child_exit_code(last_status), 137);
	child_release(&h);
	/* It has ended: two are kept, and the later one is meant. */
	child_hold(&h);
	make_orphan_of(pid, 12);
	turn_until(is_gone(pid));
	ck_assert_int_eq(adopt(&c, pid, &h, &e), 0);
	wait_exits(++n);
	ck_assert_uint_eq(child_exit_code(last_status), 12);
	child_release(&h);
	/* It lives, but a number that was written long ago is not its. */
	make_orphan_of(pid, -1);
	ck_assert_int_eq(child_adopt(&c, pid, &o, on_exit_status, &e), 0);
	wait_exits(++n);
	ck_assert_uint_eq(child_exit_code(last_status), 11);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	turn_until(is_gone(pid));
	ck_assert_int_eq(exits, n);
	/* What was kept is gone with the last hold. */
	child_release(&slow);
	child_hold(&h);
	ck_assert_int_eq(adopt(&c, pid, &h, &e), -1);
	child_release(&h);
}

/* run(), as the first process of a pid namespace: another process of this machine
 * may be about to signal the number that is given again.  Its wait status; -1
 * where that cannot be. */
static int
run_apart(void (*run)(void))
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		/* What the loop has is the parent's. */
		teardown();
		ck_assert_int_eq(mount("none", "/", "", MS_REC | MS_PRIVATE,
		    NULL), 0);
		ck_assert_int_eq(mount("proc", "/proc", "proc", 0, NULL), 0);
		setup();
		run();
		leave(0);
	}
	return waitpid(pid, &status, 0) == pid ? status : 1;
}

START_TEST(number_given_again)
{
	int status;
	pid_t pid;

	if (emulated())
		return;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		status = run_apart(given_again);
		leave(status < 0 ? 77 : status != 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		printf("skipped number_given_again: it needs root\n");
	else
		ck_assert_int_eq(WEXITSTATUS(status), 0);
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

#define FLAG "--pid-file"
#define VALUE "/child_test/e1.pid"

/* A program with that flag that counts, and executes another one with it, which
 * stays. */
static void
execute_twice(int in, int count)
{
	static char script[] = "i=0; while [ $i -lt $2 ]; do i=$((i + 1)); "
	    "done; exec sh -c \"read x\" \"$0\" \"$1\"";
	char number[16];
	char *const argv[] = { "sh", "-c", script, FLAG, VALUE, number, NULL };
	char *const envp[] = { NULL };

	snprintf(number, sizeof(number), "%d", count);
	dup2(in, 0);
	execve("/bin/sh", argv, envp);
	_exit(1);
}

static void
await_command_line(pid_t pid)
{
	char path[32], byte;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	do {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = read(fd, &byte, 1);
		close(fd);
	} while (n == 0);
	ck_assert_int_eq(n, 1);
}

/* As what a sandbox runs its processes in: its command line's memory is gone. */
static void
lose_command_line(int ready)
{
	unsigned long from = 0, to = 0;
	char text[1024], *end;
	FILE *f = fopen("/proc/self/stat", "r");
	int i;

	if (!f || !fgets(text, sizeof(text), f) || !(end = strrchr(text, ')')))
		_exit(1);
	/* proc_pid_stat(5): arg_start and arg_end are the 48th and 49th. */
	for (i = 2; end && i < 48; i++)
		end = strchr(end + 1, ' ');
	if (!end || sscanf(end, "%lu %lu", &from, &to) != 2 ||
	    munmap((void *)(from & ~4095UL), (to | 4095) + 1 -
	    (from & ~4095UL)) < 0 || write(ready, "", 1) != 1)
		_exit(2);
	pause();
	_exit(3);
}

/* What is found by its command line has none while it executes a program, which
 * some of these do just then. */
START_TEST(executing)
{
	int ready[2], in[2], status, i;
	siginfo_t si;
	char byte;
	pid_t pid;

	if (emulated())
		return;
	ck_assert(!runsc_kill_descendants(FLAG, VALUE));
	for (i = 0; i < 300; i++) {
		ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
		ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			execute_twice(in[0], i * 10);
		close(ready[1]);
		close(in[0]);
		ck_assert_int_eq(read(ready[0], &byte, 1), 0);
		await_command_line(pid);
		ck_assert_msg(runsc_kill_descendants(FLAG, VALUE),
		    "not seen the time %d", i);
		/* Which may only mean that it should be looked for again. */
		kill(pid, SIGKILL);
		/* Dead and not reaped, it has none either. */
		ck_assert_int_eq(waitid(P_PID, (id_t)pid, &si,
		    WEXITED | WNOWAIT), 0);
		ck_assert(!runsc_kill_descendants(FLAG, VALUE));
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		close(ready[0]);
		close(in[1]);
	}
}
END_TEST

START_TEST(no_command_line)
{
	/* So that what is used stands below the pages that go. */
	volatile char room[16384];
	int ready[2], status;
	char byte;
	pid_t pid;

	if (emulated())
		return;
	room[0] = 0;
	ck_assert_int_eq(room[0], 0);
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		lose_command_line(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert(!runsc_kill_descendants(FLAG, VALUE));
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(ready[0]);
	close(ready[1]);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, statuses, exec_fails, descriptors, orphan_alive, traced,
	    orphan_dead, stranger, number_given_again, many_at_once, signals, executing,
	    no_command_line);
}

int
main(void)
{
	return suite_run("child", setup, teardown, add);
}
