/* SPDX-License-Identifier: Apache-2.0 */
/* io_terminal_test: what a process reads: stdin, and terminals. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ends.h"

/* -- stdin ---------------------------------------------------------------- */

/* Every size; the end of file comes from the client's close after CloseIO,
 * given before, in the middle of and after the data. */
START_TEST(stdin_sizes)
{
	size_t n = sizes[_i % 6], got;
	int when = _i / 6, fds[3], w;
	struct io *io = new_io(in_dir("in"), "", "", false);
	pid_t pid;

	take_ends(io, fds);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	w = open(in_dir("in"), O_WRONLY);
	ck_assert_int_ge(w, 0);
	if (when == 0)
		io_close_stdin(io);
	pid = write_in_child(w, n);
	close(w);
	got = 0;
	if (when == 1) {
		got = read_through(fds[0], 0, n / 2);
		io_close_stdin(io);
	}
	if (when == 2) {
		got = read_through(fds[0], 0, n);
		io_close_stdin(io);
	}
	got += read_through(fds[0], got, (size_t)-1);
	ck_assert_uint_eq(got, n);
	reap_ok(pid);
	io_close_stdin(io);
	close_ends(fds);
	io_free(io);
}
END_TEST

/* A client that leaves without CloseIO ends nothing: the next one goes on. */
START_TEST(stdin_client_comes_back)
{
	struct io *io = new_io(in_dir("in"), "", "", false);
	char c[8];
	int fds[3], w;

	take_ends(io, fds);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	w = open(in_dir("in"), O_WRONLY);
	ck_assert_int_eq(write(w, "ab", 2), 2);
	close(w);
	come_to_rest();
	ck_assert_int_eq(read(fds[0], c, sizeof(c)), 2);
	ck_assert_int_eq(read(fds[0], c, sizeof(c)), -1);
	come_to_rest();
	w = open(in_dir("in"), O_WRONLY);
	ck_assert_int_eq(write(w, "cd", 2), 2);
	come_to_rest();
	ck_assert_int_eq(read(fds[0], c, sizeof(c)), 2);
	io_close_stdin(io);
	come_to_rest();
	ck_assert_int_eq(read(fds[0], c, sizeof(c)), -1);
	close(w);
	come_to_rest();
	ck_assert_int_eq(read(fds[0], c, sizeof(c)), 0);
	close_ends(fds);
	io_free(io);
}
END_TEST

/* The container closes its stdin: the client gets EPIPE, and no one spins. */
START_TEST(stdin_refused)
{
	struct io *io = new_io(in_dir("in"), "", "", false);
	int fds[3], w;

	signal(SIGPIPE, SIG_IGN);
	take_ends(io, fds);
	w = open(in_dir("in"), O_WRONLY);
	close(fds[0]);
	ck_assert_int_eq(write(w, "ab", 2), 2);
	come_to_rest();
	ck_assert_int_eq(write(w, "ab", 2), -1);
	ck_assert_int_eq(errno, EPIPE);
	come_to_rest();
	close(w);
	close(fds[1]);
	close(fds[2]);
	io_free(io);
}
END_TEST

/* -- terminals ------------------------------------------------------------ */

START_TEST(terminal)
{
	int r = open(in_dir("out"), O_RDONLY | O_NONBLOCK), fds[3], m, s, w;
	struct io *io = new_io(in_dir("in"), in_dir("out"), "", true);
	struct winsize ws;
	struct err e;
	char text[8192];
	size_t n = 0;
	ssize_t k;

	io_child_fds(io, fds);
	ck_assert(fds[0] == -1 && fds[1] == -1 && fds[2] == -1);
	io_child_done(io);
	ck_assert_int_eq(io_resize(io, 80, 24, &e), 0);
	m = open_pty(&s);
	ck_assert_int_eq(io_attach_master(io, m, &e), 0);
	ck_assert_int_eq(ioctl(s, TIOCGWINSZ, &ws), 0);
	ck_assert(ws.ws_col == 80 && ws.ws_row == 24);
	ck_assert_int_eq(io_resize(io, 132, 50, &e), 0);
	ck_assert_int_eq(ioctl(s, TIOCGWINSZ, &ws), 0);
	ck_assert(ws.ws_col == 132 && ws.ws_row == 50);
	w = open(in_dir("in"), O_WRONLY);
	ck_assert_int_eq(write(w, "line\n", 5), 5);
	come_to_rest();
	ck_assert_int_eq(read(s, text, sizeof(text)), 5);
	/* Its echo. */
	turn_until((k = read(r, text, sizeof(text))) > 0);
	ck_assert_int_eq(k, 6);
	/* Closed and opened again: not the end, and nothing spins. */
	close(s);
	come_to_rest();
	s = ioctl(m, _IO('T', 0x41), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(s, 0);
	/* The tail: written and closed at once. */
	memset(text, 'x', 3000);
	ck_assert_int_eq(write(s, text, 3000), 3000);
	close(s);
	io_drain(io, on_drained, NULL);
	wait_drained();
	while ((k = read(r, text, sizeof(text))) > 0)
		n += (size_t)k;
	ck_assert_int_eq(k, 0);
	ck_assert_uint_eq(n, 3000);
	ck_assert(io_finished(io));
	io_free(io);
	close(w);
	close(r);
}
END_TEST

/* A terminal whose output nobody wants is read all the same, or its
 * process would stop for ever; and nobody types at /dev/null. */
START_TEST(terminal_without_clients)
{
	struct io *io = new_io(_i ? "/dev/null" : "", _i ? "/dev/null" : "",
	    "", true);
	char text[4096];
	size_t n = 0;
	struct err e;
	ssize_t k;
	int m, s;

	io_child_done(io);
	m = open_pty(&s);
	ck_assert_int_eq(io_attach_master(io, m, &e), 0);
	ck_assert_int_ge(fcntl(s, F_SETFL, O_NONBLOCK), 0);
	memset(text, 'x', sizeof(text));
	while (n < 1000000) {
		k = write(s, text, sizeof(text));
		ck_assert(k > 0 || errno == EAGAIN);
		n += k > 0 ? (size_t)k : 0;
		loop_turn(NS_PER_MS);
	}
	close(s);
	io_drain(io, on_drained, NULL);
	wait_drained();
	ck_assert(io_finished(io));
	io_free(io);
}
END_TEST

START_TEST(terminal_never_came)
{
	struct io *io = new_io("", in_dir("out"), "", true);

	io_child_done(io);
	io_drain(io, on_drained, NULL);
	wait_drained();
	io_free(io);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, stdin_client_comes_back, stdin_refused, terminal,
	    terminal_never_came);
	tcase_add_loop_test(tc, stdin_sizes, 0, 18);
	tcase_add_loop_test(tc, terminal_without_clients, 0, 2);
}

int
main(void)
{
	return suite_run("io_terminal", setup, teardown, add);
}
