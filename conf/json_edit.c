/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_edit: the writer and the edits of json.h.
 *
 * Edits are byte ranges, collected as they are asked for, sorted when they are
 * applied.  Which commas go and come is seen then, from what stands before.
 */
#include "json.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"

static bool
grow(struct json_out *o, size_t n)
{
	size_t cap = o->cap ? o->cap : 128;
	char *p;

	if (o->bad || n > JSON_TEXT_MAX - o->len) {
		o->bad = true;
		return false;
	}
	while (cap < o->len + n + 1)
		cap *= 2;
	if (cap != o->cap) {
		p = fmt_grow(o->p, o->len, cap);
		if (!p) {
			o->bad = true;
			return false;
		}
		o->p = p;
		o->cap = cap;
	}
	return true;
}

/* A splice: text, or nothing for what is removed, in the place of the bytes
 * from start to end. */
struct json_edit {
	uint32_t start;
	uint32_t end;
	uint32_t keylen;	/* of a new member's text: its key and colon;
				 * of new elements: all of it */
	char *text;		/* ours */
};

/* Takes text over. */
static void
add_edit(struct json_edits *ed, uint32_t start, uint32_t end, size_t keylen,
    char *text)
{
	size_t cap = ed->cap ? 2 * ed->cap : 8;
	struct json_edit *x = ed->list;

	if (ed->n == ed->cap) {
		x = ed->n < JSON_EDITS_MAX ?
		    fmt_grow(ed->list, ed->n * sizeof(*x), cap * sizeof(*x)) :
		    NULL;
		if (!x) {
			free(text);
			ed->bad = true;
			return;
		}
		ed->list = x;
		ed->cap = cap;
	}
	x[ed->n++] = (struct json_edit){ start, end, (uint32_t)keylen, text };
}

/* The keys of two new members of one object; 0 for what is none.  No key with
 * its quotes begins another. */
static int
cmp_keys(const struct json_edit *x, const struct json_edit *y)
{
	uint32_t n = x->keylen < y->keylen ? x->keylen : y->keylen;

	return n && x->text && y->text ? strncmp(x->text, y->text, n) : 0;
}

/* By place, by key, then in the order they were asked for. */
static int
cmp_edits(const void *ctx, uint32_t a, uint32_t b)
{
	const struct json_edit *x = ctx, *y = x + b;
	int by_key;

	x += a;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	by_key = cmp_keys(x, y);
	return by_key ? by_key : a < b ? -1 : a > b;
}

/* Is x asked for once more, or otherwise, by y, which comes next? */
static bool
is_same(const struct json_edit *x, const struct json_edit *y)
{
	return x->start == y->start && x->end == y->end &&
	    !x->text == !y->text && !x->keylen == !y->keylen &&
	    cmp_keys(x, y) == 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* n less the blanks that the n bytes at p end in; never all of them. */
static size_t
trimmed(const char *p, size_t n)
{
	while (n > 1 && is_blank(p[n - 1]))
		n--;
	return n;
}

/* Where the text goes on after what ends at pos: after a comma that follows. */
static size_t
after_comma(const struct json *j, size_t pos)
{
	size_t p = pos;

	while (p < j->len && is_blank(j->text[p]))
		p++;
	if (p == j->len || j->text[p] != ',')
		return pos;
	for (p++; is_blank(j->text[p]); p++)
		;
	return p;
}

/*
 * Put x behind what stands before it.  What goes takes along the comma before
 * it or, if nothing before it stays, the one after it: so any mix of neighbours
 * can go.  Returns where the text goes on.
 */
static size_t
splice(const struct json_edit *x, const struct json *j, struct json_out *out)
{
	size_t n = trimmed(out->p, out->len);
	char last = out->len ? out->p[n - 1] : '\0';

	if (x->text) {
		if (x->keylen && last != '{' && last != '[')
			json_put_raw(out, ",", 1);
		json_put_raw(out, x->text, strlen(x->text));
	} else if (last == ',') {
		out->len = trimmed(out->p, n - 1);
	} else {
		return after_comma(j, x->end);
	}
	return x->end;
}

void
json_out_free(struct json_out *o)
{
	fmt_wipe(o->p, o->len);
	memset(o, 0, sizeof(*o));
}

void
json_put_raw(struct json_out *o, const char *p, size_t n)
{
	if (!grow(o, n))
		return;
	if (n > 0)
		memcpy(o->p + o->len, p, n);
	o->len += n;
	o->p[o->len] = '\0';
}

void
json_put_str(struct json_out *o, const char *s)
{
	const char *end = s + strlen(s);
	int n;

	json_put_raw(o, "\"", 1);
	for (; s < end && !o->bad; s += n) {
		n = fmt_utf8_len(s, (size_t)(end - s));
		if (n <= 0) {
			json_put_raw(o, "\xef\xbf\xbd", 3);
			n = 1;
		} else if ((unsigned char)*s < 0x20) {
			json_put_fmt(o, "\\u%04x", (unsigned)*s);
		} else {
			if (*s == '"' || *s == '\\')
				json_put_raw(o, "\\", 1);
			json_put_raw(o, s, (size_t)n);
		}
	}
	json_put_raw(o, "\"", 1);
}

void
json_put_fmt(struct json_out *o, const char *format, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, format);
	n = fmt_va(NULL, 0, format, ap);
	if (grow(o, n)) {
		fmt_va(o->p + o->len, n + 1, format, ap);
		o->len += n;
	}
	va_end(ap);
}

