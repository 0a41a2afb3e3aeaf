#!/bin/bash
# text-train and text-classify: from labelled texts to a head, and from texts
# to labels, as the pipelines they show would do; and examples/reproduce.sh.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny
T1=text-train C=text-classify

perl -e 'srand 5; print "sentence\tlabel\n"; for (1 .. 120) {
	my $k = int rand 2; my @w = map { qw(a x of)[rand 3] } 0 .. 2 + rand 4;
	splice @w, rand @w, 0, $k ? "the" : "bed"; print "@w\t$k\n" }' >"$T/rows.tsv"
sed 's/^/x /; 1s/^x //' "$T/rows.tsv" >"$T/test.tsv"
printf '%s\n' 'the film' '' 'a bed' >"$T/texts"

# ---- train ----
$T1 -v -b1 --epochs=4 --lr 1e-3 --names '0=not good,1=it'"'"'s good' \
    -o "$T/a.head" --test "$T/test.tsv" "$T/rows.tsv" >"$T/out" 2>"$T/err"
is "$?" 0 'a head'
is "$(grep -c '^accuracy' "$T/out")" 1 'tested'
is "$(grep -c '^head-train: dev: accuracy' "$T/err")" 1 'and judged by a tenth'
is "$(sed -n '/^bpe-encode /,/[^|]$/p;/^head-t[^:]*$/p' "$T/err" |
    sed "s,$T,T,g; s,/tmp/tmp\.[A-Za-z0-9]*,W,g")" \
    "bpe-encode T/rows.tsv |
    gpt2-embed -b 1 -o W/train.hid
head-train --epochs 4 --lr 1e-3 --names '0=not good,1=it'\\''s good' -o T/a.head --dev 10% W/train.hid
bpe-encode T/test.tsv |
    gpt2-embed -b 1 -o W/test.hid
head-test -H T/a.head W/test.hid" 'what -v shows'
bpe-encode "$T/rows.tsv" | gpt2-embed -b 1 |
	head-train -q --dev 10% --epochs 4 --lr 1e-3 \
	    --names "0=not good,1=it's good" -o "$T/b.head"
is "$(sum <"$T/a.head")" "$(sum <"$T/b.head")" 'the head of the pipeline'
is "$($T1 -q -o "$T/c.head" --dev "$T/test.tsv" --cache "$T/memo" --epochs 2 \
    --seed 3 --text 1 --label 2 "$T/rows.tsv" 2>&1)" '' 'quietly'
is "$(stream-cat -i "$T/memo" | grep -c '^records')" 1 'a cache was kept'
printf '%s\n' 'a x,1' 'bed,0' 'the,1' 'of,0' >"$T/odd name.csv"
is "$($T1 -q -o "$T/d.head" --dev "$T/odd name.csv" --epochs 1 -- \
    "$T/odd name.csv" 2>&1)" '' 'a name with a blank'
is "$(find /tmp -maxdepth 1 -newer "$T/texts" -name 'tmp.*' -user "$(id -u)" \
    -exec test -e '{}/train.hid' \; -print)" '' 'nothing is left in /tmp'

# ---- classify ----
bpe-encode -H "$T/a.head" "$T/texts" | gpt2-embed -H "$T/a.head" |
	head-predict -H "$T/a.head" >"$T/want"
is "$($C -H "$T/a.head" "$T/texts")" "$(cat "$T/want")" 'labels'
is "$($C -H "$T/a.head" <"$T/texts")" "$(cat "$T/want")" 'of standard input'
is "$(GPT2_HEAD=$T/a.head $C - <"$T/texts")" "$(cat "$T/want")" '$GPT2_HEAD'
$C -H "$T/a.head" -o "$T/out" -j1 "$T/texts"
is "$(cat "$T/out")" "$(cat "$T/want")" '-o'
is "$(printf '{"text":"the film","id":7}\n' |
    $C -H "$T/a.head" --from jsonl --id id --format jsonl --top=2 |
    perl -MJSON::PP -ne 'my $j = decode_json $_;
	print "$j->{id} ", join ",", sort keys %{$j->{scores}}')" \
    "7 it's good,not good" 'forms of input and output'
is "$($C -v -H "$T/a.head" --cache "$T/memo2" "$T/texts" 2>&1 >/dev/null |
    sed "s,$T,T,g")" \
    'bpe-encode -H T/a.head T/texts | gpt2-embed -H T/a.head --cache T/memo2 | head-predict -H T/a.head' \
    'what -v shows'
coproc LINE { $C -H "$T/a.head"; }
echo 'the film' >&"${LINE[1]}"
read -r -t 20 answer <&"${LINE[0]}"
is "$answer" "$(head -n 1 "$T/want")" 'a label before the next line comes'
eval "exec ${LINE[1]}>&-"

# ---- what goes wrong ----
fails 1 "bpe-encode: T/none: No such file or directory
gpt2-embed: stdin: empty: not a token stream" 'no file' \
    $T1 -o "$T/x" "$T/none"
fails 1 'head-train: T/no/x: No such file or directory' 'no directory' \
    $T1 -q -o "$T/no/x" "$T/rows.tsv"
$C -H "$T/none" "$T/texts" >"$T/out" 2>"$T/err"
is "$?" 1 'no head'
[ ! -e "$T/x" ]
is $? 0 'no head is written'
fails 2 'text-train: -o: want a file for the head' 'no -o' $T1 "$T/rows.tsv"
fails 2 'text-train: want a file of labelled texts' 'no file' $T1 -o "$T/x"
fails 2 'text-train: --epochs: want an argument' 'no argument' $T1 --epochs
fails 2 'text-classify: --top: want an argument' 'no argument' $C --top
is "$($C --bogus x 2>&1 | head -n 1)" \
    "text-classify: unrecognized option '--bogus'" 'another option'
is "$($T1 --bogus x 2>&1 | head -n 1)" \
    "text-train: unrecognized option '--bogus'" 'another option'

# ---- the recipe ----
mkdir "$T/sst2"
cp "$T/rows.tsv" "$T/sst2/train.tsv"
head -n 40 "$T/test.tsv" >"$T/sst2/dev.tsv"
recipe() {
	examples/reproduce.sh -m tests/tiny -d "$T/sst2" -r "$T/texts" -n 100 \
	    "$T/work"
}
recipe >"$T/out" 2>"$T/err"
is "$?" 0 'reproduce.sh'
is "$(awk '/^(encode|embed|train|test) / { print $1, $2 }' "$T/out" |
    tr '\n' ' ')" 'encode 100 embed 100 train 100 test 39 ' 'its table'
is "$(grep -c '^accuracy .*95 %' "$T/out")" 1 'the accuracy'
is "$(tail -n 3 "$T/out" | cut -f 3)" "$(cat "$T/texts")" 'the labels'
was=$(sum <"$T/work/sst2.head")
rm "$T/work/train.hid" "$T/work/report"
recipe >"$T/out2" 2>"$T/err"
is "$(grep -c '^embed train\|^test_head\|^train$' "$T/err")" 2 \
    'it goes on where it was'
is "$(sum <"$T/work/sst2.head")" "$was" 'with the same head'
done_testing
