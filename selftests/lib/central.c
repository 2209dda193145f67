// SPDX-License-Identifier: MIT
/*
 * The central lists and the transfer cache.
 *
 * Guards against an object given to two, a run that keeps the bits of an
 * earlier life, runs that stay though all their objects came home, a choice of
 * run that lets sparse ones linger, an object written to while it is free, and
 * above all against a free that was no free: each wrong pointer must be
 * reported with its address.
 */
#include <pthread.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "central.h"
#include "heap.h"
#include "pageheap.h"
#include "pagemap.h"
#include "pattern.h"
#include "scenario.h"
#include "shadow.h"
#include "transfer.h"

#define MAX_HELD 4000

/* Objects of one class that the test holds. */
struct pocket {
	unsigned int c;
	unsigned int nr;
	void *obj[MAX_HELD];
};

static size_t size_of(unsigned int c)
{
	return hs_size_classes[c].size;
}

FIXTURE(lists) {
	int unused;
};

FIXTURE_SETUP(lists)
{
	if (hs_heap_start())
		SKIP(_exit(255), "the backend asked for is not to be had here");
}

FIXTURE_TEARDOWN(lists)
{
}

/* ---- the model ----------------------------------------------------------- */

/* From the central lists, or by way of the transfer cache. */
struct way {
	unsigned int (*take)(unsigned int c, void **out, unsigned int n);
	void (*put)(unsigned int c, void *const *objs, unsigned int n);
};

static const struct way central = { hs_central_take, hs_central_put };
static const struct way transfer = { hs_transfer_take, hs_transfer_put };

static const char *take(const struct way *w, struct pocket *p, unsigned int n)
{
	void *out[64];
	unsigned int i;

	if (n > MAX_HELD - p->nr)
		n = MAX_HELD - p->nr;
	if (w->take(p->c, out, n) != n)
		return "fewer came than were asked for";
	for (i = 0; i < n; i++) {
		uintptr_t addr = (uintptr_t)out[i];
		struct hs_run *run = hs_pagemap_run(addr);

		if (!run || run->state != HS_RUN_SMALL ||
		    run->size_class != p->c)
			return "an object lies in no run of its class";
		if ((addr - hs_run_address(run)) % size_of(p->c) ||
		    addr + size_of(p->c) > hs_run_address(run) +
					   hs_run_bytes(run))
			return "an object is out of line";
		if (!shadow_claim(out[i], size_of(p->c), p->c))
			return "an object was given to two";
		p->obj[p->nr++] = out[i];
	}
	return NULL;
}

static const char *put(const struct way *w, struct pocket *p, unsigned int n,
		       uint64_t *state)
{
	void *out[64];
	unsigned int i;

	if (n > p->nr)
		n = p->nr;
	for (i = 0; i < n; i++) {
		unsigned int k = rnd_below(state, p->nr);

		out[i] = p->obj[k];
		p->obj[k] = p->obj[--p->nr];
		if (!shadow_release(out[i], size_of(p->c), p->c))
			return "an object was somebody else's";
	}
	w->put(p->c, out, n);
	return NULL;
}

/* held + cached + free = what the runs have. */
static const char *check_counts(const struct pocket *p)
{
	struct hs_central_counts counts;

	hs_central_count(p->c, &counts);
	return counts.nr_runs * hs_size_classes[p->c].nr_objs ==
	       counts.nr_free + hs_transfer_count(p->c) + p->nr ?
		NULL : "the counts do not add up";
}

static const unsigned int classes[] = {
	1, 2, 3, 7, 8, 9, 16, 33, 50, 61, 73, 90, HS_NR_CLASSES - 1,
};

static struct pocket pockets[ARRAY_SIZE(classes)];

