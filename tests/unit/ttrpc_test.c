/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc_test: the server over a real socket, by frames: those recorded from
 * real containerds, and wrong ones. Golden frames are found below the working
 * directory, in tests/golden.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"
#include "wire/pb.h"
#include "wire/ttrpc.h"
#include "turns.h"

static char path[64];
static int fd;			/* the client's end */
static struct ttrpc_call *held[TTRPC_CALLS_MAX];
static unsigned nheld;
static unsigned gone_calls;
static char last_method[128];
static uint8_t last_payload[TTRPC_MESSAGE_MAX];
static size_t last_len;
static unsigned ncalls;

/* -- a service ------------------------------------------------------------ */

static void
echo(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct pb_bytes b = m->whole;

	(void)row;
	snprintf(last_method, sizeof(last_method), "%s",
	    ttrpc_call_name(call));
	memcpy(last_payload, b.p ? b.p : (const uint8_t *)"", b.n);
	last_len = b.n;
	ncalls++;
	ttrpc_reply(call, b.p, b.n);
}

static void
on_gone(void *arg)
{
	(void)arg;
	gone_calls++;
}

static void
hold(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct pb_bytes b = m->whole;

	(void)row;
	(void)b;
	ttrpc_on_gone(call, on_gone, call);
	held[nheld++] = call;
}

static void
refuse(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct pb_bytes b = m->whole;
	struct err e;

	(void)row;
	err_set(&e, ERR_NOT_FOUND, b.n ? "x: not found" : "no x");
	ttrpc_fail(call, &e);
}

static void
big(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct pb_bytes b = m->whole;
	char *p = calloc(1, TTRPC_MESSAGE_MAX);

	(void)row;
	ttrpc_reply(call, p, TTRPC_MESSAGE_MAX - (b.n ? 6 : 0));
	free(p);
}

#define TASK(m) { .name = m, .fn = echo }
static const struct ttrpc_method methods[] = {
	TASK("State"), TASK("Create"), TASK("Start"), TASK("Delete"),
	TASK("Pids"), TASK("Pause"), TASK("Resume"), TASK("Checkpoint"),
	TASK("Kill"), TASK("Exec"), TASK("ResizePty"), TASK("CloseIO"),
	TASK("Update"), TASK("Wait"), TASK("Stats"), TASK("Connect"),
	TASK("Shutdown"), { .name = "Hold", .fn = hold }, { .name = "Refuse", .fn = refuse },
	{ .name = "Big", .fn = big }, { .name = "Begin", .fn = echo, .begins = true }, { .name = NULL },
};
static const struct ttrpc_service services[] = {
	{ "containerd.task.v2.Task", methods },
	{ "containerd.task.v3.Task", methods },
	{ NULL, NULL },
};

/* -- a client ------------------------------------------------------------- */

