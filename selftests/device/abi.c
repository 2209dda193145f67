// SPDX-License-Identifier: MIT
/*
 * The command interface as such: whatever a caller may get wrong in the struct
 * around a command is refused with the errno that the header promises, before
 * anything happens. Every command is a variant and goes through all tests;
 * what a field's value means is tested with its noun (grant.c, trim.c, ...).
 */
#include <kselftest_harness.h>

#include "device.h"

#define BODY_ROOM 4096

FIXTURE(abi) {
	struct pool_watch watch;
	struct span span;
	int fd;
	char *body;	/* BODY_ROOM bytes that end where the next line says */
	char *wall;	/* nothing can be read from here on */
};

/* out_ members lie together in every struct: [out_at, out_at + out_len). */
FIXTURE_VARIANT(abi) {
	unsigned long cmd;
	size_t size;
	uint32_t flags;		/* the flags that exist */
	size_t reserved_at;	/* 0: it has none */
	size_t out_at;
	size_t out_len;
};

#define OUT(type, first, last)						\
	.out_at = offsetof(struct type, first),				\
	.out_len = offsetof(struct type, last) +			\
		   sizeof(((struct type *)0)->last) - offsetof(struct type, first)

FIXTURE_VARIANT_ADD(abi, info) {
	.cmd = HUGESPAN_IOC_INFO, .size = sizeof(struct hugespan_info),
	.reserved_at = offsetof(struct hugespan_info, __reserved),
	OUT(hugespan_info, out_api_version, out_max_order),
};

FIXTURE_VARIANT_ADD(abi, alloc) {
	.cmd = HUGESPAN_IOC_ALLOC, .size = sizeof(struct hugespan_alloc),
	.flags = HUGESPAN_ALLOC_FLAGS_ALL,
	.reserved_at = offsetof(struct hugespan_alloc, __reserved),
	OUT(hugespan_alloc, out_offset, out_bytes),
};

FIXTURE_VARIANT_ADD(abi, free) {
	.cmd = HUGESPAN_IOC_FREE, .size = sizeof(struct hugespan_free),
};

FIXTURE_VARIANT_ADD(abi, trim) {
	.cmd = HUGESPAN_IOC_TRIM, .size = sizeof(struct hugespan_trim),
	OUT(hugespan_trim, out_bytes, out_bytes),
};

FIXTURE_VARIANT_ADD(abi, query) {
	.cmd = HUGESPAN_IOC_QUERY, .size = sizeof(struct hugespan_query),
	OUT(hugespan_query, out_offset, out_nr_mappings),
};

FIXTURE_VARIANT_ADD(abi, stat) {
	.cmd = HUGESPAN_IOC_STAT, .size = sizeof(struct hugespan_stat),
	OUT(hugespan_stat, out_largest_free_order, out_nr_refused),
};

FIXTURE_VARIANT_ADD(abi, set_fork) {
	.cmd = HUGESPAN_IOC_SET_FORK, .size = sizeof(struct hugespan_set_fork),
	.reserved_at = offsetof(struct hugespan_set_fork, __reserved),
};

/* A body that succeeds on the fixture's span, with rubbish in its out_ part. */
static void fill(const FIXTURE_VARIANT(abi) *variant, const struct span *span,
		 void *body)
{
	memset(body, 0, variant->size);
	*(uint32_t *)body = (uint32_t)variant->size;
	switch (variant->cmd) {
	case HUGESPAN_IOC_ALLOC:
		((struct hugespan_alloc *)body)->node = HUGESPAN_NODE_ANY;
		break;
	case HUGESPAN_IOC_FREE:
		((struct hugespan_free *)body)->offset = span->offset;
		break;
	case HUGESPAN_IOC_TRIM:
		((struct hugespan_trim *)body)->offset = span->offset;
		((struct hugespan_trim *)body)->keep_bytes = span->bytes / 2;
		break;
	case HUGESPAN_IOC_QUERY:
		((struct hugespan_query *)body)->offset = span->offset;
		break;
	case HUGESPAN_IOC_STAT:
		((struct hugespan_stat *)body)->node = HUGESPAN_NODE_ANY;
		break;
	case HUGESPAN_IOC_SET_FORK:
		((struct hugespan_set_fork *)body)->offset = span->offset;
		((struct hugespan_set_fork *)body)->fork_mode =
			HUGESPAN_FORK_COW;
		break;
	}
	memset((char *)body + variant->out_at, 0xa5, variant->out_len);
}

