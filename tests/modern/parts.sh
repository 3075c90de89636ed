#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# parts.sh NAME...: what people install this year, built from Go modules into a
# cache outside the checkout: the programs into $PARTS/bin, gVisor's own shim
# into $PARTS/go-shim (lenient/ below it: see build_goshim).  A part that is there in the version that the file
# `versions` names costs nothing and asks no network; one that was cut short is
# taken up again.  A part that cannot be had is named, with the reason, in
# $PARTS/missing/NAME, and on standard output; then the status is 0 all the
# same, since the tests that need it say that they have not run.
#
# Seconds on two idle cores: gvisor 160, goshim 80, containerd 136, critools 101, runc 12,
# dockerd 154, docker 47, crio some minutes, kubelet 225.
set -u
here=$(cd "$(dirname "$0")" && pwd)
PARTS=${PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/shim-parts}
bin=$PARTS/bin
src=$PARTS/src
go_min=26		# of Go 1.N

# Module, version and what it calls itself.
pin() {
	awk -v n="$1" -v f="$2" '$1 == n { print $f }' "$here/versions"
}

has_go() {
	local v
	v=$(go env GOVERSION 2>/dev/null) && v=${v#go1.} && v=${v%%.*} &&
	    [ "${v%%[!0-9]*}" -ge "$go_min" ] 2>/dev/null
}

# A writable copy of the module's tree, for programs that its own go.mod builds.
copy_tree() {
	local d
	d=$(cd / && GOFLAGS='' go mod download -json "$(pin "$1" 2)@$(pin "$1" 3)" |
	    sed -n 's/^\t*"Dir": "\(.*\)",*$/\1/p')
	[ -n "$d" ] || return
	rm -rf "${src:?}/$1"
	cp -r --no-preserve=mode "$d" "$src/$1"
}

# go_build OUTPUT PACKAGE [FLAG...], with NAME.new first: a cut build is none.
go_build() {
	local out=$1 package=$2
	shift 2
	go build "$@" -o "$out.new" "$package" && mv "$out.new" "$out"
}

# A module of our own that needs theirs, for programs with replacements or
# without a go.mod that builds alone.
own_module() {
	mkdir -p "$src/$1" && cd "$src/$1" || return
	printf 'module parts\ngo 1.26.0\nrequire %s %s\n' "$(pin "$1" 2)" \
	    "$(pin "$1" 3)" >go.mod
	{
		printf '//go:build tools\npackage parts\n'
		shift
		printf 'import _ "%s"\n' "$@"
	} >parts.go
}

build_gvisor() {
	local m
	m=$(pin gvisor 2)
	own_module gvisor "$m/runsc" "$m/shim" && go mod tidy || return
	export CGO_ENABLED=0
	go_build "$bin/runsc" "$m/runsc" \
	    -ldflags "-X $m/runsc/version.version=$(pin gvisor 4)" &&
	    go_build "$PARTS/go-shim/containerd-shim-runsc-v1" "$m/shim"
}

# gVisor's own shim once more, to compare with where a process may not lower its
# oom_score_adj (no CAP_SYS_RESOURCE): the other refuses to start there.
build_goshim() {
	local f=pkg/shim/v1/manager.go
	copy_tree goshim && cd "$src/goshim" && cp $f $f.was || return
	sed -i 's/^\t\treturn .*failed to set OOM Score on shim.*/\t\tlog.L.Debugf("%v", err)/' $f
	! cmp -s $f $f.was || return
	mkdir -p "$PARTS/go-shim/lenient"
	export CGO_ENABLED=0
	go_build "$PARTS/go-shim/lenient/containerd-shim-runsc-v1" ./shim
}

build_containerd() {
	local c m
	m=$(pin containerd 2)
	copy_tree containerd && cd "$src/containerd" || return
	for c in containerd ctr containerd-shim-runc-v2; do
		go_build "$bin/$c" "./cmd/$c" \
		    -tags "no_btrfs no_zfs no_aufs no_devmapper" \
		    -ldflags "-s -w -X $m/version.Version=$(pin containerd 4)" ||
		    return
	done
}

build_critools() {
	copy_tree critools && cd "$src/critools" || return
	export CGO_ENABLED=0
	go_build "$bin/crictl" ./cmd/crictl -ldflags "-s -w" &&
	    go test -c -ldflags "-s -w" -o "$bin/critest.new" ./cmd/critest &&
	    mv "$bin/critest.new" "$bin/critest"
}

build_runc() {	# Debian: libseccomp-dev pkg-config
	copy_tree runc && cd "$src/runc" && go_build "$bin/runc" . \
	    -tags seccomp -ldflags "-s -w -X main.version=$(pin runc 4)"
}

build_dockerd() {
	copy_tree dockerd && cd "$src/dockerd" || return
	export CGO_ENABLED=0
	go_build "$bin/dockerd" ./cmd/dockerd -tags exclude_graphdriver_btrfs \
	    -ldflags "-s -w -X $(pin dockerd 2)/dockerversion.Version=$(pin dockerd 4)"
}

build_docker() {	# its swarmkit is not to be had in the version it names
	copy_tree docker && cd "$src/docker" || return
	[ -e go.mod ] || {
		cp vendor.mod go.mod && cp vendor.sum go.sum
		go mod edit -replace \
		    github.com/moby/swarmkit/v2=github.com/moby/swarmkit/v2@v2.0.0
	} || return
	export CGO_ENABLED=0
	go_build "$bin/docker" ./cmd/docker \
	    -ldflags "-s -w -X github.com/docker/cli/cli/version.Version=$(pin docker 4)"
}

build_crio() {	# Debian: libseccomp-dev libgpgme-dev pkg-config conmon
	copy_tree crio && cd "$src/crio" && go_build "$bin/crio" ./cmd/crio \
	    -tags "containers_image_openpgp exclude_graphdriver_btrfs containers_image_ostree_stub seccomp" \
	    -ldflags "-s -w" && make -s -C pinns && cp bin/pinns "$bin"
}

build_kubelet() {	# its staging modules have versions of their own
	local v m
	v=$(pin kubelet 3)
	own_module kubelet k8s.io/kubernetes/cmd/kubelet || return
	m=$(GOFLAGS='' go mod download -json "k8s.io/kubernetes@$v" |
	    sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
	sed -n 's#^\t\(k8s.io/[a-z-]*\) => ./staging/.*#replace \1 => \1 v0'"${v#v1}#p" \
	    "$m" >>go.mod && go mod tidy -e || return
	export CGO_ENABLED=0
	go_build "$bin/kubelet" k8s.io/kubernetes/cmd/kubelet -ldflags "-s -w"
}

want() {
	local name=$1 stamp=$PARTS/have/$1
	[ "$(cat "$stamp" 2>/dev/null)" = "$(pin "$name" 3)" ] && return
	[ -n "$(pin "$name" 3)" ] || { echo "$name: no such part"; return 1; }
	rm -f "$PARTS/missing/$name"
	if ! has_go; then
		echo "no Go 1.$go_min here" >"$PARTS/missing/$name"
	elif (export GOFLAGS="-buildvcs=false -mod=mod"; "build_$name") \
	    >"$PARTS/log/$name" 2>&1; then
		pin "$name" 3 >"$stamp"
		echo "$name $(pin "$name" 3): built"
		return
	else
		tail -n 1 "$PARTS/log/$name" >"$PARTS/missing/$name"
	fi
	echo "$name: not to be had: $(cat "$PARTS/missing/$name")"
}

# Is there nothing more to wait for of this part?
settled() {
	[ -e "$PARTS/have/$1" ] || [ -e "$PARTS/missing/$1" ]
}

# parts.sh --wait NAME...: where somebody builds them now, until that is done.
if [ "${1:-}" = --wait ]; then
	shift
	[ -e "$PARTS/lock" ] || exit 0
	for name; do
		until settled "$name" || flock -n "$PARTS/lock" true; do
			sleep 1
		done
	done
	exit 0
fi
mkdir -p "$bin" "$src" "$PARTS/go-shim" "$PARTS/have" "$PARTS/missing" \
    "$PARTS/log" || exit 1
# One at a time builds into one cache.
exec 9>"$PARTS/lock" && flock 9 || exit 1
rc=0
for name; do
	want "$name" || rc=1
done
exit $rc
