/* SPDX-License-Identifier: Apache-2.0 */
/*
 * it_test: the real binary, from `start` to its end, against the fake runsc.
 * Needs neither root nor network: the sockets' directory is given in the
 * bootstrap parameters, runsc's root in the options.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/pb.h"
#include "client.h"
#include "host.h"

#define INVALID 3
#define NOT_FOUND 5
#define EXISTS 6
#define ALREADY_EXISTS 6
#define EXHAUSTED 8
#define PRECONDITION 9
#define UNIMPLEMENTED 12
#define DEADLINE 4

enum { CREATED = 1, RUNNING, STOPPED, PAUSED };

/* -- the command line ----------------------------------------------------- */

static int
run_plain(const char *const *args, char *out, size_t cap)
{
	const char *argv[16] = { shim };
	int from[2], status, i;
	size_t used = 0;
	ssize_t r;
	pid_t pid;

	for (i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	ck_assert_int_eq(pipe(from), 0);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		dup2(null, 0);
		dup2(from[1], 1);
		dup2(from[1], 2);
		close(from[0]);
		execv(shim, (char *const *)argv);
		_exit(98);
	}
	close(from[1]);
	while (used + 1 < cap &&
	    (r = read(from[0], out + used, cap - 1 - used)) > 0)
		used += (size_t)r;
	out[used] = '\0';
	close(from[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(bad_usage)
{
	static const struct {
		const char *args[8];
		const char *says;
	} t[] = {
		{ { "-nonsense" }, "-nonsense" },
		{ { "-namespace" }, "-namespace" },
		{ { "-namespace", "n", "-debug=maybe" }, "-debug" },
		{ { "-id", "x", "start" }, "-namespace" },
		{ { "-namespace", "", "-id", "x", "start" }, "-namespace" },
		{ { "-namespace", "../n", "-id", "x", "start" }, "../n" },
		{ { "-namespace", "n", "start" }, "-id" },
		{ { "-namespace", "n", "-id", "x", "begin" }, "begin" },
		{ { "-namespace", "n", "-id", "x", "start", "y" }, "y" },
	};
	char out[1024];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ck_assert_int_eq(run_plain(t[i].args, out, sizeof(out)), 2);
		ck_assert_msg(strstr(out, t[i].says) != NULL,
		    "case %zu does not name %s: %s", i, t[i].says, out);
	}
}
END_TEST

START_TEST(version_and_info)
{
	static const char *const v[] = { "-v", NULL };
	static const char *const version[] = { "--version", NULL };
	static const char *const info[] = { "-info", NULL };
	char out[4096];

	ck_assert_int_eq(run_plain(v, out, sizeof(out)), 0);
	ck_assert(strstr(out, "containerd-shim-runsc-v1") != NULL);
	ck_assert_int_eq(run_plain(version, out, sizeof(out)), 0);
	ck_assert_int_eq(run_plain(info, out, sizeof(out)), 0);
	/* RuntimeInfo {1 name ...}: tag, length, name. */
	ck_assert_int_eq(memcmp(out, "\n\x16" "io.containerd.runsc.v1", 24), 0);
}
END_TEST

START_TEST(start_twice_and_stale)
{
	char *bundle = make_bundle("c1", "\"exit:0\"", "", false);
	char first[512], out[512], text[64];
	struct stat st;
	int pid;

	start_shim("c1", bundle);
	snprintf(first, sizeof(first), "%s", address);
	ck_assert_int_eq(stat(address, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(stat(in_dir("s"), &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0700);
	snprintf(text, sizeof(text), "unix://%.50s", address);
	ck_assert(strncmp(read_text(in_dir("b/c1/address")), text, 50) == 0);
	pid = daemon_pid();
	ck_assert_int_eq(atoi(read_text(in_dir("b/c1/shim.pid"))), pid);
	/* A live one is used again. */
	ck_assert_int_eq(run_verb(bundle, "c1", "start", out, sizeof(out),
	    NULL), 0);
	ck_assert(strncmp(out + 7, first, strlen(first)) == 0);
	/* A dead one's socket is replaced. */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	client_close(c);
	ck_assert_int_eq(access(first, F_OK), 0);
	start_shim("c1", bundle);
	ck_assert_str_eq(first, address);
	ck_assert_int_ne(daemon_pid(), pid);
	shut_down();
}
END_TEST

START_TEST(daemon_inherits_nothing)
{
	char path[64], target[256];
	struct dirent *e;
	ssize_t n;
	DIR *d;

	make_bundle("c1", "\"exit:0\"", "", false);
	/* Descriptors that must not get through. */
	ck_assert(dup2(1, 77) == 77);
	ck_assert(dup2(1, 300) == 300);
	start_shim("c1", in_dir("b/c1"));
	close(77);
	close(300);
	snprintf(path, sizeof(path), "/proc/%d/fd", daemon_pid());
	d = opendir(path);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		n = readlinkat(dirfd(d), e->d_name, target,
		    sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		ck_assert_msg(strncmp(target, "socket:", 7) == 0 ||
		    strncmp(target, "anon_inode:", 11) == 0 ||
		    strcmp(target, "/dev/null") == 0 ||
		    strcmp(target, in_dir("b/c1")) == 0,
		    "descriptor %s is %s", e->d_name, target);
	}
	closedir(d);
	shut_down();
}
END_TEST

/* -- the life cycle ------------------------------------------------------- */

START_TEST(whole_life)
{
	struct task_reply t;
	uint32_t wait;

	ck_assert_int_eq(create("c1", "\"sleep:100\",\"exit:7\"", ""), 0);
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
			sleep_ms(300);
			fds = count_fds(pid);
		}
		if (i % 100 == 0)
			sink_clear();
	}
	ck_assert_msg(fds_become(pid, fds), "%u descriptors, not %u",
	    count_fds(pid), fds);
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
	sleep_ms(50);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 6);
	ck_assert_int_eq(memcmp(text, "hello\n", 6), 0);
	/* And its end, before Delete. */
	ck_assert_int_eq(read(fd, text, sizeof(text)), 0);
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
	int r, i;
	ssize_t n = 0;

	a.out = in_dir("out");
	ck_assert_int_eq(mkfifo(a.out, 0600), 0);
	r = open(a.out, O_RDONLY | O_NONBLOCK);
	a.bundle = make_bundle("c1",
	    "\"tty\",\"on-winch\",\"exit:5\"", "", true);
	start_shim("c1", a.bundle);
	ck_assert_msg(task_create(c, &a, NULL) == 0, "%s", client_error);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	sleep_ms(200);
	ck_assert_int_eq(task_resize(c, "c1", "", 99, 33), 0);
	ck_assert_int_eq(task_wait(c, "c1", "", NULL), 0);
	for (i = 0; i < 50 && n < 14; i++) {
		ssize_t k = read(r, text + n, sizeof(text) - 1 - (size_t)n);

		n += k > 0 ? k : 0;
		if (k <= 0)
			sleep_ms(10);
	}
	text[n] = '\0';
	ck_assert_str_eq(text, "tty\r\n33 99\r\n");
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
	int i;

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
	for (i = 0; i < 500 && !read_text(a.out)[0]; i++)
		sleep_ms(10);
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
	faults("events:reply=nonsense");
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
	ck_assert_int_eq(task_simple(c, "Stats", "c1"), NOT_FOUND);
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
		"events:delay=500", "events:delay=500;events:fail=no",
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
	ck_assert_int_eq(task_create(c, &a, NULL), ALREADY_EXISTS);
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
	    "", "", false), ALREADY_EXISTS);
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
	char process[256];
	struct pb_out o;
	struct reply r;
	uint32_t stream;
	unsigned before;
	int pid;

	run("c1", "\"hang\"");
	before = count_processes();
	pid = daemon_pid();
	faults("detached:delay=500");
	snprintf(process, sizeof(process), PROCESS("\"touch:%s\""),
	    in_dir("ran"));
	ck_assert_int_eq(task_exec(c, "c1", "e1", process, "", "", "", false),
	    0);
	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, "c1");
	pb_put_str(&o, 2, "e1");
	stream = client_send(c, "Start", o.p, o.len);
	pb_out_free(&o);
	/* The first waits for the second, which hesitates. */
	sleep_ms(250);
	kill_commands(pid);
	ck_assert(client_recv(c, stream, &r, CLIENT_WAIT_MS));
	ck_assert_int_ne(r.code, 0);
	sleep_ms(700);
	ck_assert(access(in_dir("ran"), F_OK) < 0);
	ck_assert_uint_eq(count_processes(), before);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

