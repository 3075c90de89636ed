#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Limits, figures and ends in cgroups of version V, 1 or 2, on a kernel that
# has no other: one table for both. `at` names the file and the value of
# either; "-" is what that version has not.
# shellcheck source=tests/vm/guest/lib.sh
. /etc/vm/lib.sh

ROOT=/sys/fs/cgroup
ALL='"memory": { "limit": 268435456, "swap": 402653184,
	"reservation": 67108864 },
    "cpu": { "shares": 512, "quota": 50000, "period": 100000, "cpus": "0",
	"mems": "0" },
    "pids": { "limit": 200 },
    "blockIO": { "throttleReadBpsDevice": [ { "major": 1, "minor": 0,
	"rate": 1048576 } ] }'
HUGE='"hugepageLimits": [ { "pageSize": "2MB", "limit": 4194304 } ]'
UNIFIED='"unified": { "memory.high": "134217728" }'

# path CGROUP FILE: in version 1, its controller's hierarchy is the name of
# the file's directory.
path() {
	case $V in
	1) echo "$ROOT/${2%%/*}$1/${2##*/}" ;;
	2) echo "$ROOT$1/$2" ;;
	esac
}

# at V1-FILE VALUE V2-FILE VALUE: of the container that is looked at, $C
at() {
	if [ "$V" = 1 ]; then
		set -- "$1" "$2"
	else
		set -- "$3" "$4"
	fi
	[ "$1" = - ] || is "$1" "$(cat "$(path "/machine/$C" "$1")")" "$2"
}

memory() {
	at memory/memory.limit_in_bytes "$1" memory.max "$1"
}

# Memory and swap together, and swap alone.
swap() {
	at memory/memory.memsw.limit_in_bytes "$1" memory.swap.max "$2"
}

quota() {
	at cpu/cpu.cfs_quota_us "$1" cpu.max "$1 $2" &&
	    at cpu/cpu.cfs_period_us "$2" - -
}

NO_LIMIT=9223372036854771712	# of version 1

# -- what config.json says ------------------------------------------------

case_create() {
	C=c1
	RES="$ALL"
	[ "$V$YEAR" = 22026 ] && RES="$RES, $UNIFIED"
	[ "$V" = 2 ] || RES="$RES, $HUGE"
	begin c1
	RES=''
}
case_memory() { memory 268435456; }
case_reservation() {
	at memory/memory.soft_limit_in_bytes 67108864 memory.low 67108864
}
case_swap() { swap 402653184 134217728; }
case_cpu_shares() { at cpu/cpu.shares 512 cpu.weight 20; }
case_cpu_quota() { quota 50000 100000; }
case_cpuset_cpus() { at cpuset/cpuset.cpus 0 cpuset.cpus 0; }
case_cpuset_mems() { at cpuset/cpuset.mems 0 cpuset.mems 0; }
case_pids() { at pids/pids.max 200 pids.max 200; }
case_hugetlb() {
	[ "$V" = 1 ] || skip "runsc writes to version 1's file, and fails"
	at hugetlb/hugetlb.2MB.limit_in_bytes 4194304 - -
}
case_io() {
	at blkio/blkio.throttle.read_bps_device "1:0 1048576" \
	    io.max "1:0 rbps=1048576 wbps=max riops=max wiops=max"
}
case_unified() {
	case $V$YEAR in
	1*) skip "version 1 has nothing like it" ;;
	22022) skip "that runsc does not know it" ;;
	*) at - - memory.high 134217728 ;;
	esac
}
case_sandbox_is_in_it() {
	local procs pid

	procs=$(cat "$(path /machine/c1 memory/cgroup.procs)" 2>/dev/null ||
	    cat "$ROOT/machine/c1/cgroup.procs")
	pid=$(shimctl state c1 | sed -n 's/^pid: //p')
	has "what is in the cgroup" " $(echo "$procs" | tr '\n' ' ')" " $pid "
}

# -- Update -----------------------------------------------------------------

# to RESOURCES
to() {
	update c1 "{ $1 }" 2>/tmp/err || why "no Update: $(cat /tmp/err)"
}

