/* SPDX-License-Identifier: Apache-2.0 */
/* save: see save.h. */
#include "wire/save.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fmt.h"

#define AGAIN_MS 10
#define AGAIN_MAX 500

static int *fds;		/* written, or read for good */
static size_t nfds;
static bool for_good;
static unsigned tries;

/* -- writing -------------------------------------------------------------- */

static uint64_t
load(const void *at, size_t size)
{
	uint8_t v8;
	uint32_t v32;
	uint64_t v = 0;

	if (size == sizeof(v8)) {
		memcpy(&v8, at, sizeof(v8));
		v = v8;
	} else if (size == sizeof(v32)) {
		memcpy(&v32, at, sizeof(v32));
		v = v32;
	} else {
		memcpy(&v, at, sizeof(v));
	}
	return v;
}

static bool
note_fd(int fd)
{
	int *more;

	/* Full at each power of two. */
	if ((nfds & (nfds - 1)) == 0) {
		do
			more = fmt_grow(fds, nfds * sizeof(*fds),
			    (2 * nfds + 1) * sizeof(*fds));
		while (!more && save_again());
		if (!more)
			return false;
		fds = more;
	}
	fds[nfds++] = fd;
	return true;
}

static void
put_fd(struct pb_out *o, uint32_t num, int fd)
{
	if (fd < 0)
		return;
	pb_put_uint(o, num, (uint64_t)fd + 1);
	/* One that is closed could not be read, by nobody. */
	if (fcntl(fd, F_GETFD) < 0 || !note_fd(fd))
		o->bad = true;
}

static void
put_row(struct pb_out *o, uint32_t num, const struct save_field *f,
    const char *obj)
{
	const char *at = obj + f->at, *const *p = (const char *const *)(const
	    void *)at;
	const struct timer *t = (const struct timer *)(const void *)at;

	switch (f->kind) {
	case SAVE_NUM:
		pb_put_uint(o, num, load(at, f->size));
		break;
	case SAVE_STR:	/* with its NUL: an empty one is there */
		if (*p)
			pb_put_bytes(o, num, *p, strlen(*p) + 1);
		break;
	case SAVE_RAW:
		pb_put_bytes(o, num, at, f->size);
		break;
	case SAVE_DATA:
		if (*p)
			pb_put_bytes(o, num, *p, (size_t)load(obj + f->max,
			    sizeof(size_t)));
		break;
	case SAVE_FD:
		put_fd(o, num, *(const int *)(const void *)at);
		break;
	case SAVE_TIMER:
		if (timer_running(t))
			pb_put_int(o, num, t->at_ns);
		break;
	default:
		break;
	}
}

void
save_put(struct pb_out *o, const struct save_field *table, const void *obj)
{
	uint32_t i;

	for (i = 0; table[i].kind != SAVE_END; i++)
		put_row(o, i + 1, &table[i], obj);
}

void
save_put_sub(struct pb_out *o, uint32_t num, const struct save_field *table,
    const void *obj)
{
	size_t mark = pb_begin(o, num);

	save_put(o, table, obj);
	pb_end(o, mark);
}

void
save_begin(void)
{
	free(fds);
	fds = NULL;
	nfds = 0;
	for_good = false;
}

void
save_pass_fds(bool pass)
{
	size_t i;

	for (i = 0; i < nfds; i++) {
		if (fds[i] > STDERR_FILENO)
			fcntl(fds[i], F_SETFD, pass ? 0 : FD_CLOEXEC);
	}
}

/* -- reading -------------------------------------------------------------- */

void
save_reader(bool good)
{
	for_good = good;
	tries = 0;
}

bool
save_is_checked(void)
{
	return !for_good;
}

bool
save_again(void)
{
	if (!for_good || tries++ >= AGAIN_MAX)
		return false;
	poll(NULL, 0, AGAIN_MS);
	return true;
}

void *
save_alloc(size_t n, struct err *e)
{
	void *p;

	do
		p = calloc(1, n);
	while (!p && save_again());
	if (!p)
		err_nomem(e);
	return p;
}

int
save_bad(struct err *e)
{
	return err_set(e, ERR_INVALID, "it makes no sense");
}

/* Is it there?  Then it is ours, and not that of the programs that we execute,
 * as it was before it was handed over. */
static bool
take_fd(int fd)
{
	return !for_good || (note_fd(fd) && fcntl(fd, F_SETFD,
	    fd > STDERR_FILENO ? FD_CLOEXEC : 0) >= 0);
}

