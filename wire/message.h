/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message: a request's fields by number, with its strings as C has them.  For
 * the services, task.c and sandbox.c.  Uses pb, ttrpc, err.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>

#include "base/err.h"
#include "wire/pb.h"
#include "wire/ttrpc.h"

/* The highest number that a request or a message inside one has is 10. */
#define MESSAGE_FIELDS 11

/* Strings are copied into text, NUL-terminated, so that they can be used as
 * paths; what is repeated or nested is kept as bytes, the last of them. */
struct message {
	struct pb_bytes bytes[MESSAGE_FIELDS];
	const char *str[MESSAGE_FIELDS];	/* never NULL */
	uint64_t num[MESSAGE_FIELDS];
	char *text;				/* to be freed by the caller */
};

/*
 * kinds says what the fields are, by number: "s" string, "n" number, "b"
 * bytes, "-" not known, which is passed over.  A field of another wire type,
 * a string that is no UTF-8 or holds a NUL, and a malformed message are
 * ERR_INTERNAL with the text of Go's decoder, as with the Go shims.
 */
int message_decode(struct message *m, struct pb_bytes in, const char *kinds,
	struct err *e);
/* The same; a failure is answered. */
bool message_or_fail(struct message *m, struct ttrpc_call *call,
	struct pb_bytes payload, const char *kinds);

#endif
