/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model_test: long random sequences of operations, ends of commands, exits,
 * drains and timers on the real state.c, ops.c and container.c, with all
 * that is below them played by model_stage.c, and the clock too.  Beside it goes
 * a small model that knows only what was told: replies, events, answers of
 * Wait; it says what may come next, and that in the end nothing is missing.
 * It counts too, and a default run must have brought each operation in each
 * state of either kind to every outcome that it can have.
 *
 * MODEL_SEED begins another sequence, MODEL_OPS is its length.  What fails
 * prints both and the last steps; the same seed repeats it.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container.h"
#include "exit.h"
#include "events.h"
#include "ops.h"
#include "model_stage.h"
#include "played.h"
#include "state.h"
#include "tests/suite.h"

#define SEED 20250601ULL
#define OPS_DEFAULT 1000000ULL
#define LIFE_STEPS 120		/* at most, then the container is deleted */
#define REST_STEPS 5000		/* until all is quiet */
#define ASKED_MAX 128
#define WAITED_MAX 64

/* -- the model: what was told --------------------------------------------- */

/* Of init (0) and the execs. */
struct seen {
	bool there;
	bool created;		/* init: TaskCreate */
	bool replied;		/* start: well */
	bool start_asked, delete_asked;
	bool told_start, told_exit, told_delete;
	bool killed;		/* init: before its start was answered */
	bool paused;
	int ended_with;		/* the process itself; -1: not seen */
	unsigned status;
	unsigned asked, waiting;	/* not answered */
};

static struct seen seen[SLOTS];
static int start_due = -1;	/* TaskStart must be next, of that slot */
static char bundle[64];
static const char *const ids[SLOTS] = { "", "x1", "x2", "x3" };
static const char *const op_names[OPS] = {
	"create", "start", "exec", "pause", "resume", "kill", "resize", "closeio",
	"pids", "stats", "update", "checkpoint", "delete",
};

/* Every operation in every state of either kind: what came of it, how often. */
enum outcome { WORKED, FAILED, REFUSED, OUTCOMES };

static unsigned long hits[PROC_KINDS][STATES][OPS][OUTCOMES];

struct asked {
	struct request r;	/* first */
	bool busy;
	bool counted;		/* it began when it was asked, in this: */
	enum proc_kind kind;
	enum proc_state state;
	unsigned slot, new_slot;
	bool ok;
	int code;
};

struct waited {
	struct waiter w;	/* first */
	bool busy;
	unsigned slot;
};

static struct asked asked[ASKED_MAX];
static struct waited waited[WAITED_MAX];
static unsigned long long told_exits, told_starts, answered, lives;
static bool creating;
static unsigned deletes_ok;
static int64_t ended_at;	/* loop_now() of init's end; 0: it has not */

static void
forget(unsigned slot)
{
	MUST(seen[slot].asked == 0);
	MUST(seen[slot].waiting == 0);
	memset(&seen[slot], 0, sizeof(seen[slot]));
}

bool
init_runs(void)
{
	struct err e;
	struct process *p = state_find("c1", "", &e);

	return p && seen[0].told_start && !process_has_exited(p);
}

bool
init_killed(void)
{
	return seen[0].killed || (ended_at &&
	    loop_now() - ended_at >= EXIT_HELD_NS);
}

static unsigned
slot_named(struct pb_bytes b)
{
	unsigned i;

	for (i = 1; i < SLOTS; i++) {
		if (b.n == 2 && memcmp(b.p, ids[i], 2) == 0)
			return i;
	}
	return 0;
}

static void
init_told_exit(void)
{
	unsigned i;

	/* Whatever ran in it has told its end before. */
	for (i = 1; i < SLOTS; i++)
		MUST(!seen[i].told_start || seen[i].told_exit);
}

/* May a process that ended with n tell this status? */
static bool
status_fits(const struct seen *s)
{
	if (s->ended_with < 0)
		return true;
	if (s->status == (unsigned)s->ended_with)
		return true;
	/* A start that failed is 128; an exec's 128 may be the sandbox's. */
	return (s->status == 128 && !s->told_start) ||
	    (s->status == 137 && s->ended_with == 128);
}

