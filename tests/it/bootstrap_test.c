/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bootstrap_test: what containerd 2.3 and later say to `start` on its standard
 * input and are answered, beside what earlier ones say; and `-info`, which asks
 * the configured runsc.  The real binary, the fake runsc.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "start.h"
#include "wire/pb.h"

struct params {
	const char *id;		/* NULL: an Any with the options alone */
	int64_t level;
	const char *ttrpc, *grpc;
};

/* An Any{runtimeoptions.v1.Options} with the path of runsc.toml. */
static void
put_options(struct pb_out *o)
{
	size_t value;

	pb_put_str(o, 1, "runtimeoptions.v1.Options");
	value = pb_begin(o, 2);
	pb_put_str(o, 2, toml);
	pb_end(o, value);
}

static void
write_params(const struct params *p)
{
	int fd = open(in_dir("params"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct pb_out o;
	size_t ext, any;

	ck_assert_int_ge(fd, 0);
	pb_out_init(&o, NULL, 0);
	if (p->id) {
		pb_put_str(&o, 1, p->id);
		pb_put_str(&o, 2, "ns");
		pb_put_int(&o, 3, p->level);
		pb_put_str(&o, 4, "v2.4.2");
		pb_put_str(&o, 5, p->ttrpc);
		pb_put_str(&o, 6, p->grpc);
		pb_put_str(&o, 7, "/usr/bin/containerd");
		/* Of another type, and first. */
		ext = pb_begin(&o, 8);
		pb_put_any(&o, 1, "containerd.Tracing", "x", 1);
		pb_end(&o, ext);
		ext = pb_begin(&o, 8);
		any = pb_begin(&o, 1);
		put_options(&o);
		pb_end(&o, any);
		pb_end(&o, ext);
		pb_put_str(&o, 9, in_dir("s"));
	} else {
		put_options(&o);
	}
	ck_assert_int_eq(write(fd, o.p, o.len), (ssize_t)o.len);
	close(fd);
	pb_out_free(&o);
}

/* The shim in bundle with these words and the file params; what it printed, of
 * n bytes and a NUL, valid until the next call. */
static char *
call(const char *bundle, size_t *n, const char *const *argv)
{
	static char out[32768];
	int status;
	pid_t pid = fork();
	FILE *f;

	if (pid == 0) {
		if (chdir(bundle) < 0 || !freopen(in_dir("params"), "r", stdin) ||
		    !freopen(in_dir("out"), "w", stdout))
			_exit(127);
		execv(shim, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	f = fopen(in_dir("out"), "r");
	ck_assert(f != NULL);
	*n = fread(out, 1, sizeof(out) - 1, f);
	out[*n] = '\0';
	fclose(f);
	return out;
}

/* `start` of the container c1 with flags that say something else than *p; c is
 * connected.  Returns the version that it answered with, 0: a plain line. */
static int
start(const struct params *p, const char *debug)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false), *out;
	const char *argv[] = { shim, "-namespace", "ns", "-id", "c1",
		"-address", in_dir("flag.sock"), debug, "start", NULL };
	char protocol[16] = "";
	int version = 0;
	struct pb_field f;
	struct pb_in in;
	size_t n;

	setenv("TTRPC_ADDRESS", in_dir("env.sock"), 1);
	write_params(p);
	out = call(bundle, &n, argv);
	if (p->id) {
		pb_in_init(&in, out, n);
		while (pb_next(&in, &f)) {
			if (f.num == 1)
				version = (int)f.v;
			else if (f.num == 2)
				snprintf(address, sizeof(address), "%.*s",
				    (int)f.b.n, f.b.p);
			else if (f.num == 3)
				snprintf(protocol, sizeof(protocol), "%.*s",
				    (int)f.b.n, f.b.p);
		}
		ck_assert(!in.bad);
		ck_assert_str_eq(protocol, "ttrpc");
	} else {
		ck_assert_ptr_eq(strchr(out, '\n'), out + n - 1);
		snprintf(address, sizeof(address), "%.*s", (int)n - 1, out);
	}
	ck_assert_int_eq(strncmp(address, "unix:///", 8), 0);
	memmove(address, address + 7, strlen(address) - 6);
	c = client_connect(address);
	ck_assert(c != NULL);
	return version;
}

/* Is this a word of the daemon's command line? */
static bool
has(const char *text)
{
	char path[64], buf[32768];
	size_t n, i;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", daemon_pid());
	f = fopen(path, "r");
	ck_assert(f != NULL);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	fclose(f);
	for (i = 0; i < n; i += strlen(buf + i) + 1) {
		if (strcmp(buf + i, text) == 0)
			return true;
	}
	return false;
}

/* What the message says counts, and neither flags nor the environment. */
START_TEST(message_counts)
{
	static const struct {
		int64_t level;
		bool debug;
	} levels[] = {
		{ 0, false }, { -4, true }, { -8, true }, { -2, false },
		{ 4, false }, { 12, false },
	};
	struct params p = { "c1", levels[_i].level, events_path,
		in_dir("msg.sock") };

	ck_assert_int_eq(start(&p, _i % 2 ? "-debug=false" : "-debug=true"), 3);
	ck_assert(has(in_dir("msg.sock")));
	ck_assert(!has(in_dir("flag.sock")));
	ck_assert(has(events_path));
	ck_assert(!has(in_dir("env.sock")));
	ck_assert(has("-debug") == levels[_i].debug);
	/* The directory of the sockets is the message's. */
	ck_assert_int_eq(strncmp(address, in_dir("s/"), strlen(in_dir("s/"))),
	    0);
	run("c1", "\"hang\"");
	ck_assert(sink_wait("TaskStart", 20000));
	remove_container("c1");
	shut_down();
}
END_TEST

/* A pod's containers come without a `start` of their own only where they are to
 * be in one shim. */
START_TEST(version_by_grouping)
{
	struct params p = { "c1", 0, events_path, in_dir("msg.sock") };

	write_toml(_i ? "grouping = false\n" : "grouping = true\n");
	ck_assert_int_eq(start(&p, "-debug=false"), _i ? 2 : 3);
	shut_down();
}
END_TEST

/* What is no message for this container is the options of before. */
START_TEST(other_input)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	static const struct options o = { .id = "c1", .namespace = "ns" };
	struct params p = { "c2", 0, events_path, in_dir("msg.sock") };
	struct start_input in = { 0 };
	char *text, *end;
	size_t n;
	FILE *f;

	(void)bundle;
	if (_i == 0)
		p.id = NULL;
	write_params(&p);
	f = fopen(in_dir("params"), "r");
	ck_assert(f != NULL);
	text = calloc(1, 4096);
	n = fread(text, 1, 4096, f);
	fclose(f);
	start_parse_input(&o, (struct pb_bytes){ (uint8_t *)text, n }, &in);
	ck_assert(!in.bootstrap);
	ck_assert_ptr_eq(in.any.p, text);
	ck_assert_uint_eq(in.any.n, n);
	free(in.params.text);
	/* Cut anywhere it is none, or all of what it says is there. */
	p.id = "c1";
	write_params(&p);
	f = fopen(in_dir("params"), "r");
	ck_assert(f != NULL);
	n = fread(text, 1, 4096, f);
	fclose(f);
	for (end = text + n; end > text; end--) {
		start_parse_input(&o, (struct pb_bytes){ (uint8_t *)text,
		    (size_t)(end - text) }, &in);
		ck_assert(in.any.n == 0 || (in.any.p >= (uint8_t *)text &&
		    in.any.p + in.any.n <= (uint8_t *)end));
		free(in.params.text);
	}
	free(text);
}
END_TEST

#define IDMAP "{\"ociVersionMin\":\"1.0.0\",\"linux\":{\"mountExtensions\":" \
	"{\"idmap\":{\"enabled\":true}}}}"

static void
features_of(char *text, size_t cap)
{
	const char *argv[] = { shim, "-info", NULL };
	struct params p = { 0 };
	struct pb_field f;
	struct pb_in in;
	size_t n;
	char *out;

	write_params(&p);
	out = call(dir, &n, argv);
	text[0] = '\0';
	pb_in_init(&in, out, n);
	while (pb_next(&in, &f)) {
		struct pb_field g;
		struct pb_in any;

		if (f.num != 4)
			continue;
		pb_in_init(&any, f.b.p, f.b.n);
		while (pb_next(&any, &g)) {
			if (g.num == 2)
				snprintf(text, cap, "%.*s", (int)g.b.n, g.b.p);
		}
	}
	ck_assert(!in.bad);
}

/* As long as it is: 12 KiB in 2026. */
#define LONG_8 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LONG_64 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8 LONG_8
#define LONG LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64

/* What runsc says, if it is something that can be said. */
START_TEST(info_asks_runsc)
{
	static const struct {
		const char *rules;
		const char *taken;
	} cases[] = {
		{ "features:reply=" IDMAP, IDMAP },
		{ "features:reply={\"a\":\"" LONG "\"}", "{\"a\":\"" LONG "\"}" },
		{ "features:reply=a notice\\n" IDMAP, NULL },
		{ "features:reply=[" IDMAP "]", NULL },
		{ "features:reply={\"linux\":", NULL },
		{ "features:reply=", NULL },
		{ "features:exit=1", NULL },
		{ "features:fail=" IDMAP, NULL },
		{ "features:sig=9", NULL },
		{ "features:unknown", NULL },
		{ "features:hang", NULL },
	};
	char text[16384], *out;
	size_t n;

	write_toml("command_timeout = 1\n");
	faults(cases[_i].rules);
	features_of(text, sizeof(text));
	if (cases[_i].taken)
		ck_assert_str_eq(text, cases[_i].taken);
	else
		ck_assert_msg(strstr(text, "\"idmap\":{\"enabled\":false}") !=
		    NULL, "%s", text);
	ck_assert_uint_eq(calls_of("features"), 1);
	/* CRI-O's question; it has no options, so no short deadline either. */
	if (strcmp(cases[_i].rules, "features:hang") != 0) {
		out = call(dir, &n, (const char *const[]){ shim, "features",
		    NULL });
		ck_assert_str_eq(out, text);
	}
	ck_assert_uint_eq(count_processes(), 0);
}
END_TEST

/* The runsc of the options that come with the question; one that is not there
 * is no reason not to answer. */
START_TEST(info_of_options)
{
	char text[4096], line[PATH_MAX + 32], fake[PATH_MAX];

	snprintf(line, sizeof(line), "binary_name = \"%s\"\n",
	    in_dir("no-such-runsc"));
	write_toml(line);
	faults("features:reply=" IDMAP);
	features_of(text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "\"idmap\":{\"enabled\":false}"));
	ck_assert_uint_eq(calls_of("features"), 0);
	snprintf(line, sizeof(line), "%s/runsc", getenv("FAKE_BIN"));
	ck_assert(realpath(line, fake) != NULL);
	snprintf(line, sizeof(line), "binary_name = \"%s\"\n", fake);
	write_toml(line);
	features_of(text, sizeof(text));
	ck_assert_str_eq(text, IDMAP);
	write_toml("no_such_key = 1\n");
	features_of(text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "\"idmap\":{\"enabled\":false}"));
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, info_of_options);
	tcase_add_loop_test(tc, message_counts, 0, 6);
	tcase_add_loop_test(tc, version_by_grouping, 0, 2);
	tcase_add_loop_test(tc, other_input, 0, 2);
	tcase_add_loop_test(tc, info_asks_runsc, 0, 11);
}

int
main(void)
{
	return host_run("bootstrap", add);
}
