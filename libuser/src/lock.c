// SPDX-License-Identifier: MIT
/*
 * The slow paths of struct hs_lock (lock.h): waiting, waking, and the thread
 * that is forking.
 */
#include "lock.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "sys.h"

/*
 * Looks at a held lock before the thread sleeps. The library holds its locks
 * for well under a microsecond, a sleep and a wake-up cost several.
 */
#define HS_LOCK_SPINS 100

void *hs_lock_fork_owner;

bool hs_lock_fork_mine(void)
{
	return __atomic_load_n(&hs_lock_fork_owner, __ATOMIC_RELAXED) ==
	       __builtin_thread_pointer();
}

static bool spin(struct hs_lock *lock)
{
	for (int i = 0; i < HS_LOCK_SPINS; i++) {
		uint32_t state = __atomic_load_n(&lock->state,
						 __ATOMIC_RELAXED);

		if (state == 0 &&
		    __atomic_compare_exchange_n(&lock->state, &state, 1, false,
						__ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return true;
		if (state == 2)
			return false;	/* others sleep already */
	}
	return false;
}

void hs_lock_slow(struct hs_lock *lock)
{
	if (hs_lock_fork_mine() || spin(lock))
		return;
	/*
	 * Whoever gets the lock here sets 2, for it cannot know whether others
	 * still wait; at worst its unlock makes one needless wake-up call.
	 */
	while (__atomic_exchange_n(&lock->state, 2, __ATOMIC_ACQUIRE) != 0)
		hs_sys_call(SYS_futex, (long)&lock->state,
			    FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, 0, 0, 0);
}

void hs_unlock_slow(struct hs_lock *lock)
{
	if (hs_lock_fork_mine())
		return;
	if (__atomic_exchange_n(&lock->state, 0, __ATOMIC_RELEASE) == 2)
		hs_sys_call(SYS_futex, (long)&lock->state,
			    FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0);
}

void hs_lock_fork_begin(void)
{
	__atomic_store_n(&hs_lock_fork_owner, __builtin_thread_pointer(),
			 __ATOMIC_RELAXED);
}

void hs_lock_fork_end(void)
{
	__atomic_store_n(&hs_lock_fork_owner, NULL, __ATOMIC_RELAXED);
}

/* The same licence, for good: nobody lets go of the locks any more. */
void hs_lock_die(void)
{
	hs_lock_fork_begin();
}
