/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade: see upgrade.h. */
#include "upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/child.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/name.h"
#include "container.h"
#include "events.h"
#include "host/cgroup.h"
#include "ops.h"
#include "sandbox.h"
#include "stdio/logger.h"
#include "task.h"
#include "wire/save.h"

#define OWN_FILE "/proc/self/exe"
#define DELETED " (deleted)"
#define FLAG "-resume="
#define LOOK_NS (1 * NS_PER_MS)
/* Rest comes by itself between two requests, mostly.  Else nobody is served for
 * so long that what is under way may end, and then everybody for a moment. */
#define WATCH_NS (500 * NS_PER_MS)
#define HOLD_NS (200 * NS_PER_MS)
#define SERVE_NS (20 * NS_PER_MS)
#define WORDS_MAX 512
#define ARGS_MAX 64
/* In the child that looks: what is written, and the program. */
#define CHECK_STATE "3"
#define CHECK_PROGRAM "/proc/self/fd/4"

static char own_path[PATH_MAX];
static char **own_argv;
static struct upgrade_own *own;	/* NULL: no upgrade */
static const struct ttrpc_service *services;
static void (*on_idle)(bool no_connection);

/* The upgrade under way. */
static struct {
	bool under_way;
	struct ttrpc_call *call;	/* NULL: nobody waits any more */
	int fd;				/* the successor, O_PATH */
	struct stat st;			/* its, when it was opened */
	char old[32];			/* the version before */
	bool held;
	int64_t held_ns;		/* loop_now(): held or not since */
	int64_t until_ns;		/* for rest to come */
	void (*next)(void);		/* at rest */
	struct timer timer;
	struct defer quiet;
	struct child check;
	int words_fd;			/* what that says */
} up;

/* -- what is written ------------------------------------------------------- */

/* All that is a number, or two, somewhere. */
struct odds {
	struct child_given given;
	struct log_kept log;
	struct upgrade_own own;
	uint64_t pid_files;
	int64_t sandbox_created;
};

static const struct save_field odds_fields[] = {
	SAVE(struct odds, given.signals), SAVE(struct odds, given.files),
	SAVE(struct odds, given.files_max), SAVE_OPEN(struct odds, log.fd),
	SAVE_OPEN(struct odds, log.copy_fd),
	SAVE_UPTO(struct odds, log.level, LOG_DEBUG),
	SAVE(struct odds, log.dropped), SAVE_OPEN(struct odds, own.bundle_fd),
	SAVE_ARRAY(struct odds, own.socket_name.sun_path),
	SAVE(struct odds, own.dev), SAVE(struct odds, own.ino),
	SAVE(struct odds, pid_files), SAVE(struct odds, sandbox_created),
	SAVE_LAST
};

static void
save_odds(struct pb_out *o)
{
	struct odds x = { .own = *own, .pid_files = runsc_pid_files(0),
		.sandbox_created = sandbox_created() };

	child_given(&x.given);
	log_kept(&x.log);
	save_put(o, odds_fields, &x);
}

static int
load_odds(struct pb_bytes in, struct err *e)
{
	struct odds x = { .pid_files = 0 };

	if (save_get(in, odds_fields, &x, e) < 0)
		return -1;
	x.own.socket_name.sun_family = AF_UNIX;
	x.own.socket_name.sun_path[sizeof(x.own.socket_name.sun_path) - 1] =
	    '\0';
	if (save_is_checked())
		return 0;
	child_set_given(&x.given);
	log_set_kept(&x.log);
	*own = x.own;
	runsc_pid_files((unsigned long)x.pid_files);
	sandbox_set_created(x.sandbox_created);
	return 0;
}

static int
load_ttrpc(struct pb_bytes in, struct err *e)
{
	return ttrpc_load(in, services, on_idle, e);
}

struct saved_upgrade {
	char *old;
	int64_t held_ns;
};

static const struct save_field upgrade_fields[] = {
	SAVE(struct saved_upgrade, old), SAVE(struct saved_upgrade, held_ns),
	SAVE_SUBS, SAVE_LAST
};
#define UPGRADE_CALL 3

