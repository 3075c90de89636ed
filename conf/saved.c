/* SPDX-License-Identifier: Apache-2.0 */
/* saved: see saved.h. */
#include "conf/saved.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/fmt.h"
#include "json.h"

#define FILE_NAME "state.json"
#define FILE_BYTES 65536

static void
put(struct json_out *o, const char *name, const char *value)
{
	json_put_fmt(o, "\"%s\":", name);
	json_put_str(o, value);
}

int
saved_write(const struct saved *s, const char *bundle, struct err *e)
{
	struct json_out o = { 0 };
	char path[PATH_MAX];
	int ret;

	fmt(path, sizeof(path), "%s/rootfs", bundle);
	json_put_fmt(&o, "{");
	put(&o, "id", s->id);
	json_put_fmt(&o, ",");
	put(&o, "namespace", s->namespace);
	json_put_fmt(&o, ",");
	put(&o, "rootfs", path);
	json_put_fmt(&o, ",\"options\":{");
	put(&o, "binaryName", s->binary);
	json_put_fmt(&o, ",");
	put(&o, "root", s->root);
	json_put_fmt(&o, "},");
	put(&o, "runscRoot", s->runsc_root);
	json_put_fmt(&o, ",\"mounted\":%s,\"ownCgroup\":%s}",
	    s->mounted ? "true" : "false", s->own_cgroup ? "true" : "false");
	fmt(path, sizeof(path), "%s/" FILE_NAME, bundle);
	ret = o.bad ? err_set(e, ERR_EXHAUSTED, "save " FILE_NAME ": out of "
	    "memory") : file_replace(path, 0600, o.p, o.len, e);
	json_out_free(&o);
	return ret;
}

bool
saved_read(struct saved *s, const char *bundle)
{
	char path[PATH_MAX], *text;
	struct json j;
	struct err e;
	size_t n;
	int options;

	*s = (struct saved){ .mounted = true };
	fmt(path, sizeof(path), "%s/" FILE_NAME, bundle);
	text = file_load(AT_FDCWD, path, O_NOFOLLOW, FILE_BYTES, &n, &e);
	if (!text || json_parse(&j, text, n, &e) < 0) {
		free(text);
		return false;
	}
	options = json_get(&j, 0, "options");
	s->id = json_strdup(&j, json_get(&j, 0, "id"));
	s->namespace = json_strdup(&j, json_get(&j, 0, "namespace"));
	s->binary = json_strdup(&j, json_get(&j, options, "binaryName"));
	s->root = json_strdup(&j, json_get(&j, options, "root"));
	s->runsc_root = json_strdup(&j, json_get(&j, 0, "runscRoot"));
	json_bool(&j, json_get(&j, 0, "mounted"), &s->mounted);
	json_bool(&j, json_get(&j, 0, "ownCgroup"), &s->own_cgroup);
	json_free(&j);
	free(text);
	return true;
}

bool
saved_is_of(const struct saved *s, const char *namespace, const char *id)
{
	return (!s->id || strcmp(s->id, id) == 0) &&
	    (!s->namespace || strcmp(s->namespace, namespace) == 0);
}

void
saved_free(struct saved *s)
{
	free(s->id);
	free(s->namespace);
	free(s->binary);
	free(s->root);
	free(s->runsc_root);
}
