// SPDX-License-Identifier: MIT
/*
 * hs_status: what is in use, and why not something better.
 *
 * Guards against a library that fails silently: a backend that is not usable
 * without a reason, a reason without a remedy, or a status that does not agree
 * with what an allocation then does.
 */
#include <errno.h>
#include <string.h>

#include <hugespan.h>
#include <kselftest_harness.h>

#include "backends.h"
#include "child.h"

TEST(bad_arguments)
{
	struct hs_status st;

	EXPECT_EQ(-EINVAL, hs_status(NULL));
	memset(&st, 0xee, sizeof(st));
	for (size_t i = 0; i < 2 * sizeof(st); i++) {
		if (i == sizeof(st))
			continue;
		st.struct_size = i;
		ASSERT_EQ(-EINVAL, hs_status(&st));
	}
	st.struct_size = SIZE_MAX;
	EXPECT_EQ(-EINVAL, hs_status(&st));
	/* Refused before anything is written. */
	EXPECT_EQ((int)0xeeeeeeee, st.backend);
}

TEST(is_whole)
{
	struct hs_status st = { .struct_size = sizeof(st) };
	int saved;

	errno = 12345;
	ASSERT_EQ(0, hs_status(&st));
	saved = errno;
	EXPECT_EQ(12345, saved);
	EXPECT_STREQ(HS_VERSION, st.version);
	EXPECT_LE(0, st.backend);
	EXPECT_GT(HS_NR_BACKENDS, st.backend);
	EXPECT_LT(0, st.unit_bytes);
	EXPECT_EQ(0, st.unit_bytes & (st.unit_bytes - 1));
	EXPECT_TRUE(!strcmp(st.cache_mode, "rseq") ||
		    !strcmp(st.cache_mode, "locked") ||
		    !strcmp(st.cache_mode, "off"));
	/* A reason is given exactly where there is something to explain. */
	EXPECT_EQ(!strcmp(st.cache_mode, "rseq"), !st.cache_reason[0]);
	for (int id = 0; id < HS_NR_BACKENDS; id++) {
		const struct hs_backend_status *b = &st.backends[id];

		EXPECT_EQ(!!b->usable, !b->reason[0]) {
			TH_LOG("%s: %d '%s'", hs_backend_name(id), b->usable,
			       b->reason);
		}
		EXPECT_GT(sizeof(b->reason), strlen(b->reason));
	}
	EXPECT_TRUE(st.backends[HS_BACKEND_PLAIN].usable);
	EXPECT_EQ(0, st.preloaded);
}

/* The remedy is a command, in brackets or after a colon. */
TEST(reasons_name_a_remedy)
{
	struct hs_status st = { .struct_size = sizeof(st) };

	ASSERT_EQ(0, hs_status(&st));
	for (int id = 0; id < HS_NR_BACKENDS; id++) {
		const struct hs_backend_status *b = &st.backends[id];

		if (b->usable || strstr(b->reason, "this kernel has no"))
			continue;
		EXPECT_NE(NULL, strchr(b->reason, ':')) {
			TH_LOG("%s: %s", hs_backend_name(id), b->reason);
		}
	}
}

/* Usable is what an allocation by that name then finds. */
TEST(agrees_with_allocations)
{
	struct hs_status st = { .struct_size = sizeof(st) };
	struct hs_span_options opt = {
		.struct_size = sizeof(opt), .node = -1,
		.fork_mode = HS_FORK_COW,
	};
	struct hs_span *span;

	ASSERT_EQ(0, hs_status(&st));
	for (int id = 0; id < HS_NR_BACKENDS; id++) {
		int err;

		opt.backend = id;
		err = hs_span_alloc(1, &opt, &span);
		EXPECT_EQ(st.backends[id].usable, !err) {
			TH_LOG("%s: error %d", hs_backend_name(id), err);
		}
		if (!err)
			hs_span_free(span);
	}
}

/*
 * A status is a look, and changes nothing: a backend that serves goes on to,
 * even if a program that starts now would not choose it.
 */
TEST(asking_changes_nothing)
{
	struct hs_status st = { .struct_size = sizeof(st) };
	struct hs_span_options opt = {
		.struct_size = sizeof(opt), .backend = HS_BACKEND_THP,
		.node = -1, .fork_mode = HS_FORK_COW,
	};
	struct hs_span *before, *after;

	if (hs_span_alloc(1, &opt, &before))
		SKIP(return, "no transparent huge pages here");
	ASSERT_EQ(0, prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	ASSERT_EQ(0, hs_status(&st));
	EXPECT_EQ(0, st.backends[HS_BACKEND_THP].usable);
	EXPECT_NE(NULL, strstr(st.backends[HS_BACKEND_THP].reason,
			       "PR_SET_THP_DISABLE"));
	ASSERT_EQ(0, hs_span_alloc(1, &opt, &after));
	hs_span_free(after);
	hs_span_free(before);
}

/* ---- a process of its own for each HUGESPAN_BACKEND ------------------------ */

#define SHOW_ARGUMENT "--show-status"

static int show_status(void)
{
	struct hs_status st = { .struct_size = sizeof(st) };

	if (hs_status(&st))
		return 1;
	printf("%s %s %d %d\n", hs_backend_name(st.backend_asked),
	       hs_backend_name(st.backend), st.unit_bytes > 0,
	       st.backends[st.backend].usable);
	return 0;
}

/* What the status is of a process that was asked for that backend. */
static int status_of(const char *backend, char *asked, char *used,
		     int *has_unit, int *usable)
{
	char command[128];
	FILE *f;
	int n;

	snprintf(command, sizeof(command),
		 "HUGESPAN_BACKEND=%s /proc/%d/exe " SHOW_ARGUMENT
		 " 2>/dev/null", backend, (int)getpid());
	f = popen(command, "re");
	if (!f)
		return -1;
	n = fscanf(f, "%15s %15s %d %d", asked, used, has_unit, usable);
	return pclose(f) || n != 4 ? -1 : 0;
}

TEST(backend_in_use)
{
	struct hs_status st = { .struct_size = sizeof(st) };
	char asked[16], used[16];
	int has_unit, usable, best = 0;

	ASSERT_EQ(0, hs_status(&st));
	while (!st.backends[best].usable)
		best++;
	ASSERT_EQ(0, status_of("auto", asked, used, &has_unit, &usable));
	EXPECT_STREQ("auto", asked);
	EXPECT_STREQ(hs_backend_name(best), used);
	for (int id = 0; id < HS_NR_BACKENDS; id++) {
		const char *name = hs_backend_name(id);

		ASSERT_EQ(0, status_of(name, asked, used, &has_unit, &usable));
		EXPECT_STREQ(name, asked);
		/* By name there is no other; what cannot serve has no unit. */
		EXPECT_STREQ(name, used);
		EXPECT_EQ(st.backends[id].usable, usable);
		EXPECT_EQ(usable, has_unit);
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], SHOW_ARGUMENT))
		return show_status();
	return backends_run(argc, argv);
}
