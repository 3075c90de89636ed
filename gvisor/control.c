/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control: commands for which the sandbox is asked, and runsc where that does
 * not do; see runsc.h.
 *
 * A start that may have happened is not made again.  What is refused has not
 * happened, nor what could not be sent whole; what has been sent and is not
 * answered, or not as it should be, may have.  Who gives up waiting for the
 * answer leaves the call as an orphan, which waits on, since the answer names
 * the one process that is to be ended then, and no other can be taken for it.
 */
#define RUNSC_OWN
#include "runsc.h"

#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "base/log.h"
#include "gvisor/runsc_left.h"
#include "gvisor/runsc_text.h"
#include "gvisor/urpc.h"
#include "json.h"

#define SOCKET_SHARE 4		/* the socket's of a deadline: one part of */
#define ORPHANS_MAX 1024	/* a sandbox that hangs answers none */

/* Of urpc_request's members: all but three are in each release. */
#define LATE 3
#define KNOWS_ALL ((1u << (URPC_MEMBERS - LATE)) - 1)
#define KNOWS_FDS (1u << (URPC_MEMBERS - 3))
#define KNOWS_TTYS (1u << (URPC_MEMBERS - 2))
#define KNOWS_NNP (1u << (URPC_MEMBERS - 1))

/* A process that the sandbox is to start. */
struct execute {
	struct json_out args;
	int fds[3];
	unsigned needs;		/* EXECARGS_ */
	unsigned member;	/* that the sandbox is asked about */
	bool orphan;
	struct runsc_env env;	/* an orphan's: it outlives its container */
	char *names[3];		/* of that, the strings */
};

static unsigned orphans;

static struct urpc_request
request_of(const struct runsc_cmd *c, enum urpc_method method)
{
	const struct runsc_env *env = c->env;

	return (struct urpc_request){
		.method = method, .root = env->root, .id = env->id,
		.sandbox_id = env->sandbox_id, .pid = c->internal_pid,
		.mode = c->all ? URPC_ALL : URPC_ONE, .sig = c->sig,
		.parentless = c->parentless,
		.timeout_ns = env->command_timeout_ns,
	};
}

/* May the sandbox be asked for that? */
static bool
may_ask(const struct runsc_env *env, enum urpc_method method)
{
	const struct runsc_control *control = env->control;

	return control && control->started && control->mode != CONTROL_OFF &&
	    (control->mode == CONTROL_ON || !(control->without & 1u << method));
}

/* In the log, once, why the sandbox does not do.  A refusal is mostly true; but
 * it takes a runsc to put it into the words that are known. */
static void
tell_why(const struct runsc_cmd *c, const struct err *e, bool refused)
{
	struct runsc_control *control = c->env->control;
	bool told = control->told || refused;

	(told ? log_debug : log_warn)("%s: %s%s", c->env->id, e->msg,
	    control->mode == CONTROL_ON ? "" : "; asking runsc");
	control->told |= !told;
}

/* Has the sandbox itself shown that it does not do for that method?  Not where
 * it was not asked, had no time, or its answer found no memory here. */
static bool
is_unfit(const struct urpc_reply *reply)
{
	return reply->end == URPC_UNKNOWN || (reply->end == URPC_BROKEN &&
	    reply->sent && !reply->late && reply->err.code != ERR_EXHAUSTED);
}

/* Asking the sandbox did not do; why is in r->err. */
static void
ask_runsc(struct runsc_cmd *c, struct runsc_result *r)
{
	runsc_done *done = c->done;
	void *arg = c->arg;

	if (c->env->control->mode == CONTROL_ON) {
		done(arg, r);
		runsc_cmd_release(c);
		return;
	}
	c->timeout_ns = runsc_time_left(c->timeout_ns,
	    loop_now() - c->began_ns);
	r->gone = false;
	if (!runsc_cmd_run(c, &r->err))
		done(arg, r);
}

static void
on_reply(void *arg, const struct urpc_reply *reply)
{
	struct runsc_cmd *c = arg;
	struct runsc_result r = { .out = reply->out, .said = "",
		.err = reply->err,
		.outlen = reply->outlen, .status = reply->status,
		.pids = reply->pids, .npids = reply->npids };

	c->call = NULL;
	if (reply->end == URPC_OK) {
		c->done(c->arg, &r);
		runsc_cmd_release(c);
		return;
	}
	r.outlen = 0;
	r.gone = reply->end == URPC_ABSENT ||
	    (reply->end == URPC_REFUSED && (runsc_says_gone(r.err.msg) ||
	    fmt_find(r.err.msg, "not found")));
	if (c->only_socket) {
		c->done(c->arg, &r);
		runsc_cmd_release(c);
		return;
	}
	tell_why(c, &r.err, reply->end == URPC_REFUSED);
	if (is_unfit(reply))
		c->env->control->without |= 1u << c->method;
	ask_runsc(c, &r);
}

