#!/bin/bash
# shellcheck disable=SC2016,SC2094 # perl's variables; files read twice
# What bpe-encode makes of text: records, fields, preparation, cuts.
. "$(dirname "$0")/lib.sh"

dump() { perl tests/bpe-dump.pl | sed '/^END/d'; }
encode() { bpe-encode -m tests/tiny "$@" 2>"$T/err" | dump; }
tab() { printf '%s' "$1" | tr ' ~' '\t '; } # one line of a dump; ~: a blank

# ---- lines ----
is "$(encode </dev/null)" '' 'empty input, no record'
is "$(bpe-encode -m tests/tiny </dev/null | perl tests/bpe-dump.pl)" \
    'END 0 0 0 1' 'and an end mark'
is "$(printf '\n' | encode)" "$(tab '- - 1/1 0 - ')" 'an empty line'
is "$(printf 'the' | encode)" "$(tab '- - 1/1 2 - 83~257')" \
    'a last line without LF'
is "$(printf 'a\n\n\nb\n' | encode | cut -f 6)" \
    "$(printf '64\n\n\n65')" 'blank lines inside are records'
is "$(printf 'a\r\nb\r\r\nc\r' | encode --suffix x | cut -f 6)" \
    "$(printf '64 87\n65 87\n66 87')" 'white space at both ends goes'
is "$(printf 'a\r\nb\r\r\nc\r' | encode --exact | cut -f 6)" \
    "$(printf '64 201\n65 201 201\n66 201')" '--exact keeps every CR'
is "$(printf ' \t\302\240\342\200\203a\302\205\343\200\200 \n' | encode |
    cut -f 6)" 64 "Unicode's white space at both ends goes"
is "$(printf '\357\273\277a\n\357\273\277b\n' | encode | cut -f 6)" \
    "$(printf '64\n171 119 123 65')" 'a byte order mark goes, at the start'
is "$(printf '\357\273\277' | encode)" '' 'nothing but a byte order mark'
is "$(printf 'a\0\nb\0' | encode -0 | cut -f 6)" "$(printf '64\n65')" \
    '-0: records end in NUL'
is "$(printf 'a\0b\n' | encode | cut -f 6)" '64 188 65' 'NUL is a byte'
is "$(printf '\200\300\257\355\240\200\365\200\200\200\342\202\n' | encode |
    cut -f 6)" '222 124 107 169 254 222 177 222 222 222 158 224' \
    'invalid UTF-8 is bytes'
is "$(printf 'a <|endoftext|> b' | encode | cut -f 6 | tr ' ' '\n' |
    grep -c 299)" 0 '<|endoftext|> is ordinary text'
is "$(printf 'a <|endoftext|> b' | encode --special parse | cut -f 6)" \
    '64 220 299 275' '--special parse makes it the token'
printf 'some words of text\nmore of it\n\n' >"$T/lines"
is "$(cat "$T/lines" "$T/lines" | encode)" \
    "$(encode "$T/lines" - <"$T/lines")" 'operands in turn, - is stdin'
printf 'a' >"$T/open"
is "$(encode "$T/open" "$T/open" | cut -f 6)" "$(printf '64\n64')" \
    'no record reaches from one file into the next'
is "$(encode "$T/lines")" \
    "$(perl -e '$| = 1; while (read STDIN, $c, 1) { print $c; select undef,
    undef, undef, .001 }' <"$T/lines" | encode)" 'one byte at a time'
mkfifo "$T/fifo"
bpe-encode -m tests/tiny <"$T/fifo" >"$T/fifo.out" &
exec 9>"$T/fifo"
printf 'a\nb' >&9
for _ in $(seq 100); do # until the record is there, or 10 s
	[ "$(dump <"$T/fifo.out")" ] && break
	sleep 0.1
done
is "$(dump <"$T/fifo.out" | cut -f 6)" 64 \
    'a line goes out before the next one is there'
exec 9>&-
wait
is "$(dump <"$T/fifo.out" | cut -f 6)" "$(printf '64\n65')" 'then the rest'
is "$(encode --records 2-3 "$T/lines" "$T/lines")" \
    "$(sed -n 2,3p "$T/lines" | encode)" '--records'

