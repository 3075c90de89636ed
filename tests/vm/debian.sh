#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Debian 12 host of its own, from power on to power off: guest/debian.sh.
# DEB is the package; a later version is made of it, with NEXT as its shim.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/vm/debian-tree.sh
. "$(dirname "$0")/debian-tree.sh"
vm_begin
# shellcheck disable=SC2046 # words
set -- $(cases_of debian)
DEB=${DEB:-$(find "$top/build/vm/deb" -name '*.deb' ! -name '*dbgsym*' \
    2>/dev/null | head -n 1)}
NEXT=${NEXT:-$top/build/vm/next}
why=$(no_machine; no_debian)
[ -r "${DEB:-/none}" ] || why="there is no package"
[ -x "$NEXT" ] || why="there is no shim of a later version"
if [ -z "$why" ] && ! debian_tree >"$LOGS/debian-tree.log" 2>&1; then
	why="Debian could not be had: $(tail -n 1 "$LOGS/debian-tree.log")"
fi
if [ -n "$why" ]; then
	skip_all debian "$why" "$@"
	exit 0
fi
mkdir -p "$T/payload.d"
cp "$vm_dir/guest/lib.sh" "$T/payload.d/lib.sh"
cp "$vm_dir/guest/debian.sh" "$T/payload.d/main.sh"
cases_of debian >"$T/payload.d/cases"
cp "$DEB" "$T/payload.d/1.deb"
dpkg-deb -R "$DEB" "$T/deb"
sed -i 's/^Version: .*/&+1/' "$T/deb/DEBIAN/control"
cp "$NEXT" "$T/deb/usr/bin/containerd-shim-runsc-v1"
dpkg-deb -b "$T/deb" "$T/payload.d/2.deb" >/dev/null
cp "$vm_dir/guest/pod.py" "$T/payload.d/pod.py"
rootfs "$T/payload.d/rootfs"
# shellcheck source=tests/real/image.sh
. "$top/tests/real/image.sh"
# shellcheck disable=SC2034 # image's
ROOTFS=$T/payload.d/rootfs
# What image() would have containerd take goes to the machine.
c() {
	cp "$5" "$IMAGE_FILE"
}
# shellcheck disable=SC2034 # image's
IMAGE_CMD='"/bin/sleep","2147483647"'
IMAGE_FILE=$T/payload.d/pause.tar
image localhost/pause:1 1
IMAGE_FILE=$T/payload.d/busybox.tar
image localhost/busybox:1 1
cp --sparse=always --reflink=auto "$DEBIAN/image" "$T/disk"
boot_debian debian "$T/disk" "$T/payload.d" "" </dev/null
told debian "$@"
