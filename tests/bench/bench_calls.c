/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_calls: how long a running container's requests take, as the shim's
 * client sees it: SOCKET ID N [METHOD...].  One line a method, in ms.
 *
 * Methods: Kill Pids State Connect Stats (which are the default), Exec (a
 * whole one of `true`, to its Delete), Exit5 (of `sh -c "exit 5"`), ExecStart
 * (the same, but only its Start is measured), Probe (of `true`, ten a second),
 * Hold (of one that stays), and with an N of 1 what makes a life cycle: Create
 * (of the bundle in the working directory), Start, Kill9, Wait, Delete,
 * Shutdown.  Steps is the number of instructions of a State
 * request in a shim of one thread; nothing but the number is printed, and the
 * connection is of no use after it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../it/client.h"

#define CALLS_MAX 10000

enum { KILL, PIDS, STATE, CONNECT, STATS, DEFAULTS,
	EXEC = DEFAULTS, EXIT5, EXEC_START, PROBE, HOLD, CREATE, START, KILL9, WAIT, DELETE, SHUTDOWN,
	METHODS };

static double took[CALLS_MAX];

static double
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

#define PROCESS(args) "{\"user\":{\"uid\":0,\"gid\":0},\"args\":[" args "]," \
	"\"env\":[\"PATH=/bin\"],\"cwd\":\"/\"}"

static double start_ms;		/* of the last exec */

/* A process that ends by itself at once, or stays. */
static int
exec_of(struct client *c, const char *id, int n, const char *process,
    bool stays)
{
	char exec_id[32];
	int code;

	snprintf(exec_id, sizeof(exec_id), "x%d-%d", (int)getpid(), n);
	code = task_exec(c, id, exec_id, process, "", "", "", false);
	start_ms = now_ms();
	if (code == 0)
		code = task_start(c, id, exec_id, NULL);
	start_ms = now_ms() - start_ms;
	if (stays)
		return code;
	if (code == 0)
		code = task_wait(c, id, exec_id, NULL);
	if (code == 0)
		code = task_delete(c, id, exec_id, NULL);
	return code;
}

/* Since the first call. */
static void
until_ms(double ms)
{
	static double first;
	double left;

	if (first == 0)
		first = now_ms();
	left = first + ms - now_ms();
	if (left > 0)
		usleep((useconds_t)(left * 1e3));
}

static int
create(struct client *c, const char *id)
{
	struct create_args a = { .id = id, .in = "", .out = "", .err = "" };
	char here[4096];

	a.bundle = getcwd(here, sizeof(here));
	return a.bundle ? task_create(c, &a, NULL) : -1;
}

static int
call(struct client *c, int method, const char *id, int n)
{
	struct task_reply t;

	switch (method) {
	case KILL:	/* one that is ignored */
		return task_kill(c, id, "", SIGWINCH, false);
	case PIDS:
		return task_pids(c, id, &t);
	case CONNECT:
		return task_connect(c, id, &t);
	case STATS:
		return task_simple(c, "Stats", id);
	case EXEC:
		return exec_of(c, id, n, PROCESS("\"/bin/true\""), false);
	case PROBE:
		until_ms(n * 100.0);
		return exec_of(c, id, n, PROCESS("\"/bin/true\""), false);
	case EXIT5:
	case EXEC_START:
		return exec_of(c, id, n, PROCESS("\"/bin/sh\",\"-c\","
		    "\"exit 5\""), false);
	case HOLD:
		return exec_of(c, id, n, PROCESS("\"/bin/sleep\",\"1000\""),
		    true);
	case CREATE:
		return create(c, id);
	case START:
		return task_start(c, id, "", NULL);
	case KILL9:
		return task_kill(c, id, "", SIGKILL, false);
	case WAIT:
		return task_wait(c, id, "", &t);
	case DELETE:
		return task_delete(c, id, "", NULL);
	case SHUTDOWN:	/* some end before they have answered */
		task_simple(c, "Shutdown", id);
		return 0;
	default:
		return task_state(c, id, "", &t);
	}
}

static const char *const names[METHODS] = { "Kill", "Pids", "State",
	"Connect", "Stats", "Exec", "Exit5", "ExecStart", "Probe", "Hold",
	"Create", "Start", "Kill9", "Wait",
	"Delete", "Shutdown" };

static int
measure(struct client *c, int method, const char *id, int n)
{
	double t;
	int i;

	for (i = 0; i < n; i++) {
		t = now_ms();
		if (call(c, method, id, i) != 0) {
			fprintf(stderr, "%s: %s\n", names[method],
			    client_error);
			return 1;
		}
		took[i] = method == EXEC_START ? start_ms : now_ms() - t;
	}
	qsort(took, (size_t)n, sizeof(took[0]), compare);
	printf("%s, %d calls: median %.3f ms, p99 %.3f ms\n", names[method], n,
	    took[n / 2], took[(n - 1) * 99 / 100]);
	return 0;
}

/* A child sends the requests, since who traces must wait for the stops. */
static int
steps(struct client *c, const char *id, int n)
{
	struct task_reply t;
	unsigned long count = 0;
	int i, status;
	pid_t pid, got, daemon;

	if (task_connect(c, id, &t) != 0)
		return 1;
	daemon = (pid_t)t.shim_pid;
	if (ptrace(PTRACE_SEIZE, daemon, NULL, NULL) < 0 ||
	    ptrace(PTRACE_INTERRUPT, daemon, NULL, NULL) < 0 ||
	    waitpid(daemon, &status, __WALL) != daemon) {
		perror("ptrace");
		return 1;
	}
	ptrace(PTRACE_SINGLESTEP, daemon, NULL, NULL);
	pid = fork();
	if (pid == 0) {
		for (i = 0; i < n; i++) {
			if (task_state(c, id, "", &t) != 0)
				_exit(1);
		}
		_exit(0);
	}
	while ((got = waitpid(-1, &status, __WALL)) != pid && got > 0) {
		count++;
		ptrace(PTRACE_SINGLESTEP, daemon, NULL, NULL);
	}
	if (got != pid || status != 0)
		return 1;
	ptrace(PTRACE_INTERRUPT, daemon, NULL, NULL);
	waitpid(daemon, &status, __WALL);
	ptrace(PTRACE_DETACH, daemon, NULL, NULL);
	printf("%lu\n", count / (unsigned long)n);
	return 0;
}

int
main(int argc, char **argv)
{
	int i, m, rc = 0, n = argc > 3 ? atoi(argv[3]) : 0;
	struct client *c;

	if (n < 1 || n > CALLS_MAX) {
		fprintf(stderr, "usage: bench_calls SOCKET ID N [METHOD...]\n");
		return 2;
	}
	c = client_connect(argv[1]);
	if (!c)
		return 1;
	for (m = 0; argc == 4 && m < DEFAULTS; m++)
		rc |= measure(c, m, argv[2], n);
	for (i = 4; i < argc; i++) {
		if (strcmp(argv[i], "Steps") == 0) {
			rc |= steps(c, argv[2], n);
			continue;
		}
		for (m = 0; m < METHODS && strcmp(argv[i], names[m]) != 0; m++)
			;
		rc |= m < METHODS ? measure(c, m, argv[2], n) : 2;
	}
	client_close(c);
	return rc;
}
