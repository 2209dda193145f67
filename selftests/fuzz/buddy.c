// SPDX-License-Identifier: MIT
/*
 * A fuzzer for the buddy allocator: the input is a history, five bytes an
 * operation, run against the naive model. Any disagreement aborts.
 */
#include <stdio.h>

#include "buddymodel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { OP_BYTES = 5 };

/* Small numbers mostly, and now and then one that wraps around. */
static uint32_t number(const uint8_t *p)
{
	uint32_t n = p[0] | (uint32_t)p[1] << 8;

	return n & 0x8000 ? UINT32_MAX - (n & 0xff) : n;
}

static const char *step(struct buddy_model *m, const uint8_t *op)
{
	uint32_t a = number(op + 1), b = number(op + 3);

	switch (op[0] % 8) {
	case 0:
		return model_alloc_last(m, (enum buddy_kind)
					(a % BUDDY_NR_KINDS),
					op[3] % (MODEL_MAX_ORDER + 1));
	case 1:
		return model_alloc(m, (enum buddy_kind)(a % BUDDY_NR_KINDS),
				   op[3] % (MODEL_MAX_ORDER + 1));
	case 2:
		return model_alloc(m, BUDDY_FREE, b);
	case 3:
		return model_free(m, a, b, op[0] & 0x80);
	case 4:
		return model_cut(m, a, b);
	case 5:
		return model_shatter(m, a);
	case 6:
		return model_set_zeroed(m, a);
	default:
		return model_find_dirty(m);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct buddy_model m;
	const char *bad;
	size_t i;

	if (len < 2)
		return 0;
	bad = model_init(&m, 1 + data[0], data[1] & 1);
	for (i = 2; !bad && i + OP_BYTES <= len; i += OP_BYTES) {
		bad = step(&m, data + i);
		/* Looking at everything costs more than an operation. */
		if (!bad && i / OP_BYTES % 8 == 0)
			bad = model_compare(&m);
	}
	if (!bad)
		bad = model_compare(&m);
	if (bad) {
		fprintf(stderr, "operation %zu: %s\n", (i - 2) / OP_BYTES, bad);
		abort();
	}
	model_exit(&m);
	return 0;
}
