/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_save: members of structs as another shim has written them: what is read
 * is in its bounds, and written again it reads the same.
 */
#include <fcntl.h>
#include <string.h>

#include "fuzz.h"
#include "wire/save.h"

enum kind { ONE, TWO, THREE };

struct thing {
	bool flag;
	enum kind kind;
	uint8_t small;
	uint32_t number;
	int64_t large;
	char *text;
	uint8_t raw[8];
	char *data;
	size_t len;
	int fd;
	struct timer timer;
};

static const struct save_field fields[] = {
	SAVE(struct thing, flag), SAVE_UPTO(struct thing, kind, THREE),
	SAVE(struct thing, small), SAVE(struct thing, number),
	SAVE(struct thing, large), SAVE(struct thing, text),
	SAVE_ARRAY(struct thing, raw), SAVE_BYTES(struct thing, data, len),
	SAVE_OPEN(struct thing, fd), SAVE(struct thing, timer), SAVE_SUBS,
	SAVE_LAST
};
#define SUB 11

static void
never(struct timer *t)
{
	(void)t;
	abort();
}

static bool
same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void
check_same(const struct thing *a, const struct thing *b)
{
	must(a->flag == b->flag && a->kind == b->kind &&
	    a->small == b->small && a->number == b->number &&
	    a->large == b->large && same_text(a->text, b->text) &&
	    memcmp(a->raw, b->raw, sizeof(a->raw)) == 0 &&
	    a->len == b->len && !a->data == !b->data && a->fd == b->fd);
	must(!a->data || memcmp(a->data, b->data, a->len) == 0);
}

static void
release(struct thing *t)
{
	timer_stop(&t->timer);
	free(t->text);
	free(t->data);
}

static void
look(struct pb_bytes in, unsigned depth)
{
	struct thing t = { .flag = true }, again = { .flag = false };
	struct pb_bytes b;
	struct pb_out o;
	struct pb_in pb;
	struct err e = { .code = 0 };

	if (save_get(in, fields, &t, &e) == 0) {
		must((unsigned)t.kind <= THREE && t.fd >= -1 &&
		    t.timer.at_ns >= 0);
		must(!t.data || t.len > 0);
		save_start(&t.timer, never);
		pb_out_init(&o, NULL, 0);
		save_begin();
		save_put(&o, fields, &t);
		/* Only what is open is written. */
		must(o.bad == (t.fd >= 0 && fcntl(t.fd, F_GETFD) < 0));
		if (o.bad)
			t.fd = -1;
		pb_out_free(&o);
		save_put(&o, fields, &t);
		must(!o.bad);
		must(save_get((struct pb_bytes){ o.p, o.len }, fields, &again,
		    &e) == 0);
		check_same(&t, &again);
		must(!t.timer.at_ns == !again.timer.at_ns);
		release(&again);
		pb_out_free(&o);
	} else {
		must(e.code != 0 && e.msg[0]);
	}
	release(&t);
	pb_in_init(&pb, in.p, in.n);
	while (depth < 4 && pb_next_bytes(&pb, SUB, &b))
		look(b, depth + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	save_reader(false);
	look((struct pb_bytes){ p, n }, 0);
	save_begin();
	return 0;
}
