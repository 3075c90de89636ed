#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# This shim beside others: containerd-shim-runc-v2, whose containers are the
# host's own processes, and with PEER=/path gVisor's own Go
# containerd-shim-runsc-v1 on the same runsc.  In turns, ROUNDS times (3);
# what takes minutes (a pod of N, LONG execs, GROWTH execs on the fake runsc)
# in the first round only.  "bare" is runsc by hand, with no shim; "own share"
# is a shim's time less that.  Median, least and most of the rounds; OUT=FILE
# gets them as JSON too.  QUICK=1 tries every figure with small numbers.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/../real/lib.sh"
# shellcheck source=tests/bench/figures.sh
. "$(dirname "$0")/figures.sh"
[ -z "${QUICK:-}" ] || {
	ROUNDS=1 CALLS=20 LIVES=1 EXECS=40 LONG=80 N=5 MIB=64 GROWTH=400
}
ROUNDS=${ROUNDS:-3}
CALLS=${CALLS:-200}
LIVES=${LIVES:-5}
EXECS=${EXECS:-1000}
LONG=${LONG:-10000}
N=${N:-100}
MIB=${MIB:-2048}		# of one transfer
GROWTH=${GROWTH:-100000}
AT_ONCE=4
BUILD=$(readlink -f "$(dirname "$0")/../../build")
BENCH=$BUILD/bench/bench_calls
FAKE=$BUILD/plain/it/bin
REAPER=${BENCH%/*}/reaper
RUNSC=$(command -v "${RUNSC:-runsc}")
CRI=io.kubernetes.cri
RUNC=$(command -v containerd-shim-runc-v2)
declare -A path_of=([ours]="$SHIM" [peer]="${PEER:-}" [runc]="$RUNC")
names="ours ${PEER:+peer} ${RUNC:+runc}"

# member ID TYPE POD
member() {
	used "$1"
	cp -al "$ROOTFS" "$T/$1"
	run -d --rootfs --annotation $CRI.container-type="$2" \
	    --annotation $CRI.sandbox-id="$3" "$T/$1" "$1" sleep 1000 \
	    </dev/null
}

# end ID
end() {
	gone "$1" >/dev/null
	rm -rf "${T:?}/$1"
}

# Of the shims, and of runsc's that are neither sandbox nor gofer: numbers and
# KiB, of the pod that WHAT names.
memory() {
	local pid pss=0 own=0 shims=0 helpers=0 threads=0 line

	for pid in $(our_pids); do
		line=$(tr '\0' ' ' <"/proc/$pid/cmdline")
		case $line in
		*"-namespace $NS"*) shims=$((shims + 1)) ;;
		*" wait "*) helpers=$((helpers + 1)) ;;
		*) continue ;;
		esac
		line=/proc/$pid/smaps_rollup
		pss=$((pss + $(sum_of Pss "$line")))
		own=$((own + $(sum_of 'Private_Clean|Private_Dirty' "$line")))
		threads=$((threads + $(find "/proc/$pid/task" -mindepth 1 \
		    -maxdepth 1 | wc -l)))
	done
	note "$1: shims" "$shims"
	note "$1: runsc helpers" "$helpers"
	note "$1: threads of both" "$threads"
	note "$1: PSS of both, KiB" "$pss"
	note "$1: private memory of both, KiB" "$own"
}

# calls FIGURES-PREFIX ARGUMENTS...: latencies as bench_calls tells them
calls() {
	local line what prefix=$1

	shift
	while read -r line; do
		what=$prefix${line%%,*}
		note "$what, median, ms" "$(sed 's/.*median \([0-9.]*\).*/\1/' \
		    <<<"$line")"
		note "$what, p99, ms" "$(sed 's/.*p99 \([0-9.]*\).*/\1/' \
		    <<<"$line")"
	done < <("$BENCH" "$@")
}

# storm SOCKET ID N: execs, AT_ONCE of them at a time
storm() {
	local i pids=()

	for i in $(seq "$AT_ONCE"); do
		"$BENCH" "$1" "$2" $(($3 / AT_ONCE)) Exec >/dev/null &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || return 1
	done
}

