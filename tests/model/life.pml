/* SPDX-License-Identifier: Apache-2.0 */
/*
 * life: the life cycle of one container with one exec, as state.c, ops.c and
 * container.c have it, for spin; `make check-model` goes through every order
 * of events that there is.
 *
 * What is here: the client (create, exec, start, kill, delete, wait, most of
 * them twice), runsc (commands end well, badly or by their deadline, at any
 * time), the kernel (processes exit at any time, also before start's reply)
 * and the output (drained some time after the end).  The shim has one thread,
 * so each of its callbacks is one atomic step; its functions have the names
 * that they have in C.  A root container: its init is the sandbox.
 *
 * What is claimed: nothing goes on for ever (no cycle at all: the second run
 * of the check), and when all is quiet, every request and every wait has been
 * answered and every process that was started has told its exit, once; on the
 * way: the reply of start, TaskStart, TaskExit, the answer of Wait in that
 * order, and init's exit after its exec's.
 *
 * BREAK_x leaves one rule out, and the check must notice: the exit waits for
 * start's answer (EXIT_FIRST); an exit counts once (TWICE); init's end is its
 * exec's (EXECS); each Delete of a container being created is remembered
 * (DELETES); Wait is answered where create fails (WAIT).
 */

#define INIT 0
#define EXEC 1

mtype:state = { NONE, CREATING, CREATED, RUNNING, STOPPED, DELETED };
mtype:op = { NO_OP, START, DELETE };

/* The shim's.  State NONE: there is no such process (yet). */
mtype:state state[2] = NONE;
mtype:op current[2] = NO_OP;
chan queue0 = [4] of { mtype:op };
chan queue1 = [4] of { mtype:op };
bool first_delete;	/* init: a Delete ahead of its queue */
bool gone[2], ending[2], draining[2], failed_start[2];
bool execs_ending;	/* init waits for its exec */
bool kill_sent;		/* on_execs_late() came by once */
bool late_timer;	/* on_execs_late() is to come */
bool sandbox_timer;	/* on_sandbox_late() is to come */
bool timer_128;		/* on_really_128() is to come */
bool undoing;		/* a create that failed: delete --force runs */
byte delete_after;	/* Deletes that wait for the end of that */
byte waiters[2], side[2];

/* runsc's: which commands are under way. */
bool run_create, run_undo, run_start[2], run_delete;
byte run_kill[2];

/* The kernel's. */
bool alive[2], dead[2];	/* runs; has ended, and nobody took its status */
bool watched[2];	/* the shim has adopted it */

/* What the client saw. */
byte asked[2], waited[2];	/* not yet answered */
bool replied[2];		/* start: well */
bool told_start[2];
byte told_exit[2];

/* -- what the client sees -------------------------------------------------- */

inline answer(p) { assert(asked[p] > 0); asked[p]-- }

inline publish_start(p)
{
	assert(replied[p]);
	assert(told_exit[p] == 0);
	told_start[p] = true
}

inline publish_exit(p)
{
	assert(told_exit[p] == 0);
	/* Of an exec there is an exit only if there was a start. */
	assert(p == INIT || told_start[p]);
	assert(told_start[p] == replied[p]);
	assert(p == EXEC || state[EXEC] == NONE || state[EXEC] == STOPPED ||
	    state[EXEC] == DELETED);
	told_exit[p]++
}

inline waiters_release(p)
{
	assert(waiters[p] == 0 || told_exit[p] == 1 || !told_start[p]);
	waited[p] = waited[p] - waiters[p];
	waiters[p] = 0
}

/* -- exits ----------------------------------------------------------------- */

#ifdef BREAK_EXIT_FIRST
#define HELD(p) false
#define LEFT(p) (current[p] == START)
#else
#define HELD(p) (current[p] == START)
#define LEFT(p) false
#endif

#ifdef BREAK_TWICE
#define GONE_ALREADY(p) false
#define FORGET(p) skip
#else
#define GONE_ALREADY(p) gone[p]
#define FORGET(p) watched[p] = false
#endif

/* The end of what is under way. */
inline end_requests(p)
{
	do
	:: side[p] > 0 -> side[p]--; run_kill[p]--; answer(p)
	:: else -> break
	od;
	if
	:: current[p] != NO_OP && !LEFT(p) ->
		/* What runsc is about to say of a start counts. */
		assert(current[p] != START);
		current[p] = NO_OP;
		answer(p)
	:: else
	fi
}

