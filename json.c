/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json: see json.h.  The reader; json_edit.c writes.
 *
 * One scanner, run twice: once to check the text and count its tokens, once
 * to fill the one array that was allocated for them.  Nothing recurses; open
 * objects and arrays are on a stack of JSON_DEPTH_MAX frames.  Everything
 * after the scanner may trust the text: escapes and UTF-8 are known good.
 */
#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"

enum { DONE = 1, SHORT = 0, BAD = -1 };

struct scan {
	const char *text;
	size_t len;
	size_t pos;
	bool stream;		/* more text may follow */
	struct json_tok *toks;	/* NULL: only count */
	uint32_t n;
	uint32_t widest;	/* members of the largest object */
	const char *what;	/* after BAD */
};

struct frame {
	uint32_t tok;
	uint32_t size;
	bool obj;
};

static int
bad(struct scan *s, const char *what)
{
	s->what = what;
	return BAD;
}

/*
 * What follows \u: four hex digits and, after a high surrogate, the escape of
 * the low one.  Bytes read; 0: malformed, -1: cut off.
 */
static int
read_unicode(const char *p, size_t n, unsigned *u)
{
	unsigned v[2] = { 0, 0 }, d;
	int i;

	for (i = 0; i < 10; i++) {
		if (i == 4 && (v[0] < 0xd800 || v[0] > 0xdfff)) {
			*u = v[0];
			return 4;
		}
		if ((size_t)i == n)
			return -1;
		if (i == 4 || i == 5) {
			if (p[i] != "\\u"[i - 4])
				return 0;
			continue;
		}
		if (p[i] >= '0' && p[i] <= '9')
			d = (unsigned)(p[i] - '0');
		else if ((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'f')
			d = (unsigned)((p[i] | 0x20) - 'a' + 10);
		else
			return 0;
		v[i / 6] = v[i / 6] << 4 | d;
	}
	if (v[0] > 0xdbff || v[1] < 0xdc00 || v[1] > 0xdfff)
		return 0;
	*u = 0x10000 + ((v[0] - 0xd800) << 10) + (v[1] - 0xdc00);
	return 10;
}

/* Is the next character one of set? */
static bool
ahead(const struct scan *s, const char *set)
{
	return s->pos < s->len && s->text[s->pos] != '\0' &&
	    strchr(set, s->text[s->pos]);
}

/* What follows a backslash. */
static int
scan_escape(struct scan *s)
{
	unsigned u;
	int n = 0;

	if (s->pos == s->len)
		return SHORT;
	if (s->text[s->pos] == 'u') {
		n = read_unicode(s->text + s->pos + 1, s->len - s->pos - 1,
		    &u);
		if (n < 0)
			return SHORT;
		if (n == 0)
			return bad(s, "invalid \\u escape");
	} else if (!ahead(s, "\"\\/bfnrt")) {
		return bad(s, "invalid escape");
	}
	s->pos += (size_t)n + 1;
	return DONE;
}

static int
scan_string(struct scan *s)
{
	int rc;

	s->pos++;
	while (s->pos < s->len) {
		unsigned char c = (unsigned char)s->text[s->pos];

		if (c == '"') {
			s->pos++;
			return DONE;
		}
		if (c < 0x20)
			return bad(s, "control character in a string");
		if (c == '\\') {
			s->pos++;
			rc = scan_escape(s);
			if (rc != DONE)
				return rc;
			continue;
		}
		rc = fmt_utf8_len(s->text + s->pos, s->len - s->pos);
		if (rc < 0)
			return SHORT;
		if (rc == 0)
			return bad(s, "invalid UTF-8");
		s->pos += (size_t)rc;
	}
	return SHORT;
}

static int
scan_digits(struct scan *s)
{
	size_t first = s->pos;

	while (s->pos < s->len && s->text[s->pos] >= '0' &&
	    s->text[s->pos] <= '9')
		s->pos++;
	if (s->pos > first)
		return DONE;
	return s->pos == s->len ? SHORT : bad(s, "malformed number");
}

static int
scan_number(struct scan *s)
{
	int rc = DONE;

	if (ahead(s, "-"))
		s->pos++;
	if (ahead(s, "0"))
		s->pos++;
	else
		rc = scan_digits(s);
	if (rc == DONE && ahead(s, ".")) {
		s->pos++;
		rc = scan_digits(s);
	}
	if (rc == DONE && ahead(s, "eE")) {
		s->pos++;
		if (ahead(s, "+-"))
			s->pos++;
		rc = scan_digits(s);
	}
	/* The rest of the number may be yet to come. */
	if (rc == DONE && s->stream && s->pos == s->len)
		return SHORT;
	return rc;
}

static int
scan_word(struct scan *s, const char *word)
{
	for (; *word; word++, s->pos++) {
		if (s->pos == s->len)
			return SHORT;
		if (s->text[s->pos] != *word)
			return bad(s, "unknown word");
	}
	return DONE;
}

static int
add_tok(struct scan *s, enum json_type type, size_t start)
{
	struct json_tok *t;

	if (s->n == JSON_TOKS_MAX)
		return bad(s, "too many values");
	if (s->toks) {
		t = &s->toks[s->n];
		t->type = type;
		t->start = (uint32_t)start;
		t->end = (uint32_t)s->pos;
		t->size = 0;
		t->next = s->n + 1;
	}
	s->n++;
	return DONE;
}

/* A value that is neither object nor array. */
static int
scan_scalar(struct scan *s)
{
	size_t start = s->pos;
	enum json_type type;
	int rc;
	char c;

	switch (s->text[start]) {
	case '"':
		rc = scan_string(s);
		return rc == DONE ? add_tok(s, JSON_STRING, start) : rc;
	case 't':
		type = JSON_TRUE;
		rc = scan_word(s, "true");
		break;
	case 'f':
		type = JSON_FALSE;
		rc = scan_word(s, "false");
		break;
	case 'n':
		type = JSON_NULL;
		rc = scan_word(s, "null");
		break;
	default:
		if (!ahead(s, "-0123456789"))
			return bad(s, "value expected");
		type = JSON_NUMBER;
		rc = scan_number(s);
	}
	if (rc != DONE)
		return rc;
	/* Or 01 would be two glued values to json_parse_prefix(). */
	if (s->pos < s->len) {
		c = (char)(s->text[s->pos] | 0x20);
		if ((c >= 'a' && c <= 'z') || ahead(s, "0123456789.+-_"))
			return bad(s, "malformed number or word");
	}
	return add_tok(s, type, start);
}

static void
skip_space(struct scan *s)
{
	while (ahead(s, " \t\n\r"))
		s->pos++;
}

/* A member's key, its colon, and the space up to its value. */
static int
scan_key(struct scan *s)
{
	size_t start = s->pos;
	int rc;

	if (s->text[s->pos] != '"')
		return bad(s, "key expected");
	rc = scan_string(s);
	if (rc == DONE)
		rc = add_tok(s, JSON_STRING, start);
	if (rc != DONE)
		return rc;
	skip_space(s);
	if (s->pos == s->len)
		return SHORT;
	if (s->text[s->pos] != ':')
		return bad(s, "':' expected");
	s->pos++;
	skip_space(s);
	return s->pos == s->len ? SHORT : DONE;
}

static int
open_frame(struct scan *s, struct frame *f)
{
	f->obj = s->text[s->pos] == '{';
	f->size = 0;
	f->tok = s->n;
	if (add_tok(s, f->obj ? JSON_OBJECT : JSON_ARRAY, s->pos) != DONE)
		return BAD;
	s->pos++;
	return DONE;
}

static void
close_frame(struct scan *s, const struct frame *f)
{
	s->pos++;
	if (f->obj && f->size > s->widest)
		s->widest = f->size;
	if (s->toks) {
		s->toks[f->tok].end = (uint32_t)s->pos;
		s->toks[f->tok].size = f->size;
		s->toks[f->tok].next = s->n;
	}
}

/* One value. */
static int
scan(struct scan *s)
{
	struct frame st[JSON_DEPTH_MAX], *f;
	enum { FIRST, ITEM, AFTER } want = ITEM;
	size_t depth = 0;
	int rc;

	do {
		skip_space(s);
		if (s->pos == s->len)
			return SHORT;
		f = depth ? &st[depth - 1] : NULL;
		if (f && want != ITEM &&
		    s->text[s->pos] == (f->obj ? '}' : ']')) {
			close_frame(s, f);
			depth--;
			want = AFTER;
			continue;
		}
		if (want == AFTER) {
			if (s->text[s->pos] != ',')
				return bad(s, f->obj ? "',' or '}' expected" :
				    "',' or ']' expected");
			s->pos++;
			want = ITEM;
			continue;
		}
		rc = f && f->obj ? scan_key(s) : DONE;
		if (rc != DONE)
			return rc;
		if (f)
			f->size++;
		if (ahead(s, "{[")) {
			if (depth == JSON_DEPTH_MAX)
				return bad(s, "nested too deeply");
			rc = open_frame(s, &st[depth++]);
			want = FIRST;
		} else {
			rc = scan_scalar(s);
			want = AFTER;
		}
		if (rc != DONE)
			return rc;
	} while (depth > 0);
	return DONE;
}

const struct json_tok *
json_typed(const struct json *j, int i, enum json_type type)
{
	if (i < 0 || (uint32_t)i >= j->ntoks || j->toks[i].type != type)
		return NULL;
	return &j->toks[i];
}

/* The bytes that a string token stands for, one at a time. */
struct rd {
	const char *p;
	const char *end;
	char buf[4];
	int n;
	int i;
};

static bool
rd_init(struct rd *r, const struct json *j, int tok)
{
	const struct json_tok *t = json_typed(j, tok, JSON_STRING);

	if (!t)
		return false;
	r->p = j->text + t->start + 1;
	r->end = j->text + t->end - 1;
	r->n = r->i = 0;
	return true;
}

/* A code point given by \u, as UTF-8 into r->buf. */
static void
rd_unicode(struct rd *r)
{
	unsigned u = 0;

	r->p += read_unicode(r->p, 10, &u);
	r->i = 0;
	r->n = fmt_utf8_put(r->buf, u);
}

static int
rd_next(struct rd *r)
{
	static const char names[] = "bfnrt", bytes[] = "\b\f\n\r\t";
	const char *at;
	char c;

	if (r->i < r->n)
		return (unsigned char)r->buf[r->i++];
	if (r->p == r->end)
		return -1;
	c = *r->p++;
	if (c != '\\')
		return (unsigned char)c;
	c = *r->p++;
	if (c == 'u') {
		rd_unicode(r);
		return (unsigned char)r->buf[r->i++];
	}
	at = strchr(names, c);
	return at ? bytes[at - names] : c;
}

static void
sift(uint32_t *a, size_t root, size_t n, json_cmp *cmp, const void *ctx)
{
	uint32_t top = a[root];
	size_t kid;

	while ((kid = 2 * root + 1) < n) {
		if (kid + 1 < n && cmp(ctx, a[kid], a[kid + 1]) < 0)
			kid++;
		if (cmp(ctx, top, a[kid]) >= 0)
			break;
		a[root] = a[kid];
		root = kid;
	}
	a[root] = top;
}

void
json_sort(uint32_t *a, size_t n, json_cmp *cmp, const void *ctx)
{
	uint32_t last;
	size_t i;

	for (i = n / 2; i-- > 0;)
		sift(a, i, n, cmp, ctx);
	while (n > 1) {
		last = a[--n];
		a[n] = a[0];
		a[0] = last;
		sift(a, 0, n, cmp, ctx);
	}
}

static int
cmp_text(const void *ctx, uint32_t a, uint32_t b)
{
	struct rd ra, rb;
	int ca, cb;

	rd_init(&ra, ctx, (int)a);
	rd_init(&rb, ctx, (int)b);
	do {
		ca = rd_next(&ra);
		cb = rd_next(&rb);
	} while (ca == cb && ca >= 0);
	return ca - cb;
}

static int
err_at(struct err *e, const char *text, size_t pos, const char *what)
{
	unsigned line = 1;
	size_t i, bol = 0;

	for (i = 0; i < pos; i++) {
		if (text[i] == '\n') {
			line++;
			bol = i + 1;
		}
	}
	return err_set(e, ERR_INVALID, "line %u, column %zu: %s", line,
	    pos - bol + 1, what);
}

/* The keys of object obj, in the order of their texts. */
static void
sort_keys(const struct json *j, uint32_t obj, uint32_t *keys)
{
	uint32_t i, k = obj + 1;

	for (i = 0; i < j->toks[obj].size; i++, k = j->toks[k + 1].next)
		keys[i] = k;
	json_sort(keys, i, cmp_text, j);
}

/*
 * Refuse a key given twice: readers differ in which one counts, and ours must
 * not see another value than runsc's.  Sorting keeps the worst text at
 * n log n, where comparing all pairs would let 1 MB of keys take minutes.
 */
static int
check_keys(const struct json *j, uint32_t widest, struct err *e)
{
	const struct json_tok *t;
	uint32_t *keys, obj, k, i;
	int rc = 0;

	if (widest < 2)
		return 0;
	keys = malloc(widest * sizeof(*keys));
	if (!keys)
		return err_nomem(e);
	for (obj = 0; obj < j->ntoks && rc == 0; obj++) {
		t = &j->toks[obj];
		if (t->type != JSON_OBJECT)
			continue;
		sort_keys(j, obj, keys);
		for (i = 1; i < t->size && rc == 0; i++) {
			/* Filled above: json_sort() does not change size.
			 * NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
			if (cmp_text(j, keys[i - 1], keys[i]) != 0)
				continue;
			k = keys[i] > keys[i - 1] ? keys[i] : keys[i - 1];
			rc = err_at(e, j->text, j->toks[k].start,
			    "key given twice");
		}
	}
	free(keys);
	return rc;
}

/* 1, 0 or -1 as json_parse_prefix(). */
static int
parse(struct json *j, struct scan *s, struct err *e)
{
	int rc;

	memset(j, 0, sizeof(*j));
	if (s->len > JSON_TEXT_MAX)
		return err_set(e, ERR_INVALID, "larger than %u bytes",
		    JSON_TEXT_MAX);
	rc = scan(s);
	if (rc == DONE) {
		skip_space(s);
		if (!s->stream && s->pos < s->len)
			rc = bad(s, "text after the value");
	}
	if (rc == SHORT) {
		if (s->stream)
			return 0;
		rc = bad(s, "unexpected end");
	}
	if (rc == BAD)
		return err_at(e, s->text, s->pos, s->what);
	j->toks = malloc(s->n * sizeof(*j->toks));
	if (!j->toks)
		return err_nomem(e);
	j->text = s->text;
	j->len = s->len;
	j->ntoks = s->n;
	s->toks = j->toks;
	s->n = 0;
	s->pos = 0;
	scan(s);
	skip_space(s);
	if (check_keys(j, s->widest, e) < 0) {
		json_free(j);
		return -1;
	}
	return 1;
}

int
json_parse(struct json *j, const char *text, size_t len, struct err *e)
{
	struct scan s = { .text = text, .len = len };

	return parse(j, &s, e) < 0 ? -1 : 0;
}

int
json_parse_prefix(struct json *j, const char *text, size_t len, size_t *used,
	struct err *e)
{
	struct scan s = { .text = text, .len = len, .stream = true };
	int rc = parse(j, &s, e);

	if (rc == 0) {
		s.pos = 0;
		skip_space(&s);
	}
	*used = rc < 0 ? 0 : s.pos;
	return rc;
}

void
json_free(struct json *j)
{
	free(j->toks);
	memset(j, 0, sizeof(*j));
}

int
json_get(const struct json *j, int obj, const char *key)
{
	const struct json_tok *t = json_typed(j, obj, JSON_OBJECT);
	uint32_t i, k = (uint32_t)obj + 1;

	for (i = 0; t && i < t->size; i++) {
		if (json_is(j, (int)k, key))
			return (int)k + 1;
		k = j->toks[k + 1].next;
	}
	return -1;
}

int
json_first(const struct json *j, int arr)
{
	const struct json_tok *t = json_typed(j, arr, JSON_ARRAY);

	return t && t->size ? arr + 1 : -1;
}

int
json_next(const struct json *j, int arr, int tok)
{
	uint32_t next = j->toks[tok].next;

	return next < j->toks[arr].next ? (int)next : -1;
}

/* A string token, its escapes decoded, against s; cmp_text()'s order. */
static int
cmp_str(const struct json *j, uint32_t tok, const char *s)
{
	struct rd r;
	int c, d;

	rd_init(&r, j, (int)tok);
	do {
		c = rd_next(&r);
		d = *s ? (unsigned char)*s++ : -1;
	} while (c == d && c >= 0);
	return c - d;
}

bool
json_is(const struct json *j, int tok, const char *s)
{
	return json_typed(j, tok, JSON_STRING) &&
	    cmp_str(j, (uint32_t)tok, s) == 0;
}

int
json_index_make(struct json_index *x, const struct json *j, int obj)
{
	const struct json_tok *t = json_typed(j, obj, JSON_OBJECT);

	memset(x, 0, sizeof(*x));
	if (!t)
		return 0;
	x->keys = malloc((t->size + 1) * sizeof(*x->keys));
	if (!x->keys)
		return -1;
	x->n = t->size;
	sort_keys(j, (uint32_t)obj, x->keys);
	return 0;
}

int
json_index_get(const struct json_index *x, const struct json *j,
	const char *key)
{
	uint32_t low = 0, high = x->n, mid;
	int c;

	while (low < high) {
		mid = low + (high - low) / 2;
		c = cmp_str(j, x->keys[mid], key);
		if (c == 0)
			return (int)x->keys[mid] + 1;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

void
json_index_free(struct json_index *x)
{
	free(x->keys);
	memset(x, 0, sizeof(*x));
}

long
json_str(const struct json *j, int tok, char *out, size_t cap)
{
	struct rd r;
	size_t n = 0;
	int c;

	if (!rd_init(&r, j, tok))
		return -1;
	while ((c = rd_next(&r)) > 0 && n < cap)
		out[n++] = (char)c;
	if (c >= 0 || n == cap)
		return -1;
	out[n] = '\0';
	return (long)n;
}

char *
json_strdup(const struct json *j, int tok)
{
	const struct json_tok *t = json_typed(j, tok, JSON_STRING);
	size_t cap = t ? t->end - t->start : 1;
	char *s;

	/* Decoded, a string is never longer than between its quotes. */
	s = malloc(cap);
	if (s && json_str(j, tok, s, cap) < 0) {
		free(s);
		s = NULL;
		errno = EINVAL;
	}
	return s;
}

/* The number's sign and digits; false if it has other parts or is too big. */
static bool
read_int(const struct json *j, int tok, bool *minus, uint64_t *v)
{
	const struct json_tok *t = json_typed(j, tok, JSON_NUMBER);
	const char *p, *end;

	if (!t)
		return false;
	p = j->text + t->start;
	end = j->text + t->end;
	*minus = *p == '-';
	for (*v = 0, p += *minus; p < end; p++)
		if (*p < '0' || *p > '9' ||
		    __builtin_mul_overflow(*v, 10u, v) ||
		    __builtin_add_overflow(*v, (unsigned)(*p - '0'), v))
			return false;
	return true;
}

bool
json_uint(const struct json *j, int tok, uint64_t *v)
{
	uint64_t u = 0;
	bool minus = false;

	if (!read_int(j, tok, &minus, &u) || minus)
		return false;
	*v = u;
	return true;
}

bool
json_int(const struct json *j, int tok, int64_t *v)
{
	uint64_t u;
	bool minus;

	if (!read_int(j, tok, &minus, &u) || u > (uint64_t)INT64_MAX + minus)
		return false;
	*v = (int64_t)(minus ? 0 - u : u);
	return true;
}

bool
json_bool(const struct json *j, int tok, bool *v)
{
	const struct json_tok *t = json_typed(j, tok, JSON_TRUE);

	if (!t && !json_typed(j, tok, JSON_FALSE))
		return false;
	*v = t != NULL;
	return true;
}