void
events_publish(const char *topic, const char *name, struct pb_out *o)
{
	struct pb_field f;
	struct pb_in in;
	struct seen *s;
	unsigned slot = 0;
	unsigned status = 0;

	(void)topic;
	pb_in_init(&in, o->p, o->len);
	while (pb_next(&in, &f)) {
		if (f.num == 2 && f.wire == PB_BYTES)
			slot = slot_named(f.b);
		else if (f.num == 4 && f.wire == PB_VARINT)
			status = (unsigned)f.v;
	}
	pb_out_free(o);
	note("%s %s", name, ids[slot]);
	s = &seen[slot];
	MUST(s->there || strcmp(name, "TaskExecAdded") == 0);
	if (strcmp(name, "TaskStart") == 0 ||
	    strcmp(name, "TaskExecStarted") == 0) {
		MUST(start_due == (int)slot);
		start_due = -1;
		MUST(!s->told_start && !s->told_exit);
		s->told_start = true;
		told_starts++;
		return;
	}
	MUST(start_due < 0);
	if (strcmp(name, "TaskCreate") == 0) {
		MUST(!s->created && creating);
		s->created = true;
	} else if (strcmp(name, "TaskExit") == 0) {
		MUST(s->created || slot > 0);
		MUST(!s->told_exit);
		MUST(slot == 0 || s->told_start);
		MUST(s->told_start == s->replied);
		s->told_exit = true;
		s->paused = false;
		s->status = status;
		MUST(status_fits(s));
		if (slot == 0)
			init_told_exit();
		told_exits++;
	} else if (strcmp(name, "TaskDelete") == 0) {
		MUST(slot == 0 && s->told_exit && !s->told_delete);
		MUST(status == 0 || seen[0].told_exit);
		s->told_delete = true;
	} else if (strcmp(name, "TaskPaused") == 0) {
		MUST(s->told_start && !s->told_exit && !s->paused);
		s->paused = true;
	} else if (strcmp(name, "TaskResumed") == 0) {
		MUST(s->paused && !s->told_exit);
		s->paused = false;
	} else if (strcmp(name, "TaskCheckpointed") == 0) {
		MUST(s->told_start && !s->told_exit);
	} else {
		MUST(strcmp(name, "TaskExecAdded") == 0);
		MUST(!seen[0].told_exit);
	}
}

static void
on_created(struct request *r, const struct err *e)
{
	bool again = r->exit;
	unsigned i;

	free(r);
	note("create answered: %d", e ? e->code : 0);
	if (again) {
		MUST(e && e->code == ERR_EXISTS);
		return;
	}
	MUST(creating && start_due < 0);
	creating = false;
	MUST(seen[0].created == !e);
	if (!e)
		return;
	/* It will never be; who asks or waits is told in a moment. */
	for (i = 1; i < SLOTS; i++)
		MUST(!seen[i].there);
	seen[0].there = false;
}

static void
delete_worked(struct asked *a)
{
	struct seen *s = &seen[a->slot];
	unsigned i;

	if (a->slot > 0) {
		MUST(!s->told_start || s->told_exit);
		MUST(!s->told_exit || a->r.exit_status == s->status);
		forget(a->slot);
		return;
	}
	MUST(s->told_delete);
	MUST(a->r.exit_status == s->status);
	MUST(!state_find_container("c1"));
	for (i = 0; i < SLOTS; i++)
		forget(i);
	deletes_ok++;
}

static void
count(const struct asked *a, bool worked)
{
	int code;
	bool may = state_allows(a->kind, a->state, a->r.op, &code);

	MUST(may || !worked);
	hits[a->kind][a->state][a->r.op][worked ? WORKED : may ? FAILED :
	    REFUSED]++;
}

