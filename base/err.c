/* SPDX-License-Identifier: Apache-2.0 */
/* err: see err.h.  Leaf module, uses nothing of ours. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/fmt.h"

static int
code_of_errno(int err)
{
	switch (err) {
	case ENOENT:
	case ESRCH:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EPERM:
	case EACCES:
		return ERR_PERMISSION;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOSPC:
	case EAGAIN:
		return ERR_EXHAUSTED;
	case EINVAL:
	case ENAMETOOLONG:
		return ERR_INVALID;
	case ETIMEDOUT:
		return ERR_DEADLINE;
	default:
		return ERR_UNKNOWN;
	}
}

int
err_set(struct err *e, int code, const char *format, ...)
{
	va_list ap;

	e->code = code;
	va_start(ap, format);
	fmt_va(e->msg, sizeof(e->msg), format, ap);
	va_end(ap);
	return -1;
}

int
err_sys(struct err *e, const char *format, ...)
{
	int err = errno;
	va_list ap;
	size_t n;

	e->code = code_of_errno(err);
	va_start(ap, format);
	fmt_va(e->msg, sizeof(e->msg), format, ap);
	va_end(ap);
	n = strlen(e->msg);
	fmt(e->msg + n, sizeof(e->msg) - n, ": %s", strerror(err));
	return -1;
}

int
err_prefix(struct err *e, const char *format, ...)
{
	char old[ERR_MSG_MAX];
	va_list ap;
	size_t n;

	memcpy(old, e->msg, sizeof(old));
	old[sizeof(old) - 1] = '\0';
	va_start(ap, format);
	fmt_va(e->msg, sizeof(e->msg), format, ap);
	va_end(ap);
	n = strlen(e->msg);
	fmt(e->msg + n, sizeof(e->msg) - n, ": %s", old);
	return -1;
}
