#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A pod of three containers with the sandbox asked over its control socket
# (auto) and by runsc only (off), in one run: how long Kill, Pids and State
# take, what the shim and its helpers hold in memory, and the runsc processes
# that a life cycle starts.  CALLS is the number of calls.

# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/../real/lib.sh"
CALLS=${CALLS:-200}
BENCH=$(readlink -f "$(dirname "$0")/../../build/bench/bench_calls")
RUNSC=${RUNSC:-$(command -v runsc)}
CRI=io.kubernetes.cri
P=p$$	# its socket has a name that the whole host shares

start() {
	used "$1"
	cp -al "$ROOTFS" "$T/$1-$mode"
	run -d --rootfs --annotation $CRI.container-type="$2" \
	    --annotation $CRI.sandbox-id="$P" "$T/$1-$mode" "$1" sleep 1000 \
	    </dev/null
}

# Of the shim and of runsc's that are neither sandbox nor gofer: KiB of PSS.
memory() {
	local pid kib sum=0 n=0

	for pid in $(our_pids); do
		case $(tr '\0' ' ' <"/proc/$pid/cmdline") in
		*"-namespace $NS"* | *" wait "*) ;;
		*) continue ;;
		esac
		kib=$(awk '/^Pss:/ { s += $2 } END { print s + 0 }' \
		    "/proc/$pid/smaps_rollup")
		sum=$((sum + kib))
		n=$((n + 1))
	done
	echo "$n processes, $sum KiB PSS"
}

begin
mkdir -p "$T/bin"
# Named as it calls itself, or nothing would be found.
printf '#!/bin/sh\necho "$*" >>%s/calls\nexec %s "$@"\n' "$T" "$RUNSC" \
    >"$T/bin/runsc"
chmod +x "$T/bin/runsc"
for mode in auto off; do
	echo "control_socket = \"$mode\""
	cat >"$T/runsc.toml" <<-E
	control_socket = "$mode"
	binary_name = "$RUNSC"
	[runsc_config]
	  network = "none"
	E
	start "$P" sandbox
	start a container
	start b container
	sleep 3
	echo "  shim and helpers: $(memory)"
	"$BENCH" "$(socket_of "$P")" a "$CALLS" | sed 's/^/  /'
	gone a
	gone b
	gone "$P"
	none_left || until_true 8 none_left
	# Once more with a runsc that writes its calls down.
	sed -i "s|^binary_name.*|binary_name = \"$T/bin/runsc\"|" \
	    "$T/runsc.toml"
	rm -rf "$T/$P-$mode" "$T/a-$mode"
	: >"$T/calls"
	start "$P" sandbox
	start a container
	c task ps a >/dev/null
	c task kill -s KILL a
	until_true 10 is_status a STOPPED
	c task delete a >/dev/null 2>&1
	c container delete a
	echo "  create, start, ps, kill -9, delete of a sub-container:" \
	    "$(grep -cE ' a( 9)?$' "$T/calls") runsc:" \
	    "$(grep -E ' a( 9)?$' "$T/calls" | grep -oE \
	    '\b(create|start|wait|ps|kill --all|kill|delete)\b' | tr '\n' ' ')"
	gone "$P"
	none_left || until_true 8 none_left
done
