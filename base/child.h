/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child: processes of the shim's own, and orphans that it inherits.
 *
 * The shim is the subreaper: runsc's commands are its direct children; the
 * sandbox, gofers and detached execs are re-parented to it.  All are reaped
 * in one place, on SIGCHLD through signalfd, by waitid(P_ALL) until empty,
 * since several SIGCHLD may have become one.
 *
 * An orphan is known by a pid file, that is by a number, and the kernel gives
 * numbers again.  So who may read a pid file takes a hold before it forks
 * whatever will write it; exits that nobody owns are kept from then on, each
 * with the start time of its process; and child_adopt() takes, of all processes
 * that have had the number since the hold began, dead or alive, the one that
 * had it when the file was written.  One that is alive must be a descendant of
 * ours.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/loop.h"

/* Status of a process whose end was seen but not its status. */
#define CHILD_STATUS_UNKNOWN (-1)
#define CHILD_INIT { .pidfd = -1, .watch = { .fd = -1 }, .exec_fd = -1 }

struct child {
	pid_t pid;		/* 0: none */
	int pidfd;		/* adopted ones; -1 */
	struct watch watch;	/* of pidfd */
	struct child *next;
	struct child **pprev;	/* NULL: not listed */
	struct timer late;	/* tells an exit that was kept */
	int status;		/* wait(2) status, or CHILD_STATUS_UNKNOWN */
	int exec_fd;		/* carries errno if exec failed; -1 */
	bool exec_seen;		/* nobody has the other end any more */
	int exec_errno;		/* valid in exited(): 0, or why exec failed */
	void (*exited)(struct child *c, int status);
};

/* Since when exits are kept for somebody; zeroed: not taken. */
struct child_hold {
	struct child_hold *next;
	struct child_hold **pprev;	/* NULL: not taken */
	uint64_t seq;		/* of the first exit after it */
	int64_t start;		/* clock ticks since boot */
};

/* Where a process's number stood. */
struct child_origin {
	const struct child_hold *hold;	/* taken before it was forked */
	int64_t written_ns;	/* CLOCK_REALTIME: when that was written */
};

struct child_spawn {
	const char *const *argv;	/* argv[0] without '/': on PATH */
	const char *const *envp;	/* NULL: ours */
	const char *cwd;	/* NULL: stay */
	int fds[3];		/* what becomes 0, 1, 2; -1: /dev/null */
	int extra_fds[3];	/* what becomes 3, 4, 5; -1: not given */
	bool die_with_us;	/* PDEATHSIG SIGKILL */
	bool own_group;		/* of processes */
};

/* Become subreaper, block the signals, open signalfd, raise the soft limit of
 * open files to the hard one (children get the old one back).  on_signal gets
 * SIGTERM, SIGINT, SIGUSR1 from the loop. */
int child_init(void (*on_signal)(int sig), struct err *e);
void child_close(void);
/* What we were given and children get back, of a shim whose place is taken by
 * another: its signals, and its limits of open files. */
struct child_given {
	uint64_t signals;
	uint64_t files, files_max;
};
void child_given(struct child_given *g);
/* After child_init(), which has found what we ourselves have set. */
void child_set_given(const struct child_given *g);
/*
 * Fork and exec; an exec that fails ends with status 127 and exec_errno set,
 * seen in exited like any other end.  exited is called once from the loop,
 * never before this returns.  *c is the caller's and must live until then or
 * child_forget().
 */
int child_start(struct child *c, const struct child_spawn *s,
	void (*exited)(struct child *c, int status), struct err *e);
/* Is there a child that was forked and may still hold copies of all of our
 * descriptors, so that what we close does not look closed? */
bool child_holds_fds(void);
/*
 * Fork without an exec: run(arg) is called in the child, with the signals as
 * they were given to us, and closes all descriptors that it does not need.
 * Watched as an adopted orphan is.
 */
int child_fork(struct child *c, void (*run)(void *arg), void *arg,
	void (*exited)(struct child *c, int status), struct err *e);
/*
 * Own the orphan that had this pid when o was written: its exit, past or to
 * come, goes to exited (from the loop).  -1, ERR_INTERNAL: the number is
 * nobody's or that of a process that is not our descendant, which is left
 * alone.  -1 with another code: it is ours and cannot be watched; it has been
 * killed.
 */
int child_adopt(struct child *c, pid_t pid, const struct child_origin *o,
	void (*exited)(struct child *c, int status), struct err *e);
/* No callback any more; an exit of it is reaped and dropped. */
void child_forget(struct child *c);
bool child_running(const struct child *c);
/* Own *c again, which another program in this process has started and written
 * down; pid 0 is nothing. */
int child_resume(struct child *c, void (*exited)(struct child *c, int status),
	struct err *e);
/* Is its end known, and yet to be told? */
bool child_is_late(const struct child *c);
/* Signal it; ESRCH once it has been reaped.  Never hits a reused pid. */
int child_kill(struct child *c, int sig);

/* Keep the exits of unknown orphans from now on, until it is released. */
void child_hold(struct child_hold *h);
void child_release(struct child_hold *h);
/* Is pid alive (or not yet reaped) and a descendant of ours? */
bool child_is_descendant(pid_t pid);
/* The parent of a process; 0 where there is none to be seen. */
pid_t child_parent(pid_t pid);
/* Is it on its way out, its descriptors closed, or gone? */
bool child_is_exiting(pid_t pid);
/* Is it in the middle of an execve(2), where it has no command line? */
bool child_is_executing(pid_t pid);

/* Exit status as a shell gives it: N, or 128 + signal; 255 for unknown. */
unsigned child_exit_code(int status);
/* Did a signal end it? */
bool child_was_killed(int status);

#endif
