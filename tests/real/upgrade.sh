#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A shim that executes its successor while a pod works: output at full speed, a
# client that reads nothing for a while, a terminal, pending Waits, execs, and
# containerd away; every byte, status and event as without.
# UPGRADES=1000 for the long loop; 50 without.  LINES_OUT: numbers that are put
# out.  EXECS: how many there are for each upgrade of the busy pod.  KILLS=200:
# how often a shim is killed in the middle; 3 without.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"
CRI=io.kubernetes.cri
P=p$$
UPGRADES=${UPGRADES:-50}
LINES_OUT=${LINES_OUT:-2000000}
EXECS=${EXECS:-2}
KILLS=${KILLS:-3}

# pod ID COMMAND...; sub ID COMMAND...
pod() {
	used "$P"
	run -d --rootfs --annotation $CRI.container-type=sandbox \
	    --annotation $CRI.sandbox-id="$P" "$(rootfs "$P")" "$P" \
	    sleep 10000 </dev/null || why "the pod did not start"
}

sub() {
	local flags=()

	while [ "$1" != -- ]; do
		flags+=("$1")
		shift
	done
	shift
	used "$1"
	run --rootfs --annotation $CRI.container-type=container \
	    --annotation $CRI.sandbox-id="$P" "${flags[@]}" "$(rootfs "$1")" \
	    "$@" </dev/null
}

# upgrade TIMES [FILE BYTES]: the figures, in a file
upgrade() {
	local text

	text=$(python3 "$lib_dir/upgrade.py" "$(socket_of "$P")" "$1" "" \
	    "${@:2}" 2>&1)
	echo "# upgrades, median, p99, longest, us: $text" >>"$T/figures"
}

sum_of() {
	sha256sum | cut -d ' ' -f 1
}

