// SPDX-License-Identifier: MIT
/*
 * Size classes, over every size there is.
 *
 * Guards against a class too small for its size (objects overlap), one larger
 * than need be (the promised waste is exceeded), an alignment that is not
 * kept, a division by reciprocal that is off by one at some offset (a free
 * marks the neighbour), and slots of two classes that share a word of the CPU's
 * slab.
 */
#include <kselftest_harness.h>

#include "sizeclass.h"

/* The slow and obvious look-up. */
static unsigned int naive_class(size_t size, size_t align)
{
	unsigned int c;

	for (c = 1; c < HS_NR_CLASSES; c++)
		if (hs_size_classes[c].size >= size &&
		    hs_size_classes[c].size % align == 0)
			return c;
	return 0;
}

/* A class that does not fit, or not the smallest, for some size. */
TEST(every_size_has_the_smallest_class_that_fits)
{
	size_t size;

	for (size = 0; size <= HS_SMALL_MAX; size++) {
		unsigned int c = hs_size_to_class(size);

		ASSERT_EQ(naive_class(size, 1), c) {
			TH_LOG("size %zu", size);
		}
	}
}

/*
 * Memory that a run of equal requests occupies and nobody can use: what each
 * object has beyond the request, and the run's tail. The promise is an eighth
 * of it for every size above HS_LINEAR_MAX.
 */
TEST(waste_is_at_most_an_eighth)
{
	size_t size, worst_size = 0;
	unsigned long worst = 0;

	for (size = HS_LINEAR_MAX + 1; size <= HS_SMALL_MAX; size++) {
		const struct hs_size_class *sc =
			&hs_size_classes[hs_size_to_class(size)];
		size_t run = sc->run_pages * HS_PAGE_BYTES;
		size_t wasted = run - sc->nr_objs * size;

		ASSERT_LE(wasted * 8, run) {
			TH_LOG("size %zu wastes %zu of %zu", size, wasted, run);
		}
		if (wasted * 1000 / run > worst) {
			worst = wasted * 1000 / run;
			worst_size = size;
		}
	}
	TH_LOG("worst: %lu per mille at %zu bytes", worst, worst_size);
}

/*
 * memalign relies on it: the object at every index of the run is aligned, no
 * smaller class would do, and 0 is only said where none does.
 */
TEST(every_alignment_has_the_smallest_class_that_keeps_it)
{
	size_t size, align;

	for (align = 1; align <= HS_PAGE_BYTES; align *= 2) {
		for (size = 0; size <= HS_SMALL_MAX; size++) {
			unsigned int c = hs_size_to_class_aligned(size, align);

			/* Runs begin at a page, so this is enough. */
			ASSERT_EQ(naive_class(size, align), c) {
				TH_LOG("size %zu align %zu", size, align);
			}
			ASSERT_NE(0, c);
		}
	}
}

/* Beyond a page only whole pages are aligned; beyond the sizes, nothing. */
TEST(no_class_for_what_is_not_small)
{
	size_t align;

	for (align = 2 * HS_PAGE_BYTES; align; align *= 2) {
		EXPECT_EQ(0, hs_size_to_class_aligned(0, align));
		EXPECT_EQ(0, hs_size_to_class_aligned(1, align));
		EXPECT_EQ(0, hs_size_to_class_aligned(HS_SMALL_MAX, align));
	}
	for (align = 1; align <= HS_PAGE_BYTES; align *= 2) {
		EXPECT_EQ(0, hs_size_to_class_aligned(HS_SMALL_MAX + 1, align));
		EXPECT_EQ(0, hs_size_to_class_aligned(SIZE_MAX, align));
		EXPECT_EQ(0, hs_size_to_class_aligned(PTRDIFF_MAX, align));
	}
}

/* A free in the middle or at the end of a run must find its own object. */
TEST(division_by_reciprocal_is_right_for_every_offset)
{
	unsigned int c;

	for (c = 1; c < HS_NR_CLASSES; c++) {
		const struct hs_size_class *sc = &hs_size_classes[c];
		size_t offset;

		for (offset = 0; offset < sc->run_pages * HS_PAGE_BYTES;
		     offset++)
			ASSERT_EQ(offset / sc->size,
				  hs_object_index(sc, offset)) {
				TH_LOG("class %u offset %zu", c, offset);
			}
	}
}

/* The fields' bounds, on which arrays elsewhere rely. */
TEST(the_table_keeps_its_bounds)
{
	unsigned int c;

	/* The page map holds a class in a byte. */
	EXPECT_LE(HS_NR_CLASSES, 256);
	EXPECT_EQ(0, hs_size_classes[0].size);
	EXPECT_EQ(HS_MIN_ALIGN, hs_size_classes[1].size);
	EXPECT_EQ(HS_SMALL_MAX, hs_size_classes[HS_NR_CLASSES - 1].size);
	for (c = 1; c < HS_NR_CLASSES; c++) {
		const struct hs_size_class *sc = &hs_size_classes[c];

		EXPECT_LT(sc[-1].size, sc->size);
		EXPECT_EQ(0, sc->size % HS_MIN_ALIGN);
		EXPECT_LE(1, sc->run_pages);
		EXPECT_LE(sc->run_pages, HS_RUN_PAGES_MAX);
		EXPECT_LE(1, sc->nr_objs);
		EXPECT_LE(sc->nr_objs, HS_RUN_OBJECTS_MAX);
		EXPECT_EQ(sc->run_pages * HS_PAGE_BYTES / sc->size,
			  sc->nr_objs);
		EXPECT_LE(HS_BATCH_MIN, sc->batch);
		EXPECT_LE(sc->batch, HS_BATCH_MAX);
		EXPECT_LE(HS_CPU_CLASS_MIN, sc->cpu_max);
		EXPECT_LE(sc->cpu_max, HS_CPU_CLASS_MAX);
		EXPECT_LE(HS_TRANSFER_MIN, sc->transfer_max);
		EXPECT_LE(sc->transfer_max, HS_TRANSFER_MAX);
		/* A batch that does not fit at all would never be cached. */
		EXPECT_LE(sc->batch, sc->cpu_max);
		EXPECT_LE(sc->batch, sc->transfer_max);
	}
}

/* Slots follow the headers and one another without a gap or an overlap. */
TEST(classes_share_no_slot)
{
	unsigned int c;
	size_t word = HS_NR_CLASSES;

	for (c = 1; c < HS_NR_CLASSES; c++) {
		EXPECT_EQ(word, hs_size_classes[c].cpu_begin);
		word += hs_size_classes[c].cpu_max;
	}
	EXPECT_EQ(word, HS_SLAB_WORDS);
	/* current and end are 16 bits, and end may be one past the last. */
	EXPECT_LE(word, UINT16_MAX);
}

TEST_HARNESS_MAIN
