/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shimctl_upgrade_test: which program each shim is, and another for it; with
 * shims of our own for what the real one never answers.
 *
 * These are this program, copied to a name that a shim has, with the words
 * "serve MODE -namespace NS -id ID"; see serve().
 */
#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "wire/pb.h"
#include "wire/socket.h"
#include "wire/ttrpc.h"
#include "ctl.h"

#define SHIM_SERVICE "runsc.shim.v1.Shim"
#define NEW_VERSION "0.2.0"

/* -- a shim of our own ---------------------------------------------------- */

static void
put_status(struct pb_out *o, int code, const char *text)
{
	size_t mark = pb_begin(o, 1);

	pb_put_int(o, 1, code);
	pb_put_str(o, 2, text);
	pb_end(o, mark);
}

/* What was asked for is kept in the file $ASKED, a line each. */
static void
keep_asked(struct pb_bytes payload)
{
	struct pb_field f[2];
	FILE *file = fopen(getenv("ASKED"), "a");

	pb_read(payload, "-s", f);
	if (file) {
		fprintf(file, "%.*s\n", (int)f[1].b.n, (const char *)f[1].b.p);
		fclose(file);
	}
}

/*
 * One request, by what the shim is:
 *   able     upgrades, in 1.234567 ms; before: knows no such service
 *   busy     refuses to upgrade, with a reason; ends: instead of an answer
 *   slow     never answers Version; stuck: never answers Upgrade
 *   rude     answers with what no terminal should see
 */
static bool
answer(const char *mode, const char *exe, const struct pb_field *r,
    struct pb_out *o)
{
	size_t mark;

	if (pb_is(r[2].b, "Connect")) {
		mark = pb_begin(o, 2);
		pb_put_uint(o, 1, (uint64_t)getpid());
		pb_end(o, mark);
	} else if (!pb_is(r[1].b, SHIM_SERVICE) ||
	    strcmp(mode, "before") == 0) {
		put_status(o, 12, "unknown service");
	} else if (pb_is(r[2].b, "Version")) {
		if (strcmp(mode, "slow") == 0)
			pause();
		mark = pb_begin(o, 2);
		pb_put_str(o, 1, strcmp(mode, "rude") ? "0.1.0" : "\033[2J");
		pb_put_str(o, 2, exe);
		pb_end(o, mark);
	} else if (strcmp(mode, "busy") == 0) {
		put_status(o, 14, "a runsc create is under way");
	} else if (strcmp(mode, "stuck") == 0) {
		pause();
	} else if (strcmp(mode, "ends") == 0) {
		return false;
	} else {
		keep_asked(r[3].b);
		mark = pb_begin(o, 2);
		pb_put_str(o, 1, "0.1.0");
		pb_put_str(o, 2, NEW_VERSION);
		pb_put_uint(o, 3, 1234567);
		pb_end(o, mark);
	}
	return true;
}

/* The listening socket is descriptor 3; one connection after the other. */
static int
serve(const char *mode, const char *exe)
{
	uint8_t head[TTRPC_HEADER], body[4096], buf[1024];
	struct pb_field r[4];
	struct pb_out o;
	size_t n;
	int fd;

	while ((fd = accept(3, NULL, NULL)) >= 0) {
		while (recv(fd, head, sizeof(head), MSG_WAITALL) ==
		    (ssize_t)sizeof(head)) {
			n = ttrpc_get_u32(head);
			if (n > sizeof(body) ||
			    recv(fd, body, n, MSG_WAITALL) != (ssize_t)n ||
			    pb_read((struct pb_bytes){ body, n }, "-bbb", r))
				break;
			pb_out_init(&o, buf, sizeof(buf));
			if (!answer(mode, exe, r, &o))
				return 1;
			ttrpc_put_header(head, o.len,
			    ttrpc_get_u32(head + 4), TTRPC_RESPONSE);
			if (write(fd, head, sizeof(head)) < 0 ||
			    write(fd, o.p, o.len) < 0)
				break;
		}
		close(fd);
	}
	return 0;
}

