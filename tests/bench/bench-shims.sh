#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# This shim beside others: containerd-shim-runc-v2, whose containers are the
# host's own processes, and with PEER=/path gVisor's own Go
# containerd-shim-runsc-v1 on the same runsc.  In turns, ROUNDS times (3):
# what a pod holds in memory besides its sandbox, how long the requests, the
# execs (EXECS, 4 at a time), a pod of N containers and a life cycle take, and
# how many runsc processes they start.  "bare" is runsc by hand, with no shim.
# Median, least and most of the rounds; OUT=FILE gets them as JSON too.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/../real/lib.sh"
ROUNDS=${ROUNDS:-3}
CALLS=${CALLS:-100}
LIVES=${LIVES:-5}
EXECS=${EXECS:-100}
N=${N:-20}
AT_ONCE=4
BENCH=$(readlink -f "$(dirname "$0")/../../build/bench/bench_calls")
REAPER=${BENCH%/*}/reaper
RUNSC=$(command -v "${RUNSC:-runsc}")
CRI=io.kubernetes.cri
RUNC=$(command -v containerd-shim-runc-v2)
declare -A path_of=([ours]="$SHIM" [peer]="${PEER:-}" [runc]="$RUNC")
names="ours ${PEER:+peer} ${RUNC:+runc}"

# note FIGURE VALUE: of the shim under way, in this round
note() {
	echo "$name	$1	$2" >>"$T/figures"
}

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

# sum_of FIELD FILE: what smaps_rollup says of it
sum_of() {
	awk -v f="^($1):" '$0 ~ f { s += $2 } END { print s + 0 }' "$2"
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

# Milliseconds since FROM, a ${EPOCHREALTIME/./}.
since() {
	local us=$((${EPOCHREALTIME/./} - $1))

	printf '%d.%03d\n' $((us / 1000)) $((us % 1000))
}

# Milliseconds that the rest of the line takes.
timed() {
	local from=${EPOCHREALTIME/./}

	"$@" >/dev/null 2>&1
	since "$from"
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

# execs SOCKET ID
execs() {
	local from=${EPOCHREALTIME/./} i pids=()

	for i in $(seq "$AT_ONCE"); do
		"$BENCH" "$1" "$2" $((EXECS / AT_ONCE)) Exec >/dev/null &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || return 1
	done
	note "$EXECS execs, $AT_ONCE at a time, ms" "$(since "$from")"
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

# The shim without containerd and ctr: `start`, and with it a life cycle.
direct() {
	local id=d$1$name from sock

	bundle "$id" true
	# The log has a reader all the time, or Go's shims wait.
	exec 7<>"$T/by-hand/$id/log"
	from=${EPOCHREALTIME/./}
	sock=$(by_hand "$id")
	note "start, ms" "$(since "$from")"
	(cd "$T/by-hand/$id" && "$BENCH" "$sock" "$id" 1 Up Wait Down) \
	    >/dev/null && note "life cycle without containerd, ms" \
	    "$(since "$from")"
	exec 7>&-
	rm -rf "$sock" "$T/by-hand/$id"
}

# The same of runsc alone: what no shim for it can do without.
bare() {
	local id=r$1

	bundle "$id" true
	note "life cycle without containerd, ms" "$(
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
	# Other shims have more than the one thread that is followed here.
	[ "$name" != ours ] || note "State, instructions of the shim" \
	    "$("$BENCH" "$sock" "a$p" 10 Steps)"
	execs "$sock" "a$p" || echo "execs of $name failed" >&2
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
		direct "$1$i" || echo "$name by hand failed" >&2
	done
	member "$p" sandbox "$p" && member "c$p" container "$p" || return 1
	: >"$T/calls"
	note "kill -9 to stopped, ms" "$(timed kill_and_wait "c$p")"
	end "c$p"
	note "runsc processes: kill, delete of a sub-container" \
	    "$(wc -l <"$T/calls")"
	end "$p"
	clean
	many "$1" || echo "pod of $N of $name failed" >&2
	clean
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

# Name, figure, value: to median, least and most of each.
summary() {
	sort -t '	' -k 2,2 -k 1,1 -k 3,3n "$T/figures" | awk -F '\t' '
	function put() {
		if (n)
			printf "%s\t%s\t%s\t%s\t%s\n", fig, who,
			    v[int((n + 1) / 2)], v[1], v[n]
		n = 0
	}
	$1 != who || $2 != fig { put(); who = $1; fig = $2 }
	{ v[++n] = $3 }
	END { put() }'
}

load() {
	cut -d ' ' -f 1-3 /proc/loadavg
}

# What the figures were taken on.
machine() {
	jq -n --arg date "$(date -u +%Y-%m-%dT%H:%MZ)" \
	    --arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo |
		head -n 1)" --argjson cpus "$(nproc)" \
	    --argjson memory_mib "$(awk '/^MemTotal/ { print int($2 / 1024) }' \
		/proc/meminfo)" --arg kernel "$(uname -sr)" \
	    --arg containerd "$(containerd --version | awk '{ print $3 }')" \
	    --arg runsc "$("$RUNSC" --version | awk 'NR == 1 { print $3 }')" \
	    --arg runc "$(runc --version | awk 'NR == 1 { print $3 }')" \
	    --arg load_before "$LOAD" --arg load_after "$(load)" \
	    --argjson rounds "$ROUNDS" --argjson calls "$CALLS" \
	    '$ARGS.named'
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
for i in $(seq "$ROUNDS"); do
	for name in $names; do
		SHIM=${path_of[$name]}
		round "$i" || echo "round $i of $name failed" >&2
	done
done
machine >"$T/machine.json"
jq -r 'to_entries[] | "\(.key): \(.value)"' "$T/machine.json"
summary | awk -F '\t' '
	BEGIN { printf "%-50s %-5s %9s %9s %9s\n", "figure", "shim", "median",
	    "least", "most" }
	{ printf "%-50s %-5s %9s %9s %9s\n", $1, $2, $3, $4, $5 }'
if [ -n "${OUT:-}" ]; then
	summary | awk -F '\t' '{
	printf "%s{\"figure\":\"%s\",\"shim\":\"%s\",\"median\":%s,", sep,
	    $1, $2, $3
	printf "\"min\":%s,\"max\":%s}", $4, $5; sep = ",\n" }' |
	    sed '1s/^/{"machine":'"$(jq -c . "$T/machine.json" |
		sed 's/[&/\]/\\&/g')"',\n"figures":[\n/; $s/$/\n]}/' >"$OUT"
	jq . "$OUT" >/dev/null
fi
