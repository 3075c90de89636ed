/* SPDX-License-Identifier: Apache-2.0 */
/*
 * urpc: see urpc.h.
 *
 * Each direction is a stream of JSON values without delimiters (gVisor
 * pkg/urpc): {"method":"containerManager.Wait","arg":"ID"} there,
 * {"success":true,"err":"","result":1792} back.  The end of the reply is found
 * by counting brackets, each byte once, and only what is whole is parsed: a
 * peer that sends a byte at a time costs no more than one that does not.
 */
#include "gvisor/urpc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/file.h"
#include "base/fmt.h"
#include "json.h"
#include "base/loop.h"
#include "gvisor/runsc_text.h"
#include "wire/save.h"

#define STATE_FILE_MAX (1 << 20)
#define READ_MAX 65536		/* a turn */
#define REPLY_FIRST 512		/* most replies are smaller */

struct urpc {
	struct watch watch;
	struct timer deadline;
	struct timer again;	/* until it is called again */
	int64_t delay_ns;
	struct defer freed;
	struct urpc_request ask;
	struct json_out said;	/* the request; until it is sent */
	size_t at;		/* bytes of it that are */
	void (*done)(void *arg, const struct urpc_reply *r);
	void *arg;
	char *buf;		/* NULL until something comes */
	size_t len, cap;
	size_t seen;		/* bytes of buf that have been counted */
	unsigned depth;		/* of brackets */
	bool in_string, escaped;
	bool absent;		/* there was nobody to call; why is in buf */
	bool sent;
};

static const char no_memory[] = "out of memory";

static const char *const names[URPC_METHODS] = {
	[URPC_WAIT] = "Wait", [URPC_SIGNAL] = "Signal",
	[URPC_PROCESSES] = "Processes",
	[URPC_DESTROY] = "DestroySubcontainer",
	[URPC_EXECUTE] = "ExecuteAsync", [URPC_WAIT_PID] = "WaitPID",
	[URPC_EVENT] = "Event", [URPC_KNOWS] = "ExecuteAsync",
};

/* What a sandbox that did not read them would do otherwise, and not refuse.
 * The five sets are in one object. */
static const char *const members[URPC_MEMBERS] = {
	"PID", "envv", "wd", "KUID", "KGID", "ExtraKGIDs", "StdioIsPty",
	"PermittedCaps", "InheritableCaps", "EffectiveCaps", "BoundingCaps",
	"AmbientCaps", "GuestFDs", "SupportTTYs", "NoNewPrivileges",
};

/* -- the address ---------------------------------------------------------- */

/* What runsc's state file says of the sandbox. */
struct where {
	pid_t pid;
	int64_t uid, gid;	/* that it runs as; -1: not said */
	bool runs;		/* as runsc sees it */
	bool full;		/* the queue of its socket */
	char path[PATH_MAX];	/* "" in releases before 2023-09 */
};

static int
parse_state(struct where *w, const char *text, size_t len, struct err *e)
{
	struct json j;
	int64_t pid = 0;
	int sandbox, path;
	bool ok;

	/* runsc rewrites the file in place: it may be cut short just now. */
	if (json_parse(&j, text, len, e) < 0)
		return -1;
	sandbox = json_get(&j, 0, "sandbox");
	ok = json_int(&j, json_get(&j, sandbox, "pid"), &pid) && pid > 0 &&
	    pid <= INT_MAX;
	w->pid = (pid_t)pid;
	w->uid = w->gid = -1;
	json_int(&j, json_get(&j, sandbox, "uid"), &w->uid);
	json_int(&j, json_get(&j, sandbox, "gid"), &w->gid);
	w->runs = json_is(&j, json_get(&j, 0, "status"), "running");
	path = json_get(&j, sandbox, "controlSocketPath");
	if (path < 0 || json_str(&j, path, w->path, sizeof(w->path)) < 0)
		w->path[0] = '\0';
	json_free(&j);
	return ok ? 0 : err_set(e, ERR_INVALID, "no pid of the sandbox");
}

