// SPDX-License-Identifier: MIT
/*
 * FREE while the span is mapped. What is left of a mapping raises SIGBUS for
 * ever: also when its units were granted again, to whomever, and whatever was
 * done to the mapping in between. Who breaks this shows one process another's
 * memory.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "child.h"
#include "device.h"
#include "fault.h"
#include "pattern.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#define OLD 0x01d
#define NEW 0x4e3

FIXTURE(stale) {
	struct pool_watch watch;
	struct span span;	/* two units, freed by the test */
	struct span again;	/* the same units after it */
	size_t unit;
	char *mem;		/* the mapping that goes stale */
	char *next;		/* the next owner's mapping */
	int fd;
	int next_fd;
};

FIXTURE_VARIANT(stale) {
	int map;
	bool touched;	/* had entries in the page table when it was freed */
	bool same;	/* the units go to the same file again */
};

FIXTURE_VARIANT_ADD(stale, shared) { .map = MAP_SHARED, .touched = true };
FIXTURE_VARIANT_ADD(stale, shared_untouched) { .map = MAP_SHARED };
FIXTURE_VARIANT_ADD(stale, shared_same_owner) {
	.map = MAP_SHARED, .touched = true, .same = true,
};
FIXTURE_VARIANT_ADD(stale, private) { .map = MAP_PRIVATE, .touched = true };
FIXTURE_VARIANT_ADD(stale, private_untouched) { .map = MAP_PRIVATE };
FIXTURE_VARIANT_ADD(stale, private_same_owner) {
	.map = MAP_PRIVATE, .touched = true, .same = true,
};

FIXTURE_SETUP(stale)
{
	void *p;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->next_fd = variant->same ? dup(self->fd) :
			dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->next_fd);
	self->unit = dev_unit(self->fd);
	ASSERT_EQ(0, span_alloc(self->fd, 1, &self->span));
	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &p));
	pattern_fill(p, self->span.bytes, OLD);
	munmap(p, self->span.bytes);
	ASSERT_EQ(0, span_map(self->fd, &self->span, variant->map, &p));
	self->mem = p;
	if (variant->touched) {
		ASSERT_EQ(-1, pattern_differs(p, self->span.bytes, OLD));
	}
}

