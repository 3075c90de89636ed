/* SPDX-License-Identifier: Apache-2.0 */
/* shimctl_steps_test: the client on terminals, and a step at a time. */
#include <check.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl.h"

/* -- terminals ------------------------------------------------------------ */

/* What comes within ms, added to text. */
static ssize_t
read_some(int master, char *text, size_t cap, int ms)
{
	struct pollfd p = { .fd = master, .events = POLLIN };
	size_t n = strlen(text);
	ssize_t r;

	if (poll(&p, 1, ms) <= 0)
		return 0;
	r = read(master, text + n, cap - 1 - n);
	text[n + (size_t)(r < 0 ? 0 : r)] = '\0';
	return r;
}

static void
expect(int master, char *text, size_t cap, const char *what)
{
	while (!says(text, what))
		ck_assert_msg(read_some(master, text, cap, HANG_MS) > 0,
		    "no \"%s\": %s", what, text);
}

static pid_t
spawn_tty(int slave, ...)
{
	va_list ap;
	pid_t pid;

	va_start(ap, slave);
	pid = spawn_va(slave, slave, slave, ap);
	va_end(ap);
	return pid;
}

START_TEST(terminal)
{
	char *bundle = make_bundle("c1", "\"tty\",\"on-winch\",\"read\","
	    "\"exit:9\"", "", true), text[4096] = "";
	struct winsize ws = { .ws_row = 20, .ws_col = 70 };
	struct termios before, t;
	int master, slave, i;
	pid_t pid;

	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, &ws), 0);
	ck_assert_int_eq(tcgetattr(slave, &before), 0);
	pid = spawn_tty(slave, "run", "-t", bundle, "c1", (char *)NULL);
	expect(master, text, sizeof(text), "tty");
	await(tcgetattr(slave, &t) == 0 && !(t.c_lflag & (ICANON | ECHO)));
	/* Its first size may have come before the process looks for one, and
	 * one that is not new is no signal to it. */
	for (i = 0; i < 100 && !says(text, " 70") && !says(text, " 99"); i++) {
		ws.ws_row = (unsigned short)(30 + i % 2);
		ws.ws_col = 99;
		ioctl(master, TIOCSWINSZ, &ws);
		kill(pid, SIGWINCH);
		read_some(master, text, sizeof(text), 100);
	}
	ck_assert_int_eq(write(master, "line\n", 5), 5);
	expect(master, text, sizeof(text), "got:line");
	ck_assert_int_eq(status_of(pid), 9);
	tcgetattr(slave, &t);
	ck_assert_int_eq(t.c_lflag, before.c_lflag);
	close(master);
	close(slave);
	nothing_left();
}
END_TEST

START_TEST(no_terminal_in_spec)
{
	char *bundle = make_bundle("c1", "\"exit:0\"", "", false);
	char text[4096] = "";
	int master, slave;
	pid_t pid;

	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	pid = spawn_tty(slave, "run", "-t", bundle, "c1", (char *)NULL);
	expect(master, text, sizeof(text), "process.terminal false");
	ck_assert_int_eq(status_of(pid), 1);
	close(master);
	close(slave);
	nothing_left();
}
END_TEST

START_TEST(no_terminal_here)
{
	char *bundle = make_bundle("c1", "\"exit:0\"", "", true);

	ck_assert_int_eq(run(NULL, "run", "-t", bundle, "c1"), 2);
	ck_says(err, "shimctl: -t: standard input is no terminal\n");
	ck_says(err, "usage: shimctl run ");
	nothing_left();
	start_container("c1", "\"hang\"");
	ck_assert_int_eq(run(NULL, "exec", "-t", "c1", "fake", "exit:0"), 2);
	ck_says(err, "shimctl: -t: standard input is no terminal\n");
	ok("exec", "-t", "-d", "--exec", "e1", "c1", "fake", "hang");
	end_container("c1");
}
END_TEST

START_TEST(attach_and_leave)
{
	char *bundle = make_bundle("c1", "\"read\",\"read\",\"exit:6\"", "",
	    true), text[4096] = "";
	int master, slave;
	pid_t pid;

	mkfifo(in_dir("i"), 0600);
	mkfifo(in_dir("o"), 0600);
	ok("start-shim", bundle, "c1");
	ok("create", "-t", "--stdin", in_dir("i"), "--stdout", in_dir("o"),
	    bundle, "c1");
	ok("start", "c1");
	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	pid = spawn_tty(slave, "attach", "c1", (char *)NULL);
	ck_assert_int_eq(write(master, "one\nt\x1d", 6), 6);
	ck_assert_int_eq(status_of(pid), 0);
	expect(master, text, sizeof(text), "left c1 running");
	/* What was before the key has got there; its echo comes now. */
	pid = spawn_tty(slave, "attach", "c1", (char *)NULL);
	expect(master, text, sizeof(text), "got:one");
	ck_assert_int_eq(write(master, "wo\n", 3), 3);
	expect(master, text, sizeof(text), "got:two");
	ck_assert_int_eq(status_of(pid), 6);
	close(master);
	close(slave);
	ok("delete", "c1");
	nothing_left();
}
END_TEST

