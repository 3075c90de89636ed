/* SPDX-License-Identifier: Apache-2.0 */
/* ctl: see ctl.h. */
#include "ctl.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>


#define ARGS_MAX 32

char ctl[PATH_MAX];
char out[1 << 20], err[1 << 16];

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
	int status;

	await(waitpid(pid, &status, WNOHANG) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    1000 + WTERMSIG(status);
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
	await(shell("$ctl state %s 2>&1 | grep -q 'status: %s'", id, status)
	    == 0);
}

void
nothing_left(void)
{
	await(find_processes(dir, 0) == 0 && entries(in_dir("s")) == 0);
	ck_assert_int_eq(entries(in_dir("tmp")), 0);
}

static void
setup(void)
{
	const char *program = getenv("SHIMCTL");
	char path[PATH_MAX + 1024], text[256];

	dir_open("SHIM");
	ck_assert_msg(program && realpath(program, ctl), "SHIMCTL must be set");
	unsetenv("TTRPC_ADDRESS");
	unsetenv("CONTAINERD_NAMESPACE");
	unsetenv("CONTAINERD_ADDRESS");
	mkdir(in_dir("tmp"), 0700);
	setenv("TMPDIR", in_dir("tmp"), 1);
	snprintf(text, sizeof(text), "root = \"%s\"\n", in_dir("r"));
	write_text(in_dir("runsc.toml"), text);
	snprintf(path, sizeof(path), "%s --socket-dir %s --containerd %s "
	    "--state-dir %s", ctl, in_dir("s"), in_dir("sock"),
	    in_dir("state"));
	setenv("ctl", path, 1);
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
ctl_run(const char *name, void (*add)(TCase *tc))
{
	int status;

	dir_make_base(name);
	status = suite_run(name, setup, dir_close, add);
	dir_remove_base();
	return status;
}
