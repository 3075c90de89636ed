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
#include <sys/wait.h>
#include <unistd.h>

#include "tests/suite.h"
#include "wire/pb.h"
#include "world.h"

#define NTH_MAX 5000

struct scenario {
	const char *name;
	void (*run)(void);	/* requests to a daemon; stops if one fails */
	bool (*whole)(void);	/* or all of a run; false: there was no fault */
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

/* Where the sandbox's answer was lost, runsc is asked in its place; by then the
 * first signal may have done its work. */
static bool
kill_it(const char *id, const char *exec_id, unsigned sig)
{
	int code = task_kill(c, id, exec_id, sig, false);

	return ask("Kill", code == NOT_FOUND && ctl->hits ? 0 : code);
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
 * Read the output, which the exit waits for: all of it if nothing failed; but a
 * terminal that could not be taken over, since no descriptor was left, is a
 * line in the log: Start has been answered by then.
 */
static void
check_output(const char *want, bool tty)
{
	char text[256];
	size_t n = 0;
	ssize_t r;
	int i;

	for (i = 0; i < 200 && n < strlen(want) && !(tty && ctl->hits &&
	    n == 0 && i > 20); i++) {
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
	    !kill_it("c1", "", SIGTERM) ||
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
	check_output("got:x\nhi\n", false);
	if (!ends("c1", "", 7))
		return;
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
	check_output("tty\r\n33 99\r\n", true);
	if (!ends("c1", "", 5))
		return;
	delete("c1", "");
}

#define PROCESS(words) "{\"args\":[\"fake\"," words "],\"cwd\":\"/\"}"

/* A container, and from its first exec on, e1, which says hi and ends with 3,
 * what is to fail; false: that was it. */
static bool
first_exec(const char *process)
{
	if (!create("c1", "\"hang\"", "") || !start("c1", ""))
		return false;
	open_fifos();
	faults_from_here();
	seen[nseen++].name = "c1/e1";
	if (!ASK(task_exec(c, "c1", "e1", process, "", in_dir("out"), "",
	    false)) || !start("c1", "e1"))
		return false;
	check_output("hi\n", false);
	return ends("c1", "e1", 3) && delete("c1", "e1");
}

static void
execs(void)
{
	if (!first_exec(PROCESS("\"echo:hi\",\"exit:3\"")))
		return;
	/* One that the end of the container ends. */
	seen[nseen++].name = "c1/e2";
	if (!ASK(task_exec(c, "c1", "e2", PROCESS("\"hang\""), "", "", "",
	    true)) || !start("c1", "e2") ||
	    !kill_it("c1", "", SIGKILL) ||
	    !ends("c1", "e2", 137))
		return;
	ends("c1", "", 137);
}

/* As the sandbox takes it. */
#define INSIDE(words) "{\"args\":[\"fake\"," words "],\"cwd\":\"/\"," \
	"\"env\":[\"A=b\"],\"capabilities\":{}}"

/* Execs that the sandbox starts itself: one that ends, one that is killed, one
 * with a terminal, which the end of the container ends. */
static void
inside(void)
{
	if (!first_exec(INSIDE("\"echo:hi\",\"exit:3\"")))
		return;
	seen[nseen++].name = "c1/e2";
	if (!ASK(task_exec(c, "c1", "e2", INSIDE("\"hang\""), "", "", "",
	    false)) || !start("c1", "e2") ||
	    !kill_it("c1", "e2", SIGKILL) ||
	    !ends("c1", "e2", 137) || !delete("c1", "e2"))
		return;
	seen[nseen++].name = "c1/e3";
	if (!ASK(task_exec(c, "c1", "e3", INSIDE("\"hang\""), "", "", "",
	    true)) || !start("c1", "e3") ||
	    !ASK(task_resize(c, "c1", "e3", 99, 33)) ||
	    !kill_it("c1", "", SIGKILL) ||
	    !ends("c1", "e3", 137))
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

/* A container of a pod: its stdio comes with Start, and the control socket is
 * what it is killed and waited for with. */
static void
pod(void)
{
	struct task_reply t;

	if (!create("pod", "\"hang\"", POD("sandbox")) || !start("pod", "") ||
	    !create("k1", "\"hang\"", POD("container")))
		return;
	faults_from_here();
	if (!start("k1", "") || !ASK(task_pids(c, "k1", &t)) ||
	    !kill_it("k1", "", SIGTERM) || !ends("k1", "", 143))
		return;
	delete("k1", "");
}

/* The code of the reply; -1: there is none. */
static int
call_upgrade(void)
{
	static struct reply r;
	uint32_t stream = client_send_full(c, "runsc.shim.v1.Shim", "Upgrade",
	    NULL, 0, 0);

	if (!client_recv(c, stream, &r, CLIENT_WAIT_MS))
		return -1;
	snprintf(client_error, sizeof(client_error), "%s", r.msg);
	return r.code;
}

/* A shim takes its own place: with a container that reads, an exec, a Wait.
 * Whatever fails, they are all there afterwards. */
static void
upgrade(void)
{
	struct create_args a = { .id = "c1", .err = "", .config_path = toml };
	struct task_reply t;
	uint32_t wait;
	int code;

	open_fifos();
	a.in = in_dir("in");
	a.out = in_dir("out");
	a.bundle = make_bundle("c1", "\"read\",\"echo:hi\",\"exit:7\"", "",
	    false);
	if (!create_full(&a) || !start("c1", ""))
		return;
	seen[nseen++].name = "c1/e1";
	if (!ASK(task_exec(c, "c1", "e1", INSIDE("\"hang\""), "", "", "",
	    false)) || !start("c1", "e1"))
		return;
	wait = task_wait_send(c, "c1", "e1");
	/* It has been read when what comes behind it is answered. */
	if (!ASK(task_state(c, "c1", "e1", &t)))
		return;
	faults_from_here();
	code = call_upgrade();
	MUST(code >= 0, "Upgrade: no answer");
	MUST(code == 0 || ctl->hits, "Upgrade: %d %s", code, client_error);
	lift();
	MUST(kill(daemon_pid, 0) == 0, "the shim has ended");
	code = call_upgrade();
	MUST(code == 0, "Upgrade afterwards: %d %s", code, client_error);
	MUST(task_kill(c, "c1", "e1", SIGTERM, false) == 0, "Kill: %s",
	    client_error);
	MUST(task_wait_recv(c, wait, &t) == 0 && t.exit_status == 143,
	    "Wait: %u %s", t.exit_status, client_error);
	MUST(delete("c1", "e1"), "Delete: %s", client_error);
	MUST(write(in_fd, "x\n", 2) == 2, "stdin: %s", strerror(errno));
	check_output("got:x\nhi\n", false);
	if (!ends("c1", "", 7))
		return;
	delete("c1", "");
}

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
		MUST(code == 0 || code == NOT_FOUND, "State of %s: %s", id,
		    client_error);
		if (code == NOT_FOUND)
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
	if (same_as_ever(kind != FAULT_CALL ? 5000 : lasting ? 100 : 1000, why,
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

/* -- runs that begin or end a daemon -------------------------------------- */

/* Is nothing left, except of what only the verb `delete` can find? */
static void
check_nothing_left(const char *id)
{
	char why[4096], out[256];

	if (nth == 0) {
		remember();
		return;
	}
	if (same_as_ever(100, why, sizeof(why)))
		return;
	MUST(run_verb(in_dir("b/%s", id), id, "delete", out, sizeof(out)) ==
	    0, "delete failed");
	MUST(same_as_ever(3000, why, sizeof(why)), "%s", why);
	MUST(ctl->hits, "left without a fault");
	nleft++;
}

static void
new_bundles(void)
{
	remove_tree(in_dir("b"));
	mkdir(in_dir("b"), 0700);
}

/*
 * The verb `start`.  Where it fails it says why, and another works.  The
 * daemon may fail when start has printed where it is: then it is as if it had
 * died at once, and containerd runs `delete`.
 */
static bool
start_in(unsigned roles)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	char out[512];
	struct stat st;
	bool hit, served;
	int status;

	arm(kind, lasting, nth, roles);
	status = run_verb(bundle, "c1", "start", out, sizeof(out));
	served = status == 0 && find_daemon(out);
	hit = ctl->hits > 0;
	lift();
	/* It may only have refused a connection for want of memory. */
	if (status == 0 && !served)
		served = find_daemon(out);
	MUST(hit || served, "start failed without a fault");
	/* Unless that cannot be written either. */
	MUST(status == 0 || (kind == FAULT_CALL && lasting) ||
	    (stat(in_dir("stderr"), &st) == 0 && st.st_size),
	    "start failed in silence");
	if (served)
		stop_daemon();
	check_nothing_left("c1");
	start_daemon("c1", bundle);
	stop_daemon();
	new_bundles();
	return hit;
}

static bool
verb_start(void)
{
	return start_in(ROLE_VERB);
}

static bool
daemon_start(void)
{
	return start_in(ROLE_DAEMON);
}

/* The verb `delete` of a container whose shim was killed: it may fail, and
 * does the rest when it is run again. */
static bool
verb_delete(void)
{
	struct create_args a = { .id = "c1", .in = "", .out = "", .err = "",
		.config_path = toml, .rootfs = "tmpfs" };
	char out[256], why[4096];
	bool hit;
	int status;

	a.bundle = make_bundle("c1", "\"hang\"", "", false);
	start_daemon("c1", a.bundle);
	c = client_connect(address);
	MUST(task_create(c, &a, NULL) == 0 && task_start(c, "c1", "", NULL) ==
	    0, "no container: %s", client_error);
	client_close(c);
	c = NULL;
	kill_daemon();
	arm(kind, lasting, nth, ROLE_VERB);
	status = run_verb(a.bundle, "c1", "delete", out, sizeof(out));
	hit = ctl->hits > 0;
	lift();
	MUST(hit || status == 0, "delete failed without a fault");
	if (hit)
		MUST(run_verb(a.bundle, "c1", "delete", out, sizeof(out)) ==
		    0, "delete failed afterwards");
	MUST(access(address, F_OK) < 0, "the socket is left");
	MUST(access(in_dir("root/ns/c1"), F_OK) < 0, "runsc's state is left");
	if (nth == 0)
		remember();
	else
		MUST(same_as_ever(3000, why, sizeof(why)), "%s", why);
	sink_clear();
	new_bundles();
	return hit;
}

/* {1 sandbox_id, 2 bundle, 4 options} */
static bool
sandbox(const char *method, const char *bundle)
{
	static struct reply r;
	uint8_t buf[512], in[256];
	struct pb_out o, config;
	size_t mark;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, "s1");
	if (bundle) {
		pb_put_str(&o, 2, bundle);
		pb_out_init(&config, in, sizeof(in));
		mark = pb_begin(&config, 1);
		pb_put_str(&config, 1, "name");
		pb_put_str(&config, 2, "uid");
		pb_put_str(&config, 3, "space");
		pb_end(&config, mark);
		pb_put_str(&config, 2, "host");
		pb_put_any(&o, 4, "runtime.v1.PodSandboxConfig", config.p,
		    config.len);
	}
	r.code = 0;
	if (!client_recv(c, client_send_full(c,
	    "containerd.runtime.sandbox.v1.Sandbox", method, o.p, o.len, 0),
	    &r, CLIENT_WAIT_MS))
		return ask(method, -1);
	snprintf(client_error, sizeof(client_error), "%s", r.msg);
	return ask(method, r.code);
}

/* The Sandbox service: from CreateSandbox to ShutdownSandbox, which ends the
 * daemon; without a fault it always does.  (There is no cgroup of its own, and
 * so no SandboxMetrics.) */
static bool
sandbox_life(void)
{
	char *bundle = in_dir("b/s1");
	bool hit, ok;
	int status;

	mkdir(bundle, 0700);
	start_daemon("s1", bundle);
	c = client_connect(address);
	MUST(c != NULL, "connect: %s", strerror(errno));
	arm(kind, lasting, nth, ROLE_DAEMON);
	ok = sandbox("CreateSandbox", bundle) &&
	    sandbox("StartSandbox", NULL) && sandbox("SandboxStatus", NULL) &&
	    sandbox("PingSandbox", NULL) && sandbox("Platform", NULL) &&
	    sandbox("StopSandbox", NULL) && sandbox("ShutdownSandbox", NULL);
	hit = ctl->hits > 0;
	lift();
	MUST(hit || ok, "a run without a fault failed");
	if (!ok)
		MUST(sandbox("ShutdownSandbox", NULL), "ShutdownSandbox: %s",
		    client_error);
	/* Who has the reply hangs up first. */
	client_close(c);
	c = NULL;
	status = reap_daemon();
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "the daemon ended with %#x", (unsigned)status);
	check_nothing_left("s1");
	sink_clear();
	new_bundles();
	return hit;
}

/* -- all ------------------------------------------------------------------ */

static const struct scenario scenarios[] = {
	{ "life", life, NULL },
	{ "output", output, NULL },
	{ "terminal", terminal, NULL },
	{ "execs", execs, NULL },
	{ "inside", inside, NULL },
	{ "controls", controls, NULL },
	{ "pod", pod, NULL },
	{ "upgrade", upgrade, NULL },
	{ "verb start", NULL, verb_start },
	{ "daemon start", NULL, daemon_start },
	{ "verb delete", NULL, verb_delete },
	{ "sandbox", NULL, sandbox_life },
};

#define TESTS ((int)(4 * sizeof(scenarios) / sizeof(scenarios[0])))

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

/* Mounts of its own, and settings where a shim looks by itself. */
static void
own_run(void)
{
	char text[256];

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		MUST(false, "mounts: %s", strerror(errno));
	mkdir("/run/containerd", 0700);
	mkdir("/run/containerd/runsc", 0700);
	snprintf(text, sizeof(text), "root = \"%s/root\"\n"
	    "pause_binary = \"/bin/true\"\n", dir);
	write_text("/run/containerd/runsc/config.toml", text);
}

static bool
run_once(const struct scenario *s)
{
	return s->whole ? s->whole() : one_run(s);
}

/* All faults of one scenario and kind, in a process of its own. */
static void
run_loop(int test)
{
	const struct scenario *s = &scenarios[test / 4];
	const char *from = getenv("FAULT_FROM");

	world_open();
	own_run();
	kind = FAULT_OFF;
	if (!s->whole)
		start_daemon("any", make_bundle("any", "", "", false));
	/* What is made once is made now. */
	nth = 0;
	run_once(s);
	run_once(s);
	kind = kinds[test % 4].kind;
	lasting = kinds[test % 4].lasting;
	for (nth = from ? (unsigned)atoi(from) : 1; run_once(s); nth++)
		MUST(nth < NTH_MAX, "there is no end");
	if (!s->whole) {
		stop_daemon();
		MUST(access(address, F_OK) < 0, "its socket is left");
	}
	world_close();
	MUST(nth > 1, "no fault at all");
	printf("%s, %s: %u faults", s->name, kinds[test % 4].name, nth - 1);
	printf(nleft ? ", %u of them left something to the verb delete\n" :
	    "\n", nleft);
}

/* -- side by side --------------------------------------------------------- */

/* A loop mostly waits: for processes to come and go, and for timers. */
#define AT_ONCE 4
#define LOOP_S 500		/* one loop's time */

static struct {
	pid_t pid;
	int status;
	char text[4096];	/* what it has said */
} results[TESTS];

static void
begin_loop(int test)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/out.%d", base, test);
	fflush(stdout);
	results[test].pid = fork();
	if (results[test].pid != 0)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	close(fd);
	alarm(LOOP_S);
	run_loop(test);
	exit(0);
}

static void
end_loop(void)
{
	char path[64];
	int status, i, fd;
	pid_t pid = wait(&status);
	ssize_t n;

	for (i = 0; i < TESTS && results[i].pid != pid; i++)
		;
	if (pid <= 0 || i == TESTS)
		return;
	results[i].status = status;
	snprintf(path, sizeof(path), "%s/out.%d", base, i);
	fd = open(path, O_RDONLY);
	n = read(fd, results[i].text, sizeof(results[i].text) - 1);
	results[i].text[n > 0 ? n : 0] = '\0';
	close(fd);
	printf("%s", results[i].text);
	fflush(stdout);
}

START_TEST(loop)
{
	ck_assert_msg(results[_i].status == 0, "%s, %s: status %#x: %s",
	    scenarios[_i / 4].name, kinds[_i % 4].name,
	    (unsigned)results[_i].status, results[_i].text);
}
END_TEST

static bool
can_mount(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWNS) < 0);
	waitpid(pid, &status, 0);
	return status == 0;
}

static int first, end;

static void
add(TCase *tc)
{
	tcase_add_loop_test(tc, loop, first, end);
}

int
main(void)
{
	const char *only = getenv("FAULT_ONLY");
	int i, running = 0, failed;

	if (getenv("EMULATOR")) {
		printf("skipped: faults under an emulator\n");
		return 0;
	}
	/* Root of a user namespace can mount too. */
	if (!can_mount() && unshare(CLONE_NEWUSER) < 0) {
		printf("skipped: faults: no mount namespaces here\n");
		return 0;
	}
	first = only ? atoi(only) : 0;
	end = only ? first + 1 : TESTS;
	dir_make_base("fault");
	for (i = first; i < end; i++) {
		if (running++ >= AT_ONCE)
			end_loop();
		begin_loop(i);
	}
	for (i = first; i < end && i < first + AT_ONCE; i++)
		end_loop();
	failed = suite_run("fault", NULL, NULL, add);
	dir_remove_base();
	return failed;
}
