/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secrets_test: what is in the environment of an exec is in the shim's memory
 * until the exec is started, and nowhere afterwards: not in buffers that were
 * let go of, not in those that were outgrown, not where requests are read into.
 * The real binary, the fake runsc.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "wire/pb.h"

#define MAPPING_MAX (32u << 20)	/* more is a sanitizer's */
#define CHUNK (1u << 20)
#define LONG (20 << 10)		/* all that the fake takes at once */
#define LONGER (100 << 10)	/* more than the shim reads at once */
/* In the process object every line of the environment begins so. */
#define SECRET "PASSWORD=open-sesame-"

static unsigned
count_in(const char *p, size_t n)
{
	const char *end = p + n;
	unsigned found = 0;

	while ((p = memmem(p, (size_t)(end - p), SECRET, sizeof(SECRET) - 1))) {
		found++;
		p++;
	}
	return found;
}

/* Of the secret, in what pid may write to; -1: no way to look. */
static int
copies(int pid)
{
	static char chunk[CHUNK + sizeof(SECRET)];
	unsigned long from, end;
	char path[64], line[512];
	int found = 0, fd;
	FILE *maps;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	ck_assert(maps != NULL);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &from, &end) != 2 ||
		    !strstr(line, " rw") || end - from > MAPPING_MAX)
			continue;
		for (; from < end; from += CHUNK) {
			n = pread(fd, chunk, end - from < sizeof(chunk) ?
			    end - from : sizeof(chunk), (off_t)from);
			if (n > 0)
				found += (int)count_in(chunk, (size_t)n);
		}
	}
	fclose(maps);
	close(fd);
	return found;
}

/* A process object with so many bytes of secrets; its words are the fake's. */
static const char *
process(const char *words, size_t bytes)
{
	static char text[LONGER + 4096];
	int n = sprintf(text, "{\"args\":[\"fake\",%s],\"cwd\":\"/\",\"user\":{"
	    "\"uid\":0,\"gid\":0},\"env\":[", words), from = n;
	int i;

	for (i = 0; i == 0 || (size_t)(n - from) < bytes; i++)
		n += sprintf(text + n, "%s\"" SECRET "%08d\"", i ? "," : "", i);
	sprintf(text + n, "]}");
	return text;
}

static bool
may_look(int pid)
{
	if (copies(pid) >= 0)
		return true;
	printf("skipped: secrets: no way to look into the shim's memory\n");
	return false;
}

static void
exec(const char *exec_id, const char *words, size_t bytes)
{
	ck_assert_msg(task_exec(c, "c1", exec_id, process(words, bytes), "",
	    "", "", false) == 0, "%s", client_error);
}

/* Started by the sandbox, and by runsc; neither the shim has it then, nor what
 * stands in for the process. */
START_TEST(started)
{
	static const size_t sizes[] = { 1, LONG, 1, LONG, LONGER };
	bool by_runsc = _i >= 2;
	struct task_reply t;
	int pid;

	if (by_runsc)
		write_toml("control_socket = \"off\"\n");
	run("c1", "\"hang\"");
	pid = daemon_pid();
	exec("e1", "\"hang\"", sizes[_i]);
	if (may_look(pid)) {
		ck_assert_int_gt(copies(pid), 0);
		ck_assert_msg(task_start(c, "c1", "e1", &t) == 0, "%s",
		    client_error);
		await(copies(pid) == 0);
		await(by_runsc || copies((int)t.pid) == 0);
	}
	remove_container("c1");
	shut_down();
}
END_TEST

/* Sent to the sandbox, which does not answer, and killed over that; or refused
 * by it, and started by runsc. */
START_TEST(in_between)
{
	static const char *const rules[] = { "socket@ExecuteAsync:close",
		"socket@ExecuteAsync:fail=no", "socket@Knows:not=KUID" };
	int pid;

	run("c1", "\"hang\"");
	pid = daemon_pid();
	faults(rules[_i]);
	exec("e1", "\"hang\"", LONG);
	task_start(c, "c1", "e1", NULL);
	if (may_look(pid))
		await(copies(pid) == 0);
	faults("");
	remove_container("c1");
	shut_down();
}
END_TEST

/* Never started: refused, or deleted. */
START_TEST(not_started)
{
	const char *good = process("\"hang\"", LONGER);
	char *bad = strdup(good);
	int pid;

	run("c1", "\"hang\"");
	pid = daemon_pid();
	ck_assert_int_eq(task_exec(c, "c1", "e1", good, "", "", "", false), 0);
	ck_assert_int_eq(task_exec(c, "c1", "e1", good, "", "", "", false),
	    EXISTS);
	bad[strlen(bad) - 1] = '\0';
	ck_assert_int_eq(task_exec(c, "c1", "e2", bad, "", "", "", false),
	    INVALID);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	if (may_look(pid))
		await(copies(pid) == 0);
	free(bad);
	remove_container("c1");
	shut_down();
}
END_TEST

/* Written down for another shim, and read by it. */
START_TEST(handed_over)
{
	static struct reply r;
	uint32_t stream;
	int pid;

	run("c1", "\"hang\"");
	pid = daemon_pid();
	exec("e1", "\"hang\"", LONG);
	stream = client_send_full(c, "runsc.shim.v1.Shim", "Upgrade", "", 0, 0);
	ck_assert(client_recv(c, stream, &r, HANG_MS));
	ck_assert_msg(r.code == 0, "%s", r.msg);
	ck_assert_int_eq(daemon_pid(), pid);
	if (may_look(pid))
		ck_assert_int_gt(copies(pid), 0);
	ck_assert_msg(task_start(c, "c1", "e1", NULL) == 0, "%s", client_error);
	if (may_look(pid))
		await(copies(pid) == 0);
	remove_container("c1");
	shut_down();
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_loop_test(tc, started, 0, 5);
	tcase_add_loop_test(tc, in_between, 0, 3);
	suite_add(tc, not_started, handed_over);
}

int
main(void)
{
	return host_run("secrets", add);
}
