#!/bin/bash
# gpt2-embed: cuts, pooling and types of the stream, the same bytes whatever
# the threads, the files and the way the bytes arrive, and what it refuses.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny
E=gpt2-embed

# A hidden-state stream as lines: part/parts, cut, tokens, vectors; floats in
# hexadecimal, so that equal lines are equal bits.
dump() { # [raw]
	perl -e 'local $/;
		my ($raw, $at) = ($ARGV[0], 0);
		$_ = <STDIN>;
		while ($at < length) {
			$at += 8 if substr($_, $at, 4) eq "\x89G2T";
			my ($type, $len) = unpack "VV", substr $_, $at, 8;
			my $p = substr $_, $at + 32, $len;
			$at += 32 + ($len + 7 & ~7);
			print "END ", join(" ", unpack "Q<Q<Q<V", $p), "\n"
			    if $type == 3;
			next if $type != 2;
			my ($flags, $part, $parts, $length, $n, $v, $l, $i) =
			    unpack "V8", $p;
			my $size = $len - 32 - 4 * $n - $l - $i;
			my $x = substr $p, 32 + 4 * $n, $size;
			$x = $v ? substr $x, -$size / $v : "" if $raw eq "last";
			print "$part/$parts ", $flags & 4 ? "c" : "-", " $n $v ",
			    $raw ? unpack("H*", $x) :
			    join(" ", unpack "V$n", substr $p, 32), "\n";
		}' "$1"
}
header() { # KEY of the stream on stdin
	perl -0777 -MJSON::PP -ne 'print decode_json(substr $_, 40,
	    unpack "V", substr $_, 12)->{'"$1"'}'
}
perl -e 'srand 1; for (1 .. 300) {
	print join(" ", map { ("the", "in", "an", "bed", "on", "x", "is")
	    [rand 7] } 1 .. rand 24), "\n" }' >"$T/text"
bpe-encode "$T/text" >"$T/tok" 2>"$T/note"
$E "$T/tok" >"$T/hid"

# ---- what comes out ----
is "$(dump <"$T/hid" | cut -d ' ' -f 1-3)" \
    "$(perl tests/bpe-dump.pl <"$T/tok" | perl -ape '
	next if /^END/;
	my @f = split /[\t\n]/;
	my $n = () = ($f[5] // "") =~ /\d+/g;
	$_ = "$f[2] $f[4] " . ($n || 1) . "\n"' | cut -d ' ' -f 1-3)" \
    'a record for each, tokens, parts and flags as they were'
is "$(dump <"$T/hid" | grep -c ' 1 1 299$')" "$(grep -c '^$' "$T/text")" \
    'an empty text is the token <|endoftext|>'
is "$(head -n 50 "$T/text" | bpe-encode -q | $E | dump x | head -n 20)" \
    "$(dump x <"$T/hid" | head -n 20)" 'a record does not depend on others'
for cut in 0 1 2; do
	is "$($E --cut $cut "$T/tok" | sum)" "$($E -b $((2 - cut)) "$T/tok" |
		sum)" "cut $cut is $((2 - cut)) blocks left"
	is "$($E --cut $cut "$T/tok" | header cut)" $cut 'as its header says'
done
is "$($E "$T/tok" | header cut)" 0 'two blocks are left if nothing is said'
is "$($E -b 0 --pool last "$T/tok" | dump x | cut -d ' ' -f 1-3,5)" \
    "$($E -b 0 "$T/tok" | dump last | cut -d ' ' -f 1-3,5)" \
    '--pool last: the last vectors, bit for bit'
is "$($E -b 0 --pool last "$T/tok" | header pool)" last 'as its header says'
is "$(echo a | bpe-encode | $E --dtype f16 | dump x | head -n 1)" \
    "$(echo a | bpe-encode | $E | dump x | head -n 1 | perl -pe '
	s{(\S+)$}{join "", map { my $f = unpack "f<", pack "H8", $_;
	    my $e = 0; my $a = abs $f;
	    $e = int(log($a) / log(2) + 1024) - 1024 if $a;
	    $e-- if $a && $a < 2 ** $e; $e = -14 if $e < -14;
	    my $m = $a / 2 ** ($e - 10); my $r = int $m;
	    $r++ if $m - $r > .5 || ($m - $r == .5 && $r & 1);
	    my $b = $r < 1024 ? $r : ($e + 15 << 10) + $r - 1024;
	    unpack "H4", pack "v", $b | ($f < 0 ? 0x8000 : 0) }
	    $1 =~ /.{8}/g}e; $_')" '--dtype f16 rounds to even'