FIXTURE_TEARDOWN(stale)
{
	munmap(self->mem, self->span.bytes);
	if (self->next)
		munmap(self->next, self->again.bytes);
	close(self->next_fd);
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* Free the span, and have the next owner fill the same units with NEW. */
static int regrant(FIXTURE_DATA(stale) *self)
{
	void *p;
	int err;

	err = span_free(self->fd, self->span.offset);
	if (err)
		return err;
	err = span_alloc_at(self->next_fd, 1, self->span.offset, &self->again);
	if (err)
		return err;
	err = span_map(self->next_fd, &self->again, MAP_SHARED, &p);
	if (err)
		return err;
	self->next = p;
	pattern_fill(p, self->again.bytes, NEW);
	return 0;
}

/* Neither reading nor writing any of the pages gets through. */
static bool is_dead(char *mem, size_t len)
{
	size_t i;

	for (i = 0; i < len; i += 61 * PAGE_STEP) {
		uint64_t word = 0;
		int sig = fault_read(mem + i, &word);

		if (sig != SIGBUS) {
			diag("read of byte %zu: signal %d, word is %s", i, sig,
			     word == pattern_word(NEW, i) ? "the next owner's" :
			     word == pattern_word(OLD, i) ? "the old one" :
			     "something");
			return false;
		}
		sig = fault_write(mem + i, 0xdead);
		if (sig != SIGBUS) {
			diag("write of byte %zu: signal %d", i, sig);
			return false;
		}
	}
	return true;
}

static bool next_is_whole(FIXTURE_DATA(stale) *self)
{
	long at = pattern_differs(self->next, self->again.bytes, NEW);

	if (at >= 0)
		diag("the next owner's byte %ld was overwritten", at);
	return at < 0;
}

/* ---- the errno side ---------------------------------------------------- */

/* Freed twice it would be in the pool twice, and granted twice. */
TEST_F(stale, the_second_free_is_refused)
{
	ASSERT_EQ(0, span_free(self->fd, self->span.offset));
	EXPECT_EQ(-ENOENT, span_free(self->fd, self->span.offset));
	EXPECT_EQ(0, pool_settle(&self->watch,
				 self->watch.before.out_nr_granted));
}

/* A span is freed by its beginning only: anything else is a lost pointer. */
TEST_F(stale, offsets_that_begin_no_span_are_refused)
{
	const struct {
		uint64_t offset;
		int err;
	} cases[] = {
		{ self->span.offset + self->unit, -ENOENT },
		{ self->span.offset + 4096, -EINVAL },
		{ self->span.offset + 1, -EINVAL },
		{ UINT64_MAX, -EINVAL },
		{ UINT64_MAX - self->unit + 1, -ENOENT },
		{ 1ull << 62, -ENOENT },
		{ 1ull << 63, -ENOENT },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(cases[i].err, span_free(self->fd, cases[i].offset))
			TH_LOG("offset %#llx",
			       (unsigned long long)cases[i].offset);
	}
	EXPECT_EQ(2, pool_granted(&self->watch) -
		     (long)self->watch.before.out_nr_granted);
}

/* What was freed is gone for every command, and for mmap. */
TEST_F(stale, a_freed_span_is_unknown)
{
	struct hugespan_query q;
	uint64_t bytes;
	void *p;

	ASSERT_EQ(0, span_free(self->fd, self->span.offset));
	EXPECT_EQ(-ENOENT, span_query(self->fd, self->span.offset, &q));
	EXPECT_EQ(-ENOENT, span_trim(self->fd, self->span.offset, self->unit,
				     &bytes));
	EXPECT_EQ(-ENOENT, span_set_fork(self->fd, self->span.offset,
					 HUGESPAN_FORK_COW));
	EXPECT_EQ(-EACCES, span_map(self->fd, &self->span, variant->map, &p));
}

/* ---- the signal side --------------------------------------------------- */

TEST_F(stale, a_freed_span_raises_sigbus)
{
	ASSERT_EQ(0, span_free(self->fd, self->span.offset));
	EXPECT_TRUE(is_dead(self->mem, self->span.bytes));
	EXPECT_EQ(SIGBUS, fault_read(self->mem + self->unit, NULL));
	EXPECT_EQ(BUS_ADRERR, fault_code);
	EXPECT_EQ(self->mem + self->unit, (char *)fault_addr);
}

/*
 * The heart of the matter: the units are somebody else's now, at the very
 * offset that this mapping has. Only the generation tells.
 */
TEST_F(stale, it_stays_dead_when_the_units_are_granted_again)
{
	ASSERT_EQ(0, regrant(self));
	EXPECT_TRUE(is_dead(self->mem, self->span.bytes));
	EXPECT_TRUE(next_is_whole(self));
}

/* Faults that failed once must fail again, once the next owner has faulted. */
TEST_F(stale, it_stays_dead_after_having_been_touched_dead)
{
	ASSERT_EQ(0, span_free(self->fd, self->span.offset));
	ASSERT_TRUE(is_dead(self->mem, self->span.bytes));
	ASSERT_EQ(0, span_alloc_at(self->next_fd, 1, self->span.offset,
				   &self->again));
	ASSERT_TRUE(is_dead(self->mem, self->span.bytes));
	ASSERT_EQ(0, span_free(self->next_fd, self->again.offset));
	ASSERT_EQ(0, span_alloc_at(self->next_fd, 1, self->span.offset,
				   &self->again));
	EXPECT_TRUE(is_dead(self->mem, self->span.bytes));
}

/* Many lives later it is still the first life's mapping. */
TEST_F(stale, it_stays_dead_through_many_generations)
{
	int i;

	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, span_free(i ? self->next_fd : self->fd,
				       self->span.offset));
		ASSERT_EQ(0, span_alloc_at(self->next_fd, 1,
					   self->span.offset, &self->again));
		ASSERT_EQ(SIGBUS, fault_read(self->mem, NULL));
	}
}

