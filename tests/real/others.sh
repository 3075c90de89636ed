#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is another's stays as it is: another containerd's container of the same
# id or bundle, an operator's mount, cgroup and process; and what is nobody's any
# more does not stand in the way.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

HEX=$(printf '%064x' $$)
# The sandbox of runsc 20221219 listens at a name that the whole host shares.
P=o$$

# As containerd runs it for a bundle, with whatever address.
verb_delete() {
	"$SHIM" -namespace "$NS" -address "${3:-$SOCK}" -id "$1" -bundle "$2" \
	    delete >/dev/null 2>"$T/verb"
}

# started ID COMMAND...: a container of shimctl's
started() {
	bundle "$1" false "${@:2}"
	start_shim "$1" >/dev/null || why "no shim for $1"
	ctl_create "$1" || why "$1: create failed"
	ctl start "$1" || why "$1: start failed"
}

ended() {
	ctl kill "$1" KILL 2>/dev/null
	is "status of $1" "$(ctl wait "$1")" 137
	is "delete of $1" "$(ctl delete "$1")" 137
}

# A Create that is refused, since another containerd has such a container, and
# the `delete` that containerd runs then.
case_id_of_another() {
	local a

	started "$HEX" sleep 1000
	mkdir -p "$T/b2"
	cp -al "$T/b/$HEX" "$T/b2/$HEX"
	rm -f "$T/b2/$HEX"/{address,shim.pid,state.json,init.pid}
	a=$(timeout 60 "$SHIMCTL" -n "$NS" --containerd "$SOCK.2" start-shim \
	    --shim "$SHIM" --config "$T/runsc.toml" "$T/b2/$HEX" "$HEX") ||
	    why "no second shim"
	timeout 60 "$SHIMCTL" -n "$NS" --address "${a#unix://}" create \
	    --config "$T/runsc.toml" "$T/b2/$HEX" "$HEX" 2>"$T/err" &&
	    why "it was created"
	has "the error" "$(cat "$T/err")" "already exists"
	timeout 60 "$SHIMCTL" -n "$NS" --address "${a#unix://}" shutdown "$HEX"
	verb_delete "$HEX" "$T/b2/$HEX" "$SOCK.2" || why "delete failed"
	is "the first one's exec" "$(ctl exec "$HEX" echo alive)" alive
	ended "$HEX"
	nothing_left
}

# create_at DIR SOCKET FILE: a shim for $HEX in DIR, and its Create behind
create_at() {
	local a

	a=$(timeout 60 "$SHIMCTL" -n "$NS" --containerd "$2" start-shim \
	    --shim "$SHIM" --config "$T/runsc.toml" "$1" "$HEX") ||
	    why "no shim in $1"
	echo "${a#unix://}" >"$3.at"
	timeout 60 "$SHIMCTL" -n "$NS" --address "${a#unix://}" create \
	    --config "$T/runsc.toml" "$1" "$HEX" >/dev/null 2>"$3" &
}

# Two containerds create one id at once: the one that is refused takes nothing
# of the other's along.  (runsc of 2022 itself does, when it refuses.)
case_id_at_once() {
	local won=1 lost=2 rc=0 a

	bundle "$HEX" false sleep 1000
	mkdir -p "$T/b2"
	cp -al "$T/b/$HEX" "$T/b2/$HEX"
	create_at "$T/b/$HEX" "$SOCK.1" "$T/err1"
	create_at "$T/b2/$HEX" "$SOCK.2" "$T/err2"
	wait -n || rc=1
	wait -n || rc=$((rc + 1))
	is "how many were refused" "$rc" 1
	[ -s "$T/err1" ] && won=2 lost=1
	has "the error" "$(cat "$T/err$lost")" "already exists"
	timeout 60 "$SHIMCTL" -n "$NS" --address "$(cat "$T/err$lost.at")" \
	    shutdown "$HEX"
	if [ $lost = 1 ]; then a=$T/b/$HEX; else a=$T/b2/$HEX; fi
	verb_delete "$HEX" "$a" "$SOCK.$lost" || why "delete failed"
	of_winner() {
		timeout 60 "$SHIMCTL" -n "$NS" --address \
		    "$(cat "$T/err$won.at")" "$@"
	}
	if ! "$RUNSC" -version | grep -q 2022; then
		of_winner start "$HEX" || why "the other does not start"
		is "its exec" "$(of_winner exec "$HEX" echo alive)" alive
	fi
	of_winner kill "$HEX" KILL
	is "its status" "$(of_winner wait "$HEX")" 137
	of_winner delete "$HEX" >/dev/null || why "it is not deleted"
	of_winner shutdown "$HEX" 2>/dev/null
	nothing_left
}

