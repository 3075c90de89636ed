/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_sandbox: the processes of the fake runsc that stay: the sandbox, which
 * serves its commands and the shim; the gofer; and a container's process of
 * the fake's own words.  See fake_runsc.c.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fake.h"
#include "fake_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS_CAP 1000

/* What is held for a sub-container: its terminal from `create` to `start`,
 * then its gofer's connection until its init ends. */
struct held {
	char *cid;
	int fd;
};

struct proc procs[PROCS_CAP];
size_t nprocs;
static struct client clients[CLIENTS_CAP];
static struct held held[64];
static long next_ipid = 1;
static const char *sandbox_id;

void
sandbox_answer(int fd, const char *fmt, ...)
{
	va_list ap;
	size_t i;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	keep(s);
	for (i = 0; i < CLIENTS_CAP; i++)
		if (clients[i].fd == fd && clients[i].is_shim)
			s = control_in_json(clients[i].method, s);
	send(fd, s, strlen(s), MSG_NOSIGNAL);
}

struct proc *
sandbox_find_init(const char *cid)
{
	size_t i;

	for (i = 0; i < nprocs; i++)
		if (procs[i].cid != NULL && procs[i].init &&
		    strcmp(procs[i].cid, cid) == 0)
			return &procs[i];
	return NULL;
}

static void
kill_session(pid_t pid, int sig)
{
	/* Each process leads a session of its own. */
	kill(-pid, sig);
	kill(pid, sig);
}

static int
kill_container(const char *cid, int sig, const struct proc *but)
{
	size_t i;
	int n = 0;

	for (i = 0; i < nprocs; i++)
		if (procs[i].pid > 0 && &procs[i] != but &&
		    strcmp(procs[i].cid, cid) == 0) {
			kill_session(procs[i].pid, sig);
			n++;
		}
	return n;
}

