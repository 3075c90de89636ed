/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops: see ops.h.
 *
 * Each op_ function is a cell of the table in state.c, begins with the state
 * that the table says, and ends with request_finish(), request_refuse(), or
 * request_detach() and done(), now or from a runsc command's callback.
 */
#include "ops.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/name.h"
#include "container.h"
#include "exec.h"
#include "exit.h"
#include "gvisor/runsc_left.h"
#include "publish.h"
#include "resources.h"
#include "wire/save.h"

/* -- start ---------------------------------------------------------------- */

static void
on_restored(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;
	struct err e = res->err;

	r->cmd = NULL;
	if (e.code == ERR_OK &&
	    exit_watch_sandbox(p, res->pid, &res->origin,
	    &e) == 0) {
		exit_start_worked(p);
		return;
	}
	/* It makes the sandbox before it knows whether the image is good. */
	runsc_kill_leftovers(p->ct->bundle);
	err_prefix(&e, "OCI runtime restore from %s failed",
	    p->ct->checkpoint);
	exit_start_failed(p, &e);
}

static void
restore(struct process *p, struct request *r)
{
	struct err e;
	int fds[3];

	io_child_fds(p->io, fds);
	p->ct->runsc_ran = true;
	r->cmd = runsc_restore(&p->ct->env, fds, process_console_path(p),
	    p->ct->checkpoint, on_restored, r, &e);
	io_child_done(p->io);
	if (!r->cmd)
		exit_start_failed(p, &e);
}

static void
on_started(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;
	struct err e;

	r->cmd = NULL;
	if (res->err.code != ERR_OK) {
		e = res->err;
		err_prefix(&e, "OCI runtime start failed");
		exit_start_failed(p, &e);
		return;
	}
	if (p->ct->spec.is_sub)
		exit_await(p);
	exit_start_worked(p);
}

static void
op_start(struct process *p, struct request *r)
{
	struct err e;
	int fds[3];

	if (p->ct->checkpoint) {
		restore(p, r);
		return;
	}
	io_child_fds(p->io, fds);
	r->cmd = runsc_start(&p->ct->env, p->ct->spec.is_sub ? fds : NULL,
	    on_started, r, &e);
	io_child_done(p->io);
	if (!r->cmd)
		exit_start_failed(p, &e);
}

/* -- stdio ---------------------------------------------------------------- */

static void
op_resize(struct process *p, struct request *r)
{
	struct err e;

	p->width = r->width;
	p->height = r->height;
	if (p->io && io_resize(p->io, r->width, r->height, &e) < 0)
		request_finish(r, &e);
	else
		request_finish(r, NULL);
}

static void
op_close_io(struct process *p, struct request *r)
{
	if (p->io)
		io_close_stdin(p->io);
	else
		p->stdin_closed = true;
	request_finish(r, NULL);
}

/* -- kill ----------------------------------------------------------------- */

static void on_killed(void *arg, const struct runsc_result *res);

/*
 * SIGKILL has not ended a container in the time that the settings allow: its
 * sandbox is killed, and so every container that is in it.
 */
static void
on_unkilled(struct timer *t)
{
	struct process *p = container_of(t, struct process, kill_timer);
	struct container *root = state_find_container(p->ct->env.sandbox_id);

	if (process_has_exited(p) || !root)
		return;
	log_warn("%s: SIGKILL did not end it: killing sandbox %s",
	    process_name(p), root->id);
	child_kill(&root->init.child, SIGKILL);
}

void
ops_resume(struct container *ct)
{
	struct process *p;

	save_start(&ct->init.kill_timer, on_unkilled);
	for (p = ct->execs; p; p = p->next)
		save_start(&p->kill_timer, on_unkilled);
	exec_resume(ct);
}

static void
arm_kill_timer(const struct request *r)
{
	struct process *p = r->p;
	/* What is paused takes the signal and does not move. */
	bool paused = p->maybe_paused ||
	    (p->current && p->current->op == OP_PAUSE);
	int64_t ns = paused ? SANDBOX_END_NS : p->ct->config.kill_timeout_ns;

	if (r->signal == SIGKILL && p->kind == PROC_INIT && ns &&
	    !timer_running(&p->kill_timer))
		timer_start(&p->kill_timer, ns, on_unkilled);
}

static void
try_kill(struct request *r)
{
	struct process *p = r->p;
	struct err e;

	/* Of an exec there is one process, whatever is asked for. */
	r->cmd = runsc_kill(&p->ct->env, p->internal_pid, r->all &&
	    p->kind == PROC_INIT, r->signal, on_killed, r, &e);
	if (!r->cmd)
		request_finish(r, &e);
}

