// SPDX-License-Identifier: MIT
/* Many objects allocated, then all freed: last first, first first, any order. */
#include <stdlib.h>

#include "workload.h"

#define ORDERS_NR 8	/* of random order, so that none can be learnt */

static size_t bytes_each, count;
static void **objects;
static uint32_t *orders[ORDERS_NR];
static int orders_nr, turn;

static void order_fill(uint32_t *order, char **args, struct rng *r)
{
	bool lifo = word_is(args, 0, "lifo");

	for (size_t i = 0; i < count; i++)
		order[i] = lifo ? count - 1 - i : i;
	if (!word_is(args, 0, "random"))
		return;
	for (size_t i = count - 1; i > 0; i--) {
		size_t j = rng_below(r, i + 1);
		uint32_t other = order[j];

		order[j] = order[i];
		order[i] = other;
	}
}

void batch_setup(char **args)
{
	struct rng r = rng_seeded(1);

	bytes_each = number(args, 1);
	count = number(args, 2);
	objects = map_table(count * sizeof(*objects));
	orders_nr = word_is(args, 0, "random") ? ORDERS_NR : 1;
	for (int i = 0; i < orders_nr; i++) {
		orders[i] = map_table(count * sizeof(**orders));
		order_fill(orders[i], args, &r);
	}
}

uint64_t batch_run(uint64_t n)
{
	for (uint64_t round = 0; round < n; round++) {
		uint32_t *order = orders[turn++ % orders_nr];

		for (size_t i = 0; i < count; i++)
			objects[i] = use(malloc(bytes_each));
		for (size_t i = 0; i < count; i++)
			free(objects[order[i]]);
	}
	return n * count;
}

void calloc_batch_setup(char **args)
{
	bytes_each = number(args, 0);
	count = number(args, 1);
	objects = map_table(count * sizeof(*objects));
}

uint64_t calloc_batch_run(uint64_t n)
{
	for (uint64_t round = 0; round < n; round++) {
		for (size_t i = 0; i < count; i++)
			objects[i] = use(calloc(1, bytes_each));
		for (size_t i = 0; i < count; i++)
			free(objects[i]);
	}
	return n * count;
}
