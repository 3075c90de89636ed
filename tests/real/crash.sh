#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The shim or containerd ends without warning.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

restart() {
	containerd_stop KILL
	containerd_start || why "containerd does not come back"
}

# The test of the leftovers must look in the right places.
case_socket_name() {
	run_bg sn sleep 100 || why "it did not start"
	[ -S "$(socket_of sn)" ] || why "the socket has another name"
	[ -n "$(our_pids)" ] || why "the shim is not found"
	gone sn
	nothing_left
}

case_containerd_killed() {
	local lines

	used ck
	# shellcheck disable=SC2016 # for the shell inside
	run -d --log-uri "file://$T/ck.log" --rootfs "$ROOTFS" ck sh -c \
	    'for i in $(seq 30); do echo $i; sleep 0.1; done; exit 6' ||
	    why "it did not start"
	until_true 10 test -s "$T/ck.log" || why "it does not print"
	restart
	is status "$(status ck)" RUNNING
	is "output of exec" "$(ex --exec-id a ck echo still here)" "still here"
	until_true 10 is_status ck STOPPED || why "it did not stop"
	lines=$(wc -l <"$T/ck.log")
	is "lines of output" "$lines" 30
	is "status told by delete" "$(delete_status ck)" 6
	c container delete ck
	nothing_left
}

has_ended() {
	! kill -0 "$1"
}

case_exit_while_containerd_is_down() {
	local sandbox

	used cd
	run -d --log-uri "file://$T/cd.log" --rootfs "$ROOTFS" cd sh -c \
	    'sleep 1; echo last; exit 9' || why "it did not start"
	sandbox=$(task_pid cd)
	containerd_stop KILL
	until_true 20 has_ended "$sandbox" || why "it does not end"
	containerd_start || why "containerd does not come back"
	is output "$(cat "$T/cd.log")" last
	is status "$(status cd)" STOPPED
	is "status told by delete" "$(delete_status cd)" 9
	c container delete cd
	nothing_left
}

case_shim_killed() {
	run_bg sk sleep 100 || why "it did not start"
	kill -9 "$(shim_pid sk)"
	until_true 10 no_task sk || why "the task is still there"
	c container delete sk
	nothing_left
}

case_both_killed() {
	local pid

	run_bg bk sleep 100 || why "it did not start"
	pid=$(shim_pid bk)
	containerd_stop KILL
	kill -9 "$pid"
	containerd_start || why "containerd does not come back"
	until_true 10 no_task bk || why "the task is still there"
	c container delete bk
	nothing_left
}

# At other moments too: while the task is being made, run and removed.
case_shim_killed_any_time() {
	local ms pid

	for ms in 0 20 50 80 110 140 170 200 250 300; do
		run_fg "sa$ms" sleep 0.1 >/dev/null 2>&1 &
		pid=$!
		until_true 3 shim_here
		sleep "$(printf '0.%03d' "$ms")"
		kill -9 "$(shim_here)" 2>/dev/null
		wait "$pid"
		until_true 10 no_task "sa$ms" || why "$ms ms: task remains"
		c container delete "sa$ms" >/dev/null 2>&1
		nothing_left || why "$ms ms: $WHY"
	done
}

# containerd 1.6 died between `start` and Create: the next one connects to that
# shim and keeps it, without a container and without a word, as it does a Go
# shim.  It is ended as an administrator would.
never_called() {
	local pid

	ctl state "$1" 2>&1 | grep -q "not found" || return
	pid=$(shim_here) && kill -TERM "$pid" || return
	until_true 12 nobody || return
	restart
	until_true 12 none_left
}

case_containerd_killed_any_time() {
	local ms pid

	for ms in 10 60 110 160 210 260 320 400; do
		run_fg "ca$ms" sleep 0.2 >/dev/null 2>&1 &
		pid=$!
		sleep "$(printf '0.%03d' "$ms")"
		restart
		wait "$pid"
		c task kill -s KILL "ca$ms" 2>/dev/null
		until_true 5 is_status "ca$ms" STOPPED ||
		    until_true 5 no_task "ca$ms" ||
		    c task delete -f "ca$ms" >/dev/null 2>&1
		c task delete -f "ca$ms" >/dev/null 2>&1
		c container delete "ca$ms" >/dev/null 2>&1
		# Events that containerd did not take are tried again, every 5 s
		# in the end, and the shim stays for them.
		until_true 12 none_left || never_called "ca$ms"
		nothing_left || why "$ms ms: $WHY"
	done
}

# Its process in the sandbox must not outlive what is told of it.
case_exec_killed_from_outside() {
	local rc i pid=

	is_runsc || return 0
	run_bg xk sleep 100 || why "it did not start"
	ex --exec-id e xk sleep 98765 &
	i=$!
	until_true 5 runs_in xk 98765 || why "the exec did not start"
	# By runsc, or the shim's child that stands for it.
	for pid in $(our_pids) $(pgrep -P "$(our_pids | paste -sd,)"); do
		case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
		runsc-exec* | shim-runsc-exec*) kill -9 "$pid" ;;
		esac
	done
	wait "$i"
	rc=$?
	is "status of the exec" "$rc" 137
	runs_in xk 98765 && why "its process is still there"
	gone xk
	nothing_left
}

# Is there a process of container $1 with $2 in its command line?
runs_in() {
	ex --exec-id "ps$RANDOM" "$1" ps | grep -q "[^ ]* $2"
}

# What the kernel's OOM killer, or an impatient administrator, does.
case_sandbox_killed() {
	is_runsc || return 0
	run_bg sb sleep 100 || why "it did not start"
	kill -9 "$(task_pid sb)"
	until_true 10 is_status sb STOPPED || why "nobody noticed"
	is "status told by delete" "$(delete_status sb)" 137
	c container delete sb
	nothing_left
}

# A sandbox that does not answer, here since it is stopped: neither the control
# socket nor runsc is any help.  It delays nobody, and is ended by itself.
case_sandbox_hangs() {
	local pid conf=("${CONF[@]}")

	is_runsc || return 0
	{ echo "kill_timeout = 10"; cat "$T/runsc.toml"; } >"$T/kill.toml"
	CONF=(--runtime-config-path "$T/kill.toml")
	run_bg sh1 sleep 100 || why "it did not start"
	CONF=("${conf[@]}")
	run_bg sh2 sleep 100 || why "the other did not start"
	pid=$(task_pid sh1)
	kill -STOP "$pid"
	c task kill -s KILL sh1 &
	is "an exec in another" "$(ex --exec-id a sh2 echo fine)" fine
	# That was not delayed.
	is "its state" "$(status sh1)" RUNNING
	until_true 60 is_status sh1 STOPPED || why "it was not ended"
	wait $!
	is "status told by delete" "$(delete_status sh1)" 137
	c container delete sh1
	gone sh2
	nothing_left
}

begin
run_cases
