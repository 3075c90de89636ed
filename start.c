/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start: the verb `start`: the listening socket, the daemon on it, and its
 * address on standard output.
 *
 * Runs in the bundle, as a child of containerd that reads standard output and
 * standard error to their end as one text: nothing but the address may be
 * printed on success, what is to be said goes to the log, and the daemon must
 * not inherit either.  The address is printed when the daemon serves; until
 * then its standard error is a pipe on which it says why it does not.  A pod's
 * second container is answered with the address of the running shim.
 */
#include "start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "conf/config.h"
#include "base/file.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/name.h"
#include "wire/socket.h"
#include "conf/spec.h"

#define SOCKET_DIR_MODE 0700
#define OOM_SCORE_MAX 1000
/* How long another `start` may bind, and the daemon take to serve. */
#define LOCK_STEP_NS (1 * NS_PER_MS)
#define LOCK_STEPS 3000

/* A directory that only we can enter: what is bound in it is ours. */
static int
make_socket_dir(const char *dir, struct err *e)
{
	struct stat st;

	if (file_make_dirs(dir, 0711, e) < 0)
		return -1;
	if (mkdir(dir, SOCKET_DIR_MODE) < 0 && errno != EEXIST)
		return err_sys(e, "create %s", dir);
	if (lstat(dir, &st) < 0)
		return err_sys(e, "look at %s", dir);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return err_set(e, ERR_PERMISSION,
		    "%s is not a directory of ours", dir);
	/* Go shims before 2.0 made it 0600 or 0711. */
	if ((st.st_mode & 0777) != SOCKET_DIR_MODE &&
	    chmod(dir, SOCKET_DIR_MODE) < 0)
		return err_sys(e, "chmod %s", dir);
	return 0;
}

/*
 * One `start` at a time binds in a directory, or looks who serves there:
 * between bind and listen a socket looks stale.  The kernel lets go of the lock
 * of one that is killed.  The lock's descriptor, or -1.
 */
static int
lock_dir(const char *dir, struct err *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int i;

	if (fd < 0)
		return err_sys(e, "open %s", dir);
	for (i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_STEPS) {
			err_sys(e, "lock %s", dir);
			close(fd);
			return -1;
		}
		poll(NULL, 0, LOCK_STEP_NS / NS_PER_MS);
	}
	return fd;
}

/* A listening socket, or -1 with *live set if a shim serves there already.  The
 * directory is locked. */
static int
listen_on(const char *path, bool *live, struct err *e)
{
	struct sockaddr_un sun;
	bool replaced = false;
	int fd;

	*live = false;
	if (socket_fill(&sun, path) < 0)
		return err_set(e, ERR_INVALID, "socket path %s is too long",
		    path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, "create socket");
	while (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		if (errno != EADDRINUSE || replaced) {
			err_sys(e, "bind %s", path);
			goto fail;
		}
		if (socket_is_alive(path, 0)) {
			*live = true;
			goto fail;
		}
		if (unlink(path) < 0 && errno != ENOENT) {
			err_sys(e, "remove stale socket %s", path);
			goto fail;
		}
		replaced = true;
	}
	if (chmod(path, 0600) < 0 || listen(fd, SHIM_BACKLOG) < 0) {
		err_sys(e, "listen on %s", path);
		unlink(path);
		goto fail;
	}
	return fd;
fail:
	close(fd);
	return -1;
}

/* An extension {1 Any}: the options, if it is of one of their types, in
 * whatever order they come. */
static void
take_extension(struct start_input *in, struct pb_bytes extension)
{
	struct pb_field f[2];
	struct message any;
	struct err e;

	if (pb_read(extension, "-b", f) == 0 &&
	    pb_decode(&any, f[1].b, "-s", &e) == 0) {
		if (fmt_find(any.str[1], ".Options"))
			in->any = f[1].b;
		free(any.text);
	}
}

