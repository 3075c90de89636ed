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

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAILED 128
#define MSG_CAP (128 * 1024)
#define PATH_CAP 4096
#define STOP_WAIT_MS 5000
#define PROCS_CAP 512
#define CLIENTS_CAP 256
#define ARGS_CAP 256
#define SCRATCH_CAP 1024
#define SB_FD_LISTEN 3
#define SB_FD_GOFER 4
#define SB_FD_SOCKET 5
#define HUGE_REPLY (2 << 20)

static const char *root_dir = "/var/run/runsc";
static int log_fd = -1;
static bool log_json;
static const char *command = "";	/* the subcommand */
static const char *rule_id = "";	/* the container it is about */
static bool no_pid_file, no_inner_pid_file;
static const char *fail_after;
static long late_ms;

/* plumbing */

/* Under ASAN too: a process here lives shortly, and frees nothing. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

static void
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return;
		p += r;
		n -= (size_t)r;
	}
}

static void
sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static void
hang(void)
{
	for (;;)
		pause();
}

static char *join(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));
static void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void answer(int fd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What a turn of the sandbox's loop has made and nobody needs after it; a
 * command just ends. */
static void *scratch[SCRATCH_CAP];
static size_t nscratch;

static char *
keep(char *p)
{
	if (nscratch < SCRATCH_CAP)
		scratch[nscratch++] = p;
	return p;
}

static void
drop_scratch(void)
{
	while (nscratch > 0)
		free(scratch[--nscratch]);
}

static char *
join(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	return keep(s);
}

static char *
quote(const char *s)
{
	char *out = malloc(6 * strlen(s) + 3), *p = out;

	if (out == NULL)
		abort();
	*p++ = '"';
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\') {
			*p++ = '\\';
			*p++ = *s;
		} else if (*s == '\n') {
			*p++ = '\\';
			*p++ = 'n';
		} else if ((unsigned char)*s < ' ') {
			p += sprintf(p, "\\u%04x", (unsigned char)*s);
		} else {
			*p++ = *s;
		}
	}
	strcpy(p, "\"");
	return out;
}

static void
log_error(const char *text)
{
	struct timespec t;
	struct tm tm;
	char when[64], *msg, *line;

	if (log_fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	msg = quote(text);
	if (log_json)
		line = join("{\"msg\":%s,\"level\":\"error\",\"time\":"
		    "\"%s.%09ldZ\"}", msg, when, t.tv_nsec);
	else
		line = join("time=\"%s.%09ldZ\" level=error msg=%s\n", when,
		    t.tv_nsec, msg);
	write_all(log_fd, line, strlen(line));
}

static void
fail(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	log_error(s);
	fprintf(stderr, "%s\n", s);
	exit(FAILED);
}

static void
usage(void)
{
	fprintf(stderr, "Usage: runsc <flags> <subcommand> "
	    "<subcommand args>\n\nSubcommands:\n\tcreate\tdelete\n");
	exit(FAILED);
}

/* The whole file, NUL-terminated; NULL and errno. */
static char *
read_file(const char *path)
{
	char *buf = malloc(MSG_CAP);
	size_t n = 0;
	ssize_t r = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || buf == NULL) {
		free(buf);
		return NULL;
	}
	while (n < MSG_CAP - 1 &&
	    (r = read(fd, buf + n, MSG_CAP - 1 - n)) > 0)
		n += (size_t)r;
	close(fd);
	buf[n] = '\0';
	return r < 0 ? NULL : buf;
}

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		fail("open %s: %s", path, strerror(errno));
	write_all(fd, text, strlen(text));
	close(fd);
}

/* JSON, as much as is needed: values are pointers into the text */

static const char *
json_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

static const char *
json_skip(const char *p)
{
	int depth = 0;

	do {
		p = json_space(p);
		if (*p == '\0')
			return p;
		if (*p == '"') {
			for (p++; *p != '\0' && *p != '"'; p++)
				if (*p == '\\' && p[1] != '\0')
					p++;
			p += *p == '"';
		} else if (strchr("{[", *p)) {
			depth++;
			p++;
		} else if (strchr("}]", *p)) {
			depth--;
			p++;
		} else if (strchr(",:", *p)) {
			p++;
		} else {
			p += strcspn(p, ",:{}[] \t\r\n");
		}
	} while (depth > 0);
	return json_space(p);
}

