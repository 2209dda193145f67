// SPDX-License-Identifier: MIT
/*
 * The contract of the malloc family.
 *
 * Guards against an answer that differs from the C library's for size 0, for
 * what overflows, for alignments good and bad, or in errno; against contents
 * that do not survive a realloc; and against a calloc that is not zero because
 * somebody had the memory before.
 */
#include <malloc.h>
#include <stdlib.h>

#include "hugespan.h"
#include "malloc_table.h"
#include "scenario.h"
#include "shadow.h"
#include "sizeclass.h"

#if defined(__SANITIZE_ADDRESS__)
#define MALLOC_IS_GLIBC 0
#else
#define MALLOC_IS_GLIBC 1
#endif

#define TABLE_BYTES (4ul << 20)

static const struct family ours = {
	.malloc = hs_malloc, .free = hs_free, .calloc = hs_calloc,
	.realloc = hs_realloc, .reallocarray = hs_reallocarray,
	.memalign = hs_memalign, .aligned_alloc = hs_aligned_alloc,
	.posix_memalign = hs_posix_memalign,
	.usable_size = hs_malloc_usable_size,
};

static const struct family glibc = {
	.malloc = malloc, .free = free, .calloc = calloc,
	.realloc = realloc, .reallocarray = reallocarray,
	.memalign = memalign, .aligned_alloc = aligned_alloc,
	.posix_memalign = posix_memalign,
	.usable_size = malloc_usable_size,
};

static char our_answers[TABLE_BYTES], their_answers[TABLE_BYTES];

FIXTURE(contract) {
	int unused;
};

FIXTURE_VARIANT(contract) {
	const char *env[4];
};

FIXTURE_VARIANT_ADD(contract, default) {
	.env = { "HUGESPAN_CHECK=0" },
};

FIXTURE_VARIANT_ADD(contract, check) {
	.env = { "HUGESPAN_CHECK=1" },
};

FIXTURE_SETUP(contract)
{
}

FIXTURE_TEARDOWN(contract)
{
}

static void start(void)
{
	struct hs_status st = { .struct_size = sizeof(st) };

	CHILD_CHECK(!hs_status(&st));
	if (!st.unit_bytes)
		scenario_skip("the backend asked for is not to be had here");
}

/* Each row of the table: glibc's answer. */
SCENARIO_TEST(contract, answers_are_those_of_the_c_library)
{
	char *mine = our_answers, *theirs = their_answers;
	int nr_rows = 0, nr_wrong = 0;

	start();
	if (!MALLOC_IS_GLIBC)
		scenario_skip("malloc is the sanitizer's here");
	malloc_table(&ours, our_answers, TABLE_BYTES);
	malloc_table(&glibc, their_answers, TABLE_BYTES);
	while (*mine && *theirs) {
		size_t n = strcspn(mine, "\n"), m = strcspn(theirs, "\n");

		nr_rows++;
		if (n != m || strncmp(mine, theirs, n)) {
			fprintf(stderr, "# ours:  %.*s\n# glibc: %.*s\n",
				(int)n, mine, (int)m, theirs);
			nr_wrong++;
		}
		mine += n + 1;
		theirs += m + 1;
	}
	fprintf(stderr, "# %d rows, %d differ\n", nr_rows, nr_wrong);
	CHILD_CHECK(nr_rows > 1000 && !nr_wrong);
	CHILD_CHECK(!*mine && !*theirs);
}

/* The table once more, by itself: it must not crash, leak or say NULL to what
 * is small (also where there is no glibc to compare with). */
SCENARIO_TEST(contract, the_table_leaves_nothing_behind)
{
	struct hs_stats st = { .struct_size = sizeof(st) };

	start();
	malloc_table(&ours, our_answers, TABLE_BYTES);
	CHILD_CHECK(!strstr(our_answers, "misaligned"));
	CHILD_CHECK(!strstr(our_answers, "too small"));
	CHILD_CHECK(!strstr(our_answers, "not zero"));
	CHILD_CHECK(!strstr(our_answers, "lost"));
	CHILD_CHECK(strstr(our_answers, "malloc(100): pointer;"));
	CHILD_CHECK(!hs_stats(&st));
	/* But for the row of realloc(NULL), which keeps what it gets. */
	CHILD_CHECK(st.in_use_bytes < 7000000);
}

/* ---- every size ---------------------------------------------------------- */

static void check_object(void *ptr, size_t size, size_t align)
{
	CHILD_CHECK(ptr);
	CHILD_CHECK((uintptr_t)ptr % align == 0);
	CHILD_CHECK(hs_malloc_usable_size(ptr) >= size);
}

/* What is said to be usable is: neighbours do not begin inside it. */
SCENARIO_TEST(contract, every_size_is_aligned_usable_and_apart)
{
	static void *held[64];
	size_t size, i = 0;

	start();
	for (size = 0; size <= HS_SMALL_MAX + 70000;
	     size += size < 5000 ? 1 : 61, i = (i + 1) % 64) {
		size_t usable;

		if (held[i]) {
			usable = hs_malloc_usable_size(held[i]);
			CHILD_CHECK(shadow_release(held[i], usable, 1));
			CHILD_CHECK(((char *)held[i])[0] == (char)i);
			CHILD_CHECK(((char *)held[i])[usable - 1] == (char)i);
			hs_free(held[i]);
		}
		held[i] = hs_malloc(size);
		check_object(held[i], size, 16);
		usable = hs_malloc_usable_size(held[i]);
		CHILD_CHECK(shadow_claim(held[i], usable, 1));
		memset(held[i], (int)i, usable);
	}
}

