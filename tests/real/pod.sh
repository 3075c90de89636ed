#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A pod of three containers, without Kubernetes: what runs, how its containers
# end, and what a runsc is started for, with the sandbox asked over its control
# socket (auto, and on: nothing else) and never (off).
# RUNSC=/path takes another runsc than that on PATH.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"
RUNSC=${RUNSC:-$(command -v runsc)}
CRI=io.kubernetes.cri
# The sandbox of runsc 20221219 listens at a name that the whole host shares.
P=p$$
Q=q$$

# conf MODE [LINE]: what the next containers get for a runsc.toml.  Their runsc
# writes its command down, and becomes the real one.
conf() {
	mkdir -p "$T/bin"
	cat >"$T/bin/runsc" <<-E
	#!/bin/sh
	for a; do case \$a in -*) ;; *) echo "\$a"; break ;; esac; done >>$T/calls
	exec $RUNSC "\$@"
	E
	chmod +x "$T/bin/runsc"
	cat >"$T/runsc.toml" <<-E
	binary_name = "$T/bin/runsc"
	control_socket = "$1"
	${2:-}
	[runsc_config]
	  network = "none"
	E
	: >"$T/calls"
	: >"$T/ctd/log"
}

# pod ID FLAGS...
pod() {
	local id=$1

	shift
	used "$id"
	run -d --rootfs --annotation $CRI.container-type=sandbox \
	    --annotation $CRI.sandbox-id="$id" "$@" "$(rootfs "$id")" "$id" \
	    sleep 1000 </dev/null || why "the pod $id did not start"
}

# sub POD FLAGS... -- ID COMMAND...
sub() {
	local pod=$1 flags=()

	shift
	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	used "$1"
	run -d --rootfs --annotation $CRI.container-type=container \
	    --annotation $CRI.sandbox-id="$pod" "${flags[@]}" \
	    "$(rootfs "$1")" "$@" </dev/null || why "$1 did not start"
}

# Names of all processes of the pod, sorted: "NUMBER NAME,...".  The sandbox
# has children to run the containers' code in, which are not our business.
processes() {
	local pid sandbox

	sandbox=$(task_pid "$P")
	for pid in $(our_pids); do
		grep -q "^PPid:.$sandbox\$" "/proc/$pid/status" 2>/dev/null ||
		    tr '\0' '\n' <"/proc/$pid/cmdline" | head -n 1 |
		    sed 's|.*/||'
	done | grep -vx -e ctr -e timeout | sort | uniq -c | awk '
	    { printf "%s%s %s", sep, $1, $2; sep = "," }'
}

processes_are() {
	[ "$(processes)" = "$1" ]
}

only() {
	until_true 5 processes_are "$1" || why "there is $(processes)"
}

ends_with() {
	until_true 10 is_status "$1" STOPPED || why "$1 did not stop"
	is "status of $1" "$(delete_status "$1")" "$2"
	c container delete "$1"
}

calls() {
	sort "$T/calls" | uniq -c | awk '{ printf "%s%s %s", sep, $1, $2
	    sep = "," }'
}

is_running() {
	is "status of $1" "$(status "$1")" RUNNING
}

life() {
	local waits=

	[ "$1" != off ] || waits="2 runsc,"
	conf "$1"
	pod "$P"
	sub "$P" -- a sleep 1000
	sub "$P" -- b sh -c 'trap "exit 3" USR1; while :; do sleep 0.1; done'
	only "1 containerd-shim-runsc-v1,${waits}3 runsc-gofer,1 runsc-sandbox"
	# What containerd does now and then.
	is "pids of a" "$(c task ps a | tail -n +2 | wc -l)" 1
	is "an exec" "$(ex --exec-id x a sh -c 'echo out; exit 5'; echo $?)" \
	    "out
5"
	ex -d --exec-id y a sleep 999 || why "exec -d failed"
	is "pids of a" "$(c task ps a | tail -n +2 | wc -l)" 2
	c task kill --exec-id y -s KILL a || why "kill --exec-id failed"
	is "status of the exec" "$(delete_status --exec-id y a)" 137
	# It would be that of b and of the pod's first, too.
	has "a pause" "$(c task pause a 2>&1)" "whole sandbox"
	is_running a
	is_running b
	c task kill -s USR1 b || why "kill failed"
	ends_with b 3
	c task kill -a -s KILL a || why "kill -a failed"
	ends_with a 137
	is_running "$P"
	gone "$P"
	[ "$1" = off ] || is "times that runsc was asked instead" "$(grep -c \
	    'control socket' "$T/ctd/log")" 0
	nothing_left
}

