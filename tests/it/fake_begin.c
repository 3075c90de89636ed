/* SPDX-License-Identifier: Apache-2.0 */
/* fake_begin: the commands that begin a process: create, start, restore, exec. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Start ourselves under another name; the child keeps keep[i] as 3 + i. */
static pid_t
spawn_self(const char *const *argv, const int *keep, int nkeep,
    const int *stdio, bool session)
{
	int i, high[4];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	if (session)
		setsid();
	for (i = 0; i < nkeep; i++)
		high[i] = fcntl(keep[i], F_DUPFD_CLOEXEC, 64);
	for (i = 0; i < 3; i++)
		if (stdio != NULL && stdio[i] != i)
			dup2(stdio[i], i);
	for (i = 0; i < nkeep; i++)
		dup2(high[i], 3 + i);
	execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(127);
}

static pid_t
spawn_gofer(const char *bundle, int conn)
{
	const char *argv[] = { "runsc-gofer", join("--root=%s", root_dir),
		"gofer", "--bundle", bundle, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int stdio[] = { null, null, null };
	pid_t pid = spawn_self(argv, &conn, 1, stdio, false);

	close(null);
	return pid;
}

/* A terminal whose master went to the socket at path; its slave. */
static int
open_console(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int master, slave, sock;
	char name[64];

	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, name, sizeof(name)) != 0)
		fail("creating pty: %s", strerror(errno));
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (strlen(path) >= sizeof(a.sun_path))
		fail("console socket: dial unix %s: invalid argument", path);
	strcpy(a.sun_path, path);
	if (connect(sock, (struct sockaddr *)&a, sizeof(a)) < 0)
		fail("console socket: dial unix %s: %s", path,
		    strerror(errno));
	if (!send_fds(sock, "pty-master", 10, &master, 1))
		fail("sending pty: %s", strerror(errno));
	close(sock);
	close(master);
	return slave;
}

static char *
annotation(const char *config, const char *cri, const char *crio)
{
	const char *a = json_get(config, "annotations");
	char *v = json_string(json_get(a, cri));

	return v != NULL ? v : json_string(json_get(a, crio));
}

static void
create_root(struct state *s, int tty)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *argv[] = { "runsc-sandbox", join("--root=%s", root_dir),
		"--log-format=json", "boot", "--bundle", s->bundle, s->id,
		NULL };
	int dir, pair[2], keep[3], stdio[] = { 0, 1, 2 };

	if (tty >= 0)
		stdio[0] = stdio[1] = stdio[2] = tty;
	dir = open(root_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s.ctl",
	    dir, s->sid);
	keep[0] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(keep[0], (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(keep[0], 64) < 0)
		fail("creating container: cannot create sandbox: creating "
		    "control server socket for sandbox \"%s\": %s", s->sid,
		    strerror(errno));
	/* Its peer is who listens: the sandbox. */
	snprintf(a.sun_path, sizeof(a.sun_path),
	    "/proc/self/fd/%d/runsc-%s.sock", dir, s->sid);
	keep[2] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(keep[2], (struct sockaddr *)&a, sizeof(a)) < 0)
		fail("creating control socket: %s", strerror(errno));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		fail("socketpair: %s", strerror(errno));
	s->gofer_pid = spawn_gofer(s->bundle, pair[0]);
	keep[1] = pair[1];
	s->sandbox_pid = spawn_self(argv, keep, 3, stdio, true);
	if (s->gofer_pid < 0 || s->sandbox_pid < 0)
		fail("fork: %s", strerror(errno));
	close(dir);
}

static void
create_sub(struct state *s, int tty)
{
	struct state sandbox;

	if (!state_find(&sandbox, s->sid) ||
	    !pid_alive(sandbox.sandbox_pid))
		fail("creating container: loading sandbox: file does not "
		    "exist");
	s->sandbox_pid = sandbox.sandbox_pid;
	ctl_must(ctl_ask(s->sid, join("create\n%s", s->id), &tty,
	    tty >= 0), "creating container");
}

