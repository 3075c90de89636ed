/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runsc_test: what runsc.c reads from runsc, and the command lines that it
 * makes, as seen by a script in runsc's place.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/loop.h"
#include "gvisor/runsc_left.h"
#include "gvisor/runsc_text.h"
#include "runsc.h"
#include "wire/pb.h"
#include "tests/files.h"
#include "turns.h"

static char root[96], script[96], log_path[96];
static char *flags[4];
static struct runsc_env env;
static struct runsc_result result;
static char result_out[4096];
static int done_calls;

static void
state_file(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	write_text(path, "{}");
}

/* In runsc's place: writes its arguments down, one a line, then does what. */
static void
play(const char *what)
{
	char text[2048];

	snprintf(text, sizeof(text), "#!/bin/sh\n"
	    "for a; do echo \"$a\"; done >%s\n"
	    "for a; do case $a in --log=*) log=${a#--log=};; esac; done\n"
	    "%s\n", log_path, what);
	write_text(script, text);
	chmod(script, 0700);
}

static void
on_done(void *arg, const struct runsc_result *r)
{
	(void)arg;
	result = *r;
	snprintf(result_out, sizeof(result_out), "%s", r->out);
	done_calls++;
}

static void
wait_done(void)
{
	turn_until(done_calls);
	ck_assert_int_eq(done_calls, 1);
	done_calls = 0;
	loop_turn(0);
	ck_assert_uint_eq(runsc_running(), 0);
}

static void
setup(void)
{
	struct err e;

	strcpy(dir, "/tmp/runsc-test.XXXXXX");
	ck_assert(mkdtemp(dir) != NULL);
	snprintf(root, sizeof(root), "%s/root", dir);
	snprintf(script, sizeof(script), "%s/runsc", dir);
	snprintf(log_path, sizeof(log_path), "%s/args", dir);
	mkdir(root, 0700);
	state_file("c1_sandbox:c1.state");
	flags[0] = (char *)"--network=none";
	flags[1] = (char *)"--debug-log=/l/%ID%/%ID%.log";
	env = (struct runsc_env){ .binary = script, .root = root,
		.flags = flags, .id = "c1", .bundle = dir,
		.create_timeout_ns = 5 * NS_PER_S,
		.start_timeout_ns = 5 * NS_PER_S,
		.command_timeout_ns = 300 * NS_PER_MS };
	env.bundle_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(loop_init(&e), 0);
	ck_assert_int_eq(child_init(NULL, &e), 0);
	if (!freopen("/dev/null", "w", stderr))
		abort();
	done_calls = 0;
}

