// SPDX-License-Identifier: MIT
/*
 * Per-CPU caches, in each of their modes: the same tests on all three.
 *
 * Guards above all against a commit that is not protected: a thread that is
 * preempted, migrated or interrupted between reading a stack and changing it
 * hands out an object that somebody has, or loses one. Also against objects
 * left behind on a CPU nobody runs on, a drain that meets a push half-way, and
 * caches that grow without bound.
 */
#include <linux/rseq.h>
#include <sys/rseq.h>

#include "central.h"
#include "cpucache.h"
#include "heap.h"
#include "options.h"
#include "pageheap.h"
#include "scenario.h"
#include "storm.h"
#include "transfer.h"

FIXTURE(caches) {
	int unused;
};

FIXTURE_VARIANT(caches) {
	const char *env[5];
};

FIXTURE_VARIANT_ADD(caches, rseq) {
	.env = { "HUGESPAN_RSEQ=1", "HUGESPAN_CHECK=0",
		 "HUGESPAN_TEST_MODE=rseq" },
};

FIXTURE_VARIANT_ADD(caches, locked) {
	.env = { "HUGESPAN_RSEQ=0", "HUGESPAN_CHECK=0",
		 "HUGESPAN_TEST_MODE=locked" },
};

FIXTURE_VARIANT_ADD(caches, off) {
	.env = { "HUGESPAN_RSEQ=1", "HUGESPAN_CHECK=1",
		 "HUGESPAN_TEST_MODE=off" },
};

FIXTURE_SETUP(caches)
{
}

FIXTURE_TEARDOWN(caches)
{
}

static bool mode_is(const char *mode)
{
	return !strcmp(getenv("HUGESPAN_TEST_MODE"), mode);
}

/* In the mode of the variant, or not at all. */
static void start(void)
{
	struct hs_status st = { .struct_size = sizeof(st) };

	if (hs_heap_start())
		scenario_skip("the backend asked for is not to be had here");
	CHILD_CHECK(!hs_status(&st));
	if (!mode_is(st.cache_mode))
		scenario_skip("caches are %s: %s", st.cache_mode,
			      st.cache_reason);
}

static void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHILD_CHECK(!sched_setaffinity(0, sizeof(set), &set));
}

/* Nothing is in use, what is cached adds up, and all of it goes back. */
static void check_at_rest(void)
{
	struct hs_stats st = { .struct_size = sizeof(st) };
	const char *broken = hs_pageheap_check(&hs_pageheap);

	if (broken)
		fprintf(stderr, "# %s\n", broken);
	CHILD_CHECK(!broken);
	CHILD_CHECK(!hs_stats(&st));
	if (st.in_use_bytes)
		fprintf(stderr, "# %lu bytes were lost\n", st.in_use_bytes);
	CHILD_CHECK(st.in_use_bytes == 0);
	CHILD_CHECK(st.mapped_bytes == st.cpu_cached_bytes +
		    st.transfer_cached_bytes + st.central_free_bytes +
		    st.page_free_bytes + st.slack_bytes);
	if (hs_cpu_drain())
		return;			/* no membarrier: they stay */
	hs_release(0);
	CHILD_CHECK(!hs_stats(&st));
	CHILD_CHECK(st.cpu_cached_bytes == 0);
	CHILD_CHECK(st.transfer_cached_bytes == 0);
	CHILD_CHECK(st.mapped_bytes == 0);
}

/* The status says which mode it is and, when it is not the best, why. */
SCENARIO_TEST(caches, status_says_which_and_why)
{
	struct hs_status st = { .struct_size = sizeof(st) };

	start();
	CHILD_CHECK(!hs_status(&st));
	if (mode_is("rseq"))
		CHILD_CHECK(!strcmp(st.cache_reason, ""));
	if (mode_is("locked"))
		CHILD_CHECK(strstr(st.cache_reason, "HUGESPAN_RSEQ=0"));
	if (mode_is("off"))
		CHILD_CHECK(strstr(st.cache_reason, "HUGESPAN_CHECK=1"));
	CHILD_CHECK((hs_rseq_offset != 0) == mode_is("rseq"));
}

