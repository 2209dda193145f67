// SPDX-License-Identifier: MIT
/* The central lists; see central.h. */
#include "central.h"

#include <string.h>

#include "pageheap.h"
#include "pagemap.h"
#include "sizeclass.h"
#include "sys.h"

struct central {
	struct hs_lock lock;	/* guards all below and the runs' free bits */
	struct hs_list occupancy[HS_NR_OCCUPANCIES];
	struct hs_central_counts counts;
} __attribute__((aligned(64)));

static struct central centrals[HS_NR_CLASSES];

/* Added to with the lock of the class, so that a forked child's are right. */
static struct {
	uint64_t taken_bytes __attribute__((aligned(64)));
	uint64_t put_bytes __attribute__((aligned(64)));
} traffic;

static unsigned int occupancy_of(const struct hs_run *run)
{
	return 31 - __builtin_clz(run->nr_free);
}

/* ---- one object's bit: the only writers of free_bits and nr_free --------- */

static void object_take(struct hs_run *run, unsigned int word,
			unsigned int bit)
{
	run->free_bits[word] &= ~(1ull << bit);
	run->nr_free--;
}

static void object_put(struct hs_run *run, unsigned int index)
{
	run->free_bits[index / 64] |= 1ull << (index % 64);
	run->nr_free++;
}

/* The record may have served another class before: its bits are its past. */
static void run_fill(struct hs_run *run, unsigned int nr_objs)
{
	unsigned int i;

	memset(run->free_bits, 0, sizeof(run->free_bits));
	run->nr_free = 0;
	for (i = 0; i < nr_objs; i++)
		object_put(run, i);
}

/* The run and index of an object that is in use; aborts if it is not one. */
static struct hs_run *find_object(const struct hs_size_class *sc,
				  const void *ptr, unsigned int *index)
{
	struct hs_run *run = hs_pagemap_run((uintptr_t)ptr);
	size_t offset;

	if (!run || run->state != HS_RUN_SMALL ||
	    &hs_size_classes[run->size_class] != sc)
		hs_sys_die("free of %p: freed twice, or not a pointer of hugespan",
			   ptr);
	offset = (uintptr_t)ptr - hs_run_address(run);
	*index = hs_object_index(sc, offset);
	if (*index * (size_t)sc->size != offset || *index >= sc->nr_objs)
		hs_sys_die("free of %p: it lies inside an object of %u bytes",
			   ptr, sc->size);
	if (run->free_bits[*index / 64] & (1ull << (*index % 64)))
		hs_sys_die("double free of %p (an object of %u bytes)", ptr,
			   sc->size);
	return run;
}

/* ---- runs of a class ----------------------------------------------------- */

/* With the central's lock; dropped while the page heap works. */
static struct hs_run *add_run(struct central *central, unsigned int size_class)
{
	const struct hs_size_class *sc = &hs_size_classes[size_class];
	struct hs_run *run;

	hs_unlock(&central->lock);
	run = hs_pageheap_alloc(&hs_pageheap, sc->run_pages, HS_PAGE_BYTES,
				HS_RUN_SMALL, size_class);
	hs_lock(&central->lock);
	if (!run)
		return NULL;
	run_fill(run, sc->nr_objs);
	hs_list_add(&central->occupancy[occupancy_of(run)], &run->link);
	central->counts.nr_runs++;
	central->counts.nr_free += sc->nr_objs;
	return run;
}

/* The fullest run that has a free object, or NULL. */
static struct hs_run *fullest_run(struct central *central)
{
	unsigned int i;

	for (i = 0; i < HS_NR_OCCUPANCIES; i++)
		if (!hs_list_empty(&central->occupancy[i]))
			return hs_container(central->occupancy[i].next,
					    struct hs_run, link);
	return NULL;
}

/* Put the run where its number of free objects belongs. */
static void rank_run(struct central *central, struct hs_run *run)
{
	hs_list_del(&run->link);
	if (run->nr_free)
		hs_list_add(&central->occupancy[occupancy_of(run)], &run->link);
}

