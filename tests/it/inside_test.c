/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside_test: execs that the sandbox starts itself, well and badly; and
 * statistics that it gives.  The real binary, the fake runsc.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/loop.h"
#include "host.h"
#include "wire/pb.h"

#define CANCELED 1
#define DEADLINE 4
#define INSIDE(words) "{\"args\":[\"fake\"," words "],\"cwd\":\"/\"," \
	"\"env\":[\"A=b\"],\"user\":{\"uid\":0,\"gid\":0}}"
#define NAME "shim-runsc-exec"

static int
start(const char *exec_id, const char *process, struct task_reply *t)
{
	ck_assert_msg(task_exec(c, "c1", exec_id, process, "", "", "",
	    false) == 0, "%s", client_error);
	return task_start(c, "c1", exec_id, t);
}

static uint32_t
send_for(const char *method, const char *exec_id)
{
	uint8_t buf[64];
	struct pb_out o;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, "c1");
	pb_put_str(&o, 2, exec_id);
	return client_send(c, method, o.p, o.len);
}

/* How often exec was run, by runsc. */
static unsigned
execs(void)
{
	return calls_of(" exec ");
}

static bool
is_named(int pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	return strcmp(read_text(path), NAME "\n") == 0;
}

static void
ends(const char *exec_id, unsigned status)
{
	struct task_reply t;

	ck_assert_msg(task_wait(c, "c1", exec_id, &t) == 0, "%s for %u: %s",
	    exec_id, status, client_error);
	ck_assert_uint_eq(t.exit_status, status);
	ck_assert_int_eq(task_delete(c, "c1", exec_id, &t), 0);
	ck_assert_uint_eq(t.exit_status, status);
}

/* The processes in the sandbox. */
static unsigned
inside(void)
{
	struct task_reply t;

	ck_assert_int_eq(task_pids(c, "c1", &t), 0);
	return (unsigned)t.npids;
}

static void
end_all(void)
{
	faults("");
	remove_container("c1");
	shut_down();
}

START_TEST(statuses)
{
	static const struct {
		const char *process;
		unsigned status;
	} rows[] = {
		{ INSIDE("\"exit:0\""), 0 }, { INSIDE("\"exit:5\""), 5 },
		{ INSIDE("\"exit:128\""), 128 },
		{ INSIDE("\"exit:255\""), 255 },
		{ INSIDE("\"kill:9\""), 137 }, { INSIDE("\"kill:15\""), 143 },
	};
	unsigned fds;
	size_t i;

	run("c1", "\"hang\"");
	ck_assert_int_eq(start("e", rows[0].process, NULL), 0);
	ends("e", 0);
	fds = count_fds(daemon_pid());
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(start("e", rows[i].process, NULL), 0);
		ends("e", rows[i].status);
	}
	await(count_fds(daemon_pid()) == fds);
	ck_assert_uint_eq(execs(), 0);
	end_all();
}
END_TEST

/* A pid of its own, with a name; killed from outside, the process inside goes
 * too. */
START_TEST(stand_in)
{
	struct task_reply t;
	unsigned before;

	run("c1", "\"hang\"");
	before = inside();
	ck_assert_int_eq(start("e1", INSIDE("\"hang\""), &t), 0);
	await(is_named((int)t.pid));
	ck_assert_uint_eq(inside(), before + 1);
	kill((pid_t)t.pid, SIGKILL);
	ends("e1", 137);
	await(inside() == before);
	ck_assert_int_eq(start("e2", INSIDE("\"hang\""), &t), 0);
	ck_assert_int_eq(task_kill(c, "c1", "e2", SIGTERM, false), 0);
	ends("e2", 143);
	await(inside() == before);
	end_all();
}
END_TEST

/* One that is stopped does not hold back what is known. */
START_TEST(stopped)
{
	struct task_reply t;
	char process[512];

	run("c1", "\"hang\"");
	snprintf(process, sizeof(process), "{\"args\":[\"fake\",%s],\"cwd\":"
	    "\"/\",\"env\":[],\"user\":{\"uid\":0,\"gid\":0}}",
	    held("\"exit:7\""));
	ck_assert_int_eq(start("e1", process, &t), 0);
	await(is_named((int)t.pid));
	kill((pid_t)t.pid, SIGSTOP);
	let_go();
	ends("e1", 7);
	await(kill((pid_t)t.pid, 0) < 0);
	ck_assert_uint_eq(execs(), 0);
	end_all();
}
END_TEST

