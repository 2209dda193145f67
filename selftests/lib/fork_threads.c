// SPDX-License-Identifier: MIT
/*
 * Forks at any moment and in any thread, on every backend.
 *
 * Guards against a child that waits for a lock nobody holds, that is copied
 * while another thread is half-way through a change, or that is handed an
 * object which somebody has.
 */
#include <pthread.h>
#include <stdlib.h>

#include "held.h"

#include "central.h"
#include "heap.h"
#include "meta.h"
#include "span.h"
#include "storm.h"
#include "transfer.h"

/* ---- threads ------------------------------------------------------------- */

/*
 * In the child of a process with busy threads: the held objects are held, and
 * no object is there twice, wherever the others were caught.
 */
static void check_in_child(unsigned int depth)
{
	static char *mine[STORM_NR_SIZES][200];
	unsigned int i, j;
	pid_t pid;

	memset(shadow_leaves, 0, sizeof(shadow_leaves));
	check_held(PARENT);
	for (i = 0; i < NR_HELD; i++)
		CHILD_CHECK(shadow_claim(held[i], held_size(i), 1));
	for (i = 0; i < STORM_NR_SIZES; i++) {
		for (j = 0; j < (storm_sizes[i] > 4000 ? 20 : 200); j++) {
			mine[i][j] = hs_malloc(storm_sizes[i]);
			STORM_CHECK(shadow_claim(mine[i][j], storm_sizes[i], 2),
				    "twice in a child", mine[i][j]);
			memset(mine[i][j], 0xdd, storm_sizes[i]);
		}
	}
	check_held(PARENT);
	for (i = 0; i < NR_HELD; i += 2) {
		hs_free(held[i]);
		held[i] = hs_malloc(held_size(i));
		CHILD_CHECK(held[i]);
		pattern_fill(held[i], held_size(i), PARENT + i);
	}
	for (i = 0; i < STORM_NR_SIZES; i++)
		for (j = 0; j < (storm_sizes[i] > 4000 ? 20 : 200); j++)
			hs_free(mine[i][j]);
	hs_release(0);
	check_heap();
	check_held(PARENT);
	if (depth == 0)
		return;
	pid = child_fork();
	if (pid == 0) {
		check_in_child(depth - 1);
		_exit(0);
	}
	CHILD_CHECK(child_wait(pid) == 0);
}

#define NR_FORKERS 2

static void *fork_often(void *arg)
{
	long long ms = test_ops(20000) / 20;
	uintptr_t i;

	(void)arg;
	if (ms > STORM_MAX_MS)
		ms = STORM_MAX_MS;
	for (i = 0; i < 3 || now_ms() - storm_began_ms < ms; i++) {
		pid_t pid = child_fork();

		if (pid == 0) {
			check_in_child(i % 8 == 0);
			_exit(0);
		}
		CHILD_CHECK(pid > 0 && child_wait(pid) == 0);
	}
	return (void *)i;
}

/* Threads allocate, exchange and free; two others fork all the time. */
SCENARIO_TEST(forks, storm)
{
	pthread_t busy[4], forker[NR_FORKERS];
	uintptr_t i, nr, nr_forks = 0;

	hold(PARENT);
	storm = (struct storm){
		.naps = true, .ops = UINT64_MAX, .seed = test_seed(),
	};
	storm_began_ms = now_ms();
	for (i = 0; i < ARRAY_SIZE(busy); i++)
		CHILD_CHECK(!pthread_create(&busy[i], NULL, storm_thread,
					    (void *)(i + 1)));
	for (i = 0; i < NR_FORKERS; i++)
		CHILD_CHECK(!pthread_create(&forker[i], NULL, fork_often, NULL));
	for (i = 0; i < NR_FORKERS; i++) {
		CHILD_CHECK(!pthread_join(forker[i], (void **)&nr));
		nr_forks += nr;
	}
	storm_over = true;
	for (i = 0; i < ARRAY_SIZE(busy); i++)
		CHILD_CHECK(!pthread_join(busy[i], NULL));
	fprintf(stderr, "# %lu forks, %lu operations, %lld ms\n", nr_forks,
		storm_done, now_ms() - storm_began_ms);
	check_held(PARENT);
	check_heap();
}

