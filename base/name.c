/* SPDX-License-Identifier: Apache-2.0 */
/* name: see name.h. */
#include "base/name.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z');
}

static bool
has_control(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	}
	return false;
}

int
name_check(const char *what, const char *name, struct err *e)
{
	size_t i, n = strlen(name);
	bool was_alnum = false;

	if (n == 0 || n > NAME_MAX_BYTES)
		return err_set(e, ERR_INVALID,
		    "%s of %zu bytes: 1 to %d are allowed", what, n,
		    NAME_MAX_BYTES);
	for (i = 0; i < n; i++) {
		if (!is_alnum(name[i]) && (!strchr("._-", name[i]) ||
		    !was_alnum))
			break;
		was_alnum = is_alnum(name[i]);
	}
	if (i < n || !was_alnum)
		return err_set(e, ERR_INVALID, "%s \"%s\" is not made of "
		    "letters and digits with single . _ - between", what, name);
	return 0;
}

int
name_check_exec(const char *name, struct err *e)
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_MAX_BYTES || has_control(name) ||
	    strchr(name, '/'))
		return err_set(e, ERR_INVALID, "exec id \"%.*s\": 1 to %d "
		    "printable bytes without a slash are allowed",
		    NAME_MAX_BYTES, name, NAME_MAX_BYTES);
	return 0;
}

int
name_check_relative(const char *what, const char *path, struct err *e)
{
	const char *part = path;
	size_t n;

	if (!path[0] || strlen(path) >= PATH_MAX || has_control(path))
		return err_set(e, ERR_INVALID, "%s \"%.*s\" is not a path: "
		    "empty, too long, or with a control character", what,
		    NAME_MAX_BYTES, path);
	do {
		n = strcspn(part, "/");
		if (n == 2 && part[0] == '.' && part[1] == '.')
			return err_set(e, ERR_INVALID, "%s \"%.*s\" leads "
			    "out by \"..\"", what, NAME_MAX_BYTES, path);
		part += n;
	} while (*part++);
	return 0;
}

int
name_check_path(const char *what, const char *path, struct err *e)
{
	if (path[0] && path[0] != '/')
		return err_set(e, ERR_INVALID, "%s \"%.*s\" is not an absolute "
		    "path", what, NAME_MAX_BYTES, path);
	return name_check_relative(what, path, e);
}
