// SPDX-License-Identifier: MIT
/*
 * Everything at once, for some seconds: processes that allocate, write, free
 * while their own threads still touch the memory, trim, pin, fork and die.
 * Few units are left to fight for, so that what one gives back the next has a
 * moment later.
 *
 * Every word written names its writer. Whoever finds a word that is neither
 * zero nor its own has seen another's memory, or was written to by another;
 * that is the only thing that may never happen, and the books have to be whole
 * at the end.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"

#define NR_WORKERS 4
#define NR_SLOTS 6
#define SLOT_UNITS 2
#define CONTESTED 20		/* units that the workers fight for */
#define MAX_MS 15000

/* In memory that all processes share. */
struct field {
	_Atomic uint64_t ops_left;
	_Atomic uint32_t last_life;	/* of a worker: never the same again */
	_Atomic uint32_t last_grant;
	_Atomic uint32_t violations;
	_Atomic uint64_t done[8];	/* by kind, for the curious */
	_Atomic bool stop;
	uint64_t end_ms;		/* at the latest */
};

/* A word's first half says whose it is, the second which grant's. */
#define MAGIC 0xc0deull
#define OWNER_OF(word) ((uint32_t)((word) >> 32))

static uint64_t word_of(uint32_t life, uint32_t grant)
{
	return MAGIC << 48 | (uint64_t)life << 32 | grant;
}

enum slot_state { EMPTY, LIVE, STALE };

/*
 * A place in a worker's address space where spans come and go. Nothing else is
 * ever mapped there, so its threads may touch it at any time.
 */
struct slot {
	char *place;
	_Atomic enum slot_state state;
	struct span span;
	uint64_t bytes;		/* what TRIM has left */
	uint32_t grant;
	_Atomic bool writable;	/* a shared mapping: the thread may write */
};

struct worker {
	struct field *field;
	struct slot slots[NR_SLOTS];
	uint32_t life;
	uint64_t seed;
	size_t unit;
	int fd;
	int pipe[2];
	uint64_t pinned;	/* the word in the page that is in the pipe */
	bool forks;
};

static void violation(struct worker *w, const char *what, uint64_t word)
{
	atomic_fetch_add(&w->field->violations, 1);
	diag("%s: found %#llx in life %u", what, (unsigned long long)word,
	     w->life);
}

static bool is_mine(const struct worker *w, uint64_t word)
{
	return word == 0 || OWNER_OF(word) == OWNER_OF(word_of(w->life, 0));
}

/*
 * The thread: reads and writes everywhere, all the time, dead or alive. The
 * second word of a page is its own; the first is the main thread's.
 */
static void *touch_everything(void *arg)
{
	struct worker *w = arg;
	struct timespec nap = { 0, 20000 };
	uint64_t seed = w->seed ^ 0x70c4, n = 0;

	while (!atomic_load(&w->field->stop)) {
		struct slot *s = &w->slots[rnd_below(&seed, NR_SLOTS)];
		size_t page = rnd_below(&seed, SLOT_UNITS * w->unit / 4096);
		uint64_t *at = (uint64_t *)(s->place + page * 4096);
		uint64_t word;

		/* The main threads need a CPU and mmap_lock now and then. */
		if (n++ % 16 == 0)
			nanosleep(&nap, NULL);
		if (atomic_load(&s->state) == EMPTY)
			continue;
		if (!fault_read(at, &word) && !is_mine(w, word))
			violation(w, "thread read", word);
		if (!fault_read(at + 1, &word) && !is_mine(w, word))
			violation(w, "thread read its word", word);
		if (atomic_load(&s->writable))
			fault_write(at + 1, word_of(w->life, 0));
	}
	return NULL;
}

struct look {
	const struct worker *w;
	const struct slot *s;
	uint64_t found;		/* the first word that should not be there */
	bool wrong;
};

static void look_at(void *arg)
{
	struct look *l = arg;
	uint64_t want = word_of(l->w->life, l->s->grant), i;

	for (i = 0; i < l->s->bytes && !l->wrong; i += 4096) {
		const volatile uint64_t *at =
			(const uint64_t *)(l->s->place + i);

		l->found = at[0];
		l->wrong = l->found != want;
		if (l->wrong)
			break;
		l->found = at[1];
		l->wrong = !is_mine(l->w, l->found);
	}
}

/* The main thread's check of a live slot: every page is there and is ours. */
static void verify(struct worker *w, const struct slot *s, const char *what)
{
	struct look l = { .w = w, .s = s };
	int sig = fault_guard(look_at, &l);

	if (sig)
		diag("%s: signal %d in a live span", what, sig);
	if (sig || l.wrong)
		violation(w, what, l.found);
}

