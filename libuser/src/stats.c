// SPDX-License-Identifier: MIT
/* hs_stats(): the default heap's figures, gathered from the layers. */
#include <errno.h>

#include "backend.h"
#include "central.h"
#include "cpucache.h"
#include "heap.h"
#include "hugespan.h"
#include "meta.h"
#include "pageheap.h"
#include "sizeclass.h"
#include "sys.h"
#include "transfer.h"

static void add_class(struct hs_stats *st, unsigned int c)
{
	const struct hs_size_class *sc = &hs_size_classes[c];
	struct hs_central_counts counts;
	uint64_t in_cpus, in_transfer, out;

	hs_central_count(c, &counts);
	in_cpus = hs_cpu_count(c);
	in_transfer = hs_transfer_count(c);
	/* Read one after another: what moved in between may not add up. */
	out = counts.nr_runs * sc->nr_objs - counts.nr_free;
	out = out > in_cpus + in_transfer ? out - in_cpus - in_transfer : 0;

	st->in_use_bytes += out * sc->size;
	st->cpu_cached_bytes += in_cpus * sc->size;
	st->transfer_cached_bytes += in_transfer * sc->size;
	st->central_free_bytes += counts.nr_free * sc->size;
	st->slack_bytes += counts.nr_runs *
		((sc->run_pages << HS_PAGE_SHIFT) -
		 (uint64_t)sc->nr_objs * sc->size);
}

static void add_pageheap(struct hs_stats *st, struct hs_pageheap *ph)
{
	HS_GUARD(&ph->lock);
	st->mapped_bytes = ph->mapped_bytes;
	st->mapped_peak_bytes = ph->mapped_peak_bytes;
	st->page_free_bytes = (uint64_t)ph->free_pages << HS_PAGE_SHIFT;
	st->in_use_bytes += (uint64_t)ph->large_pages << HS_PAGE_SHIFT;
	st->nr_fallback_units = ph->fallback_bytes / ph->backend->unit_bytes;
}

static void add_backends(struct hs_stats *st)
{
	int id;

	for (id = 0; id < HS_NR_BACKENDS; id++) {
		struct hs_backend *b = hs_backend_get(id);

		HS_GUARD(&b->lock);
		st->nr_units_mapped_total += b->nr_mapped_total;
		st->nr_units_returned_total += b->nr_unmapped_total;
		st->nr_backend_refusals += b->nr_refused;
		st->nr_units_remapped += b->nr_remapped;
	}
}

HS_EXPORT int hs_stats(struct hs_stats *st)
{
	struct hs_stats out = { .struct_size = sizeof(out) };
	unsigned int c;

	if (!st || st->struct_size != sizeof(*st))
		return -EINVAL;
	if (!hs_heap_start()) {
		for (c = 1; c < HS_NR_CLASSES; c++)
			add_class(&out, c);
		add_pageheap(&out, &hs_pageheap);
		add_backends(&out);
		out.nr_units = out.mapped_bytes /
			       hs_pageheap.backend->unit_bytes;
	}
	out.meta_bytes = hs_meta_mapped_bytes();
	out.nr_forks = hs_nr_forks;
	*st = out;
	return 0;
}
