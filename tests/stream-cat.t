#!/bin/bash
# stream-cat: streams put together, parts of them, other orders and forms.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny
C=stream-cat

cat >"$T/rows.tsv" <<'END'
id	sentence	label
a	the good film	pos
b	0123456789012345678901234567890123456789	neg
c	is it	pos
d		neg
e	on and on	
END
encode() { bpe-encode -q --id id "$T/rows.tsv" "$@"; }
encode -o "$T/tok"
gpt2-embed -o "$T/hid" "$T/tok"
gpt2-embed -b 0 --pool last -o "$T/pool" "$T/tok"
ids() { $C --to tsv "$@" | sed 1d | cut -f 2 | uniq | tr -d '\n'; }

# ---- streams as one ----
is "$($C "$T/hid" | sum)" "$(sum <"$T/hid")" 'one stream is itself'
is "$(cat "$T/tok" "$T/tok" | $C | ids)" abcdeabcde 'two in one file'
is "$($C "$T/tok" - <"$T/tok" | ids)" abcdeabcde 'a file and standard input'
is "$(cat "$T/hid" "$T/hid" | $C | sum)" "$($C "$T/hid" "$T/hid" | sum)" \
    'the same bytes, however they come'
is "$($C </dev/null 2>&1)" "$C: stdin: empty: not a stream" 'nothing at all'
is "$(bpe-encode </dev/null | $C | bpe-decode | wc -c)" 0 'no record'

# ---- which records ----
is "$($C --records 2-3 "$T/tok" | ids)" bc '--records'
is "$($C --records 4- "$T/hid" | ids)" de 'to the end'
is "$($C --records 5 "$T/tok" "$T/tok" | ids)" e 'one'
is "$($C --records 9- "$T/tok" | ids)" '' 'none'
is "$($C --records 2 "$T/tok" | bpe-decode)" \
    0123456789012345678901234567890123456789 'a split record stays whole'
is "$(for i in 1 2 3; do $C --shard $i/3 "$T/tok" | ids; echo; done)" \
    "$(printf 'ad\nbe\nc')" '--shard'
is "$($C --records 2- --shard 2/2 "$T/tok" | ids)" ce 'of those left'
is "$($C --shuffle 1 "$T/tok" | ids)" "$($C --shuffle 1 <"$T/tok" | ids)" \
    '--shuffle: a file and a pipe'
is "$($C --shuffle 1 "$T/tok" | ids | fold -w 1 | sort | tr -d '\n')" abcde \
    'all records'
is "$(for i in 1 2 3 4 5 6; do $C --shuffle $i "$T/tok" | ids; echo; done |
    sort -u | wc -l)" 6 'six seeds, six orders'
is "$($C --shuffle 7 "$T/tok" | bpe-decode | grep -c \
    '^0123456789012345678901234567890123456789$')" 1 'parts stay together'

# The mark that the last record lacked its delimiter.
last() { printf 'a\nb' | bpe-encode --exact | $C "$@" | bpe-decode | wc -c; }
is "$(last)" 3 'a last line without LF'
is "$(last --records 1)" 2 'is left out'
is "$(last --records 2)" 1 'or alone'
is "$(last --shard 1/2)" 2 'or in another shard'

# ---- types ----
gpt2-embed --dtype f16 -o "$T/half" "$T/tok"
is "$($C --dtype f16 "$T/hid" | sum)" "$(sum <"$T/half")" 'to f16'
is "$($C --dtype f32 "$T/half" | $C --dtype f16 | sum)" "$(sum <"$T/half")" \
    'to f32 and back'

# ---- what it holds ----
is "$($C -i "$T/hid" | sed 's/^\(vocabulary\|model id\) .*,*/\1/')" \
    "kind          hidden-state stream
vocabulary
preparation   strip, prefix \"\", suffix \"\", special literal
model         $PWD/tests/tiny
model id
cut           0 of 2 blocks
vectors       16 of f32, one a token, computed in f32, 2 heads
records       5
parts         6
tokens        $($C --to tsv "$T/hid" | sed 1d | wc -l)
longest part  20
cut or split  1
with an id    5
unlabelled    1
labels        2
              neg: 2
              pos: 2" '--info'
is "$($C -i "$T/pool" | grep ^vectors)" \
    "vectors       16 of f32, the last token's, computed in f32, 2 heads" \
    'of a pooled stream'
is "$($C -i "$T/tok" | sed -n '1p;4p')" "$(printf 'kind          %s
records       5' 'token stream')" 'of tokens'

# ---- other forms ----
is "$(printf 'a\n\n' | bpe-encode | $C --to jsonl)" \
    "$(printf '{"cut":false,"tokens":[64]}\n{"cut":false,"tokens":[]}')" \
    'tokens as JSON'
is "$($C --to jsonl "$T/tok" | perl -MJSON::PP -ne '
    my $j = decode_json $_;
    print $j->{id}, $j->{part} // "", $j->{parts} // "", $j->{label} // "-",
	scalar @{$j->{tokens}}, $j->{cut} ? "cut " : " "')" \
    'apos11 b12neg20cut b22neg20cut cpos3 dneg0 e-4 ' \
    'fields of a JSON line'
is "$(printf 'a\tx\ty\tz\n' | bpe-encode --format tsv --label 2 --id 3 | $C --to tsv)" \
    "$(printf 'record\tid\tlabel\ttokens\n1\ty\tx\t64')" 'tokens as TSV'
