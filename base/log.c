/* SPDX-License-Identifier: Apache-2.0 */
/* log: see log.h. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fmt.h"

/* A write of at most PIPE_BUF (4096) bytes to a FIFO is all or nothing. */
#define LINE_MAX_BYTES 4096

static int log_fd = STDERR_FILENO;
static int copy_fd = -1;
static enum log_level log_max = LOG_INFO;
static unsigned long dropped;		/* since the start */
static unsigned long dropped_untold;	/* since a line last got through */

int
log_open(const char *path)
{
	int fd;

	/*
	 * O_RDWR: opening a FIFO for writing only fails while nobody reads
	 * it, and containerd may be away.  A descriptor that is also a reader
	 * means writes fill the FIFO and then drop, never SIGPIPE.
	 */
	fd = open(path, O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY |
	    O_NOFOLLOW);
	if (fd < 0)
		return -1;
	log_fd = fd;
	return 0;
}

void
log_close(void)
{
	log_fd = -1;
}

int
log_copy(const char *path, struct err *e)
{
	struct stat st;
	int fd;

	if (file_make_dirs(path, 0755, e) < 0)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK |
	    O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, ERR_INVALID, "%s: not a regular file", path);
	}
	if (copy_fd >= 0)
		close(copy_fd);
	copy_fd = fd;
	return 0;
}

enum log_level
log_set_level(enum log_level level)
{
	enum log_level was = log_max;

	log_max = level;
	return was;
}

void
log_kept(struct log_kept *k)
{
	*k = (struct log_kept){ log_fd, copy_fd, (unsigned)log_max, dropped };
}

void
log_set_kept(const struct log_kept *k)
{
	log_fd = k->fd;
	copy_fd = k->copy_fd;
	log_max = (enum log_level)k->level;
	dropped = (unsigned long)k->dropped;
}

unsigned long
log_dropped(void)
{
	return dropped;
}

/* Copy s quoted as Go's %q would: what containerd's readers expect. */
static size_t
put_quoted(char *out, size_t cap, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;
	unsigned char c;

	if (cap < 8)
		return 0;
	out[n++] = '"';
	for (; *s && n + 6 < cap; s++) {
		c = (unsigned char)*s;
		if (c == '"' || c == '\\') {
			out[n++] = '\\';
			out[n++] = (char)c;
		} else if (c == '\n') {
			out[n++] = '\\';
			out[n++] = 'n';
		} else if (c == '\t') {
			out[n++] = '\\';
			out[n++] = 't';
		} else if (c < 0x20 || c == 0x7f) {
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		} else {
			out[n++] = (char)c;
		}
	}
	out[n++] = '"';
	return n;
}

/*
 * UTC, in RFC 3339.  By hand: gmtime and strftime bring time zones and
 * locales with them, which is a twentieth of the static binary.  Years are
 * counted from March, so that the leap day is the last of a year
 * (Gregorian: 146097 days in 400 years).
 */
static size_t
put_time(char *out, size_t cap)
{
	struct timespec ts;
	long long days, s, era, doe, yoe, doy, mp;

	clock_gettime(CLOCK_REALTIME, &ts);
	days = ts.tv_sec / 86400 + 719468;	/* since 0000-03-01 */
	s = ts.tv_sec % 86400;
	era = days / 146097;
	doe = days % 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	return fmt(out, cap,
	    "time=\"%04lld-%02lld-%02lldT%02lld:%02lld:%02lld.%09ldZ\"",
	    yoe + era * 400 + (mp >= 10), mp < 10 ? mp + 3 : mp - 9,
	    doy - (153 * mp + 2) / 5 + 1, s / 3600, s / 60 % 60, s % 60,
	    ts.tv_nsec);
}

static void
write_line(const char *level, const char *text)
{
	static const char tail[] = " runtime=io.containerd.runsc.v1\n";
	char line[LINE_MAX_BYTES];
	size_t n;
	ssize_t r;

	n = put_time(line, sizeof(line));
	n += fmt(line + n, sizeof(line) - n, " level=%s msg=",
	    level);
	n += put_quoted(line + n, sizeof(line) - n - sizeof(tail), text);
	memcpy(line + n, tail, sizeof(tail) - 1);
	n += sizeof(tail) - 1;
	if (copy_fd >= 0 && write(copy_fd, line, n) < 0) {
		/* A full disk is no reason to be silent below. */
		close(copy_fd);
		copy_fd = -1;
	}
	do {
		r = write(log_fd, line, n);
	} while (r < 0 && errno == EINTR);
	if (r < 0) {
		dropped++;
		dropped_untold++;
	}
}

static void vlog(enum log_level level, const char *format, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void
vlog(enum log_level level, const char *format, va_list ap)
{
	static const char *const names[] = {
		[LOG_ERR] = "error", [LOG_WARN] = "warning",
		[LOG_INFO] = "info", [LOG_DEBUG] = "debug",
	};
	char text[LINE_MAX_BYTES];
	unsigned long lost;

	if (level > log_max)
		return;
	if (dropped_untold) {
		lost = dropped_untold;
		dropped_untold = 0;
		fmt(text, sizeof(text), "log: %lu lines dropped", lost);
		write_line("warning", text);
		if (dropped_untold)	/* still full: tell it later */
			dropped_untold += lost;
	}
	fmt_va(text, sizeof(text), format, ap);
	write_line(names[level], text);
}

#define LOG_FN(name, level)			\
void						\
name(const char *format, ...)			\
{						\
	va_list ap;				\
						\
	va_start(ap, format);			\
	vlog(level, format, ap);			\
	va_end(ap);				\
}

LOG_FN(log_err, LOG_ERR)
LOG_FN(log_warn, LOG_WARN)
LOG_FN(log_info, LOG_INFO)
LOG_FN(log_debug, LOG_DEBUG)
