#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is told and what is read: settings with faults in them, a runsc that
# prints more than it is asked for, the reason of what fails, loggers, the size
# of a terminal, and how much one client may ask.
# shellcheck source=tests/real/lib.sh
. "$(dirname "$0")/lib.sh"

GREEDY=$lib_dir/greedy.py
GREEDY_PID=
CRI=io.kubernetes.cri
# The sandbox of runsc 20221219 listens at a name that the whole host shares.
P=s$$

# conf LINE... <<< "more of [runsc_config]": what the next containers get
conf() {
	printf '%s\n' "$@" '[runsc_config]' 'network = "none"' >"$T/runsc.toml"
	: >"$T/ctd/log"
}

# wrapper NAME TEXT: a runsc that runs TEXT first
wrapper() {
	printf '#!/bin/sh\n%s\nexec %s "$@"\n' "$2" "$RUNSC" >"$T/$1"
	chmod 755 "$T/$1"
}

# sub POD ID COMMAND...
sub() {
	used "$2"
	run -d --rootfs --annotation $CRI.container-type=container \
	    --annotation $CRI.sandbox-id="$1" "$(rootfs "$2")" "${@:2}" \
	    </dev/null || why "$2 did not start"
}

# pod ID FLAGS...
pod() {
	used "$1"
	run -d --rootfs --annotation $CRI.container-type=sandbox \
	    --annotation $CRI.sandbox-id="$1" "${@:2}" "$(rootfs "$1")" "$1" \
	    sleep 1000 </dev/null || why "the pod did not start"
}

# 13.14: settings that nobody knows are told in the log; the container runs.
case_lenient() {
	conf 'lenient = true' 'no_such_key = 1' 'nor_this = "x"'
	run_fg le sh -c 'exit 7' >"$T/out" 2>&1
	is "status ($(cat "$T/out"))" $? 0
	is status "$(run_fg le2 sh -c 'exit 7' >/dev/null 2>&1; echo $?)" 7
	has "the log" "$(cat "$T/ctd/log")" no_such_key
	has "the log" "$(cat "$T/ctd/log")" nor_this
	nothing_left
	conf 'no_such_key = 1'
	has "the error without it" "$(run_fg le3 true 2>&1)" no_such_key
	c container delete le3
	nothing_left
	conf
}

# 13.26: the forms of TOML that people have.
case_forms_of_toml() {
	printf '\xef\xbb\xbflog_level = "info"\nrunsc_config = { network = "none" }\n' \
	    >"$T/runsc.toml"
	run_fg ft1 sh -c 'exit 7'
	is "status with a byte order mark and a table in line" $? 7
	printf 'binary_name = """\\\n  %s"""\n[runsc_config]\nnetwork = "none"\n' \
	    "$RUNSC" >"$T/runsc.toml"
	run_fg ft2 sh -c 'exit 8'
	is "status with a string of several lines" $? 8
	nothing_left
	conf
}

# notices TEXT MODE: a runsc that prints at each of its commands
notices() {
	local out

	wrapper noisy "$1"
	conf "binary_name = \"$T/noisy\"" "control_socket = \"$2\""
	pod "$P"
	sub "$P" k sh -c 'sleep 1; exit 5'
	has metrics "$(c task metrics "$P" 2>&1)" pids.current
	is "pids" "$(c task ps "$P" | tail -n +2 | wc -l)" 1
	# Its output is the exec's, so is what it prints.
	out=$(ex --exec-id x "$P" sh -c 'echo out; exit 4')
	is "status of an exec" $? 4
	is "its output" "${out##*$'\n'}" out
	until_true 10 is_status k STOPPED || why "k did not stop"
	is "status of k" "$(delete_status k)" 5
	c container delete k
	gone "$P"
	nothing_left
	conf
}

# 13.15
case_notice_on_stderr() {
	notices 'echo "warning: this is an old release" >&2' auto
	notices 'echo "warning: this is an old release" >&2' off
}

