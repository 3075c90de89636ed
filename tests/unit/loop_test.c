/* SPDX-License-Identifier: Apache-2.0 */
/* loop_test: order, removal in mid-batch, timers, deferred work; and the log,
 * whose lines containerd reads. */
#include <check.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "tests/suite.h"

static char order[64];
static int pipes[4][2];
static struct watch watches[4];
static struct timer timers[4];

static void
note(char c)
{
	order[strlen(order)] = c;
}

static void
on_watch(struct watch *w, uint32_t ev)
{
	char c;

	ck_assert(ev & EPOLLIN);
	ck_assert_int_eq(read(w->fd, &c, 1), 1);
	note((char)('a' + (w - watches)));
}

/* The first to run removes all the others. */
static void
on_remove(struct watch *w, uint32_t ev)
{
	int i;

	(void)ev;
	note((char)('a' + (w - watches)));
	for (i = 0; i < 4; i++)
		loop_del(&watches[i]);
}

static void
on_timer(struct timer *t)
{
	note((char)('0' + (t - timers)));
}

static void
on_stop_next(struct timer *t)
{
	on_timer(t);
	timer_stop(t + 1);
}

static void
setup(void)
{
	struct err e;
	int i;

	ck_assert_int_eq(loop_init(&e), 0);
	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(pipe2(pipes[i], O_CLOEXEC | O_NONBLOCK), 0);
		ck_assert_int_eq(write(pipes[i][1], "x", 1), 1);
		watches[i].fd = -1;
	}
	memset(order, 0, sizeof(order));
}

static void
teardown(void)
{
	loop_close();
}

START_TEST(priorities)
{
	static const enum loop_prio prio[] = { LOOP_RPC, LOOP_IO, LOOP_CHILD,
		LOOP_IO };
	struct err e;
	int i;

	for (i = 0; i < 4; i++)
		ck_assert_int_eq(loop_add(&watches[i], pipes[i][0], EPOLLIN,
		    prio[i], on_watch, &e), 0);
	timer_start(&timers[0], 0, on_timer);
	ck_assert_int_eq(loop_turn(0), 5);
	ck_assert_str_eq(order, "cbda0");
	ck_assert_int_eq(loop_turn(0), 0);
}
END_TEST

START_TEST(removed_in_the_batch)
{
	struct err e;
	int i;

	for (i = 0; i < 4; i++)
		ck_assert_int_eq(loop_add(&watches[i], pipes[i][0], EPOLLIN,
		    LOOP_IO, on_remove, &e), 0);
	ck_assert_int_eq(loop_turn(0), 1);
	ck_assert_uint_eq(strlen(order), 1);
	ck_assert_int_eq(loop_turn(0), 0);
	/* Again is nothing. */
	loop_del(&watches[0]);
}
END_TEST

START_TEST(events_change)
{
	struct err e;

	ck_assert_int_eq(loop_add(&watches[0], pipes[0][0], 0, LOOP_IO,
	    on_watch, &e), 0);
	ck_assert_int_eq(loop_turn(0), 0);
	loop_mod(&watches[0], EPOLLIN);
	ck_assert_int_eq(loop_turn(0), 1);
	ck_assert_int_eq(loop_add(&watches[1], -1, EPOLLIN, LOOP_IO, on_watch,
	    &e), -1);
	ck_assert(e.msg[0] != '\0');
}
END_TEST

START_TEST(timer_order)
{
	int64_t t0 = loop_now();

	timer_start(&timers[2], 30 * NS_PER_MS, on_timer);
	timer_start(&timers[0], 10 * NS_PER_MS, on_timer);
	timer_start(&timers[1], 20 * NS_PER_MS, on_timer);
	timer_start(&timers[3], 5 * NS_PER_MS, on_timer);
	ck_assert(timer_running(&timers[3]));
	timer_stop(&timers[3]);
	timer_stop(&timers[3]);
	ck_assert(!timer_running(&timers[3]));
	/* Started again: later. */
	timer_start(&timers[0], 40 * NS_PER_MS, on_timer);
	while (strlen(order) < 3)
		loop_turn(-1);
	ck_assert_str_eq(order, "120");
	ck_assert(loop_now() - t0 >= 40 * NS_PER_MS);
}
END_TEST

START_TEST(timer_stopped_by_another)
{
	timer_start(&timers[0], 0, on_stop_next);
	timer_start(&timers[1], 0, on_timer);
	loop_turn(5 * NS_PER_MS);
	loop_turn(5 * NS_PER_MS);
	ck_assert_str_eq(order, "0");
}
END_TEST

static struct defer d1, d2;

static void
on_defer(struct defer *d)
{
	note(d == &d1 ? 'D' : 'E');
	if (d == &d1)
		loop_defer(&d2, on_defer);
}

START_TEST(deferred)
{
	loop_defer(&d1, on_defer);
	loop_defer(&d1, on_defer);
	ck_assert_str_eq(order, "");
	loop_turn(-1);
	ck_assert_str_eq(order, "DE");
	ck_assert_int_eq(loop_turn(0), 0);
}
END_TEST

/* -- the log -------------------------------------------------------------- */

START_TEST(log_lines)
{
	char path[] = "/tmp/log-test.XXXXXX", text[4096];
	int fd = mkstemp(path);
	ssize_t n;

	ck_assert_int_eq(log_open(path), 0);
	log_info("say \"hi\" to\n%s", "a\tb\\c\x01");
	log_debug("not at this level");
	log_set_level(LOG_DEBUG);
	log_debug("now");
	n = read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	unlink(path);
	/* time="2026-11-23T20:00:00.123456789Z" level=info msg="..." ... */
	ck_assert(strncmp(text, "time=\"20", 8) == 0);
	ck_assert(text[10] == '-' && text[16] == 'T' && text[25] == '.' &&
	    text[35] == 'Z' && text[36] == '"');
	ck_assert_ptr_eq(strstr(text, " level=info msg=\"say \\\"hi\\\" to\\n"
	    "a\\tb\\\\c\\x01\" runtime=io.containerd.runsc.v1\n"), text + 37);
	ck_assert(strstr(text, "not at") == NULL);
	ck_assert(strstr(text, "level=debug msg=\"now\"") != NULL);
	close(fd);
}
END_TEST

/* Nobody reads: never waited for; counted, and told when there is room. */
START_TEST(log_full)
{
	char dir[] = "/tmp/log-test.XXXXXX", path[64], text[8192];
	unsigned long before = log_dropped();
	ssize_t n;
	int fd, i;

	ck_assert(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/log", dir);
	ck_assert_int_eq(mkfifo(path, 0700), 0);
	ck_assert_int_eq(log_open(path), 0);
	for (i = 0; i < 3000; i++)
		log_info("line %d of many", i);
	ck_assert_uint_gt(log_dropped(), before + 1000);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	while (read(fd, text, sizeof(text)) > 0)
		;
	log_info("after");
	n = read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	ck_assert(strstr(text, " lines dropped\"") != NULL);
	ck_assert(strstr(text, "msg=\"after\"") != NULL);
	close(fd);
	unlink(path);
	rmdir(dir);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, priorities, removed_in_the_batch, events_change,
	    timer_order, timer_stopped_by_another, deferred, log_lines,
	    log_full);
}

int
main(void)
{
	return suite_run("loop", setup, teardown, add);
}
