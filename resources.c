/* SPDX-License-Identifier: Apache-2.0 */
/* resources: see resources.h. */
#include "resources.h"

#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "base/log.h"
#include "host/cgroup.h"
#include "publish.h"

void
resources_begin(struct container *ct)
{
	struct err e;

	ct->cgroup = cgroup_get(ct->init.pid, &e);
	if (!ct->cgroup)
		log_info("%s: no cgroup to look at: %s", ct->id, e.msg);
	ct->oom_kills = cgroup_oom_kills(ct->cgroup);
}

/*
 * All memory inside is the sandbox's: where it runs out and the kernel kills,
 * every container of the pod ends so.  One that ended by itself is not among
 * them, whatever else was killed.
 */
void
resources_end(struct container *ct)
{
	if (ct->init.exit_status == STATUS_KILLED &&
	    cgroup_oom_kills(ct->cgroup) > ct->oom_kills)
		publish_event(PUBLISH_OOM, &ct->init);
}

/* A container's figures take a kilobyte. */
#define LAST_STATS_MAX 4096

/* -- stats ---------------------------------------------------------------- */

static bool
is_alone(const struct container *ct)
{
	const struct container *o;

	for (o = state_next(NULL); o; o = state_next(o)) {
		if (o != ct && o->cgroup == ct->cgroup)
			return false;
	}
	return true;
}

/* OOM kills that were this container's: since it began, and not
 * if it ended by itself. */
static uint64_t
oom_kills_of(const struct container *ct)
{
	return ct->init.state < STATE_STOPPED ||
	    ct->init.exit_status == STATUS_KILLED ?
	    cgroup_oom_kills(ct->cgroup) - ct->oom_kills : 0;
}

const char *
resources_sandbox(const struct container *ct, struct pb_out *o, struct err *e)
{
	if (ct->cgroup)
		return metrics_encode(o, NULL, 0, ct->cgroup, METRICS_CGROUP,
		    cgroup_oom_kills(ct->cgroup), e);
	err_set(e, ERR_PRECONDITION, "metrics of sandbox %s: it has no cgroup "
	    "of its own", ct->id);
	return NULL;
}

/* Answer with what runsc said, NULL for nothing, and the cgroup says. */
static void
finish_stats(struct request *r, const char *said, enum metrics_of of)
{
	const struct container *ct = r->p->ct;
	struct pb_out o;
	struct err e;

	pb_out_init(&o, NULL, 0);
	r->stats_type = metrics_encode(&o, said, said ? strlen(said) : 0,
	    ct->cgroup, of, oom_kills_of(ct), &e);
	r->stats = (struct pb_bytes){ o.p, o.len };
	request_finish(r, r->stats_type ? NULL : &e);
	pb_out_free(&o);
}

static void
on_stats(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct container *ct = r->p->ct;
	struct err e = res->err;
	bool alone = is_alone(ct);

	r->cmd = NULL;
	if (e.code == ERR_OK) {
		free(ct->last_stats);
		ct->last_stats = alone || res->outlen > LAST_STATS_MAX ? NULL :
		    strdup(res->out);
		finish_stats(r, res->out, alone ? METRICS_ALONE :
		    METRICS_SHARED);
	} else if (ct->init.state >= STATE_ENDING) {
		op_last_stats(r->p, r);
	} else {
		err_prefix(&e, "OCI runtime events failed");
		if (res->gone)
			e.code = ERR_NOT_FOUND;
		request_finish(r, &e);
	}
}

void
op_stats(struct process *p, struct request *r)
{
	struct err e;

	r->cmd = runsc_simple(&p->ct->env, "events", on_stats, r, &e);
	if (!r->cmd)
		request_finish(r, &e);
}

/* Nothing can be asked any more; the cgroup is there until Delete. */
void
op_last_stats(struct process *p, struct request *r)
{
	const struct container *ct = p->ct;

	finish_stats(r, ct->last_stats, is_alone(ct) ? METRICS_CGROUP :
	    METRICS_SHARED);
}

/* -- update --------------------------------------------------------------- */

/* Without runsc: the sandbox's cgroup, where that is one container's. */
static void
update_cgroup(struct request *r)
{
	struct container *ct = r->p->ct;
	struct err e;

	if (ct->spec.is_sub) {
		request_refuse(r, ERR_UNIMPLEMENTED, "this runsc has no "
		    "update, and the cgroup is the whole pod's");
	} else if (!ct->cgroup) {
		request_refuse(r, ERR_UNIMPLEMENTED, "this runsc has no "
		    "update, and the sandbox has no cgroup of its own");
	} else if (limits_apply(ct->cgroup, r->text, strlen(r->text),
	    &e) < 0) {
		err_prefix(&e, "update %s", ct->id);
		request_finish(r, &e);
	} else {
		request_finish(r, NULL);
	}
}

/* A runsc that does not know the word prints how it is used (until 2026). */
static void
on_updated(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct err e = res->err;

	r->cmd = NULL;
	if (e.code == ERR_OK) {
		request_finish(r, NULL);
	} else if ((fmt_find(res->out, "Usage: ") ||
	    fmt_find(res->said, "Usage: ")) && !process_has_exited(r->p)) {
		r->p->ct->no_update = true;
		update_cgroup(r);
	} else {
		err_prefix(&e, "OCI runtime update failed");
		request_finish(r, &e);
	}
}

void
op_update(struct process *p, struct request *r)
{
	struct err e;

	if (!r->text || !r->text[0]) {
		request_refuse(r, r->text ? ERR_INVALID : ERR_EXHAUSTED,
		    r->text ? "resources are required" : "out of memory");
		return;
	}
	if (p->ct->no_update) {
		update_cgroup(r);
		return;
	}
	r->cmd = runsc_update(&p->ct->env, r->text, on_updated, r, &e);
	if (!r->cmd)
		request_finish(r, &e);
}
