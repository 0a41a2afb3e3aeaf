# shellcheck shell=bash
# Sourced by the tests: a directory $T of their own, the repository's root as
# working directory, and TAP. A test ends with done_testing.
T=$(mktemp -d) || exit 1
trap 'chmod -R u+w "$T"; rm -rf "$T"' EXIT
cd "$(dirname "$0")/.." || exit 1
unset GPT2_MODEL GPT2_HEAD TMPDIR
export HF_HUB_CACHE="$T/hub"
n=0

is() { # GOT WANT NAME
	n=$((n + 1))
	if [ "$1" = "$2" ]; then
		echo "ok $n - $3"
	else
		echo "not ok $n - $3"
		printf '%s\n' "got:  $1" "want: $2" | sed 's/^/# /'
	fi
}
skip() { # NAME WHY
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}
fails() { # STATUS MESSAGE NAME COMMAND...: $T is T in it, this directory nothing
	local status=$1 message=$2 name=$3
	shift 3
	"$@" >"$T/stdout" 2>"$T/stderr"
	is "$? $(sed "s,$T,T,g; s,$PWD/,,g" "$T/stderr")" "$status $message" "$name"
}
inject() { # STRACE-OPTION... COMMAND...: with system calls that fail
	strace -E ASAN_OPTIONS=detect_leaks=0 -f -qq -o /dev/null "$@"
}
sum() { # the same for equal bytes on stdin
	sha256sum | cut -c 1-16
}
done_testing() {
	echo "1..$n"
}
