/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json: strict tokens over the caller's text; a writer; edits that leave the
 * rest of the text alone.
 *
 * RFC 8259 to the letter: no comments, no trailing commas, no leading zeros,
 * valid UTF-8, valid escapes, no key twice in one object.  A token is offsets
 * into the text.  Depth, size and number of tokens are capped.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define JSON_DEPTH_MAX 64
#define JSON_TEXT_MAX (16u << 20)
#define JSON_TOKS_MAX (1u << 20)	/* 20 bytes each */
#define JSON_EDITS_MAX 16384

enum json_type {
	JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE,
	JSON_FALSE, JSON_NULL,
};

struct json_tok {
	enum json_type type;
	uint32_t start;		/* first byte; a string's opening quote */
	uint32_t end;		/* one past the last byte */
	uint32_t size;		/* members of an object, elements of an array */
	uint32_t next;		/* index of the token after this value's last */
};

/* A parsed text.  toks[0] is the root; an object's children alternate key,
 * value. */
struct json {
	const char *text;	/* the caller's, must outlive this */
	size_t len;
	struct json_tok *toks;	/* ours */
	uint32_t ntoks;
};

/*
 * One JSON value and nothing but white space around it.  Errors are
 * "line N, column N: what" (ERR_INVALID).  After -1, *j is empty: json_free()
 * may be called on it, and need not be.
 */
int json_parse(struct json *j, const char *text, size_t len, struct err *e);
/*
 * The first JSON value of a stream of values glued together or separated by
 * white space (runsc's log, its control socket).  Returns 1 for a value, 0
 * when the text ends before the value does, -1 on malformed text.  *used gets
 * the bytes taken: 1, the value and the white space around it; 0, the white
 * space before it.  A bare number at the very end of the text counts as cut.
 */
int json_parse_prefix(struct json *j, const char *text, size_t len,
	size_t *used, struct err *e);
void json_free(struct json *j);

/*
 * Index of the value of key in object obj, or -1 (also if obj is no object).
 * obj -1 gives -1, so look-ups chain.  This walks the object: who looks up as
 * many keys as there may be members uses a json_index.
 */
int json_get(const struct json *j, int obj, const char *key);
/* The first element of array arr and the one after element tok, or -1: all of
 * them are for (t = json_first(j, a); t >= 0; t = json_next(j, a, t)). */
int json_first(const struct json *j, int arr);
int json_next(const struct json *j, int arr, int tok);

/* The keys of one object, sorted.  Zeroed is that of no object. */
struct json_index {
	uint32_t *keys;		/* ours */
	uint32_t n;
};
/* -1: out of memory.  j and its text must outlive it. */
int json_index_make(struct json_index *x, const struct json *j, int obj);
/* As json_get(), in log n steps. */
int json_index_get(const struct json_index *x, const struct json *j,
	const char *key);
void json_index_free(struct json_index *x);
/* Does the string token say exactly s, escapes decoded? */
bool json_is(const struct json *j, int tok, const char *s);
/*
 * Decode a string token into out (NUL-terminated).  Returns its length, or -1
 * if tok is no string, holds a NUL, or does not fit.
 */
long json_str(const struct json *j, int tok, char *out, size_t cap);
/* The same, allocated; NULL if no string or holds a NUL (errno EINVAL), or no
 * memory (ENOMEM). */
char *json_strdup(const struct json *j, int tok);
/* An integer that fits; false for anything else (fractions, exponents). */
bool json_int(const struct json *j, int tok, int64_t *v);
bool json_uint(const struct json *j, int tok, uint64_t *v);
/* true/false; false return for anything else. */
bool json_bool(const struct json *j, int tok, bool *v);

/* A text that grows, for writing.  Zeroed is empty (p NULL).  p ends in a NUL
 * that len does not count.  Once bad, what is put is dropped. */
struct json_out {
	char *p;
	size_t len;
	size_t cap;
	bool bad;		/* out of memory or past JSON_TEXT_MAX */
};
void json_out_free(struct json_out *o);
void json_put_raw(struct json_out *o, const char *p, size_t n);
/* s as a JSON string with its quotes, escapes where needed; invalid UTF-8
 * becomes U+FFFD. */
void json_put_str(struct json_out *o, const char *s);
void json_put_fmt(struct json_out *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Edits: collected against a parsed text, then applied in one pass.  The
 * bytes outside the edited ranges are kept as they are.  At most
 * JSON_EDITS_MAX; a mistaken or failed one sets bad, which json_edit_apply()
 * reports: ERR_INVALID for one that the text is not made for (also wrong), else
 * ERR_EXHAUSTED.  The same value or key set again: the last one counts. */
struct json_edits {
	struct json_edit *list;	/* ours */
	size_t n;
	size_t cap;
	bool bad, wrong;
};
void json_edits_free(struct json_edits *ed);
/* Replace the value tok by the JSON text value (copied). */
void json_edit_replace(struct json_edits *ed, const struct json *j, int tok,
	const char *value);
/* Set key (valid UTF-8) of object obj to the JSON text value: replaces or
 * appends. */
void json_edit_set(struct json_edits *ed, const struct json *j, int obj,
	const char *key, const char *value);
/* The same for a key that is known not to be there; NULL: obj is an array, and
 * value one element or several with commas between. */
void json_edit_append(struct json_edits *ed, const struct json *j, int obj,
	const char *key, const char *value);
/* Remove an array's element tok, or an object's member with the value tok, with
 * its comma. */
void json_edit_remove(struct json_edits *ed, const struct json *j, int tok);
/* The edited text, added to out.  -1 if edits overlap (one inside a value
 * that another replaces or removes) or memory ran out. */
int json_edit_apply(const struct json_edits *ed, const struct json *j,
	struct json_out *out, struct err *e);

/* -- between json.c and conf/json_edit.c ---------------------------------- */

/* Token i of j if it is of that type, or NULL. */
const struct json_tok *json_typed(const struct json *j, int i,
	enum json_type type);
/* Heapsort of indices: n log n on any input, no memory, no recursion. */
typedef int json_cmp(const void *ctx, uint32_t a, uint32_t b);
void json_sort(uint32_t *a, size_t n, json_cmp *cmp, const void *ctx);

#endif
