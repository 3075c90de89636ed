# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the scripts beside it: a private containerd with everything of its own
# below one temporary directory, a busybox root file system, the shim under
# test, and a cleanup that leaves nothing.
#
# SHIM=/path/to/containerd-shim-runsc-v1   the shim; by default the one built
#     in the source's top directory.  With containerd-shim-runc-v2 the same
#     cases show how containerd's own shim behaves.
# RUNSC=/path/to/runsc   another runsc than the one that is installed.
# CONTAINERD_BIN=/directory   containerd and ctr from there.
#
# Everything is found again by $NS, a name that nobody else has: it is the
# temporary directory's last component and containerd's namespace, so it is in
# the command line of every process, in every mount and in runsc's state.

set -u
lib_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SHIM=${SHIM:-$lib_dir/../../containerd-shim-runsc-v1}
case $SHIM in
*/*) SHIM=$(readlink -f "$SHIM" || echo "$SHIM") ;;
esac
SHIM_DIRS="/run/containerd/s /run/containerd/runsc /run/containerd/runc
	/run/containerd/fifo /run/containerd"
T=
# On standard error, of ctr 2.x; cases look at that.
export CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1
RUNSC=$(command -v "${RUNSC:-runsc}" || echo "${RUNSC:-runsc}")
[ -z "${CONTAINERD_BIN:-}" ] || PATH=$CONTAINERD_BIN:$PATH
CTD_PID=
EVENTS_PID=

is_runsc() {
	[ "${SHIM##*/}" != containerd-shim-runc-v2 ]
}

# Prints what is missing, in words; false if anything is.
have_all() {
	local ok=0 tool

	if [ "$(id -u)" != 0 ]; then
		echo "This must run as root: containerd and runsc need it."
		ok=1
	fi
	for tool in containerd ctr "$RUNSC" busybox script sha256sum tar; do
		if ! command -v "$tool" >/dev/null; then
			echo "$tool is not installed: \`make deps\` installs it."
			ok=1
		fi
	done
	if command -v busybox >/dev/null &&
	    [ "$(head -c 4 "$(command -v busybox)" | tail -c 3)" = ELF ] &&
	    ldd "$(command -v busybox)" >/dev/null 2>&1; then
		echo "busybox is not a static program: install busybox-static" \
		    "(\`make deps\`)."
		ok=1
	fi
	if [ ! -x "$SHIM" ]; then
		echo "There is no shim at $SHIM: run \`make\` first."
		ok=1
	fi
	return "$ok"
}

setup() {
	local d

	OLD_DIRS=
	for d in $SHIM_DIRS; do
		[ ! -d "$d" ] || OLD_DIRS="$OLD_DIRS $d "
	done
	T=$(mktemp -d "${TMPDIR:-/tmp}/shimtest-XXXXXXXX") || return 1
	T=$(readlink -f "$T")
	NS=${T##*/}
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	# An overlay cannot have its upper directory on another one, which is
	# what a container has for a root.
	case $(stat -f -c %T "$T") in
	overlayfs | overlay*) mount -t tmpfs "$NS" "$T" || return 1 ;;
	esac
	SOCK=$T/ctd/containerd.sock
	ROOTFS=$T/rootfs
	BUNDLES=$T/ctd/state/io.containerd.runtime.v2.task/$NS
	mkdir -p "$T/ctd" "$T/fifo"
	# The shim is to find it by its name.  A copy: whatever a test writes
	# over, it is not the one that others use.
	if [ "$RUNSC" != "$(command -v runsc)" ]; then
		mkdir "$T/path"
		cp "$RUNSC" "$T/path/runsc" || return 1
		PATH=$T/path:$PATH
	fi
	: >"$T/ids"
	make_rootfs
	CONF=()
	if is_runsc; then
		plain_conf
		CONF=(--runtime-config-path "$T/runsc.toml")
	fi
	cat >"$T/ctd/config.toml" <<-E
	version = 2
	root = "$T/ctd/root"
	state = "$T/ctd/state"
	disabled_plugins = ["io.containerd.grpc.v1.cri",
	  "io.containerd.snapshotter.v1.btrfs",
	  "io.containerd.snapshotter.v1.zfs",
	  "io.containerd.snapshotter.v1.aufs",
	  "io.containerd.snapshotter.v1.devmapper",
	  "io.containerd.internal.v1.opt"]
	[grpc]
	  address = "$SOCK"
	[ttrpc]
	  address = "$SOCK.ttrpc"
	[debug]
	  level = "${CTD_LEVEL:-info}"
	E
	containerd_start
}

