// SPDX-License-Identifier: MIT
/*
 * The workloads of the bench: serve blocks of time to the driver over a pipe,
 * or run one that measures itself.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "workload.h"

#define LIFE_SECONDS 900	/* nobody waits longer for any workload */
#define SLICE_NS 100000		/* between looks at the clock */

const struct served served_table[] = {
	{ "pair", "BYTES", pair_setup, pair_run },
	{ "batch", "lifo|fifo|random BYTES COUNT", batch_setup, batch_run },
	{ "calloc", "BYTES", calloc_pair_setup, calloc_pair_run },
	{ "calloc-batch", "BYTES COUNT", calloc_batch_setup, calloc_batch_run },
	{ "realloc", "LAST_BYTES BUFFERS", grow_setup, grow_run },
	{ "mixed", "LARGEST_BYTES LIVE", mixed_setup, mixed_run },
	{ 0 },
};

const struct once once_table[] = {
	{ "threads", "alone|pairs|mesh|server THREADS OPS", threads_run },
	{ "latency", "steady|cold touch|leave real|twin SAMPLES LIVE", latency_run },
	{ "fragment", "fifo|random fixed|shifting MIB", fragment_run },
	{ "giveback", "LOWEST_BYTES HIGHEST_BYTES MIB", giveback_run },
	{ "prefork", "MIB FREED_PER_MILLE", prefork_run },
	{ "trivial", "", trivial_run },
	{ "count", "BYTES COUNT", count_run },
	{ "program", "LIBRARY STDIN LOG COMMAND...", program_run },
	{ 0 },
};

static const struct served *serving;

/* Runs for this long and answers with CPU nanoseconds and operations. */
static void answer(uint64_t block_ns, uint64_t *slice_n)
{
	uint64_t ops = 0, begun = process_cpu_ns(), now, last = begun;
	char line[64];
	int length;

	do {
		ops += serving->run(*slice_n);
		now = process_cpu_ns();
		if (now - last < SLICE_NS / 2)
			*slice_n *= 2;
		last = now;
	} while (now - begun < block_ns);
	length = snprintf(line, sizeof(line), "%llu %llu\n", (unsigned long long)(now - begun),
			  (unsigned long long)ops);
	if (write(1, line, length) != length)
		exit(3);
}

/* One request a line: how many nanoseconds. The end of the input is the end. */
static void serve(void)
{
	uint64_t slice_n = 1;
	char line[32];
	ssize_t length;

	while ((length = read(0, line, sizeof(line) - 1)) > 0) {
		line[length] = '\0';
		answer(strtoull(line, NULL, 10), &slice_n);
	}
}

static void usage(int fd)
{
	dprintf(fd, "Usage: workload serve|once NAME ARGUMENT...\n");
	for (const struct served *s = served_table; s->name; s++)
		dprintf(fd, "  serve %s %s\n", s->name, s->args);
	for (const struct once *o = once_table; o->name; o++)
		dprintf(fd, "  once %s %s\n", o->name, o->args);
}

int main(int argc, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(LIFE_SECONDS);
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage(1);
		return 0;
	}
	if (argc >= 3 && !strcmp(argv[1], "serve")) {
		for (serving = served_table; serving->name; serving++) {
			if (!strcmp(serving->name, argv[2])) {
				serving->setup(argv + 3);
				serve();
				return 0;
			}
		}
	}
	if (argc >= 3 && !strcmp(argv[1], "once")) {
		for (const struct once *o = once_table; o->name; o++) {
			if (!strcmp(o->name, argv[2])) {
				o->run(argv + 3);
				return 0;
			}
		}
	}
	usage(2);
	return 2;
}
