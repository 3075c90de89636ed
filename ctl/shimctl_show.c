/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shimctl_show: replies and events as text, and what the command line says as
 * what a shim takes.
 *
 * One line is one write, so that lines of several processes do not mix.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "base/fmt.h"
#include "ctl/shimctl.h"

#define LINE_BYTES 8192
#define CONFIG_MAX (16u << 20)

struct line {
	char p[LINE_BYTES];
	size_t n;
};

static void add(struct line *l, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void
add(struct line *l, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	l->n += fmt_va(l->p + l->n, sizeof(l->p) - l->n, format, ap);
	va_end(ap);
	if (l->n > sizeof(l->p) - 1)
		l->n = sizeof(l->p) - 1;
}

/* Bytes of somebody else's, which may hold anything. */
static void
add_bytes(struct line *l, struct pb_bytes b)
{
	size_t i;

	for (i = 0; i < b.n && l->n + 1 < sizeof(l->p); i++)
		l->p[l->n++] = b.p[i] < 0x20 || b.p[i] == 0x7f ? '?' :
		    (char)b.p[i];
}

static int lost;	/* errno of the first write of ours that failed */

void
show_wrote(int ret)
{
	if (ret < 0 && !lost)
		lost = errno;
}

int
show_check(struct err *e)
{
	return lost ? err_errno(e, lost, "write standard output") : 0;
}

static void
put_line(int fd, struct line *l)
{
	size_t off = 0;
	ssize_t r;

	if (l->n > sizeof(l->p) - 2)
		l->n = sizeof(l->p) - 2;
	l->p[l->n++] = '\n';
	while (off < l->n) {
		r = write(fd, l->p + off, l->n - off);
		if (r < 0 && errno != EINTR) {
			/* What is lost of the events beside a container's
			 * output is no reason to end that. */
			if (fd == STDOUT_FILENO)
				show_wrote(-1);
			return;
		}
		if (r > 0)
			off += (size_t)r;
	}
}

/* Timestamp {1 seconds, 2 nanos}, as RFC 3339 in UTC. */
static void
add_time(struct line *l, struct pb_bytes b)
{
	struct pb_field f[3];
	struct tm tm;
	time_t s;

	pb_read(b, "-nn", f);
	s = (time_t)f[1].v;
	if (gmtime_r(&s, &tm))
		add(l, "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ",
		    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		    tm.tm_min, tm.tm_sec, (unsigned)f[2].v / 1000);
}

/* -- events --------------------------------------------------------------- */

/* What the fields 1, 2, ... are: c container, x exec, p pid, s exit status,
 * b bundle, - left out. */
enum { EVENT_FIELDS = 7 };

static const struct {
	const char *name;
	const char *kinds;
} events[] = {
	{ "TaskCreate", "cb---p" },
	{ "TaskStart", "cp" },
	{ "TaskDelete", "cps-x" },
	{ "TaskExit", "cxps" },
	{ "TaskExecAdded", "cx" },
	{ "TaskExecStarted", "cxp" },
};

static const char *
event_kinds(struct pb_bytes type)
{
	static const char prefix[] = "containerd.events.";
	size_t i, n = sizeof(prefix) - 1;

	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (type.n == n + strlen(events[i].name) &&
		    memcmp(type.p + n, events[i].name, type.n - n) == 0)
			return events[i].kinds;
	}
	return "c";
}