# What scripts begin with, and go back to.
plain_conf() {
	cat >"$T/runsc.toml" <<-E
	[runsc_config]
	  network = "none"
	E
}

make_rootfs() {
	local a d

	for d in bin proc sys dev tmp etc root run; do
		mkdir -p "$ROOTFS/$d"
	done
	cp "$(command -v busybox)" "$ROOTFS/bin/busybox"
	for a in $("$ROOTFS/bin/busybox" --list); do
		[ "$a" = busybox ] || ln -sf busybox "$ROOTFS/bin/$a"
	done
}

# A file system for each: since 2023 runsc refuses one that it uses already.
rootfs() {
	mkdir -p "$T/roots"
	rm -rf "$T/roots/$1"
	cp -al "$ROOTFS" "$T/roots/$1"
	echo "$T/roots/$1"
}

containerd_start() {
	(
		# Where it leaves the checkpoints that it unpacks.
		export TMPDIR="$T" XDG_RUNTIME_DIR=
		cd "$T/ctd" && exec setsid containerd -c "$T/ctd/config.toml" \
		    >>"$T/ctd/log" 2>&1 </dev/null
	) &
	CTD_PID=$!
	if ! until_true 15 c version; then
		echo "containerd does not answer:"
		tail -5 "$T/ctd/log"
		return 1
	fi >&2
}

# containerd_stop SIGNAL
containerd_stop() {
	[ -n "$CTD_PID" ] || return 0
	kill "-$1" "$CTD_PID" 2>/dev/null
	wait "$CTD_PID" 2>/dev/null
	CTD_PID=
}

# ctr on the private containerd; nothing lasts for ever.  timeout(1) alone
# would not do: ctr passes SIGTERM on to the container.
c() {
	timeout -k 2 "${CTR_TIMEOUT:-60}" ctr -a "$SOCK" -n "$NS" "$@"
}

# The same in a terminal; the output has CRs.  script(1) takes the shell from
# the environment, and %q quotes for this one.
c_tty() {
	SHELL=$BASH script -qec "timeout --foreground -k 2 60 ctr -a $SOCK -n $NS $(
	    printf '%q ' "$@")" /dev/null </dev/null
}

# run FLAGS... ROOTFS ID COMMAND...
run() {
	c run --runtime "$SHIM" "${CONF[@]}" --fifo-dir "$T/fifo" \
	    --env PATH=/bin "$@"
}

# Remember an id, for the names of its shim's socket.  In a file: many callers
# are in a subshell.
used() {
	echo "$1" | tee -a "$T/ids" >>"$T/all_ids"
}

# run_bg ID COMMAND...: a detached container
run_bg() {
	used "$1"
	run -d --rootfs "$ROOTFS" "$@" </dev/null
}

# run_fg ID COMMAND...: one in the foreground, removed afterwards
run_fg() {
	used "$1"
	run --rm --rootfs "$ROOTFS" "$@"
}

ex() {
	c task exec --fifo-dir "$T/fifo" "$@"
}

status() {
	c task ls | awk -v id="$1" '$1 == id { print $3 }'
}

is_status() {
	[ "$(status "$1")" = "$2" ]
}

task_pid() {
	c task ls | awk -v id="$1" '$1 == id { print $2 }'
}

