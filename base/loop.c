/* SPDX-License-Identifier: Apache-2.0 */
/* loop: see loop.h. */
#include "base/loop.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64

static int epfd = -1;
static bool stopped;

/*
 * The batch in hand.  loop_del() blanks its entries, so that an event that
 * was reported before a watch was removed reaches nobody.
 */
static struct epoll_event batch[BATCH];
static int batch_len;

static struct timer *timers;	/* ascending by at_ns */
static struct defer *deferred;
static struct defer **deferred_tail = &deferred;

int
loop_init(struct err *e)
{
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		return err_sys(e, "create epoll");
	stopped = false;
	return 0;
}

void
loop_close(void)
{
	if (epfd >= 0)
		close(epfd);
	epfd = -1;
	batch_len = 0;
	timers = NULL;
	deferred = NULL;
	deferred_tail = &deferred;
}

int64_t
loop_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t
loop_now(void)
{
	return loop_clock(CLOCK_MONOTONIC);
}

int
loop_add(struct watch *w, int fd, uint32_t events, enum loop_prio prio,
    void (*cb)(struct watch *w, uint32_t revents), struct err *e)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_sys(e, "watch descriptor %d", fd);
	w->fd = fd;
	w->events = events;
	w->prio = prio;
	w->cb = cb;
	return 0;
}

void
loop_mod(struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (w->fd < 0 || w->events == events)
		return;
	/* MOD of a descriptor that is in the set cannot fail but for memory
	 * that the kernel already holds. */
	epoll_ctl(epfd, EPOLL_CTL_MOD, w->fd, &ev);
	w->events = events;
}

void
loop_del(struct watch *w)
{
	int i;

	if (w->fd < 0)
		return;
	epoll_ctl(epfd, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
	for (i = 0; i < batch_len; i++) {
		if (batch[i].data.ptr == w)
			batch[i].data.ptr = NULL;
	}
}

void
loop_close_fd(struct watch *w)
{
	int fd = w->fd;

	loop_del(w);
	if (fd >= 0)
		close(fd);
}

void
timer_stop(struct timer *t)
{
	LIST_DEL(t);
}

bool
timer_running(const struct timer *t)
{
	return t->pprev != NULL;
}

void
timer_start(struct timer *t, int64_t delay_ns, void (*cb)(struct timer *t))
{
	struct timer **pp = &timers;

	timer_stop(t);
	t->at_ns = loop_now() + delay_ns;
	t->cb = cb;
	while (*pp && (*pp)->at_ns <= t->at_ns)
		pp = &(*pp)->next;
	LIST_ADD(pp, t);
}

bool
loop_is_quiet(void)
{
	return deferred == NULL;
}

void
loop_defer(struct defer *d, void (*fn)(struct defer *d))
{
	if (d->fn)
		return;
	d->fn = fn;
	d->next = NULL;
	*deferred_tail = d;
	deferred_tail = &d->next;
}

static void
free_it(struct defer *d)
{
	free(d->p);
}

void
loop_free(struct defer *d, void *p)
{
	d->p = p;
	loop_defer(d, free_it);
}

static int
run_timers(void)
{
	int64_t now = loop_now();
	struct timer *t;
	int n = 0;

	/* A callback may start and stop any timer, so take the head anew. */
	while ((t = timers) && t->at_ns <= now) {
		timer_stop(t);
		t->cb(t);
		n++;
	}
	return n;
}

static int
run_deferred(void)
{
	struct defer *d;
	void (*fn)(struct defer *);
	int n = 0;

	while ((d = deferred)) {
		deferred = d->next;
		if (!deferred)
			deferred_tail = &deferred;
		fn = d->fn;
		d->fn = NULL;
		fn(d);
		n++;
	}
	return n;
}

static int
wait_ms(int64_t max_wait_ns)
{
	int64_t wait_ns = max_wait_ns;
	int64_t left;

	if (timers) {
		left = timers->at_ns - loop_now();
		if (left < 0)
			left = 0;
		if (wait_ns < 0 || left < wait_ns)
			wait_ns = left;
	}
	if (wait_ns < 0)
		return -1;
	/* Round up: waking before a timer is due would spin. */
	wait_ns = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
	return wait_ns > 1000000 ? 1000000 : (int)wait_ns;
}

int
loop_turn(int64_t max_wait_ns)
{
	struct watch *w;
	uint32_t revents;
	int i, n, prio, ran = 0;

	if (deferred)
		max_wait_ns = 0;
	n = epoll_wait(epfd, batch, BATCH, wait_ms(max_wait_ns));
	batch_len = n < 0 ? 0 : n;
	for (prio = 0; prio < LOOP_PRIOS; prio++) {
		for (i = 0; i < batch_len; i++) {
			w = batch[i].data.ptr;
			if (!w || w->prio != (enum loop_prio)prio)
				continue;
			revents = batch[i].events;
			batch[i].data.ptr = NULL;
			w->cb(w, revents);
			ran++;
		}
	}
	batch_len = 0;
	ran += run_timers();
	ran += run_deferred();
	return ran;
}

void
loop_run(void)
{
	while (!stopped)
		loop_turn(-1);
}

void
loop_stop(void)
{
	stopped = true;
}