START_TEST(many_execs_cost_nothing)
{
	struct task_reply t;
	unsigned fds = 0, i, entries = 0;
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
			struct dirent *e;
			DIR *d = opendir(in_dir("b/c1"));

			sleep_ms(300);
			fds = count_fds(pid);
			while ((e = readdir(d)))
				entries++;
			closedir(d);
		}
	}
	ck_assert_msg(fds_become(pid, fds), "%u descriptors, not %u",
	    count_fds(pid), fds);
	{
		struct dirent *e;
		DIR *d = opendir(in_dir("b/c1"));

		while ((e = readdir(d)))
			entries--;
		closedir(d);
	}
	ck_assert_uint_eq(entries, 0);
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

/* -- faults --------------------------------------------------------------- */

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

/* log_level and log_path, with %ID%, its directories and its end in '/'. */
START_TEST(log_settings)
{
	struct create_args a = { .id = "c1", .in = "", .out = "", .err = "",
		.config_path = toml };
	const char *log;
	char text[256];
	int i;

	for (i = 0; i < 2; i++) {
		a.bundle = make_bundle("c1", "\"exit:0\"", "", false);
		snprintf(text, sizeof(text), "log_level = \"debug\"\n"
		    "log_path = \"%s/l/%s\"\n", dir,
		    i ? "" : "m/shim-%ID%.log");
		write_toml(text);
		start_shim("c1", a.bundle);
		ck_assert_msg(task_create(c, &a, NULL) == 0, "%s",
		    client_error);
		ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
		shut_down();
		log = read_text(in_dir(i ? "l/runsc-shim-c1.log" :
		    "l/m/shim-c1.log"));
		ck_assert_ptr_nonnull(strstr(log, "level=debug"));
		ck_assert_ptr_nonnull(strstr(log, "c1: runsc create"));
	}
	a.bundle = make_bundle("c1", "\"exit:0\"", "", false);
	snprintf(text, sizeof(text), "log_path = \"%s/x\"\n", toml);
	write_toml(text);
	start_shim("c1", a.bundle);
	ck_assert_int_ne(task_create(c, &a, NULL), 0);
	ck_assert_ptr_nonnull(strstr(client_error, "log_path"));
	shut_down();
}
END_TEST

