/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soak: a long life with accidents, on the fake runsc.  Execs in one container,
 * sub-containers in one pod, containers with a shim each; meanwhile containerd
 * goes away and comes back (the event socket, and the connection with requests
 * under way), and children are killed: processes of execs, sandboxes, runsc
 * commands at work, the shim itself.
 *
 * What must be true in the end.  Every exit was told once, after its start,
 * and Wait, Delete and the event agree on a status; it is what the process
 * ended with, or 137 for what was killed.  The one thing that may have either
 * end is a start whose runsc was killed at work: refused and never told, or
 * started and then as above.  The shim's memory, descriptors, threads, children
 * and the files of its bundle are what they were after the first of it all.
 *
 * SOAK_EXECS, SOAK_CONTAINERS: how many; SOAK_SEED: other chances, the same
 * each time.  SHIM and FAKE_BIN as in ../it/host.h.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/pb.h"
#include "../it/client.h"
#include "../it/host.h"

#define BATCH 8
#define LONG_S 7200	/* the soak of an hour, twice */
#define EVENTS_MS 20000		/* events are sent again after 5 s at most */
/* What may differ: pages that malloc touches or keeps by chance. */
#define MEMORY_SLACK_KIB 16
#define STARTED "TaskExecStarted"

static unsigned long long rnd;

static unsigned
chance(unsigned n)
{
	rnd ^= rnd << 13;
	rnd ^= rnd >> 7;
	rnd ^= rnd << 17;
	return (unsigned)((rnd >> 16) % n);
}

static unsigned
number(const char *name, unsigned otherwise)
{
	const char *v = getenv(name);

	return v && v[0] ? (unsigned)strtoul(v, NULL, 0) : otherwise;
}

/* -- what a shim holds ---------------------------------------------------- */

struct holds {
	unsigned memory_kib;	/* private */
	unsigned fds, threads, children, files;
};

static struct holds
holds_now(int pid, const char *bundle)
{
	struct holds h = { 0 };
	char path[64], line[128];
	unsigned kib;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "r");
	ck_assert(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Private_Clean: %u", &kib) == 1 ||
		    sscanf(line, "Private_Dirty: %u", &kib) == 1)
			h.memory_kib += kib;
	}
	fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	h.threads = entries(path);
	h.fds = count_fds(pid) - 2;
	h.children = count_children(pid);
	h.files = entries(bundle);
	return h;
}

static void
say(const char *when, const struct holds *h)
{
	printf("%s: %u KiB private, %u descriptors, %u threads, %u children, "
	    "%u files of the bundle\n", when, h->memory_kib, h->fds,
	    h->threads, h->children, h->files);
}

/* As before, or in a moment: what ends does so after its Delete. */
static void
same_as_before(const struct holds *before, int pid, const char *bundle)
{
	struct holds h;
	int i;

	for (i = 0; i < 300; i++) {
		h = holds_now(pid, bundle);
		if (h.memory_kib <= before->memory_kib + MEMORY_SLACK_KIB &&
		    h.fds == before->fds && h.threads == before->threads &&
		    h.children == before->children &&
		    h.files == before->files)
			break;
		sleep_ms(10);
	}
	say("after it", &h);
	ck_assert_uint_le(h.memory_kib,
	    before->memory_kib + MEMORY_SLACK_KIB);
	ck_assert_uint_eq(h.fds, before->fds);
	ck_assert_uint_eq(h.threads, before->threads);
	ck_assert_uint_eq(h.children, before->children);
	ck_assert_uint_eq(h.files, before->files);
}

/* -- containerd comes and goes -------------------------------------------- */

static unsigned away;		/* batches until the sink is there again */
static unsigned restarts, hang_ups;

static void
containerd_leaves(unsigned batches)
{
	if (away)
		return;
	sink_close();
	unlink(events_path);
	away = batches;
	restarts++;
}

static void
containerd_is_back(void)
{
	if (away && --away == 0)
		sink_open(events_path);
}

/* With a request under way, whose reply nobody takes. */
static void
hang_up(const char *id)
{
	task_wait_send(c, id, "");
	client_close(c);
	c = client_connect(address);
	ck_assert_msg(c != NULL, "connect again: %s", strerror(errno));
	hang_ups++;
}

/* -- lives ---------------------------------------------------------------- */

enum end { EXITS, SIGNALLED, KILLED, MURDERED, PRINTS, CUT, ENDS };

