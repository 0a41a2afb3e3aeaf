#!/bin/bash
# head-train: what it learns and from what, the head file it writes, the same
# bits for the same data, options and seed, and what it refuses.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny
H=head-train

rows() { # N SEED CLASSES: texts whose word tells the class, as TSV
	perl -e 'srand $ARGV[1];
		my @class = ("the", "bed", "in", "on", "ing");
		my @other = qw(a x is of and);
		for (1 .. $ARGV[0]) {
			my $k = int rand $ARGV[2];
			my @w = map { $other[rand 5] } 0 .. rand 5;
			splice @w, rand @w, 0, $class[$k];
			print "@w\t$k\n";
		}' "$@"
}
embed() { # OPTION...
	bpe-encode -q --format tsv | gpt2-embed "$@"
}
meta() { # HEAD KEY: of its metadata
	perl -0777 -MJSON::PP -ne 'print decode_json(substr $_, 8,
	    unpack "Q<")->{__metadata__}{'"$2"'}' "$1"
}
losses() { # of the epochs on stdin
	sed -n 's/.*: loss \([0-9.]*\).*/\1/p'
}
rows 120 1 2 | embed >"$T/two"
rows 60 2 2 | embed >"$T/dev"
rows 200 3 5 | embed >"$T/five"

# ---- it learns ----
$H -o "$T/a" --lr 1e-3 "$T/two" 2>"$T/log"
is "$(sed '/epoch [0-9]/d; s/[0-9]* duplicates.*tions/../' "$T/log")" \
    "$H: train: 120 records, $(sed -n 's/.*records, \([0-9]*\) tok.*/\1/p' \
	"$T/log") tokens; .., 0 unlabelled, 0 cut
$H: class 0 (0): $(rows 120 1 2 | grep -c '0$')
$H: class 1 (1): $(rows 120 1 2 | grep -c '1$')
$H: 2 blocks above cut 0, 20 epochs of batch 4, lr 0.001" \
    'it says what it was given'
is "$(losses <"$T/log" | wc -l)" 20 'a line an epoch'
is "$(losses <"$T/log" | perl -e '@l = <>; print $l[0] > .6 && $l[0] < .75 &&
    $l[-1] < .3 * $l[0]')" 1 "the loss falls: $(losses <"$T/log" |
	sed -n '1p;$p' | tr '\n' ' ')"
is "$(head-test -H "$T/a" --format tsv "$T/dev" | perl -ane '
	print $F[1] > .9 if $F[0] eq "accuracy"')" 1 'and so it is on new rows'
$H -o "$T/5" --lr 1e-3 "$T/five" 2>"$T/log"
is "$(losses <"$T/log" | perl -e '@l = <>; print $l[0] > 1.1 && $l[0] < 1.7 &&
    $l[-1] < .3 * $l[0]')" 1 "five classes: $(losses <"$T/log" |
	sed -n '1p;$p' | tr '\n' ' ')"
is "$(meta "$T/5" labels)" \
    '[["0","0"],["1","1"],["2","2"],["3","3"],["4","4"]]' 'its labels'
for cut in 1 2; do
	rows 120 1 2 | embed --cut $cut >"$T/cut"
	$H -o "$T/x" --lr 1e-2 "$T/cut" 2>"$T/log"
	is "$(losses <"$T/log" | perl -e '@l = <>; print $l[-1] < $l[0]')" 1 \
	    "the loss falls at cut $cut"
done
is "$($H -o "$T/x" --pool mean --epochs 1 "$T/two" 2>/dev/null;
	meta "$T/x" network | grep -o '"pool":"[a-z]*"')" '"pool":"mean"' \
    '--pool mean'
rows 120 1 2 | embed -b 0 --pool last >"$T/pooled"
rows 120 1 2 | embed -b 0 >"$T/all"
$H -q -o "$T/x" --epochs 2 "$T/pooled"
$H -q -o "$T/y" --epochs 2 "$T/all"
head-predict -H "$T/x" "$T/all" >"$T/px"
is "$(sum <"$T/px")" "$(head-predict -H "$T/y" "$T/pooled" | sum)" \
    'the last tokens alone teach a probe the same'
rows 60 1 2 | embed --dtype f16 >"$T/half"
is "$($H -q -o "$T/x" --epochs 1 "$T/half" && head-test -H "$T/x" "$T/half" |
	sed -n 's/^records  *//p')" 60 'half floats'
epochs() { # N: what is chosen for so many rows
	rows "$1" 1 2 | embed -b 0 --pool last >"$T/x"
	$H -q -o "$T/y" "$T/x"
	meta "$T/y" training | perl -MJSON::PP -0ne '
		my $o = decode_json $_; print "$o->{epochs} of $o->{batch}"'
}
is "$(epochs 10)" '30 of 1' 'few rows: more epochs, smaller batches'
is "$(epochs 1000)" '10 of 16' 'a thousand rows'

