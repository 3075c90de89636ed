/* SPDX-License-Identifier: Apache-2.0 */
/* pb_test: the wire format, by bytes. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "wire/pb.h"
#include "tests/suite.h"

/* Read all of p; the number of fields, or -1 if it is malformed. */
static int
fields(const char *p, size_t n)
{
	struct pb_field f;
	struct pb_in in;
	int count = 0;

	pb_in_init(&in, p, n);
	while (pb_next(&in, &f))
		count++;
	return in.bad ? -1 : count;
}

static uint64_t
varint_of(const char *p, size_t n)
{
	struct pb_field f;
	struct pb_in in;

	pb_in_init(&in, p, n);
	ck_assert(pb_next(&in, &f));
	ck_assert_int_eq(f.wire, PB_VARINT);
	return f.v;
}

#define BYTES(s) s, sizeof(s) - 1

START_TEST(reading)
{
	ck_assert_int_eq(fields("", 0), 0);
	ck_assert_int_eq(fields(NULL, 0), 0);
	ck_assert_uint_eq(varint_of(BYTES("\x08\x00")), 0);
	ck_assert_uint_eq(varint_of(BYTES("\x08\x96\x01")), 150);
	ck_assert_uint_eq(varint_of(BYTES("\x08\xff\xff\xff\xff\xff\xff\xff"
	    "\xff\xff\x01")), UINT64_MAX);
	/* Not in its shortest form: allowed. */
	ck_assert_uint_eq(varint_of(BYTES("\x08\x81\x00")), 1);
	/* Every wire type at once. */
	ck_assert_int_eq(fields(BYTES("\x08\x01\x11" "12345678" "\x1a\x02xy"
	    "\x25" "1234")), 4);
}
END_TEST

