/* SPDX-License-Identifier: Apache-2.0 */
/* exec: see exec.h. */
#include "exec.h"

#include <signal.h>

#include "base/fd.h"
#include "base/fmt.h"
#include "base/log.h"
#include "container.h"
#include "exit.h"
#include "publish.h"
#include "wire/save.h"

/* A sandbox may say that it has killed one, and list it for ever. */
#define STRAY_KILLS_MAX (4 * (EXECS_MAX + 64))

/* -- what a failed exec leaves inside ------------------------------------- */

static void strays_look(struct container *ct);
static void strays_look_again(struct container *ct);

static bool
any_is_starting(const struct container *ct)
{
	const struct process *x;

	for (x = ct->execs; x; x = x->next) {
		if (x->state == STATE_CREATED && x->current &&
		    x->current->op == OP_START)
			return true;
	}
	return false;
}

/* The first of pids, not init's nor the last that was killed, that none of our
 * execs has; 0: none. */
static uint32_t
find_stray(const struct container *ct, const uint32_t *pids, size_t n)
{
	const struct process *execs[EXEC_SLOTS];
	size_t i;

	state_index_execs(ct, execs);
	for (i = 0; i < n; i++) {
		if (pids[i] != ct->strays.init && pids[i] != ct->strays.last &&
		    !state_exec_of_pid(execs, pids[i]))
			return pids[i];
	}
	return 0;
}

static void
on_stray_killed(void *arg, const struct runsc_result *res)
{
	struct container *ct = arg;

	ct->strays.cmd = NULL;
	if (res->err.code != ERR_OK && !res->gone)
		log_err("%s: a process whose exec has failed may live on: %s",
		    ct->id, res->err.msg);
	strays_look(ct);
}

static void
on_strays(void *arg, const struct runsc_result *res)
{
	struct container *ct = arg;
	size_t n = res->err.code == ERR_OK ? res->npids : 0;
	struct err e;
	uint32_t pid;

	ct->strays.cmd = NULL;
	if (res->err.code != ERR_OK && !res->gone)
		log_err("%s: a process whose exec has failed may live on: %s",
		    ct->id, res->err.msg);
	/* An exec that has begun meanwhile may be whose process that is. */
	if (n > 0 && any_is_starting(ct)) {
		ct->strays.due = true;
		return;
	}
	pid = find_stray(ct, res->pids, n);
	if (!pid || ct->strays.kills == STRAY_KILLS_MAX) {
		ct->strays.last = 0;
		strays_look_again(ct);
		return;
	}
	ct->strays.last = pid;
	ct->strays.kills++;
	log_warn("%s: killing process %u, whose exec has failed", ct->id,
	    (unsigned)pid);
	ct->strays.due = true;
	ct->strays.cmd = runsc_kill(&ct->env, (pid_t)pid, false, SIGKILL,
	    on_stray_killed, ct, &e);
	if (!ct->strays.cmd)
		log_err("%s: kill process %u: %s", ct->id, (unsigned)pid,
		    e.msg);
}

/*
 * A runsc that failed to start an exec, or was killed over it, may have got as
 * far as to have the sandbox start the process, which nobody would own.  What
 * is in the container, has no parent there, and is neither init nor of an exec
 * of ours, is that.  Not while another exec is being started: its process is
 * not known yet.
 */
static void
strays_look(struct container *ct)
{
	struct err e;

	if (!ct->strays.due || ct->strays.cmd ||
	    process_has_exited(&ct->init) || any_is_starting(ct))
		return;
	ct->strays.due = false;
	if (!ct->strays.init) {
		log_warn("%s: the process of an exec that has failed may live "
		    "on: init's pid inside is not known", ct->id);
		return;
	}
	ct->strays.cmd = runsc_list_parentless(&ct->env, on_strays, ct, &e);
	if (!ct->strays.cmd)
		log_err("%s: %s", ct->id, e.msg);
}

static void
on_again(struct timer *t)
{
	struct container *ct = container_of(t, struct container, strays.again);

	ct->strays.due = true;
	strays_look(ct);
}

