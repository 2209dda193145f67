// SPDX-License-Identifier: MIT
/* Free runs by length; see pagebins.h. */
#include "pagebins.h"

#include <string.h>

static unsigned int bin_of(size_t nr_pages)
{
	return nr_pages < HS_NR_BINS ? nr_pages - 1 : HS_NR_BINS - 1;
}

void hs_pagebins_init(struct hs_pagebins *pb)
{
	unsigned int bin;

	memset(pb->used, 0, sizeof(pb->used));
	for (bin = 0; bin < HS_NR_BINS; bin++)
		hs_list_init(&pb->bins[bin]);
}

void hs_pagebins_insert(struct hs_pagebins *pb, struct hs_run *run, bool first)
{
	unsigned int bin = bin_of(run->nr_pages);

	if (first)
		hs_list_add(&pb->bins[bin], &run->link);
	else
		hs_list_add_tail(&pb->bins[bin], &run->link);
	pb->used[bin / 64] |= 1ull << (bin % 64);
}

void hs_pagebins_remove(struct hs_pagebins *pb, struct hs_run *run)
{
	unsigned int bin = bin_of(run->nr_pages);

	hs_list_del(&run->link);
	if (hs_list_empty(&pb->bins[bin]))
		pb->used[bin / 64] &= ~(1ull << (bin % 64));
}

/* The first bin from this one on that is not empty; HS_NR_BINS: none. */
static unsigned int next_bin(const struct hs_pagebins *pb, unsigned int bin)
{
	unsigned int word = bin / 64;
	uint64_t bits;

	if (bin >= HS_NR_BINS)
		return HS_NR_BINS;
	bits = pb->used[word] & (~0ull << (bin % 64));
	while (!bits) {
		if (++word == HS_NR_BINS / 64)
			return HS_NR_BINS;
		bits = pb->used[word];
	}
	return word * 64 + __builtin_ctzll(bits);
}

/* Of one bin; all runs but those of the last are of one length. */
static struct hs_run *best_of_bin(const struct hs_pagebins *pb,
				  unsigned int bin, size_t nr_pages,
				  size_t align)
{
	struct hs_run *best = NULL;
	struct hs_list *pos;

	hs_list_for_each(pos, &pb->bins[bin]) {
		struct hs_run *run = hs_container(pos, struct hs_run, link);

		if (run->nr_pages < nr_pages + hs_run_front_pages(run, align))
			continue;
		if (bin < HS_NR_BINS - 1)
			return run;
		if (!best || run->nr_pages < best->nr_pages)
			best = run;
	}
	return best;
}

struct hs_run *hs_pagebins_best_fit(const struct hs_pagebins *pb,
				    size_t nr_pages, size_t align)
{
	unsigned int bin;

	for (bin = next_bin(pb, bin_of(nr_pages)); bin < HS_NR_BINS;
	     bin = next_bin(pb, bin + 1)) {
		struct hs_run *run = best_of_bin(pb, bin, nr_pages, align);

		if (run)
			return run;
	}
	return NULL;
}

const char *hs_pagebins_check(const struct hs_pagebins *pb, size_t nr_runs)
{
	size_t nr_binned = 0;
	unsigned int bin;

	for (bin = 0; bin < HS_NR_BINS; bin++) {
		bool used = pb->used[bin / 64] & (1ull << (bin % 64));
		struct hs_list *pos;

		if (used == hs_list_empty(&pb->bins[bin]))
			return "the bit of a bin does not say whether it is empty";
		hs_list_for_each(pos, &pb->bins[bin]) {
			const struct hs_run *run =
				hs_container(pos, struct hs_run, link);

			if (run->state != HS_RUN_FREE)
				return "a run in a bin is not free";
			if (bin_of(run->nr_pages) != bin)
				return "a free run is in the wrong bin";
			nr_binned++;
		}
	}
	return nr_binned != nr_runs ? "a free run is in no bin" : NULL;
}
