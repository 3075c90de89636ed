/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error_test: what is answered where runsc fails or hangs, where a request is
 * wrong, and where containerd is away.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/pb.h"
#include "client.h"
#include "host.h"

START_TEST(create_fails)
{
	faults("create:fail=no can do");
	ck_assert_int_ne(create("c1", "\"exit:0\"", ""), 0);
	ck_assert_str_eq(client_error,
	    "c1: OCI runtime create failed: no can do");
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), NOT_FOUND);
	/* With the error only on stderr, and with none at all. */
	faults("create:stderr=out of luck;create:exit=1");
	ck_assert_int_ne(create("c1", "\"exit:0\"", ""), 0);
	ck_assert(strstr(client_error, "c1: OCI runtime create failed: ") ==
	    client_error);
	faults("create:sig");
	ck_assert_int_ne(create("c1", "\"exit:0\"", ""), 0);
	ck_assert_str_eq(client_error, "c1: OCI runtime create failed: runsc "
	    "create was killed by signal 9");
	/* Done and then failed: the sandbox goes again. */
	faults("create:fail-after=too late");
	ck_assert_int_ne(create("c1", "\"exit:0\"", ""), 0);
	ck_assert_uint_eq(count_processes(), 1);
	/* Nothing of these stands in the way of the next. */
	faults("");
	run("c1", "\"exit:0\"");
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(create_bad_input)
{
	struct create_args a = { .id = "c1", .in = "", .out = "", .err = "",
		.config_path = toml };

	a.bundle = make_bundle("c1", "\"exit:0\"", "", false);
	start_shim("c1", a.bundle);
	a.out = in_dir("no-such-fifo");
	ck_assert_int_eq(task_create(c, &a, NULL), NOT_FOUND);
	ck_assert(strstr(client_error, "no-such-fifo") != NULL);
	a.out = "";
	write_text(toml, "root = 1\n");
	ck_assert_int_eq(task_create(c, &a, NULL), 3);
	ck_assert_msg(strstr(client_error, "runsc.toml:1") != NULL, "%s",
	    client_error);
	a.config_path = "";
	write_text(in_dir("b/c1/config.json"), "{");
	ck_assert_int_ne(task_create(c, &a, NULL), 0);
	ck_assert(strstr(client_error, "config.json") != NULL);
	shut_down();
}
END_TEST

/* A bundle is one container's as long as that lives: who comes second is told
 * so, and neither its Create nor the verb takes the first along. */
