/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state_test: the table of states, and the life of a container, on a stage.
 * Its execs are state_exec_test's.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "container.h"
#include "stage.h"
#include "tests/suite.h"

/* -- the table ------------------------------------------------------------ */

/*
 * What each operation does in each state, written down a second time: D done,
 * W waits, P FailedPrecondition, N NotFound, E AlreadyExists.  Columns: create
 * start exec pause resume kill resize closeio pids stats update checkpoint
 * delete.
 */
static const char *const expected[PROC_KINDS][STATES] = {
	[PROC_INIT] = {
		[STATE_CREATING] = "EPPPPPDDPPPPD",
		[STATE_CREATED] =  "EDDPPDDDDDDPD",
		[STATE_RUNNING] =  "EPDDPDDDDDDDP",
		[STATE_PAUSED] =   "EPPPDDDDDDDDP",
		[STATE_ENDING] =   "EWPWWDDDDDWWW",
		[STATE_STOPPED] =  "EPPPPNPDDDPPD",
		[STATE_DELETED] =  "DNNNNNNNNNNNN",
	},
	[PROC_EXEC] = {
		[STATE_CREATING] = "PPPPPPPPPPPPP",
		[STATE_CREATED] =  "PDPPPDDDPPPPD",
		[STATE_RUNNING] =  "PPPPPDDDPPPPP",
		[STATE_PAUSED] =   "PPPPPPPPPPPPP",
		[STATE_ENDING] =   "PWPPPDDDPPPPW",
		[STATE_STOPPED] =  "PPPPPNPDPPPPD",
		[STATE_DELETED] =  "NNNNNNNNNNNNN",
	},
};

START_TEST(table_is_as_written)
{
	int kind, s, op, code;
	char is;

	for (kind = 0; kind < PROC_KINDS; kind++)
	for (s = 0; s < STATES; s++)
	for (op = 0; op < OPS; op++) {
		if (state_allows((enum proc_kind)kind, (enum proc_state)s,
		    (enum op)op, &code))
			is = code == STATE_WAITS ? 'W' : 'D';
		else if (code == ERR_PRECONDITION)
			is = 'P';
		else if (code == ERR_NOT_FOUND)
			is = 'N';
		else if (code == ERR_EXISTS)
			is = 'E';
		else
			is = '?';
		ck_assert_msg(is == expected[kind][s][op],
		    "kind %d state %s op %d: %c, expected %c", kind,
		    state_name((enum proc_state)s), op, is,
		    expected[kind][s][op]);
	}
}
END_TEST

/* The model goes by the same cells. */
START_TEST(table_is_the_models)
{
	static const struct {
		enum proc_kind kind;
		enum proc_state state;
		struct { enum op op; enum cell is; } cells[8];
	} rows[] = {
#define ROW(k, s, create, start, exec, pause, resume, kill, checkpoint, del) \
		{ PROC_##k, STATE_##s, { { OP_CREATE, create }, \
			{ OP_START, start }, { OP_EXEC, exec }, \
			{ OP_PAUSE, pause }, { OP_RESUME, resume }, \
			{ OP_KILL, kill }, { OP_CHECKPOINT, checkpoint }, \
			{ OP_DELETE, del } } },
#include "../model/table.h"
#undef ROW
	};
	size_t i, j;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	for (j = 0; j < 8; j++)
		ck_assert_msg(state_cell(rows[i].kind, rows[i].state,
		    rows[i].cells[j].op) == rows[i].cells[j].is,
		    "kind %d state %s op %d", (int)rows[i].kind,
		    state_name(rows[i].state), (int)rows[i].cells[j].op);
	/* All states, but that execs are not created, nor paused alone. */
	ck_assert_uint_eq(i, PROC_KINDS * STATES - 2);
}
END_TEST

/* -- the life cycle ------------------------------------------------------- */

