/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target of urpc: this process is the sandbox too.  The first byte's
 * lowest 2 bits choose the method, of the four with bit 7 or of those without
 * (methods), where 3 says that the input is runsc's state file, which names a
 * sandbox that does not answer.  Bits 2 to 4 say what the reply is cut into: 0
 * sends it whole, else pieces of that many bytes; bit 5 closes after it, bit 6
 * cancels the call instead.
 *
 * Whatever comes: done() is called once unless the call is cancelled, with
 * JSON that makes sense to runsc.c or with a reason.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/loop.h"
#include "gvisor/runsc_text.h"
#include "gvisor/urpc.h"
#include "host/cgroup.h"
#include "wire/pb.h"

#define PIECES_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static char root[] = "/tmp/fuzz-urpc.XXXXXX";
static char state_path[64], socket_path[64];
static int listen_fd;
static const enum urpc_method methods[] = {
	URPC_WAIT, URPC_SIGNAL, URPC_PROCESSES, URPC_WAIT,
	URPC_EVENT, URPC_EXECUTE, URPC_KNOWS, URPC_WAIT_PID,
};
static enum urpc_method method;
static unsigned calls;

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
clean_up(void)
{
	unlink(state_path);
	unlink(socket_path);
	rmdir(root);
}

static void
write_state(const void *p, size_t n)
{
	int fd = open(state_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0600);

	must(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	close(fd);
}

static void
write_good_state(void)
{
	char text[128];

	write_state(text, fmt(text, sizeof(text),
	    "{\"status\":\"running\",\"sandbox\":{\"pid\":%d,\"uid\":%u,"
	    "\"gid\":%u}}", (int)getpid(), (unsigned)getuid(),
	    (unsigned)getgid()));
}

static void
setup(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct err e;

	must(loop_init(&e) == 0 && mkdtemp(root));
	fmt(state_path, sizeof(state_path), "%s/c_sandbox:s.state", root);
	fmt(socket_path, sizeof(socket_path), "%s/runsc-s.sock", root);
	atexit(clean_up);
	strcpy(sun.sun_path, socket_path);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	must(bind(listen_fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    listen(listen_fd, 8) == 0);
	write_good_state();
}

/* What is called statistics can be told as such. */
static void
count_stats(const struct urpc_reply *r)
{
	struct pb_out o;
	struct err e;

	pb_out_init(&o, NULL, 0);
	must(metrics_encode(&o, r->out, r->outlen, NULL, METRICS_SHARED, 0,
	    &e) != NULL || e.msg[0]);
	pb_out_free(&o);
}

static void
on_done(void *arg, const struct urpc_reply *r)
{
	must(arg == &calls && ++calls == 1);
	must(r->out && strlen(r->out) == r->outlen);
	must((r->end == URPC_OK) == (r->err.code == ERR_OK));
	must(r->end == URPC_OK || r->err.msg[0]);
	/* An input of its own is no state that anybody is called by. */
	must(r->sent || r->end == URPC_ABSENT || r->end == URPC_BROKEN);
	must(method == URPC_EXECUTE && r->end == URPC_OK ? r->pid > 0 :
	    r->pid == 0);
	must(r->status <= 255 && r->npids <= PIDS_MAX);
	must(method != URPC_PROCESSES || r->end != URPC_OK || r->pids);
	if (r->end == URPC_OK && method == URPC_EVENT)
		count_stats(r);
}

/* Answer as the sandbox, a piece a turn. */
static void
answer(const uint8_t *p, size_t n, size_t piece, bool then_close)
{
	char buf[512];
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	unsigned i;

	must(fd >= 0 && recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0);
	for (i = 0; n > 0 && i < PIECES_MAX && !calls; i++) {
		if (piece == 0 || piece > n)
			piece = n;
		send(fd, p, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
		p += piece;
		n -= piece;
		loop_turn(0);
	}
	if (then_close) {
		close(fd);
		fd = -1;
	}
	for (i = 0; i < 8; i++)
		loop_turn(0);
	must(calls == 1 || !then_close);
	if (fd >= 0)
		close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	static bool ready;
	static const int fds[3];
	struct urpc_request r = { .root = root, .id = "c", .sandbox_id = "s",
		.sig = 15, .pid = 7, .timeout_ns = NS_PER_S };
	struct urpc *u;
	bool stranger;
	int fd;

	if (!ready)
		setup();
	ready = true;
	if (len == 0)
		return 0;
	stranger = (in[0] & 0x83) == 3;
	method = methods[(in[0] >> 5 & 4) | (in[0] & 3)];
	r.method = method;
	if (method == URPC_EXECUTE) {
		r.args = "";
		r.fds = fds;
	}
	calls = 0;
	if (stranger)
		write_state(in + 1, len - 1);
	u = urpc_call(&r, on_done, &calls);
	must(u && !calls);
	if (stranger)
		write_good_state();
	else if (!(in[0] & 0x40))
		answer(in + 1, len - 1, in[0] >> 2 & 7, in[0] & 0x20);
	if (stranger)
		loop_turn(0);
	if (!calls)
		urpc_cancel(u);
	loop_turn(0);
	must(calls <= 1);
	/* Of a call that was cancelled, or of a pid that was guessed. */
	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
	return 0;
}
