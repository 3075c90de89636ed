/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops: what each operation does, one after the other: start, exec, stdio,
 * kill, pause, pids, delete.
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

#include "container.h"
#include "base/fd.h"
#include "base/fmt.h"
#include "base/log.h"
#include "publish.h"

/* Pids of one container that are reported; gVisor's own limit is higher. */
#define PIDS_MAX 16384
/* Processes without a parent that are looked at: init and execs, and some. */
#define STRAYS_MAX (EXECS_MAX + 64)
#define KILL_FIRST_DELAY_NS (50 * NS_PER_MS)

/* -- what a failed exec leaves inside ------------------------------------- */

static void strays_look(struct container *ct);

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

/* The first of pids, not init's, that none of our execs has; 0: none. */
static uint32_t
find_stray(const struct container *ct, const uint32_t *pids, long n)
{
	const struct process *execs[EXEC_SLOTS];
	long i;

	state_index_execs(ct, execs);
	for (i = 0; i < n; i++) {
		if (pids[i] != ct->strays.init &&
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
	uint32_t pids[STRAYS_MAX], pid;
	struct err e;
	long n;

	ct->strays.cmd = NULL;
	n = res->err.code == ERR_OK ? runsc_parse_parentless(res->out,
	    res->outlen, pids, STRAYS_MAX) : 0;
	if (n < 0 || (res->err.code != ERR_OK && !res->gone))
		log_err("%s: a process whose exec has failed may live on: %s",
		    ct->id, n < 0 ? res->out : res->err.msg);
	/* An exec that has begun meanwhile may be whose process that is. */
	if (n > 0 && any_is_starting(ct)) {
		ct->strays.due = true;
		return;
	}
	pid = n > 0 ? find_stray(ct, pids, n) : 0;
	if (!pid)
		return;
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

	if (!ct->strays.due || ct->strays.cmd || ct->init.gone ||
	    any_is_starting(ct))
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

/* -- start ---------------------------------------------------------------- */

/* Start worked.  Its reply first, then TaskStart, then the exit if there has
 * been one already. */
void
start_worked(struct process *p)
{
	struct request *r = p->current;
	struct container *ct = p->ct;

	state_set(p, STATE_RUNNING);
	p->started = true;
	r->pid = p->pid;
	request_detach(r);
	r->done(r, NULL);
	publish_start(p);
	if (p->gone)
		process_end(p);
	else
		requests_run(p);
	strays_look(ct);
}

/*
 * Start failed: p can only be deleted any more.  It becomes stopped, and only
 * then is the client told why: clients delete at once what could not be
 * started, and refuse to where State still says created.
 */
void
start_failed(struct process *p, struct err *e)
{
	struct request *r = p->current;
	struct container *ct = p->ct;

	process_named(p, e);
	log_warn("%s", e->msg);
	p->start_failed = true;
	request_detach(r);
	p->start_err = malloc(sizeof(*e));
	if (p->start_err) {
		*p->start_err = *e;
		p->failed_start = r;
	} else {
		r->done(r, e);
	}
	if (p->gone) {
		p->exit_status = START_FAILED_STATUS;
		process_end(p);
	} else {
		/* The sandbox's end will be the container's. */
		process_end_created(p, START_FAILED_STATUS);
	}
	strays_look(ct);
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
		start_failed(p, &e);
		return;
	}
	if (p->ct->spec.is_sub)
		process_arm_wait(p);
	start_worked(p);
}

void
op_start(struct process *p, struct request *r)
{
	struct err e;
	int fds[3];

	if (p->gone) {
		request_refuse(r, ERR_PRECONDITION, "the sandbox has ended");
		return;
	}
	if (p->ct->checkpoint) {
		op_restore(p, r);
		return;
	}
	io_child_fds(p->io, fds);
	r->cmd = runsc_start(&p->ct->env, p->ct->spec.is_sub ? fds : NULL,
	    on_started, r, &e);
	io_child_done(p->io);
	if (!r->cmd)
		start_failed(p, &e);
}

/* -- start of an exec ----------------------------------------------------- */

static void
on_inner_init(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;
	struct container *ct = p->ct;
	uint32_t pids[2];

	r->cmd = NULL;
	if (res->err.code == ERR_OK && !ct->strays.init &&
	    runsc_parse_parentless(res->out, res->outlen, pids, 2) == 1)
		ct->strays.init = pids[0];
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
on_exec_started(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;
	struct err e;

	r->cmd = NULL;
	if (res->err.code != ERR_OK) {
		e = res->err;
		/* Who says why has started nothing, but for what comes after
		 * that (runsc/cmd/exec.go). */
		p->ct->strays.due |= !res->told || fmt_find(e.msg, "pid file");
		err_prefix(&e, "OCI runtime exec failed");
		start_failed(p, &e);
		return;
	}
	if (child_adopt(&p->child, res->pid, &res->origin, process_exec_exited,
	    &e) < 0) {
		err_prefix(&e, "exec started but cannot be watched");
		p->ct->strays.due = true;
		start_failed(p, &e);
		return;
	}
	p->pid = res->pid;
	p->internal_pid = res->internal_pid;
	start_worked(p);
}

/* With stdio open and ready, if why is NULL.  The start may have been cut short
 * meanwhile. */
static void
run_exec(void *arg, const struct err *why)
{
	struct process *p = arg;
	struct request *r = p->current;
	struct err e;
	int fds[3];

	if (!r || r->op != OP_START)
		return;
	if (!why && p->ct->init.gone) {
		err_set(&e, ERR_PRECONDITION,
		    "the container's init process has ended");
		why = &e;
	}
	if (why) {
		e = *why;
		start_failed(p, &e);
		return;
	}
	io_child_fds(p->io, fds);
	r->cmd = runsc_exec(&p->ct->env, fds, process_console_path(p),
	    p->process_json, p->process_len, on_exec_started, r, &e);
	io_child_done(p->io);
	process_forget_spec(p);
	if (!r->cmd)
		start_failed(p, &e);
}

void
op_exec_start(struct process *p, struct request *r)
{
	struct container *ct = p->ct;
	struct err e;

	if (ct->init.gone) {
		request_refuse(r, ERR_PRECONDITION,
		    "the container's init process has ended");
		return;
	}
	if (ct->init.state != STATE_RUNNING) {
		err_set(&e, ERR_PRECONDITION,
		    "%s: cannot start an exec in a %s container", process_name(p),
		    state_name(ct->init.state));
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
		start_failed(p, &e);
		return;
	}
	/* What was asked of the exec before it had any stdio. */
	if (p->stdin_closed)
		io_close_stdin(p->io);
	if (!io_await(p->io, run_exec, p))
		run_exec(p, NULL);
}

/* -- exec, stdio ---------------------------------------------------------- */

void
op_exec(struct process *p, struct request *r)
{
	struct process *x;
	struct err e;

	if (p->gone) {
		request_refuse(r, ERR_PRECONDITION,
		    "the container's init process has ended");
		return;
	}
	if (state_find(p->ct->id, r->new_exec_id, &e)) {
		err_set(&e, ERR_EXISTS, "%s: exec %s already exists", process_name(p),
		    r->new_exec_id);
		request_finish(r, &e);
		return;
	}
	x = container_add_exec(p->ct, r, &e);
	if (!x) {
		request_finish(r, &e);
		return;
	}
	publish_exec_added(x);
	request_finish(r, NULL);
}

void
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

void
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

	if (p->gone || !root)
		return;
	log_warn("%s: SIGKILL did not end it: killing sandbox %s",
	    process_name(p), root->id);
	child_kill(&root->init.child, SIGKILL);
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

	r->cmd = runsc_kill(&p->ct->env, p->internal_pid, r->all, r->signal,
	    on_killed, r, &e);
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
		request_refuse(r, ERR_UNAVAILABLE, "runsc has lost its state of "
		    "this container, which takes no signal but SIGKILL now");
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
		    KILL_FIRST_DELAY_NS;
		timer_start(&r->retry, r->delay_ns, on_kill_retry);
		return;
	}
	e = res->err;
	err_prefix(&e, "kill %s with signal %u", process_name(r->p), r->signal);
	request_finish(r, &e);
}

void
op_kill(struct process *p, struct request *r)
{
	if (p->gone) {
		request_refuse(r, ERR_NOT_FOUND, "process already finished");
		return;
	}
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
void
op_kill_created(struct process *p, struct request *r)
{
	if (p->gone) {
		request_refuse(r, ERR_NOT_FOUND, "process already finished");
		return;
	}
	if (r->signal != SIGKILL && r->signal != SIGTERM) {
		try_kill(r);
		return;
	}
	request_finish(r, NULL);
	p->ending = true;
	if (p->current && p->current->op == OP_START) {
		p->start_cut = true;
		request_refuse(p->current, ERR_CANCELED,
		    "killed while starting");
	}
	process_end_created(p, STATUS_KILLED);
}

/*
 * An exec is killed for nothing before it runs, unless its start is under way:
 * that is cut short, and what has come of it inside is killed as a stray.
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
	p->ending = true;
	p->ct->strays.due = true;
	request_refuse(p->current, ERR_CANCELED, "killed while starting");
	process_end_created(p, STATUS_KILLED);
	strays_look(p->ct);
}

static void
on_resumed_to_kill(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;

	r->cmd = NULL;
	if (res->err.code == ERR_OK && p->state == STATE_PAUSED) {
		state_set(p, STATE_RUNNING);
		publish_resumed(p->ct);
	}
	try_kill(r);
}

/* runsc gives no signal to a paused container; SIGKILL must end it all the
 * same, so it is resumed for it. */
void
op_kill_paused(struct process *p, struct request *r)
{
	struct err e;

	if (r->signal != SIGKILL) {
		request_refuse(r, ERR_PRECONDITION,
		    "a paused container takes no signal but SIGKILL");
		return;
	}
	if (p->gone) {
		request_refuse(r, ERR_NOT_FOUND, "process already finished");
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
		(pausing ? publish_paused : publish_resumed)(p->ct);
	}
	request_finish(r, NULL);
}

/* Has the pod other containers than this one? */
static bool
has_company(const struct container *ct)
{
	const struct container *x;

	for (x = state_next(NULL); x; x = state_next(x)) {
		if (x != ct && x->init.state != STATE_STOPPED &&
		    strcmp(x->env.sandbox_id, ct->env.sandbox_id) == 0)
			return true;
	}
	return false;
}

/* What is paused is the sandbox: others in it would say that they run. */
void
op_pause(struct process *p, struct request *r)
{
	struct err e;

	if (r->op == OP_PAUSE && has_company(p->ct)) {
		request_refuse(r, ERR_PRECONDITION, "runsc pauses a whole "
		    "sandbox, and other containers are in this one");
		return;
	}
	r->cmd = runsc_simple(&p->ct->env,
	    r->op == OP_PAUSE ? "pause" : "resume", on_paused, r, &e);
	if (!r->cmd)
		request_finish(r, &e);
}

/* -- pids ----------------------------------------------------------------- */

/* From memory: containerd deletes a task whose Pids are empty or fail
 * (containerd 1.7 shim_load.go), so there is always one: of a container that
 * has yet to be restored, the shim's own. */
void
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
	uint32_t *pids = NULL;
	long n = -1;

	r->cmd = NULL;
	if (res->err.code == ERR_OK)
		pids = malloc(PIDS_MAX * sizeof(*pids));
	if (pids)
		n = runsc_parse_ps(res->out, res->outlen, pids, PIDS_MAX);
	if (n > 0) {
		r->pids = pids;
		r->npids = (size_t)n;
		request_finish(r, NULL);
	} else {
		log_warn("%s: runsc ps: %s", process_name(r->p),
		    res->err.code == ERR_OK ? res->out : res->err.msg);
		op_pids_known(r->p, r);
	}
	free(pids);
}

void
op_pids(struct process *p, struct request *r)
{
	struct err e;

	if (!p->gone)
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
	publish_delete(p);
	for (x = ct->execs; x; x = x->next)
		requests_flush(x);
	requests_flush(p);
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

void
op_delete(struct process *p, struct request *r)
{
	struct err e;

	/* Before runsc: a gofer or a client may wait for these ends. */
	console_free(p->console);
	p->console = NULL;
	process_close_stdio(p);
	r->cmd = runsc_delete(&p->ct->env, false, on_deleted, r, &e);
	if (!r->cmd) {
		log_err("%s: %s", process_name(p), e.msg);
		delete_finished(r);
	}
}

/* Never started: end the sandbox, then delete as if it had run. */
void
op_delete_created(struct process *p, struct request *r)
{
	p->current = NULL;
	r->next = p->queue;
	p->queue = r;
	process_end_created(p, STATUS_KILLED);
}

void
op_delete_creating(struct process *p, struct request *r)
{
	request_detach(r);
	container_cancel_create(p->ct, r);
}

void
op_delete_exec(struct process *p, struct request *r)
{
	if (!p->gone) {
		p->exit_status = STATUS_UNKNOWN;
		p->exited_at = unix_now();
	}
	fill_exit(r, p);
	request_detach(r);
	requests_flush(p);
	waiters_release(p);
	state_set(p, STATE_DELETED);
	container_remove_exec(p);
	r->done(r, NULL);
}