case_notice_on_stdout() {
	notices 'echo "warning: this is an old release"' off
}

case_log_to_stderr() {
	notices 'set -- --alsologtostderr=true --debug=true "$@"' off \
	    2>/dev/null
}

# full_bundle ID: one that has more in it than lib.sh's; `edit` changes it
full_bundle() {
	used "$1"
	mkdir -p "$T/b/$1"
	cat >"$T/b/$1/config.json" <<-E
	{ "ociVersion": "1.0.2",
	  "process": { "terminal": false, "user": { "uid": 0, "gid": 0 },
	    "args": ["/bin/sleep", "1000"],
	    "env": ["PATH=/bin"], "cwd": "/", "rlimits": [],
	    "capabilities": { "bounding": ["CAP_KILL"],
	      "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"] } },
	  "root": { "path": "$ROOTFS", "readonly": true },
	  "hostname": "says", "hooks": {},
	  "mounts": [ { "destination": "/proc", "type": "proc",
	    "source": "proc" } ],
	  "linux": { "namespaces": [ { "type": "pid" }, { "type": "ipc" },
	    { "type": "uts" }, { "type": "mount" } ] } }
	E
}

# edit ID OLD NEW
edit() {
	local f=$T/b/$1/config.json old=$2 new=$3 text

	text=$(cat "$f")
	[ "$text" != "${text/"$old"/"$new"}" ] || why "$old is not in it"
	printf '%s' "${text/"$old"/"$new"}" >"$f"
}

# What the shim says of a bundle that cannot be run, without its own words.
fault_of() {
	ctl run --shim "$SHIM" --config "$T/runsc.toml" "$T/b/$1" "$1" 2>&1
}

# What is wrong, in what it is replaced by, and what must be in the first
# sentence of the error.
FAULTS='a mount of nothing|"mounts": [|"mounts": [ { "destination": "/x",
 "type": "bind", "source": "/no/such/source", "options": ["bind"] },
