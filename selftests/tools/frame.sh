#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The frame of the hugespan command: help, versions, exit codes, colour. What a
# script relies on must not change by accident, and a slip of the fingers must
# be an error that says what was meant.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=include/cli.sh
source "$(dirname "$(realpath "$0")")/include/cli.sh"

narrow() {
	awk 'length > 79 { print "too long: " $0; bad = 1 } END { exit bad }' "$1"
}

help_of_all() {
	local command
	hs 0 help --commands
	mapfile -t commands <"$out"
	((${#commands[@]} >= 6))
	for command in "${commands[@]}"; do
		hs 0 help "$command"
		cp "$out" "$work/help"
		hs 0 "$command" --help
		cmp "$out" "$work/help"
		hs 0 "$command" -h
		cmp "$out" "$work/help"
		has "Usage: hugespan $command"
		if [[ $command != help ]]; then
			has 'Exit codes: '
		fi
		narrow "$work/help"
		hs 0 help
		has "  $command "
	done
	narrow "$out"
}

overview() {
	hs 0 --help
	cp "$out" "$work/help"
	hs 0 help
	cmp "$out" "$work/help"
	hs 2
	cmp "$out" "$work/help"
}

versions() {
	hs 0 --version
	local header
	header=$(sed -n 's/^#define HS_VERSION "\(.*\)"/\1/p' \
		"$top/libuser/include/hugespan.h")
	has "hugespan $header"
	has "libhugespan $header"
}

nearest() {
	hs 2 stauts
	err_has "did you mean 'status'?"
	hs 2 docter
	err_has "did you mean 'doctor'?"
	# Not the first that is near, but the nearest.
	hs 2 statt
	err_has "did you mean 'stat'?"
	hs 2 help rum
	err_has "did you mean 'run'?"
	hs 2 pool laod 1G
	err_has "did you mean 'pool load'?"
	hs 2 frobnicate
	err_has "no command 'frobnicate'"
	err_lacks 'did you mean'
}

refusals() {
	local command
	for command in status doctor stat pool map run help; do
		hs 2 "$command" --no-such-option
		err_has '--no-such-option'
		err_has "Try 'hugespan $command --help'."
		[[ ! -s $out ]]
	done
	hs 2 status extra
	err_has "'extra'"
	hs 2 doctor extra
	hs 2 help status doctor
	hs 2 --no-such-option
	hs 2 ''
	hs 2 "$(printf 'x%.0s' {1..5000})"
}

# A full disk must not look like success.
full() {
	local got=0
	"$build/hugespan" help >/dev/full 2>"$err" || got=$?
	((got == 1))
	err_has 'cannot write'
}

colours() {
	command -v script >/dev/null || skip "script(1) is not installed"
	local esc=$'\033' doctor="$build/hugespan doctor"
	TERM=xterm script -qec "$doctor" /dev/null </dev/null >"$out" || true
	has "${esc}["
	TERM=dumb script -qec "$doctor" /dev/null </dev/null >"$out" || true
	lacks "${esc}["
	NO_COLOR=1 TERM=xterm script -qec "$doctor" /dev/null </dev/null \
		>"$out" || true
	lacks "${esc}["
	TERM=xterm prog 0 "$build/hugespan" help
	lacks "${esc}["
}

# Asked of the command, so it must follow when the command changes.
completion() {
	cat >"$work/complete" <<-'SCRIPT'
		source "$1"
		shift
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_hugespan
		printf '%s\n' "${COMPREPLY[@]}"
	SCRIPT
	complete_on() {
		prog 0 bash "$work/complete" \
			"$top/tools/cli/dist/hugespan.bash" "$@"
	}
	complete_on "$build/hugespan" d
	has doctor
	complete_on "$build/hugespan" run --back
	has --backend
	complete_on "$build/hugespan" run --backend ''
	has hugetlb
	complete_on "$build/hugespan" stat --w
	has --watch
	complete_on "$build/hugespan" pool ''
	has unload
	complete_on "$build/hugespan" run --verbose -- tru
	has true
}

point 'every command has help, the same by three ways' help_of_all
point 'without a command: the overview' overview
point 'versions are those of the header' versions
point 'a misspelt command is answered with the nearest' nearest
point 'what is not understood exits 2 and says how to get help' refusals
point 'output that cannot be written is a failure' full
point 'colour on a terminal only, and not where it is not wanted' colours
point 'completion knows commands, options and values' completion
finish
