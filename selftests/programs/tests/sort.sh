# SPDX-License-Identifier: MIT
#
# sort takes one buffer of the size it is told, grows it by realloc, and has
# threads of its own: big blocks that move, and are given back in one piece.

prepare() {
	needs sort
	random_lines $((25000 * SCALE)) 4711 >lines
	# Each line four times over, a key of its own before it.
	awk '{ for (i = 0; i < 4; i++) print substr($1, 1 + i * 3, 5), $0, $0 }' \
		lines >big
	rm lines
}

run() {
	stat -c '%s bytes' "$HS_DATA/big"
	hs LC_ALL=C sort -S $((3 * SCALE))M --parallel=2 -T . "$HS_DATA/big" |
		digest
	# More than there may be: sort asks for less until it is given it.
	head -n $((20000 * SCALE)) "$HS_DATA/big" >part
	hs LC_ALL=C sort -S 90% --parallel=2 -k 3n,3 -k 1,1r part | digest
	head -n $((2000 * SCALE)) "$HS_DATA/big" | hs sort -u -k 4,4V | digest
	head -n $((5000 * SCALE)) "$HS_DATA/big" | hs sort -R \
		--random-source="$HS_DATA/big" | digest
}
