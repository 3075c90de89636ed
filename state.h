/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: containers and processes, the one transition table, the queue of
 * operations, waiters, exits.
 *
 * Invariants.  Only set_state() in state.c writes a state.  A process has at
 * most one serial operation (start, pause, resume, delete, ...) under way and
 * a capped queue behind it; kill, pids and the like run beside it, so a runsc
 * that hangs delays nobody else.  Of an exit: operations under way are ended,
 * execs are ended (init), output is drained, then TaskExit is published, then
 * Wait is answered.  Execs' exits are told before init's, and once init has
 * ended they do not wait for their output: it is copied on until they or the
 * container are deleted.  Who may call: task.c, through the functions below.
 */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/child.h"
#include "conf/config.h"
#include "console.h"
#include "base/err.h"
#include "io.h"
#include "base/loop.h"
#include "base/name.h"
#include "host/mount.h"
#include "wire/pb.h"
#include "runsc.h"
#include "conf/spec.h"

#define CONTAINERS_MAX 1024	/* in one shim: a pod */
#define EXECS_MAX 1024		/* in one container */
#define QUEUE_MAX 16		/* operations of one kind, waiting or beside */
#define SHARED_MAX 1024		/* that share one answer */
#define WAITERS_MAX 256		/* of one process */
#define ID_MAX_BYTES NAME_MAX_BYTES
#define KILL_RETRY_NS (1 * NS_PER_S)
/* After init has gone its execs get this long to end by themselves. */
#define EXECS_END_NS (2 * NS_PER_S)
/* A SIGKILLed sandbox gets this long before it is given up. */
#define SANDBOX_END_NS (10 * NS_PER_S)
#define START_FAILED_STATUS 128

enum proc_kind { PROC_INIT, PROC_EXEC, PROC_KINDS };

enum proc_state {
	STATE_CREATING,		/* init: runsc create is under way */
	STATE_CREATED,
	STATE_RUNNING,
	STATE_PAUSED,
	STATE_STOPPED,
	STATE_DELETED,
	STATES
};

enum op {
	OP_START, OP_EXEC, OP_PAUSE, OP_RESUME, OP_KILL, OP_RESIZE,
	OP_CLOSE_IO, OP_PIDS, OP_STATS, OP_UPDATE, OP_CHECKPOINT, OP_DELETE,
	OP_EXITED,
	OPS
};

struct process;
struct container;

/*
 * One operation asked for.  The asker owns it until done() is called, once,
 * perhaps before the asking call returns; done() may free it.
 */
struct request {
	enum op op;
	/* What is asked. */
	unsigned signal;		/* kill */
	bool all;			/* kill */
	unsigned width, height;		/* resize */
	const char *new_exec_id;	/* exec, with the three below */
	struct io_config stdio;		/* valid during the call only */
	const char *process_json;	/* OCI process object */
	size_t process_len;
	char *text;			/* checkpoint: the directory; update:
					   LinuxResources, JSON; the asker's */
	bool exit;			/* checkpoint: and end the container */
	/* What came of it; valid in done() when e is NULL. */
	pid_t pid;
	unsigned exit_status;
	int64_t exited_at;		/* CLOCK_REALTIME ns */
	const uint32_t *pids;		/* pids */
	size_t npids;
	const char *stats_type;		/* stats */
	const struct pb_out *stats;
	/* e NULL: done; else why not. */
	void (*done)(struct request *r, const struct err *e);

	/* state.c's. */
	struct process *p;
	struct request *next;
	struct request *same;		/* asked for the same: share its answer */
	struct runsc_cmd *cmd;
	struct timer retry;
	int64_t began;
	int64_t delay_ns;
};

/* Somebody who waits for an exit. */
struct waiter {
	struct waiter *next;
	struct waiter **pprev;		/* NULL: not waiting */
	void (*exited)(struct waiter *w, unsigned status, int64_t exited_at);
};

