/* SPDX-License-Identifier: Apache-2.0 */
/* cmdline: the command line as containerd gives it, and the names that whoever
 * calls this program knows. */
#ifndef CMDLINE_H
#define CMDLINE_H

#include <stdbool.h>

#define SHIM_NAME "containerd-shim-runsc-v1"
#define SHIM_RUNTIME "io.containerd.runsc.v1"

/* Exit statuses of the binary. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Descriptor on which the daemon finds its listening socket. */
#define SHIM_SOCKET_FD 3

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
	const char *events;	/* ttrpc socket; "": TTRPC_ADDRESS */
	const char *resume;	/* descriptor of what another has written */
	const char *resume_check;	/* the same, only to be looked at */
	bool debug;
	bool version;
	bool info;
	bool no_output;		/* standard output was closed */
	const char *action;	/* "start", "delete", or "": serve */
};


#endif
