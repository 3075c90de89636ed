/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_toml: the text of a runsc.toml, as it is and with lenient added.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
check(struct config *c, int rc, const struct err *e)
{
	size_t i;

	must(c->binary_name && c->root && c->nflags <= CONFIG_FLAGS_MAX);
	for (i = 0; i < c->nflags; i++)
		must(memcmp(c->flags[i], "--", 2) == 0 &&
		    strchr(c->flags[i], '='));
	must(!c->flags[c->nflags]);
	must(c->create_timeout_ns > 0 && c->command_timeout_ns > 0);
	must(c->io_uid != (uid_t)-1 && c->io_gid != (gid_t)-1);
	must(rc == 0 || (rc == -1 && e->code == ERR_INVALID &&
	    strncmp(e->msg, "f:", 2) == 0));
	config_free(c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char more[] = "lenient = true\n";
	struct config c;
	struct err e;
	char *text;
	size_t mark = 0;
	int strict, rc;

	log_set_level(LOG_ERR);
	must(config_init(&c, &e) == 0);
	strict = config_parse(&c, (const char *)p, n, "f", &e);
	check(&c, strict, &e);

	text = malloc(n + sizeof(more));
	must(text != NULL);
	/* A byte order mark stays the first. */
	if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		mark = 3;
	memcpy(text, p, mark);
	memcpy(text + mark, more, sizeof(more) - 1);
	if (n > mark)
		memcpy(text + mark + sizeof(more) - 1, p + mark, n - mark);
	must(config_init(&c, &e) == 0);
	rc = config_parse(&c, text, n + sizeof(more) - 1, "f", &e);
	/* What is right strictly is right leniently, but for the key twice. */
	must(rc == 0 || strict < 0 || strstr(e.msg, "'lenient': given twice"));
	check(&c, rc, &e);
	free(text);
	return 0;
}
