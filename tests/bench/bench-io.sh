#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Stdout of a real container through this shim and through others, in one run
# on the same data: MB/s, and the shim's CPU seconds per GiB. Alternates the
# shims RUNS times and prints the median of each with its range.
# SHIM is ours; beside it containerd-shim-runc-v2, and PEER=/path to a Go
# containerd-shim-runsc-v1 if given. MIB is the size of one transfer.

# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/../real/lib.sh"
RUNS=${RUNS:-5}
MIB=${MIB:-2048}

have_all || exit 1
ours=$(readlink -f "$SHIM")
peers=("$(command -v containerd-shim-runc-v2)")
[ -z "${PEER:-}" ] || peers+=("$(readlink -f "$PEER")")

# A runsc that needs no configuration file, since a Go shim takes none from
# ctr (its options have no type there).
bin=$(mktemp -d) || exit 1
printf '#!/bin/sh\nexec %s --network=none "$@"\n' "$(command -v runsc)" \
    >"$bin/runsc"
chmod +x "$bin/runsc"
PATH=$bin:$PATH
setup || exit 1
trap 'cleanup; rm -rf "$bin"' EXIT

ticks() {
	awk '{ print $14 + $15 }' "/proc/$1/stat"
}

# One transfer through $1: a line "MB/s CPU-s/GiB".
transfer() {
	local id=b pid before after t0 t1 opt=()

	SHIM=$1
	CONF=()
	case $1 in
	*runsc*) opt=(--annotation io.kubernetes.cri.container-type=sandbox) ;;
	esac
	c run -d --rootfs --runtime "$1" "${opt[@]}" "$ROOTFS" "$id" \
	    /bin/sleep 1000 >/dev/null || return 1
	pid=$(pgrep -f -- "-namespace $NS .*-id $id|-namespace $NS -address" |
	    head -n 1)
	before=$(ticks "$pid")
	t0=$(date +%s%N)
	c task exec --exec-id e "$id" /bin/dd if=/dev/zero bs=64k \
	    count=$((MIB * 16)) 2>/dev/null | cat >/dev/null
	t1=$(date +%s%N)
	after=$(ticks "$pid")
	c task kill -s KILL "$id" >/dev/null 2>&1
	until_true 10 c task delete "$id" >/dev/null 2>&1
	c container delete "$id" >/dev/null 2>&1
	awk -v ns=$((t1 - t0)) -v t=$((after - before)) -v m="$MIB" \
	    -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.1f %.4f\n",
	    m * 1.048576 / (ns / 1e9), t / hz * 1024 / m }'
}

# What runsc itself does with its output on a pipe, with no shim: the limit.
bare() {
	local t0 t1

	mkdir -p "$T/bare"
	cat >"$T/bare/config.json" <<-E
	{"ociVersion": "1.0.2", "root": {"path": "$ROOTFS"}, "hostname": "b",
	 "process": {"user": {"uid": 0, "gid": 0}, "cwd": "/",
	  "args": ["/bin/dd", "if=/dev/zero", "bs=64k",
	   "count=$((MIB * 16))"], "env": ["PATH=/bin"]},
	 "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"},
	  {"type": "ipc"}, {"type": "uts"}, {"type": "network"}]}}
	E
	t0=$(date +%s%N)
	runsc --root="$T/bare/root" --ignore-cgroups run --bundle "$T/bare" \
	    "$NS-$1" 2>/dev/null | cat >/dev/null
	t1=$(date +%s%N)
	awk -v ns=$((t1 - t0)) -v m="$MIB" \
	    'BEGIN { printf "%.1f\n", m * 1.048576 / (ns / 1e9) }'
}

median() {
	sort -n | awk '{ v[NR] = $1 } END { printf "%s (%s-%s)",
	    v[int((NR + 1) / 2)], v[1], v[NR] }'
}

for ((i = 0; i < RUNS; i++)); do
	n=0
	for s in "$ours" "${peers[@]}"; do
		transfer "$s" >>"$T/figures.$n" || exit 1
		n=$((n + 1))
	done
	bare "$i" >>"$T/figures.bare"
done
echo "stdout of dd, $MIB MiB, $RUNS runs each, median (range):"
n=0
for s in "$ours" "${peers[@]}"; do
	printf '%-28s %s MB/s, %s CPU s/GiB\n' "${s##*/}" \
	    "$(cut -d ' ' -f 1 "$T/figures.$n" | median)" \
	    "$(cut -d ' ' -f 2 "$T/figures.$n" | median)"
	n=$((n + 1))
done
printf '%-28s %s MB/s\n' "runsc alone, no shim" "$(median <"$T/figures.bare")"
