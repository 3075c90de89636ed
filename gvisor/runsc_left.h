/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runsc_left: what runsc keeps on the host: state files and their directories,
 * filestores, processes; and the removal of what is left of them.
 */
#ifndef RUNSC_LEFT_H
#define RUNSC_LEFT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * SIGKILL whatever runsc left running for this bundle (sandbox, gofer, a
 * create cut short): processes named runsc* with it as their --bundle, but for
 * those whose parent is in another mount namespace.  Returns how many.
 */
unsigned runsc_kill_leftovers(const char *bundle);
/*
 * The same for our own descendants that have a flag of that value.  True: there
 * was one, or one that executes a program at the moment, and so has no command
 * line; look again.
 */
bool runsc_kill_descendants(const char *flag, const char *value);
/* The pid in text, which must be digits and at most a newline; 0 if it is not
 * that. */
pid_t runsc_parse_pid(const char *text, size_t len);
/*
 * The --root for a container of sandbox sandbox_id (its own id if it is in no
 * pod): ROOT/NS, as gVisor's shim has it, for the 64 hex digits that CRI,
 * Docker and nerdctl give; else ROOT/NS/SANDBOX, since in one directory runsc
 * finds `web` ambiguous as soon as there is a `web2`, and then refuses every
 * command on it.  malloc'd; NULL when out of memory.
 */
char *runsc_root(const char *root, const char *ns, const char *sandbox_id);
/* Is root, where it is there, a directory, and no link where it is id's own? */
int runsc_check_root(const char *root, const char *ns, const char *id,
	struct err *e);
/* Has runsc a state of exactly this id whose sandbox lives?  A power cut leaves
 * states where root is on a disk.  Where that cannot be known: yes. */
bool runsc_is_alive(const char *root, const char *id);
/* Has runsc a state file of exactly this id?  Where that cannot be known: yes,
 * and runsc is asked. */
bool runsc_exists(const char *root, const char *id);
/* Is what runsc has of exactly this id of that bundle?  Also where it has
 * nothing or does not say.  Two containerds may use one root. */
bool runsc_is_of_bundle(const char *root, const char *id, const char *bundle);
/* A container in root of the sandbox that id is to be the first of, where none
 * such lives: its name into other. */
bool runsc_orphaned(const char *root, const char *id, char *other, size_t cap);
/* A container in root that runsc would mistake for id or id for it: its name
 * into other. */
bool runsc_ambiguous(const char *root, const char *id, char *other,
	size_t cap);
/*
 * Remove what is left of id's state, and a root of its own with the network
 * namespace that runsc keeps mounted there; once also the same of the dead
 * containers beside it.  For when all its processes are dead: a runsc that is
 * killed leaves its files.
 */
void runsc_forget(const char *root, const char *ns, const char *id);
/*
 * The file in which runsc keeps what is written over a root file system, in
 * that itself; a create that is killed leaves it, and then refuses the same
 * container.  rootfs: config.json's root.path; NULL: none.  Only a
 * regular file of ours is removed, and no link is followed.
 */
bool runsc_has_filestore(int bundle_fd, const char *rootfs,
	const char *sandbox_id);
void runsc_forget_filestore(int bundle_fd, const char *rootfs,
	const char *sandbox_id);

/* Is dir an absolute path to a checkpoint that runsc made?  Errors: not found,
 * or what is wrong with it. */
int runsc_check_image(const char *dir, struct err *e);

#endif