static void
save_upgrade(struct pb_out *o)
{
	char old[] = VERSION;
	const struct saved_upgrade s = { old, up.held_ns };

	save_put(o, upgrade_fields, &s);
	if (up.call)
		ttrpc_save_call(o, UPGRADE_CALL, up.call);
}

static int
load_upgrade(struct pb_bytes in, struct err *e)
{
	struct saved_upgrade s = { .old = NULL };
	struct pb_bytes b;
	struct pb_in pb;

	if (save_get(in, upgrade_fields, &s, e) < 0)
		return -1;
	if (!s.old)
		return save_bad(e);
	fmt(up.old, sizeof(up.old), "%s", s.old);
	free(s.old);
	up.held_ns = s.held_ns;
	pb_in_init(&pb, in.p, in.n);
	if (!pb_next_bytes(&pb, UPGRADE_CALL, &b))
		return 0;
	up.call = ttrpc_load_call(b, "Shim", "Upgrade", e);
	return up.call ? 0 : -1;
}

/*
 * The parts, in the order in which they are written and read.  A later release
 * adds some, and raises the version of one whose fields get another meaning.
 * Containers are a part each.
 */
static const struct part {
	const char *name;
	void (*save)(struct pb_out *o);		/* NULL: of each container */
	int (*load)(struct pb_bytes in, struct err *e);
} parts[] = {
	{ "daemon", save_odds, load_odds },
	{ "connections", ttrpc_save, load_ttrpc },
	{ "events", events_save, events_load },
	{ "cgroups", cgroup_save, cgroup_load },
	{ "loggers", logger_save, logger_load },
	{ "old stdio", io_save_left, io_load_left },
	{ "deleted", state_save, state_load },
	{ "container", NULL, container_load },
	{ "waits", task_save, task_load },
	{ "upgrade", save_upgrade, load_upgrade },
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* What stands before each, in the order of bytes of this machine. */
struct part_head {
	uint32_t number;	/* from 1 on */
	uint32_t version;
	uint32_t length;
};

/* And the format. */
static const char magic[] = "shimsave\0\0\0\1";

static int
put(int fd, const void *p, size_t n, struct err *e)
{
	errno = ENOSPC;		/* of a short write, which sets none */
	return write(fd, p, n) == (ssize_t)n ? 0 : err_sys(e, "write to a "
	    "memory file");
}

static int
write_part(int fd, uint32_t number, struct pb_out *o, struct err *e)
{
	const struct part_head h = { number, 1, (uint32_t)o->len };
	int rc = 0;

	if (put(fd, &h, sizeof(h), e) < 0 || put(fd, o->p, o->len, e) < 0)
		rc = -1;
	else if (o->bad || lseek(fd, 0, SEEK_CUR) > FILE_REST_MAX)
		rc = err_set(e, ERR_UNAVAILABLE, "%s: too much to be written "
		    "down", parts[number - 1].name);
	pb_out_free(o);
	return rc;
}

/* A memory file with all of it, to be read from its beginning. */
static int
write_all(struct err *e)
{
	int fd = memfd_create("shim-state", MFD_CLOEXEC);
	struct container *ct;
	struct pb_out o;
	uint32_t i;
	int rc;

	if (fd < 0)
		return err_sys(e, "create memory file");
	save_begin();
	rc = put(fd, magic, sizeof(magic) - 1, e);
	for (i = 0; rc == 0 && i < PARTS; i++) {
		pb_out_init(&o, NULL, 0);
		for (ct = parts[i].save ? NULL : state_next(NULL); ct &&
		    rc == 0; ct = state_next(ct)) {
			container_save(&o, ct);
			rc = write_part(fd, i + 1, &o, e);
		}
		if (parts[i].save) {
			parts[i].save(&o);
			rc = write_part(fd, i + 1, &o, e);
		}
	}
	lseek(fd, 0, SEEK_SET);
	if (rc < 0)
		fd_close(&fd);
	return fd;
}

/* -- what is read ---------------------------------------------------------- */

static int
read_part(const struct part_head *h, const char *text, uint32_t *last,
    struct err *e)
{
	const struct part *p;

	if (h->number == 0 || h->number > PARTS || h->version != 1)
		return err_set(e, ERR_INVALID, "part %u, version %u, is not "
		    "known to this release, " VERSION, h->number, h->version);
	p = &parts[h->number - 1];
	/* Each once, but for containers. */
	if (h->number < *last || (h->number == *last && p->save))
		return err_set(e, ERR_INVALID, "part %s comes twice", p->name);
	while (++*last < h->number) {
		if (parts[*last - 1].save)
			return err_set(e, ERR_INVALID, "there is no part %s",
			    parts[*last - 1].name);
	}
	*last = h->number;
	if (p->load((struct pb_bytes){ (const uint8_t *)text, h->length },
	    e) < 0)
		return err_prefix(e, "part %s", p->name);
	return 0;
}

static int
read_parts(const char *text, size_t n, struct err *e)
{
	size_t at = sizeof(magic) - 1;
	struct part_head h;
	uint32_t last = 0;

	if (n < at || memcmp(text, magic, at) != 0)
		return err_set(e, ERR_INVALID, "not the state of a shim, or of "
		    "another format");
	while (n - at >= sizeof(h)) {
		memcpy(&h, text + at, sizeof(h));
		at += sizeof(h);
		if (h.length > n - at) {
			last = 0;
			break;
		}
		if (read_part(&h, text + at, &last, e) < 0)
			return -1;
		at += h.length;
	}
	return at == n && last == PARTS ? 0 :
	    err_set(e, ERR_INVALID, "cut off");
}

static int
read_all(int fd, bool for_good, struct err *e)
{
	char *text;
	size_t n;
	int rc;

	save_reader(for_good);
	do
		text = file_load_rest(fd, "the state", &n, e);
	while (!text && lseek(fd, 0, SEEK_SET) == 0 && save_again());
	if (!text)
		return -1;
	rc = read_parts(text, n, e);
	fmt_wipe(text, n);
	return rc;
}

int
upgrade_check(int fd, const struct ttrpc_service *table, struct err *e)
{
	services = table;
	return read_all(fd, false, e);
}

static void
hold(bool on)
{
	up.held = on;
	up.held_ns = loop_now();
	events_hold(on);
	ttrpc_hold(on);
}

static void
answer(int64_t ns)
{
	struct pb_out o;

	log_info("upgrade: %s -> " VERSION ", %lld us", up.old,
	    (long long)(ns / 1000));
	if (!up.call)
		return;
	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, up.old);
	pb_put_str(&o, 2, VERSION);
	pb_put_uint(&o, 3, (uint64_t)ns);
	ttrpc_reply_pb(up.call, &o);
	up.call = NULL;
}