START_TEST(whole_life)
{
	struct asked a = { 0 };
	struct waited w;

	create();
	complete("create");
	wait_for(init(), &w);
	ask(&a, OP_START, "start", "");
	complete("start");
	process_exits(init(), 7);
	ck_assert_uint_eq(w.status, 7);
	ask(&a, OP_DELETE, "delete", "");
	complete("delete");
	ck_assert_uint_eq(a.r.exit_status, 7);
	ck_assert_str_eq(told, "TaskCreate create. start. TaskStart TaskExit "
	    "wait. TaskDelete delete. ");
	ck_assert_str_eq(verbs, "create+io start delete ");
	ck_assert_uint_eq(state_containers(), 0);
}
END_TEST

START_TEST(exit_before_start_returns)
{
	struct asked a = { 0 };
	struct waited w;

	created();
	wait_for(init(), &w);
	ask(&a, OP_START, "start", "");
	process_exits(init(), 0);
	ck_assert(!w.done);
	complete("start");
	ck_assert(w.done);
	ck_assert_str_eq(told, "TaskCreate create. start. TaskStart TaskExit "
	    "wait. ");
	deleted();
}
END_TEST

START_TEST(exit_waits_for_output)
{
	struct asked a = { 0 };
	struct waited w;

	running();
	wait_for(init(), &w);
	hold_drain = true;
	process_exits(init(), 3);
	ck_assert_str_eq(told, "");
	/* What comes meanwhile: kill finds it gone, delete waits. */
	a.r.signal = SIGTERM;
	ask(&a, OP_KILL, "kill", "");
	ck_assert_int_eq(a.code, ERR_NOT_FOUND);
	told[0] = '\0';
	ask(&a, OP_DELETE, "delete", "");
	ck_assert(!a.done);
	hold_drain = false;
	drained();
	ck_assert_str_eq(told, "TaskExit wait. ");
	complete("delete");
	ck_assert(a.done);
}
END_TEST

START_TEST(create_fails)
{
	create();
	complete_error("create", "no can do", false);
	/* Undone before it is answered. */
	ck_assert_int_eq(create_code, -1);
	ck_assert_int_eq(mounted, 1);
	complete("delete");
	ck_assert_int_eq(create_code, ERR_UNKNOWN);
	ck_assert_str_eq(create_msg, "c1: OCI runtime create failed: no can do");
	ck_assert_uint_eq(state_containers(), 0);
	ck_assert_int_eq(mounted, 0);
	ck_assert_int_eq(ios, 0);
	ck_assert_str_eq(told, "create! ");
}
END_TEST

START_TEST(create_fails_early)
{
	mount_fails = true;
	create();
	ck_assert_int_eq(create_code, ERR_UNKNOWN);
	mount_fails = false;
	io_fails = true;
	create();
	ck_assert_int_eq(create_code, ERR_NOT_FOUND);
	ck_assert_int_eq(mounted, 0);
	io_fails = false;
	refuse_commands = true;
	create();
	ck_assert_int_eq(create_code, ERR_EXHAUSTED);
	refuse_commands = false;
	exists_in_runsc = true;
	create();
	ck_assert_int_eq(create_code, ERR_EXISTS);
	exists_in_runsc = false;
	ck_assert_uint_eq(state_containers(), 0);
	ck_assert_int_eq(ios, 0);
	ck_assert_int_eq(mounted, 0);
}
END_TEST

START_TEST(create_twice)
{
	create();
	create();
	ck_assert_int_eq(create_code, ERR_EXISTS);
	complete("create");
	ck_assert_int_eq(create_code, 0);
	process_exits(init(), 0);
	deleted();
}
END_TEST

START_TEST(create_bad_ids)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "../x", "-a",
		"a-", "a..b", "a b", "a\nb", "\xc3\xa4" };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		create_id(bad[i]);
		ck_assert_msg(create_code == ERR_INVALID, "id %s", bad[i]);
	}
}
END_TEST

START_TEST(delete_while_creating)
{
	struct asked a = { 0 };

	create();
	ask(&a, OP_DELETE, "delete", "");
	ck_assert(pending("create") == NULL);
	complete("delete");
	ck_assert_int_eq(create_code, ERR_CANCELED);
	ck_assert_int_eq(a.code, ERR_NOT_FOUND);
	ck_assert_uint_eq(state_containers(), 0);
}
END_TEST

