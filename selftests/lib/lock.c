// SPDX-License-Identifier: MIT
/*
 * The futex lock.
 *
 * Guards against the failures of home-made locks: two threads inside, a
 * wake-up that is lost (a hang, so everything here is bounded), a lock that a
 * child inherits from a thread it does not have, and a forking thread that
 * waits for itself when another library's atfork handler allocates.
 */
#include <pthread.h>
#include <stdlib.h>

#include <kselftest_harness.h>

#include "child.h"
#include "lock.h"
#include "pattern.h"

static struct hs_lock lock = HS_LOCK_INIT;
static struct hs_lock other = HS_LOCK_INIT;
/* Guarded by lock; two words that must always be equal. */
static volatile uint64_t first, second;
static bool stop;

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static bool step_inside(void)
{
	bool whole = first == second;

	first++;
	if (!(first & 0xff))
		sched_yield();	/* let others find it held */
	second++;
	return whole;
}

static void *count_thread(void *arg)
{
	uint64_t ops = *(uint64_t *)arg;

	for (uint64_t i = 0; i < ops; i++) {
		bool whole;

		if (i % 16 == 0) {
			while (!hs_trylock(&lock))
				sched_yield();
		} else {
			hs_lock(&lock);
		}
		whole = step_inside();
		hs_unlock(&lock);
		if (!whole)
			return arg;
	}
	return NULL;
}

TEST(one_at_a_time)
{
	uint64_t ops = test_ops(100000);
	pthread_t threads[6];

	for (int i = 0; i < 6; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, count_thread,
					    &ops));
	for (int i = 0; i < 6; i++) {
		void *torn;

		ASSERT_EQ(0, pthread_join(threads[i], &torn));
		EXPECT_EQ(NULL, torn);
	}
	EXPECT_EQ(6 * ops, first);
	EXPECT_EQ(6 * ops, second);
	EXPECT_EQ(0, lock.state);
}

TEST(trylock)
{
	EXPECT_TRUE(hs_trylock(&lock));
	EXPECT_FALSE(hs_trylock(&lock));
	hs_unlock(&lock);
	{
		HS_GUARD(&lock);

		EXPECT_FALSE(hs_trylock(&lock));
	}
	EXPECT_TRUE(hs_trylock(&lock));
	hs_unlock(&lock);
}

static void *hold_thread(void *arg)
{
	hs_lock(&lock);
	__atomic_store_n((bool *)arg, true, __ATOMIC_RELEASE);
	while (!stopped())
		usleep(1000);
	hs_unlock(&lock);
	return NULL;
}

/* Sleepers, many of them, all get their turn after one unlock. */
TEST(sleepers_are_woken)
{
	pthread_t holder, threads[8];
	uint64_t ops = 3;
	bool held = false;

	ASSERT_EQ(0, pthread_create(&holder, NULL, hold_thread, &held));
	while (!__atomic_load_n(&held, __ATOMIC_ACQUIRE))
		usleep(1000);
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, count_thread,
					    &ops));
	usleep(50000);	/* they are asleep by now, or will find it held */
	EXPECT_EQ(0, first);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(holder, NULL));
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	EXPECT_EQ(24, first);
	EXPECT_EQ(0, lock.state);
}

static void *churn_thread(void *arg)
{
	while (!stopped()) {
		hs_lock(&lock);
		step_inside();
		hs_unlock(&lock);
	}
	return arg;
}

static void prepare(void)
{
	hs_lock(&lock);
	hs_lock_fork_begin();
}

static void in_child(void)
{
	hs_lock_reset(&lock);
	hs_lock_fork_end();
}

static void in_parent(void)
{
	hs_lock_fork_end();
	hs_unlock(&lock);
}

/* An emulated guest does not get through all rounds. */
#define FORK_SECONDS 10

/*
 * Forks while threads fight for the lock: the child finds it free, and what it
 * guards whole.
 */
TEST(fork_under_contention)
{
	int rounds = (int)(test_ops(20000) / 100);
	time_t end = time(NULL) + FORK_SECONDS;
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, churn_thread,
					    NULL));
	for (int i = 0; i < rounds && time(NULL) < end; i++) {
		pid_t pid;

		prepare();
		pid = child_fork();
		if (pid == 0) {
			in_child();
			hs_lock(&lock);
			CHILD_CHECK(step_inside());
			hs_unlock(&lock);
			CHILD_CHECK(lock.state == 0);
			_exit(0);
		}
		in_parent();
		ASSERT_EQ(0, child_wait(pid));
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	EXPECT_EQ(first, second);
}

/* Between prepare and its end the forking thread passes through any lock. */
TEST(forking_thread_passes)
{
	prepare();
	EXPECT_TRUE(hs_lock_fork_mine());
	hs_lock(&lock);
	EXPECT_TRUE(hs_trylock(&lock));
	hs_unlock(&lock);
	hs_unlock(&lock);
	EXPECT_EQ(1, lock.state);	/* still the handler's */
	/* A lock that the handler does not know stays as it was. */
	hs_lock(&other);
	hs_unlock(&other);
	EXPECT_EQ(0, other.state);
	EXPECT_TRUE(hs_trylock(&other));
	EXPECT_EQ(0, other.state);
	in_parent();
	EXPECT_FALSE(hs_lock_fork_mine());
	EXPECT_EQ(0, lock.state);
	hs_lock(&other);
	EXPECT_EQ(1, other.state);
	hs_unlock(&other);
}

static void *try_thread(void *arg)
{
	*(bool *)arg = hs_trylock(&lock);
	hs_lock(&other);
	hs_unlock(&other);
	return NULL;
}

/* For every other thread a fork under way changes nothing. */
TEST(other_threads_do_not_pass)
{
	bool got = true;
	pthread_t thread;

	prepare();
	ASSERT_EQ(0, pthread_create(&thread, NULL, try_thread, &got));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_FALSE(got);
	EXPECT_EQ(0, other.state);
	in_parent();
}

TEST_HARNESS_MAIN
