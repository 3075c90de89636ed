/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exit: see exit.h.
 *
 * Reading order: exit_seen(), begin_end(), tell_exit() are the way of an exit;
 * what comes after them are those who see one.
 */
#include "exit.h"

#include <signal.h>
#include <stdlib.h>

#include "base/deadline.h"
#include "base/log.h"
#include "console.h"
#include "gvisor/runsc_left.h"
#include "gvisor/runsc_text.h"
#include "publish.h"
#include "resources.h"
#include "wire/save.h"

/* What `runsc exec` and `runsc wait` end with when the sandbox has left. */
#define RUNSC_FAILED 128
#define GO_PANIC_STATUS 2

static void end_check(struct process *init);

/* -- the way of an exit --------------------------------------------------- */

static void
answer_failed_start(struct process *p)
{
	struct request *r = p->failed_start;
	struct err *e = p->start_err;

	p->failed_start = NULL;
	p->start_err = NULL;
	if (r)
		r->done(r, e);
	free(e);
}

/* Everything that p wrote is delivered, or its time is up: say that it
 * ended, in the order that clients rely on. */
static void
tell_exit(void *arg)
{
	struct process *p = arg;
	struct process *init = &p->ct->init;

	timer_stop(&p->end_timer);
	p->end = END_NONE;
	state_set(p, STATE_STOPPED);
	/* An exec that never ran has no TaskExit; init always has one, since
	 * clients that created it wait for the event. */
	if (p->kind == PROC_INIT)
		resources_end(p->ct);
	if (p->kind == PROC_INIT || p->start == START_WORKED)
		publish_event(PUBLISH_EXIT, p);
	answer_failed_start(p);
	waiters_release(p);
	requests_run(p);
	if (p != init)
		end_check(init);
}

static void
drain(struct process *p)
{
	/* Nobody waits for the output of an exec whose init has ended, nor of
	 * what never ran: some clients read only when Start is answered. */
	bool at_once = p->start == START_FAILED ||
	    (p->kind == PROC_EXEC && process_has_exited(&p->ct->init));
	struct io *io = p->io;

	p->end = END_OUTPUT;
	console_collect(p->console);
	console_free(p->console);
	p->console = NULL;
	if (!io) {
		tell_exit(p);
		return;
	}
	io_drain(io, tell_exit, p);
	if (at_once)
		io_drain_end(io);
}

/* Operations under way make no sense any more once the process has gone. */
static void
end_requests(struct process *p)
{
	struct request *r, *next;
	struct err e;

	err_set(&e, ERR_NOT_FOUND, "%s: the process has ended",
	    process_name(p));
	for (r = p->side; r; r = next) {
		next = r->next;
		if (r->op == OP_PIDS) {
			r->pids = (const uint32_t *)&p->pid;
			r->npids = 1;
		}
		/* Kill is as asked; runsc's answer may have died with the
		 * sandbox. */
		request_answer(r, r->op == OP_PIDS || r->op == OP_KILL ?
		    NULL : &e);
	}
	e.code = ERR_PRECONDITION;
	if (p->current)
		request_answer(p->current, &e);
}

/* Init has gone: what it left behind must not outlive it. */
static void
end_exec(struct process *p)
{
	if (process_has_exited(p)) {
		/* A client that reads slowly must not delay init's exit. */
		if (p->io)
			io_drain_end(p->io);
		return;
	}
	if (p->end == END_STATUS) {
		timer_stop(&p->end_timer);
		runsc_cancel(p->end_cmd);
		p->end_cmd = NULL;
		exit_seen(p, STATUS_KILLED);
	} else if (p->state == STATE_CREATED) {
		/* Never ran, or its start is under way and cannot succeed. */
		state_set(p, STATE_ENDING);
		if (p->current)
			request_refuse(p->current, ERR_PRECONDITION,
			    "the container's init process has ended");
		exit_seen(p, STATUS_KILLED);
	}
}

