/* SPDX-License-Identifier: Apache-2.0 */
/* ttrpc_client: the client side of ttrpc.h, and the header of frames. */
#include "wire/ttrpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"

/* Replies to Forward are empty; what is longer is no reply for us. */
#define REPLY_MAX 65536
/* Forward is answered even when there is no memory: an answer that cannot be
 * read means sending the event again, and twice is wrong. */
#define REPLY_ROOM 256

struct ttrpc_client {
	struct sockaddr_un sun;
	struct watch watch;
	struct timer deadline;
	struct defer failed;		/* tells done() of an early failure */
	struct err err;
	bool busy;
	bool freed;			/* by the owner, while failed waits */
	uint32_t stream;
	uint8_t *out;			/* the request; kept until it is sent */
	size_t out_len;
	size_t out_off;
	uint8_t head[TTRPC_HEADER];
	size_t head_len;
	uint8_t *body;			/* room, or malloc'd */
	uint8_t room[REPLY_ROOM];
	size_t got;
	void (*done)(void *arg, const struct err *e);
	void *arg;
};

void
ttrpc_put_header(uint8_t h[TTRPC_HEADER], size_t len, uint32_t stream,
    uint8_t type)
{
	h[0] = (uint8_t)(len >> 24);
	h[1] = (uint8_t)(len >> 16);
	h[2] = (uint8_t)(len >> 8);
	h[3] = (uint8_t)len;
	h[4] = (uint8_t)(stream >> 24);
	h[5] = (uint8_t)(stream >> 16);
	h[6] = (uint8_t)(stream >> 8);
	h[7] = (uint8_t)stream;
	h[8] = type;
	h[9] = 0;
}

uint32_t
ttrpc_get_u32(const uint8_t p[4])
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

struct ttrpc_client *
ttrpc_client_new(const char *path)
{
	struct ttrpc_client *c;
	size_t n = strlen(path);

	if (n >= sizeof(c->sun.sun_path))
		return NULL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->sun.sun_family = AF_UNIX;
	memcpy(c->sun.sun_path, path, n + 1);
	c->watch.fd = -1;
	return c;
}

/* The frame that was coming in is done with. */
static void
drop_frame(struct ttrpc_client *c)
{
	if (c->body != c->room)
		free(c->body);
	c->body = NULL;
	c->head_len = 0;
}

static void
disconnect(struct ttrpc_client *c)
{
	/* Between requests too: the next connection begins with a header. */
	drop_frame(c);
	loop_close_fd(&c->watch);
	c->stream = 0;
}

/* The request has come to its end; the next one may be made from done(). */
static void
finish(struct ttrpc_client *c, const struct err *e)
{
	timer_stop(&c->deadline);
	free(c->out);
	c->out = NULL;
	c->busy = false;
	c->done(c->arg, e);
}

static void
fail(struct ttrpc_client *c, int code, const char *what)
{
	struct err e;

	disconnect(c);
	err_set(&e, code, "%s: %s", c->sun.sun_path, what);
	if (c->busy)
		finish(c, &e);
}

static void
tell_failed(struct defer *d)
{
	struct ttrpc_client *c = container_of(d, struct ttrpc_client, failed);

	if (c->freed)
		free(c);
	else if (c->busy)
		finish(c, &c->err);
}

void
ttrpc_client_free(struct ttrpc_client *c)
{
	if (!c)
		return;
	disconnect(c);
	timer_stop(&c->deadline);
	free(c->out);
	if (c->failed.fn) {
		c->freed = true;
		c->out = NULL;
	} else {
		free(c);
	}
}

/* Response {1 Status {1 code, 2 message}, 2 payload} */
int
ttrpc_read_response(struct pb_bytes in, struct pb_bytes *payload,
    struct err *e)
{
	struct pb_field r[3], status[3];

	if (pb_read(in, "-bb", r) != 0 ||
	    pb_read(r[1].b, "-nb", status) != 0)
		return err_set(e, ERR_UNAVAILABLE, "malformed reply");
	*payload = r[2].b;
	return status[1].v == 0 ? 0 : err_set(e, (int)status[1].v, "%.*s",
	    (int)status[2].b.n, (const char *)status[2].b.p);
}

static void
on_response(struct ttrpc_client *c, size_t n)
{
	uint32_t stream = ttrpc_get_u32(c->head + 4);
	bool ours = c->head[8] == TTRPC_RESPONSE && stream == c->stream &&
	    c->busy && c->out_off == c->out_len;
	struct pb_bytes payload;
	struct err e = { .code = ERR_OK };

	if (ours)
		ttrpc_read_response((struct pb_bytes){ c->body, n }, &payload,
		    &e);
	drop_frame(c);
	if (ours)
		finish(c, &e);
}

