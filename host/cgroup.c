/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup: see cgroup.h. */
#include "host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/file.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/name.h"
#include "host/mount.h"
#include "wire/save.h"

/* Version 1 has a hierarchy for each; version 2 one for all, the first. */
enum { MEMORY, CPU, CPUACCT, CPUSET, PIDS, CONTROLLERS };

static const char *const controllers[CONTROLLERS] = {
	[MEMORY] = "memory", [CPU] = "cpu", [CPUACCT] = "cpuacct",
	[CPUSET] = "cpuset", [PIDS] = "pids",
};

struct cgroup {
	struct cgroup *next, **pprev;
	unsigned refs;
	bool unified;
	char *dirs[CONTROLLERS];	/* NULL: none of its own */
	uint64_t oom_kills;		/* seen */
	struct watch watch;		/* eventfd, or inotify */
};

static struct cgroup *cgroups;
static const char *proc = "/proc";

void
cgroup_set_proc(const char *dir)
{
	proc = dir;
}

/* -- where it is ---------------------------------------------------------- */

/* Is word in the comma-separated list? */
static bool
in_list(const char *list, size_t len, const char *word)
{
	const char *p = list, *end = list + len, *comma;
	size_t n = strlen(word);

	for (; p < end; p = comma + 1) {
		comma = memchr(p, ',', (size_t)(end - p));
		if (!comma)
			comma = end;
		if ((size_t)(comma - p) == n && memcmp(p, word, n) == 0)
			return true;
	}
	return false;
}

/*
 * The path in the line "N:controllers:path" of the controller, for NULL in
 * version 2's "0::path", up to its newline; *len 0 if there is none.
 */
static const char *
path_of(const char *text, const char *controller, size_t *len)
{
	const char *list, *path, *line, *end;

	for (line = text; (end = strchr(line, '\n')); line = end + 1) {
		list = memchr(line, ':', (size_t)(end - line));
		path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) :
		    NULL;
		if (!path)
			continue;
		list++;
		if (controller ? in_list(list, (size_t)(path - list),
		    controller) : list == path) {
			*len = (size_t)(end - path - 1);
			return path + 1;
		}
	}
	*len = 0;
	return text;
}

static bool
is_unified(const char *text)
{
	size_t i, len = 0;

	for (i = 0; i < CONTROLLERS && len == 0; i++)
		path_of(text, controllers[i], &len);
	return len == 0;
}

/* /proc/PID/cgroup, of our own for pid 0; to be freed, NULL with an error. */
static char *
read_paths(pid_t pid, struct err *e)
{
	char path[PATH_MAX];

	if (pid)
		fmt(path, sizeof(path), "%s/%d/cgroup", proc, (int)pid);
	else
		fmt(path, sizeof(path), "%s/self/cgroup", proc);
	return file_load_proc(path, e);
}

bool
cgroup_host_unified(void)
{
	struct err e;
	char *text = read_paths(0, &e);
	bool unified = text && is_unified(text);

	free(text);
	return unified;
}

bool
cgroup_is_unified(const struct cgroup *cg)
{
	return cg->unified;
}

/*
 * What was killed leaves its cgroup when it is reaped, and nothing says so: it
 * is looked at again after this, then after twice as long, up to some seconds.
 */
#define LEAVING_FIRST_NS (10 * NS_PER_MS)

/* A cgroup whose directories are looked for, by a process's paths. */
struct search {
	struct cgroup *cg;
	const char *text;	/* /proc/PID/cgroup */
};

