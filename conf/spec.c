/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec: see spec.h.
 *
 * A member that is null counts as absent, as it does for Go's readers of the
 * same file.
 */
#include "conf/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/fmt.h"
#include "base/name.h"
#include "json.h"
#include "wire/save.h"

char *
spec_read_file(const char *path, size_t *len, struct err *e)
{
	/* The bundle is containerd's, but a link in it would have us read
	 * somewhere else as root. */
	return file_load(AT_FDCWD, path, O_NOFOLLOW, SPEC_FILE_MAX, len, e);
}

int
spec_member(const struct json *j, int obj, const char *key)
{
	int tok = json_get(j, obj, key);

	return tok >= 0 && j->toks[tok].type == JSON_NULL ? -1 : tok;
}

/* *tok gets the object that is the root's member key, or -1. */
static int
get_object(const struct json *j, const char *key, int *tok, struct err *e)
{
	*tok = spec_member(j, 0, key);
	if (*tok >= 0 && j->toks[*tok].type != JSON_OBJECT)
		return err_set(e, ERR_INVALID, "%s is not an object", key);
	return 0;
}

/* *out gets a copy of the string that is obj's member key, NULL if empty. */
static int
get_string(const struct json *j, int obj, const char *key, char **out,
	struct err *e)
{
	int tok = spec_member(j, obj, key);

	if (tok < 0 || json_is(j, tok, ""))
		return 0;
	*out = json_strdup(j, tok);
	if (*out)
		return 0;
	if (errno == ENOMEM)
		return err_nomem(e);
	return err_set(e, ERR_INVALID, "%s is not a string", key);
}

static bool
has_own_pids(const struct json *j, int linux_)
{
	int list = spec_member(j, linux_, "namespaces"), tok, path;

	for (tok = json_first(j, list); tok >= 0;
	    tok = json_next(j, list, tok)) {
		path = spec_member(j, tok, "path");
		if (json_is(j, json_get(j, tok, "type"), "pid"))
			return path < 0 || json_is(j, path, "");
	}
	return false;
}

/* What is not a size that a terminal can have is none. */
static void
get_size(const struct json *j, int process, unsigned size[2])
{
	static const char *const keys[] = { "width", "height" };
	int box = spec_member(j, process, "consoleSize"), i;
	uint64_t v[2];

	size[0] = size[1] = 0;
	for (i = 0; i < 2; i++)
		if (!json_uint(j, spec_member(j, box, keys[i]), &v[i]) ||
		    v[i] > UINT16_MAX)
			return;
	size[0] = (unsigned)v[0];
	size[1] = (unsigned)v[1];
}

static int
from_json(struct spec *s, const struct json *j, struct err *e)
{
	int notes, process, linux_, root, tok;
	char *type = NULL;

	if (j->toks[0].type != JSON_OBJECT)
		return err_set(e, ERR_INVALID, "not an object");
	if (get_object(j, "annotations", &notes, e) < 0 ||
	    get_object(j, "process", &process, e) < 0 ||
	    get_object(j, "linux", &linux_, e) < 0 ||
	    get_object(j, "root", &root, e) < 0)
		return -1;
	s->own_pids = has_own_pids(j, linux_);
	tok = spec_member(j, process, "terminal");
	if (tok >= 0 && !json_bool(j, tok, &s->terminal))
		return err_set(e, ERR_INVALID,
		    "process.terminal is not a boolean");
	get_size(j, process, s->size);
	s->caps_known = caps_read(j, process, s->caps);
	/* The order in which runsc looks: containerd's own keys win. */
	if (get_string(j, notes, CRI "container-type", &type, e) < 0 ||
	    (!type && get_string(j, notes, CRIO "ContainerType", &type,
	    e) < 0))
		return -1;
	s->is_sub = type && strcmp(type, "container") == 0;
	s->is_sandbox = type && strcmp(type, "sandbox") == 0;
	free(type);
	if (get_string(j, notes, CRI "sandbox-id", &s->sandbox_id, e) < 0 ||
	    (!s->sandbox_id && get_string(j, notes, CRIO "SandboxID",
	    &s->sandbox_id, e) < 0) ||
	    get_string(j, notes, CRI "sandbox-log-directory",
	    &s->log_directory, e) < 0 ||
	    get_string(j, linux_, "cgroupsPath", &s->cgroups_path, e) < 0 ||
	    get_string(j, root, "path", &s->rootfs, e) < 0)
		return -1;
	if (s->sandbox_id &&
	    name_check("annotation sandbox-id", s->sandbox_id, e) < 0)
		return -1;
	if (s->log_directory && name_check_path("annotation "
	    "sandbox-log-directory", s->log_directory, e) < 0)
		return -1;
	return s->cgroups_path ? name_check_relative("linux.cgroupsPath",
	    s->cgroups_path, e) : 0;
}

