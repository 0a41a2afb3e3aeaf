#!/bin/bash
# gpt2-embed --cache: the same stream with a memo, without one, after a kill,
# and with every kind of damage to it.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny
E=gpt2-embed

printf '%s\n' 'the good film' '' 'a bad one' 'the good film' 'in the end' |
	bpe-encode >"$T/tok"
$E -o "$T/want" "$T/tok"
M=$T/memo
embed() { $E --cache "$M" "$@"; }
said() { sed "s,$T,T,g" "$T/err"; }
records() { stream-cat -i "$M" 2>&1 | grep '^records' | tr -dc 0-9; }

# ---- the same bytes ----
embed -v "$T/tok" >"$T/out" 2>"$T/err"
is "$(sum <"$T/out")" "$(sum <"$T/want")" 'an empty cache changes nothing'
is "$(said | tail -n 1)" "$E: T/memo: 0 records were known, 4 are now" \
    'equal records are kept once'
was=$(sum <"$M")
embed -v "$T/tok" >"$T/out" 2>"$T/err"
is "$(sum <"$T/out")" "$(sum <"$T/want")" 'a full one neither'
is "$(said | tail -n 1)" "$E: T/memo: 5 records were known, 4 are now" \
    'nothing is computed'
is "$(sum <"$M")" "$was" 'nor appended'
printf '%s\n' 'a new one' 'in the end' | bpe-encode >"$T/edited"
embed -v "$T/edited" 2>"$T/err" >"$T/out"
is "$(sum <"$T/out")" "$($E "$T/edited" | sum)" 'an edited text'
is "$(said | tail -n 1)" "$E: T/memo: 1 records were known, 5 are now" \
    'costs only its new records'
is "$(records)" 5 'the cache is streams, one behind the other'
printf 'x\ty\n%080d\tz\n' 1 | bpe-encode -q --format tsv --suffix ' end' \
    >"$T/parts"
is "$(embed "$T/parts" | sum)" "$($E "$T/parts" | sum)" \
    'labels, parts and another preparation'
is "$(embed "$T/parts" | sum)" "$($E "$T/parts" | sum)" 'once more'
rm "$M"
for options in '--dtype f16' '-b 0 --pool last' '--cut 2 -j 1'; do
	# shellcheck disable=SC2086
	is "$(rm -f "$M"; embed $options "$T/tok" | sum
	embed $options "$T/tok" | sum)" "$(for i in 1 2; do
		$E $options "$T/tok" | sum
	done)" "the same bytes: $options"
done
rm "$M"
cp "$T/want" "$M"
is "$(embed "$T/tok" | sum)" "$(sum <"$T/want")" 'any stream can be a cache'

# ---- cut at every byte ----
rm "$M"
embed -o "$T/out" "$T/tok"
cp "$M" "$T/whole"
size=$(wc -c <"$M")
bad=''
for ((i = 0; i < size; i += 7)); do
	head -c $i "$T/whole" >"$M"
	embed "$T/tok" >"$T/out" 2>"$T/err" || bad+=" status:$i"
	cmp -s "$T/out" "$T/want" || bad+=" output:$i"
	[ "$(wc -c <"$T/err")" = 0 ] || said |
	    grep -q "^$E: T/memo: dropped [0-9]* bytes of an unfinished record$" ||
	    bad+=" message:$i"
done
is "$bad" '' "cut at every seventh of $size bytes: made whole again"
is "$(sum <"$M")" "$(sum <"$T/whole")" 'to the byte'

# ---- damage ----
bad=''
for ((i = 0; i < size - 64 - 700; i += 13)); do # the last record may go
	perl -0777 -pe "substr(\$_, $i, 1) ^= chr(1 << $i % 8)" "$T/whole" >"$M"
	was=$(sum <"$M")
	embed "$T/tok" >"$T/out" 2>"$T/err" && bad+=" status:$i"
	[ "$(wc -l <"$T/err")" = 1 ] || bad+=" message:$i"
	[ "$(sum <"$M")" = "$was" ] || bad+=" changed:$i"
