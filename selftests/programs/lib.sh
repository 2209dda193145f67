# SPDX-License-Identifier: MIT
#
# What a test of tests/ may use. The runner starts each part of a test as
#   bash lib.sh tests/NAME.sh prepare|run
# A test defines
#   prepare   once, in the folder $HS_DATA: skips, or makes files for both runs
#   run       twice, in an empty folder; what it prints is compared, so no
#             times, process ids or addresses. It runs every program that
#             matters through hs.
# and may count on SCALE (how much to do), HS_DATA, HS_TOP (the built tree).
set -euo pipefail

# Programs have their statistics written here: so high that none gets it by
# opening a file, and low enough for the usual limit of 1024.
STATS_FD=199

servers=()

# What stands before a command: env itself is not preloaded.
under=(env --)
if [[ $HS_VARIANT == hugespan ]]; then
	under+=(LD_PRELOAD="$HS_SHIM" HUGESPAN_BACKEND="$HS_BACKEND"
		HUGESPAN_STATS="json:$STATS_FD")
fi

# A file for each call: an empty one tells of a program that was not on the
# shim, or did not come to its end. Without the shim nothing is written.
stats_file() {
	if [[ $HS_VARIANT == hugespan ]]; then
		printf '%s' "$HS_STATS/${1##*/}.$BASHPID.$SRANDOM"
	else
		printf '/dev/null'
	fi
}

# hs COMMAND...: run it, and all it starts, on the malloc of this run. COMMAND
# is a program, no function or builtin.
hs() {
	"${under[@]}" "$@" 199>>"$(stats_file "$1")"
}

# start COMMAND...: hs in the background; its pid is in $started. What is still
# there at the end of the test is killed.
start() {
	exec_hs "$@" &
	started=$!
	servers+=("$started")
}

exec_hs() {
	exec "${under[@]}" "$@" 199>>"$(stats_file "$1")"
}

# until_true SECONDS COMMAND...: repeat COMMAND until it succeeds, bounded.
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS >= end)); then
			printf 'gave up waiting for: %s\n' "$*" >&2
			return 1
		fi
		sleep 0.1
	done
}

gone() {
	! kill -0 "$1"
}

end_servers() {
	local pid
	for pid in "${servers[@]}"; do
		kill -9 "$pid" 2>/dev/null || true
	done
}

skip() {
	printf '%s\n' "$*"
	exit 4
}

needs() {
	local program
	for program; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}

digest() {
	sha256sum | cut -c 1-64
}

# random_lines COUNT SEED: COUNT lines "KEY NUMBER WORD", the same every time.
# The generator is Lehmer's, in the integers that every awk has.
random_lines() {
	awk -v count="$1" -v seed="$2" '
		function next_random() {
			return seed = (seed * 16807) % 2147483647
		}
		BEGIN {
			for (i = 0; i < 10; i++)
				next_random()
			for (i = 0; i < count; i++)
				printf "%08x%08x %d word%d\n", next_random(),
				       next_random(), next_random() % 1000000,
				       next_random() % 5000
		}'
}

prepare() {
	:
}

main() {
	local test=$1
	shift
	trap end_servers EXIT
	if [[ $test == - ]]; then
		hs "$@"
		return
	fi
	# shellcheck source=/dev/null
	source "$test"
	"$@"
}

main "$@"
