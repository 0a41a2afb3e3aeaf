# Reads targets, then results: medians over the repetitions; a ratio is the
# median of the repetitions' own ratios, which ran side by side.
BEGIN { FS = "\t" }

FNR == 1 { file++ }

file == 1 {
	if (/^[^#]/)
		target[++targets] = $0
	next
}

FNR > 1 {
	i = ++count[$2]
	seconds[$2, i] = $4
	rate[$2, i] = $5 / $4
	if ($6 > peak[$2])
		peak[$2] = $6
	if (i == 1)
		name[++names] = $2
}

function median(values, n, i, j, t) {
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && values[j - 1] > values[j]; j--) {
			t = values[j]
			values[j] = values[j - 1]
			values[j - 1] = t
		}
	return (values[int((n + 1) / 2)] + values[int(n / 2) + 1]) / 2
}

function ratio(own, peer, factor, i, n, values) {
	n = count[own] < count[peer] ? count[own] : count[peer]
	for (i = 1; i <= n; i++)
		values[i] = rate[own, i] * factor / rate[peer, i]
	return median(values, n)
}

function value(own, unit, factor, i, values) {
	for (i = 1; i <= count[own]; i++)
		values[i] = unit == "ms" ? seconds[own, i] * factor : \
		    rate[own, i] * factor
	return median(values, count[own])
}

function verdict(line, f, v, absolute, unit) {
	split(line, f, FS)
	absolute = f[3] == "MB/s" || f[3] == "M/s" || f[3] == "ms"
	if (!count[f[2]] || !absolute && !count[f[3]]) {
		missing[++missings] = f[1]
		return
	}
	v = absolute ? value(f[2], f[3], f[4]) : ratio(f[2], f[3], f[4])
	unit = absolute ? " " f[3] : ""
	printf "%-52s %9.4g%-5s %s %g%s\n", f[1], v, unit,
	    f[3] == "ms" ? "<=" : ">=", f[5],
	    (f[3] == "ms" ? v <= f[5] : v >= f[5]) ? "" : "  missed"
}

function megabytes(own) {
	return peak[own] / 1024
}

END {
	printf "%-52s %14s %s\n", "", "median", "target"
	for (i = 1; i <= targets; i++)
		verdict(target[i])
	for (i = 1; i <= missings; i++)
		printf "not measured: %s\n", missing[i]
	for (i = 1; i <= names; i++) {
		if (name[i] !~ /^growth-/)
			continue
		if (!grown++)
			printf "\n%-28s %12s %12s %9s\n", "growth", "seconds",
			    "tokens/s", "peak MiB"
		printf "%-28s %12.2f %12.0f %9.0f\n",
		    substr(name[i], 8), seconds[name[i], 1],
		    rate[name[i], 1], megabytes(name[i])
	}
}
