/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec_rewrite: see spec.h.
 *
 * All of it is edits of one parsed text, collected and then applied at once,
 * so a failure on the way leaves the file as it was.
 */
#include "conf/spec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fmt.h"
#include "json.h"
#include "base/log.h"

#define HINT "dev.gvisor.spec.mount."
#define SHM_HINT "gvisorinternaldevshm"	/* ours, so no volume of the pod's */
#define DEV_SHM "/dev/shm"
#define EMPTY_DIR "kubernetes.io~empty-dir"
/* What containerd writes where a sandbox has no CPU shares of its own
 * (containerd pkg/cri DefaultSandboxCPUshares). */
#define NO_SHARES "2"
#define STORES_MAX 256	/* of a volume: what so many power cuts leave */

struct rewrite {
	const struct spec *s;
	const char *kubelet;
	struct err *e;
	struct json j;
	struct json_edits ed;
	int notes;			/* annotations, -1: none */
	struct json_index index;	/* of their keys */
	struct json_out new_notes;	/* members, if there are none */
	int mounts;			/* -1: none */
};

/* s as JSON text, to be freed; NULL if out of memory. */
static char *
quoted(const char *s)
{
	struct json_out o = { 0 };

	json_put_str(&o, s);
	if (!o.bad)
		return o.p;
	json_out_free(&o);
	return NULL;
}

/* Member key of obj, whose value is tok if it is there, shall be the string
 * value. */
static void
set_string(struct rewrite *w, int obj, int tok, const char *key,
    const char *value)
{
	char *text;

	if (json_is(&w->j, tok, value))
		return;
	text = quoted(value);
	if (!text)
		w->ed.bad = true;
	else if (tok >= 0)
		json_edit_replace(&w->ed, &w->j, tok, text);
	else
		json_edit_append(&w->ed, &w->j, obj, key, text);
	free(text);
}

/* The annotation's value, or -1 if absent or null.  A pod may have thousands
 * of them, and be asked for as many. */
static int
find_note(const struct rewrite *w, const char *key)
{
	int tok = json_index_get(&w->index, &w->j, key);

	return tok >= 0 && w->j.toks[tok].type == JSON_NULL ? -1 : tok;
}

static void
set_note(struct rewrite *w, const char *prefix, const char *name,
    const char *field, const char *value)
{
	char key[256];

	if (fmt(key, sizeof(key), "%s%s%s", prefix, name, field) >=
	    sizeof(key))
		return;		/* no such name was ever a volume's */
	if (w->notes >= 0) {
		set_string(w, w->notes, json_index_get(&w->index, &w->j, key),
		    key, value);
		return;
	}
	json_put_raw(&w->new_notes, ",", w->new_notes.len > 0);
	json_put_str(&w->new_notes, key);
	json_put_raw(&w->new_notes, ":", 1);
	json_put_str(&w->new_notes, value);
}

/* The annotation's value, to be freed; NULL if there is none. */
static char *
note(const struct rewrite *w, const char *prefix, const char *name,
    const char *field)
{
	char key[256];

	if (fmt(key, sizeof(key), "%s%s%s", prefix, name, field) >=
	    sizeof(key))
		return NULL;
	return json_strdup(&w->j, find_note(w, key));
}

/* Another type for a mount; what is no bind mount has no such option. */
static void
set_type(struct rewrite *w, int mount, const char *type)
{
	int options = spec_member(&w->j, mount, "options"), tok;

	set_string(w, mount, json_get(&w->j, mount, "type"), "type", type);
	if (strcmp(type, "bind") == 0)
		return;
	for (tok = json_first(&w->j, options); tok >= 0;
	    tok = json_next(&w->j, options, tok)) {
		if (json_is(&w->j, tok, "bind") ||
		    json_is(&w->j, tok, "rbind"))
			json_edit_remove(&w->ed, &w->j, tok);
	}
}

/* -- volumes -------------------------------------------------------------- */

/* May s be a directory's name in a path of ours? */
static bool
is_name(const char *s)
{
	return s[0] && !strchr(s, '/') && strcmp(s, ".") != 0 &&
	    strcmp(s, "..") != 0;
}

/* The pod's uid from its log directory: NAMESPACE_NAME_UID, or only the uid
 * (kubelet BuildPodLogsDirectory).  NULL: cannot be told. */
