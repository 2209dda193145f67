// SPDX-License-Identifier: MIT
/*
 * Fork: the three atfork handlers of the library.
 *
 * The prepare handler takes every lock in rank order, so that no other thread
 * is half-way through anything when the address space is copied, and lets the
 * backends make their memory copy-on-write.
 *
 * Prepare handlers run in the reverse order of their registration, and ours
 * should be the last: a library's may wait for a lock that another thread holds
 * while it allocates, and that thread must not wait for us. So ours are
 * registered when the heap starts, which the shim does before anybody's
 * registration. Handlers that come after ours all the same may allocate: lock.h
 * allows it to the forking thread.
 *
 * Restartable sequences need no lock: whatever instant the copy catches them
 * at, their single commit has or has not happened. An object that another
 * thread held only in registers is lost to the child, as its stack is.
 */
#include <pthread.h>

#include "backend.h"
#include "central.h"
#include "cpucache.h"
#include "heap.h"
#include "meta.h"
#include "pageheap.h"
#include "span.h"
#include "sys.h"
#include "transfer.h"
#include "trim.h"

uint64_t hs_nr_forks;

void hs_fork_prepare(void)
{
	hs_cpu_fork_prepare();
	hs_transfer_fork_prepare();
	hs_central_fork_prepare();
	hs_lock(&hs_pageheap.lock);
	hs_spans_fork_prepare();
	hs_backends_fork_prepare();
	hs_meta_fork_prepare();
	hs_lock_fork_begin();
	hs_nr_forks++;
}

void hs_fork_parent(void)
{
	hs_lock_fork_end();
	hs_meta_fork_parent();
	hs_backends_fork_parent();
	hs_spans_fork_parent();
	hs_unlock(&hs_pageheap.lock);
	hs_central_fork_parent();
	hs_transfer_fork_parent();
	hs_cpu_fork_parent();
}

void hs_fork_child(void)
{
	hs_meta_fork_child();
	hs_backends_fork_child();
	hs_spans_fork_child();
	hs_pageheap_fork_child(&hs_pageheap);
	hs_central_fork_child();
	hs_transfer_fork_child();
	hs_cpu_fork_child();
	hs_trim_fork_child();
	hs_lock_fork_end();
}

void hs_fork_register(void)
{
	if (pthread_atfork(hs_fork_prepare, hs_fork_parent, hs_fork_child))
		hs_sys_warn("fork handlers could not be registered: do not fork");
}

__attribute__((constructor(101))) static void start_heap(void)
{
	hs_heap_start();
}
