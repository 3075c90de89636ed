/* SPDX-License-Identifier: Apache-2.0 */
/* world: see world.h. */
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire/pb.h"

#define VERB_MS 10000
#define SETTLE_MS 5000		/* until all is as it was; much is deferred */

char toml[128];
char address[512];
static struct fault_ctl none;
struct fault_ctl *ctl = &none;
struct client *c;
pid_t daemon_pid;

static char ctl_path[96];
static struct client *keeper;
static enum fault_kind armed;
static unsigned told;		/* hits, when the last phase was over */
static bool well;

static struct {
	unsigned fds, children, mounts;
	int64_t live;
	char files[1 << 16];
} before;

void
world_failed(const char *file, int line, const char *fmt, ...)
{
	char text[2048];
	va_list ap;
	int n, status;

	n = snprintf(text, sizeof(text), "%s:%d: call %u of %s from %#llx "
	    "failed, %u in all: ", file, line, ctl->nth, ctl->name,
	    (unsigned long long)ctl->caller, ctl->hits);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	if (daemon_pid > 0 && waitpid(daemon_pid, &status, WNOHANG) ==
	    daemon_pid) {
		n = (int)strlen(text);
		snprintf(text + n, sizeof(text) - (size_t)n,
		    " (the daemon has ended: %#x)", (unsigned)status);
	}
	fprintf(stderr, "%s\n", text);
	exit(1);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
on_pipe(int sig)
{
	(void)sig;
}

void
world_open(void)
{
	char text[512];
	const char *s;
	int fd;

	dir_open("FAULT_SHIM");
	/* What the daemon leaves is counted. */
	unsetenv("FAKE_RUNSC_LOG");
	mkdir(in_dir("b"), 0700);
	/* A handler, since who is executed would inherit SIG_IGN. */
	signal(SIGPIPE, on_pipe);
	setenv("TTRPC_ADDRESS", in_dir("events"), 1);
	sink_open(in_dir("events"));
	snprintf(toml, sizeof(toml), "%s/runsc.toml", dir);
	snprintf(text, sizeof(text), "root = \"%s/root\"\n", dir);
	if (getenv("FAULT_LOG")) {
		s = getenv("FAULT_LOG");
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "log_path = \"%s\"\nlog_level = \"debug\"\n", s);
	}
	write_text(toml, text);
	/* Beside dir, so that it is nobody's leftover. */
	snprintf(ctl_path, sizeof(ctl_path), "%s.ctl", dir);
	fd = open(ctl_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	MUST(fd >= 0 && ftruncate(fd, sizeof(*ctl)) == 0, "%s: %s", ctl_path,
	    strerror(errno));
	ctl = mmap(NULL, sizeof(*ctl), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
	    0);
	if (ctl == MAP_FAILED)
		abort();
	close(fd);
	setenv("FAULT_CTL", ctl_path, 1);
	well = true;
}

void
world_close(void)
{
	if (c)
		client_close(c);
	if (keeper)
		client_close(keeper);
	c = keeper = NULL;
	sink_close();
}

/* -- the shim ------------------------------------------------------------- */

int
run_verb(const char *bundle, const char *id, const char *verb, char *out,
    size_t cap)
{
	int to[2], from[2], status = 0, s;
	int64_t until = now_ms() + VERB_MS;
	uint8_t buf[256];
	size_t used = 0;
	struct pb_out o;
	bool ended = false;
	ssize_t r;
	pid_t pid, got;

	/* BootstrapParams {1 id, 2 namespace, 9 socket_dir}. */
	pb_out_init(&o, buf, sizeof(buf));
	pb_put_str(&o, 1, id);
	pb_put_str(&o, 2, "ns");
	pb_put_str(&o, 9, in_dir("s"));
	MUST(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0,
	    "pipes: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		int err = open(in_dir("stderr"), O_WRONLY | O_CREAT |
		    O_TRUNC, 0600);

		dup2(to[0], 0);
		dup2(from[1], 1);
		dup2(err, 2);
		close(err);
		if (chdir(bundle) < 0)
			_exit(99);
		execl(shim, shim, "-namespace", "ns", "-id", id, "-address",
		    in_dir("containerd.sock"), verb, (char *)NULL);
		_exit(98);
	}
	close(to[0]);
	close(from[1]);
	if (strcmp(verb, "start") == 0 &&
	    write(to[1], buf, o.len) != (ssize_t)o.len)
		perror("bootstrap parameters");
	close(to[1]);
	/* Orphans are reaped meanwhile: runsc delete waits for a zombie. */
	fcntl(from[0], F_SETFL, O_NONBLOCK);
	while (!ended || pid > 0) {
		struct pollfd p = { .fd = from[0], .events = POLLIN };

		MUST(now_ms() < until, "%s does not end", verb);
		if (ended)
			poll(NULL, 0, 1);
		else if (poll(&p, 1, 2) > 0) {
			r = read(from[0], out + used, cap - 1 - used);
			ended = r <= 0;
			used += r > 0 ? (size_t)r : 0;
		}
		while ((got = waitpid(-1, &s, WNOHANG)) > 0) {
			if (got == daemon_pid)
				MUST(false, "the daemon has ended: %#x",
				    (unsigned)s);
			if (got != pid)
				continue;
			status = s;
			pid = 0;
		}
	}
	close(from[0]);
	out[used] = '\0';
	if (strcmp(verb, "start") == 0)
		keep_address(out, used);
	out[strcspn(out, "\n")] = '\0';
	MUST(WIFEXITED(status), "%s ended with %#x", verb, (unsigned)status);
	return WEXITSTATUS(status);
}

