/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shimctl_rpc: the connection to a shim, and the socket that events come to.
 *
 * The sink is one for the whole program.  Frames are read with blocking reads:
 * both ends run as the same user, and a sender that stops in the middle of a
 * frame is given up after SINK_STALL_S.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "conf/cmdline.h"
#include "wire/socket.h"
#include "ctl/shimctl.h"
#include "wire/ttrpc.h"

#define TASK_SERVICE "containerd.task.v2.Task"
#define SINK_STALL_S 5

static int sink_fd = -1;
static int sink_out;
static char sink_path[108];
static int sink_conns[SINK_MAX];
static unsigned sink_nconns;

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
fill_address(struct sockaddr_un *sun, const char *address, struct err *e)
{
	static const char scheme[] = "unix://";
	size_t n;

	if (strncmp(address, scheme, sizeof(scheme) - 1) == 0)
		address += sizeof(scheme) - 1;
	n = strlen(address);
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (n == 0 || n >= sizeof(sun->sun_path))
		return err_set(e, ERR_INVALID, "\"%s\" is no path of a "
		    "socket: 1 to %zu bytes are allowed", address,
		    sizeof(sun->sun_path) - 1);
	memcpy(sun->sun_path, address, n + 1);
	return 0;
}

/* 1, or 0 at the end of the stream, or -1. */
static int
read_all(int fd, void *buf, size_t n)
{
	uint8_t *p = buf;
	ssize_t r;

	while (n) {
		r = recv(fd, p, n, 0);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -1 : 0;
		p += r;
		n -= (size_t)r;
	}
	return 1;
}

