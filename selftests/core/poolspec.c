// SPDX-License-Identifier: MIT
/*
 * The text of pool=, headroom= and their like. Guards against garbage that is
 * taken for a number (a typo must not reserve half a machine) and against
 * sizes that wrap around.
 */
#include <kselftest_harness.h>

#include "poolspec.h"

#define K (1ull << 10)
#define M (1ull << 20)
#define G (1ull << 30)
#define T (1ull << 40)

TEST(sizes)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 }, { "1", 1 }, { "4096", 4096 }, { "512M", 512 * M },
		{ "512m", 512 * M }, { "1k", K }, { "3K", 3 * K }, { "2G", 2 * G },
		{ "2g", 2 * G }, { "7T", 7 * T }, { "7t", 7 * T },
		{ "512M\n", 512 * M }, { "007", 7 }, { "0G", 0 },
		{ "4611686018427387903", (1ull << 62) - 1 },
		{ "4194303T", 4194303 * T },
	};
	uint64_t bytes;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		ASSERT_EQ(0, poolspec_parse_size(good[i].text, &bytes)) {
			TH_LOG("%s", good[i].text);
		}
		EXPECT_EQ(good[i].bytes, bytes);
	}
}

TEST(what_is_no_size_is_refused)
{
	static const char * const bad[] = {
		"", "\n", " ", "M", "-1", "+1", " 1", "1 ", "1 M", "1MB", "1MiB",
		"1MM", "1P", "1E", "0x10", "1.5G", "1,5G", "half", "1M\n\n",
		"1M\nx", "\n1M", "5%", "1:2", "4611686018427387904",
		"18446744073709551615", "18446744073709551616",
		"99999999999999999999999999999999", "4194304T",
		"18014398509481984K", "1M\xff", "\xd9\xa1",
	};
	uint64_t bytes = 77;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, poolspec_parse_size(bad[i], &bytes)) {
			TH_LOG("'%s'", bad[i]);
		}
	}
	EXPECT_EQ(77, bytes);
}

TEST(a_size_alone_is_for_any_node)
{
	struct poolspec spec;
	const char *reason;

	ASSERT_EQ(0, poolspec_parse("512M\n", &spec, &reason));
	EXPECT_EQ(0, spec.nr_nodes);
	EXPECT_EQ(512 * M, spec.bytes[0]);
}

TEST(nodes_in_any_number_and_order)
{
	struct poolspec spec;
	const char *reason;

	ASSERT_EQ(0, poolspec_parse("0:512M", &spec, &reason));
	EXPECT_EQ(1, spec.nr_nodes);
	EXPECT_EQ(0, spec.node[0]);
	EXPECT_EQ(512 * M, spec.bytes[0]);

	ASSERT_EQ(0, poolspec_parse("3:1G,0:0,1023:2m\n", &spec, &reason));
	EXPECT_EQ(3, spec.nr_nodes);
	EXPECT_EQ(3, spec.node[0]);
	EXPECT_EQ(G, spec.bytes[0]);
	EXPECT_EQ(0, spec.node[1]);
	EXPECT_EQ(0, spec.bytes[1]);
	EXPECT_EQ(1023, spec.node[2]);
	EXPECT_EQ(2 * M, spec.bytes[2]);
}

#define NO_NODE		"a node number and ':' must come before each size"
#define NO_SIZE		"a size is digits and one of K, M, G, T"
#define NO_COMMA	"',' must stand between two nodes"

/* Each refusal says what is wrong. */
TEST(what_is_no_pool_is_refused_with_a_reason)
{
	static const struct {
		const char *text, *reason;
	} bad[] = {
		{ "", NO_NODE }, { "x", NO_NODE },
		{ ":", NO_NODE }, { ":1G", NO_NODE },
		{ "-1:1G", NO_NODE }, { "0-1:1G", NO_NODE },
		{ "0:1G,", NO_NODE }, { ",0:1G", NO_NODE },
		{ "0:1G,,1:1G", NO_NODE },
		{ "1G,2G", NO_NODE }, { "0:1G,2G", NO_NODE },
		{ "512MB", NO_NODE },
		{ "0:", NO_SIZE }, { "0:G", NO_SIZE },
		{ "0: 1G", NO_SIZE }, { "0:0:1G", NO_COMMA },
		{ "0:1G 1:1G", NO_COMMA },
		{ "0:1G;1:1G", NO_COMMA },
		{ "0:1GB", NO_COMMA },
	};
	struct poolspec spec;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *reason = NULL;

		EXPECT_EQ(-EINVAL, poolspec_parse(bad[i].text, &spec, &reason)) {
			TH_LOG("'%s'", bad[i].text);
		}
		ASSERT_NE(NULL, reason);
		EXPECT_STREQ(bad[i].reason, reason) {
			TH_LOG("'%s'", bad[i].text);
		}
	}
}

TEST(node_numbers_have_limits)
{
	struct poolspec spec;
	const char *reason;

	EXPECT_EQ(0, poolspec_parse("2147483647:1M", &spec, &reason));
	EXPECT_EQ(-EINVAL, poolspec_parse("2147483648:1M", &spec, &reason));
	EXPECT_STREQ("the node number is too large", reason);
	EXPECT_EQ(-EINVAL, poolspec_parse("4294967296:1M", &spec, &reason));
	EXPECT_EQ(-EINVAL, poolspec_parse("0:1M,0:1M", &spec, &reason));
	EXPECT_STREQ("a node is named twice", reason);
}

/* One more than there is room for. */
TEST(nodes_do_not_overflow_the_table)
{
	char text[(POOLSPEC_MAX_NODES + 1) * 8] = "";
	struct poolspec spec;
	const char *reason;
	int i, len = 0;

	for (i = 0; i < POOLSPEC_MAX_NODES; i++)
		len += sprintf(text + len, "%s%d:1M", i ? "," : "", i);
	ASSERT_EQ(0, poolspec_parse(text, &spec, &reason));
	EXPECT_EQ(POOLSPEC_MAX_NODES, spec.nr_nodes);
	sprintf(text + len, ",%d:1M", i);
	EXPECT_EQ(-EINVAL, poolspec_parse(text, &spec, &reason));
	EXPECT_STREQ("too many nodes", reason);
}

TEST_HARNESS_MAIN