static void
create(struct flags *f)
{
	char *path = join("%s/config.json", f->bundle), *config, *type;
	const char *id = f->args[0], *annotations;
	struct state s;
	int tty = -1;

	config = read_file(path);
	if (config == NULL)
		fail("reading spec: error opening spec file \"%s\": open %s: "
		    "no such file or directory", path, path);
	if (json_get(config, "process") == NULL)
		fail("reading spec: error unmarshaling spec from file \"%s\"",
		    path);
	if (*id == '\0' || id[strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghi"
	    "jklmnopqrstuvwxyz0123456789_+.-")] != '\0')
		fail("creating container: invalid container id: %s", id);
	memset(&s, 0, sizeof(s));
	s.id = strdup(id);
	s.bundle = realpath(f->bundle, NULL);
	type = annotation(config, "io.kubernetes.cri.container-type",
	    "io.kubernetes.cri-o.ContainerType");
	s.sid = type != NULL && strcmp(type, "container") == 0 ?
	    annotation(config, "io.kubernetes.cri.sandbox-id",
	    "io.kubernetes.cri-o.SandboxID") : s.id;
	if (s.sid == NULL)
		fail("creating container: no sandbox ID found for "
		    "sub-container");
	annotations = json_get(config, "annotations");
	s.annotations = annotations == NULL ? strdup("null") :
	    strndup(annotations, (size_t)(json_skip(annotations) -
	    annotations));
	if (access(state_path(&s, "state"), F_OK) == 0) {
		unlink(state_path(&s, "state"));
		unlink(state_path(&s, "lock"));
		fail("creating container: cannot lock container metadata "
		    "file: container already exists");
	}
	if (json_true(json_get(json_get(config, "process"), "terminal")) &&
	    f->console != NULL)
		tty = open_console(f->console);
	if (is_root(&s))
		create_root(&s, tty);
	else
		create_sub(&s, tty);
	strcpy(s.status, "created");
	state_save(&s);
	if (f->pid_file != NULL && !no_pid_file)
		write_file(f->pid_file, pid_text != NULL ? pid_text :
		    join("%d", s.sandbox_pid));
}

void
cmd_create(struct flags *f)
{
	create(f);
	done();
}

void
cmd_start(struct flags *f)
{
	const char *process, *reply, *args;
	int fds[4], nfds = 0, pair[2], i;
	struct state s;
	char *config;

	state_load(&s, f->args[0], "container");
	if (strcmp(s.status, "created") != 0)
		fail("starting container: cannot start container \"%s\" in "
		    "state %s", s.id, s.status);
	if (s.start_failed)
		fail("starting container: setting up network: duplicate nic "
		    "id");
	config = read_file(join("%s/config.json", s.bundle));
	process = json_get(config, "process");
	if (process == NULL)
		fail("starting container: no spec in %s", s.bundle);
	args = json_get(process, "args");
	if (!is_root(&s)) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
		    pair) < 0)
			fail("socketpair: %s", strerror(errno));
		s.gofer_pid = spawn_gofer(s.bundle, pair[0]);
		close(pair[0]);
		fds[nfds++] = pair[1];
		for (i = 0; i < 3 && !json_true(json_get(process, "terminal"));
		    i++)
			fds[nfds++] = i;
	}
	reply = ctl_ask(s.sid, join("start\n%s\n%s", s.id, process), fds,
	    nfds);
	if (strncmp(reply, "ok", 2) != 0) {
		/* A sub-container's gofer ends by itself, without its peer. */
		s.start_failed = is_root(&s);
		if (!is_root(&s))
			s.gofer_pid = 0;
		state_save(&s);
		ctl_must(reply, is_root(&s) ?
		    "starting container: starting root container: starting "
		    "sandbox: creating process" :
		    join("starting container: starting sub-container [%s]: "
		    "creating process", json_strings(args)[0]));
	}
	strcpy(s.status, "running");
	state_save(&s);
	done();
}

/* Dies, and leaves somebody to go on later, who by his arguments and process
 * group is not runsc's: what the sandbox has been asked for comes to be. */
static void
die_and_go_on(void)
{
	char **a, c;
	int ready[2];

	if (pipe(ready) < 0)
		fail("pipe");
	if (fork() > 0) {
		close(ready[1]);
		if (read(ready[0], &c, 1) == 0)
			raise(SIGKILL);
	}
	setsid();
	for (a = own_argv; *a != NULL; a++)
		memset(*a, 0, strlen(*a));
	close(ready[0]);
	close(ready[1]);
	sleep_ms(die_ms);
}

