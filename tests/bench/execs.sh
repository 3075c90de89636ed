#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Execs and statistics of one container, on RUNSC: this shim with the sandbox
# asked (ours) and with runsc (off), gVisor's Go shim with PEER=/path, runc's with
# RUNC=/path (RUNC_SERVICE is the service that it has), and `runsc exec` by hand (bare).  EXECS is how
# many, one after the other; HELD run at once; PROBES come ten a second.  OUT=FILE
# gets the figures as JSON too.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/../real/lib.sh"
# shellcheck source=tests/bench/figures.sh
. "$(dirname "$0")/figures.sh"
EXECS=${EXECS:-300}
HELD=${HELD:-100}
PROBES=${PROBES:-200}
BENCH=$(readlink -f "$(dirname "$0")/../../build/bench/bench_calls")
RUNSC=$(command -v "${RUNSC:-runsc}")
RUNC=${RUNC-$(command -v containerd-shim-runc-v2)}
CRI=io.kubernetes.cri
RUNC_SERVICE=${RUNC_SERVICE:-containerd.task.v2.Task}
declare -A path_of=([ours]="$SHIM" [off]="$SHIM" [peer]="${PEER:-}" \
    [runc]="$RUNC")
names="ours off ${PEER:+peer} ${RUNC:+runc}"

# note FIGURE VALUE: of the shim under way
note() {
	echo "$name	$1	$2" >>"$T/figures"
}

# median N METHOD: of bench_calls, ms
median() {
	"$BENCH" "$sock" "$id" "$1" "$2" | sed 's/.*median \([0-9.]*\).*/\1/'
}

rate() {
	awk -v n="$1" -v ms="$2" 'BEGIN { print n / ms * 1000 }'
}

# Of the shim and of all that it has reaped.
all_ticks() {
	awk '{ print $14 + $15 + $16 + $17 }' "/proc/$1/stat"
}

# The shim's children that are neither sandbox nor gofer, nor runc's processes.
helpers() {
	local p

	for p in $(pgrep -P "$1"); do
		case $(tr '\0' ' ' <"/proc/$p/cmdline") in
		*gofer* | *sandbox* | *boot* | *sleep*) ;;
		*) echo "$p" ;;
		esac
	done
}

# PSS of these, KiB
pss() {
	local p kib=0

	for p; do
		kib=$((kib + $(awk '/^Pss:/ { print $2 }' \
		    "/proc/$p/smaps_rollup")))
	done
	echo "$kib"
}

held() {
	local before after

	before=$(pss "$pid")
	"$BENCH" "$sock" "$id" "$HELD" Hold >/dev/null || return 1
	sleep 1
	after=$(pss "$pid")
	# shellcheck disable=SC2046 # a word for each
	note "$HELD running execs: PSS of each, KiB" "$(awk -v n="$HELD" \
	    -v kib=$(($(pss $(helpers "$pid")) + after - before)) \
	    'BEGIN { print kib / n }')"
	note "$HELD running execs: processes of runsc" "$(for p in $(helpers \
	    "$pid"); do readlink "/proc/$p/exe"; done | grep -c runsc$)"
}

probes() {
	local before

	before=$(all_ticks "$pid")
	"$BENCH" "$sock" "$id" "$PROBES" Probe >/dev/null
	note "ten probes a second: cores" "$(awk \
	    -v t=$(($(all_ticks "$pid") - before)) -v n="$PROBES" \
	    -v hz="$(getconf CLK_TCK)" 'BEGIN { print t / hz / (n / 10) }')"
}

measure() {
	local from

	id=x$name
	used "$id"
	# The others know no configuration of ours.
	CONF=()
	unset TASK_SERVICE
	case $name in
	ours) CONF=(--runtime-config-path "$T/conf") ;;
	off) CONF=(--runtime-config-path "$T/off") ;;
	runc) export TASK_SERVICE=$RUNC_SERVICE ;;
	esac
	# Without these gVisor's does not answer.
	run -d --rootfs --annotation $CRI.container-type=sandbox \
	    --annotation $CRI.sandbox-id="$id" "$(rootfs "$id")" "$id" \
	    sleep 100000 </dev/null || return 1
	sock=$(socket_of "$id")
	pid=$(cat "$BUNDLES/$id/shim.pid" 2>/dev/null || shim_pid "$id")
	"$BENCH" "$sock" "$id" 20 Exit5 >/dev/null
	from=${EPOCHREALTIME/./}
	"$BENCH" "$sock" "$id" "$EXECS" Exit5 >/dev/null || failed execs
	note "execs one after the other, per second" \
	    "$(rate "$EXECS" "$(since "$from")")"
	note "Start of an exec, median, ms" "$(median "$EXECS" ExecStart)"
	note "Stats, median, ms" "$(median 200 Stats)"
	probes
	held || failed held
	# By hand, in the same container: the state is where the shim has it.
	if [ "$name" = ours ]; then
		name=bare
		by_hand "$(dirname "$(find /run/containerd/runsc/"$NS" \
		    -name "$id*.state" | head -n 1)")"
		name=ours
	fi
	gone "$id" >/dev/null
}

by_hand() {
	local from=${EPOCHREALTIME/./} i n=$((EXECS / 5))

	for ((i = 0; i < n; i++)); do
		"$RUNSC" --root "$1" --network=none exec "$id" /bin/sh -c \
		    "exit 5" </dev/null >/dev/null 2>&1
	done
	note "execs one after the other, per second" \
	    "$(rate "$n" "$(since "$from")")"
}

begin
cp "$T/runsc.toml" "$T/conf"
echo 'control_socket = "off"' | cat - "$T/conf" >"$T/off"
# gVisor's takes the runsc that it finds.
mkdir -p "$T/bin"
printf '#!/bin/sh\nexec %s --network=none "$@"\n' "$RUNSC" >"$T/bin/runsc"
chmod +x "$T/bin/runsc"
containerd_stop TERM
PATH=$T/bin:$PATH
containerd_start || exit 1
LOAD=$(load)
: >"$T/figures"
: >"$T/failed"
for name in $names; do
	SHIM=${path_of[$name]}
	measure || failed "$name"
	until_true 5 none_left || wipe
done
machine >"$T/machine.json"
jq -r 'to_entries[] | "\(.key): \(.value)"' "$T/machine.json"
summary | awk -F '\t' '{ printf "%-50s %-6s %s\n", $1, $2, $3 }'
cat "$T/failed"
[ -z "${OUT:-}" ] || as_json >"$OUT"
