#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All machines, one after the other, and the sum of what they say. What cannot
# run here is listed by name. MACHINES="initramfs-2026 cgroup2-2022" for some,
# LOOPS=100 for what stands still once in a hundred boots.

dir=$(dirname "$0")
# shellcheck source=tests/sum.sh
. "$dir/../sum.sh"
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
	summed bash "$dir/$1.sh" "${@:2}"
	echo "# $machine: $((SECONDS - began)) s"
done
sum_up
