#!/bin/bash
# Streams between the programs: what is damaged, cut short, out of order or of
# another make is refused, after all good records have gone out.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny
E=gpt2-embed P=head-predict

printf '%s\n' 'the good film' '' 'a bad one' 'in the end' 'and on and on' |
	bpe-encode >"$T/tok"
$E -o "$T/hid" "$T/tok"
printf 'good\t1\nbad\t0\n' | bpe-encode --format tsv | $E |
	head-train -q --epochs 1 -o "$T/head"
export GPT2_HEAD=$T/head
$P "$T/hid" >"$T/labels"
is "$(wc -l <"$T/labels")" 5 'five labels'

# ---- no stream at all ----
fails 1 "$E: stdin: empty: not a token stream" 'nothing' $E </dev/null
fails 1 "$P: stdin: empty: not a hidden-state stream" 'nothing' $P </dev/null
fails 1 "$E: stdin: not a token stream (text? run bpe-encode first)" 'text' \
    $E < <(echo 'a text')
fails 1 "$P: stdin: not a hidden-state stream (text? run bpe-encode first)" \
    'text' $P < <(echo 'a text')
fails 1 "$E: T/hid: hidden-state stream, want token stream" 'hidden states' \
    $E "$T/hid"
fails 1 "$P: T/tok: token stream, want hidden-state stream (run gpt2-embed \
first)" 'tokens' $P "$T/tok"
fails 1 "head-train: T/tok: token stream, want hidden-state stream (run \
gpt2-embed first)" 'tokens' head-train -o "$T/x" "$T/tok"
perl -pe 's/\r\n/\n/' <"$T/tok" >"$T/text"
fails 1 "$E: T/text: damaged by text conversion" 'CR LF made LF' $E "$T/text"
perl -pe 's/\n/\r\n/' <"$T/tok" >"$T/text"
fails 1 "$E: T/text: damaged by text conversion" 'LF made CR LF' $E "$T/text"
perl -pe 's/([\x80-\xff])/chr(ord($1) & 127)/ge' <"$T/tok" >"$T/text"
fails 1 "$E: T/text: damaged by text conversion" 'seven bits' $E "$T/text"
perl -C2 -pe 1 <"$T/tok" >"$T/text"
fails 1 "$E: T/text: damaged by text conversion" 'made UTF-8' $E "$T/text"
wrong=
for i in 0 1 2 3 4 5 6 7; do
	perl -0777 -pe "substr(\$_, $i, 1) = 'x'" "$T/tok" >"$T/bad"
	$E "$T/bad" 2>&1 >/dev/null | grep -q 'not a token stream' || wrong+=" $i"
done
is "$wrong" '' 'each byte of the magic'

# ---- damage ----
# For a stream cut or flipped: status 1, one line on stderr, and what came
# before the damage, as far as it goes, from the undamaged output.
noticed() { # PROGRAM FILE WHOLE-OUTPUT
	"$1" "$2" >"$T/out" 2>"$T/err"
	[ $? = 1 ] && [ "$(wc -l <"$T/err")" = 1 ] &&
		cmp -s -n "$(wc -c <"$T/out")" "$T/out" "$3"
}
sweep() { # PROGRAM INPUT WHOLE-OUTPUT STEP
	local size missed='' i
	size=$(wc -c <"$2")
	for ((i = 1; i < size; i += $4)); do
		head -c $i "$2" >"$T/bad"
		noticed "$1" "$T/bad" "$3" || missed+=" cut:$i"
		perl -0777 -pe "substr(\$_, $i, 1) ^= chr(1 << $i % 8)" \
		    "$2" >"$T/bad"
		noticed "$1" "$T/bad" "$3" || missed+=" flip:$i"
	done
	is "$missed" '' "$1: cuts and flipped bits are noticed"
}
sweep $E "$T/tok" "$T/hid" 29
sweep $P "$T/hid" "$T/labels" 97
sweep head-test "$T/hid" /dev/null 311

blocks() { # FILE PERL: its blocks, magic first, are @b
	perl -e 'local $/; open my $f, "<:raw", shift or die;
		$_ = <$f>;
		my @b = substr $_, 0, 8;
		for (my $i = 8; $i < length; $i += length $b[-1]) {
			my $len = unpack "V", substr $_, $i + 4, 4;
			push @b, substr $_, $i, 32 + ($len + 7 & ~7);
		}
		eval shift;
		print join "", @b' "$1" "$2"
}
moved() { # PERL RECORDS MESSAGE NAME: blocks 0 magic, 1 header, 2-6 records
	blocks "$T/hid" "$1" >"$T/bad"
	fails 1 "$P: T/bad: $3" "$4" $P "$T/bad"
	is "$(cat "$T/stdout")" "$(head -n "$2" "$T/labels")" "$2 records out"
}
moved 'splice @b, 3, 1' 1 'record 2: block out of order' 'a block dropped'
moved 'splice @b, 3, 0, $b[3]' 2 'record 3: block out of order' 'one twice'
moved '@b[3, 4] = @b[4, 3]' 1 'record 2: block out of order' 'two swapped'
moved 'pop @b' 5 "ends early after record 5 (byte $(($(wc -c <"$T/hid") - 64)))" \
    'no end mark'
moved 'splice @b, 6, 1' 4 'record 5: block out of order' 'the last dropped'
moved 'splice @b, 1, 1' 0 'header: block out of order' 'no header'
moved 'push @b, "garbage"' 5 \
    "trailing garbage at byte $(wc -c <"$T/hid")" 'bytes after the end mark'
$E --dtype f16 "$T/tok" >"$T/half"
blocks "$T/half" 'print $b[3]; exit' >"$T/block"
moved 'open my $g, "<:raw", "'"$T"'/block"; $b[3] = <$g>' 1 \
    'record 2: damaged (checksum)' 'a block of another stream'
