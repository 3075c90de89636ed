/* SPDX-License-Identifier: Apache-2.0 */
/* events: see events.h. */
#include "events.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/deadline.h"
#include "base/fmt.h"
#include "base/log.h"
#include "wire/save.h"
#include "wire/ttrpc.h"

#define SERVICE "containerd.services.events.ttrpc.v1.Events"
#define METHOD "Forward"
/* So many events of that size can be kept when there is no memory. */
#define SPARES 16
#define SPARE_BYTES 1024

struct event {
	struct event *next;
	bool keep;		/* dropped last of all when the queue is full */
	size_t len;
	uint8_t p[];		/* ForwardRequest */
};

/* len 0: free.  Pages that nothing has written cost nothing. */
static union {
	struct event ev;
	uint8_t bytes[SPARE_BYTES];
} spares[SPARES];

static struct ttrpc_client *client;	/* NULL: no events wanted */
static char *ns;
static struct event *head;
static struct event **tail = &head;
static size_t pending;
static unsigned long dropped;
static bool sending;			/* head is on its way */
static bool held;
static struct timer retry;
static int64_t retry_ns;
static struct timer flush_limit;
static void (*on_flushed)(void);
static struct defer flush_now;

int
events_init(const char *address, const char *namespace, struct err *e)
{
	if (!address || !address[0])
		return 0;
	ns = strdup(namespace);
	client = ns ? ttrpc_client_new(address) : NULL;
	if (!client) {
		free(ns);
		ns = NULL;
		return err_set(e, ERR_INVALID,
		    "event socket %s: path too long or out of memory",
		    address);
	}
	return 0;
}

static void
flushed(void)
{
	void (*fn)(void) = on_flushed;

	timer_stop(&flush_limit);
	on_flushed = NULL;
	if (fn)
		fn();
}

static struct event *
event_new(size_t len)
{
	struct event *ev = malloc(sizeof(*ev) + len);
	unsigned i;

	for (i = 0; !ev && i < SPARES; i++) {
		if (!spares[i].ev.len && sizeof(*ev) + len <= SPARE_BYTES)
			ev = &spares[i].ev;
	}
	return ev;
}

static void
event_free(struct event *ev)
{
	if ((char *)ev >= (char *)spares && (char *)ev < (char *)(spares +
	    SPARES))
		ev->len = 0;
	else
		free(ev);
}

/* *pp is an event: an analyser cannot know that of make_room(). */
static void
drop_event(struct event **pp)
{
	struct event *ev = *pp;

	*pp = ev->next;	/* NOLINT(clang-analyzer-core.NullDereference) */
	if (tail == &ev->next)
		tail = pp;
	pending--;
	event_free(ev);
}

static void send_head(void);

static void
on_retry(struct timer *t)
{
	(void)t;
	send_head();
}

static void
on_forwarded(void *arg, const struct err *e)
{
	(void)arg;
	sending = false;
	if (e->code == ERR_OK || e->code == ERR_INVALID) {
		/* Refused for good: it would hold up all that follow. */
		if (e->code == ERR_INVALID) {
			log_err("events: containerd refuses an event: %s",
			    e->msg);
			dropped++;
		}
		retry_ns = 0;
		drop_event(&head);
		if (head)
			send_head();
		else
			flushed();
		return;
	}
	if (retry_ns == 0) {
		log_warn("events: %s; trying again until containerd answers",
		    e->msg);
		retry_ns = EVENT_AGAIN_NS;
	} else if (retry_ns < EVENT_AGAIN_MAX_NS) {
		retry_ns *= 2;
		if (retry_ns > EVENT_AGAIN_MAX_NS)
			retry_ns = EVENT_AGAIN_MAX_NS;
	}
	timer_start(&retry, retry_ns, on_retry);
}

static void
send_head(void)
{
	if (!head || sending || held || timer_running(&retry))
		return;
	sending = ttrpc_client_call(client, SERVICE, METHOD, ns, head->p,
	    head->len, EVENT_NS, on_forwarded, NULL) == 0;
}

/* Room for one more: the oldest that clients can do without goes first, and
 * never the one on its way. */
static void
make_room(void)
{
	struct event **pp, **oldest = sending ? &head->next : &head;

	if (pending < EVENTS_MAX)
		return;
	for (pp = oldest; *pp && (*pp)->keep; pp = &(*pp)->next)
		;
	drop_event(*pp ? pp : oldest);
	if (dropped++ % 100 == 0)
		log_err("events: %d wait for containerd, %lu dropped so far",
		    EVENTS_MAX, dropped);
}

/* Exits, OOMs and deletions are what clients wait for. */
static bool
must_keep(const char *name)
{
	return strcmp(name, "TaskExit") == 0 ||
	    strcmp(name, "TaskOOM") == 0 || strcmp(name, "TaskDelete") == 0;
}

