// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buddy allocator over unit numbers; buddy.h draws the structure.
 *
 * State is changed by the mark_*() verbs only: each one updates the nodes, the
 * heads and the counters that belong together. The functions after them decide
 * which verbs to apply and then call pull_up() to make the ancestors agree.
 */
#include "buddy.h"

/* The mask of a node of this level that is one run as a whole. */
static u32 whole(u32 level)
{
	return (u32)1 << level;
}

static u32 node_of(const struct buddy *b, u32 unit, u32 level)
{
	return (1U << (b->root_level - level)) + (unit >> level);
}

static u32 first_unit(const struct buddy *b, u32 node, u32 level)
{
	return (node << level) - (1U << b->root_level);
}

static bool is_free_run(const struct buddy *b, u32 node, u32 level)
{
	return b->nodes[node].runs[BUDDY_FREE] == whole(level);
}

static bool is_head(const struct buddy *b, u32 unit)
{
	return unit < b->nr_units && b->heads[unit] != BUDDY_NOT_HEAD;
}

/* Verbs: the only writers of nodes, heads, zeroed and the counters. */

/* An allocated block (or one that never was free) becomes a free run. */
static void mark_free(struct buddy *b, u32 node, u32 level, bool zeroed)
{
	struct buddy_node *n = &b->nodes[node];
	u32 unit = first_unit(b, node, level);

	n->runs[BUDDY_FREE] = whole(level);
	n->runs[BUDDY_ZEROED] = zeroed ? whole(level) : 0;
	n->runs[BUDDY_DIRTY] = zeroed ? 0 : whole(level);
	b->heads[unit] = BUDDY_NOT_HEAD;
	b->nr_blocks[level]++;
	b->nr_free += whole(level);
	if (zeroed) {
		b->nr_zeroed += whole(level);
		bitmap_set(b->zeroed, unit, whole(level));
	} else {
		bitmap_clear(b->zeroed, unit, whole(level));
	}
}

/* A free run becomes an allocated block; nr_zeroed of its units are zeroed. */
static void mark_allocated(struct buddy *b, u32 node, u32 level, u32 nr_zeroed)
{
	memset(&b->nodes[node], 0, sizeof(b->nodes[node]));
	b->heads[first_unit(b, node, level)] = (u8)level;
	b->nr_blocks[level]--;
	b->nr_free -= whole(level);
	b->nr_zeroed -= nr_zeroed;
}

/*
 * Write the zeroed and dirty masks of the halves of a free run. The halves of
 * a mixed one have theirs; below a uniform one they are stale.
 */
static void mark_halves(struct buddy *b, u32 node, u32 level)
{
	const struct buddy_node *n = &b->nodes[node];
	bool zeroed = n->runs[BUDDY_ZEROED] == whole(level);
	u32 i;

	if (!zeroed && n->runs[BUDDY_DIRTY] != whole(level))
		return;
	for (i = 2 * node; i <= 2 * node + 1; i++) {
		b->nodes[i].runs[BUDDY_ZEROED] = zeroed ? whole(level - 1) : 0;
		b->nodes[i].runs[BUDDY_DIRTY] = zeroed ? 0 : whole(level - 1);
	}
}

/* A free run becomes two. */
static void mark_split(struct buddy *b, u32 node, u32 level)
{
	mark_halves(b, node, level);
	b->nodes[2 * node].runs[BUDDY_FREE] = whole(level - 1);
	b->nodes[2 * node + 1].runs[BUDDY_FREE] = whole(level - 1);
	b->nr_blocks[level]--;
	b->nr_blocks[level - 1] += 2;
}

/* A free dirty unit, whose node is up to date, has been zeroed. */
static void mark_zeroed(struct buddy *b, u32 node)
{
	b->nodes[node].runs[BUDDY_ZEROED] = whole(0);
	b->nodes[node].runs[BUDDY_DIRTY] = 0;
	b->nr_zeroed++;
	bitmap_set(b->zeroed, first_unit(b, node, 0), 1);
}

/* Two free halves become one run; the caller has joined the masks. */
static void mark_merged(struct buddy *b, u32 level)
{
	b->nr_blocks[level - 1] -= 2;
	b->nr_blocks[level]++;
}

