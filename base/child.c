/* SPDX-License-Identifier: Apache-2.0 */
/* child: see child.h. */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/fmt.h"
#include "base/log.h"

/*
 * Exits of orphans that nobody owned when they were reaped.  A sandbox that
 * dies leaves some dozens of helper processes at once; what matters is the
 * one exec or sandbox whose pid file is about to be read.
 */
#define UNCLAIMED_MAX 512
/*
 * Clock ticks a second, as every architecture that gVisor runs on tells them.
 */
#define USER_HZ 100
/* /proc/PID/stat: a name and 50 numbers. */
#define STAT_MAX 1280
#define PF_EXITING 4	/* proc_pid_stat(5), flags */
#define PF_KTHREAD 0x200000
/* Ancestors that are looked at: runsc's processes are few generations deep. */
#define ANCESTORS_MAX 32

#ifndef P_PIDFD		/* glibc before 2.36, musl */
#define P_PIDFD 3
#endif
#define STDIO_FDS 3
#define EXTRA_FDS 3
#define EXEC_FAILED 127

static struct child *children;
static struct watch sig_watch = { .fd = -1 };
static void (*sig_cb)(int sig);
static sigset_t old_mask;
static struct rlimit old_files;	/* what we were given, and children get */

static struct unclaimed {
	pid_t pid;
	int status;
	int64_t start;		/* clock ticks since boot; 0: unknown */
	uint64_t seq;
} unclaimed[UNCLAIMED_MAX];
static unsigned unclaimed_len;
static unsigned forgotten;	/* while any hold is taken */
static uint64_t next_seq;
static struct child_hold *holds;	/* the newest first */

static void
list_del(struct child *c)
{
	if (!c->pprev)
		return;
	timer_stop(&c->late);
	LIST_DEL(c);
	loop_del(&c->watch);
	fd_close(&c->pidfd);
}

/* What the failed exec left in its pipe; 0 when it succeeded. */
static int
take_exec_errno(struct child *c)
{
	int err = 0;

	if (c->exec_fd < 0)
		return 0;
	if (read(c->exec_fd, &err, sizeof(err)) != (ssize_t)sizeof(err))
		err = 0;
	fd_close(&c->exec_fd);
	return err;
}

static void
tell_exit(struct child *c, int status)
{
	list_del(c);
	c->status = status;
	c->exec_errno = take_exec_errno(c);
	c->exited(c, status);
}

/* The n-th number after the name in the text of /proc/PID/stat, from the
 * parent's pid, 1, to the start time, 19; -1 if there is none. */
static int64_t
stat_number(const char *text, int n)
{
	const char *p = strrchr(text, ')');

	int64_t v = 0;

	for (n++; p && n > 0; n--)
		p = strchr(p + 1, ' ');
	if (!p || p[1] < '0' || p[1] > '9')
		return -1;
	/* Libc's conversions take 2 KiB of the static binary. */
	while (*++p >= '0' && *p <= '9' && v < INT64_MAX / 10 - 1)
		v = 10 * v + *p - '0';
	return v;
}

static bool
read_stat_text(pid_t pid, char text[STAT_MAX])
{
	char path[32];

	fmt(path, sizeof(path), "/proc/%d/stat", (int)pid);
	return file_read(path, text, STAT_MAX) > 0;
}

/* Parent and start time, in clock ticks since boot, of a process that has not
 * been reaped. */
static bool
read_stat(pid_t pid, pid_t *parent, int64_t *start)
{
	char text[STAT_MAX];

	if (!read_stat_text(pid, text))
		return false;
	*parent = (pid_t)stat_number(text, 1);
	*start = stat_number(text, 19);
	return *parent >= 0 && *start >= 0;
}

bool
child_is_descendant(pid_t pid)
{
	pid_t self = getpid();
	int64_t start;
	int i;

	for (i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
		if (!read_stat(pid, &pid, &start))
			return false;
		if (pid == self)
			return true;
	}
	return false;
}

pid_t
child_parent(pid_t pid)
{
	int64_t start;
	pid_t parent;

	return read_stat(pid, &parent, &start) ? parent : 0;
}

bool
child_is_exiting(pid_t pid)
{
	char text[STAT_MAX];

	return !read_stat_text(pid, text) ||
	    (stat_number(text, 6) & PF_EXITING) != 0;
}

