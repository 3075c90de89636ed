/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc: see ttrpc.h.  The server; the client is ttrpc_client.c.
 *
 * A connection that broke is only marked and taken off the loop where that
 * was noticed; what hangs on it is told and freed at the end of the turn, so
 * that no reply can pull the ground from under its caller.
 */
#include "wire/ttrpc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/fmt.h"
#include "base/log.h"
#include "wire/save.h"

#define TURN_BYTES 16384	/* read from one connection in one turn */
#define ACCEPTS_A_TURN 16
#define BODY_LONG (64u << 10)	/* a request that counts for the next */
#define BODIES_MAX (32u << 20)
#define UNSENT_MAX (1u << 20)	/* past this a connection is not read */
#define RESPONSE_PAYLOAD_TAG 0x12	/* field 2, bytes */

struct out {
	struct out *next;
	size_t len;
	size_t off;
	uint8_t p[];
};

struct conn {
	struct watch watch;
	struct conn *next;
	struct conn **pprev;
	struct defer ended;
	bool broken;
	/* The frame that is coming in. */
	uint8_t head[TTRPC_HEADER];
	size_t head_len;
	uint32_t length;	/* of the payload */
	uint32_t stream;
	uint8_t type;
	size_t got;		/* of the payload */
	uint8_t *body;		/* NULL: discarded, or not begun */
	bool discard;
	/* Read, and not looked at while too much is unsent. */
	uint8_t *rest;
	size_t rest_len;
	size_t rest_off;
	uint32_t last_stream;
	/* What is going out. */
	struct out *out;
	struct out **out_tail;
	size_t unsent;
	struct ttrpc_call *calls;
};

struct ttrpc_call {
	struct conn *conn;
	struct ttrpc_call *next;
	struct ttrpc_call **pprev;
	uint32_t stream;
	const char *service;
	const char *method;
	struct timer deadline;
	void (*gone)(void *arg);
	void *arg;
};

static struct watch listener = { .fd = -1 };
static struct timer accept_again;
static const struct ttrpc_service *services;
static void (*on_idle)(bool no_connection);
static struct conn *conns;
static unsigned nconns;
static unsigned ncalls;
static size_t unsent;
static size_t bodies;		/* bytes of requests that are on their way */
static bool held;		/* see ttrpc_hold() */

/* -- connections ---------------------------------------------------------- */

static void
listen_more(void)
{
	if (listener.fd >= 0 && !timer_running(&accept_again))
		loop_mod(&listener, EPOLLIN);
}

static void
call_free(struct ttrpc_call *call)
{
	timer_stop(&call->deadline);
	LIST_DEL(call);
	ncalls--;
	free(call);
}

/* Tell the owner that nobody waits; the call is released. */
static void
call_gone(struct ttrpc_call *call)
{
	void (*gone)(void *) = call->gone;
	void *arg = call->arg;

	call_free(call);
	if (gone)
		gone(arg);
}

/* c->body, which is there or is not. */
static void
body_free(struct conn *c)
{
	if (c->body)
		bodies -= c->length;
	fmt_wipe(c->body, c->got);
	c->body = NULL;
}

static void
conn_end(struct conn *c)
{
	struct out *o;

	/* Each takes itself out of the list, through pprev. */
	while (c->calls)
		call_gone(c->calls);	/* NOLINT(clang-analyzer-unix.Malloc) */
	while ((o = c->out)) {
		c->out = o->next;
		free(o);
	}
	unsent -= c->unsent;
	LIST_DEL(c);
	body_free(c);
	fmt_wipe(c->rest, c->rest_len);
	free(c);
	listen_more();
	if (nconns == 0 && on_idle)
		on_idle(true);
}

static void
conn_end_deferred(struct defer *d)
{
	conn_end(container_of(d, struct conn, ended));
}

