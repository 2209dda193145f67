// SPDX-License-Identifier: MIT
/*
 * The checks of the uAPI's structs, field by field.
 *
 * Guards against a flag or a reserved field that is not looked at (it could
 * never be given a meaning later), a limit that is off by one, and a check that
 * reads a field the caller need not set.
 */
#include <kselftest_harness.h>

#include "uapi_check.h"
#include "units.h"

#define SHIFT	21
#define UNIT	(1ull << SHIFT)

/*
 * Each command by name: a struct that is right, and the check that says so.
 * Members named out_ hold garbage: they are not the caller's to set.
 */
union body {
	struct hugespan_info info;
	struct hugespan_alloc alloc;
	struct hugespan_free free;
	struct hugespan_trim trim;
	struct hugespan_query query;
	struct hugespan_stat stat;
	struct hugespan_set_fork set_fork;
	unsigned char bytes[256];
};

static int check_info(const union body *b)
{
	return uapi_check_info(&b->info);
}

static int check_alloc(const union body *b)
{
	uint32_t order;

	return uapi_check_alloc(&b->alloc, SHIFT, &order);
}

static int check_free(const union body *b)
{
	return uapi_check_free(&b->free, SHIFT);
}

static int check_trim(const union body *b)
{
	return uapi_check_trim(&b->trim, SHIFT);
}

static int check_query(const union body *b)
{
	return uapi_check_query(&b->query, SHIFT);
}

static int check_stat(const union body *b)
{
	return uapi_check_stat(&b->stat);
}

static int check_set_fork(const union body *b)
{
	return uapi_check_set_fork(&b->set_fork, SHIFT);
}

FIXTURE(command) {
	union body good;
	union body body;
};

/*
 * @ignored: bytes that the check must not read; @flags: the flags there are.
 * Offsets are of the fields' first bytes, 0 (the size) for "has none".
 */
FIXTURE_VARIANT(command) {
	int (*check)(const union body *b);
	union body good;
	size_t size, ignored, ignored_end;
	uint32_t flags;
	size_t offset, fork_mode, node, reserved;
};

#define OFFSETS_OUT(type, first, last)					\
	.ignored = offsetof(struct type, first),			\
	.ignored_end = offsetofend(struct type, last)

FIXTURE_VARIANT_ADD(command, info) {
	.check = check_info, .size = HUGESPAN_INFO_SIZE_V1,
	OFFSETS_OUT(hugespan_info, out_api_version, out_max_order),
	.reserved = offsetof(struct hugespan_info, __reserved),
};

FIXTURE_VARIANT_ADD(command, alloc) {
	.check = check_alloc, .size = HUGESPAN_ALLOC_SIZE_V1,
	.good.alloc = { .order = 3, .node = 0, .fork_mode = 1 },
	OFFSETS_OUT(hugespan_alloc, out_offset, out_bytes),
	/* BYTES would need another struct; it has tests of its own. */
	.flags = HUGESPAN_ALLOC_FLAGS_ALL & ~HUGESPAN_ALLOC_BYTES,
	.fork_mode = offsetof(struct hugespan_alloc, fork_mode),
	.node = offsetof(struct hugespan_alloc, node),
	.reserved = offsetof(struct hugespan_alloc, __reserved),
};

FIXTURE_VARIANT_ADD(command, free) {
	.check = check_free, .size = HUGESPAN_FREE_SIZE_V1,
	.good.free = { .offset = 4 * UNIT },
	.offset = offsetof(struct hugespan_free, offset),
};

FIXTURE_VARIANT_ADD(command, trim) {
	.check = check_trim, .size = HUGESPAN_TRIM_SIZE_V1,
	.good.trim = { .offset = 4 * UNIT, .keep_bytes = UNIT },
	OFFSETS_OUT(hugespan_trim, out_bytes, out_bytes),
	.offset = offsetof(struct hugespan_trim, offset),
};

FIXTURE_VARIANT_ADD(command, query) {
	.check = check_query, .size = HUGESPAN_QUERY_SIZE_V1,
	.good.query = { .offset = 5 * UNIT },
	OFFSETS_OUT(hugespan_query, out_offset, out_nr_mappings),
	.offset = offsetof(struct hugespan_query, offset),
};

FIXTURE_VARIANT_ADD(command, stat) {
	.check = check_stat, .size = HUGESPAN_STAT_SIZE_V1,
	.good.stat = { .node = HUGESPAN_NODE_ANY },
	OFFSETS_OUT(hugespan_stat, out_largest_free_order, out_nr_refused),
	.node = offsetof(struct hugespan_stat, node),
};

FIXTURE_VARIANT_ADD(command, set_fork) {
	.check = check_set_fork, .size = HUGESPAN_SET_FORK_SIZE_V1,
	.good.set_fork = { .offset = 4 * UNIT, .fork_mode = 2 },
	.offset = offsetof(struct hugespan_set_fork, offset),
	.fork_mode = offsetof(struct hugespan_set_fork, fork_mode),
	.reserved = offsetof(struct hugespan_set_fork, __reserved),
};

