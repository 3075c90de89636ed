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
 * writer.  At the end our reader is closed; if that leaves no reader at all,
 * nobody has taken the data yet, and the writer stays open, which keeps the
 * data in the FIFO, until inotify tells that somebody has opened it.
 */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "log.h"
#include "logger.h"
#include "loop.h"

#define SPLICE_TURN (1u << 20)	/* bytes of one stream in one turn */
#define COPY_TURN (64u << 10)
#define COPY_BYTES 4096		/* kept for a sink that takes part of it */
#define FILE_BYTES (64u << 10)	/* a file takes all of it */
/* Wished for the container's pipes: its writer and the shim then take turns
 * less often.  The client's FIFO stays as the client made it. */
#define PIPE_BYTES (1 << 20)

enum { IN, OUT, ERR, STREAMS };

struct stream {
	struct io *io;
	const char *name;
	int src;
	int dst;
	int keep;		/* our other end of the client's FIFO, or -1 */
	int path;		/* O_PATH of the client's FIFO, or -1 */
	struct watch src_watch;
	struct watch dst_watch;
	struct watch inotify;
	bool open;
	bool ended;		/* source at its end, waits for a client */
	bool file;		/* sink is always writable, takes everything */
	bool copy;		/* the kernel refuses to splice this pair */
	bool tty;		/* source is a terminal's master */
	bool told_error;
	uint8_t *buf;		/* COPY_BYTES, only if copy and not file */
	size_t buf_off;
	size_t buf_len;
	uint64_t dropped;
};

struct io {
	struct stream s[STREAMS];
	int child[STREAMS];	/* the container's ends */
	int null;		/* for those that it has not got */
	bool terminal;
	struct logger *logger;	/* both outputs go there; or NULL */
	int slave;		/* held so that the master does not hang up */
	int master;		/* for the window size */
	unsigned width, height;
	char *label;		/* "ID" or "ID EXEC" for log lines */
	/* Draining. */
	bool draining;
	bool drained;
	void (*done)(void *arg);
	void *arg;
	struct timer stall;
	struct timer limit;
	struct defer tell;
	struct defer freed;
};

static int64_t stall_ns = IO_STALL_NS;
static int64_t limit_ns = IO_DRAIN_NS;

void
io_set_bounds(int64_t stall, int64_t limit)
{
	stall_ns = stall;
	limit_ns = limit;
}

static void pump(struct stream *s);

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static size_t
unread(int fd)
{
	int n = 0;

	if (fd < 0 || ioctl(fd, FIONREAD, &n) < 0 || n < 0)
		return 0;
	return (size_t)n;
}

