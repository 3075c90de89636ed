/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io: see io.h.
 *
 * The three streams (stream.c) are opened here, and waited for at the end.
 *
 * An output FIFO is opened twice: a reader of our own first, so that opening
 * the writer needs no client and a client that dies makes no EPIPE, then the
 * writer.  What becomes of the two at the end is tail.c's.
 */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fmt.h"
#include "base/log.h"
#include "stdio/logger.h"
#include "base/loop.h"
#include "stdio/stream.h"
#include "stdio/target.h"
#include "wire/save.h"

#define LEFT_MAX 256		/* whose background processes may write on */

enum { IN, OUT, ERR, STREAMS };

struct io {
	struct stream s[STREAMS];
	int child[STREAMS];	/* the container's ends */
	int null;		/* for those that it has not got */
	bool terminal;
	bool left;		/* io_free() has been called */
	struct io *next, **pprev;	/* next: that was left before it */
	struct logger *logger;	/* both outputs go there; or NULL */
	unsigned number;	/* that one's, while it is written down */
	int slave;		/* held so that the master does not hang up */
	int master;		/* for the window size */
	unsigned width, height;
	char *label;		/* "ID" or "ID EXEC" for log lines */
	/* Draining. */
	bool draining;
	bool moved;		/* see on_stall() */
	bool reading;		/* all is in the FIFOs, to be read */
	bool drained;
	void (*done)(void *arg);
	void *arg;
	struct timer stall;
	struct timer limit;
	struct defer tell;
	struct defer freed;
};

static struct io *lingering;	/* still read from; the last left first */
static unsigned nlingering;
static int64_t stall_ns = IO_STALL_NS;
static int64_t limit_ns = IO_DRAIN_NS;
static int64_t read_ns = IO_READ_NS;

void
io_set_bounds(int64_t stall, int64_t limit, int64_t reading)
{
	stall_ns = stall;
	limit_ns = limit;
	read_ns = reading;
}

/* -- draining ------------------------------------------------------------- */

static void
tell_drained(struct defer *d)
{
	struct io *io = container_of(d, struct io, tell);
	void (*done)(void *) = io->done;

	io->done = NULL;
	if (done)
		done(io->arg);
}

static void
end_drain(struct io *io)
{
	if (io->drained)
		return;
	io->drained = true;
	timer_stop(&io->stall);
	timer_stop(&io->limit);
	loop_defer(&io->tell, tell_drained);
}

static void
on_unread(struct timer *t)
{
	end_drain(container_of(t, struct io, stall));
}

/* ctr stops reading as soon as it is told the exit. */
static void
check_drained(struct io *io)
{
	const struct stream *out = &io->s[OUT], *err = &io->s[ERR];

	if (!io->draining || io->drained || !stream_drained(out) ||
	    !stream_drained(err))
		return;
	if (!stream_is_being_read(out) && !stream_is_being_read(err)) {
		end_drain(io);
	} else if (!io->reading) {
		io->reading = true;
		timer_start(&io->stall, read_ns, on_unread);
	}
}

static void
drain_late(struct io *io, const char *why)
{
	int i;

	for (i = OUT; i <= ERR; i++) {
		if (!stream_drained(&io->s[i]))
			log_warn("%s: %s: %s, %zu bytes wait", io->label,
			    io->s[i].name, why, stream_waits(&io->s[i]));
	}
	end_drain(io);
}

/* What a machine that slept, or had no time for us, finds first is this timer:
 * what can be moved now was not the client's fault. */
static void
on_stall(struct timer *t)
{
	struct io *io = container_of(t, struct io, stall);
	int i;

	io->moved = false;
	for (i = OUT; i <= ERR; i++) {
		if (io->s[i].open && !io->drained)
			stream_pump(&io->s[i]);
	}
	if (io->drained)
		return;
	if (io->moved)
		timer_start(&io->stall, stall_ns, on_stall);
	else
		drain_late(io, "the client takes nothing");
}

static void
on_limit(struct timer *t)
{
	drain_late(container_of(t, struct io, limit),
	    "the client takes it too slowly");
}

static void
free_now(struct defer *d)
{
	struct io *io = container_of(d, struct io, freed);

	free(io->label);
	free(io);
}

/* After io_free(), and nothing is left that somebody writes to? */
static void
release(struct io *io)
{
	if (!io->left || !io_finished(io))
		return;
	LIST_DEL(io);
	nlingering--;
	loop_defer(&io->freed, free_now);
}

static void
on_changed(struct stream *s, bool moved)
{
	struct io *io = s->io;

	io->moved |= moved;
	if (io->draining && moved && timer_running(&io->stall) && !io->reading)
		timer_start(&io->stall, stall_ns, on_stall);
	check_drained(io);
	release(io);
}

/* -- opening -------------------------------------------------------------- */

