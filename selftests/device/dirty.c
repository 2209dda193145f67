// SPDX-License-Identifier: MIT
/*
 * Grants of units that are not zeroed yet: who waits for the zeroing, who does
 * not, and what becomes of a grant whose caller is interrupted meanwhile.
 */
#include <kselftest_harness.h>

#include <sys/time.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"

FIXTURE(dirty) {
	struct pool_watch watch;
	struct span *spans;	/* every unit that was free, as its own span */
	size_t nr;
	size_t unit;
	int fd;
};

/* All units are granted once, and dirty. */
FIXTURE_SETUP(dirty)
{
	size_t i;
	void *p;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	self->nr = self->watch.before.out_nr_free;
	self->spans = calloc(self->nr, sizeof(*self->spans));
	ASSERT_NE(NULL, self->spans);
	for (i = 0; i < self->nr; i++) {
		ASSERT_EQ(0, span_alloc(self->fd, 0, &self->spans[i]));
		ASSERT_EQ(0, span_map(self->fd, &self->spans[i], MAP_SHARED,
				      &p));
		pattern_dot(p, self->unit, i);
		munmap(p, self->unit);
	}
}

FIXTURE_TEARDOWN(dirty)
{
	close(self->fd);
	free(self->spans);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

static int free_all(FIXTURE_DATA(dirty) *self)
{
	size_t i;
	int err = 0;

	for (i = 0; i < self->nr && !err; i++)
		err = span_free(self->fd, self->spans[i].offset);
	return err;
}

/*
 * EAGAIN: NOWAIT finds units, but none that is zeroed. It is another thing than
 * ENOMEM, for waiting helps. A module that zeroes while it frees never has such
 * units; then there is nothing to test.
 */
TEST_F(dirty, nowait_does_not_zero)
{
	struct hugespan_alloc a = {
		.size = sizeof(a), .flags = HUGESPAN_ALLOC_NOWAIT,
		.node = HUGESPAN_NODE_ANY,
	};
	struct hugespan_stat st;
	int err = 0;
	size_t i;

	ASSERT_EQ(0, free_all(self));
	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
	if (st.out_nr_free_clean == st.out_nr_free)
		SKIP(return, "this module zeroes units while it frees them");
	for (i = 0; i < self->nr && !err; i++)
		err = dev_ioctl(self->fd, HUGESPAN_IOC_ALLOC, &a);
	EXPECT_EQ(-EAGAIN, err);
}

/* Who may wait gets a unit as long as there is one, and gets it zeroed. */
TEST_F(dirty, waiting_gets_the_last_one)
{
	struct span s;
	size_t n = 0;
	void *p;

	ASSERT_EQ(0, free_all(self));
	while (!span_alloc(self->fd, 0, &s)) {
		ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
		ASSERT_EQ(-1, nonzero_at(p, s.bytes));
		munmap(p, s.bytes);
		n++;
	}
	EXPECT_EQ(self->nr, n);
}

/* And the largest run, while the module zeroes a unit in the midst of it. */
TEST_F(dirty, waiting_gets_the_largest_run)
{
	struct span s;
	void *p;

	ASSERT_EQ(0, free_all(self));
	ASSERT_EQ(0, span_alloc(self->fd,
				self->watch.before.out_largest_free_order,
				&s));
	ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
	EXPECT_EQ(-1, nonzero_at(p, s.bytes));
	munmap(p, s.bytes);
}

/* What was freed is zeroed without anybody asking for it. */
TEST_F(dirty, the_pool_cleans_itself)
{
	uint64_t end = now_ms() + SETTLE_MS;
	struct hugespan_stat st;

	ASSERT_EQ(0, free_all(self));
	do {
		sleep_ms(5);
		ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
		ASSERT_TRUE(pool_adds_up(&st));
	} while (st.out_nr_free_clean < st.out_nr_free && now_ms() < end);
	EXPECT_EQ(st.out_nr_free, st.out_nr_free_clean);
}

/*
 * EINTR can only meet who is being killed: a grant of the whole pool is cut
 * short while it zeroes. All of it is back, and none of it counts as zeroed.
 */
TEST_F(dirty, killed_while_waiting_all_comes_back)
{
	int order = self->watch.before.out_largest_free_order, round;
	size_t i;

	for (round = 0; round < 5; round++) {
		struct line line;
		struct span s;
		pid_t pid;
		void *p;

		ASSERT_EQ(0, line_open(&line));
		ASSERT_EQ(0, free_all(self));
		pid = child_fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			int fd = dev_open(O_RDWR | O_CLOEXEC);

			CHILD_CHECK(fd >= 0 && !line_say(&line, 1, 1));
			span_alloc(fd, order, &s);
			pause();
		}
		ASSERT_EQ(0, line_hear(&line, 0, NULL));
		usleep(1000u << round);
		ASSERT_EQ(0, child_kill(pid));
		line_close(&line);
		ASSERT_EQ(0, pool_settle(&self->watch,
					 self->watch.before.out_nr_granted));
		for (i = 0; i < self->nr; i++) {
			ASSERT_EQ(0, span_alloc(self->fd, 0, &self->spans[i]));
			ASSERT_EQ(0, span_map(self->fd, &self->spans[i],
					      MAP_SHARED, &p));
			ASSERT_EQ(-1, nonzero_at(p, self->unit));
			pattern_dot(p, self->unit, i);
			munmap(p, self->unit);
		}
	}
}

static void on_alarm(int sig)
{
	(void)sig;
}

/*
 * Signals hit commands wherever they wait. Each one then did its work whole or
 * not at all: half of it would show in the books.
 */
TEST_F(dirty, signals_leave_nothing_half_done)
{
	struct itimerval often = { { 0, 500 }, { 0, 500 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = on_alarm };
	uint64_t ops = test_ops(2000), end = now_ms() + 15000, i;
	uint64_t done = 0, cut = 0;
	struct span s;
	void *p;
	int err;

	ASSERT_EQ(0, free_all(self));
	ASSERT_EQ(0, sigaction(SIGPROF, &sa, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_PROF, &often, NULL));
	for (i = 0; i < ops && now_ms() < end; i++) {
		err = span_alloc(self->fd, i % 3, &s);
		if (err) {
			ASSERT_EQ(-EINTR, err);
			cut++;
			continue;
		}
		if (i % 16 == 0) {
			ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
			pattern_dot(p, s.bytes, i);
			ASSERT_EQ(0, munmap(p, s.bytes));
		}
		while ((err = span_free(self->fd, s.offset)) == -EINTR)
			cut++;
		ASSERT_EQ(0, err);
		done++;
	}
	ASSERT_EQ(0, setitimer(ITIMER_PROF, &never, NULL));
	TH_LOG("%llu done, %llu interrupted", (unsigned long long)done,
	       (unsigned long long)cut);
	EXPECT_EQ(0, pool_settle(&self->watch,
				 self->watch.before.out_nr_granted));
}

DEVICE_TEST_MAIN
