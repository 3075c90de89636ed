#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A kubelet without an API server runs static pods with this shim as the CRI's
# default: init containers, probes by exec, restarts, preStop and grace, limits
# and OOM, logs, statistics, containerd going and coming, the pod's removal.
# shellcheck source=tests/matrix/hosts.sh
. "$(dirname "$0")/hosts.sh"
KUBELET_PID=

k() {
	timeout -k 2 30 crictl -r "unix://$SOCK" -i "unix://$SOCK" "$@" \
	    2>"$T/err"
}

kubelet_up() {
	mkdir -p "$T/static" "$T/kl" /var/lib/kubelet
	cat >"$T/kubelet.yaml" <<-E
	apiVersion: kubelet.config.k8s.io/v1beta1
	kind: KubeletConfiguration
	authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
	authorization: {mode: AlwaysAllow}
	address: 127.0.0.1
	port: 10250
	readOnlyPort: 10255
	staticPodPath: $T/static
	cgroupDriver: cgroupfs
	cgroupsPerQOS: false
	enforceNodeAllocatable: []
	failSwapOn: false
	failCgroupV1: false
	containerRuntimeEndpoint: unix://$SOCK
	imageServiceEndpoint: unix://$SOCK
	fileCheckFrequency: 1s
	syncFrequency: 2s
	evictionHard: {memory.available: "1Mi", nodefs.available: "0%",
	  imagefs.available: "0%", nodefs.inodesFree: "0%"}
	featureGates: {KubeletInUserNamespace: true}
	E
	kubelet --config "$T/kubelet.yaml" --root-dir "$T/kl" \
	    --cert-dir "$T/kl/pki" --hostname-override node1 --v=2 \
	    >"$T/kubelet.log" 2>&1 &
	KUBELET_PID=$!
	pods 60 "" >"$T/pods" || { tail -n 3 "$T/kubelet.log"; return 1; }
}

get() {
	/usr/bin/python3 - "http://127.0.0.1:10255$1" <<-'E'
	import sys, urllib.request
	print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())
	E
}

# pods [SECONDS PATTERN]: a line for each container: POD CONTAINER STATE READY
# RESTARTS STATUS REASON; with PATTERN once one matches ("": any answer), or
# false.  One process
# that asks: many would take more of the CPU than the pods.
pods() {
	/usr/bin/python3 - "$@" <<-'E'
	import json, re, sys, time, urllib.request

	def lines():
	    try:
	        text = urllib.request.urlopen("http://127.0.0.1:10255/pods",
	                                      timeout=20).read()
	    except OSError:
	        return None
	    out = []
	    for p in json.loads(text).get("items") or []:
	        s = p["status"]
	        for c in (s.get("initContainerStatuses", []) +
	                  s.get("containerStatuses", [])):
	            last = (c["state"].get("terminated") or
	                    (c.get("lastState") or {}).get("terminated") or {})
	            out.append(" ".join(str(x) for x in (
	                p["metadata"]["name"].replace("-node1", ""), c["name"],
	                list(c["state"])[0], c.get("ready"),
	                c.get("restartCount"), last.get("exitCode"),
	                last.get("reason"))))
	    return out

	end = time.monotonic() + float(sys.argv[1] if sys.argv[1:] else 0)
	while True:
	    got = lines()
	    found = got is not None and (sys.argv[2:] in ([], [""]) or any(
	        re.match(sys.argv[2], line) for line in got))
	    if found or time.monotonic() >= end:
	        break
	    time.sleep(0.1)
	print("\n".join(got or []))
	sys.exit(not found)
	E
}

# reaches SECONDS POD CONTAINER PATTERN: does the rest of its line match?
reaches() {
	pods "$1" "$2 $3 $4" >"$T/pods" ||
	    why "$2/$3 is not $4 but $(grep "^$2 $3 " "$T/pods")"
}

# manifest NAME: a static pod of what is on standard input
manifest() {
	{
		cat <<-E
		apiVersion: v1
		kind: Pod
		metadata: {name: $1, namespace: default}
		spec:
		  terminationGracePeriodSeconds: 5
		E
		sed -e 's/^/  /' -e 's|IMAGE|image: localhost/busybox:1, imagePullPolicy: Never|'
	} >"$T/static/.$1.yaml"
	mv "$T/static/.$1.yaml" "$T/static/$1.yaml"
}

no_shims() {
	[ -z "$(our_pids)" ]
}

