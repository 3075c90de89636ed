/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint: Task.Checkpoint, and the start of a container from such an
 * image.
 *
 * runsc saves and restores a whole sandbox.  `runsc restore` is its create and
 * its start in one, so a container that is created from an image has no
 * sandbox and no pid before Start, as with runc's shim (containerd
 * cmd/containerd-shim-runc-v2/process init.go createCheckpointedState).  The
 * cells of state.c's table and container.c call this.
 */
#include "checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container.h"
#include "base/fmt.h"
#include "base/log.h"
#include "base/name.h"
#include "publish.h"

/* What a state file begins with (gVisor pkg/state/statefile). */
static const char magic[8] = { 'g', 'V', 'i', 's', 'o', 'r', 'S', 'F' };

int
checkpoint_check(const char *dir, struct err *e)
{
	char path[PATH_MAX], head[sizeof(magic)];
	struct stat st;
	ssize_t n = 0;
	int fd;

	if (dir[0] != '/')
		return err_set(e, ERR_INVALID,
		    "checkpoint %s is not an absolute path", dir);
	if (fmt(path, sizeof(path), "%s/checkpoint.img", dir) >= sizeof(path))
		return err_set(e, ERR_INVALID, "checkpoint %s: too long", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return err_sys(e, "open checkpoint image %s", path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, head, sizeof(head));
	close(fd);
	if (n != (ssize_t)sizeof(head) ||
	    /* cppcheck-suppress legacyUninitvar ; with that n it was read */
	    memcmp(head, magic, sizeof(magic)) != 0)
		return err_set(e, ERR_INVALID,
		    "%s is not a checkpoint of gVisor", path);
	return 0;
}

/* -- restore -------------------------------------------------------------- */

static void
on_restored(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;
	struct err e = res->err;

	r->cmd = NULL;
	if (e.code == ERR_OK &&
	    process_adopt_sandbox(p, res->pid, &res->origin,
	    &e) == 0) {
		start_worked(p);
		return;
	}
	/* It makes the sandbox before it knows whether the image is good. */
	runsc_kill_leftovers(p->ct->bundle);
	err_prefix(&e, "OCI runtime restore from %s failed",
	    p->ct->checkpoint);
	start_failed(p, &e);
}

void
op_restore(struct process *p, struct request *r)
{
	struct err e;
	int fds[3];

	io_child_fds(p->io, fds);
	p->ct->runsc_ran = true;
	r->cmd = runsc_restore(&p->ct->env, fds, process_console_path(p),
	    p->ct->checkpoint, on_restored, r, &e);
	io_child_done(p->io);
	if (!r->cmd)
		start_failed(p, &e);
}

/* -- checkpoint ----------------------------------------------------------- */

static void
on_resumed_to_end(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;

	r->cmd = NULL;
	if (res->err.code != ERR_OK && !res->gone)
		log_warn("%s: resume after a checkpoint: %s",
		    process_name(r->p), res->err.msg);
	request_finish(r, NULL);
}

static void
on_checkpointed(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct process *p = r->p;
	struct err e = res->err;

	r->cmd = NULL;
	if (e.code != ERR_OK) {
		err_prefix(&e, "OCI runtime checkpoint failed");
		request_finish(r, &e);
		return;
	}
	publish_checkpointed(p->ct, r->text);
	/* A paused sandbox has been told to end, but does not get to it. */
	if (r->exit && p->state == STATE_PAUSED && !p->gone)
		r->cmd = runsc_simple(&p->ct->env, "resume",
		    on_resumed_to_end, r, &e);
	if (!r->cmd)
		request_finish(r, NULL);
}

static void
checkpoint(struct request *r)
{
	struct err e;

	r->cmd = runsc_checkpoint(&r->p->ct->env, r->text, !r->exit,
	    on_checkpointed, r, &e);
	if (!r->cmd)
		request_finish(r, &e);
}

/*
 * Until 2024 --leave-running destroyed the container and ran another of that
 * name, as a child of `runsc checkpoint` (gVisor release-20221219.0
 * runsc/cmd/checkpoint.go; tried: it ends with an error and without a
 * container).  Those that save pages directly go on in place.
 */
static void
on_help(void *arg, const struct runsc_result *res)
{
	struct request *r = arg;
	struct err e;

	r->cmd = NULL;
	if (r->p->gone) {
		err_set(&e, ERR_PRECONDITION, "%s: the process has ended",
		    process_name(r->p));
		request_finish(r, &e);
	} else if (res->err.code == ERR_EXHAUSTED) {
		request_finish(r, &res->err);
	} else if (res->err.code == ERR_OK && fmt_find(res->out, "-direct")) {
		checkpoint(r);
	} else {
		request_refuse(r, ERR_UNIMPLEMENTED, "this runsc ends a "
		    "container when it checkpoints it: ask for that (exit)");
	}
}

/* Do others live in the sandbox of this root container? */
static bool
has_company(const struct container *ct)
{
	const struct container *o;

	for (o = state_next(NULL); o; o = state_next(o)) {
		if (o->spec.is_sub &&
		    strcmp(o->env.sandbox_id, ct->id) == 0)
			return true;
	}
	return false;
}

void
op_checkpoint(struct process *p, struct request *r)
{
	struct container *ct = p->ct;
	struct err e;

	if (ct->spec.is_sub || has_company(ct)) {
		request_refuse(r, ERR_UNIMPLEMENTED, "runsc checkpoints a "
		    "whole sandbox, not one container of a pod");
		return;
	}
	if (!r->text) {
		request_refuse(r, ERR_EXHAUSTED, "out of memory");
		return;
	}
	if (name_check_path("checkpoint", r->text, &e) < 0) {
		request_finish(r, &e);
		return;
	}
	if (r->exit) {
		checkpoint(r);
		return;
	}
	r->cmd = runsc_simple(&ct->env, "help", on_help, r, &e);
	if (!r->cmd)
		request_finish(r, &e);
}
