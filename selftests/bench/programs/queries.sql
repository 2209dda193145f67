-- SPDX-License-Identifier: MIT
-- A database in memory: rows, an index, sorting, grouping, text, deletion.
CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, kind INTEGER, body TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
INSERT INTO item SELECT i, 'name-' || (i * 7919 % 100003), i % 97,
	substr('the quick brown fox jumps over the lazy dog', 1 + i % 20, i % 23) FROM n;
CREATE INDEX item_name ON item(name);
SELECT count(*), sum(length(body)) FROM item;
SELECT kind, count(*), max(name), group_concat(substr(name, 6, 2)) IS NOT NULL
	FROM item GROUP BY kind ORDER BY 3 LIMIT 5;
SELECT count(*) FROM item a JOIN item b ON b.name = 'name-' || (a.id % 5000);
UPDATE item SET body = body || upper(name) WHERE kind < 40;
DELETE FROM item WHERE id % 3 = 0;
SELECT name, body FROM item ORDER BY body DESC, name LIMIT 3;
