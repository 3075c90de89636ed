#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Machines, one after the other, and the sum of what they say: those of every
# run, with FULL=1 all.  What does not run is listed by name.
# MACHINES="initramfs-2026 cgroup2-2022" for some; LOOPS=100 for what stands
# still once in a hundred boots, ONLY="create stats_cpu" for as little as shows
# it: the console of each that fails is kept.

dir=$(dirname "$0")
# shellcheck source=tests/sum.sh
. "$dir/../sum.sh"
logs=${LOGS:-$dir/../../build/vm}
machines=${MACHINES:-initramfs-2026 cgroup2-2022 cgroup2-2026 debian arm64}
full="initramfs-2022 initramfs-2024 cgroup1-2022 cut"
left=
if [ -z "${MACHINES:-}" ]; then
	[ -n "${FULL:-}" ] && machines="$machines $full" || left=$full
fi
for ((i = 1; i <= ${LOOPS:-1}; i++)); do
	for machine in $machines; do
		case $machine in
		cgroup*) set -- cgroup "${machine:6:1}" "${machine#*-}" ;;
		*-*) set -- "${machine%-*}" "${machine#*-}" ;;
		*) set -- "$machine" ;;
		esac
		began=$SECONDS
		before=$failed
		summed bash "$dir/$1.sh" "${@:2}"
		echo "# $machine: $((SECONDS - began)) s"
		[ "${LOOPS:-1}" = 1 ] || [ "$failed" = "$before" ] ||
		    cp "$logs/$machine.log" "$logs/$machine.failed-$i.log"
	done
done
for machine in $left; do
	echo "# not run: $machine, which is for FULL=1"
done
[ "${LOOPS:-1}" = 1 ] || echo "# boots: ${LOOPS} of each of: $machines"
sum_up
