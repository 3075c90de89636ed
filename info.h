/* SPDX-License-Identifier: Apache-2.0 */
/* info: `-info`: what this shim and the configured runsc can do. */
#ifndef INFO_H
#define INFO_H

/* Returns an exit status and prints what containerd reads on stdout. */
int info_run(void);

#endif
