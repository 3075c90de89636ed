#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The power of a Debian host is cut at random moments of create, run, exec and
# delete, CUTS times (10), and the same disk is booted again; half of it with
# runsc's state on /run, half on the disk.
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
echo after_a_cut >"$T/payload.d/cases"
chmod 755 "$T/payload.d/main.sh"
cp "$SHIM" "$T/payload.d/shim"
rootfs "$T/payload.d/rootfs"

# Some time after the machine has come to its loop.
cut_power() {
	local ms=$((RANDOM % 8000))

	until grep -qx looping "$1"; do
		kill -0 "$2" 2>/dev/null || return
		sleep 0.2
	done
	sleep "$((ms / 1000)).$(printf '%03d' $((ms % 1000)))"
	pkill -KILL -P "$2"
}

failed=0
for where in run disk; do
	cp --sparse=always --reflink=auto "$DEBIAN/image" "$T/disk"
	# The first boot has nothing behind it.
	for ((n = 0; n <= CUTS / 2; n++)); do
		WHILE_ON=cut_power last=
		[ "$n" != $((CUTS / 2)) ] || WHILE_ON='' last=last
		name=cut-${where}_$n
		boot_debian "$name" "$T/disk" "$T/payload.d" \
		    "next=/vm/main.sh $where $last" </dev/null
		line=$(grep -E -m 1 '^(not )?ok after_a_cut' "$LOGS/$name.log")
		[ "$n$line" != "0ok after_a_cut" ] || continue
		case $line in
		ok*) echo "ok cut/${where}_$n" ;;
		*)
			echo "not ok cut/${where}_$n:" \
			    "${line#*: }${line:-the machine did not come to it}"
			tail -n 60 "$LOGS/$name.log" | sed 's/^/    /'
			failed=1
			;;
		esac
	done
done
[ "$failed" = 0 ]
