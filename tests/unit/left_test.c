/* SPDX-License-Identifier: Apache-2.0 */
/* left_test: what runsc leaves in its root and in a root file system is
 * removed, and nothing else. */
#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
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

static void
add(TCase *tc)
{
	suite_add(tc, filestore, not_a_filestore, netns, of_bundle);
}

int
main(void)
{
	return suite_run("left", setup, teardown, add);
}
