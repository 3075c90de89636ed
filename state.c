/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: see state.h.
 *
 * Reading order: the table at the end says which function does what in which
 * state; submit() and request_finish() are the way in and out of an operation;
 * process_gone(), process_end() and tell_exit() are the way of an exit.
 */
#include "state.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "console.h"
#include "container.h"
#include "base/fmt.h"
#include "base/log.h"
#include "ops.h"
#include "publish.h"

#define WAIT_AGAIN_NS (1 * NS_PER_S)
/* What `runsc exec` and `runsc wait` end with when the sandbox has left. */
#define RUNSC_FAILED 128
#define SANDBOX_SEEN_NS (100 * NS_PER_MS)

/* A cell of the table: what an operation does in a state. */
enum cell {
	XX,		/* nobody asks */
	PR, NF,		/* refused: failed precondition, not found */
	GO, GOX, EXEC, HALT, KILL, KNEW, KHLT, KNEX, SIZE, SHUT, ASK, KNOW, STAT,
	UPD, SAVE, DEL, DNEW, DING, DELX, END,
	CELLS
};

static void (*const cell_does[CELLS])(struct process *, struct request *);
static enum cell cell_of(enum proc_kind kind, enum proc_state s, enum op op);

/* Operations that change the state: one at a time. The others run beside. */
static const bool serial[OPS] = {
	[OP_START] = true, [OP_PAUSE] = true, [OP_RESUME] = true,
	[OP_UPDATE] = true, [OP_CHECKPOINT] = true, [OP_DELETE] = true,
};

/* Operations that only ask: who asks while one is under way gets its answer. */
static const bool shared[OPS] = { [OP_PIDS] = true, [OP_STATS] = true };

static void end_check(struct process *init);

const char *
state_name(enum proc_state s)
{
	static const char *const names[STATES] = {
		[STATE_CREATING] = "creating", [STATE_CREATED] = "created",
		[STATE_RUNNING] = "running", [STATE_PAUSED] = "paused",
		[STATE_STOPPED] = "stopped", [STATE_DELETED] = "deleted",
	};

	return names[s];
}

/* "ID" or "ID/EXEC", for messages.  One at a time. */
const char *
process_name(const struct process *p)
{
	static char text[2 * ID_MAX_BYTES + 2];

	if (p->kind == PROC_INIT)
		return p->ct->id;
	fmt(text, sizeof(text), "%s/%s", p->ct->id, p->exec_id);
	return text;
}

void
process_named(const struct process *p, struct err *e)
{
	if (!fmt_find(e->msg, p->kind == PROC_INIT ? p->ct->id : p->exec_id))
		err_prefix(e, "%s", process_name(p));
}

int64_t
unix_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* The one place that writes a state. */
void
state_set(struct process *p, enum proc_state s)
{
	log_info("%s: %s -> %s", process_name(p), state_name(p->state), state_name(s));
	p->state = s;
}

/* -- requests ------------------------------------------------------------- */

static bool
unlink_request(struct request **list, struct request *r)
{
	for (; *list; list = &(*list)->next) {
		if (*list == r) {
			*list = r->next;
			return true;
		}
	}
	return false;
}

/* Take r off its process; it is the asker's again. */
void
request_detach(struct request *r)
{
	struct process *p = r->p;

	if (p->current == r)
		p->current = NULL;
	else
		unlink_request(&p->side, r);
	p->nof[r->op]--;
	timer_stop(&r->retry);
	runsc_cancel(r->cmd);
	r->cmd = NULL;
	r->p = NULL;
}

/* Answer r, and all who asked for the same meanwhile. */
static void
answer(struct request *r, const struct err *e)
{
	struct request got = *r, *same, *next;
	struct process *p = r->p;

	for (same = got.same; same; same = same->next)
		p->nof[got.op]--;
	r->same = NULL;
	request_detach(r);
	r->done(r, e);
	for (same = got.same; same; same = next) {
		next = same->next;
		same->p = NULL;
		same->pids = got.pids;
		same->npids = got.npids;
		same->stats_type = got.stats_type;
		same->stats = got.stats;
		same->done(same, e);
	}
}