/* A pod that is full says so, and has room again after a delete. */
START_TEST(containers_are_capped)
{
	struct asked a = { 0 };
	char id[16];
	int i;

	for (i = 0; i < CONTAINERS_MAX; i++) {
		verbs[0] = told[0] = '\0';
		snprintf(id, sizeof(id), "c%d", i);
		create_id(id);
		ck_assert_int_eq(create_code, -1);
	}
	create_id("x");
	ck_assert_int_eq(create_code, ERR_EXHAUSTED);
	ck_assert_str_eq(create_msg,
	    "create x: 1024 containers exist already");
	ck_assert_uint_eq(state_containers(), CONTAINERS_MAX);
	for (i = 0; i < CONTAINERS_MAX; i++) {
		verbs[0] = told[0] = '\0';
		snprintf(id, sizeof(id), "c%d", i);
		ask_of(&a, OP_DELETE, "delete", id, "");
		complete("delete");
		ck_assert_int_eq(a.code, ERR_NOT_FOUND);
	}
	ck_assert_uint_eq(state_containers(), 0);
	create_id("x");
	ck_assert_int_eq(create_code, -1);
	ask_of(&a, OP_DELETE, "delete", "x", "");
	complete("delete");
}
END_TEST

START_TEST(delete_while_creating_twice)
{
	struct asked a = { 0 }, b = { 0 };

	create();
	ask(&a, OP_DELETE, "delete", "");
	ask(&b, OP_DELETE, "second", "");
	complete("delete");
	ck_assert_int_eq(a.code, ERR_NOT_FOUND);
	ck_assert(a.done);
	ck_assert(b.done);
	ck_assert_int_eq(b.code, ERR_NOT_FOUND);
}
END_TEST

/* Create fails: whoever waited for that container is answered. */
START_TEST(wait_while_creating)
{
	struct waited w;

	create();
	wait_for(init(), &w);
	complete_error("create", "no", false);
	ck_assert(!w.done);
	complete("delete");
	ck_assert_int_eq(create_code, ERR_UNKNOWN);
	ck_assert(w.done);
	ck_assert_uint_eq(w.status, 255);
	ck_assert(w.w.pprev == NULL);
}
END_TEST

/* A start that was cut short may have got anywhere. */
START_TEST(sub_killed_while_starting)
{
	struct asked a = { 0 }, s = { 0 };
	struct waited w;

	sub = true;
	created();
	wait_for(init(), &w);
	ask(&s, OP_START, "start", "");
	verbs[0] = '\0';
	a.r.signal = SIGKILL;
	ask(&a, OP_KILL, "kill", "");
	ck_assert_int_eq(s.code, ERR_CANCELED);
	ck_assert_str_eq(verbs, "kill-all:9:0 ");
	complete("kill");
	ck_assert_uint_eq(w.status, 137);
	deleted();
}
END_TEST

START_TEST(delete_created)
{
	struct asked a = { 0 };
	struct waited w;

	created();
	wait_for(init(), &w);
	ask(&a, OP_DELETE, "delete", "");
	ck_assert_int_eq(killed_with, SIGKILL);
	ck_assert(!a.done);
	process_exits(init(), 137);
	ck_assert_uint_eq(w.status, 137);
	complete("delete");
	ck_assert_int_eq(a.code, 0);
	ck_assert_uint_eq(a.r.exit_status, 137);
	ck_assert_uint_eq(state_containers(), 0);
}
END_TEST

START_TEST(start_fails)
{
	struct asked a = { 0 }, d = { 0 };
	struct waited w;

	created();
	wait_for(init(), &w);
	ask(&a, OP_START, "start", "");
	complete_error("start", "no such executable", false);
	ck_assert_int_eq(killed_with, SIGKILL);
	/* Not told before it has stopped: clients delete it at once then. */
	ck_assert(!a.done);
	ask(&d, OP_DELETE, "delete", "");
	ck_assert(!d.done);
	process_exits(init(), 137);
	ck_assert_int_eq(a.code, ERR_UNKNOWN);
	ck_assert_str_eq(a.msg,
	    "c1: OCI runtime start failed: no such executable");
	ck_assert_uint_eq(w.status, 128);
	complete("delete");
	ck_assert_int_eq(d.code, 0);
}
END_TEST