# Two of one bundle.
case_bundle_of_another() {
	started ba sleep 1000
	used bb
	ctl start-shim --shim "$SHIM" --config "$T/runsc.toml" "$T/b/ba" bb \
	    >/dev/null || why "no second shim"
	ctl create --config "$T/runsc.toml" "$T/b/ba" bb 2>"$T/err" &&
	    why "it was created"
	has "the error" "$(cat "$T/err")" "that of container ba"
	ctl shutdown bb
	verb_delete bb "$T/b/ba" || why "delete failed"
	# Of the same name, in another namespace of containerd.
	"$SHIM" -namespace "$NS-2" -address "$SOCK" -id ba -bundle "$T/b/ba" \
	    delete >/dev/null || why "delete failed"
	is "the first one's exec" "$(ctl exec ba echo alive)" alive
	ended ba
	nothing_left
}

case_mount_of_another() {
	bundle mo false sleep 1000
	mount --bind "$T/b/mo/rootfs" "$T/b/mo/rootfs" || why "no mount"
	start_shim mo >/dev/null || why "no shim"
	ctl_create mo || why "create failed"
	ctl start mo || why "start failed"
	ended mo
	verb_delete mo "$T/b/mo" || why "delete failed"
	mountpoint -q "$T/b/mo/rootfs" || why "the mount is gone"
	umount "$T/b/mo/rootfs"
	nothing_left
}

case_cgroup_of_another() {
	local d

	d=$(find /sys/fs/cgroup -maxdepth 1 -name memory)
	mkdir -p "${d:=/sys/fs/cgroup}/$NS/co"
	started co sleep 1000
	ended co
	verb_delete co "$T/b/co" || why "delete failed"
	[ -d "$d/$NS/co" ] || why "the cgroup is gone"
	find /sys/fs/cgroup -depth -type d -path "*/$NS/co" -exec rmdir {} +
	nothing_left
}

# An operator's own process in the container, and execs that fail.
case_process_of_another() {
	local pid

	started po sleep 1000
	runsc --root "/run/containerd/runsc/$NS/po" exec po sleep 999 &
	pid=$!
	until_true 10 eval 'ctl ps po | grep -q "^ *2 "' || why "it does not run"
	ctl exec po /bin/not-there 2>/dev/null && why "it ran"
	ctl exec --cwd /no/such/dir po true 2>/dev/null && why "it ran"
	is "an exec" "$(ctl exec po echo on)" on
	kill -0 "$pid" 2>/dev/null || why "the operator's process is gone"
	ended po
	wait "$pid"
	nothing_left
}

# What a power cut leaves of a writable root file system.
case_rootfs_of_an_earlier_life() {
	local pid

	started rl sh -c 'echo x >/file; sleep 1000'
	for pid in $(our_pids); do
		kill -9 "$pid" 2>/dev/null
	done
	until_true 10 nobody || why "not all have died"
	find "/run/containerd/runsc/$NS" -name null-netns -exec umount -l {} +
	rm -rf "/run/containerd/runsc/$NS" "$(socket_of rl)"
	rm -f "$T/b/rl"/{address,shim.pid,state.json,init.pid}
	find /sys/fs/cgroup -depth -type d -path "*/$NS/rl" -exec rmdir {} +
	started rl sleep 1000
	ended rl
	is "filestores" "$(find "$T/b/rl/rootfs" -maxdepth 1 \
	    -name '.gvisor.*' | wc -l)" 0
	nothing_left
}

# Many at once whose root is the namespace's: the last takes the network
# namespace along that runsc has mounted for them all.
case_netns_of_all() {
	local i id pids=()

	for i in 1 2 3 4 5 6; do
		id=$(printf '%064x' "$$$i")
		bundle "$id" false sh -c "exit $i"
		ctl run --shim "$SHIM" --config "$T/runsc.toml" "$T/b/$id" \
		    "$id" &
		pids+=($!)
	done
	for i in 1 2 3 4 5 6; do
		wait "${pids[$((i - 1))]}"
		is "status of number $i" $? "$i"
	done
	is "namespaces mounted" "$(grep -c "/$NS/null-netns" \
	    /proc/self/mountinfo)" 0
	nothing_left
}

