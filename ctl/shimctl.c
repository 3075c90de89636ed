/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shimctl: the command line and the commands; see shimctl.h.
 *
 * Exit status: 0, 1 if the command failed, 2 for a command line that is wrong;
 * run, exec and attach end with the status of the process.  An error is one
 * line on standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fmt.h"
#include "conf/cmdline.h"
#include "wire/socket.h"
#include "ctl/shimctl.h"
#include "conf/spec.h"

#define PROCESS_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Process"
#define LEAVE_MS 5000
/* How long a killed shim may take to be gone. */
#define DYING_STEP_NS 10000000
#define DYING_STEPS 50
#define TIMEOUT_MAX_S 100000
#define STATUS_SIGPIPE 141
/* Words: of a command of somebody else's with its options; a list. */
#define ANY ((size_t)-1)
#define MANY (ANY - 1)

/* Which options a command takes besides those that all take. */
enum {
	OPT_ALWAYS = 0, OPT_TTY = 1, OPT_STDIN = 2, OPT_DETACH = 4,
	OPT_EXEC = 8, OPT_ALL = 16, OPT_EVENTS = 32, OPT_CONFIG = 64,
	OPT_START = 128, OPT_PROCESS = 256, OPT_STDIO = 512, OPT_TO = 1024,
};

static void
warn_err(const char *what, const struct err *e)
{
	fmt_write(STDERR_FILENO, "shimctl: %s: %s\n", what, e->msg);
}

static const char *
word(const struct ctl *o, size_t i)
{
	return i < o->nwords ? o->words[i] : "";
}

/* The shim leaves if this was its last container; and it says what it still
 * has to say. */
static void
shut_down(struct rpc *r, const char *id)
{
	struct err e;

	if (rpc_simple(r, "Shutdown", id, "", NULL, &e) < 0)
		warn_err("tell the shim to leave", &e);
}

/* -- create, start, wait, delete ------------------------------------------ */

static int
absolute(const char *path, char out[PATH_MAX], struct err *e)
{
	return realpath(path, out) ? 0 : err_sys(e, "find %s", path);
}

static int
create(const struct ctl *o, struct rpc *r, const char *bundle,
    const char *id, bool terminal, const char *const path[3], struct err *e)
{
	struct pb_out req;

	pb_out_init(&req, NULL, 0);
	pb_put_str(&req, 1, id);
	pb_put_str(&req, 2, bundle);
	pb_put_bool(&req, 4, terminal);
	pb_put_str(&req, 5, path[0]);
	pb_put_str(&req, 6, path[1]);
	pb_put_str(&req, 7, path[2]);
	put_options(&req, 10, o);
	return rpc_call(r, "Create", &req, NULL, e);
}

/* What config.json says: a terminal, a container that joins a pod. */
static int
look_at_spec(const char *bundle, bool want, bool *terminal, bool *joins,
    struct err *e)
{
	struct spec spec;

	if (spec_read(&spec, bundle, e) < 0)
		return -1;
	*terminal = spec.terminal;
	*joins = spec.is_sub;
	spec_free(&spec);
	if (want && !*terminal)
		return err_set(e, ERR_INVALID, "-t: %s/config.json has "
		    "process.terminal false", bundle);
	return 0;
}

/* Wait is sent before Start: no end can be missed. */
static int
start_and_copy(struct relay *w, const char *address, struct err *e)
{
	struct rpc waiting = { .fd = -1 };
	struct pb_out req;
	int ret = -1;

	w->waiting = &waiting;
	pb_out_init(&req, NULL, 0);
	pb_put_str(&req, 1, w->id);
	pb_put_str(&req, 2, w->exec_id);
	if (rpc_connect(&waiting, address, -1, e) == 0 &&
	    rpc_send(&waiting, "Wait", &req, e) == 0 &&
	    rpc_simple(w->calls, "Start", w->id, w->exec_id, NULL, e) == 0)
		ret = relay_run(w, e);
	rpc_close(&waiting);
	w->waiting = NULL;
	return ret;
}

