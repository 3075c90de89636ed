/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount: see mount.h.
 *
 * Everything here is synchronous: mount(2) and umount2(2) wait for nothing but
 * the kernel, and the one child that is forked does a single mount(2) and
 * exits.  What a failed mount_all() left is undone by count and not by
 * mount_undo(), so that a mount somebody else had put on target survives.
 */
#include "host/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fmt.h"

/* linux/loop.h, which a musl tool chain need not have. */
#define LOOP_SET_FD 0x4C00
#define LOOP_CLR_FD 0x4C01
#define LOOP_SET_STATUS64 0x4C04
#define LOOP_SET_DIRECT_IO 0x4C08
#define LOOP_CONFIGURE 0x4C0A
#define LOOP_CTL_GET_FREE 0x4C82
#define LO_FLAGS_READ_ONLY 1u
#define LO_FLAGS_AUTOCLEAR 4u
#define LO_FLAGS_DIRECT_IO 16u

#define LOOP_TRIES 100


struct loop_info {
	uint64_t device, inode, rdevice, offset, sizelimit;
	uint32_t number, encrypt_type, encrypt_key_size, flags;
	uint8_t file_name[64], crypt_name[64], encrypt_key[32];
	uint64_t init[2];
};

struct loop_conf {
	uint32_t fd, block_size;
	struct loop_info info;
	uint64_t reserved[8];
};

_Static_assert(sizeof(struct loop_info) == 232, "kernel ABI");
_Static_assert(sizeof(struct loop_conf) == 304, "kernel ABI");

enum effect { SET, CLEAR, PROPAGATE };

static const struct word {
	char name[14];
	enum effect effect;
	unsigned long flag;
} words[] = {
	{ "async", CLEAR, MS_SYNCHRONOUS },
	{ "atime", CLEAR, MS_NOATIME },
	{ "bind", SET, MS_BIND },
	{ "dev", CLEAR, MS_NODEV },
	{ "diratime", CLEAR, MS_NODIRATIME },
	{ "dirsync", SET, MS_DIRSYNC },
	{ "exec", CLEAR, MS_NOEXEC },
	{ "mand", SET, MS_MANDLOCK },
	{ "noatime", SET, MS_NOATIME },
	{ "nodev", SET, MS_NODEV },
	{ "nodiratime", SET, MS_NODIRATIME },
	{ "noexec", SET, MS_NOEXEC },
	{ "nomand", CLEAR, MS_MANDLOCK },
	{ "norelatime", CLEAR, MS_RELATIME },
	{ "nostrictatime", CLEAR, MS_STRICTATIME },
	{ "nosuid", SET, MS_NOSUID },
	{ "private", PROPAGATE, MS_PRIVATE },
	{ "rbind", SET, MS_BIND | MS_REC },
	{ "relatime", SET, MS_RELATIME },
	{ "remount", SET, MS_REMOUNT },
	{ "ro", SET, MS_RDONLY },
	{ "rprivate", PROPAGATE, MS_PRIVATE | MS_REC },
	{ "rshared", PROPAGATE, MS_SHARED | MS_REC },
	{ "rslave", PROPAGATE, MS_SLAVE | MS_REC },
	{ "runbindable", PROPAGATE, MS_UNBINDABLE | MS_REC },
	{ "rw", CLEAR, MS_RDONLY },
	{ "shared", PROPAGATE, MS_SHARED },
	{ "slave", PROPAGATE, MS_SLAVE },
	{ "strictatime", SET, MS_STRICTATIME },
	{ "suid", CLEAR, MS_NOSUID },
	{ "sync", SET, MS_SYNCHRONOUS },
	{ "unbindable", PROPAGATE, MS_UNBINDABLE },
};

static bool
has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool
has_option(const struct mount_spec *s, const char *word)
{
	size_t i;

	for (i = 0; i < s->noptions; i++)
		if (strcmp(s->options[i], word) == 0)
			return true;
	return false;
}

static size_t
options_len(const struct mount_spec *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->noptions; i++)
		n += strlen(s->options[i]) + 1;
	return n;
}

static const struct word *
find_word(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].name, name) == 0)
			return &words[i];
	return NULL;
}

