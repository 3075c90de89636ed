#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# valgrind.sh PROGRAM...: the unit tests and the fuzz targets' corpora under
# valgrind's memcheck: no wrong access, no value that was never set, nothing
# lost.  valgrind 3.19 does not know pidfd_open(2), so the daemon is not among
# them: it runs under ASAN and UBSAN (make check-asan).

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
echo "skipped: the daemon and its adopted children (no pidfd_open)"
MODEL_OPS=20000 CK_TIMEOUT_MULTIPLIER=20 EMULATOR=$dir/grind \
    sh "$(dirname "$0")/run.sh" "$@"
