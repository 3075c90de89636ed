/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget_test: what the shim may cost, in figures that do not depend on the
 * machine: the release binary serving one container of the fake runsc.
 *
 * BUDGET_SHIM is the binary, the static one if it can be built here, FAKE_BIN
 * the directory with the fake as `runsc`, BUDGET_COUNTED the shim of the fault
 * loop (tests/fault), which counts its allocations.  BUDGET_NAME=N sets another
 * limit, so that each can be seen to fail.
 */
#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../fault/fault.h"
#include "client.h"
#include "host.h"

#define IDLE_MS 2000
#define TRACED_CALLS 1000
#define MANY_CALLS 10000
#define SETTLES_MS 300

enum { SIZE, THREADS, PSS, WAKEUPS, SYSCALLS, ALLOCS, GROWTH };

static const struct {
	const char *name;
	long most;
} limits[] = {
	[SIZE] = { "SIZE", 204800 },	/* bytes of the static binary */
	[THREADS] = { "THREADS", 1 },
	[PSS] = { "PSS", 300 },		/* KiB, static, pages of 4 KiB */
	[WAKEUPS] = { "WAKEUPS", 0 },	/* in IDLE_MS */
	[SYSCALLS] = { "SYSCALLS", 3 },	/* of one State request */
	[ALLOCS] = { "ALLOCS", 2 },	/* of one State request */
	[GROWTH] = { "GROWTH", 0 },	/* KiB after MANY_CALLS of them */
};

static struct fault_ctl *ctl;
static pid_t served_by;		/* the daemon */

static void
within(int which, long got, const char *what)
{
	char name[32];
	const char *s;
	long most = limits[which].most;

	snprintf(name, sizeof(name), "BUDGET_%s", limits[which].name);
	s = getenv(name);
	if (s)
		most = strtol(s, NULL, 10);
	ck_assert_msg(got <= most, "%s: %ld, %ld are allowed", what, got, most);
}

/* A number from a file of "NAME: NUMBER" lines in the shim's /proc. */
static long
proc_value(const char *file, const char *name)
{
	char path[64], line[256];
	long v = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)served_by, file);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	while (v < 0 && fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, strlen(name)) == 0 &&
		    line[strlen(name)] == ':')
			v = strtol(line + strlen(name) + 1, NULL, 10);
	}
	fclose(f);
	ck_assert_msg(v >= 0, "%s has no %s", path, name);
	return v;
}

/* Without a program that loads its libraries. */
static bool
is_static(void)
{
	Elf64_Ehdr h;
	Elf64_Phdr p;
	bool dynamic = false;
	FILE *f = fopen(shim, "r");
	int i;

	ck_assert(f != NULL);
	ck_assert_uint_eq(fread(&h, sizeof(h), 1, f), 1);
	if (h.e_ident[EI_CLASS] != ELFCLASS64)
		dynamic = true;	/* or another table */
	for (i = 0; !dynamic && i < h.e_phnum; i++) {
		fseek(f, (long)h.e_phoff + i * h.e_phentsize, SEEK_SET);
		ck_assert_uint_eq(fread(&p, sizeof(p), 1, f), 1);
		dynamic = p.p_type == PT_INTERP;
	}
	fclose(f);
	return !dynamic;
}

/* For each test: a shim with a container. */
static void
begin(const char *what)
{
	const char *program = getenv(what);

	ck_assert_msg(program != NULL, "%s must be set", what);
	setenv("SHIM", program, 1);
	setup();
	run("c1", "\"hang\"");
	ck_assert(sink_wait("TaskStart c1", 5000));
	served_by = daemon_pid();
}

static void
begin_counted(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/ctl", base);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ck_assert(fd >= 0 && ftruncate(fd, sizeof(*ctl)) == 0);
	ctl = mmap(NULL, sizeof(*ctl), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	ck_assert(ctl != MAP_FAILED);
	close(fd);
	setenv("FAULT_CTL", path, 1);
	begin("BUDGET_COUNTED");
}

static void
end(void)
{
	remove_container("c1");
	shut_down();
	teardown();
}

static void
state_calls(int n)
{
	while (n-- > 0)
		ck_assert_msg(task_state(c, "c1", "", NULL) == 0, "State: %s",
		    client_error);
}

START_TEST(size)
{
	struct stat st;

	begin("BUDGET_SHIM");
	if (!is_static()) {
		printf("skipped: size, since %s is not static\n", shim);
		return;
	}
	ck_assert_int_eq(stat(shim, &st), 0);
	within(SIZE, (long)st.st_size, "bytes of the static binary");
}
END_TEST

START_TEST(threads)
{
	char path[64];
	struct dirent *e;
	long n = 0;
	DIR *d;

	begin("BUDGET_SHIM");
	state_calls(10);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)served_by);
	d = opendir(path);
	ck_assert(d != NULL);
	while ((e = readdir(d)))
		n += isdigit((unsigned char)e->d_name[0]) != 0;
	closedir(d);
	within(THREADS, n, "threads");
}
END_TEST

