/* SPDX-License-Identifier: Apache-2.0 */
/* left_test: what runsc leaves in its root and in a root file system is
 * removed, and nothing else; and its processes are found, and no others. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gvisor/runsc_left.h"
#include "runsc.h"
#include "tests/suite.h"

#define STORE ".gvisor.filestore.c1"

static char dir[64];
static char path[256];

static const char *
at(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
touch(const char *name)
{
	int fd = open(at(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static bool
there(const char *name)
{
	struct stat st;

	return lstat(at(name), &st) == 0;
}

static int
open_dir(void)
{
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/left_test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(mkdir(at("rootfs"), 0700), 0);
}

static void
teardown(void)
{
	static const char *const names[] = {
		("rootfs/" STORE), "rootfs/.gvisor.filestore.c2", "rootfs/etc",
		"file", "link", "ns/live/x", "ns/live/null-netns",
		"ns/web/null-netns",
	};
	static const char *const dirs[] = {
		"rootfs", "ns/live", "ns/web", "ns/web2", "ns/plain", "ns", "",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(at(names[i]));
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		rmdir(at(dirs[i]));
}

/* 13.9: the file of that id, by a relative and by an absolute path. */
START_TEST(filestore)
{
	char absolute[128];
	int fd = open_dir();

	touch("rootfs/" STORE);
	touch("rootfs/.gvisor.filestore.c2");
	touch("rootfs/etc");
	ck_assert(runsc_has_filestore(fd, "rootfs", "c1"));
	runsc_forget_filestore(fd, "rootfs", "c1");
	ck_assert(!there("rootfs/" STORE));
	ck_assert(!runsc_has_filestore(fd, "rootfs", "c1"));
	touch("rootfs/" STORE);
	snprintf(absolute, sizeof(absolute), "%s/rootfs", dir);
	runsc_forget_filestore(fd, absolute, "c1");
	ck_assert(!there("rootfs/" STORE));
	ck_assert(there("rootfs/.gvisor.filestore.c2") && there("rootfs/etc"));
	/* Nothing to do. */
	runsc_forget_filestore(fd, "rootfs", "c1");
	runsc_forget_filestore(fd, "nonexistent", "c1");
	runsc_forget_filestore(fd, NULL, "c1");
	close(fd);
}
END_TEST

/* 13.9: what only has its name stays, and no link is followed. */
START_TEST(not_a_filestore)
{
	int fd = open_dir();

	touch("file");
	ck_assert_int_eq(symlink("../file", at("rootfs/" STORE)), 0);
	runsc_forget_filestore(fd, "rootfs", "c1");
	ck_assert(there("file") && there("rootfs/" STORE));
	ck_assert_int_eq(unlink(at("rootfs/" STORE)), 0);

	ck_assert_int_eq(mkfifo(at("rootfs/" STORE), 0600), 0);
	runsc_forget_filestore(fd, "rootfs", "c1");
	ck_assert(there("rootfs/" STORE));
	ck_assert_int_eq(unlink(at("rootfs/" STORE)), 0);

	touch("rootfs/" STORE);
	ck_assert_int_eq(symlink("rootfs", at("link")), 0);
	runsc_forget_filestore(fd, "link", "c1");
	runsc_forget_filestore(fd, "rootfs", "../rootfs/" STORE);
	runsc_forget_filestore(fd, ".", "x/../rootfs/" STORE);
	ck_assert(there("rootfs/" STORE));
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(at("rootfs/" STORE), 1, 1), 0);
		runsc_forget_filestore(fd, "rootfs", "c1");
		ck_assert(there("rootfs/" STORE));
	}
	close(fd);
}
END_TEST

static void
pin(const char *root)
{
	char name[96];

	ck_assert_int_eq(mkdir(at(root), 0700), 0);
	snprintf(name, sizeof(name), "%s/null-netns", root);
	touch(name);
	ck_assert_int_eq(mount("/proc/self/ns/net", at(name), "", MS_BIND,
	    NULL), 0);
}

/* 13.8: the namespace goes with the root that it is in, however often it is
 * mounted; so do those of the dead beside it, and a live one stays. */