static bool
same(struct pb_bytes a, struct pb_bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static void
add_event(struct line *l, struct pb_bytes any)
{
	struct pb_field f[3], fields[EVENT_FIELDS];
	struct pb_bytes id = { 0 }, b;
	const char *kinds;
	uint64_t status = 0;
	unsigned i;

	pb_read(any, "-bb", f);
	kinds = event_kinds(f[1].b);
	pb_read(f[2].b, "-******", fields);
	for (i = 1; i <= strlen(kinds); i++) {
		if (!fields[i].num)
			continue;
		b = fields[i].b;
		switch (kinds[i - 1]) {
		case 'c':
			id = b;
			add(l, " ");
			add_bytes(l, b);
			break;
		case 'x':
			/* Of init, it is the container's id or nothing. */
			if (b.n == 0 || same(b, id))
				break;
			add(l, " exec=");
			add_bytes(l, b);
			break;
		case 'b':
			add(l, " bundle=");
			add_bytes(l, b);
			break;
		case 'p':
			add(l, " pid=%u", (unsigned)fields[i].v);
			break;
		case 's':
			status = fields[i].v;
			break;
		}
	}
	if (strchr(kinds, 's'))
		add(l, " status=%u", (unsigned)status);
}

/* ForwardRequest {1 Envelope {1 time, 2 namespace, 3 topic, 4 event}} */
void
show_event(int fd, struct pb_bytes forward_request)
{
	struct pb_field f[2], envelope[5];
	struct line l;

	pb_read(forward_request, "-b", f);
	pb_read(f[1].b, "-bbbb", envelope);
	l.n = 0;
	add_time(&l, envelope[1].b);
	add(&l, " ");
	add_bytes(&l, envelope[2].b);
	add(&l, " ");
	add_bytes(&l, envelope[3].b);
	add_event(&l, envelope[4].b);
	put_line(fd, &l);
}

/* -- state, processes ----------------------------------------------------- */

const char *
status_name(uint64_t status)
{
	static const char *const names[] = { "unknown", "created", "running",
		"stopped", "paused", "pausing" };

	return names[status < sizeof(names) / sizeof(names[0]) ? status : 0];
}

void
show_state(const struct rpc_reply *reply)
{
	static const char *const names[] = {
		[1] = "id", [2] = "bundle", [3] = "pid", [4] = "status",
		[5] = "stdin", [6] = "stdout", [7] = "stderr",
		[8] = "terminal", [9] = "exit status", [10] = "exited at",
	};
	const struct pb_field *f;
	struct line l;
	int i;

	for (i = 1; i <= 10; i++) {
		f = &reply->f[i];
		/* A status of 0 is not on the wire, its time is. */
		if (!f->num && !(i == 9 && reply->f[10].num))
			continue;
		l.n = 0;
		add(&l, "%s: ", names[i]);
		if (i == 10)
			add_time(&l, f->b);
		else if (i == 4)
			add(&l, "%s", status_name(f->v));
		else if (i == 8)
			add(&l, "%s", f->v ? "yes" : "no");
		else if (f->wire == PB_BYTES)
			add_bytes(&l, f->b);
		else
			add(&l, "%u", (unsigned)f->v);
		put_line(STDOUT_FILENO, &l);
	}
}

/* ProcessInfo {1 pid, 2 Any {2 ProcessDetails {1 exec_id}}} */
static void
show_pid(struct pb_bytes info)
{
	struct pb_field f[3], any[3], details[2];
	struct line l;

	pb_read(info, "-nb", f);
	pb_read(f[2].b, "--b", any);
	pb_read(any[2].b, "-b", details);
	l.n = 0;
	add(&l, "%8u ", (unsigned)f[1].v);
	if (details[1].b.n)
		add_bytes(&l, details[1].b);
	else
		add(&l, "-");
	put_line(STDOUT_FILENO, &l);
}

void
show_pids(const struct rpc_reply *reply)
{
	struct pb_in in;
	struct pb_bytes b;

	pb_in_init(&in, reply->payload.p, reply->payload.n);
	while (pb_next_bytes(&in, 1, &b))
		show_pid(b);
}

/* -- statistics ----------------------------------------------------------- */

/* The fields that a shim of gVisor fills, by their numbers from the outside
 * in, a byte each. */
struct figure {
	uint32_t path;
	const char *name;
};

static const struct figure v1_figures[] = {
	{ 0x0201, "pids.current" }, { 0x0202, "pids.limit" },
	{ 0x030101, "cpu.total_ns" }, { 0x030102, "cpu.kernel_ns" },
	{ 0x030103, "cpu.user_ns" }, { 0x030201, "cpu.periods" },
	{ 0x030202, "cpu.throttled_periods" },
	{ 0x030203, "cpu.throttled_ns" }, { 0x0401, "memory.cache" },
	{ 0x041e, "memory.inactive_file" },
	{ 0x042101, "memory.limit" }, { 0x042102, "memory.usage" },
	{ 0x042103, "memory.max" }, { 0x042104, "memory.failcnt" },
	{ 0x042201, "memory.swap_limit" }, { 0x042202, "memory.swap" },
	{ 0x042302, "memory.kernel" }, { 0x0903, "memory.oom_kill" },
	{ 0, NULL },
};

static const struct figure v2_figures[] = {
	{ 0x0101, "pids.current" }, { 0x0102, "pids.limit" },
	{ 0x0201, "cpu.total_us" }, { 0x0202, "cpu.user_us" },
	{ 0x0203, "cpu.system_us" }, { 0x0204, "cpu.periods" },
	{ 0x0205, "cpu.throttled_periods" },
	{ 0x0206, "cpu.throttled_us" }, { 0x0402, "memory.file" },
	{ 0x0404, "memory.slab" }, { 0x040d, "memory.inactive_file" },
	{ 0x0420, "memory.usage" }, { 0x0421, "memory.limit" },
	{ 0x0422, "memory.swap" }, { 0x0423, "memory.swap_limit" },
	{ 0x0804, "memory.oom" }, { 0x0805, "memory.oom_kill" },
	{ 0, NULL },
};

static void
show_figure(const struct figure *t, uint32_t path, uint64_t v)
{
	struct line l = { .n = 0 };

	for (; t->name && t->path != path; t++)
		;
	if (!t->name)
		return;
	add(&l, "%s %llu", t->name, (unsigned long long)v);
	put_line(STDOUT_FILENO, &l);
}

static void
show_metrics(const struct figure *t, struct pb_bytes value)
{
	enum { DEPTH = 3 };
	struct pb_in in[DEPTH];
	uint32_t path[DEPTH] = { 0 };
	struct pb_field f;
	int d = 0;

	pb_in_init(&in[0], value.p, value.n);
	while (d >= 0) {
		if (!pb_next(&in[d], &f)) {
			d--;
			continue;
		}
		if (f.num > 255)
			continue;
		if (f.wire == PB_VARINT) {
			show_figure(t, path[d] << 8 | f.num, f.v);
		} else if (f.wire == PB_BYTES && d + 1 < DEPTH) {
			path[d + 1] = path[d] << 8 | f.num;
			pb_in_init(&in[++d], f.b.p, f.b.n);
		}
	}
}

/* StatsResponse {1 Any {1 type_url, 2 value}} */
int
show_stats(const struct rpc_reply *reply, struct err *e)
{
	static const char v1[] = "io.containerd.cgroups.v1.Metrics";
	static const char v2[] = "io.containerd.cgroups.v2.Metrics";
	struct pb_field any[3];

	pb_read(reply->f[1].b, "-bb", any);
	if (pb_is(any[1].b, v1))
		show_metrics(v1_figures, any[2].b);
	else if (pb_is(any[1].b, v2))
		show_metrics(v2_figures, any[2].b);
	else
		return err_set(e, ERR_UNIMPLEMENTED, "statistics of type "
		    "\"%.*s\", which is not known here", (int)any[1].b.n,
		    (const char *)any[1].b.p);
	return 0;
}

/* -- signals -------------------------------------------------------------- */

unsigned
signal_number(const char *name)
{
	/* Linux's numbers on every architecture that runsc knows. */
	static const char *const names[] = { "", "HUP", "INT", "QUIT", "ILL",
		"TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
		"PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP",
		"TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM",
		"PROF", "WINCH", "IO", "PWR", "SYS" };
	unsigned i;
	char *end;
	unsigned long v = strtoul(name, &end, 10);

	if (name[0] >= '0' && name[0] <= '9')
		return !*end && v <= 64 ? (unsigned)v : 0;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(names[i], name) == 0)
			return i;
	}
	return 0;
}

