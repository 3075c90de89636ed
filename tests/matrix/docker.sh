#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Containers by docker.  CELL_HOST is the release that dockerd and containerd come
# from; in that of Docker 20.10, which knows no shim but runc's, the shim has
# that one's name and the runtime is a path to runsc.
# shellcheck source=tests/matrix/hosts.sh
. "$(dirname "$0")/hosts.sh"
NAME=io.containerd.runsc.v1
IMAGE=bb:1

d() {
	timeout -k 2 "${DOCKER_TIMEOUT:-60}" docker "$@"
}

# The same in a terminal, which types what comes on stdin.
d_tty() {
	SHELL=$BASH timeout -k 2 60 script -qec "docker $(printf '%q ' "$@")" \
	    /dev/null
}

# in_tty COMMAND...: begin it in a terminal, which shows what stands in
# $T/screen and into which typed() types.
in_tty() {
	rm -f "$T/keys"
	mkfifo "$T/keys"
	exec 7<>"$T/keys"
	d_tty "$@" <"$T/keys" >"$T/screen" 7<&- &
	TTY_PID=$!
}

# typed SHOWN LINE: once that is shown
typed() {
	until_true 30 grep -q "$1" "$T/screen" || why "no $1 is shown"
	echo "$2" >&7
}

tty_status() {
	wait "$TTY_PID"
	is status $? "$1"
	exec 7<&-
}

run() {
	d run --network none --runtime "${RUNTIME:-runsc}" "$@"
}

# bg NAME COMMAND...: one that stays
bg() {
	local name=$1

	shift
	run -d --name "$name" "$IMAGE" "$@" >/dev/null ||
	    why "it did not start"
}

state() {
	d inspect -f '{{.State.Status}}' "$1"
}

exit_code() {
	d inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$1"
}

is_state() {
	[ "$(state "$1")" = "$2" ]
}

gone() {
	d rm -f "$@" >/dev/null || why "rm -f failed"
	nothing_left
}

# Overrides lib.sh's: so that a case after one that failed finds nothing.
c() {
	case "$1 ${2:-} ${3:-}" in
	"task ls -q" | "container ls -q") d ps -aq ;;
	"task delete -f" | "container delete"*)
		DOCKER_TIMEOUT=20 d rm -f "${@: -1}" ;;
	*) timeout -k 2 60 ctr -a "$SOCK" -n moby "$@" ;;
	esac
}

case_run() {
	local out

	out=$(run --rm "$IMAGE" echo hello)
	is status $? 0
	is output "$out" hello
	out=$(run --rm "$IMAGE" dmesg)
	has dmesg "$out" gVisor
	nothing_left
}

# Neither of daemon.json's runtimes but the shim's own name.
case_by_name() {
	local out

	[ "$CELL_HOST" != bookworm ] || return 0
	out=$(RUNTIME=$NAME run --rm "$IMAGE" sh -c 'echo by name; exit 7')
	is status $? 7
	is output "$out" "by name"
	RUNTIME=$NAME bg bn sleep 100
	is "output of exec" "$(d exec bn echo in it)" "in it"
	gone bn
}

case_exit_statuses() {
	local s

	for s in 0 7 255; do
		run --rm "$IMAGE" sh -c "exit $s"
		is status $? "$s"
	done
	run --rm "$IMAGE" sh -c 'kill -9 $$'
	is "status of a killed one" $? 137
	nothing_left
}

case_stdout_stderr() {
	run --rm "$IMAGE" sh -c 'echo out; echo err >&2' >"$T/out" 2>"$T/err"
	is stdout "$(cat "$T/out")" out
	is stderr "$(cat "$T/err")" err
	nothing_left
}

case_much_output() {
	is "sum of 5 MB" "$(run --rm "$IMAGE" sh -c \
	    'seq -w 0 99999999 | head -c 5000000' | sha256sum)" \
	    "$(seq -w 0 99999999 | head -c 5000000 | sha256sum)"
	nothing_left
}

case_stdin() {
	is output "$(echo word | run --rm -i "$IMAGE" cat)" word
	is "lines of a megabyte" "$(seq -w 0 124999 |
	    run --rm -i "$IMAGE" sh -c 'cat | wc -l')" 125000
	nothing_left
}

case_tty() {
	in_tty run --network none --runtime "${RUNTIME:-runsc}" --rm -it \
	    "$IMAGE" sh
	typed '# ' 'echo $((40+2)) in a terminal'
	typed '42 in a terminal' 'test -t 0 && exit 5'
	tty_status 5
	nothing_left
}

