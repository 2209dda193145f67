// SPDX-License-Identifier: MIT
/*
 * Direct I/O under way while its span goes. A disk writes into pages by their
 * physical address and asks nobody: a unit granted again too early would get
 * another's data, long after every mapping is gone. Few units are left, so that
 * the next owner would have the very one.
 *
 * Needs a scratch disk at /dev/nvme0n1 (tools/vm run --nvme 64M).
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"

#define DISK "/dev/nvme0n1"
#define LEN (256 * 1024)
#define ON_DISK 0x0d15c		/* the pattern that reads bring in */
#define OURS 0x0a11		/* the first owner's */
#define THEIRS 0x7e12		/* the next owner's */
#define SPARE 3			/* units left besides the one under I/O */
#define MAX_MS 8000

FIXTURE(dio) {
	struct pool_watch watch;
	size_t unit;
	char *copy;		/* LEN bytes to compare with */
	int ballast;
	int disk;
	int mine;
	int other;
	/* Shared with the thread: */
	char *mem;
	_Atomic bool stop;
	_Atomic long done;
	bool writes;
};

FIXTURE_SETUP(dio)
{
	struct span s;
	long left;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->disk = open(DISK, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
	if (self->disk < 0) {
		SKIP_IN_SETUP("no scratch disk " DISK ": %s", strerror(errno));
	}
	self->mine = dev_open(O_RDWR | O_CLOEXEC);
	self->other = dev_open(O_RDWR | O_CLOEXEC);
	self->ballast = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->mine);
	ASSERT_LE(0, self->other);
	ASSERT_LE(0, self->ballast);
	self->unit = dev_unit(self->mine);
	for (left = (long)self->watch.before.out_nr_free; left > SPARE + 1;
	     left--) {
		ASSERT_EQ(0, span_alloc(self->ballast, 0, &s));
	}
	self->copy = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->copy);
	pattern_fill(self->copy, LEN, ON_DISK);
	ASSERT_EQ(LEN, pwrite(self->disk, self->copy, LEN, 0));
}

FIXTURE_TEARDOWN(dio)
{
	munmap(self->copy, LEN);
	close(self->disk);
	close(self->mine);
	close(self->other);
	close(self->ballast);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* One transfer after the other, until told to stop; a stale buffer is EFAULT. */
static void *transfer(void *arg)
{
	FIXTURE_DATA(dio) *self = arg;

	while (!atomic_load(&self->stop)) {
		ssize_t n = self->writes ?
			pwrite(self->disk, self->mem, LEN, 0) :
			pread(self->disk, self->mem, LEN, 0);

		if (n < 0 && errno != EFAULT)
			return (void *)-1L;
		if (n < 0)
			sched_yield();
		else
			atomic_fetch_add(&self->done, 1);
	}
	return NULL;
}

/*
 * The first owner's span is freed under the transfer, the next owner takes all
 * units there are and calls @look on each. How many rounds there were, or -1.
 */
static long rounds(FIXTURE_DATA(dio) *self,
		   bool (*look)(FIXTURE_DATA(dio) *self, char *mem))
{
	uint64_t seed = test_seed(), end = now_ms() + MAX_MS;
	long n, max = (long)test_ops(400);
	pthread_t thread;

	for (n = 0; n < max && now_ms() < end; n++) {
		struct span s, t;
		void *p, *result;
		bool good = true;

		while (span_alloc(self->mine, 0, &s))
			sleep_ms(1);
		if (span_map(self->mine, &s, MAP_SHARED, &p))
			return -1;
		self->mem = p;
		pattern_fill(p, LEN, OURS);
		atomic_store(&self->stop, false);
		atomic_store(&self->done, 0);
		if (pthread_create(&thread, NULL, transfer, self))
			return -1;
		while (!atomic_load(&self->done))
			sched_yield();
		usleep(rnd_below(&seed, 2000));
		if (span_free(self->mine, s.offset))
			return -1;
		while (good && !span_alloc(self->other, 0, &t)) {
			void *q;

			if (span_map(self->other, &t, MAP_SHARED, &q))
				return -1;
			good = look(self, q);
			munmap(q, t.bytes);
		}
		atomic_store(&self->stop, true);
		if (pthread_join(thread, &result) || result || !good)
			return -1;
		munmap(p, s.bytes);
		/* The other's spans go all at once, with its file. */
		close(self->other);
		self->other = dev_open(O_RDWR | O_CLOEXEC);
	}
	return n;
}

/* Nothing of the disk may appear in a unit that is somebody else's now. */
static bool stays_zero(FIXTURE_DATA(dio) *self, char *mem)
{
	long at;

	sleep_ms(2);
	at = nonzero_at(mem, self->unit);
	if (at >= 0)
		diag("byte %ld of another's unit came from the disk", at);
	return at < 0;
}

TEST_F(dio, a_read_never_lands_in_the_next_owners_unit)
{
	long n = rounds(self, stays_zero);

	EXPECT_LT(0, n) TH_LOG("%ld rounds", n);
}

/* And nothing of the next owner may go to the disk. */
static bool theirs_on_disk(FIXTURE_DATA(dio) *self)
{
	size_t i;

	if (pread(self->disk, self->copy, LEN, 0) != LEN)
		return true;
	for (i = 0; i < LEN; i += 8)
		if (*(uint64_t *)(self->copy + i) == pattern_word(THEIRS, i))
			return true;
	return false;
}

static bool fill_and_look(FIXTURE_DATA(dio) *self, char *mem)
{
	pattern_fill(mem, self->unit, THEIRS);
	sleep_ms(2);
	return !theirs_on_disk(self);
}

TEST_F(dio, a_write_never_takes_the_next_owners_data)
{
	long n;

	self->writes = true;
	n = rounds(self, fill_and_look);
	EXPECT_LT(0, n) TH_LOG("%ld rounds", n);
}

/* kill -9 while the disk works: the unit waits for it, and is zero afterwards. */
TEST_F(dio, killed_under_transfer_all_comes_back)
{
	uint64_t seed = test_seed(), end = now_ms() + MAX_MS;
	uint64_t granted = self->watch.before.out_nr_free - SPARE - 1 +
			   self->watch.before.out_nr_granted;
	int i;

	for (i = 0; i < 40 && now_ms() < end; i++) {
		struct line line;
		struct span s;
		pid_t pid;
		void *p;

		ASSERT_EQ(0, line_open(&line));
		pid = child_fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			pthread_t thread;
			int fd = dev_open(O_RDWR | O_CLOEXEC);

			CHILD_CHECK(fd >= 0 && !span_alloc(fd, 0, &s));
			CHILD_CHECK(!span_map(fd, &s, MAP_SHARED, &p));
			self->mem = p;
			CHILD_CHECK(!pthread_create(&thread, NULL, transfer,
						    self));
			while (!atomic_load(&self->done))
				sched_yield();
			CHILD_CHECK(!line_say(&line, 1, s.offset));
			transfer(self);
			_exit(1);
		}
		ASSERT_EQ(0, line_hear(&line, 0, NULL));
		usleep(rnd_below(&seed, 3000));
		ASSERT_EQ(0, child_kill(pid));
		line_close(&line);
		ASSERT_EQ(0, pool_settle(&self->watch, granted));
		while (!span_alloc(self->other, 0, &s)) {
			ASSERT_EQ(0, span_map(self->other, &s, MAP_SHARED,
					      &p));
			ASSERT_TRUE(stays_zero(self, p));
			munmap(p, s.bytes);
		}
		close(self->other);
		self->other = dev_open(O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, self->other);
	}
}

DEVICE_TEST_MAIN
