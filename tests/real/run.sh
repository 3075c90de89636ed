#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All tests against a real containerd and a real runsc, as root.
# SHIM=... takes another shim, RUNSC=... and CONTAINERD_BIN=... other programs
# (lib.sh), SCRIPTS="script script" and ONLY="case case" some of the cases,
# LOOPS=1000 the long loop.

dir=$(dirname "$0")
# shellcheck source=tests/real/lib.sh
. "$dir/lib.sh"
have_all || exit 1
# shellcheck source=tests/sum.sh
. "$dir/../sum.sh"
for script in ${SCRIPTS:-basic tasks stdio pod rootfs limits checkpoint crash \
    left others status says many late shimctl inside upgrade}; do
	summed "$dir/$script.sh"
done
sum_up
