/* SPDX-License-Identifier: Apache-2.0 */
/* files: see files.h. */
#include "tests/files.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char dir[64];

char *
in_dir(const char *fmt, ...)
{
	static char text[64][256];
	static unsigned i;
	char *p = text[i++ % 64];
	va_list ap;
	int n;

	n = snprintf(p, sizeof(text[0]), "%s/", dir);
	va_start(ap, fmt);
	vsnprintf(p + n, sizeof(text[0]) - (size_t)n, fmt, ap);
	va_end(ap);
	return p;
}

void
write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f) {
		perror(path);
		abort();
	}
	fputs(text, f);
	fclose(f);
}

char *
read_text(const char *path)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}
