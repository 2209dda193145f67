// SPDX-License-Identifier: MIT
/*
 * Memory that goes back unasked, in each mode of the caches.
 *
 * Guards against a heap that stays as large as it ever was because the caches
 * keep an object of each unit; against one that is drained again and again
 * though the program needs it all at once; and against a trim that meets a
 * fork or another thread half-way.
 */
#include <pthread.h>
#include <stdlib.h>

#include "cpucache.h"
#include "heap.h"
#include "hugespan.h"
#include "options.h"
#include "pageheap.h"
#include "pattern.h"
#include "scenario.h"
#include "trim.h"

#define UP_BYTES (64ul << 20)
#define MAX_OBJS 400000
/* What may be left of it: idle units, as hs_opt.retain_bytes has it. */
#define LEFT_BYTES (8ul << 20)

FIXTURE(trims) {
	int unused;
};

FIXTURE_VARIANT(trims) {
	const char *env[5];
};

FIXTURE_VARIANT_ADD(trims, rseq) {
	.env = { "HUGESPAN_RSEQ=1", "HUGESPAN_CHECK=0" },
};

FIXTURE_VARIANT_ADD(trims, locked) {
	.env = { "HUGESPAN_RSEQ=0", "HUGESPAN_CHECK=0" },
};

FIXTURE_VARIANT_ADD(trims, off) {
	.env = { "HUGESPAN_RSEQ=1", "HUGESPAN_CHECK=1" },
};

FIXTURE_SETUP(trims)
{
}

FIXTURE_TEARDOWN(trims)
{
}

static void *objs[MAX_OBJS];
static size_t nr_objs;

static void start(void)
{
	if (hs_heap_start())
		scenario_skip("the backend asked for is not to be had here");
	if (hs_pageheap.backend->unit_bytes > LEFT_BYTES / 2)
		scenario_skip("the unit of this backend is too large");
	if (hs_cpu_drain())
		scenario_skip("no membarrier here: nothing drains");
}

static struct hs_stats stats(void)
{
	struct hs_stats st = { .struct_size = sizeof(st) };

	CHILD_CHECK(!hs_stats(&st));
	return st;
}

/* Sizes of every class, the smaller the more often. */
static void go_up(uint64_t *state, size_t bytes)
{
	for (nr_objs = 0; bytes && nr_objs < MAX_OBJS; nr_objs++) {
		size_t size = 16 + rnd_below(state, 16ul << rnd_below(state, 11));

		objs[nr_objs] = hs_malloc(size);
		CHILD_CHECK(objs[nr_objs]);
		bytes -= size < bytes ? size : bytes;
	}
}

static void shuffle(uint64_t *state)
{
	size_t i;

	for (i = nr_objs; i > 1; i--) {
		size_t j = rnd_below(state, i);
		void *other = objs[i - 1];

		objs[i - 1] = objs[j];
		objs[j] = other;
	}
}

/* To so many objects, which random ones. */
static void go_down(uint64_t *state, size_t nr_left)
{
	shuffle(state);
	while (nr_objs > nr_left)
		hs_free(objs[--nr_objs]);
}

static void check_sound(void)
{
	const char *broken = hs_pageheap_check(&hs_pageheap);

	if (broken)
		fprintf(stderr, "# %s\n", broken);
	CHILD_CHECK(!broken);
}

/* Freed in any order, with no call to hs_release: nearly nothing is left. */
SCENARIO_TEST(trims, what_is_freed_goes_back)
{
	uint64_t state = test_seed();

	start();
	go_up(&state, UP_BYTES);
	CHILD_CHECK(stats().mapped_bytes >= UP_BYTES);
	go_down(&state, 0);
	fprintf(stderr, "# %lu bytes are left after %lu trims\n",
		stats().mapped_bytes, hs_nr_trims);
	CHILD_CHECK(stats().mapped_bytes <= LEFT_BYTES);
	CHILD_CHECK(stats().in_use_bytes == 0);
	check_sound();
}

/* Halvings are few: the work is bounded. */
SCENARIO_TEST(trims, a_decline_takes_few_trims)
{
	uint64_t state = test_seed();

	start();
	go_up(&state, UP_BYTES);
	go_down(&state, 0);
	CHILD_CHECK(hs_nr_trims <= 27);		/* log2 of UP_BYTES, and one */
}

/* The option says no: the caches pin what they like until asked. */
SCENARIO_TEST(trims, not_if_told_so)
{
	uint64_t state = test_seed();

	hs_options_load();
	hs_opt.trim = false;
	start();
	go_up(&state, UP_BYTES);
	go_down(&state, 0);
	CHILD_CHECK(hs_nr_trims == 0);
	hs_release(0);
	CHILD_CHECK(stats().mapped_bytes == 0);
}

