/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: see config.h.  Uses pb, err, log.
 *
 * Every value that this program has a use for fits on one line, so the file
 * is read line by line and a line stands for itself: [table] or key = value.
 * Keys are compared as their full dotted path.  A quoted part of a path that
 * holds anything but bare characters keeps its quotes there, and so is never
 * taken for a known key.
 */
#include "conf/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fmt.h"

#define KEY_MAX 128	/* a full path, with the NUL */
#define VALUE_MAX 4096	/* a decoded string, with the NUL */
#define SKIP_DEPTH_MAX 16
/* The id -1 means "leave it" to chown(). */
#define ID_MAX ((int64_t)UINT32_MAX - 1)
#define SECONDS_MAX 86400
#define NS ((int64_t)1000000000)
#define FLAGS_TABLE "runsc_config"

#define BARE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	"0123456789_-"

_Static_assert(sizeof(uid_t) == 4 && sizeof(gid_t) == 4, "ids are 32 bits");

enum kind {
	STRING,		/* char *; "" leaves the default */
	ID,		/* uid_t, gid_t */
	SECONDS,	/* int64_t, ns */
	LEVEL,		/* int */
	CONTROL,	/* int */
	BOOLEAN,
	UNSUPPORTED,	/* a boolean that must be false */
	BODY_ONLY,	/* containerd's own, seen in an options body */
};

/* Every key outside [runsc_config]. */
static const struct key {
	const char *name;
	enum kind kind;
	size_t at;
} keys[] = {
	{ "binary_name", STRING, offsetof(struct config, binary_name) },
	{ "root", STRING, offsetof(struct config, root) },
	{ "shim_cgroup", STRING, offsetof(struct config, shim_cgroup) },
	{ "log_path", STRING, offsetof(struct config, log_path) },
	{ "log_level", LEVEL, offsetof(struct config, log_level) },
	{ "io_uid", ID, offsetof(struct config, io_uid) },
	{ "io_gid", ID, offsetof(struct config, io_gid) },
	{ "pause_binary", STRING, offsetof(struct config, pause_binary) },
	{ "kubelet_root", STRING, offsetof(struct config, kubelet_root) },
	{ "sandbox_limits", BOOLEAN, offsetof(struct config, sandbox_limits) },
	{ "grouping", BOOLEAN, offsetof(struct config, grouping) },
	{ "lenient", BOOLEAN, offsetof(struct config, lenient) },
	{ "create_timeout", SECONDS,
	    offsetof(struct config, create_timeout_ns) },
	{ "start_timeout", SECONDS,
	    offsetof(struct config, start_timeout_ns) },
	{ "command_timeout", SECONDS,
	    offsetof(struct config, command_timeout_ns) },
	{ "kill_timeout", SECONDS, offsetof(struct config, kill_timeout_ns) },
	{ "control_socket", CONTROL, offsetof(struct config, control_socket) },
	{ "enable_hibernate_server", UNSUPPORTED, 0 },
	/*
	 * CRI sends its whole options section as the body when ConfigPath is
	 * not set in it; these two are what it reads there itself.
	 */
	{ "TypeUrl", BODY_ONLY, 0 },
	{ "ConfigPath", BODY_ONLY, 0 },
};

#define NKEYS (sizeof(keys) / sizeof(keys[0]))

struct choice {
	const char *name;
	int value;
};

static const struct choice levels[] = {
	{ "panic", LOG_ERR }, { "fatal", LOG_ERR }, { "error", LOG_ERR },
	{ "warn", LOG_WARN }, { "warning", LOG_WARN }, { "info", LOG_INFO },
	{ "debug", LOG_DEBUG }, { "trace", LOG_DEBUG },
};

static const struct choice controls[] = {
	{ "auto", CONTROL_AUTO }, { "on", CONTROL_ON },
	{ "off", CONTROL_OFF },
};

enum type { T_STRING, T_INT, T_BOOL, T_OTHER };

