#!/usr/bin/perl
# A token stream as lines, for tests: id, label, part/parts, length, cut (c
# or -), tokens; then END with its counts and flags. See gpt2-stream(5).
use strict;
use warnings;

binmode STDIN;
binmode STDOUT;
local $/;
my $stream = <STDIN>;
my $at = 0;
while ($at < length $stream) {
	$at += 8 if substr($stream, $at, 4) eq "\x89G2T";
	my ($type, $len) = unpack 'VV', substr $stream, $at, 8;
	my $p = substr $stream, $at + 32, $len;
	$at += 32 + ($len + 7 & ~7);
	print "HEADER $p\n" if $type == 1 && @ARGV;
	print join(' ', 'END', unpack 'Q<Q<Q<V', $p), "\n" if $type == 3;
	next unless $type == 2;
	my ($flags, $part, $parts, $length, $n, undef, $label, $id) =
	    unpack 'V8', $p;
	my @tokens = unpack "V$n", substr $p, 32;
	my $text = substr $p, 32 + 4 * $n;
	print join("\t", $flags & 2 ? substr($text, $label, $id) : '-',
	    $flags & 1 ? substr($text, 0, $label) : '-', "$part/$parts",
	    $length, $flags & 4 ? 'c' : '-', "@tokens"), "\n";
}
