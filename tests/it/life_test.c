/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life_test: the life of a container and its execs, from `start` to the end of
 * the shim, with the real binary against the fake runsc.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/pb.h"
#include "client.h"
#include "host.h"

/* -- the life cycle ------------------------------------------------------- */

START_TEST(whole_life)
{
	struct task_reply t;
	uint32_t wait;

	ck_assert_int_eq(create("c1", held("\"exit:7\""), ""), 0);
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.status, CREATED);
	ck_assert_uint_gt(t.pid, 0);
	/* Asked before Start, answered at the end. */
	wait = task_wait_send(c, "c1", "");
	ck_assert_int_eq(task_start(c, "c1", "", &t), 0);
	ck_assert_uint_gt(t.pid, 0);
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.status, RUNNING);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), PRECONDITION);
	let_go();
	ck_assert_int_eq(task_wait_recv(c, wait, &t), 0);
	ck_assert_uint_eq(t.exit_status, 7);
	ck_assert(t.exited_at);
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.status, STOPPED);
	ck_assert_uint_eq(t.exit_status, 7);
	ck_assert_int_eq(task_delete(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 7);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), NOT_FOUND);
	ck_assert(sink_wait("TaskDelete", 5000));
	ck_assert_str_eq(sink_text(), "TaskCreate c1;TaskStart c1;"
	    "TaskExit c1 7;TaskDelete c1;");
	ck_assert_uint_eq(calls_of(" wait "), 0);
	shut_down();
}
END_TEST

START_TEST(true_a_thousand_times)
{
	char id[32];
	struct task_reply t;
	unsigned fds = 0, i, want;
	int pid = 0;

	for (i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "t%u", i);
		want = i % 3 == 2 ? 9 : 0;
		ck_assert_msg(create(id, want ? "\"exit:9\"" : "\"exit:0\"",
		    "") == 0, "create %u: %s", i, client_error);
		ck_assert_msg(task_start(c, id, "", NULL) == 0,
		    "start %u: %s", i, client_error);
		ck_assert_int_eq(task_wait(c, id, "", &t), 0);
		ck_assert_msg(t.exit_status == want, "run %u: %u", i,
		    t.exit_status);
		ck_assert_int_eq(task_delete(c, id, "", &t), 0);
		ck_assert_uint_eq(t.exit_status, want);
		if (i == 20) {
			pid = daemon_pid();
			fds = count_fds(pid);
		}
		if (i % 100 == 0)
			sink_clear();
	}
	await(count_fds(pid) <= fds);
	ck_assert_uint_eq(count_processes(), 1);	/* the daemon */
	shut_down();
}
END_TEST

