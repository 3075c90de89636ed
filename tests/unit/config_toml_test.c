/* SPDX-License-Identifier: Apache-2.0 */
/* config: the forms of TOML that people write, and runc's keys. */
#include <check.h>
#include <string.h>

#include "conf/config.h"
#include "tests/suite.h"

static struct err err;
static struct config c;

static void
setup(void)
{
	log_set_level(LOG_ERR);
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(config_init(&c, &err), 0);
}

static void
teardown(void)
{
	config_free(&c);
}

static void
again(void)
{
	teardown();
	setup();
}

static int
parse(const char *text)
{
	return config_parse(&c, text, strlen(text), "f", &err);
}

static void
must(const char *text)
{
	again();
	ck_assert_msg(parse(text) == 0, "%s: %s", text, err.msg);
}

static void
body(const char *text, int want)
{
	struct pb_bytes b = { (const uint8_t *)text, strlen(text) };

	again();
	ck_assert_msg(config_parse_body(&c, b, &err) == want, "%s: %s", text,
	    err.msg);
}

/* 13.26: text -> what a TOML 1.0 reader says root is (Python's tomllib). */
static const struct {
	const char *text;
	const char *root;
} strings[] = {
	{ "\xef\xbb\xbfroot = 'x'", "x" },
	{ "\xef\xbb\xbf# c\r\nroot = 'x'\r\n", "x" },
	{ "root = \"\"\"a\"\"\"", "a" },
	{ "root = \"\"\"\na\nb\"\"\"", "a\nb" },
	{ "root = \"\"\"\r\na\r\nb\"\"\"\r\n", "a\nb" },
	{ "root = \"\"\"\n\na\"\"\"", "\na" },
	{ "root = \"\"\"a\\\n   b \\  \n\n\t c\"\"\"", "ab c" },
	{ "root = \"\"\"a\\\r\n  b\"\"\"", "ab" },
	{ "root = \"\"\"\"a\"\"b\"\"\"", "\"a\"\"b" },
	{ "root = \"\"\"a\"\"\"\"", "a\"" },
	{ "root = \"\"\"a\"\"\"\"\"", "a\"\"" },
	{ "root = \"\"\"a\\u00e9\\\"\\\"\\\"\"\"\"", "a\xc3\xa9\"\"\"" },
	{ "root = '''a'''", "a" },
	{ "root = '''\na\\n\n'b''''", "a\\n\n'b'" },
	{ "root = 'a\\b'", "a\\b" },
	{ "'root' = \"a\"", "a" },
	{ "\"ro\\u006ft\" = \"a\"", "a" },
	{ "root = '''# no\n'''# yes\n# \"\"\"", "# no\n" },
};

START_TEST(string_forms)
{
	must(strings[_i].text);
	ck_assert_str_eq(c.root, strings[_i].root);
}
END_TEST

/* 13.26: each says --debug=true --strace=1_0. */
static const char *const tables[] = {
	"runsc_config = {debug = \"true\", strace = 1_0}",
	"runsc_config = { debug = true, 'strace' = '1_0' } # x",
	"\"runsc_config\" = { debug = '''true''',strace=1_0 }\r\n",
	/* TOML 1.1 */
	"runsc_config = {\n  debug = true, # one\n\n  strace = 1_0,\n}\n",
	"[runsc_config]\ndebug = \"\"\"\ntrue\"\"\"\nstrace = 1_0",
	"runsc_config.debug = true\nrunsc_config.'strace' = 1_0",
	"[ 'runsc_config' ]\r\ndebug = 'true'\r\nstrace = '1_0'\r\n",
};

START_TEST(table_forms)
{
	must(tables[_i]);
	ck_assert_uint_eq(c.nflags, 2);
	ck_assert_str_eq(c.flags[0], "--debug=true");
	ck_assert_str_eq(c.flags[1], "--strace=1_0");
}
END_TEST

/* 13.26: what is not right is named, with its line. */
static const struct {
	const char *text;
	const char *msg;
} refused[] = {
	{ "root = \"\"\"a\nb", "f:2: key 'root': "
	    "string without its closing quote" },
	{ "root = \"\"\"a\n\"\"\" x", "f:2: key 'root': text after the end" },
	{ "root = \"\"\"\na\\q\"\"\"", "f:2: key 'root': "
	    "unknown escape in a string" },
	{ "root = \"\"\"\na\"\"\"\nx = 1", "f:3: key 'x': unknown" },
	{ "\"\"\"root\"\"\" = 1", "f:1: three quotes cannot hold a key" },
	{ "runsc_config = [1]", "f:1: key 'runsc_config': "
	    "must be a table: [runsc_config]" },
	{ "runsc_config = {a=1", "f:1: key 'runsc_config.a': "
	    "',' or '}' expected" },
	{ "runsc_config = {a=1 b=2}", "f:1: key 'runsc_config.a': "
	    "',' or '}' expected" },
	{ "runsc_config = {a=1,\na=2}", "f:2: key 'runsc_config.a': "
	    "given twice" },
	{ "runsc_config = {a}", "f:1: key 'runsc_config.a': '=' expected" },
	{ "runsc_config = {,}", "f:1: key expected" },
	{ "runsc_config = {a=[1]}", "f:1: key 'runsc_config.a': "
	    "must be a string in quotes" },
	{ "runsc_config = {a=1.5}", "f:1: key 'runsc_config.a': "
	    "must be a string in quotes" },
	{ "runsc_config = {}\nrunsc_config.a = 1",
	    "f:2: key 'runsc_config.a': given twice" },
	{ "runsc_config = {}\n[runsc_config]",
	    "f:2: key 'runsc_config': given twice" },
	{ "runsc_config.a = 1\nrunsc_config = {}",
	    "f:2: key 'runsc_config': given twice" },
	{ "a = 1\xef\xbb\xbf", "f:1: key 'a': unknown" },
	{ "enable_hibernate_server = 0", "f:1: key "
	    "'enable_hibernate_server': must be true or false" },
};

