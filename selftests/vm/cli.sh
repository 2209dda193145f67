#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The hugespan command where there is a kernel module: the scripts of
# selftests/tools/guest, each in a guest of its own. Their points become the
# points of this test.
set -euo pipefail

top=$(dirname "$(realpath "$0")")/../..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nr=0
failed=0

one_guest() {
	local name status=0 line
	name=$(basename "$1" .sh)
	"$top/tools/vm" run --mem 1G --pool-arg pool=256M -- \
		"selftests/tools/guest/$name.sh" >"$work/out" 2>"$work/err" \
		</dev/null || status=$?
	# Numbered through; the plan comes at the end.
	while IFS= read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			nr=$((nr + 1))
			printf '%s\n' "$line" |
				sed -E "s/^((not )?ok) [0-9]+ /\1 $nr $name: /"
			;;
		1..*) ;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$work/out"
	if ((status)); then
		failed=1
		sed 's/^/# /' "$work/err"
	fi
	nr=$((nr + 1))
	if ((status)); then
		printf 'not ok %d %s: the guest, exit status %d\n' \
			"$nr" "$name" "$status"
	else
		printf 'ok %d %s: the guest and its kernel log\n' "$nr" "$name"
	fi
}

for script in "$top"/selftests/tools/guest/*.sh; do
	one_guest "$script"
done
printf '1..%d\n' "$nr"
exit "$failed"
