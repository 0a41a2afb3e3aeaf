#!/bin/bash
# bpe-encode --member: texts in archives of every packing, and what is wrong
# with archives.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=tests/tiny
E=bpe-encode
if ! command -v zip >/dev/null; then
	skip 'archives' 'no zip'
	done_testing
	exit
fi
mkdir -p "$T/d/SST-2" "$T/tmp"
printf 'sentence\tlabel\nthe film \t1\na bed \t0\n' >"$T/d/SST-2/train.tsv"
printf 'just\tlines\n' >"$T/d/SST-2/notes"
want=$($E "$T/d/SST-2/train.tsv" | sum)
train() { $E --member SST-2/train.tsv --text sentence --label label "$@"; }
export TMPDIR=$T/tmp
for pack in 'tar -cf -' 'tar --gzip -cf -' 'tar --xz -cf -' \
    'tar --zstd -cf -' 'zip -qr -'; do
	(cd "$T/d" && $pack SST-2) >"$T/archive"
	is "$(train "$T/archive" | sum)" "$want" "a member: $pack"
	is "$(cat "$T/archive" | train | sum)" "$want" "on a pipe: $pack"
done
(cd "$T/d" && tar -cf "$T/dots.tar" ./SST-2)
is "$(train "$T/dots.tar" | sum)" "$want" 'with ./ before its name'
is "$($E --member SST-2/notes "$T/archive" "$T/archive" | bpe-decode)" \
    "$(printf 'just\tlines\njust\tlines')" 'lines, of two archives'
is "$(find "$T/tmp" | wc -l)" 1 'nothing is left in $TMPDIR'

fails 1 "$E: T/archive: no train.tsv in archive" 'not its whole name' \
    $E --member train.tsv "$T/archive"
fails 1 "$E: T/d/SST-2/notes: not a tar or zip archive" 'no archive' \
    $E --member x "$T/d/SST-2/notes"
(cd "$T/d" && tar -cf "$T/twice.tar" SST-2 && tar -rf "$T/twice.tar" SST-2/notes)
fails 1 "$E: T/twice.tar: SST-2/notes is in the archive twice" 'twice' \
    $E --member SST-2/notes "$T/twice.tar"
ln -s train.tsv "$T/d/SST-2/link"
(cd "$T/d" && tar -cf "$T/link.tar" SST-2)
fails 1 "$E: T/link.tar: SST-2/link is a link, not a file" 'a link' \
    $E --member SST-2/link "$T/link.tar"
fails 1 "$E: T/link.tar: SST-2/ is a directory, not a file" 'a directory' \
    $E --member SST-2/ "$T/link.tar"
(cd "$T/d" && zip -qr -P x "$T/secret.zip" SST-2)
fails 1 "$E: T/secret.zip: SST-2/notes is encrypted" 'encrypted' \
    $E --member SST-2/notes "$T/secret.zip"
(cd "$T/d" && tar --gzip -cf - SST-2) >"$T/whole.tgz"
head -c -8 "$T/whole.tgz" >"$T/bad.tgz"
printf '12345678' >>"$T/bad.tgz"
fails 1 "$E: T/bad.tgz: gzip checksum wrong" 'a wrong checksum' \
    $E --member SST-2/notes -o "$T/o" "$T/bad.tgz"
head -c 150 "$T/whole.tgz" >"$T/bad.tgz"
$E --member SST-2/notes -o "$T/o" "$T/bad.tgz" 2>"$T/err"
is "$? $(wc -l <"$T/err")" '1 1' "cut short: $(sed "s,.*: ,," "$T/err")"
[ ! -e "$T/o" ]
is $? 0 'no output is left'
TMPDIR=$T/none fails 1 "$E: T/archive: T/none: No such file or directory" \
    'no $TMPDIR' $E --member SST-2/notes "$T/archive"
done_testing
