/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shimctl_io: FIFOs, the terminal, and copying until a process has ended.
 *
 * Output is written with blocking writes: whoever reads it slowly slows the
 * container.  Input is read only while there is room for it.  Where our own
 * output cannot be written the copying ends with an error: a process whose
 * output nobody gets might never end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fmt.h"
#include "ctl/shimctl.h"

#define COPY_BYTES 16384
#define REST_MS 3000
#define KEY_LEAVE 0x1d		/* ^] */

static int signal_fd = -1;

int
private_dir(char *out, size_t cap, struct err *e)
{
	const char *base = getenv("TMPDIR");

	if (!base || !base[0])
		base = access("/run", W_OK) == 0 ? "/run" : "/tmp";
	if (fmt(out, cap, "%s/shimctl-XXXXXX", base) >= cap) {
		out[0] = '\0';
		return err_set(e, ERR_INVALID, "TMPDIR %s is too long: %zu "
		    "bytes are allowed", base, cap - 17);
	}
	if (!mkdtemp(out)) {
		out[0] = '\0';
		return err_sys(e, "create a directory in %s", base);
	}
	return 0;
}

static void
stdio_init(struct stdio *s)
{
	memset(s, 0, sizeof(*s));
	s->fd[0] = s->fd[1] = s->fd[2] = -1;
	s->reader = -1;
}

int
stdio_make(struct stdio *s, bool in, bool terminal, struct err *e)
{
	static const char *const names[] = { "stdin", "stdout", "stderr" };
	int i;

	stdio_init(s);
	s->terminal = terminal;
	if (private_dir(s->dir, sizeof(s->dir), e) < 0)
		return -1;
	for (i = 0; i < 3; i++) {
		if ((i == 0 && !in) || (i == 2 && terminal))
			continue;
		fmt(s->path[i], sizeof(s->path[i]), "%s/%s", s->dir, names[i]);
		if (mkfifo(s->path[i], 0600) < 0) {
			err_sys(e, "create %s", s->path[i]);
			stdio_close(s);
			return -1;
		}
	}
	/* Without a reader a FIFO cannot be opened for writing. */
	if (in)
		s->reader = open(s->path[0], O_RDONLY | O_NONBLOCK |
		    O_CLOEXEC);
	return stdio_open(s, in, e);
}

