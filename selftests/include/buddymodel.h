/* SPDX-License-Identifier: MIT */
/*
 * A buddy allocator and, beside it, a model so simple that it is right: one
 * entry per unit, every question answered by looking at all of them. Each
 * model_*() asks both the same and says how they differ, so that random
 * operations (selftests/core/buddy_model.c) and a fuzzer
 * (selftests/fuzz/buddy.c) find what nobody thought of.
 *
 * The arguments may be any numbers: what must be refused is predicted too.
 */
#ifndef SELFTEST_BUDDYMODEL_H
#define SELFTEST_BUDDYMODEL_H

#include <stdlib.h>

#include "buddy_check.h"

#ifndef HELPER
#define HELPER static inline __attribute__((unused))
#endif

#define MODEL_MAX_UNITS 260
#define MODEL_MAX_ORDER 9

enum model_state { UNIT_DIRTY, UNIT_ZEROED, UNIT_TAKEN };

struct buddy_model {
	struct buddy b;
	void *metadata;
	uint32_t nr;
	enum model_state state[MODEL_MAX_UNITS];
	bool was_zeroed[MODEL_MAX_UNITS];	/* of taken units */
	bool is_head[MODEL_MAX_UNITS];		/* a taken block begins here */
};

HELPER const char *model_init(struct buddy_model *m, uint32_t nr, bool zeroed)
{
	uint32_t u;

	memset(m, 0, sizeof(*m));
	m->nr = nr;
	for (u = 0; u < nr; u++)
		m->state[u] = zeroed ? UNIT_ZEROED : UNIT_DIRTY;
	m->metadata = malloc(buddy_metadata_bytes(nr));
	if (!m->metadata || buddy_init(&m->b, nr, m->metadata, zeroed))
		return "init failed";
	return NULL;
}

HELPER void model_exit(struct buddy_model *m)
{
	free(m->metadata);
}

/* ---- what the model says ----------------------------------------------- */

HELPER bool unit_is(const struct buddy_model *m, uint32_t u,
		    enum buddy_kind kind)
{
	if (kind == BUDDY_ZEROED)
		return m->state[u] == UNIT_ZEROED;
	if (kind == BUDDY_DIRTY)
		return m->state[u] == UNIT_DIRTY;
	return m->state[u] != UNIT_TAKEN;
}

/* Are the 2^order units from @start all there and of this kind? */
HELPER bool block_is(const struct buddy_model *m, uint32_t start,
		     uint32_t order, enum buddy_kind kind)
{
	uint32_t u;

	if (start + (1u << order) > m->nr)
		return false;
	for (u = start; u < start + (1u << order); u++)
		if (!unit_is(m, u, kind))
			return false;
	return true;
}

/* A run: such a block that is not half of another one. */
HELPER bool is_run(const struct buddy_model *m, uint32_t start, uint32_t order,
		   enum buddy_kind kind)
{
	return block_is(m, start, order, kind) &&
	       !block_is(m, start >> (order + 1) << (order + 1), order + 1,
			 kind);
}

/* The leftmost of the smallest runs that are large enough, or -1. */
HELPER long best_run(const struct buddy_model *m, enum buddy_kind kind,
		     uint32_t order)
{
	uint32_t o, start;

	for (o = order; o < MODEL_MAX_ORDER; o++)
		for (start = 0; start < m->nr; start += 1u << o)
			if (is_run(m, start, o, kind))
				return (long)start;
	return -1;
}

/*
 * The last block of 2^order units in the rightmost of the smallest runs that
 * are large enough, or -1.
 */
HELPER long last_block(const struct buddy_model *m, enum buddy_kind kind,
		       uint32_t order)
{
	uint32_t o, start;
	long found = -1;

	for (o = order; o < MODEL_MAX_ORDER && found < 0; o++)
		for (start = 0; start < m->nr; start += 1u << o)
			if (is_run(m, start, o, kind))
				found = (long)(start + (1u << o) -
					       (1u << order));
	return found;
}

HELPER bool range_is_taken(const struct buddy_model *m, uint32_t start,
			   uint32_t nr)
{
	uint32_t u;

	for (u = start; u < start + nr; u++)
		if (m->state[u] != UNIT_TAKEN)
			return false;
	return m->is_head[start];
}

/* Does a block reach across this unit's left edge? */
HELPER bool is_inside_block(const struct buddy_model *m, uint32_t u)
{
	return u < m->nr && m->state[u] == UNIT_TAKEN && !m->is_head[u];
}

HELPER bool is_bad_range(const struct buddy_model *m, uint32_t start,
			 uint32_t nr)
{
	return !nr || start >= m->nr || nr > m->nr - start;
}

/* ---- both are asked ---------------------------------------------------- */

/* What an allocation answered, against the block that it should have taken. */
HELPER const char *model_taken(struct buddy_model *m, long want, int err,
			       uint32_t start, uint32_t order)
{
	uint32_t u;

	if (want < 0)
		return err == -ENOMEM ? NULL : "alloc should have failed";
	if (err)
		return "alloc failed though there is a run";
	if (start != (uint32_t)want)
		return "alloc took another run than the best one";
	for (u = start; u < start + (1u << order); u++) {
		m->was_zeroed[u] = m->state[u] == UNIT_ZEROED;
		m->state[u] = UNIT_TAKEN;
		m->is_head[u] = u == start;
	}
	return NULL;
}

HELPER const char *model_alloc(struct buddy_model *m, enum buddy_kind kind,
			       uint32_t order)
{
	long want = order < MODEL_MAX_ORDER ? best_run(m, kind, order) : -1;
	uint32_t start = 0xdeadbeef;
	int err = buddy_alloc(&m->b, kind, order, &start);

	return model_taken(m, want, err, start, order);
}