/* The command says @want and neither the pool nor the body has changed. */
static bool refuses(int fd, unsigned long cmd, void *body, size_t len,
		    int want)
{
	struct hugespan_stat before, after;
	char was[BODY_ROOM];
	int got;

	memcpy(was, body, len);
	if (pool_stat(fd, HUGESPAN_NODE_ANY, &before))
		return false;
	got = dev_ioctl(fd, cmd, body);
	if (pool_stat(fd, HUGESPAN_NODE_ANY, &after))
		return false;
	if (got != want)
		diag("answered %d, not %d", got, want);
	else if (memcmp(was, body, len))
		diag("the body has changed");
	else if (before.out_nr_refused != after.out_nr_refused)
		diag("counted as refused for want of memory");
	else
		return pool_unchanged(&before, &after);
	return false;
}

FIXTURE_SETUP(abi)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, span_alloc(self->fd, 1, &self->span));
	self->body = mmap(NULL, 2 * BODY_ROOM, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->body);
	self->wall = self->body + BODY_ROOM;
	ASSERT_EQ(0, mprotect(self->wall, BODY_ROOM, PROT_NONE));
}

FIXTURE_TEARDOWN(abi)
{
	munmap(self->body, 2 * BODY_ROOM);
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/*
 * A command that reads its out_ members, or that rewrites what the caller put
 * into the others, breaks every loop that reuses one struct.
 */
TEST_F(abi, a_good_body_works_and_keeps_its_input)
{
	char was[BODY_ROOM];

	fill(variant, &self->span, self->body);
	memcpy(was, self->body, variant->size);
	ASSERT_EQ(0, dev_ioctl(self->fd, variant->cmd, self->body));
	if (variant->out_len) {
		EXPECT_NE(0, memcmp(was + variant->out_at,
				    self->body + variant->out_at,
				    variant->out_len));
	}
	memcpy(self->body + variant->out_at, was + variant->out_at,
	       variant->out_len);
	EXPECT_EQ(0, memcmp(was, self->body, variant->size));
}

/* A struct from before the first version has no members to act upon. */
TEST_F(abi, every_smaller_size_is_refused)
{
	size_t size;

	for (size = 0; size < variant->size; size++) {
		fill(variant, &self->span, self->body);
		*(uint32_t *)self->body = (uint32_t)size;
		ASSERT_TRUE(refuses(self->fd, variant->cmd, self->body,
				    variant->size, -EINVAL))
			TH_LOG("size %zu", size);
	}
}

/*
 * A program built with a later header must run on this kernel as long as it
 * does not use what the kernel lacks. The kernel must not write the tail.
 */
TEST_F(abi, a_larger_size_with_a_zero_tail_works)
{
	size_t larger[] = { variant->size + 1, variant->size + 8,
			    variant->size + 63, BODY_ROOM };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(larger); i++) {
		memset(self->body, 0, BODY_ROOM);
		fill(variant, &self->span, self->body);
		if (variant->cmd == HUGESPAN_IOC_FREE && i) {
			struct hugespan_free *f = (void *)self->body;

			ASSERT_EQ(0, span_alloc(self->fd, 1, &self->span));
			f->offset = self->span.offset;
		}
		*(uint32_t *)self->body = (uint32_t)larger[i];
		ASSERT_EQ(0, dev_ioctl(self->fd, variant->cmd, self->body))
			TH_LOG("size %zu", larger[i]);
		for (size_t at = variant->size; at < larger[i]; at++)
			ASSERT_EQ(0, self->body[at]);
	}
}

/*
 * The size is part of an _IOWR number: a later header's larger struct makes
 * another number of the same command, and must be taken for it.
 */
