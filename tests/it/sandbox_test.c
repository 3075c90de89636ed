/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_test: the Sandbox service, and the process of a sandbox. */
#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/loop.h"
#include "wire/pb.h"
#include "client.h"
#include "host.h"

/* Settings where a shim looks by itself, in a /run of our own. */
static bool
own_run(void)
{
	char text[256];

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0) {
		printf("skipped: sandbox_service: no mount namespaces here\n");
		return false;
	}
	mkdir("/run/containerd", 0700);
	mkdir("/run/containerd/runsc", 0700);
	snprintf(text, sizeof(text), "root = \"%s/root\"\n"
	    "pause_binary = \"/bin/true\"\n", dir);
	write_text("/run/containerd/runsc/config.toml", text);
	return true;
}

static const char *cgroup_parent = "/k/pod1", *hostname = "host";
static struct pb_bytes dns;		/* a DNSConfig; n 0: none */

/* A call of the Sandbox service for id; {2 bundle, 4 options, 5 netns, 6
 * annotation} only for CreateSandbox. */
static uint32_t
sandbox_send(const char *method, const char *id, const char *bundle)
{
	uint8_t buf[1024], in[512], deep[256];
	struct pb_out o, config, x;
	size_t mark;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, id);
	if (bundle) {
		pb_put_str(&o, 2, bundle);
		pb_out_init(&config, in, sizeof(in));
		mark = pb_begin(&config, 1);
		pb_put_str(&config, 1, "name");
		pb_put_str(&config, 2, "uid\"1");
		pb_put_str(&config, 3, "space");
		pb_end(&config, mark);
		pb_put_str(&config, 2, hostname);
		if (dns.n)
			pb_put_bytes(&config, 4, dns.p, dns.n);
		mark = pb_begin(&config, 8);
		pb_put_str(&config, 1, cgroup_parent);
		pb_out_init(&x, deep, sizeof(deep));
		pb_put_uint(&x, 1, 100000);
		pb_put_int(&x, 2, -1);
		pb_put_uint(&x, 4, 1 << 30);
		pb_put_bytes(&config, 5, x.p, x.len);
		pb_end(&config, mark);
		pb_put_any(&o, 4, "runtime.v1.PodSandboxConfig", config.p,
		    config.len);
		pb_put_str(&o, 5, "/netns");
		mark = pb_begin(&o, 6);
		pb_put_str(&o, 1, "a.b");
		pb_put_str(&o, 2, "c");
		pb_end(&o, mark);
		mark = pb_begin(&o, 6);
		pb_put_str(&o, 1, "io.kubernetes.cri.container-type");
		pb_put_str(&o, 2, "container");
		pb_end(&o, mark);
	}
	ck_assert(!o.bad);
	return client_send_full(c, "containerd.runtime.sandbox.v1.Sandbox",
	    method, o.p, o.len, 0);
}

/* The reply's code; *in is to read its payload. */
static int
sandbox_call(const char *method, const char *id, const char *bundle,
    struct pb_in *in)
{
	static struct reply r;

	ck_assert_msg(client_recv(c, sandbox_send(method, id, bundle), &r,
	    CLIENT_WAIT_MS), "%s: no reply", method);
	snprintf(client_error, sizeof(client_error), "%s", r.msg);
	if (in)
		pb_in_init(in, r.payload, r.n);
	return r.code;
}

/* Field num of a reply: a number, or a string. */
static const char *
field(struct pb_in in, uint32_t num)
{
	static char text[256];
	struct pb_field f;

	text[0] = '\0';
	while (pb_next(&in, &f)) {
		if (f.num == num && f.wire == PB_VARINT)
			snprintf(text, sizeof(text), "%llu",
			    (unsigned long long)f.v);
		else if (f.num == num && f.wire == PB_BYTES)
			snprintf(text, sizeof(text), "%.*s", (int)f.b.n,
			    (const char *)f.b.p);
	}
	return text;
}