no_task() {
	[ -z "$(status "$1")" ]
}

# The shim of a container: what its first process was re-parented to.
shim_pid() {
	awk '/^PPid:/ { print $2 }' "/proc/$(task_pid "$1")/status"
}

# delete_status ARGUMENTS...: the status that `task delete` tells: as its own, or
# (ctr 1.6, of a container) in a warning.
delete_status() {
	local rc text

	text=$(c task delete "$@" 2>&1)
	rc=$?
	case $text in
	*"non-zero exit code "*) echo "${text##*exit code }" | tr -dc 0-9 ;;
	*) echo "$rc" ;;
	esac
}

# gone ID: kill and delete what is left of it
gone() {
	c task kill -s KILL "$1" 2>/dev/null
	until_true 10 is_status "$1" STOPPED
	c task delete "$1" >/dev/null 2>&1
	c container delete "$1"
}

# What takes longer hangs, on any machine: in_time SINCE, of $SECONDS.
HANG=120
in_time() {
	[ $((SECONDS - $1)) -lt "$HANG" ] || why "it took $((SECONDS - $1)) s"
}

# until_true SECONDS COMMAND...
until_true() {
	local end=$((SECONDS + $1 + 1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# Have containerd's events written to $T/events, from here on: its answer to a
# change of the namespace is the first.
events_begin() {
	ctr -a "$SOCK" -n "$NS" events >"$T/events" 2>&1 &
	EVENTS_PID=$!
	until_true 20 events_come || why "no events come"
}

events_come() {
	ctr -a "$SOCK" namespaces label "$NS" "seen=$RANDOM"
	[ -s "$T/events" ]
}

events_end() {
	kill "$EVENTS_PID"
	wait "$EVENTS_PID" 2>/dev/null
	EVENTS_PID=
}

# is_ready ID: its process has made /tmp/ready
is_ready() {
	ex --exec-id "ready$RANDOM" "$1" test -e /tmp/ready
}

# Pids of all processes that have $NS in their command line.  The pattern
# comes on stdin, or grep would find itself.
our_pids() {
	# shellcheck disable=SC2062 # these are the files
	grep -laF -f - /proc/[0-9]*/cmdline 2>/dev/null <<<"$NS" |
	    sed 's|/proc/||; s|/cmdline||' |
	    grep -vx -e "${CTD_PID:-none}" -e "${EVENTS_PID:-none}"
}

nobody() {
	[ -z "$(our_pids)" ]
}

shim_here() {
	local pid

	for pid in $(our_pids); do
		[ "$(readlink "/proc/$pid/exe")" != "$SHIM" ] || {
			echo "$pid"
			return
		}
	done
	return 1
}

socket_of() {
	printf '/run/containerd/s/%s' "$(printf '%s' "$SOCK/$NS/$1" |
	    sha256sum | cut -d ' ' -f 1)"
}

# What is there that should not be, a line each.
leftovers() {
	local id pid

	for pid in $(our_pids); do
		echo "process $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" |
		    cut -c 1-120)"
	done
	awk -v ns="/$NS/" -v fs="/fs$" 'index($5, ns) { print "mount", $5 }' \
	    /proc/self/mountinfo
	# containerd-shim-runc-v2 leaves it where it was killed.
	while is_runsc && read -r id; do
		[ ! -e "$(socket_of "$id")" ] || echo "socket of $id"
	done <"$T/ids"
	find "$BUNDLES" -mindepth 1 -maxdepth 1 -printf 'bundle %f\n' \
	    2>/dev/null
	find "/run/containerd/runsc/$NS" -type f -printf 'state %f\n' \
	    2>/dev/null
	# Of containers; the namespace's own directory is containerd's.
	find /sys/fs/cgroup -mindepth 2 -type d -path "*/$NS/*" \
	    -printf 'cgroup %p\n' 2>/dev/null
	[ -z "$CTD_PID" ] || {
		c task ls -q | sed 's/^/task /'
		c container ls -q | sed 's/^/container /'
	}
}

nothing_left() {
	until_true 8 none_left && return
	why "left: $(leftovers | tr '\n' ';')"
}

none_left() {
	[ -z "$(leftovers)" ]
}

# The hard way, for where something went wrong.
wipe() {
	local id pid m

	for pid in $(our_pids); do
		kill -9 "$pid" 2>/dev/null
	done
	until_true 3 nobody
	for m in $(awk -v ns="/$NS/" 'index($5, ns) { print $5 }' \
	    /proc/self/mountinfo | tac); do
		umount -l "$m" 2>/dev/null
	done
	sort -u "$T/all_ids" 2>/dev/null | while read -r id; do
		rm -f "$(socket_of "$id")"
	done
	rm -rf "/run/containerd/runsc/${NS:?}" "/run/containerd/runc/$NS" \
	    "${BUNDLES:?}"
	find /sys/fs/cgroup -depth -type d -path "*$NS*" -exec rmdir {} + \
	    2>/dev/null
}

cleanup() {
	local id d

	trap - EXIT
	trap '' INT TERM
	[ -n "$T" ] || return
	if [ -n "$EVENTS_PID" ]; then
		kill "$EVENTS_PID" 2>/dev/null
		wait "$EVENTS_PID" 2>/dev/null
		EVENTS_PID=
	fi
	if [ -n "$CTD_PID" ]; then
		for id in $(CTR_TIMEOUT=5 c task ls -q 2>/dev/null); do
			CTR_TIMEOUT=10 c task delete -f "$id" >/dev/null 2>&1
		done
		for id in $(CTR_TIMEOUT=5 c container ls -q 2>/dev/null); do
			CTR_TIMEOUT=5 c container delete "$id" 2>/dev/null
		done
		until_true 3 none_left
	fi
	containerd_stop TERM
	wipe
	umount -l "$T" 2>/dev/null
	rm -rf "$T"
	# Made for us, and empty again.
	for d in $SHIM_DIRS; do
		case $OLD_DIRS in
		*" $d "*) ;;
		*) rmdir "$d" 2>/dev/null ;;
		esac
	done
	return 0
}

