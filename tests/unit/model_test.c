/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model_test: long random sequences of operations, ends of commands, exits,
 * drains and timers on the real state.c, ops.c and container.c, with all
 * that is below them played by this file and its clock too.  Beside it goes
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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cgroup.h"
#include "container.h"
#include "events.h"
#include "base/log.h"
#include "state.h"
#include "played.h"

#define SEED 20250601ULL
#define OPS_DEFAULT 1000000ULL
#define LIFE_STEPS 120		/* at most, then the container is deleted */
#define REST_STEPS 5000		/* until all is quiet */
#define SLOTS 4			/* init and execs */
#define ASKED_MAX 128
#define WAITED_MAX 64
#define TRACE 60

enum kind { ROOT, SUB, RESTORED, NKINDS };

static enum kind kind;
static bool own_pids;

/* -- chance, and words when something fails ------------------------------- */

static unsigned long long seed, rnd, steps, max_steps;
static char trace[TRACE][80];
static unsigned ntrace;

static unsigned
chance(unsigned n)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 7;
	rnd ^= rnd << 17;
	return (unsigned)((rnd >> 16) % n);
}

static bool
percent(unsigned n)
{
	return chance(100) < n;
}

static void __attribute__((format(printf, 1, 2)))
note(const char *f, ...)
{
	va_list ap;

	va_start(ap, f);
	vsnprintf(trace[ntrace++ % TRACE], sizeof(trace[0]), f, ap);
	va_end(ap);
}

static void
failed_at(int line, const char *what)
{
	unsigned i = ntrace > TRACE ? ntrace - TRACE : 0;

	for (; i < ntrace; i++)
		printf("  %s\n", trace[i % TRACE]);
	fflush(stdout);
	ck_abort_msg("line %d: %s (MODEL_SEED=%llu MODEL_OPS=%llu, step "
	    "%llu)", line, what, seed, max_steps, steps);
}

#define MUST(x) ((x) ? (void)0 : failed_at(__LINE__, #x))

/* -- the clock ------------------------------------------------------------ */

static int64_t now = 1;
static struct timer *timers;
static struct defer *deferred;

int64_t
loop_now(void)
{
	return now;
}

void
timer_stop(struct timer *t)
{
	if (!t->pprev)
		return;
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	t->pprev = NULL;
	t->next = NULL;
}

bool
timer_running(const struct timer *t)
{
	return t->pprev != NULL;
}

void
timer_start(struct timer *t, int64_t delay_ns, void (*cb)(struct timer *t))
{
	struct timer **pp = &timers;

	timer_stop(t);
	t->at_ns = now + delay_ns;
	t->cb = cb;
	while (*pp && (*pp)->at_ns <= t->at_ns)
		pp = &(*pp)->next;
	t->next = *pp;
	t->pprev = pp;
	if (t->next)
		t->next->pprev = &t->next;
	*pp = t;
}

void
loop_defer(struct defer *d, void (*fn)(struct defer *d))
{
	MUST(!d->fn);
	d->fn = fn;
	d->next = deferred;
	deferred = d;
}

static void
run_deferred(void)
{
	struct defer *d;

	while ((d = deferred)) {
		deferred = d->next;
		d->fn(d);
	}
}

static bool
timer_fires(void)
{
	struct timer *t = timers;

	if (!t)
		return false;
	if (now < t->at_ns)
		now = t->at_ns;
	timer_stop(t);
	note("a timer");
	t->cb(t);
	return true;
}

/* -- runsc ---------------------------------------------------------------- */

static bool init_runs(void);
static bool init_killed(void);

struct runsc_cmd {
	struct runsc_cmd *next;
	const char *verb;
	runsc_done *done;
	void *arg;
};

static struct runsc_cmd *cmds;
static unsigned ncmds;
static bool forks_fail;
static pid_t next_pid;

struct runsc_cmd *
played_cmd(const char *verb, const char *detail, runsc_done *done, void *arg,
    struct err *e)
{
	struct runsc_cmd *c;

