/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_calls: how long a running container's Kill, Pids and State take, as
 * the shim's client sees it: SOCKET ID N.  One line a method, in ms.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../it/client.h"

#define CALLS_MAX 10000

enum { KILL, PIDS, STATE, METHODS };

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

static int
call(struct client *c, int method, const char *id)
{
	struct task_reply t;

	if (method == KILL)	/* one that is ignored */
		return task_kill(c, id, "", SIGWINCH, false);
	if (method == PIDS)
		return task_pids(c, id, &t);
	return task_state(c, id, "", &t);
}

int
main(int argc, char **argv)
{
	static const char *const names[METHODS] = { "Kill", "Pids", "State" };
	int i, m, n = argc == 4 ? atoi(argv[3]) : 0;
	struct client *c;
	double t;

	if (n < 1 || n > CALLS_MAX) {
		fprintf(stderr, "usage: bench_calls SOCKET ID N\n");
		return 2;
	}
	c = client_connect(argv[1]);
	if (!c)
		return 1;
	for (m = 0; m < METHODS; m++) {
		for (i = 0; i < n; i++) {
			t = now_ms();
			if (call(c, m, argv[2]) != 0) {
				fprintf(stderr, "%s: %s\n", names[m],
				    client_error);
				return 1;
			}
			took[i] = now_ms() - t;
		}
		qsort(took, (size_t)n, sizeof(took[0]), compare);
		printf("%s, %d calls: median %.3f ms, p99 %.3f ms\n",
		    names[m], n, took[n / 2], took[(n - 1) * 99 / 100]);
	}
	client_close(c);
	return 0;
}