void
start_parse_input(const struct options *o, struct pb_bytes text,
    struct start_input *in)
{
	struct pb_in pb;
	struct pb_bytes b;
	struct err e;

	in->any = text;
	/* An Any's first field is a type URL, which is never the id. */
	in->bootstrap = pb_decode(&in->params, text, "-ssn-ss--s",
	    &e) == 0 && strcmp(in->params.str[1], o->id) == 0 &&
	    strcmp(in->params.str[2], o->namespace) == 0;
	if (!in->bootstrap)
		return;
	in->any.n = 0;
	pb_in_init(&pb, text.p, text.n);
	while (!in->any.n && pb_next_bytes(&pb, 8, &b))
		take_extension(in, b);
}

/* Which shim this container belongs to: its pod's, or its own. */
static char *
find_group(const struct options *o, bool grouping)
{
	struct spec spec;
	struct err e;
	char *group = NULL;

	memset(&spec, 0, sizeof(spec));
	if (grouping && spec_read(&spec, ".", &e) == 0 && spec.sandbox_id)
		group = strdup(spec.sandbox_id);
	else
		group = strdup(o->id);
	spec_free(&spec);
	return group;
}

/* Write pid into cgroup.procs of directory dir/name; false if that fails. */
static bool
enter(const char *dir, const char *name, pid_t pid)
{
	char path[PATH_MAX], text[16];
	size_t n = fmt(text, sizeof(text), "%d", (int)pid);
	bool ok;
	int fd;

	if (fmt(path, sizeof(path), "%s/%s/cgroup.procs", dir, name) >=
	    sizeof(path))
		return false;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, n) == (ssize_t)n;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Put the daemon into the cgroup shim_cgroup, in every hierarchy that has it
 * (version 1), or in the only one. */
static int
enter_cgroup(const char *name, pid_t pid, struct err *e)
{
	static const char root[] = "/sys/fs/cgroup";
	char path[sizeof(root) + 1 + NAME_MAX];
	struct dirent *d;
	bool any;
	DIR *dir;

	if (fmt_find(name, ".."))
		return err_set(e, ERR_INVALID, "shim_cgroup %s: no \"..\" is "
		    "allowed", name);
	any = enter(root, name, pid);
	dir = any ? NULL : opendir(root);
	while (dir && (d = readdir(dir))) {
		fmt(path, sizeof(path), "%s/%s", root, d->d_name);
		if (d->d_type == DT_DIR && d->d_name[0] != '.')
			any |= enter(path, name, pid);
	}
	if (dir)
		closedir(dir);
	return any ? 0 : err_set(e, ERR_NOT_FOUND, "shim_cgroup %s is no "
	    "cgroup that can be entered", name);
}

/* The daemon is to be killed a little sooner than containerd, and much later
 * than containers (containerd AdjustOOMScore). */
static void
adjust_oom_score(void)
{
	char path[64], text[16];
	int fd, score;

	fmt(path, sizeof(path), "/proc/%d/oom_score_adj", (int)getppid());
	if (file_read(path, text, sizeof(text)) <= 0)
		return;
	score = atoi(text) + 1;
	if (score > OOM_SCORE_MAX)
		score = OOM_SCORE_MAX;
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	/* Not allowed in a user namespace: then the parent's is inherited. */
	fmt_write(fd, "%d", score);
	close(fd);
}

