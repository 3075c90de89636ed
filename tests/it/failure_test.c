/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failure_test: the failure model of the real binary, against the fake runsc:
 * each deadline at its own setting, each method's own timeout, deletes in each
 * state, floods, a `start` that is killed on its way; what is written where.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
#include <fcntl.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire/pb.h"
#include "client.h"
#include "host.h"

#define TASK "containerd.task.v2.Task"
#define SANDBOX "containerd.runtime.sandbox.v1.Sandbox"
#define RESOURCES_TYPE "types.containerd.io/opencontainers/runtime-spec/1/" \
	"LinuxResources"
#define SECRET "correct-horse-battery-staple"
#define SHORT_NS 100000000	/* a request's own timeout */

static long long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* A request of {1 id, 2 exec_id}. */
static uint32_t
send_call(const char *service, const char *method, const char *id,
    const char *exec_id, int64_t timeout_ns)
{
	uint8_t buf[256];
	struct pb_out o;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, id);
	pb_put_str(&o, 2, exec_id);
	return client_send_full(c, service, method, o.p, o.len, timeout_ns);
}

static int
reply_of(uint32_t stream)
{
	static struct reply r;

	ck_assert_msg(client_recv(c, stream, &r, CLIENT_WAIT_MS), "no reply");
	snprintf(client_error, sizeof(client_error), "%s", r.msg);
	return r.code;
}

/* Does the last error begin so? */
static bool
said(const char *text)
{
	return strncmp(client_error, text, strlen(text)) == 0;
}

static void
state_is(const char *id, const char *exec_id, unsigned status)
{
	struct task_reply t;

	ck_assert_msg(task_state(c, id, exec_id, &t) == 0, "%s", client_error);
	ck_assert_uint_eq(t.status, status);
}

/* -- the deadlines of runsc commands -------------------------------------- */

static int
do_create(void)
{
	return create("c1", "\"hang\"", "");
}

static int
do_start(void)
{
	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	return task_start(c, "c1", "", NULL);
}

static int
do_exec(void)
{
	run("c1", "\"hang\"");
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"hang\""), "", "",
	    "", false), 0);
	return task_start(c, "c1", "e1", NULL);
}

static int
do_kill(void)
{
	run("c1", "\"hang\"");
	return task_kill(c, "c1", "", SIGTERM, false);
}

static int
do_pause(void)
{
	run("c1", "\"hang\"");
	return task_simple(c, "Pause", "c1");
}

static int
do_resume(void)
{
	run("c1", "\"hang\"");
	ck_assert_int_eq(task_simple(c, "Pause", "c1"), 0);
	return task_simple(c, "Resume", "c1");
}

static int
do_stats(void)
{
	run("c1", "\"hang\"");
	return task_simple(c, "Stats", "c1");
}

static int
do_update(void)
{
	run("c1", "\"hang\"");
	return task_update(c, "c1", "{}");
}

static int
do_checkpoint(void)
{
	run("c1", "\"hang\"");
	return task_checkpoint(c, "c1", in_dir("image"), false);
}

static const struct {
	const char *rule;
	const char *setting;	/* its own: 1 s; the others stay long */
	int (*ask)(void);
	const char *verb;
	unsigned state;		/* of c1 afterwards; 0: there is none */
	const char *exec_id;	/* "": of c1 itself */
} deadlines[] = {
	{ "create:hang", "create_timeout = 1\n", do_create, "create", 0, "" },
	{ "start:hang", "start_timeout = 1\n", do_start, "start", STOPPED,
	    "" },
	{ "exec:hang", "start_timeout = 1\n", do_exec, "exec", STOPPED, "e1" },
	{ "kill:hang#1", "command_timeout = 1\ncontrol_socket = \"off\"\n",
	    do_kill, "kill", RUNNING, "" },
	{ "pause:hang", "command_timeout = 1\n", do_pause, "pause", RUNNING,
	    "" },
	{ "resume:hang#1", "command_timeout = 1\n", do_resume, "resume",
	    PAUSED, "" },
	{ "events:hang", "command_timeout = 1\ncontrol_socket = \"off\"\n",
	    do_stats, "events", RUNNING, "" },
	{ "update:hang", "command_timeout = 1\n", do_update, "update",
	    RUNNING, "" },
	{ "checkpoint:hang", "create_timeout = 1\n", do_checkpoint,
	    "checkpoint", RUNNING, "" },
};

