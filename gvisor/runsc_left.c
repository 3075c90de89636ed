/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runsc_left: what runsc keeps and leaves: the state files of its containers,
 * and processes found by their command lines.  See runsc_left.h.
 */
#include "gvisor/runsc_left.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/child.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/fmt.h"
#include "base/name.h"
#include "json.h"

#define CHUNK 2048	/* of a command line, which may be any length */
/* At one that executes a program, which is soon done; and how long may be
 * waited for that, by all of them. */
#define LOOKS 8
#define NAPS 5
#define NAP_MS 1
#define STATE_FILE_MAX (4 << 20)
#define FIXED_ID_BYTES 64	/* of a CRI or Docker id */
#define NSFS 0x6e736673		/* statfs(2) of a namespace's file */
/* runsc/specutils/namespace.go, pkg/sentry/fsimpl/fsutil. */
#define NULL_NETNS "null-netns"
#define FILESTORE ".gvisor.filestore."

static const char state_mark[] = "_sandbox:";

char *
runsc_root(const char *root, const char *ns, const char *sandbox_id)
{
	static const char hex[] = "0123456789abcdef";
	bool fixed = strlen(sandbox_id) == FIXED_ID_BYTES &&
	    strspn(sandbox_id, hex) == FIXED_ID_BYTES;

	return fmt_new("%s/%s%s%s", root, ns, fixed ? "" : "/",
	    fixed ? "" : sandbox_id);
}

/* Is name `<id>_sandbox:…`?  Of its files, that with the given end. */
static bool
is_state_of(const char *name, const char *id, const char *end)
{
	size_t idlen = strlen(id), len = strlen(name), endlen = strlen(end);

	return len > idlen + sizeof(state_mark) - 1 + endlen &&
	    memcmp(name, id, idlen) == 0 &&
	    memcmp(name + idlen, state_mark, sizeof(state_mark) - 1) == 0 &&
	    strcmp(name + len - endlen, end) == 0;
}

bool
runsc_exists(const char *root, const char *id)
{
	struct dirent *d;
	bool found = false;
	DIR *dir = opendir(root);

	/* Where that cannot be known, runsc is asked. */
	if (!dir)
		return errno != ENOENT;
	while (!found && (d = readdir(dir)))
		found = is_state_of(d->d_name, id, ".state");
	closedir(dir);
	return found;
}

/*
 * A state file of the open directory: 1, 0 where it is no JSON (a power cut),
 * -1 where it cannot be read.  After 1, *j is to be freed, and *text after it.
 */
static int
load_state(int dir_fd, const char *name, struct json *j, char **text)
{
	struct err e;
	size_t n;

	*text = file_load(dir_fd, name, O_NOFOLLOW, STATE_FILE_MAX, &n, &e);
	if (!*text)
		return -1;
	if (json_parse(j, *text, n, &e) == 0)
		return 1;
	free(*text);
	return 0;
}

/* The pid and the id of the sandbox that it names: as load_state(), 0 also
 * where it names none. */
static int
read_sandbox(int dir_fd, const char *name, pid_t *pid, char *id, size_t cap)
{
	struct json j;
	int64_t v = 0;
	char *text;
	int sandbox, rc = load_state(dir_fd, name, &j, &text);

	if (rc > 0) {
		sandbox = json_get(&j, 0, "sandbox");
		rc = json_int(&j, json_get(&j, sandbox, "pid"), &v) &&
		    v > 0 && v <= INT_MAX &&
		    json_str(&j, json_get(&j, sandbox, "id"), id, cap) >= 0;
		json_free(&j);
		free(text);
	}
	*pid = (pid_t)v;
	return rc;
}

/* Do both name one directory? */
static bool
is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	    x.st_ino == y.st_ino;
}

bool
runsc_is_of_bundle(const char *root, const char *id, const char *bundle)
{
	char dir_name[PATH_MAX], *text;
	struct dirent *d;
	bool other = false;
	struct json j;
	DIR *dir = opendir(root);

	while (dir && !other && (d = readdir(dir))) {
		if (!is_state_of(d->d_name, id, ".state") ||
		    load_state(dirfd(dir), d->d_name, &j, &text) <= 0)
			continue;
		other = json_str(&j, json_get(&j, 0, "bundleDir"), dir_name,
		    sizeof(dir_name)) > 0 && !is_same_file(dir_name, bundle);
		json_free(&j);
		free(text);
	}
	if (dir)
		closedir(dir);
	return !other;
}

