#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Stdio with a real containerd and runsc: sizes, stalls, restarts, byte-exact.
# LOOPS is the number of short-lived processes (default 100), FULL=1 also moves
# 500 MiB each way.

dir=$(dirname "$0")
# shellcheck source=tests/real/lib.sh
. "$dir/lib.sh"
LOOPS=${LOOPS:-100}

# N bytes that tell each place apart; the same ones in every run.
pattern() {
	seq -w 0 99999999 | head -c "$1"
}

sum() {
	md5sum | cut -d ' ' -f 1
}

# The last line of a process that ends at once is never lost.
case_last_line() {
	local i out wrong=0

	run_bg ll sleep 1000 || why "it did not start"
	for ((i = 0; i < LOOPS; i++)); do
		out=$(ex --exec-id "e$i" ll echo "the last line $i")
		[ "$out" = "the last line $i" ] || wrong=$((wrong + 1))
	done
	is "outputs of $LOOPS that were not whole" "$wrong" 0
	gone ll
	nothing_left
}

# The same in a terminal, where the end of the process can be known before the
# terminal's master has been handed over, or its output read from there.
case_last_line_of_terminals() {
	local i out wrong=0

	run_bg lt sleep 1000 || why "it did not start"
	for ((i = 0; i < (LOOPS + 4) / 5; i++)); do
		out=$(c_tty task exec -t --fifo-dir "$T/fifo" --exec-id "t$i" \
		    lt echo "the last line $i" | tr -d '\r')
		# ctr may add that it came too late with the size.
		case $out in
		*"the last line $i"*) ;;
		*) wrong=$((wrong + 1)) ;;
		esac
	done
	is "outputs of $i terminals that were not whole" "$wrong" 0
	gone lt
	nothing_left
}

# ctr 2.x waits until all have closed an exec's output, not for its end alone.
ctr_waits() {
	case $(ctr --version) in
	*" "1.* | *" "v1.*) return 1 ;;
	esac
}

# A background child that writes after its exec has been deleted is neither
# killed by that nor stuck.  It sleeps: nothing inside tells it of that, and ctr
# 2.x, which waits for it, cannot.
case_background_writer() {
	run_bg bw sleep 1000 || why "it did not start"
	# shellcheck disable=SC2016 # for the shell inside
	is output "$(ex --exec-id b bw sh -c \
	    '(sleep 1; seq 100000; echo $? >/tmp/bw.rc) & echo ok' |
	    sed -n 1p)" ok
	until_true 20 ex --exec-id "c$RANDOM" bw test -s /tmp/bw.rc
	is "status of the writer" "$(ex --exec-id c bw cat /tmp/bw.rc)" 0
	gone bw
	nothing_left
}

case_output_sizes() {
	local n

	run_bg os sleep 1000 || why "it did not start"
	for n in 0 1 65535 65536 65537 52428800; do
		is "sum of $n bytes" "$(ex --exec-id "o$n" os sh -c \
		    "seq -w 0 99999999 | head -c $n" | sum)" \
		    "$(pattern "$n" | sum)"
	done
	gone os
	nothing_left
}

# Is that exec there?  ctr loses an end of stdin that comes before.
exec_is_told() {
	grep -q "/tasks/exec-started.*\"$1\"" "$T/events"
}

# What comes in goes out again.
case_input_sizes() {
	local n

	events_begin
	run_bg is sleep 1000 || why "it did not start"
	for n in 0 1 65535 65536 65537 52428800; do
		is "sum of $n bytes" "$({ pattern "$n"
		    until_true 60 exec_is_told "i$n"; } |
		    ex --exec-id "i$n" is cat | sum)" "$(pattern "$n" | sum)"
	done
	events_end
	gone is
	nothing_left
}

case_full_sizes() {
	local n=524288000

	if [ -z "${FULL:-}" ]; then
		echo "# skipped: 500 MiB each way, without FULL=1"
		return
	fi
	run_bg fs sleep 1000 || why "it did not start"
	is "sum of $n bytes" "$(pattern "$n" | ex --exec-id i fs cat | sum)" \
	    "$(pattern "$n" | sum)"
	gone fs
	nothing_left
}

