#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Checkpoint and restore, as `ctr containers` does them: into an image of
# containerd's store, and from there into a new container.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

IMAGE=localhost/busybox:1

# blob FILE: take it into the image layout; prints its descriptor's middle.
blob() {
	local sum

	sum=$(sha256sum "$1" | cut -d ' ' -f 1)
	cp "$1" "$T/image/blobs/sha256/$sum"
	printf '"digest":"sha256:%s","size":%s' "$sum" "$(stat -c %s "$1")"
}

# An image of the root file system: restoring makes a snapshot from one.
make_image() {
	local v=application/vnd.oci.image arch layer config diff manifest

	arch=$(dpkg --print-architecture 2>/dev/null || echo amd64)
	mkdir -p "$T/image/blobs/sha256"
	tar -C "$ROOTFS" -cf "$T/layer.tar" .
	diff=$(sha256sum "$T/layer.tar" | cut -d ' ' -f 1)
	layer=$(blob "$T/layer.tar")
	printf '{"architecture":"%s","os":"linux","config":{"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
	    "$arch" "$diff" >"$T/config.json"
	config=$(blob "$T/config.json")
	printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json",%s},"layers":[{"mediaType":"%s.layer.v1.tar",%s}]}' \
	    "$v" "$v" "$config" "$v" "$layer" >"$T/manifest.json"
	manifest=$(blob "$T/manifest.json")
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s.manifest.v1+json",%s,"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"1"}}]}' \
	    "$v" "$manifest" "$IMAGE" >"$T/image/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$T/image/oci-layout"
	tar -C "$T/image" -cf "$T/image.tar" .
	rm -rf "$T/image" "$T/layer.tar"
	c images import --all-platforms "$T/image.tar" >/dev/null
}

can_leave_running() {
	runsc help checkpoint 2>&1 | grep -q -- -direct
}

# What it counts goes to a file of the host: `ctr containers restore` does not
# stay for the output.
count() {
	used "$1"
	mkdir "$T/share"
	c run -d --runtime "$SHIM" "${CONF[@]}" --snapshotter native \
	    --fifo-dir "$T/fifo" \
	    --mount "type=bind,src=$T/share,dst=/share,options=rbind:rw" \
	    "$IMAGE" "$1" /bin/sh -c 'i=0
	    while :; do i=$((i + 1)); echo "$i" >/share/n; sleep 0.1; done' \
	    </dev/null
}

counts_from() {
	local n

	n=$(cat "$T/share/n")
	[ "${n:-0}" -ge "$1" ]
}

# The counter goes on where it was saved, in another container.
case_round_trip() {
	is_runsc || return 0
	count rt || why "it did not start"
	until_true 10 counts_from 20 || why "it does not count"
	if ! can_leave_running; then
		# By an older runsc: said so, and nothing is lost.
		has "the error" "$(c task checkpoint rt 2>&1)" "ends a container"
		is status "$(status rt)" RUNNING
		gone rt
		nothing_left
		return
	fi
	c containers checkpoint --task --image rt localhost/rt:1 >/dev/null ||
	    why "checkpoint failed"
	is status "$(status rt)" RUNNING
	gone rt
	rm "$T/share/n"
	used rt2
	c containers restore --live rt2 localhost/rt:1 >"$T/rt2.log" 2>&1 ||
	    why "restore: $(cat "$T/rt2.log")"
	until_true 10 test -s "$T/share/n" || why "it does not go on"
	counts_from 20 || why "it begins anew: $(cat "$T/share/n")"
	is "output of exec" "$(ex --exec-id x rt2 /bin/echo alive)" alive
	gone rt2
	nothing_left
}

begin
make_image || exit 1
run_cases
