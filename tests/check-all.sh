#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything, as CI runs it: the build with every compiler, the tests without
# root, the same under ASAN and UBSAN, and those with real containerd and
# runsc; then the targets given. Ends with the sum.

make=${MAKE:-make}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0

part() {
	echo "== make $*"
	"$make" "$@" >"$log" 2>&1
	rc=$?
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
}

part lint
part check
part check-asan
part check-real
part check-initramfs
for target in "$@"; do
	part "$target"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
