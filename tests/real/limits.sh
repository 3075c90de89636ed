#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Figures, limits, and what happens at them.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

# The value of a field of `ctr task metrics`.
metric() {
	c task metrics --format json "$1" |
	    sed -n "s/^ *\"$2\": \([0-9][0-9]*\).*/\1/p" | head -1
}

# CPU time of `me` is counted, and goes on.
is_busy() {
	[ "$(metric me total)" -gt 100000000 ]
}

case_metrics() {
	is_runsc || return 0
	run_bg me sh -c 'while :; do :; done' || why "it did not start"
	c task metrics me >"$T/metrics" || why "no metrics"
	until_true 60 is_busy || why "CPU time stays at $(metric me total) ns"
	[ "$(metric me usage)" -gt 100000 ] || why "memory is $(metric me usage)"
	gone me
	nothing_left
}

case_oom() {
	is_runsc || return 0
	events_begin
	run --rm --rootfs --memory-limit 60000000 "$ROOTFS" om tail /dev/zero \
	    >/dev/null 2>&1
	is status $? 137
	used om
	until_true 5 grep -q /tasks/delete "$T/events"
	is "events at the end" "$(grep -o '/tasks/[a-z]*' "$T/events" |
	    tr '\n' ' ')" \
	    "/tasks/create /tasks/start /tasks/oom /tasks/exit /tasks/delete "
	events_end
	nothing_left
}

# Bytes that the cgroup of process $1 may hold.
memory_limit() {
	local path

	path=$(sed -n 's/^[0-9]*:memory://p' "/proc/$1/cgroup")
	cat "/sys/fs/cgroup/memory$path/memory.limit_in_bytes" 2>/dev/null ||
	    cat "/sys/fs/cgroup$(sed -n 's/^0:://p' \
	        "/proc/$1/cgroup")/memory.max"
}

annotated() {
	used "$1"
	run -d --rootfs --annotation io.kubernetes.cri.sandbox-id="$1" \
	    --annotation io.kubernetes.cri.container-type=sandbox \
	    --annotation io.kubernetes.cri.sandbox-memory=67108864 \
	    "$ROOTFS" "$1" sleep 1000 </dev/null || why "$1 did not start"
}

# A limit that only CRI's annotation tells of, unless that is not wanted.
case_annotated_limit() {
	is_runsc || return 0
	annotated al
	is "its limit" "$(memory_limit "$(task_pid al)")" 67108864
	gone al
	cp "$T/runsc.toml" "$T/runsc.toml.was"
	{ echo "sandbox_limits = false"; cat "$T/runsc.toml.was"; } \
	    >"$T/runsc.toml"
	annotated an
	mv "$T/runsc.toml.was" "$T/runsc.toml"
	[ "$(memory_limit "$(task_pid an)")" != 67108864 ] ||
	    why "a limit where none is wanted"
	gone an
	nothing_left
}

# What is killed for another reason did not run out of memory.
case_no_oom() {
	is_runsc || return 0
	events_begin
	run_fg no sh -c 'kill -9 $$'
	is status $? 137
	until_true 5 grep -q /tasks/delete "$T/events"
	! grep -q oom "$T/events" || why "an OOM is told"
	events_end
	nothing_left
}

case_shim_cgroup() {
	local dir pid

	is_runsc || return 0
	{ echo "shim_cgroup = \"/$NS-shim\""; cat "$T/runsc.toml"; } >"$T/cg.toml"
	CONF=(--runtime-config-path "$T/cg.toml")
	! run_bg sc sleep 100 2>"$T/err" || why "a cgroup that is not there"
	has "the error" "$(cat "$T/err")" "shim_cgroup /$NS-shim"
	c container delete sc 2>/dev/null
	nothing_left
	dir=$(find /sys/fs/cgroup -maxdepth 1 -name memory)
	mkdir "${dir:=/sys/fs/cgroup}/$NS-shim"
	run_bg sc sleep 100 || why "it did not start"
	pid=$(shim_pid sc)
	grep -q "/$NS-shim\$" "/proc/$pid/cgroup" || why "the shim is not in it"
	! grep -q "/$NS-shim\$" "/proc/$(task_pid sc)/cgroup" ||
	    why "the sandbox is in it"
	gone sc
	nothing_left
	rmdir "$dir/$NS-shim"
	CONF=(--runtime-config-path "$T/runsc.toml")
}

begin
run_cases