/* After an error: whatever runs of the process is not to stay. */
static void
kill_process(const struct relay *w)
{
	struct pb_out req;
	struct err e;

	pb_out_init(&req, NULL, 0);
	pb_put_str(&req, 1, w->id);
	pb_put_str(&req, 2, w->exec_id);
	pb_put_uint(&req, 3, SIGKILL);
	pb_put_bool(&req, 4, !w->exec_id[0]);
	if (rpc_call(w->calls, "Kill", &req, NULL, &e) == 0)
		rpc_simple(w->calls, "Wait", w->id, w->exec_id, NULL, &e);
}

/* Our own status, given what came of w.  Who has closed a pipe that we write to
 * knows it, and needs no message. */
static int
end_of(const struct relay *w, int ret)
{
	if (ret == 0)
		return (int)w->status;
	return w->io->lost == EPIPE ? STATUS_SIGPIPE : -1;
}

/* From Create to Delete; the shim is running. */
static int
run_container(const struct ctl *o, struct relay *w, const char *address,
    const char *bundle, struct err *e)
{
	struct stdio *io = w->io;
	const char *const path[3] = { io->path[0], io->path[1], io->path[2] };
	struct err e2;
	int ret;

	if (create(o, w->calls, bundle, w->id, io->terminal, path, e) < 0)
		return -1;
	stdio_taken(io);
	ret = start_and_copy(w, address, e);
	if (ret < 0)
		kill_process(w);
	if (ret < 0 && w->calls->broken)
		return -1;
	w->deleted = rpc_simple(w->calls, "Delete", w->id, "", NULL, &e2) == 0;
	if (!w->deleted && w->calls->broken) {
		*e = e2;
		return -1;
	}
	if (!w->deleted)
		warn_err("delete the container", &e2);
	else if (relay_rest(w, ret < 0 ? &e2 : e) < 0)
		ret = -1;
	return end_of(w, ret);
}

/* Our own sink, named to the shim by TTRPC_ADDRESS. */
static int
own_sink(char dir[64], struct err *e)
{
	char path[80];

	if (private_dir(dir, 64, e) < 0)
		return -1;
	fmt(path, sizeof(path), "%s/events", dir);
	if (sink_open(path, STDERR_FILENO, e) < 0)
		return -1;
	return setenv("TTRPC_ADDRESS", path, 1) < 0 ?
	    err_sys(e, "set TTRPC_ADDRESS") : 0;
}

/* What shim and runsc wrote into the bundle, which is the user's. */
static void
forget_bundle(const char *bundle)
{
	static const char *const names[] = { FILE_ADDRESS, FILE_SHIM_PID,
		"state.json", "init.pid" };
	char path[PATH_MAX + 16];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fmt(path, sizeof(path), "%s/%s", bundle, names[i]);
		unlink(path);
	}
}

/* The daemon's log is a file of that name in the bundle. */
static int
make_log(const struct ctl *o, const char *bundle, struct err *e)
{
	char path[PATH_MAX + 8];
	int fd;

	if (!o->debug)
		return 0;
	fmt(path, sizeof(path), "%s/" FILE_LOG, bundle);
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC |
	    O_NONBLOCK, 0600);
	if (fd < 0 && errno != ENXIO)
		return err_sys(e, "create %s", path);
	if (fd >= 0)
		close(fd);
	return 0;
}

/*
 * As containerd does when a shim's connection ends; but one that lives, and has
 * only closed it, may serve a container of this id that is not ours.  What it
 * leaves is found by files in the bundle, so these go afterwards.
 */
static bool
clean_up_after(const struct ctl *o, const struct rpc *r, const char *bundle,
    const char *id)
{
	const struct timespec step = { .tv_nsec = DYING_STEP_NS };
	struct err e;
	int i;

	/* The connections of one that is killed end before its socket. */
	for (i = 0; socket_is_alive(r->path, 0); i++) {
		if (i == DYING_STEPS)
			return false;
		nanosleep(&step, NULL);
	}
	if (shim_delete(o, bundle, id, &e) < 0) {
		warn_err("clean up after the shim, which has ended", &e);
		return false;
	}
	fmt_write(STDERR_FILENO, "shimctl: the shim of %s has ended; what it "
	    "left is removed\n", id);
	return true;
}

