/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_test: where a sandbox's cgroup is, OOM kills, Stats and Update, over
 * a directory that looks like /proc and cgroup file systems of either version.
 */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cgroup.h"
#include "base/loop.h"
#include "tests/files.h"
#include "tests/suite.h"

#define SANDBOX 7

/* Write text to a file below dir; its directories are made. */
static void
put(const char *name, const char *text)
{
	char *path = in_dir("%s", name), *p;

	for (p = path + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	write_text(path, text);
}

static void
unlink_below(const char *name)
{
	ck_assert_int_eq(unlink(in_dir("%s", name)), 0);
}

static const char *
get(const char *name)
{
	static char text[256];
	char path[256];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		return "(none)";
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void
host_v1(void)
{
	char text[1024];

	put("self/cgroup", "3:pids:/\n2:cpu,cpuacct:/\n1:memory:/sys\n0::/\n");
	put("7/cgroup", "3:pids:/pod/x\n2:cpu,cpuacct:/pod/x\n"
	    "1:memory:/pod/x\n0::/pod/x\n");
	snprintf(text, sizeof(text),
	    "20 1 0:1 / / rw - ext4 /dev/x rw\n"
	    "30 1 0:2 / %s/m rw shared:1 - cgroup cgroup rw,memory\n"
	    "31 1 0:3 /pod %s/c rw - cgroup cgroup rw,cpu,cpuacct\n"
	    "32 1 0:4 /other %s/p rw - cgroup cgroup rw,pids\n", dir, dir,
	    dir);
	put("self/mountinfo", text);
	put("m/pod/x/memory.limit_in_bytes", "1000\n");
	put("m/pod/x/memory.usage_in_bytes", "500\n");
	put("m/pod/x/memory.memsw.limit_in_bytes", "2000\n");
	put("m/pod/x/memory.stat", "cache 44\ntotal_inactive_file 33\n");
	put("m/pod/x/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n"
	    "oom_kill 2\n");
	/* The mount's root is a part of the path. */
	put("c/x/cpu.shares", "1024");
	put("c/x/cpu.cfs_quota_us", "");
}

static void
host_v2(void)
{
	char text[512];

	put("self/cgroup", "0::/system\n");
	put("7/cgroup", "0::/pod/x\n");
	snprintf(text, sizeof(text),
	    "30 1 0:2 / %s/u rw - cgroup2 cgroup2 rw\n", dir);
	put("self/mountinfo", text);
	put("u/pod/x/memory.max", "max");
	put("u/pod/x/memory.current", "700\n");
	put("u/pod/x/memory.stat", "anon 1\nfile 22\ninactive_file 11\n");
	put("u/pod/x/memory.events", "low 0\nhigh 0\nmax 5\noom 1\n"
	    "oom_kill 1\n");
	put("u/pod/x/memory.swap.max", "");
	put("u/pod/x/memory.low", "");
	put("u/pod/x/cpu.weight", "");
	put("u/pod/x/cpu.max", "");
	put("u/pod/x/cpuset.cpus", "");
	put("u/pod/x/cpuset.mems", "");
	put("u/pod/x/pids.max", "");
}

static struct cgroup *
find(void)
{
	struct err e;
	struct cgroup *cg = cgroup_get(SANDBOX, &e);

	ck_assert_msg(cg != NULL, "%s", e.msg);
	return cg;
}

static void
setup(void)
{
	struct err e;

	strcpy(dir, "/tmp/cgroup-test.XXXXXX");
	ck_assert(mkdtemp(dir) != NULL);
	cgroup_set_proc(dir);
	ck_assert_int_eq(loop_init(&e), 0);
}

static void
teardown(void)
{
	char cmd[128];

	loop_close();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

START_TEST(v1_is_found)
{
	struct cgroup *cg, *again;
	uint64_t v;

	host_v1();
	cg = find();
	ck_assert(!cgroup_is_unified(cg));
	ck_assert(!cgroup_host_unified());
	ck_assert(cgroup_uint(cg, "memory.limit_in_bytes", &v));
	ck_assert_uint_eq(v, 1000);
	ck_assert(cgroup_uint(cg, "cpu.shares", &v));
	ck_assert_uint_eq(v, 1024);
	/* Mounted somewhere else in the tree: not reachable. */
	ck_assert(!cgroup_uint(cg, "pids.max", &v));
	ck_assert(!cgroup_uint(cg, "memory.nothing", &v));
	/* One for a pod. */
	again = find();
	ck_assert_ptr_eq(again, cg);
	cgroup_put(again);
	ck_assert_uint_eq(cgroup_oom_kills(cg), 2);
	cgroup_put(cg);
	cgroup_put(NULL);
}
END_TEST

/* Limits of the shim's own cgroup are not the sandbox's. */
START_TEST(own_is_nobodys)
{
	struct err e;

	host_v2();
	put("self/cgroup", "0::/pod/x\n");
	ck_assert(cgroup_get(SANDBOX, &e) == NULL);
	ck_assert(e.msg[0] != '\0');
	put("7/cgroup", "0::/\n");
	ck_assert(cgroup_get(SANDBOX, &e) == NULL);
	ck_assert(cgroup_get(8, &e) == NULL);
	ck_assert_uint_eq(cgroup_oom_kills(NULL), 0);
}
END_TEST

START_TEST(v2_oom)
{
	struct cgroup *cg;

	host_v2();
	cg = find();
	ck_assert(cgroup_is_unified(cg));
	ck_assert(cgroup_host_unified());
	ck_assert_uint_eq(cgroup_oom_kills(cg), 1);
	put("u/pod/x/memory.events", "oom 2\noom_kill 3\n");
	ck_assert_uint_eq(cgroup_oom_kills(cg), 3);
	/* Seen by the watch: still known when the cgroup has gone. */
	put("u/pod/x/memory.events", "oom 2\noom_kill 4\n");
	loop_turn(100);
	put("u/pod/x/memory.events", "");
	ck_assert_uint_eq(cgroup_oom_kills(cg), 4);
	cgroup_put(cg);
}
END_TEST

/* -- metrics -------------------------------------------------------------- */

static const char printed[] = "{\"type\":\"stats\",\"id\":\"x\",\"data\":{"
    "\"cpu\":{\"usage\":{\"total\":5000}},\"memory\":{\"usage\":{\"limit\":0,"
    "\"usage\":77}},\"pids\":{\"current\":3},\"network_interfaces\":[{"
    "\"Name\":\"eth0\",\"RxBytes\":10,\"TxBytes\":20}]}}\n";

/* The number at this path of fields, 0 if there is none. */
static uint64_t
field(const struct pb_out *o, ...)
{
	struct pb_bytes b = { o->p, o->len };
	struct pb_in in;
	struct pb_field f;
	uint64_t v = 0;
	va_list ap;
	unsigned num;

	va_start(ap, o);
	while ((num = va_arg(ap, unsigned))) {
		v = 0;
		pb_in_init(&in, b.p, b.n);
		b.n = 0;
		while (pb_next(&in, &f)) {
			if (f.num != num)
				continue;
			if (f.wire == PB_BYTES)
				b = f.b;
			else
				v = f.v;
		}
		ck_assert(!in.bad);
	}
	va_end(ap);
	return v;
}

static const char *
encode(struct pb_out *o, const struct cgroup *cg, enum metrics_of of)
{
	struct err e;
	const char *type;

	pb_out_init(o, NULL, 0);
	type = metrics_encode(o, printed, sizeof(printed) - 1, cg, of, 7, &e);
	ck_assert_msg(type != NULL, "%s", e.msg);
	return type;
}

/* The sandbox's own words: the CPU time of the cgroup, in parts. */
static uint64_t
cpu_of(const char *usage, const struct cgroup *cg)
{
	char text[512];
	struct pb_out o;
	struct err e;
	uint64_t v;

	snprintf(text, sizeof(text), "{\"event\":{\"id\":\"c\",\"data\":{"
	    "\"cpu\":{\"usage\":{\"total\":1}}}},\"containerUsage\":{%s}}",
	    usage);
	pb_out_init(&o, NULL, 0);
	ck_assert_msg(metrics_encode(&o, text, strlen(text), cg,
	    METRICS_SHARED, 0, &e) != NULL, "%s", e.msg);
	v = field(&o, 3u, 1u, 1u, 0u);
	pb_out_free(&o);
	return v;
}

START_TEST(event_scaled)
{
	static const char usage[] = "\"c\":1000,\"d\":3000";
	struct cgroup *cg;
	uint64_t v;

	host_v1();
	put("c/x/cpuacct.usage", "8000\n");
	cg = find();
	ck_assert_uint_eq(cpu_of(usage, cg), 2000);
	ck_assert_uint_eq(cpu_of("\"c\":0,\"d\":0", cg), 4000);
	ck_assert_uint_eq(cpu_of("\"d\":5", cg), 0);
	ck_assert_uint_eq(cpu_of("\"c\":\"x\"", cg), 8000);
	ck_assert_uint_eq(cpu_of("", cg), 0);
	ck_assert_uint_eq(cpu_of(usage, NULL), 1000);
	/* Years of it: the product has more than 64 bits. */
	put("c/x/cpuacct.usage", "900000000000000000\n");
	v = cpu_of("\"c\":300000000000000000,\"d\":300000000000000000", cg);
	ck_assert(v > 449999999000000000 && v < 450000001000000000);
	put("c/x/cpuacct.usage", "0\n");
	ck_assert_uint_eq(cpu_of(usage, cg), 1000);
	cgroup_put(cg);
}
END_TEST

START_TEST(metrics_v1)
{
	struct cgroup *cg;
	struct pb_out o;

	host_v1();
	cg = find();
	ck_assert_str_eq(encode(&o, cg, METRICS_ALONE),
	    "io.containerd.cgroups.v1.Metrics");
	ck_assert_uint_eq(field(&o, 2u, 1u, 0u), 3);
	ck_assert_uint_eq(field(&o, 3u, 1u, 1u, 0u), 5000);
	ck_assert_uint_eq(field(&o, 4u, 1u, 0u), 44);
	ck_assert_uint_eq(field(&o, 4u, 30u, 0u), 33);
	ck_assert_uint_eq(field(&o, 4u, 33u, 1u, 0u), 1000);
	ck_assert_uint_eq(field(&o, 4u, 33u, 2u, 0u), 500);
	ck_assert_uint_eq(field(&o, 7u, 2u, 0u), 10);
	ck_assert_uint_eq(field(&o, 7u, 6u, 0u), 20);
	ck_assert_uint_eq(field(&o, 9u, 3u, 0u), 7);
	pb_out_free(&o);
	/* In a pod the cgroup's use is everybody's; runsc's is its own. */
	encode(&o, cg, METRICS_SHARED);
	ck_assert_uint_eq(field(&o, 4u, 33u, 2u, 0u), 77);
	ck_assert_uint_eq(field(&o, 4u, 33u, 1u, 0u), 1000);
	pb_out_free(&o);
	cgroup_put(cg);
}
END_TEST

START_TEST(metrics_v2)
{
	struct cgroup *cg;
	struct pb_out o;

	host_v2();
	cg = find();
	ck_assert_str_eq(encode(&o, cg, METRICS_ALONE),
	    "io.containerd.cgroups.v2.Metrics");
	ck_assert_uint_eq(field(&o, 1u, 1u, 0u), 3);
	ck_assert_uint_eq(field(&o, 2u, 1u, 0u), 5);	/* us */
	ck_assert_uint_eq(field(&o, 4u, 13u, 0u), 11);
	ck_assert_uint_eq(field(&o, 4u, 32u, 0u), 700);
	ck_assert_uint_eq(field(&o, 4u, 33u, 0u), UINT64_MAX);
	ck_assert_uint_eq(field(&o, 8u, 3u, 0u), 5);
	ck_assert_uint_eq(field(&o, 8u, 5u, 0u), 7);
	ck_assert_uint_eq(field(&o, 9u, 2u, 0u), 10);
	pb_out_free(&o);
	/* The kernel's own count, for a container alone: runsc 20221219 prints
	 * microseconds there, as if they were nanoseconds. */
	put("u/pod/x/cpu.stat", "usage_usec 7000\nuser_usec 4000\n"
	    "system_usec 3000\n");
	encode(&o, cg, METRICS_ALONE);
	ck_assert_uint_eq(field(&o, 2u, 1u, 0u), 7000);
	ck_assert_uint_eq(field(&o, 2u, 2u, 0u), 4000);
	ck_assert_uint_eq(field(&o, 2u, 3u, 0u), 3000);
	pb_out_free(&o);
	encode(&o, cg, METRICS_SHARED);
	ck_assert_uint_eq(field(&o, 2u, 1u, 0u), 5);
	pb_out_free(&o);
	/* Without a cgroup there is what runsc says. */
	encode(&o, NULL, METRICS_ALONE);
	ck_assert_uint_eq(field(&o, 4u, 32u, 0u), 77);
	pb_out_free(&o);
	cgroup_put(cg);
}
END_TEST

/* All that a sandbox takes: the cgroup's CPU time, memory and processes, whoever
 * has them inside; with or without words of runsc's. */
START_TEST(metrics_of_sandbox)
{
	struct cgroup *cg;
	struct pb_out o;
	struct err e;

	if (_i < 2) {
		host_v1();
		put("c/x/cpuacct.usage", "9000");
		put("c/x/cpuacct.usage_sys", "4000");
		put("c/x/cpuacct.usage_user", "5000");
	} else {
		host_v2();
		put("u/pod/x/cpu.stat", "usage_usec 9000\nuser_usec 5000\n"
		    "system_usec 4000\nnr_periods 1\n");
		put("u/pod/x/pids.current", "12");
	}
	cg = find();
	pb_out_init(&o, NULL, 0);
	ck_assert(_i % 2 ? metrics_encode(&o, NULL, 0, cg, METRICS_CGROUP, 3,
	    &e) != NULL : encode(&o, cg, METRICS_CGROUP) != NULL);
	if (_i < 2) {
		ck_assert_uint_eq(field(&o, 3u, 1u, 1u, 0u), 9000);
		ck_assert_uint_eq(field(&o, 3u, 1u, 2u, 0u), 4000);
		ck_assert_uint_eq(field(&o, 3u, 1u, 3u, 0u), 5000);
		ck_assert_uint_eq(field(&o, 4u, 33u, 2u, 0u), 500);
		ck_assert_uint_eq(field(&o, 9u, 3u, 0u), _i % 2 ? 3 : 7);
	} else {
		ck_assert_uint_eq(field(&o, 1u, 1u, 0u), 12);
		ck_assert_uint_eq(field(&o, 2u, 1u, 0u), 9000);
		ck_assert_uint_eq(field(&o, 2u, 2u, 0u), 5000);
		ck_assert_uint_eq(field(&o, 2u, 3u, 0u), 4000);
		ck_assert_uint_eq(field(&o, 4u, 32u, 0u), 700);
		ck_assert_uint_eq(field(&o, 8u, 5u, 0u), _i % 2 ? 3 : 7);
	}
	pb_out_free(&o);
	cgroup_put(cg);
}
END_TEST

START_TEST(metrics_of_nonsense)
{
	static const char *const texts[] = {
		"", "{}", "no JSON", "[1]", "{\"data\":",
	};
	struct pb_out o;
	struct err e;
	size_t i;

	host_v2();
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		pb_out_init(&o, NULL, 0);
		ck_assert_msg(metrics_encode(&o, texts[i], strlen(texts[i]),
		    NULL, METRICS_ALONE, 0, &e) == NULL, "%s", texts[i]);
		ck_assert(e.code != ERR_OK && e.msg[0]);
		pb_out_free(&o);
	}
}
END_TEST

/* -- limits --------------------------------------------------------------- */

static int
apply(const struct cgroup *cg, const char *json)
{
	struct err e = { .code = ERR_OK };
	int ret = limits_apply(cg, json, strlen(json), &e);

	ck_assert((ret == 0) == (e.code == ERR_OK));
	return e.code;
}

START_TEST(limits_v1)
{
	struct cgroup *cg;

	host_v1();
	cg = find();
	ck_assert_int_eq(apply(cg, "{\"memory\":{\"limit\":4096,\"swap\":8192,"
	    "\"kernel\":0},\"cpu\":{\"shares\":5120,\"quota\":20000,"
	    "\"cpus\":\"\"},\"devices\":[{\"allow\":false}],"
	    "\"blockIO\":{\"weight\":0},\"pids\":null}"), ERR_OK);
	ck_assert_str_eq(get("m/pod/x/memory.limit_in_bytes"), "4096\n");
	ck_assert_str_eq(get("m/pod/x/memory.memsw.limit_in_bytes"), "8192\n");
	ck_assert_str_eq(get("c/x/cpu.shares"), "5120");
	ck_assert_str_eq(get("c/x/cpu.cfs_quota_us"), "20000");
	/* No cgroup for it. */
	ck_assert_int_eq(apply(cg, "{\"pids\":{\"limit\":5}}"),
	    ERR_PRECONDITION);
	cgroup_put(cg);
}
END_TEST

START_TEST(limits_v2)
{
	struct cgroup *cg;

	host_v2();
	cg = find();
	ck_assert_int_eq(apply(cg, "{\"memory\":{\"limit\":4096,\"swap\":8192,"
	    "\"reservation\":100},\"cpu\":{\"shares\":1024,\"quota\":20000,"
	    "\"period\":5000,\"cpus\":\"0-1\"},\"pids\":{\"limit\":-1}}"),
	    ERR_OK);
	ck_assert_str_eq(get("u/pod/x/memory.max"), "4096");
	ck_assert_str_eq(get("u/pod/x/memory.swap.max"), "4096");
	ck_assert_str_eq(get("u/pod/x/memory.low"), "100");
	ck_assert_str_eq(get("u/pod/x/cpu.weight"), "39");
	ck_assert_str_eq(get("u/pod/x/cpu.max"), "20000 5000");
	ck_assert_str_eq(get("u/pod/x/cpuset.cpus"), "0-1");
	ck_assert_str_eq(get("u/pod/x/pids.max"), "max");
	put("u/pod/x/cpu.max", "1 5000");
	ck_assert_int_eq(apply(cg, "{\"cpu\":{\"quota\":-1}}"), ERR_OK);
	ck_assert_str_eq(get("u/pod/x/cpu.max"), "max 5000");
	/* Beyond what the kernel takes is its least or most. */
	put("u/pod/x/cpu.weight", "");
	ck_assert_int_eq(apply(cg, "{\"cpu\":{\"shares\":1}}"), ERR_OK);
	ck_assert_str_eq(get("u/pod/x/cpu.weight"), "1");
	ck_assert_int_eq(apply(cg, "{\"cpu\":{\"shares\":"
	    "9223372036854775807}}"), ERR_OK);
	ck_assert_str_eq(get("u/pod/x/cpu.weight"), "10000");
	cgroup_put(cg);
}
END_TEST

/*
 * 13.32: every value that version 2 counts otherwise than version 1, also where
 * a request names one of two that belong together.  The right ones are what
 * runc writes, but for a quota or a period that is not named: version 1 leaves
 * it alone, and so must version 2.
 */
START_TEST(limits_v2_convert)
{
	static const struct {
		const char *file, *before, *json, *after;
		const char *limit;	/* of memory, in force; NULL: none */
	} cases[] = {
		/* A total of memory and swap, and the limit in force. */
		{ "memory.max", "268435456\n",
		    "{\"memory\":{\"swap\":536870912}}", "268435456\n",
		    NULL },
		{ "memory.swap.max", "max\n",
		    "{\"memory\":{\"swap\":536870912}}", "268435456",
		    "268435456\n" },
		{ "memory.swap.max", "max\n",
		    "{\"memory\":{\"swap\":268435456}}", "0",
		    "268435456\n" },
		{ "memory.swap.max", "0\n",
		    "{\"memory\":{\"swap\":-1}}", "max",
		    "268435456\n" },
		{ "memory.swap.max", "7\n",
		    "{\"memory\":{\"limit\":4096,\"swap\":8192}}",
		    "4096", NULL },
		{ "memory.swap.max", "7\n",
		    "{\"memory\":{\"limit\":4096}}", "7\n", NULL },
		{ "memory.swap.max", "7\n",
		    "{\"memory\":{\"limit\":4096,\"swap\":-1}}", "max", NULL },
		{ "memory.swap.max", "7\n",
		    "{\"memory\":{\"limit\":-1}}", "max", NULL },
		{ "memory.swap.max", "7\n",
		    "{\"memory\":{\"limit\":-1,\"swap\":8192}}",
		    "8192", NULL },
		/* No limit in force: all of the total may be swap. */
		{ "memory.max", "max\n", "{\"memory\":{\"limit\":0}}",
		    "max\n", NULL },
		{ "memory.swap.max", "7\n",
		    "{\"memory\":{\"swap\":536870912}}", "536870912", NULL },
		{ "memory.max", "1\n", "{\"memory\":{\"limit\":-1}}",
		    "max", NULL },
		{ "memory.low", "1", "{\"memory\":{\"reservation\":-1}}",
		    "max", NULL },
		{ "memory.low", "1", "{\"memory\":{\"reservation\":4096}}",
		    "4096", NULL },
		/* Shares of 2 to 262144 are weights of 1 to 10000. */
		{ "cpu.weight", "7", "{\"cpu\":{\"shares\":0}}", "7", NULL },
		{ "cpu.weight", "7", "{\"cpu\":{\"shares\":1}}", "1", NULL },
		{ "cpu.weight", "7", "{\"cpu\":{\"shares\":2}}", "1", NULL },
		{ "cpu.weight", "7", "{\"cpu\":{\"shares\":1024}}",
		    "39", NULL },
		{ "cpu.weight", "7", "{\"cpu\":{\"shares\":262144}}",
		    "10000", NULL },
		{ "cpu.weight", "7", "{\"cpu\":{\"shares\":262145}}",
		    "10000", NULL },
		/* Quota and period. */
		{ "cpu.max", "max 100000\n",
		    "{\"cpu\":{\"quota\":20000,\"period\":50000}}",
		    "20000 50000", NULL },
		{ "cpu.max", "max 50000\n", "{\"cpu\":{\"quota\":20000}}",
		    "20000 50000", NULL },
		{ "cpu.max", "20000 50000\n",
		    "{\"cpu\":{\"period\":100000}}", "20000 100000", NULL },
		{ "cpu.max", "max 50000\n",
		    "{\"cpu\":{\"period\":100000}}", "max 100000", NULL },
		{ "cpu.max", "20000 50000\n", "{\"cpu\":{\"quota\":-1}}",
		    "max 50000", NULL },
		{ "cpu.max", "20000 50000\n",
		    "{\"cpu\":{\"quota\":0,\"period\":0}}",
		    "20000 50000\n", NULL },
		/* The same in both versions. */
		{ "cpuset.cpus", "0", "{\"cpu\":{\"cpus\":\"0,2-3\"}}",
		    "0,2-3", NULL },
		{ "cpuset.mems", "0", "{\"cpu\":{\"mems\":\"1\"}}", "1", NULL },
		{ "cpuset.cpus", "0", "{\"cpu\":{\"cpus\":\"\"}}", "0", NULL },
		{ "pids.max", "7", "{\"pids\":{\"limit\":100}}", "100", NULL },
		{ "pids.max", "7", "{\"pids\":{\"limit\":-1}}", "max", NULL },
		{ "pids.max", "7", "{\"pids\":{\"limit\":0}}", "7", NULL },
	};
	struct cgroup *cg;
	char path[64], expected[64];
	size_t i;

	host_v2();
	cg = find();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(path, sizeof(path), "u/pod/x/%s", cases[i].file);
		put("u/pod/x/memory.max", cases[i].limit ? cases[i].limit :
		    "max\n");
		put(path, cases[i].before);
		/* A plain file keeps what is behind the bytes written. */
		snprintf(expected, sizeof(expected), "%s%s", cases[i].after,
		    strlen(cases[i].before) > strlen(cases[i].after) ?
		    cases[i].before + strlen(cases[i].after) : "");
		ck_assert_msg(apply(cg, cases[i].json) == ERR_OK, "%s",
		    cases[i].json);
		ck_assert_msg(strcmp(get(path), expected) == 0,
		    "%s, was \"%s\", after %s: \"%s\"", cases[i].file,
		    cases[i].before, cases[i].json, get(path));
	}
	cgroup_put(cg);
}
END_TEST

/* 13.32: less than the limit that it includes, in the request or in force,
 * and nothing is written. */
START_TEST(limits_v2_total_below_limit)
{
	struct cgroup *cg;

	host_v2();
	cg = find();
	put("u/pod/x/memory.max", "8192\n");
	put("u/pod/x/memory.swap.max", "7\n");
	ck_assert_int_eq(apply(cg, "{\"memory\":{\"swap\":4096}}"),
	    ERR_INVALID);
	ck_assert_int_eq(apply(cg, "{\"memory\":{\"limit\":16384,"
	    "\"swap\":12288}}"), ERR_INVALID);
	ck_assert_str_eq(get("u/pod/x/memory.max"), "8192\n");
	ck_assert_str_eq(get("u/pod/x/memory.swap.max"), "7\n");
	/* Without the kernel's counting of swap, no limit of memory is one. */
	unlink_below("u/pod/x/memory.swap.max");
	ck_assert_int_eq(apply(cg, "{\"memory\":{\"limit\":-1}}"), ERR_OK);
	ck_assert(strncmp(get("u/pod/x/memory.max"), "max", 3) == 0);
	cgroup_put(cg);
}
END_TEST

/* 13.32: version 1 takes the values as they are; no limit of memory means
 * none of memory and swap. */
START_TEST(limits_v1_one_of_two)
{
	struct cgroup *cg;

	host_v1();
	cg = find();
	put("c/x/cpu.cfs_period_us", "25000");
	ck_assert_int_eq(apply(cg, "{\"memory\":{\"swap\":8192}}"), ERR_OK);
	ck_assert_str_eq(get("m/pod/x/memory.memsw.limit_in_bytes"), "8192\n");
	ck_assert_str_eq(get("m/pod/x/memory.limit_in_bytes"), "1000\n");
	ck_assert_int_eq(apply(cg, "{\"memory\":{\"limit\":-1}}"), ERR_OK);
	ck_assert(strncmp(get("m/pod/x/memory.limit_in_bytes"), "-1", 2) == 0);
	ck_assert(strncmp(get("m/pod/x/memory.memsw.limit_in_bytes"), "-1",
	    2) == 0);
	ck_assert_int_eq(apply(cg, "{\"cpu\":{\"period\":50000}}"), ERR_OK);
	ck_assert_str_eq(get("c/x/cpu.cfs_period_us"), "50000");
	ck_assert_str_eq(get("c/x/cpu.cfs_quota_us"), "");
	cgroup_put(cg);
}
END_TEST

/* What is refused has changed nothing. */
START_TEST(limits_refused)
{
	static const struct {
		const char *json;
		int code;
	} cases[] = {
		{ "", ERR_INVALID }, { "[]", ERR_INVALID },
		{ "{\"memory\":{\"limit\":\"x\"}}", ERR_INVALID },
		{ "{\"memory\":{\"limit\":1.5}}", ERR_INVALID },
		{ "{\"memory\":7}", ERR_INVALID },
		{ "{\"cpu\":{\"cpus\":3}}", ERR_INVALID },
		{ "{\"memory\":{\"limit\":1,\"swappiness\":3}}",
		    ERR_UNIMPLEMENTED },
		{ "{\"memory\":{\"limit\":1},\"blockIO\":{\"weight\":5}}",
		    ERR_UNIMPLEMENTED },
		{ "{\"memory\":{\"limit\":1},\"unified\":{\"a\":\"b\"}}",
		    ERR_UNIMPLEMENTED },
		{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\","
		    "\"limit\":1}]}", ERR_UNIMPLEMENTED },
		/* 13.32: below 0 there is -1 for none, where there may be. */
		{ "{\"memory\":{\"limit\":-2}}", ERR_INVALID },
		{ "{\"pids\":{\"limit\":-2}}", ERR_INVALID },
		{ "{\"cpu\":{\"shares\":-1}}", ERR_INVALID },
		{ "{\"cpu\":{\"period\":-1}}", ERR_INVALID },
	};
	struct cgroup *cg;
	size_t i;

	host_v1();
	cg = find();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(apply(cg, cases[i].json) == cases[i].code,
		    "%s", cases[i].json);
	ck_assert_str_eq(get("m/pod/x/memory.limit_in_bytes"), "1000\n");
	ck_assert_int_eq(apply(cg, "{}"), ERR_OK);
	ck_assert_int_eq(apply(cg, "{\"unified\":{},\"rdma\":null}"), ERR_OK);
	cgroup_put(cg);
}
END_TEST

static bool
is_there(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* In every hierarchy, and nothing that may be somebody else's. */
START_TEST(what_is_left_is_removed)
{
	char path[256];

	host_v1();
	put("m/pod/id/x", "");
	put("c/pod/id/x", "");
	snprintf(path, sizeof(path), "%s/c/pod/id/x", dir);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(cgroup_remove(NULL, "id", false));
	ck_assert(cgroup_remove("pod/id", "id", false));
	ck_assert(cgroup_remove("/pod/id", "id", false));
	ck_assert(is_there("c/pod/id"));
	ck_assert(cgroup_remove("/pod/id", "id", true));
	ck_assert(!is_there("c/pod/id"));
	ck_assert(is_there("c/pod"));
	ck_assert(is_there("m/pod/id/x"));
	ck_assert(cgroup_remove("/pod/id", "id", true));
}
END_TEST

static void
make_dir(const char *name)
{
	char path[256];

	put("x", "");
	snprintf(path, sizeof(path), "%s/%s/x", dir, name);
	put(path + strlen(dir) + 1, "");
	ck_assert_int_eq(unlink(path), 0);
}

/* 13.10: in whatever form the path is: where runsc makes it, it is removed, if
 * it was not there before. */
START_TEST(forms_of_paths)
{
	static const struct {
		const char *path, *v1_dir, *v2_dir;
	} forms[] = {
		{ NULL, "m/id", "u/id" },
		{ "/id", "m/id", "u/id" },
		{ "/a/id", "m/a/id", "u/a/id" },
		{ "/a/b", "m/a/b", "u/a/b" },
		{ "a/id", "m/sys/a/id", "u/a/id" },
		{ "a/b", "m/sys/a/b", "u/a/b" },
		{ "system.slice:runsc:id", "m/sys/system.slice:runsc:id",
		    "u/system.slice:runsc:id" },
		{ "x.slice:p:b", "m/sys/x.slice:p:b", "u/x.slice:p:b" },
	};
	size_t i;
	int v2;

	for (v2 = 0; v2 < 2; v2++)
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const char *path = forms[i].path, *at = v2 ? forms[i].v2_dir :
		    forms[i].v1_dir;

		(v2 ? host_v2 : host_v1)();
		ck_assert(!cgroup_exists(path, "id"));
		make_dir(at);
		ck_assert_msg(cgroup_exists(path, "id"), "%s", at);
		ck_assert(cgroup_remove(path, "id", false));
		ck_assert_msg(is_there(at), "%s", at);
		ck_assert(cgroup_remove(path, "id", true));
		ck_assert_msg(!is_there(at), "%s", at);
	}
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, forms_of_paths, what_is_left_is_removed, v1_is_found,
	    own_is_nobodys, v2_oom, event_scaled, metrics_v1, metrics_v2,
	    metrics_of_nonsense, limits_v1, limits_v2, limits_refused,
	    limits_v2_convert, limits_v2_total_below_limit,
	    limits_v1_one_of_two);
	tcase_add_loop_test(tc, metrics_of_sandbox, 0, 4);
}

int
main(void)
{
	return suite_run("cgroup", setup, teardown, add);
}
