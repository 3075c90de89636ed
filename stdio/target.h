/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target: the other end of a stream as containerd names it: the path of a
 * FIFO, of a file or of a device, or a URI (fifo, file, binary; of RFC 3986
 * just SCHEME://PATH?QUERY, percent-encoded).  Opening waits for nobody.
 */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>

#include "base/err.h"

struct target {
	int fd;
	int keep;	/* of a FIFO: its other end, so that it never ends */
	bool fifo;
	bool file;	/* always writable, takes everything */
	bool copy;	/* splice would be refused */
};

/* On failure nothing is open.  A path's last component may not be a link, but
 * for a log file, file://, which is made if need be. */
int target_open_output(struct target *t, const char *name, struct err *e);
/* keep only of a FIFO.  Only of a FIFO, fd does not block. */
int target_open_input(struct target *t, const char *name, struct err *e);

/* Does s begin with scheme and "://"?  NULL does not. */
bool target_is(const char *s, const char *scheme);
/* Percent-decode s in place; in a query, + is a blank.  -1: malformed, or a
 * NUL. */
int target_decode(char *s, bool query);

#endif