static int
write_all(int fd, const void *buf, size_t n)
{
	const uint8_t *p = buf;
	ssize_t r;

	while (n) {
		r = send(fd, p, n, MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

/* -- events --------------------------------------------------------------- */

int
sink_open(const char *path, int out_fd, struct err *e)
{
	struct sockaddr_un sun;
	struct stat st;

	if (fill_address(&sun, path, e) < 0)
		return -1;
	sink_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	if (sink_fd < 0)
		return err_sys(e, "create socket");
	/* One that was killed has left its socket. */
	if (!socket_is_alive(sun.sun_path, 0) &&
	    stat(sun.sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(sun.sun_path);
	if (bind(sink_fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		err_sys(e, "listen for events on %s", sun.sun_path);
		close(sink_fd);
		sink_fd = -1;
		return -1;
	}
	memcpy(sink_path, sun.sun_path, sizeof(sink_path));
	sink_out = out_fd;
	if (listen(sink_fd, SINK_MAX) < 0) {
		err_sys(e, "listen for events on %s", sink_path);
		sink_close();
		return -1;
	}
	return 0;
}

void
sink_close(void)
{
	if (sink_fd < 0)
		return;
	while (sink_nconns)
		close(sink_conns[--sink_nconns]);
	close(sink_fd);
	sink_fd = -1;
	unlink(sink_path);
}

static void
sink_accept(void)
{
	struct timeval stall = { .tv_sec = SINK_STALL_S };
	int fd = accept4(sink_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof(stall));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof(stall));
	sink_conns[sink_nconns++] = fd;
}

/* Request {2 method, 3 payload}; false if it is no Forward. */
static bool
take_request(const uint8_t *p, size_t n)
{
	struct pb_field f[4];

	if (pb_read((struct pb_bytes){ p, n }, "--bb", f) != 0 ||
	    !pb_is(f[2].b, "Forward"))
		return false;
	if (f[3].b.n)
		show_event(sink_out, f[3].b);
	return true;
}

/* One request and its empty reply; false to be rid of the connection. */
static bool
sink_take(int fd)
{
	uint8_t head[TTRPC_HEADER], *body;
	size_t n;
	bool ok;

	if (read_all(fd, head, sizeof(head)) <= 0)
		return false;
	n = ttrpc_get_u32(head);
	body = n > TTRPC_MESSAGE_MAX ? NULL : malloc(n + 1);
	ok = body && read_all(fd, body, n) > 0 && take_request(body, n);
	free(body);
	ttrpc_put_header(head, 0, ttrpc_get_u32(head + 4), TTRPC_RESPONSE);
	return ok && write_all(fd, head, sizeof(head)) == 0;
}

int
sink_poll(struct pollfd *p, unsigned n, int ms)
{
	int64_t until = now_ms() + ms;
	unsigned i, all, conns;
	int r, left;
	bool ours;

	for (;;) {
		conns = sink_nconns;
		all = n;
		for (i = 0; i < conns; i++)
			p[all++] = (struct pollfd){ .fd = sink_conns[i],
			    .events = POLLIN };
		if (sink_fd >= 0 && conns < SINK_MAX)
			p[all++] = (struct pollfd){ .fd = sink_fd,
			    .events = POLLIN };
		left = ms < 0 ? -1 : (int)(until - now_ms());
		r = poll(p, all, ms >= 0 && left < 0 ? 0 : left);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r;
		if (all > n + conns && p[all - 1].revents)
			sink_accept();
		/* From the last, since the last takes a closed one's place. */
		for (i = conns; i-- > 0;) {
			if (!p[n + i].revents || sink_take(p[n + i].fd))
				continue;
			close(sink_conns[i]);
			sink_conns[i] = sink_conns[--sink_nconns];
		}
		ours = false;
		for (i = 0; i < n; i++)
			ours = ours || p[i].revents;
		if (ours)
			return 1;
	}
}

/* -- requests ------------------------------------------------------------- */

static int
no_answer(const struct rpc *r, struct err *e)
{
	return err_set(e, ERR_DEADLINE, "the shim at %s does not answer",
	    r->path);
}

/* The time that a shim has, for each step that blocks: one that is stopped
 * lets its backlog run full, or ends in the middle of a reply. */
static int
set_timeout(int fd, int ms)
{
	struct timeval t = { .tv_sec = ms / 1000,
		.tv_usec = ms % 1000 * 1000L };

	if (ms <= 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) < 0 ?
	    -1 : 0;
}

int
rpc_connect(struct rpc *r, const char *address, int timeout_ms, struct err *e)
{
	struct sockaddr_un sun;

	r->fd = -1;
	r->service = TASK_SERVICE;
	r->stream = 0;
	r->broken = false;
	r->timeout_ms = timeout_ms;
	if (fill_address(&sun, address, e) < 0)
		return -1;
	memcpy(r->path, sun.sun_path, sizeof(r->path));
	r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r->fd < 0)
		return err_sys(e, "create socket");
	if (set_timeout(r->fd, timeout_ms) < 0 ||
	    connect(r->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		if (errno == EAGAIN)
			no_answer(r, e);
		else
			err_sys(e, "connect to the shim at %s", r->path);
		rpc_close(r);
		return -1;
	}
	return 0;
}

void
rpc_close(struct rpc *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

int
rpc_send(struct rpc *r, const char *method, struct pb_out *o, struct err *e)
{
	uint8_t head[TTRPC_HEADER];
	struct pb_out q;
	int ret = 0;

	r->stream = r->stream ? r->stream + 2 : 1;
	pb_out_init(&q, NULL, 0);
	pb_put_str(&q, 1, r->service);
	pb_put_str(&q, 2, method);
	pb_put_bytes(&q, 3, o->p, o->len);
	if (r->timeout_ms > 0)
		pb_put_int(&q, 4, (int64_t)r->timeout_ms * 1000000);
	ttrpc_put_header(head, q.len, r->stream, TTRPC_REQUEST);
	if (o->bad || q.bad)
		ret = err_set(e, ERR_INVALID, "%s: the request is longer than "
		    "%u bytes, or there is no memory", method,
		    TTRPC_MESSAGE_MAX);
	else if (write_all(r->fd, head, sizeof(head)) < 0 ||
	    write_all(r->fd, q.p, q.len) < 0) {
		ret = err_sys(e, "%s: send to %s", method, r->path);
		r->broken = true;
	}
	pb_out_free(&q);
	pb_out_free(o);
	return ret;
}

static int
read_response(struct rpc_reply *reply, size_t n, struct err *e)
{
	if (ttrpc_read_response((struct pb_bytes){ reply->buf, n },
	    &reply->payload, e) < 0)
		return -1;
	pb_read(reply->payload, "-**********", reply->f);
	return 0;
}

int
rpc_receive(struct rpc *r, struct rpc_reply *reply, struct err *e)
{
	struct pollfd p[SINK_MAX + 2];
	uint8_t head[TTRPC_HEADER];
	size_t n;
	int rc;

	for (;;) {
		memset(reply, 0, sizeof(*reply));
		p[0] = (struct pollfd){ .fd = r->fd, .events = POLLIN };
		rc = sink_poll(p, 1, r->timeout_ms);
		if (rc == 0)
			return no_answer(r, e);
		if (rc > 0)
			rc = read_all(r->fd, head, sizeof(head));
		n = ttrpc_get_u32(head);
		if (rc > 0 && n > TTRPC_MESSAGE_MAX)
			return err_set(e, ERR_UNAVAILABLE, "%s: a reply of "
			    "%zu bytes", r->path, n);
		reply->buf = rc > 0 ? malloc(n + 1) : NULL;
		if (reply->buf)
			rc = read_all(r->fd, reply->buf, n);
		if (rc <= 0)
			r->broken = true;
		if (rc < 0 && errno == EAGAIN)
			no_answer(r, e);
		else if (rc < 0)
			err_sys(e, "read from the shim at %s", r->path);
		else if (rc == 0)
			err_set(e, ERR_UNAVAILABLE, "the shim at %s closed "
			    "the connection; it has ended, or runs as another "
			    "user or group", r->path);
		else if (!reply->buf)
			err_nomem(e);
		else if (head[8] == TTRPC_RESPONSE &&
		    ttrpc_get_u32(head + 4) == r->stream &&
		    read_response(reply, n, e) == 0)
			return 0;
		else if (head[8] != TTRPC_RESPONSE ||
		    ttrpc_get_u32(head + 4) != r->stream) {
			rpc_reply_free(reply);
			continue;
		}
		rpc_reply_free(reply);
		return -1;
	}
}

void
rpc_reply_free(struct rpc_reply *reply)
{
	free(reply->buf);
	memset(reply, 0, sizeof(*reply));
}

int
rpc_call(struct rpc *r, const char *method, struct pb_out *o,
    struct rpc_reply *reply, struct err *e)
{
	struct rpc_reply own;

	if (rpc_send(r, method, o, e) < 0 ||
	    rpc_receive(r, reply ? reply : &own, e) < 0)
		return -1;
	if (!reply)
		rpc_reply_free(&own);
	return 0;
}

int
rpc_simple(struct rpc *r, const char *method, const char *id,
    const char *exec_id, struct rpc_reply *reply, struct err *e)
{
	struct pb_out o;

	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, id);
	pb_put_str(&o, 2, exec_id);
	return rpc_call(r, method, &o, reply, e);
}

bool
rpc_closed(struct rpc *r, int ms)
{
	struct pollfd p[SINK_MAX + 2];
	char c;

	p[0] = (struct pollfd){ .fd = r->fd, .events = POLLIN };
	return sink_poll(p, 1, ms) > 0 &&
	    recv(r->fd, &c, 1, MSG_DONTWAIT) <= 0;
}