static void
teardown(void)
{
	char cmd[96];

	child_close();
	loop_close();
	close(env.bundle_fd);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

/* As libc's, but for what shall live on. */
static bool unkillable;

int
kill(pid_t pid, int sig)
{
	return unkillable ? 0 : (int)syscall(SYS_kill, pid, sig);
}

/* -- what it reads -------------------------------------------------------- */

/* 13.16: the cause first, then what came of it; each once; and where there is
 * no room for all, the first and the last. */
START_TEST(errors)
{
	const char *log =
	    "{\"msg\":\"one\",\"level\":\"error\",\"time\":\"t\"}"
	    "{\"msg\":\"fine\",\"level\":\"info\"}\n"
	    "{\"msg\":\"one\",\"level\":\"error\"}"
	    "{\"msg\":\"two \\\"quoted\\\"\\n\",\"level\":\"error\"}";
	char msg[64];

	ck_assert_str_eq(runsc_errors(log, strlen(log), msg, sizeof(msg)),
	    "two \"quoted\"");
	ck_assert_str_eq(msg, "one; two \"quoted\"");
	/* Cut off in the middle: what was whole counts. */
	ck_assert_ptr_eq(runsc_errors(log, strlen(log) - 5, msg, sizeof(msg)),
	    msg);
	ck_assert_str_eq(msg, "one");
	ck_assert_ptr_null(runsc_errors("", 0, msg, sizeof(msg)));
	ck_assert_ptr_null(runsc_errors("nonsense", 8, msg, sizeof(msg)));
	ck_assert_ptr_null(runsc_errors("{\"level\":\"info\"}", 16, msg,
	    sizeof(msg)));
	ck_assert(runsc_errors(log, strlen(log), msg, 8) != NULL);
	ck_assert_str_eq(msg, "one; tw");
	/* The end of a log whose beginning did not fit, and a line of Go's. */
	log = "or\",\"time\":\"t\"}\n{\"msg\":\"three\",\"level\":\"error\"}\n"
	    "goroutine 1 [running]:\n{\"msg\":\"fine\",\"level\":\"info\"}";
	ck_assert(runsc_errors(log, strlen(log), msg, sizeof(msg)) != NULL);
	ck_assert_str_eq(msg, "three");
	log = "{\"msg\":\"the cause\",\"level\":\"error\"}"
	    "{\"msg\":\"what came of it, at length\",\"level\":\"error\"}"
	    "{\"msg\":\"the end\",\"level\":\"error\"}";
	ck_assert(runsc_errors(log, strlen(log), msg, 40) != NULL);
	ck_assert_str_eq(msg, "the cause; the end");
}
END_TEST

START_TEST(wait_and_ps)
{
	static const struct {
		const char *text;
		int status;		/* -1: refused */
	} t[] = {
		{ "{\"id\":\"c\",\"exitStatus\":7}\n", 7 },
		{ "{\"exitStatus\":137}", 137 },
		{ "{\"exitStatus\":256}", -1 },
		{ "{\"exitStatus\":-1}", -1 },
		{ "{\"exitStatus\":\"7\"}", -1 },
		{ "{\"id\":\"c\"}", -1 },
		{ "7", -1 }, { "", -1 }, { "{", -1 },
	};
	static const char *const none[] = { "[1,\"2\"]", "{}", "", "7" };
	static const char table[] = "UID       PID       PPID      C\n"
	    "0         1         0         0\n0         9         1   0\n"
	    "7         12        0         0";
	uint32_t *pids;
	unsigned status;
	size_t i, n;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ck_assert_msg(runsc_parse_wait(t[i].text, strlen(t[i].text),
		    &status) == (t[i].status >= 0), "%s", t[i].text);
		if (t[i].status >= 0)
			ck_assert_uint_eq(status, (unsigned)t[i].status);
	}
	pids = runsc_parse_ps("[1,7,12]", 8, &n);
	ck_assert(pids && n == 3 && pids[2] == 12);
	free(pids);
	pids = runsc_parse_ps("[]", 2, &n);
	ck_assert(pids && n == 0);
	free(pids);
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		ck_assert(!runsc_parse_ps(none[i], strlen(none[i]), &n));
	pids = runsc_parse_parentless(table, sizeof(table) - 1, &n);
	ck_assert(pids && n == 2 && pids[0] == 1 && pids[1] == 12);
	free(pids);
	ck_assert(!runsc_parse_parentless("[1]", 3, &n));
}
END_TEST

START_TEST(roots_and_state_files)
{
	static const char hex[] = "0123456789abcdef0123456789abcdef"
	    "0123456789abcdef0123456789abcdef";
	char other[64], own[160];
	char *p;

	p = runsc_root("/r", "ns", hex);
	ck_assert_str_eq(p, "/r/ns");
	free(p);
	p = runsc_root("/r", "ns", "web");
	ck_assert_str_eq(p, "/r/ns/web");
	free(p);
	ck_assert(runsc_exists(root, "c1"));
	ck_assert(!runsc_exists(root, "c"));
	ck_assert(!runsc_exists(root, "c12"));
	ck_assert(!runsc_exists("/nonexistent", "c1"));
	ck_assert(runsc_ambiguous(root, "c", other, sizeof(other)));
	ck_assert_str_eq(other, "c1");
	ck_assert(runsc_ambiguous(root, "c12", other, sizeof(other)));
	ck_assert(!runsc_ambiguous(root, "c1", other, sizeof(other)));
	ck_assert(!runsc_ambiguous(root, "d", other, sizeof(other)));
	/* Among others: only its own. */
	state_file("c1_sandbox:c1.lock");
	state_file("c12_sandbox:c12.state");
	runsc_forget(root, "ns", "c1");
	ck_assert(!runsc_exists(root, "c1"));
	ck_assert(runsc_exists(root, "c12"));
	/* A root of its own goes with all that is in it. */
	snprintf(own, sizeof(own), "%s/ns", root);
	mkdir(own, 0700);
	strcat(own, "/web");
	mkdir(own, 0700);
	strcat(own, "/some.sock");
	write_text(own, "");
	*strrchr(own, '/') = '\0';
	runsc_forget(own, "ns", "web");
	ck_assert_int_eq(access(own, F_OK), -1);
}
END_TEST

