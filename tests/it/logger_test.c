/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logger_test: logging binaries that fail, and that leave a child, with the
 * real binary against the fake runsc.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "host.h"
#include "wire/pb.h"


static char uri[256];

/* A logging binary that is this shell script. */
static void
make_logger(const char *scheme, const char *script)
{
	char text[1024];

	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	write_text(in_dir("logger"), text);
	ck_assert_int_eq(chmod(in_dir("logger"), 0700), 0);
	snprintf(uri, sizeof(uri), "%s://%s", scheme, in_dir("logger"));
}

static const struct {
	const char *scheme;
	const char *script;	/* NULL: there is none */
	int code;		/* gRPC */
	const char *text;
} bad[] = {
	{ "binary", NULL, 5, "logger cannot be run: "
	    "No such file or directory" },
	{ "binary", "exit 3", 9, "logger ended with status 3" },
	{ "binary", "exit 0", 9, "logger ended with status 0" },
	{ "binary-v2", "exec 5>&-; exec cat <&3 >/dev/null", 9,
	    "says that it is not ready" },
	{ "binary-v2", NULL, 5, "logger cannot be run" },
};

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void
make_bad(int i)
{
	make_logger(bad[i].scheme, bad[i].script ? bad[i].script : "");
	if (!bad[i].script)
		ck_assert_int_eq(unlink(in_dir("logger")), 0);
}

/* 13.22: Create fails and says why; nothing of the container stays. */
START_TEST(bad_logger_of_init)
{
	make_bad(_i);
	ck_assert_int_eq(create("c1", "\"hang\"", uri), bad[_i].code);
	ck_assert_msg(strstr(client_error, bad[_i].text), "%s",
	    client_error);
	ck_assert_uint_eq(calls_of(" create "), 0);
	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

/* 13.22: so does Start of an exec; the container goes on. */
START_TEST(bad_logger_of_exec)
{
	make_bad(_i);
	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_exec(c, "c1", "e", PROCESS("\"hang\""), "",
	    uri, "", false), 0);
	ck_assert_int_eq(task_start(c, "c1", "e", NULL), bad[_i].code);
	ck_assert_msg(strstr(client_error, bad[_i].text), "%s",
	    client_error);
	ck_assert_int_eq(task_delete(c, "c1", "e", NULL), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

static uint32_t
send_create(const char *id, const char *out)
{
	struct pb_out o;
	uint32_t stream;

	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, id);
	pb_put_str(&o, 2, make_bundle(id, "\"hang\"", "", false));
	pb_put_str(&o, 6, out);
	stream = client_send(c, "Create", o.p, o.len);
	pb_out_free(&o);
	return stream;
}

static uint32_t
send_start(const char *id, const char *exec_id)
{
	struct pb_out o;
	uint32_t stream;

	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, id);
	pb_put_str(&o, 2, exec_id);
	stream = client_send(c, "Start", o.p, o.len);
	pb_out_free(&o);
	return stream;
}

static void
never_ready(void)
{
	make_logger("binary-v2", "echo >>${0%/*}/started; read x <&3");
}

static void
wait_started(void)
{
	await(access(in_dir("started"), F_OK) == 0);
}

/* 13.22: while Create waits, a Delete of the container ends it. */
START_TEST(deleted_while_not_ready)
{
	struct reply r;
	uint32_t stream;

	never_ready();
	ck_assert_int_eq(create("c0", "\"hang\"", ""), 0);
	stream = send_create("c1", uri);
	wait_started();
	/* Others are served meanwhile. */
	ck_assert_int_eq(task_start(c, "c0", "", NULL), 0);
	task_delete(c, "c1", "", NULL);
	ck_assert(client_recv(c, stream, &r, HANG_MS));
	ck_assert_int_eq(r.code, 1);
	remove_container("c0");
	shut_down();
}
END_TEST

/* 13.22: the container ends while an exec's Start waits. */
START_TEST(init_ends_while_not_ready)
{
	struct reply r;
	uint32_t stream;

	never_ready();
	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_exec(c, "c1", "e", PROCESS("\"hang\""), "",
	    uri, "", false), 0);
	stream = send_start("c1", "e");
	wait_started();
	ck_assert_int_eq(task_kill(c, "c1", "", 9, false), 0);
	ck_assert_int_eq(task_wait(c, "c1", "", NULL), 0);
	ck_assert(client_recv(c, stream, &r, HANG_MS));
	ck_assert_int_ne(r.code, 0);
	ck_assert_int_eq(task_delete(c, "c1", "e", NULL), 0);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

/* 13.23: the child of a binary that has ended gets every byte. */
START_TEST(reader_is_a_child)
{
	char script[512];
	struct stat st = { 0 };

	snprintf(script, sizeof(script), "exec 5>&-; out=${0%%/*}/got\n"
	    "(exec cat <&3 >$out) &\nexit 0");
	make_logger("binary", script);
	ck_assert_msg(create("c1", "\"fill:100000\"", uri) == 0, "%s",
	    client_error);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_wait(c, "c1", "", NULL), 0);
	await(stat(in_dir("got"), &st) == 0 && st.st_size >= 100000);
	ck_assert_int_eq(st.st_size, 100000);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

/* One that reads to the end of its input and ends is no fault; one that leaves
 * output unread is. */
START_TEST(end_of_a_logger)
{
	static const char *const scripts[] = {
		"exec 5>&-; out=${0%/*}/got\n"
		    "cat <&4 >>$out & cat <&3 >>$out; wait",
		"exec 5>&-; head -c 10 <&3 >${0%/*}/got",
	};
	bool told = false;
	char *text;

	make_logger("binary", scripts[_i]);
	make_bundle("c1", "\"fill:100000\"", "", false);
	write_text(in_dir("b/c1/log"), "");
	ck_assert_int_eq(create("c1", "\"fill:100000\"", uri), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_wait(c, "c1", "", NULL), 0);
	/* It is reaped, whenever that is. */
	await(count_children(daemon_pid()) == 0);
	text = read_text(in_dir("b/c1/log"));
	told = strstr(text, "logging binary") != NULL;
	ck_assert_msg(told == (_i == 1), "%s", text);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

/* The shim leaves; the logging binary has what was written before. */
START_TEST(reads_after_the_shim)
{
	int pid;

	make_logger("binary", "exec 5>&-; cd ${0%/*}; "
	    "until [ -e go ]; do sleep 0.01; done; cat <&3 >part; mv part all");
	ck_assert_int_eq(create("c1", "\"fill:20000\"", uri), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_wait(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	pid = daemon_pid();
	ck_assert_int_eq(task_simple(c, "Shutdown", "x"), 0);
	client_close(c);
	c = NULL;
	/* The last that it does. */
	await(access(address, F_OK) < 0);
	write_text(in_dir("go"), "");
	await(access(in_dir("all"), F_OK) == 0);
	daemon_leaves(pid);
	ck_assert_uint_eq(strlen(read_text(in_dir("all"))), 20000);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, reads_after_the_shim, deleted_while_not_ready, init_ends_while_not_ready);
	tcase_add_loop_test(tc, bad_logger_of_init, 0, COUNT(bad));
	tcase_add_loop_test(tc, bad_logger_of_exec, 0, COUNT(bad));
	tcase_add_loop_test(tc, reader_is_a_child, 0, 5);
	tcase_add_loop_test(tc, end_of_a_logger, 0, 2);
}

int
main(void)
{
	return host_run("logger", add);
}
