#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The man pages say what the code does: every command, option, variable and
# function is in its page, as the program itself tells them. Pages rot
# silently; nobody reads the one they wrote.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=include/cli.sh
source "$(dirname "$(realpath "$0")")/include/cli.sh"

pages=$top/Documentation/man

command -v mandoc >/dev/null || {
	echo "1..0 # SKIP mandoc is not installed"
	exit 4
}

# A page as plain text in one line, so that line breaks do not matter. The
# width is the largest that mandoc takes: a word may be broken at a hyphen.
plain() {
	mandoc -T ascii -O width=1000 "$1" | col -b | tr -s ' \n' ' '
}

# The table of the library is the source; the overview must not differ.
variables() {
	local option values default variable nr=0 text
	text=$(plain "$pages/hugespan.7")
	hs 0 run --help-options
	while IFS=$'\t' read -r option values default variable; do
		nr=$((nr + 1))
		[[ $text == *" $variable ("* ]] ||
			{ echo "$variable ($option) is not in hugespan.7"; return 1; }
		# mdoc sets "a | b" apart.
		[[ ${text// | /|} == *" $variable ($values; default $default)"* ]] ||
			{ echo "$variable: not '$values; default $default'"; return 1; }
	done < <(sed -e 1d -e 's/   */\t/g' "$out")
	((nr >= 10))
	# And none that the library no longer has.
	while read -r variable; do
		grep -q "[ 	]$variable\$" "$out" ||
			{ echo "$variable: no such variable"; return 1; }
	done < <(sed -n 's/^\.It Ev \(HUGESPAN_[A-Z_]*\).*/\1/p' \
		"$pages/hugespan.7")
}

commands() {
	local command option page names
	hs 0 help --commands
	mapfile -t names <"$out"
	for command in "${names[@]}"; do
		page=$pages/hugespan-$command.1
		if [[ $command == help ]]; then
			page=$pages/hugespan.1
		fi
		[[ -e $page ]] || { echo "no page: $page"; return 1; }
		grep -q "hugespan-$command 1\|Cm $command" "$pages/hugespan.1" ||
			{ echo "hugespan.1 lacks $command"; return 1; }
		hs 0 help "$command"
		# The library's options are in hugespan.7, by their variables.
		while read -r option; do
			plain "$page" | grep -qE -- "[ ([]${option}[],; =)]" ||
				{ echo "$page lacks $option"; return 1; }
		done < <(sed '/^Options for the program/,$d' "$out" |
			grep -oE -- '(^|[ ,])--[a-z][a-z-]*' | tr -d ' ,' | sort -u)
	done
}

# And no page has an option that its command lacks.
no_others() {
	local command option names
	hs 0 help --commands
	mapfile -t names < <(grep -v '^help$' "$out")
	for command in "${names[@]}"; do
		hs 0 help "$command"
		while read -r option; do
			has "--$option"
		done < <(sed -n 's/^\.It Fl .*\\-\([a-z-]*\).*/\1/p' \
			"$pages/hugespan-$command.1")
	done
}

functions() {
	local name
	nm -D --defined-only "$build/libhugespan.so" |
		sed -n 's/.* [TW] \(hs_[a-z_]*\).*/\1/p' | sort -u >"$out"
	while read -r name; do
		grep -qE "^\.Fn $name( |\$)" "$pages"/*.3 ||
			{ echo "no page has $name"; return 1; }
		grep -qE "[ *]$name\(" "$top/libuser/include/hugespan.h" ||
			{ echo "$name is not in the header"; return 1; }
	done <"$out"
	(($(wc -l <"$out") > 20))
	# The names of a page are its functions, and none besides.
	while read -r name; do
		grep -qx "$name" "$out" ||
			{ echo "the library lacks $name"; return 1; }
	done < <(sed -n 's/^\.Nm \(hs_[a-z_]*\).*/\1/p' "$pages"/*.3)
}

members() {
	local member
	while read -r member; do
		grep -q "$member" "$pages/hs_stats.3" ||
			{ echo "hs_stats.3 lacks $member"; return 1; }
	done < <(sed -n '/^struct hs_stats {/,/^}/s/^\tuint64_t \([a-z_]*\);.*/\1/p' \
		"$top/libuser/include/hugespan.h")
}

shim() {
	local name
	while read -r name; do
		grep -q "Fn $name\b" "$pages/libhugespan-malloc.7" ||
			{ echo "libhugespan-malloc.7 lacks $name"; return 1; }
	done < <(nm -D --defined-only "$build/libhugespan-malloc.so" |
		sed -n 's/.* [TW] \([a-z_0-9]*\)$/\1/p' | sort -u)
}

device() {
	local name
	while read -r name; do
		grep -q "$name" "$pages/hugespan.4" ||
			{ echo "hugespan.4 lacks $name"; return 1; }
	done < <(sed -n -e 's/^#define \(HUGESPAN_IOC_[A-Z_]*\)\t.*_IOWR.*/\1/p' \
		-e 's/^\t\(HUGESPAN_FORK_[A-Z]*\)\t.*/\1/p' \
		-e 's/^ \*   \(E[A-Z0-9]*\) .*/\1/p' \
		"$top/kmod/include/uapi/linux/hugespan.h")
	while read -r name; do
		grep -q "Va $name" "$pages/hugespan.4" ||
			{ echo "hugespan.4 lacks the parameter $name"; return 1; }
	done < <(sed -n 's/^module_param(\([a-z_]*\),.*/\1/p' "$top"/kmod/*.c)
	while read -r name; do
		grep -q "$name" "$pages/hugespan.4" ||
			{ echo "hugespan.4 lacks the file $name"; return 1; }
	done < <(sed -n 's/.*__ATTR_RO(\([a-z_]*\)).*/\1/p
		s/^STAT_ATTR(\([a-z_]*\),.*/\1/p' "$top/kmod/sysfs.c")
}

# Cross-references lead somewhere: to a page here, or one of the system.
references() {
	local name section
	while read -r name section; do
		case $name in
		hugespan* | hs_* | libhugespan*)
			grep -qs "^\.Nm $name\b" "$pages"/*."$section" ||
				{ echo "no page: $name($section)"; return 1; }
			;;
		esac
	done < <(sed -n 's/^\.\(It \)\?Xr \([^ ]*\) \([1-8]\).*/\2 \3/p' \
		"$pages"/* | sort -u)
}

# With the headers that a user would have, and nothing else.
examples() {
	command -v gcc >/dev/null || skip "gcc is not installed"
	! is_sanitized || skip "an ordinary program cannot use this build"
	sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$pages/libhugespan.3" |
		sed -e '/^\./d' >"$work/example.c"
	gcc -std=c99 -Wall -Wextra -Werror -pedantic -I"$top/libuser/include" \
		-o "$work/example" "$work/example.c" "$build/libhugespan.so" \
		-Wl,-rpath,"$build"
	prog 0 "$work/example"
	has 'on huge pages'
	{
		printf '#define _GNU_SOURCE\n#include <hugespan.h>\n'
		printf '#include <err.h>\n#include <fcntl.h>\n#include <string.h>\n'
		printf '#include <sys/ioctl.h>\n#include <sys/mman.h>\n'
		printf '#include <linux/hugespan.h>\nvoid library(void);\n'
		printf 'char *device(void);\nvoid library(void)\n{\n'
		sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$pages/hs_span_alloc.3" |
			sed -e '/^\./d'
		printf '}\nchar *device(void)\n{\n'
		sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$pages/hugespan.4" |
			sed -e '/^\./d'
		printf 'return memory;\n}\n'
	} >"$work/parts.c"
	gcc -std=gnu11 -Wall -Wextra -Werror -I"$top/libuser/include" \
		-I"$top/kmod/include/uapi" -c -o "$work/parts.o" "$work/parts.c"
}

point 'every variable, with its values and default' variables
point 'every command and its options' commands
point 'no option that is not there' no_others
point 'every function of the library' functions
point 'every figure of hs_stats' members
point 'every function that the shim defines' shim
point 'commands, modes, errors, parameters and files of the device' device
point 'references lead somewhere' references
point 'the examples compile, and the whole one runs' examples
finish
