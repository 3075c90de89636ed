#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cell.sh COMMAND...: run it with CELL_HOST's and CELL_RUNSC's programs, in namespaces
# whose end takes everything with it: processes, mounts, networks, control
# sockets, and whatever is written to /run, /etc, /var/lib, /var/log and $TMPDIR.
# matrix.sh has made the namespaces; by itself this would cover the machine's
# own /run.

set -u
[ "$$" = 1 ] || {
	echo "cell.sh is for matrix.sh"
	exit 1
}
work=$CELL
mkdir -p "$work"
mount -t tmpfs tmpfs "$work" && mount -t tmpfs tmpfs /run &&
    mount -t tmpfs tmpfs /var/lib && mount -t tmpfs tmpfs /var/log && mkdir -p "$work/etc/upper" \
    "$work/etc/work" /run/lock && mount -t overlay overlay -o \
    "lowerdir=/etc,upperdir=$work/etc/upper,workdir=$work/etc/work" /etc ||
    exit 1
ip link set lo up
PATH=$TOP/bin/shim:$TOP/bin/$CELL_RUNSC:$TOP/bin/$CELL_HOST:$PATH
TMPDIR=$work
export PATH TMPDIR
# containerd 2 also looks for shims in the directory that it is started in.
cd "$work" || exit 1
SECONDS=0
"$@"
rc=$?
# Of the CPU, what all had that have ended: this shell takes them all, in the end.
times >"$work/times"
cpu=$(sed 's/s//g; s/m/ /g' "$work/times" |
    awk 'NR == 2 { print int($1 * 60 + $2 + $3 * 60 + $4) }')
echo "# took $SECONDS s, CPU $cpu s"
exit "$rc"
