#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deb-life.sh PACKAGE: install it, a later version over it, remove and purge it,
# in a directory that stands for a host; as root, or in a user namespace of
# one's own.  What is there then, and what its scripts have said and done: there
# a shimctl of the test's tells of the shims that the file `shims` has, and
# keeps what else it is asked in `asked`.

deb=$1
name=containerd-shim-runsc-v1
defaults=etc/default/$name
passed=0
failed=0

if [ "$(id -u)" != 0 ]; then
	exec unshare -r sh "$0" "$@"
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
root=$tmp/root

try() {
	what=$1
	shift
	if "$@" >"$tmp/said" 2>&1; then
		passed=$((passed + 1))
		echo "ok $what"
	else
		failed=$((failed + 1))
		echo "not ok $what"
		sed 's/^/    /' "$tmp/said" "$tmp/out"
	fi
}

host() {
	busybox=$(command -v busybox) || return
	mkdir -p "$root/bin" "$root/dev" "$root/etc" "$root/var/lib/dpkg/info" \
	    "$root/var/lib/dpkg/updates" "$root/usr/local/bin" &&
	    cp "$busybox" "$root/bin/busybox" &&
	    for c in sh awk grep sed wc cat rm test; do
		ln -s busybox "$root/bin/$c" || return
	    done &&
	    : >"$root/var/lib/dpkg/status" && : >"$root/dev/null" &&
	    cat >"$root/usr/local/bin/shimctl" <<-END &&
		#!/bin/sh
		case \$* in
		ps) cat /shims ;;
		*)
			echo "\$*" >>/asked
			echo upgraded
			exit \$(cat /status)
			;;
		esac
	END
	    chmod 755 "$root/usr/local/bin/shimctl"
}

# version N: the same with a later version, and a file of it that is not.
version() {
	rm -rf "$tmp/tree"
	dpkg-deb -R "$deb" "$tmp/tree" &&
	    sed -i "s/^Version: .*/&+$1/" "$tmp/tree/DEBIAN/control" &&
	    dpkg-deb --root-owner-group -b "$tmp/tree" "$tmp/$1.deb"
}

# What it depends on is not here, nor are the programs of an administrator.
d() {
	PATH=/usr/local/bin:$PATH dpkg --root="$root" --force-depends \
	    --force-bad-path --force-confdef --log=/dev/null "$@" \
	    >"$tmp/out" 2>&1
}

# shims TEXT...: those that run; STATUS is that of an upgrade
shims() {
	: >"$root/shims"
	for s; do
		echo "    1207 0.1.0    $s      k8s.io a /run/s/b" >>"$root/shims"
	done
	rm -f "$root/asked"
	echo "${STATUS:-0}" >"$root/status"
}

said() {
	grep -q "$1" "$tmp/out"
}

not_asked() {
	[ ! -e "$root/asked" ]
}

settings() {
	echo "$1" >"$root/$defaults"
}

is_installed() {
	dpkg-query --admindir="$root/var/lib/dpkg" -f '${Status}' \
	    -W "$name" | grep -q 'ok installed'
}

installed_first() {
	shims old
	d -i "$deb" && is_installed && [ -x "$root/usr/bin/shimctl" ] &&
	    ! said 'older version' && not_asked &&
	    grep -qx UPGRADE_RUNNING_SHIMS=no "$root/$defaults" &&
	    [ -f "$root/etc/containerd/runsc.toml" ] &&
	    dpkg-query --admindir="$root/var/lib/dpkg" -f '${Conffiles}' \
	    -W "$name" | grep -q "$defaults"
}

# Nothing runs, or what runs is what is there.
quiet_upgrade() {
	shims
	d -i "$tmp/1.deb" && ! said shims && not_asked &&
	    shims current && d -i "$tmp/1.deb" && ! said shims && not_asked
}

told() {
	shims old current old
	d -i "$tmp/2.deb" && said ' 2 shims run an older version' &&
	    said '^    shimctl upgrade --all$' && not_asked && is_installed
}

