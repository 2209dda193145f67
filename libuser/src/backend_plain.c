// SPDX-License-Identifier: MIT
/*
 * Backend plain: small pages. Works everywhere, and is what the others are
 * measured against.
 */
#include <hugespan.h>
#include <sys/mman.h>

#include "backend_impl.h"
#include "sys.h"

/*
 * No huge page decides the unit here. It is what units are on most machines,
 * so that a heap lays itself out as it would on a better backend.
 */
#define PLAIN_UNIT_BYTES ((size_t)2 << 20)

static int plain_probe(struct hs_backend *b, char *why, size_t why_size)
{
	(void)why;
	(void)why_size;
	b->unit_bytes = PLAIN_UNIT_BYTES;
	return 0;
}

static int plain_map(struct hs_backend *b, const struct hs_map_request *req,
		     struct hs_extent *x)
{
	static const struct hs_anon_kind kind = { .advice = MADV_NOHUGEPAGE };

	return hs_anon_map(b, req, x, &kind);
}

const struct hs_backend_ops hs_plain_ops = {
	.id = HS_BACKEND_PLAIN,
	.probe = plain_probe,
	.map = plain_map,
	.populate = hs_anon_populate,
	.unmap = hs_anon_unmap,
	.trim = hs_anon_trim,
};
