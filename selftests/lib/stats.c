// SPDX-License-Identifier: MIT
/*
 * hs_stats, hs_status and their texts.
 *
 * Guards against figures that do not add up, that drift when memory comes and
 * goes, or that are counted in a new place and not in an old one; against a
 * report that is no JSON, that is cut off without being ended, or that writes
 * past its buffer.
 */
#include <ctype.h>
#include <stdlib.h>

#include "heap.h"
#include "hugespan.h"
#include "pageheap.h"
#include "pattern.h"
#include "scenario.h"

FIXTURE(figures) {
	int unused;
};

FIXTURE_VARIANT(figures) {
	const char *env[6];
};

FIXTURE_VARIANT_ADD(figures, rseq) {
	.env = { "HUGESPAN_RSEQ=1", "HUGESPAN_CHECK=0", "HUGESPAN_RETAIN=0" },
};

FIXTURE_VARIANT_ADD(figures, locked) {
	.env = { "HUGESPAN_RSEQ=0", "HUGESPAN_CHECK=0", "HUGESPAN_RETAIN=0" },
};

FIXTURE_VARIANT_ADD(figures, check) {
	.env = { "HUGESPAN_CHECK=1", "HUGESPAN_RETAIN=0" },
};

FIXTURE_SETUP(figures)
{
}

FIXTURE_TEARDOWN(figures)
{
}

static void start(void)
{
	if (hs_heap_start())
		scenario_skip("the backend asked for is not to be had here");
}

/* Every snapshot at rest must add up. */
static struct hs_stats stats(void)
{
	struct hs_stats st = { .struct_size = sizeof(st) };

	CHILD_CHECK(hs_stats(&st) == 0);
	CHILD_CHECK(st.mapped_bytes == st.in_use_bytes + st.cpu_cached_bytes +
		    st.transfer_cached_bytes + st.central_free_bytes +
		    st.page_free_bytes + st.slack_bytes);
	CHILD_CHECK(st.mapped_bytes <= st.mapped_peak_bytes);
	CHILD_CHECK(st.nr_units * hs_pageheap.backend->unit_bytes ==
		    st.mapped_bytes);
	CHILD_CHECK(st.nr_units_mapped_total - st.nr_units_returned_total >=
		    st.nr_units);
	return st;
}

/* A struct of another version is refused before it is written to. */
SCENARIO_TEST(figures, struct_size_is_checked)
{
	static const size_t sizes[] = { 0, 1, 8, sizeof(struct hs_stats) - 8,
					sizeof(struct hs_stats) + 8, SIZE_MAX };
	struct hs_stats st, zero = { 0 };
	struct hs_status status;
	size_t i;

	CHILD_CHECK(hs_stats(NULL) == -EINVAL);
	CHILD_CHECK(hs_status(NULL) == -EINVAL);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(&st, 0, sizeof(st));
		st.struct_size = sizes[i];
		CHILD_CHECK(hs_stats(&st) == -EINVAL);
		CHILD_CHECK(!memcmp(&st.mapped_bytes, &zero.mapped_bytes,
				    sizeof(st) - sizeof(size_t)));
		memset(&status, 0, sizeof(status));
		status.struct_size = sizes[i];
		CHILD_CHECK(hs_status(&status) == -EINVAL);
		CHILD_CHECK(status.version == NULL);
	}
}

/* What is allocated is in use, to the byte of its class; and no more after. */
SCENARIO_TEST(figures, in_use_is_what_the_program_holds)
{
	static const size_t sizes[] = { 1, 16, 100, 144, 1000, 5000, 40000,
					262144, 262145, 3000000 };
	uint64_t before, expected = 0;
	void *objs[ARRAY_SIZE(sizes)];
	size_t i;

	start();
	CHILD_CHECK(stats().mapped_bytes == 0);
	before = stats().in_use_bytes;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		objs[i] = hs_malloc(sizes[i]);
		CHILD_CHECK(objs[i]);
		expected += hs_malloc_usable_size(objs[i]);
		CHILD_CHECK(stats().in_use_bytes - before == expected);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		expected -= hs_malloc_usable_size(objs[i]);
		hs_free(objs[i]);
		CHILD_CHECK(stats().in_use_bytes - before == expected);
	}
}

