#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# critest, the CRI's own conformance tests, with this shim.  What fails must be in
# critest.limits, with its reason, and what is there must fail: else it is no
# limit of gVisor's any more.  Those wait a minute each to fail, so they run
# beside the others.  Nothing is pulled, so what tests that is left out.
# shellcheck source=tests/matrix/hosts.sh
. "$(dirname "$0")/hosts.sh"
LEFT_OUT='Image Manager|Image Identifier|Image Consistency|image volume'
LEFT_OUT+='|Image Volume|NRI|SELinux|AppArmor'
# Their last words, as a regular expression.
LIMITS=$(sed -nE '/^#/d; s/\t.*//; s/[]$*.^()+?{}|[]/\\&/g; p' \
    "$matrix_dir/critest.limits" | paste -s -d '|')

# critest_run NAME HANDLER ARGUMENTS...
critest_run() {
	timeout -k 5 1200 critest --runtime-endpoint "unix://$SOCK" \
	    --image-endpoint "unix://$SOCK" --runtime-handler "$2" \
	    --ginkgo.no-color --ginkgo.randomize-all=false \
	    --ginkgo.json-report "$T/$1.json" "${@:3}" >"$T/$1.log" 2>&1
}

# of_reports LIMITS NAME...
of_reports() {
	local limits=$1 name reports=()

	shift
	for name; do
		reports+=("$T/$name.json")
	done
	/usr/bin/python3 "$matrix_dir/critest.py" "$limits" "${reports[@]}" ||
	    tail -n 20 "$T/$1.log"
}

# The other shims, for docs/critest.md.
beside() {
	critest_run go runsc-go --ginkgo.skip "$LEFT_OUT" \
	    ${ONLY:+--ginkgo.focus "$ONLY"} &
	critest_run runc runc --ginkgo.skip "$LEFT_OUT" \
	    ${ONLY:+--ginkgo.focus "$ONLY"}
	wait $!
	/usr/bin/python3 "$matrix_dir/critest.py" --columns "$BESIDE" \
	    "$matrix_dir/critest.limits" "$T/others.json${limits:+,$T/limits.json}" \
	    "$T/go.json" "$T/runc.json"
}

hosts_begin k8s.io
# Networks of pods are the sandbox's own, as by default.
printf '[runsc_config]\n' >"$T/runsc.toml"
host_up && import_images k8s.io || exit 1
limits=
[ -n "${ONLY:-}" ] || { critest_run limits runsc --ginkgo.focus "$LIMITS" &
    limits=$!; }
critest_run others runsc --ginkgo.skip "$LEFT_OUT|$LIMITS" \
    ${ONLY:+--ginkgo.focus "$ONLY"}
[ -z "$limits" ] || wait "$limits"
of_reports "$matrix_dir/critest.limits" others ${limits:+limits}
# What containerd leaves to the shim where that has the sandbox.
critest_run sandbox runsc-sandbox --ginkgo.focus \
    'support DNS config|support set hostname'
ONLY=1 of_reports /dev/null sandbox | sed 's/^\(not \)*ok /&sandboxer: /'
warned=$(grep -c 'level=warning.*oom event occurred' "$T/ctd/log")
if [ "$warned" = 0 ]; then
	echo "ok no_warnings_of_ended"
else
	echo "not ok no_warnings_of_ended: $warned"
fi
# Specs that fail leave their pods.
remove_all() {
	crictl -r "unix://$SOCK" -i "unix://$SOCK" rmp -fa >/dev/null 2>&1
}

remove_all
nothing_left_line
# The others leave what they leave.
[ -z "${BESIDE:-}" ] || { beside; remove_all; wipe; }
