/* SPDX-License-Identifier: Apache-2.0 */
/* message: see message.h. */
#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

int
message_decode(struct message *m, struct pb_bytes in, const char *kinds,
    struct err *e)
{
	size_t nkinds, used = 0;
	struct pb_in pb;
	struct pb_field f;
	char kind;
	size_t i;

	memset(m, 0, sizeof(*m));
	m->whole = in;
	for (i = 0; i < MESSAGE_FIELDS; i++)
		m->str[i] = "";
	if (!kinds)
		return 0;
	nkinds = strlen(kinds);
	/* Every string of the message and its NUL fit in the message's size:
	 * each has at least two bytes of tag and length.  A string given
	 * twice too. */
	m->text = malloc(in.n + 1);
	if (!m->text)
		return err_set(e, ERR_EXHAUSTED, "out of memory for a request "
		    "of %zu bytes", in.n);
	pb_in_init(&pb, in.p, in.n);
	while (pb_next(&pb, &f)) {
		kind = f.num < nkinds ? kinds[f.num] : '-';
		if (kind == '-')
			continue;
		if ((kind == 'n') != (f.wire == PB_VARINT) ||
		    (kind != 'n') != (f.wire == PB_BYTES))
			goto bad;
		if (kind == 'n') {
			m->num[f.num] = f.v;
		} else if (kind == 'b') {
			m->bytes[f.num] = f.b;
		} else {
			if (!pb_is_utf8(f.b) || memchr(f.b.p, 0, f.b.n))
				goto bad;
			memcpy(m->text + used, f.b.p, f.b.n);
			m->str[f.num] = m->text + used;
			used += f.b.n;
			m->text[used++] = '\0';
		}
	}
	if (!pb.bad)
		return 0;
bad:
	free(m->text);
	m->text = NULL;
	return err_set(e, ERR_INTERNAL, "ttrpc: error unmarshalling payload: "
	    "proto: cannot parse invalid wire-format data");
}
