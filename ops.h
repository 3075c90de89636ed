/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops: between state.c (the table, requests, exits), ops.c (what the
 * operations do) and their neighbours container.c, checkpoint.c, resources.c.
 * Nobody else includes this.
 */
#ifndef OPS_H
#define OPS_H

#include "state.h"

#define STATUS_KILLED (128 + 9)		/* SIGKILL */
#define STATUS_UNKNOWN 255
#define GO_PANIC_STATUS 2

/* -- state.c's, for ops.c ------------------------------------------------- */

/* The one place that writes a state. */
void state_set(struct process *p, enum proc_state s);
/* "ID" or "ID/EXEC", for messages; valid until the next call. */
const char *process_name(const struct process *p);
/* See to it that e says which process it is about. */
void process_named(const struct process *p, struct err *e);
/* CLOCK_REALTIME in ns. */
int64_t unix_now(void);
/* Answer r, with e NULL for success, and go on with what waits. */
void request_finish(struct request *r, const struct err *e);
/* Answer r with "NAME: text". */
void request_refuse(struct request *r, int code, const char *text);
/* Finish it with what the table says where it refuses. */
void request_refuse_state(struct process *p, struct request *r);
/* Take r off its process without answering; ends its runsc command. */
void request_detach(struct request *r);
/* Answer everything of a process that is about to be freed. */
void requests_flush(struct process *p);
/* Begin what waits, if nothing serial is under way. */
void requests_run(struct process *p);
void waiters_release(struct process *p);
/* p has ended with this status; the first to say so counts. */
void process_gone(struct process *p, unsigned status);
/* Go through the exit of a process that is gone. */
void process_end(struct process *p);
/* End a container that never ran; nothing serial begins before it has. */
void process_end_created(struct process *p, unsigned status);
/* The detached exec's exit, for child_adopt(). */
void process_exec_exited(struct child *c, int status);
/* Watch a root container's sandbox, whose end is the container's. */
int process_adopt_sandbox(struct process *p, pid_t pid,
	const struct child_origin *o, struct err *e);
/* End a sub-container that waits for its start if its sandbox has ended. */
void process_end_orphan(struct process *p);
/* The container's cgroup is known from now on, as far as it can be; tell of
 * an OOM kill that ended it; let go of it. */
void resources_begin(struct container *ct);
void resources_end(struct container *ct);
void resources_free(struct container *ct);
/* Have runsc wait for a sub-container. */
void process_arm_wait(struct process *p);

/* -- ops.c's, for checkpoint.c -------------------------------------------- */

/* p->current is a start, and it worked: tell so, in order. */
void start_worked(struct process *p);
/* It did not, for the reason *e, which gets changed. */
void start_failed(struct process *p, struct err *e);

/* -- of ops.c, checkpoint.c, resources.c, for the table ---------------------------- */

void op_start(struct process *p, struct request *r);
void op_exec_start(struct process *p, struct request *r);
void op_restore(struct process *p, struct request *r);
void op_stats(struct process *p, struct request *r);
void op_update(struct process *p, struct request *r);
void op_checkpoint(struct process *p, struct request *r);
void op_exec(struct process *p, struct request *r);
void op_resize(struct process *p, struct request *r);
void op_close_io(struct process *p, struct request *r);
void op_kill(struct process *p, struct request *r);
void op_kill_created(struct process *p, struct request *r);
void op_kill_new_exec(struct process *p, struct request *r);
void op_kill_paused(struct process *p, struct request *r);
void op_pause(struct process *p, struct request *r);	/* and resume */
void op_pids(struct process *p, struct request *r);
void op_pids_known(struct process *p, struct request *r);
void op_delete(struct process *p, struct request *r);
void op_delete_created(struct process *p, struct request *r);
void op_delete_creating(struct process *p, struct request *r);
void op_delete_exec(struct process *p, struct request *r);

#endif
