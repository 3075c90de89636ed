#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# valgrind.sh PROGRAM...: the unit tests and the fuzz targets' corpora under
# valgrind's memcheck: no wrong access, no value that was never set, nothing
# lost.  valgrind 3.19 does not know pidfd_open(2), so neither the daemon nor
# child_test is among them, and the writers that io_test forks, and who refuses
# another shim's state in upgrade_test, end with what they have: ASAN and UBSAN
# look at these (make check-asan).

command -v valgrind >/dev/null || {
	echo "valgrind is not installed (make deps)"
	exit 1
}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
cat >"$dir/grind" <<'END'
#!/bin/sh
exec valgrind -q --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=definite --child-silent-after-fork=no "$@"
END
chmod +x "$dir/grind"
echo "skipped: the daemon, child_test and standin_test (no pidfd_open), io_test (forks)"
echo "skipped: upgrade_test (what refuses a state ends, and frees nothing)"
for program in "$@"; do
	shift
	case $program in
	*/child_test | */standin_test | */io_test | */upgrade_test) ;;
	*) set -- "$@" "$program" ;;
	esac
done
MODEL_OPS=20000 CK_TIMEOUT_MULTIPLIER=20 EMULATOR=$dir/grind \
    sh "$(dirname "$0")/run.sh" "$@"
