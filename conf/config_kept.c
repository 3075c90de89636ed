/* SPDX-License-Identifier: Apache-2.0 */
/* config_kept: settings written down, and taken over; see config.h. */
#include <string.h>

#include "conf/config.h"
#include "wire/save.h"

static const struct save_field fields[] = {
	SAVE(struct config, binary_name), SAVE(struct config, root),
	SAVE(struct config, shim_cgroup), SAVE(struct config, log_path),
	SAVE(struct config, kubelet_root), SAVE(struct config, pause_binary),
	SAVE(struct config, log_level), SAVE(struct config, io_uid),
	SAVE(struct config, io_gid), SAVE(struct config, grouping),
	SAVE(struct config, sandbox_limits), SAVE(struct config, lenient),
	SAVE(struct config, create_timeout_ns),
	SAVE(struct config, start_timeout_ns),
	SAVE(struct config, command_timeout_ns),
	SAVE(struct config, kill_timeout_ns),
	SAVE_UPTO(struct config, control_socket, CONTROL_OFF), SAVE_SUBS,
	SAVE_LAST
};
#define FIELD_FLAG 18

void
config_save(struct pb_out *o, uint32_t num, const struct config *c)
{
	size_t i, mark = pb_begin(o, num);

	save_put(o, fields, c);
	for (i = 0; i < c->nflags; i++)
		pb_put_bytes(o, FIELD_FLAG, c->flags[i], strlen(c->flags[i]));
	pb_end(o, mark);
}

static int
load_flag(void *arg, struct pb_bytes in, struct err *e)
{
	struct config *c = arg;
	char *flag;

	if (c->nflags == CONFIG_FLAGS_MAX || memchr(in.p, 0, in.n))
		return save_bad(e);
	flag = save_alloc(in.n + 1, e);
	if (!flag)
		return -1;
	c->flags[c->nflags++] = memcpy(flag, in.p, in.n);
	return 0;
}

int
config_load(struct pb_bytes in, struct config *c, struct err *e)
{
	if (save_get(in, fields, c, e) < 0)
		return -1;
	return !c->binary_name || !c->root || !c->kubelet_root ?
	    save_bad(e) :
	    save_each(in, FIELD_FLAG, load_flag, c, e);
}
