#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hugespan stat: figures of the pool, rates between samples, and what processes
# hold. What processes say of themselves (their names) is not to be trusted,
# and sums must be of the device's mappings only.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=include/cli.sh
source "$(dirname "$(realpath "$0")")/include/cli.sh"

# `maps PID SMAPS`: both files of a process.
maps() {
	put "/proc/$1/smaps" "$2"
	put "/proc/$1/maps" "$(grep '^7f' <<<"$2")"
}

# `mapping PATH KIB`: an entry of smaps whose figures are KIB and parts of it.
mapping() {
	cat <<-SMAPS
		7f0000000000-7f0000400000 rw-s 00000000 00:05 77      $1
		Size:               $2 kB
		KernelPageSize:        4 kB
		Rss:                $(($2 / 2)) kB
		Pss:                $(($2 / 4)) kB
		Pss_Dirty:          999 kB
		Private_Dirty:      $(($2 / 8)) kB
		Anonymous:          $(($2 / 16)) kB
		FilePmdMapped:      $(($2 / 2)) kB
		VmFlags: rd wr sh mr mw me ms dc
	SMAPS
}

fdinfo() {
	printf 'pos:\t0\nflags:\t02100002\nhugespan-owner-id:\t%d\n' "$1"
	printf 'hugespan-spans:\t%d\nhugespan-units:\t%d\n' "$2" "$3"
	printf 'hugespan-bytes:\t%d\n' "$(($3 * 2097152))"
}

fake_processes() {
	put /proc/100/comm server
	put /proc/100/fdinfo/3 "$(printf 'pos:\t0\nflags:\t02\n')"
	put /proc/100/fdinfo/1000 "$(fdinfo 7 3 12)"
	put /proc/100/fdinfo/9 "$(fdinfo 8 1 1)"
	maps 100 "$(mapping /usr/lib/x.so 4096
		mapping /dev/hugespan 4096
		mapping '[heap]' 4096
		mapping /dev/hugespan 8192
		mapping '/dev/hugespan (deleted)' 16
		mapping /dev/hugespan2 4096
		mapping /tmp/dev/hugespan 4096)"
	put /proc/200/comm other
	put /proc/200/fdinfo/0 "$(printf 'pos:\t0\n')"
	maps 200 "$(mapping /bin/other 128)"
	put /proc/300/comm kthread
	mkdir -p "$root/proc/300/fdinfo" "$root/proc/notapid"
	: >"$root/proc/300/maps"
}

once() {
	fake_root
	put /sys/kernel/hugespan/refused 5
	on_root hs 0 stat
	grep -qE '^0 +512 MiB +384 MiB ' "$out"
	has '5 refused'
	on_root hs 0 stat --json
	json '.pool.refused == 5 and .pool.total.granted_bytes == 64 * 2097152'
	json 'has("rates") or has("processes") | not'
}

no_module() {
	mkdir "$root"
	on_root hs 1 stat
	err_has 'is not loaded'
	err_has "$(sudo_line "fix: sudo $build/hugespan pool load")"
	on_root hs 1 stat --json --watch 1
	[[ ! -s $out ]]
}

processes() {
	fake_root
	fake_processes
	on_root hs 0 stat --json 100 200
	json '[.processes[].pid] == [100, 200]'
	json '.processes[0].files == [
		{fd: 9, owner_id: 8, spans: 1, units: 1, bytes: 2097152},
		{fd: 1000, owner_id: 7, spans: 3, units: 12,
			bytes: (12 * 2097152)}]'
	json '.processes[0].mappings | .count == 3
		and .size_bytes == 12304 * 1024
		and .rss_bytes == 6152 * 1024
		and .pss_bytes == 3076 * 1024
		and .private_dirty_bytes == 1538 * 1024
		and .anonymous_bytes == 769 * 1024
		and .file_pmd_mapped_bytes == 6152 * 1024'
	json '.processes[1] | .files == [] and .mappings.count == 0'
	on_root hs 0 stat 100
	grep -qE '^100 +server +4 +26 MiB +12\.0 MiB ' "$out"
}

all() {
	fake_root
	fake_processes
	on_root hs 0 stat --json --all
	json '[.processes[].pid] == [100] and .processes_not_readable == 0'
	rm -r "$root/proc/100"
	on_root hs 0 stat --all
	has 'no process'
	on_root hs 0 stat --all --json
	json '.processes == []'
}

