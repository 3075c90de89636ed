/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz: what each target has. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* An input that ends the program is a finding. */
int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static inline void
must(bool ok)
{
	if (!ok)
		abort();
}

#endif
