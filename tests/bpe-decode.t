#!/bin/bash
# shellcheck disable=SC2016,SC2094 # perl's variables; files read twice
# bpe-decode gives back what bpe-encode took.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny

printf 'one\n\n two \nthree' >"$T/text"
is "$(bpe-encode "$T/text" | bpe-decode | od -c)" \
    "$(printf 'one\n\ntwo\nthree\n' | od -c)" 'lines, each with LF'
printf '0123456789%.0s' 1 2 3 4 5 6 7 >"$T/long"
is "$(bpe-encode -q "$T/long" "$T/text" | bpe-decode)" \
    "$(cat "$T/long" <(echo) | cat - "$T/text" | sed 's/^ two $/two/')" \
    'parts are joined'
is "$(bpe-encode "$T/text" | bpe-decode -0 | tr '\0' ,)" \
    'one,,two,three,' '-0'
bpe-encode "$T/text" >"$T/stream"
is "$(cat "$T/stream" "$T/stream" | bpe-decode | wc -l)" 8 \
    'two streams one after the other'
is "$(bpe-decode "$T/stream" "$T/stream" | wc -l)" 8 'two files'
bpe-decode -o "$T/out" "$T/stream"
is "$(cat "$T/out")" "$(bpe-decode "$T/stream")" '-o'

# Random bytes of every length up to 300, 0 and LF often among them.
perl -e 'srand 1; for my $n (0 .. 300) { open my $f, ">:raw", "$ARGV[0]/$n";
    my @few = (0, 10, 13, 32, 0xc3, 0xa9, 97);
    print $f pack "C*", map { $n % 2 ? int rand 256 : $few[rand @few] } 1 .. $n
    }' "$T"
bad=
for i in $(seq 0 300); do
	for opts in -0 ''; do
		# shellcheck disable=SC2086
		bpe-encode --exact $opts "$T/$i" 2>>"$T/err" |
		    bpe-decode $opts 2>>"$T/err" | cmp -s - "$T/$i" ||
		    bad="$bad $i$opts"
	done
done
is "$bad$(cat "$T/err")" '' \
    'encode --exact | decode is the identity for lengths 0 to 300'
head -c 3000000 /dev/urandom >"$T/big"
bpe-encode --exact -0 "$T/big" | bpe-decode -0 | cmp -s - "$T/big"
is $? 0 'and on 3 MB of random bytes'
mkfifo "$T/fifo"
bpe-encode <"$T/fifo" | bpe-decode >"$T/fifo.out" &
exec 9>"$T/fifo"
printf 'a\nb' >&9
for _ in $(seq 100); do # until the line is there, or 10 s
	[ -s "$T/fifo.out" ] && break
	sleep 0.1
done
is "$(cat "$T/fifo.out")" a 'a line comes out before the next one is there'
exec 9>&-
wait
is "$(cat "$T/fifo.out")" "$(printf 'a\nb')" 'then the rest'

err() { # COMMAND...: stderr and status
	"$@" 2>&1 >/dev/null </dev/null
	echo "status $?"
}
is "$(err bpe-decode)" "$(printf '%s\n' \
    'bpe-decode: stdin: empty: not a token stream' 'status 1')" 'no stream'
is "$(err bpe-decode "$T/text")" "$(printf '%s\n' \
    "bpe-decode: $T/text: not a token stream (text? run bpe-encode first)" \
    'status 1')" 'text'
head -c 200 "$T/stream" >"$T/short"
is "$(err bpe-decode "$T/short" | sed 's/ends early.*/ends early/')" \
    "$(printf '%s\n' "bpe-decode: $T/short: ends early" 'status 1')" \
    'a stream that was cut'
done_testing
