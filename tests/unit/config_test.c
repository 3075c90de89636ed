/* SPDX-License-Identifier: Apache-2.0 */
/* config: runsc.toml, its errors, and the options containerd passes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/config.h"
#include "tests/files.h"
#include "tests/suite.h"

#define NS ((int64_t)1000000000)

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

static int
parse(const char *text)
{
	return config_parse(&c, text, strlen(text), "f.toml", &err);
}

static void
must(const char *text)
{
	ck_assert_msg(parse(text) == 0, "%s: %s", text, err.msg);
}

START_TEST(defaults)
{
	ck_assert_str_eq(c.binary_name, "runsc");
	ck_assert_str_eq(c.root, "/run/containerd/runsc");
	ck_assert_ptr_null(c.shim_cgroup);
	ck_assert_ptr_null(c.log_path);
	ck_assert_int_eq(c.log_level, -1);
	ck_assert_int_eq(c.control_socket, CONTROL_AUTO);
	ck_assert_uint_eq(c.io_uid, 0);
	ck_assert_uint_eq(c.io_gid, 0);
	ck_assert(c.grouping);
	ck_assert(c.sandbox_limits);
	ck_assert_str_eq(c.kubelet_root, "/var/lib/kubelet");
	ck_assert(!c.lenient);
	ck_assert_int_eq(c.create_timeout_ns, 300 * NS);
	ck_assert_int_eq(c.start_timeout_ns, 300 * NS);
	ck_assert_int_eq(c.command_timeout_ns, 30 * NS);
	ck_assert_uint_eq(c.nflags, 0);
	ck_assert_ptr_null(c.flags[0]);
	must("");
	must("\n\n# nothing\n \t\r\n#");
	ck_assert_str_eq(c.binary_name, "runsc");
	config_free(&c);
	config_free(&c);
}
END_TEST

START_TEST(everything)
{
	must("# all of it\r\n"
	     "binary_name = \"/usr/bin/runsc\"   # here\r\n"
	     "root='/r'\n"
	     "\tshim_cgroup =\t\"/cg\"\n"
	     "log_path = '/var/log/%ID%/'\n"
	     "log_level = \"Warning\"\n"
	     "io_uid = 1_000\n"
	     "io_gid = 0x3e8\n"
	     "grouping = false\n"
	     "sandbox_limits = false\n"
	     "kubelet_root = \"/k\"\n"
	     "lenient = false\n"
	     "create_timeout = 1\n"
	     "start_timeout = 86400\n"
	     "\"command_timeout\" = 10#\n"
	     "control_socket = \"off\"\n"
	     "enable_hibernate_server = false\n"
	     "[ runsc_config ]# flags\n"
	     "debug = \"true\"\n"
	     "debug-log = \"/var/log/runsc/%ID%/\"\n"
	     "'strace' = true\n"
	     "rootless=false\n"
	     "num-network-channels = 4\n"
	     "neg = -1\n"
	     "mode = 0o755\n"
	     "A_0 = ''\n"
	     "q = 'C:\\n # \"'");
	ck_assert_str_eq(c.binary_name, "/usr/bin/runsc");
	ck_assert_str_eq(c.root, "/r");
	ck_assert_str_eq(c.shim_cgroup, "/cg");
	ck_assert_str_eq(c.log_path, "/var/log/%ID%/");
	ck_assert_int_eq(c.log_level, LOG_WARN);
	ck_assert_uint_eq(c.io_uid, 1000);
	ck_assert_uint_eq(c.io_gid, 1000);
	ck_assert(!c.grouping);
	ck_assert(!c.sandbox_limits);
	ck_assert_str_eq(c.kubelet_root, "/k");
	ck_assert_int_eq(c.create_timeout_ns, NS);
	ck_assert_int_eq(c.start_timeout_ns, 86400 * NS);
	ck_assert_int_eq(c.command_timeout_ns, 10 * NS);
	ck_assert_int_eq(c.control_socket, CONTROL_OFF);
	ck_assert_uint_eq(c.nflags, 9);
	ck_assert_str_eq(c.flags[0], "--debug=true");
	ck_assert_str_eq(c.flags[1], "--debug-log=/var/log/runsc/%ID%/");
	ck_assert_str_eq(c.flags[2], "--strace=true");
	ck_assert_str_eq(c.flags[3], "--rootless=false");
	ck_assert_str_eq(c.flags[4], "--num-network-channels=4");
	ck_assert_str_eq(c.flags[5], "--neg=-1");
	ck_assert_str_eq(c.flags[6], "--mode=0o755");
	ck_assert_str_eq(c.flags[7], "--A_0=");
	ck_assert_str_eq(c.flags[8], "--q=C:\\n # \"");
	ck_assert_ptr_null(c.flags[9]);
}
END_TEST

START_TEST(dotted)
{
	must("runsc_config.debug = true\n"
	     "runsc_config . \"strace\" = 'yes'\n");
	ck_assert_uint_eq(c.nflags, 2);
	ck_assert_str_eq(c.flags[1], "--strace=yes");
}
END_TEST

START_TEST(empty_strings)
{
	must("binary_name = \"\"\nroot = ''\nlog_path = \"\"\n"
	     "shim_cgroup = \"\"");
	ck_assert_str_eq(c.binary_name, "runsc");
	ck_assert_str_eq(c.root, "/run/containerd/runsc");
	ck_assert_ptr_null(c.log_path);
	ck_assert_ptr_null(c.shim_cgroup);
}
END_TEST

START_TEST(escapes)
{
	must("root = \"\\b\\t\\n\\f\\r\\\"\\\\\\u0041\\u00e9\\u20AC"
	     "\\U0001D11E\\u0001\xc3\xa9\"");
	ck_assert_str_eq(c.root, "\b\t\n\f\r\"\\A\xc3\xa9\xe2\x82\xac"
				 "\xf0\x9d\x84\x9e\x01\xc3\xa9");
}
END_TEST

START_TEST(levels)
{
	static const struct {
		const char *name;
		int level;
	} v[] = {
		{ "panic", LOG_ERR }, { "fatal", LOG_ERR },
		{ "error", LOG_ERR }, { "ERROR", LOG_ERR },
		{ "warn", LOG_WARN }, { "warning", LOG_WARN },
		{ "info", LOG_INFO }, { "Debug", LOG_DEBUG },
		{ "trace", LOG_DEBUG },
	};
	char text[64];

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		snprintf(text, sizeof(text), "log_level = \"%s\"", v[i].name);
		must(text);
		ck_assert_int_eq(c.log_level, v[i].level);
	}
}
END_TEST

START_TEST(integers)
{
	static const struct {
		const char *text;
		uid_t want;
	} v[] = {
		{ "0", 0 }, { "+0", 0 }, { "-0", 0 }, { "+12", 12 },
		{ "1_2_3", 123 }, { "0xfF_fe", 0xfffe }, { "0o17", 15 },
		{ "0b1_01", 5 }, { "0x00", 0 }, { "4294967294", 4294967294u },
	};
	char text[64];

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		snprintf(text, sizeof(text), "io_uid = %s", v[i].text);
		must(text);
		ck_assert_uint_eq(c.io_uid, v[i].want);
	}
}
END_TEST

#define STR "must be a string in quotes"
#define NUM "must be an integer from 0 to 4294967294"
#define SEC "must be an integer from 1 to 86400 (seconds)"
#define LVL "must be one of \"error\", \"warn\", \"info\", \"debug\", \"trace\""
#define CTL "must be \"auto\", \"on\" or \"off\""
#define OURS "is not for [runsc_config]: this shim sets it " \
	"(see the keys root and log_path)"
#define LEN "lenient = true\n"

static const struct {
	const char *text;
	const char *msg;
} refused[] = {
	/* Types. */
	{ "root = 1", "f.toml:1: key 'root': " STR },
	{ "\n\nroot = true", "f.toml:3: key 'root': " STR },
	{ "root = /run", "f.toml:1: key 'root': " STR },
	{ "root = [\"a\"]", "f.toml:1: key 'root': " STR },
	{ "root = { a = 1 }", "f.toml:1: key 'root': " STR },
	{ "binary_name = 1.5", "f.toml:1: key 'binary_name': " STR },
	{ "io_uid = \"0\"", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = -1", "f.toml:1: key 'io_uid': " NUM },
	{ "io_gid = 4294967295", "f.toml:1: key 'io_gid': " NUM },
	{ "io_gid = 99999999999999999999", "f.toml:1: key 'io_gid': " NUM },
	{ "io_uid = 01", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 0_1", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 1__2", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = _1", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 1_", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 0x", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 0x_1", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 0X1", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = -0x1", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 0xg", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 0o8", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 0b2", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = +", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 1.0", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 1e3", "f.toml:1: key 'io_uid': " NUM },
	{ "io_uid = 1979-05-27", "f.toml:1: key 'io_uid': " NUM },
	{ "grouping = \"true\"", "f.toml:1: key 'grouping': "
	    "must be true or false" },
	{ "grouping = 1", "f.toml:1: key 'grouping': must be true or false" },
	{ "grouping = True", "f.toml:1: key 'grouping': "
	    "must be true or false" },
	{ "lenient = 'yes'", "f.toml:1: key 'lenient': "
	    "must be true or false" },
	{ "create_timeout = 0", "f.toml:1: key 'create_timeout': " SEC },
	{ "start_timeout = 86401", "f.toml:1: key 'start_timeout': " SEC },
	{ "command_timeout = -5", "f.toml:1: key 'command_timeout': " SEC },
	{ "command_timeout = '5s'", "f.toml:1: key 'command_timeout': " SEC },
	{ "control_socket = 'yes'", "f.toml:1: key 'control_socket': " CTL },
	{ "control_socket = true", "f.toml:1: key 'control_socket': " CTL },
	{ "log_level = 'loud'", "f.toml:1: key 'log_level': " LVL },
	{ "log_level = 1", "f.toml:1: key 'log_level': " LVL },
	{ "enable_hibernate_server = 0",
	    "f.toml:1: key 'enable_hibernate_server': "
	    "must be true or false" },
	{ "runsc_config = 'x'", "f.toml:1: key 'runsc_config': "
	    "must be a table: [runsc_config]" },
	{ "[[runsc_config]]", "f.toml:1: key 'runsc_config': "
	    "must not be an array of tables" },
	{ "[root]", "f.toml:1: key 'root': not a table" },
	{ "[[root]]", "f.toml:1: key 'root': not a table" },

	/* Unknown. */
	{ "rot = 1", "f.toml:1: key 'rot': unknown" },
	{ "Root = 1", "f.toml:1: key 'Root': unknown" },
	{ "TypeUrl = 'x'", "f.toml:1: key 'TypeUrl': unknown" },
	{ "rot = [\n1]", "f.toml:1: key 'rot': unknown" },
	{ "root.x = 'y'", "f.toml:1: key 'root.x': unknown" },
	{ "\"\" = 1", "f.toml:1: key '\"\"': unknown" },
	{ "\"runsc_config.debug\" = 1",
	    "f.toml:1: key '\"runsc_config.debug\"': unknown" },
	{ "'a b'.c = 1", "f.toml:1: key ''a b'.c': unknown" },
	{ "[cgroup]\nroot = 'x'", "f.toml:1: key 'cgroup': unknown table" },
	{ "[[x]]", "f.toml:1: key 'x': unknown table" },
	{ "[runsc_config.x]", "f.toml:1: key 'runsc_config.x': "
	    "unknown table" },
	{ "[runsc_config]\nlenient = true\n[x]",
	    "f.toml:3: key 'x': unknown table" },
	{ "[runsc_config.x]\n" LEN, "f.toml:1: key 'runsc_config.x': "
	    "unknown table" },

	/* Twice. */
	{ "root='a'\nroot='a'", "f.toml:2: key 'root': given twice" },
	{ "root='a'\n\"root\"='a'", "f.toml:2: key 'root': given twice" },
	{ "[runsc_config]\na=1\n\na=1",
	    "f.toml:4: key 'runsc_config.a': given twice" },
	{ "[runsc_config]\na=1\n[runsc_config]",
	    "f.toml:3: key 'runsc_config': given twice" },
	{ "runsc_config.a=1\n[runsc_config]\nb=1",
	    "f.toml:2: key 'runsc_config': given twice" },

	/* Flags. */
	{ "[runsc_config]\n'a b' = 1", "f.toml:2: key "
	    "'runsc_config.'a b'': not the name of a runsc flag" },
	{ "[runsc_config]\n\"\" = 1", "f.toml:2: key "
	    "'runsc_config.\"\"': not the name of a runsc flag" },
	{ "[runsc_config]\na.b = 1", "f.toml:2: key "
	    "'runsc_config.a.b': not the name of a runsc flag" },
	{ LEN "[runsc_config.a]\nb = 1", "f.toml:3: key "
	    "'runsc_config.a.b': not the name of a runsc flag" },
	{ "[runsc_config]\n\"a=b\" = 1", "f.toml:2: key "
	    "'runsc_config.\"a=b\"': not the name of a runsc flag" },
	{ "[runsc_config]\na = [1]", "f.toml:2: key 'runsc_config.a': " STR },
	{ "[runsc_config]\na = 1.5", "f.toml:2: key 'runsc_config.a': " STR },
	{ "[runsc_config]\na = \"\\u0000\"", "f.toml:2: key "
	    "'runsc_config.a': escape of no character in a string" },
	{ "[runsc_config]\na =", "f.toml:2: key 'runsc_config.a': "
	    "no value" },

	/* Syntax. */
	{ "root", "f.toml:1: key 'root': '=' expected" },
	{ "root 'x'", "f.toml:1: key 'root': '=' expected" },
	{ "root =", "f.toml:1: key 'root': no value" },
	{ "root = # x", "f.toml:1: key 'root': no value" },
	{ "root = 'a' 'b'", "f.toml:1: key 'root': text after the end" },
	{ "root = 'a'b", "f.toml:1: key 'root': text after the end" },
	{ "io_uid = 1 2", "f.toml:1: key 'io_uid': text after the end" },
	{ "root = 'a", "f.toml:1: key 'root': "
	    "string without its closing quote" },
	{ "root = \"a\nb\"", "f.toml:1: key 'root': "
	    "string without its closing quote" },
	{ "root = \"a\\\"", "f.toml:1: key 'root': "
	    "string without its closing quote" },
	{ "root = \"\\", "f.toml:1: key 'root': "
	    "unknown escape in a string" },
	{ "root = \"\\x41\"", "f.toml:1: key 'root': "
	    "unknown escape in a string" },
	{ "root = \"\\u12\"", "f.toml:1: key 'root': "
	    "unknown escape in a string" },
	{ "root = \"\\u12", "f.toml:1: key 'root': "
	    "unknown escape in a string" },
	{ "root = \"\\U0001000g\"", "f.toml:1: key 'root': "
	    "unknown escape in a string" },
	{ "root = \"\\ud800\"", "f.toml:1: key 'root': "
	    "escape of no character in a string" },
	{ "root = \"\\U00110000\"", "f.toml:1: key 'root': "
	    "escape of no character in a string" },
	{ "root = \"\\UFFFFFFFF\"", "f.toml:1: key 'root': "
	    "escape of no character in a string" },
	{ "= 1", "f.toml:1: key expected" },
	{ "a. = 1", "f.toml:1: key expected" },
	{ ".a = 1", "f.toml:1: key expected" },
	{ "a..b = 1", "f.toml:1: key expected" },
	{ "\xc3\xa9 = 1", "f.toml:1: key expected" },
	{ "'a = 1", "f.toml:1: string without its closing quote" },
	{ "[", "f.toml:1: key expected" },
	{ "[]", "f.toml:1: key expected" },
	{ "[[[a]]]", "f.toml:1: key expected" },
	{ "[ [a]]", "f.toml:1: key expected" },
	{ "[runsc_config", "f.toml:1: key 'runsc_config': ']' expected" },
	{ "[runsc_config x]", "f.toml:1: key 'runsc_config': "
	    "']' expected" },
	{ "[[a]", "f.toml:1: key 'a': ']' expected" },
	{ "[runsc_config] x", "f.toml:1: key 'runsc_config': "
	    "text after the end" },
	{ "[runsc_config]]", "f.toml:1: key 'runsc_config': "
	    "text after the end" },
	{ "root = 'a\x01'", "f.toml:1: control character" },
	{ "root = 'a'\r", "f.toml:1: control character" },
	{ "# \x7f", "f.toml:1: control character" },
	{ "\n# \xff", "f.toml:2: not valid UTF-8" },
	{ "root = \"\xc3\"", "f.toml:1: not valid UTF-8" },

	/* A second --root would win, and nothing be found of what it has. */
	{ "[runsc_config]\nroot = '/x'", "f.toml:2: key 'runsc_config.root': "
	    OURS },
	{ "runsc_config = {log = '/x'}", "f.toml:1: key 'runsc_config.log': "
	    OURS },
	{ "runsc_config.log-format = 'text'", "f.toml:1: key "
	    "'runsc_config.log-format': " OURS },
	{ "[runsc_config]\n-root = '/x'", "f.toml:2: key "
	    "'runsc_config.-root': not the name of a runsc flag" },
	{ "runsc_config.--log = '/x'", "f.toml:1: key "
	    "'runsc_config.--log': not the name of a runsc flag" },

	/* Lenient about keys, not about text. */
	{ LEN "x", "f.toml:2: key 'x': '=' expected" },
	{ LEN "x =", "f.toml:2: key 'x': no value" },
	{ LEN "x = #", "f.toml:2: key 'x': no value" },
	{ LEN "x = 1 2", "f.toml:2: key 'x': text after the end" },
	{ LEN "x = ]", "f.toml:2: key 'x': malformed value" },
	{ LEN "x = ,", "f.toml:2: key 'x': malformed value" },
	{ LEN "x = [}", "f.toml:2: key 'x': malformed value" },
	{ LEN "x = [{]}", "f.toml:2: key expected" },
	{ LEN "x = [@]", "f.toml:2: key 'x': malformed value" },
	{ LEN "x = [1 2]", "f.toml:2: key 'x': ',' or ']' expected" },
	{ LEN "x = {a=1 b=2}", "f.toml:2: key 'a': ',' or '}' expected" },
	{ LEN "x = [ # ]", "f.toml:2: key 'x': no value" },
	{ LEN "x = 'a", "f.toml:2: key 'x': "
	    "string without its closing quote" },
	{ LEN "x = \"a\\\"", "f.toml:2: key 'x': "
	    "string without its closing quote" },
	{ LEN "x = '''a''", "f.toml:2: key 'x': "
	    "string without its closing quote" },
	{ LEN "x = [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "f.toml:2: key 'x': "
	    "value nested too deeply" },
	{ LEN "x = 1\nroot = 2", "f.toml:3: key 'root': " STR },
	{ LEN LEN, "f.toml:2: key 'lenient': given twice" },
	{ "x = 1\nlenient = false", "f.toml:1: key 'x': unknown" },
	{ "x = 1\nlenient = 1", "f.toml:1: key 'x': unknown" },
	{ "x = 1\n\"lenient = true\"", "f.toml:1: key 'x': unknown" },
};

