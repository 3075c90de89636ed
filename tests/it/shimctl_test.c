/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shimctl_test: the client's command line, with the real shim against the fake
 * runsc, and with a shim of our own for what the real one never answers.
 *
 * SHIM and SHIMCTL are the binaries, FAKE_BIN the directory with the fake as
 * `runsc`.  Needs neither root nor network.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire/pb.h"
#include "wire/ttrpc.h"
#include "dir.h"

#define WAIT_MS 20000
#define ARGS_MAX 32

static char shim[PATH_MAX], ctl[PATH_MAX];
static char out[1 << 20], err[1 << 16];		/* of the last run() */

static unsigned
entries(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* A bundle whose process is these words of the fake's language. */
static char *
make_bundle(const char *id, const char *words, const char *annotations,
    bool terminal)
{
	char text[2048];

	mkdir(in_dir("b"), 0700);
	mkdir(in_dir("b/%s", id), 0700);
	mkdir(in_dir("b/%s/rootfs", id), 0711);
	snprintf(text, sizeof(text), "{\"ociVersion\":\"1.0.2\",\"process\":{"
	    "\"terminal\":%s,\"args\":[\"fake\",%s],\"cwd\":\"/\"},\"root\":"
	    "{\"path\":\"rootfs\"},\"annotations\":{%s}}",
	    terminal ? "true" : "false", words, annotations);
	write_text(in_dir("b/%s/config.json", id), text);
	return in_dir("b/%s", id);
}

/* -- running -------------------------------------------------------------- */

/* Arguments end with NULL; "RUN" stands for what finds the test's shim. */
static pid_t
spawn_va(int in, int out_fd, int err_fd, va_list ap)
{
	static char config[PATH_MAX];
	const char *argv[ARGS_MAX] = { ctl, "--socket-dir", in_dir("s"),
		"--containerd", in_dir("sock"), "--state-dir",
		in_dir("state"), NULL };
	int n = 7;
	const char *a;
	pid_t pid;

	snprintf(config, sizeof(config), "%s/runsc.toml", dir);
	while ((a = va_arg(ap, const char *))) {
		argv[n++] = a;
		if (strcmp(a, "run") == 0 || strcmp(a, "start-shim") == 0) {
			argv[n++] = "--shim";
			argv[n++] = shim;
		}
		if (strcmp(a, "run") == 0 || strcmp(a, "create") == 0) {
			argv[n++] = "--config";
			argv[n++] = config;
		}
		ck_assert_int_lt(n, ARGS_MAX - 4);
	}
	argv[n] = NULL;
	pid = fork();
	if (pid == 0) {
		dup2(in, 0);
		dup2(out_fd, 1);
		dup2(err_fd, 2);
		execv(ctl, (char *const *)argv);
		_exit(98);
	}
	return pid;
}

static int
status_of(pid_t pid)
{
	int i, status;

	for (i = 0; i < WAIT_MS / 10; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) :
			    1000 + WTERMSIG(status);
		sleep_ms(10);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static void
read_back(const char *path, char *to, size_t cap)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, to, cap - 1);

	to[n < 0 ? 0 : n] = '\0';
	close(fd);
}

