#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shimctl with real runsc: containers that it runs itself, without containerd,
# and looks into those that containerd started.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

ctl_tty() {
	SHELL=$BASH script -qec "timeout --foreground -k 2 60 $SHIMCTL -n $NS \
	    --containerd $SOCK $(printf '%q ' "$@")" /dev/null </dev/null
}

# ctl_run ID ARGUMENTS...
ctl_run() {
	ctl run --shim "$SHIM" --config "$T/runsc.toml" "${@:2}" "$T/b/$1" "$1"
}

case_run_0() {
	local out

	bundle k0 false echo hello
	out=$(ctl_run k0)
	is status $? 0
	is output "$out" hello
	nothing_left
}

case_run_7() {
	bundle k7 false sh -c 'exit 7'
	ctl_run k7
	is status $? 7
	nothing_left
}

case_run_137() {
	bundle k137 false sh -c 'kill -9 $$'
	ctl_run k137
	is status $? 137
	nothing_left
}

case_run_killed() {
	local pid

	bundle kk false sleep 100
	ctl_run kk &
	pid=$!
	until_true 10 ctl_status kk running || why "it did not start"
	ctl kill kk KILL || why "kill failed"
	wait "$pid"
	is status $? 137
	nothing_left
}

# Sandbox, gofer, runsc's state and mounts, the socket, and files in the bundle.
case_run_shim_killed() {
	local pid

	bundle kq false sleep 100
	ctl_run kq 2>"$T/err" &
	pid=$!
	until_true 10 ctl_status kq running || why "it did not start"
	kill -KILL "$(ctl list | awk -v ns="$NS" '$3 == ns { print $1 }')"
	wait "$pid"
	is status $? 1
	has "what it says" "$(cat "$T/err")" \
	    "the shim of kq has ended; what it left is removed"
	is "the bundle" "$(ls "$T/b/kq")" "config.json
rootfs"
	is "state of runsc" "$(ls "/run/containerd/runsc/$NS")" ""
	nothing_left
	bundle kq false sh -c 'exit 3'
	ctl_run kq
	is "status of the same id" $? 3
	nothing_left
}

case_run_streams() {
	bundle ks false sh -c 'echo out; echo err >&2; cat'
	echo in | ctl_run ks -i >"$T/out" 2>"$T/err"
	is status $? 0
	is stdout "$(cat "$T/out")" "out
in"
	is stderr "$(cat "$T/err")" err
	nothing_left
}

case_run_events() {
	local text

	bundle ke false sh -c 'exit 3'
	text=$(ctl_run ke --events 2>&1)
	is status $? 3
	has events "$text" "/tasks/start ke pid="
	has events "$text" "status=3"
	nothing_left
}

case_run_terminal() {
	local out

	bundle kt true sh -c 'test -t 0 && test -t 1 && echo a terminal; exit 9'
	out=$(ctl_tty run -t --shim "$SHIM" --config "$T/runsc.toml" \
	    "$T/b/kt" kt)
	is status $? 9
	has output "$out" "a terminal"
	nothing_left
}

case_failing_start() {
	local out

	bundle kf false /bin/not-there
	out=$(ctl_run kf 2>&1)
	is status $? 1
	has "the error" "$out" "no such file or directory"
	nothing_left
}

case_steps() {
	bundle kp false sh -c 'sleep 100'
	ctl start-shim --shim "$SHIM" --config "$T/runsc.toml" "$T/b/kp" kp \
	    >/dev/null || why "start-shim failed"
	ctl create --config "$T/runsc.toml" "$T/b/kp" kp || why "create failed"
	ctl_status kp created || why "not created"
	ctl start kp || why "start failed"
	has list "$(ctl list)" "running  $NS kp "
	ctl exec kp sh -c 'exit 5'
	is "status of exec" $? 5
	has "exec of what is not there" "$(ctl exec kp /bin/not-there 2>&1)" \
	    "no such file or directory"
	is "output of exec" "$(echo abc | ctl exec -i kp cat)" abc
	is "its user" "$(ctl exec --user 5:6 --env A=b --cwd /tmp kp \
	    sh -c 'echo $(id -u):$(id -g) $A $(pwd)')" "5:6 b /tmp"
	has "exec on a terminal" "$(ctl_tty exec -t kp \
	    sh -c 'test -t 0 && echo a terminal')" "a terminal"
	is "the exec's id" "$(ctl exec -d --exec e1 kp sleep 100)" e1
	has ps "$(ctl ps kp)" " e1"
	ctl kill kp KILL --exec e1
	is "status of e1" "$(ctl wait kp --exec e1)" 137
	ctl delete kp --exec e1 >/dev/null || why "delete of the exec failed"
	ctl pause kp || why "pause failed"
	ctl_status kp paused || why "not paused"
	ctl resume kp || why "resume failed"
	ctl kill kp KILL --all || why "kill failed"
	is wait "$(ctl wait kp)" 137
	is delete "$(ctl delete kp)" 137
	nothing_left
}

