#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything, as CI runs it: what can be said without running, the tests
# without root, the same under sanitizers and valgrind, with faults, the model,
# a short soak, those with real containerd and runsc, another architecture and
# the package; then the targets given.
# Ends with the time of each part and the sum.

make=${MAKE:-make}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0
times=

part() {
	echo "== make $*"
	began=$(date +%s)
	"$make" "$@" >"$log" 2>&1
	rc=$?
	took=$(($(date +%s) - began))
	cat "$log"
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
	p=${line%% passed*}
	f=${line##*passed, }
	f=${f%% failed*}
	# A part that ended without its sum has failed.
	[ -n "$line" ] || { p=0; f=1; }
	[ "$rc" = 0 ] || [ "$f" != 0 ] || f=1
	passed=$((passed + p))
	failed=$((failed + f))
	times="$times$(printf '%5d s  make %s: %d passed, %d failed' \
	    "$took" "$*" "$p" "$f")
"
}

part lint
part analyze
part check
part check-asan
part check-fault
part check-valgrind
part coverage
part check-model
part check-soak
part check-real
part check-real-modern
part check-initramfs
part check-aarch64
part deb
# Those that take two minutes; all of them, eight: make check-vm.
part check-vm MACHINES="initramfs-2026 cgroup2-2022 cgroup1-2022" DEB=none
for target in "$@"; do
	part "$target"
done
printf '%s' "$times"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