/* What the sandbox answers; then runsc does it, or nobody. */
static const struct {
	const char *rule;
	const char *setting;
	int code;		/* of Start; -1: any but 0 */
	unsigned runsc;		/* execs that it ran */
	unsigned left;		/* processes inside that nobody owns */
} odd[] = {
	/* Before anything is started. */
	{ "socket@Knows:hang", "command_timeout = 1\n", 0, 1, 0 },
	{ "socket@Knows:close", "", 0, 1, 0 },
	{ "socket@Knows:half", "command_timeout = 1\n", 0, 1, 0 },
	{ "socket@Knows:huge", "", 0, 1, 0 },
	{ "socket@Knows:raw=[[[[", "command_timeout = 1\n", 0, 1, 0 },
	{ "socket@Knows:raw={\"success\":true,\"result\":1}", "", 0, 1, 0 },
	{ "socket@Knows:fail=unknown method", "", 0, 1, 0 },
	{ "socket@Knows:not=KUID", "", 0, 1, 0 },
	{ "socket@Knows:not=PID", "", 0, 1, 0 },
	{ "socket@Knows:not=AmbientCaps", "", 0, 1, 0 },
	{ "socket@Knows:not=GuestFDs", "", 0, 0, 0 },
	{ "socket@Knows:not=SupportTTYs", "", 0, 0, 0 },
	{ "socket@ExecuteAsync:fail=unknown method", "", 0, 1, 0 },
	{ "socket@ExecuteAsync:fail=no", "", 0, 1, 0 },
	{ "socket@ExecuteAsync:fail=json: cannot unmarshal", "", 0, 1, 0 },
	/* When it may have been, and has not. */
	{ "socket@ExecuteAsync:hang", "start_timeout = 1\n", DEADLINE, 0, 0 },
	{ "socket@ExecuteAsync:close", "", -1, 0, 0 },
	{ "socket@ExecuteAsync:half", "start_timeout = 1\n", DEADLINE, 0, 0 },
	{ "socket@ExecuteAsync:huge", "", -1, 0, 0 },
	{ "socket@ExecuteAsync:raw={\"success\":true,\"result\":\"x\"}", "",
	    -1, 0, 0 },
	{ "socket@ExecuteAsync:raw={\"success\":true,\"result\":-1}", "",
	    -1, 0, 0 },
	{ "socket@ExecuteAsync:raw={\"success\":true,\"success\":false,"
	    "\"err\":\"x\"}", "", -1, 0, 0 },
	/* And has. */
	{ "socket@ExecuteAsync:did=close", "", -1, 0, 0 },
	{ "socket@ExecuteAsync:did=hang", "start_timeout = 1\n", DEADLINE, 0,
	    1 },
	{ "socket@ExecuteAsync:did={\"success\":true,\"result\":{}}", "", -1,
	    0, 0 },
};

START_TEST(odd_answers)
{
	unsigned before;
	int code;

	write_toml(odd[_i].setting);
	run("c1", "\"hang\"");
	before = inside();
	faults(odd[_i].rule);
	code = start("e1", INSIDE("\"hang\""), NULL);
	ck_assert_msg(odd[_i].code < 0 ? code != 0 : code == odd[_i].code,
	    "%s: %d, %s", odd[_i].rule, code, client_error);
	ck_assert_uint_eq(execs(), odd[_i].runsc);
	faults("");
	if (code == 0) {
		ck_assert_int_eq(task_kill(c, "c1", "e1", SIGKILL, false), 0);
		ends("e1", 137);
	} else {
		ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	}
	await(inside() == before + odd[_i].left);
	/* The next one is as good as any. */
	ck_assert_int_eq(start("e2", INSIDE("\"exit:3\""), NULL), 0);
	ends("e2", 3);
	end_all();
}
END_TEST

/* A sandbox that says that it has killed what a failed start left, and has not,
 * is asked again after a while. */
START_TEST(lies_about_kill)
{
	unsigned before;
	int64_t since;

	run("c1", "\"hang\"");
	before = inside();
	faults("socket@ExecuteAsync:did=close;socket@Signal:raw={"
	    "\"success\":true,\"err\":\"\",\"result\":null}");
	since = loop_now();
	ck_assert_int_ne(start("e1", INSIDE("\"hang\""), NULL), 0);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	await(calls_of("raw@Signal") > 1);
	ck_assert_int_ge(loop_now() - since, STRAYS_AGAIN_NS);
	faults("");
	await(inside() == before);
	end_all();
}
END_TEST

