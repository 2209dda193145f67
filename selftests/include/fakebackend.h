/* SPDX-License-Identifier: MIT */
/*
 * A backend that maps nothing: it deals out address ranges of an arena and
 * keeps, page by page, what is mapped and who has it. The page heap never
 * touches the memory it manages, so it cannot tell the difference.
 *
 * Extents lie wherever chance puts them, often side by side: what belongs to
 * two extents must still never be joined.
 */
#ifndef SELFTEST_FAKEBACKEND_H
#define SELFTEST_FAKEBACKEND_H

#include <errno.h>

#include "backend.h"
#include "hugespan.h"
#include "pattern.h"
#include "run.h"

#define FAKE_UNIT_BYTES (2ul << 20)
#define FAKE_UNIT_PAGES (FAKE_UNIT_BYTES >> HS_PAGE_SHIFT)
#define FAKE_UNITS 96
#define FAKE_PAGES (FAKE_UNITS * FAKE_UNIT_PAGES)
/* In the middle of it the page map goes from one leaf to the next. */
#define FAKE_BASE ((300ul << 31) - FAKE_UNITS / 2 * FAKE_UNIT_BYTES)

/* What a page is; anything from PAGE_OWNED on is its owner's number. */
enum { PAGE_ABSENT = 0, PAGE_FREE = 1, PAGE_OWNED = 2 };

static struct fake {
	uint64_t state;			/* of its random numbers */
	unsigned int nr_maps;		/* calls, refused ones too */
	unsigned int nr_unmaps;
	unsigned int fail;		/* the n-th map from now fails */
	size_t max_request_bytes;
	size_t mapped_bytes;
	uint32_t page[FAKE_PAGES];
	bool dirty[FAKE_PAGES];		/* somebody had it since it was mapped */
	uint16_t extent[FAKE_UNITS];	/* which of the extents, 0: none */
	uint16_t last_extent;
	const char *broken;		/* what the page heap did wrong */
} fake;

HELPER size_t fake_page(uintptr_t addr)
{
	return (addr - FAKE_BASE) >> HS_PAGE_SHIFT;
}

HELPER bool fake_room(size_t unit, size_t nr)
{
	size_t i;

	if (unit + nr > FAKE_UNITS)
		return false;
	for (i = unit; i < unit + nr; i++)
		if (fake.extent[i])
			return false;
	return true;
}

static int fake_probe(struct hs_backend *b, char *why, size_t why_size)
{
	(void)why, (void)why_size;
	b->unit_bytes = FAKE_UNIT_BYTES;
	return 0;
}

static int fake_map(struct hs_backend *b, const struct hs_map_request *req,
		    struct hs_extent *x)
{
	size_t nr = x->bytes / FAKE_UNIT_BYTES, start, i, j;

	(void)b;
	fake.nr_maps++;
	if (fake.max_request_bytes < req->bytes)
		fake.max_request_bytes = req->bytes;
	if ((fake.fail && !--fake.fail) || nr > FAKE_UNITS)
		return -ENOMEM;
	start = rnd_below(&fake.state, FAKE_UNITS);
	for (i = 0; i < FAKE_UNITS; i++)
		if (fake_room((start + i) % FAKE_UNITS, nr))
			break;
	if (i == FAKE_UNITS)
		return -ENOMEM;
	start = (start + i) % FAKE_UNITS;
	fake.last_extent++;
	for (i = start; i < start + nr; i++) {
		fake.extent[i] = fake.last_extent;
		for (j = 0; j < FAKE_UNIT_PAGES; j++) {
			fake.page[i * FAKE_UNIT_PAGES + j] = PAGE_FREE;
			fake.dirty[i * FAKE_UNIT_PAGES + j] = false;
		}
	}
	fake.mapped_bytes += x->bytes;
	x->base = (char *)FAKE_BASE + start * FAKE_UNIT_BYTES;
	return 0;
}