START_TEST(create_in_a_bundle_in_use)
{
	char out[256];
	size_t n;
	struct create_args a = { .id = "c2", .in = "", .err = "",
		.config_path = toml };

	run("c1", "\"hang\"");
	a.bundle = in_dir("b/c1");
	a.out = "";
	ck_assert_int_eq(task_create(c, &a, NULL), EXISTS);
	ck_assert_ptr_nonnull(strstr(client_error, "that of container c1"));
	ck_assert_int_eq(run_verb(in_dir("b/c1"), "c2", "delete", out,
	    sizeof(out), &n), 0);
	/* It runs, and would not if it had been killed. */
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"exit:3\""), "", "",
	    "", false), 0);
	ck_assert_int_eq(task_start(c, "c1", "e1", NULL), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

/* Requests of one kind that hang leave room for the others. */
START_TEST(hung_stats_leave_room)
{
	struct pb_out o;
	struct reply r;
	uint32_t stream = 0;
	int i;

	run("c1", "\"hang\"");
	faults("socket@Event:hang");
	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, "c1");
	/* These share one answer, up to SHARED_MAX of state.h. */
	for (i = 0; i < 1025; i++)
		stream = client_send(c, "Stats", o.p, o.len);
	pb_out_free(&o);
	ck_assert(client_recv(c, stream, &r, CLIENT_WAIT_MS));
	ck_assert_int_eq(r.code, EXHAUSTED);
	ck_assert_int_eq(task_close_io(c, "c1", ""), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(start_fails)
{
	struct task_reply t;

	faults("start:fail=no such executable");
	ck_assert_int_eq(create("c1", "\"exit:0\"", ""), 0);
	ck_assert_int_ne(task_start(c, "c1", "", NULL), 0);
	ck_assert_str_eq(client_error,
	    "c1: OCI runtime start failed: no such executable");
	/* Stopped already, so that it can be deleted. */
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.status, STOPPED);
	ck_assert_uint_eq(t.exit_status, 128);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

START_TEST(hung_kill_delays_nobody)
{
	struct task_reply t;
	uint32_t k;

	write_toml("control_socket = \"off\"\n");
	run("c1", "\"hang\"");
	run("c2", "\"hang\"");
	faults("kill@c1:hang");
	k = task_kill_send(c, "c1", "", SIGTERM, false);
	await(calls_of(" kill ") > 0);
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"exit:2\""), "",
	    "", "", false), 0);
	ck_assert_int_eq(task_start(c, "c1", "e1", NULL), 0);
	ck_assert_int_eq(task_wait(c, "c1", "e1", &t), 0);
	ck_assert_uint_eq(t.exit_status, 2);
	remove_container("c2");
	/* The sandbox's own end is not missed either. */
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	kill((pid_t)t.pid, SIGKILL);
	ck_assert_int_eq(task_wait(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	{
		struct reply r;

		ck_assert(client_recv(c, k, &r, 1000));
	}
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

START_TEST(deadline)
{
	char text[256];

	snprintf(text, sizeof(text), "root = \"%s/root\"\n"
	    "command_timeout = 1\n", dir);
	write_text(toml, text);
	run("c1", "\"hang\"");
	faults("pause:hang");
	ck_assert_int_eq(task_simple(c, "Pause", "c1"), DEADLINE);
	ck_assert(strstr(client_error, "runsc pause did not answer within 1 s")
	    != NULL);
	faults("");
	ck_assert_int_eq(task_simple(c, "Pause", "c1"), 0);
	ck_assert_int_eq(task_simple(c, "Resume", "c1"), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(request_timeout)
{
	struct reply r;
	struct pb_out o;
	uint32_t s;

	run("c1", "\"hang\"");
	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, "c1");
	s = client_send_full(c, "containerd.task.v3.Task", "Wait", o.p, o.len,
	    50000000);
	ck_assert(client_recv(c, s, &r, 2000));
	ck_assert_int_eq(r.code, DEADLINE);
	ck_assert_str_eq(r.msg, "context deadline exceeded");
	s = client_send_full(c, "containerd.task.v1.Task", "Wait", o.p, o.len,
	    0);
	ck_assert(client_recv(c, s, &r, 2000));
	ck_assert_int_eq(r.code, UNIMPLEMENTED);
	ck_assert_str_eq(r.msg, "service containerd.task.v1.Task");
	pb_out_free(&o);
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(delete_tolerates)
{
	run("c1", "\"exit:0\"");
	task_wait(c, "c1", "", NULL);
	faults("delete:fail=still busy");
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	faults("");
	/* The id can be used again at once. */
	run("c1", "\"exit:0\"");
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(events_wait_for_containerd)
{
	struct task_reply t;

	run("c1", held("\"exit:8\""));
	ck_assert(sink_wait("TaskStart", 5000));
	sink_close();
	unlink(events_path);
	sink_clear();
	let_go();
	ck_assert_int_eq(task_wait(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 8);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	/* It has tried by now. */
	sink_open(events_path);
	ck_assert(sink_wait("TaskDelete", HANG_MS));
	ck_assert_str_eq(sink_text(), "TaskExit c1 8;TaskDelete c1;");
	shut_down();
}
END_TEST

START_TEST(no_events_wanted)
{
	setenv("TTRPC_ADDRESS", "", 1);
	run("c1", "\"exit:0\"");
	remove_container("c1");
	ck_assert_str_eq(sink_text(), "");
	shut_down();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, create_fails, create_bad_input, start_fails,
	    create_in_a_bundle_in_use, hung_stats_leave_room,
	    hung_kill_delays_nobody, deadline, request_timeout,
	    delete_tolerates, events_wait_for_containerd, no_events_wanted);
}

int
main(void)
{
	return host_run("error", add);
}
