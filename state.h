/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state: containers and their processes, the one table of what an operation
 * does in which state, the queue of operations, waiters.
 *
 * Invariants.  Only state_set() writes a state.  A process has at most one
 * serial operation (create, start, pause, resume, update, checkpoint, delete)
 * under way and a capped queue behind it; kill, pids and the like run beside
 * it, so a runsc that hangs delays nobody else.  From STATE_ENDING on nothing
 * serial begins until the exit has been told (exit.h), whose order is that.
 *
 * What stands above this reads and fills the members of a container and a
 * process, each of which says whose it is; the lists, the requests and the
 * waiters are changed through the functions below only.  What the cells of the
 * table do is handed to state_init().
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
#include "gvisor/standin.h"
#include "host/mount.h"
#include "wire/pb.h"
#include "gvisor/runsc_left.h"
#include "runsc.h"
#include "conf/spec.h"

#define CONTAINERS_MAX 1024	/* in one shim: a pod */
#define EXECS_MAX 1024		/* in one container */
#define QUEUE_MAX 16		/* operations of one kind, waiting or beside */
#define SHARED_MAX 1024		/* that share one answer */
#define WAITERS_MAX 256		/* of one process */
#define ID_MAX_BYTES NAME_MAX_BYTES

/* Exit statuses that are the shim's own. */
#define STATUS_KILLED (128 + 9)		/* SIGKILL */
#define STATUS_NOT_KNOWN 255
#define STATUS_START_FAILED 128

enum proc_kind { PROC_INIT, PROC_EXEC, PROC_KINDS };

enum proc_state {
	STATE_CREATING,		/* init: runsc create is under way */
	STATE_CREATED,
	STATE_RUNNING,
	STATE_PAUSED,
	STATE_ENDING,		/* killed before it ran, or its end is known:
				   it has yet to be told (exit.c) */
	STATE_STOPPED,
	STATE_DELETED,		/* not there any more, or not yet */
	STATES
};

enum op {
	OP_CREATE, OP_START, OP_EXEC, OP_PAUSE, OP_RESUME, OP_KILL, OP_RESIZE,
	OP_CLOSE_IO, OP_PIDS, OP_STATS, OP_UPDATE, OP_CHECKPOINT, OP_DELETE,
	OPS
};

/* What an operation does in a state: the cells of the table in state.c, which
 * does those with a comment itself; the others are functions. */
enum cell {
	PR, NF, HV,	/* refused: failed precondition, not found, exists */
	WT,		/* waits until the exit has been told */
	MAKE, GO, GOX, EXEC, HALT, KILL, KNEW, KHLT, KNEX, KEND, SIZE, SHUT,
	ASK, KNOW, STAT, LAST, UPD, SAVE, DEL, DNEW, DING, DELX,
	GOON,		/* in no row: the end of an operation in STATE_ENDING */
	CELLS
};

struct process;
struct container;
struct request;

/* p: NULL for MAKE. */
typedef void cell_does(struct process *p, struct request *r);

/* Task.Create as it was asked. */
struct create_request {
	const char *id;
	const char *bundle;
	const struct mount_spec *rootfs;
	size_t nrootfs;
	bool terminal;
	const char *in, *out, *err;
	const char *checkpoint;
	struct pb_bytes options;	/* marshalled Any, or empty */
};

/*
 * One operation asked for.  The asker owns it until done() is called, once,
 * perhaps before the asking call returns; done() may free it.
 */
struct request {
	enum op op;
	/*
	 * What is asked; pointers are valid during the call only, but for text.
	 */
	const struct create_request *create;
	unsigned signal;		/* kill */
	bool all;			/* kill */
	unsigned width, height;		/* resize */
	const char *new_exec_id;	/* exec, with the three below */
	struct io_config stdio;
	const char *process_json;	/* OCI process object */
	size_t process_len;
	char *text;			/* checkpoint: the directory; update:
					   LinuxResources, JSON; the asker's */
	bool exit;			/* checkpoint: and end the container */
	/* What came of it; valid in done() when e is NULL. */
	pid_t pid;			/* create, start, delete */
	unsigned exit_status;
	int64_t exited_at;		/* CLOCK_REALTIME ns */
	const uint32_t *pids;		/* pids */
	size_t npids;
	const char *stats_type;		/* stats */
	struct pb_bytes stats;
	/* e NULL: done; else why not. */
	void (*done)(struct request *r, const struct err *e);

	/* state.c's. */
	struct process *p;		/* NULL: not asked, or answered */
	struct request *next;
	struct request *same;		/* asked for the same */
	int64_t began;			/* loop_now() */
	/* The cell's; both are ended when it is answered. */
	struct runsc_cmd *cmd;
	struct timer retry;
	int64_t delay_ns;
};

/* How a start ended. */
enum start_result {
	START_NONE,		/* not yet */
	START_WORKED,		/* TaskStart has been told */
	START_FAILED,		/* its end is to be told as such */
	START_CUT,		/* killed with its start under way */
};