/* Settings where a shim looks by itself, in a /run of our own. */
static bool
own_run(void)
{
	char text[256];

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0) {
		printf("skipped: sandbox_service: no mount namespaces here\n");
		return false;
	}
	mkdir("/run/containerd", 0700);
	mkdir("/run/containerd/runsc", 0700);
	snprintf(text, sizeof(text), "root = \"%s/root\"\n"
	    "pause_binary = \"/bin/true\"\n", dir);
	write_text("/run/containerd/runsc/config.toml", text);
	return true;
}

static const char *cgroup_parent = "/k/pod1";

/* A call of the Sandbox service for id; {2 bundle, 4 options, 5 netns, 6
 * annotation} only for CreateSandbox. */
static uint32_t
sandbox_send(const char *method, const char *id, const char *bundle)
{
	uint8_t buf[1024], in[512], deep[256];
	struct pb_out o, config, x;
	size_t mark;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, id);
	if (bundle) {
		pb_put_str(&o, 2, bundle);
		pb_out_init(&config, in, sizeof(in));
		mark = pb_begin(&config, 1);
		pb_put_str(&config, 1, "name");
		pb_put_str(&config, 2, "uid\"1");
		pb_put_str(&config, 3, "space");
		pb_end(&config, mark);
		pb_put_str(&config, 2, "host");
		mark = pb_begin(&config, 8);
		pb_put_str(&config, 1, cgroup_parent);
		pb_out_init(&x, deep, sizeof(deep));
		pb_put_uint(&x, 1, 100000);
		pb_put_int(&x, 2, -1);
		pb_put_uint(&x, 4, 1 << 30);
		pb_put_bytes(&config, 5, x.p, x.len);
		pb_end(&config, mark);
		pb_put_any(&o, 4, "runtime.v1.PodSandboxConfig", config.p,
		    config.len);
		pb_put_str(&o, 5, "/netns");
		mark = pb_begin(&o, 6);
		pb_put_str(&o, 1, "a.b");
		pb_put_str(&o, 2, "c");
		pb_end(&o, mark);
		mark = pb_begin(&o, 6);
		pb_put_str(&o, 1, "io.kubernetes.cri.container-type");
		pb_put_str(&o, 2, "container");
		pb_end(&o, mark);
	}
	ck_assert(!o.bad);
	return client_send_full(c, "containerd.runtime.sandbox.v1.Sandbox",
	    method, o.p, o.len, 0);
}

