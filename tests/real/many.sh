#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# LOOPS containers (100), one after the other, each with the right status, and
# then nothing is left.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

LOOPS=${LOOPS:-100}

case_many() {
	local i rc want wrong=0

	for ((i = 1; i <= LOOPS; i++)); do
		want=0
		[ $((i % 10)) != 0 ] || want=$((i / 10 % 256))
		if [ "$want" = 0 ]; then
			run_fg "m$i" /bin/true
		else
			run_fg "m$i" sh -c "exit $want"
		fi
		rc=$?
		[ "$rc" = "$want" ] || {
			wrong=$((wrong + 1))
			echo "# run $i: status $rc, not $want"
		}
	done
	is "number of wrong statuses of $LOOPS" "$wrong" 0
	nothing_left
}

case_many_execs() {
	local i rc wrong=0

	run_bg me sleep 1000 || why "it did not start"
	for ((i = 1; i <= LOOPS / 4; i++)); do
		ex --exec-id "x$i" me sh -c "exit $((i % 200))"
		rc=$?
		[ "$rc" = $((i % 200)) ] || wrong=$((wrong + 1))
	done
	is "number of wrong statuses" "$wrong" 0
	gone me
	nothing_left
}

# t1 and t10: runsc takes an id for a prefix.
case_ten_at_once() {
	local i pids=() wrong=0

	for i in 1 2 3 4 5 6 7 8 9 10; do
		run_fg "t$i" sh -c "sleep 0.5; exit $i" &
		pids+=($!)
	done
	for i in 1 2 3 4 5 6 7 8 9 10; do
		wait "${pids[i - 1]}"
		[ $? = "$i" ] || wrong=$((wrong + 1))
	done
	is "number of wrong statuses" "$wrong" 0
	nothing_left
}

begin
run_cases