bool
find_daemon(const char *out)
{
	struct task_reply t;

	MUST(strncmp(out, "unix:///", 8) == 0, "start said %s", out);
	snprintf(address, sizeof(address), "%s", out + 7);
	keeper = client_connect(address);
	if (keeper && task_connect(keeper, "nobody", &t) == 0) {
		daemon_pid = (pid_t)t.shim_pid;
		return true;
	}
	if (keeper)
		client_close(keeper);
	keeper = NULL;
	return false;
}

void
start_daemon(const char *id, const char *bundle)
{
	char out[512];

	MUST(run_verb(bundle, id, "start", out, sizeof(out)) == 0,
	    "start failed");
	MUST(find_daemon(out), "no daemon at %s", out);
}

int
reap_daemon(void)
{
	int i, status = -1;

	for (i = 0; i < SETTLE_MS / 5; i++) {
		if (waitpid(daemon_pid, &status, WNOHANG) == daemon_pid)
			break;
		/* It goes when its events are taken. */
		sink_wait("?", 5);
	}
	MUST(i < SETTLE_MS / 5, "the daemon did not leave");
	daemon_pid = 0;
	if (keeper)
		client_close(keeper);
	keeper = NULL;
	return status;
}

void
kill_daemon(void)
{
	kill(daemon_pid, SIGKILL);
	reap_daemon();
}

void
stop_daemon(void)
{
	int status;

	MUST(task_simple(keeper, "Shutdown", "x") == 0, "Shutdown: %s",
	    client_error);
	status = reap_daemon();
	/* A sanitizer's complaint ends it with another. */
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "the daemon ended with %#x", (unsigned)status);
}

/* -- faults --------------------------------------------------------------- */

void
arm(enum fault_kind kind, bool lasting, unsigned nth, unsigned roles)
{
	ctl->kind = FAULT_OFF;
	ctl->count = 0;
	ctl->hits = 0;
	ctl->nth = nth;
	ctl->lasting = lasting;
	ctl->roles = roles;
	memset(ctl->name, 0, sizeof(ctl->name));
	ctl->caller = 0;
	armed = kind;
	told = 0;
	__atomic_store_n(&ctl->kind, (uint32_t)kind, __ATOMIC_SEQ_CST);
	well = true;
}

void
lift(void)
{
	__atomic_store_n(&ctl->kind, FAULT_OFF, __ATOMIC_SEQ_CST);
}

bool
all_well(void)
{
	return well;
}

/*
 * What may come where a fault makes the right answer impossible:
 *   - a connection that cannot be had, or a reply that can neither be sent nor
 *     kept, ends the connection: the client is not left waiting;
 *   - a request in whose time a fault was hit fails, with ResourceExhausted
 *     for want of memory;
 *   - after that the run is given up, and what it left is deleted.
 */
bool
ask(const char *what, int code)
{
	unsigned before_it = told;

	told = ctl->hits;
	if (code < 0) {
		MUST(told > before_it && client_hung_up(c), "%s: no answer",
		    what);
		lift();
		client_close(c);
		c = client_connect(address);
		MUST(c != NULL, "connect: %s", strerror(errno));
		well = false;
		return false;
	}
	if (told && ctl->lasting)
		lift();
	if (code == 0)
		return true;
	/* The fault is why, or that an earlier request failed. */
	MUST(!well || told > before_it, "%s: %d %s, without a fault", what,
	    code, client_error);
	MUST(!well || armed != FAULT_ALLOC || code == EXHAUSTED,
	    "%s: %d %s, and not ResourceExhausted", what, code, client_error);
	well = false;
	return false;
}

/* -- what is there -------------------------------------------------------- */