/* Open the client's end of an output. */
static int
open_sink(struct stream *s, const char *name, struct err *e)
{
	struct target t;

	if (target_open_output(&t, name, e) < 0)
		return -1;
	s->dst = t.fd;
	s->keep = t.keep;
	s->fifo = t.fifo;
	s->file = t.file;
	s->copy = t.copy;
	return 0;
}

static bool
same_file(int a, int b)
{
	struct stat x, y;

	return a >= 0 && b >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0 &&
	    x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A pipe of which ours is *ours; the other goes to the container. */
static int
open_pipe(struct io *io, int i, const struct io_config *c, struct err *e)
{
	int fds[2];
	struct stream *s = &io->s[i];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, "create pipe for %s", s->name);
	io->child[i] = fds[i == IN ? 0 : 1];
	if (i == IN)
		s->dst = fds[1];
	else
		s->src = fds[0];
	/* Only ours is non-blocking: the container's end is its own. */
	if (fcntl(i == IN ? s->dst : s->src, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, "make the pipe for %s non-blocking", s->name);
	if ((c->uid != 0 || c->gid != 0) &&
	    fchown(io->child[i], c->uid, c->gid) < 0)
		return err_sys(e, "chown the pipe for %s to %u:%u", s->name,
		    (unsigned)c->uid, (unsigned)c->gid);
	return 0;
}

static int
open_stdin(struct io *io, const struct io_config *c, struct err *e)
{
	struct stream *s = &io->s[IN];
	struct target t;

	if (!c->in || !c->in[0])
		return 0;
	if (target_open_input(&t, c->in, e) < 0)
		return -1;
	if (!t.fifo && !c->terminal) {
		io->child[IN] = t.fd;	/* a file needs nobody in between */
		return 0;
	}
	if (t.file && !t.copy) {
		close(t.fd);	/* /dev/null: nobody types */
		return 0;
	}
	s->src = t.fd;
	s->keep = t.keep;
	if (!t.fifo)
		return err_set(e, ERR_INVALID, "open %s: the input of a "
		    "terminal must be a FIFO", c->in);
	s->open = true;
	return c->terminal ? stream_copy(s, e) : open_pipe(io, IN, c, e);
}

static int
open_output(struct io *io, int i, const char *target,
    const struct io_config *c, struct err *e)
{
	struct stream *s = &io->s[i];
	struct stream *out = &io->s[OUT];

	if (!target || !target[0])
		return 0;
	if (i == ERR && out->file && strcmp(target, c->out) == 0) {
		/* One open file, one offset; closed when both have ended. */
		s->dst = fcntl(out->dst, F_DUPFD_CLOEXEC, 0);
		if (s->dst < 0)
			return err_sys(e, "open %s", target);
		s->file = true;
		s->copy = out->copy;
	} else if (open_sink(s, target, e) < 0) {
		return -1;
	}
	if (i == ERR && s->fifo && same_file(out->dst, s->dst)) {
		s->same = out;
		out->same = s;
	}
	s->open = true;
	/* A terminal is read in small pieces, and spliced each would take a
	 * page of the FIFO. */
	if ((c->terminal || s->copy) && stream_copy(s, e) < 0)
		return -1;
	return c->terminal ? 0 : open_pipe(io, i, c, e);
}

/* Both outputs to a logging binary: the container writes to it directly, a
 * terminal's output is copied to its stdout. */
static int
open_logger(struct io *io, const struct io_config *c, struct err *e)
{
	struct stream *out = &io->s[OUT];
	int fds[2];

	io->logger = logger_new(c->out, c->id, c->ns, io->label, fds, e);
	if (!io->logger)
		return -1;
	if (!c->terminal) {
		io->child[OUT] = fds[0];
		io->child[ERR] = fds[1];
		return 0;
	}
	close(fds[1]);
	out->dst = fds[0];
	out->open = true;
	if (stream_copy(out, e) < 0)
		return -1;
	if (fcntl(out->dst, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, "make the pipe for %s non-blocking",
		    out->name);
	return 0;
}

static int
open_outputs(struct io *io, const struct io_config *c, struct err *e)
{
	const char *out = c->out, *err = c->err;

	if (target_is(c->out, "binary") ||
	    target_is(c->out, "binary-v2"))
		return open_logger(io, c, e);
	/* A terminal has no stderr, and one that nobody read would fill up; a
	 * URI names where both go. */
	if (c->terminal)
		err = "";
	if (c->terminal && (!out || !out[0]))
		out = "/dev/null";
	else if (target_is(c->out, "file"))
		err = c->out;
	if (open_output(io, OUT, out, c, e) < 0)
		return -1;
	return open_output(io, ERR, err, c, e);
}

static void
io_init(struct io *io)
{
	static const char *const names[STREAMS] = { "stdin", "stdout",
		"stderr" };
	int i;

	for (i = 0; i < STREAMS; i++) {
		stream_init(&io->s[i], names[i], on_changed);
		io->s[i].io = io;
		io->child[i] = -1;
	}
	io->s[IN].input = true;
	io->null = io->slave = io->master = -1;
}

struct io *
io_new(const struct io_config *c, struct err *e)
{
	struct io *io = calloc(1, sizeof(*io));
	int i;

	if (!io) {
		err_set(e, ERR_EXHAUSTED, "stdio: out of memory");
		return NULL;
	}
	io_init(io);
	io->terminal = c->terminal;
	io->label = fmt_new("%s%s%s", c->id, c->exec_id[0] ? " " : "",
	    c->exec_id);
	if (!io->label) {
		err_set(e, ERR_EXHAUSTED, "stdio: out of memory");
		goto fail;
	}
	for (i = 0; i < STREAMS; i++)
		io->s[i].label = io->label;
	io->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (io->null < 0) {
		err_sys(e, "open /dev/null");
		goto fail;
	}
	if (open_stdin(io, c, e) < 0 || open_outputs(io, c, e) < 0)
		goto fail;
	if (io->terminal)
		return io;
	for (i = 0; i < STREAMS; i++)
		stream_pump(&io->s[i]);
	return io;
fail:
	io_free(io);
	return NULL;
}

/* -- in use --------------------------------------------------------------- */

void
io_child_fds(const struct io *io, int fds[3])
{
	int i;

	for (i = 0; i < STREAMS; i++) {
		fds[i] = io->child[i];
		if (fds[i] < 0 && !io->terminal)
			fds[i] = io->null;
	}
}

bool
io_await(struct io *io, void (*told)(void *arg, const struct err *e),
    void *arg)
{
	if (io->logger)
		logger_await(io->logger, told, arg);
	return io->logger != NULL;
}

void
io_child_done(struct io *io)
{
	int i;

	for (i = 0; i < STREAMS; i++)
		fd_close(&io->child[i]);
	fd_close(&io->null);
}

int
io_resize(struct io *io, unsigned width, unsigned height, struct err *e)
{
	struct winsize ws = {
		.ws_col = (unsigned short)width,
		.ws_row = (unsigned short)height,
	};

	if (!io->terminal)
		return 0;
	io->width = width;
	io->height = height;
	if (io->master >= 0 && ioctl(io->master, TIOCSWINSZ, &ws) < 0)
		return err_sys(e, "%s: resize the terminal to %ux%u",
		    io->label, width, height);
	return 0;
}

int
io_attach_master(struct io *io, int master, struct err *e)
{
	struct stream *in = &io->s[IN], *out = &io->s[OUT];
	int flags = fcntl(master, F_GETFL);

	if (io->master >= 0) {
		close(master);
		return err_set(e, ERR_EXISTS, "%s: a second terminal",
		    io->label);
	}
	io->master = master;
	if (flags < 0 || fcntl(master, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, "make the terminal non-blocking");
	/* While a slave is open the master never hangs up, so programs may
	 * close and open it as they like and nothing has to be polled. */
	io->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (io->width && io_resize(io, io->width, io->height, e) < 0)
		return -1;
	if (in->open && !in->ended) {
		in->dst = fcntl(master, F_DUPFD_CLOEXEC, 0);
		if (in->dst < 0)
			return err_sys(e, "duplicate the terminal");
		stream_pump(in);
	}
	if (out->open && !out->ended) {
		out->src = fcntl(master, F_DUPFD_CLOEXEC, 0);
		if (out->src < 0)
			return err_sys(e, "duplicate the terminal");
		out->tty = true;
		stream_pump(out);
	}
	return 0;
}

void
io_close_stdin(struct io *io)
{
	struct stream *s = &io->s[IN];

	fd_close(&s->keep);
	/* The FIFO may be at its end now, which nothing will announce. */
	if (s->open && s->dst >= 0)
		stream_pump(s);
}

void
io_drain(struct io *io, void (*done)(void *arg), void *arg)
{
	struct stream *out = &io->s[OUT];

	io->done = done;
	io->arg = arg;
	io->draining = out->last = true;
	io_child_done(io);
	if (io->s[IN].open && !io->s[IN].ended)
		stream_end(&io->s[IN]);
	/* Without our slave the master ends when the last other has gone. */
	fd_close(&io->slave);
	if (io->terminal && out->open && out->src < 0)
		stream_end(out);	/* the terminal never came */
	timer_start(&io->stall, stall_ns, on_stall);
	timer_start(&io->limit, limit_ns, on_limit);
	if (out->open)
		stream_pump(out);
	if (io->s[ERR].open)
		stream_pump(&io->s[ERR]);
	check_drained(io);
}

bool
io_is_unclaimed(const struct io *io)
{
	return stream_is_unclaimed(&io->s[OUT]) ||
	    stream_is_unclaimed(&io->s[ERR]);
}

void
io_drain_end(struct io *io)
{
	int i;

	if (!io->draining || io->drained)
		return;
	for (i = OUT; i <= ERR; i++) {
		if (io->s[i].open)
			stream_pump(&io->s[i]);
	}
	end_drain(io);
}

bool
io_finished(const struct io *io)
{
	return stream_finished(&io->s[IN]) && stream_finished(&io->s[OUT]) &&
	    stream_finished(&io->s[ERR]);
}

void
io_dump(const struct io *io)
{
	int i;

	for (i = 0; io && i < STREAMS; i++)
		stream_dump(&io->s[i]);
}

void
io_close_outputs(struct io *io)
{
	int i;

	for (i = OUT; i <= ERR; i++) {
		if (!io->s[i].ended)
			stream_close(&io->s[i]);
	}
}

void
io_free(struct io *io)
{
	int i;

	if (!io)
		return;
	timer_stop(&io->stall);
	timer_stop(&io->limit);
	io->done = NULL;
	io->drained = true;
	io_child_done(io);
	fd_close(&io->slave);
	fd_close(&io->master);
	stream_close(&io->s[IN]);
	for (i = OUT; i <= ERR; i++) {
		if (io->s[i].open)
			stream_leave(&io->s[i]);
		else
			stream_close(&io->s[i]);
	}
	logger_free(io->logger);
	io->left = true;
	LIST_ADD(&lingering, io);
	nlingering++;
	release(io);
	if (nlingering <= LEFT_MAX)
		return;
	for (io = lingering; io->next; io = io->next)
		;
	log_warn("%s: %u others are left for background processes: these get "
	    "EPIPE from now on", io->label, LEFT_MAX);
	stream_close(&io->s[OUT]);
	stream_close(&io->s[ERR]);
	release(io);
}

/* -- written down, and taken over ----------------------------------------- */

static const struct save_field fields[] = {
	SAVE_OPEN(struct io, child[IN]), SAVE_OPEN(struct io, child[OUT]),
	SAVE_OPEN(struct io, child[ERR]), SAVE_OPEN(struct io, null),
	SAVE(struct io, terminal), SAVE(struct io, left),
	SAVE(struct io, number), SAVE_OPEN(struct io, slave),
	SAVE_OPEN(struct io, master), SAVE(struct io, width),
	SAVE(struct io, height), SAVE(struct io, label),
	SAVE(struct io, draining), SAVE(struct io, moved),
	SAVE(struct io, reading), SAVE(struct io, drained), SAVE_SUBS,
	SAVE_LAST
};
#define FIELD_STREAM 17

void
io_save(struct pb_out *o, uint32_t num, struct io *io)
{
	size_t mark = pb_begin(o, num);
	int i;

	io->number = logger_number(io->logger);
	save_put(o, fields, io);
	for (i = 0; i < STREAMS; i++)
		stream_save(o, FIELD_STREAM, &io->s[i]);
	pb_end(o, mark);
}

struct io *
io_load(struct pb_bytes in, struct err *e)
{
	struct io *io = save_alloc(sizeof(*io), e);
	struct stream *out, *err;
	struct pb_bytes b;
	struct pb_in pb;
	int i = 0;

	if (!io)
		return NULL;
	io_init(io);
	if (save_get(in, fields, io, e) < 0)
		return NULL;
	pb_in_init(&pb, in.p, in.n);
	for (; i < STREAMS && pb_next_bytes(&pb, FIELD_STREAM, &b); i++) {
		io->s[i].label = io->label;
		if (stream_load(b, &io->s[i], e) < 0)
			return NULL;
	}
	io->logger = io->number ? logger_numbered(io->number) : NULL;
	if (i < STREAMS || !io->label || !io->logger != !io->number ||
	    (io->draining && !io->drained)) {
		save_bad(e);
		return NULL;
	}
	out = &io->s[OUT];
	err = &io->s[ERR];
	if (err->fifo && same_file(out->dst, err->dst)) {
		err->same = out;
		out->same = err;
	}
	return io;
}

void
io_save_left(struct pb_out *o)
{
	struct io *io;

	for (io = lingering; io; io = io->next)
		io_save(o, 1, io);
}

static int
load_left(void *arg, struct pb_bytes in, struct err *e)
{
	struct io *io = io_load(in, e), ***at = arg;

	if (!io)
		return -1;
	LIST_ADD(*at, io);
	*at = &io->next;
	return !io->left || ++nlingering > LEFT_MAX ?
	    save_bad(e) : 0;
}

int
io_load_left(struct pb_bytes in, struct err *e)
{
	struct io **at = &lingering;

	return save_each(in, 1, load_left, &at, e);
}
