/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a grant comes from: which pool, which run, zeroed by whom. */
#ifndef HUGESPAN_GRANT_H
#define HUGESPAN_GRANT_H

#include "span.h"

/**
 * hs_grant_units - take 2^order zeroed units for a request
 * @pool: set to the pool
 * @start: set to the first device unit
 *
 * Counts a refusal. Return: 0, -ENOMEM, -EAGAIN or -EINTR.
 */
int hs_grant_units(const struct hs_grant_request *request,
		   struct hs_pool **pool, u32 *start);

#endif /* HUGESPAN_GRANT_H */
