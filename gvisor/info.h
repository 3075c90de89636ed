/* SPDX-License-Identifier: Apache-2.0 */
/* info: `-info`, and the verb `features`: what this shim and the configured
 * runsc can do. */
#ifndef INFO_H
#define INFO_H

#include <stdbool.h>

/* Returns an exit status and prints what containerd reads on stdout; plain:
 * what CRI-O does, JSON. */
int info_run(bool plain);

#endif