/* At random, with reallocs, alignments and releases. */
SCENARIO_TEST(figures, add_up_at_every_moment)
{
	uint64_t state = test_seed(), nr = test_ops(20000), i;
	uint64_t expected = 0;
	void *held[200] = { NULL };

	start();
	for (i = 0; i < nr; i++) {
		void **p = &held[rnd_below(&state, ARRAY_SIZE(held))];
		size_t size = rnd_below(&state, 1ul << rnd_below(&state, 21));

		expected -= hs_malloc_usable_size(*p);
		if (!*p) {
			*p = hs_memalign(1ul << rnd_below(&state, 16), size);
		} else if (rnd_below(&state, 2)) {
			hs_free(*p);
			*p = NULL;
		} else {
			*p = hs_realloc(*p, size + 1);
		}
		expected += hs_malloc_usable_size(*p);
		if (i % 64 == 0)
			CHILD_CHECK(stats().in_use_bytes == expected);
		if (rnd_below(&state, 1000) == 0)
			hs_release(rnd_below(&state, 16ul << 20));
	}
	for (i = 0; i < ARRAY_SIZE(held); i++)
		hs_free(held[i]);
	CHILD_CHECK(stats().in_use_bytes == 0);
}

/* hs_release says what went back, and the units agree. */
SCENARIO_TEST(figures, release_returns_what_it_says)
{
	struct hs_stats before, after;
	void *objs[64];
	size_t i, released;

	start();
	for (i = 0; i < 64; i++)
		objs[i] = hs_malloc(200000);
	for (i = 0; i < 64; i++)
		hs_free(objs[i]);
	before = stats();
	released = hs_release(0);
	after = stats();
	CHILD_CHECK(before.mapped_bytes - after.mapped_bytes == released);
	if (after.cpu_cached_bytes)
		scenario_skip("no membarrier here: the caches stay");
	CHILD_CHECK(after.mapped_bytes == 0);
	CHILD_CHECK(after.nr_units_mapped_total == after.nr_units_returned_total);
	CHILD_CHECK(after.mapped_peak_bytes == before.mapped_peak_bytes);
	CHILD_CHECK(hs_release(0) == 0);
}

/* A request the backend cannot serve is counted as one it refused. */
SCENARIO_TEST(figures, refusals_are_counted)
{
	uint64_t before;

	start();
	before = stats().nr_backend_refusals;
	CHILD_CHECK(!hs_malloc((size_t)1 << 44));
	CHILD_CHECK(stats().nr_backend_refusals > before);
}

/* ---- the texts ----------------------------------------------------------- */

/* A value after "name": in the text, or -1. */
static long long json_number(const char *json, const char *name)
{
	char key[80];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(json, key);
	return at && !strstr(at + 1, key) ? atoll(at + strlen(key)) : -1;
}

/* One object of strings and whole numbers, as RFC 8259 has it. */
static bool is_json_object(const char *p)
{
	bool more = true;

	if (*p++ != '{')
		return false;
	while (more) {
		int half;

		for (half = 0; half < 2; half++) {
			if (*p == '"') {
				for (p++; *p && *p != '"'; p++)
					if (*p == '\\' || (unsigned char)*p < 32)
						return false;
				if (*p++ != '"')
					return false;
			} else if (half && isdigit(*p)) {
				while (isdigit(*p))
					p++;
			} else {
				return false;
			}
			if (!half && *p++ != ':')
				return false;
		}
		more = *p == ',';
		p++;
	}
	return p[-1] == '}' && !strcmp(p, "\n");
}

SCENARIO_TEST(figures, json_has_every_figure)
{
	struct hs_status status = { .struct_size = sizeof(status) };
	static char json[8192];
	struct hs_stats st;
	void *p, *q;

	start();
	p = hs_malloc(100);
	q = hs_malloc(1000000);
	CHILD_CHECK(p && q);
	st = stats();
	CHILD_CHECK(!hs_status(&status));
	CHILD_CHECK(hs_stats_format(json, sizeof(json), HS_JSON) ==
		    (int)strlen(json));
	CHILD_CHECK(is_json_object(json));
#define SAME(field) CHILD_CHECK(json_number(json, #field) == (long long)st.field)
	SAME(mapped_bytes);
	SAME(mapped_peak_bytes);
	SAME(in_use_bytes);
	SAME(cpu_cached_bytes);
	SAME(transfer_cached_bytes);
	SAME(central_free_bytes);
	SAME(page_free_bytes);
	SAME(slack_bytes);
	SAME(meta_bytes);
	SAME(nr_units);
	SAME(nr_units_mapped_total);
	SAME(nr_units_returned_total);
	SAME(nr_backend_refusals);
	SAME(nr_fallback_units);
	SAME(nr_forks);
	SAME(nr_units_remapped);
	CHILD_CHECK(json_number(json, "unit_bytes") ==
		    (long long)status.unit_bytes);
	CHILD_CHECK(strstr(json, status.cache_mode));
	CHILD_CHECK(strstr(json, hs_backend_name(status.backend)));
}

