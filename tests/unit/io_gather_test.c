/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io_gather_test: output in small pieces that nobody reads yet: a FIFO holds
 * what its size says, and the end of the source is seen by itself.  A FIFO is
 * 16 pages, and what is spliced takes a page for each piece.
 */
#include <check.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "ends.h"

#define FIFO_BYTES 65536u
#define TOTAL (3u << 20)

static const char *in, *out;

static void
begin(void)
{
	setup();
	in = in_dir("in");
	out = in_dir("out");
	io_set_bounds(NEVER_NS, NEVER_NS, NS_PER_MS);
}

static struct io *
open_io(const char *stdin_path, const char *stdout_path,
    const char *stderr_path, int fds[3])
{
	struct io *io = new_io(stdin_path, stdout_path, stderr_path, false);

	take_ends(io, fds);
	return io;
}

/* What is in fd, from there on in data; its end if it has one. */
static size_t
read_rest(int fd)
{
	static uint8_t buf[FIFO_BYTES];
	size_t got = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		ck_assert_msg(memcmp(buf, data + got, (size_t)n) == 0,
		    "wrong bytes after %zu", got);
		got += (size_t)n;
	}
	return got;
}

static const unsigned pieces[] = { 1, 2, 100, 2049, 3000, 4095, 4096, 5000 };

/* 13.21: a client reads only after Delete: the FIFO's size is there, whatever
 * the pieces were, each taken by itself (_i even) or many at once; and the exit
 * waited for nobody. */
START_TEST(fifo_is_filled)
{
	unsigned piece = pieces[_i / 2], n = 0, k;
	int r = open(out, O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = open_io("", out, "", fds);

	while (n < FIFO_BYTES) {
		k = piece < FIFO_BYTES - n ? piece : FIFO_BYTES - n;
		ck_assert_int_eq(write(fds[1], data + n, k), (int)k);
		n += k;
		if (_i % 2 == 0 || n % 20000 < k)
			turn_all();
	}
	close(fds[1]);
	io_drain(io, on_drained, NULL);
	wait_drained();
	ck_assert_uint_eq(fd_unread(r), FIFO_BYTES);
	io_free(io);
	turn_all();
	ck_assert_uint_eq(read_rest(r), FIFO_BYTES);
	close(r);
	close(fds[0]);
	close(fds[2]);
}
END_TEST

/* 13.21: the same of both outputs in one FIFO, which nobody has open. */
START_TEST(one_fifo_of_both)
{
	int fds[3], r;
	struct io *io = open_io("", out, out, fds);
	unsigned i;

	for (i = 0; i < 200; i++) {
		ck_assert_int_eq(write(fds[1 + i % 2], data + i, 1), 1);
		turn_all();
	}
	close(fds[1]);
	close(fds[2]);
	io_drain(io, on_drained, NULL);
	wait_drained();
	r = open(out, O_RDONLY | O_NONBLOCK);
	turn_all();
	ck_assert_uint_eq(read_rest(r), 200);
	io_free(io);
	close(r);
	close(fds[0]);
}
END_TEST

/* 13.21: more than the FIFO holds, in small pieces and large ones by turns,
 * to a client that reads by fits and starts: no byte lost or out of place. */
START_TEST(small_and_large)
{
	static uint8_t buf[FIFO_BYTES];
	int r = open(out, O_RDONLY | O_NONBLOCK), fds[3];
	struct io *io = open_io("", out, "", fds);
	size_t wrote = 0, got = 0, k, seed = 1;
	int64_t since = loop_now();
	ssize_t n;

	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	while (got < TOTAL) {
		ck_assert_msg(loop_now() - since < HANG_NS, "stuck after %zu", got);
		seed = seed * 1103515245 + 12345;
		k = (seed >> 16) % 3 ? (seed >> 20) % 300 + 1 :
		    (seed >> 20) % 90000 + 1;
		if (k > TOTAL - wrote)
			k = TOTAL - wrote;
		n = k ? write(fds[1], data + wrote, k) : 0;
		wrote += n > 0 ? (size_t)n : 0;
		loop_turn(0);
		if ((seed >> 24) % 2 && wrote < TOTAL)
			continue;
		n = read(r, buf, (seed >> 18) % sizeof(buf) + 1);
		if (n <= 0)
			continue;
		ck_assert_msg(memcmp(buf, data + got, (size_t)n) == 0,
		    "wrong bytes after %zu", got);
		got += (size_t)n;
	}
	close(fds[1]);
	turn_all();
	ck_assert_int_eq(read(r, buf, 1), 0);
	io_free(io);
	close(r);
	close(fds[0]);
	close(fds[2]);
}
END_TEST

/* 13.21: stdin in small pieces that the container does not read yet. */
START_TEST(stdin_is_filled)
{
	int w, fds[3];
	struct io *io = open_io(in, "", "", fds);
	unsigned n;

	w = open(in, O_WRONLY | O_NONBLOCK);
	for (n = 0; n < 1000; n++) {
		ck_assert_int_eq(write(w, data + n, 1), 1);
		turn_all();
	}
	ck_assert_uint_eq(fd_unread(fds[0]), 1000);
	io_close_stdin(io);
	close(w);
	turn_all();
	ck_assert_uint_eq(read_rest(fds[0]), 1000);
	io_free(io);
	close_ends(fds);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, one_fifo_of_both, small_and_large, stdin_is_filled);
	tcase_add_loop_test(tc, fifo_is_filled, 0,
	    2 * (int)(sizeof(pieces) / sizeof(pieces[0])));
}

int
main(void)
{
	return suite_run("io_gather", begin, teardown, add);
}
