/* SPDX-License-Identifier: Apache-2.0 */
/* image: what runsc makes of a container at a checkpoint. */
#ifndef GVISOR_IMAGE_H
#define GVISOR_IMAGE_H

#include "base/err.h"

/* Is dir an absolute path to a checkpoint that runsc made?  Errors: not found,
 * or what is wrong with it. */
int image_check(const char *dir, struct err *e);

#endif
