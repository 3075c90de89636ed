/* SPDX-License-Identifier: Apache-2.0 */
/* logger: see logger.h. */
#include "stdio/logger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/child.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/fmt.h"
#include "base/log.h"
#include "stdio/target.h"
#include "wire/save.h"

#define ARGS_MAX 64
#define URI_MAX 4096
#define DISCARD_BYTES 65536

struct logger {
	struct logger *next;
	struct logger **pprev;
	struct child child;
	struct watch ready;
	struct timer timer;		/* readiness, then the end */
	struct watch discard[2];
	struct watch reader;		/* a child of it that reads on */
	void (*told)(void *arg, const struct err *e);
	void *arg;
	int read_fd[2];
	uint64_t dropped;
	bool v2;
	bool freed;			/* the container is done with it */
	bool ended;			/* SIGTERM, since the shim leaves */
	bool discards;			/* while it is written down */
	struct defer gone;
	char *label, *uri;
};

static struct logger *loggers;
static int64_t ready_ns = LOGGER_READY_NS;
static int64_t term_ns = LOGGER_TERM_NS;
static int64_t kill_ns = LOGGER_KILL_NS;

void
logger_set_bounds(int64_t ready, int64_t term, int64_t kill)
{
	ready_ns = ready;
	term_ns = term;
	kill_ns = kill;
}

static void
close_end(struct logger *l, int i)
{
	loop_del(&l->discard[i]);
	fd_close(&l->read_fd[i]);
}

static void
free_now(struct defer *d)
{
	struct logger *l = container_of(d, struct logger, gone);

	free(l->label);
	free(l->uri);
	free(l);
}

static void
release(struct logger *l)
{
	timer_stop(&l->timer);
	loop_close_fd(&l->ready);
	loop_close_fd(&l->reader);
	if (l->dropped)
		log_warn("%s: logging binary: %llu bytes dropped after its "
		    "end", l->label, (unsigned long long)l->dropped);
	LIST_DEL(l);
	loop_defer(&l->gone, free_now);
}

/* -- readiness ------------------------------------------------------------ */

void
logger_await(struct logger *l, void (*told)(void *arg, const struct err *e),
    void *arg)
{
	l->told = told;
	l->arg = arg;
}

/* It is ready, or (e) it never will be. */
static void
tell(struct logger *l, const struct err *e)
{
	void (*told)(void *, const struct err *) = l->told;

	l->told = NULL;
	if (told)
		told(l->arg, e);
	else if (e && !l->freed)
		log_err("%s: %s", l->label, e->msg);
}

static void
on_ready(struct watch *w, uint32_t revents)
{
	struct logger *l = container_of(w, struct logger, ready);
	struct err e;
	ssize_t n;
	char c;

	(void)revents;
	n = read(w->fd, &c, 1);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	loop_close_fd(w);
	/* Of its end on_exit_status() will tell. */
	if (n <= 0 && child_is_exiting(l->child.pid))
		return;
	if (!l->freed)
		timer_stop(&l->timer);
	err_set(&e, ERR_PRECONDITION,
	    "logging binary: says that it is not ready");
	tell(l, n <= 0 && l->v2 ? &e : NULL);
}

static void
on_not_ready(struct timer *t)
{
	struct logger *l = container_of(t, struct logger, timer);
	struct err e;

	err_set(&e, ERR_DEADLINE, "logging binary: not ready after %lld ms",
	    (long long)(ready_ns / NS_PER_MS));
	tell(l, &e);
}

/* -- its end -------------------------------------------------------------- */

/* Nobody waits for it, and nobody writes to it? */
static void
release_if_over(struct logger *l)
{
	if (l->freed && !child_running(&l->child) && l->read_fd[0] < 0 &&
	    l->read_fd[1] < 0)
		release(l);
}

static void
discard(struct logger *l, int i)
{
	static uint8_t buf[DISCARD_BYTES];
	ssize_t n = read(l->read_fd[i], buf, sizeof(buf));

	if (n > 0)
		l->dropped += (uint64_t)n;
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	close_end(l, i);
	release_if_over(l);
}