/* A string's text, malloc'd; \u escapes below 256 only. */
static char *
json_string(const char *p)
{
	char *out, *q;
	unsigned u;

	if (p == NULL || *p != '"')
		return NULL;
	q = out = malloc((size_t)(json_skip(p) - p) + 1);
	if (out == NULL)
		abort();
	for (p++; *p != '\0' && *p != '"'; p++) {
		if (*p != '\\') {
			*q++ = *p;
			continue;
		}
		p++;
		if (*p == 'n')
			*q++ = '\n';
		else if (*p == 't')
			*q++ = '\t';
		else if (*p == 'u' && sscanf(p + 1, "%4x", &u) == 1) {
			*q++ = (char)u;
			p += 4;
		} else
			*q++ = *p;
	}
	*q = '\0';
	return out;
}

static const char *
json_get(const char *p, const char *key)
{
	if (p == NULL || *(p = json_space(p)) != '{')
		return NULL;
	for (p = json_space(p + 1); *p == '"'; p = json_space(p)) {
		char *k = json_string(p);
		bool hit = strcmp(k, key) == 0;

		free(k);
		p = json_skip(p);
		if (*p == ':')
			p = json_space(p + 1);
		if (hit)
			return p;
		p = json_skip(p);
		if (*p == ',')
			p++;
	}
	return NULL;
}

/* An array of strings, NULL-terminated. */
static char **
json_strings(const char *p)
{
	char **v = calloc(ARGS_CAP + 1, sizeof(*v));
	size_t n = 0;

	if (v == NULL)
		abort();
	if (p == NULL || *p != '[')
		return v;
	for (p = json_space(p + 1); *p == '"' && n < ARGS_CAP;
	    p = json_space(p)) {
		v[n++] = json_string(p);
		p = json_skip(p);
		if (*p == ',')
			p++;
	}
	return v;
}

static bool
json_true(const char *p)
{
	return p != NULL && strncmp(p, "true", 4) == 0;
}

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

static ssize_t
recv_fds(int sock, char *buf, size_t cap, int *fds, int *nfds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(4 * sizeof(int))];
	} u;
	struct iovec iov = { buf, cap - 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = u.buf, .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c;
	ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);

	*nfds = 0;
	if (n < 0)
		return -1;
	buf[n] = '\0';
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS) {
		*nfds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)*nfds * sizeof(int));
	}
	return n;
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
		write_file(f->pid_file, join("%d", s.sandbox_pid));
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
		if (pid_file_is(f->pid_file, pid))
			done();
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
	struct state s;

	state_load(&s, f->args[0], "sandbox");
	if (!status_is(&s, "running", "paused", ""))
		fail("getting processes for container: cannot get processes "
		    "of container \"%s\" in state %s", s.id, s.status);
	printf("[%s]\n", ctl_must(ctl_ask(s.sid, join("ps\n%s", s.id), NULL,
	    0), "getting processes for container"));
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

/* the sandbox */

struct proc {
	long ipid;
	pid_t pid;	/* 0: not running */
	char *cid;
	bool init;
	int code;
};

struct client {
	int fd;
	bool is_shim;	/* came by the control socket */
	char *method;	/* then: what was asked */
	struct proc *waits_for;
};

/* What is held for a sub-container: its terminal from `create` to `start`,
 * then its gofer's connection until its init ends. */
struct held {
	char *cid;
	int fd;
};

static struct proc procs[PROCS_CAP];
static size_t nprocs;
static struct client clients[CLIENTS_CAP];
static struct held held[64];
static long next_ipid = 1;
static const char *sandbox_id;