/* In the detached child: live as long as the process does. */
void
exec_run(struct flags *f, const char *process, const char *id)
{
	const char *reply, *p;
	struct state s;
	int fds[] = { 0, 1, 2 }, fd;
	char *msg;

	state_load(&s, id, "sandbox");
	if (strcmp(s.status, "running") != 0)
		fail("executing processes for container: cannot execute in "
		    "container \"%s\" in state %s", s.id, s.status);
	msg = join("exec\n%s\n%s", s.id, process);
	fd = ctl_connect(s.sid);
	if (die_started && die_ms > 0)
		die_and_go_on();
	if (fd < 0 || !send_fds(fd, msg, strlen(msg), fds, 3))
		fail("executing processes for container: connecting to "
		    "control server: connection refused");
	reply = ctl_reply(fd);
	p = ctl_must(reply, join("executing processes for container: "
	    "executing command \"%s\" in sandbox",
	    json_strings(json_get(process, "args"))[0]));
	if (die_started) {
		log_call(2, (char *[]){ NULL, (char *)"exec-is-left" });
		raise(SIGKILL);
	}
	if (f->internal_pid_file != NULL && !no_pid_file &&
	    !no_inner_pid_file)
		write_file(f->internal_pid_file, p);
	if (f->pid_file != NULL && !no_pid_file)
		write_file(f->pid_file, join("%d", getpid()));
	reply = ctl_reply(fd);
	if (*reply == '\0')
		fail("waiting on pid: sandbox is gone");
	exit(atoi(ctl_must(reply, "waiting on pid")));
}

static bool
pid_file_is(const char *path, pid_t pid)
{
	char *text = path != NULL ? read_file(path) : NULL;
	bool is = text != NULL && atoi(text) == pid;

	free(text);
	return is;
}

void
cmd_exec(struct flags *f, int argc, char **argv)
{
	char *process, **args = calloc((size_t)argc + 2, sizeof(*args));
	int i, n = 0, ms, tty = -1, stdio[] = { 0, 1, 2 };
	siginfo_t ended;
	pid_t pid;

	process = f->process != NULL ? read_file(f->process) : NULL;
	if (process == NULL)
		fail("parsing process spec: error opening process file: %s, "
		    "open %s: no such file or directory", f->process,
		    f->process);
	if (!f->detach)
		exec_run(f, process, f->args[0]);
	args[n++] = (char *)"runsc-exec";
	/* runsc's own way, with what comes of it for a path with this word. */
	for (i = 1; i < argc; i++)
		if (strstr(argv[i], "detach") == NULL)
			args[n++] = argv[i];
	if (json_true(json_get(process, "terminal")) && f->console != NULL) {
		tty = open_console(f->console);
		stdio[0] = stdio[1] = stdio[2] = tty;
	}
	pid = spawn_self((const char *const *)(uintptr_t)args, NULL, 0, stdio,
	    tty >= 0);
	for (ms = 0; ms < 10000; ms += 2) {
		if (pid_file_is(f->pid_file, pid)) {
			if (pid_text != NULL)
				write_file(f->pid_file, pid_text);
			done();
		}
		/* Looked at and not reaped: its status is the shim's. */
		ended.si_pid = 0;
		if (waitid(P_PID, (id_t)pid, &ended,
		    WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == pid) {
			if (pid_file_is(f->pid_file, pid))
				done();
			/* It has said why, in the same log. */
			if (no_pid_file)
				done();
			exit(FAILED);
		}
		sleep_ms(2);
	}
	fail("waiting for child's PID file: context deadline exceeded");
}

/* create and start at once; what was saved is not looked at any further. */
void
cmd_restore(struct flags *f)
{
	char *image;

	if (f->image_path == NULL)
		fail("image-path flag must be provided");
	image = read_file(join("%s/checkpoint.img", f->image_path));
	create(f);
	if (image == NULL || strcmp(image, "gVisorSFbad") == 0)
		fail("restoring container: restoring container \"%s\": "
		    "bad state file", f->args[0]);
	cmd_start(f);
}
