/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_json: parse; look everything up; edit, apply, and parse again.  The
 * edits are chosen by the input's own bytes, so that a corpus file says all.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "tests/fuzz/fuzz.h"

static void
look(const struct json *j)
{
	const struct json_tok *t;
	struct json_out o = { 0 };
	struct json k;
	struct err e;
	uint64_t u;
	int64_t v;
	uint32_t i;
	char small[8];
	char *s;
	bool b;

	for (i = 0; i < j->ntoks; i++) {
		t = &j->toks[i];
		must(t->start < t->end && t->end <= j->len);
		must(t->next > i && t->next <= j->ntoks);
		json_int(j, (int)i, &v);
		json_uint(j, (int)i, &u);
		json_bool(j, (int)i, &b);
		json_str(j, (int)i, small, sizeof(small));
		s = json_strdup(j, (int)i);
		if (!s)
			continue;
		must(json_is(j, (int)i, s));
		/* Written and read again it is the same string. */
		o.len = 0;
		json_put_str(&o, s);
		must(json_parse(&k, o.p, o.len, &e) == 0);
		must(json_is(&k, 0, s));
		json_free(&k);
		free(s);
	}
	json_out_free(&o);
}

static void
edit(const struct json *j, const uint8_t *p, size_t n)
{
	static const char *const keys[] = { "a", "b", "\"", "\xc3\xa9", "" };
	static const char *const values[] = { "1", "{\"a\":1}", "[]", "null" };
	struct json_edits ed = { 0 };
	struct json_out o = { 0 };
	uint32_t box, val, i, el;
	struct json k;
	struct err e;
	size_t at = 0;
	bool *gone;

	/* Nothing more may be asked inside what is replaced or removed. */
	gone = calloc(j->ntoks, sizeof(*gone));
	must(gone != NULL);
	for (box = 0; box < j->ntoks; box++) {
		bool obj = j->toks[box].type == JSON_OBJECT;

		if (!obj && j->toks[box].type != JSON_ARRAY)
			continue;
		for (i = 0, el = box + 1; i < j->toks[box].size; i++) {
			val = obj ? el + 1 : el;
			el = j->toks[val].next;
			gone[val] = gone[box];
			if (gone[box])
				continue;
			switch (p[at++ % n] % 5) {
			case 0:
				json_edit_remove(&ed, j, (int)val);
				gone[val] = true;
				break;
			case 1:
				json_edit_replace(&ed, j, (int)val,
				    values[p[at % n] % 4]);
				gone[val] = true;
				break;
			default:
				break;
			}
		}
		if (!obj || gone[box])
			continue;
		for (i = p[at++ % n] % 4; i > 0; i--, at++)
			if (json_get(j, (int)box, keys[p[at % n] % 5]) < 0)
				json_edit_set(&ed, j, (int)box,
				    keys[p[at % n] % 5], values[i]);
	}
	free(gone);
	if (json_edit_apply(&ed, j, &o, &e) == 0) {
		must(json_parse(&k, o.p, o.len, &e) == 0 ||
		    strstr(e.msg, "nested too deeply") != NULL);
		json_free(&k);
	} else {
		must(ed.bad && ed.n == JSON_EDITS_MAX);
	}
	json_edits_free(&ed);
	json_out_free(&o);
}

/* Edits with no rhyme or reason: refused or right, never a broken text. */
static void
edit_wild(const struct json *j, const uint8_t *p, size_t n)
{
	struct json_edits ed = { 0 };
	struct json_out o = { 0 };
	struct json k;
	struct err e;
	size_t i;

	for (i = 0; i + 2 < n && i < 30; i += 3) {
		int a = p[i + 1] - 1, b = p[i + 2] - 1;

		if (p[i] % 3 == 0)
			json_edit_remove(&ed, j, b);
		else if (p[i] % 3 == 1)
			json_edit_set(&ed, j, a, "a", "[0]");
		/* Not a key: a key is no value, and 7 is no key. */
		else if (a < 0 || (uint32_t)a + 1 >= j->ntoks ||
		    j->toks[a].type != JSON_STRING)
			json_edit_replace(&ed, j, a, "7");
		if (ed.bad)
			json_edits_free(&ed);
	}
	if (json_edit_apply(&ed, j, &o, &e) == 0) {
		must(json_parse(&k, o.p, o.len, &e) == 0 ||
		    strstr(e.msg, "nested too deeply") != NULL);
		json_free(&k);
	}
	json_edits_free(&ed);
	json_out_free(&o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const char *text = (const char *)p;
	struct json j;
	struct err e;
	size_t used;
	bool whole;
	int rc;

	whole = json_parse(&j, text, n, &e) == 0;
	if (whole) {
		look(&j);
		edit(&j, p, n);
		edit_wild(&j, p, n);
	}
	json_free(&j);
	rc = json_parse_prefix(&j, text, n, &used, &e);
	must(used <= n);
	if (rc == 1)
		look(&j);
	/* What json_parse() takes is a value here too, or a number that the
	 * text ends in. */
	must(!whole || rc == 1 || rc == 0);
	json_free(&j);
	return 0;
}
