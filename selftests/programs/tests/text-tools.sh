# SPDX-License-Identifier: MIT
#
# The small programs that every script is made of; grep -P compiles its
# patterns to machine code and keeps stacks of its own. Many short lives: the
# shim's start and end must be right each time.

prepare() {
	needs grep sed find xargs diff
	random_lines $((5000 * SCALE)) 4711 >lines
	random_lines $((5000 * SCALE)) 4711 | sed '7~91s/word/other/' >changed
}

run() {
	local i
	hs grep -P '(?<n>[0-9a-f])\k<n>.*(?=word(\d)\d*\2)' "$HS_DATA/lines" |
		digest
	hs grep -cE '(word[0-9]*[37] ?|a.*b.*c.*d){2}|f{3}' "$HS_DATA/lines"
	hs grep -oP '\bword\d{4}\b(*SKIP)' "$HS_DATA/lines" | digest
	hs sed -E 's/([a-f0-9]{4})([a-f0-9]{4})/\2-\1/g; $!N; P; D' \
		"$HS_DATA/lines" | digest
	hs sed -n 'H; ${x; s/\n/,/g; p}' "$HS_DATA/lines" | digest
	{
		hs diff -u --label a "$HS_DATA/lines" --label b \
			"$HS_DATA/changed" || printf 'status %d\n' $?
	} | digest
	hs cut -d ' ' -f 2,3 "$HS_DATA/lines" | hs tac | hs uniq -c | digest
	hs join -j 3 <(sort -k 3,3 "$HS_DATA/lines" | head -n 300) \
		<(sort -k 3,3 "$HS_DATA/changed" | head -n 300) | digest
	hs find /usr/share /etc -xdev -name '*.p[lm]' -printf '%p %s\n' \
		2>/dev/null | hs sort | digest
	hs find "$HS_DATA" -type f -print0 | hs xargs -0 -n 1 sha256sum |
		cut -c 1-64
	hs ls -lR --time-style=+ /usr/share/perl5 | digest
	for ((i = 0; i < 3 * SCALE; i++)); do
		hs factor $((i * 7919 + 2))
		hs date -u -d "@$((i * 86400))" '+%F %A'
	done
}
