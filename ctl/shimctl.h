/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shimctl: a client of the shim for hosts without containerd and for looking
 * into a running one.
 *
 * shimctl.c owns the command line and the commands; shimctl_rpc.c the
 * connection to a shim and the socket that events come to; shimctl_io.c FIFOs,
 * the terminal and the copying; shimctl_find.c which shim serves what, and
 * starting one; shimctl_upgrade.c which program a shim runs, and another for
 * it; shimctl_show.c what is printed.  Unlike the shim it waits:
 * every wait is one poll() that also takes events.  Nothing here is linked
 * into the shim.
 */
#ifndef SHIMCTL_H
#define SHIMCTL_H

#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include "base/err.h"
#include "json.h"
#include "wire/pb.h"

#define SHIMCTL_ENV_MAX 64
#define SINK_MAX 64

/* The options.  Strings are never NULL. */
struct ctl {
	const char *namespace;
	bool in_namespace;	/* it was named */
	const char *address;	/* of a shim's socket; "": find it */
	const char *containerd;	/* containerd's gRPC socket: for names */
	const char *socket_dir;	/* where sockets are; "": the default */
	const char *state_dir;	/* containerd's */
	const char *shim;	/* the binary */
	const char *config;	/* runsc.toml, "" for none */
	const char *to;		/* of upgrade; "": each shim's own path */
	const char *exec_id;
	const char *in, *out, *err;	/* of create */
	const char *cwd, *user;		/* of exec */
	const char *env[SHIMCTL_ENV_MAX];
	size_t nenv;
	const char *timeout;
	int timeout_ms;		/* of a request; -1: none */
	bool terminal;		/* -t */
	bool interactive;	/* -i */
	bool detach;		/* -d */
	bool all;
	bool events;
	bool debug;
	const char *const *words;	/* what is no option, NULL at the end */
	size_t nwords;
};

/* -- shimctl_rpc.c -------------------------------------------------------- */

/* A connection with at most one request under way. */
struct rpc {
	int fd;			/* -1: not connected */
	const char *service;	/* whose methods are called: the Task's */
	uint32_t stream;
	int timeout_ms;
	bool broken;		/* it ended, or failed, while it was needed */
	char path[108];
};

struct rpc_reply {
	uint8_t *buf;		/* ours */
	struct pb_bytes payload;	/* inside buf */
	struct pb_field f[PB_FIELDS];	/* its, by number */
};

/* address: a path, or "unix://" and a path. */
int rpc_connect(struct rpc *r, const char *address, int timeout_ms,
	struct err *e);
void rpc_close(struct rpc *r);
/* Send a request; o is released. */
int rpc_send(struct rpc *r, const char *method, struct pb_out *o,
	struct err *e);
/* Wait for its reply.  -1: the status answered, or ERR_UNAVAILABLE. */
int rpc_receive(struct rpc *r, struct rpc_reply *reply, struct err *e);
/* Both; reply may be NULL. */
int rpc_call(struct rpc *r, const char *method, struct pb_out *o,
	struct rpc_reply *reply, struct err *e);
/* A request of {1 id, 2 exec_id}. */
int rpc_simple(struct rpc *r, const char *method, const char *id,
	const char *exec_id, struct rpc_reply *reply, struct err *e);
void rpc_reply_free(struct rpc_reply *reply);
/* Wait until the shim has closed the connection; false if it has not. */
bool rpc_closed(struct rpc *r, int ms);

/* Listen on path for the events of shims; each is written to out_fd. */
int sink_open(const char *path, int out_fd, struct err *e);
void sink_close(void);
/* poll() that serves the sink besides; p has room for SINK_MAX + 1 more.
 * Returns like poll; 0 at the deadline. */
int sink_poll(struct pollfd *p, unsigned n, int ms);

/* -- shimctl_io.c --------------------------------------------------------- */

/* Our ends of a process's stdio. */
struct stdio {
	char dir[64];		/* the FIFOs' own directory; "": not ours */
	char path[3][PATH_MAX];	/* "": there is none */
	int fd[3];		/* -1: not open */
	int reader;		/* keeps stdin open until the shim has it */
	bool terminal;
	bool leave;		/* ^] ends the attachment */
	int lost;		/* why output could not be written; 0: it was */
	int lost_fd;		/* which: 1 or 2 */
	bool raw;		/* saved is to be restored */
	struct termios saved;
};

