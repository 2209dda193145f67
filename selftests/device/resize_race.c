// SPDX-License-Identifier: MIT
/*
 * Growing and shrinking while the pool is in use. A unit that leaves the pool
 * is the system's, which gives it to anybody at once: whatever of ours still
 * looked at it (a stale mapping, the zeroing worker) would write into, or show,
 * memory of a stranger. Ordinary memory with a pattern is that stranger here,
 * and all units come and go at once, so the pool is small:
 * guest options: --mem 1G --pool-arg pool=64M
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>

#include "child.h"
#include "poolsize.h"
#include "fault.h"
#include "pattern.h"

#define TAG 0x9ace
#define STORM_MS 4000
#define STRANGER_BYTES (16ul << 20)
/* Emulated, the stranger takes longer than the rest of a round. */
#define ROUNDS_PER_STRANGER 8

FIXTURE(resize_race) {
	struct pool_watch watch;
	struct pool_size size;
	size_t unit;
	long long nr;
	int fd;
};

FIXTURE_SETUP(resize_race)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	ASSERT_EQ(0, pool_size_save(&self->size));
	if (access(POOL_SYSFS "/nr_target", W_OK)) {
		SKIP_IN_SETUP("the pool's size may not be changed: %s",
			      strerror(errno));
	}
	self->nr = pool_value(POOL_ALL_NODES, "nr_units");
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
}

