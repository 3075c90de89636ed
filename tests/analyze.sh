#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make analyze`: clang-tidy (.clang-tidy says which of its checks), cppcheck
# and gcc's -fanalyzer find nothing in the product; and each finds a fault
# where there is one.

jobs=$(nproc 2>/dev/null || echo 2)
dir=build/analyze
passed=0
failed=0
mkdir -p "$dir" || exit 1

for c in clang-tidy cppcheck gcc; do
	command -v "$c" >/dev/null 2>&1 && continue
	echo "analyze: $c is not installed (make deps-ci)"
	exit 1
done

flags='-std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I.'
# Not for base/err.c, which defines what analyze.h wraps.
seen='-include tests/analyze.h'

# each COMMAND...: with every file in the place of {}.
each() {
	for f in *.c [!t]*/*.c; do
		[ "$f" = base/err.c ] || echo "$f"
	done | xargs -P "$jobs" -I '{}' "$@"
}

# shellcheck disable=SC2086 # one word each
tidy() {
	each clang-tidy --quiet '{}' -- $flags $seen &&
	    clang-tidy --quiet base/err.c -- $flags
}

# -Wno-analyzer-malloc-leak: gcc 12 loses what is kept in a struct of the
# caller's, and calls it leaked; ASAN and valgrind look for leaks.
gcc_flags='-O1 -fanalyzer -Wno-analyzer-malloc-leak -Werror -S -o /dev/null'

# shellcheck disable=SC2086
fanalyzer() {
	each gcc $flags $seen $gcc_flags '{}' &&
	    gcc $flags $gcc_flags base/err.c
}

check() {
	cppcheck -q --std=c11 --enable=warning,performance,portability \
	    --inline-suppr --error-exitcode=1 -j "$jobs" -D_GNU_SOURCE "$@"
}

result() {
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
		echo "ok $1"
	else
		failed=$((failed + 1))
		echo "not ok $1"
		sed 's/^/    /' "$dir/out"
	fi
}

clean() {
	what=$1
	shift
	"$@" >"$dir/out" 2>&1
	result "$what" "$?"
}

# It must fail, and say so of that line.
finds() {
	what=$1
	shift
	! "$@" >"$dir/out" 2>&1 && grep -q 'bad\.c:8' "$dir/out"
	result "$what finds a fault" "$?"
}

cat >"$dir/bad.c" <<'END'
#include <stdlib.h>
int used(int *p);
int
used(int *p)
{
	int a[4] = { 0 };
	free(p);
	return a[4] + *p;
}
END
# shellcheck disable=SC2086
{
	finds clang-tidy clang-tidy --quiet "$dir/bad.c" -- $flags
	finds gcc gcc $flags $gcc_flags "$dir/bad.c"
	finds cppcheck check "$dir/bad.c"
}
clean clang-tidy tidy
clean "gcc -fanalyzer" fanalyzer
clean cppcheck check --include=tests/analyze.h -I. ./*.c ./[!t]*/*.c
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
