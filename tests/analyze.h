/* SPDX-License-Identifier: Apache-2.0 */

/* As the Makefile has it. */
#define SYSCONFDIR "/etc"
/*
 * Included ahead of each file of the product by tests/analyze.sh, and in no
 * build: an analyser sees one file at a time, and is told here what it would
 * have to read in another, so that it does not follow a path that ends with
 * an error and goes on without one.
 */
#ifndef ANALYZE_H
#define ANALYZE_H

#include "base/err.h"

#define VERSION "x"

#define err_set(...) (err_set(__VA_ARGS__), -1)
#define err_nomem(e) (err_nomem(e), -1)
#define err_sys(...) (err_sys(__VA_ARGS__), -1)
#define err_prefix(...) (err_prefix(__VA_ARGS__), -1)

#endif