void
request_finish(struct request *r, const struct err *e)
{
	struct process *p = r->p;
	struct err named;

	if (e) {
		named = *e;
		process_named(p, &named);
		e = &named;
	}
	answer(r, e);
	/* The process has ended, and its exit waited for r: see op_exited(). */
	if (!p->current && p->gone && !p->ending && p->state != STATE_STOPPED)
		process_end(p);
	else
		requests_run(p);
}

void
request_refuse(struct request *r, int code, const char *text)
{
	struct err e;

	err_set(&e, code, "%s: %s", process_name(r->p), text);
	request_finish(r, &e);
}

static void
begin(struct request *r)
{
	struct process *p = r->p;
	enum cell c = cell_of(p->kind, p->state, r->op);

	if (serial[r->op]) {
		p->current = r;
	} else {
		r->next = p->side;
		p->side = r;
	}
	r->began = loop_now();
	if (cell_does[c])
		cell_does[c](p, r);
	else
		request_refuse_state(p, r);
}

/* Start what waits, unless something serial is under way. */
void
requests_run(struct process *p)
{
	struct request *r = p->queue;

	if (!r || p->current || p->ending)
		return;
	p->queue = r->next;
	r->next = NULL;
	begin(r);
}

/* The request of that kind that is under way. */
static struct request *
find_lead(const struct process *p, enum op op)
{
	struct request *r;

	for (r = p->side; r && r->op != op; r = r->next)
		;
	return r;
}

void
state_submit(struct request *r, const char *id, const char *exec_id)
{
	struct request **tail, *lead;
	struct process *p;
	struct err e;

	r->cmd = NULL;
	r->p = NULL;
	r->next = NULL;
	r->retry = (struct timer){ 0 };
	r->delay_ns = 0;
	r->began = loop_now();
	r->same = NULL;
	p = state_find(id, exec_id, &e);
	if (!p) {
		r->done(r, &e);
		return;
	}
	lead = shared[r->op] ? find_lead(p, r->op) : NULL;
	/* Those that hang of one kind leave room for the others. */
	if (p->nof[r->op] >= (lead ? SHARED_MAX : QUEUE_MAX)) {
		err_set(&e, ERR_EXHAUSTED,
		    "%s: %u operations of this kind are under way already",
		    process_name(p), p->nof[r->op]);
		r->done(r, &e);
		return;
	}
	p->nof[r->op]++;
	r->p = p;
	if (lead) {
		r->next = lead->same;
		lead->same = r;
		return;
	}
	if (!serial[r->op] || (!p->current && !p->ending && !p->queue)) {
		begin(r);
		return;
	}
	for (tail = &p->queue; *tail; tail = &(*tail)->next)
		;
	*tail = r;
}

void
state_unwanted(struct request *r)
{
	struct process *p = r->p;

	if (p && r->op != OP_DELETE && unlink_request(&p->queue, r)) {
		p->nof[r->op]--;
		r->done(r, NULL);
	}
}

/* Answer what waits for a process that is about to be freed. */
void
requests_flush(struct process *p)
{
	struct request *r;
	struct err e;

	err_set(&e, ERR_NOT_FOUND, "%s: deleted", process_name(p));
	while ((r = p->side))
		answer(r, &e);
	while ((r = p->queue)) {
		p->queue = r->next;
		p->nof[r->op]--;
		r->done(r, &e);
	}
}

/* -- waiting -------------------------------------------------------------- */

int
state_wait(struct process *p, struct waiter *w, struct err *e)
{
	w->pprev = NULL;
	if (p->state == STATE_STOPPED) {
		w->exited(w, p->exit_status, p->exited_at);
		return 0;
	}
	if (p->nwaiters >= WAITERS_MAX)
		return err_set(e, ERR_EXHAUSTED, "%s: %u wait already",
		    process_name(p), p->nwaiters);
	w->next = p->waiters;
	w->pprev = &p->waiters;
	if (w->next)
		w->next->pprev = &w->next;
	p->waiters = w;
	p->nwaiters++;
	return 0;
}