int
stdio_open(struct stdio *s, bool in, struct err *e)
{
	int i;

	for (i = 0; i < 3; i++) {
		if (!s->path[i][0] || (i == 0 && !in) ||
		    (i == 2 && strcmp(s->path[1], s->path[2]) == 0))
			continue;
		s->fd[i] = open(s->path[i], (i ? O_RDONLY : O_WRONLY) |
		    O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (s->fd[i] < 0) {
			err_sys(e, "open %s", s->path[i]);
			stdio_close(s);
			return -1;
		}
	}
	return 0;
}

void
stdio_taken(struct stdio *s)
{
	if (s->reader >= 0)
		close(s->reader);
	s->reader = -1;
}

static void
close_stream(struct stdio *s, int i)
{
	if (s->fd[i] >= 0)
		close(s->fd[i]);
	s->fd[i] = -1;
}

void
stdio_close(struct stdio *s)
{
	int i;

	if (s->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &s->saved);
	s->raw = false;
	stdio_taken(s);
	for (i = 0; i < 3; i++) {
		close_stream(s, i);
		if (s->dir[0] && s->path[i][0])
			unlink(s->path[i]);
	}
	if (s->dir[0])
		rmdir(s->dir);
	s->dir[0] = '\0';
}

/* -- copying -------------------------------------------------------------- */

static int
write_out(int fd, const char *p, size_t n)
{
	struct pollfd wait = { .fd = fd, .events = POLLOUT };
	ssize_t r;

	while (n) {
		r = write(fd, p, n);
		if (r < 0 && errno == EAGAIN)
			poll(&wait, 1, -1);
		else if (r < 0 && errno != EINTR)
			return -1;
		else if (r > 0) {
			p += r;
			n -= (size_t)r;
		}
	}
	return 0;
}

/* The shim waits some seconds for who takes nothing.  A child of ours reads on,
 * until the container's last process has gone. */
static void
discard_rest(const struct stdio *s)
{
	struct pollfd p[2] = {
		{ .fd = s->fd[1], .events = POLLIN },
		{ .fd = s->fd[2], .events = POLLIN },
	};
	char buf[COPY_BYTES];
	ssize_t n;
	int i;

	if (fork() != 0)
		return;
	while ((p[0].fd >= 0 || p[1].fd >= 0) && poll(p, 2, -1) > 0) {
		for (i = 0; i < 2; i++) {
			n = p[i].revents ? read(p[i].fd, buf, sizeof(buf)) : 1;
			if (n == 0 || (n < 0 && errno != EAGAIN &&
			    errno != EINTR))
				p[i].fd = -1;
		}
	}
	_exit(0);
}

/* Copy once from output i; false when there is nothing now. */
static bool
copy_output(struct stdio *s, int i)
{
	char buf[COPY_BYTES];
	ssize_t n = read(s->fd[i], buf, sizeof(buf));

	if (n > 0 && write_out(i, buf, (size_t)n) < 0) {
		s->lost = errno;
		s->lost_fd = i;
		/* Nothing more is wanted, not of the other one either. */
		discard_rest(s);
		close_stream(s, 1);
		close_stream(s, 2);
		return false;
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_stream(s, i);
	return n > 0;
}

/* 0, or the error of the output that could not be written. */
static int
check_output(const struct stdio *s, struct err *e)
{
	if (!s->lost)
		return 0;
	return err_errno(e, s->lost, "write standard %s",
	    s->lost_fd == STDOUT_FILENO ? "output" : "error");
}

static void
resize(struct relay *r)
{
	struct winsize ws;
	struct pb_out o;
	struct err e;

	if (!r->io->terminal || ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) < 0 ||
	    ws.ws_col == 0 || ws.ws_row == 0)
		return;
	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, r->id);
	pb_put_str(&o, 2, r->exec_id);
	pb_put_uint(&o, 3, ws.ws_col);
	pb_put_uint(&o, 4, ws.ws_row);
	/* It may have ended; nothing depends on it. */
	rpc_call(r->calls, "ResizePty", &o, NULL, &e);
}

static void
send_signal(struct relay *r, unsigned sig)
{
	struct pb_out o;
	struct err e;

	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, r->id);
	pb_put_str(&o, 2, r->exec_id);
	pb_put_uint(&o, 3, sig);
	if (rpc_call(r->calls, "Kill", &o, NULL, &e) < 0 &&
	    e.code != ERR_NOT_FOUND && e.code != ERR_PRECONDITION)
		fmt_write(STDERR_FILENO, "shimctl: send signal %u to %s: %s\n",
		    sig, r->id, e.msg);
}

static void
take_signal(struct relay *r)
{
	struct signalfd_siginfo si;

	if (read(signal_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGWINCH)
		resize(r);
	else
		send_signal(r, si.ssi_signo);
}

int
relay_signals(struct err *e)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1,
		SIGUSR2, SIGWINCH };
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return signal_fd < 0 ? err_sys(e, "create a signalfd") : 0;
}

struct input {
	char buf[COPY_BYTES];
	size_t n;
	size_t off;
	bool ended;		/* nothing more will come */
};

static void
end_input(struct relay *r)
{
	struct err e;

	/* Closed first: the shim delivers what is still in the FIFO. */
	close_stream(r->io, 0);
	rpc_simple(r->calls, "CloseIO", r->id, r->exec_id, NULL, &e);
}

static void
write_input(struct relay *r, struct input *in)
{
	ssize_t n = write(r->io->fd[0], in->buf + in->off, in->n - in->off);

	if (n > 0)
		in->off += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		close_stream(r->io, 0);	/* the process takes no more */
}

