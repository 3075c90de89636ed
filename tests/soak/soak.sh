#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make soak`: on the fake runsc, then as root on the real one; one sum.
# SOAK is the program of the first.

dir=$(dirname "$0")
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

"$SOAK" 2>&1 | tee "$log"
checks=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), .*/\1/p' "$log")
bad=$(sed -n 's/.*Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 + \2/p' "$log")
# One that ends without its sum has failed.
bad=$((${bad:-1}))
passed=$((${checks:-$bad} - bad))
bash "$dir/real.sh" 2>&1 | tee "$log"
p=$(grep -c '^ok ' "$log")
f=$(grep -c '^not ok ' "$log")
[ "$p$f" != 00 ] || f=1
passed=$((passed + p))
bad=$((bad + f))
echo "$passed passed, $bad failed"
[ "$bad" = 0 ]
