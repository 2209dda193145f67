#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hugespan pool: what is loaded is what was asked for, or nothing is. All of it
# with --print or on a made-up system: nothing is loaded here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=include/cli.sh
source "$(dirname "$(realpath "$0")")/include/cli.sh"

# As fake_root, with the module installed but not loaded.
unloaded_root() {
	fake_root
	rm -r "$root/sys/kernel/hugespan" "$root/proc/modules"
	put /lib/modules/6.1.0-test/modules.dep 'extra/hugespan.ko:'
}

shows() {
	fake_root
	fake_pool 1 10 10 0 0 3
	on_root hs 0 pool
	grep -qE '^0 +512 MiB ' "$out"
	grep -qE '^1 +20 MiB +20 MiB +20 MiB +0 B +0 B +16 MiB$' "$out"
	on_root hs 0 pool --json
	json '.pool.nodes[1].size_bytes == 20971520'
}

not_loaded() {
	mkdir "$root"
	on_root hs 1 pool
	err_has "$(sudo_line "fix: sudo $build/hugespan pool load 512M")"
	on_root hs 1 pool unload
	err_has 'is not loaded'
}

load_line() {
	unloaded_root
	on_root hs 0 pool load 512M --print
	[[ $(cat "$out") == 'modprobe hugespan pool=512M' ]]
	on_root hs 0 pool --print load 0:512M,1:256m
	[[ $(cat "$out") == 'modprobe hugespan pool=0:512M,1:256m' ]]
	on_root hs 0 pool load 2G --print --headroom 1G --cap-percent 50
	[[ $(cat "$out") == \
		'modprobe hugespan pool=2G headroom=1G cap_percent=50' ]]
	on_root hs 0 pool load 2G --print --floor 0:1G,1:0
	[[ $(cat "$out") == 'modprobe hugespan pool=2G floor=0:1G,1:0' ]]
	on_root hs 0 pool load 2G --print --floor 0
	[[ $(cat "$out") == 'modprobe hugespan pool=2G floor=0' ]]
	printf '\0vermagic=6.1.0-test SMP\0' >"$work/my.ko"
	on_root hs 0 pool load 2G --print --module "$work/my.ko"
	[[ $(cat "$out") == "insmod $work/my.ko pool=2G" ]]
}

# Beside the command, where `make modules` puts it.
built_line() {
	unloaded_root
	rm -r "${root:?}/lib"
	mkdir -p "$work/tree/kmod/6.1.0-test"
	cp -P "$build"/hugespan "$build"/libhugespan*.so* "$work/tree/"
	printf '\0vermagic=6.1.0-test SMP\0' \
		>"$work/tree/kmod/6.1.0-test/hugespan.ko"
	on_root prog 0 "$work/tree/hugespan" pool load 1G --print
	[[ $(cat "$out") == \
		"insmod $work/tree/kmod/6.1.0-test/hugespan.ko pool=1G" ]]
}

# Nothing that the module would refuse gets as far as the module.
bad_sizes() {
	unloaded_root
	local size
	for size in '' 0 0K x 512X -1 1.5G ' 1G' '1G ' 1GG 0x100M G \
		99999999999999999999 99999999999999T 1G,2G 0:1G,2G 1G,1:2G \
		0:1G,0: 0: :1G '0:1G,' ',0:1G' a:1G 12345:1G; do
		on_root hs 2 pool load "$size" --print
		err_has 'hugespan pool: '
		err_has "Try 'hugespan pool --help'."
	done
	on_root hs 2 pool load
	on_root hs 2 pool load 1G 2G
	on_root hs 2 pool unload now
	on_root hs 2 pool load 1G --headroom lots
	on_root hs 2 pool load 1G --cap-percent half
	on_root hs 2 pool load 1G --floor low
	on_root hs 2 pool frobnicate
}

wrong_kernel() {
	unloaded_root
	printf '\0vermagic=5.10.0 SMP\0' >"$work/old.ko"
	on_root hs 1 pool load 1G --print --module "$work/old.ko"
	err_has 'is built for kernel 5.10.0, this is 6.1.0-test'
	on_root hs 1 pool load 1G --print --module "$work/none.ko"
	err_has 'No such file'
	rm -r "${root:?}/lib"
	on_root hs 1 pool load 1G --print
	err_has 'no hugespan.ko for the running kernel, 6.1.0-test'
	err_has 'make modules'
}

loaded_already() {
	fake_root
	on_root hs 1 pool load 1G --print
	err_has 'loaded already'
	err_has "$(sudo_line "fix: sudo $build/hugespan pool unload && ")"
	err_has "$(sudo_line "&& sudo $build/hugespan pool load 1G")"
}

