/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err: one failure, as the caller of the shim will read it.
 *
 * A function that can fail returns 0 or -1 and, on -1, has filled a struct
 * err where the failure happened, in terms of what was attempted.  Callers
 * add context or pass it on; nobody both logs and returns.  On success the
 * struct is left alone.  No allocation: running out of memory must be
 * reportable too.
 */
#ifndef ERR_H
#define ERR_H

/* gRPC status codes, the ones ttrpc carries (google/rpc/code.proto). */
enum {
	ERR_OK = 0,
	ERR_CANCELED = 1,
	ERR_UNKNOWN = 2,
	ERR_INVALID = 3,
	ERR_DEADLINE = 4,
	ERR_NOT_FOUND = 5,
	ERR_EXISTS = 6,
	ERR_PERMISSION = 7,
	ERR_EXHAUSTED = 8,
	ERR_PRECONDITION = 9,
	ERR_ABORTED = 10,
	ERR_UNIMPLEMENTED = 12,
	ERR_INTERNAL = 13,
	ERR_UNAVAILABLE = 14,
};

#define ERR_MSG_MAX 1024

struct err {
	int code;
	char msg[ERR_MSG_MAX];	/* NUL-terminated, cut where too long */
};

/* Fill *e with code and the formatted text.  Always returns -1. */
int err_set(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "out of memory", ERR_EXHAUSTED.  Always returns -1. */
int err_nomem(struct err *e);

/*
 * Fill *e with the formatted text, ": " and strerror(errno); the code is
 * err_code()'s.  Reads errno before anything else.  Always returns -1.
 */
int err_sys(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for an errno that came from elsewhere. */
int err_errno(struct err *e, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The code for an errno: the one table of them. */
int err_code(int err);

/*
 * How a text ends for a code, or NULL: containerd's clients know an error by
 * its code, but people and scripts by the end of its text (containerd errdefs),
 * which some releases add and some expect.
 */
const char *err_suffix(int code);

/* Put the formatted text and ": " before e's message.  Always returns -1. */
int err_prefix(struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
