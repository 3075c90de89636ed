/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of ttrpc, over real sockets.  The first byte's lowest bit says
 * which side is tried: 0 the server, 1 the client.  Then come steps: a byte
 * whose low 3 bits are the action and whose other bits, 0-31, are its operand
 * k; some actions take bytes of their own.
 *
 * Server; its methods answer at once, later or never, or with much:
 *   0: send the next byte's number of raw bytes
 *   1: send a frame made of a request for method k % 8; the next byte is how
 *      much the stream id grows and (high bits) the timeout, the one after
 *      that the payload's length
 *   2: turn the loop   3: answer a call that is held   4: fail one
 *   5: read k KiB of answers   6: go on with connection k % 3
 *   7: close the connection; or, with k odd, send it k times 16 KiB
 *
 * Client:
 *   0: the server sends the next byte's number of raw bytes
 *   1: the server answers the last request with status k; the next byte is the
 *      length of the text   2: turn the loop
 *   3: call; the next byte is the payload's length, in units of 256 if k is
 *      odd; past 15 it is over before it began
 *   4: the server accepts   5: the server reads k KiB
 *   6: the server closes   7: a new client, of no server if k is even but no
 *      multiple of 4; with k odd, in done() when it comes with success
 *
 * Whatever comes: every frame that the server sends is a response, a call has
 * one end, the client goes on with a server that does as it should, and
 * neither memory nor a descriptor is left.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "wire/ttrpc.h"
#include "tests/fuzz/fuzz.h"

#define STEPS_MAX 64
#define PEERS 3
#define HELD_MAX 64
#define BIG (256u << 10)
#define FLOOD (16u << 10)
#define SERVICE "containerd.task.v2.Task"

/* What is left of the input. */
static const uint8_t *input;
static size_t input_len;

static uint8_t zeros[BIG];

static uint8_t
take_byte(void)
{
	if (input_len == 0)
		return 0;
	input_len--;
	return *input++;
}

static struct pb_bytes
take_bytes(void)
{
	struct pb_bytes b;

	b.n = take_byte();
	if (b.n > input_len)
		b.n = input_len;
	b.p = input;
	input += b.n;
	input_len -= b.n;
	return b;
}

/* What does not fit into the socket is lost, which is one more way for a
 * frame to be cut. */
