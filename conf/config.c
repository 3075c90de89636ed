/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: see config.h.
 *
 * The text is read once to find lenient and once for its keys.  Keys are
 * compared as their full dotted path.  A quoted part of a path that holds
 * anything but bare characters keeps its quotes there, and so is never taken
 * for a known key.
 */
#include "conf/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/deadline.h"
#include "base/file.h"
#include "base/fmt.h"

#define KEY_MAX 128	/* a full path, with the NUL */
#define VALUE_MAX 4096	/* a decoded string, with the NUL */
#define DEPTH_MAX 16
/* The id -1 means "leave it" to chown(). */
#define ID_MAX ((int64_t)UINT32_MAX - 1)
#define SECONDS_MAX 86400
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
	HIBERNATE,	/* a boolean; true is ignored with a line */
	SYSTEMD,	/* a boolean; true is a flag of runsc */
	IGNORED,	/* one of runc's, means nothing here */
	SILENT,		/* containerd's own */
};

/*
 * Every key outside [runsc_config].  One with a capital is known in
 * containerd's options only, not in a file.
 */
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
	{ "enable_hibernate_server", HIBERNATE, 0 },
	/*
	 * CRI sends its whole options section as the body when ConfigPath is
	 * not set in it; these two are what it reads there itself.
	 */
	{ "TypeUrl", SILENT, 0 },
	{ "ConfigPath", SILENT, 0 },
	/* What people have in a section that was copied from runc's. */
	{ "BinaryName", STRING, offsetof(struct config, binary_name) },
	{ "Root", STRING, offsetof(struct config, root) },
	{ "ShimCgroup", STRING, offsetof(struct config, shim_cgroup) },
	{ "IoUid", ID, offsetof(struct config, io_uid) },
	{ "IoGid", ID, offsetof(struct config, io_gid) },
	{ "SystemdCgroup", SYSTEMD, 0 },
	{ "NoPivotRoot", IGNORED, 0 },
	{ "NoNewKeyring", IGNORED, 0 },
	{ "CriuPath", IGNORED, 0 },
	{ "CriuImagePath", IGNORED, 0 },
	{ "CriuWorkPath", IGNORED, 0 },
	{ "TaskApiAddress", IGNORED, 0 },
	{ "TaskApiVersion", IGNORED, 0 },
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
	unsigned line;
	const char *p;		/* what is left of the text */
	const char *end;
	bool body;		/* containerd's options, no file */
	bool took;		/* a key that says something was there */
	bool lenient;
	bool table_unknown;
	bool flags_seen;	/* [runsc_config] or runsc_config.x = */
	bool flags_closed;	/* runsc_config = {} */
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

/* One line that says why the key in hand counts for nothing. */
static void
ignore(const struct reader *r, const char *why)
{
	log_warn("%s:%u: key '%s': %s, ignored", r->file, r->line, r->key,
	    why);
}

bool
config_is_last(struct pb_bytes b, const char *name)
{
	size_t n = strlen(name);

	return b.n >= n && memcmp(b.p + b.n - n, name, n) == 0 &&
	    (b.n == n || b.p[b.n - n - 1] == '/');
}

/* The next byte, '\0' at the end: the text holds none (check_text()). */
static char
peek(const struct reader *r)
{
	return r->p < r->end ? *r->p : '\0';
}

static void
skip_space(struct reader *r)
{
	/* A carriage return stands before a newline only. */
	while (peek(r) == ' ' || peek(r) == '\t' || peek(r) == '\r')
		r->p++;
}

static bool
at_end_of_line(const struct reader *r)
{
	return peek(r) == '\0' || peek(r) == '#' || peek(r) == '\n';
}

/* Blanks, comments and newlines. */
static void
skip_lines(struct reader *r)
{
	for (;;) {
		skip_space(r);
		if (peek(r) == '#')
			while (peek(r) != '\0' && *r->p != '\n')
				r->p++;
		if (peek(r) != '\n')
			return;
		r->p++;
		r->line++;
	}
}

/* How many of the next bytes are of set? */
static size_t
span(const struct reader *r, const char *set)
{
	const char *p = r->p;

	while (p < r->end && strchr(set, *p))
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
	*n = (size_t)fmt_utf8_put(out, u);
	return 0;
}

/* Do three quotes stand at s? */
static bool
is_triple(const struct reader *r, const char *s, char quote)
{
	return r->end - s > 2 && s[0] == quote && s[1] == quote &&
	    s[2] == quote;
}

/* In a string of many lines: a backslash that ends its line takes all blanks
 * that follow with it. */
static bool
skip_fold(struct reader *r)
{
	size_t n = span(r, " \t\r\n");

	if (n == 0 || !memchr(r->p, '\n', n))
		return false;
	for (; n > 0; n--)
		r->line += *r->p++ == '\n';
	return true;
}