static int
read_state(struct where *w, const struct urpc_request *r, struct err *e)
{
	char path[PATH_MAX], *text;
	size_t n;
	int rc = -1;

	fmt(path, sizeof(path), "%s/%s_sandbox:%s.state", r->root,
	    r->method == URPC_DESTROY ? r->sandbox_id : r->id, r->sandbox_id);
	text = file_load(AT_FDCWD, path, O_NOFOLLOW, STATE_FILE_MAX, &n, e);
	if (text)
		rc = parse_state(w, text, n, e);
	free(text);
	return rc;
}

/* Connect; the socket, or -1 and errno. */
static int
dial(const struct sockaddr_un *sa, size_t len, pid_t pid)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	struct ucred peer;
	socklen_t peerlen = sizeof(peer);

	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)sa, (socklen_t)len) < 0)
		goto fail;
	/* Of whoever called listen(), which is the sandbox. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peerlen) == 0 &&
	    peer.pid == pid)
		return fd;
	errno = ECONNREFUSED;
fail:
	close(fd);
	return -1;
}

/* Through a descriptor of the file: its path may be longer than an address
 * can be. */
static int
dial_path(const char *path, pid_t pid)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int file = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	int fd;

	if (file < 0)
		return -1;
	fmt(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", file);
	fd = dial(&sa, sizeof(sa), pid);
	close(file);
	return fd;
}

/* Until 2023-09: an abstract name with a NUL at its end too. */
static int
dial_abstract(const char *sandbox_id, pid_t pid)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t n = fmt(sa.sun_path + 1, sizeof(sa.sun_path) - 1,
	    "runsc-sandbox.%s", sandbox_id) + 2;

	if (n > sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return dial(&sa, offsetof(struct sockaddr_un, sun_path) + n, pid);
}

/* Nobody there, so look elsewhere; any other failure is one. */
static bool
absent(int fd)
{
	return fd < 0 && (errno == ENOENT || errno == ECONNREFUSED);
}

static int
find_and_dial(struct where *w, const struct urpc_request *r, struct err *e)
{
	/* Where runsc makes it when ROOT does not do, in its order. */
	const char *dirs[] = { r->root, "/var/run", "/run", "/tmp" };
	char path[PATH_MAX];
	size_t i;
	int fd = -1;

	if (read_state(w, r, e) < 0)
		return -1;
	errno = ENOENT;
	if (w->path[0])
		fd = dial_path(w->path, w->pid);
	for (i = 0; absent(fd) && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		fmt(path, sizeof(path), "%s/runsc-%s.sock", dirs[i],
		    r->sandbox_id);
		fd = dial_path(path, w->pid);
	}
	if (absent(fd))
		fd = dial_abstract(r->sandbox_id, w->pid);
	w->full = fd < 0 && errno == EAGAIN;
	if (fd < 0 && errno == ECONNREFUSED)
		return err_set(e, ERR_NOT_FOUND,
		    "sandbox %d serves no control socket", (int)w->pid);
	if (fd < 0)
		return err_sys(e, "connect to the control socket of sandbox "
		    "%d", (int)w->pid);
	return fd;
}

/* -- what is said --------------------------------------------------------- */

/*
 * The process's ends are to be the sandbox's user's, as runsc makes them, and
 * as runsc does, what has no owner to change stays.  But /dev/null is
 * everybody's: runsc of 2022 takes the host's away from root.
 */
static int
give_fds(const int fds[3], const struct where *w, struct err *e)
{
	struct stat st;
	int i;

	if (!w->runs || w->uid < 0 || w->gid < 0)
		return err_set(e, ERR_PRECONDITION, "runsc does not say that "
		    "it runs, and as whom");
	for (i = 0; i < 3; i++) {
		if (fstat(fds[i], &st) == 0 && S_ISCHR(st.st_mode) &&
		    st.st_rdev == makedev(1, 3))
			continue;
		if (fchown(fds[i], (uid_t)w->uid, (gid_t)w->gid) < 0 &&
		    errno != EINVAL && errno != EPERM && errno != EROFS)
			return err_sys(e, "give the sandbox descriptor %d", i);
	}
	return 0;
}

