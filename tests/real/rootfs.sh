#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Root file systems that the shim has to mount: images of containerd's
# overlayfs snapshotter, made here without any registry.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/real/image.sh
. "$lib_dir/image.sh"

has_image() {
	c image ls -q | grep -qx "$1"
}

small() {
	has_image localhost/small:1 || image localhost/small:1 3
}

run_image() {
	used "$2"
	run --snapshotter overlayfs "$@"
}

mounts_of() {
	awk -v p="$BUNDLES/$1/" 'index($5, p)' /proc/self/mountinfo | wc -l
}

case_image() {
	local out

	small
	out=$(used im; run --rm --snapshotter overlayfs localhost/small:1 im \
	    sh -c 'cat /layers/2 /layers/3; echo new >/layers/2 &&
	    cat /layers/2; exit 6')
	is status $? 6
	is output "$out" $'layer 2\nlayer 3\nnew'
	# It was written to the container's own layer.
	out=$(used im; run --rm --snapshotter overlayfs localhost/small:1 im \
	    cat /layers/2)
	is "output of the second" "$out" "layer 2"
	nothing_left
}

case_image_mounted() {
	small
	used imm
	run -d --snapshotter overlayfs localhost/small:1 imm sleep 100 ||
	    why "it did not start"
	is "mounts in the bundle" "$(mounts_of imm)" 1
	is "output of exec" "$(ex --exec-id a imm cat /layers/3)" "layer 3"
	gone imm
	nothing_left
}

# The options of this one are longer than a page.
case_image_many_layers() {
	local out

	image localhost/tall:1 64 || return
	used tall
	out=$(run --rm --snapshotter overlayfs localhost/tall:1 tall \
	    sh -c 'cat /layers/2 /layers/33 /layers/64; ls /layers | wc -l')
	is status $? 0
	is output "$out" $'layer 2\nlayer 33\nlayer 64\n63'
	nothing_left
}

case_image_failing_start() {
	local out

	small
	used imf
	out=$(run -d --snapshotter overlayfs localhost/small:1 imf \
	    /bin/not-there 2>&1) && why "it ran"
	has "the error" "$out" "no such file or directory"
	c container delete imf >/dev/null 2>&1
	nothing_left
}

case_image_shim_killed() {
	local pid

	small
	used imk
	run -d --snapshotter overlayfs localhost/small:1 imk sleep 100 ||
	    why "it did not start"
	pid=$(shim_pid imk)
	kill -9 "$pid"
	until_true 10 no_task imk || why "the task is still there"
	c container delete imk
	nothing_left
}

no_task() {
	[ -z "$(status "$1")" ]
}

begin
run_cases