static int
connect_unseen(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sun.sun_path, path);
	ck_assert_int_eq(connect(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
	fcntl(s, F_SETFL, O_NONBLOCK);
	return s;
}

static int
connect_client(void)
{
	int s = connect_unseen();

	loop_turn(0);
	return s;
}

static void
send_all(const void *p, size_t n)
{
	const uint8_t *q = p;
	ssize_t r;

	while (n) {
		r = send(fd, q, n, MSG_NOSIGNAL);
		if (r > 0) {
			q += r;
			n -= (size_t)r;
		} else {
			ck_assert_int_eq(errno, EAGAIN);
			loop_turn(0);
		}
	}
}

static void
recv_all(void *p, size_t n)
{
	int64_t since = loop_now();
	uint8_t *q = p;
	ssize_t r;

	while (n) {
		r = recv(fd, q, n, 0);
		if (r > 0) {
			q += r;
			n -= (size_t)r;
			continue;
		}
		ck_assert_msg(r < 0 && errno == EAGAIN, "closed");
		turn_once(since, "an answer");
	}
}

struct answer {
	uint32_t stream;
	int code;
	char msg[256];
	size_t payload;
};

static struct answer
answer(void)
{
	static uint8_t body[TTRPC_MESSAGE_MAX];
	struct answer a = { 0 };
	struct pb_in in, st;
	struct pb_field f, g;
	uint8_t h[TTRPC_HEADER];
	size_t n;

	recv_all(h, sizeof(h));
	ck_assert_int_eq(h[8], TTRPC_RESPONSE);
	ck_assert_int_eq(h[9], 0);
	n = ttrpc_get_u32(h);
	a.stream = ttrpc_get_u32(h + 4);
	ck_assert_uint_le(n, sizeof(body));
	recv_all(body, n);
	pb_in_init(&in, body, n);
	while (pb_next(&in, &f)) {
		if (f.num == 2)
			a.payload = f.b.n;
		if (f.num != 1)
			continue;
		pb_in_init(&st, f.b.p, f.b.n);
		while (pb_next(&st, &g)) {
			if (g.num == 1)
				a.code = (int)g.v;
			else
				snprintf(a.msg, sizeof(a.msg), "%.*s",
				    (int)g.b.n, (const char *)g.b.p);
		}
	}
	ck_assert(!in.bad);
	return a;
}

static size_t
make_request(uint8_t *buf, size_t cap, uint32_t stream, const char *service,
    const char *method, size_t payload, int64_t timeout)
{
	static const uint8_t zeros[TTRPC_MESSAGE_MAX];
	struct pb_out o;
	size_t n;

	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, service);
	pb_put_str(&o, 2, method);
	pb_put_bytes(&o, 3, zeros, payload);
	pb_put_int(&o, 4, timeout);
	ck_assert(!o.bad && o.len + TTRPC_HEADER <= cap);
	ttrpc_put_header(buf, o.len, stream, TTRPC_REQUEST);
	memcpy(buf + TTRPC_HEADER, o.p, o.len);
	n = o.len + TTRPC_HEADER;
	pb_out_free(&o);
	return n;
}

static void
ask(uint32_t stream, const char *method, size_t payload, int64_t timeout)
{
	static uint8_t buf[TTRPC_MESSAGE_MAX + 64];

	send_all(buf, make_request(buf, sizeof(buf), stream,
	    "containerd.task.v2.Task", method, payload, timeout));
}

static void
setup(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct err e;
	int l;

	ck_assert_int_eq(loop_init(&e), 0);
	snprintf(path, sizeof(path), "/tmp/ttrpc-test.%d", (int)getpid());
	strcpy(sun.sun_path, path);
	l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(path);
	ck_assert_int_eq(bind(l, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(l, 500), 0);
	ck_assert_int_eq(ttrpc_serve(l, services, NULL, &e), 0);
	fd = connect_client();
	nheld = gone_calls = ncalls = 0;
}

static void
teardown(void)
{
	close(fd);
	ttrpc_close_all();
	loop_turn(0);
	ck_assert_uint_eq(ttrpc_connections(), 0);
	ck_assert_uint_eq(ttrpc_calls(), 0);
	ck_assert_uint_eq(ttrpc_unsent(), 0);
	loop_close();
	unlink(path);
}

/* -- golden frames -------------------------------------------------------- */

static size_t
read_hex(const char *name, uint8_t *out, size_t cap)
{
	FILE *f = fopen(name, "r");
	unsigned byte;
	size_t n = 0;

	ck_assert_msg(f != NULL, "%s", name);
	while (n < cap && fscanf(f, "%2x", &byte) == 1)
		out[n++] = (uint8_t)byte;
	fclose(f);
	return n;
}

/* The payload of a frame that was recorded, by its own length fields. */
static struct pb_bytes
payload_of(const uint8_t *frame, size_t n)
{
	struct pb_bytes b = { 0 };
	struct pb_field f;
	struct pb_in in;

	pb_in_init(&in, frame + TTRPC_HEADER, n - TTRPC_HEADER);
	while (pb_next(&in, &f)) {
		if (f.num == 3)
			b = f.b;
	}
	return b;
}

START_TEST(golden_requests)
{
	static const char *const dirs[] = { "1.6.20", "1.7.24", "2.1.9",
		"cri-1.7.24", "cri-2.1.9", "docker-20.10.24",
		"docker-28.5.2" };
	static uint8_t frame[65536];
	char dir[64], name[400], want[64];
	struct pb_bytes payload;
	struct answer a;
	struct dirent *d;
	uint32_t stream = 1;
	unsigned seen = 0;
	size_t i, n;
	DIR *dp;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(dir, sizeof(dir), "tests/golden/%s", dirs[i]);
		dp = opendir(dir);
		ck_assert_msg(dp != NULL, "%s", dir);
		while ((d = readdir(dp))) {
			if (strncmp(d->d_name, "req-", 4) != 0)
				continue;
			snprintf(name, sizeof(name), "%s/%s", dir, d->d_name);
			n = read_hex(name, frame, sizeof(frame));
			ck_assert_uint_eq(ttrpc_get_u32(frame) + TTRPC_HEADER,
			    n);
			/* Recorded on many connections: number them anew. */
			ttrpc_put_header(frame, n - TTRPC_HEADER, stream,
			    frame[8]);
			ncalls = 0;
			send_all(frame, n);
			a = answer();
			ck_assert_msg(a.code == 0, "%s: %s", name, a.msg);
			ck_assert_uint_eq(a.stream, stream);
			ck_assert_uint_eq(ncalls, 1);
			snprintf(want, sizeof(want), "/%.*s",
			    (int)strlen(d->d_name) - 8, d->d_name + 4);
			ck_assert_msg(strstr(last_method, want) != NULL,
			    "%s: %s", name, last_method);
			payload = payload_of(frame, n);
			ck_assert_uint_eq(last_len, payload.n);
			ck_assert(memcmp(last_payload, payload.p,
			    payload.n) == 0);
			stream += 2;
			seen++;
		}
		closedir(dp);
	}
	ck_assert_uint_ge(seen, 80);
}
END_TEST

