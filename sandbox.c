/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox: see sandbox.h.  Field numbers: containerd api/runtime/sandbox/v1/
 * sandbox.proto, Kubernetes cri-api runtime/v1/api.proto. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "conf/config.h"
#include "base/file.h"
#include "base/fmt.h"
#include "json.h"
#include "base/name.h"
#include "resources.h"
#include "state.h"
#include "task.h"

#define REPLY_BYTES 256
#define CRI "io.kubernetes.cri."
#define ANNOTATIONS_FIELD 6
#define ETC_MAX (1u << 20)

static void (*on_shutdown)(void);
static int64_t created_at;	/* CLOCK_REALTIME ns, of the one sandbox */

void
sandbox_init(void (*shutdown)(void))
{
	on_shutdown = shutdown;
}

int64_t
sandbox_created(void)
{
	return created_at;
}

void
sandbox_set_created(int64_t unix_ns)
{
	created_at = unix_ns;
}

int
sandbox_pause(void)
{
	sigset_t set;
	int sig;

	/* It is process 1 of a shared PID namespace: nobody else reaps. */
	(void)signal(SIGCHLD, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return sigwait(&set, &sig) == 0 ? 0 : 1;
}

/* -- the bundle ----------------------------------------------------------- */

static void
put_member(struct json_out *o, const char *key, const char *value)
{
	json_put_raw(o, ",", 1);
	json_put_str(o, key);
	json_put_raw(o, ":", 1);
	json_put_str(o, value);
}

/* What containerd's own pods have as annotations, from LinuxContainerResources:
 * spec_rewrite() makes limits of them. */
static int
put_limits(struct json_out *o, struct pb_bytes resources, struct err *e)
{
	static const char *const names[] = {
		NULL, CRI "sandbox-cpu-period", CRI "sandbox-cpu-quota",
		CRI "sandbox-cpu-shares", CRI "sandbox-memory",
	};
	struct message m;
	char text[24];
	size_t i;

	if (pb_decode(&m, resources, "-nnnn", e) < 0)
		return -1;
	free(m.text);
	for (i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
		fmt(text, sizeof(text), "%lld", (long long)m.f[i].v);
		if (m.f[i].v)
			put_member(o, names[i], text);
	}
	return 0;
}

/* Those that containerd lets through; the CRI's own are written here. */
static int
put_annotations(struct json_out *o, struct pb_bytes request, struct err *e)
{
	struct pb_in pb;
	struct pb_bytes b;
	struct message m;

	pb_in_init(&pb, request.p, request.n);
	while (pb_next_bytes(&pb, ANNOTATIONS_FIELD, &b)) {
		if (pb_decode(&m, b, "-ss", e) < 0)
			return -1;
		if (strncmp(m.str[1], CRI, sizeof(CRI) - 1) != 0)
			put_member(o, m.str[1], m.str[2]);
		free(m.text);
	}
	return 0;
}

/* cgroupfs: PARENT/ID; systemd: SLICE:cri-containerd:ID (containerd
 * internal/cri/server/helpers.go getCgroupsPath). */
static void
put_cgroup(struct json_out *o, const char *parent, const char *id)
{
	size_t n = strlen(parent);
	bool systemd = n > 6 && strcmp(parent + n - 6, ".slice") == 0;
	const char *base = strrchr(parent, '/');
	char *path;

	if (n == 0)
		return;
	if (systemd)
		path = fmt_new("%s:cri-containerd:%s", base ? base + 1 :
		    parent, id);
	else
		path = fmt_new("%s/%s", parent, id);
	if (path)
		put_member(o, "cgroupsPath", path);
	else
		o->bad = true;
	free(path);
}

/*
 * The spec of a process that only waits, for the pod (a PodSandboxConfig) of m,
 * a CreateSandboxRequest.
 */
static int
put_spec(struct json_out *o, const struct message *m,
    const struct message *pod, const char *pause, struct err *e)
{
	struct message meta = { 0 }, host = { 0 };
	int rc = -1;

	if (pb_decode(&meta, pod->f[1].b, "-sss", e) < 0 ||
	    pb_decode(&host, pod->f[8].b, "-s---b", e) < 0)
		goto out;
	json_put_fmt(o, "{\"ociVersion\":\"1.0.2\",\"process\":{\"user\":"
	    "{\"uid\":65535,\"gid\":65535},\"args\":[\"/pause\"],\"cwd\":"
	    "\"/\",\"noNewPrivileges\":true},\"root\":{\"path\":\"sandbox\","
	    "\"readonly\":true},\"mounts\":[{\"destination\":\"/proc\","
	    "\"type\":\"proc\",\"source\":\"proc\"},{\"destination\":"
	    "\"/pause\",\"type\":\"bind\",\"options\":[\"bind\",\"ro\"]");
	put_member(o, "source", pause);
	json_put_fmt(o, "}]");
	if (pod->str[2][0])
		put_member(o, "hostname", pod->str[2]);
	json_put_fmt(o, ",\"annotations\":{\"" CRI "container-type\":"
	    "\"sandbox\"");
	put_member(o, CRI "sandbox-id", m->str[1]);
	put_member(o, CRI "sandbox-name", meta.str[1]);
	put_member(o, CRI "sandbox-uid", meta.str[2]);
	put_member(o, CRI "sandbox-namespace", meta.str[3]);
	if (pod->str[3][0])
		put_member(o, CRI "sandbox-log-directory", pod->str[3]);
	if (put_limits(o, host.f[5].b, e) < 0 ||
	    put_annotations(o, m->whole, e) < 0)
		goto out;
	json_put_fmt(o, "},\"linux\":{\"namespaces\":[{\"type\":\"pid\"},"
	    "{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}");
	if (m->str[5][0]) {
		json_put_fmt(o, ",{\"type\":\"network\"");
		put_member(o, "path", m->str[5]);
		json_put_fmt(o, "}");
	}
	json_put_fmt(o, "]");
	put_cgroup(o, host.str[1], m->str[1]);
	json_put_fmt(o, "}}");
	rc = o->bad ? err_nomem(e) : 0;
out:
	free(host.text);
	free(meta.text);
	return rc;
}

/* The program that the sandbox runs: path gets its name on the host. */
static int
find_pause(const struct config *c, char path[PATH_MAX], struct err *e)
{
	ssize_t n;

	if (c->pause_binary) {
		fmt(path, PATH_MAX, "%s", c->pause_binary);
	} else if (getauxval(AT_BASE)) {
		/* There is a dynamic linker, which the sandbox has not. */
		return err_set(e, ERR_PRECONDITION, "a pod without a pause "
		    "image needs the static build of this shim, or "
		    "pause_binary in runsc.toml");
	} else {
		n = readlink("/proc/self/exe", path, PATH_MAX - 1);
		path[n > 0 ? n : 0] = '\0';
	}
	return access(path, X_OK) == 0 ? 0 : err_sys(e, "pause binary %s",
	    path);
}

/* -- what containers have in /etc ----------------------------------------- */

/* A file of the bundle that users of containers can read. */
static int
write_etc_file(const char *bundle, const char *name, const char *p, size_t n,
    struct err *e)
{
	char path[PATH_MAX];

	fmt(path, sizeof(path), "%s/%s", bundle, name);
	return file_create(path, 0644, p, n, e);
}

/* A copy of the host's; what the host has not got, no container has. */
static int
copy_etc(const char *bundle, const char *name, struct err *e)
{
	char path[32], *text;
	size_t n;
	int rc;

	fmt(path, sizeof(path), "/etc/%s", name);
	text = file_load(AT_FDCWD, path, 0, ETC_MAX, &n, e);
	if (!text)
		return e->code == ERR_NOT_FOUND ? 0 : -1;
	rc = write_etc_file(bundle, name, text, n, e);
	free(text);
	return rc;
}

/* Put the strings of field num of dns, each after a word: first before the
 * first of them, next before the others. */
static void
put_words(struct json_out *o, struct pb_bytes dns, uint32_t num,
    const char *first, const char *next)
{
	size_t was = o->len;
	struct pb_bytes b;
	struct pb_in pb;

	pb_in_init(&pb, dns.p, dns.n);
	while (pb_next_bytes(&pb, num, &b)) {
		json_put_fmt(o, "%s", o->len == was ? first : next);
		json_put_raw(o, (const char *)b.p, b.n);
	}
	if (o->len != was)
		json_put_raw(o, "\n", 1);
}

/* containerd leaves these three to the shim, and mounts what it is told of a
 * container itself; spec_rewrite() mounts the rest (its internal/cri/server
 * container_create.go; podsandbox/sandbox_run_linux.go has the contents). */
static int
write_etc(const char *bundle, const struct message *pod, struct err *e)
{
	struct json_out name = { 0 }, resolv = { 0 };
	struct pb_bytes dns = pod->f[4].b;
	struct message checked;
	struct utsname u;
	int rc = -1;

	if (pb_decode(&checked, dns, "-sss", e) < 0)
		return -1;
	free(checked.text);
	uname(&u);
	json_put_fmt(&name, "%s\n", pod->str[2][0] ? pod->str[2] : u.nodename);
	put_words(&resolv, dns, 2, "search ", " ");
	put_words(&resolv, dns, 1, "nameserver ", "\nnameserver ");
	put_words(&resolv, dns, 3, "options ", " ");
	if (name.bad || resolv.bad)
		err_nomem(e);
	else if (write_etc_file(bundle, "hostname", name.p, name.len, e) == 0 &&
	    copy_etc(bundle, "hosts", e) == 0)
		rc = dns.p ? write_etc_file(bundle, "resolv.conf", resolv.p,
		    resolv.len, e) : copy_etc(bundle, "resolv.conf", e);
	json_out_free(&name);
	json_out_free(&resolv);
	return rc;
}

/* Write bundle/config.json, the directory that it names, and what containers
 * have in /etc. */
static int
write_bundle(const struct message *m, struct err *e)
{
	/* The request's options are the pod's.  containerd 2.1 refuses to
	 * make a container if the handler has any of the runtime's own, so
	 * settings come from the usual places only. */
	static const struct pb_bytes none;
	struct message any = { 0 }, pod = { 0 };
	struct json_out o = { 0 };
	struct config config;
	char path[PATH_MAX], pause[PATH_MAX];
	int rc = -1;

	if (config_init(&config, e) < 0)
		return -1;
	if (config_from_options(&config, none, e) < 0 ||
	    find_pause(&config, pause, e) < 0 ||
	    pb_decode(&any, m->f[4].b, "-sb", e) < 0 ||
	    pb_decode(&pod, any.f[2].b, "-bssb---b", e) < 0 ||
	    put_spec(&o, m, &pod, pause, e) < 0)
		goto out;
	/* Not rootfs, which containerd wants to be empty when it removes it:
	 * runsc makes mount points. */
	fmt(path, sizeof(path), "%s/sandbox", m->str[2]);
	if (mkdir(path, 0711) < 0 && errno != EEXIST) {
		err_sys(e, "create %s", path);
		goto out;
	}
	fmt(path, sizeof(path), "%s/config.json", m->str[2]);
	if (file_create(path, 0600, o.p, o.len, e) == 0)
		rc = write_etc(m->str[2], &pod, e);
out:
	free(pod.text);
	free(any.text);
	json_out_free(&o);
	config_free(&config);
	return rc;
}

/* -- calls ---------------------------------------------------------------- */

/* A call under way.  Stop and Shutdown kill, wait for the exit, and Shutdown
 * then deletes. */
struct sandbox_op {
	struct request req;
	struct waiter waiter;
	struct ttrpc_call *call;	/* NULL: nobody waits any more */
	struct defer step;
	bool delete;
	char id[ID_MAX_BYTES + 1];
};

/* The end of every call: answer if somebody waits, with what o holds if it is
 * given, and release both. */
static void
finish(struct sandbox_op *op, struct pb_out *o, const struct err *e)
{
	if (op->call && e)
		ttrpc_fail(op->call, e);
	else if (op->call && o)
		ttrpc_reply_pb(op->call, o);
	else if (op->call)
		ttrpc_reply(op->call, NULL, 0);
	if (o && (e || !op->call))
		pb_out_free(o);
	loop_free(&op->step, op);
}

static void
unwanted(void *arg)
{
	struct sandbox_op *op = arg;
	struct container *ct = state_find_container(op->id);

	op->call = NULL;
	/* A stop whose kill is through; a shutdown goes on. */
	if (ct && op->waiter.pprev && !op->req.p && !op->delete) {
		state_unwait(&ct->init, &op->waiter);
		loop_free(&op->step, op);
	}
}

static struct sandbox_op *
op_new(struct ttrpc_call *call, const char *id)
{
	struct sandbox_op *op = ttrpc_alloc(call, sizeof(*op));

	if (!op)
		return NULL;
	op->call = call;
	fmt(op->id, sizeof(op->id), "%s", id);
	ttrpc_on_gone(call, unwanted, op);
	return op;
}

static void
submit(struct sandbox_op *op, enum op what,
    void (*done)(struct request *, const struct err *))
{
	op->req.op = what;
	op->req.done = done;
	state_submit(&op->req, op->id, "");
}

static void
on_created(struct request *r, const struct err *e)
{
	finish(container_of(r, struct sandbox_op, req), NULL, e);
}

static int
check_new(const char *id, struct err *e)
{
	return state_find_container(id) ? err_set(e, ERR_EXISTS,
	    "container %s already exists", id) : 0;
}

static void
create(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct create_request c = { .id = m->str[1], .bundle = m->str[2],
		.in = "", .out = "", .err = "" };
	struct sandbox_op *op;
	struct err e;

	(void)row;
	/* Before anything is written. */
	if (name_check("sandbox id", m->str[1], &e) < 0 ||
	    name_check_path("bundle", m->str[2], &e) < 0 ||
	    check_new(m->str[1], &e) < 0 ||
	    write_bundle(m, &e) < 0) {
		err_prefix(&e, "create sandbox %s", m->str[1]);
		ttrpc_fail(call, &e);
		return;
	}
	op = op_new(call, m->str[1]);
	if (!op)
		return;
	created_at = unix_now();
	op->req.create = &c;
	submit(op, OP_CREATE, on_created);
}

static void
on_started(struct request *r, const struct err *e)
{
	struct sandbox_op *op = container_of(r, struct sandbox_op, req);
	uint8_t buf[REPLY_BYTES];
	struct pb_out o;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_uint(&o, 1, (uint64_t)r->pid);
	pb_put_time(&o, 2, created_at);
	finish(op, &o, e);
}

static void
start(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct sandbox_op *op = op_new(call, m->str[1]);

	(void)row;
	if (op)
		submit(op, OP_START, on_started);
}

static void
on_deleted(struct request *r, const struct err *e)
{
	struct sandbox_op *op = container_of(r, struct sandbox_op, req);

	if (e && e->code == ERR_NOT_FOUND)
		e = NULL;
	finish(op, NULL, e);
	if (!e && state_containers() == 0)
		on_shutdown();
}

static void
on_killed(struct request *r, const struct err *e)
{
	struct sandbox_op *op = container_of(r, struct sandbox_op, req);
	struct container *ct = state_find_container(op->id);

	/* The exit comes by itself, or has come. */
	if (!op->waiter.pprev || ((op->call || op->delete) &&
	    (!e || e->code == ERR_NOT_FOUND)))
		return;
	if (ct)
		state_unwait(&ct->init, &op->waiter);
	finish(op, NULL, e);
}

static void
stopped_now(struct defer *d)
{
	struct sandbox_op *op = container_of(d, struct sandbox_op, step);

	if (op->delete)
		submit(op, OP_DELETE, on_deleted);
	else
		finish(op, NULL, NULL);
}

static void
on_stopped(struct waiter *w, unsigned status, int64_t exited_at)
{
	struct sandbox_op *op = container_of(w, struct sandbox_op, waiter);

	(void)status;
	(void)exited_at;
	loop_defer(&op->step, stopped_now);
}

/* Of Shutdown, which deletes too. */
static const bool deletes = true;

static void
end(struct ttrpc_call *call, struct message *m, const void *row)
{
	struct sandbox_op *op = op_new(call, m->str[1]);
	struct container *ct;
	struct err e;

	if (!op)
		return;
	op->delete = row != NULL;
	ct = state_find_container(op->id);
	if (!ct) {
		finish(op, NULL, NULL);
		if (row && state_containers() == 0)
			on_shutdown();
		return;
	}
	if (row && ct->init.state == STATE_CREATING) {
		submit(op, OP_DELETE, on_deleted);
		return;
	}
	op->waiter.exited = on_stopped;
	if (state_wait(&ct->init, &op->waiter, &e) < 0) {
		finish(op, NULL, &e);
	} else if (op->waiter.pprev) {
		op->req.signal = SIGKILL;
		op->req.all = true;
		submit(op, OP_KILL, on_killed);
	}
}

/* -- answered from memory ------------------------------------------------- */

/* The sandbox of a request; NULL: answered. */
static const struct container *
sandbox_of(struct ttrpc_call *call, const struct message *m)
{
	struct err e;
	const struct process *p = state_find(m->str[1], "", &e);

	if (!p)
		ttrpc_fail(call, &e);
	return p ? p->ct : NULL;
}

static void
status(struct ttrpc_call *call, struct message *m, const void *row)
{
	const struct container *ct = sandbox_of(call, m);
	uint8_t buf[REPLY_BYTES];
	struct pb_out o;

	(void)row;
	if (!ct)
		return;
	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, ct->id);
	pb_put_uint(&o, 2, (uint64_t)ct->init.pid);
	pb_put_str(&o, 3, ct->init.state == STATE_RUNNING ||
	    ct->init.state == STATE_PAUSED ? "SANDBOX_READY" :
	    "SANDBOX_NOTREADY");
	pb_put_time(&o, 5, created_at);
	pb_put_time(&o, 6, ct->init.exited_at);
	ttrpc_reply_pb(call, &o);
}

