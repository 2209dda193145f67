/* SPDX-License-Identifier: MIT */
/*
 * Huge pages promised to the processes of one family: to children that share
 * pages since a fork, one for each page they may have to copy, and for a moment
 * to a mapping that is about to reserve its own.
 *
 * A promise is a number in a table that the family shares. Who makes one
 * writes it down first and then compares all of them with what the pool has,
 * so of two that promise the same pages at least one finds out:
 *
 *	make;  sum <= free pages ? keep : drop
 *
 * The promises of processes that ended or run another program do not count;
 * nobody has to give them back.
 *
 * Usable between fork and exec. Callers hold the lock of the hugetlb backend.
 */
#ifndef HS_BACKEND_PROMISE_H
#define HS_BACKEND_PROMISE_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

struct hs_promise;

/* A process founds a family before its first fork; the others inherit it. */
void hs_promises_found(void);
bool hs_promises_founded(void);

/* To this process; NULL: no room in the table. Dropped by who made it. */
struct hs_promise *hs_promise_make(uint64_t nr_pages);
void hs_promise_drop(struct hs_promise *promise);
/*
 * To the child of the fork under way, on top of what it was promised; false:
 * no room. It is the child's from hs_promise_fork_child() on.
 */
bool hs_promise_to_child(uint64_t nr_pages);
void hs_promise_less_to_child(uint64_t nr_pages);
/* This process has given back so many of the pages it inherited. */
void hs_promise_less_to_me(uint64_t nr_pages);
/* All pages promised to living processes of the family. */
uint64_t hs_promise_sum(void);

void hs_promise_fork_parent(void);
void hs_promise_fork_child(void);

#pragma GCC visibility pop

#endif /* HS_BACKEND_PROMISE_H */
