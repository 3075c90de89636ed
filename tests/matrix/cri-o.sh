#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# CRI-O itself, configured as clients.md has it; crictl asks for what a kubelet
# does.
# shellcheck source=tests/matrix/hosts.sh
. "$(dirname "$0")/hosts.sh"
CRIO_PID=
POD=

k() {
	timeout -k 2 60 crictl -r "unix://$SOCK" -i "unix://$SOCK" "$@" \
	    2>"$T/err"
}

crio_up() {
	local name

	# As `make install` has it.
	mount -t tmpfs tmpfs /usr/local/lib || return
	mkdir -p /etc/containers /etc/containerd "$T/conf.d" \
	    /usr/local/lib/containerd-shim-runsc-v1
	ln -s "$TOP/bin/shim/containerd-shim-runsc-v1" \
	    /usr/local/lib/containerd-shim-runsc-v1/containerd-shim-runsc-v2
	cni_config
	cp "$T/runsc.toml" /etc/containerd/
	block docs/clients.md '**CRI-O**' >"$T/conf.d/runsc.conf" || return
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' \
	    >/etc/containers/policy.json
	cat >"$T/crio.conf" <<-E
	[crio]
	root = "$T/storage"
	runroot = "$T/runroot"
	storage_driver = "overlay"
	version_file = "$T/version"
	version_file_persist = "$T/version-persist"
	clean_shutdown_file = "$T/clean"
	internal_wipe = false
	log_dir = "$T/podlogs"
	[crio.api]
	listen = "$SOCK"
	[crio.image]
	pause_image = "localhost/pause:1"
	pause_command = "/pause"
	[crio.network]
	network_dir = "$T/cni"
	plugin_dirs = ["$CNI"]
	[crio.runtime]
	default_runtime = "runsc"
	cgroup_manager = "cgroupfs"
	conmon_cgroup = "pod"
	container_exits_dir = "$T/exits"
	container_attach_socket_dir = "$T/attach"
	namespaces_dir = "$T/ns"
	pinns_path = "$(command -v pinns)"
	hooks_dir = []
	disable_hostport_mapping = true
	enable_criu_support = false
	[crio.nri]
	enable_nri = false
	E
	for name in localhost/pause:1 localhost/busybox:1; do
		skopeo copy -q "docker-archive:$TOP/images.tar:$name" \
		    "containers-storage:[overlay@$T/storage+$T/runroot]$name" ||
		    return 1
	done
	crio_start
}

crio_start() {
	setsid crio --config "$T/crio.conf" --config-dir "$T/conf.d" \
	    >>"$T/crio.log" 2>&1 </dev/null &
	CRIO_PID=$!
	until_true 20 k version >/dev/null && return
	echo "CRI-O does not answer: $(tail -n 1 "$T/crio.log" | cut -c 1-300)"
	return 1
}

# pod NAME: POD is its id
pod() {
	cat >"$T/pod.json" <<-E
	{"metadata": {"name": "$1", "namespace": "d", "uid": "u-$1",
	  "attempt": 1}, "log_directory": "$T/logs/$1",
	 "linux": {"cgroup_parent": "/$CGROUP/pod-$1"}}
	E
	POD=$(k runp "$T/pod.json") || why "RunPodSandbox: $(tail -n 1 "$T/err")"
}

# container NAME COMMAND: CTR is its id; started
container() {
	cat >"$T/$1.json" <<-E
	{"metadata": {"name": "$1"}, "image": {"image": "localhost/busybox:1"},
	 "command": ["sh", "-c", "$2"], "log_path": "$1.log",
	 "linux": {"resources": {"memory_limit_in_bytes": 104857600}}}
	E
	CTR=$(k create "$POD" "$T/$1.json" "$T/pod.json") ||
	    why "CreateContainer: $(tail -n 1 "$T/err")"
	k start "$CTR" >/dev/null || why "StartContainer: $(tail -n 1 "$T/err")"
}

# field ID NAME: of what inspect says
field() {
	k inspect -o json "$1" | sed -n "s/^ *\"$2\": \"*\([^\",]*\)\"*,*\$/\1/p" |
	    head -n 1
}

is_exited() {
	[ "$(field "$1" state)" = CONTAINER_EXITED ]
}

remove_pod() {
	k stopp "$POD" >/dev/null || why "StopPodSandbox: $(tail -n 1 "$T/err")"
	k rmp "$POD" >/dev/null || why "RemovePodSandbox: $(tail -n 1 "$T/err")"
	nothing_left
}

# Overrides lib.sh's: for after a case that failed.
c() {
	[ "$1 ${2:-}" != "task ls" ] || k rmp -fa >/dev/null
}

# What it asks the shim with before anything else.
case_features() {
	is "what was wrong with the features" "$(grep 'OCI.*features' \
	    "$T/crio.log")" ""
}

case_life() {
	local out

	pod life
	container a "echo hello; trap 'echo bye; exit 5' TERM; while :; do sleep 0.1; done"
	out=$(k exec -s "$CTR" sh -c 'echo in; dmesg | head -n 3')
	has "an exec's output" "$out" in
	has dmesg "$out" gVisor
	k exec -s "$CTR" sh -c 'exit 3' >/dev/null && why "a failed exec is none"
	has "the error of an exec" "$(cat "$T/err")" 3
	has log "$(cat "$T/logs/life/a.log")" hello
	out=$(k stats -o json "$CTR")
	has stats "$out" usageCoreNanoSeconds
	k stop -t 5 "$CTR" >/dev/null || why "StopContainer"
	is "the status" "$(field "$CTR" exitCode)" 5
	has "the log then" "$(cat "$T/logs/life/a.log")" bye
	k rm "$CTR" >/dev/null || why "RemoveContainer"
	remove_pod
}

case_statuses() {
	local s

	pod statuses
	for s in 0 7; do
		container "s$s" "exit $s"
		until_true 10 is_exited "$CTR" || why "it does not exit"
		is "the status" "$(field "$CTR" exitCode)" "$s"
	done
	container killed "kill -9 \$\$"
	until_true 10 is_exited "$CTR" || why "it does not exit"
	is "the status of a killed one" "$(field "$CTR" exitCode)" 137
	remove_pod
}

case_many() {
	local i

	pod many
	for i in 1 2 3 4; do
		container "m$i" "echo m$i; sleep 1000"
	done
	is "containers that run" "$(k ps -q | wc -l)" 4
	is "shims" "$(our_pids shim | wc -l)" 1
	remove_pod
}

# CRI-O goes and comes; its pods run on.
case_restart() {
	pod restart
	container r "sleep 1000"
	kill "$CRIO_PID"
	wait "$CRIO_PID" 2>/dev/null
	crio_start || why "it does not start again"
	is "what runs" "$(field "$CTR" state)" CONTAINER_RUNNING
	is "an exec" "$(k exec -s "$CTR" echo again | head -n 1)" again
	remove_pod
}

case_update() {
	pod update
	container u "sleep 1000"
	if runsc features >/dev/null 2>&1; then
		k update --memory 52428800 "$CTR" >/dev/null ||
		    why "update: $(tail -n 1 "$T/err")"
	else
		! k update --memory 52428800 "$CTR" >/dev/null ||
		    why "update of a runsc that has none"
	fi
	remove_pod
}

hosts_begin default
allow_oom_score
crio_up || exit 1
run_cases
kill "$CRIO_PID"
wait "$CRIO_PID" 2>/dev/null
