#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# On another architecture: a container from create to its end, once each.
# shellcheck source=tests/vm/guest/lib.sh
. /etc/vm/lib.sh
# shellcheck disable=SC2034 # the watchdog's
STILL=240

case_run() {
	bundle r '"/bin/sh", "-c", "echo out; echo err >&2; exit 7"'
	shimctl run --config "$CONF" /b/r r >/tmp/out 2>/tmp/err
	is status $? 7
	is output "$(cat /tmp/out)" out
	is errors "$(cat /tmp/err)" err
}
case_create() {
	RES='"memory": { "limit": 268435456 }'
	begin c1
	RES=''
	is memory.max "$(cat /sys/fs/cgroup/machine/c1/memory.max)" 268435456
}
case_exec() {
	is output "$(shimctl exec c1 /bin/echo on)" on
	shimctl exec c1 /bin/sh -c 'exit 3'
	is status $? 3
	is "what came through" \
	    "$(echo line | shimctl exec -i c1 /bin/cat)" line
}
case_terminal() {
	has terminal "$(shimctl exec -t c1 /bin/sh -c 'test -t 0 && echo yes' \
	    </dev/console)" yes
}
case_stats() {
	local text

	text=$(shimctl stats c1)
	is memory.limit "$(number memory.limit "$text")" 268435456
	between pids.current 1 "$(number pids.current "$text")" 50
}
case_end() {
	gone c1
	until_true 20 no_shims || why "a shim is left"
	is left "$(find /sys/fs/cgroup -type d -name c1)" ""
}
case_oom() {
	RES='"memory": { "limit": 83886080 }'
	bundle o '"/bin/dd", "if=/dev/zero", "of=/tmp/x", "bs=1M"'
	RES=''
	shimctl run --events --config "$CONF" /b/o o >/tmp/out 2>&1
	is status $? 137
	has events "$(cat /tmp/out)" "/tasks/oom o"
}

cat >"$CONF" <<END
[runsc_config]
  network = "none"
END
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo "# $(uname -m) $(uname -r)"
run_cases /etc/vm/main.sh
poweroff -f
