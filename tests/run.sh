#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run test programs one after the other and add up what they say. Check
# prints "100%: Checks: 71, Failures: 0, Errors: 0"; a corpus replay counts as
# one test; lines that begin with "skipped" are told again at the end.

passed=0
failed=0
skips=
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

for program in "$@"; do
	set -- "$program"
	case $program in
	*/fuzz/*) set -- "$program" "tests/fuzz/corpus/${program##*/}" ;;
	esac
	# An emulator, for programs of another architecture.
	${EMULATOR:+"$EMULATOR"} "$@" >"$log" 2>&1
	rc=$?
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
	passed=$((passed + checks - bad))
	failed=$((failed + bad))
	if [ "$bad" = 0 ]; then
		echo "ok ${program##*/}: $checks"
	else
		echo "not ok ${program##*/}: $bad of $checks, status $rc"
		sed 's/^/    /' "$log"
	fi
	s=$(grep -E '^skipped' "$log" | sed "s|^|${program##*/}: |")
	[ -z "$s" ] || skips="$skips$s
"
done
[ -z "$skips" ] || printf '%s' "$skips"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
