/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events_test: the queue to a containerd that answers, refuses, is away and
 * comes back. It is played by a socket in this process, read between turns of
 * the loop. The messages are compared with recorded ones.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "events.h"
#include "base/loop.h"
#include "publish.h"
#include "wire/ttrpc.h"
#include "turns.h"

static char path[64];
static int listener = -1;
static int conn = -1;
static char got[65536];			/* names, in order */
static uint8_t last[4096];		/* the last event's message */
static size_t last_len;
static int answer_code;			/* 0: success */
static int flushed_calls;

static void
server_up(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	strcpy(sun.sun_path, path);
	unlink(path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sun,
	    sizeof(sun)), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
}

static void
server_down(void)
{
	if (conn >= 0)
		close(conn);
	if (listener >= 0)
		close(listener);
	conn = listener = -1;
	unlink(path);
}

static void
note(const uint8_t *p, size_t n)
{
	struct pb_in in, fw, env, any;
	struct pb_field f, g, h, k;
	bool ns = false, topic = false, time = false;

	pb_in_init(&in, p, n);
	while (pb_next(&in, &f)) {
		if (f.num != 3)
			continue;
		pb_in_init(&fw, f.b.p, f.b.n);
		ck_assert(pb_next(&fw, &g) && g.num == 1);
		pb_in_init(&env, g.b.p, g.b.n);
		while (pb_next(&env, &h)) {
			time |= h.num == 1 && h.b.n > 5;
			ns |= h.num == 2 && h.b.n == 2;
			topic |= h.num == 3 && h.b.p[0] == '/';
			if (h.num != 4)
				continue;
			pb_in_init(&any, h.b.p, h.b.n);
			while (pb_next(&any, &k)) {
				if (k.num == 1)
					snprintf(got + strlen(got), 64,
					    "%.*s ", (int)k.b.n - 18,
					    (const char *)k.b.p + 18);
				else {
					memcpy(last, k.b.p, k.b.n);
					last_len = k.b.n;
				}
			}
		}
	}
	ck_assert(ns && topic && time);
}

/* Read n bytes; the client has them on their way. */
static bool
read_n(uint8_t *p, size_t n)
{
	int64_t since = loop_now();
	ssize_t r;

	while (n) {
		r = recv(conn, p, n, MSG_DONTWAIT);
		if (r > 0) {
			p += r;
			n -= (size_t)r;
		} else if (r == 0 || errno != EAGAIN) {
			return false;
		} else {
			turn_once(since, "a client's bytes");
		}
	}
	return true;
}

