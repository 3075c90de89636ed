/* SPDX-License-Identifier: Apache-2.0 */
/* runsc: see runsc.h. */
#define RUNSC_OWN
#include "gvisor/runsc_left.h"
#include "base/deadline.h"
#include "gvisor/runsc_text.h"
#include "runsc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "conf/config.h"
#include "base/fd.h"
#include "base/fmt.h"
#include "base/log.h"
#include "gvisor/urpc.h"
#include "wire/save.h"

#define ARGS_MAX (CONFIG_FLAGS_MAX + 32)
#define ARG_BYTES_MAX 16384
#define OUTPUT_MAX (256u << 10)	/* captured of stdout and stderr */
#define LOG_READ_MAX (1u << 20)	/* of the log's end, with command lines */
#define PID_TEXT_MAX 16
#define EXEC_FILE_MAX 80

static unsigned running;
static unsigned long pid_file_count;

/* The command line that is being made, one at a time: pointers into one text.
 * Not on the stack, of which every page below it would be touched for good. */
static struct {
	const char *v[ARGS_MAX];
	size_t n;
	char text[ARG_BYTES_MAX];
	size_t used;
	bool full;
} args;

static void
arg_add(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
arg_add(const char *format, ...)
{
	size_t left = sizeof(args.text) - args.used;
	va_list ap;
	size_t n;

	va_start(ap, format);
	n = fmt_va(args.text + args.used, left, format, ap);
	va_end(ap);
	if (n >= left || args.n + 1 >= ARGS_MAX) {
		args.full = true;
		return;
	}
	args.v[args.n++] = args.text + args.used;
	args.v[args.n] = NULL;
	args.used += n + 1;
}

static void
arg_add_expanded(const char *flag, const char *id)
{
	char out[PATH_MAX];

	if (runsc_expand_id(out, sizeof(out), flag, id))
		arg_add("%s", out);
	else
		args.full = true;
}

/* The last bytes of fd, at most cap - 1, NUL-terminated; malloc'd or NULL. */
static char *
read_tail(int fd, off_t end, size_t cap, size_t *len)
{
	off_t from = end > (off_t)(cap - 1) ? end - (off_t)(cap - 1) : 0;
	char *p = malloc((size_t)(end - from) + 1);
	ssize_t n;

	if (!p)
		return NULL;
	n = pread(fd, p, (size_t)(end - from), from);
	*len = n > 0 ? (size_t)n : 0;
	p[*len] = '\0';
	return p;
}

static char *
read_log(int fd, size_t *len)
{
	struct stat st;

	*len = 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	return read_tail(fd, st.st_size, LOG_READ_MAX, len);
}

static char *
read_output(int fd, size_t *len)
{
	off_t end;

	*len = 0;
	if (fd < 0)
		return NULL;
	/* The size is fixed and sealed; what was written is the offset. */
	end = lseek(fd, 0, SEEK_CUR);
	return end < 0 ? NULL : read_tail(fd, end, OUTPUT_MAX, len);
}

/* Read and remove a pid file; 0 if it holds no pid. */
static pid_t
take_pid_file(int dir_fd, const char *name, bool keep, int64_t *written_ns)
{
	char text[PID_TEXT_MAX];
	struct stat st;
	ssize_t n;
	int fd;

	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	/* Also one that cannot be opened. */
	if (!keep)
		unlinkat(dir_fd, name, 0);
	if (fd < 0)
		return 0;
	n = fstat(fd, &st) < 0 ? -1 : read(fd, text, sizeof(text));
	close(fd);
	if (n <= 0)
		return 0;
	*written_ns = (int64_t)st.st_mtim.tv_sec * NS_PER_S +
	    st.st_mtim.tv_nsec;
	return runsc_parse_pid(text, (size_t)n);
}

/* What a verb is. */
enum {
	MAKES = 1,	/* a sandbox, of what need not be there */
	ANSWERS = 2,	/* the sandbox has the answers once that is done */
	PRINTS = 4,	/* what it prints is all that is wanted of it */
	ALONE = 8,	/* asks nothing of a container */
	STAYS = 16,	/* goes on when the shim is killed */
	EXECS = 32,	/* starts a runsc that may live on */
};

#define IN(member) offsetof(struct runsc_env, member)

/*
 * MAKES and all that only asks or sets up what `delete` will tear down die with
 * the shim, so that nothing works behind the back of the clean-up.
 */
static const struct {
	const char *name;
	size_t timeout_at;	/* in runsc_env; 0: none */
	const char *fixed;
	unsigned is;
} verbs[] = {
	{ "create", IN(create_timeout_ns), NULL, MAKES },
	{ "restore", IN(create_timeout_ns), NULL, MAKES | ANSWERS },
	{ "checkpoint", IN(create_timeout_ns), NULL, 0 },
	{ "start", IN(start_timeout_ns), NULL, ANSWERS },
	{ "exec", IN(start_timeout_ns), NULL, EXECS },
	{ "wait", 0, NULL, 0 },
	{ "ps", IN(command_timeout_ns), "--format=json", 0 },
	{ "events", IN(command_timeout_ns), "--stats", PRINTS },
	{ "help", IN(command_timeout_ns), "checkpoint", PRINTS | ALONE },
	{ "features", IN(command_timeout_ns), NULL, ALONE },
	{ "update", IN(command_timeout_ns), "--resources=-", 0 },
	{ "delete", IN(command_timeout_ns), NULL, STAYS },
	{ NULL, IN(command_timeout_ns), NULL, 0 },	/* all others */
};

struct runsc_cmd *
runsc_cmd_new(const struct runsc_env *env, const char *verb,
    runsc_done *done, void *arg, struct err *e)
{
	struct runsc_cmd *c = calloc(1, sizeof(*c));
	size_t i;

	if (!c) {
		err_set(e, ERR_EXHAUSTED, "runsc %s: out of memory", verb);
		return NULL;
	}
	c->child = (struct child)CHILD_INIT;
	c->env = env;
	c->verb = verb;
	for (i = 0; verbs[i].name && strcmp(verbs[i].name, verb) != 0; i++)
		;
	c->fixed = verbs[i].fixed;
	c->is = verbs[i].is;
	if (verbs[i].timeout_at)
		c->timeout_ns = *(const int64_t *)(const void *)
		    ((const char *)env + verbs[i].timeout_at);
	c->done = done;
	c->arg = arg;
	c->log_fd = -1;
	c->out_fd = -1;
	c->err_fd = -1;
	c->root_fd = -1;
	c->process_fd = -1;
	c->dir_fd = -1;
	running++;
	return c;
}

int64_t
runsc_time_left(int64_t timeout_ns, int64_t spent_ns)
{
	return timeout_ns - (spent_ns < timeout_ns / 2 ? spent_ns :
	    timeout_ns / 2);
}

void
runsc_cmd_release(struct runsc_cmd *c)
{
	timer_stop(&c->deadline);
	urpc_cancel(c->call);
	control_release(c);
	fd_close(&c->log_fd);
	fd_close(&c->out_fd);
	fd_close(&c->err_fd);
	fd_close(&c->root_fd);
	fd_close(&c->process_fd);
	child_release(&c->hold);
	running--;
	loop_free(&c->freed, c);
}

/* A part of the first may have been spent on asking the sandbox. */
static long long
whole_seconds(int64_t ns)
{
	return (long long)((ns + NS_PER_S - 1) / NS_PER_S);
}

/* Is there anything in text but white space?  Then it is what e says. */
static bool
explain_by(const char *text, struct err *e)
{
	if (!text)
		return false;
	err_set(e, ERR_UNKNOWN, "%s", text);
	runsc_trim(e->msg);
	return e->msg[0] != '\0';
}

/* Say in r why the command failed: its log, else what it printed, else its
 * end. */
static void
explain(const struct runsc_cmd *c, int status, const char *log, size_t loglen,
    struct runsc_result *r)
{
	struct err *e = &r->err;
	const char *last;
	char msg[ERR_MSG_MAX];

	if (c->timed_out) {
		err_set(e, ERR_DEADLINE,
		    "runsc %s did not answer within %lld s and was killed",
		    c->verb, whole_seconds(c->timeout_ns));
		return;
	}
	if (c->child.exec_errno) {
		err_errno(e, c->child.exec_errno, "run %s", c->env->binary);
		return;
	}
	last = log ? runsc_errors(log, loglen, msg, sizeof(msg)) : NULL;
	if (last) {
		r->told = true;
		err_set(e, ERR_UNKNOWN, "%s", msg);
		r->gone = runsc_says_gone(last);
		return;
	}
	if (explain_by(r->said, e) || explain_by(r->out, e)) {
		r->gone = runsc_says_gone(e->msg);
		return;
	}
	if (WIFSIGNALED(status))
		err_set(e, ERR_UNKNOWN, "runsc %s was killed by signal %d",
		    c->verb, WTERMSIG(status));
	else
		err_set(e, ERR_UNKNOWN, "runsc %s ended with exit status %d",
		    c->verb, WEXITSTATUS(status));
}

/* How runsc finds a pid file of an exec: no two have the same name. */
static void
exec_file_path(const struct runsc_cmd *c, const char *name, char *path)
{
	fmt(path, EXEC_FILE_MAX, "/proc/%d/fd/%d/%s", (int)getpid(),
	    c->named_fd, name);
}

/*
 * An exec was killed, or it failed, perhaps halfway.  The runsc that it has
 * started must not go on: its success would be nobody's, and the numbers of
 * our descriptors that it has for its log and its process object will be other
 * files soon.  It is known by its pid file; the log's name may be that of an
 * earlier exec's, which still runs.
 */
static bool
kill_started(const struct runsc_cmd *c)
{
	char path[EXEC_FILE_MAX];

	if (!(c->is & EXECS))
		return false;
	exec_file_path(c, c->pid_file, path);
	return runsc_kill_descendants("--pid-file", path);
}

/* It should have died by now, perhaps over its pid files. */
static void
on_started_died(struct timer *t)
{
	struct runsc_cmd *c = container_of(t, struct runsc_cmd, deadline);

	if (kill_started(c) && c->timeout_ns < STRAYS_NS) {
		c->timeout_ns *= 2;
		timer_start(&c->deadline, c->timeout_ns, on_started_died);
		return;
	}
	unlinkat(c->dir_fd, c->pid_file, 0);
	unlinkat(c->dir_fd, c->internal_pid_file, 0);
	fd_close(&c->dir_fd);
	runsc_cmd_release(c);
}

/* Of who asked only what is needed to clean up stays: the rest may go with
 * done(). */
static void
cmd_keep_dir(struct runsc_cmd *c, bool killed)
{
	c->dir_fd = killed ? fcntl(c->dir_fd, F_DUPFD_CLOEXEC, 0) : -1;
}

/* Let the command go; our descriptors keep their numbers as long as somebody
 * may take them for something. */
static void
cmd_end(struct runsc_cmd *c, bool killed)
{
	c->done = NULL;
	c->timeout_ns = RUNSC_UNSEEN_NS;
	if (killed)
		timer_start(&c->deadline, c->timeout_ns, on_started_died);
	else
		runsc_cmd_release(c);
}

static bool
succeeded(const struct runsc_cmd *c)
{
	return !c->timed_out && WIFEXITED(c->status) &&
	    WEXITSTATUS(c->status) == 0;
}

/* What was printed as a value: r's error says of what is none.  *pids is to be
 * freed. */
static void
read_answer(const struct runsc_cmd *c, struct runsc_result *r, uint32_t **pids)
{
	bool ok = true;

	if (strcmp(c->verb, "wait") == 0) {
		ok = runsc_parse_wait(r->out, r->outlen, &r->status);
	} else if (strcmp(c->verb, "ps") == 0) {
		*pids = c->parentless ?
		    runsc_parse_parentless(r->out, r->outlen, &r->npids) :
		    runsc_parse_ps(r->out, r->outlen, &r->npids);
		ok = *pids != NULL;
	}
	if (!ok)
		err_set(&r->err, ERR_INTERNAL, "runsc %s printed: %s", c->verb,
		    r->out);
	r->pids = *pids;
}

/* Tell who asked; of a failure why (else what the command itself says). */
static void
cmd_tell(struct runsc_cmd *c, bool killed, const struct err *why)
{
	struct runsc_result r = { .err.code = ERR_OK };
	size_t loglen = 0, len;
	char *log = NULL, *out, *said;
	uint32_t *pids = NULL;
	int64_t written_ns;
	bool ok = succeeded(c);

	out = read_output(c->out_fd, &r.outlen);
	said = read_output(c->err_fd, &len);
	r.out = out ? runsc_skip_notices(out) : "";
	r.outlen -= out ? (size_t)(r.out - out) : 0;
	r.said = said ? said : "";
	/* All that was wanted of it is what it printed. */
	if (ok && !out && c->is & PRINTS)
		err_set(&r.err, ERR_EXHAUSTED,
		    "runsc %s: out of memory for what it printed", c->verb);
	if (!ok) {
		log = read_log(c->log_fd, &loglen);
		explain(c, c->status, log, loglen, &r);
	}
	if (r.err.code == ERR_OK)
		read_answer(c, &r, &pids);
	if (why)
		r.err = *why;
	if (c->pid_file[0])
		r.pid = take_pid_file(c->dir_fd, c->pid_file,
		    !c->internal_pid_file[0], &r.origin.written_ns);
	if (c->internal_pid_file[0])
		r.internal_pid = take_pid_file(c->dir_fd, c->internal_pid_file,
		    false, &written_ns);
	r.origin.hold = &c->hold;
	/* Without its own pid in there, to kill it would be to kill init. */
	if (ok && ((c->pid_file[0] && r.pid == 0) ||
	    (c->internal_pid_file[0] && r.internal_pid == 0))) {
		killed = kill_started(c);
		err_set(&r.err, ERR_INTERNAL,
		    "runsc %s succeeded but its pid file holds no pid",
		    c->verb);
	}
	if (ok && c->env->control && c->is & ANSWERS)
		c->env->control->started = true;
	cmd_keep_dir(c, killed);
	c->done(c->arg, &r);
	free(pids);
	free(log);
	free(out);
	free(said);
	cmd_end(c, killed);
}

static void
on_reason(void *arg, const struct runsc_result *r)
{
	struct runsc_cmd *c = arg;

	c->reason = NULL;
	cmd_tell(c, false, r->err.code == ERR_OK || r->gone ? NULL : &r->err);
}

/*
 * A command whose output is the container's has failed and has not logged why:
 * runsc refuses its flags before it has a log, and says so where nobody looks.
 * It refuses the same flags of any command.
 */
static bool
ask_reason(struct runsc_cmd *c)
{
	char msg[ERR_MSG_MAX], *log;
	size_t loglen;
	struct err e;

	if (c->out_fd >= 0 || c->timed_out || c->child.exec_errno ||
	    !WIFEXITED(c->status))
		return false;
	log = read_log(c->log_fd, &loglen);
	if (!log || !runsc_errors(log, loglen, msg, sizeof(msg)))
		c->reason = runsc_cmd_new(c->env, "help", on_reason, c, &e);
	free(log);
	if (c->reason)
		c->reason = runsc_cmd_run(c->reason, &e);
	return c->reason != NULL;
}

static void
on_exit_status(struct child *child, int status)
{
	struct runsc_cmd *c = container_of(child, struct runsc_cmd, child);
	bool killed = false;

	c->status = status;
	if (!c->done || !succeeded(c))
		killed = kill_started(c);
	timer_stop(&c->deadline);
	if (!c->done) {
		cmd_keep_dir(c, killed);
		cmd_end(c, killed);
	} else if (killed || succeeded(c) || !ask_reason(c)) {
		cmd_tell(c, killed, NULL);
	}
}

/* It does not even die (a file system that hangs): who asked is told, and it
 * is reaped when it can be. */
static void
on_undead(struct timer *t)
{
	struct runsc_cmd *c = container_of(t, struct runsc_cmd, deadline);
	struct runsc_result r = { .out = "", .said = "" };
	runsc_done *done = c->done;

	c->done = NULL;
	explain(c, 0, NULL, 0, &r);
	if (done)
		done(c->arg, &r);
}

static void
on_deadline(struct timer *t)
{
	struct runsc_cmd *c = container_of(t, struct runsc_cmd, deadline);

	log_warn("runsc %s: pid %d did not answer within %lld s, killing it",
	    c->verb, (int)c->child.pid, whole_seconds(c->timeout_ns));
	c->timed_out = true;
	child_kill(&c->child, SIGKILL);
	timer_start(&c->deadline, RUNSC_DYING_NS, on_undead);
}

void
runsc_cancel(struct runsc_cmd *cmd)
{
	if (!cmd || !cmd->done)
		return;
	cmd->done = NULL;
	runsc_cancel(cmd->reason);
	if (control_orphan(cmd))
		return;
	if (child_running(&cmd->child))
		child_kill(&cmd->child, SIGKILL);
	else
		runsc_cmd_release(cmd);
}

/* The answer for a container that runsc does not know: see runsc.h. */
static void
tell_absent(struct timer *t)
{
	struct runsc_cmd *c = container_of(t, struct runsc_cmd, deadline);
	struct runsc_result r = { .out = "", .said = "", .gone = true };

	err_set(&r.err, ERR_NOT_FOUND,
	    "runsc %s: container does not exist", c->verb);
	c->done(c->arg, &r);
	runsc_cmd_release(c);
}

void
runsc_cmd_absent(struct runsc_cmd *c)
{
	timer_start(&c->deadline, 0, tell_absent);
}

/* -- written down, and taken over ----------------------------------------- */

static const struct save_field wait_fields[] = {
	SAVE_OPEN(struct runsc_cmd, call_fd),
	SAVE_OPEN(struct runsc_cmd, log_fd),
	SAVE_OPEN(struct runsc_cmd, out_fd),
	SAVE_OPEN(struct runsc_cmd, err_fd),
	SAVE(struct runsc_cmd, child.pid),
	SAVE_OPEN(struct runsc_cmd, child.exec_fd),
	SAVE(struct runsc_cmd, child.exec_seen),
	SAVE_UPTO(struct runsc_cmd, method, URPC_METHODS - 1),
	SAVE(struct runsc_cmd, internal_pid),
	SAVE(struct runsc_cmd, only_socket),
	SAVE(struct runsc_cmd, began_ns), SAVE_LAST
};

bool
runsc_waits(const struct runsc_cmd *c)
{
	return c->call ? urpc_waits_on(c->call) >= 0 :
	    child_running(&c->child);
}

void
runsc_save_wait(struct pb_out *o, uint32_t num, struct runsc_cmd *c)
{
	c->call_fd = c->call ? urpc_waits_on(c->call) : -1;
	save_put_sub(o, num, wait_fields, c);
}

struct runsc_cmd *
runsc_load_wait(struct pb_bytes in, const struct runsc_env *env,
    runsc_done *done, void *arg, struct err *e)
{
	struct runsc_cmd *c;
	int rc;

	do
		c = runsc_cmd_new(env, "wait", done, arg, e);
	while (!c && save_again());
	if (!c || save_get(in, wait_fields, c, e) < 0)
		return NULL;
	if (c->child.pid < 0 || (c->child.pid == 0) != (c->call_fd >= 0)) {
		save_bad(e);
		return NULL;
	}
	if (c->call_fd >= 0)
		rc = control_resume(c, e);
	else
		SAVE_TRY(rc, child_resume(&c->child, on_exit_status, e));
	return rc < 0 ? NULL : c;
}

unsigned long
runsc_pid_files(unsigned long more)
{
	return pid_file_count += more;
}

unsigned
runsc_running(void)
{
	return running;
}

/* A memory file that takes OUTPUT_MAX bytes and not one more. */
static int
output_file(struct err *e)
{
	int fd = memfd_create("runsc-output", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_sys(e, "create memory file");
	if (ftruncate(fd, OUTPUT_MAX) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0) {
		err_sys(e, "seal memory file");
		close(fd);
		return -1;
	}
	return fd;
}

static void
begin_args(struct runsc_cmd *c)
{
	const struct runsc_env *env = c->env;
	size_t i;

	c->log_fd = memfd_create("runsc-log", MFD_CLOEXEC);
	args.n = 0;
	args.used = 0;
	args.full = false;
	arg_add("%s", env->binary);
	if (c->root_fd >= 0)
		arg_add("--root=/proc/%d/fd/%d", (int)getpid(), c->root_fd);
	else
		arg_add("--root=%s", env->root);
	arg_add("--log=/proc/%d/fd/%d", (int)getpid(), c->log_fd);
	arg_add("--log-format=json");
	/* Of the sandbox that it makes. */
	if (env->log_directory && c->is & MAKES)
		arg_add("--panic-log=%s/" RUNSC_PANIC_LOG,
		    env->log_directory);
	else if (env->panic_fd > 0 && c->is & MAKES)
		arg_add("--panic-log=/proc/%d/fd/%d", (int)getpid(),
		    env->panic_fd);
	for (i = 0; env->flags && env->flags[i]; i++)
		arg_add_expanded(env->flags[i], env->id);
	arg_add("%s", c->verb);
	if (c->fixed)
		arg_add("%s", c->fixed);
}

/* Memory files for what it prints. */
static int
capture(struct runsc_cmd *c, int fds[3], struct err *e)
{
	c->out_fd = fds[1] = output_file(e);
	if (fds[1] < 0)
		return -1;
	c->err_fd = fds[2] = output_file(e);
	return fds[2] < 0 ? -1 : 0;
}

/* Start the command line.  Takes c over: released on failure. */
static struct runsc_cmd *
launch(struct runsc_cmd *c, const int fds[3], struct err *e)
{
	const struct runsc_env *env = c->env;
	struct child_spawn s = {
		.argv = args.v, .fds = { -1, -1, -1 },
		.extra_fds = { -1, -1, -1 }, .die_with_us = !(c->is & STAYS),
	};

	if (!(c->is & (MAKES | ALONE)) && !runsc_exists(env->root, env->id)) {
		runsc_cmd_absent(c);
		return c;
	}
	if (fds)
		memcpy(s.fds, fds, sizeof(s.fds));
	if (c->log_fd < 0) {
		err_set(e, ERR_EXHAUSTED,
		    "runsc %s: no memory file for its log", c->verb);
	} else if (args.full) {
		err_set(e, ERR_INVALID,
		    "runsc %s: the command line is too long", c->verb);
	} else if ((s.fds[1] >= 0 || capture(c, s.fds, e) == 0) &&
	    child_start(&c->child, &s, on_exit_status, e) == 0) {
		if (c->timeout_ns)
			timer_start(&c->deadline, c->timeout_ns, on_deadline);
		log_debug("%s: runsc %s: pid %d", env->id, c->verb,
		    (int)c->child.pid);
		return c;
	}
	runsc_cmd_release(c);
	return NULL;
}

/* What makes a sandbox: create, or restore from image. */
static struct runsc_cmd *
make_sandbox(const struct runsc_env *env, const char *verb, const int fds[3],
    const char *console_socket, const char *image, runsc_done *done,
    void *arg, struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, verb, done, arg, e);

	if (!c)
		return NULL;
	c->dir_fd = env->bundle_fd;
	fmt(c->pid_file, sizeof(c->pid_file), "init.pid");
	unlinkat(env->bundle_fd, c->pid_file, 0);
	child_hold(&c->hold);
	begin_args(c);
	arg_add("--bundle");
	arg_add("%s", env->bundle);
	arg_add("--pid-file");
	arg_add("%s/%s", env->bundle, c->pid_file);
	if (console_socket) {
		arg_add("--console-socket");
		arg_add("%s", console_socket);
	}
	if (env->log_directory) {
		arg_add("--user-log");
		arg_add("%s/gvisor.log", env->log_directory);
	}
	if (image) {
		arg_add("--image-path=%s", image);
		arg_add("--detach");
	}
	arg_add("%s", env->id);
	return launch(c, fds, e);
}

struct runsc_cmd *
runsc_create(const struct runsc_env *env, const int fds[3],
    const char *console_socket, runsc_done *done, void *arg, struct err *e)
{
	return make_sandbox(env, "create", fds, console_socket, NULL, done,
	    arg, e);
}

struct runsc_cmd *
runsc_restore(const struct runsc_env *env, const int fds[3],
    const char *console_socket, const char *image, runsc_done *done, void *arg,
    struct err *e)
{
	return make_sandbox(env, "restore", fds, console_socket, image, done,
	    arg, e);
}

struct runsc_cmd *
runsc_checkpoint(const struct runsc_env *env, const char *image,
    bool leave_running, runsc_done *done, void *arg, struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, "checkpoint", done, arg, e);

	if (!c)
		return NULL;
	begin_args(c);
	arg_add("--image-path=%s", image);
	if (leave_running)
		arg_add("--leave-running");
	arg_add("%s", env->id);
	return launch(c, NULL, e);
}