/* What a command line has; 0: it is empty. */
enum {
	WORDS = 1,
	NAMED = 2,	/* it begins with the name */
	FLAG = 4,	/* that, of that value, as one word or as two */
	LAST = 8,	/* the value is its last word */
};

/* Where a command line has been read to, and what it has so far. */
struct words {
	const char *flag, *value;
	size_t flag_len;
	size_t at;		/* in a word, up to there that of ... */
	bool as_one, as_two;	/* FLAG=VALUE, VALUE */
	bool next;		/* the word before it is FLAG */
	int has;
};

static void
words_take(struct words *w, char c)
{
	size_t n = w->flag_len, at = w->at++;
	char one = at < n ? w->flag[at] : at == n ? '=' : '\0';

	/* No further than to its NUL, which no other character is. */
	if (w->as_one && at > n)
		one = w->value[at - n - 1];
	w->as_two = w->as_two && c == w->value[at];
	if (c != '\0') {
		w->as_one = w->as_one && c == one;
		return;
	}
	w->has &= ~LAST;
	w->has |= WORDS | (w->as_two ? LAST : 0) | ((w->as_two && w->next) ||
	    (w->as_one && at > n && !one) ? FLAG : 0);
	w->next = w->as_one && at == n;
	w->as_one = w->as_two = true;
	w->at = 0;
}