static void
conn_break(struct conn *c)
{
	if (c->broken)
		return;
	c->broken = true;
	nconns--;
	loop_close_fd(&c->watch);
	loop_defer(&c->ended, conn_end_deferred);
}

static void
conn_watch(struct conn *c)
{
	uint32_t events = 0;

	if (c->unsent <= UNSENT_MAX && !c->rest && !held)
		events |= EPOLLIN;
	if (c->out)
		events |= EPOLLOUT;
	/* A client that hung up would say so all the time. */
	if (held && !c->out)
		events = EPOLLONESHOT;
	loop_mod(&c->watch, events);
}

static void
conn_flush(struct conn *c)
{
	struct out *o;
	ssize_t n;

	while ((o = c->out)) {
		n = send(c->watch.fd, o->p + o->off, o->len - o->off,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) {
			conn_break(c);
			return;
		}
		o->off += (size_t)n;
		c->unsent -= (size_t)n;
		unsent -= (size_t)n;
		if (o->off < o->len)
			break;
		c->out = o->next;
		if (!c->out)
			c->out_tail = &c->out;
		free(o);
	}
	conn_watch(c);
}

/* Send a frame of two parts, or queue what does not go out at once. */
static void
conn_send(struct conn *c, const void *a, size_t alen, const void *b,
    size_t blen)
{
	struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)a, .iov_len = alen },
		{ .iov_base = (void *)(uintptr_t)b, .iov_len = blen },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	size_t len = alen + blen, sent = 0;
	struct out *o;
	ssize_t n;

	if (c->broken)
		return;
	if (!c->out) {
		n = sendmsg(c->watch.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			conn_break(c);
			return;
		}
		sent = n > 0 ? (size_t)n : 0;
		if (sent == len)
			return;
	}
	o = malloc(sizeof(*o) + len);
	if (!o) {
		/* A reply that cannot be kept leaves the client waiting for
		 * ever; a connection that ends does not. */
		log_err("ttrpc: out of memory for a reply of %zu bytes", len);
		conn_break(c);
		return;
	}
	memcpy(o->p, a, alen);
	if (blen)
		memcpy(o->p + alen, b, blen);
	o->len = len;
	o->off = sent;
	o->next = NULL;
	*c->out_tail = o;
	c->out_tail = &o->next;
	c->unsent += len - sent;
	unsent += len - sent;
	conn_watch(c);
}

static void
send_status(struct conn *c, uint32_t stream, int code, const char *msg)
{
	uint8_t head[TTRPC_HEADER], buf[ERR_MSG_MAX + 64];
	struct pb_out o;
	size_t mark;

	pb_out_init(&o, buf, sizeof(buf));
	mark = pb_begin(&o, 1);
	pb_put_int(&o, 1, code);
	pb_put_str(&o, 2, msg);
	pb_end(&o, mark);
	ttrpc_put_header(head, o.len, stream, TTRPC_RESPONSE);
	conn_send(c, head, sizeof(head), o.p, o.len);
	pb_out_free(&o);
}

/* -- replies -------------------------------------------------------------- */

void
ttrpc_reply(struct ttrpc_call *call, const void *p, size_t n)
{
	/* Header, tag, and at most five bytes of length. */
	uint8_t head[TTRPC_HEADER + 1 + 5];
	size_t used = TTRPC_HEADER, v;

	if (n) {
		head[used++] = RESPONSE_PAYLOAD_TAG;
		for (v = n; v >= 0x80; v >>= 7)
			head[used++] = (uint8_t)(v | 0x80);
		head[used++] = (uint8_t)v;
	}
	if (used - TTRPC_HEADER + n > TTRPC_MESSAGE_MAX) {
		send_status(call->conn, call->stream, ERR_EXHAUSTED,
		    "the reply exceeds the maximum message size");
	} else {
		ttrpc_put_header(head, used - TTRPC_HEADER + n, call->stream,
		    TTRPC_RESPONSE);
		conn_send(call->conn, head, used, p, n);
	}
	call_free(call);
}