/* Fill those that are on this mount, over those on a newer one. */
static void
use_mount(void *arg, const struct mount_line *m)
{
	struct cgroup *cg = ((struct search *)arg)->cg;
	const char *path, *text = ((struct search *)arg)->text;
	size_t i, len, root = strcmp(m->root, "/") == 0 ? 0 :
	    strlen(m->root);

	if (strcmp(m->type, cg->unified ? "cgroup2" : "cgroup") != 0)
		return;
	for (i = 0; i < (cg->unified ? 1 : CONTROLLERS); i++) {
		if (!cg->unified && !in_list(m->options, strlen(m->options),
		    controllers[i]))
			continue;
		path = path_of(text, cg->unified ? NULL : controllers[i],
		    &len);
		if (len < root || memcmp(path, m->root, root) != 0 ||
		    (len > root && path[root] != '/'))
			continue;
		free(cg->dirs[i]);
		cg->dirs[i] = fmt_new("%s%.*s", m->point, (int)(len - root),
		    path + root);
	}
}

static int
each_mount(void (*use)(void *arg, const struct mount_line *m), void *arg,
    struct err *e)
{
	char path[PATH_MAX];

	fmt(path, sizeof(path), "%s/self/mountinfo", proc);
	return mount_each(path, use, arg, e);
}

/* Forget where the shim is too, or everybody. */
static bool
keep_own(struct cgroup *cg, const char *theirs, const char *ours)
{
	const char *a, *b, *name;
	size_t i, alen, blen;
	bool any = false;

	for (i = 0; i < CONTROLLERS; i++) {
		name = cg->unified ? NULL : controllers[i];
		a = path_of(theirs, name, &alen);
		b = path_of(ours, name, &blen);
		if (alen <= 1 || (alen == blen && memcmp(a, b, alen) == 0)) {
			free(cg->dirs[i]);
			cg->dirs[i] = NULL;
		}
		any |= cg->dirs[i] != NULL;
	}
	return any;
}

static void
cgroup_free(struct cgroup *cg)
{
	size_t i;

	for (i = 0; i < CONTROLLERS; i++)
		free(cg->dirs[i]);
	free(cg);
}

static bool
same(const struct cgroup *a, const struct cgroup *b)
{
	size_t i;

	for (i = 0; i < CONTROLLERS; i++) {
		if (!a->dirs[i] != !b->dirs[i] || (a->dirs[i] &&
		    strcmp(a->dirs[i], b->dirs[i]) != 0))
			return false;
	}
	return true;
}

/* -- what is left of one -------------------------------------------------- */

struct removal {
	const char *path;	/* absolute, or below our own cgroup */
	const char *own;	/* /proc/self/cgroup, for the latter */
	bool look;		/* only whether it is there */
	bool there, busy;
};

/* Our own cgroup in the hierarchy of m, as the path below its mount point; for
 * version 2 that above it, as runsc takes it (runsc/cgroup/cgroup.go new). */
static const char *
own_path(const struct mount_line *m, const char *text, size_t *len)
{
	size_t n, root = strcmp(m->root, "/") == 0 ? 0 : strlen(m->root);
	const char *word, *path = "";
	char name[64];

	*len = 0;
	if (strcmp(m->type, "cgroup2") == 0)
		path = path_of(text, NULL, len);
	for (word = m->options; !*len && *word; word += n + (word[n] == ',')) {
		n = strcspn(word, ",");
		fmt(name, sizeof(name), "%.*s", (int)n, word);
		path = path_of(text, name, len);
	}
	if (*len < root || memcmp(path, m->root, root) != 0)
		return NULL;
	*len -= root;
	if (strcmp(m->type, "cgroup2") == 0) {
		while (*len && path[root + *len - 1] != '/')
			--*len;
	}
	return path + root;
}

/* runsc makes an absolute path below the mount point, in each hierarchy. */
static void
remove_on_mount(void *arg, const struct mount_line *m)
{
	struct removal *r = arg;
	const char *own = "";
	char dir[PATH_MAX];
	size_t len = 0;

	if (strncmp(m->type, "cgroup", 6) != 0)
		return;
	if (r->path[0] != '/')
		own = own_path(m, r->own, &len);
	if (!own || fmt(dir, sizeof(dir), "%s%.*s%s%s", m->point, (int)len,
	    own, r->path[0] == '/' ? "" : "/", r->path) >= sizeof(dir))
		return;
	if (r->look)
		r->there |= access(dir, F_OK) == 0;
	else if (rmdir(dir) < 0 && errno == EBUSY)
		r->busy = true;
}

