#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# coverage.sh DIR: of each file of the product the share of lines that ran,
# from what gcc's --coverage left in DIR, and of all; fails below COVERAGE (90)
# per cent.
dir=$1
at_least=${COVERAGE:-90}

find "$dir" -name '*.gcda' -exec gcov -n {} + 2>/dev/null | awk -v min="$at_least" "
	/^File / { file = \$2; gsub(/'/, \"\", file) }"'
	/^Lines executed:/ && file ~ /^([a-z]+\/)?[a-z0-9_]+\.c$/ {
		sub(/^Lines executed:/, "")
		percent = $1 + 0
		lines = $NF
		printf "%6.2f%% of %4d %s\n", percent, lines, file
		ran += percent * lines / 100
		all += lines
		file = ""
	}
	END {
		if (!all)
			exit 1
		bad = 100 * ran / all < min
		printf "%6.2f%% of %4d lines\n", 100 * ran / all, all
		printf "%d passed, %d failed\n", !bad, bad
		exit bad
	}'
