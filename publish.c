/* SPDX-License-Identifier: Apache-2.0 */
/* publish: see publish.h. */
#include "publish.h"

#include "events.h"
#include "wire/pb.h"

/* What most events have room in: an exit is told without any memory. */
#define EVENT_BYTES 512

void
publish_prepare_create(struct container *ct, const struct create_request *c)
{
	struct pb_out *o = &ct->create_event;
	size_t i, j, mark;

	pb_out_init(o, NULL, 0);
	pb_put_str(o, 1, ct->id);
	pb_put_str(o, 2, ct->bundle);
	for (i = 0; i < c->nrootfs; i++) {
		mark = pb_begin(o, 3);
		pb_put_str(o, 1, c->rootfs[i].type);
		pb_put_str(o, 2, c->rootfs[i].source);
		for (j = 0; j < c->rootfs[i].noptions; j++)
			pb_put_str(o, 4, c->rootfs[i].options[j]);
		pb_end(o, mark);
	}
	mark = pb_begin(o, 4);
	pb_put_str(o, 1, ct->init.in);
	pb_put_str(o, 2, ct->init.out);
	pb_put_str(o, 3, ct->init.err);
	pb_put_bool(o, 4, ct->init.terminal);
	pb_end(o, mark);
	pb_put_str(o, 5, c->checkpoint);
}

void
publish_create(struct container *ct)
{
	pb_put_uint(&ct->create_event, 6, (uint64_t)ct->init.pid);
	events_publish("/tasks/create", "TaskCreate", &ct->create_event);
}

void
publish_start(const struct process *p)
{
	uint8_t buf[EVENT_BYTES];
	struct pb_out o;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, p->ct->id);
	if (p->kind == PROC_INIT) {
		pb_put_uint(&o, 2, (uint64_t)p->pid);
		events_publish("/tasks/start", "TaskStart", &o);
	} else {
		pb_put_str(&o, 2, p->exec_id);
		pb_put_uint(&o, 3, (uint64_t)p->pid);
		events_publish("/tasks/exec-started", "TaskExecStarted", &o);
	}
}

void
publish_exec_added(const struct process *p)
{
	uint8_t buf[EVENT_BYTES];
	struct pb_out o;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, p->ct->id);
	pb_put_str(&o, 2, p->exec_id);
	events_publish("/tasks/exec-added", "TaskExecAdded", &o);
}

void
publish_exit(const struct process *p)
{
	uint8_t buf[EVENT_BYTES];
	struct pb_out o;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, p->ct->id);
	pb_put_str(&o, 2, p->kind == PROC_INIT ? p->ct->id : p->exec_id);
	pb_put_uint(&o, 3, (uint64_t)p->pid);
	pb_put_uint(&o, 4, p->exit_status);
	pb_put_time(&o, 5, p->exited_at);
	events_publish("/tasks/exit", "TaskExit", &o);
}

void
publish_delete(const struct process *p)
{
	uint8_t buf[EVENT_BYTES];
	struct pb_out o;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, p->ct->id);
	pb_put_uint(&o, 2, (uint64_t)p->pid);
	pb_put_uint(&o, 3, p->exit_status);
	pb_put_time(&o, 4, p->exited_at);
	events_publish("/tasks/delete", "TaskDelete", &o);
}

static void
publish_id(const char *topic, const char *name, const struct container *ct)
{
	uint8_t buf[EVENT_BYTES];
	struct pb_out o;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, ct->id);
	events_publish(topic, name, &o);
}

void
publish_paused(const struct container *ct)
{
	publish_id("/tasks/paused", "TaskPaused", ct);
}

void
publish_oom(const struct container *ct)
{
	publish_id("/tasks/oom", "TaskOOM", ct);
}

void
publish_resumed(const struct container *ct)
{
	publish_id("/tasks/resumed", "TaskResumed", ct);
}

void
publish_checkpointed(const struct container *ct, const char *path)
{
	uint8_t buf[EVENT_BYTES];
	struct pb_out o;

	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, ct->id);
	pb_put_str(&o, 2, path);
	events_publish("/tasks/checkpointed", "TaskCheckpointed", &o);
}