struct reader {
	struct config *c;
	struct err *e;
	const char *file;
	const char *rest;	/* the lines after this one */
	const char *stop;
	unsigned line;
	const char *p;		/* what is left of this line */
	const char *end;
	bool body;		/* containerd's options, no file */
	bool lenient;
	bool table_unknown;
	bool flags_seen;	/* [runsc_config] or runsc_config.x = */
	bool seen[NKEYS];
	char table[KEY_MAX];	/* with its final dot; "" at the top */
	char key[KEY_MAX];	/* "" while there is none */
	enum type type;		/* of the value */
	char text[VALUE_MAX];	/* a string decoded, others as written */
	int64_t num;		/* T_INT */
};

static int
refuse(struct reader *r, const char *what)
{
	if (r->key[0] == '\0')
		return err_set(r->e, ERR_INVALID, "%s:%u: %s", r->file,
		    r->line, what);
	return err_set(r->e, ERR_INVALID, "%s:%u: key '%s': %s", r->file,
	    r->line, r->key, what);
}

static char
peek(const struct reader *r)
{
	return r->p < r->end ? *r->p : '\0';
}

static void
skip_space(struct reader *r)
{
	while (peek(r) == ' ' || peek(r) == '\t')
		r->p++;
}

/* How many of the next bytes are of set? */
static size_t
span(const struct reader *r, const char *set)
{
	const char *p = r->p;

	while (p < r->end && *p != '\0' && strchr(set, *p))
		p++;
	return (size_t)(p - r->p);
}

/* A digit of any base up to 16; 99 for anything else. */
static unsigned
digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 99;
}

/* What follows a backslash, as UTF-8. */
static int
read_escape(struct reader *r, char out[4], size_t *n)
{
	static const char names[] = "btnfr\"\\", bytes[] = "\b\t\n\f\r\"\\";
	const char *at;
	unsigned u = 0;
	size_t i;
	char c;

	c = peek(r);
	at = c ? strchr(names, c) : NULL;
	if (at) {
		r->p++;
		*n = 1;
		out[0] = bytes[at - names];
		return 0;
	}
	if (c != 'u' && c != 'U')
		return refuse(r, "unknown escape in a string");
	r->p++;
	for (i = c == 'u' ? 4 : 8; i > 0; i--, r->p++) {
		if (digit(peek(r)) > 15)
			return refuse(r, "unknown escape in a string");
		u = u << 4 | digit(*r->p);
	}
	if (u == 0 || u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff))
		return refuse(r, "escape of no character in a string");
	*n = u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x10000 ? 3 : 4;
	for (i = *n - 1; i > 0; i--, u >>= 6)
		out[i] = (char)(0x80 | (u & 0x3f));
	out[0] = (char)(*n == 1 ? u : (0xf00u >> *n) | u);
	return 0;
}

/* A string in single or double quotes, decoded into r->text. */
static int
read_string(struct reader *r)
{
	char quote = *r->p++, c[4];
	size_t len = 0, n;

	while (peek(r) != quote) {
		if (r->p == r->end)
			return refuse(r, "string without its closing quote");
		n = 1;
		c[0] = *r->p++;
		if (c[0] == '\\' && quote == '"' && read_escape(r, c, &n) < 0)
			return -1;
		if (len + n >= sizeof(r->text))
			return refuse(r, "string too long");
		memcpy(r->text + len, c, n);
		len += n;
	}
	r->p++;
	r->text[len] = '\0';
	return 0;
}

/* A decimal, 0x, 0o or 0b integer with or without underscores. */
static bool
read_int(const char *s, int64_t *v)
{
	bool minus = *s == '-';
	int64_t base = 10, d;

	*v = 0;
	if (*s == '+' || *s == '-')
		s++;
	else if (*s == '0' && s[1] != '\0') {
		base = s[1] == 'x' ? 16 : s[1] == 'o' ? 8 : 2;
		if (base == 2 && s[1] != 'b')
			return false;
		s += 2;
	}
	if (base == 10 && *s == '0' && s[1] != '\0')
		return false;
	for (;;) {
		d = (int64_t)digit(*s++);
		if (d >= base || __builtin_mul_overflow(*v, base, v) ||
		    __builtin_add_overflow(*v, minus ? -d : d, v))
			return false;
		if (*s == '\0')
			return true;
		if (*s == '_')
			s++;
	}
}

