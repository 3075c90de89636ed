/* SPDX-License-Identifier: Apache-2.0 */
/* child: see child.h. */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

/*
 * Exits of orphans that nobody owned when they were reaped.  A sandbox that
 * dies leaves some dozens of helper processes at once; what matters is the
 * one exec or sandbox whose pid file is about to be read.
 */
#define UNCLAIMED_MAX 512

#define STDIO_FDS 3
#define EXTRA_FDS 3
#define EXEC_FAILED 127

static struct child *children;
static struct watch sig_watch = { .fd = -1 };
static void (*sig_cb)(int sig);
static sigset_t old_mask;

static struct { pid_t pid; int status; } unclaimed[UNCLAIMED_MAX];
static unsigned unclaimed_len;
static unsigned holds;

static void
list_add(struct child *c)
{
	c->next = children;
	c->pprev = &children;
	if (children)
		children->pprev = &c->next;
	children = c;
}

static void
list_del(struct child *c)
{
	if (!c->pprev)
		return;
	timer_stop(&c->late);
	*c->pprev = c->next;
	if (c->next)
		c->next->pprev = c->pprev;
	c->pprev = NULL;
	c->next = NULL;
	loop_del(&c->watch);
	if (c->pidfd >= 0)
		close(c->pidfd);
	c->pidfd = -1;
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
	close(c->exec_fd);
	c->exec_fd = -1;
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

static void
reap_one(pid_t pid, int status)
{
	struct child *c;

	for (c = children; c; c = c->next) {
		if (c->pid == pid) {
			tell_exit(c, status);
			return;
		}
	}
	if (!holds)
		return;
	if (unclaimed_len == UNCLAIMED_MAX) {
		log_warn("child: more than %d unclaimed exits, the oldest "
		    "is forgotten", UNCLAIMED_MAX);
		memmove(&unclaimed[0], &unclaimed[1],
		    sizeof(unclaimed) - sizeof(unclaimed[0]));
		unclaimed_len--;
	}
	unclaimed[unclaimed_len].pid = pid;
	unclaimed[unclaimed_len].status = status;
	unclaimed_len++;
}

static void
reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		reap_one(pid, status);
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

int
child_init(void (*on_signal)(int sig), struct err *e)
{
	struct sigaction ign = { .sa_handler = SIG_IGN };
	sigset_t mask;
	int fd;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &mask, &old_mask) < 0)
		return err_sys(e, "block signals");
	sigaction(SIGPIPE, &ign, NULL);
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
	int fd = sig_watch.fd;

	if (fd >= 0) {
		loop_del(&sig_watch);
		close(fd);
	}
	while (children)
		child_forget(children);
	unclaimed_len = 0;
	holds = 0;
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
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

static void
run_child(const struct child_spawn *s, int exec_fd, pid_t parent)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	int err;

	sigaction(SIGPIPE, &dfl, NULL);
	sigprocmask(SIG_SETMASK, &old_mask, NULL);
	if (s->die_with_us) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)	/* died before prctl */
			_exit(EXEC_FAILED);
	}
	if (place_fds(s, &exec_fd) == 0 &&
	    (!s->cwd || chdir(s->cwd) == 0))
		execvpe(s->argv[0], (char *const *)s->argv,
		    s->envp ? (char *const *)s->envp : environ);
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
	pid = fork();
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
	list_add(c);
	return 0;
}

static void
on_pidfd(struct watch *w, uint32_t revents)
{
	struct child *c;

	(void)revents;
	/* The SIGCHLD that belongs to this may be later in the batch; its
	 * pid must not be told unknown before everything is reaped.  After
	 * that w may be gone: only look for it. */
	reap();
	for (c = children; c; c = c->next) {
		if (&c->watch == w) {
			tell_exit(c, CHILD_STATUS_UNKNOWN);
			return;
		}
	}
}

static void
tell_late(struct timer *t)
{
	struct child *c = container_of(t, struct child, late);

	tell_exit(c, c->status);
}

int
child_adopt(struct child *c, pid_t pid,
    void (*exited)(struct child *c, int status), struct err *e)
{
	unsigned i;

	*c = (struct child)CHILD_INIT;
	c->pid = pid;
	c->exited = exited;
	c->status = CHILD_STATUS_UNKNOWN;
	for (i = 0; i < unclaimed_len; i++) {
		if (unclaimed[i].pid != pid)
			continue;
		c->status = unclaimed[i].status;
		unclaimed[i] = unclaimed[--unclaimed_len];
		list_add(c);
		timer_start(&c->late, 0, tell_late);
		return 0;
	}
	c->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (c->pidfd < 0 && errno == ESRCH) {
		list_add(c);
		timer_start(&c->late, 0, tell_late);
		return 0;
	}
	if (c->pidfd < 0)
		return err_sys(e, "open pidfd of process %d", (int)pid);
	if (loop_add(&c->watch, c->pidfd, EPOLLIN, LOOP_CHILD, on_pidfd, e) < 0) {
		close(c->pidfd);
		c->pidfd = -1;
		return -1;
	}
	list_add(c);
	return 0;
}

void
child_forget(struct child *c)
{
	list_del(c);
	if (c->exec_fd >= 0)
		close(c->exec_fd);
	c->exec_fd = -1;
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
child_hold(void)
{
	holds++;
}

void
child_release(void)
{
	if (--holds == 0)
		unclaimed_len = 0;
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
