/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade: the service runsc.shim.v1.Shim, by which a running shim becomes
 * another version of itself: Version and Upgrade.
 */
#ifndef UPGRADE_H
#define UPGRADE_H

#include "wire/ttrpc.h"

extern const struct ttrpc_method upgrade_methods[];

/* Which file runs is looked at now, before another takes its name. */
void upgrade_init(void);

#endif
