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

/* What the fields 1, 2, ... say: c container, x exec, i the same or of init the
 * container, p pid, s exit status, t when. */
static const struct {
	const char *topic, *name, *fields;
} events[] = {
	[PUBLISH_START] = { "/tasks/start", "TaskStart", "cp" },
	[PUBLISH_EXEC_ADDED] = { "/tasks/exec-added", "TaskExecAdded", "cx" },
	[PUBLISH_EXEC_STARTED] = { "/tasks/exec-started", "TaskExecStarted",
	    "cxp" },
	[PUBLISH_EXIT] = { "/tasks/exit", "TaskExit", "cipst" },
	[PUBLISH_DELETE] = { "/tasks/delete", "TaskDelete", "cpst" },
	[PUBLISH_PAUSED] = { "/tasks/paused", "TaskPaused", "c" },
	[PUBLISH_RESUMED] = { "/tasks/resumed", "TaskResumed", "c" },
	[PUBLISH_OOM] = { "/tasks/oom", "TaskOOM", "c" },
};

void
publish_event(enum publish what, const struct process *p)
{
	const char *field = events[what].fields;
	uint8_t buf[EVENT_BYTES];
	struct pb_out o;
	uint32_t num;

	pb_out_init(&o, buf, sizeof(buf));
	for (num = 1; *field; field++, num++) {
		if (*field == 'c' || (*field == 'i' && p->kind == PROC_INIT))
			pb_put_str(&o, num, p->ct->id);
		else if (*field == 'x' || *field == 'i')
			pb_put_str(&o, num, p->exec_id);
		else if (*field == 't')
			pb_put_time(&o, num, p->exited_at);
		else
			pb_put_uint(&o, num, *field == 'p' ?
			    (uint64_t)p->pid : p->exit_status);
	}
	events_publish(events[what].topic, events[what].name, &o);
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
