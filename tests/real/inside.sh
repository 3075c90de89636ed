#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An exec that the sandbox starts itself is the one that `runsc exec` makes:
# each process object is run both ways, in two containers that differ in
# control_socket alone, and what is seen of it inside and out is compared.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

LOOK='grep -v VmRSS /proc/self/status; id; env; ulimit -a; pwd; umask; tty
cat /proc/self/limits /proc/self/oom_score_adj /proc/self/cgroup
tr "\0" "\n" </proc/self/cmdline; ls -l /proc/self/fd 2>&1 | sed "s/.* //; s/[0-9]*]//"
cut -d " " -f 4-8 /proc/self/stat; echo /*; stat -c %a,%u,%g /tmp; readlink /proc/self
stty size 2>&1'
SETS="bounding effective inheritable permitted ambient"

# caps NAME...: all sets of these, JSON
caps() {
	local list s

	list=$(printf ',"CAP_%s"' "$@")
	printf '"capabilities":{'
	for s in $SETS; do
		printf '%s"%s":[%s]' "${more:-}" "$s" "${list#,}"
		local more=,
	done
	printf '}'
}

# look MEMBERS: a process object that looks around, with these besides.
look() {
	local script=${LOOK//\\/\\\\}

	script=${script//\"/\\\"}
	printf '{"args":["/bin/sh","-c","%s"],"env":["PATH=/bin","A=b c"]' \
	    "${script//$'\n'/\\n}"
	case $1 in *'"cwd"'*) ;; *) printf ',"cwd":"/"' ;; esac
	case $1 in *'"user"'*) ;; *) printf ',"user":{"uid":0,"gid":0}' ;; esac
	printf '%s}' "${1:+,$1}"
}

# sh_c SCRIPT [MEMBERS]
sh_c() {
	printf '{"args":["/bin/sh","-c","%s"],"env":["PATH=/bin"],"cwd":"/",
	    "user":{"uid":0,"gid":0}%s}' "$1" "${2:+,$2}"
}

# Two shims, and a container in each.
two() {
	local mode

	for mode in auto off; do
		wrap "control_socket = \"$mode\"" <<-'E'
		[ "$verb" != exec ] || echo . >>"$T/execs"
		exec "$real" "$@"
		E
		bundle "$mode" "${TERMINAL:-false}" sleep 1000
		sed -i "s|\"cwd\": \"/\" }|\"cwd\": \"/\" $1 }|" \
		    "$T/b/$mode/config.json"
		start_shim "$mode" >"$T/$mode.at" && ctl_create "$mode" \
		    >/dev/null && ctl start "$mode" >/dev/null ||
		    why "the container $mode did not start"
	done
	: >"$T/execs"
}

two_end() {
	local mode

	for mode in auto off; do
		ctl kill "$mode" KILL >/dev/null
		ctl wait "$mode" >/dev/null
		ctl delete "$mode" >/dev/null
		rm -rf "$T/b/$mode"
	done
	plain_conf
	nothing_left
}

# exec_in MODE DOING... <process
exec_in() {
	local at

	at=$(cat "$T/$1.at")
	T=$T timeout 150 python3 "$lib_dir/exec.py" "${at#unix://}" "$1" "$N" \
	    "${@:2}"
}

# both WAY PROCESS [DOING...]: WAY is who starts it if it may be the sandbox.
both() {
	local way=$1 execs

	printf '%s' "$2" >"$T/process"
	N=e$((${N#e} + 1))
	: >"$T/execs"
	exec_in auto "${@:3}" <"$T/process" >"$T/auto.out" 2>&1
	execs=$(wc -l <"$T/execs")
	exec_in off "${@:3}" <"$T/process" >"$T/off.out" 2>&1
	sed -i 's/auto\b/IT/g; s|/proc/[0-9]*/fd/[0-9]*|FILE|' "$T/auto.out"
	sed -i 's/off\b/IT/g; s|/proc/[0-9]*/fd/[0-9]*|FILE|' "$T/off.out"
	[ -z "${DEBUG:-}" ] || cat "$T/auto.out"
	is "what differs of $(head -c 300 "$T/process") ${*:3}" \
	    "$(diff "$T/off.out" "$T/auto.out")" ""
	case $way in
	inside) [ "$execs" = 0 ] || why "runsc was run for $(cat "$T/process")" ;;
	runsc) [ "$execs" != 0 ] || why "no runsc for $(cat "$T/process")" ;;
	esac
	return 0
}

N=e0

