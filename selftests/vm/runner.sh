#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The guest runner itself. A runner that swallowed an exit status, a time-out or
# a kernel warning would turn every guest test into one that cannot fail.
set -euo pipefail

top=$(dirname "$(realpath "$0")")/../..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nr=0
failed=0

# The runner's temporary files go here, so what it leaves behind can be seen.
export TMPDIR=$work/tmp
mkdir "$TMPDIR"

guest() {
	local status=0
	"$top/tools/vm" run --mem 512M "$@" >"$work/out" 2>"$work/err" \
		</dev/null || status=$?
	return "$status"
}

bare() {
	guest --no-insmod "$@"
}

# expect STATUS NAME FUNCTION ARG...: a test point; its output when it fails.
expect() {
	local wanted=$1 name=$2 got=0
	shift 2
	nr=$((nr + 1))
	: >"$work/out"
	: >"$work/err"
	"$@" || got=$?
	if ((got == wanted)); then
		printf 'ok %d %s\n' "$nr" "$name"
		return
	fi
	failed=1
	sed 's/^/# /' "$work/out" "$work/err"
	printf '# exit status %d, wanted %d\n' "$got" "$wanted"
	printf 'not ok %d %s\n' "$nr" "$name"
}

# Both streams come out whole, in order and apart, binary and large.
streams() {
	local script='for ($i = 0; $i < 40000; $i++) { print pack "C*", 0 .. 255 }
		print STDERR "only this"'
	bare -q -- perl -e "$script" || return 1
	perl -e "$script" 2>"$work/wanted-err" >"$work/wanted"
	cmp "$work/out" "$work/wanted" && cmp "$work/err" "$work/wanted-err"
}

# What a file says in the guest is what it said here.
put() {
	printf 'hello\n' >"$work/file"
	bare --put "$work/file:some/name" -- cat /hs-files/some/name &&
		[[ $(cat "$work/out") == hello ]]
}

# Files come back, also when the command failed.
out() {
	local status=0
	bare --out "$work/back" -- \
		sh -c 'mkdir /hs-out/d && echo 1 >/hs-out/d/f; exit 9' || status=$?
	((status == 9)) && [[ $(cat "$work/back/d/f") == 1 ]]
}

# A process in the background holds the pipe; the run must end all the same.
background() {
	bare --timeout 60 -- sh -c 'sleep 1000 & echo done' &&
		[[ $(cat "$work/out") == done ]]
}

# Options that change the machine change it.
machine() {
	bare --cpus 2 --nodes 2 --nvme 16M --hugetlb 4 --env A=b -- sh -ec '
		test "$(cat /sys/devices/system/node/online)" = 0-1
		test "$(blockdev --getsize64 /dev/nvme0n1)" = 16777216
		test "$(cat /proc/sys/vm/nr_hugepages)" = 4
		test "$A" = b
		ip -o link show lo | grep -q LOWER_UP'
}

no_module() {
	printf 'no module\n' >"$work/hugespan.ko"
	guest --module "$work/hugespan.ko" -- true
}

# Nothing of all these guests is left: no file, and no process with one open.
clean() {
	[[ -z $(ls -A "$TMPDIR") ]] &&
		! grep -qs "$TMPDIR" /proc/[0-9]*/cmdline
}

say_in_log() {
	printf 'echo "<4>%s" >/dev/kmsg' "$1"
}

warning='WARNING: CPU: 0 PID: 1 at test'
echo "TAP version 13"
echo 1..16
expect 0 'success is 0' bare -- true
expect 7 'an exit status is passed on' bare -- sh -c 'exit 7'
expect 137 'a signal is 128 + its number' bare -- sh -c 'kill -9 $$'
expect 127 'a missing command is 127' bare -- /no/such/command
expect 124 'a time-out is 124' bare --timeout 3 -- sleep 1000
expect 125 'a kernel warning is 125' bare -- sh -c "$(say_in_log "$warning")"
expect 0 'an expected line is none' \
	bare --expect-kernel-log 'at test' -- sh -c "$(say_in_log "$warning")"
expect 125 'an expected line that is not there is 125' \
	bare --expect-kernel-log 'at test' -- true
expect 125 'a kernel crash is 125' bare -- sh -c 'echo c >/proc/sysrq-trigger'
expect 125 'a module that does not load is 125' no_module
expect 0 'output is whole, in order and apart' streams
expect 0 '--put brings a file' put
expect 0 '--out takes files back' out
expect 0 'a process in the background stops nothing' background
expect 0 'options change the machine' machine
expect 0 'nothing is left behind' clean
exit "$failed"