/* Its socket, where a shim of the container would have it. */
static int
listen_for(const char *namespace, const char *id, int backlog)
{
	char address[SOCKET_ADDRESS_MAX];
	struct sockaddr_un sun;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	mkdir(in_dir("s"), 0700);
	ck_assert_int_eq(socket_address(in_dir("s"), in_dir("sock"), namespace,
	    id, address, sizeof(address)), 0);
	socket_fill(&sun, address + strlen(SOCKET_SCHEME));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static void
copy_self(const char *to)
{
	ck_assert_int_eq(shell("cp /proc/%d/exe %s.new && mv %s.new %s",
	    (int)getpid(), to, to, to), 0);
}

/* A shim that is this binary, a copy of this program. */
static pid_t
shim_at(const char *binary, const char *mode, const char *namespace,
    const char *id)
{
	int fd = listen_for(namespace, id, 8);
	pid_t pid;

	copy_self(binary);
	pid = fork();
	if (pid == 0) {
		dup2(fd, 3);
		if (fd != 3)
			close(fd);
		execl(binary, binary, "serve", mode, "-namespace", namespace,
		    "-id", id, (char *)NULL);
		_exit(99);
	}
	close(fd);
	return pid;
}

static pid_t
shim_of(const char *mode, const char *namespace, const char *id)
{
	char binary[PATH_MAX];

	setenv("ASKED", in_dir("asked"), 1);
	snprintf(binary, sizeof(binary), "%s-%s", in_dir("containerd-shim-"
	    "runsc-v1"), id);
	return shim_at(binary, mode, namespace, id);
}

static void
end_shim(pid_t pid)
{
	kill(pid, SIGKILL);
	status_of(pid);
	shell("rm -rf %s", in_dir("s"));
}

static const char *
asked(void)
{
	return read_text(in_dir("asked"));
}

/* -- the command line ----------------------------------------------------- */

START_TEST(usage)
{
	static const char *const lines[][4] = {
		{ "upgrade" }, { "upgrade", "--all", "c1" },
		{ "upgrade", "c1", "--to" }, { "upgrade", "" },
		{ "upgrade", "c1", "--exec", "e" }, { "ps", "--to", "/f" },
	};
	const char *const *l = lines[_i];

	ck_assert_int_eq(run(NULL, l[0], l[1], l[2], l[3]), 2);
	ck_says(err, "usage: shimctl");
	ck_assert_str_eq(out, "");
}
END_TEST
#define NUSAGE 6

START_TEST(nobody_there)
{
	ok("ps");
	ck_assert_str_eq(out, "");
	ok("upgrade", "--all");
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(run(NULL, "upgrade", "x"), 1);
	ck_says(err, "shimctl: upgrade -n default x: no shim serves container "
	    "x");
	ck_assert_int_eq(run(NULL, "upgrade", "--all", "--to",
	    in_dir("nowhere")), 1);
	ck_says(err, "nowhere: No such file or directory");
}
END_TEST

/* -- upgrade -------------------------------------------------------------- */

START_TEST(one_by_name)
{
	pid_t pid = shim_of("able", "default", "c1");
	char text[PATH_MAX + 2];

	ok("upgrade", "c1");
	ck_assert_str_eq(out, "default c1 0.1.0 -> " NEW_VERSION
	    " 1.234 ms\n");
	ck_assert_str_eq(err, "");
	ck_assert_str_eq(asked(), "\n");
	/* By whatever name, the shim gets the file's own. */
	unlink(in_dir("asked"));
	write_text(in_dir("file"), "x");
	ck_assert_int_eq(symlink("file", in_dir("link")), 0);
	ok("upgrade", "c1", "--to", in_dir("link"));
	ck_assert_ptr_nonnull(realpath(in_dir("file"), text));
	strcat(text, "\n");
	ck_assert_str_eq(asked(), text);
	end_shim(pid);
}
END_TEST

/* A pod's containers have one shim, which is upgraded once. */
START_TEST(once_for_a_pod)
{
	pid_t pid = shim_of("able", "default", "p1");
	char text[512];

	mkdir(in_dir("state"), 0700);
	ck_assert_int_eq(shell("mkdir -p %s/io.containerd.runtime.v2.task/"
	    "default/c2", in_dir("state")), 0);
	ck_assert_int_eq(socket_address(in_dir("s"), in_dir("sock"), "default",
	    "p1", text, sizeof(text)), 0);
	write_text(in_dir("state/io.containerd.runtime.v2.task/default/c2/"
	    "address"), text);
	ok("upgrade", "c2", "p1", "c2");
	ck_assert_str_eq(out, "default p1 0.1.0 -> " NEW_VERSION
	    " 1.234 ms\n");
	ck_assert_str_eq(asked(), "\n");
	end_shim(pid);
}
END_TEST

/* Each that cannot is told of, and the others are upgraded. */
START_TEST(some_of_all)
{
	static const char *const modes[] = { "busy", "able", "before", "ends",
		"able" };
	pid_t pids[5];
	char id[3] = "c0", said[64];
	int i;

	for (i = 0; i < 5; i++) {
		id[1] = (char)('0' + i);
		pids[i] = shim_of(modes[i], i == 4 ? "other" : "default", id);
	}
	ck_assert_int_eq(run(NULL, "upgrade", "--all"), 1);
	ck_says(out, "default c1 0.1.0 -> " NEW_VERSION " 1.234 ms\n");
	ck_says(out, "other c4 0.1.0 -> " NEW_VERSION " 1.234 ms\n");
	ck_assert_str_eq(asked(), "\n\n");
	ck_says(err, "shimctl: upgrade -n default c0: a runsc create is under "
	    "way\n");
	ck_says(err, "shimctl: upgrade -n default c2: it began before there "
	    "was upgrade in place");
	ck_says(err, "shimctl: upgrade -n default c3: the shim at ");
	ck_says(err, "closed the connection");
	/* In one namespace, if it is named; what has ended is no failure. */
	ok("-n", "other", "upgrade", "--all");
	ck_assert_str_eq(out, "other c4 0.1.0 -> " NEW_VERSION
	    " 1.234 ms\n");
	ck_assert_int_eq(run(NULL, "upgrade", "c0", "c1"), 1);
	snprintf(said, sizeof(said), "default c1 0.1.0 -> %s 1.234 ms\n",
	    NEW_VERSION);
	ck_assert_str_eq(out, said);
	ck_says(err, "a runsc create is under way\n");
	for (i = 0; i < 5; i++)
		end_shim(pids[i]);
}
END_TEST

/* The directory is that of all runtimes' shims. */
START_TEST(others_shims)
{
	pid_t pid = shim_at(in_dir("containerd-shim-runc-v2"), "before",
	    "default", "c1");

	ok("upgrade", "--all");
	ck_assert_str_eq(out, "");
	ck_assert_str_eq(err, "");
	ok("ps");
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(run(NULL, "upgrade", "c1"), 1);
	ck_says(err, "another program than this shim");
	end_shim(pid);
}
END_TEST

START_TEST(stuck)
{
	pid_t pid = shim_of(_i ? "slow" : "stuck", "default", "c1");

	ck_assert_int_eq(run(NULL, "--timeout", "1", "upgrade", "--all"), 1);
	ck_says(err, "shimctl: upgrade -n default c1: the shim at ");
	ck_says(err, "does not answer\n");
	ck_assert_str_eq(out, "");
	end_shim(pid);
}
END_TEST

/* -- which program it is -------------------------------------------------- */

/* Of the one line of ps: pid, version and what is said of it, then the rest. */
static void
ps_says(pid_t pid, const char *version, const char *word, const char *rest)
{
	char text[256];

	snprintf(text, sizeof(text), "%8d %-8s %-8s %s ", (int)pid, version,
	    word, rest);
	ok("ps");
	ck_assert_msg(strncmp(out, text, strlen(text)) == 0, "no \"%s\" in: %s",
	    text, out);
	ck_assert_int_eq(strcspn(out, "\n") + 1, strlen(out));
}

START_TEST(ages)
{
	pid_t pid = shim_of(_i ? "before" : "able", "k8s.io", "c1");
	const char *version = _i ? "-" : "0.1.0";
	const char *binary = in_dir("containerd-shim-runsc-v1-c1");

	ps_says(pid, version, "current", "k8s.io c1");
	/* The same once more is nothing new, another byte is, or one more. */
	copy_self(binary);
	ps_says(pid, version, "current", "k8s.io c1");
	ck_assert_int_eq(shell("printf x | dd of=%s bs=1 seek=9 conv=notrunc "
	    "2>/dev/null", binary), 0);
	ps_says(pid, version, "old", "k8s.io c1");
	copy_self(binary);
	ck_assert_int_eq(shell("printf x >>%s", binary), 0);
	ps_says(pid, version, "old", "k8s.io c1");
	unlink(binary);
	ps_says(pid, version, "removed", "k8s.io c1");
	/* What has nothing to read is no reason to wait. */
	mkfifo(binary, 0600);
	ps_says(pid, version, "old", "k8s.io c1");
	unlink(binary);
	end_shim(pid);
}
END_TEST

/* One that does not answer holds up the others for its time, and no more. */
START_TEST(hangs)
{
	pid_t slow = shim_of("slow", "default", "c1");
	pid_t able = shim_of("able", "default", "c2");
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	int fds[3], full = listen_for("default", "c3", 0);
	size_t i;

	/* It is stopped, and has no room for one more that waits. */
	ck_assert_int_eq(getsockname(full, (struct sockaddr *)&sun, &len), 0);
	for (i = 0; i < 3; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)&sun, sizeof(sun));
	}
	ok("--timeout", "1", "ps");
	ck_says(out, " -        hangs    default c1 /");
	ck_says(out, " 0.1.0    current  default c2 /");
	ck_says(out, "       0 -        hangs    - - /");
	ok("--timeout", "1", "list");
	ck_says(out, "       0 hangs    - - /");
	ck_assert_int_eq(run(NULL, "--timeout", "1", "state", "c3"), 1);
	ck_says(err, "does not answer\n");
	for (i = 0; i < 3; i++)
		close(fds[i]);
	close(full);
	end_shim(slow);
	end_shim(able);
}
END_TEST

