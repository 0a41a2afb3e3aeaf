#!/bin/sh
# What head and model make of the same reviews, side by side: the head's label,
# the label of the word that GPT-2 finds likelier behind "This movie was", and
# what it writes there itself.
#
#   probe.sh [-m MODEL] [-H HEAD] [-n TOKENS] [FILE]
#
# -m  the model ($GPT2_MODEL, else the small one that is shipped)
# -H  the head ($GPT2_HEAD, else the model's own sentiment.head)
# -n  so many tokens of continuation (10)
#
# FILE is of any form that bpe-encode reads, the thirty reviews beside this
# script by default. A line is as wide as the terminal, or as $COLUMNS says.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
model='' head='' tokens=10
while getopts m:H:n: option; do
	case $option in
	m) model=$OPTARG ;;
	H) head=$OPTARG ;;
	n) tokens=$OPTARG ;;
	*) sed -n '/^#   /s/^#   /usage: /p' "$0" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
file=${1:-$here/reviews.txt}
[ -z "$model" ] || export GPT2_MODEL="$model"
[ -z "$head" ] || export GPT2_HEAD="$head"
width=${COLUMNS:-$(stty size 2>/dev/null </dev/tty | cut -d ' ' -f 2)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Texts of one line each, whatever is in it.
texts() {
	bpe-decode -0 | tr '\n\t\r\0' '   \n'
}
bpe-encode -q "$file" >"$work/plain"
gpt2-embed "$work/plain" | head-predict -q >"$work/trained"
texts <"$work/plain" >"$work/text"
# The head has its own preparation; the question wants another.
unset GPT2_HEAD
bpe-encode -q --long tail --suffix ' This movie was' "$file" >"$work/question"
gpt2-generate --prior 'This movie was' --choice ' great=positive' \
    --choice ' terrible=negative' "$work/question" >"$work/zero-shot"
gpt2-generate -n "$tokens" --only-new "$work/question" | texts >"$work/written"

{
	printf 'head\t\tzero-shot\t\tThis movie was ...\treview\n'
	paste "$work/trained" "$work/zero-shot" "$work/written" "$work/text"
} | awk -F '\t' -v width="${width:-80}" '
	function percent(p) { return NR > 1 ? int(100 * p + 0.5) " %" : "" }
	{ line = sprintf("%-9.9s%5s  %-9.9s%5s  %-35.35s %s", $1, percent($2),
	      $3, percent($4), $5, $6)
	  print substr(line, 1, width) }' | iconv -c -f UTF-8 -t UTF-8 || :
