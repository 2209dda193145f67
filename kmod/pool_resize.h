/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How large the pools are: growing, at load and later, and shrinking.
 *
 * The host comes first: no value of any parameter or file may starve it. What
 * is taken is bounded by a share of its memory and by a head-room that must
 * stay available, looked at again while a pool grows; and the page allocator
 * is asked in a way that never wakes the OOM killer.
 */
#ifndef HUGESPAN_POOL_RESIZE_H
#define HUGESPAN_POOL_RESIZE_H

#include "pool.h"

/* Before anything else here: what all pools together may take. */
void hs_resize_set_limits(const struct hs_limits *limits);

/* The units that a pool of this node can ever have; 0 for none. */
u32 hs_resize_capacity(int nid);

/*
 * Say in the log that a pool (NULL: all of them) has other than the units
 * wanted, and why: an error of the functions below.
 */
void hs_resize_report(const struct hs_pool *pool, u64 nr_have, u64 nr_wanted,
		      int err);

/**
 * hs_pool_grow - take units from the system
 * @nr: so many
 * @state: TASK_INTERRUPTIBLE or TASK_KILLABLE: which signals end it
 *
 * What was taken stays, also when there is an error. For load; later the
 * caller holds resize_lock.
 *
 * Return: 0; or why there are fewer: -ENOSPC by the cap on the pools' size,
 * -ENOMEM by the head-room of the host, -EAGAIN for want of a free huge page
 * on the node, which the kernel tried to make; -EINTR.
 */
int hs_pool_grow(struct hs_pool *pool, u64 nr, unsigned int state);

/**
 * hs_pool_resize - make a pool larger or smaller
 * @pool: or NULL for all of them together, which then change evenly
 * @nr_target: units that it is to have
 *
 * Return: 0; for a larger one as hs_pool_grow(); for a smaller one -EBUSY if
 * it has no free unit left to give; -EINTR. What was done stays. Sleeps.
 */
int hs_pool_resize(struct hs_pool *pool, u64 nr_target);

/* Is a pool growing now? What reclaim took would only be taken back. */
bool hs_resize_is_growing(void);

/*
 * What was last asked for; @pool may be NULL as above. Asking all of them makes
 * what each came to its target; asking one makes the sum the target of all.
 */
u64 hs_pool_target(const struct hs_pool *pool);
/* At load; later the caller holds resize_lock. */
void hs_pool_set_target(struct hs_pool *pool, u64 nr_target);

#endif /* HUGESPAN_POOL_RESIZE_H */
