/* SPDX-License-Identifier: Apache-2.0 */
/* dir: see dir.h. */
#include "dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char base[32];
char shim[PATH_MAX];

static void
die(const char *what)
{
	perror(what);
	abort();
}

void
sleep_ms(int ms)
{
	poll(NULL, 0, ms);
}

unsigned
entries(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

void
remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

char *
make_bundle(const char *id, const char *words, const char *annotations,
    bool terminal)
{
	char *bundle = in_dir("b/%s", id);
	char text[2048];

	mkdir(in_dir("b"), 0700);
	mkdir(bundle, 0700);
	mkdir(in_dir("b/%s/rootfs", id), 0711);
	snprintf(text, sizeof(text), "{\"ociVersion\":\"1.0.2\",\"process\":{"
	    "\"terminal\":%s,\"args\":[\"fake\",%s],\"cwd\":\"/\"},\"root\":"
	    "{\"path\":\"rootfs\"},\"annotations\":{%s}}",
	    terminal ? "true" : "false", words, annotations);
	write_text(in_dir("b/%s/config.json", id), text);
	return bundle;
}

unsigned
find_processes(const char *where, int sig)
{
	char path[300], text[4096];
	struct dirent *e;
	unsigned n = 0;
	ssize_t r, i;
	DIR *d = opendir("/proc");
	int fd;

	while ((e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
		    atoi(e->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		r = read(fd, text, sizeof(text) - 1);
		close(fd);
		for (i = 0; i < r; i++) {
			if (!text[i])
				text[i] = ' ';
		}
		text[r < 0 ? 0 : r] = '\0';
		if (!strstr(text, where))
			continue;
		n++;
		if (sig)
			kill(atoi(e->d_name), sig);
	}
	closedir(d);
	return n;
}

void
keep_address(char *out, size_t n)
{
	static const char head[] = "\x08\x03\x12", tail[] = "\x1a\x05ttrpc";
	size_t h = sizeof(head) - 1, t = sizeof(tail) - 1;

	if (n < h + 1 + t || memcmp(out, head, h) != 0 ||
	    (unsigned char)out[h] != n - h - 1 - t ||
	    memcmp(out + n - t, tail, t) != 0)
		return;
	memmove(out, out + h + 1, n - h - 1 - t);
	strcpy(out + n - h - 1 - t, "\n");
}

static void
take_orphans(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void
undo_mounts(void)
{
	char line[4096], *p;
	FILE *f = fopen("/proc/self/mountinfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		p = strstr(line, base);
		if (!p)
			continue;
		p[strcspn(p, " ")] = '\0';
		umount2(p, MNT_DETACH);
	}
	if (f)
		fclose(f);
}

void
dir_make_base(const char *name)
{
	snprintf(base, sizeof(base), "/tmp/%.18s.XXXXXX", name);
	if (!mkdtemp(base))
		die(base);
}

void
dir_remove_base(void)
{
	find_processes(base, SIGKILL);
	undo_mounts();
	remove_tree(base);
}

void
dir_open(const char *variable)
{
	const char *program = getenv(variable), *bin = getenv("FAKE_BIN");
	char path[PATH_MAX + 64];

	if (!program || !realpath(program, shim))
		die(variable);
	if (!bin || !realpath(bin, path))
		die("FAKE_BIN");
	strcat(path, ":/usr/bin:/bin");
	setenv("PATH", path, 1);
	snprintf(dir, sizeof(dir), "%s/XXXXXX", base);
	if (!mkdtemp(dir))
		die(dir);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	setenv("FAKE_RUNSC", in_dir("faults"), 1);
	setenv("FAKE_RUNSC_LOG", in_dir("calls"), 1);
	write_text(in_dir("faults"), "");
}

void
dir_close(void)
{
	/* Whoever is starting another one may be missed. */
	while (find_processes(dir, SIGKILL) > 0) {
		take_orphans();
		sleep_ms(1);
	}
	take_orphans();
}
