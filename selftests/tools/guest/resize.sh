#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hugespan pool grow and shrink, for real, in a guest: what was asked for, or a
# clear end that says how far it got and what was in the way.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../include/cli.sh
source "$(dirname "$(realpath "$0")")/../include/cli.sh"

sysfs=/sys/kernel/hugespan

units() {
	cat "$sysfs/nr_units"
}

# The runner's pool, whatever a point did to it.
restore() {
	echo 128 >"$sysfs/nr_target"
}

there_and_back() {
	restore
	hs 0 pool grow 64M
	(($(units) == 160))
	has '320 MiB'
	err_has 'grown by 64 MiB of 64 MiB'
	hs 0 pool grow 3M --node 0
	(($(units) == 162))
	hs 0 pool shrink 68M
	(($(units) == 128))
	err_has 'shrunk by 68 MiB of 68 MiB'
	hs 0 pool shrink 1G
	(($(units) == 0))
	hs 0 pool
	has '0 B'
	hs 0 pool grow 256M
	hs 0 run --backend device -- bash -c :
}

# More than there is: how much came, and why not more.
too_large() {
	restore
	hs 1 pool grow 100G
	err_has ' of 100 GiB'
	grep -qE 'cap_percent is 80|head-room|no huge page left' "$err"
	(($(units) > 200))
	hs 0 stat
	hs 0 doctor
	restore
}

# Not what a program holds.
in_use() {
	restore
	hs 0 pool shrink 192M
	local holder
	"$build/hugespan" run --backend device -- \
		bash -c 'echo up; sleep 100' >"$work/up" &
	holder=$!
	for _ in {1..100}; do
		[[ ! -s $work/up ]] || break
		sleep 0.1
	done
	hs 1 pool shrink 1G
	err_has 'the rest is in use'
	err_has 'stat --all'
	(($(units) > 0))
	kill "$holder"
	wait "$holder" || true
	hs 0 pool shrink 1G
	restore
}

# What was got stays; the command says how much that is.
interrupted() {
	restore
	local pid status=0
	timeout 60 "$build/hugespan" pool grow 400M >"$out" 2>"$err" &
	pid=$!
	for _ in {1..200}; do
		(($(units) == 128)) || break
		sleep 0.02
	done
	pkill -INT -P "$pid" hugespan || skip "it was done too soon"
	wait "$pid" || status=$?
	((status == 1)) || skip "it was done too soon"
	err_has 'grown by '
	err_has 'interrupted'
	(($(units) > 128 && $(units) < 328))
	restore
}

only_root() {
	restore
	prog 1 setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$build/hugespan" pool grow 64M
	err_has "only root may change the pool's size"
	err_has "pool grow 64M"
	(($(units) == 128))
}

point 'grow, shrink, to nothing and back' there_and_back
point 'more than there is' too_large
point 'what is in use stays' in_use
point 'interrupted' interrupted
point 'only root may' only_root
finish
