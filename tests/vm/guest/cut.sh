#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Process 1 of a Debian whose power has been cut: containerd starts, what was
# there can be started and deleted, and nothing else is left.  Then containers
# come and go until the power is cut again; "last" on the kernel's command line
# turns it off instead.  "disk" has runsc's state on the disk.
# shellcheck source=tests/vm/guest/lib.sh
. /vm/lib.sh

# shellcheck disable=SC2034 # the watchdog's
STILL=300
RT=io.containerd.runsc.v1
ROOT=/run/containerd/runsc
STATE=/run/containerd/io.containerd.runtime.v2.task/default

run() {
	ctr run "$@" </dev/null
}

# begun ID: a container that had been made is begun once more
begun() {
	ctr task start -d "$1" 2>/tmp/err ||
	    why "$1 does not start again: $(cat /tmp/err)"
	ctr task exec --exec-id e "$1" /bin/sh -c 'exit 3' 2>/tmp/err
	is "status of an exec in $1" $? 3
	ended "$1"
}

stopped() {
	[ "$(ctr task ls | awk -v id="$1" '$1 == id { print $3 }')" = STOPPED ]
}

ended() {
	ctr task kill -s KILL "$1"
	until_true 30 stopped "$1" || why "$1 does not stop"
	ctr task delete "$1" >/dev/null 2>&1
	ctr container delete "$1" || why "no delete of $1"
}

left() {
	ctr container ls -q
	ctr task ls -q
	find "$STATE" -mindepth 1 -maxdepth 1 2>/dev/null
	find "$ROOT" -type f 2>/dev/null
	find /sys/fs/cgroup/default -mindepth 1 -type d 2>/dev/null
	find /boxes -name '.gvisor.filestore*' 2>/dev/null
	pidof containerd-shim-runsc-v1 runsc-sandbox
}

nothing_left() {
	[ -z "$(left)" ]
}

case_after_a_cut() {
	local id

	containerd >>/var/log/containerd.log 2>&1 &
	until_true 60 ctr version || why "containerd does not start"
	for id in $(ctr container ls -q); do
		echo "# $id was there"
		begun "$id"
	done
	run --rm --rootfs --runtime $RT /boxes/x x /bin/sh -c 'exit 7' \
	    2>/tmp/err
	is "status of a new one" $? 7
	until_true 30 nothing_left || why "left: $(left | tr '\n' ' ')"
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs run /run
mkdir -p /dev/pts /etc/containerd /var/log
mount -t devpts devpts /dev/pts
install -m 755 /vm/shim /usr/bin/containerd-shim-runsc-v1
cat >/etc/containerd/config.toml <<END
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
END
cat >/etc/containerd/runsc.toml <<END
[runsc_config]
  network = "none"
END
case " $(cat /proc/cmdline) " in
*" disk "*)
	ROOT=/var/lib/runsc
	sed -i "1i root = \"$ROOT\"" /etc/containerd/runsc.toml
	;;
esac
for id in x l1 l2 l3; do
	[ -d "/boxes/$id" ] || {
		mkdir -p "/boxes/$id"
		cp -a /vm/rootfs/. "/boxes/$id/"
	}
done
sync
run_cases /vm/main.sh
case " $(cat /proc/cmdline) " in
*" last "*)
	sync
	echo o >/proc/sysrq-trigger
	sleep 100
	;;
esac
echo looping
while :; do
	for id in l1 l2 l3; do
		run -d --rootfs --runtime $RT "/boxes/$id" "$id" \
		    /bin/sleep 1000
		ctr task exec --exec-id e "$id" /bin/true
		[ "$id" = l2 ] || ended "$id"
	done
	ended l2
done
