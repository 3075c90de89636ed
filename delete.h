/* SPDX-License-Identifier: Apache-2.0 */
/* delete: the verb `delete`. */
#ifndef DELETE_H
#define DELETE_H

#include "conf/cmdline.h"

/* Returns an exit status and prints what containerd reads on stdout. */
int delete_run(const struct options *o);

#endif