# execs SOCKET ID N
execs() {
	local from=${EPOCHREALTIME/./} ms

	storm "$@" || return 1
	ms=$(since "$from")
	note "$3 execs, $AT_ONCE at a time, ms" "$ms"
	note "$3 execs, $AT_ONCE at a time, execs per second" \
	    "$(awk -v n="$3" -v ms="$ms" 'BEGIN { print n / ms * 1000 }')"
}

# The shim that serves container ID: its own, or its pod's.
shim_of() {
	cat "$BUNDLES/$1/shim.pid" 2>/dev/null || shim_pid "$1"
}

# growth PID COMMAND...: what the shim holds more after the command, KiB and
# descriptors
growth() {
	local pid=$1 kib fds

	shift
	kib=$(sum_of Pss "/proc/$pid/smaps_rollup")
	fds=$(find "/proc/$pid/fd" -mindepth 1 | wc -l)
	"$@" || return 1
	sleep 1
	GREW_KIB=$(($(sum_of Pss "/proc/$pid/smaps_rollup") - kib))
	GREW_FDS=$(($(find "/proc/$pid/fd" -mindepth 1 | wc -l) - fds))
}

# LONG execs, and what is left of them in the shim's memory.
many_execs() {
	growth "$(shim_of "$2")" execs "$1" "$2" "$LONG" || return 1
	note "after $LONG execs: PSS of the shim, KiB more" "$GREW_KIB"
	note "after $LONG execs: descriptors more" "$GREW_FDS"
}

# The same of GROWTH on the fake runsc, which takes minutes, not hours; the
# first thousands are not counted.
fake_execs() {
	local id=g$name sock pid i

	bundle "$id" sleep 100000
	exec 7<>"$T/by-hand/$id/log"
	sock=$(PATH=$FAKE:$PATH by_hand "$id")
	pid=$(cat "$T/by-hand/$id/shim.pid")
	(cd "$T/by-hand/$id" && "$BENCH" "$sock" "$id" 1 Create Start) \
	    >/dev/null && storm "$sock" "$id" $((GROWTH / 50)) && sleep 1 &&
	    growth "$pid" fake_storms "$sock" "$id" && {
		note "after $GROWTH execs (fake runsc): PSS, KiB more" \
		    "$GREW_KIB"
		note "after $GROWTH execs (fake runsc): descriptors more" \
		    "$GREW_FDS"
		note "after $GROWTH execs (fake runsc): files of the bundle" \
		    "$(find "$T/by-hand/$id" -type f | wc -l)"
	}
	"$BENCH" "$sock" "$id" 1 Kill9 Wait Delete Shutdown >/dev/null
	exec 7>&-
	rm -rf "$sock" "$T/by-hand/$id"
}

fake_storms() {
	local i

	for ((i = 0; i < 10; i++)); do
		storm "$1" "$2" $((GROWTH / 10)) || return 1
	done
}

# transfer ID: stdout of dd in an exec, through the shim
transfer() {
	local pid before from us

	pid=$(shim_of "$1")
	before=$(ticks "$pid")
	from=${EPOCHREALTIME/./}
	c task exec --exec-id dd "$1" /bin/dd if=/dev/zero bs=64k \
	    count=$((MIB * 16)) 2>/dev/null | cat >/dev/null
	us=$((${EPOCHREALTIME/./} - from))
	note "stdout, MB/s" "$(awk -v us="$us" -v m="$MIB" 'BEGIN {
	    print m * 1048576 / us }')"
	note "stdout, CPU seconds of the shim per GiB" "$(awk -v t=$(($(ticks \
	    "$pid") - before)) -v m="$MIB" -v hz="$(getconf CLK_TCK)" 'BEGIN {
	    print t / hz * 1024 / m }')"
}

# The bundle of a container ID that runs COMMAND..., like the one of containerd
# that was kept in $T/spec.json.
bundle() {
	local id=$1

	shift
	mkdir -p "$T/by-hand/$id"
	jq --arg id "$id" --arg root "$ROOTFS" --arg cg "/$NS/$id" \
	    --arg cri "$CRI" '.process.args = $ARGS.positional
		| .root.path = $root | .linux.cgroupsPath = $cg
		| .annotations = {($cri + ".container-type"): "sandbox",
		    ($cri + ".sandbox-id"): $id}' --args "$@" \
	    <"$T/spec.json" >"$T/by-hand/$id/config.json"
	mkfifo "$T/by-hand/$id/log"
}

