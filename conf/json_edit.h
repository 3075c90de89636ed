/* SPDX-License-Identifier: Apache-2.0 */
/* json_edit: changes to a JSON text that leave the rest of it as it is. */
#ifndef JSON_EDIT_H
#define JSON_EDIT_H

#include "json.h"

/* Edits: collected against a parsed text, then applied in one pass.  The
 * bytes outside the edited ranges are kept as they are.  At most
 * JSON_EDITS_MAX; a mistaken or failed one sets bad, which json_edit_apply()
 * reports.  The same value or key set again: the last one counts. */
#define JSON_EDIT_SLOTS 512
struct json_edits {
	struct json_edit *list;	/* ours */
	size_t n;
	size_t cap;
	bool bad;
	uint32_t slots[JSON_EDIT_SLOTS];	/* to find those of one place */
};
void json_edits_free(struct json_edits *ed);
/* Replace the value tok by the JSON text value (copied). */
void json_edit_replace(struct json_edits *ed, const struct json *j, int tok,
	const char *value);
/* Set key (valid UTF-8) of object obj to the JSON text value: replaces or
 * appends. */
void json_edit_set(struct json_edits *ed, const struct json *j, int obj,
	const char *key, const char *value);
/* The same for a key that is known not to be there. */
void json_edit_append(struct json_edits *ed, const struct json *j, int obj,
	const char *key, const char *value);
/* Remove element tok of array arr, or member with value tok of object arr,
 * with its comma. */
void json_edit_remove(struct json_edits *ed, const struct json *j, int arr,
	int tok);
/* The edited text, added to out.  -1 if edits overlap (one inside a value
 * that another replaces or removes) or memory ran out. */
int json_edit_apply(const struct json_edits *ed, const struct json *j,
	struct json_out *out, struct err *e);


#endif
