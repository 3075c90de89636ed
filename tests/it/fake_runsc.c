/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_runsc: a runsc for tests, that needs neither root nor gVisor.
 *
 * It takes runsc's command lines and answers as runsc 20221219 does: output,
 * exit status (128 for an error), error objects appended to --log, pid files,
 * console socket, state files <id>_sandbox:<sid>.state below --root, and the
 * process tree:
 *   runsc-sandbox  session leader; the shim's orphan after `create`.  Serves
 *                  <root>/<sid>.ctl, runs the processes of all its containers
 *                  as its children, exits with the root container's status;
 *                  and the control socket that shims know,
 *                  <root>/runsc-<sid>.sock, for Wait, Signal and Processes
 *   runsc-gofer    one per container; ends when the sandbox lets go of it
 *   runsc-exec     one per `exec --detach`; exits with the process's status
 * Even runsc's faults are there where a shim must live with them: `create` of
 * a taken id forgets the container that has it, an id that begins like
 * another's finds that one, `delete` waits 5 s for a zombie.
 *
 * A container's process is really executed (on the host, without a root file
 * system), or, if its args[0] is "fake", is a program of these words, one
 * argument each:
 *   echo:TEXT err:TEXT   a line on stdout, stderr
 *   out:TEXT             the same without a newline
 *   fill:N               N bytes on stdout: lines of 64, each its number
 *   cat                  stdin to stdout until end of file
 *   read                 one line of stdin, printed as "got:LINE"
 *   sleep:MS exit:N kill:SIG ignore:SIG close:FD
 *   hang                 for ever
 *   fork:MS              a child that holds stdio for MS
 *   tty size             "tty" or "not a tty"; "ROWS COLS" of stdin
 *   on-winch             wait for a SIGWINCH, then print "ROWS COLS"
 *   touch:FILE wait:FILE create FILE; wait until it exists
 * After the last word it exits 0.  "/pause", which is mounted in a sandbox's
 * root alone, only sleeps.
 *
 * FAKE_RUNSC holds rules, or (beginning with '/') names a file with them that
 * is read at every call: `COMMAND[@ID]:ACTION[=VALUE][#N]`, separated by ';'
 * or newline; COMMAND * is any, `detached` is runsc-exec.  #N: only the first
 * N calls that match.
 *   hang             never return           delay=MS   first wait
 *   late=MS          wait after the work    exit=N     do nothing but exit N
 *   fail=TEXT        error TEXT, no work    fail-once[=TEXT]  fail, #1
 *   fail-after=TEXT  work, then the error   sig[=N]    die of SIGKILL or N
 *   stdout=TEXT stderr=TEXT   printed first, then go on
 *   big=N            N bytes on stderr first
 *   log=TEXT         appended to --log as it is, then go on
 *   reply=TEXT       print TEXT and exit 0, no work
 *   unknown          as a runsc that has no such command
 *   no-pid           (create, exec) write no pid file
 *   no-inner-pid     (exec) write no internal pid file
 *   pid=TEXT         (create, exec) what the pid file is to hold
 *   die              (detached) of SIGKILL, with the process started
 * Of the first actions that end the call only one acts; the others add up.
 * COMMAND socket is the control socket, with METHOD for an ID:
 *   hang             no reply               close      instead of a reply
 *   half             half a reply           huge       a reply of 2 MiB
 *   raw=TEXT         TEXT for a reply       fail=TEXT  refuse
 *
 * FAKE_RUNSC_LOG names a file to which each call appends a line: seconds, the
 * number of inherited descriptors above 2, and its arguments, with blanks in
 * them as \x20.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_CAP 4096
#define STOP_WAIT_MS 5000

static const char *root_dir = "/var/run/runsc";
static const char *rule_id = "";	/* the container it is about */
static bool no_pid_file, no_inner_pid_file, die_started;
static const char *pid_text;	/* in the place of the pid */
static const char *fail_after;
static long late_ms;

/* rules */