static void
visit(struct removal *r, const char *path, const char *id)
{
	char of_id[NAME_MAX_BYTES + 2], *own = NULL;
	struct err e;

	/* What runsc takes where there is no path. */
	fmt(of_id, sizeof(of_id), "/%s", id);
	r->path = path ? path : of_id;
	if (r->path[0] != '/')
		r->own = own = read_paths(0, &e);
	if ((r->path[0] != '/' && !own) ||
	    each_mount(remove_on_mount, r, &e) < 0)
		log_warn("%s: look for cgroup %s: %s", id, r->path, e.msg);
	r->path = r->own = NULL;
	free(own);
}

bool
cgroup_exists(const char *path, const char *id)
{
	struct removal r = { .look = true };

	visit(&r, path, id);
	return r.there;
}

bool
cgroup_remove(const char *path, const char *id, bool is_ours)
{
	struct removal r = { .busy = false };

	if (is_ours)
		visit(&r, path, id);
	return !r.busy;
}

static unsigned leaving;

struct leaving {
	struct timer timer;
	char *path, *id;
	bool is_ours;
	int64_t next_ns;
};

static void
try_leaving(struct timer *t)
{
	struct leaving *l = container_of(t, struct leaving, timer);

	if (!cgroup_remove(l->path, l->id, l->is_ours)) {
		if (l->next_ns <= CGROUP_LEAVING_NS) {
			timer_start(t, l->next_ns, try_leaving);
			l->next_ns *= 2;
			return;
		}
		log_warn("%s: its cgroup has processes still and is left",
		    l->id);
	}
	leaving--;
	free(l->path);
	free(l->id);
	free(l);
}

unsigned
cgroup_leaving(void)
{
	return leaving;
}

void
cgroup_remove_soon(const char *path, const char *id, bool is_ours)
{
	struct leaving *l = calloc(1, sizeof(*l));

	if (!l) {
		cgroup_remove(path, id, is_ours);
		return;
	}
	l->path = path ? strdup(path) : NULL;
	l->id = strdup(id);
	l->is_ours = is_ours;
	l->next_ns = LEAVING_FIRST_NS;
	if (l->id && !l->path == !path) {
		leaving++;
		try_leaving(&l->timer);
		return;
	}
	free(l->path);
	free(l->id);
	free(l);
}

/* -- its files ------------------------------------------------------------ */

static int
path_in(const struct cgroup *cg, const char *file, char *path)
{
	size_t i = 0, n = strcspn(file, ".");

	while (!cg->unified && i < CONTROLLERS &&
	    (strlen(controllers[i]) != n ||
	    strncmp(controllers[i], file, n) != 0))
		i++;
	if (i == CONTROLLERS || !cg->dirs[i])
		return -1;
	return fmt(path, PATH_MAX, "%s/%s", cg->dirs[i], file) < PATH_MAX ?
	    0 : -1;
}

long
cgroup_read(const struct cgroup *cg, const char *file, char *buf, size_t cap)
{
	char path[PATH_MAX];

	if (!cg || path_in(cg, file, path) < 0)
		return -1;
	return file_read(path, buf, cap);
}

static bool
parse_uint(const char *p, uint64_t *v)
{
	unsigned digit;

	if (strncmp(p, "max", 3) == 0) {
		*v = UINT64_MAX;
		return true;
	}
	if (*p < '0' || *p > '9')
		return false;
	for (*v = 0; *p >= '0' && *p <= '9'; p++) {
		digit = (unsigned)(*p - '0');
		if (*v > (UINT64_MAX - digit) / 10)
			return false;
		*v = 10 * *v + digit;
	}
	return true;
}

