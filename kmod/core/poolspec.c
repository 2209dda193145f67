// SPDX-License-Identifier: GPL-2.0-only
/* Reads sizes and the pool= parameter; the grammar is in poolspec.h. */
#include "poolspec.h"

#define SIZE_MAX_BITS	62

static bool at_end(const char *p)
{
	return *p == '\0' || (*p == '\n' && p[1] == '\0');
}

/* Digits at *p, moving *p past them. */
static int parse_number(const char **p, u64 *value)
{
	const char *c = *p;
	u64 v = 0;

	if (*c < '0' || *c > '9')
		return -EINVAL;
	for (; *c >= '0' && *c <= '9'; c++) {
		if (v > ((u64)1 << SIZE_MAX_BITS) / 10)
			return -EINVAL;
		v = v * 10 + (u64)(*c - '0');
	}
	*p = c;
	*value = v;
	return 0;
}

/* A SIZE at *p, moving *p past it. */
static int parse_size(const char **p, u64 *bytes)
{
	u32 shift = 0;
	u64 v;

	if (parse_number(p, &v))
		return -EINVAL;
	switch (**p) {
	case 'T': case 't':
		shift += 10;
		fallthrough;
	case 'G': case 'g':
		shift += 10;
		fallthrough;
	case 'M': case 'm':
		shift += 10;
		fallthrough;
	case 'K': case 'k':
		shift += 10;
		(*p)++;
		break;
	default:
		break;
	}
	if (v >> (SIZE_MAX_BITS - shift))
		return -EINVAL;
	*bytes = v << shift;
	return 0;
}

int poolspec_parse_size(const char *text, u64 *bytes)
{
	const char *p = text;
	u64 v;

	if (parse_size(&p, &v) || !at_end(p))
		return -EINVAL;
	*bytes = v;
	return 0;
}

static bool is_named(const struct poolspec *spec, u64 node)
{
	u32 i;

	for (i = 0; i < spec->nr_nodes; i++)
		if (spec->node[i] == node)
			return true;
	return false;
}

int poolspec_parse(const char *text, struct poolspec *spec,
		   const char **reason)
{
	const char *p = text;
	u64 node;

	memset(spec, 0, sizeof(*spec));
	if (!poolspec_parse_size(text, &spec->bytes[0]))
		return 0;

	for (;; p++) {
		*reason = "a node number and ':' must come before each size";
		if (parse_number(&p, &node) || *p++ != ':')
			return -EINVAL;
		*reason = "the node number is too large";
		if (node > S32_MAX)
			return -EINVAL;
		*reason = "a node is named twice";
		if (is_named(spec, node))
			return -EINVAL;
		*reason = "too many nodes";
		if (spec->nr_nodes == POOLSPEC_MAX_NODES)
			return -EINVAL;
		*reason = "a size is digits and one of K, M, G, T";
		if (parse_size(&p, &spec->bytes[spec->nr_nodes]))
			return -EINVAL;
		spec->node[spec->nr_nodes++] = (u32)node;
		if (at_end(p))
			return 0;
		*reason = "',' must stand between two nodes";
		if (*p != ',')
			return -EINVAL;
	}
}