static void clear_place(struct worker *w, struct slot *s)
{
	void *p;

	atomic_store(&s->writable, false);
	if (try_mmap(s->place, SLOT_UNITS * w->unit, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		     -1, 0, &p))
		_exit(1);
	s->state = EMPTY;
}

static void do_grant(struct worker *w, struct slot *s)
{
	unsigned int flags = rnd_below(&w->seed, 4) ? 0 :
		HUGESPAN_ALLOC_FREE_ON_UNMAP;
	uint64_t word, i;
	void *p;

	if (rnd_below(&w->seed, 4) == 0)
		flags |= HUGESPAN_ALLOC_NOWAIT;
	if (span_alloc_with(w->fd, rnd_below(&w->seed, 2), flags,
			    HUGESPAN_FORK_SHARE, &s->span))
		return;
	s->bytes = s->span.bytes;
	s->grant = atomic_fetch_add(&w->field->last_grant, 1) + 1;
	if (try_mmap(s->place, s->bytes, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, w->fd, s->span.offset, &p)) {
		violation(w, "mmap of a span of ours failed", 0);
		return;
	}
	for (i = 0; i < s->bytes; i += 4096) {
		volatile uint64_t *at = (uint64_t *)(s->place + i);

		word = *at;
		if (word) {
			violation(w, "a new span is not zero", word);
			break;
		}
		*at = word_of(w->life, s->grant);
	}
	s->state = LIVE;
	if (rnd_below(&w->seed, 4)) {
		atomic_store(&s->writable, true);
	} else if (!(flags & HUGESPAN_ALLOC_FREE_ON_UNMAP) &&
		   try_mmap(s->place, s->bytes, PROT_READ, MAP_PRIVATE |
			    MAP_FIXED, w->fd, s->span.offset, &p)) {
		violation(w, "private mmap of a span of ours failed", 0);
	}
}

static void do_free(struct worker *w, struct slot *s)
{
	verify(w, s, "before free");
	if (span_free(w->fd, s->span.offset))
		violation(w, "free of a span of ours failed", 0);
	s->state = STALE;
}

static void do_trim(struct worker *w, struct slot *s)
{
	if (s->bytes <= w->unit)
		return;
	if (span_trim(w->fd, s->span.offset, w->unit, &s->bytes))
		violation(w, "trim of a span of ours failed", 0);
	verify(w, s, "after trim");
}

/* A page of a span goes into the pipe and the span away; or comes out again. */
static void do_pin(struct worker *w, struct slot *s)
{
	uint64_t page[512];
	struct iovec iov = { s->place, 4096 };

	if (w->pinned) {
		if (read(w->pipe[0], page, 4096) != 4096 ||
		    page[0] != w->pinned)
			violation(w, "pinned page", page[0]);
		w->pinned = 0;
		return;
	}
	if (vmsplice(w->pipe[1], &iov, 1, 0) != 4096) {
		violation(w, "vmsplice of a span of ours failed", 0);
		return;
	}
	w->pinned = word_of(w->life, s->grant);
	do_free(w, s);
}

/* A child has all the mappings; it looks at them and goes, or is killed. */
static void do_fork(struct worker *w)
{
	pid_t pid = child_fork();
	int i;

	if (pid < 0)
		return;
	if (!pid) {
		uint32_t before = atomic_load(&w->field->violations);

		for (i = 0; i < NR_SLOTS; i++)
			if (w->slots[i].state == LIVE)
				verify(w, &w->slots[i], "in a child");
		_exit(atomic_load(&w->field->violations) != before);
	}
	if (rnd_below(&w->seed, 2)) {
		sleep_ms(rnd_below(&w->seed, 3));
		kill(pid, SIGKILL);
	}
	if (child_wait(pid) < 0)
		violation(w, "a child does not end", 0);
}

static void step(struct worker *w)
{
	struct slot *s = &w->slots[rnd_below(&w->seed, NR_SLOTS)];
	unsigned int dice = rnd_below(&w->seed, 16), kind;

	if (w->forks && dice == 0) {
		do_fork(w);
		kind = 0;
	} else if (s->state == EMPTY) {
		do_grant(w, s);
		kind = 1;
	} else if (s->state == STALE) {
		clear_place(w, s);
		kind = 2;
	} else if (dice < 7) {
		do_free(w, s);
		kind = 3;
	} else if (dice < 9) {
		do_trim(w, s);
		kind = 4;
	} else if (dice < 11) {
		do_pin(w, s);
		kind = 5;
	} else if (dice < 13) {
		/* The span stays with the file, or goes if it is said so. */
		verify(w, s, "before unmap");
		clear_place(w, s);
		span_free(w->fd, s->span.offset);
		kind = 6;
	} else {
		verify(w, s, "in between");
		kind = 7;
	}
	atomic_fetch_add(&w->field->done[kind], 1);
}

