#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cgroup.sh VERSION YEAR: limits, figures and ends in that version of cgroups,
# with the runsc of that year.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_begin
name=cgroup$1-$2
# shellcheck disable=SC2046 # words
set -- "$1" "$2" $(cases_of cgroup)
runsc=$(runsc_of "$2")
why=$(no_machine)
[ -n "$runsc" ] || why="the runsc of $2 is not there (make deps-modern)"
if [ -n "$why" ]; then
	skip_all "$name" "$why" "${@:3}"
	exit 0
fi
tree "$T/root" "$runsc"
guest "$T/root" cgroup
case $1 in
1) arg= ;;
2) arg=cgroup_no_v1=all ;;
esac
boot_initrd "$name" "$T/root" "cgroups=$1 runsc=$2 $arg" </dev/null
told "$name" "${@:3}"