perl -0777 -pe 'substr($_, 12, 4) = reverse substr($_, 12, 4)' "$T/hid" \
    >"$T/bad"
fails 1 "$P: T/bad: header: damaged (checksum)" 'a length byte-swapped' \
    $P "$T/bad"

# ---- several streams ----
cat "$T/labels" "$T/labels" >"$T/twice"
cat "$T/hid" "$T/hid" >"$T/both"
is "$($P "$T/both")" "$(cat "$T/twice")" 'cat of two streams is both'
is "$($P "$T/hid" "$T/hid")" "$(cat "$T/twice")" 'so are two operands'
is "$($P - "$T/hid" <"$T/hid")" "$(cat "$T/twice")" 'and stdin as one of them'
is "$(cat "$T/tok" "$T/tok" | $E | sum)" "$($E "$T/tok" "$T/tok" | sum)" \
    'gpt2-embed alike'
second() { # FILE MESSAGE NAME
	cat "$T/hid" "$1" >"$T/both"
	fails 1 "$P: T/both: stream 2: $2" "$3" $P "$T/both"
	is "$(cat "$T/stdout")" "$(cat "$T/labels")" 'the first is out'
	fails 1 "$P: T/second: $2" "$3, as a file" $P "$T/hid" "$1"
	is "$(cat "$T/stdout")" "$(cat "$T/labels")" 'the first is out'
}
GPT2_HEAD='' $E -b 1 "$T/tok" >"$T/second"
second "$T/second" 'other cut (1, want 0)' 'another cut'
cp "$T/half" "$T/second"
second "$T/second" 'other dtype (f16, want f32)' 'another dtype'
GPT2_HEAD='' bpe-encode --suffix ' it' </dev/null | GPT2_HEAD='' $E >"$T/second"
second "$T/second" \
    "other preparation (--suffix ' it', want '')" 'another preparation'
echo a | GPT2_HEAD='' bpe-encode -m examples/mini |
	GPT2_HEAD='' $E -m examples/mini >"$T/second"
second "$T/second" 'made with another vocabulary (8192 tokens, want 300)' \
    'another vocabulary'
cp -r tests/tiny "$T/tiny"
perl -0777 -pi -e 'substr($_, -30000, 1) ^= "\1"' "$T/tiny/model.safetensors"
bpe-encode </dev/null | GPT2_HEAD='' $E -m "$T/tiny" >"$T/second"
second "$T/second" 'other model (T/tiny, want tests/tiny)' 'another model'
cat "$T/hid" "$T/tok" >"$T/both"
fails 1 "$P: T/both: token stream, want hidden-state stream (run gpt2-embed \
first)" 'another kind' $P "$T/both"
fails 1 "$P: T/none: No such file or directory" 'a second that is missing' \
    $P "$T/hid" "$T/none"
is "$(cat "$T/stdout")" "$(cat "$T/labels")" 'the first is out'

# ---- slow pipes, and programs that die ----
slowly() { # one byte at a time
	perl -e '$| = 1; local $/ = \1; print while <STDIN>'
}
is "$(slowly <"$T/tok" | $E | sum)" "$(sum <"$T/hid")" \
    'gpt2-embed: a byte at a time'
is "$(slowly <"$T/hid" | $P)" "$(cat "$T/labels")" \
    'head-predict: a byte at a time'

coproc PIPE { bpe-encode | $E | $P; }
answers=
for line in 'the good film' 'a bad one' 'in the end'; do
	echo "$line" >&"${PIPE[1]}"
	read -r -t 20 answer <&"${PIPE[0]}"
	answers+="$answer
"
done
is "$answers" "$(sed -n '1p;3,4p' "$T/labels")
" 'a label for each line before the next is written'
eval "exec ${PIPE[1]}>&-"
wait "$PIPE_PID"
mkfifo "$T/open"
$P <"$T/open" >"$T/out" &
exec {keep}>"$T/open"
cat "$T/hid" >&$keep
for ((i = 0; i < 100; i++)); do
	[ "$(wc -l <"$T/out")" = 5 ] && break
	sleep 0.05
done
is "$(cat "$T/out")" "$(cat "$T/labels")" 'all labels before the pipe closes'
exec {keep}>&-
wait $!

# bpe-encode dies when three lines have gone through; nobody sets pipefail.
mkfifo "$T/lines" "$T/tokens"
for ((k = 0; k < 2; k++)); do
	: >"$T/out"
	bpe-encode <"$T/lines" >"$T/tokens" &
	encode=$!
	if [ $k = 0 ]; then
		($E <"$T/tokens" 2>"$T/err"; echo $? >"$T/rc") |
			$P >"$T/out" 2>/dev/null &
	else
		($E <"$T/tokens" 2>/dev/null |
			$P >"$T/out" 2>"$T/err"; echo $? >"$T/rc") &
	fi
	exec {keep}>"$T/lines"
	printf '%s\n' 'the good film' '' 'a bad one' >&$keep
	for ((i = 0; i < 400; i++)); do
		[ "$(wc -l <"$T/out")" = 3 ] && break
		sleep 0.02
	done
	kill -9 $encode
	exec {keep}>&-
	wait 2>/dev/null
	name=$([ $k = 0 ] && echo $E || echo $P)
	is "$(cat "$T/rc") $(sed 's/(byte.*/(byte)/' "$T/err")" \
	    "1 $name: stdin: ends early after record 3 (byte)" \
	    "bpe-encode is killed: $name notices"
	is "$(cat "$T/out")" "$(head -n 3 "$T/labels")" 'all good labels are out'
done
done_testing
