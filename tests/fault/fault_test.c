/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault_test: the fault loop.  Each scenario is run again and again by the
 * shim that tests/fault/wrap.c is linked with: the 1st, 2nd, ... Nth
 * allocation or system call of the run fails, once or until the request in
 * hand is answered, until a run ends that had no fault.  After each:
 *
 *   - every request has been answered, in time; want of memory is
 *     ResourceExhausted (ask() in world.c says what else may come);
 *   - events are in order, none is there twice, no exit is lost or wrong;
 *   - all that there is can be deleted, and a new container lives and dies;
 *   - descriptors, allocations, processes, mounts and files are what they
 *     were.
 *
 * FAULT_SHIM is that shim, FAKE_BIN the directory with the fake as `runsc`.
 * To look at one: FAULT_ONLY is a test's number, FAULT_FROM=N begins with the
 * Nth fault, FAULT_LOG is a file for the shim's log.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

#define NTH_MAX 5000

struct scenario {
	const char *name;
	void (*run)(void);	/* the requests; stops where one fails */
	void (*ready)(void);	/* before the first fault; or NULL */
};

static enum fault_kind kind;
static bool lasting;
static unsigned nth;
static unsigned nleft;		/* runs that left something to `delete` */

/* Scenarios begin to count where something is new. */
static void
faults_from_here(void)
{
	arm(kind, lasting, nth, ROLE_DAEMON);
}

#define ASK(call) ask(#call, call)

/* -- events --------------------------------------------------------------- */

/* How often text is there, and where it is first. */
static unsigned
events_of(const char *text, const char **first)
{
	const char *p = sink_text();
	size_t n = strlen(text);
	unsigned k = 0;

	*first = NULL;
	for (; (p = strstr(p, text)); p += n) {
		/* A whole name, not the begin of another. */
		if (p[n] != ';' && p[n] != ' ')
			continue;
		if (k++ == 0)
			*first = p;
	}
	return k;
}

/* What was told of a process: name is ID or ID/EXEC. */
static void
check_events(const char *name, bool started)
{
	const char *begin, *end, *gone;
	char text[128];
	unsigned starts, exits;

	snprintf(text, sizeof(text), "Task%sStart%s %s",
	    strchr(name, '/') ? "Exec" : "", strchr(name, '/') ? "ed" : "",
	    name);
	starts = events_of(text, &begin);
	snprintf(text, sizeof(text), "TaskExit %s", name);
	exits = events_of(text, &end);
	snprintf(text, sizeof(text), "TaskDelete %s", name);
	events_of(text, &gone);
	MUST(starts <= 1 && exits <= 1, "%s: %u starts, %u exits: %s", name,
	    starts, exits, sink_text());
	MUST(!begin || !end || begin < end, "%s: exit before start: %s", name,
	    sink_text());
	MUST(!gone || !end || end < gone, "%s: exit after its end: %s", name,
	    sink_text());
	MUST(!started || (starts == 1 && exits == 1),
	    "%s: %u starts and %u exits: %s", name, starts, exits,
	    sink_text());
}

/* -- one container -------------------------------------------------------- */

static struct {
	const char *name;
	bool started;
} seen[16];			/* processes of this run */
static unsigned nseen;

static int out_fd = -1;		/* reads the FIFO "out" */
static int in_fd = -1;

static bool
create_full(const struct create_args *a)
{
	seen[nseen++].name = a->id;
	return ask("Create", task_create(c, a, NULL));
}

static bool
create(const char *id, const char *words, const char *annotations)
{
	struct create_args a = { .id = id, .in = "", .out = "", .err = "",
		.config_path = toml };

	a.bundle = make_bundle(id, words, annotations, false);
	return create_full(&a);
}

static bool
start(const char *id, const char *exec_id)
{
	char name[64];
	unsigned i;
	bool ok = ask("Start", task_start(c, id, exec_id, NULL));

	snprintf(name, sizeof(name), "%s%s%s", id, exec_id[0] ? "/" : "",
	    exec_id);
	for (i = 0; i < nseen; i++) {
		if (strcmp(seen[i].name, name) == 0)
			seen[i].started = ok;
	}
	return ok;
}

