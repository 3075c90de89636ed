/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake: what the files of the fake runsc share: fake_runsc.c, the rules and the
 * commands; fake_begin.c, those that begin a process; fake_state.c, a
 * container's state file and the way to its sandbox; fake_sandbox.c, the
 * sandbox, the gofer and the container's own process; fake_util.c, texts, files
 * and JSON.
 */
#ifndef FAKE_H
#define FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FAILED 128
#define MSG_CAP (128 * 1024)
#define ARGS_CAP 256
#define SB_FD_LISTEN 3
#define SB_FD_GOFER 4
#define SB_FD_SOCKET 5

extern int log_fd;
extern bool log_json;
extern const char *command;	/* the subcommand */

void usage(void);
/* Say why in the log, and end as runsc does. */
void fail(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));
/* Never returns. */
void hang(void);
void sleep_ms(long ms);
/* A text, malloc'd; in the sandbox until the end of its turn. */
char *join(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));
/* p, which is freed by drop_scratch(): what a turn of the sandbox has made. */
char *keep(char *p);
void drop_scratch(void);
char *quote(const char *s);
void write_all(int fd, const char *p, size_t n);
/* The whole file, NUL-terminated; NULL and errno. */
char *read_file(const char *path);
void write_file(const char *path, const char *text);
const char *json_skip(const char *p);
const char *json_space(const char *p);
/* JSON: a value by its key, its text, the strings of an array. */
const char *json_get(const char *p, const char *key);
char *json_string(const char *p);
char **json_strings(const char *p);
bool json_true(const char *p);
/* A message, NUL-terminated, with what descriptors came along (at most 4). */
ssize_t recv_fds(int sock, char *buf, size_t cap, int *fds, int *nfds);

/* -- fake_runsc.c --------------------------------------------------------- */

extern const char *root_dir;
extern bool no_pid_file, no_inner_pid_file, die_started;
extern long die_ms;
extern char **own_argv;
/* Its line in FAKE_RUNSC_LOG. */
void log_call(int argc, char **argv);
extern const char *pid_text;	/* in the place of the pid */

/* What the command line says after the subcommand. */
struct flags {
	const char *bundle, *pid_file, *internal_pid_file, *console, *process,
	    *format, *resources, *image_path;
	bool detach, all, force, stats, leave_running;
	long pid;
	char **args;
	int nargs;
};

/* The end of a command that has done its work. */
void done(void);

/* -- fake_state.c --------------------------------------------------------- */

/* A container's state file. */
struct state {
	char *id, *sid, *bundle, *annotations;
	char status[16];
	pid_t sandbox_pid, gofer_pid;
	bool start_failed;
};

bool is_root(const struct state *s);
bool status_is(const struct state *s, const char *a, const char *b,
	const char *c);
bool pid_alive(pid_t pid);
char *state_path(const struct state *s, const char *suffix);
void state_save(const struct state *s);
void state_remove(const struct state *s);
/* By the container's id or the beginning of one; state_load() fails as runsc
 * does where there is none. */
bool state_find(struct state *s, const char *id);
void state_load(struct state *s, const char *id, const char *what);
/* Ask the sandbox; the text of the reply, "ok ..." or "err TEXT", "" where it is
 * gone.  At once, or a step at a time: the socket or -1, send_fds(), replies. */
int ctl_connect(const char *sid);
const char *ctl_reply(int fd);
const char *ctl_ask(const char *sid, const char *text, const int *fds,
	int nfds);
/* The text behind "ok "; otherwise fail with context. */
const char *ctl_must(const char *reply, const char *context);
bool send_fds(int sock, const char *text, size_t len, const int *fds,
	int nfds);

/* -- fake_begin.c --------------------------------------------------------- */

void cmd_create(struct flags *f);
void cmd_start(struct flags *f);
void cmd_restore(struct flags *f);
void cmd_exec(struct flags *f, int argc, char **argv);
/* The process of an exec, detached or not; never returns. */
void exec_run(struct flags *f, const char *process, const char *id);

/* -- fake_sandbox.c ------------------------------------------------------- */

/* The processes that runsc makes; none returns. */
void sandbox_main(const char *id);
void gofer_main(void);
void fake_main(int argc, char **argv);

#endif