static void fake_unmap(struct hs_backend *b, struct hs_extent *x)
{
	size_t first = fake_page((uintptr_t)x->base), i;
	size_t nr = x->bytes >> HS_PAGE_SHIFT;

	(void)b;
	fake.nr_unmaps++;
	fake.mapped_bytes -= x->bytes;
	for (i = first; i < first + nr; i++) {
		if (fake.page[i] != PAGE_FREE)
			fake.broken = "a page in use was given back";
		fake.page[i] = PAGE_ABSENT;
		fake.extent[i / FAKE_UNIT_PAGES] = 0;
	}
}

static const struct hs_backend_ops fake_ops = {
	.id = HS_BACKEND_PLAIN,
	.probe = fake_probe,
	.map = fake_map,
	.unmap = fake_unmap,
};

static struct hs_backend fake_backend;

HELPER void fake_reset(uint64_t seed)
{
	memset(&fake, 0, sizeof(fake));
	fake.state = seed;
	fake_backend = (struct hs_backend){
		.ops = &fake_ops, .usable = true, .fd = -1, .next_fd = -1,
		.unit_bytes = FAKE_UNIT_BYTES,
	};
	hs_list_init(&fake_backend.extents);
}

/* Do both pages belong to the same extent? */
HELPER bool fake_same_extent(size_t a, size_t b)
{
	return fake.extent[a / FAKE_UNIT_PAGES] ==
	       fake.extent[b / FAKE_UNIT_PAGES];
}

/* One past the free pages of the extent from @page on. */
HELPER size_t fake_free_end(size_t page)
{
	size_t end = page;

	while (end < FAKE_PAGES && fake.page[end] == PAGE_FREE &&
	       fake_same_extent(page, end))
		end++;
	return end;
}

/* The first free page of the stretch that @page, a free one, is in. */
HELPER size_t fake_free_start(size_t page)
{
	while (page && fake.page[page - 1] == PAGE_FREE &&
	       fake_same_extent(page - 1, page))
		page--;
	return page;
}

/* The shortest free stretch with room for nr pages so aligned; 0: none. */
HELPER size_t fake_best(size_t nr, size_t align)
{
	size_t page = 0, best = 0;

	while (page < FAKE_PAGES) {
		size_t end = fake_free_end(page);
		uintptr_t addr = FAKE_BASE + (page << HS_PAGE_SHIFT);
		size_t front = ((addr + align - 1) / align * align - addr) >>
			HS_PAGE_SHIFT;

		if (end - page >= nr + front && (!best || end - page < best))
			best = end - page;
		page = end > page ? end : page + 1;
	}
	return best;
}

/* Bytes of extents that are free from end to end. */
HELPER size_t fake_idle_bytes(void)
{
	size_t unit = 0, bytes = 0;

	while (unit < FAKE_UNITS) {
		size_t first = unit * FAKE_UNIT_PAGES, end = unit + 1;

		while (end < FAKE_UNITS && fake.extent[end] == fake.extent[unit])
			end++;
		if (fake.extent[unit] &&
		    fake_free_end(first) >= end * FAKE_UNIT_PAGES)
			bytes += (end - unit) * FAKE_UNIT_BYTES;
		unit = end;
	}
	return bytes;
}

/* [first, first + nr) goes from one state to the other, all of it. */
HELPER bool fake_change(size_t first, size_t nr, uint32_t from, uint32_t to)
{
	size_t i;

	for (i = first; i < first + nr; i++) {
		if (i >= FAKE_PAGES || !fake_same_extent(first, i) ||
		    !__atomic_compare_exchange_n(&fake.page[i], &(uint32_t){from},
						 to, false, __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED))
			return false;
		if (to >= PAGE_OWNED)
			fake.dirty[i] = true;
	}
	return true;
}

HELPER bool fake_was_dirty(size_t first, size_t nr)
{
	size_t i;

	for (i = first; i < first + nr; i++)
		if (fake.dirty[i])
			return true;
	return false;
}

#endif /* SELFTEST_FAKEBACKEND_H */
