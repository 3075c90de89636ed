/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task: see task.h.  Field numbers: containerd api/runtime/task/v2/shim.proto.
 */
#include "task.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/fmt.h"
#include "base/log.h"
#include "wire/pb.h"
#include "wire/save.h"

#define REPLY_BYTES 512
#define SIGNAL_MAX 64
#define ROOTFS_FIELD 3
#define TYPES "types.containerd.io/opencontainers/runtime-spec/1/"
#define DETAILS_TYPE "containerd.runc.v1.ProcessDetails"

/* containerd.v1.types.Status */
enum { STATUS_UNKNOWN, STATUS_CREATED, STATUS_RUNNING, STATUS_STOPPED,
	STATUS_PAUSED };

static void (*on_shutdown)(void);

void
task_init(void (*shutdown)(void))
{
	on_shutdown = shutdown;
}

static void
reply_exit(struct ttrpc_call *call, uint32_t status_field, pid_t pid,
    unsigned status, int64_t exited_at)
{
	uint8_t buf[REPLY_BYTES];
	struct pb_out o;

	pb_out_init(&o, buf, sizeof(buf));
	if (status_field == 2)
		pb_put_uint(&o, 1, (uint64_t)pid);
	pb_put_uint(&o, status_field, status);
	pb_put_time(&o, status_field + 1, exited_at);
	ttrpc_reply_pb(call, &o);
}

/* -- operations: a request to state.c and the call that waits for it ------ */

struct operation {
	struct request req;
	struct ttrpc_call *call;	/* NULL: nobody waits any more */
	struct defer freed;
	char id[ID_MAX_BYTES + 1];	/* for the reply of pids */
};

static void
operation_free_now(struct defer *d)
{
	struct operation *op = container_of(d, struct operation, freed);

	free(op->req.text);
	free(op);
}

static void
reply_pids(struct operation *op)
{
	const struct process *execs[EXEC_SLOTS], *x;
	struct pb_out o, d;
	uint8_t buf[REPLY_BYTES];
	size_t i, mark;

	state_index_execs(state_find_container(op->id), execs);
	pb_out_init(&o, NULL, 0);
	for (i = 0; i < op->req.npids; i++) {
		mark = pb_begin(&o, 1);
		pb_put_uint(&o, 1, op->req.pids[i]);
		x = state_exec_of_pid(execs, op->req.pids[i]);
		if (x) {
			pb_out_init(&d, buf, sizeof(buf));
			pb_put_str(&d, 1, x->exec_id);
			pb_put_any(&o, 2, DETAILS_TYPE, d.p, d.len);
			pb_out_free(&d);
		}
		pb_end(&o, mark);
	}
	ttrpc_reply_pb(op->call, &o);
}

static void
operation_done(struct request *r, const struct err *e)
{
	struct operation *op = container_of(r, struct operation, req);
	uint8_t buf[REPLY_BYTES];
	struct pb_out o;

	if (!op->call)
		goto out;
	if (e) {
		log_debug("%s: %s", ttrpc_call_name(op->call), e->msg);
		ttrpc_fail(op->call, e);
	} else if (r->op == OP_DELETE) {
		reply_exit(op->call, 2, r->pid, r->exit_status, r->exited_at);
	} else if (r->op == OP_PIDS) {
		reply_pids(op);
	} else if (r->op == OP_STATS) {
		pb_out_init(&o, NULL, 0);
		pb_put_any(&o, 1, r->stats_type, r->stats.p, r->stats.n);
		ttrpc_reply_pb(op->call, &o);
	} else if (r->op == OP_START || r->op == OP_CREATE) {
		pb_out_init(&o, buf, sizeof(buf));
		pb_put_uint(&o, 1, (uint64_t)r->pid);
		ttrpc_reply_pb(op->call, &o);
	} else {
		ttrpc_reply(op->call, NULL, 0);
	}
out:
	loop_defer(&op->freed, operation_free_now);
}

static void
operation_unwanted(void *arg)
{
	struct operation *op = arg;

	op->call = NULL;
	state_unwanted(&op->req);
}

static struct operation *
operation_new(struct ttrpc_call *call, enum op what)
{
	struct operation *op = ttrpc_alloc(call, sizeof(*op));

	if (!op)
		return NULL;
	op->call = call;
	op->req.op = what;
	op->req.done = operation_done;
	ttrpc_on_gone(call, operation_unwanted, op);
	return op;
}

