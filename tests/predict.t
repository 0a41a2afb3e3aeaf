#!/bin/bash
# head-predict and head-test: lines in every format, several heads, the parts
# of a split record joined, figures that agree, and heads that do not fit.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny
P=head-predict H=head-test
unescape() { # the JSON lines on stdin, a value of each: PERL on $j
	perl -MJSON::PP -ne 'my $j = decode_json $_; print "", ('"$1"'), "\n"'
}
cat >"$T/rows.tsv" <<'END'
id	sentence	label
r1	the good film	1
r2	a bad bed	0
r 3		1
r4	on and on and on in the end	0
r5	is it	1
END
perl -e 'srand 5; for (1 .. 80) { my $k = int rand 2;
	print "", ($k ? "the " : "bed ") x (1 + rand 3), "\t$k\n" }' >"$T/train.tsv"
bpe-encode "$T/train.tsv" | gpt2-embed >"$T/train"
head-train -q --epochs 4 --names 0=bad,1=good -o "$T/a.head" "$T/train"
head-train -q --epochs 2 --seed 7 -o "$T/b.head" "$T/train"
export GPT2_HEAD=$T/a.head
bpe-encode --id id --text sentence --label label "$T/rows.tsv" | gpt2-embed \
    >"$T/rows"
bpe-encode --text 2 --label 3 --header "$T/rows.tsv" | gpt2-embed >"$T/noid"

# ---- lines ----
$P --all "$T/noid" >"$T/all"
is "$(head -n 1 "$T/all")" "$(printf 'bad\tgood')" '--all: the labels first'
is "$(tail -n +2 "$T/all" | perl -ane '
	print abs($F[0] + $F[1] - 1) < 2e-6 ? "y" : "n"')" yyyyy \
    'then probabilities that sum to 1'
tail -n +2 "$T/all" | perl -ane 'printf "%s\t%s\n", $F[0] < $F[1] ?
    ("good", $F[1]) : ("bad", $F[0])' >"$T/want"
is "$($P "$T/noid")" "$(cat "$T/want")" 'the label and its probability'
printf '%s\n' r1 r2 'r 3' r4 r5 | paste - "$T/want" >"$T/want.id"
is "$($P "$T/rows")" "$(cat "$T/want.id")" 'the id first'
is "$($P --top 2 "$T/noid" | cut -f 1,2)" "$(cat "$T/want")" \
    '--top 2: the best first'
is "$($P --top 2 "$T/noid" | perl -ane 'print $F[1] >= $F[3] &&
    $F[0] ne $F[2] && @F == 4 ? "y" : "n"')" yyyyy 'then the other'
is "$($P --top 9 "$T/noid")" "$($P --top 2 "$T/noid")" 'no more than there are'
is "$($P --format fasttext "$T/noid")" \
    "$(sed 's/^/__label__/; s/\t/ /' "$T/want")" 'fastText'
is "$($P --format jsonl "$T/rows" |
	unescape 'join "\t", $j->{id}, $j->{label}, sprintf "%.6f", $j->{prob}')" \
    "$(cat "$T/want.id")" 'JSON'
is "$($P --format jsonl "$T/noid" | unescape 'join " ", sort keys %$j')" \
    "$(yes 'cut label prob tokens' | head -n 5)" 'its keys'
is "$($P --format jsonl --all "$T/noid" |
	unescape 'join "\t", map { sprintf "%.6f", $_ } @{$j->{scores}}{"bad",
	"good"}')" "$(tail -n +2 "$T/all")" 'and all scores'
is "$($P --format jsonl "$T/noid" | unescape '$j->{tokens}' | sed -n '2,3p')" \
    "$(printf '6\n1')" 'tokens; the empty text has one'
is "$($P --min-prob 1 --otherwise '?' "$T/noid")" \
    "$(cut -f 2 "$T/want" | sed 's/^/?\t/')" 'all in doubt'
is "$($P --min-prob 0.5 --otherwise '?' "$T/noid")" "$(cat "$T/want")" \
    'none in doubt'
is "$($P -H "$T/a.head" -H "$T/b.head" "$T/noid")" \
    "$($P -H "$T/b.head" "$T/noid" | paste "$T/want" -)" 'two heads'
is "$($P -H "$T/a.head" -H "$T/b.head" --all "$T/noid" | head -n 1)" \
    "$(printf 'a:bad\ta:good\tb:0\tb:1')" 'their header'
mkdir "$T/x"
cp "$T/b.head" "$T/x/a.head"
is "$($P -H "$T/a.head" -H "$T/x/a.head" --all "$T/noid" | head -n 1)" \
    "$(echo "$T/a.head:bad $T/a.head:good $T/x/a.head:0 $T/x/a.head:1" |
	tr ' ' '\t')" 'of one name'
