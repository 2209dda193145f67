// SPDX-License-Identifier: MIT
/*
 * Frees that are none: double, foreign, inside an object.
 *
 * Guards against silence. With HUGESPAN_CHECK=1 every one of them must abort
 * with a line that names the address. Without it the fast path looks at little:
 * what is found there for certain is marked SURE, and must be; of the rest the
 * test prints what was found and what was not.
 */
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "heap.h"
#include "hugespan.h"
#include "scenario.h"

enum when {
	SURE,		/* found in every mode */
	CHECKED,	/* for certain only with HUGESPAN_CHECK=1 */
};

struct wrong_free {
	const char *name;
	enum when when;
	void (*run)(void);
};

/* The pointer that is about to be wronged: the parent reads it. */
static void *victim(void *ptr)
{
	dprintf(STDERR_FILENO, "victim %p\n", ptr);
	return ptr;
}

/* ---- freed twice --------------------------------------------------------- */

static void double_small(void)
{
	void *p = victim(hs_malloc(100));

	hs_free(p);
	hs_free(p);
}

static void double_small_a_b_a(void)
{
	void *p = victim(hs_malloc(100)), *q = hs_malloc(100);

	hs_free(p);
	hs_free(q);
	hs_free(p);
}

/* Enough others in between to push it out of the cache, and further. */
static void double_small_after_many(void)
{
	static void *others[20000];
	void *p = victim(hs_malloc(100));
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		others[i] = hs_malloc(100);
	hs_free(p);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		hs_free(others[i]);
	hs_free(p);
	hs_release(0);
}

static void double_small_after_release(void)
{
	void *keep = hs_malloc(100), *p = victim(hs_malloc(100));

	hs_free(p);
	hs_release(0);
	hs_free(p);
	hs_release(0);
	hs_free(keep);
}

/* Its run, and the unit with it, have gone back. */
static void double_small_after_all_is_gone(void)
{
	void *p = victim(hs_malloc(100));

	hs_free(p);
	hs_release(0);
	hs_free(p);
}

static void double_sized(void)
{
	void *p = victim(hs_malloc(3000));

	hs_free_sized(p, 3000);
	hs_free_sized(p, 3000);
}

static void double_large(void)
{
	void *p = victim(hs_malloc(1000000));

	hs_free(p);
	hs_free(p);
}

static void double_large_a_b_a(void)
{
	void *p = victim(hs_malloc(1000000)), *q = hs_malloc(1000000);

	hs_free(p);
	hs_free(q);
	hs_free(p);
}

/* Others lie there now, of other lengths. */
static void double_large_after_reuse(void)
{
	char *before = hs_malloc(1000000), *p = victim(hs_malloc(1000000));
	char *whole;

	hs_free(before);
	hs_free(p);
	whole = hs_malloc(1900000);
	if (whole >= p || whole + 1900000 <= p)
		dprintf(STDERR_FILENO, "lies elsewhere\n");
	hs_free(p);
}

static void double_aligned(void)
{
	void *p = victim(hs_aligned_alloc(64, 1000));

	hs_free_aligned_sized(p, 64, 1000);
	hs_free_aligned_sized(p, 64, 1000);
}

static void double_aligned_large(void)
{
	void *p = victim(hs_aligned_alloc(65536, 1000));

	hs_free(p);
	hs_free(p);
}

static void free_after_realloc_to_nothing(void)
{
	void *p = victim(hs_malloc(5000));

	if (hs_realloc(p, 0))
		abort();
	hs_free(p);
}

static void realloc_of_a_freed_one(void)
{
	void *p = victim(hs_malloc(100));

	hs_free(p);
	hs_realloc(p, 5000);
}

static void realloc_of_a_freed_large_one(void)
{
	void *p = victim(hs_malloc(1000000));

	hs_free(p);
	hs_realloc(p, 2000000);
}

static void size_of_a_freed_one(void)
{
	void *p = victim(hs_malloc(100));

	hs_free(p);
	hs_malloc_usable_size(p);
}

static void size_of_a_freed_large_one(void)
{
	void *p = victim(hs_malloc(1000000));

	hs_free(p);
	hs_malloc_usable_size(p);
}

/* ---- not ours ------------------------------------------------------------ */

