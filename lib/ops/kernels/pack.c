/* A template, see tile.h: weights without scales, packed for product.c. */
#include "ops/kernels/tile.h"

/* packed (panels, words, PANEL) from w (K, N); zeros fill the last panel. */
static void
KIND(pack)(float *packed, const float *w, size_t K, size_t N)
{
	for (size_t j = 0; j < num_round(N, PANEL); j += LANES) {
		size_t n = j < N ? num_min(LANES, N - j) : 0;
		float *to =
		    packed + j / PANEL * KIND(count)(K) * PANEL + j % PANEL;

		for (size_t k = 0; k < K; k += KIND(PER_WORD), to += PANEL)
			vec_store(
			    to, n > 0 ? KIND(across)(w + k * N + j, N, K - k, n)
				      : vec_all(0));
	}
}