void
state_unwait(struct process *p, struct waiter *w)
{
	if (!w->pprev)
		return;
	*w->pprev = w->next;
	if (w->next)
		w->next->pprev = w->pprev;
	w->pprev = NULL;
	p->nwaiters--;
}

void
waiters_release(struct process *p)
{
	struct waiter *w;

	while ((w = p->waiters)) {
		state_unwait(p, w);
		w->exited(w, p->exit_status, p->exited_at);
	}
}

/* -- exits ---------------------------------------------------------------- */

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
	state_set(p, STATE_STOPPED);
	/* An exec that never ran has no TaskExit; init always has one, since
	 * clients that created it wait for the event. */
	if (p->kind == PROC_INIT)
		resources_end(p->ct);
	if (p->kind == PROC_INIT || p->started)
		publish_exit(p);
	answer_failed_start(p);
	waiters_release(p);
	p->ending = false;
	requests_run(p);
	if (p != init && init->ending)
		end_check(init);
}

static void
drain(struct process *p)
{
	/* Nobody waits for the output of an exec whose init has ended, nor of
	 * what never ran: some clients read only when Start is answered. */
	bool at_once = p->start_failed ||
	    (p->kind == PROC_EXEC && p->ct->init.gone);
	struct io *io = p->io;

	console_collect(p->console);
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

	for (r = p->side; r; r = next) {
		next = r->next;
		if (r->op == OP_PIDS) {
			r->pids = (const uint32_t *)&p->pid;
			r->npids = 1;
			answer(r, NULL);
		} else if (r->op == OP_KILL) {
			/* As asked; runsc's answer may have died with the
			 * sandbox. */
			request_finish(r, NULL);
		} else {
			request_refuse(r, ERR_NOT_FOUND,
			    "the process has ended");
		}
	}
	if (p->current)
		request_refuse(p->current, ERR_PRECONDITION, "the process has ended");
}

void
process_gone(struct process *p, unsigned status)
{
	enum cell c = cell_of(p->kind, p->state, OP_EXITED);

	if (p->gone)
		return;
	if (c == XX) {
		log_err("%s: an exit in state %s", process_name(p),
		    state_name(p->state));
		return;
	}
	p->gone = true;
	p->exit_status = status;
	p->exited_at = unix_now();
	cell_does[c](p, NULL);
}

static void
op_exited(struct process *p, struct request *r)
{
	(void)r;
	/* How start ends is told before how the process did: see
	 * start_worked().  A checkpoint may end it too. */
	if (p->current && (p->current->op == OP_START ||
	    p->current->op == OP_CHECKPOINT))
		return;
	process_end(p);
}

