#!/bin/bash
# shellcheck disable=SC2016,SC2094 # perl's variables; files read twice
# Bad input, files and surroundings of bpe-encode and bpe-decode: the exact
# message and status, and nothing left behind.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny

E=bpe-encode

# ---- text ----
head -c 16777217 /dev/zero >"$T/huge"
fails 1 "$E: T/huge: line 1: longer than 16777216 bytes" 'a huge line' \
    $E "$T/huge"
(echo a; cat "$T/huge") >"$T/huge2"
fails 1 "$E: T/huge2: line 2: longer than 16777216 bytes" 'the second' \
    $E "$T/huge2"
is "$(perl tests/bpe-dump.pl <"$T/stdout")" "$(printf -- '-\t-\t1/1\t1\t-\t64')" \
    'the record before it went out, and no end mark'
(head -c 16777216 "$T/huge"; echo) >"$T/huge2"
fails 0 '' 'the longest line' $E --exact "$T/huge2"
rm "$T"/huge*
fails 1 "$E: stdin: looks like UTF-16; convert with iconv" 'UTF-16' \
    $E < <(printf '\377\376a\0\n\0')
fails 1 "$E: stdin: already a token stream" 'a token stream' \
    $E < <(echo a | $E)
fails 1 "$E: stdin: line 2: 12 tokens, limit 10" '--long error' \
    $E --long error --max-tokens 10 < <(printf 'a\n012345678901\n')
fails 1 "$E: stdin: record 2: 12 tokens, limit 10" '--long error -0' \
    $E -0 --long error --max-tokens 10 < <(printf 'a\000012345678901\0')
fails 1 "$E: stdin: line 1: has <|endoftext|>" '--special error' \
    $E --special error < <(echo 'a<|endoftext|>')

# ---- rows ----
printf 'a\t1\nb\n' >"$T/a.tsv"
fails 1 "$E: T/a.tsv: line 2: no label" 'a row without label' $E "$T/a.tsv"
printf 'a\t1\nb\t1\t2\n' >"$T/a.tsv"
fails 1 "$E: T/a.tsv: line 2: 3 fields, want 2" 'a field too many' \
    $E "$T/a.tsv"
fails 1 "$E: T/a.tsv: line 1: no field \"x\" for --text" 'no such name' \
    $E --text x "$T/a.tsv"
fails 1 "$E: T/a.tsv: line 1: no text" 'no such number' $E --text 3 "$T/a.tsv"
fails 1 "$E: T/a.tsv: line 1: no id" 'no id' $E --id 3 "$T/a.tsv"
printf 'a\t%0256d\n' 1 >"$T/a.tsv"
fails 1 "$E: T/a.tsv: line 1: label longer than 255 bytes" 'a long label' \
    $E "$T/a.tsv"
printf 'a\tx\001\n' >"$T/a.tsv"
fails 1 "$E: T/a.tsv: line 1: label has a control byte" 'a control byte' \
    $E "$T/a.tsv"
printf 'a\t1\nb\nc\t0\n' >"$T/a.tsv"
fails 0 "$E: T/a.tsv: line 2: no label
$E: 1 of 3 rows malformed, left empty" '--bad-rows empty' \
    $E --bad-rows empty "$T/a.tsv"
is "$(perl tests/bpe-dump.pl <"$T/stdout" | cut -f 2,6)" \
    "$(printf '1\t64\n-\t\n0\t66\nEND 3 3 0 1')" 'keeps the count'
printf 'x,y\n"a,b\n' >"$T/a.csv"
fails 1 "$E: T/a.csv: line 2: a quoted field does not end" 'an open quote' \
    $E "$T/a.csv"
printf 'x,y\na"b,c\nd,e\n' >"$T/a.csv"
fails 1 "$E: T/a.csv: line 2: a quote inside a field" 'a stray quote' \
    $E "$T/a.csv"
fails 0 "$E: T/a.csv: line 2: a quote inside a field
$E: 1 of 3 rows malformed, left empty" 'and the rows behind it' \
    $E --bad-rows empty "$T/a.csv"
is "$(perl tests/bpe-dump.pl <"$T/stdout" | cut -f 2,6 | head -n 3)" \
    "$(printf 'y\t87\n-\t\ne\t67')" 'are read'
