/* SPDX-License-Identifier: Apache-2.0 */
/*
 * says_test: what runsc says, and what clients are told of it: notices beside
 * what is parsed, several errors in one log, a runsc that cannot be executed,
 * names with "detach" in them, many who ask the same.  The real binary, the
 * fake runsc.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "host.h"

#define POD(type) "\"io.kubernetes.cri.container-type\":\"" type "\"," \
	"\"io.kubernetes.cri.sandbox-id\":\"pod\""
#define ASKERS 200

static void
make_sub(const char *id, const char *words)
{
	struct create_args a = { .id = id, .in = "", .out = "", .err = "",
		.config_path = toml };

	a.bundle = make_bundle(id, words, POD("container"), false);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, id, "", NULL), 0);
}

/* 13.15: a line of a wrapper or of a release on either stream is no answer. */
START_TEST(notices)
{
	static const char *const rules[] = {
		"*:stderr=WARNING: this release is old", "*:big=70000",
		"*:stdout=WARNING: this release is old",
		"*:stdout=a;*:stderr={\"exitStatus\":9}",
	};
	struct create_args a = { .id = "pod", .in = "", .out = "", .err = "",
		.config_path = toml };
	struct task_reply t;

	write_toml("control_socket = \"off\"\n");
	faults(rules[_i]);
	a.bundle = make_bundle("pod", "\"hang\"", POD("sandbox"), false);
	start_shim("pod", a.bundle);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, "pod", "", NULL), 0);
	make_sub("k", held("\"exit:5\""));
	ck_assert_msg(task_simple(c, "Stats", "k") == 0, "%s", client_error);
	ck_assert_int_eq(task_pids(c, "k", &t), 0);
	ck_assert_uint_eq(t.npids, 1);
	let_go();
	ck_assert_int_eq(task_wait(c, "k", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 5);
	ck_assert_int_eq(task_delete(c, "k", "", NULL), 0);
	remove_container("pod");
	shut_down();
}
END_TEST

/* 13.16: the cause is in an earlier error of the same log; both are told, the
 * cause first. */
START_TEST(cause_comes_first)
{
	faults("create:log={\"msg\":\"mounting /x: no such file\","
	    "\"level\":\"error\"}{\"msg\":\"fine\",\"level\":\"info\"};"
	    "create:fail=waiting for sandbox to start: EOF");
	ck_assert(create("c1", "\"hang\"", "") != 0);
	ck_assert_msg(strstr(client_error, "create failed: mounting /x: no such "
	    "file; ") != NULL, "%s", client_error);
	ck_assert_msg(strstr(client_error, "waiting for sandbox to start: EOF") !=
	    NULL, "%s", client_error);
	shut_down();
}
END_TEST

/* What runsc has against its flags stands on the container's stderr, before it
 * has a log; it says so again when it is asked for nothing. */
START_TEST(flags_refused)
{
	faults("create:exit=2;help:stderr=flag provided but not defined: -odd;"
	    "help:exit=2");
	ck_assert(create("c1", "\"hang\"", "") != 0);
	ck_assert_msg(strstr(client_error, "create failed: flag provided but "
	    "not defined: -odd") != NULL, "%s", client_error);
	/* There is nothing to say. */
	faults("create:exit=2");
	ck_assert(create("c1", "\"hang\"", "") != 0);
	ck_assert_msg(strstr(client_error, "runsc create ended with exit "
	    "status 2") != NULL, "%s", client_error);
	faults("");
	shut_down();
}
END_TEST

