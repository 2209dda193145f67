# SPDX-License-Identifier: MIT
#
# Both awks build strings piece by piece and keep big tables of them: the
# realloc that grows by a little, again and again.

prepare() {
	needs awk
	random_lines $((3000 * SCALE)) 4711 >lines
	cat >work.awk <<'AWK'
{
	count[$3]++
	sum[$3] += $2
	text[$3] = text[$3] substr($1, 1, 3)
	line[NR] = $0
	if (gsub(/[aeiou0-4]+/, "<&>"))
		changed += length($0)
	n = split($1, letter, "")
	for (i = 1; i <= n; i++)
		letters[letter[i]]++
	all = all $2 ","
	if (length(all) > 20000)
		all = substr(all, 10000)
}
END {
	for (i = NR; i > 0; i -= 97)
		print toupper(line[i])
	for (word in count)
		print word, count[word], sum[word], text[word] | "sort"
	close("sort")
	for (word in count)
		if (count[word] % 2)
			delete count[word]
	for (word in count)
		left++
	for (i in letters)
		print i, letters[i] | "sort"
	print left, changed, length(all)
}
AWK
}

run() {
	local awk
	for awk in gawk mawk; do
		if command -v "$awk" >/dev/null; then
			printf '%s\n' "$awk"
			hs "$awk" -f "$HS_DATA/work.awk" "$HS_DATA/lines" |
				digest
		fi
	done
}
