/* SPDX-License-Identifier: Apache-2.0 */
/* io_logger_test: logging binaries, and what background processes hold. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "stdio/logger.h"
#include "ends.h"

/* -- logging binaries ----------------------------------------------------- */

static void
make_logger(const char *script)
{
	FILE *f = fopen(in_dir("logger"), "w");

	ck_assert(f != NULL);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	chmod(in_dir("logger"), 0700);
}

static bool
file_has(const char *path, const char *text)
{
	char buf[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	return strstr(buf, text) != NULL;
}

START_TEST(logging_binary)
{
	char uri[256];
	struct io *io;
	int fds[3];

	need_children();
	make_logger("exec 5>&-; cd ${0%/*} || exit 1; "
	    "for a in \"$CONTAINER_ID\" \"$CONTAINER_NAMESPACE\" \"$@\"; "
	    "do printf \"[%s]\" \"$a\"; done >args; "
	    "cat <&3 >got1 & cat <&4 >got2; wait; echo end >ended");
	snprintf(uri, sizeof(uri), "binary://%s/logger?k=v%%20w&flag&k=2#x", dir);
	io = new_io("", uri, "", false);
	take_ends(io, fds);
	close(fds[0]);
	ck_assert_int_eq(write(fds[1], "hello", 5), 5);
	ck_assert_int_eq(write(fds[2], "wrong", 5), 5);
	close(fds[1]);
	close(fds[2]);
	io_drain(io, on_drained, NULL);
	wait_drained();
	io_free(io);
	turn_until(file_has(in_dir("ended"), "end"));
	turn_until(file_has(in_dir("args"), "[c][n][k][v w][flag][]"));
	turn_until(file_has(in_dir("got1"), "hello"));
	turn_until(file_has(in_dir("got2"), "wrong"));
}
END_TEST

/* Its death neither kills nor blocks the writer. */
START_TEST(logging_binary_dies)
{
	char uri[256];
	struct io *io;
	pid_t pid;
	int fds[3];

	need_children();
	make_logger("exit 3");
	snprintf(uri, sizeof(uri), "binary://%s/logger", dir);
	io = new_io("", uri, "", false);
	take_ends(io, fds);
	pid = write_in_child(fds[1], BIG);
	close_ends(fds);
	/* It ends, and child.c takes it. */
	turn_until(kill(pid, 0) < 0);
	io_drain(io, on_drained, NULL);
	wait_drained();
	io_free(io);
	come_to_rest();
}
END_TEST

/* The streams that background processes hold are not without number. */
START_TEST(many_are_left)
{
	enum { N = 257 };
	static int ends[N][3];
	unsigned before = open_fds();
	struct io *io;
	int i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < N; i++) {
		io = new_io("", in_dir("out"), "", false);
		take_ends(io, ends[i]);
		close(ends[i][0]);
		close(ends[i][2]);
		io_free(io);
	}
	come_to_rest();
	for (i = 0; i < N; i++) {
		errno = 0;
		ck_assert_int_eq(write(ends[i][1], "x", 1), i ? 1 : -1);
		ck_assert_int_eq(errno, i ? 0 : EPIPE);
		close(ends[i][1]);
	}
	turn_until(open_fds() == before);
}
END_TEST

static pid_t
number_in(const char *path)
{
	FILE *f = fopen(path, "r");
	int n = 0;

	ck_assert(f != NULL);
	ck_assert_int_eq(fscanf(f, "%d", &n), 1);
	fclose(f);
	return n;
}

/* What a background child writes after io_free() is the binary's; after its
 * death it is dropped. */