START_TEST(refuses)
{
	ck_assert_msg(parse(refused[_i].text) == -1, "%s", refused[_i].text);
	ck_assert_str_eq(err.msg, refused[_i].msg);
	ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

START_TEST(refuses_nul)
{
	ck_assert_int_eq(config_parse(&c, "root\0= 'a'", 10, "f", &err), -1);
	ck_assert_str_eq(err.msg, "f:1: control character");
	/* Where lenient is looked for first, nothing has been checked yet. */
	ck_assert_int_eq(config_parse(&c, "lenient=\0\"", 10, "f", &err), -1);
	ck_assert_int_eq(config_parse(&c, "\"\\\0\0\"", 5, "f", &err), -1);
}
END_TEST

START_TEST(lenient)
{
	must("x = 1\n"
	     "a.\"b c\" = [1, 2.5, \"]\", ['}'], {k = \"\\\"\", 'q' = 1}]#\n"
	     "d = 1979-05-27T07:32:00.5-07:00\n"
	     "m = \"\"\"one line, \"two\" quotes\"\"\"\n"
	     "n = '''\\'''\n"
	     "e = \"\"\n"
	     "deep = [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n"
	     "root = '/x'\n"
	     "lenient = true\n"
	     "[unknown]\n"
	     "root = 1\n"
	     "root = 2\n"
	     "[[more]]\n"
	     "lenient = 1\n"
	     "[runsc_config]\n"
	     "debug = true\n");
	ck_assert(c.lenient);
	ck_assert_str_eq(c.root, "/x");
	ck_assert_uint_eq(c.nflags, 1);
}
END_TEST

START_TEST(limits)
{
	char *text = malloc(CONFIG_FILE_MAX + 1), *p;
	int i;

	/* Strings. */
	p = text + sprintf(text, "root = \"");
	memset(p, 'x', 4096);
	strcpy(p + 4095, "\"");
	must(text);
	ck_assert_uint_eq(strlen(c.root), 4095);
	memset(p, 'x', 4096);
	strcpy(p + 4096, "\"");
	ck_assert_int_eq(parse(text), -1);
	ck_assert_str_eq(err.msg, "f.toml:1: key 'root': string too long");
	strcpy(p + 4092, "\\U0001D11E\"");
	ck_assert_int_eq(parse(text), -1);
	strcpy(p + 4091, "\\U0001D11E\"");
	must(text);
	/* A word too long for a value is none. */
	p = text + sprintf(text, "io_uid = ");
	memset(p, '1', 5000);
	p[5000] = '\0';
	ck_assert_int_eq(parse(text), -1);
	ck_assert_str_eq(err.msg, "f.toml:1: key 'io_uid': " NUM);

	/* Keys: 126 characters, the rest of the path included. */
	p = text + sprintf(text, "lenient = true\n");
	memset(p, 'k', 127);
	strcpy(p + 126, "=1");
	must(text);
	strcpy(p + 126, "k=1");
	ck_assert_int_eq(parse(text), -1);
	ck_assert_str_eq(err.msg, "f.toml:2: key too long");
	p = text + sprintf(text, "[runsc_config]\n");
	memset(p, 'k', 127);
	strcpy(p + 113, "=1");
	must(text);
	strcpy(p + 113, "k=1");
	ck_assert_int_eq(parse(text), -1);
	ck_assert_str_eq(err.msg, "f.toml:2: key too long");
	p = text + sprintf(text, "lenient=true\n[");
	memset(p, 'k', 127);
	strcpy(p + 126, "]\n");
	must(text);
	strcpy(p + 126, "]\nk=1");
	ck_assert_int_eq(parse(text), -1);
	ck_assert_str_eq(err.msg, "f.toml:3: key too long");

	/* Flags. */
	config_free(&c);
	ck_assert_int_eq(config_init(&c, &err), 0);
	p = text + sprintf(text, "[runsc_config]\n");
	for (i = 0; i < CONFIG_FLAGS_MAX; i++)
		p += sprintf(p, "f%d=%d\n", i, i);
	must(text);
	ck_assert_uint_eq(c.nflags, CONFIG_FLAGS_MAX);
	ck_assert_ptr_null(c.flags[CONFIG_FLAGS_MAX]);
	config_free(&c);
	ck_assert_int_eq(config_init(&c, &err), 0);
	strcpy(p, "more=1");
	ck_assert_int_eq(parse(text), -1);
	ck_assert_str_eq(err.msg,
	    "f.toml:66: key 'runsc_config.more': too many flags");

	/* The text. */
	memset(text, '\n', CONFIG_FILE_MAX + 1);
	ck_assert_int_eq(
	    config_parse(&c, text, CONFIG_FILE_MAX, "f", &err), 0);
	ck_assert_int_eq(
	    config_parse(&c, text, CONFIG_FILE_MAX + 1, "f", &err), -1);
	ck_assert_str_eq(err.msg, "f: larger than 1048576 bytes");
	ck_assert_int_eq(err.code, ERR_INVALID);
	free(text);
}
END_TEST

static const char *
file(const char *name, const char *text)
{
	const char *p = in_dir("%s", name);

	write_text(p, text);
	return p;
}

START_TEST(files)
{
	char want[512];
	const char *p;

	p = file("a.toml", "root = '/a'\n");
	ck_assert_int_eq(config_read_file(&c, p, &err), 0);
	ck_assert_str_eq(c.root, "/a");
	/* /etc is full of symbolic links: those are followed. */
	ck_assert_int_eq(symlink("a.toml", in_dir("link")), 0);
	ck_assert_int_eq(config_read_file(&c, in_dir("link"), &err), 0);

	p = file("bad.toml", "root = '/a'\n\nroot = 5\n");
	ck_assert_int_eq(config_read_file(&c, p, &err), -1);
	snprintf(want, sizeof(want), "%s:3: key 'root': given twice", p);
	ck_assert_str_eq(err.msg, want);

	p = in_dir("none");
	ck_assert_int_eq(config_read_file(&c, p, &err), -1);
	snprintf(want, sizeof(want), "open %s: No such file or directory", p);
	ck_assert_str_eq(err.msg, want);
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);

	ck_assert_int_eq(config_read_file(&c, dir, &err), -1);
	snprintf(want, sizeof(want), "%s: not a regular file", dir);
	ck_assert_str_eq(err.msg, want);
	p = in_dir("fifo");
	ck_assert_int_eq(mkfifo(p, 0600), 0);
	ck_assert_int_eq(config_read_file(&c, p, &err), -1);
	snprintf(want, sizeof(want), "%s: not a regular file", p);
	ck_assert_str_eq(err.msg, want);

	p = file("big", "");
	ck_assert_int_eq(truncate(p, CONFIG_FILE_MAX + 1), 0);
	ck_assert_int_eq(config_read_file(&c, p, &err), -1);
	snprintf(want, sizeof(want), "%s: larger than 1048576 bytes", p);
	ck_assert_str_eq(err.msg, want);
}
END_TEST