is "$(bpe-encode </dev/null | $E | dump)" 'END 0 0 0 1' 'an empty stream'
printf 'a\0b' | bpe-encode -0 --exact | $E | dump >"$T/out"
is "$(tail -n 1 "$T/out")" 'END 2 2 0 0' 'a text without its last delimiter'
is "$($E -v "$T/tok" 2>&1 >/dev/null | cut -d , -f 1-3)" \
    "$E: 300 records, $(dump <"$T/hid" |
	awk '!/END/ { n += $3 } END { print n }') tokens, $PWD/tests/tiny at cut 0" \
    '-v counts'

# ---- the same bytes ----
want=$(sum <"$T/hid")
$E -j 1 -b 0 "$T/tok" >"$T/top"
for j in 1 2 4 2; do
	is "$($E -j $j "$T/tok" | sum) $($E -j $j -b 0 "$T/tok" | sum)" \
	    "$want $(sum <"$T/top")" "-j $j"
done
head -n 100 "$T/text" | bpe-encode -q >"$T/tok1"
tail -n +101 "$T/text" | bpe-encode -q >"$T/tok2"
is "$($E -b 0 "$T/tok1" "$T/tok2" | dump x)" "$(dump x <"$T/top")" 'two files'
is "$(cat "$T/tok1" "$T/tok2" | $E -b 0 | dump x)" "$(dump x <"$T/top")" \
    'two streams in a pipe'
is "$(perl -e '$| = 1; local $/ = \977; print while <STDIN>' <"$T/tok" |
	$E -b 0 | sum)" "$(sum <"$T/top")" 'a pipe in small pieces'
is "$($E -b 0 -o "$T/o" "$T/tok"; sum <"$T/o")" "$(sum <"$T/top")" '-o'
is "$( (ulimit -s 256; $E -b 0 "$T/tok" | sum) )" "$(sum <"$T/top")" \
    'a small stack'

# ---- records that begin alike ----
# In an order of their own: families of beginnings, some the same, some empty.
perl -e 'srand 2; my @w = ("the", "in", "an", "bed", "on", "x", "is");
	my @family = map { [map { $w[rand 7] } 1 .. 24] } 1 .. 12;
	for (1 .. 400) {
		my @f = @{$family[rand 12]}[0 .. rand(24) - 1];
		push @f, $w[rand 7] if rand 2 < 1;
		print "@f\n" }' >"$T/alike"
bpe-encode -q --long head "$T/alike" >"$T/tok3"
while read -r line; do
	echo "$line" | bpe-encode -q --long head | $E -b 0 | dump x | head -n 1
done < <(head -n 60 "$T/alike") >"$T/alone"
for o in '' '-j 1' '--precision f32 -j 4'; do
	# shellcheck disable=SC2086
	is "$($E -b 0 $o "$T/tok3" | dump x | head -n 60 | sum)" \
	    "$(sum <"$T/alone")" "each as it is alone $o"
done
is "$($E -b 0 --dtype f16 "$T/tok3" | dump x | head -n 60 | sum)" \
    "$(head -n 60 "$T/alike" | while read -r line; do
	echo "$line" | bpe-encode -q --long head | $E -b 0 --dtype f16 |
		dump x | head -n 1
    done | sum)" 'and in halves'
is "$(stream-cat --records 1-60 "$T/tok3" | $E -b 0 --cache "$T/memo" | dump x |
	head -n 60 | sum) $($E -b 0 --cache "$T/memo" "$T/tok3" | sum)" \
    "$(sum <"$T/alone") $($E -b 0 "$T/tok3" | sum)" 'and with a cache'
$E -b 0 -v "$T/tok3" 2>"$T/note" >/dev/null
is "$(perl -ne '/^\S+ (\d+) tokens were shared/ && print $1 > 1000' \
    "$T/note")" 1 "-v: $(tail -n 1 "$T/note")"
