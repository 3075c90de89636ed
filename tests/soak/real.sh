#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SOAK_REAL containers (500) on the real runsc, four at a time, that exit, are
# killed, lose their sandbox, or have execs; meanwhile containerd is killed and
# started again, every few seconds.  Each must tell its true end, once: to
# Delete, and in the shim's log.  What containerd's own death has cut short
# (a `ctr run` that failed) must leave nothing either.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/../real/lib.sh"
SOAK_REAL=${SOAK_REAL:-500}
SOAK_SEED=${SOAK_SEED:-1}
AT_ONCE=4

# Until containerd answers, which may have to be started again first.
again() {
	until_true 30 "$@" >/dev/null 2>&1
}

stopped_or_gone() {
	case $(status "$1") in
	STOPPED) ;;
	*) has_no_task "$1" ;;
	esac
}

# A listing that succeeded, without it.
has_no_task() {
	local list

	list=$(c task ls -q 2>/dev/null) && ! grep -qx "$1" <<<"$list"
}

has_no_container() {
	local list

	list=$(c container ls -q 2>/dev/null) && ! grep -qx "$1" <<<"$list"
}

remove() {
	c task delete -f "$1"
	has_no_task "$1" || return 1
	c container delete "$1"
	has_no_container "$1"
}

# The status that Delete tells; nothing if it failed.
told_by_delete() {
	local text rc

	text=$(c task delete "$1" 2>&1)
	rc=$?
	case $text in
	*"non-zero exit code "*) tr -dc 0-9 <<<"${text##*exit code }" ;;
	'') echo "$rc" ;;
	esac
}

kill_sandbox() {
	local pid

	pid=$(task_pid "$1")
	[ -n "$pid" ] && kill -9 "$pid"
}

# One container ID of kind KIND; a line of what came of it to stdout.
one() {
	local id=$1 kind=$2 want=137 got='' rc n=$((RANDOM % 120 + 1))
	local words=(sleep 1000)

	[ "$kind" != exits ] || {
		want=$n
		words=(sh -c "sleep 0.$((RANDOM % 5)); exit $n")
	}
	if ! run -d --rootfs "$ROOTFS" "$id" "${words[@]}" >/dev/null 2>&1; then
		again remove "$id" || echo "bad $id: cannot be removed"
		echo "cut $id"
		return
	fi
	case $kind in
	killed) again c task kill -s KILL "$id" ;;
	murdered) again kill_sandbox "$id" ;;
	execs)
		# containerd's death ends ctr, not what it has started.
		ex --exec-id e1 "$id" sh -c "exit $n" >/dev/null 2>&1
		rc=$?
		case $rc in
		"$n") echo "exec $id" ;;
		1 | 255) echo "exec-cut $id" ;;
		*) echo "bad $id: its exec told $rc, not $n" ;;
		esac
		again c task kill -s KILL "$id"
		;;
	esac
	again stopped_or_gone "$id" || echo "bad $id: it does not stop"
	for _ in 1 2 3 4 5; do
		got=$(told_by_delete "$id")
		[ -z "$got" ] || break
		again c version
		# containerd died over its reply.
		! has_no_task "$id" || got=untold
		[ -z "$got" ] || break
	done
	case $got in
	"$want") echo "true $id" ;;
	untold) echo "untold $id" ;;
	*) echo "bad $id: $kind, delete says '$got', not $want" ;;
	esac
	again remove "$id" || echo "bad $id: it cannot be removed"
}

worker() {
	local i kinds=(exits exits killed murdered execs)

	RANDOM=$((SOAK_SEED * 100 + $1))
	for ((i = $1; i < SOAK_REAL; i += AT_ONCE)); do
		one "r$i" "${kinds[RANDOM % ${#kinds[@]}]}"
	done
}

count() {
	grep -c "^$1 " "$T/results"
}

case_soak() {
	local i pids=() kills=0 told twice

	RANDOM=$SOAK_SEED
	for ((i = 0; i < SOAK_REAL; i++)); do
		used "r$i"
	done
	for ((i = 0; i < AT_ONCE; i++)); do
		worker "$i" >>"$T/results" 2>>"$T/noise" &
		pids+=($!)
	done
	# At any moment, and for any time: nothing is waited for here.
	while kill -0 "${pids[@]}" 2>/dev/null; do
		sleep $((RANDOM % 4 + 2))
		containerd_stop KILL
		sleep 0.$((RANDOM % 10))
		containerd_start || why "containerd does not come back"
		kills=$((kills + 1))
	done
	wait "${pids[@]}"
	grep '^bad' "$T/results" | sed 's/^/# /'
	# Each exit once, in the words of the shim.
	sed -n 's/.*msg="\(r[0-9]*\): [a-z]* -> stopped".*/\1/p' \
	    "$T/ctd/log" | sort >"$T/told"
	told=$(uniq "$T/told" | wc -l)
	twice=$(uniq -d "$T/told" | tr '\n' ' ')
	echo "# SOAK_SEED=$SOAK_SEED: $SOAK_REAL containers, containerd killed" \
	    "$kills times: $(count true) true ends, $(count untold) ended" \
	    "with their Delete's reply lost, $(count cut) cut short" \
	    "at the start; $(count exec) execs true, $(count exec-cut) cut;" \
	    "$told ends in the shims' logs"
	is "number of wrong ends" "$(count bad)" 0
	is "ends told twice" "$twice" ""
	[ "$told" -ge "$(count true)" ] || why "only $told ends in the logs"
	[ "$(count true)" -gt $((SOAK_REAL / 2)) ] ||
	    why "only $(count true) true ends seen"
	until_true 15 none_left
	nothing_left
}

begin
run_cases
