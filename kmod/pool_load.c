// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets the units aside at load and gives them back at unload; keeps the list
 * of pools in between.
 *
 * The host comes first: no value of any parameter may starve it. What is taken
 * is bounded by a share of its memory and by a head-room that must stay
 * available, looked at again while the pool grows; and the page allocator is
 * asked in a way that never wakes the OOM killer.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "core/poolspec.h"
#include "pool.h"

#define UNIT_GFP	(GFP_KERNEL | __GFP_COMP | __GFP_ZERO | __GFP_NOWARN | \
			 __GFP_RETRY_MAYFAIL | __GFP_THISNODE)

/* So that the numbers of all pools, with holes between, fit in 32 bits. */
#define POOL_MAX_UNITS	(BUDDY_MAX_UNITS / POOLSPEC_MAX_NODES)

/* Units allocated between two looks at the host's memory. */
#define UNITS_PER_LOOK	16

/* Written by load and unload only. */
static struct hs_pool *pools[POOLSPEC_MAX_NODES];
static u32 nr_pools;
/* The first device unit number after the last pool. */
static u32 device_units;

u32 hs_nr_pools(void)
{
	return nr_pools;
}

struct hs_pool *hs_pool_at(u32 index)
{
	return pools[index];
}

struct hs_pool *hs_pool_of_node(int nid)
{
	u32 i;

	for (i = 0; i < nr_pools; i++)
		if (pools[i]->nid == nid)
			return pools[i];
	return NULL;
}

struct hs_pool *hs_pool_of_unit(u32 unit)
{
	u32 i;

	for (i = 0; i < nr_pools; i++)
		if (unit >= pools[i]->base &&
		    unit - pools[i]->base < pools[i]->nr_units)
			return pools[i];
	return NULL;
}

u32 hs_device_units(void)
{
	return device_units;
}

u32 hs_max_order(void)
{
	u32 i, order = 0;

	for (i = 0; i < nr_pools; i++)
		order = max(order, buddy_max_order(&pools[i]->buddy));
	return order;
}

/* Units that the host can spare now, on all nodes together. */
static u64 spare_units(const struct hs_limits *limits)
{
	u64 available = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT;
	u64 taken = 0;
	u32 i;

	for (i = 0; i < nr_pools; i++)
		taken += units_to_bytes(pools[i]->nr_units, HS_UNIT_SHIFT);
	if (available <= limits->headroom_bytes || taken >= limits->cap_bytes)
		return 0;
	return min(available - limits->headroom_bytes,
		   limits->cap_bytes - taken) >> HS_UNIT_SHIFT;
}

/* Fills pool->units as far as it gets; @why is set if that is not @wanted. */
static int load_units(struct hs_pool *pool, u64 wanted,
		      const struct hs_limits *limits, const char **why)
{
	u64 spare = spare_units(limits);
	struct page *page;
	u32 nr;

	*why = "the limits cap_percent and headroom";
	nr = min3(wanted, spare, (u64)POOL_MAX_UNITS);
	if (!nr)
		return 0;
	pool->units = kvcalloc(nr, sizeof(*pool->units), GFP_KERNEL);
	if (!pool->units)
		return -ENOMEM;

	while (pool->nr_units < nr) {
		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		if (pool->nr_units % UNITS_PER_LOOK == 0 &&
		    spare_units(limits) < min(nr - pool->nr_units,
					      (u32)UNITS_PER_LOOK))
			return 0;
		page = alloc_pages_node(pool->nid, UNIT_GFP, HPAGE_PMD_ORDER);
		if (!page) {
			*why = "the huge pages that are free on the node";
			return 0;
		}
		pool->units[pool->nr_units++].folio = page_folio(page);
	}
	return 0;
}

static void free_pool(struct hs_pool *pool)
{
	u32 i;

	for (i = 0; i < pool->nr_units; i++)
		folio_put(pool->units[i].folio);
	kvfree(pool->units);
	kfree(pool);
}

/* Gives the pool its place in the device's offsets, and the folios theirs. */
static void place_pool(struct hs_pool *pool)
{
	u32 i;

	pool->base = round_up(device_units, roundup_pow_of_two(pool->nr_units));
	device_units = pool->base + pool->nr_units;
	for (i = 0; i < pool->nr_units; i++) {
		struct folio *folio = pool->units[i].folio;

		folio->index = (pgoff_t)(pool->base + i) << HPAGE_PMD_ORDER;
		/*
		 * Nobody writes it back. But a folio that becomes dirty makes
		 * a fault drop its locks to balance dirty memory.
		 */
		folio_set_dirty(folio);
	}
	pools[nr_pools++] = pool;
}

static int load_pool(int nid, u64 bytes, const struct hs_limits *limits)
{
	u64 wanted = DIV_ROUND_UP_ULL(bytes, HS_UNIT_BYTES);
	struct hs_pool *pool;
	const char *why;
	int err;

	if (!wanted)
		return 0;
	pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	if (!pool)
		return -ENOMEM;
	pool->nid = nid;
	err = load_units(pool, wanted, limits, &why);
	if (err)
		goto free_pool;
	if (pool->nr_units < wanted)
		pr_notice("node %d: %u of the %llu units asked for (%llu of %llu MiB), because of %s\n",
			  nid, pool->nr_units, wanted,
			  units_to_bytes(pool->nr_units, HS_UNIT_SHIFT) >> 20,
			  units_to_bytes(wanted, HS_UNIT_SHIFT) >> 20, why);
	if (!pool->nr_units)
		goto free_pool;
	err = hs_pool_init(pool);
	if (err)
		goto free_pool;
	place_pool(pool);
	return 0;

free_pool:
	free_pool(pool);
	return err;
}

static int load_spread(u64 bytes, const struct hs_limits *limits)
{
	u32 left = num_node_state(N_MEMORY);
	int nid, err;

	for_each_node_state(nid, N_MEMORY) {
		/* An even share of what is left, rounded up to a unit. */
		u64 share = round_up(div_u64(bytes + left - 1, left),
				     HS_UNIT_BYTES);

		share = min(share, bytes);
		err = load_pool(nid, share, limits);
		if (err)
			return err;
		bytes -= share;
		if (!--left)
			break;
	}
	return 0;
}

static int load_named(const struct poolspec *spec,
		      const struct hs_limits *limits)
{
	u32 i;
	int err;

	for (i = 0; i < spec->nr_nodes; i++) {
		u32 nid = spec->node[i];

		if (nid >= MAX_NUMNODES || !node_state(nid, N_MEMORY)) {
			pr_err("pool=: there is no node %u with memory\n", nid);
			return -EINVAL;
		}
	}
	for (i = 0; i < spec->nr_nodes; i++) {
		err = load_pool(spec->node[i], spec->bytes[i], limits);
		if (err)
			return err;
	}
	return 0;
}

int hs_pools_load(const struct poolspec *spec, const struct hs_limits *limits)
{
	bool wanted = false;
	u32 i;
	int err;

	for (i = 0; i < max(spec->nr_nodes, 1U); i++)
		wanted |= spec->bytes[i];
	err = spec->nr_nodes ? load_named(spec, limits) :
			       load_spread(spec->bytes[0], limits);
	if (!err && wanted && !nr_pools)
		err = -ENOMEM;
	if (err)
		hs_pools_unload();
	return err;
}

void hs_pools_unload(void)
{
	while (nr_pools) {
		struct hs_pool *pool = pools[--nr_pools];

		hs_pool_destroy(pool);
		free_pool(pool);
	}
	device_units = 0;
}