static int
cmd_run(const struct ctl *o, struct err *e)
{
	char bundle[PATH_MAX], address[SOCKET_ADDRESS_MAX], dir[64] = "";
	const char *id = word(o, 1);
	struct rpc r = { .fd = -1 };
	struct stdio io;
	struct relay w = { .calls = &r, .id = id, .exec_id = "", .io = &io };
	bool terminal, joins, ended;
	int ret = -1;

	if (absolute(word(o, 0), bundle, e) < 0 ||
	    look_at_spec(bundle, o->terminal, &terminal, &joins, e) < 0 ||
	    stdio_make(&io, o->interactive || o->terminal, terminal, e) < 0)
		return -1;
	if (make_log(o, bundle, e) < 0 ||
	    (o->events && own_sink(dir, e) < 0))
		goto out;
	if (shim_start(o, bundle, id, address, sizeof(address), e) < 0 ||
	    relay_signals(e) < 0 ||
	    rpc_connect(&r, address, o->timeout_ms, e) < 0)
		goto out;
	ret = run_container(o, &w, address, bundle, e);
	if (!r.broken)
		shut_down(&r, id);
	/* A pod's shim stays for the others, and a container that was there
	 * before has the bundle. */
	if (r.broken)
		ended = clean_up_after(o, &r, bundle, id);
	else if (joins)
		ended = w.deleted;
	else
		ended = (ret >= 0 || e->code != ERR_EXISTS) &&
		    rpc_closed(&r, LEAVE_MS);
	if (ended)
		forget_bundle(bundle);
out:
	rpc_close(&r);
	stdio_close(&io);
	sink_close();
	if (dir[0])
		rmdir(dir);
	return ret;
}

static int
cmd_start_shim(const struct ctl *o, struct err *e)
{
	char bundle[PATH_MAX], address[SOCKET_ADDRESS_MAX];

	if (absolute(word(o, 0), bundle, e) < 0 ||
	    make_log(o, bundle, e) < 0 ||
	    shim_start(o, bundle, word(o, 1), address, sizeof(address), e) < 0)
		return -1;
	return fmt_write(STDOUT_FILENO, "%s\n", address) < 0 ?
	    err_sys(e, "print the address") : 0;
}

static int
cmd_create(const struct ctl *o, struct err *e)
{
	const char *const path[3] = { o->in, o->out, o->err };
	char bundle[PATH_MAX];
	struct rpc r;
	bool terminal, joins;
	int ret;

	if (absolute(word(o, 0), bundle, e) < 0 ||
	    look_at_spec(bundle, o->terminal, &terminal, &joins, e) < 0 ||
	    shim_find(o, word(o, 1), &r, e) < 0)
		return -1;
	ret = create(o, &r, bundle, word(o, 1), terminal, path, e);
	rpc_close(&r);
	return ret;
}

/* A request of ids, with a reply to print or none. */
static int
simple(const struct ctl *o, const char *method, struct rpc_reply *reply,
    struct rpc *r, struct err *e)
{
	if (shim_find(o, word(o, 0), r, e) < 0)
		return -1;
	/* Only a wait may last as long as it likes. */
	if (strcmp(method, "Wait") == 0 && !o->timeout[0])
		r->timeout_ms = -1;
	if (rpc_simple(r, method, word(o, 0), o->exec_id, reply, e) == 0)
		return 0;
	rpc_close(r);
	return -1;
}

static int
plain(const struct ctl *o, const char *method, struct err *e)
{
	struct rpc_reply reply;
	struct rpc r;

	if (simple(o, method, &reply, &r, e) < 0)
		return -1;
	rpc_reply_free(&reply);
	rpc_close(&r);
	return 0;
}

static int
cmd_start(const struct ctl *o, struct err *e)
{
	return plain(o, "Start", e);
}

static int
cmd_pause(const struct ctl *o, struct err *e)
{
	return plain(o, "Pause", e);
}

static int
cmd_resume(const struct ctl *o, struct err *e)
{
	return plain(o, "Resume", e);
}

static int
cmd_shutdown(const struct ctl *o, struct err *e)
{
	return plain(o, "Shutdown", e);
}

static int
cmd_wait(const struct ctl *o, struct err *e)
{
	struct rpc_reply reply;
	struct rpc r;

	if (simple(o, "Wait", &reply, &r, e) < 0)
		return -1;
	show_wrote(fmt_write(STDOUT_FILENO, "%u\n",
	    (unsigned)reply.f[1].v));
	rpc_reply_free(&reply);
	rpc_close(&r);
	return 0;
}

