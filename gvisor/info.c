/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info: `-info`: what this shim is and what the configured runsc can do, a
 * RuntimeInfo on standard output; and the verb `features`, of which CRI-O
 * expects the latter alone.
 *
 * containerd asks when it starts, once for each handler, with the handler's
 * options on standard input; from the answer it knows whether a pod may have a
 * user namespace of its own.  So runsc is asked, and where it does not know
 * the question (before 2025), or cannot be run, the answer is what every
 * runsc can do: what is wrong with the configuration is told by Create.
 */
#include "gvisor/info.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "conf/config.h"
#include "json.h"
#include "runsc.h"
#include "conf/cmdline.h"
#include "wire/pb.h"

static const char always[] =
	"{\"ociVersionMin\":\"1.0.0\",\"ociVersionMax\":\"1.2.0\","
	"\"linux\":{\"cgroup\":{\"v1\":true,\"v2\":true},"
	"\"mountExtensions\":{\"idmap\":{\"enabled\":false}}}}";

struct answer {
	bool done;
	char *text;	/* NULL: none that can be used */
};

static void
on_features(void *arg, const struct runsc_result *r)
{
	struct answer *a = arg;
	struct json j;
	struct err e;

	a->done = true;
	if (r->err.code != ERR_OK || r->out[0] != '{' ||
	    json_parse(&j, r->out, r->outlen, &e) < 0)
		return;
	json_free(&j);
	a->text = strndup(r->out, r->outlen);
}

/* What runsc says, or NULL. */
static char *
ask_runsc(struct pb_bytes any)
{
	struct runsc_env env = { .id = "", .bundle_fd = -1 };
	struct answer a = { 0 };
	struct config c;
	struct err e;

	if (config_init(&c, &e) < 0)
		return NULL;
	if (config_from_options(&c, any, &e) == 0 && loop_init(&e) == 0 &&
	    child_init(NULL, &e) == 0) {
		env.binary = c.binary_name;
		env.root = c.root;
		env.command_timeout_ns = c.command_timeout_ns;
		a.done = !runsc_simple(&env, "features", on_features, &a, &e);
		while (!a.done)
			loop_turn(-1);
	}
	config_free(&c);
	return a.text;
}

/* RuntimeInfo {1 name, 2 {1 version}, 4 features}. */
static bool
print_info(const char *features)
{
	struct pb_out o;
	size_t mark;
	bool ok;

	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, SHIM_RUNTIME);
	mark = pb_begin(&o, 2);
	pb_put_str(&o, 1, VERSION);
	pb_end(&o, mark);
	pb_put_any(&o, 4, "types.containerd.io/opencontainers/runtime-spec/1/"
	    "features/Features", features, strlen(features));
	ok = !o.bad && write(STDOUT_FILENO, o.p, o.len) == (ssize_t)o.len;
	pb_out_free(&o);
	return ok;
}

int
info_run(bool plain)
{
	struct pb_bytes any = { 0 };
	char *said, *input = NULL;
	const char *features;
	struct err e;
	size_t n;
	bool ok;

	log_set_level(LOG_ERR);
	if (!plain && !isatty(STDIN_FILENO))
		input = file_load_rest(STDIN_FILENO, "standard input", &any.n,
		    &e);
	any.p = (uint8_t *)input;
	said = ask_runsc(any);
	features = said ? said : always;
	n = strlen(features);
	ok = plain ? write(STDOUT_FILENO, features, n) == (ssize_t)n :
	    print_info(features);
	free(said);
	free(input);
	return ok ? 0 : EXIT_FAILED;
}
