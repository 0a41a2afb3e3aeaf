#!/bin/bash
# What the surroundings do to gpt2-embed, head-train, head-predict and
# head-test: closed and full outputs, signals, files that cannot be written,
# odd names, and wrong use. The exact message and status, the old file kept,
# nothing left behind.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny
E=gpt2-embed R=head-train P=head-predict X=head-test

printf 'the film\t1\nbad\t0\nin\t1\nbed\t0\n' >"$T/rows.tsv"
bpe-encode -o "$T/tok" "$T/rows.tsv"
$E -o "$T/hid" "$T/tok"
$R -q --epochs 1 -o "$T/head" "$T/hid"
export GPT2_HEAD=$T/head
# The length of the header depends on where this directory is.
cut=$(($(wc -c <"$T/hid") - 300))
head -c $cut "$T/hid" >"$T/cut"
head -c 500 "$T/tok" >"$T/cuttok"
for ((i = 0; i < 12; i++)); do cat "$T/rows.tsv" "$T/rows.tsv"; done |
	bpe-encode --format tsv >"$T/more"
for ((i = 0; i < 200; i++)); do cat "$T/more"; done >"$T/many"
$E -o "$T/manyhid" "$T/many"

# The names and sums of all files beside the tests' own.
mkdir "$T/d"
state() {
	(cd "$T/d" && ls -A && find . -type f -exec sha256sum {} +) | sum
}

# ---- descriptors ----
fails 1 "$E: stdin: Bad file descriptor" 'stdin closed' $E <&-
fails 1 "$P: stdin: Bad file descriptor" 'stdin closed' $P <&-
fails 1 "$X: stdin: Bad file descriptor" 'stdin closed' $X <&-
fails 1 "$R: stdin: Bad file descriptor" 'stdin closed' $R -o "$T/d/x" <&-
for prog in "$E $T/tok" "$P $T/hid" "$X $T/hid" "$P --help" "$X --version"; do
	is "$($prog 2>&1 >&-; echo $?)" \
	    "${prog%% *}: stdout: Bad file descriptor
1" "stdout closed: ${prog%% *}"
	is "$($prog 2>&1 >/dev/full; echo $?)" \
	    "${prog%% *}: stdout: No space left on device
1" "stdout full: ${prog%% *}"
	is "$($prog 2>&- | sum)" "$($prog 2>/dev/null | sum)" \
	    "stderr closed: ${prog%% *}"
done
for prog in $E $R $P $X; do
	for option in --help --version -vV; do
		is "$($prog $option 2>&1 >/dev/full; echo $?)" \
		    "$prog: stdout: No space left on device
1" "stdout full: $prog $option"
		is "$($prog $option 2>&1 >/dev/null; echo $?)" 0 \
		    "$prog $option"
	done
	is "$($prog -V | grep -c "^$prog (gpt2-filters) [0-9.]*\$")" 1 "$prog -V"
	is "$($prog -vV | sed '1d; s/: .*//' | tr '\n' ' ')" \
	    'kernels libraries ' "$prog -vV"
done
(exec 1>&- 2>&- <&-; $R --epochs 1 -o "$T/d/x" "$T/hid")
is "$? $(sum <"$T/d/x")" "0 $($R -q --epochs 1 -o "$T/y" "$T/hid"; sum <"$T/y")" \
    'head-train with no descriptor at all'
was=$(state)
$E -o "$T/d/x" "$T/cuttok" 2>&-
is "$? $(state)" "1 $was" 'no message gets into a file'
rm "$T/d/x"
($E "$T/many"; echo $? >"$T/rc") | head -c 1 >/dev/null
is "$(cat "$T/rc")" 141 'a reader that goes away: killed quietly'
(trap '' PIPE; $P "$T/manyhid" 2>"$T/err"; echo $? >"$T/rc") | :
is "$(cat "$T/rc" "$T/err")" "1
$P: stdout: Broken pipe" 'or, where SIGPIPE is ignored, a message'
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
	tty() { # MESSAGE NAME COMMAND
		is "$(script -qec "$3; echo \$?" /dev/null </dev/null |
			tr -d '\r')" "$1