/* -- the process of an exec ----------------------------------------------- */

static char *
read_config(const char *path, size_t *len, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	char *text = NULL;
	ssize_t n = -1;

	if (size > (off_t)CONFIG_MAX) {
		err_set(e, ERR_INVALID, "%s is longer than %u bytes", path,
		    CONFIG_MAX);
		goto out;
	}
	if (size >= 0)
		text = malloc((size_t)size + 1);
	if (text)
		n = pread(fd, text, (size_t)size, 0);
	if (n < 0) {
		err_sys(e, "read %s", path);
		free(text);
		text = NULL;
	}
	*len = n < 0 ? 0 : (size_t)n;
out:
	if (fd >= 0)
		close(fd);
	return text;
}

static void
put_words(struct json_out *out, const char *const *words)
{
	json_put_raw(out, "[", 1);
	for (; *words; words++) {
		json_put_str(out, *words);
		if (words[1])
			json_put_raw(out, ",", 1);
	}
	json_put_raw(out, "]", 1);
}

/* The environment of the configuration and what the options add to it. */
static void
put_env(struct json_out *out, const struct ctl *o, const struct json *j)
{
	int env = json_get(j, 0, "env"), tok;
	size_t k;
	bool any = false;

	json_put_raw(out, "[", 1);
	for (tok = json_first(j, env); tok >= 0;
	    tok = json_next(j, env, tok), any = true) {
		if (any)
			json_put_raw(out, ",", 1);
		json_put_raw(out, j->text + j->toks[tok].start,
		    j->toks[tok].end - j->toks[tok].start);
	}
	for (k = 0; k < o->nenv; k++, any = true) {
		if (any)
			json_put_raw(out, ",", 1);
		json_put_str(out, o->env[k]);
	}
	json_put_raw(out, "]", 1);
}

