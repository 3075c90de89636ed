/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shimctl_find: which shim serves which container, and starting one.
 *
 * A shim's socket is named by containerd's address, the namespace and the
 * group (a pod's first container, or the container itself).  A pod's other
 * containers are found by the file `address` in containerd's bundle, or by
 * asking every shim of the namespace.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fmt.h"
#include "conf/cmdline.h"
#include "wire/socket.h"
#include "ctl/shimctl.h"
#include "wire/pb.h"

#define ASK_MS 2000
#define TASKS_DIR "io.containerd.runtime.v2.task"
#define OPTIONS_TYPE "runtimeoptions.v1.Options"

#define LEVEL_DEBUG (-4)	/* of BootstrapParams */

static const char scheme[] = "unix://";

static const char *
socket_dir(const struct ctl *o)
{
	return o->socket_dir[0] ? o->socket_dir : SOCKET_DIR;
}

void
put_options(struct pb_out *out, uint32_t num, const struct ctl *o)
{
	struct pb_out opt;

	if (!o->config[0])
		return;
	pb_out_init(&opt, NULL, 0);
	pb_put_str(&opt, 2, o->config);
	pb_put_any(out, num, OPTIONS_TYPE, opt.p, opt.len);
	pb_out_free(&opt);
}

/* -- starting ------------------------------------------------------------- */

/* A verb as containerd runs it: in the bundle, what goes wrong on standard
 * error. */
static _Noreturn void
exec_shim(const struct ctl *o, const char *bundle, const char *id,
    const char *verb)
{
	const char *argv[12];
	char path[PATH_MAX], *slash;
	sigset_t none;
	ssize_t n;
	int i = 0;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	argv[i++] = o->shim;
	argv[i++] = "-namespace";
	argv[i++] = o->namespace;
	argv[i++] = "-id";
	argv[i++] = id;
	argv[i++] = "-address";
	argv[i++] = o->containerd;
	argv[i++] = "-bundle";
	argv[i++] = bundle;
	if (o->debug)
		argv[i++] = "-debug";
	argv[i++] = verb;
	argv[i] = NULL;
	n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	if (chdir(bundle) < 0) {
		fmt_write(STDERR_FILENO, "enter %s: %s", bundle,
		    strerror(errno));
		_exit(127);
	}
	execvp(o->shim, (char *const *)argv);
	/* Then the one beside us. */
	path[n < 0 ? 0 : n] = '\0';
	slash = strrchr(path, '/');
	if (errno == ENOENT && slash && !strchr(o->shim, '/')) {
		fmt(slash + 1, 63, "%s", o->shim);
		execv(path, (char *const *)argv);
	}
	fmt_write(STDERR_FILENO, "run %s: %s", o->shim, strerror(errno));
	_exit(127);
}

/* BootstrapParams {1 id, 2 namespace, 3 log_level, 8 extension {1 Any}, 9
 * socket_dir} */
static void
bootstrap(const struct ctl *o, const char *id, struct pb_out *out)
{
	size_t mark;

	pb_out_init(out, NULL, 0);
	pb_put_str(out, 1, id);
	pb_put_str(out, 2, o->namespace);
	pb_put_int(out, 3, o->debug ? LEVEL_DEBUG : 0);
	if (o->config[0]) {
		mark = pb_begin(out, 8);
		put_options(out, 1, o);
		pb_end(out, mark);
	}
	pb_put_str(out, 9, o->socket_dir);
}

/* What it prints, as far as there is room, without the line's end; all is read,
 * for it dies over a pipe that nobody reads. */
static size_t
read_answer(int fd, char *out, size_t cap)
{
	char rest[256];
	size_t n = 0;
	bool room;
	ssize_t r;

	do {
		room = n + 1 < cap;
		r = room ? read(fd, out + n, cap - 1 - n) :
		    read(fd, rest, sizeof(rest));
		if (room && r > 0)
			n += (size_t)r;
	} while (r > 0 || (r < 0 && errno == EINTR));
	while (n && out[n - 1] == '\n')
		n--;
	out[n] = '\0';
	return n;
}

/* The address in what a shim printed: plain text, or that of a BootstrapResult
 * {1 version, 2 address, 3 protocol}, for which the caller frees m's text. */
static const char *
find_address(const char *text, size_t n, struct message *m)
{
	struct pb_bytes answer = { (const uint8_t *)text, n };
	struct err e;

	return pb_decode(m, answer, "-nss", &e) == 0 &&
	    strcmp(m->str[3], "ttrpc") == 0 ? m->str[2] : text;
}

int
shim_start(const struct ctl *o, const char *bundle, const char *id,
    char *address, size_t cap, struct err *e)
{
	char text[ERR_MSG_MAX];
	const char *found;
	struct pb_out params;
	struct message m;
	int to[2], from[2], status, rc = 0;
	size_t n;
	pid_t pid;

	if (pipe2(to, O_CLOEXEC) < 0)
		return err_sys(e, "create a pipe");
	if (pipe2(from, O_CLOEXEC) < 0) {
		err_sys(e, "create a pipe");
		close(to[0]);
		close(to[1]);
		return -1;
	}
	bootstrap(o, id, &params);
	pid = fork();
	if (pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		dup2(from[1], STDERR_FILENO);
		exec_shim(o, bundle, id, "start");
	}
	if (pid < 0)
		err_sys(e, "fork");
	close(to[0]);
	close(from[1]);
	(void)signal(SIGPIPE, SIG_IGN);
	if (pid > 0 && write(to[1], params.p, params.len) < 0 &&
	    errno != EPIPE)
		fmt_write(STDERR_FILENO, "shimctl: write to the shim: %s\n",
		    strerror(errno));
	close(to[1]);
	n = read_answer(from[0], text, sizeof(text));
	close(from[0]);
	pb_out_free(&params);
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	found = find_address(text, n, &m);
	if (status != 0 || strncmp(found, scheme, sizeof(scheme) - 1) != 0)
		rc = err_set(e, ERR_UNKNOWN, "start a shim for %s: %s", id,
		    text[0] ? text : "it printed nothing");
	else if (fmt(address, cap, "%s", found) >= cap)
		rc = err_set(e, ERR_INVALID, "start a shim for %s: its "
		    "address is too long: %s", id, text);
	free(m.text);
	return rc;
}

int
shim_delete(const struct ctl *o, const char *bundle, const char *id,
    struct err *e)
{
	char text[ERR_MSG_MAX];
	int from[2], null, status;
	pid_t pid;

	if (pipe2(from, O_CLOEXEC) < 0)
		return err_sys(e, "create a pipe");
	pid = fork();
	if (pid == 0) {
		/* Its answer is for containerd. */
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(from[1], STDERR_FILENO);
		exec_shim(o, bundle, id, "delete");
	}
	if (pid < 0)
		err_sys(e, "fork");
	close(from[1]);
	read_answer(from[0], text, sizeof(text));
	close(from[0]);
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0 || text[0])
		return err_set(e, ERR_UNKNOWN, "%s", text[0] ? text :
		    "it failed and printed nothing");
	return 0;
}

