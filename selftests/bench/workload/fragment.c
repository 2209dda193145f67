// SPDX-License-Identifier: MIT
/*
 * Memory: what the live set costs after its objects have died in some order and
 * others, of other sizes, have taken their place; and what is left of it when
 * all are freed and a second has gone by.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

#define IDLE_SECONDS 1
#define PHASES_NR 6

/* The sizes of a phase. Those that do not shift are the first's all along. */
static const struct {
	uint32_t lo_bytes, hi_bytes;
} phases[PHASES_NR] = {
	{ 64, 512 }, { 256, 2048 }, { 1024, 8192 }, { 32, 256 }, { 512, 16384 }, { 128, 1024 },
};

struct object {
	void *at;
	uint32_t bytes;
};

/* A ring: objects are born at its end and die at its start, or anywhere. */
static struct object *ring;
static uint64_t ring_nr, first, end;
static uint64_t live_bytes;
static uint64_t base_kib;

static struct object *object_at(uint64_t i)
{
	return &ring[i & (ring_nr - 1)];
}

static void ring_setup(uint64_t objects_max)
{
	for (ring_nr = 1; ring_nr < objects_max; ring_nr *= 2)
		;
	ring = map_table(ring_nr * sizeof(*ring));
	base_kib = memory_now().rss_kib;
}

static void born(uint32_t bytes)
{
	struct object *o = object_at(end);

	if (end++ - first >= ring_nr)
		die("the ring is too small");
	o->at = use(malloc(bytes));
	o->bytes = bytes;
	memset(o->at, 1, bytes);
	live_bytes += bytes;
}

static void die_at(uint64_t i)
{
	struct object *o = object_at(i);

	free(o->at);
	live_bytes -= o->bytes;
	*o = *object_at(first++);
}

static void die_any(struct rng *r)
{
	die_at(first + rng_below(r, end - first));
}

static void print_rss(const char *key)
{
	print_number(key, (double)memory_now().rss_kib - base_kib);
}

static void free_all_and_report(struct rng *r)
{
	print_number("live_kib", live_bytes >> 10);
	print_rss("full_kib");
	while (first != end)
		die_any(r);
	print_rss("freed_kib");
	nanosleep(&(struct timespec){ .tv_sec = IDLE_SECONDS }, NULL);
	print_rss("idle_kib");
}

void fragment_run(char **args)
{
	bool random = word_is(args, 0, "random"), shifting = word_is(args, 1, "shifting");
	uint64_t target = number(args, 2) << 20;
	struct rng r = rng_seeded(3);
	static struct sizes sizes;

	/* The smallest mean of a phase is a bit below 128 bytes. */
	ring_setup(target / 64);
	for (int phase = 0; phase < PHASES_NR; phase++) {
		uint64_t replaced = 0;

		if (phase == 0 || shifting)
			sizes_fill(&sizes, &r, phases[phase].lo_bytes, phases[phase].hi_bytes);
		while (replaced < target) {
			uint32_t bytes = sizes_draw(&sizes, &r);

			born(bytes);
			replaced += bytes;
			while (live_bytes > target) {
				if (random)
					die_any(&r);
				else
					die_at(first);
			}
		}
	}
	free_all_and_report(&r);
}

void giveback_run(char **args)
{
	uint64_t target = number(args, 2) << 20;
	struct rng r = rng_seeded(5);
	static struct sizes sizes;

	ring_setup(target / number(args, 0));
	sizes_fill(&sizes, &r, number(args, 0), number(args, 1));
	while (live_bytes < target)
		born(sizes_draw(&sizes, &r));
	free_all_and_report(&r);
}

void trivial_run(char **args)
{
	(void)args;
	free(use(malloc(100)));
	print_number("rss_kib", memory_now().rss_kib);
	print_number("private_dirty_kib", memory_now().private_dirty_kib);
}
