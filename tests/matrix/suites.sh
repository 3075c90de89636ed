# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For matrix.sh: programs of other Debian releases side by side, unpacked below
# $CACHE without a maintainer script and without touching this machine's own
# packages.  What is there is not fetched again: remove $CACHE for newer ones.

# What each release is wanted for; "needs:" packages come with all that they
# depend on and this machine has not.
suite_packages() {
	case $1 in
	bookworm) echo containerd runsc docker.io containernetworking-plugins \
	    needs:python3-grpcio needs:python3-grpc-tools ;;
	bookworm-backports) echo runsc ;;
	trixie) echo containerd docker.io docker-cli ;;
	sid) echo containerd docker.io docker-cli golang-k8s-cri-api-dev ;;
	esac
}

# apt_of SUITE ARGUMENTS...: apt-get with lists and archives of its own
apt_of() {
	local top=$CACHE/$1.new/apt

	shift
	apt-get -o Dir::Etc::sourcelist="$top/sources.list" \
	    -o Dir::Etc::sourceparts=- -o Dir::Etc::preferencesparts=- \
	    -o Dir::State="$top" -o Dir::State::lists="$top/lists" \
	    -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$top" \
	    -o APT::Install-Recommends=0 -o APT::Sandbox::User=root \
	    -o Acquire::Languages=none -o Acquire::Retries=2 \
	    -o Debug::NoLocking=1 -qq "$@"
}

fetch_suite() {
	local suite=$1 top=$CACHE/$1.new base deb p plain=() needs=()

	rm -rf "$top"
	mkdir -p "$top"/apt/{lists,archives}/partial "$top/root" || return 1
	base=$(apt-get indextargets --format '$(SITE)' \
	    'Created-By: Packages' | grep '/debian$' | head -n 1)
	# Where this machine's own packages come from.
	[ -n "$base" ] || { echo "apt has no Debian archive"; return 1; }
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
	    "$base $suite main" \
	    >"$top/apt/sources.list"
	for p in $(suite_packages "$suite"); do
		case $p in
		needs:*) needs+=("${p#needs:}") ;;
		*) plain+=("$p") ;;
		esac
	done
	apt_of "$suite" update &&
	    (cd "$top/apt/archives" && apt_of "$suite" download "${plain[@]}") &&
	    { [ "${#needs[@]}" = 0 ] || apt_of "$suite" -y --download-only \
	    install "${needs[@]}"; } || return 1
	for deb in "$top"/apt/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
		    tar -x -C "$top/root" --keep-directory-symlink || return 1
	done
	rm -rf "$top/apt" "$top"/root/usr/share/{doc,man,locale}
	mv -T "$top" "$CACHE/$suite"
}

# have_suite SUITE: fetch it if need be; false, with a line, if that fails
have_suite() {
	[ ! -d "$CACHE/$1/root" ] || return 0
	[ ! -e "$TOP/no-$1" ] || return 1
	echo "# fetching $1"
	if ! command -v apt-get >/dev/null; then
		echo "no apt-get here" >"$TOP/fetch.log"
	elif fetch_suite "$1" >"$TOP/fetch.log" 2>&1; then
		return 0
	fi
	rm -rf "$CACHE/$1.new"
	echo "# skipped: all of $1: $(grep -v '^W' "$TOP/fetch.log" |
	    tail -n 1)"
	: >"$TOP/no-$1"
	return 1
}

# programs SUITE DIR NAME...: links to them in $TOP/bin/DIR, to be put on PATH;
# false, with a line, if one cannot run here.
programs() {
	local suite=$1 dir=$TOP/bin/$2 f n p lacks

	shift 2
	mkdir -p "$dir"
	for n; do
		[ ! -e "$dir/$n" ] || continue
		f=
		for p in usr/bin usr/sbin; do
			[ ! -x "$CACHE/$suite/root/$p/$n" ] ||
			    f=$CACHE/$suite/root/$p/$n
		done
		lacks="it is not in there"
		[ -z "$f" ] || lacks=$(ldd "$f" 2>&1 | grep -m 1 'not found')
		if [ -n "$lacks" ]; then
			echo "# skipped: $n of $suite: $lacks"
			return 1
		fi
		ln -s "$f" "$dir/$n"
	done
}
