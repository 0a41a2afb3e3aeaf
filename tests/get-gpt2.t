#!/bin/bash
# get-gpt2 against a web server of this machine, with a stand-in for GPT-2:
# fetched, fetched again, broken off, damaged, missing.
. "$(dirname "$0")/lib.sh"
if ! command -v curl >/dev/null; then
	skip 'get-gpt2' 'no curl'
	done_testing
	exit
fi
G=get-gpt2
export HOME=$T/home XDG_DATA_HOME="$T/it's data" no_proxy=127.0.0.1
unset http_proxy https_proxy

# The hub: small as published in $T/sums, medium by a pointer.
hub=$T/hub
for size in gpt2:607a30d783dfa663caf39e06633721c8d4cfcd7e gpt2-medium:main; do
	at=$hub/openai-community/${size%:*}
	mkdir -p "$at/resolve" "$at/raw/main"
	cp -r tests/tiny "$at/resolve/${size#*:}"
done
(cd tests/tiny && sha256sum vocab.json merges.txt &&
    sha256sum model.safetensors | sed 's|  |  gpt2/|') >"$T/sums"
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 1\n' \
    "$(sha256sum <tests/tiny/model.safetensors | cut -c 1-64)" \
    >"$hub/openai-community/gpt2-medium/raw/main/model.safetensors"
export GPT2_SHA256=$T/sums
serve() { # [LIMIT]
	[ -z "${server:-}" ] || kill "$server"
	mkfifo "$T/port"
	perl tests/web.pl "$hub" "$@" >"$T/port" &
	server=$!
	read -r port <"$T/port"
	rm "$T/port"
	export GPT2_HUB=http://127.0.0.1:$port
}
trap 'kill $server; rm -rf "$T"' EXIT
small="$XDG_DATA_HOME/gpt2-filters/gpt2"

# ---- fetched ----
serve
out=$($G 2>"$T/err")
is "$?" 0 'GPT-2 small'
is "$out" "export GPT2_MODEL='$T/it'\\''s data/gpt2-filters/gpt2'" 'its line'
is "$(eval "$out"; echo a | bpe-encode | gpt2-embed | stream-cat -i |
    grep -c '^records *1$')" 1 'which the programs take'
is "$(cd "$small" && echo *)" 'config.json merges.txt model.safetensors vocab.json' \
    'its files and no others'
is "$(grep -c 'text-train -o my.head' "$T/err")" 1 'how to train a head'
$G 2>"$T/err" >/dev/null
is "$? $(grep -c 'is there$' "$T/err")" '0 3' 'again: nothing is fetched twice'
is "$($G -q medium -o "$T/medium" 2>&1)" "export GPT2_MODEL='$T/medium'" \
    'medium, by the pointer, quietly'
cmp -s tests/tiny/model.safetensors "$T/medium/model.safetensors"
is $? 0 'the very file'

# ---- broken off ----
rm "$small/model.safetensors"
serve 20000
$G >/dev/null 2>"$T/err"
is "$? $(tail -n 1 "$T/err" | grep -c 'run get-gpt2 again to go on')" '1 1' \
    'broken off: status 1'
is "$(wc -c <"$small/model.safetensors.part")" 20000 'what came is kept'
is "$($G -q 2>&1 | grep -c GPT2_MODEL)" 1 'it goes on'
cmp -s tests/tiny/model.safetensors "$small/model.safetensors"
is $? 0 'to the very file'
mv "$small/model.safetensors" "$small/model.safetensors.part"
is "$($G -q 2>&1 | grep -c GPT2_MODEL)" 1 'all came before it was killed'

# ---- wrong ----
head -c 49000 tests/tiny/model.safetensors \
    >"$hub/openai-community/gpt2/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e/model.safetensors"
rm "$small/model.safetensors"
is "$($G -q 2>&1; echo $?)" \
    "$G: model.safetensors: is not the published file (wrong SHA-256); removed
1" 'a wrong file'
[ ! -e "$small/model.safetensors" ] && [ ! -e "$small/model.safetensors.part" ]
is $? 0 'is not kept'
echo x >"$hub/openai-community/gpt2-medium/raw/main/model.safetensors"
fails 1 "$G: model.safetensors: the hub names no SHA-256" 'no pointer' \
    $G -q medium -o "$T/other"
rm -r "$hub/openai-community/gpt2"
$G -q >/dev/null 2>"$T/err"
is "$? $(tail -n 1 "$T/err" | sed 's/.*: curl/curl/')" \
    '1 curl ended with status 22' 'nothing there'
kill $server
$G -q >/dev/null 2>"$T/err"
is "$? $(grep -c "^$G: http.*curl ended with status 7" "$T/err")" '1 1' \
    'no server'
fails 2 "$G: tiny: want small, medium, large or xl" 'another size' $G tiny
fails 2 "$G: want one size" 'two sizes' $G small medium
fails 2 "$G: -o: want an argument" 'no directory' $G -o
done_testing
