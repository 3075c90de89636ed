#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All tests against a real containerd and a real runsc, as root.
# SHIM=... takes another shim, RUNSC=... and CONTAINERD_BIN=... other programs
# (lib.sh), SCRIPTS="script script" and ONLY="case case" some of the cases,
# LOOPS=1000 the long loop.

dir=$(dirname "$0")
# shellcheck source=tests/real/lib.sh
. "$dir/lib.sh"
have_all || exit 1
passed=0
failed=0
child=
out=$(mktemp) || exit 1
# The script that runs cleans up what it made; wait for it.
trap 'rm -f "$out"' EXIT
trap '[ -z "$child" ] || { kill "$child"; wait "$child"; }; exit 130' INT TERM
for script in ${SCRIPTS:-basic tasks stdio pod rootfs limits checkpoint crash \
    left others status says many late shimctl}; do
	: >"$out"
	"$dir/$script.sh" > >(tee "$out") &
	child=$!
	wait "$child"
	rc=$?
	child=
	sleep 0.2
	p=$(grep -c '^ok ' "$out")
	f=$(grep -c '^not ok ' "$out")
	# One that did not even get to its cases has failed too.
	[ "$rc" = 0 ] || [ "$f" != 0 ] || f=1
	passed=$((passed + p))
	failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
