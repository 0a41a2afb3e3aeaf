#!/bin/bash
# One model in every form in which it may lie: the same hidden states, bit for
# bit; and what is no model, with its message.
. "$(dirname "$0")/lib.sh"

# Reads a safetensors file; writes it again as NAME: with a prefix, with blanks
# before the header so that the data lies at 3 mod 4, or as two shards.
rewrite() { # FROM DIRECTORY prefix|shift|shards
	perl -MJSON::PP -e '
		my ($from, $to, $how) = @ARGV;
		local $/;
		open my $f, "<:raw", $from or die;
		my $all = <$f>;
		my $len = unpack "Q<", $all;
		my $head = decode_json substr $all, 8, $len;
		delete $head->{__metadata__};
		my (@files, %map);
		my $i = 0;
		for my $name (sort keys %$head) {
			my ($b, $e) = @{$head->{$name}{data_offsets}};
			my $bytes = substr $all, 8 + $len + $b, $e - $b;
			my $k = $how eq "shards" ? $i++ % 2 : 0;
			my $file = $how eq "shards"
			    ? "model-0000" . ($k + 1) . "-of-00002.safetensors"
			    : "model.safetensors";
			my $new = $how eq "prefix" ? "transformer.$name" : $name;
			my $at = length($files[$k][1] // "");
			$files[$k][0] = $file;
			$files[$k][1] .= $bytes;
			$files[$k][2]{$new} = {%{$head->{$name}},
			    data_offsets => [$at, $at + length $bytes]};
			$map{$new} = $file;
		}
		my $total = 0;
		for (@files) {
			my ($file, $data, $h) = @$_;
			my $text = encode_json $h;
			$text = " $text" while $how eq "shift" &&
			    length($text) % 4 != 3;
			open my $g, ">:raw", "$to/$file" or die;
			print $g pack("Q<", length $text), $text, $data;
			$total += length $data;
		}
		if ($how eq "shards") {
			open my $g, ">", "$to/model.safetensors.index.json";
			print $g encode_json {weight_map => \%map,
			    metadata => {total_size => $total}};
		}' "$@"
}
embed() { # the model is always $T/model, whose name stands in the stream
	bpe-encode -m tests/tiny <"$T/text" |
		gpt2-embed -m "$T/model" -b 0 2>&1 | sha256sum
}

printf 'the movie\n\nand on in a bed\n' >"$T/text"
cp -r tests/tiny "$T/model"
want=$(embed)
is "$(bpe-encode -m tests/tiny <"$T/text" | gpt2-embed -m "$T/model" -b 0 |
	head -c 3 | tail -c 2)" G2 'a directory gives a stream'
for how in prefix shift shards; do
	rm "$T/model/"model*
	rewrite tests/tiny/model.safetensors "$T/model" $how
	is "$(embed)" "$want" "the same states: $how"
done

# An archive's name is its path, as a directory's is.
rm -r "$T/model"
for pack in 'tar -cf -' 'tar --gzip -cf -' 'tar --xz -cf -' \
    'tar --zstd -cf -' 'zip -qr -'; do
	(cd tests && $pack tiny) >"$T/model" 2>"$T/errors" || {
		skip "the same states: $pack" 'program not installed'
		continue
	}
	is "$(embed)" "$want" "the same states: $pack"
	is "$(bpe-encode -m "$T/model" <"$T/text" | sha256sum)" \
	    "$(bpe-encode -m tests/tiny <"$T/text" | sha256sum)" \
	    "the same tokens: $pack"
done
rm "$T/model"

# The hub's cache.
mkdir -p "$T/hub/models--a--tiny/refs" "$T/hub/models--a--tiny/snapshots"
cp -r tests/tiny "$T/hub/models--a--tiny/snapshots/0c1d"
printf 0c1d >"$T/hub/models--a--tiny/refs/main"
bpe-encode -m a/tiny <"$T/text" | gpt2-embed -m a/tiny -b 0 >"$T/stream"
is "$(grep -ac '"a/tiny"' "$T/stream")" 1 'a stream names a model of the hub'
is "$(bpe-encode -m a/tony </dev/null 2>&1 | sed 's/nor in .*; known.*:/../')" \
    'bpe-encode: a/tony: no such directory, .. mini, a/tiny' 'a wrong name'

# Refusals.
refused() { # MESSAGE COMMAND...
	fails 1 "$1" "$@" </dev/null
}
E=gpt2-embed
cp -r tests/tiny "$T/bad"
head -c 49000 tests/tiny/model.safetensors >"$T/bad/model.safetensors"
refused "$E: T/bad: model.safetensors: 864 bytes missing" $E -m "$T/bad"
rm "$T/bad/model.safetensors"
refused "$E: T/bad: no model.safetensors" $E -m "$T/bad"
tar -C "$T" -cf "$T/bad.tar" bad
refused "$E: T/bad.tar: no model.safetensors in archive" $E -m "$T/bad.tar"
refused "$E: T/bad/vocab.json: not a tar or zip archive" $E \
    -m "$T/bad/vocab.json"
refused "$E: T/none: No such file or directory" $E -m "$T/none"
sed 's/gelu_new/relu/' tests/tiny/config.json >"$T/bad/config.json"
refused "$E: T/bad: config.json: activation_function \"relu\", want \"gelu_new\"" \
    $E -m "$T/bad"

# The reader's values against numpy's.
if [ -d ../shared/models/mini ] && /usr/bin/python3 -c 'import numpy' 2>&- &&
    reader=$(dirname "$(command -v bpe-encode)")/../tests/checkpoint &&
    [ -x "$reader" ]; then
	is "$(/usr/bin/python3 - "$reader" ../shared/models/mini <<'END'
import json, struct, subprocess, sys
import numpy as np

reader, model = sys.argv[1:]
b = open(model + "/model.safetensors", "rb").read()
n = struct.unpack("<Q", b[:8])[0]
good = 0
for name, t in json.loads(b[8:8 + n]).items():
    if name == "__metadata__":
        continue
    begin, end = t["data_offsets"]
    raw = np.frombuffer(b[8 + n + begin:8 + n + end], "<u2")
    want = (raw.astype("<u4") << 16).tobytes()
    rows, cols = ([1] + t["shape"])[-2:]
    got = subprocess.run([reader, "read", model, name, str(rows), str(cols)],
                         stdout=subprocess.PIPE).stdout
    good += got == want
print(good)
END
	)" 76 'all 76 tensors of the small model are as numpy reads them'
else
	skip 'as numpy reads them' 'no ../shared/models/mini or no numpy'
fi
done_testing