/* "on": nobody else is asked; "off": the sandbox is not. */
START_TEST(settings)
{
	write_toml("control_socket = \"on\"\n");
	run("c1", "\"hang\"");
	faults("socket@ExecuteAsync:fail=no");
	ck_assert_int_ne(start("e1", INSIDE("\"exit:1\""), NULL), 0);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	faults("");
	ck_assert_int_eq(start("e1", INSIDE("\"exit:1\""), NULL), 0);
	ends("e1", 1);
	ck_assert_uint_eq(execs(), 0);
	remove_container("c1");
	write_toml("control_socket = \"off\"\n");
	run("c1", "\"hang\"");
	faults("socket:fail=no");
	ck_assert_int_eq(start("e1", INSIDE("\"exit:2\""), NULL), 0);
	ends("e1", 2);
	ck_assert_uint_eq(execs(), 1);
	end_all();
}
END_TEST

/* ExecuteAsync hangs until in_dir("go") is there. */
static void
starts_hang(void)
{
	char rule[256];

	snprintf(rule, sizeof(rule), "socket@ExecuteAsync:until=%s",
	    in_dir("go"));
	faults(rule);
}

/* Of an exec that hangs: the number of its Start. */
static uint32_t
begin_start(const char *exec_id)
{
	ck_assert_int_eq(task_exec(c, "c1", exec_id, INSIDE("\"hang\""), "",
	    "", "", false), 0);
	return send_for("Start", exec_id);
}

static void
kill_in_start(const char *exec_id, uint32_t starting)
{
	struct reply r;

	ck_assert_int_eq(task_kill(c, "c1", exec_id, SIGKILL, false), 0);
	ck_assert(client_recv(c, starting, &r, CLIENT_WAIT_MS));
	ck_assert_int_eq(r.code, CANCELED);
	ends(exec_id, 137);
}

/* The sandbox hangs over a start: Kill is answered at once, and what comes of
 * the start later is ended, and no other. */
START_TEST(killed_in_start)
{
	struct task_reply t;
	unsigned before;

	run("c1", "\"hang\"");
	/* Somebody else's in the same container: as an operator's exec. */
	ck_assert_int_eq(start("e0", INSIDE("\"hang\""), &t), 0);
	before = inside();
	starts_hang();
	kill_in_start("e1", begin_start("e1"));
	write_text(in_dir("go"), "");
	await(inside() == before);
	ck_assert_int_eq(task_state(c, "c1", "e0", &t), 0);
	ck_assert_uint_eq(t.status, RUNNING);
	ck_assert_uint_eq(execs(), 0);
	end_all();
}
END_TEST

/* The same of more than its queue takes. */
START_TEST(many_killed_in_start)
{
	static uint32_t starting[100];
	size_t i, n = sizeof(starting) / sizeof(starting[0]);
	unsigned before;
	char id[16];

	run("c1", "\"hang\"");
	ck_assert_int_eq(start("e", INSIDE("\"exit:0\""), NULL), 0);
	ends("e", 0);
	before = inside();
	starts_hang();
	for (i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "e%zu", i);
		starting[i] = begin_start(id);
	}
	for (i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "e%zu", i);
		kill_in_start(id, starting[i]);
	}
	write_text(in_dir("go"), "");
	await(inside() == before);
	ck_assert_uint_eq(execs(), 0);
	end_all();
}
END_TEST

/* A sandbox that was frozen when it was asked first: runsc does that one. */
START_TEST(late_once)
{
	write_toml("command_timeout = 1\n");
	run("c1", "\"hang\"");
	faults("socket@Knows:hang");
	ck_assert_int_eq(start("e1", INSIDE("\"exit:1\""), NULL), 0);
	ends("e1", 1);
	ck_assert_uint_eq(execs(), 1);
	faults("");
	ck_assert_int_eq(start("e2", INSIDE("\"exit:2\""), NULL), 0);
	ends("e2", 2);
	ck_assert_uint_eq(execs(), 1);
	end_all();
}
END_TEST

/* A sandbox that names init's process, or one for two: that is its own affair,
 * and the shim's no more than to say what it is told. */