START_TEST(rude)
{
	pid_t pid = shim_of("rude", "default", "c1");

	ps_says(pid, "?[2J", "current", "default c1");
	end_shim(pid);
}
END_TEST

START_TEST(full_output)
{
	pid_t pid = shim_of("able", "default", "c1");
	static const char *const commands[] = { "ps", "upgrade c1",
		"upgrade --all" };
	size_t i;

	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(shell("$ctl %s 2>%s >/dev/full", commands[i],
		    in_dir("err")) >> 8, 1);
		ck_says(read_text(in_dir("err")), "No space left on device\n");
	}
	end_shim(pid);
}
END_TEST

/* -- the real one ---------------------------------------------------------- */

static void
install(const char *binary, const char *more)
{
	ck_assert_int_eq(shell("cp %s %s.new && printf '%s' >>%s.new && "
	    "mv %s.new %s", shim, binary, more, binary, binary, binary), 0);
}

START_TEST(new_package)
{
	const char *binary = in_dir("containerd-shim-runsc-v1");
	char *bundle = make_bundle("c1", "\"hang\"", "", false);

	install(binary, "");
	ck_assert_int_eq(shell("$ctl start-shim --shim %s %s c1 >/dev/null",
	    binary, bundle), 0);
	ok("create", bundle, "c1");
	ok("start", "c1");
	ok("ps");
	ck_says(out, " current  default c1 /");
	install(binary, "x");
	ok("ps");
	ck_says(out, " old      default c1 /");
	ok("upgrade", "c1");
	ck_assert_int_eq(strncmp(out, "default c1 " VERSION " -> " VERSION " ",
	    strlen("default c1 " VERSION " -> " VERSION " ")), 0);
	ok("ps");
	ck_says(out, " current  default c1 /");
	/* What cannot be is told of, and nothing has changed. */
	ck_assert_int_eq(run(NULL, "upgrade", "c1", "--to", "/bin/true"), 1);
	ck_says(err, "shimctl: upgrade -n default c1: the successor says no");
	unlink(binary);
	ck_assert_int_eq(run(NULL, "upgrade", "--all"), 1);
	ck_says(err, "No such file or directory");
	/* Another file is its own from then on. */
	ok("upgrade", "--all", "--to", shim);
	ok("ps");
	ck_says(out, " current  default c1 /");
	ck_assert_int_eq(run(NULL, "exec", "c1", "fake", "exit:7"), 7);
	end_container("c1");
}
END_TEST

static void
add(TCase *tc)
{
	suite_add(tc, new_package, nobody_there, one_by_name, once_for_a_pod,
	    some_of_all, others_shims, hangs, rude, full_output);
	tcase_add_loop_test(tc, usage, 0, NUSAGE);
	tcase_add_loop_test(tc, stuck, 0, 2);
	tcase_add_loop_test(tc, ages, 0, 2);
}

int
main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argv[0]);
	return ctl_run("shimctl_upgrade", add);
}