START_TEST(refuses)
{
	ck_assert_msg(parse(refused[_i].text) == -1, "%s", refused[_i].text);
	ck_assert_str_eq(err.msg, refused[_i].msg);
	ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

/* 13.26: unknown keys of all forms are passed over where lenient says so. */
START_TEST(lenient_forms)
{
	must("a = [\n 1, # one\n [2.5, 'x'],\n]\n"
	     "b = { c = { d = 1 }, e.f = [] }\n"
	     "g = \"\"\"\n[runsc_config]\nroot = 'no'\n\"\"\"\n"
	     "h = 1979-05-27T07:32:00Z\ni.j = inf\n"
	     "lenient = true\nroot = '/r'\n"
	     "[k]\nroot = 'no'\n[[l]]\nm = []\n"
	     "[runsc_config]\ndebug = true\n");
	ck_assert_str_eq(c.root, "/r");
	ck_assert_uint_eq(c.nflags, 1);
}
END_TEST

/* 13.26: every key of gVisor's own shim (2026-09) is known. */
START_TEST(gvisor_keys)
{
	must("shim_cgroup = '/c'\nio_uid = 1\nio_gid = 2\n"
	     "binary_name = 'b'\nroot = '/r'\nlog_level = 'debug'\n"
	     "log_path = '/l'\ngrouping = true\n"
	     "enable_hibernate_server = true\n"
	     "[runsc_config]\na = 'b'\n");
	ck_assert_str_eq(c.binary_name, "b");
}
END_TEST

/* 13.25: a section that was copied from runc's. */
START_TEST(runc_keys)
{
	body("BinaryName = '/opt/runsc'\nRoot = '/r'\nShimCgroup = '/c'\n"
	     "IoUid = 3\nIoGid = 4\nSystemdCgroup = true\n"
	     "NoPivotRoot = true\nNoNewKeyring = false\nCriuPath = ''\n"
	     "CriuImagePath = ''\nCriuWorkPath = ''\nTaskApiAddress = 'a'\n"
	     "TaskApiVersion = 3\n", 1);
	ck_assert_str_eq(c.binary_name, "/opt/runsc");
	ck_assert_str_eq(c.root, "/r");
	ck_assert_str_eq(c.shim_cgroup, "/c");
	ck_assert_uint_eq(c.io_uid, 3);
	ck_assert_uint_eq(c.io_gid, 4);
	ck_assert_uint_eq(c.nflags, 1);
	ck_assert_str_eq(c.flags[0], "--systemd-cgroup=true");
	/* What containerd's default holds says nothing. */
	body("BinaryName = ''\nCriuImagePath = ''\nCriuPath = ''\n"
	     "IoGid = 0\nIoUid = 0\nNoNewKeyring = false\n"
	     "NoPivotRoot = false\nRoot = ''\nShimCgroup = ''\n"
	     "SystemdCgroup = false\n", 0);
	ck_assert_uint_eq(c.nflags, 0);
	body("io_uid = 0", 1);
	body("[runsc_config]\ndebug = true", 1);
	body("SystemdCgroup = 'yes'", -1);
	ck_assert_str_eq(err.msg, "config_body:1: key 'SystemdCgroup': "
	    "must be true or false");
	body("SystemdCgroup = true\n[runsc_config]\nsystemd-cgroup = true",
	     -1);
	body("Unknown = 1", -1);
}
END_TEST

/* 13.25: runc is not runsc, whatever its directory. */
START_TEST(runc_binary)
{
	body("BinaryName = 'runc'", 0);
	ck_assert_str_eq(c.binary_name, "runsc");
	body("BinaryName = '/usr/local/sbin/runc'", 0);
	ck_assert_str_eq(c.binary_name, "runsc");
	body("BinaryName = 'myrunc'", 1);
	ck_assert_str_eq(c.binary_name, "myrunc");
	/* In a file these names mean nothing. */
	ck_assert_int_eq(parse("BinaryName = 'runsc'"), -1);
}
END_TEST

/* 13.25: the same as a containerd.runc.v1.Options message. */
START_TEST(runc_message)
{
	static const char any[] = "\x0a\x1a" "containerd.runc.v1.Options"
	    "\x12\x11" "\x08\x01" "\x32\x09/bin/runc" "\x48\x01" "\x50\x00";
	struct pb_bytes b = { (const uint8_t *)any, sizeof(any) - 1 };

	ck_assert_msg(config_from_options(&c, b, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(c.binary_name, "runsc");
	ck_assert_uint_eq(c.nflags, 1);
	ck_assert_str_eq(c.flags[0], "--systemd-cgroup=true");
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void
add(TCase *tc)
{
	suite_add(tc, lenient_forms, gvisor_keys, runc_keys, runc_binary,
	    runc_message);
	tcase_add_loop_test(tc, string_forms, 0, COUNT(strings));
	tcase_add_loop_test(tc, table_forms, 0, COUNT(tables));
	tcase_add_loop_test(tc, refuses, 0, COUNT(refused));
}

int
main(void)
{
	return suite_run("config_toml", setup, teardown, add);
}
