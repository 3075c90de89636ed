/* SPDX-License-Identifier: Apache-2.0 */
/* console: see console.h. */
#include "console.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fmt.h"
#include "base/loop.h"

#define PREFIX "runsc-pty."
#define MESSAGE_MAX 4096
/* Descriptors that are looked at; one is right, more are closed. */
#define FDS_MAX 8

struct console {
	struct watch listener;
	struct watch peer;
	struct defer freed;
	void (*received)(void *arg, int fd, const struct err *e);
	void *arg;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void
tell(struct console *c, int fd, const struct err *e)
{
	void (*received)(void *, int, const struct err *) = c->received;

	loop_close_fd(&c->peer);
	loop_close_fd(&c->listener);
	c->received = NULL;
	if (received)
		received(c->arg, fd, e);
	else if (fd >= 0)
		close(fd);
}

/*
 * The one descriptor of a message; the rest is closed.  -1: not exactly one.
 * The kernel puts all that the sender passed into one control message, and no
 * other kind has been asked for.
 */
static int
take_fd(struct msghdr *msg)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(msg);
	int fds[FDS_MAX];
	size_t i, n;

	if (!cm || cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
		return -1;
	n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (n > FDS_MAX)
		n = FDS_MAX;
	memcpy(fds, CMSG_DATA(cm), n * sizeof(int));
	if (n == 1)
		return fds[0];
	for (i = 0; i < n; i++)
		close(fds[i]);
	return -1;
}

static void
on_peer(struct watch *w, uint32_t revents)
{
	struct console *c = container_of(w, struct console, peer);
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	char data[MESSAGE_MAX];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	unsigned number;
	struct err e;
	ssize_t n;
	int fd;

	(void)revents;
	n = recvmsg(w->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		err_set(&e, ERR_UNKNOWN, "console socket: %s", n ?
		    strerror(errno) : "closed without a terminal");
		tell(c, -1, &e);
		return;
	}
	fd = take_fd(&msg);
	if (fd >= 0 && ioctl(fd, TIOCGPTN, &number) < 0) {
		close(fd);
		fd = -1;
	}
	err_set(&e, ERR_UNKNOWN, "console socket: the message does not hold "
	    "exactly one terminal master");
	tell(c, fd, &e);
}

static void
on_listener(struct watch *w, uint32_t revents)
{
	struct console *c = container_of(w, struct console, listener);
	struct ucred cred;
	socklen_t len = sizeof(cred);
	struct err e;
	int fd;

	(void)revents;
	fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE ||
	    errno == ENOMEM || errno == ENOBUFS)) {
		/* It stays in the queue, and the loop would spin. */
		err_sys(&e, "accept on console socket");
		tell(c, -1, &e);
		return;
	}
	if (fd < 0)
		return;
	if (c->peer.fd >= 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred,
	    &len) < 0 || cred.uid != geteuid()) {
		close(fd);
		return;
	}
	if (loop_add(&c->peer, fd, EPOLLIN, LOOP_IO, on_peer, &e) < 0) {
		close(fd);
		tell(c, -1, &e);
	}
}

void
console_collect(struct console *c)
{
	if (c && c->received && c->peer.fd < 0)
		on_listener(&c->listener, EPOLLIN);
	if (c && c->received && c->peer.fd >= 0)
		on_peer(&c->peer, EPOLLIN);
}

struct console *
console_new(int bundle_fd, void (*received)(void *arg, int fd,
    const struct err *e), void *arg, struct err *e)
{
	static unsigned number;
	struct console *c = calloc(1, sizeof(*c));
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = -1;

	if (!c) {
		err_set(e, ERR_EXHAUSTED, "console socket: out of memory");
		return NULL;
	}
	c->listener.fd = -1;
	c->peer.fd = -1;
	c->received = received;
	c->arg = arg;
	fmt(c->path, sizeof(c->path), "/proc/%d/fd/%d/" PREFIX "%u",
	    (int)getpid(), bundle_fd, ++number);
	unlink(c->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		err_sys(e, "create console socket");
		goto fail;
	}
	memcpy(sun.sun_path, c->path, sizeof(sun.sun_path));
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
	    chmod(c->path, 0600) < 0 || listen(fd, 1) < 0) {
		err_sys(e, "listen on console socket %s", c->path);
		goto fail;
	}
	if (loop_add(&c->listener, fd, EPOLLIN, LOOP_IO, on_listener, e) < 0)
		goto fail;
	return c;
fail:
	if (fd >= 0)
		close(fd);
	console_free(c);
	return NULL;
}

const char *
console_path(const struct console *c)
{
	return c->path;
}

void
console_free(struct console *c)
{
	if (!c)
		return;
	loop_close_fd(&c->peer);
	loop_close_fd(&c->listener);
	c->received = NULL;
	unlink(c->path);
	loop_free(&c->freed, c);
}

int
console_pair(int *master, int *slave, unsigned width, unsigned height,
    struct err *e)
{
	struct winsize ws = {
		.ws_col = (unsigned short)width,
		.ws_row = (unsigned short)height,
	};
	int unlock = 0;

	*slave = -1;
	*master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*master >= 0 && ioctl(*master, TIOCSPTLCK, &unlock) == 0 &&
	    (!width || ioctl(*master, TIOCSWINSZ, &ws) == 0))
		*slave = ioctl(*master, TIOCGPTPEER,
		    O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave >= 0)
		return 0;
	err_sys(e, "open a terminal");
	fd_close(master);
	return -1;
}

void
console_remove(const char *bundle)
{
	struct dirent *d;
	struct stat st;
	DIR *dir = opendir(bundle);

	while (dir && (d = readdir(dir))) {
		if (strncmp(d->d_name, PREFIX, sizeof(PREFIX) - 1) == 0 &&
		    fstatat(dirfd(dir), d->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
			unlinkat(dirfd(dir), d->d_name, 0);
	}
	if (dir)
		closedir(dir);
}
