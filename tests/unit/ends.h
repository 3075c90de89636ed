/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ends: the two ends of a process's stdio, for the tests of io.c. The container
 * is this process or a forked writer at io's pipe ends; the client opens,
 * stalls, closes and comes back at the FIFOs. Data is numbered words, so that
 * a byte lost, repeated or out of place shows where it is.
 */
#ifndef ENDS_H
#define ENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "io.h"
#include "tests/files.h"
#include "turns.h"

#define MIB (1u << 20)
#define BIG (5 * MIB + 3)
#define SIZES 6
/* Clients that take their time here are no reason for the tests to. */
#define READ_NS (20 * NS_PER_MS)

/* dir has the FIFOs in, out and err. */
extern uint8_t *data;		/* BIG bytes */
extern const size_t sizes[SIZES];	/* to be tried */
extern int drained;		/* calls of on_drained() */

struct io *new_io(const char *in, const char *out, const char *err,
	bool terminal);
/* The container's ends, ours now; io's are closed. */
void take_ends(struct io *io, int fds[3]);
/* Those that are not -1, which all are then. */
void close_ends(int fds[3]);
/* A pty as runsc makes it. */
int open_pty(int *slave);
/* The first n bytes of data, written to fd by a process; it must end well. */
pid_t write_in_child(int fd, size_t n);
void reap_ok(pid_t pid);
/* Turn the loop and read fd until n bytes have come, or its end with n
 * (size_t)-1; compares. Returns the bytes read. */
size_t read_through(int fd, size_t from, size_t n);
/* read() of up to n bytes that are there. */
size_t read_some(int fd, size_t n);
void on_drained(void *arg);
void wait_drained(void);
unsigned open_fds(void);
/* Have child.c reap, for logging binaries. */
void need_children(void);

/* For each test.  Only READ_NS bounds a drain, but where a test says so. */
void setup(void);
void teardown(void);

#endif
