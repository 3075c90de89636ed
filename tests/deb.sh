#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deb.sh DIR: build a Debian package from the source tree in DIR, as a
# distribution would: with debhelper, and with `make check`
# (DEB_BUILD_OPTIONS=nocheck leaves that out); lintian must have nothing to
# say, what was built must run, and its scripts do what deb-life.sh asks.

dir=$1
up=$(dirname "$dir")
passed=0
failed=0

for c in dpkg-buildpackage dh lintian; do
	command -v "$c" >/dev/null 2>&1 && continue
	echo "deb: $c is missing; build-essential, debhelper and lintian are"
	echo "needed (make deps-ci)"
	exit 1
done

try() {
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok $what"
	else
		failed=$((failed + 1))
		echo "not ok $what"
	fi
}

build() {
	(cd "$dir" && dpkg-buildpackage -us -uc -b)
}

# Unpacked, not installed.
runs() {
	rm -rf "$up/root"
	dpkg-deb -x "$up"/containerd-shim-runsc-v1_*.deb "$up/root" &&
	    "$up/root/usr/bin/containerd-shim-runsc-v1" -v &&
	    "$up/root/usr/bin/shimctl" -v &&
	    [ -f "$up/root/etc/containerd/runsc.toml" ] &&
	    [ -f "$up/root/usr/share/man/man8/containerd-shim-runsc-v1.8.gz" ]
}

try "the package builds" build
try lintian lintian --fail-on error,warning --info "$up"/*.changes
try "what is in it runs" runs
try "it is installed, upgraded, removed" sh tests/deb-life.sh \
    "$up"/containerd-shim-runsc-v1_*.deb
ls -l "$up"/*.deb
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
