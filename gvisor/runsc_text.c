/* SPDX-License-Identifier: Apache-2.0 */
/* runsc_text: what runsc prints and logs; see runsc_text.h. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gvisor/runsc_text.h"
#include "json.h"
#include "base/fd.h"
#include "base/fmt.h"

#define PANIC_BYTES 65536

bool
runsc_expand_id(char *out, size_t cap, const char *text, const char *id)
{
	const char *hit;
	size_t n = 0;

	while ((hit = fmt_find(text, "%ID%")) && n < cap) {
		n += fmt(out + n, cap - n, "%.*s%s", (int)(hit - text), text,
		    id);
		text = hit + 4;
	}
	if (n < cap)
		n += fmt(out + n, cap - n, "%s", text);
	return n < cap;
}

void
runsc_trim(char *s)
{
	size_t n = strlen(s);

	while (n && (s[n - 1] == '\n' || s[n - 1] == ' ' || s[n - 1] == '\t' ||
	    s[n - 1] == '\r'))
		s[--n] = '\0';
}

/* Add text to msg unless it is in there; what has no room takes the place of
 * all but the first, which ends at first.  Where it is. */
static const char *
add_error(char *msg, size_t cap, size_t *first, const char *text)
{
	size_t used = strlen(msg), n = strlen(text);
	const char *there = fmt_find(msg, text);

	if (there)
		return there;
	if (used + n + 3 > cap)
		used = *first;
	if (used)
		used += fmt(msg + used, cap - used, "; ");
	if (used >= cap)
		return msg;
	fmt(msg + used, cap - used, "%s", text);
	if (!*first)
		*first = strlen(msg);
	return msg + used;
}

/* Text that is too long, without its middle: an error begins with what was
 * tried and ends with why it failed; between them runsc has whole command
 * lines. */
static void
shorten(char *text, size_t cap)
{
	static const char gap[] = " ... ";
	size_t n = strlen(text), head = cap / 3;
	const char *tail;

	if (n < cap)
		return;
	tail = text + n - (cap - head - sizeof(gap));
	/* No character is cut in two. */
	while (head && ((uint8_t)text[head] & 0xc0) == 0x80)
		head--;
	while (((uint8_t)*tail & 0xc0) == 0x80)
		tail++;
	memcpy(text + head, gap, sizeof(gap) - 1);
	memmove(text + head + sizeof(gap) - 1, tail, strlen(tail) + 1);
}

const char *
runsc_errors(const char *log, size_t len, char *msg, size_t cap)
{
	size_t used, first = 0;
	char *text;
	struct json j;
	struct err e;
	const char *end, *last = NULL;

	msg[0] = '\0';
	for (; len; log += used, len -= used) {
		/* A line that was cut off, or that Go's runtime wrote. */
		if (json_parse_prefix(&j, log, len, &used, &e) != 1) {
			end = memchr(log, '\n', len);
			used = end ? (size_t)(end - log) + 1 : len;
			continue;
		}
		if (json_is(&j, json_get(&j, 0, "level"), "error")) {
			text = json_strdup(&j, json_get(&j, 0, "msg"));
			if (text) {
				runsc_trim(text);
				shorten(text, ERR_MSG_MAX / 2);
			}
			if (text && text[0])
				last = add_error(msg, cap, &first, text);
			free(text);
		}
		json_free(&j);
	}
	return last;
}

const char *
runsc_skip_notices(const char *out)
{
	const char *line = out;

	/* "[WARN] ..." is no list. */
	while (!(line[0] == '{' && strchr("\"} \n", line[1])) &&
	    !(line[0] == '[' && strchr("0123456789{]\"\n", line[1])) &&
	    strncmp(line, "UID ", 4) != 0) {
		line = strchr(line, '\n');
		if (!line)
			return out;
		line++;
	}
	return line;
}

