/* SPDX-License-Identifier: Apache-2.0 */
/*
 * begin_test: how a shim begins and ends: what the verbs print, byte for byte;
 * several starts at once; a daemon that cannot serve; what is asked of a shim
 * that is leaving.  The real binary, the fake runsc.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fmt.h"
#include "client.h"
#include "host.h"
#include "wire/pb.h"

#define STARTS 8
#define ROUNDS 20

struct printed {
	int status;
	size_t nout, nerr;
	char out[4096], err[4096];
};

/* BootstrapParams: the id, the namespace, the options, the directory of the
 * sockets. */
static void
put_params(const char *path, const char *id)
{
	struct pb_out o;
	size_t ext, any, opt;
	FILE *f = fopen(path, "w");

	ck_assert(f != NULL);
	pb_out_init(&o, NULL, 0);
	pb_put_str(&o, 1, id);
	pb_put_str(&o, 2, "ns");
	ext = pb_begin(&o, 8);
	any = pb_begin(&o, 1);
	pb_put_str(&o, 1, "runtimeoptions.v1.Options");
	opt = pb_begin(&o, 2);
	pb_put_str(&o, 2, toml);
	pb_end(&o, opt);
	pb_end(&o, any);
	pb_end(&o, ext);
	pb_put_str(&o, 9, in_dir("s"));
	fwrite(o.p, 1, o.len, f);
	fclose(f);
	pb_out_free(&o);
}

static size_t
slurp(const char *path, char *buf, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t n;

	ck_assert(f != NULL);
	n = fread(buf, 1, cap - 1, f);
	buf[n] = '\0';
	fclose(f);
	return n;
}

/* Run the binary in bundle with these words; each stream into its own file. */
static void
call(struct printed *p, const char *bundle, const char *input,
    const char *const *argv)
{
	char out[256], err[256];
	pid_t pid;

	snprintf(out, sizeof(out), "%s", in_dir("out"));
	snprintf(err, sizeof(err), "%s", in_dir("err"));
	pid = fork();
	if (pid == 0) {
		if (chdir(bundle) < 0 || !freopen(input, "r", stdin) ||
		    !freopen(out, "w", stdout) || !freopen(err, "w", stderr))
			_exit(127);
		execv(shim, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &p->status, 0), pid);
	p->nout = slurp(out, p->out, sizeof(p->out));
	p->nerr = slurp(err, p->err, sizeof(p->err));
}

static void
call_verb(struct printed *p, const char *bundle, const char *id,
    const char *debug, const char *verb)
{
	const char *argv[] = { shim, "-namespace", "ns", "-id", id, "-address",
		in_dir("ctd.sock"), "-bundle", bundle, debug, verb, NULL };

	put_params(in_dir("params"), id);
	call(p, bundle, in_dir("params"), argv);
	if (strcmp(verb, "start") == 0)
		keep_address(p->out, p->nout);
	p->nout = strcmp(verb, "start") == 0 ? strlen(p->out) : p->nout;
}

/*
 * 13.14: on success there is the answer on standard output and nothing on
 * standard error, whatever there would be to say.
 */
START_TEST(nothing_but_the_answer)
{
	static const char *const settings[] = {
		"", "lenient = true\nno_such_key = 1\n",
		"log_level = \"debug\"\n", "no_such_key = 1\n",
		"this is no toml", "shim_cgroup = \"\"\n",
	};
	static const char *const debugs[] = { "-debug=false", "-debug=true" };
	struct printed p;
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	char first[512];
	FILE *f;
	int again;

	f = fopen(toml, "w");
	ck_assert(f != NULL);
	fprintf(f, "root = \"%s\"\n%s", in_dir("root"), settings[_i / 2]);
	fclose(f);
	for (again = 0; again < 2; again++) {
		call_verb(&p, bundle, "c1", debugs[_i % 2], "start");
		ck_assert_int_eq(p.status, 0);
		ck_assert_msg(p.nerr == 0, "%s", p.err);
		ck_assert(strncmp(p.out, "unix://", 7) == 0);
		ck_assert_ptr_eq(strchr(p.out, '\n'), p.out + p.nout - 1);
		if (again)
			ck_assert_str_eq(p.out, first);
		snprintf(first, sizeof(first), "%.500s", p.out);
	}
	snprintf(address, sizeof(address), "%.*s", (int)p.nout - 8, p.out + 7);
	c = client_connect(address);
	shut_down();
	for (again = 0; again < 2; again++) {
		call_verb(&p, bundle, "c1", debugs[_i % 2], "delete");
		ck_assert_int_eq(p.status, 0);
		ck_assert_msg(p.nerr == 0, "%s", p.err);
		ck_assert_uint_gt(p.nout, 8);
	}
	call(&p, bundle, "/dev/null", (const char *const[]){ shim, "-v",
	    NULL });
	ck_assert(p.status == 0 && p.nerr == 0 && p.nout > 0);
	call(&p, bundle, "/dev/null", (const char *const[]){ shim, "-info",
	    NULL });
	ck_assert(p.status == 0 && p.nerr == 0 && p.nout > 0);
}
END_TEST

