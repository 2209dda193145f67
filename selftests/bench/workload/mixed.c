// SPDX-License-Identifier: MIT
/* A live set of objects of many sizes, of which random ones are replaced. */
#include <stdlib.h>

#include "workload.h"

#define SMALLEST_BYTES 16

static struct sizes sizes;
static struct rng rng;
static void **live;
static uint32_t live_nr;

void mixed_setup(char **args)
{
	rng = rng_seeded(7);
	sizes_fill(&sizes, &rng, SMALLEST_BYTES, number(args, 0));
	live_nr = number(args, 1);
	live = map_table(live_nr * sizeof(*live));
	for (uint32_t i = 0; i < live_nr; i++)
		live[i] = use(malloc(sizes_draw(&sizes, &rng)));
	/* Only a set that was replaced a few times is as it will stay. */
	mixed_run(4ull * live_nr);
}

uint64_t mixed_run(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint32_t slot = rng_below(&rng, live_nr);

		free(live[slot]);
		live[slot] = use(malloc(sizes_draw(&sizes, &rng)));
	}
	return n;
}