static void
on_done(struct request *r, const struct err *e)
{
	struct asked *a = (struct asked *)r;
	struct seen *s = &seen[a->slot];

	note("%s %s answered: %d", op_names[r->op], ids[a->slot],
	    e ? e->code : 0);
	MUST(a->busy && start_due < 0);
	MUST(s->asked > 0);
	a->busy = false;
	a->code = e ? e->code : 0;
	if (a->counted)
		count(a, !e);
	s->asked--;
	answered++;
	switch (r->op) {
	case OP_START:
		if (e)
			break;
		MUST(s->there && !s->replied && !s->told_exit);
		MUST(a->slot > 0 || s->created);
		MUST(a->slot == 0 || seen[0].told_start);
		MUST(a->slot == 0 || !seen[0].told_exit);
		s->replied = true;
		start_due = (int)a->slot;
		break;
	case OP_EXEC:
		if (e)
			break;
		MUST(s->created && !s->told_exit && !s->paused);
		MUST(!seen[a->new_slot].there);
		seen[a->new_slot].there = true;
		seen[a->new_slot].ended_with = -1;
		break;
	case OP_DELETE:
		if (!e)
			delete_worked(a);
		break;
	case OP_KILL:
		if (!e && !s->replied)
			s->killed = true;
		break;
	case OP_PIDS:
		/* Never empty, never refused once it is created. */
		MUST(e || r->npids > 0);
		MUST(!e || e->code == ERR_EXHAUSTED || !s->created);
		break;
	case OP_PAUSE: case OP_RESUME: case OP_RESIZE: case OP_CLOSE_IO:
	case OP_STATS: case OP_UPDATE: case OP_CHECKPOINT: case OP_CREATE:
	case OPS:
		break;
	}
}

static void
on_waited(struct waiter *w, unsigned status, int64_t at)
{
	struct waited *x = (struct waited *)w;
	struct seen *s = &seen[x->slot];

	note("wait %s answered: %u", ids[x->slot], status);
	MUST(x->busy && start_due < 0);
	MUST(at > 0);
	MUST(!s->replied || s->told_exit);
	MUST(!s->told_exit || status == s->status);
	MUST(s->waiting > 0);
	s->waiting--;
	x->busy = false;
	answered++;
}

/* Does State say what follows from what was told? */
static void
compare(void)
{
	struct process *p, *init = state_find("c1", "", &(struct err){ 0 });
	enum proc_state is;
	struct seen *s;
	struct err e;
	unsigned i;

	MUST(start_due < 0);
	for (i = 0; i < SLOTS; i++) {
		p = state_find("c1", ids[i], &e);
		s = &seen[i];
		MUST((p != NULL) == s->there);
		if (!p)
			continue;
		is = p->state;
		/* Ended before it ran, by a client or since its start has
		 * failed; or its exit has yet to be told. */
		if (is == STATE_ENDING)
			MUST(!s->told_exit && (process_has_exited(p) ||
			    s->killed || s->start_asked || s->delete_asked));
		else if (s->told_exit)
			MUST(is == STATE_STOPPED);
		else if (s->paused)
			MUST(is == STATE_PAUSED);
		else if (s->told_start)
			MUST(is == STATE_RUNNING);
		else if (i == 0)
			MUST(is == (s->created ? STATE_CREATED :
			    STATE_CREATING));
		else	/* its start failed, or init's end was its own */
			MUST(is == STATE_CREATED || (is == STATE_STOPPED &&
			    (s->start_asked || process_has_exited(init))));
		/* Init's end is at once that of what never ran in it. */
		MUST(is != STATE_CREATED || i == 0 ||
		    !process_has_exited(init) || init->end == END_NONE);
		MUST(is == STATE_STOPPED || !seen[0].told_exit);
		MUST(p->nwaiters == s->waiting);
		MUST(is != STATE_STOPPED || s->waiting == 0);
	}
	if (!seen[0].there)
		MUST(state_containers() == 0);
}

/* -- what is done --------------------------------------------------------- */

static void
create(bool again)
{
	struct create_request c = {
		.id = "c1", .bundle = bundle, .in = "", .out = "", .err = "",
		.checkpoint = "",
	};
	struct request *r = calloc(1, sizeof(*r));

	MUST(r != NULL);
	r->op = OP_CREATE;
	r->create = &c;
	r->exit = again;	/* nothing to Create: ours */
	r->done = on_created;

	if (!again) {
		kind = (enum kind)chance(NKINDS);
		own_pids = percent(50);
		played_inside = percent(50);
		seen[0].there = true;
		seen[0].ended_with = -1;
		ended_at = 0;
		creating = true;
		lives++;
	}
	if (kind == RESTORED)
		c.checkpoint = bundle;
	note("create, kind %d", (int)kind);
	state_submit(r, "c1", "");
}

