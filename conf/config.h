/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: runsc.toml and the options that containerd passes.
 *
 * A strict reader for the part of TOML that runsc.toml uses (comments, bare and
 * quoted keys, dotted keys, [tables], inline tables, strings of all four kinds,
 * integers, booleans; a byte order mark is passed over); an unknown key, a
 * wrong type, a key given twice or a syntax error is refused (ERR_INVALID) as
 * "FILE:LINE: key 'x': what".  `lenient = true` anywhere at the top turns
 * unknown keys into warnings, if their values are well-formed.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "wire/pb.h"

#define CONFIG_FLAGS_MAX 64
#define CONFIG_FILE_MAX (1u << 20)

/* May runsc.c ask the sandbox itself (urpc.h)? */
enum control_socket {
	CONTROL_AUTO,		/* yes, and runsc where that fails */
	CONTROL_ON,		/* yes, and nobody else */
	CONTROL_OFF,
};

struct config {
	char *binary_name;	/* default "runsc" */
	char *root;		/* default "/run/containerd/runsc" */
	char *shim_cgroup;	/* NULL: none */
	char *log_path;		/* NULL: none */
	char *kubelet_root;	/* default "/var/lib/kubelet" */
	char *pause_binary;	/* a sandbox's process; NULL: this binary */
	int log_level;		/* enum log_level, -1: not set */
	uid_t io_uid;
	gid_t io_gid;
	bool grouping;		/* default true */
	/* Default true: a sandbox's limits from containerd's annotations. */
	bool sandbox_limits;
	bool lenient;
	/* Deadlines of runsc commands, ns.  Keys create_timeout,
	 * start_timeout, command_timeout: integers, seconds, 1 to 86400. */
	int64_t create_timeout_ns;	/* default 5 min */
	int64_t start_timeout_ns;	/* default 5 min */
	int64_t command_timeout_ns;	/* default 30 s */
	/* Key kill_timeout: after a SIGKILL the container's sandbox itself is
	 * killed. */
	int64_t kill_timeout_ns;	/* default 0: never */
	int control_socket;	/* enum control_socket, default CONTROL_AUTO */
	/* [runsc_config]: "--key=value", ready for a command line.  Values
	 * are strings; booleans and integers are passed on as written.
	 * NULL ends. */
	char *flags[CONFIG_FLAGS_MAX + 1];
	size_t nflags;
};

/* Defaults.  Fails only where memory runs out; *c is then zeroed. */
int config_init(struct config *c, struct err *e);
/* One destructor.  A zeroed struct is fine. */
void config_free(struct config *c);
/* As message num of o; read into a zeroed one. */
void config_save(struct pb_out *o, uint32_t num, const struct config *c);
int config_load(struct pb_bytes in, struct config *c, struct err *e);
/* Is there a flag of runsc of that name, with whatever value? */
bool config_has_flag(const struct config *c, const char *name);
/*
 * text of a runsc.toml, over what *c (from config_init()) holds; file names it
 * in errors.  An empty string leaves the default.  After -1, *c may hold some
 * of the text's values and is good for config_free() only; so below.
 */
int config_parse(struct config *c, const char *text, size_t len,
	const char *file, struct err *e);
int config_read_file(struct config *c, const char *path, struct err *e);
/* The first of paths (NULL ends) that exists is read; none: *c is as before. */
int config_search(struct config *c, const char *const *paths, struct err *e);
/*
 * From CreateTaskRequest.options: a marshalled google.protobuf.Any, or nothing
 * (n 0).  Any{runtimeoptions.v1.Options} (also cri.runtimeoptions.v1.Options):
 * config_path is read, else config_body is parsed, else defaults.
 * Any{containerd.runc.v1.Options}: binary_name, root, io_uid, io_gid,
 * shim_cgroup are taken, systemd_cgroup is the flag, others that say something
 * are ignored with a line in the log.  The body may name them as runc's
 * section does (BinaryName).  A binary_name whose last part is "runc" counts
 * as unset: Docker 20.10 sends it, and runc is not runsc.  Another type with a
 * non-empty value: ERR_INVALID.  With nothing given (no or an empty value, or
 * options with none of those set), the search order: the first of
 * /run/containerd/runsc/config.toml, SYSCONFDIR/containerd/runsc/config.toml,
 * SYSCONFDIR/containerd/runsc.toml that exists.
 */
int config_from_options(struct config *c, struct pb_bytes any, struct err *e);

/* -- between config.c and options.c --------------------------------------- */

/* A config_body.  Returns 1 if a key in it says something. */
int config_parse_body(struct config *c, struct pb_bytes body, struct err *e);
/* runsc's flag of that name. */
int config_systemd_cgroup(struct config *c, struct err *e);
/* Is b the name, with or without what stands before the last slash? */
bool config_is_last(struct pb_bytes b, const char *name);

#endif
