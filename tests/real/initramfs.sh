#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A root file system of four programs (busybox, runsc, the static shim and
# shimctl) and docs/initramfs/init, as process 1 of a PID, mount and network
# namespace of its own: what an initramfs does, without a kernel to boot. The
# container's output and exit status must come through.
#
# SHIM and SHIMCTL are the static binaries. With KEEP=dir the tree is left
# there.

set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
SHIM=$(readlink -f "${SHIM:-$top/containerd-shim-runsc-v1.static}")
SHIMCTL=$(readlink -f "${SHIMCTL:-$top/shimctl.static}")
T=
passed=0
failed=0

cleanup() {
	[ -z "$T" ] || rm -rf "$T"
}

# needed PROGRAM: it is there, and has no libraries
static() {
	if [ ! -x "$1" ]; then
		echo "$1 is not there: \`make static\` builds the shim and" \
		    "shimctl, \`make deps\` installs busybox and runsc."
		exit 1
	fi
	if ldd "$1" >/dev/null 2>&1; then
		echo "$1 needs libraries, which an initramfs has not."
		exit 1
	fi
}

# case NAME COMMAND...
try() {
	local name=$1

	shift
	if "$@"; then
		echo "ok $name"
		passed=$((passed + 1))
	else
		echo "not ok $name"
		sed 's/^/    /' "$T/out"
		failed=$((failed + 1))
	fi
}

says() {
	grep -qxF "$1" "$T/out"
}

if [ "$(id -u)" != 0 ]; then
	echo "This must run as root: it mounts, and runsc needs it."
	exit 1
fi
trap cleanup EXIT
trap 'exit 130' INT TERM
T=$(mktemp -d "${TMPDIR:-/tmp}/initramfs-XXXXXX") || exit 1
busybox=$(readlink -f "$(command -v busybox)")
runsc=$(readlink -f "$(command -v runsc)")
static "$busybox"
static "$runsc"
static "$SHIM"
static "$SHIMCTL"

R=$T/root
mkdir -p "$T/mnt" "$R/bin" "$R/etc" "$R/old" "$R/proc" "$R/root.new" \
    "$R/container/rootfs/bin"
cp "$busybox" "$R/bin/busybox"
cp "$busybox" "$R/container/rootfs/bin/busybox"
cp "$runsc" "$R/bin/runsc"
cp "$SHIM" "$R/bin/containerd-shim-runsc-v1"
cp "$SHIMCTL" "$R/bin/shimctl"
for f in init runsc.toml config.json; do
	cp "$top/docs/initramfs/$f" "$T/$f" || exit 1
done
cp "$T/init" "$R/init"
cp "$T/runsc.toml" "$R/etc/runsc.toml"
cp "$T/config.json" "$R/container/config.json"
chmod 0755 "$R/init"
echo "the tree: $(find "$R" -type f | wc -l) files," \
    "$(du -sk --apparent-size "$R" | cut -f1) KiB"

# The tree becomes the root of a namespace, on a tmpfs; the old root goes.
# shellcheck disable=SC2016 # for the shell inside
timeout -k 5 120 unshare --mount --propagation private --pid --net --uts \
    --ipc --fork sh -c '
	mount -t tmpfs -o mode=0755 initramfs "$0/mnt" &&
	cp -a "$0/root/." "$0/mnt" && cd "$0/mnt" &&
	pivot_root . old && cd / && /bin/busybox umount -l /old &&
	exec /init check
	' "$T" >"$T/out" 2>&1 </dev/null
rc=$?
try "init ends with the container's status" [ "$rc" = 7 ]
try "the container ran in gVisor" says 1
try "nothing is left" says "shims left: 0"
if [ -n "${KEEP:-}" ]; then
	mkdir -p "$KEEP" && cp -a "$R/." "$KEEP"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
