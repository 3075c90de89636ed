#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A node full of pods, each with a shim of its own: what all shims hold in memory,
# what they do while nothing happens, and how long a containerd that was killed
# needs until it has all of them back.  FAKES pods (500) on the fake runsc, which
# takes next to nothing, and REALS (60) on a real one; IDLE seconds (60).  PEER=/path
# is gVisor's own shim; containerd, runsc and runc's shim are this year's where
# they are built (tests/modern).  OUT=FILE gets the figures as JSON too, QUICK=1
# tries each with few pods; FAKES=0 and SHIMS="ours peer" are for parts of it.
PARTS=${PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/shim-parts}
[ ! -e "$PARTS/have/containerd" ] || PATH=$PARTS/bin:$PATH
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/../real/lib.sh"
# shellcheck source=tests/bench/figures.sh
. "$(dirname "$0")/figures.sh"
[ -z "${QUICK:-}" ] || FAKES=20 REALS=3 IDLE=5
FAKES=${FAKES:-500}
REALS=${REALS:-60}
IDLE=${IDLE:-60}
FAKE=$(readlink -f "$(dirname "$0")/../../build/plain/it/bin")
CRI=io.kubernetes.cri
RUNC=$(command -v containerd-shim-runc-v2)
declare -A path_of=([ours]="$SHIM" [peer]="${PEER:-}" [runc]="$RUNC")

# pod ID ROOTFS
pod() {
	used "$1"
	run -d --rootfs --annotation $CRI.container-type=sandbox \
	    --annotation $CRI.sandbox-id="$1" "$2" "$1" sleep 100000 \
	    </dev/null >/dev/null 2>>"$T/pods"
}

# The shims, and the runscs that wait for them.
shims() {
	local pid

	for pid in $(our_pids); do
		case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
		*"-namespace $NS"* | *" wait "*) echo "$pid" ;;
		esac
	done 2>/dev/null
}

# all_ticks PID...
all_ticks() {
	local pid n=0

	for pid; do
		n=$((n + $(ticks "$pid")))
	done
	echo "$n"
}

# How often any of their threads has gone to sleep.
all_sleeps() {
	local pid

	for pid; do
		cat "/proc/$pid/task/"*/status
	done | awk '/^voluntary_ctxt/ { n += $2 } END { print n + 0 }'
}

all_running() {
	[ "$(CTR_TIMEOUT=300 c task ls | grep -c RUNNING)" = "$1" ]
}

# begin_again N: containerd, killed, until it answers and until it has N pods
begin_again() {
	local from

	containerd_stop KILL
	from=${EPOCHREALTIME/./}
	setsid containerd -c "$T/ctd/config.toml" >>"$T/ctd/log" 2>&1 \
	    </dev/null &
	CTD_PID=$!
	until_true 300 c version || return 1
	note "$what: containerd answers again, ms" "$(since "$from")"
	until_true 300 all_running "$1" || return 1
	note "$what: containerd has them all back, ms" "$(since "$from")"
}

# measure N: of N pods that run
measure() {
	local pids pid pss=0 threads=0 was sleeps

	mapfile -t pids < <(shims)
	for pid in "${pids[@]}"; do
		pss=$((pss + $(sum_of Pss "/proc/$pid/smaps_rollup")))
		threads=$((threads + $(find "/proc/$pid/task" -mindepth 1 \
		    -maxdepth 1 | wc -l)))
	done
	note "$what: shims and their helpers" "${#pids[@]}"
	note "$what: threads of these" "$threads"
	note "$what: PSS of these, MiB" "$(awk -v k=$pss 'BEGIN {
	    printf "%.1f", k / 1024 }')"
	sleep 5
	was=$(all_ticks "${pids[@]}")
	sleeps=$(all_sleeps "${pids[@]}")
	sleep "$IDLE"
	note "$what: CPU of these while idle, ms per minute" \
	    "$((($(all_ticks "${pids[@]}") - was) * 1000 / $(getconf CLK_TCK) * \
	    60 / IDLE))"
	note "$what: wake-ups of these while idle, per minute" \
	    "$((($(all_sleeps "${pids[@]}") - sleeps) * 60 / IDLE))"
	begin_again "$1"
}

# density KIND N DIRECTORY: N pods with the runsc in there
density() {
	local i n=$2 from root=$ROOTFS
	what="$n pods, $1 runsc"

	containerd_stop TERM
	PATH=$3:$FROM_PATH
	containerd_start || return 1
	from=${EPOCHREALTIME/./}
	for ((i = 0; i < n; i++)); do
		[ "$1" = fake ] || root=$(rootfs "p$i")
		pod "p$i-$name" "$root" || { tail -n 1 "$T/pods"; return 1; }
	done
	note "$what: all started, ms" "$(since "$from")"
	measure "$n" || return 1
}

# All of it at once, with what containerd knows: nobody measures that.
end_all() {
	local pids

	containerd_stop KILL
	# A container of runc's is no descendant of its shim.
	mapfile -t pids < <(our_pids
	    find /sys/fs/cgroup -path "*/$NS/*" -name cgroup.procs \
	        -exec cat {} + 2>/dev/null | sort -u)
	kill -9 "${pids[@]}" 2>/dev/null
	until_true 60 nobody
	wipe >/dev/null 2>&1
	rm -rf --one-file-system "$T"/ctd/{root,state} "$T/roots" \
	    "/run/containerd/runsc/$NS"
	: >"$T/ids"
}

for tool in jq containerd runc; do
	command -v "$tool" >/dev/null || {
		echo "$tool is not installed: apt-get install jq containerd runc"
		exit 1
	}
done
begin
CONF=()
REAL_RUNSC=$RUNSC
mkdir -p "$T/real" "$T/fake"
printf '#!/bin/sh\nexec %s --network=none "$@"\n' "$REAL_RUNSC" \
    >"$T/real/runsc"
chmod +x "$T/real/runsc"
ln -s "$FAKE/runsc" "$T/fake/runsc"
FROM_PATH=$PATH
LOAD=$(load)
: >"$T/figures"
: >"$T/failed"
: >"$T/pods"
free -m
for name in ${SHIMS:-ours ${PEER:+peer} ${RUNC:+runc}}; do
	SHIM=${path_of[$name]}
	for kind in "fake $FAKES" "real $REALS"; do
		[ "${kind#* }" != 0 ] || continue
		echo "$(date +%T) $name: $kind" >&2
		# shellcheck disable=SC2086 # two words
		density $kind "$T/${kind% *}" || failed "${kind#* } pods"
		end_all
	done
done
machine --argjson idle "$IDLE" >"$T/machine.json"
jq -r 'to_entries[] | "\(.key): \(.value)"' "$T/machine.json"
table
cat "$T/failed"
[ -z "${OUT:-}" ] || as_json >"$OUT"
