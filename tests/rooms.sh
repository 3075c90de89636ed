#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What uses what, from the includes, against the order in docs/house.md: a room
# (a header with its .c; a .c of a folder that has no header is of the room whose
# header it includes first) uses only what stands before it.

TOP_MAX=18 ROOMS_MAX=47 USES_MAX=310
files=$(find . -maxdepth 2 -name '*.[ch]' ! -path './tests/*' ! -path './ctl/*' |
    sed 's,^\./,,' | sort)

# shellcheck disable=SC2086 # names without spaces
awk -v top_max=$TOP_MAX -v rooms_max=$ROOMS_MAX -v uses_max=$USES_MAX '

function stem(name) { sub("[.][ch]$", "", name); return name }
FILENAME == "docs/house.md" {
	if (/^Order, /)
		reading = 1
	else if (reading && /^    /)
		for (i = 1; i <= NF; i++)
			place[$i] = ++nplaces
	else if (reading && nplaces && NF)
		reading = 0
	next
}
FNR == 1 {
	file[FILENAME] = 1
	if (FILENAME ~ "[.]h$")
		header[stem(FILENAME)] = 1
}
/^#include "/ {
	split($2, q, "\"")
	edge[FILENAME, ++n[FILENAME]] = stem(q[2])
}
END {
	for (f in file)
		room[f] = (stem(f) in header) || n[f] == 0 || f !~ "/" ? \
		    stem(f) : edge[f, 1]
	for (f in file) {
		r = room[f]
		if (!(r in seen)) {
			seen[r] = 1
			rooms++
		}
		if (f ~ "^[^/]*[.]c$")
			top++
		if (!(r in place)) {
			print r " has no place in docs/house.md"
			bad = 1
		}
		for (i = 1; i <= n[f]; i++) {
			u = edge[f, i]
			if (u == r)
				continue
			if (!((r, u) in uses)) {
				uses[r, u] = 1
				nuses++
			}
			if (place[u] >= place[r]) {
				print f " uses " u ", which stands above it"
				bad = 1
			}
		}
	}
	for (p in place)
		if (!(p in seen)) {
			print "docs/house.md names " p ", which is not there"
			bad = 1
		}
	printf "%d files on top, %d rooms, %d uses\n", top, rooms, nuses
	if (top > top_max || rooms > rooms_max || nuses > uses_max) {
		printf "allowed: %d, %d, %d\n", top_max, rooms_max, uses_max
		bad = 1
	}
	exit bad
}' docs/house.md $files