/* Whether this rule still acts; each time it does is a byte in a file. */
static bool
rule_left(const char *rule, long times)
{
	const char *log = getenv("FAKE_RUNSC_LOG");
	unsigned long hash = 5381;
	const char *p;
	struct stat st;
	bool left;
	char *path;
	int fd;

	for (p = rule; *p != '\0'; p++)
		hash = hash * 33 + (unsigned char)*p;
	path = log != NULL ? join("%s.%lx", log, hash) :
	    join("%s/.rule-%lx", root_dir, hash);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
		return true;
	left = st.st_size < times;
	if (left)
		write_all(fd, "x", 1);
	close(fd);
	return left;
}

static void
rule_act(const char *action, const char *value)
{
	long n = atol(value);

	if (strcmp(action, "hang") == 0) {
		hang();
	} else if (strcmp(action, "delay") == 0) {
		sleep_ms(n);
	} else if (strcmp(action, "late") == 0) {
		late_ms = n;
	} else if (strcmp(action, "exit") == 0) {
		exit((int)n);
	} else if (strcmp(action, "fail") == 0) {
		fail("%s", *value != '\0' ? value : "fake failure");
	} else if (strcmp(action, "fail-after") == 0) {
		fail_after = strdup(value);
	} else if (strcmp(action, "sig") == 0) {
		raise(n > 0 ? (int)n : SIGKILL);
	} else if (strcmp(action, "stdout") == 0) {
		printf("%s\n", value);
		fflush(stdout);
	} else if (strcmp(action, "stderr") == 0) {
		fprintf(stderr, "%s\n", value);
	} else if (strcmp(action, "big") == 0) {
		while (n-- > 0)
			write_all(2, n % 64 == 0 ? "\n" : "x", 1);
	} else if (strcmp(action, "log") == 0) {
		if (log_fd >= 0)
			write_all(log_fd, value, strlen(value));
	} else if (strcmp(action, "reply") == 0) {
		printf("%s", value);
		exit(0);
	} else if (strcmp(action, "unknown") == 0) {
		usage();
	} else if (strcmp(action, "no-pid") == 0) {
		no_pid_file = true;
	} else if (strcmp(action, "pid") == 0) {
		pid_text = strdup(value);
	} else if (strcmp(action, "die") == 0) {
		die_started = true;
	} else if (strcmp(action, "no-inner-pid") == 0) {
		no_inner_pid_file = true;
	} else {
		fprintf(stderr, "fake runsc: bad rule %s\n", action);
		exit(99);
	}
}

static void
rule_apply(char *rule)
{
	char *whole = strdup(rule), *action, *id, *value, *hash;
	long times = 0;

	action = strchr(rule, ':');
	if (action == NULL)
		return;
	*action++ = '\0';
	id = strchr(rule, '@');
	if (id != NULL) {
		*id++ = '\0';
		if (strcmp(id, rule_id) != 0)
			return;
	}
	if (strcmp(rule, "*") != 0 && strcmp(rule, command) != 0)
		return;
	hash = strrchr(action, '#');
	if (hash != NULL && hash[1] != '\0' &&
	    hash[1 + strspn(hash + 1, "0123456789")] == '\0') {
		*hash = '\0';
		times = atol(hash + 1);
	}
	value = strchr(action, '=');
	if (value != NULL)
		*value++ = '\0';
	if (strcmp(action, "fail-once") == 0) {
		action = (char *)"fail";
		times = 1;
	}
	if (times > 0 && !rule_left(whole, times))
		return;
	rule_act(action, value != NULL ? value : "");
}

static void
rules_apply(void)
{
	const char *env = getenv("FAKE_RUNSC");
	char *text, *rule, *save = NULL;

	if (env == NULL || *env == '\0')
		return;
	text = *env == '/' ? read_file(env) : strdup(env);
	if (text == NULL)
		return;
	for (rule = strtok_r(text, ";\n", &save); rule != NULL;
	    rule = strtok_r(NULL, ";\n", &save))
		rule_apply(rule + strspn(rule, " \t"));
}