static void
serve_once(void)
{
	uint8_t h[TTRPC_HEADER], buf[8192], out[128];
	struct pb_out o;
	uint32_t n, stream;
	size_t m;

	loop_turn(NS_PER_MS);
	if (conn < 0 && listener >= 0)
		conn = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	if (conn < 0 || recv(conn, h, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
		return;
	ck_assert(read_n(h, sizeof(h)));
	n = ttrpc_get_u32(h);
	stream = ttrpc_get_u32(h + 4);
	ck_assert(n <= sizeof(buf) && read_n(buf, n));
	note(buf, n);
	pb_out_init(&o, out, sizeof(out));
	if (answer_code) {
		m = pb_begin(&o, 1);
		pb_put_int(&o, 1, answer_code);
		pb_put_str(&o, 2, "no");
		pb_end(&o, m);
	}
	ttrpc_put_header(h, o.len, stream, TTRPC_RESPONSE);
	ck_assert_int_eq(send(conn, h, sizeof(h), MSG_NOSIGNAL),
	    (ssize_t)sizeof(h));
	if (o.len)
		ck_assert_int_eq(send(conn, o.p, o.len, MSG_NOSIGNAL),
		    (ssize_t)o.len);
}

static void
serve(int ms)
{
	int64_t until = loop_now() + ms * NS_PER_MS;

	while (loop_now() < until)
		serve_once();
}

static void
serve_until_empty(void)
{
	int64_t until = loop_now() + 10 * NS_PER_S;

	while (events_pending() && loop_now() < until)
		serve_once();
	ck_assert_uint_eq(events_pending(), 0);
}

static void
publish(const char *name)
{
	struct pb_out o;

	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, "c1");
	events_publish("/tasks/x", name, &o);
}

static void
setup(void)
{
	struct err e;

	snprintf(path, sizeof(path), "/tmp/events-test.%d", (int)getpid());
	ck_assert_int_eq(loop_init(&e), 0);
	ck_assert_int_eq(events_init(path, "ns", &e), 0);
	server_up();
	if (!freopen("/dev/null", "w", stderr))
		abort();
}

static void
teardown(void)
{
	events_close();
	loop_turn(0);
	server_down();
	loop_close();
}

START_TEST(in_order)
{
	int i;

	for (i = 0; i < 50; i++)
		publish(i % 2 ? "TaskStart" : "TaskCreate");
	serve_until_empty();
	for (i = 0; i < 25; i++)
		ck_assert(memcmp(got + i * 21, "TaskCreate TaskStart ", 21)
		    == 0);
}
END_TEST

/* Away, in the middle of it, back: nothing is lost, nothing overtakes. */
START_TEST(server_goes_and_comes)
{
	publish("TaskCreate");
	serve_until_empty();
	server_down();
	publish("TaskStart");
	publish("TaskExit");
	publish("TaskDelete");
	serve(300);
	ck_assert_str_eq(got, "TaskCreate ");
	ck_assert_uint_eq(events_pending(), 3);
	server_up();
	serve_until_empty();
	ck_assert_str_eq(got, "TaskCreate TaskStart TaskExit TaskDelete ");
	ck_assert_uint_eq(events_dropped(), 0);
}
END_TEST

/* A refusal for good drops that one; another error is tried again. */
START_TEST(refusals)
{
	publish("TaskCreate");
	publish("TaskStart");
	answer_code = ERR_UNAVAILABLE;
	serve(50);
	ck_assert_str_eq(got, "TaskCreate ");
	ck_assert_uint_eq(events_pending(), 2);
	answer_code = ERR_INVALID;
	got[0] = '\0';
	while (events_pending() == 2)
		serve_once();
	answer_code = 0;
	serve_until_empty();
	ck_assert(strcmp(got, "TaskCreate TaskStart ") == 0);
	ck_assert_uint_ge(events_dropped(), 1);
}
END_TEST

/* Full: what clients can do without goes first. */
START_TEST(overflow)
{
	int i, exits = 0;
	char *p;

	server_down();
	for (i = 0; i < EVENTS_MAX; i++)
		publish(i % 4 ? "TaskExecAdded" : "TaskExit");
	for (i = 0; i < 100; i++)
		publish("TaskExit");
	ck_assert_uint_eq(events_pending(), EVENTS_MAX);
	ck_assert_uint_eq(events_dropped(), 100);
	server_up();
	serve_until_empty();
	for (p = got; (p = strstr(p, "TaskExit")); p++)
		exits++;
	ck_assert_int_eq(exits, EVENTS_MAX / 4 + 100);
}
END_TEST

static void
on_flushed(void)
{
	flushed_calls++;
}

START_TEST(flush)
{
	flushed_calls = 0;
	events_flush(NS_PER_S, on_flushed);
	ck_assert_int_eq(flushed_calls, 0);
	loop_turn(0);
	ck_assert_int_eq(flushed_calls, 1);
	publish("TaskExit");
	events_flush(NEVER_NS, on_flushed);
	serve_until_empty();
	ck_assert_int_eq(flushed_calls, 2);
	server_down();
	publish("TaskExit");
	events_flush(50 * NS_PER_MS, on_flushed);
	serve(200);
	ck_assert_int_eq(flushed_calls, 3);
}
END_TEST

START_TEST(nobody_wants_them)
{
	struct err e;

	events_close();
	ck_assert_int_eq(events_init("", "ns", &e), 0);
	publish("TaskExit");
	ck_assert_uint_eq(events_pending(), 0);
	ck_assert_uint_eq(events_dropped(), 0);
	events_close();
	ck_assert_int_eq(events_init(NULL, "ns", &e), 0);
	publish("TaskExit");
	ck_assert_uint_eq(events_pending(), 0);
}
END_TEST

/* -- the messages --------------------------------------------------------- */

/* Message of a recorded Forward: Request 3, ForwardRequest 1, Envelope 4, Any
 * 2. */
static struct pb_bytes
golden(const char *name)
{
	static const uint32_t way[] = { 3, 1, 4, 2 };
	static uint8_t frame[4096];
	char file[64];
	struct pb_bytes b;
	struct pb_field f;
	struct pb_in in;
	unsigned byte;
	size_t n = 0, i;
	FILE *fp;

	snprintf(file, sizeof(file), "tests/golden/event/%s.hex", name);
	fp = fopen(file, "r");
	ck_assert_msg(fp != NULL, "%s", file);
	while (n < sizeof(frame) && fscanf(fp, "%2x", &byte) == 1)
		frame[n++] = (uint8_t)byte;
	fclose(fp);
	b = (struct pb_bytes){ frame + TTRPC_HEADER, n - TTRPC_HEADER };
	for (i = 0; i < 4; i++) {
		pb_in_init(&in, b.p, b.n);
		do {
			ck_assert(pb_next(&in, &f));
		} while (f.num != way[i]);
		b = f.b;
	}
	return b;
}

/* Field num of message b as a number, or of its Timestamp in ns. */
static int64_t
number(struct pb_bytes b, uint32_t num)
{
	struct pb_field f, g;
	struct pb_in in, t;
	int64_t v = 0;

	pb_in_init(&in, b.p, b.n);
	while (pb_next(&in, &f)) {
		if (f.num != num)
			continue;
		if (f.wire == PB_VARINT)
			return (int64_t)f.v;
		pb_in_init(&t, f.b.p, f.b.n);
		while (pb_next(&t, &g))
			v += (int64_t)g.v * (g.num == 1 ? NS_PER_S : 1);
	}
	return v;
}

static void
same_as(const char *name)
{
	struct pb_bytes b = golden(name);

	serve_until_empty();
	ck_assert_msg(last_len == b.n && memcmp(last, b.p, b.n) == 0,
	    "%s is encoded otherwise", name);
}

START_TEST(golden_events)
{
	struct container ct = { .id = (char *)"det" };
	struct process *init = &ct.init;
	struct process x = { .kind = PROC_EXEC, .ct = &ct,
		.exec_id = (char *)"e1" };
	struct create_request c = { .checkpoint = "" };
	struct pb_bytes b = golden("TaskCreate");
	char bundle[256], fifo[3][256];
	struct pb_field f, g;
	struct pb_in in, io;

	init->ct = &ct;
	init->exec_id = (char *)"";
	pb_in_init(&in, b.p, b.n);
	while (pb_next(&in, &f)) {
		if (f.num == 2)
			snprintf(bundle, sizeof(bundle), "%.*s", (int)f.b.n,
			    (const char *)f.b.p);
		if (f.num != 4)
			continue;
		pb_in_init(&io, f.b.p, f.b.n);
		while (pb_next(&io, &g))
			snprintf(fifo[g.num - 1], sizeof(fifo[0]), "%.*s",
			    (int)g.b.n, (const char *)g.b.p);
	}
	ct.bundle = bundle;
	init->in = fifo[0];
	init->out = fifo[1];
	init->err = fifo[2];
	init->pid = (pid_t)number(b, 6);
	publish_prepare_create(&ct, &c);
	publish_create(&ct);
	same_as("TaskCreate");
	publish_event(PUBLISH_START, init);
	same_as("TaskStart");
	publish_event(PUBLISH_EXEC_ADDED, &x);
	same_as("TaskExecAdded");
	x.pid = (pid_t)number(golden("TaskExecStarted"), 3);
	publish_event(PUBLISH_EXEC_STARTED, &x);
	same_as("TaskExecStarted");
	/* The first recorded exit is that of the exec. */
	x.exit_status = (unsigned)number(golden("TaskExit"), 4);
	x.exited_at = number(golden("TaskExit"), 5);
	publish_event(PUBLISH_EXIT, &x);
	same_as("TaskExit");
	publish_event(PUBLISH_PAUSED, init);
	same_as("TaskPaused");
	publish_event(PUBLISH_RESUMED, init);
	same_as("TaskResumed");
	init->exit_status = (unsigned)number(golden("TaskDelete"), 3);
	init->exited_at = number(golden("TaskDelete"), 4);
	publish_event(PUBLISH_DELETE, init);
	same_as("TaskDelete");
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, in_order, server_goes_and_comes, refusals, overflow,
	    flush, nobody_wants_them, golden_events);
}

int
main(void)
{
	return suite_run("events", setup, teardown, add);
}
