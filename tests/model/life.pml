/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life: the life cycle of one container with one exec, as state.c, exit.c,
 * container.c, exec.c and ops.c have it, for spin; `make check-model` goes
 * through every order of events that there is.
 *
 * What is here: the client (create, exec, start, kill, delete, wait, most of
 * them twice; with PAUSES pause, resume and checkpoint instead of the second
 * time), runsc (commands end well, badly or by their deadline, at any time),
 * the kernel (processes exit at any time, also before start's reply) and the
 * output (drained some time after the end).  The shim has one thread, so each
 * of its callbacks is one atomic step; its states, operations, cells and
 * functions have the names that they have in C, and what an operation does in
 * which state is read from table.h.  A root container: its init is the
 * sandbox.
 *
 * What is claimed: nothing goes on for ever (no cycle at all: the second run
 * of the check), and when all is quiet, every request and every wait has been
 * answered and every process that was started has told its exit, once; on the
 * way: the reply of start, TaskStart, TaskExit, the answer of Wait in that
 * order, init's exit after its exec's, and nothing told of a container whose
 * exit has been.
 *
 * BREAK_x leaves one rule out, and the check must notice: the exit waits for
 * start's answer (EXIT_FIRST) and for checkpoint's, and then goes on (GO_ON);
 * an exit counts once (TWICE); init's end is its exec's (EXECS); each Delete
 * of a container being created is remembered (DELETES); Wait is answered where
 * create fails (WAIT).
 */

#define INIT 0
#define EXEC 1

mtype:state = { STATE_CREATING, STATE_CREATED, STATE_RUNNING, STATE_PAUSED,
	STATE_ENDING, STATE_STOPPED, STATE_DELETED };
mtype:op = { OP_NONE, OP_CREATE, OP_START, OP_EXEC, OP_PAUSE, OP_RESUME,
	OP_KILL, OP_CHECKPOINT, OP_DELETE };
mtype:cell = { CELL_PR, CELL_NF, CELL_HV, CELL_WT, CELL_MAKE, CELL_GO,
	CELL_GOX, CELL_EXEC, CELL_HALT, CELL_KILL, CELL_KNEW, CELL_KHLT,
	CELL_KNEX, CELL_KEND, CELL_SAVE, CELL_DEL, CELL_DNEW, CELL_DING,
	CELL_DELX };
mtype:end_step = { END_NONE, END_STATUS, END_SANDBOX, END_EXECS, END_OUTPUT };

#define ENDED(p) (state[p] == STATE_STOPPED || state[p] == STATE_DELETED)

/* The shim's. */
mtype:state state[2] = STATE_DELETED;
mtype:op current[2] = OP_NONE;	/* runsc's command for it is under way */
mtype:end_step end[2] = END_NONE;
chan queue[2] = [4] of { mtype:op };
bool requeued;		/* init: a Delete ahead of its queue */
byte side[2];		/* Kills beside it */
byte side_resumes;	/* init: Kills that resume it first */
byte waiters[2];
bool exited[2];		/* process_has_exited() */
bool failed_start[2];	/* to be answered when its exit is told */
bool kill_sent;		/* on_execs_late() came by once */
bool create_err;	/* a create that failed: delete --force runs */
byte creating_deletes;	/* Deletes beside it */
hidden mtype:cell cell;

/* The kernel's. */
bool alive[2], dead[2];	/* runs; has ended, and nobody took its status */
bool child_running[2];	/* the shim has adopted it */

/* What the client saw. */
byte asked[2], waited[2];	/* not yet answered */
bool replied[2];		/* start: well */
bool told_start[2];
byte told_exit[2];
bool told_paused;

/* -- what the client sees -------------------------------------------------- */

inline answer(p) { assert(asked[p] > 0); asked[p]-- }

inline publish_start(p)
{
	assert(replied[p]);
	assert(told_exit[p] == 0);
	told_start[p] = true
}

inline publish_paused(is)
{
	assert(told_start[INIT] && told_exit[INIT] == 0);
	assert(told_paused != is);
	told_paused = is
}

inline publish_exit(p)
{
	assert(told_exit[p] == 0);
	/* Of an exec there is an exit only if there was a start. */
	assert(p == INIT || told_start[p]);
	assert(told_start[p] == replied[p]);
	assert(p == EXEC || ENDED(EXEC));
	told_exit[p]++
}

inline waiters_release(p)
{
	assert(waiters[p] == 0 || told_exit[p] == 1 || !told_start[p]);
	waited[p] = waited[p] - waiters[p];
	waiters[p] = 0
}

/* -- state.c --------------------------------------------------------------- */

#define SERIAL(o) (o == OP_CREATE || o == OP_START || o == OP_PAUSE || \
	o == OP_RESUME || o == OP_CHECKPOINT || o == OP_DELETE)

