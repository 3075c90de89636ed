/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits: Update, for a runsc that has no update: the LinuxResources of the
 * OCI runtime specification, written to the sandbox's cgroup; see cgroup.h.
 *
 * Devices are not looked at: there are none of the host's inside.
 */
#include <stdlib.h>
#include <string.h>

#include "host/cgroup.h"
#include "base/fmt.h"
#include "json.h"

#define WRITES_MAX 12
#define VALUE_BYTES 256

/* Shares are 2 to 262144, weights 1 to 10000. */
#define SHARES_MIN 2
#define SHARES_SPAN 262142
#define WEIGHT_SPAN 9999

enum member {
	MEMORY_LIMIT, MEMORY_SWAP, MEMORY_RESERVATION, CPU_SHARES, CPU_QUOTA,
	CPU_PERIOD, CPU_CPUS, CPU_MEMS, PIDS_LIMIT, MEMBERS,
};

/* Where version 1 has it; version 2 is put together in plan_v2(). */
static const struct {
	const char *group, *name, *file;
} members[MEMBERS] = {
	[MEMORY_LIMIT] = { "memory", "limit", "memory.limit_in_bytes" },
	[MEMORY_SWAP] = { "memory", "swap", "memory.memsw.limit_in_bytes" },
	[MEMORY_RESERVATION] = { "memory", "reservation",
	    "memory.soft_limit_in_bytes" },
	[CPU_SHARES] = { "cpu", "shares", "cpu.shares" },
	[CPU_QUOTA] = { "cpu", "quota", "cpu.cfs_quota_us" },
	[CPU_PERIOD] = { "cpu", "period", "cpu.cfs_period_us" },
	[CPU_CPUS] = { "cpu", "cpus", "cpuset.cpus" },
	[CPU_MEMS] = { "cpu", "mems", "cpuset.mems" },
	[PIDS_LIMIT] = { "pids", "limit", "pids.max" },
};

struct write {
	const char *file;
	bool pair;		/* of two, of which either may be first */
	char value[VALUE_BYTES];
};

struct plan {
	struct json j;
	int tok[MEMBERS];	/* -1: not to be changed */
	int64_t num[MEMBERS];
	char text[MEMBERS][VALUE_BYTES];	/* cpus, mems */
	struct write writes[WRITES_MAX];
	size_t n;
};

static bool
is_key(const struct json *j, const struct json_tok *t)
{
	return t + 1 < j->toks + j->ntoks &&
	    memchr(j->text + t->end, ':', t[1].start - t->end);
}

/* null, false, 0, "", or nothing but those inside. */
static bool
is_nothing(const struct json *j, int tok)
{
	const struct json_tok *t = &j->toks[tok], *end = &j->toks[t->next];
	int64_t v;

	for (; t < end; t++, tok++) {
		if (t->type == JSON_TRUE)
			return false;
		if (t->type == JSON_NUMBER &&
		    !(json_int(j, tok, &v) && v == 0))
			return false;
		if (t->type == JSON_STRING && !is_key(j, t) &&
		    !json_is(j, tok, ""))
			return false;
	}
	return true;
}

static int
take(struct plan *p, enum member m, int tok, struct err *e)
{
	bool ok;

	if (is_nothing(&p->j, tok))
		return 0;
	if (m == CPU_CPUS || m == CPU_MEMS)
		ok = json_str(&p->j, tok, p->text[m], VALUE_BYTES) > 0;
	else	/* -1, where there may be none, is the only one below 0. */
		ok = json_int(&p->j, tok, &p->num[m]) && p->num[m] >=
		    (m == CPU_SHARES || m == CPU_PERIOD ? 0 : -1);
	if (!ok)
		return err_set(e, ERR_INVALID, "resources: %s.%s is of a "
		    "wrong type or out of range", members[m].group,
		    members[m].name);
	p->tok[m] = tok;
	return 0;
}

static int
cannot(const struct plan *p, const char *group, int key, struct err *e)
{
	char name[64];

	if (json_str(&p->j, key, name, sizeof(name)) < 0)
		strcpy(name, "?");
	return err_set(e, ERR_UNIMPLEMENTED, "resources: %s%s%s cannot be "
	    "changed", group, group[0] ? "." : "", name);
}

