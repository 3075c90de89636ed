/* SPDX-License-Identifier: Apache-2.0 */
/* runsc_text: what runsc and its sandbox print, read. */
#ifndef RUNSC_TEXT_H
#define RUNSC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PIDS_MAX 16384		/* told of one container */

/* In log_directory. */
#define RUNSC_PANIC_LOG "gvisor_panic.log"

/* The status in {"id":"ID","exitStatus":N}; false if it is not that. */
bool runsc_parse_wait(const char *out, size_t len, unsigned *status);
/* The pids in [1,2,3], PIDS_MAX at most, to be freed; NULL: it is not that, or
 * there is no memory. */
uint32_t *runsc_parse_ps(const char *out, size_t len, size_t *n);
/* The same of runsc's table, of those without a parent. */
uint32_t *runsc_parse_parentless(const char *out, size_t len, size_t *n);
/*
 * What a log of glued JSON objects says of a failure: its entries of level
 * "error", in their order, since the first is the cause (a gofer or the sandbox
 * writes it) and the others what came of it.  Each once; where not all have
 * room, the first and the last.  Returns where in msg the last begins; NULL if
 * there is none.
 */
const char *runsc_errors(const char *log, size_t len, char *msg, size_t cap);
/* out without the lines before that in which JSON or a table begins: a notice
 * of a release or of a wrapper.  All of out if there is no such line. */
const char *runsc_skip_notices(const char *out);
/* Without white space at its end. */
void runsc_trim(char *s);
/* Does the text say that there is nothing to act on any more? */
bool runsc_says_gone(const char *msg);

/* text with every %ID% replaced by id, since runsc does that itself only from
 * 2026 on.  false: out is too small. */
bool runsc_expand_id(char *out, size_t cap, const char *text, const char *id);
/*
 * What a sandbox whose process ended with Go's status of a panic has said of
 * that: its first line into text; false: it was the container's own.  Its
 * panic log is in log_directory, NULL: fd, if that is above 0; it began at
 * from.
 */
bool runsc_has_panicked(const char *log_directory, int fd, off_t from,
	char *text, size_t cap);

#endif
