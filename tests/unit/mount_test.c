/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of mount.c.  The real mounts happen in a mount namespace of each
 * test's own (with a user namespace where we are not root), on a tmpfs over
 * /mnt or /tmp there: nothing of it is seen or left outside.
 */
#include "host/mount.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define NELEM(a) (sizeof(a) / sizeof((a)[0]))
#define OPTS(...) (const char *[]){ __VA_ARGS__ }, \
	NELEM(((const char *[]){ __VA_ARGS__ }))

static const char *base;	/* where the tests' tmpfs is */
static bool in_ns;
static struct err e;

/* namespaces */

static bool
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text);
}

static bool
enter_user_ns(void)
{
	char map[64];
	unsigned uid = (unsigned)getuid(), gid = (unsigned)getgid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (!write_file("/proc/self/uid_map", map) ||
	    !write_file("/proc/self/setgroups", "deny"))
		return false;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return write_file("/proc/self/gid_map", map);
}

static bool
enter_ns(void)
{
	struct stat st;

	if (!in_ns) {
		if (geteuid() == 0 ? unshare(CLONE_NEWNS) < 0 :
		    !enter_user_ns())
			return false;
		if (mount("", "/", "", MS_PRIVATE | MS_REC, "") < 0)
			return false;
		in_ns = true;
	}
	base = stat("/mnt", &st) == 0 && S_ISDIR(st.st_mode) ? "/mnt" : "/tmp";
	return mount("tmpfs", base, "tmpfs", 0, "") == 0 && chdir(base) == 0;
}

