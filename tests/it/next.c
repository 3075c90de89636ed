/* SPDX-License-Identifier: Apache-2.0 */
/*
 * next: linked with the product's objects and -Wl,--wrap=save_get it is a later
 * release, which is shown a state that it can take over and finds one that it
 * cannot: read for good, the Nth message makes no sense to it.  NEXT_FAILS
 * names the file that has the N.
 */
#include <stdio.h>
#include <stdlib.h>

#include "wire/save.h"

int __real_save_get(struct pb_bytes in, const struct save_field *table,
	void *obj, struct err *e);
int __wrap_save_get(struct pb_bytes in, const struct save_field *table,
	void *obj, struct err *e);

int
__wrap_save_get(struct pb_bytes in, const struct save_field *table, void *obj,
    struct err *e)
{
	const char *path = getenv("NEXT_FAILS");
	static int left;
	FILE *f = NULL;

	if (left == 0 && !save_is_checked() && path)
		f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%d", &left) != 1)
			abort();
		fclose(f);
	}
	if (left && --left == 0)
		return err_set(e, ERR_INVALID, "this is the place, and no other");
	return __real_save_get(in, table, obj, e);
}