START_TEST(search)
{
	const char *none[] = { in_dir("no1"), in_dir("no2"), NULL };
	const char *second[] = { in_dir("no1"), file("2", "root='2'"),
		file("3", "root='3'"), NULL };
	const char *bad[] = { file("bad", "x"), second[1], NULL };

	ck_assert_int_eq(config_search(&c, none, &err), 0);
	ck_assert_str_eq(c.root, "/run/containerd/runsc");
	ck_assert_int_eq(config_search(&c, second, &err), 0);
	ck_assert_str_eq(c.root, "2");
	ck_assert_int_eq(config_search(&c, bad, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "/bad:1: key 'x': "));
}
END_TEST

/* protobuf by hand, so that a mistake in pb.c is not made twice. */
struct msg {
	uint8_t p[512];
	size_t n;
};

static struct msg
field(struct msg m, unsigned num, const void *p, size_t n)
{
	ck_assert_uint_lt(n, 128 * 128);
	m.p[m.n++] = (uint8_t)(num << 3 | PB_BYTES);
	if (n > 127)
		m.p[m.n++] = (uint8_t)(n | 0x80);
	m.p[m.n++] = (uint8_t)(n > 127 ? n >> 7 : n);
	memcpy(m.p + m.n, p, n);
	m.n += n;
	return m;
}