void
exec_resume(struct container *ct)
{
	save_start(&ct->strays.again, on_again);
}

/* The sandbox may have been asked to start it, and not have come to that. */
static void
strays_look_again(struct container *ct)
{
	int64_t delay = ct->strays.delay_ns;

	ct->strays.delay_ns = 2 * delay;
	if (delay <= STRAYS_NS)
		timer_start(&ct->strays.again, delay, on_again);
}

/* An exec of ct has failed, and may have left a process. */
static void
strays_expect(struct container *ct)
{
	ct->strays.due = true;
	ct->strays.last = ct->strays.kills = 0;
	ct->strays.delay_ns = STRAYS_AGAIN_NS;
}

/* -- exec ----------------------------------------------------------------- */

void
op_exec(struct process *p, struct request *r)
{
	struct process *x;
	struct err e;

	if (state_find(p->ct->id, r->new_exec_id, &e)) {
		err_set(&e, ERR_EXISTS, "%s: exec %s already exists",
		    process_name(p), r->new_exec_id);
		request_finish(r, &e);
		return;
	}
	x = container_add_exec(p->ct, r, &e);
	if (!x) {
		request_finish(r, &e);
		return;
	}
	publish_event(PUBLISH_EXEC_ADDED, x);
	request_finish(r, NULL);
}

/* -- start, by runsc ------------------------------------------------------ */

static void
on_inner_init(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;
	struct container *ct = p->ct;

	r->cmd = NULL;
	if (res->err.code == ERR_OK && !ct->strays.init && res->npids == 1)
		ct->strays.init = res->pids[0];
	op_exec_start(p, r);
}

/* Before the first exec, init is the one without a parent.  (A sandbox's first
 * process is 1; the pids are those of the sandbox's own namespace.) */
static bool
ask_inner_init(struct process *p, struct request *r)
{
	struct container *ct = p->ct;
	struct err e;

	if (ct->strays.asked)
		return false;
	ct->strays.asked = true;
	if (!ct->spec.is_sub) {
		ct->strays.init = 1;
		return false;
	}
	r->cmd = runsc_list_parentless(&ct->env, on_inner_init, r, &e);
	return r->cmd != NULL;
}

static void
exec_failed(struct process *p, struct err *e)
{
	struct container *ct = p->ct;

	exit_start_failed(p, e);
	strays_look(ct);
}

static void
on_exec_started(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;
	struct container *ct = p->ct;
	struct err e;

	r->cmd = NULL;
	if (res->err.code != ERR_OK) {
		e = res->err;
		/* Who says why has started nothing, but for what comes after
		 * that (runsc/cmd/exec.go). */
		if (!res->told || fmt_find(e.msg, "pid file"))
			strays_expect(ct);
		err_prefix(&e, "OCI runtime exec failed");
		exec_failed(p, &e);
		return;
	}
	if (exit_watch_exec(p, res->pid, &res->origin, &e) < 0) {
		err_prefix(&e, "exec started but cannot be watched");
		strays_expect(ct);
		exec_failed(p, &e);
		return;
	}
	p->internal_pid = res->internal_pid;
	exit_start_worked(p);
	strays_look(ct);
}

static void
run_runsc(struct process *p, struct request *r)
{
	struct err e;
	int fds[3];

	if (p->terminal && process_open_console(p, &e) < 0) {
		err_prefix(&e, "open stdio");
		exec_failed(p, &e);
		return;
	}
	io_child_fds(p->io, fds);
	r->cmd = runsc_exec(&p->ct->env, fds, process_console_path(p),
	    p->process_json, p->process_len, loop_now() - r->began,
	    on_exec_started, r, &e);
	io_child_done(p->io);
	process_forget_spec(p);
	if (!r->cmd)
		exec_failed(p, &e);
}

/* -- by the sandbox itself ------------------------------------------------ */

/* The process runs inside: it gets its pid here. */
static int
stand_in(struct process *p, struct err *e)
{
	int master = p->master;

	if (exit_stand_in(p, p->slave, e) < 0) {
		runsc_end_exec(&p->ct->env, p->internal_pid);
		p->internal_pid = 0;
		err_prefix(e, "exec started but cannot be stood in for");
		return -1;
	}
	p->master = -1;
	if (master >= 0 && io_attach_master(p->io, master, e) < 0)
		log_err("%s: terminal: %s", process_name(p), e->msg);
	return 0;
}