HELPER const char *model_alloc_last(struct buddy_model *m,
				    enum buddy_kind kind, uint32_t order)
{
	long want = order < MODEL_MAX_ORDER ? last_block(m, kind, order) : -1;
	uint32_t start = 0xdeadbeef;
	int err = buddy_alloc_last(&m->b, kind, order, &start);

	return model_taken(m, want, err, start, order);
}

HELPER const char *model_free(struct buddy_model *m, uint32_t start,
			      uint32_t nr, bool zeroed)
{
	int err = buddy_free(&m->b, start, nr, zeroed);
	uint32_t u;

	if (is_bad_range(m, start, nr))
		return err == -EINVAL ? NULL : "free of no range not refused";
	if (!range_is_taken(m, start, nr) || is_inside_block(m, start + nr))
		return err == -ENOENT ? NULL : "free of no blocks not refused";
	if (err)
		return "free was refused";
	for (u = start; u < start + nr; u++) {
		m->state[u] = zeroed ? UNIT_ZEROED : UNIT_DIRTY;
		m->is_head[u] = false;
	}
	return NULL;
}

/* A block of 2^k units is halved at its middle, and the half that the cut
 * goes through again, until the cut is an edge.
 */
HELPER const char *model_cut(struct buddy_model *m, uint32_t start,
			     uint32_t nr_keep)
{
	int err = buddy_cut(&m->b, start, nr_keep);
	uint32_t cut = start + nr_keep, first, nr;

	if (is_bad_range(m, start, nr_keep))
		return err == -EINVAL ? NULL : "cut out of range not refused";
	if (!range_is_taken(m, start, nr_keep))
		return err == -ENOENT ? NULL : "cut of no block not refused";
	if (err)
		return "cut was refused";
	while (is_inside_block(m, cut)) {
		for (first = cut; !m->is_head[first]; first--)
			;
		for (nr = 1; is_inside_block(m, first + nr); nr++)
			;
		m->is_head[first + nr / 2] = true;
	}
	return NULL;
}

HELPER const char *model_shatter(struct buddy_model *m, uint32_t start)
{
	int err = buddy_shatter(&m->b, start);

	if (start >= m->nr)
		return err == -EINVAL ? NULL : "shatter of no unit not refused";
	if (!m->is_head[start])
		return err == -ENOENT ? NULL : "shatter of no block not refused";
	if (err)
		return "shatter was refused";
	for (start++; is_inside_block(m, start); start++)
		m->is_head[start] = true;
	return NULL;
}

HELPER const char *model_set_zeroed(struct buddy_model *m, uint32_t unit)
{
	int err = buddy_set_zeroed(&m->b, unit);

	if (unit >= m->nr)
		return err == -EINVAL ? NULL : "zeroing of no unit not refused";
	if (m->state[unit] == UNIT_TAKEN)
		return err == -ENOENT ? NULL : "a taken unit was set zeroed";
	m->state[unit] = UNIT_ZEROED;
	return err ? "zeroing was refused" : NULL;
}

HELPER const char *model_find_dirty(struct buddy_model *m)
{
	uint32_t unit = 0xdeadbeef, u;
	int err = buddy_find_dirty(&m->b, &unit);

	for (u = 0; u < m->nr && m->state[u] != UNIT_DIRTY; u++)
		;
	if (u == m->nr)
		return err == -ENOENT ? NULL : "found a dirty unit in none";
	if (err)
		return "did not find a dirty unit";
	return unit == u ? NULL : "found another than the first dirty unit";
}

/* ---- all of it --------------------------------------------------------- */

HELPER const char *model_compare_units(const struct buddy_model *m)
{
	uint32_t u, nr_free = 0, nr_zeroed = 0;

	for (u = 0; u < m->nr; u++) {
		bool is_head = m->b.heads[u] != BUDDY_NOT_HEAD;

		nr_free += m->state[u] != UNIT_TAKEN;
		nr_zeroed += m->state[u] == UNIT_ZEROED;
		if (is_head != m->is_head[u])
			return "heads differ";
		if (buddy_is_free(&m->b, u) != (m->state[u] != UNIT_TAKEN))
			return "a unit is free in one and not in the other";
		if (m->state[u] == UNIT_TAKEN &&
		    buddy_was_zeroed(&m->b, u) != m->was_zeroed[u])
			return "a taken unit forgot whether it was zeroed";
	}
	if (buddy_is_free(&m->b, m->nr))
		return "a unit beyond the last is free";
	if (nr_free != m->b.nr_free || nr_zeroed != m->b.nr_zeroed)
		return "counts of units differ";
	return NULL;
}

HELPER const char *model_compare_runs(const struct buddy_model *m)
{
	int kind;

	for (kind = 0; kind < BUDDY_NR_KINDS; kind++) {
		uint32_t order, start, nr;
		int largest = -1;

		for (order = 0; order < MODEL_MAX_ORDER; order++) {
			nr = 0;
			for (start = 0; start < m->nr; start += 1u << order)
				nr += is_run(m, start, order, kind);
			if (nr)
				largest = (int)order;
			if (kind == BUDDY_FREE && nr != m->b.nr_blocks[order])
				return "counts of free runs differ";
		}
		if (buddy_largest_order(&m->b, kind) != largest)
			return "the largest order differs";
	}
	return NULL;
}

HELPER const char *model_compare(const struct buddy_model *m)
{
	const char *bad;
	uint32_t unit;

	bad = buddy_check(&m->b, &unit);
	if (!bad)
		bad = model_compare_units(m);
	return bad ? bad : model_compare_runs(m);
}

#endif /* SELFTEST_BUDDYMODEL_H */