static void
send_some(int fd, const void *p, size_t n)
{
	if (fd >= 0)
		send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Descriptor numbers are given lowest first. */
static int
next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

/* -- the server ----------------------------------------------------------- */

struct peer {
	int fd;
	uint32_t stream;
	/* Of the frame that is being read. */
	uint8_t head[TTRPC_HEADER];
	size_t got;
	uint8_t body[4096];
};

static struct peer peers[PEERS];
static struct ttrpc_call *held[HELD_MAX];
static unsigned nheld;
static struct sockaddr_un server_addr;
static socklen_t server_addr_len;

static void
on_gone(void *arg)
{
	struct ttrpc_call **slot = arg;

	must(*slot != NULL);
	*slot = NULL;
	nheld--;
}

static void
answer_now(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct pb_bytes b = m->whole;

	(void)row;
	must(ttrpc_call_name(call)[0]);
	ttrpc_reply(call, b.p, b.n);
}

static void
answer_much(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct pb_bytes b = m->whole;

	(void)row;
	ttrpc_reply(call, zeros, BIG - b.n);
}

static void
answer_pb(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct pb_bytes b = m->whole;
	struct pb_out o;

	(void)row;
	pb_out_init(&o, NULL, 0);
	pb_put_bytes(&o, 1, b.p, b.n);
	o.bad = b.n == 3;
	ttrpc_reply_pb(call, &o);
}

static void
answer_no(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct pb_bytes b = m->whole;
	struct err e;

	(void)row;
	err_set(&e, b.n % 20, "%.*s", (int)b.n, (const char *)b.p);
	ttrpc_fail(call, &e);
}

static void
answer_later(struct ttrpc_call *call, struct message *m, const void *row)
{
	unsigned i;

	for (i = 0; i < HELD_MAX && held[i]; i++)
		;
	if (i == HELD_MAX) {
		answer_no(call, m, row);
		return;
	}
	held[i] = call;
	nheld++;
	ttrpc_on_gone(call, on_gone, &held[i]);
}

/* Nobody asks about it any more, not even when it is gone. */
static void
answer_never(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct pb_bytes b = m->whole;

	(void)row;
	(void)call;
	(void)b;
}

static const struct ttrpc_method methods[] = {
	{ .name = "Now", .fn = answer_now }, { .name = "Later", .fn = answer_later },
	{ .name = "Never", .fn = answer_never }, { .name = "No", .fn = answer_no },
	{ .name = "Much", .fn = answer_much }, { .name = "Pb", .fn = answer_pb },
	{ .name = NULL },
};
static const struct ttrpc_service services[] = {
	{ "other", methods + 5 }, { SERVICE, methods }, { NULL, NULL },
};
/* Two that there are not. */
static const char *const method_names[] = {
	"Now", "Later", "Never", "No", "Much", "Pb", "Now\xc3\xa9", "",
};

/* Is what came from the server a response, all of it? */
static void
check_received(struct peer *pr, const uint8_t *p, size_t n)
{
	struct pb_in in;
	struct pb_field f;
	size_t len, want;

	while (n > 0) {
		if (pr->got < TTRPC_HEADER) {
			pr->head[pr->got++] = *p++;
			n--;
		}
		if (pr->got < TTRPC_HEADER)
			continue;
		len = ttrpc_get_u32(pr->head);
		must(len <= TTRPC_MESSAGE_MAX);
		must(pr->head[8] == TTRPC_RESPONSE && pr->head[9] == 0);
		want = len - (pr->got - TTRPC_HEADER);
		want = want < n ? want : n;
		if (len <= sizeof(pr->body) && want)
			memcpy(pr->body + pr->got - TTRPC_HEADER, p, want);
		pr->got += want;
		p += want;
		n -= want;
		if (pr->got < TTRPC_HEADER + len)
			continue;
		pr->got = 0;
		if (len > sizeof(pr->body))
			continue;
		pb_in_init(&in, pr->body, len);
		while (pb_next(&in, &f))
			must(f.wire == PB_BYTES);
		must(!in.bad);
	}
}

static void
receive(struct peer *pr, size_t most)
{
	uint8_t buf[1024];
	ssize_t n = 1;

	while (pr->fd >= 0 && most > 0 && n > 0) {
		n = recv(pr->fd, buf, most < sizeof(buf) ? most : sizeof(buf),
		    MSG_DONTWAIT);
		if (n > 0) {
			check_received(pr, buf, (size_t)n);
			most -= (size_t)n;
		}
	}
}

static void
peer_close(struct peer *pr)
{
	if (pr->fd >= 0)
		close(pr->fd);
	pr->fd = -1;
}

static void
peer_open(struct peer *pr)
{
	if (pr->fd >= 0)
		return;
	memset(pr, 0, sizeof(*pr));
	pr->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(connect(pr->fd, (struct sockaddr *)&server_addr,
	    server_addr_len) == 0);
	loop_turn(0);
}

static void
send_request(struct peer *pr, unsigned method)
{
	static const int64_t timeouts[] = { 0, 0, 1, -1, INT64_MAX,
		NS_PER_S, INT64_MIN, 1 };
	uint8_t buf[512], step = take_byte();
	struct pb_bytes b = take_bytes();
	struct pb_out o;

	pr->stream += step & 0x1f;
	pb_out_init(&o, buf + TTRPC_HEADER, sizeof(buf) - TTRPC_HEADER);
	pb_put_str(&o, 1, SERVICE);
	pb_put_str(&o, 2, method_names[method]);
	pb_put_bytes(&o, 3, b.p, b.n);
	pb_put_int(&o, 4, timeouts[step >> 5]);
	must(!o.bad && !o.heap);
	ttrpc_put_header(buf, o.len, pr->stream, TTRPC_REQUEST);
	send_some(pr->fd, buf, TTRPC_HEADER + o.len);
}

/* For the end of a message that is long, or too long to be taken.  Where none
 * is these bytes begin one: as many empty ones would take their time. */
static void
flood(struct peer *pr, unsigned k)
{
	static uint8_t ones[FLOOD];

	memset(ones, 0xff, sizeof(ones));
	while (k-- > 0) {
		send_some(pr->fd, ones, sizeof(ones));
		loop_turn(0);
	}
}

/* The k-th of the calls that are held. */
static void
end_held(unsigned k, bool ok)
{
	struct ttrpc_call *call;
	struct err e;
	unsigned i;

	for (i = 0; nheld > 0; i = (i + 1) % HELD_MAX) {
		if (held[i] && k-- == 0)
			break;
	}
	call = nheld > 0 ? held[i] : NULL;
	if (!call)
		return;
	held[i] = NULL;
	nheld--;
	err_set(&e, ERR_NOT_FOUND, "held");
	if (ok)
		ttrpc_reply(call, "x", 1);
	else
		ttrpc_fail(call, &e);
}

static void
play_server(void)
{
	struct peer *pr = &peers[0];
	struct pb_bytes b;
	unsigned i, k, steps = 0;

	for (i = 0; i < PEERS; i++)
		peers[i].fd = -1;
	peer_open(pr);
	while (input_len > 0 && steps++ < STEPS_MAX) {
		k = input[0] >> 3;
		switch (take_byte() & 7) {
		case 0:
			b = take_bytes();
			send_some(pr->fd, b.p, b.n);
			break;
		case 1:
			send_request(pr, k % 8);
			break;
		case 2:
			loop_turn(0);
			break;
		case 3:
		case 4:
			end_held(k, (input[-1] & 7) == 3);
			break;
		case 5:
			receive(pr, k << 10);
			break;
		case 6:
			pr = &peers[k % PEERS];
			peer_open(pr);
			break;
		default:
			if (k & 1)
				flood(pr, k);
			else
				peer_close(pr);
			break;
		}
	}
	/* A peer that reads gets the rest. */
	for (i = 0; i < 4; i++) {
		loop_turn(0);
		receive(pr, SIZE_MAX);
	}
	for (i = 0; i < PEERS; i++)
		peer_close(&peers[i]);
	/* What was still to be read is, before the end is seen. */
	for (i = 0; i < 1000 && ttrpc_connections() > 0; i++)
		loop_turn(0);
	must(ttrpc_connections() == 0 && ttrpc_calls() == 0);
	must(ttrpc_unsent() == 0 && nheld == 0);
}

/* -- the client ----------------------------------------------------------- */

static char client_path[32];	/* of the listener */
static int events_fd;
static struct ttrpc_client *client;
static bool under_way, free_in_done, nowhere;
static int last_code;

static void
client_renew(const char *path)
{
	ttrpc_client_free(client);
	under_way = false;
	client = ttrpc_client_new(path);
	must(client != NULL);
	nowhere = path != client_path;
}

static void
on_done(void *arg, const struct err *e)
{
	must(arg == client && under_way);
	must(memchr(e->msg, '\0', sizeof(e->msg)) != NULL);
	under_way = false;
	last_code = e->code;
	/* As events_close() may be called from there. */
	if (free_in_done && e->code == ERR_OK) {
		free_in_done = false;
		client_renew(client_path);
	}
}

static void
call_once(unsigned k)
{
	size_t n = take_byte();

	if (k & 1)
		n <<= 8;
	if (ttrpc_client_call(client, "s", "m", k & 2 ? "ns" : NULL, zeros, n,
	    k > 15 ? 0 : NS_PER_S, on_done, client) == 0) {
		must(!under_way);
		under_way = true;
	} else {
		must(under_way);
	}
}

static void
send_response(int fd, uint32_t stream, unsigned status)
{
	uint8_t buf[512];
	struct pb_bytes b = take_bytes();
	struct pb_out o;
	size_t mark;

	pb_out_init(&o, buf + TTRPC_HEADER, sizeof(buf) - TTRPC_HEADER);
	if (status) {
		mark = pb_begin(&o, 1);
		pb_put_uint(&o, 1, status);
		pb_put_bytes(&o, 2, b.p, b.n);
		pb_end(&o, mark);
	} else {
		pb_put_bytes(&o, 2, b.p, b.n);
	}
	ttrpc_put_header(buf, o.len, stream, TTRPC_RESPONSE);
	send_some(fd, buf, TTRPC_HEADER + o.len);
}

/* Read requests; the stream id of the last, if they begin and end with what
 * is read. */
static uint32_t
read_requests(int fd, size_t most, uint32_t stream)
{
	static uint8_t buf[32 << 10];
	ssize_t n = fd < 0 ? 0 : recv(fd, buf, most, MSG_DONTWAIT);
	size_t len, at = 0;

	while (n > 0 && at + TTRPC_HEADER <= (size_t)n) {
		len = ttrpc_get_u32(buf + at);
		if (buf[at + 8] != TTRPC_REQUEST || len > BIG)
			break;
		stream = ttrpc_get_u32(buf + at + 4);
		at += TTRPC_HEADER + len;
	}
	return stream;
}

/* All connections are closed: what is under way ends, and the next server
 * that does as it should is understood, whatever the one before did. */
static void
check_client(void)
{
	uint32_t stream;
	unsigned i;
	int fd;

	while ((fd = accept4(events_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
	for (i = 0; i < 10000 && loop_turn(0) > 0; i++)
		;
	must(!under_way);
	if (nowhere)
		client_renew(client_path);
	free_in_done = false;
	last_code = ERR_OK;
	under_way = true;
	must(ttrpc_client_call(client, "s", "m", NULL, "x", 1, 60 * NS_PER_S,
	    on_done, client) == 0);
	loop_turn(0);
	fd = accept4(events_fd, NULL, NULL, SOCK_CLOEXEC);
	stream = read_requests(fd, 1 << 10, 0);
	must(stream == 1);
	input_len = 0;
	send_response(fd, stream, ERR_EXISTS);
	for (i = 0; i < 2; i++)
		loop_turn(0);
	must(!under_way && last_code == ERR_EXISTS);
	close(fd);
}

static void
play_client(void)
{
	struct pb_bytes b;
	unsigned k, steps = 0;
	uint32_t stream = 1;
	int fd = -1;

	free_in_done = false;
	client = NULL;
	client_renew(client_path);
	while (input_len > 0 && steps++ < STEPS_MAX) {
		k = input[0] >> 3;
		switch (take_byte() & 7) {
		case 0:
			b = take_bytes();
			send_some(fd, b.p, b.n);
			break;
		case 1:
			send_response(fd, stream, k);
			break;
		case 2:
			loop_turn(0);
			break;
		case 3:
			call_once(k);
			break;
		case 4:
			if (fd >= 0)
				close(fd);
			fd = accept4(events_fd, NULL, NULL, SOCK_CLOEXEC);
			stream = 1;
			break;
		case 5:
			stream = read_requests(fd, k << 10, stream);
			break;
		case 6:
			if (fd >= 0)
				close(fd);
			fd = -1;
			break;
		default:
			free_in_done = k & 1;
			if (!free_in_done)
				client_renew(k & 2 ? "/nowhere" : client_path);
			break;
		}
	}
	loop_turn(0);
	if (fd >= 0)
		close(fd);
	check_client();
	ttrpc_client_free(client);
	loop_turn(0);
}

/* ------------------------------------------------------------------------- */

static int
listen_at(const struct sockaddr_un *sun, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);

	must(fd >= 0 && bind(fd, (const struct sockaddr *)sun, len) == 0 &&
	    listen(fd, 100) == 0);
	return fd;
}

/* The server has an abstract address; the client's server one that outlives
 * its file. */
static void
setup(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/fuzz-ttrpc.XXXXXX";
	struct err e;
	int fd;

	log_set_level(LOG_ERR);
	must(loop_init(&e) == 0 && mkdtemp(dir));
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/s", dir);
	events_fd = listen_at(&sun, sizeof(sun));
	fd = open(sun.sun_path, O_PATH | O_CLOEXEC);
	must(fd >= 0 && unlink(sun.sun_path) == 0 && rmdir(dir) == 0);
	snprintf(client_path, sizeof(client_path), "/proc/self/fd/%d", fd);
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	fd = listen_at(&sun, sizeof(sa_family_t));
	server_addr_len = sizeof(server_addr);
	must(getsockname(fd, (struct sockaddr *)&server_addr,
	    &server_addr_len) == 0);
	must(ttrpc_serve(fd, services, NULL, &e) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	static bool ready;
	int fd;

	if (!ready)
		setup();
	ready = true;
	if (len == 0)
		return 0;
	fd = next_fd();
	input = in + 1;
	input_len = len - 1;
	if (in[0] & 1)
		play_client();
	else
		play_server();
	must(next_fd() == fd);
	return 0;
}
