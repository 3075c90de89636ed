/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claim_test: whose exit is whose: pid files that lie, numbers that the kernel
 * gives again, execs that are killed while they start, sub-containers that are
 * created while their sandbox dies.  The real binary, the fake runsc.
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

#include "client.h"
#include "host.h"

#define POD(type) "\"io.kubernetes.cri.container-type\":\"" type "\"," \
	"\"io.kubernetes.cri.sandbox-id\":\"pod\""

static const char *const no_pids[] = {
	"", "\n", "12abc", "abc", "-1", " 12", "1.0", "0x10", "0",
	"2147483647", "2147483648", "99999999999999999999", "12 ", "12\n\n",
};

/* A process of the test's own, that the shim has not made. */
static pid_t
make_stranger(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("sleep", "sleep", "1000", (char *)NULL);
		_exit(127);
	}
	ck_assert_int_gt(pid, 0);
	return pid;
}

static void
end_stranger(pid_t pid)
{
	int status;

	ck_assert_msg(waitpid(pid, &status, WNOHANG) == 0,
	    "somebody has killed a process that is not his");
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}

/* What the pid file of `command` holds. */
static void
pid_file_says(const char *command, const char *text)
{
	char rule[128];

	snprintf(rule, sizeof(rule), "%s:pid=%s", command, text);
	faults(rule);
}

static void
exec_is_refused(unsigned before)
{
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"hang\""), "", "",
	    "", false), 0);
	ck_assert_msg(task_start(c, "c1", "e1", NULL) == INTERNAL, "%s",
	    client_error);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	/* Nor does it live on inside. */
	processes_become(before);
}

/* 13.2: what is in a create's pid file is a number of digits, and the pid of a
 * process that runsc has made for us; else Create fails and nothing is left. */
START_TEST(create_believes_no_pid_file)
{
	pid_t stranger = make_stranger();
	char text[16];
	size_t i, n = sizeof(no_pids) / sizeof(no_pids[0]);

	snprintf(text, sizeof(text), "%d", (int)stranger);
	for (i = 0; i <= n; i++) {
		pid_file_says("create", i < n ? no_pids[i] : text);
		ck_assert_msg(create("c1", "\"hang\"", "") == INTERNAL,
		    "%s: %s", i < n ? no_pids[i] : text, client_error);
		faults("");
		run("c1", "\"hang\"");
		remove_container("c1");
	}
	shut_down();
	end_stranger(stranger);
}
END_TEST

/* 13.2: the same of an exec's. */
START_TEST(exec_believes_no_pid_file)
{
	pid_t stranger = make_stranger();
	char text[16];
	size_t i, n = sizeof(no_pids) / sizeof(no_pids[0]);
	unsigned before;

	snprintf(text, sizeof(text), "%d", (int)stranger);
	run("c1", "\"hang\"");
	before = count_processes();
	for (i = 0; i <= n; i++) {
		pid_file_says("exec", i < n ? no_pids[i] : text);
		exec_is_refused(before);
	}
	faults("");
	remove_container("c1");
	shut_down();
	end_stranger(stranger);
}
END_TEST

static void
start_exec(const char *container, const char *id, int code)
{
	ck_assert_int_eq(task_exec(c, container, id, PROCESS("\"hang\""), "",
	    "", "", false), 0);
	ck_assert_msg((task_start(c, container, id, NULL) == 0) == (code == 0),
	    "%s", client_error);
}

/* An exec that fails, and what it leaves in the container. */
static void
leave_exec(const char *container, const char *how)
{
	faults(how);
	start_exec(container, "bad", 1);
	await(calls_of("exec-is-left") == 1);
}

/* What is in the container becomes that number of processes. */
static void
pids_become(const char *id, unsigned want)
{
	struct task_reply t;

	await(task_pids(c, id, &t) == 0 && t.npids == want);
}

/* How a runsc's exec dies: with its process there, or about to be. */
static const char *const dies[] = { "detached:die#1", "detached:die=200#1" };

/*
 * 13.3: a runsc that is killed after it had the sandbox start the process, and
 * before it told anybody, leaves nothing inside; others that run, or are being
 * started at that moment, go on.  With the socket and with runsc alone.
 */
START_TEST(exec_killed_in_start)
{
	struct task_reply t;

	write_toml(_i % 2 == 0 ? "" : "control_socket = \"off\"\n");
	run("c1", "\"hang\"");
	start_exec("c1", "good", 0);
	leave_exec("c1", dies[_i / 2]);
	ck_assert_int_eq(task_state(c, "c1", "bad", &t), 0);
	ck_assert_uint_eq(t.status, STOPPED);
	pids_become("c1", 2);
	faults("");
	start_exec("c1", "after", 0);
	pids_become("c1", 3);
	ck_assert_int_eq(task_state(c, "c1", "good", &t), 0);
	ck_assert_uint_eq(t.status, RUNNING);
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.status, RUNNING);
	remove_container("c1");
	shut_down();
}
END_TEST