/* The members of memory, cpu or pids. */
static int
take_group(struct plan *p, const char *group, int obj, struct err *e)
{
	const struct json *j = &p->j;
	uint32_t key, value, end = j->toks[obj].next;
	enum member m;

	for (key = (uint32_t)obj + 1; key < end; key = j->toks[value].next) {
		value = j->toks[key].next;
		for (m = 0; m < MEMBERS; m++) {
			if (strcmp(members[m].group, group) == 0 &&
			    json_is(j, (int)key, members[m].name))
				break;
		}
		if (m < MEMBERS ? take(p, m, (int)value, e) < 0 :
		    !is_nothing(j, (int)value) &&
		    cannot(p, group, (int)key, e) < 0)
			return -1;
	}
	return 0;
}

static int
take_all(struct plan *p, struct err *e)
{
	static const char *const groups[] = { "memory", "cpu", "pids" };
	const struct json *j = &p->j;
	uint32_t key, value;
	size_t g;

	if (j->toks[0].type != JSON_OBJECT)
		return err_set(e, ERR_INVALID, "resources are no object");
	for (key = 1; key < j->ntoks; key = j->toks[value].next) {
		value = j->toks[key].next;
		if (is_nothing(j, (int)value) ||
		    json_is(j, (int)key, "devices"))
			continue;
		for (g = 0; g < 3 && !json_is(j, (int)key, groups[g]); g++)
			;
		if (g == 3)
			return cannot(p, "", (int)key, e);
		if (j->toks[value].type != JSON_OBJECT)
			return err_set(e, ERR_INVALID,
			    "resources: %s is no object", groups[g]);
		if (take_group(p, groups[g], (int)value, e) < 0)
			return -1;
	}
	return 0;
}

static char *
add(struct plan *p, const char *file)
{
	struct write *w = &p->writes[p->n++];

	w->file = file;
	return w->value;
}

/* A limit: -1 is none. */
static void
add_limit(struct plan *p, const char *file, int64_t v)
{
	if (v < 0)
		strcpy(add(p, file), "max");
	else
		fmt(add(p, file), VALUE_BYTES, "%lld", (long long)v);
}

static void
plan_v1(struct plan *p)
{
	enum member m;

	for (m = 0; m < MEMBERS; m++) {
		if (p->tok[m] < 0)
			continue;
		p->writes[p->n].pair = (m == MEMORY_LIMIT ||
		    m == CPU_QUOTA) && p->tok[m + 1] >= 0;
		if (m == CPU_CPUS || m == CPU_MEMS)
			memcpy(add(p, members[m].file), p->text[m],
			    VALUE_BYTES);
		else if (m == PIDS_LIMIT)
			add_limit(p, members[m].file, p->num[m]);
		else
			fmt(add(p, members[m].file), VALUE_BYTES, "%lld",
			    (long long)p->num[m]);
	}
}

/* As runc converts them; the kernel takes cpu.shares beyond its bounds. */
static int64_t
weight(int64_t shares)
{
	if (shares < SHARES_MIN)
		shares = SHARES_MIN;
	else if (shares > SHARES_MIN + SHARES_SPAN)
		shares = SHARES_MIN + SHARES_SPAN;
	return 1 + (shares - SHARES_MIN) * WEIGHT_SPAN / SHARES_SPAN;
}

/*
 * Version 1 counts memory and swap together, version 2 swap alone: what of a
 * total is swap depends on the memory's limit, the one that is named or else
 * the one in force.  A limit without a total leaves the swap as it is.
 */
static int
plan_memory_v2(struct plan *p, const struct cgroup *cg, struct err *e)
{
	int64_t limit = p->num[MEMORY_LIMIT], swap = p->num[MEMORY_SWAP];
	uint64_t now;

	if (p->tok[MEMORY_LIMIT] >= 0)
		add_limit(p, "memory.max", limit);
	else
		limit = cgroup_uint(cg, "memory.max", &now) &&
		    now <= INT64_MAX ? (int64_t)now : -1;
	if (p->tok[MEMORY_SWAP] < 0)
		return 0;
	if (swap >= 0 && limit >= 0 && swap < limit)
		return err_set(e, ERR_INVALID, "resources: memory.swap of "
		    "%lld is less than the memory limit of %lld, which it "
		    "includes", (long long)swap, (long long)limit);
	add_limit(p, "memory.swap.max", swap >= 0 && limit >= 0 ?
	    swap - limit : swap);
	return 0;
}