1" "$2"
	}
	tty "$E: stdout: is a terminal; not writing binary data" \
	    'no binary data to a terminal' "$E $T/tok"
	tty "$E: stdin: is a terminal; want binary data" 'nor from one' \
	    "$E >/dev/null"
	tty "$P: stdin: is a terminal; want binary data" 'nor from one' "$P"
	tty "$R: /dev/tty: is a terminal; not writing binary data" \
	    'a head neither' "$R -o /dev/tty $T/hid"
	is "$(script -qec "$P $T/hid" /dev/null </dev/null | tr -d '\r')" \
	    "$($P "$T/hid")" 'but labels'
else
	skip 'terminals' 'no script(1)'
fi

# ---- the old file is kept ----
echo old >"$T/d/old"
ln -s old "$T/d/link"
was=$(state)
keep() { # MESSAGE NAME COMMAND...
	fails 1 "$@"
	is "$(state)" "$was" 'the old file is kept, and no other is left'
}
keep "$E: T/cuttok: ends early after record 2 (byte 500)" 'a cut stream' \
    $E -o "$T/d/old" "$T/cuttok"
for prog in $R $P $X; do
	keep "$prog: T/cut: ends early after record 2 (byte $cut)" \
	    "$prog: a cut stream" $prog -q -o "$T/d/old" "$T/cut"
	keep "$prog: T/no: No such file or directory" "$prog: no input" \
	    $prog -o "$T/d/old" "$T/no"
	keep "$prog: T: Is a directory" "$prog: a directory" \
	    $prog -o "$T/d/link" "$T"
done
for prog in $E $R $P $X; do
	keep "$prog: T/d/no/x: No such file or directory" \
	    "$prog: -o in no directory" $prog -o "$T/d/no/x" "$T/no"
	keep "$prog: T/d: Is a directory" "$prog: -o is a directory" \
	    $prog -o "$T/d" "$T/no"
	(
		ulimit -f 0
		case $prog in
		"$E") exec $prog -o "$T/d/old" "$T/tok" ;;
		"$R") exec $prog -q --epochs 1 -o "$T/d/old" "$T/hid" ;;
		*) exec $prog -o "$T/d/old" "$T/hid" ;;
		esac
	) 2>&1 | sed "s,$T,T,g" >"$T.err"
	is "$(cat "$T.err")" "$prog: T/d/old: File too large" \
	    "$prog: a limit of file size"
	is "$(state)" "$was" 'the old file is kept'
done
rm "$T.err"
mkdir "$T/disk"
if mount -t tmpfs -o size=16k none "$T/disk" 2>/dev/null; then
	echo old >"$T/disk/old"
	fails 1 "$E: T/disk/old: No space left on device" 'a full disk' \
	    $E -o "$T/disk/old" "$T/many"
	fails 1 "$R: T/disk/old: No space left on device" 'a full disk' \
	    $R -q --epochs 1 -o "$T/disk/old" "$T/hid"
	is "$(ls -A "$T/disk") $(cat "$T/disk/old")" 'old old' 'keeps the old file'
	# shellcheck disable=SC2002
	is "$(cat "$T/manyhid" | TMPDIR=$T/disk $R -o "$T/x" 2>&1)" \
	    "$R: stdin: spool in \$TMPDIR: No space left on device" \
	    'no room for the spool'
	umount "$T/disk"
else
	skip 'a full disk' 'may not mount'
fi
$P -o "$T/d/link" "$T/hid"
is "$(cat "$T/d/old") $(readlink "$T/d/link")" "$($P "$T/hid") old" \
    'the file behind a link is replaced'
ln -s nowhere "$T/d/dangling"
fails 1 "$P: T/d/dangling: is a link to a missing file" 'a link to nothing' \
    $P -o "$T/d/dangling" "$T/hid"