static void work(struct field *field, uint64_t seed, bool forks)
{
	struct worker *w = calloc(1, sizeof(*w));
	pthread_t thread;
	int i;

	if (!w)
		_exit(1);
	w->field = field;
	w->forks = forks;
	w->life = atomic_fetch_add(&field->last_life, 1) + 1;
	w->seed = seed + w->life;
	w->fd = dev_open(O_RDWR | O_CLOEXEC);
	if (w->fd < 0 || pipe(w->pipe))
		_exit(1);
	w->unit = dev_unit(w->fd);
	for (i = 0; i < NR_SLOTS; i++) {
		char *p = mmap(NULL, (SLOT_UNITS + 1) * w->unit, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			       0);

		if (p == MAP_FAILED)
			_exit(1);
		w->slots[i].place = (char *)(((uintptr_t)p + w->unit - 1) &
					     ~(w->unit - 1));
	}
	fault_catch();
	if (pthread_create(&thread, NULL, touch_everything, w))
		_exit(1);
	while (!atomic_load(&field->stop) && now_ms() < field->end_ms) {
		step(w);
		if (atomic_fetch_sub(&field->ops_left, 1) <= 1)
			atomic_store(&field->stop, true);
	}
	atomic_store(&field->stop, true);
	pthread_join(thread, NULL);
	for (i = 0; i < NR_SLOTS; i++)
		if (w->slots[i].state == LIVE)
			verify(w, &w->slots[i], "at the end");
	_exit(0);
}

FIXTURE(race) {
	struct pool_watch watch;
	struct field *field;
	int ballast;
};

FIXTURE_VARIANT(race) {
	bool forks;
	bool kills;
};

FIXTURE_VARIANT_ADD(race, threads) {};
FIXTURE_VARIANT_ADD(race, forks) { .forks = true };
FIXTURE_VARIANT_ADD(race, kills) { .kills = true };
FIXTURE_VARIANT_ADD(race, forks_and_kills) { .forks = true, .kills = true };

FIXTURE_SETUP(race)
{
	uint64_t left;
	struct span s;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	ASSERT_LT(CONTESTED, self->watch.before.out_nr_free);
	self->ballast = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->ballast);
	for (left = self->watch.before.out_nr_free; left > CONTESTED; left--) {
		ASSERT_EQ(0, span_alloc(self->ballast, 0, &s));
	}
	self->field = mmap(NULL, sizeof(*self->field), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->field);
	atomic_store(&self->field->ops_left, test_ops(8000));
	self->field->end_ms = now_ms() + MAX_MS;
}

FIXTURE_TEARDOWN(race)
{
	close(self->ballast);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

static pid_t start(FIXTURE_DATA(race) *self,
		   const FIXTURE_VARIANT(race) *variant, uint64_t seed)
{
	pid_t pid = child_fork();

	if (!pid) {
		close(self->ballast);
		work(self->field, seed, variant->forks);
	}
	return pid;
}

TEST_F(race, nobody_sees_another)
{
	struct field *f = self->field;
	uint64_t seed = test_seed(), dice = seed ^ 0xd1ce;
	pid_t pids[NR_WORKERS];
	unsigned int kills = 0;
	int i;

	for (i = 0; i < NR_WORKERS; i++) {
		pids[i] = start(self, variant, seed);
		ASSERT_LT(0, pids[i]);
	}
	while (variant->kills && !atomic_load(&f->stop) &&
	       now_ms() < f->end_ms) {
		sleep_ms(20 + rnd_below(&dice, 100));
		i = rnd_below(&dice, NR_WORKERS);
		/* One that has just ended by itself cannot be killed. */
		child_kill(pids[i]);
		kills++;
		pids[i] = start(self, variant, seed);
		ASSERT_LT(0, pids[i]);
	}
	for (i = 0; i < NR_WORKERS; i++) {
		EXPECT_EQ(0, child_wait(pids[i]));
	}
	TH_LOG("forks %llu, grants %llu, stale mappings %llu, frees %llu, trims %llu, pins %llu, unmaps %llu, looks %llu, kills %u",
	       (unsigned long long)f->done[0], (unsigned long long)f->done[1],
	       (unsigned long long)f->done[2], (unsigned long long)f->done[3],
	       (unsigned long long)f->done[4], (unsigned long long)f->done[5],
	       (unsigned long long)f->done[6], (unsigned long long)f->done[7],
	       kills);
	EXPECT_EQ(0, f->violations);
}

DEVICE_TEST_MAIN
