/* SPDX-License-Identifier: MIT */
/*
 * The central lists: for each size class the runs that have free objects, by
 * how many. Objects are taken from the fullest run first, so that sparse runs
 * drain and go back to the page heap as pages.
 *
 * An object is free here when its bit in the run's record is set. Nothing is
 * ever written into the object. Every free is checked against the bit: a
 * pointer that is not an object's start, or whose bit is set already, aborts.
 */
#ifndef HS_CENTRAL_H
#define HS_CENTRAL_H

#include <stddef.h>
#include <stdint.h>

#include "lock.h"

#pragma GCC visibility push(hidden)

/* Occupancy list i holds runs with 2^i to 2^(i+1) - 1 free objects. */
#define HS_NR_OCCUPANCIES 10

struct hs_central_counts {
	uint64_t nr_runs;
	uint64_t nr_free;	/* objects free in these runs */
};

void hs_central_init(void);
/* Up to n objects of the class into out; fewer only when memory is out. */
unsigned int hs_central_take(unsigned int size_class, void **out,
			     unsigned int n);
/* n objects of the class come home. */
void hs_central_put(unsigned int size_class, void *const *objs, unsigned int n);
/* Aborts with the address unless ptr is an object in use of the class. */
void hs_central_check_in_use(unsigned int size_class, const void *ptr);
void hs_central_count(unsigned int size_class, struct hs_central_counts *out);

/*
 * Bytes of objects with the program or in a cache above, and of all that were
 * ever taken. Exact at their moment, read without a lock.
 */
uint64_t hs_central_out_bytes(void);
uint64_t hs_central_taken_bytes(void);

void hs_central_fork_prepare(void);
void hs_central_fork_parent(void);
void hs_central_fork_child(void);

#pragma GCC visibility pop

#endif /* HS_CENTRAL_H */
