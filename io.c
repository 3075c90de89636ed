/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io: see io.h.
 *
 * A stream is one direction of one of the three: a source, a sink, and the
 * loop watching whichever of the two holds it up, never both.  pump() moves
 * what it can and then decides what to watch; everything else only opens,
 * closes, or asks whether it is over.
 *
 * An output FIFO is opened twice: a reader of our own first, so that opening
 * the writer needs no client and a client that dies makes no EPIPE, then the
 * writer.  What becomes of the two at the end is tail.c's.
 *
 * An output without a sink (it failed, or io_free() has closed it) is read on
 * and dropped, so that whoever still writes gets neither EPIPE nor stuck.
 */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fmt.h"
#include "base/log.h"
#include "stdio/logger.h"
#include "base/loop.h"
#include "stdio/tail.h"
#include "stdio/target.h"

#define SPLICE_TURN (1u << 20)	/* bytes of one stream in one turn */
#define COPY_TURN (64u << 10)
#define COPY_BYTES 4096		/* kept for a sink that takes part of it */
#define FILE_BYTES (64u << 10)	/* a file takes all of it */
#define PIPE_DEFAULT (64 << 10)
/* Wished for the container's pipes: its writer and the shim then take turns
 * less often.  The client's FIFO stays as the client made it. */
#define PIPE_BYTES (256 << 10)
#define FULLS_MAX 16		/* times that the client was the slower one */
#define WATCH_AGAIN_NS (100 * NS_PER_MS)
#define LEFT_MAX 256		/* whose background processes may write on */

enum { IN, OUT, ERR, STREAMS };

struct stream {
	struct io *io;
	const char *name;
	int src;
	int dst;
	int keep;		/* our other end of the client's FIFO, or -1 */
	struct watch src_watch;
	struct watch dst_watch;
	struct timer watch_again;	/* there was no room for a watch */
	struct tail tail;
	bool open;
	bool ended;		/* source at its end, tail waits for a client */
	bool fifo;		/* the client's end is a FIFO */
	bool file;		/* sink is always writable, takes everything */
	bool copy;		/* not spliced */
	bool tty;		/* source is a terminal's master */
	bool discard;		/* there is no sink */
	bool wide;		/* the container's pipe has been widened */
	unsigned fulls;
	bool told_error;
	uint8_t *buf;		/* COPY_BYTES, only if copy and not file */
	size_t buf_off;
	size_t buf_len;
	uint64_t dropped;
	uint64_t bytes;		/* taken from the source */
};

struct io {
	struct stream s[STREAMS];
	int child[STREAMS];	/* the container's ends */
	int null;		/* for those that it has not got */
	bool terminal;
	bool one_fifo;		/* stdout and stderr go to the same */
	bool left;		/* io_free() has been called */
	struct io *next;	/* that was left before it */
	struct logger *logger;	/* both outputs go there; or NULL */
	int slave;		/* held so that the master does not hang up */
	int master;		/* for the window size */
	unsigned width, height;
	char *label;		/* "ID" or "ID EXEC" for log lines */
	/* Draining. */
	bool draining;
	bool moved;		/* see on_stall() */
	bool reading;		/* all is in the FIFOs, for the client to read */
	bool drained;
	void (*done)(void *arg);
	void *arg;
	struct timer stall;
	struct timer limit;
	struct defer tell;
	struct defer freed;
};

static struct io *lefts;	/* still read from; the last left first */
static unsigned nlefts;
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

static void pump(struct stream *s);

/* -- watching ------------------------------------------------------------- */

static void
on_src(struct watch *w, uint32_t revents)
{
	(void)revents;
	pump(container_of(w, struct stream, src_watch));
}

/*
 * A pipe whose writer was seen to wait belongs to somebody with much to say.
 * Not all of them from the start: pages of pipes are counted for the user,
 * and beyond a limit (pipe(7), pipe-user-pages-soft: 64 MiB) new pipes of
 * containers that run as the same user shrink to a page or two.
 */
static void
widen(struct stream *s)
{
	if (s->wide || s->copy)
		return;
	s->wide = true;
	/* Refused where a limit is reached: then it stays as it is. */
	fcntl(s == &s->io->s[IN] ? s->dst : s->src, F_SETPIPE_SZ, PIPE_BYTES);
}

static void
on_dst(struct watch *w, uint32_t revents)
{
	struct stream *s = container_of(w, struct stream, dst_watch);

	(void)revents;
	if (++s->fulls == FULLS_MAX)
		widen(s);
	pump(s);
}

static void
watch_nothing(struct stream *s)
{
	loop_del(&s->src_watch);
	loop_del(&s->dst_watch);
	timer_stop(&s->watch_again);
}

static void
on_watch_again(struct timer *t)
{
	pump(container_of(t, struct stream, watch_again));
}

