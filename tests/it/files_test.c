/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files_test: the limit of open files: what the shim makes of the one that it
 * is given, what its children get, and what is told when there are no more.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "host.h"

#define SOFT 1024
#define EXECS 300
#define HARD 256

static void
limit_files(rlim_t soft, rlim_t hard)
{
	struct rlimit r = { soft, hard };

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
}

static void
text_of(const char *path, char *text, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t n;

	ck_assert_msg(f != NULL, "%s", path);
	n = fread(text, 1, cap - 1, f);
	text[n] = '\0';
	fclose(f);
}

/* An exec with all three streams, on FIFOs of its own. */
static void
add_exec(unsigned i)
{
	static const char *const ends[] = { "in", "out", "err" };
	char path[3][128], name[32], id[16];
	int k;

	snprintf(id, sizeof(id), "e%u", i);
	for (k = 0; k < 3; k++) {
		snprintf(name, sizeof(name), "%s.%s", id, ends[k]);
		snprintf(path[k], sizeof(path[k]), "%s", in_dir("%s", name));
		ck_assert_int_eq(mkfifo(path[k], 0600), 0);
	}
	ck_assert_msg(task_exec(c, "c1", id, PROCESS("\"hang\""), path[0],
	    path[1], path[2], false) == 0, "%s", client_error);
}

static int
start_exec(unsigned i)
{
	char id[16];

	snprintf(id, sizeof(id), "e%u", i);
	return task_start(c, "c1", id, NULL);
}

static void
end_exec(unsigned i, bool running)
{
	char id[16];

	snprintf(id, sizeof(id), "e%u", i);
	if (running) {
		ck_assert_int_eq(task_kill(c, "c1", id, SIGKILL, false), 0);
		ck_assert_int_eq(task_wait(c, "c1", id, NULL), 0);
	}
	ck_assert_msg(task_delete(c, "c1", id, NULL) == 0, "%s",
	    client_error);
}

/* 13.31: as many at once as there may be, under containerd's soft limit. */
START_TEST(soft_limit_is_raised)
{
	struct rlimit r;
	unsigned i, before;
	int pid;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	if (r.rlim_max < 16 * EXECS) {
		printf("skipped: soft_limit_is_raised: nothing to raise it to\n");
		return;
	}
	limit_files(SOFT, r.rlim_max);
	run("c1", "\"hang\"");
	pid = daemon_pid();
	before = count_fds(pid);
	for (i = 0; i < EXECS; i++) {
		add_exec(i);
		ck_assert_msg(start_exec(i) == 0, "exec %u: %s", i,
		    client_error);
	}
	ck_assert_uint_gt(count_fds(pid), SOFT);
	ck_assert_msg(count_fds(pid) <= before + 13 * EXECS,
	    "%u descriptors for %u execs", count_fds(pid) - before, EXECS);
	for (i = 0; i < EXECS; i++)
		end_exec(i, true);
	await(count_fds(pid) <= before);
	remove_container("c1");
	shut_down();
}
END_TEST

/* 13.31: what the shim runs sees the limit as it was. */
START_TEST(children_get_the_old_limit)
{
	char path[128], seen[128], line[512], text[4096], want[64];
	struct rlimit r;
	FILE *f;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	if (r.rlim_max <= SOFT) {
		printf("skipped: children_get_the_old_limit: nothing to raise it "
		    "to\n");
		return;
	}
	limit_files(SOFT, r.rlim_max);
	snprintf(path, sizeof(path), "%s", in_dir("wrapped"));
	snprintf(seen, sizeof(seen), "%s", in_dir("seen"));
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "#!/bin/sh\nulimit -Sn >>%s\nexec runsc \"$@\"\n", seen);
	fclose(f);
	ck_assert_int_eq(chmod(path, 0700), 0);
	snprintf(line, sizeof(line), "binary_name = \"%s\"\n", path);
	write_toml(line);
	run("c1", "\"hang\"");
	add_exec(0);
	ck_assert_msg(start_exec(0) == 0, "%s", client_error);
	text_of(seen, text, sizeof(text));
	ck_assert_str_eq(text, "1024\n1024\n1024\n");
	/* The shim's own is the hard one, both times. */
	snprintf(path, sizeof(path), "/proc/%d/limits", daemon_pid());
	text_of(path, text, sizeof(text));
	snprintf(want, sizeof(want), "%llu", (unsigned long long)r.rlim_max);
	ck_assert_ptr_nonnull(strstr(text, "Max open files"));
	ck_assert(strncmp(strstr(text, "Max open files") + 26, want,
	    strlen(want)) == 0);
	end_exec(0, true);
	remove_container("c1");
	shut_down();
}
END_TEST

/*
 * 13.31: a hard limit that is small: a clear answer before anything is made,
 * everything else goes on, and when there is room again what was refused
 * works.
 */
START_TEST(hard_limit_is_told)
{
	unsigned i, n, before, full;
	struct task_reply t;
	int pid, code = 0;

	limit_files(HARD, HARD);
	run("c1", "\"hang\"");
	pid = daemon_pid();
	before = count_fds(pid);
	for (n = 0; n < HARD && code == 0; n++) {
		add_exec(n);
		code = start_exec(n);
	}
	ck_assert_msg(code == EXHAUSTED, "%d: %s", code, client_error);
	ck_assert_msg(strstr(client_error, "RLIMIT_NOFILE") != NULL, "%s",
	    client_error);
	ck_assert_uint_gt(n, 10);
	full = count_fds(pid);
	for (i = 0; i < 20; i++)
		ck_assert_int_eq(start_exec(n - 1), EXHAUSTED);
	ck_assert_int_eq(create("c2", "\"hang\"", ""), EXHAUSTED);
	ck_assert_msg(strstr(client_error, "RLIMIT_NOFILE") != NULL, "%s",
	    client_error);
	ck_assert_uint_eq(count_fds(pid), full);
	ck_assert_int_eq(task_pids(c, "c1", &t), 0);
	/* Room again. */
	for (i = 0; i < 5; i++)
		end_exec(i, true);
	ck_assert_msg(start_exec(n - 1) == 0, "%s", client_error);
	for (; i < n; i++)
		end_exec(i, true);
	await(count_fds(pid) <= before);
	remove_container("c1");
	shut_down();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, soft_limit_is_raised, children_get_the_old_limit,
	    hard_limit_is_told);
}

int
main(void)
{
	return host_run("files", add);
}
