/* SPDX-License-Identifier: Apache-2.0 */
/*
 * urpc: calls to a sandbox over its control socket, in place of a runsc that
 * would do nothing but make the same call.
 *
 * One connection per call, closed as soon as the reply is there: the sandbox
 * waits for its clients before it ends (up to 15 s).  Found through runsc's
 * state file, as runsc does, and used only if the process that listens is the
 * sandbox that runsc started: an abstract name and /tmp are open to anybody.
 * Never blocks; a reply is bounded in size and in time.  What comes back is
 * in the form in which runsc prints it, checked to the last member, so nobody
 * above sees which way was taken.
 *
 * Execute is the one call that must not be made twice: whether the sandbox may
 * have it is told with every end (sent).  A sandbox passes over a member that
 * it does not know, so a release that renames one would run a process with
 * another user, say; Knows asks it about one of them, by a value that it must
 * refuse if it reads it, for a container that cannot be there.
 *
 * Not here: pausing, since runsc keeps it in its state file: a container that
 * was paused over the socket is "running" to runsc, which would not resume
 * it; so are updates and checkpoints; and all that starts or ends a container.
 */
#ifndef URPC_H
#define URPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define URPC_REPLY_MAX (1u << 20)

/* Destroy: what the sandbox has of a container that is not its first; no state
 * of it need be there. */
enum urpc_method { URPC_WAIT, URPC_SIGNAL, URPC_PROCESSES, URPC_DESTROY,
	URPC_EXECUTE, URPC_WAIT_PID, URPC_EVENT, URPC_KNOWS, URPC_METHODS };

/* Whom a signal is for: the process, all of the container, the foreground
 * process group of the process's terminal. */
enum urpc_mode { URPC_ONE, URPC_ALL, URPC_FOREGROUND };

/* Members of what Execute and Signal send that a sandbox may know; the last
 * three are GuestFDs, of 2024, and SupportTTYs and NoNewPrivileges, of 2026. */
#define URPC_MEMBERS 15

/* Strings, arguments and descriptors live until the call has ended. */
struct urpc_request {
	enum urpc_method method;
	const char *root;	/* runsc's --root, of this sandbox */
	const char *id;		/* the container */
	const char *sandbox_id;	/* its own id if it is the root container */
	pid_t pid;		/* signal, wait for a pid: inside; 0: init */
	enum urpc_mode mode;	/* signal */
	bool parentless;	/* processes: those without a parent inside */
	unsigned sig;
	unsigned member;	/* knows: below URPC_MEMBERS */
	const char *args;	/* execute: as execargs_put() has them */
	const int *fds;		/* execute: the process's 0, 1 and 2 */
	/* For the whole call; a Wait's begins with the reply's first byte; 0:
	 * for ever. */
	int64_t timeout_ns;
};

enum urpc_end {
	URPC_OK,
	URPC_REFUSED,	/* the sandbox says no: err; knows: it does not */
	URPC_UNKNOWN,	/* it has no such method, or takes it otherwise */
	URPC_BROKEN,	/* no sensible reply, or none: err */
	URPC_ABSENT,	/* nobody serves the socket of such a container: err */
};

struct urpc_reply {
	enum urpc_end end;
	bool sent;		/* all of the request */
	bool late;		/* broken: no reply within timeout_ns */
	pid_t pid;		/* execute: inside the sandbox */
	unsigned status;	/* wait: as a shell has it */
	uint32_t *pids;		/* processes: inside the container */
	size_t npids;
	const char *out;	/* event: the sandbox's words, NUL-terminated */
	size_t outlen;
	struct err err;
};

struct urpc;			/* one call under way; urpc.c frees it */

/* done is called once, from the loop, unless cancelled.  NULL when out of
 * memory. */
struct urpc *urpc_call(const struct urpc_request *r,
	void (*done)(void *arg, const struct urpc_reply *r), void *arg);
/* NULL is nothing.  What has been sent may be done all the same. */
void urpc_cancel(struct urpc *u);
bool urpc_was_sent(const struct urpc *u);
/* The connection of a call that has been sent and of whose answer nothing has
 * come; else -1. */
int urpc_waits_on(const struct urpc *u);
/* A call that was sent on fd; NULL when out of memory. */
struct urpc *urpc_resume(const struct urpc_request *r, int fd,
	void (*done)(void *arg, const struct urpc_reply *r), void *arg,
	struct err *e);

#endif
