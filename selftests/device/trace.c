// SPDX-License-Identifier: MIT
/*
 * Tracepoints tell what the module did, in its own numbers. Whoever hunts a
 * latency or a leak with them must not be told less, more, or something else.
 */
#include <kselftest_harness.h>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "poolsize.h"
#include "fault.h"

#define TRACEFS "/sys/kernel/tracing"
#define INSTANCE TRACEFS "/instances/hugespan-test"
#define RECORD_NAMES TRACEFS "/options/record-cmd"
#define TRACE_BYTES (1 << 20)

FIXTURE(trace) {
	struct pool_watch watch;
	struct pool_size size;
	unsigned long long owner;
	size_t unit;
	char *text;		/* the trace, when it was looked at last */
	bool records_names;	/* the system, before the test */
	int fd;
};

FIXTURE_SETUP(trace)
{
	ASSERT_EQ(0, pool_watch_begin(&self->watch));
	ASSERT_EQ(0, pool_size_save(&self->size));
	/* Where it is mounted already this does nothing. */
	if (access(TRACEFS "/instances", F_OK))
		mount("none", TRACEFS, "tracefs", 0, NULL);
	if (access(TRACEFS "/instances", W_OK)) {
		SKIP_IN_SETUP("no tracefs: %s", strerror(errno));
	}
	rmdir(INSTANCE);
	/*
	 * Names of processes are not looked at. Recording them would patch the
	 * scheduler's code while it runs, which an emulated CPU does not
	 * always survive. An instance takes the option from the top.
	 */
	self->records_names = file_number(RECORD_NAMES, 0);
	ASSERT_EQ(0, file_write(RECORD_NAMES, "0"));
	ASSERT_EQ(0, mkdir(INSTANCE, 0700));
	ASSERT_EQ(0, file_write(INSTANCE "/events/hugespan/enable", "1"));
	self->fd = dev_open(O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->unit = dev_unit(self->fd);
	self->owner = dev_owner_id(self->fd);
	self->text = malloc(TRACE_BYTES);
	ASSERT_NE(NULL, self->text);
}

FIXTURE_TEARDOWN(trace)
{
	free(self->text);
	close(self->fd);
	rmdir(INSTANCE);
	if (self->records_names)
		EXPECT_EQ(0, file_write(RECORD_NAMES, "1"));
	EXPECT_EQ(0, pool_size_restore(&self->size));
	EXPECT_EQ(0, pool_watch_end(&self->watch));
}

/*
 * Lines of the trace so far that have all of these words of an event, "grant:
 * owner=3" say.
 */
static int count(FIXTURE_DATA(trace) *self, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int count(FIXTURE_DATA(trace) *self, const char *fmt, ...)
{
	char words[256];
	const char *at;
	va_list ap;
	int nr = 0;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	if (file_read(INSTANCE "/trace", self->text, TRACE_BYTES - 1))
		return -1;
	/* Every line ends alike. */
	strcat(self->text, "\n");
	for (at = self->text; (at = strstr(at, words)); at += strlen(words))
		nr++;
	return nr;
}

/* A fixed place in the device: its first unit, as the trace has it. */
static unsigned int unit_of(FIXTURE_DATA(trace) *self, const struct span *s)
{
	return (unsigned int)(s->offset / self->unit);
}

TEST_F(trace, a_grant_and_its_end)
{
	struct hugespan_query q;
	struct span s;

	ASSERT_EQ(0, span_alloc(self->fd, 2, &s));
	ASSERT_EQ(0, span_query(self->fd, s.offset, &q));
	EXPECT_EQ(1, count(self, "hugespan_grant: owner=%llu node=%d start=%u nr=4\n",
			   self->owner, q.out_node, unit_of(self, &s)));
	ASSERT_EQ(0, span_trim(self->fd, s.offset, self->unit, NULL));
	EXPECT_EQ(1, count(self, "hugespan_free: owner=%llu node=%d start=%u nr=3\n",
			   self->owner, q.out_node, unit_of(self, &s) + 1));
	ASSERT_EQ(0, span_free(self->fd, s.offset));
	EXPECT_EQ(1, count(self, "hugespan_free: owner=%llu node=%d start=%u nr=1\n",
			   self->owner, q.out_node, unit_of(self, &s)));
	/* Nothing was mapped. */
	EXPECT_EQ(0, count(self, "hugespan_zap: owner=%llu ", self->owner));
}

/* Closing the file is a free too. */
TEST_F(trace, a_close_frees)
{
	int fd = dev_open(O_RDWR | O_CLOEXEC);
	unsigned long long owner = dev_owner_id(fd);
	struct span s[3];
	int i;

	ASSERT_LE(0, fd);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, span_alloc(fd, 0, &s[i]));
	}
	close(fd);
	ASSERT_EQ(0, pool_settle(&self->watch, 0));
	EXPECT_EQ(3, count(self, "hugespan_grant: owner=%llu ", owner));
	EXPECT_EQ(3, count(self, "hugespan_free: owner=%llu ", owner));
}