struct runsc_cmd *
runsc_start(const struct runsc_env *env, const int fds[3], runsc_done *done,
    void *arg, struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, "start", done, arg, e);

	if (!c)
		return NULL;
	begin_args(c);
	arg_add("%s", env->id);
	return launch(c, fds, e);
}

/*
 * `runsc exec --detach` runs itself again with every argument dropped that
 * contains the letters "detach" (runsc/cmd/exec.go execChildAndWait).  A flag
 * of the configuration is dropped so by any caller; our own have no such name
 * in them but for the root, which a descriptor of ours names then.  The id
 * cannot be given otherwise.
 */
static int
avoid_detach(struct runsc_cmd *c, struct err *e)
{
	const struct runsc_env *env = c->env;

	if (fmt_find(env->id, "detach"))
		return err_set(e, ERR_INVALID, "runsc exec cannot take "
		    "an argument that contains \"detach\": %s", env->id);
	if (!fmt_find(env->root, "detach"))
		return 0;
	c->root_fd = open(env->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return c->root_fd < 0 ? err_sys(e, "open %s", env->root) : 0;
}

/* A memory file that holds text, to be read from its beginning; -1 with *e. */
static int
input_file(const char *verb, const char *text, size_t len, struct err *e)
{
	int fd = memfd_create("runsc-input", MFD_CLOEXEC);

	if (fd >= 0)
		errno = ENOSPC;	/* of a short write, which sets none */
	if (fd >= 0 && write(fd, text, len) == (ssize_t)len &&
	    lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	err_sys(e, "runsc %s: write its input to a memory file", verb);
	if (fd >= 0)
		close(fd);
	return -1;
}

struct runsc_cmd *
runsc_update(const struct runsc_env *env, const char *json, runsc_done *done,
    void *arg, struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, "update", done, arg, e);
	int fds[3] = { -1, -1, -1 };

	if (!c)
		return NULL;
	c->process_fd = input_file("update", json, strlen(json), e);
	if (c->process_fd < 0) {
		runsc_cmd_release(c);
		return NULL;
	}
	fds[0] = c->process_fd;
	begin_args(c);
	arg_add("%s", env->id);
	return launch(c, fds, e);
}

struct runsc_cmd *
runsc_exec(const struct runsc_env *env, const int fds[3],
    const char *console_socket, const char *process, size_t len,
    int64_t spent_ns, runsc_done *done, void *arg, struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, "exec", done, arg, e);
	char path[EXEC_FILE_MAX];

	if (!c)
		return NULL;
	c->timeout_ns = runsc_time_left(c->timeout_ns, spent_ns);
	c->process_fd = input_file("exec", process, len, e);
	if (c->process_fd < 0 || avoid_detach(c, e) < 0) {
		runsc_cmd_release(c);
		return NULL;
	}
	c->dir_fd = c->named_fd = env->bundle_fd;
	pid_file_count++;
	fmt(c->pid_file, sizeof(c->pid_file), "e%lu.pid",
	    pid_file_count);
	fmt(c->internal_pid_file, sizeof(c->internal_pid_file),
	    "e%lu.ipid", pid_file_count);
	child_hold(&c->hold);
	begin_args(c);
	arg_add("--process");
	arg_add("/proc/%d/fd/%d", (int)getpid(), c->process_fd);
	if (console_socket)
		arg_add("--console-socket=%s", console_socket);
	arg_add("--detach");
	arg_add("--pid-file");
	exec_file_path(c, c->pid_file, path);
	arg_add("%s", path);
	arg_add("--internal-pid-file");
	exec_file_path(c, c->internal_pid_file, path);
	arg_add("%s", path);
	arg_add("%s", env->id);
	return launch(c, fds, e);
}

/* Run runsc for what has no more to its command line than this. */
struct runsc_cmd *
runsc_cmd_run(struct runsc_cmd *c, struct err *e)
{
	/* Only the table says who has no parent. */
	if (c->parentless)
		c->fixed = "--format=table";
	begin_args(c);
	if (c->all)
		arg_add("--all");
	if (c->internal_pid) {
		arg_add("--pid");
		arg_add("%d", (int)c->internal_pid);
	}
	if (!(c->is & ALONE))
		arg_add("%s", c->env->id);
	if (strcmp(c->verb, "kill") == 0)
		arg_add("%u", c->sig);
	return launch(c, NULL, e);
}

struct runsc_cmd *
runsc_delete(const struct runsc_env *env, bool force, runsc_done *done,
    void *arg, struct err *e)
{
	struct runsc_cmd *c = runsc_cmd_new(env, "delete", done, arg, e);

	if (!c || control_destroy(c))
		return c;
	begin_args(c);
	if (force)
		arg_add("--force");
	arg_add("%s", env->id);
	return launch(c, NULL, e);
}
