// SPDX-License-Identifier: MIT
/* When memory goes back by itself; see trim.h. */
#include "trim.h"

#include "central.h"
#include "cpucache.h"
#include "options.h"
#include "pageheap.h"
#include "sys.h"
#include "transfer.h"

/* With less than this share of the heap out, caches do not open for frees. */
#define CLOSED_SHARE 4
/* They spare until so much has been taken again: this, and a share of it all. */
#define SPARING_END_BYTES (256u << 10)
#define SPARING_END_SHARE 8

uint64_t hs_nr_trims;

static struct {
	struct hs_lock lock;	/* only tried: whoever has it trims */
	uint64_t peak_bytes;	/* the most seen out since the last trim */
	/* guarded by lock, of the last trim: */
	uint64_t level_bytes;	/* out after it */
	uint64_t taken_bytes;	/* hs_central_taken_bytes() after it */
	uint64_t at_ns;		/* 0: there was none */
} trim;

static uint64_t out_bytes(void)
{
	return hs_central_out_bytes() +
	       ((uint64_t)__atomic_load_n(&hs_pageheap.large_pages,
					  __ATOMIC_RELAXED) << HS_PAGE_SHIFT);
}

static uint64_t mapped_bytes(void)
{
	return __atomic_load_n(&hs_pageheap.mapped_bytes, __ATOMIC_RELAXED);
}

/* Idle bytes worth keeping for so small a heap. */
static size_t keep_bytes(uint64_t out)
{
	size_t retain = hs_pageheap.retain_bytes;

	return retain < out ? retain : out;
}

/* Units must be to be had, or the drain is for nothing. One is nothing. */
static bool is_worth_it(uint64_t out)
{
	return mapped_bytes() >=
	       out + keep_bytes(out) + 2 * hs_pageheap.backend->unit_bytes;
}

/* With the lock. Did the program want back at once what the last one gave? */
static bool is_too_early(uint64_t peak, uint64_t now)
{
	return trim.at_ns && now - trim.at_ns < HS_TRIM_PERIOD_NS &&
	       peak / 2 > trim.level_bytes;
}

static void set_peak(uint64_t bytes)
{
	__atomic_store_n(&trim.peak_bytes, bytes, __ATOMIC_RELAXED);
}

/* What still pins units will be freed before long, so that nothing else may. */
static enum hs_sparing sparing_for(uint64_t out)
{
	if (!is_worth_it(out))
		return HS_SPARE_NOT;
	return out < mapped_bytes() / CLOSED_SHARE ? HS_SPARE_CLOSED :
						     HS_SPARE_CENTRAL;
}

static void trim_locked(void)
{
	uint64_t out;

	hs_nr_trims++;
	hs_cpu_drain();
	hs_transfer_drain();
	out = out_bytes();
	hs_pageheap_release(&hs_pageheap, keep_bytes(out));
	hs_cpu_set_sparing(sparing_for(out));
	trim.level_bytes = out;
	trim.taken_bytes = hs_central_taken_bytes();
	trim.at_ns = hs_sys_now_ns();
	set_peak(out);
}

static HS_NOINLINE void consider(uint64_t out, uint64_t peak)
{
	if (!hs_opt.trim || !is_worth_it(out) || hs_lock_forking() ||
	    !hs_trylock(&trim.lock))
		return;
	if (is_too_early(peak, hs_sys_now_ns()))
		set_peak(out);	/* look again at the next halving */
	else
		trim_locked();
	hs_unlock(&trim.lock);
}

void hs_trim_check(void)
{
	uint64_t out = out_bytes();
	uint64_t peak = __atomic_load_n(&trim.peak_bytes, __ATOMIC_RELAXED);

	if (hs_unlikely(hs_cpu_sparing()) &&
	    hs_central_taken_bytes() - trim.taken_bytes >
			SPARING_END_BYTES + out / SPARING_END_SHARE)
		hs_cpu_set_sparing(HS_SPARE_NOT);
	if (out > peak)
		set_peak(out);
	else if (hs_unlikely(out < peak / 2))
		consider(out, peak);
}

/* Whoever was trimming is not in the child. */
void hs_trim_fork_child(void)
{
	hs_lock_reset(&trim.lock);
}