void
ttrpc_reply_pb(struct ttrpc_call *call, struct pb_out *o)
{
	struct err e;

	if (o->bad) {
		err_set(&e, ERR_EXHAUSTED, "%s: out of memory for the reply",
		    ttrpc_call_name(call));
		ttrpc_fail(call, &e);
	} else {
		ttrpc_reply(call, o->p, o->len);
	}
	pb_out_free(o);
}

void
ttrpc_fail(struct ttrpc_call *call, const struct err *e)
{
	const char *suffix = err_suffix(e->code);
	size_t n = strlen(e->msg), len = suffix ? strlen(suffix) : 0;
	struct err named;

	if (suffix && (n < len || strcmp(e->msg + n - len, suffix) != 0)) {
		err_set(&named, e->code, "%.*s: %s",
		    (int)(ERR_MSG_MAX - len - 3), e->msg, suffix);
		e = &named;
	}
	send_status(call->conn, call->stream, e->code, e->msg);
	call_free(call);
}

void *
ttrpc_alloc(struct ttrpc_call *call, size_t n)
{
	void *p = calloc(1, n);
	struct err e;

	if (!p) {
		err_nomem(&e);
		ttrpc_fail(call, &e);
	}
	return p;
}

void
ttrpc_on_gone(struct ttrpc_call *call, void (*gone)(void *arg), void *arg)
{
	call->gone = gone;
	call->arg = arg;
}

const char *
ttrpc_call_name(const struct ttrpc_call *call)
{
	static char text[128];

	fmt(text, sizeof(text), "%s/%s", call->service, call->method);
	return text;
}

static void
on_call_deadline(struct timer *t)
{
	struct ttrpc_call *call = container_of(t, struct ttrpc_call, deadline);

	send_status(call->conn, call->stream, ERR_DEADLINE,
	    "context deadline exceeded");
	call_gone(call);
}

/* -- requests ------------------------------------------------------------- */

/* Request {1 service, 2 method, 3 payload, 4 timeout_nano, 5 metadata} */
enum { SERVICE = 1, METHOD, PAYLOAD, TIMEOUT, REQUEST_FIELDS = 6 };

static void
send_unknown(struct conn *c, uint32_t stream, const char *what,
    struct pb_bytes name)
{
	char text[256];

	fmt(text, sizeof(text), "%s %.*s", what,
	    name.n > 200 ? 200 : (int)name.n, (const char *)name.p);
	send_status(c, stream, ERR_UNIMPLEMENTED, text);
}

static void
run_method(struct conn *c, uint32_t stream, const struct pb_field *r,
    const struct ttrpc_service *s, const struct ttrpc_method *m)
{
	struct ttrpc_call *call;
	int64_t timeout_ns = (int64_t)r[TIMEOUT].v;
	struct message in;
	struct err e;

	if (timeout_ns < 0) {
		send_status(c, stream, ERR_DEADLINE,
		    "context deadline exceeded");
		return;
	}
	call = ncalls < TTRPC_CALLS_MAX ? calloc(1, sizeof(*call)) : NULL;
	if (!call) {
		send_status(c, stream, ERR_EXHAUSTED,
		    "too many requests under way");
		return;
	}
	call->conn = c;
	call->stream = stream;
	call->service = s->name;
	call->method = m->name;
	LIST_ADD(&c->calls, call);
	ncalls++;
	if (timeout_ns && timeout_ns < INT64_MAX / 2)
		timer_start(&call->deadline, timeout_ns, on_call_deadline);
	if (m->begins && listener.fd < 0) {
		err_set(&e, ERR_UNAVAILABLE, "%s: this shim is shutting down",
		    ttrpc_call_name(call));
		ttrpc_fail(call, &e);
	} else if (pb_decode(&in, r[PAYLOAD].b, m->kinds, &e) < 0) {
		ttrpc_fail(call, &e);
	} else {
		m->fn(call, &in, m->row);
		free(in.text);
	}
}

