/* SPDX-License-Identifier: MIT */
/*
 * Who has which object: a word for every 16 bytes of address space, changed
 * by atomic exchange. An object that is handed out while somebody has it, or
 * that overlaps one, is seen the moment it happens, in whatever thread.
 *
 * The table is private memory: a forked child goes on with a copy.
 */
#ifndef SELFTEST_SHADOW_H
#define SELFTEST_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#ifndef HELPER
#define HELPER static inline __attribute__((unused))
#endif

#define SHADOW_LEAF_SHIFT 30
#define SHADOW_LEAF_BYTES ((1ul << SHADOW_LEAF_SHIFT) / 16 * sizeof(uint32_t))

static uint32_t *shadow_leaves[1ul << (48 - SHADOW_LEAF_SHIFT)];

HELPER uint32_t *shadow_word(uintptr_t addr)
{
	uint32_t **slot = &shadow_leaves[addr >> SHADOW_LEAF_SHIFT];
	uint32_t *leaf = __atomic_load_n(slot, __ATOMIC_ACQUIRE), *none = NULL;

	if (!leaf) {
		leaf = mmap(NULL, SHADOW_LEAF_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (leaf == MAP_FAILED)
			abort();
		if (!__atomic_compare_exchange_n(slot, &none, leaf, false,
						 __ATOMIC_ACQ_REL,
						 __ATOMIC_ACQUIRE)) {
			munmap(leaf, SHADOW_LEAF_BYTES);
			leaf = none;
		}
	}
	return leaf + (addr & ((1ul << SHADOW_LEAF_SHIFT) - 1)) / 16;
}

HELPER bool shadow_swap(uintptr_t addr, uint32_t from, uint32_t to)
{
	return __atomic_exchange_n(shadow_word(addr), to, __ATOMIC_ACQ_REL) ==
	       from;
}

/*
 * The first and the last 16 bytes of an object go from one owner (0: nobody)
 * to another; false when they were not the first one's.
 */
HELPER bool shadow_pass(const void *obj, size_t size, uint32_t from,
			uint32_t to)
{
	uintptr_t first = (uintptr_t)obj, last = first + (size ? size - 1 : 0);
	bool right = shadow_swap(first, from, to);

	if (first / 16 != last / 16)
		right &= shadow_swap(last, from, to);
	return right;
}

HELPER bool shadow_claim(const void *obj, size_t size, uint32_t owner)
{
	return shadow_pass(obj, size, 0, owner);
}

HELPER bool shadow_release(const void *obj, size_t size, uint32_t owner)
{
	return shadow_pass(obj, size, owner, 0);
}

HELPER uint32_t shadow_owner(const void *obj)
{
	return __atomic_load_n(shadow_word((uintptr_t)obj), __ATOMIC_ACQUIRE);
}

#endif /* SELFTEST_SHADOW_H */