START_TEST(deadline)
{
	struct task_reply t;
	char text[64];
	long long t0;

	write_toml(deadlines[_i].setting);
	faults(deadlines[_i].rule);
	t0 = now_ms();
	ck_assert_int_eq(deadlines[_i].ask(), DEADLINE);
	ck_assert_int_ge(now_ms() - t0, 900);
	snprintf(text, sizeof(text), "runsc %s did not answer within 1 s",
	    deadlines[_i].verb);
	ck_assert_msg(strstr(client_error, text) && strstr(client_error, "c1"),
	    "%s", client_error);
	if (!deadlines[_i].state) {
		ck_assert_int_eq(task_state(c, "c1", "", &t), NOT_FOUND);
	} else {
		state_is("c1", deadlines[_i].exec_id, deadlines[_i].state);
		if (deadlines[_i].exec_id[0])
			ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
		remove_container("c1");
	}
	shut_down();
}
END_TEST

/* What has no deadline, or answers all the same. */
START_TEST(no_deadline)
{
	struct task_reply t;
	uint32_t wait;

	write_toml("command_timeout = 1\ncontrol_socket = \"off\"\n");
	faults("ps:hang;delete:hang");
	run("c1", held("\"exit:3\""));
	wait = task_wait_send(c, "c1", "");
	/* From memory, rather than not. */
	ck_assert_int_eq(task_pids(c, "c1", &t), 0);
	ck_assert_uint_eq(t.npids, 1);
	/* A Wait is for as long as it takes: longer than that. */
	let_go();
	ck_assert_int_eq(task_wait_recv(c, wait, &t), 0);
	ck_assert_uint_eq(t.exit_status, 3);
	/* And a Delete ends, even if neither of runsc's does. */
	ck_assert_int_eq(task_delete(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 3);
	ck_assert_int_eq(task_state(c, "c1", "", &t), NOT_FOUND);
	shut_down();
}
END_TEST

/* -- a request's own timeout ---------------------------------------------- */

static const struct {
	const char *service, *method;
	const char *rule;
	unsigned from;		/* state that c1 is in */
} timed[] = {
	{ TASK, "Start", "start:hang", CREATED },
	{ TASK, "Wait", "", RUNNING },
	{ TASK, "Pids", "ps:hang", RUNNING },
	{ TASK, "Pause", "pause:hang", RUNNING },
	{ TASK, "Resume", "resume:hang#1", PAUSED },
	{ TASK, "Checkpoint", "checkpoint:hang", RUNNING },
	{ TASK, "Kill", "kill:hang#1", RUNNING },
	{ TASK, "Update", "update:hang", RUNNING },
	{ TASK, "Stats", "events:hang", RUNNING },
	{ TASK, "Delete", "delete:hang#1", STOPPED },
	{ SANDBOX, "StartSandbox", "start:hang", CREATED },
	{ SANDBOX, "WaitSandbox", "", RUNNING },
	{ SANDBOX, "StopSandbox", "kill:hang#1", RUNNING },
};

START_TEST(own_timeout)
{
	unsigned from = timed[_i].from;
	uint8_t buf[512];
	struct pb_out o;
	long long t0;

	write_toml("start_timeout = 1\ncommand_timeout = 1\n"
	    "create_timeout = 1\ncontrol_socket = \"off\"\n");
	if (from == CREATED)
		ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	else
		run("c1", from == STOPPED ? "\"exit:0\"" : "\"hang\"");
	if (from == PAUSED)
		ck_assert_int_eq(task_simple(c, "Pause", "c1"), 0);
	if (from == STOPPED)
		ck_assert_int_eq(task_wait(c, "c1", "", NULL), 0);
	faults(timed[_i].rule);
	t0 = now_ms();
	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, "c1");
	if (strcmp(timed[_i].method, "Checkpoint") == 0)
		pb_put_str(&o, 2, in_dir("image"));
	else if (strcmp(timed[_i].method, "Update") == 0)
		pb_put_any(&o, 2, RESOURCES_TYPE, (const uint8_t *)"{}", 2);
	else if (strcmp(timed[_i].method, "Kill") == 0)
		pb_put_uint(&o, 3, SIGTERM);
	ck_assert_int_eq(reply_of(client_send_full(c, timed[_i].service,
	    timed[_i].method, o.p, o.len, SHORT_NS)), DEADLINE);
	ck_assert_str_eq(client_error, "context deadline exceeded");
	ck_assert_int_ge(now_ms() - t0, 90);
	/* What was begun comes to its end, and nothing is held up by it. */
	if (from == STOPPED) {
		await(task_state(c, "c1", "", NULL) != 0);
	} else {
		task_kill(c, "c1", "", SIGKILL, true);
		ck_assert_int_eq(task_wait(c, "c1", "", NULL), 0);
		ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	}
	shut_down();
}
END_TEST

