#!/bin/bash
# head-export and head-import: a directory as Hugging Face has them, the same
# head again, what such a directory cannot say, and directories of others.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny
X=head-export I=head-import

perl -e 'srand 5; for (1 .. 60) { my $k = int rand 2;
	print "", ($k ? "the " : "bed ") x (1 + rand 3), "\t", $k ? "yes" : "no",
	"\n" }' >"$T/rows.tsv"
bpe-encode "$T/rows.tsv" | gpt2-embed -b 1 >"$T/hid"
head-train -q --epochs 2 --dev 20% --names yes=Ja,no=Nein -o "$T/a.head" "$T/hid"
is "$(perl -0777 -ne '/temperature\D+([0-9.]+)/ and print $1 != 1' "$T/a.head")" \
    1 'a head with a temperature'

# ---- there and back ----
is "$($X -H "$T/a.head" -o "$T/dir" 2>&1)" '' 'a directory is made quietly'
is "$(cd "$T/dir" && echo *)" \
    'README.md config.json gpt2-filters.json merges.txt model.safetensors tokenizer_config.json vocab.json' \
    'its files'
is "$($I -o "$T/b.head" "$T/dir" 2>&1)" \
    "$I: 2 classes, 1 blocks above cut 1 of $PWD/tests/tiny" 'and read back'
is "$(sum <"$T/b.head")" "$(sum <"$T/a.head")" 'the same head, byte for byte'
is "$(perl -MJSON::PP -0777 -ne 'my $j = decode_json $_;
    print join " ", $j->{architectures}[0], $j->{model_type}, $j->{num_labels},
	$j->{id2label}{1}, $j->{label2id}{Nein}, $j->{pad_token_id},
	$j->{problem_type}, $j->{layer_norm_epsilon}' "$T/dir/config.json")" \
    'GPT2ForSequenceClassification gpt2 2 Ja 0 299 single_label_classification 1e-05' \
    'config.json'
is "$(perl -MJSON::PP -0777 -ne 'my $j = decode_json substr $_, 8, unpack "Q<";
    print join " ", %{$j->{__metadata__}}, scalar(keys %$j) - 1,
	(grep { !/^transformer\./ && !/^__/ } keys %$j),
	map { $_->{dtype} ne "F32" ? "bad" : () } values %$j' \
    "$T/dir/model.safetensors" 2>/dev/null | sed 's/ bad$//')" \
    'format pt 29 score.weight' 'model.safetensors'
cmp -s tests/tiny/vocab.json "$T/dir/vocab.json" &&
    cmp -s tests/tiny/merges.txt "$T/dir/merges.txt"
is $? 0 "the tokenizer's files"

# The directory is a model too, and a head for it needs no other.
rm "$T/dir/gpt2-filters.json"
is "$($I -o "$T/c.head" --cut 1 "$T/dir" 2>&1 | sed "s,$T,T,")" \
    "$I: 2 classes, 1 blocks above cut 1 of T/dir
$I: it reads text as bpe-encode prepares it by default: white space at both ends removed" \
    'as one of others'
for h in a c; do
	bpe-encode -H "$T/$h.head" "$T/rows.tsv" | gpt2-embed -H "$T/$h.head" |
		head-predict -H "$T/$h.head" --all >"$T/$h"
