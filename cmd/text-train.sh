#!/bin/sh
# text-train: labelled texts to a tested head, the whole pipeline.
set -u

help() {
	cat <<'END'
usage: text-train [-0hqVv] -o HEAD [-b N | --cut N] [-j N] [-m MODEL]
                  [--batch N] [--bad-rows stop|empty] [--cache FILE]
                  [--dev FILE|P%] [--dropout P] [--epochs N] [--exact]
                  [--format lines|tsv|csv|jsonl|fasttext] [--header]
                  [--id FIELD] [--keep last|best] [--label FIELD]
                  [--long split|head|tail|error] [--lr R] [--max-tokens N]
                  [--names L=NAME,...] [--pool last|mean]
                  [--precision f32|bf16|int8] [--prefix TEXT] [--seed N]
                  [--special literal|parse|error] [--suffix TEXT]
                  [--test FILE] [--text FIELD] [--weight-decay R] FILE ...

  -o, --output F       the head to write (needed)
      --dev FILE|P%    texts to judge each epoch by, or a part of those given
                       (10%)
      --test FILE      labelled texts to test the head on at the end
      --cache F        keep the states in F, for the next time
  -q, -v               say less; show the pipelines
  -V, --version        print the version

For bpe-encode:
  -0, --null           --bad-rows W  --exact  --format F  --header  --id F
                       --label F  --long W  --max-tokens N  --prefix TEXT
                       --special W  --suffix TEXT  --text F
For gpt2-embed:
  -b, --blocks N       -j, --jobs N  -m, --model M  --cut N  --precision P
For head-train:
                       --batch N  --dropout P  --epochs N  --keep W  --lr R
                       --names LIST  --pool P  --seed N  --weight-decay R
END
}
wrong() {
	echo "text-train: $*" >&2
	exit 2
}
unknown() {
	echo "text-train: unrecognized option '$1'" >&2
	help | sed '/^$/,$d' >&2
	exit 2
}
# A word as the shell reads it back.
quote() {
	case $1 in
	'' | *[!A-Za-z0-9_./:=,%+@-]*)
		printf "'%s'" "$(printf '%s\n' "$1" | sed "s/'/'\\\\''/g")"
		;;
	*) printf '%s' "$1" ;;
	esac
}
# Does what it shows.
run() {
	[ -z "$verbose" ] || echo "$1" >&2
	eval "$1"
}

PATH=$(dirname -- "$0"):$PATH
encode='' embed='' train='' common='' files=''
output='' dev=10% test='' cache='' verbose='' quiet=''
while [ $# -gt 0 ]; do
	case $1 in
	--) shift; for file in "$@"; do files="$files $(quote "$file")"; done
		break ;;
	--*=*) # --name=value
		option=$1
		shift
		set -- "${option%%=*}" "${option#*=}" "$@"
		continue ;;
	-[bjmo]?*) # -j2
		option=$1
		shift
		set -- "${option%"${option#-?}"}" "${option#-?}" "$@"
		continue ;;
	-[0hqVv]?*) # -qv
		option=$1
		shift
		set -- "${option%"${option#-?}"}" "-${option#-?}" "$@"
		continue ;;
	-b | --blocks | -j | --jobs | -m | --model | -o | --output | --[!ehnqv]* | \
	    --epochs)
		[ $# -ge 2 ] || wrong "$1: want an argument" ;;
	esac
	case $1 in
	-h | --help) help; exit 0 ;;
	-V | --version) bpe-encode -V | sed 's/^bpe-encode/text-train/'; exit 0 ;;
	-q | --quiet) quiet=' -q'; shift; continue ;;
	-v | --verbose) verbose=1; shift; continue ;;
	-0 | --null | --exact | --header) encode="$encode $1"; shift; continue ;;
	-o | --output) output=$2 ;;
	--dev) dev=$2 ;;
	--test) test=$2 ;;
	--cache) cache=$2 ;;
	-m | --model) common="$common -m $(quote "$2")" ;;
	-b | --blocks | -j | --jobs | --cut | --precision) embed="$embed $1 $(quote "$2")"
		case $1 in -j | --jobs) train="$train $1 $(quote "$2")" ;; esac ;;
	--bad-rows | --format | --id | --label | --long | --max-tokens | --prefix | \
	    --special | --suffix | --text) encode="$encode $1 $(quote "$2")" ;;
	--batch | --dropout | --epochs | --keep | --lr | --names | --pool | --seed | \
	    --weight-decay) train="$train $1 $(quote "$2")" ;;
	-?*) unknown "$1" ;;
	*) files="$files $(quote "$1")"; shift; continue ;;
	esac
	shift 2
done
[ -n "$output" ] || wrong '-o: want a file for the head'
[ -n "$files" ] || wrong 'want a file of labelled texts'

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
[ -z "$cache" ] || embed="$embed --cache $(quote "$cache")"
# Texts to hidden states: the files' names quoted, and where to.
states() {
	run "bpe-encode$quiet$common$encode$1 |
    gpt2-embed$quiet$common$embed -o $2" || exit 1
}

states "$files" "$work/train.hid"
case $dev in
*/* | *[!%]) states " $(quote "$dev")" "$work/dev.hid"
	dev=$work/dev.hid ;;
esac
run "head-train$quiet$common$train -o $(quote "$output") --dev $(quote "$dev") \
$work/train.hid" || exit 1
if [ -n "$test" ]; then
	states " $(quote "$test")" "$work/test.hid"
	run "head-test -H $(quote "$output") $work/test.hid" || exit 1
fi
