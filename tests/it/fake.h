/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake: what the files of the fake runsc share: fake_runsc.c, the commands;
 * fake_sandbox.c, the sandbox, the gofer and the container's own process;
 * fake_util.c, texts, files and JSON.
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

/* The processes that runsc makes; none returns. */
void sandbox_main(const char *id);
void gofer_main(void);
void fake_main(int argc, char **argv);

#endif
