#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What runsc makes on the host, outside the state that it knows of.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

root_dirs() {
	find "/run/containerd/runsc/$NS" -mindepth 1 2>/dev/null | wc -l
}

pinned() {
	grep -c "/$NS/.*null-netns" /proc/self/mountinfo
}

# 13.8: after any number of containers there is no network namespace and no
# directory for each of them.
case_netns() {
	local i

	for i in 1 2 3 4 5; do
		run_fg "nn$i" true || why "number $i failed"
	done
	is "namespaces mounted" "$(pinned)" 0
	is "files in runsc's root" "$(root_dirs)" 0
	nothing_left
}

# 13.8: the verb too.
case_netns_shim_killed() {
	run_bg nk sleep 100 || why "it did not start"
	kill -9 "$(shim_pid nk)"
	until_true 10 no_task nk
	c task delete nk >/dev/null 2>&1
	c container delete nk
	until_true 10 test ! -e "/run/containerd/runsc/$NS/nk" ||
	    why "its root is still there"
	is "namespaces mounted" "$(pinned)" 0
	nothing_left
}

# 13.8: what shims before this one have left goes with the next container.
case_netns_older() {
	local d=/run/containerd/runsc/$NS/older

	mkdir -p "$d"
	: >"$d/null-netns"
	mount --bind /proc/self/ns/net "$d/null-netns" || why "no mount"
	run_fg no true || why "it failed"
	is "namespaces mounted" "$(pinned)" 0
	is "files in runsc's root" "$(root_dirs)" 0
	nothing_left
}

# Pids of the `runsc create`s.
creates() {
	local pid

	for pid in $(our_pids); do
		tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" |
		    grep -qx create && echo "$pid"
	done
}

is_creating() {
	[ -n "$(creates)" ]
}

no_filestore() {
	[ "$(filestores)" = 0 ]
}

no_task() {
	[ -z "$(status "$1")" ]
}

# kill_it create|shim
kill_it() {
	local pid

	case $1 in
	create) pid=$(creates) ;;
	*) pid=$(shim_here) ;;
	esac
	# shellcheck disable=SC2086 # there may be none, or two
	[ -z "$pid" ] || kill -9 $pid 2>/dev/null
}

filestores() {
	find "$ROOTFS" -maxdepth 1 -name '.gvisor.*' | wc -l
}

# 13.9: a create that is cut short at any point, by its end or the shim's;
# the same container is then created again.
case_filestore() {
	local ms who pid

	for who in create shim; do
		for ms in 30 60 90; do
			run_fg fs true >/dev/null 2>&1 &
			pid=$!
			until_true 5 is_creating
			sleep "0.0$ms"
			kill_it "$who"
			wait "$pid"
			until_true 10 no_task fs
			c task delete fs >/dev/null 2>&1
			c container delete fs >/dev/null 2>&1
			until_true 10 no_filestore ||
			    why "$who, $ms ms: a filestore is left"
			# containerd's `delete` of the dead shim may be
			# under way still.
			nothing_left
			run_fg fs true || why "$who, $ms ms: not again"
		done
	done
	nothing_left
}

cgroups_of() {
	find /sys/fs/cgroup -type d -path "*/$NS-$1" | wc -l
}

no_cgroup() {
	[ "$(cgroups_of "$1")" = 0 ]
}

# 13.10: the verb removes the cgroup of a create that was cut short by its name,
# which need not be the container's; one that was there before stays.
case_cgroup_of_another_name() {
	local ms pid d

	for ms in 30 60 90; do
		used cn
		run --rm --cgroup "/$NS-odd" --rootfs "$ROOTFS" cn true \
		    >/dev/null 2>&1 &
		pid=$!
		until_true 5 is_creating
		sleep "0.0$ms"
		kill_it shim
		wait "$pid"
		until_true 10 no_task cn
		c task delete cn >/dev/null 2>&1
		c container delete cn >/dev/null 2>&1
		until_true 10 no_cgroup odd || why "$ms ms: a cgroup is left"
		nothing_left
	done
	d=$(find /sys/fs/cgroup -maxdepth 1 -name memory)
	mkdir "${d:=/sys/fs/cgroup}/$NS-mine"
	used cm
	run --rm --cgroup "/$NS-mine" --rootfs "$ROOTFS" cm true >/dev/null 2>&1 &
	pid=$!
	until_true 5 is_creating
	kill_it shim
	wait "$pid"
	until_true 10 no_task cm
	c task delete cm >/dev/null 2>&1
	c container delete cm >/dev/null 2>&1
	nothing_left
	[ -d "$d/$NS-mine" ] || why "one that was there before is gone"
	find /sys/fs/cgroup -depth -type d -path "*/$NS-mine" -exec rmdir {} +
}

# 13.12: the socket for a terminal is nowhere but in the bundle.
case_terminal() {
	local old pid

	old=$(find /run /tmp -maxdepth 1 -name 'runsc-pty*' | wc -l)
	c_tty run --runtime "$SHIM" "${CONF[@]}" --fifo-dir "$T/fifo" --rm -t \
	    --rootfs "$ROOTFS" tt sleep 100 >/dev/null 2>&1 &
	pid=$!
	used tt
	until_true 5 is_creating
	kill_it shim
	wait "$pid"
	until_true 10 no_task tt
	c task delete tt >/dev/null 2>&1
	c container delete tt >/dev/null 2>&1
	is "directories of terminals" "$(find /run /tmp -maxdepth 1 \
	    -name 'runsc-pty*' | wc -l)" "$old"
	nothing_left
}

begin
run_cases
