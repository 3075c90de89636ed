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
			# A moment in it, which nothing tells of.
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

# cut_short ID CGROUP MS: a create whose shim is killed, and what containerd does
# then.
cut_short() {
	local pid

	used "$1"
	run --rm --cgroup "/$NS-$2" --rootfs "$ROOTFS" "$1" true \
	    >/dev/null 2>&1 &
	pid=$!
	until_true 5 is_creating
	# A moment in it, which nothing tells of.
	sleep "0.0$3"
	kill_it shim
	wait "$pid"
	until_true 10 no_task "$1"
	c task delete "$1" >/dev/null 2>&1
	c container delete "$1"
}

# 13.10: the verb removes the cgroup of a create that was cut short by its name,
# which need not be the container's; one that was there before stays.
case_cgroup_of_another_name() {
	local ms d

	for ms in 30 60 90; do
		cut_short cn odd "$ms"
		until_true 10 no_cgroup odd || why "$ms ms: a cgroup is left"
		nothing_left
	done
	d=$(find /sys/fs/cgroup -maxdepth 1 -name memory)
	mkdir "${d:=/sys/fs/cgroup}/$NS-mine"
	cut_short cm mine 30
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

# -- 13.7: what is removed is ours ---------------------------------------------

# disk_conf: runsc's root is a directory that a reboot leaves.
disk_conf() {
	cat >"$T/runsc.toml" <<-E
	root = "$T/state"
	[runsc_config]
	  network = "none"
	E
}

# refused TEXT ID FLAGS...: its Create is, with TEXT in the error.  By ctr, since
# shimctl looks at a bundle itself.
refused() {
	local out

	used "$2"
	out=$(run -d --rootfs "${@:3}" "$ROOTFS" "$2" true 2>&1 </dev/null) &&
	    why "$2 was created"
	has "the error of $2" "$out" "$1"
	c container delete "$2" >/dev/null 2>&1
}

# 13.7: a pod's id that is a path, in all the places that it may lead to.
case_annotation_is_a_path() {
	local d n=0 id before

	disk_conf
	for d in x state/x "state/$NS/a/b" "state/$NS/other" outside; do
		mkdir -p "$T/$d"
		echo kept >"$T/$d/canary"
	done
	before=$(find "$T/x" "$T/state" "$T/outside" | sort)
	for id in ../x ../../x a/b . .. $'x\ny' ''; do
		n=$((n + 1))
		# One that is empty is none, and runsc refuses it.
		refused "${id:+annotation sandbox-id}" "ap$n" \
		    --annotation io.kubernetes.cri.container-type=container \
		    --annotation io.kubernetes.cri.sandbox-id="$id"
		is "what is there after $id" "$(find "$T/x" "$T/state" \
		    "$T/outside" | sort)" "$before"
	done
	rm -rf "$T/x" "$T/state" "$T/outside"
	plain_conf
	nothing_left
}

# 13.7: a directory of runsc's that leads elsewhere.
case_root_is_a_link() {
	disk_conf
	mkdir -p "$T/outside" "$T/state/$NS"
	echo kept >"$T/outside/canary"
	ln -s "$T/outside" "$T/state/$NS/rl"
	refused "$T/state/$NS" rl
	is "what is there" "$(ls "$T/outside")" canary
	rm -rf "$T/state" "$T/outside"
	plain_conf
	nothing_left
}

# verb ID BUNDLE VERB: the shim as containerd runs it
verb() {
	(cd "$2" && timeout -k 2 60 "$SHIM" -namespace "$NS" -id "$1" \
	    -address "$SOCK" -bundle "$2" "$3" </dev/null)
}

# 13.7: an id that is a path, of the shim's own verbs.
case_id_is_a_path() {
	local v before

	disk_conf
	bundle ip false true
	used ../y
	mkdir -p "$T/b/y" "$T/state/y" "$T/state/$NS"
	echo kept >"$T/b/y/canary"
	echo '{}' >"$T/state/y/y_sandbox:y.state"
	echo "{\"rootfs\":\"$T/b/ip/rootfs\",\"options\":{\"binaryName\":\"\",
	    \"root\":\"$T/state\"}}" >"$T/b/ip/state.json"
	before=$(find "$T/b/y" "$T/b/ip" "$T/state" | sort)
	for v in start delete; do
		verb ../y "$T/b/ip" $v >"$T/out" 2>&1 &&
		    why "$v of ../y worked: $(cat "$T/out")"
		is "what is there" "$(find "$T/b/y" "$T/b/ip" "$T/state" |
		    sort)" "$before"
	done
	rm -rf "$T/state"
	plain_conf
	nothing_left
}

# -- 13.10: cgroups ------------------------------------------------------------

our_cgroups() {
	find /sys/fs/cgroup -type d -path "*$NS*" | sort
}

same_cgroups() {
	[ "$(our_cgroups)" = "$1" ]
}