static pid_t
spawn(const char *input, ...)
{
	int in, o, e;
	va_list ap;
	pid_t pid;

	if (input)
		write_text(in_dir("in"), input);
	in = open(input ? in_dir("in") : "/dev/null", O_RDONLY);
	o = open(in_dir("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	e = open(in_dir("err"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	va_start(ap, input);
	pid = spawn_va(in, o, e, ap);
	va_end(ap);
	close(in);
	close(o);
	close(e);
	return pid;
}

static int
finish(pid_t pid)
{
	int status = status_of(pid);

	read_back(in_dir("out"), out, sizeof(out));
	read_back(in_dir("err"), err, sizeof(err));
	return status;
}

/* The status; what it printed is in out and err. */
#define run(input, ...) finish(spawn(input, __VA_ARGS__, (char *)NULL))
#define ok(...)								\
	ck_assert_msg(run(NULL, __VA_ARGS__) == 0, "%s", err)

static bool
says(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

#define ck_says(text, part)						\
	ck_assert_msg(says(text, part), "no \"%s\" in: %s", part, text)

static int shell(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

/* A command of the shell, in which $ctl finds the test's shims. */
static int
shell(const char *fmt, ...)
{
	char cmd[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

/* Wait until a container's status is that; out and err stay. */
static void
becomes(const char *id, const char *status)
{
	int i;

	for (i = 0; i < WAIT_MS / 20; i++) {
		if (shell("$ctl state %s 2>&1 | grep -q 'status: %s'", id,
		    status) == 0)
			return;
		sleep_ms(20);
	}
	ck_abort_msg("%s does not become %s", id, status);
}

static void
nothing_left(void)
{
	int i;

	for (i = 0; i < WAIT_MS / 10; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (find_processes(dir, 0) == 0 && entries(in_dir("s")) == 0)
			break;
		sleep_ms(10);
	}
	ck_assert_int_eq(find_processes(dir, 0), 0);
	ck_assert_int_eq(entries(in_dir("s")), 0);
	ck_assert_int_eq(entries(in_dir("tmp")), 0);
}

static void
setup(void)
{
	const char *s = getenv("SHIM"), *bin = getenv("FAKE_BIN");
	const char *c = getenv("SHIMCTL");
	char path[PATH_MAX + 1024], text[256];

	ck_assert_msg(s && bin && c, "SHIM, SHIMCTL, FAKE_BIN must be set");
	ck_assert(realpath(s, shim) != NULL);
	ck_assert(realpath(c, ctl) != NULL);
	ck_assert(realpath(bin, path) != NULL);
	strcat(path, ":/usr/bin:/bin");
	setenv("PATH", path, 1);
	unsetenv("TTRPC_ADDRESS");
	unsetenv("CONTAINERD_NAMESPACE");
	unsetenv("CONTAINERD_ADDRESS");
	snprintf(dir, sizeof(dir), "%s/XXXXXX", base);
	ck_assert(mkdtemp(dir) != NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	mkdir(in_dir("tmp"), 0700);
	setenv("TMPDIR", in_dir("tmp"), 1);
	setenv("FAKE_RUNSC", in_dir("faults"), 1);
	setenv("FAKE_RUNSC_LOG", in_dir("calls"), 1);
	write_text(in_dir("faults"), "");
	snprintf(text, sizeof(text), "root = \"%s\"\n", in_dir("r"));
	write_text(in_dir("runsc.toml"), text);
	snprintf(path, sizeof(path), "%s --socket-dir %s --containerd %s "
	    "--state-dir %s", ctl, in_dir("s"), in_dir("sock"),
	    in_dir("state"));
	setenv("ctl", path, 1);
}

static void
teardown(void)
{
	find_processes(dir, SIGKILL);
	sleep_ms(20);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void
clean_up(void)
{
	char cmd[64];

	find_processes(base, SIGKILL);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	if (system(cmd) != 0)
		fprintf(stderr, "%s: failed\n", cmd);
}

/* A container in the background, with its shim and no stdio. */
static void
start_container(const char *id, const char *words)
{
	char *bundle = make_bundle(id, words, "", false);

	ok("start-shim", bundle, id);
	ok("create", bundle, id);
	ok("start", id);
}

static void
remove_container(const char *id)
{
	ok("kill", id, "KILL", "--all");
	ok("wait", id);
	ok("delete", id);
}

static void
end_container(const char *id)
{
	remove_container(id);
	nothing_left();
}

/* -- the command line ----------------------------------------------------- */

START_TEST(usage)
{
	static const char *const lines[][4] = {
		{ NULL }, { "nonsense" }, { "state" }, { "state", "a", "b" },
		{ "state", "a", "--nonsense" }, { "state", "a", "-t" },
		{ "-t", "state", "a" }, { "state", "a", "--exec" },
		{ "--timeout", "0", "state", "a" }, { "exec", "a" },
		{ "--timeout", "1s", "state", "a" }, { "state", "" },
		{ "run", "bundle" }, { "events" },
	};
	const char *const *l = lines[_i];

	ck_assert_int_eq(run(NULL, l[0], l[1], l[2], l[3]), 2);
	ck_says(err, "usage: shimctl");
	ck_assert_str_eq(out, "");
}
END_TEST
#define NUSAGE 14

START_TEST(help_and_version)
{
	ck_assert_int_eq(shell("$SHIMCTL --help | grep -q 'run BUNDLE ID'"), 0);
	ck_assert_int_eq(shell("$SHIMCTL -v | grep -q '^shimctl [0-9]'"), 0);
}
END_TEST

START_TEST(nobody_there)
{
	ck_assert_int_eq(run(NULL, "state", "x"), 1);
	ck_says(err, "shimctl: state x: no shim serves container x of "
	    "namespace default");
	ck_assert_int_eq(run(NULL, "--address", in_dir("no"), "state", "x"), 1);
	ck_says(err, "connect to the shim at");
	ck_says(err, "No such file or directory");
	ck_assert_int_eq(run(NULL, "kill", "x", "NOSUCH"), 1);
	ck_says(err, "\"NOSUCH\" is no signal");
	ck_assert_int_eq(run(NULL, "run", in_dir("nowhere"), "x"), 1);
	ck_says(err, "nowhere: No such file or directory");
	ok("list");
	ck_assert_str_eq(out, "");
	nothing_left();
}
END_TEST

START_TEST(no_shim_binary)
{
	make_bundle("c1", "\"exit:0\"", "", false);
	ck_assert_int_eq(run(NULL, "start-shim", "--shim", "/no/such/shim",
	    in_dir("b/c1"), "c1"), 1);
	ck_says(err, "run /no/such/shim: No such file or directory");
	nothing_left();
}
END_TEST

/* -- run ------------------------------------------------------------------ */

static const struct {
	const char *words;
	int status;
} ends[] = {
	{ "\"exit:0\"", 0 }, { "\"exit:7\"", 7 }, { "\"kill:9\"", 137 },
	{ "\"exit:255\"", 255 },
};

START_TEST(exit_statuses)
{
	char *bundle = make_bundle("c1", ends[_i].words, "", false);

	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), ends[_i].status);
	ck_assert_str_eq(err, "");
	ck_assert_int_eq(entries(bundle), 2);
	nothing_left();
}
END_TEST

START_TEST(output)
{
	char *bundle = make_bundle("c1", "\"echo:on out\",\"err:on err\","
	    "\"fill:500000\",\"exit:3\"", "", false);

	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), 3);
	ck_assert_int_eq(strlen(out), 500007);
	ck_assert_str_eq(err, "on err\n");
	nothing_left();
}
END_TEST

START_TEST(input)
{
	char *bundle = make_bundle("c1", "\"cat\",\"exit:4\"", "", false);

	ck_assert_int_eq(run("one\ntwo\n", "run", "-i", bundle, "c1"), 4);
	ck_assert_str_eq(out, "one\ntwo\n");
	ck_assert_int_eq(run("one\n", "run", bundle, "c1"), 4);
	ck_assert_str_eq(out, "");
	nothing_left();
}
END_TEST

/* Nobody reads: the process, which would not end by itself, is killed, and the
 * status is that of a program which SIGPIPE has ended. */
START_TEST(broken_output)
{
	make_bundle("c1", "\"fill:500000\",\"hang\"", "", false);
	ck_assert_int_eq(shell("{ timeout 20 $ctl run --shim $SHIM --config %s "
	    "%s c1 2>%s; echo $? >%s; } | head -c 10 >/dev/null",
	    in_dir("runsc.toml"), in_dir("b/c1"), in_dir("err"), in_dir("rc")),
	    0);
	ck_assert_str_eq(read_text(in_dir("rc")), "141\n");
	ck_assert_str_eq(read_text(in_dir("err")), "");
	ck_assert_int_eq(entries(in_dir("b/c1")), 2);
	nothing_left();
	start_container("c1", "\"hang\"");
	ck_assert_int_eq(shell("{ timeout 20 $ctl exec --exec e1 c1 fake "
	    "fill:500000 hang 2>%s; echo $? >%s; } | head -c 10 >/dev/null",
	    in_dir("err"), in_dir("rc")), 0);
	ck_assert_str_eq(read_text(in_dir("rc")), "141\n");
	ck_assert_str_eq(read_text(in_dir("err")), "");
	ck_assert_int_eq(run(NULL, "state", "c1", "--exec", "e1"), 1);
	end_container("c1");
}
END_TEST

static const struct {
	const char *words, *json, *to, *says;
} full[] = {
	{ "echo:x exit:0", "\"echo:x\",\"exit:0\"", ">/dev/full",
	    "write standard output: No space" },
	{ "echo:x hang", "\"echo:x\",\"hang\"", ">/dev/full",
	    "write standard output: No space" },
	/* Where there is no place for the message either. */
	{ "err:x hang", "\"err:x\",\"hang\"", "2>/dev/full", "" },
};

START_TEST(full_output)
{
	start_container("c1", "\"hang\"");
	ck_assert_int_eq(shell("timeout 20 $ctl exec --exec e1 c1 fake %s "
	    "2>%s %s", full[_i].words, in_dir("err"), full[_i].to) >> 8, 1);
	ck_says(read_text(in_dir("err")), full[_i].says);
	ck_assert_int_eq(run(NULL, "state", "c1", "--exec", "e1"), 1);
	end_container("c1");
	make_bundle("c2", full[_i].json, "", false);
	ck_assert_int_eq(shell("timeout 20 $ctl run --shim $SHIM --config %s "
	    "%s c2 2>%s %s", in_dir("runsc.toml"), in_dir("b/c2"),
	    in_dir("err"), full[_i].to) >> 8, 1);
	ck_says(read_text(in_dir("err")), full[_i].says);
	ck_assert_int_eq(entries(in_dir("b/c2")), 2);
	nothing_left();
}
END_TEST

START_TEST(full_output_of_others)
{
	static const char *const commands[] = { "list", "state c1", "ps c1",
		"exec -d c1 fake exit:0", "wait c1", "delete c1" };
	char words[256];
	size_t i;

	snprintf(words, sizeof(words), "\"wait:%s\",\"exit:0\"", in_dir("go"));
	start_container("c1", words);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i], "wait c1") == 0)
			write_text(in_dir("go"), "");
		ck_assert_int_eq(shell("$ctl %s 2>%s >/dev/full", commands[i],
		    in_dir("err")) >> 8, 1);
		ck_says(read_text(in_dir("err")), "No space left on device\n");
	}
	nothing_left();
}
END_TEST