done
is "$(paste "$T/a" "$T/c" | perl -ane 'next if $. == 1;
    $m = abs($F[0] - $F[2]) if abs($F[0] - $F[2]) > ($m // 0);
    END { print $m < 2e-6 }')" 1 'the same probabilities'
is "$($I -o "$T/d.head" "$T/dir" 2>&1 | head -n 1 | sed "s,$T,T,")" \
    "$I: 2 classes, 2 blocks above cut 0 of T/dir" 'two blocks by default'
mkdir "$T/empty"
is "$($X -H "$T/a.head" -o "$T/empty/" 2>&1; echo $?)" 0 \
    'into an empty directory'
(cd "$T" && tar -cf dir.tar empty)
is "$($I -q -o "$T/e.head" "$T/dir.tar" && sum <"$T/e.head")" \
    "$(sum <"$T/a.head")" 'from an archive'
perl -0777 -pi -e 's/"Ja"/"Doch"/g' "$T/empty/config.json"
is "$($I -q -o "$T/e.head" "$T/empty" && sum <"$T/e.head")" \
    "$(sum <"$T/a.head")" 'its own file goes first'

# ---- refusals ----
refused() { # MESSAGE COMMAND...
	local message=$1
	shift
	fails 1 "$message" "$message" "$@"
}
refused "$X: T/dir: File exists" $X -H "$T/a.head" -o "$T/dir"
refused "$X: T/no/dir: No such file or directory" $X -H "$T/a.head" -o "$T/no/dir"
refused "$X: examples/mini: not the model of the head" \
    $X -H "$T/a.head" -m "$PWD/examples/mini" -o "$T/x"
train() { # NAME OPTION... : heads that the class cannot express
	local name=$1
	shift
	bpe-encode "$@" "$T/rows.tsv" | gpt2-embed -b 1 |
		head-train -q --epochs 1 ${pool:+--pool mean} -o "$T/$name.head"
}
cannot() { # NAME WHAT
	refused "$X: T/$1.head: it $2, which GPT2ForSequenceClassification cannot do" \
	    $X -H "$T/$1.head" -o "$T/x"
}
pool=mean train mean
cannot mean 'pools the mean of all tokens'
train prefix --prefix x
cannot prefix 'puts a prefix before every text'
train suffix --suffix x
cannot suffix 'puts a suffix behind every text'
train special --special parse
cannot special 'reads <|endoftext|> in a text as the token'
[ ! -e "$T/x" ] && [ -z "$(find "$T" -name '.*.tmp')" ]
is $? 0 'nothing is left'
refused "$I: tests/tiny: model.safetensors: tensor score.weight: missing" $I -q -o "$T/x" tests/tiny
refused "$I: T/dir: the model has 2 blocks" $I -q --cut 3 -o "$T/x" "$T/dir"
config() { # PERL
	rm -rf "$T/other"
	cp -r "$T/dir" "$T/other"
	perl -0777 -pi -e "$1" "$T/other/config.json"
}
config 's/single_label_classification/regression/'
refused "$I: T/other: config.json: problem_type \"regression\", want \"single_label_classification\"" \
    $I -q -o "$T/x" "$T/other"
config 's/"0": "Nein",//'
refused "$I: T/other: config.json: id2label: has 1 classes" $I -q -o "$T/x" "$T/other"
config 's/"0": "Nein"/"2": "Nein"/'
refused "$I: T/other: config.json: id2label: no name for 0" $I -q -o "$T/x" "$T/other"
config 's/"0": "Nein"/"0": "Ja"/'
refused "$I: T/other: config.json: two classes have one name" \
    $I -q -o "$T/x" "$T/other"
config 's/"1": "Ja"/"1": "Ja", "2": "x"/'
refused "$I: T/other: model.safetensors: tensor score.weight: shape [2, 16], want [3, 16]" \
    $I -q -o "$T/x" "$T/other"
echo '{' >"$T/empty/gpt2-filters.json"
$I -q -o "$T/x" "$T/empty" 2>"$T/err"
is "$? $(sed "s,$T,T,; s/line.*//" "$T/err")" \
    "1 $I: T/empty: gpt2-filters.json: " 'a damaged file of its own'
fails 2 "$X: -o: want a directory to make" 'no -o' $X
fails 2 "$I: -o: want a file for the head" 'no -o' $I "$T/dir"
fails 2 "$I: want one directory" 'no directory' $I -o "$T/x"
fails 2 "$X: T/a.head: name the head with -H" 'an operand' $X -o "$T/x" "$T/a.head"

# ---- PyTorch on SST-2 ----
if [ ! -d ../shared/data/sst2 ] ||
	! /usr/bin/python3 -c 'import torch, regex' 2>/dev/null; then
	skip 'as PyTorch computes it' 'no ../shared or no PyTorch'
	done_testing
	exit
fi
export GPT2_MODEL=examples/mini
$X -H examples/mini/sentiment.head -o "$T/mini"
bpe-encode ../shared/data/sst2/dev.tsv | gpt2-embed |
	head-predict -H examples/mini/sentiment.head --all | sed 1d >"$T/ours"
is "$(/usr/bin/python3 - "$T/mini" "$T/ours" <<'END'
import sys
sys.path.insert(0, "../shared/reference")
import torch
from gpt2_torch import GPT2, Tokenizer, read_tsv
m, tok = GPT2(sys.argv[1]), Tokenizer(sys.argv[1])
score = m.w["score.weight"]
ours = [[float(p) for p in l.split()] for l in open(sys.argv[2])]
worst = differ = 0
with torch.no_grad():
    for (text, _), p in zip(read_tsv("../shared/data/sst2/dev.tsv"), ours):
        ids = torch.tensor([tok.encode(text)])
        x = m.norm(m.hidden(ids, m.L))[0, -1]
        q = torch.softmax(score @ x, 0)
        worst = max(worst, max(abs(q - torch.tensor(p))).item())
        differ += int(q.argmax() != torch.tensor(p).argmax())
print(len(ours), worst <= 1e-5, differ)
END
)" '872 True 0' 'as PyTorch computes it from the files'
done_testing
