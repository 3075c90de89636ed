/* SPDX-License-Identifier: Apache-2.0 */
/* turns: see turns.h. */
#include "turns.h"

#define QUIET_NS (20 * NS_PER_MS)	/* what goes on in the kernel, too */

void
turn_once(int64_t since, const char *what)
{
	ck_assert_msg(loop_now() - since < HANG_NS, "%s: does not come", what);
	loop_turn(NS_PER_MS);
}

void
turn_all(void)
{
	while (loop_turn(0) != 0)
		;
}

void
come_to_rest(void)
{
	int64_t since = loop_now();

	while (loop_turn(QUIET_NS) != 0)
		ck_assert_msg(loop_now() - since < HANG_NS, "it spins");
}
