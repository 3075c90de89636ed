/* SPDX-License-Identifier: Apache-2.0 */
/*
 * urpc_test: calls to a sandbox that a child process plays, well and badly;
 * and what runsc.c makes of them, with a script in runsc's place.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/loop.h"
#include "runsc.h"
#include "gvisor/urpc.h"
#include "tests/files.h"
#include "turns.h"

#define OK(result) "{\"success\":true,\"err\":\"\",\"result\":" result "}"

enum manner {
	WHOLE,		/* the reply, then wait for the close */
	BYTES,		/* a byte at a time */
	CLOSE,		/* the reply, then close */
	HANG,		/* accept, read, and nothing more */
	DEAF,		/* not even accept */
	HUGE,		/* text without end */
	DRIP,		/* for ever a byte of an unfinished reply */
	LATE,		/* the reply, when all of the request has come: the
			   first '}' of a read is its end */
};

static char root[400], script[96], calls[96];
static pid_t server;
static int told_fd;		/* what the server was asked; then how its
				   client left */
static struct urpc_reply got;
static char got_out[65536];
static int done_calls, ok_calls;

static void
write_state(const char *id, pid_t pid, const char *socket_path)
{
	char path[512], text[1024], member[600] = "";

	if (socket_path)
		snprintf(member, sizeof(member),
		    ",\"controlSocketPath\":\"%s\"", socket_path);
	snprintf(text, sizeof(text), "{\"id\":\"%s\",\"spec\":{\"x\":[1,{}]},"
	    "\"sandbox\":{\"id\":\"s\",\"pid\":%d%s}}", id, (int)pid, member);
	snprintf(path, sizeof(path), "%s/%s_sandbox:s.state", root, id);
	write_text(path, text);
}

static void
send_all(int fd, const char *p, size_t n)
{
	ssize_t r;

	while (n && (r = send(fd, p, n, MSG_NOSIGNAL)) > 0) {
		p += r;
		n -= (size_t)r;
	}
}

static void
play(int fd, enum manner manner, const char *reply, size_t len)
{
	static char blanks[65536];
	size_t i;

	memset(blanks, ' ', sizeof(blanks));
	if (manner == WHOLE || manner == CLOSE || manner == LATE)
		send_all(fd, reply, len);
	for (i = 0; manner == BYTES && i < len; i++) {
		send_all(fd, reply + i, 1);
		usleep(500);
	}
	if (manner == HUGE || manner == DRIP)
		send_all(fd, "{", 1);
	for (i = 0; manner == HUGE && i < 64; i++)
		send_all(fd, blanks, sizeof(blanks));
	for (i = 0; manner == DRIP && i < 400; i++) {
		send_all(fd, " ", 1);
		usleep(5000);
	}
}

static void
serve(int listener, int told, enum manner manner, const char *reply,
    size_t len)
{
	char buf[4096];
	ssize_t n;
	int fd;

	while (manner == DEAF)
		pause();
	for (;;) {
		fd = accept(listener, NULL, NULL);
		n = read(fd, buf, sizeof(buf));
		while (manner == LATE && n > 0 && buf[n - 1] != '}') {
			usleep(100);
			n = read(fd, buf, sizeof(buf));
		}
		if (n > 0 && write(told, buf, (size_t)n) != n)
			_exit(1);
		play(fd, manner, reply, len);
		/* A client that stays would hold up the sandbox's end. */
		if (manner != CLOSE && read(fd, buf, 1) == 0 &&
		    write(told, "#", 1) != 1)
			_exit(1);
		close(fd);
	}
}

