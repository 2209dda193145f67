// SPDX-License-Identifier: MIT
/*
 * Nodes: a grant comes from where it was asked for, or is refused; and the
 * memory is really there. That takes two nodes, so tools/check reads here:
 * guest options: --nodes 2
 */
#include <kselftest_harness.h>

#include <sys/syscall.h>

#include "device.h"
#include "fault.h"
#include "pattern.h"
#include "procfs.h"

#define MAX_NODES 8

/* From <numaif.h>, which is another package's. */
#define MPOL_F_NODE 1
#define MPOL_F_ADDR 2
#define MPOL_BIND 2
#define MPOL_MF_STRICT 1
#define MPOL_MF_MOVE 2

FIXTURE(numa) {
	struct pool_watch watch;
	int nodes[MAX_NODES];	/* that have a pool */
	int nr_nodes;
	int fd;
};

FIXTURE_SETUP(numa)
{
	struct hugespan_stat st;
	int node;

	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	for (node = 0; node < 64 && self->nr_nodes < MAX_NODES; node++)
		if (!pool_stat(self->fd, node, &st))
			self->nodes[self->nr_nodes++] = node;
	ASSERT_LE(1, self->nr_nodes);
	if (self->nr_nodes < 2) {
		SKIP_IN_SETUP("only one node has a pool");
	}
}

FIXTURE_TEARDOWN(numa)
{
	close(self->fd);
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/* The node on which the page at @addr lies, as the kernel sees it. */
static int node_of(void *addr)
{
	int node = -1;

	if (syscall(SYS_get_mempolicy, &node, NULL, 0, addr,
		    MPOL_F_NODE | MPOL_F_ADDR))
		return -errno;
	return node;
}

TEST_F(numa, nodes_add_up)
{
	struct hugespan_stat all, st;
	uint64_t units = 0, nr_free = 0;
	int i;

	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &all));
	for (i = 0; i < self->nr_nodes; i++) {
		ASSERT_EQ(0, pool_stat(self->fd, self->nodes[i], &st));
		EXPECT_TRUE(pool_adds_up(&st));
		units += st.out_nr_units;
		nr_free += st.out_nr_free;
	}
	EXPECT_EQ(all.out_nr_units, units);
	EXPECT_EQ(all.out_nr_free, nr_free);
}

/* QUERY's word and the kernel's about the page must be the same. */
TEST_F(numa, strict_grants_lie_on_their_node)
{
	struct hugespan_query q;
	struct span s;
	void *p;
	int i;

	for (i = 0; i < self->nr_nodes; i++) {
		int node = self->nodes[i];

		ASSERT_EQ(0, span_alloc_on(self->fd, 1, HUGESPAN_ALLOC_STRICT,
					   0, node, &s));
		ASSERT_EQ(0, span_query(self->fd, s.offset, &q));
		EXPECT_EQ(node, q.out_node);
		ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
		ASSERT_EQ(0, fault_write(p, 1));
		EXPECT_EQ(node, node_of(p));
		munmap(p, s.bytes);
	}
}

/* STRICT means: rather nothing than from elsewhere. */
TEST_F(numa, strict_does_not_stray)
{
	int node = self->nodes[0];
	struct hugespan_stat st;
	struct span s;

	while (!span_alloc_on(self->fd, 0, HUGESPAN_ALLOC_STRICT, 0, node, &s))
		;
	EXPECT_EQ(-ENOMEM, span_alloc_on(self->fd, 0, HUGESPAN_ALLOC_STRICT, 0,
					 node, &s));
	ASSERT_EQ(0, pool_stat(self->fd, node, &st));
	EXPECT_EQ(0, st.out_nr_free);
	ASSERT_EQ(0, pool_stat(self->fd, HUGESPAN_NODE_ANY, &st));
	EXPECT_LT(0, st.out_nr_free);
}

/* Without STRICT the node comes first, and then whoever has something. */
TEST_F(numa, a_wish_is_granted_first_and_then_elsewhere)
{
	int node = self->nodes[1];
	struct hugespan_query q;
	struct hugespan_stat st;
	struct span s;
	uint64_t left;

	ASSERT_EQ(0, pool_stat(self->fd, node, &st));
	for (left = st.out_nr_free; left; left--) {
		ASSERT_EQ(0, span_alloc_on(self->fd, 0, 0, 0, node, &s));
		ASSERT_EQ(0, span_query(self->fd, s.offset, &q));
		ASSERT_EQ(node, q.out_node);
	}
	ASSERT_EQ(0, span_alloc_on(self->fd, 0, 0, 0, node, &s));
	ASSERT_EQ(0, span_query(self->fd, s.offset, &q));
	EXPECT_NE(node, q.out_node);
}

/* A span lies within one node, however the offsets of the nodes meet. */
TEST_F(numa, no_span_lies_on_two_nodes)
{
	struct hugespan_query q;
	struct span s;
	int order;

	for (order = self->watch.before.out_largest_free_order; order >= 0;
	     order--) {
		while (!span_alloc(self->fd, order, &s)) {
			uint64_t at;
			int node;

			ASSERT_EQ(0, span_query(self->fd, s.offset, &q));
			node = q.out_node;
			for (at = 0; at < s.bytes; at += s.bytes >> order) {
				ASSERT_EQ(0, span_query(self->fd,
							s.offset + at, &q));
				ASSERT_EQ(node, q.out_node);
				ASSERT_EQ(s.offset, q.out_offset);
			}
		}
	}
}

/*
 * Pages are asked to move, or the policy says they should be elsewhere. They
 * cannot; and that must be an answer, not a loss.
 */
TEST_F(numa, pages_cannot_be_moved_away)
{
	unsigned long mask = 1ul << self->nodes[1];
	int to = self->nodes[1], status = 0;
	struct span s;
	void *p;

	ASSERT_EQ(0, span_alloc_on(self->fd, 0, HUGESPAN_ALLOC_STRICT, 0,
				   self->nodes[0], &s));
	ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
	pattern_fill(p, s.bytes, 1);
	syscall(SYS_move_pages, 0, 1ul, &p, &to, &status, MPOL_MF_MOVE);
	EXPECT_NE(to, status);
	syscall(SYS_mbind, p, s.bytes, MPOL_BIND, &mask, 64ul,
		MPOL_MF_MOVE | MPOL_MF_STRICT);
	EXPECT_EQ(self->nodes[0], node_of(p));
	EXPECT_EQ(-1, pattern_differs(p, s.bytes, 1));
	munmap(p, s.bytes);
}

/* A node that exists but has no pool, and one that does not exist at all. */
TEST_F(numa, a_node_without_a_pool_is_refused)
{
	struct hugespan_stat st;
	struct span s;
	int node = self->nodes[self->nr_nodes - 1] + 1;

	EXPECT_EQ(-EINVAL, pool_stat(self->fd, node, &st));
	EXPECT_EQ(-EINVAL, span_alloc_on(self->fd, 0, 0, 0, node, &s));
	EXPECT_EQ(-EINVAL, span_alloc_on(self->fd, 0, HUGESPAN_ALLOC_STRICT, 0,
					 node, &s));
}

DEVICE_TEST_MAIN
