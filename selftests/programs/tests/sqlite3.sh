# SPDX-License-Identifier: MIT
#
# SQLite keeps a page cache and thousands of small trees of the statements it
# compiles, and asks malloc_usable_size of nothing it did not keep count of:
# its own memory statistics are among what is compared.

prepare() {
	needs sqlite3
	random_lines $((5000 * SCALE)) 4711 | tr ' ' '\t' >items.tsv
	cat >work.sql <<'SQL'
.bail on
.mode tabs
create table item (key text primary key, n integer, word text);
create table word (word text, class integer);
.import items.tsv item
create index item_n on item (n);
create index item_word on item (word, n);
insert into word select distinct word, length(word) % 3 from item;
create index word_word on word (word);
analyze;
select count(*), sum(n), count(distinct word) from item;
select class, count(*), avg(n) from item join word using (word)
	group by class order by class;
select a.word, count(*) c from item a join item b
	on a.word = b.word and a.n < b.n
	group by a.word order by c desc, a.word limit 20;
with recursive fib(i, a, b) as (values (1, 1, 1)
	union all select i + 1, b, a + b from fib where i < 60)
	select group_concat(a) from fib;
select word, n, rank() over (partition by word order by n) r
	from item order by r desc, word, n limit 20;
create virtual table found using fts5(key, word);
insert into found select key, word || ' ' || n from item;
select count(*) from found where found match 'word1* OR word2*';
select json_group_array(json_object('k', key, 'n', n))
	from (select * from item order by key limit 200);
begin;
update item set word = word || '-' || (n % 10) where n % 3 = 0;
delete from item where n % 7 = 0;
rollback;
savepoint one;
update item set n = n + 1;
release one;
vacuum;
pragma integrity_check;
insert into found(found) values ('integrity-check');
.output dump.sql
.dump item word
SQL
}

run() {
	local mode
	for mode in delete wal; do
		cp "$HS_DATA/items.tsv" .
		hs sqlite3 -cmd "pragma journal_mode=$mode" "$mode.db" \
			<"$HS_DATA/work.sql"
		digest <dump.sql
		hs sqlite3 "$mode.db" 'select count(*), sum(n) from item'
	done
	hs sqlite3 :memory: '.read dump.sql' 'select sum(n) from item' \
		'.selftest --init' 2>&1 | tail -n 2
}
