#!/bin/sh
# text-classify: texts to labels, the whole pipeline.
set -u

help() {
	cat <<'END'
usage: text-classify [-0hqVv] [-H HEAD] [-j N] [-m MODEL] [-o FILE] [--all]
                     [--bad-rows stop|empty] [--cache FILE]
                     [--format tsv|jsonl|fasttext]
                     [--from lines|tsv|csv|jsonl|fasttext] [--header]
                     [--id FIELD] [--long split|head|tail|error]
                     [--max-tokens N] [--min-prob P --otherwise LABEL]
                     [--text FIELD] [--top K] [FILE ...]

  -H, --head HEAD      the head ($GPT2_HEAD, then the small model's)
      --cache F        keep the states in F, for the next time
  -q, -v               say less; show the pipeline
  -V, --version        print the version

For bpe-encode:
  -0, --null           --bad-rows W  --from F (its --format)  --header
                       --id F  --long W  --max-tokens N  --text F
For gpt2-embed:
  -j, --jobs N         -m, --model M
For head-predict:
  -o, --output F       --all  --format F  --min-prob P  --otherwise L
                       --top K
END
}
wrong() {
	echo "text-classify: $*" >&2
	exit 2
}
unknown() {
	echo "text-classify: unrecognized option '$1'" >&2
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

PATH=$(dirname -- "$0"):$PATH
encode='' embed='' predict='' files='' verbose=''
while [ $# -gt 0 ]; do
	case $1 in
	--) shift; for file in "$@"; do files="$files $(quote "$file")"; done
		break ;;
	--*=*) # --name=value
		option=$1
		shift
		set -- "${option%%=*}" "${option#*=}" "$@"
		continue ;;
	-[Hjmo]?*) # -j2
		option=$1
		shift
		set -- "${option%"${option#-?}"}" "${option#-?}" "$@"
		continue ;;
	-[0hqVv]?*) # -qv
		option=$1
		shift
		set -- "${option%"${option#-?}"}" "-${option#-?}" "$@"
		continue ;;
	-[Hjmo] | --[!ahnqv]* | --head)
		[ $# -ge 2 ] || wrong "$1: want an argument" ;;
	esac
	case $1 in
	-h | --help) help; exit 0 ;;
	-V | --version) bpe-encode -V | sed 's/^bpe-encode/text-classify/'
		exit 0 ;;
	-q | --quiet) encode="$encode -q" embed="$embed -q" predict="$predict -q" ;;
	-v | --verbose) verbose=1 ;;
	-0 | --null | --header) encode="$encode $1" ;;
	--all) predict="$predict $1" ;;
	-) files="$files -" ;;
	-[Hjmo] | --*)
		word=$(quote "$2")
		case $1 in
		-H | --head | -m | --model) encode="$encode $1 $word"
			embed="$embed $1 $word" predict="$predict $1 $word" ;;
		-j | --jobs) embed="$embed $1 $word" predict="$predict $1 $word" ;;
		--cache) embed="$embed $1 $word" ;;
		--from) encode="$encode --format $word" ;;
		--bad-rows | --id | --long | --max-tokens | --text)
			encode="$encode $1 $word" ;;
		-o | --output | --format | --min-prob | --otherwise | --top)
			predict="$predict $1 $word" ;;
		*) unknown "$1" ;;
		esac
		shift ;;
	-?*) unknown "$1" ;;
	*) files="$files $(quote "$1")" ;;
	esac
	shift
done

pipeline="bpe-encode$encode$files | gpt2-embed$embed | head-predict$predict"
[ -z "$verbose" ] || echo "$pipeline" >&2
eval "$pipeline"
