#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Clients that open their FIFOs late, since the machine is busy: containerd and
# runsc of this year where they are (make deps-modern), whose ctr waits for an
# exec's output before it deletes it.  EXECS=1000 for the long loop.

PARTS=${PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/shim-parts}
[ -z "${OWN_NET:-}" ] && { [ -x "$PARTS/bin/ctr" ] &&
    [ -x "$PARTS/bin/runsc" ] ||
    echo "# skipped: late clients with containerd and runsc of this year"; }
export CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1
export PATH="$PARTS/bin:$PATH"
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

EXECS=${EXECS:-100}

# 13.20: execs without output on a machine whose processors are all taken.  A
# ctr that waits for ever is ended by its time, with 124.
case_late_clients() {
	local i rc pids=() hung=0 wrong=0

	run_bg lc sleep 100000 || why "it did not start"
	for ((i = 0; i < 3 * $(nproc); i++)); do
		nice -n 15 sh -c 'while :; do :; done' &
		pids+=($!)
	done
	for ((i = 1; i <= EXECS && hung < 3; i++)); do
		CTR_TIMEOUT=60 nice_ex --exec-id "x$i" lc sh -c "exit $((i % 100))"
		rc=$?
		case $rc in
		124 | 137) hung=$((hung + 1)) ;;
		$((i % 100))) ;;
		*) wrong=$((wrong + 1)) ;;
		esac
	done
	kill "${pids[@]}"
	wait "${pids[@]}" 2>/dev/null
	is "number of clients that hang, of $((i - 1))" "$hung" 0
	is "number of wrong statuses" "$wrong" 0
	gone lc
}

nice_ex() {
	timeout -k 2 "$CTR_TIMEOUT" nice -n 19 ctr -a "$SOCK" -n "$NS" task \
	    exec --fifo-dir "$T/fifo" "$@" </dev/null
}

begin
run_cases
