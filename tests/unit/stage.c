/* SPDX-License-Identifier: Apache-2.0 */
/* stage: see stage.h. */
#include "stage.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container.h"
#include "events.h"
#include "ops.h"
#include "played.h"

/* -- what is played ------------------------------------------------------- */

struct runsc_cmd {
	struct runsc_cmd *next;
	char verb[16];
	char detail[64];
	runsc_done *done;
	void *arg;
};

static struct runsc_cmd *cmds;
char verbs[65536];	/* every command started, in order */
bool refuse_commands;
bool exists_in_runsc;

struct runsc_cmd *
played_cmd(const char *verb, const char *detail, runsc_done *done, void *arg,
    struct err *e)
{
	struct runsc_cmd *c;

	strcat(verbs, verb);
	strcat(verbs, detail);
	strcat(verbs, " ");
	if (refuse_commands) {
		err_set(e, ERR_EXHAUSTED, "runsc %s: fork refused", verb);
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	snprintf(c->verb, sizeof(c->verb), "%s", verb);
	snprintf(c->detail, sizeof(c->detail), "%s", detail);
	c->done = done;
	c->arg = arg;
	c->next = cmds;
	cmds = c;
	return c;
}

void
runsc_cancel(struct runsc_cmd *c)
{
	struct runsc_cmd **pp;

	for (pp = &cmds; c && *pp; pp = &(*pp)->next) {
		if (*pp == c) {
			*pp = c->next;
			free(c);
			return;
		}
	}
}

unsigned
runsc_running(void)
{
	return cmds != NULL;
}

unsigned
runsc_kill_leftovers(const char *dir)
{
	(void)dir;
	strcat(verbs, "leftovers ");
	return 0;
}

bool
runsc_exists(const char *root, const char *id)
{
	(void)root;
	(void)id;
	return exists_in_runsc;
}

struct runsc_cmd *
pending(const char *verb)
{
	struct runsc_cmd *c;

	for (c = cmds; c; c = c->next) {
		if (strcmp(c->verb, verb) == 0)
			return c;
	}
	return NULL;
}

/* End the newest command of that verb. */
void
complete_full(const char *verb, const struct runsc_result *r)
{
	struct runsc_cmd *c = pending(verb);
	runsc_done *done;
	void *arg;

	ck_assert_msg(c != NULL, "no runsc %s under way; so far: %s", verb,
	    verbs);
	done = c->done;
	arg = c->arg;
	runsc_cancel(c);
	done(arg, r);
}

void
complete(const char *verb)
{
	static const uint32_t two[] = { 1, 2 };
	struct runsc_result r = { .out = "", .said = "", .pid = 100,
		.internal_pid = 7, .pids = two, .npids = 2 };

	complete_full(verb, &r);
}

void
complete_error(const char *verb, const char *text, bool gone)
{
	struct runsc_result r = { .out = "", .said = "", .gone = gone };

	err_set(&r.err, ERR_UNKNOWN, "%s", text);
	complete_full(verb, &r);
}

/* Children: adopted ones exit when told; kills are counted. */
static struct child *adopted[8];
int killed_with;

int
child_adopt(struct child *c, pid_t pid, const struct child_origin *o,
    void (*exited)(struct child *, int), struct err *e)
{
	size_t i;

	(void)o;
	(void)e;
	*c = (struct child)CHILD_INIT;
	c->pid = pid;
	c->exited = exited;
	for (i = 0; adopted[i]; i++)
		;
	adopted[i] = c;
	return 0;
}

void
child_forget(struct child *c)
{
	size_t i;

	for (i = 0; i < 8; i++) {
		if (adopted[i] == c)
			adopted[i] = NULL;
	}
}

bool
child_running(const struct child *c)
{
	size_t i;

	for (i = 0; i < 8; i++) {
		if (adopted[i] == c)
			return true;
	}
	return false;
}

int
child_kill(struct child *c, int sig)
{
	(void)c;
	killed_with = sig;
	return 0;
}

void
process_exits(struct process *p, int status)
{
	struct child *c = &p->child;

	ck_assert(child_running(c));
	child_forget(c);
	c->exited(c, status);
}

/* Stdio. */
struct io {
	void (*done)(void *);
	void *arg;
	bool child_done, stdin_closed;
};

bool hold_drain;
static struct io *draining;
bool io_fails;
int ios;

struct io *
io_new(const struct io_config *c, struct err *e)
{
	(void)c;
	if (io_fails) {
		err_set(e, ERR_NOT_FOUND, "open fifo: no such file");
		return NULL;
	}
	ios++;
	return calloc(1, sizeof(struct io));
}

void
io_child_done(struct io *io)
{
	io->child_done = true;
}

void
io_close_stdin(struct io *io)
{
	io->stdin_closed = true;
}

void
io_drain(struct io *io, void (*done)(void *), void *arg)
{
	ck_assert_msg(io->child_done, "drained with the child's ends open");
	if (hold_drain) {
		io->done = done;
		io->arg = arg;
		draining = io;
	} else {
		done(arg);
	}
}

void
drained(void)
{
	struct io *io = draining;

	ck_assert(io != NULL);
	draining = NULL;
	io->done(io->arg);
}

void
io_drain_end(struct io *io)
{
	if (draining == io)
		drained();
}

bool
io_finished(const struct io *io)
{
	(void)io;
	return true;
}

void
io_close_outputs(struct io *io)
{
	(void)io;
}

void
io_free(struct io *io)
{
	if (!io)
		return;
	ios--;
	if (draining == io)
		draining = NULL;
	free(io);
}

/* Mounts, configuration, spec. */
int mounted;
bool mount_fails;
bool sub, own_pids;

int
mount_all(const struct mount_spec *s, size_t n, const char *t, struct err *e)
{
	(void)s;
	(void)n;
	if (mount_fails)
		return err_set(e, ERR_UNKNOWN, "mount on %s: no", t);
	mounted++;
	return 0;
}

int
mount_undo(const char *target, struct err *e)
{
	(void)target;
	(void)e;
	mounted = 0;
	return 0;
}

int
spec_read(struct spec *s, const char *dir, struct err *e)
{
	static char pod[] = "c1";

	(void)dir;
	(void)e;
	memset(s, 0, sizeof(*s));
	s->is_sub = sub;
	s->sandbox_id = s->is_sub ? pod : NULL;
	s->own_pids = own_pids;
	return 0;
}

/* Events, replies and exits told, in order. */
char told[65536];

void
events_publish(const char *topic, const char *name, struct pb_out *o)
{
	(void)topic;
	strcat(told, name);
	strcat(told, " ");
	pb_out_free(o);
}

/* -- asking --------------------------------------------------------------- */

char bundle[64];
int create_code;
char create_msg[ERR_MSG_MAX];

static void
on_done(struct request *r, const struct err *e)
{
	struct asked *a = (struct asked *)r;

	ck_assert_msg(!a->done, "%s was answered twice", a->what);
	a->done = true;
	a->code = e ? e->code : 0;
	snprintf(a->msg, sizeof(a->msg), "%s", e ? e->msg : "");
	strcat(told, a->what);
	strcat(told, e ? "! " : ". ");
}

void
ask_of(struct asked *a, enum op op, const char *what, const char *id,
    const char *exec_id)
{
	unsigned sig = a->r.signal;
	char *text = a->r.text;
	bool exits = a->r.exit, all = a->r.all;

	memset(a, 0, sizeof(*a));
	a->r.text = text;
	a->r.exit = exits;
	a->r.all = all;
	a->r.op = op;
	a->r.signal = sig;
	a->r.new_exec_id = "e1";
	a->r.done = on_done;
	a->what = what;
	state_submit(&a->r, id, exec_id);
}

void
ask(struct asked *a, enum op op, const char *what, const char *exec_id)
{
	ask_of(a, op, what, "c1", exec_id);
}

void
on_created(struct request *r, const struct err *e)
{
	free(r);
	create_code = e ? e->code : 0;
	snprintf(create_msg, sizeof(create_msg), "%s", e ? e->msg : "");
	strcat(told, e ? "create! " : "create. ");
}

void
create_as(const struct create_request *c)
{
	struct request *r = calloc(1, sizeof(*r));

	ck_assert(r != NULL);
	r->op = OP_CREATE;
	r->create = c;
	r->done = on_created;
	state_submit(r, c->id, "");
}

void
create_id(const char *id)
{
	struct mount_spec m = { .type = "bind", .source = "/x" };
	struct create_request c = {
		.id = id, .bundle = bundle, .rootfs = &m, .nrootfs = 1,
		.in = "", .out = "", .err = "", .checkpoint = "",
	};

	create_code = -1;
	create_as(&c);
}

void
create(void)
{
	create_id("c1");
}

struct process *
init(void)
{
	struct err e;
	struct process *p = state_find("c1", "", &e);

	ck_assert(p != NULL);
	return p;
}

struct process *
exec1(void)
{
	struct err e;
	struct process *p = state_find("c1", "e1", &e);

	ck_assert(p != NULL);
	return p;
}

void
on_waited(struct waiter *w, unsigned status, int64_t at)
{
	struct waited *x = (struct waited *)w;

	ck_assert(!x->done);
	ck_assert(at > 0);
	x->done = true;
	x->status = status;
	strcat(told, "wait. ");
}

void
wait_for(struct process *p, struct waited *w)
{
	struct err e;

	memset(w, 0, sizeof(*w));
	w->w.exited = on_waited;
	ck_assert_int_eq(state_wait(p, &w->w, &e), 0);
}

void
created(void)
{
	create();
	complete("create");
	ck_assert_int_eq(create_code, 0);
}

void
running(void)
{
	struct asked a = { 0 };

	created();
	ask(&a, OP_START, "start", "");
	complete("start");
	ck_assert_int_eq(a.code, 0);
	told[0] = '\0';
	verbs[0] = '\0';
}

void
exec_running(void)
{
	struct asked a = { 0 };

	ask(&a, OP_EXEC, "exec", "");
	ck_assert_int_eq(a.code, 0);
	ask(&a, OP_START, "start", "e1");
	complete("exec");
	ck_assert_int_eq(a.code, 0);
}

void
deleted(void)
{
	struct asked a = { 0 };

	ask(&a, OP_DELETE, "delete", "");
	complete("delete");
	ck_assert_int_eq(a.code, 0);
	ck_assert_uint_eq(state_containers(), 0);
	ck_assert_int_eq(ios, 0);
	ck_assert_int_eq(mounted, 0);
	loop_turn(0);
}

void
setup(void)
{
	struct err e;

	strcpy(bundle, "/tmp/state-test.XXXXXX");
	ck_assert(mkdtemp(bundle) != NULL);
	ck_assert_int_eq(loop_init(&e), 0);
	freopen("/dev/null", "w", stderr);
	state_init("ns", ops_cells, NULL);
}

void
teardown(void)
{
	char path[128];

	loop_turn(0);
	loop_close();
	snprintf(path, sizeof(path), "%s/state.json", bundle);
	unlink(path);
	snprintf(path, sizeof(path), "%s/rootfs", bundle);
	rmdir(path);
	rmdir(bundle);
}