START_TEST(logging_binary_after_free)
{
	unsigned before;
	char uri[256];
	struct io *io;
	int fds[3], i;
	pid_t pid;

	need_children();
	before = open_fds();
	signal(SIGPIPE, SIG_IGN);
	make_logger("exec 5>&-; cd ${0%/*} || exit 1; echo $$ >pid; "
	    "exec cat <&3 >got");
	snprintf(uri, sizeof(uri), "binary-v2://%s/logger", dir);
	logger_set_bounds(NS_PER_S, 300 * NS_PER_MS, 300 * NS_PER_MS);
	io = new_io("", uri, "", false);
	take_ends(io, fds);
	ck_assert_int_eq(write(fds[1], "before ", 7), 7);
	io_drain(io, on_drained, NULL);
	wait_drained();
	io_free(io);
	ck_assert_int_eq(write(fds[1], "after", 5), 5);
	turn_until(file_has(in_dir("got"), "before after"));
	/* SIGTERM comes. */
	pid = number_in(in_dir("pid"));
	turn_until(kill(pid, 0) < 0);
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(write(fds[1], data, 4096), 4096);
		loop_turn(0);
	}
	close_ends(fds);
	turn_until(open_fds() == before);
}
END_TEST

/* One that neither reads nor ends nor heeds SIGTERM. */
START_TEST(logging_binary_stubborn)
{
	unsigned before;
	char uri[256];
	struct io *io;
	int64_t t0;
	int fds[3];

	need_children();
	before = open_fds();
	make_logger("trap '' TERM; echo $$ >${0%/*}/pid; while :; do "
	    "sleep 0.05; done");
	snprintf(uri, sizeof(uri), "binary://%s/logger", dir);
	logger_set_bounds(50 * NS_PER_MS, 200 * NS_PER_MS, 300 * NS_PER_MS);
	io = new_io("", uri, "", false);
	take_ends(io, fds);
	close_ends(fds);
	turn_until(file_has(in_dir("pid"), "\n"));
	io_free(io);
	t0 = loop_now();
	turn_until(open_fds() <= before);
	ck_assert(loop_now() - t0 >= 450 * NS_PER_MS);
}
END_TEST

/* A terminal's output, to a binary that lives and to one that dies. */
START_TEST(logging_binary_of_a_terminal)
{
	static char block[4096];
	char uri[256];
	struct err e;
	struct io *io;
	int s, i, k;

	need_children();
	make_logger(_i ? "exit 3" : "exec 5>&-; cd ${0%/*} || exit 1; "
	    "cat <&4 >got2; cat <&3 >got1; echo end >ended");
	snprintf(uri, sizeof(uri), "binary://%s/logger", dir);
	io = new_io("", uri, "", true);
	ck_assert_int_eq(io_attach_master(io, open_pty(&s), &e), 0);
	memset(block, 'x', sizeof(block));
	fcntl(s, F_SETFL, O_NONBLOCK);
	for (i = k = 0; i < 100 * 4096 && k < 2000; k++) {
		ssize_t n = write(s, block, sizeof(block));

		i += n > 0 ? (int)n : 0;
		loop_turn(n > 0 ? 0 : 5 * NS_PER_MS);
	}
	ck_assert_int_ge(i, 100 * 4096);
	close(s);
	io_drain(io, on_drained, NULL);
	wait_drained();
	io_free(io);
	if (_i == 0) {
		turn_until(file_has(in_dir("ended"), "end"));
		turn_until(file_has(in_dir("got1"), "xxx"));
	}
}
END_TEST

START_TEST(logging_binary_missing)
{
	char uri[256];
	struct io *io;
	int fds[3];

	need_children();
	snprintf(uri, sizeof(uri), "binary://%s/nothing-here", dir);
	io = new_io("", uri, "", false);
	take_ends(io, fds);
	come_to_rest();
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	come_to_rest();
	close_ends(fds);
	come_to_rest();
	io_free(io);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, logging_binary, logging_binary_dies, many_are_left,
	    logging_binary_after_free, logging_binary_stubborn,
	    logging_binary_missing);
	tcase_add_loop_test(tc, logging_binary_of_a_terminal, 0, 2);
}

int
main(void)
{
	return suite_run("io_logger", setup, teardown, add);
}