/*
 * A string in one or three quotes, single or double, decoded into r->text;
 * one that is not kept may have any length.
 */
static int
read_string(struct reader *r, bool keep)
{
	char quote = *r->p, c[4];
	bool many = is_triple(r, r->p, quote);
	size_t len = 0, n;

	r->p += many ? 3 : 1;
	if (many && span(r, "\r\n") > 0 && *r->p++ == '\r')
		r->p++;
	if (many && r->p[-1] == '\n')
		r->line++;
	while (many ? !is_triple(r, r->p, quote) ||
	    is_triple(r, r->p + 1, quote) : peek(r) != quote) {
		if (peek(r) == '\0' || (!many && *r->p == '\n'))
			return refuse(r, "string without its closing quote");
		n = 1;
		c[0] = *r->p++;
		if (c[0] == '\r' || (c[0] == '\\' && quote == '"' && many &&
		    skip_fold(r)))
			continue;
		if (c[0] == '\n')
			r->line++;
		if (c[0] == '\\' && quote == '"' && read_escape(r, c, &n) < 0)
			return -1;
		if (!keep)
			continue;
		if (len + n >= sizeof(r->text))
			return refuse(r, "string too long");
		memcpy(r->text + len, c, n);
		len += n;
	}
	r->p += many ? 3 : 1;
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
 * has besides (arrays, tables, dates, floats).
 */
static int
read_value(struct reader *r)
{
	char c = peek(r);
	size_t n;

	r->type = T_OTHER;
	if (at_end_of_line(r))
		return refuse(r, "no value");
	if (c == '"' || c == '\'') {
		r->type = T_STRING;
		return read_string(r, true);
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
			if (read_string(r, true) < 0)
				return -1;
			if (r->p - part > 2 && part[1] == *part)
				return refuse(r, "three quotes cannot hold "
				    "a key");
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

/* = and the blanks about it. */
static int
read_equals(struct reader *r)
{
	if (peek(r) != '=')
		return refuse(r, "'=' expected");
	r->p++;
	skip_space(r);
	return 0;
}

static int set_flag(struct reader *r);
static int skip_value(struct reader *r, unsigned depth);

/*
 * [value, ...] or {key = value, ...}, over lines as may be; the values are
 * passed over, or are flags.
 */
static int
read_list(struct reader *r, char close, bool flags, unsigned depth)
{
	if (depth == DEPTH_MAX)
		return refuse(r, "value nested too deeply");
	r->p++;
	for (skip_lines(r); peek(r) != close; skip_lines(r)) {
		if (close == '}' && (read_key(r, flags ? FLAGS_TABLE "." :
		    "") < 0 || read_equals(r) < 0))
			return -1;
		if ((flags ? set_flag(r) : skip_value(r, depth + 1)) < 0)
			return -1;
		skip_lines(r);
		if (peek(r) == ',')
			r->p++;
		else if (peek(r) != close)
			return refuse(r, close == '}' ?
			    "',' or '}' expected" : "',' or ']' expected");
	}
	r->p++;
	return 0;
}

/* Pass over the value of a key that counts for nothing. */
static int
skip_value(struct reader *r, unsigned depth)
{
	size_t n = span(r, BARE "+.:");
	char c = peek(r);

	if (c == '"' || c == '\'')
		return read_string(r, false);
	if (c == '[' || c == '{')
		return read_list(r, c == '[' ? ']' : '}', false, depth);
	if (n == 0)
		return refuse(r, at_end_of_line(r) ? "no value" :
		    "malformed value");
	r->p += n;
	return 0;
}

static const struct key *
find_key(const struct reader *r)
{
	size_t i;

	for (i = 0; i < NKEYS; i++)
		if (strcmp(keys[i].name, r->key) == 0 &&
		    (r->body || keys[i].name[0] >= 'a'))
			return &keys[i];
	return NULL;
}

static int
set_string(char **at, const char *s, struct err *e)
{
	char *copy = strdup(s);

	if (!copy)
		return err_nomem(e);
	free(*at);
	*at = copy;
	return 0;
}

static int
set_choice(struct reader *r, const struct choice *list, size_t n, void *at,
    const char *names)
{
	size_t i;

	if (r->type == T_STRING && !r->text[0])
		return 0;
	for (i = 0; i < n; i++) {
		if (r->type == T_STRING &&
		    strcasecmp(r->text, list[i].name) == 0) {
			*(int *)at = list[i].value;
			return 0;
		}
	}
	return refuse(r, names);
}

bool
config_has_flag(const struct config *c, const char *name)
{
	size_t n = strlen(name), i;

	for (i = 0; i < c->nflags; i++) {
		if (strncmp(c->flags[i] + 2, name, n) == 0 &&
		    c->flags[i][2 + n] == '=')
			return true;
	}
	return false;
}

/* --name=value, as a user would type it. */
static int
put_flag(struct reader *r, const char *name, const char *value)
{
	struct config *c = r->c;
	size_t size;
	char *flag;

	if (config_has_flag(c, name))
		return refuse(r, "given twice");
	if (c->nflags == CONFIG_FLAGS_MAX)
		return refuse(r, "too many flags");
	size = strlen(name) + strlen(value) + sizeof("--=");
	flag = malloc(size);
	if (!flag)
		return err_nomem(r->e);
	fmt(flag, size, "--%s=%s", name, value);
	c->flags[c->nflags++] = flag;
	r->took = true;
	return 0;
}

/* One of runsc's own. */
static int
set_flag(struct reader *r)
{
	/* A second one would win: nothing that runsc has would be found. */
	static const char *const ours[] = { "root", "log", "log-format" };
	const char *name = r->key + sizeof(FLAGS_TABLE);
	size_t i;

	if (strspn(name, BARE) != strlen(name) || name[0] == '-')
		return refuse(r, "not the name of a runsc flag");
	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (strcmp(name, ours[i]) == 0)
			return refuse(r, "is not for [" FLAGS_TABLE "]: this "
			    "shim sets it (see the keys root and log_path)");
	}
	if (read_value(r) < 0)
		return -1;
	if (r->type == T_OTHER)
		return refuse(r, "must be a string in quotes");
	return put_flag(r, name, r->text);
}

static int
set_text(struct reader *r, const struct key *k, char **at)
{
	struct pb_bytes b = { (const uint8_t *)r->text, strlen(r->text) };

	if (r->type != T_STRING)
		return refuse(r, "must be a string in quotes");
	if (b.n == 0)
		return 0;
	if (strcmp(k->name, "BinaryName") == 0 && config_is_last(b, "runc")) {
		ignore(r, "names runc, not runsc");
		return 0;
	}
	r->took = true;
	return set_string(at, r->text, r->e);
}

static int
set_bool(struct reader *r, const struct key *k, bool *at)
{
	bool truth = r->text[0] == 't';

	if (r->type != T_BOOL)
		return refuse(r, "must be true or false");
	if (k->kind == BOOLEAN)
		*at = truth;
	else if (truth && k->kind == SYSTEMD)
		return put_flag(r, "systemd-cgroup", "true");
	else if (truth)
		ignore(r, "the task server for hibernation is gVisor's own "
		    "shim's, there is none here");
	return 0;
}

/* Pass over a key of runc's; what is empty, 0 or false says nothing. */
static int
skip_key(struct reader *r, bool tell)
{
	static const char *const nothing[] = { "\"\"", "''", "0", "false" };
	const char *value = r->p;
	size_t i;

	if (skip_value(r, 0) < 0)
		return -1;
	for (i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		if ((size_t)(r->p - value) == strlen(nothing[i]) &&
		    memcmp(value, nothing[i], strlen(nothing[i])) == 0)
			tell = false;
	}
	if (tell)
		ignore(r, "of runc, without a meaning for runsc");
	return 0;
}

/* The value that follows to where its key says. */
static int
set_key(struct reader *r, const struct key *k)
{
	char *at = (char *)r->c + k->at;

	if (k->kind >= IGNORED)
		return skip_key(r, k->kind == IGNORED);
	if (read_value(r) < 0)
		return -1;
	/* runc's keys are often there with the values that mean nothing. */
	r->took |= k->name[0] >= 'a';
	switch ((int)k->kind) {
	case STRING:
		return set_text(r, k, (char **)(void *)at);
	case ID:
		if (r->type != T_INT || r->num < 0 || r->num > ID_MAX)
			return refuse(r, "must be an integer from 0 to "
			    "4294967294");
		*(uint32_t *)(void *)at = (uint32_t)r->num;
		r->took |= r->num != 0;
		return 0;
	case SECONDS:
		if (r->type != T_INT || r->num < 1 || r->num > SECONDS_MAX)
			return refuse(r, "must be an integer from 1 to "
			    "86400 (seconds)");
		*(int64_t *)(void *)at = r->num * NS_PER_S;
		return 0;
	case LEVEL:
		return set_choice(r, levels, sizeof(levels) /
		    sizeof(levels[0]), at, "must be one of \"error\", "
		    "\"warn\", \"info\", \"debug\", \"trace\"");
	case CONTROL:
		return set_choice(r, controls, sizeof(controls) /
		    sizeof(controls[0]), at,
		    "must be \"auto\", \"on\" or \"off\"");
	default:
		return set_bool(r, k, (bool *)(void *)at);
	}
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
	if (read_equals(r) < 0)
		return -1;
	if (in_flags(r->key)) {
		if (r->flags_closed)
			return refuse(r, "given twice");
		r->flags_seen = true;
		return set_flag(r);
	}
	if (strcmp(r->key, FLAGS_TABLE) == 0) {
		if (peek(r) != '{')
			return refuse(r, "must be a table: [" FLAGS_TABLE "]");
		if (r->flags_seen)
			return refuse(r, "given twice");
		r->flags_seen = r->flags_closed = true;
		return read_list(r, '}', true, 0);
	}
	k = find_key(r);
	if (k) {
		if (r->seen[k - keys])
			return refuse(r, "given twice");
		r->seen[k - keys] = true;
		return set_key(r, k);
	}
	if (!r->lenient)
		return refuse(r, "unknown");
	if (!r->table_unknown)
		ignore(r, "unknown");
	return skip_value(r, 0);
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

/* What no line of TOML may hold. */
static int
check_text(struct reader *r)
{
	const char *nl, *p;

	for (r->line = 1; r->p < r->end; r->line++, r->p = nl + 1) {
		nl = memchr(r->p, '\n', (size_t)(r->end - r->p));
		if (!nl)
			nl = r->end;
		for (p = r->p; p < nl; p++)
			if (((unsigned char)*p < ' ' && *p != '\t' &&
			    (*p != '\r' || p + 1 != nl || nl == r->end)) ||
			    *p == 0x7f)
				return refuse(r, "control character");
		if (!pb_is_utf8((struct pb_bytes){ (const uint8_t *)r->p,
		    (size_t)(nl - r->p) }))
			return refuse(r, "not valid UTF-8");
		if (nl == r->end)
			break;
	}
	return 0;
}

/* lenient counts for the keys above it as well, so it is looked for first. */
static bool
find_lenient(struct reader *r)
{
	for (skip_lines(r); peek(r) != '\0' && *r->p != '['; skip_lines(r)) {
		if (read_key(r, "") < 0 || read_equals(r) < 0)
			return false;
		if (strcmp(r->key, "lenient") == 0)
			return read_value(r) == 0 && r->type == T_BOOL &&
			    r->text[0] == 't';
		if (skip_value(r, 0) < 0)
			return false;
	}
	return false;
}

/* Returns 1 if a key that says something is in text. */
static int
parse(struct config *c, struct pb_bytes text, const char *file, bool body,
	struct err *e)
{
	struct reader r = { .c = c, .file = file, .body = body, .e = e };
	const char *start = (const char *)text.p;
	struct err ignored;

	if (text.n > CONFIG_FILE_MAX)
		return err_set(e, ERR_INVALID, "%s: larger than %u bytes",
		    file, CONFIG_FILE_MAX);
	if (text.n == 0)
		return 0;
	r.end = start + text.n;
	if (text.n > 2 && memcmp(start, "\xef\xbb\xbf", 3) == 0)
		start += 3;	/* a byte order mark */
	r.p = start;
	if (check_text(&r) < 0)
		return -1;
	r.p = start;
	r.e = &ignored;
	r.lenient = find_lenient(&r);
	r.e = e;
	r.p = start;
	r.line = 1;
	for (skip_lines(&r); peek(&r) != '\0'; skip_lines(&r)) {
		r.key[0] = '\0';
		if ((*r.p == '[' ? read_header(&r) : read_pair(&r)) < 0)
			return -1;
		skip_space(&r);
		if (!at_end_of_line(&r))
			return refuse(&r, "text after the end");
	}
	return r.took;
}

int
config_init(struct config *c, struct err *e)
{
	memset(c, 0, sizeof(*c));
	c->log_level = -1;
	c->grouping = true;
	c->sandbox_limits = true;
	c->create_timeout_ns = CREATE_NS;
	c->start_timeout_ns = START_NS;
	c->command_timeout_ns = COMMAND_NS;
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

	return parse(c, b, file, false, e) < 0 ? -1 : 0;
}

int
config_parse_body(struct config *c, struct pb_bytes body, struct err *e)
{
	return parse(c, body, "config_body", true, e);
}

int
config_systemd_cgroup(struct config *c, struct err *e)
{
	struct reader r = { .c = c, .e = e, .file = "options" };

	return put_flag(&r, "systemd-cgroup", "true");
}

int
config_read_file(struct config *c, const char *path, struct err *e)
{
	size_t len;
	char *text = file_load(AT_FDCWD, path, 0, CONFIG_FILE_MAX, &len, e);
	int rc = text ? config_parse(c, text, len, path, e) : -1;

	free(text);
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