/* Play the sandbox at that path, or at the abstract name for NULL. */
static void
serve_at(const char *path, enum manner manner, const char *reply, size_t len)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), told[2], up[2], dfd;
	socklen_t n = sizeof(sa);
	char c, name[256];

	if (path) {
		snprintf(name, sizeof(name), "%s", strrchr(path, '/') + 1);
		dfd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (strncmp(path, root, strlen(root)) != 0)
			snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
		else
			snprintf(sa.sun_path, sizeof(sa.sun_path),
			    "/proc/self/fd/%d/%.80s", dfd, name);
	} else {
		n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
		    (size_t)snprintf(sa.sun_path + 1, 100,
		    "runsc-sandbox.s") + 2);
	}
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, n), 0);
	ck_assert_int_eq(pipe2(told, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(pipe(up), 0);
	server = fork();
	if (server == 0) {
		if (listen(fd, 8) < 0 || write(up[1], "", 1) != 1)
			_exit(1);
		serve(fd, told[1], manner, reply, len);
	}
	ck_assert_int_eq(read(up[0], &c, 1), 1);
	close(up[0]);
	close(up[1]);
	close(told[1]);
	close(fd);
	told_fd = told[0];
}

static void
on_done(void *arg, const struct urpc_reply *r)
{
	size_t i, n;

	(void)arg;
	got = *r;
	ck_assert_int_eq(r->end == URPC_OK, r->err.code == ERR_OK);
	n = (size_t)snprintf(got_out, sizeof(got_out), "%s", r->out);
	ck_assert_uint_eq(n, r->outlen);
	ck_assert(r->pids || r->npids == 0);
	for (i = 0; r->pids && i < r->npids && n < sizeof(got_out) - 16; i++)
		n += (size_t)sprintf(got_out + n, "%u,",
		    (unsigned)r->pids[i]);
	done_calls++;
	ok_calls += r->end == URPC_OK;
}

static struct urpc_request
request(enum urpc_method m)
{
	return (struct urpc_request){ .method = m, .root = root, .id = "c",
		.sandbox_id = "s", .sig = 15, .timeout_ns = 200 * NS_PER_MS };
}

static void
call(const struct urpc_request *r)
{
	done_calls = 0;
	ck_assert(urpc_call(r, on_done, NULL) != NULL);
	ck_assert_int_eq(done_calls, 0);
	turn_until(done_calls);
	ck_assert_int_eq(done_calls, 1);
	loop_turn(0);
}

/* What the server was told until a text that must come, of all that is to come
 * by then; the next call has the rest. */
static const char *
told_until(const char *last)
{
	static char text[4096];
	size_t n = 0;
	ssize_t r;

	text[0] = '\0';
	while (!strstr(text, last)) {
		struct pollfd p = { .fd = told_fd, .events = POLLIN };

		ck_assert_msg(poll(&p, 1, HANG_MS) == 1, "no %s in %s", last,
		    text);
		r = read(told_fd, text + n, sizeof(text) - 1 - n);
		ck_assert_msg(r > 0, "the server has ended: %s", text);
		n += (size_t)r;
		text[n] = '\0';
	}
	return text;
}

static char *
default_path(void)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/runsc-s.sock", root);
	return path;
}

static void
setup(void)
{
	struct err e;

	strcpy(dir, "/tmp/urpc-test.XXXXXX");
	ck_assert(mkdtemp(dir) != NULL);
	snprintf(root, sizeof(root), "%s/root", dir);
	snprintf(script, sizeof(script), "%s/runsc", dir);
	snprintf(calls, sizeof(calls), "%s/calls", dir);
	mkdir(root, 0700);
	ck_assert_int_eq(loop_init(&e), 0);
	if (!freopen("/dev/null", "w", stderr))
		abort();
}

static void
teardown(void)
{
	char cmd[96];

	loop_close();
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	ck_assert_int_eq(system(cmd), 0);
}

/* -- replies -------------------------------------------------------------- */

