/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim: the command line, `-v`, `-info`, and the daemon: what it opens, whom
 * it serves, and when it exits.
 *
 * Two phases.  Until the loop runs, a failure ends the process with a message
 * and a status.  After that nothing but the end of its work does: the last
 * container deleted and Shutdown asked for, SIGTERM, or nobody being left who
 * could want it (is_unwanted()).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/child.h"
#include "base/deadline.h"
#include "conf/cmdline.h"
#include "delete.h"
#include "events.h"
#include "gvisor/standin.h"
#include "host/cgroup.h"
#include "base/fd.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/name.h"
#include "stdio/logger.h"
#include "gvisor/info.h"
#include "ops.h"
#include "sandbox.h"
#include "start.h"
#include "state.h"
#include "task.h"
#include "upgrade.h"
#include "wire/save.h"
#include "wire/ttrpc.h"

#define LAST_REPLIES_STEP_NS (10 * NS_PER_MS)

static struct timer unwanted;
static int64_t alone_since;	/* loop_now(); while unwanted runs */
static struct timer last_replies;
static int64_t last_replies_until;
static bool stopping;
static bool until_read;		/* the last reply, see stop_when_read() */
/* bundle_fd: O_PATH, the working directory of `start`. */
static struct upgrade_own own;

/* -- command line --------------------------------------------------------- */

static int
usage(const char *what, const char *flag)
{
	fmt_write(STDERR_FILENO, "%s: %s%s\n"
	    "usage: %s -namespace NS -id ID -address SOCKET "
	    "[-publish-binary FILE] [-bundle DIR] [-socket FILE] [-debug] "
	    "[start | delete]\n"
	    "       %s -v | -info | features\n",
	    SHIM_NAME, what, flag, SHIM_NAME, SHIM_NAME);
	return EXIT_USAGE;
}

/* One flag of the command line: a string's place, or a switch's. */
struct flag {
	const char *name;
	const char **str;
	bool *on;
};

static int
set_flag(const struct flag *f, const char *value, char **next, int *used)
{
	if (f->on) {
		*f->on = !value || strcmp(value, "true") == 0 ||
		    strcmp(value, "1") == 0;
		if (value && !*f->on && strcmp(value, "false") != 0 &&
		    strcmp(value, "0") != 0)
			return usage("not true or false: -", f->name);
		return 0;
	}
	if (!value) {
		value = *next;
		*used = 1;
	}
	if (!value)
		return usage("flag needs an argument: -", f->name);
	*f->str = value;
	return 0;
}

/* Go's flag syntax: -x v, -x=v, --x v, --x=v; the first other word ends it. */
static int
parse_args(struct options *o, int argc, char **argv)
{
	const struct flag flags[] = {
		{ "namespace", &o->namespace, NULL },
		{ "id", &o->id, NULL },
		{ "address", &o->address, NULL },
		{ "publish-binary", &o->publish_binary, NULL },
		{ "bundle", &o->bundle, NULL },
		{ "socket", &o->socket, NULL },
		{ "debug-socket", &o->debug_socket, NULL },
		{ "events", &o->events, NULL },
		{ "resume", &o->resume, NULL },
		{ "resume-check", &o->resume_check, NULL },
		{ "debug", NULL, &o->debug },
		{ "v", NULL, &o->version },
		{ "version", NULL, &o->version },
		{ "info", NULL, &o->info },
	};
	const char *arg, *value;
	size_t i, len;
	int n, used, ret;

	for (n = 1; n < argc && argv[n][0] == '-' && argv[n][1]; n++) {
		arg = argv[n] + 1;
		if (*arg == '-')
			arg++;
		if (!*arg) {		/* "--" */
			n++;
			break;
		}
		value = strchr(arg, '=');
		len = value ? (size_t)(value - arg) : strlen(arg);
		for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
			if (strlen(flags[i].name) == len &&
			    memcmp(flags[i].name, arg, len) == 0)
				break;
		}
		if (i == sizeof(flags) / sizeof(flags[0]))
			return usage("flag provided but not defined: ",
			    argv[n]);
		used = 0;
		ret = set_flag(&flags[i], value ? value + 1 : NULL,
		    &argv[n + 1], &used);
		if (ret)
			return ret;
		n += used;
	}
	if (n < argc)
		o->action = argv[n++];
	if (n < argc)
		return usage("one word too many: ", argv[n]);
	return 0;
}

