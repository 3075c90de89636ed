#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What ctr can do to a running container.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

case_exec() {
	local out

	run_bg x1 sleep 100 || why "it did not start"
	out=$(ex --exec-id a x1 sh -c 'echo in exec; exit 5')
	is status $? 5
	is output "$out" "in exec"
	ex --exec-id b x1 /bin/true
	is "status of true" $? 0
	ex --exec-id c x1 sh -c 'kill -9 $$'
	is "status of a killed one" $? 137
	out=$(ex --exec-id d x1 sh -c 'echo o; echo e >&2' 2>"$T/err")
	is stdout "$out" o
	is stderr "$(cat "$T/err")" e
	gone x1
	nothing_left
}

case_exec_not_found() {
	local out

	run_bg xn sleep 100 || why "it did not start"
	out=$(ex --exec-id a xn /bin/not-there 2>&1) && why "it ran"
	has "the error" "$out" "no such file or directory"
	is "status of the container" "$(status xn)" RUNNING
	is "a later one" "$(ex --exec-id b xn echo fine)" fine
	gone xn
	nothing_left
}

case_exec_stdin() {
	local out

	run_bg xs sleep 100 || why "it did not start"
	out=$({ sleep 1.5; echo typed; sleep 0.5; } | ex --exec-id a xs cat)
	is status $? 0
	is output "$out" typed
	gone xs
	nothing_left
}

case_exec_tty() {
	local out

	run_bg xt sleep 100 || why "it did not start"
	out=$(c_tty task exec --fifo-dir "$T/fifo" -t --exec-id a xt sh -c \
	    'test -t 0 && echo a terminal; exit 4')
	is status $? 4
	has output "$out" "a terminal"
	gone xt
	nothing_left
}

case_exec_detached() {
	run_bg xd sleep 100 || why "it did not start"
	ex -d --exec-id a xd sleep 101 || why "exec -d failed"
	until_true 5 two_processes xd || why "the exec is not in ps"
	c task kill --exec-id a -s KILL xd || why "kill --exec-id failed"
	until_true 5 one_process xd || why "kill --exec-id killed nothing"
	is "status of the container" "$(status xd)" RUNNING
	is "status told by delete" "$(delete_status --exec-id a xd)" 137
	gone xd
	nothing_left
}

two_processes() {
	[ "$(c task ps "$1" | tail -n +2 | wc -l)" = 2 ]
}

one_process() {
	[ "$(c task ps "$1" | tail -n +2 | wc -l)" = 1 ]
}

case_ps() {
	run_bg ps sleep 100 || why "it did not start"
	one_process ps || why "ps shows $(c task ps ps)"
	gone ps
	nothing_left
}

case_pause() {
	local out

	run_bg pa sleep 100 || why "it did not start"
	c task pause pa || why "pause failed"
	is status "$(status pa)" PAUSED
	out=$(c task pause pa 2>&1) && why "paused twice"
	out=$(ex --exec-id a pa echo x 2>&1) && why "exec while paused: $out"
	c task resume pa || why "resume failed"
	is status "$(status pa)" RUNNING
	is "output after it" "$(ex --exec-id b pa echo on)" on
	gone pa
	nothing_left
}

case_kill() {
	run_bg k1 sh -c 'trap "exit 3" USR1; : >/tmp/ready
	    while :; do sleep 0.1; done' || why "it did not start"
	until_true 10 is_ready k1 || why "it is not ready"
	c task kill -s USR1 k1 || why "kill failed"
	until_true 10 is_status k1 STOPPED || why "it did not stop"
	is "status told by delete" "$(delete_status k1)" 3
	c container delete k1
	nothing_left
}

case_kill_all() {
	run_bg ka sh -c 'sleep 101 & sleep 102 & wait' || why "it did not start"
	c task kill -a -s KILL ka || why "kill -a failed"
	until_true 10 is_status ka STOPPED || why "it did not stop"
	gone ka
	nothing_left
}

case_kill_stopped() {
	local out

	run_bg ks /bin/true || why "it did not start"
	until_true 10 is_status ks STOPPED || why "it did not stop"
	out=$(c task kill -s KILL ks 2>&1) && why "a stopped one was killed"
	has "the error" "$out" "not found"
	gone ks
	nothing_left
}

case_delete() {
	local out

	run_bg de sleep 100 || why "it did not start"
	out=$(c task delete de 2>&1) && why "a running one was deleted"
	is status "$(status de)" RUNNING
	c task delete -f de >/dev/null 2>&1
	is "tasks" "$(c task ls -q)" ""
	c container delete de
	nothing_left
}

# A child that holds the output must not hold up the end.
case_background_child() {
	local start=$SECONDS

	run_fg bc sh -c 'sleep 1000 & echo done' >"$T/out"
	is status $? 0
	is output "$(cat "$T/out")" "done"
	in_time "$start"
	nothing_left
}

topics() {
	grep -F "\"$1\"" "$T/events" | awk '{ for (i = 1; i <= NF; i++)
	    if ($i ~ /^\/tasks\//) printf "%s ", substr($i, 8) }'
}

has_topic() {
	topics "$1" | grep -q "$2 "
}

case_events() {
	events_begin
	run_bg ev sleep 100 || why "it did not start"
	ex --exec-id a ev /bin/true
	c task pause ev
	c task resume ev
	gone ev
	# The last one is about the container and has no id of it.
	until_true 5 has_topic ev delete || why "no delete event"
	events_end
	is events "$(topics ev | sed 's/delete delete/delete/')" "$EXPECTED"
	nothing_left
}

# The exec's own delete comes from no shim of containerd's, so it is left out
# of what is compared.
EXPECTED="create start exec-added exec-started exit paused resumed exit delete "

begin
run_cases