/* Version 2 has quota and period in one file: what is not named stays. */
static void
plan_cpu_max(struct plan *p, const struct cgroup *cg)
{
	char now[64], *value;
	size_t n;

	if (p->tok[CPU_QUOTA] < 0 && p->tok[CPU_PERIOD] < 0)
		return;
	if (cgroup_read(cg, "cpu.max", now, sizeof(now)) <= 0)
		strcpy(now, "max");
	now[strcspn(now, "\n")] = '\0';
	n = strcspn(now, " ");
	value = p->writes[p->n].value;
	if (p->tok[CPU_QUOTA] >= 0)
		add_limit(p, "cpu.max", p->num[CPU_QUOTA]);
	else
		fmt(add(p, "cpu.max"), VALUE_BYTES, "%.*s", (int)n, now);
	if (p->tok[CPU_PERIOD] >= 0)
		fmt(value + strlen(value), 32, " %lld",
		    (long long)p->num[CPU_PERIOD]);
	else
		strcat(value, now + n);
}

/* As runc converts them (OCI runtime specification, config-linux.md). */
static int
plan_v2(struct plan *p, const struct cgroup *cg, struct err *e)
{
	const int64_t *num = p->num;

	if (plan_memory_v2(p, cg, e) < 0)
		return -1;
	if (p->tok[MEMORY_RESERVATION] >= 0)
		add_limit(p, "memory.low", num[MEMORY_RESERVATION]);
	if (p->tok[CPU_SHARES] >= 0)
		add_limit(p, "cpu.weight", weight(num[CPU_SHARES]));
	plan_cpu_max(p, cg);
	if (p->tok[CPU_CPUS] >= 0)
		memcpy(add(p, "cpuset.cpus"), p->text[CPU_CPUS], VALUE_BYTES);
	if (p->tok[CPU_MEMS] >= 0)
		memcpy(add(p, "cpuset.mems"), p->text[CPU_MEMS], VALUE_BYTES);
	if (p->tok[PIDS_LIMIT] >= 0)
		add_limit(p, "pids.max", num[PIDS_LIMIT]);
	return 0;
}

/* Memory without a limit, and not a word of swap: neither has one, as runc
 * has it, where the kernel counts swap. */
static void
free_swap(struct plan *p, const struct cgroup *cg)
{
	char text[32];

	if (p->tok[MEMORY_LIMIT] < 0 || p->num[MEMORY_LIMIT] >= 0 ||
	    p->tok[MEMORY_SWAP] >= 0 ||
	    cgroup_read(cg, cgroup_is_unified(cg) ? "memory.swap.max" :
	    members[MEMORY_SWAP].file, text, sizeof(text)) < 0)
		return;
	p->tok[MEMORY_SWAP] = p->tok[MEMORY_LIMIT];
	p->num[MEMORY_SWAP] = -1;
}

/* Version 1 wants memory no higher than memory and swap at every moment, and
 * a quota's share of its period no higher than the parent's; so where the
 * first of two is refused, the second may have to come before it. */
static int
write_all(const struct cgroup *cg, const struct plan *p, struct err *e)
{
	const struct write *w;

	for (w = p->writes; w < p->writes + p->n; w++) {
		if (cgroup_write(cg, w->file, w->value, e) == 0)
			continue;
		if (!w->pair ||
		    cgroup_write(cg, w[1].file, w[1].value, e) < 0 ||
		    cgroup_write(cg, w->file, w->value, e) < 0)
			return -1;
	}
	return 0;
}

int
limits_apply(const struct cgroup *cg, const char *json, size_t len,
    struct err *e)
{
	struct plan *p = calloc(1, sizeof(*p));
	int ret = -1;
	size_t i;

	if (!p)
		return err_set(e, ERR_EXHAUSTED, "update: out of memory");
	for (i = 0; i < MEMBERS; i++)
		p->tok[i] = -1;
	if (json_parse(&p->j, json, len, e) < 0) {
		err_prefix(e, "resources");
	} else if (take_all(p, e) == 0) {
		free_swap(p, cg);
		if (!cgroup_is_unified(cg))
			plan_v1(p);
		else if (plan_v2(p, cg, e) < 0)
			goto out;
		ret = write_all(cg, p, e);
	}
out:
	json_free(&p->j);
	free(p);
	return ret;
}
