/* The last bits of a folded classifier; see fold.h. */
#include "head/fold.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* x, or its neighbour on that side. */
static float
step(float x, char sign)
{
	if (sign == '0')
		return x;
	return nextafterf(x, sign == '+' ? INFINITY : -INFINITY);
}

char *
fold_signs(const float *s, size_t n, float T)
{
	static const char signs[] = "0+-";
	char *text = malloc(n + 1);

	for (size_t i = 0; text && i < n; i++) {
		float back = s[i] / T * T;
		size_t k = 0;

		while (k < 3 && step(back, signs[k]) != s[i])
			k++;
		if (k == 3) {
			free(text);
			return NULL;
		}
		text[i] = signs[k];
	}
	if (text)
		text[n] = '\0';
	return text;
}

void
fold_undo(float *s, size_t n, float T, const char *signs)
{
	bool fit = signs && strlen(signs) == n && strspn(signs, "0+-") == n;

	for (size_t i = 0; i < n; i++)
		s[i] = fit ? step(s[i] * T, signs[i]) : s[i] * T;
}