bool
cgroup_uint(const struct cgroup *cg, const char *file, uint64_t *v)
{
	char text[32];

	return cgroup_read(cg, file, text, sizeof(text)) > 0 &&
	    parse_uint(text, v);
}

bool
cgroup_field(const char *text, const char *key, uint64_t *v)
{
	size_t n = strlen(key);
	const char *line;

	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, n) == 0 && line[n] == ' ')
			return parse_uint(line + n + 1, v);
	}
	return false;
}

int
cgroup_write(const struct cgroup *cg, const char *file, const char *text,
    struct err *e)
{
	char path[PATH_MAX];
	size_t n = strlen(text);
	int fd, ret = 0;

	if (!cg || path_in(cg, file, path) < 0)
		return err_set(e, ERR_PRECONDITION, "set %s to %s: the "
		    "sandbox has no cgroup of its own for it", file, text);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n)
		ret = err_sys(e, "write %s to %s", text, path);
	/* NotFound would say that there is no container. */
	if (ret < 0 && e->code == ERR_NOT_FOUND)
		e->code = ERR_PRECONDITION;
	if (fd >= 0)
		close(fd);
	return ret;
}

/* -- OOM kills ------------------------------------------------------------ */

static bool
look(struct cgroup *cg)
{
	char text[CGROUP_TEXT_MAX];
	uint64_t n;

	if (cgroup_read(cg, cg->unified ? "memory.events" :
	    "memory.oom_control", text, sizeof(text)) < 0)
		return false;
	if (cgroup_field(text, "oom_kill", &n) && n > cg->oom_kills) {
		log_info("%s: %llu processes killed for want of memory",
		    cg->dirs[MEMORY], (unsigned long long)n);
		cg->oom_kills = n;
	}
	return true;
}

uint64_t
cgroup_oom_kills(struct cgroup *cg)
{
	if (!cg)
		return 0;
	look(cg);
	return cg->oom_kills;
}

static void
on_event(struct watch *w, uint32_t revents)
{
	struct cgroup *cg = container_of(w, struct cgroup, watch);
	char buf[1024];		/* an event, or a count: no matter which */

	(void)revents;
	/* Version 1 tells of the removal of a cgroup too. */
	if ((read(w->fd, buf, sizeof(buf)) < 0 && errno != EAGAIN &&
	    errno != EINTR) || !look(cg))
		loop_close_fd(&cg->watch);
}

/* An eventfd that the kernel signals when version 1's cgroup is out of memory.
 * It needs no other descriptor once that is agreed. */
static int
oom_eventfd(const struct cgroup *cg, struct err *e)
{
	char path[PATH_MAX], text[32];
	int efd, oom, control;
	bool ok;

	fmt(path, sizeof(path), "%s/memory.oom_control", cg->dirs[MEMORY]);
	oom = open(path, O_RDONLY | O_CLOEXEC);
	fmt(path, sizeof(path), "%s/cgroup.event_control", cg->dirs[MEMORY]);
	control = open(path, O_WRONLY | O_CLOEXEC);
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fmt(text, sizeof(text), "%d %d ", efd, oom);
	ok = write(control, text, strlen(text)) > 0;
	if (!ok)
		err_sys(e, "write to %s", path);
	close(control);
	close(oom);
	if (ok)
		return efd;
	close(efd);
	return -1;
}

static int
oom_inotify(const struct cgroup *cg, struct err *e)
{
	char path[PATH_MAX];
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	fmt(path, sizeof(path), "%s/memory.events", cg->dirs[MEMORY]);
	if (inotify_add_watch(fd, path, IN_MODIFY) >= 0)
		return fd;
	err_sys(e, "watch %s", path);
	close(fd);
	return -1;
}

/* Without it the look at a container's end does, as long as the cgroup is
 * still there. */