FIXTURE_TEARDOWN(resize_race)
{
	close(self->fd);
	EXPECT_EQ(0, pool_settle(&self->watch, 0));
	EXPECT_EQ(0, pool_size_restore(&self->size));
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/*
 * Somebody who knows nothing of us takes memory, most likely what the pool has
 * just given back, and must find in it what it wrote.
 */
static bool stranger_is_unharmed(void)
{
	long at;
	void *p = mmap(NULL, STRANGER_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	if (nonzero_at(p, STRANGER_BYTES / 8) >= 0) {
		diag("fresh memory of the system is not zero");
		return false;
	}
	pattern_dot(p, STRANGER_BYTES, TAG);
	sleep_ms(5);
	at = pattern_dots_differ(p, STRANGER_BYTES, TAG);
	munmap(p, STRANGER_BYTES);
	if (at >= 0)
		diag("a stranger's byte %ld was changed", at);
	return at < 0;
}

/* Until it is done, also when children that were killed still let go. */
static int resize_patiently(long long nr)
{
	uint64_t end = now_ms() + SETTLE_MS;
	int err;

	while ((err = pool_resize(POOL_ALL_NODES, nr)) == -EBUSY &&
	       now_ms() < end)
		sleep_ms(1);
	return err;
}

/* A mapping of a unit that is no more raises SIGBUS; and when it is again too. */
TEST_F(resize_race, a_stale_mapping_of_an_absent_unit_is_dead)
{
	uint64_t word;
	struct span s;
	void *p;

	ASSERT_EQ(0, span_alloc(self->fd, 1, &s));
	ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
	ASSERT_EQ(0, fault_write(p, TAG));
	ASSERT_EQ(0, span_free(self->fd, s.offset));
	ASSERT_EQ(0, resize_patiently(0));
	EXPECT_EQ(SIGBUS, fault_read(p, &word));
	EXPECT_EQ(SIGBUS, fault_write((char *)p + self->unit, 1));
	ASSERT_EQ(0, pool_resize(POOL_ALL_NODES, self->nr));
	EXPECT_EQ(SIGBUS, fault_read(p, &word));
	EXPECT_EQ(SIGBUS, fault_write((char *)p + self->unit, 1));
	munmap(p, s.bytes);
}

/* A unit that grows back has nothing of what it held before it left. */
TEST_F(resize_race, nothing_comes_back_with_a_unit)
{
	struct span s;
	int round;
	void *p;

	for (round = 0; round < 4; round++) {
		ASSERT_EQ(0, span_alloc(self->fd, 3, &s));
		ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
		ASSERT_EQ(-1, nonzero_at(p, s.bytes));
		pattern_dot(p, s.bytes, TAG);
		munmap(p, s.bytes);
		ASSERT_EQ(0, span_free(self->fd, s.offset));
		ASSERT_EQ(0, resize_patiently(0));
		ASSERT_EQ(0, pool_resize(POOL_ALL_NODES, self->nr));
	}
}

/*
 * Freed units are dirty and in the worker's hands when the pool is shrunk: it
 * must not go on zeroing what has become somebody's.
 */
TEST_F(resize_race, shrinking_under_the_zeroing_worker)
{
	int round, i, nr;
	struct span s[16];
	void *p;

	for (round = 0; round < 12; round++) {
		for (nr = 0; nr < 16; nr++) {
			ASSERT_EQ(0, span_alloc(self->fd, 1, &s[nr]));
			ASSERT_EQ(0, span_map(self->fd, &s[nr], MAP_SHARED,
					      &p));
			ASSERT_EQ(0, fault_write(p, TAG));
			munmap(p, s[nr].bytes);
		}
		for (i = 0; i < nr; i++)
			ASSERT_EQ(0, span_free(self->fd, s[i].offset));
		ASSERT_EQ(0, resize_patiently(0));
		ASSERT_TRUE(stranger_is_unharmed());
		ASSERT_EQ(0, pool_resize(POOL_ALL_NODES, self->nr));
	}
}

/* ---- faults against shrinking ------------------------------------------ */

struct faulter {
	char *mem;
	size_t len;
	atomic_bool stop;
	unsigned long nr_faults, nr_wrong;
};

/* Touches a stale mapping for ever: nothing but SIGBUS may come of it. */
static void *fault_on(void *arg)
{
	struct faulter *f = arg;
	uint64_t word;

	while (!f->stop) {
		size_t at = f->nr_faults++ * 61 * PAGE_STEP % f->len;

		if (fault_read(f->mem + at, &word) != SIGBUS ||
		    fault_write(f->mem + at, TAG) != SIGBUS)
			f->nr_wrong++;
	}
	return NULL;
}

/* Threads fault on stale mappings of units while some leave and return. */
TEST_F(resize_race, stale_faults_while_units_come_and_go)
{
	uint64_t end = now_ms() + STORM_MS;
	struct faulter f[2];
	pthread_t threads[2];
	struct span s[2];
	int i, rounds = 0;
	void *p;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, span_alloc(self->fd, 4, &s[i]));
		ASSERT_EQ(0, span_map(self->fd, &s[i], MAP_SHARED, &p));
		f[i] = (struct faulter){ .mem = p, .len = s[i].bytes };
		ASSERT_EQ(0, fault_write(p, 1));
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, span_free(self->fd, s[i].offset));
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, fault_on,
					    &f[i]));
	}
	for (; now_ms() < end; rounds++) {
		ASSERT_EQ(0, resize_patiently(self->nr - 4));
		if (rounds % ROUNDS_PER_STRANGER == 0)
			ASSERT_TRUE(stranger_is_unharmed());
		ASSERT_EQ(0, pool_resize(POOL_ALL_NODES, self->nr));
	}
	for (i = 0; i < 2; i++) {
		f[i].stop = true;
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, f[i].nr_wrong);
		EXPECT_LT(0, f[i].nr_faults);
		munmap(f[i].mem, f[i].len);
	}
	TH_LOG("%d rounds, %lu faults", rounds, f[0].nr_faults + f[1].nr_faults);
}

/*
 * The moment between a fault's first look at a span and its mapping of the page
 * is when the span may be freed and its unit leave: one thread faults on live
 * spans while another frees them under it, and the pool breathes.
 */
