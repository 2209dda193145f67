// SPDX-License-Identifier: MIT
/*
 * Giving back under memory pressure: what the pool has above its floor, and
 * nobody holds, helps a system that is short of memory; what is below the floor
 * or held stays, whatever the pressure. The floor is what the pool was loaded
 * with, so only what it has grown by since goes.
 * guest options: --mem 1G --pool-arg pool=64M
 */
#include <kselftest_harness.h>

#include "child.h"
#include "poolsize.h"
#include "fault.h"
#include "pattern.h"

#define MIB (1024 * 1024ll)
#define TAG 0x4ec1
#define STORM_MS 3000
#define GROWN 100

FIXTURE(reclaim) {
	struct pool_watch watch;
	struct pool_size size;
	size_t unit;
	long long floor;
	int node;
	int fd;
};

FIXTURE_SETUP(reclaim)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	ASSERT_EQ(0, pool_size_save(&self->size));
	if (access("/proc/sys/vm/drop_caches", W_OK) ||
	    access(POOL_SYSFS "/nr_target", W_OK)) {
		SKIP_IN_SETUP("only root can make memory short");
	}
	self->node = self->size.node[0];
	self->floor = pool_value(self->node, "nr_floor");
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, pool_resize(self->node, self->size.nr_units[0] + GROWN));
}

FIXTURE_TEARDOWN(reclaim)
{
	close(self->fd);
	EXPECT_EQ(0, pool_settle(&self->watch, 0));
	EXPECT_EQ(0, pool_write(self->node, "nr_floor", self->floor));
	EXPECT_EQ(0, pool_size_restore(&self->size));
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* All that shrinkers would give at the utmost, now. */
static int press(void)
{
	return file_write("/proc/sys/vm/drop_caches", "2");
}

/* Not to be told from outside: the floor is what load asked for. */
TEST_F(reclaim, the_floor_is_what_was_loaded)
{
	EXPECT_EQ(self->size.nr_units[0], self->floor);
}

/* Down to the floor; and the books say by what way. */
TEST_F(reclaim, gives_back_what_it_grew_by)
{
	long long reclaimed = pool_value(self->node, "reclaimed");
	long long shrunk = pool_value(self->node, "shrunk");
	struct hugespan_stat st;

	ASSERT_EQ(0, press());
	EXPECT_EQ(self->floor, pool_value(self->node, "nr_units"));
	EXPECT_EQ(reclaimed + GROWN, pool_value(self->node, "reclaimed"));
	EXPECT_EQ(shrunk + GROWN, pool_value(self->node, "shrunk"));
	EXPECT_EQ(self->floor, pool_value(self->node, "grown") -
			       pool_value(self->node, "shrunk"));
	/* What was asked for is still known. */
	EXPECT_EQ(self->floor + GROWN, pool_value(self->node, "nr_target"));
	ASSERT_EQ(0, pool_stat(self->fd, self->node, &st));
	EXPECT_EQ(self->floor, st.out_nr_units);
	EXPECT_TRUE(pool_adds_up(&st));
	ASSERT_EQ(0, press());
	EXPECT_EQ(self->floor, pool_value(self->node, "nr_units"));
}

/* A floor that an administrator chose is kept, above or below. */
TEST_F(reclaim, the_floor_is_kept)
{
	long long now = pool_value(self->node, "nr_units");

	ASSERT_EQ(0, pool_write(self->node, "nr_floor", now + 10));
	ASSERT_EQ(0, press());
	EXPECT_EQ(now, pool_value(self->node, "nr_units"));
	ASSERT_EQ(0, pool_write(self->node, "nr_floor", now - 7));
	ASSERT_EQ(0, press());
	EXPECT_EQ(now - 7, pool_value(self->node, "nr_units"));
	ASSERT_EQ(0, pool_write(self->node, "nr_floor", 5));
	ASSERT_EQ(0, press());
	EXPECT_EQ(5, pool_value(self->node, "nr_units"));
	ASSERT_EQ(0, pool_write(self->node, "nr_floor", 0));
	ASSERT_EQ(0, press());
	EXPECT_EQ(0, pool_value(self->node, "nr_units"));
}

/* The floor bounds pressure, not the administrator. */
TEST_F(reclaim, shrinking_goes_below_the_floor)
{
	ASSERT_EQ(0, pool_resize(self->node, 3));
	EXPECT_EQ(3, pool_value(self->node, "nr_units"));
	EXPECT_EQ(self->floor, pool_value(self->node, "nr_floor"));
	ASSERT_EQ(0, press());
	EXPECT_EQ(3, pool_value(self->node, "nr_units"));
}

/* What somebody holds is not for the taking, nor for the reading. */
TEST_F(reclaim, granted_units_stay)
{
	long long units = pool_value(self->node, "nr_units");
	struct span s[64];
	int i, nr = 0;
	void *p;

	/* Single units from both ends of the pool, and holes between. */
	while (nr < 64 && !span_alloc(self->fd, 0, &s[nr]))
		nr++;
	ASSERT_EQ(64, nr);
	for (i = 0; i < nr; i++) {
		ASSERT_EQ(0, span_map(self->fd, &s[i], MAP_SHARED, &p));
		pattern_dot(p, s[i].bytes, TAG + i);
		munmap(p, s[i].bytes);
	}
	for (i = 1; i < nr; i += 2)
		ASSERT_EQ(0, span_free(self->fd, s[i].offset));
	ASSERT_EQ(0, pool_write(self->node, "nr_floor", 0));
	ASSERT_EQ(0, press());
	EXPECT_EQ(nr / 2, pool_value(self->node, "nr_units"));
	EXPECT_LT(nr / 2, units);
	for (i = 0; i < nr; i += 2) {
		ASSERT_EQ(0, span_map(self->fd, &s[i], MAP_SHARED, &p));
		ASSERT_EQ(-1, pattern_dots_differ(p, s[i].bytes, TAG + i));
		munmap(p, s[i].bytes);
	}
}

/*
 * A program that needs more than is free gets it from the pool, instead of the
 * kernel ending somebody. Its memory is its own.
 */
TEST_F(reclaim, a_program_in_need_is_helped)
{
	long long reclaimed = pool_value(self->node, "reclaimed");
	size_t len;
	pid_t pid;

	/* All that is available, and half of what the pool grew by. */
	ASSERT_EQ(0, pool_resize(self->node, self->floor + 150));
	len = (size_t)meminfo_bytes("MemAvailable") + 75 * self->unit;
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHILD_CHECK(p != MAP_FAILED);
		pattern_dot(p, len, TAG);
		_exit(pattern_dots_differ(p, len, TAG) == -1 ? 0 : 1);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_LE(reclaimed + 40, pool_value(self->node, "reclaimed"));
	EXPECT_LE(self->floor, pool_value(self->node, "nr_units"));
}

/* While the pool grows, pressure does not undo it: else neither would end. */
TEST_F(reclaim, growing_under_pressure_ends)
{
	pid_t pid = child_fork();
	int i;

	ASSERT_LE(0, pid);
	while (!pid)
		press();
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, pool_resize(self->node, self->floor + 60));
		ASSERT_LE(self->floor, pool_value(self->node, "nr_units"));
		ASSERT_EQ(0, pool_resize(self->node, self->floor));
	}
	EXPECT_EQ(0, child_kill(pid));
}

