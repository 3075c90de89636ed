/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runsc: everything that knows `runsc`: command lines, deadlines, output, its
 * last error.
 *
 * Each command is an asynchronous child with a deadline.  Its JSON log, its
 * captured output and an exec's process object are memory files reached as
 * /proc/PID/fd/N: nothing is left on disk, nothing grows, no two commands mix
 * their errors.  A command that reads or ends a container is not run when
 * runsc has no state file of exactly that id, since runsc takes an id for a
 * prefix (runsc/container/state_file.go findContainerID): an absent `web`
 * would hit `web2`.
 *
 * To start a process in a container and wait for it, to wait for a
 * sub-container, to signal, to list processes and for statistics, runsc does
 * no more than ask the sandbox; so the sandbox is asked (gvisor/control.c),
 * which takes a millisecond and no process, and a `runsc wait` or `runsc exec`
 * does not sit there as long as the container or process lives.  Whatever is
 * odd about its answer, runsc is run after all (unless control_socket is "on"),
 * within the same deadline; a signal may then come twice, as it may when a
 * runsc that failed is tried again; a process is never started twice.  Pausing
 * stays with runsc, see urpc.h.  What runsc prints and what it leaves is
 * gvisor/'s.
 */
#ifndef RUNSC_H
#define RUNSC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/child.h"
#include "base/err.h"
#include "conf/config.h"

/* What is known of asking this container's sandbox itself, without a runsc.
 * Zeroed but for mode at first; runsc.c's. */
struct runsc_control {
	enum control_socket mode;
	bool started;		/* before that runsc has the answers */
	bool told;		/* in the log, that runsc is asked instead */
	unsigned without;	/* bits of urpc_method that do not work */
	unsigned asked;		/* members of URPC_MEMBERS that it was asked
				   about, and bits of those that it knows */
	unsigned knows;
};

/* Whom the commands are for.  All strings are the owner's and outlive the
 * commands. */
struct runsc_env {
	const char *binary;
	const char *root;		/* from runsc_root() */
	char *const *flags;		/* --key=value, NULL ends */
	const char *id;
	const char *sandbox_id;		/* its own id if it is in no pod */
	struct runsc_control *control;	/* NULL: runsc only */
	const uint64_t *caps;		/* of the container; NULL: unknown */
	const char *bundle;
	int bundle_fd;			/* O_PATH of the bundle */
	const char *log_directory;	/* for --user-log, --panic-log; NULL */
	int panic_fd;			/* memfd for the latter; 0: none */
	off_t panic_from;		/* where in it this sandbox began */
	int64_t create_timeout_ns;
	int64_t start_timeout_ns;
	int64_t command_timeout_ns;
};

struct runsc_result {
	struct err err;		/* code ERR_OK: it worked */
	bool told;		/* of a failure: runsc has logged why; execute:
				   nothing may have been started unknown */
	bool gone;		/* runsc knows no such container, or its
				   sandbox or process has ended */
	const char *out;	/* standard output; NUL-terminated */
	size_t outlen;
	const char *said;	/* standard error; NUL-terminated */
	pid_t pid;		/* create: the sandbox; exec: on the host; as
				   its pid file has it, for child_adopt() */
	struct child_origin origin;	/* of pid; valid in done() only */
	pid_t internal_pid;	/* exec: inside the sandbox */
	unsigned status;	/* wait: as a shell has it */
	const uint32_t *pids;	/* ps: inside the container; no terminator */
	size_t npids;
	bool instead;		/* execute: nothing has been started, and
				   runsc_exec() is to be called */
};

typedef void runsc_done(void *arg, const struct runsc_result *r);

struct runsc_cmd;		/* one command under way; runsc.c frees it */

/*
 * Each starts a command and returns it, or NULL with *e filled when it could
 * not be started.  done is called once, from the loop, unless cancelled.
 * fds: what the container gets as 0, 1, 2; NULL: none, output is captured.
 */
struct runsc_cmd *runsc_create(const struct runsc_env *env, const int fds[3],
	const char *console_socket, runsc_done *done, void *arg, struct err *e);