inline process_end_exec()
{
	ending[EXEC] = true;
	timer_128 = false;
	end_requests(EXEC);
	draining[EXEC] = true
}

inline process_gone_exec()
{
	if
	:: GONE_ALREADY(EXEC)
	:: else ->
		gone[EXEC] = true;
		if
		:: HELD(EXEC)
		:: else -> process_end_exec()
		fi
	fi
}

inline end_exec()
{
	if
	:: state[EXEC] == NONE || state[EXEC] == STOPPED ||
	    state[EXEC] == DELETED || gone[EXEC]
	:: else ->
		if
		:: timer_128 -> timer_128 = false; process_gone_exec()
		:: !timer_128 && state[EXEC] == CREATED ->
			ending[EXEC] = true;
			if
			:: current[EXEC] != NO_OP ->
				current[EXEC] = NO_OP;
				run_start[EXEC] = false;
				answer(EXEC)
			:: else
			fi;
			process_gone_exec()
		:: else
		fi
	fi
}

inline end_check()
{
	if
	:: execs_ending && (state[EXEC] == NONE || state[EXEC] == STOPPED ||
	    state[EXEC] == DELETED) ->
		execs_ending = false;
		late_timer = false;
		draining[INIT] = true
	:: else
	fi
}

inline process_end_init()
{
	ending[INIT] = true;
	sandbox_timer = false;
	end_requests(INIT);
	late_timer = true;
#ifndef BREAK_EXECS
	end_exec();
#endif
	execs_ending = true;
	end_check()
}

inline process_gone_init()
{
	if
	:: GONE_ALREADY(INIT)
	:: else ->
		gone[INIT] = true;
		if
		:: HELD(INIT)
		:: else -> process_end_init()
		fi
	fi
}

inline process_end_created_init()
{
	ending[INIT] = true;
	if
	:: !gone[INIT] -> sandbox_timer = true	/* and SIGKILL */
	:: else
	fi
}

inline tell_exit(p)
{
	draining[p] = false;
	state[p] = STOPPED;
	if
	:: p == INIT || told_start[p] -> publish_exit(p)
	:: else
	fi;
	if
	:: failed_start[p] -> failed_start[p] = false; answer(p)
	:: else
	fi;
	waiters_release(p);
	ending[p] = false
}

/* -- operations ------------------------------------------------------------ */

inline begin_init(o)
{
	if
	:: o == START && state[INIT] == CREATED && !gone[INIT] ->
		current[INIT] = START;
		run_start[INIT] = true
	:: o == DELETE && state[INIT] == CREATING ->
		/* op_delete_creating() */
#ifdef BREAK_DELETES
		delete_after = 1;
#else
		delete_after++;
#endif
		if
		:: !undoing ->
			run_create = false;
			undoing = true;
			run_undo = true
		:: else
		fi
	:: o == DELETE && state[INIT] == CREATED ->
		/* op_delete_created() */
		first_delete = true;
		process_end_created_init()
	:: o == DELETE && state[INIT] == STOPPED ->
		current[INIT] = DELETE;
		run_delete = true
	:: else -> answer(INIT)		/* refused */
	fi
}

inline begin_exec(o)
{
	if
	:: o == START && state[EXEC] == CREATED && !gone[INIT] &&
	    state[INIT] == RUNNING ->
		current[EXEC] = START;
		run_start[EXEC] = true
	:: o == DELETE && (state[EXEC] == CREATED ||
	    state[EXEC] == STOPPED) ->
		/* op_delete_exec() */
		answer(EXEC);
		do
		:: len(queue1) > 0 -> queue1?_; answer(EXEC)
		:: else -> break
		od;
		waiters_release(EXEC);
		state[EXEC] = DELETED
	:: else -> answer(EXEC)
	fi
}

inline requests_run_init()
{
	do
	:: current[INIT] == NO_OP && !ending[INIT] && first_delete ->
		first_delete = false;
		begin_init(DELETE)
	:: current[INIT] == NO_OP && !ending[INIT] && !first_delete &&
	    len(queue0) > 0 ->
		queue0?o;
		begin_init(o)
	:: else -> break
	od
}

inline requests_run_exec()
{
	do
	:: current[EXEC] == NO_OP && !ending[EXEC] && len(queue1) > 0 ->
		queue1?o;
		begin_exec(o)
	:: else -> break
	od
}