/* -- finding -------------------------------------------------------------- */

/* The text of a short file; false if there is none. */
static bool
read_short(const char *path, char *out, size_t cap, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, out, cap - 1);

	if (fd >= 0)
		close(fd);
	out[n < 0 ? 0 : n] = '\0';
	if (len)
		*len = n < 0 ? 0 : (size_t)n;
	return n > 0;
}

static bool
bundle_address(const struct ctl *o, const char *namespace, const char *id,
    char *out, size_t cap)
{
	char path[PATH_MAX];

	return fmt(path, sizeof(path), "%s/" TASKS_DIR "/%s/%s/" FILE_ADDRESS,
	    o->state_dir, namespace, id) < sizeof(path) &&
	    read_short(path, out, cap, NULL) &&
	    strncmp(out, scheme, sizeof(scheme) - 1) == 0;
}

static void
look_at_shim(struct shim_info *s)
{
	char path[64];
	const char *p, *next;
	size_t n;

	s->namespace = s->id = "?";
	fmt(path, sizeof(path), "/proc/%d/cmdline", (int)s->pid);
	if (!read_short(path, s->text, sizeof(s->text), &n))
		return;
	for (p = s->text; p < s->text + n; p = next) {
		next = p + strlen(p) + 1;
		if (next >= s->text + n)
			break;
		if (strcmp(p, "-namespace") == 0)
			s->namespace = next;
		else if (strcmp(p, "-id") == 0)
			s->id = next;
	}
}

int
shim_ask(const struct ctl *o, struct rpc *r, const char *path,
    struct shim_info *s, struct err *e)
{
	int ms = o->timeout_ms > 0 ? o->timeout_ms : ASK_MS;
	struct rpc_reply reply;

	if (rpc_connect(r, path, ms, e) < 0)
		return -1;
	if (rpc_simple(r, "Connect", "", "", &reply, e) < 0) {
		rpc_close(r);
		return -1;
	}
	s->pid = reply.f[1].v;
	rpc_reply_free(&reply);
	look_at_shim(s);
	return 0;
}

int
shim_each(const struct ctl *o, bool (*fn)(const struct ctl *o,
    const char *path, void *arg), void *arg, struct err *e)
{
	char path[PATH_MAX];
	struct dirent *d;
	bool found = false;
	DIR *dir = opendir(socket_dir(o));

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return err_sys(e, "read %s", socket_dir(o));
	while (!found && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		fmt(path, sizeof(path), "%s/%s", socket_dir(o), d->d_name);
		found = fn(o, path, arg);
	}
	closedir(dir);
	return found;
}

