/* SPDX-License-Identifier: Apache-2.0 */
/* container: see container.h. */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/name.h"
#include "conf/saved.h"
#include "console.h"
#include "exit.h"
#include "gvisor/runsc_left.h"
#include "gvisor/runsc_text.h"
#include "host/cgroup.h"
#include "publish.h"
#include "resources.h"
#include "wire/save.h"

#define ROOTFS_MODE 0711

/* -- processes ------------------------------------------------------------ */

static char *
copy(const char *s)
{
	return strdup(s ? s : "");
}

static void
process_init(struct process *p, struct container *ct, enum proc_kind kind)
{
	p->kind = kind;
	p->ct = ct;
	p->child = (struct child)CHILD_INIT;
	p->standin = (struct standin)STANDIN_INIT;
	p->master = p->slave = -1;
}

static int
process_fill(struct process *p, struct container *ct, enum proc_kind kind,
    const char *exec_id, const struct io_config *io)
{
	process_init(p, ct, kind);
	p->state = kind == PROC_INIT ? STATE_CREATING : STATE_CREATED;
	p->terminal = io->terminal;
	p->exec_id = copy(exec_id);
	p->in = copy(io->in);
	p->out = copy(io->out);
	p->err = copy(io->err);
	return p->exec_id && p->in && p->out && p->err ? 0 : -1;
}

void
process_forget_spec(struct process *p)
{
	fmt_wipe(p->process_json, p->process_len);
	p->process_json = NULL;
}

/* Let go of all that p holds; the struct itself is the caller's. */
void
process_close_stdio(struct process *p)
{
	if (p->start == START_FAILED && p->io)
		io_close_outputs(p->io);
	io_free(p->io);
	p->io = NULL;
}

void
process_close_pair(struct process *p)
{
	fd_close(&p->master);
	fd_close(&p->slave);
}

static void
process_clear(struct process *p)
{
	child_forget(&p->child);
	timer_stop(&p->end_timer);
	timer_stop(&p->kill_timer);
	runsc_cancel(p->wait_cmd);
	runsc_cancel(p->end_cmd);
	runsc_cancel(p->forward_cmd);
	standin_free(&p->standin);
	process_close_pair(p);
	if (p->kind == PROC_INIT) {
		runsc_cancel(p->ct->strays.cmd);
		timer_stop(&p->ct->strays.again);
	}
	process_close_stdio(p);
	console_free(p->console);
	process_forget_spec(p);
	free(p->exec_id);
	free(p->in);
	free(p->out);
	free(p->err);
}

struct process *
container_add_exec(struct container *ct, const struct request *r,
    struct err *e)
{
	unsigned size[2];
	struct process *p;

