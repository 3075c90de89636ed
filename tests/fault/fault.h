/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault: what the test and the faulty shim share: a page of memory, the file
 * that FAULT_CTL names.  The test arms it, the shim's wrappers count in it.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdint.h>

/* Longer than this no fault lasts, since the test lifts it when it has the
 * reply, and a connection that is not accepted or not read has none. */
#define FAULT_LASTS_NS (40 * 1000000LL)
#define FAULT_STALLS_NS (5 * 1000000LL)	/* of those that say EAGAIN */

enum fault_kind { FAULT_OFF, FAULT_ALLOC, FAULT_CALL };
/* The process with a verb on its command line, and the one without. */
enum fault_role { ROLE_VERB = 1, ROLE_DAEMON = 2 };

struct fault_ctl {
	uint32_t kind;
	uint32_t roles;		/* in which it is armed */
	uint32_t lasting;	/* the Nth and all that follow */
	uint32_t nth;
	uint32_t count;		/* of that kind, since it was armed */
	uint32_t hits;
	int64_t first_ns;	/* when the first hit was */
	int64_t live;		/* the daemon's allocations that are not freed */
	uint64_t allocs;	/* all that it has made */
	uint64_t caller;	/* of the first hit, from the program's begin */
	char name[32];		/* the function that failed */
};

#endif