	(void)detail;
	if (forks_fail && percent(5)) {
		note("runsc %s: no fork", verb);
		err_set(e, ERR_EXHAUSTED, "fork");
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	c->verb = verb;
	c->done = done;
	c->arg = arg;
	c->next = cmds;
	cmds = c;
	ncmds++;
	return c;
}

static void
cmd_free(struct runsc_cmd *c)
{
	struct runsc_cmd **pp;

	for (pp = &cmds; *pp && *pp != c; pp = &(*pp)->next)
		;
	MUST(*pp);
	*pp = c->next;
	ncmds--;
	free(c);
}

void
runsc_cancel(struct runsc_cmd *c)
{
	if (!c)
		return;
	/* What runsc has to say of a start counts, even if the process has
	 * ended meanwhile; but for a kill of what has not started. */
	MUST(!(strcmp(c->verb, "start") == 0 ||
	    strcmp(c->verb, "restore") == 0) || init_killed());
	cmd_free(c);
}

unsigned
runsc_running(void)
{
	return ncmds;
}

unsigned
runsc_kill_leftovers(const char *bundle)
{
	(void)bundle;
	/* Not of a container that runs. */
	MUST(!init_runs());
	return 0;
}

bool
runsc_exists(const char *root, const char *id)
{
	(void)root;
	(void)id;
	return false;
}

/* A command ends: well, badly, for want of the container, or too late. */
static bool
command_ends(bool calm)
{
	struct runsc_result r = { .out = "", .said = "" };
	struct runsc_cmd *c = cmds;
	runsc_done *done;
	void *arg;
	unsigned n;

	if (!c)
		return false;
	for (n = chance(ncmds); n > 0; n--)
		c = c->next;
	if (calm || percent(70)) {
		r.pid = r.internal_pid = next_pid++;
		r.out = strcmp(c->verb, "help") == 0 ? "-direct" : "9";
		r.outlen = 1;
	} else {
		r.gone = percent(30);
		err_set(&r.err, percent(30) ? ERR_DEADLINE : ERR_UNKNOWN, "no");
	}
	note("runsc %s: %d%s", c->verb, r.err.code, r.gone ? " gone" : "");
	done = c->done;
	arg = c->arg;
	cmd_free(c);
	done(arg, &r);
	return true;
}

/* -- processes ------------------------------------------------------------ */

static struct child *alive[SLOTS];
static unsigned nalive;

int
child_adopt(struct child *c, pid_t pid, const struct child_origin *o,
    void (*exited)(struct child *, int), struct err *e)
{
	(void)o;
	(void)e;
	*c = (struct child)CHILD_INIT;
	c->pid = pid;
	c->exited = exited;
	MUST(nalive < SLOTS);
	alive[nalive++] = c;
	return 0;
}

void
child_forget(struct child *c)
{
	unsigned i;

	for (i = 0; i < nalive; i++) {
		if (alive[i] == c)
			alive[i] = alive[--nalive];
	}
}

bool
child_running(const struct child *c)
{
	unsigned i;

	for (i = 0; i < nalive; i++) {
		if (alive[i] == c)
			return true;
	}
	return false;
}

int
child_kill(struct child *c, int sig)
{
	(void)c;
	(void)sig;
	return 0;
}

/* -- stdio ---------------------------------------------------------------- */

struct io {
	struct io *next;
	void (*done)(void *);
	void *arg;
	bool child_done;
};

static struct io *ios;

struct io *
io_new(const struct io_config *c, struct err *e)
{
	struct io *io;

	(void)c;
	if (forks_fail && percent(5)) {
		err_set(e, ERR_NOT_FOUND, "fifo");
		return NULL;
	}
	io = calloc(1, sizeof(*io));
	io->next = ios;
	ios = io;
	return io;
}

void
io_child_done(struct io *io)
{
	io->child_done = true;
}

void
io_close_stdin(struct io *io)
{
	(void)io;
}

void
io_drain(struct io *io, void (*done)(void *), void *arg)
{
	MUST(io->child_done);
	MUST(!io->done);
	io->done = done;
	io->arg = arg;
}

/* From the loop too, that is, later. */
void
io_drain_end(struct io *io)
{
	(void)io;
}

bool
io_finished(const struct io *io)
{
	return !io->done;
}

void
io_close_outputs(struct io *io)
{
	(void)io;
}

void
io_free(struct io *io)
{
	struct io **pp;

	if (!io)
		return;
	for (pp = &ios; *pp != io; pp = &(*pp)->next)
		;
	*pp = io->next;
	free(io);
}

static bool
output_drained(void)
{
	void (*done)(void *);
	struct io *io;

	for (io = ios; io; io = io->next) {
		if (io->done) {
			note("drained");
			done = io->done;
			io->done = NULL;
			done(io->arg);
			return true;
		}
	}
	return false;
}

/* -- mounts, configuration, spec, cgroup, log ----------------------------- */

int
mount_all(const struct mount_spec *s, size_t n, const char *t, struct err *e)
{
	(void)s;
	(void)n;
	(void)t;
	(void)e;
	return 0;
}

int
mount_undo(const char *target, struct err *e)
{
	(void)target;
	(void)e;
	return 0;
}

int
spec_read(struct spec *s, const char *bundle, struct err *e)
{
	static char pod[] = "c1";

	(void)bundle;
	(void)e;
	memset(s, 0, sizeof(*s));
	s->is_sub = kind == SUB;
	s->sandbox_id = s->is_sub ? pod : NULL;
	s->own_pids = own_pids;
	return 0;
}

enum log_level
log_set_level(enum log_level level)
{
	return level;
}

int
log_copy(const char *path)
{
	(void)path;
	return 0;
}

struct cgroup *
cgroup_get(pid_t pid, struct err *e)
{
	(void)pid;
	err_set(e, ERR_NOT_FOUND, "none");
	return NULL;
}

void
cgroup_put(struct cgroup *cg)
{
	(void)cg;
}

void
cgroup_remove_soon(const char *path, const char *id, bool is_ours)
{
	(void)path;
	(void)id;
	(void)is_ours;
}

bool
cgroup_exists(const char *path, const char *id)
{
	(void)path;
	(void)id;
	return false;
}

uint64_t
cgroup_oom_kills(struct cgroup *cg)
{
	(void)cg;
	return 0;
}

const char *
metrics_encode(struct pb_out *o, const char *out, size_t len,
    const struct cgroup *cg, bool alone, struct err *e)
{
	(void)o;
	(void)out;
	(void)len;
	(void)cg;
	(void)alone;
	(void)e;
	return "x";
}

int
limits_apply(const struct cgroup *cg, const char *json, size_t len,
    struct err *e)
{
	(void)cg;
	(void)json;
	(void)len;
	(void)e;
	return 0;
}

/* Nobody reads it, and it is most of the time. */
#define SILENT(name) void name(const char *f, ...) { (void)f; }

SILENT(log_err)
SILENT(log_warn)
SILENT(log_info)
SILENT(log_debug)

/* -- the model: what was told --------------------------------------------- */

/* Of init (0) and the execs. */
struct seen {
	bool there;
	bool created;		/* init: TaskCreate */
	bool replied;		/* start: well */
	bool start_asked;
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
	"start", "exec", "pause", "resume", "kill", "resize", "closeio",
	"pids", "stats", "update", "checkpoint", "delete", "exited",
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

static void
forget(unsigned slot)
{
	MUST(seen[slot].asked == 0);
	MUST(seen[slot].waiting == 0);
	memset(&seen[slot], 0, sizeof(seen[slot]));
}

static bool
init_runs(void)
{
	struct err e;
	struct process *p = state_find("c1", "", &e);

	return p && seen[0].told_start && !p->gone;
}

static bool
init_killed(void)
{
	return seen[0].killed;
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
on_created(void *arg, pid_t pid, const struct err *e)
{
	unsigned i;

	(void)pid;
	note("create answered: %d", e ? e->code : 0);
	if (arg) {		/* a second one of that id */
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
	case OP_STATS: case OP_UPDATE: case OP_CHECKPOINT: case OP_EXITED:
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
		if (s->told_exit)
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
			    (s->start_asked || init->gone)));
		/* Init's end is at once that of what never ran in it. */
		MUST(is != STATE_CREATED || i == 0 || p->gone ||
		    !(init->gone && init->ending));
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
		.checkpoint = "", .created = on_created,
		.arg = again ? &c : NULL,
	};

