/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model_stage: what lies below state.c, and the clock, played for model_test:
 * what happens next is drawn by lot, and written down until something fails.
 */
#ifndef MODEL_STAGE_H
#define MODEL_STAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SLOTS 4			/* init and execs */

/* What the container is. */
enum kind { ROOT, SUB, RESTORED, NKINDS };

extern enum kind kind;
extern bool own_pids;

/* -- chance, and words when something fails ------------------------------- */

/* seed and max_steps are told with a failure: they repeat it. */
extern unsigned long long seed, rnd, steps, max_steps;

/* One of n; n times of a hundred. */
unsigned chance(unsigned n);
bool percent(unsigned n);
void note(const char *f, ...) __attribute__((format(printf, 1, 2)));
void failed_at(int line, const char *what);

#define MUST(x) ((x) ? (void)0 : failed_at(__LINE__, #x))

/* -- what goes on below state.c ------------------------------------------- */

extern int64_t now;
extern unsigned ncmds;		/* of runsc, under way */
extern unsigned long inside_ends;	/* of execs, that the sandbox told */
extern bool forks_fail;		/* now and then */
extern pid_t next_pid;
extern struct child *alive[SLOTS];
extern unsigned nalive;

/* The test's: what it knows of init. */
bool init_runs(void);
bool init_killed(void);

/* Each makes one thing happen; false if there is none to come. */
void run_deferred(void);
bool timer_fires(void);
/* calm: it goes well. */
bool command_ends(bool calm);
bool output_drained(void);
/* No command, timer, stdio or process. */
bool nothing_left(void);

#endif