case_users() {
	two ", $(caps CHOWN NET_RAW KILL SYS_ADMIN)"
	both inside "$(look '')"
	both inside "$(look '"user":{"uid":1000,"gid":1001}')"
	both inside "$(look '"user":{"uid":7,"gid":8,"additionalGids":[9,10]}')"
	both inside "$(look '"user":{"uid":4294967294,"gid":0}')"
	both inside "$(look '"user":{"gid":5}')"
	both inside "$(look '"user":{"uid":0,"gid":0,"username":"root"}')"
	both runsc "$(look '"user":{"uid":0,"gid":0,"umask":63}')"
	both runsc "$(look '"user":{"uid":"0","gid":0}')"
	both runsc "$(look '"user":{"uid":-1,"gid":0}')"
	both runsc "$(look '"user":{"uid":4294967296,"gid":0}')"
	both runsc "$(look '"user":null')"
	two_end
}

case_capabilities() {
	two ", $(caps CHOWN NET_RAW SETUID SETGID)"
	both inside "$(look "$(caps KILL)")"
	both inside "$(look "$(caps NET_RAW NET_ADMIN SYS_PTRACE)")"
	both inside "$(look "$(caps CHOWN AUDIT_READ),\"user\":{\"uid\":5}")"
	both inside "$(look '"capabilities":{"bounding":["CAP_KILL"]}')"
	both inside "$(look '"capabilities":{"ambient":["CAP_KILL"]}')"
	both inside "$(look '"capabilities":{}')"
	both inside "$(look '"capabilities":null')"
	both either "$(look "$(caps PERFMON BPF CHECKPOINT_RESTORE)")"
	both runsc "$(look "$(caps NONE_SUCH)")"
	both runsc "$(look '"capabilities":{"bounding":["cap_kill"]}')"
	both runsc "$(look '"capabilities":[]')"
	two_end
}

# Those of the container where the process has none, too.
case_capabilities_of_container() {
	two ", $(caps CHOWN NET_RAW SETUID)"
	both inside "$(look '')"
	two_end
	two ""
	both inside "$(look '')"
	both inside "$(look "$(caps CHOWN)")"
	two_end
}

case_no_new_privileges() {
	two ", \"noNewPrivileges\": true"
	both either "$(look '"noNewPrivileges":true')"
	both inside "$(look '"noNewPrivileges":false')"
	both runsc "$(look '"noNewPrivileges":1')"
	two_end
}

case_limits() {
	two ', "rlimits": [{"type":"RLIMIT_NOFILE","hard":1234,"soft":123}]'
	both inside "$(look '')"
	both inside "$(look \
	    '"rlimits":[{"type":"RLIMIT_NOFILE","hard":99,"soft":98}]')"
	both inside "$(look '"oomScoreAdj":500')"
	both inside "$(look '"apparmorProfile":"x","selinuxLabel":"y"')"
	both runsc "$(look '"scheduler":{}')"
	two_end
}

case_words() {
	local long

	two ""
	long=$(head -c 100000 /dev/zero | tr '\0' x)
	both inside "$(sh_c "exit 3")"
	both runsc '{"args":["/bin/pwd"],"cwd":"/tmp"}'
	both inside '{"args":["sh","-c","env; pwd"],"cwd":"/tmp",
	    "env":["PATH=/bin"]}'
	both inside '{"args":["bin/pwd"],"cwd":"/","env":[]}'
	both inside '{"args":["/bin/pwd"],"cwd":"//tmp/../bin","env":[]}'
	both inside '{"args":["/bin/env"],"cwd":"/","env":["A=1","A=2"]}'
	both either '{"args":["/bin/env"],"cwd":"/","env":["B"]}'
	both inside '{"args":["/bin/env"],"cwd":"/",
	    "env":["\u00e4=\"\\\u20ac\ud83d\ude00\n"]}'
	both inside "$(sh_c "echo \${#L}")"
	both inside "{\"args\":[\"/bin/sh\",\"-c\",\"echo \${#1}\",\"x\",
	    \"$long\"],\"cwd\":\"/\",\"env\":[]}"
	both inside "{\"args\":[\"/bin/sh\",\"-c\",\"echo \${#L}\"],
	    \"cwd\":\"/\",\"env\":[\"L=$long\"]}"
	# The sandbox refuses it, and runsc has the words.
	both runsc '{"args":["nothing"],"cwd":"/","env":["PATH=/bin"]}'
	both runsc '{"args":["sh"],"cwd":"/tmp","env":[]}'
	both runsc '{"args":["/tmp"],"cwd":"/","env":["PATH=/bin"]}'
	both runsc '{"args":["/etc/none"],"cwd":"/","env":[]}'
	both runsc '{"args":["/bin/pwd"],"cwd":"/no/such","env":[]}'
	both either '{"args":["/bin/pwd"],"cwd":"/bin/sh","env":[]}'
	both runsc '{"args":[""],"cwd":"/","env":[]}'
	both runsc '{"args":[],"cwd":"/","env":[]}'
	# It is not for the sandbox.
	both runsc '{"args":["/bin/pwd"],"cwd":"tmp","env":[]}'
	both runsc '{"args":["/bin/pwd"],"env":[]}'
	both runsc '{"args":null,"cwd":"/","env":[]}'
	both runsc '{"Args":["/bin/pwd"],"cwd":"/","env":[]}'
	both either '{"args":["/bin/pwd"],"args":["/bin/id"],"cwd":"/"}'
	both runsc '{"args":"/bin/pwd","cwd":"/","env":[]}'
	both runsc '{"args":["/bin/pwd",7],"cwd":"/","env":[]}'
	both either '[]'
	both either 'x'
	two_end
}