# ---- fields ----
printf 'sentence\tlabel\nthe \t1\na\t0\n\t\n' >"$T/a.tsv"
tsv=$(printf '%s\n' "$(tab '- 1 1/1 2 - 83~257')" \
    "$(tab '- 0 1/1 1 - 64')" "$(tab '- - 1/1 0 - ')")
is "$(encode "$T/a.tsv")" "$tsv" 'TSV with its header; no label: unlabelled'
is "$(encode --format tsv <"$T/a.tsv")" "$tsv" '--format for stdin'
is "$(encode --text sentence --label label "$T/a.tsv")" "$tsv" \
    'fields by name'
is "$(encode --header --text 1 --label 2 "$T/a.tsv")" "$tsv" \
    'fields by number'
is "$(encode --format lines "$T/a.tsv" | wc -l)" 4 \
    '--format lines on a .tsv file'
sed 1d "$T/a.tsv" >"$T/b.tsv"
is "$(encode "$T/b.tsv")" "$tsv" 'TSV without header: text, label'
printf 'index\tsentence\n0\tthe\n1\ta\n' >"$T/c.tsv"
is "$(encode "$T/c.tsv" | cut -f 1-3,6)" \
    "$(tab '- - 1/1 83~257'
    echo
    tab '- - 1/1 64')" "GLUE's test.tsv has no label"
is "$(encode --id index "$T/c.tsv" | cut -f 1)" "$(printf '0\n1')" '--id'
printf '"text","label"\r\n"the ",1\r\n"a\nb",0\n" ""a"", ",x\n' >"$T/a.csv"
is "$(encode "$T/a.csv" | cut -f 2,6)" \
    "$(printf '1\t83 257\n0\t64 198 65\nx\t1 64 1 11')" 'CSV'
printf 'the, a ,b\n\n x,y,z\n' >"$T/b.csv"
is "$(encode --exact --bad-rows empty --text 2 "$T/b.csv" | cut -f 6)" \
    "$(printf '258 220\n\n88')" 'CSV: blanks and blank lines are data'
printf '%s\n' '{"text":"the","label":"pos","n":7}' \
    '{"sentence":"a","label":3}' '{"text":"a\u0000\u00e9","label":null}' \
    >"$T/a.jsonl"
is "$(encode --id n "$T/a.jsonl" | cut -f 1,2,6)" \
    "$(printf '7\tpos\t83 257\n-\t3\t64\n-\t-\t64 188 127 102')" 'JSONL'
printf '__label__1 the\n__label__0\ta\nno label\n' >"$T/ft"
is "$(encode --format fasttext "$T/ft" | cut -f 2,6 | head -n 2)" \
    "$(printf '1\t83 257\n0\t64')" 'fastText'
is "$(encode --format fasttext "$T/ft" | sed -n '3s/^\([^\t]*\t[^\t]*\).*/\1/p')" \
    "$(tab '- -')" 'fastText: no label'

# ---- preparation and cuts ----
is "$(printf ' the ' | encode --prefix 'a' --suffix ' a' | cut -f 6)" \
    '265 257 258' 'prefix and suffix'
is "$(printf ' the ' | encode --prefix 'I saw' --suffix '' | cut -f 6)" \
    "$(printf 'I sawthe' | encode | cut -f 6)" 'joined before tokenizing'
printf ' \n' | encode --prefix 'a' >"$T/got"
is "$(cut -f 4,6 "$T/got")" "$(tab '1 64')" 'an empty text has its prefix'
printf '0123456789%.0s' 1 2 3 4 5 6 7 >"$T/long" # 70 tokens, 32 fit
is "$(encode "$T/long" | cut -f 3-5)" \
    "$(tab '1/3 70 c'
    echo
    tab '2/3 70 c'
    echo
    tab '3/3 70 c')" 'split'
is "$(cat "$T/err")" \
    'bpe-encode: 1 of 1 records split into parts of at most 32 tokens' \
    'and its note'
is "$(encode "$T/long" | cut -f 6 | awk '{print NF}' | tr '\n' ' ')" \
    '23 23 24 ' 'equal parts'