# by_hand ID: the shim, as containerd starts it; the socket to stdout
by_hand() {
	cd "$T/by-hand/$1" || return 1
	TTRPC_ADDRESS=$SOCK.ttrpc "$SHIM" -namespace "$NS" -id "$1" \
	    -address "$SOCK" -publish-binary "$(command -v containerd)" start \
	    </dev/null 2>/dev/null 7>&- | sed 's|^unix://||'
}

# The shim without containerd and ctr: `start`, then a life cycle of `true`, and
# each request of one with an exec.
direct() {
	local id=d$1$name from sock

	bundle "$id" true
	# The log has a reader all the time, or Go's shims wait.
	exec 7<>"$T/by-hand/$id/log"
	from=${EPOCHREALTIME/./}
	sock=$(by_hand "$id")
	note "start, ms" "$(since "$from")"
	(cd "$T/by-hand/$id" && "$BENCH" "$sock" "$id" 1 Create Start Wait \
	    Delete Shutdown) >/dev/null && note "life cycle, ms" \
	    "$(since "$from")"
	exec 7>&-
	rm -rf "$sock" "$T/by-hand/$id"
	id=e$1$name
	bundle "$id" sleep 1000
	exec 7<>"$T/by-hand/$id/log"
	sock=$(by_hand "$id")
	while read -r what _ _ _ from _; do
		case $what in
		Create, | Start, | Exec, | Delete,)
			note "${what%,}, ms" "$from" ;;
		esac
	done < <(cd "$T/by-hand/$id" && "$BENCH" "$sock" "$id" 1 Create Start \
	    Exec Kill9 Wait Delete Shutdown)
	exec 7>&-
	rm -rf "$sock" "$T/by-hand/$id"
}

