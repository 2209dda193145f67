// SPDX-License-Identifier: MIT
/* The transfer cache; see transfer.h. */
#include "transfer.h"

#include <string.h>

#include "central.h"
#include "lock.h"
#include "sizeclass.h"

struct transfer {
	struct hs_lock lock;	/* guards both below */
	unsigned int nr_objs;
	void *objs[HS_TRANSFER_MAX];	/* a stack: the warmest on top */
};

static struct transfer transfers[HS_NR_CLASSES];

unsigned int hs_transfer_take(unsigned int size_class, void **out,
			      unsigned int n)
{
	struct transfer *t = &transfers[size_class];
	unsigned int taken;

	hs_lock(&t->lock);
	taken = n < t->nr_objs ? n : t->nr_objs;
	t->nr_objs -= taken;
	memcpy(out, t->objs + t->nr_objs, taken * sizeof(*out));
	hs_unlock(&t->lock);
	if (taken < n)
		taken += hs_central_take(size_class, out + taken, n - taken);
	return taken;
}

void hs_transfer_put(unsigned int size_class, void *const *objs,
		     unsigned int n)
{
	struct transfer *t = &transfers[size_class];
	unsigned int room;

	hs_lock(&t->lock);
	room = hs_size_classes[size_class].transfer_max - t->nr_objs;
	if (room > n)
		room = n;
	memcpy(t->objs + t->nr_objs, objs, room * sizeof(*objs));
	t->nr_objs += room;
	hs_unlock(&t->lock);
	if (room < n)
		hs_central_put(size_class, objs + room, n - room);
}

void hs_transfer_drain(void)
{
	void *objs[HS_TRANSFER_MAX];
	unsigned int c, n;

	for (c = 1; c < HS_NR_CLASSES; c++) {
		struct transfer *t = &transfers[c];

		hs_lock(&t->lock);
		n = t->nr_objs;
		memcpy(objs, t->objs, n * sizeof(*objs));
		t->nr_objs = 0;
		hs_unlock(&t->lock);
		if (n)
			hs_central_put(c, objs, n);
	}
}

uint64_t hs_transfer_count(unsigned int size_class)
{
	return __atomic_load_n(&transfers[size_class].nr_objs,
			       __ATOMIC_RELAXED);
}

void hs_transfer_fork_prepare(void)
{
	unsigned int c;

	for (c = 1; c < HS_NR_CLASSES; c++)
		hs_lock(&transfers[c].lock);
}

void hs_transfer_fork_parent(void)
{
	unsigned int c;

	for (c = 1; c < HS_NR_CLASSES; c++)
		hs_unlock(&transfers[c].lock);
}

void hs_transfer_fork_child(void)
{
	unsigned int c;

	for (c = 1; c < HS_NR_CLASSES; c++)
		hs_lock_reset(&transfers[c].lock);
}