static const struct {
	enum urpc_method method;
	enum manner manner;
	const char *reply;
	enum urpc_end end;
	const char *says;	/* the value, or a part of the error */
} replies[] = {
	{ URPC_WAIT, WHOLE, OK("0"), URPC_OK, "0" },
	{ URPC_WAIT, WHOLE, OK("1792"), URPC_OK, "7" },
	{ URPC_WAIT, WHOLE, OK("65280"), URPC_OK, "255" },
	{ URPC_WAIT, BYTES, OK("9") "\n", URPC_OK, "137" },
	{ URPC_WAIT, CLOSE, " " OK("139"), URPC_OK, "139" },
	{ URPC_WAIT, WHOLE, "{\"result\":256,\"success\":true}", URPC_OK,
	    "1" },
	{ URPC_WAIT, WHOLE, OK("127"), URPC_BROKEN, "no sense" },
	{ URPC_WAIT, WHOLE, OK("65535"), URPC_BROKEN, "no sense" },
	{ URPC_WAIT, WHOLE, OK("65536"), URPC_BROKEN, "no sense" },
	{ URPC_WAIT, WHOLE, OK("-1"), URPC_BROKEN, "no sense" },
	{ URPC_WAIT, WHOLE, OK("\"7\""), URPC_BROKEN, "no sense" },
	{ URPC_WAIT, WHOLE, OK("null"), URPC_BROKEN, "no sense" },
	{ URPC_WAIT, WHOLE, "{\"success\":true}", URPC_BROKEN, "no sense" },
	{ URPC_WAIT, WHOLE, "{}", URPC_BROKEN, "no sense" },
	{ URPC_WAIT, WHOLE, "[]", URPC_BROKEN, "no sense" },
	{ URPC_WAIT, WHOLE, "{\"success\":1,\"result\":0}", URPC_BROKEN,
	    "no sense" },
	{ URPC_WAIT, WHOLE, "{\"success\":true,\"result\":0,}", URPC_BROKEN,
	    "line 1" },
	{ URPC_WAIT, WHOLE, "{\"success\":true,\"success\":true,"
	    "\"result\":0}", URPC_BROKEN, "line 1" },
	{ URPC_WAIT, WHOLE, "{]", URPC_BROKEN, "" },
	{ URPC_WAIT, WHOLE, "nonsense", URPC_BROKEN, "no JSON object" },
	{ URPC_WAIT, WHOLE, "\"x\"", URPC_BROKEN, "no JSON object" },
	{ URPC_WAIT, WHOLE, "}", URPC_BROKEN, "no JSON object" },
	{ URPC_WAIT, WHOLE, "\x01", URPC_BROKEN, "no JSON object" },
	{ URPC_WAIT, WHOLE, "{\"success\":false,\"err\":\"container \\\"c\\\" "
	    "not \\u007bstarted\",\"result\":null}", URPC_REFUSED,
	    "container \"c\" not {started" },
	{ URPC_WAIT, WHOLE, "{\"success\":false,\"err\":\"unknown method\"}",
	    URPC_UNKNOWN, "unknown method" },
	{ URPC_WAIT, WHOLE, "{\"success\":false,\"err\":7}", URPC_BROKEN,
	    "" },
	{ URPC_WAIT, WHOLE, "{\"success\":false}", URPC_BROKEN, "" },
	{ URPC_WAIT, WHOLE, "{\"success\":true,\"resu", URPC_BROKEN,
	    "no reply in time" },
	{ URPC_WAIT, CLOSE, "{\"success\":true,\"resu", URPC_BROKEN,
	    "closed without a reply" },
	{ URPC_WAIT, CLOSE, "", URPC_BROKEN, "closed without a reply" },
	{ URPC_WAIT, DRIP, "", URPC_BROKEN, "no reply in time" },
	{ URPC_WAIT, HUGE, "", URPC_BROKEN, "too large" },
	{ URPC_SIGNAL, WHOLE, OK("{}"), URPC_OK, "" },
	{ URPC_SIGNAL, WHOLE, OK("null"), URPC_OK, "" },
	{ URPC_EVENT, WHOLE, OK("{\"event\":{\"data\":{}},"
	    "\"containerUsage\":{}}"), URPC_OK, "{\"event\":{\"data\":{}},\"containerUsage\":{}}" },
	{ URPC_EVENT, WHOLE, OK("{\"event\":{\"data\":{}}}"), URPC_BROKEN,
	    "no sense" },
	{ URPC_EVENT, WHOLE, OK("{\"event\":{\"data\":1},"
	    "\"containerUsage\":{}}"), URPC_BROKEN, "no sense" },
	{ URPC_EVENT, WHOLE, OK("[]"), URPC_BROKEN, "no sense" },
	{ URPC_EVENT, WHOLE, "{\"success\":false,\"err\":\"json: cannot "
	    "unmarshal string into Go value\"}", URPC_UNKNOWN, "unmarshal" },
	{ URPC_DESTROY, WHOLE, OK("{}"), URPC_OK, "" },
	{ URPC_DESTROY, WHOLE, OK("7"), URPC_BROKEN, "no sense" },
	{ URPC_SIGNAL, WHOLE, OK("\"x\""), URPC_BROKEN, "no sense" },
	{ URPC_SIGNAL, WHOLE, OK("{\"a\":1}"), URPC_BROKEN, "no sense" },
	{ URPC_SIGNAL, WHOLE, "{\"success\":true}", URPC_BROKEN, "no sense" },
	{ URPC_SIGNAL, HANG, "", URPC_BROKEN, "no reply in time" },
	{ URPC_SIGNAL, DEAF, "", URPC_BROKEN, "no reply in time" },
	{ URPC_SIGNAL, CLOSE, "", URPC_BROKEN, "closed without a reply" },
	{ URPC_PROCESSES, WHOLE, OK("[{\"uid\":0,\"pid\":1,\"threads\":[1,2],"
	    "\"cmd\":\"a]}\\\"\"},{\"pid\":27}]"), URPC_OK, "1,27," },
	{ URPC_PROCESSES, WHOLE, OK("null"), URPC_OK, "" },
	{ URPC_PROCESSES, WHOLE, OK("[]"), URPC_OK, "" },
	{ URPC_PROCESSES, WHOLE, OK("{}"), URPC_BROKEN, "no sense" },
	{ URPC_PROCESSES, WHOLE, OK("[1]"), URPC_BROKEN, "no sense" },
	{ URPC_PROCESSES, WHOLE, OK("[{\"pid\":-1}]"), URPC_BROKEN,
	    "no sense" },
	{ URPC_PROCESSES, WHOLE, OK("[{\"pid\":4294967296}]"), URPC_BROKEN,
	    "no sense" },
	{ URPC_PROCESSES, HANG, "", URPC_BROKEN, "no reply in time" },
};