static short
poll_now(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

/* -- watching ------------------------------------------------------------- */

static void
on_src(struct watch *w, uint32_t revents)
{
	(void)revents;
	pump(container_of(w, struct stream, src_watch));
}

static void
on_dst(struct watch *w, uint32_t revents)
{
	(void)revents;
	pump(container_of(w, struct stream, dst_watch));
}

static void
watch_nothing(struct stream *s)
{
	loop_del(&s->src_watch);
	loop_del(&s->dst_watch);
}

static void
watch_src(struct stream *s)
{
	struct err e;

	loop_del(&s->dst_watch);
	if (s->src_watch.fd < 0 &&
	    loop_add(&s->src_watch, s->src, EPOLLIN, LOOP_IO, on_src, &e) < 0)
		log_err("%s: %s: %s", s->io->label, s->name, e.msg);
}

/* A sink that cannot be watched (a file) is never waited for. */
static void
watch_dst(struct stream *s)
{
	struct err e;

	loop_del(&s->src_watch);
	if (s->dst_watch.fd < 0 &&
	    loop_add(&s->dst_watch, s->dst, EPOLLOUT, LOOP_IO, on_dst, &e) < 0)
		log_err("%s: %s: %s", s->io->label, s->name, e.msg);
}

/* -- draining ------------------------------------------------------------- */

static bool
stream_drained(const struct stream *s)
{
	if (!s->open || s->ended)
		return true;
	return s->buf_len == 0 && !poll_now(s->src, POLLIN);
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
check_drained(struct io *io)
{
	if (io->draining && !io->drained && stream_drained(&io->s[OUT]) &&
	    stream_drained(&io->s[ERR]))
		end_drain(io);
}

static void
drain_late(struct io *io, const char *why)
{
	int i;

	for (i = OUT; i <= ERR; i++) {
		if (!stream_drained(&io->s[i]))
			log_warn("%s: %s: %s, %zu bytes wait", io->label,
			    io->s[i].name, why,
			    unread(io->s[i].src) + io->s[i].buf_len);
	}
	end_drain(io);
}

static void
on_stall(struct timer *t)
{
	drain_late(container_of(t, struct io, stall),
	    "the client takes nothing");
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
	int ino = s->inotify.fd;

	watch_nothing(s);
	if (ino >= 0) {
		loop_del(&s->inotify);
		close(ino);
	}
	close_fd(&s->src);
	close_fd(&s->dst);
	close_fd(&s->keep);
	close_fd(&s->path);
	free(s->buf);
	s->buf = NULL;
	s->buf_len = 0;
	s->open = false;
}

/* Close if a client has the FIFO open: it gets what is in it and the end. */
static bool
close_if_client(struct stream *s)
{
	if (poll_now(s->dst, POLLOUT) & POLLERR)
		return false;
	stream_close(s);
	return true;
}

static void
on_fifo_opened(struct watch *w, uint32_t revents)
{
	struct stream *s = container_of(w, struct stream, inotify);
	char buf[512];

	(void)revents;
	while (read(w->fd, buf, sizeof(buf)) > 0)
		;
	close_if_client(s);
}

/* Have the loop tell when somebody opens the FIFO. */
static int
wait_for_client(struct stream *s, struct err *e)
{
	char path[32];
	int fd;

	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "create inotify");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->path);
	if (inotify_add_watch(fd, path, IN_OPEN) < 0) {
		err_sys(e, "watch the FIFO");
		close(fd);
		return -1;
	}
	if (loop_add(&s->inotify, fd, EPOLLIN, LOOP_IO, on_fifo_opened, e) < 0) {
		close(fd);
		return -1;
	}
	return 0;
}

/* The source is at its end and everything is in the sink. */
static void
stream_end(struct stream *s)
{
	struct err e;

	watch_nothing(s);
	close_fd(&s->src);
	if (s->path < 0 || s == &s->io->s[IN]) {
		stream_close(s);
		return;
	}
	s->ended = true;
	close_fd(&s->keep);
	if (close_if_client(s))
		return;
	if (unread(s->dst) == 0) {
		/* Nothing to lose: nobody need be waited for. */
		stream_close(s);
		return;
	}
	log_debug("%s: %s: %zu bytes wait for a client", s->io->label,
	    s->name, unread(s->dst));
	if (wait_for_client(s, &e) < 0) {
		log_warn("%s: %s: %s", s->io->label, s->name, e.msg);
		return;
	}
	close_if_client(s);	/* it may have come just before */
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

/* Give the sink what is in buf.  False: it takes no more now, or is gone. */
static bool
flush_buf(struct stream *s)
{
	ssize_t n = write(s->dst, s->buf + s->buf_off, s->buf_len);

	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN) {
		watch_dst(s);
		return false;
	}
	if (n < 0) {
		s->buf_len = 0;
		stream_end(s);
		return false;
	}
	s->buf_off += (size_t)n;
	s->buf_len -= (size_t)n;
	return true;
}

/* Read once and hand on; returns as read(2). */
static ssize_t
copy_once(struct stream *s)
{
	/* One for all: a file takes it whole before the next read. */
	static uint8_t big[FILE_BYTES];
	ssize_t n;

	if (s->file) {
		n = read(s->src, big, sizeof(big));
		if (n > 0)
			write_file(s, big, (size_t)n);
		return n;
	}
	if (!s->buf)
		s->buf = malloc(COPY_BYTES);
	if (!s->buf) {
		errno = EAGAIN;
		return -1;
	}
	n = read(s->src, s->buf, COPY_BYTES);
	s->buf_off = 0;
	s->buf_len = n > 0 ? (size_t)n : 0;
	return n;
}

