/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_edit: the writer and the edits of json.h.
 *
 * Edits are collected as they are asked for and become byte ranges only when
 * they are applied, container by container, so that any mix of neighbours can
 * be removed, replaced and appended to and the commas come out right.
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
		p = realloc(o->p, cap);
		if (!p) {
			o->bad = true;
			return false;
		}
		o->p = p;
		o->cap = cap;
	}
	return true;
}

enum edit_kind { EDIT_REPLACE, EDIT_APPEND, EDIT_REMOVE };

#define NONE UINT32_MAX

struct json_edit {
	enum edit_kind kind;
	uint32_t box;		/* object or array; NONE for EDIT_REPLACE */
	uint32_t tok;		/* the value; NONE for EDIT_APPEND */
	uint32_t next;		/* in its slot: 1 + index; 0 ends */
	char *text;		/* ours */
	/* Worked out when applied: */
	uint64_t key;		/* to sort by */
	uint32_t start;		/* bytes that text takes the place of */
	uint32_t end;
	bool comma;		/* before text */
};

/* The slot for edits of that place. */
static uint32_t *
slot_of(struct json_edits *ed, const struct json_edit *edit, size_t keylen)
{
	uint32_t hash = edit->box + edit->tok;
	size_t i;

	for (i = 0; i < keylen; i++)
		hash = hash * 31 + (unsigned char)edit->text[i];
	return &ed->slots[hash % JSON_EDIT_SLOTS];
}

/*
 * Takes text over.  An edit of the same place, and for EDIT_APPEND of the same
 * key (the first keylen bytes of text), is replaced.
 */
static void
add_edit(struct json_edits *ed, struct json_edit edit, size_t keylen)
{
	size_t cap = ed->cap ? 2 * ed->cap : 8;
	uint32_t *slot = slot_of(ed, &edit, keylen), i;
	struct json_edit *x = NULL;

	for (i = *slot; i; i = x->next) {
		x = &ed->list[i - 1];
		if (x->kind == edit.kind && x->box == edit.box &&
		    x->tok == edit.tok && (keylen == 0 ||
		    strncmp(x->text, edit.text, keylen) == 0)) {
			free(x->text);
			x->text = edit.text;
			return;
		}
	}
	if (ed->n == ed->cap) {
		x = NULL;
		if (ed->n < JSON_EDITS_MAX)
			x = realloc(ed->list, cap * sizeof(*x));
		if (!x) {
			free(edit.text);
			ed->bad = true;
			return;
		}
		ed->list = x;
		ed->cap = cap;
	}
	edit.next = *slot;
	ed->list[ed->n++] = edit;
	*slot = (uint32_t)ed->n;
}

/* By key, then in the order they were asked for. */
static int
cmp_edits(const void *ctx, uint32_t a, uint32_t b)
{
	const struct json_edit *list = ctx;

	if (list[a].key != list[b].key)
		return list[a].key < list[b].key ? -1 : 1;
	return a < b ? -1 : a > b;
}

/*
 * The byte ranges of one container's n edits, in one walk over its elements.
 * A removed element takes the comma before it along while some element before
 * it stays, else the comma after it: so any mix of neighbours can go.
 */
static size_t
plan_box(struct json_edit *list, const uint32_t *order, size_t n,
	const struct json *j)
{
	uint32_t box = list[order[0]].box, t = box + 1, val, i, prev = 0;
	const struct json_tok *toks = j->toks;
	uint32_t kept = 0;
	struct json_edit *x;
	size_t k = 0;

	for (i = 0; i < toks[box].size; i++) {
		val = toks[box].type == JSON_OBJECT ? t + 1 : t;
		x = &list[order[k < n ? k : 0]];
		if (k < n && x->tok == val) {
			x->start = kept ? prev : toks[t].start;
			x->end = toks[val].end;
			if (!kept && i + 1 < toks[box].size)
				x->end = toks[toks[val].next].start;
			k++;
		} else {
			kept++;
		}
		prev = toks[val].end;
		t = toks[val].next;
	}
	for (; k < n && list[order[k]].kind == EDIT_APPEND; k++) {
		x = &list[order[k]];
		x->start = toks[box].size ? prev : toks[box].end - 1;
		x->end = x->start;
		x->comma = kept++ > 0;
	}
	return k;
}

