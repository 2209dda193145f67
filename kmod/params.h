/* SPDX-License-Identifier: GPL-2.0-only */
/* The module's parameters, read and judged. */
#ifndef HUGESPAN_PARAMS_H
#define HUGESPAN_PARAMS_H

#include "core/poolspec.h"
#include "pool.h"

/* Return: 0, or -EINVAL after a log line that names the parameter. */
int hs_params_read(struct poolspec *spec, struct poolspec *floor_spec,
		   struct hs_limits *limits);

#endif /* HUGESPAN_PARAMS_H */
