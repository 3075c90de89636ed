/* SPDX-License-Identifier: Apache-2.0 */
/* standin: see standin.h. */
#include "gvisor/standin.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/fmt.h"
#include "wire/save.h"

#define SIGNALS 31
#define STATUS_UNKNOWN 255
#define STACK_NEED 4096
#define MAPS_MAX 4096		/* of /proc/self/maps */
/* glibc's dynamic linker has its own memory there, too, and binds late. */
#ifdef __GLIBC__
#define UNNAMED_IS_HEAP false
#else
#define UNNAMED_IS_HEAP true
#endif

static char *title;		/* the memory of the command line */
static size_t title_len;
static int told_fd;		/* in a stand-in: its end */

struct role {
	const char *id, *exec_id;
	int fd;
	int tty;
};

void
standin_init(int argc, char **argv)
{
	int i;

	/* The kernel puts one behind the other. */
	title = argv[0];
	for (i = 0; i < argc; i++)
		title_len = (size_t)(argv[i] + strlen(argv[i]) + 1 - title);
}

/* -- in the stand-in ------------------------------------------------------ */

static void
on_signal(int sig)
{
	unsigned char c = (unsigned char)sig;
	int err = errno;

	send(told_fd, &c, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	errno = err;
}

static void
lead_terminal(int tty)
{
	static const unsigned own = 1u << SIGKILL | 1u << SIGSTOP |
	    1u << SIGCHLD | 1u << SIGPIPE | 1u << SIGURG | 1u << SIGSEGV |
	    1u << SIGBUS | 1u << SIGILL | 1u << SIGFPE;
	struct sigaction sa = { .sa_handler = on_signal,
		.sa_flags = SA_RESTART };
	int i;

	setsid();
	ioctl(tty, TIOCSCTTY, 0);
	for (i = 1; i <= SIGNALS; i++) {
		if (!(own & 1u << i))
			sigaction(i, &sa, NULL);
	}
}

/* A hexadecimal number, and *p behind it. */
static uintptr_t
take_hex(const char **p)
{
	uintptr_t v = 0;

	for (;; (*p)++) {
		if (**p >= '0' && **p <= '9')
			v = v << 4 | (uintptr_t)(**p - '0');
		else if (**p >= 'a' && **p <= 'f')
			v = v << 4 | (uintptr_t)(**p - 'a' + 10);
		else
			return v;
	}
}

/* Drop from..end but where this process's own few variables are. */
static void
drop(uintptr_t from, uintptr_t end)
{
	const uintptr_t kept[] = { (uintptr_t)&told_fd, (uintptr_t)&errno };

	if ((kept[0] < from || kept[0] >= end) &&
	    (kept[1] < from || kept[1] >= end))
		madvise((void *)from, end - from, MADV_DONTNEED);
}

/*
 * What the shim had allocated, and what calls have left on its stack: its pages
 * would become this process's own as soon as the shim writes to them, and
 * there may be secrets in them, of another exec's environment.  Where there is
 * more than a program of this kind has (a debugger's memory), all of it stays.
 */
static void
drop_memory(void)
{
	char text[MAPS_MAX];
	const char *line = text, *name;
	uintptr_t from, end;
	long n = file_read("/proc/self/maps", text, sizeof(text));

	if (n <= 0 || n == (long)sizeof(text) - 1)
		return;
	for (; *line; line = strchr(line, '\n') + 1) {
		from = take_hex(&line);
		line++;
		end = take_hex(&line);
		/* " rw-p 00000000 00:00 0", and blanks before a name */
		if (strncmp(line, " rw-p 00000000 00:00 0", 22) != 0)
			continue;
		name = line + 22 + strspn(line + 22, " ");
		if ((*name == '\n' && UNNAMED_IS_HEAP) ||
		    strncmp(name, "[heap]", 6) == 0)
			drop(from, end);
		else if (strncmp(name, "[stack]", 7) == 0)
			drop(from, ((uintptr_t)&text - STACK_NEED) &
			    ~(uintptr_t)4095);
	}
}

static void
play(void *arg)
{
	const struct role *r = arg;
	unsigned char status;
	ssize_t n;

	told_fd = r->fd;
	prctl(PR_SET_NAME, STANDIN_NAME);
	if (title_len) {
		memset(title, 0, title_len);
		fmt(title, title_len, STANDIN_NAME " %s %s", r->id,
		    r->exec_id);
	}
	if (r->tty >= 0)
		lead_terminal(r->tty);
	fd_close_others(told_fd);
	drop_memory();
	do
		n = read(told_fd, &status, 1);
	while (n < 0 && errno == EINTR);
	_exit(n == 1 ? status : STATUS_UNKNOWN);
}

/* -- in the shim ---------------------------------------------------------- */

static void
on_told(struct watch *w, uint32_t revents)
{
	struct standin *s = container_of(w, struct standin, watch);
	unsigned char sig;
	ssize_t n = recv(w->fd, &sig, 1, MSG_DONTWAIT);

	(void)revents;
	if (n == 1)
		s->signaled(s, sig);
	else if (n == 0 || errno != EAGAIN)
		loop_del(w);	/* its end comes as a child's */
}

int
standin_start(struct standin *s, struct child *c, const char *id,
    const char *exec_id, int tty, void (*exited)(struct child *c, int status),
    void (*signaled)(struct standin *s, unsigned sig), struct err *e)
{
	struct role r = { .id = id, .exec_id = exec_id, .tty = tty };
	int fds[2], rc;

	*s = (struct standin)STANDIN_INIT;
	s->signaled = signaled;
	/* Not libc's, which brings along what kernels of old needed. */
	if (syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    fds) < 0)
		return err_sys(e, "create a pair of sockets");
	s->fd = fds[0];
	r.fd = fds[1];
	rc = tty < 0 ? 0 : loop_add(&s->watch, s->fd, EPOLLIN, LOOP_CHILD,
	    on_told, e);
	if (rc == 0)
		rc = child_fork(c, play, &r, exited, e);
	close(r.fd);
	if (rc < 0)
		standin_free(s);
	return rc;
}

void
standin_listen(struct standin *s, bool listen)
{
	if (s->watch.fd >= 0)
		loop_mod(&s->watch, listen ? EPOLLIN : 0);
}

void
standin_end(struct standin *s, unsigned status)
{
	unsigned char c = (unsigned char)status;

	s->status = (int)c;
	if (s->fd >= 0 && send(s->fd, &c, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		shutdown(s->fd, SHUT_WR);
}

int
standin_resume(struct standin *s, void (*signaled)(struct standin *s,
    unsigned sig), struct err *e)
{
	s->signaled = signaled;
	s->watch.fd = s->listens ? s->fd : -1;
	return save_watch(&s->watch, EPOLLIN, LOOP_CHILD, on_told, e);
}

void
standin_free(struct standin *s)
{
	loop_del(&s->watch);
	fd_close(&s->fd);
}