static void
log_call(int argc, char **argv)
{
	const char *path = getenv("FAKE_RUNSC_LOG");
	static char line[MSG_CAP];
	struct timespec t;
	size_t n;
	int fd, i, inherited = 0;
	char *p;

	for (i = 3; i < 1024; i++)
		if (fcntl(i, F_GETFD) >= 0)
			inherited++;
	if (path == NULL)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	n = (size_t)snprintf(line, sizeof(line), "%lld.%06ld %d",
	    (long long)t.tv_sec, t.tv_nsec / 1000, inherited);
	for (i = 1; i < argc; i++) {
		line[n++] = ' ';
		for (p = argv[i]; *p != '\0' && n < sizeof(line) - 16; p++)
			if (*p == ' ' || *p == '\n' || *p == '\\')
				n += (size_t)sprintf(line + n, "\\x%02x", *p);
			else
				line[n++] = *p;
	}
	line[n++] = '\n';
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	write_all(fd, line, n);
	close(fd);
}

/* The end of a command that has done its work. */
static void
done(void)
{
	if (late_ms > 0)
		sleep_ms(late_ms);
	if (fail_after != NULL)
		fail("%s", fail_after);
	fflush(stdout);
	exit(0);
}

/* a container's state file */

struct state {
	char *id, *sid, *bundle, *annotations;
	char status[16];
	pid_t sandbox_pid, gofer_pid;
	bool start_failed;
};

static bool
is_root(const struct state *s)
{
	return strcmp(s->id, s->sid) == 0;
}

static char *
state_path(const struct state *s, const char *suffix)
{
	return join("%s/%s_sandbox:%s.%s", root_dir, s->id, s->sid, suffix);
}

static void
state_save(const struct state *s)
{
	char *path = state_path(s, "state"), *tmp = state_path(s, "tmp");

	write_file(tmp, join("{\"id\":%s,\"bundle\":%s,\"status\":\"%s\","
	    "\"goferPid\":%d,\"sandbox\":{\"id\":%s,\"pid\":%d,"
	    "\"controlSocketPath\":%s},"
	    "\"startFailed\":%s,\"annotations\":%s}", quote(s->id),
	    quote(s->bundle), s->status, s->gofer_pid, quote(s->sid),
	    s->sandbox_pid, quote(join("%s/runsc-%s.sock", root_dir, s->sid)),
	    s->start_failed ? "true" : "false",
	    s->annotations));
	if (rename(tmp, path) < 0)
		fail("rename %s: %s", tmp, strerror(errno));
	close(open(state_path(s, "lock"), O_WRONLY | O_CREAT | O_CLOEXEC,
	    0600));
}

static void
state_remove(const struct state *s)
{
	unlink(state_path(s, "state"));
	unlink(state_path(s, "lock"));
	if (is_root(s)) {
		unlink(join("%s/%s.ctl", root_dir, s->sid));
		unlink(join("%s/runsc-%s.sock", root_dir, s->sid));
	}
}

static bool
state_read(struct state *s, const char *path)
{
	char *text = read_file(path);
	const char *sandbox, *annotations;

	if (text == NULL)
		return false;
	sandbox = json_get(text, "sandbox");
	s->id = json_string(json_get(text, "id"));
	s->bundle = json_string(json_get(text, "bundle"));
	s->sid = json_string(json_get(sandbox, "id"));
	annotations = json_get(text, "annotations");
	if (s->id == NULL || s->sid == NULL || annotations == NULL)
		return false;
	s->annotations = strndup(annotations,
	    (size_t)(json_skip(annotations) - annotations));
	snprintf(s->status, sizeof(s->status), "%s",
	    json_string(json_get(text, "status")));
	s->sandbox_pid = atoi(json_get(sandbox, "pid"));
	s->gofer_pid = atoi(json_get(text, "goferPid"));
	s->start_failed = json_true(json_get(text, "startFailed"));
	return true;
}