/* One row of the table counts, and in it one column. */
inline cell_of(p, o)
{
#define ROW(k, s, create, start, exec, pause, resume, kill, checkpoint, del) \
	(p == k && state[p] == STATE_##s) * ((o == OP_CREATE) * CELL_##create + \
	(o == OP_START) * CELL_##start + (o == OP_EXEC) * CELL_##exec + \
	(o == OP_PAUSE) * CELL_##pause + (o == OP_RESUME) * CELL_##resume + \
	(o == OP_KILL) * CELL_##kill + \
	(o == OP_CHECKPOINT) * CELL_##checkpoint + \
	(o == OP_DELETE) * CELL_##del) +
	cell =
#include "table.h"
	0;
	assert(cell != 0)
}

/* request_finish() of the serial one: exit_go_on(), or what waits. */
inline finish_current(p)
{
	current[p] = OP_NONE;
	answer(p)
}

/* -- exit.c ---------------------------------------------------------------- */

#ifdef BREAK_EXIT_FIRST
#define HOLDS(o) (o == OP_CHECKPOINT)
#define LEFT(o) (o == OP_START)
#else
#define HOLDS(o) (o == OP_START || o == OP_CHECKPOINT)
#define LEFT(o) false
#endif

#ifdef BREAK_TWICE
#define EXITED_ALREADY(p) false
#define FORGET(p) skip
#else
#define EXITED_ALREADY(p) exited[p]
#define FORGET(p) child_running[p] = false
#endif

inline end_requests(p)
{
	do
	:: side[p] > 0 -> side[p]--; answer(p)
	:: p == INIT && side_resumes > 0 -> side_resumes--; answer(p)
	:: else -> break
	od;
	if
	:: current[p] != OP_NONE && !LEFT(current[p]) ->
		/* What runsc is about to say of a start counts. */
		assert(current[p] != OP_START);
		finish_current(p)
	:: else
	fi
}

inline begin_end_exec()
{
	end_requests(EXEC);
	end[EXEC] = END_OUTPUT
}

/* Of an exec, whose start has to be through or cut; as exit_seen_init(). */
inline exit_seen_exec()
{
	if
	:: EXITED_ALREADY(EXEC)
	:: else ->
		assert(!ENDED(EXEC));
		exited[EXEC] = true;
		end[EXEC] = END_NONE;
		state[EXEC] = STATE_ENDING;
		if
		:: HOLDS(current[EXEC])
		:: else -> begin_end_exec()
		fi
	fi
}

inline end_exec()
{
	if
	:: !exited[EXEC] && state[EXEC] == STATE_CREATED ->
		state[EXEC] = STATE_ENDING;
		if
		:: current[EXEC] != OP_NONE -> finish_current(EXEC)
		:: else
		fi
	:: else
	fi;
	if
	:: !exited[EXEC] && (state[EXEC] == STATE_ENDING ||
	    end[EXEC] == END_STATUS) -> exit_seen_exec()
	:: else
	fi
}

inline end_check()
{
	if
	:: end[INIT] == END_EXECS && ENDED(EXEC) -> end[INIT] = END_OUTPUT
	:: else
	fi
}

inline begin_end_init()
{
	end_requests(INIT);
#ifndef BREAK_EXECS
	end_exec();
#endif
	end[INIT] = END_EXECS;
	end_check()
}

inline exit_seen_init()
{
	if
	:: EXITED_ALREADY(INIT)
	:: else ->
		assert(state[INIT] != STATE_CREATING && !ENDED(INIT));
		exited[INIT] = true;
		end[INIT] = END_NONE;
		state[INIT] = STATE_ENDING;
		if
		:: HOLDS(current[INIT])
		:: else -> begin_end_init()
		fi
	fi
}

/* Of init, whose sandbox is killed.  An exec that never ran has no child. */
inline exit_unstarted_init()
{
	if
	:: exited[INIT]
	:: else ->
		assert(child_running[INIT]);
		state[INIT] = STATE_ENDING;
		end[INIT] = END_SANDBOX
	fi
}

#ifdef BREAK_GO_ON
#define GOES_ON(p) (o != OP_CHECKPOINT)
#else
#define GOES_ON(p) true
#endif

/* exit_go_on(), which is the end of exit_start_worked() and of
 * exit_start_failed(), too. */
inline exit_go_on(p)
{
	if
	:: p == INIT && exited[INIT] && end[INIT] == END_NONE &&
	    GOES_ON(p) -> begin_end_init()
	:: p == EXEC && exited[EXEC] && end[EXEC] == END_NONE ->
		begin_end_exec()
	:: p == EXEC && !exited[EXEC] && failed_start[EXEC] ->
		exit_seen_exec()
	:: p == INIT && !exited[INIT] && failed_start[INIT] ->
		exit_unstarted_init()
	:: else
	fi
}

inline exit_start_worked(p)
{
	current[p] = OP_NONE;
	if
	:: !exited[p] -> state[p] = STATE_RUNNING
	:: else
	fi;
	replied[p] = true;
	answer(p);
	publish_start(p)
}

inline exit_start_failed(p)
{
	current[p] = OP_NONE;
	failed_start[p] = true
}

inline tell_exit(p)
{
	end[p] = END_NONE;
	state[p] = STATE_STOPPED;
	if
	:: p == INIT || told_start[p] -> publish_exit(p)
	:: else
	fi;
	if
	:: failed_start[p] -> failed_start[p] = false; answer(p)
	:: else
	fi;
	waiters_release(p)
}

/* -- the cells: container.c, exec.c, ops.c --------------------------------- */

inline op_delete_creating()
{
#ifdef BREAK_DELETES
	creating_deletes = 1;
#else
	creating_deletes++;
#endif
	create_err = true
}

inline op_delete_created()
{
	requeued = true;
	current[INIT] = OP_NONE;
	exit_unstarted_init()
}

inline op_delete_exec()
{
	finish_current(EXEC);
	do
	:: len(queue[EXEC]) > 0 -> queue[EXEC]?_; answer(EXEC)
	:: else -> break
	od;
	waiters_release(EXEC);
	state[EXEC] = STATE_DELETED
}

inline op_exec_start()
{
	if
	:: exited[INIT] || state[INIT] != STATE_RUNNING -> finish_current(EXEC)
	:: else		/* runsc_exec() */
	fi
}

/* Of a start under way, if there is one. */
inline cut_start(p)
{
	state[p] = STATE_ENDING;
	if
	:: current[p] != OP_NONE ->
		assert(current[p] == OP_START);
		finish_current(p)
	:: else
	fi
}

/* Kill, which is not serial.  ends: SIGKILL, or SIGTERM where that is as
 * good. */
inline kill(p)
{
	asked[p]++;
	cell_of(p, OP_KILL);
	if
	:: cell == CELL_KNEW && ends ->		/* op_kill_created() */
		answer(INIT);
		cut_start(INIT);
		exit_unstarted_init()
	:: cell == CELL_KNEX && ends && current[EXEC] == OP_START ->
		answer(EXEC);			/* op_kill_new_exec() */
		cut_start(EXEC);
		exit_seen_exec()
	:: cell == CELL_KILL && (p == INIT || state[INIT] != STATE_PAUSED) ->
		side[p]++			/* op_kill() */
	:: cell == CELL_KNEW && !ends -> side[INIT]++
	:: cell == CELL_KHLT && ends ->
		side_resumes++			/* op_kill_paused() */
	:: else -> answer(p)
	fi;
	ends = false
}

/* Of what is serial. */
inline begin(p)
{
	cell_of(p, o);
	if
	:: cell == CELL_DING -> op_delete_creating()
	:: cell == CELL_PR || cell == CELL_NF || cell == CELL_HV -> answer(p)
	:: else ->
		assert(cell != CELL_WT && current[p] == OP_NONE);
		current[p] = o;
		if
		:: cell == CELL_MAKE -> state[INIT] = STATE_CREATING
		:: cell == CELL_GOX -> op_exec_start()
		:: cell == CELL_DNEW -> op_delete_created()
		:: cell == CELL_DELX -> op_delete_exec()
		:: cell == CELL_GO || cell == CELL_HALT || cell == CELL_SAVE ||
		    cell == CELL_DEL	/* runsc_start() and so on */
		fi
	fi
}

inline requests_run(p)
{
	do
	:: current[p] == OP_NONE && state[p] != STATE_ENDING &&
	    ((p == INIT && requeued) || len(queue[p]) > 0) ->
		if
		:: p == INIT && requeued -> requeued = false; o = OP_DELETE
		:: else -> queue[p]?o
		fi;
		begin(p)
	:: else -> break
	od;
	o = OP_NONE;
	p = INIT
}

/* state_submit() of a serial operation. */
inline submit(p)
{
	asked[p]++;
	cell_of(p, o);
	if
	:: state[p] != STATE_CREATING && (current[p] != OP_NONE ||
	    len(queue[p]) > 0 || cell == CELL_WT) -> queue[p]!o
	:: else -> begin(p)
	fi
}

/* -- who makes things happen ----------------------------------------------- */

#ifdef PAUSES
#define TWICE 1
#define PAUSE 1
#else
#define TWICE 2
#define PAUSE 0
#endif

active proctype client()
{
	byte starts[2] = TWICE, deletes[2] = TWICE, kills[2] = 1, waits[2] = 1;
	bool creates = 1, execs = 1, pauses = PAUSE, resumes = PAUSE,
	    checkpoints = PAUSE;
	bool ends;
	mtype:op o = OP_NONE;
	byte p = INIT;

	do
	:: atomic {
		if
		:: creates -> creates = 0; o = OP_CREATE
		:: starts[INIT] > 0 && !creates ->
			starts[INIT]--; o = OP_START
		:: deletes[INIT] > 0 && !creates ->
			deletes[INIT]--; o = OP_DELETE
		:: pauses && !creates -> pauses = 0; o = OP_PAUSE
		:: resumes && !creates -> resumes = 0; o = OP_RESUME
		:: checkpoints && !creates -> checkpoints = 0; o = OP_CHECKPOINT
		:: starts[EXEC] > 0 && state[EXEC] != STATE_DELETED ->
			starts[EXEC]--; p = EXEC; o = OP_START
		:: deletes[EXEC] > 0 && state[EXEC] != STATE_DELETED ->
			deletes[EXEC]--; p = EXEC; o = OP_DELETE
		fi;
		submit(p);
		requests_run(p)
	    }
	:: atomic { execs && !creates ->
		execs = 0;
		cell_of(INIT, OP_EXEC);
		if
		:: cell == CELL_EXEC -> state[EXEC] = STATE_CREATED
		:: else
		fi
	    }
	:: atomic {
		if
		:: waits[INIT] > 0 && state[INIT] != STATE_DELETED -> p = INIT
		:: waits[EXEC] > 0 && state[EXEC] != STATE_DELETED -> p = EXEC
		fi;
		waits[p]--;
		if
		:: state[p] != STATE_STOPPED -> waited[p]++; waiters[p]++
		:: else
		fi;
		p = INIT
	    }
	:: atomic {
		if
		:: kills[INIT] > 0 && !creates -> p = INIT
		:: kills[EXEC] > 0 && state[EXEC] != STATE_DELETED -> p = EXEC
		fi;
		kills[p]--;
		if
		:: ends = true
		:: ends = false
		fi;
		kill(p);
		requests_run(p)
	    }
	/* Nobody has to ask for anything more. */
	:: !creates -> break
	od
}

active proctype runsc()
{
	mtype:op o = OP_NONE;
	byte p = INIT;

end_:	do
	/* each badly, or by its deadline, too */
	:: atomic {
		if
		:: current[INIT] == OP_CREATE && !create_err ->
			state[INIT] = STATE_CREATED;
			alive[INIT] = true;
			child_running[INIT] = true;
			finish_current(INIT)
		:: current[INIT] == OP_START -> exit_start_worked(INIT)
		:: current[INIT] == OP_START -> exit_start_failed(INIT)
		/* An answer that is well is only of a process that began. */
		:: current[EXEC] == OP_START && (alive[EXEC] || dead[EXEC]) ->
			p = EXEC;
			child_running[EXEC] = true;
			exit_start_worked(EXEC)
		:: current[EXEC] == OP_START ->
			p = EXEC;
			exit_start_failed(EXEC)
		/* on_paused(), well; a kill may have resumed it meanwhile */
		:: current[INIT] == OP_PAUSE ->
			if
			:: state[INIT] != STATE_PAUSED ->
				state[INIT] = STATE_PAUSED;
				publish_paused(true)
			:: else
			fi;
			finish_current(INIT)
		:: current[INIT] == OP_RESUME ->
			if
			:: state[INIT] != STATE_RUNNING ->
				state[INIT] = STATE_RUNNING;
				publish_paused(false)
			:: else
			fi;
			finish_current(INIT)
		/* badly; and a checkpoint in either way */
		:: current[INIT] == OP_PAUSE || current[INIT] == OP_RESUME ||
		    current[INIT] == OP_CHECKPOINT ->
			o = current[INIT];
			finish_current(INIT)
		fi;
		exit_go_on(p);
		requests_run(p)
	    }
	:: atomic { current[INIT] == OP_CREATE && !create_err ->
		create_err = true
	    }
	/* delete --force after that: finish_failed(), container_free() */
	:: atomic { current[INIT] == OP_CREATE && create_err ->
		create_err = false;
		finish_current(INIT);
		do
		:: creating_deletes > 0 -> creating_deletes--; answer(INIT)
		:: else -> break
		od;
#ifndef BREAK_WAIT
		waiters_release(INIT);
#endif
		state[INIT] = STATE_DELETED
	    }
	/* An exec's process begins before its start is answered. */
	:: atomic { current[EXEC] == OP_START && !alive[EXEC] && !dead[EXEC] ->
		alive[EXEC] = true
	    }
	/* kill: well or badly; what it does is the kernel's */
	:: atomic { side[INIT] > 0 -> side[INIT]--; answer(INIT) }
	:: atomic { side[EXEC] > 0 -> side[EXEC]--; answer(EXEC) }
	/* on_resumed_to_kill(), well or badly */
	:: atomic { side_resumes > 0 ->
		side_resumes--;
		side[INIT]++;
		if
		:: state[INIT] == STATE_PAUSED ->
			state[INIT] = STATE_RUNNING;
			publish_paused(false)
		:: true
		fi
	    }
	/* delete; if it fails it is forced, and then done in any case */
	:: atomic { current[INIT] == OP_DELETE ->
		finish_current(INIT);
		assert(side[INIT] == 0 && side[EXEC] == 0 && side_resumes == 0);
		assert(waiters[INIT] == 0 && waiters[EXEC] == 0);
		assert(ENDED(EXEC));
		/* requests_flush() */
		do
		:: len(queue[INIT]) > 0 -> queue[INIT]?_; answer(INIT)
		:: len(queue[EXEC]) > 0 -> queue[EXEC]?_; answer(EXEC)
		:: else -> break
		od;
		state[INIT] = STATE_DELETED;
		state[EXEC] = STATE_DELETED
	    }
	od
}

/* Exits, output, timers. */
active proctype kernel()
{
	mtype:op o = OP_NONE;
	byte p = INIT;

end_:	do
	:: atomic { alive[INIT] -> alive[INIT] = false; dead[INIT] = true }
	:: atomic { alive[EXEC] -> alive[EXEC] = false; dead[EXEC] = true }
	:: atomic {
		if
		/* on_sandbox_exit() */
		:: dead[INIT] && child_running[INIT] -> dead[INIT] = false
		/* on_sandbox_late(): it is forgotten */
		:: end[INIT] == END_SANDBOX
		fi;
		child_running[INIT] = false;
		exit_seen_init()
	    }
	:: atomic {
		if
		/* on_exec_exit() */
		:: dead[EXEC] && child_running[EXEC] ->
			dead[EXEC] = false;
			child_running[EXEC] = false
		/* on_really_128() */
		:: end[EXEC] == END_STATUS
		/* on_execs_late(), the second time */
		:: end[INIT] == END_EXECS && kill_sent && !ENDED(EXEC) &&
		    !exited[EXEC] -> FORGET(EXEC)
		fi;
		exit_seen_exec()
	    }
	/* on_execs_late(), the first time */
	:: atomic { end[INIT] == END_EXECS && !kill_sent && !ENDED(EXEC) &&
	    !exited[EXEC] -> kill_sent = true
	    }
	/* on_exec_exit(), with 128 while the sandbox is there */
	:: atomic { dead[EXEC] && child_running[EXEC] && !exited[INIT] ->
		dead[EXEC] = false;
		child_running[EXEC] = false;
		end[EXEC] = END_STATUS
	    }
	/* The output is through, or its time is up. */
	:: atomic {
		if
		:: end[INIT] == END_OUTPUT -> p = INIT
		:: end[EXEC] == END_OUTPUT -> p = EXEC
		fi;
		tell_exit(p);
		end_check();
		requests_run(p)
	    }
	od
}

/* All is quiet: nothing may be missing. */
active proctype quiet()
{
	timeout ->
	assert(asked[INIT] == 0 && asked[EXEC] == 0);
	assert(waited[INIT] == 0 && waited[EXEC] == 0);
	assert(!told_start[INIT] || told_exit[INIT] == 1);
	assert(!told_start[EXEC] || told_exit[EXEC] == 1);
	/* An exec whose init has ended has too. */
	assert(ENDED(INIT) && ENDED(EXEC))
}
