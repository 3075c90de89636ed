/* SPDX-License-Identifier: Apache-2.0 */
/*
 * update ID RESOURCES: the Task service's Update, with LinuxResources of the
 * OCI runtime specification in JSON, as containerd's CRI sends it.  shimctl has
 * no such command; this is linked with its files.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/shimctl.h"

#define TYPE "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"

int
main(int argc, char **argv)
{
	struct ctl o = {
		.namespace = "default", .address = "", .socket_dir = "",
		.containerd = "/run/containerd/containerd.sock",
		.state_dir = "/run/containerd", .exec_id = "",
		.timeout_ms = -1,
	};
	struct pb_out out;
	struct rpc r;
	struct err e = { .msg = "usage: update ID RESOURCES" };

	if (argc != 3)
		goto fail;
	pb_out_init(&out, NULL, 0);
	pb_put_str(&out, 1, argv[1]);
	pb_put_any(&out, 2, TYPE, argv[2], strlen(argv[2]));
	if (shim_find(&o, argv[1], &r, &e) < 0)
		goto fail;
	if (rpc_call(&r, "Update", &out, NULL, &e) == 0)
		return 0;
fail:
	fprintf(stderr, "update: %s\n", e.msg);
	return 1;
}