static const char *
pod_uid(const struct spec *s)
{
	const char *base, *one, *two;

	base = s->log_directory ? strrchr(s->log_directory, '/') : NULL;
	if (!base)
		return NULL;
	base++;
	one = strchr(base, '_');
	two = one ? strchr(one + 1, '_') : NULL;
	if (one && (!two || strchr(two + 1, '_')))
		return NULL;
	if (two)
		base = two + 1;
	return is_name(base) ? base : NULL;
}

/* Nothing in it but, maybe, the file in which runsc keeps a tmpfs. */
static bool
is_empty(struct rewrite *w, const char *path)
{
	static const char filestore[] = ".gvisor.filestore.";
	DIR *dir = opendir(path);
	unsigned stores = 0, others = 0, looked = 0;
	struct dirent *d;
	struct stat st;

	/* No further than it takes: there may be millions, and a container may
	 * have given them such names. */
	while (dir && others == 0 && stores <= 1 && (d = readdir(dir))) {
		if (strncmp(d->d_name, filestore, sizeof(filestore) - 1) == 0) {
			others += looked++ == STORES_MAX;
			/* A power cut leaves those of sandboxes before. */
			if (!w->s->lives || w->s->lives(w->s->lives_arg,
			    d->d_name + sizeof(filestore) - 1) ||
			    fstatat(dirfd(dir), d->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
			    st.st_uid != geteuid() ||
			    unlinkat(dirfd(dir), d->d_name, 0) < 0)
				stores++;
		} else if (is_name(d->d_name)) {
			others++;
		}
	}
	if (dir)
		closedir(dir);
	return others == 0 && stores <= 1;
}

/* Go's strconv.ParseBool; -1: neither. */
static int
truth(const char *s)
{
	static const char *const words[] = {
		"0", "1", "f", "t", "F", "T", "false", "true", "False", "True",
		"FALSE", "TRUE",
	};
	int i;

	for (i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++) {
		if (strcmp(s, words[i]) == 0)
			return i & 1;
	}
	return -1;
}

/* Is the volume to stay a directory of the host that containers share? */
static bool
stays_bind(struct rewrite *w, const char *name, const char *path)
{
	char *forced = note(w, "dev.gvisor.empty-dir.", name, ".force-shared");
	int yes = forced ? truth(forced) : 0;

	if (yes < 0)
		log_warn("annotation dev.gvisor.empty-dir.%s.force-shared: "
		    "\"%s\" is neither true nor false", name, forced);
	free(forced);
	return yes > 0 || !is_empty(w, path);
}

/* The sidecar of a bucket mount talks to the host over a socket there. */
static void
open_host_uds(struct rewrite *w, const char *name)
{
	static const char key[] = "dev.gvisor.flag.host-uds";

	if (strcmp(name, "gke-gcsfuse-tmp") == 0 &&
	    find_note(w, key) < 0)
		set_note(w, key, "", "", "open");
}

/* KUBELET/pods/UID/volumes/PLUGIN/NAME, of which there has to be one. */
static int
find_volume(struct rewrite *w, const char *uid, const char *name,
    char path[PATH_MAX])
{
	char dir[PATH_MAX], try[PATH_MAX];
	struct dirent *d;
	unsigned found = 0;
	DIR *plugins;

	if (fmt(dir, sizeof(dir), "%s/pods/%s/volumes", w->kubelet, uid) >=
	    sizeof(dir))
		return err_set(w->e, ERR_INVALID, "%s: path too long", dir);
	plugins = opendir(dir);
	while (plugins && (d = readdir(plugins))) {
		if (is_name(d->d_name) && fmt(try, sizeof(try), "%s/%s/%s",
		    dir, d->d_name, name) < sizeof(try) &&
		    access(try, F_OK) == 0 && found++ == 0)
			memcpy(path, try, sizeof(try));
	}
	if (plugins)
		closedir(plugins);
	return found == 1 ? 0 : err_set(w->e, ERR_NOT_FOUND, "volume %s of "
	    "annotation " HINT "%s.type: %u directories %s/*/%s, one is "
	    "expected", name, name, found, dir, name);
}

/* The sandbox tells runsc what the volume is for every container. */
static int
hint_volume(struct rewrite *w, const char *name)
{
	const char *uid = pod_uid(w->s);
	char path[PATH_MAX];

	if (!uid)
		return 0;
	if (find_volume(w, uid, name, path) < 0)
		return -1;
	set_note(w, HINT, name, ".source", path);
	if (!fmt_find(path, EMPTY_DIR))
		return 0;
	if (!stays_bind(w, name, path)) {
		set_note(w, HINT, name, ".type", "tmpfs");
		return 0;
	}
	set_note(w, HINT, name, ".type", "bind");
	set_note(w, HINT, name, ".share", "shared");
	open_host_uds(w, name);
	return 0;
}

/* NAME, if source is KUBELET/pods/UID/volumes/PLUGIN/NAME, or NULL. */
static const char *
volume_name(const struct rewrite *w, const char *source)
{
	size_t n = strlen(w->kubelet);
	unsigned part = 0;
	const char *p;

	if (strncmp(source, w->kubelet, n) != 0 ||
	    strncmp(source + n, "/pods/", 6) != 0)
		return NULL;
	/* 0: UID, 1: "volumes", 2: PLUGIN, 3: NAME. */
	for (p = source + n + 6; part < 3; part++, p++) {
		n = strcspn(p, "/");
		if (n == 0 || p[n] == '\0' ||
		    (part == 1 && strncmp(p, "volumes/", 8) != 0))
			return NULL;
		p += n;
	}
	return is_name(p) ? p : NULL;
}

/* A sub-container mounts a volume as the sandbox was told. */
static void
mount_volume(struct rewrite *w, int mount)
{
	char *source = json_strdup(&w->j, spec_member(&w->j, mount, "source"));
	const char *name = source ? volume_name(w, source) : NULL;
	char *type = name ? note(w, HINT, name, ".type") : NULL;

	if (type && fmt_find(source, EMPTY_DIR) && stays_bind(w, name, source))
		open_host_uds(w, name);
	else if (type)
		set_type(w, mount, type);
	free(type);
	free(source);
}

/* The annotation of which tok is the key: HINT NAME ".type"? */
static int
note_volume(struct rewrite *w, int tok)
{
	char *key = json_strdup(&w->j, tok), *name;
	size_t n = sizeof(HINT) - 1;
	int rc = 0;

	if (key && strncmp(key, HINT, n) == 0) {
		name = key + n;
		n = strcspn(name, ".");
		if (strcmp(name + n, ".type") == 0 &&
		    json_typed(&w->j, tok + 1, JSON_STRING)) {
			name[n] = '\0';
			/* Again, after a Create of this bundle that failed. */
			if (is_name(name) && strcmp(name, SHM_HINT) != 0)
				rc = hint_volume(w, name);
		}
	}
	free(key);
	return rc;
}

/* Each annotation and each mount is looked at once. */
static int
volumes(struct rewrite *w)
{
	uint32_t i, n = w->notes < 0 ? 0 : w->j.toks[w->notes].size;
	int tok = w->notes + 1, m;

	if (w->s->is_sub) {
		for (m = json_first(&w->j, w->mounts); m >= 0;
		    m = json_next(&w->j, w->mounts, m))
			mount_volume(w, m);
		return 0;
	}
	for (i = 0; i < n; i++, tok = (int)w->j.toks[tok + 1].next) {
		if (note_volume(w, tok) < 0)
			return -1;
	}
	return 0;
}

/* -- the rest ------------------------------------------------------------- */

/* The first mount on path, of that type if it is given, or -1. */
static int
find_mount(const struct rewrite *w, const char *path, const char *type)
{
	int m;

	for (m = json_first(&w->j, w->mounts); m >= 0;
	    m = json_next(&w->j, w->mounts, m)) {
		if (json_is(&w->j, spec_member(&w->j, m, "destination"),
		    path) && (!type ||
		    json_is(&w->j, spec_member(&w->j, m, "type"), type)))
			return m;
	}
	return -1;
}

/* containerd binds one directory of the host on each container's /dev/shm. */
static void
shared_memory(struct rewrite *w)
{
	static const char name[] = SHM_HINT;
	int bind = find_mount(w, DEV_SHM, "bind");
	int tmpfs = find_mount(w, DEV_SHM, "tmpfs");
	char *source;

	if (bind < 0 || !w->s->sandbox_id)
		return;
	source = json_strdup(&w->j, spec_member(&w->j, bind, "source"));
	if (!source)
		return;
	if (!w->s->is_sub) {
		set_note(w, HINT, name, ".source", source);
		set_note(w, HINT, name, ".type", "tmpfs");
		set_note(w, HINT, name, ".share", "pod");
		set_note(w, HINT, name, ".options", "rw");
	}
	free(source);
	set_type(w, bind, "tmpfs");
	if (tmpfs >= 0)
		json_edit_remove(&w->ed, &w->j, tmpfs);
}

/* Does the last part of a cgroup's path name a pod as kubelets do: "pod" and
 * its uid, or, where that is systemd's, "PARENT-podUID.slice"?  Others make
 * /pods/b and /podman/c. */
static bool
is_pod(const char *part)
{
	const char *end = strchr(part, '.');

	if (end) {
		part = memrchr(part, '-', (size_t)(end - part));
		if (!part++ || strcmp(end, ".slice") != 0)
			return false;
	}
	if (strncmp(part, "pod", 3) != 0 || !part[strcspn(part, "0123456789")])
		return false;
	part += 3 + strspn(part + 3, "abcdef-_0123456789");
	return *part == '\0' || part == end;
}

/* What containerd mounts itself where it has made the pod. */
static void
mount_etc(struct rewrite *w)
{
	static const char *const names[] = {
		"hostname", "hosts", "resolv.conf",
	};
	char from[PATH_MAX], to[32];
	struct json_out o = { 0 };
	bool ro = false;
	size_t i;

	json_bool(&w->j, spec_member(&w->j, spec_member(&w->j, 0, "root"),
	    "readonly"), &ro);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fmt(to, sizeof(to), "/etc/%s", names[i]);
		fmt(from, sizeof(from), "%s/%s", w->s->etc, names[i]);
		if (find_mount(w, to, NULL) >= 0 || access(from, F_OK) < 0)
			continue;
		json_put_fmt(&o, "%s{\"destination\":\"%s\",\"type\":\"bind\","
		    "\"source\":", o.len ? "," : "", to);
		json_put_str(&o, from);
		json_put_fmt(&o, ",\"options\":[\"rbind\",\"rprivate\","
		    "\"%s\"]}", ro ? "ro" : "rw");
	}
	if (o.len > 0)
		json_edit_append(&w->ed, &w->j, w->mounts, NULL, o.p);
	w->ed.bad |= o.bad;
	json_out_free(&o);
}

