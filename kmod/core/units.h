/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arithmetic between bytes, units and orders.
 *
 * A unit is 2^shift bytes; the shift is always passed in and never assumed. A
 * unit number counts from the start of the device's offsets.
 */
#ifndef HUGESPAN_CORE_UNITS_H
#define HUGESPAN_CORE_UNITS_H

#include "buddy.h"

static inline u64 units_to_bytes(u64 nr_units, u32 shift)
{
	return nr_units << shift;
}

static inline bool is_unit_multiple(u64 bytes, u32 shift)
{
	return !(bytes & (((u64)1 << shift) - 1));
}

/* The largest offset, length or pool that any device could have, plus one. */
static inline u64 units_limit_bytes(u32 shift)
{
	return (u64)BUDDY_MAX_UNITS << shift;
}

/* The smallest order whose block holds @bytes (1 .. units_limit_bytes()). */
static inline u32 bytes_to_order(u64 bytes, u32 shift)
{
	return (u32)fls((u32)((bytes - 1) >> shift));
}

#endif /* HUGESPAN_CORE_UNITS_H */
