#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# For how long nobody is served while a shim executes its successor, by the
# number of containers in its pod: PODS="1 3 100", UPGRADES (1000) of each; and
# the shim's memory before and after them.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/../real/lib.sh"
CRI=io.kubernetes.cri
PODS=${PODS:-1 3 100}
UPGRADES=${UPGRADES:-1000}
PY=$(dirname "$0")/../real/upgrade.py

# member ID TYPE POD
member() {
	used "$1"
	run -d --rootfs --annotation $CRI.container-type="$2" \
	    --annotation $CRI.sandbox-id="$3" "$(rootfs "$1")" "$1" \
	    sleep 10000 </dev/null
}

pss() {
	awk '/^Pss:/ { print $2 }' "/proc/$1/smaps_rollup"
}

begin
CONF=(--runtime-config-path "$T/runsc.toml")
cut -d ' ' -f 1-3 /proc/loadavg
for n in $PODS; do
	p=pod$n
	member "$p" sandbox "$p" || exit 1
	for ((i = 1; i < n; i++)); do
		member "c$i-$p" container "$p" || exit 1
	done
	pid=$(shim_pid "$p")
	python3 "$PY" "$(socket_of "$p")" 5 >/dev/null
	before=$(pss "$pid")
	echo "pod of $n: upgrades, median, p99, longest, us:" \
	    "$(python3 "$PY" "$(socket_of "$p")" "$UPGRADES" 2>&1)"
	echo "pod of $n: PSS, KiB: $before, $(pss "$pid")"
	for ((i = 1; i < n; i++)); do
		gone "c$i-$p" >/dev/null
	done
	gone "$p" >/dev/null
done
