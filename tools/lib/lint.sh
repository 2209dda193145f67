# SPDX-License-Identifier: MIT
# What the linters share; source it, do not run it. Each linter is a program in
# tools/lint that prints a line for each finding and exits 1 if there was one,
# or exits 4 with a reason where it could not look.

cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../.."

# tree_files PATHSPEC...: the project's own files, those not committed yet too.
tree_files() {
	git ls-files --cached --others --exclude-standard -- "$@" | sort -u |
		while read -r file; do
			if [[ -f $file ]]; then
				printf '%s\n' "$file"
			fi
		done
}

# forbid REASON ERE: fails if a line of the files on stdin matches.
forbid() {
	local reason=$1 pattern=$2 found
	found=$(xargs -r -d '\n' grep -nE -- "$pattern" /dev/null || true)
	if [[ -n $found ]]; then
		printf '%s\n' "$found" "$reason"
		return 1
	fi
}
