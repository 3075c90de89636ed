# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# For the cases that run inside a machine, by busybox's shell or dash: what a
# case is, how a container is made, and a watchdog.  A case is a function
# case_NAME that fails after `why TEXT`; "ok NAME" and "not ok NAME: TEXT" go
# to the console, where tests/vm/lib.sh reads them.

WHY=
BEAT=/run/beat
CONF=/etc/runsc.toml
STILL=${STILL:-120}	# seconds that a case may take

why() {
	WHY=${WHY:-$*}
	return 1
}

# What cannot be seen here, and why.
skip() {
	SKIP=$*
}

# is WHAT GOT EXPECTED
is() {
	[ "$2" = "$3" ] || why "$1 is '$2', not '$3'"
}

# has WHAT TEXT PART
has() {
	case $2 in
	*"$3"*) ;;
	*) why "$1 is '$2', without '$3'" ;;
	esac
}

# between WHAT LOW GOT HIGH
between() {
	[ "${3:-0}" -ge "${2:-0}" ] && [ "${3:-0}" -le "${4:-0}" ] ||
	    why "$1 is $3, not from $2 to $4"
}

# until_true SECONDS COMMAND...
until_true() {
	local n=$(($1 * 5))

	shift
	until "$@" >/dev/null 2>&1; do
		n=$((n - 1))
		[ "$n" -gt 0 ] || return 1
		sleep 0.2
	done
}

# What every process is waiting for, and what the shims have open.
show_processes() {
	local p t words

	for p in /proc/[0-9]*; do
		words=$(tr '\0' ' ' <"$p/cmdline" | cut -c 1-120)
		[ -n "$words" ] || continue
		echo "# ${p#/proc/} $words"
		for t in "$p"/task/*; do
			echo "#   $(sed -n 's/^State:.//p' "$t/status")" \
			    "wchan $(cat "$t/wchan")" \
			    "syscall $(cut -d ' ' -f 1 "$t/syscall")" \
			    "stack $(sed 's/.* //; s/+.*//' "$t/stack" |
			        head -n 5 | tr '\n' ' ')"
		done 2>/dev/null
		case $(readlink "$p/exe") in
		*/containerd-shim-runsc-v1*)
			ls -l "$p/fd" | sed 's/.*[0-9] \([0-9]* ->\)/#   fd \1/'
			cat "$p"/fdinfo/* | grep -E '^(tfd|Pid|sigmask)' |
			    sed 's/^/#   /'
			;;
		esac
	done
	sed -n 's/^/# /; 1,3p' /proc/meminfo
	find /sys/fs/cgroup -name memory.current -o -name memory.events \
	    -o -name memory.usage_in_bytes | while read -r p; do
		case $p in
		/sys/fs/cgroup/memory.*) ;;
		*) echo "# $p $(tr '\n' ' ' <"$p")" ;;
		esac
	done
}

# Where a case stands still, say what of, and end the machine.
watchdog() {
	local last="" now n=0

	while sleep 5; do
		now=$(cat "$BEAT")
		n=$((n + 5))
		[ "$now" = "$last" ] || n=0
		last=$now
		[ "$n" -ge "$STILL" ] || continue
		echo "not ok $now: it stands still"
		show_processes
		sleep 10
		echo "# 10 seconds later"
		show_processes
		poweroff -f
	done
}

# Those that the file beside $1 names.
run_cases() {
	local name dog

	: >"$BEAT"
	watchdog &
	dog=$!
	for name in $(cat "${1%/*}/cases"); do
		echo "$name" >"$BEAT"
		WHY='' SKIP=''
		if "case_$name" && [ -z "$WHY" ]; then
			[ -z "$SKIP" ] && echo "ok $name" ||
			    echo "skipped $name: $SKIP"
		else
			echo "not ok $name: ${WHY:-no reason given}"
		fi
	done
	kill "$dog"
}

# bundle ID WORDS: a container /b/ID that runs WORDS, JSON strings.  RES are
# its resources, NOTES its annotations, CGROUP its path, TTY whether it has a
# terminal.
bundle() {
	mkdir -p "/b/$1"
	cp -a /container/rootfs "/b/$1/"
	cat >"/b/$1/config.json" <<-END
	{ "ociVersion": "1.0.2",
	  "process": { "terminal": ${TTY:-false},
	    "user": { "uid": 0, "gid": 0 }, "args": [ $2 ],
	    "env": [ "PATH=/bin" ], "cwd": "/" },
	  "root": { "path": "rootfs" }, "hostname": "container",
	  "annotations": { ${NOTES:-} },
	  "mounts": [ { "destination": "/proc", "type": "proc",
	    "source": "proc" }, { "destination": "/tmp", "type": "tmpfs",
	    "source": "tmpfs" } ],
	  "linux": { "cgroupsPath": "${CGROUP:-/machine/$1}",
	    "resources": { ${RES:-} },
	    "namespaces": [ { "type": "pid" }, { "type": "ipc" },
	    { "type": "uts" }, { "type": "mount" } ] } }
	END
}

SLEEP='"/bin/sleep", "100000"'

# begin ID WORDS: a container that runs
begin() {
	local shim

	bundle "$1" "${2:-$SLEEP}" &&
	    shim=$(shimctl start-shim "/b/$1" "$1" --config "$CONF") &&
	    shimctl create "/b/$1" "$1" --config "$CONF" --address "$shim" &&
	    shimctl start "$1" || why "$1 did not start"
}

# gone ID: killed and deleted, with the status of SIGKILL
gone() {
	shimctl kill "$1" KILL || why "no kill of $1"
	is "status of $1" "$(shimctl wait "$1")" 137
	shimctl delete "$1" >/dev/null || why "no delete of $1"
}

no_shims() {
	[ "$(shimctl list | wc -l)" = 0 ]
}

status_is() {
	[ "$(shimctl state "$1" | sed -n 's/^status: //p')" = "$2" ]
}

# The number of a line "NAME NUMBER" in the text.
number() {
	echo "$2" | sed -n "s/^$1 //p"
}