SCENARIO_TEST(contract, every_alignment_is_kept)
{
	static const size_t sizes[] = { 0, 1, 17, 100, 129, 1000, 5000, 9000,
					70000, 262144, 262145, 3000000 };
	size_t align, i;
	int round;

	start();
	for (round = 0; round < 2; round++) {
		for (align = 1; align <= 16ul << 20; align *= 2) {
			for (i = 0; i < ARRAY_SIZE(sizes); i++) {
				void *a = hs_memalign(align, sizes[i]);
				void *b = hs_aligned_alloc(align, sizes[i]);

				check_object(a, sizes[i], align);
				check_object(b, sizes[i], align);
				CHILD_CHECK(a != b);
				memset(a, 1, hs_malloc_usable_size(a));
				memset(b, 2, hs_malloc_usable_size(b));
				hs_free(a);
				hs_free_aligned_sized(b, align, sizes[i]);
			}
		}
	}
}

/* ---- contents ------------------------------------------------------------ */

/* Every byte of small ones; of large ones some of each page, and the end. */
static size_t next_byte(size_t i, size_t size)
{
	return i < 4096 || i + 64 > size ? i + 1 : i + 61;
}

static void realloc_and_look(size_t from, size_t to)
{
	size_t least = from < to ? from : to;
	unsigned char *ptr, *moved;
	size_t i;

	if (!to)
		return;		/* that would be a free */
	ptr = hs_malloc(from);
	CHILD_CHECK(ptr);
	for (i = 0; i < from; i = next_byte(i, from))
		ptr[i] = (unsigned char)(i * 7 + i / 256 + from);
	moved = hs_realloc(ptr, to);
	check_object(moved, to, 16);
	for (i = 0; i < least; i = next_byte(i, from)) {
		if (moved[i] == (unsigned char)(i * 7 + i / 256 + from))
			continue;
		fprintf(stderr, "# %zu -> %zu: byte %zu\n", from, to, i);
		CHILD_CHECK(!"the content is kept");
	}
	memset(moved, 0xee, hs_malloc_usable_size(moved));
	hs_free(moved);
}

/* Over every border between classes, by one byte, by one class and far. */
SCENARIO_TEST(contract, realloc_keeps_the_content_over_every_border)
{
	unsigned int c;
	int i, j;

	start();
	for (c = 1; c < HS_NR_CLASSES; c++) {
		size_t border = hs_size_classes[c].size;
		size_t below = hs_size_classes[c - 1].size;

		for (i = -1; i <= 1; i++) {
			for (j = -1; j <= 1; j++) {
				realloc_and_look(border + i, border + j);
				realloc_and_look(border + i, below + j + 1);
				realloc_and_look(below + j + 1, border + i);
				realloc_and_look(border + i, border / 2 + j);
				realloc_and_look(border / 2 + j, border + i);
			}
		}
		realloc_and_look(border, 3 * HS_SMALL_MAX);
		realloc_and_look(3 * HS_SMALL_MAX, border);
	}
}

/* Large ones grow and shrink where they lie, or move, as it comes. */
SCENARIO_TEST(contract, realloc_keeps_the_content_of_large_ones)
{
	uint64_t state = test_seed(), nr = test_ops(20000) / 50, i;
	struct { char *ptr; size_t size; uint64_t tag; } held[6] = { 0 }, *h;

	start();
	for (i = 0; i < nr && i < 20000; i++) {
		size_t size = (HS_SMALL_MAX / 2 +
			       rnd_below(&state, 16 * HS_SMALL_MAX)) & ~7ul;
		size_t least;

		h = &held[rnd_below(&state, ARRAY_SIZE(held))];
		least = h->size < size ? h->size : size;
		h->ptr = hs_realloc(h->ptr, size);
		check_object(h->ptr, size, 16);
		if (least)
			CHILD_CHECK(pattern_dots_differ(h->ptr, least,
							h->tag) < 0);
		h->size = size;
		h->tag = rnd(&state);
		pattern_dot(h->ptr, size, h->tag);
	}
}

/* ---- zeroes -------------------------------------------------------------- */

/* Whatever the size, after somebody wrote all over it: calloc is zero. */
SCENARIO_TEST(contract, calloc_is_zero_where_it_was_dirty)
{
	static const size_t large[] = { 262145, 300000, 1000000, 2097152,
					4000000, 9000000 };
	unsigned int c, i, round;
	void *objs[8];

	start();
	for (round = 0; round < 3; round++) {
		for (c = 1; c < HS_NR_CLASSES + ARRAY_SIZE(large); c++) {
			size_t size = c < HS_NR_CLASSES ?
				hs_size_classes[c].size :
				large[c - HS_NR_CLASSES];
			unsigned int nr = c < HS_NR_CLASSES ? 8 : 2;

			for (i = 0; i < nr; i++) {
				objs[i] = hs_malloc(size);
				CHILD_CHECK(objs[i]);
				memset(objs[i], 0xff, size);
			}
			for (i = 0; i < nr; i++)
				hs_free(objs[i]);
			for (i = 0; i < nr; i++) {
				objs[i] = hs_calloc(1, size);
				CHILD_CHECK(objs[i]);
				CHILD_CHECK(nonzero_at(objs[i], size) == -1);
				memset(objs[i], 0xff, size);
			}
			for (i = 0; i < nr; i++)
				hs_free_sized(objs[i], size);
		}
		if (round == 1)
			hs_release(0);
	}
}

SCENARIO_MAIN