/* The kernel has no place of its command line yet, or an empty one until it has
 * counted its words (fs/binfmt_elf.c). */
bool
child_is_executing(pid_t pid)
{
	enum { FLAGS = 6, ARG_START = 45, ARG_END = 46 };
	char text[STAT_MAX];

	return read_stat_text(pid, text) &&
	    !(stat_number(text, FLAGS) & (PF_EXITING | PF_KTHREAD)) &&
	    stat_number(text, ARG_END) <= stat_number(text, ARG_START);
}

/* The child of ours that has this pid now; one whose exit was kept has it no
 * more. */
static struct child *
find_child(pid_t pid)
{
	struct child *c;

	for (c = children; c; c = c->next) {
		if (c->pid == pid && !timer_running(&c->late))
			return c;
	}
	return NULL;
}

static void
unclaimed_drop(unsigned i)
{
	unclaimed_len--;
	memmove(&unclaimed[i], &unclaimed[i + 1],
	    (unclaimed_len - i) * sizeof(unclaimed[0]));
}

static void
keep_exit(pid_t pid, int status, int64_t start)
{
	if (unclaimed_len == UNCLAIMED_MAX) {
		if (!forgotten++)
			log_warn("child: more than %d unclaimed exits, the "
			    "oldest are forgotten", UNCLAIMED_MAX);
		unclaimed_drop(0);
	}
	unclaimed[unclaimed_len++] = (struct unclaimed){
		.pid = pid, .status = status, .start = start, .seq = next_seq++,
	};
}

/* A zombie still has a start time, so it is looked at before it is reaped. */
static bool
reap_one(void)
{
	siginfo_t si = { 0 };
	struct child *c;
	int64_t start = 0;
	pid_t parent;
	int status;

	if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    si.si_pid == 0)
		return false;
	c = find_child(si.si_pid);
	if (!c && holds && !read_stat(si.si_pid, &parent, &start))
		start = 0;
	if (waitpid(si.si_pid, &status, WNOHANG) != si.si_pid)
		return false;
	if (c)
		tell_exit(c, status);
	else if (holds)
		keep_exit(si.si_pid, status, start);
	return true;
}

static void
reap(void)
{
	while (reap_one())
		;
}

static void
on_signalfd(struct watch *w, uint32_t revents)
{
	struct signalfd_siginfo si;

	(void)revents;
	while (read(w->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap();
		else if (sig_cb)
			sig_cb((int)si.ssi_signo);
	}
}

/*
 * A process takes ten descriptors, and containerd's own unit leaves the soft
 * limit at 1,024.  Programs that use select(2), or close all up to the limit,
 * want that: it is the children's.  prlimit(), since musl's setrlimit() brings
 * along what it takes with threads.
 */
static void
raise_files(void)
{
	struct rlimit now;

	if (prlimit(0, RLIMIT_NOFILE, NULL, &old_files) < 0)
		return;
	now = old_files;
	now.rlim_cur = now.rlim_max;
	if (prlimit(0, RLIMIT_NOFILE, &now, NULL) < 0)
		log_warn("raise the limit of open files: %s", strerror(errno));
}

int
child_init(void (*on_signal)(int sig), struct err *e)
{
	struct sigaction ign = { .sa_handler = SIG_IGN };
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t mask;
	int fd;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGUSR2);
	raise_files();
	if (sigprocmask(SIG_BLOCK, &mask, &old_mask) < 0)
		return err_sys(e, "block signals");
	sigaction(SIGPIPE, &ign, NULL);
	sigaction(SIGXFSZ, &ign, NULL);	/* a write(2) says EFBIG */
	/* Whoever started us may ignore it, and then nobody can be reaped. */
	sigaction(SIGCHLD, &dfl, NULL);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return err_sys(e, "become subreaper");
	fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "create signalfd");
	sig_cb = on_signal;
	if (loop_add(&sig_watch, fd, EPOLLIN, LOOP_CHILD, on_signalfd, e) < 0) {
		close(fd);
		return -1;
	}
	return 0;
}

void
child_close(void)
{
	loop_close_fd(&sig_watch);
	while (children)
		child_forget(children);
	unclaimed_len = 0;
	holds = NULL;
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	prlimit(0, RLIMIT_NOFILE, &old_files, NULL);
}