static void
on_kill_retry(struct timer *t)
{
	try_kill(container_of(t, struct request, retry));
}

/* runsc has lost its state of what lives, and nothing but the sandbox can be
 * told.  What is about to end by itself is not killed so. */
static void
kill_without_runsc(struct request *r)
{
	struct process *p = r->p;

	if (r->signal != SIGKILL) {
		request_refuse(r, ERR_UNAVAILABLE, "runsc has lost its state "
		    "of this container, which takes no signal but SIGKILL now");
		return;
	}
	if (!timer_running(&p->kill_timer))
		timer_start(&p->kill_timer, SANDBOX_END_NS, on_unkilled);
	request_finish(r, NULL);
}

static void
on_killed(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct err e;

	r->cmd = NULL;
	if (res->err.code == ERR_OK) {
		r->p->killed |= r->signal == SIGKILL;
		request_finish(r, NULL);
		return;
	}
	if (res->gone && !runsc_exists(r->p->ct->runsc_root, r->p->ct->id)) {
		kill_without_runsc(r);
		return;
	}
	if (res->gone) {
		request_refuse(r, ERR_NOT_FOUND, "process already finished");
		return;
	}
	/* A container that has only just started may not take signals yet. */
	if (res->err.code != ERR_DEADLINE &&
	    loop_now() - r->began + r->delay_ns < KILL_RETRY_NS) {
		r->delay_ns = r->delay_ns ? 2 * r->delay_ns :
		    KILL_AGAIN_NS;
		timer_start(&r->retry, r->delay_ns, on_kill_retry);
		return;
	}
	e = res->err;
	err_prefix(&e, "kill %s with signal %u", process_name(r->p), r->signal);
	request_finish(r, &e);
}

static void
op_kill(struct process *p, struct request *r)
{
	if (p->kind == PROC_EXEC && p->ct->init.state == STATE_PAUSED) {
		request_refuse(r, ERR_PRECONDITION, "its container is paused");
		return;
	}
	arm_kill_timer(r);
	try_kill(r);
}

/*
 * runsc gives no signal to a container that has not been started.  What would
 * end it ends its sandbox, which holds nothing else yet.
 */
static void
op_kill_created(struct process *p, struct request *r)
{
	if (r->signal != SIGKILL && r->signal != SIGTERM) {
		try_kill(r);
		return;
	}
	request_finish(r, NULL);
	state_set(p, STATE_ENDING);
	if (p->current && p->current->op == OP_START) {
		p->start = START_CUT;
		request_refuse(p->current, ERR_CANCELED,
		    "killed while starting");
	}
	exit_unstarted(p, STATUS_KILLED);
}

/* As asked if what will end it is under way already. */
static void
op_kill_ending(struct process *p, struct request *r)
{
	if (process_has_exited(p) ||
	    (r->signal != SIGKILL && r->signal != SIGTERM))
		request_refuse_state(p, r);
	else
		request_finish(r, NULL);
}

static void
on_resumed_to_kill(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;

	r->cmd = NULL;
	if (res->err.code == ERR_OK && p->state == STATE_PAUSED) {
		state_set(p, STATE_RUNNING);
		publish_event(PUBLISH_RESUMED, p);
	} else if (res->err.code != ERR_OK) {
		/* The signal is taken all the same, and nothing moves. */
		p->maybe_paused = true;
		arm_kill_timer(r);
	}
	try_kill(r);
}

/* runsc gives no signal to a paused container; SIGKILL must end it all the
 * same, so it is resumed for it. */
static void
op_kill_paused(struct process *p, struct request *r)
{
	struct err e;

	if (r->signal != SIGKILL) {
		request_refuse(r, ERR_PRECONDITION,
		    "a paused container takes no signal but SIGKILL");
		return;
	}
	arm_kill_timer(r);
	r->cmd = runsc_simple(&p->ct->env, "resume", on_resumed_to_kill, r,
	    &e);
	if (!r->cmd)
		request_finish(r, &e);
}

/* -- pause, resume -------------------------------------------------------- */