/* Init has gone: what it left behind must not outlive it. */
static void
end_exec(struct process *p)
{
	if (p->gone || p->state == STATE_STOPPED) {
		/* A client that reads slowly must not delay init's exit. */
		if (p->io)
			io_drain_end(p->io);
		return;
	}
	/* See process_exec_exited() for both. */
	if (timer_running(&p->end_timer) || p->end_cmd) {
		timer_stop(&p->end_timer);
		runsc_cancel(p->end_cmd);
		p->end_cmd = NULL;
		process_gone(p, STATUS_KILLED);
		return;
	}
	if (p->state == STATE_CREATED) {
		/* Never ran, or its start is under way and cannot succeed. */
		p->ending = true;
		if (p->current)
			request_refuse(p->current, ERR_PRECONDITION,
			    "the container's init process has ended");
		process_gone(p, STATUS_KILLED);
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
		if (p->gone || p->state == STATE_STOPPED)
			continue;
		if (!p->kill_sent) {
			p->kill_sent = true;
			child_kill(&p->child, SIGKILL);
		} else {
			log_err("%s: pid %d does not end although init has "
			    "and it was killed; status unknown", process_name(p),
			    (int)p->pid);
			child_forget(&p->child);
			process_gone(p, STATUS_UNKNOWN);
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
		log_debug("%s: kill all at its end: %s", process_name(p), r->err.msg);
	end_check(p);
}

/* Go on with init's exit as soon as nothing of the container is left. */
static void
end_check(struct process *init)
{
	struct process *p;

	if (!init->execs_ending || init->end_cmd)
		return;
	for (p = init->ct->execs; p; p = p->next) {
		if (p->state != STATE_STOPPED)
			return;
	}
	init->execs_ending = false;
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
	return root ? root->init.gone : state_was_deleted(id);
}

/* Init of a sub-container has ended.  Its PID namespace ends with it if it is
 * its own; in the pod's, others may go on.  A start that failed or was cut
 * short may have got anywhere. */
static bool
may_leave_processes(const struct process *init)
{
	if (sandbox_ended(init))
		return false;
	return init->start_failed || init->start_cut ||
	    (init->started && !init->ct->spec.own_pids);
}

void
process_end(struct process *p)
{
	struct process *x, *next;
	struct err e;

	p->ending = true;
	runsc_cancel(p->wait_cmd);
	p->wait_cmd = NULL;
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
	p->execs_ending = true;
	end_check(p);
}

/* The sandbox may have gone while `runsc create` was still at work in it. */
void
process_end_orphan(struct process *p)
{
	if (p->ct->spec.is_sub && p->state == STATE_CREATED &&
	    sandbox_ended(p))
		process_gone(p, STATUS_KILLED);
}

/* Containers of the pod that have yet to be started went with its sandbox,
 * and nobody else would notice. */
static void
end_created_subs(const struct process *root)
{
	struct container *ct, *next;
	struct process *p;

	for (ct = state_next(NULL); ct; ct = next) {
		next = state_next(ct);
		p = &ct->init;
		if (ct->spec.is_sub && p->pid == root->pid && !p->current)
			process_end_orphan(p);
	}
}

/* The status of a container whose sandbox has ended.  Of one that crashed
 * nobody knows it: Go's status of a panic is not the container's. */
static unsigned
sandbox_status(const struct process *p, int status)
{
	unsigned code = child_exit_code(status);
	char text[200];

	if (p->start_failed)
		return START_FAILED_STATUS;
	if (code != GO_PANIC_STATUS)
		return code;
	if (!p->ct->env.log_directory && p->ct->env.panic_fd <= 0)
		log_warn("%s: ended with %u, which a crash of the sandbox would "
		    "do too: the settings have its panic log elsewhere",
		    process_name(p), code);
	if (!runsc_has_panicked(&p->ct->env, text, sizeof(text)))
		return code;
	log_err("%s: sandbox %d has crashed, reporting %d: %s",
	    process_name(p), (int)p->pid, p->killed ? STATUS_KILLED :
	    STATUS_UNKNOWN, text);
	return p->killed ? STATUS_KILLED : STATUS_UNKNOWN;
}

static void
on_sandbox_exit(struct child *c, int status)
{
	struct process *p = container_of(c, struct process, child);

	if (status == CHILD_STATUS_UNKNOWN)
		log_err("%s: sandbox %d ended and nobody could take its "
		    "status: reporting %d", process_name(p), (int)p->pid,
		    STATUS_UNKNOWN);
	process_gone(p, sandbox_status(p, status));
	end_created_subs(p);
}

static void
on_sandbox_late(struct timer *t)
{
	struct process *p = container_of(t, struct process, end_timer);

	log_err("%s: sandbox %d does not end although it was killed; status "
	    "unknown", process_name(p), (int)p->pid);
	child_forget(&p->child);
	process_gone(p, p->start_failed ? START_FAILED_STATUS :
	    STATUS_UNKNOWN);
	end_created_subs(p);
}

/* End a container that never ran; nothing serial begins before it has. */
void
process_end_created(struct process *p, unsigned status)
{
	p->ending = true;
	if (p->gone)
		return;
	if (child_running(&p->child)) {
		child_kill(&p->child, SIGKILL);
		timer_start(&p->end_timer, SANDBOX_END_NS, on_sandbox_late);
	} else {
		/* A restore that was cut short has no child of ours. */
		if (p->kind == PROC_INIT && p->ct->checkpoint)
			runsc_kill_leftovers(p->ct->bundle);
		process_gone(p, status);
	}
}

static void
on_really_128(struct timer *t)
{
	process_gone(container_of(t, struct process, end_timer), RUNSC_FAILED);
}

static void
on_exec_killed(void *arg, const struct runsc_result *r)
{
	struct process *p = arg;

	p->end_cmd = NULL;
	if (r->err.code != ERR_OK && !r->gone)
		log_err("%s: its runsc exec was killed, and process %d may "
		    "live on: %s", process_name(p), (int)p->internal_pid,
		    r->err.msg);
	process_gone(p, STATUS_KILLED);
}

void
process_exec_exited(struct child *c, int status)
{
	struct process *p = container_of(c, struct process, child);
	unsigned code = child_exit_code(status);
	struct err e;

	/* It was not the process that was killed but the runsc that waits for
	 * it: what is told then must become true first. */
	if (child_was_killed(status) && p->internal_pid && !p->ct->init.gone)
		p->end_cmd = runsc_kill(&p->ct->env, p->internal_pid, false,
		    SIGKILL, on_exec_killed, p, &e);
	if (p->end_cmd)
		return;
	if (status == CHILD_STATUS_UNKNOWN)
		log_err("%s: process %d ended and nobody could take its "
		    "status: reporting %d", process_name(p), (int)p->pid,
		    STATUS_UNKNOWN);
	/* `runsc exec` says 128 when the sandbox left before its process, and
	 * then init's end killed that process.  The two ends come in any
	 * order, so a 128 waits a little for the sandbox's. */
	if (code == RUNSC_FAILED && !p->ct->init.gone)
		timer_start(&p->end_timer, SANDBOX_SEEN_NS, on_really_128);
	else
		process_gone(p, code == RUNSC_FAILED ? STATUS_KILLED : code);
}

static void
on_wait_again(struct timer *t)
{
	process_arm_wait(container_of(t, struct process, end_timer));
}

static void
on_waited(void *arg, const struct runsc_result *r)
{
	struct process *p = arg;
	unsigned status;

	p->wait_cmd = NULL;
	if (r->err.code == ERR_OK &&
	    runsc_parse_wait(r->out, r->outlen, &status)) {
		process_gone(p, status);
		return;
	}
	/* A sub-container dies with the sandbox. */
	if (sandbox_ended(p)) {
		process_gone(p, STATUS_KILLED);
		return;
	}
	/* Whose end may be seen in a moment. */
	if (!r->gone || !p->wait_gone) {
		log_warn("%s: runsc wait: %s; asking again", process_name(p),
		    r->err.code == ERR_OK ? r->out : r->err.msg);
		timer_start(&p->end_timer, r->gone ? SANDBOX_SEEN_NS :
		    WAIT_AGAIN_NS, on_wait_again);
		p->wait_gone = r->gone;
		return;
	}
	log_err("%s: exit status unknown, reporting %d: runsc wait: %s",
	    process_name(p), STATUS_UNKNOWN, r->err.msg);
	process_gone(p, STATUS_UNKNOWN);
}

/* A sub-container has no process of its own: runsc waits inside. */
void
process_arm_wait(struct process *p)
{
	struct err e;

	p->wait_cmd = runsc_simple(&p->ct->env, "wait", on_waited, p, &e);
	if (!p->wait_cmd) {
		log_err("%s: %s; trying again", process_name(p), e.msg);
		timer_start(&p->end_timer, WAIT_AGAIN_NS, on_wait_again);
	}
}

int
process_adopt_sandbox(struct process *p, pid_t pid,
    const struct child_origin *o, struct err *e)
{
	if (child_adopt(&p->child, pid, o, on_sandbox_exit, e) < 0)
		return -1;
	p->pid = pid;
	resources_begin(p->ct);
	return 0;
}

int
state_created(struct container *ct, pid_t pid, const struct child_origin *o,
    struct err *e)
{
	const struct container *root = state_find_container(ct->env.sandbox_id);
	struct process *p = &ct->init;

	if (!ct->spec.is_sub && pid &&
	    process_adopt_sandbox(p, pid, o, e) < 0)
		return -1;
	if (ct->spec.is_sub && root && root != ct && root->init.pid != pid)
		return err_set(e, ERR_INTERNAL, "runsc names process %d as its "
		    "sandbox, which is process %d", (int)pid,
		    (int)root->init.pid);
	p->pid = pid;
	if (ct->spec.is_sub)
		resources_begin(ct);
	state_set(p, STATE_CREATED);
	publish_create(ct);
	return 0;
}

/* -- the table ------------------------------------------------------------ */

/* What a cell of the table does; PR, NF and XX do nothing but refuse. */
static void (*const cell_does[CELLS])(struct process *, struct request *) = {
	[GO] = op_start, [GOX] = op_exec_start, [EXEC] = op_exec,
	[HALT] = op_pause, [KILL] = op_kill, [KNEW] = op_kill_created,
	[KHLT] = op_kill_paused, [KNEX] = op_kill_new_exec, [SIZE] = op_resize, [SHUT] = op_close_io,
	[ASK] = op_pids, [KNOW] = op_pids_known, [STAT] = op_stats,
	[UPD] = op_update, [SAVE] = op_checkpoint, [DEL] = op_delete,
	[DNEW] = op_delete_created, [DING] = op_delete_creating,
	[DELX] = op_delete_exec, [END] = op_exited,
};

/*
 * Execs begin in STATE_CREATED; what is for containers only never reaches them
 * (task.c).  Columns as enum op: start, exec, pause, resume, kill, resize,
 * close stdin; pids, stats, update, checkpoint, delete, exited.
 */
static const unsigned char table[PROC_KINDS][STATES][OPS] = {
	[PROC_INIT] = {
	[STATE_CREATING] = {
	PR,  PR,  PR,  PR,  PR,  SIZE,SHUT,PR,  PR,  PR,  PR,  DING,XX },
	[STATE_CREATED] = {
	GO,  EXEC,PR,  PR,  KNEW,SIZE,SHUT,KNOW,STAT,UPD, PR,  DNEW,END },
	[STATE_RUNNING] = {
	PR,  EXEC,HALT,PR,  KILL,SIZE,SHUT,ASK, STAT,UPD, SAVE,PR,  END },
	[STATE_PAUSED] = {
	PR,  PR,  PR,  HALT,KHLT,SIZE,SHUT,ASK, STAT,UPD, SAVE,PR,  END },
	[STATE_STOPPED] = {
	PR,  PR,  PR,  PR,  NF,  PR,  SHUT,KNOW,NF,  PR,  PR,  DEL, XX },
	[STATE_DELETED] = {
	NF,  NF,  NF,  NF,  NF,  NF,  NF,  NF,  NF,  NF,  NF,  NF,  XX },
	},
	[PROC_EXEC] = {
	[STATE_CREATING] = {
	XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX },
	[STATE_CREATED] = {
	GOX, XX,  XX,  XX,  KNEX,SIZE,SHUT,XX,  XX,  XX,  XX,  DELX,END },
	[STATE_RUNNING] = {
	PR,  XX,  XX,  XX,  KILL,SIZE,SHUT,XX,  XX,  XX,  XX,  PR,  END },
	[STATE_PAUSED] = {
	XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX,  XX },
	[STATE_STOPPED] = {
	PR,  XX,  XX,  XX,  NF,  PR,  SHUT,XX,  XX,  XX,  XX,  DELX,XX },
	[STATE_DELETED] = {
	NF,  XX,  XX,  XX,  NF,  NF,  NF,  XX,  XX,  XX,  XX,  NF,  XX },
	},
};

static const char *const op_names[OPS] = {
	[OP_START] = "start", [OP_EXEC] = "exec in", [OP_PAUSE] = "pause",
	[OP_RESUME] = "resume", [OP_KILL] = "kill", [OP_RESIZE] = "resize",
	[OP_CLOSE_IO] = "close stdin of", [OP_PIDS] = "list processes of",
	[OP_STATS] = "stat", [OP_UPDATE] = "update",
	[OP_CHECKPOINT] = "checkpoint", [OP_DELETE] = "delete",
	[OP_EXITED] = "exit",
};

static enum cell
cell_of(enum proc_kind kind, enum proc_state s, enum op op)
{
	return (enum cell)table[kind][s][op];
}

bool
state_allows(enum proc_kind kind, enum proc_state s, enum op op, int *code)
{
	enum cell c = cell_of(kind, s, op);

	*code = c == PR || c == KNEX ? ERR_PRECONDITION : c == NF ? ERR_NOT_FOUND : ERR_OK;
	return cell_does[c] != NULL;
}

/* Answer r, which the table refuses. */
void
request_refuse_state(struct process *p, struct request *r)
{
	struct err e;
	int code;

	state_allows(p->kind, p->state, r->op, &code);
	if (p->state == STATE_STOPPED && r->op == OP_KILL)
		err_set(&e, code, "%s: process already finished",
		    process_name(p));
	else if (p->state == STATE_CREATING)
		err_set(&e, code, "%s: cannot %s a container that is still "
		    "being created", process_name(p), op_names[r->op]);
	else
		err_set(&e, code, "%s: cannot %s a %s %s", process_name(p),
		    op_names[r->op], state_name(p->state),
		    p->kind == PROC_INIT ? "container" : "process");
	request_finish(r, &e);
}

/* -- look-ups and diagnosis ----------------------------------------------- */

/* The slot of that pid, or the empty one where it would be: at least half of
 * them are. */
static size_t
exec_slot(const struct process *const slots[EXEC_SLOTS], uint32_t pid)
{
	size_t i = pid % EXEC_SLOTS;

	while (slots[i] && (uint32_t)slots[i]->internal_pid != pid)
		i = (i + 1) % EXEC_SLOTS;
	return i;
}

void
state_index_execs(const struct container *ct,
    const struct process *slots[EXEC_SLOTS])
{
	const struct process *p;
	size_t i;

	for (i = 0; i < EXEC_SLOTS; i++)
		slots[i] = NULL;
	for (p = ct ? ct->execs : NULL; p; p = p->next) {
		if (p->internal_pid && !p->gone)
			slots[exec_slot(slots, (uint32_t)p->internal_pid)] =
			    p;
	}
}

const struct process *
state_exec_of_pid(const struct process *const slots[EXEC_SLOTS],
    uint32_t internal_pid)
{
	return slots[exec_slot(slots, internal_pid)];
}

static void
dump_requests(const struct process *p, const struct request *r,
    const char *what)
{
	for (; r; r = r->next)
		log_info("dump: %s: %s %s for %lld ms", process_name(p),
		    op_names[r->op], what,
		    (long long)((loop_now() - r->began) / NS_PER_MS));
}

static void
dump_process(const struct process *p)
{
	log_info("dump: %s: %s%s pid %d internal %d status %u waiters %u", process_name(p), state_name(p->state),
	    p->ending ? " (ending)" : "", (int)p->pid, (int)p->internal_pid,
	    p->exit_status, p->nwaiters);
	dump_requests(p, p->current, "under way");
	dump_requests(p, p->side, "under way");
	dump_requests(p, p->queue, "waits");
	io_dump(p->io);
}

void
state_dump(void)
{
	const struct container *ct;
	const struct process *p;

	for (ct = state_next(NULL); ct; ct = state_next(ct)) {
		log_info("dump: container %s bundle %s%s execs %u", ct->id,
		    ct->bundle, ct->spec.is_sub ? " (in a pod)" : "",
		    ct->nexecs);
		dump_process(&ct->init);
		for (p = ct->execs; p; p = p->next)
			dump_process(p);
	}
}
