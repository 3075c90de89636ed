/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shimctl_upgrade: which program each running shim is, and another in its
 * place: the client of the shim's own service.
 *
 * The directory of sockets is that of all runtimes.  A shim is taken for this
 * program's if it answers Version, or else by the name of its binary: one from
 * before that service does not know the method, nor does gVisor's own shim.
 * "old" is said of what runs, byte by byte, and not of a version's number,
 * which a distribution's fix of a release does not change.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fmt.h"
#include "conf/cmdline.h"
#include "wire/socket.h"
#include "ctl/shimctl.h"

#define SHIM_SERVICE "runsc.shim.v1.Shim"
/* containerd's name for a shim of runsc, whatever its version. */
#define SHIM_PREFIX "containerd-shim-runsc-v"
#define DELETED " (deleted)"
#define VERSION_MAX 64
#define COLUMN 8
/* The shim comes to rest, has its successor checked and changes: each of that
 * has a bound there, all of them together are well below this.  What the shim
 * does not say within it, it says in the seconds after. */
#define UPGRADE_MS 60000
#define ANSWER_MS 2000

/* The program that a shim is. */
struct program {
	char version[VERSION_MAX];	/* "-": it does not say */
	char path[PATH_MAX];		/* where it is; "": not known */
	bool ours;
	bool asked;			/* it knows the service */
};

/* Another's text, which may hold anything. */
static void
take_text(struct pb_bytes b, char *out, size_t cap)
{
	size_t i;

	for (i = 0; i < b.n && i + 1 < cap; i++)
		out[i] = b.p[i] < 0x20 || b.p[i] == 0x7f ? '?' : (char)b.p[i];
	out[i] = '\0';
}

/* The file that a process executes, by name; "" where that is not seen. */
static void
look_at_exe(uint64_t pid, char *out, size_t cap)
{
	static const char deleted[] = DELETED;
	size_t cut = sizeof(deleted) - 1;
	char link[64];
	ssize_t n;

	fmt(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, out, cap - 1);
	out[n < 0 ? 0 : n] = '\0';
	if (n > (ssize_t)cut && strcmp(out + n - cut, deleted) == 0)
		out[(size_t)n - cut] = '\0';
}

/* -1 if it does not answer Version; the connection is for that service then. */
static int
look_at_program(struct rpc *r, uint64_t pid, struct program *p, struct err *e)
{
	struct rpc_reply reply;
	struct pb_out req;
	const char *name;

	pb_out_init(&req, NULL, 0);
	fmt(p->version, sizeof(p->version), "-");
	look_at_exe(pid, p->path, sizeof(p->path));
	name = strrchr(p->path, '/');
	p->ours = name && strncmp(name + 1, SHIM_PREFIX,
	    sizeof(SHIM_PREFIX) - 1) == 0;
	p->asked = false;
	r->service = SHIM_SERVICE;
	if (rpc_call(r, "Version", &req, &reply, e) < 0)
		return -1;
	p->ours = p->asked = true;
	if (reply.f[1].b.n)
		take_text(reply.f[1].b, p->version, sizeof(p->version));
	if (reply.f[2].b.n)
		take_text(reply.f[2].b, p->path, sizeof(p->path));
	rpc_reply_free(&reply);
	return 0;
}

/* -- which is old --------------------------------------------------------- */

static bool
same_bytes(int a, int b)
{
	static char p[32768], q[32768];
	off_t at = 0;
	ssize_t n, m;

	do {
		n = pread(a, p, sizeof(p), at);
		m = pread(b, q, sizeof(q), at);
		if (n < 0 || n != m || memcmp(p, q, (size_t)n) != 0)
			return false;
		at += n;
	} while (n > 0);
	return true;
}

