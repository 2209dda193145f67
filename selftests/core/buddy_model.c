// SPDX-License-Identifier: MIT
/*
 * The buddy allocator against the naive model, by random operations.
 *
 * Guards against anything that only a long history brings out: a merge that
 * misses or takes a stranger for a buddy, masks that go stale below a free run
 * and are read after it is split, counters that drift, a refusal that has
 * changed something.
 */
#include <kselftest_harness.h>

#include "buddymodel.h"
#include "pattern.h"

#define DEFAULT_OPS	2500000
/* Looking at everything costs more than an operation. */
#define OPS_PER_LOOK	16
/* A new allocator, of another size, after so many. */
#define OPS_PER_LIFE	5000

/* What a history is made of, in shares of 100. */
struct mix {
	unsigned int alloc, alloc_last, free_block, free_wild, cut, shatter,
		     zero;
	uint32_t max_order;
};

/* A taken block, as [start, start + nr), or nothing. */
static bool pick_block(const struct buddy_model *m, uint64_t *rng,
		       uint32_t *start, uint32_t *nr)
{
	uint32_t from = (uint32_t)rnd_below(rng, m->nr), i;

	for (i = 0; i < m->nr; i++) {
		*start = (from + i) % m->nr;
		if (m->is_head[*start])
			break;
	}
	if (i == m->nr)
		return false;
	for (*nr = 1; is_inside_block(m, *start + *nr); (*nr)++)
		;
	return true;
}

static const char *step(struct buddy_model *m, const struct mix *mix,
			uint64_t *rng)
{
	uint32_t what = (uint32_t)rnd_below(rng, 100), start, nr;

	if (what < mix->alloc)
		return model_alloc(m, (enum buddy_kind)rnd_below(rng, 3),
				   (uint32_t)rnd_below(rng, mix->max_order + 2));
	what -= mix->alloc;
	if (what < mix->alloc_last)
		return model_alloc_last(m, (enum buddy_kind)rnd_below(rng, 3),
					(uint32_t)rnd_below(rng, mix->max_order + 2));
	what -= mix->alloc_last;
	if (what < mix->free_wild)
		return model_free(m, (uint32_t)rnd_below(rng, m->nr + 2),
				  (uint32_t)rnd_below(rng, m->nr + 2), false);
	what -= mix->free_wild;
	if (what < mix->zero) {
		const char *bad = model_find_dirty(m);

		return bad ? bad : model_set_zeroed(m, (uint32_t)
						    rnd_below(rng, m->nr + 2));
	}
	what -= mix->zero;

	if (!pick_block(m, rng, &start, &nr))
		return NULL;
	if (what < mix->free_block)
		return model_free(m, start, nr, rnd(rng) & 1);
	what -= mix->free_block;
	if (what < mix->cut)
		return model_cut(m, start, (uint32_t)rnd_below(rng, 2 * nr));
	return model_shatter(m, start);
}

FIXTURE(history) {
	struct buddy_model model;
};

FIXTURE_VARIANT(history) {
	struct mix mix;
};

/* Mostly full, so that ENOMEM and best fit are exercised. */
FIXTURE_VARIANT_ADD(history, crowded) {
	.mix = { .alloc = 50, .free_block = 35, .cut = 5, .zero = 5,
		 .free_wild = 3, .shatter = 2, .max_order = 4 },
};

/* Mostly empty, so that everything merges all the time. */
FIXTURE_VARIANT_ADD(history, empty) {
	.mix = { .alloc = 20, .free_block = 50, .cut = 10, .zero = 10,
		 .free_wild = 5, .shatter = 5, .max_order = 8 },
};

/* Small blocks and much zeroing: mixed runs at every level. */
FIXTURE_VARIANT_ADD(history, patchwork) {
	.mix = { .alloc = 30, .free_block = 30, .cut = 0, .zero = 38,
		 .free_wild = 2, .shatter = 0, .max_order = 1 },
};

/* Spans trimmed and given back in pieces. */
FIXTURE_VARIANT_ADD(history, cutting) {
	.mix = { .alloc = 25, .free_block = 30, .cut = 30, .zero = 5,
		 .free_wild = 5, .shatter = 5, .max_order = 6 },
};

/* A pool that grows and shrinks: units come back and are taken from the end. */
FIXTURE_VARIANT_ADD(history, both_ends) {
	.mix = { .alloc = 20, .alloc_last = 25, .free_block = 40, .cut = 5,
		 .zero = 5, .free_wild = 3, .shatter = 2, .max_order = 3 },
};

FIXTURE_SETUP(history)
{
}

FIXTURE_TEARDOWN(history)
{
}

TEST_F(history, agrees_with_the_model)
{
	uint64_t rng = test_seed(), ops = test_ops(DEFAULT_OPS) / 5, i;
	struct buddy_model *m = &self->model;
	const char *bad = NULL;

	for (i = 0; i < ops; i++) {
		if (i % OPS_PER_LIFE == 0) {
			/* Small ones more often: their edges are near. */
			uint32_t nr = 1 + (uint32_t)
				rnd_below(&rng, 1 + rnd_below(&rng, 256));

			model_exit(m);
			ASSERT_EQ(NULL, model_init(m, nr, rnd(&rng) & 1));
		}
		bad = step(m, &variant->mix, &rng);
		if (!bad && i % OPS_PER_LOOK == 0)
			bad = model_compare(m);
		ASSERT_EQ(NULL, bad) {
			TH_LOG("step %llu, %u units: %s",
			       (unsigned long long)i, m->nr, bad);
		}
	}
	EXPECT_EQ(NULL, model_compare(m));
	model_exit(m);
}

TEST_HARNESS_MAIN
