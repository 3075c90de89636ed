/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade: a running shim becomes another version of itself: the service
 * runsc.shim.v1.Shim, and what is written down for the program that is executed
 * in this process's place, with its pid, its children and its descriptors.
 *
 * Upgrade waits until nothing is under way that cannot be written down
 * (requests wait in their connections meanwhile), writes all of it to a memory
 * file, and has the successor look at it as a child, -resume-check, while the
 * shim serves on.  If that says yes, it comes to rest once more, writes it down
 * again and executes the successor, -resume, which reads it, answers Upgrade
 * and serves; or, if it cannot, executes the program that was there before,
 * which can read what it has written.  Until then nothing has changed, and what
 * fails is told.
 *
 * The order of the parts is in upgrade.c; each room writes and reads its own,
 * with wire/save.h.
 */
#ifndef UPGRADE_H
#define UPGRADE_H

#include <sys/socket.h>
#include <sys/un.h>

#include "wire/ttrpc.h"

extern const struct ttrpc_method upgrade_methods[];

/* What of the daemon is shim.c's. */
struct upgrade_own {
	int bundle_fd;
	struct sockaddr_un socket_name;
	uint64_t dev, ino;	/* of the socket's file */
};

/* The command line, and which file runs, before another takes its name. */
void upgrade_init(int argc, char **argv);
/* own, which outlives the program, is written down, too. */
void upgrade_allow(struct upgrade_own *own);
/* How a successor begins to say that it can take over; its version follows. */
#define UPGRADE_YES "resumes "
/*
 * Take over what was written to a descriptor; after the _init() of all that has
 * one, in the place of ttrpc_serve().  Fills *own.  words, of the command line:
 * its number; then a comma and that of the program that has written it, or, for
 * that one itself, a blank and why it is back.
 */
int upgrade_resume(const char *words, struct upgrade_own *own,
	const struct ttrpc_service *services, void (*idle)(bool no_connection),
	struct err *e);
/* What failed for e while it was taken over: execute who was there before.
 * Returns if there is none, or that fails. */
void upgrade_go_back(const char *words, const struct err *e);
/* The number of a descriptor. */
int upgrade_fd(const char *number);
/* Could it be taken over? */
int upgrade_check(int fd, const struct ttrpc_service *services,
	struct err *e);

#endif