is "$($P -H "$T/a.head" -H "$T/b.head" --format jsonl "$T/noid" |
	unescape 'join " ", sort keys %{$j->{heads}}' | head -n 1)" 'a b' \
    'in JSON'
bpe-encode </dev/null | gpt2-embed >"$T/empty"
is "$($P "$T/empty")" '' 'no records, no lines'
is "$($P --all "$T/empty")" "$(printf 'bad\tgood')" 'but the header'
for j in 1 2 4; do
	is "$($P -j $j --all "$T/train" | sum)" "$($P --all "$T/train" | sum)" \
	    "-j $j"
done
is "$($P --all "$T/rows" "$T/rows" | sed 1d | sum)" \
    "$({ $P --all "$T/rows"; $P --all "$T/rows"; } | grep -v ^id | sum)" \
    'two files'
is "$($P -o "$T/out" "$T/noid"; cat "$T/out")" "$(cat "$T/want")" '-o'

# ---- split records: the mean of the parts' logs, normalised ----
{
	printf 'bed the %.0s' {1..30}
	printf '\nthe good film\n'
} >"$T/long"
bpe-encode -q "$T/long" | gpt2-embed >"$T/split"
is "$($P "$T/split" | wc -l)" 2 'a split record is one line'
is "$($P --format jsonl "$T/split" | unescape '"$j->{tokens} $j->{cut}"' |
	sed 's/ $/ 0/')" "$(bpe-encode -q "$T/long" | perl tests/bpe-dump.pl |
	perl -F'\t' -ane 'next if @F < 6; $k += split " ", $F[5];
	    my ($p, $n) = split "/", $F[2]; next if $p != $n;
	    print "$k ", $F[4] eq "c" ? 1 : 0, "\n"; $k = 0')" \
    'tokens of all parts, and the flag'
# Its parts as records of their own: without blanks they encode alike.
perl -e 'print "bed" x 15, "the" x 20, "\n"' >"$T/word"
bpe-encode -q "$T/word" | gpt2-embed | $P --all >"$T/joined"
bpe-encode -q "$T/word" | perl tests/bpe-dump.pl | perl -MJSON::PP -F'\t' -ane '
	BEGIN { local $/; open my $f, "<", "tests/tiny/vocab.json";
		%text = reverse %{decode_json <$f>} }
	print map({ $text{$_} } split " ", $F[5]), "\n" if @F > 5' >"$T/parts"
is "$(wc -l <"$T/parts") $(tr -d '\n' <"$T/parts")" "3 $(cat "$T/word")" \
    'three parts'
is "$(bpe-encode <"$T/parts" | gpt2-embed | $P --all | cat - "$T/joined" |
	perl -ane 'next if /[a-z]/;
	push @odds, log $F[0] / $F[1];
	END { printf "%d", abs(($odds[0] + $odds[1] + $odds[2]) / 3 - $odds[3])
	    < 2e-5 && abs($odds[0] - $odds[2]) > 1e-2 }')" 1 \
    'joined: the mean of their logs, normalised'

# ---- head-test ----
is "$($H --format tsv "$T/rows" | head -n 2 | tr '\n' ' ')" \
    "$($P "$T/rows" | paste - "$T/rows.tsv" >/dev/null; perl -e '
	open my $p, "<", $ARGV[0]; open my $t, "<", $ARGV[1]; <$t>;
	while (<$p>) { my ($l) = split /\t/; my @t = split /[\t\n]/, <$t>;
	    $n++; $r += $l eq ($t[2] ? "good" : "bad") }
	printf "records\t%d accuracy\t%.6f ", $n, $r / $n' "$T/want" \
	"$T/rows.tsv")" 'head-test agrees with head-predict'
sed 's/\t1$/\tgood/; s/\t0$/\tbad/' "$T/rows.tsv" |
	bpe-encode --format tsv --text sentence --label label | gpt2-embed \
	>"$T/named"
is "$($H --format tsv "$T/named")" "$($H --format tsv "$T/rows")" \
    'labels by name or as they were'
is "$($H --format jsonl "$T/rows" | unescape '$j->{records}')" 5 'JSON'
printf '%s\t1\nthe good film\t1\n' "$(head -n 1 "$T/long")" >"$T/s.tsv"
bpe-encode -q "$T/s.tsv" | gpt2-embed >"$T/s"
is "$($H --format tsv "$T/s" | sed -n '/^whole	/p;/^cut	/p' | tr '\n' ' ')" \
    "$(printf 'whole\t1 cut\t1 ')" 'whole and split records apart'
# What was printed, judged by a file of labels: the same figures.
$P "$T/rows" >"$T/printed"
J="$H --format tsv --predictions"
$H --format tsv "$T/rows" >"$T/want-report"
is "$($J "$T/printed" --labels "$T/rows.tsv" -H "$T/a.head")" \
    "$(cat "$T/want-report")" '--predictions: as the head itself'
is "$(sed 's/^/an id\t/' "$T/printed" |
	$J - --labels "$T/rows.tsv" -H "$T/a.head")" \
    "$(cat "$T/want-report")" 'from stdin, with ids'