/* As much of o from at on as the socket takes, with fds, if any; -1 and
 * errno. */
static ssize_t
send_text(int fd, const struct json_out *o, size_t at, const int *fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(3 * sizeof(int))];
	} control = { .buf = "" };
	struct iovec iov = { o->p + at, o->len - at };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm;

	if (fds) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(3 * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, 3 * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void
put_knows(struct json_out *o, const char *name)
{
	bool set = fmt_find(name, "Caps") != NULL;

	json_put_fmt(o, "{%s\"%s\":{}}%s", set ? "\"Capabilities\":{" : "",
	    name, set ? "}" : "");
}

static void
put_arg(struct json_out *o, const struct urpc_request *r)
{
	if (r->method == URPC_KNOWS) {
		put_knows(o, members[r->member]);
		return;
	}
	if (r->method == URPC_EXECUTE)
		json_put_fmt(o, "{\"ContainerID\":");
	else if (r->method == URPC_SIGNAL || r->method == URPC_WAIT_PID)
		json_put_fmt(o, "{\"CID\":");
	json_put_str(o, r->id);
	if (r->method == URPC_EXECUTE)
		json_put_fmt(o, "%s}", r->args);
	else if (r->method == URPC_WAIT_PID)
		json_put_fmt(o, ",\"PID\":%d}", (int)r->pid);
	else if (r->method == URPC_SIGNAL)
		json_put_fmt(o, ",\"Signo\":%u,\"PID\":%d,\"Mode\":%d}",
		    r->sig, (int)r->pid, (int)r->mode);
}

/* Go on with the request, which is nothing to the sandbox before it is
 * whole. */
static int
send_on(struct urpc *u, struct err *e)
{
	ssize_t n = send_text(u->watch.fd, &u->said, u->at, u->at == 0 ?
	    u->ask.fds : NULL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return err_sys(e, "send to the control socket");
	u->at += n > 0 ? (size_t)n : 0;
	u->sent = u->at == u->said.len;
	if (u->sent)
		json_out_free(&u->said);
	loop_mod(&u->watch, u->sent ? EPOLLIN : EPOLLIN | EPOLLOUT);
	return 0;
}

static int
send_request(struct urpc *u, const struct where *w, struct err *e)
{
	const struct urpc_request *r = &u->ask;

	if (r->fds && give_fds(r->fds, w, e) < 0)
		return -1;
	/* The one member that is not of ExecuteAsync. */
	json_put_fmt(&u->said, "{\"method\":\"containerManager.%s\",\"arg\":",
	    names[r->method == URPC_KNOWS && r->member == 0 ? URPC_SIGNAL :
	    r->method]);
	put_arg(&u->said, r);
	json_put_fmt(&u->said, "}");
	return u->said.bad ? err_nomem(e) : send_on(u, e);
}

/* The status of a Wait; false if it makes no sense. */
static bool
take_wait(unsigned *status, const struct json *j, int result)
{
	uint64_t v;
	int s;

	if (!json_uint(j, result, &v) || v > 0xffff)
		return false;
	s = (int)v;
	if (!WIFEXITED(s) && !WIFSIGNALED(s))
		return false;
	*status = (unsigned)(WIFEXITED(s) ? WEXITSTATUS(s) :
	    128 + WTERMSIG(s));
	return true;
}

/* Into r->pids, which stays NULL for want of memory. */
static bool
take_processes(struct urpc_reply *r, const struct json *j, int result,
    bool parentless)
{
	const struct json_tok *a = &j->toks[result];
	uint32_t i, at = (uint32_t)result + 1;
	uint64_t pid, parent = 0;

	if (a->type != JSON_ARRAY && a->type != JSON_NULL)
		return false;
	r->pids = malloc((a->size + 1) * sizeof(*r->pids));
	for (i = 0; i < a->size; i++, at = j->toks[at].next) {
		if (!json_uint(j, json_get(j, (int)at, "pid"), &pid) ||
		    pid > INT_MAX || (parentless && !json_uint(j, json_get(j,
		    (int)at, "ppid"), &parent)))
			return false;
		if (!parent && r->pids && r->npids < PIDS_MAX)
			r->pids[r->npids++] = (uint32_t)pid;
	}
	return true;
}

/* What the sandbox says of a process's statistics and of its containers' CPU
 * time. */
static bool
put_event(struct json_out *out, const struct json *j, int result)
{
	int data = json_get(j, json_get(j, result, "event"), "data");
	int usage = json_get(j, result, "containerUsage");
	const struct json_tok *t = &j->toks[result];

	if (data < 0 || usage < 0 || j->toks[data].type != JSON_OBJECT ||
	    j->toks[usage].type != JSON_OBJECT)
		return false;
	json_put_raw(out, j->text + t->start, t->end - t->start);
	return true;
}

static bool
take_result(const struct urpc *u, struct urpc_reply *r, struct json_out *out,
    const struct json *j, int result)
{
	const struct json_tok *t = &j->toks[result];
	uint64_t pid;

	switch (u->ask.method) {
	case URPC_WAIT:
	case URPC_WAIT_PID:
		return take_wait(&r->status, j, result);
	case URPC_PROCESSES:
		return take_processes(r, j, result, u->ask.parentless);
	case URPC_EVENT:
		return put_event(out, j, result);
	case URPC_EXECUTE:
		if (!json_uint(j, result, &pid) || pid < 1 || pid > INT_MAX)
			return false;
		r->pid = (pid_t)pid;
		return true;
	case URPC_KNOWS:	/* it cannot have been done */
		return false;
	case URPC_SIGNAL:
	case URPC_DESTROY:
	case URPC_METHODS:
		break;
	}
	/* null or {}, by release */
	return t->type == JSON_NULL || (t->type == JSON_OBJECT && t->size == 0);
}

/* Why the sandbox says no: a method or a shape of its argument that it does not
 * know, or the matter itself.  Go's decoder names the member that it could not
 * read. */
static enum urpc_end
refusal(const struct urpc *u, const char *why)
{
	bool shape = strncmp(why, "json: ", 6) == 0;

	if (strcmp(why, "unknown method") == 0)
		return URPC_UNKNOWN;
	if (u->ask.method == URPC_KNOWS)
		return shape && fmt_find(why, members[u->ask.member]) ?
		    URPC_OK : URPC_REFUSED;
	return shape ? URPC_UNKNOWN : URPC_REFUSED;
}

static void
understand(const struct urpc *u, struct urpc_reply *r, struct json_out *out)
{
	bool success;
	struct json j;
	int result;
	char *why;

	err_set(&r->err, ERR_INVALID, "a reply that makes no sense");
	if (json_parse(&j, u->buf, u->seen, &r->err) < 0)
		return;
	result = json_get(&j, 0, "result");
	if (!json_bool(&j, json_get(&j, 0, "success"), &success))
		goto out;
	if (!success) {
		why = json_strdup(&j, json_get(&j, 0, "err"));
		if (why) {
			err_set(&r->err, ERR_UNKNOWN, "%s", why);
			r->end = refusal(u, why);
		}
		free(why);
	} else if (result >= 0 && take_result(u, r, out, &j, result)) {
		if (out->bad || (u->ask.method == URPC_PROCESSES && !r->pids))
			err_nomem(&r->err);
		else
			r->end = URPC_OK;
	}
	if (r->end == URPC_OK)
		r->err.code = ERR_OK;
out:
	json_free(&j);
}

/* -- the call ------------------------------------------------------------- */

static void
release(struct urpc *u)
{
	timer_stop(&u->deadline);
	timer_stop(&u->again);
	loop_close_fd(&u->watch);
	json_out_free(&u->said);
	free(u->buf);
	u->buf = NULL;
	loop_free(&u->freed, u);
}

/* Is there no second answer to that? */
static bool
is_once(enum urpc_method m)
{
	return m == URPC_EXECUTE || m == URPC_WAIT_PID;
}

static void on_whole(struct timer *t);

static void
finish(struct urpc *u, struct urpc_reply *r, const char *text)
{
	void (*done)(void *, const struct urpc_reply *) = u->done;
	const char *name = names[u->ask.method];
	struct json_out out = { 0 };
	void *arg = u->arg;

	r->end = u->absent ? URPC_ABSENT : URPC_BROKEN;
	r->sent = u->sent;
	if (text)
		err_set(&r->err, text == no_memory ? ERR_EXHAUSTED :
		    ERR_UNAVAILABLE, "%s", text);
	else
		understand(u, r, &out);
	/* The sandbox has it once only. */
	if (is_once(u->ask.method) && u->sent && r->err.code == ERR_EXHAUSTED) {
		json_out_free(&out);
		timer_start(&u->deadline, URPC_AGAIN_NS, on_whole);
		return;
	}
	if (r->end != URPC_OK)
		err_prefix(&r->err, "control socket: %s", name);
	r->out = out.p ? out.p : "";
	r->outlen = out.len;
	release(u);
	done(arg, r);
	json_out_free(&out);
	free(r->pids);
}

static void
on_whole(struct timer *t)
{
	struct urpc_reply r = { .err.code = ERR_OK };

	finish(container_of(t, struct urpc, deadline), &r, NULL);
}

static void
on_not_called(struct timer *t)
{
	struct urpc *u = container_of(t, struct urpc, deadline);
	struct urpc_reply r = { .err.code = ERR_OK };

	finish(u, &r, u->buf ? u->buf : no_memory);
}

static void
on_deadline(struct timer *t)
{
	struct urpc_reply r = { .late = true };

	finish(container_of(t, struct urpc, deadline), &r,
	    "no reply in time");
}

enum scanned { PART, WHOLE, NONSENSE };

/* Count on to the end of the value. */
static enum scanned
scan(struct urpc *u)
{
	for (; u->seen < u->len; u->seen++) {
		char c = u->buf[u->seen];

		if (u->in_string) {
			if (u->escaped)
				u->escaped = false;
			else if (c == '\\')
				u->escaped = true;
			else if (c == '"')
				u->in_string = false;
		} else if (c == '{' || c == '[') {
			u->depth++;
		} else if (u->depth == 0) {
			if (!strchr(" \t\r\n", c) || c == '\0')
				return NONSENSE;
		} else if (c == '"') {
			u->in_string = true;
		} else if ((c == '}' || c == ']') && --u->depth == 0) {
			u->seen++;
			return WHOLE;
		}
	}
	return PART;
}

/* NULL, or why there is none. */
static const char *
make_room(struct urpc *u)
{
	size_t cap = u->cap ? 2 * u->cap : REPLY_FIRST;
	char *p;

	if (u->len < u->cap)
		return NULL;
	if (cap > URPC_REPLY_MAX)
		return "the reply is too large";
	p = fmt_grow(u->buf, u->len, cap);
	if (!p)
		return no_memory;
	u->buf = p;
	u->cap = cap;
	return NULL;
}

static void
on_readable(struct watch *w, uint32_t revents)
{
	struct urpc *u = container_of(w, struct urpc, watch);
	struct urpc_reply r = { .err.code = ERR_OK };
	const char *why;
	struct err e;
	size_t turn = 0;
	ssize_t n;

	if (!u->sent && revents & EPOLLOUT && send_on(u, &e) < 0) {
		finish(u, &r, e.msg);
		return;
	}
	while (turn < READ_MAX) {
		why = make_room(u);
		if (why) {
			finish(u, &r, why);
			return;
		}
		/* Descriptors that come along are dropped by read(). */
		n = read(w->fd, u->buf + u->len, u->cap - u->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			finish(u, &r, "closed without a reply");
			return;
		}
		u->len += (size_t)n;
		turn += (size_t)n;
		switch (scan(u)) {
		case WHOLE:
			loop_close_fd(&u->watch);
			on_whole(&u->deadline);
			return;
		case NONSENSE:
			finish(u, &r, "the reply is no JSON object");
			return;
		case PART:
			break;
		}
	}
	if (turn && u->ask.timeout_ns && !timer_running(&u->deadline))
		timer_start(&u->deadline, u->ask.timeout_ns, on_deadline);
}

/* It cannot be called: e, told by the loop. */
static void
give_up(struct urpc *u, const struct err *e)
{
	free(u->buf);
	u->buf = strdup(e->msg);
	timer_start(&u->deadline, 0, on_not_called);
}

static void on_again(struct timer *t);

static void
dial_and_send(struct urpc *u)
{
	struct where w = { .full = false };
	struct err e;
	int fd = find_and_dial(&w, &u->ask, &e);

	/* The sandbox takes one connection after the other, and its queue is
	 * short. */
	if (w.full) {
		u->delay_ns = u->delay_ns ? 2 * u->delay_ns : URPC_FULL_NS;
		if (u->delay_ns > URPC_FULL_MAX_NS)
			u->delay_ns = URPC_FULL_MAX_NS;
		timer_start(&u->again, u->delay_ns, on_again);
		return;
	}
	if (fd >= 0 && loop_add(&u->watch, fd, EPOLLIN, LOOP_CHILD,
	    on_readable, &e) < 0) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0 && send_request(u, &w, &e) == 0)
		return;
	u->absent = fd < 0 && e.code == ERR_NOT_FOUND;
	loop_close_fd(&u->watch);
	give_up(u, &e);
}

static void
on_again(struct timer *t)
{
	dial_and_send(container_of(t, struct urpc, again));
}

static bool
waits(enum urpc_method m)
{
	return m == URPC_WAIT || m == URPC_WAIT_PID;
}

int
urpc_waits_on(const struct urpc *u)
{
	return u->sent && u->len == 0 ? u->watch.fd : -1;
}

struct urpc *
urpc_resume(const struct urpc_request *r, int fd,
    void (*done)(void *arg, const struct urpc_reply *r), void *arg,
    struct err *e)
{
	struct urpc *u = save_alloc(sizeof(*u), e);

	if (!u)
		return NULL;
	u->ask = *r;
	u->done = done;
	u->arg = arg;
	u->sent = true;
	u->watch.fd = fd;
	u->buf = save_alloc(REPLY_FIRST, e);
	u->cap = REPLY_FIRST;
	return u->buf && save_watch(&u->watch, EPOLLIN, LOOP_CHILD,
	    on_readable, e) == 0 ? u : NULL;
}

struct urpc *
urpc_call(const struct urpc_request *r,
    void (*done)(void *arg, const struct urpc_reply *r), void *arg)
{
	struct urpc *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->watch.fd = -1;
	u->ask = *r;
	u->done = done;
	u->arg = arg;
	/* Nor must it lack memory for the answer. */
	if (is_once(r->method) && make_room(u)) {
		free(u);
		return NULL;
	}
	if (!waits(r->method) && r->timeout_ns)
		timer_start(&u->deadline, r->timeout_ns, on_deadline);
	dial_and_send(u);
	return u;
}

bool
urpc_was_sent(const struct urpc *u)
{
	return u->sent;
}

void
urpc_cancel(struct urpc *u)
{
	if (u)
		release(u);
}