is "$(encode "$T/long" | cut -f 6 | tr '\n' ' ' | tr -d ' ' | cut -c 1-20)" \
    "$(printf '%s' 1516171819202122232415 | cut -c 1-20)" 'in order'
is "$(encode --long head "$T/long" | cut -f 3-6)" "$(tab '1/1 70 c ')$(
    printf '15 16 17 18 19 20 21 22 23 24 %.0s' 1 2 3)15 16" 'head'
printf 'a\nb\n' | cat - "$T/long" | encode --long head >/dev/null
is "$(cat "$T/err")" 'bpe-encode: 1 of 3 records cut to 32 tokens' \
    'and its note'
is "$(encode --long tail --max-tokens 3 "$T/long" | cut -f 6)" '22 23 24' \
    'tail, --max-tokens'
is "$(encode --long tail --max-tokens 5 --prefix 'a' --suffix ' a' "$T/long" |
    cut -f 6)" '64 22 23 24 258' 'cut so that prefix and suffix fit'
is "$(encode -q --long head "$T/long" | wc -l; cat "$T/err")" 1 \
    '-q: no note'
is "$(encode --exact "$T/long" | cut -f 3-5)" "$(tab '1/1 70 -')" \
    '--exact: no limit'
encode -v "$T/lines" >/dev/null
is "$(cat "$T/err")" 'bpe-encode: 3 records, 18 tokens' '-v'
cp tests/tiny/vocab.json tests/tiny/merges.txt "$T"
is "$(bpe-encode -m "$T" "$T/long" | dump | cut -f 3)" 1/1 \
    'no config.json: up to 1024 tokens'

# ---- time ----
# Each takes some 50 ms where merging is linear, and hours where it is not.
slow=
for c in a ^ ' ' _ 0 '\n' '\314\201'; do
	perl -e 'print eval(qq("$ARGV[0]")) x 1e6' "${c/\\3/\\3}" |
	    timeout 10 bpe-encode -m tests/tiny -0 --exact |
	    timeout 10 bpe-decode -m tests/tiny -0 >"$T/back" ||
	    slow="$slow $c"
done
is "$slow" '' 'a million equal characters as one record'

# ---- output ----
echo the | bpe-encode -m tests/tiny -o "$T/out" &&
    is "$(dump <"$T/out" | cut -f 6)" '83 257' '-o'
GPT2_MODEL=tests/tiny bpe-encode </dev/null >"$T/a"
bpe-encode -m tests/tiny </dev/null | cmp -s - "$T/a"
is $? 0 '$GPT2_MODEL'

# ---- threads: batches of some 64 KiB, in order ----
perl -e 'srand 3; for (1 .. 30000) {
	print join(" ", map { ("the", "a film", "zx", "\xc3\xa9t\xc3\xa9", "7th")
	    [rand 5] } 0 .. rand 20), "\t", int rand 3, "\tid$_\n" }' >"$T/many.tsv"
for o in '' '--prefix Q:' '--max-tokens 12' '--max-tokens 9 --suffix !' \
	'--special parse' '--records 900-29000'; do
	# shellcheck disable=SC2086
	many() { encode $o -j "$1" --text 1 --label 2 --id 3 "$T/many.tsv" | sum; }
	is "$(many 2) $(many 5)" "$(many 1) $(many 1)" "-j: $o"
done
is "$(encode -j 3 --long head --text 1 --label 2 --id 3 "$T/many.tsv" |
    cut -f 1)" \
    "$(cut -f 3 "$T/many.tsv")" 'the ids in order'
is "$( (head -n 20000 "$T/many.tsv"; echo bad; cat "$T/many.tsv") |
    encode -j 3 --long head --format tsv | wc -l; cat "$T/err")" \
    "20000
bpe-encode: stdin: line 20001: no label" 'what stood before a bad row is out'
yes 'a film' | head -n 20000 >"$T/lines.txt"
is "$( (head -n 20000 "$T/lines.txt"; yes a | head -n 60 | tr '\n' ' ') | cut -c 1-90 |
    encode -j 3 --long error | wc -l; cat "$T/err")" \
    "20000
bpe-encode: stdin: line 20001: 45 tokens, limit 32" 'or before a long one'
done_testing