floats() { # the vectors of hidden states, in hexadecimal
	case $1 in
	npy) tail -c "+$((129))" | perl -0777 -ne 'print unpack "H*", $_' ;;
	jsonl) perl -MJSON::PP -ne 'print unpack "H*", pack "f<*",
	    map @$_, @{decode_json($_)->{vectors}}' ;;
	tsv) sed 1d | cut -f 5- | perl -ne 'print unpack "H*", pack "f<*", split' ;;
	libsvm) perl -ne 's/\d+://g; my ($l, @x) = split;
	    print unpack "H*", pack "f<*", @x' ;;
	esac | sum
}
want=$($C --to npy "$T/hid" | floats npy)
is "$($C --to jsonl "$T/hid" | floats jsonl)" "$want" 'JSON gives the floats'
is "$($C --to tsv "$T/hid" | floats tsv)" "$want" 'TSV too'
want=$($C --to npy "$T/pool" | floats npy)
is "$($C --to libsvm -q "$T/pool" | floats libsvm)" "$want" 'LIBSVM too'
is "$($C --to npy "$T/pool" | tail -c $((6 * 16 * 4)) | sum)" \
    "$($C --to npy "$T/pool" | tail -c +129 | sum)" 'a vector a part'
is "$($C --to npy "$T/pool" | head -c 128 | tail -c +11 | sed 's/ *$//')" \
    "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 16), }" \
    "NumPy's header"
is "$($C --to libsvm "$T/pool" 2>&1 >/dev/null)" \
    "$C: 0 stands for label neg
$C: 1 stands for label pos
$C: 1 records have no label: 0" 'labels become numbers'
is "$($C --to libsvm -q "$T/pool" | cut -d ' ' -f 1 | tr -d '\n')" 100100 \
    'in their order'
is "$(sed 's/pos/-1/; s/neg/2.5/' "$T/rows.tsv" | bpe-encode -q --format tsv \
    --header --text sentence --label label | gpt2-embed -b 0 --pool last |
    $C -q --to libsvm | cut -d ' ' -f 1 | tr '\n' ' ')" '-1 2.5 2.5 -1 2.5 0 ' \
    'numbers stay'
if /usr/bin/python3 -c 'import numpy' 2>/dev/null; then
	$C --to npy -o "$T/npy" "$T/hid"
	is "$(/usr/bin/python3 -c 'import numpy, sys
a = numpy.load(sys.argv[1])
print(a.dtype, a.shape)' "$T/npy")" \
	    "float32 ($($C --to tsv "$T/hid" | sed 1d | wc -l), 16)" \
	    'NumPy reads it'
else
	skip 'NumPy reads it' 'no numpy'
fi

# ---- refusals ----
fails 1 "$C: T/hid: hidden-state stream, want token stream" 'two kinds' \
    $C -o "$T/o" "$T/tok" "$T/hid"
fails 1 "$C: T/hid: hidden-state stream, want token stream" 'to shuffle too' \
    $C -o "$T/o" --shuffle 1 "$T/tok" "$T/hid"
encode --suffix x -o "$T/other"
fails 1 "$C: T/other: other preparation (--suffix 'x', want '')" 'headers' \
    $C -o "$T/o" "$T/tok" "$T/other"
cat "$T/tok" "$T/other" >"$T/two"
fails 1 "$C: T/two: stream 2: other preparation (--suffix 'x', want '')" \
    'in one file' $C "$T/two"
is "$(ids "$T/stdout" 2>/dev/null)" abcde 'after all good records'
head -c 900 "$T/hid" >"$T/short"
fails 1 "$C: T/short: ends early after record 0 (byte 900)" 'cut short' \
    $C "$T/short"
fails 1 "$C: T/short: ends early after record 0 (byte 900)" 'before the first' \
    $C --to npy -o "$T/o" "$T/short"
fails 1 "$C: --to npy: want a hidden-state stream" 'npy' \
    $C --to npy "$T/tok"
fails 1 "$C: --dtype: want a hidden-state stream" 'dtype' \
    $C --dtype f16 "$T/tok"
fails 1 "$C: --to libsvm: want one vector a record (run gpt2-embed -b 0 --pool last)" \
    'libsvm' $C --to libsvm "$T/hid"
fails 1 "$C: T/hid: input and output are the same file" 'the same file' \
    $C -o "$T/hid" "$T/hid"
[ ! -e "$T/o" ]
is $? 0 'no file is left'
while IFS='|' read -r args message; do
	read -r -a list <<<"$args"
	fails 2 "$C: $message" "$args" $C "${list[@]}" "$T/none"
done <<'END'
--records 0|--records: want A-B, A- or A, counted from 1
--records 3-2|--records: 3-2 is empty
--records x|--records: want A-B, A- or A, counted from 1
--shard 0/2|--shard: want I/N, I from 1 to N
--shard 3/2|--shard: want I/N, I from 1 to N
--shard 1|--shard: want I/N, I from 1 to N
--shuffle x|--shuffle: want 0..9223372036854775807
--to xml|--to: want jsonl, tsv, npy or libsvm
-i --to tsv|-i and --to exclude each other
--to tsv --dtype f16|--dtype is for streams; --to writes what it needs
END
done_testing