/*
 * A value that a known key may have; T_OTHER, nothing read, for all that TOML
 * has besides (arrays, tables, dates, floats, multi-line strings).
 */
static int
read_value(struct reader *r)
{
	char c = peek(r);
	size_t n;

	r->type = T_OTHER;
	if (c == '\0' || c == '#')
		return refuse(r, "no value");
	if (c == '"' || c == '\'') {
		if (r->end - r->p > 2 && r->p[1] == c && r->p[2] == c)
			return 0;
		r->type = T_STRING;
		return read_string(r);
	}
	n = span(r, BARE "+.:");
	if (n == 0 || n >= sizeof(r->text))
		return 0;
	memcpy(r->text, r->p, n);
	r->text[n] = '\0';
	if (strcmp(r->text, "true") == 0 || strcmp(r->text, "false") == 0)
		r->type = T_BOOL;
	else if (read_int(r->text, &r->num))
		r->type = T_INT;
	else
		return 0;
	r->p += n;
	return 0;
}

/* Pass over a string of any kind. */
static int
skip_string(struct reader *r)
{
	char c = *r->p;
	size_t n = 1;

	if (r->end - r->p > 2 && r->p[1] == c && r->p[2] == c)
		n = 3;
	else if (r->end - r->p > 1 && r->p[1] == c)
		n = 2;
	r->p += n;
	if (n == 2)
		return 0;
	for (; (size_t)(r->end - r->p) >= n; r->p++) {
		if (*r->p == '\\' && c == '"') {
			if (++r->p == r->end)
				break;
		} else if (*r->p == c && (n == 1 ||
		    (r->p[1] == c && r->p[2] == c))) {
			r->p += n;
			return 0;
		}
	}
	return refuse(r, "value does not end on its line");
}

/* Pass over an unknown key's value: its tokens and brackets must be right. */
static int
skip_value(struct reader *r)
{
	char open[SKIP_DEPTH_MAX];
	size_t depth = 0, n;
	char c;

	do {
		skip_space(r);
		c = peek(r);
		n = span(r, BARE "+.:");
		if (c == '\0' || c == '#')
			return refuse(r, depth ?
			    "value does not end on its line" : "no value");
		if (c == '"' || c == '\'') {
			if (skip_string(r) < 0)
				return -1;
		} else if (c == '[' || c == '{') {
			if (depth == SKIP_DEPTH_MAX)
				return refuse(r, "value nested too deeply");
			open[depth++] = c;
			r->p++;
		} else if (depth > 0 && (c == ']' || c == '}')) {
			if (open[--depth] != (c == ']' ? '[' : '{'))
				return refuse(r, "malformed value");
			r->p++;
		} else if (depth > 0 && (c == ',' || c == '=')) {
			r->p++;
		} else if (n > 0) {
			r->p += n;
		} else {
			return refuse(r, "malformed value");
		}
	} while (depth > 0);
	return 0;
}

/* A key's dotted path into r->key, after prefix. */
static int
read_key(struct reader *r, const char *prefix)
{
	const char *part;
	char full[KEY_MAX];
	size_t len = strlen(prefix), n;

	r->key[0] = '\0';
	memcpy(full, prefix, len);
	for (;;) {
		skip_space(r);
		part = r->p;
		n = span(r, BARE);
		if (peek(r) == '"' || peek(r) == '\'') {
			if (read_string(r) < 0)
				return -1;
			n = strlen(r->text);
			if (n > 0 && strspn(r->text, BARE) == n)
				part = r->text;
			else
				n = (size_t)(r->p - part);
		} else {
			r->p += n;
		}
		if (n == 0)
			return refuse(r, "key expected");
		if (len + n + 2 > sizeof(full))
			return refuse(r, "key too long");
		memcpy(full + len, part, n);
		len += n;
		skip_space(r);
		if (peek(r) != '.')
			break;
		r->p++;
		full[len++] = '.';
	}
	full[len] = '\0';
	memcpy(r->key, full, len + 1);
	return 0;
}