/* Can this machine do what the test needs?  Tried in a child. */
static bool
child_can(bool (*what)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(what() ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool
can_overlay(void)
{
	return enter_ns() && mkdir("l", 0755) == 0 && mkdir("u", 0755) == 0 &&
	    mkdir("w", 0755) == 0 && mkdir("m", 0755) == 0 &&
	    mount("overlay", "m", "overlay", 0,
	    "lowerdir=l,upperdir=u,workdir=w") == 0;
}

static bool
can_user_ns(void)
{
	return enter_user_ns();
}

static bool
can_loop(void)
{
	return geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0 &&
	    enter_ns() && system("command -v mkfs.ext4 >/dev/null") == 0;
}

static void
setup(void)
{
	memset(&e, 0, sizeof(e));
	ck_assert_msg(enter_ns(), "namespace: %s", strerror(errno));
	ck_assert_int_eq(mkdir("t", 0755), 0);
}

static void
teardown(void)
{
	ck_assert_int_eq(chdir("/"), 0);
	umount2(base, MNT_DETACH);
}

/* base/name; overwritten by the ninth call from here */
static char *
at(const char *name)
{
	static char path[8][512];
	static unsigned i;
	char *p = path[i++ % NELEM(path)];

	snprintf(p, sizeof(path[0]), "%s/%s", base, name);
	return p;
}

/* How many mounts there are at or below base/name. */
static int
count_mounts(const char *name)
{
	char line[8192], point[4096];
	const char *top = at(name);
	FILE *f = fopen("/proc/self/mountinfo", "r");
	int n = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%*s %*s %*s %*s %4095s", point) == 1 &&
		    strncmp(point, top, strlen(top)) == 0)
			n++;
	fclose(f);
	return n;
}

static bool
exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* mount_parse */

static const struct {
	const char *word;
	unsigned long flag;
	const char *undone_by;
} set_words[] = {
	{ "bind", 4096, NULL },
	{ "dirsync", 128, NULL },
	{ "mand", 64, "nomand" },
	{ "noatime", 1024, "atime" },
	{ "nodev", 4, "dev" },
	{ "nodiratime", 2048, "diratime" },
	{ "noexec", 8, "exec" },
	{ "nosuid", 2, "suid" },
	{ "rbind", 4096 | 16384, NULL },
	{ "relatime", 2097152, "norelatime" },
	{ "remount", 32, NULL },
	{ "ro", 1, "rw" },
	{ "strictatime", 16777216, "nostrictatime" },
	{ "sync", 16, "async" },
}, propagation_words[] = {
	{ "private", 262144, NULL },
	{ "rprivate", 262144 | 16384, NULL },
	{ "rshared", 1048576 | 16384, NULL },
	{ "rslave", 524288 | 16384, NULL },
	{ "runbindable", 131072 | 16384, NULL },
	{ "shared", 1048576, NULL },
	{ "slave", 524288, NULL },
	{ "unbindable", 131072, NULL },
};

static int
parse(const char **options, size_t n, unsigned long *flags,
    unsigned long *propagation, char *data, size_t cap)
{
	struct mount_spec s = { "tmpfs", "src", options, n };

	memset(&e, 0, sizeof(e));
	return mount_parse(&s, flags, propagation, data, cap, &e);
}

START_TEST(parse_set)
{
	const char *o[] = { set_words[_i].word, set_words[_i].undone_by };
	unsigned long flags, prop;
	char data[64];

	ck_assert_int_eq(parse(o, 1, &flags, &prop, data, sizeof(data)), 0);
	ck_assert_uint_eq(flags, set_words[_i].flag);
	ck_assert_uint_eq(prop, 0);
	ck_assert_str_eq(data, "");
	if (o[1] == NULL)
		return;
	ck_assert_int_eq(parse(o, 2, &flags, &prop, data, sizeof(data)), 0);
	ck_assert_uint_eq(flags, 0);
	ck_assert_str_eq(data, "");
	ck_assert_int_eq(parse(o + 1, 1, &flags, &prop, data, sizeof(data)),
	    0);
	ck_assert_uint_eq(flags, 0);
	ck_assert_str_eq(data, "");
}
END_TEST

START_TEST(parse_propagation)
{
	const char *o[] = { "x=1", propagation_words[_i].word };
	unsigned long flags, prop;
	char data[64];

	ck_assert_int_eq(parse(o, 2, &flags, &prop, data, sizeof(data)), 0);
	ck_assert_uint_eq(flags, 0);
	ck_assert_uint_eq(prop, propagation_words[_i].flag);
	ck_assert_str_eq(data, "x=1");
}
END_TEST

START_TEST(parse_data)
{
	unsigned long flags, prop;
	char data[64];

	ck_assert_int_eq(parse(NULL, 0, &flags, &prop, data, sizeof(data)), 0);
	ck_assert_uint_eq(flags, 0);
	ck_assert_str_eq(data, "");
	ck_assert_int_eq(parse(OPTS("size=1m", "ro", "", "defaults", "RO",
	    "mode=755", "rw", "nosuid"), &flags, &prop, data, sizeof(data)),
	    0);
	ck_assert_uint_eq(flags, MS_NOSUID);
	ck_assert_str_eq(data, "size=1m,defaults,RO,mode=755");
	/* The last word wins. */
	ck_assert_int_eq(parse(OPTS("rw", "ro"), &flags, &prop, data,
	    sizeof(data)), 0);
	ck_assert_uint_eq(flags, MS_RDONLY);
}
END_TEST

START_TEST(parse_loop)
{
	unsigned long flags, prop;
	char data[64];

	ck_assert_int_eq(parse(OPTS("direct-io", "a", "loop", "ro"), &flags,
	    &prop, data, sizeof(data)), 0);
	ck_assert_uint_eq(flags, MS_RDONLY);
	ck_assert_str_eq(data, "a");
	ck_assert_int_eq(parse(OPTS("direct-io", "a"), &flags, &prop, data,
	    sizeof(data)), 0);
	ck_assert_str_eq(data, "direct-io,a");
}
END_TEST

START_TEST(parse_cap)
{
	unsigned long flags, prop;
	char data[16];

	memset(data, 'x', sizeof(data));
	ck_assert_int_eq(parse(OPTS("abc", "de"), &flags, &prop, data, 7), 0);
	ck_assert_str_eq(data, "abc,de");
	ck_assert_int_eq(data[7], 'x');
	ck_assert_int_eq(parse(OPTS("abc", "de"), &flags, &prop, data, 6), -1);
	ck_assert_int_eq(e.code, ERR_INVALID);
	ck_assert_int_eq(data[7], 'x');
	ck_assert_int_eq(parse(OPTS("ro"), &flags, &prop, data, 0), 0);
	ck_assert_int_eq(parse(OPTS("a"), &flags, &prop, data, 0), -1);
}
END_TEST

static const struct {
	const char *type, *word, *text;
} refused[] = {
	{ "overlay", "uidmap=0:1000:1", "uidmap=0:1000:1 is not supported" },
	{ "overlay", "gidmap=0:1000:1", "gidmap=0:1000:1 is not supported" },
	{ "ext4", "X-containerd.mkfs.size=1", "containerd's own" },
	{ "fuse.sshfs", "ro", "fuse.sshfs is not supported" },
	{ "fuse3.stargz", "ro", "fuse3.stargz is not supported" },
};

START_TEST(parse_refused)
{
	const char *o[] = { "ro", refused[_i].word };
	struct mount_spec s = { refused[_i].type, "src", o, 2 };
	unsigned long flags, prop;
	char data[64];

	ck_assert_int_eq(mount_parse(&s, &flags, &prop, data, sizeof(data),
	    &e), -1);
	ck_assert_int_eq(e.code, ERR_UNIMPLEMENTED);
	ck_assert_msg(strstr(e.msg, refused[_i].text) != NULL, "%s", e.msg);
}
END_TEST

START_TEST(parse_too_many)
{
	static const char *o[MOUNT_OPTIONS_MAX + 1];
	unsigned long flags, prop;
	static char data[2 * MOUNT_OPTIONS_MAX + 8];
	size_t i;

	for (i = 0; i < NELEM(o); i++)
		o[i] = "a";
	ck_assert_int_eq(parse(o, NELEM(o) - 1, &flags, &prop, data,
	    sizeof(data)), 0);
	ck_assert_uint_eq(strlen(data), 2 * MOUNT_OPTIONS_MAX - 1);
	ck_assert_int_eq(parse(o, NELEM(o), &flags, &prop, data,
	    sizeof(data)), -1);
	ck_assert_int_eq(e.code, ERR_INVALID);
}
END_TEST

/* mount_all and mount_undo */

START_TEST(all_none)
{
	ck_assert_int_eq(mount_all(NULL, 0, "/not-there", &e), 0);
}
END_TEST

START_TEST(all_bad_target)
{
	struct mount_spec s = { "tmpfs", "tmpfs", NULL, 0 };
	struct mount_spec many[MOUNTS_MAX + 1];
	size_t i;

	ck_assert_int_eq(mount_all(&s, 1, "t", &e), -1);
	ck_assert_int_eq(e.code, ERR_INVALID);
	ck_assert_int_eq(mount_all(&s, 1, at("gone"), &e), -1);
	ck_assert_int_eq(e.code, ERR_NOT_FOUND);
	ck_assert_int_eq(symlink("t", "link"), 0);
	ck_assert_int_eq(mount_all(&s, 1, at("link"), &e), -1);
	ck_assert_int_eq(e.code, ERR_INVALID);
	for (i = 0; i < NELEM(many); i++)
		many[i] = s;
	ck_assert_int_eq(mount_all(many, NELEM(many), at("t"), &e), -1);
	ck_assert_int_eq(e.code, ERR_INVALID);
	ck_assert_int_eq(count_mounts("t"), 0);
	ck_assert_int_eq(mount_all(many, MOUNTS_MAX, at("t"), &e), 0);
	ck_assert_int_eq(count_mounts("t"), MOUNTS_MAX);
	ck_assert_int_eq(mount_undo(at("t"), &e), 0);
	ck_assert_int_eq(count_mounts("t"), 0);
}
END_TEST

START_TEST(all_tmpfs)
{
	struct mount_spec s = { "tmpfs", "tmpfs",
		OPTS("nosuid", "size=64k", "mode=700", "noexec") };
	struct statvfs v;
	struct stat st;

	ck_assert_msg(mount_all(&s, 1, at("t"), &e) == 0, "%s", e.msg);
	ck_assert_int_eq(statvfs("t", &v), 0);
	ck_assert(v.f_flag & ST_NOSUID);
	ck_assert(v.f_flag & ST_NOEXEC);
	ck_assert_uint_eq(v.f_blocks * v.f_frsize, 65536);
	ck_assert_int_eq(stat("t", &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0700);
	ck_assert_int_eq(mount_undo(at("t"), &e), 0);
	ck_assert_int_eq(count_mounts("t"), 0);
}
END_TEST

START_TEST(all_bind)
{
	struct mount_spec s = { "bind", at("src"), OPTS("rbind", "rprivate") };

	ck_assert_int_eq(mkdir("src", 0755), 0);
	ck_assert(write_file("src/file", "x"));
	ck_assert_msg(mount_all(&s, 1, at("t"), &e) == 0, "%s", e.msg);
	ck_assert(exists("t/file"));
	ck_assert(write_file("t/more", "x"));
	ck_assert_int_eq(mount_undo(at("t"), &e), 0);
	ck_assert(!exists("t/file"));
	ck_assert(exists("src/more"));
}
END_TEST

START_TEST(all_bind_ro)
{
	struct mount_spec s = { "bind", at("src"), OPTS("ro", "bind") };

	ck_assert_int_eq(mkdir("src", 0755), 0);
	ck_assert(write_file("src/file", "x"));
	ck_assert_msg(mount_all(&s, 1, at("t"), &e) == 0, "%s", e.msg);
	ck_assert(exists("t/file"));
	errno = 0;
	ck_assert(!write_file("t/more", "x"));
	ck_assert_int_eq(errno, EROFS);
	ck_assert(write_file("src/more", "x"));
	ck_assert_int_eq(mount_undo(at("t"), &e), 0);
}
END_TEST

/* There the flags of the mounts that were copied are locked. */
START_TEST(all_bind_ro_user_ns)
{
	struct mount_spec s = { "bind", at("src"), OPTS("bind", "ro") };
	struct statvfs v;

	ck_assert_int_eq(mkdir("src", 0755), 0);
	ck_assert_int_eq(mount("tmpfs", "src", "tmpfs",
	    MS_NODEV | MS_NOEXEC | MS_NOSUID, ""), 0);
	ck_assert_int_eq(chmod("src", 0755), 0);
	ck_assert(write_file("src/file", "x"));
	ck_assert(enter_user_ns());
	ck_assert_msg(mount_all(&s, 1, at("t"), &e) == 0, "%s", e.msg);
	ck_assert_int_eq(statvfs("t", &v), 0);
	ck_assert(v.f_flag & ST_RDONLY);
	ck_assert(v.f_flag & ST_NODEV);
	ck_assert(exists("t/file"));
}
END_TEST

START_TEST(all_shared)
{
	struct mount_spec s = { "tmpfs", "tmpfs", OPTS("rshared") };
	FILE *f;
	char line[4096];
	bool found = false;

	ck_assert_msg(mount_all(&s, 1, at("t"), &e) == 0, "%s", e.msg);
	f = fopen("/proc/self/mountinfo", "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strstr(line, at("t")) && strstr(line, "shared:"))
			found = true;
	fclose(f);
	ck_assert(found);
}
END_TEST

START_TEST(all_remount)
{
	struct mount_spec s[] = {
		{ "tmpfs", "tmpfs", OPTS("size=64k") },
		{ "tmpfs", "tmpfs", OPTS("remount", "size=128k") },
		{ "bind", "", OPTS("remount", "bind", "ro") },
	};
	struct statvfs v;

	ck_assert_msg(mount_all(s, 3, at("t"), &e) == 0, "%s", e.msg);
	ck_assert_int_eq(count_mounts("t"), 1);
	ck_assert_int_eq(statvfs("t", &v), 0);
	ck_assert_uint_eq(v.f_blocks * v.f_frsize, 131072);
	ck_assert(v.f_flag & ST_RDONLY);
}
END_TEST

START_TEST(all_second_fails)
{
	struct mount_spec s[] = {
		{ "tmpfs", "tmpfs", NULL, 0 },
		{ "bind", at("not-there"), OPTS("bind") },
	};

	/* One that was there before stays. */
	ck_assert_int_eq(mount("tmpfs", "t", "tmpfs", 0, ""), 0);
	ck_assert(write_file("t/mine", "x"));
	ck_assert_int_eq(mount_all(s, 2, at("t"), &e), -1);
	ck_assert_int_eq(e.code, ERR_NOT_FOUND);
	ck_assert_msg(strstr(e.msg, "not-there") != NULL, "%s", e.msg);
	ck_assert_int_eq(count_mounts("t"), 1);
	ck_assert(exists("t/mine"));
}
END_TEST

START_TEST(all_second_step_fails)
{
	/* Options that tmpfs refuses, so the third one fails; and before it a
	 * bind whose second step was done. */
	struct mount_spec s[] = {
		{ "tmpfs", "tmpfs", OPTS("private") },
		{ "bind", at("src"), OPTS("bind", "ro", "rslave") },
		{ "tmpfs", "tmpfs", OPTS("no-such-option=1") },
	};

	ck_assert_int_eq(mkdir("src", 0755), 0);
	ck_assert_int_eq(mount_all(s, 3, at("t"), &e), -1);
	ck_assert_msg(strstr(e.msg, "no-such-option=1") != NULL, "%s", e.msg);
	ck_assert_int_eq(count_mounts("t"), 0);
}
END_TEST

START_TEST(all_refused_undoes)
{
	struct mount_spec s[] = {
		{ "tmpfs", "tmpfs", NULL, 0 },
		{ "overlay", "overlay", OPTS("uidmap=0:0:1") },
	};

	ck_assert_int_eq(mount_all(s, 2, at("t"), &e), -1);
	ck_assert_int_eq(e.code, ERR_UNIMPLEMENTED);
	ck_assert_int_eq(count_mounts("t"), 0);
}
END_TEST

START_TEST(all_data_too_long)
{
	char *word = malloc(8192);
	struct mount_spec s = { "tmpfs", "tmpfs", (const char *[]){ word }, 1 };

	ck_assert_ptr_nonnull(word);
	memset(word, 'a', 8191);
	word[8191] = '\0';
	ck_assert_int_eq(mount_all(&s, 1, at("t"), &e), -1);
	ck_assert_int_eq(e.code, ERR_INVALID);
	ck_assert_msg(strstr(e.msg, "too long") != NULL, "%s", e.msg);
	free(word);
}
END_TEST

static void
overlay_dirs(void)
{
	ck_assert_int_eq(mkdir("upper", 0755), 0);
	ck_assert_int_eq(mkdir("work", 0755), 0);
}

/* Writing a file through the overlay reaches the upper directory. */
static void
check_overlay(void)
{
	ck_assert(write_file("t/new", "x"));
	ck_assert(exists("upper/new"));
	ck_assert_int_eq(mount_undo(at("t"), &e), 0);
	ck_assert_int_eq(count_mounts("t"), 0);
}

START_TEST(all_overlay)
{
	char lower[600], upper[300], work[300];
	struct mount_spec s = { "overlay", "overlay",
		OPTS("index=off", work, upper, lower) };

	overlay_dirs();
	ck_assert_int_eq(mkdir("l1", 0755), 0);
	ck_assert_int_eq(mkdir("l2", 0755), 0);
	ck_assert(write_file("l1/one", "x"));
	ck_assert(write_file("l2/two", "x"));
	snprintf(lower, sizeof(lower), "lowerdir=%s:%s", at("l1"), at("l2"));
	snprintf(upper, sizeof(upper), "upperdir=%s", at("upper"));
	snprintf(work, sizeof(work), "workdir=%s", at("work"));
	ck_assert_msg(mount_all(&s, 1, at("t"), &e) == 0, "%s", e.msg);
	ck_assert(exists("t/one"));
	ck_assert(exists("t/two"));
	check_overlay();
}
END_TEST

#define LAYERS 40
#define LONG_NAME "a-directory-with-a-rather-long-name-as-the-" \
	"snapshotters-are-when-somebody-chose-a-deep-root"

START_TEST(all_overlay_long)
{
	static char lower[16384], upper[300], work[300];
	char name[300], cwd[300];
	struct mount_spec s = { "overlay", "overlay",
		OPTS(lower, work, upper) };
	int i;

	overlay_dirs();
	ck_assert_int_eq(mkdir(LONG_NAME, 0755), 0);
	strcpy(lower, "lowerdir=");
	for (i = 0; i < LAYERS; i++) {
		snprintf(name, sizeof(name), LONG_NAME "/%d", i);
		ck_assert_int_eq(mkdir(name, 0755), 0);
		strcat(name, "/fs");
		ck_assert_int_eq(mkdir(name, 0755), 0);
		sprintf(lower + strlen(lower), "%s%s", i > 0 ? ":" : "",
		    at(name));
		snprintf(name, sizeof(name), LONG_NAME "/%d/fs/file%d", i, i);
		ck_assert(write_file(name, "x"));
	}
	ck_assert_uint_gt(strlen(lower), 4096);
	snprintf(upper, sizeof(upper), "upperdir=%s", at("upper"));
	snprintf(work, sizeof(work), "workdir=%s", at("work"));
	ck_assert_msg(mount_all(&s, 1, at("t"), &e) == 0, "%s", e.msg);
	for (i = 0; i < LAYERS; i++) {
		snprintf(name, sizeof(name), "t/file%d", i);
		ck_assert_msg(exists(name), "%s", name);
	}
	ck_assert_ptr_nonnull(getcwd(cwd, sizeof(cwd)));
	ck_assert_str_eq(cwd, base);
	check_overlay();

	/* One of them missing: the kernel's answer comes back from the child,
	 * and so does that of a directory that is not there at all. */
	strcat(lower, ":");
	strcat(lower, at(LONG_NAME "/none/fs"));
	ck_assert_int_eq(mount_all(&s, 1, at("t"), &e), -1);
	ck_assert_int_eq(e.code, ERR_NOT_FOUND);
	ck_assert_int_eq(rename(LONG_NAME, "elsewhere"), 0);
	ck_assert_int_eq(mount_all(&s, 1, at("t"), &e), -1);
	ck_assert_int_eq(e.code, ERR_NOT_FOUND);
	ck_assert_int_eq(count_mounts("t"), 0);
}
END_TEST

/* Lists whose entries need care: the base itself, doubled slashes, an escaped
 * colon; and one with nothing in common, which stays too long. */
START_TEST(all_overlay_odd)
{
	static char lower[8192], upper[300], work[300], pad[4096];
	struct mount_spec s = { "overlay", "overlay",
		OPTS("ro", lower, upper, work) };
	int i;

	overlay_dirs();
	ck_assert_int_eq(mkdir("ll", 0755), 0);
	ck_assert_int_eq(mkdir("ll/a:b", 0755), 0);
	ck_assert_int_eq(mkdir("ll/c", 0755), 0);
	ck_assert_int_eq(mkdir("ll/c/d", 0755), 0);
	ck_assert(write_file("ll/a:b/one", "x"));
	ck_assert(write_file("ll/c/d/two", "x"));
	/* Doubled slashes make it long. */
	memset(pad, '/', 3800);
	snprintf(lower, sizeof(lower), "lowerdir=%s:%s%sc/d",
	    at("ll/a\\:b"), at("ll/"), pad);
	snprintf(upper, sizeof(upper), "upperdir=%s", at("upper"));
	snprintf(work, sizeof(work), "workdir=%s", at("work"));
	ck_assert_msg(mount_all(&s, 1, at("t"), &e) == 0, "%s", e.msg);
	ck_assert(exists("t/one"));
	ck_assert(exists("t/two"));
	ck_assert(!write_file("t/new", "x"));
	ck_assert_int_eq(mount_undo(at("t"), &e), 0);

	strcpy(lower, "lowerdir=/proc");
	for (i = 0; i < 600; i++)
		strcat(lower, ":/usr/bin");
	ck_assert_int_eq(mount_all(&s, 1, at("t"), &e), -1);
	ck_assert_int_eq(e.code, ERR_INVALID);
	ck_assert_msg(strstr(e.msg, "too long") != NULL, "%s", e.msg);
}
END_TEST

START_TEST(all_loop)
{
	struct mount_spec s = { "ext4", at("img"), OPTS("loop", "ro") };
	struct statvfs v;

	ck_assert_int_eq(system("truncate -s 4M img && "
	    "mkfs.ext4 -q -F img >/dev/null 2>&1"), 0);
	if (mount_all(&s, 1, at("t"), &e) < 0) {
		/* A container's /dev may lack the nodes. */
		printf("skipped: all_loop: %s\n", e.msg);
		return;
	}
	ck_assert_int_eq(statvfs("t", &v), 0);
	ck_assert(v.f_flag & ST_RDONLY);
	ck_assert_int_eq(mount_undo(at("t"), &e), 0);
	ck_assert_int_eq(count_mounts("t"), 0);
	/* Nothing that can be mounted: the device is free again. */
	ck_assert_int_eq(truncate("img", 0), 0);
	ck_assert_int_eq(truncate("img", 65536), 0);
	ck_assert_int_eq(mount_all(&s, 1, at("t"), &e), -1);
	ck_assert_int_eq(count_mounts("t"), 0);
	ck_assert_int_ne(system("losetup -a 2>/dev/null | grep -qF /img"), 0);
}
END_TEST

START_TEST(undo_nothing)
{
	ck_assert_int_eq(mount_undo(at("t"), &e), 0);
	ck_assert_int_eq(mount_undo(at("gone"), &e), 0);
	ck_assert_int_eq(mount_undo(at("gone/deeper/still"), &e), 0);
	ck_assert(write_file("file", "x"));
	ck_assert_int_eq(mount_undo(at("file"), &e), 0);
	ck_assert_int_eq(mount_undo(at("file/x/y"), &e), 0);
}
END_TEST

START_TEST(undo_refuses)
{
	static const char *const bad[] = { "/", "//", "t", "", "/mnt/..",
		"/mnt/.", "." };
	size_t i;

	for (i = 0; i < NELEM(bad); i++) {
		ck_assert_int_eq(mount_undo(bad[i], &e), -1);
		ck_assert_int_eq(e.code, ERR_INVALID);
	}
}
END_TEST

START_TEST(undo_tree)
{
	static const char *const dirs[] = { "t/a", "t/a/b", "t/c d\te\\f",
		"t/c d\te\\f/g" };
	size_t i;

	ck_assert_int_eq(mkdir("tt", 0755), 0);
	ck_assert_int_eq(mount("tmpfs", "tt", "tmpfs", 0, ""), 0);
	ck_assert_int_eq(mount("tmpfs", "t", "tmpfs", 0, ""), 0);
	for (i = 0; i < NELEM(dirs); i++) {
		ck_assert_int_eq(mkdir(dirs[i], 0755), 0);
		ck_assert_int_eq(mount("tmpfs", dirs[i], "tmpfs", 0, ""), 0);
	}
	/* And one over all that, twice. */
	ck_assert_int_eq(mount("tmpfs", "t", "tmpfs", 0, ""), 0);
	ck_assert_int_eq(mount("tmpfs", "t", "tmpfs", 0, ""), 0);
	ck_assert_int_eq(count_mounts("t"), 8);
	ck_assert_msg(mount_undo(at("t/"), &e) == 0, "%s", e.msg);
	/* The neighbour whose name begins alike is left. */
	ck_assert_int_eq(count_mounts("t"), 1);
	ck_assert_int_eq(count_mounts("tt"), 1);
}
END_TEST

START_TEST(undo_busy)
{
	int fd;

	ck_assert_int_eq(mount("tmpfs", "t", "tmpfs", 0, ""), 0);
	ck_assert(write_file("t/file", "x"));
	fd = open("t/file", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_msg(mount_undo(at("t"), &e) == 0, "%s", e.msg);
	ck_assert_int_eq(count_mounts("t"), 0);
	close(fd);
}
END_TEST

START_TEST(undo_symlink)
{
	/* The directory of the name is resolved, the last component not. */
	ck_assert_int_eq(mkdir("bundle", 0755), 0);
	ck_assert_int_eq(mkdir("bundle/rootfs", 0755), 0);
	ck_assert_int_eq(symlink("bundle", "alias"), 0);
	ck_assert_int_eq(symlink("bundle/rootfs", "last"), 0);
	ck_assert_int_eq(mount("tmpfs", "bundle/rootfs", "tmpfs", 0, ""), 0);
	ck_assert_int_eq(mount_undo(at("last"), &e), 0);
	ck_assert_int_eq(count_mounts("bundle"), 1);
	ck_assert_int_eq(mount_undo(at("alias/rootfs"), &e), 0);
	ck_assert_int_eq(count_mounts("bundle"), 0);
}
END_TEST

/* One that cannot be named is reported, and the others go all the same. */
START_TEST(undo_covered)
{
	ck_assert_int_eq(mkdir("t/a", 0755), 0);
	ck_assert_int_eq(mkdir("t/a/b", 0755), 0);
	ck_assert_int_eq(mount("tmpfs", "t/a/b", "tmpfs", 0, ""), 0);
	ck_assert_int_eq(mount("tmpfs", "t", "tmpfs", 0, ""), 0);
	ck_assert_int_eq(mkdir("t/a", 0755), 0);
	ck_assert_int_eq(mkdir("t/a/b", 0755), 0);
	ck_assert_int_eq(mount_undo(at("t/a"), &e), -1);
	ck_assert_int_eq(count_mounts("t"), 2);
	ck_assert_int_eq(mount_undo(at("t"), &e), 0);
	ck_assert_int_eq(count_mounts("t"), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("mount");
	TCase *pure = tcase_create("parse");
	TCase *real;
	const char *fork_mode;
	SRunner *sr;
	int failed;

	/* The skips are printed between forks. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	tcase_add_loop_test(pure, parse_set, 0, NELEM(set_words));
	tcase_add_loop_test(pure, parse_propagation, 0,
	    NELEM(propagation_words));
	tcase_add_test(pure, parse_data);
	tcase_add_test(pure, parse_loop);
	tcase_add_test(pure, parse_cap);
	tcase_add_loop_test(pure, parse_refused, 0, NELEM(refused));
	tcase_add_test(pure, parse_too_many);
	tcase_add_test(pure, all_none);
	tcase_add_test(pure, undo_refuses);
	suite_add_tcase(s, pure);

	if (child_can(enter_ns)) {
		real = tcase_create("real");
		tcase_add_test(real, all_bad_target);
		tcase_add_test(real, all_tmpfs);
		tcase_add_test(real, all_bind);
		tcase_add_test(real, all_bind_ro);
		tcase_add_test(real, all_shared);
		tcase_add_test(real, all_remount);
		tcase_add_test(real, all_second_fails);
		tcase_add_test(real, all_second_step_fails);
		tcase_add_test(real, all_refused_undoes);
		tcase_add_test(real, all_data_too_long);
		tcase_add_test(real, undo_nothing);
		tcase_add_test(real, undo_tree);
		tcase_add_test(real, undo_busy);
		tcase_add_test(real, undo_symlink);
		tcase_add_test(real, undo_covered);
		/* It would take the tests after it along, were they not
		 * processes of their own. */
		fork_mode = getenv("CK_FORK");
		if ((fork_mode == NULL || strcmp(fork_mode, "no") != 0) &&
		    child_can(can_user_ns))
			tcase_add_test(real, all_bind_ro_user_ns);
		else
			printf("skipped: all_bind_ro_user_ns: no user "
			    "namespaces, or CK_FORK=no\n");
		if (child_can(can_overlay)) {
			tcase_add_test(real, all_overlay);
			tcase_add_test(real, all_overlay_long);
			tcase_add_test(real, all_overlay_odd);
		} else {
			printf("skipped: all_overlay, all_overlay_long, "
			    "all_overlay_odd: no overlay mounts here\n");
		}
		if (child_can(can_loop))
			tcase_add_test(real, all_loop);
		else
			printf("skipped: all_loop: needs root, loop devices "
			    "and mkfs.ext4\n");
		tcase_add_checked_fixture(real, setup, teardown);
		suite_add_tcase(s, real);
	} else {
		printf("skipped: all_*, undo_*: no mount namespaces here\n");
	}
	fflush(stdout);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
