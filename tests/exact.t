#!/bin/bash
# shellcheck disable=SC2016 # perl's variables
# The very tokens of the reference, on texts of every kind; and the characters
# whose class depends on the version of Unicode. $STRINGS random ones of a kind
# (400), and $LINES of each corpus (2000).
. "$(dirname "$0")/lib.sh"
torch=../shared/reference/gpt2_torch.py
gpt2=../shared/models/gpt2-tokenizer

# Perl has tables of its own: where they differ, one of the two versions does
# not know the character yet.
"$UNITS/classes" 1 >"$T/classes"
perl -CS -e '
	use Unicode::UCD "charprop";
	open my $f, "<", shift;
	chomp(my $version = <$f>);
	my $ours = <$f>;
	for my $c (0 .. 0x10ffff) {
		next if $c >= 0xd800 && $c < 0xe000;
		my $s = chr $c;
		my $class = $s =~ /\p{L}/ ? "L" : $s =~ /\p{N}/ ? "N" :
		    $s =~ /\p{White_Space}/ ? "s" : "o";
		my $o = substr $ours, $c, 1;
		next if $o eq $class;
		my $age = charprop($c, "Age") =~ s/^V//r =~ tr/_/./r;
		my $later = $age ne "Unassigned" && $age > $version;
		$s =~ /\p{Cn}/ || $later ? push @new, $c : push @bad, $c;
	}
	sub ranges {
		my @r;
		for (@_) {
			if (@r && $r[-1][1] == $_ - 1) { $r[-1][1] = $_ }
			else { push @r, [$_, $_] }
		}
		join " ", map { sprintf $_->[0] == $_->[1] ? "%X" : "%X-%X", @$_ } @r;
	}
	printf "# Unicode %s (perl), %s (utf8proc) differ in: %s\n",
	    Unicode::UCD::UnicodeVersion(), $version, ranges(@new) || "nothing";
	print ranges(@bad), "\n";' "$T/classes" >"$T/out"
grep '^#' "$T/out" | fold -s -w 76 | sed 's/^#* */# /'
is "$(grep -v '^#' "$T/out")" '' \
    'classes differ only where a version of Unicode lacks the character'
is "$(sed 1d "$T/classes" | wc -c)" 1114112 'all of them'

if [ ! -f $torch ] || ! /usr/bin/python3 -c 'import torch, regex' 2>/dev/null; then
	skip 'the tokens of the reference' 'no ../shared or no PyTorch'
	done_testing
	exit
fi

# Strings of a kind, with NUL between them, to $T/in; and their ids.
cat >"$T/ref.py" <<'END'
import json, os, random, subprocess, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
from gpt2_torch import Tokenizer
gpt2, kind, n, version = sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
tok, rnd = Tokenizer(gpt2), random.Random(7)
classes = open(version).read().split("\n")[1]
import regex
def same(c):  # a character of which both versions think alike
    s = chr(c)
    k = "L" if regex.match(r"\p{L}", s) else "N" if regex.match(r"\p{N}", s) \
        else "s" if regex.match(r"\s", s) else "o"
    return not 0xd800 <= c < 0xe000 and classes[c] == k
mix = ["'", "'s", "'re", "'ll", "'LL", "a", "Z", "é", "ß", "ſ", "7", "٣", "½",
    "²", "Ⅷ", "〇", "\u0085", "\u00a0", "\u3000", "\u2028", "\u180e", "\u200b",
    "\ufeff", " ", "  ", "\t", "\r", "\n", "\x0b", "\x1c", "\x1f", "\u0301", "\u20e3",
    "-", "_", "!", "…", "中", "ก", "\U0001f600", "\U0001d7d8", "\U000e0001",
    "\u0300", "\ud7ff", "\ue000", "\U0010ffff", "\udc80", "\udcff", "\udce2"]
def string():
    if kind == "bytes":
        return bytes(rnd.randrange(1, 256) for _ in range(rnd.randrange(300)))
    if kind == "unicode":
        out = []
        while len(out) < 40:
            c = rnd.choice([rnd.randrange(1, 0x110000), rnd.randrange(1, 0x3000),
                rnd.randrange(1, 0x250)])
            if same(c): out.append(chr(c))
        return "".join(out).encode()
    return "".join(rnd.choice(mix) for _ in range(rnd.randrange(60))).encode(
        "utf-8", "surrogateescape")
if kind in ("bytes", "unicode", "mix"):
    strings = [string() for _ in range(n)]
else:
    strings = [l for l in open(kind, "rb").read().split(b"\n")[:n] if b"\0" not in l]
run = lambda argv, data: subprocess.run(argv, input=data, stdout=subprocess.PIPE,
    check=True).stdout
data = b"".join(s + b"\0" for s in strings)
stream = run(["bpe-encode", "-0", "--exact", "-m", gpt2], data)
ours = [json.loads(l).get("tokens", []) for l in
    run(["stream-cat", "--to", "jsonl"], stream).splitlines()]
theirs = [tok.encode(s.decode("utf-8", "surrogateescape")) for s in strings]
bad = [s for s, a, b in zip(strings, ours, theirs) if a != b]
back = run(["bpe-decode", "-0", "-m", gpt2], stream) == data
print(len(ours) == len(strings) and not bad and back,
    "".join(repr(s) for s in bad[:3]))
END
for kind in bytes unicode mix; do
	is "$(/usr/bin/python3 "$T/ref.py" $torch $gpt2 $kind "${STRINGS:-400}" \
	    "$T/classes")" 'True ' "random $kind, and back"
done
for file in ../shared/data/corpus/*.txt; do
	is "$(/usr/bin/python3 "$T/ref.py" $torch $gpt2 "$file" \
	    "${LINES:-2000}" "$T/classes")" 'True ' "${file##*/}, and back"
done
# Every length from 0 to 300, and 10 MB.
perl -e 'srand 9; for my $n (0 .. 300) {
	print map({ chr 1 + int rand 255 } 1 .. $n), "\0" }' >"$T/lengths"
perl -e 'srand 4; for (1 .. 10) {
	print map({ chr int rand 256 } 1 .. 1000000) }' >"$T/large"
for file in lengths large; do
	is "$(bpe-encode --exact -0 "$T/$file" | bpe-decode -0 | sum)" \
	    "$(sum <"$T/$file")" "random bytes and back: $file"
done
done_testing
