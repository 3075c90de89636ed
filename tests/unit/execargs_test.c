/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execargs_test: a process object in the sandbox's words, as `runsc exec` of
 * each release has it; what is left to runsc; and sets of capabilities.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/spec.h"
#include "json.h"
#include "runsc.h"
#include "tests/suite.h"

#define NET_RAW 0x2000
/* Of the container: each set another. */
static const uint64_t container[CAPS_SETS] = { 1, 2, NET_RAW, 8, 16 };

/* The smallest that is complete, with more members. */
#define PROCESS(more) "{\"args\":[\"a\"],\"env\":[],\"cwd\":\"/\"" more "}"
#define HEAD ",\"filename\":\"\",\"SupportTTYs\":true,\"GuestFDs\":[0,1,2]," \
	"\"argv\":[\"a\"],\"envv\":[],\"wd\":\"/\""
#define FLAGS ",\"NoNewPrivileges\":false,\"StdioIsPty\":false"
#define IDS ",\"KUID\":0,\"KGID\":0,\"ExtraKGIDs\":[]"
#define SETS(p, i, e, b, a) ",\"Capabilities\":{\"PermittedCaps\":" #p \
	",\"InheritableCaps\":" #i ",\"EffectiveCaps\":" #e \
	",\"BoundingCaps\":" #b ",\"AmbientCaps\":" #a "}"
#define CAPS(list) ",\"capabilities\":{\"bounding\":[" list "]}"

static const struct {
	const char *process;
	const char *args;	/* NULL: runsc's */
	bool net_raw;
	unsigned needs;
} rows[] = {
	{ PROCESS(""), HEAD FLAGS IDS SETS(1, 2, 0, 8, 16), false, 0 },
	{ PROCESS(""), HEAD FLAGS IDS SETS(1, 2, 8192, 8, 16), true, 0 },
	{ PROCESS(",\"terminal\":true"), HEAD ",\"NoNewPrivileges\":false,"
	    "\"StdioIsPty\":true" IDS SETS(1, 2, 0, 8, 16), false, 0 },
	{ PROCESS(",\"noNewPrivileges\":true"), HEAD ",\"NoNewPrivileges\":"
	    "true,\"StdioIsPty\":false" IDS SETS(1, 2, 0, 8, 16), false,
	    EXECARGS_NNP },
	{ PROCESS(",\"user\":{}"), HEAD FLAGS IDS SETS(1, 2, 0, 8, 16), false,
	    0 },
	{ PROCESS(",\"user\":{\"uid\":4294967295,\"gid\":7,"
	    "\"additionalGids\":[1, 2],\"username\":\"x\"}"), HEAD FLAGS
	    ",\"KUID\":4294967295,\"KGID\":7,\"ExtraKGIDs\":[1, 2]"
	    SETS(1, 2, 0, 8, 16), false, 0 },
	{ PROCESS(",\"capabilities\":{}"), HEAD FLAGS IDS SETS(0, 0, 0, 0, 0),
	    false, 0 },
	{ PROCESS(",\"capabilities\":null"), HEAD FLAGS IDS
	    SETS(1, 2, 0, 8, 16), false, 0 },
	{ PROCESS(CAPS("\"CAP_CHOWN\",\"CAP_NET_RAW\",\"CAP_AUDIT_READ\"")),
	    HEAD FLAGS IDS SETS(0, 0, 0, 137438953473, 0), false, 0 },
	{ PROCESS(CAPS("\"CAP_NET_RAW\"")), HEAD FLAGS IDS
	    SETS(0, 0, 0, 8192, 0), true, 0 },
	{ PROCESS(CAPS("\"CAP_CHECKPOINT_RESTORE\"")), HEAD FLAGS IDS
	    SETS(0, 0, 0, 1099511627776, 0), false, EXECARGS_LATE_CAPS },
	{ PROCESS(CAPS("\"CAP_PERFMON\"")), HEAD FLAGS IDS
	    SETS(0, 0, 0, 274877906944, 0), false, EXECARGS_LATE_CAPS },
	{ PROCESS(",\"rlimits\":[{}],\"apparmorProfile\":\"x\","
	    "\"oomScoreAdj\":1,\"selinuxLabel\":\"\",\"consoleSize\":{}"),
	    HEAD FLAGS IDS SETS(1, 2, 0, 8, 16), false, 0 },
	{ "{\"args\":[\"\\u00e4\\\"\"],\"env\":[\"A=\\n\"],\"cwd\":\"/x\"}",
	    ",\"filename\":\"\",\"SupportTTYs\":true,\"GuestFDs\":[0,1,2],"
	    "\"argv\":[\"\\u00e4\\\"\"],\"envv\":[\"A=\\n\"],\"wd\":\"/x\""
	    FLAGS IDS SETS(1, 2, 0, 8, 16), false, 0 },
	/* A specification of later, or another spelling, which Go takes. */
	{ .process = PROCESS(",\"scheduler\":{}") },
	{ .process = PROCESS(",\"Terminal\":true") },
	{ .process = PROCESS(",\"user\":{\"UID\":1}") },
	{ .process = PROCESS(",\"user\":{\"umask\":1}") },
	{ .process = PROCESS(",\"\":1") },
	/* Other types. */
	{ .process = PROCESS(",\"user\":null") },
	{ .process = PROCESS(",\"user\":[]") },
	{ .process = PROCESS(",\"user\":{\"uid\":-1}") },
	{ .process = PROCESS(",\"user\":{\"uid\":4294967296}") },
	{ .process = PROCESS(",\"user\":{\"uid\":1.0}") },
	{ .process = PROCESS(",\"user\":{\"uid\":\"1\"}") },
	{ .process = PROCESS(",\"user\":{\"additionalGids\":[\"1\"]}") },
	{ .process = PROCESS(",\"user\":{\"additionalGids\":null}") },
	{ .process = PROCESS(",\"terminal\":1") },
	{ .process = PROCESS(",\"terminal\":null") },
	{ .process = PROCESS(",\"capabilities\":[]") },
	{ .process = PROCESS(",\"capabilities\":{\"bounding\":{}}") },
	{ .process = PROCESS(",\"capabilities\":{\"Bounding\":[]}") },
	{ .process = PROCESS(CAPS("7")) },
	{ .process = PROCESS(CAPS("\"CAP_NONE\"")) },
	{ .process = PROCESS(CAPS("\"cap_chown\"")) },
	{ .process = PROCESS(CAPS("\"CHOWN\"")) },
	{ .process = PROCESS(CAPS("\"CAP_\"")) },
	{ .process = PROCESS(CAPS("\"\"")) },
	{ .process = "{\"args\":\"a\",\"env\":[],\"cwd\":\"/\"}" },
	{ .process = "{\"args\":[7],\"env\":[],\"cwd\":\"/\"}" },
	{ .process = "{\"args\":[[]],\"env\":[],\"cwd\":\"/\"}" },
	{ .process = "{\"args\":[\"a\"],\"env\":{},\"cwd\":\"/\"}" },
	{ .process = "{\"args\":[\"a\"],\"env\":[],\"cwd\":\"x\"}" },
	{ .process = "{\"args\":[\"a\"],\"env\":[],\"cwd\":\"\"}" },
	{ .process = "{\"args\":[\"a\"],\"env\":[],\"cwd\":7}" },
	/* Missing. */
	{ .process = "{\"env\":[],\"cwd\":\"/\"}" },
	{ .process = "{\"args\":[\"a\"],\"cwd\":\"/\"}" },
	{ .process = "{\"args\":[\"a\"],\"env\":[]}" },
	{ .process = "{}" }, { .process = "[]" }, { .process = "\"x\"" },
	{ .process = "" }, { .process = "{\"args\":" },
	{ .process = "{}{}" },
};

