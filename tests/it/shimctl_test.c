/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shimctl_test: the client's command line and `run`, and a shim of our own for
 * what the real one never answers.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/pb.h"
#include "wire/ttrpc.h"
#include "ctl.h"

/* -- the command line ----------------------------------------------------- */

START_TEST(usage)
{
	static const char *const lines[][4] = {
		{ NULL }, { "nonsense" }, { "state" }, { "state", "a", "b" },
		{ "state", "a", "--nonsense" }, { "state", "a", "-t" },
		{ "-t", "state", "a" }, { "state", "a", "--exec" },
		{ "--timeout", "0", "state", "a" }, { "exec", "a" },
		{ "--timeout", "1s", "state", "a" }, { "state", "" },
		{ "run", "bundle" }, { "events" },
		{ "--socket-dir", "s", "state", "a" },
		{ "--socket-dir", "/run/of/more/bytes/than/is/room/for/their/names",
		    "state", "a" },
	};
	const char *const *l = lines[_i];

	ck_assert_int_eq(run(NULL, l[0], l[1], l[2], l[3]), 2);
	ck_says(err, "usage: shimctl");
	ck_assert_str_eq(out, "");
}
END_TEST
#define NUSAGE 16

START_TEST(help_and_version)
{
	ck_assert_int_eq(shell("$SHIMCTL --help | grep -q 'run BUNDLE ID'"), 0);
	ck_assert_int_eq(shell("$SHIMCTL -v | grep -q '^shimctl [0-9]'"), 0);
}
END_TEST

START_TEST(nobody_there)
{
	ck_assert_int_eq(run(NULL, "state", "x"), 1);
	ck_says(err, "shimctl: state x: no shim serves container x of "
	    "namespace default");
	ck_assert_int_eq(run(NULL, "--address", in_dir("no"), "state", "x"), 1);
	ck_says(err, "connect to the shim at");
	ck_says(err, "No such file or directory");
	ck_assert_int_eq(run(NULL, "kill", "x", "NOSUCH"), 1);
	ck_says(err, "\"NOSUCH\" is no signal");
	ck_assert_int_eq(run(NULL, "run", in_dir("nowhere"), "x"), 1);
	ck_says(err, "nowhere: No such file or directory");
	ok("list");
	ck_assert_str_eq(out, "");
	nothing_left();
}
END_TEST

START_TEST(no_shim_binary)
{
	make_bundle("c1", "\"exit:0\"", "", false);
	ck_assert_int_eq(run(NULL, "start-shim", "--shim", "/no/such/shim",
	    in_dir("b/c1"), "c1"), 1);
	ck_says(err, "run /no/such/shim: No such file or directory");
	nothing_left();
}
END_TEST

/* -- run ------------------------------------------------------------------ */

static const struct {
	const char *words;
	int status;
} ends[] = {
	{ "\"exit:0\"", 0 }, { "\"exit:7\"", 7 }, { "\"kill:9\"", 137 },
	{ "\"exit:255\"", 255 },
};

START_TEST(exit_statuses)
{
	char *bundle = make_bundle("c1", ends[_i].words, "", false);

	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), ends[_i].status);
	ck_assert_str_eq(err, "");
	ck_assert_int_eq(entries(bundle), 2);
	nothing_left();
}
END_TEST

START_TEST(output)
{
	char *bundle = make_bundle("c1", "\"echo:on out\",\"err:on err\","
	    "\"fill:500000\",\"exit:3\"", "", false);

	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), 3);
	ck_assert_int_eq(strlen(out), 500007);
	ck_assert_str_eq(err, "on err\n");
	nothing_left();
}
END_TEST

START_TEST(input)
{
	char *bundle = make_bundle("c1", "\"cat\",\"exit:4\"", "", false);

	ck_assert_int_eq(run("one\ntwo\n", "run", "-i", bundle, "c1"), 4);
	ck_assert_str_eq(out, "one\ntwo\n");
	ck_assert_int_eq(run("one\n", "run", bundle, "c1"), 4);
	ck_assert_str_eq(out, "");
	nothing_left();
}
END_TEST

/* Nobody reads: the process, which would not end by itself, is killed, and the
 * status is that of a program which SIGPIPE has ended. */