static const struct key *
find_key(const struct reader *r)
{
	size_t i;

	for (i = 0; i < NKEYS; i++)
		if (strcmp(keys[i].name, r->key) == 0 &&
		    (r->body || keys[i].kind != BODY_ONLY))
			return &keys[i];
	return NULL;
}

static int
set_string(char **at, const char *s, struct err *e)
{
	char *copy = strdup(s);

	if (!copy)
		return err_set(e, ERR_EXHAUSTED, "out of memory");
	free(*at);
	*at = copy;
	return 0;
}

static int
set_choice(struct reader *r, const struct choice *list, size_t n, void *at,
    const char *names)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (r->type == T_STRING &&
		    strcasecmp(r->text, list[i].name) == 0) {
			*(int *)at = list[i].value;
			return 0;
		}
	}
	return refuse(r, names);
}

/* The value in hand to where its key says. */
static int
set_key(struct reader *r, const struct key *k)
{
	char *at = (char *)r->c + k->at;
	bool truth = r->text[0] == 't';

	switch (k->kind) {
	case STRING:
		if (r->type != T_STRING)
			return refuse(r, "must be a string in quotes, "
			    "on one line");
		if (r->text[0] != '\0')
			return set_string((char **)(void *)at, r->text, r->e);
		return 0;
	case ID:
		if (r->type != T_INT || r->num < 0 || r->num > ID_MAX)
			return refuse(r, "must be an integer from 0 to "
			    "4294967294");
		*(uint32_t *)(void *)at = (uint32_t)r->num;
		return 0;
	case SECONDS:
		if (r->type != T_INT || r->num < 1 || r->num > SECONDS_MAX)
			return refuse(r, "must be an integer from 1 to "
			    "86400 (seconds)");
		*(int64_t *)(void *)at = r->num * NS;
		return 0;
	case LEVEL:
		return set_choice(r, levels, sizeof(levels) /
		    sizeof(levels[0]), at, "must be one of \"error\", "
		    "\"warn\", \"info\", \"debug\", \"trace\"");
	case CONTROL:
		return set_choice(r, controls, sizeof(controls) /
		    sizeof(controls[0]), at,
		    "must be \"auto\", \"on\" or \"off\"");
	case BOOLEAN:
	case UNSUPPORTED:
		if (r->type != T_BOOL)
			return refuse(r, "must be true or false");
		if (k->kind == BOOLEAN)
			*(bool *)at = truth;
		else if (truth)
			return refuse(r, "not supported by this shim");
		return 0;
	case BODY_ONLY:
		break;
	}
	return 0;
}

/* One of runsc's own: --name=value, as a user would type it. */
static int
set_flag(struct reader *r)
{
	const char *name = r->key + sizeof(FLAGS_TABLE);
	struct config *c = r->c;
	size_t n = strlen(name), size, i;
	char *flag;

	if (strspn(name, BARE) != n)
		return refuse(r, "not the name of a runsc flag");
	for (i = 0; i < c->nflags; i++)
		if (strncmp(c->flags[i] + 2, name, n) == 0 &&
		    c->flags[i][2 + n] == '=')
			return refuse(r, "given twice");
	if (c->nflags == CONFIG_FLAGS_MAX)
		return refuse(r, "too many flags");
	if (read_value(r) < 0)
		return -1;
	if (r->type == T_OTHER)
		return refuse(r, "must be a string in quotes, on one line");
	size = n + strlen(r->text) + sizeof("--=");
	flag = malloc(size);
	if (!flag)
		return err_set(r->e, ERR_EXHAUSTED, "out of memory");
	fmt(flag, size, "--%s=%s", name, r->text);
	c->flags[c->nflags++] = flag;
	return 0;
}

static bool
in_flags(const char *path)
{
	return strncmp(path, FLAGS_TABLE ".", sizeof(FLAGS_TABLE)) == 0;
}

