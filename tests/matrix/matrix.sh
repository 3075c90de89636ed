#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make check-matrix`: the shim under every client and every runsc that Debian
# has, as root on Debian 12.  The clients come from other releases of Debian,
# side by side (suites.sh); each combination runs in a cell of its own (cell.sh)
# and leaves nothing.
#
#   MATRIX_CACHE=DIR  where unpacked packages stay, 800 MB; by default
#                     shim-matrix below $TMPDIR or /var/tmp
#   CLIENTS="cri docker"  HOSTS="sid"  RUNSCS="20240729"  ONLY="case case"
#                     parts of it
#   JOBS=3            cells at a time
#
# At the end it prints what passed as a table; after all of it, this is
# docs/matrix.md too.

set -u
dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/matrix/suites.sh
. "$dir/suites.sh"
SHIM=$(readlink -f "${SHIM:-$dir/../../build/real/containerd-shim-runsc-v1}")
CACHE=${MATRIX_CACHE:-${TMPDIR:-/var/tmp}/shim-matrix}
JOBS=${JOBS:-3}
pids=
# What each release is there for; runsc's by their version.
declare -A RUNSC_SUITE=([20221219]=bookworm [20240729]=bookworm-backports)
declare -A VERSION=()
labels=()

cleanup() {
	local pid

	trap - EXIT
	trap '' INT TERM
	for pid in $pids; do
		kill -9 "$pid" 2>/dev/null
	done
	wait
	# The only thing that a cell's namespaces do not take with them.
	for _ in 1 2 3; do
		find /sys/fs/cgroup -depth -type d -path "*/${TOP##*/}*" \
		    -exec rmdir {} + 2>/dev/null && break
		sleep 0.3
	done
	rm -rf --one-file-system "$TOP"
}

have_all() {
	local ok=0 tool

	if [ "$(id -u)" != 0 ]; then
		echo "This must run as root."
		ok=1
	fi
	for tool in unshare busybox script python3 ldd tar; do
		command -v "$tool" >/dev/null && continue
		echo "$tool is not installed: \`make deps\` installs it."
		ok=1
	done
	if [ ! -x "$SHIM" ]; then
		echo "There is no shim at $SHIM: run \`make check-matrix\`."
		ok=1
	fi
	return "$ok"
}

# wanted NAME LIST: is it in the list, or is there none?
wanted() {
	case " ${2:-$1} " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
}

# version_of PROGRAM
version_of() {
	"$1" --version 2>&1 | sed -nE '1s/.* v?([0-9]+\.[0-9.]*[0-9]).*/\1/p'
}

# start_cell N CLIENT HOST RUNSC: in the background, into its own file
start_cell() {
	local n=$1

	shift
	(
		TOP=$TOP CELL=$TOP/cell-$n CACHE=$CACHE SHIM=$SHIM CELL_HOST=$2
		CELL_RUNSC=runsc-$3
		export TOP CELL CACHE SHIM CELL_HOST CELL_RUNSC
		exec unshare --mount --net --pid --fork --kill-child \
		    --mount-proc bash "$dir/cell.sh" bash "$dir/$1.sh" \
		    </dev/null
	) >"$TOP/out-$n" 2>&1 &
}

# cell CLIENT HOST RUNSC: when there is room
cell() {
	local n=${#labels[@]} i

	labels+=("$1 $2 $3")
	while [ "$(jobs -pr | wc -l)" -ge "$JOBS" ]; do
		wait -n
	done
	start_cell "$n" "$@"
	pids="$pids $!"
	for i in $(seq 0 $((n - 1))); do
		show "$i"
	done
}

# show N: a cell's lines, once it has ended
show() {
	[ ! -e "$TOP/shown-$1" ] || return 0
	! kill -0 "$(echo "$pids" | awk "{ print \$($1 + 1) }")" 2>/dev/null ||
	    return 0
	: >"$TOP/shown-$1"
	echo "== $(title "$1")"
	grep -E '^(ok|not ok|# skipped) ?' "$TOP/out-$1" ||
	    { echo "not ok cell: $(tail -n 1 "$TOP/out-$1")" |
	    tee -a "$TOP/out-$1"; }
}

title() {
	local c h r

	read -r c h r <<<"${labels[$1]}"
	case $c in
	ctr) echo "ctr, containerd ${VERSION[containerd-$h]}, runsc $r" ;;
	cri) echo "CRI, containerd ${VERSION[containerd-$h]}, runsc $r" ;;
	docker) echo "Docker ${VERSION[dockerd-$h]}, containerd" \
	    "${VERSION[containerd-$h]}, runsc $r" ;;
	crio) echo "CRI-O's calls, no containerd, runsc $r" ;;
	esac
}