START_TEST(reply)
{
	struct urpc_request r = request(replies[_i].method);
	const char *text = replies[_i].reply;

	serve_at(default_path(), replies[_i].manner, text, strlen(text));
	write_state(r.method == URPC_DESTROY ? "s" : "c", server,
	    default_path());
	call(&r);
	ck_assert_msg(got.end == replies[_i].end, "%s: end %d, %s", text,
	    got.end, got.err.msg);
	if (got.end == URPC_OK && r.method == URPC_WAIT)
		snprintf(got_out, sizeof(got_out), "%u", got.status);
	if (got.end == URPC_OK)
		ck_assert_str_eq(got_out, replies[_i].says);
	else
		ck_assert_msg(strstr(got.err.msg, replies[_i].says) != NULL,
		    "%s: %s", text, got.err.msg);
	/* The connection is closed. */
	if (replies[_i].manner == WHOLE)
		told_until("#");
}
END_TEST

START_TEST(requests)
{
	struct urpc_request r = request(URPC_WAIT);

	serve_at(default_path(), CLOSE, "", 0);
	write_state("c", server, default_path());
	call(&r);
	ck_assert_str_eq(told_until("}"),
	    "{\"method\":\"containerManager.Wait\",\"arg\":\"c\"}");
	r = request(URPC_PROCESSES);
	call(&r);
	ck_assert_str_eq(told_until("}"),
	    "{\"method\":\"containerManager.Processes\",\"arg\":\"c\"}");
	r = request(URPC_SIGNAL);
	r.pid = 7;
	call(&r);
	ck_assert_str_eq(told_until("}}"), "{\"method\":\"containerManager.Signal\","
	    "\"arg\":{\"CID\":\"c\",\"Signo\":15,\"PID\":7,\"Mode\":0}}");
	r.pid = 0;
	r.mode = URPC_ALL;
	call(&r);
	ck_assert_str_eq(told_until("}}"), "{\"method\":\"containerManager.Signal\","
	    "\"arg\":{\"CID\":\"c\",\"Signo\":15,\"PID\":0,\"Mode\":1}}");
}
END_TEST

