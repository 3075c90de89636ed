/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount: a container's rootfs, mounted as containerd says and unmounted; the
 * list of mounts.
 *
 * The rules are containerd's core/mount/mount_linux.go: option words to
 * flags, the rest as data; overlay options longer than a page made relative
 * to a common directory; propagation and read-only remount of binds as second
 * steps.
 */
#ifndef MOUNT_H
#define MOUNT_H

#include <stddef.h>

#include "base/err.h"

#define MOUNTS_MAX 16
#define MOUNT_OPTIONS_MAX 512

struct mount_spec {
	const char *type;
	const char *source;
	const char **options;	/* noptions words */
	size_t noptions;
};

/* Mount each of specs on target, in order; on failure those that were
 * mounted are unmounted again. */
int mount_all(const struct mount_spec *specs, size_t n, const char *target,
	struct err *e);
/*
 * Unmount everything mounted on target and below it, the newest first.  A path
 * that is no mount point, or does not exist, is success.  A busy mount is
 * detached (MNT_DETACH) at once: nothing here waits.
 */
int mount_undo(const char *target, struct err *e);

/* What /proc/PID/mountinfo says of a mount. */
struct mount_line {
	const char *root, *point, *type;
	const char *options;	/* of the file system */
};
/* Call use for each mount in list, such a file, the newest first. */
int mount_each(const char *list, void (*use)(void *arg,
	const struct mount_line *m), void *arg, struct err *e);

/* For the unit tests: what mount(2) would be called with.  data gets at most
 * cap bytes. */
int mount_parse(const struct mount_spec *s, unsigned long *flags,
	unsigned long *propagation, char *data, size_t cap, struct err *e);

#endif