static void
on_discard_out(struct watch *w, uint32_t revents)
{
	(void)revents;
	discard(container_of(w, struct logger, discard[0]), 0);
}

static void
on_discard_err(struct watch *w, uint32_t revents)
{
	(void)revents;
	discard(container_of(w, struct logger, discard[1]), 1);
}

/* Has everybody closed it who wrote, and is everything read? */
static bool
is_read(int fd)
{
	return fd_events(fd, POLLIN) == POLLHUP;
}

/* Does the process have a read end of one of its pipes? */
static bool
reads(const struct logger *l, const char *pid)
{
	struct stat st, own[2];
	char path[64];
	struct dirent *d;
	bool found = false;
	DIR *dir;

	if (fstat(l->read_fd[0], &own[0]) < 0 ||
	    fstat(l->read_fd[1], &own[1]) < 0)
		return false;
	fmt(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir))) {
		/* The link's own mode says how it is open. */
		if (fstatat(dirfd(dir), d->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) < 0 || (st.st_mode & S_IWUSR) ||
		    fstatat(dirfd(dir), d->d_name, &st, 0) < 0)
			continue;
		found = S_ISFIFO(st.st_mode) && (st.st_ino == own[0].st_ino ||
		    st.st_ino == own[1].st_ino);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void on_reader_end(struct watch *w, uint32_t revents);

/* Watch a child that it left and that reads on; we have inherited it. */
static bool
watch_reader(struct logger *l)
{
	static char text[65536];
	char *pid, *rest = text;
	struct err e;
	int fd;

	if (file_read("/proc/thread-self/children", text, sizeof(text)) <= 0)
		return false;
	while ((pid = strsep(&rest, " \n"))) {
		if (!pid[0] || !reads(l, pid))
			continue;
		fd = (int)syscall(SYS_pidfd_open, atoi(pid), 0);
		if (fd < 0)
			continue;
		if (loop_add(&l->reader, fd, EPOLLIN, LOOP_IO, on_reader_end,
		    &e) == 0)
			return true;
		close(fd);
	}
	return false;
}

/* Nobody reads any more: we do. */
static void
start_discard(struct logger *l)
{
	struct err e;
	int i;

	for (i = 0; i < 2; i++) {
		if (fcntl(l->read_fd[i], F_SETFL, O_NONBLOCK) == 0 &&
		    loop_add(&l->discard[i], l->read_fd[i], EPOLLIN, LOOP_IO,
		    i ? on_discard_err : on_discard_out, &e) == 0)
			continue;
		log_err("%s: logging binary: its pipes cannot be watched",
		    l->label);
		close_end(l, i);
	}
	release_if_over(l);
}

static void
on_reader_end(struct watch *w, uint32_t revents)
{
	struct logger *l = container_of(w, struct logger, reader);

	(void)revents;
	loop_close_fd(w);
	if (watch_reader(l))
		return;
	if (!l->freed)
		log_err("%s: logging binary: its last process has ended; the "
		    "output is dropped", l->label);
	start_discard(l);
}

static void
on_exit_status(struct child *child, int status)
{
	struct logger *l = container_of(child, struct logger, child);
	bool lives = child->exec_errno == 0 && watch_reader(l), ready;
	/* As one that reads to the end of its input does. */
	bool over = !l->told && is_read(l->read_fd[0]) &&
	    is_read(l->read_fd[1]);
	struct err e;
	char c;

	ready = lives || (l->ready.fd >= 0 && read(l->ready.fd, &c, 1) == 1);
	timer_stop(&l->timer);
	loop_close_fd(&l->ready);
	if (!lives)
		start_discard(l);
	if (child->exec_errno)
		err_errno(&e, child->exec_errno,
		    "logging binary %s cannot be run", l->uri);
	else
		err_set(&e, ERR_PRECONDITION, "logging binary %s ended with "
		    "status %u%s", l->uri, child_exit_code(status),
		    over ? "" : "; the output is dropped");
	if (lives || (over && child_exit_code(status) == 0) ||
	    (l->told && ready))
		tell(l, NULL);
	else
		tell(l, &e);
}

static void
on_late(struct timer *t)
{
	struct logger *l = container_of(t, struct logger, timer);

	log_warn("%s: logging binary does not end: SIGKILL", l->label);
	child_kill(&l->child, SIGKILL);
}

static void
on_end(struct timer *t)
{
	struct logger *l = container_of(t, struct logger, timer);

	child_kill(&l->child, SIGTERM);
	timer_start(&l->timer, kill_ns, on_late);
}

void
logger_free(struct logger *l)
{
	if (!l)
		return;
	l->freed = true;
	l->told = NULL;
	if (child_running(&l->child))
		timer_start(&l->timer, term_ns, on_end);
	else
		release_if_over(l);
}

bool
logger_end_all(void)
{
	struct logger *l;
	bool others = false;

	for (l = loggers; l; l = l->next) {
		if (!child_running(&l->child))
			continue;
		others |= l->freed;
		if (!l->freed && !l->ended)
			child_kill(&l->child, SIGTERM);
		l->ended = true;
	}
	return others;
}

/* -- starting ------------------------------------------------------------- */

/* Is key among the n arguments, of which every other one is a value? */
static bool
has_key(const char *const *argv, int n, const char *key)
{
	int i;

	for (i = 0; i < n; i += 2) {
		if (strcmp(argv[i], key) == 0)
			return true;
	}
	return false;
}

/*
 * The arguments of the URI's query, decoded in place: key and value of each
 * pair, the first of each key.  Returns how many, or -1.
 */
static int
split_query(char *query, const char **argv, int max)
{
	char *key, *value;
	int n = 0;

	while ((key = strsep(&query, "&"))) {
		if (!key[0])
			continue;
		value = key + strcspn(key, "=");
		if (*value)
			*value++ = '\0';
		if (n + 2 > max || target_decode(key, true) < 0 ||
		    target_decode(value, true) < 0)
			return -1;
		if (has_key(argv, n, key))
			continue;
		argv[n++] = key;
		argv[n++] = value;
	}
	return n;
}

static int
spawn(struct logger *l, const char *uri, const char *const *envp,
    const int fds[3], struct err *e)
{
	char text[URI_MAX];
	const char *argv[ARGS_MAX + 2];
	struct child_spawn s = {
		.argv = argv, .envp = envp, .fds = { -1, -1, -1 },
	};
	char *path, *query;
	int n = 0;

	if (strlen(uri) >= sizeof(text))
		return err_set(e, ERR_INVALID, "logging binary: the URI is "
		    "too long");
	strcpy(text, uri);
	text[strcspn(text, "#")] = '\0';
	path = fmt_find(text, "://") + 3;
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	if (target_decode(path, false) < 0 || path[0] != '/')
		return err_set(e, ERR_INVALID,
		    "logging binary %s: not an absolute path", uri);
	argv[0] = path;
	if (query)
		n = split_query(query, argv + 1, ARGS_MAX);
	if (n < 0)
		return err_set(e, ERR_INVALID, "logging binary %s: bad query",
		    uri);
	argv[n + 1] = NULL;
	memcpy(s.extra_fds, fds, sizeof(s.extra_fds));
	return child_start(&l->child, &s, on_exit_status, e);
}

struct logger *
logger_new(const char *uri, const char *id, const char *ns,
    const char *label, int fds[2], struct err *e)
{
	struct logger *l = calloc(1, sizeof(*l));
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, ready[2] = { -1, -1 };
	char env_id[160], env_ns[160];
	const char *const envp[] = { env_id, env_ns, NULL };
	int i, ret = -1;

	if (!l) {
		err_set(e, ERR_EXHAUSTED, "logging binary: out of memory");
		return NULL;
	}
	l->v2 = target_is(uri, "binary-v2");
	l->child = (struct child)CHILD_INIT;
	l->ready.fd = l->discard[0].fd = l->discard[1].fd =
	    l->reader.fd = -1;
	fmt(env_id, sizeof(env_id), "CONTAINER_ID=%s", id);
	fmt(env_ns, sizeof(env_ns), "CONTAINER_NAMESPACE=%s", ns);
	l->label = strdup(label);
	l->uri = strdup(uri);
	if (!l->label || !l->uri) {
		err_set(e, ERR_EXHAUSTED, "logging binary: out of memory");
		goto out;
	}
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0 ||
	    pipe2(ready, O_CLOEXEC) < 0 ||
	    fcntl(ready[0], F_SETFL, O_NONBLOCK) < 0) {
		err_sys(e, "logging binary: create pipes");
		goto out;
	}
	if (spawn(l, uri, envp, (int[3]){ out[0], err[0], ready[1] }, e) < 0)
		goto out;
	close(ready[1]);
	ready[1] = -1;
	if (loop_add(&l->ready, ready[0], EPOLLIN, LOOP_IO, on_ready, e) < 0) {
		child_kill(&l->child, SIGKILL);
		child_forget(&l->child);
		goto out;
	}
	timer_start(&l->timer, ready_ns, on_not_ready);
	l->read_fd[0] = out[0];
	l->read_fd[1] = err[0];
	fds[0] = out[1];
	fds[1] = err[1];
	LIST_ADD(&loggers, l);
	ret = 0;
out:
	if (ret == 0)
		return l;
	for (i = 0; i < 2; i++) {
		fd_close(&out[i]);
		fd_close(&err[i]);
		fd_close(&ready[i]);
	}
	free_now(&l->gone);
	return NULL;
}