# cgroup_left PATH: of a Create that fails by itself, and of one whose runsc is
# killed when the cgroup is there.
cgroup_left() {
	local before how id

	wrap "" <<-'E'
	[ "$verb" = create ] && [ -e "$T/cut" ] || exec "$real" "$@"
	read -r part <"$T/cut"
	"$real" "$@" &
	until find /sys/fs/cgroup -type d -path "*$part*" | grep -q .; do
		kill -0 $! || break
	done
	kill -9 $!
	wait
	exit 1
	E
	before=$(our_cgroups)
	for how in fails cut; do
		id=$NS-$how
		[ $how != cut ] || echo "$NS-" >"$T/cut"
		CGROUP=$1 MOUNTS=$([ $how = cut ] || echo '{ "type": "bind",
		    "source": "/not/there", "destination": "/x",
		    "options": [ "bind" ] }') bundle "$id" false sleep 1000
		start_shim "$id" >/dev/null || why "no shim"
		ctl_create "$id" 2>"$T/err" && why "it was created"
		until_true 10 same_cgroups "$before" ||
		    why "$how: left is $(our_cgroups | tr '\n' ' ')"
		ctl shutdown "$id"
		rm -f "$T/cut"
	done
	plain_conf
	nothing_left
}

# 13.10: runsc takes /ID.
case_cgroup_without_path() {
	cgroup_left none
}

# 13.10: systemd's form, for a runsc that does not ask systemd.
case_cgroup_in_a_slice() {
	cgroup_left "$NS-a.slice:pre:$NS-b"
}

# -- 13.11: a state that has outlived its host's life --------------------------

# 13.11: a power cut, and the same container again.
case_power_cut() {
	local pid

	disk_conf
	bundle pc false sleep 1000
	start_shim pc >/dev/null || why "no shim"
	ctl_create pc || why "create failed"
	ctl start pc || why "start failed"
	for pid in $(our_pids); do
		kill -9 "$pid" 2>/dev/null
	done
	until_true 10 nobody || why "not all have died"
	# What is in /run is no more.
	rm -rf "$T/b/pc" "$(socket_of pc)"
	[ -n "$(find "$T/state" -name '*.state')" ] || why "no state is there"
	bundle pc false sleep 1000
	start_shim pc --debug >/dev/null || why "no shim"
	ctl_create pc || why "not created again"
	has "the log" "$(cat "$T/b/pc/log")" "a sandbox that is no more"
	ctl start pc || why "start failed"
	is "status of an exec" "$(ctl exec pc sh -c 'exit 7'; echo $?)" 7
	ctl kill pc KILL
	is status "$(ctl wait pc)" 137
	is "its delete" "$(ctl delete pc)" 137
	is "files of runsc" "$(find "$T/state" -type f)" ""
	plain_conf
	nothing_left
}

# 13.11: one that lives stays, and is not taken for another.
case_alive_without_shim() {
	local sandbox a

	disk_conf
	bundle al false sleep 1000
	start_shim al >/dev/null || why "no shim"
	ctl_create al || why "create failed"
	ctl start al || why "start failed"
	sandbox=$(ctl state al | sed -n 's/^pid: //p')
	kill -9 "$(shim_here)"
	until_true 10 eval '! shim_here' || why "the shim lives"
	rm -f "$(socket_of al)"
	a=$(start_shim al) || why "no shim"
	ctl_create al 2>"$T/err" && why "it was created"
	has "the error" "$(cat "$T/err")" "already exists"
	ctl shutdown --address "$a" al
	kill -0 "$sandbox" || why "the sandbox was killed"
	verb al "$T/b/al" delete >/dev/null || why "delete failed"
	until_true 10 eval "! kill -0 $sandbox" || why "the sandbox lives"
	is "files of runsc" "$(find "$T/state" -type f)" ""
	plain_conf
	nothing_left
}

# -- 13.13: one shim for a pod ---------------------------------------------------

shims() {
	local pid

	for pid in $(our_pids); do
		[ "$(readlink "/proc/$pid/exe")" != "$SHIM" ] || echo "$pid"
	done
}

no_shim() {
	[ -z "$(shims)" ]
}

# all_are_shims PID...
all_are_shims() {
	local pid

	for pid; do
		[ "$(readlink "/proc/$pid/exe")" = "$SHIM" ] || return
	done
}

# 13.13: of eight `start`s at once all get the same address, and one shim is
# there.
case_starts_at_once() {
	local i k go pids a

	mkfifo "$T/go"
	for i in $(seq 1 20); do
		pids=
		used "pod$i"
		exec {go}<>"$T/go"
		for k in 1 2 3 4 5 6 7 8; do
			NOTES=$(notes container "pod$i") bundle "w$k" false true
			(
				cd "$T/b/w$k" || exit
				exec {go}>&- "$SHIM" -namespace "$NS" -id "w$k" \
				    -address "$SOCK" start <"$T/go" \
				    >"$T/answer.$k"
			) &
			pids="$pids $!"
		done
		# They read to the end of the FIFO, which comes to all at once.
		# shellcheck disable=SC2086 # a word each
		until_true 10 all_are_shims $pids
		exec {go}>&-
		# shellcheck disable=SC2086 # a word each
		wait $pids || why "round $i: a start failed"
		a=$(cat "$T/answer.1")
		is "equal addresses of round $i" "$(cat "$T"/answer.* |
		    grep -cxF "$a")" 8
		is "shims of round $i" "$(shims | wc -l)" 1
		ctl shutdown --address "$a" "pod$i"
		if [ -n "$WHY" ] || ! until_true 10 no_shim; then
			why "round $i: the shim does not leave"
			break
		fi
	done
	rm -f "$T/go"
	nothing_left
}

begin_with_shimctl
run_cases