/* The last part of the path that is a pod's ends the pod's cgroup; what follows
 * is the container's.  To be freed; NULL where none is. */
static char *
pod_of(struct rewrite *w)
{
	const char *all = w->s->cgroups_path ? w->s->cgroups_path : "";
	char *path = strdup(all), *part;

	w->ed.bad |= !path;
	/* SLICE:PREFIX:NAME is below the slice. */
	part = path ? strchr(path, ':') : NULL;
	if (part) {
		*part = '\0';
		if (is_pod(path))
			return path;
	}
	while (path && (part = strrchr(path, '/'))) {
		*part = '\0';
		part = strrchr(path, '/');
		if (is_pod(part ? part + 1 : path))
			return path;
	}
	free(path);
	return NULL;
}

/* Only a shim has reason to name a pod's parent: what a pod's author has
 * written there would take the sandbox out of the pod's limits. */
static void
pod_cgroup(struct rewrite *w, const char *pod)
{
	static const char key[] = "dev.gvisor.spec.cgroup-parent";
	int tok;

	if (!w->s->is_sandbox)
		return;
	if (pod && !w->s->unified && !strchr(w->s->cgroups_path, ':')) {
		set_note(w, key, "", "", pod);
		return;
	}
	tok = w->notes < 0 ? -1 : json_index_get(&w->index, &w->j, key);
	if (tok >= 0)
		json_edit_remove(&w->ed, &w->j, tok);
}