static int
check_supported(const struct mount_spec *s, struct err *e)
{
	size_t i;

	if (has_prefix(s->type, "fuse.") || has_prefix(s->type, "fuse3."))
		return err_set(e, ERR_UNIMPLEMENTED,
		    "mount type %s is not supported: a FUSE file system needs "
		    "a helper program", s->type);
	if (s->noptions > MOUNT_OPTIONS_MAX)
		return err_set(e, ERR_INVALID,
		    "mount of %s has %zu options, at most %d are taken",
		    s->type, s->noptions, MOUNT_OPTIONS_MAX);
	for (i = 0; i < s->noptions; i++) {
		const char *o = s->options[i];

		if (has_prefix(o, "uidmap=") || has_prefix(o, "gidmap="))
			return err_set(e, ERR_UNIMPLEMENTED, "mount option %s "
			    "is not supported: no id-mapped mounts", o);
		if (has_prefix(o, "X-containerd."))
			return err_set(e, ERR_UNIMPLEMENTED, "mount option %s "
			    "is containerd's own and cannot be mounted", o);
	}
	return 0;
}

int
mount_parse(const struct mount_spec *s, unsigned long *flags,
    unsigned long *propagation, char *data, size_t cap, struct err *e)
{
	bool loop = has_option(s, "loop");
	size_t i, len = 0;

	*flags = 0;
	*propagation = 0;
	if (cap > 0)
		data[0] = '\0';
	if (check_supported(s, e) < 0)
		return -1;
	for (i = 0; i < s->noptions; i++) {
		const char *o = s->options[i];
		const struct word *w = find_word(o);
		size_t n = strlen(o);

		if (w != NULL && w->effect == SET)
			*flags |= w->flag;
		else if (w != NULL && w->effect == CLEAR)
			*flags &= ~w->flag;
		else if (w != NULL)
			*propagation |= w->flag;
		if (w != NULL || n == 0)
			continue;
		if (loop && (strcmp(o, "loop") == 0 ||
		    strcmp(o, "direct-io") == 0))
			continue;
		if (len + (len > 0) + n >= cap)
			return err_set(e, ERR_INVALID, "options of the %s "
			    "mount are too long: more than %zu bytes",
			    s->type, cap);
		if (len > 0)
			data[len++] = ',';
		memcpy(data + len, o, n + 1);
		len += n;
	}
	return 0;
}