START_TEST(table)
{
	struct json_out o = { 0 };
	unsigned needs = 77;
	bool ok = execargs_put(&o, rows[_i].process, strlen(rows[_i].process),
	    container, rows[_i].net_raw, &needs);

	ck_assert_msg(ok == (rows[_i].args != NULL), "%s", rows[_i].process);
	if (ok) {
		ck_assert_str_eq(o.p, rows[_i].args);
		ck_assert_uint_eq(needs, rows[_i].needs);
	}
	json_out_free(&o);
}
END_TEST

/* Sets that nobody knows: what has its own is none the worse for it. */
START_TEST(container_unknown)
{
	static const char own[] = PROCESS(",\"capabilities\":{}");
	struct json_out o = { 0 };
	unsigned needs;

	ck_assert(!execargs_put(&o, PROCESS(""), strlen(PROCESS("")), NULL,
	    false, &needs));
	json_out_free(&o);
	o = (struct json_out){ 0 };
	ck_assert(execargs_put(&o, own, strlen(own), NULL, false, &needs));
	json_out_free(&o);
}
END_TEST

/* As long as a request may be. */
START_TEST(long_words)
{
	size_t n = 1 << 20, len;
	char *process = malloc(n + 100), *word = malloc(n + 1);
	struct json_out o = { 0 };
	unsigned needs;

	memset(word, 'x', n);
	word[n] = '\0';
	len = (size_t)sprintf(process, "{\"args\":[\"%s\"],\"env\":[],"
	    "\"cwd\":\"/\"}", word);
	ck_assert(execargs_put(&o, process, len, container, false, &needs));
	ck_assert(strstr(o.p, word) != NULL);
	json_out_free(&o);
	free(process);
	free(word);
}
END_TEST

/* All names that linux/capability.h has, in its order. */
START_TEST(names)
{
	static const char *const all[] = { "CHOWN", "DAC_OVERRIDE",
		"DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID",
		"SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE",
		"NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK",
		"IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
		"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
		"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
		"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE",
		"MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND",
		"AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE" };
	uint64_t sets[CAPS_SETS];
	char text[128];
	struct json j;
	struct err e;
	unsigned i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(text, sizeof(text), "{\"capabilities\":{\"ambient\":"
		    "[\"CAP_%s\"]}}", all[i]);
		ck_assert_int_eq(json_parse(&j, text, strlen(text), &e), 0);
		ck_assert_msg(caps_read(&j, 0, sets), "%s", all[i]);
		json_free(&j);
		ck_assert_uint_eq(sets[CAPS_AMBIENT], UINT64_C(1) << i);
		ck_assert_uint_eq(sets[CAPS_BOUNDING], 0);
	}
	ck_assert_uint_eq(i, 41);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_loop_test(tc, table, 0, sizeof(rows) / sizeof(rows[0]));
	suite_add(tc, container_unknown, long_words, names);
}

int
main(void)
{
	return suite_run("execargs", NULL, NULL, add);
}