|/no/such/source
an environment without =|"PATH=/bin"|"PATH=/bin", "NOVALUE"|NOVALUE
no arguments|"args": ["/bin/sleep", "1000"],|"args": [],|rgs
a program that is not there|/bin/sleep|/bin/not-there|/bin/not-there
a program that is none|/bin/sleep|/etc|/etc
a directory that is no directory|"cwd": "/"|"cwd": "/bin/busybox"|
/bin/busybox
a mount of nothing, in the deep|"mounts": [|"mounts": [ { "destination": "/x",
 "type": "bind", "source": "/no/DEEP/source", "options": ["bind"] },
|no such file
a root that is not there|"path": "ROOT"|"path": "/no/such/root"|root
a limit of no name|"rlimits": []|"rlimits": [ { "type": "RLIMIT_ODD", "hard": 1,
 "soft": 1 } ]|RLIMIT_ODD
a hook that fails|"hooks": {}|"hooks": { "createRuntime": [ { "path":
 "/no/such/hook" } ] }|/no/such/hook
a hook with a status|"hooks": {}|"hooks": { "prestart": [ { "path":
 "/bin/false" } ] }|/bin/false'

# 13.16: the cause is in the first of what the error says, whatever runsc says
# before and after it.
case_causes() {
	local what old new want out n=0 deep

	deep=$(printf '%0200d' 0)

	while IFS='|' read -r -d $'\n' what old new want; do
		n=$((n + 1))
		full_bundle "f$n"
		edit "f$n" "$(printf '%b' "${old//ROOT/$ROOTFS}")" \
		    "$(printf '%b' "${new//DEEP/$deep}")"
		out=$(fault_of "f$n")
		is "status of $what ($out)" $? 1
		has "the cause of $what" "${out%%; *}" "$want"
	done < <(printf '%s\n' "$FAULTS" | awk '
		/^ |^\|/ || open { line = line $0; open = 0
		    if (line ~ /\|$/) open = 1; next }
		{ if (line != "") print line; line = $0
		    if (line ~ /\|$/) open = 1 }
		END { print line }')
	is "number of faults" "$n" 11
	nothing_left
}

# Flags that runsc refuses, which it says on standard error alone.
case_flags_refused() {
	local flag out

	for flag in 'nosuchflag = "1"' 'network = "nope"' 'platform = "odd"'; do
		printf '[runsc_config]\n%s\n' "$flag" >"$T/runsc.toml"
		used fr
		out=$(run -d --rootfs "$ROOTFS" fr true 2>"$T/err" </dev/null) &&
		    why "$flag: it ran"
		out=$(grep '^ctr: ' "$T/err")
		flag=${flag%% *}
		case $flag in
		network) flag=nope ;;
		platform) flag=odd ;;
		esac
		has "the error" "$out" "$flag"
		c container delete fr >/dev/null 2>&1
	done
	nothing_left
	conf
}

# 13.16: the same of an exec.
case_causes_of_execs() {
	run_bg ce sleep 1000 || why "it did not start"
	has "no program" "$(ex --exec-id a ce /bin/not-there 2>&1)" \
	    /bin/not-there
	has "no directory" "$(ex --exec-id b --cwd /no/such/dir ce /bin/true \
	    2>&1)" /no/such/dir
	has "a directory" "$(ex --exec-id d ce /etc 2>&1)" /etc
	has "no value" "$(ctl exec --env NOVALUE ce true 2>&1)" NOVALUE
	has "no program for a script" "$(ex --exec-id f ce /bin/not-there -c \
	    "$(printf '%05000d' 0)" 2>&1 | grep ^ctr)" "no such file"
	is "a good one" "$(ex --exec-id e ce echo good)" good
	gone ce
	nothing_left
}

# 13.17: a runsc that cannot be run is told with its path and errno's own code.
case_no_runsc() {
	local name want out

	printf 'text' >"$T/text"
	mkdir -p "$T/dir"
	cp "$T/text" "$T/program"
	chmod 755 "$T/program"
	for name in none text dir program; do
		case $name in
		none) want="No such file or directory: not found" ;;
		program) want="Exec format error: invalid argument" ;;
		*) want="Permission denied" ;;
		esac
		conf "binary_name = \"$T/$name\""
		out=$(run_fg "nr-$name" true 2>&1) && why "$name: it ran"
		has "the error of $name" "$out" "$want"
		has "the error of $name" "$out" "$T/$name"
		c container delete "nr-$name" >/dev/null 2>&1
	done
	nothing_left
	conf
}

# 13.18: an address is that of a shim that serves.
case_start_answers() {
	local long out b=$T/b/sa

	long=$(printf '%0300d' 0)
	full_bundle sa
	for where in "$SOCK" "/$long" "$long"; do
		out=$(cd "$b" && TTRPC_ADDRESS=$where GRPC_ADDRESS=$SOCK \
		    "$SHIM" -namespace "$NS" -id sa -address "$SOCK" start \
		    2>"$T/err") || {
			[ -z "$out" ] || why "a failed start prints $out"
			[ -s "$T/err" ] || why "it fails and says nothing"
			continue
		}
		is "what it warns of" "$(cat "$T/err")" ""
		ctl --address "${out#unix://}" shutdown sa ||
		    why "nobody is at $out"
		until_true 5 test ! -S "$(socket_of sa)" || why "it stays"
	done
	rm -rf "$b"
	nothing_left
}

# 13.19: what the log directory and the root of runsc are called is nobody's
# flag.
case_detach_in_names() {
	local d=$T/logs/ns_detach-me_1

	mkdir -p "$d"
	conf "root = \"$T/detached\""
	pod "$P" --annotation "$CRI.sandbox-log-directory=$d"
	is "an exec" "$(ex --exec-id detach "$P" sh -c 'echo out; exit 4')$?" \
	    out4
	gone "$P"
	nothing_left
	conf
}

