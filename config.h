/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: runsc.toml and the options that containerd passes.
 *
 * A strict reader for the part of TOML that runsc.toml uses (comments, bare
 * and quoted keys, dotted keys, [tables], basic and literal strings, integers,
 * booleans); an unknown key, a wrong type, a key given twice or a syntax error
 * is refused with file, line and key.  `lenient = true` anywhere at the top
 * turns unknown keys into warnings.  Uses pb, err, log.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "log.h"
#include "pb.h"

#define CONFIG_FLAGS_MAX 64
#define CONFIG_FILE_MAX (1u << 20)

struct config {
	char *binary_name;	/* default "runsc" */
	char *root;		/* default "/run/containerd/runsc" */
	char *shim_cgroup;	/* NULL: none */
	char *log_path;		/* NULL: none */
	int log_level;		/* enum log_level, -1: not set */
	uid_t io_uid;
	gid_t io_gid;
	bool grouping;		/* default true */
	bool lenient;
	/* Deadlines of runsc commands, ns.  Keys create_timeout,
	 * start_timeout, command_timeout: integers, seconds, 1 to 86400. */
	int64_t create_timeout_ns;	/* default 5 min */
	int64_t start_timeout_ns;	/* default 5 min */
	int64_t command_timeout_ns;	/* default 30 s */
	/* [runsc_config]: "--key=value", ready for a command line.  NULL ends. */
	char *flags[CONFIG_FLAGS_MAX + 1];
	size_t nflags;
};

/* Defaults; no memory that can fail. */
int config_init(struct config *c, struct err *e);
/* One destructor.  A zeroed struct is fine. */
void config_free(struct config *c);
/* text of a runsc.toml; file names it in errors. */
int config_parse(struct config *c, const char *text, size_t len,
	const char *file, struct err *e);
int config_read_file(struct config *c, const char *path, struct err *e);
/*
 * From CreateTaskRequest.options: a marshalled google.protobuf.Any, or
 * nothing (n 0).  Any{runtimeoptions.v1.Options} (also
 * cri.runtimeoptions.v1.Options): config_path is read, else config_body is
 * parsed, else defaults.  Any{containerd.runc.v1.Options} and
 * Any{runsc.v1 options of old Docker}: binary_name, root, io_uid, io_gid,
 * shim_cgroup are taken, except that a binary_name "runc" counts as unset
 * (Docker 20.10 sends it).  Another type with a non-empty value:
 * ERR_INVALID.  With nothing given, the search order: the first of
 * /run/containerd/runsc/config.toml, /etc/containerd/runsc/config.toml,
 * /etc/containerd/runsc.toml that exists.
 */
int config_from_options(struct config *c, struct pb_bytes any, struct err *e);

#endif
