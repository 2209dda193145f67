/* SPDX-License-Identifier: MIT */
/* The module's parameter pool=: "512M", or "0:512M,1:256M" by node. */
#ifndef CLI_POOLARG_H
#define CLI_POOLARG_H

#include <stddef.h>
#include <stdint.h>

/*
 * Check a value of pool=. 0 and the bytes asked for in all, or -EINVAL and a
 * sentence in why.
 */
int pool_arg_check(const char *text, uint64_t *bytes, char *why,
		   size_t why_size);

#endif /* CLI_POOLARG_H */
