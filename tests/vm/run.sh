#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All machines, one after the other, and the sum of what they say. What cannot
# run here is listed by name. MACHINES="initramfs-2026 cgroup2-2022" for some,
# LOOPS=100 for what stands still once in a hundred boots.

dir=$(dirname "$0")
passed=0
failed=0
child=
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
trap '[ -z "$child" ] || { kill "$child"; wait "$child"; }; exit 130' INT TERM
machines=${MACHINES:-initramfs-2022 initramfs-2024 initramfs-2026 \
    cgroup2-2022 cgroup2-2026 cgroup1-2022 debian cut arm64}
for machine in $(for ((i = 0; i < ${LOOPS:-1}; i++)); do echo "$machines"; done)
do
	case $machine in
	cgroup*) set -- cgroup "${machine:6:1}" "${machine#*-}" ;;
	*-*) set -- "${machine%-*}" "${machine#*-}" ;;
	*) set -- "$machine" ;;
	esac
	began=$SECONDS
	: >"$out"
	bash "$dir/$1.sh" "${@:2}" > >(tee "$out") &
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
	echo "# $machine: $((SECONDS - began)) s"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