# A module whose pool can change its size: 512 MiB of two nodes.
sizable_root() {
	fake_root
	fake_pool 1 10 10 0 0 3
	put /sys/kernel/hugespan/nr_units 266
	put /sys/kernel/hugespan/nr_target 266
	put /sys/kernel/hugespan/node1/nr_target 10
}

# By how much, in whole units; what is there already is read.
resize_line() {
	local all=/sys/kernel/hugespan
	sizable_root
	on_root hs 0 pool grow 64M --print
	[[ $(cat "$out") == "echo 298 > $all/nr_target" ]]
	on_root hs 0 pool --print grow 1
	[[ $(cat "$out") == "echo 267 > $all/nr_target" ]]
	on_root hs 0 pool grow 1G --node 1 --print
	[[ $(cat "$out") == "echo 522 > $all/node1/nr_target" ]]
	on_root hs 0 pool shrink 3M --print
	[[ $(cat "$out") == "echo 264 > $all/nr_target" ]]
	on_root hs 0 pool shrink 1T --print --node=1
	[[ $(cat "$out") == "echo 0 > $all/node1/nr_target" ]]
}

resize_refusals() {
	sizable_root
	local size
	for size in '' 0 x 512X -1 1.5G ' 1G' 99999999999999999999 0:1G; do
		on_root hs 2 pool grow "$size" --print
		on_root hs 2 pool shrink "$size" --print
	done
	on_root hs 2 pool grow
	on_root hs 2 pool shrink 1G 2G
	on_root hs 2 pool grow 1G --node x
	on_root hs 2 pool grow 1G --node ../node1
	on_root hs 2 pool resize 1G
	err_has "pool grow SIZE"
	on_root hs 1 pool grow 1G --node 7
	err_has 'node 7 has no pool'
	# With a made-up system nothing is changed.
	on_root hs 1 pool grow 1G
	err_has 'nothing is changed'
	[[ $(cat "$root/sys/kernel/hugespan/nr_target") == 266 ]]
	# A module from before.
	fake_root
	on_root hs 1 pool grow 1G
	err_has "cannot change its pool's size"
	rm -r "$root"
	mkdir "$root"
	on_root hs 1 pool shrink 1G
	err_has 'is not loaded'
}

unload() {
	fake_root
	on_root hs 0 pool unload --print
	[[ $(cat "$out") == 'rmmod hugespan' ]]
	put /proc/modules 'hugespan 45056 2 - Live 0x0'
	put /proc/77/comm holder
	put /proc/77/fdinfo/5 "$(printf 'hugespan-owner-id:\t1')"
	put /proc/77/maps ''
	on_root hs 1 pool unload
	err_has 'in use'
	err_has 'process 77 (holder)'
}

# Without root it says so; with a made-up system it touches the real one never.
rights() {
	unloaded_root
	on_root hs 1 pool load 1G
	err_has 'nothing is changed'
	fake_root
	on_root hs 1 pool unload
	err_has 'nothing is changed'
	((EUID == 0)) || return 0
	local release
	release=$(uname -r)
	if grep -q '^hugespan ' /proc/modules; then
		skip "the module is loaded on this machine"
	fi
	mkdir -p "$work/for-all"
	cp -P "$build"/hugespan "$build"/libhugespan*.so* "$work/for-all/"
	printf '\0vermagic=%s SMP\0' "$release" >"$work/for-all/hugespan.ko"
	chmod 755 "$work" "$work/for-all"
	prog 1 setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$work/for-all/hugespan" pool load 1G \
		--module "$work/for-all/hugespan.ko"
	err_has 'only root may load the module'
	err_has "fix: sudo $work/for-all/hugespan pool load 1G"
	sizable_root
	chmod -R a+rX "$root"
	on_root prog 1 setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$work/for-all/hugespan" pool grow 1G
	err_has 'nothing is changed'
}

# The kernel's refusal comes through. No kernel takes this file.
insmod_fails() {
	((EUID == 0)) || skip "only root gets that far"
	command -v insmod >/dev/null || skip "insmod is not installed"
	if grep -q '^hugespan ' /proc/modules; then
		skip "the module is loaded on this machine"
	fi
	printf '\0vermagic=%s SMP\0' "$(uname -r)" >"$work/no.ko"
	hs 1 pool load 1G --module "$work/no.ko"
	err_has 'insmod failed with exit code'
}

point 'the pool of each node' shows
point 'no module: how to load it' not_loaded
point 'load: the command line, by modprobe and insmod' load_line
point 'load: the module of the build tree' built_line
point 'sizes and arguments that are refused' bad_sizes
point 'a module for another kernel, or none' wrong_kernel
point 'load when loaded' loaded_already
point 'grow and shrink: what is written where' resize_line
point 'grow and shrink: what is refused' resize_refusals
point 'unload, and who is in the way' unload
point 'who may load' rights
point "the kernel's refusal" insmod_fails
finish
