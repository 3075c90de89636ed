/* SPDX-License-Identifier: Apache-2.0 */
/* state_exec_test: the execs of a container, on a stage. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exit.h"
#include "stage.h"
#include "tests/suite.h"

START_TEST(exec_life)
{
	struct asked a = { 0 };
	struct waited w;

	running();
	ask(&a, OP_EXEC, "exec", "");
	wait_for(exec1(), &w);
	ask(&a, OP_EXEC, "again", "");
	ck_assert_int_eq(a.code, ERR_EXISTS);
	ask(&a, OP_START, "start", "e1");
	complete("exec");
	ck_assert_int_eq(a.r.pid, 100);
	process_exits(exec1(), 5);
	ck_assert_uint_eq(w.status, 5);
	ask(&a, OP_DELETE, "delete", "e1");
	ck_assert_uint_eq(a.r.exit_status, 5);
	ck_assert_str_eq(told, "TaskExecAdded exec. again! start. "
	    "TaskExecStarted TaskExit wait. delete. ");
	ask(&a, OP_DELETE, "delete", "e1");
	ck_assert_int_eq(a.code, ERR_NOT_FOUND);
	process_exits(init(), 0);
	deleted();
}
END_TEST

START_TEST(exec_start_fails)
{
	struct asked a = { 0 };
	struct waited w;

	running();
	ask(&a, OP_EXEC, "exec", "");
	wait_for(exec1(), &w);
	ask(&a, OP_START, "start", "e1");
	complete_error("exec", "no such executable", false);
	ck_assert_int_eq(a.code, ERR_UNKNOWN);
	ck_assert(strstr(a.msg, "OCI runtime exec failed: no such executable"));
	ck_assert_uint_eq(w.status, 128);
	ck_assert_int_eq(exec1()->state, STATE_STOPPED);
	/* Never started: no TaskExit. */
	ck_assert_str_eq(told, "TaskExecAdded exec. start! wait. ");
	ask(&a, OP_START, "start", "e1");
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	ask(&a, OP_DELETE, "delete", "e1");
	ck_assert_int_eq(a.code, 0);
	process_exits(init(), 0);
	deleted();
}
END_TEST

START_TEST(init_exit_ends_execs_first)
{
	struct asked a = { 0 };
	struct waited wi, we;

	running();
	exec_running();
	told[0] = '\0';
	wait_for(init(), &wi);
	wait_for(exec1(), &we);
	process_exits(init(), 9);
	ck_assert(!wi.done);
	/* No new exec from now on. */
	ask(&a, OP_EXEC, "exec", "");
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	told[0] = '\0';
	/* What `runsc exec` says when the sandbox has left. */
	process_exits(exec1(), 128);
	ck_assert_str_eq(told, "TaskExit wait. TaskExit wait. ");
	ck_assert_uint_eq(we.status, 137);
	ck_assert_uint_eq(wi.status, 9);
	deleted();
}
END_TEST

START_TEST(exec_128_waits_for_the_sandbox)
{
	struct waited wi, we;

	running();
	exec_running();
	wait_for(init(), &wi);
	wait_for(exec1(), &we);
	process_exits(exec1(), 128);
	ck_assert(!we.done);
	process_exits(init(), 1);
	ck_assert_uint_eq(we.status, 137);
	ck_assert_uint_eq(wi.status, 1);
	deleted();
	/* And one that really ended with 128. */
	running();
	exec_running();
	wait_for(exec1(), &we);
	process_exits(exec1(), 128);
	while (!we.done)
		loop_turn(-1);
	ck_assert_uint_eq(we.status, 128);
	process_exits(init(), 0);
	deleted();
}
END_TEST

/* The `runsc exec` that waits for it was killed: so is the process, before
 * its end is told. */