/* Tell `start`, which waits on the other end of our standard error, and end. */
static _Noreturn void
fail_daemon(const char *what)
{
	fmt_write(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
	_exit(EXIT_FAILED);
}

/* The socket becomes descriptor 3, what tells `start` how it went 2. */
static void
run_daemon(const struct options *o, int socket_fd, int ready_fd)
{
	char exe[PATH_MAX];
	const char *argv[12];
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	struct rlimit files;
	rlim_t fd, max = 65536;
	ssize_t n;
	int null, i = 0;

	adjust_oom_score();
	setsid();
	sigaction(SIGPIPE, &dfl, NULL);
	null = open("/dev/null", O_RDWR);
	if (dup2(ready_fd, STDERR_FILENO) < 0)
		_exit(EXIT_FAILED);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		fail_daemon("open /dev/null");
	/* dup2 clears close-on-exec, unless the number is right already. */
	if (socket_fd == SHIM_SOCKET_FD)
		fcntl(socket_fd, F_SETFD, 0);
	else if (dup2(socket_fd, SHIM_SOCKET_FD) < 0)
		fail_daemon("place the socket");
	if (prlimit(0, RLIMIT_NOFILE, NULL, &files) == 0 &&
	    files.rlim_cur < max)
		max = files.rlim_cur;
	for (fd = SHIM_SOCKET_FD + 1; fd < max; fd++)
		close((int)fd);
	/* By its name and not as /proc/self/exe, which ps would show. */
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n <= 0)
		fail_daemon("read /proc/self/exe");
	exe[n] = '\0';
	argv[i++] = exe;
	argv[i++] = "-namespace";
	argv[i++] = o->namespace;
	argv[i++] = "-id";
	argv[i++] = o->id;
	argv[i++] = "-address";
	argv[i++] = o->address;
	if (o->events[0]) {
		argv[i++] = "-events";
		argv[i++] = o->events;
	}
	if (o->debug)
		argv[i++] = "-debug";
	argv[i] = NULL;
	execv(exe, (char *const *)argv);
	execv("/proc/self/exe", (char *const *)argv);
	fail_daemon("execute the shim");
}

/* What `start` prints: the address as a line, or, where version is not 0, a
 * BootstrapResult {1 version, 2 address, 3 protocol}. */
struct answer {
	unsigned version;
	char address[SOCKET_ADDRESS_MAX];
};

static int
print_answer(const struct answer *a, struct err *e)
{
	uint8_t buf[2 * SOCKET_ADDRESS_MAX];
	struct pb_out o;
	bool ok;

	if (a->version) {
		pb_out_init(&o, buf, sizeof(buf));
		pb_put_uint(&o, 1, a->version);
		pb_put_str(&o, 2, a->address);
		pb_put_str(&o, 3, "ttrpc");
		ok = write(STDOUT_FILENO, o.p, o.len) == (ssize_t)o.len;
	} else {
		ok = fmt_write(STDOUT_FILENO, "%s\n", a->address) >= 0;
	}
	return ok ? 0 : err_sys(e, "print the address");
}