START_TEST(sub_start_fails)
{
	struct asked a = { 0 };
	struct waited w;

	sub = true;
	created();
	wait_for(init(), &w);
	ask(&a, OP_START, "start", "");
	complete_error("start", "no", false);
	/* Its end: what runsc may have left of it is killed first. */
	complete("kill");
	ck_assert_uint_eq(w.status, 128);
	deleted();
}
END_TEST

START_TEST(sub_life)
{
	struct runsc_result r = { .out = "", .said = "", .status = 9 };
	struct asked a = { 0 };
	struct waited w;

	sub = true;
	created();
	ck_assert_str_eq(verbs, "create ");
	wait_for(init(), &w);
	ask(&a, OP_START, "start", "");
	complete("start");
	complete_full("wait", &r);
	ck_assert(!w.done);
	complete("kill");
	ck_assert_uint_eq(w.status, 9);
	ck_assert_str_eq(verbs, "create start+io wait kill-all:9:0 ");
	deleted();
}
END_TEST

/* Its init's PID namespace was its own: there is nothing left to kill. */
START_TEST(sub_with_own_pids)
{
	struct runsc_result r = { .out = "", .said = "", .status = 9 };
	struct asked a = { 0 };
	struct waited w;

	sub = true;
	own_pids = true;
	created();
	wait_for(init(), &w);
	ask(&a, OP_START, "start", "");
	complete("start");
	complete_full("wait", &r);
	ck_assert_uint_eq(w.status, 9);
	ck_assert_str_eq(verbs, "create start+io wait ");
	deleted();
}
END_TEST

START_TEST(sub_wait_unknown)
{
	struct asked a = { 0 };
	struct waited w;

	sub = true;
	created();
	ask(&a, OP_START, "start", "");
	complete("start");
	wait_for(init(), &w);
	complete_error("wait", "sandbox is not running", true);
	/* The sandbox's own end may come in a moment. */
	while (!pending("wait"))
		loop_turn(-1);
	complete_error("wait", "sandbox is not running", true);
	complete_error("kill", "sandbox is not running", true);
	ck_assert_uint_eq(w.status, 255);
	deleted();
}
END_TEST

START_TEST(kill_retries)
{
	struct asked a = { 0 };
	int n = 0;

	running();
	a.r.signal = SIGTERM;
	ask(&a, OP_KILL, "kill", "");
	while (!a.done) {
		if (pending("kill")) {
			complete_error("kill", "not ready", false);
			n++;
		} else {
			loop_turn(-1);
		}
	}
	ck_assert_int_eq(a.code, ERR_UNKNOWN);
	ck_assert(strstr(a.msg, "not ready") != NULL);
	ck_assert_int_ge(n, 3);
	/* The next one works at the second attempt. */
	a.r.signal = SIGTERM;
	ask(&a, OP_KILL, "kill", "");
	complete_error("kill", "not ready", false);
	loop_turn(-1);
	complete("kill");
	ck_assert_int_eq(a.code, 0);
	process_exits(init(), 0);
	deleted();
}
END_TEST

START_TEST(kill_gone)
{
	struct asked a = { 0 };

	running();
	exists_in_runsc = true;
	a.r.signal = SIGTERM;
	ask(&a, OP_KILL, "kill", "");
	complete_error("kill", "sandbox is not running", true);
	ck_assert_int_eq(a.code, ERR_NOT_FOUND);
	ck_assert(!timer_running(&init()->kill_timer));
	/* runsc has lost its state, but the sandbox lives: it will be ended. */
	exists_in_runsc = false;
	ask(&a, OP_KILL, "kill", "");
	complete_error("kill", "does not exist", true);
	ck_assert_int_eq(a.code, ERR_UNAVAILABLE);
	ck_assert(!timer_running(&init()->kill_timer));
	a.r.signal = SIGKILL;
	ask(&a, OP_KILL, "kill", "");
	complete_error("kill", "does not exist", true);
	ck_assert_int_eq(a.code, 0);
	ck_assert(timer_running(&init()->kill_timer));
	/* A kill under way when the process ends. */
	a.r.signal = SIGTERM;
	ask(&a, OP_KILL, "kill", "");
	process_exits(init(), 0);
	ck_assert(a.done);
	ck_assert_int_eq(a.code, 0);
	ck_assert(pending("kill") == NULL);
	a.r.signal = SIGKILL;
	ask(&a, OP_KILL, "kill", "");
	ck_assert_int_eq(a.code, ERR_NOT_FOUND);
	deleted();
}
END_TEST