statuses() {
	local i want

	conf "$1"
	pod "$P"
	sub "$P" -- s0 true
	sub "$P" -- s7 sh -c 'exit 7'
	sub "$P" -- sl sh -c 'sleep 0.7; exit 255'
	sub "$P" -- sk sh -c 'kill -9 $$'
	sub "$P" -- st sleep 1000
	sub "$P" -- sn sleep 1000
	c task kill -s TERM st || why "kill failed"
	c task kill -s KILL sn || why "kill failed"
	for i in s0:0 s7:7 sl:255 sk:137 st:143 sn:137; do
		want=${i#*:}
		ends_with "${i%:*}" "$want"
	done
	gone "$P"
	nothing_left
}

# The sandbox is killed: so was all in it.
sandbox_killed() {
	conf "$1"
	pod "$P"
	sub "$P" -- a sleep 1000
	sub "$P" -- b sleep 1000
	kill -9 "$(task_pid "$P")"
	ends_with a 137
	ends_with b 137
	ends_with "$P" 137
	nothing_left
}

# The root container ends before the others.
root_first() {
	local start

	conf "$1"
	pod "$P"
	sub "$P" -- a sleep 1000
	start=$SECONDS
	c task kill -s KILL "$P" || why "kill failed"
	ends_with "$P" 137
	ends_with a 137
	in_time "$start"
	nothing_left
}

in_pod_processes() {
	ex --exec-id "n$RANDOM" a ps | grep -c " sleep 4321$"
}

# In a PID namespace of the pod's, what an init leaves behind must not outlive
# its container; in one of its own it cannot.
shared_pids() {
	local ns

	conf "$1"
	pod "$P"
	ns=pid:/proc/$(task_pid "$P")/ns/pid
	sub "$P" --with-ns "$ns" -- a sleep 1000
	sub "$P" --with-ns "$ns" -- b sh -c 'sleep 4321 & sleep 2; exit 6'
	until_true 5 is_status b RUNNING
	is "processes left to come" "$(in_pod_processes)" 1
	until_true 10 is_status b STOPPED || why "b did not stop"
	is "processes that b left" "$(in_pod_processes)" 0
	ends_with b 6
	gone a
	gone "$P"
	nothing_left
}

own_pids() {
	conf "$1"
	pod "$P"
	sub "$P" -- a sh -c 'sleep 4321 & sleep 0.5; exit 6'
	ends_with a 6
	gone "$P"
	[ "$1" = off ] || is "runsc's commands" "$(calls)" \
	    "2 create,2 delete,2 start"
	nothing_left
}

# A sandbox that hangs delays what is asked of it until the deadline, and
# nothing else.
hung() {
	local start=$SECONDS sandbox rc

	conf "$1" "command_timeout = 2"
	pod "$P"
	sub "$P" -- a sleep 1000
	pod "$Q"
	sandbox=$(task_pid "$P")
	kill -STOP "$sandbox"
	c task kill -s USR1 a 2>"$T/err" && why "the kill succeeded"
	is_running a
	c task ps a >/dev/null || why "ps failed"
	in_time "$start"
	gone "$Q"
	kill -CONT "$sandbox"
	# A signal that it has kept may come now.
	until_true 5 c task kill -s KILL a
	until_true 10 is_status a STOPPED || why "a did not stop"
	gone a 2>/dev/null
	gone "$P"
	nothing_left
}

for mode in auto on off; do
	for what in life statuses sandbox_killed root_first shared_pids \
	    own_pids hung; do
		eval "case_${what}_$mode() { $what $mode; }"
	done
done

# Nothing but these is started for a container's whole life.
case_runsc_commands() {
	conf auto
	pod "$P"
	sub "$P" -- a sleep 1000
	ex --exec-id x a true
	c task ps a >/dev/null
	c task kill -s KILL a
	ends_with a 137
	gone "$P"
	is "runsc's commands" "$(calls)" "2 create,2 delete,2 start"
	nothing_left
}

# As CRI has it: one directory of the host on the /dev/shm of each.  It
# becomes memory of the sandbox, and is shared all the same.
case_shared_memory() {
	local shm="type=bind,src=$T/shm,dst=/dev/shm,options=rbind:rw"

	conf auto
	mkdir -p "$T/shm"
	pod "$P" --mount "$shm"
	sub "$P" --mount "$shm" -- a sleep 1000
	sub "$P" --mount "$shm" -- b sleep 1000
	ex --exec-id x a sh -c 'echo from a >/dev/shm/f'
	is "what b reads" "$(ex --exec-id x b cat /dev/shm/f)" "from a"
	is "what the pod's first reads" "$(ex --exec-id x "$P" \
	    cat /dev/shm/f)" "from a"
	is "type of the mount" "$(ex --exec-id y b sh -c \
	    'grep " /dev/shm " /proc/mounts | cut -d" " -f3')" tmpfs
	is "files of the host" "$(ls "$T/shm")" ""
	gone a
	gone b
	gone "$P"
	nothing_left
}

# An emptyDir that the pod's annotations tell of, as the kubelet lays it out.
case_empty_dir() {
	local hint=dev.gvisor.spec.mount.cache
	local dir="$T/kubelet/pods/uid1/volumes/kubernetes.io~empty-dir/cache"
	local notes=(--annotation "$hint.type=bind"
	    --annotation "$hint.share=pod" --annotation "$hint.options=rw")
	local mount="type=bind,src=$dir,dst=/cache,options=rbind:rw"

	conf auto "kubelet_root = \"$T/kubelet\""
	mkdir -p "$dir" "$T/logs/ns_pod_uid1"
	pod "$P" "${notes[@]}" --annotation \
	    "$CRI.sandbox-log-directory=$T/logs/ns_pod_uid1"
	sub "$P" "${notes[@]/type=bind/type=tmpfs}" --mount "$mount" -- a \
	    sleep 1000
	sub "$P" "${notes[@]/type=bind/type=tmpfs}" --mount "$mount" -- b \
	    sleep 1000
	ex --exec-id x a sh -c 'echo from a >/cache/f'
	is "what b reads" "$(ex --exec-id x b cat /cache/f)" "from a"
	is "type of the mount" "$(ex --exec-id y b sh -c \
	    'grep " /cache " /proc/mounts | cut -d" " -f3')" tmpfs
	is "files of the host" "$(ls "$dir")" ""
	gone a
	gone b
	gone "$P"
	nothing_left
}

# The sandbox of a pod that has nothing else in it yet can be paused; then nothing
# comes into it.
case_paused_pod() {
	conf auto
	pod "$P"
	c task pause "$P" || why "pause failed"
	is "status" "$(status "$P")" PAUSED
	used a
	has "a container" "$(run -d --rootfs --annotation \
	    $CRI.container-type=container --annotation $CRI.sandbox-id="$P" \
	    "$(rootfs a)" a sleep 1000 2>&1 </dev/null)" "is paused"
	c container delete a 2>/dev/null
	c task resume "$P" || why "resume failed"
	sub "$P" -- a sleep 1000
	is_running a
	gone a
	gone "$P"
	nothing_left
}

begin
run_cases
