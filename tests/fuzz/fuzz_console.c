/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of the console socket, through a real one.  The input is what
 * peers do: per step one byte for the action and its operands.
 *
 *   low 3 bits 0-4: send; the next bits are how many descriptors go along
 *       (0-31), the byte after tells which are terminals' masters, the one
 *       after that how many of the input's next bytes are the data
 *   5: a second connection   6: close the connection   7: take now
 *
 * Whatever comes: received() is called at most once, with a terminal's master
 * or with a reason, and no descriptor stays open.
 */
#include "console.h"
#include "base/loop.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX 31
#define STEPS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static struct console *con;
static unsigned calls;
static int master = -1, no_master = -1;

static void
on_received(void *arg, int fd, const struct err *e)
{
	unsigned number;

	(void)arg;
	if (++calls > 1 || (fd < 0 && !e->msg[0]))
		abort();
	if (fd >= 0 && (ioctl(fd, TIOCGPTN, &number) < 0 ||
	    !(fcntl(fd, F_GETFD) & FD_CLOEXEC)))
		abort();
	if (fd >= 0)
		close(fd);
}

static int
connect_peer(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);

	strncpy(sun.sun_path, console_path(con), sizeof(sun.sun_path) - 1);
	/* Refused once the listener has gone. */
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
send_message(int peer, unsigned nfds, uint8_t kinds, const uint8_t *data,
    size_t len)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;
	int fds[FDS_MAX];
	unsigned i;

	for (i = 0; i < nfds; i++)
		fds[i] = kinds >> (i % 8) & 1 ? master : no_master;
	if (nfds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, nfds * sizeof(int));
	}
	sendmsg(peer, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Descriptor numbers are given lowest first. */
static int
next_fd(void)
{
	int fd = dup(no_master);

	close(fd);
	return fd;
}

static void
play(const uint8_t *in, size_t len)
{
	int peer = connect_peer(), other = -1;
	unsigned steps = 0, nfds;
	uint8_t kinds;
	size_t n;

	while (len > 0 && steps++ < STEPS_MAX) {
		nfds = in[0] >> 3;
		switch (*in++ & 7) {
		case 5:
			if (other < 0)
				other = connect_peer();
			len--;
			break;
		case 6:
			if (peer >= 0)
				close(peer);
			peer = -1;
			len--;
			break;
		case 7:
			console_collect(con);
			len--;
			break;
		default:
			if (len < 3)
				len = 3;	/* the last one, cut short */
			kinds = len > 3 ? in[0] : 1;
			n = len > 3 ? in[1] : 0;
			in += len > 3 ? 2 : 0;
			len -= 3;
			n = n < len ? n : len;
			if (peer >= 0)
				send_message(peer, nfds, kinds, in, n);
			in += n;
			len -= n;
			break;
		}
		loop_turn(0);
	}
	if (peer >= 0)
		close(peer);
	if (other >= 0)
		close(other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct err e;
	static int bundle = -1;
	int fd, i;

	if (master < 0) {
		bundle = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
		master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
		no_master = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (master < 0 || no_master < 0 || loop_init(&e) < 0)
			abort();
	}
	fd = next_fd();
	calls = 0;
	con = console_new(bundle, on_received, NULL, &e);
	if (!con)
		abort();
	play(in, len);
	for (i = 0; i < 3; i++)
		loop_turn(0);
	console_free(con);
	loop_turn(0);
	if (next_fd() != fd)
		abort();
	return 0;
}