sed 's/\tbad\t/\t0\t/; s/\tgood\t/\t1\t/' "$T/printed" >"$T/numbers"
cut -f 3 "$T/rows.tsv" | sed 1d >"$T/truth"
is "$($J "$T/numbers" --labels "$T/truth" | sed 's/\(class\t\)./\1/')" \
    "$(sed 's/\(class\t\)[a-z]*/\1/' "$T/want-report" |
	sed "s/^\(majority\)	bad/\1	0/; s/^\(majority\)	good/\1	1/")" \
    'labels a line, without a head'
is "$(tr '\n' '\0' <"$T/numbers" >"$T/n0"; tr '\n' '\0' <"$T/truth" |
	$J "$T/n0" --labels - -0 | sum)" \
    "$($J "$T/numbers" --labels "$T/truth" | sum)" '-0'
printf '%s\n' 'a\t0.5' 'b\t0.75' 'c\t1' 'a\t0.4' | sed 's/\\t/\t/' >"$T/abc"
printf '%s\n' a c c '' >"$T/abc.labels"
fails 0 "$H: 1 of 4 records have no label" 'three classes' \
    $J "$T/abc" --labels "$T/abc.labels"
is "$(sed -n 's/^records\t//p; s/^accuracy\t//p; s/^log_loss\t//p' "$T/stdout" |
	tr '\n' ' ')" \
    "$(perl -e 'printf "3 %.6f %.6f ", 2 / 3, -(log(0.5) + log(0.125)) / 3')" \
    'the rest of a probability is divided'
fails 1 "$H: T/abc: 4 predictions, but more labels" 'too few predictions' \
    $H --predictions "$T/abc" --labels "$T/truth"
head -n 2 "$T/truth" >"$T/two"
fails 1 "$H: T/two: 2 labels, but more predictions" 'too few labels' \
    $H --predictions "$T/numbers" --labels "$T/two"
fails 1 "$H: T/printed: no prediction is one of the labels of T/truth: name \
a head that has both names (-H)" 'other names' \
    $H --predictions "$T/printed" --labels "$T/truth"
fails 1 "$H: T/abc: line 1: label \"a\" not in head" 'another head' \
    $H -H "$T/a.head" --predictions "$T/abc" --labels "$T/truth"
for line in '' 1 '1 0.5' '1\t' '1\t0.5x' '1\tnan' '1\t1.01' '1\t-0.1' '\t0.5'; do
	printf '%b\n' '0\t1' "$line" 1 >"$T/bad"
	fails 1 "$H: T/bad: line 2: want a label, a tab, a probability" \
	    "not a prediction: '$line'" \
	    $H --predictions "$T/bad" --labels "$T/truth"
done
fails 2 "$H: --predictions and --labels go together" 'one of two' \
    $H --predictions "$T/abc"
fails 2 "$H: --predictions takes no operands" 'operands' \
    $H --predictions "$T/abc" --labels "$T/abc" "$T/rows"
fails 2 "$H: --predictions and --labels: one of them is stdin" 'both stdin' \
    $H --predictions - --labels -
fails 1 "$H: T/none: No such file or directory" 'no such predictions' \
    $H --predictions "$T/none" --labels "$T/truth"
acc=$($H --format tsv "$T/rows" | sed -n 's/^accuracy\t//p')
fails 0 '' "--min-accuracy: reached" $H --min-accuracy "$acc" "$T/rows"
fails 1 "$H: accuracy $(printf %.4f "$acc") is below 1" \
    '--min-accuracy: not reached' $H --min-accuracy 1 "$T/rows"
is "$(cat "$T/stdout")" "$($H "$T/rows")" \
    'the report comes all the same'
printf 'a\t1\nb\t\nc\t0\n' | bpe-encode --format tsv | gpt2-embed >"$T/some"
fails 0 "$H: 1 of 3 records have no label" 'unlabelled records are told' \
    $H "$T/some"
printf 'a\t1\nb\tneu\n' | bpe-encode --format tsv | gpt2-embed >"$T/neu"
fails 1 "$H: T/neu: record 2: label \"neu\" not in head" 'an unknown label' \
    $H "$T/neu"
