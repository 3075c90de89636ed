#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deps-aarch64.sh ROOT: musl and the Check library for arm64, unpacked below
# ROOT from Debian's packages, and ROOT/musl.specs for the cross compiler.
# Nothing is installed, and the system's package lists stay as they are. The
# compiler and qemu are packages of the host:
#   apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static

root=$1
for c in aarch64-linux-gnu-gcc qemu-aarch64-static apt-get dpkg-deb; do
	command -v "$c" >/dev/null 2>&1 && continue
	echo "$c is missing; the tests for arm64 need Debian's packages"
	echo "gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user-static."
	exit 1
done
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial" "$root"

apt() {
	(cd "$tmp" && apt-get -o APT::Architecture=arm64 \
	    -o APT::Architectures=arm64 -o "Dir::State::lists=$tmp/lists" \
	    -o "Dir::Cache=$tmp/cache" -o APT::Sandbox::User=root "$@") \
	    >"$tmp/log" 2>&1 && return
	tail -5 "$tmp/log"
	return 1
}

apt update && apt download check libsubunit-dev musl-dev || exit 1
for p in "$tmp"/*.deb; do
	dpkg-deb -x "$p" "$root" || exit 1
done
# The package's own specs, for where they are now.
here=$(cd "$root" && pwd)
sed "s|/usr/|$here/usr/|g" "$root/usr/lib/aarch64-linux-musl/musl-gcc.specs" \
    >"$root/musl.specs"
# Newer than what it is made from, for make.
touch "$root"/usr/lib/*/*.a