# The same of runsc alone: what no shim for it can do without.
bare() {
	local id=r$1 what ms

	bundle "$id" true
	note "life cycle, ms" "$(
	    cd "$T/by-hand/$id" && timed "$REAPER" bash -c '
	id=$1
	shift
	"$@" create --bundle . "$id" </dev/null && {
		"$@" wait "$id" &
		"$@" start "$id"
		wait
		"$@" delete "$id"
	}' - "$id" "$RUNSC" --network=none --root="$T/bare")"
	rm -rf "${T:?}/by-hand/$id"
	id=s$1
	bundle "$id" sleep 1000
	while read -r what ms; do
		note "$what, ms" "$ms"
	done < <(cd "$T/by-hand/$id" && "$REAPER" bash -c '
	id=$1
	shift
	took() {
		local what=$1 from=${EPOCHREALTIME/./}
		shift
		"$@" </dev/null >/dev/null 2>&1
		us=$((${EPOCHREALTIME/./} - from))
		printf "%s %d.%03d\n" "$what" $((us / 1000)) $((us % 1000))
	}
	took Create "$@" create --bundle . "$id"
	took Start "$@" start "$id"
	ended() {
		"$@" exec --detach --pid-file exec.pid "$id" /bin/true &&
		    while kill -0 "$(<exec.pid)"; do sleep 0.001; done
	}
	took Exec ended "$@"
	"$@" kill "$id" KILL
	"$@" wait "$id" >/dev/null
	took Delete "$@" delete "$id"' - "$id" "$RUNSC" --network=none \
	    --root="$T/bare")
	rm -rf "${T:?}/by-hand/$id"
}

# many ROUND: a pod of N
many() {
	local p=n$1$name from=${EPOCHREALTIME/./} i

	member "$p" sandbox "$p" || return 1
	for i in $(seq 2 "$N"); do
		member "m$i-$p" container "$p" || return 1
	done
	note "pod of $N: all started, ms" "$(since "$from")"
	sleep 2
	memory "pod of $N"
	from=${EPOCHREALTIME/./}
	for i in $(seq 2 "$N"); do
		end "m$i-$p"
	done
	end "$p"
	note "pod of $N: all killed and deleted, ms" "$(since "$from")"
}

life() {
	used "$1"
	run --rm --rootfs --annotation $CRI.container-type=sandbox "$ROOTFS" \
	    "$1" true
}

# round N
round() {
	local p=pod$1$name i sock

	note "binary, bytes" "$(stat -L -c %s "$SHIM")"
	member "$p" sandbox "$p" || return 1
	sleep 2
	memory "pod of 1"
	jq . "$BUNDLES/$p/config.json" >"$T/spec.json"
	member "a$p" container "$p" && member "b$p" container "$p" || return 1
	sleep 2
	memory "pod of 3"
	# One shim for the pod, or one for each container.
	sock=$(socket_of "a$p")
	[ -S "$sock" ] || sock=$(socket_of "$p")
	calls "" "$sock" "a$p" "$CALLS"
	# Stepped through, in a shim of one thread: valgrind, up to 3.19, does not
	# know pidfd_open(2).
	[ "$name" != ours ] || note "State, instructions of the shim" \
	    "$("$BENCH" "$sock" "a$p" 10 Steps)"
	execs "$sock" "a$p" "$EXECS" || failed "$EXECS execs"
	transfer "a$p"
	[ "$1" != 1 ] || many_execs "$sock" "a$p" || failed "$LONG execs"
	end "a$p"
	end "b$p"
	end "$p"
	clean
	: >"$T/calls"
	life "l$1$name" >/dev/null 2>&1
	sleep 0.3
	note "runsc processes of a life cycle" "$(wc -l <"$T/calls")"
	for i in $(seq "$LIVES"); do
		note "ctr run --rm true, ms" "$(timed life "l$1$name$i")"
		direct "$1$i" || failed "without containerd"
	done
	member "$p" sandbox "$p" && member "c$p" container "$p" || return 1
	: >"$T/calls"
	note "kill -9 to stopped, ms" "$(timed kill_and_wait "c$p")"
	end "c$p"
	note "runsc processes: kill, delete of a sub-container" \
	    "$(wc -l <"$T/calls")"
	end "$p"
	clean
	if [ "$1" = 1 ]; then
		many "$1" || failed "pod of $N"
		clean
		[ "$name" = runc ] || fake_execs || failed "fake execs"
	fi
	[ "$name" = ours ] || return 0
	name=bare
	for i in $(seq "$LIVES"); do
		bare "$1$i"
	done
	name=ours
}

# Others leave this and that behind, which is not what is measured here.
clean() {
	until_true 5 none_left || wipe
}

kill_and_wait() {
	c task kill -s KILL "$1"
	until_true 10 is_status "$1" STOPPED
}

# What a shim adds to runsc's own time, of the medians.
own_shares() {
	summary | awk -F '\t' '{ m[$1, $2] = $3; n[$1] = 1 }
	END { for (f in n) if ((f, "bare") in m) {
		split("ours peer", w, " ")
		for (i in w) if ((f, w[i]) in m)
			printf "%s\t%s, own share\t%.3f\n", w[i], f,
			    m[f, w[i]] - m[f, "bare"] } }' >"$T/shares"
	cat "$T/shares" >>"$T/figures"
}

command -v jq >/dev/null || {
	echo "jq is not installed: apt-get install jq"
	exit 1
}
begin
mkdir -p "$T/bin"
printf '#!/bin/sh\necho "$*" >>%s/calls\nexec %s --network=none "$@"\n' "$T" \
    "$RUNSC" >"$T/bin/runsc"
chmod +x "$T/bin/runsc"
containerd_stop TERM
PATH=$T/bin:$PATH
containerd_start || exit 1
CONF=()
LOAD=$(load)
: >"$T/figures"
: >"$T/failed"
for i in $(seq "$ROUNDS"); do
	for name in $names; do
		SHIM=${path_of[$name]}
		echo "$(date +%T) round $i of $ROUNDS: $name" >&2
		round "$i" || failed "round $i"
	done
done
own_shares
machine --argjson rounds "$ROUNDS" --argjson calls "$CALLS" \
    >"$T/machine.json"
jq -r 'to_entries[] | "\(.key): \(.value)"' "$T/machine.json"
table
cat "$T/failed"
[ -z "${OUT:-}" ] || as_json >"$OUT"
