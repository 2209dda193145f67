/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The text form of sizes and of the pool= parameter.
 *
 *   SIZE  = digits [K | M | G | T]         in either case, powers of 1024
 *   pool  = SIZE                           on the nodes with memory, evenly
 *         | NODE:SIZE [, NODE:SIZE ...]    on the nodes named
 *
 * No blanks, no signs, no other base; a size that does not fit in 62 bits is
 * refused. One newline at the end is allowed (sysfs and shells add it).
 */
#ifndef HUGESPAN_CORE_POOLSPEC_H
#define HUGESPAN_CORE_POOLSPEC_H

#include "env.h"

#define POOLSPEC_MAX_NODES	64

/**
 * struct poolspec - what pool= asks for
 * @nr_nodes: entries in @node and @bytes; 0 means: @bytes[0], on any node
 * @node: NUMA node numbers, each at most once
 * @bytes: wanted there
 */
struct poolspec {
	u32 nr_nodes;
	u32 node[POOLSPEC_MAX_NODES];
	u64 bytes[POOLSPEC_MAX_NODES];
};

/* Return: 0, or -EINVAL if @text is not a SIZE. */
int poolspec_parse_size(const char *text, u64 *bytes);

/**
 * poolspec_parse - read the pool= parameter
 * @reason: set to what is wrong with @text when something is
 *
 * Return: 0 or -EINVAL.
 */
int poolspec_parse(const char *text, struct poolspec *spec,
		   const char **reason);

#endif /* HUGESPAN_CORE_POOLSPEC_H */
