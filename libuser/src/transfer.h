/* SPDX-License-Identifier: MIT */
/*
 * The transfer cache: for each size class an array of free objects that CPUs
 * leave for one another, so that a producer and a consumer on different CPUs
 * do not both walk the runs. What does not fit goes on to the central lists.
 */
#ifndef HS_TRANSFER_H
#define HS_TRANSFER_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

/* Up to n objects of the class; fewer only when memory is out. */
unsigned int hs_transfer_take(unsigned int size_class, void **out,
			      unsigned int n);
void hs_transfer_put(unsigned int size_class, void *const *objs,
		     unsigned int n);
/* All of it to the central lists. */
void hs_transfer_drain(void);
uint64_t hs_transfer_count(unsigned int size_class);

void hs_transfer_fork_prepare(void);
void hs_transfer_fork_parent(void);
void hs_transfer_fork_child(void);

#pragma GCC visibility pop

#endif /* HS_TRANSFER_H */
