/* SPDX-License-Identifier: Apache-2.0 */
/*
 * images: the programs of images.py's images, one by the names that they have
 * there: `pause` waits and reaps; `nnp` prints its effective uid; `nginx` and
 * `httpd` answer each connection to port 80, or WEB_PORT, with a page that
 * names both.  Built statically.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char page[] = "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n"
    "Content-Length: 47\r\nConnection: close\r\n\r\n"
    "<title>Welcome to nginx!</title>\nIt works! ...\n";

static int
wait_for_signal(void)
{
	sigset_t set;
	int sig;

	(void)signal(SIGCHLD, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return sigwait(&set, &sig);
}

static int
serve(const char *name)
{
	const char *port = getenv("WEB_PORT");
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
		.sin6_port = htons((unsigned short)atoi(port ? port : "80")) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), one = 1, c;
	char request[4096];
	FILE *f;

	/* What critest looks for in the log and in /proc. */
	fprintf(stderr, "AH00094: Command line: '%s -D FOREGROUND'\n", name);
	mkdir("/var/run", 0755);
	f = fopen("/var/run/nginx.pid", "w");
	if (f) {
		fprintf(f, "%d\n", (int)getpid());
		fclose(f);
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	(void)signal(SIGPIPE, SIG_IGN);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, 64) < 0) {
		perror(name);
		return 1;
	}
	while ((c = accept(fd, NULL, NULL)) >= 0) {
		if (read(c, request, sizeof(request)) > 0 &&
		    write(c, page, sizeof(page) - 1) < 0)
			perror(name);
		shutdown(c, SHUT_WR);
		while (read(c, request, sizeof(request)) > 0)
			;
		close(c);
	}
	return 1;
}

int
main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash ? slash + 1 : argv[0];

	(void)argc;
	if (strcmp(name, "pause") == 0)
		return wait_for_signal();
	if (strcmp(name, "nnp") == 0)
		return printf("Effective uid: %d\n", (int)geteuid()) < 0;
	if (strcmp(name, "nginx") == 0)
		execl("/proc/self/exe", "nginx: master process nginx",
		    (char *)NULL);
	return serve(name);
}
