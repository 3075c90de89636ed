#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything, as CI runs it: what can be said without running, the tests
# without root, the same under sanitizers and valgrind, with faults, the model,
# a short soak, those with real containerd and runsc, another architecture and
# the package; then the targets given.
# Ends with the time of each part and the sum.

make="${MAKE:-make} -j$(nproc)"
log=$(mktemp) || exit 1
# This year's programs are built beside the rest where they are not there, when
# nobody else wants the CPU. What needs a part waits for it.
chrt -i 0 $make deps-modern >"$log.modern" 2>&1 &
modern=$!
trap 'kill $modern 2>/dev/null; rm -f "$log" "$log".*' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0
times=
bad=

# What failed, as Check and the scripts say it: told again at the end.
failure='^not ok |:[0-9]+:[FES]:'

# begin LOG TARGET...: what it prints is in LOG; its status, the seconds that it
# took and those of processors are in LOG.end.
begin() {
	out=$1
	shift
	began=$(date +%s)
	(
		$make "$@" >"$out" 2>&1
		rc=$?
		# Not in a pipe, which has none.
		times >"$out.cpu"
		cpu=$(awk -F '[ms ]+' 'NR == 2 {
			printf "%d", ($1 + $3) * 60 + $2 + $4 }' "$out.cpu")
		echo "$rc $(($(date +%s) - began)) $cpu" >"$out.end"
	)
}

# count LOG TARGET...
count() {
	out=$1
	shift
	echo "== make $*"
	cat "$out"
	read -r rc took cpu <"$out.end"
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$out" | tail -n 1)
	p=${line%% passed*}
	f=${line##*passed, }
	f=${f%% failed*}
	# A part that ended without its sum has failed.
	[ -n "$line" ] || { p=0; f=1; }
	[ "$rc" = 0 ] || [ "$f" != 0 ] || f=1
	passed=$((passed + p))
	failed=$((failed + f))
	[ "$f" = 0 ] || bad="$bad$(grep -E "$failure" "$out" | sort -u |
	    head -n 20 | sed "s/^/$1: /")
"
	times="$times$(printf '%5d s, %4d s of CPU  make %s: %d passed, %d failed' \
	    "$took" "$cpu" "$*" "$p" "$f")
"
}

part() {
	begin "$log" "$@"
	count "$log" "$@"
}

# Two that share nothing and leave a processor idle, each by itself.
pair() {
	begin "$log.1" "$1" &
	other=$!
	begin "$log.2" "$2"
	wait "$other"
	count "$log.1" "$1"
	count "$log.2" "$2"
}

# What several of them use.
$make all static build/real/containerd-shim-runsc-v1 >"$log" 2>&1 || cat "$log"
pair lint check
pair analyze check-asan
pair coverage check-fault
pair check-valgrind check-model
part check-soak
pair check-real check-real-modern
part check-initramfs
pair deb check-aarch64
for target in "$@"; do
	part "$target"
done
wait $modern
cat "$log.modern"
printf '%s' "$bad" "$times"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
