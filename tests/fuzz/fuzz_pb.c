/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_pb: read a message, and the messages that may be in it, to some depth;
 * write what was read, into a buffer that is too small at first, and read
 * that: it is the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/pb.h"
#include "tests/fuzz/fuzz.h"

#define DEPTH_MAX 4

/* The bytes as a string: what is no UTF-8 is replaced, all else stays. */
static void
check_string(struct pb_bytes b)
{
	struct pb_out o;
	struct pb_in in;
	struct pb_field f;
	uint8_t buf[16];
	char *s = malloc(b.n + 1);
	size_t len;

	must(s != NULL);
	memcpy(s, b.p, b.n);
	s[b.n] = '\0';
	len = strlen(s);
	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 7, s);
	must(!o.bad);
	pb_in_init(&in, o.p, o.len);
	must(pb_next(&in, &f) == (len > 0));
	if (len > 0) {
		must(f.num == 7 && f.wire == PB_BYTES && pb_is_utf8(f.b));
		b.n = len;
		must(!pb_is_utf8(b) ||
		    (f.b.n == len && memcmp(f.b.p, s, len) == 0));
	}
	must(in.p == in.end);
	pb_out_free(&o);
	free(s);
}

/* Zero is not written, and what is fixed in size becomes a varint. */
static void
check_again(struct pb_out *o, const struct pb_field *f)
{
	size_t from = o->len;
	struct pb_field g;
	struct pb_in in;

	if (f->wire == PB_BYTES)
		pb_put_bytes(o, f->num, f->b.p, f->b.n);
	else
		pb_put_uint(o, f->num, f->v);
	must(!o->bad && o->len >= from);
	pb_in_init(&in, o->p + from, o->len - from);
	if (!pb_next(&in, &g)) {
		must(!in.bad && f->v == 0 && f->b.n == 0);
		return;
	}
	must(g.num == f->num && g.v == f->v && g.b.n == f->b.n);
	must(g.b.n == 0 || memcmp(g.b.p, f->b.p, g.b.n) == 0);
	must(in.p == in.end);
}

static void
look(const uint8_t *p, size_t n, unsigned depth)
{
	struct pb_out o;
	struct pb_in in;
	struct pb_field f;
	const uint8_t *at = p;
	uint8_t buf[32];
	size_t mark;

	pb_out_init(&o, buf, sizeof(buf));
	mark = pb_begin(&o, 1);
	pb_in_init(&in, p, n);
	while (pb_next(&in, &f)) {
		must(in.p > at && in.p <= p + n && f.num >= 1);
		at = in.p;
		check_again(&o, &f);
		if (f.wire != PB_BYTES) {
			must(!f.b.p && f.b.n == 0);
			continue;
		}
		must(f.b.p > p && f.b.p + f.b.n == at && f.v == 0);
		check_string(f.b);
		if (depth < DEPTH_MAX)
			look(f.b.p, f.b.n, depth + 1);
	}
	must(in.bad || in.p == p + n);
	must(!pb_next(&in, &f));
	pb_end(&o, mark);
	pb_put_time(&o, 2, n < sizeof(int64_t) ? 0 : (int64_t)(
	    (uint64_t)p[7] << 56 | (uint64_t)p[6] << 40 | p[0]));
	pb_in_init(&in, o.p, o.len);
	must(pb_next(&in, &f) && f.num == 1);
	if (pb_next(&in, &f))
		must(f.num == 2 && f.wire == PB_BYTES && !pb_next(&in, &f));
	must(!in.bad && !o.bad);
	pb_out_free(&o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct pb_bytes all = { p, n };

	pb_is_utf8(all);
	look(p, n, 0);
	return 0;
}