enum { CPU, MEMORY, GROUPS, LINUX };
static const char *const groups[GROUPS] = { "cpu", "memory" };

/* A number of more than zero without anything round it. */
static bool
is_limit(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n > 0 && n < 19 && s[n] == '\0' && s[0] != '0';
}

/* Limits of the sandbox from its annotations.  Resources are there in any case:
 * `runsc update` crashes without (2026). */
static void
limit_resources(struct rewrite *w, bool limits)
{
	static const struct {
		const char *note, *key;
		int group;
	} list[] = {
		{ "cpu-period", "period", CPU },
		{ "cpu-quota", "quota", CPU },
		{ "cpu-shares", "shares", CPU },
		{ "memory", "limit", MEMORY },
	};
	struct json_out made[LINUX + 1] = { 0 };
	int linux_ = spec_member(&w->j, 0, "linux"), group, tok;
	int res = spec_member(&w->j, linux_, "resources");
	int64_t v;
	char *text;
	size_t i;

	for (i = 0; limits && i < sizeof(list) / sizeof(list[0]); i++) {
		text = note(w, CRI "sandbox-", list[i].note, "");
		group = spec_member(&w->j, res, groups[list[i].group]);
		tok = spec_member(&w->j, group, list[i].key);
		if (text && is_limit(text) && (tok < 0 ||
		    (strcmp(list[i].key, "shares") == 0 &&
		    json_int(&w->j, tok, &v) && v == 2 &&
		    strcmp(text, NO_SHARES) != 0))) {
			if (group >= 0)
				json_edit_set(&w->ed, &w->j, group,
				    list[i].key, text);
			else
				json_put_fmt(&made[list[i].group],
				    "%s\"%s\":%s",
				    made[list[i].group].len ? "," : "{",
				    list[i].key, text);
		}
		free(text);
	}
	for (i = 0; i < GROUPS; i++) {
		if (made[i].len == 0)
			continue;
		json_put_raw(&made[i], "}", 1);
		if (res >= 0)
			json_edit_set(&w->ed, &w->j, res, groups[i],
			    made[i].p);
		else
			json_put_fmt(&made[GROUPS], "%s\"%s\":%s",
			    made[GROUPS].len ? "," : "{", groups[i],
			    made[i].p);
	}
	if (res < 0) {
		json_put_fmt(&made[GROUPS], made[GROUPS].len ? "}" : "{}");
		if (!made[GROUPS].bad)
			json_put_fmt(&made[LINUX], "{\"resources\":%s}",
			    made[GROUPS].p);
	}
	if (made[LINUX].len > 0 && linux_ >= 0)
		json_edit_set(&w->ed, &w->j, linux_, "resources",
		    made[GROUPS].p);
	else if (made[LINUX].len > 0)
		json_edit_set(&w->ed, &w->j, 0, "linux", made[LINUX].p);
	for (i = 0; i <= LINUX; i++) {
		w->ed.bad |= made[i].bad;
		json_out_free(&made[i]);
	}
}