/* A copy of b and a NUL. */
static int
take_bytes(char **p, struct pb_bytes b, struct err *e)
{
	*p = save_alloc(b.n + 1, e);
	if (!*p)
		return -1;
	memcpy(*p, b.p, b.n);
	return 0;
}

static bool
take_num(const struct save_field *f, uint64_t v, void *at)
{
	uint8_t v8 = (uint8_t)v;
	uint32_t v32 = (uint32_t)v;

	if ((f->max && v > f->max) || (f->size < sizeof(v) &&
	    v >> 8 * f->size != 0))
		return false;
	memcpy(at, f->size == sizeof(v8) ? (void *)&v8 :
	    f->size == sizeof(v32) ? (void *)&v32 : (void *)&v, f->size);
	return true;
}

/* 1: it is none. */
static int
take_row(const struct save_field *f, const struct pb_field *in, char *obj,
    struct err *e)
{
	char *at = obj + f->at, **p = (char **)(void *)at;
	bool number = f->kind == SAVE_NUM || f->kind == SAVE_FD ||
	    f->kind == SAVE_TIMER;

	if (in->wire != (number ? PB_VARINT : PB_BYTES))
		return 1;
	switch (f->kind) {
	case SAVE_NUM:
		return take_num(f, in->v, at) ? 0 : 1;
	case SAVE_STR:
		return in->b.n == 0 || memchr(in->b.p, 0, in->b.n) !=
		    in->b.p + in->b.n - 1 ? 1 : take_bytes(p, in->b, e);
	case SAVE_RAW:
		if (in->b.n != f->size)
			return 1;
		memcpy(at, in->b.p, in->b.n);
		return 0;
	case SAVE_DATA:
		memcpy(obj + f->max, &in->b.n, sizeof(in->b.n));
		return in->b.n == 0 ? 1 : take_bytes(p, in->b, e);
	case SAVE_FD:
		if (in->v == 0 || in->v > INT_MAX || !take_fd((int)in->v - 1))
			return 1;
		*(int *)(void *)at = (int)in->v - 1;
		return 0;
	case SAVE_TIMER:
		if (in->v == 0 || in->v > INT64_MAX)
			return 1;
		((struct timer *)(void *)at)->at_ns = (int64_t)in->v;
		return 0;
	default:
		return 0;
	}
}

int
save_get(struct pb_bytes in, const struct save_field *table, void *obj,
    struct err *e)
{
	struct pb_in pb;
	struct pb_field f;
	uint64_t seen = 0;
	uint32_t n;
	char *at;
	int rc = 0;

	for (n = 0; table[n].kind != SAVE_END; n++) {
		at = (char *)obj + table[n].at;
		if (table[n].kind == SAVE_FD)
			*(int *)(void *)at = -1;
		else if (table[n].kind != SAVE_SUB)
			memset(at, 0, table[n].size);
	}
	pb_in_init(&pb, in.p, in.n);
	while (pb_next(&pb, &f)) {
		if (f.num > n)
			return err_set(e, ERR_INVALID, "field %u is not known "
			    "to this release", f.num);
		if (table[f.num - 1].kind != SAVE_SUB &&
		    (seen & UINT64_C(1) << f.num))
			return err_set(e, ERR_INVALID, "field %u comes twice",
			    f.num);
		seen |= UINT64_C(1) << f.num;
		rc = take_row(&table[f.num - 1], &f, obj, e);
		if (rc != 0)
			return rc < 0 ? rc : err_set(e, ERR_INVALID,
			    "field %u makes no sense", f.num);
	}
	return pb.bad ? save_bad(e) : 0;
}

int
save_each(struct pb_bytes in, uint32_t num, int (*one)(void *arg,
    struct pb_bytes in, struct err *e), void *arg, struct err *e)
{
	struct pb_bytes b;
	struct pb_in pb;

	pb_in_init(&pb, in.p, in.n);
	while (pb_next_bytes(&pb, num, &b)) {
		if (one(arg, b, e) < 0)
			return -1;
	}
	return pb.bad ? save_bad(e) : 0;
}

int
save_watch(struct watch *w, uint32_t events, enum loop_prio prio,
    void (*cb)(struct watch *w, uint32_t revents), struct err *e)
{
	int rc, fd = w->fd;

	if (fd < 0 || save_is_checked())
		return 0;
	w->fd = -1;
	SAVE_TRY(rc, loop_add(w, fd, events, prio, cb, e));
	return rc;
}

void
save_start(struct timer *t, void (*cb)(struct timer *t))
{
	if (t->at_ns && !timer_running(t))
		timer_start(t, t->at_ns - loop_now(), cb);
}
