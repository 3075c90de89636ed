/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_bootstrap: what containerd writes to the standard input of `start`, for
 * the container "c" of the namespace "n", and the options found in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config.h"
#include "start.h"
#include "tests/fuzz/fuzz.h"

static void
read_options(struct pb_bytes any)
{
	struct config c;
	struct err e;
	int rc;

	must(config_init(&c, &e) == 0);
	e.code = ERR_OK;
	e.msg[0] = '\0';
	rc = config_from_options(&c, any, &e);
	must(rc == 0 || (rc == -1 && e.code != ERR_OK && e.msg[0]));
	must(c.binary_name && c.root && c.nflags <= CONFIG_FLAGS_MAX);
	config_free(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct options o = { .id = "c", .namespace = "n" };
	struct pb_bytes input = { p, n };
	struct start_input in = { 0 };

	log_set_level(LOG_ERR);
	start_parse_input(&o, input, &in);
	must(in.any.n == 0 || (in.any.p >= p && in.any.p + in.any.n <= p + n));
	must(!in.bootstrap || (strcmp(in.params.str[1], "c") == 0 &&
	    memchr(p, 'n', n)));
	read_options(in.any);
	free(in.params.text);
	/* The same bytes as Create carries them. */
	read_options(input);
	return 0;
}