/* The end of the entry at p in a lowerdir= list, where "\:" is no separator. */
static const char *
lower_end(const char *p)
{
	for (; *p != '\0' && *p != ':'; p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
	return p;
}

/* The length of the directory, without its last slash, that all entries of
 * list are below; 0 where there is none or nothing would be won. */
static size_t
lower_base(const char *list)
{
	const char *p = lower_end(list);
	size_t i, n = (size_t)(p - list);

	if (list[0] != '/' || *p == '\0')
		return 0;
	while (*p == ':') {
		p++;
		for (i = 0; i < n && p[i] == list[i]; i++)
			;
		n = i;
		p = lower_end(p);
	}
	while (n > 0 && list[n - 1] != '/')
		n--;
	return n > 0 ? n - 1 : 0;
}

/*
 * mount(2) takes one page of options, and an image of 40 layers has more.  All
 * lower directories of containerd's snapshotter are below one directory:
 * rewrite the list relative to it.  *short_s gets the options (in opts) with
 * the new list as the last word; *list and *base are malloc'd.  Where nothing
 * can be shortened *base stays NULL and *short_s is not filled.
 */
static int
shorten_overlay(const struct mount_spec *s, struct mount_spec *short_s,
    const char **opts, char **list, char **base, struct err *e)
{
	size_t i, n = 0, len, blen, lower = SIZE_MAX;
	const char *p, *end;
	char *out;

	for (i = 0; i < s->noptions; i++) {
		if (!has_prefix(s->options[i], "lowerdir="))
			opts[n++] = s->options[i];
		else if (lower == SIZE_MAX)
			lower = i;
		else
			return 0;
	}
	if (lower == SIZE_MAX)
		return 0;
	p = s->options[lower] + strlen("lowerdir=");
	blen = lower_base(p);
	if (blen == 0)
		return 0;
	*base = strndup(p, blen);
	/* An entry gets longer only where it is the base itself: "." */
	len = 2 * strlen(s->options[lower]) + 1;
	*list = malloc(len);
	if (*base == NULL || *list == NULL)
		return err_nomem(e);
	strcpy(*list, "lowerdir=");
	out = *list + strlen(*list);
	for (;; p = end + 1) {
		end = lower_end(p);
		p += blen;
		while (p < end && *p == '/')
			p++;
		if (p == end)
			*out++ = '.';
		memcpy(out, p, (size_t)(end - p));
		out += end - p;
		*out++ = *end;
		if (*end == '\0')
			break;
	}
	opts[n++] = *list;
	*short_s = *s;
	short_s->options = opts;
	short_s->noptions = n;
	return 0;
}

/* mount(2) with dirfd as working directory.  Ours is not touched: a child
 * does it, and its exit status is errno. */
static int
mount_from(int dirfd, const char *source, const char *target,
    const char *type, unsigned long flags, const char *data)
{
	int status;
	pid_t pid = _Fork();

	if (pid < 0)
		return -1;
	if (pid == 0) {
		if (fchdir(dirfd) < 0 ||
		    mount(source, target, type, flags, data) < 0)
			_exit(errno);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
	return errno == 0 ? 0 : -1;
}

static int
loop_attach(int loopfd, int filefd, uint32_t flags)
{
	struct loop_conf c;
	int err;

	memset(&c, 0, sizeof(c));
	c.fd = (uint32_t)filefd;
	c.info.flags = flags;
	if (ioctl(loopfd, LOOP_CONFIGURE, &c) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOTTY && errno != ENOSYS)
		return -1;
	/* Linux before 5.8 */
	if (ioctl(loopfd, LOOP_SET_FD, filefd) < 0)
		return -1;
	c.info.flags &= ~LO_FLAGS_DIRECT_IO;
	if (ioctl(loopfd, LOOP_SET_STATUS64, &c.info) == 0 &&
	    ((flags & LO_FLAGS_DIRECT_IO) == 0 ||
	    ioctl(loopfd, LOOP_SET_DIRECT_IO, 1ul) == 0))
		return 0;
	err = errno;
	ioctl(loopfd, LOOP_CLR_FD, 0);
	errno = err;
	return -1;
}

/* Put a free loop device on file; its name goes to dev.  Returns the device's
 * descriptor: it clears itself when that and the mount are gone. */
static int
loop_open(const char *file, bool ro, bool direct, char *dev, size_t cap,
    struct err *e)
{
	uint32_t flags = LO_FLAGS_AUTOCLEAR;
	int ctlfd = -1, filefd = -1, loopfd = -1, n, tries;
	int mode = (ro ? O_RDONLY : O_RDWR) | O_CLOEXEC;

	if (ro)
		flags |= LO_FLAGS_READ_ONLY;
	if (direct)
		flags |= LO_FLAGS_DIRECT_IO;
	filefd = open(file, mode);
	if (filefd < 0) {
		err_sys(e, "open %s", file);
		goto out;
	}
	ctlfd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (ctlfd < 0) {
		err_sys(e, "open /dev/loop-control");
		goto out;
	}
	for (tries = 0; tries < LOOP_TRIES; tries++) {
		n = ioctl(ctlfd, LOOP_CTL_GET_FREE);
		if (n < 0) {
			err_sys(e, "find a free loop device");
			goto out;
		}
		fmt(dev, cap, "/dev/loop%d", n);
		loopfd = open(dev, mode);
		if (loopfd < 0) {
			err_sys(e, "open %s", dev);
			goto out;
		}
		if (loop_attach(loopfd, filefd, flags) == 0)
			goto out;
		n = errno;
		err_sys(e, "put %s on %s", file, dev);
		close(loopfd);
		loopfd = -1;
		/* Somebody else took it in between: the next one. */
		if (n != EBUSY)
			goto out;
	}
out:
	if (filefd >= 0)
		close(filefd);
	if (ctlfd >= 0)
		close(ctlfd);
	return loopfd;
}

/*
 * A bind mount takes its read-only flag in a second step only.  In a user
 * namespace the flags that the mount came with are locked, and a remount
 * without them is refused: then once more with them.
 */
static int
remount_ro(const char *target, unsigned long flags)
{
	static const struct {
		unsigned long st, ms;
	} locked[] = {
		{ ST_NOSUID, MS_NOSUID }, { ST_NODEV, MS_NODEV },
		{ ST_NOEXEC, MS_NOEXEC }, { ST_NOATIME, MS_NOATIME },
		{ ST_NODIRATIME, MS_NODIRATIME },
		{ ST_RELATIME, MS_RELATIME },
	};
	struct statfs st;
	size_t i;

	flags |= MS_REMOUNT;
	if (mount("", target, "", flags, "") == 0)
		return 0;
	if (errno != EPERM || statfs(target, &st) < 0)
		return -1;
	for (i = 0; i < sizeof(locked) / sizeof(locked[0]); i++)
		if ((unsigned long)st.f_flags & locked[i].st)
			flags |= locked[i].ms;
	return mount("", target, "", flags, "");
}

static int
unmount_one(const char *path)
{
	if (umount2(path, UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (errno != EBUSY)
		return -1;
	return umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH);
}

/* Parse s, and make its options short enough for mount(2).  *data is
 * malloc'd; *base too where the data is relative to it, else NULL. */
static int
prepare(const struct mount_spec *s, unsigned long *flags,
    unsigned long *propagation, char **data, char **base, struct err *e)
{
	const char *opts[MOUNT_OPTIONS_MAX];
	struct mount_spec short_s;
	size_t page = getauxval(AT_PAGESZ);
	size_t cap = options_len(s) + 1;
	char *list = NULL;
	int ret = -1;

	*base = NULL;
	*data = malloc(cap);
	if (*data == NULL)
		return err_nomem(e);
	if (check_supported(s, e) < 0)
		return -1;
	if (strcmp(s->type, "overlay") == 0 && cap >= page - 512) {
		if (shorten_overlay(s, &short_s, opts, &list, base, e) < 0)
			goto out;
		if (*base != NULL)
			s = &short_s;
	}
	if (mount_parse(s, flags, propagation, *data, cap, e) < 0)
		goto out;
	/* The kernel cuts it there without a word. */
	if (strlen(*data) >= page) {
		err_set(e, ERR_INVALID, "options of the %s mount are too "
		    "long: %zu bytes, the kernel takes %zu", s->type,
		    strlen(*data), page - 1);
		goto out;
	}
	ret = 0;
out:
	free(list);
	return ret;
}

/* Mount s on target; *mounted tells whether there is something to unmount,
 * on failure too. */
static int
mount_one(const struct mount_spec *s, const char *target, bool *mounted,
    struct err *e)
{
	const char *source = s->source;
	unsigned long flags, propagation;
	char *data = NULL, *base = NULL, dev[32];
	int ret = -1, loopfd = -1, basefd = -1;

	*mounted = false;
	if (prepare(s, &flags, &propagation, &data, &base, e) < 0)
		goto out;
	if (has_option(s, "loop")) {
		loopfd = loop_open(source, flags & MS_RDONLY,
		    has_option(s, "direct-io"), dev, sizeof(dev), e);
		if (loopfd < 0)
			goto out;
		source = dev;
	}
	if (base != NULL) {
		basefd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (basefd < 0) {
			err_sys(e, "open %s, where the layers are", base);
			goto out;
		}
	}
	if (!(flags & MS_REMOUNT) || data[0] != '\0') {
		int r = basefd >= 0 ?
		    mount_from(basefd, source, target, s->type, flags, data) :
		    mount(source, target, s->type, flags, data);

		if (r < 0) {
			err_sys(e, "mount %s %s on %s with \"%.200s\"",
			    s->type, s->source, target, data);
			goto out;
		}
		*mounted = !(flags & MS_REMOUNT);
	}
	if (propagation != 0 && mount("", target, "", propagation, "") < 0) {
		err_sys(e, "set the propagation of %s", target);
		goto out;
	}
	if ((flags & MS_BIND) && (flags & MS_RDONLY) &&
	    remount_ro(target, flags) < 0) {
		err_sys(e, "make %s read-only", target);
		goto out;
	}
	ret = 0;
out:
	if (basefd >= 0)
		close(basefd);
	if (loopfd >= 0)
		close(loopfd);
	free(base);
	free(data);
	return ret;
}

int
mount_all(const struct mount_spec *specs, size_t n, const char *target,
    struct err *e)
{
	struct stat st;
	bool mounted;
	size_t i, count = 0;

	if (n == 0)
		return 0;
	if (n > MOUNTS_MAX)
		return err_set(e, ERR_INVALID, "%zu rootfs mounts, at most %d "
		    "are taken", n, MOUNTS_MAX);
	/* Not a symbolic link: mount(2) would follow it, umount2(2) with
	 * UMOUNT_NOFOLLOW not. */
	if (target[0] != '/')
		return err_set(e, ERR_INVALID,
		    "mount target %s is no absolute path", target);
	if (lstat(target, &st) < 0)
		return err_sys(e, "mount target %s", target);
	if (S_ISLNK(st.st_mode))
		return err_set(e, ERR_INVALID,
		    "mount target %s is a symbolic link", target);
	for (i = 0; i < n; i++) {
		int r = mount_one(&specs[i], target, &mounted, e);

		count += mounted;
		if (r < 0)
			goto out;
	}
	return 0;
out:
	while (count-- > 0)
		unmount_one(target);
	return -1;
}

static bool
is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	return strncmp(path, top, n) == 0 && (path[n] == '\0' ||
	    path[n] == '/');
}

/* One reading of the list: what is at or below top is unmounted. */
struct undo {
	const char *top;
	bool any;		/* something went */
	bool left;		/* something that can be named stays: see e */
	struct err *e;
};

static void
undo_line(void *arg, const struct mount_line *m)
{
	struct undo *u = arg;

	if (!is_below(m->point, u->top))
		return;
	if (unmount_one(m->point) == 0) {
		u->any = true;
	} else if (errno != ENOENT) {
		/* ENOENT: its mount point was removed, and there is nothing to
		 * name it by. */
		err_sys(u->e, "unmount %s", m->point);
		u->left = true;
	}
}

/*
 * The name under which mountinfo lists target: its directory resolved, its
 * last component as it is.  Returns 1 where that directory does not exist.
 */
static int
resolve(const char *target, char *path, size_t cap, struct err *e)
{
	char dir[PATH_MAX], real[PATH_MAX];
	size_t n = strlen(target), base;
	ssize_t len;
	int fd;

	while (n > 1 && target[n - 1] == '/')
		n--;
	for (base = n; base > 0 && target[base - 1] != '/'; base--)
		;
	/* "/" is refused with the others: never unmount everything. */
	if (target[0] != '/' || n >= sizeof(dir) || base == n ||
	    (n - base == 1 && target[base] == '.') ||
	    (n - base == 2 && memcmp(target + base, "..", 2) == 0))
		return err_set(e, ERR_INVALID,
		    "%s is not a path to unmount", target);
	memcpy(dir, target, base);
	dir[base] = '\0';
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 1;
		return err_sys(e, "open %s", dir);
	}
	fmt(path, cap, "/proc/self/fd/%d", fd);
	len = readlink(path, real, sizeof(real) - 1);
	close(fd);
	if (len < 0)
		return err_sys(e, "resolve %s", dir);
	real[len] = '\0';
	if (fmt(path, cap, "%s/%.*s",
	    strcmp(real, "/") == 0 ? "" : real, (int)(n - base),
	    target + base) >= cap)
		return err_set(e, ERR_INVALID, "%s is too long a path",
		    target);
	return 0;
}

static int
undo_listed(const char *target, struct err *e)
{
	char top[PATH_MAX];
	struct undo u;
	int r;

	r = resolve(target, top, sizeof(top), e);
	if (r != 0)
		return r < 0 ? -1 : 0;
	/* One that is covered by a newer mount cannot be named: once more as
	 * long as something goes. */
	do {
		u = (struct undo){ .top = top, .e = e };
		r = mount_each("/proc/self/mountinfo", undo_line, &u, e);
	} while (r == 0 && u.any);
	return r < 0 || u.left ? -1 : 0;
}

int
mount_undo(const char *target, struct err *e)
{
	int ret = undo_listed(target, e);

	/* Without the list what is below target stays, but not target. */
	while (ret < 0 && e->code != ERR_INVALID && unmount_one(target) == 0)
		;
	return ret;
}