/* A stream that nothing wakes up would stand still for ever. */
static void
watch(struct stream *s, struct watch *w, int fd, uint32_t events,
    void (*cb)(struct watch *w, uint32_t revents))
{
	struct err e;

	if (w->fd >= 0 || loop_add(w, fd, events, LOOP_IO, cb, &e) == 0)
		return;
	log_err("%s: %s: %s", s->io->label, s->name, e.msg);
	timer_start(&s->watch_again, WATCH_AGAIN_NS, on_watch_again);
}

static bool
is_watched(const struct stream *s)
{
	return s->src_watch.fd >= 0 || s->dst_watch.fd >= 0;
}

static void
watch_src(struct stream *s)
{
	loop_del(&s->dst_watch);
	watch(s, &s->src_watch, s->src, EPOLLIN, on_src);
}

/* A sink that cannot be watched (a file) is never waited for. */
static void
watch_dst(struct stream *s)
{
	loop_del(&s->src_watch);
	watch(s, &s->dst_watch, s->dst, EPOLLOUT, on_dst);
}

/* -- draining ------------------------------------------------------------- */

/* Handed to the client, or nobody to hand it to? */
static bool
stream_drained(const struct stream *s)
{
	if (!s->open || s->ended)
		return true;
	return s->buf_len == 0 && !fd_events(s->src, POLLIN);
}

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
	if (!(out->open && tail_is_being_read(&out->tail)) &&
	    !(err->open && tail_is_being_read(&err->tail))) {
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
			    io->s[i].name, why,
			    fd_unread(io->s[i].src) + io->s[i].buf_len);
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
			pump(&io->s[i]);
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

/* -- the end of a stream -------------------------------------------------- */

static void
stream_close(struct stream *s)
{
	watch_nothing(s);
	s->dropped += tail_stop(&s->tail);
	if (s->dropped)
		log_warn("%s: %s: %llu bytes dropped", s->io->label, s->name,
		    (unsigned long long)s->dropped);
	s->dropped = 0;
	fd_close(&s->src);
	fd_close(&s->dst);
	fd_close(&s->keep);
	free(s->buf);
	s->buf = NULL;
	s->buf_len = 0;
	s->open = false;
}

static void
on_tail_changed(struct tail *t)
{
	struct stream *s = container_of(t, struct stream, tail);

	if (tail_is_over(t))
		stream_close(s);
	check_drained(s->io);
}

/* Of two streams in one FIFO only the last to end has a tail. */
static bool
has_tail(const struct stream *s)
{
	const struct io *io = s->io;
	const struct stream *other = s == &io->s[OUT] ? &io->s[ERR] :
	    &io->s[OUT];

	if (s == &io->s[IN] || !s->fifo)
		return false;
	return !io->one_fifo || !other->open || other->ended;
}

/* The source is at its end and everything is in the sink. */
static void
stream_end(struct stream *s)
{
	int writer = s->dst, reader = s->keep;

	watch_nothing(s);
	fd_close(&s->src);
	if (has_tail(s)) {
		s->ended = true;
		s->dst = s->keep = -1;
		if (!tail_start(&s->tail, writer, reader, on_tail_changed))
			return;
	}
	stream_close(s);
}

/* Go on without a sink. */
static void
stream_discard(struct stream *s)
{
	watch_nothing(s);
	fd_close(&s->dst);
	fd_close(&s->keep);
	s->dropped += s->buf_len;
	s->buf_len = 0;
	s->fifo = false;
	s->discard = s->file = s->copy = true;
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
	struct io **pp = &lefts;

	if (!io->left || !io_finished(io))
		return;
	while (*pp != io)
		pp = &(*pp)->next;
	*pp = io->next;
	nlefts--;
	loop_defer(&io->freed, free_now);
}

/* -- moving --------------------------------------------------------------- */

static void
drop(struct stream *s, size_t n, int err)
{
	if (!s->told_error)
		log_err("%s: %s: write: %s; what follows is dropped",
		    s->io->label, s->name, strerror(err));
	s->told_error = true;
	s->dropped += n;
}

/* All of p into a file; what it does not take (no space) is dropped. */
static void
write_file(struct stream *s, const uint8_t *p, size_t n)
{
	ssize_t r;

	while (n) {
		r = write(s->dst, p, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			drop(s, n, r ? errno : ENOSPC);
			return;
		}
		p += r;
		n -= (size_t)r;
	}
}

static void
sink_failed(struct stream *s, int err)
{
	drop(s, 0, err);
	stream_discard(s);
}

static bool
make_buf(struct stream *s)
{
	if (!s->buf)
		s->buf = malloc(COPY_BYTES);
	return s->buf != NULL;
}