START_TEST(sandbox_service)
{
	char *bundle = in_dir("b/s1"), *spec;
	uint32_t waiting;
	struct pb_in in;
	struct reply r;
	int pid;

	if (!own_run())
		return;
	mkdir(in_dir("b"), 0700);
	mkdir(bundle, 0700);
	start_shim("s1", bundle);
	pid = daemon_pid();
	ck_assert_int_eq(sandbox_call("StartSandbox", "s1", NULL, NULL),
	    NOT_FOUND);
	ck_assert_int_eq(sandbox_call("PingSandbox", "s1", NULL, NULL),
	    NOT_FOUND);
	ck_assert_msg(sandbox_call("CreateSandbox", "s1", bundle, NULL) == 0,
	    "%s", client_error);
	spec = read_text(in_dir("b/s1/config.json"));
	ck_assert_ptr_nonnull(strstr(spec, "\"source\":\"/bin/true\""));
	ck_assert_ptr_nonnull(strstr(spec, "\"hostname\":\"host\""));
	ck_assert_ptr_nonnull(strstr(spec, "container-type\":\"sandbox\""));
	ck_assert_ptr_null(strstr(spec, "container-type\":\"container\""));
	ck_assert_ptr_nonnull(strstr(spec, "sandbox-uid\":\"uid\\\"1\""));
	ck_assert_ptr_nonnull(strstr(spec, "\"a.b\":\"c\""));
	ck_assert_ptr_nonnull(strstr(spec,
	    "{\"type\":\"network\",\"path\":\"/netns\"}"));
	ck_assert_ptr_nonnull(strstr(spec, "\"cgroupsPath\":\"/k/pod1/s1\""));
	ck_assert_ptr_nonnull(strstr(spec,
	    "cgroup-parent\":\"/k/pod1\""));
	/* The pod's cgroup has its limits, which are noted. */
	ck_assert_ptr_nonnull(strstr(spec, "sandbox-memory\":\"1073741824\""));
	ck_assert_ptr_nonnull(strstr(spec, "\"resources\":{}"));
	ck_assert_int_ne(sandbox_call("CreateSandbox", "s1", bundle, NULL), 0);
	ck_assert_int_eq(sandbox_call("SandboxStatus", "s1", NULL, &in), 0);
	ck_assert_str_eq(field(in, 3), "SANDBOX_NOTREADY");
	ck_assert_int_eq(sandbox_call("StartSandbox", "s1", NULL, &in), 0);
	ck_assert_int_gt(atoi(field(in, 1)), 1);
	ck_assert_str_ne(field(in, 2), "");
	ck_assert_int_eq(sandbox_call("SandboxStatus", "s1", NULL, &in), 0);
	ck_assert_str_eq(field(in, 1), "s1");
	ck_assert_str_eq(field(in, 3), "SANDBOX_READY");
	ck_assert_str_eq(field(in, 6), "");
	ck_assert_int_eq(sandbox_call("PingSandbox", "s1", NULL, NULL), 0);
	ck_assert_int_eq(sandbox_call("Platform", "s1", NULL, &in), 0);
	ck_assert_ptr_nonnull(strstr(field(in, 1), "linux"));
	/* The fake has no cgroup of its own; runsc is not asked. */
	ck_assert_int_eq(sandbox_call("SandboxMetrics", "s1", NULL, NULL),
	    PRECONDITION);
	ck_assert_uint_eq(calls_of("events"), 0);
	waiting = sandbox_send("WaitSandbox", "s1", NULL);
	ck_assert_int_eq(sandbox_call("PingSandbox", "s1", NULL, NULL), 0);
	ck_assert(!client_recv(c, waiting, &r, 0));
	ck_assert_int_eq(sandbox_call("StopSandbox", "s1", NULL, NULL), 0);
	ck_assert(client_recv(c, waiting, &r, CLIENT_WAIT_MS));
	pb_in_init(&in, r.payload, r.n);
	ck_assert_str_eq(field(in, 1), "137");
	ck_assert_int_eq(sandbox_call("StopSandbox", "s1", NULL, NULL), 0);
	ck_assert_int_eq(sandbox_call("SandboxStatus", "s1", NULL, &in), 0);
	ck_assert_str_eq(field(in, 3), "SANDBOX_NOTREADY");
	ck_assert_str_ne(field(in, 6), "");
	ck_assert_int_eq(sandbox_call("ShutdownSandbox", "s1", NULL, NULL), 0);
	client_close(c);
	c = NULL;
	daemon_leaves(pid);
}
END_TEST

