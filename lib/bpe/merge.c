/*
 * Merging: of all pairs of neighbours the one of lowest rank is joined, all
 * its occurrences from left to right, until no pair has a rank.
 */
#include "bpe/merge.h"

#include <stdlib.h>
#include <string.h>

#include "sys/why.h"

/* ---- short ---- */

/*
 * A token lies at the position of its first byte; alive has a bit for each.
 * The pair that begins there has a key, its rank and position, so that the
 * least key is the leftmost pair of the lowest rank. Keys stand in groups
 * with their minima beside them: a merge looks at two or three groups and the
 * minima only.
 */
enum { GROUP = 8, GROUPS = MERGE_SHORT / GROUP, POSITION_BITS = 6 };

#define NO_KEY UINT32_MAX

struct merging {
	uint64_t alive;
	uint32_t keys[MERGE_SHORT];
	uint32_t least[GROUPS];
	uint32_t tokens[MERGE_SHORT];
};

static inline uint32_t
least_of(const uint32_t *keys)
{
	uint32_t a = keys[0] < keys[1] ? keys[0] : keys[1];
	uint32_t b = keys[2] < keys[3] ? keys[2] : keys[3];
	uint32_t c = keys[4] < keys[5] ? keys[4] : keys[5];
	uint32_t d = keys[6] < keys[7] ? keys[6] : keys[7];

	a = a < b ? a : b;
	c = c < d ? c : d;
	return a < c ? a : c;
}

static inline uint32_t
make_key(uint32_t rank, size_t at)
{
	return rank == NO_RANK ? NO_KEY : rank << POSITION_BITS | (uint32_t)at;
}

/* The least key of a group that has changed. */
static inline void
refresh(struct merging *m, size_t group)
{
	m->least[group] = least_of(m->keys + group * GROUP);
}

/* Joins the pair at a position. */
static inline void
join_at(const struct bpe *b, struct merging *m, size_t at, uint32_t result)
{
	uint64_t behind = m->alive & ~(uint64_t)1 << at;
	uint64_t before = m->alive & (((uint64_t)1 << at) - 1);
	size_t next = (size_t)__builtin_ctzll(behind);

	behind &= behind - 1;
	m->alive ^= (uint64_t)1 << next;
	m->tokens[at] = result;
	m->keys[next] = m->keys[at] = NO_KEY;
	if (behind) {
		size_t right = (size_t)__builtin_ctzll(behind);

		m->keys[at] =
		    make_key(vocab_rank(b, result, m->tokens[right]), at);
	}
	if (before) {
		size_t left = 63 - (size_t)__builtin_clzll(before);

		m->keys[left] =
		    make_key(vocab_rank(b, m->tokens[left], result), left);
		if (left / GROUP != at / GROUP)
			refresh(m, left / GROUP);
	}
	refresh(m, at / GROUP);
	if (next / GROUP != at / GROUP)
		refresh(m, next / GROUP);
}

size_t
merge_short(const struct bpe *b, uint32_t *tokens, const uint8_t *p, size_t len)
{
	struct merging m;
	const size_t groups = (len + GROUP - 1) / GROUP;
	size_t n = 0;

	m.alive = ~(uint64_t)0 >> (64 - len);
	memset(m.keys, 0xff, groups * GROUP * sizeof(*m.keys));
	memset(m.least, 0xff, sizeof(m.least));
	for (size_t i = 0; i < len; i++)
		m.tokens[i] = b->byte_token[p[i]];
	for (size_t i = 0; i + 1 < len; i++)
		m.keys[i] = make_key(b->byte_rank[p[i] << 8 | p[i + 1]], i);
	for (size_t i = 0; i < groups; i++)
		m.least[i] = least_of(m.keys + GROUP * i);
	for (;;) {
		uint32_t key = least_of(m.least);

		if (key == NO_KEY)
			break;
		join_at(b, &m, key % MERGE_SHORT,
		    b->merges[key >> POSITION_BITS].result);
	}
	for (uint64_t alive = m.alive; alive; alive &= alive - 1)
		tokens[n++] = m.tokens[__builtin_ctzll(alive)];
	return n;
}

/* ---- long ---- */

/*
 * A token lies at the position of its first byte. Positions whose token can
 * be merged with the next hang in a list for each rank; the ranks with lists
 * that are not empty stand in two levels of bits. Every merge removes a token
 * and changes two pairs, so the work is proportional to the bytes. Within a
 * rank the order does not matter: occurrences of a pair overlap only where
 * both tokens are equal, and such a run is taken from its left end at once.
 */
#define NONE UINT32_MAX
#define IS_HEAD 0x80000000u /* in before: first in the list of that rank */

struct place {
	uint32_t token;
	uint32_t left;	 /* where the token before lies, or NONE */
	uint32_t before; /* in the list; NONE: in no list */
	uint32_t after;	 /* in the list, or NONE */
};

struct merger {
	const struct bpe *bpe;
	uint32_t *heads; /* (M): a list's first position, or NONE */
	uint64_t *bits;	 /* which lists are not empty */
	uint64_t *words; /* which words of bits are not 0 */
	size_t n_words;
	struct place *places;
	size_t room, len;
};