# logger NAME TEXT: a logging binary
logger() {
	printf '#!/bin/sh\n%s\n' "$2" >"$T/$1"
	chmod 755 "$T/$1"
}

# 13.22: output that nobody would read fails Create.
case_no_logger() {
	local name out

	logger ends 'exit 3'
	logger not_ready 'exec 5>&-; exit 1'
	printf 'text' >"$T/no_program"
	for name in missing ends no_program; do
		used "nl-$name"
		out=$(run -d --log-uri "binary://$T/$name" --rootfs "$ROOTFS" \
		    "nl-$name" sleep 1000 2>&1 </dev/null) &&
		    why "$name: it runs"
		has "the error of $name" "$out" "$T/$name"
		is "tasks" "$(c task ls -q)" ""
		c container delete "nl-$name" >/dev/null 2>&1
	done
	nothing_left
}

# 13.23: who reads may be another than who was started.
case_logger_leaves() {
	logger leaves "(cat <&3 >$T/ll.log) & exec 5>&-; exit 0"
	used ll
	run --rm --log-uri "binary://$T/leaves" --rootfs "$ROOTFS" ll \
	    sh -c 'head -c 100000 /dev/zero' </dev/null || why "it failed"
	until_true 10 has_size "$T/ll.log" 100000 ||
	    why "$(wc -c <"$T/ll.log") of 100000 bytes came"
	nothing_left
}

has_size() {
	[ "$(wc -c <"$1")" = "$2" ]
}

# 13.24: the size that is in config.json is there from the first instruction;
# so is an exec's.
case_console_size() {
	full_bundle cs
	edit cs '"terminal": false' \
	    '"terminal": true, "consoleSize": { "height": 31, "width": 101 }'
	edit cs '"/bin/sleep", "1000"' '"/bin/sh", "-c", "stty size; exec sleep 99"'
	ctl start-shim --shim "$SHIM" --config "$T/runsc.toml" "$T/b/cs" cs \
	    >/dev/null || why "start-shim failed"
	ctl create --config "$T/runsc.toml" --stdout "file://$T/cs.log" \
	    "$T/b/cs" cs || why "create failed"
	ctl start cs || why "start failed"
	until_true 5 grep -q . "$T/cs.log" || why "it says nothing"
	is "its size" "$(tr -d '\r' <"$T/cs.log")" "31 101"
	ctl exec -d --exec e cs sh -c 'stty size <&1 2>&1 | cat >/dev/null' \
	    >/dev/null
	ctl kill cs KILL
	ctl wait cs >/dev/null
	ctl delete cs >/dev/null
	nothing_left
}

# A terminal whose output nobody wants stops nobody.
case_terminal_unread() {
	run_bg tu sleep 1000 || why "it did not start"
	ctl exec -d -t tu sh -c 'head -c 200000 /dev/zero; touch /tmp/done' \
	    >/dev/null || why "exec failed"
	until_true 20 ctl exec tu test -e /tmp/done || why "it has stopped"
	gone tu
	nothing_left
}

# 13.27: forty who ask the same at once are all told.
case_many_ask() {
	local i pids=() mode

	for mode in auto off; do
		conf "control_socket = \"$mode\""
		run_bg ma sleep 1000 || why "it did not start"
		for ((i = 0; i < 40; i++)); do
			ctl stats ma >/dev/null 2>"$T/err-$i" &
			pids+=($!)
			ctl ps ma >/dev/null 2>"$T/err-$i" &
			pids+=($!)
		done
		for i in "${pids[@]}"; do
			wait "$i" || why "one was refused: $(cat "$T"/err-*)"
		done
		pids=()
		gone ma
	done
	nothing_left
	conf
}

# greedy ARGUMENTS...: it stays until greedy_end
greedy() {
	mkfifo "$T/hold"
	python3 "$GREEDY" "$@" <"$T/hold" >"$T/greedy" &
	GREEDY_PID=$!
	exec 7>"$T/hold"
	until_true 20 grep -q . "$T/greedy" || why "it cannot do $*"
}

