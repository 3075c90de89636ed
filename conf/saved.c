/* SPDX-License-Identifier: Apache-2.0 */
/* saved: see saved.h. */
#include "conf/saved.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
saved_write(const struct saved *s, int bundle_fd, const char *bundle,
    struct err *e)
{
	struct json_out o = { 0 };
	char rootfs[PATH_MAX];
	int fd, ret = -1;

	fmt(rootfs, sizeof(rootfs), "%s/rootfs", bundle);
	json_put_fmt(&o, "{");
	put(&o, "id", s->id);
	json_put_fmt(&o, ",");
	put(&o, "namespace", s->namespace);
	json_put_fmt(&o, ",");
	put(&o, "rootfs", rootfs);
	json_put_fmt(&o, ",\"options\":{");
	put(&o, "binaryName", s->binary);
	json_put_fmt(&o, ",");
	put(&o, "root", s->root);
	json_put_fmt(&o, "},");
	put(&o, "runscRoot", s->runsc_root);
	json_put_fmt(&o, ",\"mounted\":%s,\"ownCgroup\":%s}",
	    s->mounted ? "true" : "false", s->own_cgroup ? "true" : "false");
	if (o.bad) {
		err_set(e, ERR_EXHAUSTED, "save " FILE_NAME ": out of memory");
		goto out;
	}
	unlinkat(bundle_fd, FILE_NAME, 0);
	fd = openat(bundle_fd, FILE_NAME, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_sys(e, "create %s/" FILE_NAME, bundle);
		goto out;
	}
	ret = write(fd, o.p, o.len) == (ssize_t)o.len ? 0 :
	    err_sys(e, "write %s/" FILE_NAME, bundle);
	close(fd);
out:
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
