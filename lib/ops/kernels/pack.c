/* A template, see tile.h: weights without scales, packed for product.c. */
#include "ops/kernels/tile.h"

/* packed (panels, words, PANEL) from w (K, N); zeros fill it up. */
static void
KIND(pack)(float *packed, const float *w, size_t K, size_t N)
{
	for (size_t j = 0; j < num_round(N, PANEL); j += LANES) {
		size_t n = j < N ? num_min(LANES, N - j) : 0;
		size_t words = KIND(count)(K), k = 0;
		float *to = packed + j / PANEL * words * PANEL + j % PANEL;

		for (size_t i = 0; i < words; i++, to += PANEL) {
			vec_store(
			    to, n > 0 && k < K
				    ? KIND(across)(w + k * N + j, N, K - k, n)
				    : vec_all(0));
			k += KIND(PER_WORD);
		}
	}
}
