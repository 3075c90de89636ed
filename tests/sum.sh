# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What scripts of cases say, one after the other, and the sum of it; sourced.

passed=0
failed=0
child=
said=$(mktemp -d) || exit 1
mkfifo "$said/pipe" || exit 1
# The script that runs cleans up what it made; wait for it.
trap 'rm -rf "$said"' EXIT
trap '[ -z "$child" ] || { kill "$child"; wait "$child"; }; exit 130' INT TERM

# summed COMMAND...
summed() {
	local rc i f p reader

	tee "$said/all" <"$said/pipe" &
	reader=$!
	"$@" >"$said/pipe" &
	child=$!
	wait "$child"
	rc=$?
	child=
	# All that it said; not what a daemon of it may say, if one is left.
	for ((i = 0; i < 100; i++)); do
		kill -0 "$reader" 2>/dev/null || break
		sleep 0.05
	done
	kill "$reader" 2>/dev/null
	p=$(grep -c '^ok ' "$said/all")
	f=$(grep -c '^not ok ' "$said/all")
	# One that did not even get to its cases has failed too.
	[ "$rc" = 0 ] || [ "$f" != 0 ] || f=1
	passed=$((passed + p))
	failed=$((failed + f))
}

# The last line, and whether all is well.
sum_up() {
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
}