static void
on_execs_late(struct timer *t)
{
	struct process *init = container_of(t, struct process, end_timer);
	struct process *p;

	/* First: the end of the last exec may be init's, and even its
	 * deletion, and no timer may run after that. */
	timer_start(&init->end_timer, EXECS_END_NS, on_execs_late);
	runsc_cancel(init->end_cmd);
	init->end_cmd = NULL;
	for (p = init->ct->execs; p; p = p->next) {
		if (process_has_exited(p))
			continue;
		if (!p->kill_sent) {
			p->kill_sent = true;
			child_kill(&p->child, SIGKILL);
		} else {
			log_err("%s: pid %d does not end although init has "
			    "and it was killed; status unknown",
			    process_name(p), (int)p->pid);
			child_forget(&p->child);
			exit_seen(p, STATUS_NOT_KNOWN);
		}
	}
	end_check(init);
}

static void
on_all_killed(void *arg, const struct runsc_result *r)
{
	struct process *p = arg;

	p->end_cmd = NULL;
	if (r->err.code != ERR_OK && !r->gone)
		log_debug("%s: kill all at its end: %s", process_name(p),
		    r->err.msg);
	end_check(p);
}

/* Go on with init's exit as soon as nothing of the container is left. */
static void
end_check(struct process *init)
{
	struct process *p;

	if (init->end != END_EXECS || init->end_cmd)
		return;
	for (p = init->ct->execs; p; p = p->next) {
		if (p->state != STATE_STOPPED)
			return;
	}
	timer_stop(&init->end_timer);
	drain(init);
}

/* Do we know that the sandbox of a sub-container is no more? */
static bool
sandbox_ended(const struct process *p)
{
	const char *id = p->ct->env.sandbox_id;
	const struct container *root = state_find_container(id);

	if (root == p->ct)	/* says it is its own pod */
		return false;
	return root ? process_has_exited(&root->init) : state_was_deleted(id);
}

/* Init of a sub-container has ended.  Its PID namespace ends with it if it is
 * its own; in the pod's, others may go on.  A start that failed or was cut
 * short may have got anywhere. */
static bool
may_leave_processes(const struct process *init)
{
	if (sandbox_ended(init))
		return false;
	return init->start == START_WORKED ? !init->ct->spec.own_pids :
	    init->start != START_NONE;
}

static void
begin_end(struct process *p)
{
	struct process *x, *next;
	struct err e;

	timer_stop(&p->end_timer);
	runsc_cancel(p->wait_cmd);
	p->wait_cmd = NULL;
	if (p->standin.fd >= 0) {
		runsc_cancel(p->forward_cmd);
		p->forward_cmd = NULL;
		standin_free(&p->standin);
		/* One that somebody has stopped would never see that. */
		child_kill(&p->child, SIGKILL);
		child_forget(&p->child);
	}
	end_requests(p);
	/* Copies of the container's ends that no command took along would
	 * keep the streams open for ever. */
	if (p->io)
		io_child_done(p->io);
	if (p->kind == PROC_EXEC) {
		drain(p);
		return;
	}
	timer_start(&p->end_timer, EXECS_END_NS, on_execs_late);
	for (x = p->ct->execs; x; x = next) {
		next = x->next;
		end_exec(x);
	}
	/* The root container's processes went with the sandbox. */
	if (p->ct->spec.is_sub && may_leave_processes(p))
		p->end_cmd = runsc_kill(&p->ct->env, 0, true, SIGKILL,
		    on_all_killed, p, &e);
	/* Not before the loop is through: an exec without stdio ends in it. */
	p->end = END_EXECS;
	end_check(p);
}

void
exit_go_on(struct process *p, struct request *none)
{
	(void)none;
	if (process_has_exited(p) && p->end == END_NONE)
		begin_end(p);
}

/* What holds the exit of p back hangs. */
static void
on_held(struct timer *t)
{
	struct process *p = container_of(t, struct process, end_timer);
	struct err e;

	err_set(&e, ERR_PRECONDITION, "%s: the process has ended, and runsc "
	    "does not say more", process_name(p));
	if (p->current->op == OP_START)
		exit_start_failed(p, &e);
	else
		request_finish(p->current, &e);
}

void
exit_seen(struct process *p, unsigned status)
{
	if (process_has_exited(p))
		return;
	if (p->state == STATE_CREATING || p->state >= STATE_STOPPED) {
		log_err("%s: an exit in state %s", process_name(p),
		    state_name(p->state));
		return;
	}
	p->exit_status = status;
	p->exited_at = unix_now();
	p->end = END_NONE;
	if (p->state != STATE_ENDING)
		state_set(p, STATE_ENDING);
	/* How start ends is told before how the process did: see
	 * exit_start_worked().  A checkpoint may end it too. */
	if (p->current && (p->current->op == OP_START ||
	    p->current->op == OP_CHECKPOINT))
		timer_start(&p->end_timer, EXIT_HELD_NS, on_held);
	else
		begin_end(p);
}

