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
 *                  <root>/runsc-<sid>.sock, for a few of its methods
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
 *   die[=MS]         (detached) of SIGKILL, with the process started, or to
 *                    be started in MS; the log then has a line exec-is-left
 * Of the first actions that end the call only one acts; the others add up.
 * COMMAND socket is the control socket, with METHOD for an ID:
 *   hang             no reply               close      instead of a reply
 *   half             half a reply           huge       a reply of 2 MiB
 *   raw=TEXT         TEXT for a reply; the log then has a line raw@METHOD
 *   fail=TEXT        refuse
 *   until=FILE       hang, all of it, until there is such a file
 * ExecuteAsync besides: did=TEXT  start the process, and then hang, close, or
 *                      TEXT for a reply
 * Knows is what asks whether a member is read; not=NAME  that one is not.
 *
 * FAKE_RUNSC_LOG names a file to which each call appends a line: seconds, the
 * number of inherited descriptors above 2, and its arguments, with blanks in
 * them as \x20.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STOP_WAIT_MS 5000

const char *root_dir = "/var/run/runsc";
static const char *rule_id = "";	/* the container it is about */
bool no_pid_file, no_inner_pid_file, die_started;
long die_ms;
char **own_argv;
const char *pid_text;	/* in the place of the pid */
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
		die_ms = n;
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

void
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
void
done(void)
{
	if (late_ms > 0)
		sleep_ms(late_ms);
	if (fail_after != NULL)
		fail("%s", fail_after);
	fflush(stdout);
	exit(0);
}

/* flags */

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
	reply = ctl_ask(s.sid, f->pid > 0 ? join("wait-pid\n%s\n%ld", s.id,
	    f->pid) : join("wait\n%s", s.id), NULL, 0);
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

	own_argv = argv;
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
