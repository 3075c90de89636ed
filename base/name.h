/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name: which ids, namespaces and paths are taken from outside.
 *
 * An id becomes part of file names that root makes and removes, and a path may
 * come in an annotation, so all of them are checked here, before anything is
 * touched, wherever they come from: a request, an option, an annotation, a
 * flag.
 */
#ifndef NAME_H
#define NAME_H

#include "base/err.h"

#define NAME_MAX_BYTES 128

/* As containerd's identifiers: 1 to 128 letters and digits with single . _ -
 * between.  what says whose name it is, for the message.  -1, ERR_INVALID. */
int name_check(const char *what, const char *name, struct err *e);
/* An exec's: it is part of no file's name, and clients make it of anything
 * printable without a slash. */
int name_check_exec(const char *name, struct err *e);
/* An absolute path without a "..", a control character or an end that is cut
 * off at PATH_MAX. */
int name_check_path(const char *what, const char *path, struct err *e);
/* The same of one that may be relative: a cgroup's. */
int name_check_relative(const char *what, const char *path, struct err *e);

#endif