/* 13.17: why runsc cannot be executed has the code of its errno. */
START_TEST(errno_of_exec)
{
	static const struct {
		const char *text;
		int code;
	} kinds[] = {
		{ NULL, NOT_FOUND },		/* is not there */
		{ "", PERMISSION },		/* is not executable */
		{ "#!/no/such/interpreter\n", NOT_FOUND },
		{ "echo no program >&2\n", INVALID },	/* and no script */
	};
	char path[256], lines[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s", in_dir("odd-runsc"));
	if (kinds[_i].text) {
		f = fopen(path, "w");
		ck_assert(f != NULL);
		fputs(kinds[_i].text, f);
		fclose(f);
		chmod(path, kinds[_i].code == PERMISSION ? 0600 : 0700);
	}
	snprintf(lines, sizeof(lines), "binary_name = \"%s\"\n", path);
	write_toml(lines);
	ck_assert_msg(create("c1", "\"hang\"", "") == kinds[_i].code, "%s",
	    client_error);
	ck_assert_msg(strstr(client_error, path) != NULL, "%s", client_error);
	shut_down();
}
END_TEST

/* 13.19: a pod's name is in its log directory, a namespace's in runsc's root;
 * an exec needs neither in its arguments. */
START_TEST(detach_in_names)
{
	struct create_args a = { .id = "c1", .in = "", .out = "", .err = "",
		.config_path = toml };
	struct task_reply t;

	write_toml("[runsc_config]\ndebug-log = \"/tmp/detached/\"\n");
	a.bundle = make_bundle("c1", "\"hang\"",
	    "\"io.kubernetes.cri.sandbox-log-directory\":\"/tmp/detach_1/\","
	    POD("sandbox"), false);
	start_shim("c1", a.bundle);
	ck_assert_msg(task_create(c, &a, NULL) == 0, "%s", client_error);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_exec(c, "c1", "detach-me",
	    PROCESS("\"exit:6\""), "", "", "", false), 0);
	ck_assert_msg(task_start(c, "c1", "detach-me", NULL) == 0, "%s",
	    client_error);
	ck_assert_int_eq(task_wait(c, "c1", "detach-me", &t), 0);
	ck_assert_uint_eq(t.exit_status, 6);
	remove_container("c1");
	shut_down();
}
END_TEST

/* 13.19: the same of runsc's root. */
START_TEST(detach_in_root)
{
	struct task_reply t;
	FILE *f;

	f = fopen(toml, "w");
	ck_assert(f != NULL);
	fprintf(f, "root = \"%s\"\n", in_dir("detach"));
	fclose(f);
	run("c1", "\"hang\"");
	ck_assert_int_eq(task_exec(c, "c1", "e", PROCESS("\"exit:6\""), "", "",
	    "", false), 0);
	ck_assert_msg(task_start(c, "c1", "e", NULL) == 0, "%s",
	    client_error);
	ck_assert_int_eq(task_wait(c, "c1", "e", &t), 0);
	ck_assert_uint_eq(t.exit_status, 6);
	remove_container("c1");
	shut_down();
}
END_TEST

/* 13.27: many who ask the same while runsc is slow are all answered, and runsc
 * has run once or twice. */
START_TEST(many_ask)
{
	static const char *const methods[] = { "Stats", "Pids" };
	static const char *const verbs[] = { " events ", " ps " };
	static uint32_t streams[ASKERS];
	static struct reply r;
	unsigned before;
	int i;

	write_toml("control_socket = \"off\"\n");
	run("c1", "\"hang\"");
	faults("events:delay=500;ps:delay=500");
	before = calls_of(verbs[_i]);
	for (i = 0; i < ASKERS; i++)
		streams[i] = client_send(c, methods[_i], "\x0a\x02" "c1", 4);
	for (i = 0; i < ASKERS; i++) {
		ck_assert(client_recv(c, streams[i], &r, CLIENT_WAIT_MS));
		ck_assert_msg(r.code == 0, "%s", r.msg);
		ck_assert_uint_gt(r.n, 0);
	}
	ck_assert_uint_le(calls_of(verbs[_i]) - before, 2);
	faults("");
	remove_container("c1");
	shut_down();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, flags_refused, cause_comes_first, detach_in_names,
	    detach_in_root);
	tcase_add_loop_test(tc, notices, 0, 4);
	tcase_add_loop_test(tc, errno_of_exec, 0, 4);
	tcase_add_loop_test(tc, many_ask, 0, 2);
}

int
main(void)
{
	return host_run("says", add);
}
