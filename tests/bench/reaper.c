/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reaper: run a command and reap the orphans that it makes, as a shim does:
 * runsc waits for its sandbox to be gone, and not every init is quick.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	int status = 1;
	pid_t pid;

	if (argc < 2 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return 2;
	pid = fork();
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	while (pid > 0 && wait(&status) != pid)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