/* As runsc: any container whose id begins with id, if it is the only one. */
static bool
state_find(struct state *s, const char *id)
{
	DIR *d = opendir(root_dir);
	struct dirent *de;
	char *hit = NULL;
	int hits = 0;

	while (d != NULL && (de = readdir(d)) != NULL) {
		size_t n = strlen(de->d_name);

		if (strncmp(de->d_name, id, strlen(id)) != 0 || n < 6 ||
		    strcmp(de->d_name + n - 6, ".state") != 0 ||
		    strstr(de->d_name, "_sandbox:") == NULL)
			continue;
		hits++;
		hit = strdup(de->d_name);
	}
	if (d != NULL)
		closedir(d);
	if (hits > 1)
		fail("loading container: id \"%s\" is ambiguous and could "
		    "refer to multiple containers", id);
	return hits == 1 && state_read(s, join("%s/%s", root_dir, hit));
}

/* talking to the sandbox: one request and one or two replies a connection */

static int
ctl_connect(const char *sid)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, dir = open(root_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	/* However long root_dir is. */
	if (dir < 0 || (size_t)snprintf(a.sun_path, sizeof(a.sun_path),
	    "/proc/self/fd/%d/%s.ctl", dir, sid) >= sizeof(a.sun_path))
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		fd = -1;
	}
	close(dir);
	return fd;
}

