#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# make install: what a packager and a first user rely on. A header that is not
# self-contained, a soname without its link or a wrong path in hugespan.pc only
# shows outside the tree; and the README's program must be one that compiles.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=include/cli.sh
source "$(dirname "$(realpath "$0")")/include/cli.sh"

prefix=/opt/hugespan-test
dest=$work/dest
at=$dest$prefix

if ! command -v make >/dev/null || ! command -v gcc >/dev/null ||
	[[ ! -w $build ]]; then
	echo "1..0 # SKIP needs make, gcc and a tree that can be built"
	exit 4
fi

install_tree() {
	make -C "$top" install DESTDIR="$dest" PREFIX="$prefix"
	local file
	for file in include/hugespan.h include/linux/hugespan.h \
		lib/libhugespan.a lib/libhugespan-malloc.so lib/libhugespan.so \
		lib/libhugespan.so.0 lib/pkgconfig/hugespan.pc bin/hugespan \
		share/man/man1/hugespan.1; do
		[[ -e $at/$file ]] || { echo "missing: $file"; return 1; }
	done
}

soname() {
	readelf -d "$at/lib/libhugespan.so" | grep 'SONAME.*\[libhugespan.so.0\]'
	[[ $(readlink "$at/lib/libhugespan.so") == libhugespan.so.0 ]]
	readelf -V "$at/lib/libhugespan.so" | grep HUGESPAN_0.1
}

# Nothing but the interface leaves the library.
exports() {
	nm -D --defined-only "$at/lib/libhugespan.so" | awk '{ print $3 }' |
		grep -v -e '^hs_' -e '^HUGESPAN_' >"$out" && return 1
	nm -D --defined-only "$at/lib/libhugespan-malloc.so" |
		awk '{ print $3 }' >"$out"
	has malloc
	has hs_malloc
}

readme_program() {
	# The first C block of the README, as it stands there.
	awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' "$top/README.md" \
		>"$work/hello.c"
	local flags
	flags=$(PKG_CONFIG_PATH=$at/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$dest \
		pkg-config --cflags --libs hugespan)
	# shellcheck disable=SC2086 # words, as a user writes them
	gcc -Wall -Wextra -Werror -o "$work/hello" "$work/hello.c" $flags
	prog 0 env LD_LIBRARY_PATH="$at/lib" "$work/hello"
	has 'in use by the program'
}

# The public header alone, in the strictest C and in C++.
header() {
	echo '#include <hugespan.h>' >"$work/alone.c"
	gcc -std=c99 -pedantic -Wall -Wextra -Werror -I"$at/include" \
		-fsyntax-only "$work/alone.c"
	g++ -x c++ -Wall -Wextra -Werror -I"$at/include" -fsyntax-only \
		"$work/alone.c"
	echo '#include <linux/hugespan.h>' >"$work/alone.c"
	gcc -std=c99 -Wall -Wextra -Werror -I"$at/include" -fsyntax-only \
		"$work/alone.c"
}

point "make install lays out the whole tree" install_tree
point "the library has its soname, its links and its versions" soname
point "only the interface is exported" exports
point "the README's program compiles and runs" readme_program
point "the headers stand alone, in C and in C++" header
point "the installed command runs the installed shim" \
	env LD_LIBRARY_PATH="$at/lib" "$at/bin/hugespan" run -- true
finish
