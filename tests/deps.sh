#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make deps`: install what building, demo and tests need, on Debian 12.
# `make deps-ci` (deps.sh ci): and what CI needs beyond, the analysers, the
# package's tools and other architectures' compilers.
# Says nothing and asks nobody where all of it is there.

packages="containerd runsc runc busybox-static check musl-tools mandoc
	pkg-config gcc make clang libclang-rt-14-dev valgrind util-linux
	bsdutils shellcheck python3 spin"
commands="containerd ctr runsc runc busybox musl-gcc mandoc pkg-config gcc
	make clang valgrind script shellcheck python3 spin"
if [ "$1" = ci ]; then
	packages="$packages build-essential clang-tidy conmon cpio cppcheck
		debhelper debootstrap e2fsprogs gcc-aarch64-linux-gnu
		gcc-arm-linux-gnueabihf gcc-riscv64-linux-gnu kmod
		libc6-dev-arm64-cross libc6-dev-armhf-cross
		libc6-dev-riscv64-cross libseccomp-dev lintian linux-image-amd64
		qemu-system-arm qemu-system-x86 qemu-user-static skopeo xz-utils"
	commands="$commands aarch64-linux-gnu-gcc arm-linux-gnueabihf-gcc
		clang-tidy conmon cppcheck dh lintian qemu-aarch64-static
		riscv64-linux-gnu-gcc skopeo"
fi

missing=
if command -v dpkg-query >/dev/null 2>&1; then
	for p in $packages; do
		# busybox and busybox-static exclude each other, and pkg-config
		# may be another package's name: the status counts.
		case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in
		"install ok installed") ;;
		*) missing="$missing $p" ;;
		esac
	done
else
	for c in $commands; do
		command -v "$c" >/dev/null 2>&1 || missing="$missing $c"
	done
	[ -f /usr/include/check.h ] || missing="$missing check"
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "Missing here:$missing"
	echo "There is no apt-get on this system to install it with: please"
	echo "install these with the system's own package manager."
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "Missing here:$missing"
	echo "Installing it needs root: run \`make deps\` as root, or"
	echo "  apt-get install$missing"
	exit 1
fi

echo "Installing:$missing"
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # one word each
if apt-get update >"$log" 2>&1 &&
    apt-get install -y --no-install-recommends $missing >>"$log" 2>&1; then
	exit 0
fi
tail -20 "$log"
echo "apt-get could not install it; its last words are above. This list is"
echo "for Debian 12: elsewhere a package may have another name."
exit 1
