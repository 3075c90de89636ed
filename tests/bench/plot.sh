#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# plot.sh JSON DIR [density|execs]: the figures that bench.sh wrote as bar charts,
# DIR/memory.svg, latency.svg, times.svg and processes.svg; those of density.sh,
# DIR/density.svg and back.svg; or those of execs.sh, DIR/execs.svg and
# probes.svg.  Needs gnuplot and jq.

set -eu
json=$1
dir=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for tool in gnuplot jq; do
	command -v "$tool" >/dev/null || {
		echo "$tool is not installed: apt-get install gnuplot-nox jq"
		exit 1
	}
done
titles='{"ours":"this shim","peer":"Go runsc shim","runc":"runc'\''s shim",
	"off":"this shim, by runsc", "bare":"runsc alone"}'
# The machine, for the line below each title.
on=$(jq -r '.machine | "\(.cpu), \(.cpus) CPUs, \(.kernel), containerd " +
	"\(.containerd | sub("~.*"; "")), runsc \(.runsc | sub(".*~"; "")), " +
	"\(.date[:10])"' "$json")

# rows SHIMS FIGURE=LABEL...: a line for each figure: of each shim the median,
# least and most, and $low where nothing was measured.  What
# follows " | " in FIGURE is another one whose median is the most (p99).
rows() {
	local shims=$1

	shift
	jq -r --arg shims "$shims" '.figures as $f
	| $ARGS.positional[] | split("=") as [$names]
	| ($names | split(" | ")) as [$name, $high]
	| [$shims | split(" ")[] as $s
	    | ([$f[] | select(.figure == $name and .shim == $s)][0]
		// {}) as $it
	    | ([$f[] | select(.figure == $high and .shim == $s)][0]
		// {}) as $top
	    | (if $high then $it.median, $it.median, $top.median
		else $it.median, $it.min, $it.max end) // '"$low"']
	| @tsv' --args "$@" <"$json"
}

# chart NAME TITLE UNIT SCALE SHIMS FIGURE=LABEL...
chart() {
	local name=$1 title=$2 unit=$3 scale=$4 shims=$5 n=0 s m x
	local plot="" tics=""
	local colours=([0]=2b6cb0 dd8452 8c8c8c 55a868 8172b3)

	shift 5
	rows "$shims" "$@" >"$tmp/$name"
	for s in "$@"; do
		tics="$tics\"${s##*=}\" $n,"
		n=$((n + 1))
	done
	n=0
	# shellcheck disable=SC2086 # a word for each
	set -- $shims
	for s in "$@"; do
		m=$((3 * n + 1))	# the column of the median
		x="(\$0 + ($n - ($# - 1) / 2.0) / ($# + 1.0))"
		plot="$plot '$tmp/$name' using $m title \"$(jq -rn \
		    --argjson t "$titles" --arg s "$s" '$t[$s]')\" \
		    linecolor rgb '#${colours[n]}',"
		plot="$plot '' using $x:$((m + 1)):(0):\
(\$$((m + 2)) - \$$((m + 1))) with vectors nohead \
		    linecolor 'black' notitle,"
		plot="$plot '' using $x:$((m + 2)):(label(\$$m)) \
		    with labels offset 0,0.6 font ',8' notitle,"
		n=$((n + 1))
	done
	gnuplot <<-G
	set terminal svg size 980,440 font "sans-serif,12" background "white"
	set output "$dir/$name.svg"
	set title "$title\n{/*0.75 $on}" enhanced
	set style data histograms
	set style histogram clustered gap 1
	set style fill solid 0.9 border -1
	set datafile separator tab
	set ylabel "$unit"
	set grid ytics linecolor rgb "#dddddd"
	set key outside below center horizontal
	set xtics nomirror scale 0 (${tics%,})
	set bmargin 5
	set ytics nomirror
	set xrange [-0.6:$(wc -l <"$tmp/$name")-0.4]
	set autoscale yfixmax
	set offsets 0, 0, graph 0.1, 0
	label(x) = x == $low ? "" : x >= 10000 && "$unit" eq "ms" ? \
	    sprintf("%.0f s", x / 1000) : x >= 1000 && "$unit" eq "ms" ? \
	    sprintf("%.1f s", x / 1000) : x >= 10 ? \
	    sprintf("%.0f", x) : sprintf("%.2g", x)
	$scale
	plot ${plot%,}
	G
}

log='set logscale y; set format y "%g"; set yrange'
low=2.00001	# where nothing was measured: just on the axis
every="ours peer runc"
mkdir -p "$dir"
if [ "${3:-}" = density ]; then
	mapfile -t pods < <(jq -r '[.figures[].figure | select(test("PSS"))
	    | sub(":.*"; "")] | unique[]' "$json")
	sums=() times=() low=1.00001
	for p in "${pods[@]}"; do
		sums+=("$p: PSS of these, MiB=$p")
		times+=("$p: all started, ms=$p:\\nstarted"
		    "$p: containerd has them all back, ms=containerd\\nhas them back")
	done
	chart density "Pods of one container: memory of all shims and helpers (PSS)" \
	    MiB "$log [1:*]" "$every" "${sums[@]}"
	chart back "Pods of one container: to start all, and to have them back" ms \
	    "$log [100:*]" "$every" "${times[@]}"
	exit
fi
if [ "${3:-}" = execs ]; then
	execs="100 running execs"
	low=0.01001
	chart execs "Execs and statistics of one container" "" \
	    "$log [0.5:*]" "$every off bare" \
	    "execs one after the other, per second=execs\\na second" \
	    "Start of an exec, median, ms=Start, ms" \
	    "Stats, median, ms=Stats, ms" \
	    "$execs: PSS of each, KiB=PSS of one\\nthat runs, KiB"
	chart probes "Ten probes by exec a second: cores" cores \
	    "set yrange [0:*]" "$every off" \
	    "ten probes a second: cores=shim, and what it starts"
	exit
fi
n=$(jq -r '[.figures[].figure | capture("^pod of (?<n>[0-9]+): all").n
	| tonumber][0] // empty' "$json")
execs=$(jq -r '[.figures[].figure | select(test("^[0-9]+ execs.*, ms$"))][0]
	// empty' "$json")
chart memory "Memory of shims and their resident helpers (PSS)" KiB \
    "$log [50:*]" "$every" \
    "pod of 1: PSS of both, KiB=pod of 1" \
    "pod of 3: PSS of both, KiB=pod of 3" \
    "pod of $n: PSS of both, KiB=pod of $n"
chart latency "Requests: median, and p99 as the whisker" ms \
    "$log [0.005:*]" "$every" \
    "Kill, median, ms | Kill, p99, ms=Kill" \
    "Pids, median, ms | Pids, p99, ms=Pids" \
    "State, median, ms | State, p99, ms=State" \
    "Connect, median, ms | Connect, p99, ms=Connect" \
    "Stats, median, ms | Stats, p99, ms=Stats"
chart times "Life cycles: median, least and most" ms "$log [2:*]" \
    "$every bare" \
    "start, ms=shim's start" \
    "kill -9 to stopped, ms=kill -9\\nto stopped" \
    "life cycle, ms=life cycle,\\nno containerd" \
    "ctr run --rm true, ms=ctr run\\n--rm true" \
    "$execs=${execs%% *} execs" \
    "pod of $n: all started, ms=pod of $n:\\nstarted" \
    "pod of $n: all killed and deleted, ms=pod of $n:\\ndeleted"
chart processes "Processes and threads" "" "set yrange [0:*]" "$every" \
    "pod of 3: shims=pod of 3:\\nshims" \
    "pod of 3: runsc helpers=resident\\nrunsc helpers" \
    "pod of 3: threads of both=threads\\nof both" \
    "runsc processes of a life cycle=runsc calls,\\nlife cycle" \
    "runsc processes: kill, delete of a sub-container=runsc calls,\
\\nkill + delete"
