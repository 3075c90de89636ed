/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: the shim's words to containerd's log.
 *
 * One line a call, in the text form that containerd's own loggers write
 * (logrus: time="..." level=info msg="..." runtime=io.containerd.runsc.v1),
 * because containerd copies the bundle's `log` FIFO to its stderr as it is.
 * Never blocks: the descriptor is non-blocking, a line that does not fit is
 * dropped and counted, and the count is told by the next line that fits.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum log_level { LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/*
 * Open path (the bundle's FIFO `log`, or a plain file) for writing without
 * waiting for a reader; -1 leaves standard error in use.  The descriptor is
 * kept for good: a containerd that restarts reads the same FIFO again.
 */
int log_open(const char *path);
/* Nothing is written until then. */
void log_close(void);
/*
 * Append a copy of every line to path too, which is made with its
 * directories; a link or what is no regular file is refused.  The last path
 * given counts.
 */
int log_copy(const char *path, struct err *e);
/* Lines above this level are not written.  Default LOG_INFO.  Returns what it
 * was. */
enum log_level log_set_level(enum log_level level);
/* Where it goes and what of it, for a shim that takes the place of another. */
struct log_kept {
	int fd, copy_fd;
	unsigned level;
	uint64_t dropped;
};
void log_kept(struct log_kept *k);
void log_set_kept(const struct log_kept *k);
/* Lines dropped since the start because nobody took them. */
unsigned long log_dropped(void);

void log_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
