# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the scripts beside it: what README.md and docs print for users to copy, so that
# what is run is what is printed.

top_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# block FILE BEGINNING [N]: the Nth indented block, by default the first, after
# the line of the top directory's FILE that begins so.  False, with a line on
# standard error, if there is none.
block() {
	awk -v from="$2" -v n="${3:-1}" '
	index($0, from) == 1 { on = 1; next }
	!on { next }
	/^    / {
		if (!inside)
			seen++
		inside = 1
		if (seen == n) {
			printf "%s%s\n", gap, substr($0, 5)
			gap = ""
			found = 1
		}
		next
	}
	# An empty line is of the block if it goes on after it.
	/^$/ { if (inside && found) gap = gap "\n"; next }
	{ inside = 0; gap = ""; if (found) exit }
	END { exit !found }' "$top_dir/$1" && return
	echo "$1 has no block ${3:-1} after \"$2\"" >&2
	return 1
}
