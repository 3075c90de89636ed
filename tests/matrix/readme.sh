#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What README.md and docs/clients.md print, run as it is: taken out of them
# (blocks.sh), with containerd and dockerd where everybody has them.  What differs
# is the cell's own: /etc, /run, /var, /srv, and images instead of a registry.
# shellcheck source=tests/matrix/hosts.sh
. "$(dirname "$0")/hosts.sh"
POD=

# run_block FILE BEGINNING [N]: its output into $T/out
run_block() {
	block "$@" >"$T/block" || { why "no block"; return 1; }
	timeout -k 2 60 bash "$T/block" >"$T/out" 2>&1
}

# Did it run in gVisor?
ran() {
	is status "$1" 0
	has output "$(cat "$T/out")" "Starting gVisor"
}

k() {
	timeout -k 2 60 crictl -r "unix://$SOCK" -i "unix://$SOCK" "$@" \
	    2>"$T/err"
}

# Overrides lib.sh's: for after a case that failed.
c() {
	case "$1 ${2:-}" in
	"task ls") k rmp -fa >/dev/null ;;
	*) timeout -k 2 60 ctr -a "$SOCK" "$@" ;;
	esac
}

case_ctr() {
	run_block README.md '**ctr**'
	ran $?
	run_block docs/clients.md '**ctr**'
	ran $?
	nothing_left
}

# A page that is wrong is noticed: the same with another name of the shim.
case_ctr_wrong() {
	mkdir -p "$T/wrong"
	sed 's/io\.containerd\.runsc\.v1/io.containerd.rusnc.v1/' \
	    "$top_dir/README.md" >"$T/wrong/README.md"
	top_dir=$T/wrong run_block README.md '**ctr**' &&
	    why "it ran: $(cat "$T/out")"
	grep -q rusnc "$T/out" || why "another error: $(cat "$T/out")"
	! block README.md '**Something else' 2>/dev/null || why "a block of nothing"
	nothing_left
}

# pod FILE BEGINNING N: a pod with that RuntimeClass's handler, POD
pod() {
	local handler

	handler=$(block "$@" | sed -n 's/^handler: //p')
	cat >"$T/pod.json" <<-E
	{"metadata": {"name": "hello", "namespace": "d", "uid": "u"},
	 "log_directory": "$T/logs", "linux": {"cgroup_parent": "/$CGROUP"}}
	E
	POD=$(k runp --runtime "$handler" "$T/pod.json") ||
	    why "RunPodSandbox, $handler: $(tail -n 1 "$T/err")"
}

# container NAME IMAGE COMMAND, as JSON: CTR
container() {
	echo "{\"metadata\": {\"name\": \"$1\"}, \"image\": {\"image\": \"$2\"}," \
	    "\"command\": $3, \"log_path\": \"$1.log\", \"linux\": {}}" \
	    >"$T/ctr.json"
	CTR=$(k create "$POD" "$T/ctr.json" "$T/pod.json") &&
	    k start "$CTR" >/dev/null || why "$1: $(tail -n 1 "$T/err")"
}

is_exited() {
	k inspect -o json "$CTR" | grep -q CONTAINER_EXITED
}

pod_gone() {
	k rmp -f "$POD" >/dev/null || why "rmp: $(tail -n 1 "$T/err")"
	nothing_left
}

# README's class and the page's, and the page's pod.
kubernetes() {
	local pod

	pod=$(block docs/clients.md 'Pods ask for it') || why "no pod"
	is "the pod's class" "$(sed -n 's/^ *runtimeClassName: //p' <<<"$pod")" \
	    "$(block "$@" | sed -n 's/^  name: //p' | head -n 1)"
	pod "$@"
	container hello "$(sed -n 's/^ *image: //p' <<<"$pod")" \
	    "$(sed -n 's/^ *command: //p' <<<"$pod")"
	until_true 20 is_exited || why "it does not end"
	has log "$(cat "$T/logs/hello.log")" "Starting gVisor"
}