FIXTURE_SETUP(command)
{
	size_t i;

	self->good = variant->good;
	for (i = variant->ignored; i < variant->ignored_end; i++)
		self->good.bytes[i] = 0xa5;
	self->body = self->good;
}

FIXTURE_TEARDOWN(command)
{
}

static void put32(union body *b, size_t offset, uint32_t value)
{
	memcpy(b->bytes + offset, &value, sizeof(value));
}

static void put64(union body *b, size_t offset, uint64_t value)
{
	memcpy(b->bytes + offset, &value, sizeof(value));
}

TEST_F(command, the_good_one_is_good)
{
	EXPECT_EQ(0, variant->check(&self->body));
}

/* Every bit of flags: the known ones are taken, each other one is refused. */
TEST_F(command, unknown_flags_are_refused)
{
	uint32_t bit;

	for (bit = 0; bit < 32; bit++) {
		uint32_t flag = 1u << bit;

		if (flag == HUGESPAN_ALLOC_BYTES && variant->flags)
			continue;
		put32(&self->body, sizeof(uint32_t), flag);
		EXPECT_EQ(flag & variant->flags ? 0 : -EINVAL,
			  variant->check(&self->body)) {
			TH_LOG("bit %u", bit);
		}
	}
}

/* Known flags do not make room for unknown ones. */
TEST_F(command, all_flags_at_once_are_refused)
{
	put32(&self->body, sizeof(uint32_t), UINT32_MAX);
	EXPECT_EQ(-EINVAL, variant->check(&self->body));
}

TEST_F(command, reserved_bits_are_refused)
{
	uint32_t bit;

	if (!variant->reserved)
		SKIP(return, "the struct has no reserved field");
	for (bit = 0; bit < 32; bit++) {
		put32(&self->body, variant->reserved, 1u << bit);
		EXPECT_EQ(-EINVAL, variant->check(&self->body)) {
			TH_LOG("bit %u", bit);
		}
	}
}

/* An offset is a multiple of the unit; that it is too far is not judged here. */
TEST_F(command, offsets_inside_a_unit_are_refused)
{
	uint32_t bit;

	if (!variant->offset)
		SKIP(return, "the struct has no offset");
	for (bit = 0; bit < 64; bit++) {
		put64(&self->body, variant->offset, 1ull << bit);
		EXPECT_EQ(bit < SHIFT ? -EINVAL : 0,
			  variant->check(&self->body)) {
			TH_LOG("bit %u", bit);
		}
	}
	put64(&self->body, variant->offset, UINT64_MAX);
	EXPECT_EQ(-EINVAL, variant->check(&self->body));
}

TEST_F(command, unknown_fork_modes_are_refused)
{
	uint32_t bad[] = { HUGESPAN_FORK_WIPE + 1, 7, 255, 256, 1u << 31,
			   UINT32_MAX };
	uint32_t mode;
	size_t i;

	if (!variant->fork_mode)
		SKIP(return, "the struct has no fork mode");
	for (mode = 0; mode <= HUGESPAN_FORK_WIPE; mode++) {
		put32(&self->body, variant->fork_mode, mode);
		EXPECT_EQ(0, variant->check(&self->body));
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		put32(&self->body, variant->fork_mode, bad[i]);
		EXPECT_EQ(-EINVAL, variant->check(&self->body));
	}
}

/* -1 is any node; no other negative number is a node. */
TEST_F(command, negative_nodes_are_refused)
{
	int32_t bad[] = { -2, -3, -1000, INT32_MIN };
	int32_t good[] = { HUGESPAN_NODE_ANY, 0, 1, INT32_MAX };
	size_t i;

	if (!variant->node)
		SKIP(return, "the struct has no node");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		put32(&self->body, variant->node, (uint32_t)bad[i]);
		EXPECT_EQ(-EINVAL, variant->check(&self->body));
	}
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		put32(&self->body, variant->node, (uint32_t)good[i]);
		EXPECT_EQ(0, variant->check(&self->body));
	}
}

