/* SPDX-License-Identifier: Apache-2.0 */
/* socket: the address of a shim's socket, and whether somebody serves it. */
#ifndef SOCKET_H
#define SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/un.h>

#define SOCKET_SCHEME "unix://"
/* Where sockets are, unless containerd names another directory. */
#define SOCKET_DIR "/run/containerd/s"
/* containerd's own limit for socket_dir, so that the path fits sun_path. */
#define SOCKET_DIR_MAX 42
/* An address, with scheme and NUL. */
#define SOCKET_ADDRESS_MAX 128

/* Where the socket for group is, given containerd's address and namespace:
 * "unix://DIR/<sha256 of ADDRESS/NS/GROUP>" (containerd pkg/shim/util_unix.go).
 * -1: too long. */
int socket_address(const char *dir, const char *address,
	const char *namespace, const char *group, char *out, size_t cap);
/* The name of the socket at path; -1: too long. */
int socket_fill(struct sockaddr_un *sun, const char *path);
/*
 * Does somebody serve the unix socket at path, and still does after wait_ms, as
 * far as can be known?
 * A process that is being killed closes its connections before its listening
 * socket is gone; ours then hangs up.
 */
bool socket_is_alive(const char *path, int wait_ms);

#endif