/* Shutdown alone ends a sandbox too, whatever it is doing. */
START_TEST(sandbox_shutdown)
{
	char *bundle = in_dir("b/s1");
	int64_t from;
	int pid;

	if (!own_run())
		return;
	mkdir(in_dir("b"), 0700);
	mkdir(bundle, 0700);
	start_shim("s1", bundle);
	pid = daemon_pid();
	cgroup_parent = "/kubepods.slice/kubepods-pod1.slice";
	ck_assert_int_eq(sandbox_call("CreateSandbox", "s1", bundle, NULL), 0);
	ck_assert_ptr_nonnull(strstr(read_text(in_dir("b/s1/config.json")),
	    "\"cgroupsPath\":\"kubepods-pod1.slice:cri-containerd:s1\""));
	if (_i)
		ck_assert_int_eq(sandbox_call("StartSandbox", "s1", NULL,
		    NULL), 0);
	from = loop_now();
	ck_assert_msg(sandbox_call("ShutdownSandbox", "s1", NULL, NULL) == 0,
	    "%s", client_error);
	/* The connection's end is not to overtake the reply: for a second it
	 * is the client who hangs up. */
	sleep_ms(100);
	ck_assert(!client_hung_up(c) || loop_now() - from > NS_PER_S);
	client_close(c);
	c = NULL;
	daemon_leaves(pid);
}
END_TEST

/* SIGCHLD is ignored, which is its first act, and the process sleeps.  (What
 * sigwait() waits for is not blocked meanwhile.) */
static bool
waits_for_signals(pid_t pid)
{
	unsigned long long ignored;
	char path[32];
	const char *text, *p;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	text = read_text(path);
	p = strstr(text, "SigIgn:");
	return p && sscanf(p, "SigIgn: %llx", &ignored) == 1 &&
	    ignored >> (SIGCHLD - 1) & 1 && strstr(text, "State:\tS");
}

/* What runs in the sandbox: this binary by another name. */
START_TEST(sandbox_process)
{
	static const int signals_[] = { SIGTERM, SIGINT };
	char *name = in_dir("pause");
	int status, i;
	pid_t pid;

	ck_assert_int_eq(symlink(shim, name), 0);
	for (i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			execl(name, name, (char *)NULL);
			_exit(127);
		}
		await(waits_for_signals(pid));
		kill(pid, signals_[i]);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}
END_TEST

/* A dynamic program cannot be the sandbox's process. */
START_TEST(sandbox_needs_static)
{
	char *bundle = in_dir("b/s1"), text[256];

	if (!own_run())
		return;
	snprintf(text, sizeof(text), "root = \"%s/root\"\n", dir);
	write_text("/run/containerd/runsc/config.toml", text);
	mkdir(in_dir("b"), 0700);
	mkdir(bundle, 0700);
	start_shim("s1", bundle);
	ck_assert_int_eq(sandbox_call("CreateSandbox", "s1", bundle, NULL),
	    PRECONDITION);
	ck_assert_ptr_nonnull(strstr(client_error, "pause_binary"));
	shut_down();
}
END_TEST

/* A pod for the tests of what its containers have in /etc; the reply's code. */
static int
create_pod(void)
{
	mkdir(in_dir("b"), 0700);
	mkdir(in_dir("b/s1"), 0700);
	start_shim("s1", in_dir("b/s1"));
	return sandbox_call("CreateSandbox", "s1", in_dir("b/s1"), NULL);
}

static void
end_pod(void)
{
	int pid = daemon_pid();

	ck_assert_int_eq(sandbox_call("ShutdownSandbox", "s1", NULL, NULL), 0);
	client_close(c);
	c = NULL;
	daemon_leaves(pid);
}