# A name is any bytes: no control sequence on a terminal, valid JSON always.
names() {
	fake_root
	fake_processes
	printf 'a\033[31m\200"\\\n' >"$root/proc/100/comm"
	on_root hs 0 stat 100
	lacks $'\033'
	on_root hs 0 stat --json 100
	json '.processes[0].command == "a\u001b[31m\ufffd\"\\"'
	python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$out"
	printf '\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80\xc0\xaf\xf5\n' \
		>"$root/proc/100/comm"
	on_root hs 0 stat --json 100
	python3 -c 'import json, sys
name = json.load(open(sys.argv[1]))["processes"][0]["command"]
assert name == "\u00e9\u20ac\U0001f600" + 6 * "\ufffd", ascii(name)' "$out"
}

gone() {
	fake_root
	fake_processes
	on_root hs 1 stat --json 99 100
	err_has 'there is no process 99'
	json '[.processes[].pid] == [100]'
	for pid in 0 -1 x 1x '' 99999999999; do
		on_root hs 2 stat -- "$pid"
		err_has 'is not a process id'
	done
}

# Another user's process: said so, and known to be unknown.
unreadable() {
	((EUID == 0)) || skip "only root can become another user"
	fake_root
	fake_processes
	chmod 700 "$root/proc/100/fdinfo"
	chmod 600 "$root/proc/100/maps" "$root/proc/100/smaps"
	mkdir -p "$work/for-all"
	cp -P "$build"/hugespan "$build"/libhugespan*.so* "$work/for-all/"
	chmod 755 "$work" "$work/for-all"
	as_nobody() {
		local status=$1
		shift
		on_root prog "$status" setpriv --reuid 65534 --regid 65534 \
			--clear-groups "$work/for-all/hugespan" stat "$@"
	}
	as_nobody 1 --json 100
	err_has 'process 100 (server) may not be read: Permission denied'
	json '.processes[0] | .files == null and .mappings == null'
	as_nobody 1 100
	grep -qE '^100 +server +- +- +- ' "$out"
	as_nobody 0 --all
	has '1 processes may not be read'
}

watched() {
	fake_root
	on_root hs 0 stat --watch 0.05 --count 3 --json
	jq -e -s 'length == 3 and (.[0] | has("rates") | not)
		and .[2].rates.refused_per_second == 0
		and .[2].rates.grants_per_second == null
		and .[1].rates.seconds >= 0.05' "$out"
	[[ $(wc -l <"$out") == 3 ]]
	on_root hs 0 stat --watch 0.05 --count 25
	[[ $(grep -c '^time ' "$out") == 2 ]]
	[[ $(wc -l <"$out") == 27 ]]
}

# Counters move while it looks; they fall when the module is loaded anew.
rates() {
	fake_root
	put /sys/kernel/hugespan/refused 100
	(
		sleep 0.5
		put /sys/kernel/hugespan/refused 1100
		sleep 1
		put /sys/kernel/hugespan/refused 3
	) &
	on_root hs 0 stat --watch 1 --count 3 --json
	wait
	jq -e -s '.[1].rates.refused_per_second as $rate
		| $rate > 300 and $rate <= 1000
		and .[2].rates.refused_per_second == null' "$out"
}

# The module goes away under it.
unloaded() {
	fake_root
	(
		sleep 0.3
		rm -r "$root/sys/kernel/hugespan"
	) &
	on_root hs 1 stat --watch 0.1 --count 100
	wait
	err_has 'is not loaded'
}

refusals() {
	hs 2 stat --watch
	local seconds
	for seconds in 0 -1 x 1x '' nan inf 1e9 0.001; do
		hs 2 stat --watch="$seconds"
		err_has '--watch takes seconds'
	done
	hs 2 stat --count 3
	err_has '--count needs --watch'
	hs 2 stat --watch 1 --count 0
	hs 2 stat --watch 1 --count many
	hs 2 stat --all 1
	err_has 'either --all or process ids'
}

point 'the pool, once' once
point 'no module' no_module
point 'what processes hold: files, and mappings of the device only' processes
point 'all processes that hold something' all
point 'names of processes are any bytes' names
point 'processes that are not there' gone
point 'processes of others' unreadable
point 'samples, as lines and as JSON' watched
point 'rates, and none when counters fall' rates
point 'the module is unloaded meanwhile' unloaded
point 'arguments that make no sense' refusals
finish
