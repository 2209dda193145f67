/* SPDX-License-Identifier: MIT */
/* No restartable sequences for this processor yet: never reached, since
 * HS_ARCH_RSEQ is 0 and the caches run locked. */
#ifndef HS_RSEQ_NONE_H
#define HS_RSEQ_NONE_H

#include <stddef.h>

static inline enum hs_push hs_arch_push(void *slabs, size_t c, void *ptr,
					ptrdiff_t offset)
{
	(void)slabs, (void)c, (void)ptr, (void)offset;
	return HS_PUSH_FULL;
}

static inline void *hs_arch_pop(void *slabs, size_t c, ptrdiff_t offset)
{
	(void)slabs, (void)c, (void)offset;
	return NULL;
}

#endif /* HS_RSEQ_NONE_H */
