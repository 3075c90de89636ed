/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tail: what is left in a client's FIFO when the last byte has been written.
 *
 * A client expects the end of file behind the data, so our writer has to go;
 * but with the last descriptor the kernel throws away what is unread.  So:
 * while a client has the FIFO open, the writer is closed and a reader of ours
 * keeps the data, in case the client dies before it has read them; while no
 * client has it open, the writer is kept, since without one a client that
 * comes would wait in open(2) for ever, also where there is nothing to read.
 * It is over when everything has been read and a client has the FIFO open:
 * one that opens it before tail_stop() gets the data or the end of file.
 * inotify tells of clients that come and go.
 */
#ifndef TAIL_H
#define TAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"

struct tail {
	int writer;		/* one of the two is -1, or both */
	int reader;
	struct watch watch;	/* of the inotify descriptor; the input */
	struct timer timer;	/* instead, where there is none to be had */
	void (*changed)(struct tail *t);
};

void tail_init(struct tail *t);
/*
 * Everything is in the FIFO; both descriptors are taken over.  True: a client
 * has read it and got its end, all is closed.  False: changed(t) will be
 * called from the loop when a client has come or left, or has read it all.
 */
bool tail_start(struct tail *t, int writer, int reader,
	void (*changed)(struct tail *t));
/*
 * Nobody reads the FIFO any more; reader is taken over.  A client that has it
 * open gets EPIPE, now that it is closed.  One that opens it later would wait
 * in open(2) for a reader: one stays until a client has written or left.
 * Returns as tail_start() does.
 */
bool tail_start_input(struct tail *t, int reader,
	void (*changed)(struct tail *t));
/* Has a client read everything, and all been closed? */
bool tail_is_over(const struct tail *t);
/* Has a client the FIFO open that has not read everything yet? */
bool tail_is_being_read(const struct tail *t);
/* How much is unread? */
size_t tail_unread(const struct tail *t);
/* Go on with what was read into t; input: of tail_start_input(). */
int tail_resume(struct tail *t, bool input, void (*changed)(struct tail *t),
	struct err *e);
/* Let it go.  Returns how many bytes no client can read any more. */
size_t tail_stop(struct tail *t);

#endif
