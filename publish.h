/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish: the messages of containerd.events that a shim sends, one function
 * an event (containerd api/events/task.proto).  state.c calls them in the
 * order that is the product; events.c keeps that order.
 */
#ifndef PUBLISH_H
#define PUBLISH_H

#include "state.h"

/* What TaskCreate will say, into ct->create_event, while c is at hand. */
void publish_prepare_create(struct container *ct,
	const struct create_request *c);
void publish_create(struct container *ct);
void publish_start(const struct process *p);
void publish_exec_added(const struct process *p);
void publish_exit(const struct process *p);
void publish_delete(const struct process *p);
void publish_paused(const struct container *ct);
void publish_checkpointed(const struct container *ct, const char *path);
void publish_oom(const struct container *ct);
void publish_resumed(const struct container *ct);

#endif