void
child_given(struct child_given *g)
{
	memcpy(&g->signals, &old_mask, sizeof(g->signals));
	g->files = old_files.rlim_cur;
	g->files_max = old_files.rlim_max;
}

void
child_set_given(const struct child_given *g)
{
	memcpy(&old_mask, &g->signals, sizeof(g->signals));
	old_files.rlim_cur = (rlim_t)g->files;
	old_files.rlim_max = (rlim_t)g->files_max;
}

/*
 * Put fds where the program expects them.  They are first moved above the
 * range that is written to, so that none is overwritten before its turn.
 * Runs in the child.
 */
static int
place_fds(const struct child_spawn *s, int *exec_fd)
{
	int want[STDIO_FDS + EXTRA_FDS];
	int i, fd, n = STDIO_FDS + EXTRA_FDS;

	*exec_fd = fcntl(*exec_fd, F_DUPFD_CLOEXEC, n);
	if (*exec_fd < 0)
		return -1;
	for (i = 0; i < n; i++) {
		fd = i < STDIO_FDS ? s->fds[i] : s->extra_fds[i - STDIO_FDS];
		want[i] = -1;
		if (fd < 0 && i >= STDIO_FDS)
			continue;
		if (fd < 0) {
			fd = open("/dev/null", O_RDWR | O_CLOEXEC);
			if (fd < 0)
				return -1;
		}
		want[i] = fcntl(fd, F_DUPFD_CLOEXEC, n);
		if (want[i] < 0)
			return -1;
	}
	for (i = 0; i < n; i++) {
		if (want[i] >= 0 && dup2(want[i], i) < 0)
			return -1;
	}
	return 0;
}

/* As execvpe(3), which would give a file that is no program to the shell. */
static void
exec_on_path(const char *const *argv, char *const *envp)
{
	const char *path = getenv("PATH"), *end;
	char name[PATH_MAX];
	int err = ENOENT;

	if (strchr(argv[0], '/')) {
		execve(argv[0], (char *const *)argv, envp);
		return;
	}
	for (path = path ? path : "/usr/local/bin:/bin:/usr/bin"; path;
	    path = *end ? end + 1 : NULL) {
		end = path + strcspn(path, ":");
		if (fmt(name, sizeof(name), "%.*s%s%s", (int)(end - path),
		    path, end > path ? "/" : "", argv[0]) < sizeof(name))
			execve(name, (char *const *)argv, envp);
		if (errno != ENOENT && errno != ENOTDIR)
			err = errno;
	}
	errno = err;
}

static void
run_child(const struct child_spawn *s, int exec_fd, pid_t parent)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	int err;

	sigaction(SIGPIPE, &dfl, NULL);
	sigaction(SIGXFSZ, &dfl, NULL);
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	if (s->own_group)
		setpgid(0, 0);
	if (s->die_with_us) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)	/* died before prctl */
			_exit(EXEC_FAILED);
	}
	if (place_fds(s, &exec_fd) == 0 &&
	    (!s->cwd || chdir(s->cwd) == 0)) {
		/* Not before: descriptors were placed above it. */
		prlimit(0, RLIMIT_NOFILE, &old_files, NULL);
		exec_on_path(s->argv, s->envp ? (char *const *)s->envp :
		    environ);
	}
	err = errno;
	if (write(exec_fd, &err, sizeof(err)) < 0)
		_exit(EXEC_FAILED);
	_exit(EXEC_FAILED);
}

int
child_start(struct child *c, const struct child_spawn *s,
    void (*exited)(struct child *c, int status), struct err *e)
{
	int pipefd[2];
	pid_t parent = getpid();
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "run %s: create pipe", s->argv[0]);
	pid = _Fork();
	if (pid == 0)
		run_child(s, pipefd[1], parent);
	if (pid < 0) {
		err_sys(e, "run %s: fork", s->argv[0]);
		close(pipefd[0]);
		close(pipefd[1]);
		return -1;
	}
	close(pipefd[1]);
	*c = (struct child)CHILD_INIT;
	c->pid = pid;
	c->exec_fd = pipefd[0];
	c->exited = exited;
	LIST_ADD(&children, c);
	return 0;
}