static void
on_paused(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;
	bool pausing = r->op == OP_PAUSE;
	struct err e;

	r->cmd = NULL;
	p->maybe_paused = res->err.code != ERR_OK;
	if (p->maybe_paused) {
		e = res->err;
		err_prefix(&e, "OCI runtime %s failed",
		    pausing ? "pause" : "resume");
		request_finish(r, &e);
		return;
	}
	/* A kill may have resumed it meanwhile. */
	if (p->state != (pausing ? STATE_PAUSED : STATE_RUNNING)) {
		state_set(p, pausing ? STATE_PAUSED : STATE_RUNNING);
		publish_event(pausing ? PUBLISH_PAUSED : PUBLISH_RESUMED, p);
	}
	request_finish(r, NULL);
}

/* Has the pod other containers than this one; dead: also if they have ended,
 * and not been deleted? */
static bool
has_company(const struct container *ct, bool dead)
{
	const struct container *x;

	for (x = state_next(NULL); x; x = state_next(x)) {
		if (x != ct && (dead || x->init.state != STATE_STOPPED) &&
		    strcmp(x->env.sandbox_id, ct->env.sandbox_id) == 0)
			return true;
	}
	return false;
}

/* What is paused is the sandbox: others in it would say that they run. */
static void
op_pause(struct process *p, struct request *r)
{
	struct err e;

	if (r->op == OP_PAUSE && has_company(p->ct, false)) {
		request_refuse(r, ERR_PRECONDITION, "runsc pauses a whole "
		    "sandbox, and other containers are in this one");
		return;
	}
	r->cmd = runsc_simple(&p->ct->env,
	    r->op == OP_PAUSE ? "pause" : "resume", on_paused, r, &e);
	if (!r->cmd)
		request_finish(r, &e);
}

/* -- checkpoint ----------------------------------------------------------- */

static void
on_resumed_to_end(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;

	r->cmd = NULL;
	if (res->err.code != ERR_OK && !res->gone)
		log_warn("%s: resume after a checkpoint: %s",
		    process_name(r->p), res->err.msg);
	request_finish(r, NULL);
}

static void
on_checkpointed(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;
	struct err e = res->err;

	r->cmd = NULL;
	if (e.code != ERR_OK) {
		err_prefix(&e, "OCI runtime checkpoint failed");
		request_finish(r, &e);
		return;
	}
	publish_checkpointed(p->ct, r->text);
	/* A paused sandbox has been told to end, but does not get to it. */
	if (r->exit && p->state == STATE_PAUSED && !process_has_exited(p))
		r->cmd = runsc_simple(&p->ct->env, "resume",
		    on_resumed_to_end, r, &e);
	if (!r->cmd)
		request_finish(r, NULL);
}

static void
checkpoint(struct request *r)
{
	struct err e;

	r->cmd = runsc_checkpoint(&r->p->ct->env, r->text, !r->exit,
	    on_checkpointed, r, &e);
	if (!r->cmd)
		request_finish(r, &e);
}

/*
 * Until 2024 --leave-running destroyed the container and ran another of that
 * name, as a child of `runsc checkpoint` (gVisor release-20221219.0
 * runsc/cmd/checkpoint.go; tried: it ends with an error and without a
 * container).  Those that save pages directly go on in place.
 */
static void
on_help(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct err e;

	r->cmd = NULL;
	if (process_has_exited(r->p)) {
		err_set(&e, ERR_PRECONDITION, "%s: the process has ended",
		    process_name(r->p));
		request_finish(r, &e);
	} else if (res->err.code == ERR_EXHAUSTED) {
		request_finish(r, &res->err);
	} else if (res->err.code == ERR_OK && fmt_find(res->out, "-direct")) {
		checkpoint(r);
	} else {
		request_refuse(r, ERR_UNIMPLEMENTED, "this runsc ends a "
		    "container when it checkpoints it: ask for that (exit)");
	}
}

static void
op_checkpoint(struct process *p, struct request *r)
{
	struct container *ct = p->ct;
	struct err e;

	if (ct->spec.is_sub || has_company(ct, true)) {
		request_refuse(r, ERR_UNIMPLEMENTED, "runsc checkpoints a "
		    "whole sandbox, not one container of a pod");
		return;
	}
	if (!r->text) {
		request_refuse(r, ERR_EXHAUSTED, "out of memory");
		return;
	}
	if (name_check_path("checkpoint", r->text, &e) < 0) {
		request_finish(r, &e);
		return;
	}
	if (r->exit) {
		checkpoint(r);
		return;
	}
	r->cmd = runsc_simple(&ct->env, "help", on_help, r, &e);
	if (!r->cmd)
		request_finish(r, &e);
}

/* -- pids ----------------------------------------------------------------- */

/* From memory: containerd deletes a task whose Pids are empty or fail
 * (containerd 1.7 shim_load.go), so there is always one: of a container that
 * has yet to be restored, the shim's own. */