static void
on_request(struct conn *c, uint32_t stream, const uint8_t *p, size_t n)
{
	const struct ttrpc_service *s;
	const struct ttrpc_method *m;
	struct pb_field r[REQUEST_FIELDS];

	if (pb_read((struct pb_bytes){ p, n }, "-ssbnb", r) != 0) {
		send_status(c, stream, ERR_INVALID, "unmarshal request error: "
		    "proto: cannot parse invalid wire-format data");
		return;
	}
	for (s = services; s->name && !pb_is(r[SERVICE].b, s->name); s++)
		;
	if (!s->name) {
		send_unknown(c, stream, "service", r[SERVICE].b);
		return;
	}
	for (m = s->methods; m->name && !pb_is(r[METHOD].b, m->name); m++)
		;
	if (!m->name) {
		send_unknown(c, stream, "method", r[METHOD].b);
		return;
	}
	run_method(c, stream, r, s, m);
}

/* -- frames --------------------------------------------------------------- */

/* A whole frame; the rules of ttrpc v1.2.8 server.go. */
static void
on_frame(struct conn *c, const uint8_t *p, size_t n)
{
	char text[128];

	if (c->discard && c->length <= TTRPC_MESSAGE_MAX) {
		send_status(c, c->stream, ERR_EXHAUSTED, "no room for another "
		    "long request");
		return;
	}
	if (c->discard) {
		fmt(text, sizeof(text), "message length %u exceed maximum "
		    "message size of %u", c->length, TTRPC_MESSAGE_MAX);
		send_status(c, c->stream, ERR_EXHAUSTED, text);
		return;
	}
	if (c->type != TTRPC_REQUEST && c->type != TTRPC_DATA)
		return;
	if (c->stream % 2 == 0) {
		send_status(c, c->stream, ERR_INVALID,
		    "StreamID must be odd for client initiated streams");
		return;
	}
	if (c->type == TTRPC_DATA) {
		/* No method here streams, so no stream takes data. */
		send_status(c, c->stream, ERR_INVALID,
		    "StreamID is no longer active");
		return;
	}
	if (c->stream <= c->last_stream) {
		send_status(c, c->stream, ERR_INVALID,
		    "StreamID cannot be re-used and must increment");
		return;
	}
	c->last_stream = c->stream;
	on_request(c, c->stream, p, n);
}

/* Begin the payload whose header is complete. */
static void
begin_payload(struct conn *c)
{
	c->length = ttrpc_get_u32(c->head);
	c->stream = ttrpc_get_u32(c->head + 4);
	c->type = c->head[8];
	c->got = 0;
	c->discard = c->length > TTRPC_MESSAGE_MAX ||
	    (c->length > BODY_LONG && bodies + c->length > BODIES_MAX);
}

static void
end_payload(struct conn *c, const uint8_t *p)
{
	on_frame(c, p, c->length);
	body_free(c);
	c->head_len = 0;
	c->got = 0;
}

/*
 * Take the next piece of what was read; returns the bytes used.  A payload
 * that is whole in the read buffer is used where it is.
 */
static size_t
take(struct conn *c, const uint8_t *p, size_t n)
{
	size_t want;

	if (c->head_len < TTRPC_HEADER) {
		want = TTRPC_HEADER - c->head_len;
		if (want > n)
			want = n;
		memcpy(c->head + c->head_len, p, want);
		c->head_len += want;
		if (c->head_len == TTRPC_HEADER) {
			begin_payload(c);
			if (c->length == 0)
				end_payload(c, p);
		}
		return want;
	}
	want = c->length - c->got;
	if (want > n)
		want = n;
	if (c->got == 0 && want == c->length) {
		end_payload(c, p);
		return want;
	}
	if (!c->discard) {
		if (!c->body)
			c->body = malloc(c->length);
		if (c->body && c->got == 0)
			bodies += c->length;
		/* To end the connection would be to end the container, which
		 * containerd deletes with a shim that it takes for dead. */
		if (c->body)
			memcpy(c->body + c->got, p, want);
		else
			c->discard = true;
	}
	c->got += want;
	if (c->got == c->length)
		end_payload(c, c->body);
	return want;
}

