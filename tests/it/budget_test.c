/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget_test: what the shim may cost, in figures that do not depend on the
 * machine: the release binary serving one container of the fake runsc.
 *
 * BUDGET_SHIM is the binary, the static one if it can be built here, FAKE_BIN
 * the directory with the fake as `runsc`, BUDGET_COUNTED the shim of the fault
 * loop (tests/fault), which counts its allocations.  BUDGET_NAME=N sets another limit,
 * so that each can be seen to fail.
 */
#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../pb.h"
#include "../fault/fault.h"
#include "client.h"

#define IDLE_MS 2000
#define TRACED_CALLS 1000
#define MANY_CALLS 10000

enum { SIZE, THREADS, PSS, WAKEUPS, SYSCALLS, ALLOCS, GROWTH };

static const struct {
	const char *name;
	long most;
} limits[] = {
	[SIZE] = { "SIZE", 163840 },	/* bytes of the static binary */
	[THREADS] = { "THREADS", 1 },
	[PSS] = { "PSS", 300 },		/* KiB, static, pages of 4 KiB */
	[WAKEUPS] = { "WAKEUPS", 0 },	/* in IDLE_MS */
	[SYSCALLS] = { "SYSCALLS", 3 },	/* of one State request */
	[ALLOCS] = { "ALLOCS", 2 },	/* of one State request */
	[GROWTH] = { "GROWTH", 0 },	/* KiB after MANY_CALLS of them */
};

static char base[] = "/tmp/budget.XXXXXX";	/* of all tests */
static char dir[64];		/* of this test */
static char address[512];	/* what start printed, without unix:// */
static char shim[PATH_MAX];
static struct client *c;
static struct fault_ctl *ctl;
static pid_t daemon_pid;

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

static void
write_file(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	fputs(text, f);
	fclose(f);
}

/* A number from a file of "NAME: NUMBER" lines in the shim's /proc. */
static long
proc_value(const char *file, const char *name)
{
	char path[64], line[256];
	long v = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)daemon_pid, file);
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

/* `start` in the bundle, its socket connected to. */
static void
start_shim(const char *bundle)
{
	char out[512], path[128];
	uint8_t params[256];
	size_t used = 0;
	struct pb_out o;
	int to[2], from[2], status;
	ssize_t r;
	pid_t pid;

	/* BootstrapParams {1 id, 2 namespace, 9 socket_dir}. */
	pb_out_init(&o, params, sizeof(params));
	pb_put_str(&o, 1, "c1");
	pb_put_str(&o, 2, "ns");
	snprintf(path, sizeof(path), "%s/s", dir);
	pb_put_str(&o, 9, path);
	snprintf(path, sizeof(path), "%s/containerd.sock", dir);
	ck_assert(pipe(to) == 0 && pipe(from) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[0]);
		close(to[1]);
		close(from[0]);
		close(from[1]);
		if (chdir(bundle) < 0)
			_exit(99);
		execl(shim, shim, "-namespace", "ns", "-id", "c1", "-address",
		    path, "start", (char *)NULL);
		_exit(98);
	}
	close(to[0]);
	close(from[1]);
	ck_assert_int_eq(write(to[1], params, o.len), (ssize_t)o.len);
	close(to[1]);
	while (used + 1 < sizeof(out) &&
	    (r = read(from[0], out + used, sizeof(out) - 1 - used)) > 0)
		used += (size_t)r;
	close(from[0]);
	out[used] = '\0';
	out[strcspn(out, "\n")] = '\0';
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0 && strncmp(out, "unix://", 7) == 0,
	    "start: status %#x, %s", (unsigned)status, out);
	snprintf(address, sizeof(address), "%s", out + 7);
	c = client_connect(address);
	ck_assert_msg(c != NULL, "%s: %s", out, strerror(errno));
}