static bool
call(struct runsc_cmd *c, const struct urpc_request *r,
    void (*done)(void *arg, const struct urpc_reply *r), struct err *e)
{
	c->call = urpc_call(r, done, c);
	if (!c->call)
		err_nomem(e);
	return c->call != NULL;
}

int
control_resume(struct runsc_cmd *c, struct err *e)
{
	const struct urpc_request r = request_of(c, (enum urpc_method)
	    c->method);

	c->call = urpc_resume(&r, c->call_fd, on_reply, c, e);
	return c->call ? 0 : -1;
}

/* c, or NULL and c let go of. */
static struct runsc_cmd *
or_release(struct runsc_cmd *c, bool ok)
{
	if (ok)
		return c;
	runsc_cmd_release(c);
	return NULL;
}

/* Ask the sandbox if that may be, else run runsc. */
static struct runsc_cmd *
ask(struct runsc_cmd *c, enum urpc_method method, struct err *e)
{
	struct urpc_request r = request_of(c, method);

	if (!may_ask(c->env, method))
		return runsc_cmd_run(c, e);
	c->method = method;
	c->began_ns = loop_now();
	if (c->env->control->mode == CONTROL_AUTO)
		r.timeout_ns /= SOCKET_SHARE;
	return or_release(c, call(c, &r, on_reply, e));
}

struct runsc_cmd *
runsc_kill(const struct runsc_env *env, pid_t internal_pid, bool all,
    unsigned sig, runsc_done *done, void *arg, struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, "kill", done, arg, e);

	if (!c)
		return NULL;
	c->internal_pid = internal_pid;
	c->all = all;
	c->sig = sig;
	return ask(c, URPC_SIGNAL, e);
}

static void
on_destroyed(void *arg, const struct urpc_reply *reply)
{
	struct runsc_cmd *c = arg;

	c->call = NULL;
	log_debug("%s: its creation was cut short: %s", c->env->id,
	    reply->end == URPC_OK ? "removed from the sandbox" :
	    reply->err.msg);
	runsc_cmd_absent(c);
}

/* runsc has no state of a container whose `create` was cut short, but the
 * sandbox may have it by then, and would not have it again. */
bool
control_destroy(struct runsc_cmd *c)
{
	const struct runsc_env *env = c->env;
	const struct urpc_request r = request_of(c, URPC_DESTROY);

	if (env->control && env->control->mode != CONTROL_OFF &&
	    strcmp(env->id, env->sandbox_id) != 0 &&
	    !runsc_exists(env->root, env->id))
		c->call = urpc_call(&r, on_destroyed, c);
	return c->call != NULL;
}

struct runsc_cmd *
runsc_simple(const struct runsc_env *env, const char *verb, runsc_done *done,
    void *arg, struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, verb, done, arg, e);

	if (!c)
		return NULL;
	if (strcmp(verb, "wait") == 0)
		return ask(c, URPC_WAIT, e);
	if (strcmp(verb, "ps") == 0)
		return ask(c, URPC_PROCESSES, e);
	if (strcmp(verb, "events") == 0)
		return ask(c, URPC_EVENT, e);
	return runsc_cmd_run(c, e);
}

struct runsc_cmd *
runsc_list_parentless(const struct runsc_env *env, runsc_done *done, void *arg,
    struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, "ps", done, arg, e);

	if (!c)
		return NULL;
	c->parentless = true;
	return ask(c, URPC_PROCESSES, e);
}

struct runsc_cmd *
runsc_wait_exec(const struct runsc_env *env, pid_t internal_pid, bool first,
    runsc_done *done, void *arg, struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, "wait", done, arg, e);

	if (!c)
		return NULL;
	c->internal_pid = internal_pid;
	c->only_socket = first;
	return ask(c, URPC_WAIT_PID, e);
}

struct runsc_cmd *
runsc_forward(const struct runsc_env *env, pid_t internal_pid, unsigned sig,
    runsc_done *done, void *arg, struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, "kill", done, arg, e);
	struct urpc_request r;

	if (!c)
		return NULL;
	c->internal_pid = internal_pid;
	c->sig = sig;
	c->only_socket = true;
	r = request_of(c, URPC_SIGNAL);
	r.mode = URPC_FOREGROUND;
	return or_release(c, call(c, &r, on_reply, e));
}

/* -- a process that the sandbox starts ------------------------------------ */

static void
on_orphan_ended(void *arg, const struct urpc_reply *reply)
{
	struct runsc_cmd *c = arg;

	c->call = NULL;
	if (reply->end != URPC_OK)
		log_debug("%s: %s", c->env->id, reply->err.msg);
	runsc_cmd_release(c);
}

