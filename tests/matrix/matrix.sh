#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make check-matrix`: the shim under every client and every runsc, as root on
# Debian 12: those that Debian has, which come from its releases side by side
# (suites.sh), and this year's, built from source (tests/modern).  Each pair is
# a cell (cells.sh), runs in namespaces of its own (cell.sh) and leaves nothing.
# A cell whose parts are not to be had is told of by name and counted as not run.
#
#   FULL=1            all cells; else a choice in which each client meets the
#                     newest runsc and one older, and each runsc each client
#   MATRIX_CACHE=DIR  where unpacked packages stay, 800 MB; by default
#                     shim-matrix below $TMPDIR or /var/tmp
#   PARTS=DIR         where this year's are; by default shim-parts below
#                     ~/.cache
#   CLIENTS="cri docker"  HOSTS="sid modern"  RUNSCS="20240729"  ONLY="case case"
#                     parts of it
#   JOBS=6            cells at a time; by default three for each CPU, since most
#                     have a quarter of one: what is said of their time shows it
#   BESIDE=FILE       critest with gVisor's own shim and runc's, too, and what
#                     comes of the three into FILE (docs/critest.md)
#
# At the end it prints what passed as a table; the rows of docs/matrix.md that
# were run whole get their new figures.

set -u
dir=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/matrix/suites.sh
. "$dir/suites.sh"
# shellcheck source=tests/matrix/cells.sh
. "$dir/cells.sh"
# shellcheck source=tests/matrix/table.sh
. "$dir/table.sh"
SHIM=$(readlink -f "${SHIM:-$dir/../../build/real/containerd-shim-runsc-v1}")
CACHE=${MATRIX_CACHE:-${TMPDIR:-/var/tmp}/shim-matrix}
BESIDE=${BESIDE:+$(realpath "$BESIDE")}
PARTS=${PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/shim-parts}
JOBS=${JOBS:-$((3 * $(nproc)))}
pids=
declare -A VERSION=()
# Those that do not say it themselves: as they are built.
for p in crio critools kubelet; do
	VERSION[$p]=$(awk -v p="$p" '$1 == p { sub("^v", "", $3); print $3 }' \
	    "$dir/../modern/versions")
done
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
		export TOP CELL CACHE SHIM CELL_HOST CELL_RUNSC NEWEST BESIDE
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
	echo "== $(title "$1"), $(sed -n 's/^# took //p' "$TOP/out-$1")"
	grep -E '^(ok|not ok|# skipped) ?' "$TOP/out-$1" ||
	    { echo "not ok cell: $(grep -v "^# took" "$TOP/out-$1" | tail -n 1)" |
	    tee -a "$TOP/out-$1"; }
}

# not_run CLIENT HOST RUNSC WHY
not_run() {
	echo "# not run: $(title_of "$1" "$2" "$3"): $4"
	echo "$1 $2 $3" >>"$TOP/not-run"
}

# What HOST has, as links in $TOP/bin/HOST; a line, and false, if it has not.
make_host() {
	local h=$1 p

	[ "$h" != none ] || return 0
	case ${made[$h]:-} in
	yes) return 0 ;;
	no) return 1 ;;
	esac
	made[$h]=no
	if [ "$h" = modern ]; then
		parts containerd && modern_programs containerd ctr \
		    containerd-shim-runc-v2 || return 1
	else
		have_suite "$h" && programs "$h" "$h" containerd ctr dockerd \
		    docker || return 1
		VERSION[dockerd-$h]=$(version_of "$TOP/bin/$h/dockerd")
	fi
	VERSION[containerd-$h]=$(version_of "$TOP/bin/$h/containerd")
	made[$h]=yes
}

make_runsc() {
	case ${made[runsc-$1]:-} in
	yes) return 0 ;;
	no) return 1 ;;
	esac
	made[runsc-$1]=no
	if [ "$1" = "$NEWEST" ]; then
		parts gvisor || return 1
		mkdir -p "$TOP/bin/runsc-$1"
		ln -s "$PARTS/bin/runsc" "$TOP/bin/runsc-$1/runsc"
	else
		have_suite "${RUNSC_SUITE[$1]}" &&
		    programs "${RUNSC_SUITE[$1]}" "runsc-$1" runsc || return 1
	fi
	made[runsc-$1]=yes
}

# Of this year's: is NAME there?  WHY says what is missing.
parts() {
	local name

	for name; do
		[ ! -e "$PARTS/have/$name" ] || continue
		WHY="$name is not there (make deps-modern$(sed 's/^/; /' \
		    "$PARTS/missing/$name" 2>/dev/null))"
		return 1
	done
}

modern_programs() {
	local p

	mkdir -p "$TOP/bin/modern"
	for p; do
		ln -sf "$PARTS/bin/$p" "$TOP/bin/modern/$p"
	done
}