case_exec() {
	local out

	bg ex sleep 100
	out=$(d exec ex sh -c 'echo out; echo err >&2; exit 5' 2>"$T/err")
	is status $? 5
	is stdout "$out" out
	is stderr "$(cat "$T/err")" err
	is "output of exec -i" "$(echo word | d exec -i ex cat)" word
	d exec ex sh -c 'kill -9 $$'
	is "status of a killed one" $? 137
	out=$(d exec -e A=b -w /tmp ex sh -c 'echo $A; pwd')
	is "environment and directory" "$out" "b
/tmp"
	gone ex
}

case_exec_tty() {
	bg et sleep 100
	in_tty exec -it et sh
	typed '# ' 'stty size; test -t 0 && exit 4'
	tty_status 4
	gone et
}

case_exec_detached() {
	bg ed sleep 100
	d exec -d ed sh -c 'echo was here >/tmp/d' || why "exec -d failed"
	until_true 5 d exec ed cat /tmp/d || why "it did nothing"
	gone ed
}

case_not_found() {
	local out

	out=$(run --name nf "$IMAGE" /bin/not-there 2>&1)
	is status $? 127
	has "the error" "$out" "no such file or directory"
	# Of one that never ran, Docker keeps 127, or what its sandbox ended
	# with, 128, whichever it hears of last.
	is state "$(exit_code nf | sed s/127/128/)" "created 128"
	gone nf
	bg xn sleep 100
	out=$(d exec xn /bin/not-there 2>&1)
	case $? in
	126 | 127) ;;
	*) why "an exec that cannot be has another status: $out" ;;
	esac
	is "a later exec" "$(d exec xn echo fine)" fine
	gone xn
}

case_logs() {
	bg lo sh -c 'echo one; sleep 1; echo two >&2; sleep 1;
	    echo three'
	until_true 5 has_log lo one || why "no log"
	is "all logs" "$(d logs -f lo 2>&1)" "one
two
three"
	gone lo
}

has_log() {
	[ -n "$(d logs "$1" 2>/dev/null | grep "$2")" ]
}

case_wait() {
	bg wa sh -c 'sleep 1; exit 9'
	is "status told by wait" "$(d wait wa)" 9
	is state "$(exit_code wa)" "exited 9"
	gone wa
}

case_stats() {
	local out

	bg st sleep 100
	out=$(d stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' st)
	case $out in
	'' | 0B* | *--* | *' 0') why "they are ${out:-none}" ;;
	esac
	gone st
}

# Docker looks for the numbers among the host's processes, of which those in
# gVisor are none: nothing can be said about what it finds.
case_top() {
	bg to sleep 100
	d top to -o pid,comm >/dev/null || why "top failed"
	gone to
}

case_pause() {
	bg pa sh -c 'while :; do echo -n .; sleep 0.1; done'
	d pause pa >/dev/null || why "pause failed"
	is state "$(state pa)" paused
	d exec pa true 2>/dev/null && why "exec while paused"
	d unpause pa >/dev/null || why "unpause failed"
	is state "$(state pa)" running
	is "exec after it" "$(d exec pa echo on)" on
	gone pa
}

case_update() {
	local out

	bg up sleep 100
	out=$(d update --memory 64m --memory-swap 64m --cpu-shares 512 up 2>&1)
	# A warning about the host may follow.
	is "status of update" "$? ${out%%$'\n'*}" "0 up"
	is "an exec after it" "$(d exec up echo on)" on
	gone up
}

case_stop() {
	bg sp sh -c 'trap "exit 3" TERM; echo on; while :; do sleep 0.1; done'
	until_true 10 has_log sp on
	d stop -t 20 sp >/dev/null || why "stop failed"
	is state "$(exit_code sp)" "exited 3"
	gone sp
}

case_stop_by_force() {
	# In gVisor a signal ends the first process too, if that lets it.
	bg sf sh -c 'trap "" TERM; echo on; while :; do sleep 0.1; done'
	until_true 10 has_log sf on
	d stop -t 1 sf >/dev/null || why "stop failed"
	is state "$(exit_code sf)" "exited 137"
	gone sf
}

case_kill() {
	bg ki sh -c 'trap "exit 4" USR1; echo on; while :; do sleep 0.1; done'
	until_true 10 has_log ki on
	d kill -s USR1 ki >/dev/null || why "kill failed"
	until_true 10 is_state ki exited || why "it did not stop"
	is state "$(exit_code ki)" "exited 4"
	bg k9 sleep 100
	d kill k9 >/dev/null || why "kill failed"
	until_true 10 is_state k9 exited || why "it did not stop"
	is state "$(exit_code k9)" "exited 137"
	gone ki k9
}

