# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For matrix.sh: what is said of the cells, at the end of a run and in
# docs/matrix.md, which has a row for each there is, with its last run.

# title_of CLIENT HOST RUNSC
title_of() {
	local ctd="containerd ${VERSION[containerd-$2]:-of $2}"

	case $1 in
	ctr) echo "ctr, $ctd, runsc $3" ;;
	cri) echo "CRI, $ctd, runsc $3" ;;
	docker) echo "Docker ${VERSION[dockerd-$2]:-of $2}, $ctd, runsc $3" ;;
	crio) echo "CRI-O's calls, no containerd, runsc $3" ;;
	cri-o) echo "CRI-O ${VERSION[crio]:-}, runsc $3" ;;
	critest) echo "critest ${VERSION[critools]:-}, $ctd, runsc $3" ;;
	readme) echo "README, $ctd, Docker ${VERSION[dockerd-$2]:-}, runsc $3" ;;
	kubelet) echo "kubelet ${VERSION[kubelet]:-}, $ctd, runsc $3" ;;
	esac
}

title() {
	local c h r

	# shellcheck disable=SC2154 # matrix.sh has them
	read -r c h r <<<"${labels[$1]}"
	title_of "$c" "$h" "$r"
}

# figures N: what the cell has come to, as columns
figures() {
	local f=$TOP/out-$1

	echo "$(grep -c '^ok ' "$f") | $(grep -c '^not ok ' "$f") |" \
	    "$(sed -nE 's/^not ok ([^:]*).*/\1/p' "$f" | paste -s -d ' ')" |
	    sed 's/ *$//'
}

# The rows of this run's cells, in Markdown, with the time each took; one that
# takes much longer than it has of the CPU waits for it, or for something.
table() {
	local i

	echo "| client | seconds | of CPU | passed | failed | which |"
	echo "| --- | --- | --- | --- | --- | --- |"
	for i in "${!labels[@]}"; do
		echo "| $(title "$i") | $(sed -n \
		    's/^# took \(.*\) s, CPU \(.*\) s/\1 | \2/p' \
		    "$TOP/out-$i") | $(figures "$i") |"
	done
}

# document FILE: the rows that FILE has, and this run's in their places.  The key
# of each is a comment, CLIENT HOST RUNSC, since versions change.
document() {
	local i key row old=$TOP/matrix.old

	{ grep '^| .*<!--' "$1" || true; } >"$old" 2>/dev/null
	{
		cat <<-'E'
		# What was run

		The last run of each pair of a client and a runsc, by `make check-matrix`
		on Debian 12. Of Debian 12, 13 and sid are runsc 20221219 and 20240729,
		containerd up to 2.1 and Docker up to 28; the others are built from
		source (`make deps-modern`). One run takes a choice of them, in which
		each client meets the newest runsc and one older and each runsc each kind
		of client; `FULL=1` takes all. clients.md has the configurations,
		tests/matrix the cases. Each case is run once.

		| client | passed | failed | which | shim, Linux | run on |
		| --- | --- | --- | --- | --- | --- |
		E
		while read -r key; do
			row=$(grep -F "<!-- $key -->" "$old")
			for i in "${!labels[@]}"; do
				[ "${labels[$i]}" = "$key" ] || continue
				row="| $(title "$i") <!-- $key --> |"
				row+=" $(figures "$i") | $SHIM_VERSION, $LINUX |"
				row+=" $(date -u +%F) |"
			done
			# shellcheck disable=SC2086 # three words
			echo "${row:-| $(title_of $key) <!-- $key --> |  |  |  |  | never |}"
		done < <(all_cells)
	} >"$TOP/matrix.md"
	cat "$TOP/matrix.md" >"$1"
}
