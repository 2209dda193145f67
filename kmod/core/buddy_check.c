// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks a buddy allocator and counts everything again. It shares no helper
 * with buddy.c, so that a mistake there is not made twice.
 *
 * Invariants, for the blocks that tile [0, nr_units):
 *   - every unit is in exactly one block, free or allocated
 *   - heads[u] is the order of the allocated block that begins at u, and
 *     BUDDY_NOT_HEAD everywhere else
 *   - no two free buddies stand side by side unmerged
 *   - runs[] of a node is what its two children say; an allocated block has
 *     none; in a free run ZEROED and DIRTY agree with the bitmap
 *   - nr_free, nr_zeroed and nr_blocks[] are the sums over the free blocks
 */
#include "buddy_check.h"

/* What the walk has seen so far. */
struct tally {
	const struct buddy *b;
	u32 nr_free;
	u32 nr_zeroed;
	u32 nr_blocks[BUDDY_MAX_ORDER + 1];
	u32 bad_unit;
};

static const char *check_heads(struct tally *t, u32 first, u32 nr)
{
	u32 u;

	for (u = first; u < first + nr; u++) {
		if (t->b->heads[u] != BUDDY_NOT_HEAD) {
			t->bad_unit = u;
			return "a head lies inside another block";
		}
	}
	return NULL;
}

/*
 * The zeroed and dirty masks below a free run. A uniform run says so itself;
 * what hangs below it is stale and not looked at.
 */
static const char *check_zeroed(struct tally *t, u32 node, u32 level, u32 first)
{
	const struct buddy *b = t->b;
	const struct buddy_node *n = &b->nodes[node];
	u32 mask = (u32)1 << level, u, nr = 0, kind;
	const char *bad;

	t->bad_unit = first;
	for (u = first; u < first + mask; u++)
		nr += test_bit(u, b->zeroed);

	if (nr == mask || !nr) {
		if (n->runs[BUDDY_ZEROED] != (nr ? mask : 0))
			return "a uniform run has the wrong zeroed mask";
		if (n->runs[BUDDY_DIRTY] != (nr ? 0 : mask))
			return "a uniform run has the wrong dirty mask";
		return NULL;
	}
	for (kind = BUDDY_ZEROED; kind <= BUDDY_DIRTY; kind++)
		if (n->runs[kind] != (b->nodes[2 * node].runs[kind] |
				      b->nodes[2 * node + 1].runs[kind]))
			return "a mixed run disagrees with its halves";
	bad = check_zeroed(t, 2 * node, level - 1, first);
	return bad ? bad : check_zeroed(t, 2 * node + 1, level - 1,
					first + mask / 2);
}

static const char *check_free(struct tally *t, u32 node, u32 level, u32 first)
{
	u32 nr = (u32)1 << level, u;
	const char *bad;

	if (first + nr > t->b->nr_units)
		return "a free run lies beyond the last unit";
	t->nr_free += nr;
	t->nr_blocks[level]++;
	for (u = first; u < first + nr; u++)
		t->nr_zeroed += test_bit(u, t->b->zeroed);
	bad = check_heads(t, first, nr);
	return bad ? bad : check_zeroed(t, node, level, first);
}

static const char *check_split(struct tally *t, u32 node, u32 level)
{
	const struct buddy *b = t->b;
	const u32 *runs = b->nodes[node].runs;
	const u32 *left = b->nodes[2 * node].runs;
	const u32 *right = b->nodes[2 * node + 1].runs;
	u32 half = (u32)1 << (level - 1), kind;

	for (kind = 0; kind < BUDDY_NR_KINDS; kind++) {
		if (left[kind] == half && right[kind] == half)
			return "two free buddies are not merged";
		if (runs[kind] != (left[kind] | right[kind]))
			return "a node disagrees with its children";
	}
	return NULL;
}

static const char *check_node(struct tally *t, u32 node, u32 level, u32 first)
{
	const struct buddy *b = t->b;
	const struct buddy_node *n = &b->nodes[node];
	u32 nr = (u32)1 << level;
	const char *bad;

	t->bad_unit = first;
	if (n->runs[BUDDY_FREE] == nr)
		return check_free(t, node, level, first);

	if (first >= b->nr_units ||
	    (b->heads[first] == level && first + nr <= b->nr_units)) {
		if (n->runs[BUDDY_FREE] | n->runs[BUDDY_ZEROED] |
		    n->runs[BUDDY_DIRTY])
			return "units that are not free have free runs";
		if (first >= b->nr_units)
			return NULL;
		return check_heads(t, first + 1, nr - 1);
	}
	if (!level)
		return "a unit is neither free nor allocated";

	bad = check_split(t, node, level);
	if (!bad)
		bad = check_node(t, 2 * node, level - 1, first);
	if (!bad)
		bad = check_node(t, 2 * node + 1, level - 1, first + nr / 2);
	return bad;
}

const char *buddy_check(const struct buddy *b, u32 *unit)
{
	struct tally t = { .b = b };
	const char *bad = check_node(&t, 1, b->root_level, 0);
	u32 order;

	*unit = t.bad_unit;
	if (bad)
		return bad;
	if (t.nr_free != b->nr_free)
		return "nr_free is not the number of free units";
	if (t.nr_zeroed != b->nr_zeroed)
		return "nr_zeroed is not the number of zeroed free units";
	for (order = 0; order <= BUDDY_MAX_ORDER; order++)
		if (t.nr_blocks[order] != b->nr_blocks[order])
			return "nr_blocks is not the number of free runs";
	return NULL;
}
