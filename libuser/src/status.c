// SPDX-License-Identifier: MIT
/* hs_status (<hugespan.h>): what is in use, and why not something better. */
#include <errno.h>
#include <hugespan.h>
#include <string.h>

#include "backend.h"
#include "heap.h"
#include "hs_mode.h"
#include "options.h"
#include "sys.h"

static void fill_backend(struct hs_backend *b, struct hs_backend_status *out)
{
	_Static_assert(sizeof(out->reason) >= sizeof(b->why),
		       "a reason is never cut off");

	/* Looks again: the module may have come since the start. */
	out->usable = hs_backend_probe(b);
	HS_GUARD(&b->lock);
	memcpy(out->reason, b->why, sizeof(b->why));
}

HS_EXPORT int hs_status(struct hs_status *st)
{
	struct hs_backend *in_use;

	if (!st || st->struct_size != sizeof(*st))
		return -EINVAL;
	in_use = hs_heap_backend();
	*st = (struct hs_status) {
		.struct_size = sizeof(*st),
		.version = HS_VERSION,
		.backend_asked = hs_opt.backend,
		/* Without one, what was asked for cannot serve. */
		.backend = in_use ? in_use->ops->id : hs_opt.backend,
		.unit_bytes = in_use ? in_use->unit_bytes : 0,
		.cache_mode = hs_cache_mode(),
		.cache_reason = hs_cache_reason(),
		.preloaded = hs_preloaded(),
	};
	for (int id = 0; id < HS_NR_BACKENDS; id++)
		fill_backend(hs_backend_get(id), &st->backends[id]);
	return 0;
}