/* Give the sink what is in buf.  False: it takes no more now, or is gone. */
static bool
flush_buf(struct stream *s)
{
	ssize_t n = write(s->dst, s->buf + s->buf_off, s->buf_len);

	if (n >= 0) {
		s->buf_off += (size_t)n;
		s->buf_len -= (size_t)n;
		return true;
	}
	if (errno == EINTR)
		return true;
	if (errno == EAGAIN) {
		watch_dst(s);
		return false;
	}
	if (s != &s->io->s[IN]) {
		sink_failed(s, errno);
		return true;
	}
	s->buf_len = 0;
	stream_end(s);
	return false;
}

/* Read once and hand on; returns as read(2). */
static ssize_t
copy_once(struct stream *s)
{
	/* One for all: a file takes it whole before the next read. */
	static uint8_t big[FILE_BYTES];
	ssize_t n;

	if (!s->file) {
		n = read(s->src, s->buf, COPY_BYTES);
		s->buf_off = 0;
		s->buf_len = n > 0 ? (size_t)n : 0;
		return n;
	}
	n = read(s->src, big, sizeof(big));
	if (n > 0 && s->discard)
		s->dropped += (uint64_t)n;
	else if (n > 0)
		write_file(s, big, (size_t)n);
	return n;
}

/* Nothing moved: is it the source that is empty, or the sink that is full? */
static void
watch_what_stalls(struct stream *s)
{
	if (s->copy || s->file || !fd_events(s->src, POLLIN))
		watch_src(s);
	else
		watch_dst(s);
}

/* Move one piece.  Returns the bytes moved; 0 when there is no more to do. */
static size_t
move(struct stream *s, size_t max)
{
	ssize_t n;

	if (s->copy)
		n = copy_once(s);
	else
		n = splice(s->src, NULL, s->dst, NULL, max,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n >= PIPE_DEFAULT)
		widen(s);
	if (n > 0) {
		s->bytes += (uint64_t)n;
		return (size_t)n;
	}
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && errno == EAGAIN) {
		watch_what_stalls(s);
		return 0;
	}
	if (n < 0 && errno == EIO && s->tty && !s->io->draining) {
		/* No slave is open and none could be held: not the end, and
		 * watching a terminal that has hung up would spin. */
		watch_nothing(s);
		return 0;
	}
	/* Whatever a read says but EAGAIN is the end; a splice speaks of
	 * the sink. */
	if (n == 0 || s->copy || s == &s->io->s[IN]) {
		stream_end(s);
		return 0;
	}
	if (errno == EINVAL && (s->file || make_buf(s)))
		s->copy = true;
	else
		sink_failed(s, errno);
	return 1;
}

