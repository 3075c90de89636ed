/* SPDX-License-Identifier: Apache-2.0 */
/* events: see events.h. */
#include "events.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/deadline.h"
#include "base/fmt.h"
#include "base/log.h"
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
	if (!head || sending || timer_running(&retry))
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
