#!/bin/bash
# gpt2-embed --precision: near to float32, the same bits whatever the threads
# and neighbours, near to each other on every kernel, and bound to their heads.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=examples/mini
unset GPT2_ISA
E=gpt2-embed

head -n 12 examples/reviews.txt >"$T/text"
bpe-encode -o "$T/tok" "$T/text"
distance() { # FILE FILE: root mean square of the difference, relative
	perl -e 'my @x = map { open my $f, "<:raw", $_ or die; local $/;
		[unpack "f<*", substr <$f>, 128] } @ARGV;
	    my ($d, $n) = (0, 0);
	    for my $i (0 .. $#{$x[0]}) {
		$d += ($x[0][$i] - $x[1][$i]) ** 2;
		$n += $x[0][$i] ** 2;
	    }
	    printf "%.6f", sqrt($d / $n)' "$@"
}
states() { # FILE OPTION...
	$E "${@:2}" "$T/tok" | stream-cat --to npy >"$1"
}
below() { # VALUE LIMIT NAME
	is "$(perl -e 'print $ARGV[0] < $ARGV[1]' "$1" "$2")" 1 "$3: $1"
}

states "$T/f32"
for p in bf16 int8; do
	limit=0.01
	[ $p = bf16 ] || limit=0.03
	states "$T/$p" --precision $p
	far=$(distance "$T/$p" "$T/f32")
	below "$far" $limit "$p is near to float32"
	is "$(perl -e 'print $ARGV[0] > 1e-4' "$far")" 1 'but not the same'
	is "$($E --precision $p -j 1 "$T/tok" | sum)" \
	    "$($E --precision $p -j 2 "$T/tok" | sum)" "$p: any number of threads"
	is "$(while read -r line; do
		echo "$line" | bpe-encode | $E --precision $p |
			stream-cat --to jsonl
	done <"$T/text" | sum)" \
	    "$($E --precision $p "$T/tok" | stream-cat --to jsonl | sum)" \
	    "$p: each record alone"
	for isa in generic avx2 avx512vnni avx512; do
		GPT2_ISA=$isa states "$T/other" --precision $p
		below "$(distance "$T/other" "$T/$p")" 0.005 "$p by $isa"
	done
done

# ---- heads ----
perl -e 'srand 5; for (1 .. 40) { my $k = int rand 2;
	print "", ($k ? "a fine " : "an awful ") x (1 + rand 2), "film\t$k\n" }' |
	bpe-encode --format tsv >"$T/rows"
$E -b 0 --precision int8 "$T/rows" | head-train -q --epochs 1 -o "$T/int8.head"
fails 1 "head-predict: stdin: other precision (f32, want int8): run gpt2-embed -H T/int8.head" \
    'a head reads one precision' \
    head-predict -H "$T/int8.head" < <($E -b 0 "$T/tok")
is "$($E -H "$T/int8.head" "$T/tok" | head-predict -H "$T/int8.head" | wc -l)" 12 \
    '-H takes it'
fails 1 "$E: T/tok: other precision (bf16, want int8): run gpt2-embed -H T/int8.head" \
    'and does not take another' $E -H "$T/int8.head" --precision bf16 "$T/tok"
fails 2 "$E: --precision: want f32, bf16 or int8" 'another precision' \
    $E --precision f64 "$T/tok"
done_testing
