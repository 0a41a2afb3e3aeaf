#!/bin/bash
# make install: a tree that works where it was put, and where it was moved.
. "$(dirname "$0")/lib.sh"
bin=$(dirname "$(command -v bpe-encode)")
if [ "$bin" -ef build/bin ]; then
	make -s install DESTDIR="$T/stage" PREFIX=/opt/g >"$T/out" 2>&1
	is $? 0 'make install'
else
	skip 'make install' 'another build'
	done_testing
	exit
fi
mv "$T/stage/opt/g" "$T/moved"
want=$(bpe-encode examples/reviews.txt | gpt2-embed | head-predict -q)
is "$(cd "$T" && PATH=/usr/bin:/bin && moved/bin/bpe-encode \
    "$OLDPWD/examples/reviews.txt" | moved/bin/gpt2-embed |
    moved/bin/head-predict -q)" "$want" 'the tree works when moved'
is "$(cd "$T" && PATH=/usr/bin:/bin moved/bin/text-classify -q \
    "$OLDPWD/examples/reviews.txt")" "$want" 'the scripts too'
is "$(cd "$T/moved" && find . -type f | sed 's,/[^/]*$,,' | sort -u | tr '\n' ' ')" \
    './bin ./share/gpt2-filters/mini ./share/man/man1 ./share/man/man5 ./share/man/man7 ' \
    'its directories'
is "$(ls "$T/moved/bin" | wc -l)" "$(ls build/bin | wc -l)" 'all programs'
is "$(ls "$T/moved/share/man/man1" | wc -l)" "$(ls man/*.1 | wc -l)" 'all pages'
is "$(find "$T/moved" -type f -perm /022)" '' 'writable by its owner alone'
mv "$T/moved" "$T/stage/opt/g"
make -s uninstall DESTDIR="$T/stage" PREFIX=/opt/g >"$T/out" 2>&1
is "$(find "$T/stage" -type f)" '' 'make uninstall'
done_testing