/* key = value */
static int
read_pair(struct reader *r)
{
	const struct key *k;

	if (read_key(r, r->table) < 0)
		return -1;
	if (peek(r) != '=')
		return refuse(r, "'=' expected");
	r->p++;
	skip_space(r);
	if (in_flags(r->key)) {
		r->flags_seen = true;
		return set_flag(r);
	}
	if (strcmp(r->key, FLAGS_TABLE) == 0)
		return refuse(r, "must be a table: [" FLAGS_TABLE "]");
	k = find_key(r);
	if (k) {
		if (r->seen[k - keys])
			return refuse(r, "given twice");
		r->seen[k - keys] = true;
		return read_value(r) < 0 ? -1 : set_key(r, k);
	}
	if (!r->lenient)
		return refuse(r, "unknown");
	if (!r->table_unknown)
		log_warn("%s:%u: key '%s': unknown, ignored", r->file, r->line,
		    r->key);
	return skip_value(r);
}

/* [table] */
static int
read_header(struct reader *r)
{
	size_t open = span(r, "["), n;

	r->p += open;
	if (open > 2)
		return refuse(r, "key expected");
	if (read_key(r, "") < 0)
		return -1;
	if (span(r, "]") < open)
		return refuse(r, "']' expected");
	r->p += open;
	if (find_key(r))
		return refuse(r, "not a table");
	n = strlen(r->key);	/* read_key() left room for a dot */
	memcpy(r->table, r->key, n);
	memcpy(r->table + n, ".", 2);
	r->table_unknown = strcmp(r->key, FLAGS_TABLE) != 0;
	if (!r->table_unknown) {
		if (open == 2)
			return refuse(r, "must not be an array of tables");
		if (r->flags_seen)
			return refuse(r, "given twice");
		r->flags_seen = true;
		return 0;
	}
	if (!r->lenient)
		return refuse(r, "unknown table");
	log_warn("%s:%u: table '%s': unknown, ignored", r->file, r->line,
	    r->key);
	return 0;
}

static bool
next_line(struct reader *r)
{
	const char *nl;

	if (r->rest == r->stop)
		return false;
	nl = memchr(r->rest, '\n', (size_t)(r->stop - r->rest));
	r->p = r->rest;
	r->end = nl ? nl : r->stop;
	r->rest = nl ? nl + 1 : r->stop;
	if (nl && r->end > r->p && r->end[-1] == '\r')
		r->end--;
	r->line++;
	r->key[0] = '\0';
	return true;
}

static int
read_line(struct reader *r)
{
	struct pb_bytes all = { (const uint8_t *)r->p,
		(size_t)(r->end - r->p) };
	size_t i;

	for (i = 0; i < all.n; i++)
		if ((all.p[i] < ' ' && all.p[i] != '\t') || all.p[i] == 0x7f)
			return refuse(r, "control character");
	if (!pb_is_utf8(all))
		return refuse(r, "not valid UTF-8");
	skip_space(r);
	if (r->p == r->end || *r->p == '#')
		return 0;
	if ((*r->p == '[' ? read_header(r) : read_pair(r)) < 0)
		return -1;
	skip_space(r);
	if (r->p < r->end && *r->p != '#')
		return refuse(r, "text after the end");
	return 0;
}

/* lenient counts for the keys above it as well, so it is looked for first. */
static bool
find_lenient(struct reader *r)
{
	while (next_line(r)) {
		skip_space(r);
		if (peek(r) == '[')
			break;
		if (read_key(r, "") < 0 || strcmp(r->key, "lenient") != 0 ||
		    peek(r) != '=')
			continue;
		r->p++;
		skip_space(r);
		if (read_value(r) == 0 && r->type == T_BOOL)
			return r->text[0] == 't';
	}
	return false;
}

static int
parse(struct config *c, struct pb_bytes text, const char *file, bool body,
	struct err *e)
{
	struct reader r = { .c = c, .file = file, .body = body };
	const char *start = (const char *)text.p;
	struct err ignored;