START_TEST(kill_created)
{
	struct asked a = { 0 }, s = { 0 };
	struct waited w;

	created();
	wait_for(init(), &w);
	ask(&s, OP_START, "start", "");
	a.r.signal = SIGKILL;
	ask(&a, OP_KILL, "kill", "");
	ck_assert_int_eq(a.code, 0);
	/* A start that hangs does not save it. */
	ck_assert_int_eq(s.code, ERR_CANCELED);
	ck_assert_int_eq(killed_with, SIGKILL);
	/* What will end it is under way: as asked, but for what would not. */
	ck_assert_int_eq(init()->state, STATE_ENDING);
	ask(&a, OP_KILL, "kill", "");
	ck_assert_int_eq(a.code, 0);
	a.r.signal = SIGUSR1;
	ask(&a, OP_KILL, "kill", "");
	ck_assert_int_eq(a.code, ERR_NOT_FOUND);
	ask(&s, OP_EXEC, "exec", "");
	ck_assert_int_eq(s.code, ERR_PRECONDITION);
	ck_assert_str_eq(s.msg, "c1: cannot exec in an ending container");
	process_exits(init(), 137);
	ck_assert_uint_eq(w.status, 137);
	deleted();
}
END_TEST

/* The exit that a checkpoint brings along comes first, is told last. */
START_TEST(checkpoint_ends_it)
{
	struct asked a = { 0 };
	struct waited w;

	running();
	wait_for(init(), &w);
	a.r.text = (char *)(uintptr_t)"/image";
	a.r.exit = true;
	ask(&a, OP_CHECKPOINT, "checkpoint", "");
	process_exits(init(), 0);
	ck_assert(!w.done && !a.done);
	complete("checkpoint");
	ck_assert_int_eq(a.code, 0);
	ck_assert_str_eq(told,
	    "TaskCheckpointed checkpoint. TaskExit wait. ");
	deleted();
}
END_TEST

/* A checkpoint is of all that the sandbox has, a pause of what runs in it: a
 * container that has ended and not been deleted counts for the one only. */
START_TEST(company)
{
	struct asked a = { 0 };

	running();
	sub = true;
	create_id("s1");
	complete("create");
	ck_assert_int_eq(create_code, 0);
	ask(&a, OP_PAUSE, "pause", "");
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	a.r.signal = SIGKILL;
	ask_of(&a, OP_KILL, "kill", "s1", "");
	ck_assert_int_eq(a.code, 0);
	ck_assert_int_eq(state_find_container("s1")->init.state, STATE_STOPPED);
	a.r.text = (char *)(uintptr_t)"/image";
	a.r.exit = true;
	ask(&a, OP_CHECKPOINT, "checkpoint", "");
	ck_assert_int_eq(a.code, ERR_UNIMPLEMENTED);
	ask(&a, OP_PAUSE, "pause", "");
	complete("pause");
	ck_assert_int_eq(a.code, 0);
	ask_of(&a, OP_DELETE, "delete", "s1", "");
	complete("delete");
	ck_assert_int_eq(a.code, 0);
	ask(&a, OP_CHECKPOINT, "checkpoint", "");
	ck_assert(pending("checkpoint") != NULL);
	process_exits(init(), 0);
	complete("checkpoint");
	deleted();
}
END_TEST

/* A container of a pod that has yet to be started ends with the sandbox, also
 * if it is being updated. */