case_statuses() {
	local s

	two ""
	for s in 0 1 77 126 127 128 129 255; do
		both inside "$(sh_c "exit $s")"
	done
	for s in 1 2 6 9 11 15; do
		both inside "$(sh_c "kill -$s \$\$")"
	done
	both inside "$(sh_c "echo out; echo err >&2; cat; exit 4")" \
	    "type=in\\n" close
	both inside "$(sh_c "sleep 300 >/dev/null 2>&1 & exit 9" '"rlimits":[]')"
	two_end
}

case_signals() {
	local s trap

	two ""
	for s in 1 2 10 15 9; do
		trap="trap 'echo got; exit 3' $s; echo ready; "
		[ "$s" != 9 ] || trap="echo ready; "
		trap="${trap}while :; do sleep 0.1; done"
		both inside "$(sh_c "$trap")" until=ready "kill=$s"
		both inside "$(sh_c "$trap")" until=ready "all=$s"
	done
	two_end
}

case_terminal() {
	local s tty='"terminal":true'

	two ""
	both inside "$(look "$tty")" tty
	both inside "$(look "$tty,\"consoleSize\":{\"width\":99,\"height\":33}")" \
	    tty
	both inside "$(sh_c "stty size; trap 'stty size; exit 5' WINCH;
	    echo rea''dy; while :; do sleep 0.1; done" "$tty")" \
	    tty until=ready size=77x22
	# Typed: for whom it has in its foreground.
	both inside "$(sh_c "trap 'echo got; exit 6' INT; echo rea''dy;
	    while :; do sleep 0.1; done" "$tty")" \
	    tty until=ready $'type=\003'
	both inside "$(sh_c "read a; echo \$a\$a; tty; exit 8" "$tty")" \
	    tty "type=word\\n" until=wordword
	both inside "$(sh_c "sh -c 'trap \\\"echo in; exit 4\\\" INT; echo rea;
	    while :; do sleep 0.1; done'; echo code \$?; exit 7" "$tty")" \
	    tty until=rea $'type=\003'
	for s in 1 15 9; do
		both inside "$(sh_c "echo rea''dy; sleep 1000" "$tty")" \
		    tty until=ready "kill=$s"
	done
	both inside "$(sh_c "echo bye; kill -15 \$\$" "$tty")" tty
	two_end
}

# Sent to its pid on the host: who stands in for it behaves as `runsc exec`.
case_host_pid() {
	local s

	two ""
	for s in 9 15 1; do
		both inside "$(sh_c "echo ready; sleep 1000")" until=ready \
		    "host=$s"
	done
	is "what is left in it" "$(ctl ps auto 2>/dev/null | grep -c sleep)" \
	    "$(ctl ps off 2>/dev/null | grep -c sleep)"
	is "one by the name" "$(exec_in auto name=shim-runsc-exec kill=9 <<<"$(
	    sh_c "sleep 1000")" 2>&1)" "status 137"
	two_end
}

# hung MODE: the sandbox is stopped, an exec is being started; it is killed, and
# what comes of it when the sandbox goes on ends too.
hung() {
	local mode=$1 starter sandbox N=hung0

	sandbox=$(ctl state "$mode" | sed -n 's/^pid: //p')
	exec_in "$mode" <<<"$(sh_c "exit 0")" >/dev/null
	kill -STOP "$sandbox"
	N=hung
	exec_in "$mode" <<<"$(sh_c "sleep 777")" >"$T/$mode.out" 2>&1 &
	starter=$!
	until_true 20 ctl kill "$mode" KILL --exec hung || why "Kill: $mode"
	wait "$starter"
	has "what Start says, $mode" "$(cat "$T/$mode.out")" \
	    "killed while starting"
	kill -CONT "$sandbox"
	until_true 20 none_inside "$mode" || why "it lives on: $mode"
}

none_inside() {
	local N=look$RANDOM

	! exec_in "$1" <<<"$(sh_c ps)" | grep -q "sleep 777"
}

case_start_hangs() {
	two ""
	hung auto
	hung off
	two_end
}

begin_with_shimctl
run_cases