/* The status of a container; "" if the shim has none of that id. */
static const char *
ask_status(struct rpc *r, const char *id)
{
	struct rpc_reply reply;
	const char *name;
	struct err e;

	if (rpc_simple(r, "State", id, "", &reply, &e) < 0)
		return "";
	name = status_name(reply.f[4].v);
	rpc_reply_free(&reply);
	return name;
}

/* Whom to find, and where it was. */
struct wanted {
	const char *id;
	char *path;
	size_t cap;
};

static bool
serves(const struct ctl *o, const char *path, void *arg)
{
	struct wanted *w = arg;
	struct shim_info info;
	struct rpc r;
	struct err e;
	bool found;

	if (shim_ask(o, &r, path, &info, &e) < 0)
		return false;
	found = strcmp(info.namespace, o->namespace) == 0 &&
	    ask_status(&r, w->id)[0];
	rpc_close(&r);
	if (found)
		fmt(w->path, w->cap, "%s", path);
	return found;
}

int
shim_find(const struct ctl *o, const char *id, struct rpc *r, struct err *e)
{
	char address[SOCKET_ADDRESS_MAX], other[SOCKET_ADDRESS_MAX];
	struct wanted w = { id, other, sizeof(other) };

	if (o->address[0])
		return rpc_connect(r, o->address, o->timeout_ms, e);
	if (socket_address(socket_dir(o), o->containerd, o->namespace, id,
	    address, sizeof(address)) < 0)
		return err_set(e, ERR_INVALID, "cannot name a socket for %s "
		    "in %s", id, socket_dir(o));
	if (rpc_connect(r, address, o->timeout_ms, e) == 0)
		return 0;
	/* It is there and does not want us: say so. */
	if (e->code != ERR_NOT_FOUND && e->code != ERR_UNAVAILABLE &&
	    e->code != ERR_UNKNOWN)
		return -1;
	if (bundle_address(o, o->namespace, id, other, sizeof(other)) &&
	    rpc_connect(r, other, o->timeout_ms, e) == 0)
		return 0;
	if (shim_each(o, serves, &w, e) > 0)
		return rpc_connect(r, other, o->timeout_ms, e);
	return err_set(e, ERR_NOT_FOUND, "no shim serves container %s of "
	    "namespace %s: nobody answers at %s, and no other shim in %s has "
	    "it", id, o->namespace, address + sizeof(scheme) - 1,
	    socket_dir(o));
}

/* -- listing -------------------------------------------------------------- */

static void
print_row(uint64_t pid, const char *status, const char *namespace,
    const char *id, const char *path)
{
	static const char spaces[] = "        ";
	size_t n = strlen(status);

	show_wrote(fmt_write(STDOUT_FILENO, "%8u %s%s %s %s %s\n",
	    (unsigned)pid, status, spaces + (n < 8 ? n : 8), namespace, id,
	    path));
}

/* The containers of a shim: its own, and those whose bundle names it. */
static void
list_shim(const struct ctl *o, struct rpc *r, const struct shim_info *info,
    const char *path)
{
	char dirname[PATH_MAX], address[SOCKET_ADDRESS_MAX];
	struct dirent *d;
	const char *status;
	bool any = false;
	DIR *dir;

	status = ask_status(r, info->id);
	if (status[0]) {
		print_row(info->pid, status, info->namespace, info->id, path);
		any = true;
	}
	fmt(dirname, sizeof(dirname), "%s/" TASKS_DIR "/%s", o->state_dir,
	    info->namespace);
	dir = opendir(dirname);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || strcmp(d->d_name, info->id) == 0 ||
		    !bundle_address(o, info->namespace, d->d_name, address,
		    sizeof(address)) ||
		    strcmp(address + sizeof(scheme) - 1, path) != 0)
			continue;
		status = ask_status(r, d->d_name);
		if (status[0]) {
			print_row(info->pid, status, info->namespace,
			    d->d_name, path);
			any = true;
		}
	}
	if (dir)
		closedir(dir);
	if (!any)
		print_row(info->pid, "empty", info->namespace, "-", path);
}

static bool
list_at(const struct ctl *o, const char *path, void *arg)
{
	struct shim_info info;
	struct rpc r;
	struct err e;

	(void)arg;
	if (shim_ask(o, &r, path, &info, &e) < 0) {
		print_row(0, e.code == ERR_DEADLINE ? "hangs" : "dead", "-",
		    "-", path);
		return false;
	}
	list_shim(o, &r, &info, path);
	rpc_close(&r);
	return false;
}

int
shim_list(const struct ctl *o, struct err *e)
{
	return shim_each(o, list_at, NULL, e);
}
