/* SPDX-License-Identifier: Apache-2.0 */
/* model_stage: see model_stage.h. */
#include "model_stage.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cgroup.h"
#include "base/log.h"
#include "base/loop.h"
#include "container.h"
#include "played.h"

#define TRACE 60		/* steps that are told when a test fails */

enum kind kind;
bool own_pids;

/* -- chance, and words when something fails ------------------------------- */

unsigned long long seed, rnd, steps, max_steps;
static char trace[TRACE][80];
static unsigned ntrace;

unsigned
chance(unsigned n)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 7;
	rnd ^= rnd << 17;
	return (unsigned)((rnd >> 16) % n);
}

bool
percent(unsigned n)
{
	return chance(100) < n;
}

void
note(const char *f, ...)
{
	va_list ap;

	va_start(ap, f);
	vsnprintf(trace[ntrace++ % TRACE], sizeof(trace[0]), f, ap);
	va_end(ap);
}

void
failed_at(int line, const char *what)
{
	unsigned i = ntrace > TRACE ? ntrace - TRACE : 0;

	for (; i < ntrace; i++)
		printf("  %s\n", trace[i % TRACE]);
	fflush(stdout);
	ck_abort_msg("line %d: %s (MODEL_SEED=%llu MODEL_OPS=%llu, step "
	    "%llu)", line, what, seed, max_steps, steps);
}

/* -- the clock ------------------------------------------------------------ */

int64_t now = 1;
static struct timer *timers;
static struct defer *deferred;

int64_t
loop_now(void)
{
	return now;
}

int64_t
loop_clock(clockid_t clock)
{
	(void)clock;
	return now;
}

void
timer_stop(struct timer *t)
{
	LIST_DEL(t);
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
	LIST_ADD(pp, t);
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
free_it(struct defer *d)
{
	free(d->p);
}

void
loop_free(struct defer *d, void *p)
{
	d->p = p;
	loop_defer(d, free_it);
}

void
run_deferred(void)
{
	struct defer *d;

	while ((d = deferred)) {
		deferred = d->next;
		d->fn(d);
	}
}

bool
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

struct runsc_cmd {
	struct runsc_cmd *next;
	const char *verb;
	runsc_done *done;
	void *arg;
};

static struct runsc_cmd *cmds;
unsigned ncmds;
unsigned long inside_ends;
bool forks_fail;
pid_t next_pid;

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
	 * ended meanwhile; but for a kill of what has not started, and for
	 * so long. */
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
bool
command_ends(bool calm)
{
	static const uint32_t two[] = { 1, 2 };
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
		r.pids = two;
		r.npids = 2;
		/* The sandbox says how an exec has ended. */
		r.status = 9;
		if (strcmp(c->verb, "wait-exec") == 0) {
			r.status = chance(256);
			inside_ends++;
		}
	} else {
		/* Or it has started none, and runsc is to. */
		r.instead = strcmp(c->verb, "execute") == 0 && percent(50);
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

struct child *alive[SLOTS];
unsigned nalive;

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

bool
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

bool
nothing_left(void)
{
	return !cmds && !timers && !ios && nalive == 0;
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
log_copy(const char *path, struct err *e)
{
	(void)path;
	(void)e;
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

bool
cgroup_host_unified(void)
{
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
    const struct cgroup *cg, enum metrics_of of, uint64_t oom_kills,
    struct err *e)
{
	(void)o;
	(void)out;
	(void)len;
	(void)cg;
	(void)of;
	(void)oom_kills;
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

unsigned
cgroup_index(const struct cgroup *cg)
{
	return cg != NULL;
}

struct cgroup *
cgroup_indexed(unsigned n)
{
	(void)n;
	return NULL;
}