# ---- labels ----
printf '%s\t%s\n' a 10 a 9 a -1 a b a B a 2.5 | embed >"$T/mixed"
$H -q -o "$T/x" --epochs 1 "$T/mixed"
is "$(meta "$T/x" labels)" '[["-1","-1"],["2.5","2.5"],["9","9"],["10","10"],'\
'["B","B"],["b","b"]]' 'numbers sort as numbers, others bytewise'
$H -q -o "$T/x" --epochs 1 --names 0=bad,1=good "$T/two"
is "$(meta "$T/x" labels)" '[["0","bad"],["1","good"]]' '--names'
$H -q -o "$T/x" --epochs 1 --names 1=good "$T/two"
is "$(meta "$T/x" labels)" '[["0","0"],["1","good"]]' 'only one of them'
printf 'a\t1\nb\t\nc\t0\nd\t\na\t0\n' | embed >"$T/some"
is "$($H -o "$T/x" --epochs 1 "$T/some" 2>&1 | head -n 1)" \
    "$H: train: 3 records, 3 tokens; 1 duplicates, 1 contradictions, \
2 unlabelled, 0 cut" 'unlabelled records are skipped, and counted'
names() { # NAMES MESSAGE
	fails 2 "$H: --names: $2" "--names $1" \
	    $H -o "$T/none" --names "$1" "$T/two"
}
names 0 'want LABEL=NAME,...'
names 0= 'want LABEL=NAME,...'
names '' 'want LABEL=NAME,...'
names 2=x 'no label "2" in the data'
names 0=x,1=x 'two classes have one name'
names "0=$(printf %0256d 0)" 'label longer than 255 bytes'
names "0=a	b" 'label has a control byte'
names "0=$(printf '\377')" 'label is not UTF-8'

# ---- split records ----
{
	printf 'bed %.0s' {1..40}
	printf '\t0\nthe\t1\n'
} >"$T/long.tsv"
bpe-encode -q "$T/long.tsv" | gpt2-embed >"$T/split"
is "$($H -o "$T/x" --epochs 1 "$T/split" 2>&1 | sed -n '1s/, .* tok.*, /, /p')" \
    "$H: train: 2 records, 1 cut" 'parts are one record'
$H -o "$T/x" --epochs 1 --batch 2 --dropout 0 "$T/split" 2>"$T/log"
is "$(losses <"$T/log")" 0.6931 'their weights sum to one: the loss is ln 2'

# ---- the dev set ----
$H -o "$T/x" --dev "$T/dev" --epochs 4 "$T/two" 2>"$T/log"
is "$(grep -c 'dev loss [0-9.]*, dev accuracy [0-9.]* %, [0-9]* tokens/s' \
	"$T/log")" 4 '--dev: its figures every epoch'
is "$(head-test -H "$T/x" --format tsv "$T/dev" 2>&1 | head -n 1)" \
    "head-test: this is the head's own dev set" 'head-test knows it again'
is "$(meta "$T/x" dev | grep -o '"epoch":[0-9]*')" '"epoch":4' \
    'the last epoch is kept'
$H -o "$T/x" --dev "$T/dev" --keep best --epochs 6 --lr 1e-2 "$T/two" \
    2>"$T/log"
best=$(perl -ne 'if (/epoch (\d+): .*dev loss ([\d.]+), dev acc\w+ ([\d.]+)/) {
	($e, $a, $l) = ($1, $3, $2) if !$e || $3 > $a || $3 == $a && $2 < $l
	} END { print $e }' "$T/log")
is "$(meta "$T/x" dev | grep -o '"epoch":[0-9]*')" "\"epoch\":$best" \
    "--keep best: epoch $best of 6"
is "$(head-test -q -H "$T/x" --format tsv "$T/dev" | perl -ane '
	printf "%.2f", 100 * $F[1] if $F[0] eq "accuracy"')" \
    "$(sed -n "s/.*epoch $best: .*dev accuracy \([0-9.]*\) .*/\1/p" "$T/log")" \
    'head-test finds the accuracy that head-train told'

# ---- a dev set from the training rows ----
for ((i = 0; i < 30; i++)); do # rows of which each contains the one before
	perl -e 'print "w'$i' x is a", " and" x $_, "\t", $_ % 2, "\n" for 0 .. 3'
done >"$T/chains.tsv"
printf 'x of\t1\nx of\t0\n' >>"$T/chains.tsv"
embed <"$T/chains.tsv" >"$T/chains"
$H --dev 25% --epochs 1 -o "$T/x" "$T/chains" 2>"$T/log"
is "$(sed -n '1p;/^head-train: [td].*records, /s/, .*//p;/contain.*training/p' \
    "$T/log")" \
    "$H: 32 groups of records that contain one another, the largest of 4