static const char *const end_names[ENDS] = {
	"exited", "died of a signal", "killed by request",
	"killed from outside", "printed", "had their start cut short",
};

static unsigned long count[ENDS], told, refused;

/* One process, init or exec. */
struct life {
	enum end end;
	char id[24], exec_id[24];
	unsigned status;	/* that must be told */
	bool ran;
};

static const char *
name_of(const struct life *l)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s%s%s", l->id,
	    l->exec_id[0] ? "/" : "", l->exec_id);
	return text;
}

/* The words of the fake's language for a life, and its end.  own: it has a
 * process on the host that can be killed. */
static void
plan(struct life *l, bool own, char *words, size_t cap)
{
	static const unsigned signals[] = { 9, 15, 6 };
	unsigned n;

	l->end = (enum end)chance(ENDS);
	/* Accidents are rarer than the rest. */
	if (l->end == CUT && chance(4))
		l->end = EXITS;
	if (l->end == MURDERED && !own)
		l->end = KILLED;
	if (l->end == SIGNALLED) {
		n = signals[chance(3)];
		l->status = 128 + n;
		snprintf(words, cap, "\"kill:%u\"", n);
	} else if (l->end == KILLED || l->end == MURDERED) {
		l->status = 137;
		snprintf(words, cap, "\"hang\"");
	} else if (l->end == PRINTS) {
		l->status = 0;
		snprintf(words, cap, "\"echo:%s\"", name_of(l));
	} else {
		l->status = chance(127);
		snprintf(words, cap, "\"exit:%u\"", l->status);
	}
	count[l->end]++;
}

/* Start it, and see to its end. */
static void
let_live(struct life *l, int daemon)
{
	struct task_reply t;
	struct reply r;
	struct pb_out o;
	uint32_t stream;

	if (l->end == CUT) {
		pb_out_init(&o, NULL, 0);
		pb_put_str(&o, 1, l->id);
		if (l->exec_id[0])
			pb_put_str(&o, 2, l->exec_id);
		stream = client_send(c, "Start", o.p, o.len);
		pb_out_free(&o);
		sleep_ms((int)chance(3));
		kill_commands(daemon);
		ck_assert_msg(client_recv(c, stream, &r, CLIENT_WAIT_MS),
		    "%s: start is not answered", name_of(l));
		l->ran = r.code == 0;
		refused += !l->ran;
		return;
	}
	ck_assert_msg(task_start(c, l->id, l->exec_id, &t) == 0, "start %s: %s",
	    name_of(l), client_error);
	l->ran = true;
	if (l->end == KILLED)
		ck_assert_msg(task_kill(c, l->id, l->exec_id, SIGKILL,
		    false) == 0, "kill %s: %s", name_of(l), client_error);
	else if (l->end == MURDERED)
		kill((pid_t)t.pid, SIGKILL);
}

/* Wait and Delete say the same, and what it must be. */
static void
look_at_end(const struct life *l)
{
	struct task_reply t;
	int code;

	if (l->ran) {
		ck_assert_msg(task_wait(c, l->id, l->exec_id, &t) == 0,
		    "wait %s: %s", name_of(l), client_error);
		ck_assert_msg(t.exit_status == l->status, "%s, %s: wait says "
		    "%u, not %u", name_of(l), end_names[l->end],
		    t.exit_status, l->status);
		ck_assert(t.exited_at);
	}
	code = task_delete(c, l->id, l->exec_id, &t);
	ck_assert_msg(code == 0, "delete %s: %s", name_of(l), client_error);
	ck_assert_msg(!l->ran || t.exit_status == l->status,
	    "%s: delete says %u, not %u", name_of(l), t.exit_status,
	    l->status);
}

