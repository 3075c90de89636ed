/* SPDX-License-Identifier: Apache-2.0 */
/* mount_list: the list of mounts, see mount.h. */
#include "host/mount.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* Undo mountinfo's \ooo for space, tab, newline and backslash, in place. */
static void
unescape(char *s)
{
	char *out = s;

	while (*s != '\0') {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' &&
		    s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
			    (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* Cut up a line: "id parent dev root point options [tags] - type source
 * options"; the line is the caller's to lose. */
static bool
cut_line(char *line, struct mount_line *m)
{
	char *word, *rest = line;
	unsigned n = 0, after = 0;

	memset(m, 0, sizeof(*m));
	while ((word = strsep(&rest, " "))) {
		unescape(word);
		n++;
		if (n == 4)
			m->root = word;
		else if (n == 5)
			m->point = word;
		else if (n > 6 && !after && strcmp(word, "-") == 0)
			after = n;
		else if (after && n == after + 1)
			m->type = word;
		else if (after && n == after + 3)
			m->options = word;
	}
	return m->options != NULL;
}

int
mount_each(const char *list, void (*use)(void *arg,
    const struct mount_line *m), void *arg, struct err *e)
{
	char *text = file_load_proc(list, e), *line, *end;
	struct mount_line m;

	if (!text)
		return -1;
	for (end = text + strlen(text); end > text; end = line) {
		while (end > text && end[-1] == '\n')
			end--;
		*end = '\0';
		for (line = end; line > text && line[-1] != '\n'; line--)
			;
		if (cut_line(line, &m))
			use(arg, &m);
	}
	free(text);
	return 0;
}
