/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade_test: a running shim executes a successor, which here is the same
 * program under another name, and nobody notices: connections, waits, streams,
 * terminals, logging binaries, execs of both kinds, pods, events.  And what is
 * no successor changes nothing.
 *
 * SHIM is the binary, FAKE_BIN the directory with the fake as `runsc`.
 */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "wire/pb.h"

#define INSIDE(words) "{\"args\":[\"fake\"," words "],\"cwd\":\"/\"," \
	"\"env\":[\"A=b\"],\"user\":{\"uid\":0,\"gid\":0}}"
#define POD(type) "\"io.kubernetes.cri.container-type\":\"" type "\"," \
	"\"io.kubernetes.cri.sandbox-id\":\"pod\""
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define TIMES 8

static struct reply got;

static int
call(struct client *on, const char *method, const char *file)
{
	uint8_t buf[600];
	struct pb_out o;
	uint32_t stream;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, file);
	stream = client_send_full(on, "runsc.shim.v1.Shim", method, o.p,
	    o.len, 0);
	ck_assert_msg(client_recv(on, stream, &got, HANG_MS),
	    "%s: no answer", method);
	return got.code;
}

/* A descriptor from 3 on that the programs have which it executes; 0: none. */
static int
given_fd(int pid)
{
	char path[64];
	const char *flags;
	struct dirent *d;
	int found = 0;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	fds = opendir(path);
	ck_assert(fds != NULL);
	while (!found && (d = readdir(fds))) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.20s", pid,
		    d->d_name);
		flags = strstr(read_text(path), "flags:");
		if (flags && atoi(d->d_name) > STDERR_FILENO &&
		    !(strtoul(flags + 6, NULL, 8) & O_CLOEXEC))
			found = atoi(d->d_name);
	}
	closedir(fds);
	return found;
}

/* The shim becomes file; it is the same process, and says so. */
static void
upgrade_to(const char *file)
{
	struct pb_bytes b = { got.payload, 0 };
	struct pb_field f[4];
	int pid = daemon_pid();

	ck_assert_msg(call(c, "Upgrade", file) == 0, "%s", got.msg);
	b.n = got.n;
	ck_assert_int_eq(pb_read(b, "-ssn", f), 0);
	ck_assert(pb_is(f[1].b, VERSION) && pb_is(f[2].b, VERSION));
	ck_assert_uint_gt(f[3].v, 0);
	ck_assert_int_eq(daemon_pid(), pid);
	ck_assert_int_eq(given_fd(pid), 0);
}

static void
upgrade(void)
{
	upgrade_to("");
}

static void
ends(const char *id, const char *exec_id, unsigned status)
{
	struct task_reply t;

	ck_assert_msg(task_wait(c, id, exec_id, &t) == 0, "%s", client_error);
	ck_assert_msg(t.exit_status == status, "%s %s: %u, not %u", id,
	    exec_id, t.exit_status, status);
	ck_assert_int_eq(task_delete(c, id, exec_id, &t), 0);
	ck_assert_uint_eq(t.exit_status, status);
}

/* -- what is no successor -------------------------------------------------- */

static void
make_file(const char *name, const char *text, mode_t mode)
{
	write_text(in_dir("%s", name), text);
	ck_assert_int_eq(chmod(in_dir("%s", name), mode), 0);
}

static const struct {
	const char *file;	/* "": below dir, of the next two */
	const char *script;
	mode_t mode;
	int code;
	const char *says;
} bad[] = {
	{ "shim", NULL, 0, INVALID, "shim" },
	{ "/nowhere/at/all", NULL, 0, PRECONDITION, "No such file" },
	{ "/dev/null", NULL, 0, PRECONDITION, "not a program" },
	{ "/", NULL, 0, PRECONDITION, "not a program" },
	{ "/bin/false", NULL, 0, PRECONDITION, "the successor says no" },
	{ "", "#!/bin/sh\nexit 0\n", 0755, PRECONDITION, "without a word" },
	{ "", "#!/bin/sh\necho too old >&2; exit 1\n", 0755, PRECONDITION,
	    "says no: too old" },
	{ "", "#!/bin/sh\nkill -9 $$\n", 0755, PRECONDITION, "killed" },
	{ "", "no program", 0755, PRECONDITION, "Exec format error" },
	{ "", "#!/bin/sh\necho 9\n", 0777, PRECONDITION, "others may write" },
	{ "", "#!/bin/sh\necho 9\n", 02755, PRECONDITION, "somebody else" },
	{ "", "#!/bin/sh\necho 9\n", 04755, PRECONDITION, "somebody else" },
	{ "", "#!/bin/sh\nprintf 'a\\033[31mb'; exit 1\n", 0755, PRECONDITION,
	    "no: a?[31mb" },
	/* It changes itself while it is looked at. */
	{ "", "#!/bin/sh\necho >>\"$0\"; echo resumes 9\n", 0755,
	    PRECONDITION, "written to" },
	{ "", "#!/bin/sh\necho 9\n", 0644, PRECONDITION, "not a program" },
	{ "", "#!/nowhere\n", 0755, PRECONDITION, "No such file" },
	{ "", "#!/bin/sh\necho 9.9\n", 0755, PRECONDITION, "says no: 9.9" },
	/* It is looked at with the command line that it will have. */
	{ "/bin/echo", NULL, 0, PRECONDITION,
	    "says no: -resume-check=3 -namespace ns -id c1 -address" },
	/* Looked at, it says yes; but a script cannot be executed so. */
	{ "", "#!/bin/sh\necho resumes 9\n", 0755, INTERNAL,
	    "execute the successor: No such file" },
};