/* -- written down, and taken over ----------------------------------------- */

static const struct save_field fields[] = {
	SAVE(struct logger, label), SAVE(struct logger, uri),
	SAVE(struct logger, v2), SAVE(struct logger, freed),
	SAVE(struct logger, child.pid), SAVE_OPEN(struct logger, child.pidfd),
	SAVE_OPEN(struct logger, child.exec_fd),
	SAVE(struct logger, child.exec_seen), SAVE(struct logger, timer),
	SAVE(struct logger, discards), SAVE_OPEN(struct logger, ready.fd),
	SAVE_OPEN(struct logger, reader.fd),
	SAVE_OPEN(struct logger, read_fd[0]),
	SAVE_OPEN(struct logger, read_fd[1]), SAVE(struct logger, dropped),
	SAVE_LAST
};

void
logger_save(struct pb_out *o)
{
	struct logger *l;

	for (l = loggers; l; l = l->next) {
		l->discards = l->discard[0].fd >= 0 || l->discard[1].fd >= 0;
		if (!child_running(&l->child))
			l->child.pid = 0;
		save_put_sub(o, 1, fields, l);
	}
}

static int
load(void *arg, struct pb_bytes in, struct err *e)
{
	struct logger *l = save_alloc(sizeof(*l), e), ***at = arg;
	int i, rc;

	if (!l)
		return -1;
	LIST_ADD(*at, l);
	*at = &l->next;
	l->child = (struct child)CHILD_INIT;
	if (save_get(in, fields, l, e) < 0)
		return -1;
	if (!l->label || !l->uri || l->child.pid < 0)
		return save_bad(e);
	SAVE_TRY(rc, child_resume(&l->child, on_exit_status, e));
	if (rc < 0 ||
	    save_watch(&l->ready, EPOLLIN, LOOP_IO, on_ready, e) < 0 ||
	    save_watch(&l->reader, EPOLLIN, LOOP_IO, on_reader_end, e) < 0)
		return -1;
	for (i = 0; i < 2; i++) {
		l->discard[i].fd = l->discards ? l->read_fd[i] : -1;
		if (save_watch(&l->discard[i], EPOLLIN, LOOP_IO, i ?
		    on_discard_err : on_discard_out, e) < 0)
			return -1;
	}
	/* One that has had its SIGTERM gets another, and then SIGKILL. */
	save_start(&l->timer, l->freed ? on_end : on_not_ready);
	return 0;
}

int
logger_load(struct pb_bytes in, struct err *e)
{
	struct logger **at = &loggers;

	return save_each(in, 1, load, &at, e);
}

unsigned
logger_number(const struct logger *l)
{
	const struct logger *other;
	unsigned n = 1;

	for (other = loggers; other && other != l; other = other->next)
		n++;
	return l ? n : 0;
}

struct logger *
logger_numbered(unsigned n)
{
	struct logger *l = loggers;

	while (l && --n)
		l = l->next;
	return l;
}