/* In the new process: become what the OCI process object says. */
static void
become(const char *process, const int *stdio, int errfd)
{
	char **args = json_strings(json_get(process, "args"));
	char **env = json_strings(json_get(process, "env"));
	char *cwd = json_string(json_get(process, "cwd"));
	sigset_t none;
	int i, err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	for (i = 0; i < 3; i++)
		dup2(stdio[i], i);
	if (json_true(json_get(process, "terminal")))
		ioctl(0, TIOCSCTTY, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (cwd != NULL && chdir(cwd) < 0)
		goto out;
	errno = ENOENT;
	if (args[0] == NULL)
		goto out;
	if (strcmp(args[0], "fake") == 0) {
		execv("/proc/self/exe", args);
	} else if (strcmp(args[0], "/pause") == 0) {
		execlp("sleep", "pause", "1000", (char *)NULL);
	} else {
		for (i = 0; env[i] != NULL; i++)
			putenv(env[i]);
		execvp(args[0], args);
	}
out:
	err = errno;
	if (write(errfd, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

/* Returns NULL after having answered with the error. */
struct proc *
sandbox_run(int client, const char *cid, const char *process, const int *stdio,
    bool init)
{
	struct proc *p;
	int pipefd[2], err = 0;
	pid_t pid;

	for (p = procs; p < procs + nprocs && p->cid != NULL; p++)
		;
	if (p == procs + PROCS_CAP) {
		sandbox_answer(client, "err too many processes");
		return NULL;
	}
	if (pipe2(pipefd, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		sandbox_answer(client, "err fork: %s", strerror(errno));
		return NULL;
	}
	if (pid == 0)
		become(process, stdio, pipefd[1]);
	close(pipefd[1]);
	if (read(pipefd[0], &err, sizeof(err)) > 0) {
		waitpid(pid, NULL, 0);
		close(pipefd[0]);
		sandbox_answer(client, "err failed to load %s: %s",
		    json_strings(json_get(process, "args"))[0],
		    err == ENOENT ? "no such file or directory" :
		    strerror(err));
		return NULL;
	}
	close(pipefd[0]);
	if (p == procs + nprocs)
		nprocs++;
	memset(p, 0, sizeof(*p));
	p->ipid = next_ipid++;
	p->pid = pid;
	p->cid = strdup(cid);
	p->init = init;
	return p;
}

static struct held *
find_held(const char *cid)
{
	size_t i;

	for (i = 0; i < sizeof(held) / sizeof(held[0]); i++)
		if (cid == NULL ? held[i].cid == NULL :
		    held[i].cid != NULL && strcmp(held[i].cid, cid) == 0)
			return &held[i];
	return NULL;
}

static void
drop_held(struct held *h)
{
	if (h == NULL || h->fd < 0)
		return;
	close(h->fd);
	h->fd = -1;
}

/* Kill whatever is our child until there is none. */
static void
kill_children(void)
{
	char *text = NULL, *p;
	pid_t pid;

	for (;;) {
		free(text);
		text = read_file("/proc/thread-self/children");
		for (p = text; p != NULL && *p != '\0';) {
			pid = (pid_t)strtol(p, &p, 10);
			if (pid > 0)
				kill_session(pid, SIGKILL);
			p += strspn(p, " ");
		}
		if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
			break;
	}
	free(text);
}

static void
process_ended(struct proc *p, int status)
{
	bool gone = false;
	size_t i;

	p->pid = 0;
	p->status = status;
	p->code = WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
	if (p->init) {
		kill_container(p->cid, SIGKILL, p);
		drop_held(find_held(p->cid));
	}
	for (i = 0; i < CLIENTS_CAP; i++)
		if (clients[i].waits_for == p) {
			sandbox_answer(clients[i].fd, "ok %d", p->kept &&
			    clients[i].is_shim ? status : p->code);
			clients[i].waits_for = NULL;
			gone = p->kept;
		}
	if (p->init && strcmp(p->cid, sandbox_id) == 0) {
		/* What else waits gets the 137 that its process died of. */
		for (i = 0; i < CLIENTS_CAP; i++)
			if (clients[i].waits_for != NULL)
				sandbox_answer(clients[i].fd, "ok %d",
				    clients[i].waits_for->kept &&
				    clients[i].is_shim ? SIGKILL : 137);
		kill_children();
		exit(p->code);
	}
	if (!p->init && (!p->kept || gone)) {
		free(p->cid);
		p->cid = NULL;
	}
}

static void
reap(void)
{
	int status;
	pid_t pid;
	size_t i;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < nprocs; i++)
			if (procs[i].pid == pid)
				process_ended(&procs[i], status);
}

static void
serve_create(int fd, const char *cid, const int *fds, int nfds)
{
	struct held *h = find_held(NULL);

	if (h == NULL) {
		sandbox_answer(fd, "err too many containers");
		return;
	}
	h->cid = strdup(cid);
	h->fd = nfds > 0 ? fcntl(fds[0], F_DUPFD_CLOEXEC, 3) : -1;
	sandbox_answer(fd, "ok");
}

static void
serve_start(int fd, const char *cid, const char *process, const int *fds,
    int nfds)
{
	struct held *h = find_held(cid);
	int stdio[] = { 0, 1, 2 }, i, null;

	if (strcmp(cid, sandbox_id) == 0) {
		if (sandbox_run(fd, cid, process, stdio, true) == NULL)
			return;
		/* From here on its output ends with the processes. */
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (i = 0; i < 3; i++)
			dup2(null, i);
		close(null);
		sandbox_answer(fd, "ok");
		return;
	}
	if (h == NULL || nfds < 1) {
		sandbox_answer(fd, "err no such container");
		return;
	}
	for (i = 0; i < 3; i++)
		stdio[i] = nfds == 4 ? fds[1 + i] : h->fd;
	if (sandbox_run(fd, cid, process, stdio, true) == NULL)
		return;
	drop_held(h);
	h->fd = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
	sandbox_answer(fd, "ok");
}

void
sandbox_serve_kill(int fd, const char *cid, const char *arg)
{
	struct proc *init = sandbox_find_init(cid);
	int sig = 0, all = 0;
	long ipid = 0;
	size_t i;

	if (sscanf(arg, "%d %d %ld", &sig, &all, &ipid) != 3) {
		sandbox_answer(fd, "err bad request");
		return;
	}
	if (all == 1) {
		kill_container(cid, sig, NULL);
		sandbox_answer(fd, "ok");
		return;
	}
	for (i = 0; i < nprocs; i++)
		if (procs[i].pid > 0 && strcmp(procs[i].cid, cid) == 0 &&
		    (ipid == 0 ? &procs[i] == init : procs[i].ipid == ipid)) {
			kill(procs[i].pid, sig);
			sandbox_answer(fd, "ok");
			return;
		}
	if (ipid == 0)
		sandbox_answer(fd, "err no such process");
	else
		sandbox_answer(fd, "err no such process with PID %ld", ipid);
}

void
sandbox_serve_ps(int fd, const char *cid)
{
	char list[PROCS_CAP * 12] = "";
	size_t i, n = 0;

	for (i = 0; i < nprocs; i++)
		if (procs[i].pid > 0 && strcmp(procs[i].cid, cid) == 0)
			n += (size_t)sprintf(list + n, "%s%ld",
			    n > 0 ? "," : "", procs[i].ipid);
	sandbox_answer(fd, "ok %s", list);
}

static void
serve_destroy(int fd, const char *cid)
{
	struct proc *init;
	struct held *h = find_held(cid);

	while (kill_container(cid, SIGKILL, NULL) > 0) {
		sleep_ms(1);
		reap();
	}
	init = sandbox_find_init(cid);
	if (init != NULL) {
		free(init->cid);
		memset(init, 0, sizeof(*init));
	}
	if (h != NULL) {
		drop_held(h);
		free(h->cid);
		h->cid = NULL;
	}
	sandbox_answer(fd, "ok");
}

/* One request.  False: the connection is done with. */
static bool
serve(struct client *c)
{
	static char buf[MSG_CAP];
	int fds[4], nfds, i;
	char *cid, *arg;
	struct proc *p;
	ssize_t n = recv_fds(c->fd, buf, sizeof(buf), fds, &nfds);

	if (n <= 0)
		return false;
	cid = strchr(buf, '\n');
	if (cid == NULL)
		return false;
	*cid++ = '\0';
	arg = strchr(cid, '\n');
	if (arg != NULL)
		*arg++ = '\0';
	p = sandbox_find_init(cid);
	if (strcmp(buf, "alive") == 0) {
		sandbox_answer(c->fd, p != NULL && p->pid > 0 ? "ok" : "err stopped");
	} else if (strcmp(buf, "create") == 0) {
		serve_create(c->fd, cid, fds, nfds);
	} else if (strcmp(buf, "start") == 0) {
		serve_start(c->fd, cid, arg, fds, nfds);
	} else if (strcmp(buf, "exec") == 0 && nfds == 3) {
		c->waits_for = sandbox_run(c->fd, cid, arg, fds, false);
		if (c->waits_for != NULL)
			sandbox_answer(c->fd, "ok %ld", c->waits_for->ipid);
	} else if (strcmp(buf, "wait") == 0) {
		if (p == NULL)
			sandbox_answer(c->fd, "err container \"%s\" not started", cid);
		else if (p->pid > 0)
			c->waits_for = p;
		else
			sandbox_answer(c->fd, "ok %d", p->code);
	} else if (strcmp(buf, "wait-pid") == 0) {
		for (p = procs; p < procs + nprocs; p++)
			if (p->cid != NULL && strcmp(p->cid, cid) == 0 &&
			    p->ipid == atol(arg))
				break;
		if (p == procs + nprocs)
			sandbox_answer(c->fd, "err no such process");
		else if (p->pid > 0)
			c->waits_for = p;
		else
			sandbox_answer(c->fd, "ok %d", p->code);
	} else if (strcmp(buf, "kill") == 0) {
		sandbox_serve_kill(c->fd, cid, arg);
	} else if (strcmp(buf, "ps") == 0) {
		sandbox_serve_ps(c->fd, cid);
	} else if (strcmp(buf, "destroy") == 0) {
		serve_destroy(c->fd, cid);
	}
	for (i = 0; i < nfds; i++)
		close(fds[i]);
	return true;
}

void
sandbox_main(const char *id)
{
	struct pollfd pfd[CLIENTS_CAP + 3];
	struct signalfd_siginfo info;
	sigset_t set;
	size_t i, j, top;
	int sigfd;

	sandbox_id = id;
	fcntl(SB_FD_LISTEN, F_SETFD, FD_CLOEXEC);
	fcntl(SB_FD_GOFER, F_SETFD, FD_CLOEXEC);
	fcntl(SB_FD_SOCKET, F_SETFD, FD_CLOEXEC);
	listen(SB_FD_SOCKET, 64);
	/* Orphans of the container stay in here. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NAME, "exe");
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	for (i = 0; i < CLIENTS_CAP; i++)
		clients[i].fd = -1;
	for (;;) {
		pfd[0] = (struct pollfd){ SB_FD_LISTEN, POLLIN, 0 };
		pfd[1] = (struct pollfd){ sigfd, POLLIN, 0 };
		pfd[2] = (struct pollfd){ SB_FD_SOCKET, POLLIN, 0 };
		/* poll(2) takes no more than there may be descriptors. */
		for (i = top = 0; i < CLIENTS_CAP; i++) {
			pfd[3 + i] = (struct pollfd){ clients[i].fd, POLLIN,
				0 };
			if (clients[i].fd >= 0)
				top = i + 1;
		}
		drop_scratch();
		if (poll(pfd, top + 3, -1) < 0)
			continue;
		if (pfd[1].revents) {
			while (read(sigfd, &info, sizeof(info)) > 0)
				;
			reap();
		}
		for (i = 0; i < top; i++)
			if (pfd[3 + i].revents && !(clients[i].is_shim ?
			    control_serve : serve)(&clients[i])) {
				close(clients[i].fd);
				clients[i].fd = -1;
				clients[i].waits_for = NULL;
			}
		for (j = 0; j <= 2; j += 2)
			for (i = 0; pfd[j].revents && i < CLIENTS_CAP; i++)
				if (clients[i].fd < 0) {
					clients[i].is_shim = j > 0;
					clients[i].fd = accept4(pfd[j].fd,
					    NULL, NULL, SOCK_CLOEXEC);
					break;
				}
	}
}

void
gofer_main(void)
{
	char c;

	prctl(PR_SET_NAME, "exe");
	while (read(3, &c, 1) > 0)
		;
	exit(0);
}

/* "fake": a container's process */

static void
print_size(void)
{
	struct winsize w = { 0 };

	ioctl(0, TIOCGWINSZ, &w);
	printf("%d %d\n", w.ws_row, w.ws_col);
	fflush(stdout);
}

static void
fake_read(void)
{
	char line[4096];
	size_t n = 0;

	while (n < sizeof(line) - 1 && read(0, line + n, 1) == 1 &&
	    line[n] != '\n')
		n++;
	line[n] = '\0';
	printf("got:%s\n", line);
	fflush(stdout);
}

static void
fake_fill(long long n)
{
	char line[80];
	long long i;

	for (i = 0; n > 0; i++, n -= 64) {
		snprintf(line, sizeof(line), "%063lld\n", i);
		write_all(1, line, n < 64 ? (size_t)n : 64);
	}
}

static void
fake_word(const char *op, const char *arg)
{
	char buf[65536];
	ssize_t n;
	sigset_t set;
	int sig;

	if (strcmp(op, "echo") == 0) {
		dprintf(1, "%s\n", arg);
	} else if (strcmp(op, "err") == 0) {
		dprintf(2, "%s\n", arg);
	} else if (strcmp(op, "out") == 0) {
		write_all(1, arg, strlen(arg));
	} else if (strcmp(op, "fill") == 0) {
		fake_fill(atoll(arg));
	} else if (strcmp(op, "cat") == 0) {
		while ((n = read(0, buf, sizeof(buf))) > 0)
			write_all(1, buf, (size_t)n);
	} else if (strcmp(op, "read") == 0) {
		fake_read();
	} else if (strcmp(op, "sleep") == 0) {
		sleep_ms(atol(arg));
	} else if (strcmp(op, "exit") == 0) {
		exit(atoi(arg));
	} else if (strcmp(op, "kill") == 0) {
		raise(atoi(arg));
	} else if (strcmp(op, "ignore") == 0) {
		signal(atoi(arg), SIG_IGN);
	} else if (strcmp(op, "close") == 0) {
		close(atoi(arg));
	} else if (strcmp(op, "hang") == 0) {
		hang();
	} else if (strcmp(op, "fork") == 0) {
		if (fork() == 0) {
			sleep_ms(atol(arg));
			_exit(0);
		}
	} else if (strcmp(op, "size") == 0) {
		print_size();
	} else if (strcmp(op, "tty") == 0) {
		dprintf(1, "%s\n", isatty(0) ? "tty" : "not a tty");
	} else if (strcmp(op, "on-winch") == 0) {
		sigemptyset(&set);
		sigaddset(&set, SIGWINCH);
		sigwait(&set, &sig);
		print_size();
	} else if (strcmp(op, "touch") == 0) {
		close(open(arg, O_WRONLY | O_CREAT, 0644));
	} else if (strcmp(op, "wait") == 0) {
		while (access(arg, F_OK) < 0)
			sleep_ms(5);
	} else {
		dprintf(2, "fake: unknown word %s\n", op);
		exit(99);
	}
}

void
fake_main(int argc, char **argv)
{
	sigset_t set;
	int i;

	/* One that comes before its word waits for that. */
	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (i = 1; i < argc; i++) {
		char *op = strdup(argv[i]), *arg = strchr(op, ':');

		if (arg != NULL)
			*arg++ = '\0';
		fake_word(op, arg != NULL ? arg : "");
		free(op);
	}
	exit(0);
}
