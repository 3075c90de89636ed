/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream: one direction of a process's stdin, stdout or stderr: a source, a
 * sink, and the loop watching whichever of the two holds it up, never both.
 *
 * Who opens fills in src, dst, keep and what they are, and sets open; then
 * stream_pump() moves what it can and decides what to watch.  A stream without
 * a sink (it failed, or it was left) is read on and dropped, so that whoever
 * still writes gets neither EPIPE nor stuck.  At its end the FIFO is tail.c's.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "stdio/tail.h"
#include "wire/pb.h"

struct io;

struct stream {
	struct io *io;		/* the owner's */
	const char *label;	/* "ID" or "ID EXEC", for log lines */
	const char *name;
	bool input;		/* stdin */
	int src;
	int dst;
	int keep;		/* our other end of the client's FIFO, or -1 */
	bool open;
	bool ended;		/* over but for a client that may yet come */
	bool fifo;		/* the sink is a client's FIFO */
	bool file;		/* sink is always writable, takes everything */
	bool copy;		/* not spliced */
	bool tty;		/* source is a terminal's master */
	bool last;		/* and its hanging up is the end */
	const struct stream *same;	/* goes to the same FIFO; or NULL */
	/* Something has changed; moved: and bytes have been moved. */
	void (*changed)(struct stream *s, bool moved);

	/* stream.c's. */
	struct watch src_watch;
	struct watch dst_watch;
	struct timer watch_again;	/* there was no room for a watch */
	struct tail tail;
	bool discard;		/* there is no sink */
	bool wide;		/* the container's pipe has been widened */
	bool told_error;
	unsigned fulls;
	int room;		/* of the FIFO's last page; -1: unknown */
	uint8_t *buf;		/* a page; if not copy, while it is needed */
	size_t buf_off;
	size_t buf_len;
	uint64_t dropped;
	uint64_t bytes;		/* taken from the source */
	bool moves;		/* something would wake it; while written */
};

void stream_init(struct stream *s, const char *name,
	void (*changed)(struct stream *s, bool moved));
/* This one is not spliced. */
int stream_copy(struct stream *s, struct err *e);
/* Move what can be moved. */
void stream_pump(struct stream *s);
/* Has it ended with bytes in a FIFO that no client has open? */
bool stream_is_unclaimed(const struct stream *s);
/* Handed to the client, or nobody to hand it to? */
bool stream_drained(const struct stream *s);
/* Is the client at it that has not read everything yet? */
bool stream_is_being_read(const struct stream *s);
/* Everything delivered and read, or never opened? */
bool stream_finished(const struct stream *s);
/* Bytes that are not in the client's FIFO yet. */
size_t stream_waits(const struct stream *s);
/* The source is at its end and everything is in the sink; of stdin: the
 * container takes no more. */
void stream_end(struct stream *s);
/* The client of an output has no more interest. */
void stream_leave(struct stream *s);
/* Close all; what was not delivered is counted and logged. */
void stream_close(struct stream *s);
/* Write s down as message num of o; read it into s, which is initialized. */
void stream_save(struct pb_out *o, uint32_t num, struct stream *s);
int stream_load(struct pb_bytes in, struct stream *s, struct err *e);
/* A line in the log. */
void stream_dump(const struct stream *s);

#endif
