#!/bin/bash
# The published facts of GPT-2 small, where $GPT2_MODEL is it: get-gpt2.
model=${GPT2_MODEL:-}
. "$(dirname "$0")/lib.sh"
weights=248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707
vocabulary=196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783
merges=1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5
if [ ! -f "$model/model.safetensors" ] ||
	[ "$(stat -L -c %s "$model/model.safetensors")" != 548105171 ]; then
	skip 'the published facts of GPT-2 small' '$GPT2_MODEL is not GPT-2 small'
	done_testing
	exit
fi
export GPT2_MODEL=$model
check() { # FILE SUM
	is "$(sha256sum <"$model/$1" | cut -c 1-64)" "$2" "$1"
}
check model.safetensors $weights
check vocab.json $vocabulary
check merges.txt $merges
is "$((8 + $(head -c 8 "$model/model.safetensors" | od -An -t u8)))" 14291 \
    'its tensors begin at 3 mod 4'
is "$(echo 'The dog' | bpe-encode | stream-cat --to jsonl)" \
    '{"cut":false,"tokens":[464,3290]}' 'the ids of "The dog"'
is "$(echo 'The dog' | bpe-encode | gpt2-embed | stream-cat -i |
    sed -n 's/^cut *//p; s/^vectors *//p')" \
    "10 of 12 blocks
768 of f32, one a token, computed in f32, 12 heads" 'its shape'
is "$(printf 'The dog\nThe dog\n' | bpe-encode | gpt2-generate -n 18 |
    bpe-decode -0 | tr '\0' '|')" "$(for _ in 1 2; do
	printf 'The dog was found in a field near the intersection of West and '
	printf 'West Streets.\n\nThe dog|'
done)" 'its continuation of "The dog"'
done_testing
