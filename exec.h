/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: the operations Exec, Start of an exec, and the Kill that cuts such a
 * start short; the processes inside that a failed start has left to nobody.
 */
#ifndef EXEC_H
#define EXEC_H

#include "state.h"

/* The cells EXEC, GOX and KNEX. */
void op_exec(struct process *p, struct request *r);
void op_exec_start(struct process *p, struct request *r);
void op_kill_new_exec(struct process *p, struct request *r);

#endif