struct merger *
merger_open(const struct bpe *b, char *why)
{
	struct merger *m = calloc(1, sizeof(*m));
	size_t n_bits = b->n_merges / 64 + 1;

	if (m == NULL)
		return why_memory(why);
	m->bpe = b;
	m->n_words = n_bits / 64 + 1;
	m->heads = malloc((b->n_merges + 1) * sizeof(*m->heads));
	m->bits = calloc(n_bits, sizeof(*m->bits));
	m->words = calloc(m->n_words, sizeof(*m->words));
	if (!m->heads || !m->bits || !m->words) {
		merger_free(m);
		return why_memory(why);
	}
	memset(m->heads, 0xff, (b->n_merges + 1) * sizeof(*m->heads));
	return m;
}

void
merger_free(struct merger *m)
{
	if (m == NULL)
		return;
	free(m->heads);
	free(m->bits);
	free(m->words);
	free(m->places);
	free(m);
}

static size_t
next_place(const struct merger *m, size_t at)
{
	const uint32_t *start = m->bpe->start + m->places[at].token;

	return at + (start[1] - start[0]);
}

static void
list_add(struct merger *m, uint32_t rank, uint32_t at)
{
	uint32_t head = m->heads[rank];

	if (head == NONE) {
		m->bits[rank / 64] |= (uint64_t)1 << rank % 64;
		m->words[rank / 4096] |= (uint64_t)1 << rank / 64 % 64;
	} else {
		m->places[head].before = at;
	}
	m->places[at].before = IS_HEAD | rank;
	m->places[at].after = head;
	m->heads[rank] = at;
}

static void
list_remove(struct merger *m, uint32_t at)
{
	struct place *p = &m->places[at];
	uint32_t rank = p->before & ~IS_HEAD;

	if (p->before == NONE)
		return;
	if (p->after != NONE)
		m->places[p->after].before = p->before;
	if (!(p->before & IS_HEAD)) {
		m->places[p->before].after = p->after;
	} else if ((m->heads[rank] = p->after) == NONE) {
		m->bits[rank / 64] &= ~((uint64_t)1 << rank % 64);
		if (m->bits[rank / 64] == 0)
			m->words[rank / 4096] &=
			    ~((uint64_t)1 << rank / 64 % 64);
	}
	p->before = NONE;
}

/* The lowest rank with a list, or NO_RANK. */
static uint32_t
lowest_rank(const struct merger *m)
{
	for (size_t i = 0; i < m->n_words; i++) {
		size_t word;

		if (m->words[i] == 0)
			continue;
		word = i * 64 + (size_t)__builtin_ctzll(m->words[i]);
		return (uint32_t)(word * 64 +
				  (size_t)__builtin_ctzll(m->bits[word]));
	}
	return NO_RANK;
}

/* Lists the pair of the token at left with the one at right, if it can. */
static void
add_pair(struct merger *m, uint32_t left, uint32_t right)
{
	uint32_t rank =
	    vocab_rank(m->bpe, m->places[left].token, m->places[right].token);

	if (rank != NO_RANK)
		list_add(m, rank, left);
}

/* Joins the token at a position with the next. */
static void
join(struct merger *m, uint32_t at, uint32_t result)
{
	struct place *p = &m->places[at];
	uint32_t left = p->left;
	size_t next = next_place(m, at);

	list_remove(m, at);
	list_remove(m, (uint32_t)next);
	p->token = result;
	if (left != NONE) {
		list_remove(m, left);
		add_pair(m, left, at);
	}
	next = next_place(m, at);
	if (next < m->len) {
		m->places[next].left = at;
		add_pair(m, at, (uint32_t)next);
	}
}

/* Joins a run of equal tokens two by two, of which one lies at a position. */
static void
join_run(struct merger *m, size_t at, const struct merge *merge)
{
	uint32_t left;

	while ((left = m->places[at].left) != NONE &&
	       m->places[left].token == merge->left)
		at = left;
	for (;;) {
		size_t next = next_place(m, at);

		if (next >= m->len || m->places[next].token != merge->left)
			break;
		join(m, (uint32_t)at, merge->result);
		at = next_place(m, at);
		if (at >= m->len || m->places[at].token != merge->left)
			break;
	}
}

static int
fill_places(struct merger *m, const uint8_t *p, size_t len, char *why)
{
	const struct bpe *b = m->bpe;

	if (len > m->room) {
		free(m->places);
		m->room = 0;
		m->places = malloc(len * sizeof(*m->places));
		if (m->places == NULL) {
			why_memory(why);
			return -1;
		}
		m->room = len;
	}
	m->len = len;
	for (size_t i = 0; i < len; i++)
		m->places[i] = (struct place){ b->byte_token[p[i]],
			(uint32_t)i - 1, NONE, NONE };
	for (size_t i = 0; i + 1 < len; i++) {
		uint32_t rank = b->byte_rank[p[i] << 8 | p[i + 1]];

		if (rank != NO_RANK)
			list_add(m, rank, (uint32_t)i);
	}
	return 0;
}

size_t
merge_long(
    struct merger *m, uint32_t *tokens, const uint8_t *p, size_t len, char *why)
{
	uint32_t rank;
	size_t n = 0;

	if (fill_places(m, p, len, why) < 0)
		return SIZE_MAX;
	while ((rank = lowest_rank(m)) != NO_RANK) {
		const struct merge *merge = &m->bpe->merges[rank];

		while (m->heads[rank] != NONE) {
			if (merge->left == merge->right)
				join_run(m, m->heads[rank], merge);
			else
				join(m, m->heads[rank], merge->result);
		}
	}
	for (size_t at = 0; at < len; at = next_place(m, at))
		tokens[n++] = m->places[at].token;
	return n;
}
