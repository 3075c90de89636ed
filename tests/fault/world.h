/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world: all that is around the faulty shim in a fault test: its directory,
 * the daemon, the page of faults, what is counted before and after.
 *
 * A run is one pass over a scenario's requests with one fault armed.  Its
 * requests go through ask(), which ends the phase that the request was: a
 * lasting fault is lifted then.
 */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/it/client.h"
#include "tests/it/dir.h"
#include "fault.h"

extern char toml[128];
extern char address[512];	/* of the daemon, without unix:// */
extern struct fault_ctl *ctl;
extern struct client *c;	/* of this run */
extern pid_t daemon_pid;

/* Say which fault it was, and fail. */
#define MUST(x, ...) \
	do { if (!(x)) world_failed(__FILE__, __LINE__, __VA_ARGS__); } while (0)
void world_failed(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));

void world_open(void);
void world_close(void);

/* The shim's verb in bundle; its output, without a newline, into out. */
int run_verb(const char *bundle, const char *id, const char *verb, char *out,
	size_t cap);
/* Connect to the daemon of which start has printed out, and keep that
 * connection; false if nobody answers. */
bool find_daemon(const char *out);
/* Both, and must work. */
void start_daemon(const char *id, const char *bundle);
/* Shutdown: it goes by itself, with a good status, and leaves nothing. */
void stop_daemon(void);
/* Take the daemon's end; its status. */
int reap_daemon(void);
/* Kill the daemon, as the kernel does for want of memory. */
void kill_daemon(void);

/* The fault: armed from here on, no more. */
void arm(enum fault_kind kind, bool lasting, unsigned nth, unsigned roles);
void lift(void);
/* A phase is over; code is what a request was answered.  True for success.
 * What may come is decided here and nowhere else. */
bool ask(const char *what, int code);
/* Has anything not succeeded since it was armed? */
bool all_well(void);

/* Processes that are children of pid. */
unsigned count_children(pid_t pid);
/*
 * What there is: descriptors and memory of the daemon, its children, mounts,
 * names of files.  First it is remembered; afterwards it has to become the
 * same again within settle_ms, or else why says what is not.
 */
void remember(void);
bool same_as_ever(int settle_ms, char *why, size_t cap);

#endif
