/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What core/ needs from its surroundings: fixed-width types, errno numbers and
 * a few bit helpers. The kernel has them; a host program (unit test, fuzzer)
 * gets the same names here. No other file in core/ asks where it is built.
 */
#ifndef HUGESPAN_CORE_ENV_H
#define HUGESPAN_CORE_ENV_H

#ifdef __KERNEL__

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>

#else

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;

#define S32_MAX			INT32_MAX
#define fallthrough		__attribute__((__fallthrough__))
#define BITS_PER_LONG		((unsigned int)(sizeof(long) * CHAR_BIT))
#define BITS_TO_LONGS(nr)	(((nr) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define BIT(nr)			(1UL << (nr))

#ifndef offsetofend
#define offsetofend(type, member) \
	(offsetof(type, member) + sizeof(((type *)0)->member))
#endif

/* 1 + the number of the highest set bit; 0 for 0. */
static inline int fls(u32 word)
{
	return word ? 32 - __builtin_clz(word) : 0;
}

/* The number of the lowest set bit; word must not be 0. */
static inline unsigned long __ffs(unsigned long word)
{
	return (unsigned long)__builtin_ctzl(word);
}

static inline u32 hweight_long(unsigned long word)
{
	return (u32)__builtin_popcountl(word);
}

static inline bool test_bit(unsigned long nr, const unsigned long *map)
{
	return map[nr / BITS_PER_LONG] >> (nr % BITS_PER_LONG) & 1;
}

static inline void bitmap_set(unsigned long *map, u32 start, u32 nr)
{
	for (; nr; start++, nr--)
		map[start / BITS_PER_LONG] |= BIT(start % BITS_PER_LONG);
}

static inline void bitmap_clear(unsigned long *map, u32 start, u32 nr)
{
	for (; nr; start++, nr--)
		map[start / BITS_PER_LONG] &= ~BIT(start % BITS_PER_LONG);
}

#endif /* __KERNEL__ */
#endif /* HUGESPAN_CORE_ENV_H */
