/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop: the one epoll.  Descriptors, timers, and work put off to the end of
 * a turn.
 *
 * Level-triggered, single-threaded.  Owners embed the structs below; the loop
 * allocates nothing.  Inside one turn children come first, then stdio, then
 * RPC, then timers, then deferred work.  A watch or timer that was removed
 * never fires again, not even from the batch in hand.  An object whose
 * callback may be on the stack is released with loop_defer().
 */
#ifndef LOOP_H
#define LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

#define NS_PER_MS 1000000LL
#define NS_PER_S 1000000000LL

enum loop_prio { LOOP_CHILD, LOOP_IO, LOOP_RPC, LOOP_PRIOS };

struct watch {
	int fd;			/* -1: not watched; the owner closes it */
	uint32_t events;	/* EPOLLIN, EPOLLOUT, or 0 for errors only */
	enum loop_prio prio;
	void (*cb)(struct watch *w, uint32_t revents);
};

struct timer {
	int64_t at_ns;		/* CLOCK_MONOTONIC */
	struct timer *next;
	struct timer **pprev;	/* NULL: not running */
	void (*cb)(struct timer *t);
};

struct defer {
	struct defer *next;
	void (*fn)(struct defer *d);	/* NULL: not pending */
	void *p;			/* loop_free()'s */
};

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/*
 * A list of what has the members next and pprev, which is NULL in what is in no
 * list.  Put x before what *at points to: a head, or some next.
 */
#define LIST_ADD(at, x) do { \
	(x)->next = *(at); \
	(x)->pprev = (at); \
	if ((x)->next) \
		(x)->next->pprev = &(x)->next; \
	*(at) = (x); \
} while (0)
/* x need not be in one; its next stays, for who walks the list. */
#define LIST_DEL(x) do { \
	if ((x)->pprev) { \
		*(x)->pprev = (x)->next; \
		if ((x)->next) \
			(x)->next->pprev = (x)->pprev; \
		(x)->pprev = NULL; \
	} \
} while (0)

/* Create the epoll.  Once per process. */
int loop_init(struct err *e);
/* Close the epoll (tests; after a fork that does not exec). */
void loop_close(void);
/* Turn until loop_stop(). */
void loop_run(void);
/*
 * One turn: wait at most max_wait_ns (< 0: as long as it takes) and dispatch.
 * Returns the number of callbacks run.
 */
int loop_turn(int64_t max_wait_ns);
void loop_stop(void);

/* A clock's time in ns; CLOCK_MONOTONIC's. */
int64_t loop_clock(clockid_t clock);
int64_t loop_now(void);

/* Watch fd for events; EPOLLERR and EPOLLHUP always arrive too. */
int loop_add(struct watch *w, int fd, uint32_t events, enum loop_prio prio,
	void (*cb)(struct watch *w, uint32_t revents), struct err *e);
/* Change the events of a watch that is on; nothing to do if equal. */
void loop_mod(struct watch *w, uint32_t events);
/* Stop watching and set w->fd to -1; the descriptor stays open.  A watch
 * with fd -1 is left alone. */
void loop_del(struct watch *w);
/* The same, and close it. */
void loop_close_fd(struct watch *w);

/* (Re)start t to fire once, delay_ns from now. */
void timer_start(struct timer *t, int64_t delay_ns,
	void (*cb)(struct timer *t));
/* A timer that does not run is left alone. */
void timer_stop(struct timer *t);
bool timer_running(const struct timer *t);

/* Has nobody put anything off? */
bool loop_is_quiet(void);
/* Run fn(d) when the turn in hand is over; once, if it is pending already. */
void loop_defer(struct defer *d, void (*fn)(struct defer *d));
/* free(p) then, which d is part of. */
void loop_free(struct defer *d, void *p);

#endif