START_TEST(exec_whose_runsc_is_killed)
{
	struct waited w;

	running();
	exec_running();
	wait_for(exec1(), &w);
	process_exits(exec1(), 137);
	ck_assert(!w.done);
	ck_assert(strstr(verbs, "kill:9:7 ") != NULL);
	complete("kill");
	ck_assert_uint_eq(w.status, 137);
	process_exits(init(), 0);
	deleted();
	/* Unless the sandbox has ended first, or does meanwhile. */
	running();
	exec_running();
	wait_for(exec1(), &w);
	process_exits(exec1(), 137);
	ck_assert(!w.done);
	process_exits(init(), 1);
	ck_assert_uint_eq(w.status, 137);
	deleted();
}
END_TEST

START_TEST(exec_starting_when_init_exits)
{
	struct asked a = { 0 }, s = { 0 };
	struct waited we;

	running();
	ask(&a, OP_EXEC, "exec", "");
	wait_for(exec1(), &we);
	ask(&s, OP_START, "start", "e1");
	process_exits(init(), 0);
	ck_assert_int_eq(s.code, ERR_PRECONDITION);
	ck_assert(pending("exec") == NULL);
	ck_assert(we.done);
	ck_assert_int_eq(init()->state, STATE_STOPPED);
	deleted();
}
END_TEST

/* An exec that cannot start leaves the restored container alone. */
START_TEST(exec_fails_in_restored)
{
	struct create_request c = {
		.id = "c1", .bundle = bundle, .in = "", .out = "", .err = "",
		.checkpoint = bundle,
	};
	struct asked a = { 0 };
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/checkpoint.img", bundle);
	f = fopen(path, "w");
	ck_assert(f != NULL && fputs("gVisorSF", f) >= 0 && fclose(f) == 0);
	create_as(&c);
	unlink(path);
	ck_assert_int_eq(create_code, 0);
	ask(&a, OP_START, "start", "");
	complete("restore");
	ck_assert_int_eq(a.code, 0);
	ask(&a, OP_EXEC, "exec", "");
	ask(&a, OP_START, "start", "e1");
	verbs[0] = '\0';
	complete_error("exec", "no such executable", false);
	ck_assert_int_eq(a.code, ERR_UNKNOWN);
	ck_assert_str_eq(verbs, "");
	process_exits(init(), 0);
	deleted();
}
END_TEST

/* An exec that outlives init is killed, then given up; after that nothing
 * goes on, and init may be freed from there. */
static void
exec_is_late(void)
{
	struct process *x = exec1();

	process_exits(init(), 9);
	loop_turn(-1);
	ck_assert(x->kill_sent);
}

START_TEST(execs_late_end_once)
{
	struct waited w;

	running();
	exec_running();
	wait_for(init(), &w);
	exec_is_late();
	ck_assert(!w.done);
	loop_turn(-1);
	ck_assert(w.done);
	ck_assert(!timer_running(&init()->end_timer));
	deleted();
}
END_TEST

START_TEST(execs_late_and_no_delete)
{
	struct asked a = { 0 };

	running();
	exec_running();
	exec_is_late();
	ask(&a, OP_DELETE, "delete", "");
	refuse_commands = true;
	loop_turn(-1);
	ck_assert(a.done);
	ck_assert_int_eq(a.code, 0);
	ck_assert_uint_eq(state_containers(), 0);
	/* No timer is left of it. */
	loop_turn(EXECS_END_NS + NS_PER_S);
}
END_TEST

START_TEST(exec_in_wrong_states)
{
	struct asked a = { 0 };

	created();
	ask(&a, OP_EXEC, "exec", "");
	ck_assert_int_eq(a.code, 0);
	ask(&a, OP_START, "start", "e1");
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	a.r.signal = SIGKILL;
	ask(&a, OP_KILL, "kill", "e1");
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	ask(&a, OP_DELETE, "delete", "e1");
	ck_assert_int_eq(a.code, 0);
	ask(&a, OP_START, "start", "nobody");
	ck_assert_int_eq(a.code, ERR_NOT_FOUND);
	process_exits(init(), 0);
	deleted();
}
END_TEST

/* A Kill while the exec is being started cuts that short; what has come of it
 * inside is killed.  A queued Delete comes after it. */