static void
on_pidfd(struct watch *w, uint32_t revents)
{
	struct child *c;
	siginfo_t si;

	(void)revents;
	/* The SIGCHLD that belongs to this may be later in the batch; its
	 * pid must not be told unknown before everything is reaped.  After
	 * that w may be gone: only look for it. */
	reap();
	for (c = children; c && &c->watch != w; c = c->next)
		;
	if (!c)
		return;
	/* One that is traced is its tracer's first: its status is ours when
	 * SIGCHLD says so. */
	if (waitid(P_PIDFD, (id_t)w->fd, &si, WEXITED | WNOHANG | WNOWAIT) == 0)
		loop_mod(w, 0);
	else
		tell_exit(c, CHILD_STATUS_UNKNOWN);
}

static void
tell_late(struct timer *t)
{
	struct child *c = container_of(t, struct child, late);

	tell_exit(c, c->status);
}

static int64_t
ticks_of(int64_t boot_ns)
{
	return boot_ns / (NS_PER_S / USER_HZ);
}

/* The latest start, in clock ticks since boot, of who was alive at o's time.
 * Both clocks are coarse: a tick more. */
static int64_t
latest_start(const struct child_origin *o)
{
	return ticks_of(o->written_ns - loop_clock(CLOCK_REALTIME) +
	    loop_clock(CLOCK_BOOTTIME)) + 1;
}

/* Of two that had the number, is the one that started at a rather than at b
 * who had it at the time of latest? */
static bool
is_likelier(int64_t a, int64_t b, int64_t latest)
{
	if ((a <= latest) != (b <= latest))
		return a <= latest;
	return a >= b;
}

/* What is kept of pid since the hold began; NULL if nothing is. */
static struct unclaimed *
find_unclaimed(pid_t pid, const struct child_origin *o, int64_t latest)
{
	struct unclaimed *u, *best = NULL;
	unsigned i;

	for (i = 0; i < unclaimed_len; i++) {
		u = &unclaimed[i];
		if (u->pid == pid && u->seq >= o->hold->seq &&
		    (!best || is_likelier(u->start, best->start, latest)))
			best = u;
	}
	return best;
}

/*
 * The live process that has the number, if it is our child, as every orphan
 * becomes whose runsc has ended: its descriptor, or -1, with e->code set where
 * that is a lack of something.
 */
static int
open_live(pid_t pid, const struct child_origin *o, int64_t *start,
    struct err *e)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	siginfo_t si;
	pid_t parent;

	e->code = ERR_OK;
	if (fd < 0 && errno != ESRCH && errno != EINVAL)
		return err_sys(e, "open pidfd of process %d", (int)pid);
	if (fd < 0)
		return -1;
	/* A child keeps its number until we reap it, so what is read next is
	 * of the process that the descriptor holds. */
	if (waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG | WNOWAIT) == 0) {
		if (!read_stat(pid, &parent, start))
			*start = o->hold->start;
		if (*start >= o->hold->start)
			return fd;
	}
	close(fd);
	return -1;
}

int
child_fork(struct child *c, void (*run)(void *arg), void *arg,
    void (*exited)(struct child *c, int status), struct err *e)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	int pipefd[2], fd;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_sys(e, "create pipe");
	pid = _Fork();
	if (pid == 0) {
		sigaction(SIGPIPE, &dfl, NULL);
		sigaction(SIGXFSZ, &dfl, NULL);
		sigprocmask(SIG_SETMASK, &old_mask, NULL);
		run(arg);
		_exit(EXEC_FAILED);
	}
	if (pid < 0)
		err_sys(e, "fork");
	close(pipefd[1]);
	if (pid < 0) {
		close(pipefd[0]);
		return -1;
	}
	*c = (struct child)CHILD_INIT;
	c->pid = pid;
	c->exec_fd = pipefd[0];
	c->exited = exited;
	/* It keeps its number until we reap it. */
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		err_sys(e, "open pidfd of process %d", (int)pid);
	if (fd < 0 || loop_add(&c->watch, fd, EPOLLIN, LOOP_CHILD, on_pidfd,
	    e) < 0) {
		kill(pid, SIGKILL);
		fd_close(&fd);
		fd_close(&c->exec_fd);
		return -1;
	}
	c->pidfd = fd;
	LIST_ADD(&children, c);
	return 0;
}

