/* SPDX-License-Identifier: Apache-2.0 */
/* target: see target.h. */
#include "stdio/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/fmt.h"

#define MEM_MAJOR 1	/* /dev/null and its like */

/* -- names ---------------------------------------------------------------- */

bool
target_is(const char *s, const char *scheme)
{
	size_t n = strlen(scheme);

	return s && strncmp(s, scheme, n) == 0 &&
	    strncmp(s + n, "://", 3) == 0;
}

static int
hexdigit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
target_decode(char *s, bool query)
{
	char *to = s;
	int hi, lo;

	for (; *s; s++) {
		if (*s == '+' && query) {
			*to++ = ' ';
			continue;
		}
		if (*s != '%') {
			*to++ = *s;
			continue;
		}
		hi = hexdigit(s[1]);
		lo = hi < 0 ? -1 : hexdigit(s[2]);
		if (lo < 0 || (hi == 0 && lo == 0))
			return -1;
		*to++ = (char)(hi << 4 | lo);
		s += 2;
	}
	*to = '\0';
	return 0;
}

/* The path of a URI, decoded, into out. */
static int
uri_path(const char *uri, char *out, size_t cap, struct err *e)
{
	const char *p = fmt_find(uri, "://") + 3;
	size_t n = strcspn(p, "?#");

	if (n < cap) {
		memcpy(out, p, n);
		out[n] = '\0';
		if (target_decode(out, false) == 0 && out[0] == '/')
			return 0;
	}
	return err_set(e, ERR_INVALID, "%s: not a URI of an absolute path",
	    uri);
}

/* -- opening -------------------------------------------------------------- */

/*
 * Look at what path names without following a link or opening it, so that
 * what is checked is what is opened.  Returns an O_PATH descriptor.
 */
static int
look_at(const char *path, struct stat *st, struct err *e)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fstat(fd, st) < 0) {
		err_sys(e, "look at %s", path);
		close(fd);
		return -1;
	}
	if (S_ISLNK(st->st_mode) || S_ISDIR(st->st_mode)) {
		close(fd);
		return err_set(e, ERR_INVALID,
		    "open %s: neither a FIFO nor a file", path);
	}
	return fd;
}

static void
classify(struct target *t, const struct stat *st)
{
	bool mem = S_ISCHR(st->st_mode) && major(st->st_rdev) == MEM_MAJOR;

	t->fifo = S_ISFIFO(st->st_mode);
	t->file = mem || (!t->fifo && !S_ISCHR(st->st_mode));
	/* O_APPEND and terminals do not take a splice. */
	t->copy = !mem && !t->fifo;
}

/* A log file, with the directories that lead to it. */
static int
open_log_file(struct target *t, const char *uri, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;

	if (uri_path(uri, path, sizeof(path), e) < 0 ||
	    file_make_dirs(path, 0755, e) < 0)
		return -1;
	t->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
	    O_NOCTTY | O_NONBLOCK, 0644);
	if (t->fd < 0 || fstat(t->fd, &st) < 0)
		return err_sys(e, "open %s", path);
	classify(t, &st);
	if (!t->fifo)
		return 0;
	close(t->fd);
	return err_set(e, ERR_INVALID, "%s: a FIFO, not a file", uri);
}

int
target_open_output(struct target *t, const char *name, struct err *e)
{
	char decoded[PATH_MAX];
	const char *path = name;
	struct stat st;
	int fd;

	*t = (struct target){ .fd = -1, .keep = -1 };
	if (target_is(name, "file"))
		return open_log_file(t, name, e);
	if (target_is(name, "fifo")) {
		if (uri_path(name, decoded, sizeof(decoded), e) < 0)
			return -1;
		path = decoded;
	} else if (fmt_find(name, "://")) {
		return err_set(e, ERR_UNIMPLEMENTED,
		    "output to %s: no such scheme here", name);
	}
	fd = look_at(path, &st, e);
	if (fd < 0)
		return -1;
	classify(t, &st);
	/* The reader first: then the writer opens without a client. */
	if (t->fifo)
		t->keep = fd_reopen(fd, O_RDONLY);
	if (!t->fifo || t->keep >= 0)
		t->fd = fd_reopen(fd, O_WRONLY | (t->fifo ? 0 : O_APPEND));
	if (t->fd < 0) {
		err_sys(e, "open %s", path);
		fd_close(&t->keep);
	}
	close(fd);
	return t->fd < 0 ? -1 : 0;
}

int
target_open_input(struct target *t, const char *name, struct err *e)
{
	struct stat st;
	int fd;
	bool ok;

	*t = (struct target){ .fd = -1, .keep = -1 };
	fd = look_at(name, &st, e);
	if (fd < 0)
		return -1;
	classify(t, &st);
	/* Here too the reader first: the writer, which keeps the FIFO from
	 * ending when a client leaves, needs one. */
	t->fd = fd_reopen(fd, O_RDONLY);
	ok = t->fd >= 0;
	if (ok && t->fifo) {
		t->keep = fd_reopen(fd, O_WRONLY);
		ok = t->keep >= 0;
	} else if (ok) {
		ok = fcntl(t->fd, F_SETFL, 0) == 0;
	}
	if (!ok) {
		err_sys(e, "open %s", name);
		fd_close(&t->fd);
	}
	close(fd);
	return ok ? 0 : -1;
}