/* The reply's code; *in is to read its payload. */
static int
sandbox_call(const char *method, const char *id, const char *bundle,
    struct pb_in *in)
{
	static struct reply r;

	ck_assert_msg(client_recv(c, sandbox_send(method, id, bundle), &r,
	    CLIENT_WAIT_MS), "%s: no reply", method);
	snprintf(client_error, sizeof(client_error), "%s", r.msg);
	if (in)
		pb_in_init(in, r.payload, r.n);
	return r.code;
}

/* Field num of a reply: a number, or a string. */
static const char *
field(struct pb_in in, uint32_t num)
{
	static char text[256];
	struct pb_field f;

	text[0] = '\0';
	while (pb_next(&in, &f)) {
		if (f.num == num && f.wire == PB_VARINT)
			snprintf(text, sizeof(text), "%llu",
			    (unsigned long long)f.v);
		else if (f.num == num && f.wire == PB_BYTES)
			snprintf(text, sizeof(text), "%.*s", (int)f.b.n,
			    (const char *)f.b.p);
	}
	return text;
}

START_TEST(sandbox_service)
{
	char *bundle = in_dir("b/s1"), *spec;
	uint8_t id[16];
	struct pb_out o;
	uint32_t waiting;
	struct pb_in in;
	struct reply r;
	int pid;

	if (!own_run())
		return;
	mkdir(in_dir("b"), 0700);
	mkdir(bundle, 0700);
	start_shim("s1", bundle);
	pid = daemon_pid();
	ck_assert_int_eq(sandbox_call("StartSandbox", "s1", NULL, NULL),
	    NOT_FOUND);
	ck_assert_int_eq(sandbox_call("PingSandbox", "s1", NULL, NULL),
	    NOT_FOUND);
	ck_assert_msg(sandbox_call("CreateSandbox", "s1", bundle, NULL) == 0,
	    "%s", client_error);
	spec = read_text(in_dir("b/s1/config.json"));
	ck_assert_ptr_nonnull(strstr(spec, "\"source\":\"/bin/true\""));
	ck_assert_ptr_nonnull(strstr(spec, "\"hostname\":\"host\""));
	ck_assert_ptr_nonnull(strstr(spec, "container-type\":\"sandbox\""));
	ck_assert_ptr_null(strstr(spec, "container-type\":\"container\""));
	ck_assert_ptr_nonnull(strstr(spec, "sandbox-uid\":\"uid\\\"1\""));
	ck_assert_ptr_nonnull(strstr(spec, "\"a.b\":\"c\""));
	ck_assert_ptr_nonnull(strstr(spec,
	    "{\"type\":\"network\",\"path\":\"/netns\"}"));
	ck_assert_ptr_nonnull(strstr(spec, "\"cgroupsPath\":\"/k/pod1/s1\""));
	ck_assert_ptr_nonnull(strstr(spec,
	    "cgroup-parent\":\"/k/pod1\""));
	ck_assert_ptr_nonnull(strstr(spec, "\"resources\":{\"cpu\":{"
	    "\"period\":100000},\"memory\":{\"limit\":1073741824}}"));
	ck_assert_int_ne(sandbox_call("CreateSandbox", "s1", bundle, NULL), 0);
	ck_assert_int_eq(sandbox_call("SandboxStatus", "s1", NULL, &in), 0);
	ck_assert_str_eq(field(in, 3), "SANDBOX_NOTREADY");
	ck_assert_int_eq(sandbox_call("StartSandbox", "s1", NULL, &in), 0);
	ck_assert_int_gt(atoi(field(in, 1)), 1);
	ck_assert_str_ne(field(in, 2), "");
	ck_assert_int_eq(sandbox_call("SandboxStatus", "s1", NULL, &in), 0);
	ck_assert_str_eq(field(in, 1), "s1");
	ck_assert_str_eq(field(in, 3), "SANDBOX_READY");
	ck_assert_str_eq(field(in, 6), "");
	ck_assert_int_eq(sandbox_call("PingSandbox", "s1", NULL, NULL), 0);
	ck_assert_int_eq(sandbox_call("Platform", "s1", NULL, &in), 0);
	ck_assert_ptr_nonnull(strstr(field(in, 1), "linux"));
	ck_assert_msg(sandbox_call("SandboxMetrics", "s1", NULL, &in) == 0,
	    "%s", client_error);
	ck_assert_ptr_nonnull(strstr(field(in, 1), "s1"));
	/* Who asked leaves before the answer. */
	faults("events:delay=500");
	pb_out_init(&o, id, sizeof(id));
	pb_put_str(&o, 1, "s1");
	ck_assert(client_recv(c, client_send_full(c,
	    "containerd.runtime.sandbox.v1.Sandbox", "SandboxMetrics", o.p,
	    o.len, 100 * 1000000), &r, CLIENT_WAIT_MS));
	ck_assert_int_eq(r.code, DEADLINE);
	sleep_ms(700);
	faults("");
	waiting = sandbox_send("WaitSandbox", "s1", NULL);
	ck_assert(!client_recv(c, waiting, &r, 200));
	ck_assert_int_eq(sandbox_call("StopSandbox", "s1", NULL, NULL), 0);
	ck_assert(client_recv(c, waiting, &r, CLIENT_WAIT_MS));
	pb_in_init(&in, r.payload, r.n);
	ck_assert_str_eq(field(in, 1), "137");
	ck_assert_int_eq(sandbox_call("StopSandbox", "s1", NULL, NULL), 0);
	ck_assert_int_eq(sandbox_call("SandboxStatus", "s1", NULL, &in), 0);
	ck_assert_str_eq(field(in, 3), "SANDBOX_NOTREADY");
	ck_assert_str_ne(field(in, 6), "");
	ck_assert_int_eq(sandbox_call("ShutdownSandbox", "s1", NULL, NULL), 0);
	client_close(c);
	c = NULL;
	daemon_leaves(pid);
}
END_TEST

