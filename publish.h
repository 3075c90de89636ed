/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish: the messages of containerd.events that a shim sends (containerd
 * api/events/task.proto).  Called in the order that is the product, mostly by
 * exit.c; events.c keeps that order.
 */
#ifndef PUBLISH_H
#define PUBLISH_H

#include "state.h"

/* What TaskCreate will say, into ct->create_event, while c is at hand. */
void publish_prepare_create(struct container *ct,
	const struct create_request *c);
void publish_create(struct container *ct);
void publish_checkpointed(const struct container *ct, const char *path);

enum publish {
	PUBLISH_START, PUBLISH_EXEC_ADDED, PUBLISH_EXEC_STARTED, PUBLISH_EXIT,
	PUBLISH_DELETE, PUBLISH_PAUSED, PUBLISH_RESUMED, PUBLISH_OOM,
};

/* Any other; of p, or of its container. */
void publish_event(enum publish what, const struct process *p);

#endif