case_kubernetes() {
	kubernetes README.md '**Kubernetes**' 2
	container stays busybox '["sleep", "1000"]'
	block README.md 'Without containerd' | sed -n "2s/ID/$CTR/p" >"$T/block"
	printf 'dmesg\nexit 7\n' | SHELL=$BASH timeout -k 2 60 script -qec \
	    "bash $T/block" /dev/null >"$T/out" 2>&1
	is "status of shimctl exec" $? 7
	has "its output" "$(cat "$T/out")" "Starting gVisor"
	pod_gone
}

# The page's own: with a file of settings, and pods without a pause image.
case_kubernetes_of_the_page() {
	containerd_stop TERM
	{
		block docs/clients.md '**With containerd 2**' &&
		    block docs/clients.md '**Pods without a pause image**'
	} >/etc/containerd/config.toml || why "no block"
	default_containerd || why "containerd"
	kubernetes docs/clients.md 'Pods ask for it'
	pod_gone
	POD=$(k runp --runtime runsc-sandbox "$T/pod.json") ||
	    why "runsc-sandbox: $(tail -n 1 "$T/err")"
	container hello busybox '["dmesg"]'
	until_true 20 is_exited || why "it does not end"
	pod_gone
}

case_shimctl() {
	mkdir -p /srv/bundle
	cp -r "$ROOTFS" /srv/bundle/rootfs
	echo '{"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "process": {
	    "cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"],
	    "args": ["sh", "-c", "dmesg; exit 9"]}, "linux": {"cgroupsPath":
	    "/'"$CGROUP"'/hello", "namespaces": [{"type": "pid"},
	    {"type": "mount"}, {"type": "network"}]}}' >/srv/bundle/config.json
	block README.md 'Without containerd' | sed -n 1p >"$T/block"
	timeout -k 2 60 bash "$T/block" >"$T/out" 2>&1
	is status $? 9
	has output "$(cat "$T/out")" "Starting gVisor"
	nothing_left
}

case_docker() {
	run_block README.md '**Docker 23'
	ran $?
	# By the name in the page's daemon.json.
	timeout -k 2 60 docker run --rm --runtime runsc busybox dmesg \
	    >"$T/out" 2>&1
	ran $?
	nothing_left
}

# containerd as it comes, with /etc/containerd/config.toml.
default_containerd() {
	setsid containerd >>"$T/ctd/log" 2>&1 </dev/null &
	CTD_PID=$!
	until_true 15 c version || { tail -n 2 "$T/ctd/log"; return 1; }
}

readme_up() {
	mount -t tmpfs tmpfs /opt && mount -t tmpfs tmpfs /srv &&
	    mkdir -p /opt/cni /etc/cni /etc/docker /etc/containerd \
	    "$T/logs" && ln -s "$CNI" /opt/cni/bin && cni_config || return
	rm -rf /etc/cni/net.d && ln -s "$T/cni" /etc/cni/net.d
	cp "$T/runsc.toml" /etc/containerd/runsc.toml
	block README.md '**Kubernetes**' >/etc/containerd/config.toml &&
	    block docs/clients.md '**Docker 23' >/etc/docker/daemon.json &&
	    default_containerd && import_images default &&
	    import_images k8s.io || return
	setsid dockerd --bridge none --iptables=false --ip6tables=false \
	    --userland-proxy=false \
	    >>"$T/dockerd.log" 2>&1 </dev/null &
	DOCKERD_PID=$!
	until_true 30 docker version || { tail -n 2 "$T/dockerd.log"; return 1; }
	docker load -q -i "$TOP/images.tar" >/dev/null
}

hosts_begin default
SOCK=/run/containerd/containerd.sock
BUNDLES=/run/containerd/io.containerd.runtime.v2.task/k8s.io
allow_oom_score
readme_up || exit 1
run_cases
rc=$?
# What ctr and dockerd put containers into, if nobody else has any there.
rmdir /sys/fs/cgroup/{,*/}{default,docker} 2>/dev/null
exit $rc
