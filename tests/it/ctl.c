/* SPDX-License-Identifier: Apache-2.0 */
/* ctl: see ctl.h. */
#include "ctl.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/suite.h"

#define ARGS_MAX 32

char shim[PATH_MAX], ctl[PATH_MAX];
char out[1 << 20], err[1 << 16];

unsigned
entries(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

char *
make_bundle(const char *id, const char *words, const char *annotations,
    bool terminal)
{
	char text[2048];

	mkdir(in_dir("b"), 0700);
	mkdir(in_dir("b/%s", id), 0700);
	mkdir(in_dir("b/%s/rootfs", id), 0711);
	snprintf(text, sizeof(text), "{\"ociVersion\":\"1.0.2\",\"process\":{"
	    "\"terminal\":%s,\"args\":[\"fake\",%s],\"cwd\":\"/\"},\"root\":"
	    "{\"path\":\"rootfs\"},\"annotations\":{%s}}",
	    terminal ? "true" : "false", words, annotations);
	write_text(in_dir("b/%s/config.json", id), text);
	return in_dir("b/%s", id);
}

/* -- running -------------------------------------------------------------- */

pid_t
spawn_va(int in, int out_fd, int err_fd, va_list ap)
{
	static char config[PATH_MAX];
	const char *argv[ARGS_MAX] = { ctl, "--socket-dir", in_dir("s"),
		"--containerd", in_dir("sock"), "--state-dir",
		in_dir("state"), NULL };
	int n = 7;
	const char *a;
	pid_t pid;

	snprintf(config, sizeof(config), "%s/runsc.toml", dir);
	while ((a = va_arg(ap, const char *))) {
		argv[n++] = a;
		if (strcmp(a, "run") == 0 || strcmp(a, "start-shim") == 0) {
			argv[n++] = "--shim";
			argv[n++] = shim;
		}
		if (strcmp(a, "run") == 0 || strcmp(a, "create") == 0) {
			argv[n++] = "--config";
			argv[n++] = config;
		}
		ck_assert_int_lt(n, ARGS_MAX - 4);
	}
	argv[n] = NULL;
	pid = fork();
	if (pid == 0) {
		dup2(in, 0);
		dup2(out_fd, 1);
		dup2(err_fd, 2);
		execv(ctl, (char *const *)argv);
		_exit(98);
	}
	return pid;
}

int
status_of(pid_t pid)
{
	int i, status;

	for (i = 0; i < WAIT_MS / 10; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) :
			    1000 + WTERMSIG(status);
		sleep_ms(10);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

void
read_back(const char *path, char *to, size_t cap)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, to, cap - 1);

	to[n < 0 ? 0 : n] = '\0';
	close(fd);
}

pid_t
spawn(const char *input, ...)
{
	int in, o, e;
	va_list ap;
	pid_t pid;

	if (input)
		write_text(in_dir("in"), input);
	in = open(input ? in_dir("in") : "/dev/null", O_RDONLY);
	o = open(in_dir("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	e = open(in_dir("err"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	va_start(ap, input);
	pid = spawn_va(in, o, e, ap);
	va_end(ap);
	close(in);
	close(o);
	close(e);
	return pid;
}

int
finish(pid_t pid)
{
	int status = status_of(pid);

	read_back(in_dir("out"), out, sizeof(out));
	read_back(in_dir("err"), err, sizeof(err));
	return status;
}

bool
says(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

int
shell(const char *fmt, ...)
{
	char cmd[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

void
becomes(const char *id, const char *status)
{
	int i;

	for (i = 0; i < WAIT_MS / 20; i++) {
		if (shell("$ctl state %s 2>&1 | grep -q 'status: %s'", id,
		    status) == 0)
			return;
		sleep_ms(20);
	}
	ck_abort_msg("%s does not become %s", id, status);
}

void
nothing_left(void)
{
	int i;

	for (i = 0; i < WAIT_MS / 10; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (find_processes(dir, 0) == 0 && entries(in_dir("s")) == 0)
			break;
		sleep_ms(10);
	}
	ck_assert_int_eq(find_processes(dir, 0), 0);
	ck_assert_int_eq(entries(in_dir("s")), 0);
	ck_assert_int_eq(entries(in_dir("tmp")), 0);
}

static void
setup(void)
{
	const char *s = getenv("SHIM"), *bin = getenv("FAKE_BIN");
	const char *c = getenv("SHIMCTL");
	char path[PATH_MAX + 1024], text[256];

	ck_assert_msg(s && bin && c, "SHIM, SHIMCTL, FAKE_BIN must be set");
	ck_assert(realpath(s, shim) != NULL);
	ck_assert(realpath(c, ctl) != NULL);
	ck_assert(realpath(bin, path) != NULL);
	strcat(path, ":/usr/bin:/bin");
	setenv("PATH", path, 1);
	unsetenv("TTRPC_ADDRESS");
	unsetenv("CONTAINERD_NAMESPACE");
	unsetenv("CONTAINERD_ADDRESS");
	snprintf(dir, sizeof(dir), "%s/XXXXXX", base);
	ck_assert(mkdtemp(dir) != NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	mkdir(in_dir("tmp"), 0700);
	setenv("TMPDIR", in_dir("tmp"), 1);
	setenv("FAKE_RUNSC", in_dir("faults"), 1);
	setenv("FAKE_RUNSC_LOG", in_dir("calls"), 1);
	write_text(in_dir("faults"), "");
	snprintf(text, sizeof(text), "root = \"%s\"\n", in_dir("r"));
	write_text(in_dir("runsc.toml"), text);
	snprintf(path, sizeof(path), "%s --socket-dir %s --containerd %s "
	    "--state-dir %s", ctl, in_dir("s"), in_dir("sock"),
	    in_dir("state"));
	setenv("ctl", path, 1);
}

static void
teardown(void)
{
	find_processes(dir, SIGKILL);
	sleep_ms(20);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

void
start_container(const char *id, const char *words)
{
	char *bundle = make_bundle(id, words, "", false);

	ok("start-shim", bundle, id);
	ok("create", bundle, id);
	ok("start", id);
}

void
remove_container(const char *id)
{
	ok("kill", id, "KILL", "--all");
	ok("wait", id);
	ok("delete", id);
}

void
end_container(const char *id)
{
	remove_container(id);
	nothing_left();
}

int
run_ctl_suite(const char *name, void (*add)(TCase *tc))
{
	char cmd[64];
	int status;

	strcpy(base, "/tmp/ctl-XXXXXX");
	if (!mkdtemp(base))
		return 1;
	status = suite_run(name, 120, setup, teardown, add);
	find_processes(base, SIGKILL);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	if (system(cmd) != 0)
		fprintf(stderr, "%s: failed\n", cmd);
	return status;
}
