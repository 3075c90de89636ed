/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client: what containerd is to a shim, for tests: a blocking ttrpc client of
 * the Task service, and the socket that events are sent to.
 *
 * Several requests may be under way; replies are taken by stream id.  Every
 * wait ends: after its time the test fails.  While a reply is waited for,
 * events are taken and answered.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_WAIT_MS 60000	/* until something hangs */
#define REPLY_BYTES_MAX 65536
#define EVENTS_KEPT 8192

/* gRPC's codes, as far as a shim has them. */
enum { CANCELED = 1, UNKNOWN, INVALID, DEADLINE, NOT_FOUND, EXISTS, PERMISSION,
	EXHAUSTED, PRECONDITION, UNIMPLEMENTED = 12, INTERNAL, UNAVAILABLE };
/* A process's status. */
enum { CREATED = 1, RUNNING, STOPPED, PAUSED };

struct reply {
	int code;			/* 0: the payload counts */
	char msg[1024];
	uint8_t payload[REPLY_BYTES_MAX];
	size_t n;
};

/* Decoded from a reply's payload; what a method has not is 0. */
struct task_reply {
	uint32_t pid;
	uint32_t status;		/* State: the status enum */
	uint32_t exit_status;
	bool exited_at;			/* given and not 0 */
	unsigned npids;
	uint32_t shim_pid;
	uint32_t task_pid;
};

struct client;

struct client *client_connect(const char *path);
void client_close(struct client *c);
/* Has the server ended the connection? */
bool client_hung_up(const struct client *c);
/* Send a request of containerd.task.v2.Task; returns its stream id. */
uint32_t client_send(struct client *c, const char *method, const void *p,
	size_t n);
uint32_t client_send_full(struct client *c, const char *service,
	const char *method, const void *p, size_t n, int64_t timeout_ns);
/* Raw bytes, for what is wrong on purpose. */
void client_send_raw(struct client *c, const void *p, size_t n);
/* Wait for the reply; false if there is none within ms, or no connection. */
bool client_recv(struct client *c, uint32_t stream, struct reply *r, int ms);

/* Requests: the code of the reply, its text in client_error, its fields in
 * *t (may be NULL).  exec_id "" for init. */
extern char client_error[1024];
struct create_args {
	const char *id;
	const char *bundle;
	const char *in, *out, *err;
	bool terminal;
	const char *config_path;	/* of a runsc.toml, or NULL */
	const char *checkpoint;		/* directory, or NULL */
	const char *rootfs;		/* type of what to mount, or NULL */
};
int task_create(struct client *c, const struct create_args *a,
	struct task_reply *t);
int task_start(struct client *c, const char *id, const char *exec_id,
	struct task_reply *t);
int task_state(struct client *c, const char *id, const char *exec_id,
	struct task_reply *t);
int task_delete(struct client *c, const char *id, const char *exec_id,
	struct task_reply *t);
int task_wait(struct client *c, const char *id, const char *exec_id,
	struct task_reply *t);
uint32_t task_wait_send(struct client *c, const char *id,
	const char *exec_id);
int task_wait_recv(struct client *c, uint32_t stream, struct task_reply *t);
int task_kill(struct client *c, const char *id, const char *exec_id,
	unsigned sig, bool all);
uint32_t task_kill_send(struct client *c, const char *id,
	const char *exec_id, unsigned sig, bool all);
int task_exec(struct client *c, const char *id, const char *exec_id,
	const char *process_json, const char *in, const char *out,
	const char *err, bool terminal);
int task_resize(struct client *c, const char *id, const char *exec_id,
	unsigned width, unsigned height);
int task_close_io(struct client *c, const char *id, const char *exec_id);
int task_pids(struct client *c, const char *id, struct task_reply *t);
int task_connect(struct client *c, const char *id, struct task_reply *t);
int task_checkpoint(struct client *c, const char *id, const char *path,
	bool exits);
/* resources: JSON of LinuxResources. */
int task_update(struct client *c, const char *id, const char *resources);
/* Pause, Resume, Stats, Update, Checkpoint, Shutdown. */
int task_simple(struct client *c, const char *method, const char *id);

/* -- events --------------------------------------------------------------- */

/* Listen on path; the one sink of a test. */
void sink_open(const char *path);
void sink_close(void);
/* Everything received so far: "TaskStart c1;TaskExit c1/e1 7;..." */
const char *sink_text(void);
void sink_clear(void);
/* Take events until text has come, at most ms; false if it has not. */
bool sink_wait(const char *text, int ms);

#endif
