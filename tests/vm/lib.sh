# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the scripts beside it: machines of qemu, without KVM, on a kernel of
# Debian's. What runs inside is in guest/; its cases say "ok NAME" and "not ok
# NAME: why" on the serial console, and a case of which a machine says nothing
# has failed. The consoles are kept in $LOGS.
#
# SHIM, SHIMCTL, UPDATE   the static binaries
# KERNEL                  a kernel with its modules, by default the newest that
#                         is installed
# RUNSC26                 the runsc of 2026
# CACHE                   what is fetched once
# LIMIT                   seconds after which a machine is ended

set -u
vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$vm_dir/../.." && pwd)
SHIM=$(readlink -f "${SHIM:-$top/containerd-shim-runsc-v1.static}")
SHIMCTL=$(readlink -f "${SHIMCTL:-$top/shimctl.static}")
UPDATE=$(readlink -f "${UPDATE:-$top/build/vm/update}")
PARTS=${PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/shim-parts}
RUNSC26=${RUNSC26:-$PARTS/bin/runsc}
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/shim-vm}
LOGS=${LOGS:-$top/build/vm}
LIMIT=${LIMIT:-600}
QEMU=qemu-system-x86_64
MACHINE=(-cpu max)
CONSOLE=ttyS0
BUSYBOX=$(readlink -f "$(command -v busybox)")
T=
QEMU_PID=

vm_cleanup() {
	trap - EXIT
	if [ -n "$QEMU_PID" ]; then
		kill "$QEMU_PID" 2>/dev/null
		wait "$QEMU_PID" 2>/dev/null
	fi
	[ -z "$T" ] || rm -rf "$T"
}

vm_begin() {
	trap vm_cleanup EXIT
	trap 'exit 130' INT TERM
	T=$(mktemp -d "${TMPDIR:-/tmp}/vm-XXXXXX") || exit 1
	mkdir -p "$LOGS" "$CACHE"
	# A host that is busy looks like one without a timer.
	KERNEL_WORDS="console=$CONSOLE quiet panic=-1 no_timer_check"
	KERNEL=${KERNEL:-$(find /boot -name 'vmlinuz-*' 2>/dev/null | sort -V |
	    tail -n 1)}
}

# The cases of a guest's script, in order, or those of ONLY="case case".
cases_of() {
	[ -z "${ONLY:-}" ] || { echo "$ONLY"; return; }
	sed -n 's/^case_\([a-z0-9_]*\)().*/\1/p' "$vm_dir/guest/$1.sh"
}

# skip_all PREFIX REASON NAME...: by name, none is forgotten
skip_all() {
	local name prefix=$1 reason=$2

	shift 2
	for name; do
		echo "# skipped: $prefix/$name, since $reason"
	done
}

# Why no machine can run, or nothing.
no_machine() {
	command -v "$QEMU" >/dev/null ||
	    echo "$QEMU is not installed (make deps-ci)"
	command -v cpio >/dev/null ||
	    echo "cpio is not installed (make deps-ci)"
	[ -r "${KERNEL:-/none}" ] ||
	    echo "there is no kernel in /boot (make deps-ci)"
}

# Debian's runsc of 2024, which is fetched; prints its path.
runsc24() {
	local to=$CACHE/runsc-2024

	if [ ! -x "$to" ]; then
		(
			CACHE=$T/backports TOP=$T
			mkdir -p "$CACHE"
			# shellcheck source=tests/matrix/suites.sh
			. "$top/tests/matrix/suites.sh"
			have_suite bookworm-backports
		) >"$T/fetch" 2>&1
		cp "$T/backports/bookworm-backports/root/usr/bin/runsc" \
		    "$to.new" 2>/dev/null && mv "$to.new" "$to" || return 1
	fi
	echo "$to"
}

# runsc_of YEAR: the path of that year's, or nothing
runsc_of() {
	case $1 in
	2022) readlink -f "$(command -v runsc)" ;;
	2024) runsc24 ;;
	2026) [ ! -x "$RUNSC26" ] || echo "$RUNSC26" ;;
	esac
}

