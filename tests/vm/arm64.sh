#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A real container on arm64: Debian's kernel and busybox for it, the runsc of
# 2026 built for it, and the static binaries of `make static-aarch64`.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_begin
SHIM=$top/build/aarch64/containerd-shim-runsc-v1.static
SHIMCTL=$top/build/aarch64/shimctl.static
UPDATE=
QEMU=qemu-system-aarch64
MACHINE=(-M virt -cpu "max,pauth-impdef=on")
KERNEL_WORDS=${KERNEL_WORDS/ttyS0/ttyAMA0}
A=$CACHE/arm64
BUSYBOX=$A/busybox

# A package's files below a directory, without installing it.
fetch_arm64() {
	local kernel

	mkdir -p "$T"/apt/{lists/partial,cache/archives/partial} "$A.new"
	apt_arm64() {
		(cd "$T/apt" && apt-get -qq -o APT::Architecture=arm64 \
		    -o APT::Architectures=arm64 \
		    -o "Dir::State::lists=$T/apt/lists" \
		    -o "Dir::Cache=$T/apt/cache" \
		    -o APT::Sandbox::User=root "$@")
	}
	apt_arm64 update &&
	    kernel=$(apt-cache -o APT::Architecture=arm64 \
	    -o APT::Architectures=arm64 -o "Dir::State::lists=$T/apt/lists" \
	    -o "Dir::Cache=$T/apt/cache" depends linux-image-arm64 |
	    awk '/Depends: linux-image/ { print $2; exit }') &&
	    apt_arm64 download busybox-static "$kernel" || return 1
	for d in "$T"/apt/*.deb; do
		dpkg-deb -x "$d" "$T/arm64" || return 1
	done
	cp "$T"/arm64/boot/vmlinuz-* "$A.new/vmlinuz" &&
	    cp "$(find "$T/arm64" -path "*bin/busybox")" "$A.new/busybox" &&
	    mv "$A.new" "$A"
}

# Of the module that the runsc of 2026 was built from.
build_arm64() {
	local m

	m=$(awk '$1 == "gvisor" { print $2 }' "$top/tests/modern/versions")
	cd "$PARTS/src/gvisor" && CGO_ENABLED=0 GOARCH=arm64 \
	    go build -o "$A/runsc.new" "$m/runsc" &&
	    mv "$A/runsc.new" "$A/runsc"
}

# shellcheck disable=SC2046 # words
set -- $(cases_of arm64)
why=
if [ ! -x "$SHIM" ]; then
	why="the binaries for it could not be built (make static-aarch64)"
elif [ ! -r "$A/vmlinuz" ] && ! fetch_arm64 >"$LOGS/arm64.fetch" 2>&1; then
	why="Debian's kernel for it could not be had"
elif [ ! -x "$A/runsc" ] && ! (build_arm64) >"$LOGS/arm64.build" 2>&1; then
	why="there is no runsc for it (make deps-modern)"
fi
KERNEL=$A/vmlinuz
[ -n "$why" ] || why=$(no_machine)
if [ -n "$why" ]; then
	skip_all arm64 "$why" "$@"
	exit 0
fi
tree "$T/root" "$A/runsc"
guest "$T/root" arm64
boot_initrd arm64 "$T/root" cgroup_no_v1=all </dev/null
told arm64 "$@"
