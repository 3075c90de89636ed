/* SPDX-License-Identifier: Apache-2.0 */
/* client: see client.h. */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wire/pb.h"
#include "wire/ttrpc.h"

/* That of TASK_SERVICE in the environment: some shims have v3 only. */
#define TASK "containerd.task.v2.Task"
#define PROCESS_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Process"
#define SINK_CONNS 16
#define KEPT 1200

char client_error[1024];

struct kept {
	uint32_t stream;		/* 0: free */
	struct reply *r;
};

struct client {
	int fd;
	uint32_t next;
	struct kept kept[KEPT];		/* replies that came before their turn */
};

static int sink_fd = -1;
static int sink_conns[SINK_CONNS];
static unsigned sink_nconns;
static char sink_log[EVENTS_KEPT * 16];

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
unix_socket(const char *path, struct sockaddr_un *sun)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	snprintf(sun->sun_path, sizeof(sun->sun_path), "%s", path);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static bool
read_all(int fd, void *buf, size_t n)
{
	uint8_t *p = buf;
	ssize_t r;

	while (n) {
		r = recv(fd, p, n, 0);
		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

/* -- events --------------------------------------------------------------- */

static void
bytes_to(struct pb_bytes b, char *out, size_t cap)
{
	snprintf(out, cap, "%.*s", (int)b.n, (const char *)b.p);
}

/* One event as text: its name, container[/process], status of an exit. */
static void
note_event(struct pb_bytes any)
{
	char type[128] = "", id[128] = "", proc[128] = "";
	struct pb_bytes value = { 0 };
	struct pb_in in;
	struct pb_field f;
	uint64_t status = 0;
	const char *name;
	bool is_exit, is_exec;
	size_t n = strlen(sink_log);

	pb_in_init(&in, any.p, any.n);
	while (pb_next(&in, &f)) {
		if (f.num == 1)
			bytes_to(f.b, type, sizeof(type));
		else if (f.num == 2)
			value = f.b;
	}
	name = strrchr(type, '.') ? strrchr(type, '.') + 1 : type;
	is_exit = strcmp(name, "TaskExit") == 0;
	is_exec = strncmp(name, "TaskExec", 8) == 0;
	pb_in_init(&in, value.p, value.n);
	while (value.p && pb_next(&in, &f)) {
		if (f.num == 1 && f.wire == PB_BYTES)
			bytes_to(f.b, id, sizeof(id));
		else if (f.num == 2 && f.wire == PB_BYTES &&
		    (is_exit || is_exec))
			bytes_to(f.b, proc, sizeof(proc));
		else if (f.num == 4 && is_exit)
			status = f.v;
	}
	if (strcmp(proc, id) == 0)
		proc[0] = '\0';
	snprintf(sink_log + n, sizeof(sink_log) - n, "%s %s%s%s", name, id,
	    proc[0] ? "/" : "", proc);
	n = strlen(sink_log);
	if (is_exit)
		snprintf(sink_log + n, sizeof(sink_log) - n, " %u",
		    (unsigned)status);
	n = strlen(sink_log);
	snprintf(sink_log + n, sizeof(sink_log) - n, ";");
}

/* Request {3 payload}: ForwardRequest {1 Envelope {4 event}}. */
static void
take_event(const uint8_t *p, size_t n)
{
	struct pb_in in, forward, envelope;
	struct pb_field f, g, h;

	pb_in_init(&in, p, n);
	while (pb_next(&in, &f)) {
		if (f.num != 3)
			continue;
		pb_in_init(&forward, f.b.p, f.b.n);
		while (pb_next(&forward, &g)) {
			pb_in_init(&envelope, g.b.p, g.b.n);
			while (pb_next(&envelope, &h)) {
				if (h.num == 4)
					note_event(h.b);
			}
		}
	}
}

static bool
sink_take(int fd)
{
	uint8_t head[TTRPC_HEADER], *body;
	size_t n;
	bool ok;

	if (!read_all(fd, head, sizeof(head)))
		return false;
	n = ttrpc_get_u32(head);
	body = malloc(n + 1);
	ok = body && read_all(fd, body, n);
	if (ok)
		take_event(body, n);
	free(body);
	ttrpc_put_header(head, 0, ttrpc_get_u32(head + 4), TTRPC_RESPONSE);
	return ok && send(fd, head, sizeof(head), MSG_NOSIGNAL) ==
	    (ssize_t)sizeof(head);
}

/* Wait for fd (or -1) to be readable, taking events meanwhile. */
static bool
wait_readable(int fd, int ms)
{
	int64_t until = now_ms() + ms;
	struct pollfd p[SINK_CONNS + 2];
	unsigned i, n;
	int left;

	for (;;) {
		n = 0;
		p[n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = sink_fd, .events = POLLIN };
		for (i = 0; i < sink_nconns; i++)
			p[n++] = (struct pollfd){ .fd = sink_conns[i],
			    .events = POLLIN };
		left = (int)(until - now_ms());
		if (left < 0 || poll(p, n, left) <= 0)
			return false;
		for (i = 2; i < n; i++) {
			if (p[i].revents && !sink_take(p[i].fd)) {
				close(p[i].fd);
				sink_conns[i - 2] = sink_conns[--sink_nconns];
				break;
			}
		}
		if (p[1].revents && sink_nconns < SINK_CONNS)
			sink_conns[sink_nconns++] = accept(sink_fd, NULL, NULL);
		if (p[0].revents)
			return true;
		if (fd < 0)
			return true;
	}
}

void
sink_open(const char *path)
{
	struct sockaddr_un sun;

	sink_fd = unix_socket(path, &sun);
	unlink(path);
	if (bind(sink_fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    listen(sink_fd, 16) < 0)
		abort();
}

void
sink_close(void)
{
	while (sink_nconns)
		close(sink_conns[--sink_nconns]);
	close(sink_fd);
	sink_fd = -1;
}

const char *
sink_text(void)
{
	return sink_log;
}

void
sink_clear(void)
{
	sink_log[0] = '\0';
}

bool
sink_wait(const char *text, int ms)
{
	int64_t until = now_ms() + ms;

	while (!strstr(sink_log, text)) {
		if (!wait_readable(-1, (int)(until - now_ms())))
			return strstr(sink_log, text) != NULL;
	}
	return true;
}

/* -- requests ------------------------------------------------------------- */

struct client *
client_connect(const char *path)
{
	struct client *c = calloc(1, sizeof(*c));
	struct sockaddr_un sun;

	if (!c)
		abort();
	c->fd = unix_socket(path, &sun);
	c->next = 1;
	if (connect(c->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		close(c->fd);
		free(c);
		return NULL;
	}
	return c;
}

void
client_close(struct client *c)
{
	unsigned i;

	close(c->fd);
	for (i = 0; i < KEPT; i++)
		free(c->kept[i].r);
	free(c);
}

bool
client_hung_up(const struct client *c)
{
	char b;

	return recv(c->fd, &b, 1, MSG_PEEK | MSG_DONTWAIT) == 0 ||
	    errno == ECONNRESET;
}

void
client_send_raw(struct client *c, const void *p, size_t n)
{
	const char *q = p;
	ssize_t r;

	while (n && (r = send(c->fd, q, n, MSG_NOSIGNAL)) > 0) {
		q += r;
		n -= (size_t)r;
	}
}

uint32_t
client_send_full(struct client *c, const char *service, const char *method,
    const void *p, size_t n, int64_t timeout_ns)
{
	uint8_t head[TTRPC_HEADER];
	uint32_t stream = c->next;
	struct pb_out o;

	c->next += 2;
	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, service);
	pb_put_str(&o, 2, method);
	pb_put_bytes(&o, 3, p, n);
	pb_put_int(&o, 4, timeout_ns);
	ttrpc_put_header(head, o.len, stream, TTRPC_REQUEST);
	client_send_raw(c, head, sizeof(head));
	client_send_raw(c, o.p, o.len);
	pb_out_free(&o);
	return stream;
}

uint32_t
client_send(struct client *c, const char *method, const void *p, size_t n)
{
	const char *service = getenv("TASK_SERVICE");

	return client_send_full(c, service ? service : TASK, method, p, n, 0);
}

static void
decode_status(struct pb_bytes b, struct reply *r)
{
	struct pb_in in;
	struct pb_field f;

	pb_in_init(&in, b.p, b.n);
	while (pb_next(&in, &f)) {
		if (f.num == 1)
			r->code = (int)f.v;
		else if (f.num == 2)
			bytes_to(f.b, r->msg, sizeof(r->msg));
	}
}

static bool
read_reply(struct client *c, uint32_t *stream, struct reply *r)
{
	uint8_t head[TTRPC_HEADER], *body;
	struct pb_in in;
	struct pb_field f;
	size_t n;

	memset(r, 0, offsetof(struct reply, payload));
	r->n = 0;
	if (!read_all(c->fd, head, sizeof(head)))
		return false;
	n = ttrpc_get_u32(head);
	*stream = ttrpc_get_u32(head + 4);
	body = malloc(n + 1);
	if (!body || !read_all(c->fd, body, n)) {
		free(body);
		return false;
	}
	pb_in_init(&in, body, n);
	while (pb_next(&in, &f)) {
		if (f.num == 1) {
			decode_status(f.b, r);
		} else if (f.num == 2 && f.b.n <= sizeof(r->payload)) {
			memcpy(r->payload, f.b.p, f.b.n);
			r->n = f.b.n;
		}
	}
	free(body);
	return true;
}

bool
client_recv(struct client *c, uint32_t stream, struct reply *r, int ms)
{
	int64_t until = now_ms() + ms;
	uint32_t got;
	unsigned i;

	for (i = 0; i < KEPT; i++) {
		if (c->kept[i].stream == stream) {
			*r = *c->kept[i].r;
			free(c->kept[i].r);
			c->kept[i] = (struct kept){ 0 };
			return true;
		}
	}
	for (;;) {
		if (!wait_readable(c->fd, (int)(until - now_ms())) ||
		    !read_reply(c, &got, r))
			return false;
		if (got == stream)
			return true;
		for (i = 0; i < KEPT && c->kept[i].stream; i++)
			;
		if (i == KEPT)
			abort();
		c->kept[i].stream = got;
		c->kept[i].r = malloc(sizeof(*r));
		*c->kept[i].r = *r;
	}
}

static int
finish(struct client *c, uint32_t stream, struct reply *r)
{
	if (!client_recv(c, stream, r, CLIENT_WAIT_MS)) {
		snprintf(client_error, sizeof(client_error), "no reply");
		return -1;
	}
	snprintf(client_error, sizeof(client_error), "%s", r->msg);
	return r->code;
}

static int
call(struct client *c, const char *method, struct pb_out *o, struct reply *r)
{
	uint32_t stream = client_send(c, method, o->p, o->len);

	pb_out_free(o);
	return finish(c, stream, r);
}

static void
ids(struct pb_out *o, const char *id, const char *exec_id)
{
	pb_out_init(o, NULL, 0);
	pb_put_str(o, 1, id);
	pb_put_str(o, 2, exec_id);
}

/* Replies of {1 pid} (Create, Start). */
static void
decode_pid(const struct reply *r, struct task_reply *t)
{
	struct pb_in in;
	struct pb_field f;

	if (!t)
		return;
	memset(t, 0, sizeof(*t));
	pb_in_init(&in, r->payload, r->n);
	while (pb_next(&in, &f)) {
		if (f.num == 1)
			t->pid = (uint32_t)f.v;
	}
}

/* The fields of State, Delete and Wait, which number them differently. */
static void
decode_exit(const struct reply *r, struct task_reply *t, uint32_t pid,
    uint32_t status, uint32_t exit_status)
{
	struct pb_in in;
	struct pb_field f;

	if (!t)
		return;
	memset(t, 0, sizeof(*t));
	pb_in_init(&in, r->payload, r->n);
	while (pb_next(&in, &f)) {
		if (f.num == pid)
			t->pid = (uint32_t)f.v;
		else if (f.num == status)
			t->status = (uint32_t)f.v;
		else if (f.num == exit_status)
			t->exit_status = (uint32_t)f.v;
		else if (f.num == exit_status + 1)
			t->exited_at = f.b.n > 0;
	}
}

int
task_create(struct client *c, const struct create_args *a,
    struct task_reply *t)
{
	struct pb_out o, opt;
	struct reply r;
	size_t mark;
	int code;

	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, a->id);
	pb_put_str(&o, 2, a->bundle);
	if (a->rootfs) {
		mark = pb_begin(&o, 3);
		pb_put_str(&o, 1, a->rootfs);
		pb_put_str(&o, 2, a->rootfs);
		pb_end(&o, mark);
	}
	pb_put_bool(&o, 4, a->terminal);
	pb_put_str(&o, 5, a->in);
	pb_put_str(&o, 6, a->out);
	pb_put_str(&o, 7, a->err);
	if (a->checkpoint)
		pb_put_str(&o, 8, a->checkpoint);
	if (a->config_path) {
		pb_out_init(&opt, NULL, 0);
		pb_put_str(&opt, 2, a->config_path);
		pb_put_any(&o, 10, "runtimeoptions.v1.Options", opt.p,
		    opt.len);
		pb_out_free(&opt);
	}
	code = call(c, "Create", &o, &r);
	decode_pid(&r, t);
	return code;
}

/* What only has the two ids. */
static int
ask(struct client *c, const char *method, const char *id, const char *exec_id,
    struct reply *r)
{
	struct pb_out o;

	ids(&o, id, exec_id);
	return call(c, method, &o, r);
}

int
task_start(struct client *c, const char *id, const char *exec_id,
    struct task_reply *t)
{
	struct reply r;
	int code = ask(c, "Start", id, exec_id, &r);

	decode_pid(&r, t);
	return code;
}

int
task_state(struct client *c, const char *id, const char *exec_id,
    struct task_reply *t)
{
	struct reply r;
	int code = ask(c, "State", id, exec_id, &r);

	decode_exit(&r, t, 3, 4, 9);
	return code;
}

int
task_delete(struct client *c, const char *id, const char *exec_id,
    struct task_reply *t)
{
	struct reply r;
	int code = ask(c, "Delete", id, exec_id, &r);

	decode_exit(&r, t, 1, 0, 2);
	return code;
}

uint32_t
task_wait_send(struct client *c, const char *id, const char *exec_id)
{
	struct pb_out o;
	uint32_t stream;

	ids(&o, id, exec_id);
	stream = client_send(c, "Wait", o.p, o.len);
	pb_out_free(&o);
	return stream;
}

int
task_wait_recv(struct client *c, uint32_t stream, struct task_reply *t)
{
	struct reply r;
	int code = finish(c, stream, &r);

	decode_exit(&r, t, 0, 0, 1);
	return code;
}

int
task_wait(struct client *c, const char *id, const char *exec_id,
    struct task_reply *t)
{
	return task_wait_recv(c, task_wait_send(c, id, exec_id), t);
}

uint32_t
task_kill_send(struct client *c, const char *id, const char *exec_id,
    unsigned sig, bool all)
{
	struct pb_out o;
	uint32_t stream;

	ids(&o, id, exec_id);
	pb_put_uint(&o, 3, sig);
	pb_put_bool(&o, 4, all);
	stream = client_send(c, "Kill", o.p, o.len);
	pb_out_free(&o);
	return stream;
}

int
task_kill(struct client *c, const char *id, const char *exec_id,
    unsigned sig, bool all)
{
	struct reply r;

	return finish(c, task_kill_send(c, id, exec_id, sig, all), &r);
}

int
task_exec(struct client *c, const char *id, const char *exec_id,
    const char *process_json, const char *in, const char *out,
    const char *err, bool terminal)
{
	struct pb_out o;
	struct reply r;

	ids(&o, id, exec_id);
	pb_put_bool(&o, 3, terminal);
	pb_put_str(&o, 4, in);
	pb_put_str(&o, 5, out);
	pb_put_str(&o, 6, err);
	pb_put_any(&o, 7, PROCESS_TYPE, process_json, strlen(process_json));
	return call(c, "Exec", &o, &r);
}

int
task_resize(struct client *c, const char *id, const char *exec_id,
    unsigned width, unsigned height)
{
	struct pb_out o;
	struct reply r;

	ids(&o, id, exec_id);
	pb_put_uint(&o, 3, width);
	pb_put_uint(&o, 4, height);
	return call(c, "ResizePty", &o, &r);
}

int
task_close_io(struct client *c, const char *id, const char *exec_id)
{
	struct pb_out o;
	struct reply r;

	ids(&o, id, exec_id);
	pb_put_bool(&o, 3, true);
	return call(c, "CloseIO", &o, &r);
}

int
task_pids(struct client *c, const char *id, struct task_reply *t)
{
	struct pb_in in;
	struct pb_field f;
	struct reply r;
	int code = ask(c, "Pids", id, "", &r);

	memset(t, 0, sizeof(*t));
	pb_in_init(&in, r.payload, r.n);
	while (pb_next(&in, &f))
		t->npids += f.num == 1;
	return code;
}

int
task_connect(struct client *c, const char *id, struct task_reply *t)
{
	struct pb_in in;
	struct pb_field f;
	struct reply r;
	int code = ask(c, "Connect", id, "", &r);

	memset(t, 0, sizeof(*t));
	pb_in_init(&in, r.payload, r.n);
	while (pb_next(&in, &f)) {
		if (f.num == 1)
			t->shim_pid = (uint32_t)f.v;
		else if (f.num == 2)
			t->task_pid = (uint32_t)f.v;
	}
	return code;
}

int
task_checkpoint(struct client *c, const char *id, const char *path,
    bool exits)
{
	struct pb_out o, opt;
	struct reply r;

	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, id);
	pb_put_str(&o, 2, path);
	pb_out_init(&opt, NULL, 0);
	pb_put_bool(&opt, 1, exits);
	pb_put_any(&o, 3, "containerd.runc.v1.CheckpointOptions", opt.p,
	    opt.len);
	pb_out_free(&opt);
	return call(c, "Checkpoint", &o, &r);
}

int
task_update(struct client *c, const char *id, const char *resources)
{
	struct pb_out o;
	struct reply r;

	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, id);
	pb_put_any(&o, 2, "types.containerd.io/opencontainers/runtime-spec/1/"
	    "LinuxResources", resources, strlen(resources));
	return call(c, "Update", &o, &r);
}

int
task_simple(struct client *c, const char *method, const char *id)
{
	struct reply r;

	return ask(c, method, id, "", &r);
}
