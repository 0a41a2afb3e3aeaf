#!/bin/bash
# The manual is true: its examples run, and it has the options that the
# programs have.
. "$(dirname "$0")/lib.sh"
unset GPT2_ISA
root=$PWD

# In another build directory the programs do not find what ships.
bin=$(dirname "$(command -v bpe-encode)")
[ -d "$bin/../../examples/mini" ] || export GPT2_MODEL=$root/examples/mini

ok() { # STATUS NAME
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		sed 's/^/# /' "$T/out"
	fi
}
if ! command -v mandoc >/dev/null; then
	skip 'the manual' 'mandoc is missing'
	done_testing
	exit
fi

# A page as a reader sees it, but with lines as long as they like.
page() { mandoc -T ascii -O width=1000 "$1" | perl -pe 's/.\x08//g'; }
section() { # PAGE NAME
	page "$1" | sed -n "/^$2/,/^[A-Z]/p" | sed '1d;$d'
}
words() { tr -s ' \t\n' ' ' | tr '[:upper:]' '[:lower:]' | sed 's/^ //; s/ $//'; }

# ---- the options ----
for path in man/*.1; do
	prog=$(basename "$path" .1)
	"$prog" --help >"$T/help"
	sed '/^$/,$d; 1s/^usage: //' "$T/help" | words >"$T/usage"
	section "$path" SYNOPSIS | words |
	    diff "$T/usage" - >"$T/out"
	ok $? "$prog: its usage is the SYNOPSIS"

	# Help has -q and -v without their long names, and not itself.
	{
		grep -oE -e '--[a-z][a-z-]*' "$T/help"
		printf '%s\n' --help --quiet --verbose
	} | sort -u >"$T/options"
	grep '^\.It Fl' "$path" | grep -oE 'Fl -[a-z][a-z-]*' |
	    sed 's/^Fl -/--/' | sort | diff "$T/options" - >"$T/out"
	ok $? "$prog: help and manual have the same options"

	while read -r option; do
		"$prog" "$option" </dev/null 2>&1 | tr -d '\0' |
		    grep -a -e unrecognized -e ambiguous
	done <"$T/options" >"$T/out"
	[ ! -s "$T/out" ]
	ok $? "$prog: takes them all"
done
for prog in $(page man/gpt2-filters.7 | grep -oE '[a-z0-9-]+\(1\)' | sort -u); do
	[ "$prog" = 'parallel(1)' ] || [ -e "man/${prog%(1)}.1" ] || echo "$prog"
done >"$T/out"
[ ! -s "$T/out" ]
ok $? 'gpt2-filters(7) names programs that have a page'

# ---- the examples ----
# Files of the names that they use, made once and copied for each page.
mkdir -p "$T/files/SST-2" "$T/bin"
(
	cd "$T/files" || exit
	cp "$root/examples/reviews.txt" .
	cp reviews.txt log
	head -c 5000 "$bin/bpe-encode" >a
	printf 'id,text\n7,"Dull, and long."\n8,A joy\n' >reviews.csv
	{
		printf 'sentence\tlabel\n'
		for what in film plot cast score end dialogue; do
			for word in great lovely moving fine witty; do
				printf 'a %s %s \t1\n' "$word" "$what"
			done
			for word in dull awful clumsy lame stale; do
				printf 'a %s %s \t0\n' "$word" "$what"
			done
		done
	} >train.tsv # 60 rows
	sed 's/^a /what a /' train.tsv >dev.tsv
	printf '{"id":%s,"text":"%s"}\n' 7 Dull. 8 Joy. >reviews.jsonl
	cp train.tsv dev.tsv SST-2
	zip -qr SST-2.zip SST-2
	bpe-encode train.tsv | gpt2-embed >train.hid
	bpe-encode dev.tsv | gpt2-embed >dev.hid
	bpe-encode reviews.txt | gpt2-embed >reviews.hid
	cp reviews.hid part1.hid
	cp reviews.hid part2.hid
	head-train -q -o my.head --epochs 3 train.hid
	cp my.head mood.head
	cp my.head topic.head
) >"$T/out" 2>&1
ok $? 'files for the examples'

# A log that has ended: tail -f would wait for more.
cat >"$T/bin/tail" <<'END'
#!/bin/sh
[ "$1" = -f ] && shift
exec cat "$@"
END
chmod +x "$T/bin/tail"

# What must not be empty: the file that an example names, else its output.
product() {
	local file
	file=$(grep -oE '(-o|>) *[A-Za-z0-9./-]+$' <<<"$1" | sed 's/.* //')
	[ -n "$file" ] || file=$(grep -oE -e '-o [a-z.]+' <<<"$1" | cut -c 4-)
	echo "${file:-$T/stdout}"
}

# A pipeline fails if any part of it does.
run() { # COMMAND
	echo "\$ $1"
	rm -f "$(product "$1")"
	timeout 60 env PATH="$T/bin:$PATH" bash -o pipefail -c "$1" \
	    >"$T/stdout" 2>"$T/stderr"
	local rc=$?
	cat "$T/stderr"
	[ $rc = 0 ] || echo "status $rc"
	case $1 in *'| cmp '*) return $rc ;; esac
	[ $rc = 0 ] && [ -s "$(product "$1")" ]
}

# The commands of a page, each on one line: what stands behind "$ ", and the
# deeper lines below it.
commands() {
	section "$1" EXAMPLES | perl -ne '
		if (/^( +)\$ (.*)/) {
			print "\n" if $open;
			($open, $depth) = (1, length $1);
			print $2;
		} elsif ($open && /^( +)(.*)/ && length $1 > $depth) {
			print " $2";
		} else {
			print "\n" if $open;
			$open = 0;
		}
		END { print "\n" if $open }'
}

for path in man/*.[1-9]; do
	name=$(basename "$path")
	rm -rf "$T/work"
	cp -r "$T/files" "$T/work"
	cd "$T/work" || exit 1
	commands "$root/$path" >"$T/commands"
	[ -s "$T/commands" ] || echo 'no examples' >"$T/out"
	[ -s "$T/commands" ]
	ok $? "$name: has examples"
	while read -r command <&3; do
		if [[ $command == parallel* ]] &&
		    ! parallel --version 2>/dev/null | grep -q GNU; then
			skip "$name: $command" 'GNU parallel is missing'
			continue
		fi
		run "$command" >"$T/out"
		ok $? "$name: $command"
	done 3<"$T/commands"
	cd "$root" || exit 1
done
done_testing
