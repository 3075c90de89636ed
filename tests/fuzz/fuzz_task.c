/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of the Task service: a request's payload goes to its method,
 * with a state.c and a ttrpc.c of this file's own below it.  The first byte
 * chooses the method (its remainder by the number of methods), and by what is
 * left whether the container is known (bit 0) and how its end comes (bits 1
 * and 2): at once, later, later and badly, or after the caller has left.
 *
 * Whatever comes: what state.c gets is whole, the call is answered once, with
 * a well-formed message, and nothing of the payload is used later.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "ops.h"
#include "task.h"
#include "tests/fuzz/fuzz.h"

enum { AT_ONCE, LATER, LATER_BADLY, UNWANTED };

struct ttrpc_call {
	unsigned answers;
	void (*gone)(void *arg);
	void *arg;
};

static bool known;
static unsigned ending;
static struct request *request;		/* the ones that wait */
static struct waiter *waiter;
static size_t sum;		/* so that what is read is not optimized away */

static struct container container = { .id = "c", .bundle = "/b" };
static struct process exec_process = {
	.kind = PROC_EXEC, .state = STATE_STOPPED, .ct = &container,
	.exec_id = "e", .in = "", .out = "/o", .err = "/e", .pid = 3,
	.exit_status = 137, .exited_at = 1, .internal_pid = 5,
};

static void
check_string(const char *s)
{
	struct pb_bytes b;

	must(s != NULL);
	b.p = (const uint8_t *)s;
	b.n = strlen(s);
	sum += b.n;
	must(pb_is_utf8(b));
}

static void
check_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n > 0)
		sum += b[--n];
}

/* -- in place of ttrpc.c -------------------------------------------------- */

void
ttrpc_reply(struct ttrpc_call *call, const void *p, size_t n)
{
	struct pb_in in;
	struct pb_field f;

	call->answers++;
	pb_in_init(&in, p, n);
	while (pb_next(&in, &f))
		;
	must(!in.bad);
}

void
ttrpc_reply_pb(struct ttrpc_call *call, struct pb_out *o)
{
	must(!o->bad);
	ttrpc_reply(call, o->p, o->len);
	pb_out_free(o);
}

void
ttrpc_fail(struct ttrpc_call *call, const struct err *e)
{
	call->answers++;
	must(e->code != ERR_OK && e->msg[0]);
	sum += strlen(e->msg);
}

void *
ttrpc_alloc(struct ttrpc_call *call, size_t n)
{
	void *p = calloc(1, n);

	(void)call;
	must(p != NULL);
	return p;
}

void
ttrpc_on_gone(struct ttrpc_call *call, void (*gone)(void *arg), void *arg)
{
	call->gone = gone;
	call->arg = arg;
}

/* Nothing is written down here. */
void
ttrpc_save_call(struct pb_out *o, uint32_t num, const struct ttrpc_call *c)
{
	(void)o;
	(void)num;
	(void)c;
}

struct ttrpc_call *
ttrpc_load_call(struct pb_bytes in, const char *service, const char *method,
    struct err *e)
{
	(void)in;
	(void)service;
	(void)method;
	(void)e;
	return NULL;
}

const char *
ttrpc_call_name(const struct ttrpc_call *call)
{
	(void)call;
	return "Task/Method";
}

/* -- in place of state.c -------------------------------------------------- */

struct container *
state_next(const struct container *ct)
{
	(void)ct;
	return NULL;
}

int64_t
unix_now(void)
{
	return 1;
}

struct container *
state_find_container(const char *id)
{
	check_string(id);
	return known ? &container : NULL;
}

struct process *
state_find(const char *id, const char *exec_id, struct err *e)
{
	check_string(id);
	check_string(exec_id);
	if (known)
		return exec_id[0] ? &exec_process : &container.init;
	err_set(e, ERR_NOT_FOUND, "container %s", id);
	return NULL;
}

bool
state_was_deleted(const char *id)
{
	check_string(id);
	return ending & 1;
}

unsigned
state_containers(void)
{
	return known;
}

void
state_index_execs(const struct container *ct,
    const struct process *slots[EXEC_SLOTS])
{
	must(ct == &container);
	slots[0] = &exec_process;
}

const struct process *
state_exec_of_pid(const struct process *const slots[EXEC_SLOTS],
    uint32_t internal_pid)
{
	return internal_pid == 5 ? slots[0] : NULL;
}

