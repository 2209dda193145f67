/* SPDX-License-Identifier: MIT */
/*
 * The environment variables: one table (options.c) that start-up, the CLI's
 * `run` and the man page are made from.
 *
 * A value that cannot be parsed never stops the program: it is reported in
 * one line on stderr that names the variable, the value and what is allowed,
 * and the default is used.
 */
#ifndef HS_OPTIONS_H
#define HS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

struct hs_options {
	int backend;		/* HUGESPAN_BACKEND: enum hs_backend_id or AUTO */
	const char *device;	/* HUGESPAN_DEVICE: path, default /dev/hugespan */
	int node;		/* HUGESPAN_NODE: NUMA node, -1 any */
	bool rseq;		/* HUGESPAN_RSEQ: 0 forces the locked caches */
	bool check;		/* HUGESPAN_CHECK: every free checked, no caches */
	bool populate;		/* HUGESPAN_POPULATE: map pages when taken */
	bool populate_auto;	/* it is "auto": on device and hugetlb only */
	size_t retain_bytes;	/* HUGESPAN_RETAIN: free units kept, at least; 8M */
	bool trim;		/* HUGESPAN_TRIM: give memory back unasked */
	size_t cpu_cache_bytes;	/* HUGESPAN_CPU_CACHE: bound per CPU; 3M */
	size_t limit_bytes;	/* HUGESPAN_LIMIT: hard limit, 0 none */
	int fork_mode;		/* HUGESPAN_FORK: cow (default) | dontfork */
	int stats_fd;		/* HUGESPAN_STATS: -1 none, else at exit to this fd */
	int stats_format;	/* from "json" or "text" in HUGESPAN_STATS */
	bool verbose;		/* HUGESPAN_VERBOSE: one status line at start */
};

extern struct hs_options hs_opt;

/*
 * Fill hs_opt from the environment, the first time; later calls do nothing.
 * Nothing of hs_opt may be read before it.
 */
void hs_options_load(void);

#pragma GCC visibility pop

#endif /* HS_OPTIONS_H */