static bool
send_fds(int sock, const char *text, size_t len, const int *fds, int nfds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(4 * sizeof(int))];
	} u;
	struct iovec iov = { (void *)(uintptr_t)text, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	memset(&u, 0, sizeof(u));
	if (nfds > 0) {
		m.msg_control = u.buf;
		m.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)nfds * sizeof(int));
	}
	return sendmsg(sock, &m, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Ask, and get the text of the reply: "ok ..." or "err TEXT"; "" where the
 * sandbox is gone. */
static const char *
ctl_reply(int fd)
{
	static char buf[MSG_CAP];
	ssize_t n;

	do {
		n = recv(fd, buf, sizeof(buf) - 1, 0);
	} while (n < 0 && errno == EINTR);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static const char *
ctl_ask(const char *sid, const char *text, const int *fds, int nfds)
{
	const char *reply;
	int fd = ctl_connect(sid);

	if (fd < 0 || !send_fds(fd, text, strlen(text), fds, nfds)) {
		close(fd);
		return "";
	}
	reply = ctl_reply(fd);
	close(fd);
	return reply;
}

/* The text behind "ok "; otherwise fail with context. */
static const char *
ctl_must(const char *reply, const char *context)
{
	if (strncmp(reply, "ok", 2) == 0)
		return reply + 2 + (reply[2] == ' ');
	if (*reply == '\0')
		fail("%s: sandbox is not running", context);
	fail("%s: %s", context, reply + 4);
	return NULL;
}

/* runsc's rule: a zombie counts as running. */
static bool
pid_alive(pid_t pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

static void
state_load(struct state *s, const char *id, const char *what)
{
	if (!state_find(s, id))
		fail("loading %s: file does not exist", what);
	if (strcmp(s->status, "stopped") == 0)
		return;
	if (!pid_alive(s->sandbox_pid) || (strcmp(s->status, "created") != 0 &&
	    strncmp(ctl_ask(s->sid, join("alive\n%s", s->id), NULL, 0), "ok",
	    2) != 0))
		strcpy(s->status, "stopped");
}

static bool
status_is(const struct state *s, const char *a, const char *b, const char *c)
{
	return strcmp(s->status, a) == 0 || strcmp(s->status, b) == 0 ||
	    strcmp(s->status, c) == 0;
}

/* flags */

struct flags {
	const char *bundle, *pid_file, *internal_pid_file, *console, *process,
	    *format, *resources, *image_path;
	bool detach, all, force, stats, leave_running;
	long pid;
	char **args;
	int nargs;
};

/* The value of flag name ("x"), in any of Go's spellings, at argv[*i]. */
static bool
flag_value(const char *name, char **argv, int argc, int *i, const char **v)
{
	const char *a = argv[*i];
	size_t n = strlen(name);

	a += strspn(a, "-");
	if (strncmp(a, name, n) != 0)
		return false;
	if (a[n] == '=') {
		*v = a + n + 1;
		return true;
	}
	if (a[n] != '\0' || *i + 1 >= argc)
		return false;
	*v = argv[++*i];
	return true;
}

static bool
flag_bool(const char *name, const char *a, bool *v)
{
	size_t n = strlen(name);

	a += strspn(a, "-");
	if (strncmp(a, name, n) != 0 || (a[n] != '\0' && a[n] != '='))
		return false;
	*v = a[n] == '\0' || strcmp(a + n, "=true") == 0 ||
	    strcmp(a + n, "=1") == 0;
	return true;
}

static void
parse_flags(struct flags *f, int argc, char **argv)
{
	const char *ignored, *pid = "0";
	int i;

	memset(f, 0, sizeof(*f));
	f->bundle = ".";
	for (i = 0; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		if (flag_value("bundle", argv, argc, &i, &f->bundle) ||
		    flag_value("pid-file", argv, argc, &i, &f->pid_file) ||
		    flag_value("internal-pid-file", argv, argc, &i,
		    &f->internal_pid_file) ||
		    flag_value("console-socket", argv, argc, &i,
		    &f->console) ||
		    flag_value("process", argv, argc, &i, &f->process) ||
		    flag_value("format", argv, argc, &i, &f->format) ||
		    flag_value("resources", argv, argc, &i, &f->resources) ||
		    flag_value("image-path", argv, argc, &i,
		    &f->image_path) ||
		    flag_value("user-log", argv, argc, &i, &ignored) ||
		    flag_value("work-path", argv, argc, &i, &ignored) ||
		    flag_value("pid", argv, argc, &i, &pid) ||
		    flag_bool("detach", argv[i], &f->detach) ||
		    flag_bool("all", argv[i], &f->all) ||
		    flag_bool("force", argv[i], &f->force) ||
		    flag_bool("stats", argv[i], &f->stats) ||
		    flag_bool("leave-running", argv[i], &f->leave_running))
			continue;
		fprintf(stderr, "flag provided but not defined: %s\n",
		    argv[i] + (argv[i][1] == '-'));
		exit(FAILED);
	}
	f->pid = atol(pid);
	f->args = argv + i;
	f->nargs = argc - i;
}

/* create */

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

static void
cmd_create(struct flags *f)
{
	create(f);
	done();
}

static void
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

/* exec */

/* In the detached child: live as long as the process does. */
static void
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
	if (fd < 0 || !send_fds(fd, msg, strlen(msg), fds, 3))
		fail("executing processes for container: connecting to "
		    "control server: connection refused");
	reply = ctl_reply(fd);
	p = ctl_must(reply, join("executing processes for container: "
	    "executing command \"%s\" in sandbox",
	    json_strings(json_get(process, "args"))[0]));
	if (die_started)
		raise(SIGKILL);
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

static void
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

/* the other commands */

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "ABRT", 6 }, { "ALRM", 14 }, { "BUS", 7 }, { "CHLD", 17 },
	{ "CONT", 18 }, { "FPE", 8 }, { "HUP", 1 }, { "ILL", 4 },
	{ "INT", 2 }, { "IO", 29 }, { "KILL", 9 }, { "PIPE", 13 },
	{ "PROF", 27 }, { "PWR", 30 }, { "QUIT", 3 }, { "SEGV", 11 },
	{ "STKFLT", 16 }, { "STOP", 19 }, { "SYS", 31 }, { "TERM", 15 },
	{ "TRAP", 5 }, { "TSTP", 20 }, { "TTIN", 21 }, { "TTOU", 22 },
	{ "URG", 23 }, { "USR1", 10 }, { "USR2", 12 }, { "VTALRM", 26 },
	{ "WINCH", 28 }, { "XCPU", 24 }, { "XFSZ", 25 },
};

static int
signal_number(const char *text)
{
	const char *name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcmp(name, signals[i].name) == 0 ||
		    (atoi(text) == signals[i].number &&
		    text[strspn(text, "0123456789")] == '\0'))
			return signals[i].number;
	fail("unknown signal \"%s\"", text);
	return 0;
}