TEST_F(abi, the_number_of_a_later_version_is_the_same_command)
{
	size_t larger = variant->size + 8;
	unsigned long cmd = _IOC(_IOC_READ | _IOC_WRITE, HUGESPAN_IOC_MAGIC,
				 _IOC_NR(variant->cmd), larger);

	memset(self->body, 0, BODY_ROOM);
	fill(variant, &self->span, self->body);
	*(uint32_t *)self->body = (uint32_t)larger;
	EXPECT_EQ(0, dev_ioctl(self->fd, cmd, self->body));
}

/* What this kernel does not know it cannot do: it must say so, and not act. */
TEST_F(abi, any_data_in_the_tail_is_refused)
{
	size_t at;

	for (at = 0; at < 64; at++) {
		memset(self->body, 0, BODY_ROOM);
		fill(variant, &self->span, self->body);
		*(uint32_t *)self->body = (uint32_t)variant->size + 64;
		self->body[variant->size + at] = 1;
		ASSERT_TRUE(refuses(self->fd, variant->cmd, self->body,
				    variant->size + 64, -E2BIG))
			TH_LOG("tail byte %zu", at);
	}
}

/*
 * The size is the caller's word: a huge one must neither be allocated, nor
 * read past what is mapped, nor keep the kernel busy.
 */
TEST_F(abi, a_huge_size_is_refused)
{
	uint32_t huge[] = { 1U << 16, 1U << 30, 1U << 31, UINT32_MAX };
	struct hugespan_stat before, after;
	size_t i;

	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &before));
	for (i = 0; i < ARRAY_SIZE(huge); i++) {
		char *body = self->wall - variant->size;
		uint64_t start = now_ms();
		int err;

		fill(variant, &self->span, body);
		*(uint32_t *)body = huge[i];
		err = dev_ioctl(self->fd, variant->cmd, body);
		EXPECT_TRUE(err == -EFAULT || err == -E2BIG)
			TH_LOG("size %u: %d", huge[i], err);
		EXPECT_GT(5000, now_ms() - start);
	}
	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &after));
	EXPECT_TRUE(pool_unchanged(&before, &after));
}

/* A flag that is let pass today can never get a meaning tomorrow. */
TEST_F(abi, every_unknown_flag_is_refused)
{
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		if (variant->flags & (1U << bit))
			continue;
		fill(variant, &self->span, self->body);
		((uint32_t *)self->body)[1] = 1U << bit;
		ASSERT_TRUE(refuses(self->fd, variant->cmd, self->body,
				    variant->size, -EINVAL))
			TH_LOG("flag bit %u", bit);
	}
}

/* And so it is with a reserved field, where there is one. */
TEST_F(abi, every_reserved_bit_is_refused)
{
	unsigned int bit;

	for (bit = 0; variant->reserved_at && bit < 32; bit++) {
		fill(variant, &self->span, self->body);
		*(uint32_t *)(self->body + variant->reserved_at) = 1U << bit;
		ASSERT_TRUE(refuses(self->fd, variant->cmd, self->body,
				    variant->size, -EINVAL))
			TH_LOG("reserved bit %u", bit);
	}
}

/* A pointer that leads nowhere, or a struct that ends there, is EFAULT. */
TEST_F(abi, an_unreadable_body_is_refused)
{
	void *nowhere[] = { NULL, (void *)8, self->wall,
			    (void *)(UINTPTR_MAX / 2 + 1),
			    (void *)(UINTPTR_MAX - 7) };
	struct hugespan_stat before, after;
	size_t i;

	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &before));
	for (i = 0; i < ARRAY_SIZE(nowhere); i++) {
		EXPECT_EQ(-EFAULT, dev_ioctl(self->fd, variant->cmd,
					     nowhere[i]))
			TH_LOG("pointer %p", nowhere[i]);
	}
	for (i = 4; i < variant->size; i += 4) {
		char whole[BODY_ROOM];

		fill(variant, &self->span, whole);
		memcpy(self->wall - i, whole, i);
		ASSERT_EQ(-EFAULT, dev_ioctl(self->fd, variant->cmd,
					     self->wall - i))
			TH_LOG("%zu of %zu bytes readable", i, variant->size);
	}
	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &after));
	EXPECT_TRUE(pool_unchanged(&before, &after));
}