/* Nothing moved: is it the source that is empty, or the sink that is full? */
static void
watch_what_stalls(struct stream *s)
{
	if (s->copy || !poll_now(s->src, POLLIN))
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
	if (n > 0)
		return (size_t)n;
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && errno == EINVAL && !s->copy) {
		s->copy = true;
		return 1;
	}
	if (n < 0 && errno == EAGAIN)
		watch_what_stalls(s);
	else if (n < 0 && errno == EIO && s->tty && !s->io->draining)
		/* No slave is open and none could be held: not the end, and
		 * watching a terminal that has hung up would spin. */
		watch_nothing(s);
	else
		stream_end(s);
	return 0;
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
		left -= n < left ? n : left;
	}
	if (s->io->draining && progress && timer_running(&s->io->stall))
		timer_start(&s->io->stall, stall_ns, on_stall);
	check_drained(s->io);
}

/* -- opening -------------------------------------------------------------- */

static int
open_fd_path(int path_fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	return open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/*
 * Look at what path names without following a link or opening it, so that
 * what is checked is what is opened.  Returns an O_PATH descriptor.
 */
static int
look_at(const char *path, struct stat *st, struct err *e)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fstat(fd, st) < 0) {
		err_sys(e, "look at %s", path);
		close(fd);
		return -1;
	}
	if (S_ISLNK(st->st_mode) || S_ISDIR(st->st_mode)) {
		close(fd);
		return err_set(e, ERR_INVALID,
		    "open %s: neither a FIFO nor a file", path);
	}
	return fd;
}

static int
hexdigit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
io_uri_decode(char *s, bool query)
{
	char *to = s;
	int hi, lo;

	for (; *s; s++) {
		if (*s == '+' && query) {
			*to++ = ' ';
			continue;
		}
		if (*s != '%') {
			*to++ = *s;
			continue;
		}
		hi = hexdigit(s[1]);
		lo = hi < 0 ? -1 : hexdigit(s[2]);
		if (lo < 0 || (hi == 0 && lo == 0))
			return -1;
		*to++ = (char)(hi << 4 | lo);
		s += 2;
	}
	*to = '\0';
	return 0;
}

/* The path of a file:// or fifo:// URI, decoded, into out. */
static int
uri_path(const char *uri, char *out, size_t cap, struct err *e)
{
	const char *p = strstr(uri, "://") + 3;
	size_t n = strcspn(p, "?#");

	if (n < cap) {
		memcpy(out, p, n);
		out[n] = '\0';
		if (io_uri_decode(out, false) == 0 && out[0] == '/')
			return 0;
	}
	return err_set(e, ERR_INVALID, "%s: not a URI of an absolute path",
	    uri);
}

static int
open_log_file(const char *uri, struct err *e)
{
	char path[PATH_MAX], *p;
	int fd;

	if (uri_path(uri, path, sizeof(path), e) < 0)
		return -1;
	for (p = path + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return err_sys(e, "create %s", path);
		*p = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY |
	    O_NONBLOCK, 0644);
	return fd < 0 ? err_sys(e, "open %s", path) : fd;
}

static bool
has_scheme(const char *s, const char *scheme)
{
	size_t n = strlen(scheme);

	return strncmp(s, scheme, n) == 0 && strncmp(s + n, "://", 3) == 0;
}

