/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logger: a logging binary, containerd's binary:// target of output.
 *
 * The binary reads the container's stdout on descriptor 3 and its stderr on 4,
 * says that it is ready by a byte or the end of file on 5, and knows the
 * container from CONTAINER_ID and CONTAINER_NAMESPACE, its whole environment;
 * its arguments are the URI's query, each key followed by its first value,
 * be it empty (containerd process/io_util.go, but in the order of the URI).
 * With binary-v2:// the end of file without a byte means that it failed; with
 * binary:// it does so too where it is the binary's own end.
 * The container writes straight into its pipes.  The shim keeps a read end of
 * each, so that a binary that dies neither kills the container (EPIPE) nor
 * blocks it: its death is logged and what follows is read, counted and
 * dropped, unless a child that it left goes on reading.
 */
#ifndef LOGGER_H
#define LOGGER_H

#include <stdint.h>

#include "base/err.h"
#include "wire/pb.h"

struct logger;

/*
 * Start the binary that uri names.  fds gets the write ends for stdout and
 * stderr, the caller's.  label names the container in log lines.  It need not
 * be ready: what is written meanwhile waits in the pipes.
 */
struct logger *logger_new(const char *uri, const char *id, const char *ns,
	const char *label, int fds[2], struct err *e);
/*
 * Call told(arg, e) once, from the loop: with NULL when it is ready, else with
 * why it will not be: it could not be run, it has ended, it says so, or its
 * time is up.  Not after logger_free().  To be asked right after logger_new().
 */
void logger_await(struct logger *l, void (*told)(void *arg,
	const struct err *e), void *arg);
/*
 * The container is done with it.  It has seen its end of file or will; one
 * that does not end by itself gets SIGTERM after 10 s and SIGKILL after 12.
 * The object goes when the process has and nobody writes any more.  NULL is
 * nothing.
 */
void logger_free(struct logger *l);
/* Other times than those two, and how long it may take to be ready (tests). */
void logger_set_bounds(int64_t ready_ns, int64_t term_ns, int64_t kill_ns);
/* All of them written down, and read. */
void logger_save(struct pb_out *o);
int logger_load(struct pb_bytes in, struct err *e);
/* Which it is there, from 1 on; 0 for NULL.  And that one. */
unsigned logger_number(const struct logger *l);
struct logger *logger_numbered(unsigned n);
/* The shim leaves: SIGTERM to those whose container is not deleted.  Are there
 * others, which have their time to read to the end? */
bool logger_end_all(void);

#endif
