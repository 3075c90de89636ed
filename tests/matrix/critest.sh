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

# critest_run NAME ARGUMENTS...
critest_run() {
	timeout -k 5 1200 critest --runtime-endpoint "unix://$SOCK" \
	    --image-endpoint "unix://$SOCK" --runtime-handler runsc \
	    --ginkgo.no-color --ginkgo.randomize-all=false \
	    --ginkgo.json-report "$T/$1.json" "${@:2}" >"$T/$1.log" 2>&1
}

hosts_begin k8s.io
# Networks of pods are the sandbox's own, as by default.
printf '[runsc_config]\n' >"$T/runsc.toml"
host_up && import_images k8s.io || exit 1
limits=
[ -n "${ONLY:-}" ] || { critest_run limits --ginkgo.focus "$LIMITS" &
    limits=$!; }
critest_run others --ginkgo.skip "$LEFT_OUT|$LIMITS" \
    ${ONLY:+--ginkgo.focus "$ONLY"}
[ -z "$limits" ] || wait "$limits"
/usr/bin/python3 "$matrix_dir/critest.py" "$matrix_dir/critest.limits" \
    "$T/others.json" ${limits:+"$T/limits.json"} || tail -n 20 "$T/others.log"
warned=$(grep -c 'level=warning.*oom event occurred' "$T/ctd/log")
if [ "$warned" = 0 ]; then
	echo "ok no_warnings_of_ended"
else
	echo "not ok no_warnings_of_ended: $warned"
fi
# Specs that fail leave their pods.
crictl -r "unix://$SOCK" -i "unix://$SOCK" rmp -fa >/dev/null 2>&1
nothing_left_line
