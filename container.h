/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container: how a container comes and goes: its memory, its bundle, its
 * mounts, `runsc create` and the undoing of it.
 *
 * container.c owns the list of containers and the one function that frees
 * each kind of object.  What a container does in between is state.c's.  Only
 * state.c calls this; state_create() and the look-ups of state.h are here.
 */
#ifndef CONTAINER_H
#define CONTAINER_H

#include "state.h"

/* Delete came while the container is being created: stop that, undo it, then
 * answer r NotFound. */
void container_cancel_create(struct container *ct, struct request *r);
/* Unmount and forget ct; init and every exec must be idle. */
void container_free(struct container *ct);
/* A new exec of ct in STATE_CREATED, or NULL with *e filled. */
struct process *container_add_exec(struct container *ct,
	const struct request *r, struct err *e);
/* Take an exec out of its container and free it. */
void container_remove_exec(struct process *p);
/* Open stdio, and the console socket for a terminal. */
int process_open_stdio(struct process *p, struct err *e);
/* Let go of them; of what never ran, whoever else has an end. */
void process_close_stdio(struct process *p);
/* Wipe the process object of an exec: it may hold secrets of its environment. */
void process_forget_spec(struct process *p);
/* Where runsc is to send the terminal's master; NULL without a terminal. */
const char *process_console_path(const struct process *p);

/* state.c's, for container.c: runsc create has succeeded; pid 0: it is to be
 * restored, and has no sandbox yet. */
int state_created(struct container *ct, pid_t pid,
	const struct child_origin *o, struct err *e);

#endif
