/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exit: how a start ends, how a process ends, and in which order that is told.
 *
 * Of a start: the reply, then TaskStart, then the exit if there has been one.
 * Of an exit: operations under way are ended, execs are ended (init), output
 * is drained, then TaskOOM and TaskExit are published, then Wait is answered.
 * Execs' exits are told before init's, and once init has ended they do not
 * wait for their output: it is copied on until they or the container are
 * deleted.  Between the decision and the word the state is STATE_ENDING.
 * Whatever sees a process end calls this; it uses state, publish, resources.
 */
#ifndef EXIT_H
#define EXIT_H

#include "base/deadline.h"
#include "state.h"


/* p->current is a start, and it worked: tell so, in order. */
void exit_start_worked(struct process *p);
/* It did not, for the reason *e, which gets changed: p can only be deleted. */
void exit_start_failed(struct process *p, struct err *e);
/* p has ended with this status; the first to say so counts. */
void exit_seen(struct process *p, unsigned status);
/* End what never ran; it is STATE_ENDING from now on. */
void exit_unstarted(struct process *p, unsigned status);
/* The cell GOON: the exit may have waited for an operation that is through. */
void exit_go_on(struct process *p, struct request *none);
/* Watch a root container's sandbox, whose end is the container's. */
int exit_watch_sandbox(struct process *p, pid_t pid,
	const struct child_origin *o, struct err *e);
/* Watch the process of an exec, or what stands for it. */
int exit_watch_exec(struct process *p, pid_t pid,
	const struct child_origin *o, struct err *e);
/* Have a stand-in for an exec whose process runs inside, and wait for that.
 * tty as for standin_start(). */
int exit_stand_in(struct process *p, int tty, struct err *e);
/* Wait for what has no process of its own here: a sub-container, an exec with a
 * stand-in. */
void exit_await(struct process *p);
/* Watch and wait on for what was read into p; wait: what runsc_save_wait()
 * wrote, or nothing. */
int exit_resume(struct process *p, struct pb_bytes wait, struct err *e);
/* End a sub-container that waits for its start if its sandbox has ended. */
void exit_orphan(struct process *p);

#endif
