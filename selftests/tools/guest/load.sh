#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hugespan pool load and unload, for real, in a guest. The command has the
# library in it, which opens the device: it must not be what keeps the module
# from being unloaded.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../include/cli.sh
source "$(dirname "$(realpath "$0")")/../include/cli.sh"

module=/hs-module/hugespan.ko

loaded() {
	grep -q '^hugespan ' /proc/modules
}

load() {
	hs 0 pool load "$@" --module "$module"
	loaded
}

unload() {
	hs 0 pool unload
	if loaded; then
		echo "still loaded"
		return 1
	fi
}

# The runner has loaded it.
round_trip() {
	unload
	local i
	for i in 64M 0:32M 100000K; do
		load "$i"
		grep -qE '^0 +[0-9.]+ MiB ' "$out"
		hs 0 pool --json
		json '.pool.total.free_bytes == .pool.total.size_bytes'
		hs 1 pool load 64M --module "$module"
		err_has 'loaded already'
		unload
	done
	hs 1 pool unload
	err_has 'not loaded'
}

# As long as the module is there a program may use it: in between, too.
used_between() {
	load 64M
	hs 0 run --backend device -- bash -c :
	hs 0 stat --all
	unload
}

# Too large: what is safe, how much that is, and why.
too_large() {
	load 100G
	err_has 'of the 100 GiB asked for'
	err_has 'kernel: hugespan: node 0: '
	hs 0 doctor
	grep -qE '^WARN +pool +the pool has .* of the 100 GiB asked for' "$out"
	unload
	load 1G --cap-percent 10
	err_has 'of the 1 GiB asked for'
	unload
}

refused() {
	hs 1 pool load 64M --headroom 100G --module "$module"
	err_has 'insmod failed'
	err_has 'kernel: hugespan: '
	hs 1 pool load 99:64M --module "$module"
	err_has 'kernel: hugespan: pool=: there is no node 99 with memory'
	hs 1 pool load 64M --cap-percent 1000 --module "$module"
	err_has 'kernel: hugespan: cap_percent=1000: must be 1 to'
	if loaded; then
		echo "loaded all the same"
		return 1
	fi
}

point 'load, show, unload' round_trip
point 'unload after programs used it' used_between
point 'a pool that is too large' too_large
point "what the module refuses, in the module's words" refused
finish