static void
write_state(const char *text)
{
	FILE *f = fopen(at("c1_sandbox:c1.state"), "w");

	ck_assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* What runsc has of an id is of the bundle that its state names, by whatever
 * path; where it says nothing, of whom asks. */
START_TEST(of_bundle)
{
	char bundle[80], text[200];

	snprintf(bundle, sizeof(bundle), "%s/rootfs", dir);
	ck_assert(runsc_is_of_bundle("/not/there", "c1", bundle));
	ck_assert(runsc_is_of_bundle(dir, "c1", bundle));
	write_state("{\"bundleDir\":\"/somewhere/else\"}");
	ck_assert(!runsc_is_of_bundle(dir, "c1", bundle));
	ck_assert(runsc_is_of_bundle(dir, "c", bundle));
	snprintf(text, sizeof(text), "{\"bundleDir\":\"%s/../rootfs/.\"}",
	    bundle);
	write_state(text);
	ck_assert(runsc_is_of_bundle(dir, "c1", bundle));
	write_state("{\"bundleDir\":");
	ck_assert(runsc_is_of_bundle(dir, "c1", bundle));
	unlink(at("c1_sandbox:c1.state"));
}
END_TEST

START_TEST(netns)
{
	char root[128];

	/* Where mounts may be made; that is the only thing needed of it. */
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) < 0)
		return;
	ck_assert_int_eq(mkdir(at("ns"), 0700), 0);
	pin("ns/web");
	ck_assert_int_eq(mount("/proc/self/ns/net", at("ns/web/null-netns"),
	    "", MS_BIND, NULL), 0);
	pin("ns/web2");
	pin("ns/live");
	touch("ns/runsc-other.sock");
	touch("ns/live/x");
	ck_assert_int_eq(mkdir(at("ns/plain"), 0700), 0);
	snprintf(root, sizeof(root), "%s/ns/web", dir);
	runsc_forget(root, "ns", "web");
	ck_assert(!there("ns/web") && !there("ns/web2"));
	ck_assert(there("ns/live/x") && there("ns/plain"));
	ck_assert_int_eq(umount2(at("ns/live/null-netns"), 0), 0);
	/* Where others have theirs, too, its socket goes with it. */
	snprintf(root, sizeof(root), "%s/ns", dir);
	runsc_forget(root, "x", "other");
	ck_assert(!there("ns/runsc-other.sock") && there("ns/plain"));
}
END_TEST

/* -- processes ------------------------------------------------------------- */

#define NAPS_FD "LEFT_TEST_NAPS_FD"

static const char *own_path;
static int naps_fd = -1;	/* a byte at each nap, the other's answer */

/* In the place of libc's: while it is slept, the other goes on. */
int
poll(struct pollfd *fds, nfds_t n, int ms)
{
	const struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };
	char byte;

	if (n || naps_fd < 0)
		return ppoll(fds, n, ms < 0 ? NULL : &ts, NULL);
	if (write(naps_fd, "", 1) != 1 || read(naps_fd, &byte, 1) != 1)
		abort();
	return 0;
}

/* The program that it has become has one; until then it had ours. */
static bool
has_command_line(pid_t pid)
{
	char name[32];
	FILE *f;
	int c;

	snprintf(name, sizeof(name), "/proc/%d/cmdline", (int)pid);
	f = fopen(name, "r");
	ck_assert(f != NULL);
	c = getc(f);
	fclose(f);
	return c != EOF;
}

static bool
ends_killed(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* Where in a command line the bundle stands, as one word or two, and what is
 * none. */
static const struct {
	const char *name, *flag, *value;	/* value: below dir, or NULL */
	size_t before, after;			/* bytes of other words */
	bool killed;
} lines[] = {
	{ "runsc", "--bundle", "/b", 0, 0, true },
	{ "runsc-sandbox", "--bundle=", "/b", 0, 0, true },
	{ "runsc", "--bundle", "/b", 2000, 10, true },
	{ "runsc", "--bundle=", "/b", 2040, 10, true },
	{ "runsc-gofer", "--bundle=", "/b", 9000, 10, true },
	{ "runsc", "--bundle", "/b", 100000, 0, true },
	{ "runsc", "--bundle=", "/b", 100000, 100000, true },
	{ "other", "--bundle", "/b", 0, 0, false },
	{ "runsc", "--bundle", "/b2", 0, 0, false },
	{ "runsc", "--bundle", "/", 100000, 0, false },
	{ "runsc", "--bundle=", "/b2", 9000, 0, false },
	{ "runsc", "--bundles=", "/b", 0, 0, false },
	{ "runsc", "--bundle=x", "/b", 0, 0, false },
	{ "runsc", "x--bundle=", "/b", 0, 0, false },
	{ "runsc", "-bundle", "/b", 0, 0, false },
};

static pid_t
play_left(const char *name, const char *flag, const char *value, size_t before,
    size_t after)
{
	const char *argv[12] = { name, "-c", "read x", "sh" };
	bool one = strchr(flag, '=') != NULL;
	char *words[2], both[200];
	int n = 4, i, ready[2];
	size_t sizes[2] = { before, after };
	char byte;
	pid_t pid;

	snprintf(both, sizeof(both), "%s%s%s", one ? flag : "", dir, value);
	for (i = 0; i < 2; i++) {
		words[i] = malloc(sizes[i] + 1);
		memset(words[i], 'x', sizes[i]);
		words[i][sizes[i]] = '\0';
	}
	argv[n++] = words[0];
	if (!one)
		argv[n++] = flag;
	argv[n++] = both;
	if (after)
		argv[n++] = words[1];
	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		int in[2];

		if (pipe(in) == 0)
			dup2(in[0], 0);
		execv("/bin/sh", (char *const *)argv);
		_exit(127);
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 0);
	close(ready[0]);
	free(words[0]);
	free(words[1]);
	await(has_command_line(pid));
	return pid;
}