/* state_submit() of a serial operation. */
inline submit(p, q, o2)
{
	asked[p]++;
	if
	:: state[p] == NONE || state[p] == DELETED -> answer(p)
	:: else -> q!o2
	fi
}

inline start_worked(p)
{
	current[p] = NO_OP;
	state[p] = RUNNING;
	replied[p] = true;
	answer(p);
	publish_start(p)
}

/* -- who makes things happen ----------------------------------------------- */

active proctype client()
{
	byte starts[2] = 2, deletes[2] = 2, kills[2] = 1, waits[2] = 1;
	mtype:op o;
	bool signal_ends;

	atomic { state[INIT] = CREATING; run_create = true }
	do
	:: atomic { starts[INIT] > 0 ->
		starts[INIT]--;
		submit(INIT, queue0, START);
		requests_run_init();
	    }
	:: atomic { starts[EXEC] > 0 && state[EXEC] != NONE ->
		starts[EXEC]--;
		submit(EXEC, queue1, START);
		requests_run_exec();
	    }
	:: atomic { deletes[INIT] > 0 ->
		deletes[INIT]--;
		submit(INIT, queue0, DELETE);
		requests_run_init();
	    }
	:: atomic { deletes[EXEC] > 0 && state[EXEC] != NONE ->
		deletes[EXEC]--;
		submit(EXEC, queue1, DELETE);
		requests_run_exec();
	    }
	/* Exec. */
	:: atomic { state[EXEC] == NONE && !gone[INIT] &&
	    (state[INIT] == CREATED || state[INIT] == RUNNING) ->
		state[EXEC] = CREATED
	    }
	:: atomic { waits[INIT] > 0 && state[INIT] != DELETED ->
		waits[INIT]--;
		if
		:: state[INIT] != STOPPED -> waited[INIT]++; waiters[INIT]++
		:: else
		fi
	    }
	:: atomic { waits[EXEC] > 0 && state[EXEC] != NONE &&
	    state[EXEC] != DELETED ->
		waits[EXEC]--;
		if
		:: state[EXEC] != STOPPED -> waited[EXEC]++; waiters[EXEC]++
		:: else
		fi
	    }
	/* Kill, of init in STATE_CREATED with a signal that ends it. */
	:: atomic { kills[INIT] > 0 ->
		kills[INIT]--;
		asked[INIT]++;
		if
		:: signal_ends = true
		:: signal_ends = false
		fi;
		if
		:: gone[INIT] || (state[INIT] != CREATED &&
		    state[INIT] != RUNNING) -> answer(INIT)
		:: !gone[INIT] && state[INIT] == CREATED && signal_ends ->
			answer(INIT);
			ending[INIT] = true;
			if
			:: current[INIT] == START ->
				current[INIT] = NO_OP;
				run_start[INIT] = false;
				answer(INIT)
			:: else
			fi;
			process_end_created_init()
		:: else -> side[INIT]++; run_kill[INIT]++
		fi
	    }
	:: atomic { kills[EXEC] > 0 && state[EXEC] != NONE ->
		kills[EXEC]--;
		asked[EXEC]++;
		if
		:: state[EXEC] == RUNNING && !gone[EXEC] ->
			side[EXEC]++;
			run_kill[EXEC]++
		:: else -> answer(EXEC)
		fi
	    }
	/* Nobody has to ask for anything. */
	:: break
	od
}