rm "$T/d/dangling"
mkfifo "$T/fifo"
cat "$T/fifo" >"$T/out" &
$P -o "$T/fifo" "$T/hid"
wait $!
is "$(cat "$T/out")" "$($P "$T/hid")" '-o a FIFO'
is "$($P -o /dev/stdout "$T/hid")" "$($P "$T/hid")" '-o /dev/stdout'
fails 0 '' '-o /dev/null' $P -o /dev/null "$T/hid"
is "$([ -p "$T/fifo" ] && [ -c /dev/null ] && echo same)" same \
    'they stay what they are'

# ---- signals, and several writers ----
was=$(state)
waiting() { # SIGNAL: gpt2-embed, writing d/old and waiting for more, gets it
	# Jobs in the background ignore SIGINT unless it is set again.
	perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' $E -o "$T/d/old" \
	    <"$T/fifo" 2>"$T/err" &
	pid=$!
	exec {feed}>"$T/fifo"
	head -c 600 "$T/tok" >&$feed
	for ((i = 0; i < 500; i++)); do
		grep -q "FLOCK.* $pid " /proc/locks && break
		sleep 0.01
	done
	fails 1 "$P: T/d/old: in use by another process" 'a second writer' \
	    $P -o "$T/d/old" "$T/hid"
	kill "-$1" $pid
	wait $pid 2>/dev/null
	rc=$?
	exec {feed}>&-
}
for sig in TERM:143 INT:130 HUP:129; do
	waiting ${sig%:*}
	is "$rc" "${sig#*:}" "SIG${sig%:*}"
	is "$(state)" "$was" 'the old file is kept, and no other is left'
done
waiting KILL
is "$(ls -A "$T/d")" ".old.tmp
link
old" 'kill -9 leaves a temporary file'
fails 0 '' 'the next run' $P -o "$T/d/old" "$T/hid"
is "$(state)" "$was" 'replaces it'
for ((i = 0; i < 40; i++)); do cat "$T/hid"; done >"$T/mapped"
$R -o "$T/x" --epochs 10000 --lr 1e-9 "$T/mapped" 2>"$T/err" &
for ((i = 0; i < 3000; i++)); do
	grep -q 'epoch 1:' "$T/err" && break
	sleep 0.01
done
truncate -s 0 "$T/mapped"
wait $!
is "$? $(tail -n 1 "$T/err")" "1 $R: a file was cut short while in use" \
    'a file cut short while it is mapped'
is "$(find "$T" -name '*.tmp' | wc -l)" 0 'no temporary file is left'

# ---- system calls that fail ----
if strace -o /dev/null true 2>/dev/null; then
	broken() { # CALL ERROR MESSAGE
		is "$(inject -e trace="$1" \
		    -e inject="$1:error=$2:when=1" $P -o "$T/d/old" "$T/hid" 2>&1 |
			sed "s,$T,T,g")" "$P: T/d/old: $3" "$1 fails"
		is "$(state)" "$was" 'the old file is kept'
	}
	broken fsync EIO 'Input/output error'
	broken write EDQUOT 'Disk quota exceeded'
	broken renameat EACCES 'Permission denied'
	broken flock ENOLCK 'No locks available'
	is "$(inject -e trace=write \
	    -e inject=write:error=EINTR:when=1..5 $P "$T/hid")" \
	    "$($P "$T/hid")" 'interrupted writes go on'
	is "$(inject -P "$T/hid" -e trace=read \
	    -e inject=read:error=EINTR:when=1..3 $P "$T/hid")" \
	    "$($P "$T/hid")" 'interrupted reads too'
	is "$(inject -P "$T/hid" -e trace=read \
	    -e inject=read:error=EIO:when=2 $P "$T/hid" 2>&1)" \
	    "$($P "$T/hid")
$P: $T/hid: Input/output error" 'a read error, after all good records'
else
	skip 'system calls that fail' 'no strace'
fi

# ---- names ----
cp "$T/cut" "$T/a
b"
fails 1 "$P: T/a\\x0ab: ends early after record 2 (byte $cut)" 'a newline' \
    $P "$T/a
