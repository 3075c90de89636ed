/* SPDX-License-Identifier: Apache-2.0 */
/* played: see played.h. */
#include "played.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gvisor/runsc_left.h"
#include "gvisor/runsc_text.h"
#include "state.h"
#include "wire/save.h"

/* -- runsc: its commands are the test's to end ------------------------------- */

struct runsc_cmd *
runsc_create(const struct runsc_env *env, const int fds[3],
    const char *console_socket, runsc_done *done, void *arg, struct err *e)
{
	(void)env;
	(void)console_socket;
	return played_cmd("create", fds ? "+io" : "", done, arg, e);
}

struct runsc_cmd *
runsc_restore(const struct runsc_env *env, const int fds[3],
    const char *console_socket, const char *image, runsc_done *done, void *arg,
    struct err *e)
{
	(void)env;
	(void)fds;
	(void)console_socket;
	return played_cmd("restore", image, done, arg, e);
}

struct runsc_cmd *
runsc_checkpoint(const struct runsc_env *env, const char *image,
    bool leave_running, runsc_done *done, void *arg, struct err *e)
{
	(void)env;
	return played_cmd(leave_running ? "checkpoint --leave-running" :
	    "checkpoint", image, done, arg, e);
}

struct runsc_cmd *
runsc_update(const struct runsc_env *env, const char *json, runsc_done *done,
    void *arg, struct err *e)
{
	(void)env;
	return played_cmd("update", json, done, arg, e);
}

struct runsc_cmd *
runsc_start(const struct runsc_env *env, const int fds[3], runsc_done *done,
    void *arg, struct err *e)
{
	(void)env;
	return played_cmd("start", fds ? "+io" : "", done, arg, e);
}

struct runsc_cmd *
runsc_exec(const struct runsc_env *env, const int fds[3],
    const char *console_socket, const char *process, size_t len,
    int64_t spent_ns, runsc_done *done, void *arg, struct err *e)
{
	(void)env;
	(void)fds;
	(void)console_socket;
	(void)process;
	(void)len;
	(void)spent_ns;
	return played_cmd("exec", "", done, arg, e);
}

bool played_inside;

bool
runsc_may_execute(const struct runsc_env *env)
{
	(void)env;
	return played_inside;
}

struct runsc_cmd *
runsc_execute(const struct runsc_env *env, const int fds[3],
    const char *process, size_t len, runsc_done *done, void *arg,
    struct err *e)
{
	(void)env;
	(void)fds;
	(void)process;
	(void)len;
	return played_cmd("execute", "", done, arg, e);
}

struct runsc_cmd *
runsc_wait_exec(const struct runsc_env *env, pid_t internal_pid, bool first,
    runsc_done *done, void *arg, struct err *e)
{
	char detail[32];

	(void)env;
	snprintf(detail, sizeof(detail), "%d%s", (int)internal_pid,
	    first ? "" : " again");
	return played_cmd("wait-exec", detail, done, arg, e);
}

struct runsc_cmd *
runsc_forward(const struct runsc_env *env, pid_t internal_pid, unsigned sig,
    runsc_done *done, void *arg, struct err *e)
{
	char detail[32];

	(void)env;
	snprintf(detail, sizeof(detail), "%u:%d", sig, (int)internal_pid);
	return played_cmd("forward", detail, done, arg, e);
}

bool
runsc_may_leave(const struct runsc_cmd *c)
{
	return c != NULL;
}

void
runsc_end_exec(const struct runsc_env *env, pid_t internal_pid)
{
	(void)env;
	(void)internal_pid;
}

/* A stand-in is a child like others, and does as it is told at once. */
int
standin_start(struct standin *s, struct child *c, const char *id,
    const char *exec_id, int tty, void (*exited)(struct child *c, int status),
    void (*signaled)(struct standin *s, unsigned sig), struct err *e)
{
	const struct child_origin o = { 0 };

	(void)id;
	(void)exec_id;
	(void)tty;
	*s = (struct standin)STANDIN_INIT;
	s->signaled = signaled;
	if (child_adopt(c, 100, &o, exited, e) < 0)
		return -1;
	s->fd = 1000;
	return 0;
}

void
standin_end(struct standin *s, unsigned status)
{
	struct child *c = &container_of(s, struct process, standin)->child;

	if (!child_running(c))
		return;
	child_forget(c);
	c->exited(c, (int)(status << 8));
}

void
standin_listen(struct standin *s, bool listen)
{
	(void)s;
	(void)listen;
}

void
standin_free(struct standin *s)
{
	s->fd = -1;
}

