/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task: the Task service, containerd.task.v2.Task and containerd.task.v3.Task
 * (the same messages): decode, ask state.c, reply.  No policy.
 */
#ifndef TASK_H
#define TASK_H

#include "state.h"
#include "wire/ttrpc.h"

extern const struct ttrpc_method task_methods[];

/* shutdown is called when Shutdown has been asked for and no container is
 * left. */
void task_init(void (*shutdown)(void));

/* Wait, whose request {1 id} and reply {1 exit_status, 2 exited_at} are those
 * of WaitSandbox too. */
void task_wait(struct ttrpc_call *call, struct message *m, const void *row);
/* Is it such a call that waits? */
bool task_is_wait(const struct waiter *w);
/* All of them written down, and read when their processes are there. */
void task_save(struct pb_out *o);
int task_load(struct pb_bytes in, struct err *e);

#endif
