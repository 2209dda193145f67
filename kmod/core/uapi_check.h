/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of a command can be judged from its struct alone: sizes, flags,
 * reserved fields, ranges. Pure functions, so that the host's tests and the
 * fuzzer see exactly the checks that guard the kernel.
 *
 * Each returns 0 or the -errno that the uAPI header gives for it. None looks
 * at the state of a pool or an owner.
 */
#ifndef HUGESPAN_CORE_UAPI_CHECK_H
#define HUGESPAN_CORE_UAPI_CHECK_H

#include <linux/hugespan.h>

#include "env.h"

/* The size of each struct as it was first published; it never grows. */
#define HUGESPAN_INFO_SIZE_V1	offsetofend(struct hugespan_info, __reserved)
#define HUGESPAN_ALLOC_SIZE_V1	offsetofend(struct hugespan_alloc, out_bytes)
#define HUGESPAN_FREE_SIZE_V1	offsetofend(struct hugespan_free, offset)
#define HUGESPAN_TRIM_SIZE_V1	offsetofend(struct hugespan_trim, out_bytes)
#define HUGESPAN_QUERY_SIZE_V1	offsetofend(struct hugespan_query, out_nr_mappings)
#define HUGESPAN_STAT_SIZE_V1	offsetofend(struct hugespan_stat, out_nr_refused)
#define HUGESPAN_SET_FORK_SIZE_V1 \
	offsetofend(struct hugespan_set_fork, __reserved)

/* No struct will ever be larger; bounds the search of a tail for zeroes. */
#define HUGESPAN_STRUCT_SIZE_MAX	4096

/**
 * uapi_check_size - is @user_size a size that a struct may have?
 * @min_size: its size as first published
 *
 * What of it exceeds the size that this kernel knows must be zero, which the
 * caller checks where the bytes are.
 */
int uapi_check_size(u32 user_size, u32 min_size);

/* The largest part of a struct that both sides know. */
static inline u32 uapi_common_size(u32 user_size, u32 kernel_size)
{
	return user_size < kernel_size ? user_size : kernel_size;
}

int uapi_check_info(const struct hugespan_info *arg);
int uapi_check_free(const struct hugespan_free *arg, u32 unit_shift);
int uapi_check_trim(const struct hugespan_trim *arg, u32 unit_shift);
int uapi_check_query(const struct hugespan_query *arg, u32 unit_shift);
int uapi_check_stat(const struct hugespan_stat *arg);
int uapi_check_set_fork(const struct hugespan_set_fork *arg, u32 unit_shift);

/* @order: set to the order that is asked for, in whichever way. */
int uapi_check_alloc(const struct hugespan_alloc *arg, u32 unit_shift,
		     u32 *order);

/* The range of an mmap; @offset and @bytes are multiples of a page. */
int uapi_check_mmap(u64 offset, u64 bytes, u32 unit_shift);

#endif /* HUGESPAN_CORE_UAPI_CHECK_H */
