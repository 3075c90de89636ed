/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names_test: 13.7: whatever name or path comes in a request, an option, an
 * annotation or a flag, nothing outside is touched, and who asked is told.
 * The real binary, the fake runsc.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "host.h"

static const char *const bad_ids[] = {
	"..", "../canary", "../../canary", "/", "/etc", "a/../../canary",
	"canary/", "a\\nb", ".canary", "canary.",
};

#define BAD_IDS (int)(sizeof(bad_ids) / sizeof(bad_ids[0]))

/* What must stay: files and directories above and beside what is ours. */
static void
make_canaries(void)
{
	char cmd[1024];

	snprintf(cmd, sizeof(cmd), "cd %s && mkdir -p root/ns root/canary "
	    "canary b/canary && touch canary/f root/canary/f b/canary/f "
	    "root/canary/x_sandbox:x.state canary/canary_sandbox:canary.state "
	    "&& ln -s canary link", dir);
	ck_assert_int_eq(system(cmd), 0);
}

static void
canaries_live(void)
{
	char cmd[1024];

	snprintf(cmd, sizeof(cmd), "cd %s && test -f canary/f && test -f "
	    "root/canary/f && test -f b/canary/f && test -L link && test -f "
	    "root/canary/x_sandbox:x.state && test -f "
	    "canary/canary_sandbox:canary.state", dir);
	ck_assert_msg(system(cmd) == 0, "something outside was touched");
}

static int
create_with(const char *annotations)
{
	struct create_args a = { .id = "c1", .in = "", .out = "", .err = "",
		.config_path = toml };

	a.bundle = make_bundle("c1", "\"hang\"", annotations, false);
	if (!c)
		start_shim("c1", a.bundle);
	return task_create(c, &a, NULL);
}

/* The pod's id in an annotation. */
START_TEST(annotation)
{
	static const char *const keys[] = {
		"io.kubernetes.cri.sandbox-id",
		"io.kubernetes.cri-o.SandboxID",
	};
	char text[512];
	int i, k;

	make_canaries();
	for (k = 0; k < 2; k++)
	for (i = 0; i < BAD_IDS; i++) {
		snprintf(text, sizeof(text), "\"%s\":\"%s\"", keys[k],
		    bad_ids[i]);
		ck_assert_msg(create_with(text) == INVALID, "%s: %s", text,
		    client_error);
		canaries_live();
	}
	shut_down();
	canaries_live();
}
END_TEST

/* The log directory of a pod, the cgroup of a container. */
START_TEST(paths_of_a_spec)
{
	static const char *const bad[] = {
		"relative", "/a/../../b", "..", "/x\\ny",
	};
	char text[512];
	size_t i;

	make_canaries();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
		    "\"io.kubernetes.cri.sandbox-log-directory\":\"%s\"",
		    bad[i]);
		ck_assert_msg(create_with(text) == INVALID, "%s: %s", text,
		    client_error);
	}
	canaries_live();
	shut_down();
}
END_TEST

/* The ids of requests. */
START_TEST(requests)
{
	struct create_args a = { .in = "", .out = "", .err = "",
		.config_path = toml };
	int i;

	make_canaries();
	run("ok", "\"hang\"");
	a.bundle = make_bundle("c1", "\"hang\"", "", false);
	for (i = 0; i < BAD_IDS; i++) {
		a.id = bad_ids[i];
		ck_assert_int_eq(task_create(c, &a, NULL), INVALID);
		ck_assert_int_ne(task_delete(c, bad_ids[i], "", NULL), 0);
		ck_assert_int_ne(task_state(c, bad_ids[i], "", NULL), 0);
	}
	a.id = "";
	ck_assert_int_eq(task_create(c, &a, NULL), INVALID);
	a.id = "c1";
	a.bundle = "../b/c1";
	ck_assert_int_eq(task_create(c, &a, NULL), INVALID);
	a.bundle = "";
	ck_assert_int_eq(task_create(c, &a, NULL), INVALID);
	a.bundle = in_dir("b/../b/c1");
	ck_assert_int_eq(task_create(c, &a, NULL), INVALID);
	a.bundle = in_dir("b/c1");
	a.checkpoint = "../image";
	ck_assert_int_eq(task_create(c, &a, NULL), INVALID);
	ck_assert_int_eq(task_exec(c, "ok", "a/b", PROCESS("\"hang\""), "",
	    "", "", false), INVALID);
	ck_assert_int_eq(task_exec(c, "ok", "a\nb", PROCESS("\"hang\""), "",
	    "", "", false), INVALID);
	ck_assert_int_eq(task_exec(c, "ok", "", PROCESS("\"hang\""), "",
	    "", "", false), INVALID);
	canaries_live();
	remove_container("ok");
	shut_down();
}
END_TEST

