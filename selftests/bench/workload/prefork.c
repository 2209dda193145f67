// SPDX-License-Identifier: MIT
/*
 * A server that forks its workers: how much of what they share with it does a
 * worker make its own by freeing some of the objects?
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

#define SMALLEST_BYTES 32
#define LARGEST_BYTES 1024
#define CHILD_SECONDS 120

/* Not counted as private: tables that parent and child share. */
static void *map_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("no memory for a table");
	return p;
}

static void child(void **objects, uint64_t nr)
{
	uint64_t before, after;

	alarm(CHILD_SECONDS);
	before = memory_now().private_dirty_kib;
	for (uint64_t i = 0; i < nr; i++)
		free(objects[i]);
	after = memory_now().private_dirty_kib;
	print_number("before_kib", before);
	print_number("unshared_kib", after - before);
	_exit(0);
}

void prefork_run(char **args)
{
	uint64_t target = number(args, 0) << 20, per_mille = number(args, 1);
	uint64_t max = target / SMALLEST_BYTES, nr = 0, freed, live_bytes = 0;
	void **objects = map_shared(max * sizeof(*objects));
	struct rng r = rng_seeded(9);
	static struct sizes sizes;
	int status;
	pid_t pid;

	sizes_fill(&sizes, &r, SMALLEST_BYTES, LARGEST_BYTES);
	for (; live_bytes < target && nr < max; nr++) {
		uint32_t bytes = sizes_draw(&sizes, &r);

		objects[nr] = use(malloc(bytes));
		memset(objects[nr], 1, bytes);
		live_bytes += bytes;
	}
	/* Those that will be freed come to the front, in random order. */
	freed = nr * per_mille / 1000;
	for (uint64_t i = 0; i < freed; i++) {
		uint64_t j = i + rng_below(&r, nr - i);
		void *other = objects[j];

		objects[j] = objects[i];
		objects[i] = other;
	}
	pid = fork();
	if (pid < 0)
		die("no fork");
	if (!pid)
		child(objects, freed);
	if (waitpid(pid, &status, 0) != pid || status)
		die("the child failed");
	print_number("objects", nr);
	print_number("freed", freed);
}
