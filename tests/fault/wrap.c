/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wrap: the faults.  Linked with the product's objects and -Wl,--wrap for each
 * function that it has, so that this is what they call: it counts, and fails
 * the call whose turn it is with the errno that the kernel gives for want of
 * memory, descriptors or space.  Also counts allocations that are not freed.
 *
 * Not among them, since they take nothing that may be wanting: close, dup2
 * onto a number that is open, epoll_ctl but ADD, kill, waitpid, fstat,
 * getsockopt and the like.  Nor what gives back: unlink, rmdir, umount2.  (The
 * kernel could be out of memory even there; then nothing but trying again is
 * left, and that is the verb `delete`'s, which containerd runs anyway.)
 *
 * A read or write of a non-blocking descriptor says EAGAIN: that is what
 * happens every day, and at the wrong time; one of a file says EIO or ENOSPC.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fault.h"

#ifndef SYS_close_range	/* the same number everywhere */
#define SYS_close_range 436
#endif

extern const char __executable_start[];

static struct fault_ctl *ctl;
static enum fault_role role;
static bool counts;		/* what it allocates */

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Is it this call's turn to fail? */
static bool
hit(enum fault_kind kind, const char *name, bool stalls, const void *caller)
{
	int64_t lasts = stalls ? FAULT_STALLS_NS : FAULT_LASTS_NS;
	uint32_t n;

	if (!ctl || ctl->kind != (uint32_t)kind || !(ctl->roles & role))
		return false;
	n = __atomic_add_fetch(&ctl->count, 1, __ATOMIC_SEQ_CST);
	if (n < ctl->nth || (n > ctl->nth && (!ctl->lasting ||
	    now_ns() - ctl->first_ns > lasts)))
		return false;
	if (__atomic_fetch_add(&ctl->hits, 1, __ATOMIC_SEQ_CST) == 0) {
		ctl->first_ns = now_ns();
		ctl->caller = (uint64_t)((const char *)caller -
		    __executable_start);
		strncpy(ctl->name, name, sizeof(ctl->name) - 1);
	}
	return true;
}

#define HIT(kind, name) hit(kind, name, false, __builtin_return_address(0))

/* -- memory --------------------------------------------------------------- */

static void
count_live(int n)
{
	if (!ctl || !counts)
		return;
	ctl->live += n;
	if (n > 0)
		ctl->allocs++;
}

#define ALLOC(name, params, args) \
	void *__real_##name params; \
	void *__wrap_##name params; \
	void * \
	__wrap_##name params \
	{ \
		void *p; \
		if (HIT(FAULT_ALLOC, #name)) { \
			errno = ENOMEM; \
			return NULL; \
		} \
		p = __real_##name args; \
		if (p) \
			count_live(1); \
		return p; \
	}

ALLOC(malloc, (size_t n), (n))
ALLOC(calloc, (size_t n, size_t m), (n, m))
ALLOC(strdup, (const char *s), (s))
ALLOC(strndup, (const char *s, size_t n), (s, n))

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void __real_free(void *p);
void __wrap_free(void *p);

void *
__wrap_realloc(void *p, size_t n)
{
	void *q;

	if (HIT(FAULT_ALLOC, "realloc")) {
		errno = ENOMEM;
		return NULL;
	}
	q = __real_realloc(p, n);
	if (q && !p)
		count_live(1);
	return q;
}

void
__wrap_free(void *p)
{
	if (p)
		count_live(-1);
	__real_free(p);
}

/* -- system calls --------------------------------------------------------- */

#define CALL(type, name, params, args, error, failed) \
	CALL_OF(type, name, params, args, error, failed, false)

#define CALL_OF(type, name, params, args, error, failed, stalls) \
	type __real_##name params; \
	type __wrap_##name params; \
	type \
	__wrap_##name params \
	{ \
		if (hit(FAULT_CALL, #name, stalls, \
		    __builtin_return_address(0))) { \
			errno = (error); \
			return (failed); \
		} \
		return __real_##name args; \
	}

CALL(int, socket, (int a, int b, int c), (a, b, c), EMFILE, -1)
CALL(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n),
    ENOSPC, -1)
CALL(int, listen, (int fd, int n), (fd, n), ENOMEM, -1)
CALL(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n),
    EAGAIN, -1)
CALL(int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int f),
    (fd, a, n, f), EMFILE, -1)
CALL(int, epoll_create1, (int f), (f), EMFILE, -1)
CALL(int, signalfd, (int fd, const sigset_t *s, int f), (fd, s, f), EMFILE, -1)
CALL(int, eventfd, (unsigned n, int f), (n, f), EMFILE, -1)
CALL(int, inotify_init1, (int f), (f), EMFILE, -1)
CALL(int, inotify_add_watch, (int fd, const char *p, uint32_t m), (fd, p, m),
    ENOSPC, -1)
CALL(int, pipe2, (int fds[2], int f), (fds, f), EMFILE, -1)
CALL(pid_t, _Fork, (void), (), EAGAIN, -1)
CALL(int, execv, (const char *p, char *const *a), (p, a), ENOMEM, -1)
CALL(int, execvpe, (const char *p, char *const *a, char *const *e), (p, a, e),
    ENOMEM, -1)
