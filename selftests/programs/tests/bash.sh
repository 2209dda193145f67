# SPDX-License-Identifier: MIT
#
# A shell forks for every subshell and pipe and goes on using its heap in both;
# bash brings an allocator of its own in some builds, and frees in signal
# handlers' wake.

prepare() {
	cat >work.sh <<'BASH'
count=$1
declare -A table
for ((i = 0; i < count; i++)); do
	table[key$i]=$(printf '%*s' $((i % 50)) x)
	text+="item$i,"
	((i % 10)) || unset "table[key$((i / 2))]"
done
printf '%d %s\n' "${#table[@]}" "${#text}"
IFS=, read -r -a items <<<"$text"
printf '%s\n' "${items[@]: -3}" "${text//item/i}" | sha256sum
( table[key1]=changed; text=; ( exit 7 ); printf 'subshell %d\n' $? )
printf '%s %d\n' "${table[key1]}" "${#text}"
for ((i = 0; i < count / 10; i++)); do
	( printf '%d\n' $((i * i)) ) &
	((i % 4)) || wait
done | sort -n | sha256sum
wait
seq 1000 | while read -r n; do ((sum += n)); ((n < 1000)) || echo $sum; done
diff <(seq 1 2 99) <(seq 1 3 99) | sha256sum
coproc { while read -r line; do echo "got $line"; done; }
echo one >&"${COPROC[1]}"
read -r -t 20 answer <&"${COPROC[0]}"
echo "$answer"
exec {COPROC[1]}>&-
trap 'echo trapped' USR1
kill -USR1 $BASHPID
recurse() { (($1 == 0)) || { local deep="$1$deep"; recurse $(($1 - 1)); }; }
recurse 200
mapfile -t lines < <(seq $((count * 5)))
printf '%d\n' "${#lines[@]}"
[[ $text =~ item([0-9]+),item([0-9]+),$ ]] && echo "${BASH_REMATCH[@]:1}"
eval "echo {1..2000}" | wc -w
BASH
}

run() {
	hs bash "$HS_DATA/work.sh" $((50 * SCALE))
}