/* Who attaches does not end what others have started. */
START_TEST(full_output_of_attach)
{
	char *bundle = make_bundle("c1", "\"read\",\"hang\"", "", false);
	int fd;

	mkfifo(in_dir("i"), 0600);
	mkfifo(in_dir("o"), 0600);
	fd = open(in_dir("i"), O_RDWR | O_CLOEXEC);
	ok("start-shim", bundle, "c1");
	ok("create", "--stdin", in_dir("i"), "--stdout", in_dir("o"), bundle,
	    "c1");
	ok("start", "c1");
	ck_assert_int_eq(write(fd, "x\n", 2), 2);
	ck_assert_int_eq(shell("timeout 20 $ctl attach c1 2>%s >/dev/full",
	    in_dir("err")) >> 8, 1);
	ck_says(read_text(in_dir("err")), "write standard output: No space");
	becomes("c1", "running");
	close(fd);
	end_container("c1");
}
END_TEST

START_TEST(events_of_run)
{
	char *bundle = make_bundle("c1", "\"exit:7\"", "", false), *p = err;
	static const char *const want[] = { "default /tasks/create c1 bundle=",
		"default /tasks/start c1 pid=", "default /tasks/exit c1 pid=",
		"status=7", "default /tasks/delete c1 pid=", "status=7" };
	size_t i;

	ck_assert_int_eq(run(NULL, "run", "--events", bundle, "c1"), 7);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		p = strstr(p, want[i]);
		ck_assert_msg(p != NULL, "%s is missing in: %s", want[i], err);
	}
	nothing_left();
}
END_TEST