# remember NAME COMMAND...: WHY that failed, for all that need it
remember() {
	local name=$1

	shift
	"$@" && return
	whys[$name]=${whys[$name]:-$WHY}
	WHY=${whys[$name]}
	return 1
}

# make_cell CLIENT HOST RUNSC: what it needs; WHY is set where it has not.
make_cell() {
	WHY="see above"
	remember "$2" make_host "$2" && remember "$3" make_runsc "$3" ||
	    return 1
	case $1 in
	cri) # Its description is in one, the network plugins and the client's
		# modules in the other.
		have_suite sid && have_suite bookworm ;;
	docker)
		[ "$2" != modern ] || { parts dockerd docker &&
		    modern_programs dockerd docker &&
		    VERSION[dockerd-modern]=$(version_of \
		        "$TOP/bin/modern/docker"); } ;;
	cri-o)
		parts crio critools && have_suite bookworm && make_images &&
		    has conmon skopeo && modern_programs crio crictl pinns ;;
	critest)
		parts critools && have_suite bookworm && make_images &&
		    modern_programs critest crictl && beside ;;
	readme)
		parts critools dockerd docker && have_suite bookworm &&
		    make_images && shimctl && modern_programs crictl dockerd \
		    docker && VERSION[dockerd-modern]=$(version_of \
		        "$TOP/bin/modern/docker") ;;
	kubelet)
		parts kubelet critools && have_suite bookworm && make_images &&
		    modern_programs kubelet crictl ;;
	esac
}

# README's other program.
shimctl() {
	WHY="there is no shimctl.static: make static"
	[ -x "$dir/../../shimctl.static" ] &&
	    cp "$dir/../../shimctl.static" "$TOP/bin/shim/shimctl"
}

# What critest is compared with.
beside() {
	[ -n "${BESIDE:-}" ] || return 0
	parts goshim runc && modern_programs runc &&
	    mkdir -p "$TOP/bin/go-shim" &&
	    ln -sf "$PARTS/go-shim/lenient/containerd-shim-runsc-v1" \
	        "$TOP/bin/go-shim"
}

# What this year's clients find in the place of a registry.
make_images() {
	[ ! -s "$TOP/images.tar" ] || return 0
	has cc && "${CC:-cc}" -O1 -static -o "$TOP/image-program" \
	    "$dir/images.c" && python3 "$dir/images.py" "$TOP/image-program" \
	    "$TOP/images.tar"
}

has() {
	local p

	for p; do
		command -v "$p" >/dev/null && continue
		WHY="$p is not installed (make deps-ci)"
		return 1
	done
}

have_all || exit 1
TOP=$(mktemp -d "${TMPDIR:-/tmp}/shimtest-XXXXXXXX") || exit 1
TOP=$(readlink -f "$TOP")
# A sandbox is nobody's, and finds runsc through it.
chmod 755 "$TOP"
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
SHIM_VERSION=$("$SHIM" -v | sed -n 's/.*Version: *//p')
LINUX=$(uname -r | cut -d . -f 1,2)
mkdir -p "$CACHE" "$TOP/bin/shim"
CACHE=$(readlink -f "$CACHE")
cp "$SHIM" "$TOP/bin/shim/containerd-shim-runsc-v1"
cp "$dir/../../shimctl.static" "$TOP/bin/shim/shimctl"

# Who builds them at the same time is waited for.
bash "$dir/../modern/parts.sh" --wait gvisor containerd critools dockerd \
    docker crio kubelet
declare -A made=() whys=()
: >"$TOP/not-run"
if [ -n "${FULL:-}" ]; then all_cells; else chosen_cells; fi >"$TOP/cells"
while read -r client h r <&3; do
	wanted "$client" "${CLIENTS:-}" && wanted "$r" "${RUNSCS:-}" &&
	    { [ "$h" = none ] || wanted "$h" "${HOSTS:-}"; } || continue
	if make_cell "$client" "$h" "$r"; then
		cell "$client" "$h" "$r"
	else
		not_run "$client" "$h" "$r" "$WHY"
	fi
done 3<"$TOP/cells"
for i in "${!labels[@]}"; do
	wait "$(echo "$pids" | awk "{ print \$($i + 1) }")"
	show "$i"
done
pids=

echo
table
[ -n "${ONLY:-}" ] || document "$dir/../../docs/matrix.md"
echo
sed 's/^/not run: /' "$TOP/not-run"
echo "$(wc -l <"$TOP/not-run") cells not run"
passed=$(cat "$TOP"/out-* 2>/dev/null | grep -c '^ok ')
failed=$(cat "$TOP"/out-* 2>/dev/null | grep -c '^not ok ')
echo "$passed passed, $failed failed"
# Without any packages all of it is skipped, as has been said above.
[ "$failed" = 0 ] && { [ "$passed" != 0 ] || [ -s "$TOP/not-run" ]; }
