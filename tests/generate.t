#!/bin/bash
# gpt2-generate: continuations and choices against PyTorch, the same bytes
# whatever the threads, neighbours and arrival, sampling, and what it refuses.
. "$(dirname "$0")/lib.sh"
export GPT2_MODEL=examples/mini
G=gpt2-generate

printf '%s\n' 'The movie was' 'I love' '' 'A dull and' \
    'Two hours of my life that nobody is going to give back. This movie' >"$T/text"
bpe-encode -o "$T/tok" "$T/text"
ids() { # a line a record: its tokens
	stream-cat --to tsv "$@" | sed 1d | awk -F '\t' '{
		line[$1] = line[$1] ($4 == "" ? "" : " " $4); n = $1 }
	    END { for (i = 1; i <= n; i++) print substr(line[i], 2) }'
}

# ---- the same bytes ----
$G -o "$T/want" "$T/tok"
is "$($G -j 1 "$T/tok" | sum)" "$(sum <"$T/want")" 'any number of threads'
is "$( (while read -r line; do
	echo "$line"
	sleep 0.05
done <"$T/text") | bpe-encode | $G | sum)" "$(sum <"$T/want")" 'a slow pipe'
(cat "$T/text"; yes 'A film of' | head -n 70) | bpe-encode -o "$T/groups"
for options in '' '--temperature 1 --seed 7'; do
	# shellcheck disable=SC2086
	is "$($G $options -j 1 "$T/groups" | sum)" \
	    "$($G $options -j 3 "$T/groups" | sum)" \
	    "three groups, any number of threads: ${options:-greedy}"
	# shellcheck disable=SC2086
	$G $options "$T/tok" | ids | sed -n 2p >"$T/a"
	# shellcheck disable=SC2086
	(sed -n 4p "$T/text"; sed -n 2p "$T/text"; yes 'A film of' | head -n 40) | bpe-encode |
		$G $options | ids | sed -n 2p >"$T/b"
	is "$(cat "$T/b")" "$(cat "$T/a")" "other neighbours: ${options:-greedy}"
done
is "$($G --temperature 0 --top-k 3 "$T/tok" | sum)" "$(sum <"$T/want")" \
    '--temperature 0 is greedy'
is "$($G --temperature 1 --top-k 1 "$T/tok" | sum)" "$(sum <"$T/want")" \
    '--top-k 1 too'
is "$($G --temperature 1 --top-p 0.000001 "$T/tok" | sum)" \
    "$(sum <"$T/want")" 'and --top-p of next to nothing'
is "$(for s in 1 2 3; do $G --temperature 1 --seed $s "$T/tok" | sum; done |
    sort -u | wc -l)" 3 'three seeds, three texts'

# ---- what comes out ----
is "$(bpe-decode "$T/want" | cut -c 1-6)" "$(cut -c 1-6 "$T/text" |
    sed '3s/.*/i '"'"'ve /')" 'prompts with their continuations'
is "$($G --only-new "$T/tok" | ids | sed -n 1p)" \
    "$(ids "$T/want" | sed -n 1p | cut -d ' ' -f "$(($(ids "$T/tok" |
	sed -n 1p | wc -w) + 1))-")" '--only-new'
is "$($G -n 3 --only-new "$T/tok" | ids | awk '{ print NF }' | tr '\n' ' ')" \
    '3 3 3 3 3 ' '-n'
is "$(printf 'a\tx\ty\n' | bpe-encode --format tsv --text 1 --label 2 --id 3 |
    $G -n 2 | stream-cat --to tsv | sed 1d | cut -f 2,3 | sort -u)" \
    "$(printf 'y\tx')" 'ids and labels go along'
stop=$(bpe-decode "$T/want" | sed -n 1p | cut -d ' ' -f 5)
is "$(echo 'The movie was' | bpe-encode | $G --stop "$stop" | bpe-decode)" \
    "$(bpe-decode "$T/want" | sed -n 1p | cut -d ' ' -f 1-5)" '--stop'
perl -e 'print "a film and "x 200, "\n"' | bpe-encode --exact |
	$G -n 5 -o "$T/out" 2>"$T/err"
is "$(stream-cat --to tsv "$T/out" | sed -n 2p | cut -f 4 | wc -w) $(cat "$T/err")" \
    "251 $G: of 1 of 1 prompts only the end fitted" 'a prompt without room'
perl -e 'print "a film and " x 85, "\n"' | bpe-encode |
	$G -n 50 -o "$T/out" 2>"$T/err"
is "$(ids "$T/out" | wc -w) $(cat "$T/err")" \
    "256 $G: 1 of 1 continuations ended with the context of 256 tokens" \
    'the end of the context'
coproc LINE { $G -n 4 | bpe-decode; }
echo 'The movie was' | bpe-encode | head -c -64 >"$T/open"
cat "$T/open" >&"${LINE[1]}"
read -r -n 14 -t 20 answer <&"${LINE[0]}"
is "$answer" 'The movie was' 'an answer before the stream ends'
eval "exec ${LINE[1]}>&-"
cat <&"${LINE[0]}" >/dev/null 2>&1 || true
wait 2>/dev/null