static const char *walk(const struct way *w, uint64_t seed, uint64_t ops)
{
	uint64_t state = seed, i;
	const char *broken = NULL;
	size_t j;

	for (j = 0; j < ARRAY_SIZE(classes); j++)
		pockets[j].c = classes[j];
	for (i = 0; i < ops && !broken; i++) {
		struct pocket *p = &pockets[rnd_below(&state,
						      ARRAY_SIZE(classes))];
		unsigned int n = 1 + rnd_below(&state, 33);
		/* Few of the large, and tides of the small. */
		unsigned int bound = size_of(p->c) > 4096 ? 40 : MAX_HELD;
		bool ebb = (i >> 12) & 1;

		if (p->nr < bound && rnd_below(&state, 10) >= (ebb ? 6u : 4u))
			broken = take(w, p, n);
		else
			broken = put(w, p, n, &state);
		if (!broken)
			broken = check_counts(p);
		if (!broken && i % 2048 == 0)
			broken = hs_pageheap_check(&hs_pageheap);
	}
	for (j = 0; j < ARRAY_SIZE(classes); j++)
		while (pockets[j].nr && !broken)
			broken = put(w, &pockets[j], 64, &state);
	return broken;
}

/* Every run must have gone home as pages. */
static const char *check_empty(void)
{
	struct hs_central_counts counts;
	unsigned int c;

	for (c = 1; c < HS_NR_CLASSES; c++) {
		hs_central_count(c, &counts);
		if (counts.nr_runs || counts.nr_free || hs_transfer_count(c))
			return "a class still has a run";
	}
	if (hs_pageheap.mapped_bytes != hs_pageheap.idle_bytes)
		return "a unit is not whole";
	return hs_pageheap_check(&hs_pageheap);
}

TEST_F(lists, central_agrees_with_the_model)
{
	const char *broken = walk(&central, test_seed(), test_ops(100000));

	if (!broken)
		broken = check_empty();
	EXPECT_EQ(NULL, broken) {
		TH_LOG("%s", broken);
	}
}

TEST_F(lists, transfer_agrees_with_the_model)
{
	const char *broken = walk(&transfer, test_seed(), test_ops(100000));

	hs_transfer_drain();
	if (!broken)
		broken = check_empty();
	EXPECT_EQ(NULL, broken) {
		TH_LOG("%s", broken);
	}
}

/* ---- runs ---------------------------------------------------------------- */

/* A record used again, for a class of more objects and of fewer. */
TEST_F(lists, runs_are_used_again_by_every_class)
{
	static void *objs[2][HS_RUN_OBJECTS_MAX];
	unsigned int c, round, i, n;

	for (round = 0; round < 3; round++) {
		for (c = 1; c < HS_NR_CLASSES; c++) {
			unsigned int class = round == 1 ? HS_NR_CLASSES - c : c;

			n = hs_size_classes[class].nr_objs;
			ASSERT_EQ(n, hs_central_take(class, objs[0], n));
			for (i = 0; i < n; i++)
				ASSERT_TRUE(shadow_claim(objs[0][i],
							 size_of(class), 1));
			/* All of one run, so the next is of another. */
			ASSERT_EQ(1, hs_central_take(class, objs[1], 1));
			ASSERT_TRUE(shadow_claim(objs[1][0], size_of(class), 1));
			ASSERT_NE(hs_pagemap_run((uintptr_t)objs[0][0]),
				  hs_pagemap_run((uintptr_t)objs[1][0]));
			for (i = 0; i < n; i++)
				ASSERT_TRUE(shadow_release(objs[0][i],
							   size_of(class), 1));
			ASSERT_TRUE(shadow_release(objs[1][0], size_of(class),
						   1));
			hs_central_put(class, objs[0], n);
			hs_central_put(class, objs[1], 1);
		}
		ASSERT_EQ(NULL, check_empty());
	}
}

/* Sparse runs must drain: what is taken comes from the fullest. */
TEST_F(lists, the_fullest_run_gives_first)
{
	enum { CLASS = 4 };
	const unsigned int n = hs_size_classes[CLASS].nr_objs;
	void *objs[3][HS_RUN_OBJECTS_MAX], *obj;
	unsigned int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(n, hs_central_take(CLASS, objs[i], n));
	hs_central_put(CLASS, objs[0], n - 1);		/* one in use */
	hs_central_put(CLASS, objs[1], n / 2);
	hs_central_put(CLASS, objs[2], 2);		/* nearly full */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(1, hs_central_take(CLASS, &obj, 1));
		EXPECT_EQ(hs_pagemap_run((uintptr_t)objs[2][0]),
			  hs_pagemap_run((uintptr_t)obj));
	}
	for (i = 0; i < n / 2; i++) {
		ASSERT_EQ(1, hs_central_take(CLASS, &obj, 1));
		EXPECT_EQ(hs_pagemap_run((uintptr_t)objs[1][0]),
			  hs_pagemap_run((uintptr_t)obj));
	}
}