# shimctl, for what ctr cannot ask.  Its containers have the names of
# containerd's own, so that what is left of them is found.
SHIMCTL=$(readlink -f "${SHIMCTL:-$lib_dir/../../shimctl}")

# For cases that drive this shim alone, by shimctl too.
begin_with_shimctl() {
	if ! is_runsc; then
		echo "skipped: not this shim"
		exit 0
	fi
	[ -x "$SHIMCTL" ] || {
		echo "There is no shimctl: run \`make\` first."
		exit 1
	}
	begin
}

ctl() {
	[ -x "$SHIMCTL" ] || {
		echo "There is no shimctl: run \`make\` first."
		exit 1
	}
}

ctl() {
	timeout -k 2 60 "$SHIMCTL" -n "$NS" --containerd "$SOCK" "$@"
}

# bundle ID TERMINAL COMMAND...: a bundle without containerd; NOTES are its
# annotations and MOUNTS further mounts, in JSON, CGROUP its cgroupsPath or
# none.
bundle() {
	local b=$T/b/$1 terminal=$2 args="" a cgroup=""

	used "$1"
	cgroup="\"cgroupsPath\": \"${CGROUP:-/$NS/$1}\","
	[ "${CGROUP:-}" != none ] || cgroup=
	shift 2
	for a in "$@"; do
		args="$args${args:+,}\"$a\""
	done
	mkdir -p "$b"
	[ -e "$b/rootfs" ] || cp -al "$ROOTFS" "$b/rootfs"
	cat >"$b/config.json" <<-E
	{ "ociVersion": "1.0.2",
	  "process": { "terminal": $terminal, "user": { "uid": 0, "gid": 0 },
	    "args": [ $args ], "env": [ "PATH=/bin" ], "cwd": "/" },
	  "root": { "path": "rootfs" }, "hostname": "shimctl",
	  "annotations": { ${NOTES:-} },
	  "mounts": [ { "destination": "/proc", "type": "proc",
	    "source": "proc" } ${MOUNTS:+, $MOUNTS} ],
	  "linux": { $cgroup
	    "namespaces": [ { "type": "pid" }, { "type": "ipc" },
	    { "type": "uts" }, { "type": "mount" } ] } }
	E
}