/* What a process executes and what the file is now. */
static const char *
compare(int exe, int file)
{
	struct stat a, b;

	if (fstat(exe, &a) < 0 || fstat(file, &b) < 0)
		return "?";
	if (a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		return "current";
	return S_ISREG(b.st_mode) && a.st_size == b.st_size &&
	    same_bytes(exe, file) ? "current" : "old";
}

static const char *
age(uint64_t pid, const char *path)
{
	char link[64];
	const char *word = "?";
	int exe, file;

	fmt(link, sizeof(link), "/proc/%d/exe", (int)pid);
	exe = open(link, O_RDONLY | O_CLOEXEC);
	file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (exe >= 0 && file >= 0)
		word = compare(exe, file);
	else if (exe >= 0 && path[0] && errno == ENOENT)
		word = "removed";
	fd_close(&exe);
	fd_close(&file);
	return word;
}

static void
print_program(const struct shim_info *s, const char *version,
    const char *word, const char *path)
{
	static const char spaces[COLUMN + 1] = "        ";
	size_t v = strlen(version), w = strlen(word);

	show_wrote(fmt_write(STDOUT_FILENO, "%8u %s%s %s%s %s %s %s\n",
	    (unsigned)s->pid, version, spaces + (v < COLUMN ? v : COLUMN),
	    word, spaces + (w < COLUMN ? w : COLUMN), s->namespace, s->id,
	    path));
}

static bool
print_version(const struct ctl *o, const char *path, void *arg)
{
	struct shim_info s = { .namespace = "-", .id = "-" };
	struct program p;
	struct rpc r;
	struct err e;

	(void)arg;
	if (!socket_is_alive(path, 0))
		return false;
	if (shim_ask(o, &r, path, &s, &e) < 0) {
		if (e.code == ERR_DEADLINE)
			print_program(&s, "-", "hangs", path);
		return false;
	}
	if (look_at_program(&r, s.pid, &p, &e) == 0 || p.ours)
		print_program(&s, p.version, !p.asked &&
		    e.code == ERR_DEADLINE ? "hangs" : age(s.pid, p.path),
		    path);
	rpc_close(&r);
	return false;
}

int
shim_versions(const struct ctl *o, struct err *e)
{
	return shim_each(o, print_version, NULL, e);
}

/* -- another program ------------------------------------------------------ */

struct upgrade {
	const struct ctl *o;
	int timeout_ms;		/* of Upgrade, and to find whom to ask */
	char to[PATH_MAX];	/* "": the shim's own path */
	bool failed;
};

static void
complain(struct upgrade *u, const char *namespace, const char *id,
    const struct err *e)
{
	u->failed = true;
	fmt_write(STDERR_FILENO, "shimctl: upgrade -n %s %s: %s\n", namespace,
	    id, e->msg);
}

/* Upgrade {1 file}, answered {1 old version, 2 new version, 3 ns}. */
static int
ask_upgrade(const struct upgrade *u, struct rpc *r,
    const struct shim_info *s, struct err *e)
{
	char from[VERSION_MAX], to[VERSION_MAX];
	struct rpc_reply reply;
	struct pb_out req;
	uint64_t ns;

	r->timeout_ms = u->timeout_ms;
	pb_out_init(&req, NULL, 0);
	pb_put_str(&req, 1, u->to);
	if (rpc_send(r, "Upgrade", &req, e) < 0)
		return -1;
	r->timeout_ms += ANSWER_MS;
	if (rpc_receive(r, &reply, e) < 0)
		return -1;
	take_text(reply.f[1].b, from, sizeof(from));
	take_text(reply.f[2].b, to, sizeof(to));
	ns = reply.f[3].v;
	rpc_reply_free(&reply);
	show_wrote(fmt_write(STDOUT_FILENO, "%s %s %s -> %s %u.%03u ms\n",
	    s->namespace, s->id, from, to, (unsigned)(ns / 1000000),
	    (unsigned)(ns / 1000 % 1000)));
	return 0;
}

/* The shim at path, asked as o says who it is; id: what it is asked for by,
 * NULL: it is one of all, of which others need not be this program's. */
static void
upgrade_at(struct upgrade *u, const struct ctl *o, const char *path,
    const char *id)
{
	struct shim_info s;
	struct program p;
	struct rpc r;
	struct err e;

	if (!id && !socket_is_alive(path, 0))
		return;
	if (shim_ask(o, &r, path, &s, &e) < 0) {
		if (id || socket_is_alive(path, 0))
			complain(u, u->o->namespace, id ? id : path, &e);
		return;
	}
	if (!id && u->o->in_namespace &&
	    strcmp(s.namespace, u->o->namespace) != 0)
		goto out;
	if (look_at_program(&r, s.pid, &p, &e) == 0) {
		/* One of all that leaves has nothing to upgrade. */
		if (ask_upgrade(u, &r, &s, &e) < 0 && (id ||
		    !fmt_find(e.msg, "it is leaving")))
			complain(u, s.namespace, id ? id : s.id, &e);
	} else if (id || p.ours) {
		if (e.code == ERR_UNIMPLEMENTED)
			err_prefix(&e, "it began before there was upgrade in "
			    "place, or is another program than this shim");
		complain(u, s.namespace, id ? id : s.id, &e);
	}
out:
	rpc_close(&r);
}

static bool
upgrade_any(const struct ctl *o, const char *path, void *arg)
{
	upgrade_at(arg, o, path, NULL);
	return false;
}

/* Several containers have one shim, which is upgraded once. */
static int
upgrade_words(struct upgrade *u, struct err *e)
{
	const size_t n = u->o->nwords;
	struct ctl o = *u->o;
	char (*paths)[sizeof(((struct rpc *)0)->path)];
	struct rpc r;
	size_t i, k;

	paths = calloc(n, sizeof(*paths));
	if (!paths)
		return err_nomem(e);
	o.timeout_ms = u->timeout_ms;
	for (i = 0; i < n; i++) {
		if (shim_find(&o, o.words[i], &r, e) < 0) {
			complain(u, o.namespace, o.words[i], e);
			continue;
		}
		memcpy(paths[i], r.path, sizeof(paths[i]));
		rpc_close(&r);
		for (k = 0; strcmp(paths[k], paths[i]) != 0; k++)
			;
		if (k == i)
			upgrade_at(u, &o, paths[i], o.words[i]);
	}
	free(paths);
	return 0;
}

int
shim_upgrade(const struct ctl *o, struct err *e)
{
	struct upgrade u = { .o = o, .timeout_ms = o->timeout_ms };
	int ret;

	if (u.timeout_ms < 0)
		u.timeout_ms = UPGRADE_MS;
	if (o->to[0] && !realpath(o->to, u.to))
		return err_sys(e, "find %s", o->to);
	ret = o->all ? shim_each(o, upgrade_any, &u, e) :
	    upgrade_words(&u, e);
	return ret < 0 ? -1 : u.failed ? EXIT_FAILED : 0;
}
