/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verbs_test: the shim's command line, its verbs `start` and `delete`, where it
 * logs, and what it does with signals.
 */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/pb.h"
#include "base/deadline.h"
#include "client.h"
#include "host.h"

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
		processes_become(0);
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

/* containerd was killed while it had the shim started, and cleaned up. */
START_TEST(nobody_came)
{
	int pid;

	start_shim("c1", make_bundle("c1", "\"hang\"", "", false));
	pid = daemon_pid();
	client_close(c);
	c = NULL;
	remove_tree(in_dir("b/c1"));
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
	/* Longer than it takes to look whether somebody wants it still. */
	sleep_ms(1000 + (int)(UNWANTED_LOOK_NS / NS_PER_MS));
	ck_assert_int_eq(kill(pid, 0), 0);
	ck_assert_int_eq(run_verb(in_dir("b/c1"), "c1", "delete", out,
	    sizeof(out), &n), 0);
	remove_tree(in_dir("b/c1"));
	daemon_leaves(pid);
}
END_TEST

START_TEST(signals)
{
	char *log = in_dir("b/c1/log");
	char *text;
	struct pb_out o;
	int pid, status, fd, calls = 0;

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
	await(calls_of(" kill ") > 0 && calls_of(" pause ") > 0);
	/* On the same connection: Resume has been read before this. */
	ck_assert_int_eq(task_state(c, "c1", "", NULL), 0);
	/* Until the FIFO is full, too. */
	do {
		kill(pid, calls++ % 2 ? SIGUSR1 : SIGUSR2);
		ck_assert_int_eq(task_state(c, "c1", "", NULL), 0);
		text = read_text(log);
	} while (!strstr(text, "its reader takes no more"));
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
	await(waitpid(pid, &status, WNOHANG) == pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert(access(address, F_OK) < 0);
	close(fd);
	client_close(c);
	c = NULL;
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, bad_usage, version_and_info, start_twice_and_stale,
	    daemon_inherits_nothing, log_settings, delete_verb,
	    delete_verb_of_nothing, nobody_came, given_up, signals);
}

int
main(void)
{
	return host_run("verbs", add);
}
