# SPDX-License-Identifier: MIT
#
# git maps packs, keeps thousands of objects at a time and starts programs of
# its own that inherit the shim. A pack made of the same objects by one thread
# must have the same name; what threads packed must still check.

prepare() {
	needs git awk
	git init -q -b main --bare source.git
	random_lines $((700 * SCALE)) 4711 | awk '
		{
			line[NR % 997] = $0
			if (NR % 6)
				next
			commit++
			printf "blob\nmark :%d\n", NR * 2
			text = ""
			for (i = 0; i < 40 + commit % 60; i++)
				text = text line[(i * 31 + commit) % 997] "\n"
			printf "data %d\n%s\n", length(text), text
			printf "commit refs/heads/main\nmark :%d\n", NR * 2 + 1
			printf "committer A U Thor <a@example.org> %d +0000\n",
			       1700000000 + commit * 60
			message = "change " commit ": " $3
			printf "data %d\n%s\n", length(message), message
			if (commit > 1)
				printf "from :%d\n", last
			printf "M 100644 :%d dir%d/sub%d/%s\n\n", NR * 2,
			       commit % 7, commit % 13, $3
			last = NR * 2 + 1
		}
		END {
			printf "reset refs/tags/end\nfrom :%d\n\n", last
		}' | git -C source.git fast-import --quiet
}

run() {
	export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME=$PWD
	export GIT_AUTHOR_DATE='@1800000000 +0000' GIT_AUTHOR_NAME=A
	export GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE GIT_COMMITTER_NAME=A
	export EMAIL=a@example.org GIT_PAGER=cat

	hs git clone -q --no-local "file://$HS_DATA/source.git" clone
	cd clone || return
	hs git count-objects -v | sed -n '/^count\|^in-pack/p'
	hs git log -p --stat -M | digest
	hs git rev-list --objects --all | digest
	hs git diff -M --stat main~30 main | digest
	hs git blame "$(git ls-files | head -n 1)" | digest
	hs git grep -n -E 'word(12|77)[0-9]' | digest
	hs git repack -q -a -d -f --threads=1 --depth=20
	printf '%s\n' .git/objects/pack/*.pack
	hs git checkout -q -b topic main~40
	printf 'a change\n' >>"$(git ls-files | tail -n 1)"
	hs git commit -q -a -m 'a change'
	hs git rebase -q main
	hs git merge -q --no-ff -m merged main~5
	hs git rev-parse HEAD
	hs git gc -q --prune=now
	hs git fsck --full --strict --no-progress
	hs git archive --format=tar HEAD | digest
	hs git bundle create -q ../all.bundle --all
	hs git bundle verify -q ../all.bundle
}
