#!/bin/sh
# get-gpt2: fetches GPT-2 from the Hugging Face hub, checked.
set -u

help() {
	cat <<'END'
usage: get-gpt2 [-hqVv] [-o DIRECTORY] [small|medium|large|xl]

  -o, --output D  where to put it ($XDG_DATA_HOME/gpt2-filters/gpt2,
                  gpt2-medium, gpt2-large or gpt2-xl)
  -q, -v          say less, say more
  -V, --version   print the version
END
}
wrong() {
	echo "get-gpt2: $*" >&2
	exit 2
}
fail() {
	echo "get-gpt2: $*" >&2
	exit 1
}
note() {
	[ -n "$quiet" ] || echo "$*" >&2
}

# SHA-256 of files as published; $GPT2_SHA256 may name a file of others, as
# sha256sum prints them.
published() {
	cat <<'END'
248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707  gpt2/model.safetensors
196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783  vocab.json
1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5  merges.txt
END
}
sum_of() { # NAME
	if [ -n "${GPT2_SHA256:-}" ]; then
		cat -- "$GPT2_SHA256"
	else
		published
	fi | sed -n "s|^\([0-9a-f]\{64\}\)  $1\$|\1|p"
}
has_sum() { # FILE SUM
	[ "$(sha256sum <"$1" | cut -c 1-64)" = "$2" ]
}

# Fetches URL into FILE.part, from where a broken transfer left it.
fetch() { # URL FILE
	code=0
	# shellcheck disable=SC2086
	curl -fL $progress --retry 3 -C - -o "$2.part" -- "$1" || code=$?
	# 33, or the server's 416: nothing is left to fetch.
	case $code in
	0) ;;
	22 | 33) [ -s "$2.part" ] || fail "$1: curl ended with status $code" ;;
	*) fail "$1: curl ended with status $code (run get-gpt2 again to go on)" ;;
	esac
}
# Fetches a file whose sum is known, unless it is there.
get() { # NAME SUM
	if [ -f "$dir/$1" ] && has_sum "$dir/$1" "$2"; then
		note "$1: is there"
		return
	fi
	note "$1: from $base/resolve/$revision/$1"
	if [ -f "$dir/$1.part" ] && has_sum "$dir/$1.part" "$2"; then
		:
	else
		fetch "$base/resolve/$revision/$1" "$dir/$1"
	fi
	if ! has_sum "$dir/$1.part" "$2"; then
		rm -f "$dir/$1.part"
		fail "$1: is not the published file (wrong SHA-256); removed"
	fi
	mv "$dir/$1.part" "$dir/$1" || exit 1
}

PATH=$(dirname -- "$0"):$PATH
size='' dir='' quiet='' verbose=''
while [ $# -gt 0 ]; do
	case $1 in
	-h | --help) help; exit 0 ;;
	-V | --version) bpe-encode -V | sed 's/^bpe-encode/get-gpt2/'; exit 0 ;;
	-q | --quiet) quiet=1 ;;
	-v | --verbose) verbose=1 ;;
	-o | --output) [ $# -ge 2 ] || wrong "$1: want an argument"
		dir=$2
		shift ;;
	--output=*) dir=${1#*=} ;;
	small | medium | large | xl) [ -z "$size" ] || wrong 'want one size'
		size=$1 ;;
	-*) echo "get-gpt2: unrecognized option '$1'" >&2
		help | sed '/^$/,$d' >&2
		exit 2 ;;
	*) wrong "$1: want small, medium, large or xl" ;;
	esac
	shift
done

name=gpt2-${size:-small}
name=${name%-small}
revision=main
[ "$name" != gpt2 ] || revision=607a30d783dfa663caf39e06633721c8d4cfcd7e
base=${GPT2_HUB:-https://huggingface.co}/openai-community/$name
data=${XDG_DATA_HOME:-${HOME:?}/.local/share}
: "${dir:=$data/gpt2-filters/$name}"
progress=--no-progress-meter
[ -n "$quiet" ] || [ ! -t 2 ] || progress=--progress-bar
[ -z "$verbose" ] || progress="$progress -v"
command -v curl >/dev/null || fail 'curl is missing (apt-get install curl)'
mkdir -p -- "$dir" || exit 1

weights=$(sum_of "$name/model.safetensors")
if [ -z "$weights" ]; then # the hub's pointer says it
	fetch "$base/raw/$revision/model.safetensors" "$dir/pointer"
	weights=$(sed -n 's/^oid sha256:\([0-9a-f]\{64\}\)$/\1/p' \
	    "$dir/pointer.part")
	rm -f "$dir/pointer.part"
	[ -n "$weights" ] || fail "model.safetensors: the hub names no SHA-256"
fi
get vocab.json "$(sum_of vocab.json)"
get merges.txt "$(sum_of merges.txt)"
note "config.json: from $base/resolve/$revision/config.json"
rm -f "$dir/config.json.part"
fetch "$base/resolve/$revision/config.json" "$dir/config.json"
mv "$dir/config.json.part" "$dir/config.json" || exit 1
get model.safetensors "$weights"

# The programs' own word that it is a model.
bpe-encode -m "$dir" </dev/null | gpt2-embed -m "$dir" >/dev/null || exit 1
cat <<END
export GPT2_MODEL='$(printf '%s\n' "$dir" | sed "s/'/'\\\\''/g")'
END
note "That line makes it the model of all programs. Train a head for it:
    text-train -o my.head labelled.tsv
    text-classify -H my.head texts.txt"