/* Why an exec did not start is told at once, whatever runsc has printed beside
 * it: who asked may read that only when it has the answer (the CRI). */
START_TEST(failed_start_waits_for_no_reader)
{
	struct reply r;
	uint32_t stream;
	int fd;

	run("c1", "\"hang\"");
	ck_assert_int_eq(mkfifo(in_dir("err"), 0600), 0);
	fd = open(in_dir("err"), O_RDONLY | O_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	faults("exec:big=70000;exec:fail=no such file");
	ck_assert_int_eq(task_exec(c, "c1", "e", PROCESS("\"hang\""), "", "",
	    in_dir("err"), false), 0);
	stream = send_call("containerd.task.v2.Task", "Start", "c1", "e", 3000000000);
	ck_assert(client_recv(c, stream, &r, CLIENT_WAIT_MS));
	ck_assert_msg(strstr(r.msg, "no such file") != NULL, "%s", r.msg);
	ck_assert_int_eq(task_delete(c, "c1", "e", NULL), 0);
	close(fd);
	faults("");
	remove_container("c1");
	shut_down();
}
END_TEST

/* Nothing comes into a pod that is paused, or about to be; and with others in it
 * nothing of it is paused. */
START_TEST(pause_of_a_pod)
{
	static const char notes[] = "\"io.kubernetes.cri.container-type\":"
	    "\"container\",\"io.kubernetes.cri.sandbox-id\":\"pod\"";
	struct create_args a = { .id = "k", .in = "", .out = "", .err = "",
		.config_path = toml };
	uint32_t stream;
	struct reply r;

	run("pod", "\"hang\"");
	a.bundle = make_bundle("k", "\"hang\"", notes, false);
	faults("pause:delay=300");
	stream = send_call("containerd.task.v2.Task", "Pause", "pod", "", 0);
	ck_assert_int_eq(task_create(c, &a, NULL), 9);
	ck_assert_ptr_nonnull(strstr(client_error, "is paused"));
	ck_assert(client_recv(c, stream, &r, CLIENT_WAIT_MS));
	ck_assert_int_eq(r.code, 0);
	ck_assert_int_eq(task_create(c, &a, NULL), 9);
	ck_assert_int_eq(task_simple(c, "Resume", "pod"), 0);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, "k", "", NULL), 0);
	ck_assert_int_eq(task_simple(c, "Pause", "pod"), 9);
	ck_assert_int_eq(task_simple(c, "Pause", "k"), 9);
	ck_assert_ptr_nonnull(strstr(client_error, "whole sandbox"));
	faults("");
	remove_container("k");
	remove_container("pod");
	shut_down();
}
END_TEST