static void
watch_oom(struct cgroup *cg)
{
	struct err e;
	int fd;

	if (!cg->dirs[MEMORY])
		return;
	fd = cg->unified ? oom_inotify(cg, &e) : oom_eventfd(cg, &e);
	if (fd >= 0 && loop_add(&cg->watch, fd, EPOLLIN, LOOP_IO,
	    on_event, &e) < 0) {
		close(fd);
		fd = -1;
	}
	if (fd < 0)
		log_info("no word of OOM kills before a container's end: %s",
		    e.msg);
}

/* -- one for all containers of a sandbox ---------------------------------- */

struct cgroup *
cgroup_get(pid_t pid, struct err *e)
{
	struct cgroup *cg = calloc(1, sizeof(*cg)), *other;
	struct search search = { cg, NULL };
	char *theirs = NULL, *ours = NULL;

	if (!cg) {
		err_nomem(e);
		return NULL;
	}
	cg->watch.fd = -1;
	search.text = theirs = read_paths(pid, e);
	ours = theirs ? read_paths(0, e) : NULL;
	if (!ours)
		goto fail;
	cg->unified = is_unified(theirs);
	if (each_mount(use_mount, &search, e) < 0)
		goto fail;
	if (!keep_own(cg, theirs, ours)) {
		err_set(e, ERR_PRECONDITION, "process %d is in no cgroup of "
		    "its own", (int)pid);
		goto fail;
	}
	for (other = cgroups; other; other = other->next) {
		if (same(cg, other))
			break;
	}
	if (other) {
		cgroup_free(cg);
		cg = other;
		cg->refs++;
		goto out;
	}
	cg->refs = 1;
	LIST_ADD(&cgroups, cg);
	look(cg);
	watch_oom(cg);
	goto out;
fail:
	cgroup_free(cg);
	cg = NULL;
out:
	free(theirs);
	free(ours);
	return cg;
}

void
cgroup_put(struct cgroup *cg)
{
	if (!cg || --cg->refs)
		return;
	LIST_DEL(cg);
	loop_close_fd(&cg->watch);
	cgroup_free(cg);
}

/* -- written down, and taken over ----------------------------------------- */

/* With the descriptor that tells of OOM kills: none is missed meanwhile. */
static const struct save_field fields[] = {
	SAVE(struct cgroup, unified), SAVE(struct cgroup, oom_kills),
	SAVE_OPEN(struct cgroup, watch.fd),
	SAVE(struct cgroup, dirs[MEMORY]), SAVE(struct cgroup, dirs[CPU]),
	SAVE(struct cgroup, dirs[CPUACCT]), SAVE(struct cgroup, dirs[CPUSET]),
	SAVE(struct cgroup, dirs[PIDS]), SAVE_LAST
};

void
cgroup_save(struct pb_out *o)
{
	const struct cgroup *cg;

	for (cg = cgroups; cg; cg = cg->next)
		save_put_sub(o, 1, fields, cg);
}

static int
load(void *arg, struct pb_bytes in, struct err *e)
{
	struct cgroup *cg = save_alloc(sizeof(*cg), e), ***at = arg;

	if (!cg || save_get(in, fields, cg, e) < 0)
		return -1;
	LIST_ADD(*at, cg);
	*at = &cg->next;
	return save_watch(&cg->watch, EPOLLIN, LOOP_IO, on_event, e);
}

int
cgroup_load(struct pb_bytes in, struct err *e)
{
	struct cgroup **at = &cgroups;

	return save_each(in, 1, load, &at, e);
}

unsigned
cgroup_index(const struct cgroup *cg)
{
	unsigned n = cg != NULL;
	const struct cgroup *other;

	for (other = cgroups; other && other != cg; other = other->next)
		n++;
	return cg ? n : 0;
}

struct cgroup *
cgroup_indexed(unsigned n)
{
	struct cgroup *cg = cgroups;

	while (cg && --n)
		cg = cg->next;
	if (cg)
		cg->refs++;
	return cg;
}
