/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message: a request's fields by number, with its strings as C has them.  For
 * the services, task.c and sandbox.c.  Uses pb, err.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include "base/err.h"
#include "wire/pb.h"

/* The highest number that a request or a message inside one has is 10. */
#define MESSAGE_FIELDS 11

/* Strings are copied into text, NUL-terminated, so that they can be used as
 * paths; what is repeated or nested is kept as bytes, the last of them. */
struct message {
	struct pb_bytes whole;			/* all of it */
	struct pb_bytes bytes[MESSAGE_FIELDS];
	const char *str[MESSAGE_FIELDS];	/* never NULL */
	uint64_t num[MESSAGE_FIELDS];
	char *text;				/* to be freed by the caller */
};

/*
 * kinds says what the fields are, by number: "s" string, "n" number, "b" bytes,
 * "-" not known, which is passed over; NULL: nothing is looked at.  A field of
 * another wire type, a string that is no UTF-8 or holds a NUL, and a malformed
 * message are ERR_INTERNAL with the text of Go's decoder, as with the Go shims.
 */
int message_decode(struct message *m, struct pb_bytes in, const char *kinds,
	struct err *e);

#endif
