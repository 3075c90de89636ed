/* SPDX-License-Identifier: Apache-2.0 */
/* console_test: the socket on which runsc hands over a terminal, and what
 * else may come there. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "console.h"
#include "base/loop.h"
#include "turns.h"

static int calls;
static int got_fd;
static char got_msg[ERR_MSG_MAX];
static struct console *con;
static char bundle[64];
static int bundle_fd;

static void
on_received(void *arg, int fd, const struct err *e)
{
	ck_assert_ptr_eq(arg, &calls);
	calls++;
	got_fd = fd;
	snprintf(got_msg, sizeof(got_msg), "%s", fd < 0 ? e->msg : "");
}

static int
connect_peer(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", console_path(con));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void
send_fds(int peer, const int *fds, size_t n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(16 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (char *)"pty-master", 10 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	if (n) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, n * sizeof(int));
	}
	ck_assert_int_eq(sendmsg(peer, &msg, 0), 10);
}

static void
setup(void)
{
	struct err e;

	ck_assert_int_eq(loop_init(&e), 0);
	snprintf(bundle, sizeof(bundle), "/tmp/console_test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(bundle));
	bundle_fd = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	con = console_new(bundle_fd, on_received, &calls, &e);
	ck_assert_msg(con != NULL, "%s", e.msg);
	calls = 0;
	got_fd = -1;
}

static void
teardown(void)
{
	console_free(con);
	close(bundle_fd);
	ck_assert_int_eq(rmdir(bundle), 0);
	loop_turn(0);
	loop_close();
	if (got_fd >= 0)
		close(got_fd);
}

START_TEST(master)
{
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), peer = connect_peer();
	struct stat st;

	ck_assert_int_eq(stat(console_path(con), &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_uint_le(strlen(console_path(con)), 107);
	send_fds(peer, &m, 1);
	come_to_rest();
	ck_assert_int_eq(calls, 1);
	ck_assert_int_ge(got_fd, 0);
	ck_assert(isatty(got_fd));
	ck_assert(fcntl(got_fd, F_GETFD) & FD_CLOEXEC);
	close(m);
	close(peer);
}
END_TEST

START_TEST(not_a_terminal)
{
	int fd = open("/dev/null", O_RDWR), peer = connect_peer();

	send_fds(peer, &fd, 1);
	come_to_rest();
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(got_fd, -1);
	ck_assert(strstr(got_msg, "exactly one terminal") != NULL);
}
END_TEST

static unsigned
open_fds(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(wrong_numbers)
{
	int m[12], peer = connect_peer(), i;
	unsigned before;

	for (i = 0; i < 12; i++)
		m[i] = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	before = open_fds();
	/* None, two, and more than there is room for. */
	send_fds(peer, m, _i == 0 ? 0 : _i == 1 ? 2 : 12);
	come_to_rest();
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(got_fd, -1);
	/* None is kept; listener and connection are closed too.  (qemu-user
	 * loses those that there is no room for.) */
	if (_i < 2 || !getenv("EMULATOR"))
		ck_assert_uint_le(open_fds(), before);
	close(peer);
}
END_TEST

START_TEST(leaves_without_a_word)
{
	close(connect_peer());
	come_to_rest();
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(got_fd, -1);
	ck_assert(strstr(got_msg, "closed without a terminal") != NULL);
}
END_TEST

START_TEST(second_connection)
{
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), a = connect_peer(), b;
	char c;

	come_to_rest();
	b = connect_peer();
	come_to_rest();
	ck_assert_int_eq(recv(b, &c, 1, MSG_DONTWAIT), 0);
	ck_assert_int_eq(calls, 0);
	send_fds(a, &m, 1);
	come_to_rest();
	ck_assert_int_eq(calls, 1);
	ck_assert_int_ge(got_fd, 0);
}
END_TEST

/* The end of the process may be known before the loop has looked at the
 * socket: what is there then is taken at once, and nothing is waited for. */
START_TEST(collected)
{
	int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), peer;

	console_collect(NULL);
	console_collect(con);
	ck_assert_int_eq(calls, 0);
	peer = connect_peer();
	if (_i == 0)
		come_to_rest();	/* accepted already */
	console_collect(con);
	ck_assert_int_eq(calls, 0);
	send_fds(peer, &m, 1);
	console_collect(con);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_ge(got_fd, 0);
	console_collect(con);
	come_to_rest();
	ck_assert_int_eq(calls, 1);
	close(m);
	close(peer);
}
END_TEST

/* No descriptor left to accept with: told, not tried for ever. */
START_TEST(no_descriptors)
{
	struct rlimit old, none;
	int peer = connect_peer(), ran = 0, i;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (i = 0; i < 5; i++)
		ran += loop_turn(5 * NS_PER_MS);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(ran, 1);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(got_fd, -1);
	ck_assert(strstr(got_msg, "accept") != NULL);
	close(peer);
}
END_TEST

/* 13.12: what a shim that was killed left goes, and nothing else. */
START_TEST(left_behind)
{
	char other[96], file[96];
	int fd;

	snprintf(other, sizeof(other), "%s/pty.sock", bundle);
	ck_assert_int_eq(mknod(other, S_IFSOCK | 0600, 0), 0);
	snprintf(file, sizeof(file), "%s/runsc-pty.file", bundle);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(access(console_path(con), F_OK), 0);
	console_remove(bundle);
	ck_assert_int_eq(access(console_path(con), F_OK), -1);
	ck_assert_int_eq(unlink(other), 0);
	ck_assert_int_eq(unlink(file), 0);
	console_remove("/nonexistent");
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, master, not_a_terminal, leaves_without_a_word,
	    second_connection, no_descriptors, left_behind);
	tcase_add_loop_test(tc, wrong_numbers, 0, 3);
	tcase_add_loop_test(tc, collected, 0, 2);
}

int
main(void)
{
	return suite_run("console", setup, teardown, add);
}