start_shim() {
	ctl start-shim --shim "$SHIM" --config "$T/runsc.toml" "$T/b/$1" "$@"
}

ctl_create() {
	ctl create --config "$T/runsc.toml" "$T/b/$1" "$@"
}

ctl_status() {
	[ "$(ctl state "$1" 2>/dev/null | sed -n 's/^status: //p')" = "$2" ]
}

# Annotations of a pod's container: notes TYPE POD
notes() {
	printf '"io.kubernetes.cri.container-type": "%s",
	    "io.kubernetes.cri.sandbox-id": "%s"' "$1" "$2"
}

# wrap LINE: what comes on standard input is done instead of runsc.  It knows
# $real, the $verb, the $id and the pid $file; LINE is one more for runsc.toml.
wrap() {
	mkdir -p "$T/bin"
	{
		echo '#!/bin/bash'
		echo "real=$(command -v runsc) T=$T"
		cat <<-'E'
		verb= file= last=
		for id; do
			[ "$last" != --pid-file ] || file=$id
			case $id in -*) ;; *) verb=${verb:-$id} ;; esac
			last=$id
		done
		E
		cat
	} >"$T/bin/runsc"
	chmod +x "$T/bin/runsc"
	cat >"$T/runsc.toml" <<-E
	binary_name = "$T/bin/runsc"
	$1
	[runsc_config]
	  network = "none"
	E
}

# Cases: a function case_NAME that returns non-zero after `why TEXT`.

PASSED=0
FAILED=0
WHY=

why() {
	WHY=${WHY:-$*}
	return 1
}

# is WHAT GOT EXPECTED
is() {
	[ "$2" = "$3" ] || why "$1 is $(printf '%q' "$2"), not $(printf '%q' \
	    "$3")"
}

# has WHAT TEXT PART
has() {
	case $2 in
	*"$3"*) ;;
	*) why "$1 is $(printf '%q' "$2"), without $(printf '%q' "$3")" ;;
	esac
}

run_case() {
	WHY=
	: >"$T/ids"
	if "case_$1" && [ -z "$WHY" ]; then
		echo "ok $1"
		PASSED=$((PASSED + 1))
	else
		echo "not ok $1: ${WHY:-no reason given}"
		FAILED=$((FAILED + 1))
		# So that the next one begins with nothing.
		for id in $(c task ls -q); do
			c task delete -f "$id" >/dev/null 2>&1
		done
		for id in $(c container ls -q); do
			c container delete "$id" >/dev/null 2>&1
		done
		until_true 3 none_left || wipe
	fi
}

# All cases of the calling script, or those of ONLY="a b".
run_cases() {
	local name

	for name in $(declare -F | awk '$3 ~ /^case_/ { print substr($3, 6) }')
	do
		case " ${ONLY:-$name} " in
		*" $name "*) run_case "$name" ;;
		esac
	done
	echo "${0##*/}: $PASSED passed, $FAILED failed"
	[ "$FAILED" = 0 ]
}

# In a network namespace of its own: the control socket of runsc 20221219 is
# an abstract one named by the container's id, so two runs at once would meet.
begin() {
	have_all || exit 1
	if [ -z "${OWN_NET:-}" ]; then
		OWN_NET=1 exec unshare --net bash "$0"
	fi
	setup || exit 1
}
