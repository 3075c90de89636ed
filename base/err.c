/* SPDX-License-Identifier: Apache-2.0 */
/* err: see err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/fmt.h"

static const struct { unsigned char err, code; } codes[] = {
	{ ENOENT, ERR_NOT_FOUND }, { ESRCH, ERR_NOT_FOUND },
	{ ENXIO, ERR_NOT_FOUND }, { ENODEV, ERR_NOT_FOUND },
	{ EEXIST, ERR_EXISTS },
	{ EPERM, ERR_PERMISSION }, { EACCES, ERR_PERMISSION },
	{ EROFS, ERR_PERMISSION },
	{ ENOMEM, ERR_EXHAUSTED }, { EMFILE, ERR_EXHAUSTED },
	{ ENFILE, ERR_EXHAUSTED }, { ENOSPC, ERR_EXHAUSTED },
	{ EDQUOT, ERR_EXHAUSTED }, { EAGAIN, ERR_EXHAUSTED },
	{ ENOBUFS, ERR_EXHAUSTED }, { EUSERS, ERR_EXHAUSTED },
	{ EINVAL, ERR_INVALID }, { ENAMETOOLONG, ERR_INVALID },
	{ E2BIG, ERR_INVALID }, { ENOTDIR, ERR_INVALID },
	{ EISDIR, ERR_INVALID }, { ELOOP, ERR_INVALID },
	{ ENOEXEC, ERR_INVALID }, { ELIBBAD, ERR_INVALID },
	{ EBUSY, ERR_PRECONDITION }, { ENOTEMPTY, ERR_PRECONDITION },
	{ ETXTBSY, ERR_PRECONDITION },
	{ ETIMEDOUT, ERR_DEADLINE }, { ECANCELED, ERR_CANCELED },
	{ ECONNREFUSED, ERR_UNAVAILABLE }, { ECONNRESET, ERR_UNAVAILABLE },
	{ EPIPE, ERR_UNAVAILABLE },
	{ ENOSYS, ERR_UNIMPLEMENTED }, { EOPNOTSUPP, ERR_UNIMPLEMENTED },
	{ EIO, ERR_INTERNAL },
};

int
err_code(int err)
{
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].err == err)
			return codes[i].code;
	}
	return ERR_UNKNOWN;
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

static int set_errno(struct err *e, int err, const char *format, va_list ap)
	__attribute__((format(printf, 3, 0)));

static int
set_errno(struct err *e, int err, const char *format, va_list ap)
{
	size_t n;

	e->code = err_code(err);
	fmt_va(e->msg, sizeof(e->msg), format, ap);
	n = strlen(e->msg);
	fmt(e->msg + n, sizeof(e->msg) - n, ": %s", strerror(err));
	return -1;
}

int
err_nomem(struct err *e)
{
	return err_set(e, ERR_EXHAUSTED, "out of memory");
}

int
err_sys(struct err *e, const char *format, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, format);
	set_errno(e, err, format, ap);
	va_end(ap);
	return -1;
}

int
err_errno(struct err *e, int err, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	set_errno(e, err, format, ap);
	va_end(ap);
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

const char *
err_suffix(int code)
{
	switch (code) {
	case ERR_INVALID:
		return "invalid argument";
	case ERR_NOT_FOUND:
		return "not found";
	case ERR_EXISTS:
		return "already exists";
	case ERR_EXHAUSTED:
		return "resource exhausted";
	case ERR_PRECONDITION:
		return "failed precondition";
	case ERR_UNIMPLEMENTED:
		return "not implemented";
	case ERR_UNAVAILABLE:
		return "unavailable";
	default:
		return NULL;
	}
}
