#!/bin/bash
# Every published size's width and heads, with two blocks of random weights:
# hidden states against PyTorch, and the same bits from every form of a model.
. "$(dirname "$0")/lib.sh"
torch=../shared/reference/gpt2_torch.py
python=/usr/bin/python3
if [ ! -f $torch ] || ! $python -c 'import torch, regex' 2>/dev/null; then
	skip 'models of every size' 'no ../shared or no PyTorch'
	done_testing
	exit
fi
sed -n 2,9p ../shared/data/sst2/dev.tsv | cut -f1 | sed 's/ *$//' >"$T/txt"
while read -r name heads width; do
	$python $torch random "$T/$name" 2 "$heads" "$width" 64 \
	    ../shared/models/mini 1
	$python $torch hidden "$T/$name" 2 <"$T/txt" >"$T/f32" &
	$python $torch hidden64 "$T/$name" 2 <"$T/txt" >"$T/f64"
	wait
	bpe-encode -m "$T/$name" "$T/txt" |
		gpt2-embed -m "$T/$name" -b 0 >"$T/hid"
	"$UNITS/hidden" "$T/hid" "$T/f32" "$T/f64" 1e-4 >"$T/out"
	is "$? $(grep -c '^ok' "$T/out")" '0 5' \
	    "$name: $width wide, $heads heads: $(sed -n 's/^ok 3 - //p' "$T/out")"
	[ "$name" = distilgpt2 ] || rm -r "${T:?}/$name"
done <<'END'
distilgpt2 12 768
gpt2-medium 16 1024
gpt2-large 20 1280
gpt2-xl 25 1600
END
done_testing
