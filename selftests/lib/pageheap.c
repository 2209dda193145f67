// SPDX-License-Identifier: MIT
/*
 * The page heap against a naive model: an array that says of each page whose
 * it is (fakebackend.h).
 *
 * Guards against pages given to two, free neighbours that are not joined (the
 * heap grows though it has room), a fit that is not the best (it fragments),
 * units kept for ever or given back in use, records lost on the way of a
 * failure, and counters that drift.
 */
#include <pthread.h>

#include <kselftest_harness.h>

#include "fakebackend.h"
#include "fakemeta.h"
#include "pageheap.h"
#include "pagemap.h"

#define MAX_RUNS 256

static struct hs_pageheap ph;

/* What the test holds. */
struct held {
	struct hs_run *run;
	uint32_t owner;
};

static struct held held[MAX_RUNS];
static uint32_t last_owner = PAGE_OWNED;

/* How one walk differs from another. */
struct policy {
	size_t max_pages;
	size_t retain_units;
	size_t limit_units;	/* 0: none */
	unsigned int failures;	/* one in so many operations; 0: none */
};

static void start(uint64_t seed, const struct policy *p)
{
	memset(held, 0, sizeof(held));
	fake_reset(seed);
	hs_pageheap_init(&ph, &fake_backend, false);
	ph.retain_bytes = p->retain_units * FAKE_UNIT_BYTES;
	ph.limit_bytes = p->limit_units * FAKE_UNIT_BYTES;
}

static size_t first_page(const struct hs_run *run)
{
	return fake_page(hs_run_address(run));
}

/* ---- the operations, each with what it must do --------------------------- */

static const char *check_fit(const struct hs_run *run, size_t nr, size_t align,
			     size_t best)
{
	size_t first = first_page(run), start, end;

	if (hs_run_address(run) % align)
		return "the run is not aligned";
	if (run->nr_pages != nr)
		return "the run has another length";
	if (first + nr > FAKE_PAGES || fake.page[first] != PAGE_FREE)
		return "the run lies where nothing is free";
	start = fake_free_start(first);
	end = fake_free_end(first);
	if (first + nr > end)
		return "the run reaches past the free pages";
	if (best && end - start != best)
		return "a shorter free run would have done";
	if (run->zeroed && fake_was_dirty(first, nr))
		return "pages somebody had are said to be zero";
	return NULL;
}

/* Could the heap have grown for it? */
static bool may_grow(size_t nr, size_t align, const struct policy *p)
{
	size_t bytes = nr << HS_PAGE_SHIFT;

	if (align > FAKE_UNIT_BYTES)
		bytes += align;
	bytes = (bytes + FAKE_UNIT_BYTES - 1) / FAKE_UNIT_BYTES *
		FAKE_UNIT_BYTES;
	return !p->limit_units ||
	       fake.mapped_bytes - fake_idle_bytes() + bytes <= ph.limit_bytes;
}

static const char *do_alloc(struct held *h, uint64_t *state,
			    const struct policy *p, bool injected)
{
	enum hs_run_state kind = rnd_below(state, 2) ? HS_RUN_LARGE :
						       HS_RUN_SMALL;
	size_t nr = 1 + rnd_below(state, rnd_below(state, 4) ?
				  20 : p->max_pages);
	size_t align = HS_PAGE_BYTES;
	size_t best;
	unsigned int maps = fake.nr_maps;
	const char *broken;
	bool grows;

	if (!rnd_below(state, 4))
		align <<= rnd_below(state, 10);	/* up to two units */
	best = fake_best(nr, align);
	grows = may_grow(nr, align, p);
	h->run = hs_pageheap_alloc(&ph, nr, align, kind, kind == HS_RUN_SMALL ?
				   1 + rnd_below(state, 90) : 0);
	if (!injected && best && fake.nr_maps != maps)
		return "the heap grew though it had room";
	if (!injected && !best && !grows && h->run)
		return "the heap grew past its limit";
	if (!injected && (best || (grows && fake.nr_maps == maps)) && !h->run)
		return "there was room, and none was given";
	if (!h->run)
		return NULL;
	broken = check_fit(h->run, nr, align, injected ? 0 : best);
	if (broken)
		return broken;
	if ((kind == HS_RUN_LARGE) !=
	    (hs_pageheap_find_large(hs_run_address(h->run)) == h->run))
		return "only a large run is found as one";
	h->owner = ++last_owner;
	return fake_change(first_page(h->run), nr, PAGE_FREE, h->owner) ?
		NULL : "pages of the run are somebody else's";
}