/* The command line of a process; -1 and errno.  flag: NULL for none. */
static int
read_words(pid_t pid, const char *name, const char *flag, const char *value)
{
	struct words w = { .flag = flag ? flag : "", .value = value,
		.as_one = true, .as_two = true };
	size_t name_len = strlen(name);
	char path[32], text[CHUNK];
	ssize_t n, i;
	int fd;

	w.flag_len = strlen(w.flag);
	fmt(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while ((n = read(fd, text, sizeof(text))) > 0) {
		if (!w.has && w.at == 0 && (size_t)n >= name_len &&
		    memcmp(text, name, name_len) == 0)
			w.has = NAMED;
		for (i = 0; i < n; i++)
			words_take(&w, text[i]);
	}
	close(fd);
	return n < 0 ? -1 : w.has;
}

/* Is that process the sandbox?  Its number may be another's since: of a sandbox
 * the command line ends with its id (runsc/sandbox/sandbox.go). */
static bool
is_sandbox(pid_t pid, const char *id)
{
	int has = read_words(pid, "runsc", NULL, id);

	/* Where it cannot be known, it is. */
	return has < 0 ? errno != ENOENT && errno != ESRCH :
	    has & NAMED && has & LAST;
}

bool
runsc_is_alive(const char *root, const char *id)
{
	char sandbox[NAME_MAX_BYTES + 1];
	struct dirent *d;
	bool alive = false;
	pid_t pid;
	int rc;
	DIR *dir = opendir(root);

	/* Where it cannot be known, it lives. */
	if (!dir)
		return errno != ENOENT;
	while (!alive && (d = readdir(dir))) {
		if (!is_state_of(d->d_name, id, ".state"))
			continue;
		rc = read_sandbox(dirfd(dir), d->d_name, &pid, sandbox,
		    sizeof(sandbox));
		alive = rc < 0 || (rc > 0 && is_sandbox(pid, sandbox));
	}
	closedir(dir);
	return alive;
}

bool
runsc_orphaned(const char *root, const char *id, char *other, size_t cap)
{
	char end[NAME_MAX + 1];
	struct dirent *d;
	const char *mark;
	bool found = false;
	DIR *dir = opendir(root);

	fmt(end, sizeof(end), "%s%s.state", state_mark, id);
	while (dir && !found && (d = readdir(dir))) {
		mark = fmt_find(d->d_name, state_mark);
		if (!mark || mark == d->d_name || strcmp(mark, end) != 0)
			continue;
		fmt(other, cap, "%.*s", (int)(mark - d->d_name), d->d_name);
		found = !runsc_is_alive(root, other);
	}
	if (dir)
		closedir(dir);
	return found;
}

bool
runsc_ambiguous(const char *root, const char *id, char *other, size_t cap)
{
	size_t idlen = strlen(id), len;
	const char *mark;
	struct dirent *d;
	bool found = false;
	DIR *dir = opendir(root);

	if (!dir)
		return false;
	while (!found && (d = readdir(dir))) {
		mark = fmt_find(d->d_name, state_mark);
		if (!mark)
			continue;
		len = (size_t)(mark - d->d_name);
		found = len != idlen && strncmp(d->d_name, id,
		    len < idlen ? len : idlen) == 0;
		if (found)
			fmt(other, cap, "%.*s", (int)len, d->d_name);
	}
	closedir(dir);
	return found;
}

/*
 * Let go of the empty network namespace that runsc of 2026 on keeps mounted
 * in its root for the next sandbox there.  Creates at the same time mount one
 * on the other.
 */
static void
forget_netns(int dir)
{
	char path[48];
	struct statfs s;

	fmt(path, sizeof(path), "/proc/self/fd/%d/" NULL_NETNS, dir);
	while (statfs(path, &s) == 0 && s.f_type == NSFS &&
	    umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	unlinkat(dir, NULL_NETNS, 0);
}

/* Is that namespace all there is in dir?  Then nothing lives there: runsc
 * makes a container's lock file first and removes it last. */
static bool
only_netns(int dir)
{
	bool netns = false, others = false;
	struct dirent *d;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	if (!list && fd >= 0)
		close(fd);
	while (list && !others && (d = readdir(list))) {
		if (strcmp(d->d_name, NULL_NETNS) == 0)
			netns = true;
		else if (strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0)
			others = true;
	}
	if (list)
		closedir(list);
	return list && netns && !others;
}

/* What shims before this one have left in the roots beside root, ROOT/NS/ID,
 * of containers that are dead; once in a process. */
static void
forget_older(const char *root)
{
	static bool done;
	const char *slash = strrchr(root, '/');
	char parent[PATH_MAX];
	struct dirent *d;
	DIR *dir;
	int fd;

	if (done || !slash)
		return;
	done = true;
	fmt(parent, sizeof(parent), "%.*s", (int)(slash - root), root);
	dir = opendir(parent);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_DIRECTORY |
		    O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (only_netns(fd)) {
			forget_netns(fd);
			unlinkat(dirfd(dir), d->d_name, AT_REMOVEDIR);
		}
		close(fd);
	}
	if (dir)
		closedir(dir);
}

/*
 * The directory of the root file system, *name gets the file's name in it; -1
 * if that is none.  runsc follows no link there either.
 */
static int
open_filestore(int bundle_fd, const char *rootfs, const char *sandbox_id,
    char name[NAME_MAX + 1])
{
	if (!rootfs || strchr(sandbox_id, '/') || fmt(name, NAME_MAX + 1,
	    FILESTORE "%s", sandbox_id) > NAME_MAX)
		return -1;
	return openat(bundle_fd, rootfs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
}

bool
runsc_has_filestore(int bundle_fd, const char *rootfs, const char *sandbox_id)
{
	char name[NAME_MAX + 1];
	struct stat st;
	bool has;
	int dir = open_filestore(bundle_fd, rootfs, sandbox_id, name);

	if (dir < 0)
		return false;
	has = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	close(dir);
	return has;
}

void
runsc_forget_filestore(int bundle_fd, const char *rootfs,
    const char *sandbox_id)
{
	char name[NAME_MAX + 1];
	struct stat st;
	int dir = open_filestore(bundle_fd, rootfs, sandbox_id, name);

	if (dir < 0)
		return;
	/* As runsc makes it: the container's files are anybody's. */
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	    st.st_uid == geteuid())
		unlinkat(dir, name, 0);
	close(dir);
}

/* Has this container a root for itself? */
static bool
is_own_root(const char *root, const char *ns, const char *id)
{
	size_t len = strlen(root), idlen = strlen(id), nslen = strlen(ns);

	return len > idlen + nslen + 2 &&
	    strcmp(root + len - idlen, id) == 0 &&
	    root[len - idlen - 1] == '/' &&
	    memcmp(root + len - idlen - 1 - nslen, ns, nslen) == 0 &&
	    root[len - idlen - 2 - nslen] == '/';
}

int
runsc_check_root(const char *root, const char *ns, const char *id,
    struct err *e)
{
	int flags = is_own_root(root, ns, id) ? AT_SYMLINK_NOFOLLOW : 0;
	struct stat st;

	if (fstatat(AT_FDCWD, root, &st, flags) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "look at %s", root);
	return S_ISDIR(st.st_mode) ? 0 : err_set(e, ERR_PRECONDITION,
	    "%s is not a directory", root);
}

void
runsc_forget(const char *root, const char *ns, const char *id)
{
	bool own = is_own_root(root, ns, id);
	char socket[NAME_MAX + 1];
	struct dirent *d;
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC |
	    (own ? O_NOFOLLOW : 0));
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		fd_close(&fd);
		return;
	}
	/* Its own directory goes with all that is in it; where others are,
	 * only what is named after it, and after the last of them the
	 * namespace, which creates at once have mounted many times. */
	if (own)
		forget_netns(dirfd(dir));
	fmt(socket, sizeof(socket), "runsc-%s.sock", id);
	while ((d = readdir(dir))) {
		if (own || is_state_of(d->d_name, id, "") ||
		    strcmp(d->d_name, socket) == 0)
			unlinkat(dirfd(dir), d->d_name, 0);
	}
	if (!own && only_netns(dirfd(dir)))
		forget_netns(dirfd(dir));
	closedir(dir);
	if (own) {
		rmdir(root);
		forget_older(root);
	}
}

