/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec: what the shim reads in a bundle's config.json.
 *
 * Uses json and err.
 */
#ifndef SPEC_H
#define SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define SPEC_FILE_MAX (16u << 20)

struct spec {
	/* io.kubernetes.cri.container-type or io.kubernetes.cri-o.ContainerType
	 * says "container": joins a pod's sandbox, its stdio goes to `start`.
	 * Everything else is a root container (runsc/specutils/cri.go). */
	bool is_sub;
	/* It has a PID namespace to itself, so when its init ends nothing of
	 * it is left.  With the pod's, by path, or with none that is not so. */
	bool own_pids;
	/* io.kubernetes.cri.sandbox-id or io.kubernetes.cri-o.SandboxID; NULL,
	 * as below, if absent or empty. */
	char *sandbox_id;
	char *log_directory;	/* io.kubernetes.cri.sandbox-log-directory */
	char *cgroups_path;	/* linux.cgroupsPath */
	bool terminal;		/* process.terminal */
};

/* Read bundle/config.json.  Errors: not found, a symbolic link, not JSON, wrong
 * types.  After -1, *s is zeroed. */
int spec_read(struct spec *s, const char *bundle, struct err *e);
void spec_free(struct spec *s);

/*
 * An OCI process object (an exec's spec, JSON) with its member "terminal" set
 * to the request's value, as runsc is to get it.  *out is malloc'd,
 * NUL-terminated, *outlen its length.
 */
int spec_exec_process(const char *json, size_t len, bool terminal, char **out,
	size_t *outlen, struct err *e);

#endif
