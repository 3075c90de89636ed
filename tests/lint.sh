#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What can be said without running: no compiler warns, every header compiles
# alone, the manual pages and the scripts are clean, the static binaries keep
# their size, what is installed is removed, the tarball is always the same.

passed=0
failed=0
SIZE_MAX=204800		# 200 KiB
README_MAX=160
LINES_MAX=1000		# of a file
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

make=${MAKE:-make}
jobs=$(nproc 2>/dev/null || echo 2)
musl=/usr/lib/$(uname -m)-linux-musl
musl_headers=/usr/include/$(uname -m)-linux-musl

# compile WHAT COMPILER [VARIABLE=...]: the Makefile knows the warnings.
compile() {
	goal=lint-$1
	cc=$2
	shift 2
	"$make" -s "-j$jobs" "LINT=build/lint/$cc" "CC=$cc" "$@" "$goal"
}

# Debian has no wrapper of clang for musl: the headers in the place of glibc's,
# and musl's start files and library around what was compiled.
# shellcheck disable=SC2016 # for make
clang_musl() {
	objects=
	"$make" -s "-j$jobs" LINT=build/lint/clang-musl \
	    "CC=clang -nostdlibinc -isystem $musl_headers" \
	    'LINT_WARN=$(WARN_MUSL)' lint-own || return
	for o in build/lint/clang-musl/*.o build/lint/clang-musl/*/*.o; do
		case $o in
		*/ctl/*) ;;
		*) objects="$objects $o" ;;
		esac
	done
	# shellcheck disable=SC2086 # one word each
	clang -static -nostdlib -o "$tmp/x" "$musl/crt1.o" "$musl/crti.o" \
	    $objects "$musl/libc.a" "$(clang -print-libgcc-file-name)" \
	    "$musl/crtn.o" && "$tmp/x" -v
}

# Other architectures, compiled and no more.
cross() {
	if command -v "$1-gcc" >/dev/null 2>&1; then
		try "$1-gcc" compile own "$1-gcc"
	else
		echo "skipped $1-gcc: not installed (make deps-ci)"
	fi
}

headers_alone() {
	for f in *.h [!t]*/*.h; do
		gcc -std=c11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror \
		    -fsyntax-only -x c "$f" || return 1
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

# Two tarballs have the same bytes, whatever the clock and the umask say.
reproducible() {
	(umask 077 && sh tests/dist.sh x "$tmp/1.tar.gz") &&
	    sleep 1 && sh tests/dist.sh x "$tmp/2.tar.gz" &&
	    cmp "$tmp/1.tar.gz" "$tmp/2.tar.gz"
}

# What install makes uninstall takes away; nothing outside of DESTDIR.
installs() {
	crio=containerd-shim-runsc-v2
	make -s install "DESTDIR=$tmp/inst" PREFIX=/usr &&
	    [ -x "$tmp/inst/usr/bin/containerd-shim-runsc-v1" ] &&
	    [ -x "$tmp/inst/usr/bin/shimctl" ] &&
	    "$tmp/inst/usr/lib/containerd-shim-runsc-v1/$crio" -v &&
	    for f in man/*.[1-9]; do
		f=${f#man/}
		[ -f "$tmp/inst/usr/share/man/man${f##*.}/$f" ] || {
			echo "$f is not installed"
			return 1
		}
	    done &&
	    make -s uninstall "DESTDIR=$tmp/inst" PREFIX=/usr &&
	    find "$tmp/inst" ! -type d >"$tmp/left" && cat "$tmp/left" &&
	    [ ! -s "$tmp/left" ]
}

versions_agree() {
	v=$(sed -n 's/^VERSION = //p' Makefile)
	head -n 1 debian/changelog | grep -F "($v)" &&
	    grep -xF "## $v" CHANGES.md
}

# A file that is longer has two rooms in it: code, tests, scripts, documents; all
# text but what measurements print.
file_lengths() {
	grep -rIc --exclude-dir=.git --exclude-dir=build --exclude-dir=corpus \
	    --exclude='*.json' --exclude='*.svg' '' . >"$tmp/lengths"
	awk -F: -v max="$LINES_MAX" '
		$2 > max { print $1 " has " $2 " lines"; bad = 1 }
		END { exit bad || NR == 0 }' "$tmp/lengths"
}

# No line of the product is wider than 80 columns, tabs as eight.
line_widths() {
	for f in *.[ch] [!t]*/*.[ch]; do
		expand "$f" | awk -v f="$f" 'length($0) > 80 {
			print f ":" FNR ": " $0
			bad = 1
		}
		END { exit bad }' || wide=1
	done
	[ -z "$wide" ]
}