START_TEST(sub_ends_with_sandbox)
{
	struct asked a = { 0 };
	struct process *p;
	struct waited w;

	running();
	sub = true;
	create_id("s1");
	complete("create");
	p = &state_find_container("s1")->init;
	wait_for(p, &w);
	a.r.text = (char *)(uintptr_t)"{}";
	ask_of(&a, OP_UPDATE, "update", "s1", "");
	ck_assert(pending("update") != NULL);
	process_exits(init(), 1);
	ck_assert_int_eq(p->state, STATE_STOPPED);
	ck_assert(w.done);
	ck_assert_uint_eq(w.status, 137);
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	ask_of(&a, OP_DELETE, "delete", "s1", "");
	complete("delete");
	deleted();
}
END_TEST

/* What runsc does not say of a container that has ended holds its exit back for
 * so long and no longer. */
START_TEST(exit_is_not_held)
{
	static const struct {
		enum op op;
		const char *told;
		unsigned status;
	} cases[] = {
		{ OP_START, "TaskExit start! wait. ", 128 },
		{ OP_CHECKPOINT, "checkpoint! TaskExit wait. ", 3 },
	};
	struct asked a = { 0 };
	struct waited w;

	(cases[_i].op == OP_START ? created : running)();
	told[0] = '\0';
	wait_for(init(), &w);
	a.r.text = (char *)(uintptr_t)"/image";
	a.r.exit = true;
	ask(&a, cases[_i].op, _i ? "checkpoint" : "start", "");
	process_exits(init(), 3);
	ck_assert(!w.done && !a.done);
	while (!w.done)
		loop_turn(-1);
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	ck_assert_uint_eq(w.status, cases[_i].status);
	ck_assert_str_eq(told, cases[_i].told);
	deleted();
}
END_TEST

START_TEST(kill_paused)
{
	struct asked a = { 0 };

	running();
	ask(&a, OP_PAUSE, "pause", "");
	complete("pause");
	ck_assert_int_eq(init()->state, STATE_PAUSED);
	a.r.signal = SIGTERM;
	ask(&a, OP_KILL, "kill", "");
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	a.r.signal = SIGKILL;
	ask(&a, OP_KILL, "kill", "");
	complete("resume");
	complete("kill");
	ck_assert_int_eq(a.code, 0);
	process_exits(init(), 137);
	deleted();
}
END_TEST

/* What cannot be resumed takes the signal and does not move: its sandbox is
 * ended, if that does not help. */
START_TEST(kill_stays_paused)
{
	struct asked a = { 0 };

	running();
	ask(&a, OP_PAUSE, "pause", "");
	complete("pause");
	a.r.signal = SIGKILL;
	ask(&a, OP_KILL, "kill", "");
	ck_assert(!timer_running(&init()->kill_timer));
	complete_error("resume", "no", false);
	complete("kill");
	ck_assert_int_eq(a.code, 0);
	ck_assert(timer_running(&init()->kill_timer));
	process_exits(init(), 137);
	deleted();
}
END_TEST

START_TEST(pause_resume)
{
	struct asked a = { 0 };

	running();
	ask(&a, OP_PAUSE, "pause", "");
	complete("pause");
	ask(&a, OP_PAUSE, "again", "");
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	ask(&a, OP_RESUME, "resume", "");
	complete("resume");
	ck_assert_int_eq(init()->state, STATE_RUNNING);
	ck_assert_str_eq(told, "TaskPaused pause. again! TaskResumed resume. ");
	ask(&a, OP_PAUSE, "pause", "");
	complete_error("pause", "no", false);
	ck_assert_str_eq(a.msg, "c1: OCI runtime pause failed: no");
	ck_assert_int_eq(init()->state, STATE_RUNNING);
	process_exits(init(), 0);
	deleted();
}
END_TEST

START_TEST(exit_ends_what_is_under_way)
{
	struct asked p = { 0 }, q = { 0 }, s = { 0 };

	running();
	ask(&p, OP_PAUSE, "pause", "");
	ask(&q, OP_RESUME, "resume", "");
	ask(&s, OP_PIDS, "pids", "");
	ck_assert(!p.done && !q.done && !s.done);
	process_exits(init(), 1);
	ck_assert_int_eq(p.code, ERR_PRECONDITION);
	ck_assert_int_eq(q.code, ERR_PRECONDITION);
	/* Pids never fails and is never empty: containerd would delete the
	 * task. */
	ck_assert_int_eq(s.code, 0);
	ck_assert_uint_eq(s.r.npids, 1);
	ck_assert_uint_eq(runsc_running(), 0);
	deleted();
}
END_TEST

