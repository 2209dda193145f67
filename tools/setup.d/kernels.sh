# SPDX-License-Identifier: MIT
# Test kernels in the cache; sourced by tools/setup and its fetch-kernel.
#
# $CACHE/kernels/<release>/
#   vmlinuz config System.map    the kernel
#   modules/                     its modules, with modules.dep
#   build/                       make -C there builds modules, as does a KDIR
#   root/kdir                    or, of a kernel of sid: the same, but root/ is
#                                the root that this make needs (tools/in-root)
#   series complete              the series; the layout's number, written last

KERNEL_LAYOUT=2

kernel_series() {
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$SETUP_PARTS/kernels.list" |
		awk '{ print $1 }'
}

# The release in the cache that is complete for SERIES, or nothing.
cached_kernel() {
	local dir
	for dir in "$CACHE"/kernels/*/; do
		if [[ $(cat "$dir/complete" 2>/dev/null) == "$KERNEL_LAYOUT" &&
			$(cat "$dir/series") == "$1" ]]; then
			basename "$dir"
		fi
	done | sort -V | tail -n 1
}

is_optional() {
	grep -qE "^$1[[:space:]]+sid\$" "$SETUP_PARTS/kernels.list"
}

# Not more than once an hour: without a network each try takes its time.
fetch_optional() {
	local series=$1 failed=$CACHE/kernels/$1.failed
	if [[ -n $(find "$failed" -mmin -60 2>/dev/null) ]]; then
		return 0
	fi
	mkdir -p "$CACHE/kernels"
	if step "fetch kernel $series" "$SETUP_PARTS/fetch-kernel-sid" "$series"; then
		rm -f "$failed"
		say "  kernel $series is $(cached_kernel "$series")"
		return 0
	fi
	# tools/check gives this as the reason for what it skips.
	tail -n 1 "$STEP_LOG_DIR/fetch-kernel-$series.log" >"$failed"
	say "  going on without kernel $series"
}

fetch_kernels() {
	local series
	for series in $(kernel_series); do
		if [[ -n $(cached_kernel "$series") ]]; then
			continue
		fi
		if is_optional "$series"; then
			fetch_optional "$series"
			continue
		fi
		step "fetch kernel $series" "$SETUP_PARTS/fetch-kernel" "$series" ||
			return 1
		say "  kernel $series is $(cached_kernel "$series")"
	done
}
