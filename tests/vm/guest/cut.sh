#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Process 1 of a Debian whose power is cut: containers come and go, first with
# runsc's state on /run, then, once something is typed, with it on the disk.
# With cuts=N on the kernel's command line the disks of N cuts of each are
# there: of each it is seen that containerd starts, that what was there can be
# started and deleted, and that nothing else is left.
# shellcheck source=tests/vm/guest/lib.sh
. /vm/lib.sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

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
	ctr task start -d "$1" 2>/tmp/err || {
		why "$1 does not start again: $(cat /tmp/err)"
		ctr container delete "$1"
		return
	}
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

# after_a_cut NAME: on the disk of that one
after_a_cut() {
	local id

	containerd >/var/log/containerd.log 2>&1 &
	until_true 120 ctr version || why "containerd does not start"
	for id in $(ctr container ls -q); do
		echo "# $1: $id was there"
		begun "$id"
	done
	run --rm --rootfs --runtime $RT /boxes/x x /bin/sh -c 'exit 7' \
	    2>/tmp/err
	is "status of a new one" $? 7
	until_true 30 nothing_left || why "left: $(left | tr '\n' ' ')"
	if [ -z "$WHY" ]; then
		echo "ok $1"
	else
		echo "not ok $1: $WHY"
		tail -n 20 /var/log/containerd.log | sed 's/^/# /'
	fi
}

# What process 1 finds, on a kernel that has just begun.
mounts() {
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs dev /dev
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount -t tmpfs run /run
	mkdir -p /dev/pts /etc/containerd /var/log
	mount -t devpts devpts /dev/pts
}

# state_on WHERE: of runsc, which the shims are told
state_on() {
	cat >/etc/containerd/runsc.toml <<-END
	[runsc_config]
	  network = "none"
	END
	if [ "$1" = disk ]; then
		sed -i '1i root = "/var/lib/runsc"' /etc/containerd/runsc.toml
	fi
}

# on_disk NAME DEVICE: as the root of namespaces of its own, of the network too,
# whose the names of runsc's sockets are, with a part of the cgroups
on_disk() {
	local at=/mnt/$1 cgroup=/sys/fs/cgroup/$1

	mkdir -p "$at" "$cgroup/init"
	mount -t ext4 "$2" "$at" || {
		echo "not ok $1: no mount of $2"
		return
	}
	# What is in a cgroup would keep its controllers from what is below it.
	# shellcheck disable=SC2016 # the inner ones' words
	CGROUP=$cgroup AT=$at NAME=$1 sh -c '
		echo $$ >"$CGROUP/cgroup.procs"
		exec unshare -C sh -c "
			echo \$\$ >\"\$CGROUP/init/cgroup.procs\"
			exec unshare -m -n -p -f sh /vm/main.sh enter"'
	echo "$1" >"$BEAT"
}

poweroff() {
	sync
	echo o >/proc/sysrq-trigger
	sleep 100
}

# The kernel names disks after their place: the two that every machine has are
# the first.
look_at_disks() {
	local n where disks="" drive=c dog jobs=""

	echo "+cpu +cpuset +io +memory +pids" \
	    >/sys/fs/cgroup/cgroup.subtree_control
	for where in run disk; do
		n=0
		while [ "$n" -lt "$1" ]; do
			n=$((n + 1))
			disks="$disks ${where}_$n:/dev/vd$drive"
			drive=$(echo "$drive" | tr a-y b-z)
		done
	done
	: >"$BEAT"
	watchdog &
	dog=$!
	# Two at a time.
	for n in 0 1; do
		for where in $disks; do
			n=$((1 - n))
			[ "$n" = 0 ] || on_disk "${where%:*}" "${where#*:}"
		done &
		jobs="$jobs $!"
	done
	# shellcheck disable=SC2086 # words
	wait $jobs
	kill "$dog"
}

case ${1:-} in
enter)
	cd "$AT" && pivot_root . mnt && exec sh /vm/main.sh after "$NAME"
	exit 1
	;;
after)
	mounts
	umount -l /mnt
	grep -q '^root' /etc/containerd/runsc.toml && ROOT=/var/lib/runsc
	after_a_cut "$NAME"
	exit
	;;
esac
mounts
cuts=$(sed -n 's/.*cuts=\([0-9]*\).*/\1/p' /proc/cmdline)
if [ -n "$cuts" ]; then
	look_at_disks "$cuts"
	poweroff
fi
install -m 755 /vm/shim /usr/bin/containerd-shim-runsc-v1
cat >/etc/containerd/config.toml <<END
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
END
for id in x l1 l2 l3; do
	mkdir -p "/boxes/$id"
	cp -a /vm/rootfs/. "/boxes/$id/"
done
containerd >/var/log/containerd.log 2>&1 &
until_true 120 ctr version
# The disk is to be whole before the first cut.
for where in run disk; do
	state_on "$where"
	sync
	rm -f /run/go
	(read -r _ </dev/console; : >/run/go) &
	echo "looping $where"
	until [ -e /run/go ]; do
		for id in l1 l2 l3; do
			run -d --rootfs --runtime $RT "/boxes/$id" "$id" \
			    /bin/sleep 1000
			ctr task exec --exec-id e "$id" /bin/true </dev/null
			[ "$id" = l2 ] || ended "$id"
		done
		ended l2
	done
done
sleep 1000
