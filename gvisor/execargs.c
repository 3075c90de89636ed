/* SPDX-License-Identifier: Apache-2.0 */
/* execargs: see runsc.h. */
#include "runsc.h"

#include <string.h>

#include "conf/spec.h"
#include "json.h"

/* Members of the object, and of its user, that runsc reads, or that all
 * releases pass over. */
static const char known[] = "args\0env\0cwd\0user\0capabilities\0terminal\0"
	"noNewPrivileges\0consoleSize\0rlimits\0apparmorProfile\0"
	"oomScoreAdj\0selinuxLabel\0";
static const char known_user[] = "uid\0gid\0additionalGids\0username\0";

/* Has object obj members of these names only?  Go would take another spelling
 * for the same. */
static bool
only_has(const struct json *j, int obj, const char *names)
{
	uint32_t i, tok = (uint32_t)obj + 1;
	const char *p;

	if (obj < 0 || j->toks[obj].type != JSON_OBJECT)
		return false;
	for (i = 0; i < j->toks[obj].size; i++) {
		for (p = names; *p && !json_is(j, (int)tok, p);
		    p += strlen(p) + 1)
			;
		if (!*p)
			return false;
		tok = j->toks[tok + 1].next;
	}
	return true;
}

static bool
is_id(const struct json *j, int tok)
{
	uint64_t v;

	return json_uint(j, tok, &v) && v <= UINT32_MAX;
}

static bool
is_flag(const struct json *j, int tok)
{
	bool v;

	return json_bool(j, tok, &v);
}

static bool
is_text(const struct json *j, int tok)
{
	return j->toks[tok].type == JSON_STRING;
}

static bool
is_path(const struct json *j, int tok)
{
	return is_text(j, tok) && j->text[j->toks[tok].start + 1] == '/';
}

static bool
is_list(const struct json *j, int arr,
    bool (*is)(const struct json *j, int tok))
{
	int tok;

	for (tok = json_first(j, arr); tok >= 0; tok = json_next(j, arr, tok)) {
		if (!is(j, tok))
			return false;
	}
	return j->toks[arr].type == JSON_ARRAY;
}

static bool
is_texts(const struct json *j, int tok)
{
	return is_list(j, tok, is_text);
}

static bool
is_ids(const struct json *j, int tok)
{
	return is_list(j, tok, is_id);
}

/* A member as the specification has it and as the sandbox does; what it is
 * where it is missing, or NULL: it must be there. */
struct member {
	const char *key, *name, *otherwise;
	bool (*is)(const struct json *j, int tok);
};

static const struct member of_process[] = {
	{ "args", "argv", NULL, is_texts },
	{ "env", "envv", NULL, is_texts },
	{ "cwd", "wd", NULL, is_path },
	{ "noNewPrivileges", "NoNewPrivileges", "false", is_flag },
	{ "terminal", "StdioIsPty", "false", is_flag },
}, of_user[] = {
	{ "uid", "KUID", "0", is_id },
	{ "gid", "KGID", "0", is_id },
	{ "additionalGids", "ExtraKGIDs", "[]", is_ids },
};

/* As they stand there. */
static bool
put_members(struct json_out *out, const struct json *j, int obj,
    const struct member *m, size_t n)
{
	const struct json_tok *t;
	int tok;

	for (; n > 0; n--, m++) {
		tok = json_get(j, obj, m->key);
		if (tok < 0 ? !m->otherwise : !m->is(j, tok))
			return false;
		t = &j->toks[tok < 0 ? 0 : tok];
		json_put_fmt(out, ",\"%s\":%.*s", m->name, tok < 0 ?
		    (int)strlen(m->otherwise) : (int)(t->end - t->start),
		    tok < 0 ? m->otherwise : j->text + t->start);
	}
	return true;
}

/* Docker names CAP_NET_RAW whether it is to be had or not, so runsc takes it
 * out of all. */
static bool
put_caps(struct json_out *out, const struct json *j, const uint64_t *caps,
    bool net_raw, unsigned *needs)
{
	int tok = json_get(j, 0, "capabilities"), i;
	const char *key = caps_keys;
	uint64_t sets[CAPS_SETS];

	if (tok >= 0 && j->toks[tok].type != JSON_NULL) {
		if (!only_has(j, tok, caps_keys) || !caps_read(j, 0, sets))
			return false;
		caps = sets;
	}
	if (!caps)
		return false;
	json_put_fmt(out, ",\"Capabilities\":");
	for (i = 0; i < CAPS_SETS; i++, key += strlen(key) + 1) {
		if (caps[i] & CAPS_LATE)
			*needs |= EXECARGS_LATE_CAPS;
		/* As the specification's, but for the letter. */
		json_put_fmt(out, "%c\"%c%sCaps\":%llu", i ? ',' : '{',
		    key[0] - 'a' + 'A', key + 1,
		    (unsigned long long)(net_raw ? caps[i] :
		    caps[i] & ~CAPS_NET_RAW));
	}
	json_put_fmt(out, "}");
	return true;
}

static bool
put(struct json_out *out, const struct json *j, const uint64_t *caps,
    bool net_raw, unsigned *needs)
{
	int user = json_get(j, 0, "user");
	bool nnp;

	if (!only_has(j, 0, known) || (user >= 0 && !only_has(j, user,
	    known_user)))
		return false;
	*needs = json_bool(j, json_get(j, 0, "noNewPrivileges"), &nnp) && nnp ?
	    EXECARGS_NNP : 0;
	json_put_fmt(out, ",\"filename\":\"\",\"SupportTTYs\":true,"
	    "\"GuestFDs\":[0,1,2]");
	return put_members(out, j, 0, of_process,
	    sizeof(of_process) / sizeof(of_process[0])) &&
	    put_members(out, j, user, of_user,
	    sizeof(of_user) / sizeof(of_user[0])) &&
	    put_caps(out, j, caps, net_raw, needs) && !out->bad;
}

bool
execargs_put(struct json_out *out, const char *process, size_t len,
    const uint64_t *caps, bool net_raw, unsigned *needs)
{
	struct json j;
	struct err e;
	bool ok;

	if (json_parse(&j, process, len, &e) < 0)
		return false;
	ok = put(out, &j, caps, net_raw, needs);
	json_free(&j);
	return ok;
}