/* The reference's bytes, split at every place. */
START_TEST(split_anywhere)
{
	static const uint8_t frame[] = {
		0, 0, 0, 0x55, 0, 0, 0, 1, 1, 0, 0x0a, 0x17, 'c', 'o', 'n',
		't', 'a', 'i', 'n', 'e', 'r', 'd', '.', 't', 'a', 's', 'k',
		'.', 'v', '2', '.', 'T', 'a', 's', 'k', 0x12, 7, 'C', 'o',
		'n', 'n', 'e', 'c', 't', 0x1a, 5, 0x0a, 3, 'a', 'b', 'c',
		0x20, 0x80, 0xe4, 0x97, 0xd0, 0x12, 0x2a, 0x24, 0x0a, 0x1a,
		'c', 'o', 'n', 't', 'a', 'i', 'n', 'e', 'r', 'd', '-', 'n',
		'a', 'm', 'e', 's', 'p', 'a', 'c', 'e', '-', 't', 't', 'r',
		'p', 'c', 0x12, 6, 'k', '8', 's', '.', 'i', 'o',
	};
	uint8_t copy[sizeof(frame)];
	uint32_t stream = 1;
	size_t i;

	ck_assert_uint_eq(sizeof(frame), 0x55 + TTRPC_HEADER);
	for (i = 1; i < sizeof(frame); i++, stream += 2) {
		memcpy(copy, frame, sizeof(frame));
		ttrpc_put_header(copy, 0x55, stream, TTRPC_REQUEST);
		send_all(copy, i);
		loop_turn(0);
		loop_turn(0);
		send_all(copy + i, sizeof(frame) - i);
		ck_assert_uint_eq(answer().payload, 5);
		ck_assert_str_eq(last_method,
		    "containerd.task.v2.Task/Connect");
		ck_assert(memcmp(last_payload, "\x0a\x03" "abc", 5) == 0);
	}
}
END_TEST

START_TEST(many_in_one_write)
{
	static uint8_t buf[100000];
	size_t n = 0, i;

	for (i = 0; i < 500; i++)
		n += make_request(buf + n, sizeof(buf) - n,
		    (uint32_t)(2 * i + 1), "containerd.task.v3.Task", "State",
		    5, 0);
	send_all(buf, n);
	for (i = 0; i < 500; i++)
		ck_assert_uint_eq(answer().stream, 2 * i + 1);
}
END_TEST

