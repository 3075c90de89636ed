/* SPDX-License-Identifier: Apache-2.0 */
/* json: what is taken, what is refused and where, decoding, edits. */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "tests/suite.h"

static struct err err;

static int
parse(struct json *j, const char *text)
{
	memset(&err, 0, sizeof(err));
	return json_parse(j, text, strlen(text), &err);
}

static void
must(struct json *j, const char *text)
{
	ck_assert_msg(parse(j, text) == 0, "%s: %s", text, err.msg);
}

static const char *const good[] = {
	"0", "-0", "1", "-1", "10", "0.5", "-0.0", "1e5", "1E+5", "1e-05",
	"12.34e56", "true", "false", "null", "\"\"", "[]", "{}", " [ ] ",
	"\t\r\n{ }\n", "[[]]", "[{}]", "{\"\":0}", "[1,2,3]", "[ 1 , 2 ]",
	"{\"a\":1,\"b\":{\"a\":1}}", "[{\"a\":1},{\"a\":1}]",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"", "\"\\ud834\\udd1e\"",
	"\"\\uD834\\uDD1E\"", "\"\\u0000\"", "\"\x7f\"", "\"\xc2\x80\"",
	"\"\xdf\xbf\"", "\"\xe0\xa0\x80\"", "\"\xed\x9f\xbf\"",
	"\"\xee\x80\x80\"", "\"\xef\xbf\xbf\"", "\"\xf0\x90\x80\x80\"",
	"\"\xf4\x8f\xbf\xbf\"", "99999999999999999999999999",
};

START_TEST(takes)
{
	struct json j;

	must(&j, good[_i]);
	ck_assert_ptr_nonnull(j.toks);
	ck_assert_uint_eq(j.toks[0].next, j.ntoks);
	json_free(&j);
}
END_TEST

static const struct {
	const char *text;
	const char *msg;
} refused[] = {
	{ "", "line 1, column 1: unexpected end" },
	{ " \n ", "line 2, column 2: unexpected end" },
	{ "[", "line 1, column 2: unexpected end" },
	{ "[1", "line 1, column 3: unexpected end" },
	{ "[1,", "line 1, column 4: unexpected end" },
	{ "[1,]", "line 1, column 4: value expected" },
	{ "[,1]", "line 1, column 2: value expected" },
	{ "[1 2]", "line 1, column 4: ',' or ']' expected" },
	{ "[1}", "line 1, column 3: ',' or ']' expected" },
	{ "{]", "line 1, column 2: key expected" },
	{ "{", "line 1, column 2: unexpected end" },
	{ "{,}", "line 1, column 2: key expected" },
	{ "{a:1}", "line 1, column 2: key expected" },
	{ "{1:1}", "line 1, column 2: key expected" },
	{ "{'a':1}", "line 1, column 2: key expected" },
	{ "{\"a\"}", "line 1, column 5: ':' expected" },
	{ "{\"a\"", "line 1, column 5: unexpected end" },
	{ "{\"a\":", "line 1, column 6: unexpected end" },
	{ "{\"a\":}", "line 1, column 6: value expected" },
	{ "{\"a\":1,}", "line 1, column 8: key expected" },
	{ "{\"a\":1 \"b\":2}", "line 1, column 8: ',' or '}' expected" },
	{ "{\"a\":1]", "line 1, column 7: ',' or '}' expected" },
	{ "{\"a\" 1}", "line 1, column 6: ':' expected" },
	{ "{\"a\":1\n,\"b\":2,\n\"a\":3}",
	    "line 3, column 1: key given twice" },
	{ "{\"a\":1,\"\\u0061\":2}", "line 1, column 8: key given twice" },
	{ "{\"\":1,\"\":2}", "line 1, column 7: key given twice" },
	{ "[{\"x\":{\"k\":1,\"l\":2,\"k\":3}}]",
	    "line 1, column 20: key given twice" },
	{ "1 2", "line 1, column 3: text after the value" },
	{ "{}{}", "line 1, column 3: text after the value" },
	{ "[]]", "line 1, column 3: text after the value" },
	{ "]", "line 1, column 1: value expected" },
	{ "01", "line 1, column 2: malformed number or word" },
	{ "-01", "line 1, column 3: malformed number or word" },
	{ "1.", "line 1, column 3: unexpected end" },
	{ "1.x", "line 1, column 3: malformed number" },
	{ ".5", "line 1, column 1: value expected" },
	{ "+1", "line 1, column 1: value expected" },
	{ "-", "line 1, column 2: unexpected end" },
	{ "-a", "line 1, column 2: malformed number" },
	{ "1e", "line 1, column 3: unexpected end" },
	{ "1e+", "line 1, column 4: unexpected end" },
	{ "1ex", "line 1, column 3: malformed number" },
	{ "0x10", "line 1, column 2: malformed number or word" },
	{ "1.2.3", "line 1, column 4: malformed number or word" },
	{ "NaN", "line 1, column 1: value expected" },
	{ "Infinity", "line 1, column 1: value expected" },
	{ "True", "line 1, column 1: value expected" },
	{ "tru", "line 1, column 4: unexpected end" },
	{ "trux", "line 1, column 4: unknown word" },
	{ "truex", "line 1, column 5: malformed number or word" },
	{ "nullnull", "line 1, column 5: malformed number or word" },
	{ "fals", "line 1, column 5: unexpected end" },
	{ "// c\n1", "line 1, column 1: value expected" },
	{ "[1,/* */2]", "line 1, column 4: value expected" },
	{ "\xef\xbb\xbf{}", "line 1, column 1: value expected" },
	{ "\"a", "line 1, column 3: unexpected end" },
	{ "\"\\", "line 1, column 3: unexpected end" },
	{ "\"\\u", "line 1, column 3: unexpected end" },
	{ "\"\\u12", "line 1, column 3: unexpected end" },
	{ "\"\\x41\"", "line 1, column 3: invalid escape" },
	{ "\"\\'\"", "line 1, column 3: invalid escape" },
	{ "\"\\u12g4\"", "line 1, column 3: invalid \\u escape" },
	{ "\"\\u+123\"", "line 1, column 3: invalid \\u escape" },
	{ "\"\\ud800\"", "line 1, column 3: invalid \\u escape" },
	{ "\"\\udc00\"", "line 1, column 3: invalid \\u escape" },
	{ "\"\\udc00\\udc00\"", "line 1, column 3: invalid \\u escape" },
	{ "\"\\ud800\\n     \"", "line 1, column 3: invalid \\u escape" },
	{ "\"\\ud800\\u0041\"", "line 1, column 3: invalid \\u escape" },
	{ "\"\\ud800\\ud800\"", "line 1, column 3: invalid \\u escape" },
	{ "\"\\ud800x\"", "line 1, column 3: invalid \\u escape" },
	{ "\"\\ud800\\ud", "line 1, column 3: unexpected end" },
	{ "\"a\nb\"", "line 1, column 3: control character in a string" },
	{ "\"\t\"", "line 1, column 2: control character in a string" },
	{ "\"\x1f\"", "line 1, column 2: control character in a string" },
	{ "\"\x80\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xc0\x80\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xc1\xbf\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xc2\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xe0\x9f\xbf\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xed\xa0\x80\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xed\xbf\xbf\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xe1\x80\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xf0\x8f\xbf\xbf\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xf4\x90\x80\x80\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xf5\x80\x80\x80\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xff\"", "line 1, column 2: invalid UTF-8" },
	{ "\"\xe2\x82", "line 1, column 2: unexpected end" },
	{ "\f1", "line 1, column 1: value expected" },
	{ "\xc2\xa0" "1", "line 1, column 1: value expected" },
};