/* Shutdown alone ends a sandbox too, whatever it is doing. */
START_TEST(sandbox_shutdown)
{
	char *bundle = in_dir("b/s1");
	int pid;

	if (!own_run())
		return;
	mkdir(in_dir("b"), 0700);
	mkdir(bundle, 0700);
	start_shim("s1", bundle);
	pid = daemon_pid();
	cgroup_parent = "/kubepods.slice/kubepods-pod1.slice";
	ck_assert_int_eq(sandbox_call("CreateSandbox", "s1", bundle, NULL), 0);
	ck_assert_ptr_nonnull(strstr(read_text(in_dir("b/s1/config.json")),
	    "\"cgroupsPath\":\"kubepods-pod1.slice:cri-containerd:s1\""));
	if (_i)
		ck_assert_int_eq(sandbox_call("StartSandbox", "s1", NULL,
		    NULL), 0);
	ck_assert_msg(sandbox_call("ShutdownSandbox", "s1", NULL, NULL) == 0,
	    "%s", client_error);
	client_close(c);
	c = NULL;
	daemon_leaves(pid);
}
END_TEST

/* What runs in the sandbox: this binary by another name. */
START_TEST(sandbox_process)
{
	static const int signals_[] = { SIGTERM, SIGINT };
	char *name = in_dir("pause");
	int status, i;
	pid_t pid;

	ck_assert_int_eq(symlink(shim, name), 0);
	for (i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			execl(name, name, (char *)NULL);
			_exit(127);
		}
		sleep_ms(300);
		ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
		kill(pid, signals_[i]);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}