/* Whatever the caller left in the out_ members is no reason to refuse. */
TEST_F(command, outputs_are_not_read)
{
	unsigned char fill[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	size_t i;

	for (i = 0; i < sizeof(fill); i++) {
		memset(self->body.bytes + variant->ignored, fill[i],
		       variant->ignored_end - variant->ignored);
		EXPECT_EQ(0, variant->check(&self->body));
	}
}

/* The size is judged apart, before the rest is copied. */
TEST_F(command, the_size_is_not_judged_here)
{
	put32(&self->body, 0, UINT32_MAX);
	EXPECT_EQ(0, variant->check(&self->body));
}

TEST_F(command, sizes)
{
	uint32_t min = (uint32_t)variant->size, size;

	/* The published structs never change their size. */
	EXPECT_EQ(0, min % 8);
	for (size = 0; size < min; size++)
		EXPECT_EQ(-EINVAL, uapi_check_size(size, min));
	for (; size <= HUGESPAN_STRUCT_SIZE_MAX; size++)
		ASSERT_EQ(0, uapi_check_size(size, min));
	EXPECT_EQ(-E2BIG, uapi_check_size(size, min));
	EXPECT_EQ(-E2BIG, uapi_check_size(UINT32_MAX, min));
}

/* ---- ALLOC ------------------------------------------------------------- */

FIXTURE(alloc) {
	struct hugespan_alloc arg;
	uint32_t order;
};

FIXTURE_SETUP(alloc)
{
	self->arg.node = HUGESPAN_NODE_ANY;
	self->order = 0xdead;
}

FIXTURE_TEARDOWN(alloc)
{
}

static int alloc_check(FIXTURE_DATA(alloc) *self)
{
	return uapi_check_alloc(&self->arg, SHIFT, &self->order);
}

TEST_F(alloc, orders_pass_through_up_to_the_limit)
{
	uint32_t bad[] = { BUDDY_MAX_ORDER + 1, 31, 32, 63, 64, 1u << 31,
			   UINT32_MAX };
	size_t i;

	for (i = 0; i <= BUDDY_MAX_ORDER; i++) {
		self->arg.order = (uint32_t)i;
		EXPECT_EQ(0, alloc_check(self));
		EXPECT_EQ(i, self->order);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->arg.order = bad[i];
		EXPECT_EQ(-EINVAL, alloc_check(self));
	}
}

TEST_F(alloc, bytes_become_an_order)
{
	self->arg.flags = HUGESPAN_ALLOC_BYTES;
	self->arg.bytes = 1;
	EXPECT_EQ(0, alloc_check(self));
	EXPECT_EQ(0, self->order);
	self->arg.bytes = 5 * UNIT;
	EXPECT_EQ(0, alloc_check(self));
	EXPECT_EQ(3, self->order);
	self->arg.bytes = units_limit_bytes(SHIFT);
	EXPECT_EQ(0, alloc_check(self));
	EXPECT_EQ(BUDDY_MAX_ORDER, self->order);
}

TEST_F(alloc, impossible_bytes_are_refused)
{
	uint64_t bad[] = { 0, units_limit_bytes(SHIFT) + 1, 1ull << 62,
			   1ull << 63, UINT64_MAX };
	size_t i;

	self->arg.flags = HUGESPAN_ALLOC_BYTES;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->arg.bytes = bad[i];
		EXPECT_EQ(-EINVAL, alloc_check(self));
	}
}

/* One way to say how much, not both. */
TEST_F(alloc, bytes_and_order_exclude_each_other)
{
	self->arg.flags = HUGESPAN_ALLOC_BYTES;
	self->arg.bytes = UNIT;
	self->arg.order = 1;
	EXPECT_EQ(-EINVAL, alloc_check(self));
	self->arg.flags = 0;
	EXPECT_EQ(-EINVAL, alloc_check(self));
	self->arg.order = 0;
	EXPECT_EQ(-EINVAL, alloc_check(self));
}

/* "Only from that node" says nothing without a node. */
TEST_F(alloc, strict_needs_a_node)
{
	self->arg.flags = HUGESPAN_ALLOC_STRICT;
	EXPECT_EQ(-EINVAL, alloc_check(self));
	self->arg.node = 0;
	EXPECT_EQ(0, alloc_check(self));
}

/* ---- TRIM, mmap -------------------------------------------------------- */

TEST(trim_keeps_whole_units_and_at_least_one)
{
	struct hugespan_trim arg = { .offset = UNIT };
	uint32_t bit;

	EXPECT_EQ(-EINVAL, uapi_check_trim(&arg, SHIFT));
	for (bit = 0; bit < 64; bit++) {
		arg.keep_bytes = 1ull << bit;
		EXPECT_EQ(bit < SHIFT ? -EINVAL : 0,
			  uapi_check_trim(&arg, SHIFT)) {
			TH_LOG("bit %u", bit);
		}
	}
}

TEST(mmap_takes_whole_units)
{
	EXPECT_EQ(0, uapi_check_mmap(0, UNIT, SHIFT));
	EXPECT_EQ(0, uapi_check_mmap(7 * UNIT, 3 * UNIT, SHIFT));
	EXPECT_EQ(-EINVAL, uapi_check_mmap(0, 0, SHIFT));
	EXPECT_EQ(-EINVAL, uapi_check_mmap(4096, UNIT, SHIFT));
	EXPECT_EQ(-EINVAL, uapi_check_mmap(UNIT, UNIT + 4096, SHIFT));
	EXPECT_EQ(-EINVAL, uapi_check_mmap(UNIT / 2, UNIT / 2, SHIFT));
}

/* What both sides know is copied, whichever is older. */
TEST(the_common_part_is_the_smaller_one)
{
	EXPECT_EQ(16, uapi_common_size(16, 24));
	EXPECT_EQ(24, uapi_common_size(32, 24));
	EXPECT_EQ(24, uapi_common_size(24, 24));
}

TEST_HARNESS_MAIN