START_TEST(hung_kill_delays_nobody)
{
	struct asked k = { 0 }, a = { 0 };

	running();
	k.r.signal = SIGTERM;
	ask(&k, OP_KILL, "kill", "");
	ask(&a, OP_EXEC, "exec", "");
	ck_assert_int_eq(a.code, 0);
	ask(&a, OP_PIDS, "pids", "");
	complete("ps");
	ck_assert_uint_eq(a.r.npids, 2);
	ask(&a, OP_PAUSE, "pause", "");
	complete("pause");
	ck_assert_int_eq(a.code, 0);
	process_exits(init(), 0);
	ck_assert(k.done);
	deleted();
}
END_TEST

START_TEST(queue_is_capped)
{
	static struct asked a[QUEUE_MAX + 2];
	int i;

	running();
	for (i = 0; i < QUEUE_MAX; i++)
		ask(&a[i], OP_KILL, "kill", "");
	ask(&a[i], OP_KILL, "one too many", "");
	ck_assert_int_eq(a[i].code, ERR_EXHAUSTED);
	process_exits(init(), 0);
	for (i = 0; i < QUEUE_MAX; i++)
		ck_assert(a[i].done);
	deleted();
}
END_TEST

/* 13.27: who asks what is being asked shares the answer, also that of the
 * container's end; there is a cap on these too. */
START_TEST(same_questions_share)
{
	static const enum op ops[] = { OP_PIDS, OP_STATS };
	static struct asked a[SHARED_MAX + 1];
	int i, n, end;

	running();
	for (n = 0; n < 4; n++) {
		end = n == 3;
		memset(a, 0, sizeof(a));
		for (i = 0; i < SHARED_MAX; i++)
			ask(&a[i], ops[n % 2], "asked", "");
		ask(&a[i], ops[n % 2], "one too many", "");
		ck_assert_int_eq(a[i].code, ERR_EXHAUSTED);
		ck_assert_uint_eq(init()->nof[ops[n % 2]], SHARED_MAX);
		if (end)
			process_exits(init(), 0);
		else
			complete(n % 2 ? "events" : "ps");
		for (i = 0; i < SHARED_MAX; i++) {
			ck_assert(a[i].done);
			ck_assert_int_eq(a[i].code, a[0].code);
			ck_assert_uint_eq(a[i].r.npids, a[0].r.npids);
		}
		ck_assert_uint_eq(init()->nof[ops[n % 2]], 0);
		ck_assert_ptr_null(init()->side);
	}
	deleted();
}
END_TEST

/* Nobody waits any more for what has not begun: it is not done, unless it is a
 * delete; what is under way goes on. */
START_TEST(unwanted_is_not_done)
{
	struct asked p = { 0 }, r = { 0 }, d = { 0 };
	size_t n;

	running();
	n = strlen(verbs);
	ask(&p, OP_PAUSE, "pause", "");
	ask(&r, OP_RESUME, "resume", "");
	ask(&d, OP_DELETE, "delete", "");
	state_unwanted(&r.r);
	ck_assert(r.done);
	state_unwanted(&p.r);
	state_unwanted(&d.r);
	ck_assert(!p.done && !d.done);
	complete("pause");
	ck_assert(p.done);
	ck_assert_int_eq(d.code, ERR_PRECONDITION);	/* paused */
	ck_assert(strstr(verbs + n, "resume") == NULL);
	/* Its place is free. */
	ask(&r, OP_RESUME, "resume", "");
	complete("resume");
	ck_assert_int_eq(r.code, 0);
	ck_assert_uint_eq(init()->nof[OP_RESUME], 0);
	process_exits(init(), 0);
	deleted();
}
END_TEST