static void
setup_for(const char *s)
{
	const char *bin = getenv("FAKE_BIN");
	char path[PATH_MAX + 64], bundle[128], toml[128], text[256];
	struct create_args a = { .id = "c1", .in = "", .out = "", .err = "" };
	struct task_reply t;

	ck_assert_msg(s && bin,
	    "BUDGET_SHIM, BUDGET_COUNTED and FAKE_BIN must be set");
	ck_assert_msg(realpath(s, shim) != NULL, "there is no %s", s);
	ck_assert(realpath(bin, path) != NULL);
	strcat(path, ":/usr/bin:/bin");
	setenv("PATH", path, 1);
	snprintf(dir, sizeof(dir), "%s/XXXXXX", base);
	ck_assert(mkdtemp(dir) != NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	snprintf(path, sizeof(path), "%s/events", dir);
	setenv("TTRPC_ADDRESS", path, 1);
	sink_open(path);
	snprintf(bundle, sizeof(bundle), "%s/b", dir);
	mkdir(bundle, 0700);
	snprintf(path, sizeof(path), "%s/rootfs", bundle);
	mkdir(path, 0711);
	write_file("b/config.json", "{\"ociVersion\":\"1.0.2\",\"process\":{"
	    "\"args\":[\"fake\",\"hang\"],\"cwd\":\"/\"},"
	    "\"root\":{\"path\":\"rootfs\"}}");
	snprintf(text, sizeof(text), "root = \"%s/root\"\n", dir);
	write_file("runsc.toml", text);
	snprintf(toml, sizeof(toml), "%s/runsc.toml", dir);
	a.bundle = bundle;
	a.config_path = toml;
	start_shim(bundle);
	ck_assert_msg(task_create(c, &a, NULL) == 0, "create: %s",
	    client_error);
	ck_assert_msg(task_start(c, "c1", "", NULL) == 0, "start: %s",
	    client_error);
	ck_assert(sink_wait("TaskStart c1", 5000));
	ck_assert_int_eq(task_connect(c, "c1", &t), 0);
	daemon_pid = (pid_t)t.shim_pid;
}

static void
setup(void)
{
	setup_for(getenv("BUDGET_SHIM"));
}

static void
setup_counted(void)
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
	setup_for(getenv("BUDGET_COUNTED"));
}

/* After all tests, also those that failed and could not tidy up. */
static void
clean_up(void)
{
	char path[300], text[4096];
	struct dirent *e;
	DIR *d = opendir("/proc");
	ssize_t n, i;
	FILE *f;

	while ((e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		n = (ssize_t)fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
		for (i = 0; i < n; i++) {
			if (!text[i])
				text[i] = ' ';
		}
		text[n] = '\0';
		if (strstr(text, base))
			kill(atoi(e->d_name), SIGKILL);
	}
	closedir(d);
	snprintf(text, sizeof(text), "rm -rf %s", base);
	if (system(text) != 0)
		fprintf(stderr, "%s: failed\n", text);
}

static void
teardown(void)
{
	int i;

	task_kill(c, "c1", "", SIGKILL, true);
	task_wait(c, "c1", "", NULL);
	ck_assert_msg(task_delete(c, "c1", "", NULL) == 0, "delete: %s",
	    client_error);
	task_simple(c, "Shutdown", "c1");
	client_close(c);
	sink_close();
	/* It and what runsc left behind are our orphans. */
	for (i = 0; i < 500 && waitpid(-1, NULL, WNOHANG) >= 0; i++)
		poll(NULL, 0, 10);
	ck_assert_msg(i < 500, "a process is left");
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

	state_calls(10);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)daemon_pid);
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

	state_calls(10);
	if (ptrace(PTRACE_SEIZE, daemon_pid, NULL,
	    (void *)PTRACE_O_TRACESYSGOOD) < 0) {
		printf("skipped: system_calls: ptrace: %s\n", strerror(errno));
		return;
	}
	ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, daemon_pid, NULL, NULL), 0);
	ck_assert_int_eq(waitpid(daemon_pid, &status, __WALL), daemon_pid);
	ck_assert(WIFSTOPPED(status));
	ptrace(PTRACE_SYSCALL, daemon_pid, NULL, NULL);
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
		if (got != daemon_pid)
			continue;
		ck_assert_msg(WIFSTOPPED(status), "the shim ended: %#x",
		    (unsigned)status);
		stops += WSTOPSIG(status) == (SIGTRAP | 0x80);
		ptrace(PTRACE_SYSCALL, daemon_pid, NULL, NULL);
	}
	ck_assert_msg(status == 0, "State failed under trace");
	/* It is stopped, or stops now. */
	ptrace(PTRACE_INTERRUPT, daemon_pid, NULL, NULL);
	ck_assert_int_eq(waitpid(daemon_pid, &status, __WALL), daemon_pid);
	ptrace(PTRACE_DETACH, daemon_pid, NULL, NULL);
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

	state_calls(10);
	before = ctl->allocs;
	live = ctl->live;
	ck_assert_uint_gt(before, 0);
	state_calls(TRACED_CALLS);
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

	state_calls(100);
	before = anonymous();
	state_calls(MANY_CALLS);
	within(GROWTH, anonymous() - before, "KiB more after 10,000 requests");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("budget");
	TCase *tc = tcase_create("budget");
	SRunner *sr;
	int failed;

	if (getenv("EMULATOR")) {
		printf("skipped: an emulator has other figures\n");
		return 0;
	}
	if (!mkdtemp(base))
		return 1;
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, size);
	tcase_add_test(tc, threads);
	tcase_add_test(tc, memory);
	tcase_add_test(tc, idle);
	tcase_add_test(tc, system_calls);
	tcase_add_test(tc, growth);
	suite_add_tcase(s, tc);
	tc = tcase_create("counted");
	tcase_add_checked_fixture(tc, setup_counted, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, allocations);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	clean_up();
	return failed != 0;
}