static unsigned
times(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

/* Its end is among the events once, with its status, after its start. */
static void
look_at_events(const struct life *l)
{
	char any[96], whole[96], start[96];

	snprintf(any, sizeof(any), "TaskExit %s ", name_of(l));
	snprintf(whole, sizeof(whole), "TaskExit %s %u;", name_of(l),
	    l->status);
	snprintf(start, sizeof(start), "%s %s;", l->exec_id[0] ?
	    STARTED : "TaskStart", name_of(l));
	if (!l->ran) {
		/* An exec that never ran has none; init always has one. */
		if (l->exec_id[0])
			ck_assert_uint_eq(times(sink_text(), any), 0);
		ck_assert_uint_eq(times(sink_text(), start), 0);
		return;
	}
	ck_assert_msg(sink_wait(whole, EVENTS_MS), "%s (%s): no %s in %s",
	    name_of(l), end_names[l->end], whole, sink_text());
	ck_assert_msg(times(sink_text(), any) == 1, "%s: exits told: %s",
	    name_of(l), sink_text());
	ck_assert_msg(strstr(sink_text(), start) &&
	    strstr(sink_text(), start) < strstr(sink_text(), whole),
	    "%s: no start before its exit: %s", name_of(l), sink_text());
	told++;
}

static void
summary(const char *what, unsigned n)
{
	int i;

	printf("%u %s, %lu exits told; containerd away %u times, %u hang-ups, "
	    "%lu starts refused\n", n, what, told, restarts, hang_ups,
	    refused);
	for (i = 0; i < ENDS; i++)
		printf("  %lu %s\n", count[i], end_names[i]);
}

/* A file that a process that prints has written, whole. */
static void
look_at_output(const struct life *l)
{
	char want[80], *file = in_dir("out.%s", l->exec_id[0] ? l->exec_id :
	    l->id);

	if (l->end == PRINTS) {
		snprintf(want, sizeof(want), "%s\n", name_of(l));
		ck_assert_str_eq(read_text(file), want);
		unlink(file);
	}
}

/* -- execs in one container ----------------------------------------------- */

static void
exec_batch(unsigned first, unsigned n, int daemon, struct life *lives)
{
	char words[80], process[200], out[160];
	unsigned i;

	for (i = 0; i < n; i++) {
		struct life *l = &lives[i];

		memset(l, 0, sizeof(*l));
		strcpy(l->id, "c1");
		snprintf(l->exec_id, sizeof(l->exec_id), "e%u", first + i);
		plan(l, true, words, sizeof(words));
		snprintf(process, sizeof(process), PROCESS("%s"), words);
		snprintf(out, sizeof(out), "file://%s",
		    in_dir("out.%s", l->exec_id));
		ck_assert_msg(task_exec(c, "c1", l->exec_id, process, "",
		    l->end == PRINTS ? out : "", "", false) == 0,
		    "exec: %s", client_error);
		let_live(l, daemon);
	}
	for (i = 0; i < n; i++) {
		look_at_end(&lives[i]);
		look_at_output(&lives[i]);
	}
}

START_TEST(execs)
{
	static struct life lives[BATCH * 12];
	unsigned all = number("SOAK_EXECS", 100000), done = 0, kept = 0, i;
	struct holds before;
	bool warm = false;
	int daemon;

	run("c1", "\"hang\"");
	daemon = daemon_pid();
	while (done < all) {
		exec_batch(done, BATCH, daemon, &lives[kept]);
		done += BATCH;
		kept += BATCH;
		if (chance(300) == 0)
			containerd_leaves(1 + chance(10));
		if (chance(50) == 0)
			hang_up("c1");
		containerd_is_back();
		if (away)
			continue;
		for (i = 0; i < kept; i++)
			look_at_events(&lives[i]);
		kept = 0;
		sink_clear();
		write_text(in_dir("calls"), "");
		if (!warm && done >= all / 20) {
			warm = true;
			/* What it holds now is the measure: it shall be at
			 * rest, and does not say when it is. */
			sleep_ms(500);
			before = holds_now(daemon, in_dir("b/c1"));
			say("after a twentieth", &before);
		}
	}
	while (away)
		containerd_is_back();
	for (i = 0; i < kept; i++)
		look_at_events(&lives[i]);
	summary("execs", done);
	ck_assert(warm);
	same_as_before(&before, daemon, in_dir("b/c1"));
	remove_container("c1");
	shut_down();
}
END_TEST

/* -- containers ----------------------------------------------------------- */

#define CRI "io.kubernetes.cri."

/* A container of the plan; with no shim yet, one of its own. */
static void
one_container(struct life *l, const char *annotations, int *daemon)
{
	struct create_args a = {
		.id = l->id, .in = "", .err = "", .out = "",
		.config_path = toml,
	};
	char words[80], out[160];

	plan(l, !annotations[0], words, sizeof(words));
	a.bundle = make_bundle(l->id, words, annotations, false);
	snprintf(out, sizeof(out), "file://%s", in_dir("out.%s", l->id));
	if (l->end == PRINTS)
		a.out = out;
	if (!c)
		start_shim(l->id, a.bundle);
	if (!*daemon)
		*daemon = daemon_pid();
	ck_assert_msg(task_create(c, &a, NULL) == 0, "create %s: %s", l->id,
	    client_error);
	let_live(l, *daemon);
}

/* Sub-containers that come and go in one pod. */
START_TEST(pod)
{
	static const char sandbox[] = "\"" CRI "container-type\":\"sandbox\","
	    "\"" CRI "sandbox-id\":\"pod\"";
	static const char sub[] = "\"" CRI "container-type\":\"container\","
	    "\"" CRI "sandbox-id\":\"pod\"";
	unsigned all = number("SOAK_CONTAINERS", 2000) / 2, i;
	struct create_args a = {
		.id = "pod", .in = "", .out = "", .err = "",
		.config_path = toml,
	};
	struct holds before = { 0 };
	int daemon = 0;

	a.bundle = make_bundle("pod", "\"hang\"", sandbox, false);
	start_shim("pod", a.bundle);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, "pod", "", NULL), 0);
	for (i = 0; i < all; i++) {
		struct life l = { 0 };

		snprintf(l.id, sizeof(l.id), "k%u", i);
		one_container(&l, sub, &daemon);
		if (chance(40) == 0)
			containerd_leaves(1);
		if (chance(10) == 0)
			hang_up(l.id);
		look_at_end(&l);
		look_at_output(&l);
		containerd_is_back();
		look_at_events(&l);
		sink_clear();
		write_text(in_dir("calls"), "");
		remove_tree(in_dir("b/%s", l.id));
		if (i == all / 10) {
			sleep_ms(300);	/* as above */
			before = holds_now(daemon, in_dir("b/pod"));
			say("after a tenth", &before);
		}
	}
	summary("containers of a pod", all);
	same_as_before(&before, daemon, in_dir("b/pod"));
	remove_container("pod");
	shut_down();
}
END_TEST