$H: train: 92 records
$H: dev: 30 records
$H: 0 of 30 dev records contain, or are contained in, a training record" \
    '--dev 25%: groups stay together'
is "$(meta "$T/x" training | grep -o '"dev_percent":[0-9.]*')" \
    '"dev_percent":25.0' 'the head remembers it'
is "$(for s in 1 2 3; do
	$H -q --dev 25% --seed $s --epochs 1 -o "$T/x" "$T/chains"
	meta "$T/x" dev | grep -o '"id":"[^"]*"'
done | sort -u | wc -l)" 3 'another seed, another set'
is "$($H --dev 10% --epochs 1 -o "$T/x" - 2>&1 \
    < <(printf 'a b c\t1\na b c d\t0\n' | embed) | tail -n 1)" \
    "$H: --dev: cannot be split: the records hang together" 'one group'
is "$($H --dev 50% --epochs 1 -o "$T/x" - 2>&1 \
    < <(printf 'a\t1\nb\t0\n' | embed) | tail -n 1 | sed 's/class ./class K/')" \
    "$H: --dev: no record of class K is left to train on; take another --seed or a file" \
    'a class without training rows'
cp "$T/dev" "$T/10%"
is "$(cd "$T" && GPT2_MODEL='' $H -o x --dev ./10% --epochs 1 two 2>&1 |
    grep -c 'dev: 60 records')" 1 'a file of such a name'

# ---- the same bits ----
train() { # OPTION...: the head's sum
	$H -q -o "$T/x" --epochs 2 "$@" && sum <"$T/x"
}
want=$(train "$T/two")
for j in 1 2 4 2; do
	is "$(train -j $j "$T/two")" "$want" "-j $j: the same head"
done
# Batches that are divided among four threads: each has at least 64 tokens.
$H -o "$T/x" --epochs 1 --batch 120 "$T/two" 2>"$T/log"
is "$(awk '/records,/ { print ($5 > 4 * 64) }' "$T/log")" 1 \
    'tokens for four threads'
wide=$(train --batch 120 -j 1 "$T/two")
for j in 2 3 4; do
	is "$(train --batch 120 -j $j "$T/two")" "$wide" \
	    "-j $j, large batches: the same head"
done
is "$(train --seed 1 "$T/two")" "$want" 'the seed is 1'
is "$([ "$(train --seed 2 "$T/two")" != "$want" ] && echo other)" other \
    'another seed, another head'
bf16=$(train --precision bf16 "$T/two")
is "$(train --precision bf16 -j 1 "$T/two") $(train --precision bf16 -j 4 \
    "$T/two")" "$bf16 $bf16" '--precision bf16: the same head'
is "$($H -q -o "$T/y" "$T/two"; $H -q -o "$T/x" --precision bf16 "$T/two"
	meta "$T/x" training | grep -o '"precision":"[a-z0-9]*"'
	head-predict -H "$T/x" --all "$T/two" >"$T/px"
	head-predict -H "$T/y" --all "$T/two" | sed 1d | paste - <(sed 1d "$T/px") |
	awk '{ d = $1 - $3; far += d > 0.1 || d < -0.1; near += d != 0 }
	    END { print far + 0, (near > 0) }')" \
    '"precision":"bf16"
0 1' 'of nearly the same probabilities, not of the same'
is "$(train --seed 2 --dev "$T/dev" -j 1 "$T/two")" \
    "$(train --seed 2 --dev "$T/dev" -j 3 "$T/two")" 'with --dev, too'
is "$(train <"$T/two")" "$want" 'stdin as a file'
# shellcheck disable=SC2002
is "$(cat "$T/two" | train)" "$want" 'a pipe'
rows 120 1 2 >"$T/rows"
head -n 50 "$T/rows" | embed >"$T/two1"
tail -n +51 "$T/rows" | embed >"$T/two2"
is "$(train "$T/two1" "$T/two2")" "$want" 'two files'
is "$(cat "$T/two1" "$T/two2" | train)" "$want" 'two streams in a pipe'
mkdir "$T/spool"
# shellcheck disable=SC2002
is "$(cat "$T/two" | TMPDIR=$T/spool train; ls -A "$T/spool")" "$want" \
    'a pipe is spooled to $TMPDIR, and nothing stays there'
# shellcheck disable=SC2002
is "$(cat "$T/two" | TMPDIR=$T/nowhere train 2>&1)" \
    "$H: stdin: $T/nowhere: No such file or directory" 'no $TMPDIR'
