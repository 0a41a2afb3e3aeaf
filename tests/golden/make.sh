#!/bin/sh
# Makes the golden files of the tiny model with the PyTorch reference:
# hidden states at each cut in float32 and float64, gradients in float64.
set -eu
cd "$(dirname "$0")"
torch="/usr/bin/python3 ../../../shared/reference/gpt2_torch.py"
cut -f1 rows.tsv | tail -n +2 > rows.txt
for cut in 0 1 2; do
	$torch hidden ../tiny $cut < rows.txt > hidden$cut.f32
	$torch hidden64 ../tiny $cut < rows.txt > hidden$cut.f64
	$torch grad ../tiny $cut rows.tsv grad$cut.safetensors
done
rm rows.txt
