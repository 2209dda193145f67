<?php
// SPDX-License-Identifier: MIT
// Arrays, strings and objects of PHP, as pages are made. The argument is how
// many pages.

mt_srand(1);
$bytes = 0;
$kept = [];
for ($page = 0; $page < (int)$argv[1]; $page++) {
	$rows = [];
	for ($i = 0; $i < 100; $i++) {
		$row = new stdClass();
		$row->title = "title " . mt_rand(0, 100000);
		$row->tags = array_map(fn($n) => "tag$n", range(0, mt_rand(0, 6)));
		$row->text = str_repeat("word ", mt_rand(1, 60));
		$rows[$row->title] = $row;
	}
	ksort($rows);
	$html = "";
	foreach ($rows as $title => $row) {
		$html .= "<h2>$title</h2><p>" . ucfirst($row->text) .
			implode(", ", $row->tags) . "</p>\n";
	}
	$kept[$page % 50] = [$html, $rows];
	$bytes += strlen(json_encode(array_values($rows))) + strlen($html);
}
echo "$bytes\n";
