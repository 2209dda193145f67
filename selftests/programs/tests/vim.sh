# SPDX-License-Identifier: MIT
#
# vim keeps text in a tree of blocks with an undo tree beside it, and a script
# language with values that are counted and collected.

prepare() {
	needs vim
	random_lines $((2000 * SCALE)) 4711 >lines
	cat >work.vim <<'VIM'
set nomore undolevels=1000
%s/word\(\d\)/w<\1>/g
g/^[0-3]/m0
v/[a-f]/d
1,500sort
normal! ggqaA x0ddpjq40@a
undo
redo
let table = {}
for line in getline(1, '$')
  let table[split(line)[0]] = map(split(line), 'toupper(v:val)')
endfor
call append('$', len(table))
call append('$', string(sort(keys(table))[0:20]))
earlier 3
write! out.txt
later 3
write! out2.txt
qall!
VIM
}

run() {
	cp "$HS_DATA/lines" lines
	hs HOME="$PWD" vim -u NONE -i NONE -n -e -s -S "$HS_DATA/work.vim" lines
	wc -l <out.txt
	sha256sum out.txt out2.txt
}