bool
child_holds_fds(void)
{
	struct child *c;

	for (c = children; c; c = c->next) {
		if (c->exec_fd < 0 || c->exec_seen)
			continue;
		if (!(fd_events(c->exec_fd, 0) & POLLHUP))
			return true;
		c->exec_seen = true;
	}
	return false;
}

int
child_adopt(struct child *c, pid_t pid, const struct child_origin *o,
    void (*exited)(struct child *c, int status), struct err *e)
{
	int64_t latest = latest_start(o), start = 0;
	struct unclaimed *u;
	struct err why;
	int fd;

	*c = (struct child)CHILD_INIT;
	c->pid = pid;
	c->exited = exited;
	c->status = CHILD_STATUS_UNKNOWN;
	reap();
	fd = open_live(pid, o, &start, &why);
	u = find_unclaimed(pid, o, latest);
	if (u && (fd < 0 || !is_likelier(start, u->start, latest))) {
		c->status = u->status;
		unclaimed_drop((unsigned)(u - unclaimed));
		fd_close(&fd);
	} else if (fd < 0 && why.code == ERR_OK) {
		return err_set(e, ERR_INTERNAL, "process %d is none that runsc "
		    "has started for us", (int)pid);
	} else if (fd < 0) {
		*e = why;
		if (child_is_descendant(pid))
			kill(pid, SIGKILL);	/* ours: not reaped */
		return -1;
	}
	if (fd < 0) {
		LIST_ADD(&children, c);
		timer_start(&c->late, 0, tell_late);
		return 0;
	}
	if (loop_add(&c->watch, fd, EPOLLIN, LOOP_CHILD, on_pidfd, e) < 0) {
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		close(fd);
		return -1;
	}
	c->pidfd = fd;
	LIST_ADD(&children, c);
	return 0;
}

int
child_resume(struct child *c, void (*exited)(struct child *c, int status),
    struct err *e)
{
	int fd = c->pidfd;

	if (c->pid == 0)
		return 0;
	if (fd >= 0 && loop_add(&c->watch, fd, EPOLLIN, LOOP_CHILD, on_pidfd,
	    e) < 0)
		return -1;
	c->exited = exited;
	c->status = CHILD_STATUS_UNKNOWN;
	LIST_ADD(&children, c);
	return 0;
}

bool
child_is_late(const struct child *c)
{
	return timer_running(&c->late);
}

void
child_forget(struct child *c)
{
	list_del(c);
	fd_close(&c->exec_fd);
}

bool
child_running(const struct child *c)
{
	return c->pprev != NULL;
}

int
child_kill(struct child *c, int sig)
{
	if (!c->pprev) {
		errno = ESRCH;
		return -1;
	}
	if (c->pidfd >= 0)
		return (int)syscall(SYS_pidfd_send_signal, c->pidfd, sig,
		    NULL, 0);
	/* A direct child keeps its pid until reap() has taken it off the
	 * list. */
	return kill(c->pid, sig);
}

void
child_hold(struct child_hold *h)
{
	LIST_ADD(&holds, h);
	h->seq = next_seq;
	h->start = ticks_of(loop_clock(CLOCK_BOOTTIME));
}

/* What was kept for this one only is forgotten. */
void
child_release(struct child_hold *h)
{
	const struct child_hold *oldest;
	unsigned n = 0;

	if (!h->pprev)
		return;
	LIST_DEL(h);
	for (oldest = holds; oldest && oldest->next; oldest = oldest->next)
		;
	while (n < unclaimed_len && (!oldest || unclaimed[n].seq < oldest->seq))
		n++;
	if (!oldest)
		forgotten = 0;
	unclaimed_len -= n;
	memmove(unclaimed, unclaimed + n, unclaimed_len * sizeof(unclaimed[0]));
}

unsigned
child_exit_code(int status)
{
	if (status == CHILD_STATUS_UNKNOWN)
		return 255;
	if (WIFSIGNALED(status))
		return 128u + (unsigned)WTERMSIG(status);
	return (unsigned)WEXITSTATUS(status);
}

bool
child_was_killed(int status)
{
	return status != CHILD_STATUS_UNKNOWN && WIFSIGNALED(status);
}