	if (ct->nexecs >= EXECS_MAX) {
		err_set(e, ERR_EXHAUSTED, "container %s: %u execs exist "
		    "already", ct->id, ct->nexecs);
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		goto nomem;
	if (process_fill(p, ct, PROC_EXEC, r->new_exec_id, &r->stdio) < 0)
		goto nomem;
	if (spec_exec_process(r->process_json, r->process_len,
	    r->stdio.terminal, &p->process_json, &p->process_len, size,
	    e) < 0) {
		err_prefix(e, "exec %s in container %s", r->new_exec_id,
		    ct->id);
		goto fail;
	}
	p->width = size[0];
	p->height = size[1];
	LIST_ADD(&ct->execs, p);
	ct->nexecs++;
	return p;
nomem:
	err_set(e, ERR_EXHAUSTED, "exec %s in container %s: out of memory",
	    r->new_exec_id, ct->id);
fail:
	if (p)
		process_clear(p);
	free(p);
	return NULL;
}

void
container_remove_exec(struct process *p)
{
	LIST_DEL(p);
	p->ct->nexecs--;
	process_clear(p);
	loop_free(&p->freed, p);
}

static void
on_master(void *arg, int fd, const struct err *why)
{
	struct process *p = arg;
	struct err e;

	if (fd < 0)
		log_err("%s %s: no terminal: %s", p->ct->id, p->exec_id,
		    why->msg);
	else if (io_attach_master(p->io, fd, &e) < 0)
		log_err("%s %s: terminal: %s", p->ct->id, p->exec_id, e.msg);
	console_free(p->console);
	p->console = NULL;
}

int
process_open_console(struct process *p, struct err *e)
{
	p->console = console_new(p->ct->env.bundle_fd, on_master, p, e);
	return p->console ? 0 : -1;
}

int
process_open_stdio(struct process *p, struct err *e)
{
	struct io_config c = {
		.in = p->in, .out = p->out, .err = p->err,
		.terminal = p->terminal,
		.uid = p->ct->config.io_uid, .gid = p->ct->config.io_gid,
		.id = p->ct->id, .exec_id = p->exec_id, .ns = state_namespace(),
	};

	p->io = io_new(&c, e);
	if (!p->io)
		return -1;
	if (p->width && io_resize(p->io, p->width, p->height, e) < 0)
		log_warn("%s %s: %s", c.id, c.exec_id, e->msg);
	/* For an exec not before runsc is to make its terminal. */
	if (!p->terminal || p->kind == PROC_EXEC ||
	    process_open_console(p, e) == 0)
		return 0;
	io_free(p->io);
	p->io = NULL;
	return -1;
}

const char *
process_console_path(const struct process *p)
{
	return p->console ? console_path(p->console) : NULL;
}

/* -- containers ----------------------------------------------------------- */

/* Remove what runsc and its cgroup have left of ct, whose processes are dead; a
 * second time is nothing. */
static void
container_forget(struct container *ct)
{
	if (!ct->runsc_ran)
		return;
	ct->runsc_ran = false;
	runsc_forget(ct->runsc_root, state_namespace(), ct->id);
	if (!ct->filestore)
		runsc_forget_filestore(ct->env.bundle_fd, ct->spec.rootfs,
		    ct->env.sandbox_id);
	cgroup_remove_soon(ct->spec.cgroups_path, ct->id, ct->cgroup_is_ours);
}

void
container_free(struct container *ct)
{
	struct err e;

	/* One that never came to be has no exit that would answer them. */
	if (ct->init.waiters) {
		ct->init.exit_status = STATUS_NOT_KNOWN;
		ct->init.exited_at = unix_now();
		waiters_release(&ct->init);
	}
	while (ct->execs)
		container_remove_exec(ct->execs);
	cgroup_put(ct->cgroup);
	free(ct->last_stats);
	container_forget(ct);
	if (ct->mounted && mount_undo(ct->rootfs, &e) < 0)
		log_err("%s: unmount the rootfs: %s", ct->id, e.msg);
	state_remove(ct);
	process_clear(&ct->init);
	pb_out_free(&ct->create_event);
	config_free(&ct->config);
	spec_free(&ct->spec);
	fd_close(&ct->env.bundle_fd);
	if (ct->env.panic_fd > 0)
		close(ct->env.panic_fd);
	free(ct->create_err);
	free(ct->checkpoint);
	free(ct->runsc_root);
	free(ct->rootfs);
	free(ct->bundle);
	free(ct->id);
	loop_free(&ct->init.freed, ct);
}

static struct container *
container_new(const struct create_request *c, struct err *e)
{
	struct container *ct = calloc(1, sizeof(*ct));
	struct io_config io = { .in = c->in, .out = c->out, .err = c->err,
		.terminal = c->terminal };

	if (!ct) {
		err_set(e, ERR_EXHAUSTED, "create %s: out of memory", c->id);
		return NULL;
	}
	ct->env.bundle_fd = -1;
	ct->id = copy(c->id);
	ct->bundle = copy(c->bundle);
	ct->rootfs = fmt_new("%s/rootfs", c->bundle);
	if (process_fill(&ct->init, ct, PROC_INIT, "", &io) < 0 || !ct->id ||
	    !ct->bundle || !ct->rootfs) {
		err_set(e, ERR_EXHAUSTED, "create %s: out of memory", c->id);
		container_free(ct);
		return NULL;
	}
	state_add(ct);
	return ct;
}

/* -- what is checked and prepared ------------------------------------------ */

/* Where the sandbox says why it crashes.  Settings may have it elsewhere. */
static void
open_panic_log(struct container *ct)
{
	struct runsc_env *env = &ct->env;
	char path[PATH_MAX];
	struct stat st;

	if (!env->log_directory) {
		if (!config_has_flag(&ct->config, "alsologtostderr") &&
		    !config_has_flag(&ct->config, "panic-log"))
			env->panic_fd = memfd_create("runsc-panic",
			    MFD_CLOEXEC);
		return;
	}
	fmt(path, sizeof(path), "%s/" RUNSC_PANIC_LOG, env->log_directory);
	if (stat(path, &st) == 0)
		env->panic_from = st.st_size;
}

/* What runsc is told, as far as it stands elsewhere. */
static void
name_env(struct container *ct)
{
	struct runsc_env *env = &ct->env;

	env->sandbox_id = ct->spec.is_sub ? ct->spec.sandbox_id : ct->id;
	env->binary = ct->config.binary_name;
	env->root = ct->runsc_root;
	env->flags = ct->config.flags;
	env->id = ct->id;
	env->control = &ct->control;
	env->caps = ct->spec.caps_known ? ct->spec.caps : NULL;
	env->bundle = ct->bundle;
	env->log_directory = ct->spec.log_directory;
	env->create_timeout_ns = ct->config.create_timeout_ns;
	env->start_timeout_ns = ct->config.start_timeout_ns;
	env->command_timeout_ns = ct->config.command_timeout_ns;
}

static int
fill_env(struct container *ct, struct err *e)
{
	struct runsc_env *env = &ct->env;

	if (ct->spec.is_sub && !ct->spec.sandbox_id)
		return err_set(e, ERR_INVALID, "container %s of a pod has no "
		    "annotation that names the sandbox", ct->id);
	ct->runsc_root = runsc_root(ct->config.root, state_namespace(),
	    ct->spec.is_sub ? ct->spec.sandbox_id : ct->id);
	if (!ct->runsc_root)
		return err_nomem(e);
	name_env(ct);
	ct->control.mode = (enum control_socket)ct->config.control_socket;
	if (!ct->spec.is_sub)
		open_panic_log(ct);
	env->bundle_fd = open(ct->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (env->bundle_fd < 0)
		return err_sys(e, "open bundle %s", ct->bundle);
	return 0;
}

/* What the verb `delete` needs when this process is no more.  Not over what is
 * of another container, which lives: its bundle is not to be had. */
static int
save(struct container *ct, const struct create_request *c, struct err *e)
{
	struct saved now = {
		.id = ct->id, .namespace = (char *)state_namespace(),
		.binary = ct->config.binary_name, .root = ct->config.root,
		.runsc_root = ct->runsc_root,
		.mounted = c->nrootfs > 0,
	};
	struct saved old;
	bool there = saved_read(&old, ct->bundle) && old.id && old.runsc_root;
	bool same = there && saved_is_of(&old, state_namespace(), ct->id);
	bool taken = there && !same && runsc_exists(old.runsc_root, old.id) &&
	    runsc_is_alive(old.runsc_root, old.id);

	/*
	 * Of an earlier life, whose `delete` was cut short too, that is known.
	 */
	if (same && cgroup_exists(ct->spec.cgroups_path, ct->id))
		ct->cgroup_is_ours = old.own_cgroup;
	now.own_cgroup = ct->cgroup_is_ours;
	if (taken)
		err_set(e, ERR_EXISTS, "bundle %s is that of container %s, "
		    "which runs", ct->bundle, old.id);
	saved_free(&old);
	return taken ? -1 : saved_write(&now, ct->bundle, e);
}

static int
mount_rootfs(struct container *ct, const struct create_request *c,
    struct err *e)
{
	if (c->nrootfs == 0)
		return 0;
	if (mkdir(ct->rootfs, ROOTFS_MODE) < 0 && errno != EEXIST)
		return err_sys(e, "create %s", ct->rootfs);
	/* Even a failed mount_all may have left something: undo it anyway. */
	ct->mounted = true;
	return mount_all(c->rootfs, c->nrootfs, ct->rootfs, e);
}

/* log_level and log_path; of a pod's containers the last that says counts. */
static int
set_log(const struct container *ct, struct err *e)
{
	const struct config *c = &ct->config;
	size_t n = c->log_path ? strlen(c->log_path) : 0;
	char path[PATH_MAX];
	size_t used;

	if (c->log_level >= 0)
		log_set_level((enum log_level)c->log_level);
	if (n == 0)
		return 0;
	if (!runsc_expand_id(path, sizeof(path), c->log_path, ct->id))
		goto too_long;
	used = strlen(path);
	if (c->log_path[n - 1] == '/' && fmt(path + used, sizeof(path) - used,
	    "runsc-shim-%s.log", ct->id) >= sizeof(path) - used)
		goto too_long;
	return log_copy(path, e) == 0 ? 0 : err_prefix(e, "log_path");
too_long:
	return err_set(e, ERR_INVALID, "log_path %s: too long", c->log_path);
}

static int
prepare_restore(struct container *ct, const char *checkpoint, struct err *e)
{
	if (ct->spec.is_sub)
		return err_set(e, ERR_UNIMPLEMENTED, "create %s from a "
		    "checkpoint: runsc restores a whole sandbox, not one "
		    "container of a pod", ct->id);
	ct->checkpoint = strdup(checkpoint);
	if (!ct->checkpoint)
		return err_nomem(e);
	return runsc_check_image(checkpoint, e);
}

/* What the settings name. */
static int
check_paths(const struct config *c, struct err *e)
{
	if (name_check_path("root", c->root, e) < 0 ||
	    (c->log_path && name_check_path("log_path", c->log_path, e) < 0) ||
	    (c->pause_binary && name_check_path("pause_binary",
	    c->pause_binary, e) < 0))
		return -1;
	return name_check_path("kubelet_root", c->kubelet_root, e);
}

/* Remove the state that runsc has of id, whose sandbox is no more: it is of
 * another life of this host. */
static bool
forget_dead(const struct container *ct, const char *id)
{
	if (!runsc_exists(ct->runsc_root, id))
		return false;
	log_warn("%s: runsc's state of %s in %s is of a sandbox that is no "
	    "more: removing it", ct->id, id, ct->runsc_root);
	runsc_forget(ct->runsc_root, state_namespace(), id);
	return !runsc_exists(ct->runsc_root, id);
}

/* For what a sandbox may have left in the volumes of its pod. */
static bool
sandbox_lives(const void *arg, const char *sandbox_id)
{
	const struct container *ct = arg;
	char *root = runsc_root(ct->config.root, state_namespace(), sandbox_id);
	bool lives = !root || runsc_is_alive(root, sandbox_id);

	free(root);
	return lives;
}

static int
prepare(struct container *ct, const struct create_request *c, struct err *e)
{
	char other[ID_MAX_BYTES + 1];
	const struct container *root;

	if (config_init(&ct->config, e) < 0 ||
	    config_from_options(&ct->config, c->options, e) < 0 ||
	    check_paths(&ct->config, e) < 0 ||
	    set_log(ct, e) < 0 ||
	    spec_read(&ct->spec, ct->bundle, e) < 0 || fill_env(ct, e) < 0)
		return -1;
	if (runsc_check_root(ct->runsc_root, state_namespace(), ct->id, e) < 0)
		return -1;
	if (runsc_is_alive(ct->runsc_root, ct->id))
		return err_set(e, ERR_EXISTS,
		    "container %s already exists in %s", ct->id,
		    ct->runsc_root);
	/* Then the cgroup, too, is of that life. */
	ct->cgroup_is_ours = forget_dead(ct, ct->id) ||
	    !cgroup_exists(ct->spec.cgroups_path, ct->id);
	while (!ct->spec.is_sub && runsc_orphaned(ct->runsc_root, ct->id,
	    other, sizeof(other)) && forget_dead(ct, other))
		;
	while (runsc_ambiguous(ct->runsc_root, ct->id, other, sizeof(other))) {
		if (!runsc_is_alive(ct->runsc_root, other) &&
		    forget_dead(ct, other))
			continue;
		return err_set(e, ERR_PRECONDITION, "container %s: runsc "
		    "cannot tell it from container %s, since one id begins "
		    "with the other", ct->id, other);
	}
	root = ct->spec.is_sub ? state_find_container(ct->env.sandbox_id) :
	    NULL;
	if (root && (root->init.state == STATE_PAUSED ||
	    (root->init.current && root->init.current->op == OP_PAUSE)))
		return err_set(e, ERR_PRECONDITION, "container %s: sandbox %s "
		    "is paused", ct->id, root->id);
	if (c->checkpoint && c->checkpoint[0] &&
	    prepare_restore(ct, c->checkpoint, e) < 0)
		return -1;
	if (save(ct, c, e) < 0)
		return -1;
	ct->init.width = ct->spec.size[0];
	ct->init.height = ct->spec.size[1];
	ct->spec.lives = sandbox_lives;
	ct->spec.lives_arg = ct;
	ct->spec.etc = root ? root->bundle : NULL;
	ct->spec.unified = cgroup_host_unified();
	if (spec_rewrite(&ct->spec, ct->bundle, ct->config.kubelet_root,
	    ct->config.sandbox_limits, e) < 0 ||
	    mount_rootfs(ct, c, e) < 0 ||
	    process_open_stdio(&ct->init, e) < 0)
		return -1;
	/* No sandbox of that id lives: what is there is of an earlier life. */
	if (!ct->spec.is_sub)
		runsc_forget_filestore(ct->env.bundle_fd, ct->spec.rootfs,
		    ct->env.sandbox_id);
	ct->filestore = runsc_has_filestore(ct->env.bundle_fd,
	    ct->spec.rootfs, ct->env.sandbox_id);
	return 0;
}

/* -- creating ------------------------------------------------------------- */

/* The failed container is gone from runsc: forget it, then answer Create and
 * the Deletes that came meanwhile. */
static void
finish_failed(struct container *ct, const struct err *why)
{
	struct request *r = ct->init.current;
	struct err e = *why;

	/* Else the bundle may be another's. */
	if (ct->runsc_ran)
		runsc_kill_leftovers(ct->bundle);
	process_named(&ct->init, &e);
	log_warn("create %s", e.msg);
	container_forget(ct);
	request_detach(r);
	r->done(r, &e);
	requests_flush(&ct->init, "not created");
	container_free(ct);
}

static void
on_failed_deleted(void *arg, const struct runsc_result *r)
{
	struct container *ct = arg;

	ct->init.current->cmd = NULL;
	if (r->err.code != ERR_OK && !r->gone)
		log_err("%s: delete after failed create: %s", ct->id,
		    r->err.msg);
	finish_failed(ct, ct->create_err);
}

/*
 * Undo what has been done and answer with *e.  ran: runsc create was started,
 * so what runsc has under this id is ours to delete.
 */
static void
fail_create(struct container *ct, const struct err *e, bool ran)
{
	struct request *r = ct->init.current;
	struct err e2;

	ct->create_err = malloc(sizeof(*e));
	if (ct->create_err)
		*ct->create_err = *e;
	/* Without memory for the reason, what runsc has is only killed. */
	if (ran) {
		/* Sandbox and gofer first: `delete` waits for them to go. */
		runsc_kill_leftovers(ct->bundle);
		if (ct->create_err)
			r->cmd = runsc_delete(&ct->env, true,
			    on_failed_deleted, ct, &e2);
		if (r->cmd)
			return;
		log_err("%s: delete after failed create: %s", ct->id,
		    ct->create_err ? e2.msg : "out of memory");
	}
	finish_failed(ct, e);
}

/* runsc create has succeeded; pid 0: it is to be restored, and has no sandbox
 * yet. */
static int
finish_created(struct container *ct, pid_t pid, const struct child_origin *o,
    struct err *e)
{
	const struct container *root = state_find_container(ct->env.sandbox_id);
	struct process *p = &ct->init;

	if (!ct->spec.is_sub && pid &&
	    exit_watch_sandbox(p, pid, o, e) < 0)
		return -1;
	if (ct->spec.is_sub && root && root != ct && root->init.pid != pid)
		return err_set(e, ERR_INTERNAL, "runsc names process %d as its "
		    "sandbox, which is process %d", (int)pid,
		    (int)root->init.pid);
	p->pid = pid;
	if (ct->spec.is_sub)
		resources_begin(ct);
	state_set(p, STATE_CREATED);
	publish_create(ct);
	p->current->pid = pid;
	request_finish(p->current, NULL);
	return 0;
}

static void
on_runsc_created(void *arg, const struct runsc_result *r)
{
	struct container *ct = arg;
	struct err e;

	ct->init.current->cmd = NULL;
	if (r->err.code != ERR_OK) {
		e = r->err;
		err_prefix(&e, "OCI runtime create failed");
		/* Another containerd was faster: what runsc has is its, if
		 * runsc has not lost it over this (2022 does). */
		if (fmt_find(e.msg, "container already exists") ||
		    !runsc_is_of_bundle(ct->runsc_root, ct->id, ct->bundle)) {
			e.code = ERR_EXISTS;
			ct->runsc_ran = false;
		}
		fail_create(ct, &e, ct->runsc_ran);
		return;
	}
	if (finish_created(ct, r->pid, &r->origin, &e) < 0) {
		fail_create(ct, &e, true);
		return;
	}
	exit_orphan(&ct->init);
}

void
op_delete_creating(struct process *p, struct request *r)
{
	struct container *ct = p->ct;
	struct err e;

	(void)r;		/* answered when that is undone */
	if (ct->create_err)	/* as it is already */
		return;
	runsc_cancel(p->current->cmd);
	p->current->cmd = NULL;
	err_set(&e, ERR_CANCELED, "ended by a delete of the container");
	fail_create(ct, &e, ct->runsc_ran);
}

static int
run_create(struct container *ct, struct err *e)
{
	struct request *r = ct->init.current;
	int fds[3];

	if (ct->checkpoint)
		return finish_created(ct, 0, NULL, e);
	/* A root container's stdio goes to `create`, which makes the sandbox;
	 * a sub-container's to `start` (runsc/specutils/cri.go). */
	io_child_fds(ct->init.io, fds);
	ct->runsc_ran = true;
	r->cmd = runsc_create(&ct->env, ct->spec.is_sub ? NULL : fds,
	    process_console_path(&ct->init), on_runsc_created, ct, e);
	if (!ct->spec.is_sub)
		io_child_done(ct->init.io);
	return r->cmd ? 0 : -1;
}

static void
on_stdio_ready(void *arg, const struct err *why)
{
	struct container *ct = arg;
	struct err e;

	if (why)
		e = *why;
	if (why || run_create(ct, &e) < 0)
		fail_create(ct, &e, false);
}

void
op_create(struct process *none, struct request *r)
{
	const struct create_request *c = r->create;
	struct container *ct;
	struct err e;

	(void)none;
	if (name_check("container id", c->id, &e) < 0 ||
	    name_check_path("bundle", c->bundle, &e) < 0 ||
	    (c->checkpoint && c->checkpoint[0] &&
	    name_check_path("checkpoint", c->checkpoint, &e) < 0))
		goto refuse;
	if (state_containers() >= CONTAINERS_MAX) {
		err_set(&e, ERR_EXHAUSTED, "create %s: %u containers exist "
		    "already", c->id, state_containers());
		goto refuse;
	}
	if (fd_room(&e) < 0) {
		err_prefix(&e, "create %s", c->id);
		goto refuse;
	}
	ct = container_new(c, &e);
	if (!ct)
		goto refuse;
	request_attach(r, &ct->init);
	if (prepare(ct, c, &e) < 0) {
		fail_create(ct, &e, false);
		return;
	}
	publish_prepare_create(ct, c);
	if (!io_await(ct->init.io, on_stdio_ready, ct))
		on_stdio_ready(ct, NULL);
	return;
refuse:
	r->done(r, &e);
}

/* -- written down, and taken over ----------------------------------------- */

static const struct save_field process_fields[] = {
	SAVE_UPTO(struct process, state, STATE_STOPPED),
	SAVE(struct process, exec_id), SAVE(struct process, in),
	SAVE(struct process, out), SAVE(struct process, err),
	SAVE(struct process, terminal),
	SAVE_BYTES(struct process, process_json, process_len),
	SAVE(struct process, pid), SAVE(struct process, internal_pid),
	SAVE(struct process, exit_status), SAVE(struct process, exited_at),
	SAVE_UPTO(struct process, start, START_CUT),
	SAVE(struct process, kill_sent), SAVE(struct process, killed),
	SAVE(struct process, maybe_paused), SAVE(struct process, wait_gone),
	SAVE(struct process, stdin_closed), SAVE(struct process, width),
	SAVE(struct process, height), SAVE(struct process, child.pid),
	SAVE_OPEN(struct process, child.pidfd),
	SAVE_OPEN(struct process, child.exec_fd),
	SAVE(struct process, child.exec_seen),
	SAVE_OPEN(struct process, standin.fd),
	SAVE(struct process, standin.status),
	SAVE(struct process, standin.listens),
	SAVE(struct process, kill_timer), SAVE_SUBS, SAVE_SUBS, SAVE_LAST
};
enum { PROCESS_IO = 28, PROCESS_WAIT };

static const struct save_field container_fields[] = {
	SAVE(struct container, id), SAVE(struct container, bundle),
	SAVE(struct container, rootfs), SAVE(struct container, runsc_root),
	SAVE(struct container, runsc_ran),
	SAVE(struct container, cgroup_is_ours),
	SAVE(struct container, filestore), SAVE(struct container, mounted),
	SAVE(struct container, cgroup_number),
	SAVE(struct container, oom_kills),
	SAVE(struct container, last_stats),
	SAVE(struct container, no_update), SAVE(struct container, checkpoint),
	SAVE_OPEN(struct container, env.bundle_fd),
	SAVE_OPEN(struct container, env.panic_fd),
	SAVE(struct container, env.panic_from),
	SAVE_UPTO(struct container, control.mode, CONTROL_OFF),
	SAVE(struct container, control.started),
	SAVE(struct container, control.told),
	SAVE(struct container, control.without),
	SAVE(struct container, control.asked),
	SAVE(struct container, control.knows),
	SAVE(struct container, strays.init),
	SAVE(struct container, strays.asked),
	SAVE(struct container, strays.due),
	SAVE(struct container, strays.delay_ns),
	SAVE(struct container, strays.again), SAVE_SUBS, SAVE_SUBS, SAVE_SUBS,
	SAVE_SUBS, SAVE_LAST
};
enum { CONTAINER_CONFIG = 28, CONTAINER_SPEC, CONTAINER_INIT, CONTAINER_EXEC };

static void
process_save(struct pb_out *o, uint32_t num, struct process *p)
{
	size_t mark = pb_begin(o, num);

	if (!child_running(&p->child))
		p->child.pid = 0;
	p->standin.listens = p->standin.watch.fd >= 0;
	save_put(o, process_fields, p);
	if (p->io)
		io_save(o, PROCESS_IO, p->io);
	if (p->wait_cmd)
		runsc_save_wait(o, PROCESS_WAIT, p->wait_cmd);
	pb_end(o, mark);
}

void
container_save(struct pb_out *o, struct container *ct)
{
	struct process *p;

	ct->cgroup_number = cgroup_index(ct->cgroup);
	save_put(o, container_fields, ct);
	config_save(o, CONTAINER_CONFIG, &ct->config);
	spec_save(o, CONTAINER_SPEC, &ct->spec);
	process_save(o, CONTAINER_INIT, &ct->init);
	for (p = ct->execs; p; p = p->next)
		process_save(o, CONTAINER_EXEC, p);
}

/* The last message num in it; nothing where there is none. */
static struct pb_bytes
sub_message(struct pb_bytes in, uint32_t num)
{
	struct pb_bytes b, last = { NULL, 0 };
	struct pb_in pb;

	pb_in_init(&pb, in.p, in.n);
	while (pb_next_bytes(&pb, num, &b))
		last = b;
	return last;
}

static int
process_load(struct process *p, struct container *ct, enum proc_kind kind,
    struct pb_bytes in, struct err *e)
{
	struct pb_bytes stdio = sub_message(in, PROCESS_IO);

	process_init(p, ct, kind);
	if (save_get(in, process_fields, p, e) < 0)
		return -1;
	if (!p->exec_id || !p->in || !p->out || !p->err || p->child.pid < 0 ||
	    p->state == STATE_CREATING || p->state == STATE_ENDING ||
	    (kind == PROC_EXEC && p->state == STATE_PAUSED) ||
	    (p->state == STATE_STOPPED) != process_has_exited(p))
		return save_bad(e);
	if (kind == PROC_INIT ? p->exec_id[0] != '\0' :
	    name_check_exec(p->exec_id, e) < 0)
		return save_bad(e);
	if (stdio.p) {
		p->io = io_load(stdio, e);
		if (!p->io)
			return -1;
	}
	return exit_resume(p, sub_message(in, PROCESS_WAIT), e);
}

static int
load_exec(void *arg, struct pb_bytes in, struct err *e)
{
	struct container *ct = arg;
	struct process *p = save_alloc(sizeof(*p), e);

	if (!p || process_load(p, ct, PROC_EXEC, in, e) < 0)
		return -1;
	LIST_ADD(&ct->execs, p);
	return ++ct->nexecs > EXECS_MAX ? save_bad(e) :
	    0;
}

int
container_load(struct pb_bytes in, struct err *e)
{
	struct container *ct = save_alloc(sizeof(*ct), e);

	if (!ct || save_get(in, container_fields, ct, e) < 0 ||
	    config_load(sub_message(in, CONTAINER_CONFIG), &ct->config,
	    e) < 0 ||
	    spec_load(sub_message(in, CONTAINER_SPEC), &ct->spec, e) < 0)
		return -1;
	if (!ct->id || !ct->bundle || !ct->rootfs || !ct->runsc_root ||
	    (ct->spec.is_sub && !ct->spec.sandbox_id) ||
	    ct->env.bundle_fd < 0 || state_find_container(ct->id) ||
	    state_containers() >= CONTAINERS_MAX ||
	    name_check("id", ct->id, e) < 0)
		return save_bad(e);
	name_env(ct);
	if (ct->cgroup_number)
		ct->cgroup = cgroup_indexed(ct->cgroup_number);
	if (!ct->cgroup != !ct->cgroup_number)
		return save_bad(e);
	if (process_load(&ct->init, ct, PROC_INIT, sub_message(in,
	    CONTAINER_INIT), e) < 0 ||
	    save_each(in, CONTAINER_EXEC, load_exec, ct, e) < 0)
		return -1;
	state_add(ct);
	return 0;
}