START_TEST(malformed)
{
	static const struct {
		const char *p;
		size_t n;
	} t[] = {
		{ BYTES("\x08") },			/* no value */
		{ BYTES("\x08\x80") },			/* cut varint */
		{ BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01") },
		{ BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02") },
		{ BYTES("\x00\x01") },			/* field 0 */
		{ BYTES("\x80\x80\x80\x80\x10\x01") },	/* field 2^29 */
		{ BYTES("\x1a\x03xy") },		/* past the end */
		{ BYTES("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01xy") },
		{ BYTES("\x11" "1234567") },
		{ BYTES("\x25" "123") },
		{ BYTES("\x0b\x0c") },			/* groups */
		{ BYTES("\x0c") },
		{ BYTES("\x0e\x01") },			/* wire type 6 */
		{ BYTES("\x0f\x01") },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ck_assert_msg(fields(t[i].p, t[i].n) == -1, "case %zu", i);
}
END_TEST

static int
read_as(const char *kinds, struct pb_field *f, const char *p, size_t n)
{
	return pb_read((struct pb_bytes){ (const uint8_t *)p, n }, kinds, f);
}

START_TEST(read_by_number)
{
	struct pb_field f[5];

	memset(f, 0xff, sizeof(f));
	ck_assert_int_eq(read_as("-nbs*", f, NULL, 0), 0);
	ck_assert(!f[0].num && !f[1].num && !f[2].num && !f[2].b.p);
	/* The last of 1; 9 is passed over, whatever it is. */
	ck_assert_int_eq(read_as("-nbs*", f, BYTES("\x08\x01\x12\x01\xff"
	    "\x1a\x03" "a\0b" "\x25" "1234" "\x48\x01\x4a\x00\x08\x02")), 0);
	ck_assert_uint_eq(f[1].v, 2);
	ck_assert_uint_eq(f[2].b.n, 1);
	ck_assert_uint_eq(f[3].b.n, 3);
	ck_assert_int_eq(f[4].wire, PB_FIXED32);
	/* Of another kind, and no UTF-8: the field's number. */
	ck_assert_int_eq(read_as("-nbs*", f, BYTES("\x0a\x00")), 1);
	ck_assert_int_eq(read_as("-nbs*", f, BYTES("\x09" "12345678")), 1);
	ck_assert_int_eq(read_as("-nbs*", f, BYTES("\x10\x00")), 2);
	ck_assert_int_eq(read_as("-nbs*", f, BYTES("\x18\x00")), 3);
	ck_assert_int_eq(read_as("-nbs*", f, BYTES("\x1a\x01\xff")), 3);
	ck_assert_int_eq(read_as("-nbs*", f, BYTES("\x08\x07\x12\x05x")), -1);
	ck_assert_uint_eq(f[1].v, 7);
	ck_assert_int_eq(read_as("-", f, BYTES("\x08\x07\x12\x05x")), -1);
}
END_TEST

START_TEST(decoded)
{
	static const char in[] = "\x0a\x01" "a" "\x12\x00" "\x0a\x03" "bcd"
	    "\x18\x05";
	struct pb_bytes b = { (const uint8_t *)in, sizeof(in) - 1 };
	struct message m;
	struct err e;

	ck_assert_int_eq(pb_decode(&m, b, "-ssn", &e), 0);
	ck_assert_str_eq(m.str[1], "bcd");
	ck_assert_str_eq(m.str[2], "");
	ck_assert_str_eq(m.str[PB_FIELDS - 1], "");
	ck_assert_uint_eq(m.f[3].v, 5);
	free(m.text);
	ck_assert_int_eq(pb_decode(&m, b, NULL, &e), 0);
	ck_assert(m.whole.p == b.p && !m.text && m.str[1][0] == '\0');
	ck_assert_int_eq(pb_decode(&m, b, "-sb", &e), 0);
	free(m.text);
	ck_assert_int_eq(pb_decode(&m, b, "-ns", &e), -1);
	ck_assert_int_eq(e.code, ERR_INTERNAL);
	ck_assert(!m.text);
	b.p = (const uint8_t *)"\x0a\x03" "a\0b";
	b.n = 5;
	ck_assert_int_eq(pb_decode(&m, b, "-s", &e), -1);
	ck_assert(!m.text);
	ck_assert_int_eq(pb_decode(&m, b, "-b", &e), 0);
	free(m.text);
}
END_TEST

START_TEST(repeated)
{
	static const char in[] = "\x0a\x01" "a" "\x08\x01\x12\x01x\x0a\x00";
	struct pb_bytes b;
	struct pb_in pb;

	pb_in_init(&pb, in, sizeof(in) - 1);
	ck_assert(pb_next_bytes(&pb, 1, &b) && pb_is(b, "a"));
	ck_assert(pb_next_bytes(&pb, 1, &b) && pb_is(b, ""));
	ck_assert(!pb_next_bytes(&pb, 1, &b) && !pb.bad);
}
END_TEST

START_TEST(utf8)
{
	static const char *const good[] = { "", "a", "\x7f", "\xc2\x80",
		"\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf",
		"\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc2",
		"\xe1\x80", "\xf1\x80\x80", "a\xc2z" };
	struct pb_bytes b;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		b = (struct pb_bytes){ (const uint8_t *)good[i],
		    strlen(good[i]) };
		ck_assert_msg(pb_is_utf8(b), "good %zu", i);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		b = (struct pb_bytes){ (const uint8_t *)bad[i],
		    strlen(bad[i]) };
		ck_assert_msg(!pb_is_utf8(b), "bad %zu", i);
	}
}
END_TEST

static void
is_bytes(struct pb_out *o, const char *p, size_t n)
{
	ck_assert(!o->bad);
	ck_assert_uint_eq(o->len, n);
	ck_assert(n == 0 || memcmp(o->p, p, n) == 0);
	pb_out_free(o);
	pb_out_init(o, NULL, 0);
}

START_TEST(writing)
{
	struct pb_out o;
	size_t m, k;

	pb_out_init(&o, NULL, 0);
	pb_put_uint(&o, 1, 0);
	pb_put_bool(&o, 1, false);
	pb_put_str(&o, 1, "");
	pb_put_str(&o, 1, NULL);
	pb_put_bytes(&o, 1, "", 0);
	pb_put_time(&o, 1, 0);
	is_bytes(&o, "", 0);
	pb_put_uint(&o, 1, 150);
	is_bytes(&o, BYTES("\x08\x96\x01"));
	pb_put_int(&o, 1, -1);
	is_bytes(&o, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
	pb_put_bool(&o, 8, true);
	is_bytes(&o, BYTES("\x40\x01"));
	pb_put_str(&o, 2, "hi");
	is_bytes(&o, BYTES("\x12\x02hi"));
	pb_put_str(&o, 2, "a\xff" "b\xc2");
	is_bytes(&o, BYTES("\x12\x08" "a\xef\xbf\xbd" "b\xef\xbf\xbd"));
	/* DeleteResponse of the reference: pid 1234, status 137, a time. */
	pb_put_uint(&o, 1, 1234);
	pb_put_uint(&o, 2, 137);
	pb_put_time(&o, 3, 1700000000000000005LL);
	is_bytes(&o, BYTES("\x08\xd2\x09\x10\x89\x01\x1a\x08\x08\x80\xe2\xcf"
	    "\xaa\x06\x10\x05"));
	/* Before 1970 the nanoseconds still count upwards. */
	pb_put_time(&o, 1, -1);
	is_bytes(&o, BYTES("\x0a\x11\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	    "\x01\x10\xff\x93\xeb\xdc\x03"));
	m = pb_begin(&o, 1);
	k = pb_begin(&o, 2);
	pb_end(&o, k);
	pb_end(&o, m);
	is_bytes(&o, BYTES("\x0a\x02\x12\x00"));
	pb_put_any(&o, 10, "t", "v", 1);
	is_bytes(&o, BYTES("\x52\x06\x0a\x01t\x12\x01v"));
}
END_TEST

/* Lengths around each size of their varint, nested, from the caller's buffer
 * onto the heap. */
START_TEST(nested_lengths)
{
	static const size_t sizes[] = { 0, 1, 127, 128, 16383, 16384,
		2097151, 2097152 };
	static char data[2097152];
	uint8_t small[8];
	struct pb_field f;
	struct pb_out o;
	struct pb_in in;
	size_t m, i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		pb_out_init(&o, small, sizeof(small));
		m = pb_begin(&o, 1);
		pb_put_bytes(&o, 2, data, sizes[i]);
		pb_end(&o, m);
		ck_assert(!o.bad);
		pb_in_init(&in, o.p, o.len);
		ck_assert(pb_next(&in, &f));
		ck_assert_uint_eq((size_t)(in.end - in.p), 0);
		pb_in_init(&in, f.b.p, f.b.n);
		if (sizes[i]) {
			ck_assert(pb_next(&in, &f));
			ck_assert_uint_eq(f.b.n, sizes[i]);
		}
		ck_assert(!pb_next(&in, &f) && !in.bad);
		pb_out_free(&o);
		pb_out_free(&o);
	}
}
END_TEST

START_TEST(cap)
{
	char *data = calloc(1, PB_OUT_MAX);
	struct pb_out o;
	size_t m;

	pb_out_init(&o, NULL, 0);
	pb_put_bytes(&o, 1, data, PB_OUT_MAX - 5);
	ck_assert(!o.bad);
	pb_put_bytes(&o, 1, data, 1);
	ck_assert(o.bad);
	/* What follows does no harm. */
	m = pb_begin(&o, 1);
	pb_put_str(&o, 1, "x");
	pb_end(&o, m);
	ck_assert(o.bad);
	pb_out_free(&o);
	free(data);
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, reading, malformed, read_by_number, decoded, repeated,
	    utf8, writing, nested_lengths, cap);
}

int
main(void)
{
	return suite_run("pb", NULL, NULL, add);
}
