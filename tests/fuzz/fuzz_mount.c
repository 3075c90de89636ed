/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of mount_parse: the first line is the file system's type, each
 * further line an option word.  The output buffer has the input's size as its
 * cap or, by the first byte's lowest bit, less than that.
 */
#include "host/mount.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	const char *options[MOUNT_OPTIONS_MAX + 8];
	struct mount_spec s = { "", "source", options, 0 };
	unsigned long flags, propagation;
	char *text, *data, *p, *save = NULL;
	size_t cap;
	struct err e;

	text = malloc(len + 1);
	if (text == NULL)
		return 0;
	if (len > 0)
		memcpy(text, in, len);
	text[len] = '\0';
	cap = len > 0 && (in[0] & 1) ? len / 2 : len + 1;
	data = malloc(cap + 1);
	if (data == NULL)
		goto out;
	p = strtok_r(text, "\n", &save);
	if (p != NULL)
		s.type = p;
	while (p != NULL && s.noptions < sizeof(options) / sizeof(options[0])) {
		p = strtok_r(NULL, "\n", &save);
		if (p != NULL)
			options[s.noptions++] = p;
	}
	if (mount_parse(&s, &flags, &propagation, data, cap, &e) == 0 &&
	    cap > 0 && strlen(data) >= cap)
		abort();
out:
	free(data);
	free(text);
	return 0;
}
