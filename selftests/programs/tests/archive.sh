# SPDX-License-Identifier: MIT
#
# Compressors ask for windows of many megabytes, hand blocks between threads
# and free them there. What they wrote must be the same and unpack again.

prepare() {
	needs tar gzip xz zstd perl
	random_lines $((4000 * SCALE)) 4711 | split -a 3 -l 500 - part.
	mkdir -p tree/deep/er
	cp part.* tree/deep/er
	if ((SCALE >= 5)); then
		cp -R "$(perl -MConfig -e 'print $Config{privlib}')"/{CPAN,Pod,Test,TAP} tree/
	fi
}

run() {
	hs tar -C "$HS_DATA" --sort=name --mtime=@0 --owner=0 --group=0 \
		--mode=u=rwX,go=rX -cf all.tar tree
	hs tar -tvf all.tar | digest
	digest <all.tar
	hs gzip -n -k -6 all.tar
	hs zstd -q -T2 -9 all.tar -o all.tar.zst
	hs xz -k -T2 -2 all.tar
	sha256sum all.tar.gz all.tar.zst all.tar.xz
	hs gzip -dc all.tar.gz | digest
	hs zstd -q -dc all.tar.zst | digest
	hs xz -T2 -dc all.tar.xz | digest
	mkdir out
	hs tar --use-compress-program='zstd -d' -C out -xf all.tar.zst
	diff -r "$HS_DATA/tree" out/tree && printf 'the same tree\n'
}