/* What an operation is made of; NULL and 0: nothing of the kind. */
struct row {
	bool has_exec_id;	/* field 2 says of which exec */
	uint8_t any;		/* field that is an Any, ... */
	const char *type;	/* ... of this type, which what holds for */
	const char *what;
	int (*fill)(struct request *r, const struct message *m, struct err *e);
};

static const struct row rows[OPS];

/* Put the value of the row's Any in its place. */
static int
open_any(struct message *m, enum op what, const struct row *row, struct err *e)
{
	struct message any;
	int rc = 0;

	if (pb_decode(&any, m->f[row->any].b, "-sb", e) < 0)
		return -1;
	if ((any.f[2].b.n || what == OP_EXEC) &&
	    strcmp(any.str[1], row->type) != 0)
		rc = err_set(e, ERR_INVALID, "%s: %s \"%s\", not \"%s\"",
		    m->str[1], row->what, any.str[1], row->type);
	m->f[row->any].b = any.f[2].b;
	free(any.text);
	return rc;
}

static void
operate(struct ttrpc_call *call, struct message *m, const void *arg)
{
	const struct row *row = arg;
	enum op what = (enum op)(row - rows);
	struct operation *op;
	struct err e;

	if (row->any && open_any(m, what, row, &e) < 0) {
		ttrpc_fail(call, &e);
		return;
	}
	op = operation_new(call, what);
	if (!op)
		return;
	fmt(op->id, sizeof(op->id), "%s", m->str[1]);
	if (row->fill && row->fill(&op->req, m, &e) < 0)
		operation_done(&op->req, &e);
	else
		state_submit(&op->req, m->str[1], row->has_exec_id ?
		    m->str[2] : "");
}

static int
fill_update(struct request *r, const struct message *m, struct err *e)
{
	(void)e;
	r->text = strndup(m->f[2].b.n ? (const char *)m->f[2].b.p : "",
	    m->f[2].b.n);
	return 0;
}

static int
fill_checkpoint(struct request *r, const struct message *m, struct err *e)
{
	struct message options;

	if (pb_decode(&options, m->f[3].b, "-n", e) < 0)
		return -1;
	r->exit = options.f[1].v != 0;
	free(options.text);
	r->text = strdup(m->str[2]);
	return 0;
}

static int
fill_kill(struct request *r, const struct message *m, struct err *e)
{
	if (m->f[3].v > SIGNAL_MAX)
		return err_set(e, ERR_INVALID, "%s: no signal %llu", m->str[1],
		    (unsigned long long)m->f[3].v);
	r->signal = (unsigned)m->f[3].v;
	r->all = m->f[4].v != 0;
	return 0;
}

static int
fill_resize(struct request *r, const struct message *m, struct err *e)
{
	(void)e;
	r->width = (unsigned)m->f[3].v;
	r->height = (unsigned)m->f[4].v;
	return 0;
}

static int
fill_exec(struct request *r, const struct message *m, struct err *e)
{
	if (name_check_exec(m->str[2], e) < 0)
		return err_prefix(e, "exec in %s", m->str[1]);
	r->new_exec_id = m->str[2];
	r->stdio = (struct io_config){
		.in = m->str[4], .out = m->str[5], .err = m->str[6],
		.terminal = m->f[3].v != 0,
	};
	r->process_json = (const char *)m->f[7].b.p;
	r->process_len = m->f[7].b.n;
	return 0;
}

/* -- create --------------------------------------------------------------- */

/* The mounts of a Create request.  text and options hold their strings. */
struct rootfs {
	struct mount_spec mounts[MOUNTS_MAX];
	size_t n;
	const char *options[MOUNT_OPTIONS_MAX];
	size_t noptions;
	char *text;
	size_t used;
	bool bad;		/* a string that is none */
};

/* "" if it is not there. */
static const char *
keep(struct rootfs *rf, struct pb_bytes b)
{
	char *s = rf->text + rf->used;

	if (b.n)
		memcpy(s, b.p, b.n);
	rf->bad |= memchr(s, 0, b.n) != NULL;
	s[b.n] = '\0';
	rf->used += b.n + 1;
	return s;
}

