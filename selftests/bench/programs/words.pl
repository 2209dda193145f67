# SPDX-License-Identifier: MIT
# Words are made, counted, grouped and sorted: hashes, arrays and strings of
# Perl. The argument is how many.
use strict;
use warnings;

my $count = shift @ARGV;
my $state = 42;

sub draw {
	$state = ($state * 1103515245 + 12345) % 2147483648;
	return int($state / 65536) % $_[0];
}

my (%seen, %groups);
for my $i (1 .. $count) {
	my $word = join '', map { chr(97 + draw(26)) } 1 .. 2 + draw(5);
	$seen{$word}++;
	push @{$groups{substr $word, 0, 2}}, "$word:$i";
	if ($i % 20000 == 0) {
		delete $groups{$_} for (sort keys %groups)[0 .. 50];
	}
}
my $bytes = 0;
for my $key (sort keys %groups) {
	my @sorted = sort { $a cmp $b } map { s/:/ /r } @{$groups{$key}};
	$bytes += length join ',', @sorted;
}
print scalar(keys %seen), " $bytes\n";