START_TEST(own_timeout_of_create)
{
	uint8_t buf[512];
	struct pb_out o;
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	uint32_t s;

	start_shim("c1", bundle);
	faults("create:hang");
	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, "c1");
	pb_put_str(&o, 2, bundle);
	s = client_send_full(c, TASK, "Create", o.p, o.len, SHORT_NS);
	ck_assert_int_eq(reply_of(s), DEADLINE);
	/* As containerd does then. */
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), NOT_FOUND);
	ck_assert_int_eq(task_state(c, "c1", "", NULL), NOT_FOUND);
	shut_down();
}
END_TEST

/* What waits behind another when its caller's time is up is not done. */
START_TEST(late_is_not_done)
{
	uint32_t p;

	run("c1", "\"hang\"");
	faults("pause:delay=600");
	p = send_call(TASK, "Pause", "c1", "", 0);
	ck_assert_int_eq(reply_of(send_call(TASK, "Resume", "c1", "",
	    SHORT_NS)), DEADLINE);
	ck_assert_int_eq(reply_of(p), 0);
	/* What waits is begun as soon as what it waits for has ended. */
	state_is("c1", "", PAUSED);
	ck_assert_uint_eq(calls_of(" resume "), 0);
	ck_assert_int_eq(task_simple(c, "Resume", "c1"), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

/* -- delete --------------------------------------------------------------- */

/* Two Deletes at once: one deletes, the other finds nothing. */
static void
delete_twice(const char *id, const char *exec_id)
{
	uint32_t a = send_call(TASK, "Delete", id, exec_id, 0);
	uint32_t b = send_call(TASK, "Delete", id, exec_id, 0);

	ck_assert_msg(reply_of(a) == 0, "%s", client_error);
	ck_assert_int_eq(reply_of(b), NOT_FOUND);
	ck_assert_msg(strstr(client_error, exec_id[0] ? exec_id : id) != NULL,
	    "%s", client_error);
	ck_assert_int_eq(task_delete(c, id, exec_id, NULL), NOT_FOUND);
}

START_TEST(delete_in_each_state)
{
	uint32_t s;
	struct task_reply t;

	run("main", "\"hang\"");
	/* Created. */
	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	delete_twice("c1", "");
	/* Being started. */
	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	faults("start:delay=300");
	s = send_call(TASK, "Start", "c1", "", 0);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), PRECONDITION);
	ck_assert_int_eq(reply_of(s), 0);
	faults("");
	/* Running, paused: refused, and nothing is lost. */
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), PRECONDITION);
	ck_assert(said("c1: cannot delete a running container"));
	ck_assert_int_eq(task_simple(c, "Pause", "c1"), 0);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), PRECONDITION);
	ck_assert(said("c1: cannot delete a paused container"));
	ck_assert_int_eq(task_simple(c, "Resume", "c1"), 0);
	/* Execs: created, running, stopped. */
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"hang\""), "", "",
	    "", false), 0);
	delete_twice("c1", "e1");
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"hang\""), "", "",
	    "", false), 0);
	ck_assert_int_eq(task_start(c, "c1", "e1", NULL), 0);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), PRECONDITION);
	ck_assert_int_eq(task_kill(c, "c1", "e1", SIGKILL, false), 0);
	ck_assert_int_eq(task_wait(c, "c1", "e1", &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	delete_twice("c1", "e1");
	/* Stopped, with an exec that nobody has deleted. */
	ck_assert_int_eq(task_exec(c, "c1", "e2", PROCESS("\"hang\""), "", "",
	    "", false), 0);
	ck_assert_int_eq(task_start(c, "c1", "e2", NULL), 0);
	ck_assert_int_eq(task_kill(c, "c1", "", SIGKILL, false), 0);
	ck_assert_int_eq(task_wait(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	delete_twice("c1", "");
	/* Its start failed. */
	faults("start:fail=no");
	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	ck_assert_int_ne(task_start(c, "c1", "", NULL), 0);
	delete_twice("c1", "");
	faults("");
	remove_container("main");
	shut_down();
}
END_TEST

START_TEST(delete_while_creating)
{
	uint8_t buf[512];
	struct pb_out o;
	uint32_t create_s, a, b;

	run("main", "\"hang\"");
	faults("create:hang");
	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, "c1");
	pb_put_str(&o, 2, make_bundle("c1", "\"hang\"", "", false));
	create_s = client_send(c, "Create", o.p, o.len);
	await(calls_of(" create ") == 2);
	a = send_call(TASK, "Delete", "c1", "", 0);
	b = send_call(TASK, "Delete", "c1", "", 0);
	ck_assert_int_eq(reply_of(create_s), CANCELED);
	ck_assert_int_eq(reply_of(a), NOT_FOUND);
	ck_assert_int_eq(reply_of(b), NOT_FOUND);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), NOT_FOUND);
	faults("");
	remove_container("main");
	shut_down();
}
END_TEST