/* Its file says exactly this, and everybody can read it. */
static void
has_etc(const char *name, const char *text)
{
	struct stat st;

	ck_assert_str_eq(read_text(in_dir("b/s1/%s", name)), text);
	ck_assert_int_eq(stat(in_dir("b/s1/%s", name), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
}

static void
has_etc_of_host(const char *name)
{
	char path[32], *text;

	snprintf(path, sizeof(path), "/etc/%s", name);
	text = strdup(read_text(path));
	has_etc(name, text);
	free(text);
}

/* containerd leaves these to the shim, and a container's mount wins. */
START_TEST(etc)
{
	static const struct {
		uint32_t field;
		const char *word;
	} words[] = {
		{ 1, "10.0.0.1" }, { 1, "10.0.0.2" }, { 2, "a.example" },
		{ 3, "ndots:5" }, { 2, "b.example" }, { 3, "rotate" },
	};
	struct create_args a = { .id = "k1", .in = "", .out = "", .err = "" };
	uint8_t buf[256];
	struct pb_out o;
	mode_t was;
	char *spec;
	size_t i;

	if (!own_run())
		return;
	pb_out_init(&o, buf, sizeof(buf));
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		pb_put_str(&o, words[i].field, words[i].word);
	dns = (struct pb_bytes){ o.p, o.len };
	was = umask(077);
	ck_assert_msg(create_pod() == 0, "%s", client_error);
	umask(was);
	has_etc("resolv.conf", "search a.example b.example\n"
	    "nameserver 10.0.0.1\nnameserver 10.0.0.2\n"
	    "options ndots:5 rotate\n");
	has_etc("hostname", "host\n");
	if (access("/etc/hosts", F_OK) == 0)
		has_etc_of_host("hosts");
	ck_assert_int_eq(sandbox_call("StartSandbox", "s1", NULL, NULL), 0);
	a.bundle = make_bundle("k1", "\"hang\"",
	    "\"io.kubernetes.cri.container-type\":\"container\","
	    "\"io.kubernetes.cri.sandbox-id\":\"s1\"},\"mounts\":["
	    "{\"destination\":\"/etc/hosts\",\"type\":\"bind\","
	    "\"source\":\"/x\"}],\"linux\":{", false);
	ck_assert_msg(task_create(c, &a, NULL) == 0, "%s", client_error);
	spec = read_text(in_dir("b/k1/config.json"));
	for (i = 0; i < 2; i++)
		ck_assert_ptr_nonnull(strstr(spec, in_dir("{\"destination\":"
		    "\"/etc/%s\",\"type\":\"bind\",\"source\":\"%s/b/s1/%s\"",
		    i ? "hostname" : "resolv.conf", dir,
		    i ? "hostname" : "resolv.conf") + strlen(dir) + 1));
	ck_assert_ptr_null(strstr(spec, "/b/s1/hosts"));
	ck_assert_int_eq(task_delete(c, "k1", "", NULL), 0);
	end_pod();
}
END_TEST

/* What the pod does not say is the host's; nonsense is refused. */
START_TEST(etc_of_the_host)
{
	static const uint8_t bad[] = { 0x0a, 0x7f };
	char own[256];

	if (!own_run())
		return;
	hostname = "";
	gethostname(own, sizeof(own) - 2);
	strcat(own, "\n");
	dns = (struct pb_bytes){ NULL, 0 };
	if (_i)
		dns = (struct pb_bytes){ bad, sizeof(bad) };
	ck_assert_int_eq(create_pod() == 0, !_i);
	if (_i) {
		shut_down();
		return;
	}
	has_etc("hostname", own);
	if (access("/etc/resolv.conf", F_OK) == 0)
		has_etc_of_host("resolv.conf");
	end_pod();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, sandbox_service, sandbox_process, sandbox_needs_static,
	    etc);
	tcase_add_loop_test(tc, etc_of_the_host, 0, 2);
	tcase_add_loop_test(tc, sandbox_shutdown, 0, 2);
}

int
main(void)
{
	return host_run("sandbox", add);
}