void
json_edits_free(struct json_edits *ed)
{
	size_t i;

	for (i = 0; i < ed->n; i++)
		free(ed->list[i].text);
	free(ed->list);
	memset(ed, 0, sizeof(*ed));
}

/* What is asked for cannot be done to this text, however much memory there
 * is. */
static void
mistake(struct json_edits *ed)
{
	ed->bad = ed->wrong = true;
}

void
json_edit_replace(struct json_edits *ed, const struct json *j, int tok,
	const char *value)
{
	char *text;

	if (tok < 0 || (uint32_t)tok >= j->ntoks) {
		mistake(ed);
		return;
	}
	text = strdup(value);
	if (text)
		add_edit(ed, j->toks[tok].start, j->toks[tok].end, 0, text);
	else
		ed->bad = true;
}

void
json_edit_set(struct json_edits *ed, const struct json *j, int obj,
	const char *key, const char *value)
{
	int tok = json_get(j, obj, key);

	if (tok >= 0)
		json_edit_replace(ed, j, tok, value);
	else
		json_edit_append(ed, j, obj, key, value);
}

void
json_edit_append(struct json_edits *ed, const struct json *j, int obj,
	const char *key, const char *value)
{
	const struct json_tok *t = json_typed(j, obj,
	    key ? JSON_OBJECT : JSON_ARRAY);
	struct json_out o = { 0 };
	uint32_t at;
	size_t keylen;

	if (!t) {
		mistake(ed);
		return;
	}
	if (key) {
		json_put_str(&o, key);
		json_put_raw(&o, ":", 1);
	}
	keylen = o.len;
	json_put_raw(&o, value, strlen(value));
	if (o.bad) {
		json_out_free(&o);
		ed->bad = true;
		return;
	}
	at = t->end - 1;
	if (t->size)
		at = (uint32_t)trimmed(j->text, at);
	add_edit(ed, at, at, key ? keylen : o.len, o.p);
}

void
json_edit_remove(struct json_edits *ed, const struct json *j, int tok)
{
	const struct json_tok *t = j->toks + tok;
	size_t next;

	if (tok <= 0 || (uint32_t)tok >= j->ntoks) {
		mistake(ed);
		return;
	}
	if (j->text[trimmed(j->text, t->start) - 1] == ':') {
		add_edit(ed, t[-1].start, t->end, 0, NULL);
		return;
	}
	for (next = t->end; is_blank(j->text[next]); next++)
		;
	if (j->text[next] == ':')
		mistake(ed);	/* a key */
	else
		add_edit(ed, t->start, t->end, 0, NULL);
}

int
json_edit_apply(const struct json_edits *ed, const struct json *j,
	struct json_out *out, struct err *e)
{
	const struct json_edit *x;
	uint32_t *order;
	size_t i, pos = 0;
	int rc = 0;

	if (ed->wrong)
		return err_set(e, ERR_INVALID,
		    "JSON edit: a member is of a wrong type");
	if (ed->bad)
		return err_set(e, ERR_EXHAUSTED,
		    "JSON edit: out of memory, or too many");
	order = malloc((ed->n + 1) * sizeof(*order));
	if (!order)
		return err_nomem(e);
	for (i = 0; i < ed->n; i++)
		order[i] = (uint32_t)i;
	json_sort(order, ed->n, cmp_edits, ed->list);
	for (i = 0; i < ed->n && rc == 0 && !out->bad; i++) {
		x = &ed->list[order[i]];
		if (i + 1 < ed->n && is_same(x, &ed->list[order[i + 1]]))
			continue;
		if (x->start < pos) {
			rc = err_set(e, ERR_INTERNAL, "JSON edits overlap");
			break;
		}
		json_put_raw(out, j->text + pos, x->start - pos);
		pos = splice(x, j, out);
	}
	free(order);
	if (rc == 0)
		json_put_raw(out, j->text + pos, j->len - pos);
	if (rc == 0 && out->bad)
		rc = err_set(e, ERR_EXHAUSTED,
		    "edited JSON: out of memory or larger than %u bytes",
		    JSON_TEXT_MAX);
	return rc;
}