START_TEST(no_successor)
{
	const char *file = bad[_i].file;
	uint32_t wait;
	struct task_reply t;
	unsigned fds;

	run("c1", "\"hang\"");
	wait = task_wait_send(c, "c1", "");
	if (!file[0]) {
		make_file("next", bad[_i].script, bad[_i].mode);
		file = in_dir("next");
	}
	daemon_pid();
	fds = count_fds(daemon_pid());
	ck_assert_msg(call(c, "Upgrade", file) == bad[_i].code, "%d: %s",
	    got.code, got.msg);
	ck_assert_msg(strstr(got.msg, bad[_i].says), "%s", got.msg);
	await(count_fds(daemon_pid()) == fds);
	ck_assert_int_eq(task_kill(c, "c1", "", SIGTERM, false), 0);
	ck_assert_int_eq(task_wait_recv(c, wait, &t), 0);
	ck_assert_uint_eq(t.exit_status, 143);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

START_TEST(version)
{
	struct pb_bytes b = { got.payload, 0 };
	struct pb_field f[3];
	char real[PATH_MAX];	/* as realpath(3) has it */

	start_shim("c1", make_bundle("c1", "\"hang\"", "", false));
	ck_assert_int_eq(call(c, "Version", ""), 0);
	b.n = got.n;
	ck_assert_int_eq(pb_read(b, "-ss", f), 0);
	ck_assert(pb_is(f[1].b, VERSION));
	ck_assert(realpath(shim, real) != NULL);
	ck_assert(pb_is(f[2].b, real));
	shut_down();
}
END_TEST

/* What is under way for longer than anybody waits. */
START_TEST(no_rest)
{
	uint32_t stream;
	struct reply r;
	struct pb_out o;
	uint8_t buf[64];

	run("c1", "\"hang\"");
	faults("pause:delay=8000");
	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, "c1");
	stream = client_send(c, "Pause", o.p, o.len);
	ck_assert_int_eq(call(c, "Upgrade", ""), UNAVAILABLE);
	ck_assert_msg(strstr(got.msg, "an operation is under way"), "%s",
	    got.msg);
	ck_assert(client_recv(c, stream, &r, HANG_MS));
	ck_assert_int_eq(r.code, 0);
	faults("");
	upgrade();
	ck_assert_int_eq(task_simple(c, "Resume", "c1"), 0);
	remove_container("c1");
	shut_down();
}
END_TEST

/* A successor that says nothing, and what it has started, are ended. */
START_TEST(no_answer)
{
	char script[2 * PATH_MAX];
	unsigned before;

	run("c1", "\"hang\"");
	before = count_processes();
	snprintf(script, sizeof(script), "#!/bin/sh\ntail -f %s &\n"
	    "tail -f %s\n", in_dir("calls"), in_dir("calls"));
	make_file("next", script, 0755);
	ck_assert_int_eq(call(c, "Upgrade", in_dir("next")), PRECONDITION);
	ck_assert_msg(strstr(got.msg, "does not answer"), "%s", got.msg);
	processes_become(before);
	upgrade();
	remove_container("c1");
	shut_down();
}
END_TEST

static void
limit_files(rlim_t bytes)
{
	struct rlimit limit = { bytes, RLIM_INFINITY };

	ck_assert_int_eq(prlimit(daemon_pid(), RLIMIT_FSIZE, &limit, NULL), 0);
}