static const char *do_free(struct held *h, const struct policy *p)
{
	size_t first = first_page(h->run);
	size_t idle_before = fake_idle_bytes(), idle;
	unsigned int unmaps = fake.nr_unmaps;

	if (!fake_change(first, h->run->nr_pages, h->owner, PAGE_FREE))
		return "the run lost pages while it was held";
	idle = fake_idle_bytes();
	hs_pageheap_free(&ph, h->run);
	h->run = NULL;
	if (idle == idle_before || idle <= ph.retain_bytes)
		return fake.nr_unmaps == unmaps ? NULL :
			"a unit went back that should have been kept";
	return fake.nr_unmaps == unmaps + 1 ? NULL :
		"an idle unit did not go back";
}

static const char *do_resize(struct held *h, uint64_t *state, bool injected)
{
	size_t first = first_page(h->run), was = h->run->nr_pages;
	size_t nr = 1 + rnd_below(state, was * 2);
	size_t room = was;
	bool done;

	if (h->run->state != HS_RUN_LARGE)
		return NULL;
	if (first + was < FAKE_PAGES && fake.page[first + was] == PAGE_FREE &&
	    fake_same_extent(first, first + was))
		room = fake_free_end(first + was) - first;
	done = hs_pageheap_resize(&ph, h->run, nr);
	if (done ? nr > room : nr <= room && !injected)
		return "a resize could be done or not, and said otherwise";
	if (!done)
		return h->run->nr_pages == was ? NULL : "half a resize";
	if (h->run->nr_pages != nr || first_page(h->run) != first)
		return "a resize moved the run";
	if (nr < was)
		fake_change(first + nr, was - nr, h->owner, PAGE_FREE);
	else if (!fake_change(first + was, nr - was, PAGE_FREE, h->owner))
		return "a run grew over somebody else's pages";
	return NULL;
}

static const char *do_release(uint64_t *state)
{
	size_t keep = rnd_below(state, 8) * FAKE_UNIT_BYTES;
	size_t before = fake_idle_bytes();
	size_t released = hs_pageheap_release(&ph, keep);
	size_t after = fake_idle_bytes();

	if (before - after != released)
		return "what went back is not what was said";
	return after > keep ? "more was kept than asked for" : NULL;
}

static const char *check_totals(void)
{
	size_t i, nr_free = 0;

	for (i = 0; i < FAKE_PAGES; i++)
		nr_free += fake.page[i] == PAGE_FREE;
	if (ph.free_pages != nr_free)
		return "free_pages is not the model's";
	if (ph.mapped_bytes != fake.mapped_bytes)
		return "mapped_bytes is not the model's";
	if (ph.idle_bytes != fake_idle_bytes())
		return "idle_bytes is not the model's";
	if (ph.limit_bytes && ph.mapped_bytes > ph.limit_bytes)
		return "the limit is passed";
	return hs_pageheap_check(&ph);
}

static const char *walk_step(uint64_t *state, const struct policy *p)
{
	struct held *h = &held[rnd_below(state, MAX_RUNS)];
	bool injected = p->failures && !rnd_below(state, p->failures);
	const char *broken;

	if (injected) {
		meta_fail_alloc = rnd_below(state, 4);
		meta_fail_map = rnd_below(state, 2);
		fake.fail = rnd_below(state, 2);
	}
	if (!rnd_below(state, 256))
		broken = do_release(state);
	else if (!h->run)
		broken = do_alloc(h, state, p, injected);
	else if (rnd_below(state, 3))
		broken = do_free(h, p);
	else
		broken = do_resize(h, state, injected);
	meta_fail_alloc = 0;
	meta_fail_map = 0;
	fake.fail = 0;
	return broken ? broken : fake.broken;
}

/* Everything back, and nothing of it left anywhere. */
static const char *walk_end(const struct policy *p, unsigned long live)
{
	const char *broken = NULL;
	size_t i;

	for (i = 0; i < MAX_RUNS && !broken; i++)
		if (held[i].run)
			broken = do_free(&held[i], p);
	if (!broken && ph.idle_bytes > ph.retain_bytes)
		broken = "more is kept than retain_bytes";
	if (!broken && ph.idle_bytes != ph.mapped_bytes)
		broken = "not all units are whole again";
	hs_pageheap_release(&ph, 0);
	if (!broken)
		broken = check_totals();
	if (!broken && (ph.mapped_bytes || fake.mapped_bytes))
		broken = "a unit did not go back";
	if (!broken && meta_live != live)
		broken = "a record was lost";
	return broken;
}