int
console_pair(int *master, int *slave, unsigned width, unsigned height,
    struct err *e)
{
	(void)width;
	(void)height;
	*master = *slave = -1;
	(void)e;
	return 0;
}

struct runsc_cmd *
runsc_kill(const struct runsc_env *env, pid_t internal_pid, bool all,
    unsigned sig, runsc_done *done, void *arg, struct err *e)
{
	char detail[64];

	(void)env;
	snprintf(detail, sizeof(detail), "%s:%u:%d", all ? "-all" : "", sig,
	    (int)internal_pid);
	return played_cmd("kill", detail, done, arg, e);
}

struct runsc_cmd *
runsc_delete(const struct runsc_env *env, bool force, runsc_done *done,
    void *arg, struct err *e)
{
	(void)env;
	return played_cmd("delete", force ? "-force" : "", done, arg, e);
}

struct runsc_cmd *
runsc_simple(const struct runsc_env *env, const char *verb, runsc_done *done,
    void *arg, struct err *e)
{
	(void)env;
	return played_cmd(verb, "", done, arg, e);
}

/* claim_test has what comes of it. */
struct runsc_cmd *
runsc_list_parentless(const struct runsc_env *env, runsc_done *done, void *arg,
    struct err *e)
{
	(void)env;
	(void)done;
	(void)arg;
	err_set(e, ERR_EXHAUSTED, "out of memory");
	return NULL;
}

char *
runsc_root(const char *root, const char *namespace, const char *id)
{
	(void)namespace;
	(void)id;
	return strdup(root);
}

int
runsc_check_root(const char *root, const char *namespace, const char *id,
    struct err *e)
{
	(void)root;
	(void)namespace;
	(void)id;
	(void)e;
	return 0;
}

bool
runsc_is_alive(const char *root, const char *id)
{
	return runsc_exists(root, id);
}

bool
runsc_is_of_bundle(const char *root, const char *id, const char *bundle)
{
	(void)root;
	(void)id;
	(void)bundle;
	return true;
}

bool
runsc_orphaned(const char *root, const char *id, char *other, size_t cap)
{
	(void)root;
	(void)id;
	(void)other;
	(void)cap;
	return false;
}

bool
runsc_ambiguous(const char *root, const char *id, char *other, size_t cap)
{
	(void)root;
	(void)id;
	(void)other;
	(void)cap;
	return false;
}

bool
runsc_has_filestore(int bundle_fd, const char *rootfs, const char *sandbox_id)
{
	(void)bundle_fd;
	(void)rootfs;
	(void)sandbox_id;
	return false;
}

void
runsc_forget_filestore(int bundle_fd, const char *rootfs,
    const char *sandbox_id)
{
	(void)bundle_fd;
	(void)rootfs;
	(void)sandbox_id;
}

void
runsc_forget(const char *root, const char *namespace, const char *id)
{
	(void)namespace;
	(void)root;
	(void)id;
}

bool
runsc_expand_id(char *out, size_t cap, const char *text, const char *id)
{
	(void)id;
	return (size_t)snprintf(out, cap, "%s", text) < cap;
}

/* -- processes, stdio, terminals --------------------------------------------- */

unsigned
child_exit_code(int status)
{
	return status < 0 ? 255 : (unsigned)status;
}

/* Statuses are those of a shell here. */
bool
child_was_killed(int status)
{
	return status == 137;
}

void
io_child_fds(const struct io *io, int fds[3])
{
	(void)io;
	fds[0] = fds[1] = fds[2] = 1;
}

int
io_attach_master(struct io *io, int fd, struct err *e)
{
	(void)io;
	(void)fd;
	(void)e;
	return 0;
}

bool
io_await(struct io *io, void (*told)(void *arg, const struct err *e),
    void *arg)
{
	(void)io;
	(void)told;
	(void)arg;
	return false;
}

int
io_resize(struct io *io, unsigned w, unsigned h, struct err *e)
{
	(void)io;
	(void)w;
	(void)h;
	(void)e;
	return 0;
}

void
io_dump(const struct io *io)
{
	(void)io;
}

struct console *
console_new(int bundle_fd, void (*received)(void *, int, const struct err *),
    void *arg, struct err *e)
{
	(void)bundle_fd;
	(void)received;
	(void)arg;
	(void)e;
	return (struct console *)1;
}

const char *
console_path(const struct console *c)
{
	(void)c;
	return "/c";
}

void
console_collect(struct console *c)
{
	(void)c;
}

void
console_free(struct console *c)
{
	(void)c;
}

/* -- configuration, spec ----------------------------------------------------- */