echo a | bpe-encode | gpt2-embed >"$T/none"
fails 1 "$H: T/none: no labelled records" 'no labels' $H "$T/none"
fails 1 "$H: T/rows: input and output are the same file" 'its own input' \
    $H -o "$T/rows" "$T/rows"
fails 1 "$P: T/rows: input and output are the same file" 'its own input' \
    $P -o "$T/rows" "$T/noid" "$T/rows"

# ---- heads that do not fit ----
misfit() { # STREAM MESSAGE NAME
	for prog in $P $H; do
		fails 1 "$prog: T/$1: $2" "$3: $prog" $prog -H "$T/a.head" "$T/$1"
		is "$(wc -c <"$T/stdout")" 0 'no line is printed'
	done
}
echo a | bpe-encode >"$T/a.tok"
GPT2_HEAD='' gpt2-embed -b 1 <"$T/a.tok" >"$T/cut1"
GPT2_HEAD='' bpe-encode --suffix ' it' <"$T/long" 2>/dev/null |
	GPT2_HEAD='' gpt2-embed >"$T/suffix"
echo a | GPT2_HEAD='' bpe-encode --exact | GPT2_HEAD='' gpt2-embed >"$T/exact"
echo a | GPT2_HEAD='' bpe-encode -m examples/mini |
	GPT2_HEAD='' gpt2-embed -m examples/mini >"$T/mini"
cp -r tests/tiny "$T/tiny"
perl -0777 -pi -e 'substr($_, -30000, 1) ^= "\1"' "$T/tiny/model.safetensors"
GPT2_HEAD='' gpt2-embed -m "$T/tiny" <"$T/a.tok" >"$T/weights"
misfit cut1 "other cut (1, want 0): run gpt2-embed -H T/a.head" 'another cut'
misfit suffix "other preparation (--suffix ' it', want ''): run bpe-encode -H \
T/a.head" 'another preparation'
misfit exact "other preparation (with --exact, want without): run bpe-encode \
-H T/a.head" '--exact'
misfit mini "made with another vocabulary (8192 tokens, want 300): run \
bpe-encode -H T/a.head" 'another vocabulary'
misfit weights "other model (T/tiny, want tests/tiny): run gpt2-embed -H \
T/a.head" 'another model'
GPT2_HEAD='' gpt2-embed --dtype f16 <"$T/a.tok" >"$T/half"
is "$($P "$T/half" | cut -f 1)" "$($P -H "$T/a.head" < <(gpt2-embed \
    <"$T/a.tok") | cut -f 1)" 'half floats fit'
GPT2_HEAD='' fails 1 "$P: no head for model tests/tiny: name one with -H \
(head-train makes them)" 'no head' $P "$T/noid"

# ---- heads that are none ----
bad() { # MESSAGE NAME: of T/bad
	for prog in "$P" "$H" 'gpt2-embed' 'bpe-encode'; do
		fails 1 "$prog: T/bad: $1" "$2: $prog" $prog -H "$T/bad" \
		    "$T/noid"
		is "$(wc -c <"$T/stdout")" 0 'no line is printed'
	done
}
: >"$T/bad"
bad 'too short for a safetensors file' 'nothing'
cp tests/tiny/model.safetensors "$T/bad"
bad 'not a head (run head-train)' 'a model'
size=$(wc -c <"$T/a.head")
head -c $((size - 4)) "$T/a.head" >"$T/bad"
bad '4 bytes missing' 'cut short'
{ cat "$T/a.head"; echo; } >"$T/bad"
bad '1 bytes too many' 'too long'
perl -0777 -pe 'substr($_, -99, 1) ^= "\4"' "$T/a.head" >"$T/bad"
bad 'damaged (checksum)' 'a flipped bit'
missed=
for ((i = 1; i < size; i += size / 70)); do
	head -c $i "$T/a.head" >"$T/bad"
	$P -H "$T/bad" "$T/noid" >"$T/out" 2>"$T/err" && missed+=" cut:$i"
	[ "$(wc -l <"$T/err") $(wc -c <"$T/out")" = '1 0' ] || missed+=" $i?"
	perl -0777 -pe "substr(\$_, $i, 1) ^= chr(1 << $i % 8)" "$T/a.head" \
	    >"$T/bad"
	$P -H "$T/bad" "$T/noid" >"$T/out" 2>"$T/err" && missed+=" flip:$i"
	[ "$(wc -l <"$T/err") $(wc -c <"$T/out")" = '1 0' ] || missed+=" $i?"
done
is "$missed" '' 'a head cut short or with a flipped bit is noticed'
is "$($H -v -H "$T/a.head" "$T/train" 2>&1 >/dev/null | grep -c \
    "$(stream-cat -i "$T/train" | sed -n 's/^model id *//p')\$")" 1 \
    'the model by its id'
done_testing