static void
add_notes(struct rewrite *w)
{
	struct json_out o = { 0 };

	if (w->new_notes.len == 0)
		return;
	json_put_fmt(&o, "{%s}", w->new_notes.p);
	w->ed.bad |= o.bad || w->new_notes.bad;
	if (!o.bad)
		json_edit_set(&w->ed, &w->j, 0, "annotations", o.p);
	json_out_free(&o);
}

int
spec_rewrite(const struct spec *s, const char *bundle, const char *kubelet,
    bool limits, struct err *e)
{
	struct rewrite w = { .s = s, .kubelet = kubelet, .e = e };
	struct json_out o = { 0 };
	char path[PATH_MAX], *text, *pod;
	struct stat st;
	size_t len;
	int rc = -1;

	if (fmt(path, sizeof(path), "%s/config.json", bundle) >= sizeof(path))
		return err_set(e, ERR_INVALID, "%s: path too long", bundle);
	text = spec_read_file(path, &len, e);
	if (!text)
		return -1;
	if (json_parse(&w.j, text, len, e) < 0)
		goto out;
	w.notes = spec_member(&w.j, 0, "annotations");
	w.mounts = spec_member(&w.j, 0, "mounts");
	if (json_index_make(&w.index, &w.j, w.notes) < 0) {
		err_nomem(e);
		goto out;
	}
	if (volumes(&w) < 0)
		goto out;
	shared_memory(&w);
	if (s->etc && w.mounts >= 0)
		mount_etc(&w);
	pod = pod_of(&w);
	pod_cgroup(&w, pod);
	/* A kubelet's pod has its limits in its own cgroup: it adds what the
	 * sandbox needs, and sets none where one container has none. */
	limit_resources(&w, limits && !s->is_sub && !pod);
	free(pod);
	add_notes(&w);
	rc = 0;
	if (w.ed.n > 0 || w.ed.bad)
		rc = json_edit_apply(&w.ed, &w.j, &o, e) < 0 ? -1 :
		    lstat(path, &st) < 0 ? err_sys(e, "look at it") :
		    file_replace(path, st.st_mode & 0777, o.p, o.len, e);
out:
	if (rc < 0)
		err_prefix(e, "rewrite %s", path);
	json_out_free(&o);
	json_out_free(&w.new_notes);
	json_edits_free(&w.ed);
	json_index_free(&w.index);
	json_free(&w.j);
	fmt_wipe(text, len);
	return rc;
}