	if (text.n > CONFIG_FILE_MAX)
		return err_set(e, ERR_INVALID, "%s: larger than %u bytes",
		    file, CONFIG_FILE_MAX);
	if (text.n == 0)
		return 0;
	r.rest = start;
	r.stop = start + text.n;
	r.e = &ignored;
	r.lenient = find_lenient(&r);
	r.e = e;
	r.rest = start;
	r.line = 0;
	while (next_line(&r))
		if (read_line(&r) < 0)
			return -1;
	return 0;
}

/* A protobuf string to *at; empty leaves it alone. */
static int
take_string(char **at, const struct pb_field *f, struct err *e)
{
	char *s;

	if (f->wire != PB_BYTES || memchr(f->b.p, 0, f->b.n) ||
	    !pb_is_utf8(f->b))
		return err_set(e, ERR_INVALID,
		    "options: field %u is not a string", f->num);
	if (f->b.n == 0)
		return 0;
	s = strndup((const char *)f->b.p, f->b.n);
	if (!s)
		return err_set(e, ERR_EXHAUSTED, "out of memory");
	free(*at);
	*at = s;
	return 0;
}

/* {1 type_url, 2 config_path, 3 config_body} */
static int
from_runtime_options(struct config *c, struct pb_bytes value, struct err *e)
{
	struct pb_bytes body = { NULL, 0 };
	char *path = NULL;
	struct pb_field f;
	struct pb_in in;
	int rc = 0;

	pb_in_init(&in, value.p, value.n);
	while (rc == 0 && pb_next(&in, &f)) {
		if (f.num == 2)
			rc = take_string(&path, &f, e);
		else if (f.num == 3 && f.wire == PB_BYTES)
			body = f.b;
		else if (f.num == 3)
			rc = err_set(e, ERR_INVALID,
			    "options: field 3 is not bytes");
	}
	if (rc == 0 && in.bad)
		rc = err_set(e, ERR_INVALID, "options: malformed message");
	if (rc == 0)
		rc = path ? config_read_file(c, path, e) :
		    parse(c, body, "config_body", true, e);
	free(path);
	return rc;
}

static int
take_id(uint32_t *at, const struct pb_field *f, struct err *e)
{
	if (f->wire != PB_VARINT || f->v > (uint64_t)ID_MAX)
		return err_set(e, ERR_INVALID,
		    "options: field %u is not a user or group id", f->num);
	*at = (uint32_t)f->v;
	return 0;
}

/*
 * {3 shim_cgroup, 4 io_uid, 5 io_gid, 6 binary_name, 7 root}.  Returns 1 if
 * any of them is there.
 */
static int
from_runc_options(struct config *c, struct pb_bytes value, struct err *e)
{
	struct pb_field f;
	struct pb_in in;
	int rc = 0, took = 0;

	pb_in_init(&in, value.p, value.n);
	while (rc == 0 && pb_next(&in, &f)) {
		if (f.num < 3 || f.num > 7)
			continue;
		/* Docker 20.10 names runc to every runtime. */
		if (f.num == 6 && f.wire == PB_BYTES && pb_is(f.b, "runc"))
			continue;
		took = 1;
		if (f.num == 3)
			rc = take_string(&c->shim_cgroup, &f, e);
		else if (f.num == 4)
			rc = take_id(&c->io_uid, &f, e);
		else if (f.num == 5)
			rc = take_id(&c->io_gid, &f, e);
		else if (f.num == 6)
			rc = take_string(&c->binary_name, &f, e);
		else
			rc = take_string(&c->root, &f, e);
	}
	if (rc == 0 && in.bad)
		rc = err_set(e, ERR_INVALID, "options: malformed message");
	return rc < 0 ? rc : took;
}

int
config_init(struct config *c, struct err *e)
{
	memset(c, 0, sizeof(*c));
	c->log_level = -1;
	c->grouping = true;
	c->sandbox_limits = true;
	c->create_timeout_ns = 300 * NS;
	c->start_timeout_ns = 300 * NS;
	c->command_timeout_ns = 30 * NS;
	if (set_string(&c->binary_name, "runsc", e) == 0 &&
	    set_string(&c->root, "/run/containerd/runsc", e) == 0 &&
	    set_string(&c->kubelet_root, "/var/lib/kubelet", e) == 0)
		return 0;
	config_free(c);
	return -1;
}