/* One read can hold hundreds of requests with a reply of megabytes each, so
 * the bound counts between them, too.  Returns the bytes used. */
static size_t
take_some(struct conn *c, const uint8_t *p, size_t n)
{
	size_t used = 0;

	while (used < n && !c->broken && !held && c->unsent <= UNSENT_MAX)
		used += take(c, p + used, n - used);
	return used;
}

/* The client takes its replies again: go on with what was read. */
static void
take_rest(struct conn *c)
{
	c->rest_off += take_some(c, c->rest + c->rest_off,
	    c->rest_len - c->rest_off);
	if (c->broken || c->rest_off < c->rest_len)
		return;
	fmt_wipe(c->rest, c->rest_len);
	c->rest = NULL;
	conn_watch(c);
}

static void
keep_rest(struct conn *c, const uint8_t *p, size_t n)
{
	c->rest = malloc(n);
	if (!c->rest) {
		log_err("ttrpc: out of memory for requests of %zu bytes", n);
		conn_break(c);
		return;
	}
	memcpy(c->rest, p, n);
	c->rest_len = n;
	c->rest_off = 0;
	conn_watch(c);
}

static void
on_conn(struct watch *w, uint32_t revents)
{
	/* One for all: what is read is used up or copied before the next. */
	static uint8_t buf[TURN_BYTES];
	struct conn *c = container_of(w, struct conn, watch);
	size_t used;
	ssize_t n;

	if (revents & EPOLLOUT) {
		conn_flush(c);
		if (!c->broken && c->rest)
			take_rest(c);
		if (c->broken)
			return;
	}
	if (!(revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	/* Not read because of its unsent replies: still notice its end. */
	if (!(c->watch.events & EPOLLIN)) {
		if (!held && revents & (EPOLLHUP | EPOLLERR))
			conn_break(c);
		return;
	}
	n = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_break(c);
		return;
	}
	used = take_some(c, buf, (size_t)n);
	if (used < (size_t)n && !c->broken)
		keep_rest(c, buf + used, (size_t)n - used);
	/* An exec's secrets are not to stay until the next request. */
	explicit_bzero(buf, (size_t)n);
}

static bool
peer_is_us(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	if (cred.uid == geteuid() && cred.gid == getegid())
		return true;
	log_warn("ttrpc: connection of uid %u gid %u refused",
	    (unsigned)cred.uid, (unsigned)cred.gid);
	return false;
}

static void
conn_new(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct err e;

	if (!c) {
		log_err("ttrpc: out of memory for a connection");
		close(fd);
		return;
	}
	c->out_tail = &c->out;
	c->watch.fd = -1;
	if (loop_add(&c->watch, fd, EPOLLIN, LOOP_RPC, on_conn, &e) < 0) {
		log_err("ttrpc: %s", e.msg);
		close(fd);
		free(c);
		return;
	}
	LIST_ADD(&conns, c);
	if (nconns++ == 0 && on_idle)
		on_idle(false);
}

static void
on_accept_again(struct timer *t)
{
	(void)t;
	listen_more();
}

/*
 * End the connection that has been there longest of those that have asked
 * nothing yet: whoever keeps them open shall not keep containerd out.  One that
 * has asked, and is idle, may be containerd's, and stays; so does one whose
 * first request has come, and was not read yet.
 */
static bool
make_room(void)
{
	struct conn *c, *oldest = NULL;
	char b;

	for (c = conns; c; c = c->next) {
		if (!c->broken && !c->last_stream && !c->head_len && !c->out &&
		    !c->rest && recv(c->watch.fd, &b, 1, MSG_PEEK |
		    MSG_DONTWAIT) <= 0)
			oldest = c;
	}
	if (oldest)
		conn_break(oldest);
	return oldest != NULL;
}

static void
on_listener(struct watch *w, uint32_t revents)
{
	int fd, i;

	(void)revents;
	for (i = 0; i < ACCEPTS_A_TURN; i++) {
		fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && (errno == EAGAIN || errno == EINTR ||
		    errno == ECONNABORTED))
			return;
		if (fd < 0) {
			/* No descriptor or memory left: the connection stays
			 * in the backlog, and the loop must not spin on it. */
			log_err("ttrpc: accept: %s", strerror(errno));
			loop_mod(w, 0);
			timer_start(&accept_again, ACCEPT_AGAIN_NS,
			    on_accept_again);
			return;
		}
		if (peer_is_us(fd) && (nconns < TTRPC_CONN_MAX || make_room()))
			conn_new(fd);
		else
			close(fd);
	}
}

