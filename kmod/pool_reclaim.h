/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Giving back under memory pressure: when the system looks for memory, the
 * pools give it free units, down to their floors.
 */
#ifndef HUGESPAN_POOL_RECLAIM_H
#define HUGESPAN_POOL_RECLAIM_H

/* The pools are loaded, and stay until after hs_reclaim_stop(). 0 or -ENOMEM. */
int hs_reclaim_start(void);
void hs_reclaim_stop(void);

#endif /* HUGESPAN_POOL_RECLAIM_H */