/* A private directory below TMPDIR, /run or /tmp. */
int private_dir(char *out, size_t cap, struct err *e);
/* FIFOs in a directory made for them, stdin only if in is set. */
int stdio_make(struct stdio *s, bool in, bool terminal, struct err *e);
/* Open what path[] names.  For FIFOs that the shim has open already. */
int stdio_open(struct stdio *s, bool in, struct err *e);
/* The shim has its ends. */
void stdio_taken(struct stdio *s);
/* Restore the terminal, close, remove what stdio_make() made. */
void stdio_close(struct stdio *s);

/* A process whose stdio is copied: its requests go over calls, the reply to
 * its Wait comes over waiting. */
struct relay {
	struct rpc *calls;
	struct rpc *waiting;
	const char *id;
	const char *exec_id;
	struct stdio *io;
	unsigned status;	/* of the process */
	bool deleted;		/* run: Delete was answered */
	bool left;		/* ^] came first */
};

/* From here on signals are taken by the relay, which sends them on. */
int relay_signals(struct err *e);
/* Copy until the process has ended.  -1 also where what it prints cannot be
 * written; then it may run on. */
int relay_run(struct relay *r, struct err *e);
/* The rest, after Delete. */
int relay_rest(struct relay *r, struct err *e);

/* -- shimctl_find.c ------------------------------------------------------- */

/* Run the shim's `start` in bundle; the address that it prints. */
int shim_start(const struct ctl *o, const char *bundle, const char *id,
	char *address, size_t cap, struct err *e);
/* Run the shim's `delete` for a container whose shim has ended without it, and
 * say so; -1 if something of it is left. */
int shim_delete(const struct ctl *o, const char *bundle, const char *id,
	struct err *e);
/* Connect to the shim that serves the container. */
int shim_find(const struct ctl *o, const char *id, struct rpc *r,
	struct err *e);
/* What a shim was started for, from its command line. */
struct shim_info {
	uint64_t pid;
	char text[4096];
	const char *namespace;	/* "?" if not known */
	const char *id;
};

/* Connect to the shim whose socket this is, if it answers within ASK_MS or what
 * --timeout says; and ask who it is. */
int shim_ask(const struct ctl *o, struct rpc *r, const char *path,
	struct shim_info *s, struct err *e);
/* Call fn for each socket in the directory of sockets until it returns true.
 * 1: it did; 0: it did not, or there is no such directory. */
int shim_each(const struct ctl *o, bool (*fn)(const struct ctl *o,
	const char *path, void *arg), void *arg, struct err *e);
/* Print a line for each socket and container. */
int shim_list(const struct ctl *o, struct err *e);
/* The runtime options that name o->config, as an Any in field num. */
void put_options(struct pb_out *out, uint32_t num, const struct ctl *o);

/* -- shimctl_upgrade.c ---------------------------------------------------- */

/* Print a line for each shim of this program: which version it runs, and
 * whether its file is that still. */
int shim_versions(const struct ctl *o, struct err *e);
/* Have the shims of these words, or all of them, execute another binary; tells
 * of each, and returns the exit status. */
int shim_upgrade(const struct ctl *o, struct err *e);

/* -- shimctl_show.c ------------------------------------------------------- */

/*
 * What came of a write to standard output, which the others do by themselves.
 */
void show_wrote(int ret);
/* -1 if one of them has failed. */
int show_check(struct err *e);
void show_event(int fd, struct pb_bytes forward_request);
void show_state(const struct rpc_reply *reply);
void show_pids(const struct rpc_reply *reply);
int show_stats(const struct rpc_reply *reply, struct err *e);
const char *status_name(uint64_t status);
/* Number of a signal's name or number; 0 if there is none. */
unsigned signal_number(const char *name);
/* The OCI process of an exec: that of bundle's config.json with the words
 * and options of o. */
int exec_process(const struct ctl *o, const char *bundle,
	const char *const *args, struct json_out *out, struct err *e);

#endif
