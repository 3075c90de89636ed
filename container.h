/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container: how a container comes and goes: its memory and that of its
 * processes, its bundle, its mounts, its stdio, the operation Create and the
 * undoing of it where it fails or a Delete comes meanwhile.
 *
 * The one function that makes each kind of object and the one that frees it
 * are here.  Create is under way as long as init is STATE_CREATING, as init's
 * current operation; ct->create_err says that it is being undone.  Deletes
 * wait beside it and are answered NotFound then.  exec.c and ops.c call this.
 */
#ifndef CONTAINER_H
#define CONTAINER_H

#include "state.h"

/* The cells MAKE and DING. */
void op_create(struct process *none, struct request *r);
void op_delete_creating(struct process *p, struct request *r);
/* Unmount, forget and free ct, whose processes must be idle. */
void container_free(struct container *ct);
/* Write ct and its processes down while nothing is under way; read one. */
void container_save(struct pb_out *o, struct container *ct);
int container_load(struct pb_bytes in, struct err *e);
/* A new exec of ct in STATE_CREATED, or NULL with *e filled. */
struct process *container_add_exec(struct container *ct,
	const struct request *r, struct err *e);
/* Take an exec out of its container and free it. */
void container_remove_exec(struct process *p);
/* Open stdio, and the console socket for init's terminal. */
int process_open_stdio(struct process *p, struct err *e);
/* Let go of an exec's own terminal, but for what is attached. */
void process_close_pair(struct process *p);
/* The console socket, through which runsc hands over the terminal's master. */
int process_open_console(struct process *p, struct err *e);
/* Let go of stdio; of what never ran, whoever else has an end. */
void process_close_stdio(struct process *p);
/*
 * Wipe the process object of an exec: it may hold secrets of its environment.
 */
void process_forget_spec(struct process *p);
/* Where runsc is to send the terminal's master; NULL without a terminal. */
const char *process_console_path(const struct process *p);

#endif