static void
cmd_kill(struct flags *f)
{
	const char *reply;
	struct state s;
	int sig;

	sig = signal_number(f->nargs > 1 ? f->args[1] : "TERM");
	state_load(&s, f->args[0], "container");
	if (!status_is(&s, "running", "stopped", ""))
		fail("cannot signal container \"%s\" in state %s", s.id,
		    s.status);
	reply = ctl_ask(s.sid, join("kill\n%s\n%d %d %ld", s.id, sig, f->all,
	    f->pid), NULL, 0);
	if (*reply == '\0')
		fail("sandbox is not running");
	ctl_must(reply, f->pid == 0 ?
	    join("signaling container \"%s\": signaling process in container "
	    "\"%s\" PID 0", s.id, s.id) :
	    join("failed to signal pid %ld: signaling container \"%s\" PID "
	    "%ld: signaling process in container \"%s\" PID %ld", f->pid,
	    s.id, f->pid, s.id, f->pid));
	done();
}

static void
cmd_delete(struct flags *f)
{
	struct state s;
	int ms = 0;

	if (!state_find(&s, f->args[0])) {
		if (f->force)
			done();
		fail("loading container \"%s\": file does not exist",
		    f->args[0]);
	}
	state_load(&s, f->args[0], "container");
	if (!f->force && !status_is(&s, "created", "stopped", ""))
		fail("cannot delete container that is not stopped without "
		    "--force flag");
	if (is_root(&s)) {
		if (s.sandbox_pid > 0)
			kill(s.sandbox_pid, SIGKILL);
	} else {
		ctl_ask(s.sid, join("destroy\n%s", s.id), NULL, 0);
	}
	while ((is_root(&s) && pid_alive(s.sandbox_pid)) ||
	    pid_alive(s.gofer_pid)) {
		if (ms >= STOP_WAIT_MS) {
			state_remove(&s);
			fail("destroying container: stopping container: "
			    "context deadline exceeded");
		}
		sleep_ms(5);
		ms += 5;
	}
	state_remove(&s);
	done();
}

static void
cmd_wait(struct flags *f)
{
	const char *reply;
	struct state s;

	state_load(&s, f->args[0], "container");
	reply = ctl_ask(s.sid, join("wait\n%s", s.id), NULL, 0);
	if (*reply == '\0')
		fail("waiting on container \"%s\": sandbox no longer running "
		    "and its exit status is unavailable", s.id);
	printf("{\"id\":%s,\"exitStatus\":%s}\n", quote(s.id), ctl_must(reply,
	    join("waiting on container \"%s\"", s.id)));
	done();
}

static void
cmd_state(struct flags *f)
{
	struct state s;
	const char *p;
	char *key;

	state_load(&s, f->args[0], "container");
	printf("{\n  \"ociVersion\": \"1.0.2-dev\",\n  \"id\": %s,\n"
	    "  \"status\": \"%s\",\n  \"pid\": %d,\n  \"bundle\": %s",
	    quote(s.id), s.status, strcmp(s.status, "stopped") == 0 ? -1 :
	    s.sandbox_pid, quote(s.bundle));
	if (*s.annotations == '{' && *json_space(s.annotations + 1) == '"') {
		printf(",\n  \"annotations\": {");
		p = json_space(s.annotations + 1);
		for (; *p == '"'; p = json_space(p + (*p == ','))) {
			key = json_string(p);
			p = json_space(json_skip(p) + 1);
			printf("%s\n    %s: %s", p[-1] == ',' ? "" : "",
			    quote(key), quote(json_string(p)));
			p = json_skip(p);
			if (*p == ',')
				printf(",");
		}
		printf("\n  }");
	}
	printf("\n}");
	done();
}