b"
fails 1 "$P: T/\\x1b[1m: No such file or directory" 'an escape' \
    $P "$T/$(printf '\033')[1m"
cp "$T/hid" "$T/d/-hid"
is "$(cd "$T/d" && GPT2_MODEL='' $P -- -hid)" "$($P "$T/hid")" 'a leading dash'
fails 1 "$P: -hid: No such file or directory" 'one that is missing' $P -- -hid
long=$(printf %0255d 0)
cp "$T/hid" "$T/d/$long"
is "$($P "$T/d/$long")" "$($P "$T/hid")" '255 bytes'
fails 1 "$P: T/d/$long: File name too long" 'too long for -o' \
    $P -o "$T/d/$long" "$T/hid"

# ---- wrong use ----
while IFS='|' read -r prog args message; do
	read -r -a list <<<"$args"
	fails 2 "$prog: $message" "$prog $args" "$prog" "${list[@]}" "$T/none"
done <<'END'
gpt2-embed|-j 0|-j: want 1..1024
gpt2-embed|-j -1|-j: want 1..1024
gpt2-embed|-j 99999999999|-j: want 1..1024
gpt2-embed|-j 1x|-j: want 1..1024
gpt2-embed|-b 1001|-b: want 0..1000
gpt2-embed|-b 3|-b: the model has 2 blocks
gpt2-embed|--cut 3|--cut: the model has 2 blocks
gpt2-embed|--cut x|--cut: want 0..1000
gpt2-embed|-b 1 --cut 1|-b and --cut exclude each other
gpt2-embed|--pool last -b 1|--pool last: only where no block is left above the cut (-b 0)
gpt2-embed|--pool mean|--pool: want none or last
gpt2-embed|--dtype f64|--dtype: want f32 or f16
gpt2-embed|--progress x|--progress: want auto, on or off
head-train||-o: want a file for the head
head-train|-j 1025 -o x|-j: want 1..1024
head-train|-o x --epochs 0|--epochs: want 1..10000
head-train|-o x --batch 65537|--batch: want 1..65536
head-train|-o x --dropout 1|--dropout: want a number from 0 to 0.9
head-train|-o x --dropout nan|--dropout: want a number from 0 to 0.9
head-train|-o x --lr 0|--lr: want a number from 1e-09 to 1
head-train|-o x --lr 1e-4x|--lr: want a number from 1e-09 to 1
head-train|-o x --weight-decay 2|--weight-decay: want a number from 0 to 1
head-train|-o x --seed -1|--seed: want 0..9223372036854775807
head-train|-o x --keep all|--keep: want last or best
head-train|-o x --keep best|--keep best: want --dev
head-train|-o x --pool max|--pool: want last or mean
head-predict|-j 0|-j: want 1..1024
head-predict|--top 0|--top: want 1..65535
head-predict|--format xml|--format: want tsv, jsonl or fasttext
head-predict|--min-prob 2|--min-prob: want a number from 0 to 1
head-predict|--min-prob 0.5|--min-prob and --otherwise go together
head-predict|--otherwise x|--min-prob and --otherwise go together
head-test|-j 0|-j: want 1..1024
head-test|--format xml|--format: want text, tsv or jsonl
head-test|--min-accuracy 1.5|--min-accuracy: want a number from 0 to 1
END
fails 2 "$E: -j: want 1..1024" 'an empty number' $E -j ''
for prog in $E $R $P $X; do
	$prog --no-such "$T/hid" >"$T/stdout" 2>"$T/stderr"
	is "$? $(sed -n 1p "$T/stderr")" \
	    "2 $prog: unrecognized option '--no-such'" "$prog: no such option"
	is "$(sed 1d "$T/stderr")" "$($prog -h | sed '/^$/,$d')" 'and how it is used'
	$prog -j >"$T/stdout" 2>"$T/stderr"
	is "$? $(sed -n 1p "$T/stderr")" \
	    "2 $prog: option requires an argument -- 'j'" "$prog: no argument"
done
is "$(ls x 2>&1)" "ls: cannot access 'x': No such file or directory" \
    'and nothing was written'
done_testing
