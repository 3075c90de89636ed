/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included ahead of each file by `make coverage`: what a process ran is
 * written when it exits, so it would be lost before an exec or _exit().
 */
#ifndef GCOV_H
#define GCOV_H

#include <sys/mman.h>
#include <unistd.h>

void __gcov_dump(void);
void __gcov_reset(void);

#define execv(...) (__gcov_dump(), __gcov_reset(), execv(__VA_ARGS__))
#define execvp(...) (__gcov_dump(), __gcov_reset(), execvp(__VA_ARGS__))
#define execvpe(...) (__gcov_dump(), __gcov_reset(), execvpe(__VA_ARGS__))
#define _exit(...) (__gcov_dump(), __gcov_reset(), _exit(__VA_ARGS__))

/* What a stand-in lets go of would be needed for that. */
#define madvise(addr, len, advice) ((void)(addr), (void)(len))

#endif