/* 13.3: the same where init's pid inside has to be found out. */
START_TEST(exec_killed_in_start_of_a_pod)
{
	struct create_args a = { .id = "pod", .in = "", .out = "", .err = "",
		.config_path = toml };
	struct task_reply t;

	write_toml(_i % 2 == 0 ? "" : "control_socket = \"off\"\n");
	a.bundle = make_bundle("pod", "\"hang\"", POD("sandbox"), false);
	start_shim("pod", a.bundle);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, "pod", "", NULL), 0);
	a.id = "k";
	a.bundle = make_bundle("k", "\"hang\"", POD("container"), false);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, "k", "", NULL), 0);
	leave_exec("k", dies[_i / 2]);
	pids_become("k", 1);
	ck_assert_int_eq(task_state(c, "k", "", &t), 0);
	ck_assert_uint_eq(t.status, RUNNING);
	faults("");
	start_exec("k", "good", 0);
	pids_become("k", 2);
	remove_container("k");
	remove_container("pod");
	shut_down();
}
END_TEST

/* 13.3: an exec that another one fails beside, while it starts, is not taken
 * for what that one left. */
START_TEST(exec_killed_beside_another)
{
	struct task_reply t;
	uint8_t buf[64];
	struct reply *r = malloc(sizeof(*r));
	unsigned files;
	uint32_t slow;

	ck_assert(r != NULL);
	run("c1", "\"hang\"");
	ck_assert_int_eq(task_exec(c, "c1", "slow", PROCESS("\"hang\""), "",
	    "", "", false), 0);
	faults("detached:delay=1000#1");
	files = entries(dir);
	memcpy(buf, "\x0a\x02" "c1" "\x12\x04" "slow", 10);
	slow = client_send(c, "Start", buf, 10);
	/* The rule has been obeyed: it leaves a file then. */
	await(entries(dir) > files);
	faults("detached:die#1");
	start_exec("c1", "bad", 1);
	ck_assert(client_recv(c, slow, r, CLIENT_WAIT_MS));
	ck_assert_msg(r->code == 0, "%s", r->msg);
	free(r);
	pids_become("c1", 2);
	ck_assert_int_eq(task_state(c, "c1", "slow", &t), 0);
	ck_assert_uint_eq(t.status, RUNNING);
	faults("");
	remove_container("c1");
	shut_down();
}
END_TEST

/* 13.5: a sub-container whose create is at work while its sandbox dies ends as
 * the others of the pod: TaskExit, Wait. */
START_TEST(sub_created_while_sandbox_dies)
{
	struct create_args a = { .id = "pod", .in = "", .out = "", .err = "",
		.config_path = toml };
	struct task_reply t;
	int status;
	pid_t killer;

	a.bundle = make_bundle("pod", "\"hang\"", POD("sandbox"), false);
	start_shim("pod", a.bundle);
	ck_assert_int_eq(task_create(c, &a, &t), 0);
	ck_assert_int_eq(task_start(c, "pod", "", NULL), 0);
	a.id = "k";
	a.bundle = make_bundle("k", "\"hang\"", POD("container"), false);
	/* The work is done, and then it takes a while to say so. */
	faults("create@k:late=2000");
	killer = fork();
	if (killer == 0) {
		await(access(in_dir("root/ns/pod/k_sandbox:pod.state"), F_OK) == 0);
		_exit(kill((pid_t)t.pid, SIGKILL) != 0);
	}
	ck_assert_msg(task_create(c, &a, NULL) == 0, "%s", client_error);
	ck_assert_int_eq(waitpid(killer, &status, 0), killer);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(task_wait(c, "pod", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	ck_assert_int_eq(task_wait(c, "k", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	ck_assert(sink_wait("TaskExit k", CLIENT_WAIT_MS));
	ck_assert_int_eq(task_delete(c, "k", "", NULL), 0);
	ck_assert_int_eq(task_delete(c, "pod", "", NULL), 0);
	shut_down();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, create_believes_no_pid_file, exec_believes_no_pid_file,
	    exec_killed_beside_another, sub_created_while_sandbox_dies);
	tcase_add_loop_test(tc, exec_killed_in_start, 0, 4);
	tcase_add_loop_test(tc, exec_killed_in_start_of_a_pod, 0, 4);
}

int
main(void)
{
	return host_run("claim", add);
}