/* -- the end of a start ---------------------------------------------------- */

void
exit_start_worked(struct process *p)
{
	struct request *r = p->current;

	if (!process_has_exited(p))
		state_set(p, STATE_RUNNING);
	p->start = START_WORKED;
	r->pid = p->pid;
	request_detach(r);
	r->done(r, NULL);
	publish_event(p->kind == PROC_INIT ? PUBLISH_START :
	    PUBLISH_EXEC_STARTED, p);
	if (process_has_exited(p))
		begin_end(p);
	else
		requests_run(p);
}

/* It becomes stopped, and only then is the client told why: clients delete at
 * once what could not be started, and refuse to where State still says
 * created. */
void
exit_start_failed(struct process *p, struct err *e)
{
	struct request *r = p->current;

	process_named(p, e);
	log_warn("%s", e->msg);
	p->start = START_FAILED;
	request_detach(r);
	p->start_err = malloc(sizeof(*e));
	if (p->start_err) {
		*p->start_err = *e;
		p->failed_start = r;
	} else {
		r->done(r, e);
	}
	if (process_has_exited(p)) {
		p->exit_status = STATUS_START_FAILED;
		begin_end(p);
	} else {
		/* The sandbox's end will be the container's. */
		exit_unstarted(p, STATUS_START_FAILED);
	}
}

/* -- those who see an exit ------------------------------------------------- */

void
exit_orphan(struct process *p)
{
	if (p->ct->spec.is_sub && p->state == STATE_CREATED &&
	    sandbox_ended(p))
		exit_seen(p, STATUS_KILLED);
}

static void on_wait_again(struct timer *t);

/* If p's wait was put off, its end can be known now. */
static void
wait_now(struct process *p)
{
	if (timer_running(&p->end_timer) && p->end_timer.cb == on_wait_again)
		timer_start(&p->end_timer, 0, on_wait_again);
}

/* The containers of a pod went with its sandbox; of those that have yet to be
 * started nobody else would notice. */
static void
end_subs(const struct process *root)
{
	struct container *ct, *next;
	struct process *x;

	for (ct = state_next(NULL); ct; ct = next) {
		next = state_next(ct);
		if (ct->init.pid != root->pid)
			continue;
		for (x = ct->execs; x; x = x->next)
			wait_now(x);
		wait_now(&ct->init);
		exit_orphan(&ct->init);
	}
}

/* The status of a container whose sandbox has ended.  Of one that crashed
 * nobody knows it: Go's status of a panic is not the container's. */
static unsigned
sandbox_status(const struct process *p, int status)
{
	const struct runsc_env *env = &p->ct->env;
	unsigned code = child_exit_code(status);
	char text[200];

	if (p->start == START_FAILED)
		return STATUS_START_FAILED;
	if (code != GO_PANIC_STATUS)
		return code;
	if ((!env->log_directory && env->panic_fd <= 0) ||
	    config_has_flag(&p->ct->config, "panic-log"))
		log_warn("%s: ended with %u, which a crash of the sandbox "
		    "would do too: the settings have its panic log elsewhere",
		    process_name(p), code);
	if (!runsc_has_panicked(env->log_directory, env->panic_fd,
	    env->panic_from, text, sizeof(text)))
		return code;
	log_err("%s: sandbox %d has crashed, reporting %d: %s",
	    process_name(p), (int)p->pid, p->killed ? STATUS_KILLED :
	    STATUS_NOT_KNOWN, text);
	return p->killed ? STATUS_KILLED : STATUS_NOT_KNOWN;
}

static void
on_sandbox_exit(struct child *c, int status)
{
	struct process *p = container_of(c, struct process, child);

	if (status == CHILD_STATUS_UNKNOWN)
		log_err("%s: sandbox %d ended and nobody could take its "
		    "status: reporting %d", process_name(p), (int)p->pid,
		    STATUS_NOT_KNOWN);
	exit_seen(p, sandbox_status(p, status));
	end_subs(p);
}

