/* SPDX-License-Identifier: Apache-2.0 */
/* pb: see pb.h.  https://protobuf.dev/programming-guides/encoding/ */
#include "wire/pb.h"

#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"

#define VARINT_BYTES 10
#define FIELD_NUMBER_MAX 0x1fffffffu	/* 2^29 - 1 */
#define NS_PER_SECOND 1000000000LL
/* A length written before it is known: five bytes of varint. */
#define LENGTH_BYTES 5
#define GROW_FROM 256

void
pb_in_init(struct pb_in *in, const void *p, size_t n)
{
	in->p = p;
	in->end = n ? in->p + n : in->p;	/* NULL + 0 is undefined */
	in->bad = false;
}

static bool
get_varint(struct pb_in *in, uint64_t *v)
{
	unsigned shift;
	uint8_t byte;

	*v = 0;
	for (shift = 0; shift < 7 * VARINT_BYTES && in->p < in->end;
	    shift += 7) {
		byte = *in->p++;
		if (shift == 63 && byte > 1)
			break;
		*v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	in->bad = true;
	return false;
}

static bool
get_fixed(struct pb_in *in, size_t n, uint64_t *v)
{
	size_t i;

	if ((size_t)(in->end - in->p) < n) {
		in->bad = true;
		return false;
	}
	*v = 0;
	for (i = 0; i < n; i++)
		*v |= (uint64_t)*in->p++ << 8 * i;
	return true;
}

bool
pb_next(struct pb_in *in, struct pb_field *f)
{
	uint64_t tag, len;

	if (in->bad || in->p == in->end || !get_varint(in, &tag))
		return false;
	if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
		goto bad;
	f->num = (uint32_t)(tag >> 3);
	f->wire = (enum pb_wire)(tag & 7);
	f->v = 0;
	f->b.p = NULL;
	f->b.n = 0;
	switch (tag & 7) {
	case PB_VARINT:
		return get_varint(in, &f->v);
	case PB_FIXED64:
		return get_fixed(in, 8, &f->v);
	case PB_FIXED32:
		return get_fixed(in, 4, &f->v);
	case PB_BYTES:
		if (!get_varint(in, &len))
			return false;
		if (len > (uint64_t)(in->end - in->p))
			goto bad;
		f->b.p = in->p;
		f->b.n = (size_t)len;
		in->p += len;
		return true;
	default:	/* groups, and what does not exist */
		goto bad;
	}
bad:
	in->bad = true;
	return false;
}

bool
pb_next_bytes(struct pb_in *in, uint32_t num, struct pb_bytes *b)
{
	struct pb_field f;

	while (pb_next(in, &f)) {
		if (f.num == num && f.wire == PB_BYTES) {
			*b = f.b;
			return true;
		}
	}
	return false;
}

bool
pb_is(struct pb_bytes b, const char *s)
{
	/* What was not given has no address to compare. */
	return b.n == strlen(s) && (b.n == 0 || memcmp(b.p, s, b.n) == 0);
}

bool
pb_is_utf8(struct pb_bytes b)
{
	int len;

	for (; b.n; b.p += len, b.n -= (size_t)len) {
		len = fmt_utf8_len((const char *)b.p, b.n);
		if (len <= 0)
			return false;
	}
	return true;
}

int
pb_read(struct pb_bytes in, const char *kinds, struct pb_field *fields)
{
	size_t n = strlen(kinds);
	struct pb_in pb;
	struct pb_field f;
	char kind;

	memset(fields, 0, n * sizeof(*fields));
	pb_in_init(&pb, in.p, in.n);
	while (pb_next(&pb, &f)) {
		kind = f.num < n ? kinds[f.num] : '-';
		if (kind == '-')
			continue;
		if (kind != '*' &&
		    (f.wire != (kind == 'n' ? PB_VARINT : PB_BYTES) ||
		    (kind == 's' && !pb_is_utf8(f.b))))
			return (int)f.num;
		fields[f.num] = f;
	}
	return pb.bad ? -1 : 0;
}

int
pb_decode(struct message *m, struct pb_bytes in, const char *kinds,
    struct err *e)
{
	struct pb_field *f = m->f;
	char *text;
	size_t i;

	memset(m, 0, sizeof(*m));
	m->whole = in;
	for (i = 0; i < PB_FIELDS; i++)
		m->str[i] = "";
	if (!kinds)
		return 0;
	/* The strings and their NULs fit: each has two bytes before it. */
	text = m->text = malloc(in.n + 1);
	if (!text)
		return err_set(e, ERR_EXHAUSTED, "out of memory for a request "
		    "of %zu bytes", in.n);
	if (pb_read(in, kinds, f) != 0)
		goto bad;
	for (i = 0; kinds[i]; i++) {
		if (kinds[i] != 's' || !f[i].num)
			continue;
		if (memchr(f[i].b.p, 0, f[i].b.n))
			goto bad;
		m->str[i] = memcpy(text, f[i].b.p, f[i].b.n);
		text += f[i].b.n;
		*text++ = '\0';
	}
	return 0;
bad:
	free(m->text);
	m->text = NULL;
	return err_set(e, ERR_INTERNAL, "ttrpc: error unmarshalling payload: "
	    "proto: cannot parse invalid wire-format data");
}

/* -- writing -------------------------------------------------------------- */

void
pb_out_init(struct pb_out *o, void *buf, size_t cap)
{
	o->p = buf;
	o->len = 0;
	o->cap = cap;
	o->bad = false;
	o->heap = false;
}

void
pb_out_free(struct pb_out *o)
{
	if (o->heap)
		fmt_wipe(o->p, o->len);
	pb_out_init(o, NULL, 0);
}

static bool
reserve(struct pb_out *o, size_t n)
{
	size_t cap = o->cap ? o->cap : GROW_FROM;
	uint8_t *p;

	if (o->bad)
		return false;
	if (n <= o->cap - o->len)
		return true;
	if (n > PB_OUT_MAX || o->len + n > PB_OUT_MAX)
		goto bad;
	while (cap < o->len + n)
		cap *= 2;
	p = malloc(cap);
	if (!p)
		goto bad;
	if (o->len)
		memcpy(p, o->p, o->len);
	if (o->heap)
		fmt_wipe(o->p, o->len);
	o->p = p;
	o->cap = cap;
	o->heap = true;
	return true;
bad:
	o->bad = true;
	return false;
}

static void
put_raw(struct pb_out *o, const void *p, size_t n)
{
	if (n == 0 || !reserve(o, n))
		return;
	memcpy(o->p + o->len, p, n);
	o->len += n;
}

static void
put_varint(struct pb_out *o, uint64_t v)
{
	uint8_t buf[VARINT_BYTES];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		buf[n++] = (uint8_t)(v | 0x80);
	buf[n++] = (uint8_t)v;
	put_raw(o, buf, n);
}

static void
put_tag(struct pb_out *o, uint32_t num, enum pb_wire wire)
{
	put_varint(o, (uint64_t)num << 3 | wire);
}

void
pb_put_uint(struct pb_out *o, uint32_t num, uint64_t v)
{
	if (v == 0)
		return;
	put_tag(o, num, PB_VARINT);
	put_varint(o, v);
}

void
pb_put_int(struct pb_out *o, uint32_t num, int64_t v)
{
	pb_put_uint(o, num, (uint64_t)v);
}

void
pb_put_bool(struct pb_out *o, uint32_t num, bool v)
{
	pb_put_uint(o, num, v);
}

void
pb_put_bytes(struct pb_out *o, uint32_t num, const void *p, size_t n)
{
	if (n == 0)
		return;
	put_tag(o, num, PB_BYTES);
	put_varint(o, n);
	put_raw(o, p, n);
}

void
pb_put_str(struct pb_out *o, uint32_t num, const char *s)
{
	static const char replacement[] = "\xef\xbf\xbd";
	struct pb_bytes b;
	const char *end;
	size_t mark;
	int len;

	if (!s || !*s)
		return;
	b.p = (const uint8_t *)s;
	b.n = strlen(s);
	if (pb_is_utf8(b)) {
		pb_put_bytes(o, num, s, b.n);
		return;
	}
	mark = pb_begin(o, num);
	for (end = s + b.n; s < end; s += len) {
		len = fmt_utf8_len(s, (size_t)(end - s));
		if (len > 0)
			put_raw(o, s, (size_t)len);
		else
			put_raw(o, replacement, sizeof(replacement) - 1);
		len = len > 0 ? len : 1;
	}
	pb_end(o, mark);
}

size_t
pb_begin(struct pb_out *o, uint32_t num)
{
	static const uint8_t room[LENGTH_BYTES];

	put_tag(o, num, PB_BYTES);
	put_raw(o, room, sizeof(room));
	return o->len;
}

void
pb_end(struct pb_out *o, size_t mark)
{
	uint8_t len[LENGTH_BYTES];
	size_t n = o->len - mark, used = 0, v = n;

	if (o->bad)
		return;
	for (; v >= 0x80; v >>= 7)
		len[used++] = (uint8_t)(v | 0x80);
	len[used++] = (uint8_t)v;
	/* Shortest form, as every other encoder writes it. */
	memcpy(o->p + mark - LENGTH_BYTES, len, used);
	memmove(o->p + mark - LENGTH_BYTES + used, o->p + mark, n);
	o->len -= LENGTH_BYTES - used;
}

void
pb_put_time(struct pb_out *o, uint32_t num, int64_t unix_ns)
{
	int64_t s = unix_ns / NS_PER_SECOND, ns = unix_ns % NS_PER_SECOND;
	size_t mark;

	if (unix_ns == 0)
		return;
	if (ns < 0) {
		s--;
		ns += NS_PER_SECOND;
	}
	mark = pb_begin(o, num);
	pb_put_int(o, 1, s);
	pb_put_int(o, 2, ns);
	pb_end(o, mark);
}

void
pb_put_any(struct pb_out *o, uint32_t num, const char *type_url,
    const void *p, size_t n)
{
	size_t mark = pb_begin(o, num);

	pb_put_str(o, 1, type_url);
	pb_put_bytes(o, 2, p, n);
	pb_end(o, mark);
}