is "$($E -b 0 --pool last "$T/tok3" | dump x | cut -d ' ' -f 5 | sum)" \
    "$($E -b 0 "$T/tok3" | dump last | cut -d ' ' -f 5 | sum)" \
    'pooled they are the same'

# ---- a head's cut ----
printf 'good\t1\nbad\t0\n' | bpe-encode --format tsv | $E -b 1 |
	head-train -q --epochs 1 -o "$T/head"
is "$($E -H "$T/head" "$T/tok" | sum)" "$($E -b 1 "$T/tok" | sum)" \
    '-H brings the cut'
is "$(GPT2_HEAD=$T/head $E "$T/tok" | sum)" "$($E -b 1 "$T/tok" | sum)" \
    'so does $GPT2_HEAD'
is "$(GPT2_MODEL='' bpe-encode -H "$T/head" <"$T/text" 2>/dev/null |
	GPT2_MODEL='' $E -H "$T/head" | sum)" \
    "$($E -b 1 "$T/tok" | sum)" 'and the model'
fails 1 "$E: T/tok: other cut (0, want 1): run gpt2-embed -H T/head" \
    'another cut than the head' $E -H "$T/head" -b 2 "$T/tok"
bpe-encode --prefix 'I am ' </dev/null >"$T/p"
fails 1 "$E: T/p: other preparation (--prefix 'I am ', want ''): run \
bpe-encode -H T/head" 'another preparation' $E -H "$T/head" "$T/p"
cp -r tests/tiny examples/mini "$T"
fails 1 "$E: T/tok: made with another vocabulary (300 tokens, T/mini has \
8192): run bpe-encode -m T/mini" 'another vocabulary' $E -m "$T/mini" "$T/tok"

# ---- what is refused ----
echo a >"$T/long"
perl -e 'print "a " x 40' >>"$T/long"
bpe-encode --exact "$T/long" >"$T/toolong"
fails 1 "$E: T/toolong: record 2: 41 tokens, limit 32: run bpe-encode -m \
tests/tiny" 'a record longer than the context' $E "$T/toolong"
is "$(dump <"$T/stdout")" '1/1 - 1 1 64' 'the record before it is out'
perl -0777 -pi -e '
	my $n = unpack "Q<", $_;
	my ($at) = substr($_, 8, $n) =~ /"wte.weight":\{[^}]*"data_offsets":\[(\d+),/;
	substr($_, 8 + $n + $at + 65 * 64, 4) = pack "f<", 1e5;
	substr($_, 8 + $n + $at + 66 * 64, 4) = pack "f<", 1e30' \
    "$T/tiny/model.safetensors"
printf 'a\nb\nc\n' | bpe-encode >"$T/abc"
fails 1 "$E: stdout: record 3: not a finite number" \
    'too large for a hidden state' $E -m "$T/tiny" "$T/abc"
fails 1 "$E: T/o: record 2: not a finite number" \
    '-o' $E -m "$T/tiny" -o "$T/o" --dtype f16 "$T/abc"
is "$(sum <"$T/o")" "$(sum <"$T/top")" 'the old file is kept'

# ---- memory ----
if [ -n "$ASAN_OPTIONS" ]; then
	skip 'memory' 'sanitizers take some of their own'
	done_testing
	exit
fi
fails 1 "$E: T/mini: memory: Cannot allocate memory" 'no memory' \
    bash -c "ulimit -v 60000; exec $E -m '$T/mini' -j 64"
for rows in 1000 20000; do
	for ((i = 0; i < rows; i += 250)); do head -n 250 "$T/text"; done |
		bpe-encode -q >"$T/many"
	eval "peak$rows=\$(perl -e '
		my \$pid = open my \$p, \"-|\", \"$E\", \"-j\", 2, \"$T/many\"
		    or die;
		my \$peak = 0;
		while (sysread \$p, my \$x, 1 << 16) {
			open my \$f, \"<\", \"/proc/\$pid/status\" or next;
			/VmHWM:\s*(\d+)/ and \$peak = \$1 for <\$f>;
		}
		print \$peak')"
done
# shellcheck disable=SC2154
is "$((peak20000 > 0 && peak20000 < peak1000 + 4000))" 1 \
    "memory of 20,000 rows as of 1,000: $peak20000 and $peak1000 KiB"
done_testing
