/* SPDX-License-Identifier: Apache-2.0 */
/* options: what containerd passes, see config.h. */
#include <stdlib.h>
#include <string.h>

#include "conf/config.h"

/* The id -1 means "leave it" to chown(). */
#define ID_MAX (UINT32_MAX - 1)

static int
is_not(int num, const char *what, struct err *e)
{
	return err_set(e, ERR_INVALID, "options: field %d is not %s", num,
	    what);
}

/* pb_read() of options. */
static int
read_fields(struct pb_bytes value, const char *kinds, struct pb_field *fields,
    struct err *e)
{
	int num = pb_read(value, kinds, fields);

	if (num < 0)
		return err_set(e, ERR_INVALID, "options: malformed message");
	return num == 0 ? 0 : is_not(num, kinds[num] == 's' ? "a string" :
	    kinds[num] == 'b' ? "bytes" : "a user or group id", e);
}

/* A string to *at; empty leaves it alone. */
static int
take_string(char **at, const struct pb_field *f, struct err *e)
{
	char *s;

	if (f->b.n == 0)
		return 0;
	if (memchr(f->b.p, 0, f->b.n))
		return is_not((int)f->num, "a string", e);
	s = strndup((const char *)f->b.p, f->b.n);
	if (!s)
		return err_nomem(e);
	free(*at);
	*at = s;
	return 0;
}

/*
 * {1 type_url, 2 config_path, 3 config_body}.  Returns 1 if they say something.
 */
static int
from_runtime_options(struct config *c, struct pb_bytes value, struct err *e)
{
	struct pb_field f[4];
	char *path = NULL;
	int rc;

	if (read_fields(value, "--sb", f, e) < 0 ||
	    take_string(&path, &f[2], e) < 0)
		return -1;
	rc = !path ? config_parse_body(c, f[3].b, e) :
	    config_read_file(c, path, e) < 0 ? -1 : 1;
	free(path);
	return rc;
}

static int
take_id(uint32_t *at, const struct pb_field *f, struct err *e)
{
	if (f->v > ID_MAX)
		return is_not((int)f->num, "a user or group id", e);
	if (f->num)
		*at = (uint32_t)f->v;
	return 0;
}

/*
 * {3 shim_cgroup, 4 io_uid, 5 io_gid, 6 binary_name, 7 root, 9 systemd_cgroup}.
 * Returns 1 if any of them is there.
 */
static int
from_runc_options(struct config *c, struct pb_bytes value, struct err *e)
{
	static const char kinds[] = "-**snnss**********";
	struct pb_field f[sizeof(kinds) - 1];
	int i, took = 0;

	if (read_fields(value, kinds, f, e) < 0)
		return -1;
	/* Docker 20.10 names runc to every runtime. */
	if (config_is_last(f[6].b, "runc"))
		f[6] = f[0];
	for (i = 1; i < (int)sizeof(f) / (int)sizeof(f[0]); i++) {
		if (kinds[i] != '*' || i == 9)
			took |= f[i].num != 0;
		else if (f[i].v || f[i].b.n)
			log_warn("options: field %d of runc, without a "
			    "meaning for runsc, ignored", i);
	}
	if (take_string(&c->shim_cgroup, &f[3], e) < 0 ||
	    take_id(&c->io_uid, &f[4], e) < 0 ||
	    take_id(&c->io_gid, &f[5], e) < 0 ||
	    take_string(&c->binary_name, &f[6], e) < 0 ||
	    take_string(&c->root, &f[7], e) < 0 ||
	    (f[9].v && config_systemd_cgroup(c, e) < 0))
		return -1;
	return took;
}

int
config_from_options(struct config *c, struct pb_bytes any, struct err *e)
{
	static const char *const paths[] = {
		"/run/containerd/runsc/config.toml",
		SYSCONFDIR "/containerd/runsc/config.toml",
		SYSCONFDIR "/containerd/runsc.toml",
		NULL,
	};
	struct pb_bytes type, value;
	struct pb_field f[3];
	int rc = 0, num = pb_read(any, "-bb", f);

	if (num != 0)
		return err_set(e, ERR_INVALID, "options: %s", num < 0 ?
		    "malformed message" : "not a google.protobuf.Any");
	type = f[1].b;
	value = f[2].b;
	if (value.n > 0 && (config_is_last(type, "runtimeoptions.v1.Options") ||
	    config_is_last(type, "cri.runtimeoptions.v1.Options")))
		rc = from_runtime_options(c, value, e);
	else if (value.n > 0 &&
	    config_is_last(type, "containerd.runc.v1.Options"))
		rc = from_runc_options(c, value, e);
	else if (value.n > 0)
		return err_set(e, ERR_INVALID,
		    "options: unknown type '%.*s'",
		    (int)(type.n < 128 ? type.n : 128),
		    type.p ? (const char *)type.p : "");
	if (rc != 0)
		return rc < 0 ? rc : 0;
	return config_search(c, paths, e);
}
