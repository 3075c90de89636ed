/* SPDX-License-Identifier: Apache-2.0 */
/* sha256: FIPS 180-4, of one text at once. */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>

#define SHA256_HEX 65

/* Lower-case hex digits of the digest of p[0..n) and a NUL, into out. */
void sha256_hex(const void *p, size_t n, char out[SHA256_HEX]);

#endif
