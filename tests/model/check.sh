#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make check-model`: spin goes through all states of tests/model/life.pml,
# once for what is asserted and once for cycles; then it must find the fault
# in each version of the model that has a rule left out.

dir=build/model

if ! command -v spin >/dev/null 2>&1; then
	echo "check-model: spin is not installed (make deps, or apt-get" \
	    "install spin)"
	exit 1
fi
mkdir -p "$dir" && cp tests/model/*.pml tests/model/*.h "$dir/" && cd "$dir" || exit 1
passed=0
failed=0

# verify FLAGS-OF-SPIN FLAGS-OF-CC FLAG-OF-PAN: pan's words into ./log
verify() {
	rm -f pan pan.* log
	# shellcheck disable=SC2086 # the flags may be none
	spin -a $1 life.pml >log 2>&1 &&
	    ${CC:-cc} -w $2 -DCOLLAPSE -o pan pan.c >>log 2>&1 &&
	    ./pan -m200000 $3 >>log 2>&1
}

# A run that was cut short has not seen all and does not count.
whole() {
	grep -q 'errors: 0$' log && ! grep -q 'search not completed' log &&
	    ! grep -q 'too small' log
}

good() {
	what=$1
	shift
	if verify "$@" && whole; then
		passed=$((passed + 1))
		echo "ok $what:$(sed -n 's/\( states\), stored.*/\1/p' log)"
	else
		failed=$((failed + 1))
		echo "not ok $what"
		sed 's/^/    /' log
	fi
}

bad() {
	verify "-DBREAK_$1 $2" -DSAFETY ""
	if grep -q 'assertion violated' log; then
		passed=$((passed + 1))
		echo "ok without $1 it fails"
	else
		failed=$((failed + 1))
		echo "not ok without $1 it should fail"
		sed 's/^/    /' log
	fi
}

good "assertions" "" "-DSAFETY -O1" ""
good "no cycles" "" "-DNP -O1" -l
good "assertions, with pauses" -DPAUSES "-DSAFETY -O1" ""
good "no cycles, with pauses" -DPAUSES "-DNP -O1" -l
for rule in EXIT_FIRST TWICE EXECS DELETES WAIT; do
	bad "$rule" ""
done
bad GO_ON -DPAUSES
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
