#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hugespan doctor: each thing that can be wrong is made wrong, one at a time, in
# a made-up system, and must be found, at its level and with its fix. A doctor
# that overlooks what it was built for is worse than none: people trust it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=include/cli.sh
source "$(dirname "$(realpath "$0")")/include/cli.sh"

# `finds CHECK LEVEL WORDS FIX`: that finding is there, and its fix holds FIX
# ("-" for none).
finds() {
	local fix
	fix=$(sudo_line "$4")
	jq -e --arg check "$1" --arg level "$2" --arg words "$3" --arg fix "$fix" '
		.findings[] | select(.check == $check and .level == $level and
			(.text | contains($words)) and
			if $fix == "-" then .fix == null
			else (.fix // "" | contains($fix)) end)' "$out" >/dev/null ||
		{ echo "not found: $*"; jq -c '.findings[]' "$out"; return 1; }
}

# The exit status is 1 just when something failed, and the sums are right.
doctor() {
	local got=0
	on_root timeout 60 "$build/hugespan" doctor --json >"$out" 2>"$err" ||
		got=$?
	json '(if .counts.fail > 0 then 1 else 0 end) == '"$got"' and
		.counts == {
			ok: [.findings[] | select(.level == "ok")] | length,
			note: [.findings[] | select(.level == "note")] | length,
			warn: [.findings[] | select(.level == "warn")] | length,
			fail: [.findings[] | select(.level == "fail")] | length
		}'
}

all_well() {
	fake_root
	doctor
	local check
	for check in module group udev pool library environment rseq shim thp \
		hugetlb cgroup; do
		finds "$check" ok '' -
	done
}

text_form() {
	fake_root
	put /sys/kernel/mm/transparent_hugepage/enabled 'always madvise [never]'
	on_root hs 1 doctor
	grep -qE '^WARN +thp ' "$out"
	has "$(sudo_line '  fix: echo madvise | sudo tee /sys/kernel/mm/')"
	grep -qE '^[0-9]+ ok, [0-9]+ to note, [0-9]+ to be warned of, 1 failed$' \
		"$out"
}

no_module() {
	fake_root
	rm -r "$root/sys/kernel/hugespan" "$root/proc/modules"
	on_root hs 0 doctor --json
	finds module warn 'none for the running kernel, 6.1.0-test' \
		'make modules KDIR=/lib/modules/6.1.0-test/build'
	# Asked for by name it is a failure.
	HUGESPAN_BACKEND=device HUGESPAN_DEVICE=/nowhere/hugespan doctor
	finds module fail 'not loaded' 'make modules'
	finds backend fail 'HUGESPAN_BACKEND asks for device' \
		'unset HUGESPAN_BACKEND'
}

installed_not_loaded() {
	fake_root
	rm -r "$root/sys/kernel/hugespan" "$root/proc/modules"
	put /lib/modules/6.1.0-test/modules.dep \
		'kernel/fs/other.ko: kernel/hugespan.ko
extra/hugespan.ko.xz:'
	doctor
	finds module warn "extra/hugespan.ko.xz" "sudo $build/hugespan pool load 512M"
	put /sys/module/module/parameters/sig_enforce Y
	doctor
	finds module note 'signed by a key' 'sign-file sha256'
}

wrong_kernel() {
	fake_root
	rm -r "$root/sys/kernel/hugespan" "$root/proc/modules"
	put /lib/modules/6.1.0-test/modules.dep 'extra/hugespan.ko:'
	mkdir -p "$root/lib/modules/6.1.0-test/extra"
	printf 'ELF\0version=0.1.0\0vermagic=5.10.0-other SMP mod_unload\0' \
		>"$root/lib/modules/6.1.0-test/extra/hugespan.ko"
	doctor
	finds module warn 'is built for kernel 5.10.0-other, this is 6.1.0-test' \
		'make modules'
}

versions() {
	fake_root
	put /sys/kernel/hugespan/api_version 99
	doctor
	finds module fail 'version 99 of the interface' 'pool unload'
	fake_root
	put /sys/module/hugespan/version 0.0.1
	doctor
	finds module warn 'the loaded module is 0.0.1' 'pool unload'
	fake_root
	put /lib/modules/6.1.0-test/modules.dep 'extra/hugespan.ko:'
	mkdir -p "$root/lib/modules/6.1.0-test/extra"
	printf '\0srcversion=7.7\0version=9.9.9\0vermagic=6.1.0-test SMP\0' \
		>"$root/lib/modules/6.1.0-test/extra/hugespan.ko"
	doctor
	finds module note 'hugespan.ko is 9.9.9' 'pool unload'
}

half_loaded() {
	fake_root
	rm -r "$root/sys/kernel/hugespan"
	doctor
	finds module fail '/sys/kernel/hugespan is not there' 'rmmod hugespan'
}

no_node() {
	fake_root
	doctor
	finds node fail 'does not exist, though the module is loaded' \
		'sudo mknod -m 0660 /dev/hugespan c '
	put /dev/hugespan text
	doctor
	finds node fail 'is no character device' 'sudo rm /dev/hugespan && '
	# Left behind, with no module behind it.
	rm -r "$root/sys/kernel/hugespan" "$root/proc/modules"
	doctor
	finds node warn 'though the module is not loaded' 'sudo rm /dev/hugespan'
}

node_rights() {
	fake_root
	fake_node 0666
	doctor
	finds node warn 'mode 0666: every user' 'sudo chmod 0660 /dev/hugespan'
	finds node fail 'another device' ''
	fake_node 0600
	doctor
	finds node warn 'mode 0600: its group may not' 'sudo chmod 0660'
	fake_node 0660 0
	doctor
	finds node warn 'but to group 0' 'sudo chgrp hugespan /dev/hugespan'
	put /etc/group 'root:x:0:'
	doctor
	finds node warn 'but to group 0' 'sudo groupadd --system hugespan && '
}

groups() {
	fake_root
	put /etc/group 'root:x:0:
nothugespan:x:5:'
	doctor
	finds group warn 'no group hugespan' 'sudo groupadd --system hugespan'
}

# As a user who is in the group, will be after the next login, or is not.
membership() {
	((EUID == 0)) || skip "only root can become another user"
	local nobody
	nobody=$(id -nu 65534 2>/dev/null) || skip "there is no user 65534"
	fake_root
	fake_node 0660
	mkdir -p "$work/for-all"
	cp -P "$build"/hugespan "$build"/libhugespan*.so* "$work/for-all/"
	chmod 755 "$work" "$work/for-all"
	as_nobody() {
		local status=$1 groups=$2
		on_root prog "$status" setpriv --reuid 65534 --regid 65534 \
			"$groups" "$work/for-all/hugespan" doctor --json
	}
	put /etc/group 'hugespan:x:990:'
	as_nobody 1 --clear-groups
	finds group warn "$nobody is not in group" "usermod -aG hugespan $nobody"
	finds node fail 'this user may not open /dev/hugespan' \
		"usermod -aG hugespan $nobody"
	put /etc/group "hugespan:x:990:someone,$nobody"
	as_nobody 1 --clear-groups
	finds group warn "not yet when this shell began" 'newgrp hugespan'
	as_nobody 1 --groups=990
	finds group ok "$nobody is in group hugespan" -
}

udev() {
	fake_root
	rm -r "$root/etc/udev"
	doctor
	finds udev note 'no udev runs here' 'sudo chgrp hugespan'
	mkdir -p "$root/run/udev"
	doctor
	finds udev warn 'no udev rule' \
		'GROUP="hugespan", MODE="0660"'\'' | sudo tee /etc/udev/rules.d/'
	put /usr/lib/udev/rules.d/10-other.rules 'KERNEL=="other"'
	put /usr/lib/udev/rules.d/README.txt '"hugespan"'
	doctor
	finds udev warn 'no udev rule' 'sudo tee'
	put /lib/udev/rules.d/60-hugespan.rules 'KERNEL=="hugespan"'
	doctor
	finds udev ok '60-hugespan.rules' -
}

pools() {
	fake_root
	fake_pool 0 0 0 0 0 -1
	doctor
	finds pool fail 'is empty' 'pool load'
	fake_pool 0 128 128 0 0 7
	doctor
	finds pool warn '256 MiB of the 512 MiB asked for' 'dmesg'
	fake_pool 0 256 0 256 0 -1
	doctor
	finds pool warn "nothing of the pool's 512 MiB is free" 'stat --all'
	fake_pool 0 256 200 46 10 7
	doctor
	finds pool note '20 MiB freed, but still pinned' -
	put /sys/kernel/hugespan/refused 12345
	doctor
	finds pool note '12345 requests were refused' -
}

# Of a pool that can change its size: what counts is what it was last asked for.
sizes() {
	local sysfs=/sys/kernel/hugespan
	fake_root
	put $sysfs/nr_target 0
	fake_pool 0 0 0 0 0 -1
	doctor
	finds pool fail 'is empty' 'pool grow 512M'
	put $sysfs/nr_target 128
	fake_pool 0 128 128 0 0 7
	doctor
	finds pool ok '256 MiB of 256 MiB free' -
	put $sysfs/nr_target 300
	doctor
	finds pool warn '256 MiB of the 600 MiB asked for' 'dmesg'
	put $sysfs/node0/reclaimed 172
	doctor
	finds pool note 'short of memory' 'pool grow 344M'
	fake_pool 0 300 128 172 0 7
	doctor
	finds pool ok '256 MiB of 600 MiB free' -
}

environment() {
	fake_root
	HUGESPAN_RETAIN=lots doctor
	finds environment warn 'lots' 'unset HUGESPAN_RETAIN'
	HUGESPAN_BAKEND=thp doctor
	finds environment warn 'was HUGESPAN_BACKEND meant?' \
		'unset HUGESPAN_BAKEND'
	HUGESPAN_FROBNICATION=1 doctor
	finds environment warn 'no such variable' 'unset HUGESPAN_FROBNICATION'
	HUGESPAN_CACHE=/x HUGESPAN_TEST_SEED=1 HUGESPAN_LIMIT=1G doctor
	finds environment ok '1 HUGESPAN_ variable set' -
}

rseq() {
	fake_root
	HUGESPAN_RSEQ=0 doctor
	finds rseq warn 'caches are locked' 'unset HUGESPAN_RSEQ'
	GLIBC_TUNABLES=glibc.pthread.rseq=0 doctor
	finds rseq warn 'caches are locked' 'unset GLIBC_TUNABLES'
	HUGESPAN_CHECK=1 doctor
	finds rseq warn 'caches are off' 'unset HUGESPAN_CHECK'
}

shim() {
	fake_root
	mkdir "$work/without" "$work/with space"
	cp -P "$build"/hugespan "$build"/libhugespan.so* "$work/without/"
	on_root prog 1 "$work/without/hugespan" doctor --json
	finds shim fail "'hugespan run' cannot work" make
	cp -P "$build"/hugespan "$build"/libhugespan*.so* "$work/with space/"
	on_root prog 1 "$work/with space/hugespan" doctor --json
	finds shim warn 'space or a colon' '--lib /tmp/'
}

limits() {
	fake_root
	doctor_limited() {
		ulimit "$1" "$2" 2>/dev/null || skip "ulimit $1 is refused here"
		doctor
	}
	if ! is_sanitized; then
		(doctor_limited -v 2097152)
		finds limits warn 'address space of a process is limited to' \
			'ulimit -v unlimited'
		(doctor_limited -d 8388608)
		finds limits note 'private memory of a process is limited to 8' \
			'ulimit -d unlimited'
	fi
	(doctor_limited -n 32)
	finds limits warn 'may open 32 files only' 'ulimit -n 1024'
	put /proc/sys/vm/overcommit_memory 2
	put /proc/sys/vm/max_map_count 1000
	doctor
	finds limits warn 'never overcommits' 'sysctl vm.overcommit_memory=0'
	finds limits warn '1000 mappings only' 'sysctl vm.max_map_count=65530'
}

thp() {
	fake_root
	put /sys/kernel/mm/transparent_hugepage/defrag '[always] madvise never'
	doctor
	finds thp note 'may stall' 'echo madvise | sudo tee'
	put /sys/kernel/mm/transparent_hugepage/enabled '[never] madvise always'
	doctor
	finds thp warn 'are off' 'echo madvise | sudo tee'
	rm -r "$root/sys/kernel/mm/transparent_hugepage"
	doctor
	finds thp note 'has no transparent huge pages' -
}

hugetlb() {
	fake_root
	local pages=/sys/kernel/mm/hugepages/hugepages-2048kB
	put $pages/resv_hugepages 10
	doctor
	finds hugetlb note 'all 10 pages of 2 MiB are taken' nr_hugepages=266
	put $pages/nr_hugepages 0
	doctor
	finds hugetlb note 'no pages of 2 MiB' vm.nr_hugepages
	rm "$root/proc/meminfo"
	doctor
	finds hugetlb note 'no hugetlb pages' -
}

cgroups() {
	fake_root
	put /proc/self/cgroup '0::/a/b/c'
	put /sys/fs/cgroup/a/memory.max 1073741824
	put /sys/fs/cgroup/a/b/memory.max 2147483648
	put /sys/fs/cgroup/a/b/c/memory.max max
	doctor
	finds cgroup note 'limited to 1 GiB' -
	put /proc/self/cgroup '4:memory:/old
0::/'
	put /sys/fs/cgroup/memory/old/memory.limit_in_bytes 268435456
	doctor
	finds cgroup note 'limited to 256 MiB' -
	put /sys/fs/cgroup/memory/old/memory.limit_in_bytes 9223372036854771712
	doctor
	finds cgroup ok 'no memory limit' -
}

# Nothing of /proc or /sys at all, as in a bare chroot.
nothing() {
	mkdir "$root"
	doctor
	finds module warn 'not loaded' 'make modules'
}

point 'a system where all is well' all_well
point 'as text: level, topic, fix, the sums' text_form
point 'no module, and none to load; asked for by name' no_module
point 'a module that is installed but not loaded; signatures' \
	installed_not_loaded
point 'a module for another kernel' wrong_kernel
point 'a module of another version' versions
point 'a module that is loaded by half' half_loaded
point 'no node, a file in its place, one left behind' no_node
point "the node's mode and group" node_rights
point 'no group' groups
point 'a user in the group, soon in it, not in it' membership
point 'no udev rule' udev
point 'pools that are empty, small, used up, pinned, refusing' pools
point 'a pool that was grown, shrunk or gave back' sizes
point 'variables that are not valid or not known' environment
point 'caches that have locks' rseq
point 'no shim, or at a path that cannot be preloaded' shim
point 'limits of the shell and of the kernel' limits
point 'transparent huge pages that are off, stall, or not there' thp
point 'hugetlb pages that are taken, not reserved, not there' hugetlb
point 'memory limits of control groups, both versions' cgroups
point 'a system of which nothing can be read' nothing
finish
