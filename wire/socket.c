/* SPDX-License-Identifier: Apache-2.0 */
/* socket: see socket.h. */
#include "wire/socket.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/sha256.h"

int
socket_address(const char *dir, const char *address,
    const char *namespace, const char *group, char *out, size_t cap)
{
	char path[PATH_MAX], hex[SHA256_HEX], *to = path;
	const char *p;

	if (fmt(path, sizeof(path), "%s/%s/%s", address, namespace,
	    group) >= sizeof(path))
		return -1;
	/* As Go's filepath.Join for what occurs here: "//" becomes "/". */
	for (p = path; *p; p++) {
		if (*p != '/' || to == path || to[-1] != '/')
			*to++ = *p;
	}
	*to = '\0';
	sha256_hex(path, strlen(path), hex);
	return fmt(out, cap, SOCKET_SCHEME "%s/%s", dir, hex) < cap ? 0 : -1;
}

int
socket_fill(struct sockaddr_un *sun, const char *path)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sun->sun_path))
		return -1;
	memcpy(sun->sun_path, path, strlen(path) + 1);
	return 0;
}

bool
socket_is_alive(const char *path, int wait_ms)
{
	struct sockaddr_un sun;
	struct pollfd p = { .events = POLLIN };
	bool connected, alive;
	int fd;

	if (socket_fill(&sun, path) < 0)
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Where it cannot be known, it lives: EAGAIN is a full backlog, other
	 * errors are a want of memory or of descriptors. */
	if (fd < 0)
		return true;
	connected = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0;
	alive = connected || (errno != ECONNREFUSED && errno != ENOENT &&
	    errno != ENOTDIR);
	p.fd = fd;
	if (connected && wait_ms && poll(&p, 1, wait_ms) > 0)
		alive = false;
	close(fd);
	return alive;
}