greedy_end() {
	exec 7>&-
	wait "$GREEDY_PID"
	rm "$T/hold"
}

# 13.28: connections that ask nothing give way to one that does.
case_idle_clients() {
	run_bg ic sleep 1000 || why "it did not start"
	greedy idle "$(socket_of ic)" 600
	has "another's answer" "$(ctl --timeout 10 state ic)" running
	is "containerd's" "$(status ic)" RUNNING
	greedy_end
	gone ic
	nothing_left
}

# 13.29: who asks and reads nothing costs a few MiB, and nobody else waits.
case_greedy_client() {
	local rss

	run_bg gc sleep 1000 || why "it did not start"
	greedy unread "$(socket_of gc)" gc
	has "another's answer" "$(ctl --timeout 10 state gc)" running
	rss=$(awk '/^VmHWM/ { print $2 }' "/proc/$(shim_pid gc)/status")
	[ "$rss" -lt 40000 ] || why "the shim has had $rss KiB"
	greedy_end
	gone gc
	nothing_left
}

# 13.30: a specification with thousands of hints and mounts stops nobody else of
# the pod.  runsc may refuse it; what is looked at is the others' answers.
case_huge_specification() {
	local pid late=0

	conf "kubelet_root = \"$T/kubelet\""
	NOTES=$(notes sandbox "$P") bundle "$P" false sleep 1000
	start_shim "$P" >/dev/null || why "no shim"
	ctl_create "$P" || why "create failed"
	ctl start "$P" || why "start failed"
	NOTES=$(notes container "$P") bundle hs false true
	python3 - "$T/b/hs/config.json" "$T/kubelet" <<-'E'
	import json, sys
	spec = json.load(open(sys.argv[1]))
	source = sys.argv[2] + "/pods/u/volumes/kubernetes.io~empty-dir/v%d"
	for i in range(9000):
	    spec["annotations"]["dev.gvisor.spec.mount.v%d.type" % i] = "bind"
	spec["mounts"] += [{"destination": "/m/%d" % i, "type": "bind",
	    "source": source % i, "options": ["bind"]} for i in range(3000)]
	json.dump(spec, open(sys.argv[1], "w"))
	E
	ctl --address "$(socket_of "$P")" --timeout 100 create --config \
	    "$T/runsc.toml" "$T/b/hs" hs >"$T/hs" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		ctl --timeout 1 state "$P" >/dev/null 2>&1 || late=$((late + 1))
	done
	is "answers that were late" "$late" 0
	wait "$pid"
	ctl --address "$(socket_of "$P")" delete hs >/dev/null 2>&1
	ctl kill "$P" KILL
	ctl wait "$P" >/dev/null
	ctl delete "$P" >/dev/null
	nothing_left
	conf
}

# 13.31: as many execs as there is memory for, under a soft limit that is too
# small for them.
case_open_files() {
	local i n=120 pids=()

	full_bundle of
	(
		ulimit -Sn 128
		ctl start-shim --shim "$SHIM" --config "$T/runsc.toml" \
		    "$T/b/of" of >/dev/null
	) || why "start-shim failed"
	ctl create --config "$T/runsc.toml" "$T/b/of" of || why "create failed"
	ctl start of || why "start failed"
	for ((i = 0; i < n; i++)); do
		ctl exec -d --exec "e$i" of sleep 1000 >/dev/null 2>"$T/err-$i" &
		pids+=($!)
		[ $((i % 10)) != 9 ] || wait "${pids[@]}"
	done
	wait "${pids[@]}"
	is "what execs say" "$(cat "$T"/err-* | head -n 3)" ""
	is "processes" "$(ctl ps of | grep -c ' e[0-9]*$')" $n
	ctl kill of KILL
	ctl wait of >/dev/null
	ctl delete of >/dev/null
	nothing_left
}

begin_with_shimctl
run_cases