/* Is it done only when the exit has been told? */
static bool
waits(enum proc_state s, enum op op)
{
	return s == STATE_ENDING && (op == OP_START || op == OP_PAUSE ||
	    op == OP_RESUME || op == OP_UPDATE || op == OP_CHECKPOINT ||
	    op == OP_DELETE);
}

static struct asked *
ask(enum op op, unsigned slot)
{
	static char image[] = "/image";
	static const unsigned signals[] = { SIGKILL, SIGTERM, SIGUSR1 };
	struct process *p = state_find("c1", ids[slot], &(struct err){ 0 });
	struct asked *a;
	unsigned i;

	for (i = 0; i < ASKED_MAX && asked[i].busy; i++)
		;
	MUST(i < ASKED_MAX);
	a = &asked[i];
	memset(a, 0, sizeof(*a));
	a->busy = true;
	a->slot = slot;
	a->new_slot = 1 + chance(SLOTS - 1);
	a->r.op = op;
	a->r.signal = signals[chance(3)];
	a->r.all = percent(30);
	a->r.new_exec_id = ids[a->new_slot];
	a->r.process_json = "{}";
	a->r.process_len = 2;
	a->r.text = image;
	a->r.exit = percent(50);
	a->r.done = on_done;
	if (op == OP_START)
		seen[slot].start_asked = true;
	if (op == OP_DELETE)
		seen[slot].delete_asked = true;
	seen[slot].asked++;
	note("%s %s", op_names[op], ids[slot]);
	if (p) {
		a->kind = p->kind;
		a->state = p->state;
		/* Nor what shares the answer of one that began before. */
		a->counted = p->nof[op] < QUEUE_MAX && !p->queue &&
		    (p->state != STATE_ENDING || !p->nof[op]) &&
		    (!p->current || p->state == STATE_CREATING) &&
		    !waits(p->state, op);
	}
	state_submit(&a->r, "c1", ids[slot]);
	return a;
}

static void
wait_for(unsigned slot)
{
	struct process *p;
	struct waited *x;
	struct err e;
	unsigned i;

	p = state_find("c1", ids[slot], &e);
	for (i = 0; i < WAITED_MAX && waited[i].busy; i++)
		;
	if (!p || i == WAITED_MAX)
		return;
	x = &waited[i];
	memset(x, 0, sizeof(*x));
	x->w.exited = on_waited;
	x->busy = true;
	x->slot = slot;
	seen[slot].waiting++;
	note("wait %s", ids[slot]);
	MUST(state_wait(p, &x->w, &e) == 0);
}

/* Whoever waits has hung up. */
static void
unwait(void)
{
	struct waited *x = &waited[chance(WAITED_MAX)];
	struct err e;

	if (!x->busy)
		return;
	note("unwait %s", ids[x->slot]);
	state_unwait(state_find("c1", ids[x->slot], &e), &x->w);
	seen[x->slot].waiting--;
	x->busy = false;
}

static bool
process_exits(void)
{
	static const int codes[] = { 0, 1, 128, 137, CHILD_STATUS_UNKNOWN };
	struct process *p;
	struct child *c;
	int status;
	struct err e;
	unsigned i;

	if (nalive == 0)
		return false;
	c = alive[chance(nalive)];
	status = codes[chance(5)];
	for (i = 0; i < SLOTS; i++) {
		p = state_find("c1", ids[i], &e);
		if (p && &p->child == c)
			break;
	}
	MUST(i < SLOTS);
	note("exit of %s: %d", ids[i][0] ? ids[i] : "init", status);
	/* One that is late may be one that was given up already. */
	if (!process_has_exited(p))
		seen[i].ended_with = status < 0 ? 255 : status;
	if (i == 0 && !ended_at)
		ended_at = loop_now();
	child_forget(c);
	c->exited(c, status);
	return true;
}

