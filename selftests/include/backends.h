/* SPDX-License-Identifier: MIT */
/*
 * The same test on every backend: a fixture's variants, and the huge pages
 * that the hugetlb one needs. Include it after <kselftest_harness.h>.
 *
 * A backend that is not usable here skips its tests with the reason that the
 * library gives. A file ends in BACKENDS_MAIN.
 */
#ifndef SELFTEST_BACKENDS_H
#define SELFTEST_BACKENDS_H

#include <errno.h>
#include <fcntl.h>
#include <hugespan.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef HELPER
#define HELPER static inline __attribute__((unused))
#endif

/* As in device.h: nobody looks at what the harness's longjmp may clobber. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wclobbered"
#endif

#define BACKEND_VARIANTS(fixture)					\
	FIXTURE_VARIANT(fixture) { int id; };				\
	FIXTURE_VARIANT_ADD(fixture, device) {				\
		.id = HS_BACKEND_DEVICE };				\
	FIXTURE_VARIANT_ADD(fixture, hugetlb) {				\
		.id = HS_BACKEND_HUGETLB };				\
	FIXTURE_VARIANT_ADD(fixture, thp) { .id = HS_BACKEND_THP };	\
	FIXTURE_VARIANT_ADD(fixture, plain) { .id = HS_BACKEND_PLAIN }

/* In a FIXTURE_SETUP. The harness of 6.1 runs a test whose setup says SKIP. */
#define SKIP_UNLESS_USABLE(backend_id) do {				\
	struct hs_status st_ = { .struct_size = sizeof(st_) };		\
									\
	ASSERT_EQ(0, hs_status(&st_));					\
	if (!st_.backends[backend_id].usable)				\
		SKIP(_exit(255), "%s",					\
		     st_.backends[backend_id].reason);			\
	if ((backend_id) == HS_BACKEND_HUGETLB &&			\
	    hugetlb_available() < HUGETLB_PAGES_NEEDED)			\
		SKIP(_exit(255), "fewer than %d free huge pages: sysctl -w vm.nr_hugepages=%d", \
		     HUGETLB_PAGES_NEEDED, 2 * HUGETLB_PAGES_WANTED);	\
} while (0)

/*
 * Faults of this thread while it writes to each small page. Sanitizers would
 * add those of their own shadow memory.
 */
HELPER __attribute__((no_sanitize_address)) long
faults_of_writing(volatile char *addr, size_t bytes)
{
	struct rusage before, after;

	getrusage(RUSAGE_THREAD, &before);
	for (size_t i = 0; i < bytes; i += 4096)
		addr[i] = 1;
	getrusage(RUSAGE_THREAD, &after);
	return after.ru_minflt - before.ru_minflt;
}

/* ---- the pool of hugetlb pages ------------------------------------------ */

/*
 * Huge pages a test needs, and those that are added to the pool for it when it
 * runs as root: other programs of the machine may help themselves to some.
 */
#define HUGETLB_PAGES_NEEDED 16
#define HUGETLB_PAGES_WANTED 64
/* Seconds to wait for other tests that use the pool. */
#define HUGETLB_TURN_SECONDS 240

#define HUGETLB_NR "/proc/sys/vm/nr_hugepages"

/* Who must take out again what was put in: no child of it. */
static pid_t hugetlb_owner;

HELPER long hugetlb_total(void)
{
	FILE *f = fopen(HUGETLB_NR, "re");
	long nr = -1;

	if (f && fscanf(f, "%ld", &nr) != 1)
		nr = -1;
	if (f)
		fclose(f);
	return nr;
}

/* Pages that a new mapping can have. */
HELPER long hugetlb_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	long nr_free = 0, nr_reserved = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "HugePages_Free: %ld", &nr_free);
		sscanf(line, "HugePages_Rsvd: %ld", &nr_reserved);
	}
	if (f)
		fclose(f);
	return nr_free - nr_reserved;
}

/*
 * One test program at a time, as long as it runs: they compete for the pool.
 * False for one that waited too long; its tests skip what they cannot have.
 */
HELPER bool hugetlb_take_turn(void)
{
	int fd = open(HUGETLB_NR, O_RDONLY | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i < HUGETLB_TURN_SECONDS * 10; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return true;	/* until the program ends */
		usleep(100000);
	}
	return false;
}

/* Change the pool by @delta pages; returns by how many it did. */
HELPER long hugetlb_change(long delta)
{
	long before = hugetlb_total(), after;
	char text[32];
	int fd, len;

	if (before < 0)
		return 0;
	len = snprintf(text, sizeof(text), "%ld", before + delta);
	fd = open(HUGETLB_NR, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, text, (size_t)len) != len)
			fprintf(stderr, "# the hugetlb pool stays as it is\n");
		close(fd);
	}
	after = hugetlb_total();
	return after - before;
}

/* What the program whose turn it is has added; of one that was killed, too. */
#define HUGETLB_RECORD "/run/hugespan-selftest-hugetlb"

HELPER void hugetlb_put_back(void)
{
	FILE *f = fopen(HUGETLB_RECORD, "re");
	long added;

	if (!f)
		return;
	if (fscanf(f, "%ld", &added) == 1)
		hugetlb_change(-added);
	fclose(f);
	unlink(HUGETLB_RECORD);
}

HELPER void hugetlb_add(void)
{
	FILE *f;

	if (geteuid() || !hugetlb_take_turn())
		return;
	hugetlb_put_back();
	f = fopen(HUGETLB_RECORD, "we");
	if (!f)
		return;
	hugetlb_owner = getpid();
	fprintf(f, "%ld\n", hugetlb_change(HUGETLB_PAGES_WANTED));
	fclose(f);
}

HELPER void hugetlb_restore(void)
{
	if (getpid() == hugetlb_owner)
		hugetlb_put_back();
	hugetlb_owner = 0;
}

HELPER void hugetlb_restore_on_signal(int sig)
{
	hugetlb_restore();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Around all tests: each of them runs in a child, this in their parent. */
HELPER int backends_run(int argc, char **argv)
{
	atexit(hugetlb_restore);
	signal(SIGINT, hugetlb_restore_on_signal);
	signal(SIGTERM, hugetlb_restore_on_signal);
	hugetlb_add();
	return test_harness_run(argc, argv);
}

#define BACKENDS_MAIN						\
	int main(int argc, char **argv)				\
	{							\
		return backends_run(argc, argv);		\
	}

#endif /* SELFTEST_BACKENDS_H */
