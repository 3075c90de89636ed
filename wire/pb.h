/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pb: protobuf wire format, both ways, over (pointer, length), no schema.
 *
 * Reading: strict about the wire (varints of at most ten bytes, lengths
 * inside the message, groups refused) and about the kind of each field that is
 * asked for; others are passed over.  Writing: into the caller's buffer first,
 * then into memory of its own up to a cap.
 */
#ifndef PB_H
#define PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

/* Bytes of somebody else's: never freed here, not NUL-terminated. */
struct pb_bytes {
	const uint8_t *p;
	size_t n;
};

struct pb_in {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;		/* set by pb_next() on malformed input */
};

struct pb_field {
	uint32_t num;
	enum pb_wire wire;
	uint64_t v;		/* PB_VARINT, PB_FIXED64, PB_FIXED32 */
	struct pb_bytes b;	/* PB_BYTES: inside the input */
};

void pb_in_init(struct pb_in *in, const void *p, size_t n);
/* The next field.  False at the end or when malformed: look at in->bad. */
bool pb_next(struct pb_in *in, struct pb_field *f);
/* The next field num that is bytes: what is repeated. */
bool pb_next_bytes(struct pb_in *in, uint32_t num, struct pb_bytes *b);
/*
 * A message's fields by their numbers.  kinds says what each is: 'n' number,
 * 'b' bytes or a message, 's' string (UTF-8), '*' any of them, '-' not asked
 * for.  fields has an element for each character of kinds; one that is not in
 * the message is all 0, of one given twice it is the last.  Returns 0, -1 if
 * the message is malformed, or the number of a field of another kind; fields
 * then has what stands before that.
 */
int pb_read(struct pb_bytes in, const char *kinds, struct pb_field *fields);

/* The highest number that a request or a message inside one has is 10. */
#define PB_FIELDS 11

/* Strings are copied into text, NUL-terminated, so that they can be used as
 * paths. */
struct message {
	struct pb_bytes whole;		/* all of it */
	struct pb_field f[PB_FIELDS];
	const char *str[PB_FIELDS];	/* never NULL */
	char *text;			/* to be freed by the caller */
};

/*
 * As pb_read(), of at most PB_FIELDS kinds; NULL: nothing is looked at.  A
 * field of another kind, a string that holds a NUL, and a malformed message are
 * ERR_INTERNAL with the text of Go's decoder, as with the Go shims; text is
 * NULL then.
 */
int pb_decode(struct message *m, struct pb_bytes in, const char *kinds,
	struct err *e);

/* Does b say exactly s? */
bool pb_is(struct pb_bytes b, const char *s);
/* Is b valid UTF-8 (as a proto3 string must be)? */
bool pb_is_utf8(struct pb_bytes b);

#define PB_OUT_MAX (4u << 20)	/* ttrpc's largest message */

struct pb_out {
	uint8_t *p;
	size_t len;
	size_t cap;
	bool bad;		/* grew past PB_OUT_MAX or out of memory */
	bool heap;		/* p is ours */
};

/* Write into buf (the caller's, of cap bytes; may be NULL, 0) and grow onto
 * the heap from there. */
void pb_out_init(struct pb_out *o, void *buf, size_t cap);
/* Release what grew; the caller's buffer stays.  May be called twice. */
void pb_out_free(struct pb_out *o);

/* proto3: a zero value is not written. */
void pb_put_uint(struct pb_out *o, uint32_t num, uint64_t v);
/* Negative values are sign-extended to ten bytes, as int32 and int64 are. */
void pb_put_int(struct pb_out *o, uint32_t num, int64_t v);
void pb_put_bool(struct pb_out *o, uint32_t num, bool v);
void pb_put_bytes(struct pb_out *o, uint32_t num, const void *p, size_t n);
/* A string field: invalid UTF-8 becomes U+FFFD, since Go's decoder refuses
 * the whole message otherwise.  NULL counts as empty. */
void pb_put_str(struct pb_out *o, uint32_t num, const char *s);
/* Begin a sub-message (written even if empty); give the result to pb_end(). */
size_t pb_begin(struct pb_out *o, uint32_t num);
void pb_end(struct pb_out *o, size_t mark);
/* google.protobuf.Timestamp {1 seconds, 2 nanos} of CLOCK_REALTIME ns.
 * 0 is written as an absent field. */
void pb_put_time(struct pb_out *o, uint32_t num, int64_t unix_ns);
/* google.protobuf.Any {1 type_url, 2 value}. */
void pb_put_any(struct pb_out *o, uint32_t num, const char *type_url,
	const void *p, size_t n);

#endif
