#!/bin/bash
# Hidden states and gradients against PyTorch: golden files of the tiny model,
# and, where ../shared and PyTorch are, the small model on SST-2.
. "$(dirname "$0")/lib.sh"
torch=../shared/reference/gpt2_torch.py
mini=../shared/models/mini
python=/usr/bin/python3

# Runs a unit test program as one test; what failed is shown.
run() { # NAME COMMAND ...
	name=$1
	shift
	n=$((n + 1))
	if "$@" > "$T/out"; then
		echo "ok $n - $name: $(grep -c '^ok' "$T/out") checks"
	else
		echo "not ok $n - $name"
		grep '^not' "$T/out" | sed 's/^/# /'
	fi
}

for cut in 0 1 2; do
	bpe-encode -m tests/tiny tests/golden/rows.tsv |
		gpt2-embed -m tests/tiny --cut $cut > "$T/hid"
	run "tiny, states at cut $cut" "$UNITS/hidden" "$T/hid" \
		tests/golden/hidden$cut.f32 tests/golden/hidden$cut.f64 1e-5
	run "tiny, gradients above cut $cut" "$UNITS/gradient" "$T/hid" \
		tests/tiny tests/golden/grad$cut.safetensors
done

if [ ! -f $torch ] || ! $python -c 'import torch, regex' 2>/dev/null; then
	skip 'the small model' 'no ../shared or no PyTorch'
	done_testing
	exit 0
fi
sed -n 2,201p ../shared/data/sst2/dev.tsv | cut -f1 | sed 's/ *$//' > "$T/txt"
head -n 61 ../shared/data/sst2/dev.tsv > "$T/tsv"
for cut in 0 1 2 3 4 5 6; do
	$python $torch hidden $mini $cut < "$T/txt" > "$T/f32" &
	$python $torch hidden64 $mini $cut < "$T/txt" > "$T/f64"
	wait
	bpe-encode "$T/txt" | gpt2-embed --cut $cut > "$T/hid"
	run "small model, states at cut $cut" "$UNITS/hidden" "$T/hid" \
		"$T/f32" "$T/f64" 1e-5
done
for cut in 0 4 5 6; do
	$python $torch grad $mini $cut "$T/tsv" "$T/grad" > "$T/out"
	bpe-encode "$T/tsv" --format tsv | gpt2-embed --cut $cut > "$T/hid"
	run "small model, gradients above cut $cut" "$UNITS/gradient" \
		"$T/hid" examples/mini "$T/grad"
done
done_testing
