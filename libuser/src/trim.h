/* SPDX-License-Identifier: MIT */
/*
 * Memory goes back by itself, with no thread and no timer: from the slow path
 * of free.
 *
 * What pins units after a program has freed most of what it had are the few
 * objects that the caches keep of each. So when the bytes that are out (with
 * the program or in a cache above the central lists) have fallen to less than
 * half of the most since the last trim, and enough would be gained, the caches
 * are drained and idle units go back. Then that level is the new peak: a
 * program that frees all it has is trimmed a few times, at each halving.
 *
 * Hysteresis: a program that has grown to twice the level it was trimmed at
 * within HS_TRIM_PERIOD_NS is not trimmed again before that time is over. One
 * that goes up and down all the time pays for a few drains a second, no more.
 */
#ifndef HS_TRIM_H
#define HS_TRIM_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

#define HS_TRIM_PERIOD_NS UINT64_C(1000000000)

extern uint64_t hs_nr_trims;	/* since the start */

/* After a free that took the slow path; no lock is held. */
void hs_trim_check(void);
void hs_trim_fork_child(void);

#pragma GCC visibility pop

#endif /* HS_TRIM_H */