static struct msg
text(struct msg m, unsigned num, const char *s)
{
	return field(m, num, s, strlen(s));
}

static struct msg
num32(struct msg m, unsigned num, uint64_t v)
{
	m.p[m.n++] = (uint8_t)(num << 3 | PB_VARINT);
	for (; v > 127; v >>= 7)
		m.p[m.n++] = (uint8_t)(v | 0x80);
	m.p[m.n++] = (uint8_t)v;
	return m;
}

static int
from(const char *type, struct msg value)
{
	struct msg none = { .n = 0 }, any;
	struct pb_bytes b;

	any = field(text(none, 1, type), 2, value.p, value.n);
	b.p = any.p;
	b.n = any.n;
	return config_from_options(&c, b, &err);
}

#define RUNTIME "runtimeoptions.v1.Options"
#define RUNC "containerd.runc.v1.Options"

static const struct msg none;

START_TEST(options_path)
{
	const char *p = file("o.toml", "root = '/o'\n");
	struct msg m = text(text(none, 1, "io.containerd.runsc.v1.options"),
	    2, p);

	ck_assert_int_eq(from(RUNTIME, m), 0);
	ck_assert_str_eq(c.root, "/o");
	ck_assert_int_eq(from("cri." RUNTIME, m), 0);
	ck_assert_int_eq(from("type.googleapis.com/" RUNTIME, m), 0);
	/* The path counts, not the body. */
	ck_assert_int_eq(from(RUNTIME, text(m, 3, "root = '/b'")), 0);
	ck_assert_str_eq(c.root, "/o");
	/* What `ctr --runtime-config-path` sends has no type_url. */
	ck_assert_int_eq(from(RUNTIME, text(none, 2, p)), 0);

	ck_assert_int_eq(from(RUNTIME, text(none, 2, in_dir("none"))), -1);
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "/none: No such file"));
	ck_assert_int_eq(from(RUNTIME, text(none, 2, file("b", "y=1"))), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "/b:1: key 'y': unknown"));
}
END_TEST

