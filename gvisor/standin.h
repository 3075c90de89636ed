/* SPDX-License-Identifier: Apache-2.0 */
/*
 * standin: a process on the host for one that runs in the sandbox and was
 * started over its control socket, as `runsc exec` is one: a pid of its own for
 * clients, a line in ps for people.
 *
 * A forked copy of the shim that holds nothing but one end of a socket pair.
 * It ends with the status that it is told, and with the shim, whose end is the
 * sandbox's, too (containerd runs the verb `delete`).  Killed by somebody, it
 * says so as any child does; what becomes of the process inside is the owner's.
 * Of a terminal it leads the session, so what is typed (^C) and a new size come
 * as signals, which it hands on as runsc does: all but those of a fault of its
 * own, SIGKILL, SIGSTOP, SIGCHLD, SIGPIPE and SIGURG.  Uses child, loop.
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <stdbool.h>

#include "base/child.h"
#include "base/err.h"
#include "base/loop.h"

struct standin {
	struct watch watch;	/* of our end; fd -1: there is none */
	int fd;			/* the same, -1 */
	int status;		/* that it was told; -1 */
	bool listens;		/* to it; while it is written down */
	void (*signaled)(struct standin *s, unsigned sig);
};

#define STANDIN_INIT { .watch = { .fd = -1 }, .fd = -1, .status = -1 }
/* Its name for ps; behind it come the container's and the exec's. */
#define STANDIN_NAME "shim-runsc-exec"

/* For main(): where the command line is, which a stand-in writes over. */
void standin_init(int argc, char **argv);
/*
 * Start it as *c, which is the caller's as for child_adopt().  tty: the slave
 * that it is to lead, the caller's; or -1.  signaled, from the loop, is for a
 * terminal only.
 */
int standin_start(struct standin *s, struct child *c, const char *id,
	const char *exec_id, int tty, void (*exited)(struct child *c,
	int status), void (*signaled)(struct standin *s, unsigned sig),
	struct err *e);
/* Hand on no signal until that is called again with true. */
void standin_listen(struct standin *s, bool listen);
/* Have it end with that status; with another where that cannot be told. */
void standin_end(struct standin *s, unsigned status);
/* Go on with what was read into s. */
int standin_resume(struct standin *s, void (*signaled)(struct standin *s,
	unsigned sig), struct err *e);
/* Let go of it; one that still runs ends. */
void standin_free(struct standin *s);

#endif
