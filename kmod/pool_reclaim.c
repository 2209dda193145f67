// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shrinker. It counts in pages, as reclaim does, so that the pools lose in
 * proportion to what else is reclaimed; a unit is the least it can give.
 *
 * It runs in the context of whoever allocates memory, with whatever locks they
 * hold: it takes none but those of hs_pool_remove().
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/shrinker.h>

#include "compat/compat.h"
#include "pool.h"
#include "pool_reclaim.h"
#include "pool_resize.h"

static struct shrinker *shrinker;

/* Units that the node's pool could give. */
static u64 nr_to_give(struct hs_pool *pool)
{
	struct hs_pool_stat stat;
	u64 nr_floor;

	if (!pool || hs_resize_is_growing())
		return 0;
	hs_pool_stat(pool, &stat);
	nr_floor = READ_ONCE(pool->nr_floor);
	if (stat.nr_units <= nr_floor)
		return 0;
	return min(stat.nr_units - nr_floor, stat.nr_free);
}

static unsigned long count_pages(struct shrinker *s, struct shrink_control *sc)
{
	return nr_to_give(hs_pool_of_node(sc->nid)) << HPAGE_PMD_ORDER;
}

static unsigned long give_pages(struct shrinker *s, struct shrink_control *sc)
{
	struct hs_pool *pool = hs_pool_of_node(sc->nid);
	u64 nr = min_t(u64, nr_to_give(pool),
		       DIV_ROUND_UP(sc->nr_to_scan, HS_UNIT_PAGES));
	u32 nr_given;

	if (!nr)
		return SHRINK_STOP;
	nr_given = hs_pool_remove(pool, nr, READ_ONCE(pool->nr_floor));
	if (!nr_given)
		return SHRINK_STOP;
	hs_pool_count_reclaimed(pool, nr_given);
	return (unsigned long)nr_given << HPAGE_PMD_ORDER;
}

int hs_reclaim_start(void)
{
	const struct shrinker like = {
		.count_objects = count_pages,
		.scan_objects = give_pages,
		/* Each scan waits for a grace period: let it be worth it. */
		.batch = 16 * HS_UNIT_PAGES,
		.seeks = DEFAULT_SEEKS,
		.flags = SHRINKER_NUMA_AWARE,
	};

	shrinker = compat_shrinker_create(&like);
	return shrinker ? 0 : -ENOMEM;
}

void hs_reclaim_stop(void)
{
	compat_shrinker_destroy(shrinker);
}