START_TEST(options_body)
{
	ck_assert_int_eq(from(RUNTIME, text(none, 3,
	    "TypeUrl = 'io.containerd.runsc.v1.options'\n"
	    "ConfigPath = ''\nroot = '/b'\n\n[runsc_config]\n"
	    "  debug = 'true'\n")), 0);
	ck_assert_str_eq(c.root, "/b");
	ck_assert_str_eq(c.flags[0], "--debug=true");
	ck_assert_int_eq(from(RUNTIME, text(none, 3, "\nx = 1")), -1);
	ck_assert_str_eq(err.msg, "config_body:2: key 'x': unknown");
	ck_assert_int_eq(from(RUNTIME, text(none, 3, "TypeUrl=''\n"
	    "TypeUrl=''")), -1);
	ck_assert_str_eq(err.msg, "config_body:2: key 'TypeUrl': given twice");
}
END_TEST

START_TEST(options_defaults)
{
	struct pb_bytes b;
	struct msg m;

	ck_assert_int_eq(from(RUNTIME, text(none, 1, "x")), 0);
	ck_assert_str_eq(c.root, "/run/containerd/runsc");
	ck_assert_int_eq(from(RUNTIME, num32(none, 9, 1)), 0);
	/* Empty strings and fields of an Any to come change nothing. */
	m = text(text(text(none, 3, ""), 6, ""), 7, "");
	ck_assert_int_eq(from(RUNC, m), 0);
	ck_assert_str_eq(c.binary_name, "runsc");
	m = text(num32(text(none, 1, RUNTIME), 9, 1), 2, "\x0a\x01x");
	b.p = m.p;
	b.n = m.n;
	ck_assert_int_eq(config_from_options(&c, b, &err), 0);
	ck_assert_str_eq(c.root, "/run/containerd/runsc");
}
END_TEST