# A client that takes nothing until another exec has come and gone; then every
# byte comes.
case_stalled_reader() {
	local got

	events_begin
	run_bg sr sleep 1000 || why "it did not start"
	ex --exec-id big sr sh -c 'seq -w 0 99999999 | head -c 20000000' |
	    { until_true 60 test -e "$T/taken"; sum; } >"$T/stalled" &
	until_true 60 exec_is_told big || why "the exec did not start"
	got=$(ex --exec-id small sr echo meanwhile)
	is "another exec meanwhile" "$got" meanwhile
	: >"$T/taken"
	wait $!
	events_end
	is "sum after the stall" "$(cat "$T/stalled")" "$(pattern 20000000 | sum)"
	gone sr
	nothing_left
}

# containerd killed in mid-stream and started again, and a reader that leaves
# there and comes back: the FIFO's reader is ours here, as it is containerd's
# with the CRI. Not a byte is lost or repeated.
case_restarted_reader() {
	local n=30000000 first=5000000

	mkfifo "$T/rr.out"
	head -c "$first" "$T/rr.out" >"$T/rr.1" &
	used rr
	run -d --log-uri "fifo://$T/rr.out" --rootfs "$ROOTFS" rr \
	    sh -c "seq -w 0 99999999 | head -c $n; sleep 1000" </dev/null ||
	    why "it did not start"
	wait $!
	containerd_stop KILL
	containerd_start
	is status "$(status rr)" RUNNING
	timeout 20 head -c $((n - first)) "$T/rr.out" >"$T/rr.2"
	is "sum of both parts" "$(cat "$T/rr.1" "$T/rr.2" | sum)" \
	    "$(pattern "$n" | sum)"
	gone rr
	nothing_left
}

# A background child holds the output: the exec is over all the same.
case_background_output() {
	local long=1000 out

	ctr_waits && long=3
	run_bg bo sleep 1000 || why "it did not start"
	out=$(timeout "$HANG" ctr -a "$SOCK" -n "$NS" task exec --fifo-dir \
	    "$T/fifo" --exec-id b bo sh -c "sleep $long & echo ok") ||
	    why "it ended with $?"
	is output "$out" ok
	gone bo
	nothing_left
}

# 13.21: what nobody has read yet is as much as the FIFO holds, however short the
# pieces; streams_test has that it delays no end.
case_short_pieces() {
	# shellcheck disable=SC2016 # for the shell inside
	bundle sp false sh -c 'for i in $(seq 1 60); do echo $i; sleep 0.01; done; exit 3'
	mkfifo "$T/sp.out"
	exec 8<>"$T/sp.out"
	start_shim sp >/dev/null || why "no shim"
	ctl_create sp --stdout "$T/sp.out" || why "create failed"
	ctl start sp || why "start failed"
	is status "$(ctl wait sp)" 3
	ctl delete sp >/dev/null
	is "lines" "$(timeout 2 cat <&8 | tail -n 1)" 60
	exec 8<&-
	nothing_left
}

# 13.4: a container ends with an exec whose client reads nothing; streams_test
# has the order.
case_exec_that_nobody_reads() {
	local pid

	bundle en false sleep 1000
	start_shim en >/dev/null || why "no shim"
	ctl_create en || why "create failed"
	ctl start en || why "start failed"
	mkfifo "$T/en.hold"
	# shellcheck disable=SC2094 # it is only held open
	ctl exec en sh -c 'head -c 300000 /dev/zero; sleep 1000' |
	    { read -r _ <"$T/en.hold"; cat >/dev/null; } &
	pid=$!
	until_true 10 eval 'ctl ps en | grep -q shimctl' || why "no exec"
	ctl kill en KILL
	is status "$(ctl wait en)" 137
	echo >"$T/en.hold"
	wait "$pid"
	ctl delete en >/dev/null
	nothing_left
}

begin
run_cases
