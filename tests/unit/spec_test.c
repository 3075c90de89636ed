/* SPDX-License-Identifier: Apache-2.0 */
/* spec: what is read in config.json, and the exec's process object. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "conf/spec.h"
#include "tests/suite.h"

static struct err err;
static struct spec s;
static char dir[] = "/tmp/spec_test.XXXXXX";
static char file[64];

static void
setup(void)
{
	memset(&err, 0, sizeof(err));
	unlink(file);
}

static int
read_spec(const char *text)
{
	FILE *f = fopen(file, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	return spec_read(&s, dir, &err);
}

static void
must(const char *text)
{
	ck_assert_msg(read_spec(text) == 0, "%s: %s", text, err.msg);
}

START_TEST(nothing)
{
	static const char *const v[] = {
		"{}", " {\"process\":{},\"annotations\":{},\"linux\":{}}\n",
		"{\"process\":null,\"annotations\":null,\"linux\":null}",
		("{\"process\":{\"terminal\":null},\"linux\":"
		"{\"cgroupsPath\":null},\"annotations\":"
		"{\"io.kubernetes.cri.sandbox-id\":null}}"),
		("{\"linux\":{\"cgroupsPath\":\"\"},\"annotations\":"
		"{\"io.kubernetes.cri.sandbox-id\":\"\"}}"),
		"{\"terminal\":true,\"cgroupsPath\":\"/x\"}",
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		memset(&s, 0xff, sizeof(s));
		must(v[i]);
		ck_assert(!s.is_sub);
		ck_assert(!s.terminal);
		ck_assert_ptr_null(s.sandbox_id);
		ck_assert_ptr_null(s.log_directory);
		ck_assert_ptr_null(s.cgroups_path);
		spec_free(&s);
		spec_free(&s);
	}
}
END_TEST

START_TEST(containerd)
{
	must("{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":true,"
	     "\"args\":[\"sh\"]},\"annotations\":{"
	     "\"io.kubernetes.cri.container-type\":\"container\","
	     "\"io.kubernetes.cri.sandbox-id\":\"pod\\u0031\","
	     "\"io.kubernetes.cri.sandbox-log-directory\":\"/l\","
	     "\"io.kubernetes.cri-o.ContainerType\":\"sandbox\","
	     "\"io.kubernetes.cri-o.SandboxID\":\"other\"},"
	     "\"linux\":{\"cgroupsPath\":\"/kubepods/pod1/c\"}}");
	ck_assert(s.is_sub);
	ck_assert(s.terminal);
	ck_assert_str_eq(s.sandbox_id, "pod1");
	ck_assert_str_eq(s.log_directory, "/l");
	ck_assert_str_eq(s.cgroups_path, "/kubepods/pod1/c");
	spec_free(&s);
}
END_TEST

START_TEST(types)
{
#define TYPE(k, v) "\"" k "\":\"" v "\""
#define CRI_TYPE "io.kubernetes.cri.container-type"
#define CRIO_TYPE "io.kubernetes.cri-o.ContainerType"
	static const struct {
		const char *notes;
		bool sub;
	} v[] = {
		{ TYPE(CRI_TYPE, "sandbox"), false },
		{ TYPE(CRI_TYPE, "container"), true },
		{ TYPE(CRI_TYPE, "Container"), false },
		{ TYPE(CRI_TYPE, "other"), false },
		{ TYPE(CRIO_TYPE, "container"), true },
		{ TYPE(CRIO_TYPE, "sandbox"), false },
		{ TYPE(CRI_TYPE, "sandbox") "," TYPE(CRIO_TYPE, "container"),
		    false },
		{ TYPE(CRIO_TYPE, "container") "," TYPE(CRI_TYPE, "other"),
		    false },
	};
	char text[512];

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		snprintf(text, sizeof(text), "{\"annotations\":{%s}}",
		    v[i].notes);
		must(text);
		ck_assert_msg(s.is_sub == v[i].sub, "%s", text);
		spec_free(&s);
	}
	must("{\"annotations\":{" TYPE("io.kubernetes.cri-o.SandboxID", "p")
	     "}}");
	ck_assert_str_eq(s.sandbox_id, "p");
	spec_free(&s);
}
END_TEST

START_TEST(own_pids)
{
	static const struct {
		const char *namespaces;
		bool own;
	} v[] = {
		{ "[{\"type\":\"mount\"},{\"type\":\"pid\"}]", true },
		{ "[{\"type\":\"pid\",\"path\":\"\"}]", true },
		{ "[{\"type\":\"pid\",\"path\":null}]", true },
		{ "[{\"type\":\"pid\",\"path\":\"/proc/1/ns/pid\"}]", false },
		{ "[{\"type\":\"pid\",\"path\":7}]", false },
		{ "[{\"type\":\"pids\"},{\"type\":7},8]", false },
		{ "[]", false }, { "null", false }, { "{}", false },
		{ "7", false },
	};
	char text[256];

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		snprintf(text, sizeof(text), "{\"linux\":{\"namespaces\":%s}}",
		    v[i].namespaces);
		must(text);
		ck_assert_msg(s.own_pids == v[i].own, "%s", text);
		spec_free(&s);
	}
	must("{}");
	ck_assert(!s.own_pids);
	spec_free(&s);
}
END_TEST

static const struct {
	const char *text;
	const char *msg;	/* after the path */
} refused[] = {
	{ "", "line 1, column 1: unexpected end" },
	{ "{\n\"a\":1,}", "line 2, column 7: key expected" },
	{ "{} x", "line 1, column 4: text after the value" },
	{ "{\"process\":1,\"process\":2}",
	    "line 1, column 14: key given twice" },
	{ "[]", "not an object" },
	{ "null", "not an object" },
	{ "{\"annotations\":[]}", "annotations is not an object" },
	{ "{\"process\":1}", "process is not an object" },
	{ "{\"linux\":\"x\"}", "linux is not an object" },
	{ "{\"process\":{\"terminal\":\"true\"}}",
	    "process.terminal is not a boolean" },
	{ "{\"process\":{\"terminal\":1}}",
	    "process.terminal is not a boolean" },
	{ "{\"annotations\":{\"io.kubernetes.cri.container-type\":1}}",
	    "io.kubernetes.cri.container-type is not a string" },
	{ "{\"annotations\":{\"io.kubernetes.cri-o.ContainerType\":{}}}",
	    "io.kubernetes.cri-o.ContainerType is not a string" },
	{ "{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":false}}",
	    "io.kubernetes.cri.sandbox-id is not a string" },
	{ "{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"a\\u0000\"}}",
	    "io.kubernetes.cri.sandbox-id is not a string" },
	{ "{\"annotations\":{\"io.kubernetes.cri-o.SandboxID\":0}}",
	    "io.kubernetes.cri-o.SandboxID is not a string" },
	{ "{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"x\","
	    "\"io.kubernetes.cri.sandbox-log-directory\":[]}}",
	    "io.kubernetes.cri.sandbox-log-directory is not a string" },
	{ "{\"linux\":{\"cgroupsPath\":7}}", "cgroupsPath is not a string" },
};

