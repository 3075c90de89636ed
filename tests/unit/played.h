/* SPDX-License-Identifier: Apache-2.0 */
/*
 * played: what lies below state.c, for stage.c and model_test, as far as it is
 * the same in both: every command of runsc becomes one of the test's, and
 * the rest agrees to everything.
 */
#ifndef PLAYED_H
#define PLAYED_H

#include <stdbool.h>

#include "base/err.h"
#include "runsc.h"

/* The test's: a command of that verb is under way; detail is what tells it
 * from others of the verb.  NULL with *e where it cannot be started. */
struct runsc_cmd *played_cmd(const char *verb, const char *detail,
	runsc_done *done, void *arg, struct err *e);

/* Are execs started by the sandbox itself? */
extern bool played_inside;

#endif