/* The sandbox keeps what it knows of a process until somebody has asked how it
 * ended. */
static void
on_orphan_killed(void *arg, const struct urpc_reply *reply)
{
	struct runsc_cmd *c = arg;
	struct urpc_request r = request_of(c, URPC_WAIT_PID);
	struct err e;

	c->call = NULL;
	if (reply->end != URPC_OK && reply->end != URPC_REFUSED)
		log_err("%s: process %d, whose start was given up, may live "
		    "on: %s", c->env->id, (int)c->internal_pid,
		    reply->err.msg);
	or_release(c, call(c, &r, on_orphan_ended, &e));
}

static void
end_orphan(struct runsc_cmd *c, pid_t pid)
{
	struct urpc_request r;
	struct err e;

	log_warn("%s: killing process %d, whose start was given up",
	    c->env->id, (int)pid);
	c->internal_pid = pid;
	c->sig = 9;
	r = request_of(c, URPC_SIGNAL);
	or_release(c, call(c, &r, on_orphan_killed, &e));
}

/* Copies of what it is called by; false: out of memory. */
static bool
make_orphan(struct runsc_cmd *c)
{
	struct execute *x = c->execute;
	const struct runsc_env *env = c->env;

	x->env.command_timeout_ns = env->command_timeout_ns;
	x->env.root = x->names[0] = strdup(env->root);
	x->env.id = x->names[1] = strdup(env->id);
	x->env.sandbox_id = x->names[2] = strdup(env->sandbox_id);
	if (!x->names[0] || !x->names[1] || !x->names[2])
		return false;
	c->env = &x->env;
	c->done = NULL;
	x->orphan = true;
	orphans++;
	timer_stop(&c->deadline);
	return true;
}

bool
control_orphan(struct runsc_cmd *c)
{
	if (!c->execute || !c->call || c->method != URPC_EXECUTE ||
	    !urpc_was_sent(c->call))
		return false;
	if (orphans < ORPHANS_MAX && make_orphan(c))
		return true;
	log_err("%s: a process whose start was given up may live on: %s",
	    c->env->id, orphans < ORPHANS_MAX ? "out of memory" :
	    "too many of them");
	return false;
}

void
control_release(struct runsc_cmd *c)
{
	struct execute *x = c->execute;
	int i;

	if (!x)
		return;
	orphans -= x->orphan;
	json_out_free(&x->args);
	for (i = 0; i < 3; i++)
		free(x->names[i]);
	free(x);
	c->execute = NULL;
}

void
runsc_end_exec(const struct runsc_env *env, pid_t internal_pid)
{
	struct err e;
	struct runsc_cmd *c = runsc_cmd_new(env, "exec", NULL, NULL, &e);

	if (c)
		c->execute = calloc(1, sizeof(*c->execute));
	if (c && c->execute && make_orphan(c)) {
		end_orphan(c, internal_pid);
		return;
	}
	log_err("%s: process %d may live on: out of memory", env->id,
	    (int)internal_pid);
	if (c)
		runsc_cmd_release(c);
}

/* How c came out; c goes on.  pid: 0 for none, -1 for one that is not known. */
static void
tell(const struct runsc_cmd *c, const struct err *e, pid_t pid, bool instead)
{
	const struct runsc_result r = { .out = "", .said = "", .err = *e,
		.told = pid >= 0, .internal_pid = pid, .instead = instead };

	c->done(c->arg, &r);
}

/* Nothing has been started: runsc is to be run, unless the settings forbid
 * it. */
static void
do_instead(struct runsc_cmd *c, const struct err *e, bool refused)
{
	tell_why(c, e, refused);
	tell(c, e, 0, c->env->control->mode == CONTROL_AUTO);
	runsc_cmd_release(c);
}

static void
on_executed(void *arg, const struct urpc_reply *reply)
{
	struct runsc_cmd *c = arg;
	bool ok = reply->end == URPC_OK;
	bool lost = reply->end == URPC_BROKEN && reply->sent;

	c->call = NULL;
	/* Before a stand-in gets a copy of all memory. */
	json_out_free(&c->execute->args);
	if (lost)
		log_err("%s: a process may run that no exec has: %s",
		    c->env->id, reply->err.msg);
	if (!c->done && ok) {
		end_orphan(c, reply->pid);
		return;
	}
	if (c->done) {
		if (is_unfit(reply))
			c->env->control->without |= 1u << URPC_EXECUTE;
		if (!ok && !lost) {
			do_instead(c, &reply->err, reply->end == URPC_REFUSED);
			return;
		}
		tell(c, &reply->err, lost ? -1 : reply->pid, false);
	}
	runsc_cmd_release(c);
}