bool
runsc_parse_wait(const char *out, size_t len, unsigned *status)
{
	struct json j;
	struct err e;
	size_t used;
	int64_t v;
	bool ok;

	if (json_parse_prefix(&j, out, len, &used, &e) != 1)
		return false;
	ok = json_int(&j, json_get(&j, 0, "exitStatus"), &v) && v >= 0 &&
	    v <= 255;
	if (ok)
		*status = (unsigned)v;
	json_free(&j);
	return ok;
}

uint32_t *
runsc_parse_ps(const char *out, size_t len, size_t *n)
{
	uint32_t *pids = NULL;
	struct json j;
	struct err e;
	size_t used;
	uint64_t v;

	if (json_parse_prefix(&j, out, len, &used, &e) != 1)
		return NULL;
	if (j.toks[0].type == JSON_ARRAY)
		pids = malloc((j.toks[0].size + 1) * sizeof(*pids));
	/* Numbers have nothing in them: the elements are the next tokens. */
	for (*n = 0; pids && *n < j.toks[0].size && *n < PIDS_MAX; ++*n) {
		if (!json_uint(&j, (int)*n + 1, &v) || v > UINT32_MAX)
			goto fail;
		pids[*n] = (uint32_t)v;
	}
	json_free(&j);
	return pids;
fail:
	json_free(&j);
	free(pids);
	return NULL;
}

/*
 * The n-th number of a line of digits and blanks, from 0; -1 if there is none.
 */
static int64_t
column(const char *line, const char *end, int n)
{
	int64_t v = -1;

	for (; n >= 0; n--) {
		while (line < end && *line == ' ')
			line++;
		if (line == end || *line < '0' || *line > '9')
			return -1;
		for (v = 0; line < end && *line >= '0' && *line <= '9'; line++)
			v = v < INT_MAX ? v * 10 + *line - '0' : v;
	}
	return v;
}

/* A line begins with user, process and parent (control/proc.go
 * ProcessListToTable); the first is their names. */
uint32_t *
runsc_parse_parentless(const char *out, size_t len, size_t *n)
{
	const char *line, *end, *stop = out + len;
	uint32_t *pids;
	int64_t pid;

	*n = 0;
	pids = strncmp(out, "UID ", 4) == 0 ?
	    malloc(PIDS_MAX * sizeof(*pids)) : NULL;
	for (line = out; pids && line < stop; line = end + 1) {
		end = memchr(line, '\n', (size_t)(stop - line));
		if (!end)
			end = stop;
		pid = column(line, end, 1);
		if (pid > 0 && column(line, end, 2) == 0 && *n < PIDS_MAX)
			pids[(*n)++] = (uint32_t)pid;
	}
	return pids;
}

bool
runsc_says_gone(const char *msg)
{
	static const char *const texts[] = {
		"does not exist",
		"sandbox is not running",
		"no such process",
		"sandbox no longer running",
		"process already finished",
	};
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (fmt_find(msg, texts[i]))
			return true;
	}
	return false;
}

bool
runsc_has_panicked(const char *log_directory, int fd, off_t from, char *text,
    size_t cap)
{
	/* The last is in each dump of Go's runtime. */
	static const char *const marks[] = { "panic: ", "fatal error: ",
		"SIGABRT: ", "SIGQUIT: ", "goroutine " };
	char path[PATH_MAX], *log = malloc(PANIC_BYTES);
	const char *at = NULL;
	ssize_t n = -1;
	size_t i;

	if (log_directory) {
		fmt(path, sizeof(path), "%s/" RUNSC_PANIC_LOG, log_directory);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	}
	if (log && fd > 0)
		n = pread(fd, log, PANIC_BYTES - 1, from);
	if (log_directory)
		fd_close(&fd);
	if (n > 0)
		log[n] = '\0';
	for (i = 0; n > 0 && !at && i < sizeof(marks) / sizeof(marks[0]); i++)
		at = fmt_find(log, marks[i]);
	if (at)
		fmt(text, cap, "%.*s", (int)strcspn(at, "\n"), at);
	free(log);
	return at != NULL;
}
