/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_sandbox: between fake_sandbox.c, the sandbox's processes, and
 * fake_control.c, the control socket that shims know.
 */
#ifndef FAKE_SANDBOX_H
#define FAKE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PROCS_CAP 2048

struct proc {
	long ipid;
	pid_t pid;	/* 0: not running */
	char *cid;
	bool init;
	bool kept;	/* until somebody has asked how it ended */
	int code;
	int status;	/* as wait(2) has it; a kept one's, for a shim */
};

struct client {
	int fd;
	bool is_shim;	/* came by the control socket */
	char *method;	/* then: what was asked */
	struct proc *waits_for;
};

extern struct proc procs[PROCS_CAP];
extern size_t nprocs;

/* Answer a client: "ok ..." or "err ...", however it came. */
void sandbox_answer(int fd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
struct proc *sandbox_find_init(const char *cid);
/* Returns NULL after having answered with the error. */
struct proc *sandbox_run(int client, const char *cid, const char *process,
	const int *stdio, bool init);
void sandbox_serve_kill(int fd, const char *cid, const char *arg);
void sandbox_serve_ps(int fd, const char *cid);

/* What is answered to the commands, as the control socket has it. */
char *control_in_json(const char *method, const char *s);
/* One request of a shim's.  False: the connection is done with. */
bool control_serve(struct client *c);

#endif
