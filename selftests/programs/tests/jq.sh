# SPDX-License-Identifier: MIT
#
# jq makes a tree of small values, counts references and frees by them: each
# object is taken and given back many times.

prepare() {
	needs jq
	random_lines $((700 * SCALE)) 4711 | awk '
		BEGIN { print "[" }
		{
			printf "%s{\"key\":\"%s\",\"n\":%d,\"word\":\"%s\",",
			       (NR > 1 ? "," : ""), $1, $2, $3
			printf "\"list\":[%d,null,true,\"\\u00e9%s\"]}\n",
			       NR, $3
		}
		END { print "]" }' >data.json
}

run() {
	hs jq -c 'group_by(.word)[:50] | map({w: .[0].word, c: length,
		s: (map(.n) | add)})' "$HS_DATA/data.json" | digest
	hs jq -S '[.[] | select(.n % 3 == 0) | .list[3] |= ascii_upcase |
		del(.key)] | unique_by(.word)' "$HS_DATA/data.json" | digest
	hs jq -r '.[] | [.key, .n, (.list | tojson)] | @csv' \
		"$HS_DATA/data.json" | digest
	hs jq '[.. | numbers] | add' "$HS_DATA/data.json"
	hs jq -n '[range(4000)] | map(tostring) | join(",") |
		[match("9+"; "g").string] | length'
	hs jq --stream -c 'select(length == 2 and .[0][1] == "n") | .[1]' \
		"$HS_DATA/data.json" | digest
	hs jq . <<<'{"broken": [1,' 2>&1 || printf 'status %d\n' $?
}
