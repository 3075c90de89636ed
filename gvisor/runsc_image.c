/* SPDX-License-Identifier: Apache-2.0 */
/* runsc_image: what runsc makes of a container at a checkpoint. */
#include "gvisor/runsc_left.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fmt.h"

/* What a state file begins with (gVisor pkg/state/statefile). */
static const char magic[8] = { 'g', 'V', 'i', 's', 'o', 'r', 'S', 'F' };

int
runsc_check_image(const char *dir, struct err *e)
{
	char path[PATH_MAX], head[sizeof(magic)];
	struct stat st;
	ssize_t n = 0;
	int fd;

	if (dir[0] != '/')
		return err_set(e, ERR_INVALID,
		    "checkpoint %s is not an absolute path", dir);
	if (fmt(path, sizeof(path), "%s/checkpoint.img", dir) >= sizeof(path))
		return err_set(e, ERR_INVALID, "checkpoint %s: too long", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return err_sys(e, "open checkpoint image %s", path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, head, sizeof(head));
	close(fd);
	if (n != (ssize_t)sizeof(head) ||
	    /* cppcheck-suppress legacyUninitvar ; with that n it was read */
	    memcmp(head, magic, sizeof(magic)) != 0)
		return err_set(e, ERR_INVALID,
		    "%s is not a checkpoint of gVisor", path);
	return 0;
}