active proctype runsc()
{
	mtype:op o;

end:	do
	/* create */
	:: atomic { run_create ->
		run_create = false;
		state[INIT] = CREATED;
		alive[INIT] = true;
		watched[INIT] = true
	    }
	:: atomic { run_create ->
		run_create = false;
		undoing = true;
		run_undo = true
	    }
	:: atomic { run_undo ->
		/* finish_failed(), container_free() */
		run_undo = false;
		undoing = false;
		state[INIT] = DELETED;
#ifndef BREAK_WAIT
		waiters_release(INIT);
#endif
		do
		:: delete_after > 0 -> delete_after--; answer(INIT)
		:: else -> break
		od
	    }
	/* start of init: well; or badly, or by its deadline */
	:: atomic { run_start[INIT] ->
		run_start[INIT] = false;
		start_worked(INIT);
		if
		:: gone[INIT] -> process_end_init()
		:: else
		fi;
		requests_run_init();
	    }
	:: atomic { run_start[INIT] ->
		run_start[INIT] = false;
		current[INIT] = NO_OP;
		failed_start[INIT] = true;
		if
		:: gone[INIT] -> process_end_init()
		:: else -> process_end_created_init()
		fi
	    }
	/* the exec's process begins before its start is answered, and an
	 * answer that is well can only be of one that began */
	:: atomic { run_start[EXEC] && !alive[EXEC] && !dead[EXEC] ->
		alive[EXEC] = true
	    }
	:: atomic { run_start[EXEC] && (alive[EXEC] || dead[EXEC]) ->
		run_start[EXEC] = false;
		watched[EXEC] = true;
		start_worked(EXEC);
		if
		:: gone[EXEC] -> process_end_exec()
		:: else
		fi;
		requests_run_exec();
	    }
	:: atomic { run_start[EXEC] ->
		run_start[EXEC] = false;
		current[EXEC] = NO_OP;
		failed_start[EXEC] = true;
		if
		:: gone[EXEC] -> process_end_exec()
		:: else ->
			ending[EXEC] = true;
			process_gone_exec()
		fi
	    }
	/* kill: well or badly; what it does is the kernel's */
	:: atomic { run_kill[INIT] > 0 ->
		run_kill[INIT]--; side[INIT]--; answer(INIT)
	    }
	:: atomic { run_kill[EXEC] > 0 ->
		run_kill[EXEC]--; side[EXEC]--; answer(EXEC)
	    }
	/* delete; if it fails it is forced, and then done in any case */
	:: atomic { run_delete ->
		run_delete = false;
		current[INIT] = NO_OP;
		answer(INIT);
		assert(side[INIT] == 0 && side[EXEC] == 0);
		assert(waiters[INIT] == 0 && waiters[EXEC] == 0);
		assert(state[EXEC] == NONE || state[EXEC] == STOPPED ||
		    state[EXEC] == DELETED);
		/* requests_flush() */
		do
		:: len(queue0) > 0 -> queue0?_; answer(INIT)
		:: else -> break
		od;
		do
		:: len(queue1) > 0 -> queue1?_; answer(EXEC)
		:: else -> break
		od;
		state[INIT] = DELETED;
		if
		:: state[EXEC] != NONE -> state[EXEC] = DELETED
		:: else
		fi
	    }
	od
}

/* Exits, output, timers. */
active proctype kernel()
{
	mtype:op o;

end:	do
	:: atomic { alive[INIT] -> alive[INIT] = false; dead[INIT] = true }
	:: atomic { alive[EXEC] -> alive[EXEC] = false; dead[EXEC] = true }
	/* on_sandbox_exit() */
	:: atomic { dead[INIT] && watched[INIT] ->
		dead[INIT] = false;
		watched[INIT] = false;
		process_gone_init()
	    }
	/* process_exec_exited(), with 128 while the sandbox is there, too */
	:: atomic { dead[EXEC] && watched[EXEC] ->
		dead[EXEC] = false;
		watched[EXEC] = false;
		process_gone_exec()
	    }
	:: atomic { dead[EXEC] && watched[EXEC] && !gone[INIT] ->
		dead[EXEC] = false;
		watched[EXEC] = false;
		timer_128 = true
	    }
	:: atomic { timer_128 -> timer_128 = false; process_gone_exec() }
	/* on_sandbox_late(): it was forgotten */
	:: atomic { sandbox_timer && watched[INIT] ->
		sandbox_timer = false;
		watched[INIT] = false;
		process_gone_init()
	    }
	/* on_execs_late(), the first and the second time */
	:: atomic { late_timer && !kill_sent && state[EXEC] == RUNNING &&
	    !gone[EXEC] -> kill_sent = true }
	:: atomic { late_timer && kill_sent && state[EXEC] == RUNNING &&
	    !gone[EXEC] ->
		FORGET(EXEC);
		process_gone_exec()
	    }
	/* The output is through, or its time is up. */
	:: atomic { draining[INIT] ->
		tell_exit(INIT);
		requests_run_init()
	    }
	:: atomic { draining[EXEC] ->
		tell_exit(EXEC);
		requests_run_exec();
		if
		:: ending[INIT] -> end_check()
		:: else
		fi
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
	assert(state[INIT] == STOPPED || state[INIT] == DELETED);
	/* An exec whose init has ended has too. */
	assert(state[EXEC] == NONE || state[EXEC] == STOPPED ||
	    state[EXEC] == DELETED)
}