case_restart() {
	bg re sh -c 'echo started; sleep 100'
	d restart -t 1 re >/dev/null || why "restart failed"
	is state "$(state re)" running
	# What it said before is there, too.
	until_true 20 has_lines re 2 ||
	    why "its log has $(d logs re | wc -l) lines, not 2"
	is "output of exec" "$(d exec re echo on)" on
	d stop -t 1 re >/dev/null
	d start re >/dev/null || why "start failed"
	is state "$(state re)" running
	gone re
}

has_lines() {
	[ "$(d logs "$1" | wc -l)" = "$2" ]
}

case_restart_policy() {
	run -d --name rp --restart on-failure:2 "$IMAGE" sh -c \
	    'echo again; exit 3' >/dev/null || why "it did not start"
	until_true 20 has_ended rp || why "it did not end"
	is restarts "$(d inspect -f '{{.RestartCount}}' rp)" 2
	is state "$(exit_code rp)" "exited 3"
	is "lines of the log" "$(d logs rp | wc -l)" 3
	gone rp
}

has_ended() {
	[ "$(d inspect -f '{{.RestartCount}}' "$1")" = 2 ] &&
	    is_state "$1" exited
}

case_rm_force() {
	bg r1 sleep 100
	bg r12 sleep 100
	d rm -f r1 >/dev/null || why "rm -f failed"
	is "the other's state" "$(state r12)" running
	is "exec in the other" "$(d exec r12 echo on)" on
	gone r12
}

case_create_start() {
	local out

	d create --network none --runtime "${RUNTIME:-runsc}" --name cs \
	    "$IMAGE" sh -c 'echo attached; exit 6' >/dev/null ||
	    why "create failed"
	out=$(d start -a cs)
	is status $? 6
	is output "$out" attached
	gone cs
}

case_volume() {
	local out

	mkdir -p "$T/volume"
	echo there >"$T/volume/old"
	out=$(run --rm -v "$T/volume:/v" --tmpfs /scratch "$IMAGE" \
	    sh -c 'cat /v/old; echo here >/v/new; echo x >/scratch/x')
	is status $? 0
	is output "$out" there
	is "what it wrote" "$(cat "$T/volume/new")" here
	nothing_left
}

case_user() {
	is "ids" "$(run --rm -u 1000:1001 "$IMAGE" sh -c \
	    'echo $(id -u) $(id -g)')" "1000 1001"
	is "root file system" "$(run --rm --read-only "$IMAGE" sh -c \
	    'touch /x 2>/dev/null || echo read-only')" read-only
	nothing_left
}

case_host_network() {
	is output "$(d run --rm --network host --runtime "${RUNTIME:-runsc}" \
	    "$IMAGE" echo fine)" fine
	nothing_left
}

case_health() {
	run -d --name he --health-cmd 'test -e /tmp/ok' --health-interval 1s \
	    "$IMAGE" sh -c 'touch /tmp/ok; sleep 100' >/dev/null
	until_true 10 is_healthy he || why "it is not healthy"
	gone he
}

is_healthy() {
	[ "$(d inspect -f '{{.State.Health.Status}}' "$1")" = healthy ]
}

case_memory_limit() {
	run --name ml --memory 64m --memory-swap 64m "$IMAGE" \
	    tail /dev/zero >/dev/null 2>&1
	is status $? 137
	is "it was killed for want of memory" \
	    "$(d inspect -f '{{.State.OOMKilled}}' ml)" true
	gone ml
}

# dockerd goes, its containers do not (live-restore).
case_daemon_killed() {
	bg dk sh -c 'seq 20; until [ -e /go ]; do sleep 0.1; done; seq 20; exit 8'
	dockerd_stop KILL
	rm -f "$T/docker.pid"
	dockerd_start || why "it does not come back"
	is state "$(state dk)" running
	is "output of exec" "$(d exec dk echo still here)" "still here"
	# Whether this is told of before the container's end or not.
	d exec dk touch /go >/dev/null 2>&1
	until_true 60 is_state dk exited || why "it did not end"
	is state "$(exit_code dk)" "exited 8"
	is "lines of the log" "$(d logs dk | wc -l)" 40
	gone dk
}

case_containerd_killed() {
	bg ck sh -c 'trap "" TERM; while :; do sleep 0.1; done'
	containerd_stop KILL
	containerd_start || why "it does not come back"
	until_true 10 d exec ck true || why "no exec after it"
	is state "$(state ck)" running
	d stop -t 1 ck >/dev/null || why "stop failed"
	is state "$(exit_code ck)" "exited 137"
	gone ck
}

