/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of what is read in texts of others: runsc's log and what its
 * wait, ps and events print, and the process object of an exec.  The first byte
 * says which.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/cgroup.h"
#include "json.h"
#include "wire/pb.h"
#include "gvisor/runsc_text.h"
#include "runsc.h"
#include "conf/spec.h"
#include "tests/fuzz/fuzz.h"


/* The errors of a log are a text, and of a log's end too. */
static void
read_log(const char *text, size_t len)
{
	char msg[64] = "";

	if (runsc_errors(text, len, msg, sizeof(msg)))
		must(msg[0] && memchr(msg, '\0', sizeof(msg)));
	if (runsc_errors(text + len / 2, len - len / 2, msg, sizeof(msg)))
		must(msg[0] && memchr(msg, '\0', sizeof(msg)));
}

static void
read_answers(const char *text, size_t len)
{
	unsigned status;
	uint32_t *pids;
	size_t n;

	pids = runsc_parse_ps(text, len, &n);
	must(!pids || n <= PIDS_MAX);
	free(pids);
	pids = runsc_parse_parentless(text, len, &n);
	must(!pids || n <= PIDS_MAX);
	free(pids);
	if (runsc_parse_wait(text, len, &status))
		must(status <= 255);
}

/* What is made of statistics is a message. */
static void
read_events(const char *text, size_t len)
{
	struct pb_field f;
	struct pb_out o;
	struct pb_in pb;
	struct err e;

	pb_out_init(&o, NULL, 0);
	if (metrics_encode(&o, text, len, NULL, METRICS_ALONE, 0,
	    &e) && !o.bad) {
		pb_in_init(&pb, o.p, o.len);
		while (pb_next(&pb, &f))
			;
		must(!pb.bad);
	}
	pb_out_free(&o);
}

/* What runsc gets of an exec's process is JSON, with the terminal as asked. */
static void
read_process(const char *text, size_t len, bool terminal)
{
	struct json j;
	struct err e;
	unsigned size[2];
	char *out;
	size_t n;
	bool is;

	if (spec_exec_process(text, len, terminal, &out, &n, size, &e) < 0)
		return;
	must(json_parse(&j, out, n, &e) == 0);
	must(json_bool(&j, json_get(&j, 0, "terminal"), &is) &&
	    is == terminal);
	json_free(&j);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	char *text;
	size_t n;

	if (len == 0)
		return 0;
	/* NUL-terminated, as what runsc printed is. */
	n = len - 1;
	text = malloc(n + 1);
	must(text != NULL);
	memcpy(text, in + 1, n);
	text[n] = '\0';
	switch (in[0] % 4) {
	case 0:
		read_log(text, n);
		break;
	case 1:
		read_answers(text, n);
		break;
	case 2:
		read_events(text, n);
		break;
	default:
		read_process(text, n, in[0] & 4);
		break;
	}
	free(text);
	return 0;
}
