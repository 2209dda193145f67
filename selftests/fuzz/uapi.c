// SPDX-License-Identifier: MIT
/*
 * A fuzzer for the checks of the uAPI: any bytes as any struct. What passes
 * must keep the promises that the code behind the checks relies on; what fails
 * must fail with EINVAL.
 */
#include <stdlib.h>

#include "uapi_check.h"
#include "units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define promise(what) do { if (!(what)) abort(); } while (0)

#define NR_SHIFTS 4

union body {
	struct hugespan_info info;
	struct hugespan_alloc alloc;
	struct hugespan_free free;
	struct hugespan_trim trim;
	struct hugespan_query query;
	struct hugespan_stat stat;
	struct hugespan_set_fork set_fork;
};

static int check_alloc(const struct hugespan_alloc *a, uint32_t shift)
{
	uint32_t order;
	int err = uapi_check_alloc(a, shift, &order);
	uint64_t bytes;

	if (err)
		return err;
	promise(order <= BUDDY_MAX_ORDER);
	bytes = units_to_bytes(1ull << order, shift);
	promise(bytes >> shift == 1ull << order);
	if (a->flags & HUGESPAN_ALLOC_BYTES) {
		promise(a->bytes <= bytes);
		promise(!order || a->bytes > bytes / 2);
	} else {
		promise(order == a->order);
	}
	promise(!(a->flags & HUGESPAN_ALLOC_STRICT) || a->node >= 0);
	promise(a->node >= HUGESPAN_NODE_ANY);
	promise(a->fork_mode <= HUGESPAN_FORK_WIPE);
	return 0;
}

static int check(uint8_t cmd, const union body *b, uint32_t shift)
{
	int err;

	switch (cmd % 8) {
	case 0:
		return uapi_check_info(&b->info);
	case 1:
		return check_alloc(&b->alloc, shift);
	case 2:
		err = uapi_check_free(&b->free, shift);
		promise(err || !(b->free.offset & ((1ull << shift) - 1)));
		return err;
	case 3:
		err = uapi_check_trim(&b->trim, shift);
		promise(err || b->trim.keep_bytes >> shift);
		return err;
	case 4:
		return uapi_check_query(&b->query, shift);
	case 5:
		return uapi_check_stat(&b->stat);
	case 6:
		return uapi_check_set_fork(&b->set_fork, shift);
	default:
		err = uapi_check_mmap(b->trim.offset, b->trim.keep_bytes, shift);
		promise(err || b->trim.keep_bytes >> shift);
		return err;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* Units of x86 and arm64 in their page sizes, and one that is none. */
	static const uint32_t shifts[NR_SHIFTS] = { 20, 21, 25, 29 };
	union body b = { 0 };
	int err;

	if (len < 2)
		return 0;
	len -= 2;
	memcpy(&b, data + 2, len < sizeof(b) ? len : sizeof(b));
	err = check(data[0], &b, shifts[data[1] % NR_SHIFTS]);
	promise(!err || err == -EINVAL);

	err = uapi_check_size((uint32_t)len, HUGESPAN_ALLOC_SIZE_V1);
	promise(len >= HUGESPAN_ALLOC_SIZE_V1 || err == -EINVAL);
	promise(len <= HUGESPAN_STRUCT_SIZE_MAX || err);
	return 0;
}
