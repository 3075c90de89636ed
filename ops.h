/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops: what each operation on a container or process does: start and restore,
 * resize and close stdin, kill, pause and resume, checkpoint, pids, delete; the
 * others are in container.c, exec.c and resources.c.
 *
 * runsc saves and restores a whole sandbox.  `runsc restore` is its create and
 * its start in one, so a container that is created from an image has no
 * sandbox and no pid before Start, as with runc's shim (containerd
 * cmd/containerd-shim-runc-v2/process init.go createCheckpointedState).
 */
#ifndef OPS_H
#define OPS_H

#include "state.h"

/* What each cell of the table does, for state_init(). */
extern cell_does *const ops_cells[CELLS];
/* Start the timers of ct, which was read. */
void ops_resume(struct container *ct);

#endif
