/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save: members of structs, written down by a shim for the one that takes its
 * place, and read by that.
 *
 * A table has a row for each member; its place in the table, from 1 on, is its
 * number in a protobuf message (pb.h), and stays so: a later release adds rows
 * at the end.  A member that is 0, NULL or -1 (a descriptor) is not written.
 * Reading is strict: a number without a row, a second value and a value that
 * the member cannot have are errors; for good, a descriptor that is not open.
 * One that is closed is an error where it is written, too.
 *
 * What is read is the shim's own only if nothing went wrong before, so it is
 * treated as any input from outside.  When it is read for good, want of memory
 * is waited for before the reader goes back to the program that wrote it.
 */
#ifndef SAVE_H
#define SAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "wire/pb.h"

enum save_kind {
	SAVE_END,
	SAVE_NUM,		/* integer, enum, bool; at most max, unless 0 */
	SAVE_STR,		/* char *, malloc'd */
	SAVE_RAW,		/* an array, as it is */
	SAVE_DATA,		/* malloc'd, its size_t length at max */
	SAVE_FD,
	SAVE_TIMER,		/* at_ns, if it runs; who reads starts it */
	SAVE_SUB,		/* messages, which the owner writes and reads */
};

struct save_field {
	uint16_t at;
	uint16_t size:12, kind:4;
	uint16_t max;
};

#define SAVE_ROW(type, member, kind, max) \
	{ offsetof(type, member), sizeof(((type *)0)->member), kind, max }
/* What kind it is follows from its type, but for those below. */
#define SAVE(type, member) SAVE_ROW(type, member, \
	_Generic(((type *)0)->member, char *: SAVE_STR, \
	struct timer: SAVE_TIMER, default: SAVE_NUM), \
	_Generic(((type *)0)->member, bool: 1, default: 0))
#define SAVE_UPTO(type, member, max) SAVE_ROW(type, member, SAVE_NUM, max)
#define SAVE_ARRAY(type, member) SAVE_ROW(type, member, SAVE_RAW, 0)
#define SAVE_BYTES(type, member, length) \
	SAVE_ROW(type, member, SAVE_DATA, offsetof(type, length))
#define SAVE_OPEN(type, member) SAVE_ROW(type, member, SAVE_FD, 0)
#define SAVE_SUBS { 0, 0, SAVE_SUB, 0 }
#define SAVE_LAST { 0, 0, SAVE_END, 0 }

/* -- writing -------------------------------------------------------------- */

/* Members of obj into o; what has been written is not changed until then. */
void save_put(struct pb_out *o, const struct save_field *table,
	const void *obj);
/* The same as message num of o. */
void save_put_sub(struct pb_out *o, uint32_t num,
	const struct save_field *table, const void *obj);
/* Forget which descriptors have been written, or read for good: nothing is read
 * any more. */
void save_begin(void);
/* Let a program that is executed have all of them, or not. */
void save_pass_fds(bool pass);

/* -- reading -------------------------------------------------------------- */

/* Is it for good, and the descriptors are ours?  Else nothing is changed. */
void save_reader(bool for_good);
/* Is nothing to be changed? */
bool save_is_checked(void);
/* Shall what failed be tried again?  After a moment. */
bool save_again(void);
/* rc = call, which returns -1 and fills in e where it fails. */
#define SAVE_TRY(rc, call) do \
	(rc) = save_is_checked() ? 0 : (call); \
	while ((rc) < 0 && save_again())

/* Fill obj's members, the others stay. */
int save_get(struct pb_bytes in, const struct save_field *table, void *obj,
	struct err *e);
/* Call load with arg for each message num of in. */
int save_each(struct pb_bytes in, uint32_t num, int (*load)(void *arg,
	struct pb_bytes in, struct err *e), void *arg, struct err *e);
/* Zeroed memory. */
void *save_alloc(size_t n, struct err *e);
/* What was read makes no sense; the caller says of what: -1. */
int save_bad(struct err *e);
/* Put w, whose descriptor was read into it, on the loop; -1: there is none. */
int save_watch(struct watch *w, uint32_t events, enum loop_prio prio,
	void (*cb)(struct watch *w, uint32_t revents), struct err *e);
/* Start t, if it was running. */
void save_start(struct timer *t, void (*cb)(struct timer *t));

#endif