# The kubelet stops what it has no manifest of, and removes that a minute later.
gone() {
	rm -f "$T"/static/*.yaml
	until_true 120 no_shims || why "pods run on: $(k pods | tail -n 2)"
	k rmp -a >/dev/null || why "rmp: $(tail -n 1 "$T/err")"
	nothing_left
}

log_of() {
	cat "/var/log/pods/default_$1-node1_"*/"$2"/*.log 2>/dev/null
}

has_log() {
	log_of "$1" "$2" | grep -q "$3"
}

# Overrides lib.sh's: for after a case that failed.
c() {
	case "$1 ${2:-}" in
	"task ls") rm -f "$T"/static/*.yaml; k rmp -fa >/dev/null ;;
	*) timeout -k 2 60 ctr -a "$SOCK" -n k8s.io "$@" ;;
	esac
}

case_life() {
	manifest life <<-'E'
	containers:
	- {name: a, IMAGE, command: [sh, -c, "trap 'cat /tmp/before; echo term;
	    exit 0' TERM; touch /tmp/ok; echo started; while :; do sleep 0.1; done"],
	   livenessProbe: {exec: {command: [cat, /tmp/ok]}, periodSeconds: 1,
	     timeoutSeconds: 10},
	   readinessProbe: {exec: {command: [sh, -c, "exit 0"]},
	     periodSeconds: 1, timeoutSeconds: 10},
	   lifecycle: {preStop: {exec: {command: [sh, -c,
	     "echo before >/tmp/before"]}}},
	   resources: {limits: {memory: 256Mi, cpu: 500m}}}
	- {name: b, IMAGE, command: [sh, -c, "echo b; exit 3"]}
	initContainers:
	- {name: i, IMAGE, command: [sh, -c, "echo init"]}
	E
	reaches 180 life a "running True 0"
	reaches 180 life i "terminated True 0 0 Completed"
	reaches 180 life b "[a-z]* False [1-9][0-9]* 3 Error"
	has_log life i init || why "no log of the init container"
	has_log life a started || why "no log of the container"
	has "the summary" "$(get /stats/summary)" '"name": "a"'
	reaches 0 life a "running True 0"
	# Another name of it, for the kubelet removes it with the pod.
	ln "$(find /var/log/pods/ -path '*_life-*/a/*.log')" /var/log/a.log ||
	    why "no log"
	gone
	has "the log at the end" "$(cat /var/log/a.log)" before
	has "the log at the end" "$(cat /var/log/a.log)" term
}

# A liveness probe that fails: the container is killed and begins again.
case_probe_fails() {
	manifest probe <<-'E'
	containers:
	- {name: a, IMAGE, command: [sh, -c, "touch /tmp/ok; sleep 2;
	    rm /tmp/ok; sleep 1000"], livenessProbe: {exec: {command: [cat,
	    /tmp/ok]}, periodSeconds: 1, timeoutSeconds: 10,
	    failureThreshold: 1}}
	E
	reaches 180 probe a "running [A-Za-z]* [1-9]"
	gone
}

# The pod runs out of its memory: told so, and begun again.
case_oom() {
	manifest oom <<-'E'
	containers:
	- {name: a, IMAGE, command: [sh, -c, "tail /dev/zero"],
	   resources: {limits: {memory: 64Mi}}}
	E
	reaches 180 oom a "[a-z]* False [0-9]* 137 OOMKilled"
	gone
}

# What runs runs on while containerd is away, and is removed afterwards.
case_containerd_restarts() {
	local was

	manifest away <<-'E'
	containers:
	- {name: a, IMAGE, command: [sleep, "1000"], readinessProbe: {exec: {
	    command: ["true"]}, periodSeconds: 1, timeoutSeconds: 10}}
	E
	reaches 180 away a "running True 0"
	was=$(our_pids shim)
	containerd_stop KILL
	containerd_start || why "containerd does not start again"
	reaches 180 away a "running True 0"
	is "the shims" "$(our_pids shim)" "$was"
	gone
}

# The pod's shim executes its successor; the kubelet sees nothing of it.
case_upgrade() {
	local was n

	manifest up <<-'E'
	containers:
	- {name: a, IMAGE, command: [sh, -c, "n=0; while :; do n=$((n + 1));
	    echo $n; sleep 0.05; done"],
	   livenessProbe: {exec: {command: ["true"]}, periodSeconds: 1,
	     timeoutSeconds: 10},
	   readinessProbe: {exec: {command: ["true"]}, periodSeconds: 1,
	     timeoutSeconds: 10}}
	- {name: b, IMAGE, command: [sleep, "1000"]}
	E
	reaches 180 up a "running True 0"
	reaches 180 up b "running True 0"
	was=$(lives)
	for n in $(seq 20); do
		timeout 60 shimctl -n k8s.io --containerd "$SOCK" upgrade \
		    "$(k pods -q)" >"$T/upgrade" 2>&1 ||
		    why "upgrade $n: $(cat "$T/upgrade")"
		sleep 0.2
	done
	# A probe that an upgrade has failed would be told by now.
	sleep 3
	reaches 0 up a "running True 0"
	reaches 0 up b "running True 0"
	is "the containers' lives" "$(lives)" "$was"
	log_of up a | sed 's/.* //' >"$T/log"
	is "the log" "$(cat "$T/log")" "$(seq "$(wc -l <"$T/log")")"
	gone
}

# Ids and times of start of all that runs.
lives() {
	get /pods | /usr/bin/python3 -c 'import json, sys
for p in json.load(sys.stdin)["items"]:
    for c in p["status"]["containerStatuses"]:
        print(c["name"], c["containerID"], c["restartCount"], c["state"])'
}

hosts_begin k8s.io
DEFAULT_RUNTIME=runsc
host_up && import_images k8s.io && kubelet_up || exit 1
run_cases
kill "$KUBELET_PID"
wait "$KUBELET_PID" 2>/dev/null
