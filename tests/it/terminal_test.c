/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal_test: the size of a terminal, with the real binary against the fake
 * runsc.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "host.h"

/* A bundle with a terminal whose process waits for a line, then says its size;
 * box is its consoleSize. */
static char *
sized_bundle(const char *box)
{
	char *bundle = make_bundle("c1", "\"x\"", "", true);
	char text[512];

	snprintf(text, sizeof(text), "{\"process\":{\"terminal\":true,"
	    "\"consoleSize\":%s,\"args\":[\"fake\",\"read\",\"size\","
	    "\"hang\"],\"cwd\":\"/\"},\"root\":{\"path\":\"rootfs\"}}", box);
	write_text(in_dir("b/c1/config.json"), text);
	return bundle;
}

/* Send a line; what the process says must end with want. */
static void
says(int in, int out, const char *want)
{
	char text[256] = "";
	size_t n = 0;
	ssize_t r;

	ck_assert_int_eq(write(in, "go\n", 3), 3);
	while (!strstr(text, want) && n < sizeof(text) - 1) {
		r = read(out, text + n, 1);
		ck_assert_msg(r == 1, "want %s, got %s", want, text);
		n += (size_t)r;
		/* Any size at all is the answer. */
		ck_assert_msg(text[n - 1] != '\n' || !strchr(text, ' ') ||
		    strstr(text, want), "want %s, got %s", want, text);
	}
}

static const struct {
	const char *box;
	bool resize;
	const char *want;
} sizes[] = {
	{ "{\"height\":31,\"width\":101}", false, "31 101\r\n" },
	{ "{\"height\":31,\"width\":101}", true, "20 70\r\n" },
	{ "{\"height\":31,\"width\":65536}", false, "0 0\r\n" },
	{ "{\"height\":\"31\",\"width\":101}", false, "0 0\r\n" },
	{ "{\"height\":31}", false, "0 0\r\n" },
	{ "[]", false, "0 0\r\n" },
	{ "null", false, "0 0\r\n" },
};

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* 13.24: consoleSize is the size, if nobody resizes before Start. */
START_TEST(size_of_init)
{
	int in = open_fifo("in"), out = open_fifo("out");
	struct create_args a = { .id = "c1", .terminal = true,
		.in = in_dir("in"), .out = in_dir("out"),
		.config_path = toml };

	a.bundle = sized_bundle(sizes[_i].box);
	start_shim("c1", a.bundle);
	ck_assert_msg(task_create(c, &a, NULL) == 0, "%s", client_error);
	if (sizes[_i].resize)
		ck_assert_int_eq(task_resize(c, "c1", "", 70, 20), 0);
	ck_assert_msg(task_start(c, "c1", "", NULL) == 0, "%s",
	    client_error);
	says(in, out, sizes[_i].want);
	close(in);
	close(out);
	remove_container("c1");
	shut_down();
}
END_TEST

/* 13.24: the same of an exec. */
START_TEST(size_of_exec)
{
	int in = open_fifo("in"), out = open_fifo("out");
	char process[256];

	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	snprintf(process, sizeof(process), "{\"consoleSize\":%s,\"args\":"
	    "[\"fake\",\"read\",\"size\"],\"cwd\":\"/\"}", sizes[_i].box);
	ck_assert_msg(task_exec(c, "c1", "e", process, in_dir("in"),
	    in_dir("out"), "", true) == 0, "%s", client_error);
	if (sizes[_i].resize)
		ck_assert_int_eq(task_resize(c, "c1", "e", 70, 20), 0);
	ck_assert_msg(task_start(c, "c1", "e", NULL) == 0, "%s",
	    client_error);
	says(in, out, sizes[_i].want);
	close(in);
	close(out);
	remove_container("c1");
	shut_down();
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_loop_test(tc, size_of_init, 0, COUNT(sizes));
	tcase_add_loop_test(tc, size_of_exec, 0, COUNT(sizes));
}

int
main(void)
{
	return host_run("terminal", add);
}