/* Up and down all the time: trimmed about once a second, not each time. */
SCENARIO_TEST(trims, one_that_goes_up_and_down_is_left_alone)
{
	uint64_t state = test_seed(), nr_series;
	long long began = now_ms();
	int round;

	start();
	for (round = 0; round < 30; round++) {
		go_up(&state, UP_BYTES / 4);
		go_down(&state, 0);
	}
	nr_series = 2 + (now_ms() - began) * 1000000 / HS_TRIM_PERIOD_NS;
	fprintf(stderr, "# %lu trims in %lld ms\n", hs_nr_trims,
		now_ms() - began);
	CHILD_CHECK(hs_nr_trims <= nr_series * 27);
	check_sound();
}

/* The caches are sparing only while nothing is allocated. */
SCENARIO_TEST(trims, caches_work_again_afterwards)
{
	uint64_t state = test_seed();
	void *held[200];
	int i, round;

	start();
	go_up(&state, UP_BYTES);
	go_down(&state, 50);
	for (round = 0; round < 200; round++) {
		for (i = 0; i < 200; i++)
			held[i] = hs_malloc(100 + 100 * i);
		for (i = 0; i < 200; i++)
			hs_free(held[i]);
	}
	CHILD_CHECK(hs_cpu_sparing() == HS_SPARE_NOT);
	if (!hs_opt.check)
		CHILD_CHECK(stats().cpu_cached_bytes > 0);
	go_down(&state, 0);
	CHILD_CHECK(stats().in_use_bytes == 0);
	check_sound();
}

/* Large blocks count as well: what pins the rest goes when they go. */
SCENARIO_TEST(trims, large_blocks_count)
{
	enum { NR = 40 };
	void *large[NR], *small[NR];
	int i;

	start();
	for (i = 0; i < NR; i++) {
		large[i] = hs_malloc(1500000);
		small[i] = hs_malloc(100000);
		CHILD_CHECK(large[i] && small[i]);
	}
	for (i = 0; i < NR; i++)
		hs_free(small[i]);
	for (i = 0; i < NR; i++)
		hs_free(large[i]);
	CHILD_CHECK(stats().mapped_bytes <= LEFT_BYTES);
	check_sound();
}

/* A child that frees what it inherited is trimmed, its parent is not. */
SCENARIO_TEST(trims, a_child_has_its_own)
{
	uint64_t state = test_seed(), before;
	pid_t pid;

	start();
	go_up(&state, UP_BYTES);
	before = stats().mapped_bytes;
	pid = child_fork();
	if (pid == 0) {
		go_down(&state, 0);
		check_sound();
		_exit(stats().mapped_bytes <= LEFT_BYTES ? 0 : 1);
	}
	CHILD_CHECK(child_wait(pid) == 0);
	CHILD_CHECK(stats().mapped_bytes == before);
	go_down(&state, 0);
	CHILD_CHECK(stats().mapped_bytes <= LEFT_BYTES);
}

#define NR_THREADS 4
#define OBJS_A_THREAD 3000

static bool over;

/* Ups and downs, each object with bytes that say whose it is. */
static void *churn(void *arg)
{
	char **mine = calloc(OBJS_A_THREAD, sizeof(*mine));
	uint64_t state = (uintptr_t)arg;
	size_t i;

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		for (i = 0; i < OBJS_A_THREAD; i++) {
			mine[i] = hs_malloc(16ul << rnd_below(&state, 10));
			CHILD_CHECK(mine[i]);
			memcpy(mine[i], &arg, sizeof(arg));
		}
		for (i = 0; i < OBJS_A_THREAD; i++) {
			CHILD_CHECK(!memcmp(mine[i], &arg, sizeof(arg)));
			hs_free(mine[i]);
		}
	}
	free(mine);
	return NULL;
}

/* Trims among threads, and forks in the middle of trims. */
SCENARIO_TEST(trims, threads_and_forks_meet_trims)
{
	uint64_t state = test_seed();
	pthread_t thread[NR_THREADS];
	int round;
	uintptr_t i;

	start();
	for (i = 0; i < NR_THREADS; i++)
		CHILD_CHECK(!pthread_create(&thread[i], NULL, churn,
					    (void *)(state + i)));
	for (round = 0; round < 20; round++) {
		pid_t pid = child_fork();

		if (pid == 0) {
			go_up(&state, UP_BYTES / 8);
			go_down(&state, 0);
			_exit(hs_pageheap_check(&hs_pageheap) ? 1 : 0);
		}
		CHILD_CHECK(child_wait(pid) == 0);
		go_up(&state, UP_BYTES / 8);
		go_down(&state, 0);
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (i = 0; i < NR_THREADS; i++)
		CHILD_CHECK(!pthread_join(thread[i], NULL));
	CHILD_CHECK(stats().in_use_bytes == 0);
	check_sound();
}

SCENARIO_MAIN