int
config_init(struct config *c, struct err *e)
{
	(void)e;
	memset(c, 0, sizeof(*c));
	c->binary_name = "runsc";
	c->root = "/run/x";
	c->kubelet_root = "/var/lib/kubelet";
	return 0;
}

void
config_free(struct config *c)
{
	(void)c;
}

int
config_from_options(struct config *c, struct pb_bytes any, struct err *e)
{
	(void)c;
	(void)any;
	(void)e;
	return 0;
}

int
spec_rewrite(const struct spec *s, const char *bundle, const char *kubelet,
    bool limits, struct err *e)
{
	(void)s;
	(void)bundle;
	(void)kubelet;
	(void)limits;
	(void)e;
	return 0;
}

void
spec_free(struct spec *s)
{
	(void)s;
}

int
spec_exec_process(const char *json, size_t len, bool terminal, char **out,
    size_t *outlen, unsigned size[2], struct err *e)
{
	size[0] = size[1] = 0;
	(void)json;
	(void)len;
	(void)terminal;
	(void)e;
	*out = strdup("{}");
	*outlen = 2;
	return 0;
}

bool
config_has_flag(const struct config *c, const char *name)
{
	(void)c;
	(void)name;
	return false;
}

bool
runsc_has_panicked(const char *log_directory, int fd, off_t from, char *text,
    size_t cap)
{
	(void)log_directory;
	(void)fd;
	(void)from;
	(void)text;
	(void)cap;
	return false;
}

/* Nothing is written down here, or read. */

void
save_put(struct pb_out *o, const struct save_field *table, const void *obj)
{
	(void)o;
	(void)table;
	(void)obj;
}

int
save_get(struct pb_bytes in, const struct save_field *table, void *obj,
    struct err *e)
{
	(void)in;
	(void)table;
	(void)obj;
	return save_bad(e);
}

void *
save_alloc(size_t n, struct err *e)
{
	(void)e;
	return calloc(1, n);
}

int
save_bad(struct err *e)
{
	return err_set(e, ERR_INVALID, "it makes no sense");
}

bool
save_is_checked(void)
{
	return true;
}

bool
save_again(void)
{
	return false;
}

void
save_start(struct timer *t, void (*cb)(struct timer *t))
{
	(void)t;
	(void)cb;
}

int
child_resume(struct child *ch, void (*exited)(struct child *ch, int status),
    struct err *e)
{
	(void)ch;
	(void)exited;
	(void)e;
	return 0;
}

int
standin_resume(struct standin *s, void (*signaled)(struct standin *s,
    unsigned sig), struct err *e)
{
	(void)s;
	(void)signaled;
	(void)e;
	return 0;
}

void
runsc_save_wait(struct pb_out *o, uint32_t num, struct runsc_cmd *cmd)
{
	(void)o;
	(void)num;
	(void)cmd;
}

struct runsc_cmd *
runsc_load_wait(struct pb_bytes in, const struct runsc_env *env,
    runsc_done *done, void *arg, struct err *e)
{
	(void)in;
	(void)env;
	(void)done;
	(void)arg;
	(void)e;
	return NULL;
}

void
io_save(struct pb_out *o, uint32_t num, struct io *io)
{
	(void)o;
	(void)num;
	(void)io;
}

struct io *
io_load(struct pb_bytes in, struct err *e)
{
	(void)in;
	(void)e;
	return NULL;
}

void
config_save(struct pb_out *o, uint32_t num, const struct config *conf)
{
	(void)o;
	(void)num;
	(void)conf;
}

int
config_load(struct pb_bytes in, struct config *conf, struct err *e)
{
	(void)in;
	(void)conf;
	(void)e;
	return 0;
}

void
spec_save(struct pb_out *o, uint32_t num, const struct spec *s)
{
	(void)o;
	(void)num;
	(void)s;
}

int
spec_load(struct pb_bytes in, struct spec *s, struct err *e)
{
	(void)in;
	(void)s;
	(void)e;
	return 0;
}

void
save_put_sub(struct pb_out *o, uint32_t num, const struct save_field *table,
    const void *obj)
{
	(void)num;
	save_put(o, table, obj);
}

int
save_watch(struct watch *w, uint32_t events, enum loop_prio prio,
    void (*cb)(struct watch *w, uint32_t revents), struct err *e)
{
	(void)w;
	(void)events;
	(void)prio;
	(void)cb;
	(void)e;
	return 0;
}

int
save_each(struct pb_bytes in, uint32_t num, int (*load)(void *arg,
    struct pb_bytes in, struct err *e), void *arg, struct err *e)
{
	(void)in;
	(void)num;
	(void)load;
	(void)arg;
	(void)e;
	return 0;
}