/* Leaves order sorted by place in the text. */
static int
plan(struct json_edit *list, uint32_t *order, size_t n, const struct json *j,
	struct err *e)
{
	size_t i, k;

	for (i = 0; i < n; i++) {
		order[i] = (uint32_t)i;
		/* Container by container, element by element; EDIT_APPEND
		 * last in its container, EDIT_REPLACE last of all. */
		list[i].key = (uint64_t)list[i].box << 32 | list[i].tok;
	}
	json_sort(order, n, cmp_edits, list);
	for (i = 0; i < n && list[order[i]].box != NONE; i += k) {
		for (k = 1; i + k < n; k++)
			if (list[order[i + k]].box != list[order[i]].box)
				break;
		if (plan_box(list, order + i, k, j) != k)
			return err_set(e, ERR_INTERNAL,
			    "JSON edit: no such element");
	}
	for (; i < n; i++) {
		list[order[i]].start = j->toks[list[order[i]].tok].start;
		list[order[i]].end = j->toks[list[order[i]].tok].end;
	}
	for (i = 0; i < n; i++)
		list[i].key = list[i].start;
	json_sort(order, n, cmp_edits, list);
	for (i = 1; i < n; i++)
		if (list[order[i]].start < list[order[i - 1]].end)
			return err_set(e, ERR_INTERNAL, "JSON edits overlap");
	return 0;
}

void
json_out_free(struct json_out *o)
{
	free(o->p);
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

void
json_edit_replace(struct json_edits *ed, const struct json *j, int tok,
	const char *value)
{
	struct json_edit x = { .kind = EDIT_REPLACE, .box = NONE };

	if (tok >= 0 && (uint32_t)tok < j->ntoks)
		x.text = strdup(value);
	if (!x.text) {
		ed->bad = true;
		return;
	}
	x.tok = (uint32_t)tok;
	add_edit(ed, x, 0);
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
	struct json_edit x = { .kind = EDIT_APPEND, .tok = NONE };
	struct json_out o = { 0 };
	size_t keylen;

	json_put_str(&o, key);
	json_put_raw(&o, ":", 1);
	keylen = o.len;
	json_put_raw(&o, value, strlen(value));
	if (o.bad || !json_typed(j, obj, JSON_OBJECT)) {
		json_out_free(&o);
		ed->bad = true;
		return;
	}
	x.box = (uint32_t)obj;
	x.text = o.p;
	add_edit(ed, x, keylen);
}

void
json_edit_remove(struct json_edits *ed, const struct json *j, int arr, int tok)
{
	struct json_edit x = { .kind = EDIT_REMOVE };

	if ((!json_typed(j, arr, JSON_ARRAY) &&
	    !json_typed(j, arr, JSON_OBJECT)) ||
	    tok < 0 || (uint32_t)tok >= j->ntoks) {
		ed->bad = true;
		return;
	}
	x.box = (uint32_t)arr;
	x.tok = (uint32_t)tok;
	add_edit(ed, x, 0);
}

int
json_edit_apply(const struct json_edits *ed, const struct json *j,
	struct json_out *out, struct err *e)
{
	const struct json_edit *x;
	uint32_t *order = NULL;
	size_t i, pos = 0;
	int rc = -1;

	if (ed->bad)
		return err_set(e, ERR_EXHAUSTED,
		    "JSON edit: out of memory, too many, or of a wrong value");
	order = malloc((ed->n + 1) * sizeof(*order));
	if (!order)
		return err_nomem(e);
	if (plan(ed->list, order, ed->n, j, e) < 0)
		goto out;
	for (i = 0; i < ed->n; i++) {
		x = &ed->list[order[i]];
		json_put_raw(out, j->text + pos, x->start - pos);
		if (x->comma)
			json_put_raw(out, ",", 1);
		if (x->text)
			json_put_raw(out, x->text, strlen(x->text));
		pos = x->end;
	}
	json_put_raw(out, j->text + pos, j->len - pos);
	if (out->bad)
		err_set(e, ERR_EXHAUSTED,
		    "edited JSON: out of memory or larger than %u bytes",
		    JSON_TEXT_MAX);
	else
		rc = 0;
out:
	free(order);
	return rc;
}