struct process {
	enum proc_kind kind;
	enum proc_state state;
	struct container *ct;
	struct process *next;		/* ct->execs */
	char *exec_id;			/* "" for init */
	char *in, *out, *err;		/* as containerd named them; never NULL */
	bool terminal;
	char *process_json;		/* exec; freed at start */
	size_t process_len;
	pid_t pid;			/* on the host; 0 before it is known */
	pid_t internal_pid;		/* exec: inside the sandbox */
	unsigned exit_status;
	int64_t exited_at;		/* CLOCK_REALTIME ns; 0: has not */
	bool started;			/* TaskStart has been told */
	bool start_failed;		/* its end is to be told as such */
	bool start_cut;			/* killed with its start under way */
	struct request *failed_start;	/* answered when it has stopped, ... */
	struct err *start_err;		/* ... with this */
	bool gone;			/* its end is known, maybe not yet told */
	bool ending;			/* gone, and end_process() under way */
	bool execs_ending;		/* init: ending, waits for its execs */
	bool kill_sent;			/* exec: SIGKILL after init's end */
	bool killed;			/* runsc took a SIGKILL for it */
	bool maybe_paused;		/* a pause or resume has failed */
	bool wait_gone;			/* runsc wait has said so once */
	bool stdin_closed;		/* CloseIO before there was stdio */
	/* Of the last ResizePty, else of consoleSize; 0: none. */
	unsigned width, height;
	struct child child;		/* the sandbox, or the detached exec */
	struct io *io;
	struct console *console;
	struct runsc_cmd *wait_cmd;	/* sub-container: runsc wait */
	struct runsc_cmd *end_cmd;	/* at its end: kill what is left */
	struct timer end_timer;
	struct timer kill_timer;	/* init: kill_timeout after SIGKILL */
	struct request *current;	/* serial operation under way */
	struct request *queue;		/* behind it */
	struct request *side;		/* beside it */
	unsigned nof[OPS];		/* requests, of each kind */
	struct waiter *waiters;
	unsigned nwaiters;
	struct defer freed;
};

struct container {
	struct container *next;
	char *id;
	char *bundle;
	char *rootfs;			/* BUNDLE/rootfs */
	char *runsc_root;
	bool runsc_ran;			/* what runsc has of this id is ours */
	bool cgroup_is_ours;		/* it was not there before */
	bool filestore;			/* was there before, so not ours */
	bool mounted;
	struct cgroup *cgroup;		/* the sandbox's; NULL: unknown */
	uint64_t oom_kills;		/* in it when this began */
	bool no_update;			/* this runsc has none */
	char *checkpoint;		/* restored from there; NULL: created */
	struct config config;
	struct spec spec;
	struct runsc_env env;
	struct runsc_control control;
	struct process init;
	struct process *execs;
	unsigned nexecs;
	/* Processes inside that no exec of ours owns (ops.c). */
	struct {
		uint32_t init;		/* init's own pid inside; 0: unknown */
		bool asked;		/* for it */
		bool due;		/* to be looked for */
		struct runsc_cmd *cmd;	/* looks, or kills */
	} strays;
	/* Creation, while init is STATE_CREATING (container.c). */
	struct runsc_cmd *create_cmd;
	struct pb_out create_event;	/* TaskCreate but for the pid */
	void (*created)(void *arg, pid_t pid, const struct err *e);
	void *created_arg;
	struct err *create_err;		/* why it failed, while it is undone */
	struct request *delete_after;	/* Deletes that came meanwhile */
};

/* Task.Create as it was asked; valid during the call only. */
struct create_request {
	const char *id;
	const char *bundle;
	const struct mount_spec *rootfs;
	size_t nrootfs;
	bool terminal;
	const char *in, *out, *err;
	const char *checkpoint;
	struct pb_bytes options;	/* marshalled Any, or empty */
	void (*created)(void *arg, pid_t pid, const struct err *e);
	void *arg;
};

/* namespace of containerd; empty is called when the last container has gone. */
void state_init(const char *namespace, void (*empty)(void));
/* Create a container.  created is called once, maybe before this returns. */
void state_create(const struct create_request *c);
/* Ask for an operation of process exec_id ("" for init) of container id. */
void state_submit(struct request *r, const char *id, const char *exec_id);
/* Nobody waits for its answer any more: what has not begun is not done, but
 * for a delete.  r->done is called, at once or when it is through. */
void state_unwanted(struct request *r);
/* The process, or NULL with *e filled (not found). */
struct process *state_find(const char *id, const char *exec_id, struct err *e);
struct container *state_find_container(const char *id);
unsigned state_containers(void);
/* Is id one of the last containers that were deleted? */
bool state_was_deleted(const char *id);
/* Containers that have come and gone. */
unsigned state_deleted(void);
/* The next container after ct, the first for NULL. */
struct container *state_next(const struct container *ct);
/* Call w->exited when p has ended, at once if it has.  -1: too many. */
int state_wait(struct process *p, struct waiter *w, struct err *e);
/* Do not wait any more; not waiting is nothing. */
void state_unwait(struct process *p, struct waiter *w);
const char *state_name(enum proc_state s);
/* What the table says: true if op is done in that state, else the code of the
 * refusal. */
bool state_allows(enum proc_kind kind, enum proc_state s, enum op op,
	int *code);
/* The execs of ct that run, to be found by their pid inside the sandbox. */
#define EXEC_SLOTS ((size_t)2 * EXECS_MAX)
void state_index_execs(const struct container *ct,
	const struct process *slots[EXEC_SLOTS]);
/* The one with that pid, or NULL. */
const struct process *state_exec_of_pid(
	const struct process *const slots[EXEC_SLOTS], uint32_t internal_pid);
/* Write the tables to the log (SIGUSR1). */
void state_dump(void);

#endif
