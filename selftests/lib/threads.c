// SPDX-License-Identifier: MIT
/*
 * Threads over the whole allocator.
 *
 * Guards against memory that only grows when one thread allocates and another
 * frees, against what is lost or handed out twice when threads come and go
 * (also from the destructors that run while they go), and against figures that
 * do not add up again when all is quiet.
 */
#include <pthread.h>
#include <stdlib.h>

#include "heap.h"
#include "hugespan.h"
#include "pageheap.h"
#include "pattern.h"
#include "scenario.h"
#include "shadow.h"

FIXTURE(threads) {
	int unused;
};

FIXTURE_VARIANT(threads) {
	const char *env[5];
};

FIXTURE_VARIANT_ADD(threads, rseq) {
	.env = { "HUGESPAN_RSEQ=1", "HUGESPAN_CHECK=0" },
};

FIXTURE_VARIANT_ADD(threads, locked) {
	.env = { "HUGESPAN_RSEQ=0", "HUGESPAN_CHECK=0" },
};

FIXTURE_VARIANT_ADD(threads, check) {
	.env = { "HUGESPAN_RSEQ=1", "HUGESPAN_CHECK=1" },
};

FIXTURE_SETUP(threads)
{
}

FIXTURE_TEARDOWN(threads)
{
}

static void start(void)
{
	if (hs_heap_start())
		scenario_skip("the backend asked for is not to be had here");
}

static struct hs_stats stats(void)
{
	struct hs_stats st = { .struct_size = sizeof(st) };

	CHILD_CHECK(hs_stats(&st) == 0);
	return st;
}

/* All is quiet and everything was freed. */
static void check_nothing_is_left(void)
{
	struct hs_stats st = stats();

	CHILD_CHECK(!hs_pageheap_check(&hs_pageheap));
	CHILD_CHECK(st.mapped_bytes == st.in_use_bytes + st.cpu_cached_bytes +
		    st.transfer_cached_bytes + st.central_free_bytes +
		    st.page_free_bytes + st.slack_bytes);
	if (st.in_use_bytes)
		fprintf(stderr, "# %lu bytes were lost\n", st.in_use_bytes);
	CHILD_CHECK(st.in_use_bytes == 0);
	hs_release(0);
	if (stats().cpu_cached_bytes == 0)	/* else no membarrier */
		CHILD_CHECK(stats().mapped_bytes == 0);
}

static pthread_t spawn(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	CHILD_CHECK(!pthread_create(&thread, NULL, fn, arg));
	return thread;
}

static void join(pthread_t thread)
{
	CHILD_CHECK(!pthread_join(thread, NULL));
}

/* ---- one allocates, another frees ---------------------------------------- */

#define RING 256

static struct ring {
	void *slot[RING];
	size_t put, taken;
	uint64_t nr;
} rings[2];

static const size_t ring_sizes[] = { 24, 200, 200, 2000, 30000 };

