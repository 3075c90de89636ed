#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`: a container under gVisor through this shim, with a containerd
# of its own, from nothing to nothing.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

step() {
	printf '\n==> %s\n' "$*"
}

# The command, as one would type it, and then what it prints.
say() {
	printf '    $ ctr %s\n' "$*"
}

indent() {
	tr -d '\r' | sed 's/^\(^@\)*/    /'
}

die() {
	printf '\nThe demo failed: %s\n' "$*"
	if [ -s "$T/ctd/log" ]; then
		echo "containerd's last words on it:"
		grep -v 'level=info' "$T/ctd/log" | tail -5 | indent
	fi
	exit 1
}

have_all || {
	echo "That is missing for the demo."
	exit 1
}
echo "The shim:   $SHIM ($(stat -c %s "$SHIM") bytes)"
echo "containerd: $(containerd --version | cut -d ' ' -f 2-3)"
echo "runsc:      $(runsc --version | head -1)"

step "Starting a containerd of its own; nothing of the host's is touched"
setup || die "no containerd"
echo "    everything is in $T; namespace $NS"
echo "    runsc.toml:"
sed 's/^/      /' "$T/runsc.toml"

step "A container that asks its kernel for the boot messages: it is gVisor"
say "run --rm --rootfs --runtime .../${SHIM##*/} ... c1 dmesg"
out=$(run_fg c1 dmesg) || die "the container ended with status $?"
echo "$out" | indent
has dmesg "$out" gVisor || die "that is not gVisor's kernel"

step "One that stays, in the background"
say "run -d --rootfs --runtime .../${SHIM##*/} ... c2 sleep 1000"
run_bg c2 sleep 1000 || die "the container did not start"
c task ls | indent
pid=$(shim_pid c2)

step "A command in it"
say "task exec --exec-id e1 c2 sh -c 'echo hello; uname -sr; ps'"
out=$(ex --exec-id e1 c2 sh -c 'echo hello; uname -sr; ps') || die "exec ended with status $?"
echo "$out" | indent
has output "$out" hello || die "no output"

step "A terminal in it"
say "task exec -t --exec-id e2 c2 sh -c 'test -t 0 && echo ...'"
# Not too short: ctr sets the size once it runs.
out=$(c_tty task exec --fifo-dir "$T/fifo" -t --exec-id e2 c2 sh -c \
    'test -t 0 && test -t 1 && echo stdin and stdout are a terminal
    sleep 0.5') ||
    die "exec -t ended with status $?"
echo "$out" | indent
has output "$out" "are a terminal" || die "it was no terminal"

step "What the shim costs while that container runs (process $pid)"
awk '/^Pss:/ { print "    memory (PSS): " $2 " KiB" }' \
    "/proc/$pid/smaps_rollup"
awk '/^Threads:/ { print "    threads:      " $2 }' "/proc/$pid/status"

step "Its end: killed, so 128 + 9"
say "task kill -s KILL c2"
c task kill -s KILL c2 || die "kill failed"
until_true 10 is_status c2 STOPPED || die "it did not stop"
rc=$(delete_status c2)
c container delete c2
echo "    status: $rc"
[ "$rc" = 137 ] || die "status $rc, not 137"

step "One that ends with a status of its own"
say "run --rm ... c3 sh -c 'exit 7'"
run_fg c3 sh -c 'exit 7'
rc=$?
echo "    status: $rc"
[ "$rc" = 7 ] || die "status $rc, not 7"

step "Cleaning up"
nothing_left || die "$WHY"
echo "    no process, mount, socket or bundle is left"
printf '\nDone.\n'