START_TEST(broken_output)
{
	make_bundle("c1", "\"fill:500000\",\"hang\"", "", false);
	ck_assert_int_eq(shell("{ timeout 20 $ctl run --shim $SHIM --config %s "
	    "%s c1 2>%s; echo $? >%s; } | head -c 10 >/dev/null",
	    in_dir("runsc.toml"), in_dir("b/c1"), in_dir("err"), in_dir("rc")),
	    0);
	ck_assert_str_eq(read_text(in_dir("rc")), "141\n");
	ck_assert_str_eq(read_text(in_dir("err")), "");
	ck_assert_int_eq(entries(in_dir("b/c1")), 2);
	nothing_left();
	start_container("c1", "\"hang\"");
	ck_assert_int_eq(shell("{ timeout 20 $ctl exec --exec e1 c1 fake "
	    "fill:500000 hang 2>%s; echo $? >%s; } | head -c 10 >/dev/null",
	    in_dir("err"), in_dir("rc")), 0);
	ck_assert_str_eq(read_text(in_dir("rc")), "141\n");
	ck_assert_str_eq(read_text(in_dir("err")), "");
	ck_assert_int_eq(run(NULL, "state", "c1", "--exec", "e1"), 1);
	end_container("c1");
}
END_TEST

static const struct {
	const char *words, *json, *to, *says;
} full[] = {
	{ "echo:x exit:0", "\"echo:x\",\"exit:0\"", ">/dev/full",
	    "write standard output: No space" },
	{ "echo:x hang", "\"echo:x\",\"hang\"", ">/dev/full",
	    "write standard output: No space" },
	/* Where there is no place for the message either. */
	{ "err:x hang", "\"err:x\",\"hang\"", "2>/dev/full", "" },
};

START_TEST(full_output)
{
	start_container("c1", "\"hang\"");
	ck_assert_int_eq(shell("timeout 20 $ctl exec --exec e1 c1 fake %s "
	    "2>%s %s", full[_i].words, in_dir("err"), full[_i].to) >> 8, 1);
	ck_says(read_text(in_dir("err")), full[_i].says);
	ck_assert_int_eq(run(NULL, "state", "c1", "--exec", "e1"), 1);
	end_container("c1");
	make_bundle("c2", full[_i].json, "", false);
	ck_assert_int_eq(shell("timeout 20 $ctl run --shim $SHIM --config %s "
	    "%s c2 2>%s %s", in_dir("runsc.toml"), in_dir("b/c2"),
	    in_dir("err"), full[_i].to) >> 8, 1);
	ck_says(read_text(in_dir("err")), full[_i].says);
	ck_assert_int_eq(entries(in_dir("b/c2")), 2);
	nothing_left();
}
END_TEST

START_TEST(full_output_of_others)
{
	static const char *const commands[] = { "list", "state c1", "ps c1",
		"exec -d c1 fake exit:0", "wait c1", "delete c1" };
	char words[256];
	size_t i;

	snprintf(words, sizeof(words), "\"wait:%s\",\"exit:0\"", in_dir("go"));
	start_container("c1", words);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i], "wait c1") == 0)
			write_text(in_dir("go"), "");
		ck_assert_int_eq(shell("$ctl %s 2>%s >/dev/full", commands[i],
		    in_dir("err")) >> 8, 1);
		ck_says(read_text(in_dir("err")), "No space left on device\n");
	}
	nothing_left();
}
END_TEST

/* Who attaches does not end what others have started. */
START_TEST(full_output_of_attach)
{
	char *bundle = make_bundle("c1", "\"read\",\"hang\"", "", false);
	int fd;

	mkfifo(in_dir("i"), 0600);
	mkfifo(in_dir("o"), 0600);
	fd = open(in_dir("i"), O_RDWR | O_CLOEXEC);
	ok("start-shim", bundle, "c1");
	ok("create", "--stdin", in_dir("i"), "--stdout", in_dir("o"), bundle,
	    "c1");
	ok("start", "c1");
	ck_assert_int_eq(write(fd, "x\n", 2), 2);
	ck_assert_int_eq(shell("timeout 20 $ctl attach c1 2>%s >/dev/full",
	    in_dir("err")) >> 8, 1);
	ck_says(read_text(in_dir("err")), "write standard output: No space");
	becomes("c1", "running");
	close(fd);
	end_container("c1");
}
END_TEST

START_TEST(events_of_run)
{
	char *bundle = make_bundle("c1", "\"exit:7\"", "", false), *p = err;
	static const char *const want[] = { "default /tasks/create c1 bundle=",
		"default /tasks/start c1 pid=", "default /tasks/exit c1 pid=",
		"status=7", "default /tasks/delete c1 pid=", "status=7" };
	size_t i;

	ck_assert_int_eq(run(NULL, "run", "--events", bundle, "c1"), 7);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		p = strstr(p, want[i]);
		ck_assert_msg(p != NULL, "%s is missing in: %s", want[i], err);
	}
	nothing_left();
}
END_TEST

