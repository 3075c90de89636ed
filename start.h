/* SPDX-License-Identifier: Apache-2.0 */
/* start: the verb `start`. */
#ifndef START_H
#define START_H

#include <stdbool.h>

#include "conf/cmdline.h"
#include "wire/pb.h"

/* Returns an exit status and prints what containerd reads on stdout; what
 * standard input says is put over *o. */
int start_run(struct options *o);

/* What containerd writes to standard input of `start`. */
struct start_input {
	struct pb_bytes any;	/* the options' bytes, inside the text */
	bool bootstrap;		/* it is BootstrapParams (containerd 2.3) */
	struct message params;	/* its fields then; free text */
};

/* An Any with the options before containerd 2.3.  Known by id and namespace,
 * which BootstrapParams repeat. */
void start_parse_input(const struct options *o, struct pb_bytes text,
	struct start_input *in);

#endif