static void
on_sandbox_late(struct timer *t)
{
	struct process *p = container_of(t, struct process, end_timer);

	log_err("%s: sandbox %d does not end although it was killed; status "
	    "unknown", process_name(p), (int)p->pid);
	child_forget(&p->child);
	exit_seen(p, p->start == START_FAILED ? STATUS_START_FAILED :
	    STATUS_NOT_KNOWN);
	end_subs(p);
}

void
exit_unstarted(struct process *p, unsigned status)
{
	if (process_has_exited(p))
		return;
	if (p->state != STATE_ENDING)
		state_set(p, STATE_ENDING);
	if (child_running(&p->child)) {
		p->end = END_SANDBOX;
		child_kill(&p->child, SIGKILL);
		timer_start(&p->end_timer, SANDBOX_END_NS, on_sandbox_late);
	} else {
		/* A restore that was cut short has no child of ours. */
		if (p->kind == PROC_INIT && p->ct->checkpoint)
			runsc_kill_leftovers(p->ct->bundle);
		exit_seen(p, status);
	}
}

static void
on_really_128(struct timer *t)
{
	exit_seen(container_of(t, struct process, end_timer), RUNSC_FAILED);
}

static void
on_exec_killed(void *arg, const struct runsc_result *r)
{
	struct process *p = arg;

	p->end_cmd = NULL;
	if (r->err.code != ERR_OK && !r->gone)
		log_err("%s: who waits for it was killed, and process %d may "
		    "live on: %s", process_name(p), (int)p->internal_pid,
		    r->err.msg);
	exit_seen(p, STATUS_KILLED);
}

static void
on_exec_exit(struct child *c, int status)
{
	struct process *p = container_of(c, struct process, child);
	unsigned code = child_exit_code(status);
	struct err e;

	if (p->standin.status >= 0) {
		exit_seen(p, (unsigned)p->standin.status);
		return;
	}
	/* It was not the process that was killed but who waits for it: what is
	 * told then must become true first. */
	if (child_was_killed(status) && p->internal_pid &&
	    !process_has_exited(&p->ct->init))
		p->end_cmd = runsc_kill(&p->ct->env, p->internal_pid, false,
		    SIGKILL, on_exec_killed, p, &e);
	p->end = END_STATUS;
	if (p->end_cmd)
		return;
	if (status == CHILD_STATUS_UNKNOWN)
		log_err("%s: process %d ended and nobody could take its "
		    "status: reporting %d", process_name(p), (int)p->pid,
		    STATUS_NOT_KNOWN);
	/* `runsc exec` says 128 when the sandbox left before its process, and
	 * then init's end killed that process.  The two ends come in any
	 * order, so a 128 waits a little for the sandbox's. */
	if (code != RUNSC_FAILED || p->standin.fd >= 0)
		exit_seen(p, code);
	else if (process_has_exited(&p->ct->init))
		exit_seen(p, STATUS_KILLED);
	else
		timer_start(&p->end_timer, SANDBOX_SEEN_NS, on_really_128);
}

static void
on_wait_again(struct timer *t)
{
	struct process *p = container_of(t, struct process, end_timer);

	p->end = END_NONE;
	exit_await(p);
}

/* Somebody has stopped it, or keeps it frozen. */
static void
on_standin_late(struct timer *t)
{
	struct process *p = container_of(t, struct process, end_timer);

	log_warn("%s: pid %d, which stands in for it, does not end",
	    process_name(p), (int)p->pid);
	exit_seen(p, (unsigned)p->standin.status);
}

/* A sandbox that answers with nonsense does not get a runsc each second. */
static void
wait_later(struct process *p)
{
	p->wait_again_ns = p->wait_again_ns == 0 ? WAIT_AGAIN_NS :
	    p->wait_again_ns < WAIT_AGAIN_MAX_NS ? 2 * p->wait_again_ns :
	    WAIT_AGAIN_MAX_NS;
	timer_start(&p->end_timer, p->wait_again_ns, on_wait_again);
}

/* Of an exec the stand-in ends so, and on_exec_exit() goes on. */
static void
tell_status(struct process *p, unsigned status)
{
	if (p->kind == PROC_EXEC) {
		if (child_running(&p->child))
			timer_start(&p->end_timer, STANDIN_END_NS,
			    on_standin_late);
		standin_end(&p->standin, status);
	} else {
		exit_seen(p, status);
	}
}