/* What is answered to the commands, as the control socket has it. */
static char *
in_json(const char *method, const char *s)
{
	char *result = join("{}");
	int code;

	if (strncmp(s, "err ", 4) == 0)
		return join("{\"success\":false,\"err\":%s,\"result\":null}",
		    quote(s + 4));
	s += 2;
	if (strcmp(method, "Wait") == 0) {
		code = atoi(s);
		result = join("%d", code > 128 ? code - 128 : code << 8);
	} else if (strcmp(method, "Processes") == 0) {
		*result = '\0';
		for (s++; *s != '\0'; s += strcspn(s, ","), s += *s == ',')
			result = join("%s%s{\"uid\":0,\"pid\":%d,\"cmd\":"
			    "\"x\"}", result, *result != '\0' ? "," : "",
			    atoi(s));
		result = join("[%s]", result);
	}
	return join("{\"success\":true,\"err\":\"\",\"result\":%s}\n",
	    result);
}

static void
answer(int fd, const char *fmt, ...)
{
	va_list ap;
	size_t i;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	keep(s);
	for (i = 0; i < CLIENTS_CAP; i++)
		if (clients[i].fd == fd && clients[i].is_shim)
			s = in_json(clients[i].method, s);
	send(fd, s, strlen(s), MSG_NOSIGNAL);
}

static struct proc *
find_init(const char *cid)
{
	size_t i;

	for (i = 0; i < nprocs; i++)
		if (procs[i].cid != NULL && procs[i].init &&
		    strcmp(procs[i].cid, cid) == 0)
			return &procs[i];
	return NULL;
}

static void
kill_session(pid_t pid, int sig)
{
	/* Each process leads a session of its own. */
	kill(-pid, sig);
	kill(pid, sig);
}

static int
kill_container(const char *cid, int sig, const struct proc *but)
{
	size_t i;
	int n = 0;

	for (i = 0; i < nprocs; i++)
		if (procs[i].pid > 0 && &procs[i] != but &&
		    strcmp(procs[i].cid, cid) == 0) {
			kill_session(procs[i].pid, sig);
			n++;
		}
	return n;
}

