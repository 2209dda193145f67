/* SPDX-License-Identifier: MIT */
/*
 * Free runs by length: bins by exact length below a unit's worth of pages, and
 * one for all longer runs. No lock of its own: the page heap's guards it.
 */
#ifndef HS_PAGEBINS_H
#define HS_PAGEBINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run.h"

#pragma GCC visibility push(hidden)

/* Bin i < LAST holds free runs of i + 1 pages; the last bin all longer ones. */
#define HS_NR_BINS 256

struct hs_pagebins {
	struct hs_list bins[HS_NR_BINS];
	uint64_t used[HS_NR_BINS / 64];	/* bit i: bin i is not empty */
};

void hs_pagebins_init(struct hs_pagebins *pb);
/* Before others of its length if first, else behind them. */
void hs_pagebins_insert(struct hs_pagebins *pb, struct hs_run *run, bool first);
void hs_pagebins_remove(struct hs_pagebins *pb, struct hs_run *run);
/* The shortest run that holds nr_pages at a multiple of align bytes, or NULL. */
struct hs_run *hs_pagebins_best_fit(const struct hs_pagebins *pb,
				    size_t nr_pages, size_t align);
/* NULL, or a sentence about what is broken; nr_runs: free runs there are. */
const char *hs_pagebins_check(const struct hs_pagebins *pb, size_t nr_runs);

#pragma GCC visibility pop

#endif /* HS_PAGEBINS_H */