START_TEST(same_pid)
{
	struct task_reply t;

	run("c1", "\"hang\"");
	ck_assert_int_eq(start("e0", INSIDE("\"hang\""), &t), 0);
	faults("socket@ExecuteAsync:raw={\"success\":true,\"result\":2}");
	ck_assert_int_eq(start("e1", INSIDE("\"hang\""), &t), 0);
	ck_assert_int_eq(start("e2", INSIDE("\"hang\""), &t), 0);
	faults("socket@ExecuteAsync:raw={\"success\":true,\"result\":1}");
	ck_assert_int_eq(start("e3", INSIDE("\"hang\""), &t), 0);
	faults("");
	inside();
	ck_assert_int_eq(task_kill(c, "c1", "e2", SIGKILL, false), 0);
	ends("e0", 137);
	ck_assert_int_eq(task_wait(c, "c1", "e1", &t), 0);
	ck_assert_int_eq(task_wait(c, "c1", "e2", &t), 0);
	end_all();
}
END_TEST

/* Of its end: nothing is invented. */
static const struct {
	const char *rule;
	unsigned status;
} waits[] = {
	{ "socket@WaitPID:fail=waiting for PID 2: no such process", 255 },
	{ "socket@WaitPID:close", 255 },
	{ "socket@WaitPID:raw={\"success\":true,\"result\":\"7\"}", 255 },
};

START_TEST(odd_ends)
{
	write_toml("control_socket = \"on\"\n");
	run("c1", "\"hang\"");
	faults(waits[0].rule);
	ck_assert_int_eq(start("e1", INSIDE("\"exit:4\""), NULL), 0);
	ends("e1", waits[0].status);
	/* Asked again, until it answers. */
	faults(waits[1 + _i].rule);
	ck_assert_int_eq(start("e1", INSIDE("\"exit:4\""), NULL), 0);
	usleep(300000);
	faults("");
	ends("e1", 4);
	end_all();
}
END_TEST

/* Init's end is each exec's. */
START_TEST(init_ends)
{
	int i;
	char id[16];
	struct task_reply t;

	run("c1", "\"hang\"");
	for (i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "e%d", i);
		ck_assert_int_eq(start(id, INSIDE("\"hang\""), &t), 0);
	}
	ck_assert_int_eq(task_kill(c, "c1", "", SIGKILL, false), 0);
	ck_assert_int_eq(task_wait(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	for (i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "e%d", i);
		ends(id, 137);
	}
	ck_assert_uint_eq(calls_of(" wait "), 0);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

/* A shim that is killed takes its stand-ins along. */
START_TEST(shim_killed)
{
	struct task_reply t;
	int status = 0;

	run("c1", "\"hang\"");
	ck_assert_int_eq(start("e1", INSIDE("\"hang\""), &t), 0);
	await(is_named((int)t.pid));
	kill(daemon_pid(), SIGKILL);
	/* It becomes our orphan then. */
	await(waitpid((pid_t)t.pid, &status, WNOHANG) == (pid_t)t.pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 255);
}
END_TEST

/* Two who ask at once share what the sandbox says; runsc is not run. */
START_TEST(stats)
{
	uint32_t streams[5];
	struct reply r;
	char rule[256];
	size_t i;

	run("c1", "\"hang\"");
	snprintf(rule, sizeof(rule), "socket@Event:until=%s", in_dir("go"));
	faults(rule);
	for (i = 0; i < 5; i++)
		streams[i] = send_for("Stats", "");
	write_text(in_dir("go"), "");
	for (i = 0; i < 5; i++) {
		ck_assert(client_recv(c, streams[i], &r, CLIENT_WAIT_MS));
		ck_assert_msg(r.code == 0, "%s", r.msg);
		ck_assert_uint_gt(r.n, 0);
	}
	ck_assert_uint_eq(calls_of(" events "), 0);
	/* A release that takes it otherwise is asked once. */
	faults("socket@Event:fail=json: cannot unmarshal string");
	ck_assert_int_eq(task_simple(c, "Stats", "c1"), 0);
	faults("");
	ck_assert_int_eq(task_simple(c, "Stats", "c1"), 0);
	ck_assert_uint_eq(calls_of(" events "), 2);
	end_all();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, statuses, stand_in, stopped, settings, lies_about_kill,
	    killed_in_start, many_killed_in_start, late_once, same_pid,
	    init_ends, shim_killed, stats);
	tcase_add_loop_test(tc, odd_answers, 0, sizeof(odd) / sizeof(odd[0]));
	tcase_add_loop_test(tc, odd_ends, 0, 2);
}

int
main(void)
{
	return host_run("inside", add);
}
