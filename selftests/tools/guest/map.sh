#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hugespan map on the module itself: the map is the pool that the other commands
# know.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../include/cli.sh
source "$(dirname "$(realpath "$0")")/../include/cli.sh"

mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug

with_a_program() {
	local holder owned
	"$build/hugespan" run --backend device -- \
		bash -c 'echo up; sleep 100' >"$work/up" &
	holder=$!
	for _ in {1..100}; do
		[[ ! -s $work/up ]] || break
		sleep 0.1
	done
	hs 0 map
	has 'node 0: 256 MiB, a character is 2 MiB'
	grep -qE '^  A  [0-9]+ MiB in [0-9]+ spans?: process [0-9]+ ' "$out"
	hs 0 map --json
	owned=$(jq '[.nodes[].runs[] | select(.state == "granted").size_bytes] | add' "$out")
	((owned > 0))
	json '[.nodes[].runs[] | select(.state == "granted") | .pid] | all(. > 0)'
	hs 0 pool --json
	json ".pool.total.granted_bytes == $owned"
	kill "$holder"
	wait "$holder" || true
}

not_for_all() {
	prog 1 setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$build/hugespan" map
	err_has 'for root to see'
}

point 'a program is in the map' with_a_program
point 'not for everybody' not_for_all
finish