START_TEST(refuses)
{
	struct json j;

	ck_assert_int_eq(parse(&j, refused[_i].text), -1);
	ck_assert_str_eq(err.msg, refused[_i].msg);
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_ptr_null(j.toks);
	ck_assert_uint_eq(j.ntoks, 0);
}
END_TEST

START_TEST(refuses_nul)
{
	struct json j;

	ck_assert_int_eq(json_parse(&j, "1\0", 2, &err), -1);
	ck_assert_str_eq(err.msg, "line 1, column 2: text after the value");
	ck_assert_int_eq(json_parse(&j, "\"\0\"", 3, &err), -1);
	ck_assert_str_eq(err.msg,
	    "line 1, column 2: control character in a string");
	ck_assert_int_eq(json_parse(&j, "\"\\\0\"", 4, &err), -1);
	ck_assert_str_eq(err.msg, "line 1, column 3: invalid escape");
	ck_assert_int_eq(json_parse(&j, NULL, 0, &err), -1);
	ck_assert_str_eq(err.msg, "line 1, column 1: unexpected end");
}
END_TEST

/* Every way of cutting a text is refused and reads nothing past its end. */
START_TEST(refuses_cut)
{
	static const char text[] =
	    "{\"a\\u00e9\\ud834\\udd1e\": [1.5e+3, -2, true, false, null, "
	    "\"\xe2\x82\xac\xf0\x9d\x84\x9e\\n\"], \"b\": {\"c\": {}}}";
	struct json j;
	size_t n, used;
	char *copy;

	for (n = 0; n < sizeof(text) - 1; n++) {
		copy = malloc(n + 1);
		memcpy(copy, text, n);
		copy = realloc(copy, n ? n : 1);
		ck_assert_int_eq(json_parse(&j, copy, n, &err), -1);
		ck_assert_int_eq(
		    json_parse_prefix(&j, copy, n, &used, &err), 0);
		ck_assert_uint_eq(used, 0);
		ck_assert_ptr_null(j.toks);
		free(copy);
	}
	must(&j, text);
	json_free(&j);
}
END_TEST