static void
cmd_ps(struct flags *f)
{
	const char *p;
	struct state s;

	state_load(&s, f->args[0], "sandbox");
	if (!status_is(&s, "running", "paused", ""))
		fail("getting processes for container: cannot get processes "
		    "of container \"%s\" in state %s", s.id, s.status);
	p = ctl_must(ctl_ask(s.sid, join("ps\n%s", s.id), NULL, 0),
	    "getting processes for container");
	if (f->format == NULL || strcmp(f->format, "table") != 0) {
		printf("[%s]\n", p);
		done();
	}
	printf("UID       PID       PPID      C         CMD");
	for (; *p != '\0'; p += strcspn(p, ","), p += *p == ',')
		printf("\n0         %-9d 0         0         x", atoi(p));
	printf("\n");
	done();
}

static void
cmd_events(struct flags *f)
{
	struct state s;

	state_load(&s, f->args[0], "sandbox");
	/* runsc says nothing at all here. */
	if (strcmp(s.status, "stopped") == 0)
		exit(FAILED);
	printf("{\"type\":\"stats\",\"id\":%s,\"data\":{\"cpu\":{\"usage\":{"
	    "\"total\":37028854434}},\"memory\":{\"usage\":{\"limit\":0,"
	    "\"usage\":2547712,\"failcnt\":0},\"swap\":{\"limit\":0,"
	    "\"failcnt\":0},\"kernel\":{\"limit\":0,\"failcnt\":0},"
	    "\"kernelTCP\":{\"limit\":0,\"failcnt\":0}},\"pids\":{"
	    "\"current\":2}}}\n", quote(s.id));
	done();
}

static void
cmd_pause(struct flags *f, bool resume)
{
	struct state s;

	state_load(&s, f->args[0], "container");
	if (!resume && strcmp(s.status, "created") == 0) {
		fprintf(stderr, "panic: invalid state transition: created => "
		    "paused\n\ngoroutine 1 [running]:\n");
		exit(2);
	}
	if (resume ? strcmp(s.status, "paused") != 0 :
	    strcmp(s.status, "running") != 0)
		fail("%s failed: cannot %s container \"%s\" in state %s",
		    command, command, s.id, s.status);
	ctl_must(ctl_ask(s.sid, join("kill\n%s\n%d 1 0", s.id,
	    resume ? SIGCONT : SIGSTOP), NULL, 0),
	    join("%s failed", command));
	strcpy(s.status, resume ? "running" : "paused");
	state_save(&s);
	done();
}

static void
cmd_update(struct flags *f)
{
	struct state s;
	char *text;

	if (f->resources == NULL)
		usage();
	state_load(&s, f->args[0], "container");
	text = read_file(strcmp(f->resources, "-") == 0 ? "/dev/stdin" :
	    f->resources);
	if (text == NULL || *json_space(text) != '{')
		fail("update: reading resources: unexpected end of JSON "
		    "input");
	write_file(join("%s/resources.json", s.bundle), text);
	done();
}

static void
cmd_help(struct flags *f)
{
	if (strcmp(f->args[0], "checkpoint") == 0)
		printf("checkpoint [flags] <container id> - save current "
		    "state of container.\n  -direct\n    \tuse O_DIRECT\n"
		    "  -image-path string\n  -leave-running\n");
	done();
}

/* create and start at once; what was saved is not looked at any further. */
static void
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

static void
cmd_checkpoint(struct flags *f)
{
	struct state s;

	state_load(&s, f->args[0], "container");
	if (f->image_path == NULL)
		fail("image-path flag must be provided");
	if (!status_is(&s, "created", "running", "paused"))
		fail("checkpoint failed: cannot checkpoint container \"%s\" "
		    "in state %s", s.id, s.status);
	mkdir(f->image_path, 0755);
	write_file(join("%s/checkpoint.img", f->image_path),
	    join("gVisorSF%s", s.id));
	if (!f->leave_running)
		ctl_ask(s.sid, join("kill\n%s\n9 1 0", s.id), NULL, 0);
	done();
}