/* -- floods --------------------------------------------------------------- */

static long
rss_kib(int pid)
{
	char path[64], *p;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	p = strstr(read_text(path), "VmRSS:");
	ck_assert(p != NULL);
	return atol(p + 6);
}

/* A client that asks and asks while runsc does not answer (kubelet's stats):
 * refused, and it costs nothing. */
START_TEST(fifty_thousand_stats)
{
	unsigned i, refused = 0, fds;
	uint32_t first = 0, s;
	int pid;
	long rss;

	run("c1", "\"hang\"");
	pid = daemon_pid();
	faults("socket@Event:fail=no;events:hang");
	for (i = 0; i < 1024; i++) {	/* they share one answer */
		s = send_call(TASK, "Stats", "c1", "", 0);
		first = i ? first : s;
	}
	ck_assert_int_eq(task_state(c, "c1", "", NULL), 0);
	rss = rss_kib(pid);
	fds = count_fds(pid);
	for (i = 0; i < 50000; i++)
		refused += reply_of(send_call(TASK, "Stats", "c1", "",
		    0)) == EXHAUSTED;
	ck_assert_uint_eq(refused, 50000);
	ck_assert_msg(strstr(client_error, "c1: ") != NULL, "%s",
	    client_error);
	ck_assert_uint_eq(calls_of(" events "), 1);
	/* ASAN keeps what was freed for a while. */
#ifndef __SANITIZE_ADDRESS__
	ck_assert_int_le(rss_kib(pid), rss + 64);
#else
	(void)rss;
#endif
	ck_assert_uint_eq(count_fds(pid), fds);
	state_is("c1", "", RUNNING);
	remove_container("c1");
	/* With the container they are answered. */
	ck_assert_int_eq(reply_of(first), NOT_FOUND);
	shut_down();
}
END_TEST