static int
decode_mount(struct rootfs *rf, struct pb_bytes in, struct err *e)
{
	struct mount_spec *s = &rf->mounts[rf->n];
	struct pb_field f[5];	/* type, source, target, options */
	struct pb_in pb;
	struct pb_bytes b;

	if (rf->n >= MOUNTS_MAX)
		return err_set(e, ERR_INVALID, "more than %d rootfs mounts",
		    MOUNTS_MAX);
	rf->n++;
	rf->bad = pb_read(in, "-bbbb", f) != 0;
	s->type = keep(rf, f[1].b);
	s->source = keep(rf, f[2].b);
	s->options = &rf->options[rf->noptions];
	pb_in_init(&pb, in.p, in.n);
	while (!rf->bad && pb_next_bytes(&pb, 4, &b)) {
		if (rf->noptions == MOUNT_OPTIONS_MAX)
			return err_set(e, ERR_INVALID, "more than %d rootfs "
			    "mount options", MOUNT_OPTIONS_MAX);
		rf->options[rf->noptions++] = keep(rf, b);
	}
	s->noptions = (size_t)(&rf->options[rf->noptions] - s->options);
	return rf->bad ? err_set(e, ERR_INTERNAL, "ttrpc: error unmarshalling "
	    "payload: bad rootfs mount") : 0;
}

static int
decode_rootfs(struct rootfs *rf, struct pb_bytes payload, struct err *e)
{
	struct pb_in pb;
	struct pb_bytes b;

	/* As in pb_decode(): the strings and their NULs fit, also the two that
	 * a mount may be without, for which its own tag and length stand. */
	rf->text = malloc(payload.n + 1);
	if (!rf->text)
		return err_nomem(e);
	pb_in_init(&pb, payload.p, payload.n);
	while (pb_next_bytes(&pb, ROOTFS_FIELD, &b)) {
		if (decode_mount(rf, b, e) < 0)
			return -1;
	}
	return 0;
}

static void
task_create(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct create_request c = {
		.id = m->str[1], .bundle = m->str[2],
		.terminal = m->f[4].v != 0,
		.in = m->str[5], .out = m->str[6], .err = m->str[7],
		.checkpoint = m->str[8], .options = m->f[10].b,
	};
	struct rootfs *rf = ttrpc_alloc(call, sizeof(*rf));
	struct operation *op;
	struct err e;

	(void)row;
	if (!rf)
		return;
	if (decode_rootfs(rf, m->whole, &e) < 0) {
		ttrpc_fail(call, &e);
	} else if ((op = operation_new(call, OP_CREATE))) {
		c.rootfs = rf->mounts;
		c.nrootfs = rf->n;
		op->req.create = &c;
		state_submit(&op->req, c.id, "");
	}
	free(rf->text);
	free(rf);
}

/* -- wait ----------------------------------------------------------------- */

struct waiting {
	struct waiter w;
	struct process *p;
	struct ttrpc_call *call;
	struct defer freed;
};

static void
waited(struct waiter *w, unsigned status, int64_t exited_at)
{
	struct waiting *wt = container_of(w, struct waiting, w);

	reply_exit(wt->call, 1, 0, status, exited_at);
	loop_free(&wt->freed, wt);
}

static void
waiting_unwanted(void *arg)
{
	struct waiting *wt = arg;

	state_unwait(wt->p, &wt->w);
	loop_free(&wt->freed, wt);
}

void
task_wait(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct err e;
	struct process *p = state_find(m->str[1], m->str[2], &e);
	struct waiting *wt = p ? ttrpc_alloc(call, sizeof(*wt)) : NULL;

	(void)row;
	if (!p) {
		ttrpc_fail(call, &e);
	} else if (wt) {
		wt->call = call;
		wt->w.exited = waited;
		wt->p = p;
		ttrpc_on_gone(call, waiting_unwanted, wt);
		if (state_wait(p, &wt->w, &e) == 0)
			return;
		ttrpc_fail(call, &e);
		free(wt);
	}
}

struct saved_wait {
	char *id, *exec_id;
};

static const struct save_field wait_fields[] = {
	SAVE(struct saved_wait, id), SAVE(struct saved_wait, exec_id),
	SAVE_SUBS, SAVE_LAST
};
enum { WAIT = 1, WAIT_CALL = 3 };

bool
task_is_wait(const struct waiter *w)
{
	return w->exited == waited;
}

