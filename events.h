/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: the ordered queue of events to containerd.
 *
 * One FIFO per shim.  The head is sent with Forward and kept until containerd
 * has answered; when containerd is away, the head is tried again with
 * back-off, and nothing overtakes it.  At most EVENTS_MAX wait; past that the
 * oldest that is not a TaskExit, TaskOOM or TaskDelete is dropped first, each
 * drop is counted and logged.  Without an address events are dropped in
 * silence (CRI-O).
 */
#ifndef EVENTS_H
#define EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/pb.h"

#define EVENTS_MAX 2048

/* address: path of containerd's ttrpc socket; NULL or "" for none. */
int events_init(const char *address, const char *namespace, struct err *e);
/*
 * Queue one event.  topic "/tasks/exit", name "TaskExit" (the type URL is
 * containerd.events.NAME), o its message; o is released.  The time stamp is
 * now.
 */
void events_publish(const char *topic, const char *name, struct pb_out *o);
/* Events not yet acknowledged. */
size_t events_pending(void);
unsigned long events_dropped(void);
/*
 * Call fn once, from the loop: when the queue is empty, or limit_ns from now.
 */
void events_flush(int64_t limit_ns, void (*fn)(void));
void events_close(void);

/* Begin to send none, or go on. */
void events_hold(bool hold);
/* Is one on its way? */
bool events_are_busy(void);
/* Write the queue down, while none is; read it, after events_init(). */
void events_save(struct pb_out *o);
int events_load(struct pb_bytes in, struct err *e);

#endif
