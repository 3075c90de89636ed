#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is of the runsc of 2026 alone: the sentry as a program of its own beside
# runsc, in gvisor-bin/, as releases have it, and `runsc update`.  A copy of
# runsc is the sentry here: by that name it behaves as one.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

# One runsc with its sidecars, and a link to it from elsewhere.
layout() {
	mkdir -p "$T/dist/gvisor-bin" "$T/link"
	chmod 755 "$T" "$T/dist" "$T/dist/gvisor-bin"
	ln -f "$T/path/runsc" "$T/dist/runsc"
	ln -f "$T/path/runsc" "$T/dist/gvisor-bin/gvisor_sentry"
	ln -sf "$T/dist/runsc" "$T/link/runsc"
	cat >"$T/runsc.toml" <<-E
	binary_name = "$T/link/runsc"
	[runsc_config]
	  network = "none"
	E
}

case_life() {
	local out pid

	layout
	run_bg si sh -c 'trap "exit 9" TERM; while :; do sleep 0.1; done' ||
	    why "it did not start"
	pid=$(task_pid si)
	is "the sandbox's program" "$(readlink "/proc/$pid/exe")" \
	    "$T/dist/gvisor-bin/gvisor_sentry"
	out=$(ex --exec-id e1 si sh -c 'echo in; exit 5')
	is "an exec's status" $? 5
	is "what it prints" "$out" in
	c task pause si || why "pause"
	is_status si PAUSED || why "it is $(status si)"
	c task resume si || why "resume"
	c task metrics si >/dev/null || why "metrics"
	c task kill si
	until_true 10 is_status si STOPPED || why "it is $(status si)"
	c task delete si >/dev/null 2>"$T/err"
	has "its status" "$(cat "$T/err")" "exit code 9"
	c container delete si
	is "the status of a short one" "$(run_fg sj sh -c 'exit 7'; echo $?)" 7
	nothing_left
	plain_conf
}

# What the verb delete finds and kills.
case_shim_killed() {
	layout
	run_bg sk sleep 1000 || why "it did not start"
	kill -9 "$(shim_pid sk)"
	until_true 15 is_status sk UNKNOWN || until_true 5 test -z "$(status sk)"
	c task delete -f sk >/dev/null 2>&1
	c container delete sk
	nothing_left
	plain_conf
}

# It crashes where config.json has no linux.resources.
case_update() {
	local out root

	bundle ur false sleep 1000
	start_shim ur >/dev/null || why "no shim"
	ctl_create ur >/dev/null || why "no container"
	ctl start ur >/dev/null || why "it did not start"
	root=$(dirname "$(find /run/containerd/runsc -name 'ur_sandbox*.state')")
	out=$("$T/path/runsc" --root "$root" update --memory 100000000 ur 2>&1) ||
	    why "update: $out"
	ctl kill ur KILL >/dev/null
	ctl wait ur >/dev/null
	ctl delete ur >/dev/null
	nothing_left
}

begin_with_shimctl
run_cases
