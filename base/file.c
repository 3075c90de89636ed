/* SPDX-License-Identifier: Apache-2.0 */
/* file: see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fmt.h"

#define PROC_BYTES 16384	/* to begin with */

/* Up to n bytes; how many, or -1 and errno. */
static ssize_t
read_all(int fd, char *buf, size_t n)
{
	size_t used = 0;
	ssize_t r = 0;

	while (used < n && ((r = read(fd, buf + used, n - used)) > 0 ||
	    (r < 0 && errno == EINTR)))
		used += r > 0 ? (size_t)r : 0;
	return r < 0 ? -1 : (ssize_t)used;
}

long
file_read(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
	    O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read_all(fd, buf, cap - 1);
	close(fd);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

char *
file_load(int dir_fd, const char *path, int flags, size_t max, size_t *len,
    struct err *e)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK |
	    O_NOCTTY | flags);
	char *text = NULL;
	struct stat st;
	size_t size = 0;
	ssize_t n = -1;

	if (fd < 0) {
		err_sys(e, "open %s", path);
		return NULL;
	}
	if (fstat(fd, &st) < 0) {
		err_sys(e, "stat %s", path);
	} else if (!S_ISREG(st.st_mode)) {
		err_set(e, ERR_INVALID, "%s: not a regular file", path);
	} else if ((uint64_t)st.st_size > max) {
		err_set(e, ERR_INVALID, "%s: larger than %zu bytes", path, max);
	} else {
		/* One byte more tells of one that grows. */
		size = (size_t)st.st_size + 1;
		text = malloc(size + 1);
		if (!text)
			err_set(e, ERR_EXHAUSTED, "read %s: out of memory",
			    path);
		else if ((n = read_all(fd, text, size)) < 0)
			err_sys(e, "read %s", path);
		else if ((size_t)n == size)
			err_set(e, ERR_ABORTED, "%s: grew while it was read",
			    path);
	}
	close(fd);
	if (n < 0 || (size_t)n == size) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	if (len)
		*len = (size_t)n;
	return text;
}

char *
file_load_rest(int fd, const char *what, size_t *len, struct err *e)
{
	size_t cap = PROC_BYTES;
	char *text = NULL, *bigger;
	ssize_t n = 0;

	*len = 0;
	do {
		*len += (size_t)n;
		cap = *len + 2 > cap ? 2 * cap : cap;
		bigger = cap > FILE_REST_MAX + 2 ? NULL :
		    fmt_grow(text, *len, cap);
		if (!bigger) {
			n = err_nomem(e);
			break;
		}
		text = bigger;
		n = read_all(fd, text + *len, cap - *len - 1);
		if (n < 0)
			err_sys(e, "read %s", what);
	} while (n > 0);
	if (n == 0 && text) {
		text[*len] = '\0';
		return text;
	}
	fmt_wipe(text, *len);
	*len = 0;
	return NULL;
}

char *
file_load_proc(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;
	size_t len;

	if (fd < 0) {
		err_sys(e, "open %s", path);
		return NULL;
	}
	text = file_load_rest(fd, path, &len, e);
	close(fd);
	return text;
}

int
file_create(const char *path, mode_t mode, const void *p, size_t n,
    struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, mode);
	int rc = 0;

	if (fd < 0)
		return err_sys(e, "create %s", path);
	errno = ENOSPC;		/* of a short write, which sets none */
	if (write(fd, p, n) != (ssize_t)n || fchmod(fd, mode) < 0) {
		rc = err_sys(e, "write %s", path);
		unlink(path);
	}
	close(fd);
	return rc;
}

int
file_replace(const char *path, mode_t mode, const void *p, size_t n,
    struct err *e)
{
	char tmp[PATH_MAX];

	if (fmt(tmp, sizeof(tmp), "%s.%d", path, (int)getpid()) >= sizeof(tmp))
		return err_set(e, ERR_INVALID, "%s: path too long", path);
	unlink(tmp);
	if (file_create(tmp, mode, p, n, e) < 0)
		return -1;
	if (rename(tmp, path) == 0)
		return 0;
	err_sys(e, "rename %s to %s", tmp, path);
	unlink(tmp);
	return -1;
}

int
file_make_dirs(const char *path, mode_t mode, struct err *e)
{
	char dir[PATH_MAX], *p;

	if (fmt(dir, sizeof(dir), "%s", path) >= sizeof(dir))
		return err_set(e, ERR_INVALID, "%s: path too long", path);
	for (p = dir + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(dir, mode) < 0 && errno != EEXIST)
			return err_sys(e, "create %s", dir);
		*p = '/';
	}
	return 0;
}