done
is "$bad" '' 'a flipped bit before the last record: refused and kept'
perl -0777 -pe 'substr($_, -1000, 1) ^= "\1"' "$T/whole" >"$M"
fails 1 "$E: T/memo: record 3: damaged (checksum)" 'with the record' \
    embed "$T/tok"
head -c $((size - 300)) "$T/whole" >"$M"
head -c 5000 /dev/zero >>"$M"
fails 0 "$E: T/memo: dropped 5172 bytes of an unfinished record" \
    'zeros that a power cut left' embed "$T/tok"
(cat "$T/whole"; echo x) >"$M"
fails 1 "$E: T/memo: not a hidden-state stream" 'garbage at the end' \
    embed "$T/tok"

# ---- other files ----
cp "$T/whole" "$M"
refused() { # MESSAGE OPTION...
	local message=$1 was
	shift
	was=$(sum <"$M")
	fails 1 "$E: T/memo: $message" "$message" embed "$@" "$T/tok"
	is "$(sum <"$M")" "$was" 'kept'
}
refused 'other cut (0, want 1)' --cut 1
refused 'other dtype (f32, want f16)' --dtype f16
cp -r tests/tiny "$T/other"
perl -0777 -pi -e 'substr($_, -4, 4) = pack "f<", 0.5' \
    "$T/other/model.safetensors"
bpe-encode -m "$T/other" </dev/null >"$T/othertok"
$E --cut 2 -m "$T/other" --cache "$T/memo2" "$T/othertok" >"$T/out"
bpe-encode -m examples/mini </dev/null | $E -m examples/mini -o "$M"
refused 'made with another vocabulary (8192 tokens, want 300)'
cp "$T/tok" "$M"
refused 'token stream, want hidden-state stream'
echo text >"$M"
refused 'not a hidden-state stream'
fails 1 "$E: T: Is a directory" 'a directory' $E --cache "$T" "$T/tok"
fails 1 "$E: /dev/null: not a regular file" 'a device' \
    $E --cache /dev/null "$T/tok"
fails 1 "$E: T/no/memo: No such file or directory" 'no directory' \
    $E --cache "$T/no/memo" "$T/tok"
cp "$T/whole" "$M"
fails 1 "$E: T/memo: output and cache are the same file" 'also the output' \
    embed -o "$M" "$T/tok"
fails 1 "$E: T/memo: in use by another process" 'two at once' \
    bash -c "exec 9>>'$M'; flock 9; exec $E --cache '$M' '$T/tok'"

# ---- killed ----
for ((i = 0; i < 400; i++)); do echo "a film in $i and on"; done |
	bpe-encode >"$T/many"
$E -o "$T/want" "$T/many"
rm "$M"
mkfifo "$T/fifo"
for signal in INT KILL TERM; do
	exec {keep}<>"$T/fifo"
	env --default-signal $E --cache "$M" <"$T/fifo" >"$T/out" 2>"$T/err" &
	head -c 20000 "$T/many" >&"$keep"
	for ((i = 0; i < 100; i++)); do
		[ "$(wc -c 2>/dev/null <"$M" || echo 0)" -gt 30000 ] && break
		sleep 0.02
	done
	kill -$signal $!
	wait $! 2>/dev/null
	exec {keep}>&-
done
known=$(embed -v "$T/many" 2>&1 >"$T/out" | sed -n 's/.*memo: \([0-9]*\) .*/\1/p')
is "$(sum <"$T/out")" "$(sum <"$T/want")" 'after kills: the same bytes'
is "$((known > 30 && known < 400))" 1 "and $known records were known"
if strace -o /dev/null true 2>/dev/null; then
	rm "$M"
	fails 1 "$E: T/memo: No space left on device" 'a full disk' \
	    inject -P "$M" -e trace=write -e inject=write:error=ENOSPC:when=2+ \
	    $E --cache "$M" "$T/many"
	is "$(embed "$T/many" | sum)" "$(sum <"$T/want")" 'does no harm'
	rm "$M"
	fails 1 "$E: T/memo: Input/output error" 'a failing disk' \
	    inject -e trace=fdatasync -e inject=fdatasync:error=EIO \
	    $E --cache "$M" "$T/many"
else
	skip 'system calls that fail' 'no strace'
fi
done_testing
