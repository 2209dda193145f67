#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The hugespan command on the real device, in a guest with the module loaded
# and a pool of 256 MiB. What the made-up systems of the other tests show it is
# only what we think the kernel says.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../include/cli.sh
source "$(dirname "$(realpath "$0")")/../include/cli.sh"

as_nobody() {
	local status=$1 groups=$2
	shift 2
	prog "$status" setpriv --reuid 65534 --regid 65534 "$groups" \
		"$build/hugespan" "$@"
}

# A program that holds spans until it is told to end: $holder.
begin_holder() {
	# shellcheck disable=SC2016
	"$build/hugespan" run --backend device -- bash -c '
		x=$(head -c 3000000 /dev/zero | tr "\0" x)
		echo ready
		read -r x || :' <"$work/fifo" >"$work/holder" &
	holder=$!
	exec 9>"$work/fifo"
	local i
	for ((i = 0; i < 300; i++)); do
		if grep -qs ready "$work/holder"; then
			return 0
		fi
		sleep 0.1
	done
	echo "the program did not get ready"
	return 1
}

end_holder() {
	exec 9>&-
	wait "$holder"
}

status() {
	hs 0 status
	grep -qE '^device +/dev/hugespan, API version 1, unit 2 MiB, 1 node$' "$out"
	lacks 'not usable'
	grep -qE '^backend +device, unit 2 MiB$' "$out"
	grep -qE '^ +0 +256 MiB ' "$out"
	hs 0 status --json
	json '.device.usable and .backend.name == "device"
		and .pool.total.size_bytes == 268435456'
	json '.pool.total | .size_bytes ==
		.free_bytes + .granted_bytes + .quarantined_bytes'
	json '.pool.grants >= .pool.frees'
}

doctor() {
	sed -i '/^hugespan:/d' /etc/group
	chgrp 0 /dev/hugespan
	hs 0 doctor --json
	json '[.findings[] | select(.level == "fail")] == []'
	json '[.findings[] | select(.check | IN("module", "pool", "backend"))
		| .level] == ["ok", "ok", "ok"]'
	json '.findings[] | select(.check == "node" and .level == "warn")
		| .fix == "groupadd --system hugespan && chgrp hugespan /dev/hugespan"'
	# What it advises, and then all is well.
	echo 'hugespan:x:990:' >>/etc/group
	chgrp hugespan /dev/hugespan
	hs 0 doctor --json
	json '[.findings[] | select(.check | IN("node", "group")) | .level]
		== ["ok", "ok"]'
}

users() {
	chgrp 990 /dev/hugespan
	as_nobody 1 --clear-groups doctor
	grep -qE '^FAIL +node +this user may not open /dev/hugespan$' "$out"
	as_nobody 0 --clear-groups status
	has 'not usable: this user may not open it'
	lacks 'backend   device'
	as_nobody 0 --clear-groups pool
	has '256 MiB'
	as_nobody 0 --clear-groups stat --json
	json '.pool.grants == null and .pool.refused >= 0'
	as_nobody 0 --groups=990 doctor
	as_nobody 0 --groups=990 status --json
	json '.backend.name == "device"'
}

# The command itself opens the device, and is not to be in its own picture.
holders() {
	mkfifo "$work/fifo"
	hs 0 stat --all --json
	json '.processes == []'
	begin_holder
	hs 0 stat --json "$holder"
	json '.processes[0].files | length == 1 and .[0].spans >= 1
		and .[0].units >= 2 and .[0].bytes == .[0].units * 2097152'
	json '.processes[0] | .mappings.size_bytes == .files[0].bytes'
	json '.processes[0].mappings | .count >= 1 and .rss_bytes > 0
		and .file_pmd_mapped_bytes > 0
		and .file_pmd_mapped_bytes <= .rss_bytes'
	json '.pool.total.granted_bytes >= .processes[0].files[0].bytes'
	hs 0 stat --all
	grep -qE "^ *$holder +bash +[1-9]" "$out"
	hs 1 pool unload
	err_has 'in use'
	err_has "process $holder (bash)"
	end_holder
	hs 0 stat --json
	json '.pool.total.granted_bytes == 0 and .pool.grants == .pool.frees'
}

rates() {
	(
		sleep 0.5
		for ((i = 0; i < 5; i++)); do
			"$build/hugespan" run --backend device -- bash -c :
		done
	) &
	hs 0 stat --watch 4 --count 2 --json
	wait
	jq -e -s '.[1].rates | .grants_per_second > 0
		and .frees_per_second > 0 and .refused_per_second == 0' "$out"
}

refused() {
	hs 0 run --backend device -- bash -c :
	hs 0 stat --json
	local before
	before=$(jq .pool.refused "$out")
	# More than the pool has; perl says so and fails.
	hs 1 run --backend device -- perl -e '$x = "x" x shift' 900000000
	hs 0 stat --json
	json ".pool.refused > $before"
	hs 0 doctor
	grep -qE '^NOTE +pool +[0-9]+ requests were refused' "$out"
}

point 'status' status
point 'doctor, and its advice taken' doctor
point 'users without and with the group' users
point 'a process that holds spans, by stat and by unload' holders
point 'rates' rates
point 'requests that are refused' refused
finish