# ---- choices ----
choose() { $G --choice ' great=good' --choice ' really awful=bad' "$@" "$T/tok"; }
is "$(choose | wc -l)" 5 'a line a record'
is "$(choose -j 1 | sum)" "$(choose | sum)" 'any number of threads'
is "$(choose --all | sed -n '1p;2s/[0-9]/N/gp')" \
    "$(printf 'good\tbad\nN.NNNNNN\tN.NNNNNN')" '--all'
is "$(choose --all | sed 1d | awk '{ s = $1 + $2; bad += s < .999998 || s > 1.000002 }
    END { print bad + 0 }')" 0 'they sum to 1'
is "$(choose --format jsonl | perl -MJSON::PP -ne '
    print exists decode_json($_)->{prob} ? 1 : 0')" 11111 'JSON'
is "$($G --choice ' great' --choice ' good=great' --choice ' bad' --all "$T/tok" |
    head -n 1)" "$(printf 'great\tbad')" 'two texts for one label'
is "$(choose --prior ' This movie was' --all | cmp -s - <(choose --all); echo $?)" \
    1 '--prior makes a difference'
is "$(printf '\n\n' | bpe-encode | $G --choice ' a=x' --choice ' b=y' --prior '' \
    --all | sed 1d | sort -u)" "$(printf '0.500000\t0.500000')" \
    'after the prior itself all are alike'

# ---- precision ----
# Many prompts' rows are made ready for all threads, one prompt's are not.
for ((i = 0; i < 4; i++)); do cat "$T/tok"; done >"$T/many"
head -n 1 "$T/text" | bpe-encode >"$T/one"
for p in f32 bf16 int8; do
	for t in many one; do
		$G --precision $p -n 30 --temperature 1 "$T/$t" | bpe-decode |
			head -n 1
		$G --precision $p --choice ' great' --choice ' really awful' \
		    --all "$T/$t" | sed -n 2p
	done >"$T/both"
	is "$(head -n 2 "$T/both")" "$(tail -n 2 "$T/both")" \
	    "$p: alone and among others"
done
for p in bf16 int8; do
	is "$($G --precision $p -j 1 "$T/tok" | sum)" \
	    "$($G --precision $p "$T/tok" | sum)" "$p: any number of threads"
	is "$(paste <(choose --precision $p --all) <(choose --all) | sed 1d |
	    awk '{ d = $1 - $3; bad += d > .1 || d < -.1 } END { print bad + 0 }')" \
	    0 "$p: near to float32"
done

# ---- refusals ----
fails 1 "$G: stdin: hidden-state stream, want token stream" 'hidden states' \
    $G < <(gpt2-embed "$T/tok")
fails 1 "$G: stdin: made with another vocabulary (300 tokens, examples/mini has 8192): run bpe-encode -m examples/mini" \
    'another vocabulary' $G < <(bpe-encode -m tests/tiny "$T/text")
perl -e 'print "a film and " x 200, "\n"' >"$T/long"
fails 1 "$G: stdin: record 6: split; use bpe-encode --long tail" 'split' \
    $G -o "$T/o" < <(cat "$T/text" "$T/long" | bpe-encode -q)
while IFS='|' read -r args message; do
	eval "list=($args)"
	# shellcheck disable=SC2154
	fails 2 "$G: $message" "$args" $G "${list[@]}" "$T/none"
done <<'END'
-n 0|-n: want 1..1048576
--choice ' a'|--choice: want two at least
--choice ' a' --choice ' a'|--choice: " a" comes twice
--choice '' --choice b|--choice: want TEXT or TEXT=LABEL
--choice 'a=' --choice b|--choice: want TEXT or TEXT=LABEL
--prior x|--prior: want --choice
--stop ''|--stop: want 1 to 64 texts
--top-p 0|--top-p: want a number from 1e-06 to 1
--temperature -1|--temperature: want a number from 0 to 100
END
fails 1 "$G: stdout: No space left on device" 'a full disk' \
    bash -c "$G '$T/tok' >/dev/full"
(yes 'a film' | head -n 3000 | bpe-encode | $G -n 200; echo "${PIPESTATUS[2]}" \
    >"$T/rc") | head -c 100 >/dev/null
is "$(cat "$T/rc")" 141 'a reader that goes away'

# ---- examples/probe.sh: head, zero-shot label and continuation ----
COLUMNS=120 examples/probe.sh >"$T/probe"
is "$(cut -c 1-8 "$T/probe")" "$(echo 'head    '
	bpe-encode examples/reviews.txt | gpt2-embed | head-predict -q | cut -f 1)" \
    'probe.sh: what the head says'
bpe-encode --long tail --suffix ' This movie was' examples/reviews.txt >"$T/ask"
is "$(cut -c 17-24 "$T/probe" | sed 1d)" \
    "$(gpt2-generate --choice ' great=positive' --choice ' terrible=negative' \
	--prior 'This movie was' "$T/ask" | cut -f 1)" 'what GPT-2 says'