START_TEST(depth)
{
	char text[2 * JSON_DEPTH_MAX + 8];
	struct json j;
	size_t n = JSON_DEPTH_MAX;

	memset(text, '[', n);
	memset(text + n, ']', n);
	ck_assert_int_eq(json_parse(&j, text, 2 * n, &err), 0);
	ck_assert_uint_eq(j.ntoks, n);
	json_free(&j);
	n++;
	memset(text, '[', n);
	memset(text + n, ']', n);
	ck_assert_int_eq(json_parse(&j, text, 2 * n, &err), -1);
	ck_assert_str_eq(err.msg, "line 1, column 65: nested too deeply");
	/* Depth, not the number of containers. */
	must(&j, "[[],[],[[],{}],{}]");
	json_free(&j);
}
END_TEST

START_TEST(size)
{
	size_t n = JSON_TEXT_MAX + 1;
	char *text = malloc(n);
	struct json j;

	memset(text, ' ', n);
	text[0] = '1';
	ck_assert_int_eq(json_parse(&j, text, n, &err), -1);
	ck_assert_str_eq(err.msg, "larger than 16777216 bytes");
	ck_assert_int_eq(json_parse(&j, text, n - 1, &err), 0);
	json_free(&j);

	/* The array and its elements. */
	n = 2 * (size_t)(JSON_TOKS_MAX - 1) + 1;
	memset(text, '0', n);
	for (size_t i = 2; i < n; i += 2)
		text[i] = ',';
	text[0] = '[';
	text[n - 1] = ']';
	ck_assert_int_eq(json_parse(&j, text, n, &err), 0);
	ck_assert_uint_eq(j.ntoks, JSON_TOKS_MAX);
	json_free(&j);
	memcpy(text + n - 1, ",0]", 3);
	ck_assert_int_eq(json_parse(&j, text, n + 2, &err), -1);
	ck_assert_str_eq(err.msg, "line 1, column 2097153: too many values");
	free(text);
}
END_TEST

/* An object whose keys, n of them, differ in their last bytes only. */
static void object_of_keys(struct json_out *o, int n)
{
	json_put_raw(o, "{", 1);
	for (int i = 0; i < n; i++)
		json_put_fmt(o, "%s\"aaaaaaaa%06x\":%d", i ? "," : "",
		    (i * 7919) % n, i);
	json_put_raw(o, "}", 1);
}