/* As many processes as a reply may hold, over many turns. */
START_TEST(large_reply)
{
	struct urpc_request r = request(URPC_PROCESSES);
	char *text = malloc(URPC_REPLY_MAX + 4096);
	int i, n = sprintf(text, "{\"success\":true,\"result\":[");

	for (i = 1; n < (int)URPC_REPLY_MAX - 300; i++)
		n += sprintf(text + n, "%s{\"pid\":%d,\"cmd\":\"%0200d\"}",
		    i > 1 ? "," : "", i, 0);
	n += sprintf(text + n, "]}");
	serve_at(default_path(), WHOLE, text, (size_t)n);
	write_state("c", server, default_path());
	r.timeout_ns = 5 * NS_PER_S;
	call(&r);
	ck_assert_int_eq(got.end, URPC_OK);
	ck_assert(strncmp(got_out, "1,2,3,", 6) == 0);
	free(text);
}
END_TEST

/* A request that the socket takes in parts only. */
START_TEST(large_request)
{
	struct urpc_request r = request(URPC_EXECUTE);
	char *args = calloc(1, URPC_REPLY_MAX);

	ck_assert(args != NULL);
	memset(args, ' ', URPC_REPLY_MAX - 1);
	r.args = args;
	r.timeout_ns = 0;
	serve_at(default_path(), LATE, OK("7"), strlen(OK("7")));
	write_state("c", server, default_path());
	call(&r);
	ck_assert_msg(got.end == URPC_OK && got.sent, "%s", got.err.msg);
	ck_assert_int_eq(got.pid, 7);
	free(args);
}
END_TEST