/* -- what is wrong -------------------------------------------------------- */

START_TEST(size_limit)
{
	static uint8_t zeros[TTRPC_MESSAGE_MAX + 1];
	struct answer a;
	uint8_t h[TTRPC_HEADER];

	/* Exactly the limit: service, method and tags take 39 bytes. */
	ask(1, "State", TTRPC_MESSAGE_MAX - 37 - 5, 0);
	a = answer();
	ck_assert_int_eq(a.code, 0);
	ck_assert_uint_gt(a.payload, TTRPC_MESSAGE_MAX - 100);
	ttrpc_put_header(h, TTRPC_MESSAGE_MAX + 1, 3, TTRPC_REQUEST);
	send_all(h, sizeof(h));
	send_all(zeros, TTRPC_MESSAGE_MAX + 1);
	a = answer();
	ck_assert_uint_eq(a.stream, 3);
	ck_assert_int_eq(a.code, ERR_EXHAUSTED);
	ck_assert_str_eq(a.msg, "message length 4194305 exceed maximum message "
	    "size of 4194304");
	/* And it goes on. */
	ask(5, "State", 1, 0);
	ck_assert_int_eq(answer().code, 0);
	/* A reply that is too long. */
	ask(7, "Big", 0, 0);
	ck_assert_int_eq(answer().code, ERR_EXHAUSTED);
	ask(9, "Big", 1, 0);
	ck_assert_uint_eq(answer().payload, TTRPC_MESSAGE_MAX - 6);
}
END_TEST

START_TEST(stream_rules)
{
	uint8_t h[TTRPC_HEADER];
	struct answer a;

	ask(5, "State", 0, 0);
	ck_assert_int_eq(answer().code, 0);
	ask(5, "State", 0, 0);
	a = answer();
	ck_assert_int_eq(a.code, ERR_INVALID);
	ck_assert_str_eq(a.msg,
	    "StreamID cannot be re-used and must increment");
	ask(3, "State", 0, 0);
	ck_assert_int_eq(answer().code, ERR_INVALID);
	ask(8, "State", 0, 0);
	a = answer();
	ck_assert_uint_eq(a.stream, 8);
	ck_assert_str_eq(a.msg,
	    "StreamID must be odd for client initiated streams");
	ttrpc_put_header(h, 0, 9, TTRPC_DATA);
	send_all(h, sizeof(h));
	ck_assert_str_eq(answer().msg, "StreamID is no longer active");
	/* Other types are ignored. */
	ttrpc_put_header(h, 0, 11, 77);
	send_all(h, sizeof(h));
	ask(13, "State", 0, 0);
	ck_assert_uint_eq(answer().stream, 13);
}
END_TEST

START_TEST(bad_requests)
{
	uint8_t buf[256];
	struct answer a;
	size_t n;

	n = make_request(buf, sizeof(buf), 1, "containerd.task.v1.Task",
	    "State", 0, 0);
	send_all(buf, n);
	a = answer();
	ck_assert_int_eq(a.code, ERR_UNIMPLEMENTED);
	ck_assert_str_eq(a.msg, "service containerd.task.v1.Task");
	ask(3, "Stat", 0, 0);
	a = answer();
	ck_assert_int_eq(a.code, ERR_UNIMPLEMENTED);
	ck_assert_str_eq(a.msg, "method Stat");
	ttrpc_put_header(buf, 2, 5, TTRPC_REQUEST);
	memcpy(buf + TTRPC_HEADER, "\x0a\x09", 2);
	send_all(buf, TTRPC_HEADER + 2);
	a = answer();
	ck_assert_int_eq(a.code, ERR_INVALID);
	ck_assert(strncmp(a.msg, "unmarshal request error: ", 25) == 0);
	/* That id counts as used. */
	ask(5, "State", 0, 0);
	ck_assert_int_eq(answer().code, ERR_INVALID);
	/* Nothing at all: no service. */
	ttrpc_put_header(buf, 0, 7, TTRPC_REQUEST);
	send_all(buf, TTRPC_HEADER);
	ck_assert_int_eq(answer().code, ERR_UNIMPLEMENTED);
}
END_TEST

