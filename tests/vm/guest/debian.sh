#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# A Debian host: the package, containerd's own unit, both cgroup drivers, pods,
# restarts and upgrades.  Limits of what the host gives its shims come from the
# unit that Debian has.
# shellcheck source=tests/vm/guest/lib.sh
. /vm/lib.sh
# shellcheck disable=SC2034 # the watchdog's
STILL=400

SHIM=/usr/bin/containerd-shim-runsc-v1
RT=io.containerd.runsc.v1

shim_pid() {
	pidof -s containerd-shim-runsc-v1
}

# in_box ID COMMAND...: another rootfs for each, which runsc of 2023 wants
box() {
	mkdir -p "/boxes/$1"
	cp -a /vm/rootfs/. "/boxes/$1/"
	echo "/boxes/$1"
}

# ctr_run FLAGS... -- ID COMMAND...
ctr_run() {
	local flags=""

	while [ "$1" != -- ]; do
		flags="$flags $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # words
	ctr run $flags --rootfs --runtime $RT "$(box "$1")" "$@" </dev/null
}

task_pid() {
	ctr task ls | awk -v id="$1" '$1 == id { print $2 }'
}

stopped() {
	[ "$(ctr task ls | awk -v id="$1" '$1 == id { print $3 }')" = STOPPED ]
}

ctr_gone() {
	ctr task kill -s KILL "$1" || why "no kill of $1"
	until_true 30 stopped "$1" || why "$1 does not stop"
	ctr task delete "$1" 2>/dev/null
	ctr container delete "$1" || why "no delete of $1"
}

nobody() {
	! pidof containerd-shim-runsc-v1 runsc-sandbox runsc-gofer
}

# -- the package ----------------------------------------------------------

case_installed() {
	dpkg -i /vm/1.deb >/tmp/out 2>&1 || why "dpkg: $(tail -n 3 /tmp/out)"
	[ -f /etc/containerd/runsc.toml ] || why "no settings"
	"$SHIM" -v >/dev/null || why "it does not run"
	is cgroups "$(stat -fc %T /sys/fs/cgroup)" cgroup2fs
	is containerd "$(systemctl is-active containerd)" active
	is KillMode "$(systemctl show -p KillMode containerd)" \
	    KillMode=process
}
case_run() {
	is output "$(ctr_run --rm -- a /bin/sh -c 'echo in; exit 7')" in
	ctr_run --rm -- a2 /bin/sh -c 'exit 7'
	is status $? 7
}
case_detached() {
	ctr_run -d --memory-limit 104857600 -- b /bin/sleep 100000 ||
	    why "it did not start"
	is cgroup "$(cat "/proc/$(task_pid b)/cgroup")" 0::/default/b
	is memory.max "$(cat /sys/fs/cgroup/default/b/memory.max)" 104857600
	ctr task exec --exec-id e b /bin/sh -c 'exit 3'
	is "status of an exec" $? 3
}
# The soft limit is the hard one; who is killed first is containerd's choice;
# the shim stays in its unit, and the sandbox does not.
case_shim() {
	local p

	p=$(shim_pid)
	is limits "$(awk '/open files/ { print $4 == $5 }' "/proc/$p/limits")" 1
	is cgroup "$(cat "/proc/$p/cgroup")" \
	    0::/system.slice/containerd.service
	is oom_score_adj "$(cat "/proc/$p/oom_score_adj")" \
	    "$(($(cat "/proc/$(pidof -s containerd)/oom_score_adj") + 1))"
	echo "# the shim's PSS: $(awk '/^Pss:/ { print $2 }' \
	    "/proc/$p/smaps_rollup") KiB, private $(awk '/^Private/ { n += $2 }
	    END { print n }' "/proc/$p/smaps_rollup") KiB"
}
case_oom() {
	ctr_run --rm --memory-limit 83886080 -- o /bin/dd if=/dev/zero \
	    of=/tmp/x bs=1M
	is status $? 137
}
# The shim's lines are containerd's, each with whose it is.
case_journal() {
	journalctl --flush
	has "the journal" "$(journalctl -u containerd --no-pager |
	    grep 'killed for want of memory')" "/default/o"
}