/* Wait until the daemon says that it serves, or why not. */
static int
wait_ready(int fd, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left, until = loop_now() + DAEMON_READY_NS;
	char text[ERR_MSG_MAX / 2];
	size_t n = 0;
	ssize_t r;

	do {
		left = until - loop_now();
		if (left < 0 || poll(&p, 1, (int)(left / NS_PER_MS)) == 0)
			return err_set(e, ERR_DEADLINE, "the daemon does not "
			    "answer");
		r = read(fd, text + n, sizeof(text) - 1 - n);
		n += r > 0 ? (size_t)r : 0;
		if (n && text[n - 1] == '\0')
			return 0;
	} while (r > 0 || (r < 0 && errno == EINTR));
	while (n && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	return err_set(e, ERR_UNAVAILABLE, "the daemon has ended%s%s",
	    n ? ": " : "", text);
}

static int
start_daemon(const struct options *o, const struct answer *a, int fd,
    const char *cgroup, struct err *e)
{
	char text[16];
	int ready[2];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return err_sys(e, "create pipe");
	pid = _Fork();
	if (pid == 0)
		run_daemon(o, fd, ready[1]);
	close(ready[1]);
	fmt(text, sizeof(text), "%d", (int)pid);
	if (pid < 0)
		err_sys(e, "fork");
	else if ((!cgroup || enter_cgroup(cgroup, pid, e) == 0) &&
	    file_replace(FILE_SHIM_PID, 0600, text, strlen(text), e) == 0 &&
	    wait_ready(ready[0], e) == 0 && print_answer(a, e) == 0)
		pid = 0;
	else
		kill(pid, SIGKILL);
	close(ready[0]);
	return pid == 0 ? 0 : -1;
}

/* A daemon on the answer's address, or the one that is there. */
static int
serve_at(const struct options *o, const struct answer *a, const char *dir,
    const char *cgroup, struct err *e)
{
	const char *path = a->address + sizeof(SOCKET_SCHEME) - 1;
	bool live;
	int fd, lock, rc;

	if (make_socket_dir(dir, e) < 0)
		return -1;
	/* First: whenever this is killed, `delete` finds the socket. */
	if (file_replace(FILE_ADDRESS, 0600, a->address, strlen(a->address),
	    e) < 0)
		return -1;
	lock = lock_dir(dir, e);
	if (lock < 0)
		return -1;
	fd = listen_on(path, &live, e);
	close(lock);
	if (fd < 0)
		return live ? print_answer(a, e) : -1;
	rc = start_daemon(o, a, fd, cgroup, e);
	if (rc < 0)
		unlink(path);
	close(fd);
	return rc;
}

/*
 * What BootstrapParams say is not asked of the flags and the environment, which
 * containerd means to drop: *o and *dir are changed.  Levels: 0 is info, -4
 * debug, -8 trace.
 */
static void
take_params(const struct message *m, struct options *o, const char **dir)
{
	o->events = m->str[5];
	if (m->str[6][0])
		o->address = m->str[6];
	o->debug = (int64_t)m->f[3].v <= -4;
	if (m->str[9][0] == '/' && strlen(m->str[9]) <= SOCKET_DIR_MAX)
		*dir = m->str[9];
}

static int
start(struct options *o, struct start_input *in, struct config *config,
    struct err *e)
{
	const char *dir = SOCKET_DIR;
	struct answer a = { 0 };
	bool known, grouping;
	char *group;
	int rc;

	if (in->bootstrap)
		take_params(&in->params, o, &dir);
	if (config_init(config, e) < 0 ||
	    name_check_path("socket_dir", dir, e) < 0)
		return -1;
	/* What is wrong with the configuration is told by Create, which reads
	 * it again and whose answer reaches the user. */
	known = config_from_options(config, in->any, e) == 0;
	grouping = !known || config->grouping;
	/* With 3, a pod's containers come to its shim without a `start`. */
	if (in->bootstrap)
		a.version = grouping ? 3 : 2;
	group = find_group(o, grouping);
	rc = group && socket_address(dir, o->address, o->namespace, group,
	    a.address, sizeof(a.address)) == 0 ? 0 : err_set(e, ERR_INVALID,
	    "cannot name a socket for %s", o->id);
	free(group);
	return rc < 0 ? rc : serve_at(o, &a, dir, known ? config->shim_cgroup :
	    NULL, e);
}

int
start_run(struct options *o)
{
	struct start_input in = { 0 };
	struct config config = { 0 };
	struct pb_bytes text;
	char *input;
	struct err e;
	int rc;

	/* Who does not take the address gets no daemon. */
	if (o->no_output) {
		fmt_write(STDERR_FILENO, "%s: start %s: standard output is "
		    "closed\n", SHIM_NAME, o->id);
		return EXIT_FAILED;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	/* What is printed is read as the answer. */
	log_set_level(LOG_WARN);
	if (log_open(FILE_LOG) < 0)
		log_close();
	input = file_load_rest(STDIN_FILENO, "standard input", &text.n, &e);
	text.p = (uint8_t *)input;
	start_parse_input(o, text, &in);
	rc = start(o, &in, &config, &e);
	if (rc < 0)
		fmt_write(STDERR_FILENO, "%s: start %s: %s\n", SHIM_NAME,
		    o->id, e.msg);
	config_free(&config);
	free(in.params.text);
	free(input);
	return rc < 0 ? EXIT_FAILED : 0;
}
