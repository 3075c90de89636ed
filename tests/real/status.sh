#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is told of a process is true, whatever comes between.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

# -- 13.2: a pid file that lies ----------------------------------------------

# lies VERB: runsc does it and then writes the text of the file lie for a pid.
lies() {
	echo "$1" >"$T/lying"
	wrap "" <<-'E'
	"$real" "$@"
	rc=$?
	[ "$verb" != "$(cat "$T/lying")" ] || cat "$T/lie" >"$file"
	exit $rc
	E
}

# 13.2: an exec is not the process that the file names if runsc has not made
# that: it is refused, or what is told is right, and the other lives on.
case_pid_file_of_exec() {
	local victim lie n=0

	lies exec
	sleep 1000 &
	victim=$!
	run_bg pe sleep 1000 || why "it did not start"
	for lie in "$victim" "${victim}abc" 2147483647; do
		n=$((n + 1))
		printf '%s' "$lie" >"$T/lie"
		if ex -d --exec-id "e$n" pe sleep 999 2>"$T/err"; then
			is "$lie is told as" "$(c task ps pe |
			    grep -c "^$victim ")" 0
			c task kill --exec-id "e$n" -s KILL pe
			is "status of e$n" "$(delete_status --exec-id "e$n" \
			    pe)" 137
		fi
	done
	gone pe
	kill "$victim" || why "the other process was killed"
	wait "$victim" 2>/dev/null
	nothing_left
}

# 13.2: the same of a container.
case_pid_file_of_create() {
	local victim lie n=0

	lies create
	sleep 1000 &
	victim=$!
	for lie in "$victim" "${victim}abc" 2147483647; do
		n=$((n + 1))
		printf '%s' "$lie" >"$T/lie"
		if run_bg "pc$n" sleep 999 2>"$T/err"; then
			is "$lie is told as" "$(task_pid "pc$n" |
			    grep -cx "$victim")" 0
			gone "pc$n"
		else
			c container delete "pc$n" >/dev/null 2>&1
		fi
	done
	kill "$victim" || why "the other process was killed"
	wait "$victim" 2>/dev/null
	nothing_left
}

# -- 13.3: `runsc exec` is killed in its midst --------------------------------

lives_inside() {
	ex --exec-id "ps$RANDOM$RANDOM" ke ps | grep -q " sleep $1\$"
}

dies_inside() {
	! lives_inside "$1"
}

# 13.3: at ten points of what an exec takes: what failed is dead, what is told
# as running can be ended.
case_exec_killed_in_start() {
	local i all

	wrap "" <<-'E'
	if [ "$verb" = exec ] && [ -e "$T/delay" ]; then
		(sleep "$(cat "$T/delay")"; kill -9 $$) </dev/null >&0 2>&0 &
	elif [ "$verb" = exec ]; then
		begin=${EPOCHREALTIME/./}
		"$real" "$@"
		rc=$?
		echo $((${EPOCHREALTIME/./} - begin)) >"$T/took"
		exit $rc
	fi
	exec "$real" "$@"
	E
	run_bg ke sleep 1000 || why "it did not start"
	ex --exec-id first ke true
	all=$(cat "$T/took")
	for i in 1 2 3 4 5 6 7 8 9 10; do
		printf '0.%06d' $((all * i / 10)) >"$T/delay"
		if ex -d --exec-id "k$i" ke sleep "430$i" 2>"$T/err"; then
			rm "$T/delay"
			c task kill --exec-id "k$i" -s KILL ke
			is "status of k$i" "$(delete_status --exec-id "k$i" \
			    ke)" 137
		fi
		rm -f "$T/delay"
		until_true 10 dies_inside "430$i" ||
		    why "$i tenths: told as failed, it lives on"
	done
	gone ke
	nothing_left
}

# -- 13.5: a sub-container whose sandbox dies meanwhile -----------------------

# sandbox_dies MOMENT: before, after or some time into the create of a
# sub-container.
sandbox_dies() {
	local id=pod${1/./} sub=sub${1/./} sink=$T/sink.$1 a events

	echo "$1" >"$T/moment"
	"$SHIMCTL" events "$sink" >"$T/events" &
	events=$!
	until_true 10 test -S "$sink"
	NOTES=$(notes sandbox "$id") bundle "$id" false sleep 1000
	NOTES=$(notes container "$id") bundle "$sub" false sleep 1000
	TTRPC_ADDRESS=$sink start_shim "$id" >/dev/null || why "no shim"
	ctl_create "$id" || why "the pod was not created"
	ctl start "$id" || why "the pod did not start"
	ctl state "$id" | sed -n 's/^pid: //p' >"$T/sandbox"
	a=$(start_shim "$sub")
	if ctl_create "$sub" --address "$a" 2>"$T/err"; then
		is "status after $1" "$(ctl wait --timeout 20 --address "$a" \
		    "$sub" 2>&1)" 137
		until_true 10 grep -q "/tasks/exit $sub .*status=137" \
		    "$T/events" || why "after $1: no TaskExit"
		is "its delete" "$(ctl delete --address "$a" "$sub" 2>&1)" 137
	else
		[ "$1" != after ] || why "not created: $(cat "$T/err")"
	fi
	is "status of the pod" "$(ctl wait --timeout 20 "$id" 2>&1)" 137
	is "its delete" "$(ctl delete "$id" 2>&1)" 137
	kill "$events"
	wait "$events" 2>/dev/null
	rm -rf "$sink" "$T/b"
	nothing_left
}

# 13.5: it ends as the others of the pod do, or is not created.
case_sub_created_while_sandbox_dies() {
	local moment

	wrap "" <<-'E'
	if [ "$verb" = create ] && [[ $id = sub* ]]; then
		read -r sandbox <"$T/sandbox"
		read -r moment <"$T/moment"
		case $moment in
		before) kill -9 "$sandbox" ;;
		after)
			"$real" "$@"
			rc=$?
			kill -9 "$sandbox"
			while kill -0 "$sandbox"; do sleep 0.01; done
			exit $rc
			;;
		*) (sleep "$moment"; kill -9 "$sandbox") </dev/null >&0 2>&0 & ;;
		esac
	fi 2>/dev/null
	exec "$real" "$@"
	E
	for moment in before 0.02 0.04 0.08 after; do
		sandbox_dies "$moment"
	done
}

if ! is_runsc; then
	echo "skipped: not this shim"
	exit 0
fi
need_shimctl
begin
run_cases