/* Something that is not asked for. */
static void
happens(void)
{
	unsigned n = chance(10);

	if (n < 6 && command_ends(false))
		return;
	if (n < 8 && output_drained())
		return;
	/* What runs should get somewhere. */
	if (n < 9 && percent(15) && process_exits())
		return;
	if (percent(20))
		timer_fires();
}

static void
step(void)
{
	static const enum op ops[] = {
		OP_START, OP_START, OP_START, OP_EXEC, OP_EXEC, OP_KILL,
		OP_PAUSE, OP_RESUME, OP_RESUME, OP_DELETE, OP_PIDS,
		OP_RESIZE, OP_CLOSE_IO, OP_UPDATE, OP_CHECKPOINT, OP_STATS,
	};
	/* As task.c has it: these are not for execs. */
	static const bool for_execs[OPS] = {
		[OP_START] = true, [OP_KILL] = true, [OP_RESIZE] = true,
		[OP_CLOSE_IO] = true, [OP_DELETE] = true,
	};
	unsigned slot = chance(SLOTS);
	enum op op;

	steps++;
	if (!seen[0].there || percent(1)) {
		create(seen[0].there);
	} else if (seen[slot].there && !seen[slot].start_asked &&
	    (slot ? seen[0].told_start : seen[0].created) && percent(30)) {
		ask(OP_START, slot);
	} else if (percent(50)) {
		happens();
	} else if (percent(15)) {
		wait_for(slot);
	} else if (percent(3)) {
		unwait();
	} else {
		op = ops[chance(sizeof(ops) / sizeof(ops[0]))];
		/* A life should get somewhere before it is deleted. */
		if (op == OP_DELETE && slot == 0 && percent(80))
			op = OP_PIDS;
		if (op == OP_KILL && !seen[slot].told_start && percent(90))
			op = OP_START;
		if (slot > 0 && !seen[slot].there)
			op = OP_EXEC;
		ask(op, for_execs[op] ? slot : 0);
	}
	run_deferred();
	compare();
}

/* Let everything come to its end. */
static void
rest(void)
{
	unsigned n = 0;

	while (process_exits() || output_drained() || command_ends(n > 20) ||
	    timer_fires()) {
		steps++;
		run_deferred();
		compare();
		MUST(n++ < REST_STEPS);
	}
}

/* Delete, twice: both are answered, and nothing is left. */
static void
delete_all(void)
{
	struct asked *a, *b;
	unsigned i, before;
	bool was_there;

	if (percent(50))
		rest();
	if (percent(50)) {
		ask(OP_DELETE, 0);
		ask(OP_DELETE, 0);
	}
	forks_fail = false;
	rest();
	for (i = 0; i < SLOTS; i++)
		MUST(seen[i].asked == 0);
	before = deletes_ok;
	was_there = seen[0].there;
	a = ask(OP_DELETE, 0);
	b = ask(OP_DELETE, 0);
	rest();
	MUST(!a->busy && !b->busy);
	MUST(deletes_ok == before + was_there);
	MUST(a->code == (was_there ? 0 : ERR_NOT_FOUND));
	MUST(b->code == ERR_NOT_FOUND);
	for (i = 0; i < SLOTS; i++)
		forget(i);
	for (i = 0; i < ASKED_MAX; i++)
		MUST(!asked[i].busy);
	for (i = 0; i < WAITED_MAX; i++)
		MUST(!waited[i].busy);
	MUST(state_containers() == 0);
	MUST(nothing_left());
}

static unsigned long long
number(const char *name, unsigned long long otherwise)
{
	const char *v = getenv(name);

	return v && v[0] ? strtoull(v, NULL, 0) : otherwise;
}

/* What a cell that does something can come to, as the product promises it. */
static bool
can_work(enum proc_kind k, enum proc_state s, enum op op)
{
	/* Who deletes what is being created is told that it never was; and an
	 * exec that has not run has no process that could be killed but while
	 * it is being started, which is not counted. */
	return !(s == STATE_CREATING && op == OP_DELETE) &&
	    !(k == PROC_EXEC && (s == STATE_CREATED || s == STATE_ENDING) &&
	    op == OP_KILL);
}