/* ---- one thread ---------------------------------------------------------- */

/* Each class beyond all it may keep, on each CPU; freed on another one. */
SCENARIO_TEST(caches, every_class_on_every_cpu)
{
	static void *objs[3 * HS_CPU_CLASS_MAX];
	unsigned int c, i;
	int cpu;

	start();
	storm_find_cpus();
	for (c = 1; c < HS_NR_CLASSES; c++) {
		const struct hs_size_class *sc = &hs_size_classes[c];
		unsigned int n = 3 * sc->cpu_max;
		uint64_t cached;

		for (cpu = 0; cpu < storm_nr_cpus; cpu++) {
			pin_to(storm_cpu[cpu]);
			for (i = 0; i < n; i++) {
				objs[i] = hs_malloc(sc->size);
				CHILD_CHECK(objs[i]);
				CHILD_CHECK(shadow_claim(objs[i], sc->size, 1));
			}
			pin_to(storm_cpu[(cpu + 1) % storm_nr_cpus]);
			for (i = 0; i < n; i++) {
				CHILD_CHECK(shadow_release(objs[i], sc->size,
							   1));
				hs_free(objs[i]);
			}
		}
		cached = hs_cpu_count(c);
		CHILD_CHECK(cached <= (uint64_t)sc->cpu_max * storm_nr_cpus);
		CHILD_CHECK((cached == 0) == mode_is("off"));
	}
	check_at_rest();
}

/* A free object is the next to be given: its lines are in the CPU's cache. */
SCENARIO_TEST(caches, the_last_freed_is_the_first_given)
{
	void *objs[8], *again;
	int i, j;

	start();
	if (mode_is("off"))
		return;		/* no cache, no order */
	storm_find_cpus();
	pin_to(storm_cpu[0]);
	for (j = 0; j < 10; j++) {
		for (i = 0; i < 8; i++)
			objs[i] = hs_malloc(100);
		for (i = 0; i < 8; i++)
			hs_free(objs[i]);
	}
	for (i = 7; i >= 0; i--) {
		again = hs_malloc(100);
		CHILD_CHECK(again == objs[i]);
	}
}

/* HUGESPAN_CPU_CACHE bounds a CPU, but for the first few of each class. */
SCENARIO_TEST(caches, a_cpu_keeps_its_bound)
{
	static void *objs[HS_NR_CLASSES][64];
	uint64_t cached = 0, floor = 0;
	unsigned int c, i, round;

	hs_options_load();
	hs_opt.cpu_cache_bytes = 100000;
	start();
	storm_find_cpus();
	pin_to(storm_cpu[0]);
	for (round = 0; round < 3; round++) {
		for (c = 1; c < HS_NR_CLASSES; c++)
			for (i = 0; i < 64; i++)
				objs[c][i] = hs_malloc(hs_size_classes[c].size);
		for (c = 1; c < HS_NR_CLASSES; c++)
			for (i = 0; i < 64; i++)
				hs_free(objs[c][i]);
	}
	for (c = 1; c < HS_NR_CLASSES; c++) {
		cached += hs_cpu_count(c) * hs_size_classes[c].size;
		floor += HS_CPU_CLASS_MIN * hs_size_classes[c].size;
	}
	CHILD_CHECK(cached <= floor + 100000);
	check_at_rest();
}

/*
 * A thread whose rseq is not registered (raw clone, another library's doing)
 * has no CPU of its own: it must be served all the same.
 */
