/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup: the cgroup that a sandbox is in: where it is, its files, the OOM
 * kills in it; what Stats says and Update writes.
 *
 * All containers of a pod run in the sandbox's cgroup and share one struct.  A
 * cgroup that the shim itself is in is never a sandbox's: runsc was told to do
 * without, and the figures and limits there are somebody else's.  The files
 * are of the kernel's memory, so reading them waits for nothing.  cgroup.c
 * finds, reads and watches, metrics.c is Stats, limits.c is Update.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "wire/pb.h"

#define CGROUP_TEXT_MAX 8192	/* of one file */

struct cgroup;

/* The cgroup of the sandbox with that pid, or NULL with *e filled. */
struct cgroup *cgroup_get(pid_t pid, struct err *e);
/* Not needed any more; NULL is ignored. */
void cgroup_put(struct cgroup *cg);
/* All of them written down, and read. */
void cgroup_save(struct pb_out *o);
int cgroup_load(struct pb_bytes in, struct err *e);
/* Which it is there, from 1 on; 0 for NULL.  And that one, to be put. */
unsigned cgroup_index(const struct cgroup *cg);
struct cgroup *cgroup_indexed(unsigned n);
/*
 * Remove what a runsc that was killed or that failed has left of the cgroup
 * that it made for container id: the empty directories of the spec's
 * cgroupsPath (NULL: none is named, and runsc takes /ID), in whatever form: an
 * absolute path, one below our own cgroup, slice:prefix:name as a part of such.
 * Only if it is ours, that is, it was not there before.  False where there are
 * processes in it still.
 */
bool cgroup_remove(const char *path, const char *id, bool is_ours);
/* The same, and from the loop again while there are. */
void cgroup_remove_soon(const char *path, const char *id, bool is_ours);
/* How many of these are not done yet. */
unsigned cgroup_leaving(void);
/* Is there such a cgroup, in any hierarchy? */
bool cgroup_exists(const char *path, const char *id);
/* OOM kills in it up to now; 0 for NULL. */
uint64_t cgroup_oom_kills(struct cgroup *cg);
/* Is it one of version 2? */
bool cgroup_is_unified(const struct cgroup *cg);
/* Has this host one hierarchy, version 2, for all that is needed here? */
bool cgroup_host_unified(void);

/*
 * A file is named as the kernel does, "memory.stat"; its first part says in
 * which hierarchy of version 1 it is.
 */
/* Its text into buf, NUL-terminated; its length, or -1. */
long cgroup_read(const struct cgroup *cg, const char *file, char *buf,
	size_t cap);
/* Its number; "max" is UINT64_MAX. */
bool cgroup_uint(const struct cgroup *cg, const char *file, uint64_t *v);
int cgroup_write(const struct cgroup *cg, const char *file, const char *text,
	struct err *e);
/* The number behind key in a text of lines "key number". */
bool cgroup_field(const char *text, const char *key, uint64_t *v);

/* Whose figures are wanted: those of a container in a sandbox with others, of
 * one alone in it, so that the cgroup's memory is its own, or all of the
 * cgroup's. */
enum metrics_of { METRICS_SHARED, METRICS_ALONE, METRICS_CGROUP };
/*
 * What `runsc events --stats` printed or the sandbox answered (Event, see
 * gvisor/urpc.h; NULL: nothing) and what the cgroup (may be NULL) says, as the
 * metrics of this host's version, into o; oom_kills as given.  The message's
 * type, or NULL with *e filled.
 */
const char *metrics_encode(struct pb_out *o, const char *out, size_t len,
	const struct cgroup *cg, enum metrics_of of, uint64_t oom_kills,
	struct err *e);
/* Set the limits in the LinuxResources (JSON).  What is nothing of a cgroup's
 * is an error before anything is written; what the kernel refuses may leave
 * those before it set. */
int limits_apply(const struct cgroup *cg, const char *json, size_t len,
	struct err *e);

/* Where to find what is normally in /proc (tests). */
void cgroup_set_proc(const char *dir);

#endif
