/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade: see upgrade.h. */
#include "upgrade.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fmt.h"

#define DELETED " (deleted)"

static char own_path[PATH_MAX];

void
upgrade_init(void)
{
	ssize_t n = readlink("/proc/self/exe", own_path, sizeof(own_path) - 1);
	char *end;

	own_path[n > 0 ? n : 0] = '\0';
	end = fmt_find(own_path, DELETED);
	if (end && !end[sizeof(DELETED) - 1])
		*end = '\0';
}

/* Reply {1 version, 2 path}. */
static void
version(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct pb_out o;

	(void)m;
	(void)row;
	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, VERSION);
	pb_put_str(&o, 2, own_path);
	ttrpc_reply_pb(call, &o);
}

/* Request {1 file}, reply {1 old version, 2 new version, 3 ns}. */
static void
upgrade(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct err e;

	(void)m;
	(void)row;
	err_set(&e, ERR_UNIMPLEMENTED, "upgrade in place");
	ttrpc_fail(call, &e);
}

const struct ttrpc_method upgrade_methods[] = {
	{ "Version", NULL, version, NULL, false },
	{ "Upgrade", "-s", upgrade, NULL, false },
	{ NULL, NULL, NULL, NULL, false },
};