END_TEST

/* A dynamic program cannot be the sandbox's process. */
START_TEST(sandbox_needs_static)
{
	char *bundle = in_dir("b/s1"), text[256];

	if (!own_run())
		return;
	snprintf(text, sizeof(text), "root = \"%s/root\"\n", dir);
	write_text("/run/containerd/runsc/config.toml", text);
	mkdir(in_dir("b"), 0700);
	mkdir(bundle, 0700);
	start_shim("s1", bundle);
	ck_assert_int_eq(sandbox_call("CreateSandbox", "s1", bundle, NULL),
	    PRECONDITION);
	ck_assert_ptr_nonnull(strstr(client_error, "pause_binary"));
	shut_down();
}
END_TEST

/* A bundle is one container's as long as that lives: who comes second is told
 * so, and neither its Create nor the verb takes the first along. */
START_TEST(create_in_a_bundle_in_use)
{
	struct task_reply t;
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
	sleep_ms(100);
	ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.status, RUNNING);
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
	faults("events:hang");
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
	sleep_ms(100);
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

	run("c1", "\"sleep:200\",\"exit:8\"");
	ck_assert(sink_wait("TaskStart", 5000));
	sink_close();
	unlink(events_path);
	sink_clear();
	ck_assert_int_eq(task_wait(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 8);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	sleep_ms(300);
	sink_open(events_path);
	ck_assert(sink_wait("TaskDelete", 8000));
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

/* -- pods ----------------------------------------------------------------- */

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
	run_sub("k9", "\"sleep:300\",\"kill:9\"");
	run_sub("kt", "\"hang\"");
	ck_assert_int_eq(task_pids(c, "kt", &t), 0);
	ck_assert_uint_eq(t.npids, 1);
	ck_assert_int_eq(task_kill(c, "kt", "", SIGTERM, false), 0);
	sub_ends("k7", 7);
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

/* -- the verb delete, signals --------------------------------------------- */

START_TEST(delete_verb)
{
	char out[256];
	size_t n, i;
	int pid, k;

	run("c1", "\"hang\"");
	pid = daemon_pid();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	client_close(c);
	c = NULL;
	for (k = 0; k < 2; k++) {
		ck_assert_int_eq(run_verb(in_dir("b/c1"), "c1", "delete", out,
		    sizeof(out), &n), 0);
		/* DeleteResponse: field 2, 137. */
		for (i = 0; i + 2 < n; i++) {
			if (memcmp(out + i, "\x10\x89\x01", 3) == 0)
				break;
		}
		ck_assert_msg(i + 2 < n, "no status 137");
		ck_assert(access(address, F_OK) < 0);
		sleep_ms(50);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		ck_assert_uint_eq(count_processes(), 0);
	}
	ck_assert_msg(access(in_dir("root/ns/c1"), F_OK) < 0,
	    "runsc's state is left");
}
END_TEST

START_TEST(delete_verb_of_nothing)
{
	char out[256];
	size_t n;

	mkdir(in_dir("b"), 0700);
	mkdir(in_dir("b/x"), 0700);
	ck_assert_int_eq(run_verb(in_dir("b/x"), "x", "delete", out,
	    sizeof(out), &n), 0);
	ck_assert_uint_gt(n, 3);
}
END_TEST

static void
remove_bundle(const char *id)
{
	char cmd[300];

	snprintf(cmd, sizeof(cmd), "rm -r %s", in_dir("b/%s", id));
	ck_assert_int_eq(system(cmd), 0);
}

/* containerd was killed while it had the shim started, and cleaned up. */
START_TEST(nobody_came)
{
	int pid;

	start_shim("c1", make_bundle("c1", "\"hang\"", "", false));
	pid = daemon_pid();
	client_close(c);
	c = NULL;
	remove_bundle("c1");
	daemon_leaves(pid);
}
END_TEST

/* containerd came back, could not reach the shim, and cleaned up. */
START_TEST(given_up)
{
	char out[256];
	size_t n;
	int pid;

	run("c1", "\"hang\"");
	pid = daemon_pid();
	client_close(c);
	c = NULL;
	sleep_ms(2500);
	ck_assert_int_eq(kill(pid, 0), 0);
	ck_assert_int_eq(run_verb(in_dir("b/c1"), "c1", "delete", out,
	    sizeof(out), &n), 0);
	remove_bundle("c1");
	daemon_leaves(pid);
}
END_TEST

START_TEST(signals)
{
	char *log = in_dir("b/c1/log");
	char *text;
	struct pb_out o;
	int pid, status, i, fd;

	make_bundle("c1", "\"hang\"", "", false);
	write_text(log, "");
	write_toml("control_socket = \"off\"\nlog_level = \"error\"\n");
	run("c1", "\"hang\"");
	pid = daemon_pid();
	/* A reader that takes nothing, and operations that hang. */
	ck_assert_int_eq(mkfifo(in_dir("out"), 0600), 0);
	fd = open(in_dir("out"), O_RDONLY | O_NONBLOCK);
	ck_assert_int_eq(task_exec(c, "c1", "e1",
	    PROCESS("\"fill:1000000\""), "", in_dir("out"), "", false), 0);
	ck_assert_int_eq(task_start(c, "c1", "e1", NULL), 0);
	faults("pause:hang;kill:hang");
	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, "c1");
	task_kill_send(c, "c1", "", SIGTERM, false);
	client_send(c, "Pause", o.p, o.len);
	client_send(c, "Resume", o.p, o.len);
	pb_out_free(&o);
	sleep_ms(100);
	kill(pid, SIGUSR1);
	ck_assert_int_eq(task_state(c, "c1", "", NULL), 0);
	sleep_ms(50);
	text = read_text(log);
	ck_assert(strstr(text, "dump: version") != NULL);
	ck_assert(strstr(text, "events ") != NULL);
	ck_assert(strstr(text, "log lines dropped 0") != NULL);
	ck_assert(strstr(text, "dump: container c1 bundle") != NULL);
	ck_assert(strstr(text, "dump: c1: running") != NULL);
	ck_assert(strstr(text, "dump: c1: kill under way for ") != NULL);
	ck_assert(strstr(text, "dump: c1: pause under way for ") != NULL);
	ck_assert(strstr(text, "dump: c1: resume waits for ") != NULL);
	ck_assert(strstr(text, "dump: c1/e1: running") != NULL);
	ck_assert(strstr(text, "dump: c1 e1: stdout: ") != NULL);
	ck_assert(strstr(text, "0 dropped, its reader takes no more") != NULL);
	kill(pid, SIGTERM);
	for (i = 0; i < 500 && waitpid(pid, &status, WNOHANG) != pid; i++)
		sleep_ms(10);
	ck_assert_int_lt(i, 500);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert(access(address, F_OK) < 0);
	close(fd);
	client_close(c);
	c = NULL;
}
END_TEST

