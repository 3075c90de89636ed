/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: see state.h.
 *
 * Reading order: the table says which cell is for which operation in which
 * state; state_submit() and request_finish() are the way in and out of one.
 */
#include "state.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fmt.h"
#include "base/log.h"
#include "wire/save.h"

#define DELETED_KEPT 8

static const char *ns;
static cell_does *const *does;
static void (*on_empty)(void);
static struct container *containers;
static unsigned ncontainers;
/* Containers that were: how many, and the ids of the last, a ring. */
static struct deleted {
	unsigned n;
	char ids[DELETED_KEPT][ID_MAX_BYTES + 1];
} deleted;

void
state_init(const char *namespace, cell_does *const cells[CELLS],
    void (*empty)(void))
{
	ns = namespace;
	does = cells;
	on_empty = empty;
}

const char *
state_namespace(void)
{
	return ns;
}

/* -- the table ------------------------------------------------------------ */

/*
 * Columns as enum op.  Execs begin in STATE_CREATED and have no STATE_PAUSED;
 * what is for containers only never reaches them (task.c).  In STATE_DELETED
 * is what does not exist.
 */
static const unsigned char table[PROC_KINDS][STATES][OPS] = {
	[PROC_INIT] = {
/* create, start, exec, pause, resume, kill, resize, close stdin;
 * pids, stats, update, checkpoint, delete */
[STATE_CREATING] = { HV,   PR,  PR,  PR,  PR,  PR,  SIZE,SHUT,
			PR,  PR,  PR,  PR,  DING },
[STATE_CREATED]  = { HV,   GO,  EXEC,PR,  PR,  KNEW,SIZE,SHUT,
			KNOW,STAT,UPD, PR,  DNEW },
[STATE_RUNNING]  = { HV,   PR,  EXEC,HALT,PR,  KILL,SIZE,SHUT,
			ASK, STAT,UPD, SAVE,PR },
[STATE_PAUSED]   = { HV,   PR,  PR,  PR,  HALT,KHLT,SIZE,SHUT,
			ASK, STAT,UPD, SAVE,PR },
[STATE_ENDING]   = { HV,   WT,  PR,  WT,  WT,  KEND,SIZE,SHUT,
			KNOW,LAST,WT,  WT,  WT },
[STATE_STOPPED]  = { HV,   PR,  PR,  PR,  PR,  NF,  PR,  SHUT,
			KNOW,LAST,PR,  PR,  DEL },
[STATE_DELETED]  = { MAKE, NF,  NF,  NF,  NF,  NF,  NF,  NF,
			NF,  NF,  NF,  NF,  NF },
	},
	[PROC_EXEC] = {
[STATE_CREATING] = { PR,   PR,  PR,  PR,  PR,  PR,  PR,  PR,
			PR,  PR,  PR,  PR,  PR },
[STATE_CREATED]  = { PR,   GOX, PR,  PR,  PR,  KNEX,SIZE,SHUT,
			PR,  PR,  PR,  PR,  DELX },
[STATE_RUNNING]  = { PR,   PR,  PR,  PR,  PR,  KILL,SIZE,SHUT,
			PR,  PR,  PR,  PR,  PR },
[STATE_PAUSED]   = { PR,   PR,  PR,  PR,  PR,  PR,  PR,  PR,
			PR,  PR,  PR,  PR,  PR },
[STATE_ENDING]   = { PR,   WT,  PR,  PR,  PR,  KEND,SIZE,SHUT,
			PR,  PR,  PR,  PR,  WT },
[STATE_STOPPED]  = { PR,   PR,  PR,  PR,  PR,  NF,  PR,  SHUT,
			PR,  PR,  PR,  PR,  DELX },
[STATE_DELETED]  = { NF,   NF,  NF,  NF,  NF,  NF,  NF,  NF,
			NF,  NF,  NF,  NF,  NF },
	},
};

/* Operations that change the state: one at a time, as is the Create that made
 * the process. The others run beside. */
static const bool serial[OPS] = {
	[OP_START] = true, [OP_PAUSE] = true,
	[OP_RESUME] = true, [OP_UPDATE] = true, [OP_CHECKPOINT] = true,
	[OP_DELETE] = true,
};

/* Operations that only ask: who asks while one is under way gets its answer. */
static const bool shared[OPS] = { [OP_PIDS] = true, [OP_STATS] = true };