case_update_memory_up() {
	to '"memory": { "limit": 335544320, "swap": 536870912 }' &&
	    memory 335544320 && swap 536870912 201326592
}
case_update_memory_down() {
	to '"memory": { "limit": 268435456, "swap": 301989888 }' &&
	    memory 268435456 && swap 301989888 33554432
}
case_update_swap_alone() {
	to '"memory": { "swap": 536870912 }' && memory 268435456 &&
	    swap 536870912 268435456
}
case_update_memory_alone() {
	to '"memory": { "limit": 201326592 }' && memory 201326592
}
case_update_reservation() {
	to '"memory": { "reservation": 33554432 }' &&
	    at memory/memory.soft_limit_in_bytes 33554432 memory.low 33554432
}
case_update_cpu_quota() {
	to '"cpu": { "quota": 80000, "period": 200000 }' && quota 80000 200000
}
case_update_quota_alone() {
	to '"cpu": { "quota": 60000 }' && quota 60000 200000
}
case_update_cpu_shares() {
	to '"cpu": { "shares": 2048 }' && at cpu/cpu.shares 2048 cpu.weight 79
}
case_update_cpuset() {
	to '"cpu": { "cpus": "0-1" }' &&
	    at cpuset/cpuset.cpus 0-1 cpuset.cpus 0-1
}
case_update_pids() {
	to '"pids": { "limit": 300 }' && at pids/pids.max 300 pids.max 300
}
case_update_no_memory_limit() {
	to '"memory": { "limit": -1, "swap": -1 }' &&
	    at memory/memory.limit_in_bytes "$NO_LIMIT" memory.max max &&
	    at memory/memory.memsw.limit_in_bytes "$NO_LIMIT" \
	    memory.swap.max max
}

# -- figures ------------------------------------------------------------------

figure() {
	number "$1" "$(shimctl stats c1)"
}

case_stats_memory() {
	local f got

	f=$(path /machine/c1 memory/memory.usage_in_bytes)
	[ "$V" = 1 ] || f=$(path /machine/c1 memory.current)
	got=$(figure memory.usage)
	f=$(cat "$f")
	between memory.usage $((${f:-0} * 9 / 10)) "$got" \
	    $((${f:-0} * 11 / 10))
}
case_stats_limit() {
	to '"memory": { "limit": 402653184 }' &&
	    is memory.limit "$(figure memory.limit)" 402653184
}
# Of which the file grows meanwhile.
case_stats_cpu() {
	local low got

	if [ "$V" = 1 ]; then
		low=$(cat "$(path /machine/c1 cpuacct/cpuacct.usage)")
		got=$(figure cpu.total_ns)
		between cpu.total_ns "$low" "$got" \
		    "$(cat "$(path /machine/c1 cpuacct/cpuacct.usage)")"
	else
		low=$(number usage_usec "$(cat "$ROOT/machine/c1/cpu.stat")")
		got=$(figure cpu.total_us)
		between cpu.total_us "$low" "$got" \
		    "$(number usage_usec "$(cat "$ROOT/machine/c1/cpu.stat")")"
	fi
}
case_stats_pids() {
	local got

	is pids.limit "$(figure pids.limit)" 300
	got=$(figure pids.current)
	between pids.current 1 "$got" 20
}

# -- freezing -----------------------------------------------------------------