START_TEST(killed)
{
	struct task_reply t;

	run("c1", "\"hang\"");
	ck_assert_int_eq(task_kill(c, "c1", "", SIGKILL, false), 0);
	ck_assert_int_eq(task_wait(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	ck_assert_int_eq(task_kill(c, "c1", "", SIGKILL, false), NOT_FOUND);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_kill(c, "c1", "", SIGKILL, false), NOT_FOUND);
	shut_down();
}
END_TEST

START_TEST(kill_created)
{
	struct task_reply t;

	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	ck_assert_int_eq(task_kill(c, "c1", "", SIGKILL, false), 0);
	ck_assert_int_eq(task_wait(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

START_TEST(delete_created)
{
	struct task_reply t;

	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	ck_assert_int_eq(task_delete(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	ck_assert(sink_wait("TaskDelete", 5000));
	ck_assert_str_eq(sink_text(),
	    "TaskCreate c1;TaskExit c1 137;TaskDelete c1;");
	shut_down();
}
END_TEST

START_TEST(output)
{
	char *out = in_dir("out");
	char text[64];
	int fd;

	/* A FIFO that is read late: nothing is lost, the exit is told. */
	ck_assert_int_eq(mkfifo(out, 0600), 0);
	ck_assert_int_eq(create("c1", "\"echo:hello\",\"exit:3\"", out), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_wait(c, "c1", "", NULL), 0);
	fd = open(out, O_RDONLY | O_NONBLOCK);
	ck_assert_int_ge(fd, 0);
	/* And its end, before Delete. */
	read_to_end(fd, text, sizeof(text));
	ck_assert_str_eq(text, "hello\n");
	close(fd);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

START_TEST(stdin_until_closed)
{
	char *in = in_dir("in"), *out = in_dir("out");
	struct create_args a = { .id = "c1", .in = in, .out = out,
		.err = "", .config_path = toml };
	char text[64];
	int w, r;

	ck_assert_int_eq(mkfifo(in, 0600), 0);
	ck_assert_int_eq(mkfifo(out, 0600), 0);
	r = open(out, O_RDONLY | O_NONBLOCK);
	a.bundle = make_bundle("c1", "\"cat\",\"exit:4\"", "", false);
	start_shim("c1", a.bundle);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	w = open(in, O_WRONLY | O_NONBLOCK);
	ck_assert_int_ge(w, 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	ck_assert_int_eq(write(w, "abc", 3), 3);
	/* CloseIO with data on its way: closed once it is through. */
	ck_assert_int_eq(task_close_io(c, "c1", ""), 0);
	ck_assert_int_eq(write(w, "def", 3), 3);
	close(w);
	ck_assert_int_eq(task_wait(c, "c1", "", NULL), 0);
	ck_assert_int_eq(read(r, text, sizeof(text)), 6);
	ck_assert_int_eq(memcmp(text, "abcdef", 6), 0);
	close(r);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

START_TEST(terminal)
{
	struct create_args a = { .id = "c1", .in = "", .err = "",
		.terminal = true, .config_path = toml };
	char text[256];
	int r;

	a.out = in_dir("out");
	ck_assert_int_eq(mkfifo(a.out, 0600), 0);
	r = open(a.out, O_RDONLY | O_NONBLOCK);
	a.bundle = make_bundle("c1",
	    "\"tty\",\"on-winch\",\"exit:5\"", "", true);
	start_shim("c1", a.bundle);
	ck_assert_msg(task_create(c, &a, NULL) == 0, "%s", client_error);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	await(read(r, text, 5) == 5);
	ck_assert_int_eq(memcmp(text, "tty\r\n", 5), 0);
	ck_assert_int_eq(task_resize(c, "c1", "", 99, 33), 0);
	ck_assert_int_eq(task_wait(c, "c1", "", NULL), 0);
	read_to_end(r, text, sizeof(text));
	ck_assert_str_eq(text, "33 99\r\n");
	close(r);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

START_TEST(pause_resume)
{
	struct task_reply t;

	run("c1", "\"hang\"");
	ck_assert_int_eq(task_simple(c, "Pause", "c1"), 0);
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.status, PAUSED);
	ck_assert_int_eq(task_simple(c, "Pause", "c1"), PRECONDITION);
	ck_assert_int_eq(task_simple(c, "Resume", "c1"), 0);
	ck_assert_int_eq(task_simple(c, "Resume", "c1"), PRECONDITION);
	ck_assert_int_eq(task_simple(c, "Pause", "c1"), 0);
	/* SIGKILL ends a paused one too. */
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(checkpoint_restore)
{
	struct create_args a = {
		.id = "c2", .in = "", .err = "", .config_path = toml,
		.checkpoint = in_dir("image"),
	};
	struct task_reply t;

	run("c1", "\"hang\"");
	/* On, then to its end. */
	ck_assert_int_eq(task_checkpoint(c, "c1", in_dir("image0"), false), 0);
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.status, RUNNING);
	ck_assert_int_eq(task_checkpoint(c, "c1", in_dir("image"), true), 0);
	ck_assert(sink_wait("TaskExit c1", 5000));
	ck_assert(strstr(sink_text(), "TaskCheckpointed c1") != NULL);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	/* From there. */
	a.out = in_dir("out");
	write_text(a.out, "");
	a.bundle = make_bundle("c2", "\"echo:again\",\"hang\"", "", false);
	ck_assert_msg(task_create(c, &a, &t) == 0, "%s", client_error);
	ck_assert_uint_eq(t.pid, 0);
	/* containerd deletes a task without pids. */
	ck_assert_int_eq(task_pids(c, "c2", &t), 0);
	ck_assert_uint_eq(t.npids, 1);
	ck_assert_msg(task_start(c, "c2", "", &t) == 0, "%s", client_error);
	ck_assert_uint_gt(t.pid, 0);
	ck_assert_uint_eq(calls_of(" create "), 1);
	ck_assert_uint_eq(calls_of(" restore "), 1);
	await(read_text(a.out)[0]);
	ck_assert_str_eq(read_text(a.out), "again\n");
	remove_container("c2");
	shut_down();
}
END_TEST

START_TEST(restore_fails)
{
	struct create_args a = {
		.id = "c1", .in = "", .out = "", .err = "",
		.config_path = toml, .checkpoint = in_dir("image"),
	};
	struct task_reply t;

	a.bundle = make_bundle("c1", "\"hang\"", "", false);
	start_shim("c1", a.bundle);
	ck_assert_int_eq(task_create(c, &a, NULL), NOT_FOUND);
	mkdir(a.checkpoint, 0700);
	write_text(in_dir("image/checkpoint.img"), "something else");
	ck_assert_int_eq(task_create(c, &a, NULL), INVALID);
	ck_assert(strstr(client_error, "not a checkpoint") != NULL);
	/* What only runsc can tell is told by Start; nothing is left. */
	write_text(in_dir("image/checkpoint.img"), "gVisorSFbad");
	ck_assert_msg(task_create(c, &a, NULL) == 0, "%s", client_error);
	ck_assert_int_ne(task_start(c, "c1", "", NULL), 0);
	ck_assert_msg(strstr(client_error, "bad state file") != NULL, "%s",
	    client_error);
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.status, STOPPED);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	/* Never started, or killed before. */
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(stats_and_update)
{
	run("c1", "\"hang\"");
	ck_assert_msg(task_simple(c, "Stats", "c1") == 0, "%s", client_error);
	/* And asked of runsc. */
	faults("socket@Event:fail=no;events:reply=nonsense");
	ck_assert_int_ne(task_simple(c, "Stats", "c1"), 0);
	faults("");
	ck_assert_msg(task_update(c, "c1", "{\"memory\":{\"limit\":4096}}") == 0,
	    "%s", client_error);
	ck_assert(strstr(read_text(in_dir("b/c1/resources.json")), "4096") !=
	    NULL);
	/* A runsc without: the sandbox's cgroup, which is not its own here. */
	faults("update:unknown");
	ck_assert_int_eq(task_update(c, "c1", "{\"memory\":{\"limit\":1}}"),
	    UNIMPLEMENTED);
	faults("");
	ck_assert_int_eq(task_update(c, "c1", ""), INVALID);
	task_kill(c, "c1", "", SIGKILL, true);
	ck_assert_int_eq(task_wait(c, "c1", "", NULL), 0);
	/* Until it is deleted there are its last figures. */
	ck_assert_int_eq(task_simple(c, "Stats", "c1"), 0);
	ck_assert_uint_eq(calls_of("events"), 1);
	ck_assert_int_eq(task_update(c, "c1", "{}"), PRECONDITION);
	ck_assert(strstr(sink_text(), "TaskOOM") == NULL);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

/* A sandbox that takes no signal is ended all the same, if that is wanted. */
START_TEST(kill_timeout)
{
	struct task_reply t;

	write_toml("kill_timeout = 1\n");
	faults("socket@Signal:hang;kill:hang");
	run("c1", "\"hang\"");
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.status, RUNNING);
	task_kill_send(c, "c1", "", SIGKILL, true);
	ck_assert_int_eq(task_wait(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	faults("");
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

/* Who asks while runsc works gets the same answer, also if it is no. */
START_TEST(stats_together)
{
	static const char *const rules[] = {
		"socket@Event:fail=no;events:delay=500",
		"socket@Event:fail=no;events:delay=500;events:fail=no",
	};
	uint32_t streams[5];
	uint8_t buf[32];
	struct pb_out o;
	struct reply r;
	size_t i, k;

	run("c1", "\"hang\"");
	for (k = 0; k < 2; k++) {
		faults(rules[k]);
		for (i = 0; i < 5; i++) {
			pb_out_init(&o, buf, sizeof(buf));
			pb_put_str(&o, 1, "c1");
			streams[i] = client_send(c, "Stats", o.p, o.len);
		}
		for (i = 0; i < 5; i++) {
			ck_assert(client_recv(c, streams[i], &r, 5000));
			ck_assert_int_eq(r.code != 0, k == 1);
			ck_assert(k == 1 || r.n > 0);
		}
		ck_assert_uint_eq(calls_of(" events "), k + 1);
	}
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(pids_never_empty)
{
	struct task_reply t;

	write_toml("control_socket = \"off\"\n");
	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	ck_assert_int_eq(task_pids(c, "c1", &t), 0);
	ck_assert_uint_eq(t.npids, 1);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_pids(c, "c1", &t), 0);
	ck_assert_uint_ge(t.npids, 1);
	faults("ps:fail=no");
	ck_assert_int_eq(task_pids(c, "c1", &t), 0);
	ck_assert_uint_eq(t.npids, 1);
	faults("ps:reply=nonsense");
	ck_assert_int_eq(task_pids(c, "c1", &t), 0);
	ck_assert_uint_eq(t.npids, 1);
	faults("");
	task_kill(c, "c1", "", SIGKILL, false);
	task_wait(c, "c1", "", NULL);
	ck_assert_int_eq(task_pids(c, "c1", &t), 0);
	ck_assert_uint_eq(t.npids, 1);
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(unknown_and_taken)
{
	struct create_args a = { .id = "c1", .in = "", .out = "", .err = "",
		.config_path = toml };
	struct task_reply t;

	run("c1", "\"hang\"");
	a.bundle = in_dir("b/c1");
	ck_assert_int_eq(task_create(c, &a, NULL), EXISTS);
	ck_assert(strstr(client_error, "c1") != NULL);
	ck_assert_int_eq(task_state(c, "nobody", "", NULL), NOT_FOUND);
	ck_assert(strstr(client_error, "nobody") != NULL);
	ck_assert_int_eq(task_start(c, "c1", "noexec", NULL), NOT_FOUND);
	ck_assert(strstr(client_error, "noexec") != NULL);
	ck_assert_int_eq(task_connect(c, "nobody", &t), 0);
	ck_assert_uint_eq(t.task_pid, 0);
	/* Without resources. */
	ck_assert_int_eq(task_simple(c, "Update", "c1"), INVALID);
	/* Without a path. */
	ck_assert_int_eq(task_simple(c, "Checkpoint", "c1"), INVALID);
	/* Shutdown is refused in silence while a container is left. */
	ck_assert_int_eq(task_simple(c, "Shutdown", "c1"), 0);
	ck_assert_int_eq(task_state(c, "c1", "", NULL), 0);
	remove_container("c1");
	/* Gone: not connected to again. */
	ck_assert_int_eq(task_connect(c, "c1", &t), NOT_FOUND);
	shut_down();
}
END_TEST

/* -- execs ---------------------------------------------------------------- */

START_TEST(exec_life)
{
	struct task_reply t;

	run("c1", "\"hang\"");
	sink_wait("TaskStart", 5000);
	sink_clear();
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"exit:5\""), "",
	    "", "", false), 0);
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"exit:5\""), "",
	    "", "", false), EXISTS);
	ck_assert_int_eq(task_state(c, "c1", "e1", &t), 0);
	ck_assert_uint_eq(t.status, CREATED);
	ck_assert_int_eq(task_start(c, "c1", "e1", &t), 0);
	ck_assert_uint_gt(t.pid, 0);
	ck_assert_int_eq(task_wait(c, "c1", "e1", &t), 0);
	ck_assert_uint_eq(t.exit_status, 5);
	ck_assert_int_eq(task_delete(c, "c1", "e1", &t), 0);
	ck_assert_uint_eq(t.exit_status, 5);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), NOT_FOUND);
	ck_assert(sink_wait("TaskExit", 5000));
	ck_assert_str_eq(sink_text(), "TaskExecAdded c1/e1;"
	    "TaskExecStarted c1/e1;TaskExit c1/e1 5;");
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(exec_fails)
{
	struct task_reply t;

	run("c1", "\"hang\"");
	ck_assert_int_eq(task_exec(c, "c1", "e1", "{\"args\":[\"fake\"", "",
	    "", "", false), 3);
	faults("exec:fail=no such executable");
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"exit:5\""), "",
	    "", "", false), 0);
	ck_assert_int_ne(task_start(c, "c1", "e1", NULL), 0);
	ck_assert_str_eq(client_error,
	    "c1/e1: OCI runtime exec failed: no such executable");
	ck_assert_int_eq(task_wait(c, "c1", "e1", &t), 0);
	ck_assert_uint_eq(t.exit_status, 128);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	faults("");
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"exit:6\""), "",
	    "", "", false), 0);
	ck_assert_int_eq(task_start(c, "c1", "e1", NULL), 0);
	ck_assert_int_eq(task_wait(c, "c1", "e1", &t), 0);
	ck_assert_uint_eq(t.exit_status, 6);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

/* A `runsc exec` that is killed at work takes along the one that it has
 * started, which would go on unseen and take other files for its own. */
START_TEST(exec_cut_short)
{
	struct pb_out o;
	struct reply r;
	uint32_t stream;
	unsigned before;

	run("c1", "\"hang\"");
	before = count_processes();
	faults("detached:hang");
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"hang\""), "", "",
	    "", false), 0);
	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, "c1");
	pb_put_str(&o, 2, "e1");
	stream = client_send(c, "Start", o.p, o.len);
	pb_out_free(&o);
	/* The first waits for the second, which hesitates. */
	processes_become(before + 2);
	kill_commands(daemon_pid());
	ck_assert(client_recv(c, stream, &r, CLIENT_WAIT_MS));
	ck_assert_int_ne(r.code, 0);
	processes_become(before);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(many_execs_cost_nothing)
{
	struct task_reply t;
	unsigned fds = 0, i, files = 0;
	char id[16];
	int pid;

	run("c1", "\"hang\"");
	pid = daemon_pid();
	for (i = 0; i < 300; i++) {
		snprintf(id, sizeof(id), "e%u", i);
		ck_assert_int_eq(task_exec(c, "c1", id, PROCESS("\"exit:1\""),
		    "", "", "", false), 0);
		ck_assert_int_eq(task_start(c, "c1", id, NULL), 0);
		ck_assert_int_eq(task_wait(c, "c1", id, &t), 0);
		ck_assert_uint_eq(t.exit_status, 1);
		ck_assert_int_eq(task_delete(c, "c1", id, NULL), 0);
		if (i == 10) {
			fds = count_fds(pid);
			files = entries(in_dir("b/c1"));
		}
	}
	await(count_fds(pid) <= fds);
	ck_assert_uint_eq(entries(in_dir("b/c1")), files);
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(init_exit_ends_execs)
{
	struct task_reply t;
	uint32_t we, wi;

	run("c1", "\"hang\"");
	sink_wait("TaskStart", 5000);
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"hang\""), "",
	    "", "", false), 0);
	ck_assert_int_eq(task_start(c, "c1", "e1", NULL), 0);
	we = task_wait_send(c, "c1", "e1");
	wi = task_wait_send(c, "c1", "");
	sink_clear();
	ck_assert_int_eq(task_kill(c, "c1", "", SIGKILL, false), 0);
	ck_assert_int_eq(task_wait_recv(c, we, &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	ck_assert_int_eq(task_wait_recv(c, wi, &t), 0);
	ck_assert_uint_eq(t.exit_status, 137);
	ck_assert(sink_wait("TaskExit c1 ", 5000));
	ck_assert(strstr(sink_text(), "TaskExit c1/e1 137;TaskExit c1 137;"));
	ck_assert_int_eq(task_exec(c, "c1", "e2", PROCESS("\"exit:0\""), "",
	    "", "", false), PRECONDITION);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, whole_life, true_a_thousand_times, killed, kill_created,
	    delete_created, output, stdin_until_closed, terminal, pause_resume,
	    checkpoint_restore, restore_fails, stats_and_update,
	    stats_together, kill_timeout, pids_never_empty, unknown_and_taken,
	    exec_life, exec_fails, exec_cut_short, many_execs_cost_nothing,
	    init_exit_ends_execs);
}

int
main(void)
{
	return host_run("life", add);
}
