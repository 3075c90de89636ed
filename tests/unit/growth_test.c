/* SPDX-License-Identifier: Apache-2.0 */
/*
 * growth_test: nothing takes longer by more than what a client sends grows.
 *
 * 13.30.  Each case does its work once with 16 times the input, and 16 times
 * with the input, and compares the processor's time of both: what is linear
 * takes about as long, what is quadratic 16 times as long.  The best of some
 * tries counts, so that a busy machine tells nothing wrong.
 */
#include <check.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conf/spec.h"
#include "host/cgroup.h"
#include "host/mount.h"
#include "json.h"
#include "state.h"
#include "tests/files.h"
#include "tests/suite.h"

#define TIMES 16
#define SMALL 200
#define RATIO_MAX 6
#define TRIES 5

#define HINT "dev.gvisor.spec.mount."

static char *text;		/* what make() wrote */
static size_t text_len, text_cap;

static void put(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static void
put(const char *format, ...)
{
	va_list ap;

	if (text_cap - text_len < 512) {
		text_cap = 2 * text_cap + 4096;
		text = realloc(text, text_cap);
		ck_assert_ptr_nonnull(text);
	}
	va_start(ap, format);
	text_len += (size_t)vsnprintf(text + text_len, text_cap - text_len,
	    format, ap);
	va_end(ap);
}

static void
write_config(void)
{
	FILE *f = fopen(in_dir("config.json"), "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, text_len, f), text_len);
	fclose(f);
}

/* -- the cases ------------------------------------------------------------ */

static void
put_pod(const char *type)
{
	put("{\"annotations\":{\"io.kubernetes.cri.container-type\":\"%s\","
	    "\"io.kubernetes.cri.sandbox-id\":\"p\","
	    "\"io.kubernetes.cri.sandbox-log-directory\":\"/l/a_b_uid\"",
	    type);
}

/* As many volumes and mounts; the mounts name other volumes than those. */
static void
make_mounts(unsigned n, bool same)
{
	unsigned i;

	put_pod("container");
	for (i = 0; i < n; i++)
		put(",\"" HINT "v%u.type\":\"tmpfs\"", i);
	put("},\"mounts\":[");
	for (i = 0; i < n; i++)
		put("%s{\"destination\":\"/d%u\",\"type\":\"bind\","
		    "\"source\":\"%s/pods/uid/volumes/x/%c%u\","
		    "\"options\":[\"rbind\",\"ro\"]}", i ? "," : "", i, dir,
		    same ? 'v' : 'w', i);
	put("]}");
	write_config();
}

static void
make_strange_mounts(unsigned n)
{
	make_mounts(n, false);
}

static void
make_volume_mounts(unsigned n)
{
	make_mounts(n, true);
}

static void
make_hints(unsigned n)
{
	unsigned i;

	put_pod("sandbox");
	for (i = 0; i < n; i++)
		put(",\"" HINT "v%u.type\":\"bind\"", i);
	put("},\"mounts\":[]}");
	write_config();
}

/* Options of one mount, the one that becomes a tmpfs. */
static void
make_options(unsigned n)
{
	unsigned i;

	put_pod("container");
	put("},\"mounts\":[{\"destination\":\"/dev/shm\",\"type\":\"bind\","
	    "\"source\":\"/s\",\"options\":[\"bind\"");
	for (i = 0; i < n; i++)
		put(",\"o%u\"", i);
	put("]}]}");
	write_config();
}

static void
make_namespaces(unsigned n)
{
	unsigned i;

	put("{\"linux\":{\"namespaces\":[{\"type\":\"user\"}");
	for (i = 0; i < n; i++)
		put(",{\"type\":\"mount\",\"path\":\"/p%u\"}", i);
	put("]}}");
	write_config();
}

static void
run_rewrite(void)
{
	struct spec s;
	struct err e;

	ck_assert_msg(spec_read(&s, dir, &e) == 0, "%s", e.msg);
	ck_assert_msg(spec_rewrite(&s, dir, dir, true, &e) == 0, "%s", e.msg);
	spec_free(&s);
	write_config();
}

static void
make_interfaces(unsigned n)
{
	unsigned i;

	put("{\"data\":{\"network_interfaces\":[{\"Name\":\"lo\"}");
	for (i = 0; i < n; i++)
		put(",{\"Name\":\"eth%u\",\"RxBytes\":7}", i);
	put("]}}");
}

static void
run_metrics(void)
{
	struct pb_out o;
	struct err e;

	pb_out_init(&o, NULL, 0);
	ck_assert_msg(metrics_encode(&o, text, text_len, NULL, METRICS_ALONE,
	    0, &e) !=
	    NULL, "%s", e.msg);
	pb_out_free(&o);
}

static void
make_array(unsigned n)
{
	unsigned i;

	put("{\"list\":[0");
	for (i = 0; i < n; i++)
		put(",{\"k\":%u}", i);
	put("],\"box\":{}}");
}

/* Removed, replaced, set and appended, and each of it twice. */
static void
run_edits(void)
{
	struct json_edits ed = { 0 };
	struct json_out o = { 0 };
	struct json j;
	struct err e;
	char key[32];
	int list, box, tok, i;
	unsigned n;

	ck_assert_int_eq(json_parse(&j, text, text_len, &e), 0);
	list = json_get(&j, 0, "list");
	box = json_get(&j, 0, "box");
	for (i = 0; i < 2; i++) {
		n = 0;
		for (tok = json_first(&j, list); tok >= 0;
		    tok = json_next(&j, list, tok), n++) {
			if (n % 3 == 0)
				json_edit_remove(&ed, &j, tok);
			else if (n % 3 == 1)
				json_edit_set(&ed, &j, tok, "k", "1");
			snprintf(key, sizeof(key), "key%u", n);
			json_edit_append(&ed, &j, box, key, "2");
		}
	}
	ck_assert_msg(json_edit_apply(&ed, &j, &o, &e) == 0, "%s", e.msg);
	json_edits_free(&ed);
	json_out_free(&o);
	json_free(&j);
}

/* Limits of what is not there, and devices, which are not looked at. */
static void
make_resources(unsigned n)
{
	unsigned i;

	put("{\"devices\":[{}");
	for (i = 0; i < n; i++)
		put(",{\"allow\":false,\"access\":\"rwm%u\"}", i);
	put("],\"unified\":{\"\":\"\"");
	for (i = 0; i < n; i++)
		put(",\"a%u\":\"\"", i);
	put("}}");
}

static void
run_limits(void)
{
	struct cgroup *cg;
	struct err e;
	int ret;

	write_text(in_dir("self/cgroup"), "0::/system\n");
	write_text(in_dir("7/cgroup"), "0::/pod\n");
	write_text(in_dir("self/mountinfo"),
	    "30 1 0:2 / /none rw - cgroup2 cgroup2 rw\n");
	cgroup_set_proc(dir);
	cg = cgroup_get(7, &e);
	ck_assert_msg(cg != NULL, "%s", e.msg);
	ret = limits_apply(cg, text, text_len, &e);
	ck_assert_msg(ret == 0, "%s", e.msg);
	cgroup_put(cg);
}

/* Pids' answer: 16 processes inside for each exec. */
static struct container pod;

static void
make_execs(unsigned n)
{
	static struct process procs[EXECS_MAX];
	unsigned i;

	for (i = 0; i < n; i++) {
		procs[i].internal_pid = (pid_t)(16 * i + 3);
		procs[i].next = i ? &procs[i - 1] : NULL;
	}
	pod.execs = &procs[n - 1];
	pod.nexecs = n;
}

static void
run_pids(void)
{
	const struct process *slots[EXEC_SLOTS], *p;
	uint32_t pid;
	unsigned found = 0;

	state_index_execs(&pod, slots);
	for (pid = 1; pid <= 16 * pod.nexecs; pid++) {
		p = state_exec_of_pid(slots, pid);
		ck_assert((p != NULL) == (pid % 16 == 3));
		found += p != NULL && (uint32_t)p->internal_pid == pid;
	}
	ck_assert_uint_eq(found, pod.nexecs);
}

/* Mounts below the one that is undone, and the host's own. */
static unsigned nmounts;

static void
make_tree(unsigned n)
{
	nmounts = n;
}

static void
run_undo(void)
{
	char path[128];
	struct err e;
	unsigned i;

	if (geteuid() != 0)
		return;
	for (i = 0; i < nmounts; i++) {
		snprintf(path, sizeof(path), "%s/pods/uid/volumes/x/v%u", dir,
		    i);
		ck_assert_int_eq(mount("t", path, "tmpfs", 0, ""), 0);
	}
	snprintf(path, sizeof(path), "%s/pods", dir);
	ck_assert_msg(mount_undo(path, &e) == 0, "%s", e.msg);
}

static const struct work {
	const char *name;
	void (*make)(unsigned n);
	void (*run)(void);
	unsigned small;
} works[] = {
	{ "annotations and other mounts", make_strange_mounts, run_rewrite,
	    SMALL },
	{ "annotations and their mounts", make_volume_mounts, run_rewrite,
	    SMALL },
	{ "annotations of a sandbox", make_hints, run_rewrite, SMALL },
	{ "options of a mount", make_options, run_rewrite, 10 * SMALL },
	{ "namespaces", make_namespaces, run_rewrite, 10 * SMALL },
	{ "interfaces", make_interfaces, run_metrics, 10 * SMALL },
	{ "edits", make_array, run_edits, SMALL },
	{ "resources", make_resources, run_limits, 10 * SMALL },
	{ "processes and execs", make_execs, run_pids, EXECS_MAX / TIMES },
	{ "mounts", make_tree, run_undo, SMALL / 5 },
};

/* -- measuring ------------------------------------------------------------ */

static int64_t
used(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int64_t
cost(const struct work *w, unsigned n, unsigned times)
{
	int64_t began;

	text_len = 0;
	w->make(n);
	w->run();
	began = used();
	while (times-- > 0)
		w->run();
	return used() - began;
}

static void
setup(void)
{
	char path[128];
	unsigned i;

	/* For the mounts; each test is a process of its own. */
	if (geteuid() == 0 && (unshare(CLONE_NEWNS) < 0 ||
	    mount("", "/", "", MS_PRIVATE | MS_REC, "") < 0))
		ck_abort_msg("no mount namespace");
	strcpy(dir, "/tmp/growth-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/self", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/7", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/pods", dir);
	mkdir(path, 0700);
	strcat(path, "/uid");
	mkdir(path, 0700);
	strcat(path, "/volumes");
	mkdir(path, 0700);
	strcat(path, "/x");
	mkdir(path, 0700);
	for (i = 0; i < SMALL * TIMES; i++) {
		snprintf(path, sizeof(path), "%s/pods/uid/volumes/x/v%u", dir,
		    i);
		mkdir(path, 0700);
	}
}

static void
teardown(void)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
	free(text);
	text = NULL;
}

START_TEST(is_linear)
{
	const struct work *w = &works[_i];
	int64_t one = 0, many = 0;
	int i;

	for (i = 0; i < TRIES; i++) {
		many = cost(w, w->small, TIMES);
		one = cost(w, w->small * TIMES, 1);
		if (one < RATIO_MAX * many)
			return;
	}
	ck_abort_msg("%s: %lld us for %u, %lld us for %u times %u", w->name,
	    (long long)one / 1000, w->small * TIMES, (long long)many / 1000,
	    TIMES, w->small);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_loop_test(tc, is_linear, 0,
	    (int)(sizeof(works) / sizeof(works[0])));
}

int
main(void)
{
	return suite_run("growth", setup, teardown, add);
}