case_pause() {
	shimctl pause c1 || why "no Pause"
	status_is c1 paused || why "it is not paused"
	shimctl stats c1 >/dev/null || why "no figures of what is paused"
	shimctl resume c1 || why "no Resume"
	is exec "$(shimctl exec c1 /bin/echo on)" on
}
# As an operator freezes it, below the shim, which answers and can kill.
case_frozen() {
	local f v=FROZEN

	f=$(path /machine/c1 freezer/freezer.state)
	if [ "$V" = 2 ]; then
		f=$ROOT/machine/c1/cgroup.freeze v=1
	elif [ ! -e "$f" ]; then
		mkdir -p "${f%/*}"
		for p in $(cat "$(path /machine/c1 memory/cgroup.procs)"); do
			echo "$p" >"${f%/*}/cgroup.procs"
		done
	fi
	echo "$v" >"$f" || why "it cannot be frozen"
	status_is c1 running || why "no State of what is frozen"
}
runscs() {
	for p in /proc/[0-9]*/exe; do
		readlink "$p"
	done | grep -c runsc
}
# What the sandbox would have to answer fails after command_timeout, each for
# itself, and the shim answers others meanwhile.
case_frozen_asked() {
	local stats signal before

	before=$(runscs)
	shimctl stats c1 >/dev/null 2>/tmp/stats &
	stats=$!
	shimctl kill c1 TERM 2>/tmp/signal &
	signal=$!
	status_is c1 running || why "no State while others wait"
	! wait "$stats" || why "figures of what is frozen"
	! wait "$signal" || why "a signal to what is frozen"
	has "what Stats says" "$(cat /tmp/stats)" "did not answer within"
	has "what Kill says" "$(cat /tmp/signal)" "did not answer within"
	is "processes of runsc" "$(runscs)" "$before"
	status_is c1 running || why "no State after them"
}
# Nobody in there takes a signal: kill_timeout ends the sandbox.
case_frozen_kill() {
	shimctl kill c1 KILL 2>/tmp/err &
	[ "$V" = 2 ] || {
		sleep 5
		echo THAWED >"$(path /machine/c1 freezer/freezer.state)"
	}
	is status "$(shimctl wait c1)" 137
	wait "$!" || why "Kill: $(cat /tmp/err)"
}
case_cgroup_removed() {
	shimctl delete c1 >/dev/null || why "no delete"
	is left "$(find $ROOT -type d -name c1 -not -path '*freezer*')" ""
	rmdir "$ROOT/freezer/machine/c1" "$ROOT/freezer/machine" 2>/dev/null
	until_true 10 no_shims || why "a shim is left"
}

# -- its end ----------------------------------------------------------------

# TaskOOM comes first, then TaskExit, both with the container's id.
case_oom() {
	local got

	RES='"memory": { "limit": 83886080, "swap": 83886080 }'
	bundle o '"/bin/dd", "if=/dev/zero", "of=/tmp/x", "bs=1M"'
	RES=''
	shimctl run --events --config "$CONF" /b/o o >/tmp/out 2>&1
	is status $? 137
	got=$(sed -n 's/.*\(\/tasks\/[a-z]*\) \([a-z0-9]*\).*/\1 \2/p' \
	    /tmp/out | tr '\n' ' ')
	is events "$got" \
	    "/tasks/create o /tasks/start o /tasks/oom o /tasks/exit o /tasks/delete o "
	has events "$(cat /tmp/out)" "status=137"
	is left "$(find $ROOT -type d -name o)" ""
}

# -- a pod --------------------------------------------------------------------

UID_=0d7e3f2a-8b1c-4d5e-9f60-1a2b3c4d5e6f
POD=/kubepods/burstable/pod$UID_