# The manual page has the rows of base/deadline.h.
deadlines_agree() {
	sed -n -e 's,^/\* \([^-].*\) \*/$,\1,p' \
	    -e 's,^#define .*_NS (\([0-9]*\) \* NS_PER_\(M*\)S)$,\1 \2s,p' \
	    base/deadline.h | sed -e '1d' -e 's/ Ms$/ ms/' |
	    sed 'N;s/\n/ Ta /' >"$tmp/rows"
	sed -n 's/^\.It \(.* Ta [0-9]* m*s\)$/\1/p' \
	    man/containerd-shim-runsc-v1.8 >"$tmp/page"
	[ -s "$tmp/rows" ] && diff "$tmp/rows" "$tmp/page"
}

# What a user reads first is short; the rest is in docs.
readme_length() {
	n=$(wc -l <README.md)
	echo "README.md has $n lines, $README_MAX are allowed"
	[ "$n" -le "$README_MAX" ]
}

# Who writes a client finds each method of the two tables, and no other file of
# the house's questions than there is.
documented() {
	missing=0
	for m in $(sed -n 's/^	{ "\([A-Z][A-Za-z]*\)", .*/\1/p' task.c sandbox.c); do
		grep -qw "$m" docs/methods.md && continue
		echo "docs/methods.md: $m is not there"
		missing=1
	done
	sed -n '/^## Ten questions/,/^Tests:/s/`\([a-z_]*\/*[a-z_]*\.[ch]\)`/\n\1\n/gp' \
	    docs/house.md | grep '\.[ch]$' >"$tmp/named"
	while read -r f; do
		[ -e "$f" ] && continue
		echo "docs/house.md: $f is not there"
		missing=1
	done <"$tmp/named"
	[ "$missing" = 0 ] && [ -s "$tmp/named" ]
}

# A link to a file names one that is there.
links() {
	dead=0
	for f in *.md docs/*.md; do
		# Both forms: [text](target) and [name]: target.
		sed -n -e 's/](/\n](/g' -e 's/^\[[^]]*\]: */](/' -e 'p' "$f" |
		    sed -n 's/^](\([^)# ]*\).*/\1/p' >"$tmp/links"
		while read -r to; do
			case $to in
			'' | *://* | mailto:*) continue ;;
			esac
			[ -e "$(dirname "$f")/$to" ] && continue
			echo "$f: $to is not there"
			dead=1
		done <"$tmp/links"
	done
	[ "$dead" = 0 ]
}

try gcc compile own gcc
try clang compile own clang
# shellcheck disable=SC2016 # for make
try musl-gcc compile own musl-gcc 'LINT_WARN=$(WARN_MUSL)'
try "clang and musl" clang_musl
cross arm-linux-gnueabihf
cross riscv64-linux-gnu
try "tests, gcc" compile tests gcc
try "tests, clang" compile tests clang
try headers headers_alone
try "manual pages" manual_pages
try scripts scripts
try "length of files" file_lengths
try "order of the rooms" sh tests/rooms.sh
try "width of lines" line_widths
try "deadlines" deadlines_agree
try "length of README.md" readme_length
try "links" links
try "methods and questions" documented
try static make -s static
try "size of the static shim" small_enough containerd-shim-runsc-v1.static
try "size of the static shimctl" small_enough shimctl.static
try "versions" versions_agree
try "install and uninstall" installs
try "reproducible tarball" reproducible
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
