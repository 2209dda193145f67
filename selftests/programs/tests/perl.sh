# SPDX-License-Identifier: MIT
#
# Perl allocates small and often, keeps its interpreter in memory that a fork
# shares, and frees it all at the end: a child that saw another's writes, or a
# string cut short by a wrong usable size, changes what is printed here.

prepare() {
	needs perl
	cat >work.pl <<'PERL'
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);
use POSIX ();

my $count = shift;
my $seed = 4711;
sub rnd { $seed = ($seed * 16807) % 2147483647; return $seed % shift }

# Hashes that grow, shrink and grow; nested; values of all lengths.
my %table;
for my $round (1 .. 3) {
	$table{"key$_"} = { n => $_, s => chr(97 + $_ % 26) x rnd(200) }
		for 1 .. $count;
	delete $table{"key" . (1 + rnd($count))} for 1 .. $count / 2;
}
my $sum = md5_hex(join ",", map { "$_=$table{$_}{s}" } sort keys %table);
printf "hash %d %s\n", scalar(keys %table), $sum;

# Regexes: captures, substitutions that make strings grow, split, join.
my $text = join " ", map { "item$_:" . rnd(99999) } 1 .. $count;
my %seen;
$seen{length $2}++ while $text =~ /(\w+):(\d+)/g;
(my $grown = $text) =~ s/(\d+)/<$1|$1>/g;
(my $less = $grown) =~ s/<[^>]*>//g;
printf "regex %s %s %s\n", join(",", map { "$_=$seen{$_}" } sort keys %seen),
	md5_hex($grown), md5_hex($less);
my @sorted = sort { $a->[1] <=> $b->[1] or $a->[0] cmp $b->[0] }
	map { [split /:/] } split / /, $text;
printf "sort %s\n", md5_hex(join ";", map { "@$_" } @sorted);

# Children read and change what they share with the parent; so does it.
my @pids;
pipe(my $reader, my $writer) or die;
for my $child (0 .. 3) {
	my $pid = fork() // die "fork: $!";
	if (!$pid) {
		close $reader;
		my $n = 0;
		for my $key (sort keys %table) {
			next if $n++ % 4 != $child;
			$table{$key}{s} .= "c$child";
		}
		delete $table{$_} for grep { /7$/ } keys %table;
		my $d = md5_hex(join ",", map { "$_=$table{$_}{s}" }
				sort keys %table);
		syswrite $writer, "child $child $d\n";
		exit 10 + $child;
	}
	push @pids, $pid;
	$table{"key$_"}{s} = "parent$child" for 1 .. 500;
}
close $writer;
my @status = map { waitpid($_, 0); $? >> 8 } @pids;
print "status @status\n", sort <$reader>;
printf "parent %s\n", md5_hex(join ",", map { "$_=" . ($table{$_}{s} // "") }
			      sort keys %table);

# system, backticks, a pipe to a child.
system("echo from a shell; exit 3") == 3 << 8 or die "system: $?";
print "backticks: ", scalar(`perl -e 'print join ",", map { \$_ * \$_ } 1..9'`), "\n";
open(my $pipe, "|-", "sort -r | head -n 3") or die;
print $pipe "$_\n" for map { $_->[0] } @sorted[0 .. 99];
close $pipe;
printf "eval %d\n", scalar map { eval "sub { $_ + 1 }" } 1 .. $count / 20;
PERL
}

run() {
	PERL_HASH_SEED=0 hs perl "$HS_DATA/work.pl" $((5000 * SCALE))
}