FIXTURE(walk) {
	int unused;
};

FIXTURE_VARIANT(walk) {
	struct policy policy;
};

FIXTURE_VARIANT_ADD(walk, small_runs) {
	.policy = { .max_pages = 64, .retain_units = 4 },
};

FIXTURE_VARIANT_ADD(walk, long_runs) {
	.policy = { .max_pages = 3 * FAKE_UNIT_PAGES, .retain_units = 4 },
};

FIXTURE_VARIANT_ADD(walk, nothing_retained) {
	.policy = { .max_pages = 2 * FAKE_UNIT_PAGES },
};

FIXTURE_VARIANT_ADD(walk, everything_retained) {
	.policy = { .max_pages = 300, .retain_units = FAKE_UNITS },
};

FIXTURE_VARIANT_ADD(walk, limit) {
	.policy = { .max_pages = 400, .retain_units = 8, .limit_units = 12 },
};

FIXTURE_VARIANT_ADD(walk, failures) {
	.policy = { .max_pages = 500, .retain_units = 2, .failures = 3 },
};

FIXTURE_SETUP(walk)
{
}

FIXTURE_TEARDOWN(walk)
{
}

TEST_F(walk, agrees_with_the_model)
{
	const struct policy *p = &variant->policy;
	uint64_t state = test_seed(), ops = test_ops(25000), i;
	unsigned long live = meta_live;
	const char *broken = NULL;

	start(state, p);
	for (i = 0; i < ops; i++) {
		broken = walk_step(&state, p);
		if (!broken && i % 64 == 0)
			broken = check_totals();
		ASSERT_EQ(NULL, broken) {
			TH_LOG("step %lu: %s", i, broken);
		}
	}
	broken = walk_end(p, live);
	ASSERT_EQ(NULL, broken) {
		TH_LOG("at the end: %s", broken);
	}
}

/* ---- threads ------------------------------------------------------------- */

#define NR_THREADS 4
#define RUNS_A_THREAD 32

static void *churn(void *arg)
{
	struct hs_run *mine[RUNS_A_THREAD] = { NULL };
	uint32_t owner = PAGE_OWNED + (uint32_t)(uintptr_t)arg;
	uint64_t state = (uintptr_t)arg, ops = test_ops(25000), i;

	for (i = 0; i < ops; i++) {
		struct hs_run **r = &mine[rnd_below(&state, RUNS_A_THREAD)];

		if (i > ops - 4 * RUNS_A_THREAD && !*r)
			continue;
		if (!*r) {
			*r = hs_pageheap_alloc(&ph, 1 + rnd_below(&state, 200),
					       HS_PAGE_BYTES, HS_RUN_LARGE, 0);
			if (*r && !fake_change(first_page(*r), (*r)->nr_pages,
					       PAGE_FREE, owner))
				return (void *)"pages were given to two";
			continue;
		}
		if (!fake_change(first_page(*r), (*r)->nr_pages, owner,
				 PAGE_FREE))
			return (void *)"pages were taken away";
		hs_pageheap_free(&ph, *r);
		*r = NULL;
	}
	for (i = 0; i < RUNS_A_THREAD; i++) {
		if (!mine[i])
			continue;
		fake_change(first_page(mine[i]), mine[i]->nr_pages, owner,
			    PAGE_FREE);
		hs_pageheap_free(&ph, mine[i]);
	}
	return NULL;
}

/* The lock is dropped while a backend maps: others come and go meanwhile. */
TEST(threads_share_a_heap)
{
	const struct policy p = { .retain_units = 2 };
	pthread_t thread[NR_THREADS];
	unsigned long live = meta_live;
	const char *broken;
	uintptr_t i;

	start(test_seed(), &p);
	for (i = 0; i < NR_THREADS; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, churn,
					    (void *)(i + 1)));
	for (i = 0; i < NR_THREADS; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], (void **)&broken));
		EXPECT_EQ(NULL, broken) {
			TH_LOG("%s", broken);
		}
	}
	broken = walk_end(&p, live);
	ASSERT_EQ(NULL, broken) {
		TH_LOG("%s", broken);
	}
	EXPECT_EQ(NULL, fake.broken);
}

TEST_HARNESS_MAIN