START_TEST(waiters_are_capped_and_leave)
{
	static struct waited w[WAITERS_MAX + 1];
	struct err e;
	int i;

	running();
	for (i = 0; i < WAITERS_MAX; i++)
		wait_for(init(), &w[i]);
	w[i].w.exited = on_waited;
	ck_assert_int_eq(state_wait(init(), &w[i].w, &e), -1);
	ck_assert_int_eq(e.code, ERR_EXHAUSTED);
	state_unwait(init(), &w[3].w);
	state_unwait(init(), &w[3].w);
	wait_for(init(), &w[i]);
	process_exits(init(), 4);
	for (i = 0; i <= WAITERS_MAX; i++)
		ck_assert(w[i].done == (i != 3));
	wait_for(init(), &w[0]);
	ck_assert_uint_eq(w[0].status, 4);
	deleted();
}
END_TEST

START_TEST(delete_forces)
{
	struct asked a = { 0 };

	running();
	process_exits(init(), 0);
	ask(&a, OP_DELETE, "delete", "");
	complete_error("delete", "still busy", false);
	complete_error("delete", "still busy", false);
	ck_assert_int_eq(a.code, 0);
	ck_assert_str_eq(verbs, "delete delete-force leftovers ");
	ck_assert_uint_eq(state_containers(), 0);
}
END_TEST

START_TEST(delete_twice)
{
	struct asked a = { 0 }, b = { 0 };

	running();
	ask(&a, OP_DELETE, "delete", "");
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	process_exits(init(), 0);
	ask(&a, OP_DELETE, "delete", "");
	ask(&b, OP_DELETE, "second", "");
	complete("delete");
	ck_assert_int_eq(a.code, 0);
	ck_assert_int_eq(b.code, ERR_NOT_FOUND);
	ask(&b, OP_DELETE, "third", "");
	ck_assert_int_eq(b.code, ERR_NOT_FOUND);
}
END_TEST

/* SIGKILL beside a Pause may be taken and not acted on; so may one after a Pause
 * that has failed.  The sandbox is ended then. */
START_TEST(kill_beside_a_pause)
{
	struct asked a = { 0 }, k = { 0 };

	running();
	ask(&a, OP_PAUSE, "pause", "");
	k.r.signal = SIGKILL;
	ask(&k, OP_KILL, "kill", "");
	complete("kill");
	ck_assert_int_eq(k.code, 0);
	ck_assert(timer_running(&init()->kill_timer));
	complete("pause");
	process_exits(init(), 137);
	deleted();
	running();
	ask(&a, OP_PAUSE, "pause", "");
	complete_error("pause", "no", false);
	ask(&k, OP_KILL, "kill", "");
	complete("kill");
	ck_assert(timer_running(&init()->kill_timer));
	process_exits(init(), 137);
	deleted();
	/* Else not. */
	running();
	ask(&k, OP_KILL, "kill", "");
	complete("kill");
	ck_assert(!timer_running(&init()->kill_timer));
	process_exits(init(), 137);
	deleted();
}
END_TEST

START_TEST(unknown_status_is_255)
{
	struct waited w;

	running();
	wait_for(init(), &w);
	process_exits(init(), CHILD_STATUS_UNKNOWN);
	ck_assert_uint_eq(w.status, 255);
	deleted();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, table_is_as_written, table_is_the_models, whole_life,
	    exit_before_start_returns, exit_waits_for_output, create_fails,
	    create_fails_early, create_twice, create_bad_ids,
	    delete_while_creating, containers_are_capped,
	    delete_while_creating_twice, wait_while_creating, delete_created,
	    sub_killed_while_starting, start_fails, sub_start_fails, sub_life,
	    sub_with_own_pids, sub_wait_unknown, kill_retries, kill_gone,
	    kill_created, checkpoint_ends_it, company,
	    sub_ends_with_sandbox, kill_paused, kill_stays_paused, pause_resume,
	    exit_ends_what_is_under_way, hung_kill_delays_nobody,
	    queue_is_capped, same_questions_share, unwanted_is_not_done,
	    waiters_are_capped_and_leave, delete_forces, delete_twice,
	    kill_beside_a_pause, unknown_status_is_255);
	tcase_add_loop_test(tc, exit_is_not_held, 0, 2);
}

int
main(void)
{
	return suite_run("state", setup, teardown, add);
}
