// SPDX-License-Identifier: GPL-2.0-only
/* Judges the structs of the uAPI by themselves; see uapi_check.h. */
#include "uapi_check.h"
#include "units.h"

static bool is_fork_mode(u32 mode)
{
	return mode <= HUGESPAN_FORK_WIPE;
}

static bool is_node(s32 node)
{
	return node >= 0 || node == HUGESPAN_NODE_ANY;
}

static bool is_unit_offset(u64 offset, u32 unit_shift)
{
	return is_unit_multiple(offset, unit_shift);
}

int uapi_check_size(u32 user_size, u32 min_size)
{
	if (user_size < min_size)
		return -EINVAL;
	if (user_size > HUGESPAN_STRUCT_SIZE_MAX)
		return -E2BIG;
	return 0;
}

int uapi_check_info(const struct hugespan_info *arg)
{
	return arg->flags || arg->__reserved ? -EINVAL : 0;
}

int uapi_check_alloc(const struct hugespan_alloc *arg, u32 unit_shift,
		     u32 *order)
{
	if (arg->flags & ~HUGESPAN_ALLOC_FLAGS_ALL)
		return -EINVAL;
	if (arg->__reserved || !is_fork_mode(arg->fork_mode) ||
	    !is_node(arg->node))
		return -EINVAL;
	if ((arg->flags & HUGESPAN_ALLOC_STRICT) &&
	    arg->node == HUGESPAN_NODE_ANY)
		return -EINVAL;

	if (arg->flags & HUGESPAN_ALLOC_BYTES) {
		if (arg->order || !arg->bytes ||
		    arg->bytes > units_limit_bytes(unit_shift))
			return -EINVAL;
		*order = bytes_to_order(arg->bytes, unit_shift);
		return 0;
	}
	if (arg->bytes || arg->order > BUDDY_MAX_ORDER)
		return -EINVAL;
	*order = arg->order;
	return 0;
}

int uapi_check_free(const struct hugespan_free *arg, u32 unit_shift)
{
	if (arg->flags || !is_unit_offset(arg->offset, unit_shift))
		return -EINVAL;
	return 0;
}

int uapi_check_trim(const struct hugespan_trim *arg, u32 unit_shift)
{
	if (arg->flags || !is_unit_offset(arg->offset, unit_shift))
		return -EINVAL;
	if (!arg->keep_bytes || !is_unit_multiple(arg->keep_bytes, unit_shift))
		return -EINVAL;
	return 0;
}

int uapi_check_query(const struct hugespan_query *arg, u32 unit_shift)
{
	if (arg->flags || !is_unit_offset(arg->offset, unit_shift))
		return -EINVAL;
	return 0;
}

int uapi_check_stat(const struct hugespan_stat *arg)
{
	return arg->flags || !is_node(arg->node) ? -EINVAL : 0;
}

int uapi_check_set_fork(const struct hugespan_set_fork *arg, u32 unit_shift)
{
	if (arg->flags || arg->__reserved || !is_fork_mode(arg->fork_mode))
		return -EINVAL;
	return is_unit_offset(arg->offset, unit_shift) ? 0 : -EINVAL;
}

int uapi_check_mmap(u64 offset, u64 bytes, u32 unit_shift)
{
	if (!bytes || !is_unit_multiple(offset | bytes, unit_shift))
		return -EINVAL;
	return 0;
}
