/* SPDX-License-Identifier: Apache-2.0 */
/* fd: what is done with descriptors everywhere. */
#ifndef FD_H
#define FD_H

#include <stddef.h>

#include "base/err.h"

/*
 * Open /dev/null on 0, 1 and 2 where they are closed, for main() to call before
 * it opens anything: a socket or a file that got such a number would be read as
 * our input, or get our output, and a child's.  A bit for each that was closed
 * (1 << fd); -1 where that fails: then the process is to end.
 */
int fd_std(void);
/* Close *fd unless it is -1, which it is then. */
void fd_close(int *fd);
/* Close all but one, in a child that was forked. */
void fd_close_others(int keep_fd);
/* Bytes that can be read of a pipe or socket; 0 where that cannot be known. */
size_t fd_unread(int fd);
/* Open what fd has open once more, with an offset and flags of its own; never
 * blocks, and needs /proc. */
int fd_reopen(int fd, int flags);
/* Which of the events of poll(2) are there now. */
short fd_events(int fd, short events);
/*
 * May so many more be opened as it takes to create a container or start an
 * exec, and to end some that are there?  Else -1, for the caller to refuse
 * before anything is half made.
 */
int fd_room(struct err *e);

#endif
