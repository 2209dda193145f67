#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hugespan map: every unit is drawn once and as what it is. On a made-up system;
# guest/map.sh has the real one.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=include/cli.sh
source "$(dirname "$(realpath "$0")")/include/cli.sh"

debugfs=/sys/kernel/debug/hugespan

# Two nodes, the second with numbers from 1024 on.
mapped_root() {
	fake_root
	fake_pool 1 10 10 0 0 3
	put $debugfs/map0 "0 8 granted owner=3 pid=120 order=3 mappings=2 comm=redis-server
8 56 free-zeroed
64 2 granted owner=9 pid=77 order=1 mappings=0 comm=a\\040b\\012<c>
66 1 quarantined
67 1 granted
68 4 granted owner=3 pid=120 order=2 mappings=1 comm=redis-server
72 56 free-dirty
128 640 absent"
	put $debugfs/map1 "1024 10 free-zeroed
1034 100 absent"
}

draws() {
	mapped_root
	on_root hs 0 map
	has 'node 0: 256 MiB, a character is 2 MiB'
	grep -qE '^ +0 B  A{8}\.{56}$' "$out"
	grep -qE '^ +128 MiB  BBx\?AAAA,{56}$' "$out"
	has 'node 1: 20 MiB, a character is 2 MiB'
	grep -qE '^ +0 B  \.{10}$' "$out"
	has 'A  24 MiB in 2 spans: process 120 (redis-server), owner 3'
	has 'B  4 MiB in 1 span: process 77 (a\040b\012<c>), owner 9'
}

# More units than fit: what most of a character's units are.
scales() {
	fake_root
	put $debugfs/map0 "0 3000 free-zeroed
3000 1097 granted owner=3 pid=1 order=11 mappings=0 comm=x
4097 10 free-dirty"
	on_root hs 0 map
	has 'a character is 8 MiB'
	(($(grep -cE '^ +[0-9.]+ [KMGT]?i?B  [.A,]+$' "$out") == 17))
	grep -qE '^ +[0-9.]+ GiB  \.+A+$' "$out"
}

empty() {
	fake_root
	put $debugfs/map0 '0 700 absent'
	on_root hs 0 map
	has 'node 0: 0 B'
	on_root hs 0 map --json
	json '.nodes[0].runs[0].state == "absent"'
	on_root hs 0 map --svg "$work/empty.svg"
	grep -q '</svg>' "$work/empty.svg"
}

as_json() {
	mapped_root
	on_root hs 0 map --json
	json '.unit_bytes == 2097152 and (.nodes | length) == 2'
	json '[.nodes[0].runs[].size_bytes] | add == 768 * 2097152'
	json '.nodes[0].runs[0] == {"offset_bytes": 0, "size_bytes": 16777216,
		"state": "granted", "owner": 3, "pid": 120,
		"command": "redis-server", "order": 3, "mappings": 2}'
	json '.nodes[0].runs[4] == {"offset_bytes": 140509184,
		"size_bytes": 2097152, "state": "granted"}'
	json '.nodes[1].runs[0].offset_bytes == 1024 * 2097152'
}

# A picture that any reader of XML takes, with a part for each row of a run.
as_svg() {
	mapped_root
	on_root hs 0 map --svg "$work/map.svg"
	[[ ! -s $out ]]
	python3 - "$work/map.svg" <<'PY'
import sys
import xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
space = "{http://www.w3.org/2000/svg}"
parts = [r for r in root.iter(space + "rect") if r.find(space + "title") is not None]
units = sum(int(r.get("width")) // 10 for r in parts)
assert units == 128 + 10, units
assert any("a\\040b\\012<c>" in r.find(space + "title").text for r in parts)
height = int(root.get("height"))
assert all(int(r.get("y")) + int(r.get("height")) <= height for r in parts)
PY
	on_root hs 1 map --svg "$work/no/such/folder.svg"
	err_has 'No such file'
	on_root hs 1 map --svg /dev/full
	err_has 'No space'
}

refusals() {
	mkdir "$root"
	on_root hs 1 map
	err_has 'is not loaded'
	fake_root
	on_root hs 1 map
	err_has 'there is no map'
	err_has "$(sudo_line 'fix: sudo mount -t debugfs')"
	put $debugfs/map0 '0 8 granted
what is this'
	on_root hs 1 map
	err_has 'hugespan map: '
	put $debugfs/map0 '0 0 absent'
	on_root hs 1 map
	on_root hs 2 map extra
	on_root hs 2 map --svg
}

point 'a character for each unit, a letter for each owner' draws
point 'a pool that is larger than the screen' scales
point 'a pool of nothing' empty
point 'as JSON' as_json
point 'as a picture' as_svg
point 'what is not there, or not to be understood' refusals
finish
