/* SPDX-License-Identifier: MIT */
/* The restartable sequences of arch.h for x86-64. */
#ifndef HS_RSEQ_X86_64_H
#define HS_RSEQ_X86_64_H

#include <stddef.h>

/*
 * 7: the descriptor; 6: announce it; 1: first instruction that restarts, 2:
 * one past the commit; 4: where the kernel sends us on a restart, with the
 * signature before it (RSEQ_SIG, the operand of an undefined instruction).
 */
#define HS_RSEQ_BEGIN(none)					\
	".pushsection __rseq_cs, \"aw\"\n\t"			\
	".balign 32\n\t"					\
	"7: .long 0, 0\n\t"					\
	".quad 1f, 2f - 1f, 4f\n\t"				\
	".popsection\n\t"					\
	"6: leaq 7b(%%rip), %%rax\n\t"				\
	"movq %%rax, %%fs:" HS_STR(HS_RSEQ_CS) "(%[offset])\n\t"	\
	"1: movl %%fs:" HS_STR(HS_RSEQ_CPU_ID) "(%[offset]), %%eax\n\t" \
	"cmpl $" HS_STR(HS_MAX_CPUS) ", %%eax\n\t"		\
	"jae " none "\n\t"					\
	"movq (%[slabs], %%rax, 8), %%rax\n\t"			\
	"testq %%rax, %%rax\n\t"				\
	"jz " none "\n\t"					\
	"movzwl (%%rax, %[c], 8), %%ecx\n\t"

#define HS_RSEQ_END						\
	"2:\n\t"						\
	".pushsection __rseq_failure, \"ax\"\n\t"		\
	".byte 0x0f, 0xb9, 0x3d\n\t"				\
	".long 0x53053053\n\t"					\
	"4: jmp 6b\n\t"						\
	".popsection\n\t"

static inline enum hs_push hs_arch_push(void *slabs, size_t c, void *ptr,
					ptrdiff_t offset)
{
	asm goto (
		HS_RSEQ_BEGIN("%l[none]")
		"cmpw %%cx, 4(%%rax, %[c], 8)\n\t"
		"jbe %l[none]\n\t"
		"cmpq %[ptr], -8(%%rax, %%rcx, 8)\n\t"
		"je %l[twice]\n\t"
		"movq %[ptr], (%%rax, %%rcx, 8)\n\t"
		"incl %%ecx\n\t"
		"movw %%cx, (%%rax, %[c], 8)\n\t"
		HS_RSEQ_END
		: : [slabs] "r" (slabs), [c] "r" (c), [ptr] "r" (ptr),
		    [offset] "r" (offset)
		: "memory", "cc", "rax", "rcx"
		: none, twice);
	return HS_PUSH_DONE;
none:
	return HS_PUSH_FULL;
twice:
	return HS_PUSH_TWICE;
}

/*
 * No asm goto here: with an output operand gcc 12 loses what the jumping edges
 * assign (its bug 113921), and "nothing" would come back as a stale register.
 */
static inline void *hs_arch_pop(void *slabs, size_t c, ptrdiff_t offset)
{
	void *ptr;

	asm volatile (
		HS_RSEQ_BEGIN("5f")
		"cmpw %%cx, 2(%%rax, %[c], 8)\n\t"
		"jae 5f\n\t"
		"movq -8(%%rax, %%rcx, 8), %[ptr]\n\t"
		"decl %%ecx\n\t"
		"movw %%cx, (%%rax, %[c], 8)\n\t"
		HS_RSEQ_END
		"jmp 8f\n\t"
		"5: xorl %k[ptr], %k[ptr]\n\t"
		"8:\n\t"
		: [ptr] "=&r" (ptr)
		: [slabs] "r" (slabs), [c] "r" (c), [offset] "r" (offset)
		: "memory", "cc", "rax", "rcx");
	return ptr;
}

#undef HS_RSEQ_BEGIN
#undef HS_RSEQ_END

#endif /* HS_RSEQ_X86_64_H */
