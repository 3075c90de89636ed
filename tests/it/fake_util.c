/* SPDX-License-Identifier: Apache-2.0 */
/* fake_util: see fake.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SCRATCH_CAP 1024

int log_fd = -1;
bool log_json;
const char *command = "";

/* Under ASAN too: a process here lives shortly, and frees nothing. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

void
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return;
		p += r;
		n -= (size_t)r;
	}
}

void
sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

void
hang(void)
{
	for (;;)
		pause();
}


/* What a turn of the sandbox's loop has made and nobody needs after it; a
 * command just ends. */
static void *scratch[SCRATCH_CAP];
static size_t nscratch;

char *
keep(char *p)
{
	if (nscratch < SCRATCH_CAP)
		scratch[nscratch++] = p;
	return p;
}

void
drop_scratch(void)
{
	while (nscratch > 0)
		free(scratch[--nscratch]);
}

char *
join(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	return keep(s);
}

char *
quote(const char *s)
{
	char *out = malloc(6 * strlen(s) + 3), *p = out;

	if (out == NULL)
		abort();
	*p++ = '"';
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\') {
			*p++ = '\\';
			*p++ = *s;
		} else if (*s == '\n') {
			*p++ = '\\';
			*p++ = 'n';
		} else if ((unsigned char)*s < ' ') {
			p += sprintf(p, "\\u%04x", (unsigned char)*s);
		} else {
			*p++ = *s;
		}
	}
	strcpy(p, "\"");
	return out;
}

static void
log_error(const char *text)
{
	struct timespec t;
	struct tm tm;
	char when[64], *msg, *line;

	if (log_fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	msg = quote(text);
	if (log_json)
		line = join("{\"msg\":%s,\"level\":\"error\",\"time\":"
		    "\"%s.%09ldZ\"}", msg, when, t.tv_nsec);
	else
		line = join("time=\"%s.%09ldZ\" level=error msg=%s\n", when,
		    t.tv_nsec, msg);
	write_all(log_fd, line, strlen(line));
}

void
fail(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	log_error(s);
	fprintf(stderr, "%s\n", s);
	exit(FAILED);
}

void
usage(void)
{
	fprintf(stderr, "Usage: runsc <flags> <subcommand> "
	    "<subcommand args>\n\nSubcommands:\n\tcreate\tdelete\n");
	exit(FAILED);
}

/* The whole file, NUL-terminated; NULL and errno. */
char *
read_file(const char *path)
{
	char *buf = malloc(MSG_CAP);
	size_t n = 0;
	ssize_t r = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || buf == NULL) {
		free(buf);
		return NULL;
	}
	while (n < MSG_CAP - 1 &&
	    (r = read(fd, buf + n, MSG_CAP - 1 - n)) > 0)
		n += (size_t)r;
	close(fd);
	buf[n] = '\0';
	return r < 0 ? NULL : buf;
}

void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		fail("open %s: %s", path, strerror(errno));
	write_all(fd, text, strlen(text));
	close(fd);
}

/* JSON, as much as is needed: values are pointers into the text */

const char *
json_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

const char *
json_skip(const char *p)
{
	int depth = 0;

	do {
		p = json_space(p);
		if (*p == '\0')
			return p;
		if (*p == '"') {
			for (p++; *p != '\0' && *p != '"'; p++)
				if (*p == '\\' && p[1] != '\0')
					p++;
			p += *p == '"';
		} else if (strchr("{[", *p)) {
			depth++;
			p++;
		} else if (strchr("}]", *p)) {
			depth--;
			p++;
		} else if (strchr(",:", *p)) {
			p++;
		} else {
			p += strcspn(p, ",:{}[] \t\r\n");
		}
	} while (depth > 0);
	return json_space(p);
}

/* A string's text, malloc'd; \u escapes below 256 only. */
char *
json_string(const char *p)
{
	char *out, *q;
	unsigned u;

	if (p == NULL || *p != '"')
		return NULL;
	q = out = malloc((size_t)(json_skip(p) - p) + 1);
	if (out == NULL)
		abort();
	for (p++; *p != '\0' && *p != '"'; p++) {
		if (*p != '\\') {
			*q++ = *p;
			continue;
		}
		p++;
		if (*p == 'n')
			*q++ = '\n';
		else if (*p == 't')
			*q++ = '\t';
		else if (*p == 'u' && sscanf(p + 1, "%4x", &u) == 1) {
			*q++ = (char)u;
			p += 4;
		} else
			*q++ = *p;
	}
	*q = '\0';
	return out;
}

const char *
json_get(const char *p, const char *key)
{
	if (p == NULL || *(p = json_space(p)) != '{')
		return NULL;
	for (p = json_space(p + 1); *p == '"'; p = json_space(p)) {
		char *k = json_string(p);
		bool hit = strcmp(k, key) == 0;

		free(k);
		p = json_skip(p);
		if (*p == ':')
			p = json_space(p + 1);
		if (hit)
			return p;
		p = json_skip(p);
		if (*p == ',')
			p++;
	}
	return NULL;
}

/* An array of strings, NULL-terminated. */
char **
json_strings(const char *p)
{
	char **v = calloc(ARGS_CAP + 1, sizeof(*v));
	size_t n = 0;

	if (v == NULL)
		abort();
	if (p == NULL || *p != '[')
		return v;
	for (p = json_space(p + 1); *p == '"' && n < ARGS_CAP;
	    p = json_space(p)) {
		v[n++] = json_string(p);
		p = json_skip(p);
		if (*p == ',')
			p++;
	}
	return v;
}

bool
json_true(const char *p)
{
	return p != NULL && strncmp(p, "true", 4) == 0;
}

ssize_t
recv_fds(int sock, char *buf, size_t cap, int *fds, int *nfds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(4 * sizeof(int))];
	} u;
	struct iovec iov = { buf, cap - 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = u.buf, .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c;
	ssize_t n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);

	*nfds = 0;
	if (n < 0)
		return -1;
	buf[n] = '\0';
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS) {
		*nfds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)*nfds * sizeof(int));
	}
	return n;
}