static int
cmd_delete(const struct ctl *o, struct err *e)
{
	struct rpc_reply reply;
	struct rpc r;

	if (simple(o, "Delete", &reply, &r, e) < 0)
		return -1;
	/* As containerd does after each.  First, since nobody may be there to
	 * read: SIGPIPE. */
	if (!o->exec_id[0])
		shut_down(&r, word(o, 0));
	show_wrote(fmt_write(STDOUT_FILENO, "%u\n",
	    (unsigned)reply.f[2].v));
	rpc_reply_free(&reply);
	rpc_close(&r);
	return 0;
}

static int
cmd_state(const struct ctl *o, struct err *e)
{
	struct rpc_reply reply;
	struct rpc r;

	if (simple(o, "State", &reply, &r, e) < 0)
		return -1;
	show_state(&reply);
	rpc_reply_free(&reply);
	rpc_close(&r);
	return 0;
}

static int
cmd_ps(const struct ctl *o, struct err *e)
{
	struct rpc_reply reply;
	struct rpc r;

	if (o->nwords == 0)
		return shim_versions(o, e);
	if (simple(o, "Pids", &reply, &r, e) < 0)
		return -1;
	show_pids(&reply);
	rpc_reply_free(&reply);
	rpc_close(&r);
	return 0;
}

static int
cmd_stats(const struct ctl *o, struct err *e)
{
	struct rpc_reply reply;
	struct rpc r;
	int ret;

	if (simple(o, "Stats", &reply, &r, e) < 0)
		return -1;
	ret = show_stats(&reply, e);
	rpc_reply_free(&reply);
	rpc_close(&r);
	return ret;
}

static int
cmd_kill(const struct ctl *o, struct err *e)
{
	const char *name = o->nwords > 1 ? word(o, 1) : "TERM";
	unsigned sig = signal_number(name);
	struct pb_out req;
	struct rpc r;
	int ret;

	if (sig == 0)
		return err_set(e, ERR_INVALID, "\"%s\" is no signal", name);
	if (shim_find(o, word(o, 0), &r, e) < 0)
		return -1;
	pb_out_init(&req, NULL, 0);
	pb_put_str(&req, 1, word(o, 0));
	pb_put_str(&req, 2, o->exec_id);
	pb_put_uint(&req, 3, sig);
	pb_put_bool(&req, 4, o->all);
	ret = rpc_call(&r, "Kill", &req, NULL, e);
	rpc_close(&r);
	return ret;
}

/* -- exec, attach --------------------------------------------------------- */

/* A string of a reply, NUL-terminated; "" if it is not there or too long. */
static void
get_string(const struct rpc_reply *reply, uint32_t num, char *out, size_t cap)
{
	struct pb_bytes b = reply->f[num].b;

	fmt(out, cap, "%.*s", b.n < cap ? (int)b.n : 0, (const char *)b.p);
}

static int
exec_in(const struct ctl *o, struct rpc *r, const char *exec_id,
    const struct stdio *io, struct err *e)
{
	char bundle[PATH_MAX];
	struct json_out process = { 0 };
	struct rpc_reply reply;
	struct pb_out req;
	int ret;

	if (rpc_simple(r, "State", word(o, 0), "", &reply, e) < 0)
		return -1;
	get_string(&reply, 2, bundle, sizeof(bundle));
	rpc_reply_free(&reply);
	if (exec_process(o, bundle, o->words + 1, &process, e) < 0) {
		json_out_free(&process);
		return -1;
	}
	pb_out_init(&req, NULL, 0);
	pb_put_str(&req, 1, word(o, 0));
	pb_put_str(&req, 2, exec_id);
	pb_put_bool(&req, 3, o->terminal);
	pb_put_str(&req, 4, io ? io->path[0] : "");
	pb_put_str(&req, 5, io ? io->path[1] : "");
	pb_put_str(&req, 6, io ? io->path[2] : "");
	pb_put_any(&req, 7, PROCESS_TYPE, process.p, process.len);
	ret = rpc_call(r, "Exec", &req, NULL, e);
	json_out_free(&process);
	return ret;
}

static int
cmd_exec_detached(const struct ctl *o, struct rpc *r, const char *exec_id,
    struct err *e)
{
	struct err e2;