START_TEST(as_many_execs_as_there_may_be)
{
	char id[16];
	unsigned i;

	run("c1", "\"hang\"");
	for (i = 0; i < 1024; i++) {
		snprintf(id, sizeof(id), "e%u", i);
		ck_assert_int_eq(task_exec(c, "c1", id, PROCESS("\"exit:4\""),
		    "", "", "", false), 0);
	}
	ck_assert_int_eq(task_exec(c, "c1", "x", PROCESS("\"exit:4\""), "",
	    "", "", false), EXHAUSTED);
	ck_assert(said("container c1: 1024 execs exist already"));
	/* The last one works, and its place can be had again. */
	ck_assert_int_eq(task_start(c, "c1", id, NULL), 0);
	ck_assert_int_eq(task_wait(c, "c1", id, NULL), 0);
	ck_assert_int_eq(task_delete(c, "c1", id, NULL), 0);
	ck_assert_int_eq(task_exec(c, "c1", "x", PROCESS("\"exit:4\""), "",
	    "", "", false), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

/* Stops whose callers leave before the end do not add up. */
START_TEST(stops_are_given_up)
{
	uint32_t s[16];
	unsigned i, k;

	run("c1", "\"hang\"");
	/* A signal that is taken and does nothing. */
	faults("socket@Signal:raw={\"success\":true,\"err\":\"\","
	    "\"result\":null}");
	for (i = 0; i < 20; i++) {
		for (k = 0; k < 16; k++)
			s[k] = send_call(SANDBOX, "StopSandbox", "c1", "",
			    20000000);
		for (k = 0; k < 16; k++)
			ck_assert_int_eq(reply_of(s[k]), DEADLINE);
	}
	faults("");
	ck_assert_int_eq(reply_of(send_call(SANDBOX, "StopSandbox", "c1", "",
	    0)), 0);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

/* -- what runsc leaves out ------------------------------------------------ */

/* Without its own pid there, a signal for the exec would be init's. */
START_TEST(exec_without_a_pid)
{
	static const char *const rules[] = {
		"detached:no-inner-pid", "exec:no-pid;detached:no-pid",
	};
	unsigned before;

	faults(rules[_i]);
	run("c1", "\"hang\"");
	before = count_processes();
	ck_assert_int_eq(task_exec(c, "c1", "e1", _i == 0 ?
	    PROCESS("\"hang\"") : PROCESS("\"exit:0\""), "", "", "", false),
	    0);
	ck_assert_int_eq(task_start(c, "c1", "e1", NULL), INTERNAL);
	ck_assert_msg(said("c1/e1: "), "%s", client_error);
	state_is("c1", "e1", STOPPED);
	state_is("c1", "", RUNNING);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	processes_become(before);
	remove_container("c1");
	shut_down();
}
END_TEST

/* -- files ---------------------------------------------------------------- */

static const char *found;
static unsigned seen;
static char found_path[256];

static int
look(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	char text[65536];
	size_t n;
	FILE *f;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	f = fopen(path, "r");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	if (memmem(text, n, found, strlen(found)))
		snprintf(found_path, sizeof(found_path), "%s", path);
	return 0;
}

/* An exec's environment is in no file, and not in the log. */
START_TEST(secrets_of_an_exec)
{
	static const char *const process = "{\"args\":[\"fake\",\"hang\"],"
	    "\"cwd\":\"/\",\"env\":[\"PASSWORD=" SECRET "\"]}";

	write_toml("log_level = \"debug\"\n");
	run("c1", "\"hang\"");
	ck_assert_int_eq(task_exec(c, "c1", "e1", process, "", "", "", false),
	    0);
	ck_assert_int_eq(task_start(c, "c1", "e1", NULL), 0);
	ck_assert_int_eq(task_exec(c, "c1", "e2", process, "", "", "", false),
	    0);
	kill(daemon_pid(), SIGUSR1);
	ck_assert_int_eq(task_state(c, "c1", "e2", NULL), 0);
	found = SECRET;
	ck_assert_int_eq(nftw(dir, look, 16, FTW_PHYS), 0);
	ck_assert_msg(!found_path[0], "in %s", found_path);
	/* The search finds what is there. */
	found = "\"ociVersion\"";
	ck_assert_int_eq(nftw(dir, look, 16, FTW_PHYS), 0);
	ck_assert_msg(found_path[0], "nothing finds anything");
	remove_container("c1");
	shut_down();
}
END_TEST

/* What the shim makes is for root alone. */
static int
private(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + ftw->base;

	(void)type;
	if (!S_ISSOCK(st->st_mode) && strcmp(name, "state.json") != 0 &&
	    strcmp(name, "address") != 0 && strcmp(name, "shim.pid") != 0)
		return 0;
	seen++;
	if (st->st_mode & 077)
		snprintf(found_path, sizeof(found_path), "%s: %o", path,
		    st->st_mode);
	return 0;
}

START_TEST(modes)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	struct stat st;

	/* A link where the shim is going to write is not followed. */
	write_text(in_dir("victim"), "untouched");
	ck_assert_int_eq(symlink(in_dir("victim"), in_dir("b/c1/state.json")),
	    0);
	ck_assert_int_eq(symlink(in_dir("victim"), in_dir("b/c1/init.pid")),
	    0);
	umask(0);
	start_shim("c1", bundle);
	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	ck_assert_str_eq(read_text(in_dir("victim")), "untouched");
	ck_assert_int_eq(lstat(in_dir("b/c1/state.json"), &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	ck_assert_int_eq(nftw(in_dir("b"), private, 16, FTW_PHYS), 0);
	ck_assert_int_eq(nftw(in_dir("s"), private, 16, FTW_PHYS), 0);
	ck_assert_msg(!found_path[0], "%s", found_path);
	ck_assert_uint_ge(seen, 4);
	remove_container("c1");
	shut_down();
}
END_TEST

/* -- the verb `delete`, when the shim has been killed ---------------------- */

START_TEST(delete_verb)
{
	char out[256];
	size_t n;
	int pid, k;

	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	if (_i > 0)
		ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	if (_i == 1)
		ck_assert_int_eq(task_simple(c, "Pause", "c1"), 0);
	pid = daemon_pid();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	client_close(c);
	c = NULL;
	/* What Create has saved is unreadable, or gone: no state of runsc is
	 * found, yet nothing goes on running. */
	if (_i == 2)
		write_text(in_dir("b/c1/state.json"), "{\"rootfs\":");
	if (_i == 3)
		unlink(in_dir("b/c1/state.json"));
	if (_i == 4)
		unlink(in_dir("b/c1/config.json"));
	for (k = 0; k < 2; k++) {
		ck_assert_int_eq(run_verb(in_dir("b/c1"), "c1", "delete", out,
		    sizeof(out), &n), 0);
		/* DeleteResponse: field 2, 137. */
		ck_assert_msg(memmem(out, n, "\x10\x89\x01", 3) != NULL,
		    "no status 137");
		ck_assert(access(address, F_OK) < 0);
		processes_become(0);
	}
	if (_i < 2 || _i == 4)
		ck_assert_msg(access(in_dir("root/ns/c1"), F_OK) < 0,
		    "runsc's state is left");
}
END_TEST

/* -- start, killed on its way --------------------------------------------- */

START_TEST(start_killed)
{
	char out[256], cmd[300];
	int step;
	size_t n;
	pid_t pid;

	for (step = 0; step < 40; step++) {
		char *bundle = make_bundle("c1", "\"hang\"", "", false);

		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			setpgid(0, 0);
			run_verb(bundle, "c1", "start", out, sizeof(out),
			    NULL);
			_exit(0);
		}
		usleep((useconds_t)(step * 250));
		/* Both the verb and who runs it, as with a host's OOM. */
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		/* The verb, too, which is ours then: it may be in bind(2). */
		while (waitpid(-pid, NULL, 0) > 0)
			;
		/* What containerd does when start has failed. */
		ck_assert_int_eq(run_verb(bundle, "c1", "delete", out,
		    sizeof(out), &n), 0);
		snprintf(cmd, sizeof(cmd), "rm -rf %s", bundle);
		ck_assert_int_eq(system(cmd), 0);
		processes_become(0);
		snprintf(cmd, sizeof(cmd), "test -z \"$(find %s -type s)\"",
		    in_dir("s"));
		ck_assert_msg(access(in_dir("s"), F_OK) < 0 ||
		    system(cmd) == 0, "step %d: a socket is left", step);
	}
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, no_deadline, own_timeout_of_create,
	    failed_start_waits_for_no_reader, pause_of_a_pod, late_is_not_done,
	    delete_in_each_state, delete_while_creating, fifty_thousand_stats,
	    as_many_execs_as_there_may_be, stops_are_given_up,
	    secrets_of_an_exec, modes, start_killed);
	tcase_add_loop_test(tc, deadline, 0,
	    sizeof(deadlines) / sizeof(deadlines[0]));
	tcase_add_loop_test(tc, own_timeout, 0,
	    sizeof(timed) / sizeof(timed[0]));
	tcase_add_loop_test(tc, exec_without_a_pid, 0, 2);
	tcase_add_loop_test(tc, delete_verb, 0, 5);
}

int
main(void)
{
	return host_run("failure", add);
}