struct runsc_cmd *runsc_start(const struct runsc_env *env, const int fds[3],
	runsc_done *done, void *arg, struct err *e);
/* create and start in one, from the checkpoint in directory image. */
struct runsc_cmd *runsc_restore(const struct runsc_env *env, const int fds[3],
	const char *console_socket, const char *image, runsc_done *done,
	void *arg, struct err *e);
/* Limits: LinuxResources, JSON. */
struct runsc_cmd *runsc_update(const struct runsc_env *env, const char *json,
	runsc_done *done, void *arg, struct err *e);
/* Save the container into directory image; it ends unless leave_running. */
struct runsc_cmd *runsc_checkpoint(const struct runsc_env *env,
	const char *image, bool leave_running, runsc_done *done, void *arg,
	struct err *e);
/* process: JSON of the OCI process object, copied.  spent_ns: of its deadline,
 * already. */
struct runsc_cmd *runsc_exec(const struct runsc_env *env, const int fds[3],
	const char *console_socket, const char *process, size_t len,
	int64_t spent_ns, runsc_done *done, void *arg, struct err *e);
/*
 * The same over the control socket, for a process without a runsc on the host:
 * its end is runsc_wait_exec()'s to tell.  fds of a terminal: the slave, three
 * times.  Where that may not be (runsc_may_execute()), is not for such a
 * process (NULL with code ERR_OK) or did not do (instead), runsc_exec() does.
 * Cancelled or late: what comes of it is ended.
 */
bool runsc_may_execute(const struct runsc_env *env);
struct runsc_cmd *runsc_execute(const struct runsc_env *env, const int fds[3],
	const char *process, size_t len, runsc_done *done, void *arg,
	struct err *e);
/* As a container's wait; first: do not run runsc where
 * the sandbox does not answer, since it may just have ended. */
struct runsc_cmd *runsc_wait_exec(const struct runsc_env *env,
	pid_t internal_pid, bool first, runsc_done *done, void *arg,
	struct err *e);
/* A signal for the foreground process group of the process's terminal; over the
 * socket only. */
struct runsc_cmd *runsc_forward(const struct runsc_env *env,
	pid_t internal_pid, unsigned sig, runsc_done *done, void *arg,
	struct err *e);
/* Given up, may c leave a process inside that nobody knows?  What
 * runsc_execute() has begun ends that itself.  NULL has begun nothing. */
bool runsc_may_leave(const struct runsc_cmd *c);
/* End a process that runsc_execute() has started and nobody wants; nobody is
 * told. */
void runsc_end_exec(const struct runsc_env *env, pid_t internal_pid);
/* internal_pid 0: the container's init. */
struct runsc_cmd *runsc_kill(const struct runsc_env *env, pid_t internal_pid,
	bool all, unsigned sig, runsc_done *done, void *arg, struct err *e);
struct runsc_cmd *runsc_delete(const struct runsc_env *env, bool force,
	runsc_done *done, void *arg, struct err *e);
/* "wait", without a deadline; "ps", "pause", "resume", "events";
 * "help" for the flags of checkpoint; "features", of no container: env's id is
 * "". Like runsc_kill(), not always by a runsc. */
struct runsc_cmd *runsc_simple(const struct runsc_env *env, const char *verb,
	runsc_done *done, void *arg, struct err *e);

/* Those of the container's processes that have no parent in it: its init, and
 * each that was executed in it. */
struct runsc_cmd *runsc_list_parentless(const struct runsc_env *env,
	runsc_done *done, void *arg, struct err *e);

/* Can a wait be written down, now that it waits? */
bool runsc_waits(const struct runsc_cmd *c);
/* A wait as message num of o; the same again. */
void runsc_save_wait(struct pb_out *o, uint32_t num, struct runsc_cmd *c);
struct runsc_cmd *runsc_load_wait(struct pb_bytes in,
	const struct runsc_env *env, runsc_done *done, void *arg,
	struct err *e);
/* How many names of pid files there have been, more of which are taken. */
unsigned long runsc_pid_files(unsigned long more);

