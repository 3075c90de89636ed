/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc: frames, connections, back-pressure, the method table, status
 * replies; and the client side, for events.
 *
 * Server: accepts on one listening socket, checks SO_PEERCRED (same uid and gid
 * as ours), answers protocol faults itself (protocol: ttrpc v1.2.8 server.go,
 * channel.go), hands each well-formed request to its method.  A method answers
 * now or later, once, with ttrpc_reply() or ttrpc_fail(). Memory: at most
 * TTRPC_CONN_MAX connections: for one more, the oldest that has asked nothing
 * yet is ended, or else the new one, at once, since a client that waits in the
 * backlog waits for ever.  A connection keeps no buffer while idle; while its
 * replies pile up it is not read any more, nor is what was read looked at.  Of
 * long requests at most 32 MiB are on their way, of all clients together; one
 * more is read, dropped and answered so.  At most TTRPC_CALLS_MAX calls are
 * under way, the next is answered ResourceExhausted; answers given later are
 * not held back by unsent ones, so these bound them.
 */
#ifndef TTRPC_H
#define TTRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/pb.h"

#define TTRPC_MESSAGE_MAX (4u << 20)
#define TTRPC_CONN_MAX 256
#define TTRPC_CALLS_MAX 4096

/* A frame: length of the payload, stream id, type, flags; big endian. */
#define TTRPC_HEADER 10
enum { TTRPC_REQUEST = 1, TTRPC_RESPONSE = 2, TTRPC_DATA = 3 };

void ttrpc_put_header(uint8_t h[TTRPC_HEADER], size_t len, uint32_t stream,
	uint8_t type);
uint32_t ttrpc_get_u32(const uint8_t p[4]);

struct ttrpc_call;		/* one request under way */

struct ttrpc_method {
	const char *name;
	const char *kinds;	/* of the request's fields: pb_decode() */
	/* m is valid during the call of fn only; its text may be taken. */
	void (*fn)(struct ttrpc_call *call, struct message *m, const void *row);
	const void *row;	/* fn's own */
	/* It begins something: answered Unavailable, and released, after
	 * ttrpc_stop_accepting(). */
	bool begins;
};

struct ttrpc_service {
	const char *name;			/* containerd.task.v2.Task */
	const struct ttrpc_method *methods;	/* ends with a NULL name */
};

/*
 * Serve on listenfd (taken over, made non-blocking).  services ends with a
 * NULL name.  idle is called whenever the last connection goes away and when
 * the first comes (may be NULL).
 */
int ttrpc_serve(int listenfd, const struct ttrpc_service *services,
	void (*idle)(bool no_connection), struct err *e);
/* Stop accepting; connections stay.  Closes the listening socket. */
void ttrpc_stop_accepting(void);
/* Close everything; calls under way are told gone when the turn is over. */
void ttrpc_close_all(void);
/* Bytes of replies not yet taken by the clients, over all connections. */
size_t ttrpc_unsent(void);
unsigned ttrpc_connections(void);
unsigned ttrpc_calls(void);

/* Is there a listening socket still? */
bool ttrpc_accepts(void);

/* -- written down, and taken over ----------------------------------------- */

/* Read no more requests, which wait in their connections; or go on. */
void ttrpc_hold(bool hold);
/* The sockets, and what is under way on them but for the calls, whose owners
 * write those (as message num), while they are held. */
void ttrpc_save(struct pb_out *o);
void ttrpc_save_call(struct pb_out *o, uint32_t num,
	const struct ttrpc_call *call);
/* In the place of ttrpc_serve(): held, too. */
int ttrpc_load(struct pb_bytes in, const struct ttrpc_service *services,
	void (*idle)(bool no_connection), struct err *e);
/* service, method: for ttrpc_call_name(). */
struct ttrpc_call *ttrpc_load_call(struct pb_bytes in, const char *service,
	const char *method, struct err *e);

/* Answer with a payload (may be NULL, 0) and release the call. */
void ttrpc_reply(struct ttrpc_call *call, const void *p, size_t n);
/* Answer with what o holds (o->bad: Internal) and release both. */
void ttrpc_reply_pb(struct ttrpc_call *call, struct pb_out *o);
/* Answer with a status and release the call. */
void ttrpc_fail(struct ttrpc_call *call, const struct err *e);
/* Zeroed memory, of the caller's then; NULL: the call is answered so. */
void *ttrpc_alloc(struct ttrpc_call *call, size_t n);
/*
 * Tell the owner when nobody waits for the answer any more: the connection
 * closed, or the request's timeout_nano passed (then ttrpc has answered
 * DeadlineExceeded "context deadline exceeded").  gone(arg) is called at most
 * once; the call has been released by then and must not be answered.
 */
void ttrpc_on_gone(struct ttrpc_call *call, void (*gone)(void *arg), void *arg);
/* "Service/Method" of the call, for log lines. */
const char *ttrpc_call_name(const struct ttrpc_call *call);

/* -- client: one connection, one request at a time ----------------------- */

/* What a Response has.  -1: the status in it, or ERR_UNAVAILABLE if it is
 * malformed. */
int ttrpc_read_response(struct pb_bytes in, struct pb_bytes *payload,
	struct err *e);

struct ttrpc_client;

/* Its connection between two requests, and the last's number; fd -1: none. */
void ttrpc_client_kept(const struct ttrpc_client *c, int *fd, uint32_t *stream);
/* Take it over; the caller puts the watch that is returned on the loop. */
struct watch *ttrpc_client_set(struct ttrpc_client *c, int fd,
	uint32_t stream);
void ttrpc_client_ready(struct watch *w, uint32_t revents);
bool ttrpc_client_is_busy(const struct ttrpc_client *c);
/* path: of a unix socket, copied.  Connects when first needed.  NULL when out
 * of memory or path is too long. */
struct ttrpc_client *ttrpc_client_new(const char *path);
void ttrpc_client_free(struct ttrpc_client *c);
/*
 * Send one request and call done(arg, e) with its outcome: e->code ERR_OK, or
 * the status answered, or ERR_UNAVAILABLE when the connection could not be
 * made or broke (the next call connects anew), or ERR_DEADLINE.  The n bytes at
 * p are copied.  namespace, if it is any, goes into the metadata
 * containerd-namespace-ttrpc.
 * done never runs before this returns.  -1 when a request is under way
 * already.
 */
int ttrpc_client_call(struct ttrpc_client *c, const char *service,
	const char *method, const char *namespace, const void *p, size_t n,
	int64_t timeout_ns, void (*done)(void *arg, const struct err *e),
	void *arg);

#endif
