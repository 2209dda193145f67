# SPDX-License-Identifier: MIT
# Test kernels in the cache; sourced by tools/setup and its fetch-kernel.
#
# $CACHE/kernels/<release>/
#   vmlinuz config System.map    the kernel
#   modules/                     its modules, with modules.dep
#   build/                       make -C there builds modules, as does a KDIR
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

fetch_kernels() {
	local series
	for series in $(kernel_series); do
		if [[ -n $(cached_kernel "$series") ]]; then
			continue
		fi
		step "fetch kernel $series" "$SETUP_PARTS/fetch-kernel" "$series" ||
			return 1
		say "  kernel $series is $(cached_kernel "$series")"
	done
}
