#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checkpoint and restore, as `ctr containers` does them: into an image of
# containerd's store, and from there into a new container.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/real/image.sh
. "$(dirname "$0")/image.sh"

IMAGE=localhost/busybox:1

can_leave_running() {
	runsc help checkpoint 2>&1 | grep -q -- -direct
}

# What it counts goes to a file of the host: `ctr containers restore` does not
# stay for the output.
count() {
	used "$1"
	mkdir "$T/share"
	c run -d --runtime "$SHIM" "${CONF[@]}" \
	    --fifo-dir "$T/fifo" \
	    --mount "type=bind,src=$T/share,dst=/share,options=rbind:rw" \
	    "$IMAGE" "$1" /bin/sh -c 'i=0
	    while :; do i=$((i + 1)); echo "$i" >/share/n; sleep 0.1; done' \
	    </dev/null
}

counts_from() {
	local n

	n=$(cat "$T/share/n")
	[ "${n:-0}" -ge "$1" ]
}

# The counter goes on where it was saved, in another container.
case_round_trip() {
	is_runsc || return 0
	count rt || why "it did not start"
	until_true 10 counts_from 20 || why "it does not count"
	if ! can_leave_running; then
		# By an older runsc: said so, and nothing is lost.
		has "the error" "$(c task checkpoint rt 2>&1)" "ends a container"
		is status "$(status rt)" RUNNING
		gone rt
		nothing_left
		return
	fi
	c containers checkpoint --task --image rt localhost/rt:1 >/dev/null ||
	    why "checkpoint failed"
	is status "$(status rt)" RUNNING
	gone rt
	rm "$T/share/n"
	used rt2
	c containers restore --live rt2 localhost/rt:1 >"$T/rt2.log" 2>&1 ||
	    why "restore: $(cat "$T/rt2.log")"
	until_true 10 test -s "$T/share/n" || why "it does not go on"
	counts_from 20 || why "it begins anew: $(cat "$T/share/n")"
	is "output of exec" "$(ex --exec-id x rt2 /bin/echo alive)" alive
	gone rt2
	nothing_left
}

begin
image "$IMAGE" 1
run_cases