START_TEST(exec_killed_while_starting)
{
	struct asked x = { 0 }, a = { 0 }, k = { 0 }, d = { 0 };

	running();
	ask(&x, OP_EXEC, "exec", "");
	ask(&a, OP_START, "start", "e1");
	ck_assert(pending("exec") != NULL);
	k.r.signal = SIGTERM;
	ask(&k, OP_KILL, "kill", "e1");
	ck_assert_int_eq(k.code, ERR_PRECONDITION);
	ask(&d, OP_DELETE, "delete", "e1");
	k.r.signal = SIGKILL;
	ask(&k, OP_KILL, "kill", "e1");
	ck_assert_int_eq(k.code, 0);
	ck_assert_int_eq(a.code, ERR_CANCELED);
	ck_assert(pending("exec") == NULL);
	ck_assert_int_eq(d.code, 0);
	process_exits(init(), 0);
	deleted();
}
END_TEST

/* What is paused is the sandbox: nothing is said to run in it. */
START_TEST(exec_of_a_paused_container)
{
	struct asked a = { 0 };

	running();
	exec_running();
	ask(&a, OP_PAUSE, "pause", "");
	complete("pause");
	a.r.signal = SIGKILL;
	ask(&a, OP_KILL, "kill", "e1");
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	ask(&a, OP_RESUME, "resume", "");
	complete("resume");
	ask(&a, OP_KILL, "kill", "e1");
	complete("kill");
	ck_assert_int_eq(a.code, 0);
	process_exits(exec1(), 137);
	process_exits(init(), 0);
	deleted();
}
END_TEST

START_TEST(exec_kill_names_its_pid)
{
	struct asked a = { 0 };

	running();
	exec_running();
	verbs[0] = '\0';
	a.r.signal = SIGTERM;
	a.r.all = true;		/* of an exec there is one */
	ask(&a, OP_KILL, "kill", "e1");
	complete("kill");
	ck_assert_str_eq(verbs, "kill:15:7 ");
	ask(&a, OP_DELETE, "delete", "e1");
	ck_assert_int_eq(a.code, ERR_PRECONDITION);
	process_exits(exec1(), 143);
	process_exits(init(), 0);
	deleted();
}
END_TEST

/* A sandbox that answers with nonsense is asked less and less; its end ends
 * that. */
START_TEST(odd_waits)
{
	struct asked a = { 0 };
	struct process *p;
	int i;

	running();
	sub = true;
	create_id("s1");
	complete("create");
	p = &state_find_container("s1")->init;
	ask_of(&a, OP_START, "start", "s1", "");
	complete("start");
	for (i = 0; i < 8; i++) {
		complete_error("wait", "odd", false);
		ck_assert_int_eq(p->end_timer.at_ns > loop_now(), 1);
		ck_assert_int_eq(p->wait_again_ns, (i < 6 ? 1 << i : 32) *
		    NS_PER_S);
		timer_stop(&p->end_timer);
		p->end_timer.cb(&p->end_timer);
	}
	complete_error("wait", "odd", false);
	process_exits(init(), 1);
	ck_assert_int_le(p->end_timer.at_ns, loop_now());
	timer_stop(&p->end_timer);
	p->end_timer.cb(&p->end_timer);
	complete_error("wait", "odd", false);
	ck_assert_int_eq(p->state, STATE_STOPPED);
	ck_assert_uint_eq(p->exit_status, 137);
	ask_of(&a, OP_DELETE, "delete", "s1", "");
	complete("delete");
	deleted();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, odd_waits, exec_life, exec_start_fails, init_exit_ends_execs_first,
	    exec_128_waits_for_the_sandbox, exec_whose_runsc_is_killed,
	    exec_starting_when_init_exits, exec_fails_in_restored,
	    execs_late_end_once, execs_late_and_no_delete,
	    exec_in_wrong_states, exec_killed_while_starting,
	    exec_of_a_paused_container, exec_kill_names_its_pid);
}

int
main(void)
{
	return suite_run("state_exec", setup, teardown, add);
}
