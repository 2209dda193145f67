/* SPDX-License-Identifier: MIT */
/*
 * A storm over the allocator: many more threads than CPUs allocate, free and
 * hand each other objects of a few sizes, while a timer's signal interrupts
 * each of them every so often and its handler gives the CPU away or moves the
 * thread to another. Whoever is interrupted between reading a stack of free
 * objects and committing its change finds it changed by another thread.
 *
 * Ownership is kept in the shadow table: an object handed out twice is seen
 * at once. A fault ends the process, with the time and the number of
 * operations it took.
 */
#ifndef SELFTEST_STORM_H
#define SELFTEST_STORM_H

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"
#include "hugespan.h"
#include "pattern.h"
#include "shadow.h"

#define STORM_THREADS 16
#define STORM_SLOTS 64		/* objects a thread holds at most */
#define STORM_MAILBOXES 32
#define STORM_IN_MAIL 1000	/* owner of what lies in a mailbox */
#define STORM_MAX_MS 20000

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct storm {
	bool signals;		/* yields and migrations by timer */
	bool drains;		/* another thread empties the caches */
	bool naps;		/* threads leave the CPUs to others at times */
	uint64_t ops;		/* of all threads together */
	uint64_t seed;
};

/* Few, so that threads meet; one that fills runs quickly. */
static const size_t storm_sizes[] = { 16, 48, 48, 48, 200, 1024, 3000, 40000 };
#define STORM_NR_SIZES (sizeof(storm_sizes) / sizeof(storm_sizes[0]))

static struct storm storm;
static uintptr_t storm_mail[STORM_MAILBOXES];
static uint64_t storm_done;	/* operations */
static uint64_t storm_signals;
static bool storm_over;
static long long storm_began_ms;
static __thread unsigned int storm_tick;
static int storm_cpu[64], storm_nr_cpus;

#define STORM_CHECK(cond, what, ptr) do {				\
	if (!(cond)) {							\
		fprintf(stderr, "# %s: %p (after %llu ms, %llu operations, %llu signals)\n", \
			what, (void *)(ptr), now_ms() - storm_began_ms,	\
			(unsigned long long)storm_done,			\
			(unsigned long long)storm_signals);		\
		_exit(1);						\
	}								\
} while (0)

/* An object and its size in one word: objects are aligned to 16. */
HELPER void *storm_ptr(uintptr_t word)
{
	return (void *)(word & ~(uintptr_t)15);
}

HELPER size_t storm_size(uintptr_t word)
{
	return storm_sizes[word & 15];
}

HELPER void storm_on_timer(int sig)
{
	unsigned int tick = ++storm_tick;

	(void)sig;
	__atomic_fetch_add(&storm_signals, 1, __ATOMIC_RELAXED);
	if (tick % 8 == 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(storm_cpu[(tick / 8) % storm_nr_cpus], &set);
		sched_setaffinity(0, sizeof(set), &set);
	} else {
		sched_yield();
	}
}

/* A signal costs more where CPUs are emulated: it must not be all we do. */
HELPER long storm_period_ns(void)
{
	static long period;
	long long cost, least = 1000000;
	struct timespec a, b;
	int i;

	for (i = 0; i < 50 && !period; i++) {
		clock_gettime(CLOCK_MONOTONIC, &a);
		raise(SIGUSR2);
		clock_gettime(CLOCK_MONOTONIC, &b);
		cost = (b.tv_sec - a.tv_sec) * 1000000000ll +
			b.tv_nsec - a.tv_nsec;
		if (cost < least)
			least = cost;
	}
	if (!period)
		period = least * 10 > 100000 ? least * 10 : 100000;
	return period;
}

HELPER timer_t storm_arm(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2,
	};
	struct itimerspec when = { 0 };
	timer_t timer;

	event.sigev_notify_thread_id = (int)syscall(SYS_gettid);
	CHILD_CHECK(!timer_create(CLOCK_MONOTONIC, &event, &timer));
	when.it_interval.tv_nsec = storm_period_ns() +
		(event.sigev_notify_thread_id % 8) * 11000;
	when.it_value = when.it_interval;
	CHILD_CHECK(!timer_settime(timer, 0, &when, NULL));
	return timer;
}

HELPER void storm_alloc(uintptr_t *slot, uint64_t *state, uint32_t me)
{
	unsigned int i = rnd_below(state, STORM_NR_SIZES);
	void *obj = hs_malloc(storm_sizes[i]);

	STORM_CHECK(obj, "no memory", obj);
	STORM_CHECK(shadow_claim(obj, storm_sizes[i], me),
		    "handed out while in use", obj);
	*slot = (uintptr_t)obj | i;
}