static void foreign_stack(void)
{
	char on_stack[64] __attribute__((aligned(16)));

	hs_malloc(1);
	hs_free(victim(on_stack));
}

static void foreign_static(void)
{
	static char data[64] __attribute__((aligned(16)));

	hs_malloc(1);
	hs_free(victim(data));
}

static void foreign_malloc(void)
{
	hs_malloc(1);
	hs_free(victim(malloc(100)));
}

static void foreign_mmap(void)
{
	hs_malloc(1);
	hs_free(victim(mmap(NULL, 1 << 21, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
}

static void foreign_code(void)
{
	hs_malloc(1);
	hs_free(victim((void *)foreign_code));
}

static void foreign_tiny(void)
{
	hs_malloc(1);
	hs_free(victim((void *)0x10));
}

static void foreign_nowhere(void)
{
	hs_malloc(1);
	hs_free(victim((void *)0xdeadbeefdeadbee0ul));
}

static void foreign_span(void)
{
	struct hs_span *span;

	hs_malloc(1);
	if (hs_span_alloc(1, NULL, &span))
		abort();
	hs_free(victim(hs_span_addr(span)));
}

static void foreign_before_anything(void)
{
	hs_free(victim(malloc(1)));
}

static void foreign_realloc(void)
{
	hs_malloc(1);
	hs_realloc(victim(malloc(100)), 200);
}

static void foreign_size(void)
{
	hs_malloc(1);
	hs_malloc_usable_size(victim(malloc(100)));
}

/* ---- inside -------------------------------------------------------------- */

static void inside_small_1(void)
{
	hs_free(victim((char *)hs_malloc(100) + 1));
}

static void inside_small_16(void)
{
	hs_free(victim((char *)hs_malloc(100) + 16));
}

static void inside_small_of_a_page(void)
{
	hs_free(victim((char *)hs_malloc(20000) + HS_PAGE_BYTES));
}

static void inside_small_realloc(void)
{
	hs_realloc(victim((char *)hs_malloc(100) + 16), 5000);
}

/* 144 bytes: behind the last object of the run. */
static void in_the_tail_of_a_run(void)
{
	uintptr_t p = (uintptr_t)hs_malloc(144);

	hs_free(victim((void *)((p | (HS_PAGE_BYTES - 1)) - 15)));
}

static void inside_large_16(void)
{
	hs_free(victim((char *)hs_malloc(1000000) + 16));
}

static void inside_large_second_page(void)
{
	hs_free(victim((char *)hs_malloc(1000000) + HS_PAGE_BYTES));
}

static void inside_large_last_page(void)
{
	char *p = hs_malloc(800000);

	hs_free(victim(p + 800000 / HS_PAGE_BYTES * HS_PAGE_BYTES));
}

static void behind_large(void)
{
	char *p = hs_malloc(1000000);

	hs_free(victim(p + hs_malloc_usable_size(p)));
}

static void inside_large_realloc(void)
{
	hs_realloc(victim((char *)hs_malloc(1000000) + 16), 10);
}

static void inside_large_size(void)
{
	hs_malloc_usable_size(victim((char *)hs_malloc(1000000) + 4096));
}

#define WRONG(when, fn) { #fn, when, fn }

static const struct wrong_free wrong_frees[] = {
	WRONG(SURE, double_small),
	WRONG(CHECKED, double_small_a_b_a),
	WRONG(CHECKED, double_small_after_many),
	WRONG(CHECKED, double_small_after_release),
	WRONG(SURE, double_small_after_all_is_gone),
	WRONG(SURE, double_sized),
	WRONG(SURE, double_large),
	WRONG(SURE, double_large_a_b_a),
	WRONG(SURE, double_large_after_reuse),
	WRONG(SURE, double_aligned),
	WRONG(SURE, double_aligned_large),
	WRONG(SURE, free_after_realloc_to_nothing),
	WRONG(CHECKED, realloc_of_a_freed_one),
	WRONG(SURE, realloc_of_a_freed_large_one),
	WRONG(CHECKED, size_of_a_freed_one),
	WRONG(SURE, size_of_a_freed_large_one),
	WRONG(SURE, foreign_stack),
	WRONG(SURE, foreign_static),
	WRONG(SURE, foreign_malloc),
	WRONG(SURE, foreign_mmap),
	WRONG(SURE, foreign_code),
	WRONG(SURE, foreign_tiny),
	WRONG(SURE, foreign_nowhere),
	WRONG(SURE, foreign_span),
	WRONG(SURE, foreign_before_anything),
	WRONG(SURE, foreign_realloc),
	WRONG(SURE, foreign_size),
	WRONG(CHECKED, inside_small_1),
	WRONG(CHECKED, inside_small_16),
	WRONG(CHECKED, inside_small_of_a_page),
	WRONG(CHECKED, inside_small_realloc),
	WRONG(CHECKED, in_the_tail_of_a_run),
	WRONG(SURE, inside_large_16),
	WRONG(SURE, inside_large_second_page),
	WRONG(SURE, inside_large_last_page),
	WRONG(SURE, behind_large),
	WRONG(SURE, inside_large_realloc),
	WRONG(SURE, inside_large_size),
};

FIXTURE(modes) {
	int unused;
};

FIXTURE_VARIANT(modes) {
	const char *env[5];
};

FIXTURE_VARIANT_ADD(modes, rseq) {
	.env = { "HUGESPAN_RSEQ=1", "HUGESPAN_CHECK=0" },
};

FIXTURE_VARIANT_ADD(modes, locked) {
	.env = { "HUGESPAN_RSEQ=0", "HUGESPAN_CHECK=0" },
};

FIXTURE_VARIANT_ADD(modes, check) {
	.env = { "HUGESPAN_RSEQ=1", "HUGESPAN_CHECK=1" },
};

FIXTURE_SETUP(modes)
{
}

FIXTURE_TEARDOWN(modes)
{
}

/* On one CPU: a cache that is left behind half-way knows of no second free. */
static void run_wrong(void *arg)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
	((const struct wrong_free *)arg)->run();
}

static bool is_found(const struct wrong_free *w, struct outcome *o)
{
	void *ptr = NULL;
	const char *at;

	child_outcome(run_wrong, (void *)w, o);
	at = strstr(o->err, "victim ");
	return at && sscanf(at, "victim %p", &ptr) == 1 &&
	       aborted_naming(o, ptr) && !strstr(o->err, "lies elsewhere");
}

SCENARIO_TEST(modes, wrong_frees_abort_with_their_address)
{
	bool checks = !strcmp(getenv("HUGESPAN_CHECK"), "1");
	int nr_failed = 0;
	struct outcome o;
	size_t i;

	if (hs_heap_start())
		scenario_skip("the backend asked for is not to be had here");
	for (i = 0; i < ARRAY_SIZE(wrong_frees); i++) {
		const struct wrong_free *w = &wrong_frees[i];
		bool found = is_found(w, &o);
		bool wanted = checks || w->when == SURE;

		if (!found && wanted) {
			nr_failed++;
			fprintf(stderr, "# %s: status %x, and it said: %s\n",
				w->name, o.status, o.err);
		} else if (!wanted) {
			fprintf(stderr, "# without the checks, %s is%s found\n",
				w->name, found ? "" : " not");
		}
	}
	CHILD_CHECK(nr_failed == 0);
}

/* The message must come out also where stderr is gone, and abort be SIGABRT,
 * whatever handler the program has, even one that allocates. */
static void handler_that_allocates(int sig)
{
	(void)sig;
	hs_free(hs_malloc(10));
	hs_free(hs_malloc(1000000));
	hs_release(0);
	_exit(55);
}

static void double_with_handler(void *unused)
{
	(void)unused;
	signal(SIGABRT, handler_that_allocates);
	double_small();
}

static void double_without_stderr(void *unused)
{
	(void)unused;
	close(STDERR_FILENO);
	double_large();
}

SCENARIO_TEST(modes, dying_is_orderly)
{
	struct outcome o;

	if (hs_heap_start())
		scenario_skip("the backend asked for is not to be had here");
	child_outcome(double_with_handler, NULL, &o);
	CHILD_CHECK(WIFEXITED(o.status) && WEXITSTATUS(o.status) == 55);
	CHILD_CHECK(strstr(o.err, "hugespan: "));
	child_outcome(double_without_stderr, NULL, &o);
	CHILD_CHECK(WIFSIGNALED(o.status) && WTERMSIG(o.status) == SIGABRT);
}

SCENARIO_MAIN
