/* SPDX-License-Identifier: MIT */
/*
 * What the size-class table is generated from. gen/sizeclass_gen.c turns these
 * numbers into sizeclass_table.h at build time; selftests/lib/sizeclass.c
 * checks the promises over every size.
 */
#ifndef HS_SIZECLASS_PARAMS_H
#define HS_SIZECLASS_PARAMS_H

/* The library's page: what runs are counted in. 8 KiB. */
#define HS_PAGE_SHIFT 13
#define HS_PAGE_BYTES (1ul << HS_PAGE_SHIFT)

/* Every object is aligned to this, as max_align_t asks. */
#define HS_MIN_ALIGN 16

/*
 * Classes are linear up to HS_LINEAR_MAX, then HS_STEPS of equal width in each
 * doubling up to HS_SMALL_MAX. Eight steps bound the rounding waste to 1/9.
 */
#define HS_LINEAR_MAX 128
#define HS_STEPS_SHIFT 3
#define HS_STEPS (1u << HS_STEPS_SHIFT)
#define HS_SMALL_MAX (256ul << 10)

/* Of a run, in per mille, at worst: rounding and tail together. */
#define HS_WASTE_PER_MILLE 125

/* A run's free objects are bits in its record. */
#define HS_RUN_OBJECTS_MAX 512
#define HS_RUN_PAGES_MAX 64

/* Division by a class size is a multiplication: checked for every offset. */
#define HS_RECIPROCAL_SHIFT 40

/* Objects that move together between a CPU and the shared lists. */
#define HS_BATCH_BYTES (64ul << 10)
#define HS_BATCH_MIN 2
#define HS_BATCH_MAX 32

/* What one CPU may keep of one class; the sum has a bound of its own. */
#define HS_CPU_CLASS_BYTES (1024ul << 10)
#define HS_CPU_CLASS_MIN 2
#define HS_CPU_CLASS_MAX 1024

/* What the transfer cache may keep of one class. */
#define HS_TRANSFER_BYTES (512ul << 10)
#define HS_TRANSFER_MIN 2
#define HS_TRANSFER_MAX (8 * HS_BATCH_MAX)

#endif /* HS_SIZECLASS_PARAMS_H */
