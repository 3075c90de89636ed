/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox: the Sandbox service, containerd.runtime.sandbox.v1.Sandbox, which
 * containerd's CRI uses for a handler with `sandboxer = "shim"`: a pod without
 * a pause image.
 *
 * A sandbox is a root container whose bundle is written here; all else is
 * state.c's.  Its one process is this very binary under the name of "pause",
 * which therefore has to be static, or the program that pause_binary names.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "wire/ttrpc.h"

extern const struct ttrpc_method sandbox_methods[];

/* shutdown is called when ShutdownSandbox has been answered and no container
 * is left. */
void sandbox_init(void (*shutdown)(void));
/* When it was made; for who takes the place of another shim. */
int64_t sandbox_created(void);
void sandbox_set_created(int64_t unix_ns);
/* The process of a sandbox: ends on SIGTERM and SIGINT.  Returns an exit
 * status. */
int sandbox_pause(void);

#endif