# -- a pod ------------------------------------------------------------------

# pod_runs PID: it does, or it never will
pod_runs() {
	[ -s /tmp/pod ] || ! kill -0 "$1"
}

# As a kubelet makes it, in the cgroup of the pod.
case_pod() {
	local pod at before

	before=$(pidof containerd-shim-runsc-v1 | wc -w)
	ctr -n k8s.io images import /vm/pause.tar >/dev/null &&
	    ctr -n k8s.io images import /vm/busybox.tar >/dev/null ||
	    why "no image"
	rm -f /tmp/pod /tmp/end
	mkfifo /tmp/end
	python3 /vm/pod.py </tmp/end >/tmp/out 2>&1 &
	exec 9>/tmp/end
	until_true 180 pod_runs "$!"
	[ -s /tmp/pod ] || {
		exec 9>&-
		why "no pod: $(grep details /tmp/out)"
		journalctl -u containerd --no-pager | grep 'plugin.*error'
		return
	}
	has "what it says" "$(cat /tmp/out)" "exec out 3"
	pod=$(cat /tmp/pod)
	at=/kubepods/pod0d7e3f2a-8b1c-4d5e-9f60-1a2b3c4d5e6f/$pod
	is "the sandbox's cgroup" "$(cat \
	    "/proc/$(ctr -n k8s.io task ls | awk -v id="$pod" \
	    '$1 == id { print $2 }')/cgroup")" "0::$at"
	is shims "$(pidof containerd-shim-runsc-v1 | wc -w)" $((before + 1))
	echo end >&9
	exec 9>&-
	wait "$!"
	has "its end" "$(cat /tmp/out)" removed
	is cgroups "$(find /sys/fs/cgroup -type d -name "$pod")" ""
}

# -- restarts -------------------------------------------------------------

case_containerd_restarts() {
	local p

	p=$(shim_pid)
	systemctl restart containerd
	until_true 30 ctr version || why "containerd does not come back"
	is "the shim" "$(shim_pid)" "$p"
	ctr task exec --exec-id e2 b /bin/sh -c 'exit 4'
	is "status of an exec" $? 4
}
# A package of a later version: what runs goes on with what it has, what comes
# has the new one.
case_upgraded() {
	local p

	p=$(shim_pid)
	dpkg -i /vm/2.deb >/tmp/out 2>&1 || why "dpkg: $(tail -n 3 /tmp/out)"
	is "the shim" "$(shim_pid)" "$p"
	has "what it says" "$(cat /tmp/out)" "shimctl upgrade --all"
	is "what runs" "$(shimctl ps | awk '{ print $3 }')" old
	ctr task exec --exec-id e3 b /bin/sh -c 'exit 5'
	is "status of an exec" $? 5
	ctr_run --rm -- u /bin/true
	is "status with the new one" $? 0
}

# lines_more N: than the container w had said
lines_more() {
	[ "$(wc -l </tmp/w.out)" -gt "$1" ]
}

# What runs, once for all shims: version and what is said of it.
running() {
	shimctl ps | awk '{ print $2, $3 }' | sort -u
}

# What is installed, as running() has it.
installed() {
	echo "$("$SHIM" -v | sed -n 's/^ *Version: *//p') current"
}