/* UID or UID:GID */
static int
put_user(struct json_out *out, const char *text, struct err *e)
{
	unsigned long uid, gid = 0;
	char *end;

	uid = strtoul(text, &end, 10);
	if (*end == ':')
		gid = strtoul(end + 1, &end, 10);
	if (*end || text[0] < '0' || text[0] > '9' || uid > UINT32_MAX ||
	    gid > UINT32_MAX)
		return err_set(e, ERR_INVALID, "--user %s is not UID or "
		    "UID:GID, in digits", text);
	json_put_fmt(out, "{\"uid\":%lu,\"gid\":%lu}", uid, gid);
	return 0;
}

static int
edit_process(const struct ctl *o, const struct json *j,
    const char *const *args, struct json_out *out, struct err *e)
{
	struct json_edits ed = { 0 };
	struct json_out v = { 0 };
	int ret = -1;

	put_words(&v, args);
	json_edit_set(&ed, j, 0, "args", v.p ? v.p : "");
	ed.bad = ed.bad || v.bad;
	json_out_free(&v);
	if (o->nenv) {
		v = (struct json_out){ 0 };
		put_env(&v, o, j);
		json_edit_set(&ed, j, 0, "env", v.p ? v.p : "");
		ed.bad = ed.bad || v.bad;
		json_out_free(&v);
	}
	if (o->cwd[0]) {
		v = (struct json_out){ 0 };
		json_put_str(&v, o->cwd);
		json_edit_set(&ed, j, 0, "cwd", v.p ? v.p : "");
		ed.bad = ed.bad || v.bad;
		json_out_free(&v);
	}
	if (o->user[0]) {
		v = (struct json_out){ 0 };
		if (put_user(&v, o->user, e) < 0)
			goto out;
		json_edit_set(&ed, j, 0, "user", v.p ? v.p : "");
		ed.bad = ed.bad || v.bad;
		json_out_free(&v);
	}
	ret = json_edit_apply(&ed, j, out, e);
out:
	json_out_free(&v);
	json_edits_free(&ed);
	return ret;
}

int
exec_process(const struct ctl *o, const char *bundle,
    const char *const *args, struct json_out *out, struct err *e)
{
	char path[PATH_MAX];
	struct json config = { 0 }, process = { 0 };
	size_t len;
	char *text;
	int tok, ret = -1;

	fmt(path, sizeof(path), "%s/config.json", bundle);
	text = read_config(path, &len, e);
	if (!text)
		return -1;
	if (json_parse(&config, text, len, e) < 0) {
		err_prefix(e, "%s", path);
		goto out;
	}
	tok = json_get(&config, 0, "process");
	if (tok < 0 || config.toks[tok].type != JSON_OBJECT) {
		err_set(e, ERR_INVALID, "%s has no process", path);
		goto out;
	}
	if (json_parse(&process, text + config.toks[tok].start,
	    config.toks[tok].end - config.toks[tok].start, e) == 0)
		ret = edit_process(o, &process, args, out, e);
	if (ret == 0 && out->bad)
		ret = err_nomem(e);
out:
	json_free(&process);
	json_free(&config);
	free(text);
	return ret;
}