static void
add(Suite *s)
{
	const TTest *const tests[] = {
		bad_usage, version_and_info, start_twice_and_stale,
		daemon_inherits_nothing, whole_life, true_a_thousand_times,
		killed, kill_created, delete_created, output,
		stdin_until_closed, terminal, pause_resume, checkpoint_restore, restore_fails,
		stats_and_update, stats_together, kill_timeout,
		pids_never_empty,
		unknown_and_taken, exec_life, exec_fails,
		exec_cut_short, many_execs_cost_nothing, init_exit_ends_execs, create_fails,
		create_bad_input, log_settings, start_fails,
		create_in_a_bundle_in_use, hung_stats_leave_room, sandbox_service,
		sandbox_process, sandbox_needs_static, hung_kill_delays_nobody,
		deadline, request_timeout, delete_tolerates,
		events_wait_for_containerd, no_events_wanted, pod,
		control_socket_forced, sub_start_fails, delete_verb,
		delete_verb_of_nothing, nobody_came, given_up, signals,
	};
	TCase *tc = tcase_create("it");
	size_t i;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_loop_test(tc, control_socket, 0,
	    sizeof(sockets) / sizeof(sockets[0]));
	tcase_add_loop_test(tc, sandbox_dies, 0, 3);
	tcase_add_loop_test(tc, sandbox_shutdown, 0, 2);
	suite_add_tcase(s, tc);
}

int
main(void)
{
	return run_suite("it", add);
}