START_TEST(options_runc)
{
	ck_assert_int_eq(from(RUNC, text(text(num32(num32(text(num32(num32(
	    text(none, 13, "v"), 1, 1), 9, 1), 3, "/cg"), 4, 7), 5,
	    4294967294u), 6, "/bin/runsc"), 7, "/root")), 0);
	ck_assert_str_eq(c.shim_cgroup, "/cg");
	ck_assert_uint_eq(c.io_uid, 7);
	ck_assert_uint_eq(c.io_gid, 4294967294u);
	ck_assert_str_eq(c.binary_name, "/bin/runsc");
	ck_assert_str_eq(c.root, "/root");
	ck_assert_int_eq(from(RUNC, text(text(none, 6, "runc"), 7, "/r")), 0);
	ck_assert_str_eq(c.binary_name, "/bin/runsc");
	ck_assert_str_eq(c.root, "/r");
	ck_assert_int_eq(from(RUNC, text(none, 6, "runcx")), 0);
	ck_assert_str_eq(c.binary_name, "runcx");
}
END_TEST

START_TEST(options_refused)
{
	static const uint8_t wrong[] = { 1 << 3 | PB_VARINT, 0 };
	struct pb_bytes b = { wrong, sizeof(wrong) };
	struct msg m;

#define REFUSED(type, value, text) do { \
		ck_assert_int_eq(from(type, value), -1); \
		ck_assert_str_eq(err.msg, text); \
		ck_assert_int_eq(err.code, ERR_INVALID); \
	} while (0)
	ck_assert_int_eq(config_from_options(&c, b, &err), -1);
	ck_assert_str_eq(err.msg, "options: not a google.protobuf.Any");
	b.n = 1;
	ck_assert_int_eq(config_from_options(&c, b, &err), -1);
	ck_assert_str_eq(err.msg, "options: malformed message");
	ck_assert_int_eq(err.code, ERR_INVALID);

	m = text(none, 2, "x");
	REFUSED("some.Type", m, "options: unknown type 'some.Type'");
	REFUSED("x" RUNTIME, m, "options: unknown type 'x" RUNTIME "'");
	REFUSED(RUNTIME "x", m, "options: unknown type '" RUNTIME "x'");
	REFUSED("Options", m, "options: unknown type 'Options'");
	REFUSED("", m, "options: unknown type ''");
	REFUSED("containerd.linux.runc.RuncOptions", m,
	    "options: unknown type 'containerd.linux.runc.RuncOptions'");
	/* No type at all. */
	m = field(none, 2, "\x12\x01x", 3);
	b.p = m.p;
	b.n = m.n;
	ck_assert_int_eq(config_from_options(&c, b, &err), -1);
	ck_assert_str_eq(err.msg, "options: unknown type ''");

	m = text(none, 2, "x");
	m.n--;
	REFUSED(RUNTIME, m, "options: malformed message");
	REFUSED(RUNC, m, "options: malformed message");
	REFUSED(RUNTIME, num32(none, 2, 1),
	    "options: field 2 is not a string");
	REFUSED(RUNTIME, num32(none, 3, 1), "options: field 3 is not bytes");
	REFUSED(RUNTIME, field(none, 2, "a\0b", 3),
	    "options: field 2 is not a string");
	REFUSED(RUNTIME, text(none, 2, "\xff"),
	    "options: field 2 is not a string");
	REFUSED(RUNC, num32(none, 3, 1), "options: field 3 is not a string");
	REFUSED(RUNC, num32(none, 6, 1), "options: field 6 is not a string");
	REFUSED(RUNC, num32(none, 7, 1), "options: field 7 is not a string");
	REFUSED(RUNC, text(none, 4, "1"),
	    "options: field 4 is not a user or group id");
	REFUSED(RUNC, num32(none, 5, 4294967295u),
	    "options: field 5 is not a user or group id");
}
END_TEST