/* An allocated block becomes two. */
static void mark_cut(struct buddy *b, u32 node, u32 level)
{
	u32 i;

	for (i = 2 * node; i <= 2 * node + 1; i++) {
		memset(&b->nodes[i], 0, sizeof(b->nodes[i]));
		b->heads[first_unit(b, i, level - 1)] = (u8)(level - 1);
	}
}

/* Make the mask of a node's parent agree with its children. */
static void join(struct buddy *b, u32 node, u32 level, enum buddy_kind kind)
{
	u32 left = b->nodes[node & ~1U].runs[kind];
	u32 right = b->nodes[node | 1].runs[kind];
	bool is_run = left == whole(level) && right == whole(level);

	b->nodes[node / 2].runs[kind] = is_run ? whole(level + 1) : left | right;
}

/* Make the ancestors of a changed node agree with it. */
static void pull_up(struct buddy *b, u32 node, u32 level)
{
	for (; node > 1; node /= 2, level++) {
		join(b, node, level, BUDDY_FREE);
		join(b, node, level, BUDDY_ZEROED);
		join(b, node, level, BUDDY_DIRTY);
		if (is_free_run(b, node / 2, level + 1))
			mark_merged(b, level + 1);
	}
}

/* How many units of a free run are zeroed. */
static u32 count_zeroed(const struct buddy *b, u32 node, u32 level)
{
	u32 unit = first_unit(b, node, level), end = unit + whole(level);
	const unsigned long *word = &b->zeroed[unit / BITS_PER_LONG];
	u32 nr = 0;

	/* A run is aligned to its size: part of one word, or whole words. */
	if (whole(level) < BITS_PER_LONG)
		return hweight_long(*word >> (unit % BITS_PER_LONG) &
				    (BIT(whole(level)) - 1));
	for (; unit < end; unit += BITS_PER_LONG)
		nr += hweight_long(*word++);
	return nr;
}

size_t buddy_metadata_bytes(u32 nr_units)
{
	size_t nr_leaves;

	if (!nr_units || nr_units > BUDDY_MAX_UNITS)
		return 0;
	nr_leaves = (size_t)1 << fls(nr_units - 1);
	return BITS_TO_LONGS(nr_units) * sizeof(unsigned long) +
	       2 * nr_leaves * sizeof(struct buddy_node) + nr_units;
}

int buddy_init(struct buddy *b, u32 nr_units, void *metadata, bool zeroed)
{
	size_t bytes = buddy_metadata_bytes(nr_units);
	u32 unit = 0;

	if (!bytes)
		return -EINVAL;

	memset(b, 0, sizeof(*b));
	memset(metadata, 0, bytes);
	b->nr_units = nr_units;
	b->root_level = (u32)fls(nr_units - 1);
	b->zeroed = metadata;
	b->nodes = (void *)(b->zeroed + BITS_TO_LONGS(nr_units));
	b->heads = (void *)(b->nodes + ((size_t)2 << b->root_level));
	memset(b->heads, BUDDY_NOT_HEAD, nr_units);

	/* The largest aligned blocks first; what lies beyond is never free. */
	while (unit < nr_units) {
		u32 level = (u32)fls(nr_units - unit) - 1;
		u32 node = node_of(b, unit, level);

		mark_free(b, node, level, zeroed);
		pull_up(b, node, level);
		unit += whole(level);
	}
	return 0;
}

/*
 * Takes from the smallest run that is large enough: of these the leftmost, and
 * of it the left end; or with @last the rightmost and the right end.
 */
static int take(struct buddy *b, enum buddy_kind kind, u32 order, bool last,
		u32 *start)
{
	u32 node = 1, level = b->root_level;
	u32 found, large_enough;

	if (order > level)
		return -ENOMEM;
	large_enough = b->nodes[1].runs[kind] >> order << order;
	if (!large_enough)
		return -ENOMEM;
	found = (u32)__ffs(large_enough);

	/* Down to the run of that order, then to its end. */
	while (level > order) {
		if (is_free_run(b, node, level))
			mark_split(b, node, level);
		node = 2 * node + last;
		level--;
		/* Not on this side: then on the other. */
		if (level >= found &&
		    !(b->nodes[node].runs[kind] & whole(found)))
			node ^= 1;
	}
	mark_allocated(b, node, level, count_zeroed(b, node, level));
	pull_up(b, node, level);
	*start = first_unit(b, node, level);
	return 0;
}