static const char *const op_names[OPS] = {
	[OP_CREATE] = "create", [OP_START] = "start", [OP_EXEC] = "exec in",
	[OP_PAUSE] = "pause", [OP_RESUME] = "resume", [OP_KILL] = "kill",
	[OP_RESIZE] = "resize", [OP_CLOSE_IO] = "close stdin of",
	[OP_PIDS] = "list processes of", [OP_STATS] = "stat",
	[OP_UPDATE] = "update", [OP_CHECKPOINT] = "checkpoint",
	[OP_DELETE] = "delete",
};

enum cell
state_cell(enum proc_kind kind, enum proc_state s, enum op op)
{
	return (enum cell)table[kind][s][op];
}

static enum cell
cell_of(const struct process *p, enum op op)
{
	return state_cell(p->kind, p->state, op);
}

bool
state_allows(enum proc_kind kind, enum proc_state s, enum op op, int *code)
{
	static const int16_t codes[CELLS] = {
		[PR] = ERR_PRECONDITION, [KNEX] = ERR_PRECONDITION,
		[NF] = ERR_NOT_FOUND, [KEND] = ERR_NOT_FOUND,
		[HV] = ERR_EXISTS, [WT] = STATE_WAITS,
	};
	enum cell c = state_cell(kind, s, op);

	*code = codes[c];
	return c == WT || does[c];
}

const char *
state_name(enum proc_state s)
{
	static const char *const names[STATES] = {
		[STATE_CREATING] = "creating", [STATE_CREATED] = "created",
		[STATE_RUNNING] = "running", [STATE_PAUSED] = "paused",
		[STATE_ENDING] = "ending", [STATE_STOPPED] = "stopped",
		[STATE_DELETED] = "deleted",
	};

	return names[s];
}

void
state_set(struct process *p, enum proc_state s)
{
	log_info("%s: %s -> %s", process_name(p), state_name(p->state),
	    state_name(s));
	p->state = s;
}

/* -- look-ups ------------------------------------------------------------- */

struct container *
state_find_container(const char *id)
{
	struct container *ct;

	for (ct = containers; ct; ct = ct->next) {
		if (strcmp(ct->id, id) == 0)
			return ct;
	}
	return NULL;
}

struct process *
state_find(const char *id, const char *exec_id, struct err *e)
{
	struct container *ct = state_find_container(id);
	struct process *p;

	if (!ct) {
		err_set(e, ERR_NOT_FOUND, "container %s not created", id);
		return NULL;
	}
	if (!exec_id[0])
		return &ct->init;
	for (p = ct->execs; p; p = p->next) {
		if (strcmp(p->exec_id, exec_id) == 0)
			return p;
	}
	err_set(e, ERR_NOT_FOUND, "process %s does not exist in container %s",
	    exec_id, id);
	return NULL;
}

unsigned
state_containers(void)
{
	return ncontainers;
}

struct container *
state_next(const struct container *ct)
{
	return ct ? ct->next : containers;
}

bool
state_was_deleted(const char *id)
{
	unsigned i;

	for (i = 0; i < DELETED_KEPT; i++) {
		if (deleted.ids[i][0] && strcmp(deleted.ids[i], id) == 0)
			return true;
	}
	return false;
}

unsigned
state_deleted(void)
{
	return deleted.n;
}

void
state_add(struct container *ct)
{
	LIST_ADD(&containers, ct);
	ncontainers++;
}

void
state_remove(struct container *ct)
{
	if (!ct->pprev)
		return;
	LIST_DEL(ct);
	ncontainers--;
	fmt(deleted.ids[deleted.n++ % DELETED_KEPT], sizeof(deleted.ids[0]),
	    "%s", ct->id);
	if (!containers && on_empty)
		on_empty();
}

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
	return loop_clock(CLOCK_REALTIME);
}

bool
process_has_exited(const struct process *p)
{
	return p->exited_at != 0;
}

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
		if (p->internal_pid && !process_has_exited(p))
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

