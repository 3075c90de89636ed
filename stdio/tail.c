/* SPDX-License-Identifier: Apache-2.0 */
/* tail: see tail.h. */
#include "stdio/tail.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/child.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/fmt.h"
#include "wire/save.h"

static void look(struct tail *t);

size_t
tail_unread(const struct tail *t)
{
	return fd_unread(t->writer >= 0 ? t->writer : t->reader);
}

/* Has anybody the FIFO open for reading?  Our own reader must be closed. */
static bool
has_client(const struct tail *t)
{
	return !(fd_events(t->writer, POLLOUT) & POLLERR);
}

static void
unwatch(struct tail *t)
{
	timer_stop(&t->timer);
	loop_close_fd(&t->watch);
}

/* Take what inotify has to say. Is it more than that somebody has read? */
static bool
came_or_went(int fd)
{
	struct inotify_event ev[16];	/* no names: a FIFO is watched */
	uint32_t mask = 0;
	ssize_t n = read(fd, ev, sizeof(ev));
	size_t i;

	for (i = 0; n > 0 && i < (size_t)n / sizeof(ev[0]); i++)
		mask |= ev[i].mask;
	return mask != IN_ACCESS;
}

static void
on_inotify(struct watch *w, uint32_t revents)
{
	struct tail *t = container_of(w, struct tail, watch);

	(void)revents;
	if (!came_or_went(w->fd) && tail_unread(t) != 0)
		return;
	look(t);
	t->changed(t);
}

static void
on_timer(struct timer *timer)
{
	struct tail *t = container_of(timer, struct tail, timer);

	look(t);
	t->changed(t);
}

/* Watch the FIFO for mask, instead of what it was watched for. */
static bool
watch_for(struct tail *t, uint32_t mask)
{
	char path[32];
	struct err e;
	int fd = t->watch.fd;

	if (fd < 0)
		fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	fmt(path, sizeof(path), "/proc/self/fd/%d", t->writer);
	if (fd >= 0 && inotify_add_watch(fd, path, mask) >= 0 &&
	    (t->watch.fd >= 0 || loop_add(&t->watch, fd, EPOLLIN, LOOP_IO,
	    on_inotify, &e) == 0))
		return true;
	if (fd >= 0 && t->watch.fd < 0)
		close(fd);
	return false;
}

/*
 * Find out how things are and arrange to be told when they change.  A new
 * inotify descriptor each time, made when our reader is closed and dropped
 * before we open or close anything: our own doings are never reported.
 */
static void
look(struct tail *t)
{
	bool watched;

	unwatch(t);
	/* It has our reader, too, for a moment, and would be taken for a
	 * client. */
	if (child_holds_fds()) {
		timer_start(&t->timer, TAIL_FORKED_NS, on_timer);
		return;
	}
	if (t->writer < 0)	/* the client has gone, or read it all */
		t->writer = fd_reopen(t->reader, O_WRONLY);
	fd_close(&t->reader);
	if (t->writer < 0)
		return;
	if (tail_unread(t) == 0 && has_client(t)) {
		fd_close(&t->writer);	/* there it is, the end of file */
		return;
	}
	watched = watch_for(t, IN_CLOSE_NOWRITE | IN_ACCESS);
	if (!has_client(t)) {
		watched = watched && watch_for(t, IN_OPEN);
		if (!watched)
			timer_start(&t->timer, TAIL_LOOK_NS, on_timer);
		/* It may have come just before. */
		if (!watched || !has_client(t))
			return;
		watched = watch_for(t, IN_CLOSE_NOWRITE | IN_ACCESS);
	}
	t->reader = fd_reopen(t->writer, O_RDONLY);
	if (t->reader < 0)
		unwatch(t);
	else if (!watched)
		timer_start(&t->timer, TAIL_READ_NS, on_timer);
	fd_close(&t->writer);
}

bool
tail_is_over(const struct tail *t)
{
	return t->writer < 0 && t->reader < 0 && t->watch.fd < 0;
}

/* The writer is kept while there is no client, the reader while there is. */
bool
tail_is_being_read(const struct tail *t)
{
	return t->reader >= 0 && tail_unread(t) != 0;
}

void
tail_init(struct tail *t)
{
	t->writer = t->reader = t->watch.fd = -1;
}

bool
tail_start(struct tail *t, int writer, int reader,
    void (*changed)(struct tail *t))
{
	t->writer = writer;
	t->reader = reader;
	t->changed = changed;
	look(t);
	return tail_is_over(t);
}

static void
on_input(struct watch *w, uint32_t revents)
{
	struct tail *t = container_of(w, struct tail, watch);

	(void)revents;
	unwatch(t);
	t->changed(t);
}

bool
tail_start_input(struct tail *t, int reader, void (*changed)(struct tail *t))
{
	struct err e;
	int fd = -1;

	t->changed = changed;
	if (fd_events(reader, POLLIN) & POLLHUP)
		fd = fd_reopen(reader, O_RDONLY);	/* has seen no writer */
	close(reader);
	if (fd >= 0 && loop_add(&t->watch, fd, EPOLLIN, LOOP_IO, on_input,
	    &e) < 0)
		close(fd);
	return tail_is_over(t);
}

int
tail_resume(struct tail *t, bool input, void (*changed)(struct tail *t),
    struct err *e)
{
	t->changed = changed;
	save_start(&t->timer, on_timer);
	return save_watch(&t->watch, EPOLLIN, LOOP_IO, input ? on_input :
	    on_inotify, e);
}

size_t
tail_stop(struct tail *t)
{
	size_t lost = 0;

	unwatch(t);
	if (t->writer >= 0 && !has_client(t))
		lost = tail_unread(t);
	fd_close(&t->writer);
	fd_close(&t->reader);
	return lost;
}
