/* SPDX-License-Identifier: MIT */
/*
 * What differs between processors: two operations on a per-CPU slab by
 * restartable sequence. This folder is the only place with architecture macros.
 *
 * The contract, in pseudo-code; "restart" is what the kernel does when the
 * thread is preempted, migrated or gets a signal before the commit:
 *
 *   push(slabs, c, ptr):
 *	cpu = rseq->cpu_id			 restartable from here
 *	if cpu >= HS_MAX_CPUS: return FULL	 not registered
 *	slab = slabs[cpu]
 *	if !slab: return FULL			 not there, or being drained
 *	n = slab->header[c].current
 *	if n >= slab->header[c].end: return FULL
 *	if slab->slot[n - 1] == ptr: return TWICE (a hint: see cpucache.c)
 *	slab->slot[n] = ptr			 nobody reads it yet
 *	slab->header[c].current = n + 1		 commit
 *	return DONE
 *
 *   pop(slabs, c):
 *	cpu, slab as above: else return NULL
 *	n = slab->header[c].current
 *	if n <= slab->header[c].begin: return NULL
 *	ptr = slab->slot[n - 1]
 *	slab->header[c].current = n - 1		 commit
 *	return ptr
 *
 * rseq->cpu_id_start is never written, rseq->rseq_cs only as its contract
 * says. offset is where glibc put struct rseq, from the thread pointer.
 *
 * References: the kernel's Documentation of rseq(2) in include/uapi/linux/rseq.h;
 * the idea of a header word committed last is tcmalloc's.
 */
#ifndef HS_ARCH_H
#define HS_ARCH_H

enum hs_push { HS_PUSH_DONE, HS_PUSH_FULL, HS_PUSH_TWICE };

#define HS_MAX_CPUS 8192

/* struct rseq of the kernel's uAPI. */
#define HS_RSEQ_CPU_ID 4
#define HS_RSEQ_CS 8

#define HS_STR2(x) #x
#define HS_STR(x) HS_STR2(x)

#if defined(__x86_64__)
#include "rseq_x86_64.h"
#define HS_ARCH_RSEQ 1
#elif defined(__aarch64__)
#include "rseq_aarch64.h"
#define HS_ARCH_RSEQ 1
#else
#include "rseq_none.h"
#define HS_ARCH_RSEQ 0
#endif

#endif /* HS_ARCH_H */
