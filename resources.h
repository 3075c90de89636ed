/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resources: the operations Stats and Update, and the OOM kill that ended a
 * container.  host/cgroup.h knows the files.
 */
#ifndef RESOURCES_H
#define RESOURCES_H

#include "state.h"

/* The container's cgroup is known from now on, as far as it can be; container.c
 * lets go of it. */
void resources_begin(struct container *ct);
/* All that the sandbox of ct takes, in a message of the type that is returned;
 * or NULL. */
const char *resources_sandbox(const struct container *ct, struct pb_out *o,
	struct err *e);
/* ct has ended: publish TaskOOM if that was why. */
void resources_end(struct container *ct);
/* The cells STAT, LAST and UPD. */
void op_stats(struct process *p, struct request *r);
void op_last_stats(struct process *p, struct request *r);
void op_update(struct process *p, struct request *r);

#endif