	if (exec_in(o, r, exec_id, NULL, e) < 0)
		return -1;
	if (rpc_simple(r, "Start", word(o, 0), exec_id, NULL, e) < 0) {
		rpc_simple(r, "Delete", word(o, 0), exec_id, NULL, &e2);
		return -1;
	}
	return fmt_write(STDOUT_FILENO, "%s\n", exec_id) < 0 ?
	    err_sys(e, "print the exec id") : 0;
}

static int
cmd_exec(const struct ctl *o, struct err *e)
{
	struct relay w = { .id = word(o, 0) };
	struct timespec ts;
	struct stdio io;
	struct rpc r;
	struct err e2;
	char exec_id[80];
	int ret = -1;

	clock_gettime(CLOCK_REALTIME, &ts);
	fmt(exec_id, sizeof(exec_id), "shimctl-%d-%lld", (int)getpid(),
	    (long long)ts.tv_sec);
	w.exec_id = o->exec_id[0] ? o->exec_id : exec_id;
	if (shim_find(o, w.id, &r, e) < 0)
		return -1;
	w.calls = &r;
	w.io = &io;
	if (o->detach) {
		ret = cmd_exec_detached(o, &r, w.exec_id, e);
		rpc_close(&r);
		return ret;
	}
	if (stdio_make(&io, o->interactive || o->terminal, o->terminal,
	    e) < 0) {
		rpc_close(&r);
		return -1;
	}
	if (relay_signals(e) < 0 || exec_in(o, &r, w.exec_id, &io, e) < 0)
		goto out;
	stdio_taken(&io);
	ret = start_and_copy(&w, r.path, e);
	if (ret < 0)
		kill_process(&w);
	if (ret < 0 && r.broken)
		;	/* nobody is left to delete it */
	else if (rpc_simple(&r, "Delete", w.id, w.exec_id, NULL, &e2) < 0)
		warn_err("delete the exec", &e2);
	else if (relay_rest(&w, ret < 0 ? &e2 : e) < 0)
		ret = -1;
	ret = end_of(&w, ret);
out:
	rpc_close(&r);
	stdio_close(&io);
	return ret;
}

static int
attach_to(const struct ctl *o, struct relay *w, struct err *e)
{
	struct stdio *io = w->io;
	struct rpc_reply reply;
	struct pb_out req;
	int i;

	if (rpc_simple(w->calls, "State", w->id, w->exec_id, &reply, e) < 0)
		return -1;
	memset(io, 0, sizeof(*io));
	io->fd[0] = io->fd[1] = io->fd[2] = io->reader = -1;
	for (i = 0; i < 3; i++)
		get_string(&reply, 5 + (uint32_t)i, io->path[i],
		    sizeof(io->path[i]));
	io->terminal = reply.f[8].v != 0;
	io->leave = io->terminal;
	rpc_reply_free(&reply);
	for (i = 0; i < 3; i++) {
		if (strstr(io->path[i], "://"))
			return err_set(e, ERR_INVALID, "%s has %s, which "
			    "nobody can attach to", w->id, io->path[i]);
	}
	if (!io->path[0][0] && !io->path[1][0] && !io->path[2][0])
		return err_set(e, ERR_INVALID, "%s has neither input nor "
		    "output: it was created without", w->id);
	pb_out_init(&req, NULL, 0);
	pb_put_str(&req, 1, w->id);
	pb_put_str(&req, 2, w->exec_id);
	if (stdio_open(io, o->interactive || io->terminal, e) < 0 ||
	    relay_signals(e) < 0 || rpc_send(w->waiting, "Wait", &req, e) < 0)
		return -1;
	return relay_run(w, e);
}

static int
cmd_attach(const struct ctl *o, struct err *e)
{
	struct rpc r, waiting = { .fd = -1 };
	struct stdio io = { .fd = { -1, -1, -1 }, .reader = -1 };
	struct relay w = { .calls = &r, .waiting = &waiting,
	    .id = word(o, 0), .exec_id = o->exec_id, .io = &io };
	int ret = -1;

	if (shim_find(o, w.id, &r, e) < 0)
		return -1;
	if (rpc_connect(&waiting, r.path, -1, e) == 0)
		ret = attach_to(o, &w, e);
	stdio_close(&io);
	rpc_close(&waiting);
	rpc_close(&r);
	if (ret == 0 && w.left)
		fmt_write(STDERR_FILENO, "shimctl: left %s running\n", w.id);
	return end_of(&w, ret);
}

