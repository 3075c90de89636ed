/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade: what a shim of an earlier release has written can be taken over, and
 * what is damaged is refused and ends nobody.
 *
 * tests/golden/upgrade has what releases wrote, each looked at by every later
 * one: README.md there says of which shim.
 */
#include "upgrade.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "ops.h"
#include "sandbox.h"
#include "task.h"
#include "tests/suite.h"

#define GOLDEN "tests/golden/upgrade"
#define PIECES 400		/* of a file that are damaged, each once */

static const struct ttrpc_service table[] = {
	{ "containerd.task.v2.Task", task_methods },
	{ "containerd.task.v3.Task", task_methods },
	{ "containerd.runtime.sandbox.v1.Sandbox", sandbox_methods },
	{ "runsc.shim.v1.Shim", upgrade_methods },
	{ NULL, NULL },
};

/* In a process of its own, since it all stays: 0 if it can be taken over; why
 * not in text. */
static int
look(const char *state, size_t n, char text[ERR_MSG_MAX])
{
	int status, fds[2], fd = memfd_create("state", MFD_CLOEXEC);
	struct err e;
	ssize_t r;
	pid_t pid;

	ck_assert_int_eq(write(fd, state, n), (ssize_t)n);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		alarm(HANG_MS / 1000);
		state_init("ns", ops_cells, NULL);
		if (upgrade_check(fd, table, &e) == 0)
			_exit(0);
		_exit(write(fds[1], e.msg, strlen(e.msg)) < 0 ? 2 : 1);
	}
	close(fds[1]);
	r = read(fds[0], text, ERR_MSG_MAX - 1);
	text[r > 0 ? r : 0] = '\0';
	close(fds[0]);
	close(fd);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) < 2,
	    "it ended with %#x", status);
	return WEXITSTATUS(status);
}

/* Call use with each of the files; how many. */
static unsigned
each(void (*use)(char *state, size_t n, const char *name))
{
	char path[512], *state;
	struct dirent *d;
	unsigned files = 0;
	struct err e;
	size_t n;
	DIR *all = opendir(GOLDEN);

	ck_assert(all != NULL);
	while ((d = readdir(all))) {
		if (!strstr(d->d_name, ".state"))
			continue;
		snprintf(path, sizeof(path), GOLDEN "/%s", d->d_name);
		state = file_load(AT_FDCWD, path, 0, 1 << 20, &n, &e);
		ck_assert_msg(state != NULL, "%s", e.msg);
		use(state, n, d->d_name);
		free(state);
		files++;
	}
	closedir(all);
	return files;
}

static void
is_taken(char *state, size_t n, const char *name)
{
	char text[ERR_MSG_MAX];

	ck_assert_msg(look(state, n, text) == 0, "%s: %s", name, text);
}

START_TEST(golden)
{
	ck_assert_uint_gt(each(is_taken), 0);
}
END_TEST

static void
damage(char *state, size_t n, const char *name)
{
	char text[ERR_MSG_MAX], was;
	size_t i, step = n / PIECES + 1, cut;

	(void)name;
	for (i = 0; i < n; i += step) {
		was = state[i];
		state[i] = (char)(was ^ 1 << i % 8);
		look(state, n, text);
		state[i] = (char)0xff;
		look(state, n, text);
		state[i] = was;
	}
	for (cut = 0; cut < n; cut += step) {
		ck_assert_int_eq(look(state, cut, text), 1);
		ck_assert_str_ne(text, "");
	}
}

START_TEST(damaged)
{
	each(damage);
}
END_TEST

static const struct {
	const char *text;
	size_t n;
	const char *says;
} rows[] = {
#define ROW(text, says) { text, sizeof(text) - 1, says }
	ROW("", "not the state of a shim"),
	ROW("shimsave\0\0\0\2", "another format"),
	ROW("shimsave\0\0\0\1", "cut off"),
	ROW("shimsave\0\0\0\1\1\0\0\0\1\0\0\0\0\0\0", "cut off"),
	ROW("shimsave\0\0\0\1\1\0\0\0\2\0\0\0\0\0\0\0",
	    "part 1, version 2, is not known"),
	ROW("shimsave\0\0\0\1\77\0\0\0\1\0\0\0\0\0\0\0",
	    "part 63, version 1, is not known"),
	ROW("shimsave\0\0\0\1\2\0\0\0\1\0\0\0\0\0\0\0",
	    "there is no part daemon"),
	ROW("shimsave\0\0\0\1\1\0\0\0\1\0\0\0\3\0\0\0\240\6\1",
	    "part daemon: field 100 is not known to this release"),
};

/* An earlier release says what it does not know. */
START_TEST(unknown)
{
	char text[ERR_MSG_MAX];

	ck_assert_int_eq(look(rows[_i].text, rows[_i].n, text), 1);
	ck_assert_msg(strstr(text, rows[_i].says), "%s", text);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, golden, damaged);
	tcase_add_loop_test(tc, unknown, 0,
	    (int)(sizeof(rows) / sizeof(rows[0])));
}

int
main(void)
{
	return suite_run("upgrade", NULL, NULL, add);
}