	if (!again) {
		kind = (enum kind)chance(NKINDS);
		own_pids = percent(50);
		seen[0].there = true;
		seen[0].ended_with = -1;
		creating = true;
		lives++;
	}
	if (kind == RESTORED)
		c.checkpoint = bundle;
	note("create, kind %d", (int)kind);
	state_create(&c);
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
	seen[slot].asked++;
	note("%s %s", op_names[op], ids[slot]);
	if (p) {
		a->kind = p->kind;
		a->state = p->state;
		a->counted = p->nof[op] < QUEUE_MAX &&
		    !p->current && !p->ending && !p->queue;
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
	hits[p->kind][p->state][OP_EXITED][WORKED]++;
	/* One that is late may be one that was given up already. */
	if (!p->gone)
		seen[i].ended_with = status < 0 ? 255 : status;
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
	MUST(!cmds && !timers && !ios && nalive == 0);
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
	 * exec that has not run has no process that could end or be killed but
	 * while it is being started, which is not counted. */
	return !(s == STATE_CREATING && op == OP_DELETE) &&
	    !(k == PROC_EXEC && s == STATE_CREATED &&
	    (op == OP_EXITED || op == OP_KILL));
}

static bool
can_fail(enum proc_state s, enum op op)
{
	static const bool never[OPS] = {
		[OP_RESIZE] = true,		/* no terminal here */
		[OP_CLOSE_IO] = true,
		[OP_PIDS] = true,		/* never empty, never an error */
		[OP_DELETE] = true,		/* always finishes */
		[OP_EXITED] = true,
	};

	return !never[op] || (s == STATE_CREATING && op == OP_DELETE);
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
		if (!may && !code)	/* nobody can ask */
			ok = !h[WORKED] && !h[FAILED] && !h[REFUSED];
		else if (!may)
			ok = h[REFUSED] && !h[WORKED] && !h[FAILED];
		else
			ok = !h[REFUSED] && !h[FAILED] == !can_fail(
			    (enum proc_state)s, (enum op)op) &&
			    !h[WORKED] == !can_work((enum proc_kind)k,
			    (enum proc_state)s, (enum op)op);
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
	state_init("ns", NULL);
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
	    "%llu exits told\n", steps, lives, answered, told_starts,
	    told_exits);
	/* It did get somewhere. */
	MUST(told_starts > 0 && told_exits > 0);
	if (max_steps >= OPS_DEFAULT)
		all_outcomes_seen();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("model");
	TCase *tc = tcase_create("model");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, random_lives);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
