/* SPDX-License-Identifier: Apache-2.0 */
/* spec: what the shim reads in a bundle's config.json, and changes there. */
#ifndef SPEC_H
#define SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/pb.h"

#define SPEC_FILE_MAX (16u << 20)

/* -- conf/caps.c: sets of capabilities ------------------------------------ */

struct json;

enum caps_set { CAPS_PERMITTED, CAPS_INHERITABLE, CAPS_EFFECTIVE,
	CAPS_BOUNDING, CAPS_AMBIENT, CAPS_SETS };

/* The sets' names in a specification, one behind the other. */
extern const char caps_keys[];

#define CAPS_NET_RAW (UINT64_C(1) << 13)
/* Those that Linux got after 5.7, and runsc after 2022. */
#define CAPS_LATE (~(UINT64_C(0)) << 38)

/* The member "capabilities" of process object obj: bit n for capability n; none
 * where it is not there.  false: a name or a type that nobody knows. */
bool caps_read(const struct json *j, int obj, uint64_t sets[CAPS_SETS]);

/* -- config.json ---------------------------------------------------------- */

struct spec {
	/* io.kubernetes.cri.container-type or io.kubernetes.cri-o.ContainerType
	 * says "container": joins a pod's sandbox, its stdio goes to `start`.
	 * Everything else is a root container (runsc/specutils/cri.go). */
	bool is_sub;
	bool is_sandbox;	/* they say "sandbox": a pod's root container */
	/* It has a PID namespace to itself, so when its init ends nothing of
	 * it is left.  With the pod's, by path, or with none that is not so. */
	bool own_pids;
	/* io.kubernetes.cri.sandbox-id or io.kubernetes.cri-o.SandboxID; NULL,
	 * as below, if absent or empty. */
	char *sandbox_id;
	char *log_directory;	/* io.kubernetes.cri.sandbox-log-directory */
	char *cgroups_path;	/* linux.cgroupsPath */
	/* Does a sandbox of that id live?  Set by who wants spec_rewrite();
	 * NULL: all do. */
	bool (*lives)(const void *arg, const char *sandbox_id);
	const void *lives_arg;
	/* Where hostname, hosts and resolv.conf for containers may be: the
	 * bundle of the sandbox; set by who wants spec_rewrite(), NULL:
	 * nowhere. */
	const char *etc;
	/* cgroup_host_unified(); set by who wants spec_rewrite(). */
	bool unified;
	char *rootfs;		/* root.path, maybe relative to the bundle */
	bool terminal;		/* process.terminal */
	unsigned size[2];	/* process.consoleSize: width, height; or 0 */
	/* process.capabilities; known: and nothing else is in there. */
	uint64_t caps[CAPS_SETS];
	bool caps_known;
};

/* Read bundle/config.json.  Errors: not found, a symbolic link, not JSON, wrong
 * types, an id or a path that can be none (name.h).  After -1, *s is zeroed. */
int spec_read(struct spec *s, const char *bundle, struct err *e);
void spec_free(struct spec *s);
/* What of it is needed once the container is there, as message num of o; read
 * it into a zeroed one. */
void spec_save(struct pb_out *o, uint32_t num, const struct spec *s);
int spec_load(struct pb_bytes in, struct spec *s, struct err *e);

/*
 * An OCI process object (an exec's spec, JSON) with its member "terminal" set
 * to the request's value, as runsc is to get it.  *out is malloc'd,
 * NUL-terminated, *outlen its length.  size is filled as a spec's.
 */
int spec_exec_process(const char *json, size_t len, bool terminal, char **out,
	size_t *outlen, unsigned size[2], struct err *e);

/*
 * Change bundle/config.json where runsc needs to be told what the kubelet and
 * containerd say in other words; s is what spec_read() found there.  In order
 * (gVisor shim/v1/utils/volumes.go, service.go setPodCgroup):
 *
 * - a volume annotated dev.gvisor.spec.mount.NAME.type gets its source, and
 *   an emptyDir becomes a tmpfs that the pod shares, or a shared bind mount
 *   if it holds something or has dev.gvisor.empty-dir.NAME.force-shared; a
 *   container of the pod mounts it so; one over which the sidecar of a bucket
 *   talks to the host gets dev.gvisor.flag.host-uds;
 * - a pod's bind-mounted /dev/shm becomes a tmpfs that the pod shares;
 * - dev.gvisor.spec.cgroup-parent names the pod's cgroup, for the sandbox of
 *   a pod whose path has a part that a kubelet made.  Not in version 2, where a
 *   cgroup with others below takes no process: there runsc before 2024 cannot
 *   start a second container, and those after it take the sandbox's own anyway;
 * - a container gets those of etc on /etc that it has no mount of, read-only
 *   where its root is (containerd internal/cri/server/container_create.go);
 * - with limits, a sandbox gets the CPU and memory limits that containerd
 *   puts in its annotations only, where the spec has none of its own; and
 *   linux.resources is there in any case.
 *
 * What is not touched keeps its bytes; a file with nothing to change is left
 * alone, else it is replaced at once (rename).  kubelet: the kubelet's
 * directory, of which "pods" is read.  Errors: as of spec_read(), and a volume
 * that is not there.
 */
int spec_rewrite(const struct spec *s, const char *bundle, const char *kubelet,
	bool limits, struct err *e);

/* -- between spec.c and spec_rewrite.c ------------------------------------ */

struct json;

#define CRI "io.kubernetes.cri."
#define CRIO "io.kubernetes.cri-o."

/* The text of a file that is no link, to be freed; NULL on failure. */
char *spec_read_file(const char *path, size_t *len, struct err *e);
/* Member key of obj, or -1 if absent or null. */
int spec_member(const struct json *j, int obj, const char *key);

#endif
