#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What can be said without running: no compiler warns, every header compiles
# alone, the manual pages and the scripts are clean, the static binary keeps
# its size.

passed=0
failed=0
SIZE_MAX=163840		# 160 KiB
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

# Run the rest of the line; its output is shown only if it fails.
try() {
	what=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then
		passed=$((passed + 1))
		echo "ok $what"
	else
		failed=$((failed + 1))
		echo "not ok $what"
		sed 's/^/    /' "$tmp/out"
	fi
}

warnings="-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wshadow
	-Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wpointer-arith
	-Wvla -Wimplicit-fallthrough -Wno-missing-field-initializers -Werror"

compile_all() {
	for f in *.c; do
		# shellcheck disable=SC2086 # one word each
		"$@" $warnings "-DVERSION=\"x\"" -c -o "$tmp/x.o" "$f" || return 1
	done
}

headers_alone() {
	for f in *.h; do
		# shellcheck disable=SC2086
		gcc $warnings -fsyntax-only -x c "$f" || return 1
	done
}

manual_pages() {
	mandoc -Tlint man/*.[1-9] >"$tmp/man" 2>/dev/null
	# Our own pages, which need not be installed here.
	ours='outdated mandoc.db'
	for f in man/*.[1-9]; do
		f=${f#man/}
		ours="$ours|not found: Xr ${f%.*} ${f##*.}"
	done
	grep -vE "$ours" "$tmp/man" >"$tmp/man2"
	cat "$tmp/man2"
	[ ! -s "$tmp/man2" ]
}

scripts() {
	find tests .ci docs/initramfs/init \( -name '*.sh' -o -name init \) \
	    -exec shellcheck -x -S warning {} +
}

small_enough() {
	size=$(wc -c <"$1")
	echo "$1 has $size bytes, $SIZE_MAX are allowed"
	[ "$size" -le "$SIZE_MAX" ] && ! readelf -l "$1" | grep -q INTERP
}

line_lengths() {
	# A file that is longer has two rooms in it.
	wc -l ./*.c ./*.h | awk '$2 != "total" && $1 > 1000 { print; bad = 1 }
		END { exit bad }'
}

try gcc compile_all gcc -O2
try clang compile_all clang -O2
try musl-gcc compile_all musl-gcc -O2
try headers headers_alone
try "manual pages" manual_pages
try scripts scripts
try "length of files" line_lengths
try static make -s static
try "size of the static shim" small_enough containerd-shim-runsc-v1.static
try "size of the static shimctl" small_enough shimctl.static
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
