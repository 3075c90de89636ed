/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_bootstrap: what containerd writes to the standard input of `start`, for
 * the container "c" of the namespace "n", and the options found in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config.h"
#include "shim.h"

#define DIR_CAP 43

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

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
	struct pb_bytes input = { p, n }, any;
	char dir[DIR_CAP];

	log_set_level(LOG_ERR);
	/* Unless a directory is named this one stays. */
	memset(dir, 'x', sizeof(dir));
	shim_parse_input(&o, input, &any, dir, sizeof(dir));
	must(dir[0] == 'x' || (dir[0] == '/' &&
	    memchr(dir, '\0', sizeof(dir))));
	must(any.n == 0 || (any.p >= p && any.p + any.n <= p + n));
	read_options(any);
	/* The same bytes as Create carries them. */
	read_options(input);
	return 0;
}
