/* SPDX-License-Identifier: Apache-2.0 */
/* files: the directory of a test, and the files that it makes there.  For
 * programs with and without Check. */
#ifndef FILES_H
#define FILES_H

extern char dir[64];		/* of this test */

/* A path below dir; one of 64 buffers in turn. */
char *in_dir(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Aborts where it cannot be written. */
void write_text(const char *path, const char *text);
/* The text of a file, "" if there is none; valid until the next call. */
char *read_text(const char *path);

#endif