START_TEST(refuses)
{
	char want[512];

	ck_assert_int_eq(read_spec(refused[_i].text), -1);
	snprintf(want, sizeof(want), "%s: %s", file, refused[_i].msg);
	ck_assert_str_eq(err.msg, want);
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_ptr_null(s.sandbox_id);
}
END_TEST

START_TEST(files)
{
	char want[512], other[64];

	ck_assert_int_eq(spec_read(&s, dir, &err), -1);
	snprintf(want, sizeof(want), "open %s: No such file or directory",
	    file);
	ck_assert_str_eq(err.msg, want);
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);

	snprintf(other, sizeof(other), "%s/other", dir);
	must("{}");
	spec_free(&s);
	ck_assert_int_eq(rename(file, other), 0);
	ck_assert_int_eq(symlink("other", file), 0);
	ck_assert_int_eq(spec_read(&s, dir, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "symbolic link"));
	unlink(other);
	unlink(file);

	ck_assert_int_eq(mkfifo(file, 0600), 0);
	ck_assert_int_eq(spec_read(&s, dir, &err), -1);
	snprintf(want, sizeof(want), "%s: not a regular file", file);
	ck_assert_str_eq(err.msg, want);
	unlink(file);
	ck_assert_int_eq(mkdir(file, 0700), 0);
	ck_assert_int_eq(spec_read(&s, dir, &err), -1);
	ck_assert_str_eq(err.msg, want);
	rmdir(file);

	must("{}");
	spec_free(&s);
	ck_assert_int_eq(truncate(file, SPEC_FILE_MAX + 1), 0);
	ck_assert_int_eq(spec_read(&s, dir, &err), -1);
	snprintf(want, sizeof(want), "%s: larger than 16777216 bytes", file);
	ck_assert_str_eq(err.msg, want);
	ck_assert_int_eq(truncate(file, SPEC_FILE_MAX), 0);
	ck_assert_int_eq(spec_read(&s, dir, &err), -1);
	snprintf(want, sizeof(want),
	    "%s: line 1, column 3: text after the value", file);
	ck_assert_str_eq(err.msg, want);
}
END_TEST