static void *produce(void *arg)
{
	struct ring *r = arg;
	uint64_t i;

	for (i = 0; i < r->nr; i++) {
		size_t size = ring_sizes[i % ARRAY_SIZE(ring_sizes)];
		void *obj = hs_malloc(size);

		CHILD_CHECK(obj && shadow_claim(obj, size, 1));
		pattern_fill(obj, 24, i);
		while (i - __atomic_load_n(&r->taken, __ATOMIC_ACQUIRE) == RING)
			sched_yield();
		r->slot[i % RING] = obj;
		__atomic_store_n(&r->put, i + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void *consume(void *arg)
{
	struct ring *r = arg;
	uint64_t i;

	for (i = 0; i < r->nr; i++) {
		size_t size = ring_sizes[i % ARRAY_SIZE(ring_sizes)];
		void *obj;

		while (__atomic_load_n(&r->put, __ATOMIC_ACQUIRE) == i)
			sched_yield();
		obj = r->slot[i % RING];
		__atomic_store_n(&r->taken, i + 1, __ATOMIC_RELEASE);
		CHILD_CHECK(pattern_differs(obj, 24, i) < 0);
		CHILD_CHECK(shadow_release(obj, size, 1));
		hs_free(obj);
	}
	return NULL;
}

/*
 * What the consumer frees must find its way back to the producer: the heap
 * holds what is in flight and what caches may keep, however long it goes on.
 */
SCENARIO_TEST(threads, a_producer_and_a_consumer_stay_small)
{
	pthread_t thread[4];
	struct hs_stats st;
	size_t i;

	start();
	for (i = 0; i < 2; i++) {
		rings[i].nr = test_ops(400000) / 2;
		thread[2 * i] = spawn(produce, &rings[i]);
		thread[2 * i + 1] = spawn(consume, &rings[i]);
	}
	for (i = 0; i < 4; i++)
		join(thread[i]);
	st = stats();
	fprintf(stderr, "# at the most %lu KiB\n", st.mapped_peak_bytes >> 10);
	/* In flight at most 2 * 256 * 6.5 KiB; caches and runs the rest. */
	CHILD_CHECK(st.mapped_peak_bytes <= 32ul << 20 ||
		    hs_pageheap.backend->unit_bytes > 2ul << 20);
	check_nothing_is_left();
}

/* ---- threads that come and go -------------------------------------------- */

#define SHORT_THREADS 64	/* at once */

static pthread_key_t keys[3];
static uint64_t nr_destroyed;

/* A destructor that sets its key again is called again, four times in all. */
static void destroy(void *value)
{
	void *again = hs_realloc(value, 500);

	__atomic_fetch_add(&nr_destroyed, 1, __ATOMIC_RELAXED);
	CHILD_CHECK(again && pattern_differs(again, 96, 1) < 0);
	hs_free(hs_malloc(100000));
	hs_free(again);
}

static void destroy_and_come_again(void *value)
{
	unsigned long left = *(unsigned long *)value;
	unsigned long *next = NULL;

	__atomic_fetch_add(&nr_destroyed, 1, __ATOMIC_RELAXED);
	hs_free(value);
	if (!left)
		return;
	next = hs_calloc(1, 4000);
	CHILD_CHECK(next && *next == 0);
	*next = left - 1;
	pthread_setspecific(keys[2], next);
}

static void *live_shortly(void *arg)
{
	unsigned long *again;
	void *held[20], *mine;
	uint64_t state = (uintptr_t)arg;
	int i;

	for (i = 0; i < 2; i++) {
		mine = hs_malloc(96);
		CHILD_CHECK(mine);
		pattern_fill(mine, 96, 1);
		pthread_setspecific(keys[i], mine);
	}
	again = hs_malloc(sizeof(*again));
	CHILD_CHECK(again);
	*again = 2;
	pthread_setspecific(keys[2], again);
	for (i = 0; i < 20; i++) {
		held[i] = hs_malloc(rnd_below(&state, 5000));
		CHILD_CHECK(held[i] && shadow_claim(held[i], 16, 3));
	}
	for (i = 1; i < 20; i++) {
		CHILD_CHECK(shadow_release(held[i], 16, 3));
		hs_free(held[i]);
	}
	return held[0];		/* whoever joins us frees it */
}

SCENARIO_TEST(threads, hundreds_of_short_ones_with_destructors)
{
	unsigned int rounds = test_ops(20000) / 2000 + 1, round, i;
	pthread_t thread[SHORT_THREADS];
	void *left;

	start();
	CHILD_CHECK(!pthread_key_create(&keys[0], destroy));
	CHILD_CHECK(!pthread_key_create(&keys[1], destroy));
	CHILD_CHECK(!pthread_key_create(&keys[2], destroy_and_come_again));
	for (round = 0; round < rounds && round < 50; round++) {
		for (i = 0; i < SHORT_THREADS; i++)
			thread[i] = spawn(live_shortly,
					  (void *)(uintptr_t)(round * 1000 + i));
		for (i = 0; i < SHORT_THREADS; i++) {
			CHILD_CHECK(!pthread_join(thread[i], &left));
			CHILD_CHECK(shadow_release(left, 16, 3));
			hs_free(left);
		}
	}
	CHILD_CHECK(nr_destroyed == (uint64_t)round * SHORT_THREADS * 5);
	check_nothing_is_left();
}

/* ---- everybody, all the time --------------------------------------------- */

static bool over;

#define FILL 0x5a

static bool is_filled(const unsigned char *ptr, size_t size)
{
	return !size || (ptr[0] == FILL && !memcmp(ptr, ptr + 1, size - 1));
}

static void *mix(void *arg)
{
	uint64_t state = (uintptr_t)arg, nr = test_ops(200000) / 4, i;
	struct { void *ptr; size_t size; } held[100] = { 0 }, *h;

	for (i = 0; i < nr; i++) {
		h = &held[rnd_below(&state, ARRAY_SIZE(held))];
		if (h->ptr) {
			CHILD_CHECK(is_filled(h->ptr, h->size));
			CHILD_CHECK(shadow_release(h->ptr, h->size, 4));
			hs_free(h->ptr);
			h->ptr = NULL;
			continue;
		}
		h->size = rnd_below(&state, 1ul << (4 + rnd_below(&state, 16)));
		switch (rnd_below(&state, 4)) {
		case 0:
			h->ptr = hs_calloc(1, h->size);
			CHILD_CHECK(h->ptr &&
				    nonzero_at(h->ptr, h->size) == -1);
			break;
		case 1:
			h->ptr = hs_memalign(1ul << rnd_below(&state, 16),
					     h->size);
			break;
		case 2:
			h->ptr = hs_realloc(hs_malloc(h->size / 2 + 1),
					    h->size + 1);
			break;
		default:
			h->ptr = hs_malloc(h->size);
		}
		CHILD_CHECK(h->ptr);
		CHILD_CHECK(shadow_claim(h->ptr, h->size, 4));
		memset(h->ptr, FILL, h->size);
	}
	for (i = 0; i < ARRAY_SIZE(held); i++) {
		if (!held[i].ptr)
			continue;
		CHILD_CHECK(shadow_release(held[i].ptr, held[i].size, 4));
		hs_free(held[i].ptr);
	}
	return NULL;
}

/* Looks and releases, while the others are at it. */
static void *watch(void *arg)
{
	static char text[8192];

	(void)arg;
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		stats();
		CHILD_CHECK(hs_stats_format(text, sizeof(text), HS_JSON) > 0);
		hs_release(1ul << 20);
		sleep_ms(1);
	}
	return NULL;
}

SCENARIO_TEST(threads, the_whole_family_at_once)
{
	pthread_t thread[8], watcher;
	uint64_t seed = test_seed();
	size_t i;

	start();
	watcher = spawn(watch, NULL);
	for (i = 0; i < 8; i++)
		thread[i] = spawn(mix, (void *)(uintptr_t)(seed + i));
	for (i = 0; i < 8; i++)
		join(thread[i]);
	over = true;
	join(watcher);
	check_nothing_is_left();
}

SCENARIO_MAIN
