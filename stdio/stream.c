/* SPDX-License-Identifier: Apache-2.0 */
/* stream: see stream.h. */
#include "stdio/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/fd.h"
#include "base/log.h"
#include "wire/save.h"

#define SPLICE_TURN (1u << 20)	/* bytes of one stream in one turn */
#define COPY_TURN (64u << 10)
#define COPY_BYTES 4096		/* a page: what fits into one slot of a pipe */
#define FILE_BYTES (64u << 10)	/* a file takes all of it */
#define PIPE_DEFAULT (64 << 10)
/* Wished for the container's pipes: its writer and the shim then take turns
 * less often.  The client's FIFO stays as the client made it. */
#define PIPE_BYTES (256 << 10)
#define FULLS_MAX 16		/* times that the client was the slower one */

void
stream_init(struct stream *s, const char *name,
    void (*changed)(struct stream *s, bool moved))
{
	s->name = name;
	s->changed = changed;
	s->src = s->dst = s->keep = -1;
	s->src_watch.fd = s->dst_watch.fd = -1;
	tail_init(&s->tail);
}

/* -- watching ------------------------------------------------------------- */

static void
on_src(struct watch *w, uint32_t revents)
{
	(void)revents;
	stream_pump(container_of(w, struct stream, src_watch));
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
	fcntl(s->input ? s->dst : s->src, F_SETPIPE_SZ, PIPE_BYTES);
}

static void
on_dst(struct watch *w, uint32_t revents)
{
	struct stream *s = container_of(w, struct stream, dst_watch);

	(void)revents;
	if (++s->fulls == FULLS_MAX)
		widen(s);
	stream_pump(s);
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
	stream_pump(container_of(t, struct stream, watch_again));
}