json() { # LINE MESSAGE NAME
	echo "$1" >"$T/a.jsonl"
	fails 1 "$E: T/a.jsonl: line 1: $2" "JSONL: $3" $E "$T/a.jsonl"
}
json '{"text":' "column 8: unexpected token near end of file" 'cut'
json '[1]' 'want a JSON object' 'an array'
json '{"label":1}' 'no "text"' 'no text'
json '{"text":1.5}' '"text" is neither text nor a whole number' 'a real'
json '{"text":"a","text":"b"}' \
    'column 18: duplicate object key near '"'\"text\"'" 'a key twice'
echo '__label__a __label__b c' >"$T/ft"
fails 1 "$E: T/ft: line 1: more than one label" 'fastText: two labels' \
    $E --format fasttext "$T/ft"

# ---- vocabulary ----
model() { # NAME PERL: tests/tiny with PERL done to one of its files
	rm -rf "$T/m"
	mkdir "$T/m"
	cp tests/tiny/vocab.json tests/tiny/merges.txt tests/tiny/config.json \
	    "$T/m"
	perl -0777 -pi -e "$2" "$T/m/$1"
}
bad() { # FILE PERL MESSAGE NAME
	model "$1" "$2"
	fails 1 "$E: T/m: $3" "$4" $E -m "$T/m" </dev/null
}
bad merges.txt 's/\nh e\n/\nhe\n/' 'merges.txt: line 3: want two tokens' \
    'one field'
bad merges.txt 's/\nh e\n/\nh e x\n/' 'merges.txt: line 3: want two tokens' \
    'three fields'
bad merges.txt 's/\nh e\n/\nh  e\n/' 'merges.txt: line 3: want two tokens' \
    'an empty field'
bad merges.txt 's/\nh e\n/\n\nh e\n/' 'merges.txt: line 3: want two tokens' \
    'an empty line'
bad merges.txt 's/\n/\r\n/g' 'merges.txt: line 2: want two tokens' 'CRLF'
bad merges.txt 's/\nh e\n/\nh foo\n/' \
    'merges.txt: line 3: token "foo" not in vocab.json' 'an unknown part'
bad merges.txt 's/\nh e\n/\nh z\n/' \
    'merges.txt: line 3: token "hz" not in vocab.json' 'an unknown result'
bad merges.txt 's/\nh e\n/\nh \x{1}\n/' \
    'merges.txt: line 3: token "\x01" not in vocab.json' 'a control byte'
bad merges.txt 's/\nĠ a\n/\nh e\n/' \
    'merges.txt: line 4: merge listed twice (line 3)' 'a merge twice'
bad merges.txt 's/\nh e\n/\n# #\n/' \
    'merges.txt: line 3: token "##" not in vocab.json' \
    'a line that begins with # is a merge'
bad merges.txt 's/[^\n]*\n$//' \
    'merges.txt: 42 merges, want 43 for 300 tokens' 'a merge is missing'
model merges.txt 's/\n$//'
fails 0 '' 'the last newline is optional' $E -m "$T/m" </dev/null
model merges.txt 's/^#version[^\n]*\n//'
fails 0 '' 'the first line is optional' $E -m "$T/m" </dev/null
bad vocab.json 's/"!":0/"!!":0/' 'vocab.json: byte 0x21 has no token' \
    'a byte without token'
# shellcheck disable=SC2089,SC2090
for id in 1 -1 300 4294967301 1.5 '"7"' null true; do
	bad vocab.json "s/\"!\":0/\"!\":$id/" \
	    "vocab.json: token \"$([ "$id" = 1 ] && echo '"' || echo '!')\": bad id" "id $id"
done
bad vocab.json 's/"<\|endoftext\|>":299/"endoftext":299/' \
    'vocab.json: no token "<|endoftext|>"' 'no <|endoftext|>'
bad vocab.json 's/"!":0/" ":0/' \
    'vocab.json: token " ": not in GPT-2'\''s alphabet of bytes' \
    'a token that spells no bytes'
bad merges.txt 's/\z/! "\n/' 'merges.txt: line 45: token "!"" not in vocab.json' \
    'one merge more'
bad config.json 's/"vocab_size": 300/"vocab_size": 301/' \
    'vocab.json: 300 tokens, config.json says 301' 'config.json has more'
bad vocab.json 's/"!":0/"!":0,"!":0/' \
    "vocab.json: line 1 column 10: duplicate object key near '\"!\"'" \
    'a key twice'
bad vocab.json 's/(?<=.{40}).*//s' "vocab.json: line 1 column 40: \
premature end of input near '\"''" 'cut'
bad vocab.json 's/$/x/' \
    "vocab.json: line 1 column 2360: end of file expected near 'x'" \
    'trailing text'
