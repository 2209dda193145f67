// SPDX-License-Identifier: MIT
/*
 * Linked into the copy of the workloads whose instructions are counted: valgrind
 * knows no restartable sequences, so glibc registers none there and an allocator
 * that lives by them would be counted on another path than it takes. This shows
 * it the area that glibc would have registered. valgrind runs one thread at a
 * time, and this process has one, so nothing ever needs to be restarted.
 */
#include <sched.h>
#include <stdint.h>

extern const unsigned int __rseq_size, __rseq_flags;

const unsigned int __rseq_size = 32;
const unsigned int __rseq_flags = 0;

/* As struct rseq: cpu_id_start, cpu_id. */
__attribute__((used, aligned(32))) __thread uint32_t bench_rseq_area[8];

/* The driver has pinned us: what getcpu says stays true. */
__attribute__((constructor)) static void tell_cpu(void)
{
	bench_rseq_area[0] = bench_rseq_area[1] = sched_getcpu();
}

/* Its distance from the thread pointer, which C has no constant for. */
__asm__(".pushsection .rodata\n\t"
	".balign 8\n\t"
	".globl __rseq_offset\n\t"
	".type __rseq_offset, @object\n\t"
	".size __rseq_offset, 8\n"
	"__rseq_offset: .quad bench_rseq_area@tpoff\n\t"
	".popsection");