# tree DIR RUNSC: the programs of docs/initramfs.md
tree() {
	local r=$1 a

	mkdir -p "$r"/{bin,etc/vm,proc,root.new,container/rootfs/bin}
	cp "$BUSYBOX" "$r/bin/busybox"
	cp "$BUSYBOX" "$r/container/rootfs/bin/busybox"
	for a in sh echo dd head tail sleep cat stty; do
		ln -s busybox "$r/container/rootfs/bin/$a"
	done
	cp "$2" "$r/bin/runsc"
	cp "$SHIM" "$r/bin/containerd-shim-runsc-v1"
	cp "$SHIMCTL" "$r/bin/shimctl"
	cp "$top/docs/initramfs/init" "$r/init"
	cp "$top/docs/initramfs/runsc.toml" "$r/etc/runsc.toml"
	cp "$top/docs/initramfs/config.json" "$r/container/config.json"
	chmod 755 "$r"/bin/* "$r/init"
}

# guest DIR NAME: in that tree, the cases of guest/NAME.sh instead of the
# container; what comes before is that init's.
guest() {
	local r=$1 m

	cp "$vm_dir/guest/lib.sh" "$r/etc/vm/lib.sh"
	cp "$vm_dir/guest/$2.sh" "$r/etc/vm/main.sh"
	cases_of "$2" >"$r/etc/vm/cases"
	[ ! -x "$UPDATE" ] || cp "$UPDATE" "$r/bin/update"
	m=$(find "/lib/modules/${KERNEL##*/vmlinuz-}" -name 'brd.ko*' \
	    2>/dev/null | head -n 1)
	case $m in
	*.xz) xz -dc "$m" >"$r/etc/vm/brd.ko" ;;
	*.ko) cp "$m" "$r/etc/vm/brd.ko" ;;
	esac
	{
		sed '/^# -i hands/,$d' "$top/docs/initramfs/init"
		echo 'busybox --install -s /bin'
		echo 'mkdir -p /dev/pts && mount -t devpts devpts /dev/pts'
		echo 'exec /bin/busybox sh /etc/vm/main.sh'
	} >"$r/init"
}

# pack DIR FILE: as the kernel takes it; what is not compressed is loaded faster
# than it would be unpacked
pack() {
	(cd "$1" && find . | cpio --quiet -o -H newc -R 0:0) >"$2"
}

# Its lines, and beside them when they came.
keep_console() {
	local line

	: >"$1.log"
	: >"$1.times"
	while IFS= read -r line || [ -n "$line" ]; do
		line=${line%$'\r'}
		printf '%s\n' "$line" >>"$1.log"
		printf '%s %s\n' "$EPOCHREALTIME" "$line" >>"$1.times"
	done
}

# boot NAME ARGUMENTS...: until the machine is off or LIMIT is over; its console
# is $LOGS/NAME.log, with times NAME.times; what is typed there is standard
# input.  WHILE_ON is called with the console's file and the pid of its parent.
boot() {
	local log=$LOGS/$1 out keeper rc

	shift
	exec {out}> >(keep_console "$log")
	keeper=$!
	timeout -k 5 "$LIMIT" "$QEMU" -accel tcg "${MACHINE[@]}" -smp 2 \
	    -m 2560 -display none -serial stdio -monitor "${MONITOR:-none}" \
	    -no-reboot -nic none -vga none "$@" >&"$out" 2>&1 <&0 &
	QEMU_PID=$!
	exec {out}>&-
	[ -z "${WHILE_ON:-}" ] || "$WHILE_ON" "$log.log" "$QEMU_PID"
	# Silently, where its power was cut.
	wait "$QEMU_PID" 2>/dev/null
	rc=$?
	QEMU_PID=
	wait "$keeper"
	return "$rc"
}

# boot_initrd NAME DIR APPEND: a machine of that tree
boot_initrd() {
	pack "$2" "$T/initrd" &&
	    boot "$1" -kernel "$KERNEL" -initrd "$T/initrd" \
	    -append "$KERNEL_WORDS $3"
}

# told NAME CASE...: what the machine's console says of each
told() {
	local log=$LOGS/$1.log prefix=$1 name bad=0 line

	shift
	for name; do
		line=$(grep -E -m 1 "^(ok|not ok|skipped) $name(:|\$)" "$log")
		case $line in
		skipped*) echo "# skipped: $prefix/${line#skipped }" ;;
		ok*) echo "ok $prefix/$name" ;;
		not*) echo "not ok $prefix/${line#not ok }" ;;
		*) echo "not ok $prefix/$name: the machine did not come there" ;;
		esac
		case $line in ok* | skipped*) ;; *) bad=1 ;; esac
	done
	[ "$bad" = 0 ] || sed 's/^/    /' "$log" | tail -n 200
	return "$bad"
}
