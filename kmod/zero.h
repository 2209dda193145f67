/* SPDX-License-Identifier: GPL-2.0-only */
/* Zeroing of units: in the background while they are free, or at a grant. */
#ifndef HUGESPAN_ZERO_H
#define HUGESPAN_ZERO_H

#include "pool.h"

/* There may be dirty free units: let the worker look. Does not sleep. */
void hs_zero_kick(struct hs_pool *pool);

/* The body of pool->zero_work. */
void hs_zero_work(struct work_struct *work);

/**
 * hs_zero_granted - zero those of the units just taken that are not yet
 *
 * Sleeps. Return: 0, or -EINTR if a fatal signal came; the units are then to
 * be given back as dirty.
 */
int hs_zero_granted(struct hs_pool *pool, u32 start, u32 nr);

#endif /* HUGESPAN_ZERO_H */