/* The end of an error's text, as containerd's clients know it. */
START_TEST(error_suffix)
{
	ask(1, "Refuse", 0, 0);
	ck_assert_str_eq(answer().msg, "no x: not found");
	ask(3, "Refuse", 1, 0);
	ck_assert_str_eq(answer().msg, "x: not found");
}
END_TEST

/* -- replies, late and never ---------------------------------------------- */

START_TEST(out_of_order)
{
	ask(1, "Hold", 0, 0);
	ask(3, "Hold", 0, 0);
	ask(5, "State", 0, 0);
	ck_assert_uint_eq(answer().stream, 5);
	ck_assert_uint_eq(nheld, 2);
	ttrpc_reply(held[1], "x", 1);
	ck_assert_uint_eq(answer().stream, 3);
	ttrpc_reply(held[0], NULL, 0);
	ck_assert_uint_eq(answer().stream, 1);
	ck_assert_uint_eq(gone_calls, 0);
}
END_TEST

START_TEST(deadlines)
{
	struct answer a;

	ask(1, "Hold", 0, 30 * NS_PER_MS);
	a = answer();
	ck_assert_int_eq(a.code, ERR_DEADLINE);
	ck_assert_str_eq(a.msg, "context deadline exceeded");
	ck_assert_uint_eq(gone_calls, 1);
	/* Over before it began; and one that never is. */
	ask(3, "Hold", 0, -1);
	ck_assert_int_eq(answer().code, ERR_DEADLINE);
	ask(5, "Hold", 0, INT64_MAX);
	ask(7, "State", 0, 0);
	ck_assert_uint_eq(answer().stream, 7);
	ck_assert_uint_eq(ttrpc_calls(), 1);
}
END_TEST

START_TEST(client_leaves)
{
	ask(1, "Hold", 0, 0);
	ask(3, "Hold", 0, 0);
	ask(5, "State", 0, 0);
	ck_assert_uint_eq(answer().stream, 5);
	close(fd);
	turn_until(gone_calls == 2);
	ck_assert_uint_eq(ttrpc_connections(), 0);
	fd = connect_client();
	ask(1, "State", 0, 0);
	ck_assert_int_eq(answer().code, 0);
}
END_TEST

/* It asks and asks and reads nothing: it is not read any more, memory is
 * bounded, and everything is answered once it reads. */
START_TEST(back_pressure)
{
	static uint8_t one[4096];
	size_t n, off = 0, most = 0;
	uint32_t stream = 1, answered = 0;
	int stuck = 0;
	ssize_t r;

	n = make_request(one, sizeof(one), stream, "containerd.task.v2.Task",
	    "State", 3000, 0);
	while (stuck < 50) {
		r = send(fd, one + off, n - off, MSG_NOSIGNAL);
		if (r < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			stuck += loop_turn(0) == 0;
		} else if ((off += (size_t)r) == n) {
			off = 0;
			stream += 2;
			ck_assert_uint_lt(stream, 20001);
			n = make_request(one, sizeof(one), stream,
			    "containerd.task.v2.Task", "State", 3000, 0);
		}
		if (ttrpc_unsent() > most)
			most = ttrpc_unsent();
	}
	ck_assert_uint_gt(most, 1u << 20);
	ck_assert_uint_lt(most, 2u << 20);
	/* Nothing runs for it meanwhile. */
	come_to_rest();
	while (2 * answered + 1 < stream) {
		ck_assert_uint_eq(answer().stream, 2 * answered + 1);
		answered++;
	}
	ck_assert_uint_eq(ttrpc_unsent(), 0);
}
END_TEST

/* 13.29: one read brings hundreds of requests whose replies are megabytes:
 * the bound counts between them, and each is answered once the client reads. */