static int
check_options(const struct options *o)
{
	static const char *const actions[] = { "", "start", "delete" };
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(o->action, actions[i]) == 0)
			break;
	}
	if (i == sizeof(actions) / sizeof(actions[0]))
		return usage("no such action: ", o->action);
	if (!o->namespace[0])
		return usage("shim namespace cannot be empty: ", "-namespace");
	if (!o->id[0] && o->action[0])
		return usage("task id cannot be empty: ", "-id");
	if (name_check("namespace", o->namespace, &e) < 0 ||
	    (o->id[0] && name_check("task id", o->id, &e) < 0) ||
	    (o->bundle[0] && name_check_path("bundle", o->bundle, &e) < 0))
		return usage(e.msg, "");
	return 0;
}

/* -- the daemon ----------------------------------------------------------- */

/* Our socket's file; one that a newer shim has bound there stays. */
static void
remove_socket(void)
{
	struct stat st;

	if (own.socket_name.sun_path[0] &&
	    lstat(own.socket_name.sun_path, &st) == 0 &&
	    st.st_ino == own.ino && st.st_dev == own.dev)
		unlink(own.socket_name.sun_path);
	own.socket_name.sun_path[0] = '\0';
}

static void
wait_for_replies(struct timer *t)
{
	(void)t;
	if (((ttrpc_unsent() == 0 && !(until_read && ttrpc_connections())) ||
	    loop_now() >= last_replies_until) &&
	    cgroup_leaving() == 0)
		loop_stop();
	else
		timer_start(&last_replies, LAST_REPLIES_STEP_NS,
		    wait_for_replies);
}

static void
events_flushed(void)
{
	last_replies_until = loop_now() + LAST_REPLIES_NS;
	/* Whoever asked for the end is answered when this returns. */
	timer_start(&last_replies, 0, wait_for_replies);
}

/* Nobody new; then, when containerd has the last events and replies, end. */
static void
stop(void)
{
	if (stopping)
		return;
	stopping = true;
	timer_stop(&unwanted);
	/* In this order: who finds the socket finds somebody who accepts. */
	remove_socket();
	ttrpc_stop_accepting();
	events_flush(EVENTS_FLUSH_NS, events_flushed);
}

/* A ttrpc client in Go that finds a reply and the connection's end at once
 * tells of either (ttrpc client.go dispatch()); containerd passes over that for
 * the Task service's Shutdown, not for this one.  So it hangs up first. */
static void
stop_when_read(void)
{
	until_read = true;
	stop();
}

