# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For matrix.sh: which clients and which runscs there are, and which pairs of
# them a run takes.  A cell is a line "CLIENT HOST RUNSC".
#
#   HOST   whose containerd, ctr, dockerd and docker: a release of Debian, or
#          `modern`, what is built of this year's (tests/modern)
#   ctr cri docker   by that host's programs
#   crio             the calls that CRI-O makes, without it
#   cri-o critest kubelet   those themselves, of `modern`
#   readme           what README.md and docs/clients.md print, as it is

OLDER=(20221219 20240729)
NEWEST=20260905
# shellcheck disable=SC2034 # matrix.sh does
declare -A RUNSC_SUITE=([20221219]=bookworm [20240729]=bookworm-backports)

# Those that take longest first, so that none is alone at the end.
all_cells() {
	local client h r

	# What it asks is the newest CRI's, and so is what runsc cannot do.
	echo "critest modern $NEWEST"
	echo "readme modern $NEWEST"
	for r in $NEWEST "${OLDER[@]}"; do
		echo "kubelet modern $r"
	done
	for client in ctr cri docker; do
		for h in modern sid trixie bookworm; do
			for r in $NEWEST "${OLDER[@]}"; do
				echo "$client $h $r"
			done
		done
	done
	for r in $NEWEST "${OLDER[@]}"; do
		echo "cri-o modern $r"
	done
	for r in $NEWEST "${OLDER[@]}"; do
		echo "crio none $r"
	done
}

# Of these: each client with the newest runsc and one older, in turn.  ctr with
# Debian 12's containerd is what check-real and check-real-modern run, and here
# only with the runsc that is in neither; of CRI-O's calls those of the runsc that
# CRI-O itself does not meet.
chosen_cells() {
	all_cells | awk -v newest="$NEWEST" -v older="${OLDER[*]}" '
	BEGIN { split(older, o, " ") }
	$1 == "critest" || $1 == "readme" { print; next }
	$1 == "crio" { if ($3 == o[1]) print; next }
	$1 == "ctr" && $2 == "bookworm" { if ($3 == o[2]) print; next }
	$1 == "cri-o" { if ($3 != o[1]) print; next }
	$3 == newest { turn[$1]++; print; next }
	# The second of a kind has the other one, and so on; ctr begins with
	# the first, cri with the second.
	{ if ($3 == o[1 + (turn[$1] + length($1)) % 2]) print }'
}
