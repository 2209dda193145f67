/* SPDX-License-Identifier: MIT */
/* The restartable sequences of arch.h for aarch64. */
#ifndef HS_RSEQ_AARCH64_H
#define HS_RSEQ_AARCH64_H

#include <stddef.h>

/* Labels as in rseq_x86_64.h. x9: slab, x10: its header word, w11: current. */
#define HS_RSEQ_BEGIN(none)					\
	".pushsection __rseq_cs, \"aw\"\n\t"			\
	".balign 32\n\t"					\
	"7: .long 0, 0\n\t"					\
	".quad 1f, 2f - 1f, 4f\n\t"				\
	".popsection\n\t"					\
	"6: adrp x9, 7b\n\t"					\
	"add x9, x9, :lo12:7b\n\t"				\
	"str x9, [%[rseq], #" HS_STR(HS_RSEQ_CS) "]\n\t"	\
	"1: ldr w9, [%[rseq], #" HS_STR(HS_RSEQ_CPU_ID) "]\n\t"	\
	"cmp w9, #" HS_STR(HS_MAX_CPUS) "\n\t"			\
	"b.hs " none "\n\t"					\
	"ldr x9, [%[slabs], x9, lsl #3]\n\t"			\
	"cbz x9, " none "\n\t"					\
	"add x10, x9, %[c], lsl #3\n\t"				\
	"ldrh w11, [x10]\n\t"

#define HS_RSEQ_END						\
	"2:\n\t"						\
	".pushsection __rseq_failure, \"ax\"\n\t"		\
	".inst 0xd428bc00\n\t"					\
	"4: b 6b\n\t"						\
	".popsection\n\t"

static inline enum hs_push hs_arch_push(void *slabs, size_t c, void *ptr,
					ptrdiff_t offset)
{
	char *rseq = (char *)__builtin_thread_pointer() + offset;

	asm goto (
		HS_RSEQ_BEGIN("%l[none]")
		"ldrh w12, [x10, #4]\n\t"
		"cmp w11, w12\n\t"
		"b.hs %l[none]\n\t"
		"add x9, x9, x11, lsl #3\n\t"
		"ldur x12, [x9, #-8]\n\t"
		"cmp x12, %[ptr]\n\t"
		"b.eq %l[twice]\n\t"
		"str %[ptr], [x9]\n\t"
		"add w11, w11, #1\n\t"
		"strh w11, [x10]\n\t"
		HS_RSEQ_END
		: : [slabs] "r" (slabs), [c] "r" (c), [ptr] "r" (ptr),
		    [rseq] "r" (rseq)
		: "memory", "cc", "x9", "x10", "x11", "x12"
		: none, twice);
	return HS_PUSH_DONE;
none:
	return HS_PUSH_FULL;
twice:
	return HS_PUSH_TWICE;
}

/* No asm goto with an output: see rseq_x86_64.h. */
static inline void *hs_arch_pop(void *slabs, size_t c, ptrdiff_t offset)
{
	char *rseq = (char *)__builtin_thread_pointer() + offset;
	void *ptr;

	asm volatile (
		HS_RSEQ_BEGIN("5f")
		"ldrh w12, [x10, #2]\n\t"
		"cmp w11, w12\n\t"
		"b.ls 5f\n\t"
		"add x9, x9, x11, lsl #3\n\t"
		"ldur %[ptr], [x9, #-8]\n\t"
		"sub w11, w11, #1\n\t"
		"strh w11, [x10]\n\t"
		HS_RSEQ_END
		"b 8f\n\t"
		"5: mov %[ptr], #0\n\t"
		"8:\n\t"
		: [ptr] "=&r" (ptr)
		: [slabs] "r" (slabs), [c] "r" (c), [rseq] "r" (rseq)
		: "memory", "cc", "x9", "x10", "x11", "x12");
	return ptr;
}

#undef HS_RSEQ_BEGIN
#undef HS_RSEQ_END

#endif /* HS_RSEQ_AARCH64_H */
