/* SPDX-License-Identifier: Apache-2.0 */
/* host: see host.h. */
#include "host.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/suite.h"
#include "wire/pb.h"

#define REAP_MS 20

char events_path[128];
char toml[128];
char address[512];
struct client *c;

/* BootstrapParams {1 id, 2 namespace, 9 socket_dir}. */
static size_t
bootstrap(const char *id, uint8_t *buf, size_t cap)
{
	struct pb_out o;

	pb_out_init(&o, buf, cap);
	pb_put_str(&o, 1, id);
	pb_put_str(&o, 2, "ns");
	pb_put_str(&o, 9, in_dir("s"));
	return o.len;
}

/* What a dead shim left and `delete` kills is ours to reap, while that waits for
 * it to be gone. */
static void
reap_others(pid_t verb)
{
	siginfo_t si = { 0 };

	while (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    si.si_pid && si.si_pid != verb) {
		waitpid(si.si_pid, NULL, 0);
		si.si_pid = 0;
	}
}

/* Run the shim in bundle with a verb; its output into out, its status. */
int
run_verb(const char *bundle, const char *id, const char *verb, char *out,
    size_t cap, size_t *outlen)
{
	int to[2], from[2], status;
	uint8_t buf[256];
	size_t n = bootstrap(id, buf, sizeof(buf)), used = 0;
	struct pollfd p = { .events = POLLIN };
	ssize_t r = 0;
	pid_t pid;

	ck_assert_int_eq(pipe(to), 0);
	ck_assert_int_eq(pipe(from), 0);
	pid = fork();
	if (pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		close(to[0]);
		close(from[1]);
		if (chdir(bundle) < 0)
			_exit(99);
		execl(shim, shim, "-namespace", "ns", "-id", id, "-address",
		    in_dir("containerd.sock"), verb, (char *)NULL);
		_exit(98);
	}
	close(to[0]);
	close(from[1]);
	p.fd = from[0];
	/* As containerd does: `delete` gets nothing, and does not wait. */
	if (strcmp(verb, "start") == 0)
		ck_assert_int_eq(write(to[1], buf, n), (ssize_t)n);
	close(to[1]);
	/* To the end of file: a daemon that inherited it would hold it. */
	while (used + 1 < cap && (poll(&p, 1, REAP_MS) == 0 ||
	    (r = read(from[0], out + used, cap - 1 - used)) > 0)) {
		if (p.revents)
			used += (size_t)r;
		reap_others(pid);
	}
	close(from[0]);
	out[used] = '\0';
	if (strcmp(verb, "start") == 0)
		keep_address(out, used);
	if (outlen)
		*outlen = used;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void
start_shim(const char *id, const char *bundle)
{
	char out[256];

	ck_assert_int_eq(run_verb(bundle, id, "start", out, sizeof(out), NULL),
	    0);
	ck_assert_msg(strncmp(out, "unix:///", 8) == 0, "start said: %s", out);
	ck_assert_msg(out[strlen(out) - 1] == '\n' &&
	    strchr(out, '\n') == out + strlen(out) - 1, "not one line: %s",
	    out);
	out[strlen(out) - 1] = '\0';
	snprintf(address, sizeof(address), "%s", out + 7);
	c = client_connect(address);
	ck_assert_msg(c != NULL, "connect %s: %s", address, strerror(errno));
}

int
create(const char *id, const char *words, const char *out)
{
	struct create_args a = {
		.id = id, .in = "", .out = out, .err = "",
		.config_path = toml,
	};

	a.bundle = make_bundle(id, words, "", false);
	if (!c)
		start_shim(id, a.bundle);
	return task_create(c, &a, NULL);
}

void
run(const char *id, const char *words)
{
	ck_assert_msg(create(id, words, "") == 0, "create: %s", client_error);
	ck_assert_msg(task_start(c, id, "", NULL) == 0, "start: %s",
	    client_error);
}

void
remove_container(const char *id)
{
	task_kill(c, id, "", SIGKILL, true);
	ck_assert_int_eq(task_wait(c, id, "", NULL), 0);
	ck_assert_msg(task_delete(c, id, "", NULL) == 0, "delete: %s",
	    client_error);
}

int
daemon_pid(void)
{
	struct task_reply t;

	ck_assert_int_eq(task_connect(c, "nobody", &t), 0);
	return (int)t.shim_pid;
}

unsigned
count_fds(int pid)
{
	char path[64];
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	ck_assert(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Children of a process, or those that are runsc commands at work: sandboxes,
 * gofers and execs have other names. */
static unsigned
children_of(int pid, bool commands, int sig)
{
	char path[64], text[4096], cmdline[64], *word, *rest = text;
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "r");
	ck_assert(f != NULL);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	while ((word = strtok_r(rest, " ", &rest))) {
		snprintf(path, sizeof(path), "/proc/%s/cmdline", word);
		f = fopen(path, "r");
		if (commands && f)
			cmdline[fread(cmdline, 1, sizeof(cmdline) - 1, f)] =
			    '\0';
		if (f)
			fclose(f);
		if (commands && (!f || strcmp(cmdline, "runsc") != 0))
			continue;
		n++;
		if (sig)
			kill(atoi(word), sig);
	}
	return n;
}

unsigned
count_children(int pid)
{
	return children_of(pid, false, 0);
}

unsigned
count_commands(int pid)
{
	return children_of(pid, true, 0);
}

void
kill_commands(int pid)
{
	children_of(pid, true, SIGKILL);
}

unsigned
count_processes(void)
{
	return find_processes(dir, 0);
}

void
processes_become(unsigned want)
{
	/* What has ended is no process, whoever should take it. */
	await(count_processes() == want);
}

size_t
read_to_end(int fd, char *text, size_t cap)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t n = 0;
	ssize_t r;

	do {
		ck_assert_msg(poll(&p, 1, HANG_MS) == 1, "after %zu bytes: "
		    "neither more nor the end", n);
		r = read(fd, text + n, cap - 1 - n);
		n += r > 0 ? (size_t)r : 0;
	} while (r > 0 && n + 1 < cap);
	text[n] = '\0';
	return n;
}

/* The daemon ends by itself, well, and leaves nothing. */
void
daemon_leaves(int pid)
{
	int status = -1;

	/* It is our orphan, since we are the subreaper. */
	await(waitpid(pid, &status, WNOHANG) == pid);
	/* A sanitizer's complaint ends it with another. */
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "the daemon ended with %#x", status);
	ck_assert_msg(access(address, F_OK) < 0, "its socket is left");
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	/* What it killed at last may take a moment more to die. */
	processes_become(0);
}