/* In the new process: become what the OCI process object says. */
static void
become(const char *process, const int *stdio, int errfd)
{
	char **args = json_strings(json_get(process, "args"));
	char **env = json_strings(json_get(process, "env"));
	char *cwd = json_string(json_get(process, "cwd"));
	sigset_t none;
	int i, err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	for (i = 0; i < 3; i++)
		dup2(stdio[i], i);
	if (json_true(json_get(process, "terminal")))
		ioctl(0, TIOCSCTTY, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (cwd != NULL && chdir(cwd) < 0)
		goto out;
	errno = ENOENT;
	if (args[0] == NULL)
		goto out;
	if (strcmp(args[0], "fake") == 0) {
		execv("/proc/self/exe", args);
	} else if (strcmp(args[0], "/pause") == 0) {
		execlp("sleep", "pause", "1000", (char *)NULL);
	} else {
		for (i = 0; env[i] != NULL; i++)
			putenv(env[i]);
		execvp(args[0], args);
	}
out:
	err = errno;
	if (write(errfd, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

/* Returns NULL after having answered with the error. */
static struct proc *
run(int client, const char *cid, const char *process, const int *stdio,
    bool init)
{
	struct proc *p;
	int pipefd[2], err = 0;
	pid_t pid;

	for (p = procs; p < procs + nprocs && p->cid != NULL; p++)
		;
	if (p == procs + PROCS_CAP) {
		answer(client, "err too many processes");
		return NULL;
	}
	if (pipe2(pipefd, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		answer(client, "err fork: %s", strerror(errno));
		return NULL;
	}
	if (pid == 0)
		become(process, stdio, pipefd[1]);
	close(pipefd[1]);
	if (read(pipefd[0], &err, sizeof(err)) > 0) {
		waitpid(pid, NULL, 0);
		close(pipefd[0]);
		answer(client, "err failed to load %s: %s",
		    json_strings(json_get(process, "args"))[0],
		    err == ENOENT ? "no such file or directory" :
		    strerror(err));
		return NULL;
	}
	close(pipefd[0]);
	if (p == procs + nprocs)
		nprocs++;
	memset(p, 0, sizeof(*p));
	p->ipid = next_ipid++;
	p->pid = pid;
	p->cid = strdup(cid);
	p->init = init;
	return p;
}

static struct held *
find_held(const char *cid)
{
	size_t i;

	for (i = 0; i < sizeof(held) / sizeof(held[0]); i++)
		if (cid == NULL ? held[i].cid == NULL :
		    held[i].cid != NULL && strcmp(held[i].cid, cid) == 0)
			return &held[i];
	return NULL;
}

static void
drop_held(struct held *h)
{
	if (h == NULL || h->fd < 0)
		return;
	close(h->fd);
	h->fd = -1;
}

/* Kill whatever is our child until there is none. */
static void
kill_children(void)
{
	char *text = NULL, *p;
	pid_t pid;

	for (;;) {
		free(text);
		text = read_file("/proc/thread-self/children");
		for (p = text; p != NULL && *p != '\0';) {
			pid = (pid_t)strtol(p, &p, 10);
			if (pid > 0)
				kill_session(pid, SIGKILL);
			p += strspn(p, " ");
		}
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			break;
	}
	free(text);
}

static void
process_ended(struct proc *p, int status)
{
	size_t i;

	p->pid = 0;
	p->code = WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
	if (p->init) {
		kill_container(p->cid, SIGKILL, p);
		drop_held(find_held(p->cid));
	}
	for (i = 0; i < CLIENTS_CAP; i++)
		if (clients[i].waits_for == p) {
			answer(clients[i].fd, "ok %d", p->code);
			clients[i].waits_for = NULL;
		}
	if (p->init && strcmp(p->cid, sandbox_id) == 0) {
		/* What else waits gets the 137 that its process died of. */
		for (i = 0; i < CLIENTS_CAP; i++)
			if (clients[i].waits_for != NULL)
				answer(clients[i].fd, "ok 137");
		kill_children();
		exit(p->code);
	}
	if (!p->init) {
		free(p->cid);
		p->cid = NULL;
	}
}

static void
reap(void)
{
	int status;
	pid_t pid;
	size_t i;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < nprocs; i++)
			if (procs[i].pid == pid)
				process_ended(&procs[i], status);
}

static void
serve_create(int fd, const char *cid, const int *fds, int nfds)
{
	struct held *h = find_held(NULL);

	if (h == NULL) {
		answer(fd, "err too many containers");
		return;
	}
	h->cid = strdup(cid);
	h->fd = nfds > 0 ? fcntl(fds[0], F_DUPFD_CLOEXEC, 3) : -1;
	answer(fd, "ok");
}

static void
serve_start(int fd, const char *cid, const char *process, const int *fds,
    int nfds)
{
	struct held *h = find_held(cid);
	int stdio[] = { 0, 1, 2 }, i, null;

	if (strcmp(cid, sandbox_id) == 0) {
		if (run(fd, cid, process, stdio, true) == NULL)
			return;
		/* From here on its output ends with the processes. */
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (i = 0; i < 3; i++)
			dup2(null, i);
		close(null);
		answer(fd, "ok");
		return;
	}
	if (h == NULL || nfds < 1) {
		answer(fd, "err no such container");
		return;
	}
	for (i = 0; i < 3; i++)
		stdio[i] = nfds == 4 ? fds[1 + i] : h->fd;
	if (run(fd, cid, process, stdio, true) == NULL)
		return;
	drop_held(h);
	h->fd = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
	answer(fd, "ok");
}

static void
serve_kill(int fd, const char *cid, const char *arg)
{
	struct proc *init = find_init(cid);
	int sig = 0, all = 0;
	long ipid = 0;
	size_t i;

	if (sscanf(arg, "%d %d %ld", &sig, &all, &ipid) != 3) {
		answer(fd, "err bad request");
		return;
	}
	if (all) {
		kill_container(cid, sig, NULL);
		answer(fd, "ok");
		return;
	}
	for (i = 0; i < nprocs; i++)
		if (procs[i].pid > 0 && strcmp(procs[i].cid, cid) == 0 &&
		    (ipid == 0 ? &procs[i] == init : procs[i].ipid == ipid)) {
			kill(procs[i].pid, sig);
			answer(fd, "ok");
			return;
		}
	if (ipid == 0)
		answer(fd, "err no such process");
	else
		answer(fd, "err no such process with PID %ld", ipid);
}

static void
serve_ps(int fd, const char *cid)
{
	char list[PROCS_CAP * 12] = "";
	size_t i, n = 0;

	for (i = 0; i < nprocs; i++)
		if (procs[i].pid > 0 && strcmp(procs[i].cid, cid) == 0)
			n += (size_t)sprintf(list + n, "%s%ld",
			    n > 0 ? "," : "", procs[i].ipid);
	answer(fd, "ok %s", list);
}

static void
serve_destroy(int fd, const char *cid)
{
	struct proc *init;
	struct held *h = find_held(cid);

	while (kill_container(cid, SIGKILL, NULL) > 0) {
		sleep_ms(1);
		reap();
	}
	init = find_init(cid);
	if (init != NULL) {
		free(init->cid);
		memset(init, 0, sizeof(*init));
	}
	if (h != NULL) {
		drop_held(h);
		free(h->cid);
		h->cid = NULL;
	}
	answer(fd, "ok");
}

/* The action of the first rule for the control socket and that method. */
static const char *
socket_fault(const char *method)
{
	const char *env = getenv("FAKE_RUNSC");
	char *text, *rule, *action, *save = NULL;

	text = env == NULL ? NULL : *env == '/' ? read_file(env) :
	    strdup(env);
	if (text == NULL)
		return "";
	keep(text);
	for (rule = strtok_r(text, ";\n", &save); rule != NULL;
	    rule = strtok_r(NULL, ";\n", &save)) {
		action = strchr(rule, ':');
		if (strncmp(rule, "socket", 6) != 0 || action == NULL)
			continue;
		*action++ = '\0';
		if (rule[6] == '\0' || strcmp(rule + 6, join("@%s",
		    method)) == 0)
			return action;
	}
	return "";
}

static void
serve_huge(int fd)
{
	char *s = malloc(HUGE_REPLY);

	if (s == NULL)
		abort();
	memset(s, '[', HUGE_REPLY);
	send(fd, s, HUGE_REPLY, MSG_NOSIGNAL);
	free(s);
}

/* One request of a shim's; it fits into one read. */
static bool
serve_shim(struct client *c)
{
	static char buf[MSG_CAP];
	const char *arg, *fault, *p;
	struct proc *init;
	char *cid, *method;
	ssize_t n = recv(c->fd, buf, sizeof(buf) - 1, 0);

	if (n <= 0)
		return false;
	buf[n] = '\0';
	method = keep(json_string(json_get(buf, "method")));
	p = method != NULL ? strchr(method, '.') : NULL;
	free(c->method);
	c->method = strdup(p != NULL ? p + 1 : "");
	arg = json_get(buf, "arg");
	cid = keep(json_string(arg));
	fault = socket_fault(c->method);
	if (strcmp(fault, "hang") == 0)
		return true;
	if (strcmp(fault, "close") == 0)
		return false;
	if (strcmp(fault, "half") == 0) {
		send(c->fd, "{\"success\":true,", 16, MSG_NOSIGNAL);
	} else if (strcmp(fault, "huge") == 0) {
		serve_huge(c->fd);
	} else if (strncmp(fault, "raw=", 4) == 0) {
		send(c->fd, fault + 4, strlen(fault + 4), MSG_NOSIGNAL);
	} else if (strncmp(fault, "fail=", 5) == 0) {
		answer(c->fd, "err %s", fault + 5);
	} else if (strcmp(c->method, "Signal") == 0) {
		serve_kill(c->fd, keep(json_string(json_get(arg, "CID"))),
		    join("%d %d %d", atoi(json_get(arg, "Signo")),
		    atoi(json_get(arg, "Mode")), atoi(json_get(arg, "PID"))));
	} else if (strcmp(c->method, "Processes") == 0 && cid != NULL) {
		serve_ps(c->fd, cid);
	} else if (strcmp(c->method, "Wait") == 0 && cid != NULL) {
		init = find_init(cid);
		if (init == NULL)
			answer(c->fd, "err container \"%s\" not found", cid);
		else if (init->pid > 0)
			c->waits_for = init;
		else
			answer(c->fd, "ok %d", init->code);
	} else {
		answer(c->fd, "err unknown method");
	}
	return true;
}

/* One request.  False: the connection is done with. */
static bool
serve(struct client *c)
{
	static char buf[MSG_CAP];
	int fds[4], nfds, i;
	char *cid, *arg;
	struct proc *p;
	ssize_t n = recv_fds(c->fd, buf, sizeof(buf), fds, &nfds);

	if (n <= 0)
		return false;
	cid = strchr(buf, '\n');
	if (cid == NULL)
		return false;
	*cid++ = '\0';
	arg = strchr(cid, '\n');
	if (arg != NULL)
		*arg++ = '\0';
	p = find_init(cid);
	if (strcmp(buf, "alive") == 0) {
		answer(c->fd, p != NULL && p->pid > 0 ? "ok" : "err stopped");
	} else if (strcmp(buf, "create") == 0) {
		serve_create(c->fd, cid, fds, nfds);
	} else if (strcmp(buf, "start") == 0) {
		serve_start(c->fd, cid, arg, fds, nfds);
	} else if (strcmp(buf, "exec") == 0 && nfds == 3) {
		c->waits_for = run(c->fd, cid, arg, fds, false);
		if (c->waits_for != NULL)
			answer(c->fd, "ok %ld", c->waits_for->ipid);
	} else if (strcmp(buf, "wait") == 0) {
		if (p == NULL)
			answer(c->fd, "err container \"%s\" not started", cid);
		else if (p->pid > 0)
			c->waits_for = p;
		else
			answer(c->fd, "ok %d", p->code);
	} else if (strcmp(buf, "kill") == 0) {
		serve_kill(c->fd, cid, arg);
	} else if (strcmp(buf, "ps") == 0) {
		serve_ps(c->fd, cid);
	} else if (strcmp(buf, "destroy") == 0) {
		serve_destroy(c->fd, cid);
	}
	for (i = 0; i < nfds; i++)
		close(fds[i]);
	return true;
}

static void
sandbox_main(const char *id)
{
	struct pollfd pfd[CLIENTS_CAP + 3];
	struct signalfd_siginfo info;
	sigset_t set;
	size_t i, j;
	int sigfd;

	sandbox_id = id;
	fcntl(SB_FD_LISTEN, F_SETFD, FD_CLOEXEC);
	fcntl(SB_FD_GOFER, F_SETFD, FD_CLOEXEC);
	fcntl(SB_FD_SOCKET, F_SETFD, FD_CLOEXEC);
	listen(SB_FD_SOCKET, 64);
	/* Orphans of the container stay in here. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NAME, "exe");
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	for (i = 0; i < CLIENTS_CAP; i++)
		clients[i].fd = -1;
	pfd[CLIENTS_CAP + 2] = (struct pollfd){ SB_FD_SOCKET, POLLIN, 0 };
	for (;;) {
		pfd[0] = (struct pollfd){ SB_FD_LISTEN, POLLIN, 0 };
		pfd[1] = (struct pollfd){ sigfd, POLLIN, 0 };
		for (i = 0; i < CLIENTS_CAP; i++)
			pfd[2 + i] = (struct pollfd){ clients[i].fd, POLLIN,
				0 };
		drop_scratch();
		if (poll(pfd, CLIENTS_CAP + 3, -1) < 0)
			continue;
		if (pfd[1].revents) {
			while (read(sigfd, &info, sizeof(info)) > 0)
				;
			reap();
		}
		for (i = 0; i < CLIENTS_CAP; i++)
			if (pfd[2 + i].revents && !(clients[i].is_shim ?
			    serve_shim : serve)(&clients[i])) {
				close(clients[i].fd);
				clients[i].fd = -1;
				clients[i].waits_for = NULL;
			}
		for (j = 0; j < CLIENTS_CAP + 3; j += CLIENTS_CAP + 2)
			for (i = 0; pfd[j].revents && i < CLIENTS_CAP; i++)
				if (clients[i].fd < 0) {
					clients[i].is_shim = j > 0;
					clients[i].fd = accept4(pfd[j].fd,
					    NULL, NULL, SOCK_CLOEXEC);
					break;
				}
	}
}

static void
gofer_main(void)
{
	char c;

	prctl(PR_SET_NAME, "exe");
	while (read(3, &c, 1) > 0)
		;
	exit(0);
}

/* "fake": a container's process */

static void
print_size(void)
{
	struct winsize w = { 0 };

	ioctl(0, TIOCGWINSZ, &w);
	printf("%d %d\n", w.ws_row, w.ws_col);
	fflush(stdout);
}

static void
fake_read(void)
{
	char line[4096];
	size_t n = 0;

	while (n < sizeof(line) - 1 && read(0, line + n, 1) == 1 &&
	    line[n] != '\n')
		n++;
	line[n] = '\0';
	printf("got:%s\n", line);
	fflush(stdout);
}

static void
fake_fill(long long n)
{
	char line[80];
	long long i;

	for (i = 0; n > 0; i++, n -= 64) {
		snprintf(line, sizeof(line), "%063lld\n", i);
		write_all(1, line, n < 64 ? (size_t)n : 64);
	}
}

static void
fake_word(const char *op, const char *arg)
{
	char buf[65536];
	ssize_t n;
	sigset_t set;
	int sig;

	if (strcmp(op, "echo") == 0) {
		dprintf(1, "%s\n", arg);
	} else if (strcmp(op, "err") == 0) {
		dprintf(2, "%s\n", arg);
	} else if (strcmp(op, "out") == 0) {
		write_all(1, arg, strlen(arg));
	} else if (strcmp(op, "fill") == 0) {
		fake_fill(atoll(arg));
	} else if (strcmp(op, "cat") == 0) {
		while ((n = read(0, buf, sizeof(buf))) > 0)
			write_all(1, buf, (size_t)n);
	} else if (strcmp(op, "read") == 0) {
		fake_read();
	} else if (strcmp(op, "sleep") == 0) {
		sleep_ms(atol(arg));
	} else if (strcmp(op, "exit") == 0) {
		exit(atoi(arg));
	} else if (strcmp(op, "kill") == 0) {
		raise(atoi(arg));
	} else if (strcmp(op, "ignore") == 0) {
		signal(atoi(arg), SIG_IGN);
	} else if (strcmp(op, "close") == 0) {
		close(atoi(arg));
	} else if (strcmp(op, "hang") == 0) {
		hang();
	} else if (strcmp(op, "fork") == 0) {
		if (fork() == 0) {
			sleep_ms(atol(arg));
			_exit(0);
		}
	} else if (strcmp(op, "tty") == 0) {
		dprintf(1, "%s\n", isatty(0) ? "tty" : "not a tty");
	} else if (strcmp(op, "size") == 0) {
		print_size();
	} else if (strcmp(op, "on-winch") == 0) {
		sigemptyset(&set);
		sigaddset(&set, SIGWINCH);
		sigprocmask(SIG_BLOCK, &set, NULL);
		sigwait(&set, &sig);
		print_size();
	} else if (strcmp(op, "touch") == 0) {
		close(open(arg, O_WRONLY | O_CREAT, 0644));
	} else if (strcmp(op, "wait") == 0) {
		while (access(arg, F_OK) < 0)
			sleep_ms(5);
	} else {
		dprintf(2, "fake: unknown word %s\n", op);
		exit(99);
	}
}

static void
fake_main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		char *op = strdup(argv[i]), *arg = strchr(op, ':');

		if (arg != NULL)
			*arg++ = '\0';
		fake_word(op, arg != NULL ? arg : "");
		free(op);
	}
	exit(0);
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