START_TEST(nothing_to_attach)
{
	start_container("c1", "\"hang\"");
	ck_assert_int_eq(run(NULL, "attach", "c1"), 1);
	ck_says(err, "neither input nor output");
	end_container("c1");
}
END_TEST

/* -- a step at a time ----------------------------------------------------- */

START_TEST(steps)
{
	char *bundle = make_bundle("c1", "\"wait:go\",\"exit:5\"", "", false);
	char text[512];

	/* Relative to nothing that is known: an absolute name. */
	snprintf(text, sizeof(text), "\"wait:%s\",\"echo:logged\",\"exit:5\"",
	    in_dir("go"));
	make_bundle("c1", text, "", false);
	ok("start-shim", bundle, "c1");
	ck_assert_int_eq(strncmp(out, "unix:///", 8), 0);
	snprintf(text, sizeof(text), "file://%s", in_dir("log/c1"));
	ok("create", "--stdout", text, bundle, "c1");
	ok("state", "c1");
	ck_says(out, "status: created");
	ck_says(out, "id: c1");
	ok("start", "c1");
	ok("pause", "c1");
	ok("state", "c1");
	ck_says(out, "status: paused");
	ok("resume", "c1");
	ok("ps", "c1");
	ck_says(out, " -\n");
	write_text(in_dir("go"), "");
	ok("wait", "c1");
	ck_assert_str_eq(out, "5\n");
	ok("state", "c1");
	ck_says(out, "status: stopped");
	ck_says(out, "exit status: 5");
	ck_says(out, "exited at: 20");
	ok("delete", "c1");
	ck_assert_str_eq(out, "5\n");
	read_back(in_dir("log/c1"), out, sizeof(out));
	ck_assert_str_eq(out, "logged\n");
	nothing_left();
}
END_TEST

START_TEST(execs)
{
	start_container("c1", "\"hang\"");
	ck_assert_int_eq(run(NULL, "exec", "c1", "fake", "echo:hi", "err:no",
	    "exit:7"), 7);
	ck_assert_str_eq(out, "hi\n");
	ck_assert_str_eq(err, "no\n");
	ck_assert_int_eq(run("in\n", "exec", "-i", "c1", "fake", "cat"), 0);
	ck_assert_str_eq(out, "in\n");
	ck_assert_int_eq(run(NULL, "exec", "c1", "fake", "kill:9"), 137);
	/* The command's options are the command's. */
	ck_assert_int_eq(run(NULL, "exec", "c1", "--", "sh", "-c", "exit 8"),
	    8);
	ok("exec", "--exec", "e1", "-d", "c1", "fake", "hang");
	ck_assert_str_eq(out, "e1\n");
	ok("ps", "c1");
	ck_says(out, " e1\n");
	ok("state", "c1", "--exec", "e1");
	ck_says(out, "status: running");
	ok("kill", "c1", "sigkill", "--exec", "e1");
	ok("wait", "c1", "--exec", "e1");
	ck_assert_str_eq(out, "137\n");
	ok("delete", "c1", "--exec", "e1");
	ck_assert_int_eq(run(NULL, "state", "c1", "--exec", "e1"), 1);
	ck_assert_int_eq(run(NULL, "exec", "--user", "me", "c1", "true"), 1);
	ck_says(err, "--user me is not UID or UID:GID");
	end_container("c1");
}
END_TEST

/* What a container prints never gets into a connection to the shim. */
START_TEST(closed_streams)
{
	static const char *const closed[] = { ">&-", "2>&-", "<&-",
		"<&- >&- 2>&-" };
	const char *how = closed[_i];

	start_container("c1", "\"hang\"");
	ck_assert_int_eq(shell("timeout 20 $ctl exec -i c1 fake cat echo:x "
	    "err:y exit:7 </dev/null >/dev/null 2>&1 %s", how) >> 8, 7);
	ck_assert_int_eq(shell("$ctl exec --exec e1 c1 fake hang %s & "
	    "until $ctl state c1 --exec e1 2>&1 | grep -q 'status: running'; "
	    "do sleep 0.05; done; "
	    "for fd in 0 1 2; do readlink /proc/$!/fd/$fd; done >%s; "
	    "$ctl kill c1 KILL --exec e1; wait $!", how, in_dir("fds")) >> 8,
	    137);
	read_back(in_dir("fds"), out, sizeof(out));
	ck_assert_msg(!says(out, "socket") && says(out, "/dev/null\n"), "%s",
	    out);
	end_container("c1");
}
END_TEST

