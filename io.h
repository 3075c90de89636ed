/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io: stdio of one process: pipes on the container's side, FIFOs, files or a
 * logging binary on the client's, bytes moved between them by splice(2), but
 * for what would leave the pages of a FIFO half empty.
 *
 * Invariants.  Nothing here blocks: every descriptor is non-blocking, a FIFO
 * without a reader or writer is waited for by notification.  Back-pressure
 * stalls exactly the stream whose client stalls.  The container never sees
 * EPIPE because a client went away: the shim keeps a reader of its own on
 * each output FIFO.  An output FIFO is closed as soon as everything has been
 * delivered and a client has it open, not only at Delete, since clients wait
 * for its end before they call Delete; a client that opens its FIFO late, but
 * before io_free(), never waits in open(2) and gets what there is and the end.
 * Buffers are fixed; a stalled stream costs a page at most.
 */
#ifndef IO_H
#define IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/deadline.h"
#include "base/err.h"
#include "wire/pb.h"

struct io_config {
	const char *in;		/* path or URI; NULL or "" for none */
	const char *out;
	const char *err;
	bool terminal;		/* no pipes: the console's master comes later */
	uid_t uid;		/* owner of the container's pipe ends */
	gid_t gid;
	const char *id;		/* container: for logging binaries, log */
	const char *exec_id;	/* "" for init; log lines */
	const char *ns;		/* containerd namespace: for logging binaries */
};

struct io;

/*
 * Open both sides.  The strings are copied.  On failure nothing stays open
 * (ERR_NOT_FOUND for a FIFO path that does not exist, ...).
 */
struct io *io_new(const struct io_config *c, struct err *e);
/*
 * The container's ends, to be made descriptors 0, 1 and 2 of a runsc command:
 * pipe ends, or /dev/null (O_RDWR) where there is no stream, or -1 for all
 * three with a terminal.  They stay io's; io_child_done() closes them.
 */
void io_child_fds(const struct io *io, int fds[3]);
/*
 * Where the output goes to a logging binary, which may take a while to be
 * ready or fail: true, and told(arg, e) is called once from the loop, e NULL
 * for success; not after io_free().  Else false.  Once, after io_new().
 */
bool io_await(struct io *io, void (*told)(void *arg, const struct err *e),
	void *arg);
/* The command that carries the container's ends has been started, or never
 * will be: close our copies, so that end of file can arrive. */
void io_child_done(struct io *io);
/* The console's master (taken over): start copying to and from it. */
int io_attach_master(struct io *io, int master_fd, struct err *e);
/* TIOCSWINSZ; kept for later if the master has not come yet.  Without a
 * terminal it does nothing, and succeeds. */
int io_resize(struct io *io, unsigned width, unsigned height, struct err *e);
/* CloseIO: close the container's stdin once the client has closed the FIFO and
 * what is in it has been delivered; at once if no client has it open.  Without
 * stdin, and the second time, it does nothing. */
void io_close_stdin(struct io *io);
/*
 * The process is gone.  Call done(arg) once, from the loop, when everything
 * it wrote has been handed to the client: end of file on every output, or its
 * pipe is empty although somebody still holds it (a background child); or
 * when a client takes nothing for IO_STALL_NS or in total IO_DRAIN_NS have
 * passed.  A client that has its FIFO open gets IO_READ_NS to read what is in
 * there: ctr leaves when it is told the exit, and what it has not read then
 * is lost.  Copying goes on afterwards until io_free().
 */
void io_drain(struct io *io, void (*done)(void *arg), void *arg);
/* Is there output in a FIFO that no client has open? */
bool io_is_unclaimed(const struct io *io);
/* Do not wait for that any longer: done() is called when this turn of the loop
 * is over.  Where nothing is drained, or all is, it does nothing. */
void io_drain_end(struct io *io);
/* Everything delivered and read, or never opened? */
bool io_finished(const struct io *io);
/* A line in the log for each open stream (SIGUSR1).  NULL is ignored. */
void io_dump(const struct io *io);
/* Nothing ran that could write: close the outputs, whoever holds the other ends
 * (gVisor's sandbox of what it could not start). */
void io_close_outputs(struct io *io);
/* Close and release; what is still in the pipes is dropped, counted and
 * logged, and so is what a background child writes from now on: it gets
 * neither EPIPE nor stuck, unless 256 others came later.  Safe from done().
 * NULL is ignored. */
void io_free(struct io *io);

/* Write it down as message num of o, while nothing is drained; read it. */
void io_save(struct pb_out *o, uint32_t num, struct io *io);
struct io *io_load(struct pb_bytes in, struct err *e);
/* The same for those that io_free() has left for background processes. */
void io_save_left(struct pb_out *o);
int io_load_left(struct pb_bytes in, struct err *e);

/* Other bounds than the three above (tests). */
void io_set_bounds(int64_t stall_ns, int64_t drain_ns, int64_t read_ns);

#endif