static void
on_execute_late(struct timer *t)
{
	struct runsc_cmd *c = container_of(t, struct runsc_cmd, deadline);
	struct err e;

	err_set(&e, ERR_DEADLINE, "the sandbox did not start it within %lld s",
	    (long long)(c->timeout_ns / NS_PER_S));
	tell(c, &e, 0, false);
	runsc_cancel(c);
}

static void on_knows(void *arg, const struct urpc_reply *reply);

/* Does the sandbox read all that this process needs? */
static bool
is_enough(const struct runsc_cmd *c)
{
	unsigned knows = c->env->control->knows, needs = c->execute->needs;

	/* A release that has neither of the two of 2026 has a runsc that would
	 * not send them. */
	return (knows & KNOWS_ALL) == KNOWS_ALL &&
	    (!(needs & EXECARGS_LATE_CAPS) || knows & KNOWS_FDS) &&
	    (!(needs & EXECARGS_NNP) || knows & KNOWS_NNP ||
	    !(knows & KNOWS_TTYS));
}

/* Ask about the next member that nobody has asked about, or start it. */
static bool
execute_on(struct runsc_cmd *c, struct err *e)
{
	struct execute *x = c->execute;
	bool asks = c->env->control->asked < URPC_MEMBERS;
	struct urpc_request r = request_of(c, asks ? URPC_KNOWS :
	    URPC_EXECUTE);

	c->method = r.method;
	r.member = x->member = c->env->control->asked;
	if (asks) {
		r.timeout_ns /= SOCKET_SHARE;
	} else {
		r.args = x->args.p;
		r.fds = x->fds;
		r.timeout_ns = 0;	/* ours */
	}
	return call(c, &r, asks ? on_knows : on_executed, e);
}

static void
on_knows(void *arg, const struct urpc_reply *reply)
{
	struct runsc_cmd *c = arg;
	struct runsc_control *control = c->env->control;
	struct err e;

	c->call = NULL;
	if (reply->end != URPC_OK && reply->end != URPC_REFUSED) {
		if (is_unfit(reply))
			control->without |= 1u << URPC_EXECUTE;
		do_instead(c, &reply->err, false);
		return;
	}
	if (control->asked == c->execute->member) {
		control->asked++;
		if (reply->end == URPC_OK)
			control->knows |= 1u << c->execute->member;
	}
	if (control->asked == URPC_MEMBERS && !is_enough(c)) {
		err_set(&e, ERR_PRECONDITION, "control socket: this sandbox "
		    "takes other arguments of a process");
		do_instead(c, &e, false);
		return;
	}
	if (!execute_on(c, &e)) {
		tell(c, &e, 0, false);
		runsc_cmd_release(c);
	}
}

/* What runsc does with CAP_NET_RAW, as far as our own flags say it: 1 if it
 * leaves it, 0 if not; -1: that, or something else that matters to a process,
 * has to be left to runsc. */
static int
leaves_net_raw(const struct runsc_env *env)
{
	static const char *const others[] = { "--net-raw", "--rootless",
		"--TESTONLY", "--allow-flag-override" };
	const char *flag;
	size_t i, k;
	int leaves = 0;

	for (i = 0; env->flags && env->flags[i]; i++) {
		flag = env->flags[i];
		if (strcmp(flag, "--net-raw=true") == 0) {
			leaves = 1;
			continue;
		}
		if (strcmp(flag, "--net-raw=false") == 0) {
			leaves = 0;
			continue;
		}
		for (k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			if (strncmp(flag, others[k], strlen(others[k])) == 0)
				return -1;
		}
	}
	return leaves;
}

bool
runsc_may_leave(const struct runsc_cmd *c)
{
	return c && strcmp(c->verb, "exec") == 0 && (!c->execute ||
	    orphans >= ORPHANS_MAX);
}

bool
runsc_may_execute(const struct runsc_env *env)
{
	return may_ask(env, URPC_EXECUTE);
}

struct runsc_cmd *
runsc_execute(const struct runsc_env *env, const int fds[3],
    const char *process, size_t len, runsc_done *done, void *arg,
    struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, "exec", done, arg, e);
	int net_raw = leaves_net_raw(env);
	struct execute *x;

	if (!c)
		return NULL;
	x = c->execute = calloc(1, sizeof(*x));
	if (!x || net_raw < 0 || !execargs_put(&x->args, process, len,
	    env->caps, net_raw, &x->needs) || (env->control->asked ==
	    URPC_MEMBERS && !is_enough(c))) {
		err_set(e, x ? ERR_OK : ERR_EXHAUSTED,
		    "this process is runsc's to start");
		runsc_cmd_release(c);
		return NULL;
	}
	memcpy(x->fds, fds, sizeof(x->fds));
	timer_start(&c->deadline, c->timeout_ns, on_execute_late);
	return or_release(c, execute_on(c, e));
}