static void
on_executed(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;
	struct container *ct = p->ct;
	struct err e = res->err;

	r->cmd = NULL;
	if (res->instead) {
		process_close_pair(p);
		run_runsc(p, r);
		return;
	}
	io_child_done(p->io);
	process_forget_spec(p);
	if (e.code != ERR_OK)
		err_prefix(&e, "OCI runtime exec failed");
	else
		p->internal_pid = res->internal_pid;
	if (!res->told)
		strays_expect(ct);
	if (e.code != ERR_OK || stand_in(p, &e) < 0) {
		process_close_pair(p);
		exec_failed(p, &e);
		return;
	}
	process_close_pair(p);
	exit_start_worked(p);
	strays_look(ct);
}

/* false: this one is for runsc. */
static bool
ask_sandbox(struct process *p, struct request *r)
{
	struct err e;
	int fds[3];

	if (!runsc_may_execute(&p->ct->env))
		return false;
	io_child_fds(p->io, fds);
	if (p->terminal) {
		if (console_pair(&p->master, &p->slave, p->width, p->height,
		    &e) < 0)
			return false;
		fds[0] = fds[1] = fds[2] = p->slave;
	}
	r->cmd = runsc_execute(&p->ct->env, fds, p->process_json,
	    p->process_len, on_executed, r, &e);
	if (!r->cmd)
		process_close_pair(p);
	return r->cmd != NULL;
}

/* With stdio open and ready, if why is NULL.  The start may have been cut short
 * meanwhile. */
static void
run_exec(void *arg, const struct err *why)
{
	struct process *p = arg;
	struct request *r = p->current;
	struct err e;

	if (!r || r->op != OP_START)
		return;
	if (!why && process_has_exited(&p->ct->init)) {
		err_set(&e, ERR_PRECONDITION,
		    "the container's init process has ended");
		why = &e;
	}
	if (why) {
		e = *why;
		exec_failed(p, &e);
		return;
	}
	if (!ask_sandbox(p, r))
		run_runsc(p, r);
}

void
op_exec_start(struct process *p, struct request *r)
{
	struct container *ct = p->ct;
	struct err e;

	if (process_has_exited(&ct->init)) {
		request_refuse(r, ERR_PRECONDITION,
		    "the container's init process has ended");
		return;
	}
	if (ct->init.state != STATE_RUNNING) {
		err_set(&e, ERR_PRECONDITION,
		    "%s: cannot start an exec in a %s container",
		    process_name(p), state_name(ct->init.state));
		request_finish(r, &e);
		return;
	}
	if (fd_room(&e) < 0) {	/* and it may be tried again */
		request_finish(r, &e);
		return;
	}
	if (ask_inner_init(p, r))
		return;
	if (process_open_stdio(p, &e) < 0) {
		err_prefix(&e, "open stdio");
		exec_failed(p, &e);
		return;
	}
	/* What was asked of the exec before it had any stdio. */
	if (p->stdin_closed)
		io_close_stdin(p->io);
	if (!io_await(p->io, run_exec, p))
		run_exec(p, NULL);
}

/* -- kill ----------------------------------------------------------------- */

/*
 * An exec is killed for nothing before it runs, unless its start is under way:
 * that is cut short, and what has come of it inside is killed as a stray; of
 * what the sandbox was asked for, its answer names the one to kill.
 */
void
op_kill_new_exec(struct process *p, struct request *r)
{
	if (r->signal != SIGKILL || !p->current ||
	    p->current->op != OP_START) {
		request_refuse_state(p, r);
		return;
	}
	request_finish(r, NULL);
	state_set(p, STATE_ENDING);
	if (runsc_may_leave(p->current->cmd))
		strays_expect(p->ct);
	request_refuse(p->current, ERR_CANCELED, "killed while starting");
	exit_unstarted(p, STATUS_KILLED);
	strays_look(p->ct);
}
