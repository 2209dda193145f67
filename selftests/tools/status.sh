#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hugespan status: works for anybody on any machine, and tells what there is
# from what there is not. A status that needs root, or the module, is no help
# to those who look for the reason.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=include/cli.sh
source "$(dirname "$(realpath "$0")")/include/cli.sh"

without_module() {
	mkdir "$root"
	on_root hs 0 status
	has 'not usable: the module is not loaded'
	has "'$build/hugespan doctor'"
	has plain
	on_root hs 0 status --json
	json '.device.loaded == false and .device.usable == false
		and .device.api_version == null and .pool == null'
	json '.backend.name as $b | [.backends[] | select(.usable) | .name]
		| index($b) != null'
	json '[.backends[].name] == ["device", "hugetlb", "thp", "plain"]'
	json '[.backends[] | select(.usable | not) | .reason | length > 0] | all'
	json '.cache.mode | IN("rseq", "locked", "off")'
	json '.preloaded == false'
}

with_module() {
	fake_root
	fake_pool 1 100 0 90 10 -1
	on_root hs 0 status
	has 'API version 1, unit 2 MiB, 2 nodes'
	has 'the node does not exist, though the module is loaded'
	grep -qE '^ +0 +512 MiB +384 MiB +384 MiB +128 MiB +0 B +256 MiB$' "$out"
	grep -qE '^ +1 +200 MiB +0 B +0 B +180 MiB +20 MiB +0 B$' "$out"
	grep -qE '^ +all +712 MiB +384 MiB +384 MiB +308 MiB +20 MiB +256 MiB$' \
		"$out"
	on_root hs 0 status --json
	json '.device.loaded and (.pool.nodes | length == 2)'
	json '.pool.total.size_bytes == 356 * 2097152'
	json '.pool.nodes[1].largest_free_order == -1
		and .pool.nodes[1].largest_free_bytes == 0'
	json '.pool.grants == null and .pool.refused == 0'
}

# The unit is asked for: 512 MiB ones of 64K-page machines, say.
other_unit() {
	fake_root
	put /sys/kernel/hugespan/unit_bytes 536870912
	on_root hs 0 status
	has 'unit 512 MiB'
	has '128 GiB'
}

# A module that is half there, or newer, must not make it stumble.
odd_sysfs() {
	fake_root
	rm "$root/sys/kernel/hugespan/unit_bytes"
	put /sys/kernel/hugespan/node0/nr_free garbage
	put /sys/kernel/hugespan/node0/nr_units -1
	put /sys/kernel/hugespan/nodes/x y
	put /sys/kernel/hugespan/node7x/x y
	on_root hs 0 status
	on_root hs 0 status --json
	json '.pool.nodes | length == 1'
	rm -r "$root/sys/kernel/hugespan/node0"
	on_root hs 0 status --json
	json '.pool.nodes == []'
}

asked() {
	HUGESPAN_BACKEND=plain hs 0 status
	grep -qE '^backend +plain, unit .*, as HUGESPAN_BACKEND asks$' "$out"
	HUGESPAN_BACKEND=plain hs 0 status --json
	json '.backend.name == "plain" and .backend.asked == "plain"'
}

# Asked for by name and not to be had: that, and not another one's name.
asked_in_vain() {
	export HUGESPAN_BACKEND=device HUGESPAN_DEVICE=/nowhere/hugespan
	hs 0 status
	has 'none: HUGESPAN_BACKEND asks for device'
	has /nowhere/hugespan
	hs 0 status --json
	json '.backend.name == null and .backend.asked == "device"'
	json '.device.path == "/nowhere/hugespan"'
}

unprivileged() {
	((EUID == 0)) || skip "this user is unprivileged already"
	mkdir -m 755 "$work/for-all"
	chmod 755 "$work"
	cp -P "$build"/hugespan "$build"/libhugespan*.so* "$work/for-all/"
	prog 0 setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$work/for-all/hugespan" status --json
	json '.backend.name != null'
}

no_rseq() {
	HUGESPAN_RSEQ=0 hs 0 status --json
	json '.cache.mode == "locked" and (.cache.reason | length > 0)'
}

point 'without the module' without_module
point 'with a module whose node is missing, two nodes' with_module
point 'units are as large as the module says' other_unit
point 'sysfs with garbage and without its files' odd_sysfs
point 'a backend that is asked for' asked
point 'a backend that is asked for in vain' asked_in_vain
point 'as a user without rights' unprivileged
point 'caches without rseq, and why' no_rseq
finish
