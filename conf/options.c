/* SPDX-License-Identifier: Apache-2.0 */
/* options: what containerd passes, see config.h.  Uses config, pb, err, log. */
#include <stdlib.h>
#include <string.h>

#include "conf/config.h"

/* The id -1 means "leave it" to chown(). */
#define ID_MAX (UINT32_MAX - 1)

/* A protobuf string to *at; empty leaves it alone. */
static int
take_string(char **at, const struct pb_field *f, struct err *e)
{
	char *s;

	if (f->wire != PB_BYTES || memchr(f->b.p, 0, f->b.n) ||
	    !pb_is_utf8(f->b))
		return err_set(e, ERR_INVALID,
		    "options: field %u is not a string", f->num);
	if (f->b.n == 0)
		return 0;
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
	struct pb_bytes body = { NULL, 0 };
	char *path = NULL;
	struct pb_field f;
	struct pb_in in;
	int rc = 0;

	pb_in_init(&in, value.p, value.n);
	while (rc == 0 && pb_next(&in, &f)) {
		if (f.num == 2)
			rc = take_string(&path, &f, e);
		else if (f.num == 3 && f.wire == PB_BYTES)
			body = f.b;
		else if (f.num == 3)
			rc = err_set(e, ERR_INVALID,
			    "options: field 3 is not bytes");
	}
	if (rc == 0 && in.bad)
		rc = err_set(e, ERR_INVALID, "options: malformed message");
	if (rc == 0)
		rc = !path ? config_parse_body(c, body, e) :
		    config_read_file(c, path, e) < 0 ? -1 : 1;
	free(path);
	return rc;
}

static int
take_id(uint32_t *at, const struct pb_field *f, struct err *e)
{
	if (f->wire != PB_VARINT || f->v > ID_MAX)
		return err_set(e, ERR_INVALID,
		    "options: field %u is not a user or group id", f->num);
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
	struct pb_field f;
	struct pb_in in;
	int rc = 0, took = 0;

	pb_in_init(&in, value.p, value.n);
	while (rc == 0 && pb_next(&in, &f)) {
		/* Docker 20.10 names runc to every runtime. */
		if (f.num == 6 && f.wire == PB_BYTES &&
		    config_is_last(f.b, "runc"))
			continue;
		if ((f.num < 3 || f.num > 7) && f.num != 9) {
			if (f.wire != PB_VARINT || f.v != 0)
				log_warn("options: field %u of runc, without a "
				    "meaning for runsc, ignored", f.num);
			continue;
		}
		took = 1;
		if (f.num == 3)
			rc = take_string(&c->shim_cgroup, &f, e);
		else if (f.num == 4)
			rc = take_id(&c->io_uid, &f, e);
		else if (f.num == 5)
			rc = take_id(&c->io_gid, &f, e);
		else if (f.num == 6)
			rc = take_string(&c->binary_name, &f, e);
		else if (f.num == 7)
			rc = take_string(&c->root, &f, e);
		else if (f.wire == PB_VARINT && f.v != 0)
			rc = config_systemd_cgroup(c, e);
	}
	if (rc == 0 && in.bad)
		rc = err_set(e, ERR_INVALID, "options: malformed message");
	return rc < 0 ? rc : took;
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
	struct pb_bytes type = { NULL, 0 }, value = { NULL, 0 };
	struct pb_field f;
	struct pb_in in;
	int rc = 0;

	pb_in_init(&in, any.p, any.n);
	while (pb_next(&in, &f)) {
		if (f.num != 1 && f.num != 2)
			continue;
		if (f.wire != PB_BYTES)
			return err_set(e, ERR_INVALID,
			    "options: not a google.protobuf.Any");
		if (f.num == 1)
			type = f.b;
		else
			value = f.b;
	}
	if (in.bad)
		return err_set(e, ERR_INVALID, "options: malformed message");
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
