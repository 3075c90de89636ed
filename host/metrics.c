/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics: Stats, as containerd's cgroups messages have it (metrics.proto of
 * cgroup1/stats and cgroup2/stats); see cgroup.h.
 *
 * runsc knows a container's share of the sandbox's CPU time and memory and
 * what is inside; the kernel knows what the sandbox takes and may take.
 */
#include <stdlib.h>
#include <string.h>

#include "host/cgroup.h"
#include "base/fmt.h"
#include "json.h"

/* Where a field comes from: a file of the cgroup, or its line "key number";
 * else a number of runsc's. */
struct field {
	uint8_t num;
	uint8_t flags;
	const char *file;
	const char *key;	/* NULL: the file is one number */
	const char *json;	/* below "data" */
};

#define ALONE 1		/* the cgroup's only for a container alone in it */
#define TO_US 2		/* runsc's are nanoseconds */
#define NO_MAX 4	/* "max" is told as 0 */
#define ALL 8		/* the cgroup's only where all of it is wanted */
#define OOM 16		/* the caller's */

struct source {
	struct json j;
	int data;
	const struct cgroup *cg;
	enum metrics_of of;
	uint64_t oom_kills;
	bool scaled;			/* then total is the CPU time, ns */
	uint64_t total;
	const char *have;		/* whose text this is */
	char text[CGROUP_TEXT_MAX];
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The number at "a.b.c", 0 if there is none. */
static uint64_t
json_number(const struct source *s, const char *path)
{
	char key[32];
	uint64_t v;
	int tok = s->data;

	if (s->scaled && strcmp(path, "cpu.usage.total") == 0)
		return s->total;
	while (path) {
		size_t n = strcspn(path, ".");

		fmt(key, sizeof(key), "%.*s", (int)n, path);
		tok = json_get(&s->j, tok, key);
		path = path[n] ? path + n + 1 : NULL;
	}
	return json_uint(&s->j, tok, &v) ? v : 0;
}

static bool
cgroup_number(struct source *s, const char *file, const char *key,
    uint64_t *v)
{
	if (!key)
		return cgroup_uint(s->cg, file, v);
	if (!s->have || strcmp(s->have, file) != 0) {
		s->have = file;
		if (cgroup_read(s->cg, file, s->text, sizeof(s->text)) < 0)
			s->text[0] = '\0';
	}
	return cgroup_field(s->text, key, v);
}

static void
put(struct pb_out *o, struct source *s, const struct field *f, size_t n)
{
	uint64_t v;

	for (; n > 0; n--, f++) {
		if (f->flags & OOM) {
			v = s->oom_kills;
		} else if (f->file && s->of >= (f->flags & ALL ?
		    METRICS_CGROUP : f->flags & ALONE ? METRICS_ALONE :
		    METRICS_SHARED) &&
		    cgroup_number(s, f->file, f->key, &v)) {
			if (v == UINT64_MAX && f->flags & NO_MAX)
				v = 0;
		} else {
			v = f->json ? json_number(s, f->json) : 0;
			if (f->flags & TO_US)
				v /= 1000;
		}
		pb_put_uint(o, f->num, v);
	}
}

static void
put_message(struct pb_out *o, uint32_t num, struct source *s,
    const struct field *f, size_t n)
{
	size_t mark = pb_begin(o, num);

	put(o, s, f, n);
	pb_end(o, mark);
}

/* NetworkStat, the same in both versions. */
static void
put_network(struct pb_out *o, uint32_t num, const struct source *s)
{
	static const char *const names[] = {
		"RxBytes", "RxPackets", "RxErrors", "RxDropped",
		"TxBytes", "TxPackets", "TxErrors", "TxDropped",
	};
	int list = json_get(&s->j, s->data, "network_interfaces"), dev;
	char name[64];
	uint64_t v;
	uint32_t k;
	size_t mark;

	for (dev = json_first(&s->j, list); dev >= 0;
	    dev = json_next(&s->j, list, dev)) {
		mark = pb_begin(o, num);
		if (json_str(&s->j, json_get(&s->j, dev, "Name"), name,
		    sizeof(name)) > 0)
			pb_put_str(o, 1, name);
		for (k = 0; k < COUNT(names); k++) {
			if (json_uint(&s->j, json_get(&s->j, dev, names[k]),
			    &v))
				pb_put_uint(o, k + 2, v);
		}
		pb_end(o, mark);
	}
}

static void
put_v1(struct pb_out *o, struct source *s)
{
	static const struct field pids[] = {
		{ 1, ALL, "pids.current", NULL, "pids.current" },
		{ 2, NO_MAX, "pids.max", NULL, "pids.limit" },
	}, usage[] = {
		{ 1, ALL, "cpuacct.usage", NULL, "cpu.usage.total" },
		{ 2, ALL, "cpuacct.usage_sys", NULL, "cpu.usage.kernel" },
		{ 3, ALL, "cpuacct.usage_user", NULL, "cpu.usage.user" },
	}, throttling[] = {
		{ 1, 0, "cpu.stat", "nr_periods", NULL },
		{ 2, 0, "cpu.stat", "nr_throttled", NULL },
		{ 3, 0, "cpu.stat", "throttled_time", NULL },
	}, memory[] = {
		{ 1, ALONE, "memory.stat", "cache", "memory.cache" },
		{ 19, ALONE, "memory.stat", "total_rss", NULL },
		{ 26, ALONE, "memory.stat", "total_pgfault", NULL },
		{ 27, ALONE, "memory.stat", "total_pgmajfault", NULL },
		{ 30, ALONE, "memory.stat", "total_inactive_file", NULL },
	}, entries[][4] = { {
		{ 1, 0, "memory.limit_in_bytes", NULL, "memory.usage.limit" },
		{ 2, ALONE, "memory.usage_in_bytes", NULL,
		    "memory.usage.usage" },
		{ 3, ALONE, "memory.max_usage_in_bytes", NULL,
		    "memory.usage.max" },
		{ 4, ALONE, "memory.failcnt", NULL, "memory.usage.failcnt" },
	}, {
		{ 1, 0, "memory.memsw.limit_in_bytes", NULL,
		    "memory.swap.limit" },
		{ 2, ALONE, "memory.memsw.usage_in_bytes", NULL,
		    "memory.swap.usage" },
		{ 3, ALONE, "memory.memsw.max_usage_in_bytes", NULL,
		    "memory.swap.max" },
		{ 4, ALONE, "memory.memsw.failcnt", NULL,
		    "memory.swap.failcnt" },
	} }, kernel[] = {
		{ 2, ALONE, "memory.kmem.usage_in_bytes", NULL,
		    "memory.kernel.usage" },
	}, kernel_tcp[] = {
		{ 2, ALONE, "memory.kmem.tcp.usage_in_bytes", NULL,
		    "memory.kernelTCP.usage" },
	}, oom[] = {
		{ 1, 0, "memory.oom_control", "oom_kill_disable", NULL },
		{ 2, 0, "memory.oom_control", "under_oom", NULL },
		{ 3, OOM, NULL, NULL, NULL },
	};
	size_t mark;

	put_message(o, 2, s, pids, COUNT(pids));
	mark = pb_begin(o, 3);
	put_message(o, 1, s, usage, COUNT(usage));
	put_message(o, 2, s, throttling, COUNT(throttling));
	pb_end(o, mark);
	mark = pb_begin(o, 4);
	put(o, s, memory, COUNT(memory));
	put_message(o, 33, s, entries[0], COUNT(entries[0]));
	put_message(o, 34, s, entries[1], COUNT(entries[1]));
	put_message(o, 35, s, kernel, COUNT(kernel));
	put_message(o, 36, s, kernel_tcp, COUNT(kernel_tcp));
	pb_end(o, mark);
	put_network(o, 7, s);
	put_message(o, 9, s, oom, COUNT(oom));
}

static void
put_v2(struct pb_out *o, struct source *s)
{
	static const struct field pids[] = {
		{ 1, ALL, "pids.current", NULL, "pids.current" },
		{ 2, 0, "pids.max", NULL, "pids.limit" },
	}, cpu[] = {
		{ 1, ALONE | TO_US, "cpu.stat", "usage_usec",
		    "cpu.usage.total" },
		{ 2, ALONE | TO_US, "cpu.stat", "user_usec",
		    "cpu.usage.user" },
		{ 3, ALONE | TO_US, "cpu.stat", "system_usec",
		    "cpu.usage.kernel" },
		{ 4, 0, "cpu.stat", "nr_periods", NULL },
		{ 5, 0, "cpu.stat", "nr_throttled", NULL },
		{ 6, 0, "cpu.stat", "throttled_usec", NULL },
	}, memory[] = {
		{ 1, ALONE, "memory.stat", "anon", NULL },
		{ 2, ALONE, "memory.stat", "file", "memory.cache" },
		{ 4, ALONE, "memory.stat", "slab", "memory.kernel.usage" },
		{ 13, ALONE, "memory.stat", "inactive_file", NULL },
		{ 18, ALONE, "memory.stat", "pgfault", NULL },
		{ 19, ALONE, "memory.stat", "pgmajfault", NULL },
		{ 32, ALONE, "memory.current", NULL, "memory.usage.usage" },
		{ 33, 0, "memory.max", NULL, "memory.usage.limit" },
		{ 34, ALONE, "memory.swap.current", NULL,
		    "memory.swap.usage" },
		{ 35, 0, "memory.swap.max", NULL, "memory.swap.limit" },
	}, events[] = {
		{ 1, 0, "memory.events", "low", NULL },
		{ 2, 0, "memory.events", "high", NULL },
		{ 3, 0, "memory.events", "max", NULL },
		{ 4, 0, "memory.events", "oom", NULL },
		{ 5, OOM, NULL, NULL, NULL },
	};

	put_message(o, 1, s, pids, COUNT(pids));
	put_message(o, 2, s, cpu, COUNT(cpu));
	put_message(o, 4, s, memory, COUNT(memory));
	put_message(o, 8, s, events, COUNT(events));
	put_network(o, 9, s);
}

static bool
host_usage(struct source *s, uint64_t *ns)
{
	if (!s->cg)
		return false;
	if (!cgroup_is_unified(s->cg))
		return cgroup_number(s, "cpuacct.usage", NULL, ns) && *ns;
	if (!cgroup_number(s, "cpu.stat", "usage_usec", ns))
		return false;
	*ns *= 1000;
	return *ns != 0;
}

/*
 * The sandbox counts the CPU time of each container inside; the host knows what
 * all of it has cost.  A container's is its part of that, as runsc works it out
 * (runsc/container/container.go populateStats).
 */
static void
scale(struct source *s, int usage, const char *id)
{
	uint64_t mine = 0, all = 0, host, n = s->j.toks[usage].size, v;
	uint32_t i, tok = (uint32_t)usage + 1;

	for (i = 0; i < n; i++) {
		if (!json_uint(&s->j, (int)tok + 1, &v))
			v = 0;
		all += v;
		if (json_is(&s->j, (int)tok, id))
			mine = v;
		tok = s->j.toks[tok + 1].next;
	}
	s->scaled = true;
	s->total = n ? mine : 0;
	if (!n || !host_usage(s, &host))
		return;
	if (all == 0) {
		all = host;
		mine = host / n;
	}
	/* The products are not to have more than 64 bits. */
	for (; all >> 32; all >>= 1)
		mine >>= 1;
	if (mine <= all)
		s->total = host / all * mine + host % all * mine / all;
}

/* Where the statistics are: in what runsc printed, or in the sandbox's own
 * answer, which has to be worked out; -1 where they are not. */
static int
find_data(struct source *s)
{
	int event = json_get(&s->j, 0, "event");
	int usage = json_get(&s->j, 0, "containerUsage");
	char id[256];

	if (event < 0)
		return json_get(&s->j, 0, "data");
	if (usage < 0 || s->j.toks[usage].type != JSON_OBJECT ||
	    json_str(&s->j, json_get(&s->j, event, "id"), id, sizeof(id)) < 0)
		return -1;
	scale(s, usage, id);
	return json_get(&s->j, event, "data");
}

const char *
metrics_encode(struct pb_out *o, const char *out, size_t len,
    const struct cgroup *cg, enum metrics_of of, uint64_t oom_kills,
    struct err *e)
{
	struct source *s = calloc(1, sizeof(*s));
	bool unified = cgroup_host_unified();
	const char *type = NULL;
	size_t used;
	int r;

	if (!s) {
		err_set(e, ERR_EXHAUSTED, "stats: out of memory");
		return NULL;
	}
	s->cg = cg;
	s->of = of;
	s->oom_kills = oom_kills;
	if (!out) {
		out = "{\"data\":{}}";
		len = strlen(out);
	}
	/* What is printed in front may be a warning; that is no JSON. */
	r = json_parse_prefix(&s->j, out, len, &used, e);
	s->data = r == 1 ? find_data(s) : -1;
	if (s->data < 0 && (r >= 0 || e->code != ERR_EXHAUSTED))
		err_set(e, ERR_INTERNAL, "runsc events printed no stats: "
		    "%.200s", out);
	if (s->data >= 0)
		type = unified ? "io.containerd.cgroups.v2.Metrics" :
		    "io.containerd.cgroups.v1.Metrics";
	if (type)
		(unified ? put_v2 : put_v1)(o, s);
	json_free(&s->j);
	free(s);
	return type;
}
