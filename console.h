/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console: the socket through which runsc hands over a terminal's master.
 *
 * A listening socket (0600) in the container's bundle, so that whatever becomes
 * of the shim it goes with that; named as /proc/PID/fd/N/NAME, since a bundle's
 * own path is too long for a socket's; one connection; one message "pty-master"
 * with exactly one descriptor (go-runc console.go, runsc/console/console.go).
 * Anything else is refused with an error.
 */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "base/err.h"

struct console;

/*
 * Listen.  bundle_fd (O_PATH) is the caller's and outlives the console.
 * received(arg, fd, e) is called once, from the loop or console_collect(),
 * with the master (the callee's, O_CLOEXEC) or with fd -1 and the reason; not
 * after console_free().
 */
struct console *console_new(int bundle_fd, void (*received)(void *arg, int fd,
	const struct err *e), void *arg, struct err *e);
/* Path to give to runsc; at most 107 bytes. */
const char *console_path(const struct console *c);
/*
 * The process has ended: take the master now if it is waiting.  runsc sends it
 * before the process starts, but the loop may hear of the end first, and then
 * all that the process wrote is still in the terminal.
 */
void console_collect(struct console *c);
/* Close, remove the socket.  Safe from received().  NULL is ignored. */
void console_free(struct console *c);
/* A terminal of our own: its master and its slave, with that size unless width
 * is 0. */
int console_pair(int *master, int *slave, unsigned width, unsigned height,
	struct err *e);
/* Remove what a shim that was killed has left in the bundle. */
void console_remove(const char *bundle);

#endif
