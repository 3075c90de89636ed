/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: the operations Exec, Start of an exec, and the Kill that cuts such a
 * start short; the processes inside that a failed start has left to nobody.
 *
 * A process is started by the sandbox itself, with a stand-in for it on the
 * host (gvisor/standin.h), or by a `runsc exec` that stays as long; which,
 * runsc.h says.  What the sandbox may have started runsc never starts too.
 */
#ifndef EXEC_H
#define EXEC_H

#include "state.h"

/* The cells EXEC, GOX and KNEX. */
void op_exec(struct process *p, struct request *r);
void op_exec_start(struct process *p, struct request *r);
void op_kill_new_exec(struct process *p, struct request *r);
/* Look on for strays where that was read into ct. */
void exec_resume(struct container *ct);

#endif