START_TEST(back_pressure_in_one_read)
{
	static uint8_t buf[16384];
	uint32_t stream, want;
	size_t n = 0;
	int i;

	for (stream = 1; n + 64 < sizeof(buf) - 64; stream += 2)
		n += make_request(buf + n, sizeof(buf) - n, stream,
		    "containerd.task.v2.Task", "Big", 1, 0);
	ck_assert_uint_gt(stream, 200);
	/* The last one in two pieces. */
	send_all(buf, n - 5);
	for (i = 0; i < 100; i++)
		loop_turn(0);
	ck_assert_uint_gt(ttrpc_unsent(), 1u << 20);
	ck_assert_uint_le(ttrpc_unsent(), (1u << 20) + TTRPC_MESSAGE_MAX +
	    TTRPC_HEADER);
	come_to_rest();
	ck_assert_int_eq(send(fd, buf + n - 5, 5, MSG_NOSIGNAL), 5);
	for (want = 1; want < stream; want += 2) {
		ck_assert_uint_eq(answer().stream, want);
		ck_assert_uint_le(ttrpc_unsent(), (1u << 20) +
		    TTRPC_MESSAGE_MAX + TTRPC_HEADER);
	}
	ck_assert_uint_eq(ttrpc_unsent(), 0);
	ask(stream, "State", 10, 0);
	ck_assert_uint_eq(answer().payload, 10);
}
END_TEST

/* 13.29: a client that leaves while what it asked is kept. */
START_TEST(leaves_with_requests_kept)
{
	static uint8_t buf[16384];
	uint32_t stream;
	size_t n = 0;
	int i;

	for (stream = 1; stream < 41; stream += 2)
		n += make_request(buf + n, sizeof(buf) - n, stream,
		    "containerd.task.v2.Task", "Big", 1, 0);
	send_all(buf, n);
	for (i = 0; i < 10; i++)
		loop_turn(0);
	close(fd);
	for (i = 0; i < 10; i++)
		loop_turn(0);
	ck_assert_uint_eq(ttrpc_connections(), 0);
	ck_assert_uint_eq(ttrpc_unsent(), 0);
	fd = connect_client();
}
END_TEST

/* 13.6: who is connected may finish, and begins nothing new. */
START_TEST(nothing_begins_after_the_end)
{
	struct answer a;

	ask(1, "Begin", 1, 0);
	ck_assert_int_eq(answer().code, 0);
	ttrpc_stop_accepting();
	ask(3, "Begin", 1, 0);
	a = answer();
	ck_assert_int_eq(a.code, ERR_UNAVAILABLE);
	ck_assert_str_eq(a.msg, "containerd.task.v2.Task/Begin: this shim is "
	    "shutting down: unavailable");
	ask(5, "State", 1, 0);
	ck_assert_int_eq(answer().code, 0);
}
END_TEST

START_TEST(too_many_calls)
{
	uint32_t i;

	for (i = 0; i < TTRPC_CALLS_MAX; i++) {
		ask(2 * i + 1, "Hold", 0, 0);
		loop_turn(0);
	}
	while (nheld < TTRPC_CALLS_MAX)
		loop_turn(0);
	ask(2 * i + 1, "Hold", 0, 0);
	ck_assert_int_eq(answer().code, ERR_EXHAUSTED);
	ck_assert_uint_eq(nheld, TTRPC_CALLS_MAX);
}
END_TEST

/* 13.28: those that have asked nothing give way, the oldest first; those that
 * have stay, and then a new one is told at once. */