/* the command line */

static int
global_flags(int argc, char **argv)
{
	const char *log = NULL, *format = "text";
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--version") == 0 ||
		    strcmp(argv[i], "-version") == 0) {
			printf("runsc version fake\nspec: 1.0.2-dev\n");
			exit(0);
		}
		/* The order matters: one is the beginning of the other. */
		if (flag_value("root", argv, argc, &i, &root_dir) ||
		    flag_value("log-format", argv, argc, &i, &format) ||
		    flag_value("log", argv, argc, &i, &log))
			continue;
	}
	log_json = strcmp(format, "json") == 0;
	if (log != NULL) {
		log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		    0644);
		if (log_fd < 0) {
			fprintf(stderr, "error opening log file \"%s\": %s\n",
			    log, strerror(errno));
			exit(FAILED);
		}
	}
	return i;
}

static void
make_root(void)
{
	char *path = strdup(root_dir), *p;

	for (p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		mkdir(path, 0711);
		*p = '/';
	}
	mkdir(path, 0711);
	free(path);
}

int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	struct flags f;
	bool detached;
	int i;

	name = name != NULL ? name + 1 : argv[0];
	if (strcmp(name, "runsc-gofer") == 0)
		gofer_main();
	if (strcmp(name, "fake") == 0)
		fake_main(argc, argv);
	detached = strcmp(name, "runsc-exec") == 0;
	if (!detached && strcmp(name, "runsc-sandbox") != 0)
		log_call(argc, argv);
	i = global_flags(argc, argv);
	if (i >= argc)
		usage();
	if (strcmp(name, "runsc-sandbox") == 0)
		sandbox_main(argv[argc - 1]);
	command = argv[i++];
	make_root();
	parse_flags(&f, argc - i, argv + i);
	rule_id = f.nargs > 0 ? f.args[0] : "";
	if (detached) {
		char *process = read_file(f.process);

		prctl(PR_SET_NAME, "exe");
		if (process == NULL || f.nargs < 1)
			exit(FAILED);
		/* Its parent has obeyed the rules of exec. */
		command = "detached";
		rules_apply();
		command = "exec";
		no_pid_file = getenv("FAKE_RUNSC_NO_PID") != NULL;
		exec_run(&f, process, f.args[0]);
	}
	rules_apply();
	if (no_pid_file)
		setenv("FAKE_RUNSC_NO_PID", "1", 1);
	if (f.nargs < 1) {
		fprintf(stderr, "%s <container id>\n", command);
		exit(FAILED);
	}
	if (strcmp(command, "create") == 0)
		cmd_create(&f);
	if (strcmp(command, "start") == 0)
		cmd_start(&f);
	if (strcmp(command, "restore") == 0)
		cmd_restore(&f);
	if (strcmp(command, "exec") == 0)
		cmd_exec(&f, argc, argv);
	if (strcmp(command, "kill") == 0)
		cmd_kill(&f);
	if (strcmp(command, "delete") == 0)
		cmd_delete(&f);
	if (strcmp(command, "wait") == 0)
		cmd_wait(&f);
	if (strcmp(command, "state") == 0)
		cmd_state(&f);
	if (strcmp(command, "ps") == 0)
		cmd_ps(&f);
	if (strcmp(command, "events") == 0)
		cmd_events(&f);
	if (strcmp(command, "pause") == 0)
		cmd_pause(&f, false);
	if (strcmp(command, "resume") == 0)
		cmd_pause(&f, true);
	if (strcmp(command, "update") == 0)
		cmd_update(&f);
	if (strcmp(command, "checkpoint") == 0)
		cmd_checkpoint(&f);
	if (strcmp(command, "help") == 0)
		cmd_help(&f);
	usage();
}
