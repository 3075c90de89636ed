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
 * To wait for a sub-container, to signal, to list processes and for
 * statistics, runsc does no more than ask the sandbox; so that is asked
 * (urpc.h), which takes a millisecond and no process, and a `runsc wait` does
 * not sit there as long as the container lives.  Whatever is odd about its
 * answer, runsc is run after all (unless control_socket is "on"), within the
 * same deadline; a signal may then come twice, as it may when a runsc that
 * failed is tried again.  Pausing stays with runsc, see urpc.h.  What runsc
 * prints and what it leaves is gvisor/'s.
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
	bool told;		/* of a failure: runsc has logged why */
	bool gone;		/* runsc knows no such container, or its
				   sandbox or process has ended */
	const char *out;	/* standard output; NUL-terminated */
	size_t outlen;
	const char *said;	/* standard error; NUL-terminated */
	pid_t pid;		/* create: the sandbox; exec: on the host; as
				   its pid file has it, for child_adopt() */
	struct child_origin origin;	/* of pid; valid in done() only */
	pid_t internal_pid;	/* exec: inside the sandbox */
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
/* process: JSON of the OCI process object, copied. */
struct runsc_cmd *runsc_exec(const struct runsc_env *env, const int fds[3],
	const char *console_socket, const char *process, size_t len,
	runsc_done *done, void *arg, struct err *e);
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
 * each that was executed in it.  For runsc_parse_parentless(). */
struct runsc_cmd *runsc_list_parentless(const struct runsc_env *env,
	runsc_done *done, void *arg, struct err *e);

/* Kill the command; done is not called any more.  NULL is ignored. */
void runsc_cancel(struct runsc_cmd *cmd);
/* Commands under way or cancelled and not yet reaped. */
unsigned runsc_running(void);

#endif
