/* SPDX-License-Identifier: Apache-2.0 */
/* fake_state: a container's state file, and what is asked of its sandbox: one
 * request and one or two replies. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool
is_root(const struct state *s)
{
	return strcmp(s->id, s->sid) == 0;
}

char *
state_path(const struct state *s, const char *suffix)
{
	return join("%s/%s_sandbox:%s.%s", root_dir, s->id, s->sid, suffix);
}

void
state_save(const struct state *s)
{
	char *path = state_path(s, "state"), *tmp = state_path(s, "tmp");

	write_file(tmp, join("{\"id\":%s,\"bundle\":%s,\"status\":\"%s\","
	    "\"goferPid\":%d,\"sandbox\":{\"id\":%s,\"pid\":%d,"
	    "\"uid\":%u,\"gid\":%u,\"controlSocketPath\":%s},"
	    "\"startFailed\":%s,\"annotations\":%s}", quote(s->id),
	    quote(s->bundle), s->status, s->gofer_pid, quote(s->sid),
	    s->sandbox_pid, (unsigned)getuid(), (unsigned)getgid(),
	    quote(join("%s/runsc-%s.sock", root_dir, s->sid)),
	    s->start_failed ? "true" : "false",
	    s->annotations));
	if (rename(tmp, path) < 0)
		fail("rename %s: %s", tmp, strerror(errno));
	close(open(state_path(s, "lock"), O_WRONLY | O_CREAT | O_CLOEXEC,
	    0600));
}

void
state_remove(const struct state *s)
{
	unlink(state_path(s, "state"));
	unlink(state_path(s, "lock"));
	if (is_root(s)) {
		unlink(join("%s/%s.ctl", root_dir, s->sid));
		unlink(join("%s/runsc-%s.sock", root_dir, s->sid));
	}
}

static bool
state_read(struct state *s, const char *path)
{
	char *text = read_file(path);
	const char *sandbox, *annotations;

	if (text == NULL)
		return false;
	sandbox = json_get(text, "sandbox");
	s->id = json_string(json_get(text, "id"));
	s->bundle = json_string(json_get(text, "bundle"));
	s->sid = json_string(json_get(sandbox, "id"));
	annotations = json_get(text, "annotations");
	if (s->id == NULL || s->sid == NULL || annotations == NULL)
		return false;
	s->annotations = strndup(annotations,
	    (size_t)(json_skip(annotations) - annotations));
	snprintf(s->status, sizeof(s->status), "%s",
	    json_string(json_get(text, "status")));
	s->sandbox_pid = atoi(json_get(sandbox, "pid"));
	s->gofer_pid = atoi(json_get(text, "goferPid"));
	s->start_failed = json_true(json_get(text, "startFailed"));
	return true;
}

/* As runsc: any container whose id begins with id, if it is the only one. */
bool
state_find(struct state *s, const char *id)
{
	DIR *d = opendir(root_dir);
	struct dirent *de;
	char *hit = NULL;
	int hits = 0;

	while (d != NULL && (de = readdir(d)) != NULL) {
		size_t n = strlen(de->d_name);

		if (strncmp(de->d_name, id, strlen(id)) != 0 || n < 6 ||
		    strcmp(de->d_name + n - 6, ".state") != 0 ||
		    strstr(de->d_name, "_sandbox:") == NULL)
			continue;
		hits++;
		hit = strdup(de->d_name);
	}
	if (d != NULL)
		closedir(d);
	if (hits > 1)
		fail("loading container: id \"%s\" is ambiguous and could "
		    "refer to multiple containers", id);
	return hits == 1 && state_read(s, join("%s/%s", root_dir, hit));
}

int
ctl_connect(const char *sid)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, dir = open(root_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	/* However long root_dir is. */
	if (dir < 0 || (size_t)snprintf(a.sun_path, sizeof(a.sun_path),
	    "/proc/self/fd/%d/%s.ctl", dir, sid) >= sizeof(a.sun_path))
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(fd);
		fd = -1;
	}
	close(dir);
	return fd;
}

bool
send_fds(int sock, const char *text, size_t len, const int *fds, int nfds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(4 * sizeof(int))];
	} u;
	struct iovec iov = { (void *)(uintptr_t)text, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	memset(&u, 0, sizeof(u));
	if (nfds > 0) {
		m.msg_control = u.buf;
		m.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)nfds * sizeof(int));
	}
	return sendmsg(sock, &m, MSG_NOSIGNAL) == (ssize_t)len;
}

const char *
ctl_reply(int fd)
{
	static char buf[MSG_CAP];
	ssize_t n;

	do {
		n = recv(fd, buf, sizeof(buf) - 1, 0);
	} while (n < 0 && errno == EINTR);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

const char *
ctl_ask(const char *sid, const char *text, const int *fds, int nfds)
{
	const char *reply;
	int fd = ctl_connect(sid);

	if (fd < 0 || !send_fds(fd, text, strlen(text), fds, nfds)) {
		close(fd);
		return "";
	}
	reply = ctl_reply(fd);
	close(fd);
	return reply;
}

const char *
ctl_must(const char *reply, const char *context)
{
	if (strncmp(reply, "ok", 2) == 0)
		return reply + 2 + (reply[2] == ' ');
	if (*reply == '\0')
		fail("%s: sandbox is not running", context);
	fail("%s: %s", context, reply + 4);
	return NULL;
}

/* runsc's rule: a zombie counts as running. */
bool
pid_alive(pid_t pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

void
state_load(struct state *s, const char *id, const char *what)
{
	if (!state_find(s, id))
		fail("loading %s: file does not exist", what);
	if (strcmp(s->status, "stopped") == 0)
		return;
	if (!pid_alive(s->sandbox_pid) || (strcmp(s->status, "created") != 0 &&
	    strncmp(ctl_ask(s->sid, join("alive\n%s", s->id), NULL, 0), "ok",
	    2) != 0))
		strcpy(s->status, "stopped");
}

bool
status_is(const struct state *s, const char *a, const char *b, const char *c)
{
	return strcmp(s->status, a) == 0 || strcmp(s->status, b) == 0 ||
	    strcmp(s->status, c) == 0;
}