# The environment is not the administrator's word, nor is a file that is gone
# or wrong.
told_only() {
	shims old
	export UPGRADE_RUNNING_SHIMS=yes
	rm "$root/$defaults"
	d -i "$tmp/2.deb" && said '1 shims run' && not_asked || return
	settings '# nothing'
	d -i "$tmp/2.deb" && said '1 shims run' && not_asked || return
	unset UPGRADE_RUNNING_SHIMS
	settings 'if ('
	d -i "$tmp/2.deb" && said '1 shims run' && not_asked && is_installed
}

upgraded() {
	shims old
	settings UPGRADE_RUNNING_SHIMS=yes
	d -i "$tmp/3.deb" && said '^upgraded$' && ! said 'older version' &&
	    [ "$(cat "$root/asked")" = "upgrade --all" ] && is_installed &&
	    [ "$(cat "$root/$defaults")" = UPGRADE_RUNNING_SHIMS=yes ]
}

# A shim that cannot is no reason for half an installation.
not_upgraded() {
	STATUS=1
	shims old
	d -i "$tmp/3.deb" && said 'runs on as it is' && is_installed
}

removed() {
	shims current
	d -r "$name" && said '1 shims run on' &&
	    [ ! -e "$root/usr/bin/shimctl" ] &&
	    [ ! -e "$root/usr/bin/$name" ] && [ -f "$root/$defaults" ] &&
	    [ -f "$root/etc/containerd/runsc.toml" ]
}

purged() {
	d -P "$name" || return
	find "$root/etc" "$root/usr" "$root/run" -name '*shim*' -o \
	    -name '*runsc*' 2>/dev/null | grep -v /usr/local/ >"$tmp/left"
	cat "$tmp/left"
	[ ! -s "$tmp/left" ] && [ ! -e "$root/etc/containerd" ]
}

# gvisors N: gVisor's own package, which has a shim and settings of these names.
gvisors() {
	mkdir -p "$tmp/theirs/DEBIAN" "$tmp/theirs/usr/bin" \
	    "$tmp/theirs/etc/containerd" &&
	    cat >"$tmp/theirs/DEBIAN/control" <<-END &&
		Package: runsc
		Version: $1
		Architecture: all
		Maintainer: N <n@example.org>
		Description: of this test
	END
	    echo /etc/containerd/runsc.toml >"$tmp/theirs/DEBIAN/conffiles" &&
	    echo theirs >"$tmp/theirs/usr/bin/$name" &&
	    echo '# theirs' >"$tmp/theirs/etc/containerd/runsc.toml" &&
	    : >"$tmp/theirs/usr/bin/runsc" &&
	    dpkg-deb --root-owner-group -b "$tmp/theirs" "$tmp/runsc-$1.deb"
}

is_ours() {
	[ "$(head -c 4 "$root/usr/bin/$name" | tail -c 3)" = ELF ]
}

# In place of what that has, whichever comes first, and left there.
beside_gvisors() {
	shims
	gvisors 1 && gvisors 2 && d -i "$tmp/runsc-1.deb" && d -i "$deb" &&
	    is_ours && d -i "$tmp/runsc-2.deb" && is_ours &&
	    [ -e "$root/usr/bin/runsc" ] && d -P "$name" && d -i "$deb" &&
	    is_ours && d -P runsc && is_ours && d -P "$name"
}

try "a directory that stands for a host" host
try "a later version" version 1
try "and another" version 2
try "and another still" version 3
try "installed" installed_first
try "upgraded without shims of old" quiet_upgrade
try "upgraded with shims of old: how they are upgraded is said" told
try "nobody has said that they are to be" told_only
try "upgraded with them, where the settings say so" upgraded
try "a shim that cannot be upgraded is told of" not_upgraded
try "removed: settings stay, shims run on" removed
try "purged: nothing stays" purged
try "beside gVisor's package" beside_gvisors
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