/* containerd has removed the bundle that this directory is. */
static bool
directory_gone(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/*
 * Nobody is connected: will somebody come back?  Not for work that is done
 * and told, not where containerd has removed the bundles (it gave the shim up,
 * or was killed while it was starting it), and not after UNWANTED_NS for a
 * container that never came.
 */
static bool
is_unwanted(void)
{
	const struct container *ct;

	if (state_containers() == 0)
		return (state_deleted() && events_pending() == 0) ||
		    directory_gone(own.bundle_fd) ||
		    loop_now() - alone_since >= UNWANTED_NS;
	for (ct = state_next(NULL); ct; ct = state_next(ct)) {
		if (ct->init.state != STATE_STOPPED ||
		    !directory_gone(ct->env.bundle_fd))
			return false;
	}
	return true;
}

static void
on_alone(struct timer *t)
{
	bool late = loop_now() - alone_since >= UNWANTED_NS;

	if (is_unwanted()) {
		log_info("nobody is connected and nobody will be: leaving "
		    "with %u containers", state_containers());
		stop();
	} else {
		timer_start(t, late ? UNWANTED_NS : UNWANTED_LOOK_NS, on_alone);
	}
}

static void
check_wanted(void)
{
	if (stopping || ttrpc_connections() != 0) {
		timer_stop(&unwanted);
	} else if (!timer_running(&unwanted)) {
		alone_since = loop_now();
		timer_start(&unwanted, UNWANTED_LOOK_NS, on_alone);
	}
}

static void
on_connections(bool none)
{
	(void)none;
	check_wanted();
}

static void
on_signal(int sig)
{
	enum log_level was;

	/* The latter is what gVisor's shim has for it. */
	if (sig == SIGUSR1 || sig == SIGUSR2) {
		was = log_set_level(LOG_INFO);	/* it was asked for */
		log_info("dump: version %s containers %u connections %u "
		    "calls %u commands %u events %zu dropped %lu log lines "
		    "dropped %lu", VERSION, state_containers(),
		    ttrpc_connections(), ttrpc_calls(), runsc_running(),
		    events_pending(), events_dropped(), log_dropped());
		state_dump();
		log_set_level(was);
		return;
	}
	if (state_containers())
		log_warn("signal %d: leaving with %u containers", sig,
		    state_containers());
	stop();
}

/* The socket given as fd 3, or bound at -socket. */
static int
find_socket(const struct options *o, struct err *e)
{
	socklen_t len = sizeof(own.socket_name);
	int fd = SHIM_SOCKET_FD;
	struct stat st = { 0 };

	if (o->socket[0]) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return err_sys(e, "create socket");
		own.socket_name.sun_family = AF_UNIX;
		if (strlen(o->socket) >= sizeof(own.socket_name.sun_path)) {
			err_set(e, ERR_INVALID, "-socket %s is too long",
			    o->socket);
			goto fail;
		}
		strcpy(own.socket_name.sun_path, o->socket);
		if (bind(fd, (struct sockaddr *)&own.socket_name,
		    sizeof(own.socket_name)) < 0 ||
		    chmod(o->socket, 0600) < 0 ||
		    listen(fd, SHIM_BACKLOG) < 0) {
			err_sys(e, "listen on %s", o->socket);
			goto fail;
		}
	} else if (getsockname(fd, (struct sockaddr *)&own.socket_name,
	    &len) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		return err_sys(e, "no action given, and descriptor %d is no "
		    "socket to serve on", fd);
	}
	if (lstat(own.socket_name.sun_path, &st) < 0)
		own.socket_name.sun_path[0] = '\0';
	own.dev = st.st_dev;
	own.ino = st.st_ino;
	return fd;
fail:
	close(fd);
	return -1;
}

/* `start` waits at the other end of our standard error for an empty string, or
 * for the reason why we do not serve. */
static void
tell_start(const struct options *o)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (!o->socket[0] && write(STDERR_FILENO, "", 1) < 0)
		log_warn("nobody waits for this shim to serve");
	if (!o->socket[0] && null >= 0)
		dup2(null, STDERR_FILENO);
	fd_close(&null);
}

static const struct ttrpc_service services[] = {
	{ "containerd.task.v2.Task", task_methods },
	{ "containerd.task.v3.Task", task_methods },
	{ "containerd.runtime.sandbox.v1.Sandbox", sandbox_methods },
	{ "runsc.shim.v1.Shim", upgrade_methods },
	{ NULL, NULL },
};

/* Of a shim that takes nobody's place; the socket, or -1. */
static int
begin(const struct options *o, struct err *e)
{
	int fd;

	if (o->debug)
		log_set_level(LOG_DEBUG);
	log_open(FILE_LOG);
	fd = find_socket(o, e);
	if (fd < 0)
		return -1;
	/* The bundle may go while we live; that is worth knowing. */
	own.bundle_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return chdir("/") < 0 ? err_sys(e, "chdir /") : fd;
}