int
upgrade_fd(const char *p)
{
	int fd = 0;

	for (; *p >= '0' && *p <= '9' && fd < INT_MAX / 10 - 1; p++)
		fd = 10 * fd + *p - '0';
	return fd;
}

/* Our own command line with a flag in it, which others of its kind are not. */
static void
command_line(const char *argv[ARGS_MAX + 2], const char *program,
    const char *flag)
{
	int i;

	*argv++ = program;
	*argv++ = flag;
	for (i = 1; i < ARGS_MAX && own_argv[i]; i++) {
		if (strncmp(own_argv[i], FLAG, sizeof(FLAG) - 1) != 0)
			*argv++ = own_argv[i];
	}
	*argv = NULL;
}

/* Execute program, which gets all descriptors that have been written down; it
 * returns if that fails. */
static void
execute(int program, const char *flag)
{
	const char *argv[ARGS_MAX + 2];

	command_line(argv, own_argv[0], flag);
	save_pass_fds(true);
	syscall(SYS_execveat, program, "", argv, environ, AT_EMPTY_PATH);
}

static void finish(const struct err *e);

/* The descriptor of the program to go back to, in STATE,BACK; NULL: in "STATE
 * REASON" is none. */
static const char *
find_back(const char *name)
{
	name += strspn(name, "0123456789");
	return *name == ',' ? name + 1 : NULL;
}