/*
 * 1 or 0; -1 while it executes a program: it has no command line then.  What a
 * sandbox runs its processes in has none either, its memory being theirs, but
 * has the place of one; so has who has come to it since it was looked at.
 */
static int
process_has(pid_t pid, const char *name, const char *flag, const char *value)
{
	int has = read_words(pid, name, flag, value);

	if (has == 0) {
		if (child_is_executing(pid))
			return -1;
		has = read_words(pid, name, flag, value);
	}
	return has > 0 && has & NAMED && has & FLAG;
}

pid_t
runsc_parse_pid(const char *text, size_t len)
{
	pid_t pid = 0;
	size_t i;

	if (len > 0 && text[len - 1] == '\n')
		len--;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' ||
		    pid > (INT_MAX - (text[i] - '0')) / 10)
			return 0;
		pid = pid * 10 + (text[i] - '0');
	}
	return pid;
}

/*
 * Does it belong to another containerd whose bundles have the same names, in a
 * container of this host?  What lives there has a shim for a parent, which is
 * in a mount namespace of its own.
 */
static bool
is_elsewhere(pid_t pid)
{
	char path[48], own[64] = "", its[64] = "";
	pid_t parent = child_parent(pid);

	if (parent <= 1)
		return false;
	fmt(path, sizeof(path), "/proc/%d/ns/mnt", (int)parent);
	return readlink("/proc/self/ns/mnt", own, sizeof(own) - 1) > 0 &&
	    readlink(path, its, sizeof(its) - 1) > 0 && strcmp(own, its) != 0;
}

/* 1: killed; 0: it is none of these; -1: cannot be told at the moment. */
static int
kill_process(pid_t pid, const char *name, const char *flag,
    const char *value, bool ours)
{
	int pidfd, has = pid ? process_has(pid, name, flag, value) : 0;

	if (has == 0 || (ours ? !child_is_descendant(pid) : is_elsewhere(pid)))
		return 0;
	/* Look again once the pidfd holds the process: the pid may have gone to
	 * another in between. */
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return 0;
	has = process_has(pid, name, flag, value);
	if (has > 0 && ((ours && !child_is_descendant(pid)) ||
	    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0))
		has = 0;
	close(pidfd);
	return has;
}

/* How many were killed; naps: that may be taken; *unsure: how many may have
 * been to be. */
static unsigned
kill_processes(const char *name, const char *flag, const char *value,
    bool ours, unsigned naps, unsigned *unsure)
{
	DIR *dir = opendir("/proc");
	unsigned killed = 0;
	struct dirent *d;
	pid_t pid;
	int rc, i;

	*unsure = 0;
	while (dir && (d = readdir(dir))) {
		pid = runsc_parse_pid(d->d_name, strlen(d->d_name));
		for (i = 0; (rc = kill_process(pid, name, flag, value,
		    ours)) < 0 && (i < LOOKS || naps); i++) {
			if (i < LOOKS) {
				sched_yield();
			} else {
				naps--;
				poll(NULL, 0, NAP_MS);
			}
		}
		killed += rc > 0;
		*unsure += rc < 0;
	}
	if (dir)
		closedir(dir);
	return killed;
}

/* Nobody looks again. */
unsigned
runsc_kill_leftovers(const char *bundle)
{
	unsigned unsure;

	return kill_processes("runsc", "--bundle", bundle, false, NAPS,
	    &unsure);
}

/* The flag's value may have our pid in it, which has been another shim's. */
bool
runsc_kill_descendants(const char *flag, const char *value)
{
	unsigned unsure, killed;

	killed = kill_processes("", flag, value, true, 0, &unsure);
	return killed || unsure;
}