/* Read one piece; level-triggered, so the rest comes next turn. */
static void
on_readable(struct ttrpc_client *c)
{
	uint8_t none;
	size_t len;
	ssize_t n;

	if (c->head_len < TTRPC_HEADER) {
		n = recv(c->watch.fd, c->head + c->head_len,
		    TTRPC_HEADER - c->head_len, MSG_DONTWAIT);
	} else {
		len = ttrpc_get_u32(c->head);
		n = recv(c->watch.fd, c->body ? c->body + c->got : &none,
		    len - c->got, MSG_DONTWAIT);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fail(c, ERR_UNAVAILABLE, n ? strerror(errno) :
		    "connection closed");
		return;
	}
	if (c->head_len < TTRPC_HEADER) {
		c->head_len += (size_t)n;
		c->got = 0;
		if (c->head_len < TTRPC_HEADER)
			return;
		len = ttrpc_get_u32(c->head);
		if (len > REPLY_MAX) {
			fail(c, ERR_UNAVAILABLE, "reply too long");
			return;
		}
		c->body = len <= REPLY_ROOM ? c->room : malloc(len);
		if (!c->body) {
			fail(c, ERR_UNAVAILABLE, "out of memory");
			return;
		}
		if (len)
			return;
	} else {
		c->got += (size_t)n;
		len = ttrpc_get_u32(c->head);
	}
	if (c->got == len)
		on_response(c, len);
}

static void
on_writable(struct ttrpc_client *c)
{
	ssize_t n;

	if (c->out && c->out_off < c->out_len) {
		n = send(c->watch.fd, c->out + c->out_off,
		    c->out_len - c->out_off, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			fail(c, ERR_UNAVAILABLE, strerror(errno));
			return;
		}
		if (n > 0)
			c->out_off += (size_t)n;
	}
	loop_mod(&c->watch, c->out && c->out_off < c->out_len ?
	    EPOLLIN | EPOLLOUT : EPOLLIN);
}

void
ttrpc_client_ready(struct watch *w, uint32_t revents)
{
	struct ttrpc_client *c = container_of(w, struct ttrpc_client, watch);

	if (revents & EPOLLOUT)
		on_writable(c);
	if (w->fd >= 0 && (revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		on_readable(c);
}

bool
ttrpc_client_is_busy(const struct ttrpc_client *c)
{
	return c->busy || c->head_len != 0;
}

void
ttrpc_client_kept(const struct ttrpc_client *c, int *fd, uint32_t *stream)
{
	*fd = c->watch.fd;
	*stream = c->stream;
}

struct watch *
ttrpc_client_set(struct ttrpc_client *c, int fd, uint32_t stream)
{
	c->watch.fd = fd;
	c->stream = stream;
	return &c->watch;
}

static void
on_deadline(struct timer *t)
{
	fail(container_of(t, struct ttrpc_client, deadline), ERR_DEADLINE,
	    "no answer in time");
}

static int
ensure_connected(struct ttrpc_client *c, struct err *e)
{
	int fd;

	if (c->watch.fd >= 0)
		return 0;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_sys(e, "create socket");
	/* A unix socket connects at once or not at all. */
	if (connect(fd, (struct sockaddr *)&c->sun, sizeof(c->sun)) < 0) {
		err_sys(e, "connect to %s", c->sun.sun_path);
		close(fd);
		return -1;
	}
	if (loop_add(&c->watch, fd, EPOLLIN, LOOP_RPC,
	    ttrpc_client_ready, e) < 0) {
		close(fd);
		return -1;
	}
	return 0;
}

static int
encode_request(struct ttrpc_client *c, const char *service,
    const char *method, const char *namespace, const void *p, size_t n,
    int64_t timeout_ns, struct err *e)
{
	static const uint8_t room[TTRPC_HEADER];
	struct pb_out o;
	size_t mark;

	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, service);
	pb_put_str(&o, 2, method);
	pb_put_bytes(&o, 3, p, n);
	pb_put_int(&o, 4, timeout_ns);
	if (namespace && namespace[0]) {
		mark = pb_begin(&o, 5);
		pb_put_str(&o, 1, "containerd-namespace-ttrpc");
		pb_put_str(&o, 2, namespace);
		pb_end(&o, mark);
	}
	if (!o.bad)
		c->out = malloc(sizeof(room) + o.len);
	if (!c->out) {
		pb_out_free(&o);
		return err_set(e, ERR_UNAVAILABLE, "out of memory");
	}
	c->stream = c->stream ? c->stream + 2 : 1;
	ttrpc_put_header(c->out, o.len, c->stream, TTRPC_REQUEST);
	memcpy(c->out + TTRPC_HEADER, o.p, o.len);
	c->out_len = TTRPC_HEADER + o.len;
	c->out_off = 0;
	pb_out_free(&o);
	return 0;
}

int
ttrpc_client_call(struct ttrpc_client *c, const char *service,
    const char *method, const char *namespace, const void *p, size_t n,
    int64_t timeout_ns, void (*done)(void *arg, const struct err *e),
    void *arg)
{
	if (c->busy)
		return -1;
	c->busy = true;
	c->done = done;
	c->arg = arg;
	if (ensure_connected(c, &c->err) < 0 ||
	    encode_request(c, service, method, namespace, p, n, timeout_ns,
	    &c->err) < 0) {
		c->err.code = ERR_UNAVAILABLE;
		loop_defer(&c->failed, tell_failed);
		return 0;
	}
	timer_start(&c->deadline, timeout_ns, on_deadline);
	/* The first attempt from the loop too: done() never runs in here. */
	loop_mod(&c->watch, EPOLLIN | EPOLLOUT);
	return 0;
}