START_TEST(create_fails)
{
	char *bundle = make_bundle("c1", "\"exit:0\"", "", false);

	write_text(in_dir("faults"), "create:fail=no such luck");
	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), 1);
	ck_says(err, "shimctl: run c1: ");
	ck_says(err, "no such luck");
	nothing_left();
	write_text(in_dir("faults"), "start:fail=no such file");
	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), 1);
	ck_says(err, "no such file");
	nothing_left();
}
END_TEST

START_TEST(taken_id)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false);

	start_container("c1", "\"hang\"");
	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), 1);
	ck_says(err, "already exists");
	becomes("c1", "running");
	end_container("c1");
}
END_TEST

START_TEST(signals_are_sent_on)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	pid_t pid = spawn(NULL, "run", bundle, "c1", (char *)NULL);

	becomes("c1", "running");
	kill(pid, SIGTERM);
	ck_assert_int_eq(finish(pid), 143);
	nothing_left();
}
END_TEST

/* Somebody kills the shim: what it has left goes, the container first. */
START_TEST(shim_killed)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	pid_t pid = spawn(NULL, "run", bundle, "c1", (char *)NULL), reaped;
	int status;

	becomes("c1", "running");
	ck_assert_int_eq(shell("kill -KILL $($ctl list | awk '{ print $1 }')"),
	    0);
	/* runsc waits for zombies, and the sandbox's parent is now this. */
	while ((reaped = waitpid(-1, &status, 0)) != pid)
		ck_assert_int_gt(reaped, 0);
	ck_assert_int_eq(status, 1 << 8);
	read_back(in_dir("err"), err, sizeof(err));
	ck_says(err, "closed the connection");
	ck_says(err, "shimctl: the shim of c1 has ended; what it left is "
	    "removed\n");
	ck_assert_int_eq(entries(bundle), 2);
	ck_assert_int_eq(entries(in_dir("r/default")), 0);
	nothing_left();
	/* And so the id can be had again. */
	make_bundle("c1", "\"exit:3\"", "", false);
	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), 3);
	nothing_left();
}
END_TEST

