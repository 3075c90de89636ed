/* SPDX-License-Identifier: Apache-2.0 */
/* pod_test: pods, whatever becomes of the control socket and the sandbox. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "host.h"

#define POD(type) "\"io.kubernetes.cri.container-type\":\"" type "\"," \
	"\"io.kubernetes.cri.sandbox-id\":\"pod\""

START_TEST(pod)
{
	struct create_args a = { .in = "", .out = "", .err = "",
		.config_path = toml };
	struct task_reply t;
	char out[512], first[512];
	char *bundle;
	int i;

	a.id = "pod";
	a.bundle = make_bundle("pod", "\"hang\"", POD("sandbox"), false);
	start_shim("pod", a.bundle);
	snprintf(first, sizeof(first), "%s", address);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, "pod", "", NULL), 0);
	for (i = 0; i < 3; i++) {
		char id[8] = "k0";

		id[1] = (char)('0' + i);
		bundle = make_bundle(id, i == 0 ? "\"exit:7\"" : i == 1 ?
		    "\"kill:9\"" : "\"hang\"", POD("container"), false);
		/* The pod's shim answers for them. */
		ck_assert_int_eq(run_verb(bundle, id, "start", out,
		    sizeof(out), NULL), 0);
		ck_assert(strncmp(out + 7, first, strlen(first)) == 0);
		a.id = id;
		a.bundle = in_dir("b/%s", id);
		ck_assert_msg(task_create(c, &a, NULL) == 0, "%s",
		    client_error);
		ck_assert_msg(task_start(c, id, "", NULL) == 0, "%s",
		    client_error);
	}
	ck_assert_int_eq(task_wait(c, "k0", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 7);
	ck_assert_int_eq(task_wait(c, "k1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	ck_assert_int_eq(task_delete(c, "k0", "", NULL), 0);
	ck_assert_int_eq(task_simple(c, "Shutdown", "k0"), 0);
	ck_assert_int_eq(task_delete(c, "k1", "", NULL), 0);
	ck_assert_int_eq(task_kill(c, "k2", "", SIGTERM, false), 0);
	ck_assert_int_eq(task_wait(c, "k2", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 143);
	ck_assert_int_eq(task_delete(c, "k2", "", NULL), 0);
	remove_container("pod");
	shut_down();
}
END_TEST

/* A sub-container of the running pod. */
static void
run_sub(const char *id, const char *words)
{
	struct create_args a = { .id = id, .in = "", .out = "", .err = "",
		.config_path = toml };

	a.bundle = make_bundle(id, words, POD("container"), false);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_msg(task_start(c, id, "", NULL) == 0, "%s", client_error);
}

static void
run_pod(void)
{
	struct create_args a = { .id = "pod", .in = "", .out = "", .err = "",
		.config_path = toml };

	a.bundle = make_bundle("pod", "\"hang\"", POD("sandbox"), false);
	start_shim("pod", a.bundle);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, "pod", "", NULL), 0);
}

static void
sub_ends(const char *id, unsigned status)
{
	struct task_reply t;

	ck_assert_int_eq(task_wait(c, id, "", &t), 0);
	ck_assert_msg(t.exit_status == status, "%s: %u, not %u", id,
	    t.exit_status, status);
	ck_assert_int_eq(task_delete(c, id, "", NULL), 0);
}

/* A pod is the same to its clients, whatever becomes of the socket. */
static void
pod_as_ever(void)
{
	struct task_reply t;

	run_pod();
	run_sub("k7", "\"exit:7\"");
	run_sub("k9", held("\"kill:9\""));
	run_sub("kt", "\"hang\"");
	ck_assert_int_eq(task_pids(c, "kt", &t), 0);
	ck_assert_uint_eq(t.npids, 1);
	ck_assert_int_eq(task_kill(c, "kt", "", SIGTERM, false), 0);
	sub_ends("k7", 7);
	let_go();
	sub_ends("k9", 137);
	sub_ends("kt", 143);
	ck_assert_int_ne(task_kill(c, "kt", "", SIGTERM, false), 0);
	remove_container("pod");
	shut_down();
}

static const struct {
	const char *rule;
	const char *line;	/* of runsc.toml */
	bool runsc_waits;
} sockets[] = {
	{ "", "", false },
	{ "", "control_socket = \"on\"\n", false },
	{ "", "control_socket = \"off\"\n", true },
	{ "socket:close", "", true },
	{ "socket:half", "command_timeout = 4\n", true },
	{ "socket@Signal:hang", "command_timeout = 4\n", false },
	{ "socket@Processes:hang", "command_timeout = 4\n", false },
	{ "socket:huge", "", true },
	{ "socket:raw=nonsense", "", true },
	{ "socket:raw={}", "", true },
	{ "socket:raw={\"success\":true,\"err\":\"\",\"result\":\"x\"}", "",
	    true },
	{ "socket@Wait:raw={\"success\":true,\"err\":\"\",\"result\":127}",
	    "", true },
	{ "socket:fail=unknown method", "", true },
	{ "socket:fail=json: cannot unmarshal string", "", true },
};

START_TEST(control_socket)
{
	faults(sockets[_i].rule);
	write_toml(sockets[_i].line);
	pod_as_ever();
	ck_assert_msg((calls_of(" wait ") > 0) == sockets[_i].runsc_waits,
	    "%s: %u runsc wait", sockets[_i].rule, calls_of(" wait "));
	if (!sockets[_i].rule[0])
		ck_assert_int_eq(calls_of(" ps ") > 0,
		    sockets[_i].runsc_waits);
}
END_TEST

/* Nobody but the socket may be asked, and it does not answer. */
START_TEST(control_socket_forced)
{
	struct task_reply t;

	write_toml("control_socket = \"on\"\ncommand_timeout = 2\n");
	run_pod();
	run_sub("k", "\"hang\"");
	/* Answered after it: the sandbox has heard the Wait. */
	ck_assert_int_eq(task_pids(c, "k", &t), 0);
	faults("socket:hang");
	ck_assert_int_ne(task_kill(c, "k", "", SIGTERM, false), 0);
	ck_assert_msg(strstr(client_error, "control socket") != NULL, "%s",
	    client_error);
	/* containerd would delete a task without. */
	ck_assert_int_eq(task_pids(c, "k", &t), 0);
	ck_assert_uint_eq(t.npids, 1);
	faults("");
	ck_assert_int_eq(task_kill(c, "k", "", SIGKILL, false), 0);
	sub_ends("k", 137);
	ck_assert_uint_eq(calls_of(" kill "), 0);
	ck_assert_uint_eq(calls_of(" ps "), 0);
	remove_container("pod");
	shut_down();
}
END_TEST

/* The sandbox is killed while its containers are waited for. */
START_TEST(sandbox_dies)
{
	static const char *const lines[] = { "", "control_socket = \"on\"\n",
		"control_socket = \"off\"\n" };
	struct create_args a = { .id = "n", .in = "", .out = "", .err = "",
		.config_path = toml };
	struct task_reply t;

	write_toml(lines[_i]);
	run_pod();
	run_sub("k", "\"hang\"");
	/* One that has yet to be started ends with it too. */
	a.bundle = make_bundle("n", "\"hang\"", POD("container"), false);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_state(c, "pod", "", &t), 0);
	ck_assert_int_eq(kill((pid_t)t.pid, SIGKILL), 0);
	sub_ends("k", 137);
	sub_ends("n", 137);
	sub_ends("pod", 137);
	shut_down();
}
END_TEST

START_TEST(sub_start_fails)
{
	struct create_args a = { .in = "", .out = "", .err = "",
		.config_path = toml };
	struct task_reply t;

	a.id = "pod";
	a.bundle = make_bundle("pod", "\"hang\"", POD("sandbox"), false);
	start_shim("pod", a.bundle);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, "pod", "", NULL), 0);
	a.id = "k";
	a.bundle = make_bundle("k", "\"hang\"", POD("container"), false);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	faults("start@k:fail=no");
	ck_assert_int_ne(task_start(c, "k", "", NULL), 0);
	ck_assert_int_eq(task_state(c, "k", "", &t), 0);
	ck_assert_uint_eq(t.status, STOPPED);
	ck_assert_uint_eq(t.exit_status, 128);
	ck_assert_int_eq(task_delete(c, "k", "", NULL), 0);
	remove_container("pod");
	shut_down();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, pod, control_socket_forced, sub_start_fails);
	tcase_add_loop_test(tc, control_socket, 0,
	    sizeof(sockets) / sizeof(sockets[0]));
	tcase_add_loop_test(tc, sandbox_dies, 0, 3);
}

int
main(void)
{
	return host_run("pod", add);
}