CALL(int, memfd_create, (const char *s, unsigned f), (s, f), EMFILE, -1)
CALL(int, ftruncate, (int fd, off_t n), (fd, n), ENOSPC, -1)
CALL(int, mkdir, (const char *p, mode_t m), (p, m), ENOSPC, -1)
CALL(char *, mkdtemp, (char *p), (p), ENOSPC, NULL)
CALL(int, rename, (const char *a, const char *b), (a, b), ENOSPC, -1)
CALL(int, chmod, (const char *p, mode_t m), (p, m), ENOMEM, -1)
CALL(int, fchown, (int fd, uid_t u, gid_t g), (fd, u, g), EDQUOT, -1)
CALL(int, lstat, (const char *p, struct stat *s), (p, s), ENOMEM, -1)
CALL(int, statfs, (const char *p, struct statfs *s), (p, s), ENOMEM, -1)
CALL(int, access, (const char *p, int m), (p, m), ENOMEM, -1)
CALL(ssize_t, readlink, (const char *p, char *b, size_t n), (p, b, n), ENOMEM,
    -1)
CALL(char *, getcwd, (char *b, size_t n), (b, n), ENOMEM, NULL)
CALL(int, chdir, (const char *p), (p), ENOMEM, -1)
CALL(DIR *, opendir, (const char *p), (p), EMFILE, NULL)
CALL(int, mount, (const char *s, const char *t, const char *y,
    unsigned long f, const void *d), (s, t, y, f, d), ENOMEM, -1)
CALL(ssize_t, pread, (int fd, void *p, size_t n, off_t o), (fd, p, n, o), EIO,
    -1)

/* What a transfer says when it cannot be done now. */
static int
io_errno(int fd, int of_a_file)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK) ? EAGAIN : of_a_file;
}

#define TRANSFER(name, params, args, error) \
	CALL_OF(ssize_t, name, params, args, error, -1, true)

TRANSFER(read, (int fd, void *p, size_t n), (fd, p, n),
    io_errno(fd, EIO))
TRANSFER(write, (int fd, const void *p, size_t n), (fd, p, n),
    io_errno(fd, ENOSPC))
TRANSFER(recv, (int fd, void *p, size_t n, int f), (fd, p, n, f), EAGAIN)
TRANSFER(send, (int fd, const void *p, size_t n, int f), (fd, p, n, f),
    EAGAIN)
TRANSFER(recvmsg, (int fd, struct msghdr *m, int f), (fd, m, f), EAGAIN)
TRANSFER(sendmsg, (int fd, const struct msghdr *m, int f), (fd, m, f),
    EAGAIN)
TRANSFER(splice, (int a, off64_t *x, int b, off64_t *y, size_t n,
    unsigned f), (a, x, b, y, n, f), EAGAIN)

int __real_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev);
int __real_dup2(int from, int to);
int __wrap_dup2(int from, int to);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __real_fcntl(int fd, int op, ...);
int __wrap_fcntl(int fd, int op, ...);
long __real_syscall(long n, ...);
long __wrap_syscall(long n, ...);

int
__wrap_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	if (op == EPOLL_CTL_ADD && HIT(FAULT_CALL, "epoll_ctl")) {
		errno = ENOSPC;
		return -1;
	}
	return __real_epoll_ctl(ep, op, fd, ev);
}

int
__wrap_dup2(int from, int to)
{
	if (HIT(FAULT_CALL, "dup2")) {
		errno = EMFILE;
		return -1;
	}
	return __real_dup2(from, to);
}

int
__wrap_open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (HIT(FAULT_CALL, "open")) {
		errno = flags & O_CREAT ? ENOSPC : EMFILE;
		return -1;
	}
	return __real_open(path, flags, mode);
}

int
__wrap_openat(int dir, const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (HIT(FAULT_CALL, "openat")) {
		errno = flags & O_CREAT ? ENOSPC : EMFILE;
		return -1;
	}
	return __real_openat(dir, path, flags, mode);
}

int
__wrap_fcntl(int fd, int op, ...)
{
	va_list ap;
	long arg;

	va_start(ap, op);
	arg = va_arg(ap, long);
	va_end(ap);
	if ((op == F_DUPFD_CLOEXEC || op == F_SETPIPE_SZ) &&
	    HIT(FAULT_CALL, "fcntl")) {
		errno = EMFILE;
		return -1;
	}
	return __real_fcntl(fd, op, arg);
}

long
__wrap_syscall(long n, ...)
{
	bool failed;
	long a[6];
	va_list ap;
	int i;

	va_start(ap, n);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	failed = n != SYS_pidfd_send_signal && HIT(FAULT_CALL, "syscall");
	/* A stand-in's, which does nothing after that but wait for its end. */
	if (n == SYS_close_range)
		ctl = NULL;
	if (failed) {
		errno = EMFILE;
		return -1;
	}
	return __real_syscall(n, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* With 64-bit file offsets the product calls these, the same where a long has
 * 64 bits.  One that is used and is missing here is an error of the linker. */
#define SAME(name) \
	extern __typeof__(__wrap_##name) __wrap_##name##64 \
	    __attribute__((alias("__wrap_" #name)));

SAME(open)
SAME(openat)
SAME(fcntl)
SAME(lstat)
SAME(statfs)
SAME(ftruncate)
SAME(pread)
_Static_assert(sizeof(long) == 8, "open is not open64 here");

/* ------------------------------------------------------------------------- */

static void __attribute__((constructor))
begin(int argc, char **argv)
{
	const char *path = getenv("FAULT_CTL"), *last;
	int fd = path ? __real_open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, sizeof(*ctl), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	close(fd);
	if (p == MAP_FAILED)
		abort();
	ctl = p;
	last = argv[argc - 1];
	role = strcmp(last, "start") == 0 || strcmp(last, "delete") == 0 ?
	    ROLE_VERB : ROLE_DAEMON;
	/* Not a successor that only looks. */
	counts = role == ROLE_DAEMON && (argc == 1 ||
	    strncmp(argv[1], "-resume-check", 13) != 0);
	if (counts)
		ctl->live = 0;
}
