# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# After lib.sh: an image made of the busybox tree, for containerd's overlayfs
# snapshotter, without any registry.

# Its command, as JSON.
IMAGE_CMD='"/bin/sh"'

# Move $1 to the image's blobs; prints its digest.
blob() {
	local sum

	sum=$(sha256sum <"$1" | cut -d ' ' -f 1)
	mv "$1" "$T/image/blobs/sha256/$sum"
	echo "sha256:$sum"
}

descriptor() {
	printf '{"mediaType":"application/vnd.oci.image.%s","digest":"%s",' \
	    "$1" "$2"
	printf '"size":%d%s}' "$(stat -c %s \
	    "$T/image/blobs/sha256/${2#sha256:}")" "${3:-}"
}

# image NAME LAYERS: the first layer is busybox, each further one has a file
image() {
	local arch i sum diffs='' layers=''

	rm -rf "$T/image" "$T/layer"
	mkdir -p "$T/image/blobs/sha256"
	for ((i = 1; i <= $2; i++)); do
		if [ "$i" = 1 ]; then
			tar -C "$ROOTFS" -cf "$T/blob" .
		else
			mkdir -p "$T/layer/layers"
			echo "layer $i" >"$T/layer/layers/$i"
			tar -C "$T/layer" -cf "$T/blob" .
			rm -r "$T/layer"
		fi
		sum=$(blob "$T/blob")
		diffs=$diffs${diffs:+,}\"$sum\"
		layers=$layers${layers:+,}$(descriptor layer.v1.tar "$sum")
	done
	arch=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
	cat >"$T/blob" <<-E
	{"architecture":"$arch","os":"linux",
	"config":{"Env":["PATH=/bin"],"Cmd":[$IMAGE_CMD]},
	"rootfs":{"type":"layers","diff_ids":[$diffs]}}
	E
	sum=$(blob "$T/blob")
	echo "{\"schemaVersion\":2,\"config\":$(descriptor config.v1+json \
	    "$sum"),\"layers\":[$layers]}" >"$T/blob"
	sum=$(blob "$T/blob")
	echo "{\"schemaVersion\":2,\"manifests\":[$(descriptor \
	    manifest.v1+json "$sum" \
	    ",\"annotations\":{\"io.containerd.image.name\":\"$1\"}")]}" \
	    >"$T/image/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$T/image/oci-layout"
	tar -C "$T/image" -cf "$T/image.tar" .
	c image import --snapshotter overlayfs "$T/image.tar" >"$T/out" 2>&1 ||
	    why "import: $(tail -1 "$T/out")"
	rm -rf "$T/image" "$T/image.tar"
}