/* What is written in part has an errno, too. */
START_TEST(no_space)
{
	write_toml("control_socket = \"off\"\n");
	run("c1", "\"hang\"");
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"hang\""), "", "",
	    "", false), 0);
	limit_files(20);
	ck_assert_int_ne(call(c, "Upgrade", ""), 0);
	ck_assert_msg(strstr(got.msg, "No space left"), "%s", got.msg);
	ck_assert_int_ne(task_start(c, "c1", "e1", NULL), 0);
	ck_assert_msg(strstr(client_error, "No space left"), "%s",
	    client_error);
	limit_files(RLIM_INFINITY);
	upgrade();
	remove_container("c1");
	shut_down();
}
END_TEST

/* An exec that was to have a terminal, and failed, has none to wait for. */
START_TEST(no_terminal)
{
	int in, out;

	in = open_fifo("i");
	out = open_fifo("o");
	write_toml("control_socket = \"off\"\n");
	run("c1", "\"hang\"");
	faults("exec:fail=no such file");
	ck_assert_int_eq(task_exec(c, "c1", "e1", PROCESS("\"hang\""),
	    in_dir("i"), in_dir("o"), "", true), 0);
	ck_assert_int_ne(task_start(c, "c1", "e1", NULL), 0);
	upgrade();
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	close(in);
	close(out);
	remove_container("c1");
	shut_down();
}
END_TEST

#define LARGE (3900u << 10)

/* An exec with that in its environment. */
static int
large_exec(const char *id, const char *exec_id)
{
	static const char head[] = "{\"args\":[\"fake\"],\"cwd\":\"/\","
	    "\"env\":[\"A=", tail[] = "\"]}";
	static char text[sizeof(head) + LARGE + sizeof(tail)];

	memset(text, 'x', sizeof(text));
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + sizeof(head) - 1 + LARGE, tail, sizeof(tail));
	return task_exec(c, id, exec_id, text, "", "", "", false);
}

/* More than a part, or a successor, takes is refused while there is a way
 * back. */
START_TEST(too_much)
{
	char id[16];
	int i;

	run("c0", "\"hang\"");
	for (i = 0; i < 17; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		if (i)
			ck_assert_msg(create(id, "\"hang\"", "") == 0, "%s",
			    client_error);
		ck_assert_msg(large_exec(id, "e") == 0, "%s", client_error);
		if (i == 0) {
			ck_assert_int_eq(large_exec(id, "f"), 0);
			ck_assert_int_eq(call(c, "Upgrade", ""), UNAVAILABLE);
			ck_assert_msg(strstr(got.msg, "container: too much "
			    "to be written down"), "%s", got.msg);
			ck_assert_int_eq(task_delete(c, id, "f", NULL), 0);
			upgrade();
		}
	}
	ck_assert_int_eq(call(c, "Upgrade", ""), UNAVAILABLE);
	ck_assert_msg(strstr(got.msg, "too much to be written down"), "%s",
	    got.msg);
	ck_assert_int_eq(task_delete(c, id, "e", NULL), 0);
	upgrade();
	while (--i >= 0) {
		snprintf(id, sizeof(id), "c%d", i);
		remove_container(id);
	}
	shut_down();
}
END_TEST

/* -- what goes on ---------------------------------------------------------- */

/* Waits on two connections, of which one says nothing, and what is stopped. */
START_TEST(idle)
{
	struct client *other;
	struct task_reply t, before;
	uint32_t wait, wait2;
	unsigned fds = 0;
	int i;

	run("c1", "\"hang\"");
	ck_assert_int_eq(create("c2", "\"exit:7\"", ""), 0);
	ck_assert_int_eq(task_start(c, "c2", "", NULL), 0);
	ck_assert_int_eq(task_wait(c, "c2", "", NULL), 0);
	ck_assert_int_eq(create("c3", "\"exit:5\"", ""), 0);
	other = client_connect(address);
	wait = task_wait_send(c, "c1", "");
	wait2 = task_wait_send(other, "c1", "");
	ck_assert_int_eq(task_state(c, "c1", "", &before), 0);
	for (i = 0; i < TIMES; i++) {
		upgrade();
		if (i == 0)
			fds = count_fds(daemon_pid());
		ck_assert_uint_eq(count_fds(daemon_pid()), fds);
		ck_assert_int_eq(task_state(c, "c1", "", &t), 0);
		ck_assert_uint_eq(t.status, RUNNING);
		ck_assert_uint_eq(t.pid, before.pid);
	}
	ck_assert_int_eq(task_start(c, "c3", "", NULL), 0);
	ends("c3", "", 5);
	ends("c2", "", 7);
	ck_assert_int_ne(task_state(c, "c2", "", &t), 0);
	ck_assert_int_eq(task_kill(c, "c1", "", SIGTERM, false), 0);
	ck_assert_int_eq(task_wait_recv(c, wait, &t), 0);
	ck_assert_uint_eq(t.exit_status, 143);
	ck_assert_int_eq(task_wait_recv(other, wait2, &t), 0);
	ck_assert_uint_eq(t.exit_status, 143);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	client_close(other);
	ck_assert(sink_wait("TaskDelete c1", HANG_MS));
	ck_assert_str_eq(sink_text(), "TaskCreate c1;TaskStart c1;"
	    "TaskCreate c2;TaskStart c2;TaskExit c2 7;TaskCreate c3;"
	    "TaskStart c3;TaskExit c3 5;TaskDelete c3;TaskDelete c2;"
	    "TaskExit c1 143;TaskDelete c1;");
	shut_down();
}
END_TEST

