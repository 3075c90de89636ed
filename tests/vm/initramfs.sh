#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# initramfs.sh YEAR: docs/initramfs, as it is there, as process 1 of a real
# kernel, with the runsc of that year; then the same init with containers that
# have the console for a terminal.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
vm_begin
year=$1
name=initramfs-$year
cases="output status nothing_left power_off"
runsc=$(runsc_of "$year")
why=$(no_machine)
[ -n "$runsc" ] || why="the runsc of $year is not there (make deps-modern)"
if [ -n "$why" ]; then
	# shellcheck disable=SC2046,SC2086 # words
	skip_all "$name" "$why" $cases $(cases_of console)
	exit 0
fi

says() {
	grep -qxF "$1" "$LOGS/$name.log"
}

# try NAME COMMAND...
failed=0
try() {
	local what=$1

	shift
	if "$@"; then
		echo "ok $name/$what"
	else
		echo "not ok $name/$what"
		failed=1
	fi
}

# Seconds from the kernel's first line to the first that is $1.
seconds() {
	awk -v to="$1" '
	!a && /Linux version/ { a = $1 }
	!b && substr($0, index($0, " ") + 1) == to { b = $1 }
	END { printf "%.1f", b - a }' "$LOGS/$name.times"
}

# What is typed at the console: what the containers ask for.
typist() {
	local line

	while IFS= read -r line; do
		case $line in
		"TYPE: "*) printf '%s\r' "${line#TYPE: }" ;;
		esac
	done < <(tail -f --pid=$$ -n +1 "$1" | sed -u 's/^.*TYPE: /TYPE: /')
}

tree "$T/root" "$runsc"
pack "$T/root" "$T/initrd"
# The kernel says what it does, for the time of it.
boot "$name" -kernel "$KERNEL" -initrd "$T/initrd" \
    -append "${KERNEL_WORDS/quiet/}" </dev/null
rc=$?
try output says 1
try status says "the container ended with 7"
try nothing_left says "shims left: 0"
try power_off [ "$rc" = 0 ]
echo "# $name: $(($(stat -c %s "$T/initrd") >> 20)) MiB," \
    "$(gzip -1 <"$T/initrd" | wc -c | awk '{ printf "%d", $1 / 1048576 }')" \
    "MiB compressed; from the kernel's first line to the container's" \
    "$(seconds 1) s, to its end $(seconds 'the container ended with 7') s"
[ "$failed" = 0 ] || tail -n 50 "$LOGS/$name.log" | sed 's/^/    /'

guest "$T/root" console
: >"$LOGS/$name-console.log"
mkfifo "$T/typed"
typist "$LOGS/$name-console.log" >"$T/typed" &
boot_initrd "$name-console" "$T/root" "" <"$T/typed"
kill "$!" 2>/dev/null
# shellcheck disable=SC2046 # words
told "$name-console" $(cases_of console) || failed=1
[ "$failed" = 0 ]
