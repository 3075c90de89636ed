/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fmt: text from a format, in the part of printf(3) that this program needs.
 *
 * The conversions are s, d, u, x, c and %; the flags 0 and #; a width; for s a
 * precision, also as *; the lengths l, ll and z.  libc's printf brings floating
 * point, wide characters and stdio along, a tenth of the static binary.  An
 * unknown conversion ends the text there.
 */
#ifndef FMT_H
#define FMT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * As snprintf(3): at most cap bytes into buf, NUL included (none for cap 0);
 * returns the bytes of the whole text without it.
 */
size_t fmt(char *buf, size_t cap, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t fmt_va(char *buf, size_t cap, const char *format, va_list ap)
	__attribute__((format(printf, 3, 0)));
/* The text, malloc'd; NULL when out of memory. */
char *fmt_new(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
/* Write the text (at most 1023 bytes of it) to fd; -1 if that fails. */
int fmt_write(int fd, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* As strstr(3), for short texts: libc's takes 1 KiB of the static binary. */
char *fmt_find(const char *text, const char *what);
/* Bytes of the UTF-8 character at p, of which n > 0 are there; 0: it is none
 * (overlong, surrogate, past U+10FFFF), -1: cut off. */
int fmt_utf8_len(const char *p, size_t n);
/* u, which is at most U+10FFFF, as UTF-8; how many bytes. */
int fmt_utf8_put(char out[4], unsigned u);

/*
 * For text that may hold secrets, as an exec's environment.  n is the number of
 * bytes that were written: to wipe more would only take pages.
 *
 * Zero n bytes of p, and free it; NULL is nothing.
 */
void fmt_wipe(void *p, size_t n);
/* As realloc(p, cap), which would leave the old bytes where they were, and
 * takes 1.4 KiB of the static binary.  cap is more than n; after NULL, p is as
 * it was. */
void *fmt_grow(void *p, size_t n, size_t cap);

#endif
