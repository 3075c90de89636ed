/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim: the command line as containerd gives it, and the verbs.
 *
 * shim.c owns argv, `-v` and serving; info.c `-info`; start.c the verb `start`
 * with the listening socket; delete.c the verb `delete`.
 */
#ifndef SHIM_H
#define SHIM_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "wire/message.h"

#define SHIM_NAME "containerd-shim-runsc-v1"
#define SHIM_RUNTIME "io.containerd.runsc.v1"

/* Exit statuses of the binary. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Descriptor on which the daemon finds its listening socket. */
#define SHIM_SOCKET_FD 3

/* Where sockets are, unless containerd names another directory. */
#define SHIM_SOCKET_DIR "/run/containerd/s"
#define SHIM_ADDRESS_MAX 128
/* Connections that wait to be accepted.  One more is refused at once, and a
 * client in Go does not try again; musl's own SOMAXCONN is 128. */
#define SHIM_BACKLOG 4096

/* Files of a bundle that are this shim's. */
#define FILE_ADDRESS "address"
#define FILE_SHIM_PID "shim.pid"
#define FILE_LOG "log"

/* The command line (containerd pkg/shim/shim.go).  Never NULL. */
struct options {
	const char *namespace;
	const char *id;
	const char *address;	/* of containerd's gRPC socket */
	const char *publish_binary;
	const char *bundle;
	const char *socket;
	const char *debug_socket;
	const char *events;	/* containerd's ttrpc socket; "": TTRPC_ADDRESS */
	bool debug;
	bool version;
	bool info;
	bool no_output;		/* standard output was closed */
	const char *action;	/* "start", "delete", or "": serve */
};

/* Each returns an exit status and prints what containerd reads on stdout.
 * verb_start() puts what standard input says over *o. */
int verb_start(struct options *o);
int verb_delete(const struct options *o);
int verb_info(void);

/* What containerd writes to standard input of `start`. */
struct shim_input {
	struct pb_bytes any;	/* the options' bytes, inside the text */
	bool bootstrap;		/* it is BootstrapParams (containerd 2.3) */
	struct message params;	/* its fields then; text is the caller's to free */
};

/* An Any with the options before containerd 2.3.  Known by id and namespace,
 * which BootstrapParams repeat. */
void shim_parse_input(const struct options *o, struct pb_bytes text,
	struct shim_input *in);
/* Where the socket for group is, given containerd's address and namespace:
 * "unix://DIR/<sha256 of ADDRESS/NS/GROUP>" (containerd pkg/shim/util_unix.go). */
int shim_socket_address(const char *dir, const char *address,
	const char *namespace, const char *group, char *out, size_t cap);
/*
 * Does somebody serve the unix socket at path, and still does after wait_ms?
 * A process that is being killed closes its connections before its listening
 * socket is gone; ours then hangs up.
 */
bool shim_socket_alive(const char *path, int wait_ms);

#endif