case_pod_create() {
	local d

	# A kubelet makes the pod's, with its limits.
	if [ "$V" = 1 ]; then
		for d in "$ROOT"/*/; do
			mkdir -p "$d$POD"
		done
		echo 536870912 >"$ROOT/memory$POD/memory.limit_in_bytes"
	else
		mkdir -p "$ROOT$POD"
		for d in "" /kubepods /kubepods/burstable; do
			echo "+cpu +memory +pids" \
			    >"$ROOT$d/cgroup.subtree_control"
		done
		echo 536870912 >"$ROOT$POD/memory.max"
	fi
	CGROUP=$POD/p1
	NOTES='"io.kubernetes.cri.container-type": "sandbox",
	    "io.kubernetes.cri.sandbox-id": "p1"'
	begin p1
	CGROUP=$POD/p2
	NOTES='"io.kubernetes.cri.container-type": "container",
	    "io.kubernetes.cri.sandbox-id": "p1"'
	begin p2
	CGROUP='' NOTES=''
}
case_pod_cgroup() {
	local got

	got=$(sed -n 's/^.*:memory://p; s/^0:://p' \
	    "/proc/$(shimctl state p1 | sed -n 's/^pid: //p')/cgroup" |
	    head -n 1)
	# Version 2's takes no process, since it has the containers' below.
	if [ "$V" = 1 ]; then
		is "where the sandbox is" "$got" "$POD"
	else
		is "where the sandbox is" "$got" "$POD/p1"
	fi
}
case_pod_limit() {
	is "the pod's limit" "$(cat "$ROOT/memory$POD/memory.limit_in_bytes" \
	    2>/dev/null || cat "$ROOT$POD/memory.max")" 536870912
	[ "$V" = 2 ] || is memory.limit \
	    "$(number memory.limit "$(shimctl stats p1)")" 536870912
}
# Of CPU time each has its part of what the sandbox has taken; the runsc of 2022
# tells all memory and processes of the sandbox for each, that of 2026 none.
case_pod_stats() {
	local id text before after all low=0

	[ "$YEAR" != 2022 ] || low=1
	before=$(number "$CPU" "$(shimctl stats p2)")
	shimctl exec p2 /bin/sh -c \
	    'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done'
	for id in p1 p2; do
		text=$(shimctl stats $id 2>&1) || why "$id: $text"
		between "$id: pids.current" 1 \
		    "$(number pids.current "$text")" 2
		between "$id: memory.usage" "$low" \
		    "$(number memory.usage "$text")" 536870912
		after=$(number "$CPU" "$text")
		all=$((${all:-0} + ${after:-0}))
	done
	[ "${after:-0}" -gt "${before:-0}" ] ||
	    why "CPU time of p2: $before, and then $after"
	if [ "$V" = 1 ]; then
		before=$(cat "$ROOT/cpuacct$POD/cpuacct.usage")
	else
		before=$(number usage_usec "$(cat "$ROOT$POD/cpu.stat")")
	fi
	between "CPU time of both" 1 "$all" "$before"
}
case_pod_end() {
	gone p2
	gone p1
	is left "$(find $ROOT -type d -name 'p[12]')" ""
	[ -n "$(find $ROOT -type d -name "pod$UID_")" ] ||
	    why "the pod's own cgroup, which is the kubelet's, is gone"
	until_true 10 no_shims || why "a shim is left"
}
# A plain container is in no pod, whatever its cgroup's path.
case_not_a_pod() {
	RES='"memory": { "limit": 268435456 }'
	CGROUP=/pods/b
	begin b
	RES='' CGROUP=''
	is "its limit" "$(cat $ROOT/memory/pods/b/memory.limit_in_bytes \
	    2>/dev/null || cat $ROOT/pods/b/memory.max)" 268435456
	has "where the sandbox is" "$(cat "/proc/$(shimctl state b |
	    sed -n 's/^pid: //p')/cgroup")" :/pods/b
	gone b
	is left "$(find $ROOT -type d -path '*/pods/b')" ""
}

V=$(sed -n 's/.*cgroups=\([12]\).*/\1/p' /proc/cmdline)
YEAR=$(sed -n 's/.*runsc=\([0-9]*\).*/\1/p' /proc/cmdline)
CPU=cpu.total_us
[ "$V" = 2 ] || CPU=cpu.total_ns
cat >"$CONF" <<END
kill_timeout = 5
command_timeout = 10
[runsc_config]
  network = "none"
END
insmod /etc/vm/brd.ko rd_nr=1 rd_size=1024 ||
    echo "# no block device to limit"
if [ "$V" = 1 ]; then
	mount -t tmpfs cgroup $ROOT
	for c in cpu cpuacct cpuset memory pids blkio hugetlb freezer devices
	do
		mkdir "$ROOT/$c"
		mount -t cgroup -o "$c" "$c" "$ROOT/$c" ||
		    rmdir "$ROOT/$c"
	done
	# As hosts have it whose programs make them: what is below an empty
	# one cannot be set.
	mkdir "$ROOT/cpuset/machine"
	echo 0-1 >"$ROOT/cpuset/machine/cpuset.cpus"
	echo 0 >"$ROOT/cpuset/machine/cpuset.mems"
else
	mount -t cgroup2 cgroup2 $ROOT
	echo "# controllers: $(cat $ROOT/cgroup.controllers)"
fi
run_cases /etc/vm/main.sh
poweroff -f