case_busy() {
	local want n pid execs CTR_TIMEOUT=600

	pod
	pid=$(shim_pid "$P")
	events_begin
	want=$(seq 1 "$LINES_OUT" | sum_of)
	sub -- "o$$" seq 1 "$LINES_OUT" 2>"$T/o.err" | sum_of >"$T/o.sum" &
	sub -- "s$$" seq 1 "$LINES_OUT" 2>"$T/s.err" |
	    { sleep 5; sum_of; } >"$T/s.sum" &
	(sub -- "w$$" sh -c 'until [ -e /tmp/ready ]; do sleep 0.1; done
	    exit 7'; echo $? >"$T/w.status") 2>/dev/null &
	c_tty task exec -t --fifo-dir "$T/fifo" --exec-id tty "$P" \
	    seq 1 20000 >"$T/tty" &
	until_true 60 is_status "w$$" RUNNING || why "no third container"
	: >"$T/figures"
	: >"$T/execs"
	python3 "$lib_dir/execs.py" "$(socket_of "$P")" "$P" "$T/execs" \
	    >"$T/execs.rate" 2>&1 &
	execs=$!
	# An upgrade comes in the middle of every so many of them.
	upgrade "$UPGRADES" "$T/execs" "$EXECS"
	touch "$T/execs.stop"
	wait "$execs" || why "an exec: $(cat "$T/execs.rate")"
	n=$(stat -c %s "$T/execs")
	[ "$n" -ge $((UPGRADES * EXECS)) ] || why "only $n execs"
	ex --exec-id ready "w$$" touch /tmp/ready
	wait -n 2>/dev/null
	until_true 120 grep -q . "$T/o.sum" "$T/s.sum" "$T/w.status"
	until_true 120 test -s "$T/o.sum" -a -s "$T/s.sum" -a -s "$T/w.status"
	is "output" "$(cat "$T/o.sum")" "$want"
	is "output read late" "$(cat "$T/s.sum")" "$want"
	is "the third's status" "$(cat "$T/w.status")" 7
	# script(1) types a NUL when its input has ended.
	tr -d '\r' <"$T/tty" | sed 's/\^@//' >"$T/tty.out"
	seq 1 20000 | cmp - "$T/tty.out" ||
	    why "the terminal's output is not what was written"
	is "the shim" "$(shim_pid "$P")" "$pid"
	sleep 1
	events_end
	for name in exec-added exec-started; do
		is "$name" "$(grep -c "/tasks/$name" "$T/events")" $((n + 2))
	done
	cat "$T/figures"
	has figures "$(cat "$T/figures")" ": $UPGRADES "
	echo "# $n execs meanwhile, $(cat "$T/execs.rate") a second"
	for id in "o$$" "s$$" "w$$" "$P"; do
		gone "$id"
	done
	nothing_left
}

# The figures alone, of a pod that is idle.
case_idle() {
	local id before after pid

	pod
	for id in a b; do
		sub -d -- "$id$$" sleep 1000 || why "no container $id"
	done
	pid=$(shim_pid "$P")
	before=$(awk '/^Pss:/ { s += $2 } END { print s }' \
	    "/proc/$pid/smaps_rollup")
	: >"$T/figures"
	upgrade "$UPGRADES"
	has figures "$(cat "$T/figures")" ": $UPGRADES "
	after=$(awk '/^Pss:/ { s += $2 } END { print s }' \
	    "/proc/$pid/smaps_rollup")
	cat "$T/figures"
	echo "# PSS, KiB: before $before, after $after"
	ex --exec-id x "a$$" sh -c 'exit 9' </dev/null
	is "an exec's status" $? 9
	for id in "a$$" "b$$" "$P"; do
		gone "$id"
	done
	nothing_left
}

# By the client, to the file that runs and to another.
case_shimctl() {
	local text

	pod
	cp "$SHIM" "$T/next"
	for to in "" "--to $T/next"; do
		# shellcheck disable=SC2086 # words
		text=$(ctl upgrade "$P" $to 2>&1) || why "upgrade: $text"
		has "what upgrade says" "$text" "$P"
		has "what upgrade says" "$text" " -> "
	done
	has "what ps says" "$(ctl ps 2>&1)" "$(shim_pid "$P")"
	is "the program" "$(readlink "/proc/$(shim_pid "$P")/exe")" "$T/next"
	gone "$P"
	nothing_left
}

# At any moment of upgrades that follow each other it leaves what a killed shim
# leaves, and containerd cleans up.
case_killed() {
	local i id loop

	for ((i = 0; i < KILLS; i++)); do
		pod
		sub -d -- "k$$" sleep 1000 || why "no second container"
		python3 "$lib_dir/upgrade.py" "$(socket_of "$P")" 100000 \
		    >"$T/loop" 2>&1 &
		loop=$!
		sleep "0.$((RANDOM % 3 + 1))$RANDOM"
		kill -9 "$(shim_pid "$P")"
		wait "$loop"
		for id in "k$$" "$P"; do
			until_true 20 no_task "$id" || why "$i: $id is there"
			c container delete "$id"
		done
		nothing_left
		[ -z "$WHY" ] || return
	done
}

# What may be left of it is looked for; a sandbox's own processes, which have no
# command line, are not taken for that.
case_after_failed_exec() {
	local n

	pod
	ex --exec-id bad "$P" /bin/not-there >/dev/null 2>&1 &&
	    why "it was started"
	n=$(grep -c "dump: .* commands 0 " "$T/ctd/log")
	kill -USR1 "$(shim_pid "$P")"
	until_true 10 dumped || why "no dump"
	is "those without a runsc" "$(grep -c "dump: .* commands 0 " \
	    "$T/ctd/log")" $((n + 1))
	ctl upgrade "$P" >/dev/null || why "it is not upgraded"
	gone "$P"
	nothing_left
}

exec_in() {
	printf '{"user":{"uid":0,"gid":0},"args":["%s","%s"],"env":[%s],%s}' \
	    "$2" "$3" '"PATH=/bin"' '"cwd":"/"' |
	    python3 "$lib_dir/exec.py" "$(socket_of "$P")" "$1" "x$RANDOM"
}

AN_EXEC="/tasks/exec-added /tasks/exec-started /tasks/exit "

# Nobody but the shim is there when a container ends.  When containerd is back
# its events come to another name, so that somebody listens before the shim can
# tell them: that has what it told before still to tell, once, after upgrades.
case_away() {
	local sandbox old="$SOCK.ttrpc"

	pod
	sub -d -- "w$$" sh -c 'until [ -e /tmp/ready ]; do sleep 0.1; done
	    exit 7' || why "no second container"
	sandbox=$(task_pid "$P")
	containerd_stop TERM
	rm -f "$old"
	ctl upgrade "$P" >/dev/null || why "it is not upgraded without containerd"
	is "an exec" "$(exec_in "w$$" touch /tmp/ready)" "status 0"
	until_true 60 ctl_status "w$$" stopped || why "it does not end"
	ctl upgrade "$P" >/dev/null || why "it is not upgraded after an exit"
	sed -i "s|$old|$old.new|" "$T/ctd/config.toml"
	containerd_start || why "containerd does not come back"
	events_begin
	is "the pod" "$(status "$P")" RUNNING
	is "its sandbox" "$(task_pid "$P")" "$sandbox"
	is "the one that ended" "$(status "w$$")" STOPPED
	ctl upgrade "$P" >/dev/null || why "it is not upgraded with containerd"
	ln -s "$old.new" "$old"
	is "the status told by delete" "$(delete_status "w$$")" 7
	until_true 60 grep -q /tasks/delete "$T/events" || why "no event"
	is "what was told of it" "$(grep "\"w$$\"" "$T/events" |
	    grep -o '/tasks/[a-z-]*' | tr '\n' ' ')" \
	    "$AN_EXEC/tasks/exit /tasks/delete "
	events_end
	c container delete "w$$"
	gone "$P"
	nothing_left
	containerd_stop TERM
	rm -f "$old"
	sed -i "s|$old.new|$old|" "$T/ctd/config.toml"
	containerd_start
}

# The watch of the cgroup goes on: who runs out of memory is told of once.
case_oom() {
	local killed="/tasks/oom /tasks/exit /tasks/delete "

	used "$P"
	events_begin
	run -d --rootfs --memory-limit 60000000 "$(rootfs "$P")" "$P" sh -c \
	    'until [ -e /tmp/ready ]; do sleep 0.1; done; exec tail /dev/zero' \
	    </dev/null || why "it did not start"
	for _ in 1 2; do
		ctl upgrade "$P" >/dev/null || why "it is not upgraded"
	done
	exec_in "$P" touch /tmp/ready >/dev/null
	until_true 60 is_status "$P" STOPPED || why "it does not end"
	ctl upgrade "$P" >/dev/null || why "it is not upgraded after that"
	is "the status told by delete" "$(delete_status "$P")" 137
	until_true 60 grep -q /tasks/delete "$T/events" || why "no event"
	is "what was told" "$(grep -o '/tasks/[a-z-]*' "$T/events" |
	    tr '\n' ' ')" "/tasks/create /tasks/start $AN_EXEC$killed"
	events_end
	c container delete "$P"
	nothing_left
}

dumped() {
	grep -q "dump: version" "$T/ctd/log"
}

begin
run_cases
