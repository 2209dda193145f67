# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For tests of the hugespan command: sourced, never run.
#
#   point NAME FUNCTION ARG...  one TAP test point; the function fails by its
#                               first command that fails, or skips by skip
#   skip REASON
#   hs STATUS ARG...            run the command: it must exit so; its output
#                               is then in $out and $err
#   has WORDS, err_has WORDS    the output, the errors hold these words
#   lacks WORDS, err_lacks WORDS    and do not hold them
#   json FILTER                 the output is one JSON value, and jq finds the
#                               filter true of it
#   fake_root                   a made-up system in $root: module loaded, all
#                               well; the command is shown it by `on_root`
#   finish                      the plan and the exit status

top=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../../..")
build=${HUGESPAN_TEST_BUILD:-$top/build}
work=$(mktemp -d "${TMPDIR:-/tmp}/hugespan-cli.XXXXXX")
trap 'rm -rf "$work"' EXIT
out=$work/out
err=$work/err
root=$work/root
nr_points=0
nr_failed=0

# Whatever the tester has set is not what is tested.
while IFS= read -r name; do
	unset "$name"
done < <(compgen -e | grep '^HUGESPAN_' || true)
unset LD_PRELOAD GLIBC_TUNABLES NO_COLOR

if [[ ! -x $build/hugespan ]]; then
	echo "1..0 # SKIP $build/hugespan is not built: make"
	exit 4
fi

# A command line as the command prints it for this user: root needs no sudo.
sudo_line() {
	if ((EUID == 0)); then
		printf '%s' "${1//sudo /}"
	else
		printf '%s' "$1"
	fi
}

# With sanitizers a library cannot be preloaded, nor address space be limited.
is_sanitized() {
	grep -q __asan_init "$build/hugespan"
}

skip() {
	printf '%s\n' "$*" >"$work/skip"
	exit 4
}

point() {
	local name=$1 status
	shift
	nr_points=$((nr_points + 1))
	rm -rf "$work/skip" "$root"
	: >"$out"
	: >"$err"
	set +e
	(
		set -e
		"$@"
	) >"$work/log" 2>&1
	status=$?
	set -e
	case $status in
	0) printf 'ok %d %s\n' "$nr_points" "$name" ;;
	4) printf 'ok %d %s # SKIP %s\n' "$nr_points" "$name" \
		"$(cat "$work/skip" 2>/dev/null)" ;;
	*)
		nr_failed=$((nr_failed + 1))
		printf 'not ok %d %s\n' "$nr_points" "$name"
		sed 's/^/# /' "$work/log"
		sed 's/^/# out: /' "$out"
		sed 's/^/# err: /' "$err"
		;;
	esac
}

finish() {
	printf '1..%d\n' "$nr_points"
	exit $((nr_failed > 0))
}

# Any program whose output is looked at: `prog STATUS PROGRAM ARG...`.
prog() {
	local wanted=$1 got=0
	shift
	timeout 60 "$@" >"$out" 2>"$err" </dev/null || got=$?
	if ((got != wanted)); then
		echo "exit status $got, wanted $wanted: $*"
		return 1
	fi
}

hs() {
	local wanted=$1
	shift
	prog "$wanted" "$build/hugespan" "$@"
}

has() {
	grep -qF -- "$1" "$out" || { echo "not in the output: $1"; return 1; }
}

err_has() {
	grep -qF -- "$1" "$err" || { echo "not in the errors: $1"; return 1; }
}

lacks() {
	if grep -F -- "$1" "$out"; then
		echo "in the output: $1"
		return 1
	fi
}

err_lacks() {
	if grep -F -- "$1" "$err"; then
		echo "in the errors: $1"
		return 1
	fi
}

json() {
	jq -e -s "length == 1 and (.[0] | $1)" "$out" >/dev/null ||
		{ echo "not true of the JSON: $1"; return 1; }
}

# `on_root FUNCTION ARG...`: what it runs sees the made-up system.
on_root() {
	HUGESPAN_TEST_SYSROOT=$root "$@"
}

# `put PATH TEXT`: a file of the made-up system.
put() {
	mkdir -p "$(dirname "$root$1")"
	printf '%s\n' "$2" >"$root$1"
}

fake_pool() {
	local node=$1 units=$2 free=$3 granted=$4 quarantined=$5 order=$6
	local dir=/sys/kernel/hugespan/node$node
	put "$dir/nr_units" "$units"
	put "$dir/nr_free" "$free"
	put "$dir/nr_free_clean" "$free"
	put "$dir/nr_granted" "$granted"
	put "$dir/nr_quarantined" "$quarantined"
	put "$dir/largest_free_order" "$order"
}

fake_root() {
	local thp=/sys/kernel/mm/transparent_hugepage
	local hugetlb=/sys/kernel/mm/hugepages/hugepages-2048kB
	rm -rf "$root"
	put /proc/sys/kernel/osrelease 6.1.0-test
	put /proc/modules 'hugespan 45056 0 - Live 0x0000000000000000 (OE)'
	put /sys/module/hugespan/version "$(version)"
	put /sys/module/hugespan/parameters/pool 512M
	put /sys/kernel/hugespan/unit_bytes 2097152
	put /sys/kernel/hugespan/api_version 1
	put /sys/kernel/hugespan/refused 0
	fake_pool 0 256 192 64 0 7
	# Root need not be in the group; whoever else tests this is.
	put /etc/group "root:x:0:
hugespan:x:$( ((EUID)) && id -g || echo 990):"
	put /etc/udev/rules.d/60-hugespan.rules \
		'KERNEL=="hugespan", GROUP="hugespan", MODE="0660"'
	put $thp/enabled 'always [madvise] never'
	put $thp/defrag 'always defer defer+madvise [madvise] never'
	put /proc/meminfo 'Hugepagesize:       2048 kB'
	put $hugetlb/nr_hugepages 10
	put $hugetlb/free_hugepages 10
	put $hugetlb/resv_hugepages 0
	put /proc/sys/vm/overcommit_memory 0
	put /proc/sys/vm/max_map_count 65530
	put /proc/self/cgroup '0::/user.slice'
	put /sys/fs/cgroup/user.slice/memory.max max
}

# A character device at the made-up /dev/hugespan; it is no device of ours.
fake_node() {
	mkdir -p "$root/dev"
	rm -f "$root/dev/hugespan"
	mknod -m "${1:-0660}" "$root/dev/hugespan" c 1 3 2>/dev/null ||
		skip "device nodes cannot be made here"
	chown "root:${2:-990}" "$root/dev/hugespan"
}

version() {
	"$build/hugespan" --version | awk 'NR == 1 { print $2 }'
}