void
upgrade_go_back(const char *name, const struct err *e)
{
	const char *back = find_back(name);
	char flag[sizeof(FLAG) + 16 + ERR_MSG_MAX];
	int fd;

	if (!back || !own_argv)
		return;
	fd = upgrade_fd(back);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	lseek(upgrade_fd(name), 0, SEEK_SET);
	fmt(flag, sizeof(flag), FLAG "%d %s", upgrade_fd(name), e->msg);
	execute(fd, flag);
}

int
upgrade_resume(const char *name, struct upgrade_own *is,
    const struct ttrpc_service *table, void (*idle)(bool no_connection),
    struct err *e)
{
	struct container *ct;
	char *end = strrchr(own_path, '/');
	const char *back = find_back(name);
	int fd = upgrade_fd(name);

	prctl(PR_SET_NAME, end ? end + 1 : own_path);
	own = is;
	services = table;
	on_idle = idle;
	if (read_all(fd, true, e) < 0)
		return err_prefix(e, "take over from another shim");
	close(fd);
	save_begin();
	/* Who ended meanwhile has been told to nobody. */
	kill(getpid(), SIGCHLD);
	for (ct = state_next(NULL); ct; ct = state_next(ct))
		ops_resume(ct);
	if (!back) {
		err_set(e, ERR_INTERNAL, "the successor went back to this "
		    "one:%s", name + strcspn(name, " "));
		finish(e);
		return 0;
	}
	close(upgrade_fd(back));
	answer(loop_now() - up.held_ns);
	hold(false);
	return 0;
}

/* -- rest ------------------------------------------------------------------ */

/* What is under way of p and cannot be written down; NULL: nothing. */
static const char *
process_is_busy(const struct process *p, unsigned *waits, unsigned *cmds)
{
	const struct waiter *w;

	for (w = p->waiters; w && task_is_wait(w); w = w->next)
		++*waits;
	*cmds += p->wait_cmd != NULL;
	if (p->state == STATE_CREATING || p->state == STATE_ENDING ||
	    p->end != END_NONE || child_is_late(&p->child))
		return "a process begins or ends";
	if (p->current || p->queue || p->side || p->failed_start || w ||
	    timer_running(&p->end_timer) || p->master >= 0 || p->slave >= 0)
		return "an operation is under way";
	if (p->console)
		return "a terminal has yet to come";
	if (p->wait_cmd && !runsc_waits(p->wait_cmd))
		return "a sandbox is being asked";
	return NULL;
}

static const char *
is_busy(void)
{
	const struct container *ct;
	const struct process *p;
	unsigned waits = up.call != NULL, cmds = 0;
	const char *why = NULL;

	for (ct = state_next(NULL); ct && !why; ct = state_next(ct)) {
		why = process_is_busy(&ct->init, &waits, &cmds);
		for (p = ct->execs; p && !why; p = p->next)
			why = process_is_busy(p, &waits, &cmds);
	}
	if (why)
		return why;
	if (runsc_running() != cmds)
		return "a runsc runs";
	if (ttrpc_calls() != waits)
		return "a request is under way";
	if (events_are_busy())
		return "an event is on its way";
	return cgroup_leaving() ? "a cgroup is being removed" : NULL;
}

static void
finish(const struct err *e)
{
	log_warn("upgrade: %s", e->msg);
	if (up.call)
		ttrpc_fail(up.call, e);
	up.call = NULL;
	up.under_way = false;
	timer_stop(&up.timer);
	fd_close(&up.fd);
	hold(false);
}

static void on_look(struct timer *t);

static void
hold_again(struct timer *t)
{
	hold(true);
	on_look(t);
}