/* The least processor time (ns) of three in which such an object is read. */
static long long time_of_keys(int n)
{
	struct json_out o = { 0 };
	long long least = -1;

	object_of_keys(&o, n);
	for (int i = 0; i < 3; i++) {
		struct timespec a, b;
		struct json j;
		long long t;

		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
		ck_assert_int_eq(json_parse(&j, o.p, o.len, &err), 0);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
		ck_assert_uint_eq(j.toks[0].size, n);
		json_free(&j);
		t = (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec -
		    a.tv_nsec;
		if (least < 0 || t < least)
			least = t;
	}
	json_out_free(&o);
	return least;
}

/*
 * 1 MB of keys, then one of them twice.  Sixteen times the keys take some 20
 * times the time, not 256 times.
 */
START_TEST(many_keys)
{
	struct json_out o = { 0 };
	struct json j;

	ck_assert_int_lt(time_of_keys(48000), 80 * time_of_keys(3000));
	object_of_keys(&o, 48000);
	o.len--;
	json_put_raw(&o, ",\"aaaaaaaa00\\u0030001\":1}", 25);
	ck_assert_int_eq(json_parse(&j, o.p, o.len, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, ": key given twice"));
	json_out_free(&o);
}
END_TEST

static const struct {
	const char *text;
	int rc;
	size_t used;
} streams[] = {
	{ "", 0, 0 },
	{ " \n", 0, 2 },
	{ "  {", 0, 2 },
	{ "{}", 1, 2 },
	{ "{}{}", 1, 2 },
	{ " {} \n{", 1, 5 },
	{ "[1,2]x", 1, 5 },
	{ "\"a\"\"b\"", 1, 3 },
	{ "12", 0, 0 },
	{ "12 ", 1, 3 },
	{ "12\n13", 1, 3 },
	{ "12{}", 1, 2 },
	{ "-", 0, 0 },
	{ "1.", 0, 0 },
	{ "true", 1, 4 },
	{ "tru", 0, 0 },
	{ "null{", 1, 4 },
	{ "[1", 0, 0 },
	{ "{\"a\":1,", 0, 0 },
	{ "\"\\ud83", 0, 0 },
	{ "\"\xe2\x82", 0, 0 },
	{ "x", -1, 0 },
	{ "01 ", -1, 0 },
	{ "truefalse", -1, 0 },
	{ "{\"a\":1,\"a\":2}", -1, 0 },
	{ "[1,]", -1, 0 },
	{ "}", -1, 0 },
};

START_TEST(prefix)
{
	size_t used = 99;
	struct json j;
	int rc;

	rc = json_parse_prefix(&j, streams[_i].text, strlen(streams[_i].text),
	    &used, &err);
	ck_assert_int_eq(rc, streams[_i].rc);
	ck_assert_uint_eq(used, streams[_i].used);
	if (rc == 1)
		json_free(&j);
	else
		ck_assert_ptr_null(j.toks);
}
END_TEST

START_TEST(prefix_all)
{
	const char *text = "{\"a\":1}{\"b\":[2]}\n[]  null \"x\"";
	size_t len = strlen(text), used;
	struct json j;
	int n;

	for (n = 0; json_parse_prefix(&j, text, len, &used, &err) == 1; n++) {
		text += used;
		len -= used;
		json_free(&j);
	}
	ck_assert_int_eq(n, 5);
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(tokens)
{
	const char *text = " {\"a\": [1, {\"b\":\"x\"}], \"c\":true} ";
	struct json j;
	int a, b;

	must(&j, text);
	ck_assert_uint_eq(j.ntoks, 9);
	ck_assert_int_eq(j.toks[0].type, JSON_OBJECT);
	ck_assert_uint_eq(j.toks[0].start, 1);
	ck_assert_uint_eq(j.toks[0].end, strlen(text) - 1);
	ck_assert_uint_eq(j.toks[0].size, 2);
	a = json_get(&j, 0, "a");
	ck_assert_int_eq(a, 2);
	ck_assert_int_eq(j.toks[a].type, JSON_ARRAY);
	ck_assert_uint_eq(j.toks[a].size, 2);
	ck_assert_uint_eq(j.toks[a].next, 7);
	ck_assert_int_eq(j.toks[json_first(&j, a)].type, JSON_NUMBER);
	ck_assert_int_eq(json_first(&j, 0), -1);
	ck_assert_int_eq(json_first(&j, -1), -1);
	b = json_next(&j, a, json_first(&j, a));
	ck_assert(json_is(&j, json_get(&j, b, "b"), "x"));
	ck_assert_int_eq(json_next(&j, a, b), -1);
	ck_assert_int_eq(json_get(&j, 0, "b"), -1);
	ck_assert_int_eq(json_get(&j, 0, ""), -1);
	ck_assert_int_eq(json_get(&j, a, "a"), -1);
	ck_assert_int_eq(json_get(&j, json_get(&j, -1, "x"), "y"), -1);
	ck_assert_int_eq(json_get(&j, 9, "a"), -1);
	ck_assert_int_eq(json_get(&j, INT_MAX, "a"), -1);
	ck_assert(!json_is(&j, -1, ""));
	ck_assert(!json_is(&j, 9, ""));
	ck_assert(!json_is(&j, 0, ""));
	json_free(&j);
	json_free(&j);
}
END_TEST

/* 13.30: the index finds what json_get() finds. */
START_TEST(index_of_keys)
{
	const char *text = "{\"b\":1,\"a\":2,\"\":3,\"ab\":[4],\"a\\u0000\":5,"
	    "\"\\u00e9\":6,\"\\ud83d\\ude00\":7,\"B\":8}";
	const char *keys[] = { "a", "b", "", "ab", "\xc3\xa9", "B", "abc", "c",
	    "A", "\xf0\x9f\x98\x80", "\xff" };
	struct json_index x;
	struct json j;
	size_t i;

	must(&j, text);
	ck_assert_int_eq(json_index_make(&x, &j, 0), 0);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		ck_assert_int_eq(json_index_get(&x, &j, keys[i]),
		    json_get(&j, 0, keys[i]));
	json_index_free(&x);
	/* Of nothing, and of what is no object. */
	ck_assert_int_eq(json_index_make(&x, &j, -1), 0);
	ck_assert_int_eq(json_index_get(&x, &j, "a"), -1);
	ck_assert_int_eq(json_index_make(&x, &j, 2), 0);
	ck_assert_int_eq(json_index_get(&x, &j, "a"), -1);
	json_index_free(&x);
	json_free(&j);
}
END_TEST

START_TEST(strings)
{
	struct json j;
	char buf[32];
	char *s;

	must(&j, "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"\\u0041\\u00e9\\u20AC"
		 "\\uD834\\uDD1E\xc3\xa9\", \"\", \"a\\u0000b\", "
		 "\"\\uffff\\u07ff\\u0800\\u007f\\u0080\", 5]");
	ck_assert(json_is(&j, 1, "\"\\/\b\f\n\r\t"));
	ck_assert(!json_is(&j, 1, "\"\\/\b\f\n\r"));
	ck_assert(!json_is(&j, 1, "\"\\/\b\f\n\r\t "));
	ck_assert_int_eq(json_str(&j, 2, buf, sizeof(buf)), 12);
	ck_assert_str_eq(buf, "A\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\xc3\xa9");
	ck_assert_int_eq(json_str(&j, 2, buf, 13), 12);
	ck_assert_int_eq(json_str(&j, 2, buf, 12), -1);
	ck_assert_int_eq(json_str(&j, 2, buf, 0), -1);
	ck_assert_int_eq(json_str(&j, 3, buf, 1), 0);
	ck_assert_str_eq(buf, "");
	ck_assert_int_eq(json_str(&j, 3, buf, 0), -1);
	ck_assert_int_eq(json_str(&j, 4, buf, sizeof(buf)), -1);
	ck_assert(!json_is(&j, 4, "a"));
	ck_assert(!json_is(&j, 4, "ab"));
	ck_assert_int_eq(json_str(&j, 5, buf, sizeof(buf)), 3 + 2 + 3 + 1 + 2);
	ck_assert_str_eq(buf,
	    "\xef\xbf\xbf\xdf\xbf\xe0\xa0\x80\x7f\xc2\x80");
	ck_assert_int_eq(json_str(&j, 6, buf, sizeof(buf)), -1);
	ck_assert_int_eq(json_str(&j, -1, buf, sizeof(buf)), -1);
	s = json_strdup(&j, 2);
	ck_assert_str_eq(s, "A\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\xc3\xa9");
	free(s);
	s = json_strdup(&j, 3);
	ck_assert_str_eq(s, "");
	free(s);
	errno = 0;
	ck_assert_ptr_null(json_strdup(&j, 4));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(json_strdup(&j, 6));
	ck_assert_ptr_null(json_strdup(&j, -1));
	json_free(&j);
}
END_TEST

START_TEST(numbers)
{
	static const struct {
		const char *text;
		bool is_int, is_uint;
		int64_t i;
		uint64_t u;
	} v[] = {
		{ "0", true, true, 0, 0 },
		{ "-0", true, false, 0, 0 },
		{ "42", true, true, 42, 42 },
		{ "-42", true, false, -42, 0 },
		{ "9223372036854775807", true, true, INT64_MAX, INT64_MAX },
		{ "9223372036854775808", false, true, 0, 1ull << 63 },
		{ "-9223372036854775808", true, false, INT64_MIN, 0 },
		{ "-9223372036854775809", false, false, 0, 0 },
		{ "18446744073709551615", false, true, 0, UINT64_MAX },
		{ "18446744073709551616", false, false, 0, 0 },
		{ "99999999999999999999999", false, false, 0, 0 },
		{ "1.0", false, false, 0, 0 },
		{ "1e2", false, false, 0, 0 },
		{ "\"1\"", false, false, 0, 0 },
		{ "null", false, false, 0, 0 },
	};
	struct json j;
	int64_t i;
	uint64_t u;

	for (size_t k = 0; k < sizeof(v) / sizeof(v[0]); k++) {
		must(&j, v[k].text);
		i = 77;
		u = 77;
		ck_assert_msg(json_int(&j, 0, &i) == v[k].is_int, "%s",
		    v[k].text);
		ck_assert_msg(json_uint(&j, 0, &u) == v[k].is_uint, "%s",
		    v[k].text);
		ck_assert_int_eq(i, v[k].is_int ? v[k].i : 77);
		ck_assert_uint_eq(u, v[k].is_uint ? v[k].u : 77);
		ck_assert(!json_int(&j, -1, &i));
		ck_assert(!json_uint(&j, 1, &u));
		json_free(&j);
	}
}
END_TEST

START_TEST(booleans)
{
	struct json j;
	bool b = false;

	must(&j, "[true,false,null,1]");
	ck_assert(json_bool(&j, 1, &b) && b);
	ck_assert(json_bool(&j, 2, &b) && !b);
	ck_assert(!json_bool(&j, 3, &b));
	ck_assert(!json_bool(&j, 4, &b));
	ck_assert(!json_bool(&j, -1, &b));
	json_free(&j);
}
END_TEST

START_TEST(writer)
{
	struct json_out o = { 0 };
	struct json j;
	char *big;
	int i;

	json_put_raw(&o, "", 0);
	ck_assert_str_eq(o.p, "");
	json_put_str(&o, "a\"\\/\n\x01\x7f\xc3\xa9\xff\xe2\x82");
	ck_assert_str_eq(o.p, "\"a\\\"\\\\/\\u000a\\u0001\x7f\xc3\xa9"
			      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	ck_assert_int_eq(json_parse(&j, o.p, o.len, &err), 0);
	json_free(&j);
	json_out_free(&o);
	ck_assert_ptr_null(o.p);

	for (i = 0; i < 1000; i++)
		json_put_fmt(&o, "%d,%s", i, "x");
	ck_assert_uint_eq(o.len, strlen(o.p));
	ck_assert_uint_eq(o.len, 10 + 90 * 2 + 900 * 3 + 2000);
	ck_assert(!o.bad);
	json_out_free(&o);

	big = malloc(JSON_TEXT_MAX);
	memset(big, 'x', JSON_TEXT_MAX);
	json_put_raw(&o, big, JSON_TEXT_MAX);
	ck_assert(!o.bad);
	ck_assert_uint_eq(o.len, JSON_TEXT_MAX);
	json_put_raw(&o, "", 0);
	ck_assert(!o.bad);
	json_put_raw(&o, "x", 1);
	ck_assert(o.bad);
	ck_assert_uint_eq(o.len, JSON_TEXT_MAX);
	json_put_fmt(&o, "%d", 1);
	json_put_str(&o, "x");
	ck_assert_uint_eq(o.len, JSON_TEXT_MAX);
	free(big);
	json_out_free(&o);
	json_put_raw(&o, "x", SIZE_MAX);
	ck_assert(o.bad);
	json_out_free(&o);
}
END_TEST

/*
 * Edits in a small language: "r PATH VALUE" replaces, "s PATH KEY VALUE"
 * sets, "d PATH KEY|INDEX" removes.  PATH is / or /KEY/INDEX/...
 */
static int
element(const struct json *j, int arr, int i)
{
	int tok = json_first(j, arr);

	while (tok >= 0 && i-- > 0)
		tok = json_next(j, arr, tok);
	return tok;
}

static int
walk(const struct json *j, const char *path)
{
	char part[64];
	int tok = 0;
	size_t n;

	while (*path == '/' && path[1] != '\0') {
		path++;
		n = strcspn(path, "/");
		memcpy(part, path, n);
		part[n] = '\0';
		path += n;
		if (j->toks[tok].type == JSON_ARRAY)
			tok = element(j, tok, atoi(part));
		else
			tok = json_get(j, tok, part);
		ck_assert_int_ge(tok, 0);
	}
	return tok;
}

static int
edit(const char *text, const char *script, struct json_out *o)
{
	struct json_edits ed = { 0 };
	char op, path[64], key[64], value[64];
	char child[160];
	struct json j, k;
	int rc, used;

	must(&j, text);
	while (sscanf(script, " %c %63s %63s%n", &op, path, key, &used) == 3) {
		script += used;
		switch (op) {
		case 'r':
			json_edit_replace(&ed, &j, walk(&j, path), key);
			break;
		case 's':
			ck_assert_int_eq(
			    sscanf(script, " %63s%n", value, &used), 1);
			script += used;
			json_edit_set(&ed, &j, walk(&j, path), key, value);
			break;
		default:
			snprintf(child, sizeof(child), "%s/%s",
			    strcmp(path, "/") ? path : "", key);
			json_edit_remove(&ed, &j, walk(&j, child));
		}
	}
	rc = json_edit_apply(&ed, &j, o, &err);
	json_edits_free(&ed);
	json_free(&j);
	if (rc == 0) {
		ck_assert_msg(json_parse(&k, o->p, o->len, &err) == 0,
		    "%s: %s", o->p, err.msg);
		json_free(&k);
	}
	return rc;
}

static const struct {
	const char *text, *script, *want;
} edits[] = {
	{ " {} ", "", " {} " },
	{ "{}", "s / a 1", "{\"a\":1}" },
	{ "{ }", "s / a 1 s / b 2", "{ \"a\":1,\"b\":2}" },
	{ "{\"x\":0}", "s / a 1", "{\"x\":0,\"a\":1}" },
	{ "{\n\t\"x\": 0\n}\n", "s / a 1 s / b 2 s / c 3",
	    "{\n\t\"x\": 0,\"a\":1,\"b\":2,\"c\":3\n}\n" },
	{ "{\"x\":0}", "s / x 1", "{\"x\":1}" },
	{ "{\"x\":0}", "s / x 1 s / x 2", "{\"x\":2}" },
	{ "{}", "s / x 1 s / y 2 s / x 3", "{\"x\":3,\"y\":2}" },
	{ "{}", "s / x\" 1", "{\"x\\\"\":1}" },
	{ "[1,2]", "r /1 [true]", "[1,[true]]" },
	{ "[1,2]", "r /1 5 r /1 6 r /0 7", "[7,6]" },
	{ "1", "r / 2", "2" },
	{ "[1]", "d / 0", "[]" },
	{ "[ 1 ]", "d / 0", "[  ]" },
	{ "[1,2,3]", "d / 0", "[2,3]" },
	{ "[1,2,3]", "d / 1", "[1,3]" },
	{ "[1,2,3]", "d / 2", "[1,2]" },
	{ "[1,2,3]", "d / 0 d / 1", "[3]" },
	{ "[1,2,3]", "d / 1 d / 0", "[3]" },
	{ "[1,2,3]", "d / 1 d / 2", "[1]" },
	{ "[1,2,3]", "d / 0 d / 2", "[2]" },
	{ "[1,2,3]", "d / 2 d / 1 d / 0", "[]" },
	{ "[1,2,3]", "d / 1 d / 1", "[1,3]" },
	{ "[ 1 , 2 , 3 ]", "d / 0 d / 2", "[ 2 ]" },
	{ "[1,2,3,4,5]", "d / 1 d / 3", "[1,3,5]" },
	{ "[1,2,3,4,5]", "d / 0 d / 2 d / 4", "[2,4]" },
	{ "{\"a\":1}", "d / a", "{}" },
	{ "{\"a\":1,\"b\":2,\"c\":3}", "d / b", "{\"a\":1,\"c\":3}" },
	{ "{\"a\":1,\"b\":2,\"c\":3}", "d / a d / c", "{\"b\":2}" },
	{ "{\"a\":1,\"b\":2}", "d / a d / b s / c 3", "{\"c\":3}" },
	{ "{\"a\":1,\"b\":2}", "s / c 3 d / b", "{\"a\":1,\"c\":3}" },
	{ "{\"a\":1,\"b\":2}", "s / c 3 d / a s / d 4",
	    "{\"b\":2,\"c\":3,\"d\":4}" },
	{ "{\"a\":1,\"b\":2}", "d / a s / b 3", "{\"b\":3}" },
	{ "{\"a\":1,\"b\":2}", "d / b s / a 3", "{\"a\":3}" },
	/* Inside each other, but not inside what goes. */
	{ "{\"a\":{\"b\":[1,2]},\"c\":{}}",
	    "s / d 1 s /a x 2 d /a/b 0 s /c y 3 r /a/b/1 9",
	    "{\"a\":{\"b\":[9],\"x\":2},\"c\":{\"y\":3},\"d\":1}" },
	{ "{\"m\":[{\"o\":[\"bind\",\"ro\",\"rbind\"],\"t\":\"bind\"}]}",
	    "d /m/0/o 0 d /m/0/o 2 s /m/0 t \"tmpfs\"",
	    "{\"m\":[{\"o\":[\"ro\"],\"t\":\"tmpfs\"}]}" },
	{ "{\"n\":12345678901234567890,\"e\":\"\\u0041\",\"f\":1.0e+00}",
	    "s / x 1",
	    "{\"n\":12345678901234567890,\"e\":\"\\u0041\",\"f\":1.0e+00,"
	    "\"x\":1}" },
	/* NULL: refused. */
	{ "[[1]]", "r /0 5 r /0/0 6", NULL },
	{ "[[1]]", "d / 0 r /0/0 6", NULL },
	{ "[{}]", "d / 0 s /0 a 1", NULL },
	{ "[{\"b\":1}]", "r /0 5 s /0 a 1", NULL },
	{ "[[1,2],3]", "d / 0 d /0 1", NULL },
	{ "{\"a\":1}", "s / a 2 d / a", NULL },
	{ "[1,2]", "r /0 5 d / 0", NULL },
};

START_TEST(edited)
{
	struct json_out o = { 0 };
	int rc = edit(edits[_i].text, edits[_i].script, &o);

	if (edits[_i].want) {
		ck_assert_msg(rc == 0, "%s", err.msg);
		ck_assert_str_eq(o.p, edits[_i].want);
	} else {
		ck_assert_int_eq(rc, -1);
		ck_assert_int_eq(err.code, ERR_INTERNAL);
		ck_assert_str_eq(err.msg, "JSON edits overlap");
	}
	json_out_free(&o);
}
END_TEST

/* Every subset of five elements, removed in both orders, with and without
 * additions. */
START_TEST(removed)
{
	const char *text = "{\"a\":0,\"b\":1,\"c\":2,\"d\":3,\"e\":4}";
	struct json_edits ed = { 0 };
	struct json_out o = { 0 };
	struct json j, k;
	char key[2] = "";
	int i;

	must(&j, text);
	for (i = 0; i < 5; i++) {
		key[0] = (char)('a' + (_i & 32 ? i : 4 - i));
		if (_i & 1 << (key[0] - 'a'))
			json_edit_remove(&ed, &j, json_get(&j, 0, key));
	}
	if (_i & 64) {
		json_edit_set(&ed, &j, 0, "x", "8");
		json_edit_set(&ed, &j, 0, "y", "9");
	}
	ck_assert_int_eq(json_edit_apply(&ed, &j, &o, &err), 0);
	ck_assert_int_eq(json_parse(&k, o.p, o.len, &err), 0);
	ck_assert_uint_eq(k.toks[0].size,
	    5u - (unsigned)__builtin_popcount(_i & 31) + (_i & 64 ? 2 : 0));
	for (i = 0; i < 5; i++) {
		key[0] = (char)('a' + i);
		ck_assert_int_eq(json_get(&k, 0, key) < 0, (_i >> i) & 1);
	}
	json_free(&k);
	json_free(&j);
	json_out_free(&o);
	json_edits_free(&ed);
}
END_TEST

START_TEST(edit_mistakes)
{
	struct json_edits ed = { 0 };
	struct json_out o = { 0 };
	struct json j;

	must(&j, "{\"a\":[1],\"b\":2}");
#define REFUSED(call, text) do { \
		call; \
		ck_assert_int_eq(json_edit_apply(&ed, &j, &o, &err), -1); \
		ck_assert_int_eq(err.code, ERR_INVALID); \
		ck_assert_str_eq(err.msg, text); \
		json_edits_free(&ed); \
	} while (0)
#define WRONG "JSON edit: a member is of a wrong type"
	REFUSED(json_edit_replace(&ed, &j, -1, "1"), WRONG);
	REFUSED(json_edit_replace(&ed, &j, 6, "1"), WRONG);
	REFUSED(json_edit_set(&ed, &j, -1, "a", "1"), WRONG);
	REFUSED(json_edit_set(&ed, &j, 2, "a", "1"), WRONG);
	REFUSED(json_edit_remove(&ed, &j, -1), WRONG);
	REFUSED(json_edit_remove(&ed, &j, 6), WRONG);
	/* The whole, or a key instead of its value. */
	REFUSED(json_edit_remove(&ed, &j, 0), WRONG);
	REFUSED(json_edit_remove(&ed, &j, 1), WRONG);
	REFUSED(json_edit_remove(&ed, &j, 4), WRONG);
	json_out_free(&o);
	json_free(&j);
}
END_TEST

START_TEST(edit_limits)
{
	struct json_edits ed = { 0 };
	struct json_out o = { 0 };
	struct json j;
	char key[16];
	int i;

	must(&j, "{}");
	for (i = 1; i < JSON_EDITS_MAX; i++) {
		snprintf(key, sizeof(key), "%d", i);
		json_edit_set(&ed, &j, 0, key, "1");
	}
	json_edit_set(&ed, &j, 0, "7", "2");
	ck_assert(!ed.bad);
	ck_assert_int_eq(json_edit_apply(&ed, &j, &o, &err), 0);
	/* Again, onto what is there. */
	ck_assert_int_eq(json_edit_apply(&ed, &j, &o, &err), 0);
	json_edit_set(&ed, &j, 0, "one more", "1");
	ck_assert(ed.bad);
	ck_assert_int_eq(json_edit_apply(&ed, &j, &o, &err), -1);
	ck_assert_int_eq(err.code, ERR_EXHAUSTED);
	json_edits_free(&ed);
	json_free(&j);
	ck_assert_int_eq(
	    json_parse(&j, o.p, o.len / 2, &err), 0);
	ck_assert_uint_eq(j.toks[0].size, JSON_EDITS_MAX - 1);
	ck_assert_int_eq(j.text[j.toks[json_get(&j, 0, "7")].start], '2');

	json_edit_remove(&ed, &j, json_get(&j, 0, "7"));
	o.bad = true;
	ck_assert_int_eq(json_edit_apply(&ed, &j, &o, &err), -1);
	ck_assert_int_eq(err.code, ERR_EXHAUSTED);
	ck_assert_str_eq(err.msg,
	    "edited JSON: out of memory or larger than 16777216 bytes");
	json_edits_free(&ed);
	json_free(&j);
	json_out_free(&o);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void
add(TCase *tc)
{
	suite_add(tc, refuses_nul, refuses_cut, depth, size, many_keys,
	    prefix_all, tokens, index_of_keys, strings, numbers, booleans,
	    writer, edit_mistakes, edit_limits);
	tcase_add_loop_test(tc, takes, 0, COUNT(good));
	tcase_add_loop_test(tc, refuses, 0, COUNT(refused));
	tcase_add_loop_test(tc, prefix, 0, COUNT(streams));
	tcase_add_loop_test(tc, edited, 0, COUNT(edits));
	tcase_add_loop_test(tc, removed, 0, 128);
}

int
main(void)
{
	return suite_run("json", NULL, NULL, add);
}