int
spec_read(struct spec *s, const char *bundle, struct err *e)
{
	static const char name[] = "/config.json";
	size_t size = strlen(bundle) + sizeof(name), len = 0;
	struct json j = { 0 };
	char *path, *text = NULL;
	int rc = -1;

	memset(s, 0, sizeof(*s));
	path = malloc(size);
	if (!path)
		return err_nomem(e);
	fmt(path, size, "%s%s", bundle, name);
	text = spec_read_file(path, &len, e);
	if (!text)
		goto out;
	if (json_parse(&j, text, len, e) < 0 || from_json(s, &j, e) < 0) {
		err_prefix(e, "%s", path);
		spec_free(s);
		goto out;
	}
	rc = 0;
out:
	json_free(&j);
	fmt_wipe(text, len);
	free(path);
	return rc;
}

void
spec_free(struct spec *s)
{
	free(s->sandbox_id);
	free(s->log_directory);
	free(s->cgroups_path);
	free(s->rootfs);
	memset(s, 0, sizeof(*s));
}

int
spec_exec_process(const char *json, size_t len, bool terminal, char **out,
	size_t *outlen, unsigned size[2], struct err *e)
{
	struct json_edits ed = { 0 };
	struct json_out o = { 0 };
	struct json j = { 0 };
	int rc = -1;

	if (json_parse(&j, json, len, e) < 0) {
		err_prefix(e, "exec process spec");
		goto out;
	}
	if (j.toks[0].type != JSON_OBJECT) {
		err_set(e, ERR_INVALID, "exec process spec: not an object");
		goto out;
	}
	get_size(&j, 0, size);
	json_edit_set(&ed, &j, 0, "terminal", terminal ? "true" : "false");
	if (json_edit_apply(&ed, &j, &o, e) < 0) {
		err_prefix(e, "exec process spec");
		json_out_free(&o);
		goto out;
	}
	*out = o.p;
	*outlen = o.len;
	rc = 0;
out:
	json_edits_free(&ed);
	json_free(&j);
	return rc;
}

/* -- written down, and taken over ----------------------------------------- */

static const struct save_field fields[] = {
	SAVE(struct spec, is_sub), SAVE(struct spec, is_sandbox),
	SAVE(struct spec, own_pids), SAVE(struct spec, sandbox_id),
	SAVE(struct spec, log_directory), SAVE(struct spec, cgroups_path),
	SAVE(struct spec, rootfs), SAVE(struct spec, terminal),
	SAVE(struct spec, size[0]), SAVE(struct spec, size[1]),
	SAVE_ARRAY(struct spec, caps), SAVE(struct spec, caps_known),
	SAVE_LAST
};

void
spec_save(struct pb_out *o, uint32_t num, const struct spec *s)
{
	save_put_sub(o, num, fields, s);
}

int
spec_load(struct pb_bytes in, struct spec *s, struct err *e)
{
	return save_get(in, fields, s, e);
}