# A sandbox that crashes, here since it gets no more threads, is no exit of the
# container's.
case_crash() {
	local rc

	# shellcheck disable=SC2016 # for the shell inside
	bundle cr false sh -c 'for i in $(seq 60); do sleep 100 & done; exit 7'
	sed -i 's/"linux": {/"linux": { "resources": { "pids": { "limit": 24 } },/' \
	    "$T/b/cr/config.json"
	start_shim cr --debug >/dev/null || why "no shim"
	ctl_create cr || why "create failed"
	ctl start cr || why "start failed"
	rc=$(ctl wait cr)
	is "its delete" "$(ctl delete cr)" "$rc"
	case $rc in
	255) has "the log" "$(cat "$T/b/cr/log")" "has crashed" ;;
	*) is status "$rc" 255 ;;
	esac
	mkdir -p "$T/logs"
	echo "panic: of an earlier sandbox of this pod" >"$T/logs/gvisor_panic.log"
	NOTES="\"io.kubernetes.cri.sandbox-log-directory\": \"$T/logs\"" \
	    bundle c2 false sh -c 'exit 2'
	ctl run --shim "$SHIM" --config "$T/runsc.toml" "$T/b/c2" c2
	is "one that says 2" $? 2
	nothing_left
}

# An exec that does not get to its start is killed all the same.
case_exec_hangs_in_start() {
	wrap 'control_socket = "off"' <<-'E'
	[ "$verb" != exec ] || sleep 300
	exec "$real" "$@"
	E
	started eh sleep 1000
	ctl exec -d --exec e eh sleep 999 2>"$T/err" &
	until_true 10 ctl state eh --exec e || why "no such exec"
	until_true 10 ctl kill eh KILL --exec e || why "the kill is refused"
	wait $!
	has "its start" "$(cat "$T/err")" "killed while starting"
	ctl delete eh --exec e >/dev/null 2>&1
	ended eh
	nothing_left
	plain_conf
}

# A pause that took hold and failed all the same: SIGKILL ends what is paused.
case_pause_half_done() {
	wrap "" <<-'E'
	[ "$verb" != pause ] || { "$real" "$@"; exit 128; }
	exec "$real" "$@"
	E
	started ph sleep 1000
	ctl pause ph 2>/dev/null && why "the pause is said to have worked"
	ctl kill ph KILL || why "no KILL"
	is status "$(ctl --timeout 30 wait ph)" 137
	ctl delete ph >/dev/null
	nothing_left
	plain_conf
}

# runsc's state is gone while the container runs.
case_state_is_lost() {
	started sl sleep 1000
	find "/run/containerd/runsc/$NS" -type f -delete
	has "a TERM" "$(ctl kill sl TERM 2>&1)" "lost its state"
	ctl kill sl KILL || why "no KILL"
	is status "$(ctl wait sl)" 137
	ctl delete sl >/dev/null
	until_true 5 eval '! shim_here' || why "the shim stays"
	verb_delete sl "$T/b/sl"
	nothing_left
}

# A start that fails leaves no pipe in the pod's shim.
case_pipes_of_failed_starts() {
	local i pid before

	used "$P"
	run -d --rootfs --annotation io.kubernetes.cri.container-type=sandbox \
	    --annotation io.kubernetes.cri.sandbox-id="$P" "$(rootfs "$P")" \
	    "$P" sleep 1000 </dev/null || why "the pod did not start"
	pid=$(shim_pid "$P")
	for i in 0 1 2 3 4; do
		[ "$i" != 1 ] || before=$(pipes "$pid")
		used "pf$i"
		run -d --rootfs --annotation \
		    io.kubernetes.cri.container-type=container --annotation \
		    io.kubernetes.cri.sandbox-id="$P" "$(rootfs "pf$i")" \
		    "pf$i" /bin/not-there </dev/null >/dev/null 2>&1 &&
		    why "it ran"
		c container delete "pf$i" >/dev/null 2>&1
	done
	is "pipes of the shim" "$(pipes "$pid")" "$before"
	gone "$P"
	nothing_left
}

pipes() {
	find "/proc/$1/fd" -lname 'pipe:*' | wc -l
}

begin_with_shimctl
run_cases
