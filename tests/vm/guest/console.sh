#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
# Containers that have the console of the machine for a terminal.  What follows
# "TYPE: " on it is typed there by tests/vm/initramfs.sh, once the container
# asks for it.
# shellcheck source=tests/vm/guest/lib.sh
. /etc/vm/lib.sh

ASK='test -t 0 && stty size; echo TYPE: hello; read a; [ $a = hello ] && exit 3'

# run -t hands the console on, and it is a terminal inside, with the size that
# it has outside.
case_console() {
	stty rows 40 cols 100
	TTY=true
	bundle main "\"/bin/sh\", \"-c\", \"$ASK\""
	shimctl run -t --config "$CONF" /b/main main
	is status $? 3
}

# exec -t is a shell in a container that runs, on the same console.
case_shell() {
	TTY=false
	begin box
	shimctl exec -t box /bin/sh -c \
	    'test -t 0 && stty size; echo TYPE: exit 4; exec sh'
	is status $? 4
	gone box
	until_true 10 no_shims || why "a shim is left"
}

run_cases /etc/vm/main.sh </dev/console
poweroff -f
