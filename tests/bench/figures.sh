# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the scripts beside it, after lib.sh: figures as they come, in $T/figures, a
# line "SHIM<tab>FIGURE<tab>VALUE"; then as a table and as JSON.  $name is the
# shim under way: ours, peer, runc, or bare (none).

name=

# note FIGURE VALUE: of the shim under way, in this round
note() {
	echo "$name	$1	$2" >>"$T/figures"
}

# sum_of FIELD FILE: what smaps_rollup says of it
sum_of() {
	awk -v f="^($1):" '$0 ~ f { s += $2 } END { print s + 0 }' "$2"
}

# Milliseconds since FROM, a ${EPOCHREALTIME/./}.
since() {
	local us=$((${EPOCHREALTIME/./} - $1))

	printf '%d.%03d\n' $((us / 1000)) $((us % 1000))
}

# Milliseconds that the rest of the line takes.
timed() {
	local from=${EPOCHREALTIME/./}

	"$@" >/dev/null 2>&1
	since "$from"
}

ticks() {
	awk '{ print $14 + $15 }' "/proc/$1/stat"
}

failed() {
	echo "failed: $1 of $name" | tee -a "$T/failed" >&2
}

# Name, figure, value: to median, least and most of each.
summary() {
	sort -t '	' -k 2,2 -k 1,1 -k 3,3n "$T/figures" | awk -F '\t' '
	function put() {
		if (n)
			printf "%s\t%s\t%s\t%s\t%s\n", fig, who,
			    v[int((n + 1) / 2)], v[1], v[n]
		n = 0
	}
	$1 != who || $2 != fig { put(); who = $1; fig = $2 }
	{ v[++n] = $3 }
	END { put() }'
}

# A row a figure, a column a shim: the median, and the least and most if they
# differ.
table() {
	summary | awk -F '\t' '
	function cell(m, lo, hi) {
		return lo == hi ? short(m) : short(m) " (" short(lo) "-" short(hi) ")"
	}
	function short(x) {
		return sprintf(x >= 1000 ? "%d" : "%.3g", x)
	}
	$1 != fig { put(); fig = $1; split("", c) }
	{ c[$2] = cell($3, $4, $5) }
	function put() {
		if (fig)
			printf "%-50s %-26s %-26s %-26s %s\n", fig, c["ours"],
			    c["peer"], c["runc"], c["bare"]
	}
	BEGIN { printf "%-50s %-26s %-26s %-26s %s\n", "", "this shim",
	    "PEER", "containerd-shim-runc-v2", "runsc alone" }
	END { put() }'
}

as_json() {
	summary | jq -Rn --slurpfile machine "$T/machine.json" \
	    --rawfile failed "$T/failed" '{
		machine: $machine[0],
		failed: ($failed | split("\n") | map(select(. != ""))),
		figures: [inputs | split("\t") | {figure: .[0], shim: .[1],
		    median: (.[2] | tonumber), min: (.[3] | tonumber),
		    max: (.[4] | tonumber)}]}'
}

load() {
	cut -d ' ' -f 1-3 /proc/loadavg
}

# machine ARGUMENTS...: what the figures were taken on; jq's arguments for more
machine() {
	jq -n --arg date "$(date -u +%Y-%m-%dT%H:%MZ)" \
	    --arg cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo |
		head -n 1)" --argjson cpus "$(nproc)" \
	    --argjson memory_mib "$(awk '/^MemTotal/ { print int($2 / 1024) }' \
		/proc/meminfo)" --arg kernel "$(uname -sr)" \
	    --arg containerd "$(containerd --version | awk '{ print $3 }')" \
	    --arg runsc "$("$RUNSC" --version | awk 'NR == 1 { print $3 }')" \
	    --arg runc "$(runc --version | awk 'NR == 1 { print $3 }')" \
	    --arg load_before "$LOAD" --arg load_after "$(load)" \
	    "$@" '$ARGS.named'
}
