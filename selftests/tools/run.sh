#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# hugespan run: the program is started as it would have been, but for its
# malloc. Exit codes, signals, arguments and LD_PRELOAD are other people's
# contracts; an option must reach the library or be refused.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=include/cli.sh
source "$(dirname "$(realpath "$0")")/include/cli.sh"

if is_sanitized; then
	echo "1..0 # SKIP a build with sanitizers cannot be preloaded"
	exit 4
fi

shim_is_used() {
	hs 0 run -- cat /proc/self/maps
	has "$(realpath "$build")/libhugespan-malloc.so"
	hs 0 run --verbose -- true
	err_has 'backend'
	hs 0 run --stats=json -- bash -c 'echo $$'
	jq -e -s 'length == 1 and .[0].mapped_bytes > 0
		and .[0].backend != null' "$err"
	hs 0 run --stats -- bash -c 'echo $$'
	err_has 'in use by the program'
	err_has "in bash[$(cat "$out")]:"
	# coreutils close their standard error before destructors run.
	hs 0 run --stats -- sort /dev/null
	err_has 'in sort['
}

exit_codes() {
	hs 0 run true
	hs 1 run -- false
	hs 42 run -- sh -c 'exit 42'
	hs 143 run -- sh -c 'kill -TERM $$'
	# A folder that may not be searched makes it "permission denied".
	PATH=/usr/bin:/bin hs 127 run -- no-such-command-at-all
	err_has 'no-such-command-at-all: command not found'
	hs 127 run -- /no/such/file
	err_has '/no/such/file: No such file or directory'
	hs 126 run -- /etc/passwd
	err_has 'Permission denied'
	hs 126 run -- /
	hs 2 run
	err_has 'which command?'
	hs 2 run --backend plain --
}

# The very process: no other in between that would have to pass signals on.
same_process() {
	cat >"$work/pid" <<-'SCRIPT'
		"$1" run -- sh -c 'echo $$' &
		pid=$!
		wait "$pid"
		echo "$pid"
	SCRIPT
	prog 0 bash "$work/pid" "$build/hugespan"
	[[ $(sort -u "$out" | wc -l) == 1 ]]
}

arguments() {
	hs 0 run --backend=plain printf '%s|' --backend '' 'a b' -- --help
	[[ $(cat "$out") == '--backend||a b|--|--help|' ]]
	hs 0 run -- printf '%s|' -x
	[[ $(cat "$out") == '-x|' ]]
}

# Each option is in the table once; its default must be a value it takes, and
# reach the program by its variable.
every_option() {
	hs 0 run --help-options
	cp "$out" "$work/options"
	local option values default variable nr=0
	while IFS=$'\t' read -r option values default variable; do
		nr=$((nr + 1))
		hs 0 run "$option=$default" -- printenv "$variable"
		[[ $(cat "$out") == "$default" ]]
		hs 0 run --help
		grep -qE -- "^  $option(\[=VALUE\]| VALUE)\$" "$out"
		hs 2 run "$option=no such value" -- touch "$work/started"
		err_has "$option"
		err_has "$values"
		[[ ! -e $work/started ]]
	done < <(sed -e 1d -e 's/   */\t/g' "$work/options")
	((nr >= 10))
}

bare_switches() {
	hs 0 run --verbose --stats -- printenv HUGESPAN_VERBOSE HUGESPAN_STATS
	[[ $(cat "$out") == $'1\ntext' ]]
	hs 0 run --stats=json --rseq=0 -- printenv HUGESPAN_STATS HUGESPAN_RSEQ
	[[ $(cat "$out") == $'json\n0' ]]
	hs 0 run --retain 16M -- printenv HUGESPAN_RETAIN
	[[ $(cat "$out") == 16M ]]
	# The last one counts, and it wins over what was set before.
	HUGESPAN_RETAIN=1M hs 0 run --retain 2M --retain=3M -- \
		printenv HUGESPAN_RETAIN
	[[ $(cat "$out") == 3M ]]
}

