#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The power of a Debian host is cut at random moments of create, run, exec and
# delete, CUTS times (10): half of it with runsc's state on /run, half with it
# on the disk.  A cut is what its disk has at that moment: qemu goes on with
# another file above it.  One machine lives through all cuts; a second one has
# the disks that they left, each in namespaces of its own, as the host that it
# is the disk of, with nothing on /run.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/vm/debian-tree.sh
. "$(dirname "$0")/debian-tree.sh"
vm_begin
CUTS=${CUTS:-10}
names=()
for where in run disk; do
	for ((n = 1; n <= CUTS / 2; n++)); do
		names+=("${where}_$n")
	done
done
why=$(no_machine; no_debian)
if [ -z "$why" ] && ! debian_tree >"$LOGS/debian-tree.log" 2>&1; then
	why="Debian could not be had: $(tail -n 1 "$LOGS/debian-tree.log")"
fi
if [ -n "$why" ]; then
	skip_all cut "$why" "${names[@]}"
	exit 0
fi
mkdir -p "$T/payload.d"
cp "$vm_dir/guest/lib.sh" "$T/payload.d/lib.sh"
cp "$vm_dir/guest/cut.sh" "$T/payload.d/main.sh"
chmod 755 "$T/payload.d/main.sh"
cp "$SHIM" "$T/payload.d/shim"
rootfs "$T/payload.d/rootfs"

# monitor COMMAND...: what qemu says to that, up to its next prompt; with none
# what it says first
monitor() {
	local part

	[ $# = 0 ] || echo "$*" >&"$to"
	while IFS= read -r -d ')' -t 60 part <&"$from"; do
		printf '%s)' "$part"
		[ "${part%"(qemu"}" = "$part" ] || return 0
	done
	return 1
}

# looping FILE PID WHAT: it has come to that loop
looping() {
	local n

	for ((n = 0; n < 900; n++)); do
		! grep -qx "looping $3" "$1" || return 0
		kill -0 "$2" 2>/dev/null || return 1
		sleep 0.2
	done
	return 1
}

# From here each name's disk is in DISKS, once it is cut off.
DISKS=()
cut_power() {
	local where n ms said='' disk=$T/disk

	exec {to}<>"$T/monitor.in" {from}<>"$T/monitor.out"
	monitor >/dev/null
	for where in run disk; do
		looping "$1" "$2" "$where" || break
		for ((n = 1; n <= CUTS / 2; n++)); do
			ms=$((RANDOM % 8000))
			sleep "$((ms / 1000)).$(printf '%03d' $((ms % 1000)))"
			said=$(monitor snapshot_blkdev virtio0 \
			    "$T/${where}_$n" qcow2)
			[ -s "$T/${where}_$n" ] || break 2
			DISKS+=("$disk")
			disk=$T/${where}_$n
		done
		echo go >&"$typed"
	done
	[ "${#DISKS[@]}" = "${#names[@]}" ] || echo "# no cut: $said"
	exec {to}<&- {from}<&-
	pkill -KILL -P "$2"
}

mkfifo "$T/monitor.in" "$T/monitor.out" "$T/typed"
exec {typed}<>"$T/typed"
cp --sparse=always --reflink=auto "$DEBIAN/image" "$T/disk"
MONITOR=pipe:$T/monitor WHILE_ON=cut_power
boot_debian cut-loop "$T/disk" "$T/payload.d" next=/vm/main.sh <"$T/typed"
MONITOR='' WHILE_ON=''
# The first two are the machine's own disk and the payload.
drives=()
for disk in "${DISKS[@]}"; do
	drives+=(-drive "file=$disk,if=virtio,snapshot=on")
	[ "$disk" != "$T/disk" ] || drives[-1]+=,format=raw
done
boot_debian cut "$DEBIAN/image,snapshot=on" "$T/payload.d" \
    "next=/vm/main.sh cuts=$((${#DISKS[@]} / 2))" "${drives[@]}" </dev/null
told cut "${names[@]}" || {
	tail -n 40 "$LOGS/cut-loop.log" | sed 's/^/    /'
	exit 1
}
