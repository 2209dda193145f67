# SPDX-License-Identifier: MIT
# Fetching Debian packages without installing them; sourced by tools/setup.
#
# apt runs with sources, lists and archives of its own under the cache, so the
# machine's apt is not altered and root is not needed. The mirror is whatever
# the machine's own sources use.

PRIVATE_APT=$CACHE/apt

private_apt() {
	local tool=$1
	shift
	"$tool" -o Dir::Etc::sourcelist="$PRIVATE_APT/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$PRIVATE_APT/lists" \
		-o Dir::Cache::archives="$PRIVATE_APT/archives" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
		-o APT::Sandbox::User= -o Acquire::Languages=none \
		-o Acquire::Retries=5 -o Acquire::http::Timeout=60 \
		-o Acquire::https::Timeout=60 "$@"
}

# The machine's own Debian archive that holds SUITE, as an apt URI.
archive_of() {
	apt-get indextargets --format \
		'$(CREATED_BY) $(RELEASE) $(COMPONENT) $(REPO_URI) $(ORIGIN)' |
		awk -v suite="$1" '$1 == "Packages" && $2 == suite &&
			$3 == "main" && ($5 == "" || $5 == "Debian") {
				print $4; exit }'
}

# A suite's archive is its own where the machine knows the suite, else that of
# the release itself: backports live beside the release on every mirror.
private_sources() {
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	local suite uri option=
	if [[ -r $keyring ]]; then
		option="[signed-by=$keyring] "
	fi
	for suite in bookworm bookworm-security bookworm-backports; do
		uri=$(archive_of "$suite")
		if [[ -z $uri && $suite == bookworm-backports ]]; then
			uri=$(archive_of bookworm)
		fi
		if [[ -n $uri ]]; then
			printf 'deb %s%s %s main\n' "$option" "$uri" "$suite"
		fi
	done
}

# Lists older than an hour are read anew; older debs may have left the mirror.
private_update() {
	local stamp=$PRIVATE_APT/updated
	if [[ -n $(find "$stamp" -mmin -60 2>/dev/null) ]]; then
		return 0
	fi
	mkdir -p "$PRIVATE_APT/lists/partial" "$PRIVATE_APT/archives/partial"
	private_sources >"$PRIVATE_APT/sources.list"
	if ! grep -q ' bookworm ' "$PRIVATE_APT/sources.list"; then
		printf '%s\n' "apt's sources name no Debian 12 (bookworm) archive" >&2
		return 1
	fi
	private_apt apt-get update
	touch "$stamp"
}

# private_download DIR NAME[=VERSION]...: the debs, complete, in DIR. apt checks
# sizes and hashes and goes on with what a broken download left.
private_download() {
	local dir=$1 try
	shift
	mkdir -p "$dir"
	for try in 1 2 3; do
		if (cd "$dir" && private_apt apt-get download "$@"); then
			return 0
		fi
		printf 'download failed (try %d of 3)\n' "$try"
		sleep $((try * 5))
	done
	return 1
}
