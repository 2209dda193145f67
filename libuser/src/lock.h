/* SPDX-License-Identifier: MIT */
/*
 * struct hs_lock: a mutex in one futex word, usable before main, in atfork
 * handlers and after a fork in any thread.
 *
 * Fork. The prepare handler takes every lock of the library in rank order
 * (fork.c) and then calls hs_lock_fork_begin(): from there until
 * hs_lock_fork_end() the forking thread may enter the allocator again, from
 * other libraries' atfork handlers: its lock and unlock calls do nothing,
 * because it holds all of them. The thread is told by its thread pointer,
 * which parent and child have in common.
 * Locks that are not among those taken (a new heap's, say) are passed by as
 * well in that time, evenly: what was free stays free.
 *
 * Ranks, outermost first; a thread takes locks in this order only:
 *   start < slabs < cpu cache < transfer < central < page heap < spans <
 *   backend < meta
 */
#ifndef HS_LOCK_H
#define HS_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* 0 free, 1 held, 2 held and perhaps waited for */
struct hs_lock {
	uint32_t state;
};

#define HS_LOCK_INIT { 0 }

extern void *hs_lock_fork_owner;	/* thread pointer while forking, or NULL */

bool hs_lock_fork_mine(void);	/* is the forking thread this one? */
void hs_lock_slow(struct hs_lock *lock);
void hs_unlock_slow(struct hs_lock *lock);
void hs_lock_fork_begin(void);
void hs_lock_fork_end(void);
/* The calling thread is about to abort: from here on it passes locks by. */
void hs_lock_die(void);
/* In the child, for each lock: free again, whoever held or awaited it. */
static inline void hs_lock_reset(struct hs_lock *lock)
{
	__atomic_store_n(&lock->state, 0, __ATOMIC_RELEASE);
}

/* Is a fork under way, by this thread or another? */
static inline bool hs_lock_forking(void)
{
	return __builtin_expect(__atomic_load_n(&hs_lock_fork_owner,
						__ATOMIC_RELAXED) != 0, 0);
}

static inline void hs_lock(struct hs_lock *lock)
{
	uint32_t expected = 0;

	if (hs_lock_forking() ||
	    !__atomic_compare_exchange_n(&lock->state, &expected, 1, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		hs_lock_slow(lock);
}

static inline bool hs_trylock(struct hs_lock *lock)
{
	uint32_t expected = 0;

	if (hs_lock_forking() && hs_lock_fork_mine())
		return true;
	return __atomic_compare_exchange_n(&lock->state, &expected, 1, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void hs_unlock(struct hs_lock *lock)
{
	uint32_t expected = 1;

	if (hs_lock_forking() ||
	    !__atomic_compare_exchange_n(&lock->state, &expected, 0, false,
					 __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		hs_unlock_slow(lock);
}

/* HS_GUARD(&lock): held until the end of the enclosing block. */
static inline void hs_guard_release(struct hs_lock **lock)
{
	hs_unlock(*lock);
}

#define HS_GUARD_NAME2(line) hs_guard_##line
#define HS_GUARD_NAME(line) HS_GUARD_NAME2(line)
#define HS_GUARD(l)						\
	struct hs_lock *HS_GUARD_NAME(__LINE__)			\
	__attribute__((cleanup(hs_guard_release), unused)) =	\
		(hs_lock(l), (l))

#pragma GCC visibility pop

#endif /* HS_LOCK_H */