/* Contract: no write into an object that is free. */
TEST_F(lists, free_objects_keep_their_bytes)
{
	enum { CLASS = 8 };
	const unsigned int n = hs_size_classes[CLASS].nr_objs;
	void *objs[HS_RUN_OBJECTS_MAX];
	unsigned int i;

	ASSERT_EQ(n, hs_central_take(CLASS, objs, n));
	for (i = 0; i < n; i++)
		pattern_fill(objs[i], size_of(CLASS), i);
	hs_transfer_put(CLASS, objs, n - 1);
	for (i = 0; i < n; i++)
		ASSERT_EQ(-1, pattern_differs(objs[i], size_of(CLASS), i));
	hs_transfer_drain();
	for (i = 0; i < n; i++)
		ASSERT_EQ(-1, pattern_differs(objs[i], size_of(CLASS), i));
}

/* ---- the transfer cache -------------------------------------------------- */

/* It keeps up to its bound and passes the rest on; a drain empties it. */
TEST_F(lists, the_transfer_cache_keeps_its_bound)
{
	unsigned int c;

	for (c = 1; c < HS_NR_CLASSES; c++) {
		const unsigned int max = hs_size_classes[c].transfer_max;
		struct hs_central_counts before, after;
		void *objs[HS_TRANSFER_MAX + 1], *back[HS_TRANSFER_MAX];
		unsigned int i;

		ASSERT_EQ(max + 1, hs_transfer_take(c, objs, max + 1));
		EXPECT_EQ(0, hs_transfer_count(c));
		hs_transfer_put(c, objs, max);
		EXPECT_EQ(max, hs_transfer_count(c));
		hs_central_count(c, &before);
		hs_transfer_put(c, objs + max, 1);
		EXPECT_EQ(max, hs_transfer_count(c));
		hs_central_count(c, &after);
		EXPECT_EQ(before.nr_runs * hs_size_classes[c].nr_objs -
			  before.nr_free - 1,
			  after.nr_runs * hs_size_classes[c].nr_objs -
			  after.nr_free);
		/* The warmest come first. */
		ASSERT_EQ(2, hs_transfer_take(c, back, 2));
		for (i = 0; i < 2; i++)
			EXPECT_TRUE(back[i] == objs[max - 1] ||
				    back[i] == objs[max - 2]);
		hs_transfer_put(c, back, 2);
		hs_transfer_drain();
		EXPECT_EQ(0, hs_transfer_count(c));
	}
	EXPECT_EQ(NULL, check_empty());
}

/* ---- out of memory ------------------------------------------------------- */

/* What there is comes, the rest does not, and all can go back. */
TEST_F(lists, memory_runs_out)
{
	enum { CLASS = 60 };
	struct pocket *p = &pockets[0];
	unsigned int got;

	p->c = CLASS;
	hs_pageheap.limit_bytes = hs_pageheap.backend->unit_bytes;
	if (hs_pageheap.limit_bytes / size_of(CLASS) > MAX_HELD)
		SKIP(return, "the unit of this backend is too large");
	do {
		got = hs_transfer_take(CLASS, p->obj + p->nr, 7);
		p->nr += got;
	} while (got == 7);
	EXPECT_LT(hs_pageheap.limit_bytes * 3 / 4, p->nr * size_of(CLASS));
	EXPECT_EQ(0, hs_central_take(CLASS, p->obj + p->nr, 1));
	EXPECT_EQ(NULL, check_counts(p));
	hs_transfer_put(CLASS, p->obj, 3);
	EXPECT_EQ(3, hs_transfer_take(CLASS, p->obj, 100));
	hs_transfer_put(CLASS, p->obj, p->nr);
	hs_transfer_drain();
	EXPECT_EQ(NULL, check_empty());
}

/* ---- threads ------------------------------------------------------------- */