/* The program under another name, as a package puts it there. */
START_TEST(another_file)
{
	struct pb_bytes b = { got.payload, 0 };
	struct pb_field f[3];
	char command[3 * PATH_MAX];

	run("c1", "\"hang\"");
	snprintf(command, sizeof(command), "cp %s %s && chmod 755 %s", shim,
	    in_dir("next"), in_dir("next"));
	ck_assert_int_eq(system(command), 0);
	upgrade_to(in_dir("next"));
	ck_assert_int_eq(call(c, "Version", ""), 0);
	b.n = got.n;
	ck_assert_int_eq(pb_read(b, "-ss", f), 0);
	ck_assert(pb_is(f[2].b, in_dir("next")));
	/* And again to what now is there. */
	ck_assert_int_eq(system(command), 256);	/* it runs */
	ck_assert_int_eq(unlink(in_dir("next")), 0);
	ck_assert_int_eq(call(c, "Upgrade", ""), PRECONDITION);
	ck_assert_int_eq(system(command), 0);
	upgrade();
	remove_container("c1");
	shut_down();
}
END_TEST

/* A successor that cannot read what it gets, wherever that is, has the one
 * before it back, and nobody notices. */
START_TEST(comes_back)
{
	char command[3 * PATH_MAX], text[32];
	uint32_t wait, other_wait;
	struct client *other;
	struct task_reply t;
	unsigned fds;
	int n, out, code, pid;

	snprintf(command, sizeof(command), "cp %s/next %s && chmod 755 %s",
	    getenv("FAKE_BIN"), in_dir("next"), in_dir("next"));
	ck_assert_int_eq(system(command), 0);
	setenv("NEXT_FAILS", in_dir("place"), 1);
	out = open_fifo("o");
	ck_assert_int_eq(create("c1", held("\"fill:100000\",\"hang\""),
	    in_dir("o")), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	run_exec("e1", INSIDE("\"hang\""), "");
	other = client_connect(address);
	wait = task_wait_send(c, "c1", "e1");
	other_wait = task_wait_send(other, "c1", "");
	ck_assert(sink_wait("TaskExecStarted c1/e1", HANG_MS));
	sink_close();
	upgrade();
	pid = daemon_pid();
	fds = count_fds(pid);
	for (n = 1; ; n++) {
		snprintf(text, sizeof(text), "%d\n", n);
		write_text(in_dir("place"), text);
		code = call(c, "Upgrade", in_dir("next"));
		if (code == 0)
			break;
		ck_assert_msg(code == INTERNAL && strstr(got.msg, "went back"),
		    "%d: %d: %s", n, code, got.msg);
		ck_assert_msg(strstr(got.msg, "this is the place"), "%d: %s",
		    n, got.msg);
		ck_assert_int_eq(daemon_pid(), pid);
		ck_assert_int_eq(given_fd(pid), 0);
		ck_assert_uint_eq(count_fds(pid), fds);
		ck_assert_int_eq(task_state(c, "c1", "e1", &t), 0);
		ck_assert_uint_eq(t.status, RUNNING);
	}
	ck_assert_int_gt(n, 12);
	ck_assert_int_eq(given_fd(pid), 0);
	sink_open(events_path);
	let_go();
	ck_assert_int_eq(task_kill(c, "c1", "e1", SIGTERM, false), 0);
	ck_assert_int_eq(task_wait_recv(c, wait, &t), 0);
	ck_assert_uint_eq(t.exit_status, 143);
	ck_assert_int_eq(task_delete(c, "c1", "e1", NULL), 0);
	for (n = 0; n < 100000; n += code) {
		code = (int)read(out, command, sizeof(command));
		ck_assert_int_gt(code, 0);
	}
	ck_assert_int_eq(task_kill(c, "c1", "", SIGTERM, false), 0);
	ck_assert_int_eq(task_wait_recv(other, other_wait, &t), 0);
	ck_assert_uint_eq(t.exit_status, 143);
	client_close(other);
	close(out);
	ck_assert_int_eq(task_delete(c, "c1", "", NULL), 0);
	shut_down();
}
END_TEST

/* Requests that come while nobody is served are answered afterwards, and one
 * that came in half, too. */
START_TEST(requests_wait)
{
	struct client *other;
	uint32_t streams[64];
	struct reply r;
	struct pb_out o;
	uint8_t buf[64], head[10];
	int i, k;

	run("c1", "\"hang\"");
	other = client_connect(address);
	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, "c1");
	for (i = 0; i < TIMES; i++) {
		/* Twenty bytes are announced, ten come. */
		memset(head, 0, sizeof(head));
		head[3] = 20;
		head[7] = (uint8_t)(2 * i + 1);
		head[8] = 1;
		client_send_raw(other, head, sizeof(head));
		client_send_raw(other, "0123456789", 10);
		streams[0] = client_send_full(c, "runsc.shim.v1.Shim",
		    "Upgrade", NULL, 0, 0);
		for (k = 1; k < 64; k++)
			streams[k] = client_send(c, "State", o.p, o.len);
		for (k = 0; k < 64; k++) {
			ck_assert(client_recv(c, streams[k], &r, HANG_MS));
			ck_assert_msg(r.code == 0, "%s", r.msg);
		}
		client_send_raw(other, "0123456789", 10);
		ck_assert(client_recv(other, (uint32_t)(2 * i + 1), &r,
		    HANG_MS));
		ck_assert_int_eq(r.code, INVALID);
	}
	/* What came in two halves has come. */
	upgrade();
	client_close(other);
	remove_container("c1");
	shut_down();
}
END_TEST

