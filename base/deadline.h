/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadline: what may take how long, and when what failed is tried again: all of
 * it but steps of loops that wait.  "Deadlines" of containerd-shim-runsc-v1(8)
 * has the same rows, which `make lint` compares.  A line of words, then its
 * name with its ns.
 */
#ifndef DEADLINE_H
#define DEADLINE_H

#include "base/loop.h"

/* -- commands to runsc ----------------------------------------------------- */

/* runsc create, restore (create_timeout) */
#define CREATE_NS (300 * NS_PER_S)

/* runsc start, exec (start_timeout) */
#define START_NS (300 * NS_PER_S)

/* any other runsc (command_timeout) */
#define COMMAND_NS (30 * NS_PER_S)

/* the end of a sandbox that runsc start misses */
#define RUNSC_UNSEEN_NS (100 * NS_PER_MS)

/* the end of a runsc that was killed */
#define RUNSC_DYING_NS (2 * NS_PER_S)

/* runsc of the verb delete */
#define DELETE_RUNSC_NS (3 * NS_PER_S)

/* the control socket is busy: tried again, then after twice that */
#define URPC_FULL_NS (5 * NS_PER_MS)

/* the control socket is busy: tried again at most after */
#define URPC_FULL_MAX_NS (100 * NS_PER_MS)

/* the sandbox's answer, for which there is no memory: read again */
#define URPC_AGAIN_NS (100 * NS_PER_MS)

/* -- operations ------------------------------------------------------------ */

/* Kill that failed: tried again, then after twice that */
#define KILL_AGAIN_NS (50 * NS_PER_MS)

/* Kill that fails: tried for */
#define KILL_RETRY_NS (1 * NS_PER_S)

/* what a failed exec leaves: looked for again, then after twice that */
#define STRAYS_AGAIN_NS (500 * NS_PER_MS)

/* what a failed exec leaves: looked for at most after */
#define STRAYS_NS (5 * NS_PER_S)

/* State of what has ended with output that nobody opened */
#define STATE_HELD_NS (100 * NS_PER_MS)

/* -- ends ------------------------------------------------------------------ */

/* the ends of execs after their container; then SIGKILL */
#define EXECS_END_NS (2 * NS_PER_S)

/* the end of what stands in for an exec that has ended; then SIGKILL */
#define STANDIN_END_NS (2 * NS_PER_S)

/* the end of a sandbox that was killed */
#define SANDBOX_END_NS (10 * NS_PER_S)

/* a start or checkpoint of what has ended: its answer */
#define EXIT_HELD_NS (5 * NS_PER_S)

/* the wait for a container of a pod: asked again */
#define WAIT_AGAIN_NS (1 * NS_PER_S)

/* the wait for a container of a pod: asked again at most after */
#define WAIT_AGAIN_MAX_NS (32 * NS_PER_S)

/* the end of a sandbox that explains another end */
#define SANDBOX_SEEN_NS (100 * NS_PER_MS)

/* output at an end: a client that takes nothing */
#define IO_STALL_NS (5 * NS_PER_S)

/* output at an end: altogether */
#define IO_DRAIN_NS (10 * NS_PER_S)

/* output at an end: what is in the FIFO to be read */
#define IO_READ_NS (1 * NS_PER_S)

/* -- stdio ----------------------------------------------------------------- */

/* a slow client: looked at again */
#define WATCH_AGAIN_NS (100 * NS_PER_MS)

/* a FIFO without inotify: looked at again */
#define TAIL_LOOK_NS (1 * NS_PER_S)

/* a FIFO that is read, without inotify: looked at again */
#define TAIL_READ_NS (50 * NS_PER_MS)

/* a FIFO while a child is being forked: looked at again */
#define TAIL_FORKED_NS (5 * NS_PER_MS)

/* a logging binary: ready */
#define LOGGER_READY_NS (10 * NS_PER_S)

/* a logging binary after the end: then SIGTERM */
#define LOGGER_TERM_NS (10 * NS_PER_S)

/* a logging binary after SIGTERM: then SIGKILL */
#define LOGGER_KILL_NS (2 * NS_PER_S)

/* -- events ---------------------------------------------------------------- */

/* an event: taken by containerd */
#define EVENT_NS (5 * NS_PER_S)

/* an event that was not taken: sent again, then after twice that */
#define EVENT_AGAIN_NS (100 * NS_PER_MS)

/* an event that was not taken: sent again, at most after */
#define EVENT_AGAIN_MAX_NS (5 * NS_PER_S)

/* -- the daemon ------------------------------------------------------------ */

/* start: the daemon serves */
#define DAEMON_READY_NS (5 * NS_PER_S)

/* accept without descriptors: tried again */
#define ACCEPT_AGAIN_NS (100 * NS_PER_MS)

/* no connection: whether anybody can want it, looked at again */
#define UNWANTED_LOOK_NS (2 * NS_PER_S)

/* no connection and no container: it leaves */
#define UNWANTED_NS (60 * NS_PER_S)

/* leaving: events to be taken */
#define EVENTS_FLUSH_NS (3 * NS_PER_S)

/* leaving: replies to be read */
#define LAST_REPLIES_NS (1 * NS_PER_S)

/* an upgrade: what is under way comes to rest, twice */
#define UPGRADE_REST_NS (5 * NS_PER_S)

/* an upgrade: the successor says that it can */
#define UPGRADE_CHECK_NS (5 * NS_PER_S)

/* a cgroup: empty, looked at again at most after */
#define CGROUP_LEAVING_NS (2 * NS_PER_S)

#endif
