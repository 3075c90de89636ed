/* SPDX-License-Identifier: Apache-2.0 */
/* fmt: see fmt.h. */
#include "base/fmt.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITE_BYTES 1024

struct text {
	char *p;
	size_t cap;
	size_t n;
};

/* One conversion: %[#][0][width][.precision][length]letter. */
struct conversion {
	bool alternate;
	bool zeros;
	size_t width;
	size_t precision;
	unsigned longs;		/* l: 1, ll: 2; z: 1 */
	char letter;
};

static void
put(struct text *t, char c)
{
	if (t->n + 1 < t->cap)
		t->p[t->n] = c;
	t->n++;
}

static void
put_str(struct text *t, const struct conversion *c, const char *s)
{
	/* With %.0s there need not be a string. */
	size_t len = c->precision ? strnlen(s, c->precision) : 0;
	size_t i;

	for (i = len; i < c->width; i++)
		put(t, ' ');
	for (i = 0; i < len; i++)
		put(t, s[i]);
}

static void
put_number(struct text *t, const struct conversion *c, uint64_t v,
    bool negative)
{
	static const char hex[] = "0123456789abcdef";
	unsigned base = c->letter == 'x' ? 16 : 10;
	char digits[24];
	size_t n = 0, len;

	do {
		digits[n++] = hex[v % base];
		v /= base;
	} while (v);
	len = n + negative;
	if (negative && c->zeros)
		put(t, '-');
	for (; len < c->width; len++)
		put(t, c->zeros ? '0' : ' ');
	if (negative && !c->zeros)
		put(t, '-');
	if (c->alternate) {
		put(t, '0');
		put(t, 'x');
	}
	while (n > 0)
		put(t, digits[--n]);
}

/* Numbers are promoted, so what is not long is an int. */
static uint64_t
take_unsigned(const struct conversion *c, va_list *ap)
{
	if (c->longs == 2)
		return va_arg(*ap, unsigned long long);
	return c->longs ? va_arg(*ap, unsigned long) :
	    va_arg(*ap, unsigned);
}

static int64_t
take_signed(const struct conversion *c, va_list *ap)
{
	if (c->longs == 2)
		return va_arg(*ap, long long);
	return c->longs ? va_arg(*ap, long) : va_arg(*ap, int);
}

static const char *
take_digits(const char *f, size_t *v)
{
	for (*v = 0; *f >= '0' && *f <= '9'; f++)
		*v = 10 * *v + (size_t)(*f - '0');
	return f;
}

/* f is behind the '%'; returns what is behind the conversion. */
static const char *
parse(const char *f, struct conversion *c, va_list *ap)
{
	int n;

	memset(c, 0, sizeof(*c));
	c->precision = SIZE_MAX;
	for (; *f == '#' || *f == '0'; f++) {
		c->alternate |= *f == '#';
		c->zeros |= *f == '0';
	}
	f = take_digits(f, &c->width);
	if (*f == '.' && f[1] == '*') {
		n = va_arg(*ap, int);
		c->precision = n < 0 ? SIZE_MAX : (size_t)n;
		f += 2;
	} else if (*f == '.') {
		f = take_digits(f + 1, &c->precision);
	}
	for (; *f == 'l' || *f == 'z'; f++)
		c->longs++;
	c->letter = *f;
	return *f ? f + 1 : f;
}

static void
format_all(struct text *t, const char *f, va_list *ap)
{
	struct conversion c;
	int64_t d;

	while (*f) {
		if (*f != '%') {
			put(t, *f++);
			continue;
		}
		f = parse(f + 1, &c, ap);
		switch (c.letter) {
		case 's':
			put_str(t, &c, va_arg(*ap, const char *));
			break;
		case 'd':
			d = take_signed(&c, ap);
			put_number(t, &c, d < 0 ? -(uint64_t)d : (uint64_t)d,
			    d < 0);
			break;
		case 'u':
		case 'x':
			put_number(t, &c, take_unsigned(&c, ap), false);
			break;
		case 'c':
			put(t, (char)va_arg(*ap, int));
			break;
		case '%':
			put(t, '%');
			break;
		default:
			return;
		}
	}
}

size_t
fmt_va(char *buf, size_t cap, const char *format, va_list ap)
{
	struct text t = { buf, cap, 0 };
	va_list copy;

	/* A parameter of that type may be a pointer, whose address is not a
	 * va_list *. */
	va_copy(copy, ap);
	format_all(&t, format, &copy);
	va_end(copy);
	if (cap)
		buf[t.n < cap ? t.n : cap - 1] = '\0';
	return t.n;
}

size_t
fmt(char *buf, size_t cap, const char *format, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, format);
	n = fmt_va(buf, cap, format, ap);
	va_end(ap);
	return n;
}

char *
fmt_new(const char *format, ...)
{
	va_list ap;
	size_t n;
	char *p;

	va_start(ap, format);
	n = fmt_va(NULL, 0, format, ap);
	p = malloc(n + 1);
	if (p)
		fmt_va(p, n + 1, format, ap);
	va_end(ap);
	return p;
}

int
fmt_write(int fd, const char *format, ...)
{
	char buf[WRITE_BYTES];
	va_list ap;
	size_t n;

	va_start(ap, format);
	n = fmt_va(buf, sizeof(buf), format, ap);
	va_end(ap);
	if (n >= sizeof(buf))
		n = sizeof(buf) - 1;
	return write(fd, buf, n) == (ssize_t)n ? 0 : -1;
}

char *
fmt_find(const char *text, const char *what)
{
	size_t n = strlen(what);

	for (; strncmp(text, what, n) != 0; text++) {
		if (!*text)
			return NULL;
	}
	return (char *)text;
}

int
fmt_utf8_len(const char *p, size_t n)
{
	static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned u = (unsigned char)p[0];
	int want, i;

	if (u < 0x80)
		return 1;
	if (u < 0xc2 || u > 0xf4)
		return 0;
	want = u < 0xe0 ? 2 : u < 0xf0 ? 3 : 4;
	u &= 0x7fu >> want;
	for (i = 1; i < want; i++) {
		if ((size_t)i == n)
			return -1;
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		u = u << 6 | (p[i] & 0x3f);
	}
	if (u < least[want] || u > 0x10ffff || (u >= 0xd800 && u <= 0xdfff))
		return 0;
	return want;
}

int
fmt_utf8_put(char out[4], unsigned u)
{
	int n = u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x10000 ? 3 : 4, i;

	for (i = n - 1; i > 0; i--, u >>= 6)
		out[i] = (char)(0x80 | (u & 0x3f));
	out[0] = (char)(n == 1 ? u : (0xf00u >> n) | u);
	return n;
}

void
fmt_wipe(void *p, size_t n)
{
	if (p)
		explicit_bzero(p, n);
	free(p);
}

void *
fmt_grow(void *p, size_t n, size_t cap)
{
	void *bigger = malloc(cap);

	if (!bigger)
		return NULL;
	if (p)
		memcpy(bigger, p, n);
	fmt_wipe(p, n);
	return bigger;
}