SCENARIO_TEST(caches, a_thread_without_rseq_is_served)
{
	static void *objs[1000];
	void *area;
	int i, round;

	start();
	if (!__rseq_size)
		scenario_skip("this libc or kernel has no rseq");
	area = (char *)__builtin_thread_pointer() + __rseq_offset;
	CHILD_CHECK(!syscall(SYS_rseq, area, 32, RSEQ_FLAG_UNREGISTER,
			     RSEQ_SIG));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 1000; i++) {
			objs[i] = hs_malloc(64);
			CHILD_CHECK(objs[i]);
			CHILD_CHECK(shadow_claim(objs[i], 64, 1));
		}
		for (i = 0; i < 1000; i++) {
			CHILD_CHECK(shadow_release(objs[i], 64, 1));
			hs_free(objs[i]);
		}
	}
	CHILD_CHECK(!syscall(SYS_rseq, area, 32, 0, RSEQ_SIG));
	check_at_rest();
}

/* A drain leaves caches that work. */
SCENARIO_TEST(caches, caches_fill_again_after_a_drain)
{
	void *objs[100];
	int i, round;

	start();
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 100; i++)
			objs[i] = hs_malloc(32);
		for (i = 0; i < 100; i++)
			hs_free(objs[i]);
		CHILD_CHECK((hs_cpu_count(2) > 0) == !mode_is("off"));
		if (hs_cpu_drain())
			scenario_skip("no membarrier here: nothing drains");
		CHILD_CHECK(hs_cpu_count(2) == 0);
	}
	check_at_rest();
}

/* ---- many threads -------------------------------------------------------- */

static void run_storm(bool signals, bool drains)
{
	const struct storm s = {
		.signals = signals, .drains = drains,
		.ops = test_ops(3000000), .seed = test_seed(),
	};

	start();
	storm_run(&s);
	check_at_rest();
}

/* Preemption as it comes. */
SCENARIO_TEST(caches, storm)
{
	run_storm(false, false);
}

/* Preemption, signals and migration at every instruction sooner or later. */
SCENARIO_TEST(caches, storm_with_signals)
{
	run_storm(true, false);
}

/* And the caches are emptied meanwhile. */
SCENARIO_TEST(caches, storm_with_signals_and_drains)
{
	run_storm(true, true);
}

static bool hammer_over;

/* One class, back and forth: it is always about to commit. */
static void *hammer(void *arg)
{
	void *objs[4];
	int i;

	(void)arg;
	pin_to(storm_cpu[0]);
	while (!__atomic_load_n(&hammer_over, __ATOMIC_RELAXED)) {
		for (i = 0; i < 4; i++) {
			objs[i] = hs_malloc(64);
			STORM_CHECK(shadow_claim(objs[i], 64, 1),
				    "handed out while in use", objs[i]);
		}
		for (i = 0; i < 4; i++) {
			STORM_CHECK(shadow_release(objs[i], 64, 1),
				    "taken by another while in use", objs[i]);
			hs_free(objs[i]);
		}
		storm_done += 8;
	}
	return NULL;
}

/*
 * A drain from another CPU meets a sequence at each of its instructions,
 * without any preemption. What it must wait for is some nanoseconds long.
 */
SCENARIO_TEST(caches, drains_from_another_cpu)
{
	uint64_t nr = test_ops(60000), i;
	pthread_t thread;

	start();
	storm_find_cpus();
	if (storm_nr_cpus < 2)
		scenario_skip("one CPU");
	storm_began_ms = now_ms();
	CHILD_CHECK(!pthread_create(&thread, NULL, hammer, NULL));
	pin_to(storm_cpu[1]);
	for (i = 0; i < nr && now_ms() - storm_began_ms < STORM_MAX_MS; i++)
		hs_cpu_drain();
	hammer_over = true;
	CHILD_CHECK(!pthread_join(thread, NULL));
	fprintf(stderr, "# %lu drains, %lu operations, %lld ms\n", i,
		storm_done, now_ms() - storm_began_ms);
	check_at_rest();
}

SCENARIO_MAIN
