#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ctr and containerd of another release: the cases of tests/real that say most
# about them, and those here.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/../real/lib.sh"

# Found on containerd's PATH, as anybody would have it.
case_by_name() {
	local out

	used bn
	out=$(c run --rm --runtime io.containerd.runsc.v1 --runtime-config-path \
	    "$T/runsc.toml" --fifo-dir "$T/fifo" --env PATH=/bin --rootfs \
	    "$ROOTFS" bn sh -c 'echo by name; exit 7')
	is status $? 7
	is output "$out" "by name"
	nothing_left
}

case_metrics() {
	local out

	run_bg me sh -c 'head -c 3000000 /dev/zero | tail -c 1; sleep 100' ||
	    why "it did not start"
	out=$(c task metrics me 2>&1) || why "metrics: $out"
	has metrics "$out" memory.usage
	has metrics "$out" pids.current
	gone me
	nothing_left
}

begin
# With an older runsc what is the shim's own has been seen with the newest; FULL=1.
scripts="basic tasks pod rootfs crash checkpoint"
[ "$CELL_RUNSC" = "runsc-$NEWEST" ] || [ -n "${FULL:-}" ] ||
    scripts="basic tasks checkpoint"
# Three side by side: each has its own containerd and network, and waits as long
# as it works.  What is in /run is the cell's, and stays.
# shellcheck disable=SC2086 # words
mkdir -p $SHIM_DIRS
# shellcheck disable=SC2086
printf '%s\n' $scripts | OWN_NET='' xargs -P 3 -I {} \
    sh -c 'bash "$0/$2.sh" >"$1/out-$2" 2>&1' "$lib_dir" "$T" {}
for script in $scripts; do
	sed -E "s#^(not )?ok #&$script/#" "$T/out-$script"
done
run_cases
