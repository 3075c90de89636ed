#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# dist.sh NAME FILE: the source as a tarball, FILE, of a directory NAME. The
# bytes depend on the files and on the time below only.

name=$1
file=$2
list=$(mktemp) || exit 1
trap 'rm -f "$list"' EXIT
trap 'exit 130' INT TERM

# A checkout may be another user's.
repo() {
	git -c safe.directory='*' "$@"
}

# Only our own repository counts, not one that this directory happens to be in.
if [ -e .git ] && repo ls-files >"$list"; then
	[ -z "$(repo status --porcelain --untracked-files=no)" ] ||
		echo "dist: with changes that are not committed" >&2
	time=${SOURCE_DATE_EPOCH:-$(repo log -1 --format=%ct)}
else
	find . -type f ! -path './build/*' ! -name '*.o' ! -name '*.static' \
	    ! -path ./containerd-shim-runsc-v1 ! -path ./shimctl |
	    sed 's|^\./||' >"$list"
	time=${SOURCE_DATE_EPOCH:-$(stat -c %Y Makefile)}
fi
LC_ALL=C sort -o "$list" "$list"
mkdir -p "$(dirname "$file")"
tar -c --format=ustar --owner=0 --group=0 --numeric-owner \
    --mode=go=rX,u+rw,a-st --mtime="@$time" --no-recursion \
    --transform="s|^|$name/|" -T "$list" | gzip -9n >"$file.new" || exit 1
mv "$file.new" "$file"
sha256sum "$file"
