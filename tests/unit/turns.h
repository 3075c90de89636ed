/* SPDX-License-Identifier: Apache-2.0 */
/* turns: the loop, turned by a test until what it waits for has come. */
#ifndef TURNS_H
#define TURNS_H

#include <stdint.h>

#include "base/loop.h"
#include "tests/suite.h"

#define HANG_NS (HANG_MS * NS_PER_MS)
#define NEVER_NS (24 * 3600 * NS_PER_S)	/* a bound that no test sees */

#define turn_until(cond)						\
	for (int64_t since_ = loop_now(); !(cond);)			\
		turn_once(since_, #cond)
/* One turn; the test fails where it has waited for what since then too long. */
void turn_once(int64_t since, const char *what);
/* As long as there is something to do at once. */
void turn_all(void);
/* Until nothing happens any more: something that spins never gets there. */
void come_to_rest(void);

#endif