START_TEST(create_fails)
{
	char *bundle = make_bundle("c1", "\"exit:0\"", "", false);

	write_text(in_dir("faults"), "create:fail=no such luck");
	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), 1);
	ck_says(err, "shimctl: run c1: ");
	ck_says(err, "no such luck");
	nothing_left();
	write_text(in_dir("faults"), "start:fail=no such file");
	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), 1);
	ck_says(err, "no such file");
	nothing_left();
}
END_TEST

START_TEST(taken_id)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false);

	start_container("c1", "\"hang\"");
	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), 1);
	ck_says(err, "already exists");
	becomes("c1", "running");
	end_container("c1");
}
END_TEST

START_TEST(signals_are_sent_on)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	pid_t pid = spawn(NULL, "run", bundle, "c1", (char *)NULL);

	becomes("c1", "running");
	kill(pid, SIGTERM);
	ck_assert_int_eq(finish(pid), 143);
	nothing_left();
}
END_TEST

/* Somebody kills the shim: what it has left goes, the container first. */
START_TEST(shim_killed)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	pid_t pid = spawn(NULL, "run", bundle, "c1", (char *)NULL), reaped;
	int status;

	becomes("c1", "running");
	ck_assert_int_eq(shell("kill -KILL $($ctl list | awk '{ print $1 }')"),
	    0);
	/* runsc waits for zombies, and the sandbox's parent is now this. */
	while ((reaped = waitpid(-1, &status, 0)) != pid)
		ck_assert_int_gt(reaped, 0);
	ck_assert_int_eq(status, 1 << 8);
	read_back(in_dir("err"), err, sizeof(err));
	ck_says(err, "closed the connection");
	ck_says(err, "shimctl: the shim of c1 has ended; what it left is "
	    "removed\n");
	ck_assert_int_eq(entries(bundle), 2);
	ck_assert_int_eq(entries(in_dir("r/default")), 0);
	nothing_left();
	/* And so the id can be had again. */
	make_bundle("c1", "\"exit:3\"", "", false);
	ck_assert_int_eq(run(NULL, "run", bundle, "c1"), 3);
	nothing_left();
}
END_TEST

/* A shim that closes every connection; live: it goes on listening. */
static pid_t
rude_shim(bool live)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char text[512];
	pid_t pid;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", in_dir("rude"));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	snprintf(text, sizeof(text), "#!/bin/sh\necho \"$@\" >>%s\n"
	    "case $* in *' start') echo unix://%s ;; esac\n"
	    "case $* in *' delete') %s ;; esac\n", in_dir("verbs"),
	    sun.sun_path, live ? ":" : "echo no such luck >&2; exit 1");
	write_text(in_dir("rude.sh"), text);
	chmod(in_dir("rude.sh"), 0700);
	pid = fork();
	if (pid > 0) {
		close(fd);
		return pid;
	}
	do
		close(accept(fd, NULL, NULL));
	while (live);
	_exit(0);
}

/* One that lives may serve another container of the id: that stays. */
START_TEST(connection_closed)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false), text[512];
	pid_t pid = rude_shim(_i == 0);

	write_text(in_dir("b/c1/state.json"), "{}");
	ck_assert_int_eq(run(NULL, "run", "--shim", in_dir("rude.sh"), bundle,
	    "c1"), 1);
	ck_says(err, "shimctl: run c1: ");
	snprintf(text, sizeof(text), "-namespace default -id c1 -address %s "
	    "-bundle %s delete\n", in_dir("sock"), bundle);
	ck_assert_int_eq(says(read_text(in_dir("verbs")), text), _i);
	ck_assert_int_eq(says(err, "clean up after the shim, which has ended: "
	    "no such luck\n"), _i);
	/* By which a later `delete` finds what is left. */
	ck_assert_int_eq(access(in_dir("b/c1/state.json"), F_OK), 0);
	kill(pid, SIGKILL);
	status_of(pid);
	nothing_left();
}
END_TEST

/* -- a shim of our own ---------------------------------------------------- */