/* Events while containerd is away come once, in order, when it is back. */
START_TEST(events_wait)
{
	run("c1", "\"hang\"");
	ck_assert(sink_wait("TaskStart c1", HANG_MS));
	sink_close();
	sink_clear();
	run_exec("e1", INSIDE("\"exit:3\""), "");
	ends("c1", "e1", 3);
	upgrade();
	run_exec("e2", INSIDE("\"exit:4\""), "");
	upgrade();
	ends("c1", "e2", 4);
	sink_open(events_path);
	ck_assert(sink_wait("TaskExit c1/e2 4", HANG_MS));
	ck_assert_str_eq(sink_text(), "TaskExecAdded c1/e1;"
	    "TaskExecStarted c1/e1;TaskExit c1/e1 3;TaskExecAdded c1/e2;"
	    "TaskExecStarted c1/e2;TaskExit c1/e2 4;");
	upgrade();
	remove_container("c1");
	shut_down();
}
END_TEST

/* -- streams --------------------------------------------------------------- */

#define BYTES 3000000

/* Lines of 64 bytes, each its number; a reader that stands still now and then,
 * so that there are bytes in every place. */
START_TEST(output)
{
	char words[64], want[65], line[65];
	int fd, i, n = 0;
	ssize_t r;

	snprintf(words, sizeof(words), "\"fill:%d\",\"exit:3\"", BYTES);
	fd = open_fifo("o");
	ck_assert_int_eq(create("c1", words, in_dir("o")), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	for (i = 0; i < BYTES / 64; i++) {
		if (i % (BYTES / 64 / TIMES) == 0)
			upgrade();
		for (n = 0; n < 64; n += (int)r) {
			r = read(fd, line + n, (size_t)(64 - n));
			ck_assert_int_gt(r, 0);
		}
		line[63] = '\0';
		snprintf(want, sizeof(want), "%063d", i);
		ck_assert_msg(strtol(line, NULL, 10) == i, "line %d: %s", i,
		    line);
	}
	upgrade();
	close(fd);
	ends("c1", "", 3);
	shut_down();
}
END_TEST

/* Input, and what was typed while nobody copied it. */
START_TEST(input)
{
	struct create_args a = { .id = "c1", .err = "", .config_path = toml };
	char line[32], text[32];
	int in, out, i;
	size_t n;

	in = open_fifo("i");
	out = open_fifo("o");
	a.in = in_dir("i");
	a.out = in_dir("o");
	a.bundle = make_bundle("c1", "\"cat\"", "", false);
	start_shim("c1", a.bundle);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	upgrade();
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	for (i = 0; i < TIMES; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		ck_assert_int_gt(write(in, line, strlen(line)), 0);
		if (i % 2)
			upgrade();
		for (n = 0; n < strlen(line); n++)
			ck_assert_int_eq(read(out, text + n, 1), 1);
		text[n] = '\0';
		ck_assert_str_eq(text, line);
		upgrade();
	}
	close(in);
	ck_assert_int_eq(task_close_io(c, "c1", ""), 0);
	upgrade();
	ends("c1", "", 0);
	close(out);
	shut_down();
}
END_TEST

/* A FIFO that nobody has opened yet when its process ends. */
START_TEST(late_client)
{
	char text[64];
	int fd;

	ck_assert_int_eq(mkfifo(in_dir("o"), 0600), 0);
	ck_assert_int_eq(create("c1", "\"echo:late\",\"exit:2\"",
	    in_dir("o")), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	ck_assert(sink_wait("TaskExit c1 2", HANG_MS));
	upgrade();
	fd = open(in_dir("o"), O_RDONLY | O_CLOEXEC);
	upgrade();
	ck_assert_uint_eq(read_to_end(fd, text, sizeof(text)), 5);
	ck_assert_str_eq(text, "late\n");
	close(fd);
	upgrade();
	ends("c1", "", 2);
	shut_down();
}
END_TEST

static void
says(int in, int out, const char *want)
{
	char text[256] = "";
	size_t n = 0;

	ck_assert_int_eq(write(in, "go\n", 3), 3);
	while (!strstr(text, want)) {
		ck_assert_msg(n < sizeof(text) - 1 && read(out, text + n, 1)
		    == 1, "want %s, got %s", want, text);
		text[++n] = '\0';
	}
}

START_TEST(terminal)
{
	struct create_args a = { .id = "c1", .terminal = true, .err = "",
		.config_path = toml };
	int in, out, i;

	in = open_fifo("i");
	out = open_fifo("o");
	a.in = in_dir("i");
	a.out = in_dir("o");
	a.bundle = make_bundle("c1", "\"read\",\"size\",\"read\",\"size\","
	    "\"hang\"", "", true);
	start_shim("c1", a.bundle);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	ck_assert_int_eq(task_resize(c, "c1", "", 70, 20), 0);
	for (i = 0; i < TIMES; i++)
		upgrade();
	says(in, out, "20 70\r\n");
	upgrade();
	ck_assert_int_eq(task_resize(c, "c1", "", 80, 30), 0);
	says(in, out, "30 80\r\n");
	/* Of an exec, with a stand-in that leads it. */
	ck_assert_int_eq(task_exec(c, "c1", "e", INSIDE("\"read\",\"size\","
	    "\"exit:3\""), in_dir("i"), in_dir("o"), "", true), 0);
	upgrade();
	ck_assert_msg(task_start(c, "c1", "e", NULL) == 0, "%s",
	    client_error);
	upgrade();
	ck_assert_int_eq(task_resize(c, "c1", "e", 50, 10), 0);
	upgrade();
	close(in);
	close(out);
	remove_container("c1");
	shut_down();
}
END_TEST

/* A logging binary goes on, and so does what is read in its place. */
START_TEST(logger)
{
	char uri[256], text[512];

	snprintf(text, sizeof(text), "#!/bin/sh\nexec 5>&-\n%s\n", _i ?
	    "read x <&3; exit 0" : "exec cat <&3 >$0.out");
	make_file("logger", text, 0700);
	snprintf(uri, sizeof(uri), "binary://%s", in_dir("logger"));
	ck_assert_msg(create("c1", held("\"fill:100000\",\"hang\""), uri) ==
	    0, "%s", client_error);
	ck_assert_int_eq(task_start(c, "c1", "", NULL), 0);
	upgrade();
	upgrade();
	let_go();
	await(_i || strlen(read_text(in_dir("logger.out"))) > 4000);
	upgrade();
	remove_container("c1");
	upgrade();
	shut_down();
}
END_TEST

/* -- execs, pods ----------------------------------------------------------- */

static const struct {
	const char *toml;
	const char *process;
	unsigned status;
} execs[] = {
	{ "", INSIDE("\"hang\""), 143 },
	{ "control_socket = \"off\"\n", PROCESS("\"hang\""), 143 },
};

/* Both kinds: with a stand-in, with a runsc. */
START_TEST(execs_go_on)
{
	struct task_reply t;
	uint32_t wait;

	write_toml(execs[_i].toml);
	run("c1", "\"hang\"");
	run_exec("e1", execs[_i].process, "");
	run_exec("e2", execs[_i].process, "");
	ck_assert_int_eq(task_exec(c, "c1", "e3", execs[_i].process, "", "",
	    "", false), 0);
	wait = task_wait_send(c, "c1", "e1");
	upgrade();
	upgrade();
	ck_assert_int_eq(task_kill(c, "c1", "e1", SIGTERM, false), 0);
	ck_assert_int_eq(task_wait_recv(c, wait, &t), 0);
	ck_assert_uint_eq(t.exit_status, execs[_i].status);
	upgrade();
	ends("c1", "e1", execs[_i].status);
	/* Killed from outside. */
	ck_assert_int_eq(task_state(c, "c1", "e2", &t), 0);
	kill((pid_t)t.pid, SIGKILL);
	ends("c1", "e2", 137);
	ck_assert_int_eq(task_start(c, "c1", "e3", NULL), 0);
	ck_assert_int_eq(task_kill(c, "c1", "e3", SIGTERM, false), 0);
	upgrade();
	ends("c1", "e3", execs[_i].status);
	remove_container("c1");
	shut_down();
}
END_TEST

/* Ends that come at any moment of an upgrade. */
START_TEST(ends_meanwhile)
{
	struct task_reply t;
	uint32_t waits[TIMES], up;
	char name[16];
	int i, pid;

	run("c1", "\"hang\"");
	pid = daemon_pid();
	for (i = 0; i < TIMES; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		run_exec(name, i % 2 ? INSIDE("\"sleep:20\",\"exit:6\"") :
		    INSIDE("\"exit:6\""), "");
		waits[i] = task_wait_send(c, "c1", name);
		up = client_send_full(c, "runsc.shim.v1.Shim", "Upgrade",
		    NULL, 0, 0);
		ck_assert(client_recv(c, up, &got, HANG_MS));
		ck_assert_msg(got.code == 0, "%s", got.msg);
	}
	for (i = 0; i < TIMES; i++) {
		ck_assert_int_eq(task_wait_recv(c, waits[i], &t), 0);
		ck_assert_uint_eq(t.exit_status, 6);
	}
	ck_assert_int_eq(daemon_pid(), pid);
	remove_container("c1");
	shut_down();
}
END_TEST

/* Containers whose end the sandbox tells, or a `runsc wait`. */
START_TEST(pod)
{
	struct create_args a = { .in = "", .out = "", .err = "",
		.config_path = toml };
	static const char *const ids[] = { "pod", "k1", "k2" };
	int i;

	write_toml(_i ? "control_socket = \"off\"\n" : "");
	for (i = 0; i < COUNT(ids); i++) {
		a.id = ids[i];
		a.bundle = make_bundle(a.id, i == 1 ? held("\"exit:7\"") :
		    "\"hang\"", i ? POD("container") : POD("sandbox"), false);
		if (i == 0)
			start_shim("pod", a.bundle);
		ck_assert_msg(task_create(c, &a, NULL) == 0, "%s",
		    client_error);
		upgrade();
		ck_assert_msg(task_start(c, a.id, "", NULL) == 0, "%s",
		    client_error);
	}
	upgrade();
	upgrade();
	let_go();
	ends("k1", "", 7);
	ck_assert_int_eq(task_kill(c, "k2", "", SIGTERM, false), 0);
	ends("k2", "", 143);
	upgrade();
	remove_container("pod");
	shut_down();
}
END_TEST

/* -- the end of it --------------------------------------------------------- */

#define KILLS 20
#define SPREAD_US 6000		/* an upgrade takes about that */

/* Killed at any moment of it, a shim leaves what the verb `delete` removes.
 * UPGRADE_KILLS: how often. */
START_TEST(killed)
{
	const char *times = getenv("UPGRADE_KILLS");
	int i, n = times ? atoi(times) : KILLS, pid, status;
	char out[512];

	for (i = 0; i < n; i++) {
		run("c1", "\"hang\"");
		run_exec("e1", INSIDE("\"hang\""), "");
		pid = daemon_pid();
		client_send_full(c, "runsc.shim.v1.Shim", "Upgrade", NULL, 0,
		    0);
		usleep((useconds_t)(SPREAD_US / n * i));
		kill(pid, SIGKILL);
		await(waitpid(pid, &status, WNOHANG) == pid);
		client_close(c);
		c = NULL;
		ck_assert_int_eq(run_verb(in_dir("b/c1"), "c1", "delete", out,
		    sizeof(out), NULL), 0);
		processes_become(0);
		ck_assert_uint_eq(entries(in_dir("root/ns")), 0);
		unlink(address);
		remove_tree(in_dir("b"));
		mkdir(in_dir("b"), 0700);
	}
}
END_TEST

/* -- what is written ------------------------------------------------------- */

/* Of a shim with all that there is; UPGRADE_STATE names where to keep it, for
 * tests/golden/upgrade. */
START_TEST(written)
{
	struct create_args a = { .id = "pod", .in = "", .err = "",
		.config_path = toml };
	struct client *other;
	char uri[256], command[PATH_MAX + 256];
	int fd;

	fd = open_fifo("o");
	a.out = in_dir("o");
	a.bundle = make_bundle("pod", "\"fill:100000\",\"hang\"",
	    POD("sandbox"), false);
	start_shim("pod", a.bundle);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, "pod", "", NULL), 0);
	a.id = "k1";
	make_file("logger", "#!/bin/sh\nexec 5>&-\nexec cat <&3 >&4\n", 0700);
	snprintf(uri, sizeof(uri), "binary://%s", in_dir("logger"));
	a.out = uri;
	a.bundle = make_bundle("k1", "\"hang\"", POD("container"), false);
	ck_assert_msg(task_create(c, &a, NULL) == 0, "%s", client_error);
	ck_assert_int_eq(task_start(c, "k1", "", NULL), 0);
	a.id = "k2";
	ck_assert_int_eq(mkfifo(in_dir("late"), 0600), 0);
	a.out = in_dir("late");
	a.bundle = make_bundle("k2", "\"echo:x\",\"exit:7\"",
	    POD("container"), false);
	ck_assert_int_eq(task_create(c, &a, NULL), 0);
	ck_assert_int_eq(task_start(c, "k2", "", NULL), 0);
	ck_assert_int_eq(task_wait(c, "k2", "", NULL), 0);
	ck_assert_int_eq(task_exec(c, "pod", "e1", INSIDE("\"hang\""), "", "",
	    "", false), 0);
	ck_assert_int_eq(task_start(c, "pod", "e1", NULL), 0);
	ck_assert_int_eq(task_exec(c, "pod", "e2", INSIDE("\"hang\""), "", "",
	    "", false), 0);
	other = client_connect(address);
	task_wait_send(other, "pod", "");
	task_wait_send(other, "k1", "");
	client_send_raw(other, "\0\0", 2);
	sink_close();
	ck_assert_int_eq(task_kill(c, "pod", "e1", SIGTERM, false), 0);
	ck_assert_int_eq(task_wait(c, "pod", "e1", NULL), 0);
	snprintf(command, sizeof(command), "#!/bin/sh\ncat <&3 >%s\n"
	    "echo it is kept\nexit 1\n", in_dir("state"));
	make_file("next", command, 0755);
	ck_assert_int_eq(call(c, "Upgrade", in_dir("next")), PRECONDITION);
	ck_assert_msg(strstr(got.msg, "it is kept"), "%s", got.msg);
	snprintf(command, sizeof(command), "%s -resume-check=3 -namespace ns "
	    "3<%s >%s", shim, in_dir("state"), in_dir("says"));
	ck_assert_int_eq(system(command), 0);
	ck_assert_str_eq(read_text(in_dir("says")), "resumes " VERSION "\n");
	if (getenv("UPGRADE_STATE")) {
		snprintf(command, sizeof(command), "cp %s %s",
		    in_dir("state"), getenv("UPGRADE_STATE"));
		ck_assert_int_eq(system(command), 0);
	}
	sink_open(events_path);
	upgrade();
	client_close(other);
	close(fd);
	remove_container("k1");
	ends("k2", "", 7);
	remove_container("pod");
	shut_down();
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, version, idle, no_rest, no_answer, no_space,
	    no_terminal, too_much, comes_back, another_file, requests_wait,
	    events_wait, output, input, late_client, terminal,
	    ends_meanwhile, killed, written);
	tcase_add_loop_test(tc, no_successor, 0, COUNT(bad));
	tcase_add_loop_test(tc, logger, 0, 2);
	tcase_add_loop_test(tc, execs_go_on, 0, COUNT(execs));
	tcase_add_loop_test(tc, pod, 0, 2);
}

int
main(void)
{
	return host_run("upgrade", add);
}