HELPER void storm_free(uintptr_t *slot, uint32_t me)
{
	void *obj = storm_ptr(*slot);

	STORM_CHECK(shadow_release(obj, storm_size(*slot), me),
		    "taken by another while in use", obj);
	hs_free(obj);
	*slot = 0;
}

/* Put it into a mailbox and take what lies there. */
HELPER void storm_exchange(uintptr_t *slot, uint64_t *state, uint32_t me)
{
	uintptr_t *box = &storm_mail[rnd_below(state, STORM_MAILBOXES)];

	STORM_CHECK(shadow_pass(storm_ptr(*slot), storm_size(*slot), me,
				STORM_IN_MAIL),
		    "taken by another while in use", storm_ptr(*slot));
	*slot = __atomic_exchange_n(box, *slot, __ATOMIC_ACQ_REL);
	if (*slot)
		STORM_CHECK(shadow_pass(storm_ptr(*slot), storm_size(*slot),
					STORM_IN_MAIL, me),
			    "taken by another while in the mail",
			    storm_ptr(*slot));
}

HELPER void *storm_thread(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	uint64_t state = storm.seed + me, i;
	uintptr_t slots[STORM_SLOTS] = { 0 };
	timer_t timer = NULL;

	if (storm.signals)
		timer = storm_arm();
	for (i = 0; !__atomic_load_n(&storm_over, __ATOMIC_RELAXED); i++) {
		uintptr_t *slot = &slots[rnd_below(&state, STORM_SLOTS)];

		if (!*slot)
			storm_alloc(slot, &state, me);
		else if (rnd_below(&state, 4) == 0)
			storm_exchange(slot, &state, me);
		else
			storm_free(slot, me);
		if (i % 64 == 0 &&
		    __atomic_add_fetch(&storm_done, 64, __ATOMIC_RELAXED) >=
		    storm.ops)
			__atomic_store_n(&storm_over, true, __ATOMIC_RELAXED);
		if (storm.naps && i % 1024 == 0)
			usleep(200);
	}
	if (timer)
		timer_delete(timer);
	for (i = 0; i < STORM_SLOTS; i++)
		if (slots[i])
			storm_free(&slots[i], me);
	return NULL;
}

HELPER void storm_find_cpus(void)
{
	cpu_set_t set;
	int cpu;

	CHILD_CHECK(!sched_getaffinity(0, sizeof(set), &set));
	storm_nr_cpus = 0;
	for (cpu = 0; cpu < CPU_SETSIZE && storm_nr_cpus < 64; cpu++)
		if (CPU_ISSET(cpu, &set))
			storm_cpu[storm_nr_cpus++] = cpu;
}

/* Ends when all objects are back, or the process with a word about why. */
HELPER void storm_run(const struct storm *s)
{
	struct sigaction action = { .sa_handler = storm_on_timer,
				    .sa_flags = SA_RESTART };
	pthread_t thread[STORM_THREADS];
	uintptr_t i;

	storm = *s;
	storm_over = false;
	storm_done = 0;
	storm_find_cpus();
	sigaction(SIGUSR2, &action, NULL);
	storm_period_ns();
	storm_signals = 0;
	storm_began_ms = now_ms();
	for (i = 0; i < STORM_THREADS; i++)
		CHILD_CHECK(!pthread_create(&thread[i], NULL, storm_thread,
					    (void *)(i + 1)));
	while (!__atomic_load_n(&storm_over, __ATOMIC_RELAXED)) {
		if (now_ms() - storm_began_ms > STORM_MAX_MS)
			__atomic_store_n(&storm_over, true, __ATOMIC_RELAXED);
		sleep_ms(1);
		if (s->drains)
			hs_release(0);
	}
	for (i = 0; i < STORM_THREADS; i++)
		CHILD_CHECK(!pthread_join(thread[i], NULL));
	for (i = 0; i < STORM_MAILBOXES; i++)
		if (storm_mail[i])
			storm_free(&storm_mail[i], STORM_IN_MAIL);
	fprintf(stderr, "# storm: %llu operations, %llu signals, %lld ms\n",
		(unsigned long long)storm_done,
		(unsigned long long)storm_signals, now_ms() - storm_began_ms);
}

#endif /* SELFTEST_STORM_H */