static void
save_waits(struct pb_out *o, const struct process *p)
{
	const struct saved_wait s = { p->ct->id, p->exec_id };
	const struct waiter *w;
	size_t mark;

	for (w = p->waiters; w; w = w->next) {
		mark = pb_begin(o, WAIT);
		save_put(o, wait_fields, &s);
		ttrpc_save_call(o, WAIT_CALL, container_of(w,
		    const struct waiting, w)->call);
		pb_end(o, mark);
	}
}

void
task_save(struct pb_out *o)
{
	const struct container *ct;
	const struct process *p;

	for (ct = state_next(NULL); ct; ct = state_next(ct)) {
		save_waits(o, &ct->init);
		for (p = ct->execs; p; p = p->next)
			save_waits(o, p);
	}
}

static int
load_wait(void *none, struct pb_bytes in, struct err *e)
{
	struct waiting *wt = save_alloc(sizeof(*wt), e);
	struct saved_wait s = { .id = NULL };
	struct pb_bytes b = { NULL, 0 };
	struct pb_in pb;

	(void)none;
	if (!wt || save_get(in, wait_fields, &s, e) < 0)
		return -1;
	pb_in_init(&pb, in.p, in.n);
	pb_next_bytes(&pb, WAIT_CALL, &b);
	wt->w.exited = waited;
	wt->p = s.id && s.exec_id ? state_find(s.id, s.exec_id, e) : NULL;
	free(s.id);
	free(s.exec_id);
	if (!wt->p || wt->p->state == STATE_STOPPED)
		return save_bad(e);
	wt->call = ttrpc_load_call(b, "Task", "Wait", e);
	if (!wt->call)
		return -1;
	ttrpc_on_gone(wt->call, waiting_unwanted, wt);
	return state_wait(wt->p, &wt->w, e);
}

int
task_load(struct pb_bytes in, struct err *e)
{
	return save_each(in, WAIT, load_wait, NULL, e);
}

/* -- answered from memory ------------------------------------------------- */

static unsigned
status_of(const struct process *p)
{
	static const uint8_t status[STATES] = {
		[STATE_CREATING] = STATUS_CREATED,
		[STATE_CREATED] = STATUS_CREATED,
		[STATE_RUNNING] = STATUS_RUNNING,
		[STATE_PAUSED] = STATUS_PAUSED,
		[STATE_ENDING] = STATUS_RUNNING,
		[STATE_STOPPED] = STATUS_STOPPED,
		[STATE_DELETED] = STATUS_UNKNOWN,
	};

	return p->state == STATE_ENDING && p->start != START_WORKED ?
	    STATUS_CREATED : status[p->state];
}

static void
answer_state(struct ttrpc_call *call, const struct message *m)
{
	uint8_t buf[REPLY_BYTES];
	const struct process *p;
	struct pb_out o;
	struct err e;

	p = state_find(m->str[1], m->str[2], &e);
	if (!p) {
		ttrpc_fail(call, &e);
		return;
	}
	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, p->kind == PROC_INIT ? p->ct->id : p->exec_id);
	pb_put_str(&o, 2, p->ct->bundle);
	pb_put_uint(&o, 3, (uint64_t)p->pid);
	pb_put_uint(&o, 4, status_of(p));
	pb_put_str(&o, 5, p->in);
	pb_put_str(&o, 6, p->out);
	pb_put_str(&o, 7, p->err);
	pb_put_bool(&o, 8, p->terminal);
	if (p->state == STATE_STOPPED) {
		pb_put_uint(&o, 9, p->exit_status);
		pb_put_time(&o, 10, p->exited_at);
	}
	ttrpc_reply_pb(call, &o);
}

/* A State that is answered a little later. */
struct held_state {
	struct timer timer;
	struct ttrpc_call *call;
	struct message m;
};

static void
held_state_free(struct held_state *h)
{
	timer_stop(&h->timer);
	free(h->m.text);
	free(h);
}

static void
on_held_state(struct timer *t)
{
	struct held_state *h = container_of(t, struct held_state, timer);

	answer_state(h->call, &h->m);
	held_state_free(h);
}

static void
held_state_unwanted(void *arg)
{
	held_state_free(arg);
}

/*
 * A containerd that comes back opens the FIFOs of a task and asks for its State
 * at once; told that it is stopped, it gives up what it has not opened by then
 * (client/task.go Delete).  While there is output that nobody has come for, the
 * answer leaves it that time.
 */