int buddy_alloc(struct buddy *b, enum buddy_kind kind, u32 order, u32 *start)
{
	return take(b, kind, order, false, start);
}

int buddy_alloc_last(struct buddy *b, enum buddy_kind kind, u32 order,
		     u32 *start)
{
	return take(b, kind, order, true, start);
}

int buddy_free(struct buddy *b, u32 start, u32 nr, bool zeroed)
{
	u32 unit, end = start + nr;

	if (!nr || start >= b->nr_units || nr > b->nr_units - start)
		return -EINVAL;
	for (unit = start; unit < end; unit += whole(b->heads[unit]))
		if (!is_head(b, unit))
			return -ENOENT;
	if (unit != end)
		return -ENOENT;

	unit = start;
	while (unit < end) {
		u32 level = b->heads[unit];
		u32 node = node_of(b, unit, level);

		mark_free(b, node, level, zeroed);
		pull_up(b, node, level);
		unit += whole(level);
	}
	return 0;
}

int buddy_cut(struct buddy *b, u32 start, u32 nr_keep)
{
	u32 unit, level, cut = start + nr_keep;

	if (!nr_keep || start >= b->nr_units || nr_keep > b->nr_units - start)
		return -EINVAL;
	for (unit = start; unit < cut; unit += whole(level)) {
		if (!is_head(b, unit))
			return -ENOENT;
		level = b->heads[unit];
		if (cut - unit >= whole(level))
			continue;
		/* The cut goes through this block: halve it, look again. */
		mark_cut(b, node_of(b, unit, level), level);
		level--;
		while (cut - unit < whole(level)) {
			mark_cut(b, node_of(b, unit, level), level);
			level--;
		}
	}
	return 0;
}

int buddy_shatter(struct buddy *b, u32 start)
{
	u32 unit, nr;

	if (start >= b->nr_units)
		return -EINVAL;
	if (!is_head(b, start))
		return -ENOENT;
	nr = whole(b->heads[start]);
	for (unit = start; unit < start + nr; unit++)
		while (b->heads[unit])
			mark_cut(b, node_of(b, unit, b->heads[unit]),
				 b->heads[unit]);
	return 0;
}

int buddy_find_dirty(const struct buddy *b, u32 *unit)
{
	u32 node = 1, level = b->root_level;

	if (!b->nodes[1].runs[BUDDY_DIRTY])
		return -ENOENT;
	while (b->nodes[node].runs[BUDDY_DIRTY] != whole(level)) {
		node *= 2;
		level--;
		if (!b->nodes[node].runs[BUDDY_DIRTY])
			node++;
	}
	*unit = first_unit(b, node, level);
	return 0;
}

/*
 * The free run that a unit is in, as its node and level. Return: 0, -EINVAL if
 * there is no such unit, -ENOENT if it is not free.
 */
static int find_free_run(const struct buddy *b, u32 unit, u32 *node, u32 *level)
{
	if (unit >= b->nr_units)
		return -EINVAL;
	*node = 1;
	*level = b->root_level;
	while (!is_free_run(b, *node, *level)) {
		if (!*level || !b->nodes[*node].runs[BUDDY_FREE])
			return -ENOENT;
		(*level)--;
		*node = node_of(b, unit, *level);
	}
	return 0;
}

bool buddy_is_free(const struct buddy *b, u32 unit)
{
	u32 node, level;

	return !find_free_run(b, unit, &node, &level);
}

int buddy_set_zeroed(struct buddy *b, u32 unit)
{
	u32 node, level, leaf;
	int err;

	err = find_free_run(b, unit, &node, &level);
	if (err)
		return err;
	if (test_bit(unit, b->zeroed))
		return 0;

	/* Down through the free run, and back up again; it stays one run. */
	for (; level; level--, node = node_of(b, unit, level))
		mark_halves(b, node, level);
	leaf = node;
	mark_zeroed(b, leaf);
	for (node = leaf, level = 0; node > 1; node /= 2, level++) {
		join(b, node, level, BUDDY_ZEROED);
		join(b, node, level, BUDDY_DIRTY);
	}
	return 0;
}