/* Children of pid; their states and names into out, unless it is NULL. */
static unsigned
list_children(pid_t pid, char *out, size_t cap)
{
	char path[64], text[8192], stat[128], *p;
	unsigned n = 0;
	size_t used = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid,
	    (int)pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	for (p = text; out && atoi(p) > 0; p = strchr(p, ' ') + 1) {
		snprintf(path, sizeof(path), "/proc/%d/stat", atoi(p));
		f = fopen(path, "r");
		if (!f)
			continue;
		stat[fread(stat, 1, sizeof(stat) - 1, f)] = '\0';
		fclose(f);
		stat[strcspn(stat, ")") + 3] = '\0';
		if (used < cap)
			used += (size_t)snprintf(out + used, cap - used,
			    ", %s", stat);
	}
	for (p = text; (p = strchr(p, ' ')); p++)
		n++;
	return n;
}

unsigned
count_children(pid_t pid)
{
	return list_children(pid, NULL, 0);
}

static unsigned
count_fds(char *text, size_t cap)
{
	char path[300], to[256];
	struct dirent *e;
	unsigned n = 0;
	size_t used = 0;
	ssize_t r;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)daemon_pid);
	d = opendir(path);
	if (!d)
		return 0;
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		if (!text)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd/%s",
		    (int)daemon_pid, e->d_name);
		r = readlink(path, to, sizeof(to) - 1);
		to[r < 0 ? 0 : r] = '\0';
		if (used < cap)
			used += (size_t)snprintf(text + used, cap - used,
			    " %s=%s", e->d_name, to);
	}
	closedir(d);
	return n;
}

static unsigned
count_mounts(void)
{
	char line[4096];
	unsigned n = 0;
	FILE *f = fopen("/proc/self/mountinfo", "r");

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, dir) != NULL;
	if (f)
		fclose(f);
	return n;
}

static char *names;
static size_t names_len;

static int
note_name(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)f;
	if (type == FTW_NS || strcmp(path + strlen(dir), "/stderr") == 0)
		return 0;
	names_len += (size_t)snprintf(names + names_len,
	    sizeof(before.files) - names_len, "%s\n", path + strlen(dir));
	return 0;
}

/* Sorted, since a directory's order is its own. */
static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
list_files(char *out)
{
	static char text[sizeof(before.files)];
	char *lines[2048], *p, *save = NULL;
	size_t i, n = 0, used;

	names = text;
	names_len = 0;
	text[0] = '\0';
	nftw(dir, note_name, 16, FTW_PHYS);
	for (p = strtok_r(text, "\n", &save); p && n < 2048;
	    p = strtok_r(NULL, "\n", &save))
		lines[n++] = p;
	qsort(lines, n, sizeof(lines[0]), compare);
	strcpy(out, "\n");
	used = 1;
	for (i = 0; i < n; i++)
		used += (size_t)sprintf(out + used, "%s\n", lines[i]);
}

void
remember(void)
{
	poll(NULL, 0, 100);
	before.fds = count_fds(NULL, 0);
	before.children = count_children(daemon_pid);
	before.mounts = count_mounts();
	before.live = ctl->live;
	list_files(before.files);
}

/* A file that was not there before; "" for none. */
static const char *
new_file(void)
{
	static char now[sizeof(before.files)];
	char *p, *save = NULL, line[512];

	list_files(now);
	for (p = strtok_r(now, "\n", &save); p; p = strtok_r(NULL, "\n",
	    &save)) {
		snprintf(line, sizeof(line), "\n%s\n", p);
		if (!strstr(before.files, line))
			return p;
	}
	return "";
}

bool
same_as_ever(int settle_ms, char *why, size_t cap)
{
	int64_t until = now_ms() + settle_ms;
	char fds[2048], children[1024] = "";
	bool same;

	do {
		/* Of a daemon that is gone: we are the subreaper. */
		while (daemon_pid == 0 && waitpid(-1, NULL, WNOHANG) > 0)
			;
		same = (daemon_pid == 0 ? count_children(getpid()) == 0 :
		    count_fds(NULL, 0) == before.fds &&
		    ctl->live == before.live) &&
		    count_children(daemon_pid) == before.children &&
		    count_mounts() == before.mounts && !new_file()[0];
		if (!same)
			poll(NULL, 0, 2);
	} while (!same && now_ms() < until);
	if (same)
		return true;
	count_fds(fds, sizeof(fds));
	list_children(daemon_pid, children, sizeof(children));
	snprintf(why, cap, "now and before: descriptors %u, %u; allocations "
	    "%lld, %lld; processes %u, %u%s; mounts %u, %u; new file \"%s\";"
	    "%s", count_fds(NULL, 0), before.fds, (long long)ctl->live,
	    (long long)before.live, count_children(daemon_pid),
	    before.children, children, count_mounts(), before.mounts,
	    new_file(), fds);
	return false;
}
