#!/bin/bash
# What the fuzz targets have kept, run again: seeds, finds and crashes.
. "$(dirname "$0")/lib.sh"
for target in text vocabulary merges stream; do
	set -- tests/fuzz/corpus/"$target"/*
	is "$("$REPLAY/$target" "$@" 2>&1)" "$# inputs" "$target: $# inputs"
done
done_testing