/* Paths of the settings. */
START_TEST(settings)
{
	static const char *const bad[] = {
		"root = \"relative\"\n", "root = \"/a/../b\"\n",
		"log_path = \"x\"\n", "log_path = \"/a/../b\"\n",
		"pause_binary = \"x/../y\"\n", "kubelet_root = \"k\"\n",
	};
	FILE *f;

	make_canaries();
	f = fopen(toml, "w");
	ck_assert(f != NULL);
	fputs(bad[_i], f);
	fclose(f);
	ck_assert_msg(create("c1", "\"hang\"", "") == INVALID, "%s: %s",
	    bad[_i], client_error);
	canaries_live();
	shut_down();
}
END_TEST

/* Runs the binary with these flags in the bundle; its status. */
static int
verb(const char *bundle, const char *ns, const char *id, const char *flag,
    const char *action)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (chdir(bundle) < 0 || !freopen("/dev/null", "r", stdin) ||
		    !freopen("/dev/null", "w", stdout) ||
		    !freopen("/dev/null", "w", stderr))
			_exit(127);
		execl(shim, shim, "-namespace", ns, "-id", id, "-address",
		    in_dir("ctd.sock"), "-bundle", flag, action,
		    (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* The flags of both verbs. */
START_TEST(flags)
{
	static const char *const actions[] = { "start", "delete" };
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	int i, k;

	make_canaries();
	for (k = 0; k < 2; k++) {
		for (i = 0; i < BAD_IDS; i++) {
			ck_assert_int_eq(verb(bundle, "ns", bad_ids[i], bundle,
			    actions[k]), 2);
			ck_assert_int_eq(verb(bundle, bad_ids[i], "c1", bundle,
			    actions[k]), 2);
		}
		ck_assert_int_eq(verb(bundle, "ns", "c1", "../c1", actions[k]),
		    2);
		ck_assert_int_eq(verb(bundle, "ns", "c1", "/a/../b",
		    actions[k]), 2);
		canaries_live();
	}
	ck_assert_uint_eq(count_processes(), 0);
}
END_TEST

/* An address file of a bundle that names what is no socket. */
START_TEST(address_is_a_socket)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	char text[512], path[512];

	make_canaries();
	snprintf(text, sizeof(text), "unix://%s", in_dir("canary/f"));
	snprintf(path, sizeof(path), "%s/address", bundle);
	write_text(path, text);
	ck_assert_int_eq(verb(bundle, "ns", "c1", bundle, "delete"), 0);
	snprintf(text, sizeof(text), "unix://%s", in_dir("link"));
	write_text(path, text);
	ck_assert_int_eq(verb(bundle, "ns", "c1", bundle, "delete"), 0);
	canaries_live();
}
END_TEST

/* A root of its own that is a link: nothing is made or removed behind it. */
START_TEST(root_is_a_link)
{
	char cmd[512], *bundle = make_bundle("c1", "\"hang\"", "", false);

	make_canaries();
	snprintf(cmd, sizeof(cmd), "ln -s %s/canary %s/root/ns/c1", dir, dir);
	ck_assert_int_eq(system(cmd), 0);
	ck_assert_int_eq(create("c1", "\"hang\"", ""), 9);
	canaries_live();
	ck_assert_int_eq(verb(bundle, "ns", "c1", bundle, "delete"), 0);
	canaries_live();
	shut_down();
}
END_TEST

/* 13.11: a state that a power cut has left makes nobody refuse; nor does that
 * of another container with such a name. */
START_TEST(dead_state)
{
	static const char *const files[] = {
		"c1_sandbox:c1.state", "c12_sandbox:c12.state",
		"other_sandbox:c1.state",	/* of a pod whose own is lost */
	};
	static const char *const texts[] = {
		"", "{\"sandbox\":{\"id\":\"c1\",\"pid\":2147483647}}",
	};
	char path[512];

	snprintf(path, sizeof(path), "mkdir -p %s/root/ns/c1", dir);
	ck_assert_int_eq(system(path), 0);
	snprintf(path, sizeof(path), "%s/root/ns/c1/%s", dir, files[_i / 2]);
	write_text(path, texts[_i % 2]);
	run("c1", "\"hang\"");
	ck_assert(access(path, F_OK) < 0 || _i / 2 == 0);
	/* One that lives still counts. */
	ck_assert_int_ne(create("c1", "\"hang\"", ""), 0);
	remove_container("c1");
	shut_down();
	ck_assert(access(in_dir("root/ns/c1"), F_OK) < 0);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, annotation, paths_of_a_spec, requests, flags,
	    address_is_a_socket, root_is_a_link);
	tcase_add_loop_test(tc, settings, 0, 6);
	tcase_add_loop_test(tc, dead_state, 0, 6);
}

int
main(void)
{
	return host_run("names", add);
}