static bool
can_fail(enum proc_state s, enum op op)
{
	static const bool never[OPS] = {
		[OP_RESIZE] = true,		/* no terminal here */
		[OP_CLOSE_IO] = true,
		[OP_PIDS] = true,		/* never empty, never an error */
		[OP_DELETE] = true,		/* always finishes */
	};

	if (op == OP_STATS && s >= STATE_ENDING)
		return false;			/* the last figures */
	return !never[op] || (s == STATE_CREATING && op == OP_DELETE);
}

/* Does it come to the cell?  Create is not counted. */
static bool
is_asked(enum proc_kind k, enum proc_state s, enum op op)
{
	if (op == OP_CREATE || waits(s, op))
		return false;
	return k == PROC_INIT || (s != STATE_CREATING && s != STATE_PAUSED &&
	    (op == OP_START || op == OP_KILL || op == OP_RESIZE ||
	    op == OP_CLOSE_IO || op == OP_DELETE));
}

/* A second Kill before the sandbox that the first has killed is seen to end:
 * state_test kill_created has it. */
static bool
is_rare(enum proc_kind k, enum proc_state s, enum op op)
{
	return k == PROC_INIT && s == STATE_ENDING && op == OP_KILL;
}

/* The sequences were long enough to bring every cell of the table to each
 * outcome that it can have, and to no other. */
static void
all_outcomes_seen(void)
{
	int k, s, op, code, wrong = 0;
	const unsigned long *h;
	bool may, ok;

	for (k = 0; k < PROC_KINDS; k++)
	for (s = 0; s < STATE_DELETED; s++)	/* then there is nobody */
	for (op = 0; op < OPS; op++) {
		h = hits[k][s][op];
		may = state_allows((enum proc_kind)k, (enum proc_state)s,
		    (enum op)op, &code);
		if (!is_asked((enum proc_kind)k, (enum proc_state)s,
		    (enum op)op))
			ok = !h[WORKED] && !h[FAILED] && !h[REFUSED];
		else if (!may)
			ok = h[REFUSED] && !h[WORKED] && !h[FAILED];
		else
			ok = !h[REFUSED] && !h[FAILED] == !can_fail(
			    (enum proc_state)s, (enum op)op) &&
			    (!h[WORKED] == !can_work((enum proc_kind)k,
			    (enum proc_state)s, (enum op)op) ||
			    is_rare((enum proc_kind)k, (enum proc_state)s,
			    (enum op)op));
		if (ok)
			continue;
		printf("%s %s %s: worked %lu failed %lu refused %lu\n",
		    k == PROC_INIT ? "init" : "exec",
		    state_name((enum proc_state)s), op_names[op], h[WORKED],
		    h[FAILED], h[REFUSED]);
		wrong++;
	}
	MUST(wrong == 0);
}

START_TEST(random_lives)
{
	unsigned n;
	char path[128];
	FILE *f;

	strcpy(bundle, "/tmp/model-test.XXXXXX");
	ck_assert(mkdtemp(bundle) != NULL);
	snprintf(path, sizeof(path), "%s/checkpoint.img", bundle);
	f = fopen(path, "w");
	ck_assert(f && fputs("gVisorSF", f) >= 0 && fclose(f) == 0);
	seed = number("MODEL_SEED", SEED);
	max_steps = number("MODEL_OPS", OPS_DEFAULT);
	rnd = seed * 0x9e3779b97f4a7c15ULL + 1;
	next_pid = 100;
	state_init("ns", ops_cells, NULL);
	while (steps < max_steps) {
		forks_fail = percent(30);
		for (n = 1 + chance(LIFE_STEPS); n > 0; n--)
			step();
		delete_all();
	}
	unlink(path);
	snprintf(path, sizeof(path), "%s/state.json", bundle);
	unlink(path);
	rmdir(bundle);
	printf("%llu steps, %llu containers, %llu answers, %llu starts and "
	    "%llu exits told, %lu by the sandbox\n", steps, lives, answered,
	    told_starts, told_exits, inside_ends);
	/* It did get somewhere. */
	MUST(told_starts > 0 && told_exits > 0 && inside_ends > 0);
	if (max_steps >= OPS_DEFAULT)
		all_outcomes_seen();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, random_lives);
}

int
main(void)
{
	return suite_run("model", NULL, NULL, add);
}
