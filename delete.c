/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delete: the verb `delete`: remove what a container left when its shim is
 * no more.
 *
 * containerd runs it after every end of a connection, the normal one after
 * Delete and Shutdown too, with five seconds to finish (containerd
 * runtime/v2/shim.go cleanupAfterDeadShim).  So it succeeds when there is
 * nothing to do, and it does not trust anything to answer: first whatever
 * runsc still runs for this bundle is killed, then runsc is told to forget
 * the container, then what is left in its root file system, of its cgroup and
 * of its terminals is removed, then the rootfs is unmounted.  All but the first
 * only as far as state.json (saved.h) says that it is this container's.  Prints
 * a DeleteResponse.
 */
#include "delete.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "host/cgroup.h"
#include "base/child.h"
#include "console.h"
#include "base/file.h"
#include "base/fmt.h"
#include "base/log.h"
#include "host/mount.h"
#include "wire/pb.h"
#include "gvisor/runsc_left.h"
#include "runsc.h"
#include "wire/socket.h"
#include "conf/saved.h"
#include "conf/spec.h"

#define FILE_MAX 65536
/* How long a killed daemon may take to be gone. */
#define DYING_MS 200
#define STATUS_KILLED 137
/* How long what was killed may be in its cgroup still. */
#define LEAVING_STEP_NS (10 * NS_PER_MS)
#define LEAVING_STEPS 50
#define DEFAULT_BINARY "runsc"
#define DEFAULT_ROOT "/run/containerd/runsc"

static void
complain(const char *id, const char *what)
{
	fmt_write(STDERR_FILENO, "%s: delete %s: %s\n", SHIM_NAME, id, what);
}

/* The text of dir/name, NUL-terminated; "" if there is none. */
static char *
read_text(const char *dir, const char *name)
{
	char path[PATH_MAX], *text;
	struct err e;

	fmt(path, sizeof(path), "%s/%s", dir, name);
	text = file_load(AT_FDCWD, path, O_NOFOLLOW, FILE_MAX, NULL, &e);
	return text ? text : strdup("");
}

struct deletion {
	bool done;
	struct err e;
};

static void
on_deleted(void *arg, const struct runsc_result *r)
{
	struct deletion *d = arg;

	d->done = true;
	d->e = r->err;
	if (r->gone)
		d->e.code = ERR_OK;
}

static void
delete_in_runsc(const struct options *o, const char *bundle,
    const char *binary, const char *root)
{
	struct runsc_env env = {
		.binary = binary, .root = root, .id = o->id,
		.bundle = bundle, .bundle_fd = -1,
		.command_timeout_ns = DELETE_RUNSC_NS,
	};
	struct deletion d = { .e.code = ERR_OK };

	if (!runsc_exists(root, o->id))
		return;
	if (loop_init(&d.e) < 0 || child_init(NULL, &d.e) < 0 ||
	    !runsc_delete(&env, true, on_deleted, &d, &d.e)) {
		complain(o->id, d.e.msg);
		return;
	}
	while (!d.done)
		loop_turn(-1);
	if (d.e.code != ERR_OK)
		complain(o->id, d.e.msg);
}

/*
 * A create that was killed before it told anybody what it had made.  Its
 * processes have been killed just now and may take a moment to leave.
 */
static void
remove_made(const char *id, const char *bundle, bool own_cgroup)
{
	struct spec spec;
	struct err e;
	int i, fd;

	if (spec_read(&spec, bundle, &e) < 0)
		return;
	fd = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		runsc_forget_filestore(fd, spec.rootfs, spec.is_sub &&
		    spec.sandbox_id ? spec.sandbox_id : id);
		close(fd);
	}
	for (i = 0; i < LEAVING_STEPS && !cgroup_remove(spec.cgroups_path,
	    id, own_cgroup); i++)
		poll(NULL, 0, LEAVING_STEP_NS / NS_PER_MS);
	spec_free(&spec);
}

/* The daemon that `start` left for this very bundle, and not a pod's. */
static bool
has_own_daemon(const char *bundle)
{
	char *text = read_text(bundle, FILE_SHIM_PID);
	bool own = text && text[0];

	free(text);
	return own;
}

/* The socket of a shim that was killed; a live one's stays, and what is no
 * socket. */
static void
remove_socket(const char *bundle)
{
	static const char scheme[] = "unix://";
	char *address = read_text(bundle, FILE_ADDRESS);
	const char *path = address && strncmp(address, scheme,
	    sizeof(scheme) - 1) == 0 ? address + sizeof(scheme) - 1 : "";
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    !socket_is_alive(path, has_own_daemon(bundle) ? DYING_MS : 0))
		unlink(path);
	free(address);
}

static void
print_response(const char *id, const char *bundle)
{
	char *text = read_text(bundle, "init.pid");
	struct pb_out out;
	uint8_t buf[64];

	pb_out_init(&out, buf, sizeof(buf));
	pb_put_uint(&out, 1, text ? (uint64_t)runsc_parse_pid(text,
	    strlen(text)) : 0);
	pb_put_uint(&out, 2, STATUS_KILLED);
	pb_put_time(&out, 3, loop_clock(CLOCK_REALTIME));
	if (write(STDOUT_FILENO, out.p, out.len) < 0)
		complain(id, "print the answer");
	pb_out_free(&out);
	free(text);
}

/* Where runsc has its state; NULL when out of memory. */
static char *
find_root(const struct saved *s, const struct options *o)
{
	return s->runsc_root ? strdup(s->runsc_root) : fmt_new("%s/%s",
	    s->root && s->root[0] ? s->root : DEFAULT_ROOT, o->namespace);
}

/* What runsc made for this container, by what Create has saved. */
static void
delete_saved(const struct saved *s, const struct options *o,
    const char *bundle)
{
	char *root = find_root(s, o), rootfs[PATH_MAX + 8];
	struct err e;

	if (!root) {
		complain(o->id, "out of memory");
		return;
	}
	if (runsc_is_of_bundle(root, o->id, bundle)) {
		delete_in_runsc(o, bundle, s->binary && s->binary[0] ?
		    s->binary : DEFAULT_BINARY, root);
		runsc_forget(root, o->namespace, o->id);
		remove_made(o->id, bundle, s->own_cgroup);
	}
	free(root);
	console_remove(bundle);
	fmt(rootfs, sizeof(rootfs), "%s/rootfs", bundle);
	if (s->mounted && mount_undo(rootfs, &e) < 0)
		complain(o->id, e.msg);
}

int
delete_run(const struct options *o)
{
	char cwd[PATH_MAX];
	const char *bundle = o->bundle;
	struct saved s;
	bool saved;

	/* What is printed containerd logs as a warning. */
	log_set_level(LOG_WARN);
	if (!bundle[0])
		bundle = getcwd(cwd, sizeof(cwd));
	if (!bundle) {
		complain(o->id, "no bundle given and no working directory");
		return EXIT_FAILED;
	}
	saved = saved_read(&s, bundle);
	if (saved && !saved_is_of(&s, o->namespace, o->id)) {
		/* Another's bundle: its Create was refused. */
		print_response(o->id, bundle);
		saved_free(&s);
		return 0;
	}
	runsc_kill_leftovers(bundle);
	if (saved)
		delete_saved(&s, o, bundle);
	saved_free(&s);
	remove_socket(bundle);
	print_response(o->id, bundle);
	return 0;
}
