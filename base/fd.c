/* SPDX-License-Identifier: Apache-2.0 */
/* fd: see fd.h. */
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fmt.h"

int
fd_reopen(int fd, int flags)
{
	char path[32];

	fmt(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

#ifndef SYS_close_range	/* the same number everywhere */
#define SYS_close_range 436
#endif

#define ROOM 40		/* some 18 to start a process, the rest to end some */

void
fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#define LISTED_MAX 65536	/* tried, if they cannot be listed */

/* Linux before 5.9 has no close_range(2). */
static void
close_listed(int keep_fd)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;
	const char *p;
	int fd;

	while (dir && (d = readdir(dir))) {
		fd = 0;
		for (p = d->d_name; *p >= '0' && *p <= '9'; p++)
			fd = 10 * fd + *p - '0';
		if (p > d->d_name && fd != keep_fd && fd != dirfd(dir))
			close(fd);
	}
	for (fd = dir ? LISTED_MAX : 0; fd < LISTED_MAX; fd++) {
		if (fd != keep_fd)
			close(fd);
	}
	if (dir)
		closedir(dir);
}

void
fd_close_others(int keep_fd)
{
	if ((keep_fd > 0 && syscall(SYS_close_range, 0, keep_fd - 1, 0) < 0) ||
	    syscall(SYS_close_range, keep_fd + 1, ~0u, 0) < 0)
		close_listed(keep_fd);
}

int
fd_std(void)
{
	int fd, got, closed = 0;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		/* The lowest that is free, so this one: to be inherited. */
		got = open("/dev/null", O_RDWR);
		if (got != fd)
			return -1;
		closed |= 1 << fd;
	}
	return closed;
}

size_t
fd_unread(int fd)
{
	int n = 0;

	if (fd < 0 || ioctl(fd, FIONREAD, &n) < 0 || n < 0)
		return 0;
	return (size_t)n;
}

short
fd_events(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}

int
fd_room(struct err *e)
{
	int fds[ROOM], n = 0, ret = 0;

	/* The only exact way to know: it takes some microseconds.  EBADF: we
	 * have no standard input, and cannot ask so. */
	while (n < ROOM && (fds[n] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC,
	    0)) >= 0)
		n++;
	if (n < ROOM && errno != EBADF)
		ret = err_sys(e, "%d more files are needed, RLIMIT_NOFILE "
		    "leaves %d", ROOM, n);
	while (n > 0)
		close(fds[--n]);
	return ret;
}
