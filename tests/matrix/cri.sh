#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Pods by containerd's CRI, as a kubelet asks for them; the steps are in cri.py.
# shellcheck source=tests/matrix/hosts.sh
. "$(dirname "$0")/hosts.sh"
GRPC=$CACHE/bookworm/root/usr

c() {
	timeout -k 2 60 ctr -a "$SOCK" -n k8s.io "$@"
}

nothing_left() {
	if until_true 8 none_left; then
		echo "ok $1/nothing_left"
	else
		echo "not ok $1/nothing_left: $(leftovers | tr '\n' ';')"
		wipe
	fi
}

hosts_begin k8s.io
mkdir -p "$T/proto" "$T/cri"
export PYTHONPATH=$T/proto:$GRPC/lib/python3/dist-packages
LD_LIBRARY_PATH=$(echo "$GRPC"/lib/*-linux-gnu*)
export LD_LIBRARY_PATH
# Options of another generator.
sed -e '/gogoproto/d' -e 's/\[debug_redact = true\]//' "$CACHE/sid/root/usr/\
share/gocode/src/k8s.io/cri-api/pkg/apis/runtime/v1/api.proto" \
    >"$T/proto/cri.proto"
/usr/bin/python3 -m grpc_tools.protoc -I"$T/proto" --python_out="$T/proto" \
    --grpc_python_out="$T/proto" "$T/proto/cri.proto" || exit 1
host_up || exit 1
echo "$CTD_PID" >"$T/ctd/pid"
# shellcheck disable=SC2034 # image's
IMAGE_CMD='"/bin/sleep","2147483647"'
image localhost/pause:1 1
# shellcheck disable=SC2034
IMAGE_CMD='"/bin/sh"'
image localhost/busybox:1 1
nets="host pod options"
! containerd --version | grep -q ' [v ]*2\.' || nets+=" shim"
for net in $nets; do
	timeout -k 5 300 /usr/bin/python3 "$matrix_dir/cri.py" \
	    --socket "$SOCK" --dir "$T/cri" --net "$net" \
	    --cgroup "/$CGROUP-$net" --pid-file "$T/ctd/pid" || echo "not ok $net/ends: status $?"
	nothing_left "$net"
done
