/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved: state.json in the bundle: what Create leaves for the verb `delete`,
 * which may have to clean up when the shim is no more.
 *
 * Written before anything of the container is made, so a bundle without it has
 * nothing that is the verb's to remove.  The members that it has in common with
 * gVisor's own shim (shim/runsc/state.go) are named as there; that one's file
 * is read too, and lacks id, namespace, runscRoot, mounted and ownCgroup.
 */
#ifndef SAVED_H
#define SAVED_H

#include <stdbool.h>

#include "base/err.h"

struct saved {
	char *id;		/* of the container; NULL: not said */
	char *namespace;
	char *binary;		/* runsc */
	char *root;		/* as the settings have it */
	char *runsc_root;	/* as runsc gets it */
	bool mounted;		/* Create mounted BUNDLE/rootfs */
	bool own_cgroup;	/* the cgroup was not there before */
};

/* Replace the file in bundle. */
int saved_write(const struct saved *s, const char *bundle, struct err *e);
/* False if there is none that can be read; then *s is empty.  *s is to be
 * freed in any case. */
bool saved_read(struct saved *s, const char *bundle);
/* Is it, as far as it says, of that container? */
bool saved_is_of(const struct saved *s, const char *namespace, const char *id);
void saved_free(struct saved *s);

#endif