/* ForwardRequest {1 Envelope {1 timestamp, 2 namespace, 3 topic, 4 Any}} */
static void
encode(struct pb_out *o, const char *topic, const char *name,
    const struct pb_out *message)
{
	char type[64];
	size_t mark;

	fmt(type, sizeof(type), "containerd.events.%s", name);
	mark = pb_begin(o, 1);
	pb_put_time(o, 1, loop_clock(CLOCK_REALTIME));
	pb_put_str(o, 2, ns);
	pb_put_str(o, 3, topic);
	pb_put_any(o, 4, type, message->p, message->len);
	pb_end(o, mark);
}

void
events_publish(const char *topic, const char *name, struct pb_out *message)
{
	struct event *ev = NULL;
	uint8_t buf[SPARE_BYTES];
	struct pb_out o;

	if (!client) {
		pb_out_free(message);
		return;
	}
	pb_out_init(&o, buf, sizeof(buf));
	encode(&o, topic, name, message);
	if (!message->bad && !o.bad)
		ev = event_new(o.len);
	if (ev) {
		make_room();
		memcpy(ev->p, o.p, o.len);
		ev->len = o.len;
		ev->keep = must_keep(name);
		ev->next = NULL;
		*tail = ev;
		tail = &ev->next;
		pending++;
		send_head();
	} else {
		dropped++;
		log_err("events: out of memory, %s is lost", name);
	}
	pb_out_free(&o);
	pb_out_free(message);
}

size_t
events_pending(void)
{
	return pending;
}

unsigned long
events_dropped(void)
{
	return dropped;
}

static void
on_flush_limit(struct timer *t)
{
	(void)t;
	log_warn("events: %zu were not taken by containerd", pending);
	flushed();
}

static void
on_flush_now(struct defer *d)
{
	(void)d;
	flushed();
}

void
events_flush(int64_t limit_ns, void (*fn)(void))
{
	on_flushed = fn;
	if (head)
		timer_start(&flush_limit, limit_ns, on_flush_limit);
	else
		loop_defer(&flush_now, on_flush_now);
}

/* -- written down, and taken over ----------------------------------------- */

void
events_hold(bool hold)
{
	held = hold;
	send_head();
}

bool
events_are_busy(void)
{
	return sending || (client && ttrpc_client_is_busy(client));
}

struct saved_queue {
	int fd;			/* of the client */
	uint32_t stream;
	int64_t retry_ns;
	struct timer retry;
	uint64_t dropped;
};

static const struct save_field queue_fields[] = {
	SAVE_OPEN(struct saved_queue, fd), SAVE(struct saved_queue, stream),
	SAVE(struct saved_queue, retry_ns), SAVE(struct saved_queue, retry),
	SAVE(struct saved_queue, dropped), SAVE_SUBS, SAVE_LAST
};
#define QUEUE_EVENT 6

struct saved_event {
	char *p;
	size_t len;
	bool keep;
};

static const struct save_field event_fields[] = {
	SAVE_BYTES(struct saved_event, p, len), SAVE(struct saved_event, keep),
	SAVE_LAST
};

void
events_save(struct pb_out *o)
{
	struct saved_queue q = { -1, 0, retry_ns, retry, dropped };
	struct saved_event s;
	struct event *ev;

	if (client)
		ttrpc_client_kept(client, &q.fd, &q.stream);
	save_put(o, queue_fields, &q);
	for (ev = head; ev; ev = ev->next) {
		s = (struct saved_event){ (char *)ev->p, ev->len, ev->keep };
		save_put_sub(o, QUEUE_EVENT, event_fields, &s);
	}
}

static int
load_event(void *none, struct pb_bytes in, struct err *e)
{
	struct saved_event s = { .p = NULL };
	struct event *ev;

	(void)none;
	if (save_get(in, event_fields, &s, e) < 0)
		return -1;
	if (!s.p || pending == EVENTS_MAX || !(client || save_is_checked()))
		return save_bad(e);
	ev = save_alloc(sizeof(*ev) + s.len, e);
	if (!ev)
		return -1;
	memcpy(ev->p, s.p, s.len);
	ev->len = s.len;
	ev->keep = s.keep;
	*tail = ev;
	tail = &ev->next;
	pending++;
	free(s.p);
	return 0;
}

int
events_load(struct pb_bytes in, struct err *e)
{
	struct saved_queue q = { .fd = -1 };

	held = true;
	if (save_get(in, queue_fields, &q, e) < 0 ||
	    save_each(in, QUEUE_EVENT, load_event, NULL, e) < 0)
		return -1;
	retry_ns = q.retry_ns;
	retry.at_ns = q.retry.at_ns;
	save_start(&retry, on_retry);
	dropped = (unsigned long)q.dropped;
	if (q.fd < 0 || save_is_checked())
		return 0;
	if (!client)
		return save_bad(e);
	return save_watch(ttrpc_client_set(client, q.fd, q.stream), EPOLLIN,
	    LOOP_RPC, ttrpc_client_ready, e);
}

void
events_close(void)
{
	timer_stop(&retry);
	timer_stop(&flush_limit);
	on_flushed = NULL;
	sending = false;
	while (head)
		drop_event(&head);
	ttrpc_client_free(client);
	client = NULL;
	free(ns);
	ns = NULL;
}