is "$(TMPDIR=$T/nowhere train "$T/two")" "$want" 'files need none'
is "$(cat "$T/two" | (dd bs=1 count=0 2>/dev/null; train))" "$want" 'indeed'

# ---- the head is a safetensors file ----
if python3 -c 1 2>/dev/null; then
	is "$(python3 - "$T/a" <<'END'
import json, struct, sys
b = open(sys.argv[1], "rb").read()
n, = struct.unpack("<Q", b[:8])
head = json.loads(b[8:8 + n])
meta = head.pop("__metadata__")
assert all(isinstance(v, str) for v in meta.values())
end = 0
for name, t in sorted(head.items(), key=lambda t: t[1]["data_offsets"]):
    size = 4
    for d in t["shape"]:
        size *= d
    assert t["dtype"] == "F32" and t["data_offsets"] == [end, end + size], name
    end += size
assert end == len(b) - 8 - n and (8 + n) % 8 == 0
print(len(head), head["score.weight"]["shape"],
      head["transformer.h.1.attn.c_attn.weight"]["shape"],
      head["transformer.ln_f.bias"]["shape"], meta["format"],
      json.loads(meta["data"])["classes"].keys() == {"0", "1"},
      len(meta["checksum"]))
END
	)" '27 [2, 16] [16, 48] [16] gpt2-head True 32' 'Python reads it'
else
	skip 'Python reads it' 'no python3'
fi

# ---- what is refused ----
refused() { # MESSAGE NAME ARGUMENT...
	local message=$1 name=$2
	shift 2
	fails 1 "$H: $message" "$name" $H -q -o "$T/none" "$@"
}
printf 'a\tpos\nb\tpos\n' | embed >"$T/x"
refused 'T/x: only one class ("pos")' 'one class' "$T/x"
bpe-encode </dev/null | gpt2-embed >"$T/x"
refused 'T/x: no examples' 'nothing' "$T/x"
refused 'stdin: no examples' 'nothing on stdin' - <"$T/x"
echo a | bpe-encode | gpt2-embed >"$T/x"
refused 'T/x: no examples' 'no labels' "$T/x"
printf 'a\t\377\nb\t1\n' | embed >"$T/x"
refused 'T/x: record 1: label is not UTF-8' 'a label of odd bytes' "$T/x"
printf 'a\t0\nb\tneu\n' | embed >"$T/x"
refused 'T/x: record 2: label "neu" not in head' 'a new label in --dev' \
    --dev "$T/x" "$T/two"
echo a | bpe-encode | gpt2-embed >"$T/x"
refused 'T/x: no examples' 'no label in --dev' --dev "$T/x" "$T/two"
rows 4 1 2 | embed -b 1 >"$T/x"
refused 'T/x: other cut (1, want 0)' '--dev of another cut' --dev "$T/x" \
    "$T/two"
refused 'T/x: other cut (1, want 0)' 'a second file of another cut' \
    "$T/two" "$T/x"
fails 2 "$H: --dev: want a number from 0.01 to 90" 'no percentage' \
    $H -o "$T/none" --dev 100% "$T/two"
fails 2 "$H: --dev: want a file or a percentage, not both" 'both' \
    $H -o "$T/none" --dev 10% --dev "$T/dev" "$T/two"
refused "--pool mean: the stream has only last tokens (run gpt2-embed without \
--pool)" 'the mean of one token' --pool mean "$T/pooled"
refused 'T/two: input and output are the same file' 'its own input' \
    -o "$T/two" "$T/two"
refused 'T/dev: input and output are the same file' 'its own dev set' \
    -o "$T/dev" --dev "$T/dev" "$T/two"
refused 'T/two: input and output are the same file' 'its stdin' \
    -o "$T/two" <"$T/two"
head -c 20000 "$T/two" >"$T/x"
$H -q -o "$T/none" "$T/x" 2>"$T/err"
is "$? $(sed 's/[0-9][0-9]* (/N (/' "$T/err")" \
    "1 $H: $T/x: ends early after record N (byte 20000)" 'a stream cut short'
cp -r tests/tiny "$T/tiny"
perl -0777 -pi -e 'substr($_, 3000, 1) ^= "\1"' "$T/tiny/model.safetensors"
refused 'T/tiny: not the model that made the stream (tests/tiny)' \
    'another model' -m "$T/tiny" "$T/two"
refused 'examples/mini: not the model that made the stream (tests/tiny)' \
    'of another size' -m examples/mini "$T/two"
refused 'T/nowhere: No such file or directory' 'no model' -m "$T/nowhere" \
    "$T/two"
is "$(ls "$T/none" 2>&1 | sed 's/.*: //')" 'No such file or directory' \
    'and no head was written'
done_testing
