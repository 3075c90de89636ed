/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage: state.c, ops.c and container.c with everything below them played, for
 * state_test and state_exec_test: runsc's commands end when the test says so,
 * processes exit and output is drained when the test says so, and events are
 * written down.
 */
#ifndef STAGE_H
#define STAGE_H

#include <check.h>
#include <stdbool.h>

#include "runsc.h"
#include "state.h"

/* -- what is played ------------------------------------------------------- */

extern char verbs[65536];	/* every command started, in order */
extern bool refuse_commands;
extern bool exists_in_runsc;
extern int killed_with;		/* the last signal of child_kill() */
extern bool hold_drain;		/* until drained() */
extern bool io_fails;
extern int ios;			/* that there are */
extern int mounted;
extern bool mount_fails;
extern bool sub, own_pids;	/* what config.json says */
extern char told[65536];	/* events, replies and exits, in order */

/* The newest command of that verb that is under way, or NULL. */
struct runsc_cmd *pending(const char *verb);
/* End it: with this result; well; with an error. */
void complete_full(const char *verb, const struct runsc_result *r);
void complete(const char *verb);
void complete_error(const char *verb, const char *text, bool gone);
/* A process exits; all that it wrote is read. */
void process_exits(struct process *p, int status);
void drained(void);

/* -- asking --------------------------------------------------------------- */

extern char bundle[64];
extern int create_code;		/* of the last create; -1: not answered yet */
extern char create_msg[ERR_MSG_MAX];

struct asked {
	struct request r;
	const char *what;		/* as told has it */
	bool done;
	int code;
	char msg[ERR_MSG_MAX];
};

struct waited {
	struct waiter w;
	bool done;
	unsigned status;
};

/* Ask for op, of c1 or of id; a->r's signal, text and exit are set before. */
void ask(struct asked *a, enum op op, const char *what, const char *exec_id);
void ask_of(struct asked *a, enum op op, const char *what, const char *id,
	const char *exec_id);
/* Have p waited for; on_waited() writes the answer down. */
void wait_for(struct process *p, struct waited *w);
void on_waited(struct waiter *w, unsigned status, int64_t at);
/* on_created() writes the answer down. */
void create(void);
void create_id(const char *id);
void on_created(struct request *r, const struct err *e);
/* Create what c says. */
void create_as(const struct create_request *c);
/* c1 and its exec e1, which must be there. */
struct process *init(void);
struct process *exec1(void);
/* c1 brought to a state: created; running; an exec of it running, too. */
void created(void);
void running(void);
void exec_running(void);
/* Deleted, after which nothing may be left. */
void deleted(void);

/* For each test. */
void setup(void);
void teardown(void);

#endif
