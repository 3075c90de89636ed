#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is told of a process is true, whatever comes between.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

# -- 13.1: pids that come again -----------------------------------------------

LAST_PID=/proc/sys/kernel/ns_last_pid

# Runs in a pid namespace of its own: the next processes have the numbers of
# those before.
again() {
	echo 300 >$LAST_PID
	"$@"
}

# The next ones have numbers that nobody had.
apart() {
	echo "$((3000 + $1 * 100))" >$LAST_PID
	shift
	"$@"
}

# A hundred execs in twenty sub-containers, each with a status of its own, while
# a create hangs.  What is wrong, a line each.
pids_again() {
	local i n=0 a got

	start_shim pp >/dev/null && ctl_create pp && ctl start pp ||
	    echo "the pod did not start"
	a=$(start_shim hangs)
	ctl_create hangs --address "$a" >/dev/null 2>&1 &
	until_true 10 test -s "$T/hanging" || echo "no create hangs"
	for i in $(seq 1 20); do
		again ctl_create "s$i" --address "$a" &&
		    again ctl start --address "$a" "s$i" ||
		    echo "s$i did not start"
		for _ in 1 2 3 4 5; do
			n=$((n + 1))
			again ctl exec --address "$a" "s$i" sh -c "exit $n"
			got=$?
			[ "$got" = "$n" ] || echo "exec $n: $got"
		done
		again ctl kill --address "$a" "s$i" KILL
		got=$(again ctl wait --timeout 10 --address "$a" "s$i" 2>&1)
		[ "$got" = 137 ] || echo "s$i: $got"
		# runsc delete kills whoever has the number of the container's
		# gofer, which has gone: that may be who asks for it.
		got=$(apart "$i" ctl delete --address "$a" "s$i" 2>&1)
		[ "$got" = 137 ] || echo "delete of s$i: $got"
	done
	kill "$(cat "$T/hanging")"
	wait
	ctl kill --address "$a" pp KILL
	ctl wait --address "$a" pp >/dev/null
	ctl delete --address "$a" pp >/dev/null
	# The last process takes all others with it.
	until_true 10 test ! -e "${a#unix://}" || echo "the shim does not leave"
}

# 13.1: an exit is that of the process, not of its number.
case_pids_again() {
	local i

	if [ ! -w $LAST_PID ]; then
		echo "# skipped: a kernel without $LAST_PID"
		return
	fi
	wrap "" <<-'E'
	if [ "$verb" = create ] && [ "$id" = hangs ]; then
		echo $$ >"$T/hanging"
		exec sleep 1000
	fi
	exec "$real" "$@"
	E
	NOTES=$(notes sandbox pp) bundle pp false sleep 1000
	for i in hangs $(seq -f s%.0f 1 20); do
		NOTES=$(notes container pp) bundle "$i" false sleep 1000
	done
	export T NS SOCK SHIM SHIMCTL LAST_PID
	export -f again apart pids_again ctl start_shim ctl_create until_true
	is "what is wrong" "$(unshare --pid --fork --mount-proc \
	    bash -c pids_again 2>&1)" ""
	rm -rf "$T/b"
	plain_conf
	nothing_left
}

# -- 13.2: a pid file that lies ----------------------------------------------

# lies VERB: runsc does it and then writes the text of the file lie for a pid.
lies() {
	echo "$1" >"$T/lying"
	wrap 'control_socket = "off"' <<-'E'
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
	plain_conf
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
	plain_conf
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

	wrap 'control_socket = "off"' <<-'E'
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
	plain_conf
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
	plain_conf
}

# -- 13.6: after Shutdown -------------------------------------------------------

# requests ADDRESS REQUEST...: METHOD,FIELD=TEXT,..., one after the other on one
# connection: the method and the code of the answer, a line each.
requests() {
	perl -MSocket - "${1#unix://}" "${@:2}" <<-'E'
	use strict;
	sub varint {
		my ($n, $out) = ($_[0], "");
		for (; $n > 127; $n >>= 7) { $out .= chr($n & 127 | 128) }
		return $out . chr($n);
	}
	sub field { varint($_[0] << 3 | 2) . varint(length $_[1]) . $_[1] }
	sub take {
		my $text = "";
		while (length $text < $_[0]) {
			sysread(S, $text, $_[0] - length $text, length $text)
			    or die "the connection ended\n";
		}
		return $text;
	}
	my $stream = 1;
	socket(S, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
	connect(S, sockaddr_un(shift)) or die "connect: $!";
	for (@ARGV) {
		my ($method, @fields) = split /,/;
		my $payload = join "", map { field(split /=/, $_, 2) } @fields;
		my $request = field(1, "containerd.task.v2.Task") .
		    field(2, $method) . field(3, $payload);
		syswrite S, pack("NNCC", length $request, $stream, 1, 0) .
		    $request;
		my ($length) = unpack "N", take(10);
		my $reply = take($length);
		# Status, the first field, begins with its code.
		my $code = $reply =~ /^\x0a[\x80-\xff]*[\x00-\x7f]\x08(.)/s ?
		    ord $1 : 0;
		print "$method $code\n";
		$stream += 2;
	}
	E
}

# 13.6: a shim whose last events nobody takes yet makes no container any more.
case_create_after_shutdown() {
	local a

	bundle as1 false sleep 1000
	bundle as2 false sleep 1000
	a=$(TTRPC_ADDRESS=$SOCK.ttrpc start_shim as1) || why "no shim"
	kill -STOP "$CTD_PID"
	ctl_create as1 || why "create failed"
	ctl start as1 || why "start failed"
	ctl kill as1 KILL
	is wait "$(ctl wait as1)" 137
	is answers "$(requests "$a" Delete,1=as1 Shutdown,1=as1 \
	    "Create,1=as2,2=$T/b/as2" Start,1=as2 2>&1)" "Delete 0
Shutdown 0
Create 14
Start 14"
	kill -CONT "$CTD_PID"
	nothing_left
}

begin_with_shimctl
run_cases