static void
on_quiet(struct defer *d)
{
	int64_t now = loop_now();
	const char *why;
	bool leaves;
	struct err e;

	if (!loop_is_quiet()) {
		loop_defer(d, on_quiet);
		return;
	}
	leaves = !ttrpc_accepts();
	why = leaves ? "it is leaving" : is_busy();
	if (!why) {
		if (!up.held)
			hold(true);
		up.next();
	} else if (leaves || now >= up.until_ns) {
		err_set(&e, ERR_UNAVAILABLE, "it does not come to rest: %s",
		    why);
		finish(&e);
	} else if (now < up.held_ns + (up.held ? HOLD_NS : WATCH_NS)) {
		timer_start(&up.timer, LOOK_NS, on_look);
	} else if (up.held) {
		hold(false);
		timer_start(&up.timer, SERVE_NS, hold_again);
	} else {
		hold_again(&up.timer);
	}
}

static void
on_look(struct timer *t)
{
	(void)t;
	loop_defer(&up.quiet, on_quiet);
}

/* Call next when nothing is under way, and nobody is served any more. */
static void
rest(void (*next)(void))
{
	up.next = next;
	up.until_ns = loop_now() + UPGRADE_REST_NS;
	up.held_ns = loop_now();
	timer_start(&up.timer, 0, on_look);
}

/* -- the successor --------------------------------------------------------- */

/* Who writes over a file that nobody executes any more changes what has been
 * checked. */
static bool
is_as_checked(struct err *e)
{
	struct stat st;

	if (fstat(up.fd, &st) == 0 && st.st_size == up.st.st_size &&
	    st.st_mtim.tv_sec == up.st.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == up.st.st_mtim.tv_nsec)
		return true;
	err_set(e, ERR_PRECONDITION, "the successor has been written to since "
	    "it was opened");
	return false;
}

/*
 * The successor gets what is written down and, if it cannot read that after
 * all, this program to go back to: what is looked at and what is taken over are
 * not written at the same time.
 */
static void
take_over(void)
{
	int back = open(OWN_FILE, O_PATH), fd = -1;
	char flag[sizeof(FLAG) + 32];
	struct err e;

	if (back < 0)
		err_sys(&e, "open %s", OWN_FILE);
	else if (is_as_checked(&e))
		fd = write_all(&e);
	if (fd >= 0) {
		fmt(flag, sizeof(flag), FLAG "%d,%d", fd, back);
		fcntl(fd, F_SETFD, 0);
		execute(up.fd, flag);
		err_sys(&e, "execute the successor");
		e.code = ERR_INTERNAL;
		save_pass_fds(false);
		close(fd);
	}
	fd_close(&back);
	finish(&e);
}

static void
on_check_late(struct timer *t)
{
	struct err e;

	(void)t;
	/* With what it has started.  It may take its time to end. */
	kill(-up.check.pid, SIGKILL);
	child_forget(&up.check);
	fd_close(&up.words_fd);
	err_set(&e, ERR_PRECONDITION, "the successor does not answer");
	finish(&e);
}

static void
on_checked(struct child *c, int status)
{
	char words[WORDS_MAX];
	ssize_t n = read(up.words_fd, words, sizeof(words) - 1);
	struct err e;

	timer_stop(&up.timer);
	fd_close(&up.words_fd);
	words[n > 0 ? n : 0] = '\0';
	words[strcspn(words, "\n")] = '\0';
	for (n = 0; words[n]; n++) {
		if ((unsigned char)words[n] < ' ' || words[n] == 0x7f)
			words[n] = '?';
	}
	if (c->exec_errno) {
		err_errno(&e, c->exec_errno, "execute the successor");
	} else if (child_exit_code(status) == 0 &&
	    strncmp(words, UPGRADE_YES, sizeof(UPGRADE_YES) - 1) == 0) {
		log_info("upgrade: the successor %s", words);
		rest(take_over);
		return;
	} else {
		err_set(&e, ERR_PRECONDITION, "the successor says no: %s",
		    words[0] ? words : child_was_killed(status) ?
		    "it was killed" : "it ended without a word");
	}
	e.code = ERR_PRECONDITION;
	finish(&e);
}