# What a container prints gets nowhere, and least of all to the shim.
case_closed_streams() {
	local how

	bundle kz false sleep 100
	created kz
	ctl start kz || why "start failed"
	for how in '>&-' '2>&-' '<&-' '<&- >&- 2>&-'; do
		timeout 20 bash -c "\"\$@\" $how" - "$SHIMCTL" -n "$NS" \
		    --containerd "$SOCK" exec -i kz sh -c \
		    'cat; echo out; echo err >&2; exit 7' </dev/null \
		    >/dev/null 2>&1
		is "status of exec $how" $? 7
	done
	ctl kill kz KILL || why "kill failed"
	is wait "$(ctl wait kz)" 137
	is delete "$(ctl delete kz)" 137
	nothing_left
}

# An output that nobody takes: the status is that of SIGPIPE, nothing runs on.
case_broken_output() {
	bundle kb false yes
	is "output and status of run" "$({ ctl_run kb 2>&1
	    echo $? >"$T/rc"; } | head -n 1; cat "$T/rc")" "y
141"
	nothing_left
	bundle kb2 false sleep 100
	created kb2
	ctl start kb2 || why "start failed"
	is "output and status of exec" "$({ ctl exec --exec e1 kb2 yes 2>&1
	    echo $? >"$T/rc"; } | head -n 1; cat "$T/rc")" "y
141"
	ctl state kb2 --exec e1 >/dev/null 2>&1 && why "the exec is there"
	has "exec with a full disk" "$(ctl exec kb2 echo hi 2>&1 >/dev/full)" \
	    "write standard output: No space left on device"
	ctl exec kb2 echo hi >/dev/full 2>&1
	is "status with a full disk" $? 1
	ctl kill kb2 KILL || why "kill failed"
	is wait "$(ctl wait kb2)" 137
	is delete "$(ctl delete kb2)" 137
	nothing_left
}

case_no_terminal_here() {
	local out

	bundle kn true sleep 100
	out=$(ctl_run kn -t </dev/null 2>&1)
	is status $? 2
	has "the error" "$out" "-t: standard input is no terminal"
	nothing_left
}

# created ID: with a shim of its own
created() {
	ctl start-shim --shim "$SHIM" --config "$T/runsc.toml" "$T/b/$1" "$1" \
	    >/dev/null || why "start-shim failed"
	ctl create --config "$T/runsc.toml" "$T/b/$1" "$1" || why "create failed"
}

# refused TEXT ARGUMENTS...: delete says TEXT
refused() {
	local out

	out=$(ctl delete "${@:2}" 2>&1) && why "delete $2 worked: not $1"
	has "delete ${*:2}" "$out" "$1"
}

case_delete_in_each_state() {
	bundle kd false sh -c 'sleep 100'
	created kd
	is "delete of a created one" "$(ctl delete kd)" 137
	ctl delete kd >/dev/null 2>&1 && why "deleted twice"
	created kd
	ctl start kd || why "start failed"
	refused "cannot delete a running container" kd
	ctl pause kd || why "pause failed"
	refused "cannot delete a paused container" kd
	ctl resume kd || why "resume failed"
	is "the exec's id" "$(ctl exec -d --exec e1 kd sleep 100)" e1
	refused "cannot delete a running process" kd --exec e1
	ctl kill kd KILL --exec e1
	is "status of e1" "$(ctl wait kd --exec e1)" 137
	is "delete of e1" "$(ctl delete kd --exec e1)" 137
	refused "e1" kd --exec e1
	# With an exec that nobody has deleted.
	is "the exec's id" "$(ctl exec -d --exec e2 kd sleep 100)" e2
	ctl kill kd KILL || why "kill failed"
	is wait "$(ctl wait kd)" 137
	is "delete of a stopped one" "$(ctl delete kd)" 137
	ctl delete kd >/dev/null 2>&1 && why "deleted twice"
	nothing_left
}

# An exec's environment is on no disk: bundles, state of runsc, logs.
case_secret_of_an_exec() {
	local secret=correct-horse-battery-staple
	local places=("$T" "/run/containerd/runsc/$NS")

	bundle ks false sh -c 'sleep 100'
	created ks
	ctl start ks || why "start failed"
	is "the exec's id" "$(ctl exec -d --exec e1 --env PASSWORD=$secret ks \
	    sh -c 'test -n "$PASSWORD" && sleep 100')" e1
	ctl_status ks running || why "not running"
	has ps "$(ctl ps ks)" " e1"
	is "files with the secret" "$(grep -rlsI -D skip $secret \
	    "${places[@]}")" ""
	has "files with the command" "$(grep -rlsI -D skip '"sleep 100"' \
	    "${places[@]}")" config.json
	ctl kill ks KILL || why "kill failed"
	is wait "$(ctl wait ks)" 137
	is delete "$(ctl delete ks)" 137
	nothing_left
}

case_of_containerd() {
	run_bg kc sleep 100 || why "it did not start"
	ctl_status kc running || why "not found"
	has list "$(ctl --state-dir "$T/ctd/state" list)" "$NS kc "
	is "output of exec" "$(ctl exec kc echo inside)" inside
	ctl kill kc KILL || why "kill failed"
	is wait "$(ctl wait kc)" 137
	is_status kc STOPPED || why "containerd was not told"
	gone kc
	nothing_left
}

begin_with_shimctl
run_cases
