// SPDX-License-Identifier: MIT
/*
 * The first unit of a heap on transparent huge pages has small pages as long as
 * it is the only one.
 *
 * Guards against 2 MiB cleared and held for a program that needs a few KiB;
 * and against a heap that stays on small pages when it grows, or spans that
 * begin with them: whoever asks for a unit wants it huge.
 */
#include <stdlib.h>

#include "heap.h"
#include "hugespan.h"
#include "pageheap.h"
#include "procfs.h"
#include "scenario.h"

FIXTURE(thp) {
	int unused;
};

FIXTURE_VARIANT(thp) {
	const char *env[5];
};

FIXTURE_VARIANT_ADD(thp, as_it_is) {
	.env = { "HUGESPAN_BACKEND=thp", "HUGESPAN_POPULATE=auto" },
};

FIXTURE_VARIANT_ADD(thp, populated) {
	.env = { "HUGESPAN_BACKEND=thp", "HUGESPAN_POPULATE=1" },
};

FIXTURE_SETUP(thp)
{
}

FIXTURE_TEARDOWN(thp)
{
}

static bool is_populated(void)
{
	return !strcmp(getenv("HUGESPAN_POPULATE"), "1");
}

static void start(void)
{
	if (hs_heap_start())
		scenario_skip("the backend asked for is not to be had here");
}

struct mapping {
	size_t rss_bytes;
	bool huge;	/* advised so: VmFlags hg */
	bool small;	/* nh */
};

/* The mapping that holds ptr, as smaps describes it. */
static struct mapping mapping_of(const void *ptr)
{
	struct mapping m = { 0 };
	char text[256];

	CHILD_CHECK(smaps_line(ptr, "Rss", text, sizeof(text)));
	m.rss_bytes = strtoul(text, NULL, 10) << 10;
	CHILD_CHECK(smaps_line(ptr, "VmFlags", text, sizeof(text)));
	m.huge = strstr(text, "hg");
	m.small = strstr(text, "nh");
	return m;
}

SCENARIO_TEST(thp, a_small_program_stays_small)
{
	struct mapping m;
	char *p;

	start();
	p = hs_malloc(100);
	CHILD_CHECK(p);
	*p = 1;
	m = mapping_of(p);
	if (is_populated()) {
		CHILD_CHECK(m.huge && m.rss_bytes >= 1 << 20);
		return;
	}
	CHILD_CHECK(m.small && !m.huge);
	CHILD_CHECK(m.rss_bytes <= 64 << 10);
}

SCENARIO_TEST(thp, one_that_grows_becomes_huge)
{
	const size_t unit_bytes = 2ul << 20;
	char *first, *p = NULL;
	size_t i;

	start();
	first = hs_malloc(100);
	CHILD_CHECK(first);
	*first = 1;
	while (hs_pageheap.mapped_bytes <= hs_pageheap.backend->unit_bytes) {
		p = hs_malloc(100000);
		CHILD_CHECK(p);
	}
	CHILD_CHECK(mapping_of(first).huge);
	CHILD_CHECK(mapping_of(p).huge);
	CHILD_CHECK(!mapping_of(first).small);
	CHILD_CHECK(*first == 1);
	/* And nothing that comes later begins small, not even after all went. */
	hs_release(0);
	for (i = 0; i < 4; i++) {
		p = hs_malloc(unit_bytes);
		CHILD_CHECK(p && mapping_of(p).huge);
		hs_free(p);
		hs_release(0);
	}
}

SCENARIO_TEST(thp, a_span_is_huge_at_once)
{
	struct hs_span_options opt = {
		.struct_size = sizeof(opt), .backend = HS_BACKEND_THP,
		.node = -1, .fork_mode = HS_FORK_COW,
	};
	struct hs_span *span;

	start();
	CHILD_CHECK(!hs_span_alloc(4096, &opt, &span));
	CHILD_CHECK(mapping_of(hs_span_addr(span)).huge);
	CHILD_CHECK(!hs_span_free(span));
}

SCENARIO_MAIN
