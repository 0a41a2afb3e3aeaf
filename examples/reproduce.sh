#!/bin/sh
# The whole recipe from nothing: GPT-2 small, its last two blocks trained for
# three epochs on SST-2, tested on the 872 validation sentences; then labels
# for a file of reviews.
#
#   reproduce.sh [-m MODEL] [-d DIRECTORY] [-r REVIEWS] [-n ROWS] [WORK]
#
# -m  a model that is there already, instead of fetching GPT-2
# -d  a directory with SST-2's train.tsv and dev.tsv, instead of fetching them
# -r  texts, a line each (the thirty film reviews beside this script)
# -n  of the training rows only the first ROWS
#
# All files are in WORK (./reproduce). Interrupted and run again, it goes on
# where it was. With GPT-2 small the states take some 5 GB there, half of them in
# the cache, by which a second run is quick.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
model='' data='' rows='' reviews=$here/reviews.txt
while getopts m:d:r:n: option; do
	case $option in
	m) model=$OPTARG ;;
	d) data=$OPTARG ;;
	r) reviews=$OPTARG ;;
	n) rows=$OPTARG ;;
	*) sed -n '/^#   /s/^#   /usage: /p' "$0" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
work=${1:-reproduce}
mkdir -p "$work"

zip=https://dl.fbaipublicfiles.com/glue/data/SST-2.zip
zip_sum=d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa

# Does a step that makes FILE, unless it is there, and notes its seconds.
step() { # FILE COMMAND...
	file=$work/$1
	shift
	[ ! -e "$file" ] || return 0
	echo "$*" >&2
	begin=$(date +%s)
	"$@"
	echo $(($(date +%s) - begin)) >"$file.seconds"
}
get_sst2() {
	curl -fL -C - -o "$work/SST-2.zip.part" "$zip"
	echo "$zip_sum  $work/SST-2.zip.part" | sha256sum -c --quiet
	mv "$work/SST-2.zip.part" "$work/SST-2.zip"
}
# A set of labelled sentences as tokens: train or dev.
encode() { # SET
	set -- "$1" "$work/$1.tok" ${rows:+--records "1-$rows"}
	[ "$1" = train ] || set -- "$1" "$2"
	name=$1 out=$2
	shift 2
	if [ -n "$data" ]; then
		bpe-encode "$@" -o "$out" "$data/$name.tsv"
	else
		bpe-encode "$@" -o "$out" --member "SST-2/$name.tsv" \
		    --text sentence --label label "$work/SST-2.zip"
	fi
}
embed() { # SET
	gpt2-embed --cache "$work/cache" -o "$work/$1.hid" "$work/$1.tok"
}
train() {
	head-train -o "$work/sst2.head" --dev "$work/dev.hid" --epochs 3 \
	    --names 0=negative,1=positive "$work/train.hid"
}
test_head() {
	head-test -H "$work/sst2.head" "$work/dev.hid" >"$work/report.part"
	mv "$work/report.part" "$work/report"
}

if [ -z "$model" ]; then
	eval "$(get-gpt2)"
	model=$GPT2_MODEL
fi
export GPT2_MODEL="$model"
[ -n "$data" ] || step SST-2.zip get_sst2
for set in train dev; do
	step $set.tok encode $set
	step $set.hid embed $set
done
step sst2.head train
step report test_head

count() { # SET FIELD
	stream-cat -i "$work/$1.tok" | sed -n "s/^$2 *//p"
}
seconds() { cat "$work/$1.seconds"; }
cat <<END

step          rows     tokens   seconds
encode   $(printf '%9d %10d %9d' "$(count train records)" \
    "$(count train tokens)" "$(seconds train.tok)")
embed    $(printf '%9d %10d %9d' "$(count train records)" \
    "$(count train tokens)" "$(seconds train.hid)")
train    $(printf '%9d %10d %9d' "$(count train records)" \
    "$(count train tokens)" "$(seconds sst2.head)")
test     $(printf '%9d %10d %9d' "$(count dev records)" "$(count dev tokens)" \
    "$(seconds report)")

$(grep '^accuracy' "$work/report")

END
bpe-encode -H "$work/sst2.head" "$reviews" | gpt2-embed -H "$work/sst2.head" |
	head-predict -H "$work/sst2.head" | paste - "$reviews"