void
config_free(struct config *c)
{
	size_t i;

	free(c->binary_name);
	free(c->root);
	free(c->shim_cgroup);
	free(c->log_path);
	free(c->kubelet_root);
	free(c->pause_binary);
	for (i = 0; i < c->nflags; i++)
		free(c->flags[i]);
	memset(c, 0, sizeof(*c));
}

int
config_parse(struct config *c, const char *text, size_t len, const char *file,
	struct err *e)
{
	struct pb_bytes b = { (const uint8_t *)text, len };

	return parse(c, b, file, false, e);
}

int
config_read_file(struct config *c, const char *path, struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	struct stat st;
	ssize_t n = 0;
	int fd, rc = -1;

	/* O_NONBLOCK: a FIFO must not keep the shim waiting in open(). */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fstat(fd, &st) < 0) {
		err_sys(e, "stat %s", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(e, ERR_INVALID, "%s: not a regular file", path);
		goto out;
	}
	/* One byte too many, for config_parse() to refuse what is larger. */
	text = malloc(CONFIG_FILE_MAX + 1);
	if (!text) {
		err_set(e, ERR_EXHAUSTED, "out of memory");
		goto out;
	}
	while (len < CONFIG_FILE_MAX + 1) {
		n = read(fd, text + len, CONFIG_FILE_MAX + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (n < 0)
		err_sys(e, "read %s", path);
	else
		rc = config_parse(c, text, len, path, e);
out:
	free(text);
	close(fd);
	return rc;
}

int
config_search(struct config *c, const char *const *paths, struct err *e)
{
	struct err e1;

	for (; *paths; paths++) {
		if (config_read_file(c, *paths, &e1) == 0)
			return 0;
		if (e1.code != ERR_NOT_FOUND) {
			*e = e1;
			return -1;
		}
	}
	return 0;
}

/* Is b the type name, with or without what stands before the last slash? */
static bool
is_type(struct pb_bytes b, const char *name)
{
	size_t n = strlen(name);

	return b.n >= n && memcmp(b.p + b.n - n, name, n) == 0 &&
	    (b.n == n || b.p[b.n - n - 1] == '/');
}

int
config_from_options(struct config *c, struct pb_bytes any, struct err *e)
{
	static const char *const paths[] = {
		"/run/containerd/runsc/config.toml",
		SYSCONFDIR "/containerd/runsc/config.toml",
		SYSCONFDIR "/containerd/runsc.toml",
		NULL,
	};
	struct pb_bytes type = { NULL, 0 }, value = { NULL, 0 };
	struct pb_field f;
	struct pb_in in;
	int rc = 0;

	pb_in_init(&in, any.p, any.n);
	while (pb_next(&in, &f)) {
		if (f.num != 1 && f.num != 2)
			continue;
		if (f.wire != PB_BYTES)
			return err_set(e, ERR_INVALID,
			    "options: not a google.protobuf.Any");
		if (f.num == 1)
			type = f.b;
		else
			value = f.b;
	}
	if (in.bad)
		return err_set(e, ERR_INVALID, "options: malformed message");
	if (value.n > 0 && (is_type(type, "runtimeoptions.v1.Options") ||
	    is_type(type, "cri.runtimeoptions.v1.Options")))
		return from_runtime_options(c, value, e);
	if (value.n > 0 && is_type(type, "containerd.runc.v1.Options"))
		rc = from_runc_options(c, value, e);
	else if (value.n > 0)
		return err_set(e, ERR_INVALID,
		    "options: unknown type '%.*s'",
		    (int)(type.n < 128 ? type.n : 128),
		    type.p ? (const char *)type.p : "");
	if (rc != 0)
		return rc < 0 ? rc : 0;
	return config_search(c, paths, e);
}