START_TEST(too_many_connections)
{
	static int fds[TTRPC_CONN_MAX + 4];
	struct pollfd p = { .events = POLLIN };
	int i;
	char x;

	for (i = 0; i < TTRPC_CONN_MAX + 4; i++) {
		fds[i] = connect_client();
		loop_turn(0);
	}
	for (i = 0; i < 100; i++)
		loop_turn(0);
	ck_assert_uint_eq(ttrpc_connections(), TTRPC_CONN_MAX);
	/* The test's own, which has not asked either, was the very first. */
	for (i = 0; i < TTRPC_CONN_MAX + 4; i++) {
		p.fd = fds[i];
		ck_assert_int_eq(poll(&p, 1, 0), i < 4);
	}
	for (i = 4; i < TTRPC_CONN_MAX + 4; i++) {
		fd = fds[i];
		ask(1, "State", 0, 0);
		ck_assert_int_eq(answer().code, 0);
	}
	fds[0] = connect_client();
	for (i = 0; i < 100; i++)
		loop_turn(0);
	ck_assert_int_eq(read(fds[0], &x, 1), 0);
	ck_assert_uint_eq(ttrpc_connections(), TTRPC_CONN_MAX);
	for (i = 0; i < TTRPC_CONN_MAX + 4; i++)
		close(fds[i]);
	for (i = 0; i < 100; i++)
		loop_turn(0);
	ck_assert_uint_eq(ttrpc_connections(), 0);
	fd = connect_client();
	ask(1, "State", 0, 0);
	ck_assert_int_eq(answer().code, 0);
}
END_TEST

/* 13.28: who has asked, but was not read yet, gives way to nobody. */
START_TEST(asked_and_not_read)
{
	static int fds[TTRPC_CONN_MAX];
	int i;

	for (i = 0; i < TTRPC_CONN_MAX - 1; i++) {
		fds[i] = connect_client();
		loop_turn(0);
	}
	for (i = 0; i < 100; i++)
		loop_turn(0);
	ck_assert_uint_eq(ttrpc_connections(), TTRPC_CONN_MAX);
	/* The oldest asks; the listener comes first in the turn. */
	fds[i] = connect_unseen();
	ask(1, "State", 0, 0);
	ck_assert_int_eq(answer().code, 0);
	for (i = 0; i < TTRPC_CONN_MAX; i++)
		close(fds[i]);
}
END_TEST

/* Nor does who has asked while nobody is served. */
START_TEST(asked_and_kept)
{
	static int fds[TTRPC_CONN_MAX];
	int i, own;

	ttrpc_hold(true);
	own = fd = connect_client();
	ask(1, "State", 0, 0);
	come_to_rest();
	for (i = 0; i < TTRPC_CONN_MAX; i++)
		fds[i] = connect_client();
	come_to_rest();
	ttrpc_hold(false);
	fd = own;
	ck_assert_int_eq(answer().code, 0);
	for (i = 0; i < TTRPC_CONN_MAX; i++)
		close(fds[i]);
}
END_TEST

/* Long requests that never come to their end hold a bounded amount; one more is
 * refused, short ones are not, and once they are gone all is as before. */
START_TEST(half_requests)
{
	static uint8_t big[TTRPC_MESSAGE_MAX + 64];
	size_t n = make_request(big, sizeof(big), 1, "containerd.task.v2.Task",
	    "State", 3u << 20, 0);
	int half[40], own = fd, i, k;
	struct answer a;

	for (i = 0; i < 40; i++) {
		fd = half[i] = connect_client();
		send_all(big, 100000);
		for (k = 0; k < 20; k++)
			loop_turn(0);
	}
	/* The eleventh and later ones are read to their end, and dropped. */
	send_all(big + 100000, n - 100000);
	a = answer();
	ck_assert_int_eq(a.code, ERR_EXHAUSTED);
	fd = own;
	ask(1, "State", 30000, 0);
	ck_assert_int_eq(answer().code, 0);
	for (i = 0; i < 40; i++)
		close(half[i]);
	for (k = 0; k < 200; k++)
		loop_turn(0);
	send_all(big, 0);
	ask(3, "State", 3u << 20, 0);
	ck_assert_int_eq(answer().code, 0);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, golden_requests, split_anywhere, many_in_one_write,
	    half_requests, size_limit, stream_rules, bad_requests,
	    error_suffix, out_of_order, deadlines, client_leaves,
	    back_pressure, back_pressure_in_one_read,
	    leaves_with_requests_kept, nothing_begins_after_the_end,
	    too_many_calls, too_many_connections, asked_and_not_read,
	    asked_and_kept);
}

int
main(void)
{
	return suite_run("ttrpc", setup, teardown, add);
}