static void
task_state(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct held_state *h = NULL;
	const struct process *p;
	struct err e;

	(void)row;
	p = state_find(m->str[1], m->str[2], &e);
	if (p && p->state == STATE_STOPPED && p->io && io_is_unclaimed(p->io))
		h = calloc(1, sizeof(*h));
	if (h) {
		h->call = call;
		h->m = *m;
		m->text = NULL;
		ttrpc_on_gone(call, held_state_unwanted, h);
		timer_start(&h->timer, STATE_HELD_NS, on_held_state);
		return;
	}
	answer_state(call, m);
}

static void
task_connect(struct ttrpc_call *call, struct message *m, const void *row)
{
	const struct container *ct = state_find_container(m->str[1]);
	uint8_t buf[REPLY_BYTES];
	struct pb_out o;
	struct err e;

	(void)row;
	/* Of a container that has not come yet, this succeeds, as with the
	 * Go shims: containerd may connect before Create.  Of one that has
	 * gone it must not: a containerd that was killed before Shutdown
	 * would keep its task (containerd 1.6 asks nothing else). */
	if (!ct && state_was_deleted(m->str[1])) {
		err_set(&e, ERR_NOT_FOUND, "container %s deleted", m->str[1]);
		ttrpc_fail(call, &e);
		return;
	}
	pb_out_init(&o, buf, sizeof(buf));
	pb_put_uint(&o, 1, (uint64_t)getpid());
	pb_put_uint(&o, 2, ct ? (uint64_t)ct->init.pid : 0);
	ttrpc_reply_pb(call, &o);
}

static void
task_shutdown(struct ttrpc_call *call, struct message *m, const void *row)
{
	(void)m;
	(void)row;
	/* A pod's shim hears this for each of its containers: only the last
	 * counts.  Before the answer: no `start` finds us after it. */
	if (state_containers() == 0)
		on_shutdown();
	ttrpc_reply(call, NULL, 0);
}

static const struct row rows[OPS] = {
	[OP_START] = { .has_exec_id = true },
	[OP_DELETE] = { .has_exec_id = true },
	[OP_CLOSE_IO] = { .has_exec_id = true },
	[OP_KILL] = { .has_exec_id = true, .fill = fill_kill },
	[OP_RESIZE] = { .has_exec_id = true, .fill = fill_resize },
	[OP_CHECKPOINT] = { .any = 3, .what = "options are", .type =
	    "containerd.runc.v1.CheckpointOptions", .fill = fill_checkpoint },
	[OP_EXEC] = { .any = 7, .what = "spec is", .type = TYPES "Process",
	    .fill = fill_exec },
	[OP_UPDATE] = { .any = 2, .what = "resources are", .type =
	    TYPES "LinuxResources", .fill = fill_update },
};

/* A method is a row here, and a function or an operation's row. */
const struct ttrpc_method task_methods[] = {
	{ "State", "-ss", task_state, NULL, false },
	{ "Create", "-ss-nssss-b", task_create, NULL, true },
	{ "Start", "-ss", operate, &rows[OP_START], true },
	{ "Delete", "-ss", operate, &rows[OP_DELETE], false },
	{ "Pids", "-s", operate, &rows[OP_PIDS], false },
	{ "Pause", "-s", operate, &rows[OP_PAUSE], false },
	{ "Resume", "-s", operate, &rows[OP_RESUME], false },
	{ "Checkpoint", "-ssb", operate, &rows[OP_CHECKPOINT], false },
	{ "Kill", "-ssnn", operate, &rows[OP_KILL], false },
	{ "Exec", "-ssnsssb", operate, &rows[OP_EXEC], true },
	{ "ResizePty", "-ssnn", operate, &rows[OP_RESIZE], false },
	{ "CloseIO", "-ss", operate, &rows[OP_CLOSE_IO], false },
	{ "Update", "-sb", operate, &rows[OP_UPDATE], false },
	{ "Wait", "-ss", task_wait, NULL, false },
	{ "Stats", "-s", operate, &rows[OP_STATS], false },
	{ "Connect", "-s", task_connect, NULL, false },
	{ "Shutdown", "-sn", task_shutdown, NULL, false },
	{ NULL, NULL, NULL, NULL, false },
};
