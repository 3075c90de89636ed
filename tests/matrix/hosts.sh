# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the scripts beside it, in a cell: containerd with the CRI, and dockerd.
# The cases are run as those of tests/real; what differs is where leftovers
# are looked for: nobody else is in the cell.

matrix_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/real/lib.sh
. "$matrix_dir/../real/lib.sh"
# shellcheck source=tests/real/image.sh
. "$matrix_dir/../real/image.sh"
# shellcheck source=tests/matrix/blocks.sh
. "$matrix_dir/blocks.sh"
DOCKERD_PID=
CNI=$CACHE/bookworm/root/usr/lib/cni

hosts_begin() {
	# shellcheck disable=SC2034 # the others'; removed by matrix.sh
	CGROUP=${TOP##*/}/${CELL##*/}
	T=$TMPDIR/t
	NS=$1
	SOCK=$T/ctd/containerd.sock
	ROOTFS=$T/rootfs
	BUNDLES=$T/ctd/state/io.containerd.runtime.v2.task/$NS
	mkdir -p "$T/ctd" "$T/fifo"
	: >"$T/ids"
	: >"$T/all_ids"
	make_rootfs
	cat >"$T/runsc.toml" <<-E
	[runsc_config]
	  network = "none"
	E
	trap hosts_end EXIT
}

hosts_end() {
	local d

	trap - EXIT
	dockerd_stop TERM
	containerd_stop TERM
	for d in $(our_pids); do
		kill -9 "$d"
	done 2>/dev/null
	until_true 3 nobody
}

# is_containerd PATTERN: does its version begin so?
is_containerd() {
	containerd --version | grep -q " [v ]*$1"
}

# The CRI's part of the configuration, with its tables' names from $1, which
# changed with containerd 2, and the file's version $2; what users copy is the
# page's, after the line that begins with $3.
cri_config() {
	local bin_dir="bin_dir = \"$CNI\""

	! is_containerd '2\.[3-9]' || bin_dir="bin_dirs = [\"$CNI\"]"
	cat <<-E
	restrict_oom_score_adj = true
	[plugins."$1".cni]
	  $bin_dir
	  conf_dir = "$T/cni"
	[plugins."$1".containerd]
	  default_runtime_name = "${DEFAULT_RUNTIME:-runc}"
	[plugins."$1".containerd.runtimes.runsc-options]
	  runtime_type = "io.containerd.runsc.v1"
	[plugins."$1".containerd.runtimes.runsc-options.options]
	  SystemdCgroup = false
	  BinaryName = "$(command -v runsc)"
	  Root = "$T/runsc-root"
	  CriuPath = ""
	  NoPivotRoot = false
	  IoUid = 0
	[plugins."$1".containerd.runtimes.runsc-options.options.runsc_config]
	  network = "none"
	E
	# gVisor's own shim, where matrix.sh has put it.
	[ ! -x "$TOP/bin/go-shim/containerd-shim-runsc-v1" ] || cat <<-E
	[plugins."$1".containerd.runtimes.runsc-go]
	  runtime_type = "io.containerd.runsc.v1"
	  runtime_path = "$TOP/bin/go-shim/containerd-shim-runsc-v1"
	[plugins."$1".containerd.runtimes.runsc-go.options]
	  TypeUrl = "io.containerd.runsc.v1.options"
	  ConfigPath = "$T/runsc.toml"
	E
	block docs/clients.md "$3" | sed 1d
	[ "$2" = 2 ] ||
	    block docs/clients.md '**Pods without a pause image**'
}

# A network of pods, with something like an uplink.
cni_config() {
	ip link add up0 type ifb && ip addr add 192.0.2.10/24 dev up0 &&
	    ip link set up0 up && ip route add default via 192.0.2.1
	echo 1 >/proc/sys/net/ipv4/ip_forward
	mkdir -p "$T/cni"
	cat >"$T/cni/10-pod.conflist" <<-E
	{"cniVersion": "0.4.0", "name": "pod", "plugins": [
	 {"type": "bridge", "bridge": "pod0", "isGateway": true,
	  "hairpinMode": true,
	  "ipam": {"type": "host-local", "ranges": [[{"subnet":
	   "10.88.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}],
	   "dataDir": "$T/ipam"}},
	 {"type": "portmap", "capabilities": {"portMappings": true}}]}
	E
}

# What matrix.sh has made, into containerd's namespace $1.
import_images() {
	ctr -a "$SOCK" -n "$1" image import --snapshotter overlayfs \
	    "$TOP/images.tar" >"$T/import" 2>&1 ||
	    { tail -n 2 "$T/import"; return 1; }
}

# The cell's containerd, configured as docs/clients.md says.
host_up() {
	local cri=io.containerd.grpc.v1.cri version=2
	local page='**Kubernetes with containerd 1.6'

	if is_containerd '2\.'; then
		cri=io.containerd.cri.v1.runtime
		version=3
		page='**With containerd 2**'
	fi
	# The cell's own /etc.
	mkdir -p "$T/cni" /etc/containerd
	cp "$T/runsc.toml" /etc/containerd/
	cni_config
	{
		block docs/clients.md "$page" | sed 1q
		cat <<-E
		root = "$T/ctd/root"
		state = "$T/ctd/state"
		disabled_plugins = ["io.containerd.snapshotter.v1.btrfs",
		  "io.containerd.snapshotter.v1.zfs",
		  "io.containerd.snapshotter.v1.aufs",
		  "io.containerd.snapshotter.v1.devmapper",
		  "io.containerd.snapshotter.v1.blockfile",
		  "io.containerd.snapshotter.v1.erofs",
		  "io.containerd.nri.v1.nri",
		  "io.containerd.internal.v1.opt"]
		[grpc]
		  address = "$SOCK"
		[debug]
		  level = "${CTD_LEVEL:-info}"
		E
		if [ "$version" = 3 ]; then
			cat <<-E
			[plugins."io.containerd.cri.v1.images".pinned_images]
			  sandbox = "localhost/pause:1"
			E
		fi
		echo "[plugins.\"$cri\"]"
		[ "$version" = 3 ] ||
		    echo 'sandbox_image = "localhost/pause:1"'
		cri_config "$cri" "$version" "$page"
	} >"$T/ctd/config.toml"
	containerd_start
}

# CRI-O, and containerd by default, give each pod an oom_score_adj that needs
# CAP_SYS_RESOURCE; CRI-O has no setting for that.
allow_oom_score() {
	local real

	(echo -998 >"/proc/$BASHPID/oom_score_adj") 2>/dev/null && return
	real=$(command -v runsc)
	mkdir -p "$T/bin"
	cat >"$T/bin/runsc" <<-E
	#!/bin/bash
	bundle= last=
	for arg; do
		[ "\$last" != --bundle ] || bundle=\$arg
		case \$arg in --bundle=*) bundle=\${arg#*=} ;; esac
		last=\$arg
	done
	[ -z "\$bundle" ] || sed -i 's/"oomScoreAdj": *-[0-9]*/"oomScoreAdj":0/' \
	    "\$bundle/config.json"
	exec "$real" "\$@"
	E
	chmod +x "$T/bin/runsc"
	PATH=$T/bin:$PATH
}

dockerd_start() {
	setsid dockerd --config-file "$T/daemon.json" --containerd "$SOCK" \
	    >>"$T/dockerd.log" 2>&1 </dev/null &
	DOCKERD_PID=$!
	until_true 20 docker version && return
	echo "dockerd does not answer: $(tail -n 1 "$T/dockerd.log")"
	return 1
}

dockerd_stop() {
	[ -n "$DOCKERD_PID" ] || return 0
	kill "-$1" "$DOCKERD_PID" 2>/dev/null
	wait "$DOCKERD_PID" 2>/dev/null
	DOCKERD_PID=
}

# our_pids [shim]: shims (or these alone), sandboxes, gofers: by name, for all
# of them here are ours.
# shellcheck disable=SC2120 # docker.sh does
our_pids() {
	local pid name

	for pid in /proc/[0-9]*; do
		name=
		{ IFS= read -r -d '' name <"$pid/cmdline"; } 2>/dev/null
		case $name in
		containerd-shim* | */containerd-shim*) echo "${pid#/proc/}" ;;
		runsc* | */runsc) [ $# != 0 ] || echo "${pid#/proc/}" ;;
		esac
	done
}

leftovers() {
	local pid

	for pid in $(our_pids); do
		echo "process $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" |
		    cut -c 1-120)"
	done
	awk '/io.containerd.runtime.v2.task/ { print "mount", $5 }' \
	    /proc/self/mountinfo
	find /run/containerd/s -type s -printf 'socket %f\n' 2>/dev/null
	find "$BUNDLES" -mindepth 1 -maxdepth 1 -printf 'bundle %f\n' \
	    2>/dev/null
	# An empty network namespace that runsc keeps is no state (2026).
	find /run/containerd/runsc "$T"/docker/exec/runtime-* -type f \
	    ! -name null-netns \
	    -printf 'state %f\n' 2>/dev/null
}

nothing_left_line() {
	if until_true 8 none_left; then
		echo "ok nothing_left"
	else
		echo "not ok nothing_left: $(leftovers | tr '\n' ';')"
	fi
}

wipe() {
	local pid

	for pid in $(our_pids); do
		kill -9 "$pid" 2>/dev/null
	done
}