/* -- events --------------------------------------------------------------- */

static volatile sig_atomic_t stop;

static void
on_stop(int sig)
{
	(void)sig;
	stop = 1;
}

static int
cmd_events(const struct ctl *o, struct err *e)
{
	struct pollfd p[SINK_MAX + 1];
	struct sigaction sa = { .sa_handler = on_stop };

	if (sink_open(word(o, 0), STDOUT_FILENO, e) < 0)
		return -1;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	/* A signal between the look and poll() is seen at the next turn. */
	while (!stop && show_check(e) == 0)
		sink_poll(p, 0, 1000);
	sink_close();
	return 0;
}

/* -- the command line ----------------------------------------------------- */

static const struct command {
	const char *name;
	int (*fn)(const struct ctl *o, struct err *e);
	size_t min, max;	/* words */
	int about;		/* the word that an error is about; -1: none */
	unsigned options;
	const char *usage;
} commands[] = {
	{ "run", cmd_run, 2, 2, 1, OPT_TTY | OPT_STDIN | OPT_EVENTS |
	    OPT_CONFIG | OPT_START,
	    "BUNDLE ID [-t] [-i] [--events] [--config FILE]" },
	{ "start-shim", cmd_start_shim, 2, 2, 1, OPT_CONFIG | OPT_START,
	    "BUNDLE ID [--config FILE] [--debug]" },
	{ "create", cmd_create, 2, 2, 1, OPT_TTY | OPT_CONFIG | OPT_STDIO,
	    "BUNDLE ID [-t] [--stdin F] [--stdout F] [--stderr F]" },
	{ "start", cmd_start, 1, 1, 0, OPT_EXEC, "ID [--exec E]" },
	{ "exec", cmd_exec, 2, ANY, 0, OPT_TTY | OPT_STDIN | OPT_DETACH |
	    OPT_EXEC | OPT_PROCESS, "[-t] [-i] [-d] [--cwd DIR] [--env K=V] "
	    "[--user UID[:GID]] ID COMMAND..." },
	{ "attach", cmd_attach, 1, 1, 0, OPT_STDIN | OPT_EXEC,
	    "ID [-i] [--exec E]" },
	{ "kill", cmd_kill, 1, 2, 0, OPT_EXEC | OPT_ALL,
	    "ID [SIGNAL] [--exec E] [--all]" },
	{ "wait", cmd_wait, 1, 1, 0, OPT_EXEC, "ID [--exec E]" },
	{ "delete", cmd_delete, 1, 1, 0, OPT_EXEC, "ID [--exec E]" },
	{ "state", cmd_state, 1, 1, 0, OPT_EXEC, "ID [--exec E]" },
	{ "ps", cmd_ps, 0, 1, 0, 0, "[ID]" },
	{ "stats", cmd_stats, 1, 1, 0, 0, "ID" },
	{ "pause", cmd_pause, 1, 1, 0, 0, "ID" },
	{ "resume", cmd_resume, 1, 1, 0, 0, "ID" },
	{ "shutdown", cmd_shutdown, 1, 1, 0, 0, "ID" },
	{ "list", shim_list, 0, 0, -1, 0, "" },
	{ "upgrade", shim_upgrade, 0, MANY, -1, OPT_ALL | OPT_TO,
	    "ID... | --all [--to FILE]" },
	{ "events", cmd_events, 1, 1, -1, 0, "SOCKET" },
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static struct ctl ctl = {
	.namespace = "default",
	.address = "",
	.containerd = "/run/containerd/containerd.sock",
	.socket_dir = "",
	.state_dir = "/run/containerd",
	.shim = SHIM_NAME,
	.config = "", .to = "", .exec_id = "", .in = "", .out = "", .err = "",
	.cwd = "", .user = "", .timeout = "", .timeout_ms = -1,
};

static const struct option {
	const char *name;
	const char **value;	/* or */
	bool *flag;
	unsigned needs;
} options[] = {
	{ "-n", &ctl.namespace, NULL, OPT_ALWAYS },
	{ "--namespace", &ctl.namespace, NULL, OPT_ALWAYS },
	{ "--address", &ctl.address, NULL, OPT_ALWAYS },
	{ "--containerd", &ctl.containerd, NULL, OPT_ALWAYS },
	{ "--socket-dir", &ctl.socket_dir, NULL, OPT_ALWAYS },
	{ "--state-dir", &ctl.state_dir, NULL, OPT_ALWAYS },
	{ "--timeout", &ctl.timeout, NULL, OPT_ALWAYS },
	{ "--shim", &ctl.shim, NULL, OPT_START },
	{ "--config", &ctl.config, NULL, OPT_CONFIG },
	{ "--to", &ctl.to, NULL, OPT_TO },
	{ "--exec", &ctl.exec_id, NULL, OPT_EXEC },
	{ "--stdin", &ctl.in, NULL, OPT_STDIO },
	{ "--stdout", &ctl.out, NULL, OPT_STDIO },
	{ "--stderr", &ctl.err, NULL, OPT_STDIO },
	{ "--cwd", &ctl.cwd, NULL, OPT_PROCESS },
	{ "--user", &ctl.user, NULL, OPT_PROCESS },
	{ "--env", NULL, NULL, OPT_PROCESS },
	{ "-t", NULL, &ctl.terminal, OPT_TTY },
	{ "-i", NULL, &ctl.interactive, OPT_STDIN },
	{ "-d", NULL, &ctl.detach, OPT_DETACH },
	{ "--all", NULL, &ctl.all, OPT_ALL },
	{ "--events", NULL, &ctl.events, OPT_EVENTS },
	{ "--debug", NULL, &ctl.debug, OPT_START },
};
#define NOPTIONS (sizeof(options) / sizeof(options[0]))

static void
print_usage(int fd)
{
	size_t i;

	fmt_write(fd, "usage: shimctl [-n NAMESPACE] COMMAND ...\n");
	for (i = 0; i < NCOMMANDS; i++)
		fmt_write(fd, "  %s %s\n", commands[i].name,
		    commands[i].usage);
	fmt_write(fd, "See shimctl(8).\n");
}

static int
usage_error(const struct command *c, const char *what, const char *arg)
{
	fmt_write(STDERR_FILENO, "shimctl: %s%s%s\n", what, arg[0] ? " " : "",
	    arg);
	if (c)
		fmt_write(STDERR_FILENO, "usage: shimctl %s %s\n", c->name,
		    c->usage);
	else
		print_usage(STDERR_FILENO);
	return EXIT_USAGE;
}

static const struct command *
find_command(const char *name)
{
	size_t i;

	for (i = 0; i < NCOMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* Which options were given, to be held against the command's. */
static bool given[NOPTIONS];

static int
take_option(const struct command *c, const char **argv, int argc, int *i)
{
	const char *name = argv[*i];
	size_t k;

	for (k = 0; k < NOPTIONS && strcmp(options[k].name, name) != 0; k++)
		;
	if (k == NOPTIONS)
		return usage_error(c, "no such option:", name);
	given[k] = true;
	if (options[k].flag) {
		*options[k].flag = true;
		return 0;
	}
	if (*i + 1 == argc)
		return usage_error(c, "a value is missing after", name);
	++*i;
	if (options[k].value)
		*options[k].value = argv[*i];
	else if (ctl.nenv < SHIMCTL_ENV_MAX)
		ctl.env[ctl.nenv++] = argv[*i];
	else
		return usage_error(c, "too many of", name);
	return 0;
}

/*
 * Options may stand anywhere before "--"; of exec, before the command that it
 * is to run, whose options are its own.  The words are moved to the front of
 * argv.
 */
static int
parse(int argc, const char **argv, const struct command **cmd)
{
	const struct command *c = NULL;
	int i, n = 0, rc;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (argv[i][0] == '-' && argv[i][1]) {
			rc = take_option(c, argv, argc, &i);
			if (rc)
				return rc;
		} else if (!c) {
			c = find_command(argv[i]);
			if (!c)
				return usage_error(NULL, "no such command:",
				    argv[i]);
		} else if (c->max == ANY && n > 0) {
			break;
		} else {
			argv[n++] = argv[i];
		}
	}
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	while (i < argc)
		argv[n++] = argv[i++];
	argv[n] = NULL;
	ctl.words = argv;
	ctl.nwords = (size_t)n;
	*cmd = c;
	return 0;
}

static int
check(const struct command *c)
{
	char *end;
	size_t k;
	long s;

	if (!c)
		return usage_error(NULL, "a command is missing", "");
	for (k = 0; k < NOPTIONS; k++) {
		if (given[k] && (options[k].needs & ~c->options))
			return usage_error(c, "not an option of this command:",
			    options[k].name);
		ctl.in_namespace |= given[k] &&
		    options[k].value == &ctl.namespace;
	}
	if (ctl.timeout[0]) {
		s = strtol(ctl.timeout, &end, 10);
		if (*end || s < 1 || s > TIMEOUT_MAX_S)
			return usage_error(c, "--timeout: not 1 to 100000 "
			    "seconds:", ctl.timeout);
		ctl.timeout_ms = (int)s * 1000;
	}
	/* A shim takes no other. */
	if (ctl.socket_dir[0] && (ctl.socket_dir[0] != '/' ||
	    strlen(ctl.socket_dir) > SOCKET_DIR_MAX))
		return usage_error(c, "--socket-dir: no absolute path of at "
		    "most 42 bytes:", ctl.socket_dir);
	if (ctl.nwords < c->min)
		return usage_error(c, "too few words", "");
	if (c->max == MANY && ctl.all == (ctl.nwords > 0))
		return usage_error(c, "either containers or --all", "");
	if (ctl.nwords > c->max)
		return usage_error(c, "too many words, from",
		    ctl.words[c->max]);
	for (k = 0; k < (c->max == ANY ? c->min : ctl.nwords); k++) {
		if (!ctl.words[k][0])
			return usage_error(c, "an empty word", "");
	}
	/* What has no input, create and exec -d, needs none of ours. */
	if (ctl.terminal && (c->options & OPT_STDIN) && !ctl.detach &&
	    !isatty(STDIN_FILENO))
		return usage_error(c, "-t: standard input is no terminal", "");
	return 0;
}

/*
 * The shim runs in the bundle, so names are made absolute.  A name that is not
 * there is left, for the shim's own error.
 */
static void
make_absolute(void)
{
	static char buf[5][PATH_MAX];
	const char **names[] = { &ctl.shim, &ctl.config, &ctl.in, &ctl.out,
		&ctl.err };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		/* Without a slash the binary is looked for on PATH. */
		if (!*names[i][0] || strstr(*names[i], "://") ||
		    (names[i] == &ctl.shim && !strchr(ctl.shim, '/')))
			continue;
		if (realpath(*names[i], buf[i]))
			*names[i] = buf[i];
	}
}

/* The error's line: the command, the container or what is in its place. */
static void
complain(const struct command *c, const struct err *e)
{
	const char *on = c->about < (int)ctl.nwords && c->about >= 0 ?
	    ctl.words[c->about] : "";

	fmt_write(STDERR_FILENO, "shimctl: %s%s%s: %s\n", c->name,
	    on[0] ? " " : "", on, e->msg);
}

int
main(int argc, char **argv)
{
	const struct command *c = NULL;
	const char *s;
	struct err e;
	int ret;

	/* Before anything else: what a container prints is written to 1 and 2,
	 * and must never get into the connection to the shim. */
	if (fd_std() < 0) {
		fmt_write(STDERR_FILENO, "shimctl: open /dev/null: %s\n",
		    strerror(errno));
		return EXIT_FAILED;
	}
	s = getenv("CONTAINERD_NAMESPACE");
	if (s && s[0])
		ctl.namespace = s;
	ctl.in_namespace = s && s[0];
	s = getenv("CONTAINERD_ADDRESS");
	if (s && s[0])
		ctl.containerd = s;
	if (argc == 2 && (strcmp(argv[1], "-v") == 0 ||
	    strcmp(argv[1], "--version") == 0))
		return fmt_write(STDOUT_FILENO, "shimctl %s\n", VERSION) < 0;
	if (argc == 2 && (strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "--help") == 0)) {
		print_usage(STDOUT_FILENO);
		return 0;
	}
	ret = parse(argc, (const char **)argv, &c);
	if (ret == 0)
		ret = check(c);
	if (ret)
		return ret;
	make_absolute();
	/* check() did not take a NULL.
	 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	ret = c->fn(&ctl, &e);
	if (ret >= 0 && show_check(&e) == 0)
		return ret;
	complain(c, &e);
	return EXIT_FAILED;
}
