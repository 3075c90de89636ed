#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A pod as CRI-O runs it; CRI-O itself is in no Debian release, so what it
# asks for is in crio.py.
# shellcheck source=tests/matrix/hosts.sh
. "$(dirname "$0")/hosts.sh"

hosts_begin default
mkdir -p "$T/roots"
timeout -k 5 200 /usr/bin/python3 "$matrix_dir/crio.py" \
    "$TOP/bin/shim/containerd-shim-runsc-v1" "$T/runsc.toml" "$ROOTFS" "$T" \
    "/$CGROUP" || echo "not ok ends: status $?"
nothing_left_line
