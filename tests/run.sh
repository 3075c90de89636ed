#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh PROGRAM...: run test programs, as many at once as there are processors
# (JOBS), since they wait more than they compute, and add up what they say.
# Check prints "100%: Checks: 71, Failures: 0, Errors: 0"; a corpus replay
# counts as one test; lines that begin with "skipped" are told again at the end.

log_of() {
	echo "$1/$(echo "$2" | tr / _)"
}

# one DIR PROGRAM: what it printed, its status and its sum are in DIR.
one() {
	program=$2
	log=$(log_of "$1" "$program")
	set -- "$program"
	case $program in
	*/fuzz/*) set -- "$program" "tests/fuzz/corpus/${program##*/}" ;;
	esac
	began=$(date +%s)
	# An emulator, for programs of another architecture.
	${EMULATOR:+"$EMULATOR"} "$@" >"$log" 2>&1
	rc=$?
	took=$(($(date +%s) - began))
	line=$(grep -E '^[0-9]+%: Checks: ' "$log" | tail -n 1)
	if [ -n "$line" ]; then
		checks=$(echo "$line" | sed 's/.*Checks: \([0-9]*\).*/\1/')
		failures=$(echo "$line" | sed 's/.*Failures: \([0-9]*\).*/\1/')
		errors=$(echo "$line" | sed 's/.*Errors: \([0-9]*\).*/\1/')
		bad=$((failures + errors))
		# A program that fails after its tests (a leak) has failed too.
		[ "$rc" = 0 ] || [ "$bad" != 0 ] || bad=1
	else
		checks=1
		bad=0
		[ "$rc" = 0 ] || bad=1
	fi
	if [ "$bad" = 0 ]; then
		echo "ok ${program##*/}: $checks, $took s"
	else
		echo "not ok ${program##*/}: $bad of $checks, status $rc"
	fi
	echo "$checks $bad" >"$log.sum"
}

if [ "$1" = -one ]; then
	one "$2" "$3"
	exit
fi

passed=0
failed=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
printf '%s\n' "$@" |
    xargs -P "${JOBS:-$(nproc)}" -I '{}' sh "$0" -one "$dir" '{}'
for program in "$@"; do
	log=$(log_of "$dir" "$program")
	# One of which nothing is known has failed.
	checks=1
	bad=1
	[ ! -s "$log.sum" ] || read -r checks bad <"$log.sum"
	passed=$((passed + checks - bad))
	failed=$((failed + bad))
	[ "$bad" = 0 ] || sed "s|^|${program##*/}: |" "$log"
done
for program in "$@"; do
	grep -E '^skipped' "$(log_of "$dir" "$program")" |
	    sed "s|^|${program##*/}: |"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