START_TEST(exec_process)
{
	static const struct {
		const char *in;
		bool terminal;
		const char *out;
	} v[] = {
		{ "{}", true, "{\"terminal\":true}" },
		{ "{}", false, "{\"terminal\":false}" },
		{ "{\"terminal\":true}", false, "{\"terminal\":false}" },
		{ "{\"terminal\":true}", true, "{\"terminal\":true}" },
		{ "{\"terminal\":\"x\"}", true, "{\"terminal\":true}" },
		{ "{\"\\u0074erminal\":true}", false,
		    "{\"\\u0074erminal\":false}" },
		{ "{ \"args\": [\"sh\", \"\\u0041\"], "
		    "\"n\": 18446744073709551615 }", true,
		    "{ \"args\": [\"sh\", \"\\u0041\"], "
		    "\"n\": 18446744073709551615,\"terminal\":true }" },
		{ "{\"user\":{\"terminal\":1}}", false,
		    "{\"user\":{\"terminal\":1},\"terminal\":false}" },
	};
	char *out = NULL;
	unsigned size[2];
	size_t len;

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		ck_assert_int_eq(spec_exec_process(v[i].in, strlen(v[i].in),
		    v[i].terminal, &out, &len, size, &err), 0);
		ck_assert_str_eq(out, v[i].out);
		ck_assert_uint_eq(len, strlen(out));
		free(out);
		out = NULL;
	}
	ck_assert_int_eq(spec_exec_process("{", 1, true, &out, &len, size, &err),
	    -1);
	ck_assert_str_eq(err.msg,
	    "exec process spec: line 1, column 2: unexpected end");
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_int_eq(spec_exec_process("", 0, true, &out, &len, size, &err),
	    -1);
	ck_assert_int_eq(spec_exec_process("[]", 2, true, &out, &len, size, &err),
	    -1);
	ck_assert_str_eq(err.msg, "exec process spec: not an object");
	ck_assert_ptr_null(out);
}
END_TEST

START_TEST(exec_process_large)
{
	char *text = malloc(JSON_TEXT_MAX + 1), *out = NULL;
	unsigned size[2];
	size_t len;

	memset(text, ' ', JSON_TEXT_MAX + 1);
	memcpy(text, "{}", 2);
	ck_assert_int_eq(spec_exec_process(text, JSON_TEXT_MAX, true, &out,
	    &len, size, &err), -1);
	ck_assert_str_eq(err.msg, "exec process spec: edited JSON: "
	    "out of memory or larger than 16777216 bytes");
	ck_assert_int_eq(spec_exec_process(text, JSON_TEXT_MAX + 1, true,
	    &out, &len, size, &err), -1);
	ck_assert_str_eq(err.msg,
	    "exec process spec: larger than 16777216 bytes");
	ck_assert_ptr_null(out);
	free(text);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, nothing, containerd, types, own_pids, files,
	    exec_process, exec_process_large);
	tcase_add_loop_test(tc, refuses, 0,
	    (int)(sizeof(refused) / sizeof(refused[0])));
}

int
main(void)
{
	int failed;

	if (!mkdtemp(dir)) {
		perror(dir);
		return EXIT_FAILURE;
	}
	snprintf(file, sizeof(file), "%s/config.json", dir);
	failed = suite_run("spec", setup, NULL, add);
	unlink(file);
	rmdir(dir);
	return failed;
}