# The rows of all cells, in Markdown.
table() {
	local i f failed passed

	echo "| client | passed | failed | which |"
	echo "| --- | --- | --- | --- |"
	for i in "${!labels[@]}"; do
		f=$TOP/out-$i
		passed=$(grep -c '^ok ' "$f")
		failed=$(grep -c '^not ok ' "$f")
		echo "| $(title "$i") | $passed | $failed |" \
		    "$(sed -nE 's/^not ok ([^:]*).*/\1/p' "$f" | paste -s -d ' ') |"
	done | sed 's/ *|$/ |/'
}

document() {
	cat <<-E
	# What was run

	By \`make check-matrix\` on Debian 12, Linux $(uname -r | cut -d . -f 1,2), the
	shim $("$SHIM" -v | sed -n 's/.*Version: *//p').
	The clients are Debian 12's, 13's and sid's, runsc 20240729 is that of
	bookworm-backports. CRI-O is in none of these: its calls are made by a
	test that does as its runtime type "vm" does. clients.md has
	the configurations, tests/matrix the cases. Each is run once.

	E
	table
}

have_all || exit 1
TOP=$(mktemp -d "${TMPDIR:-/tmp}/shimtest-XXXXXXXX") || exit 1
TOP=$(readlink -f "$TOP")
# A sandbox is nobody's, and finds runsc through it.
chmod 755 "$TOP"
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$CACHE" "$TOP/bin/shim"
CACHE=$(readlink -f "$CACHE")
cp "$SHIM" "$TOP/bin/shim/containerd-shim-runsc-v1"

for r in 20221219 20240729; do
	s=${RUNSC_SUITE[$r]}
	wanted "$r" "${RUNSCS:-}" && have_suite "$s" &&
	    programs "$s" "runsc-$r" runsc && have_runscs="${have_runscs:-} $r"
done
for h in bookworm trixie sid; do
	wanted "$h" "${HOSTS:-}" && have_suite "$h" &&
	    programs "$h" "$h" containerd ctr dockerd docker || continue
	have_hosts="${have_hosts:-} $h"
	for p in containerd dockerd; do
		VERSION[$p-$h]=$(version_of "$TOP/bin/$h/$p")
	done
done
# The CRI's description is in one, the network plugins and the client's
# modules in the other.
have_cri=
have_suite sid && have_suite bookworm && have_cri=1

for client in ctr cri docker crio; do
	wanted "$client" "${CLIENTS:-}" || continue
	if [ "$client" = cri ] && [ -z "$have_cri" ]; then
		echo "# skipped: the CRI"
		continue
	fi
	for h in ${have_hosts:-}; do
		for r in ${have_runscs:-}; do
			cell "$client" "$h" "$r"
		done
		# It has no containerd.
		[ "$client" != crio ] || break
	done
done
for i in "${!labels[@]}"; do
	wait "$(echo "$pids" | awk "{ print \$($i + 1) }")"
	show "$i"
done
pids=

echo
table
if [ -z "${CLIENTS:-}${HOSTS:-}${RUNSCS:-}${ONLY:-}" ] &&
    ! ls "$TOP"/no-* >/dev/null 2>&1; then
	mkdir -p "$dir/../../docs"
	document >"$dir/../../docs/matrix.md"
fi
echo
passed=$(cat "$TOP"/out-* | grep -c '^ok ')
failed=$(cat "$TOP"/out-* | grep -c '^not ok ')
echo "$passed passed, $failed failed"
# Without any packages all of it is skipped, as has been said above.
[ "$failed" = 0 ] && { [ "$passed" != 0 ] ||
    [ "$(find "$TOP" -maxdepth 1 -name 'no-*' | wc -l)" -ge 3 ]; }