/* Serve one connection: take requests, give each this reply; NULL: hang. */
static pid_t
fake_shim(const void *reply, size_t n)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	uint8_t head[TTRPC_HEADER], body[4096];
	int fd, conn;
	size_t len;
	pid_t pid;

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", in_dir("fake"));
	unlink(sun.sun_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	pid = fork();
	if (pid > 0) {
		close(fd);
		return pid;
	}
	conn = accept(fd, NULL, NULL);
	while (read(conn, head, sizeof(head)) == (ssize_t)sizeof(head)) {
		len = ttrpc_get_u32(head);
		if (len > sizeof(body) ||
		    recv(conn, body, len, MSG_WAITALL) != (ssize_t)len)
			break;
		if (!reply)
			continue;
		ttrpc_put_header(head, n, ttrpc_get_u32(head + 4),
		    TTRPC_RESPONSE);
		if (write(conn, head, sizeof(head)) < 0 ||
		    write(conn, reply, n) < 0)
			break;
	}
	_exit(0);
}

/* Response {2 StatsResponse {1 Any}} */
static void
stats_reply(struct pb_out *o, const char *type, const struct pb_out *metrics)
{
	size_t mark;

	pb_out_init(o, NULL, 0);
	mark = pb_begin(o, 2);
	pb_put_any(o, 1, type, metrics->p, metrics->len);
	pb_end(o, mark);
}

START_TEST(statistics)
{
	struct pb_out m, o;
	size_t mark, inner;
	pid_t pid;

	pb_out_init(&m, NULL, 0);
	mark = pb_begin(&m, 2);
	pb_put_uint(&m, 1, 12);
	pb_end(&m, mark);
	mark = pb_begin(&m, 4);
	inner = pb_begin(&m, 33);
	pb_put_uint(&m, 2, 4096);
	pb_end(&m, inner);
	pb_end(&m, mark);
	stats_reply(&o, "io.containerd.cgroups.v1.Metrics", &m);
	pid = fake_shim(o.p, o.len);
	ok("--address", in_dir("fake"), "stats", "c1");
	ck_assert_str_eq(out, "pids.current 12\nmemory.usage 4096\n");
	ck_assert_int_eq(status_of(pid), 0);
	pb_out_free(&m);
	pb_out_free(&o);

	pb_out_init(&m, NULL, 0);
	mark = pb_begin(&m, 2);
	pb_put_uint(&m, 1, 5000000000);
	pb_end(&m, mark);
	stats_reply(&o, "io.containerd.cgroups.v2.Metrics", &m);
	pid = fake_shim(o.p, o.len);
	ok("--address", in_dir("fake"), "stats", "c1");
	ck_assert_str_eq(out, "cpu.total_us 5000000000\n");
	ck_assert_int_eq(status_of(pid), 0);
	pb_out_free(&m);
	pb_out_free(&o);

	pb_out_init(&m, NULL, 0);
	stats_reply(&o, "other.Metrics", &m);
	pid = fake_shim(o.p, o.len);
	ck_assert_int_eq(run(NULL, "--address", in_dir("fake"), "stats", "c1"),
	    1);
	ck_says(err, "\"other.Metrics\"");
	ck_assert_int_eq(status_of(pid), 0);
	pb_out_free(&o);
}
END_TEST

START_TEST(shim_hangs)
{
	pid_t pid = fake_shim(NULL, 0);

	ck_assert_int_eq(run(NULL, "--timeout", "1", "--address",
	    in_dir("fake"), "state", "c1"), 1);
	ck_says(err, "does not answer");
	ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

START_TEST(bad_replies)
{
	static const struct {
		const char *p;
		size_t n;
		const char *says;
	} replies[] = {
		{ "\x0a\xff", 2, "malformed reply" },
		{ "\x0a\x06\x08\x05\x12\x02no", 8, "state c1: no" },
	};
	pid_t pid = fake_shim(replies[_i].p, replies[_i].n);

	ck_assert_int_eq(run(NULL, "--address", in_dir("fake"), "state", "c1"),
	    1);
	ck_says(err, replies[_i].says);
	ck_assert_int_eq(status_of(pid), 0);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, help_and_version, nobody_there, no_shim_binary, output,
	    input, broken_output, full_output_of_others, full_output_of_attach,
	    events_of_run, create_fails, taken_id, signals_are_sent_on,
	    shim_killed, statistics, shim_hangs);
	tcase_add_loop_test(tc, usage, 0, NUSAGE);
	tcase_add_loop_test(tc, exit_statuses, 0, 4);
	tcase_add_loop_test(tc, full_output, 0, 3);
	tcase_add_loop_test(tc, connection_closed, 0, 2);
	tcase_add_loop_test(tc, bad_replies, 0, 2);
}

int
main(void)
{
	return ctl_run("shimctl", add);
}