static void
nothing_of(const char *id)
{
	int i;

	for (i = 0; i < 300; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (count_processes() == 0)
			break;
		sleep_ms(10);
	}
	ck_assert_msg(count_processes() == 0, "%s: processes are left", id);
	ck_assert_msg(access(address, F_OK) < 0, "%s: its socket is left", id);
	ck_assert_msg(access(in_dir("root/ns/%s", id), F_OK) < 0,
	    "%s: runsc's state is left", id);
}

/* The shim dies; `delete` is all that is left to clean up. */
static void
kill_shim(const char *id, int daemon)
{
	char out[256];
	size_t n;

	kill(daemon, SIGKILL);
	waitpid(daemon, NULL, 0);
	client_close(c);
	c = NULL;
	ck_assert_int_eq(run_verb(in_dir("b/%s", id), id, "delete", out,
	    sizeof(out), &n), 0);
	ck_assert(n > 0);
}

START_TEST(shims)
{
	unsigned all = number("SOAK_CONTAINERS", 2000) / 2, i, killed = 0;
	char out[256];

	for (i = 0; i < all; i++) {
		struct life l = { 0 };
		int daemon = 0;

		snprintf(l.id, sizeof(l.id), "s%u", i);
		if (chance(40) == 0)
			containerd_leaves(1);
		one_container(&l, "", &daemon);
		if (chance(10) == 0) {
			kill_shim(l.id, daemon);
			killed++;
			containerd_is_back();
		} else {
			look_at_end(&l);
			look_at_output(&l);
			containerd_is_back();
			look_at_events(&l);
			shut_down();
			ck_assert_int_eq(run_verb(in_dir("b/%s", l.id), l.id,
			    "delete", out, sizeof(out), NULL), 0);
		}
		unlink(in_dir("out.%s", l.id));
		nothing_of(l.id);
		remove_tree(in_dir("b/%s", l.id));
		sink_clear();
		write_text(in_dir("calls"), "");
	}
	summary("containers with a shim each", all);
	printf("  %u shims were killed\n", killed);
	ck_assert_uint_eq(entries(in_dir("b")), 0);
	ck_assert_uint_eq(entries(in_dir("s")), 0);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, execs, pod, shims);
	tcase_set_timeout(tc, LONG_S);
}

int
main(void)
{
	unsigned seed = number("SOAK_SEED", 1);

	printf("SOAK_SEED=%u\n", seed);
	rnd = seed * 0x9e3779b97f4a7c15ULL + 1;
	return host_run("soak", add);
}