/* Of all that the sandbox takes, which only its cgroup knows. */
static void
metrics(struct ttrpc_call *call, struct message *m, const void *row)
{
	const struct container *ct = sandbox_of(call, m);
	struct pb_out o, stats;
	const char *type;
	struct err e;
	size_t mark;

	(void)row;
	if (!ct)
		return;
	pb_out_init(&stats, NULL, 0);
	type = resources_sandbox(ct, &stats, &e);
	if (type) {
		pb_out_init(&o, NULL, 0);
		mark = pb_begin(&o, 1);
		pb_put_time(&o, 1, unix_now());
		pb_put_str(&o, 2, ct->id);
		pb_put_any(&o, 3, type, stats.p, stats.len);
		pb_end(&o, mark);
		ttrpc_reply_pb(call, &o);
	} else {
		ttrpc_fail(call, &e);
	}
	pb_out_free(&stats);
}

static void
ping(struct ttrpc_call *call, struct message *m, const void *row)
{
	(void)row;
	if (sandbox_of(call, m))
		ttrpc_reply(call, NULL, 0);
}

static void
platform(struct ttrpc_call *call, struct message *m, const void *row)
{
	uint8_t buf[REPLY_BYTES];
	struct utsname u;
	struct pb_out o;
	size_t mark;

	(void)m;
	(void)row;
	uname(&u);
	pb_out_init(&o, buf, sizeof(buf));
	mark = pb_begin(&o, 1);
	pb_put_str(&o, 1, "linux");
	/* As Go names them. */
	pb_put_str(&o, 2, strcmp(u.machine, "x86_64") == 0 ? "amd64" :
	    strcmp(u.machine, "aarch64") == 0 ? "arm64" : u.machine);
	pb_end(&o, mark);
	ttrpc_reply_pb(call, &o);
}

const struct ttrpc_method sandbox_methods[] = {
	{ "CreateSandbox", "-ss-bs", create, NULL, true },
	{ "StartSandbox", "-s", start, NULL, true },
	{ "Platform", NULL, platform, NULL, false },
	{ "StopSandbox", "-s", end, NULL, false },
	{ "WaitSandbox", "-s", task_wait, NULL, false },
	{ "SandboxStatus", "-s", status, NULL, false },
	{ "PingSandbox", "-s", ping, NULL, false },
	{ "ShutdownSandbox", "-s", end, &deletes, false },
	{ "SandboxMetrics", "-s", metrics, NULL, false },
	{ NULL, NULL, NULL, NULL, false },
};