static void
end_request(struct request *r)
{
	static const uint32_t pids[] = { 1, 5, UINT32_MAX };
	uint8_t buf[] = { 8, 1 };
	struct err e;

	r->pid = 7;
	r->exit_status = 255;
	r->exited_at = -1;
	r->pids = pids;
	r->npids = sizeof(pids) / sizeof(pids[0]);
	r->stats_type = "x";
	r->stats = (struct pb_bytes){ buf, sizeof(buf) };
	err_set(&e, ERR_PRECONDITION, "badly");
	r->done(r, ending == LATER_BADLY || !known ? &e : NULL);
}

static void
check_create(const struct create_request *c)
{
	size_t i, k;

	check_string(c->id);
	check_string(c->bundle);
	check_string(c->in);
	check_string(c->out);
	check_string(c->err);
	check_string(c->checkpoint);
	check_bytes(c->options.p, c->options.n);
	must(c->nrootfs <= MOUNTS_MAX);
	for (i = 0; i < c->nrootfs; i++) {
		must(c->rootfs[i].noptions <= MOUNT_OPTIONS_MAX);
		sum += strlen(c->rootfs[i].type) + strlen(c->rootfs[i].source);
		for (k = 0; k < c->rootfs[i].noptions; k++)
			sum += strlen(c->rootfs[i].options[k]);
	}
}

void
state_submit(struct request *r, const char *id, const char *exec_id)
{
	check_string(id);
	check_string(exec_id);
	must(r->op < OPS && r->done);
	if (r->op == OP_CREATE)
		check_create(r->create);
	if (r->op == OP_EXEC) {
		check_string(r->new_exec_id);
		must(r->new_exec_id[0] &&
		    strlen(r->new_exec_id) <= ID_MAX_BYTES);
		check_string(r->stdio.in);
		check_string(r->stdio.out);
		check_string(r->stdio.err);
		check_bytes(r->process_json, r->process_len);
	}
	if (r->text)
		sum += strlen(r->text);
	must(r->text || r->op != OP_CHECKPOINT);
	must(!request);
	if (ending == AT_ONCE)
		end_request(r);
	else
		request = r;
}

int
state_wait(struct process *p, struct waiter *w, struct err *e)
{
	w->pprev = NULL;
	if (ending == LATER_BADLY)
		return err_set(e, ERR_EXHAUSTED, "too many wait");
	if (ending == AT_ONCE)
		w->exited(w, p->exit_status, p->exited_at);
	else
		waiter = w;
	return 0;
}

void
state_unwait(struct process *p, struct waiter *w)
{
	must(p && w == waiter);
	waiter = NULL;
}

/* Some have not begun. */
void
state_unwanted(struct request *r)
{
	must(!request || r == request);
	if (request && r->op == OP_PAUSE) {
		request = NULL;
		r->done(r, NULL);
	}
}

/* ------------------------------------------------------------------------- */

static void
on_shutdown(void)
{
	must(!known);
}

static void
end_all(void)
{
	struct request *r = request;
	struct waiter *w = waiter;

	request = NULL;
	waiter = NULL;
	if (r)
		end_request(r);
	if (w)
		w->exited(w, 1, 1);
}

static void
setup(void)
{
	struct err e;

	log_set_level(LOG_ERR);
	must(loop_init(&e) == 0);
	container.init = exec_process;
	container.init.kind = PROC_INIT;
	container.init.state = STATE_RUNNING;
	container.init.exec_id = "";
}

/* As ttrpc.c does. */
static void
run(const struct ttrpc_method *method, struct ttrpc_call *call,
    struct pb_bytes payload)
{
	struct message m;
	struct err e;

	if (pb_decode(&m, payload, method->kinds, &e) < 0) {
		ttrpc_fail(call, &e);
		return;
	}
	method->fn(call, &m, method->row);
	free(m.text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	static const struct ttrpc_method *methods;
	static unsigned nmethods;
	struct ttrpc_call call = { 0 };
	struct pb_bytes payload;
	uint8_t *copy;
	bool left;

	if (!methods) {
		setup();
		task_init(on_shutdown);
		methods = task_methods;
		for (; methods[nmethods].name; nmethods++)
			must(!methods[nmethods].kinds ||
			    strlen(methods[nmethods].kinds) <= PB_FIELDS);
	}
	if (len == 0)
		return 0;
	payload.n = len - 1;
	copy = malloc(len);
	must(copy != NULL);
	memcpy(copy, in, len);
	payload.p = payload.n ? copy + 1 : NULL;
	known = in[0] / nmethods & 1;
	ending = in[0] / nmethods >> 1 & 3;
	run(&methods[in[0] % nmethods], &call, payload);
	free(copy);
	left = ending == UNWANTED && call.answers == 0;
	if (left) {
		must(call.gone != NULL);
		call.gone(call.arg);
	}
	loop_turn(0);
	end_all();
	must(call.answers == !left);
	loop_turn(0);
	return 0;
}