/* -- command lines -------------------------------------------------------- */

START_TEST(command_lines)
{
	struct err e;
	char want[512];

	play("echo done");
	ck_assert(runsc_kill(&env, 7, true, 15, on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert_int_eq(result.err.code, ERR_OK);
	ck_assert_str_eq(result_out, "done\n");
	snprintf(want, sizeof(want), "--root=%s\n", root);
	ck_assert(strstr(read_text(log_path), want) == read_text(log_path));
	ck_assert(strstr(read_text(log_path), "--log-format=json\n"
	    "--network=none\n--debug-log=/l/c1/c1.log\nkill\n--all\n--pid\n7\n"
	    "c1\n15\n") != NULL);
	ck_assert(runsc_delete(&env, true, on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert(strstr(read_text(log_path), "\ndelete\n--force\nc1\n"));
	env.log_directory = "/var/log/p";
	play("while [ $# -gt 0 ]; do case $1 in --pid-file) shift; "
	    "printf 4711 >$1;; esac; shift; done");
	ck_assert(runsc_create(&env, NULL, "/c.sock", on_done, NULL, &e));
	wait_done();
	ck_assert_int_eq(result.err.code, ERR_OK);
	ck_assert_int_eq(result.pid, 4711);
	ck_assert(strstr(read_text(log_path),
	    "--panic-log=/var/log/p/gvisor_panic.log\n"));
	snprintf(want, sizeof(want), "\ncreate\n--bundle\n%s\n--pid-file\n"
	    "%s/init.pid\n--console-socket\n/c.sock\n--user-log\n"
	    "/var/log/p/gvisor.log\nc1\n", dir, dir);
	ck_assert(strstr(read_text(log_path), want));
}
END_TEST

/* An exec's process comes by a memory file and its pids by files that do not
 * stay. */
START_TEST(exec_files)
{
	static const char process[] = "{\"args\":[\"x\"]}";
	char path[128];
	struct err e;

	snprintf(path, sizeof(path), "%s/process", dir);
	play("while [ $# -gt 0 ]; do case $1 in --pid-file) shift; "
	    "printf 12 >$1;; --internal-pid-file) shift; printf 3 >$1;; "
	    "--process) shift; cat $1 >${0%/*}/process;; esac; shift; done");
	ck_assert(runsc_exec(&env, NULL, NULL, process, sizeof(process) - 1,
	    0, on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert_int_eq(result.err.code, ERR_OK);
	ck_assert_int_eq(result.pid, 12);
	ck_assert_int_eq(result.internal_pid, 3);
	ck_assert_str_eq(read_text(path), process);
	/* The script and what it wrote; no pid file. */
	snprintf(path, sizeof(path), "test $(ls %s | wc -l) = 4", dir);
	ck_assert_int_eq(system(path), 0);
	/* It says that it worked, but there is no pid. */
	play("exit 0");
	ck_assert(runsc_exec(&env, NULL, NULL, process, sizeof(process) - 1,
	    0, on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert_int_eq(result.err.code, ERR_INTERNAL);
}
END_TEST

/* A memory file that cannot be written whole: a short write says why by no
 * errno. */
START_TEST(no_room_for_input)
{
	struct rlimit old, few;
	struct err e;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	few = (struct rlimit){ 1, old.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &few), 0);
	errno = 0;
	ck_assert(runsc_exec(&env, NULL, NULL, "{}", 2, 0, on_done, NULL, &e)
	    == NULL);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	ck_assert_int_eq(e.code, ERR_EXHAUSTED);
	ck_assert_str_eq(e.msg, "runsc exec: write its input to a memory file: "
	    "No space left on device");
	loop_turn(0);
	ck_assert_uint_eq(runsc_running(), 0);
}
END_TEST

/* A process with runsc's name for a sandbox, whose command line ends so. */
static pid_t
make_sandbox(const char *name, const char *last)
{
	pid_t pid = fork();
	char path[64], text[256] = "";
	FILE *f;

	if (pid == 0) {
		execlp("sh", name, "-c", "sleep 100; :", "boot", last,
		    (char *)NULL);
		_exit(127);
	}
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	while (!strstr(text, name)) {
		f = fopen(path, "r");
		ck_assert(f != NULL);
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
	}
	return pid;
}

/* 13.11: a state counts only while its sandbox lives, as itself. */
START_TEST(dead_states)
{
	static const struct {
		const char *name, *last, *text;
		bool alive;
	} kinds[] = {
		{ "runsc-sandbox", "s", "{\"sandbox\":{\"id\":\"s\","
		    "\"pid\":@}}", true },
		/* The number is another's: of another sandbox, of anything. */
		{ "runsc-sandbox", "s2", "{\"sandbox\":{\"id\":\"s\","
		    "\"pid\":@}}", false },
		{ "sleep", "s", "{\"sandbox\":{\"id\":\"s\",\"pid\":@}}",
		    false },
		{ "runsc-sandbox", "s", "{\"sandbox\":{\"id\":\"s\","
		    "\"pid\":2147483647}}", false },
		/* What a power cut leaves. */
		{ "runsc-sandbox", "s", "", false },
		{ "runsc-sandbox", "s", "{\"sandbox\":{\"id\":\"s\"", false },
		{ "runsc-sandbox", "s", "{}", false },
		{ "runsc-sandbox", "s", "{\"sandbox\":null}", false },
	};
	char path[512], text[128];
	size_t i;
	pid_t pid;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		pid = make_sandbox(kinds[i].name, kinds[i].last);
		snprintf(text, sizeof(text), "%.*s%d%s",
		    (int)strcspn(kinds[i].text, "@"), kinds[i].text, (int)pid,
		    strchr(kinds[i].text, '@') ? strchr(kinds[i].text, '@') + 1
		    : "");
		if (!strchr(kinds[i].text, '@'))
			snprintf(text, sizeof(text), "%s", kinds[i].text);
		snprintf(path, sizeof(path), "%s/c1_sandbox:s.state", root);
		write_text(path, text);
		ck_assert(runsc_exists(root, "c1"));
		ck_assert_msg(runsc_is_alive(root, "c1") == kinds[i].alive,
		    "%zu", i);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		ck_assert(!runsc_is_alive(root, "c1"));
	}
	ck_assert(!runsc_is_alive(root, "c2"));
	ck_assert(!runsc_is_alive("/no/such/directory", "c1"));
}
END_TEST

/* 13.15: a line before what is parsed. */
START_TEST(notices)
{
	static const char *const texts[][2] = {
		{ "warning: old\n{\"a\":1}\n", "{\"a\":1}\n" },
		{ "a\n\nb\n[1,2]", "[1,2]" }, { "[1]", "[1]" },
		{ "[WARN] old\n{x\n[1]\n", "[1]\n" },
		{ "", "" }, { "no such thing\n", "no such thing\n" },
		{ "x\nUID       PID\n", "UID       PID\n" },
		{ "say {\nmore", "say {\nmore" },
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_str_eq(runsc_skip_notices(texts[i][0]), texts[i][1]);
}
END_TEST

/* A command line in an error may be longer than the error can be: what was
 * tried and why it failed are told, in whole characters. */
START_TEST(long_errors)
{
	static const int lengths[] = { 300, 490, 500, 511, 512, 513, 1000, 5000,
		100000, 300000 };
	static char log[1400000];
	char msg[ERR_MSG_MAX], *p;
	size_t i;
	int k;

	for (i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++) {
		p = log + sprintf(log, "{\"msg\":\"executing ");
		for (k = 0; k < lengths[i / 2]; k++)
			p += sprintf(p, "%s", i % 2 ? "\xe2\x82\xac" : "x");
		p += sprintf(p, ": no such file\",\"level\":\"error\"}");
		ck_assert(runsc_errors(log, (size_t)(p - log), msg,
		    sizeof(msg)) != NULL);
		ck_assert_msg(strncmp(msg, "executing ", 10) == 0, "%s", msg);
		ck_assert_msg(strstr(msg, ": no such file") != NULL, "%s", msg);
		ck_assert(pb_is_utf8((struct pb_bytes){ (uint8_t *)msg,
		    strlen(msg) }));
		ck_assert_uint_le(strlen(msg), ERR_MSG_MAX / 2);
		ck_assert((strstr(msg, " ... ") != NULL) ==
		    ((size_t)(p - log) > 511 + sizeof("{'msg':'','level':"
		    "'error'}")));
	}
}
END_TEST

START_TEST(detach_is_refused)
{
	struct err e;

	state_file("detached_sandbox:detached.state");
	env.id = "detached";
	env.flags = NULL;
	ck_assert(runsc_exec(&env, NULL, NULL, "{}", 2, 0, on_done, NULL, &e)
	    == NULL);
	ck_assert_int_eq(e.code, ERR_INVALID);
	ck_assert(strstr(e.msg, "\"detach\": detached") != NULL);
	loop_turn(0);
	ck_assert_uint_eq(runsc_running(), 0);
}
END_TEST

START_TEST(failures)
{
	struct err e;

	play("printf '{\"msg\":\"said in the log\",\"level\":\"error\"}' "
	    ">>$log; echo on stderr >&2; exit 128");
	ck_assert(runsc_simple(&env, "pause", on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert_int_eq(result.err.code, ERR_UNKNOWN);
	ck_assert_str_eq(result.err.msg, "said in the log");
	ck_assert(!result.gone);
	play("echo on stderr >&2; exit 128");
	ck_assert(runsc_simple(&env, "pause", on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert_str_eq(result.err.msg, "on stderr");
	play("exit 3");
	ck_assert(runsc_simple(&env, "pause", on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert_str_eq(result.err.msg,
	    "runsc pause ended with exit status 3");
	play("kill -9 $$");
	ck_assert(runsc_simple(&env, "pause", on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert_str_eq(result.err.msg,
	    "runsc pause was killed by signal 9");
	play("printf '{\"msg\":\"sandbox is not running\",\"level\":\"error\"}'"
	    " >>$log; exit 128");
	ck_assert(runsc_simple(&env, "ps", on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert(result.gone);
	/* No such program. */
	env.binary = "/nonexistent/runsc";
	ck_assert(runsc_simple(&env, "ps", on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert_int_eq(result.err.code, ERR_NOT_FOUND);
	ck_assert_str_eq(result.err.msg,
	    "run /nonexistent/runsc: No such file or directory");
	/* No such container: runsc is not even asked. */
	env.id = "c";
	ck_assert(runsc_simple(&env, "ps", on_done, NULL, &e) != NULL);
	ck_assert_int_eq(done_calls, 0);
	wait_done();
	ck_assert(result.gone);
}
END_TEST

START_TEST(hangs_and_floods)
{
	struct err e;

	play("exec sleep 100");
	ck_assert(runsc_simple(&env, "pause", on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert_int_eq(result.err.code, ERR_DEADLINE);
	/* Output without end is cut. */
	env.command_timeout_ns = 5 * NS_PER_S;
	play("head -c 10000000 /dev/zero | tr '\\\\0' x; exit 1");
	ck_assert(runsc_simple(&env, "ps", on_done, NULL, &e) != NULL);
	wait_done();
	ck_assert_uint_le(result.outlen, 256u << 10);
	ck_assert_uint_gt(result.outlen, 100000);
}
END_TEST

/* A runsc that SIGKILL does not end: who asked is told all the same, and it is
 * reaped, once, when it does end. */
START_TEST(does_not_die)
{
	struct err e;

	play("trap '' TERM; exec sleep 3");
	unkillable = true;
	ck_assert(runsc_simple(&env, "pause", on_done, NULL, &e) != NULL);
	turn_until(done_calls);
	ck_assert_int_eq(result.err.code, ERR_DEADLINE);
	ck_assert_uint_eq(runsc_running(), 1);
	turn_until(runsc_running() == 0);
	ck_assert_int_eq(done_calls, 1);
	unkillable = false;
}
END_TEST

START_TEST(cancel)
{
	struct runsc_cmd *cmd;
	struct err e;

	play("exec sleep 100");
	cmd = runsc_simple(&env, "pause", on_done, NULL, &e);
	ck_assert(cmd != NULL);
	runsc_cancel(cmd);
	turn_until(runsc_running() == 0);
	ck_assert_int_eq(done_calls, 0);
	/* One that was never started. */
	env.id = "nobody";
	cmd = runsc_simple(&env, "pause", on_done, NULL, &e);
	runsc_cancel(cmd);
	loop_turn(0);
	ck_assert_int_eq(done_calls, 0);
	ck_assert_uint_eq(runsc_running(), 0);
	runsc_cancel(NULL);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, errors, wait_and_ps, roots_and_state_files,
	    command_lines, exec_files, no_room_for_input, long_errors,
	    detach_is_refused, dead_states, notices, failures,
	    hangs_and_floods, does_not_die, cancel);
}

int
main(void)
{
	return suite_run("runsc", setup, teardown, add);
}