/* The locks of a layer, taken and given back as its fork handlers do it. */
struct layer {
	const char *name;
	void (*take)(void);
	void (*give)(void);
};

static void take_pageheap(void)
{
	hs_lock(&hs_pageheap.lock);
}

static void give_pageheap(void)
{
	hs_unlock(&hs_pageheap.lock);
}

static const struct layer layers[] = {
	{ "cpu caches", hs_cpu_fork_prepare, hs_cpu_fork_parent },
	{ "transfer", hs_transfer_fork_prepare, hs_transfer_fork_parent },
	{ "central", hs_central_fork_prepare, hs_central_fork_parent },
	{ "page heap", take_pageheap, give_pageheap },
	{ "spans", hs_spans_fork_prepare, hs_spans_fork_parent },
	{ "backends", hs_backends_fork_prepare, hs_backends_fork_parent },
	{ "metadata", hs_meta_fork_prepare, hs_meta_fork_parent },
};

static int layer_state;		/* 1: taken; 2: about to be given back */

static void *hold_a_layer(void *arg)
{
	const struct layer *l = arg;

	l->take();
	__atomic_store_n(&layer_state, 1, __ATOMIC_SEQ_CST);
	sleep_ms(20);
	__atomic_store_n(&layer_state, 2, __ATOMIC_SEQ_CST);
	l->give();
	return NULL;
}

/*
 * A fork must not copy a layer that another thread is half-way through
 * changing: it waits for that thread, whatever layer it is in.
 */
SCENARIO_TEST(forks, a_fork_waits_for_every_layer)
{
	pthread_t thread;
	size_t i;
	pid_t pid;

	hold(PARENT);
	for (i = 0; i < ARRAY_SIZE(layers); i++) {
		layer_state = 0;
		CHILD_CHECK(!pthread_create(&thread, NULL, hold_a_layer,
					    (void *)&layers[i]));
		while (!__atomic_load_n(&layer_state, __ATOMIC_SEQ_CST))
			sched_yield();
		pid = child_fork();
		if (pid == 0) {
			if (layer_state != 2)
				fprintf(stderr, "# not waited for: %s\n",
					layers[i].name);
			CHILD_CHECK(layer_state == 2);
			check_held(PARENT);
			free_held();
			hs_release(0);
			hold(CHILD);
			check_heap();
			_exit(0);
		}
		CHILD_CHECK(child_wait(pid) == 0);
		CHILD_CHECK(!pthread_join(thread, NULL));
	}
	check_held(PARENT);
}

static void *use_the_heap(void *arg)
{
	int i;

	for (i = 0; i < 1000; i++)
		hs_free(hs_malloc(i * 37 % 5000));
	return arg;
}

static void *fork_and_go_on(void *arg)
{
	pthread_t thread[4];
	pid_t pid;
	int i;

	(void)arg;
	pid = child_fork();
	if (pid == 0) {		/* its only thread now; it makes new ones */
		check_held(PARENT);
		for (i = 0; i < 4; i++)
			CHILD_CHECK(!pthread_create(&thread[i], NULL,
						    use_the_heap, NULL));
		for (i = 0; i < 4; i++)
			CHILD_CHECK(!pthread_join(thread[i], NULL));
		free_held();
		CHILD_CHECK(stats().in_use_bytes == 0);
		check_heap();
		_exit(0);
	}
	CHILD_CHECK(child_wait(pid) == 0);
	return NULL;
}

SCENARIO_TEST(forks, a_child_of_a_thread_makes_threads)
{
	pthread_t thread;

	hold(PARENT);
	CHILD_CHECK(!pthread_create(&thread, NULL, fork_and_go_on, NULL));
	CHILD_CHECK(!pthread_join(thread, NULL));
	check_held(PARENT);
}

SCENARIO_MAIN_AROUND(backends_run)