/* Who takes another's place tries again before it goes back. */
static bool
again(const struct options *o)
{
	return o->resume[0] && save_again();
}

static int
serve(const struct options *o)
{
	const char *events = o->events[0] ? o->events :
	    getenv("TTRPC_ADDRESS");
	bool resumed = o->resume[0] != '\0';
	struct err e;
	int fd = -1;

	save_reader(resumed);
	if (!resumed && (fd = begin(o, &e)) < 0)
		goto fail;
	while (loop_init(&e) < 0 || child_init(on_signal, &e) < 0) {
		if (!again(o))
			goto fail;
	}
	task_init(stop);
	sandbox_init(stop_when_read);
	state_init(o->namespace, ops_cells, check_wanted);
	upgrade_allow(&own);
	while (events_init(events, o->namespace, &e) < 0) {
		if (!again(o))
			goto fail;
	}
	if ((resumed ? upgrade_resume(o->resume, &own, services,
	    on_connections, &e) : ttrpc_serve(fd, services, on_connections,
	    &e)) < 0)
		goto fail;
	if (!resumed)
		tell_start(o);
	check_wanted();
	log_info("shim %s serves %s, pid %d", VERSION, o->id, (int)getpid());
	loop_run();
	ttrpc_close_all();
	events_close();
	remove_socket();
	/* Of what still runs nothing more can be told. */
	while (logger_end_all() && state_containers() == 0)
		loop_turn(-1);
	return 0;
fail:
	log_err("%s", e.msg);
	upgrade_go_back(o->resume, &e);
	remove_socket();
	fmt_write(STDERR_FILENO, "%s: %s\n", SHIM_NAME, e.msg);
	return EXIT_FAILED;
}

/* What another shim has written: could it be taken over? */
static int
check_resume(const struct options *o)
{
	struct err e;

	if (upgrade_check(upgrade_fd(o->resume_check), services, &e) == 0)
		return fmt_write(STDOUT_FILENO, UPGRADE_YES VERSION "\n") < 0 ?
		    EXIT_FAILED : 0;
	fmt_write(STDERR_FILENO, "%s\n", e.msg);
	return EXIT_FAILED;
}

int
main(int argc, char **argv)
{
	struct options o = {
		.namespace = "", .id = "", .address = "",
		.publish_binary = "", .bundle = "", .socket = "",
		.debug_socket = "", .events = "", .action = "",
		.resume = "", .resume_check = "",
	};
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;
	bool features;
	int ret, closed;

	/* Inside a sandbox, as its one process. */
	if (name && strcmp(name, "/pause") == 0)
		return sandbox_pause();
	closed = fd_std();
	if (closed < 0) {
		fmt_write(STDERR_FILENO, "%s: %s\n", "open /dev/null",
		    strerror(errno));
		return EXIT_FAILED;
	}
	o.no_output = (closed & 1 << STDOUT_FILENO) != 0;
	standin_init(argc, argv);
	upgrade_init(argc, argv);
	ret = parse_args(&o, argc, argv);
	if (ret)
		return ret;
	features = strcmp(o.action, "features") == 0;
	o.info |= features;
	/* To print is all that these do. */
	if ((o.version || o.info) && o.no_output)
		return EXIT_FAILED;
	if (o.version) {
		return fmt_write(STDOUT_FILENO, "%s:\n  Version:  %s\n",
		    SHIM_NAME, VERSION) < 0 ? EXIT_FAILED : 0;
	}
	if (o.info)
		return info_run(features);
	ret = check_options(&o);
	if (ret)
		return ret;
	if (o.resume_check[0])
		return check_resume(&o);
	if (strcmp(o.action, "start") == 0)
		return start_run(&o);
	if (strcmp(o.action, "delete") == 0)
		return delete_run(&o);
	return serve(&o);
}
