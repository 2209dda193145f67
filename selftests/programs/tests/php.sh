# SPDX-License-Identifier: MIT
#
# PHP opens its extensions with RTLD_DEEPBIND, so that a plugin finds libc's
# malloc before a preloaded one and frees our pointers with it: the crash that
# every allocator is reported for. Each extension that shares memory with PHP
# or brings a big C or C++ library is used here, under PHP's own allocator and,
# with USE_ZEND_ALLOC=0, with each of its allocations being one of ours.

prepare() {
	needs php
	cat >work.php <<'PHP'
<?php
$count = (int)$argv[1];
foreach (['xml', 'dom', 'simplexml', 'mbstring', 'sqlite3', 'intl'] as $name)
	echo $name, extension_loaded($name) ? " loaded\n" : " missing\n";

mt_srand(4711);
$table = [];
for ($i = 0; $i < $count * 5; $i++) {
	$table["key$i"] = str_repeat(chr(97 + $i % 26), mt_rand(0, 200));
	if ($i % 3 == 0)
		unset($table["key" . mt_rand(0, $i)]);
}
ksort($table);
echo "table ", count($table), " ", md5(serialize($table)), "\n";
echo "regex ", md5(preg_replace('/([a-z])\1{9}/', '<$1>',
	implode(" ", $table))), "\n";

$doc = new DOMDocument();
$root = $doc->appendChild($doc->createElement("list"));
for ($i = 0; $i < $count; $i++) {
	$item = $root->appendChild($doc->createElement("item", "text $i &amp;"));
	$item->setAttribute("n", (string)$i);
}
$text = $doc->saveXML();
$simple = simplexml_load_string($text);
$sum = 0;
foreach ($simple->item as $item)
	$sum += (int)$item["n"];
$path = new DOMXPath($doc);
$hits = $path->query('//item[@n mod 7 = 0]')->length;
$depth = 0;
$parser = xml_parser_create();
xml_set_element_handler($parser, function () use (&$depth) { $depth++; },
	function () {});
xml_parse($parser, $text, true);
$bad = @simplexml_load_string("<a><b></a>");
echo "xml ", md5($text), " $sum $hits $depth ", var_export($bad, true), "\n";

$word = "Grüße, мир, 世界! ";
$long = str_repeat($word, $count);
echo "mbstring ", mb_strlen($long), " ", md5(mb_strtoupper($long)), " ",
	md5(mb_convert_encoding($long, "UTF-16LE", "UTF-8")), " ",
	md5(implode("|", mb_str_split($long, 5))), "\n";

$db = new SQLite3(":memory:");
$db->exec("create table t (id integer primary key, name text, n integer)");
$db->createFunction("twice", fn ($x) => $x . $x);
$insert = $db->prepare("insert into t (name, n) values (?, ?)");
for ($i = 0; $i < $count; $i++) {
	$insert->bindValue(1, "name" . mt_rand(0, 999));
	$insert->bindValue(2, $i);
	$insert->execute();
}
$rows = [];
$result = $db->query("select twice(name) a, count(*), sum(n) from t
	group by name order by a limit 50");
while ($row = $result->fetchArray(SQLITE3_NUM))
	$rows[] = $row;
$db->close();
echo "sqlite3 ", count($rows), " ", md5(serialize($rows)), "\n";

$collator = new Collator("de_DE");
$names = ["Zebra", "Äpfel", "Apfel", "Öl", "Ofen", "straße", "strasse"];
$collator->sort($names);
$number = new NumberFormatter("de_DE", NumberFormatter::SPELLOUT);
$break = IntlBreakIterator::createWordInstance("en");
$break->setText(str_repeat("Some words to break. ", $count));
$message = MessageFormatter::formatMessage("en",
	"{0,plural,=0{none}=1{one}other{# of them}}", [$count]);
echo "intl ", implode(",", $names), " ", $number->format(1234567), " ",
	iterator_count($break), " ", $message, " ",
	md5(Normalizer::normalize($long, Normalizer::FORM_D)), " ",
	transliterator_transliterate("Any-Latin; Latin-ASCII", $word), "\n";

if (function_exists("pcntl_fork")) {
	$pid = pcntl_fork();
	if ($pid == 0) {
		$table = array_map("strrev", $table);
		echo "child ", md5(serialize($table)), "\n";
		exit(3);
	}
	pcntl_waitpid($pid, $status);
	echo "parent ", pcntl_wexitstatus($status), " ", md5(serialize($table)),
		"\n";
}
echo "shell ", shell_exec("echo from a shell");
PHP
}

run() {
	local own
	for own in 1 0; do
		printf 'USE_ZEND_ALLOC=%d\n' "$own"
		hs USE_ZEND_ALLOC="$own" php -d display_errors=stderr \
			-d opcache.enable_cli=1 "$HS_DATA/work.php" \
			$((1000 * SCALE))
	done
}
