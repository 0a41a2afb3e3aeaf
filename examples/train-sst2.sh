#!/bin/sh
# Trains the head that ships with the toolkit, as it was trained:
#
#   train-sst2.sh SST-2 sentiment.head [head-train's options]
#
# SST-2 is a directory with GLUE's train.tsv and dev.tsv. The head sees each
# phrase twice: as it stands, and put back into normal writing. The hidden
# states are cached in ${TMPDIR:-/tmp} and removed at the end.
set -eu

if [ $# -lt 2 ]; then
	echo "usage: train-sst2.sh SST-2-DIRECTORY HEAD [option ...]" >&2
	exit 2
fi
data=$1 head=$2
shift 2
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

bpe-encode "$data/train.tsv" | gpt2-embed > "$work/train.hid"
sed -E -f "$here/normal-writing.sed" "$data/train.tsv" > "$work/normal.tsv"
bpe-encode "$work/normal.tsv" | gpt2-embed > "$work/normal.hid"
bpe-encode "$data/dev.tsv" | gpt2-embed > "$work/dev.hid"

# Each phrase comes twice an epoch, so two epochs are enough.
head-train -o "$head" --dev "$work/dev.hid" --epochs 2 \
	--names 0=negative,1=positive "$@" "$work/train.hid" "$work/normal.hid"
head-test -H "$head" "$work/dev.hid"
