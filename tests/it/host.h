/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host: what a shim finds around it, for tests of the real binary: bundles, the
 * verbs run as containerd runs them, a fake runsc on the PATH, events taken by
 * client.h's sink; and what is to be seen of the daemon from outside.
 *
 * Needs neither root nor network: the sockets' directory is given in the
 * bootstrap parameters, runsc's root in the options.  SHIM is the binary,
 * FAKE_BIN the directory with the fake as `runsc`.
 */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/suite.h"
#include "client.h"
#include "dir.h"

/* An exec's process object of words of the fake's language. */
#define PROCESS(words) "{\"args\":[\"fake\"," words "],\"cwd\":\"/\"}"

/* Words of the fake's language for what begins with let_go(). */
const char *held(const char *words);
void let_go(void);

extern char events_path[128];
extern char toml[128];
extern char address[512];	/* what start printed, without unix:// */
extern struct client *c;

/* For each test. */
void setup(void);
void teardown(void);
/* main() of such a program: what add adds to its suite is run in a directory of
 * its own, of which nothing stays.  The exit status. */
int host_run(const char *name, void (*add)(TCase *tc));

/* Rules of the fake runsc; lines of its log that contain word. */
void faults(const char *rules);
unsigned calls_of(const char *word);
/* runsc.toml: the tests' root, and these lines. */
void write_toml(const char *lines);

/* Run the shim in bundle with a verb; its output into out, its status. */
int run_verb(const char *bundle, const char *id, const char *verb, char *out,
	size_t cap, size_t *outlen);
/* `start`; then c is connected. */
void start_shim(const char *id, const char *bundle);
/* A container, with a shim if there is none; the reply's code. */
int create(const char *id, const char *words, const char *out);
/* The same, started; killed and deleted. */
void run(const char *id, const char *words);
void remove_container(const char *id);
/* Shutdown, after which the daemon must leave nothing. */
void shut_down(void);
void daemon_leaves(int pid);

int daemon_pid(void);
unsigned count_fds(int pid);
unsigned count_children(int pid);
/* Its children that are runsc commands at work; with SIGKILL for them. */
unsigned count_commands(int pid);
void kill_commands(int pid);
/* All that the test has started; wait until they are so many. */
unsigned count_processes(void);
void processes_become(unsigned want);
/* An exec of c1 that runs, its stdout there. */
void run_exec(const char *exec_id, const char *process, const char *out);
/* Make it in the directory, and hold both ends. */
int open_fifo(const char *name);
/* What a descriptor has until its end, which is waited for; a NUL behind it. */
size_t read_to_end(int fd, char *text, size_t cap);

#endif