static void
pump(struct stream *s)
{
	size_t left = SPLICE_TURN, n;
	bool progress = false;

	while (s->open && !s->ended) {
		if (s->copy && left > COPY_TURN)
			left = COPY_TURN;
		if (left == 0) {	/* others' turn; more is known to be there */
			watch_src(s);
			break;
		}
		if (s->buf_len) {
			if (!flush_buf(s))
				break;
			progress = true;
			continue;
		}
		n = move(s, left);
		if (n == 0)
			break;
		progress = true;
		/* Less than there was room for: the source is empty now, or
		 * the sink full.  The watch that is on tells when that has
		 * changed, or at once that it was the other one. */
		if (n < left && n > 1 && is_watched(s) && !s->copy)
			break;
		left -= n < left ? n : left;
	}
	s->io->moved |= progress;
	if (s->io->draining && progress && timer_running(&s->io->stall) &&
	    !s->io->reading)
		timer_start(&s->io->stall, stall_ns, on_stall);
	check_drained(s->io);
	release(s->io);
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

/* This one is not spliced. */
static int
copied(struct stream *s, struct err *e)
{
	s->copy = true;
	if (s->file || make_buf(s))
		return 0;
	return err_set(e, ERR_EXHAUSTED, "%s: out of memory", s->name);
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
	s->src = t.fd;
	s->keep = t.keep;
	if (!t.fifo)
		return err_set(e, ERR_INVALID, "open %s: the input of a "
		    "terminal must be a FIFO", c->in);
	s->open = true;
	return c->terminal ? copied(s, e) : open_pipe(io, IN, c, e);
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
	if (i == ERR)
		io->one_fifo = s->fifo && same_file(out->dst, s->dst);
	s->open = true;
	/* A terminal is read in small pieces, and spliced each would take a
	 * page of the FIFO. */
	if ((c->terminal || s->copy) && copied(s, e) < 0)
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
	if (copied(out, e) < 0)
		return -1;
	if (fcntl(out->dst, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, "make the pipe for %s non-blocking",
		    out->name);
	return 0;
}

static int
open_outputs(struct io *io, const struct io_config *c, struct err *e)
{
	const char *err = c->err;

	if (target_is(c->out, "binary") ||
	    target_is(c->out, "binary-v2"))
		return open_logger(io, c, e);
	/* A terminal has no stderr; a URI names where both go. */
	if (c->terminal)
		err = "";
	else if (target_is(c->out, "file"))
		err = c->out;
	if (open_output(io, OUT, c->out, c, e) < 0)
		return -1;
	return open_output(io, ERR, err, c, e);
}

static void
stream_init(struct io *io, int i, const char *name)
{
	struct stream *s = &io->s[i];

	s->io = io;
	s->name = name;
	s->src = s->dst = s->keep = -1;
	s->src_watch.fd = s->dst_watch.fd = -1;
	tail_init(&s->tail);
	io->child[i] = -1;
}

struct io *
io_new(const struct io_config *c, struct err *e)
{
	static const char *const names[STREAMS] = { "stdin", "stdout",
		"stderr" };
	struct io *io = calloc(1, sizeof(*io));
	int i;

	if (!io) {
		err_set(e, ERR_EXHAUSTED, "stdio: out of memory");
		return NULL;
	}
	for (i = 0; i < STREAMS; i++)
		stream_init(io, i, names[i]);
	io->null = io->slave = io->master = -1;
	io->terminal = c->terminal;
	io->label = fmt_new("%s%s%s", c->id, c->exec_id[0] ? " " : "",
	    c->exec_id);
	if (!io->label) {
		err_set(e, ERR_EXHAUSTED, "stdio: out of memory");
		goto fail;
	}
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
		pump(&io->s[i]);
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
	if (in->open) {
		in->dst = fcntl(master, F_DUPFD_CLOEXEC, 0);
		if (in->dst < 0)
			return err_sys(e, "duplicate the terminal");
		pump(in);
	}
	if (out->open) {
		out->src = fcntl(master, F_DUPFD_CLOEXEC, 0);
		if (out->src < 0)
			return err_sys(e, "duplicate the terminal");
		out->tty = true;
		pump(out);
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
		pump(s);
}

void
io_drain(struct io *io, void (*done)(void *arg), void *arg)
{
	struct stream *out = &io->s[OUT];

	io->done = done;
	io->arg = arg;
	io->draining = true;
	io_child_done(io);
	if (io->s[IN].open)
		stream_close(&io->s[IN]);
	/* Without our slave the master ends when the last other has gone. */
	fd_close(&io->slave);
	if (io->terminal && out->open && out->src < 0)
		stream_end(out);	/* the terminal never came */
	timer_start(&io->stall, stall_ns, on_stall);
	timer_start(&io->limit, limit_ns, on_limit);
	if (out->open)
		pump(out);
	if (io->s[ERR].open)
		pump(&io->s[ERR]);
	check_drained(io);
}

bool
io_finished(const struct io *io)
{
	int i;

	for (i = 0; i < STREAMS; i++) {
		if (io->s[i].open && (!io->s[i].ended ||
		    tail_unread(&io->s[i].tail)))
			return false;
	}
	return true;
}

/* The client has no more interest. */
static void
stream_leave(struct stream *s)
{
	/* A terminal is hung up on. */
	if (s->ended || s->tty || s->src < 0) {
		s->dropped += fd_unread(s->src) + s->buf_len;
		stream_close(s);
		return;
	}
	fd_close(&s->keep);
	if (s->fifo && (fd_events(s->dst, POLLOUT) & POLLERR))
		s->dropped += fd_unread(s->dst);
	stream_discard(s);
	pump(s);
	if (s->open)
		log_info("%s: %s: still held by another process; what it "
		    "writes is dropped", s->io->label, s->name);
}

void
io_dump(const struct io *io)
{
	const struct stream *s;
	int i;

	for (i = 0; io && i < STREAMS; i++) {
		s = &io->s[i];
		if (!s->open)
			continue;
		log_info("dump: %s: %s: %llu bytes taken, %zu wait, %llu "
		    "dropped, %s", io->label, s->name,
		    (unsigned long long)s->bytes, s->ended ?
		    tail_unread(&s->tail) : fd_unread(s->src) + s->buf_len,
		    (unsigned long long)s->dropped, s->ended ? "at its end" :
		    s->dst_watch.fd >= 0 ? "its reader takes no more" :
		    "nothing to take");
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
	io->next = lefts;
	lefts = io;
	nlefts++;
	release(io);
	if (nlefts <= LEFT_MAX)
		return;
	for (io = lefts; io->next; io = io->next)
		;
	log_warn("%s: %u others are left for background processes: these get "
	    "EPIPE from now on", io->label, LEFT_MAX);
	stream_close(&io->s[OUT]);
	stream_close(&io->s[ERR]);
	release(io);
}