/* Pressure while units are granted, filled, freed and zeroed. */
TEST_F(reclaim, pressure_while_the_pool_is_busy)
{
	uint64_t end = now_ms() + STORM_MS, rng = test_seed();
	struct hugespan_stat st;
	pid_t pid = child_fork();
	struct span s;
	void *p;

	ASSERT_LE(0, pid);
	ASSERT_EQ(0, pool_write(self->node, "nr_floor", 0));
	while (!pid) {
		press();
		pool_resize(self->node, 40);
	}
	while (now_ms() < end) {
		uint64_t tag = rnd(&rng);

		if (span_alloc(self->fd, (unsigned int)rnd_below(&rng, 3), &s))
			continue;
		ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
		ASSERT_EQ(-1, nonzero_at(p, PAGE_STEP));
		pattern_dot(p, s.bytes, tag);
		ASSERT_EQ(-1, pattern_dots_differ(p, s.bytes, tag));
		munmap(p, s.bytes);
		ASSERT_EQ(0, span_free(self->fd, s.offset));
		ASSERT_EQ(0, pool_stat(self->fd, self->node, &st));
		ASSERT_TRUE(pool_adds_up(&st));
	}
	EXPECT_EQ(0, child_kill(pid));
}

TEST_F(reclaim, what_is_no_floor_is_refused)
{
	const char *wrong[] = { "abc", "-1", "1.5", "64M", "99999999999" };
	char path[128];
	size_t i;

	pool_file(path, sizeof(path), self->node, "nr_floor");
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-EINVAL, file_write(path, wrong[i]))
			TH_LOG("\"%s\"", wrong[i]);
	}
	EXPECT_EQ(self->floor, pool_value(self->node, "nr_floor"));
}

DEVICE_TEST_MAIN