/* A stream that nothing wakes up would stand still for ever. */
static void
watch(struct stream *s, struct watch *w, int fd, uint32_t events,
    void (*cb)(struct watch *w, uint32_t revents))
{
	struct err e;

	if (w->fd >= 0 || loop_add(w, fd, events, LOOP_IO, cb, &e) == 0)
		return;
	log_err("%s: %s: %s", s->label, s->name, e.msg);
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

/* -- the end of a stream -------------------------------------------------- */

void
stream_close(struct stream *s)
{
	watch_nothing(s);
	s->dropped += tail_stop(&s->tail);
	if (s->dropped)
		log_warn("%s: %s: %llu bytes dropped", s->label, s->name,
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
	s->changed(s, false);
}

/* Of two streams in one FIFO only the last to end has a tail. */
static bool
has_tail(const struct stream *s)
{
	return s->fifo && (!s->same || !s->same->open || s->same->ended);
}

/* The container takes no more from stdin. */
static void
stdin_end(struct stream *s)
{
	int reader = s->src;

	watch_nothing(s);
	s->src = -1;
	stream_close(s);
	s->open = s->ended = true;
	if (tail_start_input(&s->tail, reader, on_tail_changed))
		stream_close(s);
}

void
stream_end(struct stream *s)
{
	int writer = s->dst, reader = s->keep;

	if (s->input) {
		stdin_end(s);
		return;
	}
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

/* -- moving --------------------------------------------------------------- */

static void
drop(struct stream *s, size_t n, int err)
{
	if (!s->told_error)
		log_err("%s: %s: write: %s; what follows is dropped",
		    s->label, s->name, strerror(err));
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

/* What only waits costs nothing. */
static void
spare_buf(struct stream *s)
{
	if (s->copy || s->buf_len)
		return;
	free(s->buf);
	s->buf = NULL;
}

/*
 * A write goes into the last page of a FIFO where it fits there whole, else
 * into a new one, of which there are few (16).  So each page is filled before
 * the next: what nobody reads is then as much as the FIFO's size says.
 */
static ssize_t
write_buf(struct stream *s)
{
	size_t n = s->buf_len;
	ssize_t r;

	if (fd_unread(s->dst) == 0)
		s->room = COPY_BYTES;
	if (s->room > 0 && n > (size_t)s->room)
		n = (size_t)s->room;
	r = write(s->dst, s->buf + s->buf_off, n);
	if (r > 0 && s->room >= 0)
		s->room = (int)(s->room ? s->room - r : COPY_BYTES - r);
	return r;
}

/* Give the sink what is in buf.  False: it takes no more now, or is gone. */
static bool
flush_buf(struct stream *s)
{
	ssize_t n = write_buf(s);

	if (n >= 0) {
		s->buf_off += (size_t)n;
		s->buf_len -= (size_t)n;
		spare_buf(s);
		return true;
	}
	if (errno == EINTR)
		return true;
	if (errno == EAGAIN) {
		watch_dst(s);
		return false;
	}
	if (!s->input) {
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

/*
 * Is the next piece to be copied?  Spliced it takes a slot of the FIFO for
 * each page that it is in, however little that holds; so is what comes first,
 * all of which a client may want to read later.  The end of the source, too,
 * is only told by a splice when the sink has room.
 */
static bool
is_copied(const struct stream *s)
{
	return s->copy || (!s->file && (s->bytes < PIPE_DEFAULT ||
	    fd_unread(s->src) < COPY_BYTES));
}

/* Move one piece.  Returns the bytes moved; 0 when there is no more to do. */
static size_t
move(struct stream *s, size_t max)
{
	bool copied = is_copied(s);
	ssize_t n;

	if (copied && !s->file && !make_buf(s)) {
		watch_nothing(s);
		timer_start(&s->watch_again, WATCH_AGAIN_NS, on_watch_again);
		return 0;
	}
	if (copied) {
		n = copy_once(s);
		spare_buf(s);
	} else {
		n = splice(s->src, NULL, s->dst, NULL, max,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		s->room = -1;
	}
	if (n >= PIPE_DEFAULT)
		widen(s);
	if (n > 0) {
		s->bytes += (uint64_t)n;
		return (size_t)n;
	}
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && errno == EAGAIN) {
		/* There was something to splice; a file takes all. */
		if (copied || s->file)
			watch_src(s);
		else
			watch_dst(s);
		return 0;
	}
	if (n < 0 && errno == EIO && s->tty && !s->last) {
		/* No slave is open and none could be held: not the end, and
		 * watching a terminal that has hung up would spin. */
		watch_nothing(s);
		return 0;
	}
	/* Whatever a read says but EAGAIN is the end; a splice speaks of
	 * the sink. */
	if (n == 0 || copied || s->input) {
		stream_end(s);
		return 0;
	}
	if (errno == EINVAL && (s->file || make_buf(s)))
		s->copy = true;
	else
		sink_failed(s, errno);
	return 1;
}

void
stream_pump(struct stream *s)
{
	size_t left = SPLICE_TURN, n;
	bool progress = false;

	while (s->open && !s->ended) {
		if (s->copy && left > COPY_TURN)
			left = COPY_TURN;
		if (left == 0) {	/* others' turn; more is there */
			watch_src(s);
			break;
		}
		if (s->buf_len) {
			if (!flush_buf(s))
				break;
			progress = true;
			/* As below: what is on tells of more. */
			if (s->buf_len == 0 && !s->copy &&
			    s->src_watch.fd >= 0)
				break;
			continue;
		}
		n = move(s, left);
		if (n == 0)
			break;
		progress = true;
		/* Less than there was room for: the source is empty now, or
		 * the sink full.  The watch that is on tells when that has
		 * changed, or at once that it was the other one. */
		if (n < left && n > 1 && is_watched(s) && !s->copy &&
		    s->buf_len == 0)
			break;
		left -= n < left ? n : left;
	}
	s->changed(s, progress);
}

/* -- in use --------------------------------------------------------------- */

int
stream_copy(struct stream *s, struct err *e)
{
	s->copy = true;
	if (s->file || make_buf(s))
		return 0;
	return err_set(e, ERR_EXHAUSTED, "%s: out of memory", s->name);
}

bool
stream_drained(const struct stream *s)
{
	if (!s->open || s->ended)
		return true;
	return s->buf_len == 0 && !fd_events(s->src, POLLIN);
}

bool
stream_is_unclaimed(const struct stream *s)
{
	return s->open && s->tail.writer >= 0 && tail_unread(&s->tail) != 0;
}

bool
stream_is_being_read(const struct stream *s)
{
	return s->open && tail_is_being_read(&s->tail);
}

bool
stream_finished(const struct stream *s)
{
	return !s->open || (s->ended && tail_unread(&s->tail) == 0);
}

size_t
stream_waits(const struct stream *s)
{
	return fd_unread(s->src) + s->buf_len;
}

void
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
	stream_pump(s);
	if (s->open)
		log_info("%s: %s: still held by another process; what it "
		    "writes is dropped", s->label, s->name);
}

void
stream_dump(const struct stream *s)
{
	if (!s->open)
		return;
	log_info("dump: %s: %s: %llu bytes taken, %zu wait, %llu dropped, %s",
	    s->label, s->name, (unsigned long long)s->bytes, s->ended ?
	    tail_unread(&s->tail) : stream_waits(s),
	    (unsigned long long)s->dropped, s->ended ? "at its end" :
	    s->dst_watch.fd >= 0 ? "its reader takes no more" :
	    "nothing to take");
}

/* -- written down, and taken over ----------------------------------------- */

static const struct save_field fields[] = {
	SAVE_OPEN(struct stream, src), SAVE_OPEN(struct stream, dst),
	SAVE_OPEN(struct stream, keep), SAVE(struct stream, open),
	SAVE(struct stream, ended), SAVE(struct stream, fifo),
	SAVE(struct stream, file), SAVE(struct stream, copy),
	SAVE(struct stream, tty), SAVE(struct stream, last),
	SAVE(struct stream, discard), SAVE(struct stream, wide),
	SAVE(struct stream, told_error), SAVE(struct stream, fulls),
	SAVE(struct stream, room), SAVE_BYTES(struct stream, buf, buf_len),
	SAVE(struct stream, dropped), SAVE(struct stream, bytes),
	SAVE(struct stream, moves), SAVE_OPEN(struct stream, tail.writer),
	SAVE_OPEN(struct stream, tail.reader),
	SAVE_OPEN(struct stream, tail.watch.fd),
	SAVE(struct stream, tail.timer), SAVE_LAST
};

void
stream_save(struct pb_out *o, uint32_t num, struct stream *s)
{
	if (s->buf_len && s->buf_off)
		memmove(s->buf, s->buf + s->buf_off, s->buf_len);
	s->buf_off = 0;
	s->moves = is_watched(s) || timer_running(&s->watch_again);
	save_put_sub(o, num, fields, s);
}

int
stream_load(struct pb_bytes in, struct stream *s, struct err *e)
{
	uint8_t *part;

	if (save_get(in, fields, s, e) < 0)
		return -1;
	part = s->buf;
	if (s->buf_len > COPY_BYTES || s->room > COPY_BYTES ||
	    (part && (!s->open || s->ended)) ||
	    (s->moves && (!s->open || s->ended || s->src < 0 ||
	    (s->dst < 0 && !s->discard))))
		return save_bad(e);
	if (part) {
		s->buf = save_alloc(COPY_BYTES, e);
		if (!s->buf)
			return -1;
		memcpy(s->buf, part, s->buf_len);
		free(part);
	}
	if (s->moves && !save_is_checked())
		timer_start(&s->watch_again, 0, on_watch_again);
	return tail_resume(&s->tail, s->input, on_tail_changed, e);
}