/* Nothing given: the defaults, unless this machine has a configuration. */
START_TEST(options_none)
{
	struct pb_bytes b = { NULL, 0 };

	if (access("/run/containerd/runsc/config.toml", F_OK) == 0 ||
	    access("/etc/containerd/runsc/config.toml", F_OK) == 0 ||
	    access("/etc/containerd/runsc.toml", F_OK) == 0)
		return;
	ck_assert_int_eq(config_from_options(&c, b, &err), 0);
	ck_assert_int_eq(from("", none), 0);
	ck_assert_int_eq(from(RUNTIME, none), 0);
	ck_assert_int_eq(from("some.Type", none), 0);
	ck_assert_int_eq(from(RUNC, text(none, 6, "runc")), 0);
	ck_assert_str_eq(c.binary_name, "runsc");
	ck_assert_str_eq(c.root, "/run/containerd/runsc");
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void
add(TCase *tc)
{
	suite_add(tc, defaults, everything, dotted, empty_strings, escapes,
	    levels, integers, refuses_nul, lenient, limits, files, search,
	    options_path, options_body, options_defaults, options_runc,
	    options_refused, options_none);
	tcase_add_loop_test(tc, refuses, 0, COUNT(refused));
}

int
main(void)
{
	static const char *const left[] = { "a.toml", "link", "bad.toml",
		"fifo", "big", "2", "3", "bad", "o.toml", "b" };
	int failed, i;

	strcpy(dir, "/tmp/config_test.XXXXXX");
	if (!mkdtemp(dir)) {
		perror(dir);
		return EXIT_FAILURE;
	}
	failed = suite_run("config", setup, teardown, add);
	for (i = 0; i < COUNT(left); i++)
		unlink(in_dir("%s", left[i]));
	rmdir(dir);
	return failed;
}