/* A moved mapping is made anew from the old one: with its old generation. */
TEST_F(stale, moving_does_not_revive)
{
	char *to = self->mem + 64 * self->unit;

	ASSERT_EQ(0, regrant(self));
	ASSERT_EQ(to, mremap(self->mem, self->span.bytes, self->span.bytes,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	self->mem = to;
	EXPECT_TRUE(is_dead(to, self->span.bytes));
	EXPECT_TRUE(next_is_whole(self));
}

/* Splitting a mapping makes two from one: both with its generation. */
TEST_F(stale, splitting_does_not_revive)
{
	ASSERT_EQ(0, regrant(self));
	ASSERT_EQ(0, mprotect(self->mem + 5 * PAGE_STEP, PAGE_STEP,
			      PROT_NONE));
	EXPECT_TRUE(is_dead(self->mem, 5 * PAGE_STEP));
	EXPECT_TRUE(is_dead(self->mem + 6 * PAGE_STEP,
			    self->span.bytes - 6 * PAGE_STEP));
	ASSERT_EQ(0, mprotect(self->mem + 5 * PAGE_STEP, PAGE_STEP,
			      PROT_READ | PROT_WRITE));
	EXPECT_TRUE(is_dead(self->mem, self->span.bytes));
	munmap(self->mem, self->unit);
	EXPECT_TRUE(is_dead(self->mem + self->unit, self->unit));
	EXPECT_TRUE(next_is_whole(self));
}

/* A stale mapping is inherited as a stale mapping. */
TEST_F(stale, forking_does_not_revive)
{
	pid_t pid;

	ASSERT_EQ(0, regrant(self));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(is_dead(self->mem, self->span.bytes) ? 0 : 1);
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_TRUE(next_is_whole(self));
}

/* And FREE finds the mappings of a child that was there before. */
TEST_F(stale, a_childs_mapping_dies_too)
{
	struct line line;
	pid_t pid;

	ASSERT_EQ(0, line_open(&line));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		uint64_t word;

		CHILD_CHECK(!fault_read(self->mem, &word));
		CHILD_CHECK(word == pattern_word(OLD, 0));
		CHILD_CHECK(!line_say(&line, 1, 1));
		CHILD_CHECK(!line_hear(&line, 1, NULL));
		CHILD_CHECK(is_dead(self->mem, self->span.bytes));
		_exit(0);
	}
	ASSERT_EQ(0, line_hear(&line, 0, NULL));
	ASSERT_EQ(0, regrant(self));
	ASSERT_EQ(0, line_say(&line, 0, 1));
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_TRUE(next_is_whole(self));
	line_close(&line);
}

/* All mappings of a span die at once, at whatever address and offset. */
TEST_F(stale, every_mapping_dies)
{
	void *second, *part;

	ASSERT_EQ(0, span_map(self->fd, &self->span, MAP_SHARED, &second));
	ASSERT_EQ(0, try_mmap(NULL, self->unit, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE, self->fd,
			      self->span.offset + self->unit, &part));
	ASSERT_EQ(0, fault_read(second, NULL));
	ASSERT_EQ(0, fault_read(part, NULL));
	ASSERT_EQ(0, regrant(self));
	EXPECT_TRUE(is_dead(self->mem, self->span.bytes));
	EXPECT_TRUE(is_dead(second, self->span.bytes));
	EXPECT_TRUE(is_dead(part, self->unit));
	EXPECT_TRUE(next_is_whole(self));
	munmap(second, self->span.bytes);
	munmap(part, self->unit);
}

/* The kernel's own accesses fail as the program's do: with EFAULT. */
TEST_F(stale, the_kernel_cannot_reach_it_either)
{
	struct iovec local = { NULL, 64 }, remote = { self->mem, 64 };
	char buf[64] = { 0 };
	int pipefd[2];

	ASSERT_EQ(0, regrant(self));
	ASSERT_EQ(0, pipe(pipefd));
	EXPECT_EQ(-1, write(pipefd[1], self->mem, 64));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(64, write(pipefd[1], buf, 64));
	EXPECT_EQ(-1, read(pipefd[0], self->mem, 64));
	EXPECT_EQ(EFAULT, errno);
	local.iov_base = buf;
	EXPECT_EQ(-1, process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, madvise(self->mem, self->unit, MADV_POPULATE_READ));
	EXPECT_EQ(-1, madvise(self->mem, self->unit, MADV_POPULATE_WRITE));
	EXPECT_EQ(-1, nonzero_at(buf, sizeof(buf)));
	EXPECT_TRUE(next_is_whole(self));
	close(pipefd[0]);
	close(pipefd[1]);
}

/*
 * A private copy is the process's own memory, not the span's: zapping it (with
 * even_cows) would lose what the program wrote. A shared page is the span's.
 */
TEST_F(stale, only_private_copies_survive)
{
	uint64_t *word = (uint64_t *)(self->mem + 3 * PAGE_STEP);

	*word = 0xc09;
	ASSERT_EQ(0, regrant(self));
	EXPECT_EQ(SIGBUS, fault_read(self->mem + 4 * PAGE_STEP, NULL));
	if (variant->map == MAP_SHARED) {
		EXPECT_EQ(SIGBUS, fault_read(word, NULL));
	} else {
		EXPECT_EQ(0xc09, *word);
		EXPECT_EQ(pattern_word(OLD, 3 * PAGE_STEP + 8), word[1]);
		*word = 0xc10;
		EXPECT_EQ(0xc10, *word);
	}
	EXPECT_TRUE(next_is_whole(self));
}

/* The next owner's count of mappings is of its own ones. */
TEST_F(stale, stale_mappings_are_not_counted)
{
	ASSERT_EQ(0, regrant(self));
	EXPECT_EQ(1, span_nr_mappings(self->next_fd, self->again.offset));
	munmap(self->mem, self->span.bytes);
	EXPECT_EQ(1, span_nr_mappings(self->next_fd, self->again.offset));
	munmap(self->next, self->again.bytes);
	EXPECT_EQ(0, span_nr_mappings(self->next_fd, self->again.offset));
	EXPECT_EQ(0, span_set_fork(self->next_fd, self->again.offset,
				   HUGESPAN_FORK_COW));
}

/* ---- the next owner is not disturbed ----------------------------------- */

struct hammer {
	char *dead;
	size_t len;
	_Atomic bool stop;
	_Atomic long got_through;
};

static void *knock(void *arg)
{
	struct hammer *h = arg;
	size_t at = 0;

	while (!atomic_load(&h->stop)) {
		if (fault_read(h->dead + at, NULL) != SIGBUS)
			atomic_fetch_add(&h->got_through, 1);
		at = (at + 17 * PAGE_STEP) % h->len;
	}
	return NULL;
}

/*
 * A refused fault must not even hold the unit for a moment: the reference that
 * it takes too early is seen as a pin when the next owner gives the unit back,
 * or lets go of a page that is not its own any more. Nobody pins anything here,
 * so nothing may ever be in quarantine.
 */
TEST(refused_faults_hold_no_unit)
{
	enum { NR_THREADS = 2 };
	uint64_t end = now_ms() + 8000, rounds = test_ops(300), i;
	pthread_t threads[NR_THREADS];
	struct hammer h = { 0 };
	struct pool_watch watch;
	struct span dead, s;
	int fd, other, t;
	void *p;

	ASSERT_EQ(0, pool_watch_begin(&watch));
	fd = dev_open(O_RDWR | O_CLOEXEC);
	other = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, span_alloc(fd, 0, &dead));
	ASSERT_EQ(0, span_map(fd, &dead, MAP_SHARED, &p));
	/* Nothing is left for the other but the unit of this span. */
	while (!span_alloc(fd, 0, &s))
		;
	ASSERT_EQ(0, span_free(fd, dead.offset));
	h.dead = p;
	h.len = dead.bytes;
	for (t = 0; t < NR_THREADS; t++) {
		ASSERT_EQ(0, pthread_create(&threads[t], NULL, knock, &h));
	}
	for (i = 0; i < rounds && now_ms() < end; i++) {
		ASSERT_EQ(0, span_alloc_with(other, 0,
					     HUGESPAN_ALLOC_FREE_ON_UNMAP,
					     HUGESPAN_FORK_SHARE, &s));
		ASSERT_EQ(dead.offset, s.offset);
		ASSERT_EQ(0, span_map(other, &s, MAP_SHARED, &p));
		ASSERT_EQ(0, fault_write(p, NEW));
		munmap(p, s.bytes);
		ASSERT_EQ(0, pool_quarantined(&watch))
			TH_LOG("round %llu", (unsigned long long)i);
	}
	atomic_store(&h.stop, true);
	for (t = 0; t < NR_THREADS; t++) {
		ASSERT_EQ(0, pthread_join(threads[t], NULL));
	}
	EXPECT_EQ(0, h.got_through);
	munmap(h.dead, h.len);
	close(fd);
	close(other);
	EXPECT_EQ(0, pool_watch_end(&watch));
}

DEVICE_TEST_MAIN