/* Wait says how it ended, and nothing else. */
static bool
ends(const char *id, const char *exec_id, unsigned status)
{
	struct task_reply t;

	if (!ask("Wait", task_wait(c, id, exec_id, &t)))
		return false;
	MUST(t.exit_status == status && t.exited_at, "Wait: status %u, not %u",
	    t.exit_status, status);
	return true;
}

static bool
delete(const char *id, const char *exec_id)
{
	return ask("Delete", task_delete(c, id, exec_id, NULL));
}

static void
open_fifos(void)
{
	mkfifo(in_dir("in"), 0600);
	mkfifo(in_dir("out"), 0600);
	out_fd = open(in_dir("out"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	in_fd = open(in_dir("in"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	MUST(out_fd >= 0 && in_fd >= 0, "FIFOs: %s", strerror(errno));
}

/*
 * The output, all of it if nothing failed; but a terminal that could not be
 * taken over, since no descriptor was left, is a line in the log: Start has
 * been answered by then.
 */
static void
check_output(const char *want, bool tty)
{
	char text[256];
	size_t n = 0;
	ssize_t r;
	int i;

	for (i = 0; i < 200 && n < strlen(want) && !(tty && ctl->hits &&
	    i > 20); i++) {
		r = read(out_fd, text + n, sizeof(text) - 1 - n);
		if (r > 0)
			n += (size_t)r;
		else
			poll(NULL, 0, 5);
	}
	text[n] = '\0';
	if (tty && kind == FAULT_CALL && ctl->hits && !text[0])
		return;
	MUST(!all_well() || strcmp(text, want) == 0, "output: \"%s\"", text);
}

static void
close_fifos(void)
{
	if (out_fd >= 0)
		close(out_fd);
	if (in_fd >= 0)
		close(in_fd);
	out_fd = in_fd = -1;
}

/* -- scenarios: each is tried with faults, and must work without ---------- */

static void
life(void)
{
	struct task_reply t;

	faults_from_here();
	if (!create("c1", "\"hang\"", "") || !start("c1", "") ||
	    !ASK(task_state(c, "c1", "", &t)) ||
	    !ASK(task_pids(c, "c1", &t)) ||
	    !ASK(task_connect(c, "c1", &t)) ||
	    !ASK(task_kill(c, "c1", "", SIGTERM, false)) ||
	    !ends("c1", "", 143))
		return;
	delete("c1", "");
}

/* With a rootfs to mount, stdio, an exit of its own. */
static void
output(void)
{
	struct create_args a = { .id = "c1", .err = "", .config_path = toml,
		.rootfs = "tmpfs" };

	open_fifos();
	a.in = in_dir("in");
	a.out = in_dir("out");
	a.bundle = make_bundle("c1", "\"read\",\"echo:hi\",\"exit:7\"", "",
	    false);
	faults_from_here();
	if (!create_full(&a) || !start("c1", ""))
		return;
	MUST(write(in_fd, "x\n", 2) == 2, "stdin: %s", strerror(errno));
	if (!ends("c1", "", 7))
		return;
	check_output("got:x\nhi\n", false);
	delete("c1", "");
}

static void
terminal(void)
{
	struct create_args a = { .id = "c1", .err = "", .config_path = toml,
		.terminal = true };
	char words[256];

	open_fifos();
	a.in = in_dir("in");
	a.out = in_dir("out");
	snprintf(words, sizeof(words), "\"tty\",\"wait:%s\",\"size\","
	    "\"exit:5\"", in_dir("b/c1/go"));
	a.bundle = make_bundle("c1", words, "", true);
	faults_from_here();
	if (!create_full(&a) || !start("c1", "") ||
	    !ASK(task_resize(c, "c1", "", 99, 33)))
		return;
	write_text(in_dir("b/c1/go"), "");
	if (!ends("c1", "", 5))
		return;
	check_output("tty\r\n33 99\r\n", true);
	delete("c1", "");
}

#define PROCESS(words) "{\"args\":[\"fake\"," words "],\"cwd\":\"/\"}"

static void
execs(void)
{
	if (!create("c1", "\"hang\"", "") || !start("c1", ""))
		return;
	open_fifos();
	faults_from_here();
	seen[nseen++].name = "c1/e1";
	if (!ASK(task_exec(c, "c1", "e1", PROCESS("\"echo:hi\",\"exit:3\""),
	    "", in_dir("out"), "", false)) || !start("c1", "e1") ||
	    !ends("c1", "e1", 3))
		return;
	check_output("hi\n", false);
	if (!delete("c1", "e1"))
		return;
	/* One that the end of the container ends. */
	seen[nseen++].name = "c1/e2";
	if (!ASK(task_exec(c, "c1", "e2", PROCESS("\"hang\""), "", "", "",
	    true)) || !start("c1", "e2") ||
	    !ASK(task_kill(c, "c1", "", SIGKILL, false)) ||
	    !ends("c1", "e2", 137))
		return;
	ends("c1", "", 137);
}

static void
controls(void)
{
	if (!create("c1", "\"hang\"", "") || !start("c1", ""))
		return;
	faults_from_here();
	if (!ASK(task_simple(c, "Pause", "c1")) ||
	    !ASK(task_simple(c, "Resume", "c1")) ||
	    !ASK(task_simple(c, "Stats", "c1")) ||
	    !ASK(task_update(c, "c1", "{\"memory\":{\"limit\":1000000}}")))
		return;
	mkdir(in_dir("image"), 0700);
	ASK(task_checkpoint(c, "c1", in_dir("image"), false));
}

#define POD(type) "\"io.kubernetes.cri.container-type\":\"" type "\"," \
	"\"io.kubernetes.cri.sandbox-id\":\"pod\""

/* The pod is there before; its containers come and go. */
static void
pod(void)
{
	struct task_reply t;

	if (!create("pod", "\"hang\"", POD("sandbox")) || !start("pod", ""))
		return;
	faults_from_here();
	if (!create("k1", "\"exit:7\"", POD("container")) ||
	    !start("k1", "") || !ends("k1", "", 7) || !delete("k1", "") ||
	    !create("k2", "\"hang\"", POD("container")) ||
	    !start("k2", "") || !ASK(task_pids(c, "k2", &t)) ||
	    !ASK(task_kill(c, "k2", "", SIGTERM, false)) ||
	    !ends("k2", "", 143))
		return;
	delete("k2", "");
}

static const struct scenario scenarios[] = {
	{ "life", life, NULL },
	{ "output", output, NULL },
	{ "terminal", terminal, NULL },
	{ "execs", execs, NULL },
	{ "controls", controls, NULL },
	{ "pod", pod, NULL },
};

/* -- the loop ------------------------------------------------------------- */

/* Whatever is left of the run goes, without a fault. */
static void
remove_all(void)
{
	struct task_reply t;
	const char *id;
	unsigned i;
	int code;

	/* Sub-containers before their pod. */
	for (i = nseen; i-- > 0;) {
		id = seen[i].name;
		if (strchr(id, '/'))
			continue;
		task_kill(c, id, "", SIGKILL, true);
		code = task_state(c, id, "", &t);
		MUST(code == 0 || code == 5, "State of %s: %s", id,
		    client_error);
		if (code == 5)
			continue;
		if (t.status != 1)
			MUST(task_wait(c, id, "", &t) == 0, "Wait of %s: %s",
			    id, client_error);
		code = task_delete(c, id, "", NULL);
		MUST(code == 0, "Delete of %s: %d %s", id, code,
		    client_error);
	}
}

/* A new container lives and dies as if nothing had been. */
static void
live_on(void)
{
	struct task_reply t;
	struct create_args a = { .id = "new", .in = "", .out = "", .err = "",
		.config_path = toml };

	a.bundle = make_bundle("new", "\"exit:9\"", "", false);
	MUST(task_create(c, &a, NULL) == 0, "Create afterwards: %s",
	    client_error);
	MUST(task_start(c, "new", "", NULL) == 0, "Start afterwards: %s",
	    client_error);
	MUST(task_wait(c, "new", "", &t) == 0 && t.exit_status == 9,
	    "Wait afterwards: %u, %s", t.exit_status, client_error);
	MUST(task_delete(c, "new", "", NULL) == 0, "Delete afterwards: %s",
	    client_error);
	MUST(sink_wait("TaskDelete new;", 5000), "events: %s", sink_text());
}

/*
 * Nothing is left over.  Where the fault was a system call that would have
 * told what there is to remove, or started what removes it, removing it is
 * left to the verb `delete`, which containerd runs when a container is gone.
 */
static void
check_left_over(void)
{
	char why[4096], out[256];
	unsigned i;

	if (nth == 0) {
		remember();
		return;
	}
	if (same_as_ever(kind == FAULT_CALL && lasting ? 200 : 3000, why,
	    sizeof(why)))
		return;
	MUST(kind == FAULT_CALL && ctl->hits, "%s", why);
	for (i = nseen; i-- > 0;) {
		if (!strchr(seen[i].name, '/'))
			run_verb(in_dir("b/%s", seen[i].name), seen[i].name,
			    "delete", out, sizeof(out));
	}
	MUST(same_as_ever(3000, why, sizeof(why)), "%s", why);
	nleft++;
	if (getenv("FAULT_TALK"))
		printf("%u: %s %llx\n", nth, ctl->name, (unsigned long long)ctl->caller);
}

/* One run with its end; false if no fault was hit. */
static bool
one_run(const struct scenario *s)
{
	unsigned i;
	bool hit;

	sink_clear();
	memset(seen, 0, sizeof(seen));
	nseen = 0;
	c = client_connect(address);
	MUST(c != NULL, "connect: %s", strerror(errno));
	s->run();
	hit = ctl->hits > 0;
	lift();
	MUST(hit || all_well(), "a run without a fault failed");
	remove_all();
	live_on();
	for (i = 0; i < nseen; i++)
		check_events(seen[i].name, seen[i].started);
	check_left_over();
	close_fifos();
	client_close(c);
	c = NULL;
	remove_tree(in_dir("b"));
	remove_tree(in_dir("image"));
	unlink(in_dir("in"));
	unlink(in_dir("out"));
	mkdir(in_dir("b"), 0700);
	return hit;
}

static const struct {
	const char *name;
	enum fault_kind kind;
	bool lasting;
} kinds[] = {
	{ "allocation, once", FAULT_ALLOC, false },
	{ "allocation, lasting", FAULT_ALLOC, true },
	{ "system call, once", FAULT_CALL, false },
	{ "system call, lasting", FAULT_CALL, true },
};

START_TEST(loop)
{
	const struct scenario *s = &scenarios[_i / 4];
	const char *from = getenv("FAULT_FROM");

	kind = FAULT_OFF;
	make_bundle("any", "", "", false);
	start_daemon("any", in_dir("b/any"));
	/* What is made once is made now. */
	nth = 0;
	one_run(s);
	one_run(s);
	kind = kinds[_i % 4].kind;
	lasting = kinds[_i % 4].lasting;
	nleft = 0;
	for (nth = from ? (unsigned)atoi(from) : 1; one_run(s); nth++)
		MUST(nth < NTH_MAX, "there is no end");
	stop_daemon();
	printf("%s, %s: %u faults", s->name, kinds[_i % 4].name, nth - 1);
	printf(nleft ? ", %u of them left something to the verb delete\n" :
	    "\n", nleft);
}
END_TEST

/* ------------------------------------------------------------------------- */

/* Mounts of our own: as root, or as root of a user namespace. */
static bool
own_mounts(void)
{
	if (unshare(CLONE_NEWNS) < 0 &&
	    unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	return mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

int
main(void)
{
	Suite *s = suite_create("fault");
	TCase *tc = tcase_create("fault");
	const char *only;
	SRunner *sr;
	int failed;

	if (getenv("EMULATOR")) {
		printf("skipped: faults under an emulator\n");
		return 0;
	}
	if (!own_mounts())
		printf("skipped: faults of mounts: no mount namespaces\n");
	strcpy(base, "/tmp/fault.XXXXXX");
	if (!mkdtemp(base))
		return 1;
	tcase_add_checked_fixture(tc, world_open, world_close);
	tcase_set_timeout(tc, 600);
	only = getenv("FAULT_ONLY");
	if (only)
		tcase_add_loop_test(tc, loop, atoi(only), atoi(only) + 1);
	else
		tcase_add_loop_test(tc, loop, 0, 4 * (int)(sizeof(scenarios) /
		    sizeof(scenarios[0])));
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	world_clean_up();
	return failed != 0;
}