static void
on_waited(void *arg, const struct runsc_result *r)
{
	struct process *p = arg;
	bool exec = p->kind == PROC_EXEC;

	p->wait_cmd = NULL;
	if (r->err.code == ERR_OK) {
		tell_status(p, r->status);
		return;
	}
	if (loop_now() - p->wait_began > WAIT_AGAIN_MAX_NS)
		p->wait_again_ns = 0;
	/* A sub-container dies with the sandbox, an exec with its init. */
	if (exec ? process_has_exited(&p->ct->init) : sandbox_ended(p)) {
		tell_status(p, STATUS_KILLED);
		return;
	}
	/* Whose end may be seen in a moment. */
	if (!r->gone || !p->wait_gone) {
		log_warn("%s: wait for its end: %s; asking again",
		    process_name(p), r->err.msg);
		p->end = exec ? END_STATUS : END_NONE;
		if (r->gone || (exec && !p->wait_gone))
			timer_start(&p->end_timer, SANDBOX_SEEN_NS,
			    on_wait_again);
		else
			wait_later(p);
		p->wait_gone = r->gone || exec;
		return;
	}
	log_err("%s: exit status unknown, reporting %d: runsc wait: %s",
	    process_name(p), STATUS_NOT_KNOWN, r->err.msg);
	tell_status(p, STATUS_NOT_KNOWN);
}

void
exit_await(struct process *p)
{
	struct err e;

	if (p->kind == PROC_EXEC)
		p->wait_cmd = runsc_wait_exec(&p->ct->env, p->internal_pid,
		    !p->wait_gone, on_waited, p, &e);
	else
		p->wait_cmd = runsc_simple(&p->ct->env, "wait", on_waited, p,
		    &e);
	p->wait_began = loop_now();
	if (!p->wait_cmd) {
		log_err("%s: %s; trying again", process_name(p), e.msg);
		timer_start(&p->end_timer, WAIT_AGAIN_NS, on_wait_again);
	}
}

static void on_signaled(struct standin *s, unsigned sig);

int
exit_resume(struct process *p, struct pb_bytes wait, struct err *e)
{
	int rc;

	SAVE_TRY(rc, child_resume(&p->child, p->kind == PROC_INIT ?
	    on_sandbox_exit : on_exec_exit, e));
	if (rc < 0 || standin_resume(&p->standin, on_signaled, e) < 0)
		return -1;
	if (!wait.p)
		return 0;
	p->wait_cmd = runsc_load_wait(wait, &p->ct->env, on_waited, p, e);
	return p->wait_cmd ? 0 : -1;
}

static void
on_forwarded(void *arg, const struct runsc_result *r)
{
	struct process *p = arg;

	p->forward_cmd = NULL;
	if (r->err.code != ERR_OK)
		log_debug("%s: %s", process_name(p), r->err.msg);
	standin_listen(&p->standin, true);
}

/* Of the terminal, for those in its foreground; one at a time. */
static void
on_signaled(struct standin *s, unsigned sig)
{
	struct process *p = container_of(s, struct process, standin);
	struct err e;

	if (p->forward_cmd)
		return;
	p->forward_cmd = runsc_forward(&p->ct->env, p->internal_pid, sig,
	    on_forwarded, p, &e);
	if (p->forward_cmd)
		standin_listen(s, false);
}

int
exit_stand_in(struct process *p, int tty, struct err *e)
{
	if (standin_start(&p->standin, &p->child, p->ct->id, p->exec_id, tty,
	    on_exec_exit, on_signaled, e) < 0)
		return -1;
	p->pid = p->child.pid;
	exit_await(p);
	return 0;
}

int
exit_watch_exec(struct process *p, pid_t pid, const struct child_origin *o,
    struct err *e)
{
	if (child_adopt(&p->child, pid, o, on_exec_exit, e) < 0)
		return -1;
	p->pid = pid;
	return 0;
}

int
exit_watch_sandbox(struct process *p, pid_t pid,
    const struct child_origin *o, struct err *e)
{
	if (child_adopt(&p->child, pid, o, on_sandbox_exit, e) < 0)
		return -1;
	p->pid = pid;
	resources_begin(p->ct);
	return 0;
}
