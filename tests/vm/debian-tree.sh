# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For debian.sh and cut.sh: a Debian 12 with systemd, containerd and runsc, in
# $CACHE/debian, made once (two minutes); an ext4 image of it beside it; and a
# small initramfs that mounts the disk, since Debian's own takes ten times as
# long here.  What a run brings comes as a tar file on a second disk.

DEBIAN_PACKAGES=systemd,systemd-sysv,dbus,udev,kmod,containerd,runsc
DEBIAN_PACKAGES=$DEBIAN_PACKAGES,busybox-static,linux-image-amd64
DEBIAN_PACKAGES=$DEBIAN_PACKAGES,python3-minimal,python3-grpcio
# For each of these another tree.
DEBIAN=$CACHE/debian-$(echo "$DEBIAN_PACKAGES" 1 | sha256sum | cut -c 1-8)

# Why there is none, or nothing.
no_debian() {
	local c

	for c in debootstrap mkfs.ext4; do
		command -v "$c" >/dev/null ||
		    echo "$c is not installed (make deps-ci)"
	done
	[ "$(id -u)" = 0 ] || echo "it takes root"
}

# The unit that runs what the second disk brings, once containerd runs.
debian_unit() {
	cat <<-'END'
	[Unit]
	After=containerd.service multi-user.target
	[Service]
	Type=oneshot
	ExecStart=/bin/sh /vm/main.sh
	StandardOutput=tty
	StandardError=tty
	TTYPath=/dev/ttyS0
	TimeoutStartSec=infinity
	[Install]
	WantedBy=multi-user.target
	END
}

debian_tree() {
	local new=$DEBIAN.new/root base

	[ ! -e "$DEBIAN/image" ] || return 0
	rm -rf "$DEBIAN.new"
	mkdir -p "$new"
	base=$(apt-get indextargets --format '$(SITE)' \
	    'Created-By: Packages' | grep '/debian$' | head -n 1)
	[ -n "$base" ] || { echo "apt has no Debian archive"; return 1; }
	debootstrap --variant=minbase --include="$DEBIAN_PACKAGES" bookworm \
	    "$new" "$base" || return 1
	rm -rf "$new"/var/cache/apt "$new"/var/lib/apt/lists \
	    "$new"/usr/share/{doc,man,locale}/*
	mv "$new/boot" "$new/lib/modules" "$DEBIAN.new/" || return 1
	mkdir -p "$new/boot" "$new/lib/modules"
	echo '/dev/vda / ext4 defaults 0 1' >"$new/etc/fstab"
	ln -sf /dev/null "$new/etc/systemd/system/serial-getty@ttyS0.service"
	debian_unit >"$new/etc/systemd/system/vm.service"
	ln -sf ../vm.service \
	    "$new/etc/systemd/system/multi-user.target.wants/vm.service"
	# What no test needs and each would wait for.
	for a in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
	    e2scrub_all.timer fstrim.timer systemd-udev-settle.service; do
		ln -sf /dev/null "$new/etc/systemd/system/$a"
	done
	rm -f "$new/etc/machine-id"
	echo 00000000000000000000000000000001 >"$new/etc/machine-id"
	mkfs.ext4 -q -d "$new" "$DEBIAN.new/image" 2500M || return 1
	rm -rf "$new" "$DEBIAN"
	mv "$DEBIAN.new" "$DEBIAN"
}

# The modules of a disk, and of systemd and containerd, in order, with what each
# needs.
disk_modules() {
	local m

	for m in virtio_pci virtio_blk ext4 overlay autofs4; do
		modprobe -S "$1" -d "$2" --show-depends "$m"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# debian_initrd FILE: mounts /dev/vda, unpacks /dev/vdb below /vm, and goes on
# with what init= names
debian_initrd() {
	local r=$T/initrd.d v m n=10

	v=$(basename "$DEBIAN"/boot/vmlinuz-* | sed 's/vmlinuz-//')
	rm -rf "$r"
	mkdir -p "$r"/{bin,proc,dev,sys,root,m,d/lib}
	ln -s "$DEBIAN/modules" "$r/d/lib/modules"
	for m in $(disk_modules "$v" "$r/d"); do
		case $m in
		*.xz) xz -dc "$m" >"$r/m/$n.ko" ;;
		*) cp "$m" "$r/m/$n.ko" ;;
		esac
		n=$((n + 1))
	done
	rm -r "$r/d"
	cp "$BUSYBOX" "$r/bin/busybox"
	cat >"$r/init" <<-'END'
	#!/bin/busybox sh
	export PATH=/bin
	busybox mount -t proc proc /proc
	busybox --install -s /bin
	mount -t devtmpfs dev /dev
	for m in /m/*.ko; do insmod "$m"; done
	until [ -b /dev/vda ] && [ -b /dev/vdb ]; do sleep 0.1; done
	mount -t ext4 -o rw /dev/vda /root || poweroff -f
	mkdir -p /root/vm
	tar -xf /dev/vdb -C /root/vm
	next=$(sed -n 's/.*next=\([^ ]*\).*/\1/p' /proc/cmdline)
	umount /proc
	exec switch_root /root ${next:-/lib/systemd/systemd}
	END
	chmod 755 "$r/init"
	pack "$r" "$1"
}

# Nothing but slowness makes a unit of this host fail, and it has the devices
# that it needs.
SYSTEMD="systemd.show_status=0 systemd.default_timeout_start_sec=900"
for unit in udevd.service udevd-kernel.socket udevd-control.socket \
    udev-trigger.service; do
	SYSTEMD="$SYSTEMD systemd.mask=systemd-$unit"
done

# boot_debian NAME DISK PAYLOAD APPEND ARGUMENTS...: PAYLOAD is a directory
boot_debian() {
	tar -cf "$T/payload" -C "$3" . && debian_initrd "$T/initrd" &&
	    boot "$1" -kernel "$DEBIAN"/boot/vmlinuz-* -initrd "$T/initrd" \
	    -drive "file=$2,if=virtio,format=raw,cache=unsafe" \
	    -drive "file=$T/payload,if=virtio,format=raw,readonly=on" \
	    -append "$KERNEL_WORDS $SYSTEMD $4" "${@:5}"
}

# rootfs DIR: a container's, of busybox
rootfs() {
	local a

	mkdir -p "$1"/{bin,proc,sys,dev,tmp,etc}
	cp "$BUSYBOX" "$1/bin/busybox"
	for a in sh echo dd sleep cat true; do
		ln -s busybox "$1/bin/$a"
	done
}
