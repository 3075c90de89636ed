/* SPDX-License-Identifier: Apache-2.0 */
/* file: files that are read or written as a whole.  A FIFO or a terminal in the
 * place of one keeps nobody waiting. */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * What path, which is no link, begins with: at most cap - 1 bytes into buf, and
 * a NUL.  Their number, or -1 and errno.  For /proc, cgroups and small files.
 */
long file_read(const char *path, char *buf, size_t cap);
/*
 * All of a regular file of at most max bytes and a NUL, to be freed; NULL with
 * *e.  path is one of dir_fd's (openat(2)); flags: O_NOFOLLOW or 0.  len may be
 * NULL.
 */
char *file_load(int dir_fd, const char *path, int flags, size_t max,
	size_t *len, struct err *e);
/* What is left to read of fd, called what in *e, and a NUL; to be freed.  *len
 * is 0 where that fails, or there is more. */
#define FILE_REST_MAX ((64u << 20) - 2)
char *file_load_rest(int fd, const char *what, size_t *len, struct err *e);
/* The same of a file whose size nobody knows, as /proc has them. */
char *file_load_proc(const char *path, struct err *e);
/* Make path, which is not there, of n bytes, whatever the umask is; one that
 * cannot be written whole is removed. */
int file_create(const char *path, mode_t mode, const void *p, size_t n,
	struct err *e);
/* The same in the place of what is there: complete or not at all. */
int file_replace(const char *path, mode_t mode, const void *p, size_t n,
	struct err *e);
/* Make the directories that lead to path and are not there. */
int file_make_dirs(const char *path, mode_t mode, struct err *e);

#endif
