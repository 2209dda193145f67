/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Buddy allocator over unit numbers.
 *
 * It hands out blocks of 2^order units, aligned to their size, from the units
 * 0 .. nr_units - 1. It never looks at the memory behind a number, but it
 * remembers for every free unit whether that memory is zeroed, and can be
 * asked for blocks that are zeroed, for blocks that are not, or for any.
 *
 * Ownership: the caller gives one array (buddy_metadata_bytes() long), which
 * must live as long as the allocator. Nothing is allocated after buddy_init(),
 * so splitting and merging cannot fail.
 *
 * Locking: none inside; the caller serializes every call on one buddy. The
 * exception is buddy_was_zeroed(), see there.
 *
 * Cost: O(log nr_units) for each block touched, plus a pass over one bit per
 * unit of the block.
 *
 * The structure is a complete binary tree, stored as a heap: node 1 is the
 * root, the children of n are 2n and 2n + 1, and a node of level l stands for
 * the 2^l units of one possible block. A node knows which runs its subtree
 * has: for each kind of run a mask in which bit j says "there is a run of
 * order j here". So the smallest run that is large enough is one bit
 * operation at the root, and the leftmost such run one descent.
 *
 *   level 2            node 1              runs[FREE] = 0b010
 *                    /        \
 *   level 1      node 2      node 3        0b000       0b010 (all free)
 *                /    \      /    \
 *   level 0     4      5    6      7       allocated   not looked at
 *
 * A run is counted where it is largest: two free halves are one free run of
 * the next order. Below an all-free or an allocated node the tree is not kept
 * up to date; it is written on the way down when somebody goes there.
 */
#ifndef HUGESPAN_CORE_BUDDY_H
#define HUGESPAN_CORE_BUDDY_H

#include "env.h"

/* 2^30 units are far beyond any machine and keep all sums within a u32. */
#define BUDDY_MAX_ORDER		30
#define BUDDY_MAX_UNITS		(1U << BUDDY_MAX_ORDER)

/* What a run of free units consists of. */
enum buddy_kind {
	BUDDY_FREE,		/* free units, zeroed or not */
	BUDDY_ZEROED,		/* free units that are all zeroed */
	BUDDY_DIRTY,		/* free units none of which is zeroed */
	BUDDY_NR_KINDS,
};

struct buddy_node {
	u32 runs[BUDDY_NR_KINDS];
};

/**
 * struct buddy - the allocator; members are private to buddy*.c
 * @nr_units: units it manages
 * @root_level: level of node 1; 2^root_level >= nr_units
 * @nr_free: free units
 * @nr_zeroed: of these, zeroed ones
 * @nr_blocks: free runs of each order: sum(nr_blocks[j] << j) == nr_free
 * @nodes: the tree, 2^(root_level + 1) nodes (node 0 is not used)
 * @heads: for each unit the order of the allocated block that begins there,
 *         or BUDDY_NOT_HEAD
 * @zeroed: bit u: unit u was zeroed when it was last free
 */
struct buddy {
	u32 nr_units;
	u32 root_level;
	u32 nr_free;
	u32 nr_zeroed;
	u32 nr_blocks[BUDDY_MAX_ORDER + 1];
	struct buddy_node *nodes;
	u8 *heads;
	unsigned long *zeroed;
};

#define BUDDY_NOT_HEAD		0xff

/* Bytes of metadata that buddy_init() wants; 0 if nr_units is out of range. */
size_t buddy_metadata_bytes(u32 nr_units);

/**
 * buddy_init - begin with all units free
 * @metadata: buddy_metadata_bytes(nr_units) bytes, aligned for a long
 * @zeroed: the memory of all units is zeroed
 *
 * Return: 0, or -EINVAL if nr_units is 0 or above BUDDY_MAX_UNITS.
 */
int buddy_init(struct buddy *b, u32 nr_units, void *metadata, bool zeroed);

/**
 * buddy_alloc - take a block of 2^order units
 * @kind: which free units will do
 * @start: set to its first unit
 *
 * Takes from the smallest run that is large enough, of these the one with the
 * lowest address.
 *
 * Return: 0, -ENOMEM if there is no such run (order may be any number).
 */
int buddy_alloc(struct buddy *b, enum buddy_kind kind, u32 order, u32 *start);

/**
 * buddy_alloc_last - buddy_alloc() from the other end
 *
 * Of the smallest runs that are large enough it takes the one with the highest
 * address, and of that run the last block. For units that are to be missed
 * least: small runs go before large ones, and grants begin at the low end.
 */
int buddy_alloc_last(struct buddy *b, enum buddy_kind kind, u32 order,
		     u32 *start);

/**
 * buddy_free - give back the allocated units [start, start + nr)
 * @zeroed: their memory is zeroed
 *
 * The range must consist of whole allocated blocks. What is not that (a unit
 * that is free already, the middle of a block, half of one) is refused and
 * nothing is changed.
 *
 * Return: 0, -EINVAL if the range is empty or out of bounds, -ENOENT if it
 * is not made of whole allocated blocks.
 */
int buddy_free(struct buddy *b, u32 start, u32 nr, bool zeroed);

/**
 * buddy_cut - put a block boundary at start + nr_keep
 *
 * Afterwards [start, start + nr_keep) and the rest can be freed apart. @start
 * must be the first unit of an allocated block, and allocated blocks must
 * follow each other from there up to the cut. A cut where a boundary is
 * already does nothing.
 *
 * Return: 0, -EINVAL if nr_keep is 0 or the cut is out of bounds, -ENOENT if
 * the units before the cut are not allocated from @start on without a gap.
 */
int buddy_cut(struct buddy *b, u32 start, u32 nr_keep);

/* Cut the allocated block that begins at @start into single units; as above. */
int buddy_shatter(struct buddy *b, u32 start);

/**
 * buddy_find_dirty - a free unit that is not zeroed, the one of lowest address
 *
 * It stays free. Return: 0, or -ENOENT if there is none.
 */
int buddy_find_dirty(const struct buddy *b, u32 *unit);

/**
 * buddy_set_zeroed - the memory of a free unit has been zeroed
 *
 * Return: 0, -EINVAL if there is no such unit, -ENOENT if it is not free.
 */
int buddy_set_zeroed(struct buddy *b, u32 unit);

/* Is this a unit, and a free one? */
bool buddy_is_free(const struct buddy *b, u32 unit);

/**
 * buddy_was_zeroed - was this unit zeroed before it was allocated?
 *
 * Only for a unit that the caller has allocated; its answer stays the same
 * until the unit is freed, so the owner of the unit may call it without the
 * lock.
 */
static inline bool buddy_was_zeroed(const struct buddy *b, u32 unit)
{
	return test_bit(unit, b->zeroed);
}

/* The largest order that buddy_alloc() would grant now, -1 if none. */
static inline int buddy_largest_order(const struct buddy *b,
				      enum buddy_kind kind)
{
	return fls(b->nodes[1].runs[kind]) - 1;
}

/* The largest order that it could grant with everything free. */
static inline u32 buddy_max_order(const struct buddy *b)
{
	return (u32)fls(b->nr_units) - 1;
}

#endif /* HUGESPAN_CORE_BUDDY_H */
