/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: images of a container: op_checkpoint() and op_restore() of
 * ops.h, and the check of an image at Create.
 */
#ifndef CHECKPOINT_H
#define CHECKPOINT_H

#include "ops.h"

/* Is dir an absolute path to a checkpoint that runsc made?  Errors: not found,
 * or what is wrong with it. */
int checkpoint_check(const char *dir, struct err *e);

#endif