void
shut_down(void)
{
	int pid = daemon_pid();

	ck_assert_int_eq(task_simple(c, "Shutdown", "x"), 0);
	client_close(c);
	c = NULL;
	daemon_leaves(pid);
}

void
run_exec(const char *exec_id, const char *process, const char *out)
{
	ck_assert_msg(task_exec(c, "c1", exec_id, process, "", out, "", false)
	    == 0, "%s", client_error);
	ck_assert_msg(task_start(c, "c1", exec_id, NULL) == 0, "%s",
	    client_error);
}

int
open_fifo(const char *name)
{
	int fd;

	ck_assert_int_eq(mkfifo(in_dir("%s", name), 0600), 0);
	fd = open(in_dir("%s", name), O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

const char *
held(const char *words)
{
	static char text[512];

	snprintf(text, sizeof(text), "\"wait:%s\",%s", in_dir("go"), words);
	return text;
}

void
let_go(void)
{
	write_text(in_dir("go"), "");
}

void
faults(const char *rules)
{
	write_text(in_dir("faults"), rules);
}

void
write_toml(const char *lines)
{
	char text[512];

	snprintf(text, sizeof(text), "root = \"%s/root\"\n%s", dir, lines);
	write_text(toml, text);
}

/* Lines of the fake's log that contain word. */
unsigned
calls_of(const char *word)
{
	char *p = read_text(in_dir("calls"));
	unsigned n = 0;

	while ((p = strstr(p, word))) {
		n++;
		p++;
	}
	return n;
}

void
setup(void)
{
	dir_open("SHIM");
	snprintf(events_path, sizeof(events_path), "%s/events", dir);
	setenv("TTRPC_ADDRESS", events_path, 1);
	sink_open(events_path);
	snprintf(toml, sizeof(toml), "%s/runsc.toml", dir);
	write_toml("");
	c = NULL;
}

void
teardown(void)
{
	if (c)
		client_close(c);
	sink_close();
	dir_close();
}

int
host_run(const char *name, void (*add)(TCase *tc))
{
	int status;

	dir_make_base(name);
	status = suite_run(name, setup, teardown, add);
	dir_remove_base();
	return status;
}