START_TEST(exec_on_terminal)
{
	char text[4096] = "";
	int master, slave;
	pid_t pid;

	start_container("c1", "\"hang\"");
	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	pid = spawn_tty(slave, "exec", "-t", "c1", "fake", "tty", "read",
	    "exit:2", (char *)NULL);
	ck_assert_int_eq(write(master, "x\n", 2), 2);
	expect(master, text, sizeof(text), "got:x");
	ck_says(text, "tty");
	ck_assert(!says(text, "not a tty"));
	ck_assert_int_eq(status_of(pid), 2);
	close(master);
	close(slave);
	end_container("c1");
}
END_TEST

START_TEST(pods)
{
	char *sub, address[128];

	start_container("p1", "\"hang\"");
	sub = make_bundle("c2", "\"echo:sub\",\"exit:3\"",
	    "\"io.kubernetes.cri.container-type\":\"container\","
	    "\"io.kubernetes.cri.sandbox-id\":\"p1\"", false);
	ck_assert_int_eq(run(NULL, "run", sub, "c2"), 3);
	ck_assert_str_eq(out, "sub\n");
	ck_assert_int_eq(entries(sub), 2);
	/* Found though no socket has its name. */
	make_bundle("c2", "\"hang\"",
	    "\"io.kubernetes.cri.container-type\":\"container\","
	    "\"io.kubernetes.cri.sandbox-id\":\"p1\"", false);
	ok("start-shim", sub, "c2");
	ck_assert_int_eq(run(NULL, "create", sub, "c2"), 1);
	ck_says(err, "no shim serves");
	out[0] = '\0';
	ok("start-shim", sub, "c2");
	out[strcspn(out, "\n")] = '\0';
	snprintf(address, sizeof(address), "%.120s", out);
	ok("--address", address, "create", sub, "c2");
	ok("state", "c2");
	ck_says(out, "status: created");
	ok("start", "c2");
	ok("kill", "c2", "9");
	ok("wait", "c2");
	ok("delete", "c2");
	ok("state", "p1");
	end_container("p1");
}
END_TEST

START_TEST(lists)
{
	char path[256];

	start_container("c1", "\"hang\"");
	ok("list");
	ck_says(out, " running  default c1 /");
	snprintf(path, sizeof(path), "%s", in_dir("s/dead"));
	{
		struct sockaddr_un sun = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		snprintf(sun.sun_path, sizeof(sun.sun_path), "%s",
		    in_dir("s/dead"));
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun,
		    sizeof(sun)), 0);
		close(fd);
	}
	ok("list");
	ck_says(out, " dead     - - /");
	ck_says(out, " running  default c1 /");
	unlink(path);
	end_container("c1");
}
END_TEST

START_TEST(events)
{
	pid_t pid;

	/* One that was killed has left its socket behind. */
	pid = spawn(NULL, "events", in_dir("ev"), (char *)NULL);
	await(access(in_dir("ev"), F_OK) == 0);
	kill(pid, SIGKILL);
	ck_assert_int_eq(status_of(pid), 1000 + SIGKILL);
	ck_assert_int_eq(access(in_dir("ev"), F_OK), 0);
	pid = spawn(NULL, "events", in_dir("ev"), (char *)NULL);
	await(shell("$ctl --timeout 1 --address %s state x 2>&1 | grep -q "
	    "refused", in_dir("ev")) != 0);
	await(access(in_dir("ev"), F_OK) == 0);
	setenv("TTRPC_ADDRESS", in_dir("ev"), 1);
	rename(in_dir("out"), in_dir("out.ev"));
	start_container("c1", "\"hang\"");
	ck_assert_int_eq(run(NULL, "exec", "--exec", "e1", "c1", "fake",
	    "exit:3"), 3);
	remove_container("c1");
	unsetenv("TTRPC_ADDRESS");
	/* The shim leaves when it has told its last. */
	await(entries(in_dir("s")) == 0);
	kill(pid, SIGTERM);
	ck_assert_int_eq(status_of(pid), 0);
	ck_assert_int_lt(access(in_dir("ev"), F_OK), 0);
	read_back(in_dir("out.ev"), out, sizeof(out));
	ck_says(out, "/tasks/exec-added c1 exec=e1");
	ck_says(out, "/tasks/exec-started c1 exec=e1 pid=");
	ck_says(out, "/tasks/exit c1 exec=e1 pid=");
	ck_says(out, "/tasks/delete c1 pid=");
	ck_says(out, "status=137");
	nothing_left();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, terminal, no_terminal_in_spec, no_terminal_here,
	    attach_and_leave, nothing_to_attach, steps, execs,
	    exec_on_terminal, pods, lists, events);
	tcase_add_loop_test(tc, closed_streams, 0, 4);
}

int
main(void)
{
	return ctl_run("shimctl_steps", add);
}
