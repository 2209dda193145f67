/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU caches: for each CPU a slab with a stack of free objects per class.
 *
 * Three modes, chosen at start:
 *   rseq    push and pop are restartable sequences: no lock, no atomic;
 *   locked  the same slabs, each under its CPU's lock (no rseq to be had, or
 *           HUGESPAN_RSEQ=0);
 *   off     no cache: each object comes from and goes to the central lists,
 *           which check it (HUGESPAN_CHECK=1).
 *
 * A slab is made when its CPU first needs one: memory follows the CPUs that
 * are used, and any CPU number the kernel can give is fine. A class starts
 * with no capacity on a CPU and doubles it whenever it runs out or over, up to
 * its own bound and the CPU's (hs_opt.cpu_cache_bytes).
 */
#ifndef HS_CPUCACHE_H
#define HS_CPUCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/arch.h"
#include "sizeclass.h"

#pragma GCC visibility push(hidden)

/* Word indices into the slab; current is the first free slot. */
struct hs_slab_header {
	uint16_t current;	/* begin <= current <= end */
	uint16_t begin;
	uint16_t end;		/* begin + capacity now */
	uint16_t unused;
};

struct hs_slab {
	union {
		struct hs_slab_header header[HS_NR_CLASSES];
		void *slot[HS_SLAB_WORDS];
	};
};

enum hs_cache_mode { HS_CACHE_OFF, HS_CACHE_LOCKED, HS_CACHE_RSEQ };

/* Where a CPU's slab is: NULL unless the mode is rseq and it may be used. */
extern struct hs_slab *hs_slabs[HS_MAX_CPUS];
/* struct rseq from the thread pointer; 0 unless the mode is rseq. */
extern ptrdiff_t hs_rseq_offset;

/* The fast paths. NULL or other than DONE: take the slow one. */
static inline void *hs_cpu_pop(unsigned int size_class)
{
	ptrdiff_t offset = hs_rseq_offset;

	if (__builtin_expect(!offset, 0))
		return NULL;
	return hs_arch_pop(hs_slabs, size_class, offset);
}

static inline enum hs_push hs_cpu_push(unsigned int size_class, void *ptr)
{
	ptrdiff_t offset = hs_rseq_offset;

	if (__builtin_expect(!offset, 0))
		return HS_PUSH_FULL;
	return hs_arch_push(hs_slabs, size_class, ptr, offset);
}

void hs_cpu_init(void);
/* NULL: no memory. */
void *hs_cpu_alloc_slow(unsigned int size_class);
/* outcome: what hs_cpu_push said. */
void hs_cpu_free_slow(unsigned int size_class, void *ptr, enum hs_push outcome);
/* All cached objects to the central lists. Returns -EOPNOTSUPP where the
 * kernel cannot stop the fast paths of other CPUs (membarrier). */
int hs_cpu_drain(void);
/*
 * Sparing, so that nothing pins its unit: what does not fit into a CPU's cache
 * goes straight to the central lists (CENTRAL); and what is freed on a CPU that
 * has no room for the class does not make room (CLOSED). Allocating does.
 */
enum hs_sparing { HS_SPARE_NOT, HS_SPARE_CENTRAL, HS_SPARE_CLOSED };
void hs_cpu_set_sparing(enum hs_sparing sparing);
enum hs_sparing hs_cpu_sparing(void);
/* Objects of the class in all slabs. */
uint64_t hs_cpu_count(unsigned int size_class);

void hs_cpu_fork_prepare(void);
void hs_cpu_fork_parent(void);
void hs_cpu_fork_child(void);

#pragma GCC visibility pop

#endif /* HS_CPUCACHE_H */