head -c 4000000 /dev/zero | tr '\0' '[' >"$T/m/vocab.json"
fails 1 "$E: T/m: vocab.json: line 1 column 2049: maximum parsing depth \
reached near '['" 'depth' $E -m "$T/m" </dev/null
truncate -s 1G "$T/m/vocab.json"
fails 1 "$E: T/m: vocab.json: larger than 16777216 bytes" '1 GB' \
    $E -m "$T/m" </dev/null
model vocab.json ''
truncate -s 1G "$T/m/merges.txt"
fails 1 "$E: T/m: merges.txt: larger than 16777216 bytes" '1 GB of merges' \
    $E -m "$T/m" </dev/null
rm "$T/m/merges.txt"
fails 1 "$E: T/m: merges.txt: No such file or directory" 'no merges' \
    $E -m "$T/m" </dev/null

# ---- tokenizer.json ----
fast() { # FILTER: tests/tiny as tokenizer.json, with perl's $t changed
	rm -rf "$T/m"
	mkdir "$T/m"
	perl -MJSON::PP -e 'sub slurp { local (@ARGV, $/) = shift; <> }
	    my $v = decode_json slurp "tests/tiny/vocab.json";
	    utf8::decode my $merges = slurp "tests/tiny/merges.txt";
	    my @m = map { [split / /] } grep /^[^#]/, split /\n/, $merges;
	    delete $v->{"<|endoftext|>"};
	    my $t = { version => "1.0", normalizer => undef,
	        added_tokens => [{ id => 299, content => "<|endoftext|>" }],
	        pre_tokenizer => { type => "ByteLevel",
	            add_prefix_space => JSON::PP::false },
	        model => { type => "BPE", dropout => undef, unk_token => undef,
	            continuing_subword_prefix => "", end_of_word_suffix => "",
	            vocab => $v, merges => \@m } };
	    eval shift;
	    print encode_json $t' "$1" >"$T/m/tokenizer.json"
}
refused() { # FILTER MESSAGE NAME
	fast "$1"
	fails 1 "$E: T/m: tokenizer.json: $2" "tokenizer.json: $3" \
	    $E -m "$T/m" </dev/null
}
echo 'some of the words' >"$T/words"
for form in '' '$_ = join " ", @$_ for @m' 'delete $t->{model}{type}'; do
	fast "$form"
	$E -m "$T/m" "$T/words" | cmp -s - <($E "$T/words")
	is $? 0 "tokenizer.json is vocab.json and merges.txt${form:+: $form}"
done
refused '$t->{model}{type} = "WordPiece"' 'model is WordPiece, want BPE' 'kind'
refused '$t->{pre_tokenizer}{type} = "Metaspace"' \
    'pre_tokenizer is Metaspace, want ByteLevel' 'pre_tokenizer'
refused 'delete $t->{pre_tokenizer}' \
    'pre_tokenizer is missing, want ByteLevel' 'no pre_tokenizer'
refused '$t->{pre_tokenizer}{add_prefix_space} = JSON::PP::true' \
    'add_prefix_space is true, want false' 'add_prefix_space'
refused '$t->{pre_tokenizer}{use_regex} = JSON::PP::false' \
    'use_regex is false, want true' 'use_regex'
refused '$t->{normalizer} = { type => "NFC" }' 'has a normalizer, want none' \
    'normalizer'
for key in dropout continuing_subword_prefix byte_fallback ignore_merges; do
	refused "\$t->{model}{$key} = '1'" "$key is set, want none" $key
done
refused '$t->{model}{vocab} = []' 'model.vocab: want a JSON object' 'vocab'
refused '$t->{added_tokens}[0]{id} = "x"' 'added_tokens: entry 0' 'added'
refused '$t->{added_tokens}[0]{content} = "!"' 'added_tokens: bad id' \
    'added twice'
refused '$m[2] = "a"' 'merge 3: want two tokens' 'one part'
refused '$m[2] = ["a", "b", "c"]' 'merge 3: want two tokens' 'three parts'
refused '$m[2] = ["z", "z"]' 'merge 3: token "zz" not in model.vocab' \
    'no such token'
refused '$m[2] = $m[1]' 'merge 3: merge listed twice (merge 2)' 'twice'
refused 'pop @m' '42 merges, want 43 for 300 tokens' 'too few'

# A stream of another vocabulary: two tokens have changed places.
model vocab.json 's/"!":0,"\\"":1/"\\"":0,"!":1/'
$E -m "$T/m" </dev/null >"$T/other"
a=$($E </dev/null | perl tests/bpe-dump.pl x | sed -n 's/.*"vocabulary":"\(....\).*/\1/p')
b=$(perl tests/bpe-dump.pl x <"$T/other" | sed -n 's/.*"vocabulary":"\(....\).*/\1/p')
fails 1 "bpe-decode: T/other: made with another vocabulary \
($b.., tests/tiny has $a..)" 'another vocabulary' bpe-decode "$T/other"

# ---- system ----
fails 1 "$E: T/no: No such file or directory" 'a missing operand' $E "$T/no"
fails 1 "$E: T/no: No such file or directory" 'found before any output' \
    $E /dev/null "$T/no"
is "$(wc -c <"$T/stdout")" 0 'indeed'
fails 1 "$E: T: Is a directory" 'a directory' $E "$T"
fails 1 "$E: stdin: Bad file descriptor" 'stdin closed' $E <&-
fails 1 "$E: T/x/y: No such file or directory" '-o in no directory' \
    $E -o "$T/x/y" </dev/null
for prog in bpe-encode bpe-decode; do
	$E </dev/null >"$T/in"
	fails 1 "$prog: T/in: input and output are the same file" \
	    "$prog: input and output are one" $prog -o "$T/in" "$T/in"
done
echo a | $E >"$T/in"
is "$(echo a | $E 2>&1 >/dev/full)" \
    "$E: stdout: No space left on device" "$E: disk full"
is "$(bpe-decode "$T/in" 2>&1 >/dev/full)" \
    'bpe-decode: stdout: No space left on device' 'bpe-decode: disk full'
is "$(echo a | $E 2>&1 >&-)" "$E: stdout: Bad file descriptor" \
    'stdout closed'
is "$(
	trap '' PIPE
	(yes 2>/dev/null | $E 2>"$T/stderr") | head -c 1 >/dev/null
	cat "$T/stderr"
)" "$E: stdout: Broken pipe" 'SIGPIPE ignored'
echo old >"$T/keep"
(
	ulimit -f 1
	yes | head -n 100000 | $E -o "$T/keep" 2>"$T/stderr"
)
is "$(sed "s,$T,T,g" "$T/stderr" | head -n 1) $(cat "$T/keep")" \
    "$E: T/keep: File too large old" 'file too large, the old one kept'
