/* SPDX-License-Identifier: Apache-2.0 */
/* logger: see logger.h. */
#include "logger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "child.h"
#include "io.h"
#include "log.h"
#include "loop.h"

#define ARGS_MAX 64
#define URI_MAX 4096
#define READY_NS (10 * NS_PER_S)
#define TERM_NS (10 * NS_PER_S)
#define KILL_NS (2 * NS_PER_S)
#define DISCARD_BYTES 65536

struct logger {
	struct logger *next;
	struct logger **pprev;
	struct child child;
	struct watch ready;
	struct timer timer;		/* readiness, then the end */
	struct watch discard[2];
	int read_fd[2];
	uint64_t dropped;
	bool freed;			/* the container is done with it */
	struct defer gone;
	char label[];
};

static struct logger *loggers;

static void
close_watch(struct watch *w)
{
	int fd = w->fd;

	if (fd < 0)
		return;
	loop_del(w);
	close(fd);
}

static void
close_ends(struct logger *l)
{
	int i;

	for (i = 0; i < 2; i++) {
		loop_del(&l->discard[i]);
		if (l->read_fd[i] >= 0)
			close(l->read_fd[i]);
		l->read_fd[i] = -1;
	}
}

static void
free_now(struct defer *d)
{
	free(container_of(d, struct logger, gone));
}

static void
release(struct logger *l)
{
	timer_stop(&l->timer);
	close_watch(&l->ready);
	close_ends(l);
	if (l->dropped)
		log_warn("%s: logging binary: %llu bytes dropped after its "
		    "end", l->label, (unsigned long long)l->dropped);
	*l->pprev = l->next;
	if (l->next)
		l->next->pprev = l->pprev;
	loop_defer(&l->gone, free_now);
}

/* -- readiness ------------------------------------------------------------ */

static void
on_ready(struct watch *w, uint32_t revents)
{
	struct logger *l = container_of(w, struct logger, ready);
	char c;

	(void)revents;
	if (read(w->fd, &c, 1) < 0 && errno == EAGAIN)
		return;
	close_watch(w);
	if (!l->freed)
		timer_stop(&l->timer);
}

static void
on_not_ready(struct timer *t)
{
	struct logger *l = container_of(t, struct logger, timer);

	log_warn("%s: logging binary: not ready after %lld s", l->label,
	    (long long)(READY_NS / NS_PER_S));
}

/* -- its end -------------------------------------------------------------- */

static void
on_discard(struct watch *w, uint32_t revents)
{
	static uint8_t buf[DISCARD_BYTES];
	struct logger *l;
	ssize_t n;

	(void)revents;
	n = read(w->fd, buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		loop_del(w);
		return;
	}
	/* Which of the two it is does not matter: w is in the logger. */
	for (l = loggers; l; l = l->next) {
		if (w == &l->discard[0] || w == &l->discard[1])
			l->dropped += (uint64_t)n;
	}
}

static void
on_exit_status(struct child *child, int status)
{
	struct logger *l = container_of(child, struct logger, child);
	struct err e;
	int i;

	if (l->freed) {
		release(l);
		return;
	}
	if (child->exec_errno)
		log_err("%s: logging binary cannot be run: %s; the output is "
		    "dropped", l->label, strerror(child->exec_errno));
	else
		log_err("%s: logging binary ended with status %u; the output "
		    "is dropped", l->label, child_exit_code(status));
	timer_stop(&l->timer);
	close_watch(&l->ready);
	for (i = 0; i < 2; i++) {
		fcntl(l->read_fd[i], F_SETFL, O_NONBLOCK);
		if (loop_add(&l->discard[i], l->read_fd[i], EPOLLIN, LOOP_IO,
		    on_discard, &e) < 0)
			log_err("%s: logging binary: %s", l->label, e.msg);
	}
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
	timer_start(&l->timer, KILL_NS, on_late);
}

void
logger_free(struct logger *l)
{
	if (!l)
		return;
	l->freed = true;
	if (!child_running(&l->child)) {
		release(l);
		return;
	}
	close_watch(&l->ready);
	close_ends(l);
	timer_start(&l->timer, TERM_NS, on_end);
}

void
logger_end_all(void)
{
	struct logger *l;

	for (l = loggers; l; l = l->next)
		child_kill(&l->child, SIGTERM);
}

/* -- starting ------------------------------------------------------------- */

/*
 * The arguments of the URI's query, decoded in place: key, and value if it
 * is not empty, of each pair.  Returns how many, or -1.
 */
static int
split_query(char *query, const char **argv, int max)
{
	char *pair, *value, *rest = NULL;
	int n = 0;

	for (pair = strtok_r(query, "&", &rest); pair;
	    pair = strtok_r(NULL, "&", &rest)) {
		value = strchr(pair, '=');
		if (value)
			*value++ = '\0';
		if (n + 2 > max || io_uri_decode(pair, true) < 0 ||
		    (value && io_uri_decode(value, true) < 0))
			return -1;
		argv[n++] = pair;
		if (value && *value)
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
	path = strstr(text, "://") + 3;
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	if (io_uri_decode(path, false) < 0 || path[0] != '/')
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
	struct logger *l = calloc(1, sizeof(*l) + strlen(label) + 1);
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, ready[2] = { -1, -1 };
	char env_id[160], env_ns[160];
	const char *const envp[] = { env_id, env_ns, NULL };
	int i, ret = -1;

	if (!l) {
		err_set(e, ERR_EXHAUSTED, "logging binary: out of memory");
		return NULL;
	}
	strcpy(l->label, label);
	l->child = (struct child)CHILD_INIT;
	l->ready.fd = l->discard[0].fd = l->discard[1].fd = -1;
	snprintf(env_id, sizeof(env_id), "CONTAINER_ID=%s", id);
	snprintf(env_ns, sizeof(env_ns), "CONTAINER_NAMESPACE=%s", ns);
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
	timer_start(&l->timer, READY_NS, on_not_ready);
	l->read_fd[0] = out[0];
	l->read_fd[1] = err[0];
	fds[0] = out[1];
	fds[1] = err[1];
	l->next = loggers;
	l->pprev = &loggers;
	if (l->next)
		l->next->pprev = &l->next;
	loggers = l;
	ret = 0;
out:
	if (ret == 0)
		return l;
	for (i = 0; i < 2; i++) {
		if (out[i] >= 0)
			close(out[i]);
		if (err[i] >= 0)
			close(err[i]);
		if (ready[i] >= 0)
			close(ready[i]);
	}
	free(l);
	return NULL;
}