# What runs becomes it, too, by the command that was printed, and then what an
# older package has, by that itself: a container that waits, one that says
# something, an exec that somebody waits for.
case_upgraded_in_place() {
	local before n said

	(
		ctr task exec --exec-id e5 b /bin/sh -c 'while [ ! -e /end ]
		    do sleep 0.1; done; exit 8'
		echo $? >/tmp/e5.status
	) &
	until_true 60 sh -c 'ctr task ps b | grep -q e5' || why "no exec"
	before=$(ctr task ls | sort)
	said=$(shimctl upgrade --all) || why "upgrade: $said"
	echo "# $said"
	is "shims upgraded" "$(echo "$said" | wc -l)" 1
	is "what runs" "$(running)" "$(installed)"
	is "containers" "$(ctr task ls | sort)" "$before"
	(
		ctr_run --rm -- w /bin/sh -c 'i=0
		    while [ ! -e /end ]; do i=$((i + 1)); echo $i; sleep 0.1
		    done; exit 9' >/tmp/w.out 2>/tmp/w.err
		echo $? >/tmp/w.status
	) &
	until_true 60 lines_more 1 || why "no output: $(cat /tmp/w.err)"
	before=$(ctr task ls | sort)
	sed -i 's/=no$/=yes/' /etc/default/containerd-shim-runsc-v1
	dpkg -i /vm/1.deb >/tmp/out 2>&1 || why "dpkg: $(tail -n 3 /tmp/out)"
	sed -i 's/=yes$/=no/' /etc/default/containerd-shim-runsc-v1
	is "shims upgraded" "$(grep -c ' -> ' /tmp/out)" 2
	is "what runs" "$(running)" "$(installed)"
	is "containers" "$(ctr task ls | sort)" "$before"
	n=$(wc -l </tmp/w.out)
	until_true 60 lines_more "$n" || why "no more output"
	ctr task exec --exec-id e6 w /bin/sh -c ': >/end' || why "no exec in w"
	ctr task exec --exec-id e7 b /bin/sh -c ': >/end' || why "no exec in b"
	until_true 60 test -s /tmp/w.status || why "w does not end"
	until_true 60 test -s /tmp/e5.status || why "the exec does not end"
	is "status of w" "$(cat /tmp/w.status)" 9
	is "status of the exec" "$(cat /tmp/e5.status)" 8
	awk '{ if ($1 != NR) exit 1 }' /tmp/w.out ||
	    why "output is lost or comes twice"
}
# Removed while a container runs: it is said, and lives on; containerd needs
# the package again to end it wholly.
case_removed() {
	dpkg -r containerd-shim-runsc-v1 >/tmp/out 2>&1 ||
	    why "dpkg: $(tail -n 3 /tmp/out)"
	has "what removal says" "$(cat /tmp/out)" "run on"
	ctr task exec --exec-id e4 b /bin/sh -c 'exit 6'
	is "status of an exec" $? 6
	! ctr_run --rm -- r /bin/true 2>/dev/null || why "a shim that is gone"
	ctr container delete r 2>/dev/null
	dpkg -i /vm/2.deb >/dev/null 2>&1 || why "no installing again"
	ctr_gone b
	until_true 30 nobody || why "left: $(pidof containerd-shim-runsc-v1 \
	    runsc-sandbox runsc-gofer)"
	is cgroups "$(find /sys/fs/cgroup -path '*/default/*' -type d)" ""
}

# -- systemd's cgroup driver ------------------------------------------------

case_systemd_cgroup() {
	cat >/etc/containerd/systemd.toml <<-END
	[runsc_config]
	  network = "none"
	  systemd-cgroup = "true"
	END
	ctr_run -d --memory-limit 104857600 \
	    --cgroup system.slice:ctr:sd --runtime-config-path \
	    /etc/containerd/systemd.toml -- sd /bin/sleep 100000 ||
	    why "it did not start"
	is cgroup "$(cat "/proc/$(task_pid sd)/cgroup")" \
	    0::/system.slice/ctr-sd.scope
	is MemoryMax "$(systemctl show -p MemoryMax ctr-sd.scope)" \
	    MemoryMax=104857600
	ctr task metrics sd >/tmp/out || why "no metrics"
	has metrics "$(tr -s ' ' </tmp/out)" "memory.usage_limit 104857600"
	ctr_gone sd
	until_true 30 nobody || why "something is left"
	until_true 10 test ! -e /sys/fs/cgroup/system.slice/ctr-sd.scope ||
	    why "its scope is left"
}

# What a pod gets a copy of.
echo "127.0.0.1 localhost" >/etc/hosts
: >/etc/resolv.conf
cat >/etc/containerd/config.toml <<END
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "runsc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]
  runtime_type = "io.containerd.runsc.v1"
END
systemctl restart containerd
until_true 60 ctr version
run_cases /vm/main.sh
sync
systemctl poweroff -ff