# The shim executes its successor, and Docker sees nothing of it.
case_upgrade() {
	local was exec_pid n

	bg up sh -c 'n=0; until [ -e /go ]; do echo $((n = n + 1)); sleep 0.02
	    done; exit 8'
	was=$(life up)
	d exec up sh -c 'sleep 2; echo over; exit 5' >"$T/exec" 2>&1 &
	exec_pid=$!
	for n in 1 2 3 4 5; do
		timeout 60 shimctl -n moby --containerd "$SOCK" upgrade \
		    "$(d inspect -f '{{.Id}}' up)" >"$T/upgrade" 2>&1 ||
		    why "upgrade $n: $(cat "$T/upgrade")"
	done
	is "its life" "$(life up)" "$was"
	is "output of exec" "$(d exec up echo still here)" "still here"
	wait "$exec_pid"
	is "status of an exec" $? 5
	is "output of an exec" "$(cat "$T/exec")" over
	d exec up touch /go
	until_true 60 is_state up exited || why "it did not end"
	is state "$(exit_code up)" "exited 8"
	d logs up >"$T/logs"
	is "its log" "$(cat "$T/logs")" "$(seq "$(wc -l <"$T/logs")")"
	gone up
}

life() {
	d inspect -f '{{.State.StartedAt}} {{.State.Pid}} {{.RestartCount}}' \
	    "$1"
}

case_shim_killed() {
	local pid

	bg sk sleep 100
	for pid in $(our_pids shim); do
		kill -9 "$pid"
	done
	until_true 10 is_state sk exited || why "it is $(state sk)"
	gone sk
}

# Docker 23 and later tell no shim but runc's that the container is to end with
# its checkpoint: it goes on, or, where this runsc cannot do that, it is refused.
case_checkpoint() {
	local out

	run -d --name cp "$IMAGE" sh -c \
	    'i=0; while :; do i=$((i+1)); echo $i >/n; sleep 0.1; done' \
	    >/dev/null || why "it did not start"
	until_true 60 d exec cp sh -c '[ "$(cat /n)" -gt 10 ]'
	if ! out=$(d checkpoint create cp one 2>&1); then
		[ "$CELL_HOST" != bookworm ] || why "checkpoint: $out"
		has "the refusal" "$out" "this runsc ends a container"
		is "state after it" "$(state cp)" running
		gone cp
		return
	fi
	[ "$CELL_HOST" = bookworm ] || d kill cp >/dev/null
	until_true 10 is_state cp exited || why "it goes on"
	# dockerd 28 asks for the network of the process that Create returns,
	# which is not there before the restore, and then waits for ever.
	if [ -z "$WHY" ] && starts_from_checkpoints; then
		out=$(d start --checkpoint one cp 2>&1) || why "start: $out"
	fi
	if [ -z "$WHY" ] && starts_from_checkpoints; then
		# Between two numbers it is empty.
		until_true 60 d exec cp test -s /n
		out=$(d exec cp sh -c 'until read -r n </n; do :; done; echo $n')
		[ "${out:-0}" -gt 10 ] || why "it counts from $out"
	fi
	gone cp
}

starts_from_checkpoints() {
	[ "$CELL_HOST" != sid ] && [ "$CELL_HOST" != modern ]
}

hosts_begin moby
if [ "$CELL_HOST" = bookworm ]; then
	# Its containerd finds the shim under runc's name.
	mkdir -p "$T/bin"
	cp "$SHIM" "$T/bin/containerd-shim-runc-v2"
	PATH=$T/bin:$PATH
	block docs/clients.md '**Docker 20.10**' |
	    sed "s#/usr/bin/runsc#$(command -v runsc)#" >"$T/page.json"
else
	block docs/clients.md '**Docker 23' >"$T/page.json"
fi
cat >"$T/own.json" <<E
{"data-root": "$T/docker/data", "exec-root": "$T/docker/exec",
 "pidfile": "$T/docker.pid", "hosts": ["unix://$T/docker.sock"],
 "iptables": false, "ip6tables": false, "ip-forward": false,
 "bridge": "none", "userland-proxy": false, "storage-driver": "overlay2", "live-restore": true,
 "cgroup-parent": "/$CGROUP", "experimental": true}
E
/usr/bin/python3 -c 'import json, sys
print(json.dumps({k: v for f in sys.argv[1:] for k, v in
                  json.load(open(f)).items()}))' "$T/own.json" "$T/page.json" \
    >"$T/daemon.json" || exit 1
export DOCKER_HOST=unix://$T/docker.sock
host_up && dockerd_start || exit 1
tar -C "$ROOTFS" -c . | docker import -c 'CMD ["/bin/sh"]' \
    -c 'ENV PATH=/bin' - "$IMAGE" >/dev/null || exit 1
starts_from_checkpoints || echo "# skipped: docker start --checkpoint: dockerd" \
    "28 and later look for a process that is there only after it"
run_cases