int
ttrpc_serve(int listenfd, const struct ttrpc_service *table,
    void (*idle)(bool no_connection), struct err *e)
{
	int flags = fcntl(listenfd, F_GETFL);

	if (flags < 0 || fcntl(listenfd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, "make the listening socket non-blocking");
	services = table;
	on_idle = idle;
	return loop_add(&listener, listenfd, EPOLLIN, LOOP_RPC, on_listener,
	    e);
}

void
ttrpc_stop_accepting(void)
{
	timer_stop(&accept_again);
	loop_close_fd(&listener);
}

void
ttrpc_close_all(void)
{
	struct conn *c, *next;

	ttrpc_stop_accepting();
	on_idle = NULL;
	for (c = conns; c; c = next) {
		next = c->next;
		conn_break(c);
	}
}

/* -- written down, and taken over ----------------------------------------- */

void
ttrpc_hold(bool hold)
{
	struct conn *c;

	held = hold;
	for (c = conns; c; c = c->next) {
		if (c->broken)
			continue;
		conn_watch(c);
		if (!hold && c->rest)
			take_rest(c);
	}
}

bool
ttrpc_accepts(void)
{
	return listener.fd >= 0;
}

static const struct save_field server_fields[] = {
	SAVE_OPEN(struct watch, fd), SAVE_SUBS, SAVE_LAST };
#define SERVER_CONN 2

static const struct save_field conn_fields[] = {
	SAVE_OPEN(struct conn, watch.fd),
	SAVE_ARRAY(struct conn, head),
	SAVE_UPTO(struct conn, head_len, TTRPC_HEADER),
	SAVE(struct conn, length), SAVE(struct conn, stream),
	SAVE(struct conn, type), SAVE(struct conn, got),
	SAVE_BYTES(struct conn, body, got), SAVE(struct conn, discard),
	SAVE_BYTES(struct conn, rest, rest_len),
	SAVE(struct conn, last_stream), SAVE_SUBS, SAVE_LAST
};
#define CONN_OUT 12

/* A call, and the place of its connection. */
struct saved_call {
	uint32_t conn, stream;
	struct timer deadline;
};

static const struct save_field call_fields[] = {
	SAVE(struct saved_call, conn), SAVE(struct saved_call, stream),
	SAVE(struct saved_call, deadline), SAVE_LAST
};

void
ttrpc_save(struct pb_out *o)
{
	const struct out *out;
	struct conn *c;
	size_t mark;

	save_put(o, server_fields, &listener);
	for (c = conns; c; c = c->next) {
		if (c->rest && c->rest_off) {
			memmove(c->rest, c->rest + c->rest_off,
			    c->rest_len - c->rest_off);
			c->rest_len -= c->rest_off;
			explicit_bzero(c->rest + c->rest_len, c->rest_off);
		}
		c->rest_off = 0;
		mark = pb_begin(o, SERVER_CONN);
		save_put(o, conn_fields, c);
		for (out = c->out; out; out = out->next)
			pb_put_bytes(o, CONN_OUT, out->p + out->off,
			    out->len - out->off);
		pb_end(o, mark);
	}
}

void
ttrpc_save_call(struct pb_out *o, uint32_t num, const struct ttrpc_call *call)
{
	struct saved_call s = { 0, call->stream, call->deadline };
	const struct conn *c;

	for (c = conns; c != call->conn; c = c->next)
		s.conn++;
	save_put_sub(o, num, call_fields, &s);
}

static int
load_out(void *arg, struct pb_bytes b, struct err *e)
{
	struct out *o = save_alloc(sizeof(*o) + b.n, e);
	struct conn *c = arg;

	if (!o)
		return -1;
	if (b.n)
		memcpy(o->p, b.p, b.n);
	o->len = b.n;
	*c->out_tail = o;
	c->out_tail = &o->next;
	c->unsent += b.n;
	unsent += b.n;
	return 0;
}

/* What has come of a request needs room for all of it. */
static int
load_body(struct conn *c, struct err *e)
{
	uint8_t *part = c->body;

	if (c->got > c->length || (part && (c->discard ||
	    c->length > TTRPC_MESSAGE_MAX)) ||
	    (c->got && (c->head_len != TTRPC_HEADER || (!part &&
	    !c->discard))))
		return save_bad(e);
	if (!part)
		return 0;
	c->body = save_alloc(c->length, e);
	if (!c->body)
		return -1;
	memcpy(c->body, part, c->got);
	fmt_wipe(part, c->got);
	bodies += c->length;
	return 0;
}

static int
load_conn(void *arg, struct pb_bytes in, struct err *e)
{
	struct conn *c = save_alloc(sizeof(*c), e), ***at = arg;

	if (!c)
		return -1;
	LIST_ADD(*at, c);
	*at = &c->next;
	nconns++;
	c->out_tail = &c->out;
	if (save_get(in, conn_fields, c, e) < 0 || load_body(c, e) < 0 ||
	    save_each(in, CONN_OUT, load_out, c, e) < 0)
		return -1;
	if (c->watch.fd < 0 || nconns > TTRPC_CONN_MAX)
		return save_bad(e);
	return save_watch(&c->watch, EPOLLONESHOT, LOOP_RPC, on_conn, e);
}

int
ttrpc_load(struct pb_bytes in, const struct ttrpc_service *table,
    void (*idle)(bool no_connection), struct err *e)
{
	struct conn **at = &conns;

	held = true;
	services = table;
	on_idle = idle;
	if (save_get(in, server_fields, &listener, e) < 0 ||
	    save_each(in, SERVER_CONN, load_conn, &at, e) < 0)
		return -1;
	if (listener.fd < 0)
		return save_bad(e);
	return save_watch(&listener, EPOLLIN, LOOP_RPC, on_listener, e);
}

struct ttrpc_call *
ttrpc_load_call(struct pb_bytes in, const char *service, const char *method,
    struct err *e)
{
	struct saved_call s = { .deadline.at_ns = 0 };
	struct ttrpc_call *call = save_alloc(sizeof(*call), e);
	struct conn *c = conns;

	if (!call || save_get(in, call_fields, &s, e) < 0)
		return NULL;
	while (c && s.conn--)
		c = c->next;
	if (!c) {
		save_bad(e);
		return NULL;
	}
	call->service = service;
	call->method = method;
	call->conn = c;
	call->stream = s.stream;
	call->deadline = s.deadline;
	save_start(&call->deadline, on_call_deadline);
	LIST_ADD(&c->calls, call);
	ncalls++;
	return call;
}

size_t
ttrpc_unsent(void)
{
	return unsent;
}

unsigned
ttrpc_connections(void)
{
	return nconns;
}

unsigned
ttrpc_calls(void)
{
	return ncalls;
}