static void
read_input(struct relay *r, struct input *in)
{
	ssize_t n = read(STDIN_FILENO, in->buf, sizeof(in->buf));
	char *leave;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	in->off = 0;
	in->n = n > 0 ? (size_t)n : 0;
	in->ended = n <= 0;
	leave = r->io->leave && in->n ? memchr(in->buf, KEY_LEAVE, in->n) :
	    NULL;
	if (leave) {
		in->n = (size_t)(leave - in->buf);
		write_input(r, in);
		r->left = true;
	}
	if (in->ended)
		end_input(r);
}

static void
make_raw(struct stdio *s)
{
	struct termios t;

	if (!s->terminal || s->fd[0] < 0 ||
	    tcgetattr(STDIN_FILENO, &s->saved) < 0)
		return;
	t = s->saved;
	cfmakeraw(&t);
	s->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
}

/* One turn of the loop; true when it is the last: the reply to Wait is there,
 * or there is no use in waiting for it. */
static int
turn(struct relay *r, struct input *in)
{
	enum { WAIT, SIGNALS, OUT, ERR, IN, N };
	struct pollfd p[N + SINK_MAX + 1];
	struct stdio *s = r->io;
	bool full = in->off < in->n;

	p[WAIT] = (struct pollfd){ .fd = r->waiting->fd, .events = POLLIN };
	p[SIGNALS] = (struct pollfd){ .fd = signal_fd, .events = POLLIN };
	p[OUT] = (struct pollfd){ .fd = s->fd[1], .events = POLLIN };
	p[ERR] = (struct pollfd){ .fd = s->fd[2], .events = POLLIN };
	p[IN] = (struct pollfd){ .fd = s->fd[0] < 0 ? -1 : full ? s->fd[0] :
	    STDIN_FILENO, .events = full ? POLLOUT : POLLIN };
	if (sink_poll(p, N, -1) < 0)
		return -1;
	if (p[SIGNALS].revents)
		take_signal(r);
	if (p[OUT].revents)
		copy_output(s, 1);
	if (p[ERR].revents && s->fd[2] >= 0)
		copy_output(s, 2);
	if (p[IN].revents && full)
		write_input(r, in);
	else if (p[IN].revents)
		read_input(r, in);
	return p[WAIT].revents || r->left || s->lost;
}

int
relay_run(struct relay *r, struct err *e)
{
	static struct input in;
	struct rpc_reply reply;
	int i, rc;

	(void)signal(SIGPIPE, SIG_IGN);
	make_raw(r->io);
	resize(r);
	while ((rc = turn(r, &in)) == 0)
		;
	if (rc < 0)
		return err_sys(e, "wait for output of %s", r->id);
	if (r->left)
		return 0;
	/* What it wrote was in the FIFOs before its end was told. */
	for (i = 1; i < 3; i++) {
		while (r->io->fd[i] >= 0 && copy_output(r->io, i))
			;
	}
	if (check_output(r->io, e) < 0)
		return -1;
	if (rpc_receive(r->waiting, &reply, e) < 0)
		return -1;
	r->status = (unsigned)reply.f[1].v;
	rpc_reply_free(&reply);
	return 0;
}

int
relay_rest(struct relay *r, struct err *e)
{
	struct pollfd p[2 + SINK_MAX + 1];
	struct stdio *s = r->io;

	while (s->fd[1] >= 0 || s->fd[2] >= 0) {
		p[0] = (struct pollfd){ .fd = s->fd[1], .events = POLLIN };
		p[1] = (struct pollfd){ .fd = s->fd[2], .events = POLLIN };
		if (sink_poll(p, 2, REST_MS) <= 0)
			break;
		if (p[0].revents)
			copy_output(s, 1);
		if (p[1].revents && s->fd[2] >= 0)
			copy_output(s, 2);
	}
	return check_output(s, e);
}