/* Have it look at what it would get, on the command line, too. */
static void
check(void)
{
	const char *argv[ARGS_MAX + 2];
	struct child_spawn s = { .argv = argv, .fds = { -1, -1, -1 },
		.extra_fds = { -1, -1, -1 }, .die_with_us = true,
		.own_group = true };
	struct err e;
	int fds[2] = { -1, -1 }, state = write_all(&e);
	bool started = false;

	command_line(argv, CHECK_PROGRAM, "-resume-check=" CHECK_STATE);
	if (state >= 0 && pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		err_sys(&e, "create pipe");
	} else if (state >= 0) {
		s.extra_fds[0] = state;
		s.extra_fds[1] = up.fd;
		s.fds[1] = s.fds[2] = fds[1];
		started = child_start(&up.check, &s, on_checked, &e) == 0;
	}
	fd_close(&state);
	fd_close(&fds[1]);
	if (!started) {
		fd_close(&fds[0]);
		finish(&e);
		return;
	}
	up.words_fd = fds[0];
	hold(false);
	timer_start(&up.timer, UPGRADE_CHECK_NS, on_check_late);
}

/*
 * What is looked at is what will be executed: one descriptor.  Who may write to
 * the directories that lead there could have put another file of root's in its
 * place, which then has to say that it is a shim.
 */
static int
open_successor(const char *path, struct err *e)
{
	const struct stat *st = &up.st;
	const char *why = NULL;

	up.fd = open(path, O_PATH | O_CLOEXEC);
	if (up.fd < 0 || fstat(up.fd, &up.st) < 0) {
		fd_close(&up.fd);
		return err_sys(e, "open %s", path);
	}
	if (!S_ISREG(st->st_mode) || !(st->st_mode & S_IXUSR))
		why = "not a program";
	else if (st->st_uid != 0 && st->st_uid != geteuid())
		why = "not root's";
	else if (st->st_mode & (S_IWGRP | S_IWOTH))
		why = "others may write to it";
	else if (st->st_mode & (S_ISUID | S_ISGID))
		why = "it would run as somebody else";
	if (!why)
		return 0;
	fd_close(&up.fd);
	return err_set(e, ERR_PRECONDITION, "%s: %s", path, why);
}

/* -- the service ----------------------------------------------------------- */

static const char *
find_own_path(void)
{
	ssize_t n;
	char *end;

	if (own_path[0])
		return own_path;
	n = readlink(OWN_FILE, own_path, sizeof(own_path) - 1);
	own_path[n > 0 ? n : 0] = '\0';
	end = fmt_find(own_path, DELETED);
	if (end && !end[sizeof(DELETED) - 1])
		*end = '\0';
	return own_path;
}

void
upgrade_init(int argc, char **argv)
{
	own_argv = argc <= ARGS_MAX - 1 ? argv : NULL;
	up.fd = up.words_fd = -1;
	find_own_path();
}

void
upgrade_allow(struct upgrade_own *is)
{
	own = is;
}

/* Reply {1 version, 2 path}. */
static void
version(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct pb_out o;

	(void)m;
	(void)row;
	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, VERSION);
	pb_put_str(&o, 2, find_own_path());
	ttrpc_reply_pb(call, &o);
}

static void
on_gone(void *arg)
{
	(void)arg;
	up.call = NULL;
}

/* Request {1 file}, reply {1 old version, 2 new version, 3 ns}. */
static void
upgrade(struct ttrpc_call *call, struct message *m, const void *row)
{
	const char *path = m->str[1][0] ? m->str[1] : find_own_path();
	struct err e;

	(void)row;
	if (up.under_way || !own || !own_argv) {
		err_set(&e, ERR_PRECONDITION, up.under_way ?
		    "an upgrade is under way" : "this shim cannot be replaced");
	} else if (name_check_path("file", path, &e) == 0 &&
	    open_successor(path, &e) < 0) {
		e.code = ERR_PRECONDITION;
	} else if (up.fd >= 0) {
		up.under_way = true;
		up.call = call;
		ttrpc_on_gone(call, on_gone, NULL);
		rest(check);
		return;
	}
	ttrpc_fail(call, &e);
}

const struct ttrpc_method upgrade_methods[] = {
	{ "Version", NULL, version, NULL, false },
	{ "Upgrade", "-s", upgrade, NULL, true },
	{ NULL, NULL, NULL, NULL, false },
};