SCENARIO_TEST(figures, text_names_the_backend_and_ends_its_lines)
{
	struct hs_status status = { .struct_size = sizeof(status) };
	static char text[8192];
	int len;

	start();
	CHILD_CHECK(!hs_status(&status));
	len = hs_stats_format(text, sizeof(text), HS_TEXT);
	CHILD_CHECK(len == (int)strlen(text) && text[len - 1] == '\n');
	CHILD_CHECK(strstr(text, hs_backend_name(status.backend)));
	CHILD_CHECK(strstr(text, status.cache_mode));
	CHILD_CHECK(strstr(text, HS_VERSION));
}

/* As snprintf: the same length whatever fits, ended, and nothing behind. */
SCENARIO_TEST(figures, every_buffer_size_is_kept)
{
	static char whole[8192], part[8192];
	int format, len;
	size_t size;

	start();
	for (format = HS_TEXT; format <= HS_JSON; format++) {
		len = hs_stats_format(whole, sizeof(whole), format);
		CHILD_CHECK(len > 100 && len < (int)sizeof(whole));
		CHILD_CHECK(hs_stats_format(NULL, 0, format) == len);
		for (size = 0; size < (size_t)len + 10; size++) {
			memset(part, '#', sizeof(part));
			CHILD_CHECK(hs_stats_format(part, size, format) == len);
			if (size)
				CHILD_CHECK(strlen(part) ==
					    (size <= (size_t)len ? size - 1 :
					     (size_t)len));
			CHILD_CHECK(!strncmp(part, whole,
					     size ? strlen(part) : 0));
			CHILD_CHECK(part[size] == '#');
		}
	}
	CHILD_CHECK(hs_stats_format(part, sizeof(part), 7) == -EINVAL);
	CHILD_CHECK(hs_stats_format(part, sizeof(part), -1) == -EINVAL);
}

SCENARIO_TEST(figures, write_goes_to_the_descriptor)
{
	static char text[8192], written[8192];
	int ends[2], len;

	start();
	CHILD_CHECK(!pipe(ends));
	errno = 99;
	CHILD_CHECK(hs_stats_write(ends[1], HS_JSON) == 0);
	len = hs_stats_format(text, sizeof(text), HS_JSON);
	CHILD_CHECK(read(ends[0], written, sizeof(written)) == len);
	CHILD_CHECK(!memcmp(text, written, len));
	CHILD_CHECK(hs_stats_write(-1, HS_JSON) == -EBADF);
	CHILD_CHECK(hs_stats_write(ends[0], HS_TEXT) == -EBADF);
	CHILD_CHECK(hs_stats_write(ends[1], 9) == -EINVAL);
	CHILD_CHECK(errno == 99);
}

/* ---- at exit ------------------------------------------------------------- */

FIXTURE(at_exit) {
	int unused;
};

FIXTURE_VARIANT(at_exit) {
	const char *env[4];
};

FIXTURE_VARIANT_ADD(at_exit, json) {
	.env = { "HUGESPAN_STATS=json:77", "HUGESPAN_TEST_MODE=json" },
};

FIXTURE_VARIANT_ADD(at_exit, text) {
	.env = { "HUGESPAN_STATS=text:77", "HUGESPAN_TEST_MODE=text" },
};

FIXTURE_VARIANT_ADD(at_exit, off) {
	.env = { "HUGESPAN_STATS=off", "HUGESPAN_TEST_MODE=off" },
};

FIXTURE_SETUP(at_exit)
{
}

FIXTURE_TEARDOWN(at_exit)
{
}

/* HUGESPAN_STATS: once, when the program ends, to that descriptor. */
SCENARIO_TEST(at_exit, statistics_are_written)
{
	const char *mode = getenv("HUGESPAN_TEST_MODE");
	static char text[8192];
	ssize_t len;
	int ends[2];
	pid_t pid;

	start();
	CHILD_CHECK(!pipe2(ends, O_CLOEXEC) && dup2(ends[1], 77) == 77);
	pid = child_fork();
	if (pid == 0)
		exit(hs_malloc(1000) ? 0 : 1);
	CHILD_CHECK(child_wait(pid) == 0);
	close(ends[1]);
	close(77);
	len = read(ends[0], text, sizeof(text) - 1);
	if (!strcmp(mode, "off")) {
		CHILD_CHECK(len == 0);
		return;
	}
	CHILD_CHECK(len > 100 && text[len - 1] == '\n');
	CHILD_CHECK(is_json_object(text) == !strcmp(mode, "json"));
	CHILD_CHECK(strstr(text, "units"));
}

SCENARIO_MAIN