static unsigned int take_from_run(struct hs_run *run, size_t size, void **out,
				  unsigned int n)
{
	unsigned int word, taken = 0;

	for (word = 0; taken < n && run->nr_free; word++) {
		while (run->free_bits[word] && taken < n) {
			unsigned int bit = __builtin_ctzll(run->free_bits[word]);

			object_take(run, word, bit);
			out[taken++] = (char *)hs_run_address(run) +
				       (word * 64 + bit) * size;
		}
	}
	return taken;
}

unsigned int hs_central_take(unsigned int size_class, void **out,
			     unsigned int n)
{
	struct central *central = &centrals[size_class];
	size_t size = hs_size_classes[size_class].size;
	unsigned int taken = 0;

	HS_GUARD(&central->lock);
	while (taken < n) {
		struct hs_run *run = fullest_run(central);
		unsigned int got;

		if (!run)
			run = add_run(central, size_class);
		if (!run)
			break;
		got = take_from_run(run, size, out + taken, n - taken);
		central->counts.nr_free -= got;
		taken += got;
		rank_run(central, run);
	}
	__atomic_fetch_add(&traffic.taken_bytes, (uint64_t)taken * size,
			   __ATOMIC_RELAXED);
	return taken;
}

void hs_central_put(unsigned int size_class, void *const *objs, unsigned int n)
{
	const struct hs_size_class *sc = &hs_size_classes[size_class];
	struct central *central = &centrals[size_class];
	struct hs_list *pos, *tmp, whole;
	unsigned int i, index;

	hs_list_init(&whole);
	hs_lock(&central->lock);
	for (i = 0; i < n; i++) {
		struct hs_run *run = find_object(sc, objs[i], &index);
		unsigned int before = run->nr_free;

		object_put(run, index);
		central->counts.nr_free++;
		if (run->nr_free == sc->nr_objs) {
			if (before)
				hs_list_del(&run->link);
			hs_list_add(&whole, &run->link);
			central->counts.nr_runs--;
			central->counts.nr_free -= sc->nr_objs;
		} else if (!before) {
			hs_list_add(&central->occupancy[occupancy_of(run)],
				    &run->link);
		} else if (occupancy_of(run) !=
			   31u - (unsigned int)__builtin_clz(before)) {
			rank_run(central, run);
		}
	}
	__atomic_fetch_add(&traffic.put_bytes, (uint64_t)n * sc->size,
			   __ATOMIC_RELAXED);
	hs_unlock(&central->lock);
	hs_list_for_each_safe(pos, tmp, &whole) {
		hs_list_del(pos);
		hs_pageheap_free(&hs_pageheap,
				 hs_container(pos, struct hs_run, link));
	}
}

void hs_central_check_in_use(unsigned int size_class, const void *ptr)
{
	struct central *central = &centrals[size_class];
	unsigned int index;

	HS_GUARD(&central->lock);
	find_object(&hs_size_classes[size_class], ptr, &index);
}

void hs_central_count(unsigned int size_class, struct hs_central_counts *out)
{
	struct central *central = &centrals[size_class];

	HS_GUARD(&central->lock);
	*out = central->counts;
}

uint64_t hs_central_out_bytes(void)
{
	uint64_t put = __atomic_load_n(&traffic.put_bytes, __ATOMIC_ACQUIRE);
	uint64_t taken = hs_central_taken_bytes();

	/* Whatever was put when we looked had been taken before. */
	return taken > put ? taken - put : 0;
}

uint64_t hs_central_taken_bytes(void)
{
	return __atomic_load_n(&traffic.taken_bytes, __ATOMIC_RELAXED);
}

void hs_central_init(void)
{
	unsigned int c, i;

	for (c = 0; c < HS_NR_CLASSES; c++)
		for (i = 0; i < HS_NR_OCCUPANCIES; i++)
			hs_list_init(&centrals[c].occupancy[i]);
}

void hs_central_fork_prepare(void)
{
	unsigned int c;

	for (c = 1; c < HS_NR_CLASSES; c++)
		hs_lock(&centrals[c].lock);
}

void hs_central_fork_parent(void)
{
	unsigned int c;

	for (c = 1; c < HS_NR_CLASSES; c++)
		hs_unlock(&centrals[c].lock);
}

void hs_central_fork_child(void)
{
	unsigned int c;

	for (c = 1; c < HS_NR_CLASSES; c++)
		hs_lock_reset(&centrals[c].lock);
}
