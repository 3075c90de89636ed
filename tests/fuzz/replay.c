/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay: run files, and the files of directories, through a fuzz target, so
 * that the corpus is checked where there is no fuzzer.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

#define INPUT_MAX (1u << 20)

static unsigned long ran;

static int
replay_file(const char *path)
{
	uint8_t *all, *p;
	size_t n;
	FILE *f;
	int rc = -1;

	f = fopen(path, "rb");
	all = malloc(INPUT_MAX);
	p = NULL;
	if (!f || !all)
		goto out;
	n = fread(all, 1, INPUT_MAX, f);
	if (ferror(f))
		goto out;
	/* Exactly as long as the input: a sanitizer sees any read past it. */
	p = malloc(n ? n : 1);
	if (!p)
		goto out;
	memcpy(p, all, n);
	LLVMFuzzerTestOneInput(p, n);
	ran++;
	rc = 0;
out:
	if (rc < 0)
		perror(path);
	free(p);
	free(all);
	if (f)
		fclose(f);
	return rc;
}

static int
replay(const char *path)
{
	struct dirent *d;
	char file[4096];
	DIR *dir;
	int rc = 0;

	dir = opendir(path);
	if (!dir && errno == ENOTDIR)
		return replay_file(path);
	if (!dir) {
		perror(path);
		return -1;
	}
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, d->d_name);
		if (replay_file(file) < 0)
			rc = -1;
	}
	closedir(dir);
	return rc;
}

int
main(int argc, char **argv)
{
	int i, rc = EXIT_SUCCESS;

	for (i = 1; i < argc; i++)
		if (replay(argv[i]) < 0)
			rc = EXIT_FAILURE;
	printf("%s: %lu inputs\n", argv[0], ran);
	return ran ? rc : EXIT_FAILURE;
}