/* A shim that closes every connection; live: it goes on listening. */
static pid_t
rude_shim(bool live)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char text[512];
	pid_t pid;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", in_dir("rude"));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	snprintf(text, sizeof(text), "#!/bin/sh\necho \"$@\" >>%s\n"
	    "case $* in *' start') echo unix://%s ;; esac\n"
	    "case $* in *' delete') %s ;; esac\n", in_dir("verbs"),
	    sun.sun_path, live ? ":" : "echo no such luck >&2; exit 1");
	write_text(in_dir("rude.sh"), text);
	chmod(in_dir("rude.sh"), 0700);
	pid = fork();
	if (pid > 0) {
		close(fd);
		return pid;
	}
	do
		close(accept(fd, NULL, NULL));
	while (live);
	_exit(0);
}

/* One that lives may serve another container of the id: that stays. */
START_TEST(connection_closed)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false), text[512];
	pid_t pid = rude_shim(_i == 0);

	write_text(in_dir("b/c1/state.json"), "{}");
	ck_assert_int_eq(run(NULL, "run", "--shim", in_dir("rude.sh"), bundle,
	    "c1"), 1);
	ck_says(err, "shimctl: run c1: ");
	snprintf(text, sizeof(text), "-namespace default -id c1 -address %s "
	    "-bundle %s delete\n", in_dir("sock"), bundle);
	ck_assert_int_eq(says(read_text(in_dir("verbs")), text), _i);
	ck_assert_int_eq(says(err, "clean up after the shim, which has ended: "
	    "no such luck\n"), _i);
	/* By which a later `delete` finds what is left. */
	ck_assert_int_eq(access(in_dir("b/c1/state.json"), F_OK), 0);
	kill(pid, SIGKILL);
	status_of(pid);
	nothing_left();
}
END_TEST

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
		ck_assert_msg(read_some(master, text, cap, WAIT_MS) > 0,
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
	for (i = 0; i < WAIT_MS / 10; i++) {
		tcgetattr(slave, &t);
		if (!(t.c_lflag & (ICANON | ECHO)))
			break;
		sleep_ms(10);
	}
	ck_assert(!(t.c_lflag & (ICANON | ECHO)));
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
	int i;

	/* One that was killed has left its socket behind. */
	pid = spawn(NULL, "events", in_dir("ev"), (char *)NULL);
	for (i = 0; i < 500 && access(in_dir("ev"), F_OK) < 0; i++)
		sleep_ms(10);
	kill(pid, SIGKILL);
	ck_assert_int_eq(status_of(pid), 1000 + SIGKILL);
	ck_assert_int_eq(access(in_dir("ev"), F_OK), 0);
	pid = spawn(NULL, "events", in_dir("ev"), (char *)NULL);
	for (i = 0; i < 500 && shell("$ctl --timeout 1 --address %s state x "
	    "2>&1 | grep -q refused", in_dir("ev")) == 0; i++)
		sleep_ms(10);
	for (i = 0; i < 500 && access(in_dir("ev"), F_OK) < 0; i++)
		sleep_ms(10);
	setenv("TTRPC_ADDRESS", in_dir("ev"), 1);
	rename(in_dir("out"), in_dir("out.ev"));
	start_container("c1", "\"hang\"");
	ck_assert_int_eq(run(NULL, "exec", "--exec", "e1", "c1", "fake",
	    "exit:3"), 3);
	remove_container("c1");
	unsetenv("TTRPC_ADDRESS");
	/* The shim leaves when it has told its last. */
	for (i = 0; i < 500 && entries(in_dir("s")); i++)
		sleep_ms(10);
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

/* -- a shim of our own ---------------------------------------------------- */

/* Serve one connection: take requests, give each this reply; NULL: hang. */
static pid_t
fake_shim(const void *reply, size_t n)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	uint8_t head[TTRPC_HEADER], body[4096];
	int fd, conn;
	size_t len;
	pid_t pid;

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", in_dir("fake"));
	unlink(sun.sun_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	pid = fork();
	if (pid > 0) {
		close(fd);
		return pid;
	}
	conn = accept(fd, NULL, NULL);
	while (read(conn, head, sizeof(head)) == (ssize_t)sizeof(head)) {
		len = ttrpc_get_u32(head);
		if (len > sizeof(body) ||
		    recv(conn, body, len, MSG_WAITALL) != (ssize_t)len)
			break;
		if (!reply)
			continue;
		ttrpc_put_header(head, n, ttrpc_get_u32(head + 4),
		    TTRPC_RESPONSE);
		if (write(conn, head, sizeof(head)) < 0 ||
		    write(conn, reply, n) < 0)
			break;
	}
	_exit(0);
}

/* Response {2 StatsResponse {1 Any}} */
static void
stats_reply(struct pb_out *o, const char *type, const struct pb_out *metrics)
{
	size_t mark;

	pb_out_init(o, NULL, 0);
	mark = pb_begin(o, 2);
	pb_put_any(o, 1, type, metrics->p, metrics->len);
	pb_end(o, mark);
}

START_TEST(statistics)
{
	struct pb_out m, o;
	size_t mark, inner;
	pid_t pid;

	pb_out_init(&m, NULL, 0);
	mark = pb_begin(&m, 2);
	pb_put_uint(&m, 1, 12);
	pb_end(&m, mark);
	mark = pb_begin(&m, 4);
	inner = pb_begin(&m, 33);
	pb_put_uint(&m, 2, 4096);
	pb_end(&m, inner);
	pb_end(&m, mark);
	stats_reply(&o, "io.containerd.cgroups.v1.Metrics", &m);
	pid = fake_shim(o.p, o.len);
	ok("--address", in_dir("fake"), "stats", "c1");
	ck_assert_str_eq(out, "pids.current 12\nmemory.usage 4096\n");
	ck_assert_int_eq(status_of(pid), 0);
	pb_out_free(&m);
	pb_out_free(&o);

	pb_out_init(&m, NULL, 0);
	mark = pb_begin(&m, 2);
	pb_put_uint(&m, 1, 5000000000);
	pb_end(&m, mark);
	stats_reply(&o, "io.containerd.cgroups.v2.Metrics", &m);
	pid = fake_shim(o.p, o.len);
	ok("--address", in_dir("fake"), "stats", "c1");
	ck_assert_str_eq(out, "cpu.total_us 5000000000\n");
	ck_assert_int_eq(status_of(pid), 0);
	pb_out_free(&m);
	pb_out_free(&o);

	pb_out_init(&m, NULL, 0);
	stats_reply(&o, "other.Metrics", &m);
	pid = fake_shim(o.p, o.len);
	ck_assert_int_eq(run(NULL, "--address", in_dir("fake"), "stats", "c1"),
	    1);
	ck_says(err, "\"other.Metrics\"");
	ck_assert_int_eq(status_of(pid), 0);
	pb_out_free(&o);
}
END_TEST

START_TEST(shim_hangs)
{
	pid_t pid = fake_shim(NULL, 0);

	ck_assert_int_eq(run(NULL, "--timeout", "1", "--address",
	    in_dir("fake"), "state", "c1"), 1);
	ck_says(err, "does not answer");
	ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

START_TEST(bad_replies)
{
	static const struct {
		const char *p;
		size_t n;
		const char *says;
	} replies[] = {
		{ "\x0a\xff", 2, "malformed reply" },
		{ "\x0a\x06\x08\x05\x12\x02no", 8, "state c1: no" },
	};
	pid_t pid = fake_shim(replies[_i].p, replies[_i].n);

	ck_assert_int_eq(run(NULL, "--address", in_dir("fake"), "state", "c1"),
	    1);
	ck_says(err, replies[_i].says);
	ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("shimctl");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	strcpy(base, "/tmp/ctl-XXXXXX");
	if (!mkdtemp(base))
		return 1;
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, usage, 0, NUSAGE);
	tcase_add_test(t, help_and_version);
	tcase_add_test(t, nobody_there);
	tcase_add_test(t, no_shim_binary);
	tcase_add_loop_test(t, exit_statuses, 0, 4);
	tcase_add_test(t, output);
	tcase_add_test(t, input);
	tcase_add_test(t, broken_output);
	tcase_add_loop_test(t, full_output, 0, 3);
	tcase_add_test(t, full_output_of_others);
	tcase_add_test(t, full_output_of_attach);
	tcase_add_test(t, events_of_run);
	tcase_add_test(t, create_fails);
	tcase_add_test(t, taken_id);
	tcase_add_test(t, signals_are_sent_on);
	tcase_add_test(t, shim_killed);
	tcase_add_loop_test(t, connection_closed, 0, 2);
	tcase_add_test(t, terminal);
	tcase_add_test(t, no_terminal_in_spec);
	tcase_add_test(t, no_terminal_here);
	tcase_add_test(t, attach_and_leave);
	tcase_add_test(t, nothing_to_attach);
	tcase_add_test(t, steps);
	tcase_add_test(t, execs);
	tcase_add_loop_test(t, closed_streams, 0, 4);
	tcase_add_test(t, exec_on_terminal);
	tcase_add_test(t, pods);
	tcase_add_test(t, lists);
	tcase_add_test(t, events);
	tcase_add_test(t, statistics);
	tcase_add_test(t, shim_hangs);
	tcase_add_loop_test(t, bad_replies, 0, 2);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	clean_up();
	return failed != 0;
}