/* 13.18: no address of a daemon that does not serve, but what it said. */
START_TEST(daemon_that_cannot_serve)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false), far[400];
	struct printed p;

	memset(far, 'x', sizeof(far) - 1);
	far[0] = '/';
	far[sizeof(far) - 1] = '\0';
	setenv("TTRPC_ADDRESS", far, 1);
	call_verb(&p, bundle, "c1", "-debug=false", "start");
	ck_assert_int_ne(p.status, 0);
	ck_assert_uint_eq(p.nout, 0);
	ck_assert_msg(strstr(p.err, "the daemon has ended: ") != NULL, "%s",
	    p.err);
	processes_become(0);
	setenv("TTRPC_ADDRESS", events_path, 1);
	call_verb(&p, bundle, "c1", "-debug=false", "start");
	ck_assert_msg(p.status == 0, "%s", p.err);
	snprintf(address, sizeof(address), "%.*s", (int)p.nout - 8, p.out + 7);
	c = client_connect(address);
	shut_down();
}
END_TEST

/* 13.14: nobody takes the address: no daemon stays.  13.1: a starter that
 * ignores SIGCHLD is no reason to reap nobody. */
START_TEST(nobody_takes_the_address)
{
	char *bundle = make_bundle("c1", "\"exit:3\"", "", false);
	struct task_reply t;
	int status, ends[2];
	char text[512];
	pid_t pid;

	put_params(in_dir("params"), "c1");
	ck_assert_int_eq(pipe(ends), 0);
	close(ends[0]);
	pid = fork();
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		if (chdir(bundle) < 0 ||
		    !freopen(in_dir("params"), "r", stdin) ||
		    (_i ? close(1) : dup2(ends[1], 1)) < 0)
			_exit(127);
		close(ends[1]);
		execl(shim, shim, "-namespace", "ns", "-id", "c1", "-address",
		    in_dir("ctd.sock"), "start", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	processes_become(0);
	pid = fork();
	if (pid == 0) {
		signal(SIGCHLD, SIG_IGN);
		if (chdir(bundle) < 0 ||
		    !freopen(in_dir("params"), "r", stdin) ||
		    !freopen(in_dir("out"), "w", stdout))
			_exit(127);
		execl(shim, shim, "-namespace", "ns", "-id", "c1", "-address",
		    in_dir("ctd.sock"), "start", (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	keep_address(text, slurp(in_dir("out"), text, sizeof(text)));
	snprintf(address, sizeof(address), "%.*s", (int)strlen(text) - 8,
	    text + 7);
	c = client_connect(address);
	run("c1", "\"exit:3\"");
	ck_assert_int_eq(task_wait(c, "c1", "", &t), 0);
	ck_assert_uint_eq(t.exit_status, 3);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

static unsigned
count_shims(void)
{
	char cmd[256];
	FILE *f;
	unsigned n = 0;

	/* Its name in /proc is cut at 15 bytes. */
	snprintf(cmd, sizeof(cmd), "grep -lxa containerd-shim /proc/[0-9]*/comm "
	    "2>/dev/null | while read -r f; do grep -qa '%s' "
	    "\"${f%%comm}cmdline\" && echo; done | wc -l", dir);
	f = popen(cmd, "r");
	ck_assert(f != NULL);
	ck_assert_int_eq(fscanf(f, "%u", &n), 1);
	pclose(f);
	return n;
}

/* 13.13: several starts of one pod at once make one shim, which all name. */
START_TEST(starts_at_once)
{
	char *bundle[STARTS], name[64], text[512], first[512];
	pid_t pids[STARTS];
	int i, round, status;

	for (i = 0; i < STARTS; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		bundle[i] = strdup(make_bundle(name, "\"hang\"",
		    "\"io.kubernetes.cri.sandbox-id\":\"pod\"", false));
		snprintf(text, sizeof(text), "%s/params", bundle[i]);
		put_params(text, name);
	}
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < STARTS; i++) {
			pids[i] = fork();
			if (pids[i] != 0)
				continue;
			snprintf(name, sizeof(name), "c%d", i);
			if (chdir(bundle[i]) < 0 ||
			    !freopen("params", "r", stdin) ||
			    !freopen("printed", "w", stdout) ||
			    !freopen("complaint", "w", stderr))
				_exit(127);
			execl(shim, shim, "-namespace", "ns", "-id", name,
			    "-address", in_dir("ctd.sock"), "start",
			    (char *)NULL);
			_exit(127);
		}
		for (i = 0; i < STARTS; i++) {
			ck_assert_int_eq(waitpid(pids[i], &status, 0),
			    pids[i]);
			snprintf(name, sizeof(name), "%s/complaint", bundle[i]);
			slurp(name, text, sizeof(text));
			ck_assert_msg(status == 0, "%s", text);
			snprintf(name, sizeof(name), "%s/printed", bundle[i]);
			keep_address(text, slurp(name, text, sizeof(text)));
			if (i == 0)
				snprintf(first, sizeof(first), "%s", text);
			ck_assert_str_eq(text, first);
		}
		ck_assert_uint_eq(count_shims(), 1);
		snprintf(address, sizeof(address), "%.*s",
		    (int)strlen(first) - 8, first + 7);
		c = client_connect(address);
		ck_assert_int_eq(task_simple(c, "Shutdown", "x"), 0);
		client_close(c);
		c = NULL;
		await(count_shims() == 0);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	for (i = 0; i < STARTS; i++)
		free(bundle[i]);
}
END_TEST

/* 13.6: nothing begins after Shutdown was answered, or SIGTERM came. */
START_TEST(nothing_after_the_end)
{
	struct create_args a = { .id = "c2", .in = "", .out = "", .err = "",
		.config_path = toml };
	struct client *other;
	int pid;

	ck_assert_int_eq(create("c1", "\"hang\"", ""), 0);
	remove_container("c1");
	a.bundle = make_bundle("c2", "\"hang\"", "", false);
	pid = daemon_pid();
	other = client_connect(address);
	/* Events that nobody takes hold it up. */
	sink_close();
	if (_i == 0)
		ck_assert_int_eq(task_simple(c, "Shutdown", "x"), 0);
	else
		ck_assert_int_eq(kill(pid, SIGTERM), 0);
	await(access(address, F_OK) < 0);
	ck_assert_int_ne(task_create(other, &a, NULL), 0);
	if (!client_hung_up(other))
		ck_assert_msg(strstr(client_error, "shutting down") != NULL,
		    "%s", client_error);
	ck_assert_uint_eq(calls_of("c2"), 0);
	client_close(other);
	client_close(c);
	c = NULL;
	sink_open(events_path);
	daemon_leaves(pid);
}
END_TEST

/* No socket or file gets the number of a stream that is closed. */
START_TEST(closed_streams)
{
	char *bundle = make_bundle("c1", "\"hang\"", "", false);
	char path[64], to[64], at[256];
	ssize_t n;
	pid_t pid;
	int i;

	snprintf(at, sizeof(at), "%s", in_dir("served"));
	pid = fork();
	if (pid == 0) {
		if (chdir(bundle) < 0)
			_exit(127);
		for (i = 0; i < 3; i++) {
			if (_i & 1 << i)
				close(i);
		}
		execl(shim, shim, "-namespace", "ns", "-id", "c1", "-address",
		    in_dir("ctd.sock"), "-socket", at, (char *)NULL);
		_exit(127);
	}
	await((c = client_connect(at)) != NULL);
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, i);
		n = readlink(path, to, sizeof(to) - 1);
		ck_assert_int_gt(n, 0);
		to[n] = '\0';
		if (_i & 1 << i)
			ck_assert_str_eq(to, "/dev/null");
	}
	shut_down();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, daemon_that_cannot_serve, starts_at_once);
	tcase_add_loop_test(tc, nothing_but_the_answer, 0, 12);
	tcase_add_loop_test(tc, nobody_takes_the_address, 0, 2);
	tcase_add_loop_test(tc, closed_streams, 1, 8);
	tcase_add_loop_test(tc, nothing_after_the_end, 0, 2);
}

int
main(void)
{
	return host_run("begin", add);
}