/* More than the sandbox's queue takes, while it takes none: none is refused. */
START_TEST(many_at_once)
{
	struct urpc_request r = request(URPC_EXECUTE);
	int i, n = 100;

	r.args = "";
	r.timeout_ns = 0;
	serve_at(default_path(), WHOLE, OK("7"), strlen(OK("7")));
	write_state("c", server, default_path());
	ck_assert_int_eq(kill(server, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(server, NULL, WUNTRACED), server);
	done_calls = ok_calls = 0;
	for (i = 0; i < n; i++)
		ck_assert(urpc_call(&r, on_done, NULL) != NULL);
	come_to_rest();
	ck_assert_int_eq(done_calls, 0);
	ck_assert_int_eq(kill(server, SIGCONT), 0);
	turn_until(done_calls == n);
	ck_assert_int_eq(ok_calls, n);
	/* And one that has a deadline ends at it. */
	ck_assert_int_eq(kill(server, SIGSTOP), 0);
	r = request(URPC_SIGNAL);
	done_calls = 0;
	for (i = 0; i < n; i++)
		ck_assert(urpc_call(&r, on_done, NULL) != NULL);
	turn_until(done_calls == n);
	ck_assert(got.late);
	ck_assert_int_eq(kill(server, SIGCONT), 0);
}
END_TEST

/* A Wait lasts as long as its container, and may be given up. */
START_TEST(wait_waits)
{
	struct urpc_request r = request(URPC_WAIT);
	struct urpc *u;
	int i;

	serve_at(default_path(), HANG, "", 0);
	write_state("c", server, default_path());
	done_calls = 0;
	u = urpc_call(&r, on_done, NULL);
	/* Longer than its timeout, which is for other methods. */
	for (i = 0; i < 50; i++)
		loop_turn(10 * NS_PER_MS);
	ck_assert_int_eq(done_calls, 0);
	urpc_cancel(u);
	urpc_cancel(NULL);
	come_to_rest();
	ck_assert_int_eq(done_calls, 0);
	told_until("#");
	/* One that could not be called, before it is told. */
	write_state("c", getpid(), NULL);
	u = urpc_call(&r, on_done, NULL);
	urpc_cancel(u);
	loop_turn(0);
	loop_turn(0);
	ck_assert_int_eq(done_calls, 0);
}
END_TEST

/* -- addresses ------------------------------------------------------------ */

START_TEST(address_abstract)
{
	struct urpc_request r = request(URPC_WAIT);

	serve_at(NULL, WHOLE, OK("0"), strlen(OK("0")));
	write_state("c", server, NULL);
	call(&r);
	ck_assert_msg(got.end == URPC_OK, "%s", got.err.msg);
}
END_TEST

/* Recorded; not recorded; recorded wrongly. */
START_TEST(address_path)
{
	struct urpc_request r = request(URPC_WAIT);
	const char *recorded[] = { default_path(), NULL, "/nowhere/x.sock" };

	serve_at(default_path(), WHOLE, OK("0"), strlen(OK("0")));
	write_state("c", server, recorded[_i]);
	call(&r);
	ck_assert_msg(got.end == URPC_OK, "%s", got.err.msg);
}
END_TEST

START_TEST(address_long)
{
	struct urpc_request r = request(URPC_WAIT);
	size_t n = strlen(root);

	root[n] = '/';
	memset(root + n + 1, 'x', 250);
	root[n + 251] = '\0';
	mkdir(root, 0700);
	serve_at(default_path(), WHOLE, OK("0"), strlen(OK("0")));
	write_state("c", server, default_path());
	call(&r);
	ck_assert_msg(got.end == URPC_OK, "%s", got.err.msg);
}
END_TEST

START_TEST(address_fallback)
{
	struct urpc_request r = request(URPC_WAIT);
	char path[512], to[512], id[32];

	snprintf(id, sizeof(id), "s%d", (int)getpid());
	snprintf(path, sizeof(path), "/tmp/runsc-%s.sock", id);
	serve_at(path, WHOLE, OK("0"), strlen(OK("0")));
	write_state("c", server, NULL);
	r.sandbox_id = id;
	call(&r);	/* no state file of that name */
	ck_assert_int_eq(got.end, URPC_ABSENT);
	snprintf(path, sizeof(path), "%s/c_sandbox:s.state", root);
	snprintf(to, sizeof(to), "%s/c_sandbox:%s.state", root, id);
	ck_assert_int_eq(rename(path, to), 0);
	call(&r);
	snprintf(path, sizeof(path), "/tmp/runsc-%s.sock", id);
	unlink(path);
	ck_assert_msg(got.end == URPC_OK, "%s", got.err.msg);
}
END_TEST

/* Another process listens where the sandbox should: it is told nothing. */
START_TEST(impostor)
{
	struct urpc_request r = request(URPC_WAIT);

	serve_at(_i ? NULL : default_path(), WHOLE, OK("0"),
	    strlen(OK("0")));
	write_state("c", getpid(), _i ? NULL : default_path());
	call(&r);
	ck_assert_int_eq(got.end, URPC_ABSENT);
	ck_assert_msg(!strchr(told_until("#"), '{'), "it was asked");
}
END_TEST

START_TEST(bad_state)
{
	static const char *const bad[] = { "", "{", "[]", "{\"sandbox\":{}}",
		"{\"sandbox\":{\"pid\":0}}", "{\"sandbox\":{\"pid\":\"1\"}}",
		"{\"sandbox\":{\"pid\":99999999999}}" };
	struct urpc_request r = request(URPC_WAIT);
	char path[512];

	snprintf(path, sizeof(path), "%s/c_sandbox:s.state", root);
	write_text(path, bad[_i]);
	call(&r);
	ck_assert_int_eq(got.end, URPC_BROKEN);
	unlink(path);
	call(&r);
	ck_assert_int_eq(got.end, URPC_ABSENT);
	/* A FIFO must not hold us up, nor a directory be read. */
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	call(&r);
	ck_assert_int_eq(got.end, URPC_BROKEN);
}
END_TEST

/* -- runsc.c -------------------------------------------------------------- */

static struct runsc_result result;
static char result_out[256];
static int results;

static void
on_result(void *arg, const struct runsc_result *r)
{
	(void)arg;
	result = *r;
	snprintf(result_out, sizeof(result_out), "%s", r->out);
	results++;
}

static const char *
commands(void)
{
	static char text[1024];
	FILE *f = fopen(calls, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	unlink(calls);
	return text;
}

static struct runsc_control control;
static struct runsc_env env;

static void
begin_runsc(enum control_socket mode)
{
	struct err e;
	char text[512];

	snprintf(text, sizeof(text), "#!/bin/sh\nfor a; do case $a in -*) ;; "
	    "*) echo $a >>%s; break ;; esac; done\necho said by runsc\n",
	    calls);
	write_text(script, text);
	chmod(script, 0700);
	control = (struct runsc_control){ .mode = mode, .started = true };
	env = (struct runsc_env){ .binary = script, .root = root, .id = "c",
		.sandbox_id = "s", .control = &control, .bundle = dir,
		.bundle_fd = -1, .command_timeout_ns = NS_PER_S };
	ck_assert_int_eq(child_init(NULL, &e), 0);
}

static void
end_runsc(void)
{
	turn_until(results);
	ck_assert_int_eq(results, 1);
	loop_turn(0);
	results = 0;
	ck_assert_uint_eq(runsc_running(), 0);
}

static void
simple(const char *verb)
{
	struct err e;

	ck_assert(runsc_simple(&env, verb, on_result, NULL, &e) != NULL);
	end_runsc();
}

static void
do_kill(void)
{
	struct err e;

	ck_assert(runsc_kill(&env, 0, false, 15, on_result, NULL, &e) != NULL);
	end_runsc();
}

START_TEST(asked)
{
	serve_at(default_path(), WHOLE, OK("0"), strlen(OK("0")));
	write_state("c", server, default_path());
	begin_runsc(CONTROL_AUTO);
	simple("wait");
	ck_assert_uint_eq(result.status, 0);
	ck_assert_int_eq(result.err.code, ERR_OK);
	ck_assert_str_eq(commands(), "");
	/* What the socket is not for, not yet for, and must not be for. */
	simple("pause");
	control.started = false;
	simple("wait");
	control.started = true;
	control.mode = CONTROL_OFF;
	simple("wait");
	env.control = NULL;
	simple("wait");
	ck_assert_str_eq(commands(), "pause\nwait\nwait\nwait\n");
	child_close();
}
END_TEST

static void
on_late(struct timer *t)
{
	(void)t;
}

/* Falls back, and does not try that method again, unless there was no answer in
 * time; other ones it does. */
START_TEST(falls_back)
{
	static const enum manner manners[] = { HANG, CLOSE, HUGE, DEAF,
		WHOLE };
	bool tried_again = manners[_i] == HANG || manners[_i] == DEAF;
	struct timer late = { 0 };
	struct err e;

	serve_at(default_path(), manners[_i], "nonsense", 8);
	write_state("c", server, default_path());
	begin_runsc(CONTROL_AUTO);
	do_kill();
	ck_assert_int_eq(result.err.code, ERR_OK);
	ck_assert_uint_eq(control.without, tried_again ? 0 : 1u << URPC_SIGNAL);
	ck_assert_str_eq(commands(), "kill\n");
	/* That worked, so the socket had its share of the deadline only. */
	if (manners[_i] != DEAF)
		told_until("Signal");
	do_kill();
	ck_assert_str_eq(commands(), "kill\n");
	simple("ps");
	ck_assert_str_eq(commands(), "ps\n");
	if (manners[_i] != DEAF)
		ck_assert_int_eq(strstr(told_until("Processes"), "Signal") !=
		    NULL, tried_again);
	/* A runsc that hangs too has only the rest. */
	write_text(script, "#!/bin/sh\nexec sleep 100\n");
	control.without = 0;
	timer_start(&late, 1400 * NS_PER_MS, on_late);
	ck_assert(runsc_kill(&env, 0, false, 15, on_result, NULL, &e) != NULL);
	end_runsc();
	ck_assert_int_eq(result.err.code, ERR_DEADLINE);
	ck_assert_msg(timer_running(&late), "runsc had a deadline of its own");
	timer_stop(&late);
	child_close();
}
END_TEST

/* Who has not been asked has not shown that it does not do: runsc writes its
 * state file in place; there may be no descriptor left. */
START_TEST(not_asked)
{
	struct rlimit old, none;
	char path[512];

	write_state("c", getpid(), NULL);
	begin_runsc(CONTROL_AUTO);
	snprintf(path, sizeof(path), "%s/c_sandbox:s.state", root);
	write_text(path, "{\"id\":");
	do_kill();
	ck_assert_int_eq(result.err.code, ERR_OK);
	ck_assert_str_eq(commands(), "kill\n");
	ck_assert_uint_eq(control.without, 0);
	write_state("c", getpid(), NULL);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ 0, old.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	control.mode = CONTROL_ON;
	do_kill();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(result.err.code, ERR_UNAVAILABLE);
	ck_assert_uint_eq(control.without, 0);
	child_close();
}
END_TEST

/* What the sandbox does not do, it may do another time. */
START_TEST(refused)
{
	static const char *const no =
	    "{\"success\":false,\"err\":\"no such process\"}";

	serve_at(default_path(), WHOLE, no, strlen(no));
	write_state("c", server, default_path());
	begin_runsc(CONTROL_AUTO);
	do_kill();
	ck_assert_str_eq(commands(), "kill\n");
	ck_assert_uint_eq(control.without, 0);
	ck_assert(!control.told);
	control.mode = CONTROL_ON;
	do_kill();
	ck_assert_str_eq(commands(), "");
	ck_assert(result.gone);
	ck_assert_int_eq(result.err.code, ERR_UNKNOWN);
	child_close();
}
END_TEST

START_TEST(forced)
{
	serve_at(default_path(), HANG, "", 0);
	write_state("c", server, default_path());
	begin_runsc(CONTROL_ON);
	do_kill();
	ck_assert_int_eq(result.err.code, ERR_UNAVAILABLE);
	ck_assert(!result.gone);
	ck_assert(strstr(result.err.msg, "control socket") != NULL);
	/* And again: the next reply may be better. */
	simple("ps");
	told_until("Processes");
	/* Nobody there: the container has gone. */
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	server = 0;
	simple("wait");
	ck_assert(result.gone);
	ck_assert_str_eq(commands(), "");
	child_close();
}
END_TEST

START_TEST(start_arms)
{
	struct err e;

	write_state("c", getpid(), NULL);
	begin_runsc(CONTROL_AUTO);
	control.started = false;
	ck_assert(runsc_start(&env, NULL, on_result, NULL, &e) != NULL);
	end_runsc();
	ck_assert(control.started);
	write_text(script, "#!/bin/sh\nexit 128\n");
	control.started = false;
	ck_assert(runsc_start(&env, NULL, on_result, NULL, &e) != NULL);
	end_runsc();
	ck_assert(!control.started);
	child_close();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, requests, large_reply, wait_waits, address_abstract,
	    address_long, address_fallback, asked, not_asked, refused, forced,
	    start_arms);
	tcase_add_loop_test(tc, reply, 0,
	    (int)(sizeof(replies) / sizeof(replies[0])));
	tcase_add_test(tc, large_request);
	tcase_add_test(tc, many_at_once);
	tcase_add_loop_test(tc, address_path, 0, 3);
	tcase_add_loop_test(tc, impostor, 0, 2);
	tcase_add_loop_test(tc, bad_state, 0, 7);
	tcase_add_loop_test(tc, falls_back, 0, 5);
}

int
main(void)
{
	return suite_run("urpc", setup, teardown, add);
}