preloads() {
	local shim
	shim=$(realpath "$build")/libhugespan-malloc.so
	hs 0 run -- printenv LD_PRELOAD
	[[ $(cat "$out") == "$shim" ]]
	export LD_PRELOAD=libm.so.6
	hs 0 run -- printenv LD_PRELOAD
	[[ $(cat "$out") == "libm.so.6:$shim" ]]
	LD_PRELOAD="libm.so.6 libc.so.6" hs 0 run -- printenv LD_PRELOAD
	[[ $(cat "$out") == "libm.so.6 libc.so.6:$shim" ]]
	# Run below run: once is enough.
	unset LD_PRELOAD
	hs 0 run -- "$build/hugespan" run -- printenv LD_PRELOAD
	[[ $(cat "$out") == "$shim" ]]
}

other_shims() {
	mkdir "$work/lib" "$work/with space" "$work/alone"
	cp "$build/libhugespan-malloc.so" "$work/lib/mine.so"
	hs 0 run --lib "$work/lib/mine.so" -- printenv LD_PRELOAD
	[[ $(cat "$out") == "$work/lib/mine.so" ]]
	(cd "$work" && hs 0 run --lib lib/mine.so -- printenv LD_PRELOAD)
	[[ $(cat "$out") == "$work/lib/mine.so" ]]
	hs 1 run --lib "$work/none.so" -- true
	err_has 'No such file'
	cp "$work/lib/mine.so" "$work/with space/"
	hs 1 run --lib "$work/with space/mine.so" -- true
	err_has 'cannot hold a path with a space'
	cp -P "$build"/hugespan "$build"/libhugespan.so* "$work/alone/"
	prog 1 "$work/alone/hugespan" run -- true
	err_has 'fix: '
}

# The loader ignores LD_PRELOAD without a word; this must not.
warnings() {
	printf 'int main(void) { return 7; }\n' >"$work/seven.c"
	gcc -static -o "$work/static" "$work/seven.c" 2>/dev/null ||
		skip "no static C library"
	hs 7 run -- "$work/static"
	err_has 'warning: '
	err_has 'it is statically linked'
	gcc -o "$work/dynamic" "$work/seven.c"
	hs 7 run -- "$work/dynamic"
	err_lacks warning
	printf '#!/bin/sh\nexit 7\n' >"$work/script"
	chmod +x "$work/script"
	hs 7 run -- "$work/script"
	err_lacks warning
	gcc -static-pie -o "$work/static-pie" "$work/seven.c"
	hs 7 run -- "$work/static-pie"
	err_has 'it is statically linked'
	# Another machine's: a header is enough. What becomes of it when it is
	# started is not ours (execvp hands it to a shell).
	{
		printf '\177ELF\2\1\1'
		head -c 9 /dev/zero
		printf '\2\0\377\0'
		head -c 44 /dev/zero
	} >"$work/foreign"
	chmod +x "$work/foreign"
	"$build/hugespan" run -- "$work/foreign" >"$out" 2>"$err" && return 1
	err_has 'another architecture'
}

set_user_id() {
	((EUID == 0)) || skip "only root can make a set-user-ID program"
	mkdir -p "$work/for-all"
	cp -P "$build"/hugespan "$build"/libhugespan*.so* "$work/for-all/"
	cp /bin/true "$work/for-all/"
	chmod 755 "$work" "$work/for-all"
	chmod u+s "$work/for-all/true"
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$work/for-all/hugespan" run -- "$work/for-all/true" 2>"$err"
	err_has 'set-user-ID'
}

# What is printed can be given to a shell, whatever is in it.
printed() {
	hs 0 run --print --retain 4M -- printf '%s|' "it's" 'a b' '$HOME' ''
	has HUGESPAN_RETAIN=4M
	cp "$out" "$work/line"
	[[ $(bash "$work/line") == "it's|a b|\$HOME||" ]]
}

point 'malloc is served by the shim' shim_is_used
point "exit codes are the program's, or the shell's" exit_codes
point 'the program takes the place of the command' same_process
point 'arguments are handed on as they are' arguments
point 'every option of the library, by its table' every_option
point 'switches without a value, and which setting counts' bare_switches
point 'LD_PRELOAD is added to' preloads
point 'the shim of --lib, and none' other_shims
point 'programs that cannot be preloaded into are named' warnings
point 'a set-user-ID program, too' set_user_id
point '--print quotes for a shell' printed
finish
