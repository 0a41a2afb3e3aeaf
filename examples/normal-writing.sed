# SST-2's text is lower-cased and has blanks around punctuation; this puts
# "LABELLED TEXT<TAB>LABEL" lines back into the writing of ordinary people.
# Use: sed -E -f normal-writing.sed
1!{
s/-lrb- */(/g
s/ *-rrb-/)/g
s/`` */"/g
s/ *''/"/g
s/ (n't|'s|'re|'ve|'ll|'d|'m)\b/\1/g
s/ (\.\.\.|[.,;:!?])/\1/g
s/\b(can|wo|ai|do|gon|got) (not|na|ta)\b/\1\2/g
s/\bi\b/I/g
s/s ' /s' /g
s/ +\t/\t/
s/^ *[,.;:] *//
s/^ *["(]?[a-z]/\U&/
}