void
request_answer(struct request *r, const struct err *e)
{
	struct request got = *r, *same, *next;
	struct process *p = r->p;
	struct err named;

	if (e) {
		named = *e;
		process_named(p, &named);
		e = &named;
	}
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
	bool was_current = p->current == r;

	request_answer(r, e);
	if (was_current && p->state == STATE_ENDING)
		does[GOON](p, NULL);
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

void
request_refuse_state(struct process *p, struct request *r)
{
	struct err e;
	int code;

	state_allows(p->kind, p->state, r->op, &code);
	if (code == ERR_EXISTS)
		err_set(&e, code, "container %s already exists", p->ct->id);
	else if (code == ERR_NOT_FOUND && r->op == OP_KILL)
		err_set(&e, code, "%s: process already finished",
		    process_name(p));
	else if (p->state == STATE_CREATING)
		err_set(&e, code, "%s: cannot %s a container that is still "
		    "being created", process_name(p), op_names[r->op]);
	else
		err_set(&e, code, "%s: cannot %s %s %s %s", process_name(p),
		    op_names[r->op], p->state == STATE_ENDING ? "an" : "a",
		    state_name(p->state), p->kind == PROC_INIT ? "container" :
		    "process");
	request_finish(r, &e);
}

static void
add_side(struct request *r)
{
	r->next = r->p->side;
	r->p->side = r;
}

static void
begin(struct request *r)
{
	struct process *p = r->p;
	enum cell c = cell_of(p, r->op);

	/* Not so the Delete that cuts a Create short. */
	if (serial[r->op] && !p->current)
		p->current = r;
	else
		add_side(r);
	r->began = loop_now();
	if (does[c])
		does[c](p, r);
	else
		request_refuse_state(p, r);
}

void
requests_run(struct process *p)
{
	struct request *r = p->queue;

	if (!r || p->current || p->state == STATE_ENDING)
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

/* Does r wait?  What is done, or refused, while a Create is under way is so at
 * once. */
static bool
must_wait(const struct process *p, const struct request *r)
{
	return serial[r->op] && p->state != STATE_CREATING &&
	    (p->current || p->queue || cell_of(p, r->op) == WT);
}

static void
submit(struct process *p, struct request *r)
{
	struct request **tail, *lead;
	struct err e;

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
	} else if (must_wait(p, r)) {
		for (tail = &p->queue; *tail; tail = &(*tail)->next)
			;
		*tail = r;
	} else {
		begin(r);
	}
}

void
state_submit(struct request *r, const char *id, const char *exec_id)
{
	struct process *p;
	struct err e;

	r->cmd = NULL;
	r->p = NULL;
	r->next = NULL;
	r->same = NULL;
	r->retry = (struct timer){ 0 };
	r->delay_ns = 0;
	r->began = loop_now();
	p = state_find(id, exec_id, &e);
	if (p)
		submit(p, r);
	else if (table[PROC_INIT][STATE_DELETED][r->op] == MAKE)
		does[MAKE](NULL, r);
	else
		r->done(r, &e);
}

void
request_attach(struct request *r, struct process *p)
{
	r->p = p;
	p->current = r;
	p->nof[r->op]++;
}

void
request_requeue(struct request *r)
{
	struct process *p = r->p;

	p->current = NULL;
	r->next = p->queue;
	p->queue = r;
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

void
requests_flush(struct process *p, const char *text)
{
	struct request *r;
	struct err e;

	err_set(&e, ERR_NOT_FOUND, "%s: %s", process_name(p), text);
	while ((r = p->side))
		request_answer(r, &e);
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
	LIST_ADD(&p->waiters, w);
	p->nwaiters++;
	return 0;
}

void
state_unwait(struct process *p, struct waiter *w)
{
	if (!w->pprev)
		return;
	LIST_DEL(w);
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

/* -- written down, and taken over ----------------------------------------- */

static const struct save_field fields[] = {
	SAVE(struct deleted, n), SAVE_ARRAY(struct deleted, ids), SAVE_LAST
};

void
state_save(struct pb_out *o)
{
	save_put(o, fields, &deleted);
}

int
state_load(struct pb_bytes in, struct err *e)
{
	unsigned i;

	if (save_get(in, fields, &deleted, e) < 0)
		return -1;
	for (i = 0; i < DELETED_KEPT; i++)
		deleted.ids[i][ID_MAX_BYTES] = '\0';
	return 0;
}

/* -- diagnosis ------------------------------------------------------------ */

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
	log_info("dump: %s: %s (%d) pid %d internal %d status %u waiters %u",
	    process_name(p), state_name(p->state), (int)p->end, (int)p->pid,
	    (int)p->internal_pid, p->exit_status, p->nwaiters);
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