static void
op_pids_known(struct process *p, struct request *r)
{
	static uint32_t own;

	own = (uint32_t)getpid();
	r->pids = p->pid ? (const uint32_t *)&p->pid : &own;
	r->npids = 1;
	request_finish(r, NULL);
}

static void
on_ps(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;

	r->cmd = NULL;
	if (res->err.code == ERR_OK && res->npids > 0) {
		r->pids = res->pids;
		r->npids = res->npids;
		request_finish(r, NULL);
		return;
	}
	log_warn("%s: its processes: %s", process_name(r->p),
	    res->err.code == ERR_OK ? "none" : res->err.msg);
	op_pids_known(r->p, r);
}

static void
op_pids(struct process *p, struct request *r)
{
	struct err e;

	r->cmd = runsc_simple(&p->ct->env, "ps", on_ps, r, &e);
	if (!r->cmd)
		op_pids_known(p, r);
}

/* -- delete --------------------------------------------------------------- */

static void
fill_exit(struct request *r, const struct process *p)
{
	r->pid = p->pid;
	r->exit_status = p->exit_status;
	r->exited_at = p->exited_at;
}

static void
delete_finished(struct request *r)
{
	struct process *p = r->p;
	struct container *ct = p->ct;
	struct process *x;

	fill_exit(r, p);
	request_detach(r);
	state_set(p, STATE_DELETED);
	publish_event(PUBLISH_DELETE, p);
	for (x = ct->execs; x; x = x->next)
		requests_flush(x, "deleted");
	requests_flush(p, "deleted");
	container_free(ct);
	r->done(r, NULL);
}

static void
on_force_deleted(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;

	r->cmd = NULL;
	/* Nothing runs any more; what runsc may have left are files, and
	 * keeping the container undeletable would help nobody. */
	if (res->err.code != ERR_OK && !res->gone) {
		log_err("%s: runsc delete --force: %s", process_name(r->p),
		    res->err.msg);
		runsc_kill_leftovers(r->p->ct->bundle);
	}
	delete_finished(r);
}

static void
on_deleted(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct err e;

	r->cmd = NULL;
	if (res->err.code == ERR_OK || res->gone) {
		delete_finished(r);
		return;
	}
	log_warn("%s: runsc delete: %s; forcing it", process_name(r->p),
	    res->err.msg);
	r->cmd = runsc_delete(&r->p->ct->env, true, on_force_deleted, r, &e);
	if (!r->cmd) {
		log_err("%s: %s", process_name(r->p), e.msg);
		delete_finished(r);
	}
}

static void
op_delete(struct process *p, struct request *r)
{
	struct err e;

	/* Before runsc: a gofer or a client may wait for these ends. */
	process_close_stdio(p);
	r->cmd = runsc_delete(&p->ct->env, false, on_deleted, r, &e);
	if (!r->cmd) {
		log_err("%s: %s", process_name(p), e.msg);
		delete_finished(r);
	}
}

/* Never started: end the sandbox, then delete as if it had run. */
static void
op_delete_created(struct process *p, struct request *r)
{
	request_requeue(r);
	exit_unstarted(p, STATUS_KILLED);
}

static void
op_delete_exec(struct process *p, struct request *r)
{
	if (!process_has_exited(p)) {
		p->exit_status = STATUS_NOT_KNOWN;
		p->exited_at = unix_now();
	}
	fill_exit(r, p);
	request_detach(r);
	requests_flush(p, "deleted");
	waiters_release(p);
	state_set(p, STATE_DELETED);
	container_remove_exec(p);
	r->done(r, NULL);
}

/* -- the cells ------------------------------------------------------------- */

cell_does *const ops_cells[CELLS] = {
	[MAKE] = op_create, [GO] = op_start, [GOX] = op_exec_start,
	[EXEC] = op_exec, [HALT] = op_pause, [KILL] = op_kill,
	[KNEW] = op_kill_created, [KHLT] = op_kill_paused,
	[KNEX] = op_kill_new_exec, [KEND] = op_kill_ending,
	[SIZE] = op_resize, [SHUT] = op_close_io, [ASK] = op_pids,
	[KNOW] = op_pids_known, [STAT] = op_stats,
	[LAST] = op_last_stats, [UPD] = op_update,
	[SAVE] = op_checkpoint, [DEL] = op_delete, [DNEW] = op_delete_created,
	[DING] = op_delete_creating, [DELX] = op_delete_exec,
	[GOON] = exit_go_on,
};