/* A fault a unit; and of a mapping that went stale, that it did. */
TEST_F(trace, faults_and_the_zap_between)
{
	struct span s;
	char *mem;
	void *p;
	uint64_t word;

	ASSERT_EQ(0, span_alloc(self->fd, 1, &s));
	ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
	mem = p;
	ASSERT_EQ(0, fault_write(mem, 1));
	ASSERT_EQ(0, fault_read(mem + self->unit, &word));
	EXPECT_EQ(1, count(self, "hugespan_fault: owner=%llu unit=%u address=%#lx write=1 stale=0\n",
			   self->owner, unit_of(self, &s), (unsigned long)p));
	EXPECT_EQ(1, count(self, "hugespan_fault: owner=%llu unit=%u address=%#lx write=0 stale=0\n",
			   self->owner, unit_of(self, &s) + 1,
			   (unsigned long)(mem + self->unit)));
	ASSERT_EQ(0, span_free(self->fd, s.offset));
	EXPECT_EQ(1, count(self, "hugespan_zap: owner=%llu ", self->owner));
	ASSERT_EQ(SIGBUS, fault_read(mem, &word));
	EXPECT_EQ(1, count(self, "hugespan_fault: owner=%llu unit=%u address=%#lx write=0 stale=1\n",
			   self->owner, unit_of(self, &s), (unsigned long)p));
	munmap(p, s.bytes);
}

TEST_F(trace, a_refusal_says_what_was_wanted)
{
	struct span s;

	ASSERT_EQ(-ENOMEM, span_alloc(self->fd, 29, &s));
	EXPECT_EQ(1, count(self, "hugespan_refuse: order=29 node=-1 flags=0x0 err=-12\n"));
	ASSERT_EQ(-ENOMEM, span_alloc_on(self->fd, 28, HUGESPAN_ALLOC_NOWAIT,
					 0, self->size.node[0], &s));
	EXPECT_EQ(1, count(self, "hugespan_refuse: order=28 node=%d flags=%#x err=-12\n",
			   self->size.node[0], HUGESPAN_ALLOC_NOWAIT));
	EXPECT_EQ(0, count(self, "hugespan_grant: owner=%llu ", self->owner));
}

/* A pinned unit goes into quarantine, and out again. */
TEST_F(trace, a_quarantine_has_two_ends)
{
	struct iovec iov;
	struct span s;
	int ends[2];
	void *p;

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, span_alloc(self->fd, 0, &s));
	ASSERT_EQ(0, span_map(self->fd, &s, MAP_SHARED, &p));
	ASSERT_EQ(0, fault_write(p, 1));
	iov = (struct iovec){ p, 4096 };
	ASSERT_EQ(4096, vmsplice(ends[1], &iov, 1, 0));
	ASSERT_EQ(0, span_free(self->fd, s.offset));
	EXPECT_EQ(1, count(self, "hugespan_quarantine: node=0 unit=%u enters\n",
			   unit_of(self, &s)));
	EXPECT_EQ(0, count(self, "unit=%u leaves\n", unit_of(self, &s)));
	close(ends[0]);
	close(ends[1]);
	munmap(p, s.bytes);
	ASSERT_EQ(0, pool_settle(&self->watch, 0));
	EXPECT_EQ(1, count(self, "hugespan_quarantine: node=0 unit=%u leaves\n",
			   unit_of(self, &s)));
}

TEST_F(trace, growing_and_shrinking)
{
	int node = self->size.node[0];
	long long nr = self->size.nr_units[0];

	ASSERT_EQ(0, pool_resize(node, nr + 5));
	EXPECT_EQ(1, count(self, "hugespan_grow: node=%d nr=5 units=%lld err=0\n",
			   node, nr + 5));
	ASSERT_EQ(0, pool_resize(node, nr - 2));
	EXPECT_EQ(1, count(self, "hugespan_shrink: node=%d nr=7 units=%lld err=0\n",
			   node, nr - 2));
	ASSERT_EQ(-ENOSPC, pool_write(node, "nr_target", 1 << 29));
	EXPECT_EQ(1, count(self, "err=%d\n", -ENOSPC));
}

DEVICE_TEST_MAIN
