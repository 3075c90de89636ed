/* SPDX-License-Identifier: Apache-2.0 */
/* standin_test: processes that stand in for what runs in a sandbox. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gvisor/standin.h"
#include "turns.h"

/* With a sanitizer, or counting what runs (tests/gcov.h), the heap stays. */
#if defined(__SANITIZE_ADDRESS__) || defined(GCOV_H)
#define HEAP_STAYS true
#else
#define HEAP_STAYS false
#endif

static int exits, last_status;
static unsigned signals[8], nsignals;

static void
on_exit_status(struct child *c, int status)
{
	(void)c;
	exits++;
	last_status = status;
}

static void
on_signal(int sig)
{
	(void)sig;
}

static void
on_signaled(struct standin *s, unsigned sig)
{
	(void)s;
	ck_assert_uint_lt(nsignals, 8);
	signals[nsignals++] = sig;
}

static void
setup(void)
{
	struct err e;

	ck_assert_int_eq(loop_init(&e), 0);
	ck_assert_int_eq(child_init(on_signal, &e), 0);
}

static void
teardown(void)
{
	child_close();
	loop_close();
}

static void
start(struct standin *s, struct child *c, int tty)
{
	struct err e;

	ck_assert_msg(standin_start(s, c, "box", "e1", tty, on_exit_status,
	    on_signaled, &e) == 0, "%s", e.msg);
	ck_assert(child_running(c));
}

static const char *
text_of(pid_t pid, const char *name)
{
	static char text[4096];
	char path[64];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	f = fopen(path, "r");
	ck_assert(f != NULL);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	return text;
}

/* It has the name once it has come to be. */
static bool
is_there(pid_t pid)
{
	return strcmp(text_of(pid, "comm"), STANDIN_NAME "\n") == 0;
}

static unsigned
count_fds(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	ck_assert(dir != NULL);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static const unsigned statuses[] = { 0, 1, 137, 255 };

START_TEST(ends_as_told)
{
	struct standin s;
	struct child c;

	start(&s, &c, -1);
	standin_end(&s, statuses[_i]);
	turn_until(exits == 1);
	ck_assert(WIFEXITED(last_status));
	ck_assert_int_eq(WEXITSTATUS(last_status), statuses[_i]);
	standin_free(&s);
	standin_end(&s, 3);	/* which nobody hears */
}
END_TEST

/* It holds no descriptor but one, and no more than the first when there are
 * two. */
START_TEST(holds_nothing)
{
	struct standin s1, s2;
	struct child c1, c2;

	start(&s1, &c1, -1);
	await(is_there(c1.pid) && count_fds(c1.pid) == 1);
	start(&s2, &c2, -1);
	await(is_there(c2.pid) && count_fds(c2.pid) == 1);
	await(!child_holds_fds());
	/* Let go of, it ends, and says that nobody told it how. */
	standin_free(&s1);
	turn_until(exits == 1);
	ck_assert(WIFEXITED(last_status) && WEXITSTATUS(last_status) == 255);
	ck_assert(child_running(&c2));
	standin_free(&s2);
	turn_until(exits == 2);
}
END_TEST

START_TEST(is_killed)
{
	struct standin s;
	struct child c;

	start(&s, &c, -1);
	await(is_there(c.pid));
	kill(c.pid, SIGTERM);
	turn_until(exits == 1);
	ck_assert(WIFSIGNALED(last_status) && WTERMSIG(last_status) == SIGTERM);
	standin_free(&s);
}
END_TEST

/* What it would have had of ours in memory is not there. */
START_TEST(keeps_no_secret)
{
	static const char secret[] = "the-password-of-somebody";
	char *heap, *text, path[64];
	struct standin s;
	struct child c;
	ssize_t n;
	int fd;

	if (HEAP_STAYS) {
		printf("skipped: keeps_no_secret: the heap stays\n");
		return;
	}
	heap = malloc(1 << 20);
	text = malloc(1 << 20);
	/* It is in the heap, not in a mapping of its own. */
	free(heap);
	heap = malloc(64);
	strcpy(heap, secret);
	start(&s, &c, -1);
	await(is_there(c.pid) && count_fds(c.pid) == 1);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)c.pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		printf("skipped: keeps_no_secret: no way to look\n");
	await(fd < 0 ||
	    (n = pread(fd, text, 64, (off_t)(uintptr_t)heap)) <= 0 ||
	    memcmp(text, secret, sizeof(secret)) != 0);
	ck_assert_str_eq(heap, secret);
	close(fd);
	free(heap);
	free(text);
	standin_free(&s);
	turn_until(exits == 1);
}
END_TEST

/* It leads the session of its terminal: a new size and what is typed come as
 * signals, as many as there are listeners for. */
START_TEST(terminal)
{
	struct winsize size = { .ws_row = 3, .ws_col = 4 };
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int unlock = 0, slave;
	struct standin s;
	struct child c;

	ck_assert(master >= 0 && ioctl(master, TIOCSPTLCK, &unlock) == 0);
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(slave, 0);
	start(&s, &c, slave);
	await(is_there(c.pid) && count_fds(c.pid) == 1);
	ck_assert_int_eq(getsid(c.pid), c.pid);
	ck_assert_int_eq(write(master, "\003", 1), 1);
	turn_until(nsignals == 1);
	ck_assert_uint_eq(signals[0], SIGINT);
	ck_assert_int_eq(ioctl(master, TIOCSWINSZ, &size), 0);
	turn_until(nsignals == 2);
	ck_assert_uint_eq(signals[1], SIGWINCH);
	/* Not while one is on its way. */
	standin_listen(&s, false);
	kill(c.pid, SIGTERM);
	come_to_rest();
	ck_assert_uint_eq(nsignals, 2);
	standin_listen(&s, true);
	turn_until(nsignals == 3);
	ck_assert_uint_eq(signals[2], SIGTERM);
	standin_end(&s, 9);
	turn_until(exits == 1);
	ck_assert(WIFEXITED(last_status) && WEXITSTATUS(last_status) == 9);
	standin_free(&s);
	close(master);
	close(slave);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_loop_test(tc, ends_as_told, 0, 4);
	suite_add(tc, holds_nothing, is_killed, keeps_no_secret, terminal);
}

int
main(void)
{
	/* Its names and its memory are the emulator's. */
	if (getenv("EMULATOR")) {
		printf("skipped: standin under an emulator\n");
		return 0;
	}
	return suite_run("standin", setup, teardown, add);
}