is "$(cut -c 33-67 "$T/probe" | sed '1d; s/ *$//')" \
    "$(gpt2-generate -n 10 --only-new "$T/ask" | bpe-decode |
	cut -c 1-35 | sed 's/ *$//')" 'what it writes'
is "$(cut -c 69-100 "$T/probe" | sed 1d)" "$(cut -c 1-32 examples/reviews.txt)" \
    'and the reviews'
printf 'It was caf\303\251\n' >"$T/cafe"
is "$(COLUMNS=78 examples/probe.sh -n 1 "$T/cafe" | sed -n '2s/.*  //p')" \
    'It was caf' 'no half characters'

# ---- PyTorch ----
torch=../shared/reference/gpt2_torch.py
if [ ! -f $torch ] || ! /usr/bin/python3 -c 'import torch, regex' 2>/dev/null; then
	skip 'as PyTorch continues' 'no ../shared or no PyTorch'
	done_testing
	exit
fi
sed -n 2,101p ../shared/data/sst2/dev.tsv | cut -f 1 | sed 's/ *$//' >"$T/texts"
head -n 10 "$T/texts" >"$T/ten"
logits() { # MODEL
	/usr/bin/python3 $torch logits "$1" "$T/l.npy" <"$T/texts"
	/usr/bin/python3 -c 'import sys, numpy
numpy.load(sys.argv[1]).tofile(sys.argv[2])' "$T/l.npy" "$T/l.f32"
	bpe-encode -m "$1" "$T/texts" >"$T/texts.tok"
	"$UNITS/logits" "$T/texts.tok" "$1" "$T/l.f32" 1e-4 >"$T/out"
	is "$? $(grep -c '^ok' "$T/out")" '0 3' \
	    "$2: $(sed -n 's/^ok 3 - //p' "$T/out")"
}
logits examples/mini 'the small model'
/usr/bin/python3 $torch random "$T/small" 12 12 768 1024 \
    ../shared/models/gpt2-tokenizer 1
logits "$T/small" "GPT-2 small's shape"
rm -r "${T:?}/small"
is "$(bpe-encode "$T/ten" | $G -n 40 | ids)" \
    "$(/usr/bin/python3 $torch generate examples/mini 40 <"$T/ten" |
	tr -d '[],')" 'the continuations of PyTorch'
/usr/bin/python3 $torch logprob examples/mini ' great' <"$T/ten" >"$T/a"
/usr/bin/python3 $torch logprob examples/mini ' really awful' <"$T/ten" >"$T/b"
is "$(bpe-encode "$T/ten" | $G --choice ' great=g' --choice ' really awful=a' \
    --all | sed 1d | paste - "$T/a" "$T/b" | awk '{ d = 1 / (1 + exp($4 - $3)) - $1
	bad += d > 1e-5 || d < -1e-5 } END { print bad + 0, NR }')" '0 10' \
    'the choices of PyTorch'
/usr/bin/python3 $torch logits examples/mini "$T/logits.npy" <<<'The movie was'
chi() { # KEPT OPTION...: chi square of first tokens, most probable first
	local keep=$1
	shift
	yes 'The movie was' | head -n "${DRAWS:-1500}" | bpe-encode |
		$G -n 1 --only-new --temperature 1 "$@" | ids >"$T/first"
	/usr/bin/python3 - "$T/logits.npy" "$T/first" "$keep" <<'END'
import sys, numpy as np
z = np.load(sys.argv[1]).astype(float).ravel()
p = np.exp(z - z.max()); p /= p.sum()
order = np.argsort(-p, kind="stable")
rule, value = sys.argv[3].split("=")
if rule == "k": keep = order[:int(value)]
elif rule == "p": keep = order[:np.searchsorted(np.cumsum(p[order]), float(value)) + 1]
else:
    p = np.exp((z - z.max()) / float(value)); p /= p.sum(); keep = np.argsort(-p, kind="stable")
q = p[keep] / p[keep].sum()
n = [int(x) for x in open(sys.argv[2]).read().split()]
count = {t: n.count(t) for t in set(n)}
assert set(count) <= set(keep.tolist()), "a token that was left out"
big = [i for i in range(len(keep)) if q[i] * len(n) >= 10]
obs = [count.get(int(keep[i]), 0) for i in big]; exp = [q[i] * len(n) for i in big]
if len(n) - sum(exp) > 5: obs.append(len(n) - sum(obs)); exp.append(len(n) - sum(exp))
chi = sum((o - e) ** 2 / e for o, e in zip(obs, exp)); f = len(obs) - 1
print("good" if chi < f + 4.5 * (2 * f) ** 0.5 else "bad %g of %d" % (chi, f))
END
}
is "$(chi t=1)" good 'the distribution: --temperature 1'
is "$(chi t=0.7 --temperature 0.7)" good '--temperature 0.7'
is "$(chi k=12 --top-k 12)" good '--top-k'
is "$(chi p=0.6 --top-p 0.6)" good '--top-p'
done_testing