/*
 * An answer that cannot be delivered must not leave its deed behind: a span
 * nobody knows of, or a tail that is gone without the caller's knowledge.
 */
TEST_F(abi, an_unwritable_body_is_refused)
{
	/* Commands without an answer have nothing to write. */
	if (!variant->out_len)
		return;
	fill(variant, &self->span, self->body);
	ASSERT_EQ(0, mprotect(self->body, BODY_ROOM, PROT_READ));
	EXPECT_TRUE(refuses(self->fd, variant->cmd, self->body, variant->size,
			    -EFAULT));
}

/* ---- the numbers themselves -------------------------------------------- */

/* A number without a command is nobody's: a later version will give it one. */
TEST(unknown_numbers_are_not_commands)
{
	char body[256] = { 0 };
	struct hugespan_stat before, after;
	int fd = dev_open(O_RDWR | O_CLOEXEC);
	unsigned int nr, last = _IOC_NR(HUGESPAN_IOC_SET_FORK);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_stat(fd, HUGESPAN_NODE_ANY, &before));
	for (nr = 0; nr < 256; nr++) {
		if (nr >= _IOC_NR(HUGESPAN_IOC_INFO) && nr <= last)
			continue;
		*(uint32_t *)body = 64;
		ASSERT_EQ(-ENOTTY, dev_ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE,
						      HUGESPAN_IOC_MAGIC, nr,
						      64), body))
			TH_LOG("number %u", nr);
	}
	ASSERT_EQ(0, pool_stat(fd, HUGESPAN_NODE_ANY, &after));
	EXPECT_TRUE(pool_unchanged(&before, &after));
	close(fd);
}

/* Another device's commands carry another magic; terminals' come by mistake. */
TEST(foreign_numbers_are_not_commands)
{
	char body[256] = { 64 };
	int fd = dev_open(O_RDWR | O_CLOEXEC);
	unsigned int nr;

	ASSERT_LE(0, fd);
	for (nr = 1; nr < 8; nr++) {
		EXPECT_EQ(-ENOTTY, dev_ioctl(fd, _IOWR(0xB7, nr, char[64]),
					     body));
		EXPECT_EQ(-ENOTTY, dev_ioctl(fd, _IO(0xB7, nr), body));
	}
	EXPECT_EQ(-ENOTTY, dev_ioctl(fd, 0x5401 /* TCGETS */, body));
	close(fd);
}

/*
 * What INFO says is what everything else is computed from; the unit is what
 * the kernel calls a huge page, and nothing may assume which.
 */
TEST(info_is_plausible)
{
	struct hugespan_info info;
	struct hugespan_stat st;
	char buf[32];
	int fd = dev_open(O_RDWR | O_CLOEXEC);
	FILE *f;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, dev_info(fd, &info));
	EXPECT_EQ(HUGESPAN_API_VERSION, info.out_api_version);
	EXPECT_LE(1, info.out_nr_nodes);
	ASSERT_NE(0, info.out_unit_bytes);
	EXPECT_EQ(0, info.out_unit_bytes & (info.out_unit_bytes - 1));
	EXPECT_EQ(0, info.out_device_bytes % info.out_unit_bytes);
	ASSERT_EQ(0, pool_stat(fd, HUGESPAN_NODE_ANY, &st));
	EXPECT_LE(st.out_nr_units * info.out_unit_bytes,
		  info.out_device_bytes);
	EXPECT_LE(st.out_largest_free_order, (int)info.out_max_order);
	close(fd);

	f = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "re");
	if (!f)
		SKIP(return, "the kernel does not say what a huge page is");
	ASSERT_NE(NULL, fgets(buf, sizeof(buf), f));
	fclose(f);
	EXPECT_EQ(strtoull(buf, NULL, 10), info.out_unit_bytes);
}

DEVICE_TEST_MAIN