is "$(find "$T" -name '.*' -type f)" '' 'no temporary file is left'
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
	is "$(script -qec "echo a | $E" /dev/null </dev/null | tr -d '\r')" \
	    "$E: stdout: is a terminal; not writing binary data" 'a terminal'
else
	skip 'a terminal' 'no script(1)'
fi

# ---- wrong use ----
wrong() { # MESSAGE NAME ARGUMENT...
	local message=$1 name=$2
	shift 2
	fails 2 "$E: $message" "$name" $E "$@" </dev/null
}
wrong '-j: want 1..1024' 'jobs' -j 99999999999
wrong '--max-tokens: want 1..1048576' 'no tokens' --max-tokens 0
wrong '--max-tokens: want 1..32' 'more than the model has' --max-tokens 33
wrong '--long: want split, head, tail or error' 'long' --long x
wrong '--format: want lines, tsv, csv, jsonl or fasttext' 'format' --format x
wrong '--special: want literal, parse or error' 'special' --special x
wrong '--bad-rows: want stop or empty' 'bad rows' --bad-rows x
wrong '--records: want A-B, A- or A, counted from 1' 'records' --records 0-3
wrong '--records: 3-2 is empty' 'no records' --records 3-2
wrong '--exact has no limit: leave out --max-tokens' 'exact' --exact \
    --max-tokens 3
fails 1 "$E: prefix and suffix have 32 tokens, limit 32" 'no room' \
    $E --prefix 01234567890123456789012345678901 </dev/null
for prog in bpe-encode bpe-decode; do
	$prog -x </dev/null >"$T/stdout" 2>"$T/stderr"
	is "$? $(sed -n 2p "$T/stderr" | cut -d ' ' -f 1,2)" \
	    "2 usage: $prog" "$prog: an unknown option"
	is "$($prog -h | head -n 1 | cut -d ' ' -f 1,2)" "usage: $prog" \
	    "$prog -h"
	is "$($prog -V | cut -d ' ' -f 1)" "$prog" "$prog -V"
done
done_testing