/* Open the client's end of an output. */
static int
open_sink(struct stream *s, const char *target, struct err *e)
{
	char decoded[PATH_MAX];
	const char *path = target;
	struct stat st;

	if (has_scheme(target, "file")) {
		s->dst = open_log_file(target, e);
		s->file = true;
		s->copy = true;
		return s->dst < 0 ? -1 : 0;
	}
	if (has_scheme(target, "fifo")) {
		if (uri_path(target, decoded, sizeof(decoded), e) < 0)
			return -1;
		path = decoded;
	} else if (strstr(target, "://")) {
		return err_set(e, ERR_UNIMPLEMENTED,
		    "output to %s: no such scheme here", target);
	}
	s->path = look_at(path, &st, e);
	if (s->path < 0)
		return -1;
	if (!S_ISFIFO(st.st_mode)) {
		s->dst = open_fd_path(s->path, O_WRONLY | O_APPEND);
		close_fd(&s->path);
		s->file = !S_ISCHR(st.st_mode) || major(st.st_rdev) == 1;
		s->copy = true;
		return s->dst < 0 ? err_sys(e, "open %s", path) : 0;
	}
	s->keep = open_fd_path(s->path, O_RDONLY);
	if (s->keep >= 0)
		s->dst = open_fd_path(s->path, O_WRONLY);
	return s->dst < 0 ? err_sys(e, "open %s", path) : 0;
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
	/* Refused where the user's limit is reached: then it is smaller. */
	fcntl(fds[0], F_SETPIPE_SZ, PIPE_BYTES);
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
	struct stat st;

	if (!c->in || !c->in[0])
		return 0;
	s->path = look_at(c->in, &st, e);
	if (s->path < 0)
		return -1;
	if (!S_ISFIFO(st.st_mode)) {
		/* A file needs nobody in between. */
		io->child[IN] = open_fd_path(s->path, O_RDONLY);
		close_fd(&s->path);
		return io->child[IN] < 0 ? err_sys(e, "open %s", c->in) : 0;
	}
	/* The reader first: then the writer, which keeps the FIFO from
	 * ending when a client leaves, opens without one. */
	s->src = open_fd_path(s->path, O_RDONLY);
	if (s->src >= 0)
		s->keep = open_fd_path(s->path, O_WRONLY);
	if (s->keep < 0)
		return err_sys(e, "open %s", c->in);
	if (!c->terminal && open_pipe(io, IN, c, e) < 0)
		return -1;
	s->open = true;
	return 0;
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
		s->copy = true;
	} else if (open_sink(s, target, e) < 0) {
		return -1;
	}
	if (!c->terminal && open_pipe(io, i, c, e) < 0)
		return -1;
	s->open = true;
	return 0;
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
	if (fcntl(out->dst, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, "make the pipe for %s non-blocking",
		    out->name);
	return 0;
}

static int
open_outputs(struct io *io, const struct io_config *c, struct err *e)
{
	const char *err = c->err;

	if (c->out && (has_scheme(c->out, "binary") ||
	    has_scheme(c->out, "binary-v2")))
		return open_logger(io, c, e);
	/* A terminal has no stderr; a URI names where both go. */
	if (c->terminal)
		err = "";
	else if (c->out && has_scheme(c->out, "file"))
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
	s->src = s->dst = s->keep = s->path = -1;
	s->src_watch.fd = s->dst_watch.fd = s->inotify.fd = -1;
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
	if (asprintf(&io->label, "%s%s%s", c->id, c->exec_id[0] ? " " : "",
	    c->exec_id) < 0) {
		io->label = NULL;
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
		close_fd(&io->child[i]);
	close_fd(&io->null);
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

	close_fd(&s->keep);
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
	close_fd(&io->slave);
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
	return !io->s[IN].open && !io->s[OUT].open && !io->s[ERR].open;
}

static void
free_now(struct defer *d)
{
	struct io *io = container_of(d, struct io, freed);

	free(io->label);
	free(io);
}

void
io_free(struct io *io)
{
	struct stream *s;
	size_t lost;
	int i;

	if (!io)
		return;
	timer_stop(&io->stall);
	timer_stop(&io->limit);
	io->done = NULL;
	for (i = 0; i < STREAMS; i++) {
		s = &io->s[i];
		if (i != IN && s->open) {
			lost = unread(s->src) + s->buf_len + s->dropped;
			close_fd(&s->keep);
			if (s->path >= 0 &&
			    (poll_now(s->dst, POLLOUT) & POLLERR))
				lost += unread(s->dst);
			if (lost)
				log_warn("%s: %s: %zu bytes dropped",
				    io->label, s->name, lost);
		}
		stream_close(s);
	}
	io_child_done(io);
	close_fd(&io->slave);
	close_fd(&io->master);
	logger_free(io->logger);
	loop_defer(&io->freed, free_now);
}