START_TEST(command_line)
{
	char bundle[80];
	pid_t pid;

	if (getenv("EMULATOR"))		/* which stands before it */
		return;
	snprintf(bundle, sizeof(bundle), "%s/b", dir);
	pid = play_left(lines[_i].name, lines[_i].flag, lines[_i].value,
	    lines[_i].before, lines[_i].after);
	ck_assert_uint_eq(runsc_kill_leftovers(bundle), lines[_i].killed);
	if (!lines[_i].killed)
		ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, lines[_i].killed ? 0 : SIGTERM);
	ck_assert(ends_killed(pid) == lines[_i].killed);
}
END_TEST

/* Give the command line no place, as in the middle of an execve(2), or its own
 * again. */
static void
place_words(bool none)
{
	/* proc_pid_stat(5): from startcode, the 26th, to env_end. */
	enum { FIRST = 26, LAST = 51, CODE = 0, STACK = 2, DATA = 19, BRK = 21,
		ARGS = 22, ENV = 24 };
	static unsigned long n[LAST - FIRST + 1];
	struct prctl_mm_map map;
	char text[1024], *end;
	FILE *f;
	int i;

	if (!n[CODE]) {
		f = fopen("/proc/self/stat", "r");
		if (!f || !fgets(text, sizeof(text), f) ||
		    !(end = strrchr(text, ')')))
			_exit(1);
		for (i = 2; end && i < LAST; i++) {
			end = strchr(end + 1, ' ');
			if (end && i + 1 >= FIRST)
				n[i + 1 - FIRST] = strtoul(end, NULL, 10);
		}
		fclose(f);
	}
	map = (struct prctl_mm_map){ .start_code = n[CODE],
		.end_code = n[CODE + 1], .start_data = n[DATA],
		.end_data = n[DATA + 1], .start_brk = n[BRK],
		.brk = (uintptr_t)sbrk(0), .start_stack = n[STACK],
		.arg_start = n[ARGS], .arg_end = n[none ? ARGS : ARGS + 1],
		.env_start = n[ENV], .env_end = n[ENV + 1],
		.exe_fd = (uint32_t)-1 };
	if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) < 0)
		_exit(2);
}

/* Until the other naps the second time. */
static void
seem_to_execute(int fd)
{
	char byte = 0;
	int i;

	place_words(true);
	for (i = 0; write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1; i++)
		if (i == 1)
			place_words(false);
	_exit(0);
}

START_TEST(executing)
{
	char bundle[80], number[16], byte;
	int pair[2], status = 0;
	pid_t pid;

	if (getenv("EMULATOR"))
		return;
	snprintf(bundle, sizeof(bundle), "%s/b", dir);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		snprintf(number, sizeof(number), "%d", pair[1]);
		setenv(NAPS_FD, number, 1);
		execl(own_path, "runsc", "--bundle", bundle, (char *)NULL);
		_exit(1);
	}
	close(pair[1]);
	if (read(pair[0], &byte, 1) != 1) {
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(WEXITSTATUS(status), 2);
		printf("skipped: left: executing: the kernel cannot\n");
		return;
	}
	naps_fd = pair[0];
	ck_assert_uint_eq(runsc_kill_leftovers(bundle), 1);
	naps_fd = -1;
	ck_assert(ends_killed(pid));
	close(pair[0]);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, filestore, not_a_filestore, netns, of_bundle, executing);
	tcase_add_loop_test(tc, command_line, 0,
	    sizeof(lines) / sizeof(lines[0]));
}

int
main(int argc, char **argv)
{
	if (argc && getenv(NAPS_FD))
		seem_to_execute(atoi(getenv(NAPS_FD)));
	own_path = argv[0];
	return suite_run("left", setup, teardown, add);
}