START_TEST(memory)
{
	begin("BUDGET_SHIM");
	if (!is_static() || sysconf(_SC_PAGESIZE) != 4096) {
		printf("skipped: memory, of a static binary on 4 KiB pages\n");
		return;
	}
	state_calls(100);
	within(PSS, proc_value("smaps_rollup", "Pss"), "KiB of PSS");
}
END_TEST

static long
switches(void)
{
	return proc_value("status", "voluntary_ctxt_switches");
}

START_TEST(idle)
{
	long before;
	int i;

	begin("BUDGET_SHIM");
	/* What a request leaves to do is soon done. */
	state_calls(1);
	poll(NULL, 0, 300);
	before = switches();
	poll(NULL, 0, IDLE_MS);
	within(WAKEUPS, switches() - before, "wake-ups without a request");
	/* And they are counted; on a busy machine a request may come before
	 * it sleeps. */
	for (i = 0; i < 100 && switches() == before; i++) {
		state_calls(1);
		poll(NULL, 0, 20);
	}
	ck_assert_int_ne(switches(), before);
}
END_TEST

/* A child sends the requests, since who traces must wait for the stops: two
 * for each system call. */
START_TEST(system_calls)
{
	long stops = 0;
	int status;
	pid_t pid, got;

	begin("BUDGET_SHIM");
	state_calls(10);
	if (ptrace(PTRACE_SEIZE, served_by, NULL,
	    (void *)PTRACE_O_TRACESYSGOOD) < 0) {
		printf("skipped: system_calls: ptrace: %s\n", strerror(errno));
		return;
	}
	ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, served_by, NULL, NULL), 0);
	ck_assert_int_eq(waitpid(served_by, &status, __WALL), served_by);
	ck_assert(WIFSTOPPED(status));
	ptrace(PTRACE_SYSCALL, served_by, NULL, NULL);
	pid = fork();
	if (pid == 0) {
		struct client *own = client_connect(address);
		int i;

		for (i = 0; own && i < TRACED_CALLS; i++) {
			if (task_state(own, "c1", "", NULL) != 0)
				_exit(1);
		}
		_exit(own ? 0 : 1);
	}
	while ((got = waitpid(-1, &status, __WALL)) != pid) {
		ck_assert_int_gt(got, 0);
		if (got != served_by)
			continue;
		ck_assert_msg(WIFSTOPPED(status), "the shim ended: %#x",
		    (unsigned)status);
		stops += WSTOPSIG(status) == (SIGTRAP | 0x80);
		ptrace(PTRACE_SYSCALL, served_by, NULL, NULL);
	}
	ck_assert_msg(status == 0, "State failed under trace");
	/* It is stopped, or stops now. */
	ptrace(PTRACE_INTERRUPT, served_by, NULL, NULL);
	ck_assert_int_eq(waitpid(served_by, &status, __WALL), served_by);
	ptrace(PTRACE_DETACH, served_by, NULL, NULL);
	ck_assert_int_gt(stops, TRACED_CALLS);
	/* Rounded: a few are the tracer's. */
	within(SYSCALLS, (stops / 2 + TRACED_CALLS / 2) / TRACED_CALLS,
	    "system calls of a State request");
}
END_TEST

START_TEST(allocations)
{
	uint64_t before;
	int64_t live;

	begin_counted();
	/* The reply is here before what it was made of is freed. */
	state_calls(10);
	sleep_ms(SETTLES_MS);
	before = ctl->allocs;
	live = ctl->live;
	ck_assert_uint_gt(before, 0);
	state_calls(TRACED_CALLS);
	sleep_ms(SETTLES_MS);
	within(ALLOCS, (long)((ctl->allocs - before + TRACED_CALLS - 1) /
	    TRACED_CALLS), "allocations of a State request");
	ck_assert_int_eq(ctl->live, live);
}
END_TEST

static long
anonymous(void)
{
	return proc_value("smaps_rollup", "Anonymous") +
	    proc_value("smaps_rollup", "Swap");
}

START_TEST(growth)
{
	long before;

	begin("BUDGET_SHIM");
	state_calls(100);
	before = anonymous();
	state_calls(MANY_CALLS);
	within(GROWTH, anonymous() - before, "KiB more after 10,000 requests");
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, size, threads, memory, idle, system_calls, growth,
	    allocations);
}

int
main(void)
{
	int failed;

	if (getenv("EMULATOR")) {
		printf("skipped: an emulator has other figures\n");
		return 0;
	}
	dir_make_base("budget");
	failed = suite_run("budget", NULL, end, add);
	dir_remove_base();
	return failed;
}