static void *touch_live(void *arg)
{
	struct faulter *f = arg;

	while (!f->stop) {
		char *mem = *(char *volatile *)&f->mem;
		int sig;

		if (!mem)
			continue;
		sig = fault_write(mem + f->nr_faults++ % f->len * PAGE_STEP,
				  TAG);
		/* Mapped: fine. Freed: SIGBUS. Unmapped: SIGSEGV. */
		if (sig && sig != SIGBUS && sig != SIGSEGV)
			f->nr_wrong++;
	}
	return NULL;
}

TEST_F(resize_race, live_faults_while_spans_are_freed_and_units_leave)
{
	uint64_t end = now_ms() + STORM_MS;
	struct faulter f = { .len = 64 };
	pthread_t thread;
	int rounds = 0;
	struct span s;
	void *p;

	ASSERT_EQ(0, pthread_create(&thread, NULL, touch_live, &f));
	for (; now_ms() < end; rounds++) {
		ASSERT_EQ(0, span_alloc(self->fd, 0, &s));
		ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
		*(char *volatile *)&f.mem = p;
		if (rounds % 3)
			sched_yield();
		ASSERT_EQ(0, span_free(self->fd, s.offset));
		ASSERT_EQ(0, resize_patiently(0));
		if (rounds % ROUNDS_PER_STRANGER == 0)
			ASSERT_TRUE(stranger_is_unharmed());
		*(char *volatile *)&f.mem = NULL;
		munmap(p, s.bytes);
		ASSERT_EQ(0, pool_resize(POOL_ALL_NODES, 2));
	}
	f.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, f.nr_wrong);
	TH_LOG("%d rounds, %lu touches", rounds, f.nr_faults);
}

/* ---- everybody at once -------------------------------------------------- */

/* Grants, fills, looks, frees, for ever; a pattern of somebody else is fatal. */
static void use_spans(uint64_t seed, size_t unit)
{
	uint64_t rng = seed;

	for (;;) {
		int fd = dev_open(O_RDWR | O_CLOEXEC), i;
		struct span s;
		void *p;

		CHILD_CHECK(fd >= 0);
		for (i = 0; i < 10; i++) {
			unsigned int order = (unsigned int)rnd_below(&rng, 3);
			uint64_t tag = rnd(&rng);
			int err = span_alloc(fd, order, &s);

			if (err) {
				CHILD_CHECK(err == -ENOMEM);
				continue;
			}
			CHILD_CHECK(s.bytes == unit << order);
			CHILD_CHECK(!span_map(fd, &s, MAP_SHARED, &p));
			CHILD_CHECK(nonzero_at(p, PAGE_STEP) == -1);
			pattern_dot(p, s.bytes, tag);
			CHILD_CHECK(pattern_dots_differ(p, s.bytes, tag) == -1);
			munmap(p, s.bytes);
			if (rnd_below(&rng, 2))
				CHILD_CHECK(!span_free(fd, s.offset));
		}
		close(fd);
	}
}

/* Two ask for different sizes, three use the pool; in the end all is there. */
TEST_F(resize_race, grants_while_the_size_changes)
{
	uint64_t end = now_ms() + STORM_MS, rng = test_seed();
	struct hugespan_stat st;
	pid_t pids[4];
	int i;

	for (i = 0; i < 4; i++) {
		pids[i] = child_fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i] && i < 3)
			use_spans(rng + i, self->unit);
		while (!pids[i]) {
			pool_resize(self->size.node[0],
				    (long long)rnd_below(&rng, self->nr));
			sleep_ms(1);
		}
	}
	while (now_ms() < end) {
		int err = pool_resize(POOL_ALL_NODES,
				      (long long)rnd_below(&rng, self->nr));

		ASSERT_TRUE(!err || err == -EBUSY);
		ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
		ASSERT_TRUE(pool_adds_up(&st));
		ASSERT_TRUE(stranger_is_unharmed());
	}
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, child_kill(pids[i]));
	}
}

DEVICE_TEST_MAIN