/* Kill the command; done is not called any more.  NULL is ignored. */
void runsc_cancel(struct runsc_cmd *cmd);
/* Commands under way or cancelled and not yet reaped. */
unsigned runsc_running(void);

/* -- for runsc.c, which runs runsc for a command, and gvisor/control.c, which
 * asks the sandbox, alone ------------------------------------------------- */
#ifdef RUNSC_OWN

struct urpc;

struct runsc_cmd {
	struct child child;
	struct timer deadline;
	struct defer freed;
	int64_t timeout_ns;
	const struct runsc_env *env;
	const char *verb;
	const char *fixed;	/* its argument; or NULL */
	unsigned is;		/* runsc.c's */
	unsigned method;	/* enum urpc_method */
	struct urpc *call;	/* while the sandbox is asked; or NULL */
	struct execute *execute;	/* control.c's; or NULL */
	struct runsc_cmd *reason;	/* see ask_reason(); or NULL */
	int status;		/* while that is asked */
	int call_fd;		/* of call, while it is written down */
	int64_t began_ns;
	pid_t internal_pid;	/* kill and wait; kill has the next two */
	bool all;
	bool parentless;	/* ps */
	bool only_socket;	/* no runsc is run for it */
	unsigned sig;
	runsc_done *done;	/* NULL: cancelled */
	void *arg;
	int log_fd;		/* memfd */
	int out_fd;		/* memfds, or -1: output is the container's */
	int err_fd;
	int root_fd;		/* exec: a root that cannot be named; or -1 */
	int process_fd;		/* memfd, input of exec and update; or -1 */
	int dir_fd;		/* of the pid files, or -1; env's */
	int named_fd;		/* as the command line names it */
	char pid_file[32];	/* in dir_fd; "" for none */
	char internal_pid_file[32];
	bool timed_out;
	struct child_hold hold;	/* of what will write the pid files */
};

/* -- runsc.c's ------------------------------------------------------------ */

struct runsc_cmd *runsc_cmd_new(const struct runsc_env *env, const char *verb,
	runsc_done *done, void *arg, struct err *e);
/* Let c go, which no process works for. */
void runsc_cmd_release(struct runsc_cmd *c);
/* Run runsc for what has no more to its command line than c says.  Takes c
 * over: released on failure. */
struct runsc_cmd *runsc_cmd_run(struct runsc_cmd *c, struct err *e);
/* What is left of a deadline, which is most of it unless we slept. */
int64_t runsc_time_left(int64_t timeout_ns, int64_t spent_ns);
/* Tell of c that there is no such container, once the loop turns. */
void runsc_cmd_absent(struct runsc_cmd *c);

/* -- control.c's ---------------------------------------------------------- */

/* c is a delete: is it the sandbox that has to be asked for it? */
bool control_destroy(struct runsc_cmd *c);
/* Go on with a wait whose call was sent on c->call_fd. */
int control_resume(struct runsc_cmd *c, struct err *e);
/* c is given up: is that of a process which the sandbox may start?  Then it is
 * ended as soon as its pid is known, and c goes then. */
bool control_orphan(struct runsc_cmd *c);
void control_release(struct runsc_cmd *c);

#endif

struct json_out;

/*
 * gvisor/execargs.c: an OCI process object as the sandbox takes it, just as
 * `runsc exec --process` of each release makes it (runsc/cmd/exec.go).  What
 * that does with an object out of the ordinary (a member of a later
 * specification, one that is spelled otherwise, of another type, or missing; a
 * name that is unknown) is runsc's to say, so such an object is refused here.
 */
/* What an object needs of the release. */
#define EXECARGS_NNP 1		/* no new privileges */
#define EXECARGS_LATE_CAPS 2

/*
 * The members of a call to Execute, each with a comma before it, added to out.
 * caps: the container's sets, for an object that names none; NULL: not known.
 * net_raw: does runsc leave CAP_NET_RAW in them?  false: runsc is to be asked.
 */
bool execargs_put(struct json_out *out, const char *process, size_t len,
	const uint64_t *caps, bool net_raw, unsigned *needs);

#endif