/* What an end waits for; exit.c's. */
enum end_step {
	END_NONE,
	END_STATUS,		/* exec: for its status to be made sure of */
	END_SANDBOX,		/* for the sandbox, which was killed */
	END_EXECS,		/* init: for its execs, and kill --all */
	END_OUTPUT,		/* for its output to be delivered */
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
	struct process *next, **pprev;	/* ct->execs */
	char *exec_id;			/* "" for init */
	char *in, *out, *err;		/* as containerd names them; not NULL */
	bool terminal;
	char *process_json;		/* exec; freed at start */
	size_t process_len;
	pid_t pid;			/* on the host; 0 before it is known */
	pid_t internal_pid;		/* exec: inside the sandbox */
	unsigned exit_status;
	int64_t exited_at;		/* CLOCK_REALTIME ns; 0: has not */
	enum start_result start;
	enum end_step end;
	struct request *failed_start;	/* answered when it has stopped, ... */
	struct err *start_err;		/* ... with this */
	bool kill_sent;			/* exec: SIGKILL after init's end */
	bool killed;			/* runsc took a SIGKILL for it */
	bool maybe_paused;		/* a pause or resume has failed */
	bool wait_gone;			/* runsc wait has said so once */
	int64_t wait_again_ns;		/* the last that it was put off */
	int64_t wait_began;		/* CLOCK_MONOTONIC ns */
	bool stdin_closed;		/* CloseIO before there was stdio */
	/* Of the last ResizePty, else of consoleSize; 0: none. */
	unsigned width, height;
	struct child child;		/* the sandbox, the detached exec, or
					   the stand-in of one inside */
	struct standin standin;		/* exec; its fd -1: runsc's */
	int master, slave;		/* exec: a terminal of ours, while it
					   is being started */
	struct runsc_cmd *forward_cmd;	/* a signal of that terminal */
	struct io *io;
	struct console *console;
	struct runsc_cmd *wait_cmd;	/* sub-container, exec inside */
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
	struct container *next, **pprev;
	char *id;
	char *bundle;
	char *rootfs;			/* BUNDLE/rootfs */
	char *runsc_root;
	bool runsc_ran;			/* what runsc has of this id is ours */
	bool cgroup_is_ours;		/* it was not there before */
	bool filestore;			/* was there before, so not ours */
	bool mounted;
	struct cgroup *cgroup;		/* the sandbox's; NULL: unknown */
	unsigned cgroup_number;		/* that one's, while it is written */
	uint64_t oom_kills;		/* in it when this began */
	char *last_stats;		/* what runsc said of a pod's; NULL */
	bool no_update;			/* this runsc has none */
	char *checkpoint;		/* restored from there; NULL: created */
	struct config config;
	struct spec spec;
	struct runsc_env env;
	struct runsc_control control;
	struct process init;
	struct process *execs;
	unsigned nexecs;
	/* Processes inside that no exec of ours owns; exec.c's. */
	struct {
		uint32_t init;		/* init's own pid inside; 0: unknown */
		bool asked;		/* for it */
		bool due;		/* to be looked for */
		uint32_t last;		/* that was killed since then */
		unsigned kills;
		int64_t delay_ns;	/* until they are looked for again */
		struct timer again;
		struct runsc_cmd *cmd;	/* looks, or kills */
	} strays;
	struct pb_out create_event;	/* TaskCreate but for the pid */
	struct err *create_err;		/* why it failed, while it is undone */
};

/*
 * namespace: containerd's; does: what each cell does (ops.h OPS_CELLS); empty
 * is called when the last container has gone.  All outlive the program.
 */
void state_init(const char *namespace, cell_does *const does[CELLS],
	void (*empty)(void));
const char *state_namespace(void);
/* Ask for an operation of process exec_id ("" for init) of container id. */
void state_submit(struct request *r, const char *id, const char *exec_id);
/* Nobody waits for its answer any more: what has not begun is not done, but
 * for a delete.  r->done is called, at once or when it is through. */
void state_unwanted(struct request *r);

/* -- look-ups ------------------------------------------------------------- */

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
const char *state_name(enum proc_state s);
/* What the table says. */
enum cell state_cell(enum proc_kind kind, enum proc_state s, enum op op);
/* And what that is: true if op is done in that state, with *code STATE_WAITS
 * if not before the exit has been told; else the code of the refusal. */
#define STATE_WAITS (-1)
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
/* "ID" or "ID/EXEC", for messages; valid until the next call. */
const char *process_name(const struct process *p);
/* See to it that e says which process it is about. */
void process_named(const struct process *p, struct err *e);
/* Has p's status been decided? */
bool process_has_exited(const struct process *p);
/* CLOCK_REALTIME in ns. */
int64_t unix_now(void);

/* Which containers have come and gone, written down and read. */
void state_save(struct pb_out *o);
int state_load(struct pb_bytes in, struct err *e);

/* -- waiting -------------------------------------------------------------- */

/* Call w->exited when p has ended, at once if it has.  -1: too many. */
int state_wait(struct process *p, struct waiter *w, struct err *e);
/* Do not wait any more; not waiting is nothing. */
void state_unwait(struct process *p, struct waiter *w);
/* Call all who wait for p. */
void waiters_release(struct process *p);

/* -- for the cells, and what stands between them and this ------------------ */

/* The one place that writes a state. */
void state_set(struct process *p, enum proc_state s);
/* Add ct, or take it out if it is there; then the last one's end is known. */
void state_add(struct container *ct);
void state_remove(struct container *ct);
/* r, of MAKE, is the one operation of p, which is new. */
void request_attach(struct request *r, struct process *p);
/* Answer r, with e NULL for success, and go on with what waits. */
void request_finish(struct request *r, const struct err *e);
/* Answer r with "NAME: text". */
void request_refuse(struct request *r, int code, const char *text);
/* Finish it with what the table says where it refuses. */
void request_refuse_state(struct process *p, struct request *r);
/* Answer r, and all who asked for the same, and begin nothing. */
void request_answer(struct request *r, const struct err *e);
/* Take r off its process without answering; ends its runsc command. */
void request_detach(struct request *r);
/* Put r, which is under way, ahead of what waits. */
void request_requeue(struct request *r);
/* Answer all that waits or runs beside, NotFound with "NAME: text". */
void requests_flush(struct process *p, const char *text);
/* Begin what waits, if nothing serial is under way. */
void requests_run(struct process *p);

#endif