static void *churn(void *arg)
{
	uint64_t state = (uintptr_t)arg, ops = test_ops(100000), i;
	struct pocket *p = calloc(1, sizeof(*p));
	const char *broken = NULL;

	p->c = 5;
	for (i = 0; i < ops && !broken; i++) {
		const struct way *w = rnd_below(&state, 2) ? &central :
							     &transfer;
		unsigned int n = 1 + rnd_below(&state, 20);

		broken = p->nr < 300 && rnd_below(&state, 2) ?
			take(w, p, n) : put(w, p, n, &state);
	}
	while (p->nr && !broken)
		broken = put(&central, p, 64, &state);
	free(p);
	return (void *)broken;
}

TEST_F(lists, threads_share_a_class)
{
	uint64_t seed = test_seed();
	pthread_t thread[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, churn,
					    (void *)(uintptr_t)(seed + i)));
	for (i = 0; i < 4; i++) {
		void *broken;

		pthread_join(thread[i], &broken);
		EXPECT_EQ(NULL, broken) {
			TH_LOG("%s", (char *)broken);
		}
	}
	hs_transfer_drain();
	EXPECT_EQ(NULL, check_empty());
}

/* ---- frees that are none ------------------------------------------------- */

enum { VICTIM = 9 };	/* 144 bytes: its runs have a tail */

static void put_it(void *ptr)
{
	hs_central_put(VICTIM, &ptr, 1);
}

static void check_it(void *ptr)
{
	hs_central_check_in_use(VICTIM, ptr);
}

static void put_it_among_others(void *ptr)
{
	void *objs[3];

	hs_central_take(VICTIM, objs, 2);
	objs[2] = ptr;
	hs_central_put(VICTIM, objs, 3);
}

TEST_F(lists, wrong_pointers_abort_with_their_address)
{
	static void (*const ways[])(void *) = {
		put_it, check_it, put_it_among_others,
	};
	void *objs[60], *other, *mapped;
	char *start;
	size_t i, j;

	ASSERT_EQ(60, hs_central_take(VICTIM, objs, 60));
	ASSERT_EQ(1, hs_central_take(VICTIM + 1, &other, 1));
	mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	hs_central_put(VICTIM, objs, 2);
	start = (char *)hs_run_address(hs_pagemap_run((uintptr_t)objs[2]));
	{
		void *wrong[] = {
			objs[0],			/* free already */
			objs[1],
			(char *)objs[2] + 1,		/* inside */
			(char *)objs[2] + 16,
			(char *)objs[2] + size_of(VICTIM) - 1,
			start + HS_PAGE_BYTES - 1,	/* the run's tail */
			start + hs_size_classes[VICTIM].nr_objs *
				size_of(VICTIM),
			other,				/* of another class */
			&i,				/* not ours */
			mapped,
			(void *)16,
			(void *)-16,
		};

		for (i = 0; i < ARRAY_SIZE(wrong); i++) {
			for (j = 0; j < ARRAY_SIZE(ways); j++) {
				struct outcome o;

				child_outcome(ways[j], wrong[i], &o);
				EXPECT_TRUE(aborted_naming(&o, wrong[i])) {
					TH_LOG("pointer %zu, way %zu: status %x: %s",
					       i, j, o.status, o.err);
				}
			}
		}
	}
}

/* A second free after the run has gone home as pages, and elsewhere since. */
TEST_F(lists, free_of_an_object_whose_run_is_gone)
{
	void *objs[HS_RUN_OBJECTS_MAX], *other;
	struct outcome o;

	ASSERT_EQ(10, hs_central_take(VICTIM, objs, 10));
	hs_central_put(VICTIM, objs, 10);
	child_outcome(put_it, objs[3], &o);
	EXPECT_TRUE(aborted_naming(&o, objs[3]));
	ASSERT_EQ(1, hs_central_take(1, &other, 1));
	child_outcome(put_it, objs[3], &o);
	EXPECT_TRUE(aborted_naming(&o, objs[3]));
	hs_central_put(1, &other, 1);
	hs_pageheap_release(&hs_pageheap, 0);
	child_outcome(put_it, objs[3], &o);
	EXPECT_TRUE(aborted_naming(&o, objs[3]));
}

TEST_HARNESS_MAIN
