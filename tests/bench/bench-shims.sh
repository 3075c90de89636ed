#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# This shim beside others: containerd-shim-runc-v2, whose containers are the
# host's own processes, and with PEER=/path gVisor's own Go
# containerd-shim-runsc-v1 on the same runsc.  In turns, ROUNDS times (3): what a pod of three
# containers holds in memory besides its sandbox, how long Kill, Pids and State
# take, how many runsc processes one life cycle starts, and how long it lasts.
# Median, least and most of the rounds; OUT=FILE gets them as JSON too.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/../real/lib.sh"
ROUNDS=${ROUNDS:-3}
CALLS=${CALLS:-100}
LIVES=${LIVES:-5}
BENCH=$(readlink -f "$(dirname "$0")/../../build/bench/bench_calls")
RUNSC=$(command -v "${RUNSC:-runsc}")
CRI=io.kubernetes.cri
RUNC=$(command -v containerd-shim-runc-v2)
declare -A path_of=([ours]="$SHIM" [peer]="${PEER:-}" [runc]="$RUNC")

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

# KiB of PSS and number: shims, and runsc's that are neither sandbox nor gofer.
memory() {
	local pid kib sum=0 shims=0 helpers=0 line

	for pid in $(our_pids); do
		line=$(tr '\0' ' ' <"/proc/$pid/cmdline")
		case $line in
		*"-namespace $NS"*) shims=$((shims + 1)) ;;
		*" wait "*) helpers=$((helpers + 1)) ;;
		*) continue ;;
		esac
		kib=$(awk '/^Pss:/ { s += $2 } END { print s + 0 }' \
		    "/proc/$pid/smaps_rollup")
		sum=$((sum + kib))
	done
	note "pod of 3: shims" "$shims"
	note "pod of 3: runsc helpers" "$helpers"
	note "pod of 3: PSS of both, KiB" "$sum"
}

# Milliseconds that the rest of the line takes.
timed() {
	local from

	from=$(date +%s%N)
	"$@" >/dev/null 2>&1
	echo "$((($(date +%s%N) - from) / 1000000))"
}

life() {
	used "$1"
	run --rm --rootfs --annotation $CRI.container-type=sandbox "$ROOTFS" \
	    "$1" true
}

# round N
round() {
	local p=pod$1$name i sock line what

	member "$p" sandbox "$p" && member "a$p" container "$p" &&
	    member "b$p" container "$p" || return 1
	sleep 2
	memory
	# One shim for the pod, or one for each container.
	sock=$(socket_of "a$p")
	[ -S "$sock" ] || sock=$(socket_of "$p")
	while read -r line; do
		what=${line%%,*}
		note "$what, median, ms" "$(sed 's/.*median \([0-9.]*\).*/\1/' \
		    <<<"$line")"
		note "$what, p99, ms" "$(sed 's/.*p99 \([0-9.]*\).*/\1/' \
		    <<<"$line")"
	done < <("$BENCH" "$sock" "a$p" "$CALLS")
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
	done
	: >"$T/calls"
	member "$p" sandbox "$p" && member "c$p" container "$p" || return 1
	: >"$T/calls"
	note "kill -9 to stopped, ms" "$(timed kill_and_wait "c$p")"
	end "c$p"
	note "runsc processes: kill, delete of a sub-container" \
	    "$(wc -l <"$T/calls")"
	end "$p"
	clean
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

begin
mkdir -p "$T/bin"
printf '#!/bin/sh\necho "$*" >>%s/calls\nexec %s --network=none "$@"\n' "$T" \
    "$RUNSC" >"$T/bin/runsc"
chmod +x "$T/bin/runsc"
containerd_stop TERM
PATH=$T/bin:$PATH containerd_start || exit 1
CONF=()
: >"$T/figures"
for i in $(seq "$ROUNDS"); do
	for name in ours ${PEER:+peer} ${RUNC:+runc}; do
		SHIM=${path_of[$name]}
		round "$i" || echo "round $i of $name failed" >&2
	done
done
for name in ours ${PEER:+peer} ${RUNC:+runc}; do
	echo "$name: ${path_of[$name]##*/}, $(stat -c %s "${path_of[$name]}") bytes"
done
echo "$("$RUNSC" --version | head -1), $(containerd --version |
    awk '{ print "containerd", $3 }'), Linux $(uname -r), $(nproc) CPUs:" \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)," \
    "load $(cut -d ' ' -f 1-3 /proc/loadavg)"
summary | awk -F '\t' '
	BEGIN { printf "%-50s %-5s %9s %9s %9s\n", "figure", "shim", "median",
	    "least", "most" }
	{ printf "%-50s %-5s %9s %9s %9s\n", $1, $2, $3, $4, $5 }'
if [ -n "${OUT:-}" ]; then
	summary | awk -F '\t' -v sep= '
	BEGIN { printf "[" }
	{ printf "%s\n{\"figure\":\"%s\",\"shim\":\"%s\",\"median\":%s,\"min\":%s,\"max\":%s}",
	    sep, $1, $2, $3, $4, $5; sep = "," }
	END { print "\n]" }' >"$OUT"
fi
